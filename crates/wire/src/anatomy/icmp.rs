//! ICMP, and the packet that an error quotes. Read first: RFC 792; RFC 1191 §4 (the MTU of the next hop), RFC 4884 §4
//! (the length of the quote).

use super::Family::Control;
use super::reading::{Reading, Span, Title, field, hex, plain, reserved, told};
use super::walk::{Next, Walk};
use super::{checked, ipv4};
use crate::icmp::IcmpMessage;

const ICMP: Title = Title { family: Control, name: "ICMP", short: "ICMP", standard: "RFC 792" };
const S: &str = "RFC 792";

pub(super) fn read(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, ICMP);
    let meaning = meaning(false, &reading);
    let kind = reading.take(field("Type", 8, S), |kind| told(kind, kind_name(kind)));
    let code = reading.take(field("Code", 8, S), |code| told(code, code_meaning(kind_name, kind, meaning)));
    reading.take(field("Checksum", 16, S), checked::shown);
    match kind.unwrap_or(u64::MAX) {
        0 | 8 | 13..=18 => {
            reading.take(field("Identifier", 16, S), plain);
            reading.take(field("Sequence Number", 16, S), plain);
        }
        3 => unreachable(&mut reading, code),
        5 => {
            reading.take(field("Gateway Internet Address", 32, S), ipv4::address);
        }
        11 => {
            reading.take(field("unused", 8, "RFC 4884 §4.2"), reserved);
            reading.take(field("Length", 8, "RFC 4884 §4.2"), quote_len);
            reading.take(field("unused", 16, "RFC 4884 §4.2"), reserved);
        }
        12 => {
            reading.take(field("Pointer", 8, S), |at| told(at, "byte of the quoted packet, from 0"));
            reading.take(field("Length", 8, "RFC 4884 §4.3"), quote_len);
            reading.take(field("unused", 16, S), reserved);
        }
        4 => {
            reading.take(field("unused", 32, S), reserved);
        }
        _ => {
            reading.take(field("Rest of Header", 32, S), |rest| hex(rest, 8, ""));
        }
    }
    if let Some(13 | 14) = kind {
        for name in ["Originate Timestamp", "Receive Timestamp", "Transmit Timestamp"] {
            reading.take(field(name, 32, S), |time| told(time, "ms since midnight UT"));
        }
    }
    reading.checksum(checked::alone(walk.frame, span, 2, S));
    let is_error = matches!(kind, Some(3 | 4 | 5 | 11 | 12));
    let rest = walk.keep(reading);
    (quoted(walk, is_error), rest)
}

/// What is behind the header of an error is the packet that it is about: RFC 792, RFC 4443 §3.1.
pub(super) fn quoted(walk: &mut Walk<'_>, is_error: bool) -> Next {
    if is_error && !walk.around.quoted {
        walk.around.quoted = true;
        return Next::Ip;
    }
    Next::Payload
}

/// What the message says, from its type and code.
pub(super) fn meaning(v6: bool, reading: &Reading<'_>) -> &'static str {
    IcmpMessage::new(v6, reading.layer_bytes()).ok().and_then(|message| message.meaning()).unwrap_or_default()
}

/// What the code adds to what the type says already.
pub(super) fn code_meaning(
    kind_name: fn(u64) -> &'static str,
    kind: Option<u64>,
    meaning: &'static str,
) -> &'static str {
    let is_said = kind.is_some_and(|kind| kind_name(kind).starts_with(meaning));
    if is_said { "" } else { meaning }
}

fn unreachable(reading: &mut Reading<'_>, code: Option<u64>) {
    reading.take(field("unused", 8, "RFC 4884 §4.1"), reserved);
    reading.take(field("Length", 8, "RFC 4884 §4.1"), quote_len);
    if code == Some(4) {
        reading.take(field("Next-Hop MTU", 16, "RFC 1191 §4"), |mtu| match mtu {
            0 => told(mtu, "not told: an old router"),
            _ => told(mtu, "bytes"),
        });
    } else {
        reading.take(field("unused", 16, S), reserved);
    }
}

fn quote_len(words: u64) -> super::reading::Shown {
    match words {
        0 => told(words, "not told"),
        _ => told(words, format!("× 4 = {} bytes are quoted", words * 4)),
    }
}

/// "Internet Control Message Protocol (ICMP) Parameters: ICMP Type Numbers".
fn kind_name(kind: u64) -> &'static str {
    match kind {
        0 => "echo reply",
        3 => "destination unreachable",
        4 => "source quench",
        5 => "redirect",
        8 => "echo request",
        9 => "router advertisement",
        10 => "router solicitation",
        11 => "time exceeded",
        12 => "parameter problem",
        13 => "timestamp",
        14 => "timestamp reply",
        15 => "information request",
        16 => "information reply",
        17 => "address mask request",
        18 => "address mask reply",
        42 => "extended echo request",
        43 => "extended echo reply",
        _ => "",
    }
}
