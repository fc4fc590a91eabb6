//! Times, sizes, rates and percentages as people write them on a command line, and as they like to read them.
//!
//! | quantity | written | means |
//! |---|---|---|
//! | time | `2`, `250us`, `1.5s`, `1m` | a plain number is seconds (ncat's rule), unless the flag asks for a unit |
//! | size | `64`, `16K`, `1.5M` | K, M, G are powers of 1024 |
//! | rate | `800k`, `10M` | k, M, G are powers of 1000, in bits per second |
//! | percentage | `20%`, `0.01%` | always with its sign |
//!
//! Everything is computed in integers, so that `0.1%` is exactly one in a thousand.

use std::fmt;
use std::time::Duration;

/// Why a text is not the quantity that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// Nothing, or something that does not begin with a number.
    NotANumber,
    /// A number where a unit has to stand behind it; the units.
    NeedsUnit(&'static str),
    /// A unit that is not known; the known ones.
    UnknownUnit(&'static str),
    /// More than can be meant.
    TooLarge,
    /// More digits behind the point than are kept.
    TooFine,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuantityError::NotANumber => f.write_str("it has to begin with a number"),
            QuantityError::NeedsUnit(units) => write!(f, "it needs a unit: {units}"),
            QuantityError::UnknownUnit(units) => write!(f, "the units are {units}"),
            QuantityError::TooLarge => f.write_str("it is too large"),
            QuantityError::TooFine => f.write_str("it has too many digits behind the point"),
        }
    }
}

impl std::error::Error for QuantityError {}

/// A probability in whole millionths, so that equality and repetition are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability {
    millionths: u32,
}

impl Probability {
    /// It never happens.
    pub const NEVER: Probability = Probability { millionths: 0 };
    /// It always happens.
    pub const ALWAYS: Probability = Probability { millionths: 1_000_000 };

    /// From millionths, at most 1,000,000.
    pub fn from_millionths(millionths: u32) -> Option<Probability> {
        (millionths <= 1_000_000).then_some(Probability { millionths })
    }

    /// In millionths: 0 to 1,000,000.
    pub fn millionths(self) -> u32 {
        self.millionths
    }

    /// From 0.0 to 1.0.
    pub fn as_f64(self) -> f64 {
        f64::from(self.millionths) / 1e6
    }
}

/// As it is written on the command line: `20%`, `0.01%`.
impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.millionths / 10_000, self.millionths % 10_000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let digits = format!("{rest:04}");
        write!(f, "{whole}.{}%", digits.trim_end_matches('0'))
    }
}

const TIME_UNITS: &str = "us, ms, s or m";
const TIMES: [(&str, u64); 5] =
    [("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000)];
const SIZES: [(&str, u64); 4] = [("", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)];
const RATES: [(&str, u64); 4] = [("", 1), ("k", 1_000), ("m", 1_000_000), ("g", 1_000_000_000)];

/// A time; a plain number is seconds.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    let (number, unit) = split(text)?;
    if unit.is_empty() {
        return Ok(Duration::from_nanos(scaled(number, 1_000_000_000)?));
    }
    Ok(Duration::from_nanos(scaled(number, factor(unit, &TIMES, TIME_UNITS)?)?))
}

/// A time that has to carry its unit, as those of a link do: `20` could be seconds or milliseconds.
pub fn duration_with_unit(text: &str) -> Result<Duration, QuantityError> {
    let (_, unit) = split(text)?;
    if unit.is_empty() {
        return Err(QuantityError::NeedsUnit("20ms, 250us or 1s"));
    }
    duration(text)
}

/// A number of bytes; K, M and G are powers of 1024, in either case.
pub fn size(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = split(text)?;
    scaled(number, factor(&unit.to_ascii_lowercase(), &SIZES, "K, M or G (powers of 1024)")?)
}

/// A rate in bits per second; k, M and G are powers of 1000, in either case.
pub fn rate(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = split(text)?;
    scaled(number, factor(&unit.to_ascii_lowercase(), &RATES, "k, M or G bits per second (powers of 1000)")?)
}

/// A percentage from 0% to 100%, to a ten-thousandth of a percent.
pub fn percentage(text: &str) -> Result<Probability, QuantityError> {
    let (number, unit) = split(text)?;
    match unit {
        "%" => {}
        "" => return Err(QuantityError::NeedsUnit("20% or 0.5%")),
        _ => return Err(QuantityError::UnknownUnit("%, as in 20% or 0.5%")),
    }
    if number.fraction.trim_end_matches('0').len() > 4 {
        return Err(QuantityError::TooFine);
    }
    let millionths = u32::try_from(scaled(number, 10_000)?).map_err(|_| QuantityError::TooLarge)?;
    Probability::from_millionths(millionths).ok_or(QuantityError::TooLarge)
}

/// The digits before and behind the point.
#[derive(Clone, Copy)]
struct Decimal<'a> {
    whole: &'a str,
    fraction: &'a str,
}

