//! From a link type to the IP or ARP packet: steps over every header that may stand before one. Read first:
//! <https://www.tcpdump.org/linktypes.html>; RFC 1042 and IEEE 802.2 (LLC, SNAP), RFC 3032 §2 (MPLS), RFC 4385 §3
//! (pseudowires), RFC 2516 §4 (PPPoE), RFC 1661 §2 and RFC 1662 §3 (PPP), RFC 2427 §4 (Frame Relay).
//!
//! [`network`] reads no byte that is not there, consumes at least one byte with each step that could repeat, and takes at
//! most [`MAX_HEADERS`] of them.

use crate::ethernet::{EthernetView, ether_type};
use crate::link_type::LinkType;
use crate::undecoded::{Header, Undecoded};

mod cooked;
mod wireless;

#[cfg(test)]
mod tests;

/// Headers that are stepped over before a frame is given up; four VLAN tags count as one.
pub(crate) const MAX_HEADERS: usize = 16;

/// Labels on one MPLS stack that are stepped over.
const MAX_LABELS: usize = 16;

/// A part of a frame, and what it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer<'a> {
    pub(crate) protocol: Protocol,
    /// What was captured of it, maybe with padding behind it.
    pub(crate) bytes: &'a [u8],
    /// How long it was on the wire, where that is known; padding counts.
    pub(crate) wire_len: Option<usize>,
    /// Wireshark takes its last four bytes for a checksum, whether or not they are one.
    pub(crate) supposed_checksum: bool,
}

/// What a part of a frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The header of this link type.
    Link(LinkType),
    /// What this EtherType stands for.
    EtherType(u16),
    /// Ethernet's addresses.
    Ethernet,
    /// IEEE 802.2 logical link control.
    Llc,
    /// PPP, whether or not the address and control bytes of HDLC stand before the protocol.
    Ppp,
    /// An MPLS label.
    Mpls,
    /// An IP packet of either version.
    Ip,
    /// An IPv4 packet.
    Ipv4,
    /// An IPv6 packet.
    Ipv6,
    /// An ARP or RARP packet, by its EtherType.
    Arp(u16),
}

impl<'a> Layer<'a> {
    pub(crate) fn new(protocol: Protocol, bytes: &'a [u8], wire_len: Option<usize>) -> Layer<'a> {
        Layer { protocol, bytes, wire_len, supposed_checksum: false }
    }

    /// What stands behind the first `len` bytes.
    pub(crate) fn behind(
        self,
        len: usize,
        protocol: Protocol,
        header: Header,
    ) -> Result<Layer<'a>, Undecoded> {
        Ok(Layer {
            protocol,
            bytes: self.bytes.get(len..).ok_or(Undecoded::Cut(header))?,
            wire_len: self.wire_len.map(|whole| whole.saturating_sub(len)),
            ..self
        })
    }

    /// The same without what a length field before it leaves out.
    pub(crate) fn limited(self, len: usize) -> Layer<'a> {
        Layer {
            bytes: self.bytes.get(..len).unwrap_or(self.bytes),
            wire_len: self.wire_len.map(|whole| whole.min(len)),
            ..self
        }
    }

    pub(crate) fn u16_at(&self, at: usize) -> Option<u16> {
        self.bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }
}

/// Steps over headers until an IP or ARP packet begins.
pub(crate) fn network(mut layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    for _ in 0..MAX_HEADERS {
        layer = match layer.protocol {
            Protocol::Ip | Protocol::Ipv4 | Protocol::Ipv6 | Protocol::Arp(_) => return Ok(layer),
            Protocol::Link(link) => link_header(layer, link)?,
            Protocol::EtherType(number) => of_ether_type(layer, number)?,
            Protocol::Ethernet => ethernet(layer)?,
            Protocol::Llc => llc(layer)?,
            Protocol::Ppp => ppp(layer)?,
            Protocol::Mpls => mpls(layer)?,
        };
    }
    Err(Undecoded::Malformed(Header::Link, "more than 16 headers before IP"))
}

