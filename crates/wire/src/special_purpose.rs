//! What an address is for: the IANA special-purpose registries (RFC 6890, RFC 8190), multicast, and the scope in which an
//! address means something (RFC 4007). Read first: RFC 6890 §2.2, RFC 4291 §2.
//!
//! The narrowest block counts: 192.0.0.9 is the Port Control Protocol's anycast address, though it lies in a block of
//! which nothing is to be used.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

mod registry;

pub use registry::{Block, REGISTRY};

/// Where an address means something. In the order of their width, as RFC 4007 §5 and RFC 6724 §3.1 compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// In one interface of a host: RFC 4291 §2.7.
    InterfaceLocal,
    /// On one link.
    LinkLocal,
    /// In what an administrator takes for one realm: RFC 7346 §2.
    RealmLocal,
    /// In the smallest scope that an administrator configures.
    AdminLocal,
    /// In one site.
    SiteLocal,
    /// In one organization.
    OrganizationLocal,
    /// Everywhere.
    Global,
    /// A multicast scope without a name: its four bits.
    Other(u8),
}

impl Scope {
    /// The four bits that a multicast address says it with: RFC 7346 §2.
    pub fn number(self) -> u8 {
        match self {
            Scope::InterfaceLocal => 1,
            Scope::LinkLocal => 2,
            Scope::RealmLocal => 3,
            Scope::AdminLocal => 4,
            Scope::SiteLocal => 5,
            Scope::OrganizationLocal => 8,
            Scope::Global => 14,
            Scope::Other(bits) => bits,
        }
    }

    /// In words, as the RFCs have it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::InterfaceLocal => "interface-local",
            Scope::LinkLocal => "link-local",
            Scope::RealmLocal => "realm-local",
            Scope::AdminLocal => "admin-local",
            Scope::SiteLocal => "site-local",
            Scope::OrganizationLocal => "organization-local",
            Scope::Global => "global",
            Scope::Other(_) => "unassigned",
        }
    }

    fn of_bits(bits: u8) -> Scope {
        match bits {
            1 => Scope::InterfaceLocal,
            2 => Scope::LinkLocal,
            3 => Scope::RealmLocal,
            4 => Scope::AdminLocal,
            5 => Scope::SiteLocal,
            8 => Scope::OrganizationLocal,
            14 => Scope::Global,
            other => Scope::Other(other),
        }
    }
}

/// The scope of an address as RFC 6724 §3.1, §3.2 compares them: loopback addresses are link-local, IPv4's private ones
/// global.
pub fn scope(address: IpAddr) -> Scope {
    match address.to_canonical() {
        IpAddr::V4(four) if four.is_loopback() || four.is_link_local() => Scope::LinkLocal,
        IpAddr::V4(four) if four.is_multicast() => multicast_scope_v4(four),
        IpAddr::V4(_) => Scope::Global,
        IpAddr::V6(six) if six.is_multicast() => Scope::of_bits(six.octets()[1] & 0x0f),
        IpAddr::V6(six) if six.is_loopback() || six.is_unicast_link_local() => Scope::LinkLocal,
        IpAddr::V6(six) if is_site_local(six) => Scope::SiteLocal,
        IpAddr::V6(_) => Scope::Global,
    }
}

/// fec0::/10, which RFC 3879 took out of use.
fn is_site_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfec0
}

/// RFC 2365 §6 and §8: 224.0.0.0/24 stays on the link, 239.255.0.0/16 is local, 239.192.0.0/14 an organization's.
fn multicast_scope_v4(address: Ipv4Addr) -> Scope {
    match address.octets() {
        [224, 0, 0, _] => Scope::LinkLocal,
        [239, 255, _, _] => Scope::SiteLocal,
        [239, 192..=195, _, _] => Scope::OrganizationLocal,
        [239, _, _, _] => Scope::AdminLocal,
        _ => Scope::Global,
    }
}

/// The narrowest block that the registries have for an address; none for an ordinary one.
pub fn block(address: IpAddr) -> Option<&'static Block> {
    REGISTRY.iter().filter(|block| block.has(address)).max_by_key(|block| block.prefix)
}

/// What an address is, in a few words and with the document that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// In lower case: `private-use`, `multicast`, `global unicast`.
    pub name: &'static str,
    /// The document.
    pub document: &'static str,
}

/// What an address is.
pub fn kind(address: IpAddr) -> Kind {
    if let Some(block) = block(address) {
        return Kind { name: block.name, document: block.document };
    }
    let (name, document) = match address {
        IpAddr::V4(four) if four.is_multicast() => multicast_v4(four),
        IpAddr::V4(_) => ("public unicast", "RFC 4632 §3"),
        IpAddr::V6(six) if six.is_multicast() => multicast_v6(six),
        IpAddr::V6(six) if is_site_local(six) => ("site-local unicast, out of use", "RFC 3879"),
        IpAddr::V6(six) if six.segments()[0] & 0xe000 == 0x2000 => ("global unicast", "RFC 4291 §2.5.4"),
        IpAddr::V6(six) if six.octets()[..12] == [0; 12] => {
            ("IPv4-compatible, out of use", "RFC 4291 §2.5.5.1")
        }
        IpAddr::V6(_) => ("reserved by the IETF, unassigned", "RFC 4291 §2.4"),
    };
    Kind { name, document }
}

