//! The loop's clock: times as captures have them, that never run backwards.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wire::Time;

/// The wall clock as it stood at the start, carried on by the monotonic clock: whoever sets the wall clock meanwhile
/// does not disturb the order of packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    base: Time,
    start: Instant,
}

impl Clock {
    pub(super) fn start() -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { base: Time::ZERO + since_epoch, start: Instant::now() }
    }

    pub(super) fn now(&self) -> Time {
        self.base + self.start.elapsed()
    }
}
