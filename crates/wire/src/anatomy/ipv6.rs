//! IPv6 and its extension headers. Read first: RFC 8200 §3 (header), §4 (extension headers); RFC 4302 §2 (AH).

use std::net::{IpAddr, Ipv6Addr};

use super::Family::Network;
use super::ipv4::ends_at;
use super::name;
use super::reading::{Reading, Shown, Span, Title, field, flag, hex, opaque, plain, reserved, text, told};
use super::walk::{Next, Walk};

const IPV6: Title = Title { family: Network, name: "IPv6", short: "IPv6", standard: "RFC 8200" };
const S: &str = "RFC 8200 §3";
const S_OPTION: &str = "RFC 8200 §4.2";
const HEADER_LEN: usize = 40;

pub(super) fn read(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, IPV6);
    let version = reading.take(field("Version", 4, S), plain);
    if version.is_some_and(|version| version != 6) {
        reading.breach(format!("version {}, not 6", version.unwrap_or_default()), S);
        reading.take(field("unread", 4, S), plain);
        return (Next::Payload, walk.keep(reading));
    }
    // Traffic Class, one field of RFC 8200 §7, in its two parts.
    reading.take(field("DSCP", 6, "RFC 2474 §3"), |number| told(number, name::codepoint(number)));
    reading.take(field("ECN", 2, "RFC 3168 §5"), |number| told(number, name::congestion(number)));
    reading.take(field("Flow Label", 20, "RFC 8200 §6"), |label| match label {
        0 => hex(label, 5, "none"),
        _ => hex(label, 5, ""),
    });
    let len = reading.take(field("Payload Length", 16, S), |len| match len {
        0 => told(len, "not stated here: none, or more than 65,535 bytes"),
        _ => told(len, "bytes behind these 40"),
    });
    let next = reading.take(field("Next Header", 8, S), next_header);
    reading.take(field("Hop Limit", 8, S), |hops| told(hops, if hops == 1 { "hop" } else { "hops" }));
    let source = reading.take_bytes(field("Source Address", 128, S), address).and_then(ip);
    let destination = reading.take_bytes(field("Destination Address", 128, S), address).and_then(ip);
    let len = len.and_then(|len| usize::try_from(len).ok());
    let room = span.wire_len().saturating_sub(HEADER_LEN);
    if let Some(len) = len.filter(|len| *len > room && !walk.around.quoted) {
        reading.breach(format!("payload length {len} is more than the {room} bytes that were there"), S);
    }
    if let (Some(source), Some(destination)) = (source, destination) {
        walk.around.addresses = Some((source, destination));
    }
    walk.around.piece = false;
    let rest = walk.keep(reading);
    let rest = match len {
        // A jumbogram, or one of Linux's own packets before a device cut it: RFC 2675 §3.
        None | Some(0) => rest,
        Some(len) => ends_at(rest, span.start.saturating_add(HEADER_LEN + len), walk.around.quoted),
    };
    (behind(next), rest)
}

fn behind(next: Option<u64>) -> Next {
    match next.and_then(|next| u8::try_from(next).ok()) {
        Some(59) | None => Next::Payload, // Nothing follows: RFC 8200 §4.7.
        Some(number) => Next::Protocol(number),
    }
}

