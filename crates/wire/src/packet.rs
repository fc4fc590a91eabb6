//! A captured frame taken apart: from its link type down to the TCP segment or UDP datagram in it, through tunnels.
//!
//! [`dissect`] never panics and never allocates; every length that a header claims is held against the lengths around it.
//! Payload lengths come from the IP header and not from the bytes at hand, so they are right in captures that kept only
//! the headers, and the padding of short Ethernet frames never counts.
//!
//! A packet inside a packet (IP in IP, GRE, VXLAN, …) is what counts: the innermost is told, at most [`MAX_TUNNELS`] deep.
//! Where the inside of a tunnel is no IP packet, the outer packet is told as it is.

use std::net::{IpAddr, SocketAddr};

use crate::arp::ArpView;
use crate::ethernet::{EthernetView, ether_type};
use crate::icmp::{self, IcmpMessage};
use crate::igmp::{self, IgmpMessage};
use crate::ipv4::Ipv4View;
use crate::ipv6::{self, Ipv6View};
use crate::link::{self, Layer, Protocol};
use crate::link_type::LinkType;
use crate::tcp::{self, TcpFlags, TcpView};
use crate::tunnel;
use crate::udp::{self, UdpView};
pub use crate::undecoded::{Header, Undecoded};

#[cfg(test)]
pub(crate) mod tests;

/// Packets around a packet that are taken off before giving up and telling the one that was reached.
pub const MAX_TUNNELS: u8 = 8;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// An IP packet.
    Ip(Packet<'a>),
    /// An ARP packet.
    Arp(ArpView<'a>),
}

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
    /// How many packets were around it, each carrying the next.
    pub tunnels: u8,
    /// IPv4's identification; none for IPv6.
    pub identification: Option<u16>,
    /// IP header and payload, in bytes.
    pub len: u32,
    /// By how many bytes Wireshark takes it to be shorter: in Cisco's FabricPath it holds the last four for a checksum of
    /// the frame, whether or not they are one.
    pub shorter_in_wireshark: u32,
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
    /// An IGMP message.
    Igmp(IgmpMessage<'a>),
    /// A piece of a packet, the first one included: none of them is a whole segment or datagram.
    Fragment(Fragment<'a>),
    /// Something else, by its protocol number (IANA, "Protocol Numbers").
    Other(u8),
}

/// A piece of a packet. [`Reassembler`](crate::reassembly::Reassembler) puts them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Who sent the packet.
    pub source: IpAddr,
    /// Who shall get it.
    pub destination: IpAddr,
    /// What the whole carries: its protocol number. For IPv6 only the first piece's is sure (RFC 8200 §4.5).
    pub protocol: u8,
    /// What all pieces of a packet share: 16 bits for IPv4, 32 for IPv6.
    pub identification: u32,
    /// Where the piece belongs in the packet's payload, in bytes.
    pub offset: u32,
    /// False for the last piece.
    pub more: bool,
    /// Its length on the wire, in bytes.
    pub len: u32,
    /// The piece as far as it was captured.
    pub payload: &'a [u8],
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
    /// The header says that it is longer than the packet has room for: whoever gets it drops it.
    pub is_misfit: bool,
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
///
/// # Errors
/// Why there is no packet in it: what it carries is not read here, or a header of it is cut ([`Undecoded::Cut`]) or
/// contradicts what is around it ([`Undecoded::Malformed`]), that of TCP, UDP, ICMP or IGMP included.
pub fn dissect(link: LinkType, bytes: &[u8]) -> Result<Packet<'_>, Undecoded> {
    dissect_link(link, bytes, None)
}

/// Takes a captured frame apart that was `wire_len` bytes long.
///
/// That length is needed where the IP header has none (packets of more than 64 KiB, captured before the device cut
/// them), and it bounds what a lying header can claim.
///
/// # Errors
/// Those of [`dissect`].
pub fn dissect_captured(link: LinkType, bytes: &[u8], wire_len: u32) -> Result<Packet<'_>, Undecoded> {
    dissect_link(link, bytes, usize::try_from(wire_len).ok())
}

