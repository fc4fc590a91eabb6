//! What the link sees of a packet: whose conversation it belongs to, and what decides its fate there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use wire::gso::Uncut;
use wire::link_type::LinkType;
use wire::packet::{self, Packet, TcpSegment, Transport};
use wire::tcp::{TcpFlags, TcpOptions};
use wire::virtio_net::VirtioNetHeader;

use super::{Direction, damage};

/// A packet as it is offered to the link.
#[derive(Clone, Copy, Debug)]
pub struct Offered<'a> {
    /// The bytes, from the link layer on.
    pub(super) frame: &'a [u8],
    /// Where the IP header begins in them.
    pub(super) network: usize,
    uncut: Option<Uncut<'a>>,
}

impl<'a> Offered<'a> {
    /// A packet whose IP header begins at `network`; `vnet` says what is left to the device, all zeros if nothing is.
    pub fn new(vnet: VirtioNetHeader, frame: &'a [u8], network: usize) -> Offered<'a> {
        // What is not to be cut, or cannot be, is carried whole, as one segment.
        let uncut = Uncut::new(vnet, frame, network).ok();
        Offered { frame, network, uncut }
    }

    /// The packet as one to be cut, when it is one.
    pub fn uncut(&self) -> Option<&Uncut<'a>> {
        self.uncut.as_ref()
    }

    /// How many packets of the wire it stands for.
    pub fn segments(&self) -> u32 {
        self.uncut.as_ref().map_or(1, Uncut::segments)
    }

    /// The packet from its IP header on.
    pub(super) fn ip(&self) -> &'a [u8] {
        self.frame.get(self.network..).unwrap_or_default()
    }

    /// How long one of its segments is as an IP packet.
    pub(super) fn segment_len(&self, segment: u32) -> u32 {
        let (headers, payload) = self.parts(segment);
        u32::try_from(headers.len() + payload.len()).unwrap_or(u32::MAX)
    }

    /// Headers and payload of one of its segments; the headers are those of the whole packet.
    pub(super) fn parts(&self, segment: u32) -> (&'a [u8], &'a [u8]) {
        match &self.uncut {
            None => {
                let ip = self.ip();
                ip.split_at(damage::headers_len(ip))
            }
            Some(uncut) => {
                let payload = uncut.payload(segment..segment.saturating_add(1));
                let headers = self.network..uncut.payload(0..0).start;
                (self.frame.get(headers).unwrap_or_default(), self.frame.get(payload).unwrap_or_default())
            }
        }
    }

    /// One of its segments as a packet of its own, from the IP header on.
    pub(super) fn segment(&self, segment: u32) -> Vec<u8> {
        let Some(uncut) = &self.uncut else { return self.ip().to_vec() };
        let run = uncut.run(segment..segment.saturating_add(1));
        let headers = run.headers.as_slice().get(self.network..).unwrap_or_default();
        [headers, self.frame.get(run.payload).unwrap_or_default()].concat()
    }

    /// The payload bytes of one of its segments, counted from the first payload byte of all.
    fn payload(&self, segment: u32, whole: u32) -> std::ops::Range<u32> {
        let Some(uncut) = &self.uncut else { return 0..whole };
        let start = uncut.payload(0..0).start;
        let place = uncut.payload(segment..segment.saturating_add(1));
        let count = |at: usize| u32::try_from(at - start).unwrap_or(u32::MAX);
        count(place.start)..count(place.end)
    }
}

/// What tells conversations apart. Only the order in which they first appear decides fates, never these values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: Kind,
    /// The end on the client's side; port 0 where the protocol has none.
    client: SocketAddr,
    /// The end on the server's side.
    server: SocketAddr,
}

/// Conversations are numbered within their kind, so that a stray datagram does not shift the numbers of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Tcp,
    Udp,
    /// Another protocol by its number; 256 and above: fragments, and what is not IP at all.
    Other(u16),
}

const FRAGMENTS: u16 = 256;
const NOT_IP: u16 = 257;

impl Kind {
    /// The number that stands for it in what the dice are told.
    pub(super) fn word(self) -> u64 {
        match self {
            Kind::Tcp => 6,
            Kind::Udp => 17,
            Kind::Other(number) => u64::from(number),
        }
    }
}

/// A packet's place in its conversation.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    pub(super) key: Key,
    /// For TCP.
    pub(super) tcp: Option<TcpSight>,
}

/// What is read of a TCP header.
#[derive(Clone, Debug)]
pub(super) struct TcpSight {
    pub(super) seq: u32,
    pub(super) flags: TcpFlags,
    pub(super) payload_len: u32,
    /// Of a SYN only.
    pub(super) options: TcpOptions,
}

impl TcpSight {
    /// Sequence numbers of the payload that one of the packet's segments carries, counted from the packet's first.
    pub(super) fn payload(&self, offered: &Offered<'_>, segment: u32) -> std::ops::Range<u32> {
        offered.payload(segment, self.payload_len)
    }
}

impl Sight {
    /// Looks at a packet that goes in this direction.
    pub(super) fn of(offered: &Offered<'_>, direction: Direction) -> Sight {
        let ip = offered.frame.get(offered.network..).unwrap_or_default();
        match packet::dissect(LinkType::RAW, ip) {
            Ok(packet) => Sight::of_packet(&packet, direction),
            Err(_) => {
                let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
                Sight { key: Key { kind: Kind::Other(NOT_IP), client: nowhere, server: nowhere }, tcp: None }
            }
        }
    }

    fn of_packet(packet: &Packet<'_>, direction: Direction) -> Sight {
        let no_port = (SocketAddr::new(packet.source, 0), SocketAddr::new(packet.destination, 0));
        let (kind, (source, destination), tcp) = match &packet.transport {
            Transport::Tcp(tcp) => (Kind::Tcp, (tcp.source, tcp.destination), Some(TcpSight::of(tcp))),
            Transport::Udp(udp) => (Kind::Udp, (udp.source, udp.destination), None),
            Transport::Icmp(_) if packet.source.is_ipv4() => (Kind::Other(1), no_port, None),
            Transport::Icmp(_) => (Kind::Other(58), no_port, None),
            Transport::Igmp(_) => (Kind::Other(2), no_port, None),
            Transport::Fragment(_) => (Kind::Other(FRAGMENTS), no_port, None),
            Transport::Other(protocol) => (Kind::Other(u16::from(*protocol)), no_port, None),
        };
        let (client, server) = match direction {
            Direction::Up => (source, destination),
            Direction::Down => (destination, source),
        };
        Sight { key: Key { kind, client, server }, tcp }
    }
}

impl TcpSight {
    fn of(tcp: &TcpSegment<'_>) -> TcpSight {
        let flags = tcp.header.flags();
        let options = if flags.has(TcpFlags::SYN) { tcp.header.options() } else { TcpOptions::default() };
        TcpSight { seq: tcp.header.seq(), flags, payload_len: tcp.payload_len, options }
    }
}
