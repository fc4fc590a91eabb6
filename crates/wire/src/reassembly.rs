//! Packets put together from their fragments. Read first: RFC 791 §3.2 (IPv4), RFC 8200 §4.5 (IPv6), RFC 5722 (overlaps),
//! RFC 1858 (what fragments are abused for).
//!
//! [`Reassembler::take`] is handed every packet with the time of its capture. A fragment is kept until the last one that
//! was missing comes; then the whole packet is lent, taken apart. So the frame with the fragment that came last stands for
//! the whole segment.
//!
//! Memory is bounded by [`Limits`]: what is too old goes, and the oldest goes where there is too much; both are counted.
//! A fragment that the capture cut counts with its true length, and the bytes behind the cut are missing.
//!
//! Where fragments overlap, IPv4's first come wins: later ones only fill what is still missing. IPv6 has forbidden overlaps
//! (RFC 5722 §4): the whole packet is discarded with all that still comes of it; exact duplicates are ignored, as RFC 8200
//! §4.5 allows.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::Time;
use crate::packet::{Fragment, Headers, MAX_TUNNELS, Packet, Transport, Undecoded};

#[cfg(test)]
mod tests;

/// The longest payload that fragments can add up to, in bytes: the IP headers' length fields say no more.
pub const MAX_PAYLOAD_LEN: usize = 65_535;

/// How much is kept of packets that are not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Packets at once.
    pub packets: usize,
    /// Bytes in all, what is needed for keeping them included.
    pub bytes: usize,
    /// How long the rest may take to come, by the capture's clock. RFC 1122 §3.3.2 recommends 60 to 120 seconds, RFC 8200
    /// §4.5 has 60, Linux 30 and 60.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { packets: 4096, bytes: 8 << 20, age: Duration::from_secs(30) }
    }
}

/// What became of the fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Fragments taken.
    pub fragments: u64,
    /// Packets put together.
    pub whole: u64,
    /// Packets given up because the rest did not come in time.
    pub expired: u64,
    /// Packets given up because there were too many at once.
    pub evicted: u64,
    /// Packets given up because their fragments contradict each other: overlaps in IPv6, more than 64 KiB, two ends.
    pub refused: u64,
}

/// Puts packets together.
#[derive(Debug, Default)]
pub struct Reassembler {
    limits: Limits,
    counters: Counters,
    waiting: HashMap<Key, Partial>,
    /// In the order of their first fragments. What has gone from `waiting`, or has come anew, is stepped over by its number.
    oldest: VecDeque<(Key, u64)>,
    /// Bytes in `waiting`.
    bytes: usize,
    /// The packet that was put together last, and is lent.
    whole: Option<Whole>,
}

/// What the fragments of one packet share (RFC 791 §3.2, RFC 8200 §4.5). IPv6 leaves the protocol out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    protocol: Option<u8>,
    identification: u32,
}

/// A packet that is not whole yet.
#[derive(Debug)]
struct Partial {
    /// The number of its first fragment: tells it from an earlier packet under the same key.
    serial: u64,
    began: Time,
    /// Its payload as far as it has come, zeros where something is missing.
    payload: Vec<u8>,
    /// What has come, in order and without overlap.
    pieces: Vec<Piece>,
    /// Where the last piece ends.
    end: Option<usize>,
    /// From the first piece.
    first: Option<Head>,
    /// It can no longer become whole, and is kept only to know what belongs to it.
    refused: bool,
}

/// A part of a payload that has come, in bytes from the payload's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start: usize,
    end: usize,
    /// The bytes from here to `end` were not captured.
    captured_end: usize,
}

/// What the first fragment's own headers say about the packet.
#[derive(Clone, Copy, Debug)]
struct Head {
    protocol: u8,
    headers: Headers,
}

/// A packet that was put together.
#[derive(Debug)]
struct Whole {
    head: Head,
    payload: Vec<u8>,
    /// Its true length, in bytes.
    len: usize,
}

impl Whole {
    fn packet(&self) -> Result<Packet<'_>, Undecoded> {
        self.head.headers.around(self.head.protocol, &self.payload, self.len)
    }
}

/// Why a fragment makes its packet impossible.
struct Contradiction;