/// The same for those who want to know of ARP too.
///
/// # Errors
/// Those of [`dissect`]; for ARP only those of [`ArpView::new`].
pub fn dissect_frame(link: LinkType, bytes: &[u8], wire_len: u32) -> Result<Frame<'_>, Undecoded> {
    match dissect_captured(link, bytes, wire_len) {
        Err(Undecoded::EtherType(ether_type::ARP | ether_type::RARP)) => {
            let wire_len = usize::try_from(wire_len).ok();
            let layer = link::network(Layer::new(Protocol::Link(link), bytes, wire_len))?;
            ArpView::new(layer.bytes).map(Frame::Arp)
        }
        read => read.map(Frame::Ip),
    }
}

/// Takes the payload of an IP packet apart that was put together from its pieces. `len` is its length; `bytes` may be less
/// of it.
///
/// # Errors
/// [`Undecoded::Cut`] where a header in it is cut, [`Undecoded::Malformed`] where one contradicts itself or `len`.
pub fn dissect_payload(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    bytes: &[u8],
    len: u32,
) -> Result<Packet<'_>, Undecoded> {
    let headers = Headers {
        source,
        destination,
        hop_limit: 0,
        traffic_class: 0,
        tunnels: 0,
        identification: None,
        len: 0,
    };
    headers.around(protocol, bytes, usize::try_from(len).unwrap_or(usize::MAX))
}

const TOO_SHORT_V6: Undecoded = Undecoded::Malformed(Header::Ipv6, "packet shorter than its headers");

/// Plain Ethernet with IP, by far the most, does not go the long way.
#[inline]
fn dissect_link(link: LinkType, bytes: &[u8], wire_len: Option<usize>) -> Result<Packet<'_>, Undecoded> {
    if link == LinkType::ETHERNET {
        let frame = EthernetView::new(bytes)?;
        let before = bytes.len() - frame.payload().len();
        let wire_len = wire_len.map(|whole| whole.saturating_sub(before));
        match frame.ether_type() {
            ether_type::IPV4 => return ipv4(frame.payload(), wire_len, 0),
            ether_type::IPV6 => return ipv6(frame.payload(), wire_len, 0),
            _ => {}
        }
    }
    packet_behind(link::network(Layer::new(Protocol::Link(link), bytes, wire_len))?, 0)
}

/// The packet that a layer holds, behind so many tunnels.
fn packet_behind(layer: Layer<'_>, tunnels: u8) -> Result<Packet<'_>, Undecoded> {
    let packet = match layer.protocol {
        Protocol::Ipv4 => ipv4(layer.bytes, layer.wire_len, tunnels),
        Protocol::Ipv6 => ipv6(layer.bytes, layer.wire_len, tunnels),
        Protocol::Arp(number) => Err(Undecoded::EtherType(number)),
        _ => match layer.bytes.first().map(|byte| byte >> 4) {
            Some(6) => ipv6(layer.bytes, layer.wire_len, tunnels),
            _ => ipv4(layer.bytes, layer.wire_len, tunnels),
        },
    }?;
    let Some(room) = layer.wire_len.filter(|_| layer.supposed_checksum) else { return Ok(packet) };
    let shorter_in_wireshark = packet.len.saturating_sub(saturated(room.saturating_sub(4)));
    Ok(Packet { shorter_in_wireshark, ..packet })
}

fn ipv4(bytes: &[u8], wire_len: Option<usize>, tunnels: u8) -> Result<Packet<'_>, Undecoded> {
    let header = Ipv4View::new(bytes)?;
    let len = true_len(usize::from(header.total_len()), bytes, wire_len);
    let payload = Payload {
        source: header.source().into(),
        destination: header.destination().into(),
        captured: header.rest(),
        len: len
            .checked_sub(header.header_len())
            .ok_or(Undecoded::Malformed(Header::Ipv4, "packet shorter than its header"))?,
    };
    let headers = Headers {
        source: payload.source,
        destination: payload.destination,
        hop_limit: header.ttl(),
        traffic_class: header.traffic_class(),
        tunnels,
        identification: Some(header.identification()),
        len: saturated(len),
    };
    if header.is_fragment() {
        let fragment = payload.fragment(
            header.protocol(),
            u32::from(header.identification()),
            header.fragment_offset(),
            header.more_fragments(),
        );
        return Ok(headers.with(Transport::Fragment(fragment)));
    }
    headers.carrying(header.protocol(), payload)
}

