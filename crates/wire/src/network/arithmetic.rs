//! What can be done with networks: their bounds, parts, sums and differences. Read first: RFC 4632 §3, RFC 3021 (a network
//! of two has no broadcast address).
//!
//! Lists are lazy or as long as their result must be: [`summarised`] and [`range`] never make more than two networks for
//! each bit of an address and each thing given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Network, bits, masked};

impl Network {
    /// The network of this address with a prefix of so many bits; none when it cannot have so many.
    pub fn around(address: IpAddr, prefix: u8) -> Option<Network> {
        (prefix <= bits(address)).then(|| Network { first: masked(address, prefix), prefix }.canonical())
    }

    /// Its first address: IPv4's "this network".
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Its last address: IPv4's broadcast address.
    pub fn last(&self) -> IpAddr {
        address(self.first.is_ipv4(), self.low() | self.host_mask())
    }

    /// The length of its prefix, in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The bits of an address of its family: 32 or 128.
    pub fn width(&self) -> u8 {
        bits(self.first)
    }

    /// Ones in the prefix, zeros behind.
    pub fn netmask(&self) -> IpAddr {
        address(self.first.is_ipv4(), !self.host_mask() & all(self.width()))
    }

    /// Zeros in the prefix, ones behind, as access lists of routers have it.
    pub fn wildcard(&self) -> IpAddr {
        address(self.first.is_ipv4(), self.host_mask())
    }

    /// How many addresses it has; none for ::/0, whose 2^128 do not fit.
    pub fn addresses(&self) -> Option<u128> {
        1u128.checked_shl(u32::from(self.width() - self.prefix))
    }

    /// The first and last address that a host may have: IPv4 leaves the first and the last out, but not in a network of
    /// two (RFC 3021) or one; IPv6 leaves none out but the routers' anycast address, which is the first (RFC 4291 §2.6.1).
    pub fn hosts(&self) -> (IpAddr, IpAddr) {
        match self.first.is_ipv4() && self.prefix <= 30 {
            true => (address(true, self.low() + 1), address(true, (self.low() | self.host_mask()) - 1)),
            false => (self.first, self.last()),
        }
    }

    /// Whether all of the other is in it.
    pub fn covers(&self, other: &Network) -> bool {
        self.prefix <= other.prefix && self.contains(other.first)
    }

    /// Whether they share an address: then one is in the other.
    pub fn overlaps(&self, other: &Network) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The network twice as large around it; none around all addresses.
    pub fn parent(&self) -> Option<Network> {
        let prefix = self.prefix.checked_sub(1)?;
        Some(Network { first: masked(self.first, prefix), prefix })
    }

    /// The other half of its parent.
    pub fn sibling(&self) -> Option<Network> {
        let parent = self.parent()?;
        let bit = 1u128 << (self.width() - self.prefix);
        let first = address(parent.first.is_ipv4(), self.low() ^ bit);
        Some(Network { first, prefix: self.prefix })
    }

    /// Its parts with a prefix of so many bits, in order; none where that is shorter than its own or too long.
    pub fn split(&self, prefix: u8) -> Option<Parts> {
        if prefix < self.prefix || prefix > self.width() {
            return None;
        }
        let width = u32::from(self.width());
        let step = 1u128.checked_shl(width - u32::from(prefix)).unwrap_or(0);
        let last = Network { first: masked(self.last(), prefix), prefix };
        let next = Some(self.low());
        Some(Parts { four: self.first.is_ipv4(), prefix, next, last: last.low(), step })
    }

    /// What is left of it without the other, in order: at most one network for each bit.
    pub fn without(&self, other: &Network) -> Vec<Network> {
        if other.covers(self) {
            return Vec::new();
        }
        if !self.covers(other) {
            return vec![*self];
        }
        let mut left = Vec::new();
        let mut inner = *other;
        while inner.prefix > self.prefix {
            left.extend(inner.sibling());
            let Some(parent) = inner.parent() else { break };
            inner = parent;
        }
        left.sort_by_key(|network| network.first);
        left
    }

    fn low(&self) -> u128 {
        number(self.first)
    }

    fn host_mask(&self) -> u128 {
        all(self.width() - self.prefix)
    }
}

/// The parts of a network, one by one.
#[derive(Clone, Debug)]
pub struct Parts {
    four: bool,
    prefix: u8,
    next: Option<u128>,
    last: u128,
    step: u128,
}

impl Iterator for Parts {
    type Item = Network;

    fn next(&mut self) -> Option<Network> {
        let first = self.next?;
        self.next = if first >= self.last { None } else { first.checked_add(self.step) };
        Some(Network { first: address(self.four, first), prefix: self.prefix })
    }
}

