//! Every bit has one field; the fields have the values that others read; what is cut or wrong is told.

use std::net::SocketAddr;

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::*;
use crate::build::TcpPacket;
use crate::tcp::{TcpFlags, TcpOptions};

fn taken_apart(link: LinkType, bytes: &[u8]) -> Anatomy {
    dissect(link, bytes, u32::try_from(bytes.len()).unwrap())
}

/// No gap and no overlap: layers in the frame, fields in their layer.
fn assert_tiles(anatomy: &Anatomy) {
    let mut at = 0;
    for layer in &anatomy.layers {
        assert_eq!(layer.start, at, "{}: {anatomy:?}", layer.name);
        at += layer.len;
        let mut bit = 0;
        for field in &layer.fields {
            assert_eq!(field.bit, bit, "{} {}", layer.name, field.name);
            assert!(field.bits > 0, "{} {}", layer.name, field.name);
            bit += field.bits;
        }
        assert_eq!(bit, layer.len * 8, "{}: {:?}", layer.name, layer.fields);
        assert!(layer.short.len() <= 8, "{}", layer.short);
    }
    assert_eq!(at, anatomy.captured, "{anatomy:?}");
}

/// `RFC 9293 §3.1`, `IEEE 802.3 §3.2.6`, `LINKTYPE_NULL`; payload has none.
fn is_clause(clause: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let section = |text: &str| text.split('.').all(digits);
    let (document, place) = clause.split_once(" §").map_or((clause, None), |(a, b)| (a, Some(b)));
    let known = document.strip_prefix("RFC ").is_some_and(digits)
        || matches!(document, "IEEE 802.2" | "IEEE 802.3" | "IEEE 802.1Q")
        || document.starts_with("LINKTYPE_");
    known && place.is_none_or(section)
}

fn assert_clauses(anatomy: &Anatomy) {
    // Of headers that are stepped over only the length is known.
    let is_known = |layer: &&Layer| layer.fields.iter().all(|field| field.name != framing::NOT_TAKEN_APART);
    for layer in anatomy.layers.iter().filter(|layer| layer.family != Family::Data).filter(is_known) {
        assert!(is_clause(layer.standard), "{}: {}", layer.name, layer.standard);
        for field in &layer.fields {
            assert!(is_clause(field.clause), "{} {}: {}", layer.name, field.name, field.clause);
        }
        for breach in &layer.breaches {
            assert!(is_clause(breach.clause), "{breach:?}");
        }
    }
}

/// What [`packet`](crate::packet) finds in a frame is among what is shown of it. (Where the inside of a tunnel is broken
/// it takes the datagram around it; here both are shown.)
fn assert_agrees(link: LinkType, bytes: &[u8], wire_len: u32) {
    use crate::packet::{Transport, dissect_captured};
    let Ok(packet) = dissect_captured(link, bytes, wire_len) else { return };
    let (name, numbers, payload_len) = match packet.transport {
        Transport::Tcp(tcp) => {
            let numbers =
                [tcp.header.source_port().into(), tcp.header.destination_port().into(), tcp.header.seq()];
            ("TCP", numbers.to_vec(), tcp.payload.len())
        }
        Transport::Udp(udp) => {
            let numbers = [udp.header.source_port().into(), udp.header.destination_port().into()];
            ("UDP", numbers.to_vec(), udp.payload.len())
        }
        _ => return,
    };
    let numbers: Vec<Option<u64>> = numbers.into_iter().map(|number| Some(number.into())).collect();
    let anatomy = dissect(link, bytes, wire_len);
    let is_it = |layer: &&Layer| {
        let shown = layer.fields.iter().take(numbers.len()).map(|field| field.number(layer.bytes(bytes)));
        layer.name == name && !layer.quoted && shown.eq(numbers.iter().copied())
    };
    let layer = anatomy.layers.iter().rfind(is_it).unwrap_or_else(|| panic!("{packet:?} {anatomy:#?}"));
    let behind = anatomy.layers.iter().filter(|other| other.start >= layer.start + layer.len);
    if behind.clone().any(|other| other.family != Family::Data) {
        return;
    }
    let behind: usize = behind.filter(|other| other.name != "Trailer").map(|other| other.len).sum();
    assert_eq!(behind, payload_len, "{packet:?} {anatomy:#?}");
}