fn ipv6(bytes: &[u8], wire_len: Option<usize>, tunnels: u8) -> Result<Packet<'_>, Undecoded> {
    let header = Ipv6View::new(bytes)?;
    let stated = match header.payload_len() {
        0 => 0,
        len => ipv6::HEADER_LEN + usize::from(len),
    };
    let len = true_len(stated, bytes, wire_len);
    let upper = header.upper()?;
    let payload = Payload {
        source: header.source().into(),
        destination: header.destination().into(),
        captured: bytes.get(upper.offset..).unwrap_or_default(),
        len: len.checked_sub(upper.offset).ok_or(TOO_SHORT_V6)?,
    };
    let headers = Headers {
        source: payload.source,
        destination: payload.destination,
        hop_limit: header.hop_limit(),
        traffic_class: header.traffic_class(),
        tunnels,
        identification: None,
        len: saturated(len),
    };
    if let Some(piece) = upper.fragment {
        let fragment = payload.fragment(upper.protocol, piece.identification, piece.offset, piece.more);
        return Ok(headers.with(Transport::Fragment(fragment)));
    }
    headers.carrying(upper.protocol, payload)
}

/// A packet without what it carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Headers {
    source: IpAddr,
    destination: IpAddr,
    hop_limit: u8,
    traffic_class: u8,
    tunnels: u8,
    identification: Option<u16>,
    /// That of headers and payload.
    len: u32,
}

impl Packet<'_> {
    /// What stands around a fragment; the length is that of the headers alone.
    pub(crate) fn headers_around(&self, fragment: &Fragment<'_>) -> Headers {
        let Packet { source, destination, hop_limit, traffic_class, tunnels, identification, len, .. } =
            *self;
        let len = len.saturating_sub(fragment.len);
        Headers { source, destination, hop_limit, traffic_class, tunnels, identification, len }
    }
}

impl Headers {
    /// The packet that these headers, whose length is their own, make with a payload of `len` bytes.
    pub(crate) fn around(self, protocol: u8, bytes: &[u8], len: usize) -> Result<Packet<'_>, Undecoded> {
        let payload = Payload { source: self.source, destination: self.destination, captured: bytes, len };
        let headers = Headers { len: self.len.saturating_add(saturated(len)), ..self };
        if self.source.is_ipv4() {
            return headers.carrying(protocol, payload);
        }
        // The headers of the pieces end where the fragment header does; more may stand behind it (RFC 8200 §4.5).
        let upper = ipv6::upper(protocol, bytes)?;
        let payload = payload.behind(upper.offset).ok_or(TOO_SHORT_V6)?;
        if let Some(piece) = upper.fragment {
            let fragment = payload.fragment(upper.protocol, piece.identification, piece.offset, piece.more);
            return Ok(headers.with(Transport::Fragment(fragment)));
        }
        headers.carrying(upper.protocol, payload)
    }

    #[inline]
    fn with(self, transport: Transport<'_>) -> Packet<'_> {
        let Headers { source, destination, hop_limit, traffic_class, tunnels, identification, len } = self;
        Packet {
            source,
            destination,
            hop_limit,
            traffic_class,
            tunnels,
            identification,
            len,
            shorter_in_wireshark: 0,
            transport,
        }
    }

    /// The packet with what it carries, or the packet that it carries.
    #[inline]
    fn carrying<'a>(self, protocol: u8, payload: Payload<'a>) -> Result<Packet<'a>, Undecoded> {
        if protocol == tcp::PROTOCOL {
            return Ok(self.with(Transport::Tcp(payload.tcp()?)));
        }
        self.carrying_other(protocol, payload)
    }

    #[inline(never)]
    fn carrying_other<'a>(self, protocol: u8, payload: Payload<'a>) -> Result<Packet<'a>, Undecoded> {
        let transport = match protocol {
            udp::PROTOCOL => {
                let datagram = payload.udp()?;
                match self.inside_udp(&datagram) {
                    Some(inner) => return Ok(inner),
                    None => Transport::Udp(datagram),
                }
            }
            icmp::PROTOCOL_V4 if self.source.is_ipv4() => Transport::Icmp(payload.icmp()?),
            icmp::PROTOCOL_V6 if self.source.is_ipv6() => Transport::Icmp(payload.icmp()?),
            igmp::PROTOCOL if self.source.is_ipv4() => Transport::Igmp(payload.igmp()?),
            AUTHENTICATION if self.source.is_ipv4() => return self.authenticated(payload),
            other => return self.inside(other, payload),
        };
        Ok(self.with(transport))
    }

    /// What is inside of a protocol that may be a tunnel.
    fn inside<'a>(self, protocol: u8, payload: Payload<'a>) -> Result<Packet<'a>, Undecoded> {
        let outer = self.with(Transport::Other(protocol));
        let inner = tunnel::in_ip(protocol, payload.layer()).filter(|_| self.tunnels < MAX_TUNNELS);
        let Some(inner) = inner else { return Ok(outer) };
        match inner.and_then(link::network).and_then(|layer| packet_behind(layer, self.tunnels + 1)) {
            Err(Undecoded::Cut(header)) => Err(Undecoded::Cut(header)),
            Err(Undecoded::Malformed(header, why)) => Err(Undecoded::Malformed(header, why)),
            Err(_) => Ok(outer),
            inner => inner,
        }
    }

    /// The same for a datagram that looks like a tunnel by its ports, which proves nothing.
    fn inside_udp<'a>(self, datagram: &UdpDatagram<'a>) -> Option<Packet<'a>> {
        let ports = [datagram.destination.port(), datagram.source.port()];
        let payload = Layer::new(Protocol::Ip, datagram.payload, usize::try_from(datagram.payload_len).ok());
        let layer = tunnel::in_udp(ports, payload).filter(|_| self.tunnels < MAX_TUNNELS)?;
        link::network(layer).and_then(|layer| packet_behind(layer, self.tunnels + 1)).ok()
    }

    /// Steps over an authentication header (RFC 4302 §2): the next protocol, and a length in words, minus two.
    fn authenticated<'a>(self, payload: Payload<'a>) -> Result<Packet<'a>, Undecoded> {
        let cut = Undecoded::Cut(Header::Authentication);
        let [next, words, ..] = *payload.captured.first_chunk::<8>().ok_or(cut)?;
        let rest = payload.behind((usize::from(words) + 2) * 4);
        let rest = rest.ok_or(Undecoded::Malformed(Header::Authentication, "packet too short for it"))?;
        match next {
            AUTHENTICATION => Ok(self.with(Transport::Other(AUTHENTICATION))),
            next => self.carrying(next, rest),
        }
    }
}

