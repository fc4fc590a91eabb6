//! What the values of socket options look like: as people write them, and as bytes for the kernel.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::{quantity, visible};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Nothing, or something of its own.
    Plain,
    /// Bytes: `64K` is understood too.
    Bytes,
    /// Seconds: `2m` is understood too.
    Seconds,
    /// Milliseconds: `2s` is understood too.
    Millis,
    /// Microseconds: `2ms` is understood too.
    Micros,
    /// Bits, which are shown in hexadecimal.
    Bits,
}

/// What an option's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An int that is 0 or 1.
    Flag,
    /// An int.
    Int(Unit),
    /// An unsigned int.
    Unsigned(Unit),
    /// An unsigned long; all ones is written `unlimited`.
    Long,
    /// An int with names for its values.
    Choice(&'static [(&'static str, i32)]),
    /// `struct linger`: `off`, or seconds.
    Linger,
    /// `struct timeval`: a time; 0 is none.
    Timeval,
    /// Characters, with the NUL at most so many.
    Text(usize),
    /// Bytes, as many as one of these says.
    Hex(&'static [usize]),
    /// `struct in_addr`.
    Address4,
    /// `struct ip_mreq`: a group, and the address of the interface to join on.
    Group4,
    /// `struct ipv6_mreq`: a group, and the number of the interface to join on.
    Group6,
    /// Two ports: the lowest in the lower half of an int.
    Ports,
    /// `struct ucred`: process, user and group.
    Credentials,
    /// A larger structure, which is only read.
    Structure,
}