/// Whether packets to it can cross the Internet, where the registries leave no doubt.
pub fn is_globally_reachable(address: IpAddr) -> Option<bool> {
    match block(address) {
        Some(block) => block.globally_reachable,
        None => match address {
            IpAddr::V4(_) => Some(scope(address) == Scope::Global),
            IpAddr::V6(six) if six.is_multicast() => Some(scope(address) == Scope::Global),
            // Only 2000::/3 has been handed out.
            IpAddr::V6(six) => Some(six.segments()[0] & 0xe000 == 0x2000),
        },
    }
}

/// RFC 5771 §3 on.
fn multicast_v4(address: Ipv4Addr) -> (&'static str, &'static str) {
    match address.octets() {
        [224, 0, 0, _] => ("multicast, local network control", "RFC 5771 §4"),
        [224, 0, 1, _] => ("multicast, internetwork control", "RFC 5771 §5"),
        [232, _, _, _] => ("multicast, source-specific", "RFC 4607"),
        [233, 252..=255, _, _] => ("multicast, AD-HOC III", "RFC 5771 §9.1"),
        [233, _, _, _] => ("multicast, GLOP", "RFC 3180"),
        [234, _, _, _] => ("multicast, unicast-prefix-based", "RFC 6034"),
        [239, _, _, _] => ("multicast, administratively scoped", "RFC 2365"),
        _ => ("multicast", "RFC 5771"),
    }
}

/// RFC 4291 §2.7 with the flags of RFC 3306 and RFC 3956.
fn multicast_v6(address: Ipv6Addr) -> (&'static str, &'static str) {
    let octets = address.octets();
    if octets[..13] == [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff] {
        return ("multicast, solicited-node", "RFC 4291 §2.7.1");
    }
    match octets[1] >> 4 {
        0 => ("multicast, well-known", "RFC 4291 §2.7"),
        1 => ("multicast, transient", "RFC 4291 §2.7"),
        3 if address.segments()[1] & 0xff == 0 && octets[4..12] == [0; 8] => {
            ("multicast, source-specific", "RFC 4607")
        }
        3 => ("multicast, unicast-prefix-based", "RFC 3306"),
        7 => ("multicast with its rendezvous point", "RFC 3956"),
        _ => ("multicast, reserved flags", "RFC 7371"),
    }
}

