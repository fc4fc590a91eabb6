//! Headers between a link's own and IP: LLC and SNAP, PPP, PPPoE, MPLS. Read first: RFC 1042 (LLC, SNAP), RFC 1661 §2,
//! RFC 2516 §4, RFC 3032 §2.1. For the many others there is [`stepped_over`].

use super::Family::Link;
use super::name;
use super::reading::{Shown, Span, Title, field, flag, hex, opaque, plain, reserved, told};
use super::walk::{Next, Walk};
use crate::link::{self, Layer, Protocol};

const LLC: Title = Title { family: Link, name: "LLC", short: "LLC", standard: "IEEE 802.2" };
const PPP: Title = Title { family: Link, name: "PPP", short: "PPP", standard: "RFC 1661" };
const PPPOE: Title = Title { family: Link, name: "PPPoE", short: "PPPoE", standard: "RFC 2516" };
const MPLS: Title = Title { family: Link, name: "MPLS", short: "MPLS", standard: "RFC 3032" };
const CONTROL_WORD: Title = Title { family: Link, name: "Control word", short: "CW", standard: "RFC 4385" };

const S_LLC: &str = "IEEE 802.2 §3.2";
const S_SNAP: &str = "RFC 1042";
const S_PPP: &str = "RFC 1661 §2";
const S_HDLC: &str = "RFC 1662 §3.1";
const S_PPPOE: &str = "RFC 2516 §4";
const S_MPLS: &str = "RFC 3032 §2.1";
const S_CONTROL_WORD: &str = "RFC 4385 §3";

/// The name of a field whose bytes are known to stand before a packet, but not what they say.
pub(super) const NOT_TAKEN_APART: &str = "not taken apart";

/// IEEE 802.2, and behind two access points of 0xaa SNAP: a number and whose numbers these are.
pub(super) fn llc(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, LLC);
    let access_point = |point: u64| {
        let meaning = match point {
            0x06 => "IP",
            0x42 => "spanning tree",
            0xaa => "SNAP",
            _ => "",
        };
        hex(point, 2, meaning)
    };
    let destination = reading.take(field("DSAP", 8, S_LLC), access_point);
    let source = reading.take(field("SSAP", 8, S_LLC), access_point);
    let control = reading.take(field("Control", 8, S_LLC), |control| match control {
        3 => hex(control, 2, "UI"),
        _ => hex(control, 2, ""),
    });
    if let (Some(0x06), Some(0x06), Some(3)) = (destination, source, control) {
        return (Next::Ip, walk.keep(reading));
    }
    let (Some(0xaa), Some(0xaa), Some(3)) = (destination, source, control) else {
        return (Next::Payload, walk.keep(reading));
    };
    let organisation = reading.take(field("Org Code", 24, S_SNAP), |code| hex(code, 6, ""));
    let number =
        reading.take(field("EtherType", 16, S_SNAP), |number| hex(number, 4, name::ether_type(number)));
    let next = match (organisation, number.and_then(|number| u16::try_from(number).ok())) {
        (Some(0 | 0xf8), Some(number)) => Next::EtherType(number),
        _ => Next::Payload,
    };
    (next, walk.keep(reading))
}

pub(super) fn ppp(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, PPP);
    if reading.ahead().starts_with(&[0xff, 0x03]) {
        reading.take(field("Address", 8, S_HDLC), |address| hex(address, 2, "all stations"));
        reading.take(field("Control", 8, S_HDLC), |control| hex(control, 2, "UI"));
    }
    // The field is one byte if that is odd: RFC 1661 §2, RFC 1662 §3.2.
    let is_short = reading.ahead().first().is_some_and(|byte| byte & 1 == 1);
    let bits = if is_short { 8 } else { 16 };
    let number =
        reading.take(field("Protocol", bits, S_PPP), |number| hex(number, bits / 4, ppp_name(number)));
    let next = match number {
        Some(0x0021 | 0x0057) => Next::Ip, // RFC 1332 §2, RFC 5072 §2
        Some(0x0281 | 0x0283) => Next::Mpls,
        _ => Next::Payload,
    };
    (next, walk.keep(reading))
}

/// "Point-to-Point (PPP) Protocol Field Assignments: PPP DLL Protocol Numbers".
fn ppp_name(number: u64) -> &'static str {
    match number {
        0x0021 => "IPv4",
        0x0031 => "bridged",
        0x0057 => "IPv6",
        0x0281 => "MPLS",
        0x8021 => "IPCP",
        0x8057 => "IPv6CP",
        0xc021 => "LCP",
        0xc023 => "PAP",
        0xc223 => "CHAP",
        _ => "",
    }
}