fn link_header(layer: Layer<'_>, link: LinkType) -> Result<Layer<'_>, Undecoded> {
    let as_it_is = |protocol| Ok(Layer { protocol, ..layer });
    match link {
        LinkType::ETHERNET => ethernet(layer),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => as_it_is(Protocol::Ip),
        LinkType::IPV4 => as_it_is(Protocol::Ipv4),
        LinkType::IPV6 => as_it_is(Protocol::Ipv6),
        LinkType::NULL | LinkType::LOOP => cooked::loopback(layer),
        LinkType::LINUX_SLL => cooked::sll(layer),
        LinkType::LINUX_SLL2 => cooked::sll2(layer),
        LinkType::PPP | LinkType::PPP_HDLC => point_to_point(layer),
        LinkType::PPP_PPPD | LinkType::PPP_WITH_DIRECTION => layer.behind(1, Protocol::Ppp, Header::Ppp),
        LinkType::PPP_ETHER => pppoe(layer),
        LinkType::CISCO_HDLC => cisco_hdlc(layer),
        LinkType::FRAME_RELAY => frame_relay(layer),
        LinkType::MPLS => as_it_is(Protocol::Mpls),
        LinkType::ATM_RFC1483 => as_it_is(Protocol::Llc),
        LinkType::IP_OVER_FIBRE_CHANNEL => layer.behind(16, Protocol::Llc, Header::Link),
        LinkType::FDDI => layer.behind(13, Protocol::Llc, Header::Link),
        LinkType::TOKEN_RING => cooked::token_ring(layer),
        LinkType::IP_OVER_FIREWIRE => {
            let number = layer.u16_at(16).ok_or(Undecoded::Cut(Header::Link))?;
            layer.behind(18, Protocol::EtherType(number), Header::Link)
        }
        LinkType::PFLOG => cooked::pflog(layer),
        LinkType::ENC => layer.behind(12, Protocol::Ip, Header::Link),
        LinkType::NFLOG => cooked::nflog(layer),
        LinkType::IP_OVER_INFINIBAND => {
            let number = layer.u16_at(40).ok_or(Undecoded::Cut(Header::Link))?;
            layer.behind(44, Protocol::EtherType(number), Header::Link)
        }
        LinkType::ARCNET => cooked::arcnet(layer, 2),
        LinkType::ARCNET_LINUX => cooked::arcnet(layer, 4),
        LinkType::PKTAP => cooked::pktap(layer),
        LinkType::IEEE802_11 => wireless::ieee80211(layer),
        LinkType::IEEE802_11_RADIOTAP => wireless::radiotap(layer),
        LinkType::IEEE802_11_PRISM => wireless::prism(layer),
        LinkType::IEEE802_11_AVS => wireless::avs(layer),
        LinkType::PPI => wireless::ppi(layer),
        other => Err(Undecoded::LinkType(other)),
    }
}

fn ethernet(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let frame = EthernetView::new(layer.bytes)?;
    let header_len = layer.bytes.len() - frame.payload().len();
    layer.behind(header_len, Protocol::EtherType(frame.ether_type()), Header::Ethernet)
}

fn of_ether_type(layer: Layer<'_>, number: u16) -> Result<Layer<'_>, Undecoded> {
    let as_it_is = |protocol| Ok(Layer { protocol, ..layer });
    let tagged = |type_at: usize| {
        let number = layer.u16_at(type_at).ok_or(Undecoded::Cut(Header::Ethernet))?;
        layer.behind(type_at + 2, Protocol::EtherType(number), Header::Ethernet)
    };
    match number {
        ether_type::IPV4 => as_it_is(Protocol::Ipv4),
        ether_type::IPV6 => as_it_is(Protocol::Ipv6),
        ether_type::ARP | ether_type::RARP => as_it_is(Protocol::Arp(number)),
        number if ether_type::is_tag(number) => tagged(2),
        ether_type::VN_TAG => tagged(4),
        ether_type::CISCO_METADATA => tagged(6),
        ether_type::MPLS | ether_type::MPLS_UPSTREAM => as_it_is(Protocol::Mpls),
        ether_type::PPPOE_SESSION => pppoe(layer),
        ether_type::PPP => as_it_is(Protocol::Ppp),
        ether_type::BRIDGED => as_it_is(Protocol::Ethernet),
        ether_type::FABRIC_PATH => {
            let inner = layer.behind(2, Protocol::Ethernet, Header::Ethernet)?;
            Ok(Layer { supposed_checksum: true, ..inner })
        }
        ether_type::PROVIDER_BACKBONE => layer.behind(4, Protocol::Ethernet, Header::Ethernet),
        // IEEE 802.3 §3.2.6: a length, and what lies behind it is padding.
        len @ 0..=MAX_LENGTH => Ok(Layer { protocol: Protocol::Llc, ..layer.limited(usize::from(len)) }),
        0..ether_type::FIRST => Err(Undecoded::Ieee8023),
        other => Err(Undecoded::EtherType(other)),
    }
}

/// The largest value of Ethernet's type field that is a length (IEEE 802.3 §3.2.6).
const MAX_LENGTH: u16 = 1500;

/// IEEE 802.2: two service access points and a control field. IP comes behind SNAP (RFC 1042), or at its own access
/// point (RFC 948).
fn llc(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    const SNAP: u8 = 0xaa;
    const IP: u8 = 0x06;
    const UNNUMBERED_INFORMATION: u8 = 3;
    match *layer.bytes.first_chunk().ok_or(Undecoded::Cut(Header::Llc))? {
        [SNAP, SNAP, UNNUMBERED_INFORMATION] => snap(layer.behind(3, Protocol::Llc, Header::Llc)?),
        [IP, IP, UNNUMBERED_INFORMATION] => layer.behind(3, Protocol::Ip, Header::Llc),
        _ => Err(Undecoded::Ieee8023),
    }
}

/// The five bytes behind LLC: whose numbers these are, and a number.
fn snap(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    match *layer.bytes.first_chunk().ok_or(Undecoded::Cut(Header::Llc))? {
        // RFC 1042; 00-00-f8 where IEEE 802.1H brings an EtherType through a bridge.
        [0, 0, 0 | 0xf8, a, b] => {
            layer.behind(5, Protocol::EtherType(u16::from_be_bytes([a, b])), Header::Llc)
        }
        // RFC 2684 §5.2, RFC 2427 §4.2: a bridged Ethernet frame, with its check sequence (1) or without (7).
        [0, 0x80, 0xc2, 0, 1 | 7] => {
            let padding = if ethernet_is_likely(layer.bytes.get(7..).unwrap_or_default()) { 2 } else { 0 };
            layer.behind(5 + padding, Protocol::Ethernet, Header::Llc)
        }
        _ => Err(Undecoded::Ieee8023),
    }
}

/// PPP, or Cisco's HDLC on a line that speaks it (0f and 8f are its unicast and multicast addresses).
fn point_to_point(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    match layer.bytes.first_chunk() {
        Some([0x0f | 0x8f, 0]) => cisco_hdlc(layer),
        _ => ppp(layer),
    }
}

/// RFC 1661 §2: a protocol number of two bytes, or of one if it is odd; RFC 1662 §3.1: maybe ff 03 before it.
fn ppp(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let cut = Undecoded::Cut(Header::Ppp);
    let before = if layer.bytes.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    let field = layer.bytes.get(before..).unwrap_or_default();
    let (number, len) = match *field {
        [byte, ..] if byte & 1 == 1 => (u16::from(byte), 1),
        [a, b, ..] => (u16::from_be_bytes([a, b]), 2),
        _ => return Err(cut),
    };
    let protocol = match number {
        0x0021 => Protocol::Ipv4,          // RFC 1332 §2
        0x0057 => Protocol::Ipv6,          // RFC 5072 §2
        0x0281 | 0x0283 => Protocol::Mpls, // RFC 3032 §4.3
        0x0031 => return bridged(layer.behind(before + len, Protocol::Ethernet, Header::Ppp)?),
        other => return Err(Undecoded::PppProtocol(other)),
    };
    layer.behind(before + len, protocol, Header::Ppp)
}

/// RFC 3518 §4.2: flags, the kind of network, and there for Ethernet its frame.
fn bridged(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    match layer.bytes.first_chunk() {
        Some([_, 1]) => layer.behind(2, Protocol::Ethernet, Header::Ppp),
        _ => Err(Undecoded::PppProtocol(0x0031)),
    }
}

/// RFC 2516 §4: version and type, code 0 in a session, the session, the length of what follows.
fn pppoe(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let [_, code, _, _, a, b] = *layer.bytes.first_chunk().ok_or(Undecoded::Cut(Header::Pppoe))?;
    if code != 0 {
        return Err(Undecoded::EtherType(ether_type::PPPOE_DISCOVERY));
    }
    let len = usize::from(u16::from_be_bytes([a, b]));
    Ok(layer.behind(6, Protocol::Ppp, Header::Pppoe)?.limited(len))
}

/// Address, control, EtherType.
fn cisco_hdlc(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let number = layer.u16_at(2).ok_or(Undecoded::Cut(Header::Link))?;
    layer.behind(4, Protocol::EtherType(number), Header::Link)
}

/// RFC 2427 §3, §4: an address of two to four bytes whose last has its lowest bit set, then control and a network layer
/// identifier; Cisco's own framing has an EtherType there instead.
fn frame_relay(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    const UNNUMBERED_INFORMATION: u8 = 3;
    let cut = Undecoded::Cut(Header::Link);
    let address_len = layer.bytes.iter().take(4).position(|byte| byte & 1 == 1).ok_or(cut)? + 1;
    let inner = layer.behind(address_len, Protocol::Ip, Header::Link)?;
    let (before, rest) = match *inner.bytes {
        [UNNUMBERED_INFORMATION, 0, ref rest @ ..] => (2, rest), // padding, for alignment
        [UNNUMBERED_INFORMATION, ref rest @ ..] => (1, rest),
        [a, b, ..] => {
            return inner.behind(2, Protocol::EtherType(u16::from_be_bytes([a, b])), Header::Link);
        }
        _ => return Err(cut),
    };
    let inner = inner.behind(before + 1, Protocol::Ip, Header::Link)?;
    match *rest.first().ok_or(cut)? {
        0xcc => Ok(Layer { protocol: Protocol::Ipv4, ..inner }),
        0x8e => Ok(Layer { protocol: Protocol::Ipv6, ..inner }),
        0xcf => Ok(Layer { protocol: Protocol::Ppp, ..inner }), // RFC 1973 §2
        0x80 => snap(inner),
        other => Err(Undecoded::NetworkLayerId(other)),
    }
}

/// RFC 3032 §2.1: labels up to the one that is the last; what follows shows by its first half byte what it is, if it is
/// IP. Otherwise it may be Ethernet, with a control word before it (RFC 4385 §3: it begins with four zero bits) or not.
fn mpls(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let bottom = |label: &[u8; 4]| label[2] & 1 == 1;
    let (labels, _) = layer.bytes.as_chunks::<4>();
    let count = match labels.iter().take(MAX_LABELS).position(bottom) {
        Some(last) => last + 1,
        None if labels.len() >= MAX_LABELS => {
            return Err(Undecoded::Malformed(Header::Mpls, "more than 16 labels"));
        }
        None => return Err(Undecoded::Cut(Header::Mpls)),
    };
    let inner = layer.behind(count * 4, Protocol::Ip, Header::Mpls)?;
    match inner.bytes.first().ok_or(Undecoded::Cut(Header::Mpls))? >> 4 {
        4 if !ethernet_is_likely(inner.bytes) => Ok(inner),
        6 if !ethernet_is_likely(inner.bytes) => Ok(inner),
        0 if ethernet_is_likely(inner.bytes.get(4..).unwrap_or_default()) => {
            inner.behind(4, Protocol::Ethernet, Header::Mpls)
        }
        _ if ethernet_is_likely(inner.bytes) => Ok(Layer { protocol: Protocol::Ethernet, ..inner }),
        _ => Err(Undecoded::EtherType(ether_type::MPLS)),
    }
}

/// Whether these bytes may be an Ethernet frame that carries IP: the type is there, and so is what the type promises.
pub(crate) fn ethernet_is_likely(bytes: &[u8]) -> bool {
    let Some((addresses_and_type, rest)) = bytes.split_first_chunk::<14>() else { return false };
    let [.., a, b] = *addresses_and_type;
    match (u16::from_be_bytes([a, b]), rest.first()) {
        (ether_type::IPV4, Some(first)) => first >> 4 == 4,
        (ether_type::IPV6, Some(first)) => first >> 4 == 6,
        (ether_type::VLAN | ether_type::SERVICE_VLAN | ether_type::ARP | ether_type::MPLS, _) => true,
        _ => false,
    }
}