fn layer<'a>(anatomy: &'a Anatomy, name: &str) -> &'a Layer {
    anatomy.layers.iter().find(|layer| layer.name == name).unwrap_or_else(|| panic!("{name}: {anatomy:#?}"))
}

/// What stands in a field, as text and as meaning.
fn shown<'a>(layer: &'a Layer, name: &str) -> (&'a str, &'a str) {
    let field = layer.fields.iter().find(|field| field.name == name);
    let field = field.unwrap_or_else(|| panic!("{name}: {layer:#?}"));
    (&field.value, &field.meaning)
}

fn names(anatomy: &Anatomy) -> Vec<&'static str> {
    anatomy.layers.iter().map(|layer| layer.name).collect()
}

fn segment(options: TcpOptions, payload: &[u8]) -> Vec<u8> {
    let packet = TcpPacket {
        source: "192.0.2.1:40712".parse().unwrap(),
        destination: "198.51.100.2:80".parse().unwrap(),
        seq: 0x0102_0304,
        ack: 7,
        flags: TcpFlags::SYN | TcpFlags::ACK,
        window: 64_240,
        options,
        payload,
    };
    packet.to_bytes()
}

fn all_options() -> TcpOptions {
    TcpOptions {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some((1_000_000, 2_000_000)),
        sack: [Some((10, 20)), None, None, None],
    }
}

#[test]
fn a_segment_is_read_as_rfc_9293_has_it() {
    let bytes = segment(all_options(), b"hi");
    let anatomy = taken_apart(LinkType::RAW, &bytes);
    assert_tiles(&anatomy);
    assert_eq!(names(&anatomy), ["IPv4", "TCP", "Payload"]);
    let tcp = layer(&anatomy, "TCP");
    assert_eq!(shown(tcp, "Source Port"), ("40712", ""));
    assert_eq!(shown(tcp, "Destination Port"), ("80", "http"));
    assert_eq!(shown(tcp, "Data Offset").1, "× 4 = 52 bytes");
    assert_eq!(shown(tcp, "SYN").0, "1");
    assert_eq!(shown(tcp, "FIN").0, "0");
    assert_eq!(shown(tcp, "Maximum Segment Size (MSS)").0, "1460");
    assert_eq!(shown(tcp, "shift.cnt"), ("7", "windows × 128 from now on"));
    assert_eq!(shown(tcp, "TS Echo Reply (TSecr)").0, "2000000");
    assert_eq!(shown(tcp, "Right Edge of Block").1, "end of these 10 bytes");
    assert_eq!(tcp.checksum.as_ref().unwrap().verdict, Verdict::Right);
    assert_eq!(layer(&anatomy, "IPv4").checksum.as_ref().unwrap().verdict, Verdict::Right);
    assert!(anatomy.layers.iter().all(|layer| layer.breaches.is_empty() && layer.cut.is_none()));
}

#[test]
fn a_checksum_is_told_right_wrong_left_or_unknown() {
    let right = segment(TcpOptions::default(), b"abc");
    let verdict = |bytes: &[u8], wire_len: usize| {
        let anatomy = dissect(LinkType::RAW, bytes, u32::try_from(wire_len).unwrap());
        layer(&anatomy, "TCP").checksum.clone().unwrap()
    };
    let sound = verdict(&right, right.len());
    assert_eq!(sound.verdict, Verdict::Right);
    let mut wrong = right.clone();
    wrong[36] ^= 0x40;
    assert_eq!(verdict(&wrong, wrong.len()).verdict, Verdict::Wrong(sound.stated));
    let mut left = right.clone();
    let pseudo = sound.pseudo.unwrap().sum.to_be_bytes();
    left[36..38].copy_from_slice(&pseudo);
    assert_eq!(verdict(&left, left.len()).verdict, Verdict::LeftToDevice(sound.stated));
    let cut = verdict(&right[..right.len() - 1], right.len());
    assert_eq!(cut.verdict, Verdict::Cut { by: CutBy::Capture, kept: 22 });
    assert_eq!((cut.covered, cut.data_sum), (23, None));
    let mut piece = right;
    piece[6] |= 0x20;
    assert_eq!(verdict(&piece, piece.len()).verdict, Verdict::Fragment);
}

