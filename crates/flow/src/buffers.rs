//! The two buffers of one direction of a conversation, moment by moment: what its sender has sent and may send, and what its
//! receiver has read, holds, and has room for. Read first: RFC 9293 §3.3.1, figures 3 and 4.
//!
//! Derived from the rows alone. What the receiver's program has read follows from what it announces: the edge of its window
//! moves by what is read, so with a buffer of a fixed size the edge minus that size is what was read.

use wire::tcp::TcpFlags;
use wire::{Fate, Time};

use crate::conversation::{Flow, Row, Side};

/// How both buffers stand. All are counts of bytes from the beginning of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    /// When.
    pub time: Time,
    /// The sender knows that so many have arrived.
    pub acknowledged: u64,
    /// It has sent so many, once or more.
    pub sent: u64,
    /// It may send up to here.
    pub allowed: u64,
    /// The receiver's program has read so many.
    pub read: u64,
    /// Its kernel has so many without a gap.
    pub received: u64,
    /// It has said that it takes so many.
    pub room: u64,
}

/// The moments at which anything changed, in order; empty where neither data nor a window was seen. `len` is the length of
/// the stream as far as it was sent.
pub fn buffers(flow: &Flow, sender: Side) -> (Vec<Buffers>, u64) {
    let len = flow.rows.iter().filter(|row| row.from == sender).map(end).max().unwrap_or(0);
    let size = flow.rows.iter().filter(|row| row.from != sender).map(|row| u64::from(row.window_bytes)).max();
    let size = size.unwrap_or(0);
    let mut moments: Vec<(Time, usize, bool)> = Vec::new();
    for (place, row) in flow.rows.iter().enumerate() {
        moments.push((row.time, place, false));
        match &row.passage {
            Some(passage) if matches!(passage.fate, Fate::Lost | Fate::Stopped) => {}
            passage => {
                let arrived = passage.as_ref().and_then(|passage| passage.arrived);
                moments.push((arrived.unwrap_or(row.time), place, true));
            }
        }
    }
    moments.sort_by_key(|(time, place, _)| (*time, *place));
    let mut now = Buffers::default();
    let mut all: Vec<Buffers> = Vec::new();
    for (time, place, arrives) in moments {
        let row = &flow.rows[place];
        let before = now;
        match (row.from == sender, arrives) {
            (true, false) => now.sent = now.sent.max(end(row)),
            (false, _) => announced(&mut now, row, arrives, len, size),
            (true, true) => {}
        }
        if (Buffers { time: before.time, ..now }) == before {
            continue;
        }
        now.time = time;
        match all.last_mut() {
            Some(last) if last.time == time => *last = now,
            _ => all.push(now),
        }
    }
    (all, len)
}

/// The receiver says how it stands; when that arrives, the sender knows.
fn announced(now: &mut Buffers, row: &Row, arrives: bool, len: u64, size: u64) {
    let Some(ack) = row.ack else { return };
    // The SYN takes the number 0; a FIN takes one behind the last byte.
    let received = u64::from(ack.saturating_sub(1)).min(len);
    let edge = received + u64::from(row.window_bytes);
    if arrives {
        now.acknowledged = now.acknowledged.max(received);
        now.allowed = now.allowed.max(edge);
    } else {
        now.received = now.received.max(received);
        now.room = now.room.max(edge);
        now.read = now.read.max(edge.saturating_sub(size)).min(now.received);
    }
}

/// How long the stream is at least, with this segment.
fn end(row: &Row) -> u64 {
    if row.flags.has(TcpFlags::SYN) || row.len_bytes == 0 {
        return 0;
    }
    (u64::from(row.seq) + u64::from(row.len_bytes)).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::check;

    #[test]
    fn both_ends_are_told_apart_while_segments_are_under_way() {
        let flow = check(
            "listening
             link 10
             0   A SYN 0 win 1000              | SYN_SENT    LISTEN
             10  B SYN,ACK 0 ack 1 win 300     | ESTABLISHED SYN_RECEIVED
             20  A ACK 1 ack 1                 | ESTABLISHED ESTABLISHED
             30  A ACK 1 ack 1 len 200         | ESTABLISHED ESTABLISHED
             40  B ACK 1 ack 201 win 100       | ESTABLISHED ESTABLISHED
             45  B ACK 1 ack 201 win 150       | ESTABLISHED ESTABLISHED",
        );
        let (moments, len) = buffers(&flow, Side::A);
        let told: Vec<[u64; 7]> = moments
            .iter()
            .map(|now| {
                let ms = now.time.0 / 1_000_000;
                [ms, now.acknowledged, now.sent, now.allowed, now.read, now.received, now.room]
            })
            .collect();
        assert_eq!(len, 200);
        assert_eq!(
            told,
            [
                [10, 0, 0, 0, 0, 0, 300],
                [20, 0, 0, 300, 0, 0, 300],
                [30, 0, 200, 300, 0, 0, 300],
                [40, 0, 200, 300, 0, 200, 300],
                [45, 0, 200, 300, 50, 200, 350],
                [50, 200, 200, 300, 50, 200, 350],
                [55, 200, 200, 350, 50, 200, 350],
            ]
        );
    }

    #[test]
    fn without_data_there_is_nothing_to_draw() {
        let flow = check("0 A SYN 0 | SYN_SENT unknown");
        assert_eq!(buffers(&flow, Side::A), (vec![], 0));
    }
}
