//! A captured frame taken apart: from its link type down to the TCP segment or UDP datagram in it.
//!
//! [`dissect`] never panics and never allocates; every length that a header claims is held against the lengths around it.
//! Payload lengths come from the IP header and not from the bytes at hand, so they are right in captures that kept only
//! the headers, and the padding of short Ethernet frames never counts.

use std::net::{IpAddr, SocketAddr};

use crate::ethernet::{EthernetView, ether_type};
use crate::icmp::{self, IcmpMessage};
use crate::ipv4::Ipv4View;
use crate::ipv6::{self, Ipv6View};
use crate::link_type::LinkType;
use crate::tcp::{self, TcpFlags, TcpView};
use crate::udp::{self, UdpView};
pub use crate::undecoded::{Header, Undecoded};

#[cfg(test)]
mod tests;

/// An IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// Who shall get it.
    pub destination: IpAddr,
    /// Hops that it may still take: IPv4's time to live, IPv6's hop limit.
    pub hop_limit: u8,
    /// Differentiated services and ECN, one byte.
    pub traffic_class: u8,
    /// IPv4's identification; none for IPv6.
    pub identification: Option<u16>,
    /// IP header and payload, in bytes.
    pub len: u32,
    /// What it carries.
    pub transport: Transport<'a>,
}

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport<'a> {
    /// A TCP segment.
    Tcp(TcpSegment<'a>),
    /// A UDP datagram.
    Udp(UdpDatagram<'a>),
    /// An ICMP or ICMPv6 message.
    Icmp(IcmpMessage<'a>),
    /// A piece of a packet, the first one included: none of them is a whole segment or datagram.
    Fragment,
    /// Something else, by its protocol number (IANA, "Protocol Numbers").
    Other(u8),
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSegment<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Who shall get it.
    pub destination: SocketAddr,
    /// Its header.
    pub header: TcpView<'a>,
    /// Payload bytes on the wire.
    pub payload_len: u32,
    /// The payload as far as it was captured.
    pub payload: &'a [u8],
}

impl TcpSegment<'_> {
    /// The sequence numbers that it takes: its payload, and one each for SYN and FIN (RFC 9293 §3.4).
    pub fn sequence_len(&self) -> u32 {
        let flags = self.header.flags();
        self.payload_len + u32::from(flags.has(TcpFlags::SYN)) + u32::from(flags.has(TcpFlags::FIN))
    }
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpDatagram<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Who shall get it.
    pub destination: SocketAddr,
    /// Its header.
    pub header: UdpView<'a>,
    /// Payload bytes on the wire.
    pub payload_len: u32,
    /// The payload as far as it was captured.
    pub payload: &'a [u8],
}

/// Takes a frame apart whose length on the wire is not known or is that of `bytes`.
pub fn dissect(link: LinkType, bytes: &[u8]) -> Result<Packet<'_>, Undecoded> {
    dissect_link(link, bytes, None)
}

/// Takes a captured frame apart that was `wire_len` bytes long.
///
/// That length is needed where the IP header has none (packets of more than 64 KiB, captured before the device cut
/// them), and it bounds what a lying header can claim.
pub fn dissect_captured(link: LinkType, bytes: &[u8], wire_len: u32) -> Result<Packet<'_>, Undecoded> {
    dissect_link(link, bytes, Some(wire_len))
}

fn dissect_link(link: LinkType, bytes: &[u8], wire_len: Option<u32>) -> Result<Packet<'_>, Undecoded> {
    let wire_len = wire_len.and_then(|len| usize::try_from(len).ok());
    match link {
        LinkType::ETHERNET => ethernet(bytes, wire_len),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => {
            match bytes.first().map(|byte| byte >> 4) {
                Some(6) => ipv6(bytes, wire_len),
                _ => ipv4(bytes, wire_len),
            }
        }
        LinkType::IPV4 => ipv4(bytes, wire_len),
        LinkType::IPV6 => ipv6(bytes, wire_len),
        other => Err(Undecoded::LinkType(other)),
    }
}

fn ethernet(bytes: &[u8], wire_len: Option<usize>) -> Result<Packet<'_>, Undecoded> {
    let frame = EthernetView::new(bytes)?;
    let before = bytes.len() - frame.payload().len();
    let wire_len = wire_len.map(|whole| whole.saturating_sub(before));
    match frame.ether_type() {
        ether_type::IPV4 => ipv4(frame.payload(), wire_len),
        ether_type::IPV6 => ipv6(frame.payload(), wire_len),
        0..ether_type::FIRST => Err(Undecoded::Ieee8023),
        other => Err(Undecoded::EtherType(other)),
    }
}

