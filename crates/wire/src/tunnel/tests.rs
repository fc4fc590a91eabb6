//! Every tunnel to the same segment, how deep, and what hostile bytes get.

use crate::link_type::LinkType;
use crate::packet::tests::{check, in_ethernet, segment, tcp_packet};
use crate::packet::{MAX_TUNNELS, Packet, Transport, Undecoded, dissect, dissect_captured};
use crate::tunnel::protocol;
use crate::undecoded::Header;
use proptest::prelude::*;

/// An IPv4 or IPv6 packet around a payload.
fn around(v6: bool, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = tcp_packet(v6, b"");
    let header_len = if v6 { 40 } else { 20 };
    packet.truncate(header_len);
    packet.extend(payload);
    let [high, low] = u16::try_from(packet.len() - if v6 { 40 } else { 0 }).unwrap().to_be_bytes();
    let (len_at, protocol_at) = if v6 { (4, 6) } else { (2, 9) };
    packet[len_at..len_at + 2].copy_from_slice(&[high, low]);
    packet[protocol_at] = protocol;
    packet
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap();
    [&[0xc0, 0][..], &port.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

/// Headers behind IP that stand before a packet: the protocol, the header, whether Ethernet follows.
fn in_ip(v6: bool) -> Vec<(u8, Vec<u8>, bool)> {
    let [a, b]: [u8; 2] = if v6 { [0x86, 0xdd] } else { [8, 0] };
    let ppp = if v6 { 0x57 } else { 0x21 };
    vec![
        (if v6 { protocol::IPV6 } else { protocol::IPV4 }, vec![], false),
        (protocol::GRE, vec![0, 0, a, b], false),
        (protocol::GRE, vec![0xb0, 0, a, b, 1, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], false),
        (protocol::GRE, vec![0x20, 0, 0x65, 0x58, 0, 0, 1, 0], true),
        (protocol::GRE, vec![0x30, 1, 0x88, 0x0b, 0xff, 0xff, 0, 9, 0, 0, 0, 1, 0xff, 3, 0, ppp], false),
        (protocol::GRE, vec![0x30, 0x81, 0x88, 0x0b, 0xff, 0xff, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, ppp], false),
        (protocol::GRE, vec![0, 0, 0x88, 0xbe], true),
        (protocol::GRE, vec![0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0], true),
        (protocol::GRE, [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20][..], &[0; 11]].concat(), true),
        (protocol::GRE, vec![0, 0, 0x88, 0x47, 0, 1, 0x41, 64], false),
        (
            protocol::GRE,
            [&[0, 0, 0x82, 0, 8, 1, 0, 0][..], &[0; 20], &[0xaa, 0xaa, 3, 0, 0, 0, a, b]].concat(),
            false,
        ),
        (protocol::ETHER_IP, vec![0x30, 0], true),
        (protocol::MPLS, vec![0, 1, 0x41, 64], false),
    ]
}

/// The same behind UDP: the port, the header, whether Ethernet follows.
fn in_udp(v6: bool) -> Vec<(u16, Vec<u8>, bool)> {
    let [a, b]: [u8; 2] = if v6 { [0x86, 0xdd] } else { [8, 0] };
    let ppp = if v6 { 0x57 } else { 0x21 };
    let mut all = vec![
        (4789, vec![8, 0, 0, 0, 0, 0, 7, 0], true),
        (4790, vec![0x0c, 0, 0, if v6 { 2 } else { 1 }, 0, 0, 7, 0], false),
        (4754, vec![0x20, 0, a, b, 0, 0, 0, 1], false),
        (6081, vec![0, 0, 0x65, 0x58, 0, 0, 7, 0], true),
        (6081, vec![2, 0, a, b, 0, 0, 7, 0, 1, 1, 1, 1, 2, 2, 2, 2], false),
        (2152, vec![0x30, 255, 0xff, 0xff, 0, 0, 0, 1], false),
        (2152, vec![0x34, 255, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 9, 9, 0xc0, 1, 9, 9, 0], false),
        (6635, vec![0, 1, 0x41, 64], false),
        (1701, vec![0, 2, 0, 1, 0, 2, 0xff, 3, 0, ppp], false),
        (1701, vec![0x4a, 2, 0xff, 0xff, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1, 9, 0xff, 3, 0, ppp], false),
        (
            5247,
            [&[0, 0x10, 0x03, 0x20, 0, 0, 0, 0, 1, 8, 0, 0][..], &[0; 20], &[0xaa, 0xaa, 3, 0, 0, 0, a, b]]
                .concat(),
            false,
        ),
        (5247, vec![0, 0x10, 0x02, 0, 0, 0, 0, 0], true),
        (5072, [&[0x41, 0x52, 0x11, if v6 { 41 } else { 4 }][..], &[0; 4 + 16 + 20]].concat(), false),
    ];
    if v6 {
        all.push((3544, vec![], false));
        all.push((3544, [&[0, 1, 0, 0][..], &[0; 9], &[0, 0, 1, 2, 3, 4, 5, 6]].concat(), false));
    }
    all
}

/// All of it, as IP packets that carry a TCP segment of five bytes.
fn examples() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (outer_v6, v6) in [(false, false), (false, true), (true, false), (true, true)] {
        let packet = tcp_packet(v6, b"hello");
        let inner = |ethernet: bool| if ethernet { in_ethernet(&[], &packet) } else { packet.clone() };
        for (protocol, header, ethernet) in in_ip(v6) {
            all.push(around(outer_v6, protocol, &[header, inner(ethernet)].concat()));
        }
        for (port, header, ethernet) in in_udp(v6) {
            all.push(around(outer_v6, 17, &udp(port, &[header, inner(ethernet)].concat())));
        }
    }
    all
}

