//! Headers that a capturing system made up or added because the real ones were not there or said too little: loopback,
//! Linux cooked captures, firewall logs, macOS's pktap.

use super::{Layer, Protocol};
use crate::link_type::LinkType;
use crate::undecoded::{Header, Undecoded};

/// The address families as the systems number them that write loopback captures.
mod family {
    pub(super) const INET: u32 = 2;
    pub(super) const INET6_LINUX: u32 = 10;
    pub(super) const INET6_NETBSD: u32 = 24; // OpenBSD too
    pub(super) const INET6_FREEBSD: u32 = 28;
    pub(super) const INET6_MACOS: u32 = 30;
}

fn of_family(number: u32) -> Option<Protocol> {
    match number {
        family::INET => Some(Protocol::Ipv4),
        family::INET6_LINUX | family::INET6_NETBSD | family::INET6_FREEBSD | family::INET6_MACOS => {
            Some(Protocol::Ipv6)
        }
        _ => None,
    }
}

/// LINKTYPE_NULL, LINKTYPE_LOOP: the address family in four bytes, in the order of the machine that captured or in
/// network order. Some writers of such files have PPP there.
pub(super) fn loopback(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let bytes = *layer.bytes.first_chunk::<4>().ok_or(Undecoded::Cut(Header::Link))?;
    if bytes.starts_with(&[0xff, 0x03]) {
        return Ok(Layer { protocol: Protocol::Ppp, ..layer });
    }
    let [little, big] = [u32::from_le_bytes(bytes), u32::from_be_bytes(bytes)];
    let protocol = of_family(little).or(of_family(big)).ok_or(Undecoded::Family(little.min(big)))?;
    layer.behind(4, protocol, Header::Link)
}

/// LINKTYPE_LINUX_SLL: packet type, hardware type, address length, address, protocol; 16 bytes.
pub(super) fn sll(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let [_, _, a, b, .., c, d] = *layer.bytes.first_chunk::<16>().ok_or(Undecoded::Cut(Header::Link))?;
    let protocol = of_sll(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))?;
    layer.behind(16, protocol, Header::Link)
}

/// LINKTYPE_LINUX_SLL2: protocol, reserved, interface, hardware type, packet type, address length, address; 20 bytes.
pub(super) fn sll2(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let [a, b, _, _, _, _, _, _, c, d, ..] =
        *layer.bytes.first_chunk::<20>().ok_or(Undecoded::Cut(Header::Link))?;
    let protocol = of_sll(u16::from_be_bytes([c, d]), u16::from_be_bytes([a, b]))?;
    layer.behind(20, protocol, Header::Link)
}

/// What Linux's protocol field says: an EtherType, or a number of Linux's own.
fn of_sll(hardware: u16, protocol: u16) -> Result<Protocol, Undecoded> {
    const NETLINK: u16 = 824; // ARPHRD_NETLINK: the protocol is netlink's
    const RADIOTAP: u16 = 803; // ARPHRD_IEEE80211_RADIOTAP
    const ETH_P_802_2: u16 = 4;
    match (hardware, protocol) {
        (NETLINK, _) => Err(Undecoded::LinkType(LinkType(253))),
        (RADIOTAP, _) => Ok(Protocol::Link(LinkType::IEEE802_11_RADIOTAP)),
        (_, ETH_P_802_2) => Ok(Protocol::Llc),
        (_, 0..crate::ethernet::ether_type::FIRST) => Err(Undecoded::Ieee8023),
        (_, number) => Ok(Protocol::EtherType(number)),
    }
}

/// IEEE 802.5: access and frame control, two addresses of 6 bytes, and a source route where the source address has its
/// top bit set; then LLC.
pub(super) fn token_ring(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let source_routed = layer.bytes.get(8).ok_or(Undecoded::Cut(Header::Link))? & 0x80 != 0;
    let route_len = match (source_routed, layer.bytes.get(14)) {
        (true, Some(control)) => usize::from(control & 0x1f),
        _ => 0,
    };
    layer.behind(14 + route_len, Protocol::Llc, Header::Link)
}

/// LINKTYPE_ARCNET_BSD, LINKTYPE_ARCNET_LINUX: addresses, then a system code; RFC 1051 has IP right behind it, RFC 1201 §2
/// a split flag and a sequence number, twice if the packet was padded. Packets in several pieces are not put together.
pub(super) fn arcnet(layer: Layer<'_>, code_at: usize) -> Result<Layer<'_>, Undecoded> {
    const OLD_IP: u8 = 240;
    const IP: u8 = 212;
    const EXCEPTION: u8 = 0xff;
    let cut = Undecoded::Cut(Header::Link);
    match *layer.bytes.get(code_at).ok_or(cut)? {
        OLD_IP => layer.behind(code_at + 1, Protocol::Ipv4, Header::Link),
        IP => match *layer.bytes.get(code_at + 1).ok_or(cut)? {
            0 => layer.behind(code_at + 4, Protocol::Ipv4, Header::Link),
            EXCEPTION => layer.behind(code_at + 8, Protocol::Ipv4, Header::Link),
            _ => Err(Undecoded::Malformed(Header::Link, "a piece of an ARCNET packet")),
        },
        other => Err(Undecoded::Family(other.into())),
    }
}

/// LINKTYPE_PFLOG: its length, the address family, and what the firewall did; filled up to four bytes.
pub(super) fn pflog(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let [len, number, _, _] = *layer.bytes.first_chunk().ok_or(Undecoded::Cut(Header::Link))?;
    let protocol = of_family(number.into()).ok_or(Undecoded::Family(number.into()))?;
    layer.behind(usize::from(len).next_multiple_of(4), protocol, Header::Link)
}

/// LINKTYPE_NFLOG: family, version, resource; then attributes of length (own header included), type and value, filled up
/// to four bytes, lengths in the order of the machine that captured.
pub(super) fn nflog(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    const PAYLOAD: u16 = 9; // NFULA_PAYLOAD
    let cut = Undecoded::Cut(Header::Link);
    let family = *layer.bytes.first().ok_or(cut)?;
    let protocol = of_family(family.into()).ok_or(Undecoded::Family(family.into()))?;
    let mut layer = layer.behind(4, protocol, Header::Link)?;
    loop {
        let [a, b, c, d] = *layer.bytes.first_chunk().ok_or(cut)?;
        let (mut len, mut kind) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        if kind > 0xff {
            (len, kind) = (len.swap_bytes(), kind.swap_bytes());
        }
        let value_len =
            len.checked_sub(4).ok_or(Undecoded::Malformed(Header::Link, "attribute too short"))?;
        if kind == PAYLOAD {
            return Ok(layer.behind(4, protocol, Header::Link)?.limited(value_len.into()));
        }
        layer = layer.behind(usize::from(len).next_multiple_of(4), protocol, Header::Link)?;
    }
}

/// LINKTYPE_PKTAP: its length, the type of record, and the link type of what follows, little-endian.
pub(super) fn pktap(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    const HEADER_LEN: u32 = 108;
    let fixed = layer.bytes.first_chunk::<12>().ok_or(Undecoded::Cut(Header::Link))?;
    let (words, _) = fixed.as_chunks::<4>();
    let [len, _, link] = [0, 1, 2].map(|at| u32::from_le_bytes(words[at]));
    let link = u16::try_from(link).map(LinkType).map_err(|_| Undecoded::LinkType(LinkType::PKTAP))?;
    if len < HEADER_LEN {
        return Err(Undecoded::Malformed(Header::Link, "header length below 108"));
    }
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    layer.behind(len, Protocol::Link(link), Header::Link)
}