/// The number that a text begins with, and the rest.
fn split(text: &str) -> Result<(Decimal<'_>, &str), QuantityError> {
    let (whole, rest) = digits(text);
    if whole.is_empty() {
        return Err(QuantityError::NotANumber);
    }
    let Some(behind_point) = rest.strip_prefix('.') else {
        return Ok((Decimal { whole, fraction: "" }, rest));
    };
    let (fraction, unit) = digits(behind_point);
    if fraction.is_empty() {
        return Err(QuantityError::NotANumber);
    }
    Ok((Decimal { whole, fraction }, unit))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn factor(unit: &str, units: &[(&str, u64)], known: &'static str) -> Result<u64, QuantityError> {
    let found = units.iter().find(|(name, _)| *name == unit);
    found.map(|(_, factor)| *factor).ok_or(QuantityError::UnknownUnit(known))
}

/// The number times the factor; what is smaller than one is cut off.
fn scaled(number: Decimal<'_>, factor: u64) -> Result<u64, QuantityError> {
    let whole: u64 = number.whole.parse().map_err(|_| QuantityError::TooLarge)?;
    let mut total = u128::from(whole) * u128::from(factor);
    let fraction = number.fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        // 18 digits and a factor of at most 6e10 stay far below 2^128.
        let power = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 18);
        let power = power.ok_or(QuantityError::TooFine)?;
        let numerator: u64 = fraction.parse().map_err(|_| QuantityError::TooFine)?;
        total += u128::from(numerator) * u128::from(factor) / 10u128.pow(power);
    }
    u64::try_from(total).map_err(|_| QuantityError::TooLarge)
}

/// A number of bytes for people: `16 B`, `1.5 KiB`, `12.0 MiB`.
pub fn show_bytes(bytes: u64) -> String {
    const STEPS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut step, mut unit) = (0, 1024u128);
    // The next unit is taken where this one would be shown as 1024.0.
    while step + 1 < STEPS.len() && tenths(bytes, unit) >= 10_240 {
        step += 1;
        unit *= 1024;
    }
    let tenths = tenths(bytes, unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, STEPS[step])
}

/// A rate for people: `800 bit/s`, `1.5 Mbit/s`.
pub fn show_rate(bits_per_second: u64) -> String {
    const STEPS: [&str; 6] = ["kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", "Pbit/s", "Ebit/s"];
    if bits_per_second < 1000 {
        return format!("{bits_per_second} bit/s");
    }
    let (mut step, mut unit) = (0, 1000u128);
    while step + 1 < STEPS.len() && tenths(bits_per_second, unit) >= 10_000 {
        step += 1;
        unit *= 1000;
    }
    let tenths = tenths(bits_per_second, unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, STEPS[step])
}

/// `value / unit` in tenths, rounded.
fn tenths(value: u64, unit: u128) -> u128 {
    (u128::from(value) * 10 + unit / 2) / unit
}

/// A time for people, to three digits: `950 ns`, `31 µs`, `204 ms`, `1.25 s`, `2 m 5 s`, `3 h 20 m`.
pub fn show_duration(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        0 => "0 s".to_owned(),
        1..1_000 => format!("{nanos} ns"),
        // Each unit ends where three digits of it would round up into the next one.
        1_000..999_500 => three_digits(nanos, 1_000, "µs"),
        999_500..999_500_000 => three_digits(nanos, 1_000_000, "ms"),
        999_500_000..59_950_000_000 => three_digits(nanos, 1_000_000_000, "s"),
        _ => minutes_and_seconds((nanos + 500_000_000) / 1_000_000_000),
    }
}

fn minutes_and_seconds(seconds: u128) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, seconds) {
        (0, minutes, 0) => format!("{minutes} m"),
        (0, minutes, seconds) => format!("{minutes} m {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} m"),
    }
}

