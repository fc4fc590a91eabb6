//! What a captured frame begins with: the LINKTYPE_ numbers of the pcap formats.

use std::fmt;

/// A link type by its number in capture files (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// Ethernet II and 802.3.
    pub const ETHERNET: LinkType = LinkType(1);
    /// [`LinkType::RAW`] as FreeBSD, macOS and others number it within their own files (DLT_RAW).
    pub const RAW_BSD: LinkType = LinkType(12);
    /// [`LinkType::RAW`] as OpenBSD numbers it within its own files (DLT_RAW).
    pub const RAW_OPENBSD: LinkType = LinkType(14);
    /// An IPv4 or IPv6 packet, told apart by its version.
    pub const RAW: LinkType = LinkType(101);
    /// An IPv4 packet.
    pub const IPV4: LinkType = LinkType(228);
    /// An IPv6 packet.
    pub const IPV6: LinkType = LinkType(229);

    /// The name that people know it by; none for the rare ones.
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "BSD loopback",
            1 => "Ethernet",
            6 => "Token Ring",
            7 => "ARCNET",
            8 => "SLIP",
            9 => "PPP",
            10 => "FDDI",
            12 | 14 | 101 => "raw IP",
            50 => "PPP in HDLC framing",
            51 => "PPPoE",
            100 => "ATM with LLC",
            104 => "Cisco HDLC",
            105 => "802.11",
            107 => "Frame Relay",
            108 => "OpenBSD loopback",
            113 => "Linux cooked",
            117 => "OpenBSD pflog",
            119 => "802.11 with Prism header",
            122 => "IP over Fibre Channel",
            127 => "802.11 with radiotap",
            147..=162 => "private use",
            163 => "802.11 with AVS header",
            187 | 201 => "Bluetooth HCI",
            189 | 220 => "Linux USB",
            192 => "PPI",
            195 | 230 => "802.15.4",
            227 => "CAN",
            228 => "raw IPv4",
            229 => "raw IPv6",
            239 => "Linux nflog",
            247 => "InfiniBand",
            249 => "USBPcap",
            253 => "Linux netlink",
            271 => "Linux vsock",
            276 => "Linux cooked, version 2",
            _ => return None,
        })
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_parser::Linktype;

    #[test]
    fn numbers_are_those_of_the_registry() {
        for (ours, theirs) in [
            (LinkType::ETHERNET, Linktype::ETHERNET),
            (LinkType::RAW, Linktype::RAW),
            (LinkType::IPV4, Linktype::IPV4),
            (LinkType::IPV6, Linktype::IPV6),
        ] {
            assert_eq!(i32::from(ours.0), theirs.0);
        }
    }

    #[test]
    fn names_stand_at_their_numbers() {
        for (number, name) in [
            (Linktype::NULL, "BSD loopback"),
            (Linktype::FDDI, "FDDI"),
            (Linktype::LOOP, "OpenBSD loopback"),
            (Linktype::LINUX_SLL, "Linux cooked"),
            (Linktype::NFLOG, "Linux nflog"),
            (Linktype::LINUX_SLL2, "Linux cooked, version 2"),
        ] {
            assert_eq!(LinkType(u16::try_from(number.0).unwrap()).name(), Some(name));
        }
        assert_eq!(LinkType(4321).to_string(), "unknown");
    }
}
