//! /etc/gai.conf: gai.conf(5). A table with one row of its own replaces glibc's whole table of that kind.

use std::net::{IpAddr, Ipv6Addr};

use super::{Policy, Row};

/// More lines than any table needs.
const MOST_LINES: usize = 10_000;

impl Policy {
    /// The policy with what a gai.conf says. Lines that say nothing are passed over, as glibc does.
    #[must_use]
    pub fn with_gai_conf(mut self, text: &str) -> Policy {
        let (mut precedences, mut labels, mut scopes) = (Vec::new(), Vec::new(), Vec::new());
        for line in text.lines().take(MOST_LINES) {
            let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            let [keyword, network, value] = words.as_slice() else { continue };
            let Some(row) = row(network, value) else { continue };
            match *keyword {
                "precedence" => precedences.push(row),
                "label" => labels.push(row),
                "scopev4" => scopes.push(row),
                _ => {}
            }
        }
        for (table, set) in
            [(&mut self.precedences, precedences), (&mut self.labels, labels), (&mut self.scopes, scopes)]
        {
            if !set.is_empty() {
                *table = set;
                self.name = "/etc/gai.conf";
            }
        }
        self
    }
}

fn row(network: &str, value: &str) -> Option<Row<u32>> {
    let (address, prefix) = network.split_once('/').map_or((network, None), |(a, p)| (a, Some(p)));
    let (first, most): (Ipv6Addr, u8) = match address.parse().ok()? {
        // A scope is IPv4's, and its prefix may be written as one of 32 bits.
        IpAddr::V4(four) => (four.to_ipv6_mapped(), 32),
        IpAddr::V6(six) => (six, 128),
    };
    let prefix: u8 = prefix.map_or(Some(most), |digits| digits.parse().ok()).filter(|bits| *bits <= most)?;
    let prefix = if most == 32 { prefix + 96 } else { prefix };
    Some(Row { first, prefix, value: value.parse().ok()? })
}
