//! What this kernel says of ports: which it gives out by itself, and from which on anybody may bind. Read first: ip(7),
//! ip_local_port_range, ip_local_reserved_ports; ip_unprivileged_port_start in the kernel's ip-sysctl.

use std::fs;
use std::ops::RangeInclusive;

/// The ports of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Those that it gives out where none was asked for.
    pub ephemeral: Option<RangeInclusive<u16>>,
    /// The first that anybody may bind.
    pub unprivileged_from: Option<u32>,
    /// Those in the ephemeral range that it does not give out.
    pub reserved: Vec<RangeInclusive<u16>>,
}

/// Asks for them; what cannot be read stays absent.
pub fn here() -> Ports {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
    Ports {
        ephemeral: pair(&read("ip_local_port_range")),
        unprivileged_from: read("ip_unprivileged_port_start").trim().parse().ok(),
        reserved: list(&read("ip_local_reserved_ports")),
    }
}

fn pair(text: &str) -> Option<RangeInclusive<u16>> {
    let mut words = text.split_whitespace();
    Some(words.next()?.parse().ok()?..=words.next()?.parse().ok()?)
}

/// `8080,9000-9010`.
fn list(text: &str) -> Vec<RangeInclusive<u16>> {
    let range = |word: &str| {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_are_read() {
        assert_eq!(pair("32768\t60999\n"), Some(32768..=60999));
        assert_eq!(pair("\n"), None);
        assert_eq!(list("8080,9000-9010\n"), [8080..=8080, 9000..=9010]);
        assert_eq!(list("\n"), []);
        assert!(here().ephemeral.is_some_and(|range| range.start() < range.end()));
    }

    /// What the kernel gives out is in the range that it tells.
    #[test]
    fn a_port_that_was_not_asked_for_is_ephemeral() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let port = socket.local_addr().expect("bound").port();
        assert!(here().ephemeral.is_some_and(|range| range.contains(&port)));
    }
}
