//! The bytes that one end said, put back in order from the pieces in which a capture has them (RFC 9293 §3.4: a stream is
//! numbered byte by byte, so every piece says where it belongs).
//!
//! Pieces come in the order of the capture: repeated, overlapping, out of order, cut short, or not at all. What joins on is
//! handed out at once, without a copy; what comes too early is held. The first copy of a byte counts, and a repetition that
//! says something else is told as a conflict. Nothing is made up: where bytes are missing there is a gap, with the reason.
//!
//! A hole is given up when the other end has acknowledged it and nothing has filled it, when too much is held behind it, or
//! at the end. Positions are those of the tracker: 1 is the first byte of the stream, and they never wrap.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::Time;

use self::given::Given;
use crate::ranges::Ranges;

mod given;
#[cfg(test)]
mod tests;

/// The position of the first byte of a stream.
pub const FIRST: i64 = 1;

/// How long a hole that was acknowledged may still be filled. Captures of several queues have an acknowledgement before
/// what it acknowledges; by then it is there.
const GRACE: Duration = Duration::from_millis(10);

/// What it costs to hold a piece, beside its bytes.
const PIECE: usize = 64;

/// Gaps that stay remembered, to tell what fills them too late.
const GAPS: usize = 64;

/// Positions beyond this are no positions: 4 EiB.
const END: i64 = 1 << 62;

/// A piece of a stream as one frame has it.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The position of its first byte.
    pub start: i64,
    /// What the capture has of it, from its beginning.
    pub bytes: &'a [u8],
    /// Its length on the wire.
    pub len_bytes: u32,
    /// The frame's number.
    pub frame: u64,
    /// When the frame was captured.
    pub time: Time,
}

/// What is handed out. `Data` and `Gap` join each other without overlap from [`FIRST`] on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The next bytes, all from one frame.
    Data(Said<'a>),
    /// The next bytes are missing.
    Gap(Gap),
    /// Bytes of a gap that has been told already.
    Late(Said<'a>),
    /// Bytes that were there before were sent again with another content, which is not used.
    Conflict(Conflict),
}

/// Bytes from one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// The position of the first.
    pub start: i64,
    /// They themselves.
    pub bytes: &'a [u8],
    /// The frame.
    pub frame: u64,
    /// When it was captured.
    pub time: Time,
}

/// Bytes that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The position of the first.
    pub start: i64,
    /// How many.
    pub len_bytes: u64,
    /// Why.
    pub why: Missing,
}

/// Why bytes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No frame has them, although the other end acknowledged them or later bytes were sent.
    NeverSeen,
    /// The capture kept only the beginning of each frame.
    Cut {
        /// Payload bytes that were kept of the frame.
        kept: u32,
        /// Payload bytes that it had on the wire.
        of: u32,
    },
    /// They had not come when more had to be held behind them than there is room for.
    TooLate,
}

/// A repetition that says something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The position of the first byte that differs.
    pub start: i64,
    /// As far as the last one that does.
    pub len_bytes: u64,
    /// The frame whose bytes count.
    pub first: u64,
    /// The frame that repeats them.
    pub again: u64,
}

/// One direction's stream.
#[derive(Debug)]
pub struct Reassembly {
    /// The position of the next byte to hand out.
    next: i64,
    /// What lies behind it: entries that neither overlap nor begin before `next`.
    held: BTreeMap<i64, Held>,
    held_cost: usize,
    most_held: usize,
    given: Given,
    /// Gaps that were told and not filled.
    missing: Ranges,
    /// Acknowledged, but not here: up to where, since when. The second waits for the first.
    acknowledged: [Option<(i64, Time)>; 2],
}

/// What came too early.
#[derive(Debug)]
struct Held {
    content: Content,
    frame: u64,
    time: Time,
}

#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    /// Bytes that were on the wire and that the capture did not keep.
    Cut {
        len: i64,
        kept: u32,
        of: u32,
    },
}

impl Held {
    fn len(&self) -> i64 {
        match &self.content {
            Content::Bytes(bytes) => len_of(bytes),
            Content::Cut { len, .. } => *len,
        }
    }

