//! Times, sizes, rates and percentages as people write them on a command line. How they are shown is
//! `draw`'s to say.
//!
//! | quantity | written | means |
//! |---|---|---|
//! | time | `2`, `250us`, `1.5s`, `1m`, `1h` | a plain number is seconds (ncat's rule), unless the flag asks for a unit |
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
    /// More than this.
    MoreThan(&'static str),
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
            QuantityError::MoreThan(most) => write!(f, "{most} is the most"),
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

const TIME_UNITS: &str = "us, ms, s, m or h";
const TIMES: [(&str, u64); 6] = [
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
const SIZES: [(&str, u64); 4] = [("", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)];
const RATES: [(&str, u64); 4] = [("", 1), ("k", 1_000), ("m", 1_000_000), ("g", 1_000_000_000)];

/// A time; a plain number is seconds.
///
/// # Errors
/// [`QuantityError::NotANumber`], [`QuantityError::UnknownUnit`], [`QuantityError::TooLarge`] from 2^64 ns on, which
/// are 584 years, [`QuantityError::TooFine`] for more than 18 digits behind the point.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    let (number, unit) = split(text)?;
    if unit.is_empty() {
        return Ok(Duration::from_nanos(scaled(number, 1_000_000_000)?));
    }
    Ok(Duration::from_nanos(scaled(number, factor(unit, &TIMES, TIME_UNITS)?)?))
}

/// A time that has to carry its unit, as those of a link do: `20` could be seconds or milliseconds.
///
/// # Errors
/// [`QuantityError::NeedsUnit`] for a plain number; those of [`duration`].
pub fn duration_with_unit(text: &str) -> Result<Duration, QuantityError> {
    let (_, unit) = split(text)?;
    if unit.is_empty() {
        return Err(QuantityError::NeedsUnit("20ms, 250us or 1s"));
    }
    duration(text)
}

/// A number of bytes; K, M and G are powers of 1024, in either case.
///
/// # Errors
/// [`QuantityError::NotANumber`], [`QuantityError::UnknownUnit`], [`QuantityError::TooLarge`] from 2^64 bytes on,
/// [`QuantityError::TooFine`] for more than 18 digits behind the point.
pub fn size(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = split(text)?;
    scaled(number, factor(&unit.to_ascii_lowercase(), &SIZES, "K, M or G (powers of 1024)")?)
}

/// A rate in bits per second; k, M and G are powers of 1000, in either case.
///
/// # Errors
/// [`QuantityError::NotANumber`], [`QuantityError::UnknownUnit`], [`QuantityError::TooLarge`] from 2^64 bits per second
/// on, [`QuantityError::TooFine`] for more than 18 digits behind the point.
pub fn rate(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = split(text)?;
    scaled(number, factor(&unit.to_ascii_lowercase(), &RATES, "k, M or G bits per second (powers of 1000)")?)
}

/// A percentage from 0% to 100%, to a ten-thousandth of a percent.
///
/// # Errors
/// [`QuantityError::NotANumber`], [`QuantityError::NeedsUnit`] without the sign, [`QuantityError::UnknownUnit`] with
/// another one, [`QuantityError::TooFine`] for more than four digits behind the point, [`QuantityError::MoreThan`]
/// above 100%, and [`QuantityError::TooLarge`] far above it.
pub fn percentage(text: &str) -> Result<Probability, QuantityError> {
    const OVER: QuantityError = QuantityError::MoreThan("100%");
    let (number, unit) = split(text)?;
    match unit {
        "%" => {}
        "" => return Err(QuantityError::NeedsUnit("20% or 0.5%")),
        _ => return Err(QuantityError::UnknownUnit("%, as in 20% or 0.5%")),
    }
    if number.fraction.trim_end_matches('0').len() > 4 {
        return Err(QuantityError::TooFine);
    }
    let millionths = u32::try_from(scaled(number, 10_000)?).map_err(|_| OVER)?;
    Probability::from_millionths(millionths).ok_or(OVER)
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
        // 18 digits and a factor of at most 3.6e12 stay far below 2^128.
        let power = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 18);
        let power = power.ok_or(QuantityError::TooFine)?;
        let numerator: u64 = fraction.parse().map_err(|_| QuantityError::TooFine)?;
        total += u128::from(numerator) * u128::from(factor) / 10u128.pow(power);
    }
    u64::try_from(total).map_err(|_| QuantityError::TooLarge)
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
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
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
        assert_eq!(percentage("100.0001%"), Err(QuantityError::MoreThan("100%")));
        assert_eq!(percentage("9999999%"), Err(QuantityError::MoreThan("100%")));
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
        assert!(matches!(duration("1d"), Err(QuantityError::UnknownUnit(_))));
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
        fn nothing_panics(text in ".*", number in "[0-9]{0,40}[.]?[0-9]{0,40}(us|ms|s|m|h|K|G|%)?") {
            for text in [&text, &number] {
                let _ = (duration(text), duration_with_unit(text), size(text), rate(text), percentage(text));
            }
        }
    }
}
