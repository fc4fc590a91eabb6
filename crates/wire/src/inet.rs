//! What C's address functions say of a text: inet_pton, and the older inet_aton and inet_addr, which still take forms that
//! nothing else does. Read first: inet(3), inet_pton(3), RFC 6943 §3.1.1.
//!
//! inet_aton takes one to four numbers with dots between them, each decimal, octal (`0…`) or hexadecimal (`0x…`); the last
//! one fills the bytes that are left. glibc's takes anything at all behind a blank. Nothing here panics or allocates more
//! than four parts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a buffer needs for any IPv4 address as text, with its NUL: netinet/in.h.
pub const INET_ADDRSTRLEN: usize = 16;
/// What a buffer needs for any IPv6 address as text, with its NUL: netinet/in.h.
pub const INET6_ADDRSTRLEN: usize = 46;
/// What inet_addr returns for an error, and for 255.255.255.255.
pub const INADDR_NONE: u32 = u32::MAX;

/// How a number of an old form is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Radix {
    /// Digits that do not begin with 0.
    Decimal,
    /// A 0 first.
    Octal,
    /// 0x first.
    Hexadecimal,
}

/// What inet_aton makes of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldForm {
    /// The address.
    pub address: Ipv4Addr,
    /// Its numbers, one to four.
    pub parts: Vec<Part>,
    /// Whether something stands behind it that glibc does not look at.
    pub has_rest: bool,
}

/// One number of an old form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its value.
    pub value: u32,
    /// How it is written.
    pub radix: Radix,
    /// As it is written.
    pub text: String,
}

impl OldForm {
    /// Whether it is the plain form, four decimal numbers, which every function takes.
    pub fn is_plain(&self) -> bool {
        let is_plain = |part: &Part| part.radix == Radix::Decimal || part.text == "0";
        self.parts.len() == 4 && !self.has_rest && self.parts.iter().all(is_plain)
    }

    /// What a reader makes of it that takes every number for decimal, where that is another address: four numbers, of
    /// which one begins with 0. Programs that disagree here let each other's filters be passed (RFC 6943 §3.1.1).
    pub fn read_as_decimal(&self) -> Option<Ipv4Addr> {
        let octets: Vec<u8> = self.parts.iter().map_while(|part| part.text.parse().ok()).collect();
        let octets: [u8; 4] = octets.try_into().ok()?;
        Some(Ipv4Addr::from(octets)).filter(|decimal| *decimal != self.address)
    }
}

/// inet_aton(3), as glibc has it.
pub fn aton(text: &str) -> Option<OldForm> {
    let end = text.find(is_space).unwrap_or(text.len());
    let mut parts = Vec::with_capacity(4);
    for word in text[..end].split('.') {
        if parts.len() == 4 {
            return None;
        }
        parts.push(part(word)?);
    }
    let (last, leading) = parts.split_last()?;
    if leading.iter().any(|part| part.value > 0xff) {
        return None;
    }
    let free_bits = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if u64::from(last.value) >= 1 << free_bits {
        return None;
    }
    let high = leading.iter().fold(0, |bits: u64, part| (bits << 8) | u64::from(part.value));
    let bits = (high << free_bits) | u64::from(last.value);
    let address = Ipv4Addr::from(u32::try_from(bits).ok()?);
    Some(OldForm { address, parts, has_rest: end < text.len() })
}

/// C's isspace in the locale "C".
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

fn part(word: &str) -> Option<Part> {
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => (digits, Radix::Hexadecimal),
        None if word.starts_with('0') => (word, Radix::Octal),
        None => (word, Radix::Decimal),
    };
    let base = match radix {
        Radix::Decimal => 10,
        Radix::Octal => 8,
        Radix::Hexadecimal => 16,
    };
    // from_str_radix takes a plus sign.
    let is_plain = digits.chars().all(|digit| digit.is_digit(base));
    let value = u32::from_str_radix(digits, base).ok().filter(|_| is_plain)?;
    Some(Part { value, radix, text: word.to_owned() })
}

/// inet_pton(AF_INET, …): four decimal numbers without leading zeros. None is its 0.
pub fn pton4(text: &str) -> Option<Ipv4Addr> {
    text.parse().ok()
}

/// With a zone behind it, which is a number, or the name of an interface where the address is of one link: whether there
/// is such an interface, only the system can say.
fn scoped6(text: &str) -> Option<Ipv6Addr> {
    let Some((address, zone)) = text.split_once('%') else { return pton6(text) };
    let address = pton6(address)?;
    let is_number = !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_digit());
    let is_of_a_link =
        address.is_unicast_link_local() || address.is_multicast() && address.octets()[1] & 0xf == 2;
    (is_number || is_of_a_link && !zone.is_empty()).then_some(address)
}

/// inet_pton(AF_INET6, …): RFC 4291 §2.2, without a zone. None is its 0.
pub fn pton6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok()
}

