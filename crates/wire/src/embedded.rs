//! Addresses inside addresses: the IPv4 address, the hardware address or the network that an IPv6 address carries, and the
//! forms in which an IPv4 address appears in IPv6. Read first: RFC 4291 §2.5, RFC 6052 §2.
//!
//! Only what a prefix or a mark says is told. An interface identifier with `ff:fe` in its middle is taken for an EUI-64
//! (RFC 4291 appendix A), as everything else does.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A hardware address of 48 bits.
pub type Mac = [u8; 6];

/// What an IPv6 address carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embedded {
    /// An IPv4 address on a socket for both families: ::ffff:0:0/96, RFC 4291 §2.5.5.2.
    Mapped(Ipv4Addr),
    /// The form that is out of use: ::/96, RFC 4291 §2.5.5.1.
    Compatible(Ipv4Addr),
    /// The router of a 6to4 site: 2002::/16, RFC 3056.
    SixToFour(Ipv4Addr),
    /// A Teredo client: RFC 4380 §4.
    Teredo(Teredo),
    /// An IPv4 host behind a translator: 64:ff9b::/96, RFC 6052 §2.1.
    Nat64(Ipv4Addr),
    /// The same behind a site's own translator, were its prefix the longest of 64:ff9b:1::/48, /96 (RFC 8215).
    LocalNat64(Ipv4Addr),
    /// An IPv4 host of a site that tunnels: RFC 5214 §6.1.
    Isatap(Ipv4Addr),
    /// The hardware address from which the interface identifier was made: RFC 4291 appendix A.
    Eui64(Mac),
    /// What the last 24 bits of the address are for which a neighbour is asked: RFC 4291 §2.7.1.
    SolicitedNode([u8; 3]),
    /// The network whose owner may give out this group: RFC 3306 §4.
    GroupPrefix(Ipv6Addr, u8),
    /// The rendezvous point of the group: RFC 3956 §3.
    RendezvousPoint(Ipv6Addr),
    /// The random part of a unique-local prefix and the subnet behind it: RFC 4193 §3.1.
    UniqueLocal {
        /// 40 bits.
        global_id: u64,
        /// 16 bits.
        subnet: u16,
    },
}

/// What a Teredo address holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Teredo {
    /// Its server.
    pub server: Ipv4Addr,
    /// The client as the server sees it.
    pub client: Ipv4Addr,
    /// Its port there.
    pub port: u16,
    /// The flags.
    pub flags: u16,
}

impl Embedded {
    /// Where that is defined.
    pub fn document(&self) -> &'static str {
        match self {
            Embedded::Mapped(_) => "RFC 4291 §2.5.5.2",
            Embedded::Compatible(_) => "RFC 4291 §2.5.5.1",
            Embedded::SixToFour(_) => "RFC 3056 §2",
            Embedded::Teredo(_) => "RFC 4380 §4",
            Embedded::Nat64(_) => "RFC 6052 §2",
            Embedded::LocalNat64(_) => "RFC 8215",
            Embedded::Isatap(_) => "RFC 5214 §6.1",
            Embedded::Eui64(_) => "RFC 4291 appendix A",
            Embedded::SolicitedNode(_) => "RFC 4291 §2.7.1",
            Embedded::GroupPrefix(..) => "RFC 3306 §4",
            Embedded::RendezvousPoint(_) => "RFC 3956 §3",
            Embedded::UniqueLocal { .. } => "RFC 4193 §3.1",
        }
    }

    /// The IPv4 address, where there is just one.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        match self {
            Embedded::Mapped(four)
            | Embedded::Compatible(four)
            | Embedded::SixToFour(four)
            | Embedded::Nat64(four)
            | Embedded::LocalNat64(four)
            | Embedded::Isatap(four) => Some(*four),
            Embedded::Teredo(teredo) => Some(teredo.client),
            _ => None,
        }
    }
}

/// All that an address carries; a 6to4 address may hold a hardware address too.
pub fn embedded(address: Ipv6Addr) -> Vec<Embedded> {
    let segments = address.segments();
    let mut found = Vec::new();
    found.extend(by_prefix(address));
    if address.is_multicast() {
        found.extend(group(address));
    } else if segments[4] & 0xfdff == 0 && segments[5] == 0x5efe {
        found.push(Embedded::Isatap(four_at(segments[6], segments[7])));
    } else if segments[0] & 0xe000 != 0 && !matches!(found[..], [Embedded::Teredo(_)]) {
        // Addresses that begin with 000 have no interface identifier: RFC 4291 §2.5.1.
        found.extend(hardware_address(address).map(Embedded::Eui64));
    }
    found
}

