//! What one end has sent: how far, which parts of it were never seen, and a short memory of the last segments, to tell
//! what is new, what is said again, and how long an acknowledgement took.

use std::collections::VecDeque;
use std::time::Duration;

use wire::Time;

use crate::ranges::Ranges;
use crate::segment::Placed;
use crate::sequence::wrapped;

/// Acknowledged segments that stay remembered: a repetition of one of them was not needed.
///
/// With the few that are underway they fill 32 places, to which the log grows; most of a conversation's memory is this.
const ACKNOWLEDGED: usize = 24;

/// One remembered segment that took sequence numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    start: i64,
    /// Positions that it takes, which are fewer than 2^32.
    len: u32,
    /// Its frame.
    pub(crate) frame: u64,
    /// When it was sent.
    pub(crate) time: Time,
    /// The link says that it arrived.
    pub(crate) arrived: bool,
    /// Its timestamp.
    stamp: Option<u32>,
    /// It repeats, or was repeated: no acknowledgement of it measures a round trip (Karn's rule, RFC 6298 §3).
    repeats: bool,
}

impl Sending {
    fn end(&self) -> i64 {
        self.start + i64::from(self.len)
    }
}

/// What a segment brings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Novelty {
    /// Payload bytes never seen before.
    pub(crate) fresh_bytes: u64,
    /// Payload bytes seen before.
    pub(crate) repeated_bytes: u64,
    /// It repeats payload, SYN or FIN.
    pub(crate) repeats: bool,
    /// The remembered segment that last carried the first of what it repeats.
    pub(crate) of: Option<Sending>,
}

/// All that one end has sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    /// The lowest position seen.
    low: i64,
    /// The first position behind the highest one sent: SND.NXT, as far as it can be seen.
    pub(crate) next: i64,
    /// Positions below `next` that no segment has shown yet.
    unseen: Ranges,
    /// How much was in gaps that had to be forgotten.
    forgotten: i64,
    /// Where the first FIN stands.
    pub(crate) fin: Option<i64>,
    /// A byte sent to probe a closed window. It may come again as the first byte of real data.
    probe: Option<i64>,
    log: VecDeque<Sending>,
    /// How many at the front of the log are acknowledged.
    acknowledged: usize,
}

impl Sent {
    /// Nothing sent yet; the first segment will stand at `position`.
    pub(crate) fn starting_at(position: i64) -> Sent {
        Sent { low: position, next: position, ..Sent::default() }
    }

    /// The lowest position that was seen.
    pub(crate) fn low(&self) -> i64 {
        self.low
    }

    /// The other end acknowledged more than was seen: it was sent, only not seen.
    pub(crate) fn skip_to(&mut self, position: i64, gaps: usize) {
        if position > self.next {
            self.unseen_between(self.next, position, gaps);
            self.next = position;
        }
    }

    /// True for a segment that asks the other end for a sign of life or a window, and is neither data nor a repetition:
    /// nothing, or one byte that is acknowledged or meets a closed window, one before the next number (RFC 9293
    /// §3.8.4, §3.8.6.1).
    pub(crate) fn is_probe(&self, segment: &Placed, acked: Option<i64>, window_closed: bool) -> bool {
        let one_before = segment.start == self.next - 1 && self.next > 1;
        let plain = !segment.syn && !segment.fin && !segment.rst;
        let known = window_closed || acked.is_some_and(|acked| acked >= self.next);
        plain && one_before && (segment.len == 0 || segment.len == 1 && known)
    }

    /// Takes a segment in that was sent. `window_closed` is true when the other end's window is 0.
    pub(crate) fn note(
        &mut self,
        segment: &Placed,
        sending: (u64, Time),
        arrived: bool,
        bounds: Bounds,
    ) -> Novelty {
        let novelty = self.novelty(segment);
        self.mark_repeated(segment, novelty.repeats);
        self.cover(segment, bounds.gaps);
        if segment.fin {
            self.fin.get_or_insert(segment.end() - 1);
        }
        if segment.has_content() {
            let (frame, time) = sending;
            let (start, len) = (segment.start, wrapped(segment.end() - segment.start));
            let stamp = segment.stamps.map(|(own, _)| own);
            self.remember(
                Sending { start, len, frame, time, arrived, stamp, repeats: novelty.repeats },
                bounds.segments,
            );
        }
        novelty
    }

    /// Remembers that the byte just sent probes a closed window.
    pub(crate) fn probed_with(&mut self, segment: &Placed) {
        self.probe = Some(segment.start);
    }

    /// Everything below `position` is acknowledged, as told at `time` with the timestamp `echo`; gives the round trip of
    /// the newest segment that this covers. Where a repetition is among them, only the timestamp can tell which sending was
    /// answered.
    pub(crate) fn acknowledge(&mut self, position: i64, time: Time, echo: Option<u32>) -> Option<Duration> {
        let mut newest = None;
        let mut ambiguous = false;
        let mut echoed = Echoed::Nothing;
        while let Some(sending) = self.log.get(self.acknowledged) {
            if sending.end() > position || sending.time > time {
                break;
            }
            ambiguous |= sending.repeats;
            newest = Some(sending.time);
            if echo.is_some() && sending.stamp == echo {
                echoed = echoed.or_else(sending.time);
            }
            self.acknowledged += 1;
        }
        let sent = match (ambiguous, echoed) {
            (false, _) => newest,
            (true, Echoed::Once(sent)) => Some(sent),
            (true, _) => None,
        };
        sent.map(|sent| time.since(sent))
    }

