//! In which order the addresses of a host are to be tried, and by which rule: RFC 6724 §6; from which of ours each is
//! called: §5 ([`Outward`]). Read first: RFC 6724 §2.1 (the policy table) and §6; gai.conf(5).
//!
//! A destination comes with the source address that the kernel would use for it, or with none where it has no way there.
//! glibc's getaddrinfo follows the older RFC 3484: it has another table, and in rule 9 compares IPv4 addresses of one
//! network too. [`Policy`] holds either.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv6Addr};

use crate::special_purpose::scope;

mod gai_conf;
mod source_selection;
#[cfg(test)]
mod tests;

pub use source_selection::{Candidate, Outward, SourceRule};

/// One row of a policy table: RFC 6724 §2.1. IPv4 addresses are looked up in their mapped form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<T> {
    /// The first address.
    pub first: Ipv6Addr,
    /// Bits that are the same in all of it.
    pub prefix: u8,
    /// The precedence, or the label.
    pub value: T,
}

/// What decides between addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whose it is, in words.
    pub name: &'static str,
    /// Precedences; the higher comes first.
    pub precedences: Vec<Row<u32>>,
    /// Labels; a source should have its destination's.
    pub labels: Vec<Row<u32>>,
    /// Scopes of IPv4 networks, where they are not RFC 6724 §3.2's: `scopev4` of gai.conf(5), by mapped addresses.
    pub scopes: Vec<Row<u32>>,
    /// Whether rule 9 is RFC 3484's as glibc has it: IPv6 addresses count all their common bits, IPv4 ones only those of
    /// one network. RFC 6724 counts, for both, those up to the length of the source's prefix (§2.2).
    pub is_rfc_3484: bool,
}

const fn row(bits: u128, prefix: u8, value: u32) -> Row<u32> {
    Row { first: Ipv6Addr::from_bits(bits), prefix, value }
}

const MAPPED: u128 = 0xffff_0000_0000;
const SIX_TO_FOUR: u128 = 0x2002 << 112;
const TEREDO: u128 = 0x2001 << 112;
const UNIQUE_LOCAL: u128 = 0xfc00 << 112;
const SITE_LOCAL: u128 = 0xfec0 << 112;
const SIX_BONE: u128 = 0x3ffe << 112;

impl Policy {
    /// The default table of RFC 6724 §2.1.
    pub fn rfc_6724() -> Policy {
        Policy {
            name: "RFC 6724",
            precedences: vec![
                row(1, 128, 50),
                row(0, 0, 40),
                row(MAPPED, 96, 35),
                row(SIX_TO_FOUR, 16, 30),
                row(TEREDO, 32, 5),
                row(UNIQUE_LOCAL, 7, 3),
                row(0, 96, 1),
                row(SITE_LOCAL, 10, 1),
                row(SIX_BONE, 16, 1),
            ],
            labels: vec![
                row(1, 128, 0),
                row(0, 0, 1),
                row(MAPPED, 96, 4),
                row(SIX_TO_FOUR, 16, 2),
                row(TEREDO, 32, 5),
                row(UNIQUE_LOCAL, 7, 13),
                row(0, 96, 3),
                row(SITE_LOCAL, 10, 11),
                row(SIX_BONE, 16, 12),
            ],
            scopes: Vec::new(),
            is_rfc_3484: false,
        }
    }

    /// glibc's own table, which is in force where /etc/gai.conf says nothing else: gai.conf(5).
    pub fn glibc() -> Policy {
        Policy {
            name: "glibc (RFC 3484)",
            precedences: vec![
                row(1, 128, 50),
                row(0, 0, 40),
                row(SIX_TO_FOUR, 16, 30),
                row(0, 96, 20),
                row(MAPPED, 96, 10),
            ],
            labels: vec![
                row(1, 128, 0),
                row(0, 0, 1),
                row(SIX_TO_FOUR, 16, 2),
                row(0, 96, 3),
                row(MAPPED, 96, 4),
                row(SITE_LOCAL, 10, 5),
                row(UNIQUE_LOCAL, 7, 6),
                row(TEREDO, 32, 7),
            ],
            scopes: Vec::new(),
            is_rfc_3484: true,
        }
    }