/// The fewest networks that have exactly the addresses of these, in order, IPv4 first.
pub fn summarised(networks: &[Network]) -> Vec<Network> {
    let mut sorted = networks.to_vec();
    sorted.sort_by_key(|network| (network.first, network.prefix));
    let mut kept: Vec<Network> = Vec::new();
    for network in sorted {
        if kept.last().is_some_and(|last| last.covers(&network)) {
            continue;
        }
        kept.push(network);
        // Two halves of one are that one, and that one may be a half too.
        while let [.., left, right] = kept.as_slice() {
            let is_pair =
                left.sibling() == Some(*right) && left.parent().is_some_and(|one| one.first == left.first);
            let Some(parent) = left.parent().filter(|_| is_pair) else { break };
            kept.truncate(kept.len() - 2);
            kept.push(parent);
        }
    }
    kept
}

/// The fewest networks that have exactly the addresses from the first to the last; none where they are of two families or
/// the wrong way round.
pub fn range(first: IpAddr, last: IpAddr) -> Option<Vec<Network>> {
    if first.is_ipv4() != last.is_ipv4() || first > last {
        return None;
    }
    let (width, end) = (u32::from(bits(first)), number(last));
    let mut networks = Vec::new();
    let mut at = number(first);
    loop {
        let aligned = at.trailing_zeros().min(width);
        // The most bits that are free behind `at` and do not go past the end.
        let room = (end - at).checked_add(1).map_or(128, |count| 127 - count.leading_zeros());
        let free = aligned.min(room);
        let prefix = u8::try_from(width - free).ok()?;
        networks.push(Network { first: address(width == 32, at), prefix });
        let step = 1u128.checked_shl(free);
        match step.and_then(|step| at.checked_add(step)) {
            Some(next) if next <= end => at = next,
            _ => return Some(networks),
        }
    }
}

/// The length of the prefix that a netmask or a router's wildcard mask is; none when its ones are not all on one side.
/// 0.0.0.0 is read as the netmask of everything, 255.255.255.255 as that of one.
pub fn mask_length(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let ones = bits.leading_ones();
    let netmask = u32::MAX.checked_shl(32 - ones).unwrap_or(0);
    let length = match bits {
        _ if bits == netmask => ones,
        _ if !bits == u32::MAX.checked_shl(32 - bits.leading_zeros()).unwrap_or(0) => bits.leading_zeros(),
        _ => return None,
    };
    u8::try_from(length).ok()
}

fn all(bits: u8) -> u128 {
    u128::MAX.checked_shr(128 - u32::from(bits)).unwrap_or(0)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u32::from(four).into(),
        IpAddr::V6(six) => six.into(),
    }
}