pub(super) fn pppoe(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, PPPOE);
    reading.take(field("VER", 4, S_PPPOE), plain);
    reading.take(field("TYPE", 4, S_PPPOE), plain);
    let code = reading.take(field("CODE", 8, S_PPPOE), |code| hex(code, 2, pppoe_code(code)));
    reading.take(field("SESSION_ID", 16, S_PPPOE), |session| hex(session, 4, ""));
    let len = reading.take(field("LENGTH", 16, S_PPPOE), |len| told(len, "bytes"));
    let rest = walk.keep(reading);
    let len = len.and_then(|len| usize::try_from(len).ok()).unwrap_or(usize::MAX);
    (if code == Some(0) { Next::Ppp } else { Next::Payload }, rest.at_most(len))
}

/// RFC 2516 §4, §5.
fn pppoe_code(code: u64) -> &'static str {
    match code {
        0x00 => "session",
        0x07 => "PADO: offer",
        0x09 => "PADI: is there a server?",
        0x19 => "PADR: request",
        0x65 => "PADS: session begins",
        0xa7 => "PADT: session ends",
        _ => "",
    }
}

/// One label; there may be more behind it. What is behind the last one is told by no field: RFC 3032 §2.2.
pub(super) fn mpls(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, MPLS);
    reading.take(field("Label", 20, S_MPLS), label);
    reading.take(field("TC", 3, "RFC 5462 §2"), |class| told(class, "traffic class"));
    let bottom = reading.take(field("S", 1, S_MPLS), flag("bottom of stack"));
    reading.take(field("TTL", 8, S_MPLS), |hops| told(hops, "hops"));
    let rest = walk.keep(reading);
    if bottom == Some(0) {
        return (Next::Mpls, rest);
    }
    let bytes = walk.frame.get(rest.start..rest.end).unwrap_or_default();
    let is_ethernet = link::ethernet_is_likely(bytes);
    match bytes.first().map(|byte| byte >> 4) {
        Some(4 | 6) if !is_ethernet => (Next::Ip, rest),
        Some(0) if link::ethernet_is_likely(bytes.get(4..).unwrap_or_default()) => control_word(walk, rest),
        Some(_) if is_ethernet => (Next::Ethernet, rest),
        _ => (Next::Payload, rest),
    }
}

fn label(number: u64) -> Shown {
    let meaning = match number {
        0 => "IPv4 explicit null",
        1 => "router alert",
        2 => "IPv6 explicit null",
        3 => "implicit null",
        _ => "",
    };
    told(number, meaning)
}

/// In front of Ethernet on a pseudowire.
fn control_word(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, CONTROL_WORD);
    reading.take(field("0", 4, S_CONTROL_WORD), reserved);
    reading.take(field("Flags", 4, S_CONTROL_WORD), |flags| hex(flags, 1, ""));
    reading.take(field("FRG", 2, S_CONTROL_WORD), plain);
    reading.take(field("Length", 6, S_CONTROL_WORD), plain);
    reading.take(field("Sequence Number", 16, S_CONTROL_WORD), plain);
    (Next::Ethernet, walk.keep(reading))
}

/// Headers without a table of fields here: if a packet is found behind them, they are one layer of bytes, and the walk goes
/// on with the packet. Payload otherwise.
pub(super) fn stepped_over(
    walk: &mut Walk<'_>,
    span: Span,
    protocol: Protocol,
    title: Title,
) -> (Next, Span) {
    let bytes = walk.frame.get(span.start..span.end).unwrap_or_default();
    let found = link::network(Layer::new(protocol, bytes, Some(span.wire_len())));
    let Ok(packet) = found else { return (Next::Payload, span) };
    let len = offset_in(bytes, packet.bytes);
    let mut reading = walk.reading(span, title);
    reading.take_bytes(field(NOT_TAKEN_APART, len * 8, ""), opaque);
    let rest = walk.keep(reading).at_most(packet.wire_len.unwrap_or(usize::MAX));
    let next = match packet.protocol {
        Protocol::Ipv4 => Next::EtherType(0x0800),
        Protocol::Ipv6 => Next::EtherType(0x86dd),
        Protocol::Arp(number) => Next::EtherType(number),
        _ => Next::Ip,
    };
    (next, rest)
}

/// How far into bytes a part of them begins: its end may have been cut off too, so only where it lies tells.
pub(super) fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr()).min(whole.len())
}
