//! Packets made from values, with right checksums: for tests, and for writers of captures.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::tcp::{self, TcpFlags, TcpOptions};
use crate::{checksum, ipv4, ipv6};

/// Hops that a built packet may take; Linux's default.
const HOP_LIMIT: u8 = 64;

/// A TCP segment and the IP packet around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpPacket<'a> {
    /// Who sends it.
    pub source: SocketAddr,
    /// Who shall get it.
    pub destination: SocketAddr,
    /// The sequence number of the first payload byte, or of the SYN.
    pub seq: u32,
    /// The acknowledgement field.
    pub ack: u32,
    /// The flags.
    pub flags: TcpFlags,
    /// The window field, not scaled.
    pub window: u16,
    /// The options.
    pub options: TcpOptions,
    /// The payload.
    pub payload: &'a [u8],
}

impl TcpPacket<'_> {
    /// The bytes of an IPv4 packet, or of an IPv6 packet if either address is IPv6 (the other then in its mapped form).
    ///
    /// A packet that is longer than the IP header can say gets the length zero, as Linux gives its own that are still to
    /// be cut.
    pub fn to_bytes(&self) -> Vec<u8> {
        let segment = self.segment();
        let mut packet = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4_header(source, destination, segment.len()),
            (source, destination) => ipv6_header(mapped(source), mapped(destination), segment.len()),
        };
        packet.extend(segment);
        packet
    }

    fn segment(&self) -> Vec<u8> {
        let mut options = Vec::with_capacity(tcp::MAX_OPTIONS_LEN);
        self.options.write_to(&mut options);
        let words = u8::try_from((tcp::MIN_HEADER_LEN + options.len()) / 4).unwrap_or(15);
        let mut segment = Vec::with_capacity(tcp::MIN_HEADER_LEN + options.len() + self.payload.len());
        segment.extend(self.source.port().to_be_bytes());
        segment.extend(self.destination.port().to_be_bytes());
        segment.extend(self.seq.to_be_bytes());
        segment.extend(self.ack.to_be_bytes());
        segment.extend([words << 4, self.flags.0]);
        segment.extend(self.window.to_be_bytes());
        segment.extend([0; 4]);
        segment.extend(options);
        segment.extend(self.payload);
        let len = u32::try_from(segment.len()).unwrap_or(u32::MAX);
        let pseudo = checksum::pseudo_header(self.source.ip(), self.destination.ip(), tcp::PROTOCOL, len);
        let checksum = checksum::finish(checksum::sum(pseudo, &segment));
        put(&mut segment, 16, checksum);
        segment
    }
}

fn ipv4_header(source: Ipv4Addr, destination: Ipv4Addr, payload_len: usize) -> Vec<u8> {
    let total_len = u16::try_from(ipv4::MIN_HEADER_LEN + payload_len).unwrap_or(0);
    let mut header = Vec::with_capacity(ipv4::MIN_HEADER_LEN + payload_len);
    header.extend([0x45, 0]);
    header.extend(total_len.to_be_bytes());
    header.extend([0, 0, 0x40, 0, HOP_LIMIT, tcp::PROTOCOL, 0, 0]);
    header.extend(source.octets());
    header.extend(destination.octets());
    let checksum = checksum::of(&header);
    put(&mut header, 10, checksum);
    header
}

