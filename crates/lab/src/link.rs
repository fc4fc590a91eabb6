//! The link as a pure function: seed, rules and arrivals decide when each packet leaves, or by which rule it is lost.
//!
//! Nothing here has a clock, a descriptor or a thread; the forwarding loop and the simulated network drive the same
//! link, so the same seed means the same losses in both. The rules of a direction act in the order of [`Link::offer`],
//! which is where a new rule finds its place. What the rules are: `rules`; when: `schedule`; how they are written:
//! `grammar`; those with names: `profile`. A rule that needs luck asks the case's dice with a word of its own, see `fate`.
//!
//! How packets of the same seed meet the same fate although timing and segmentation differ from run to run: `fate`.

mod damage;
pub(crate) mod dice;
mod fate;
mod flows;
mod fragment;
pub mod grammar;
mod line;
mod loss;
pub mod profile;
pub mod rules;
pub mod schedule;
mod sight;
mod too_big;

use std::ops::Range;
use std::time::Duration;

use wire::{Fate, Time};

use crate::calibration::Calibration;
use crate::event::Role;
pub use damage::Damage;
use dice::Dice;
use fate::{Luck, rule};
use flows::Flows;
use line::{Line, Through};
use rules::{Queue, Reorder};
pub use rules::{Rule, Rules};
pub use schedule::Schedule;
pub use sight::Offered;
use sight::Sight;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

impl Direction {
    /// The way that this host's packets go.
    pub fn from(sender: Role) -> Direction {
        match sender {
            Role::Client | Role::Other(_) => Direction::Up,
            Role::Server => Direction::Down,
        }
    }

    /// The other way.
    pub(crate) fn back(self) -> Direction {
        match self {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Direction::Up => 0,
            Direction::Down => 1,
        }
    }
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It leaves the link.
    Leaves(Leaving),
    /// It never leaves.
    Lost(Rule),
}

/// How a segment leaves the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// When; never before one that entered earlier in its direction, unless it or that one is to be reordered.
    pub at: Time,
    /// When it leaves once more.
    pub copy: Option<Time>,
    /// What is done to it before.
    pub damage: Option<Damage>,
    /// It leaves in fragments of at most so many bytes.
    pub fragments: Option<u32>,
    /// The word for what happens to it, the worst where it is several things.
    pub fate: Fate,
    /// The rule that has done this.
    pub rule: Option<Rule>,
}

impl Leaving {
    /// Untouched.
    pub fn untouched(at: Time) -> Leaving {
        Leaving { at, copy: None, damage: None, fragments: None, fate: Fate::Delivered, rule: None }
    }

    /// Whether its bytes are not those that entered.
    pub fn changes_bytes(&self) -> bool {
        self.damage.is_some() || self.fragments.is_some()
    }

    /// What leaves of an IP packet whose checksums are complete: one packet, or its fragments.
    pub fn apply(&self, mut packet: Vec<u8>) -> Vec<Vec<u8>> {
        if let Some(damage) = self.damage {
            damage.apply(&mut packet);
        }
        match self.fragments {
            Some(mtu) => fragment::cut(packet, mtu),
            None => vec![packet],
        }
    }

    /// Whether neighbours may leave as one: what is doubled or changed goes by itself.
    fn goes_along(&self) -> bool {
        self.copy.is_none() && !self.changes_bytes()
    }
}

/// Consecutive segments of one packet that share what becomes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The segments, counted from 0.
    pub segments: Range<u32>,
    /// What becomes of them.
    pub departure: Departure,
}

/// What becomes of a packet: runs that together are all of its segments, in order. An ordinary packet is one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The runs; neighbours differ, or leave each by itself.
    pub runs: Vec<Run>,
    /// What the link itself answers to the sender at once: an IP packet.
    pub answer: Option<Vec<u8>>,
}

impl Plan {
    fn push(&mut self, segments: Range<u32>, departure: Departure) {
        let goes_along = match &departure {
            Departure::Leaves(leaving) => leaving.goes_along(),
            Departure::Lost(_) => true,
        };
        match self.runs.last_mut() {
            Some(last) if goes_along && last.departure == departure => last.segments.end = segments.end,
            _ => self.runs.push(Run { segments, departure }),
        }
    }
}

