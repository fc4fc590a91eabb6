use super::*;
use crate::build::TcpPacket;
use crate::tcp::TcpOptions;
use proptest::prelude::*;

const MAC: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

pub(crate) fn tcp_packet(v6: bool, payload: &[u8]) -> Vec<u8> {
    let [source, destination] = match v6 {
        false => ["10.0.0.1:40712", "10.0.0.2:7"],
        true => ["[fd00::1]:40712", "[fd00::2]:7"],
    };
    TcpPacket {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        seq: 1,
        ack: 2,
        flags: TcpFlags::ACK | TcpFlags::PSH,
        window: 512,
        options: TcpOptions { timestamps: Some((1, 2)), ..TcpOptions::default() },
        payload,
    }
    .to_bytes()
}

pub(crate) fn in_ethernet(between: &[u8], packet: &[u8]) -> Vec<u8> {
    let ether_type: [u8; 2] = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    [&MAC, between, &ether_type, packet].concat()
}

pub(crate) fn segment(link: LinkType, bytes: &[u8]) -> TcpSegment<'_> {
    match dissect(link, bytes).unwrap().transport {
        Transport::Tcp(segment) => segment,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_link_type_leads_to_the_same_segment() {
    for v6 in [false, true] {
        let packet = tcp_packet(v6, b"hello");
        let by_version = if v6 { LinkType::IPV6 } else { LinkType::IPV4 };
        for link in [LinkType::RAW, LinkType::RAW_BSD, LinkType::RAW_OPENBSD, by_version] {
            assert_eq!(segment(link, &packet).payload, b"hello");
        }
        for tags in [&[][..], &[0x81, 0, 0, 5], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]] {
            let frame = in_ethernet(tags, &packet);
            let segment = segment(LinkType::ETHERNET, &frame);
            assert_eq!((segment.payload, segment.destination.port()), (&b"hello"[..], 7));
        }
    }
}

#[test]
fn padding_of_short_frames_is_no_payload() {
    let mut frame = in_ethernet(&[], &tcp_packet(false, b""));
    frame.extend([0; 6]);
    let segment = segment(LinkType::ETHERNET, &frame);
    assert_eq!((segment.payload_len, segment.payload), (0, &b""[..]));
}

#[test]
fn a_cut_capture_keeps_the_true_length() {
    for v6 in [false, true] {
        let packet = tcp_packet(v6, &[7; 1000]);
        let headers = packet.len() - 1000;
        let cut = segment(LinkType::RAW, &packet[..headers + 10]);
        assert_eq!((cut.payload_len, cut.payload.len()), (1000, 10));
        let cut = segment(LinkType::RAW, &packet[..headers - 12]);
        assert_eq!((cut.payload_len, cut.payload.len()), (1000, 0));
        assert_eq!(cut.header.options(), TcpOptions::default());
        assert_eq!(dissect(LinkType::RAW, &packet[..headers - 13]), Err(Undecoded::Cut(Header::Tcp)));
    }
}

#[test]
fn a_length_of_zero_means_the_length_on_the_wire() {
    let mut packet = tcp_packet(false, &[7; 1000]);
    packet[2..4].fill(0);
    let frame = in_ethernet(&[], &packet[..80]);
    let wire_len = u32::try_from(14 + packet.len()).unwrap();
    let read = dissect_captured(LinkType::ETHERNET, &frame, wire_len).unwrap();
    let Transport::Tcp(segment) = read.transport else { panic!("{read:?}") };
    assert_eq!((segment.payload_len, segment.payload.len()), (1000, 28));
    let mut packet = tcp_packet(true, &[7; 1000]);
    packet[4..6].fill(0);
    let read = dissect_captured(LinkType::RAW, &packet[..100], u32::try_from(packet.len()).unwrap()).unwrap();
    let Transport::Tcp(segment) = read.transport else { panic!("{read:?}") };
    assert_eq!((segment.payload_len, segment.payload.len()), (1000, 28));
}