    fn cost(&self) -> usize {
        match &self.content {
            Content::Bytes(bytes) => PIECE + bytes.len(),
            Content::Cut { .. } => PIECE,
        }
    }
}

impl<'a> Piece<'a> {
    fn end(&self) -> i64 {
        self.start + i64::from(self.len_bytes)
    }

    /// The end of what the capture has.
    fn seen_end(&self) -> i64 {
        self.start + len_of(self.bytes)
    }

    /// Without what lies before `position`.
    fn from(&self, position: i64) -> Piece<'a> {
        let skipped = (position - self.start).clamp(0, i64::from(self.len_bytes));
        let start = self.start + skipped;
        let len_bytes = u32::try_from(self.end() - start).unwrap_or(0);
        Piece { start, bytes: slice(self, start, self.end()), len_bytes, ..*self }
    }

    fn said(&self, start: i64, end: i64) -> Said<'a> {
        Said { start, bytes: slice(self, start, end), frame: self.frame, time: self.time }
    }
}

/// What a piece has of the positions from `start` to `end`.
fn slice<'a>(piece: &Piece<'a>, start: i64, end: i64) -> &'a [u8] {
    let index = |position: i64| {
        let distance = usize::try_from(position - piece.start).unwrap_or(0);
        distance.min(piece.bytes.len())
    };
    piece.bytes.get(index(start)..index(end)).unwrap_or_default()
}

fn len_of(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(END)
}

fn unsigned(length: i64) -> u64 {
    u64::try_from(length).unwrap_or(0)
}

impl Reassembly {
    /// A stream of which nothing was seen yet. It holds `most_held` bytes at most behind a hole.
    pub fn new(most_held: usize) -> Reassembly {
        Reassembly::starting_at(FIRST, most_held)
    }

    /// A stream whose beginning is no longer of interest: the first byte handed out stands at `position`.
    pub fn starting_at(position: i64, most_held: usize) -> Reassembly {
        Reassembly {
            next: position.clamp(FIRST, END),
            held: BTreeMap::new(),
            held_cost: 0,
            most_held,
            given: Given::default(),
            missing: Ranges::default(),
            acknowledged: [None; 2],
        }
    }

    /// The memory that it takes, in bytes: what is held, and what was handed out last, for comparison.
    pub fn memory_bytes(&self) -> usize {
        let gaps = self.missing.len() * size_of::<(i64, i64)>();
        size_of::<Reassembly>() + self.held_cost + self.given.memory_bytes() + gaps
    }

    /// Gives up the memory of what was handed out: repetitions of it are not compared. Nothing else is lost.
    pub fn forget(&mut self) {
        self.given = Given::default();
    }