/// `nanos / unit` with three significant digits, without zeros at the end of a fraction.
fn three_digits(nanos: u128, unit: u128, name: &str) -> String {
    // The step of the last digit in hundredths: 1.25, 12.5, 125.
    let step = match nanos * 1000 / unit {
        0..9_995 => 1,
        9_995..99_950 => 10,
        _ => 100,
    };
    let rounded = (nanos * 100 + step * unit / 2) / (step * unit) * step;
    let (whole, fraction) = (rounded / 100, rounded % 100);
    if fraction == 0 {
        return format!("{whole} {name}");
    }
    let digits = format!("{fraction:02}");
    format!("{whole}.{} {name}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plain_time_is_seconds() {
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("250µs"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
    }

    #[test]
    fn a_link_wants_the_unit() {
        assert_eq!(duration_with_unit("20ms"), Ok(Duration::from_millis(20)));
        assert!(matches!(duration_with_unit("20"), Err(QuantityError::NeedsUnit(_))));
        assert!(matches!(percentage("20"), Err(QuantityError::NeedsUnit(_))));
    }

    #[test]
    fn sizes_count_by_1024_and_rates_by_1000() {
        assert_eq!(size("16K"), Ok(16_384));
        assert_eq!(size("1.5m"), Ok(1_572_864));
        assert_eq!(size("2G"), Ok(2_147_483_648));
        assert_eq!(rate("16k"), Ok(16_000));
        assert_eq!(rate("1.5M"), Ok(1_500_000));
    }

    #[test]
    fn percentages_are_exact() {
        assert_eq!(percentage("20%").map(Probability::millionths), Ok(200_000));
        assert_eq!(percentage("0.0001%").map(Probability::millionths), Ok(1));
        assert_eq!(percentage("100%"), Ok(Probability::ALWAYS));
        assert_eq!(percentage("100.0001%"), Err(QuantityError::TooLarge));
        assert_eq!(percentage("0.00001%"), Err(QuantityError::TooFine));
    }

    #[test]
    fn what_is_not_a_quantity_is_told() {
        for text in ["", " ", "ms", "-1", "+1", ".5", "1.", "1e3", "0x10", "٣", "1 s"] {
            assert!(duration(text).is_err(), "{text:?}");
            assert!(size(text).is_err(), "{text:?}");
            assert!(rate(text).is_err(), "{text:?}");
            assert!(percentage(text).is_err(), "{text:?}");
        }
        assert_eq!(duration("99999999999999999999s"), Err(QuantityError::TooLarge));
        assert_eq!(duration("0.0000000000000000000001s"), Err(QuantityError::TooFine));
        assert!(matches!(duration("1h"), Err(QuantityError::UnknownUnit(_))));
    }

    #[test]
    fn bytes_for_people() {
        let shown = [0, 1023, 1024, 1536, 1_048_575, 1_048_576, u64::MAX].map(show_bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "16.0 EiB"]);
    }

    #[test]
    fn rates_for_people() {
        let shown = [0, 999, 1000, 1_500_000, 999_999_999].map(show_rate);
        assert_eq!(shown, ["0 bit/s", "999 bit/s", "1.0 kbit/s", "1.5 Mbit/s", "1.0 Gbit/s"]);
    }

    #[test]
    fn times_for_people() {
        let of_nanos = |nanos| show_duration(Duration::from_nanos(nanos));
        assert_eq!(of_nanos(0), "0 s");
        assert_eq!(of_nanos(950), "950 ns");
        assert_eq!(of_nanos(31_000), "31 µs");
        assert_eq!(of_nanos(999_499), "999 µs");
        assert_eq!(of_nanos(999_500), "1 ms");
        assert_eq!(of_nanos(204_400_000), "204 ms");
        assert_eq!(of_nanos(1_254_000_000), "1.25 s");
        assert_eq!(of_nanos(59_949_999_999), "59.9 s");
        assert_eq!(of_nanos(59_950_000_000), "1 m");
        assert_eq!(of_nanos(125_000_000_000), "2 m 5 s");
        assert_eq!(of_nanos(12_000_000_000_000), "3 h 20 m");
    }

    proptest! {
        #[test]
        fn a_probability_reads_back(millionths in 0u32..=1_000_000) {
            let probability = Probability::from_millionths(millionths).unwrap();
            prop_assert_eq!(percentage(&probability.to_string()), Ok(probability));
        }

        #[test]
        fn whole_microseconds_read_back(micros in 0u64..1 << 50) {
            prop_assert_eq!(duration(&format!("{micros}us")), Ok(Duration::from_micros(micros)));
        }

        #[test]
        fn nothing_panics(text in ".*", number in "[0-9]{0,40}[.]?[0-9]{0,40}(us|ms|s|m|K|G|%)?", nanos: u64) {
            for text in [&text, &number] {
                let _ = (duration(text), duration_with_unit(text), size(text), rate(text), percentage(text));
            }
            let _ = (show_duration(Duration::from_nanos(nanos)), show_bytes(nanos), show_rate(nanos));
        }
    }
}