    /// The precedence of an address, and the row that gives it.
    pub fn precedence(&self, address: IpAddr) -> Row<u32> {
        narrowest(&self.precedences, address).unwrap_or(row(0, 0, 40))
    }

    /// Its label, and the row that gives it.
    pub fn label(&self, address: IpAddr) -> Row<u32> {
        narrowest(&self.labels, address).unwrap_or(row(0, 0, 1))
    }

    /// Its scope.
    pub fn scope(&self, address: IpAddr) -> u8 {
        let set = if address.to_canonical().is_ipv4() { narrowest(&self.scopes, address) } else { None };
        set.and_then(|row| u8::try_from(row.value).ok()).unwrap_or_else(|| scope(address).number())
    }
}

impl<T> Row<T> {
    fn has(&self, address: Ipv6Addr) -> bool {
        let differing = u128::from(self.first) ^ u128::from(address);
        differing.checked_shr(128 - u32::from(self.prefix.min(128))).unwrap_or(0) == 0
    }
}

/// `::/0`, `::ffff:0:0/96`.
impl<T> std::fmt::Display for Row<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.first.to_ipv4_mapped() {
            Some(_) if self.prefix == 96 => write!(f, "::ffff:0:0/96"),
            _ => write!(f, "{}/{}", self.first, self.prefix),
        }
    }
}

/// RFC 6724 §2.1: the longest matching prefix.
fn narrowest(rows: &[Row<u32>], address: IpAddr) -> Option<Row<u32>> {
    let address = as_six(address);
    rows.iter().filter(|row| row.has(address)).max_by_key(|row| row.prefix).copied()
}

fn as_six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    }
}

/// An address to go to, and what is known of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Where.
    pub address: IpAddr,
    /// From where the kernel would go; none where it has no way.
    pub source: Option<Source>,
}

/// An address to go from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix, at most 32 or 128.
    pub prefix: u8,
    /// Whether it is valid but no longer to be used for new things: RFC 4862 §5.5.4.
    pub is_deprecated: bool,
    /// Whether it is a mobile host's home address, and no care-of address.
    pub is_home: bool,
    /// Whether the way out is a tunnel.
    pub is_tunnelled: bool,
}

impl Source {
    /// An ordinary one.
    pub fn new(address: IpAddr, prefix: u8) -> Source {
        Source { address, prefix, is_deprecated: false, is_home: false, is_tunnelled: false }
    }
}

/// A rule of RFC 6724 §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// 1: avoid unusable destinations.
    AvoidUnusable,
    /// 2: prefer matching scope.
    MatchingScope,
    /// 3: avoid deprecated addresses.
    AvoidDeprecated,
    /// 4: prefer home addresses.
    HomeAddress,
    /// 5: prefer matching label.
    MatchingLabel,
    /// 6: prefer higher precedence.
    HigherPrecedence,
    /// 7: prefer native transport.
    NativeTransport,
    /// 8: prefer smaller scope.
    SmallerScope,
    /// 9: use longest matching prefix.
    LongestPrefix,
    /// 10: otherwise, leave the order unchanged.
    Unchanged,
}

impl Rule {
    /// Its number.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Its name in the RFC, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Rule::AvoidUnusable => "avoid unusable destinations",
            Rule::MatchingScope => "prefer matching scope",
            Rule::AvoidDeprecated => "avoid deprecated addresses",
            Rule::HomeAddress => "prefer home addresses",
            Rule::MatchingLabel => "prefer matching label",
            Rule::HigherPrecedence => "prefer higher precedence",
            Rule::NativeTransport => "prefer native transport",
            Rule::SmallerScope => "prefer smaller scope",
            Rule::LongestPrefix => "use longest matching prefix",
            Rule::Unchanged => "leave the order unchanged",
        }
    }
}

/// What a rule says of two destinations.
type Ask = fn(&Destination, &Destination, &Policy) -> Ordering;

