//! Packets cut to pieces and put together again; what is bounded, and what is refused.

use super::*;
use crate::link_type::LinkType;
use crate::packet::tests::tcp_packet;
use crate::packet::{dissect, dissect_captured};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

/// A piece of a packet's payload.
#[derive(Clone, Debug)]
struct Cut {
    offset: usize,
    more: bool,
    bytes: Vec<u8>,
}

/// A fragment of `whole`, an IP packet without extension headers.
fn fragment(whole: &[u8], identification: u16, cut: &Cut) -> Vec<u8> {
    let v6 = whole[0] >> 4 == 6;
    let offset = u16::try_from(cut.offset).unwrap();
    let [a, b] = identification.to_be_bytes();
    if v6 {
        let mut packet = whole[..40].to_vec();
        packet[4..6].copy_from_slice(&u16::try_from(8 + cut.bytes.len()).unwrap().to_be_bytes());
        packet[6] = 44;
        let [high, low] = (offset | u16::from(cut.more)).to_be_bytes();
        packet.extend([whole[6], 0, high, low, 0, 0, a, b]);
        [packet, cut.bytes.clone()].concat()
    } else {
        let mut packet = whole[..20].to_vec();
        packet[2..4].copy_from_slice(&u16::try_from(20 + cut.bytes.len()).unwrap().to_be_bytes());
        packet[4..6].copy_from_slice(&[a, b]);
        packet[6..8].copy_from_slice(&((offset / 8) | (u16::from(cut.more) << 13)).to_be_bytes());
        [packet, cut.bytes.clone()].concat()
    }
}

/// The payload of `whole` in pieces of `size` bytes.
fn cuts(whole: &[u8], size: usize) -> Vec<Cut> {
    let payload = &whole[if whole[0] >> 4 == 6 { 40 } else { 20 }..];
    let last = payload.chunks(size).count() - 1;
    let cut = |(at, bytes): (usize, &[u8])| Cut { offset: at * size, more: at < last, bytes: bytes.to_vec() };
    payload.chunks(size).enumerate().map(cut).collect()
}

fn fragments(whole: &[u8], size: usize) -> Vec<Vec<u8>> {
    cuts(whole, size).iter().map(|cut| fragment(whole, 7, cut)).collect()
}

/// Hands one over; the whole payload and its true length if it was the last.
fn take(reassembler: &mut Reassembler, packet: &[u8], time: u64) -> Option<(Vec<u8>, u32)> {
    let packet = dissect(LinkType::RAW, packet).expect("an IP packet");
    match reassembler.take(packet, Time(time)).expect("readable")?.transport {
        Transport::Tcp(segment) => Some((segment.payload.to_vec(), segment.payload_len)),
        other => panic!("{other:?}"),
    }
}

fn payload(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

#[test]
fn pieces_in_any_order_make_the_packet() {
    for v6 in [false, true] {
        let whole = tcp_packet(v6, &payload(1000));
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let pieces = fragments(&whole, 400);
            let mut reassembler = Reassembler::default();
            assert_eq!(take(&mut reassembler, &pieces[order[0]], 0), None);
            assert_eq!(take(&mut reassembler, &pieces[order[1]], 1), None);
            assert_eq!(reassembler.waiting(), 1);
            assert_eq!(take(&mut reassembler, &pieces[order[2]], 2), Some((payload(1000), 1000)));
            assert_eq!((reassembler.waiting(), reassembler.bytes), (0, 0));
            assert_eq!(reassembler.counters(), Counters { fragments: 3, whole: 1, ..Counters::default() });
        }
    }
}

#[test]
fn the_whole_is_the_packet_that_it_was() {
    for v6 in [false, true] {
        let whole = tcp_packet(v6, &payload(80));
        let expected = dissect(LinkType::RAW, &whole).unwrap();
        let mut reassembler = Reassembler::default();
        let pieces = fragments(&whole, 64);
        assert_eq!(take(&mut reassembler, &pieces[0], 0), None);
        let last = dissect(LinkType::RAW, &pieces[1]).unwrap();
        let read = reassembler.take(last, Time(0)).unwrap().unwrap();
        assert_eq!(read.transport, expected.transport);
        assert_eq!((read.source, read.hop_limit), (expected.source, expected.hop_limit));
        assert_eq!(read.len, expected.len + if v6 { 8 } else { 0 });
    }
}