#[test]
fn every_tunnel_leads_to_the_segment() {
    for packet in examples() {
        let read = dissect(LinkType::RAW, &packet).unwrap();
        assert_eq!(read.tunnels, 1, "{packet:02x?}");
        assert_eq!(segment(LinkType::RAW, &packet).payload, b"hello");
    }
}

#[test]
fn numbers_are_those_of_iana() {
    use protocol::{ETHER_IP, GRE, IPV4, IPV6, MPLS};
    assert_eq!([IPV4, IPV6, GRE, ETHER_IP, MPLS], [4, 41, 47, 97, 137]);
}

#[test]
fn tunnels_in_tunnels_are_opened_so_deep_and_no_deeper() {
    let nested =
        |times: u8| (0..times).fold(tcp_packet(false, b"hello"), |packet, _| around(false, 4, &packet));
    for times in 0..=MAX_TUNNELS {
        let packet = nested(times);
        let read = dissect(LinkType::RAW, &packet).unwrap();
        assert!(read.tunnels == times && matches!(read.transport, Transport::Tcp(_)), "{times}");
    }
    let packet = nested(MAX_TUNNELS + 1);
    let read = dissect(LinkType::RAW, &packet).unwrap();
    assert_eq!((read.tunnels, read.transport), (MAX_TUNNELS, Transport::Other(4)));
}

#[test]
fn a_cut_capture_keeps_the_true_length() {
    let inner = tcp_packet(true, &[7; 1000]);
    let packet = around(false, 41, &inner);
    let wire_len = u32::try_from(packet.len()).unwrap();
    let read = dissect_captured(LinkType::RAW, &packet[..packet.len() - 990], wire_len).unwrap();
    let Transport::Tcp(segment) = read.transport else { panic!("{read:?}") };
    assert_eq!((segment.payload_len, segment.payload.len()), (1000, 10));
}

#[test]
fn where_the_inside_is_no_packet_the_outer_one_is_told() {
    let transport = |packet: &[u8]| {
        let read: Packet<'_> = dissect(LinkType::RAW, packet).unwrap();
        assert_eq!(read.tunnels, 0);
        match read.transport {
            Transport::Other(number) => Some(number),
            Transport::Udp(_) => None,
            other => panic!("{other:?}"),
        }
    };
    let arp = [&[0; 12][..], &[8, 6], &[0; 28]].concat();
    assert_eq!(transport(&around(false, 47, &[&[0, 0, 0x65, 0x58][..], &arp].concat())), Some(47));
    assert_eq!(transport(&around(false, 47, &[0x20, 1, 0x88, 0x0b, 0, 0, 0, 9])), Some(47));
    assert_eq!(transport(&around(false, 47, &[0x40, 0, 8, 0, 0, 0, 0, 0])), Some(47));
    assert_eq!(
        transport(&around(false, 17, &udp(4789, &[&[8, 0, 0, 0, 0, 0, 7, 0][..], &arp].concat()))),
        None
    );
    assert_eq!(transport(&around(false, 17, &udp(4789, b"GET / HTTP/1.1"))), None);
    assert_eq!(transport(&around(false, 17, &udp(2152, &[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0]))), None);
    assert_eq!(transport(&around(false, 17, &udp(1701, &[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]))), None);
}

#[test]
fn a_cut_inside_is_told_as_that() {
    let packet = around(false, 4, &tcp_packet(false, b"hello"));
    assert_eq!(dissect(LinkType::RAW, &packet[..50]), Err(Undecoded::Cut(Header::Tcp)));
}

#[test]
fn an_authentication_header_is_stepped_over_in_ipv4_too() {
    let header = [[6, 4, 0, 0].as_slice(), &[0; 20]].concat();
    let segment = &tcp_packet(false, b"hello")[20..];
    let packet = around(false, 51, &[&header, segment].concat());
    let Transport::Tcp(read) = dissect(LinkType::RAW, &packet).unwrap().transport else { panic!("no TCP") };
    assert_eq!((read.payload, read.payload_len), (&b"hello"[..], 5));
}

proptest! {
    #[test]
    fn damaged_tunnels_are_survived(
        which: prop::sample::Index, at in prop::collection::vec((0_usize..200, any::<u8>()), 0..6),
        len in 0_usize..300, wire_len: Option<u16>,
    ) {
        let all = examples();
        let mut packet = which.get(&all).clone();
        for (at, byte) in at {
            let len = packet.len();
            packet[at % len] = byte;
        }
        packet.truncate(len);
        check(LinkType::RAW, &packet, wire_len.map(u32::from));
    }

    #[test]
    fn random_insides_are_survived(
        v6: bool, number in prop::sample::select(vec![4_u8, 41, 47, 51, 97, 137]),
        port in prop::sample::select(vec![4789_u16, 4790, 4754, 6081, 2152, 6635, 3544, 5072, 1701, 5247]),
        bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        check(LinkType::RAW, &around(v6, number, &bytes), None);
        check(LinkType::RAW, &around(v6, 17, &udp(port, &bytes)), None);
    }
}