fn next_header(number: u64) -> Shown {
    told(number, u8::try_from(number).map(name::protocol).unwrap_or_default())
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

/// An IPv6 address.
pub(super) fn address(octets: &[u8]) -> Shown {
    match <[u8; 16]>::try_from(octets) {
        Ok(octets) => {
            let address = Ipv6Addr::from(octets);
            text(address.to_string(), name::address(address.into()))
        }
        Err(_) => opaque(octets),
    }
}

/// An extension header by its number.
pub(super) fn extension(walk: &mut Walk<'_>, span: Span, number: u8) -> (Next, Span) {
    let title = |name, short, standard| Title { family: Network, name, short, standard };
    match number {
        0 => with_options(walk, span, title("Hop-by-Hop Options", "HopByHop", "RFC 8200"), "RFC 8200 §4.3"),
        60 => with_options(walk, span, title("Destination Options", "DestOpts", "RFC 8200"), "RFC 8200 §4.6"),
        43 => routing(walk, span, title("Routing", "Routing", "RFC 8200")),
        44 => fragment(walk, span, title("Fragment", "Fragment", "RFC 8200")),
        51 => authentication(walk, span, title("Authentication Header", "AH", "RFC 4302")),
        135 => other(walk, span, title("Mobility", "Mobility", "RFC 6275"), "RFC 6275 §6.1"),
        139 => other(walk, span, title("Host Identity", "HIP", "RFC 7401"), "RFC 7401 §5.1"),
        _ => other(walk, span, title("Shim6", "Shim6", "RFC 5533"), "RFC 5533 §5.1"),
    }
}

/// The two bytes that most of them begin with; the length is that of the whole header, in bytes.
fn start(reading: &mut Reading<'_>, clause: &'static str) -> Option<u64> {
    let next = reading.take(field("Next Header", 8, clause), next_header);
    let eights = reading
        .take(field("Hdr Ext Len", 8, clause), |len| told(len, format!("× 8 + 8 = {} bytes", len * 8 + 8)));
    let len = eights.and_then(|eights| usize::try_from(eights * 8 + 8).ok());
    let room = reading.span().wire_len();
    if let Some(len) = len.filter(|len| *len > room) {
        reading.breach(format!("{len} bytes long where {room} are left"), clause);
    }
    reading.ends_at(len.unwrap_or(8));
    next
}

fn with_options(walk: &mut Walk<'_>, span: Span, title: Title, clause: &'static str) -> (Next, Span) {
    let mut reading = walk.reading(span, title);
    let next = start(&mut reading, clause);
    while reading.goes_on() {
        option(&mut reading);
    }
    (behind(next), walk.keep(reading))
}

/// Options of both kinds ("Internet Protocol Version 6 (IPv6) Parameters: Destination Options and Hop-by-Hop Options").
fn option(reading: &mut Reading<'_>) {
    let Some(kind) = reading.ahead().first().copied() else {
        reading.take(field("Option Type", 8, S_OPTION), plain);
        return;
    };
    let (name, clause) = match kind {
        0 => ("Pad1", S_OPTION),
        1 => ("PadN", S_OPTION),
        4 => ("Tunnel Encapsulation Limit", "RFC 2473 §4.1.1"),
        5 => ("Router Alert", "RFC 2711 §2.1"),
        0xc2 => ("Jumbo Payload", "RFC 2675 §2"),
        0xc9 => ("Home Address", "RFC 6275 §6.3"),
        _ => ("unknown option", S_OPTION),
    };
    reading.option(name);
    reading.take(field("Option Type", 8, clause).label("Type"), |kind| hex(kind, 2, name));
    if kind == 0 {
        reading.option("");
        return;
    }
    let room = reading.room();
    let len = reading.take(field("Opt Data Len", 8, clause).label("Length"), |len| told(len, "bytes"));
    let len = len.and_then(|len| usize::try_from(len).ok()).unwrap_or_default();
    if len >= room {
        reading.breach(format!("an option of {len} bytes where {} are left", room.saturating_sub(1)), clause);
        reading.take_rest("unread options", S_OPTION);
    }
    match (kind, len) {
        (5, 2) => {
            reading.take(field("Value", 16, clause), |value| match value {
                0 => told(value, "multicast listener discovery"),
                1 => told(value, "RSVP"),
                2 => told(value, "active networks"),
                _ => plain(value),
            });
        }
        (0xc2, 4) => {
            reading.take(field("Jumbo Payload Length", 32, clause), |len| told(len, "bytes"));
        }
        (4, 1) => {
            reading.take(field("Tun Encap Lim", 8, clause), plain);
        }
        (0xc9, 16) => {
            reading.take_bytes(field("Home Address", 128, clause), address);
        }
        (_, len) if len < room => {
            reading.take_bytes(field("Option Data", len * 8, clause), opaque);
        }
        _ => {}
    }
    reading.option("");
}

fn routing(walk: &mut Walk<'_>, span: Span, title: Title) -> (Next, Span) {
    let clause = "RFC 8200 §4.4";
    let mut reading = walk.reading(span, title);
    let next = start(&mut reading, clause);
    let kind = reading.take(field("Routing Type", 8, clause), |kind| told(kind, routing_type(kind)));
    let left = reading.take(field("Segments Left", 8, clause), |left| match left {
        0 => told(left, "it has been everywhere"),
        _ => told(left, "nodes still to visit"),
    });
    let last = match kind {
        Some(0 | 2) => {
            reading.take(field("Reserved", 32, "RFC 2460 §4.4"), reserved);
            addresses(&mut reading, "Address", "RFC 2460 §4.4").last().copied()
        }
        Some(4) => {
            let clause = "RFC 8754 §2";
            reading.take(field("Last Entry", 8, clause), plain);
            reading.take(field("Flags", 8, clause), |flags| hex(flags, 2, ""));
            reading.take(field("Tag", 16, clause), |tag| hex(tag, 4, ""));
            // The list runs backwards: the first one is where it ends.
            addresses(&mut reading, "Segment List", clause).first().copied()
        }
        _ => None,
    };
    if kind == Some(0) {
        reading.breach("routing type 0 may no longer be used", "RFC 5095 §3");
    }
    reading.take_rest("type-specific data", clause);
    // What comes behind is summed with the final destination: RFC 8200 §8.1.
    if let (Some(last), Some(1..), Some((source, _))) = (last, left, walk.around.addresses) {
        walk.around.addresses = Some((source, last));
    }
    (behind(next), walk.keep(reading))
}

fn addresses(reading: &mut Reading<'_>, name: &'static str, clause: &'static str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    while reading.room() >= 16 && reading.goes_on() {
        found.extend(reading.take_bytes(field(name, 128, clause), address).and_then(ip));
    }
    found
}