impl Reassembler {
    /// With these limits.
    pub fn new(limits: Limits) -> Reassembler {
        Reassembler { limits, ..Reassembler::default() }
    }

    /// Takes a packet that was captured at `time`. Gives it back if it is no fragment; gives the whole packet if it is
    /// the last fragment that was missing, and nothing if more have to come.
    ///
    /// # Errors
    /// Those of [`dissect_payload`](crate::packet::dissect_payload), for a packet that has become whole by this
    /// fragment and is lost.
    pub fn take<'a>(&'a mut self, packet: Packet<'a>, time: Time) -> Result<Option<Packet<'a>>, Undecoded> {
        let Transport::Fragment(fragment) = packet.transport else { return Ok(Some(packet)) };
        let mut whole = self.add(&packet, &fragment, time);
        // A whole packet may carry a fragment of another.
        for _ in 0..MAX_TUNNELS {
            let Some(packet) = whole.as_ref().map(Whole::packet).transpose()? else { return Ok(None) };
            let Transport::Fragment(fragment) = packet.transport else { break };
            whole = self.add(&packet, &fragment, time);
        }
        self.whole = whole;
        self.whole.as_ref().map(Whole::packet).transpose()
    }

    /// What became of the fragments so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Packets that are not whole yet.
    pub fn waiting(&self) -> usize {
        self.waiting.values().filter(|partial| !partial.refused).count()
    }

    /// Adds a fragment; gives the packet that it makes whole.
    fn add(&mut self, packet: &Packet<'_>, fragment: &Fragment<'_>, time: Time) -> Option<Whole> {
        self.counters.fragments += 1;
        self.expire(time);
        let key = Key::of(fragment);
        let serial = self.counters.fragments;
        let partial = self.waiting.entry(key).or_insert_with(|| {
            self.oldest.push_back((key, serial));
            self.bytes += Partial::OVERHEAD;
            Partial::new(serial, time)
        });
        if partial.refused {
            return None;
        }
        let before = partial.bytes();
        if let Err(Contradiction) = partial.add(packet, fragment) {
            partial.refuse();
            self.counters.refused += 1;
        }
        let is_whole = partial.is_whole();
        self.bytes = self.bytes + partial.bytes() - before;
        if is_whole {
            return self.complete(key);
        }
        self.evict();
        None
    }

    fn complete(&mut self, key: Key) -> Option<Whole> {
        let partial = self.forget(key)?;
        self.counters.whole += 1;
        let len = partial.end?;
        let captured = partial.captured_from_start();
        let mut payload = partial.payload;
        payload.truncate(captured);
        Some(Whole { head: partial.first?, payload, len })
    }

    /// Gives up what is too old at `time`.
    fn expire(&mut self, time: Time) {
        let age = u64::try_from(self.limits.age.as_nanos()).unwrap_or(u64::MAX);
        while let Some((key, serial)) = self.oldest.front().copied() {
            match self.waiting.get(&key) {
                Some(partial) if partial.serial == serial => {
                    if time.0.saturating_sub(partial.began.0) <= age {
                        return;
                    }
                    self.counters.expired += u64::from(!partial.refused);
                    self.forget(key);
                }
                _ => {}
            }
            self.oldest.pop_front();
        }
    }

    /// Gives up the oldest until the limits are kept.
    fn evict(&mut self) {
        while self.waiting.len() > self.limits.packets || self.bytes > self.limits.bytes {
            let Some((key, serial)) = self.oldest.pop_front() else { return };
            let Some(partial) = self.waiting.get(&key).filter(|partial| partial.serial == serial) else {
                continue;
            };
            self.counters.evicted += u64::from(!partial.refused);
            self.forget(key);
        }
        // Packets that became whole leave their places in the order behind.
        if self.oldest.len() > 2 * self.limits.packets.max(16) {
            let waiting = &self.waiting;
            self.oldest
                .retain(|(key, serial)| waiting.get(key).is_some_and(|partial| partial.serial == *serial));
        }
    }

    fn forget(&mut self, key: Key) -> Option<Partial> {
        let partial = self.waiting.remove(&key)?;
        self.bytes = self.bytes.saturating_sub(partial.bytes() + Partial::OVERHEAD);
        Some(partial)
    }
}

