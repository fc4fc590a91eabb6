//! ICMPv6: errors, echo, neighbours, multicast listeners. Read first: RFC 4443 §2.1 to §4; RFC 4861 §4 (neighbours);
//! RFC 2710 §3 and RFC 3810 §5 (listeners).

use super::Family::Control;
use super::checked;
use super::icmp::{code_meaning, meaning, quoted};
use super::ipv6::address;
use super::link::mac_address;
use super::reading::{Reading, Shown, Span, Title, field, flag, opaque, plain, reserved, told};
use super::walk::{Next, Walk};

const ICMPV6: Title = Title { family: Control, name: "ICMPv6", short: "ICMPv6", standard: "RFC 4443" };
const S: &str = "RFC 4443 §2.1";
const S_MLD: &str = "RFC 2710 §3";
const S_MLD2: &str = "RFC 3810 §5.2";

pub(super) fn read(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, ICMPV6);
    let meaning = meaning(true, &reading);
    let kind = reading.take(field("Type", 8, S), |kind| told(kind, kind_name(kind)));
    reading.take(field("Code", 8, S), |code| told(code, code_meaning(kind_name, kind, meaning)));
    reading.take(field("Checksum", 16, S), checked::shown);
    body(&mut reading, kind);
    reading.checksum(checked::with_pseudo_header(walk.frame, span, 2, 58, walk.around));
    let is_error = matches!(kind, Some(1..128));
    let rest = walk.keep(reading);
    (quoted(walk, is_error), rest)
}

/// The fields of the message, by its type.
fn body(reading: &mut Reading<'_>, kind: Option<u64>) {
    match kind.unwrap_or(u64::MAX) {
        1 => unused(reading, "RFC 4443 §3.1"),
        2 => {
            reading
                .take(field("MTU", 32, "RFC 4443 §3.2"), |mtu| told(mtu, "bytes that the next link takes"));
        }
        3 => unused(reading, "RFC 4443 §3.3"),
        4 => {
            let spec = field("Pointer", 32, "RFC 4443 §3.4");
            reading.take(spec, |at| told(at, "byte of the quoted packet, from 0"));
        }
        128 | 129 => {
            let clause = if kind == Some(128) { "RFC 4443 §4.1" } else { "RFC 4443 §4.2" };
            reading.take(field("Identifier", 16, clause), plain);
            reading.take(field("Sequence Number", 16, clause), plain);
        }
        130..=132 => listener(reading),
        133 => {
            reading.take(field("Reserved", 32, "RFC 4861 §4.1"), reserved);
            options(reading);
        }
        134 => router_advertisement(reading),
        135 => {
            reading.take(field("Reserved", 32, "RFC 4861 §4.3"), reserved);
            reading.take_bytes(field("Target Address", 128, "RFC 4861 §4.3"), address);
            options(reading);
        }
        136 => neighbour_advertisement(reading),
        137 => {
            reading.take(field("Reserved", 32, "RFC 4861 §4.5"), reserved);
            reading.take_bytes(field("Target Address", 128, "RFC 4861 §4.5"), address);
            reading.take_bytes(field("Destination Address", 128, "RFC 4861 §4.5"), address);
            options(reading);
        }
        143 => listener_report(reading),
        _ => {}
    }
}

fn unused(reading: &mut Reading<'_>, clause: &'static str) {
    reading.take(field("Unused", 32, clause), reserved);
}

fn router_advertisement(reading: &mut Reading<'_>) {
    let clause = "RFC 4861 §4.2";
    reading.take(field("Cur Hop Limit", 8, clause), |hops| told(hops, "hops; 0: not told"));
    reading.take(field("M", 1, clause), flag("addresses by DHCPv6"));
    reading.take(field("O", 1, clause), flag("other configuration by DHCPv6"));
    reading.take(field("Reserved", 6, clause), reserved);
    reading.take(field("Router Lifetime", 16, clause), |time| told(time, "s; 0: no default router"));
    reading.take(field("Reachable Time", 32, clause), |time| told(time, "ms; 0: not told"));
    reading.take(field("Retrans Timer", 32, clause), |time| told(time, "ms; 0: not told"));
    options(reading);
}

fn neighbour_advertisement(reading: &mut Reading<'_>) {
    let clause = "RFC 4861 §4.4";
    reading.take(field("R", 1, clause), flag("the sender is a router"));
    reading.take(field("S", 1, clause), flag("an answer to a solicitation"));
    reading.take(field("O", 1, clause), flag("override what is cached"));
    reading.take(field("Reserved", 29, clause), reserved);
    reading.take_bytes(field("Target Address", 128, clause), address);
    options(reading);
}

