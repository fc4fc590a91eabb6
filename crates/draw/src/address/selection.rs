//! The addresses of a name, in their order, and the rule of RFC 6724 behind it.

use std::cmp::Ordering;

use wire::address_selection::{Destination, Policy, Rule, compare};

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
