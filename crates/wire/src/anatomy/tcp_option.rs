//! The options of a TCP header. Read first: RFC 9293 §3.2; the RFC that [`known`] names at each.

use super::mptcp;
use super::reading::{Reading, Spec, field, hex, opaque, plain, told};
use crate::tcp::TcpFlags;

const S: &str = "RFC 9293 §3.2";

/// Option kinds ("Transmission Control Protocol (TCP) Parameters: TCP Option Kind Numbers").
mod kind {
    pub(super) const END: u64 = 0;
    pub(super) const NO_OPERATION: u64 = 1;
    pub(super) const MSS: u64 = 2;
    pub(super) const WINDOW_SCALE: u64 = 3;
    pub(super) const SACK_PERMITTED: u64 = 4;
    pub(super) const SACK: u64 = 5;
    pub(super) const TIMESTAMPS: u64 = 8;
    pub(super) const MD5: u64 = 19;
    pub(super) const USER_TIMEOUT: u64 = 28;
    pub(super) const AUTHENTICATION: u64 = 29;
    pub(super) const MPTCP: u64 = 30;
    pub(super) const FAST_OPEN: u64 = 34;
}

/// The largest shift (RFC 7323 §2.3).
const MAX_WINDOW_SCALE: u64 = 14;

/// Name, clause, and the length that it must have, if that is fixed.
fn known(number: u64) -> (&'static str, &'static str, Option<u64>) {
    match number {
        kind::END => ("End of Option List", S, None),
        kind::NO_OPERATION => ("No-Operation", S, None),
        kind::MSS => ("Maximum Segment Size", S, Some(4)),
        kind::WINDOW_SCALE => ("Window Scale", "RFC 7323 §2.2", Some(3)),
        kind::SACK_PERMITTED => ("SACK Permitted", "RFC 2018 §2", Some(2)),
        kind::SACK => ("SACK", "RFC 2018 §3", None),
        6 => ("Echo (obsolete)", "RFC 1072", Some(6)),
        7 => ("Echo Reply (obsolete)", "RFC 1072", Some(6)),
        kind::TIMESTAMPS => ("Timestamps", "RFC 7323 §3.2", Some(10)),
        kind::MD5 => ("MD5 Signature", "RFC 2385 §3.0", Some(18)),
        kind::USER_TIMEOUT => ("User Timeout", "RFC 5482 §3", Some(4)),
        kind::AUTHENTICATION => ("TCP-AO", "RFC 5925 §2.2", None),
        kind::MPTCP => ("Multipath TCP", "RFC 8684 §3", None),
        kind::FAST_OPEN => ("Fast Open", "RFC 7413 §4.1.1", None),
        172 => ("AccECN 0", "RFC 9768 §3.2.3", None),
        174 => ("AccECN 1", "RFC 9768 §3.2.3", None),
        253 | 254 => ("experimental", "RFC 6994 §3", None),
        _ => ("unknown option", S, None),
    }
}

/// Reads them up to the end of the header that has these flags.
pub(super) fn read(reading: &mut Reading<'_>, flags: TcpFlags) {
    while reading.goes_on() {
        let Some(number) = reading.ahead().first().copied().map(u64::from) else {
            // Cut here: it is noted, and in which field.
            reading.take(field("Kind", 8, S), plain);
            return;
        };
        let (name, clause, _) = known(number);
        reading.option(name);
        reading.take(field("Kind", 8, clause), |number| told(number, name));
        match number {
            kind::END => {
                reading.option("");
                padding(reading);
                return;
            }
            kind::NO_OPERATION => {}
            _ if !with_length(reading, number, flags) => {
                reading.option("");
                reading.take_rest("unread options", S);
                return;
            }
            _ => {}
        }
        reading.option("");
    }
}

/// What is behind the end of the options (RFC 9293 §3.1: zeros).
fn padding(reading: &mut Reading<'_>) {
    let padding = reading.take_rest("Padding", "RFC 9293 §3.1");
    if padding.is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0)) {
        reading.breach("padding that is not zero", "RFC 9293 §3.1");
    }
}

