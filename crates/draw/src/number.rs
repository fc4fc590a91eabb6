//! Numbers for people: counts, sizes, durations, and the time column of a ladder.

use std::time::Duration;

use wire::Time;

/// `451776` as `451,776`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A size in a column or label: `16 B`, `9,999 B`, `441 KiB`, `1.20 MiB`.
pub fn size(bytes: u64) -> String {
    match binary(bytes) {
        Some(text) => text,
        None => format!("{} B", grouped(bytes)),
    }
}

/// A size in a sentence: `no bytes`, `1 byte`, `9,999 bytes`, `441 KiB`.
pub fn size_in_words(bytes: u64) -> String {
    match binary(bytes) {
        Some(text) => text,
        None => count(bytes, "byte"),
    }
}

/// A count in a sentence: `no segments`, `1 segment`, `312 segments`.
pub fn count(number: u64, one: &str) -> String {
    match number {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        more => format!("{} {one}s", grouped(more)),
    }
}

/// KiB, MiB, … from 10,000 bytes on, with three significant digits.
fn binary(bytes: u64) -> Option<String> {
    if bytes < 10_000 {
        return None;
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB"].into_iter();
    let mut unit = units.next()?;
    while value >= 999.5 {
        let Some(larger) = units.next() else { break };
        (value, unit) = (value / 1024.0, larger);
    }
    Some(format!("{} {unit}", significant(value, 3)))
}

/// A duration in a sentence: `31 µs`, `1.23 ms`, `204 ms`, `3.20 s`, `2 min 5 s`, `1 h 2 min`, `3 d 4 h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 999.5e-6 => format!("{:.0} µs", s * 1e6),
        s if s < 999.5e-3 => format!("{} ms", significant(s * 1e3, 3)),
        s if s < 99.95 => format!("{} s", plain_zeros(&significant(s, 3))),
        _ => two_units(duration.as_secs(), ["min", "s"], ["h", "min"], ["d", "h"]),
    }
}

/// `5.00` as `5`: whole seconds are what people mean by them.
fn plain_zeros(number: &str) -> &str {
    number.strip_suffix(".00").or_else(|| number.strip_suffix(".0")).unwrap_or(number)
}

fn two_units(seconds: u64, minutes: [&str; 2], hours: [&str; 2], days: [&str; 2]) -> String {
    let (large, small, names) = match seconds {
        0..3_600 => (seconds / 60, seconds % 60, minutes),
        3_600..86_400 => (seconds / 3_600, seconds % 3_600 / 60, hours),
        _ => (seconds / 86_400, seconds % 86_400 / 3_600, days),
    };
    format!("{large} {} {small} {}", names[0], names[1])
}

/// A time since the beginning, for a column whose units stand below each other: `0.031 ms`, `204.4 ms`, `3.204 s `,
/// `10 m 04 s`, `2 h 05 m`; never more than 9 columns.
pub fn since_start(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let two =
        |large: u64, first: char, small: u64, second: char| format!("{large}{first} {small:02}{second} ");
    match time.as_secs() {
        // Rounded first: 999.96 ms must not become 1000.0 ms.
        _ if seconds < 0.99995 => format!("{} ms", at_most_three_decimals(seconds * 1e3)),
        0..600 => format!("{} s ", at_most_three_decimals(seconds)),
        whole @ 600..3_600 => two(whole / 60, 'm', whole % 60, 's'),
        whole @ 3_600..86_400 => two(whole / 3_600, 'h', whole % 3_600 / 60, 'm'),
        whole => two((whole / 86_400).min(9_999), 'd', whole % 86_400 / 3_600, 'h'),
    }
}

/// The same between two times; behind a minus where the time lies before the beginning, as in a capture of several clocks.
pub fn from_start(start: Time, time: Time) -> String {
    if time < start { format!("-{}", since_start(start.since(time))) } else { since_start(time.since(start)) }
}

/// From so late a conversation's times are told as whole seconds and microseconds: three digits would no longer tell its
/// segments apart.
const LATE: Duration = Duration::from_millis(10);
/// Until then; later ones would take more columns than a ladder has for them.
const TOO_LATE: Duration = Duration::from_secs(10_000_000);

