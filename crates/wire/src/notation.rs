//! In which notation a text writes an address, a network or a number, and which one it is: as people, C, the kernel's
//! tables, name servers and hardware write them. The endpoints of commands are [`crate::endpoint`]'s; here everything is
//! read that anything writes, and told apart.
//!
//! Nothing is looked up. Input is bounded; what cannot be read has a place for a caret.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::byte_order::{Number, Order, Width};
use crate::embedded::Mac;
use crate::endpoint::{Endpoint, EndpointError, Grammar, Host, Place};
use crate::inet::{self, OldForm};
use crate::network::{Network, mask_length};

mod diagnosis;
pub mod spelling;
#[cfg(test)]
mod tests;

/// The longest text that is read, in bytes.
const LONGEST: usize = 4096;

/// What a text is.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// An IP address.
    Address(Written),
    /// A network, or an address in one.
    Network(WrittenNetwork),
    /// A number, with how it is written.
    Number(WrittenNumber),
    /// A hardware address: EUI-48.
    Hardware(Mac),
    /// Something that one can listen on or connect to, other than a plain address.
    Endpoint(Endpoint),
}

/// How an address is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notation {
    /// Four decimal numbers: RFC 6943 §3.1.1's strict form.
    Dotted,
    /// RFC 4291 §2.2.
    Colons,
    /// A form that only inet_aton and what is built on it take.
    Old(OldForm),
    /// Hexadecimal digits, one pair a byte.
    Hex,
    /// An entry of /proc/net/tcp or one of its sisters: words of 32 bits as the machine has them in memory.
    KernelTable(Order),
    /// A name under in-addr.arpa or ip6.arpa: RFC 1035 §3.5, RFC 3596 §2.5.
    ReverseName,
}

/// An address, and what stands with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The address.
    pub address: IpAddr,
    /// The zone behind `%`: RFC 4007 §11.
    pub zone: Option<String>,
    /// The port behind it.
    pub port: Option<u16>,
    /// How it is written.
    pub notation: Notation,
}

/// A network as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenNetwork {
    /// The address before the slash; in the network, and often its first one.
    pub address: IpAddr,
    /// The network.
    pub network: Network,
    /// What stands for its length.
    pub length: Length,
}

/// How a network's size is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// `/24`.
    Prefix,
    /// `/255.255.255.0`.
    Netmask,
    /// `/0.0.0.255`.
    Wildcard,
    /// A reverse name with fewer labels than an address has.
    ReverseName,
}

/// A number as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenNumber {
    /// Its value, with the width that its digits say.
    pub number: Number,
    /// 2, 8, 10 or 16.
    pub radix: u32,
}

/// Reads a text. Entries of the kernel's tables are taken for those of a machine of this order.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(text: &str, order: Order, grammar: &Grammar<'_>) -> Result<Reading, EndpointError> {
    let wrong = |sentence: &str| EndpointError { column: 0, sentence: sentence.to_owned(), hint: None };
    if text.is_empty() {
        return Err(wrong("the address is empty"));
    }
    if text.len() > LONGEST {
        return Err(wrong("the address is longer than 4096 bytes"));
    }
    let reading = plain(text)
        .map(Reading::Address)
        .or_else(|| kernel_table(text, order).map(Reading::Address))
        .or_else(|| reverse_name(text))
        .or_else(|| hardware(text).map(Reading::Hardware))
        .or_else(|| number(text).map(Reading::Number))
        .or_else(|| old(text).map(Reading::Address))
        .or_else(|| hex(text).map(Reading::Address));
    if let Some(reading) = reading {
        return Ok(reading);
    }
    if let Some((before, behind)) = text.split_once('/')
        && !before.is_empty()
        && !before.contains("://")
        && (before.ends_with("::") || !before.ends_with(':'))
    {
        return network(text, before, behind).map(Reading::Network);
    }
    if let Some(error) = diagnosis::of(text) {
        return Err(error);
    }
    endpoint(text, grammar)
}

/// Four decimal numbers, or RFC 4291 §2.2 with or without brackets and zone.
fn plain(text: &str) -> Option<Written> {
    if let Some(four) = inet::pton4(text) {
        return Some(Written { address: four.into(), zone: None, port: None, notation: Notation::Dotted });
    }
    let inner = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'))?;
    let (six, zone) = match inner.split_once('%') {
        Some((six, zone)) => (six, Some(zone)),
        None => (inner, None),
    };
    let address = inet::pton6(six)?;
    let is_zone = |zone: &str| {
        // An interface's name has at most 15 bytes (linux/if.h), and an index ten digits.
        (1..=15).contains(&zone.len())
            && zone.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b'%')
    };
    if zone.is_some_and(|zone| !is_zone(zone)) {
        return None;
    }
    let zone = zone.map(str::to_owned);
    Some(Written { address: address.into(), zone, port: None, notation: Notation::Colons })
}