fn ipv4(bytes: &[u8], wire_len: Option<usize>) -> Result<Packet<'_>, Undecoded> {
    let header = Ipv4View::new(bytes)?;
    let len = true_len(usize::from(header.total_len()), bytes, wire_len);
    let inner = Inner {
        source: header.source().into(),
        destination: header.destination().into(),
        captured: header.rest(),
        len: len
            .checked_sub(header.header_len())
            .ok_or(Undecoded::Malformed(Header::Ipv4, "packet shorter than its header"))?,
    };
    Ok(Packet {
        source: inner.source,
        destination: inner.destination,
        hop_limit: header.ttl(),
        traffic_class: header.traffic_class(),
        identification: Some(header.identification()),
        len: saturated(len),
        transport: if header.is_fragment() {
            Transport::Fragment
        } else {
            inner.transport(header.protocol())?
        },
    })
}

fn ipv6(bytes: &[u8], wire_len: Option<usize>) -> Result<Packet<'_>, Undecoded> {
    let header = Ipv6View::new(bytes)?;
    let stated = match header.payload_len() {
        0 => 0,
        len => ipv6::HEADER_LEN + usize::from(len),
    };
    let len = true_len(stated, bytes, wire_len);
    let upper = header.upper()?;
    let inner = Inner {
        source: header.source().into(),
        destination: header.destination().into(),
        captured: bytes.get(upper.offset..).unwrap_or_default(),
        len: len
            .checked_sub(upper.offset)
            .ok_or(Undecoded::Malformed(Header::Ipv6, "packet shorter than its headers"))?,
    };
    Ok(Packet {
        source: inner.source,
        destination: inner.destination,
        hop_limit: header.hop_limit(),
        traffic_class: header.traffic_class(),
        identification: None,
        len: saturated(len),
        transport: if upper.fragment { Transport::Fragment } else { inner.transport(upper.protocol)? },
    })
}

/// The length of an IP packet: what its header states, but no more than was on the wire; where it states none, all that
/// was on the wire.
fn true_len(stated: usize, bytes: &[u8], wire_len: Option<usize>) -> usize {
    match (stated, wire_len) {
        (0, wire_len) => wire_len.unwrap_or(bytes.len()),
        (stated, Some(wire_len)) => stated.min(wire_len),
        (stated, None) => stated,
    }
}

/// The payload of an IP packet, and between whom it goes.
struct Inner<'a> {
    source: IpAddr,
    destination: IpAddr,
    /// What was captured of it: maybe less than all, maybe with padding behind it.
    captured: &'a [u8],
    /// How long it is on the wire.
    len: usize,
}

impl<'a> Inner<'a> {
    fn transport(&self, protocol: u8) -> Result<Transport<'a>, Undecoded> {
        match protocol {
            tcp::PROTOCOL => self.tcp().map(Transport::Tcp),
            udp::PROTOCOL => self.udp().map(Transport::Udp),
            icmp::PROTOCOL_V4 if self.source.is_ipv4() => self.icmp().map(Transport::Icmp),
            icmp::PROTOCOL_V6 if self.source.is_ipv6() => self.icmp().map(Transport::Icmp),
            other => Ok(Transport::Other(other)),
        }
    }

    fn tcp(&self) -> Result<TcpSegment<'a>, Undecoded> {
        let bytes = front(self.captured, self.len);
        let too_short = Undecoded::Malformed(Header::Tcp, "packet too short for it");
        self.room_behind(tcp::MIN_HEADER_LEN).ok_or(too_short)?;
        let header = TcpView::new(bytes)?;
        let payload_len = self.room_behind(header.header_len()).ok_or(too_short)?;
        Ok(TcpSegment {
            source: SocketAddr::new(self.source, header.source_port()),
            destination: SocketAddr::new(self.destination, header.destination_port()),
            header,
            payload_len: saturated(payload_len),
            payload: bytes.get(header.header_len()..).unwrap_or_default(),
        })
    }

    fn udp(&self) -> Result<UdpDatagram<'a>, Undecoded> {
        let too_short = Undecoded::Malformed(Header::Udp, "packet too short for it");
        let room = self.room_behind(udp::HEADER_LEN).ok_or(too_short)?;
        let header = UdpView::new(self.captured)?;
        let payload_len = match usize::from(header.len()) {
            0 => room,
            len => len
                .checked_sub(udp::HEADER_LEN)
                .ok_or(Undecoded::Malformed(Header::Udp, "length below 8"))?
                .min(room),
        };
        Ok(UdpDatagram {
            source: SocketAddr::new(self.source, header.source_port()),
            destination: SocketAddr::new(self.destination, header.destination_port()),
            header,
            payload_len: saturated(payload_len),
            payload: front(self.captured.get(udp::HEADER_LEN..).unwrap_or_default(), payload_len),
        })
    }

    fn icmp(&self) -> Result<IcmpMessage<'a>, Undecoded> {
        let too_short = Undecoded::Malformed(Header::Icmp, "packet too short for it");
        self.room_behind(icmp::HEADER_LEN).ok_or(too_short)?;
        IcmpMessage::new(self.source.is_ipv6(), front(self.captured, self.len))
    }

    /// What is left on the wire behind a header of this length.
    fn room_behind(&self, header_len: usize) -> Option<usize> {
        self.len.checked_sub(header_len)
    }
}

/// The first `len` bytes, or all if there are fewer.
fn front(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}

fn saturated(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