/// What each function says of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdicts {
    /// inet_pton(AF_INET, …).
    pub pton4: Option<Ipv4Addr>,
    /// inet_pton(AF_INET6, …).
    pub pton6: Option<Ipv6Addr>,
    /// inet_aton.
    pub aton: Option<Ipv4Addr>,
    /// getaddrinfo with AI_NUMERICHOST, which looks nothing up: also the old forms without anything behind them, and
    /// zones.
    pub numeric_host: Option<IpAddr>,
}

impl Verdicts {
    /// Asks all of them.
    pub fn of(text: &str) -> Verdicts {
        let old = aton(text);
        let exact = old.as_ref().filter(|old| !old.has_rest).map(|old| IpAddr::V4(old.address));
        let numeric_host = exact.or_else(|| scoped6(text).map(IpAddr::V6));
        Verdicts { pton4: pton4(text), pton6: pton6(text), aton: old.map(|old| old.address), numeric_host }
    }

    /// inet_addr: the bytes of the address in memory, or its error.
    pub fn addr(&self) -> [u8; 4] {
        self.aton.map_or(INADDR_NONE.to_be_bytes(), |address| address.octets())
    }

    /// Whether inet_addr's answer leaves open if the text was an address.
    pub fn addr_is_ambiguous(&self) -> bool {
        self.aton == Some(Ipv4Addr::BROADCAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// inet(3): the forms, each with its example.
    #[test]
    fn old_forms_fill_what_is_left_with_their_last_number() {
        let cases = [
            ("192.168.1.4", "192.168.1.4"),
            ("127.1", "127.0.0.1"),
            ("10.1.258", "10.1.1.2"),
            ("3232235780", "192.168.1.4"),
            ("0x7f.1", "127.0.0.1"),
            ("0300.0250.01.04", "192.168.1.4"),
            ("0", "0.0.0.0"),
            ("0xC0A80104", "192.168.1.4"),
            ("1.2.3.4 and more", "1.2.3.4"),
            ("127.16777215", "127.255.255.255"),
        ];
        for (text, address) in cases {
            let found = aton(text).map(|old| old.address.to_string());
            assert_eq!(found.as_deref(), Some(address), "{text}");
        }
        let refused = [
            "",
            ".",
            "1.",
            ".1",
            "1..2",
            "1.2.3.4.5",
            "256.1",
            "1.2.3.256",
            "1.2.65536",
            "1.16777216",
            "4294967296",
            "08.1",
            "0x",
            "0xg",
            "+1",
            "-1",
            " 1",
            "1.2.3.4x",
            "1.+2",
            "0x+1",
            "١",
        ];
        for text in refused {
            assert_eq!(aton(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_plain_and_what_others_read_otherwise_is_known() {
        let old = |text| aton(text).expect("an old form");
        assert!(old("10.0.0.1").is_plain());
        for text in ["127.1", "010.0.0.1", "0x7f.0.0.1", "1.2.3.4 "] {
            assert!(!old(text).is_plain(), "{text}");
        }
        assert_eq!(old("010.0.0.1").read_as_decimal(), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(old("010.0.0.1").address, Ipv4Addr::new(8, 0, 0, 1));
        assert_eq!(old("01.0.0.1").read_as_decimal(), None);
        assert_eq!(old("127.1").read_as_decimal(), None);
    }

    #[test]
    fn inet_addr_cannot_tell_the_broadcast_address_from_an_error() {
        let (all, none) = (Verdicts::of("255.255.255.255"), Verdicts::of("nothing"));
        assert_eq!(all.addr(), none.addr());
        assert_eq!(u32::from_be_bytes(all.addr()), 0xffff_ffff);
        assert!(all.addr_is_ambiguous() && !none.addr_is_ambiguous());
        assert_eq!((all.pton4.is_some(), none.pton4.is_some()), (true, false));
    }

    /// The longest texts there are: an IPv4 address, and an IPv6 address whose last 32 bits are written as one.
    #[test]
    fn the_buffers_hold_the_longest_texts() {
        assert_eq!("255.255.255.255".len() + 1, INET_ADDRSTRLEN);
        assert_eq!("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".len() + 1, INET6_ADDRSTRLEN);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = (aton(&text), Verdicts::of(&text));
        }

        #[test]
        fn what_is_plain_is_the_same_for_all(bits: u32) {
            let text = Ipv4Addr::from(bits).to_string();
            let old = aton(&text).expect("an address");
            prop_assert!(old.is_plain() && old.address == Ipv4Addr::from(bits));
            prop_assert_eq!(aton(&bits.to_string()).map(|old| old.address), Some(Ipv4Addr::from(bits)));
            prop_assert_eq!(aton(&format!("{bits:#x}")).map(|old| old.address), Some(Ipv4Addr::from(bits)));
        }
    }
}
