//! Segments on their way to one end, and which of them it has taken in when it sends something itself.
//!
//! Where the link tells, a segment arrives at its time or never. In an ordinary capture it counts as arrived at once,
//! unless what the receiver sends next proves otherwise. Both ways it is taken in only when the receiver sends the next
//! time (or the capture ends): only then can it be held against what the receiver itself says it has received.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use wire::Time;

use crate::end::End;
use crate::segment::Placed;

/// How sure it is that a segment arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// The link says so.
    Certain,
    /// It is taken to.
    Assumed,
    /// The link says that it does not.
    Lost,
}

/// A segment on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Underway {
    pub(crate) segment: Placed,
    /// When it arrives; when it was sent where that is not known.
    pub(crate) time: Time,
    pub(crate) certainty: Certainty,
    /// Where its row stands, if it was kept.
    pub(crate) row: Option<u64>,
    /// It would have closed the receiver, which went on sending nevertheless.
    pub(crate) late: bool,
}

/// What became of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taken {
    /// The end has received it.
    Received(Underway),
    /// It never arrived.
    Missed(Underway),
}

impl Taken {
    /// What comes of a segment that nothing keeps from its receiver but the link.
    pub(crate) fn of(underway: Underway) -> Taken {
        if underway.certainty == Certainty::Lost {
            Taken::Missed(underway)
        } else {
            Taken::Received(underway)
        }
    }
}

/// All segments on their way to one end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transit {
    flying: BinaryHeap<Reverse<Flying>>,
    /// At the end's door, in order of arrival.
    waiting: VecDeque<Underway>,
    /// How many of those in front have given their rows away.
    told: usize,
    sent: u64,
}

/// Assumed arrivals that may wait for proof; more than a sender's last few never decide a state.
const WAITING: usize = 64;

/// No timer waits for less (Linux's minimum; RFC 6298 §2.4 asks for 1 s): what is repeated sooner may have crossed its
/// acknowledgement on the way.
const LEAST_TIMEOUT: Duration = Duration::from_millis(200);

impl Transit {
    /// A segment sets out. Gives what must be taken in early because more than `limit` are on their way.
    pub(crate) fn depart(&mut self, underway: Underway, limit: usize) -> Option<Underway> {
        if underway.certainty == Certainty::Certain {
            self.flying.push(Reverse(Flying { underway, order: self.sent }));
            self.sent += 1;
        } else {
            self.waiting.push_back(underway);
        }
        self.overdue(limit)
    }

    /// Lets everything arrive that does so by `time`.
    pub(crate) fn arrive_until(&mut self, time: Time) {
        while self.flying.peek().is_some_and(|flying| flying.0.underway.time <= time) {
            self.waiting.extend(self.flying.pop().map(|flying| flying.0.underway));
        }
    }

    /// The next segment that `end` has dealt with by the time it sends `reply` (or at the end of the capture, when there
    /// is none); none when what is left has not got through to it yet. `sacked` are the reply's SACK blocks.
    pub(crate) fn next_taken(&mut self, end: &End, reply: Option<&Reply<'_>>) -> Option<Taken> {
        let Some(reply) = reply else { return self.take_at(0).map(Taken::of) };
        let mut at = 0;
        let mut blocked = false;
        while let Some(underway) = self.waiting.get_mut(at) {
            match reply.verdict(end, underway, blocked) {
                Verdict::TakenIn => return self.take_at(at).map(Taken::of),
                Verdict::NeverCame => return self.take_at(at).map(Taken::Missed),
                Verdict::NotYet => underway.late = true,
                Verdict::Blocks if reply.sacked.is_empty() => return None,
                Verdict::Blocks => blocked = true,
            }
            at += 1;
        }
        None
    }

    /// The rows of all that waits and was not taken in, each once: the end went on sending without it.
    pub(crate) fn take_unheard_rows(&mut self, mut tell: impl FnMut(u64)) {
        self.waiting
            .iter_mut()
            .skip(self.told)
            .filter_map(|underway| underway.row.take())
            .for_each(&mut tell);
        self.told = self.waiting.len();
    }

    /// The sender says again what a waiting segment said: nothing had come of that one, so it counts as lost, unless the
    /// link knows better. Its last number decides, for that is where a FIN stands.
    pub(crate) fn supersede(&mut self, repeated: &Placed) {
        let (start, end) = (repeated.start, repeated.end());
        for underway in self.waiting.iter_mut().filter(|underway| underway.certainty == Certainty::Assumed) {
            let segment = &underway.segment;
            let covered = segment.has_content() && start < segment.end() && segment.end() <= end;
            // The SYN ACK of a simultaneous open is no repetition by a timer: it answers.
            let answers = segment.opens() && repeated.answers_syn();
            if covered && !answers {
                underway.certainty = Certainty::Lost;
            }
        }
    }

