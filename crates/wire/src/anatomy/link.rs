//! What frames begin with. Read first: IEEE 802.3 §3 (Ethernet), IEEE 802.1Q §9 (tags),
//! <https://www.tcpdump.org/linktypes.html> (loopback and cooked headers).

use super::Family::Link;
use super::name;
use super::reading::{Reading, Shown, Span, Title, field, hex, mac, opaque, plain, reserved, text, told};
use super::walk::{Next, Walk};

const ETHERNET: Title = Title { family: Link, name: "Ethernet", short: "Ethernet", standard: "IEEE 802.3" };
const TAG: Title = Title { family: Link, name: "VLAN tag", short: "802.1Q", standard: "IEEE 802.1Q" };
const NULL: Title =
    Title { family: Link, name: "BSD loopback", short: "Loopback", standard: "LINKTYPE_NULL" };
const LOOP: Title =
    Title { family: Link, name: "OpenBSD loopback", short: "Loopback", standard: "LINKTYPE_LOOP" };
const COOKED: Title =
    Title { family: Link, name: "Linux cooked", short: "SLL", standard: "LINKTYPE_LINUX_SLL" };
const COOKED_V2: Title =
    Title { family: Link, name: "Linux cooked v2", short: "SLL2", standard: "LINKTYPE_LINUX_SLL2" };

const S_HEADER: &str = "IEEE 802.3 §3.1.1";
const S_ADDRESS: &str = "IEEE 802.3 §3.2.3";
const S_TYPE: &str = "IEEE 802.3 §3.2.6";
const S_TAG: &str = "IEEE 802.1Q §9.6";

/// Below this the field is the length of an IEEE 802.3 frame (IEEE 802.3 §3.2.6).
const FIRST_TYPE: u64 = 0x0600;

/// The largest value of the field that is a length (IEEE 802.3 §3.2.6).
const MAX_LENGTH: usize = 1500;

pub(super) fn ethernet(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, ETHERNET);
    reading.take_bytes(field("Destination Address", 48, S_ADDRESS), mac_address);
    reading.take_bytes(field("Source Address", 48, S_ADDRESS), mac_address);
    let number = reading.take(field("Length/Type", 16, S_TYPE).label("Type"), length_or_type);
    if reading.span().wire_len() < 14 {
        reading.breach("shorter than the header of a frame", S_HEADER);
    }
    behind_length_or_type(number, walk.keep(reading))
}

fn length_or_type(number: u64) -> Shown {
    match number {
        0..FIRST_TYPE => told(number, "bytes: an 802.3 frame, LLC follows"),
        _ => hex(number, 4, name::ether_type(number)),
    }
}

pub(super) fn tag(walk: &mut Walk<'_>, span: Span, number: u16) -> (Next, Span) {
    let title =
        if number == 0x88a8 { Title { name: "service VLAN tag", short: "802.1ad", ..TAG } } else { TAG };
    let mut reading = walk.reading(span, title);
    reading.take(field("PCP", 3, S_TAG), |priority| told(priority, "priority, 0 to 7"));
    reading.take(field("DEI", 1, S_TAG), super::reading::flag("may be dropped first"));
    reading.take(field("VID", 12, S_TAG), |vlan| match vlan {
        0 => told(vlan, "no VLAN: the tag carries only a priority"),
        4095 => told(vlan, "reserved"),
        _ => told(vlan, "VLAN identifier"),
    });
    let number = reading.take(field("Length/Type", 16, S_TYPE).label("Type"), length_or_type);
    behind_length_or_type(number, walk.keep(reading))
}

/// BSD's 4-byte header: the address family as the capturing machine has it, in its byte order; in OpenBSD's variant
/// always big-endian.
pub(super) fn loopback(walk: &mut Walk<'_>, span: Span, big_endian: bool) -> (Next, Span) {
    let title = if big_endian { LOOP } else { NULL };
    let mut reading = walk.reading(span, title);
    let number = reading.take(field("Protocol family", 32, title.standard), |number| {
        let family = family(number);
        hex(number, 8, format!("{} {}", family, family_name(family)).trim_end())
    });
    let next = match number.map(family).map(family_name) {
        Some("IPv4" | "IPv6") => Next::Ip,
        _ => Next::Payload,
    };
    (next, walk.keep(reading))
}

