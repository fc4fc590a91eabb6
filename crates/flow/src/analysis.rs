//! What Wireshark says of each segment, rule for rule: the fifteen `tcp.analysis` flags of version 4.0 and
//! `tcp.completeness`.
//!
//! People know these words and scripts depend on them, so they are exact, their weak spots included: a flag is what the
//! rule gives and no more. What really happened is told elsewhere ([`Resent`](crate::Resent), [`Finding`](crate::Finding)).
//!
//! Numbers here are those of the headers and wrap. As in the original, 0 stands for "not known yet", so that a stream whose
//! numbers reach 0 begins afresh. The order of the rules in [`Analysis::take`] matters.

mod completeness;
mod flags;
#[cfg(test)]
mod tests;

use wire::Time;
use wire::tcp::{MAX_WINDOW_SCALE, TcpFlags};

use crate::conversation::Side;
use crate::segment::Segment;

pub use completeness::Completeness;
pub use flags::AnalysisFlags;

/// A fast retransmission comes within this many nanoseconds of the duplicate ACK that asked for it.
const FAST: u64 = 20_000_000;

/// How late a segment may come and still be out of order, where no round trip is known, in nanoseconds.
const OUT_OF_ORDER: u64 = 3_000_000;

/// Segments without an acknowledgement of which the original keeps account.
const ACCOUNT: u32 = 10_000;

/// A duplicate-ACK counter that says "this gap was told already". It counts as more than two duplicates.
const TOLD: u32 = u32::MAX;

/// The analysis of one conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Analysis {
    directions: [Direction; 2],
    syn: Option<Time>,
    /// From the last SYN to the first ACK without SYN, from whichever side, in nanoseconds.
    initial_rtt: Option<u64>,
    completeness: Completeness,
    began: bool,
}

/// What one side has sent.
#[derive(Clone, Debug)]
struct Direction {
    /// The number of its SYN, or what stands for it.
    base: Option<u32>,
    /// The next sequence number expected of it, and when that last moved.
    next: u32,
    next_time: Time,
    /// What the other side may acknowledge: the end of what was seen without a gap.
    contiguous: u32,
    /// Segments of it since the other side last acknowledged something new.
    unacknowledged: u32,
    /// The acknowledgement field that it sent last, and when.
    last_ack: u32,
    last_ack_time: Time,
    /// Duplicate ACKs that it sent.
    duplicates: u32,
    /// The window field that it sent last; none before the first segment.
    window: Option<u16>,
    scale: Scale,
    /// It has sent an ACK since its SYN.
    scales: bool,
    /// What was said of its last segment.
    last: AnalysisFlags,
}

/// What is known of the window scale of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Unknown,
    Unused,
    Shift(u8),
}

impl Default for Direction {
    fn default() -> Direction {
        Direction {
            base: None,
            next: 0,
            next_time: Time(0),
            contiguous: 0,
            unacknowledged: 0,
            last_ack: 0,
            last_ack_time: Time(0),
            duplicates: 0,
            window: None,
            scale: Scale::Unknown,
            scales: true,
            last: AnalysisFlags::NONE,
        }
    }
}

impl Analysis {
    /// True when this SYN opens another conversation than the one followed: it has another number than this side began
    /// with.
    pub(crate) fn is_succeeded_by(&self, from: Side, segment: &Segment) -> bool {
        let base = self.directions[from.index()].base;
        opens(segment) && base.is_some_and(|base| base != segment.seq.0)
    }

    /// What has been seen of the conversation.
    pub(crate) fn completeness(&self) -> Completeness {
        self.completeness
    }

    /// Takes the next segment. `reuses` is true for the SYN of a conversation that takes the place of another.
    pub(crate) fn take(&mut self, from: Side, segment: &Segment, time: Time, reuses: bool) -> AnalysisFlags {
        if segment.shorter_in_wireshark == 0 {
            return self.take_whole(from, segment, time, reuses);
        }
        match segment.len.checked_sub(segment.shorter_in_wireshark) {
            Some(len) => self.take_whole(from, &Segment { len, ..segment.clone() }, time, reuses),
            // Not even its header is whole then.
            None => AnalysisFlags::NONE,
        }
    }

