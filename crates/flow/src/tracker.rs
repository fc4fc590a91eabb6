//! Frames in, conversations out: finds the conversation that each frame belongs to, within the limits on memory.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use wire::packet::{self, TcpSegment, Transport, Undecoded};

use crate::conversation::{Flow, Limits};
use crate::following::{Following, Room, Sighting};
use crate::frame::{Frame, Placement};
use crate::idle::IdleOrder;
use crate::segment::Segment;
use crate::sent::Bounds;

/// What became of the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All frames.
    pub frames: u64,
    /// Those with a TCP segment.
    pub tcp: u64,
    /// Those with a UDP datagram.
    pub udp: u64,
    /// Those with an ICMP message.
    pub icmp: u64,
    /// Pieces of fragmented packets.
    pub fragments: u64,
    /// Other protocols, over IP or over the link.
    pub other: u64,
    /// Those that could not be read: cut or malformed.
    pub unreadable: u64,
    /// Those of a link type that is not understood.
    pub unsupported_links: u64,
    /// Conversations forgotten because of [`Limits::flows`].
    pub evicted: u64,
}

/// Follows all TCP conversations of a capture.
#[derive(Debug)]
pub struct Tracker {
    limits: Limits,
    listening: HashSet<SocketAddr>,
    slots: Vec<Following>,
    idle: IdleOrder,
    /// The conversation that two addresses (the lower one first) have now.
    current: HashMap<[SocketAddr; 2], usize>,
    /// Rows kept of all conversations.
    rows: usize,
    streams: u64,
    counters: Counters,
}

impl Tracker {
    /// A tracker that remembers no more than `limits`.
    pub fn new(limits: Limits) -> Tracker {
        Tracker {
            limits,
            listening: HashSet::new(),
            slots: Vec::new(),
            idle: IdleOrder::default(),
            current: HashMap::new(),
            rows: 0,
            streams: 0,
            counters: Counters::default(),
        }
    }

    /// It is known that a socket listens at `address`: its end of a conversation begins in LISTEN.
    pub fn listening(&mut self, address: SocketAddr) {
        self.listening.insert(address);
    }

    /// Takes the next frame; frames come in the order of sending. Tells where it belongs; none for what is
    /// not TCP.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Option<Placement> {
        self.counters.frames += 1;
        let packet = packet::dissect_captured(frame.link_type, frame.bytes, frame.wire_len);
        match packet.map(|packet| packet.transport) {
            Ok(Transport::Tcp(segment)) => return Some(self.segment(&segment, frame)),
            Ok(Transport::Udp(_)) => self.counters.udp += 1,
            Ok(Transport::Icmp(_)) => self.counters.icmp += 1,
            Ok(Transport::Fragment) => self.counters.fragments += 1,
            Ok(Transport::Other(_)) | Err(Undecoded::EtherType(_) | Undecoded::Ieee8023) => {
                self.counters.other += 1;
            }
            Err(Undecoded::LinkType(_)) => self.counters.unsupported_links += 1,
            Err(_) => self.counters.unreadable += 1,
        }
        None
    }

    /// The capture ends here, at least for now: what is still underway arrives, and every conversation is judged. Frames
    /// may follow, if anything comes after all.
    pub fn finish(&mut self) {
        for following in &mut self.slots {
            following.settle(self.limits.gaps);
        }
    }

    /// The conversations in order of appearance. States, how they ended and findings are complete after
    /// [`Tracker::finish`].
    pub fn flows(&self) -> impl Iterator<Item = &Flow> {
        let mut flows: Vec<&Flow> = self.slots.iter().map(|following| &following.flow).collect();
        flows.sort_unstable_by_key(|flow| flow.stream);
        flows.into_iter()
    }

    /// What became of the frames.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn segment(&mut self, tcp: &TcpSegment<'_>, frame: &Frame<'_>) -> Placement {
        self.counters.tcp += 1;
        let segment = Segment::of(tcp);
        let (slot, reuses) = self.slot_for(tcp, &segment, frame);
        self.idle.touch(slot);
        let room = self.room(slot);
        let following = &mut self.slots[slot];
        let rows = following.flow.rows.len();
        let seen = Sighting { frame: frame.number, time: frame.time, passage: frame.passage.as_ref() };
        let placement = following.take(following.side_of(tcp.source), &segment, seen, reuses, room);
        self.rows += following.flow.rows.len() - rows;
        placement
    }

    /// The slot of the conversation that this segment belongs to, a new one if it opens another; true if that takes the
    /// place of one between the same addresses.
    fn slot_for(&mut self, tcp: &TcpSegment<'_>, segment: &Segment, frame: &Frame<'_>) -> (usize, bool) {
        let ends = [tcp.source, tcp.destination];
        let pair = pair(ends);
        let mut reuses = false;
        if let Some(&slot) = self.current.get(&pair) {
            let following = &mut self.slots[slot];
            if !following.is_succeeded_by(following.side_of(tcp.source), segment) {
                return (slot, false);
            }
            reuses = true;
            following.settle(self.limits.gaps);
        }
        let listens = self.listening.contains(&tcp.destination);
        let following = Following::begin(self.streams, segment, ends, frame.time, listens);
        self.streams += 1;
        let slot = self.place(following);
        self.current.insert(pair, slot);
        (slot, reuses)
    }

    /// Finds a slot; when all are taken, that of the conversation idle longest.
    fn place(&mut self, following: Following) -> usize {
        let full = self.slots.len() >= self.limits.flows.max(1);
        let Some(slot) = self.idle.longest().filter(|_| full) else {
            self.slots.push(following);
            self.idle.join();
            return self.slots.len() - 1;
        };
        let evicted = std::mem::replace(&mut self.slots[slot], following);
        self.counters.evicted += 1;
        self.rows -= evicted.flow.rows.len();
        let pair = pair([evicted.flow.a, evicted.flow.b]);
        if self.current.get(&pair) == Some(&slot) {
            self.current.remove(&pair);
        }
        slot
    }

    fn room(&self, slot: usize) -> Room {
        let rows = self.slots[slot].flow.rows.len();
        Room {
            row: rows < self.limits.rows && self.rows < self.limits.rows_in_all,
            bounds: Bounds { gaps: self.limits.gaps, segments: self.limits.segments },
            underway: self.limits.underway,
        }
    }
}

fn pair([one, other]: [SocketAddr; 2]) -> [SocketAddr; 2] {
    if one <= other { [one, other] } else { [other, one] }
}

#[cfg(test)]
mod tests;
