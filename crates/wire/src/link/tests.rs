//! Every way to the same TCP segment, and what hostile bytes get.

use super::*;
use crate::packet::tests::{check, in_ethernet, segment, tcp_packet};
use crate::packet::{dissect, dissect_captured};
use proptest::prelude::*;

const MAC: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// Link types whose headers are read, with an example of each (IPv4 or IPv6 follows, as `v6` says).
fn examples(v6: bool) -> Vec<(LinkType, Vec<u8>)> {
    let ip: [u8; 2] = if v6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    let ppp: u8 = if v6 { 0x57 } else { 0x21 };
    let family: u8 = if v6 { 30 } else { 2 };
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0][..], &ip].concat();
    let wireless = [&[0x88, 0x02, 0, 0][..], &MAC, &[2, 0, 0, 0, 0, 3, 0x10, 0, 0, 0], &snap].concat();
    // Version, length 16, present: time, flags; no field is at an offset that needs padding.
    let radiotap = [0, 0, 17, 0, 3, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0];
    let q922 = |rest: &[u8]| [&[0x18, 0x41][..], rest].concat();
    let made = vec![
        (0, vec![family, 0, 0, 0]),
        (0, vec![0, 0, 0, family]),
        (0, vec![0xff, 3, 0, ppp]),
        (108, vec![0, 0, 0, family]),
        (6, [&[0x10, 0x40][..], &MAC, &snap].concat()),
        (6, [&[0x10, 0x40][..], &MAC[..6], &[0x82], &MAC[7..], &[4, 0x30, 1, 2], &snap].concat()),
        (9, vec![0xff, 3, 0, ppp]),
        (9, vec![0, ppp]),
        (9, vec![ppp]),
        (10, [&[0x50][..], &MAC, &snap].concat()),
        (50, vec![0xff, 3, ppp]),
        (50, [&[0x0f, 0][..], &ip].concat()),
        (51, vec![0x11, 0, 0, 1, 0xff, 0xff, 0, ppp]),
        (100, snap.clone()),
        (100, [&[0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0][..], &MAC, &ip].concat()),
        (104, [&[0x0f, 0][..], &ip].concat()),
        (105, wireless.clone()),
        (107, q922(&[3, if v6 { 0x8e } else { 0xcc }])),
        (107, q922(&[&[3, 0, 0x80, 0, 0, 0][..], &ip].concat())),
        (107, q922(&ip)),
        (109, vec![0; 12]),
        (113, [&[0, 0, 0, 1, 0, 6][..], &MAC[..6], &[0, 0], &ip].concat()),
        (113, [&[0, 0, 0, 1, 0, 6][..], &MAC[..6], &[0, 0, 0x81, 0, 0, 5], &ip].concat()),
        (113, [&[0, 0, 0, 1, 0, 6][..], &MAC[..6], &[0, 0, 0, 4], &snap].concat()),
        (117, [&[61, family, 0, 0][..], &[0; 60]].concat()),
        (119, [&[0, 0, 0, 0x44, 144, 0, 0, 0][..], &[0; 136], &wireless].concat()),
        (122, [&[0; 16][..], &snap].concat()),
        (127, [&radiotap[..], &wireless].concat()),
        (138, [&[0; 16][..], &ip].concat()),
        (163, [&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64][..], &[0; 56], &wireless].concat()),
        (166, vec![0, 0, ppp]),
        (192, [&[0, 0, 8, 0, 105, 0, 0, 0][..], &wireless].concat()),
        (204, vec![1, 0xff, 3, 0, ppp]),
        (219, vec![0, 1, 0x40, 64, 0, 2, 0x41, 64]),
        (239, vec![family, 0, 0, 0, 7, 0, 1, 0, 9, 9, 9, 0, 0x20, 0x10, 9, 0]),
        (242, [&[0; 40][..], &ip, &[0, 0]].concat()),
        (258, [&[108, 0, 0, 0, 1, 0, 0, 0, 101, 0, 0, 0][..], &[0; 96]].concat()),
        (276, [&ip[..], &[0, 0, 0, 0, 0, 1, 0, 1, 0, 6], &MAC[..6], &[0, 0]].concat()),
    ];
    made.into_iter().map(|(number, header)| (LinkType(number), header)).collect()
}

