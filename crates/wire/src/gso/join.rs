//! The opposite of cutting: packets that follow each other in one flow, made one that is to be cut (GRO: generic receive
//! offload). Whoever is handed it gets the same bytes in the same segments, for the price of one packet.
//!
//! Joined is only what cutting gives back: the same headers but for lengths, sequence number, PSH at the end and
//! checksums, payloads of one size but the last. A complete checksum is checked first, because what is joined has a
//! partial one, which its receiver takes to be right: a damaged packet stays alone.

use super::{
    Headers, IPV4_HEADER_LEN, IPV6_HEADER_LEN, MAX_HEADERS, TCP, TCP_CHECKSUM, TCP_FLAGS, UDP, UDP_CHECKSUM,
    addresses, get, put, transport_header_len,
};
use crate::checksum;
use crate::tcp::TcpFlags;
use crate::virtio_net::{GsoType, VirtioNetHeader};

/// The most packets that become one: what every kernel takes as one train of datagrams (UDP_MAX_SEGMENTS).
pub const MOST: u32 = 64;
/// The longest IP packet (RFC 791 §3.1).
const LONGEST: usize = 65_535;

/// A packet in one or two pieces.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// What is left to the device; its offsets count from the first piece's first byte.
    pub vnet: VirtioNetHeader,
    /// All headers at least, from the link layer on.
    pub headers: &'a [u8],
    /// The rest.
    pub payload: &'a [u8],
    /// Where the IP header begins.
    pub network: usize,
}

/// Packets joined so far, at first one.
#[derive(Clone, Debug)]
pub struct Joined {
    layout: Layout,
    /// Those of the first packet.
    headers: Headers,
    /// The payload of each packet but the last, and of all.
    size: usize,
    payload_len: usize,
    packets: u32,
    /// The next one does not belong to it whatever it is.
    is_closed: bool,
}

/// What a packet is, and where its headers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    network: usize,
    transport: usize,
    payload: usize,
    tcp: bool,
    ipv6: bool,
}

impl Piece<'_> {
    fn len(&self) -> usize {
        self.headers.len() + self.payload.len()
    }

    /// What it is, if it is of a kind that is joined: TCP with payload and without any flag but ACK and PSH, or UDP.
    fn layout(&self) -> Option<Layout> {
        if self.vnet.gso_type != GsoType::None {
            return None;
        }
        let ip = self.headers.get(self.network..).filter(|ip| ip.len() >= IPV4_HEADER_LEN)?;
        let len = ip.len() + self.payload.len();
        let (ipv6, protocol, header_len) = match ip[0] {
            // No options, no fragment.
            0x45 if usize::from(get(ip, 2)) == len && get(ip, 6) & 0x3fff == 0 => {
                (false, ip[9], IPV4_HEADER_LEN)
            }
            0x60..=0x6f
                if ip.len() >= IPV6_HEADER_LEN && usize::from(get(ip, 4)) + IPV6_HEADER_LEN == len =>
            {
                (true, ip[6], IPV6_HEADER_LEN)
            }
            _ => return None,
        };
        let (tcp, transport) = (protocol == TCP, self.network + header_len);
        if !tcp && protocol != UDP {
            return None;
        }
        let payload = transport + transport_header_len(self.headers, transport, tcp).ok()?;
        let layout = Layout { network: self.network, transport, payload, tcp, ipv6 };
        let header = &self.headers[transport..payload];
        let is_plain = match tcp {
            true => header[TCP_FLAGS] & !TcpFlags::PSH.0 == TcpFlags::ACK.0,
            false => usize::from(get(header, 4)) == self.len() - transport && get(header, UDP_CHECKSUM) != 0,
        };
        let fits = self.len() > payload && payload <= MAX_HEADERS;
        (is_plain && fits && self.fits_device(&layout)).then_some(layout)
    }

    /// A partial checksum stands where it belongs; a payload apart has one.
    fn fits_device(&self, layout: &Layout) -> bool {
        if !self.vnet.needs_checksum() {
            return self.payload.is_empty();
        }
        usize::from(self.vnet.csum_start) == layout.transport
            && usize::from(self.vnet.csum_offset) == layout.checksum_at()
    }

    /// Whether its checksums are right, as far as they are complete.
    fn is_intact(&self, layout: &Layout) -> bool {
        let ip = &self.headers[layout.network..layout.transport];
        if !layout.ipv6 && checksum::of(ip) != 0 {
            return false;
        }
        self.vnet.needs_checksum() || {
            let transport = &self.headers[layout.transport..];
            checksum::finish(checksum::sum(layout.pseudo_header(self.headers, transport.len()), transport))
                == 0
        }
    }
}

impl Layout {
    fn checksum_at(&self) -> usize {
        if self.tcp { TCP_CHECKSUM } else { UDP_CHECKSUM }
    }

    /// The sum over the pseudo-header of a packet with these addresses, and with so many bytes behind its IP header.
    fn pseudo_header(&self, headers: &[u8], len: usize) -> u64 {
        let (source, destination) = addresses(&headers[self.network..self.transport], self.ipv6);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        checksum::pseudo_header(source, destination, if self.tcp { TCP } else { UDP }, len)
    }
}

