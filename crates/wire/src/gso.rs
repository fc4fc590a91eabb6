//! Packets larger than the MTU, which the kernel leaves to the device to cut (GSO: generic segmentation offload), and
//! how to cut them into runs of segments that are such packets themselves. Read first: Virtual I/O Device 1.2, §5.1.6.2;
//! RFC 9293 §3.1 (TCP), RFC 768 (UDP), RFC 791 §3.1, RFC 8200 §3.
//!
//! A link that decides the fate of each segment would have to cut every 64 KiB packet into 45. Instead, segments that
//! share a fate stay together: a run costs one copy of the headers, and its payload is a slice of the whole.
//!
//! [`Uncut::new`] checks lengths, offsets and protocols once; nothing panics afterwards for segment numbers below
//! [`Uncut::segments`] (larger ones give an empty payload).

pub mod join;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use crate::checksum;
use crate::tcp::TcpFlags;
use crate::virtio_net::{GsoType, VirtioNetHeader};

/// The longest headers that are cut, link layer included: Ethernet with two VLAN tags, IPv4 and TCP at their longest
/// are 142 bytes; IPv6 gets room for extension headers.
pub const MAX_HEADERS: usize = 192;

const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;
const TCP_HEADER_LEN: usize = 20;
const UDP_HEADER_LEN: usize = 8;
/// Where the checksum stands in a TCP header (RFC 9293 §3.1) and in a UDP header (RFC 768).
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;
/// Where the flags stand in a TCP header.
const TCP_FLAGS: usize = 13;

/// Why a packet cannot be cut. It may still be passed on whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCuttable {
    /// It is not meant to be cut: a single segment.
    Single,
    /// A kind of cutting that is not known here.
    Kind,
    /// Its checksum is not partial, so there is nothing that survives a new length.
    Checksum,
    /// Offsets, lengths or protocols contradict each other.
    Malformed,
    /// Headers longer than [`MAX_HEADERS`].
    LongHeaders,
}

/// A packet to be cut, checked.
#[derive(Clone, Copy, Debug)]
pub struct Uncut<'a> {
    vnet: VirtioNetHeader,
    packet: &'a [u8],
    /// Where the IP header, the transport header and the payload begin.
    network: usize,
    transport: usize,
    payload: usize,
    tcp: bool,
    ipv6: bool,
}

/// Consecutive segments of an uncut packet, as a packet of their own: headers of their own, and where their payload
/// stands in the uncut packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What is left to the device for this run; no cutting when it is a single segment.
    pub vnet: VirtioNetHeader,
    /// Link layer (as it was), IP and transport header.
    pub headers: Headers,
    /// The payload's place in the uncut packet.
    pub payload: Range<usize>,
}

/// The bytes of a run's headers, in place.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers {
    len: usize,
    bytes: [u8; MAX_HEADERS],
}

impl Headers {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Headers").field(&self.as_slice()).finish()
    }
}

