//! The option of Multipath TCP. Read first: RFC 8684 §3.

use super::reading::{Reading, field, flag, hex, opaque, plain, reserved, told};

const S: &str = "RFC 8684 §3";
const CAPABLE: &str = "RFC 8684 §3.1";
const JOIN: &str = "RFC 8684 §3.2";
const DSS: &str = "RFC 8684 §3.3";

/// What is behind kind and length, `body` bytes that the header has room for.
pub(super) fn read(reading: &mut Reading<'_>, body: usize) {
    if body == 0 {
        reading.breach("Multipath TCP without a subtype", S);
        return;
    }
    let end = reading.room() - body;
    let subtype = reading.take(field("Subtype", 4, S), |subtype| told(subtype, subtype_name(subtype)));
    match (subtype, body) {
        (Some(0), 2 | 10 | 18 | 20 | 22) => capable(reading, body),
        (Some(1), 10 | 14 | 22) => join(reading, body),
        (Some(2), 2..) => data_sequence(reading, end),
        _ => {
            reading.take(field("subtype-specific", 4, S).label("…"), |bits| hex(bits, 1, ""));
        }
    }
    // What a known subtype has no fields for, and all of the others.
    let rest = reading.room().saturating_sub(end);
    reading.take_bytes(field("Data", rest * 8, S), opaque);
}

/// "MPTCP Option Subtypes".
fn subtype_name(subtype: u64) -> &'static str {
    match subtype {
        0 => "MP_CAPABLE",
        1 => "MP_JOIN",
        2 => "DSS: data sequence signal",
        3 => "ADD_ADDR",
        4 => "REMOVE_ADDR",
        5 => "MP_PRIO",
        6 => "MP_FAIL",
        7 => "MP_FASTCLOSE",
        8 => "MP_TCPRST",
        15 => "MP_EXPERIMENTAL",
        _ => "",
    }
}

/// In the SYN 4 bytes in all, then 12, 20, and with data 22 or 24.
fn capable(reading: &mut Reading<'_>, body: usize) {
    reading.take(field("Version", 4, CAPABLE), plain);
    reading.take(field("A", 1, CAPABLE), flag("checksums are required"));
    reading.take(field("B", 1, CAPABLE), flag("extensibility"));
    reading.take(field("C", 1, CAPABLE), flag("no subflows to this address and port"));
    reading.take(field("D to G", 4, CAPABLE).label("D–G"), |bits| hex(bits, 1, ""));
    reading.take(field("H", 1, CAPABLE), flag("HMAC-SHA256"));
    if body >= 10 {
        reading.take(field("Sender's Key", 64, CAPABLE), |key| hex(key, 16, ""));
    }
    if body >= 18 {
        reading.take(field("Receiver's Key", 64, CAPABLE), |key| hex(key, 16, ""));
    }
    mapping_tail(reading, body.saturating_sub(18), CAPABLE);
}

/// In the SYN 12 bytes in all, in the SYN ACK 16, in the ACK 24.
fn join(reading: &mut Reading<'_>, body: usize) {
    if body == 22 {
        reading.take(field("Reserved", 12, JOIN), reserved);
        reading.take_bytes(field("Sender's HMAC", 160, JOIN), opaque);
        return;
    }
    reading.take(field("Rsv", 3, JOIN), reserved);
    reading.take(field("B", 1, JOIN), flag("backup: only if no other path works"));
    reading.take(field("Address ID", 8, JOIN), plain);
    if body == 10 {
        reading.take(field("Receiver's Token", 32, JOIN), |token| hex(token, 8, ""));
    } else {
        reading.take(field("Sender's Truncated HMAC", 64, JOIN).label("Truncated HMAC"), |code| {
            hex(code, 16, "")
        });
    }
    reading
        .take(field("Sender's Random Number", 32, JOIN).label("Random Number"), |number| hex(number, 8, ""));
}

fn data_sequence(reading: &mut Reading<'_>, end: usize) {
    reading.take(field("Reserved", 7, DSS), reserved);
    reading.take(field("F", 1, DSS), flag("DATA_FIN: no more data"));
    let long_number = reading.take(field("m", 1, DSS), flag("8-byte data sequence number"));
    let mapping = reading.take(field("M", 1, DSS), flag("a mapping is here"));
    let long_ack = reading.take(field("a", 1, DSS), flag("8-byte data ACK"));
    let ack = reading.take(field("A", 1, DSS), flag("a data ACK is here"));
    let room = |reading: &Reading<'_>| reading.room().saturating_sub(end);
    let number_len = |long: Option<u64>| if long == Some(1) { 8 } else { 4 };
    let ack_len = number_len(long_ack);
    if ack == Some(1) && room(reading) >= ack_len {
        reading.take(field("Data ACK", ack_len * 8, DSS), plain);
    }
    let number_len = number_len(long_number);
    if mapping == Some(1) && room(reading) >= number_len + 6 {
        reading.take(field("Data Sequence Number", number_len * 8, DSS), plain);
        reading.take(field("Subflow Sequence Number", 32, DSS).label("Subflow Seq Number"), |number| {
            told(number, "relative to its SYN")
        });
        let left = room(reading);
        mapping_tail(reading, left, DSS);
    }
}

/// How many bytes are mapped, and their checksum if one was agreed.
fn mapping_tail(reading: &mut Reading<'_>, room: usize, clause: &'static str) {
    if room >= 2 {
        reading.take(field("Data-Level Length", 16, clause), |len| told(len, "bytes"));
    }
    if room >= 4 {
        reading.take(field("Checksum", 16, clause), |sum| hex(sum, 4, ""));
    }
}
