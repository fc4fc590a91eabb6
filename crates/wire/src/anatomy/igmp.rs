//! IGMP, all three versions. Read first: RFC 2236 §2 (versions 1 and 2), RFC 3376 §4 (version 3).

use super::Family::Control;
use super::checked;
use super::icmpv6::record_type;
use super::ipv4::address;
use super::reading::{Reading, Span, Title, field, flag, opaque, plain, reserved, told};
use super::walk::{Next, Walk};

const IGMP: Title = Title { family: Control, name: "IGMP", short: "IGMP", standard: "RFC 3376" };
const S: &str = "RFC 2236 §2";
const S_TYPES: &str = "RFC 3376 §4";
const S_QUERY: &str = "RFC 3376 §4.1";
const S_REPORT: &str = "RFC 3376 §4.2";
const QUERY: u64 = 0x11;
const REPORT_V3: u64 = 0x22;

pub(super) fn read(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, IGMP);
    let kind = reading.take(field("Type", 8, S_TYPES), |kind| super::reading::hex(kind, 2, kind_name(kind)));
    if kind == Some(REPORT_V3) {
        report(&mut reading);
    } else {
        reading.take(field("Max Resp Time", 8, S), |time| match kind {
            Some(QUERY) => told(time, "tenths of a second"),
            _ => told(time, ""),
        });
        reading.take(field("Checksum", 16, S), checked::shown);
        reading.take(field("Group Address", 32, S), address);
        if kind == Some(QUERY) && reading.room() > 0 {
            query(&mut reading);
        }
    }
    let clause = if kind == Some(REPORT_V3) { S_REPORT } else { S };
    reading.checksum(checked::alone(walk.frame, span, 2, clause));
    (Next::Payload, walk.keep(reading))
}

/// What version 3 has more than 8 bytes.
fn query(reading: &mut Reading<'_>) {
    reading.take(field("Resv", 4, S_QUERY), reserved);
    reading.take(field("S", 1, S_QUERY), flag("routers keep their timers"));
    reading.take(field("QRV", 3, S_QUERY), plain);
    reading.take(field("QQIC", 8, S_QUERY), plain);
    let sources = reading.take(field("Number of Sources", 16, S_QUERY), plain);
    addresses(reading, sources, S_QUERY);
}

fn report(reading: &mut Reading<'_>) {
    reading.take(field("Reserved", 8, S_REPORT), reserved);
    reading.take(field("Checksum", 16, S_REPORT), checked::shown);
    reading.take(field("Reserved", 16, S_REPORT), reserved);
    let records = reading.take(field("Number of Group Records", 16, S_REPORT), plain);
    for _ in 0..records.unwrap_or_default() {
        if !reading.goes_on() {
            return;
        }
        reading.option("Group Record");
        reading.take(field("Record Type", 8, S_REPORT), |kind| told(kind, record_type(kind)));
        let words = reading.take(field("Aux Data Len", 8, S_REPORT), |words| told(words, "× 4 bytes"));
        let sources = reading.take(field("Number of Sources", 16, S_REPORT), plain);
        reading.take(field("Multicast Address", 32, S_REPORT), address);
        addresses(reading, sources, S_REPORT);
        let len = words.and_then(|words| usize::try_from(words * 4).ok()).unwrap_or_default();
        reading.take_bytes(field("Auxiliary Data", len * 8, S_REPORT), opaque);
        reading.option("");
    }
}

fn addresses(reading: &mut Reading<'_>, count: Option<u64>, clause: &'static str) {
    for _ in 0..count.unwrap_or_default() {
        if !reading.goes_on() || reading.take(field("Source Address", 32, clause), address).is_none() {
            return;
        }
    }
}

/// "Internet Group Management Protocol (IGMP) Type Numbers".
fn kind_name(kind: u64) -> &'static str {
    match kind {
        QUERY => "membership query",
        0x12 => "membership report, version 1",
        0x16 => "membership report, version 2",
        0x17 => "leave group",
        REPORT_V3 => "membership report, version 3",
        _ => "",
    }
}
