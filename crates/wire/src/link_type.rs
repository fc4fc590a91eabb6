//! What a captured frame begins with: the LINKTYPE_ numbers of the pcap formats.

use std::fmt;

/// A link type by its number in capture files (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// An address family in the byte order of the machine that captured, then IP: BSD's loopback.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet II and 802.3.
    pub const ETHERNET: LinkType = LinkType(1);
    /// IEEE 802.5.
    pub const TOKEN_RING: LinkType = LinkType(6);
    /// ARCNET as BSD has it.
    pub const ARCNET: LinkType = LinkType(7);
    /// PPP, with or without HDLC's address and control bytes.
    pub const PPP: LinkType = LinkType(9);
    /// Fibre rings, with LLC.
    pub const FDDI: LinkType = LinkType(10);
    /// [`LinkType::RAW`] as FreeBSD, macOS and others number it within their own files (DLT_RAW).
    pub const RAW_BSD: LinkType = LinkType(12);
    /// [`LinkType::RAW`] as OpenBSD numbers it within its own files (DLT_RAW).
    pub const RAW_OPENBSD: LinkType = LinkType(14);
    /// PPP in HDLC framing (RFC 1662), or Cisco's HDLC.
    pub const PPP_HDLC: LinkType = LinkType(50);
    /// A PPPoE session without the Ethernet header before it.
    pub const PPP_ETHER: LinkType = LinkType(51);
    /// LLC on ATM (RFC 2684).
    pub const ATM_RFC1483: LinkType = LinkType(100);
    /// An IPv4 or IPv6 packet, told apart by its version.
    pub const RAW: LinkType = LinkType(101);
    /// Cisco's HDLC: address, control, EtherType.
    pub const CISCO_HDLC: LinkType = LinkType(104);
    /// Wireless frames.
    pub const IEEE802_11: LinkType = LinkType(105);
    /// Frame Relay (RFC 2427).
    pub const FRAME_RELAY: LinkType = LinkType(107);
    /// OpenBSD's loopback: an address family in network order, then IP.
    pub const LOOP: LinkType = LinkType(108);
    /// OpenBSD's IPsec interface, what it carries in the clear.
    pub const ENC: LinkType = LinkType(109);
    /// Linux's made-up header for captures on any interface.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// OpenBSD's packet filter log.
    pub const PFLOG: LinkType = LinkType(117);
    /// Wireless frames behind a Prism header.
    pub const IEEE802_11_PRISM: LinkType = LinkType(119);
    /// RFC 2625.
    pub const IP_OVER_FIBRE_CHANNEL: LinkType = LinkType(122);
    /// Wireless frames behind a radiotap header.
    pub const IEEE802_11_RADIOTAP: LinkType = LinkType(127);
    /// ARCNET as Linux has it, with two more bytes behind the addresses.
    pub const ARCNET_LINUX: LinkType = LinkType(129);
    /// Apple's IP over IEEE 1394 (RFC 2734).
    pub const IP_OVER_FIREWIRE: LinkType = LinkType(138);
    /// Wireless frames behind an AVS header.
    pub const IEEE802_11_AVS: LinkType = LinkType(163);
    /// PPP as Linux's pppd records it: a direction, then the protocol.
    pub const PPP_PPPD: LinkType = LinkType(166);
    /// Per-packet information before a frame of any type, mostly wireless.
    pub const PPI: LinkType = LinkType(192);
    /// A byte for the direction, then PPP.
    pub const PPP_WITH_DIRECTION: LinkType = LinkType(204);
    /// MPLS labels.
    pub const MPLS: LinkType = LinkType(219);
    /// An IPv4 packet.
    pub const IPV4: LinkType = LinkType(228);
    /// An IPv6 packet.
    pub const IPV6: LinkType = LinkType(229);
    /// What Linux's firewall logged.
    pub const NFLOG: LinkType = LinkType(239);
    /// A global route header of 40 bytes, then RFC 4391 §6: an EtherType and two more bytes.
    pub const IP_OVER_INFINIBAND: LinkType = LinkType(242);
    /// macOS's header that names the process, before a frame of any type.
    pub const PKTAP: LinkType = LinkType(258);
    /// Linux's made-up header for captures on any interface, with the interface.
    pub const LINUX_SLL2: LinkType = LinkType(276);

    /// The name that people know it by; none for the rarest.
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "BSD loopback",
            1 => "Ethernet",
            3 => "AX.25",
            6 => "Token Ring",
            7 => "ARCNET",
            8 => "SLIP",
            9 => "PPP",
            10 => "FDDI",
            50 => "PPP in HDLC framing",
            51 => "PPPoE",
            99 => "Symantec firewall",
            100 => "ATM with LLC",
            102 => "BSD/OS SLIP",
            103 => "BSD/OS PPP",
            104 => "Cisco HDLC",
            105 => "802.11",
            106 => "ATM Classical IP",
            107 => "Frame Relay",
            108 => "OpenBSD loopback",
            109 => "OpenBSD IPsec",
            113 => "Linux cooked",
            114 => "LocalTalk",
            117 => "OpenBSD pflog",
            119 => "802.11 with Prism header",
            120 => "Aironet",
            122 => "IP over Fibre Channel",
            123 => "SunATM",
            127 => "802.11 with radiotap",
            128 => "Tazmen Sniffer",
            129 => "ARCNET, Linux's",
            138 => "IP over FireWire",
            139 => "SS7 MTP2 with header",
            140 => "SS7 MTP2",
            141 => "SS7 MTP3",
            142 => "SS7 SCCP",
            143 => "DOCSIS",
            144 => "IrDA, Linux's",
            163 => "802.11 with AVS header",
            165 => "BACnet MS/TP",
            166 => "PPP of pppd",
            169 => "GPRS LLC",
            170 => "GFP-T",
            171 => "GFP-F",
            172 => "Gcom T1/E1",
            173 => "Gcom serial",
            175 => "Endace ERF with Ethernet",
            176 => "Endace ERF with PoS",
            177 => "LAPD of Linux",
            182 => "Multilink Frame Relay",
            186 => "USB of FreeBSD",
            187 => "Bluetooth HCI",
            188 => "802.16",
            189 => "USB of Linux, short",
            190 => "CAN 2.0b",
            191 => "802.15.4 of Linux, padded",
            192 => "PPI",
            193 => "802.16 with radio header",
            195 => "802.15.4",
            196 => "SITA's own",
            197 => "Endace ERF",
            199 => "IPMB",
            201 => "Bluetooth HCI with direction",
            202 => "AX.25 in KISS",
            203 => "LAPD",
            204 => "PPP with direction",
            205 => "Cisco HDLC with direction",
            206 => "Frame Relay with direction",
            209 => "I2C of Linux",
            210 => "FlexRay",
            211 => "MOST",
            212 => "LIN",
            215 => "802.15.4 without radio",
            216 => "Linux input events",
            219 => "MPLS",
            220 => "USB of Linux",
            221 => "DECT",
            222 => "CCSDS space link",
            223 => "WirelessHART",
            224 => "Fibre Channel",
            225 => "Fibre Channel with delimiters",
            226 => "Solaris ipnet",
            227 => "CAN",
            228 => "raw IPv4",
            229 => "raw IPv6",
            230 => "802.15.4 without check sequence",
            231 => "D-Bus",
            239 => "Linux nflog",
            240 => "netANALYZER",
            241 => "netANALYZER, transparent",
            242 => "IP over InfiniBand",
            243 => "MPEG-2 transport stream",
            244 => "ng40",
            245 => "NFC",
            246 => "OpenBSD pfsync",
            247 => "InfiniBand",
            248 => "SCTP",
            249 => "USBPcap",
            250 => "serial RTAC",
            251 => "Bluetooth LE",
            252 => "Wireshark's upper PDU",
            253 => "Linux netlink",
            254 => "Bluetooth monitor of Linux",
            255 => "Bluetooth BR/EDR",
            256 => "Bluetooth LE with radio header",
            257 => "PROFIBUS",
            258 => "macOS pktap",
            260 => "IPMI trace",
            261 => "Z-Wave R1/R2",
            262 => "Z-Wave R3",
            266 => "USB of Darwin",
            267 => "OpenFlow",
            268 => "SDLC",
            271 => "Linux vsock",
            272 => "Nordic BLE",
            273 => "DOCSIS of Excentis",
            274 => "Ethernet mPackets",
            275 => "DisplayPort",
            276 => "Linux cooked, version 2",
            280 => "VPP trace",
            281 => "Broadcom switch tag",
            282 => "Broadcom switch tag, prepended",
            283 => "802.15.4 with TAP header",
            284 => "Marvell DSA tag",
            285 => "Marvell EtherType DSA tag",
            286 => "ELEE lawful interception",
            287 => "Z-Wave serial",
            288 => "USB 2.0",
            289 => "ATSC",
            12 | 14 | 101 => "raw IP",
            147..=162 => "private use",
            130..=137 | 164 | 167 | 168 | 174 | 178..=181 | 183 | 194 | 200 | 232..=234 | 238 => {
                "Juniper's own"
            }
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
            (LinkType::NULL, Linktype::NULL),
            (LinkType::LOOP, Linktype::LOOP),
            (LinkType::FDDI, Linktype::FDDI),
            (LinkType::LINUX_SLL, Linktype::LINUX_SLL),
            (LinkType::LINUX_SLL2, Linktype::LINUX_SLL2),
            (LinkType::NFLOG, Linktype::NFLOG),
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