#[test]
fn what_is_no_fragment_comes_back_as_it_is() {
    let whole = tcp_packet(false, b"hello");
    let packet = dissect(LinkType::RAW, &whole).unwrap();
    assert_eq!(Reassembler::default().take(packet, Time(0)), Ok(Some(packet)));
}

#[test]
fn packets_with_other_ends_or_numbers_are_kept_apart() {
    let (one, two) = (tcp_packet(false, &payload(80)), tcp_packet(false, &[9; 80]));
    let mut reassembler = Reassembler::default();
    let [a, b] = [&one, &two].map(|whole| cuts(whole, 64));
    assert_eq!(take(&mut reassembler, &fragment(&one, 1, &a[0]), 0), None);
    assert_eq!(take(&mut reassembler, &fragment(&two, 2, &b[0]), 0), None);
    let mut other_end = fragment(&one, 1, &a[1]);
    other_end[19] = 77;
    assert_eq!(take(&mut reassembler, &other_end, 0), None);
    assert_eq!(take(&mut reassembler, &fragment(&two, 2, &b[1]), 0), Some((vec![9; 80], 80)));
    assert_eq!(take(&mut reassembler, &fragment(&one, 1, &a[1]), 0), Some((payload(80), 80)));
}

#[test]
fn pieces_that_the_capture_cut_count_with_their_length() {
    let whole = tcp_packet(false, &payload(3000));
    let mut reassembler = Reassembler::default();
    for (position, piece) in fragments(&whole, 1480).iter().enumerate() {
        let packet = dissect_captured(
            LinkType::RAW,
            &piece[..piece.len().min(96)],
            u32::try_from(piece.len()).unwrap(),
        )
        .unwrap();
        let read = reassembler.take(packet, Time(0)).unwrap();
        assert_eq!(read.is_some(), position == 2);
        let Some(Transport::Tcp(segment)) = read.map(|packet| packet.transport) else { continue };
        assert_eq!((segment.payload_len, segment.payload), (3000, &payload(3000)[..96 - 20 - 32]));
    }
}

#[test]
fn a_first_piece_without_the_tcp_header_is_told_as_cut() {
    let whole = tcp_packet(false, &payload(80));
    let pieces = fragments(&whole, 64);
    let mut reassembler = Reassembler::default();
    let first = dissect_captured(LinkType::RAW, &pieces[0][..30], 84).unwrap();
    assert_eq!(reassembler.take(first, Time(0)), Ok(None));
    let last = dissect(LinkType::RAW, &pieces[1]).unwrap();
    assert!(matches!(reassembler.take(last, Time(0)), Err(Undecoded::Cut(_))));
}

#[test]
fn in_ipv4_the_first_come_wins() {
    let whole = tcp_packet(false, &payload(80));
    let mut pieces = cuts(&whole, 64);
    let mut reassembler = Reassembler::default();
    assert_eq!(take(&mut reassembler, &fragment(&whole, 7, &pieces[0]), 0), None);
    let liar = Cut { offset: 0, more: true, bytes: vec![0xee; 96] };
    assert_eq!(take(&mut reassembler, &fragment(&whole, 7, &liar), 0), None);
    pieces[1].bytes.fill(0x11);
    // 112 bytes in all: the first piece has 0..64, the liar filled 64..96, the last piece what was left.
    let expected = [&payload(80)[..32], &[0xee; 32], &[0x11; 16]].concat();
    assert_eq!(take(&mut reassembler, &fragment(&whole, 7, &pieces[1]), 0), Some((expected, 80)));
}

#[test]
fn in_ipv6_an_overlap_ends_the_packet_and_a_duplicate_does_not() {
    let whole = tcp_packet(true, &payload(100));
    let pieces = fragments(&whole, 64);
    let mut reassembler = Reassembler::default();
    assert_eq!(take(&mut reassembler, &pieces[0], 0), None);
    assert_eq!(take(&mut reassembler, &pieces[0], 0), None);
    assert!(take(&mut reassembler, &pieces[1], 0).is_none());
    assert!(take(&mut reassembler, &pieces[2], 0).is_some());

    let overlap = Cut { offset: 56, more: true, bytes: vec![0; 16] };
    assert_eq!(take(&mut reassembler, &pieces[0], 0), None);
    assert_eq!(take(&mut reassembler, &fragment(&whole, 7, &overlap), 0), None);
    assert_eq!(take(&mut reassembler, &pieces[1], 0), None);
    assert_eq!(take(&mut reassembler, &pieces[2], 0), None, "what comes later belongs to the refused");
    assert_eq!((reassembler.counters().refused, reassembler.waiting()), (1, 0));
    assert_eq!(take(&mut reassembler, &pieces[0], 31 * SECOND), None);
    assert_eq!(take(&mut reassembler, &pieces[1], 31 * SECOND), None);
    assert!(take(&mut reassembler, &pieces[2], 31 * SECOND).is_some(), "the mark has its time");
}