/// IPsec's authentication header (RFC 4302 §2).
const AUTHENTICATION: u8 = 51;

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
#[derive(Clone, Copy)]
struct Payload<'a> {
    source: IpAddr,
    destination: IpAddr,
    /// What was captured of it: maybe less than all, maybe with padding behind it.
    captured: &'a [u8],
    /// How long it is on the wire.
    len: usize,
}

impl<'a> Payload<'a> {
    fn layer(&self) -> Layer<'a> {
        Layer::new(Protocol::Ip, front(self.captured, self.len), Some(self.len))
    }

    /// What stands behind the first `len` bytes; none if the wire had fewer.
    fn behind(self, len: usize) -> Option<Payload<'a>> {
        let captured = self.captured.get(len..).unwrap_or_default();
        Some(Payload { captured, len: self.len.checked_sub(len)?, ..self })
    }

    fn fragment(&self, protocol: u8, identification: u32, offset: u32, more: bool) -> Fragment<'a> {
        Fragment {
            source: self.source,
            destination: self.destination,
            protocol,
            identification,
            offset,
            more,
            len: saturated(self.len),
            payload: front(self.captured, self.len),
        }
    }

    fn tcp(&self) -> Result<TcpSegment<'a>, Undecoded> {
        let bytes = front(self.captured, self.len);
        let too_short = Undecoded::Malformed(Header::Tcp, "packet too short for it");
        self.room_behind(tcp::MIN_HEADER_LEN).ok_or(too_short)?;
        let header = TcpView::new(bytes)?;
        let payload_len = self.room_behind(header.header_len());
        Ok(TcpSegment {
            source: SocketAddr::new(self.source, header.source_port()),
            destination: SocketAddr::new(self.destination, header.destination_port()),
            header,
            is_misfit: payload_len.is_none(),
            payload_len: saturated(payload_len.unwrap_or(0)),
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

    fn igmp(&self) -> Result<IgmpMessage<'a>, Undecoded> {
        let too_short = Undecoded::Malformed(Header::Igmp, "packet too short for it");
        self.room_behind(igmp::HEADER_LEN).ok_or(too_short)?;
        IgmpMessage::new(front(self.captured, self.len))
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