    fn take_whole(&mut self, from: Side, segment: &Segment, time: Time, reuses: bool) -> AnalysisFlags {
        let [a, b] = &mut self.directions;
        let (ours, theirs) = if from == Side::A { (a, b) } else { (b, a) };
        let mut flags = AnalysisFlags::NONE;
        if reuses | ours.begin(segment, theirs) {
            flags |= AnalysisFlags::REUSED_PORTS;
        }
        flags |= ours.rules_of_numbers(segment, theirs);
        if segment.ack_field != ours.last_ack {
            ours.duplicates = 0;
            theirs.unacknowledged = 0;
        }
        if theirs.is_acknowledged_beyond(segment) {
            flags |= AnalysisFlags::ACK_LOST_SEGMENT;
        }
        if !flags.has(AnalysisFlags::KEEP_ALIVE) {
            flags |= ours.rules_of_repetition(segment, theirs, time, self.initial_rtt);
        }
        ours.advance(segment, time, flags);
        ours.scale(segment, theirs);
        self.time_opening(segment, time);
        self.completeness.take(segment, !self.began, reuses);
        self.began = true;
        flags
    }

    fn time_opening(&mut self, segment: &Segment, time: Time) {
        if opens(segment) {
            self.syn = Some(time);
        }
        let acks = segment.ack.is_some() && !segment.flags.has(TcpFlags::SYN);
        if let (true, None, Some(syn)) = (acks, self.initial_rtt, self.syn) {
            // Zero is not known yet.
            self.initial_rtt = Some(since(time, syn)).filter(|nanos| *nanos > 0);
        }
    }
}

impl Direction {
    /// Finds the number that each side begins with; true when a SYN with ACK begins again with another.
    fn begin(&mut self, segment: &Segment, theirs: &mut Direction) -> bool {
        let syn = segment.flags.has(TcpFlags::SYN);
        let seq = segment.seq.0;
        let known = self.base;
        if theirs.base.is_none() && segment.ack.is_some() {
            theirs.base = Some(segment.ack_field.wrapping_sub(1));
        }
        match known {
            None => self.base = Some(if syn { seq } else { seq.wrapping_sub(1) }),
            Some(base) if syn && base == seq && segment.ack.is_none() => self.next = self.contiguous,
            Some(base) if syn && base != seq => {
                self.base = Some(seq);
                return segment.ack.is_some();
            }
            Some(_) => {}
        }
        false
    }

    /// Everything that is said of numbers and windows alone.
    fn rules_of_numbers(&mut self, segment: &Segment, theirs: &Direction) -> AnalysisFlags {
        let (seq, len) = (segment.seq.0, segment.len);
        let plain = !segment.flags.has_any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
        if len == 1 && seq == self.next && theirs.window == Some(0) {
            return AnalysisFlags::ZERO_WINDOW_PROBE;
        }
        let mut flags = AnalysisFlags::NONE;
        if segment.window == 0 && plain {
            flags |= AnalysisFlags::ZERO_WINDOW;
        }
        if self.next != 0 && is_behind(seq, self.next) && !segment.flags.has(TcpFlags::RST) {
            flags |= AnalysisFlags::LOST_SEGMENT;
        }
        if !plain {
            return flags;
        }
        if len <= 1 && seq == self.next.wrapping_sub(1) {
            flags |= AnalysisFlags::KEEP_ALIVE;
        }
        if len > 0 {
            if theirs.window_ends_at(seq.wrapping_add(len)) {
                flags |= AnalysisFlags::WINDOW_FULL;
            }
            return flags;
        }
        flags | self.rules_of_acknowledgements(segment, theirs)
    }

    /// What is said of a segment that only acknowledges.
    fn rules_of_acknowledgements(&mut self, segment: &Segment, theirs: &Direction) -> AnalysisFlags {
        if segment.seq.0 != self.next || segment.ack_field != self.last_ack {
            return AnalysisFlags::NONE;
        }
        match (segment.window, self.window == Some(segment.window)) {
            (0, true) if theirs.last.has(AnalysisFlags::ZERO_WINDOW_PROBE) => {
                AnalysisFlags::ZERO_WINDOW_PROBE_ACK
            }
            (0, _) => AnalysisFlags::NONE,
            (_, false) => AnalysisFlags::WINDOW_UPDATE,
            (_, true) if theirs.last.has(AnalysisFlags::KEEP_ALIVE) => AnalysisFlags::KEEP_ALIVE_ACK,
            (_, true) => {
                // From "told" the count goes on at 1.
                self.duplicates = self.duplicates.checked_add(1).unwrap_or(1);
                AnalysisFlags::DUPLICATE_ACK
            }
        }
    }

    /// True when the window that this side announced last ends exactly at `number`.
    fn window_ends_at(&self, number: u32) -> bool {
        let shift = match self.scale {
            Scale::Unknown => return false,
            Scale::Shift(shift) if self.scales => shift,
            Scale::Shift(_) | Scale::Unused => 0,
        };
        let window = self.window.map_or(u32::MAX, u32::from);
        number == self.last_ack.wrapping_add(window << shift)
    }

