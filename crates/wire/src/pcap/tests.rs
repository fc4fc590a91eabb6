use super::*;
use crate::capture::tests::{read_all, read_whole};
use proptest::prelude::*;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A file as a machine of either byte order writes it.
struct Machine {
    big: bool,
}

impl Machine {
    fn word(&self, word: u32) -> [u8; 4] {
        if self.big { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    fn half(&self, half: u16) -> [u8; 2] {
        if self.big { half.to_be_bytes() } else { half.to_le_bytes() }
    }

    fn header(&self, magic: u32, minor: u16, link_type: u32) -> Vec<u8> {
        let version = [self.half(2), self.half(minor)].concat();
        let rest = [0, 0, 65_535, link_type].map(|word| self.word(word)).concat();
        [&self.word(magic)[..], &version, &rest].concat()
    }

    fn record(&self, words: [u32; 4], bytes: &[u8]) -> Vec<u8> {
        [&words.map(|word| self.word(word)).concat()[..], bytes].concat()
    }
}

#[test]
fn magics_are_those_of_the_draft() {
    assert_eq!((MAGIC_MICROS, MAGIC_NANOS, MAGIC_MODIFIED), (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34));
    assert_eq!((FILE_HEADER_LEN, RECORD_HEADER_LEN), (24, 16));
}

#[test]
fn both_byte_orders_and_all_magics() {
    for big in [false, true] {
        let machine = Machine { big };
        for (magic, nanos, extra) in [(MAGIC_MICROS, 5000, 0), (MAGIC_NANOS, 5, 0), (MAGIC_MODIFIED, 5000, 8)]
        {
            let record = machine.record([3, 5, 2, 100], &vec![0xee; extra]);
            let file = [machine.header(magic, 4, 1), record, vec![7, 8]].concat();
            let kept = read_whole(&file[..]);
            assert_eq!(kept.len(), 1);
            assert_eq!(kept[0].time, Time(3 * NANOS_PER_SECOND + nanos));
            assert_eq!((&kept[0].bytes[..], kept[0].wire_len), (&[7, 8][..], 100));
            assert_eq!(kept[0].link_type, LinkType::ETHERNET);
        }
    }
}

#[test]
fn the_upper_bits_of_the_link_type_are_no_part_of_it() {
    let machine = Machine { big: true };
    let file = [machine.header(MAGIC_MICROS, 4, 0x5400_0001), machine.record([0, 0, 1, 1], &[9])].concat();
    assert_eq!(read_whole(&file[..])[0].link_type, LinkType::ETHERNET);
}

#[test]
fn aix_counts_in_nanoseconds_and_numbers_links_as_snmp_does() {
    let machine = Machine { big: true };
    for (minor, number, link, nanos) in [
        (2, 6, LinkType::ETHERNET, 123),
        (2, 9, LinkType::TOKEN_RING, 123),
        (2, 15, LinkType::FDDI, 123),
        (2, 24, LinkType::NULL, 123),
        (2, 1, LinkType::ETHERNET, 123_000),
        (4, 6, LinkType::TOKEN_RING, 123_000),
    ] {
        let file =
            [machine.header(MAGIC_MICROS, minor, number), machine.record([1, 123, 1, 1], &[9])].concat();
        let kept = read_whole(&file[..]);
        assert_eq!(
            (kept[0].link_type, kept[0].time),
            (link, Time(NANOS_PER_SECOND + nanos)),
            "{minor} {number}"
        );
    }
}

#[test]
fn old_versions_may_have_the_lengths_swapped() {
    let machine = Machine { big: false };
    for (minor, record) in [(3, [0, 0, 60, 2]), (3, [0, 0, 2, 60]), (4, [0, 0, 2, 60])] {
        let file = [machine.header(MAGIC_MICROS, minor, 1), machine.record(record, &[7, 8])].concat();
        let kept = read_whole(&file[..]);
        assert_eq!((&kept[0].bytes[..], kept[0].wire_len), (&[7, 8][..], 60));
    }
}

#[test]
fn a_wire_length_below_what_was_kept_is_raised() {
    let machine = Machine { big: false };
    let file = [machine.header(MAGIC_MICROS, 4, 1), machine.record([0, 0, 2, 1], &[7, 8])].concat();
    assert_eq!(read_whole(&file[..])[0].wire_len, 2);
}

#[test]
fn absurd_lengths_and_versions_are_refused() {
    let machine = Machine { big: false };
    let whole = [machine.header(MAGIC_MICROS, 4, 1), machine.record([0, 0, 1, 1], &[9])].concat();
    for len in [262_145, u32::MAX] {
        let file = [&whole[..], &machine.record([0, 0, len, len], &[0; 64])].concat();
        let (kept, error) = read_all(&file[..]);
        assert_eq!(kept.len(), 1);
        let Some(CaptureError::Damaged { offset: 41, packet: 2, what }) = error else { panic!("{error:?}") };
        assert_eq!(what, format!("it claims {len} bytes, more than any packet has"));
    }
    let mut version = whole;
    version[4] = 7;
    let Some(CaptureError::Unsupported(what)) = read_all(&version[..]).1 else { panic!("no refusal") };
    assert_eq!(what, "pcap version 7.4");
}

#[test]
fn what_does_not_fit_is_not_written() {
    let mut writer = Writer::new(Vec::new(), LinkType::RAW, 0).unwrap();
    let refused = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::InvalidInput;
    assert!(refused(writer.packet(Time(u64::MAX), 1, &[1])));
    assert!(refused(writer.packet(Time(0), 1, &vec![0; MAX_PACKET_LEN + 1])));
    assert!(writer.packet(Time(u64::from(u32::MAX) * NANOS_PER_SECOND), 1, &[1]).is_ok());
    assert_eq!(read_whole(&writer.finish().unwrap()[..]).len(), 1);
}

proptest! {
    #[test]
    fn reading_undoes_writing_here_and_in_the_oracle(
        link_type: u16, snap_len: u32,
        packets in prop::collection::vec(
            (0..u64::from(u32::MAX) * NANOS_PER_SECOND, any::<u16>(), prop::collection::vec(any::<u8>(), 0..100)), 0..20,
        ),
    ) {
        let mut writer = Writer::new(Vec::new(), LinkType(link_type), snap_len).unwrap();
        for (time, more, bytes) in &packets {
            writer.packet(Time(*time), bytes.len() as u32 + u32::from(*more), bytes).unwrap();
        }
        let file = writer.finish().unwrap();
        let kept = read_whole(&file[..]);
        let (_, oracle) = pcap_parser::parse_pcap(&file).unwrap();
        prop_assert_eq!(oracle.header.network.0, i32::from(link_type));
        prop_assert_eq!((kept.len(), oracle.blocks.len()), (packets.len(), packets.len()));
        for ((ours, theirs), (time, more, bytes)) in kept.iter().zip(&oracle.blocks).zip(&packets) {
            prop_assert_eq!((ours.time, &ours.bytes), (Time(*time), bytes));
            prop_assert_eq!(ours.wire_len, bytes.len() as u32 + u32::from(*more));
            prop_assert_eq!(ours.link_type, LinkType(link_type));
            prop_assert_eq!(u64::from(theirs.ts_sec) * NANOS_PER_SECOND + u64::from(theirs.ts_usec), *time);
            prop_assert_eq!((theirs.data, theirs.origlen), (&bytes[..], ours.wire_len));
        }
    }
}
