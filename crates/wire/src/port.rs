//! Ports: the three ranges of RFC 6335 §6, numbers that look like a forgotten htons, and what is no port.

use std::fmt;

use crate::endpoint::well_known_name;

/// The range of RFC 6335 §6 that a port is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// 0 to 1023, assigned by the IETF; on Unix bound with a privilege only.
    System,
    /// 1024 to 49151, assigned on request.
    User,
    /// 49152 to 65535, never assigned.
    Dynamic,
}

impl Range {
    /// The range of a port.
    pub fn of(port: u16) -> Range {
        match port {
            0..=1023 => Range::System,
            1024..=49151 => Range::User,
            49152.. => Range::Dynamic,
        }
    }

    /// Its name in RFC 6335, and the older one.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Range::System => ("system", "well-known"),
            Range::User => ("user", "registered"),
            Range::Dynamic => ("dynamic", "private, ephemeral"),
        }
    }

    /// Its first and last port.
    pub fn bounds(self) -> (u16, u16) {
        match self {
            Range::System => (0, 1023),
            Range::User => (1024, 49151),
            Range::Dynamic => (49152, 65535),
        }
    }
}

/// The port that was meant where this one looks like a forgotten htons: its bytes the other way round are a well-known
/// service's, or a port that people like to choose, and its own are not.
pub fn forgotten_htons(port: u16) -> Option<u16> {
    let meant = port.swap_bytes();
    let is_chosen = |port: u16| well_known_name(port).is_some() || CHOSEN.contains(&port);
    (is_chosen(meant) && !is_chosen(port) && meant != port).then_some(meant)
}

/// Ports that examples and programs use, beside the well-known services.
const CHOSEN: [u16; 24] = [
    1234, 3000, 4000, 5000, 5001, 5555, 6000, 6379, 6666, 7000, 7777, 8000, 8001, 8008, 8081, 8443, 8888,
    9000, 9090, 9092, 9200, 9999, 10000, 27017,
];

/// Why a text is no port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortError {
    /// It is larger than 16 bits; what htons would make of it.
    TooLarge(u16),
    /// It has a sign; what htons would make of it.
    Negative(u16),
    /// It is not a number; how many digits stand before what is wrong.
    NotANumber(usize),
    /// There is nothing.
    Empty,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortError::TooLarge(cut) => {
                write!(f, "a port is at most 65535; C would cut it to 16 bits, {cut}, without a word")
            }
            PortError::Negative(cut) => {
                write!(f, "a port has no sign; C would take its low 16 bits, {cut}, without a word")
            }
            PortError::NotANumber(0) => f.write_str("a port is a number, or the name of a service"),
            PortError::NotANumber(_) => {
                f.write_str("something stands behind the digits; atoi would take the digits, without a word")
            }
            PortError::Empty => f.write_str("a port is a number, or the name of a service"),
        }
    }
}

impl std::error::Error for PortError {}

/// Reads a port: decimal digits, or hexadecimal ones behind 0x, and nothing else.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<u16, PortError> {
    if text.is_empty() {
        return Err(PortError::Empty);
    }
    if let Some(digits) = text.strip_prefix('-').or_else(|| text.strip_prefix('+')) {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let low = low_16(digits, 10);
        let low = if text.starts_with('-') { low.wrapping_neg() } else { low };
        return Err(if is_number { PortError::Negative(low) } else { PortError::NotANumber(0) });
    }
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.is_empty() => (digits, 16),
        _ => (text, 10),
    };
    match digits.char_indices().find(|(_, digit)| !digit.is_digit(radix)) {
        Some((at, _)) => Err(PortError::NotANumber(text.len() - digits.len() + at)),
        None => u16::from_str_radix(digits, radix).map_err(|_| PortError::TooLarge(low_16(digits, radix))),
    }
}

/// The low 16 bits of a number of any length.
fn low_16(digits: &str, radix: u32) -> u16 {
    let digits = digits.chars().filter_map(|digit| digit.to_digit(radix));
    digits.fold(0, |low: u32, digit| (low * radix + digit) & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 6335 §6.
    #[test]
    fn ranges_are_those_of_rfc_6335() {
        let cases = [
            (0, Range::System),
            (1023, Range::System),
            (1024, Range::User),
            (49151, Range::User),
            (49152, Range::Dynamic),
            (65535, Range::Dynamic),
        ];
        for (port, range) in cases {
            assert_eq!(Range::of(port), range, "{port}");
            let (first, last) = range.bounds();
            assert!((first..=last).contains(&port));
        }
    }

    #[test]
    fn what_is_no_port_is_told() {
        assert_eq!(parse("8080"), Ok(8080));
        assert_eq!(parse("0x1f90"), Ok(8080));
        assert_eq!(parse("70000"), Err(PortError::TooLarge(4464)));
        assert_eq!(parse("-1"), Err(PortError::Negative(65535)));
        assert_eq!(parse("+80"), Err(PortError::Negative(80)));
        assert_eq!(parse("99x"), Err(PortError::NotANumber(2)));
        assert_eq!(parse("http"), Err(PortError::NotANumber(0)));
        assert_eq!(parse(""), Err(PortError::Empty));
        assert_eq!(parse("0x"), Err(PortError::NotANumber(1)));
        assert_eq!(parse("99999999999999999999"), Err(PortError::TooLarge(0xffff)));
    }

    #[test]
    fn a_forgotten_htons_is_seen() {
        assert_eq!(forgotten_htons(36895), Some(8080));
        assert_eq!(forgotten_htons(20480), Some(80));
        assert_eq!(forgotten_htons(3879), Some(9999));
        assert_eq!(forgotten_htons(8080), None);
        assert_eq!(forgotten_htons(0), None);
        assert_eq!(forgotten_htons(40213), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            let _ = parse(&text);
        }

        #[test]
        fn ports_read_back(port: u16) {
            prop_assert_eq!(parse(&port.to_string()), Ok(port));
            prop_assert_eq!(parse(&format!("{port:#06x}")), Ok(port));
        }

        #[test]
        fn what_is_cut_is_what_c_cuts(value in 65536u64..) {
            prop_assert_eq!(parse(&value.to_string()), Err(PortError::TooLarge(value as u16)));
        }
    }
}