/// What may stand between Ethernet's addresses and an IP packet.
fn between(v6: bool) -> Vec<Vec<u8>> {
    let ip: [u8; 2] = if v6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    let ppp: u8 = if v6 { 0x57 } else { 0x21 };
    let with_type = |rest: &[u8]| [rest, &ip].concat();
    let snap = with_type(&[0x05, 0xdc, 0xaa, 0xaa, 3, 0, 0, 0]);
    vec![
        with_type(&[0x91, 0, 0, 5]),
        with_type(&[0x92, 0, 0, 5, 0x88, 0xa8, 0, 6, 0x81, 0, 0, 7]),
        with_type(&[0x89, 0x26, 1, 2, 3, 4]),
        with_type(&[0x89, 0x09, 1, 1, 0, 1, 0, 9]),
        snap,
        vec![0x88, 0x47, 0, 1, 0x41, 64],
        vec![0x88, 0x47, 0, 1, 0x40, 64, 0, 2, 0x40, 64, 0, 3, 0x41, 64],
        with_type(&[&[0x88, 0x47, 0, 1, 0x41, 64, 0, 0, 0, 0][..], &MAC].concat()),
        with_type(&[&[0x88, 0x47, 0, 1, 0x41, 64][..], &MAC].concat()),
        vec![0x88, 0x64, 0x11, 0, 0, 1, 0xff, 0xff, 0, ppp],
        with_type(&[&[0x88, 0xe7, 0, 1, 2, 3][..], &MAC].concat()),
    ]
}

#[test]
fn every_link_type_leads_to_the_segment() {
    for v6 in [false, true] {
        let packet = tcp_packet(v6, b"hello");
        for (link, header) in examples(v6) {
            let frame = [&header[..], &packet].concat();
            let found = segment(link, &frame);
            assert_eq!((found.payload, found.destination.port()), (&b"hello"[..], 7), "{link:?} {header:?}");
            let wire_len = u32::try_from(frame.len() + 900).unwrap();
            assert!(dissect_captured(link, &frame, wire_len).is_ok(), "{link:?}");
            for len in 0..header.len() + 20 {
                assert!(dissect(link, &frame[..len]).is_err(), "{link:?} cut to {len}");
            }
        }
    }
}

#[test]
fn everything_between_ethernet_and_ip_is_stepped_over() {
    for v6 in [false, true] {
        let packet = tcp_packet(v6, b"hello");
        for header in between(v6) {
            let frame = [&MAC[..], &header, &packet].concat();
            assert_eq!(segment(LinkType::ETHERNET, &frame).payload, b"hello", "{header:02x?}");
            for len in 0..12 + header.len() + 20 {
                assert!(dissect(LinkType::ETHERNET, &frame[..len]).is_err(), "{header:02x?} cut to {len}");
            }
        }
    }
}

#[test]
fn a_length_field_bounds_what_a_packet_can_claim() {
    let mut packet = tcp_packet(false, b"hello");
    packet[2..4].fill(0); // the length of what is there
    let len = u8::try_from(packet.len() + 2).unwrap();
    let frame = [&MAC[..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, len, 0, 0x21], &packet, &[0xee; 20]].concat();
    let wire_len = u32::try_from(frame.len()).unwrap();
    let read = dissect_captured(LinkType::ETHERNET, &frame, wire_len).unwrap();
    assert_eq!(usize::try_from(read.len).unwrap(), packet.len());
}