#[test]
fn a_header_cannot_claim_more_than_the_wire_had() {
    let packet = tcp_packet(false, b"hello");
    let wire_len = u32::try_from(packet.len()).unwrap() - 2;
    let read = dissect_captured(LinkType::RAW, &packet, wire_len).unwrap();
    let Transport::Tcp(segment) = read.transport else { panic!("{read:?}") };
    assert_eq!((segment.payload_len, segment.payload), (3, &b"hel"[..]));
}

#[test]
fn pieces_are_no_segments_not_even_the_first() {
    for fragment in [[0x20, 0x00], [0x00, 0x10], [0x20, 0x10]] {
        let mut packet = tcp_packet(false, b"hello");
        packet[4..8].copy_from_slice(&[0xbe, 0xef, fragment[0], fragment[1]]);
        let word = u16::from_be_bytes(fragment);
        let expected = Fragment {
            source: "10.0.0.1".parse().unwrap(),
            destination: "10.0.0.2".parse().unwrap(),
            protocol: 6,
            identification: 0xbeef,
            offset: u32::from(word & 0x1fff) * 8,
            more: word & 0x2000 != 0,
            len: 37,
            payload: &packet[20..],
        };
        let read = dissect(LinkType::RAW, &packet).unwrap();
        assert_eq!((read.transport, read.len), (Transport::Fragment(expected), 57));
    }
    for (word, whole) in [([0x00, 0x00], true), ([0x00, 0x01], false), ([0x00, 0x08], false)] {
        let mut packet = tcp_packet(true, b"hello");
        packet[6] = 44;
        packet[5] += 8;
        packet.splice(40..40, [6, 0, word[0], word[1], 0, 0, 0, 1]);
        let transport = dissect(LinkType::RAW, &packet).unwrap().transport;
        assert_eq!(matches!(transport, Transport::Tcp(_)), whole);
        let Transport::Fragment(fragment) = transport else { continue };
        assert_eq!((fragment.protocol, fragment.identification, fragment.len), (6, 1, 37));
        assert_eq!((fragment.offset, fragment.more), (u32::from(word[1] & 8), word[1] & 1 == 1));
    }
}

#[test]
fn a_packet_too_short_for_its_headers_is_refused() {
    let refusal = |total_len: u8, data_offset: u8| {
        let mut packet = tcp_packet(false, b"hello");
        packet[3] = total_len;
        packet[32] = data_offset << 4;
        dissect(LinkType::RAW, &packet).err()
    };
    assert_eq!(refusal(57, 8), None);
    assert_eq!(refusal(19, 8), Some(Undecoded::Malformed(Header::Ipv4, "packet shorter than its header")));
    assert_eq!(refusal(39, 5), Some(Undecoded::Malformed(Header::Tcp, "packet too short for it")));
    assert_eq!(refusal(57, 4), Some(Undecoded::Malformed(Header::Tcp, "data offset below 5")));
}

