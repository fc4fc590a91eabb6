//! IPv4 and its options. Read first: RFC 791 §3.1; RFC 2474 §3 and RFC 3168 §5 (what became of the type of service).

use std::net::Ipv4Addr;

use super::Family::Network;
use super::reading::{Reading, Shown, Span, Title, field, flag, hex, opaque, plain, reserved, text, told};
use super::walk::{Next, Walk};
use super::{checked, name};

const IPV4: Title = Title { family: Network, name: "IPv4", short: "IPv4", standard: "RFC 791" };
const S: &str = "RFC 791 §3.1";
const MIN_HEADER_LEN: usize = 20;

pub(super) fn read(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, IPV4);
    let version = reading.take(field("Version", 4, S), plain);
    let words = reading.take(field("IHL", 4, S), |words| told(words, format!("× 4 = {} bytes", words * 4)));
    if version.is_some_and(|version| version != 4) {
        reading.breach(format!("version {}, not 4", version.unwrap_or_default()), S);
        return (Next::Payload, walk.keep(reading));
    }
    reading.take(field("DSCP", 6, "RFC 2474 §3"), |number| told(number, name::codepoint(number)));
    reading.take(field("ECN", 2, "RFC 3168 §5"), |number| told(number, name::congestion(number)));
    let header_len = words.and_then(|words| usize::try_from(words * 4).ok()).unwrap_or(MIN_HEADER_LEN);
    let total = reading.take(field("Total Length", 16, S), |len| total_length(len, header_len));
    reading.take(field("Identification", 16, S), |number| hex(number, 4, format!("= {number}")));
    reading.take(field("Reserved flag", 1, S).label("0"), reserved);
    reading.take(field("DF", 1, S), flag("Don't Fragment"));
    let more = reading.take(field("MF", 1, S), flag("More Fragments"));
    let offset = reading.take(field("Fragment Offset", 13, S), |offset| match offset {
        0 => told(offset, ""),
        _ => told(offset, format!("× 8 = byte {}", offset * 8)),
    });
    reading.take(field("Time to Live", 8, S), |hops| told(hops, if hops == 1 { "hop" } else { "hops" }));
    let protocol = reading.take(field("Protocol", 8, S), protocol);
    reading.take(field("Header Checksum", 16, S), checked::shown);
    let source = reading.take(field("Source Address", 32, S), address);
    let destination = reading.take(field("Destination Address", 32, S), address);
    lengths(walk, &mut reading, header_len, total);
    reading.ends_at(header_len.max(MIN_HEADER_LEN));
    if destination.is_some() {
        options(&mut reading);
    }
    let header = span.at_most(header_len.max(MIN_HEADER_LEN));
    reading.checksum(checked::alone(walk.frame, header, 10, S));
    if let (Some(source), Some(destination)) = (source.and_then(ip), destination.and_then(ip)) {
        walk.around.addresses = Some((source.into(), destination.into()));
    }
    walk.around.piece = more == Some(1) || offset.is_some_and(|offset| offset > 0);
    let len = total.and_then(|len| usize::try_from(len).ok()).filter(|len| *len > 0);
    let rest = walk.keep(reading);
    let rest = match len {
        Some(len) => ends_at(rest, span.start.saturating_add(len), walk.around.quoted),
        None => rest,
    };
    let next = match (protocol.and_then(|number| u8::try_from(number).ok()), offset) {
        (_, Some(1..)) => Next::Fragment,
        (Some(number), _) => Next::Protocol(number),
        (None, _) => Next::Payload,
    };
    (next, rest)
}

/// The rest of a packet whose header states where it ends. What an ICMP error quotes is mostly cut before.
pub(super) fn ends_at(rest: Span, stated_end: usize, quoted: bool) -> Span {
    let stated_end = stated_end.max(rest.start);
    match quoted {
        true if stated_end > rest.wire_end => {
            let cut_by = if rest.end < rest.wire_end { rest.cut_by } else { super::CutBy::Quote };
            Span { wire_end: stated_end, cut_by, ..rest }
        }
        _ => rest.at_most(stated_end - rest.start),
    }
}

fn total_length(len: u64, header_len: usize) -> Shown {
    match len.checked_sub(u64::try_from(header_len).unwrap_or(u64::MAX)) {
        _ if len == 0 => told(len, "not known yet: a device was to cut it"),
        Some(data) => told(len, format!("bytes, {data} of them data")),
        None => told(len, "bytes, less than the header"),
    }
}

fn lengths(walk: &Walk<'_>, reading: &mut Reading<'_>, header_len: usize, total: Option<u64>) {
    if header_len < MIN_HEADER_LEN {
        reading.breach(format!("IHL {} is less than 5", header_len / 4), S);
    }
    let room = reading.span().wire_len();
    match total.and_then(|len| usize::try_from(len).ok()) {
        Some(len @ 1..) if len < header_len => {
            reading.breach(format!("total length {len} is less than the header's {header_len} bytes"), S);
        }
        Some(len) if len > room && !walk.around.quoted => {
            reading.breach(format!("total length {len} is more than the {room} bytes that were there"), S);
        }
        _ => {}
    }
}

