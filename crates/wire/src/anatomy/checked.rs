//! Checksums held against the bytes. Read first: RFC 1071; RFC 9293 §3.1 and RFC 8200 §8.1 (pseudo-headers).

use std::net::IpAddr;

use super::reading::{Reading, Span, Title, field, hex, plain, reserved, text, told};
use super::walk::Around;
use super::{Checksum, CutBy, Family, Layer, PseudoHeader, Verdict, name};
use crate::checksum;

/// A checksum over a header or message alone: IPv4's, ICMP's, IGMP's. The field stands `at` bytes behind the start.
pub(super) fn alone(frame: &[u8], span: Span, at: usize, clause: &'static str) -> Option<Checksum> {
    check(frame, span, at, None, false, clause)
}

/// A checksum over a pseudo-header and a message: TCP's, UDP's, ICMPv6's. None outside IP.
pub(super) fn with_pseudo_header(
    frame: &[u8],
    span: Span,
    at: usize,
    protocol: u8,
    around: Around,
) -> Option<Checksum> {
    let (source, destination) = around.addresses?;
    let len = u32::try_from(span.wire_len()).unwrap_or(u32::MAX);
    let sum = checksum::fold(checksum::pseudo_header(source, destination, protocol, len));
    let pseudo = PseudoHeader { source, destination, protocol, len, sum };
    let clause = match (source, protocol) {
        (IpAddr::V6(_), _) => "RFC 8200 §8.1",
        (_, 17) => "RFC 768",
        _ => "RFC 9293 §3.1",
    };
    let mut checked = check(frame, span, at, Some(pseudo), around.piece, clause)?;
    if protocol == 17 && checked.stated == 0 {
        checked.verdict = if source.is_ipv4() { Verdict::Unused } else { Verdict::Missing };
    }
    Some(checked)
}

fn check(
    frame: &[u8],
    span: Span,
    at: usize,
    pseudo: Option<PseudoHeader>,
    piece: bool,
    clause: &'static str,
) -> Option<Checksum> {
    let bytes = frame.get(span.start..span.end)?;
    let stated = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
    let covered = span.wire_len();
    let mut checked =
        Checksum { stated, verdict: Verdict::Fragment, pseudo, covered, data_sum: None, clause };
    if piece {
        return Some(checked);
    }
    if bytes.len() < covered {
        checked.verdict = Verdict::Cut { by: span.cut_by, kept: bytes.len() };
        return Some(checked);
    }
    // An even start keeps both pieces on 16-bit words: RFC 1071 §2.
    let sum = checksum::sum(checksum::sum(0, &bytes[..at]), &bytes[at + 2..]);
    checked.data_sum = Some(checksum::fold(sum));
    let all = pseudo.map_or(sum, |pseudo| checksum::sum(sum, &pseudo.sum.to_be_bytes()));
    let right = match (checksum::finish(all), pseudo) {
        // A computed zero is sent as ones, since zero means none: RFC 768.
        (0, Some(PseudoHeader { protocol: 17, .. })) => 0xffff,
        (right, _) => right,
    };
    checked.verdict = match pseudo {
        _ if stated == right => Verdict::Right,
        // Both are zero in one's complement, and add up alike: RFC 1071 §1.
        _ if stated ^ right == 0xffff && (stated == 0 || right == 0) => Verdict::Right,
        Some(pseudo) if pseudo.sum == stated => Verdict::LeftToDevice(right),
        _ => Verdict::Wrong(right),
    };
    Some(checked)
}

/// The pseudo-header as a layer of its own bytes.
pub(super) fn pseudo_layer(pseudo: &PseudoHeader) -> Layer {
    let bytes = pseudo.to_bytes();
    let v4 = bytes.len() == 12;
    let clause = match (v4, pseudo.protocol) {
        (false, _) => "RFC 8200 §8.1",
        (true, 17) => "RFC 768",
        (true, _) => "RFC 9293 §3.1",
    };
    let title = Title { family: Family::Network, name: "pseudo-header", short: "pseudo", standard: clause };
    let span = Span { start: 0, end: bytes.len(), wire_end: bytes.len(), cut_by: CutBy::Capture };
    let mut reading = Reading::new(&bytes, span, title, false);
    let bits = if v4 { 32 } else { 128 };
    reading.take_bytes(field("Source Address", bits, clause), |_| text(pseudo.source.to_string(), ""));
    reading
        .take_bytes(field("Destination Address", bits, clause), |_| text(pseudo.destination.to_string(), ""));
    let protocol = |number| told(number, name::protocol(pseudo.protocol));
    if v4 {
        reading.take(field("zero", 8, clause), plain);
        reading.take(field("PTCL", 8, clause), protocol);
        reading.take(field("Length", 16, clause), |len| told(len, "bytes"));
    } else {
        reading.take(field("Upper-Layer Packet Length", 32, clause), |len| told(len, "bytes"));
        reading.take(field("zero", 24, clause), reserved);
        reading.take(field("Next Header", 8, clause), protocol);
    }
    reading.finish().0
}

/// The field of a checksum; whether it is right is told beside it.
pub(super) fn shown(stated: u64) -> super::reading::Shown {
    hex(stated, 4, "")
}
