//! In which order the addresses of a host are tried: RFC 8305 §4.

use std::collections::VecDeque;
use std::net::SocketAddr;

/// The families in turn, beginning with that of the first address: a First Address Family Count of 1. Within a family the
/// resolver's order, which is that of RFC 6724, stays.
pub(super) fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (mut same, mut other): (VecDeque<SocketAddr>, VecDeque<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv6() == first.is_ipv6());
    let mut ordered = Vec::with_capacity(addresses.len());
    while !same.is_empty() || !other.is_empty() {
        ordered.extend(same.pop_front());
        ordered.extend(other.pop_front());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|address| address.parse().expect("an address")).collect();
        interleaved(&addresses).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn families_take_turns_from_the_first_on() {
        let sorted = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "192.0.2.1:1", "192.0.2.2:1"];
        let turns = ["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1", "[2001:db8::3]:1"];
        assert_eq!(of(&sorted), turns);
        assert_eq!(
            of(&["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"]),
            ["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1"]
        );
        assert!(of(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn none_is_lost_and_each_family_keeps_its_order(families in prop::collection::vec(any::<bool>(), 0..20)) {
            let addresses: Vec<SocketAddr> = families
                .iter()
                .zip(1u16..)
                .map(|(six, port)| match six {
                    true => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port)),
                    false => SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port)),
                })
                .collect();
            let ordered = interleaved(&addresses);
            prop_assert_eq!(ordered.first(), addresses.first());
            for six in [false, true] {
                let of = |list: &[SocketAddr]| -> Vec<SocketAddr> {
                    list.iter().copied().filter(|address| address.is_ipv6() == six).collect()
                };
                prop_assert_eq!(of(&ordered), of(&addresses));
            }
        }
    }
}
