//! Networks as people write them, `10.0.0.0/8`, and lists of those that may come and those that may not.
//!
//! Checked: the address, the length of the prefix, and that nothing stands behind the prefix: `10.1.2.3/8` is more often
//! a slip than a network, and a slip in an access list lets the wrong ones in. An IPv4 client of a socket for both
//! families (`::ffff:10.1.2.3`, RFC 4291 §2.5.5.2) is in the IPv4 networks, whichever way either is written.

mod arithmetic;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::visible;

pub use arithmetic::{Parts, mask_length, range, summarised};

/// Addresses that begin with the same bits: RFC 4632 §3.1, RFC 4291 §2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// Its bits behind the prefix are zero.
    first: IpAddr,
    /// Bits that are the same in all, at most 32 or 128.
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// It does not begin with an IP address.
    NotAnAddress,
    /// What stands behind the slash is no length of a prefix; the most that it may be.
    Prefix(u8),
    /// Bits are set behind the prefix; the network that may be meant.
    BitsBehindPrefix(Network),
}

/// Which line of a list could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListError {
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub text: String,
    /// Why that is no network.
    pub error: NetworkError,
}

/// Who may come. Nobody listed: all. Whoever is in `deny` may not, not even when `allow` has them too; as soon as there
/// is anything in `allow`, only those who are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Those who may.
    pub allow: Vec<Network>,
    /// Those who may not.
    pub deny: Vec<Network>,
}

/// What the lists say of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may come.
    Welcome,
    /// It may not: the network that forbids it; none where it is in no network that is allowed.
    Denied(Option<Network>),
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, and single addresses, `192.0.2.1`, `::1` or `[::1]`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Network, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address: IpAddr = match inner {
            Some(six) => six.parse::<Ipv6Addr>().map_err(|_| NetworkError::NotAnAddress)?.into(),
            None => address.parse().map_err(|_| NetworkError::NotAnAddress)?,
        };
        let most = bits(address);
        let prefix = prefix.map_or(Some(most), |digits| prefix_length(digits, most));
        let prefix = prefix.ok_or(NetworkError::Prefix(most))?;
        let network = Network { first: masked(address, prefix), prefix };
        if network.first != address {
            return Err(NetworkError::BitsBehindPrefix(network.canonical()));
        }
        Ok(network.canonical())
    }

    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        bits(address) == bits(self.first) && masked(address, self.prefix) == self.first
    }

    /// `::ffff:10.0.0.0/104` as `10.0.0.0/8`.
    fn canonical(self) -> Network {
        match (self.first.to_canonical(), self.prefix.checked_sub(96)) {
            (first @ IpAddr::V4(_), Some(prefix)) if self.first.is_ipv6() => Network { first, prefix },
            _ => self,
        }
    }
}

/// `10.0.0.0/8`; a single address without its prefix.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix == bits(self.first) {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}/{}", self.first, self.prefix),
        }
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkError::NotAnAddress => {
                f.write_str("it has to be an IP address or a network, such as 192.0.2.1 or 10.0.0.0/8")
            }
            NetworkError::Prefix(most) => {
                write!(f, "behind the slash has to stand a whole number from 0 to {most}")
            }
            NetworkError::BitsBehindPrefix(network) => {
                write!(f, "bits are set behind the prefix; the network would be {network}")
            }
        }
    }
}

impl std::error::Error for NetworkError {}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, {}: {}", self.line, visible(&self.text, false), self.error)
    }
}

impl std::error::Error for ListError {}

impl Lists {
    /// What they say of an address.
    pub fn verdict(&self, address: IpAddr) -> Verdict {
        if let Some(network) = self.deny.iter().find(|network| network.contains(address)) {
            return Verdict::Denied(Some(*network));
        }
        let is_allowed = self.allow.is_empty() || self.allow.iter().any(|network| network.contains(address));
        if is_allowed { Verdict::Welcome } else { Verdict::Denied(None) }
    }

    /// Reads the networks of a file: one a line; what stands behind a `#` is a remark.
    ///
    /// # Errors
    /// The first line that is neither empty, a remark nor a network: a list with a hole in it is no list.
    pub fn read(text: &str) -> Result<Vec<Network>, ListError> {
        let mut networks = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let written = line.split('#').next().unwrap_or_default().trim();
            if written.is_empty() {
                continue;
            }
            let network = Network::parse(written).map_err(|error| {
                let text = written.chars().take(SHOWN).collect();
                ListError { line: index + 1, text, error }
            })?;
            networks.push(network);
        }
        Ok(networks)
    }
}

/// How many characters of a wrong line are shown.
const SHOWN: usize = 60;

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Digits and nothing else: `u8::from_str` takes a plus sign.
fn prefix_length(digits: &str, most: u8) -> Option<u8> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|prefix| is_plain && *prefix <= most)
}