/// The address with this number; of an IPv4 one the low 32 bits count.
fn address(four: bool, number: u128) -> IpAddr {
    match four {
        true => Ipv4Addr::from((number & u128::from(u32::MAX)) as u32).into(),
        false => Ipv6Addr::from(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        Network::parse(text).expect(text)
    }

    fn texts(networks: impl IntoIterator<Item = Network>) -> Vec<String> {
        networks.into_iter().map(|network| format!("{}/{}", network.first(), network.prefix())).collect()
    }

    fn at(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn bounds_and_masks() {
        let one = network("192.0.2.64/26");
        assert_eq!(
            (one.last(), one.netmask(), one.wildcard()),
            (at("192.0.2.127"), at("255.255.255.192"), at("0.0.0.63"))
        );
        assert_eq!((one.hosts(), one.addresses()), ((at("192.0.2.65"), at("192.0.2.126")), Some(64)));
        // RFC 3021: both addresses of a /31 are hosts.
        assert_eq!(network("192.0.2.0/31").hosts(), (at("192.0.2.0"), at("192.0.2.1")));
        assert_eq!(network("::/0").addresses(), None);
        assert_eq!(
            (network("::/0").last(), network("::/0").netmask()),
            (at("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), at("::"))
        );
        assert_eq!(
            (network("0.0.0.0/0").addresses(), network("0.0.0.0/0").wildcard()),
            (Some(1 << 32), at("255.255.255.255"))
        );
    }

    #[test]
    fn parts_and_differences() {
        let parts = network("192.0.2.0/24").split(26).expect("longer");
        assert_eq!(texts(parts), ["192.0.2.0/26", "192.0.2.64/26", "192.0.2.128/26", "192.0.2.192/26"]);
        assert_eq!(
            network("0.0.0.0/0").split(32).expect("longer").nth(1).map(|one| one.first()),
            Some(at("0.0.0.1"))
        );
        assert_eq!(texts(network("::/0").split(0).expect("itself")), ["::/0"]);
        assert_eq!(texts(network("ffff::/16").split(17).expect("longer")), ["ffff::/17", "ffff:8000::/17"]);
        assert!(network("10.0.0.0/8").split(7).is_none() && network("10.0.0.0/8").split(33).is_none());
        let left = network("192.0.2.0/29").without(&network("192.0.2.2"));
        assert_eq!(texts(left), ["192.0.2.0/31", "192.0.2.3/32", "192.0.2.4/30"]);
        assert!(network("10.0.0.0/8").without(&network("0.0.0.0/0")).is_empty());
        assert_eq!(texts(network("10.0.0.0/8").without(&network("11.0.0.0/8"))), ["10.0.0.0/8"]);
    }

    #[test]
    fn sums() {
        let list = ["192.0.2.0/25", "192.0.2.128/25", "192.0.3.0/24", "10.0.0.1", "10.0.0.0/8", "::1", "::"]
            .map(network);
        assert_eq!(texts(summarised(&list)), ["10.0.0.0/8", "192.0.2.0/23", "::/127"]);
        // Neighbours, but not halves of one.
        assert_eq!(texts(summarised(&["10.0.0.1", "10.0.0.2"].map(network))), ["10.0.0.1/32", "10.0.0.2/32"]);
        let range_of = |first, last| range(at(first), at(last)).map(texts);
        let expected =
            ["192.0.2.1/32", "192.0.2.2/31", "192.0.2.4/30", "192.0.2.8/32"].map(str::to_owned).to_vec();
        assert_eq!(range_of("192.0.2.1", "192.0.2.8"), Some(expected));
        let everything = range_of("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(everything, Some(vec!["::/0".to_owned()]));
        assert_eq!(range_of("0.0.0.0", "255.255.255.255"), Some(vec!["0.0.0.0/0".to_owned()]));
        assert_eq!((range_of("10.0.0.2", "10.0.0.1"), range_of("::", "10.0.0.1")), (None, None));
    }

    #[test]
    fn masks_are_lengths() {
        let length = |text: &str| mask_length(text.parse().expect(text));
        let cases = [
            ("255.255.255.0", Some(24)),
            ("0.0.0.255", Some(24)),
            ("255.255.255.255", Some(32)),
            ("0.0.0.0", Some(0)),
            ("128.0.0.0", Some(1)),
            ("127.255.255.255", Some(1)),
            ("255.0.255.0", None),
            ("0.0.1.0", None),
        ];
        for (text, expected) in cases {
            assert_eq!(length(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_has_its_addresses_and_no_others(a: u32, b: u32, c: u32) {
            let (first, last) = (Ipv4Addr::from(a.min(b)), Ipv4Addr::from(a.max(b)));
            let networks = range(first.into(), last.into()).expect("in order");
            prop_assert!(networks.len() <= 64);
            let inside = (first..=last).contains(&Ipv4Addr::from(c));
            prop_assert_eq!(networks.iter().any(|one| one.contains(Ipv4Addr::from(c).into())), inside);
            let count: u128 = networks.iter().filter_map(Network::addresses).sum();
            prop_assert_eq!(count, u128::from(a.max(b) - a.min(b)) + 1);
            prop_assert_eq!(summarised(&networks), networks);
        }

        #[test]
        fn parts_are_the_whole(bits: u32, prefix in 0u8..=32, more in 0u8..8) {
            let whole = Network::around(Ipv4Addr::from(bits).into(), prefix).expect("short enough");
            let parts: Vec<Network> = whole.split((prefix + more).min(32)).expect("longer").collect();
            prop_assert_eq!(parts.len(), 1usize << ((prefix + more).min(32) - prefix));
            prop_assert_eq!(summarised(&parts), [whole]);
            let inner = parts[parts.len() / 2];
            let mut left = whole.without(&inner);
            left.push(inner);
            prop_assert_eq!(summarised(&left), [whole]);
        }

        #[test]
        fn six_bytes_or_sixteen_it_is_the_same(a: u128, b: u128) {
            let networks = range(Ipv6Addr::from(a.min(b)).into(), Ipv6Addr::from(a.max(b)).into()).expect("in order");
            prop_assert!(networks.len() <= 256);
            prop_assert_eq!(networks.first().map(Network::first), Some(Ipv6Addr::from(a.min(b)).into()));
            prop_assert_eq!(networks.last().map(Network::last), Some(Ipv6Addr::from(a.max(b)).into()));
        }
    }
}