/// "Internet Protocol Version 6 (IPv6) Parameters: Routing Types".
fn routing_type(kind: u64) -> &'static str {
    match kind {
        0 => "source route (deprecated)",
        2 => "mobile IPv6",
        3 => "RPL source route",
        4 => "segment routing",
        _ => "",
    }
}

fn fragment(walk: &mut Walk<'_>, span: Span, title: Title) -> (Next, Span) {
    let clause = "RFC 8200 §4.5";
    let mut reading = walk.reading(span, title);
    let next = reading.take(field("Next Header", 8, clause), next_header);
    reading.take(field("Reserved", 8, clause), reserved);
    let offset = reading.take(field("Fragment Offset", 13, clause), |offset| match offset {
        0 => plain(offset),
        _ => told(offset, format!("× 8 = byte {}", offset * 8)),
    });
    reading.take(field("Res", 2, clause), reserved);
    let more = reading.take(field("M", 1, clause), flag("more fragments"));
    reading.take(field("Identification", 32, clause), |number| hex(number, 8, ""));
    let offset = offset.unwrap_or_default();
    // Offset zero and no more to come is a whole packet: RFC 6946 §3.
    walk.around.piece |= more == Some(1) || offset > 0;
    let next = if offset > 0 { Next::Fragment } else { behind(next) };
    (next, walk.keep(reading))
}

fn authentication(walk: &mut Walk<'_>, span: Span, title: Title) -> (Next, Span) {
    let clause = "RFC 4302 §2";
    let mut reading = walk.reading(span, title);
    let next = reading.take(field("Next Header", 8, clause), next_header);
    let words = reading.take(field("Payload Len", 8, clause), |words| {
        told(words, format!("(+ 2) × 4 = {} bytes", (words + 2) * 4))
    });
    let len = words.and_then(|words| usize::try_from((words + 2) * 4).ok()).unwrap_or(12);
    let room = span.wire_len();
    if len > room {
        reading.breach(format!("{len} bytes long where {room} are left"), clause);
    }
    reading.ends_at(len);
    reading.take(field("RESERVED", 16, clause), reserved);
    reading.take(field("Security Parameters Index (SPI)", 32, clause).label("SPI"), |spi| hex(spi, 8, ""));
    reading.take(field("Sequence Number Field", 32, clause), plain);
    reading.take_rest("Integrity Check Value", clause);
    (behind(next), walk.keep(reading))
}

fn other(walk: &mut Walk<'_>, span: Span, title: Title, clause: &'static str) -> (Next, Span) {
    let mut reading = walk.reading(span, title);
    let next = start(&mut reading, clause);
    reading.take_rest("Data", clause);
    (behind(next), walk.keep(reading))
}
