//! Headers around another packet. Read first: RFC 2784 and RFC 2890 (GRE), RFC 7348 §5 (VXLAN), RFC 8926 §3.4 (Geneve).

use super::Family::Tunnel;
use super::reading::{Span, Title, field, flag, hex, opaque, plain, reserved, told};
use super::walk::{Next, Walk};
use super::{framing, name};
use crate::link::{self, Layer, Protocol};

const GRE: Title = Title { family: Tunnel, name: "GRE", short: "GRE", standard: "RFC 2784" };
const GENEVE: Title = Title { family: Tunnel, name: "Geneve", short: "Geneve", standard: "RFC 8926" };
const VXLAN: Title = Title { family: Tunnel, name: "VXLAN", short: "VXLAN", standard: "RFC 7348" };

const S_GRE: &str = "RFC 2784 §2.1";
const S_KEY: &str = "RFC 2890 §2";
const S_GENEVE: &str = "RFC 8926 §3.4";
const S_GENEVE_OPTION: &str = "RFC 8926 §3.5";
const S_VXLAN: &str = "RFC 7348 §5";

/// Tunnels of other kinds, whose headers have no table of fields here.
const OTHER: Title = Title { family: Tunnel, name: "Tunnel", short: "Tunnel", standard: "" };

/// What a datagram between these ports carries: which ones are tunnels is told by well-known ports only.
pub(super) fn in_udp(walk: &mut Walk<'_>, span: Span, ports: [u16; 2]) -> (Next, Span) {
    let bytes = walk.frame.get(span.start..span.end).unwrap_or_default();
    let payload = Layer::new(Protocol::Ip, bytes, Some(span.wire_len()));
    let Some(inner) = crate::tunnel::in_udp(ports, payload) else { return (Next::Payload, span) };
    match ports {
        _ if ports.iter().any(|port| matches!(port, 4789 | 8472)) => vxlan(walk, span),
        _ if ports.contains(&6081) => geneve(walk, span),
        _ if ports.contains(&4754) => gre(walk, span), // RFC 8086 §8
        _ => other(walk, span, inner),
    }
}

/// A tunnel's header as bytes, if it has one and a packet is found behind it.
fn other(walk: &mut Walk<'_>, span: Span, inner: Layer<'_>) -> (Next, Span) {
    if link::network(inner).is_err() {
        return (Next::Payload, span);
    }
    let bytes = walk.frame.get(span.start..span.end).unwrap_or_default();
    let len = framing::offset_in(bytes, inner.bytes);
    let mut reading = walk.reading(span, OTHER);
    reading.take_bytes(field(framing::NOT_TAKEN_APART, len * 8, ""), opaque);
    let rest = walk.keep(reading).at_most(inner.wire_len.unwrap_or(usize::MAX));
    let next = match inner.protocol {
        Protocol::Ip | Protocol::Ipv4 | Protocol::Ipv6 => Next::Ip,
        Protocol::Ethernet => Next::Ethernet,
        Protocol::EtherType(number) => Next::EtherType(number),
        Protocol::Ppp => Next::Ppp,
        Protocol::Mpls => Next::Mpls,
        protocol => return framing::stepped_over(walk, rest, protocol, OTHER),
    };
    (next, rest)
}

pub(super) fn gre(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, GRE);
    let checksum = reading.take(field("C", 1, S_GRE), flag("a checksum follows"));
    let routing = reading.take(field("R", 1, "RFC 1701"), flag("routing follows"));
    let key = reading.take(field("K", 1, S_KEY), flag("a key follows"));
    let sequence = reading.take(field("S", 1, S_KEY), flag("a sequence number follows"));
    reading.take(field("Reserved0", 9, S_GRE), reserved);
    let version = reading.take(field("Ver", 3, S_GRE), plain);
    let number =
        reading.take(field("Protocol Type", 16, S_GRE), |number| hex(number, 4, name::ether_type(number)));
    if checksum == Some(1) || routing == Some(1) {
        reading.take(field("Checksum", 16, S_GRE), super::checked::shown);
        reading.take(field("Reserved1", 16, S_GRE), reserved);
    }
    if checksum == Some(1) {
        reading.checksum(super::checked::alone(walk.frame, span, 4, S_GRE));
    }
    if key == Some(1) {
        reading.take(field("Key", 32, S_KEY), |key| hex(key, 8, ""));
    }
    if sequence == Some(1) {
        reading.take(field("Sequence Number", 32, S_KEY), plain);
    }
    let next = match number.and_then(|number| u16::try_from(number).ok()) {
        // Version 1 is PPTP's, and source routes were never used: what follows is not read.
        Some(number) if version == Some(0) && routing == Some(0) => Next::EtherType(number),
        _ => Next::Payload,
    };
    (next, walk.keep(reading))
}

fn vxlan(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, VXLAN);
    reading.take(field("Reserved", 4, S_VXLAN).label("Rsrvd"), reserved);
    reading.take(field("I", 1, S_VXLAN), flag("the network identifier is valid"));
    reading.take(field("Reserved", 3, S_VXLAN).label("Rsrvd"), reserved);
    reading.take(field("Reserved", 24, S_VXLAN), reserved);
    reading.take(field("VNI", 24, S_VXLAN), |network| told(network, "VXLAN network identifier"));
    reading.take(field("Reserved", 8, S_VXLAN), reserved);
    (Next::Ethernet, walk.keep(reading))
}

fn geneve(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, GENEVE);
    reading.take(field("Ver", 2, S_GENEVE), plain);
    let words =
        reading.take(field("Opt Len", 6, S_GENEVE), |words| told(words, format!("× 4 = {}", words * 4)));
    reading.take(field("O", 1, S_GENEVE), flag("a control packet"));
    reading.take(field("C", 1, S_GENEVE), flag("critical options"));
    reading.take(field("Rsvd.", 6, S_GENEVE), reserved);
    let number =
        reading.take(field("Protocol Type", 16, S_GENEVE), |number| hex(number, 4, name::ether_type(number)));
    reading.take(field("VNI", 24, S_GENEVE), |network| told(network, "virtual network identifier"));
    reading.take(field("Reserved", 8, S_GENEVE), reserved);
    reading.ends_at(words.and_then(|words| usize::try_from(words * 4 + 8).ok()).unwrap_or(8));
    while reading.goes_on() {
        reading.option("tunnel option");
        reading.take(field("Option Class", 16, S_GENEVE_OPTION), |class| hex(class, 4, ""));
        reading.take(field("Type", 8, S_GENEVE_OPTION), |kind| hex(kind, 2, ""));
        reading.take(field("R", 3, S_GENEVE_OPTION), reserved);
        let words = reading
            .take(field("Length", 5, S_GENEVE_OPTION), |words| told(words, format!("× 4 = {}", words * 4)));
        let len = words.and_then(|words| usize::try_from(words * 4).ok()).unwrap_or_default();
        reading.take_bytes(field("Data", len * 8, S_GENEVE_OPTION), opaque);
        reading.option("");
    }
    let number = number.and_then(|number| u16::try_from(number).ok());
    (number.map_or(Next::Payload, Next::EtherType), walk.keep(reading))
}
