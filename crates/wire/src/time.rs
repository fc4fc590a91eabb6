//! A point in time as captures have it: nanoseconds since the Unix epoch, or since the start of a simulation.

use std::time::Duration;

/// Nanoseconds since the Unix epoch (captures, the lab) or since zero (the simulated network).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The zero of a simulation.
    pub const ZERO: Time = Time(0);

    /// How long after `earlier` this is; zero when the clock ran backwards.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Nanoseconds from `other` to this, negative when this came before.
    pub fn signed_nanos_since(self, other: Time) -> i64 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;

    fn add(self, later: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }
}
