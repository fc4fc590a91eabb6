//! The time that stands in records: seconds since the start of the run, and once the wall clock's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wire::Time;

use crate::record::Record;

/// The clock of a run.
pub struct Clock {
    start: Instant,
    wall: String,
    told: AtomicBool,
}

impl Clock {
    /// Starts now.
    pub fn start() -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), wall: rfc3339(since_epoch), told: AtomicBool::new(false) }
    }

    /// A new record of a type, with its time; the first one has the wall clock's at the start too.
    pub fn record(&self, name: &'static str) -> Record {
        let record = Record::new(name).with("t_s", seconds(self.start.elapsed()));
        match self.told.swap(true, Ordering::Relaxed) {
            false => record.with("wall", self.wall.as_str()),
            true => record,
        }
    }
}

/// A new record with the wall clock's time: for a file that is read after this run, beside records of others.
pub fn stamped(name: &'static str) -> Record {
    let wall = rfc3339(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    Record::new(name).with("wall", wall)
}

/// Seconds to the nanosecond.
pub fn seconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e9
}

/// Seconds from one time to another, to the nanosecond; negative where that is earlier, as in a capture of several clocks.
pub fn seconds_from(start: Time, time: Time) -> f64 {
    time.signed_nanos_since(start) as f64 / 1e9
}

/// `2026-11-24T10:28:05.123Z`, as RFC 3339 §5.6 has it.
pub fn rfc3339(since_epoch: Duration) -> String {
    let (days, second) = (since_epoch.as_secs() / 86_400, since_epoch.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millis = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar. Years begin in March here, so that the leap day
/// is the last of its year; 400 years have 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let of = |seconds: u64| rfc3339(Duration::from_millis(seconds * 1000 + 7));
        assert_eq!(of(0), "1970-01-01T00:00:00.007Z");
        assert_eq!(of(951_782_399), "2000-02-28T23:59:59.007Z");
        assert_eq!(of(951_782_400), "2000-02-29T00:00:00.007Z");
        assert_eq!(of(1_709_164_800), "2024-02-29T00:00:00.007Z");
        assert_eq!(of(4_102_444_799), "2099-12-31T23:59:59.007Z");
        assert_eq!(of(4_107_542_400), "2100-03-01T00:00:00.007Z");
    }

    #[test]
    fn only_the_first_record_has_the_wall_clock() {
        let clock = Clock::start();
        assert!(clock.record("opened").line().contains("\"wall\":\"2"));
        assert!(!clock.record("closed").line().contains("wall"));
    }
}
