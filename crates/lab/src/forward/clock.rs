//! The loop's clock: times as captures have them, that never run backwards.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wire::Time;

/// The wall clock as it stood at the start, carried on by the monotonic clock: whoever sets the wall clock meanwhile
/// does not disturb the order of packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Time,
    start: Instant,
}

/// How often both clocks are read together at the start: between two readings the processor may be somebody else's for
/// milliseconds, by which all packets would be too early beside what programs do. Rarely in all of them.
const READINGS: u32 = 8;

impl Clock {
    pub(crate) fn start() -> Clock {
        closest((0..READINGS).map(|_| read())).unwrap_or_else(|| read().1)
    }

    pub(crate) fn now(&self) -> Time {
        self.base + self.start.elapsed()
    }
}

/// Both clocks, with how far apart they may have been read.
fn read() -> (Duration, Clock) {
    let start = Instant::now();
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (start.elapsed(), Clock { base: Time::ZERO + since_epoch, start })
}

fn closest(readings: impl Iterator<Item = (Duration, Clock)>) -> Option<Clock> {
    readings.min_by_key(|(apart, _)| *apart).map(|(_, clock)| clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_that_was_interrupted_is_not_used() {
        let reading = |apart_ms, base| {
            let clock = Clock { base: Time(base), start: Instant::now() };
            (Duration::from_millis(apart_ms), clock)
        };
        let readings = [reading(37, 1), reading(0, 2), reading(5, 3)];
        assert_eq!(closest(readings.into_iter()).map(|clock| clock.base), Some(Time(2)));
        assert!(closest(std::iter::empty()).is_none());
    }
}