    /// Takes the next piece of the capture and hands out what it allows.
    pub fn take(&mut self, piece: &Piece<'_>, mut tell: impl FnMut(Item<'_>)) {
        if !(-END..END).contains(&piece.start) || piece.len_bytes == 0 {
            return;
        }
        let tell = &mut tell;
        let seen = piece.bytes.len().min(piece.len_bytes as usize);
        let piece = Piece { bytes: &piece.bytes[..seen], ..*piece }.from(FIRST);
        self.give_up_acknowledged(piece.time, tell);
        self.compare(&piece, tell);
        let fresh = piece.from(self.next);
        if fresh.start == self.next && self.held.is_empty() {
            self.hand_out(&fresh, tell);
        } else {
            self.hold(&fresh, piece, tell);
            self.hand_out_held(tell);
        }
        while self.held_cost > self.most_held {
            self.give_up_hole(i64::MAX, Missing::TooLate, tell);
        }
    }

    /// The other end acknowledges all before `position`. Its word is believed at once when it `answers`, that is, has
    /// something to say itself; else the missing bytes may still follow for a moment.
    pub fn acknowledge(&mut self, position: i64, answers: bool, time: Time, mut tell: impl FnMut(Item<'_>)) {
        let position = position.min(END);
        self.give_up_acknowledged(time, &mut tell);
        if answers {
            self.give_up_to(position, &mut tell);
        } else if position > self.next {
            let [first, second] = &mut self.acknowledged;
            let slot = if first.is_none() { first } else { second };
            *slot = Some(slot.map_or((position, time), |(before, _)| (before.max(position), time)));
        }
    }

    /// Nothing will come any more: hands out all that is held, with the gaps between.
    pub fn finish(&mut self, tell: impl FnMut(Item<'_>)) {
        self.end(Missing::NeverSeen, tell);
    }

    /// The same where more may come, but there is no memory to wait for it.
    pub fn hurry(&mut self, tell: impl FnMut(Item<'_>)) {
        self.end(Missing::TooLate, tell);
    }

    fn end(&mut self, why: Missing, mut tell: impl FnMut(Item<'_>)) {
        while !self.held.is_empty() {
            self.give_up_hole(i64::MAX, why, &mut tell);
        }
        let acknowledged = self.acknowledged.iter().flatten().map(|(position, _)| *position).max();
        self.give_up_to(acknowledged.unwrap_or(self.next), &mut tell);
        self.forget();
    }

    /// Hands out a piece that begins at `next`, while nothing is held.
    fn hand_out(&mut self, piece: &Piece<'_>, tell: &mut impl FnMut(Item<'_>)) {
        self.data(&piece.said(piece.start, piece.end()), tell);
        let kept = u32::try_from(piece.bytes.len()).unwrap_or(piece.len_bytes);
        self.gap(piece.end(), Missing::Cut { kept, of: piece.len_bytes }, tell);
    }

    fn data(&mut self, said: &Said<'_>, tell: &mut impl FnMut(Item<'_>)) {
        if !said.bytes.is_empty() {
            tell(Item::Data(*said));
            self.given.note(said);
            self.next = said.start + len_of(said.bytes);
        }
    }

    /// Tells that all before `end` is missing.
    fn gap(&mut self, end: i64, why: Missing, tell: &mut impl FnMut(Item<'_>)) {
        if end <= self.next {
            return;
        }
        tell(Item::Gap(Gap { start: self.next, len_bytes: unsigned(end - self.next), why }));
        self.missing.insert(self.next, end);
        if self.missing.len() > GAPS {
            self.missing.drop_lowest();
        }
        self.next = end;
    }

    /// Hands out what is held as far as it joins on.
    fn hand_out_held(&mut self, tell: &mut impl FnMut(Item<'_>)) {
        while let Some(entry) = self.held.first_entry().filter(|entry| *entry.key() <= self.next) {
            let (start, held) = entry.remove_entry();
            self.held_cost -= held.cost();
            match held.content {
                Content::Bytes(bytes) => {
                    self.data(&Said { start, bytes: &bytes, frame: held.frame, time: held.time }, tell);
                }
                Content::Cut { len, kept, of } => self.gap(start + len, Missing::Cut { kept, of }, tell),
            }
        }
    }

    /// Gives up the hole at `next`, at most up to `position`, and hands out what joins on behind it.
    fn give_up_hole(&mut self, position: i64, why: Missing, tell: &mut impl FnMut(Item<'_>)) {
        let until_held = self.held.first_key_value().map_or(position, |(&start, _)| start);
        self.gap(until_held.min(position), why, tell);
        self.hand_out_held(tell);
    }

    fn give_up_to(&mut self, position: i64, tell: &mut impl FnMut(Item<'_>)) {
        while self.next < position {
            self.give_up_hole(position, Missing::NeverSeen, tell);
        }
        for slot in &mut self.acknowledged {
            *slot = slot.filter(|(acknowledged, _)| *acknowledged > self.next);
        }
    }

    /// Gives up what was acknowledged a while ago and is still not here.
    fn give_up_acknowledged(&mut self, now: Time, tell: &mut impl FnMut(Item<'_>)) {
        while let Some((position, _)) = self.acknowledged[0].filter(|(_, since)| now.since(*since) >= GRACE) {
            self.acknowledged = [self.acknowledged[1], None];
            self.give_up_to(position, tell);
        }
    }

    /// Holds what is new in a piece, and compares what is not. `whole` is the frame's whole piece.
    fn hold(&mut self, piece: &Piece<'_>, whole: Piece<'_>, tell: &mut impl FnMut(Item<'_>)) {
        let seen_end = piece.seen_end();
        self.carve(piece.start, seen_end);
        let mut at = piece.start;
        while at < seen_end {
            let (until, taken) = self.stretch(at, seen_end);
            match taken {
                Some((start, held)) => compare_held(start, held, &piece.said(at, until), tell),
                None => self.insert(at, Content::Bytes(piece.said(at, until).bytes.to_vec()), piece),
            }
            at = until;
        }
        let kept = u32::try_from(whole.bytes.len()).unwrap_or(whole.len_bytes);
        while at < piece.end() {
            let (until, taken) = self.stretch(at, piece.end());
            if taken.is_none() {
                self.insert(at, Content::Cut { len: until - at, kept, of: whole.len_bytes }, piece);
            }
            at = until;
        }
    }

    /// How far from `at`, and at most to `end`, all is held by one entry, which is given, or by none.
    fn stretch(&self, at: i64, end: i64) -> (i64, Option<(i64, &Held)>) {
        let before = self.held.range(..=at).next_back();
        if let Some((&start, held)) = before.filter(|(start, held)| *start + held.len() > at) {
            return ((start + held.len()).min(end), Some((start, held)));
        }
        let behind = self.held.range(at..end).next();
        (behind.map_or(end, |(&start, _)| start), None)
    }

    fn insert(&mut self, start: i64, content: Content, piece: &Piece<'_>) {
        let held = Held { content, frame: piece.frame, time: piece.time };
        self.held_cost += held.cost();
        self.held.insert(start, held);
    }

    /// Takes `from..to` out of what is only known to have been cut: now it is here.
    fn carve(&mut self, from: i64, to: i64) {
        let overlapping = self.held.range(..to).rev().take_while(|(start, held)| **start + held.len() > from);
        let cut = overlapping.filter(|(_, held)| matches!(held.content, Content::Cut { .. }));
        let starts: Vec<i64> = cut.map(|(&start, _)| start).collect();
        for start in starts {
            let Some(held) = self.held.remove(&start) else { continue };
            self.held_cost -= held.cost();
            let Content::Cut { len, kept, of } = held.content else { continue };
            for (start, end) in [(start, from.min(start + len)), (to.max(start), start + len)] {
                if start < end {
                    let content = Content::Cut { len: end - start, kept, of };
                    let rest = Held { content, frame: held.frame, time: held.time };
                    self.held_cost += rest.cost();
                    self.held.insert(start, rest);
                }
            }
        }
    }

    /// Compares a piece with what was handed out already, and tells what of it fills a gap too late.
    fn compare(&mut self, piece: &Piece<'_>, tell: &mut impl FnMut(Item<'_>)) {
        let end = piece.seen_end().min(self.next);
        // RFC 9293 §3.8.4: a keep-alive may repeat the last byte as "one garbage octet".
        let keep_alive = piece.len_bytes == 1 && piece.start == self.next - 1;
        if piece.start >= end || keep_alive {
            return;
        }
        if let Some(conflict) = self.given.differs(&piece.said(piece.start, end)) {
            tell(Item::Conflict(conflict));
        }
        let mut at = piece.start;
        while let Some((start, until)) = self.missing.first_within(at, end) {
            tell(Item::Late(piece.said(start, until)));
            self.missing.remove(start, until);
            at = until;
        }
    }
}

/// Compares a repetition with what is held of the same positions.
fn compare_held(start: i64, held: &Held, again: &Said<'_>, tell: &mut impl FnMut(Item<'_>)) {
    let Content::Bytes(bytes) = &held.content else { return };
    let skipped = usize::try_from(again.start - start).unwrap_or(0);
    let before = bytes.iter().skip(skipped);
    if let Some((from, len_bytes)) = difference(before, again.bytes.iter()) {
        let start = again.start + from;
        tell(Item::Conflict(Conflict { start, len_bytes, first: held.frame, again: again.frame }));
    }
}

/// Where two contents of the same positions first differ, and how far to the last difference.
fn difference<'a>(
    one: impl Iterator<Item = &'a u8>,
    other: impl Iterator<Item = &'a u8>,
) -> Option<(i64, u64)> {
    let mut differing = one.zip(other).zip(0i64..).filter(|((one, other), _)| one != other);
    let (_, first) = differing.next()?;
    let last = differing.last().map_or(first, |(_, at)| at);
    Some((first, unsigned(last - first + 1)))
}
