//! What is due when for the sessions of one worker.
//!
//! Nothing is cancelled: whoever is due looks whether it still holds, and sets a later time if it has moved. So activity
//! costs nothing, and a session has about one entry for each kind of time that is kept.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::service::Client;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The peer's FIN has been waited for long enough.
    Linger,
    /// See whether anybody has said anything.
    Idle,
    /// The session's time is over.
    Total,
    /// Bytes may be moved again.
    Resume,
    /// The kernel may have memory again.
    Memory,
}

/// One entry: when, whose (the place in the table and who was there), and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) at: Instant,
    pub(super) index: usize,
    pub(super) client: Client,
    pub(super) due: Due,
}

/// Beyond so many entries those of the gone are looked for.
const FEW: usize = 1024;

/// The timers of one worker.
#[derive(Debug)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    /// Entries of the gone are removed when there are more than so many.
    tidy_at: usize,
}

impl Timers {
    pub(super) fn new() -> Timers {
        Timers { heap: BinaryHeap::new(), tidy_at: FEW }
    }

    /// When the first one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(timer)| timer.at)
    }

    pub(super) fn set(&mut self, timer: Timer) {
        self.heap.push(Reverse(timer));
    }

    /// Takes one that is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(timer)| timer)
    }

    /// Forgets the entries of those who are gone, when they may be half of all.
    pub(super) fn tidy(&mut self, is_there: impl Fn(usize, Client) -> bool) {
        if self.heap.len() > self.tidy_at {
            self.heap.retain(|Reverse(timer)| is_there(timer.index, timer.client));
            self.tidy_at = FEW.max(self.heap.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn they_come_in_order_of_time_and_not_early() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::new();
        for (ms, client, due) in [(30, 3, Due::Idle), (10, 1, Due::Total), (20, 2, Due::Resume)] {
            timers.set(Timer { at: after(ms), index: 0, client: Client(client), due });
        }
        assert_eq!(timers.next(), Some(after(10)));
        assert_eq!(timers.take(after(9)), None);
        let first_two: Vec<u64> =
            std::iter::from_fn(|| timers.take(after(20))).map(|timer| timer.client.0).collect();
        assert_eq!(first_two, [1, 2]);
        assert_eq!(timers.next(), Some(after(30)));
    }

    #[test]
    fn the_entries_of_the_gone_do_not_pile_up() {
        let now = Instant::now();
        let mut timers = Timers::new();
        for number in 0..100_000 {
            timers.set(Timer { at: now, index: 0, client: Client(number), due: Due::Total });
            // Ten are there at a time.
            timers.tidy(|_, client| client.0 + 10 > number);
            assert!(timers.heap.len() <= FEW + 1);
        }
        assert!((0..10).all(|_| timers.take(now).is_some()));
    }
}