/// The address with zeros behind the prefix.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(prefix.into())).unwrap_or(0);
            Ipv4Addr::from(u32::from(four) & mask).into()
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(prefix.into())).unwrap_or(0);
            Ipv6Addr::from(u128::from(six) & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        Network::parse(text).expect(text)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        let cases = [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.200", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "ffff::1", "127.0.0.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("[::1]", "::1", "127.0.0.1"),
        ];
        for (text, inside, outside) in cases {
            let network = network(text);
            assert!(network.contains(address(inside)), "{inside} is in {text}");
            assert!(!network.contains(address(outside)), "{outside} is not in {text}");
        }
    }

    #[test]
    fn ipv4_is_ipv4_whichever_way_it_is_written() {
        assert!(network("10.0.0.0/8").contains(address("::ffff:10.1.2.3")));
        assert_eq!(network("::ffff:10.0.0.0/104"), network("10.0.0.0/8"));
        assert!(network("::ffff:192.0.2.1").contains(address("192.0.2.1")));
        assert_eq!(network("::ffff:0:0/96").to_string(), "0.0.0.0/0");
    }

    #[test]
    fn what_is_no_network_is_told() {
        for text in
            ["", "/8", "localhost", "10.0.0", "10.0.0.0:80", "fe80::1%eth0", "[10.0.0.1]", "[::1", " ::1"]
        {
            assert_eq!(Network::parse(text), Err(NetworkError::NotAnAddress), "{text}");
        }
        for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/256"]
        {
            assert_eq!(Network::parse(text), Err(NetworkError::Prefix(32)), "{text}");
        }
        assert_eq!(Network::parse("::/129"), Err(NetworkError::Prefix(128)));
        let meant = network("10.0.0.0/8");
        assert_eq!(Network::parse("10.1.2.3/8"), Err(NetworkError::BitsBehindPrefix(meant)));
    }

    #[test]
    fn lists_say_who_may_come() {
        let lists = |allow: &[&str], deny: &[&str]| Lists {
            allow: allow.iter().map(|text| network(text)).collect(),
            deny: deny.iter().map(|text| network(text)).collect(),
        };
        let denied = |text| Verdict::Denied(Some(network(text)));
        let cases = [
            (lists(&[], &[]), "192.0.2.1", Verdict::Welcome),
            (lists(&["10.0.0.0/8"], &[]), "10.1.1.1", Verdict::Welcome),
            (lists(&["10.0.0.0/8"], &[]), "192.0.2.1", Verdict::Denied(None)),
            (lists(&[], &["10.0.0.0/8"]), "192.0.2.1", Verdict::Welcome),
            (lists(&[], &["10.0.0.0/8"]), "10.1.1.1", denied("10.0.0.0/8")),
            (lists(&["10.1.0.0/16"], &["10.0.0.0/8"]), "10.1.1.1", denied("10.0.0.0/8")),
            (lists(&["10.0.0.0/8"], &["10.1.1.1"]), "::ffff:10.1.1.1", denied("10.1.1.1")),
        ];
        for (lists, who, verdict) in cases {
            assert_eq!(lists.verdict(address(who)), verdict, "{who} by {lists:?}");
        }
    }

    #[test]
    fn a_file_has_networks_and_remarks_and_its_mistakes_have_a_line() {
        let text = "# ours\n10.0.0.0/8 # the office\r\n\n  ::1\n#\n";
        assert_eq!(Lists::read(text), Ok(vec![network("10.0.0.0/8"), network("::1")]));
        let error = Lists::read("::1\n\nnowhere\x1b[2J # x\n").expect_err("no network");
        assert_eq!(
            error.to_string(),
            "line 3, nowhere\\u{1b}[2J: it has to be an IP address or a network, such as 192.0.2.1 or 10.0.0.0/8"
        );
    }

    fn any_address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits))),
            any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from(bits)).to_canonical()),
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = Network::parse(&text);
            let _ = Lists::read(&text);
        }

        #[test]
        fn an_address_is_in_its_own_networks_and_what_is_shown_reads_back(
            address in any_address(), prefix in 0u8..=128, other in any_address()
        ) {
            let prefix = prefix.min(bits(address));
            let network = Network { first: masked(address, prefix), prefix };
            prop_assert!(network.contains(address));
            prop_assert_eq!(Network::parse(&network.to_string()), Ok(network.canonical()));
            // Bit by bit, as the definition has it.
            let same = bits(address) == bits(other)
                && (0..usize::from(prefix)).all(|bit| bit_of(address, bit) == bit_of(other, bit));
            prop_assert_eq!(network.contains(other), same);
        }
    }

    fn bit_of(address: IpAddr, bit: usize) -> bool {
        let byte = match address {
            IpAddr::V4(four) => four.octets()[bit / 8],
            IpAddr::V6(six) => six.octets()[bit / 8],
        };
        byte & (0x80 >> (bit % 8)) != 0
    }
}