#[test]
fn contradictions_are_refused() {
    let whole = tcp_packet(false, &payload(100));
    let cut = |offset, more, len| fragment(&whole, 7, &Cut { offset, more, bytes: vec![0; len] });
    for contradiction in [
        [cut(64, false, 68), cut(128, true, 8)],  // beyond the end
        [cut(64, false, 68), cut(128, false, 8)], // two ends
        [cut(64, true, 68), cut(64, false, 8)],   // an end before what came
        [cut(0, true, 64), cut(65528, true, 16)], // more than 64 KiB
    ] {
        let mut reassembler = Reassembler::default();
        for piece in contradiction {
            assert_eq!(take(&mut reassembler, &piece, 0), None);
        }
        assert_eq!(reassembler.counters().refused, 1);
    }
    let six = tcp_packet(true, &payload(100));
    let odd = Cut { offset: 0, more: true, bytes: vec![0; 63] };
    let mut reassembler = Reassembler::default();
    assert_eq!(take(&mut reassembler, &fragment(&six, 7, &odd), 0), None);
    assert_eq!(reassembler.counters().refused, 1, "RFC 8200 §4.5: only the last may be of any length");
}

#[test]
fn what_does_not_come_in_time_is_given_up() {
    let whole = tcp_packet(false, &payload(100));
    let pieces = fragments(&whole, 64);
    let mut reassembler = Reassembler::default();
    assert_eq!(take(&mut reassembler, &pieces[0], 0), None);
    assert_eq!(take(&mut reassembler, &pieces[1], 30 * SECOND), None);
    assert!(take(&mut reassembler, &pieces[2], 30 * SECOND).is_some(), "30 s are not too late");
    assert_eq!(take(&mut reassembler, &pieces[0], 100 * SECOND), None);
    assert_eq!(take(&mut reassembler, &pieces[1], 131 * SECOND), None);
    assert_eq!(take(&mut reassembler, &pieces[2], 131 * SECOND), None);
    assert_eq!(reassembler.counters().expired, 1);
}

#[test]
fn the_oldest_goes_where_there_are_too_many() {
    let whole = tcp_packet(false, &payload(100));
    let pieces = cuts(&whole, 64);
    for limits in [
        Limits { packets: 10, ..Limits::default() },
        Limits { bytes: 10 * (Partial::OVERHEAD + 64 + 4 * size_of::<Piece>()), ..Limits::default() },
    ] {
        let mut reassembler = Reassembler::new(limits);
        for identification in 0..1000 {
            assert_eq!(take(&mut reassembler, &fragment(&whole, identification, &pieces[0]), 0), None);
            assert!(reassembler.bytes <= limits.bytes && reassembler.oldest.len() <= 32);
        }
        assert_eq!(reassembler.waiting(), 10);
        assert_eq!(reassembler.counters().evicted, 990);
        for identification in [999, 989] {
            let mut read = None;
            for piece in &pieces[1..] {
                read = take(&mut reassembler, &fragment(&whole, identification, piece), 0);
            }
            assert_eq!(read.is_some(), identification == 999);
        }
    }
}

#[test]
fn packets_that_became_whole_leave_nothing_behind() {
    let whole = tcp_packet(false, &payload(100));
    let mut reassembler = Reassembler::new(Limits { packets: 16, ..Limits::default() });
    for identification in 0..5000 {
        let pieces = cuts(&whole, 64);
        let reads: Vec<bool> = pieces
            .iter()
            .map(|piece| take(&mut reassembler, &fragment(&whole, identification, piece), 0).is_some())
            .collect();
        assert_eq!(reads, [false, false, true]);
        assert!(reassembler.oldest.len() <= 40 && reassembler.bytes == 0);
    }
}

