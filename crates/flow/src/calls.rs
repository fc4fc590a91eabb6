//! The socket calls of both programs beside the segments of their conversation: what was called, what it waited for, and what
//! it returned. Read first: socket(7), tcp(7).
//!
//! Whoever runs the programs records their calls; time is that of the conversation's rows.

use std::time::Duration;

use wire::Time;

use crate::path::times;
use crate::{Flow, Side};

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

    /// The place among the rows of the segment whose arrival ended the wait: the last one that reached this program's machine
    /// while the call waited. None where it did not wait, waits still, or nothing came meanwhile.
    pub fn ended_by(&self, flow: &Flow) -> Option<usize> {
        let times = times(flow.rows.iter().map(|row| (row.time, row.passage.as_ref())));
        let arrivals = flow.rows.iter().zip(times).enumerate().filter(|(_, (row, _))| {
            row.from != self.side && row.passage.as_ref().is_none_or(|passage| passage.fate.is_received())
        });
        self.ended_among(arrivals.map(|(place, (_, (_, arrived)))| (place, arrived)))
    }

    /// The same among these arrivals at the program's machine, each with its place or number.
    pub fn ended_among<P: Copy + Ord>(&self, arrivals: impl Iterator<Item = (P, Time)>) -> Option<P> {
        let ended = self.ended.filter(|_| self.waited())?;
        let meanwhile = arrivals.filter(|(_, arrived)| *arrived > self.began && *arrived <= ended);
        meanwhile.max_by_key(|&(place, arrived)| (arrived, place)).map(|(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::check;

    fn call(side: Side, began: u64, ended: Option<u64>) -> Call {
        let time = |ms: u64| Time(ms * 1_000_000);
        Call { side, text: "read(3, 4096)".into(), result: None, began: time(began), ended: ended.map(time) }
    }

    #[test]
    fn a_wait_is_ended_by_the_last_segment_that_arrived_meanwhile() {
        let flow = check(
            "listening
             link 10
             0   A SYN 0                       | SYN_SENT    LISTEN
             10  B SYN,ACK 0 ack 1             | ESTABLISHED SYN_RECEIVED
             20  A ACK 1 ack 1                 | ESTABLISHED ESTABLISHED
             30  A ACK 1 ack 1 len 200 lost    | ESTABLISHED ESTABLISHED
             40  A ACK 1 ack 1 len 200         | ESTABLISHED ESTABLISHED",
        );
        let ended_by = |side, began, ended| call(side, began, ended).ended_by(&flow);
        assert_eq!(ended_by(Side::A, 0, Some(20)), Some(1), "connect by SYN,ACK");
        assert_eq!(ended_by(Side::B, 0, Some(30)), Some(2), "accept by the ACK, not by the SYN before it");
        assert_eq!(ended_by(Side::B, 31, Some(50)), Some(4), "read by the copy that was not lost");
        assert_eq!(ended_by(Side::B, 30, Some(30)), None, "it did not wait");
        assert_eq!(ended_by(Side::B, 50, None), None, "it waits still");
        assert_eq!(ended_by(Side::A, 25, Some(45)), None, "nothing came");
    }
}