#[test]
fn a_udp_checksum_of_zero_is_none_in_ipv4_and_wrong_in_ipv6() {
    let mut four = Vec::new();
    PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 9).udp(5000, 53).write(&mut four, b"q").unwrap();
    let verdict = |bytes: &[u8]| {
        let anatomy = taken_apart(LinkType::RAW, bytes);
        layer(&anatomy, "UDP").checksum.as_ref().unwrap().verdict
    };
    assert_eq!(verdict(&four), Verdict::Right);
    four[26..28].fill(0);
    assert_eq!(verdict(&four), Verdict::Unused);
    let mut six = Vec::new();
    PacketBuilder::ipv6([1; 16], [2; 16], 9).udp(5000, 53).write(&mut six, b"q").unwrap();
    assert_eq!(verdict(&six), Verdict::Right);
    six[46..48].fill(0);
    assert_eq!(verdict(&six), Verdict::Missing);
}

#[test]
fn a_datagram_whose_length_cannot_be_true_has_no_verdict() {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 9).udp(5000, 53).write(&mut bytes, b"q").unwrap();
    for (len, what) in [
        (200, "length 200 is more than the 9 bytes of the packet"),
        (7, "length 7 is less than the header's 8 bytes"),
    ] {
        bytes[25] = len;
        let anatomy = taken_apart(LinkType::RAW, &bytes);
        let udp = layer(&anatomy, "UDP");
        assert_eq!((udp.breaches[0].what.as_str(), &udp.checksum), (what, &None));
    }
}

/// RFC 768: the sum is sent as ones when it is zero, so that zero can mean none.
#[test]
fn a_udp_checksum_that_comes_out_as_zero_is_sent_as_ones() {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 9).udp(1, 2).write(&mut bytes, &[0, 0]).unwrap();
    // What is added to the payload is what the checksum would be: then it becomes zero.
    let checksum = [bytes[26], bytes[27]];
    bytes[28..30].copy_from_slice(&checksum);
    bytes[26..28].fill(0xff);
    let anatomy = taken_apart(LinkType::RAW, &bytes);
    assert_eq!(layer(&anatomy, "UDP").checksum.as_ref().unwrap().verdict, Verdict::Right);
}

#[test]
fn what_the_capture_cut_is_shown_as_far_as_it_goes() {
    let bytes = segment(all_options(), b"payload");
    let wire_len = u32::try_from(bytes.len()).unwrap();
    for len in 0..bytes.len() {
        let anatomy = dissect(LinkType::RAW, &bytes[..len], wire_len);
        assert_tiles(&anatomy);
        let last = anatomy.layers.last().unwrap();
        let cut = last.cut.as_ref().unwrap_or_else(|| panic!("{len}: {anatomy:#?}"));
        assert_eq!((cut.by, cut.missing), (CutBy::Capture, bytes.len() - len), "{len}");
        assert!(anatomy.layers.iter().all(|layer| layer.breaches.is_empty()), "{len}: {anatomy:#?}");
    }
    let anatomy = dissect(LinkType::RAW, &bytes[..22], wire_len);
    let tcp = layer(&anatomy, "TCP");
    assert_eq!(tcp.cut.as_ref().unwrap().at, "Destination Port");
    let anatomy = dissect(LinkType::RAW, &bytes[..23], wire_len);
    assert_eq!(shown(layer(&anatomy, "TCP"), "Destination Port"), ("0x00…", "only 8 of 16 bits"));
}