impl Kind {
    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Flag => "flag",
            Kind::Int(unit) | Kind::Unsigned(unit) => unit.name(),
            Kind::Long => "long",
            Kind::Choice(_) => "word",
            Kind::Linger => "off or s",
            Kind::Timeval => "time",
            Kind::Text(_) => "text",
            Kind::Hex(_) => "hex",
            Kind::Address4 => "address",
            Kind::Group4 | Kind::Group6 => "group",
            Kind::Ports => "ports",
            Kind::Credentials => "pid uid gid",
            Kind::Structure => "structure",
        }
    }

    /// How a value is written.
    pub(super) fn form(self) -> String {
        match self {
            Kind::Flag => "0 or 1".to_owned(),
            Kind::Int(unit) | Kind::Unsigned(unit) => unit.form().to_owned(),
            Kind::Long => "a whole number, or unlimited".to_owned(),
            Kind::Choice(words) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                words.join(" or ")
            }
            Kind::Linger => "off, or seconds; 0 closes by a reset".to_owned(),
            Kind::Timeval => "a time such as 500ms; 0 for none".to_owned(),
            Kind::Text(most) => format!("a text of at most {} bytes", most.saturating_sub(1)),
            Kind::Hex(lengths) => {
                let lengths: Vec<String> = lengths.iter().map(|length| (length * 2).to_string()).collect();
                format!("{} hexadecimal digits", lengths.join(" or "))
            }
            Kind::Address4 => "an IPv4 address".to_owned(),
            Kind::Group4 => "an IPv4 group, or GROUP@ADDRESS with an address of the interface".to_owned(),
            Kind::Group6 => "an IPv6 group, or GROUP@NUMBER with the interface's number".to_owned(),
            Kind::Ports => "LOWEST-HIGHEST, or 0-0".to_owned(),
            Kind::Credentials | Kind::Structure => "nothing: it is only read".to_owned(),
        }
    }

    /// The bytes for a value as it was written.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn encode(self, text: &str) -> Result<Vec<u8>, String> {
        let int = |value: i32| value.to_ne_bytes().to_vec();
        match self {
            Kind::Flag => flag(text).map(int).ok_or_else(|| format!("it has to be {}", self.form())),
            Kind::Int(unit) => {
                let number = unit.number(text)?;
                // A mask may be written with its highest bit set: 0xffffffff is -1.
                let bits = u32::try_from(number).ok().filter(|_| unit == Unit::Bits);
                let value = bits.map(u32::cast_signed).or(i32::try_from(number).ok());
                value.map(int).ok_or_else(|| out_of_range(i32::MIN.into(), i32::MAX.into()))
            }
            Kind::Unsigned(unit) => {
                let value = u32::try_from(unit.number(text)?);
                value.map(|value| int(value.cast_signed())).map_err(|_| out_of_range(0, u32::MAX.into()))
            }
            Kind::Long => long(text).map(|value| value.to_ne_bytes().to_vec()),
            Kind::Choice(words) => {
                choice(words, text).map(int).ok_or_else(|| format!("it has to be {}", self.form()))
            }
            Kind::Linger => linger(text),
            Kind::Timeval => timeval(text),
            Kind::Text(most) => text_bytes(text, most),
            Kind::Hex(lengths) => hex(text)
                .filter(|bytes| lengths.contains(&bytes.len()))
                .ok_or_else(|| format!("it has to be {}", self.form())),
            Kind::Address4 => address4(text).map(|address| address.octets().to_vec()),
            Kind::Group4 => group4(text),
            Kind::Group6 => group6(text),
            Kind::Ports => ports(text).map(|value| value.to_ne_bytes().to_vec()),
            Kind::Credentials | Kind::Structure => Err("it can only be read".to_owned()),
        }
    }

    /// A value as it is written.
    pub(super) fn show(self, value: &[u8]) -> String {
        self.read(value).unwrap_or_else(|| in_hex(value))
    }

    fn read(self, value: &[u8]) -> Option<String> {
        let int = || value.try_into().ok().map(i32::from_ne_bytes);
        Some(match self {
            Kind::Flag
            | Kind::Int(Unit::Plain | Unit::Bytes | Unit::Seconds | Unit::Millis | Unit::Micros) => {
                int()?.to_string()
            }
            // SO_TIMESTAMPING is read with a second int behind its bits.
            Kind::Int(Unit::Bits) | Kind::Unsigned(Unit::Bits) => format!("{:#x}", int_at(value, 0)?),
            Kind::Unsigned(_) => int()?.cast_unsigned().to_string(),
            Kind::Long => match unsigned(value)? {
                (_, true) => UNLIMITED.to_owned(),
                (number, false) => number.to_string(),
            },
            Kind::Choice(words) => {
                let number = int()?;
                let word = words.iter().find(|(_, of)| *of == number);
                word.map_or_else(|| number.to_string(), |(word, _)| (*word).to_owned())
            }
            Kind::Linger => match (int_at(value, 0)?, int_at(value, 4)?) {
                (0, _) => "off".to_owned(),
                (_, seconds) => seconds.to_string(),
            },
            Kind::Timeval => shown_time(value)?,
            Kind::Text(_) => {
                let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
                visible(&String::from_utf8_lossy(value.get(..end)?), false).into_owned()
            }
            Kind::Hex(_) => return None,
            Kind::Address4 => Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?).to_string(),
            Kind::Ports => {
                let both = u32::from_ne_bytes(value.try_into().ok()?);
                format!("{}-{}", both & 0xffff, both >> 16)
            }
            Kind::Credentials => {
                let [pid, uid, gid] = [0, 4, 8].map(|offset| int_at(value, offset));
                // Nobody, -1, is the number that no user has.
                format!("{} {} {}", pid?, uid?, gid?)
            }
            Kind::Group4 | Kind::Group6 => return None,
            Kind::Structure => format!("{} bytes", value.len()),
        })
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Plain => "number",
            Unit::Bytes => "bytes",
            Unit::Seconds => "s",
            Unit::Millis => "ms",
            Unit::Micros => "µs",
            Unit::Bits => "bits",
        }
    }

    fn form(self) -> &'static str {
        match self {
            Unit::Plain => "a whole number",
            Unit::Bytes => "bytes, or a size such as 64K",
            Unit::Seconds => "seconds, or a time such as 2m",
            Unit::Millis => "milliseconds, or a time such as 2s",
            Unit::Micros => "microseconds, or a time such as 2ms",
            Unit::Bits => "a number such as 0x10",
        }
    }

    /// A plain number counts what the option counts, as setsockopt(2) has it; one with a unit is converted.
    fn number(self, text: &str) -> Result<i64, String> {
        if let Some(number) = whole(text) {
            return Ok(number);
        }
        let in_time = |unit: Duration| {
            let time = quantity::duration_with_unit(text).map_err(|error| error.to_string())?;
            let counted = time.as_nanos() / unit.as_nanos();
            match time.as_nanos() % unit.as_nanos() {
                0 => i64::try_from(counted).map_err(|_| "it is too large".to_owned()),
                _ => Err(format!("it has to be {}", self.form())),
            }
        };
        match self {
            Unit::Plain | Unit::Bits => Err(format!("it has to be {}", self.form())),
            Unit::Bytes => {
                let size = quantity::size(text).map_err(|error| error.to_string())?;
                i64::try_from(size).map_err(|_| "it is too large".to_owned())
            }
            Unit::Seconds => in_time(Duration::from_secs(1)),
            Unit::Millis => in_time(Duration::from_millis(1)),
            Unit::Micros => in_time(Duration::from_micros(1)),
        }
    }
}

/// How a number without bound is written.
const UNLIMITED: &str = "unlimited";

/// The bytes of C's `long`, of which the kernel's `timeval` has two.
const LONG: usize = size_of::<isize>();

fn flag(text: &str) -> Option<i32> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some(1),
        "0" | "off" | "no" | "false" => Some(0),
        _ => None,
    }
}

/// A decimal number with or without a minus, or a hexadecimal one behind `0x`.
fn whole(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with(['+', '-']) => i64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => text.parse().ok().filter(|_| !text.starts_with('+')),
    }
}

fn out_of_range(least: i64, most: i64) -> String {
    format!("it has to be from {least} to {most}")
}