/// Which of two comes first, and the rule that says so.
pub fn compare(a: &Destination, b: &Destination, policy: &Policy) -> (Ordering, Rule) {
    let rules: [(Rule, Ask); 9] = [
        (Rule::AvoidUnusable, |a, b, _| prefer(a.source.is_some(), b.source.is_some())),
        (Rule::MatchingScope, |a, b, policy| {
            let matches = |one: &Destination| {
                one.source.is_some_and(|source| policy.scope(one.address) == policy.scope(source.address))
            };
            prefer(matches(a), matches(b))
        }),
        (Rule::AvoidDeprecated, |a, b, _| flag(a, b, |source| !source.is_deprecated)),
        (Rule::HomeAddress, |a, b, _| flag(a, b, |source| source.is_home)),
        (Rule::MatchingLabel, |a, b, policy| {
            let matches = |one: &Destination| {
                one.source.is_some_and(|source| {
                    policy.label(one.address).value == policy.label(source.address).value
                })
            };
            prefer(matches(a), matches(b))
        }),
        (Rule::HigherPrecedence, |a, b, policy| {
            policy.precedence(b.address).value.cmp(&policy.precedence(a.address).value)
        }),
        (Rule::NativeTransport, |a, b, _| flag(a, b, |source| !source.is_tunnelled)),
        (Rule::SmallerScope, |a, b, policy| policy.scope(a.address).cmp(&policy.scope(b.address))),
        (Rule::LongestPrefix, |a, b, policy| longest_prefix(a, b, policy)),
    ];
    let decided = rules.iter().map(|(rule, ask)| (ask(a, b, policy), *rule));
    decided.into_iter().find(|(order, _)| order.is_ne()).unwrap_or((Ordering::Equal, Rule::Unchanged))
}

/// The one for which it holds comes first.
fn prefer(a: bool, b: bool) -> Ordering {
    b.cmp(&a)
}

fn flag(a: &Destination, b: &Destination, holds: impl Fn(&Source) -> bool) -> Ordering {
    match (&a.source, &b.source) {
        (Some(a), Some(b)) => prefer(holds(a), holds(b)),
        _ => Ordering::Equal,
    }
}

fn longest_prefix(a: &Destination, b: &Destination, policy: &Policy) -> Ordering {
    if a.address.is_ipv4() != b.address.is_ipv4() {
        return Ordering::Equal;
    }
    let common = |one: &Destination| {
        let source = one.source?;
        let same = common_prefix(source.address, one.address);
        Some(match (policy.is_rfc_3484, one.address.is_ipv4()) {
            (true, true) if same < source.prefix => 0,
            (true, _) => same,
            (false, _) => same.min(source.prefix),
        })
    };
    common(b).cmp(&common(a))
}

/// How many bits two addresses begin with that are the same: RFC 6724 §2.2.
pub fn common_prefix(a: IpAddr, b: IpAddr) -> u8 {
    let zeros = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros(),
        _ => 0,
    };
    u8::try_from(zeros).unwrap_or(0)
}

/// The addresses in the order of the rules, each with the rule that puts it before the next.
pub fn sorted(destinations: &[Destination], policy: &Policy) -> Vec<(Destination, Rule)> {
    let mut ordered = destinations.to_vec();
    // Rule 9 can make circles (RFC 6724 §6), with which sort_by may panic.
    insertion_sort(&mut ordered, policy);
    let rule = |at: usize| match (ordered.get(at), ordered.get(at + 1)) {
        (Some(here), Some(next)) => compare(here, next, policy).1,
        _ => Rule::Unchanged,
    };
    ordered.iter().enumerate().map(|(at, one)| (*one, rule(at))).collect()
}

fn insertion_sort(ordered: &mut [Destination], policy: &Policy) {
    for end in 1..ordered.len() {
        let mut at = end;
        while at > 0 && compare(&ordered[at], &ordered[at - 1], policy).0.is_lt() {
            ordered.swap(at, at - 1);
            at -= 1;
        }
    }
}