    fn take_at(&mut self, at: usize) -> Option<Underway> {
        self.told -= usize::from(at < self.told);
        self.waiting.remove(at)
    }

    fn overdue(&mut self, limit: usize) -> Option<Underway> {
        if self.waiting.len() > WAITING {
            return self.take_at(0);
        }
        if self.flying.len() > limit { self.flying.pop().map(|flying| flying.0.underway) } else { None }
    }
}

/// What an end sends, as evidence of what it had taken in before.
pub(crate) struct Reply<'a> {
    pub(crate) segment: &'a Placed,
    /// When.
    pub(crate) time: Time,
    /// Its SACK blocks, as positions of the other side.
    pub(crate) sacked: &'a [(i64, i64)],
    /// It repeats this end's SYN or FIN, which ends at this position.
    pub(crate) repeats_control: Option<i64>,
    /// It may do so because nothing came.
    pub(crate) by_timer: bool,
}

enum Verdict {
    TakenIn,
    NeverCame,
    NotYet,
    /// Not yet, and neither is what came behind it.
    Blocks,
}

impl Reply<'_> {
    fn verdict(&self, end: &End, underway: &Underway, blocked: bool) -> Verdict {
        let segment = &underway.segment;
        if blocked {
            return if self.sacks(segment) { Verdict::TakenIn } else { Verdict::Blocks };
        }
        if underway.certainty == Certainty::Lost {
            return Verdict::TakenIn;
        }
        // Nobody who has heard an answer goes on opening.
        if self.segment.opens() {
            return Verdict::Blocks;
        }
        if segment.has_content() && !self.acknowledges(segment) && !is_early(end, underway) {
            return Verdict::Blocks;
        }
        if self.repeats_what_is_acked_by(end, segment) {
            let waited = self.by_timer && self.time.since(underway.time) >= LEAST_TIMEOUT;
            let proved = waited && underway.certainty == Certainty::Assumed;
            return if proved { Verdict::NeverCame } else { Verdict::NotYet };
        }
        // A closed end sends nothing but resets without ACK (RFC 9293 §3.10.7.1), until it answers another SYN.
        let lives = match self.segment {
            Placed { rst: true, ack, .. } => ack.is_some(),
            Placed { syn: true, .. } => end.sent_syn,
            _ => true,
        };
        if lives && end.would_close(segment) { Verdict::NotYet } else { Verdict::TakenIn }
    }

    fn acknowledges(&self, segment: &Placed) -> bool {
        self.segment.ack.is_none_or(|ack| segment.proved_by() <= ack) || self.sacks(segment)
    }

    fn sacks(&self, segment: &Placed) -> bool {
        let covers = |block: &(i64, i64)| block.0 <= segment.start && segment.end() <= block.1;
        segment.has_content() && self.sacked.iter().any(covers)
    }

    /// The end repeats its SYN or FIN: it cannot have heard a segment that acknowledges that, unless the segment brought
    /// something else that the end acknowledges now.
    fn repeats_what_is_acked_by(&self, end: &End, segment: &Placed) -> bool {
        let Some(control) = self.repeats_control else { return false };
        let brings_news = segment.has_content() && !end.received.has(segment);
        segment.ack.is_some_and(|ack| ack >= control) && !brings_news
    }
}

/// True for a segment that did arrive, but behind a gap: no acknowledgement can cover it yet, so none tells that it had
/// not been taken in.
fn is_early(end: &End, underway: &Underway) -> bool {
    let behind_gap = end.received.next.is_some_and(|next| underway.segment.start > next);
    underway.certainty == Certainty::Certain && behind_gap
}

/// A segment in the air; the one that arrives first compares lowest.
#[derive(Clone, Copy, Debug)]
struct Flying {
    underway: Underway,
    order: u64,
}

impl Flying {
    fn key(&self) -> (Time, u64) {
        (self.underway.time, self.order)
    }
}

impl PartialEq for Flying {
    fn eq(&self, other: &Flying) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Flying {}

impl PartialOrd for Flying {
    fn partial_cmp(&self, other: &Flying) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flying {
    fn cmp(&self, other: &Flying) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