impl Joined {
    /// A first packet; none if it is of no kind that is joined.
    pub fn begin(first: &Piece<'_>) -> Option<Joined> {
        let layout = first.layout()?;
        let mut headers = Headers { len: layout.payload, bytes: [0; MAX_HEADERS] };
        headers.bytes[..layout.payload].copy_from_slice(&first.headers[..layout.payload]);
        let size = first.len() - layout.payload;
        let is_closed = layout.tcp && headers.bytes[layout.transport + TCP_FLAGS] & TcpFlags::PSH.0 != 0;
        Some(Joined { layout, headers, size, payload_len: size, packets: 1, is_closed })
    }

    /// Takes the packet that came next, if it goes on where the last one ended. `first` is what it began with.
    pub fn join(&mut self, first: &Piece<'_>, next: &Piece<'_>) -> bool {
        if self.is_closed || next.layout() != Some(self.layout) {
            return false;
        }
        let len = next.len() - self.layout.payload;
        let whole = self.layout.payload - self.layout.network + self.payload_len + len;
        let fits = len <= self.size && whole <= LONGEST && self.goes_on(next.headers);
        if !fits || !next.is_intact(&self.layout) || self.packets == 1 && !first.is_intact(&self.layout) {
            return false;
        }
        self.payload_len += len;
        self.packets += 1;
        let place = self.layout.transport + TCP_FLAGS;
        let pushes = self.layout.tcp && next.headers[place] & TcpFlags::PSH.0 != 0;
        if pushes {
            self.headers.bytes[place] |= TcpFlags::PSH.0;
        }
        self.is_closed = pushes || len < self.size || self.packets == MOST;
        true
    }

    /// Nothing goes on behind it.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// How many packets it stands for.
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Where in each of the packets the payload begins.
    pub fn payload_at(&self) -> usize {
        self.layout.payload
    }

    /// What stands before the payloads when there are several: what is left to the device, and the headers.
    pub fn head(&self) -> (VirtioNetHeader, Headers) {
        let Layout { network, transport, payload, tcp, ipv6 } = self.layout;
        let mut headers = self.headers.clone();
        let bytes = &mut headers.bytes[..payload];
        let len = payload - transport + self.payload_len;
        match ipv6 {
            true => put(bytes, network + 4, len),
            false => {
                put(bytes, network + 2, transport - network + len);
                put(bytes, network + 10, 0);
                let sum = checksum::of(&bytes[network..transport]);
                put(bytes, network + 10, usize::from(sum));
            }
        }
        if !tcp {
            put(bytes, transport + 4, len);
        }
        let partial = checksum::fold(self.layout.pseudo_header(bytes, len));
        let checksum_at = self.layout.checksum_at();
        put(bytes, transport + checksum_at, usize::from(partial));
        let number = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
        let vnet = VirtioNetHeader {
            flags: 1,
            gso_type: match (tcp, ipv6) {
                (true, false) => GsoType::TcpV4,
                (true, true) => GsoType::TcpV6,
                (false, _) => GsoType::Udp,
            },
            ecn: false,
            hdr_len: number(payload),
            gso_size: number(self.size),
            csum_start: number(transport),
            csum_offset: number(checksum_at),
        };
        (vnet, headers)
    }

    /// Whether these headers are those of the packet behind the last one.
    fn goes_on(&self, next: &[u8]) -> bool {
        let Layout { network, transport, payload, tcp, ipv6 } = self.layout;
        let (first, next) = (&self.headers.bytes[..payload], &next[..payload]);
        let same = |from: usize, to: usize| first[from..to] == next[from..to];
        let same_ip = match ipv6 {
            true => same(network, network + 4) && same(network + 6, transport),
            false => {
                let number = |headers: &[u8]| get(headers, network + 4);
                // Where it may not be cut into fragments, the identification means nothing (RFC 6864 §4.1).
                let whole_for_ever = first[network + 6] & 0x40 != 0;
                // There are fewer packets than numbers.
                let expected = number(first).wrapping_add(self.packets as u16);
                same(network, network + 2)
                    && same(network + 6, network + 10)
                    && same(network + 12, transport)
                    && (whole_for_ever || number(next) == expected)
            }
        };
        if !same(0, network) || !same_ip || !same(transport, transport + 4) {
            return false;
        }
        let seq =
            |headers: &[u8]| headers[transport + 4..].first_chunk().map_or(0, |seq| u32::from_be_bytes(*seq));
        !tcp || {
            // Bounded by the longest packet.
            seq(next) == seq(first).wrapping_add(self.payload_len as u32)
                && same(transport + 8, transport + TCP_FLAGS)
                && same(transport + TCP_FLAGS + 1, transport + TCP_CHECKSUM)
                && same(transport + TCP_CHECKSUM + 2, payload)
        }
    }
}

#[cfg(test)]
mod tests;