/// How the times of one conversation are written: from which moment on, and how exactly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    start: Time,
    is_late: bool,
}

impl Times {
    /// Counted from `start`, for a conversation that begins at `first`.
    pub(crate) fn new(start: Time, first: Time) -> Times {
        Times { start, is_late: first.since(start) >= LATE }
    }

    /// `0.031 ms`, or in a late conversation `12.574732 s`; never more than 17 columns.
    pub(crate) fn text(self, time: Time) -> String {
        let (sign, passed) = match time < self.start {
            true => ("-", self.start.since(time)),
            false => ("", time.since(self.start)),
        };
        if !self.is_late || passed >= TOO_LATE {
            return from_start(self.start, time);
        }
        let micros = (passed.as_nanos() + 500) / 1_000;
        format!("{sign}{}.{:06} s", micros / 1_000_000, micros % 1_000_000)
    }
}

fn at_most_three_decimals(value: f64) -> String {
    match value {
        v if v < 9.9995 => format!("{v:.3}"),
        v if v < 99.995 => format!("{v:.2}"),
        v => format!("{v:.1}"),
    }
}

/// A number with this many significant digits, and none behind the point that are not needed for that.
fn significant(value: f64, digits: usize) -> String {
    let before_point = if value < 1.0 { 1 } else { value.log10().floor() as usize + 1 };
    format!("{value:.*}", digits.saturating_sub(before_point))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_change_their_unit_at_ten_kilobytes() {
        let shown = [0, 1, 16, 9_999, 10_000, 451_776, 1_258_291, 5 << 30].map(size);
        assert_eq!(shown, ["0 B", "1 B", "16 B", "9,999 B", "9.77 KiB", "441 KiB", "1.20 MiB", "5.00 GiB"]);
        assert_eq!([0, 1, 32].map(size_in_words), ["no bytes", "1 byte", "32 bytes"]);
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        let shown = [31, 999, 1_234, 204_400, 3_204_000, 5_000_000, 125_000_000, 3_720_000_000]
            .map(|micros| duration(Duration::from_micros(micros)));
        let said = ["31 µs", "999 µs", "1.23 ms", "204 ms", "3.20 s", "5 s", "2 min 5 s", "1 h 2 min"];
        assert_eq!(shown, said);
    }

    #[test]
    fn the_time_column_keeps_its_units_below_each_other() {
        let shown = [0, 31, 12_340, 204_400, 999_960, 3_204_000, 604_000_000, 7_500_000_000]
            .map(|micros| since_start(Duration::from_micros(micros)));
        let said =
            ["0.000 ms", "0.031 ms", "12.34 ms", "204.4 ms", "1.000 s ", "3.204 s ", "10m 04s ", "2h 05m "];
        assert_eq!(shown, said);
    }

    #[test]
    fn a_late_conversation_keeps_its_microseconds() {
        let start = Time(1_000_000_000);
        let at = |micros: u64| start + Duration::from_micros(micros);
        let late = Times::new(start, at(12_574_732));
        assert_eq!(
            [12_574_732, 12_574_747, 59, 7_512_000_000].map(|micros| late.text(at(micros))),
            ["12.574732 s", "12.574747 s", "0.000059 s", "7512.000000 s"]
        );
        assert_eq!(late.text(Time(999_000_000)), "-0.001000 s");
        assert_eq!(Times::new(start, at(9_999)).text(at(9_999)), "9.999 ms");
        assert_eq!(Times::new(start, Time::ZERO).text(at(31)), "0.031 ms");
    }

    proptest! {
        #[test]
        fn the_times_of_a_conversation_are_bounded(start in any::<u64>(), first in any::<u64>(), time in any::<u64>()) {
            prop_assert!(Times::new(Time(start), Time(first)).text(Time(time)).len() <= 17);
        }

        #[test]
        fn the_time_column_is_bounded(nanos in any::<u64>()) {
            prop_assert!(since_start(Duration::from_nanos(nanos)).len() <= 10);
        }
    }
}
