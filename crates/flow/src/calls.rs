//! The socket calls of both programs beside the segments of their conversation: what was called, what it waited for,
//! and what it returned. Read first: socket(7), tcp(7).
//!
//! Whoever runs the programs records their calls; time is that of the conversation's rows.

use std::time::Duration;

use wire::tcp::TcpFlags;
use wire::{Passage, Time};

use crate::path::times;
use crate::{DatagramFlow, Flow, Row, Side, State};

/// What arrived longer before a call returned did not end its wait: a timer did, or another program.
const SOON: Duration = Duration::from_millis(50);

/// So much later than it was heard of may an arrival be noted.
const LATE: Duration = Duration::from_micros(400);

/// What is shorter is the kernel's own work, not a wait.
const WAIT: Duration = Duration::from_micros(500);

/// One call of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whose program.
    pub side: Side,
    /// What it called, as in C: `read(4, 4096)`.
    pub text: String,
    /// What came back: `20`, or `-1 EAGAIN`; none while it waits, for ever or to the end of what was seen.
    pub result: Option<String>,
    /// When it was called.
    pub began: Time,
    /// When it returned; none where it did not.
    pub ended: Option<Time>,
}

impl Call {
    /// The function: `read` of `read(4, 4096)`.
    pub fn function(&self) -> &str {
        self.text.split('(').next().unwrap_or_default()
    }

    /// True when it kept its program longer than the kernel's own work explains, or keeps it still.
    pub fn waited(&self) -> bool {
        self.ended.is_none_or(|ended| ended.since(self.began) >= WAIT)
    }

    /// The place among the rows of the segment whose arrival at this program's machine ended the wait. None where it did not
    /// wait, waits still, or nothing came meanwhile.
    pub fn ended_by(&self, flow: &Flow) -> Option<usize> {
        let times = times(flow.rows.iter().map(|row| (row.time, row.passage.as_ref())));
        let arrived = flow.rows.iter().zip(times).enumerate().filter(|(_, (row, (_, arrived)))| {
            row.from != self.side && is_received(row.passage.as_ref()) && self.holds(*arrived)
        });
        let meanwhile: Vec<(usize, &Row, Time)> =
            arrived.map(|(place, (row, (_, arrived)))| (place, row, arrived)).collect();
        let opens = |row: &Row| row.state(self.side) == State::Established;
        let brings =
            |row: &Row| row.len_bytes > 0 || row.flags.has(TcpFlags::FIN) || row.flags.has(TcpFlags::RST);
        let by = match self.function() {
            "accept" | "accept4" | "connect" => meanwhile.iter().find(|(_, row, _)| opens(row)),
            "read" | "readv" | "recv" | "recvfrom" | "recvmsg" => {
                meanwhile.iter().rfind(|(_, row, _)| brings(row))
            }
            _ => None,
        };
        let last = meanwhile.last().filter(|(_, _, arrived)| self.returned_soon_after(*arrived));
        by.or(last).map(|(place, ..)| *place)
    }

    /// The same among the rows of a conversation of datagrams.
    pub fn ended_by_datagram(&self, flow: &DatagramFlow) -> Option<usize> {
        let times = times(flow.rows.iter().map(|row| (row.time, row.passage.as_ref())));
        let mut arrived = flow.rows.iter().zip(times).enumerate().filter(|(_, (row, (_, arrived)))| {
            row.from != self.side && is_received(row.passage.as_ref()) && self.holds(*arrived)
        });
        let (place, (_, (_, arrived))) = arrived.next_back()?;
        self.returned_soon_after(arrived).then_some(place)
    }

    fn returned_soon_after(&self, arrived: Time) -> bool {
        self.ended.is_some_and(|ended| ended.since(arrived) <= SOON)
    }

    /// True for a time at which the call waited, and for that at which it returned. Whoever notes when a packet arrives on a
    /// real link is a little later than the program that waits for it.
    fn holds(&self, time: Time) -> bool {
        self.waited() && time > self.began && self.ended.is_some_and(|ended| time <= ended + LATE)
    }
}

fn is_received(passage: Option<&Passage>) -> bool {
    passage.is_none_or(|passage| passage.fate.is_received())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::check;

    fn call(side: Side, text: &str, began: u64, ended: Option<u64>) -> Call {
        let time = |ms: u64| Time(ms * 1_000_000);
        Call { side, text: text.to_owned(), result: None, began: time(began), ended: ended.map(time) }
    }

    #[test]
    fn a_wait_is_ended_by_what_the_call_waited_for() {
        let flow = check(
            "listening
             link 10
             0   A SYN 0                       | SYN_SENT    LISTEN
             10  B SYN,ACK 0 ack 1             | ESTABLISHED SYN_RECEIVED
             20  A ACK 1 ack 1                 | ESTABLISHED ESTABLISHED
             20  A ACK 1 ack 1 len 200         | ESTABLISHED ESTABLISHED
             40  A ACK 201 ack 1 len 200 lost  | ESTABLISHED ESTABLISHED
             50  A ACK 201 ack 1 len 200       | ESTABLISHED ESTABLISHED
             55  A ACK 401 ack 1               | ESTABLISHED ESTABLISHED",
        );
        let ended_by = |side, text, began, ended| call(side, text, began, ended).ended_by(&flow);
        assert_eq!(ended_by(Side::A, "connect(3, b)", 0, Some(20)), Some(1), "by SYN,ACK");
        assert_eq!(
            ended_by(Side::B, "accept(3)", 0, Some(30)),
            Some(2),
            "neither by the SYN nor by the data"
        );
        assert_eq!(ended_by(Side::B, "read(4, 99)", 31, Some(65)), Some(5), "by the copy that was not lost");
        assert_eq!(ended_by(Side::B, "poll(4)", 31, Some(65)), Some(6), "by whatever came last");
        assert_eq!(ended_by(Side::B, "poll(4, 100)", 31, Some(131)), None, "by its own time");
        assert_eq!(ended_by(Side::B, "read(4, 99)", 30, Some(30)), None, "it did not wait");
        assert_eq!(ended_by(Side::B, "read(4, 99)", 50, None), None, "it waits still");
        assert_eq!(ended_by(Side::A, "read(3, 99)", 25, Some(45)), None, "nothing came");
    }
}