fn ipv6_header(source: Ipv6Addr, destination: Ipv6Addr, payload_len: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(ipv6::HEADER_LEN + payload_len);
    header.extend([0x60, 0, 0, 0]);
    header.extend(u16::try_from(payload_len).unwrap_or(0).to_be_bytes());
    header.extend([tcp::PROTOCOL, HOP_LIMIT]);
    header.extend(source.octets());
    header.extend(destination.octets());
    header
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn put(bytes: &mut [u8], at: usize, word: u16) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link_type::LinkType;
    use crate::packet::{Transport, dissect};
    use proptest::prelude::*;

    prop_compose! {
        fn addresses()(v6: bool, source: [u8; 16], destination: [u8; 16], ports: [u16; 2]) -> [SocketAddr; 2] {
            let address = |octets: [u8; 16]| match (v6, octets) {
                (true, octets) => IpAddr::from(octets),
                (false, [a, b, c, d, ..]) => IpAddr::from([a, b, c, d]),
            };
            [SocketAddr::new(address(source), ports[0]), SocketAddr::new(address(destination), ports[1])]
        }
    }

    proptest! {
        #[test]
        fn dissect_undoes_build(
            [source, destination] in addresses(), seq: u32, ack: u32, flags: u8, window: u16,
            mss: Option<u16>, timestamps: Option<(u32, u32)>, block: Option<(u32, u32)>,
            payload in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let options = TcpOptions { mss, timestamps, sack: [block, None, None, None], ..TcpOptions::default() };
            let built = TcpPacket { source, destination, seq, ack, flags: TcpFlags(flags), window, options, payload: &payload };
            let bytes = built.to_bytes();
            let packet = dissect(LinkType::RAW, &bytes).unwrap();
            let Transport::Tcp(segment) = packet.transport else { panic!("{packet:?}") };
            let read = TcpPacket {
                source: segment.source,
                destination: segment.destination,
                seq: segment.header.seq(),
                ack: segment.header.ack(),
                flags: segment.header.flags(),
                window: segment.header.window(),
                options: segment.header.options(),
                payload: segment.payload,
            };
            prop_assert_eq!(&read, &built);
            prop_assert_eq!(usize::try_from(segment.payload_len).unwrap(), payload.len());
            prop_assert_eq!(usize::try_from(packet.len).unwrap(), bytes.len());
        }

        #[test]
        fn the_oracle_finds_the_checksums_right(
            [source, destination] in addresses(), seq: u32, payload in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let bytes = TcpPacket {
                source, destination, seq, ack: 0, flags: TcpFlags::ACK, window: 9,
                options: TcpOptions::default(), payload: &payload,
            }.to_bytes();
            let sliced = etherparse::SlicedPacket::from_ip(&bytes).unwrap();
            let Some(etherparse::TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("no TCP") };
            let right = match sliced.net.unwrap() {
                etherparse::NetSlice::Ipv4(ip) => {
                    let ip = ip.header();
                    prop_assert_eq!(ip.header_checksum(), ip.to_header().calc_header_checksum());
                    tcp.calc_checksum_ipv4(ip.source(), ip.destination())
                }
                etherparse::NetSlice::Ipv6(ip) => {
                    let ip = ip.header();
                    tcp.calc_checksum_ipv6(ip.source(), ip.destination())
                }
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(tcp.checksum(), right.unwrap());
        }
    }

    #[test]
    fn a_packet_longer_than_64_kib_says_zero_and_is_still_read() {
        for (source, destination) in [("10.0.0.1:1", "10.0.0.2:2"), ("[fd00::1]:1", "[fd00::2]:2")] {
            let payload = vec![7; 100_000];
            let bytes = TcpPacket {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                seq: 1,
                ack: 1,
                flags: TcpFlags::ACK,
                window: 1,
                options: TcpOptions::default(),
                payload: &payload,
            }
            .to_bytes();
            let Ok(Transport::Tcp(segment)) = dissect(LinkType::RAW, &bytes).map(|packet| packet.transport)
            else {
                panic!("not TCP")
            };
            assert_eq!((segment.payload_len, segment.payload.len()), (100_000, 100_000));
        }
    }

    #[test]
    fn mixed_families_go_as_ipv6() {
        let bytes = TcpPacket {
            source: "10.0.0.1:1".parse().unwrap(),
            destination: "[fd00::2]:2".parse().unwrap(),
            seq: 0,
            ack: 0,
            flags: TcpFlags::SYN,
            window: 0,
            options: TcpOptions::default(),
            payload: b"",
        }
        .to_bytes();
        let packet = dissect(LinkType::IPV6, &bytes).unwrap();
        assert_eq!(packet.source, "::ffff:10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