/// Options of neighbour discovery, to the end of the message (RFC 4861 §4.6; RFC 8106 §5.1).
fn options(reading: &mut Reading<'_>) {
    while reading.goes_on() {
        let kind = reading.ahead().first().copied().unwrap_or_default();
        let (name, clause) = match kind {
            1 => ("Source Link-layer Address", "RFC 4861 §4.6.1"),
            2 => ("Target Link-layer Address", "RFC 4861 §4.6.1"),
            3 => ("Prefix Information", "RFC 4861 §4.6.2"),
            4 => ("Redirected Header", "RFC 4861 §4.6.3"),
            5 => ("MTU", "RFC 4861 §4.6.4"),
            14 => ("Nonce", "RFC 3971 §5.3.2"),
            25 => ("Recursive DNS Server", "RFC 8106 §5.1"),
            _ => ("unknown option", "RFC 4861 §4.6"),
        };
        reading.option(name);
        reading.take(field("Type", 8, clause), |kind| told(kind, name));
        let room = reading.room();
        let len =
            reading.take(field("Length", 8, clause), |len| told(len, format!("× 8 = {} bytes", len * 8)));
        let body = len.and_then(|len| usize::try_from(len * 8).ok()).and_then(|len| len.checked_sub(2));
        match body {
            Some(body) if body < room => option(reading, kind, body, clause),
            _ => {
                if len.is_some() {
                    reading.breach("an option whose length cannot be right", clause);
                }
                reading.take_rest("unread options", clause);
                reading.option("");
                return;
            }
        }
        reading.option("");
    }
}

fn option(reading: &mut Reading<'_>, kind: u8, body: usize, clause: &'static str) {
    match (kind, body) {
        (1 | 2, 6) => {
            reading.take_bytes(field("Link-Layer Address", 48, clause), mac_address);
        }
        (3, 30) => {
            reading.take(field("Prefix Length", 8, clause), |bits| told(bits, "bits"));
            reading.take(field("L", 1, clause), flag("on this link"));
            reading.take(field("A", 1, clause), flag("hosts make addresses of it"));
            reading.take(field("Reserved1", 6, clause), reserved);
            reading.take(field("Valid Lifetime", 32, clause), lifetime);
            reading.take(field("Preferred Lifetime", 32, clause), lifetime);
            reading.take(field("Reserved2", 32, clause), reserved);
            reading.take_bytes(field("Prefix", 128, clause), address);
        }
        (5, 6) => {
            reading.take(field("Reserved", 16, clause), reserved);
            reading.take(field("MTU", 32, clause), |mtu| told(mtu, "bytes"));
        }
        _ => {
            reading.take_bytes(field("Data", body * 8, clause), opaque);
        }
    }
}

fn lifetime(seconds: u64) -> Shown {
    told(seconds, if seconds == 0xffff_ffff { "for ever" } else { "s" })
}

fn listener(reading: &mut Reading<'_>) {
    reading.take(field("Maximum Response Delay", 16, S_MLD), |time| told(time, "ms"));
    reading.take(field("Reserved", 16, S_MLD), reserved);
    reading.take_bytes(field("Multicast Address", 128, S_MLD), address);
    if reading.room() == 0 {
        return;
    }
    // Version 2 queries go on: RFC 3810 §5.1.
    let clause = "RFC 3810 §5.1";
    reading.take(field("Resv", 4, clause), reserved);
    reading.take(field("S", 1, clause), flag("routers keep their timers"));
    reading.take(field("QRV", 3, clause), plain);
    reading.take(field("QQIC", 8, clause), plain);
    let sources = reading.take(field("Number of Sources", 16, clause), plain);
    addresses(reading, sources, clause);
}

fn listener_report(reading: &mut Reading<'_>) {
    let clause = "RFC 3810 §5.2";
    reading.take(field("Reserved", 16, clause), reserved);
    let records =
        reading.take(field("Nr of Mcast Address Records", 16, clause).label("Nr of Records"), plain);
    for _ in 0..records.unwrap_or_default() {
        if !reading.goes_on() {
            return;
        }
        reading.option("Multicast Address Record");
        reading.take(field("Record Type", 8, S_MLD2), |kind| told(kind, record_type(kind)));
        let words = reading.take(field("Aux Data Len", 8, S_MLD2), |words| told(words, "× 4 bytes"));
        let sources = reading.take(field("Number of Sources", 16, S_MLD2), plain);
        reading.take_bytes(field("Multicast Address", 128, S_MLD2), address);
        addresses(reading, sources, S_MLD2);
        let len = words.and_then(|words| usize::try_from(words * 4).ok()).unwrap_or_default();
        reading.take_bytes(field("Auxiliary Data", len * 8, S_MLD2), opaque);
        reading.option("");
    }
}

fn addresses(reading: &mut Reading<'_>, count: Option<u64>, clause: &'static str) {
    for _ in 0..count.unwrap_or_default() {
        if !reading.goes_on() || reading.take_bytes(field("Source Address", 128, clause), address).is_none() {
            return;
        }
    }
}

/// Record types are those of IGMPv3 (RFC 3810 §5.2.12, RFC 3376 §4.2.12).
pub(super) fn record_type(kind: u64) -> &'static str {
    match kind {
        1 => "listens to these sources only",
        2 => "listens to all but these sources",
        3 => "from now on to these sources only",
        4 => "from now on to all but these sources",
        5 => "to these sources too",
        6 => "no longer to these sources",
        _ => "",
    }
}

/// "Internet Control Message Protocol version 6 (ICMPv6) Parameters: ICMPv6 \"type\" Numbers".
fn kind_name(kind: u64) -> &'static str {
    match kind {
        1 => "destination unreachable",
        2 => "packet too big",
        3 => "time exceeded",
        4 => "parameter problem",
        128 => "echo request",
        129 => "echo reply",
        130 => "multicast listener query",
        131 => "multicast listener report",
        132 => "multicast listener done",
        133 => "router solicitation",
        134 => "router advertisement",
        135 => "neighbour solicitation",
        136 => "neighbour advertisement",
        137 => "redirect",
        143 => "multicast listener report, version 2",
        _ => "",
    }
}