/// A link between two hosts.
#[derive(Debug)]
pub struct Link {
    dice: Dice,
    schedule: Schedule,
    /// Some rule at some time asks the dice. Every packet is counted then from the first one on: also in a direction
    /// without such a rule, because a handshake is understood only from both.
    needs_luck: bool,
    flows: Flows,
    ways: [Way; 2],
    /// What getting in and out costs in itself.
    costs: Calibration,
    /// When the first packet entered.
    began: Option<Time>,
    /// Until when the rules are what they are.
    until: Option<Time>,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// As they are now.
    rules: Rules,
    /// What the way in and out costs in itself, as far as the delay is not shorter.
    costs: Calibration,
    /// The largest of them so far.
    most: Calibration,
    line: Line,
    /// When the last packet that keeps its place leaves.
    last: Time,
}

impl Link {
    /// A link whose decisions follow from `seed`.
    pub fn new(seed: u64, schedule: Schedule) -> Link {
        Link {
            dice: Dice::new(seed),
            needs_luck: schedule.needs_luck(),
            schedule,
            flows: Flows::default(),
            ways: Default::default(),
            costs: Default::default(),
            began: None,
            until: None,
        }
    }

    /// Makes delays shorter by what getting in and out of the link costs in itself.
    pub(crate) fn calibrate(&mut self, costs: Calibration) {
        self.costs = costs;
        for way in &mut self.ways {
            way.calibrate(costs);
        }
    }

    /// By how much delays of a direction have been shorter, at most.
    pub(crate) fn calibration(&self, direction: Direction) -> Calibration {
        self.ways[direction.index()].most
    }

    /// What getting in and out in a direction costs now, as far as its delay can make up for it.
    pub(crate) fn costs(&mut self, now: Time, direction: Direction) -> Calibration {
        self.keep_time(now);
        self.ways[direction.index()].costs
    }

    /// Decides what becomes of a packet that enters now. Times never decrease from call to call.
    ///
    /// The rules act in this order: a cut takes everything, then the largest size (or it cuts into fragments, where the
    /// sender allows that) and loss take what is theirs. What is left is damaged and doubled, goes through the queue
    /// and the line, which may be full, and is under way for its delay and jitter. At last it finds its place behind
    /// those that entered before it, or is held back.
    pub fn offer(&mut self, now: Time, direction: Direction, packet: &Offered<'_>) -> Plan {
        self.keep_time(now);
        let way = &mut self.ways[direction.index()];
        let mut plan = Plan::default();
        if !self.needs_luck {
            if way.rules.treat_all_alike() {
                plan.push(0..packet.segments(), way.decide(now, packet, 0, &Luck::default()));
                return plan;
            }
            for segment in 0..packet.segments() {
                plan.push(segment..segment + 1, way.decide(now, packet, segment, &Luck::default()));
            }
        } else {
            let sight = Sight::of(packet, direction);
            let fates = self.flows.of(&sight, direction, self.dice);
            for segment in 0..packet.segments() {
                let luck = fates.luck(way.rules.loss.as_ref(), direction, &sight, packet, segment);
                plan.push(segment..segment + 1, way.decide(now, packet, segment, &luck));
            }
        }
        plan.answer = way.answer(&plan, packet);
        plan
    }

    /// Sees to it that the rules are those of this time.
    fn keep_time(&mut self, now: Time) {
        let is_first = self.began.is_none();
        let began = *self.began.get_or_insert(now);
        if is_first || self.until.is_some_and(|until| now >= until) {
            let (rules, until) = self.schedule.at(now.since(began));
            for (way, rules) in self.ways.iter_mut().zip(rules) {
                way.rules = rules;
                way.calibrate(self.costs);
            }
            self.until = until.map(|until| began + until);
        }
    }
}

impl Way {
    fn calibrate(&mut self, costs: Calibration) {
        self.costs = costs.within(self.rules.delay.floor);
        self.most = self.most.max(self.costs);
    }

