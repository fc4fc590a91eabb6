//! From which of our addresses another is called, and by which rule: RFC 6724 §5. Read first: RFC 6724 §4 (which addresses
//! come into question) and §5.
//!
//! Linux chooses so among IPv6 addresses (ipv6_dev_get_saddr in net/ipv6/addrconf.c): without rule 5.5, with rule 4
//! only where it was built with CONFIG_IPV6_MIP6, and before rule 8 it keeps ORCHIDs (RFC 4843) to themselves. For IPv4
//! it takes what the route says: these rules are not for IPv4.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::{Policy, common_prefix, prefer, row};
use crate::special_purpose::{Scope, scope};

/// An address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix.
    pub prefix: u8,
    /// The index of its interface.
    pub interface: u32,
    /// Whether it is valid but no longer to be used for new things: RFC 4862 §5.5.4.
    pub is_deprecated: bool,
    /// Whether it is a mobile host's home address.
    pub is_home: bool,
    /// Whether it was made for privacy, for a while: RFC 8981.
    pub is_temporary: bool,
}

/// A rule of RFC 6724 §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceRule {
    /// 1: prefer same address.
    SameAddress,
    /// 2: prefer appropriate scope.
    AppropriateScope,
    /// 3: avoid deprecated addresses.
    AvoidDeprecated,
    /// 4: prefer home addresses.
    HomeAddress,
    /// 5: prefer outgoing interface.
    OutgoingInterface,
    /// 6: prefer matching label.
    MatchingLabel,
    /// 7: prefer temporary addresses.
    TemporaryAddress,
    /// 8: use longest matching prefix.
    LongestPrefix,
}

impl SourceRule {
    /// All, in their order.
    pub const ALL: [SourceRule; 8] = [
        SourceRule::SameAddress,
        SourceRule::AppropriateScope,
        SourceRule::AvoidDeprecated,
        SourceRule::HomeAddress,
        SourceRule::OutgoingInterface,
        SourceRule::MatchingLabel,
        SourceRule::TemporaryAddress,
        SourceRule::LongestPrefix,
    ];

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Its name in the RFC, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            SourceRule::SameAddress => "prefer same address",
            SourceRule::AppropriateScope => "prefer appropriate scope",
            SourceRule::AvoidDeprecated => "avoid deprecated addresses",
            SourceRule::HomeAddress => "prefer home addresses",
            SourceRule::OutgoingInterface => "prefer outgoing interface",
            SourceRule::MatchingLabel => "prefer matching label",
            SourceRule::TemporaryAddress => "prefer temporary addresses",
            SourceRule::LongestPrefix => "use longest matching prefix",
        }
    }
}

/// Where packets to the destination leave, and what is preferred here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outward {
    /// The destination.
    pub destination: IpAddr,
    /// The interface, by its index.
    pub interface: Option<u32>,
    /// Whether temporary addresses come before others, as the RFC has it; Linux by itself puts them behind
    /// (`net.ipv6.conf.*.use_tempaddr`, 2 for before).
    pub prefers_temporary: bool,
    /// The labels: the kernel's own table, `ip addrlabel`; [`Policy::linux`].
    pub policy: Policy,
}

impl Policy {
    /// The labels of Linux (net/ipv6/addrlabel.c), as ip-addrlabel(8) shows them; it has no precedences.
    pub fn linux() -> Policy {
        Policy {
            name: "Linux",
            precedences: Vec::new(),
            labels: vec![
                row(1, 128, 0),
                row(0, 0, 1),
                row(super::SIX_TO_FOUR, 16, 2),
                row(0, 96, 3),
                row(super::MAPPED, 96, 4),
                row(super::UNIQUE_LOCAL, 7, 5),
                row(super::TEREDO, 32, 6),
                row(ORCHID, 28, 7),
            ],
            scopes: Vec::new(),
            is_rfc_3484: false,
        }
    }
}

/// RFC 4843.
const ORCHID: u128 = 0x2001_0010 << 96;