#[test]
fn what_breaks_a_rule_is_told_with_the_rule() {
    let sound = segment(all_options(), b"");
    let broken = |at: usize, byte: u8, name: &str| {
        let mut bytes = sound.clone();
        bytes[at] = byte;
        let anatomy = taken_apart(LinkType::RAW, &bytes);
        assert_tiles(&anatomy);
        let layer = layer(&anatomy, name);
        layer.breaches.iter().map(|breach| (breach.what.clone(), breach.clause)).collect::<Vec<_>>()
    };
    let one = |what: &str, clause| vec![(what.to_owned(), clause)];
    assert_eq!(broken(0, 0x44, "IPv4")[0], one("IHL 4 is less than 5", "RFC 791 §3.1")[0]);
    assert_eq!(broken(0, 0x75, "IPv4"), one("version 7, not 4", "RFC 791 §3.1"));
    assert_eq!(
        broken(3, 200, "IPv4"),
        one(
            &format!("total length 200 is more than the {} bytes that were there", sound.len()),
            "RFC 791 §3.1"
        )
    );
    assert_eq!(broken(32, 0x40, "TCP"), one("data offset 4 is less than 5", "RFC 9293 §3.1"));
    assert_eq!(
        broken(32, 0xf0, "TCP")[0],
        one("data offset says 60 bytes, and the packet has 52", "RFC 9293 §3.1")[0]
    );
    assert_eq!(broken(41, 3, "TCP")[0], one("Maximum Segment Size with length 3, not 4", "RFC 9293 §3.2")[0]);
    assert_eq!(broken(41, 99, "TCP"), one("an option of 99 bytes where 32 are left", "RFC 9293 §3.2"));
}

#[test]
fn an_icmp_error_shows_the_packet_that_it_quotes() {
    let quote = segment(TcpOptions::default(), b"0123456789");
    let message = [&[3, 3, 0, 0, 0, 0, 0, 0][..], &quote[..28]].concat();
    let mut bytes = Vec::new();
    let header = PacketBuilder::ipv4([198, 51, 100, 2], [192, 0, 2, 1], 64);
    header.write(&mut bytes, etherparse::IpNumber::ICMP, &message).unwrap();
    let anatomy = taken_apart(LinkType::IPV4, &bytes);
    assert_tiles(&anatomy);
    assert_eq!(names(&anatomy), ["IPv4", "ICMP", "IPv4", "TCP"]);
    assert_eq!(
        anatomy.layers.iter().map(|layer| layer.quoted).collect::<Vec<_>>(),
        [false, false, true, true]
    );
    assert_eq!(shown(&anatomy.layers[1], "Code"), ("3", "port unreachable"));
    let tcp = &anatomy.layers[3];
    assert_eq!(shown(tcp, "Sequence Number").0, "16909060");
    let cut = tcp.cut.as_ref().unwrap();
    assert_eq!((cut.by, cut.at, cut.missing), (CutBy::Quote, "Acknowledgment Number", 22));
    assert!(anatomy.layers.iter().all(|layer| layer.breaches.is_empty()));
}

#[test]
fn a_code_says_only_what_the_type_does_not() {
    let code = |message: &[u8]| {
        let mut bytes = Vec::new();
        let header = PacketBuilder::ipv4([198, 51, 100, 2], [192, 0, 2, 1], 64);
        header.write(&mut bytes, etherparse::IpNumber::ICMP, message).unwrap();
        let anatomy = taken_apart(LinkType::IPV4, &bytes);
        let icmp = layer(&anatomy, "ICMP");
        [shown(icmp, "Type").1, shown(icmp, "Code").1].map(str::to_owned)
    };
    assert_eq!(code(&[8, 0, 0, 0, 0, 1, 0, 2]), ["echo request", ""]);
    assert_eq!(code(&[3, 3, 0, 0, 0, 0, 0, 0]), ["destination unreachable", "port unreachable"]);
    assert_eq!(code(&[11, 0, 0, 0, 0, 0, 0, 0])[0], "time exceeded");
}

