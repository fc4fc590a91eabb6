//! The packets that are under way, by the time of their release.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use wire::Time;

use super::outgoing::Outgoing;
use super::teller::Ticket;
use crate::link::Direction;

/// A packet that waits for its release.
#[derive(Debug)]
pub(super) struct Waiting {
    /// When it leaves.
    pub(super) due: Time,
    /// Which way it goes.
    pub(super) direction: Direction,
    /// What is written.
    pub(super) packet: Outgoing,
    /// For how many packets of the wire it stands.
    pub(super) segments: u32,
    /// Under which its fate is told, if it is told.
    pub(super) ticket: Option<Ticket>,
    /// Whether it entered the link, or was made there.
    pub(super) origin: Origin,
}

/// Where a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A host.
    Host,
    /// It is a copy.
    Copy,
    /// It is a fragment behind the first.
    Piece,
    /// The link answers.
    Link,
}

/// The release queue: the earliest first; of the same time, the one that entered first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    entered: u64,
    /// Bytes of memory that the packets hold.
    held: usize,
    /// Packets per direction.
    counts: [usize; 2],
}

impl Queue {
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.held += waiting.packet.held();
        self.counts[waiting.direction.index()] += 1;
        self.heap.push(Reverse(Entry { order: self.entered, waiting }));
        self.entered += 1;
    }

    /// When the next packet leaves.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(entry)| entry.waiting.due)
    }

    /// The next packet if its time has come.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Waiting> {
        if self.next_due()? <= now { self.pop() } else { None }
    }

    /// The next packet, whatever its time.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let Reverse(entry) = self.heap.pop()?;
        self.held -= entry.waiting.packet.held();
        self.counts[entry.waiting.direction.index()] -= 1;
        Some(entry.waiting)
    }

    /// True when nothing waits in this direction.
    pub(super) fn is_clear(&self, direction: Direction) -> bool {
        self.counts[direction.index()] == 0
    }

    /// True when nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Bytes of memory that the packets hold.
    pub(super) fn held(&self) -> usize {
        self.held
    }
}

#[derive(Debug)]
struct Entry {
    order: u64,
    waiting: Waiting,
}

impl Entry {
    fn rank(&self) -> (Time, u64) {
        (self.waiting.due, self.order)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Entry {}