fn protocol(number: u64) -> Shown {
    told(number, u8::try_from(number).map(name::protocol).unwrap_or_default())
}

fn ip(bits: u64) -> Option<Ipv4Addr> {
    u32::try_from(bits).ok().map(Ipv4Addr::from)
}

/// An IPv4 address.
pub(super) fn address(bits: u64) -> Shown {
    let address = ip(bits).unwrap_or(Ipv4Addr::UNSPECIFIED);
    text(address.to_string(), name::address(address.into()))
}

/// Options by their type byte ("Internet Protocol Version 4 (IPv4) Parameters: IP Option Numbers").
const END: u64 = 0;
const NO_OPERATION: u64 = 1;

struct Known {
    name: &'static str,
    clause: &'static str,
}

fn known(kind: u64) -> Known {
    let (name, clause) = match kind {
        END => ("End of Option List", S),
        NO_OPERATION => ("No Operation", S),
        7 => ("Record Route", S),
        68 => ("Internet Timestamp", S),
        130 => ("Security", "RFC 1108"),
        131 => ("Loose Source and Record Route", S),
        136 => ("Stream Identifier", S),
        137 => ("Strict Source and Record Route", S),
        148 => ("Router Alert", "RFC 2113 §2.1"),
        _ => ("unknown option", S),
    };
    Known { name, clause }
}

fn options(reading: &mut Reading<'_>) {
    while reading.goes_on() {
        let Some(kind) = reading.ahead().first().copied().map(u64::from) else {
            // Cut here: it is noted, and in which field.
            reading.take(field("Option Type", 8, S), plain);
            return;
        };
        let Known { name, clause } = known(kind);
        reading.option(name);
        reading.take(field("Type", 8, clause), |kind| told(kind, name));
        match kind {
            END => {
                reading.option("");
                padding(reading);
                return;
            }
            NO_OPERATION => {}
            _ if !with_length(reading, kind, clause) => {
                reading.option("");
                reading.take_rest("unread options", S);
                return;
            }
            _ => {}
        }
        reading.option("");
    }
}

/// What is behind the end of the options (RFC 791 §3.1: zero).
fn padding(reading: &mut Reading<'_>) {
    let padding = reading.take_rest("Padding", S);
    if padding.is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0)) {
        reading.breach("padding that is not zero", S);
    }
}

/// The rest of an option that has a length; false when that cannot be right.
fn with_length(reading: &mut Reading<'_>, kind: u64, clause: &'static str) -> bool {
    let room = reading.room();
    let Some(len) = reading.take(field("Length", 8, clause), |len| told(len, "bytes")) else { return false };
    let body = usize::try_from(len).unwrap_or_default().checked_sub(2);
    let Some(body) = body.filter(|body| *body < room) else {
        reading.breach(format!("an option of {len} bytes where {} are left", room + 1), clause);
        return false;
    };
    let bytes = |name, len: usize| field(name, len * 8, clause);
    match (kind, body) {
        (7 | 131 | 137, 1..) => {
            reading.take(field("Pointer", 8, clause), |at| told(at, "byte of the option, from 1"));
            addresses(reading, body - 1, clause);
        }
        (68, 2..) => {
            reading.take(field("Pointer", 8, clause), |at| told(at, "byte of the option, from 1"));
            reading.take(field("oflw", 4, clause), |hosts| told(hosts, "hosts that found no room"));
            reading.take(field("flg", 4, clause), |format| told(format, timestamps(format)));
            reading.take_bytes(bytes("Timestamps", body - 2), opaque);
        }
        (148, 2) => {
            reading.take(field("Value", 16, clause), |value| match value {
                0 => told(value, "routers shall look at it"),
                _ => told(value, "reserved"),
            });
        }
        (136, 2) => {
            reading.take(field("Stream ID", 16, clause), plain);
        }
        _ => {
            reading.take_bytes(bytes("Data", body), opaque);
        }
    }
    true
}

fn addresses(reading: &mut Reading<'_>, len: usize, clause: &'static str) {
    for _ in 0..len / 4 {
        reading.take(field("Route Data", 32, clause), address);
    }
    if !len.is_multiple_of(4) {
        reading.take_bytes(field("Route Data", len % 4 * 8, clause), opaque);
        reading.breach("route data that is no list of addresses", clause);
    }
}

fn timestamps(format: u64) -> &'static str {
    match format {
        0 => "timestamps only",
        1 => "each behind its address",
        3 => "of these addresses",
        _ => "",
    }
}