#[test]
fn a_fragment_in_a_fragmented_tunnel_is_put_together_too() {
    let inner = tcp_packet(false, &payload(100));
    let mut reassembler = Reassembler::default();
    let mut reads = Vec::new();
    for (position, piece) in fragments(&inner, 64).into_iter().enumerate() {
        let mut outer = tcp_packet(true, &[]);
        outer.truncate(40);
        outer[6] = 4;
        outer.extend(piece);
        for cut in cuts(&outer, 48) {
            let identification = 100 + u16::try_from(position).unwrap();
            reads.push(take(&mut reassembler, &fragment(&outer, identification, &cut), 0));
        }
    }
    let last = reads.pop().unwrap();
    assert_eq!(last, Some((payload(100), 100)));
    assert!(reads.iter().all(Option::is_none));
}

proptest! {
    /// Whatever is cut, however it is shuffled and repeated: the payload is that of the whole.
    #[test]
    fn reassembly_undoes_fragmentation(
        v6: bool, len in 1_usize..3000, eights in 1_usize..60, shuffle in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let whole = tcp_packet(v6, &payload(len));
        let mut pieces = fragments(&whole, eights * 8);
        prop_assume!(pieces.len() > 1);
        for (at, with) in shuffle.iter().enumerate() {
            let (at, with) = (at % pieces.len(), with.index(pieces.len()));
            pieces.swap(at, with);
        }
        let last = pieces.pop().unwrap();
        let mut reassembler = Reassembler::default();
        for piece in pieces.iter().chain(&pieces) {
            prop_assert_eq!(take(&mut reassembler, piece, 0), None);
        }
        prop_assert_eq!(take(&mut reassembler, &last, 0), Some((payload(len), u32::try_from(len).unwrap())));
        prop_assert_eq!(reassembler.bytes, 0);
    }

    /// A simple model, byte by byte: first come wins.
    #[test]
    fn overlaps_in_ipv4_are_those_of_the_model(
        cuts in prop::collection::vec((0_usize..20, 1_usize..90, any::<u8>()), 1..12),
    ) {
        let whole = tcp_packet(false, &[]);
        let mut model: Vec<Option<u8>> = vec![None; 400];
        let mut reassembler = Reassembler::default();
        let header = Cut { offset: 0, more: true, bytes: whole[20..52].to_vec() };
        prop_assert_eq!(take(&mut reassembler, &fragment(&whole, 7, &header), 0), None);
        let rest = 32..400;
        for (at, len, byte) in cuts {
            let (start, end) = (32 + at * 8, 32 + at * 8 + len);
            for place in &mut model[start..end] {
                place.get_or_insert(byte);
            }
            let cut = Cut { offset: start, more: true, bytes: vec![byte; len] };
            prop_assert_eq!(take(&mut reassembler, &fragment(&whole, 7, &cut), 0), None);
        }
        let end = Cut { offset: 392, more: false, bytes: vec![0xff; 8] };
        let _ = take(&mut reassembler, &fragment(&whole, 7, &end), 0);
        let fill = Cut { offset: 32, more: true, bytes: vec![0xff; 360] };
        let read = take(&mut reassembler, &fragment(&whole, 7, &fill), 0);
        let expected: Vec<u8> = model[rest].iter().map(|byte| byte.unwrap_or(0xff)).collect();
        prop_assert_eq!(read, Some((expected, 368)));
    }

    #[test]
    fn random_fragments_are_survived_within_bounds(
        v6: bool, cuts in prop::collection::vec((0_usize..0x2000, any::<bool>(), 0_usize..300, 0_u16..4, 0_u64..100), 0..80),
    ) {
        let whole = tcp_packet(v6, &[]);
        let limits = Limits { packets: 3, bytes: 100_000, ..Limits::default() };
        let mut reassembler = Reassembler::new(limits);
        for (eights, more, len, identification, seconds) in cuts {
            let cut = Cut { offset: eights * 8, more, bytes: vec![0x45; len] };
            let bytes = fragment(&whole, identification, &cut);
            let Ok(packet) = dissect(LinkType::RAW, &bytes) else { continue };
            let _ = reassembler.take(packet, Time(seconds * SECOND));
            prop_assert!(reassembler.waiting.len() <= 3 && reassembler.bytes <= limits.bytes);
            let counted: usize = reassembler.waiting.values().map(|partial| partial.bytes() + Partial::OVERHEAD).sum();
            prop_assert_eq!(reassembler.bytes, counted);
        }
    }
}
