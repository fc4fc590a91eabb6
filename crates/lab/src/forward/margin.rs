//! How long before a release the loop wakes up to wait for it awake, because sleepers wake up late.
//!
//! A sleeping thread wakes some 50 µs late on an idle machine, longer on a virtual one; the loop learns how late from
//! its own naps. Waking up much earlier would be useless and punished: the scheduler takes the processor from whoever
//! spins through whole delays.

use std::time::Duration;

use wire::Time;

/// How many naps are looked back at.
const MEMORY: usize = 128;
/// Learnt anew after so many naps.
const LEARN_EVERY: usize = 16;
/// Before anything is known.
const FIRST: Duration = Duration::from_micros(100);
/// Never longer than this.
const MOST: Duration = Duration::from_micros(300);
/// How often the share of the processor is looked at.
const WINDOW: Duration = Duration::from_millis(100);

/// The margin, learnt.
#[derive(Debug)]
pub(super) struct Margin {
    late: [Duration; MEMORY],
    naps: usize,
    margin: Duration,
    /// When the processor time was last looked at, and what it was.
    window: (Time, Duration),
    /// The thread used more than half a processor in the last window: no spinning in this one.
    busy: bool,
}

impl Margin {
    /// `processor`: the time that the thread has used of a processor so far.
    pub(super) fn new(now: Time, processor: Duration) -> Margin {
        let late = [Duration::ZERO; MEMORY];
        Margin { late, naps: 0, margin: FIRST, window: (now, processor), busy: false }
    }

    /// How long before a release to wake up.
    pub(super) fn current(&self) -> Duration {
        if self.busy { Duration::ZERO } else { self.margin }
    }

    /// The processor is wanted by others: nothing is waited for awake.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// A nap ended so much later than it should.
    pub(super) fn overslept(&mut self, late: Duration) {
        self.late[self.naps % MEMORY] = late;
        self.naps += 1;
        if self.naps.is_multiple_of(LEARN_EVERY) {
            self.learn();
        }
    }

    /// Looks at the processor time once a window; `processor` is asked only then.
    pub(super) fn watch(&mut self, now: Time, processor: impl FnOnce() -> Duration) {
        let (start, used) = self.window;
        let passed = now.since(start);
        if passed >= WINDOW {
            let used_now = processor();
            self.busy = used_now.saturating_sub(used) > passed / 2;
            self.window = (now, used_now);
        }
    }

    /// Half as much again as the 99th percentile of the naps remembered: one in a hundred that is late by more would be
    /// the 99th percentile of the packets' lateness.
    fn learn(&mut self) {
        let known = self.naps.min(MEMORY);
        let mut sorted = self.late;
        let sorted = &mut sorted[..known];
        sorted.sort_unstable();
        // Rounded up: of 16 the largest, of 128 the second largest.
        let rank = (known * 99).div_ceil(100);
        let usual = sorted.get(rank.saturating_sub(1)).copied().unwrap_or(FIRST);
        self.margin = (usual + usual / 2).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: Duration = Duration::from_micros(1);

    fn margin() -> Margin {
        Margin::new(Time::ZERO, Duration::ZERO)
    }

    #[test]
    fn it_follows_the_slowest_of_a_hundred_naps_and_half_as_much() {
        let mut margin = margin();
        for nap in 0..128 {
            margin.overslept(if nap < 126 { 40 * MICRO } else { 90 * MICRO });
        }
        assert_eq!(margin.current(), 135 * MICRO);
        for _ in 0..128 {
            margin.overslept(20 * MICRO);
        }
        assert_eq!(margin.current(), 30 * MICRO);
    }

    #[test]
    fn one_outlier_of_128_does_not_count() {
        let mut margin = margin();
        for nap in 0..128 {
            margin.overslept(if nap == 5 { 250 * MICRO } else { 40 * MICRO });
        }
        assert_eq!(margin.current(), 60 * MICRO);
    }

    #[test]
    fn it_is_never_longer_than_300_microseconds() {
        let mut margin = margin();
        for _ in 0..128 {
            margin.overslept(Duration::from_millis(7));
        }
        assert_eq!(margin.current(), 300 * MICRO);
    }

    #[test]
    fn who_uses_more_than_half_a_processor_does_not_spin() {
        let mut margin = margin();
        margin.watch(Time::ZERO + WINDOW, || WINDOW * 6 / 10);
        assert_eq!(margin.current(), Duration::ZERO);
        margin.watch(Time::ZERO + WINDOW * 2, || WINDOW * 6 / 10 + WINDOW / 10);
        assert_eq!(margin.current(), FIRST);
    }
}
