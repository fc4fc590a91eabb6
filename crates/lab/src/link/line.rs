//! The line that a direction's packets go through one after the other, and the queue before it.
//!
//! Virtual arithmetic, no events: a packet is through when the one before it is and its own bits have passed. The times
//! are those of whole bits since the line was last idle, rounded up once, so no interval ever sees more than the rate.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use wire::Time;

use super::rules::Queue;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The line of one direction.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Since when it has been busy without a pause at this rate, and with how many bits.
    busy_since: Time,
    bits: u128,
    rate: Option<NonZeroU64>,
    /// When the last packet is through.
    free_at: Time,
    /// What waits: when it begins to pass, and its length.
    waiting: VecDeque<(Time, u32)>,
    waiting_bytes: u64,
}

/// A packet on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Through {
    /// When its last bit is through.
    pub(super) at: Time,
    /// Whether it had to wait for others.
    pub(super) waited: bool,
}

impl Line {
    /// A packet of so many bytes comes to the line; none if the queue is full. Times never decrease from call to call.
    pub(super) fn enter(&mut self, now: Time, rate: NonZeroU64, queue: Queue, len: u32) -> Option<Through> {
        while self.waiting.front().is_some_and(|(begins, _)| *begins <= now) {
            let begun = self.waiting.pop_front();
            self.waiting_bytes -= begun.map_or(0, |(_, len)| u64::from(len));
        }
        let begins = self.free_at.max(now);
        let waited = begins > now;
        if waited && self.is_full(queue, len) {
            return None;
        }
        if !waited || self.rate != Some(rate) {
            (self.busy_since, self.bits, self.rate) = (begins, 0, Some(rate));
        }
        self.bits += u128::from(len) * 8;
        let nanos = (self.bits * NANOS_PER_SECOND).div_ceil(u128::from(rate.get()));
        self.free_at = Time(self.busy_since.0.saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX)));
        if waited {
            self.waiting.push_back((begins, len));
            self.waiting_bytes += u64::from(len);
        }
        Some(Through { at: self.free_at, waited })
    }

    fn is_full(&self, queue: Queue, len: u32) -> bool {
        match queue {
            Queue::Bytes(most) => self.waiting_bytes + u64::from(len) > most,
            Queue::Packets(most) => self.waiting.len() as u64 >= most,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn rate(bits: u64) -> NonZeroU64 {
        NonZeroU64::new(bits).unwrap()
    }

    #[test]
    fn a_packet_takes_its_bits() {
        let mut line = Line::default();
        let mut enter = |now: u64| line.enter(Time(now), rate(1_000_000), Queue::USUAL, 1500);
        // 12,000 bits at a million a second.
        assert_eq!(enter(0), Some(Through { at: Time(12_000_000), waited: false }));
        assert_eq!(enter(1), Some(Through { at: Time(24_000_000), waited: true }));
        assert_eq!(enter(90_000_000), Some(Through { at: Time(102_000_000), waited: false }));
    }

    #[test]
    fn a_full_queue_drops_the_last() {
        let enter = |line: &mut Line, queue, len| line.enter(Time(0), rate(8000), queue, len).is_some();
        let mut line = Line::default();
        // One passes, two wait.
        assert_eq!([0; 4].map(|_| enter(&mut line, Queue::Packets(2), 100)), [true, true, true, false]);
        let mut line = Line::default();
        assert_eq!(
            [100, 60, 41, 40, 1].map(|len| enter(&mut line, Queue::Bytes(100), len)),
            [true, true, false, true, false]
        );
        // A tenth of a second later the second one has begun to pass.
        assert!(line.enter(Time(100_000_000), rate(8000), Queue::Bytes(100), 60).is_some());
        assert!(line.enter(Time(100_000_000), rate(8000), Queue::Bytes(100), 1).is_none());
    }

    #[test]
    fn another_rate_counts_from_where_the_line_is_free() {
        let mut line = Line::default();
        let mut enter = |bits| line.enter(Time(0), rate(bits), Queue::USUAL, 1000).map(|through| through.at);
        assert_eq!(enter(8_000), Some(Time(1_000_000_000)));
        assert_eq!(enter(80_000), Some(Time(1_100_000_000)));
        assert_eq!(enter(8_000), Some(Time(2_100_000_000)));
    }

    proptest! {
        /// Over any interval no more than the rate and one packet; without a pause no less than 99.5 % of it.
        #[test]
        fn the_rate_is_never_exceeded_and_is_reached(
            bits in 1_000_000u64..=1_000_000_000,
            packets in prop::collection::vec((0u64..200_000, 40u32..1500), 2..300),
        ) {
            let mut line = Line::default();
            let mut now = Time::ZERO;
            let mut passed: Vec<(Time, u64)> = Vec::new();
            for (later, len) in packets {
                now = now + Duration::from_nanos(later);
                if let Some(through) = line.enter(now, rate(bits), Queue::Packets(1000), len) {
                    passed.push((through.at, u64::from(len) * 8));
                }
            }
            for (first, (since, _)) in passed.iter().enumerate() {
                let mut sum = 0u128;
                for (until, len) in &passed[first + 1..] {
                    sum += u128::from(*len);
                    let nanos = until.since(*since).as_nanos();
                    prop_assert!(sum * NANOS_PER_SECOND <= (nanos + 1) * u128::from(bits));
                }
            }
        }

        #[test]
        fn a_busy_line_reaches_its_rate(bits in 1_000_000u64..=1_000_000_000, lens in prop::collection::vec(40u32..1500, 200..400)) {
            let mut line = Line::default();
            let through: Vec<Time> = lens
                .iter()
                .map(|len| line.enter(Time::ZERO, rate(bits), Queue::Packets(1000), *len).unwrap().at)
                .collect();
            let sum = lens.iter().map(|len| u128::from(*len) * 8).sum::<u128>();
            let exact = (sum * NANOS_PER_SECOND).div_ceil(u128::from(bits));
            prop_assert_eq!(u128::from(through.last().unwrap().0), exact);
        }
    }
}