fn by_prefix(address: Ipv6Addr) -> Option<Embedded> {
    let segments = address.segments();
    let last = four_at(segments[6], segments[7]);
    match segments {
        [0, 0, 0, 0, 0, 0xffff, _, _] => Some(Embedded::Mapped(last)),
        // :: and ::1 are no IPv4 addresses.
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) > (0, 1) => Some(Embedded::Compatible(last)),
        [0x2002, high, low, ..] => Some(Embedded::SixToFour(four_at(high, low))),
        [0x2001, 0, high, low, flags, port, ..] => Some(Embedded::Teredo(Teredo {
            server: four_at(high, low),
            // Turned over, so that no translator on the way finds them: RFC 4380 §4.
            client: four_at(!segments[6], !segments[7]),
            port: !port,
            flags,
        })),
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(Embedded::Nat64(last)),
        [0x64, 0xff9b, 1, _, _, _, _, _] => Some(Embedded::LocalNat64(last)),
        [first, second, third, subnet, ..] if first & 0xfe00 == 0xfc00 => Some(Embedded::UniqueLocal {
            global_id: u64::from(first & 0xff) << 32 | u64::from(second) << 16 | u64::from(third),
            subnet,
        }),
        _ => None,
    }
}

fn four_at(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

fn hardware_address(address: Ipv6Addr) -> Option<Mac> {
    let [.., a, b, c, 0xff, 0xfe, d, e, f] = address.octets() else { return None };
    // The bit that says "given out by hand" is turned over: RFC 4291 §2.5.1.
    Some([a ^ 0x02, b, c, d, e, f])
}

fn group(address: Ipv6Addr) -> Option<Embedded> {
    let octets = address.octets();
    if let [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, a, b, c] = octets {
        return Some(Embedded::SolicitedNode([a, b, c]));
    }
    let prefix = octets[3];
    let network = u128::from(u64::from_be_bytes(*octets[4..].first_chunk()?)) << 64;
    let network = network & u128::MAX.checked_shl(128u32.saturating_sub(prefix.into())).unwrap_or(0);
    match octets[1] >> 4 {
        3 if (1..=64).contains(&prefix) => Some(Embedded::GroupPrefix(Ipv6Addr::from(network), prefix)),
        7 if (1..=64).contains(&prefix) && octets[2] >> 4 == 0 && octets[2] != 0 => {
            Some(Embedded::RendezvousPoint(Ipv6Addr::from(network | u128::from(octets[2]))))
        }
        _ => None,
    }
}

/// ::ffff:192.0.2.1.
pub fn mapped(address: Ipv4Addr) -> Ipv6Addr {
    address.to_ipv6_mapped()
}

/// 64:ff9b::192.0.2.1, what a translator with the well-known prefix shows: RFC 6052 §2.1.
pub fn nat64(address: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from(0x0064_ff9b << 96 | u128::from(u32::from(address)))
}

/// The first address of the /48 of a 6to4 site behind this router: RFC 3056 §2.
pub fn six_to_four(address: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from(0x2002 << 112 | u128::from(u32::from(address)) << 80)
}

/// The link-local address that ISATAP gives a host: RFC 5214 §6.2; the bit of the identifier says whether the address is
/// a public one (§6.1).
pub fn isatap(address: Ipv4Addr, is_public: bool) -> Ipv6Addr {
    let mark = if is_public { 0x0200_5efe } else { 0x0000_5efe };
    Ipv6Addr::from(0xfe80 << 112 | mark << 32 | u128::from(u32::from(address)))
}

/// The link-local address that is made from a hardware address: RFC 4291 §2.5.6, appendix A.
pub fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let identifier = u64::from_be_bytes([a ^ 0x02, b, c, 0xff, 0xfe, d, e, f]);
    Ipv6Addr::from(0xfe80 << 112 | u128::from(identifier))
}

/// The group that is asked for the neighbour with this address: RFC 4291 §2.7.1.
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from(0xff02_0000_0000_0000_0000_0001_ff00_0000 | u128::from(address) & 0x00ff_ffff)
}

