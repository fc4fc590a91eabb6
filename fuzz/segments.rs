//! Bytes taken as a list of small records, each a segment between the same two ends, so that the tracker understands every
//! one of them: in any order, with any numbers, and with any fate on the link.

use std::net::{Ipv4Addr, SocketAddr};

use flow::{Frame, Limits, Rows, Tracker};
use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::tcp::{TcpFlags, TcpOptions};
use wire::{Fate, Passage, Time};

/// Who and with what fate; flags; sequence number; acknowledgement; payload; window; milliseconds since the one before;
/// and the highest byte of both numbers.
const RECORD: usize = 10;

/// Limits so low that every one of them is met.
fn limits() -> Limits {
    Limits {
        flows: 4,
        rows: Rows::Kept(64),
        waiting: 16,
        rows_in_all: 128,
        gaps: 4,
        segments: 8,
        underway: 8,
        ..Limits::default()
    }
}

/// Follows the segments; gives their number, and that of the rows kept or left out.
pub(crate) fn follow(bytes: &[u8]) -> (u64, u64) {
    let mut tracker = Tracker::new(limits());
    let mut time = Time::ZERO;
    for (record, number) in bytes.chunks_exact(RECORD).zip(1..) {
        take(&mut tracker, record, number, &mut time);
    }
    tracker.finish();
    let rows = tracker.flows().map(|flow| flow.rows.len() as u64 + flow.rows_left_out).sum();
    (tracker.counters().tcp, rows)
}

fn take(tracker: &mut Tracker, record: &[u8], number: u64, time: &mut Time) {
    let &[who, flags, seq_high, seq_low, ack_high, ack_low, len, window, pause, far] = record else { return };
    time.0 += u64::from(pause) * 1_000_000;
    let ends = [1, 2].map(|host| SocketAddr::from((Ipv4Addr::new(10, 0, 0, host), 7000)));
    let [source, destination] = if who & 1 == 0 { ends } else { [ends[1], ends[0]] };
    let bytes = TcpPacket {
        source,
        destination,
        seq: u32::from_be_bytes([far, 0, seq_high, seq_low]),
        ack: u32::from_be_bytes([far, 0, ack_high, ack_low]),
        flags: TcpFlags(flags),
        window: u16::from(window),
        options: TcpOptions::default(),
        payload: &vec![0; usize::from(len)],
    }
    .to_bytes();
    tracker.frame(&Frame {
        number,
        time: *time,
        link_type: LinkType::RAW,
        bytes: &bytes,
        wire_len: bytes.len() as u32,
        passage: passage(who, *time),
    });
}

/// None, lost, or delivered after some milliseconds.
fn passage(who: u8, time: Time) -> Option<Passage> {
    let arrived = Time(time.0 + u64::from(who >> 3) * 1_000_000);
    match who >> 1 & 3 {
        0 => None,
        1 => Some(Passage { fate: Fate::Lost, rule: None, arrived: None, segments: 1 }),
        _ => Some(Passage { fate: Fate::Delivered, rule: None, arrived: Some(arrived), segments: 1 }),
    }
}