    /// True when the other side's segment acknowledges what was never seen of this side; told once for each gap.
    fn is_acknowledged_beyond(&mut self, segment: &Segment) -> bool {
        if segment.ack.is_none() || self.contiguous == 0 || !is_behind(segment.ack_field, self.contiguous) {
            return false;
        }
        if is_behind(self.next, self.contiguous) {
            self.contiguous = self.next;
            return true;
        }
        std::mem::replace(&mut self.duplicates, TOLD) == 0
    }

    /// What is said of a segment that takes sequence numbers which were taken before.
    fn rules_of_repetition(
        &self,
        segment: &Segment,
        theirs: &Direction,
        time: Time,
        initial_rtt: Option<u64>,
    ) -> AnalysisFlags {
        let (seq, len) = (segment.seq.0, segment.len);
        if len == 0 && !segment.flags.has_any(TcpFlags::SYN | TcpFlags::FIN) {
            return AnalysisFlags::NONE;
        }
        if len > 0 && theirs.last_ack != 0 && is_up_to(seq.wrapping_add(len), theirs.last_ack) {
            return AnalysisFlags::RETRANSMISSION | AnalysisFlags::SPURIOUS_RETRANSMISSION;
        }
        let follows_probe = len > 1 && seq == self.next.wrapping_sub(1);
        if self.next == 0 || !is_behind(self.next, seq) || follows_probe {
            return AnalysisFlags::NONE;
        }
        if theirs.duplicates >= 2 && theirs.last_ack == seq && since(time, theirs.last_ack_time) < FAST {
            return AnalysisFlags::RETRANSMISSION | AnalysisFlags::FAST_RETRANSMISSION;
        }
        let overtaken = since(time, self.next_time) < initial_rtt.unwrap_or(OUT_OF_ORDER);
        if overtaken && self.next != end(segment) {
            return AnalysisFlags::OUT_OF_ORDER;
        }
        AnalysisFlags::RETRANSMISSION
    }

    fn advance(&mut self, segment: &Segment, time: Time, flags: AnalysisFlags) {
        if !flags.has(AnalysisFlags::ZERO_WINDOW_PROBE) {
            let end = end(segment);
            if self.next == 0 || is_behind(end, self.next) {
                self.next = end;
                self.next_time = time;
            }
            let in_account = self.unacknowledged < ACCOUNT;
            if self.contiguous == 0 || segment.seq.0 == self.contiguous && in_account {
                self.contiguous = self.next;
            }
            self.unacknowledged += u32::from(in_account && end != segment.seq.0);
        }
        self.window = Some(segment.window);
        self.last_ack = segment.ack_field;
        self.last_ack_time = time;
        self.last = flags;
    }

    /// RFC 7323 §2.2: both must offer it. A side that has offered it does not lose it by a later SYN without.
    fn scale(&mut self, segment: &Segment, theirs: &mut Direction) {
        if !segment.flags.has(TcpFlags::SYN) {
            self.scales |= segment.ack.is_some();
            return;
        }
        self.scales = false;
        match segment.options.window_scale {
            None if self.scale == Scale::Unknown => {
                self.scale = Scale::Unused;
                theirs.scale = Scale::Unused;
            }
            _ if segment.ack.is_some() && theirs.scale == Scale::Unused => self.scale = Scale::Unused,
            None => {}
            Some(shift) => self.scale = Scale::Shift(shift.min(MAX_WINDOW_SCALE)),
        }
    }
}

/// SYN without ACK, whatever else.
fn opens(segment: &Segment) -> bool {
    segment.flags.has(TcpFlags::SYN) && segment.ack.is_none()
}

/// The first number behind the segment.
fn end(segment: &Segment) -> u32 {
    let control = segment.flags.has_any(TcpFlags::SYN | TcpFlags::FIN);
    segment.seq.0.wrapping_add(segment.len).wrapping_add(u32::from(control))
}

/// The nanoseconds from one time to another. As in the original they are unsigned: back in time is very long.
fn since(time: Time, earlier: Time) -> u64 {
    time.0.wrapping_sub(earlier.0)
}

/// True when `number` comes behind `other` on the circle. Of two that are half the circle apart each is behind the other.
fn is_behind(number: u32, other: u32) -> bool {
    other.wrapping_sub(number).cast_signed() < 0
}

/// True when `number` does not reach beyond `other`.
fn is_up_to(number: u32, other: u32) -> bool {
    number.wrapping_sub(other).cast_signed() <= 0
}