/// Families are small numbers: read the other way round where that makes one.
fn family(number: u64) -> u64 {
    match u32::try_from(number) {
        Ok(large) if large > 0xffff => large.swap_bytes().into(),
        _ => number,
    }
}

/// AF_INET, and AF_INET6 as NetBSD, FreeBSD, macOS and Linux number it.
fn family_name(family: u64) -> &'static str {
    match family {
        2 => "IPv4",
        24 | 28 | 30 | 10 => "IPv6",
        _ => "",
    }
}

pub(super) fn cooked(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let clause = COOKED.standard;
    let mut reading = walk.reading(span, COOKED);
    reading.take(field("Packet type", 16, clause), packet_type);
    reading.take(field("ARPHRD_ type", 16, clause), |number| told(number, name::hardware(number)));
    let len = reading.take(field("Link-layer address length", 16, clause).label("Address length"), plain);
    link_layer_address(&mut reading, len, clause);
    let number = reading.take(field("Protocol type", 16, clause), cooked_protocol);
    (behind_type(number), walk.keep(reading))
}

pub(super) fn cooked_v2(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let clause = COOKED_V2.standard;
    let mut reading = walk.reading(span, COOKED_V2);
    let number = reading.take(field("Protocol type", 16, clause), cooked_protocol);
    reading.take(field("Reserved (MBZ)", 16, clause), reserved);
    reading.take(field("Interface index", 32, clause), plain);
    reading.take(field("ARPHRD_ type", 16, clause), |number| told(number, name::hardware(number)));
    reading.take(field("Packet type", 8, clause), packet_type);
    let len = reading.take(field("Link-layer address length", 8, clause).label("Address length"), plain);
    link_layer_address(&mut reading, len, clause);
    (behind_type(number), walk.keep(reading))
}

/// Always 8 bytes, of which so many are the address.
fn link_layer_address(reading: &mut Reading<'_>, len: Option<u64>, clause: &'static str) {
    let used = len.and_then(|len| usize::try_from(len).ok()).unwrap_or_default();
    reading.take_bytes(field("Link-layer address", 64, clause), |octets| match octets.get(..used) {
        Some(six) if used == 6 => mac_address(six),
        Some([]) => text("none", ""),
        Some(octets) => opaque(octets),
        None => opaque(octets),
    });
}

fn packet_type(number: u64) -> Shown {
    let meaning = match number {
        0 => "to us",
        1 => "broadcast",
        2 => "multicast",
        3 => "to somebody else",
        4 => "from us",
        _ => "",
    };
    told(number, meaning)
}

/// An EtherType, or one of Linux's small numbers for what has none.
fn cooked_protocol(number: u64) -> Shown {
    match number {
        1 => hex(number, 4, "802.3 without LLC"),
        4 => hex(number, 4, "802.2 LLC"),
        12 => hex(number, 4, "CAN"),
        _ => hex(number, 4, name::ether_type(number)),
    }
}

pub(super) fn mac_address(octets: &[u8]) -> Shown {
    text(mac(octets), name::mac(octets))
}

/// A length leaves out what is padding, and LLC is behind it (IEEE 802.3 §3.2.6).
fn behind_length_or_type(number: Option<u64>, rest: Span) -> (Next, Span) {
    match number.and_then(|number| usize::try_from(number).ok()) {
        Some(len @ 0..=MAX_LENGTH) => (Next::Llc, rest.at_most(len)),
        _ => (behind_type(number), rest),
    }
}

fn behind_type(number: Option<u64>) -> Next {
    match number.and_then(|number| u16::try_from(number).ok()) {
        Some(number) if u64::from(number) >= FIRST_TYPE => Next::EtherType(number),
        _ => Next::Payload,
    }
}