    /// Payload bytes in flight when everything below `acked` is acknowledged.
    pub(crate) fn in_flight(&self, acked: i64) -> u32 {
        let end = self.fin.map_or(self.next, |fin| fin.min(self.next));
        u32::try_from((end - acked.max(1)).max(0)).unwrap_or(u32::MAX)
    }

    /// Payload bytes that no segment has shown, although they were sent: later ones were, or they were acknowledged.
    pub(crate) fn unseen_bytes(&self) -> u64 {
        // One position alone, acknowledged at the very end, is a FIN that was not seen, or what a keep-alive repeats.
        let end = match self.unseen.first_within(self.next - 2, self.next) {
            Some((start, _)) if start == self.next - 1 => start,
            _ => self.next,
        };
        bytes(self.unseen.overlap(1, self.fin.unwrap_or(end)) + self.forgotten)
    }

    fn novelty(&self, segment: &Placed) -> Novelty {
        let (start, end) = self.without_probe(segment);
        if self.seen_in(start, end) == 0 {
            let (from, to) = segment.payload();
            return Novelty { fresh_bytes: bytes(to - from - self.seen_in(from, to)), ..Novelty::default() };
        }
        let (from, to) = segment.payload();
        let repeated = self.seen_in(from.max(start), to);
        Novelty {
            fresh_bytes: bytes(to - from - self.seen_in(from, to)),
            repeated_bytes: bytes(repeated),
            repeats: true,
            of: self.last_that_carried(start, end),
        }
    }

    /// The segment's extent, less the byte that had been sent as a probe.
    fn without_probe(&self, segment: &Placed) -> (i64, i64) {
        let skips = self.probe.is_some_and(|probe| probe == segment.start && probe == self.next - 1);
        (segment.start + i64::from(skips), segment.end())
    }

    /// How many positions of `start..end` were seen before.
    fn seen_in(&self, start: i64, end: i64) -> i64 {
        let (from, to) = (start.max(self.low), end.min(self.next));
        if from >= to { 0 } else { to - from - self.unseen.overlap(from, to) }
    }

    fn last_that_carried(&self, start: i64, end: i64) -> Option<Sending> {
        let newest_first = || self.log.iter().rev();
        newest_first()
            .find(|sending| sending.start <= start && start < sending.end())
            .or_else(|| newest_first().find(|sending| sending.start < end && start < sending.end()))
            .copied()
    }

    fn mark_repeated(&mut self, segment: &Placed, repeats: bool) {
        if !repeats {
            return;
        }
        let (start, end) = (segment.start, segment.end());
        let waiting = self.log.iter_mut().skip(self.acknowledged);
        for sending in waiting.filter(|sending| sending.start < end && start < sending.end()) {
            sending.repeats = true;
        }
    }

    fn cover(&mut self, segment: &Placed, gaps: usize) {
        if segment.rst {
            return;
        }
        let (start, end) = (segment.start, segment.end());
        if start > self.next {
            self.unseen_between(self.next, start, gaps);
        } else if start < self.low {
            self.unseen_between(end.min(self.low), self.low, gaps);
            self.low = start;
        }
        if !self.unseen.is_empty() {
            self.unseen.remove(start, end);
        }
        self.next = self.next.max(start).max(end);
    }

    /// Remembers a gap. When there are too many the lowest is forgotten: what comes there later counts as sent before,
    /// although that can then no longer be told.
    fn unseen_between(&mut self, start: i64, end: i64, gaps: usize) {
        self.unseen.insert(start, end);
        while self.unseen.len() > gaps {
            self.forgotten += self.unseen.drop_lowest();
        }
    }

    /// Keeps what is not acknowledged, and the last of what is, as far as there is room.
    fn remember(&mut self, sending: Sending, segments: usize) {
        while self.log.len() >= segments.max(1) || self.acknowledged > ACKNOWLEDGED {
            self.log.pop_front();
            self.acknowledged = self.acknowledged.saturating_sub(1);
        }
        self.log.push_back(sending);
    }
}

/// The sendings that carried an echoed timestamp.
#[derive(Clone, Copy, Debug)]
enum Echoed {
    Nothing,
    Once(Time),
    /// Its clock had not ticked between two of them.
    Several,
}

impl Echoed {
    fn or_else(self, sent: Time) -> Echoed {
        if matches!(self, Echoed::Nothing) { Echoed::Once(sent) } else { Echoed::Several }
    }
}

/// How much may be remembered of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Gaps.
    pub(crate) gaps: usize,
    /// Segments.
    pub(crate) segments: usize,
}

fn bytes(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