#[test]
fn a_header_that_claims_more_than_there_is_is_a_misfit() {
    let misfit = |total_len: u8, data_offset: u8| {
        let mut packet = tcp_packet(false, b"hello");
        packet[3] = total_len;
        packet[32] = data_offset << 4;
        match dissect(LinkType::RAW, &packet).unwrap().transport {
            Transport::Tcp(segment) => (segment.is_misfit, segment.payload_len),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(misfit(57, 8), (false, 5));
    assert_eq!(misfit(52, 8), (false, 0));
    assert_eq!(misfit(51, 8), (true, 0));
    assert_eq!(misfit(57, 15), (true, 0));
}

#[test]
fn wireshark_takes_the_end_of_a_fabric_path_frame_for_a_checksum() {
    let packet = tcp_packet(false, b"hello");
    let mac = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let shorter = |padding: usize| {
        let bytes = [&mac[..], &[0x89, 0x03, 0, 1], &mac, &[8, 0], &packet, &vec![0; padding]].concat();
        let read = dissect_captured(LinkType::ETHERNET, &bytes, bytes.len() as u32).unwrap();
        assert_eq!(read.len as usize, packet.len(), "the packet itself is whole");
        read.shorter_in_wireshark
    };
    assert_eq!([0, 1, 4, 9].map(shorter), [4, 3, 0, 0]);
}

#[test]
fn udp_takes_the_smaller_of_its_two_lengths() {
    let udp = |stated: u8| {
        let mut packet = vec![0x45, 0, 0, 33, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0, 53, 4, 0, 0, stated, 0, 0, 1, 2, 3, 4, 5, 0xee, 0xee]);
        packet
    };
    let payload = |stated: u8| match dissect(LinkType::IPV4, &udp(stated)).unwrap().transport {
        Transport::Udp(datagram) => {
            assert_eq!((datagram.source.port(), datagram.destination.port()), (53, 1024));
            assert_eq!(usize::try_from(datagram.payload_len).unwrap(), datagram.payload.len());
            datagram.payload.to_vec()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(payload(13), [1, 2, 3, 4, 5]);
    assert_eq!(payload(11), [1, 2, 3]);
    assert_eq!(payload(200), [1, 2, 3, 4, 5]);
    assert_eq!(payload(0), [1, 2, 3, 4, 5]);
    let bad = dissect(LinkType::IPV4, &udp(7)).err();
    assert_eq!(bad, Some(Undecoded::Malformed(Header::Udp, "length below 8")));
}

#[test]
fn arp_is_a_value_for_those_who_ask() {
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &MAC[..6], &[10, 0, 0, 1], &MAC[6..], &[10, 0, 0, 2]].concat();
    let frame = [&MAC[..], &[0x81, 0, 0, 7, 0x08, 0x06], &arp, &[0; 18]].concat();
    let wire_len = u32::try_from(frame.len()).unwrap();
    let Ok(Frame::Arp(view)) = dissect_frame(LinkType::ETHERNET, &frame, wire_len) else { panic!("no ARP") };
    assert_eq!(view.to_string(), "who has 10.0.0.2? tell 10.0.0.1 at 02:00:00:00:00:01");
    assert_eq!(dissect(LinkType::ETHERNET, &frame), Err(Undecoded::EtherType(0x0806)));
    let packet = tcp_packet(true, b"hello");
    let wire_len = u32::try_from(packet.len()).unwrap();
    let read = dissect_frame(LinkType::RAW, &packet, wire_len).unwrap();
    assert_eq!(read, Frame::Ip(dissect(LinkType::RAW, &packet).unwrap()));
}

#[test]
fn igmp_is_read_and_only_in_ipv4() {
    let mut packet =
        vec![0x46, 0xc0, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0, 10, 0, 0, 1, 239, 1, 2, 3, 0x94, 4, 0, 0];
    packet.extend([0x16, 0, 0, 0, 239, 1, 2, 3]);
    let Transport::Igmp(message) = dissect(LinkType::RAW, &packet).unwrap().transport else { panic!() };
    assert_eq!(message.to_string(), "listens to 239.1.2.3");
    let mut six = tcp_packet(true, b"");
    six[6] = 2;
    assert_eq!(dissect(LinkType::RAW, &six).unwrap().transport, Transport::Other(2));
}

#[test]
fn what_is_not_ip_is_named() {
    let frame = |ether_type: [u8; 2]| [&MAC[..], &ether_type, &[0; 46]].concat();
    let refusal = |ether_type| dissect(LinkType::ETHERNET, &frame(ether_type)).err();
    assert_eq!(refusal([0x08, 0x06]), Some(Undecoded::EtherType(0x0806)));
    assert_eq!(refusal([0x00, 0x26]), Some(Undecoded::Ieee8023));
    assert_eq!(refusal([0x08, 0x00]), Some(Undecoded::IpVersion(0)));
    assert_eq!(dissect(LinkType(8), &[]), Err(Undecoded::LinkType(LinkType(8))));
    assert_eq!(dissect(LinkType::RAW, &[]), Err(Undecoded::Cut(Header::Ipv4)));
    assert_eq!(dissect(LinkType::IPV6, &tcp_packet(false, &[0; 20])), Err(Undecoded::IpVersion(4)));
}

#[test]
fn other_protocols_keep_their_number() {
    let mut packet = tcp_packet(false, b"");
    for protocol in [0, 50, 58, 132] {
        packet[9] = protocol;
        assert_eq!(dissect(LinkType::RAW, &packet).unwrap().transport, Transport::Other(protocol));
    }
    packet[9] = 1;
    assert!(matches!(dissect(LinkType::RAW, &packet).unwrap().transport, Transport::Icmp(_)));
}

#[test]
fn every_truncation_and_every_flipped_bit_is_survived() {
    let seeds = [
        in_ethernet(&[0x81, 0, 0, 1], &tcp_packet(false, b"hello")),
        in_ethernet(&[], &tcp_packet(true, b"hello")),
    ];
    for seed in seeds {
        for len in 0..=seed.len() {
            check(LinkType::ETHERNET, &seed[..len], None);
        }
        for bit in 0..seed.len() * 8 {
            let mut flipped = seed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            check(LinkType::ETHERNET, &flipped, None);
        }
    }
}

/// What must hold for whatever comes out.
pub(crate) fn check(link: LinkType, bytes: &[u8], wire_len: Option<u32>) {
    let read = match wire_len {
        None => dissect(link, bytes),
        Some(wire_len) => dissect_captured(link, bytes, wire_len),
    };
    let Ok(packet) = read else { return };
    if let Some(wire_len) = wire_len {
        assert!(packet.len <= wire_len);
    }
    match packet.transport {
        Transport::Tcp(segment) => {
            assert!(segment.payload.len() <= usize::try_from(segment.payload_len).unwrap());
            assert!(segment.payload_len < packet.len);
            let _ = (segment.header.options(), segment.sequence_len());
        }
        Transport::Udp(datagram) => {
            assert!(datagram.payload.len() <= usize::try_from(datagram.payload_len).unwrap());
            assert!(datagram.payload_len < packet.len);
        }
        Transport::Icmp(message) => {
            let _ = (message.quoted(), message.meaning(), message.next_hop_mtu());
        }
        Transport::Igmp(message) => assert!(!message.to_string().is_empty()),
        Transport::Fragment(fragment) => {
            assert!(fragment.payload.len() <= usize::try_from(fragment.len).unwrap());
            assert!(fragment.len < packet.len);
        }
        Transport::Other(_) => {}
    }
}

proptest! {
    #[test]
    fn random_bytes_are_survived(
        link in 0_u16..300,
        bytes in prop::collection::vec(any::<u8>(), 0..200), wire_len: Option<u32>,
    ) {
        check(LinkType(link), &bytes, wire_len);
    }

    #[test]
    fn damaged_packets_are_survived(
        v6: bool, at in prop::collection::vec((0_usize..120, any::<u8>()), 0..6), len in 0_usize..120,
        wire_len: Option<u16>,
    ) {
        let mut packet = tcp_packet(v6, &[7; 40]);
        for (at, byte) in at {
            let len = packet.len();
            packet[at % len] = byte;
        }
        packet.truncate(len);
        check(LinkType::RAW, &packet, wire_len.map(u32::from));
    }

    /// Whatever the oracle takes for TCP, unfragmented, is the same TCP here.
    #[test]
    fn the_oracle_reads_the_same(
        v6: bool, at in prop::collection::vec((0_usize..80, any::<u8>()), 0..4), payload in 0_usize..50,
    ) {
        let mut packet = tcp_packet(v6, &vec![7; payload]);
        for (at, byte) in at {
            let len = packet.len();
            packet[at % len] = byte;
        }
        let frame = in_ethernet(&[0x81, 0, 0, 9], &packet);
        let ours = dissect(LinkType::ETHERNET, &frame);
        let Ok(sliced) = etherparse::SlicedPacket::from_ethernet(&frame) else { return Ok(()) };
        if let Some(etherparse::TransportSlice::Tcp(theirs)) = sliced.transport {
            let Transport::Tcp(segment) = ours.unwrap().transport else { panic!("{packet:?}") };
            prop_assert_eq!(segment.source.port(), theirs.source_port());
            prop_assert_eq!(segment.header.seq(), theirs.sequence_number());
            prop_assert_eq!(segment.header.flags().has(TcpFlags::SYN), theirs.syn());
            prop_assert_eq!(segment.header.window(), theirs.window_size());
            prop_assert_eq!(segment.payload, theirs.payload());
        }
    }
}
