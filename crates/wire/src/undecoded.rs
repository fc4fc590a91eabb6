//! Why a frame could not be taken apart, so that it can be counted under its true reason and told in words.

use std::fmt;

use crate::link_type::LinkType;

/// A header by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    /// Ethernet, its tags included.
    Ethernet,
    /// IEEE 802.2 logical link control, SNAP included.
    Llc,
    /// A header of another link type.
    Link,
    /// PPP.
    Ppp,
    /// PPPoE.
    Pppoe,
    /// A stack of MPLS labels.
    Mpls,
    /// ARP.
    Arp,
    /// IPv4.
    Ipv4,
    /// IPv6, the fixed 40 bytes.
    Ipv6,
    /// An IPv6 extension header.
    Ipv6Extension,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or ICMPv6.
    Icmp,
    /// IGMP.
    Igmp,
    /// IPsec's authentication header, in IPv4.
    Authentication,
    /// GRE, ERSPAN behind it included.
    Gre,
}

/// Why there is no [`Packet`](crate::packet::Packet) in these bytes. `Display` gives a lower-case fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Undecoded {
    /// What such frames begin with is not read here.
    LinkType(LinkType),
    /// The Ethernet frame carries something other than IP.
    EtherType(u16),
    /// An IEEE 802.3 frame: a length (LLC follows) where Ethernet II has the protocol.
    Ieee8023,
    /// PPP that carries something other than IP.
    PppProtocol(u16),
    /// Frame Relay's network layer identifier for something other than IP.
    NetworkLayerId(u8),
    /// An address family other than those of IP, in a header made up by the capturing system.
    Family(u32),
    /// A wireless frame without a packet that could be read: why.
    Wireless(&'static str),
    /// Neither 4 nor 6 in the first half byte of an IP packet.
    IpVersion(u8),
    /// The bytes end before this header does.
    Cut(Header),
    /// The header contradicts itself or the length of the packet around it.
    Malformed(Header, &'static str),
}

impl Undecoded {
    /// True when the frame is whole as far as it was looked at, but carries something other than IP.
    pub fn is_not_ip(self) -> bool {
        match self {
            Undecoded::EtherType(_)
            | Undecoded::Ieee8023
            | Undecoded::PppProtocol(_)
            | Undecoded::NetworkLayerId(_)
            | Undecoded::Family(_)
            | Undecoded::Wireless(_) => true,
            Undecoded::LinkType(_)
            | Undecoded::IpVersion(_)
            | Undecoded::Cut(_)
            | Undecoded::Malformed(..) => false,
        }
    }
}

impl Header {
    /// The name that people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Header::Ethernet => "Ethernet",
            Header::Llc => "LLC",
            Header::Link => "link-layer",
            Header::Ppp => "PPP",
            Header::Pppoe => "PPPoE",
            Header::Mpls => "MPLS",
            Header::Arp => "ARP",
            Header::Ipv4 => "IPv4",
            Header::Ipv6 => "IPv6",
            Header::Ipv6Extension => "IPv6 extension",
            Header::Tcp => "TCP",
            Header::Udp => "UDP",
            Header::Icmp => "ICMP",
            Header::Igmp => "IGMP",
            Header::Authentication => "authentication",
            Header::Gre => "GRE",
        }
    }
}

impl fmt::Display for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecoded::LinkType(link) => write!(f, "link type {} ({link}) is not decoded", link.0),
            Undecoded::EtherType(number) => match ether_type_name(*number) {
                Some(name) => write!(f, "{name}, not IP"),
                None => write!(f, "EtherType 0x{number:04x}, not IP"),
            },
            Undecoded::Ieee8023 => f.write_str("IEEE 802.3 with LLC, not IP"),
            Undecoded::PppProtocol(number) => match ppp_protocol_name(*number) {
                Some(name) => write!(f, "{name}, not IP"),
                None => write!(f, "PPP protocol 0x{number:04x}, not IP"),
            },
            Undecoded::NetworkLayerId(number) => write!(f, "network layer 0x{number:02x}, not IP"),
            Undecoded::Family(number) => write!(f, "address family {number}, not IP"),
            Undecoded::Wireless(what) => write!(f, "802.11: {what}"),
            Undecoded::IpVersion(version) => write!(f, "IP version {version}, neither 4 nor 6"),
            Undecoded::Cut(header) => write!(f, "ends inside the {} header", header.name()),
            Undecoded::Malformed(header, why) => write!(f, "bad {} header: {why}", header.name()),
        }
    }
}

impl std::error::Error for Undecoded {}

/// The EtherTypes that are likely on a wire and are not IP (IANA, "IEEE 802 Numbers").
pub(crate) fn ether_type_name(number: u16) -> Option<&'static str> {
    Some(match number {
        0x0806 => "ARP",
        0x0842 => "Wake-on-LAN",
        0x8035 => "RARP",
        0x8137 => "IPX",
        0x8809 => "LACP",
        0x8847 | 0x8848 => "MPLS",
        0x8863 => "PPPoE discovery",
        0x8864 => "PPPoE session",
        0x888e => "802.1X",
        0x88a2 => "ATA over Ethernet",
        0x88ba | 0x88b8 => "IEC 61850",
        0x88cc => "LLDP",
        0x88e5 => "MACsec",
        0x88f7 => "PTP",
        0x9000 => "Ethernet loopback test",
        _ => return None,
    })
}

/// The PPP protocols that are likely on a line and are not IP (IANA, "Point-to-Point Protocol Field Assignments").
fn ppp_protocol_name(number: u16) -> Option<&'static str> {
    Some(match number {
        0x002d => "compressed TCP",
        0x003d => "PPP Multilink",
        0x00fd => "compressed PPP",
        0x8021 => "IPCP",
        0x8057 => "IPV6CP",
        0x80fd => "CCP",
        0xc021 => "LCP",
        0xc023 => "PAP",
        0xc025 => "LQR",
        0xc223 => "CHAP",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_in_words() {
        let told = |reason: Undecoded| reason.to_string();
        assert_eq!(
            told(Undecoded::LinkType(LinkType(127))),
            "link type 127 (802.11 with radiotap) is not decoded"
        );
        assert_eq!(told(Undecoded::LinkType(LinkType(9999))), "link type 9999 (unknown) is not decoded");
        assert_eq!(told(Undecoded::EtherType(0x0806)), "ARP, not IP");
        assert_eq!(told(Undecoded::EtherType(0x1234)), "EtherType 0x1234, not IP");
        assert_eq!(told(Undecoded::IpVersion(5)), "IP version 5, neither 4 nor 6");
        assert_eq!(told(Undecoded::Cut(Header::Tcp)), "ends inside the TCP header");
        assert_eq!(
            told(Undecoded::Malformed(Header::Udp, "length below 8")),
            "bad UDP header: length below 8"
        );
    }
}