/// Every header once, for the form of the clauses and for tiling.
#[test]
fn clauses_have_one_form() {
    let bytes = segment(all_options(), b"x");
    let mac = [&[2_u8; 12][..]].concat();
    let ethernet = |kind: u16, rest: &[u8]| [&mac[..], &kind.to_be_bytes(), rest].concat();
    let frames = [
        (LinkType::ETHERNET, ethernet(0x0800, &bytes)),
        (LinkType::ETHERNET, ethernet(0x88a8, &[&[0xe0, 0x64, 0x81, 0, 0, 7, 8, 0][..], &bytes].concat())),
        (
            LinkType::ETHERNET,
            ethernet(
                0x0806,
                &[0, 1, 8, 0, 6, 4, 0, 1, 2, 2, 2, 2, 2, 2, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
            ),
        ),
        (LinkType(0), [&[2, 0, 0, 0][..], &bytes].concat()),
        (LinkType(108), [&[0, 0, 0, 2][..], &bytes].concat()),
        (LinkType(113), [&[0, 4, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0][..], &bytes].concat()),
        (LinkType::ETHERNET, ethernet(0x8847, &[&[0, 1, 0x40, 64, 0, 2, 1, 64][..], &bytes].concat())),
        (LinkType::CISCO_HDLC, [&[0x0f, 0, 8, 0][..], &bytes].concat()),
        (LinkType::PPP, [&[0xff, 3, 0, 0x21][..], &bytes].concat()),
        (LinkType::FRAME_RELAY, [&[0x18, 0x41, 3, 0xcc][..], &bytes].concat()),
        (LinkType(276), [&[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 2, 2, 2, 2, 2, 0, 0][..], &bytes].concat()),
    ];
    for (link, frame) in frames {
        let anatomy = taken_apart(link, &frame);
        assert_tiles(&anatomy);
        assert_clauses(&anatomy);
        let names = names(&anatomy);
        let found = names.contains(&"TCP") || names.contains(&"ARP");
        assert!(found, "{names:?}");
        assert_agrees(link, &frame, u32::try_from(frame.len()).unwrap());
    }
    assert!(!is_clause("RFC 9293 3.1") && !is_clause("RFC9293 §3.1") && !is_clause("RFC 9293 §3."));
}

#[test]
fn a_bit_field_is_cut_out_of_its_bytes() {
    assert_eq!(reading::number(&[0x45, 0x67], 4, 8), Some(0x56));
    assert_eq!(reading::number(&[0xff; 8], 0, 64), Some(u64::MAX));
    assert_eq!(reading::number(&[0xff; 9], 0, 65), None);
    assert_eq!(reading::number(&[0xff], 4, 5), None);
}

#[test]
fn short_frames_are_padded_behind_the_packet() {
    let bytes = segment(TcpOptions::default(), b"");
    let frame = [&[2; 12][..], &[8, 0], &bytes, &[0; 6]].concat();
    let anatomy = taken_apart(LinkType::ETHERNET, &frame);
    assert_tiles(&anatomy);
    assert_eq!(names(&anatomy), ["Ethernet", "IPv4", "TCP", "Trailer"]);
    assert_eq!(anatomy.layers[3].len, 6);
}

#[test]
fn layers_without_end_become_payload() {
    let frame = [&[2; 12][..], &[0x81, 0, 0, 1].repeat(500), &[8, 0]].concat();
    let anatomy = taken_apart(LinkType::ETHERNET, &frame);
    assert_tiles(&anatomy);
    assert_eq!(anatomy.layers.len(), MAX_LAYERS + 1);
}

/// One whole packet for mutation: each with other headers.
fn seeds() -> Vec<Vec<u8>> {
    let mut all = vec![segment(all_options(), b"payload")];
    let hex = |text: &str| -> Vec<u8> {
        let digits: Vec<u8> =
            text.bytes().filter_map(|byte| char::from(byte).to_digit(16)).map(|d| d as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    };
    let v6 = |next: u8, rest: &[u8]| {
        let mut bytes = vec![0x60, 0, 0, 0, 0, u8::try_from(rest.len()).unwrap(), next, 64];
        bytes.extend([1; 16]);
        bytes.extend([2; 16]);
        bytes.extend(rest);
        bytes
    };
    let v4 = |protocol: u8, rest: &[u8]| {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 9);
        builder.write(&mut bytes, etherparse::IpNumber(protocol), rest).unwrap();
        bytes
    };
    // Hop-by-hop with router alert, routing, destination options, fragment, then listener report.
    let chain = [
        hex("2b 00 05 02 0000 01 00"),
        [hex("3c 02 04 01 00 00 0000"), vec![3; 16]].concat(),
        hex("3a 00 01 04 00000000"),
        hex("8f 00 0000 0000 0001 04 00 0001"),
        vec![0xff; 16],
        vec![5; 16],
    ];
    all.push(v6(0, &chain.concat()));
    all.push(v6(44, &hex("06 00 0009 12345678 0102030405060708")));
    all.push(v6(
        58,
        &[
            hex("86 00 0000 40c0 0708 00000000 00000000 0101 020202020202 0501 0000 000005dc"),
            hex("0304 40c0 ffffffff 00000078 00000000"),
            vec![7; 16],
        ]
        .concat(),
    ));
    all.push(v6(58, &[hex("88 00 0000 60000000"), vec![7; 16], hex("0201 020202020202")].concat()));
    all.push(v6(51, &hex("3b 04 0000 00000001 00000002 00112233 44556677 8899aabb")));
    all.push(v4(2, &hex("22 00 0000 0000 0001 04 00 0001 e00000fb c0000201")));
    all.push(v4(2, &hex("11 64 0000 00000000 0a 7d 0001 c0000201")));
    all.push(v4(
        47,
        &[hex("b000 0800 0000 0000 00000001 00000002"), v4(1, &hex("08 00 0000 0001 0002 6162"))].concat(),
    ));
    let vxlan =
        [hex("08000000 00002a00"), vec![2; 12], hex("86dd"), v6(17, &hex("0035 1388 0009 0000 61"))].concat();
    let udp = [hex("c000 12b5 0000 0000"), vxlan].concat();
    all.push(v4(17, &udp));
    let inner = v4(6, &segment(TcpOptions::default(), b"in")[20..]);
    // Geneve with an option, GTP-U, whose header has no table of fields.
    all.push(v4(
        17,
        &[hex("c000 17c1 0000 0000 0200 0800 00002a00 0102 03 01 00000007"), inner.clone()].concat(),
    ));
    // MPLS right behind UDP, without a header of a tunnel.
    all.push(v4(17, &[hex("c000 19eb 0000 0000 00014140"), inner.clone()].concat()));
    let gtp_len = u8::try_from(inner.len()).unwrap();
    all.push(v4(17, &[hex("c000 0868 0000 0000 30ff 00"), vec![gtp_len], hex("00000001"), inner].concat()));
    let mptcp = "0050 1f90 00000001 00000002 f010 0400 0000 0000 1e14 2005 00000001 00000002 00000003 0004 0005 \
                 1304 2204 aabb fe04 f989 1c04 8005 00";
    all.push(v4(6, &hex(mptcp)));
    // IPv4 options: record route, timestamp, router alert, end.
    all.push(hex(
        "4a00 0028 0001 0000 4001 0000 c0000201 c0000202 0707 04 c0000203 44 08 05 10 00000001 94 04 0000 00",
    ));
    all
}

#[test]
fn every_seed_is_read_to_its_payload_and_keeps_the_rules() {
    let mut seen: Vec<&str> = Vec::new();
    for bytes in seeds() {
        let anatomy = taken_apart(LinkType::RAW, &bytes);
        assert_tiles(&anatomy);
        assert_clauses(&anatomy);
        seen.extend(names(&anatomy));
        assert_agrees(LinkType::RAW, &bytes, u32::try_from(bytes.len()).unwrap());
    }
    for name in [
        "IPv4",
        "IPv6",
        "TCP",
        "UDP",
        "ICMP",
        "ICMPv6",
        "IGMP",
        "GRE",
        "VXLAN",
        "Geneve",
        "Tunnel",
        "MPLS",
        "Ethernet",
        "Hop-by-Hop Options",
        "Routing",
        "Destination Options",
        "Fragment",
        "Authentication Header",
        "Payload",
    ] {
        assert!(seen.contains(&name), "{name}: {seen:?}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_every_bit_has_a_field(
        link in prop::sample::select(vec![0_u16, 1, 12, 101, 108, 113, 228, 229, 276, 9999]),
        bytes in prop::collection::vec(any::<u8>(), 0..300), more in 0_u32..100,
    ) {
        let wire_len = u32::try_from(bytes.len()).unwrap() + more;
        let anatomy = dissect(LinkType(link), &bytes, wire_len);
        assert_tiles(&anatomy);
        assert_clauses(&anatomy);
        let _ = format!("{anatomy:?}");
    }

    #[test]
    fn mutated_packets_never_panic_and_every_bit_has_a_field(
        seed in prop::sample::select(seeds()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(), is_cut: bool,
    ) {
        let mut bytes = seed;
        for (place, byte) in changes {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let wire_len = u32::try_from(bytes.len()).unwrap();
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let anatomy = dissect(LinkType::RAW, &bytes, wire_len);
        assert_tiles(&anatomy);
        assert_clauses(&anatomy);
        assert_agrees(LinkType::RAW, &bytes, wire_len);
    }

    /// etherparse reads the same numbers.
    #[test]
    fn values_are_those_of_the_oracle(
        v6: bool, source: [u8; 16], destination: [u8; 16], ports: [u16; 2], seq: u32, ack: u32, flags: u8, window: u16,
        mss: Option<u16>, timestamps: Option<(u32, u32)>, payload in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let address = |octets: [u8; 16]| match (v6, octets) {
            (true, octets) => IpAddr::from(octets),
            (false, [a, b, c, d, ..]) => IpAddr::from([a, b, c, d]),
        };
        let bytes = TcpPacket {
            source: SocketAddr::new(address(source), ports[0]),
            destination: SocketAddr::new(address(destination), ports[1]),
            seq, ack, flags: TcpFlags(flags), window,
            options: TcpOptions { mss, timestamps, ..TcpOptions::default() },
            payload: &payload,
        }.to_bytes();
        let anatomy = taken_apart(LinkType::RAW, &bytes);
        assert_tiles(&anatomy);
        let tcp = layer(&anatomy, "TCP");
        let number = |name: &str| {
            let field = tcp.fields.iter().find(|field| field.name == name).unwrap();
            let number = field.number(tcp.bytes(&bytes)).unwrap();
            // What is shown is what is there.
            assert!(field.value == number.to_string() || field.value == format!("0x{number:04x}"), "{field:?}");
            number
        };
        let sliced = SlicedPacket::from_ip(&bytes).unwrap();
        let Some(TransportSlice::Tcp(theirs)) = sliced.transport else { panic!("no TCP") };
        prop_assert_eq!(number("Source Port"), u64::from(theirs.source_port()));
        prop_assert_eq!(number("Destination Port"), u64::from(theirs.destination_port()));
        prop_assert_eq!(number("Sequence Number"), u64::from(theirs.sequence_number()));
        prop_assert_eq!(number("Acknowledgment Number"), u64::from(theirs.acknowledgment_number()));
        prop_assert_eq!(number("Data Offset"), u64::from(theirs.data_offset()));
        prop_assert_eq!(number("Window"), u64::from(theirs.window_size()));
        prop_assert_eq!(number("Checksum"), u64::from(theirs.checksum()));
        prop_assert_eq!(number("Urgent Pointer"), u64::from(theirs.urgent_pointer()));
        let bits = [
            ("CWR", theirs.cwr()), ("ECE", theirs.ece()), ("URG", theirs.urg()), ("ACK", theirs.ack()),
            ("PSH", theirs.psh()), ("RST", theirs.rst()), ("SYN", theirs.syn()), ("FIN", theirs.fin()),
        ];
        for (name, set) in bits {
            prop_assert_eq!(number(name), u64::from(set), "{}", name);
        }
        prop_assert_eq!(tcp.checksum.as_ref().unwrap().verdict, Verdict::Right);
    }
}
