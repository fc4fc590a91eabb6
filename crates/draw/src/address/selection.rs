//! The addresses of a name, in their order, and the rule of RFC 6724 §6 behind it; and from which of ours each is
//! called, with the rules of §5 behind that.

use std::cmp::Ordering;
use std::net::IpAddr;

use wire::address_selection::{Candidate, Destination, Outward, Policy, Rule, SourceRule, compare};
use wire::visible;

use crate::Style;
use crate::columns::wrap;
use crate::grid::Grid;

/// A table of the addresses in the resolver's order, each with why it stands before the next.
pub fn why(destinations: &[Destination], policy: &Policy, style: &Style) -> String {
    let mut grid = Grid::new(&["", "address", "from", "scope", "label", "prec."]);
    for (at, one) in destinations.iter().enumerate() {
        let (precedence, label) = (policy.precedence(one.address), policy.label(one.address));
        let from = one.source.map_or_else(|| "no way there".to_owned(), |source| source.address.to_string());
        grid.row([
            (at + 1).to_string(),
            one.address.to_string(),
            from,
            policy.scope(one.address).to_string(),
            label.value.to_string(),
            precedence.value.to_string(),
        ]);
    }
    let mut text = grid.draw(style);
    let pairs = destinations.iter().zip(destinations.iter().skip(1)).enumerate();
    let mut lines: Vec<String> =
        pairs.map(|(at, (here, next))| between(at + 1, here, next, policy)).collect();
    if destinations.len() > 1 {
        lines.insert(0, format!("By the table of {}:", policy.name));
        text.push('\n');
    }
    for line in lines.iter().flat_map(|line| wrap(line, style.width.max(40))) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// As many addresses are named that one rule puts behind the one that is used.
const NAMED: usize = 4;

/// The way to a destination, and who might have been its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What decides.
    pub outward: Outward,
    /// The address that the kernel takes; none where there is no way.
    pub source: Option<IpAddr>,
    /// The interface's name.
    pub interface: Option<String>,
    /// The router.
    pub gateway: Option<IpAddr>,
    /// Our addresses that came into question, the source among them.
    pub candidates: Vec<Candidate>,
}

impl Way {
    /// The others that came into question, each with whether the rules put it behind the source, and which rule.
    pub fn others(&self) -> impl Iterator<Item = (IpAddr, Ordering, Option<SourceRule>)> + '_ {
        let source = self.candidates.iter().find(|one| Some(one.address) == self.source);
        // The rules are for IPv6 only: RFC 6724 §5.
        let source = source.filter(|source| source.address.is_ipv6());
        let others = self.candidates.iter().filter(|one| Some(one.address) != self.source);
        others.filter_map(move |other| {
            let (order, rule) = self.outward.compare(source?, other);
            Some((other.address, order, rule))
        })
    }
}