impl<'a> Uncut<'a> {
    /// Checks a packet whose IP header begins at `network` (0, or behind an Ethernet header).
    ///
    /// # Errors
    /// [`NotCuttable::Single`] and [`NotCuttable::Kind`] by the type in `vnet`, [`NotCuttable::Checksum`] where that
    /// leaves no checksum to the device, [`NotCuttable::Malformed`] where it contradicts the packet's headers or they
    /// are cut, [`NotCuttable::LongHeaders`] for more than [`MAX_HEADERS`] bytes of them.
    pub fn new(vnet: VirtioNetHeader, packet: &'a [u8], network: usize) -> Result<Uncut<'a>, NotCuttable> {
        let tcp = match vnet.gso_type {
            GsoType::None => return Err(NotCuttable::Single),
            GsoType::TcpV4 | GsoType::TcpV6 => true,
            GsoType::Udp => false,
            GsoType::UdpFragments | GsoType::Unknown(_) => return Err(NotCuttable::Kind),
        };
        if !vnet.needs_checksum() {
            return Err(NotCuttable::Checksum);
        }
        let transport = usize::from(vnet.csum_start);
        let ipv6 = check_ip(packet, network, transport, if tcp { TCP } else { UDP })?;
        let family_fits = match vnet.gso_type {
            GsoType::TcpV4 => !ipv6,
            GsoType::TcpV6 => ipv6,
            _ => true,
        };
        let checksum_at = if tcp { TCP_CHECKSUM } else { UDP_CHECKSUM };
        if !family_fits || usize::from(vnet.csum_offset) != checksum_at || vnet.gso_size == 0 {
            return Err(NotCuttable::Malformed);
        }
        let payload = transport + transport_header_len(packet, transport, tcp)?;
        if payload > MAX_HEADERS {
            return Err(NotCuttable::LongHeaders);
        }
        Ok(Uncut { vnet, packet, network, transport, payload, tcp, ipv6 })
    }

    /// How many segments it makes, at least 1.
    pub fn segments(&self) -> u32 {
        let payload = self.packet.len() - self.payload;
        u32::try_from(payload.div_ceil(self.segment_size())).unwrap_or(u32::MAX).max(1)
    }

    /// Where the payload of these segments stands in the packet.
    pub fn payload(&self, segments: Range<u32>) -> Range<usize> {
        let place = |segment: u32| {
            let behind = (segment as usize).saturating_mul(self.segment_size());
            self.payload.saturating_add(behind).min(self.packet.len())
        };
        place(segments.start)..place(segments.end)
    }

    /// These segments as a packet of their own.
    pub fn run(&self, segments: Range<u32>) -> Run {
        let payload = self.payload(segments.clone());
        let mut headers = Headers { len: self.payload, bytes: [0; MAX_HEADERS] };
        headers.bytes[..self.payload].copy_from_slice(&self.packet[..self.payload]);
        let bytes = &mut headers.bytes[..self.payload];
        self.fix_ip(bytes, segments.start, payload.len());
        if self.tcp {
            self.fix_tcp(bytes, &segments);
        } else {
            let len = UDP_HEADER_LEN + payload.len();
            put(bytes, self.transport + 4, len);
        }
        self.fix_partial_checksum(bytes, payload.len());
        Run { vnet: self.fix_vnet(&segments), headers, payload }
    }

    fn segment_size(&self) -> usize {
        usize::from(self.vnet.gso_size)
    }

    /// Total length and identification (RFC 791), payload length (RFC 8200).
    fn fix_ip(&self, bytes: &mut [u8], first: u32, payload_len: usize) {
        let behind_network = self.payload - self.network + payload_len;
        if self.ipv6 {
            put(bytes, self.network + 4, behind_network - IPV6_HEADER_LEN);
            return;
        }
        put(bytes, self.network + 2, behind_network);
        // Each segment is a packet with the next identification.
        let identification = u32::from(get(bytes, self.network + 4)).wrapping_add(first);
        put(bytes, self.network + 4, (identification & 0xffff) as usize);
        put(bytes, self.network + 10, 0);
        let sum = checksum::finish(checksum::sum(0, &bytes[self.network..self.transport]));
        put(bytes, self.network + 10, usize::from(sum));
    }

    fn fix_tcp(&self, bytes: &mut [u8], segments: &Range<u32>) {
        let tcp = &mut bytes[self.transport..];
        let seq = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
        let seq = seq.wrapping_add(segments.start.wrapping_mul(u32::from(self.vnet.gso_size)));
        tcp[4..8].copy_from_slice(&seq.to_be_bytes());
        // FIN and PSH belong to the last byte of the payload, CWR to the first segment (RFC 3168 §6.1.2).
        if segments.end < self.segments() {
            tcp[TCP_FLAGS] &= !(TcpFlags::FIN.0 | TcpFlags::PSH.0);
        }
        if segments.start > 0 {
            tcp[TCP_FLAGS] &= !TcpFlags::CWR.0;
        }
    }

    /// The sum of the pseudo-header for the new length; the device adds the rest.
    fn fix_partial_checksum(&self, bytes: &mut [u8], payload_len: usize) {
        let (source, destination) = addresses(&self.packet[self.network..self.transport], self.ipv6);
        let protocol = if self.tcp { TCP } else { UDP };
        let len = self.payload - self.transport + payload_len;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let sum = checksum::fold(checksum::pseudo_header(source, destination, protocol, len));
        put(bytes, self.transport + usize::from(self.vnet.csum_offset), usize::from(sum));
    }

    fn fix_vnet(&self, segments: &Range<u32>) -> VirtioNetHeader {
        let mut vnet = self.vnet;
        vnet.hdr_len = u16::try_from(self.payload).unwrap_or(u16::MAX);
        if segments.len() <= 1 {
            vnet.gso_type = GsoType::None;
            vnet.gso_size = 0;
        }
        vnet.ecn = self.vnet.ecn && segments.start == 0 && segments.len() > 1;
        vnet
    }
}

/// Source and destination of an IP header that has been seen to be whole.
fn addresses(ip: &[u8], ipv6: bool) -> (IpAddr, IpAddr) {
    if ipv6 {
        let address =
            |at: usize| ip[at..].first_chunk().map_or(Ipv6Addr::UNSPECIFIED, |a: &[u8; 16]| (*a).into());
        (address(8).into(), address(24).into())
    } else {
        let address =
            |at: usize| ip[at..].first_chunk().map_or(Ipv4Addr::UNSPECIFIED, |a: &[u8; 4]| (*a).into());
        (address(12).into(), address(16).into())
    }
}

/// Whether it is IPv6; lengths and protocol have to fit where the transport header is said to begin.
fn check_ip(packet: &[u8], network: usize, transport: usize, protocol: u8) -> Result<bool, NotCuttable> {
    let ip = packet.get(network..).ok_or(NotCuttable::Malformed)?;
    let header_len = transport.checked_sub(network).ok_or(NotCuttable::Malformed)?;
    let fits = match ip.first().map(|first| first >> 4) {
        Some(4) if ip.len() >= IPV4_HEADER_LEN => {
            header_len >= IPV4_HEADER_LEN
                && usize::from(ip[0] & 0xf) * 4 == header_len
                && usize::from(get(ip, 2)) == ip.len()
                && ip[9] == protocol
        }
        Some(6) if ip.len() >= IPV6_HEADER_LEN => {
            // Between the two, extension headers may stand; the kernel says where they end.
            header_len >= IPV6_HEADER_LEN
                && usize::from(get(ip, 4)) + IPV6_HEADER_LEN == ip.len()
                && (header_len > IPV6_HEADER_LEN || ip[6] == protocol)
        }
        _ => false,
    };
    if fits { Ok(ip[0] >> 4 == 6) } else { Err(NotCuttable::Malformed) }
}

fn transport_header_len(packet: &[u8], transport: usize, tcp: bool) -> Result<usize, NotCuttable> {
    let header = packet.get(transport..).ok_or(NotCuttable::Malformed)?;
    let len = match (tcp, header.get(12)) {
        (false, _) => UDP_HEADER_LEN,
        (true, Some(offset)) => usize::from(offset >> 4) * 4,
        (true, None) => return Err(NotCuttable::Malformed),
    };
    let shortest = if tcp { TCP_HEADER_LEN } else { UDP_HEADER_LEN };
    if len < shortest || len > header.len() { Err(NotCuttable::Malformed) } else { Ok(len) }
}

fn get(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Writes a number of 16 bits; the checks of [`Uncut::new`] keep lengths below 64 KiB.
fn put(bytes: &mut [u8], at: usize, value: usize) {
    let value = u16::try_from(value).unwrap_or(u16::MAX);
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests;