/// The Ethernet address of a multicast group: RFC 1112 §6.4, RFC 2464 §7.
pub fn group_mac(address: std::net::IpAddr) -> Option<Mac> {
    match address {
        std::net::IpAddr::V4(four) if four.is_multicast() => {
            let [_, b, c, d] = four.octets();
            Some([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        std::net::IpAddr::V6(six) if six.is_multicast() => {
            let [.., a, b, c, d] = six.octets();
            Some([0x33, 0x33, a, b, c, d])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn six(text: &str) -> Ipv6Addr {
        text.parse().expect(text)
    }

    fn four(text: &str) -> Ipv4Addr {
        text.parse().expect(text)
    }

    #[test]
    fn what_is_embedded_is_found() {
        let cases = [
            ("::ffff:192.0.2.1", Embedded::Mapped(four("192.0.2.1"))),
            ("::192.0.2.1", Embedded::Compatible(four("192.0.2.1"))),
            ("2002:c000:204::", Embedded::SixToFour(four("192.0.2.4"))),
            ("64:ff9b::192.0.2.33", Embedded::Nat64(four("192.0.2.33"))),
            ("fe80::5efe:192.0.2.1", Embedded::Isatap(four("192.0.2.1"))),
            ("2001:db8::200:5efe:192.0.2.1", Embedded::Isatap(four("192.0.2.1"))),
            // RFC 2464 §4.
            ("fe80::3656:78ff:fe9a:bcde", Embedded::Eui64([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde])),
            // RFC 4291 §2.7.1.
            ("ff02::1:ff0e:8c6c", Embedded::SolicitedNode([0x0e, 0x8c, 0x6c])),
            // RFC 3306 §8, RFC 3956 §3.
            ("ff3e:0030:3ffe:ffff:0001::", Embedded::GroupPrefix(six("3ffe:ffff:1::"), 48)),
            ("ff7e:120:2001:db8::1234", Embedded::RendezvousPoint(six("2001:db8::1"))),
            ("fd12:3456:789a:1::1", Embedded::UniqueLocal { global_id: 0x12_3456_789a, subnet: 1 }),
        ];
        for (text, expected) in cases {
            assert_eq!(embedded(six(text)), [expected], "{text}");
        }
        for text in ["::", "::1", "2001:db8::1", "fe80::1", "ff02::1"] {
            assert_eq!(embedded(six(text)), [], "{text}");
        }
    }

    /// RFC 4380 §4: what is obscured, and how.
    #[test]
    fn teredo_turns_client_and_port_over() {
        let expected =
            Teredo { server: four("65.54.227.120"), client: four("192.0.2.45"), port: 40000, flags: 0x8000 };
        let found = embedded(six("2001:0:4136:e378:8000:63bf:3fff:fdd2"));
        assert_eq!(found, [Embedded::Teredo(expected)]);
    }

    #[test]
    fn groups_have_hardware_addresses() {
        // RFC 1112 §6.4: the high bit of the second octet is lost. RFC 2464 §7.
        let mac = |text: &str| group_mac(text.parse().expect(text));
        assert_eq!(mac("239.129.2.3"), Some([1, 0, 0x5e, 1, 2, 3]));
        assert_eq!(mac("ff02::1:ff0e:8c6c"), Some([0x33, 0x33, 0xff, 0x0e, 0x8c, 0x6c]));
        assert_eq!((mac("10.0.0.1"), mac("::1")), (None, None));
        assert_eq!(solicited_node(six("4037::01:800:200e:8c6c")), six("ff02::1:ff0e:8c6c"));
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(bits: u32, mac: [u8; 6], public: bool) {
            let address = Ipv4Addr::from(bits);
            prop_assert_eq!(embedded(mapped(address)), [Embedded::Mapped(address)]);
            prop_assert_eq!(embedded(nat64(address)), [Embedded::Nat64(address)]);
            prop_assert_eq!(embedded(six_to_four(address)), [Embedded::SixToFour(address)]);
            prop_assert_eq!(embedded(isatap(address, public)), [Embedded::Isatap(address)]);
            prop_assert_eq!(embedded(link_local(mac)), [Embedded::Eui64(mac)]);
        }

        #[test]
        fn any_address_is_looked_into(bits: u128) {
            prop_assert!(embedded(Ipv6Addr::from(bits)).len() <= 2);
        }
    }
}