fn long(text: &str) -> Result<usize, String> {
    if text.eq_ignore_ascii_case(UNLIMITED) {
        return Ok(usize::MAX);
    }
    let size = match whole(text) {
        Some(number) => u64::try_from(number).map_err(|_| "it cannot be negative".to_owned())?,
        None => quantity::size(text).map_err(|error| error.to_string())?,
    };
    usize::try_from(size).map_err(|_| "it is too large".to_owned())
}

fn choice(words: &[(&str, i32)], text: &str) -> Option<i32> {
    let word = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    word.map(|(_, number)| *number).or_else(|| i32::try_from(whole(text)?).ok())
}

fn linger(text: &str) -> Result<Vec<u8>, String> {
    let (is_on, seconds) = match text.eq_ignore_ascii_case("off") {
        true => (0, 0),
        false => (1, Unit::Seconds.number(text)?),
    };
    let seconds = i32::try_from(seconds).ok().filter(|seconds| *seconds >= 0);
    let seconds = seconds.ok_or_else(|| out_of_range(0, i32::MAX.into()))?;
    Ok([i32::to_ne_bytes(is_on), seconds.to_ne_bytes()].concat())
}

fn timeval(text: &str) -> Result<Vec<u8>, String> {
    let time = quantity::duration(text).map_err(|error| error.to_string())?;
    let seconds = isize::try_from(time.as_secs()).map_err(|_| "it is too large".to_owned())?;
    let micros = isize::try_from(time.subsec_micros()).map_err(|_| "it is too large".to_owned())?;
    if seconds == 0 && micros == 0 && !time.is_zero() {
        return Err("a microsecond is the least".to_owned());
    }
    Ok([seconds.to_ne_bytes(), micros.to_ne_bytes()].concat())
}

fn shown_time(value: &[u8]) -> Option<String> {
    let long = |offset: usize| {
        let bytes = value.get(offset..offset + LONG)?.try_into().ok()?;
        u64::try_from(isize::from_ne_bytes(bytes)).ok()
    };
    let (seconds, micros) = (long(0)?, long(LONG)?);
    if micros >= 1_000_000 {
        return None;
    }
    let fraction = format!(".{micros:06}");
    Some(format!("{seconds}{}", fraction.trim_end_matches('0').trim_end_matches('.')))
}

fn text_bytes(text: &str, most: usize) -> Result<Vec<u8>, String> {
    if text.len() >= most {
        return Err(format!("{} bytes are the most", most.saturating_sub(1)));
    }
    match text.contains('\0') {
        true => Err("it cannot have a NUL in it".to_owned()),
        false => Ok(text.as_bytes().to_vec()),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

fn in_hex(value: &[u8]) -> String {
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn address4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| format!("{} is no IPv4 address", visible(text, false)))
}

/// `GROUP[@INTERFACE]`
fn halves(text: &str) -> (&str, Option<&str>) {
    text.split_once('@').map_or((text, None), |(group, interface)| (group, Some(interface)))
}

fn group4(text: &str) -> Result<Vec<u8>, String> {
    let (group, interface) = halves(text);
    let group = address4(group)?;
    if !group.is_multicast() {
        return Err(format!("{group} is no group: those are 224.0.0.0/4"));
    }
    let interface = interface.map_or(Ok(Ipv4Addr::UNSPECIFIED), address4)?;
    Ok([group.octets(), interface.octets()].concat())
}

fn group6(text: &str) -> Result<Vec<u8>, String> {
    let (group, interface) = halves(text);
    let group: Ipv6Addr =
        group.parse().map_err(|_| format!("{} is no IPv6 address", visible(group, false)))?;
    if !group.is_multicast() {
        return Err(format!("{group} is no group: those are ff00::/8"));
    }
    let interface = interface.map_or(Some(0), |number| u32::try_from(whole(number)?).ok());
    let interface = interface.ok_or("behind the @ has to stand an interface's number")?;
    Ok([&group.octets()[..], &interface.to_ne_bytes()[..]].concat())
}

fn ports(text: &str) -> Result<u32, String> {
    let port = |digits: &str| u16::try_from(whole(digits)?).ok();
    let both = text.split_once('-').and_then(|(low, high)| Some((port(low)?, port(high)?)));
    // Each end may be left open by a zero (ip(7), IP_LOCAL_PORT_RANGE).
    let both = both.filter(|(low, high)| low <= high || *high == 0);
    let (low, high) = both.ok_or("it has to be two ports, the lower one first")?;
    Ok(u32::from(high) << 16 | u32::from(low))
}

/// A number of four or eight bytes, and whether all its bits are set.
fn unsigned(value: &[u8]) -> Option<(u64, bool)> {
    let four = value.try_into().ok().map(u32::from_ne_bytes);
    let eight = value.try_into().ok().map(u64::from_ne_bytes);
    four.map(|number| (number.into(), number == u32::MAX))
        .or(eight.map(|number| (number, number == u64::MAX)))
}

fn int_at(value: &[u8], offset: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(value.get(offset..offset.checked_add(4)?)?.try_into().ok()?))
}