/// Why each destination is called from the address that it is called from.
pub fn sources(ways: &[Way], style: &Style) -> String {
    let mut text = String::from("From where, by RFC 6724 §5:\n");
    for (at, way) in ways.iter().enumerate().filter(|(_, way)| way.source.is_some()) {
        for line in wrap(&because(at + 1, way, style.ascii), style.width.max(40)) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn because(number: usize, way: &Way, ascii: bool) -> String {
    let Some(source) = way.source else { return String::new() };
    let mut out = format!("{number} from {source}");
    let by = way.interface.as_ref().map(|name| format!("by {}", visible(name, ascii)));
    let through = way.gateway.map(|gateway| format!("through {gateway}"));
    let path: Vec<String> = by.into_iter().chain(through).collect();
    if !path.is_empty() {
        out.push_str(&format!(" ({})", path.join(" ")));
    }
    if source.is_ipv4() {
        return out + ": the route names it; the rules are for IPv6 only";
    }
    let all: Vec<_> = way.others().collect();
    let of = |order: Ordering, rule: Option<SourceRule>| {
        let fitting = all.iter().filter(|(_, is, by)| (*is, *by) == (order, rule));
        fitting.map(|(address, ..)| *address).collect::<Vec<_>>()
    };
    let mut reasons = Vec::new();
    for rule in SourceRule::ALL {
        let name = format!("rule {}, {}", rule.number(), rule.name());
        reasons
            .extend(named(&of(Ordering::Less, Some(rule))).map(|those| format!("before {those} by {name}")));
        reasons.extend(named(&of(Ordering::Greater, Some(rule))).map(|those| {
            format!("although {name} would rather have {those}: the route, or how it is set up, says so")
        }));
    }
    let equals = named(&of(Ordering::Equal, None));
    reasons.extend(
        equals.map(|those| format!("no rule speaks against {those}: the kernel takes the first it finds")),
    );
    if reasons.is_empty() {
        reasons.push("no other comes into question".to_owned());
    }
    format!("{out}: {}", reasons.join("; "))
}

/// `a, b and 3 more`; none of none.
fn named(addresses: &[IpAddr]) -> Option<String> {
    let shown: Vec<String> = addresses.iter().take(NAMED).map(ToString::to_string).collect();
    let more = addresses.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!shown.is_empty()).then(|| shown.join(", ") + &rest)
}

/// Why one stands before the next, in a sentence.
fn between(number: usize, here: &Destination, next: &Destination, policy: &Policy) -> String {
    let (order, rule) = compare(here, next, policy);
    let pair = format!("{number} before {}", number + 1);
    let said = format!("{pair}: rule {}, {}", rule.number(), rule.name());
    if order == Ordering::Greater {
        return format!(
            "{pair}: the rules would have it the other way round (rule {}, {}); so it is the name server's order, or the resolver's own",
            rule.number(),
            rule.name()
        );
    }
    let because = match rule {
        Rule::AvoidUnusable => format!("there is no way to {}", next.address),
        Rule::MatchingScope => {
            format!(
                "scope {} there, and not that of the address it would be called from",
                policy.scope(next.address)
            )
        }
        Rule::MatchingLabel => "its label is that of the address it is called from".to_owned(),
        Rule::HigherPrecedence => {
            let (here, next) = (policy.precedence(here.address), policy.precedence(next.address));
            format!("{} for {here}, {} for {next}", here.value, next.value)
        }
        Rule::SmallerScope => {
            format!("{} is smaller than {}", policy.scope(here.address), policy.scope(next.address))
        }
        Rule::LongestPrefix => {
            "it has more leading bits in common with the address it is called from".to_owned()
        }
        Rule::AvoidDeprecated => "the other is called from a deprecated address".to_owned(),
        Rule::HomeAddress => "it is called from the home address".to_owned(),
        Rule::NativeTransport => "the other goes through a tunnel".to_owned(),
        Rule::Unchanged => "nothing speaks for either, so they stay as the name server gave them".to_owned(),
    };
    format!("{said}: {because}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(text: &str, interface: u32) -> Candidate {
        let address = text.parse().expect(text);
        let plain = Candidate {
            address,
            prefix: 64,
            interface,
            is_deprecated: false,
            is_home: false,
            is_temporary: false,
        };
        Candidate { is_deprecated: text.ends_with(":dead"), ..plain }
    }

    fn way(destination: &str, source: &str, candidates: &[Candidate]) -> Way {
        let outward = Outward {
            destination: destination.parse().expect(destination),
            interface: Some(2),
            prefers_temporary: false,
            policy: Policy::linux(),
        };
        Way {
            outward,
            source: source.parse().ok(),
            interface: Some("eth\u{1b}0".to_owned()),
            gateway: "fe80::1".parse().ok(),
            candidates: candidates.to_vec(),
        }
    }

    #[test]
    fn the_rule_that_puts_the_source_before_each_other_is_told() {
        let all = [
            candidate("2001:db8:1::2", 2),
            candidate("2001:db8:3::2", 2),
            candidate("fe80::2", 2),
            candidate("2001:db8:1::dead", 2),
            candidate("2001:db8:1::9", 3),
        ];
        let text = because(1, &way("2001:db8:1::1", "2001:db8:1::2", &all), true);
        assert_eq!(
            text,
            "1 from 2001:db8:1::2 (by eth\\u{1b}0 through fe80::1): before fe80::2 by rule 2, prefer appropriate scope; before \
             2001:db8:1::dead by rule 3, avoid deprecated addresses; before 2001:db8:1::9 by rule 5, prefer outgoing interface; \
             before 2001:db8:3::2 by rule 8, use longest matching prefix"
        );
    }

    #[test]
    fn what_the_rules_do_not_say_is_told_too() {
        let all = [candidate("2001:db8:1::2", 2), candidate("2001:db8:3::2", 2)];
        let against = because(2, &way("2001:db8:1::1", "2001:db8:3::2", &all), true);
        assert!(
            against.contains("although rule 8, use longest matching prefix would rather have 2001:db8:1::2"),
            "{against}"
        );
        let alone = because(2, &way("2001:db8:1::1", "2001:db8:1::2", &all[..1]), true);
        assert!(alone.ends_with(": no other comes into question"), "{alone}");
        let many: Vec<Candidate> = (1..8).map(|last| candidate(&format!("2001:db8:1::{last}"), 2)).collect();
        let equal = because(2, &way("2001:db8:1::f0", "2001:db8:1::1", &many), true);
        assert!(equal.contains("no rule speaks against 2001:db8:1::2, 2001:db8:1::3, 2001:db8:1::4, 2001:db8:1::5 and 2 more: "), "{equal}");
        let four = because(3, &way("198.51.100.1", "192.0.2.1", &[candidate("192.0.2.1", 2)]), true);
        assert!(four.ends_with("the rules are for IPv6 only"), "{four}");
    }
}
