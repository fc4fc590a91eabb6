//! What a captured frame begins with: the LINKTYPE_ numbers of the pcap formats.

/// A link type by its number in capture files (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// Ethernet II and 802.3.
    pub const ETHERNET: LinkType = LinkType(1);
    /// An IPv4 or IPv6 packet, told apart by its version.
    pub const RAW: LinkType = LinkType(101);
    /// An IPv4 packet.
    pub const IPV4: LinkType = LinkType(228);
    /// An IPv6 packet.
    pub const IPV6: LinkType = LinkType(229);
}
