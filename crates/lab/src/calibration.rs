//! What it costs to get a packet from a program into the link and from the link into a program, where everybody sleeps
//! until it comes, so that a configured delay is what programs see and not what comes on top of it. Most of it is the waking
//! of sleepers and of what they have in a processor's caches: some tens of microseconds, more on a virtual machine.
//!
//! It is measured while the programs run, because it is not the same on a busy machine, and so that nobody has to wait
//! for it. A lab whose link delays has one host more, which nobody else can see, the gauge. A program there, which is
//! the keeper, sends datagrams that say when they were sent (`program`); the loop holds them as long as others' and
//! sends them back, saying when (`forward::gauge`). All links take off their delays what both have seen last
//! (`Current`).

pub(crate) mod datagram;
pub(crate) mod program;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datagram::{Message, Under};

/// How many measurements are looked back at.
const MEMORY: usize = 9;
/// More than that is a machine with other things to do, not the cost of waking somebody.
const MOST: Duration = Duration::from_micros(300);
/// And that is a process that was stopped.
const NONSENSE: Duration = Duration::from_millis(5);

/// Three costs, each the median of what was measured last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calibration {
    /// From the call of a program that has slept until the link has the packet, which has slept too.
    pub entering: Duration,
    /// The same where the link is awake: it waits for the answer of a program that it has just woken.
    pub answering: Duration,
    /// From the link's call until the sleeping program has the packet.
    pub leaving: Duration,
}

impl Calibration {
    /// As much of it as a delay can make up for.
    pub(crate) fn within(self, delay: Duration) -> Calibration {
        let leaving = self.leaving.min(delay);
        let rest = delay - leaving;
        Calibration { entering: self.entering.min(rest), answering: self.answering.min(rest), leaving }
    }

    /// By how much a packet's delay is shorter at most.
    pub fn of_a_delay(self) -> Duration {
        self.entering.max(self.answering) + self.leaving
    }

    /// The larger of each.
    pub(crate) fn max(self, other: Calibration) -> Calibration {
        Calibration {
            entering: self.entering.max(other.entering),
            answering: self.answering.max(other.answering),
            leaving: self.leaving.max(other.leaving),
        }
    }
}

/// What the costs are at present, as all links see it. All zeros as long as nothing was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Current(Arc<[AtomicU64; 3]>);

impl Current {
    pub(crate) fn get(&self) -> Calibration {
        let [entering, answering, leaving] =
            self.0.each_ref().map(|nanos| Duration::from_nanos(nanos.load(Ordering::Relaxed)));
        Calibration { entering, answering, leaving }
    }

    /// Whoever reads meanwhile may see some of the old costs and some of the new ones, which does no harm.
    pub(crate) fn set(&self, costs: Calibration) {
        let Calibration { entering, answering, leaving } = costs;
        for (place, cost) in self.0.iter().zip([entering, answering, leaving]) {
            place.store(u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

/// What was measured last, where it is measured.
#[derive(Debug, Default)]
pub(crate) struct Costs {
    entering: Recent,
    answering: Recent,
    leaving: Recent,
    current: Current,
}

impl Costs {
    /// Whoever holds `current` sees them.
    pub(crate) fn told_to(current: Current) -> Costs {
        Costs { current, ..Costs::default() }
    }

    /// A message has just entered the link, which was asleep or awake.
    pub(crate) fn note(&mut self, message: Message, is_woken: bool) {
        let entered = if is_woken { &mut self.entering } else { &mut self.answering };
        entered.push(message.age(), message.under);
        if let Some((took, under)) = message.took {
            self.leaving.push(took, under);
        }
        self.current.set(Calibration {
            entering: self.entering.median(),
            answering: self.answering.median(),
            leaving: self.leaving.median(),
        });
    }
}

/// The last measurements of one cost.
#[derive(Debug, Default)]
struct Recent {
    took: VecDeque<Duration>,
    /// Only such as are better than nothing.
    is_makeshift: bool,
}

impl Recent {
    fn push(&mut self, took: Duration, under: Under) {
        let is_makeshift = under == Under::OtherConditions;
        let has_better = is_makeshift && !self.is_makeshift && !self.took.is_empty();
        if took >= NONSENSE || has_better {
            return;
        }
        if self.is_makeshift && !is_makeshift {
            self.took.clear();
        }
        self.is_makeshift = is_makeshift;
        if self.took.len() == MEMORY {
            self.took.pop_front();
        }
        self.took.push_back(took);
    }

    fn median(&self) -> Duration {
        let mut sorted: Vec<Duration> = self.took.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default().min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn a_delay_makes_up_for_no_more_than_itself() {
        let all = Calibration { entering: micros(40), answering: micros(30), leaving: micros(60) };
        assert_eq!(all.within(micros(1000)), all);
        let of_90 = Calibration { entering: micros(30), ..all };
        assert_eq!(all.within(micros(90)), of_90);
        let of_10 = Calibration { entering: micros(0), answering: micros(0), leaving: micros(10) };
        assert_eq!(all.within(micros(10)), of_10);
    }

    #[test]
    fn the_median_is_that_of_the_last_nine_and_not_that_of_a_busy_machine() {
        let mut recent = Recent::default();
        assert_eq!(recent.median(), Duration::ZERO);
        recent.push(NONSENSE, Under::UsualConditions);
        assert_eq!(recent.median(), Duration::ZERO);
        recent.push(micros(4000), Under::UsualConditions);
        assert_eq!(recent.median(), MOST);
        for took in [50, 40, 60] {
            recent.push(micros(took), Under::UsualConditions);
        }
        assert_eq!(recent.median(), micros(60));
        for _ in 0..9 {
            recent.push(micros(70), Under::UsualConditions);
        }
        assert_eq!(recent.median(), micros(70));
        assert_eq!(recent.took.len(), MEMORY);
    }

    #[test]
    fn a_makeshift_holds_until_there_is_something_better() {
        let mut recent = Recent::default();
        recent.push(micros(20), Under::OtherConditions);
        recent.push(micros(30), Under::OtherConditions);
        recent.push(micros(30), Under::OtherConditions);
        assert_eq!(recent.median(), micros(30));
        recent.push(micros(50), Under::UsualConditions);
        assert_eq!(recent.median(), micros(50));
        recent.push(micros(20), Under::OtherConditions);
        assert_eq!(recent.median(), micros(50));
    }

    #[test]
    fn all_see_what_the_costs_are() {
        let current = Current::default();
        let link = current.clone();
        assert_eq!(link.get(), Calibration::default());
        let costs = Calibration { entering: micros(40), answering: micros(30), leaving: micros(60) };
        current.set(costs);
        assert_eq!(link.get(), costs);
    }
}