/// `0100007F:1F90`: 8 or 32 hexadecimal digits, a colon, and the port in four, which stands in its natural order.
fn kernel_table(text: &str, order: Order) -> Option<Written> {
    let (words, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok().filter(|_| port.len() == 4 && is_hex(port))?;
    if !is_hex(words) {
        return None;
    }
    let bytes = match words.len() {
        8 | 32 => bytes_of(words)?,
        _ => return None,
    };
    let address = from_words(&bytes, order)?;
    Some(Written { address, zone: None, port: Some(port), notation: Notation::KernelTable(order) })
}

/// An address from words of 32 bits, each printed as the number that a machine of this order sees.
fn from_words(bytes: &[u8], order: Order) -> Option<IpAddr> {
    let mut octets = Vec::with_capacity(16);
    for word in bytes.chunks(4) {
        octets.extend(order.bytes(<[u8; 4]>::try_from(word).ok()?));
    }
    from_octets(&octets)
}

fn from_octets(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

/// `4.1.168.192.in-addr.arpa`, with or without the last dot; fewer labels are a network.
fn reverse_name(text: &str) -> Option<Reading> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let (labels, four) = match (name.strip_suffix(".in-addr.arpa"), name.strip_suffix(".ip6.arpa")) {
        (Some(labels), _) => (labels, true),
        (None, Some(labels)) => (labels, false),
        (None, None) => return None,
    };
    let labels: Vec<&str> = labels.split('.').rev().collect();
    let most = if four { 4 } else { 32 };
    if labels.len() > most {
        return None;
    }
    let mut bits = 0u128;
    for at in 0..most {
        let digit = match labels.get(at) {
            None => 0,
            Some(label) if four => {
                u128::from(label.parse::<u8>().ok().filter(|byte| byte.to_string() == **label)?)
            }
            Some(label) => {
                u128::from(char::from(*label.as_bytes().first()?).to_digit(16).filter(|_| label.len() == 1)?)
            }
        };
        bits = bits << (if four { 8 } else { 4 }) | digit;
    }
    let address = if four { Ipv4Addr::from(bits as u32).into() } else { Ipv6Addr::from(bits).into() };
    if labels.len() == most {
        let notation = Notation::ReverseName;
        return Some(Reading::Address(Written { address, zone: None, port: None, notation }));
    }
    let prefix = u8::try_from(labels.len() * if four { 8 } else { 4 }).ok()?;
    let network = Network::around(address, prefix)?;
    Some(Reading::Network(WrittenNetwork { address, network, length: Length::ReverseName }))
}

/// Six pairs of hexadecimal digits with colons or dashes, or three groups of four with dots.
fn hardware(text: &str) -> Option<Mac> {
    let groups = |separator: char, count: usize, digits: usize| {
        let groups: Vec<&str> = text.split(separator).collect();
        (groups.len() == count && groups.iter().all(|group| group.len() == digits && is_hex(group)))
            .then(|| groups.concat())
    };
    let digits = groups(':', 6, 2).or_else(|| groups('-', 6, 2)).or_else(|| groups('.', 3, 4))?;
    bytes_of(&digits)?.try_into().ok()
}

/// Digits; behind 0x, 0b and a plain 0 those of another radix, as C has it.
fn number(text: &str) -> Option<WrittenNumber> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    let is_plain = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    let value = u128::from_str_radix(digits, radix).ok().filter(|_| is_plain)?;
    let width = match radix {
        // Hexadecimal digits say how many bits are meant.
        16 => width_of_digits(digits.len()).max(Width::of(value)),
        _ => Width::of(value),
    };
    Some(WrittenNumber { number: Number { value, width }, radix })
}

fn width_of_digits(digits: usize) -> Width {
    match digits {
        0..=2 => Width::W8,
        3..=4 => Width::W16,
        5..=8 => Width::W32,
        9..=16 => Width::W64,
        _ => Width::W128,
    }
}

/// Two to four numbers of inet_aton, with or without a port; a single one is a number first.
fn old(text: &str) -> Option<Written> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(crate::port::parse(port).ok()?)),
        None => (text, None),
    };
    let form = inet::aton(host).filter(|form| form.parts.len() > 1)?;
    let is_plain = form.is_plain();
    let notation = if is_plain { Notation::Dotted } else { Notation::Old(form.clone()) };
    Some(Written { address: form.address.into(), zone: None, port, notation })
}

