//! What one client may still do: time and rate, for a session that waits for one thing at a time.

use std::time::{Duration, Instant};

use crate::ending::Ending;
use crate::engine::rate::{Bucket, Rate};
use crate::serve::Limits;

/// The limits and what was used of them.
#[derive(Debug)]
pub(in crate::engine) struct Allowance {
    idle: Option<Duration>,
    /// When the whole session is over.
    ends_at: Option<Instant>,
    last_said: Instant,
    rate: Option<Rate>,
    taken: Bucket,
    given: Bucket,
}

impl Allowance {
    pub(in crate::engine) fn new(limits: &Limits, now: Instant) -> Allowance {
        Allowance {
            idle: limits.idle,
            ends_at: limits.total.and_then(|total| now.checked_add(total)),
            last_said: now,
            rate: limits.bytes_per_s.and_then(Rate::new),
            taken: Bucket::new(now),
            given: Bucket::new(now),
        }
    }

    /// When waiting ends at the latest; none: never.
    pub(in crate::engine) fn deadline(&self) -> Option<Instant> {
        let idle_at = self.idle.and_then(|idle| self.last_said.checked_add(idle));
        [idle_at, self.ends_at].into_iter().flatten().min()
    }

    /// The ending of a session whose time has run out.
    pub(in crate::engine) fn expired(&self, now: Instant) -> Option<Ending> {
        if self.ends_at.is_some_and(|at| at <= now) {
            return Some(Ending::LIMIT);
        }
        let is_idle = self.idle.is_some_and(|idle| now.saturating_duration_since(self.last_said) >= idle);
        is_idle.then_some(Ending::IDLE)
    }

    /// How many bytes may be taken from the client now.
    ///
    /// # Errors
    /// None may: the time at which to ask again.
    pub(in crate::engine) fn may_take(&self) -> Result<usize, Instant> {
        may_move(self.rate, self.taken, Instant::now)
    }

    /// How many bytes may be given to the client now.
    ///
    /// # Errors
    /// None may: the time at which to ask again.
    pub(in crate::engine) fn may_give(&self) -> Result<usize, Instant> {
        may_move(self.rate, self.given, Instant::now)
    }

    /// So many bytes came.
    pub(in crate::engine) fn took(&mut self, length: usize) {
        self.said_something(|allowance, rate, now| rate.take(&mut allowance.taken, length, now));
    }

    /// So many bytes went.
    pub(in crate::engine) fn gave(&mut self, length: usize) {
        self.said_something(|allowance, rate, now| rate.take(&mut allowance.given, length, now));
    }

    /// Something was said then that is not counted here.
    pub(in crate::engine) fn said_at(&mut self, then: Instant) {
        self.last_said = self.last_said.max(then);
    }

    /// Our own waiting is nobody's silence.
    pub(in crate::engine) fn waited(&mut self) {
        self.last_said = Instant::now();
    }

    /// The clock is asked only where somebody wants to know.
    fn said_something(&mut self, pace: impl FnOnce(&mut Allowance, Rate, Instant)) {
        if self.idle.is_none() && self.rate.is_none() {
            return;
        }
        let now = Instant::now();
        self.last_said = now;
        if let Some(rate) = self.rate {
            pace(self, rate, now);
        }
    }
}

fn may_move(rate: Option<Rate>, bucket: Bucket, now: fn() -> Instant) -> Result<usize, Instant> {
    let Some(rate) = rate else { return Ok(usize::MAX) };
    match rate.available(bucket, now()) {
        0 => Err(rate.next(bucket)),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(limits: Limits) -> (Allowance, Instant) {
        let now = Instant::now();
        (Allowance::new(&limits, now), now)
    }

    #[test]
    fn without_limits_everything_is_allowed() {
        let (mut allowance, now) = with(Limits::default());
        assert_eq!(
            (allowance.deadline(), allowance.expired(now + Duration::from_secs(1 << 30))),
            (None, None)
        );
        assert_eq!((allowance.may_take(), allowance.may_give()), (Ok(usize::MAX), Ok(usize::MAX)));
        allowance.took(usize::MAX);
        assert_eq!(allowance.may_take(), Ok(usize::MAX));
    }

    #[test]
    fn the_first_time_to_run_out_counts() {
        let second = Duration::from_secs(1);
        let limits = Limits { idle: Some(2 * second), total: Some(3 * second), ..Limits::default() };
        let (mut allowance, opened) = with(limits);
        assert_eq!(allowance.deadline(), Some(opened + 2 * second));
        assert_eq!(allowance.expired(opened + second), None);
        assert_eq!(allowance.expired(opened + 2 * second), Some(Ending::IDLE));
        assert_eq!(allowance.expired(opened + 3 * second), Some(Ending::LIMIT));
        allowance.took(1);
        assert_eq!(allowance.expired(opened + 2 * second), None, "something was said");
    }

    #[test]
    fn each_direction_has_the_rate() {
        let (mut allowance, _) = with(Limits { bytes_per_s: Some(1000), ..Limits::default() });
        allowance.took(5000);
        let now = Instant::now();
        let again = allowance.may_take().expect_err("all was taken, and more");
        assert!(again > now + Duration::from_secs(4), "an overdraft is paid back");
        let gives_again = allowance.may_give().err();
        assert!(gives_again.is_none_or(|then| then < now + Duration::from_secs(1)), "{gives_again:?}");
    }
}
