//! The link as a pure function: seed, rules and arrivals decide when each packet leaves, or by which rule it is lost.
//!
//! Nothing here has a clock, a descriptor or a thread; the forwarding loop and the simulated network drive the same
//! link, so the same seed means the same losses in both. The rules of a direction act in the order of [`Link::offer`],
//! which is where a new rule finds its place: first what may take the packet (a cut, the queue, loss, a size limit),
//! then what may change it, then what delays it (rate, delay, jitter). A rule that needs luck asks the case's dice with
//! a word of its own, see `fate`.
//!
//! How packets of the same seed meet the same fate although timing and segmentation differ from run to run: `fate`.

pub(crate) mod dice;
mod fate;
mod flows;
mod sight;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use wire::Time;
use wire::quantity::Probability;

use crate::event::Role;
use dice::Dice;
use flows::Flows;
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
            Role::Client => Direction::Up,
            Role::Server => Direction::Down,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Direction::Up => 0,
            Direction::Down => 1,
        }
    }
}

/// What one direction does to its packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How likely each packet is lost, independently of the others.
    pub loss: Probability,
    /// How long each packet is under way.
    pub delay: Duration,
}

/// The rule that decided against a packet. Displayed in the words of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Independent loss.
    Loss(Probability),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Loss(probability) => write!(f, "loss {probability}"),
        }
    }
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It leaves the link at this time, never before one that entered earlier in its direction.
    Leaves(Time),
    /// It never leaves.
    Lost(Rule),
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
    /// The runs; neighbours differ.
    pub runs: Vec<Run>,
}

impl Plan {
    fn push(&mut self, segments: Range<u32>, departure: Departure) {
        match self.runs.last_mut() {
            Some(last) if last.departure == departure => last.segments.end = segments.end,
            _ => self.runs.push(Run { segments, departure }),
        }
    }
}

/// A link between two hosts.
#[derive(Debug)]
pub struct Link {
    dice: Dice,
    up: Rules,
    down: Rules,
    flows: Flows,
    /// When the last packet of each direction leaves.
    last: [Time; 2],
}

impl Link {
    /// A link whose decisions follow from `seed`.
    pub fn new(seed: u64, up: Rules, down: Rules) -> Link {
        Link { dice: Dice::new(seed), up, down, flows: Flows::default(), last: [Time::ZERO; 2] }
    }

    /// Decides what becomes of a packet that enters now.
    pub fn offer(&mut self, now: Time, direction: Direction, packet: &Offered<'_>) -> Plan {
        let rules = match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        };
        let last = &mut self.last[direction.index()];
        let mut plan = Plan::default();
        if self.up.loss == Probability::NEVER && self.down.loss == Probability::NEVER {
            // Nothing has to be known about the packets then. A direction without loss is followed as long as the
            // other one has some, because a handshake is understood only from both.
            plan.push(0..packet.segments(), Departure::Leaves(release(last, now + rules.delay)));
            return plan;
        }
        let sight = Sight::of(packet, direction);
        let fates = self.flows.of(&sight, direction, self.dice);
        for segment in 0..packet.segments() {
            let departure = match fates.is_lost(rules.loss, direction, &sight, packet, segment) {
                true => Departure::Lost(Rule::Loss(rules.loss)),
                false => Departure::Leaves(release(last, now + rules.delay)),
            };
            plan.push(segment..segment + 1, departure);
        }
        plan
    }
}

/// Order is kept: no packet overtakes one that entered before it.
fn release(last: &mut Time, wanted: Time) -> Time {
    *last = wanted.max(*last);
    *last
}

#[cfg(test)]
mod tests;
