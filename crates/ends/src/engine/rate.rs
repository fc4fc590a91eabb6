//! So many bytes a second: a bucket that fills with time and may be overdrawn by one message.

use std::time::{Duration, Instant};

/// How much a full bucket holds: what comes in so long.
const DEPTH: Duration = Duration::from_millis(100);

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    bytes_per_s: u64,
}

/// One direction's bucket, as the time at which it was, or will be, empty and not overdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    empty_at: Instant,
}

impl Rate {
    /// None where nothing could ever move.
    pub(super) fn new(bytes_per_s: u64) -> Option<Rate> {
        (bytes_per_s > 0).then_some(Rate { bytes_per_s })
    }

    /// How many bytes may be moved now.
    pub(super) fn available(self, bucket: Bucket, now: Instant) -> usize {
        let filling = now.saturating_duration_since(bucket.empty_at).min(self.depth());
        let bytes = filling.as_nanos() * u128::from(self.bytes_per_s) / 1_000_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// So many bytes were moved.
    pub(super) fn take(self, bucket: &mut Bucket, bytes: usize, now: Instant) {
        let fullest = now.checked_sub(self.depth()).unwrap_or(now);
        bucket.empty_at = bucket.empty_at.max(fullest) + self.time_for(bytes as u64);
    }

    /// When it is worth while to move more: half a bucket, and at least one byte.
    pub(super) fn next(self, bucket: Bucket) -> Instant {
        bucket.empty_at + (self.depth() / 2).max(self.time_for(1))
    }

    fn depth(self) -> Duration {
        DEPTH.max(self.time_for(1))
    }

    fn time_for(self, bytes: u64) -> Duration {
        let nanos = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(self.bytes_per_s));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4))
    }
}

impl Bucket {
    /// An empty one.
    pub(crate) fn new(now: Instant) -> Bucket {
        Bucket { empty_at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves as much as is allowed at each of the times that it asks for; gives the bytes moved in `seconds`.
    fn moved_in(bytes_per_s: u64, piece: usize, seconds: u64) -> u64 {
        let rate = Rate::new(bytes_per_s).expect("a rate");
        let start = Instant::now();
        let (mut now, mut bucket, mut moved) = (start, Bucket::new(start), 0);
        while now < start + Duration::from_secs(seconds) {
            let taken = rate.available(bucket, now).min(piece);
            rate.take(&mut bucket, taken, now);
            moved += taken as u64;
            if rate.available(bucket, now) == 0 {
                assert!(rate.next(bucket) > now, "it never asks to come back at once");
                now = rate.next(bucket);
                assert!(rate.available(bucket, now) > 0, "it is worth while to come back");
            }
        }
        moved
    }

    #[test]
    fn the_rate_is_kept() {
        for (rate, piece) in [(1, 1000), (7, 1000), (1000, 10), (1_000_000, 65536), (10_000_000_000, 65536)] {
            let moved = moved_in(rate, piece, 2);
            let allowed = rate * 2;
            let slack = (rate / 10).max(2);
            assert!(moved <= allowed + slack && moved + slack >= allowed, "{moved} of {allowed} at {rate}/s");
        }
    }

    #[test]
    fn an_overdraft_is_paid_back() {
        let rate = Rate::new(1000).expect("a rate");
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        rate.take(&mut bucket, 5000, start);
        assert_eq!(rate.available(bucket, start + Duration::from_secs(4)), 0);
        assert_eq!(rate.available(bucket, start + Duration::from_millis(5050)), 50);
    }

    #[test]
    fn a_pause_is_not_saved_up() {
        let rate = Rate::new(1000).expect("a rate");
        let start = Instant::now();
        let bucket = Bucket::new(start);
        assert_eq!(rate.available(bucket, start + Duration::from_secs(3600)), 100);
        assert_eq!(Rate::new(0), None);
    }
}
