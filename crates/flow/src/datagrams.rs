//! Conversations of datagrams: UDP between two addresses.
//!
//! There is no opening and no end to follow; what can be told is who sent how much when, and which ICMP errors came of it.

use std::net::SocketAddr;

use wire::{Passage, Time};

use crate::conversation::Side;
use crate::frame::Sighting;
use crate::path_error::{PathError, PathErrors};

/// One datagram.
#[derive(Clone, Debug)]
pub struct DatagramRow {
    /// The frame's number in the capture, from 1.
    pub frame: u64,
    /// When it was sent (captured).
    pub time: Time,
    /// Who sent it.
    pub from: Side,
    /// Payload bytes.
    pub len_bytes: u32,
    /// What the emulated link did; none in an ordinary capture.
    pub passage: Option<Passage>,
}

/// What one side sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatagramTotals {
    /// Datagrams.
    pub datagrams: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// The payload of the largest, in bytes.
    pub largest_bytes: u32,
    /// Datagrams that the emulated link kept from being received: it dropped them, or corrupted them.
    pub lost: u64,
    /// Of these, those that it corrupted, so that the receiver dropped them.
    pub corrupted: u64,
}

/// A conversation of datagrams. `a` sent the first one.
#[derive(Clone, Debug)]
pub struct DatagramFlow {
    /// Its number among those of datagrams, from 0, in order of appearance.
    pub stream: u64,
    /// Who sent the first datagram.
    pub a: SocketAddr,
    /// The other end.
    pub b: SocketAddr,
    /// The datagrams that were kept, in order of sending.
    pub rows: Vec<DatagramRow>,
    /// Datagrams that were not kept.
    pub rows_left_out: u64,
    /// When the first one was sent.
    pub first: Time,
    /// When the last one was.
    pub last: Time,
    /// What A sent.
    pub totals_a: DatagramTotals,
    /// What B sent.
    pub totals_b: DatagramTotals,
    /// What the path said about them.
    pub path_errors: PathErrors,
}

impl DatagramFlow {
    pub(crate) fn begin(stream: u64, [a, b]: [SocketAddr; 2], time: Time) -> DatagramFlow {
        DatagramFlow {
            stream,
            a,
            b,
            rows: Vec::new(),
            rows_left_out: 0,
            first: time,
            last: time,
            totals_a: DatagramTotals::default(),
            totals_b: DatagramTotals::default(),
            path_errors: PathErrors::default(),
        }
    }

    /// The address of one side.
    pub fn address(&self, side: Side) -> SocketAddr {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }

    /// What one side sent.
    pub fn totals(&self, side: Side) -> &DatagramTotals {
        match side {
            Side::A => &self.totals_a,
            Side::B => &self.totals_b,
        }
    }

    pub(crate) fn side_of(&self, source: SocketAddr) -> Side {
        if source == self.a { Side::A } else { Side::B }
    }

    /// Takes the next datagram in; gives its row.
    pub(crate) fn take(&mut self, from: Side, len_bytes: u32, seen: Sighting<'_>) -> DatagramRow {
        let totals = match from {
            Side::A => &mut self.totals_a,
            Side::B => &mut self.totals_b,
        };
        totals.datagrams += 1;
        totals.bytes += u64::from(len_bytes);
        totals.largest_bytes = totals.largest_bytes.max(len_bytes);
        let lost = seen.passage.is_some_and(|passage| passage.fate.is_lost());
        totals.lost += u64::from(lost);
        totals.corrupted += u64::from(seen.is_corrupted());
        self.last = self.last.max(seen.time);
        DatagramRow { frame: seen.frame, time: seen.time, from, len_bytes, passage: seen.passage.cloned() }
    }

    pub(crate) fn trouble(&mut self, error: PathError) {
        self.last = self.last.max(error.time);
        self.path_errors.push(error);
    }
}