impl Outward {
    /// Those of our addresses that come into question (RFC 6724 §4): of the destination's family, no groups; for what
    /// does not leave the link, those of the link.
    pub fn candidates<'a>(
        &self,
        all: impl IntoIterator<Item = &'a Candidate>,
    ) -> impl Iterator<Item = &'a Candidate> {
        let on_link = self.destination.is_multicast()
            || (scope(self.destination) == Scope::LinkLocal && !self.destination.is_loopback());
        let interface = self.interface.filter(|_| on_link);
        let is_four = self.destination.is_ipv4();
        all.into_iter().filter(move |one| {
            one.address.is_ipv4() == is_four
                && !one.address.is_multicast()
                && !one.address.is_unspecified()
                && interface.is_none_or(|interface| one.interface == interface)
        })
    }

    /// Which of two is rather the source, and the rule that says so; none says anything: either may be.
    pub fn compare(&self, a: &Candidate, b: &Candidate) -> (Ordering, Option<SourceRule>) {
        let rules: [(SourceRule, Ordering); 8] = [
            (SourceRule::SameAddress, self.ask(a, b, |one| one.address == self.destination)),
            (SourceRule::AppropriateScope, self.by_scope(a, b)),
            (SourceRule::AvoidDeprecated, self.ask(a, b, |one| !one.is_deprecated)),
            (SourceRule::HomeAddress, self.ask(a, b, |one| one.is_home)),
            (SourceRule::OutgoingInterface, self.ask(a, b, |one| Some(one.interface) == self.interface)),
            (
                SourceRule::MatchingLabel,
                self.ask(a, b, |one| self.label(one.address) == self.label(self.destination)),
            ),
            (SourceRule::TemporaryAddress, self.ask(a, b, |one| one.is_temporary == self.prefers_temporary)),
            (SourceRule::LongestPrefix, self.common(b).cmp(&self.common(a))),
        ];
        let decided = rules.into_iter().find(|(_, order)| order.is_ne());
        decided.map_or((Ordering::Equal, None), |(rule, order)| (order, Some(rule)))
    }

    fn ask(&self, a: &Candidate, b: &Candidate, holds: impl Fn(&Candidate) -> bool) -> Ordering {
        prefer(holds(a), holds(b))
    }

    /// The smallest scope that is still large enough; else the largest.
    fn by_scope(&self, a: &Candidate, b: &Candidate) -> Ordering {
        let [a, b, destination] =
            [a.address, b.address, self.destination].map(|address| scope(address).number());
        match a.cmp(&b) {
            Ordering::Less if a < destination => Ordering::Greater,
            Ordering::Greater if b < destination => Ordering::Less,
            order => order,
        }
    }

    fn label(&self, address: IpAddr) -> u32 {
        self.policy.label(address).value
    }

    /// RFC 6724 §2.2: up to the length of the source's prefix.
    fn common(&self, one: &Candidate) -> u8 {
        common_prefix(one.address, self.destination).min(one.prefix)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(text: &str) -> Candidate {
        Candidate {
            address: text.parse().expect(text),
            prefix: 64,
            interface: 2,
            is_deprecated: false,
            is_home: false,
            is_temporary: false,
        }
    }

    fn outward(destination: &str) -> Outward {
        Outward {
            destination: destination.parse().expect(destination),
            interface: Some(2),
            prefers_temporary: true,
            policy: Policy::rfc_6724(),
        }
    }

    /// RFC 6724 §10.1, one by one: the first of each two is the source.
    #[test]
    fn the_examples_of_the_rfc_come_out() {
        let plain = candidate;
        let deprecated = |text: &str| Candidate { is_deprecated: true, ..candidate(text) };
        let home = |text: &str| Candidate { is_home: true, ..candidate(text) };
        let temporary = |text: &str| Candidate { is_temporary: true, ..candidate(text) };
        let cases = [
            ("2001:db8:1::1", plain("2001:db8:3::1"), plain("fe80::1"), SourceRule::AppropriateScope),
            ("ff05::1", plain("2001:db8:3::1"), plain("fe80::1"), SourceRule::AppropriateScope),
            ("2001:db8:1::1", deprecated("2001:db8:1::1"), plain("2001:db8:2::1"), SourceRule::SameAddress),
            ("fe80::1", deprecated("fe80::2"), plain("2001:db8:1::1"), SourceRule::AppropriateScope),
            ("2001:db8:1::1", plain("2001:db8:1::2"), plain("2001:db8:3::2"), SourceRule::LongestPrefix),
            ("2001:db8:1::1", home("2001:db8:3::2"), plain("2001:db8:1::2"), SourceRule::HomeAddress),
            (
                "2002:c633:6401::1",
                temporary("2002:c633:6401::d5e3:7953:13eb:22e8"),
                plain("2001:db8:1::2"),
                SourceRule::MatchingLabel,
            ),
            (
                "2001:db8:1::d5e3:0:0:1",
                temporary("2001:db8:1::d5e3:7953:13eb:22e8"),
                plain("2001:db8:1::2"),
                SourceRule::TemporaryAddress,
            ),
        ];
        for (destination, first, second, rule) in cases {
            let outward = outward(destination);
            assert_eq!(outward.compare(&first, &second), (Ordering::Less, Some(rule)), "{destination}");
            assert_eq!(outward.compare(&second, &first), (Ordering::Greater, Some(rule)), "{destination}");
        }
    }

    #[test]
    fn rules_have_the_numbers_of_the_rfc() {
        assert_eq!(SourceRule::ALL.map(SourceRule::number), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(SourceRule::LongestPrefix.name(), "use longest matching prefix");
    }

    #[test]
    fn the_link_is_left_by_its_own_addresses_only() {
        let (here, there) = (candidate("fe80::1"), Candidate { interface: 3, ..candidate("fe80::3") });
        let (four, group) = (candidate("192.0.2.1"), candidate("ff02::5"));
        let all = [here, there, four, group];
        let among = |destination: &str| outward(destination).candidates(&all).copied().collect::<Vec<_>>();
        assert_eq!(among("fe80::9"), [here]);
        assert_eq!(among("ff0e::1"), [here]);
        assert_eq!(among("2001:db8::1"), [here, there]);
        assert_eq!(among("198.51.100.1"), [four]);
        let elsewhere = Candidate { interface: 3, ..candidate("2001:db8::2") };
        let order = outward("2001:db8::1").compare(&candidate("2001:db8:7::1"), &elsewhere);
        assert_eq!(order, (Ordering::Less, Some(SourceRule::OutgoingInterface)));
    }

    /// Linux's own default: temporary addresses behind the others.
    #[test]
    fn temporary_addresses_come_where_this_system_puts_them() {
        let temporary = Candidate { is_temporary: true, ..candidate("2001:db8:1::7") };
        let here = Outward { prefers_temporary: false, policy: Policy::linux(), ..outward("2001:db8:1::1") };
        let order = here.compare(&temporary, &candidate("2001:db8:1::2"));
        assert_eq!(order, (Ordering::Greater, Some(SourceRule::TemporaryAddress)));
    }

    proptest! {
        /// An order: of two either the one or the other, and of three no circle.
        #[test]
        fn it_is_an_order(destination: u128, addresses: [u128; 3], flags: [u8; 3], prefixes in prop::array::uniform3(0u8..=128)) {
            let of = |at: usize| Candidate {
                address: IpAddr::from(std::net::Ipv6Addr::from_bits(addresses[at])),
                prefix: prefixes[at],
                interface: u32::from(flags[at] & 1) + 2,
                is_deprecated: flags[at] & 2 != 0,
                is_home: flags[at] & 4 != 0,
                is_temporary: flags[at] & 8 != 0,
            };
            let here = Outward { destination: IpAddr::from(std::net::Ipv6Addr::from_bits(destination)), ..outward("::") };
            let [a, b, c] = [of(0), of(1), of(2)];
            prop_assert_eq!(here.compare(&a, &b).0, here.compare(&b, &a).0.reverse());
            if here.compare(&a, &b).0.is_lt() && here.compare(&b, &c).0.is_lt() {
                prop_assert!(here.compare(&a, &c).0.is_lt());
            }
        }
    }
}