/// The rest of an option that has a length; false when that cannot be right.
fn with_length(reading: &mut Reading<'_>, number: u64, flags: TcpFlags) -> bool {
    let (name, clause, must_be) = known(number);
    let room = reading.room();
    let Some(len) = reading.take(field("Length", 8, clause), |len| told(len, "bytes")) else { return false };
    let body = usize::try_from(len).unwrap_or_default().checked_sub(2);
    let Some(body) = body.filter(|body| *body < room) else {
        reading.breach(format!("an option of {len} bytes where {} are left", room + 1), clause);
        return false;
    };
    if let Some(must_be) = must_be.filter(|must_be| *must_be != len) {
        reading.breach(format!("{name} with length {len}, not {must_be}"), clause);
        reading.take_bytes(field("Data", body * 8, clause), opaque);
        return true;
    }
    let spec = |name, bits| field(name, bits, clause);
    match number {
        kind::MSS => {
            let spec = spec("Maximum Segment Size (MSS)", 16).label("MSS");
            reading.take(spec, |size| told(size, "bytes a segment, at most"));
        }
        kind::WINDOW_SCALE => window_scale(reading, spec("shift.cnt", 8), clause),
        kind::SACK => sack(reading, body, clause),
        kind::TIMESTAMPS => {
            reading
                .take(spec("TS Value (TSval)", 32).label("TSval"), |value| told(value, "the sender's clock"));
            reading.take(spec("TS Echo Reply (TSecr)", 32).label("TSecr"), |echo| {
                match flags.has(TcpFlags::ACK) {
                    true => told(echo, "the peer's clock, back"),
                    false => told(echo, "no meaning without ACK"),
                }
            });
        }
        6 | 7 => {
            reading.take(spec("Info", 32), plain);
        }
        kind::MD5 => {
            reading.take_bytes(spec("MD5 digest", 128), opaque);
        }
        kind::USER_TIMEOUT => {
            let minutes =
                reading.take(spec("G", 1), |unit| told(unit, ["seconds", "minutes"][usize::from(unit == 1)]));
            let unit = if minutes == Some(1) { "min" } else { "s" };
            reading.take(spec("User Timeout", 15), |time| told(time, unit));
        }
        kind::AUTHENTICATION if body >= 2 => {
            reading.take(spec("KeyID", 8), plain);
            reading.take(spec("RNextKeyID", 8), plain);
            reading.take_bytes(spec("MAC", (body - 2) * 8), opaque);
        }
        kind::MPTCP => mptcp::read(reading, body),
        kind::FAST_OPEN if body == 0 => {}
        kind::FAST_OPEN => {
            reading.take_bytes(spec("Fast Open Cookie", body * 8), opaque);
        }
        253 | 254 if body >= 2 => {
            reading.take(spec("ExID", 16), |number| hex(number, 4, experiment(number)));
            reading.take_bytes(spec("Data", (body - 2) * 8), opaque);
        }
        _ => {
            reading.take_bytes(spec("Data", body * 8), opaque);
        }
    }
    true
}

fn window_scale(reading: &mut Reading<'_>, spec: Spec, clause: &'static str) {
    let shift = reading.take(spec, |shift| match shift {
        0..=MAX_WINDOW_SCALE => told(shift, format!("windows × {} from now on", 1_u64 << shift)),
        _ => told(shift, "taken as 14: windows × 16384 from now on"),
    });
    if shift.is_some_and(|shift| shift > MAX_WINDOW_SCALE) {
        reading.breach("a shift of more than 14", clause);
    }
}

fn sack(reading: &mut Reading<'_>, body: usize, clause: &'static str) {
    if body == 0 || !body.is_multiple_of(8) {
        reading.breach(format!("SACK with length {}, not 2 + 8 for each block", body + 2), clause);
        reading.take_bytes(field("Data", body * 8, clause), opaque);
        return;
    }
    for _ in 0..body / 8 {
        let left =
            reading.take(field("Left Edge of Block", 32, clause), |edge| told(edge, "arrived from here"));
        reading.take(field("Right Edge of Block", 32, clause), |right| {
            let len = left.map_or(0, |left| right.wrapping_sub(left) & 0xffff_ffff);
            told(right, format!("end of these {len} bytes"))
        });
    }
}

/// "TCP Experimental Option Experiment Identifiers (TCP ExIDs)".
fn experiment(number: u64) -> &'static str {
    match number {
        0xf989 => "Fast Open",
        0xacce => "AccECN",
        0xe2d4 => "SMC",
        _ => "",
    }
}