/// 4 or 16 bytes: `c0a80104`, `c0 a8 01 04`, `c0:a8:01:04`, `\xc0\xa8\x01\x04`.
fn hex(text: &str) -> Option<Written> {
    let address = from_octets(&bytes(text)?)?;
    Some(Written { address, zone: None, port: None, notation: Notation::Hex })
}

/// The bytes that a text of pairs of hexadecimal digits stands for; the pairs may have blanks, colons, dashes, commas, `\x`
/// or `0x` between them. None where it is anything else.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let spaced = text.replace("\\x", " ").replace("0x", " ");
    let separators = [' ', ':', '-', ',', '\t'];
    let groups: Vec<&str> = spaced.split(separators).filter(|group| !group.is_empty()).collect();
    let is_bytes = |group: &&str| is_hex(group) && group.len().is_multiple_of(2);
    (!groups.is_empty() && groups.iter().all(is_bytes)).then(|| bytes_of(&groups.concat()))?
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn network(text: &str, before: &str, behind: &str) -> Result<WrittenNetwork, EndpointError> {
    let at = before.chars().count() + 1;
    let error =
        |column: usize, sentence: String, hint: Option<String>| EndpointError { column, sentence, hint };
    let Some(Written { address, zone: None, .. }) = plain(before) else {
        return Err(diagnosis::of(before).unwrap_or_else(|| {
            let hint = (text.starts_with('.') || text.starts_with('~'))
                .then(|| "write unix:./x for a file".to_owned());
            error(0, "before the slash has to stand an IP address".to_owned(), hint)
        }));
    };
    let most: u8 = if address.is_ipv4() { 32 } else { 128 };
    let mask = behind.parse::<Ipv4Addr>().ok().filter(|_| address.is_ipv4());
    let (prefix, length) = match mask {
        Some(mask) => {
            let length = if u32::from(mask).leading_ones() > 0 || u32::from(mask) == 0 {
                Length::Netmask
            } else {
                Length::Wildcard
            };
            (mask_length(mask), length)
        }
        None if !behind.is_empty() && behind.bytes().all(|byte| byte.is_ascii_digit()) => {
            (behind.parse().ok().filter(|prefix| *prefix <= most), Length::Prefix)
        }
        None => (None, Length::Prefix),
    };
    let Some(network) = prefix.and_then(|prefix| Network::around(address, prefix)) else {
        let sentence = match mask {
            Some(_) => "the ones of a netmask stand together, on one side".to_owned(),
            None => format!("behind the slash has to stand a whole number from 0 to {most}"),
        };
        let hint = mask.is_none().then(|| "or a netmask of IPv4, such as 255.255.255.0".to_owned());
        return Err(error(at, sentence, hint.filter(|_| most == 32)));
    };
    Ok(WrittenNetwork { address, network, length })
}

/// An endpoint; one that is an address with a port becomes that.
fn endpoint(text: &str, grammar: &Grammar<'_>) -> Result<Reading, EndpointError> {
    let has_mark = text.contains(':') || text.starts_with('/');
    if !has_mark && text != "-" && !text.starts_with('*') {
        let known = (grammar.services)(&text.to_ascii_lowercase());
        let known = known.or_else(|| crate::endpoint::well_known_port(&text.to_ascii_lowercase()));
        let hint = match known {
            Some(port) => format!("{text} is also the service at port {port}: `bothends addr port {text}`"),
            None => format!("a name is looked up by `bothends addr resolve {text}`"),
        };
        let sentence = "it is no address, network or number in any form".to_owned();
        return Err(EndpointError { column: 0, sentence, hint: Some(hint) });
    }
    let endpoint = grammar.parse(text)?;
    let has_scheme = text.contains("://") || !endpoint.options.is_empty();
    let written = match &endpoint.place {
        Place::Internet { host: Host::V4(four), port } => {
            Some((IpAddr::V4(*four), None, *port, Notation::Dotted))
        }
        Place::Internet { host: Host::V6(six, zone), port } => {
            Some((IpAddr::V6(*six), zone.clone(), *port, Notation::Colons))
        }
        _ => None,
    };
    Ok(match written {
        Some((address, zone, port, notation)) if !has_scheme => {
            Reading::Address(Written { address, zone, port: Some(port), notation })
        }
        _ => Reading::Endpoint(endpoint),
    })
}