/// The name of a well-known group: the IANA registries of IPv4 and IPv6 multicast addresses.
pub fn group_name(address: IpAddr) -> Option<&'static str> {
    const FOUR: [(u32, &str); 13] = [
        (0xe000_0001, "all hosts on this link"),
        (0xe000_0002, "all routers on this link"),
        (0xe000_0005, "OSPF routers"),
        (0xe000_0006, "OSPF designated routers"),
        (0xe000_0009, "RIPv2 routers"),
        (0xe000_000d, "PIM routers"),
        (0xe000_0012, "VRRP"),
        (0xe000_0016, "IGMPv3 routers"),
        (0xe000_00fb, "mDNS"),
        (0xe000_00fc, "LLMNR"),
        (0xe000_0101, "NTP"),
        (0xe000_0181, "PTP"),
        (0xefff_fffa, "SSDP"),
    ];
    const SIX: [([u16; 3], &str); 12] = [
        // The scope's four bits are left out; the groups are the same in every scope (RFC 4291 §2.7.1).
        ([0, 0, 1], "all nodes"),
        ([0, 0, 2], "all routers"),
        ([0, 0, 5], "OSPF routers"),
        ([0, 0, 6], "OSPF designated routers"),
        ([0, 0, 9], "RIPng routers"),
        ([0, 0, 0xd], "PIM routers"),
        ([0, 0, 0x16], "MLDv2 routers"),
        ([0, 0, 0xfb], "mDNS"),
        ([0, 0, 0x101], "NTP"),
        ([0, 1, 2], "DHCP servers and relay agents"),
        ([0, 1, 3], "DHCP servers, or LLMNR"),
        ([0, 0, 0xc], "SSDP"),
    ];
    match address {
        IpAddr::V4(four) => FOUR.iter().find(|(bits, _)| u32::from(four) == *bits).map(|(_, name)| *name),
        IpAddr::V6(six) => {
            let segments = six.segments();
            let is_well_known = segments[0] & 0xfff0 == 0xff00 && segments[1..5] == [0; 4];
            let found = SIX.iter().find(|(tail, _)| is_well_known && segments[5..] == *tail);
            found.map(|(_, name)| *name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn addresses_have_the_kind_that_their_document_says() {
        let cases = [
            ("192.168.1.4", "private-use", "RFC 1918"),
            ("172.31.255.255", "private-use", "RFC 1918"),
            ("172.32.0.0", "public unicast", "RFC 4632 §3"),
            ("100.64.0.1", "shared address space", "RFC 6598"),
            ("127.0.0.1", "loopback", "RFC 1122 §3.2.1.3"),
            ("0.0.0.0", "this host on this network", "RFC 1122 §3.2.1.3"),
            ("0.0.0.1", "this network", "RFC 791 §3.2"),
            ("169.254.1.1", "link-local", "RFC 3927"),
            ("192.0.0.9", "Port Control Protocol anycast", "RFC 7723"),
            ("192.0.2.1", "documentation (TEST-NET-1)", "RFC 5737"),
            ("255.255.255.255", "limited broadcast", "RFC 919 §7"),
            ("250.0.0.1", "reserved", "RFC 1112 §4"),
            ("239.255.255.250", "multicast, administratively scoped", "RFC 2365"),
            ("8.8.8.8", "public unicast", "RFC 4632 §3"),
            ("::", "unspecified", "RFC 4291 §2.5.2"),
            ("::1", "loopback", "RFC 4291 §2.5.3"),
            ("::ffff:1.2.3.4", "IPv4-mapped", "RFC 4291 §2.5.5.2"),
            ("64:ff9b::1", "IPv4-IPv6 translation", "RFC 6052"),
            ("2001::1", "Teredo", "RFC 4380"),
            ("2001:db8::1", "documentation", "RFC 3849"),
            ("3fff:fff::1", "documentation", "RFC 9637"),
            ("2001:20::1", "ORCHIDv2", "RFC 7343"),
            ("2002::1", "6to4", "RFC 3056"),
            ("fd00::1", "unique-local", "RFC 4193"),
            ("fe80::1", "link-local unicast", "RFC 4291 §2.5.6"),
            ("febf::1", "link-local unicast", "RFC 4291 §2.5.6"),
            ("fec0::1", "site-local unicast, out of use", "RFC 3879"),
            ("ff02::1:ff00:1", "multicast, solicited-node", "RFC 4291 §2.7.1"),
            ("2a00::1", "global unicast", "RFC 4291 §2.5.4"),
            ("4000::1", "reserved by the IETF, unassigned", "RFC 4291 §2.4"),
            ("::1.2.3.4", "IPv4-compatible, out of use", "RFC 4291 §2.5.5.1"),
        ];
        for (text, name, document) in cases {
            assert_eq!(kind(address(text)), Kind { name, document }, "{text}");
        }
    }

    /// RFC 6724 §3.1, §3.2.
    #[test]
    fn scopes_are_those_of_rfc_6724() {
        let cases = [
            ("127.0.0.1", Scope::LinkLocal),
            ("169.254.1.1", Scope::LinkLocal),
            ("10.1.2.3", Scope::Global),
            ("::ffff:127.0.0.1", Scope::LinkLocal),
            ("::1", Scope::LinkLocal),
            ("fe80::1", Scope::LinkLocal),
            ("fec0::1", Scope::SiteLocal),
            ("fd00::1", Scope::Global),
            ("ff01::1", Scope::InterfaceLocal),
            ("ff05::1:3", Scope::SiteLocal),
            ("ff0e::1", Scope::Global),
            ("ff06::1", Scope::Other(6)),
            ("224.0.0.251", Scope::LinkLocal),
            ("239.195.0.1", Scope::OrganizationLocal),
        ];
        for (text, expected) in cases {
            assert_eq!(scope(address(text)), expected, "{text}");
        }
        assert!(Scope::LinkLocal.number() < Scope::SiteLocal.number());
        assert_eq!(Scope::Global.number(), 0xe);
    }

    #[test]
    fn what_crosses_the_internet_is_told() {
        let cases = [
            ("8.8.8.8", Some(true)),
            ("10.0.0.1", Some(false)),
            ("192.0.0.10", Some(true)),
            ("192.0.0.11", Some(false)),
            ("2002::1", None),
            ("2600::1", Some(true)),
            ("4000::1", Some(false)),
            ("fe80::1", Some(false)),
        ];
        for (text, expected) in cases {
            assert_eq!(is_globally_reachable(address(text)), expected, "{text}");
        }
    }

    #[test]
    fn groups_have_names() {
        assert_eq!(group_name(address("224.0.0.251")), Some("mDNS"));
        assert_eq!(group_name(address("ff02::fb")), Some("mDNS"));
        assert_eq!(group_name(address("ff05::fb")), Some("mDNS"));
        assert_eq!(group_name(address("ff12::fb")), None);
        assert_eq!(group_name(address("10.0.0.1")), None);
    }
}