#[test]
fn what_carries_no_ip_is_named() {
    let refusal = |link: u16, bytes: &[u8]| dissect(LinkType(link), bytes).unwrap_err();
    let ethernet = |rest: &[u8]| refusal(1, &[&MAC[..], rest, &[0; 60]].concat());
    assert_eq!(refusal(9, &[0xff, 3, 0xc0, 0x21, 1, 1]).to_string(), "LCP, not IP");
    assert_eq!(refusal(9, &[0x40, 0x02, 1]).to_string(), "PPP protocol 0x4002, not IP");
    assert_eq!(refusal(0, &[7, 0, 0, 0, 1]), Undecoded::Family(7));
    assert_eq!(refusal(107, &[0x18, 0x41, 3, 0xb1, 0]), Undecoded::NetworkLayerId(0xb1));
    assert_eq!(
        refusal(113, &[0, 0, 3, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        Undecoded::LinkType(LinkType(253))
    );
    assert_eq!(refusal(105, &[0x80, 0, 0, 0]), Undecoded::Wireless("management"));
    assert_eq!(refusal(105, &[0x08, 0x40, 0, 0]).to_string(), "802.11: encrypted");
    assert_eq!(ethernet(&[0x88, 0x63, 0x11, 9]), Undecoded::EtherType(0x8863));
    assert_eq!(ethernet(&[0, 39, 0x42, 0x42, 3]), Undecoded::Ieee8023);
    assert_eq!(ethernet(&[0x88, 0x47, 0, 1, 0x41, 64, 0xf0]), Undecoded::EtherType(0x8847));
    assert_eq!(
        ethernet(&[&[0x88, 0x47][..], &[0, 1, 0x40, 64].repeat(16)].concat()),
        Undecoded::Malformed(Header::Mpls, "more than 16 labels")
    );
}

#[test]
fn arcnet_carries_ipv4_in_two_ways() {
    let packet = tcp_packet(false, b"hello");
    for (link, header) in [
        (7, &[1, 2, 240][..]),
        (7, &[1, 2, 212, 0, 0, 9]),
        (7, &[1, 2, 212, 0xff, 0xff, 0xff, 212, 0, 0, 9]),
        (129, &[1, 2, 0, 0, 212, 0, 0, 9]),
    ] {
        let frame = [header, &packet].concat();
        assert_eq!(segment(LinkType(link), &frame).payload, b"hello");
    }
}

#[test]
fn headers_without_end_are_given_up() {
    let frame = [&MAC[..], &[0x89, 0x26, 1, 2, 3, 4].repeat(40), &[0x08, 0]].concat();
    let given_up = Undecoded::Malformed(Header::Link, "more than 16 headers before IP");
    assert_eq!(dissect(LinkType::ETHERNET, &frame), Err(given_up));
}

#[test]
fn a_wireless_frame_loses_its_check_sequence() {
    let mut packet = tcp_packet(false, b"hello");
    packet[2..4].fill(0);
    let header =
        [&[0x08, 0x01, 0, 0][..], &MAC, &[2, 0, 0, 0, 0, 3, 0x10, 0], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]];
    let frame = [&[0, 0, 9, 0, 2, 0, 0, 0, 0x10][..], &header.concat(), &packet, &[1, 2, 3, 4]].concat();
    let wire_len = u32::try_from(frame.len()).unwrap();
    let read = dissect_captured(LinkType::IEEE802_11_RADIOTAP, &frame, wire_len).unwrap();
    assert_eq!(usize::try_from(read.len).unwrap(), packet.len());
}

proptest! {
    #[test]
    fn damaged_headers_are_survived(
        v6: bool, which in 0_usize..60, at in prop::collection::vec((0_usize..160, any::<u8>()), 0..6),
        len in 0_usize..260, wire_len: Option<u16>,
    ) {
        let packet = tcp_packet(v6, b"hello");
        let ethernet = between(v6).into_iter().map(|header| (LinkType::ETHERNET, [&MAC[..], &header].concat()));
        let all: Vec<_> = examples(v6).into_iter().chain(ethernet).collect();
        let (link, header) = &all[which % all.len()];
        let mut frame = [&header[..], &packet].concat();
        for (at, byte) in at {
            let len = frame.len();
            frame[at % len] = byte;
        }
        frame.truncate(len);
        check(*link, &frame, wire_len.map(u32::from));
    }

    /// The oracle and we find the same segment behind Linux's cooked header and behind VLAN tags.
    #[test]
    fn the_oracle_finds_the_same(v6: bool, tags in 0_usize..3, at in prop::collection::vec((0_usize..80, any::<u8>()), 0..3)) {
        let mut packet = tcp_packet(v6, b"hello");
        for (at, byte) in at {
            let len = packet.len();
            packet[at % len] = byte;
        }
        let cooked = [&[0, 0, 0, 1, 0, 6][..], &MAC[..6], &[0, 0], if v6 { &[0x86, 0xdd] } else { &[8, 0] }, &packet].concat();
        let tagged = in_ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6][..tags * 4], &packet);
        for (link, frame, theirs) in [
            (LinkType::LINUX_SLL, &cooked, etherparse::SlicedPacket::from_linux_sll(&cooked)),
            (LinkType::ETHERNET, &tagged, etherparse::SlicedPacket::from_ethernet(&tagged)),
        ] {
            let Ok(theirs) = theirs else { continue };
            if let Some(etherparse::TransportSlice::Tcp(theirs)) = theirs.transport {
                let ours = segment(link, frame);
                prop_assert_eq!(ours.header.seq(), theirs.sequence_number());
                prop_assert_eq!(ours.payload, theirs.payload());
            }
        }
    }
}
