//! What the numbers in headers are called (IANA's registries, named at each table).

use std::net::{IpAddr, Ipv6Addr};

use crate::endpoint;
use crate::undecoded::ether_type_name;

/// "Protocol Numbers"; empty for the rare ones.
pub(super) fn protocol(number: u8) -> &'static str {
    match number {
        0 => "IPv6 Hop-by-Hop Options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPv4 in IP",
        6 => "TCP",
        17 => "UDP",
        33 => "DCCP",
        41 => "IPv6 in IP",
        43 => "IPv6 Routing",
        44 => "IPv6 Fragment",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        59 => "no next header",
        60 => "IPv6 Destination Options",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        132 => "SCTP",
        135 => "IPv6 Mobility",
        136 => "UDP-Lite",
        139 => "Host Identity",
        140 => "Shim6",
        143 => "Ethernet",
        253 | 254 => "for experiments",
        255 => "reserved",
        _ => "",
    }
}

/// "IEEE 802 Numbers"; empty for the rare ones.
pub(super) fn ether_type(number: u64) -> &'static str {
    match number {
        0x0800 => "IPv4",
        0x86dd => "IPv6",
        0x8100 => "802.1Q tag",
        0x88a8 => "802.1ad tag",
        0x9100 => "QinQ tag",
        0x6558 => "Ethernet",
        other => u16::try_from(other).ok().and_then(ether_type_name).unwrap_or_default(),
    }
}

/// "Service Name and Transport Protocol Port Number Registry", and what its ranges are for (RFC 6335 §6).
pub(super) fn port(number: u64) -> &'static str {
    let known = u16::try_from(number).ok().and_then(endpoint::well_known_name);
    known.unwrap_or(match number {
        0 => "none",
        4789 => "vxlan",
        49_152.. => "dynamic",
        _ => "",
    })
}

/// "Differentiated Services Field Codepoints" (RFC 2474, 2597, 3246, 5865, 8622).
pub(super) fn codepoint(number: u64) -> &'static str {
    match number {
        0 => "default, best effort",
        1 => "LE, lower effort",
        8 => "CS1",
        10 => "AF11",
        12 => "AF12",
        14 => "AF13",
        16 => "CS2",
        18 => "AF21",
        20 => "AF22",
        22 => "AF23",
        24 => "CS3",
        26 => "AF31",
        28 => "AF32",
        30 => "AF33",
        32 => "CS4",
        34 => "AF41",
        36 => "AF42",
        38 => "AF43",
        40 => "CS5",
        44 => "voice admit",
        46 => "EF, expedited",
        48 => "CS6, network control",
        56 => "CS7",
        _ => "",
    }
}

/// RFC 3168 §5.
pub(super) fn congestion(number: u64) -> &'static str {
    match number {
        0 => "not ECN-capable",
        1 => "ECT(1), ECN-capable",
        2 => "ECT(0), ECN-capable",
        _ => "CE, congestion experienced",
    }
}

/// "Address Resolution Protocol (ARP) Parameters: Hardware Types", which Linux's ARPHRD_ numbers extend.
pub(super) fn hardware(number: u64) -> &'static str {
    match number {
        1 => "Ethernet",
        6 => "IEEE 802",
        512 => "PPP",
        768 => "IP tunnel",
        769 => "IPv6 tunnel",
        772 => "loopback",
        776 => "IPv6 in IPv4",
        778 => "GRE",
        801..=803 => "802.11",
        0xfffe => "none (tun)",
        _ => "",
    }
}

/// What kind of address it is, where that says something about the packet (RFC 6890, RFC 4291 §2.4).
pub(super) fn address(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(four) if four.is_unspecified() => "this host",
        IpAddr::V4(four) if four.is_loopback() => "loopback",
        IpAddr::V4(four) if four.is_broadcast() => "broadcast",
        IpAddr::V4(four) if four.is_multicast() => "multicast",
        IpAddr::V4(four) if four.is_link_local() => "link-local",
        IpAddr::V4(four) if four.is_private() => "private",
        IpAddr::V4(four) if four.is_documentation() => "documentation",
        IpAddr::V6(six) => address_v6(six),
        IpAddr::V4(_) => "",
    }
}

fn address_v6(address: Ipv6Addr) -> &'static str {
    let [first, second, ..] = address.segments();
    match address {
        Ipv6Addr::UNSPECIFIED => "unspecified",
        Ipv6Addr::LOCALHOST => "loopback",
        six if six.is_multicast() => "multicast",
        six if six.to_ipv4_mapped().is_some() => "IPv4-mapped",
        _ if first & 0xffc0 == 0xfe80 => "link-local",
        _ if first & 0xfe00 == 0xfc00 => "unique local",
        _ if first == 0x2001 && second == 0x0db8 => "documentation",
        _ => "",
    }
}

/// What kind of MAC address it is (IEEE 802 §8.2).
pub(super) fn mac(octets: &[u8]) -> &'static str {
    match octets {
        [0, 0, 0, 0, 0, 0] => "none",
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => "broadcast",
        [0x01, 0x00, 0x5e, ..] => "multicast, IPv4",
        [0x33, 0x33, ..] => "multicast, IPv6",
        [first, ..] if first & 1 != 0 => "multicast",
        [first, ..] if first & 2 != 0 => "locally administered",
        _ => "",
    }
}