    /// What becomes of one segment.
    fn decide(&mut self, now: Time, packet: &Offered<'_>, segment: u32, luck: &Luck) -> Departure {
        let rules = self.rules;
        if rules.cut {
            return Departure::Lost(Rule::Cut);
        }
        let too_big = rules.mtu.filter(|mtu| packet.segment_len(segment) > mtu.bytes);
        if let Some(mtu) = too_big.filter(|_| too_big::must_stay_whole(packet.ip())) {
            return Departure::Lost(Rule::Mtu(mtu));
        }
        if let (true, Some(loss)) = (luck.lost, rules.loss) {
            return Departure::Lost(Rule::Loss(loss));
        }
        let mut leaving = Leaving::untouched(now);
        leaving.fragments = too_big.map(|mtu| mtu.bytes);
        leaving.rule = too_big.map(Rule::Mtu);
        let through = match self.pass(now, packet, segment) {
            Ok(through) => through,
            Err(full) => return Departure::Lost(Rule::Queue(full)),
        };
        if let (true, Some(rate)) = (through.waited, rules.rate) {
            (leaving.fate, leaving.rule) = (Fate::Queued, Some(Rule::Rate(Some(rate))));
        }
        // The original goes first, so that what overtakes it has to overtake both.
        let copy = luck.happens(rule::DUPLICATE, rules.duplicate);
        let copy = if copy { self.pass(now, packet, segment).ok() } else { None };
        let under_way = under_way(&rules, luck).saturating_sub(self.costs.leaving);
        leaving.at = self.release(through.at + under_way, luck, &mut leaving);
        if let Some(copy) = copy {
            leaving.copy = Some((copy.at + under_way).max(leaving.at));
            self.last = self.last.max(leaving.copy.unwrap_or_default());
            (leaving.fate, leaving.rule) = (Fate::Duplicated, Some(Rule::Duplicate(rules.duplicate)));
        }
        if let Some(corrupt) = rules.corrupt
            && luck.happens(rule::CORRUPT, corrupt.share)
        {
            let (headers, payload) = packet.parts(segment);
            leaving.damage = Damage::to(headers, payload, corrupt.unseen, luck.number(rule::DAMAGE));
            if let Some(damage) = leaving.damage {
                leaving.fate = if damage.is_unseen() { Fate::Altered } else { Fate::Corrupted };
                leaving.rule = Some(Rule::Corrupt(corrupt));
            }
        }
        Departure::Leaves(leaving)
    }

    /// Queue and line; the queue when it is full.
    fn pass(&mut self, now: Time, packet: &Offered<'_>, segment: u32) -> Result<Through, Queue> {
        let Some(rate) = self.rules.rate else { return Ok(Through { at: now, waited: false }) };
        let queue = self.rules.queue.unwrap_or(Queue::USUAL);
        self.line.enter(now, rate, queue, packet.segment_len(segment)).ok_or(queue)
    }

    /// A packet that is ready at this time finds its place.
    fn release(&mut self, ready: Time, luck: &Luck, leaving: &mut Leaving) -> Time {
        let in_order = ready.max(self.last);
        match self.rules.reorder {
            Reorder::Held { share, by } if luck.happens(rule::REORDER, share) => {
                (leaving.fate, leaving.rule) = (Fate::Reordered, Some(Rule::Reorder(self.rules.reorder)));
                in_order + by
            }
            Reorder::Jitter => {
                self.last = in_order;
                ready
            }
            Reorder::Held { .. } | Reorder::Never => {
                self.last = in_order;
                in_order
            }
        }
    }

    /// What the sender of a packet that was too large is told.
    fn answer(&self, plan: &Plan, packet: &Offered<'_>) -> Option<Vec<u8>> {
        let mtu = self.rules.mtu.filter(|mtu| !mtu.silent)?;
        let too_big = plan.runs.iter().find(|run| matches!(run.departure, Departure::Lost(Rule::Mtu(_))))?;
        too_big::answer(&packet.segment(too_big.segments.start), mtu.bytes)
    }
}

impl Rules {
    /// True where all segments of a packet have the same fate without luck.
    fn treat_all_alike(&self) -> bool {
        self.cut || self.mtu.is_none() && self.rate.is_none()
    }
}

/// How long a packet is under way behind the line: the floor, a tail, and jitter.
fn under_way(rules: &Rules, luck: &Luck) -> Duration {
    let mut time = rules.delay.floor;
    if rules.delay.tail != Duration::ZERO {
        time = time.saturating_add(tail(rules.delay.tail, luck.number(rule::TAIL)));
    }
    if rules.jitter != Duration::ZERO {
        // A part of the whole that the number says, without rounding beyond a nanosecond.
        let part = (rules.jitter.as_nanos() + 1).saturating_mul(luck.number(rule::JITTER).into()) >> 64;
        time = time.saturating_add(Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX)));
    }
    time
}

/// The longest tail, in means.
const LONGEST_TAIL: f64 = 100.0;

/// A tail of Pareto's second kind with exponent 2: mean × (1/√u - 1). Division and square root are exact to the last bit
/// on every machine (IEEE 754), so a seed means the same times everywhere. Cut off at 100 means, which takes 1 % of it.
fn tail(mean: Duration, luck: u64) -> Duration {
    // The upper 53 bits are what such a number holds; half a step keeps it above zero.
    let uniform = ((luck >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let times = (1.0 / uniform.sqrt() - 1.0).min(LONGEST_TAIL);
    Duration::from_nanos((mean.as_nanos() as f64 * times) as u64)
}

#[cfg(test)]
mod tests;