impl Key {
    fn of(fragment: &Fragment<'_>) -> Key {
        Key {
            source: fragment.source,
            destination: fragment.destination,
            protocol: fragment.source.is_ipv4().then_some(fragment.protocol),
            identification: fragment.identification,
        }
    }
}

impl Partial {
    /// What a packet takes beside its bytes and pieces, roughly.
    const OVERHEAD: usize = size_of::<Partial>() + 2 * size_of::<Key>();

    fn new(serial: u64, began: Time) -> Partial {
        Partial {
            serial,
            began,
            payload: Vec::new(),
            pieces: Vec::new(),
            end: None,
            first: None,
            refused: false,
        }
    }

    fn bytes(&self) -> usize {
        self.payload.capacity() + self.pieces.capacity() * size_of::<Piece>()
    }

    /// Keeps the mark, frees the rest.
    fn refuse(&mut self) {
        self.refused = true;
        self.payload = Vec::new();
        self.pieces = Vec::new();
    }

    fn add(&mut self, packet: &Packet<'_>, fragment: &Fragment<'_>) -> Result<(), Contradiction> {
        let start = usize::try_from(fragment.offset).unwrap_or(usize::MAX);
        let len = usize::try_from(fragment.len).unwrap_or(usize::MAX);
        let end = start.saturating_add(len);
        if end > MAX_PAYLOAD_LEN {
            return Err(Contradiction);
        }
        let forbids_overlaps = fragment.source.is_ipv6();
        if forbids_overlaps && fragment.more && !len.is_multiple_of(8) {
            return Err(Contradiction); // RFC 8200 §4.5
        }
        self.place_end(end, fragment.more)?;
        if start == 0 && self.first.is_none() {
            let headers = packet.headers_around(fragment);
            self.first = Some(Head { protocol: fragment.protocol, headers });
        }
        let piece = Piece { start, end, captured_end: (start + fragment.payload.len()).min(end) };
        if forbids_overlaps && self.pieces.iter().any(|other| other.overlaps(piece)) {
            let is_duplicate = self.pieces.iter().any(|other| (other.start, other.end) == (start, end));
            return if is_duplicate { Ok(()) } else { Err(Contradiction) };
        }
        self.fill(piece, fragment.payload);
        Ok(())
    }

    /// All last pieces have to end at the same place, and no other beyond it.
    fn place_end(&mut self, end: usize, more: bool) -> Result<(), Contradiction> {
        let reached = self.pieces.last().map_or(0, |piece| piece.end);
        match self.end {
            Some(known) if end > known || (!more && end != known) => Err(Contradiction),
            None if !more && reached > end => Err(Contradiction),
            None if !more => {
                self.end = Some(end);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes those parts of a piece that were still missing.
    fn fill(&mut self, piece: Piece, bytes: &[u8]) {
        let mut start = piece.start;
        let mut at = self.pieces.partition_point(|other| other.end <= piece.start);
        while start < piece.end {
            let next = self.pieces.get(at).copied();
            let end = next.map_or(piece.end, |next| next.start.min(piece.end));
            if start < end {
                let captured_end = piece.captured_end.clamp(start, end);
                let part = bytes.get(start - piece.start..captured_end - piece.start).unwrap_or_default();
                if self.payload.len() < captured_end {
                    self.payload.resize(captured_end, 0);
                }
                self.payload[start..start + part.len()].copy_from_slice(part);
                self.pieces.insert(at, Piece { start, end, captured_end });
                at += 1;
            }
            let Some(next) = next else { return };
            start = start.max(next.end);
            at += 1;
        }
    }

    fn is_whole(&self) -> bool {
        let mut reached = 0;
        for piece in &self.pieces {
            if piece.start != reached {
                return false;
            }
            reached = piece.end;
        }
        self.first.is_some() && self.end == Some(reached)
    }

    /// How much of the payload was captured without a gap, from its start.
    fn captured_from_start(&self) -> usize {
        let mut reached = 0;
        for piece in &self.pieces {
            if piece.start != reached {
                break;
            }
            reached = piece.captured_end;
        }
        reached
    }
}

impl Piece {
    fn overlaps(&self, other: Piece) -> bool {
        self.start < other.end && other.start < self.end
    }
}
