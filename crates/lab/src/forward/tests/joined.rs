//! Packets that the loop finds at once and writes as one.

use wire::gso::Uncut;

use super::*;

const SIZE: usize = 100;

/// Segments of one stream, as a device without offload hands them out: complete checksums, no PSH.
fn segments(count: u8) -> Vec<Vec<u8>> {
    let segment = |number: u8| {
        let payload = [number; SIZE];
        let packet = TcpPacket {
            source: ([10, 0, 0, 1], 40_000).into(),
            destination: ([10, 0, 0, 2], 7).into(),
            seq: u32::from(number) * SIZE as u32,
            ack: 1,
            flags: TcpFlags::ACK,
            window: 1000,
            options: TcpOptions::default(),
            payload: &payload,
        };
        let mut bytes = packet.to_bytes();
        // The identification rises, as kernels have it.
        (bytes[5], bytes[10], bytes[11]) = (number, 0, 0);
        let sum = wire::checksum::of(&bytes[..20]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        behind(&VirtioNetHeader::default(), &bytes)
    };
    (0..count).map(segment).collect()
}

/// What the receiving kernel makes of one write: the segments, each as it was sent.
fn cut(written: &[u8]) -> Vec<Vec<u8>> {
    let (vnet, packet) = (VirtioNetHeader::parse(written).unwrap(), &written[LEN..]);
    let Ok(uncut) = Uncut::new(vnet, packet, 0) else { return vec![written.to_vec()] };
    let one = |segment: u32| {
        let run = uncut.run(segment..segment + 1);
        let mut bytes = [run.headers.as_slice(), &packet[run.payload.clone()]].concat();
        run.vnet.fill_checksum(&mut bytes);
        behind(&VirtioNetHeader::default(), &bytes)
    };
    (0..uncut.segments()).map(one).collect()
}

#[test]
fn segments_that_follow_each_other_are_written_as_one_and_told_one_by_one() {
    let sent = segments(40);
    let mut bench = Bench::behind(Budget::default(), 0, &sent, &Config::default());
    assert_eq!(cut(&receive(&bench.server)), sent);
    bench.wait_for(40);
    assert_eq!(receive_now(&bench.server), None);
    let (stopped, reports) = bench.stop();
    assert_eq!((stopped.up.offered, stopped.up.delivered), (40, 40));
    for (frame, packet) in frames(&reports).iter().zip(&sent) {
        assert_eq!(frame.bytes[..], packet[LEN..][..128]);
        assert_eq!((frame.wire_len as usize, frame.passage.segments), (packet.len() - LEN, 1));
        assert!(frame.passage.arrived.is_some());
    }
}

#[test]
fn around_those_that_are_lost_the_others_are_joined_in_order() {
    let sent = segments(60);
    let mut bench = Bench::behind(Budget::default(), 0, &sent, &lossy(10, 3));
    bench.wait_for(60);
    let mut arrived = Vec::new();
    let mut writes = 0;
    while let Some(written) = receive_now(&bench.server) {
        arrived.extend(cut(&written));
        writes += 1;
    }
    let (stopped, reports) = bench.stop();
    let lost = 60 - stopped.up.delivered as usize;
    assert!(lost > 0 && writes <= lost + 1, "{writes} writes around {lost} lost");
    let frames = frames(&reports);
    let told = sent.iter().zip(&frames).filter(|(_, frame)| frame.passage.fate == Fate::Delivered);
    assert_eq!(arrived, told.map(|(packet, _)| packet.clone()).collect::<Vec<_>>());
}

#[test]
fn a_damaged_segment_arrives_alone_and_damaged() {
    let mut sent = segments(9);
    sent[4][LEN + 60] ^= 1;
    let mut bench = Bench::behind(Budget::default(), 0, &sent, &Config::default());
    bench.wait_for(9);
    let written: Vec<Vec<u8>> = std::iter::from_fn(|| receive_now(&bench.server)).collect();
    assert_eq!(written.iter().map(|written| cut(written).len()).collect::<Vec<_>>(), [4, 1, 4]);
    assert_eq!(written.iter().flat_map(|written| cut(written)).collect::<Vec<_>>(), sent);
    bench.stop();
}
