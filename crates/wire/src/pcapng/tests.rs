use super::*;
use crate::capture::tests::{Kept, read_all, read_whole};
use crate::capture::{CaptureError, MAX_BLOCK_LEN, Reader};
use crate::link_type::LinkType;
use crate::{Fate, Passage, Time};
use pcap_parser::Block;
use pcap_parser::traits::PcapNGPacketBlock;
use proptest::prelude::*;
use std::io::{self, Read};

/// Blocks as a machine of either byte order writes them.
#[derive(Clone, Copy)]
struct Machine {
    big: bool,
}

const LITTLE: Machine = Machine { big: false };
const BIG: Machine = Machine { big: true };

impl Machine {
    fn word(self, word: u32) -> Vec<u8> {
        if self.big { word.to_be_bytes() } else { word.to_le_bytes() }.to_vec()
    }

    fn half(self, half: u16) -> Vec<u8> {
        if self.big { half.to_be_bytes() } else { half.to_le_bytes() }.to_vec()
    }

    fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| self.word(*word)).collect()
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let len = self.word((body.len() + padding(body.len()) + 12) as u32);
        [&self.word(kind)[..], &len, body, &vec![0; padding(body.len())], &len].concat()
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        [&self.half(code)[..], &self.half(value.len() as u16), value, &vec![0; padding(value.len())]].concat()
    }

    fn section(self) -> Vec<u8> {
        let version = [self.half(1), self.half(0)].concat();
        self.block(0x0A0D_0D0A, &[&self.word(0x1A2B_3C4D)[..], &version, &[0xff; 8]].concat())
    }

    fn interface(self, link_type: u16, snap_len: u32, options: &[Vec<u8>]) -> Vec<u8> {
        let fixed = [self.half(link_type), vec![0, 0], self.word(snap_len)].concat();
        self.block(1, &[fixed, options.concat()].concat())
    }

    fn packet(self, interface: u32, ticks: u64, wire_len: u32, bytes: &[u8], options: &[Vec<u8>]) -> Vec<u8> {
        let fixed = [interface, (ticks >> 32) as u32, ticks as u32, bytes.len() as u32, wire_len];
        self.block(
            6,
            &[&self.words(&fixed), bytes, &vec![0; padding(bytes.len())], &options.concat()].concat(),
        )
    }
}

fn one(file: &[Vec<u8>]) -> Kept {
    let mut kept = read_whole(&file.concat()[..]);
    assert_eq!(kept.len(), 1);
    kept.remove(0)
}

fn damage(file: &[Vec<u8>]) -> String {
    match read_all(&file.concat()[..]).1 {
        Some(CaptureError::Damaged { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_are_those_of_the_draft() {
    let blocks =
        [SECTION_HEADER, INTERFACE_DESCRIPTION, PACKET, SIMPLE_PACKET, INTERFACE_STATISTICS, ENHANCED_PACKET];
    assert_eq!(blocks, [0x0A0D_0D0A, 1, 2, 3, 5, 6]);
    assert_eq!(BYTE_ORDER_MAGIC, 0x1A2B_3C4D);
    assert_eq!((option::END, option::COMMENT, option::SHB_USERAPPL), (0, 1, 4));
    assert_eq!((option::IF_NAME, option::IF_SPEED, option::IF_TSRESOL, option::IF_TSOFFSET), (2, 8, 9, 14));
    assert_eq!((option::ISB_IFDROP, option::ISB_OSDROP), (5, 7));
}

#[test]
fn both_byte_orders_in_one_file() {
    let file = [
        LITTLE.section(),
        LITTLE.interface(1, 0, &[LITTLE.option(2, b"eth0")]),
        LITTLE.packet(0, 5, 100, &[1, 2, 3], &[]),
        BIG.section(),
        BIG.interface(101, 0, &[BIG.option(2, b"tun0"), BIG.option(9, &[9]), BIG.option(0, &[])]),
        BIG.interface(228, 0, &[]),
        BIG.packet(1, 7 << 32, 4, &[4, 5, 6, 7], &[]),
        BIG.packet(0, 7, 1, &[8], &[]),
    ]
    .concat();
    let mut reader = Reader::new(&file[..]).unwrap();
    let mut seen = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        seen.push((frame.interface, frame.link_type.0, frame.time.0, frame.wire_len, frame.bytes.to_vec()));
    }
    let expected = [
        (0, 1, 5000, 100, vec![1, 2, 3]),
        (2, 228, (7 << 32) * 1000, 4, vec![4, 5, 6, 7]),
        (1, 101, 7, 1, vec![8]),
    ];
    assert_eq!(seen, expected);
    let names: Vec<&str> = reader.interfaces().iter().map(|interface| &interface.name[..]).collect();
    assert_eq!(names, ["eth0", "tun0", ""]);
}

#[test]
fn resolution_and_offset_of_the_clock() {
    for (tsresol, offset, ticks, nanos) in
        [(6, 0, 1, 1000), (3, 2, 1, 2_001_000_000), (0x8a, -1, 1536, 500_000_000), (9, -5, 1, 0)]
    {
        let offset = i64::to_be_bytes(offset);
        let options = [BIG.option(9, &[tsresol]), BIG.option(14, &offset)];
        let kept = one(&[BIG.section(), BIG.interface(1, 0, &options), BIG.packet(0, ticks, 1, &[1], &[])]);
        assert_eq!(kept.time, Time(nanos), "{tsresol:x}");
    }
}

#[test]
fn simple_and_old_packets() {
    for machine in [LITTLE, BIG] {
        let start = [machine.section(), machine.interface(1, 4, &[])].concat();
        let simple = machine.block(3, &[&machine.word(100)[..], &[1, 2, 3, 4]].concat());
        let kept = one(&[start.clone(), simple]);
        assert_eq!((kept.time, kept.wire_len, &kept.bytes[..]), (Time::ZERO, 100, &[1, 2, 3, 4][..]));
        let simple = machine.block(3, &[&machine.word(3)[..], &[1, 2, 3]].concat());
        assert_eq!(one(&[start.clone(), simple]).bytes, [1, 2, 3]);
        let fixed = [machine.half(0), machine.half(9), machine.words(&[0, 5, 3, 60])].concat();
        let comment = machine.option(1, b"old");
        let old = machine.block(2, &[&fixed[..], &[1, 2, 3, 0], &comment].concat());
        let kept = one(&[start, old]);
        assert_eq!((kept.time, kept.wire_len, &kept.bytes[..]), (Time(5000), 60, &[1, 2, 3][..]));
        assert_eq!(kept.comment.as_deref(), Some("old"));
    }
}

#[test]
fn comments_may_repeat_and_one_may_tell_a_passage() {
    let comments = [&b"\xff not UTF-8"[..], b"seen by hand", b"lab: lost (loss 20%)", b"another"];
    let options: Vec<Vec<u8>> = comments.iter().map(|text| LITTLE.option(1, text)).collect();
    let packet = LITTLE.packet(0, 5, 1, &[1], &[&options[..], &[LITTLE.option(0, &[])]].concat());
    let kept = one(&[LITTLE.section(), LITTLE.interface(1, 0, &[]), packet]);
    assert_eq!(kept.comment.as_deref(), Some("seen by hand"));
    let lost = Passage { fate: Fate::Lost, rule: Some("loss 20%".into()), arrived: None, segments: 1 };
    assert_eq!(kept.passage, Some(lost));
}

#[test]
fn every_block_of_the_draft_is_read_or_skipped() {
    for machine in [LITTLE, BIG] {
        let speed =
            if machine.big { 1_000_000_000_u64.to_be_bytes() } else { 1_000_000_000_u64.to_le_bytes() };
        let names = [machine.half(1), machine.half(5), vec![10, 0, 0, 1, b'a', 0, 0, 0, 0, 0, 0, 0]].concat();
        let file = [
            machine.section(),
            machine.interface(113, 0, &[machine.option(2, b"any"), machine.option(8, &speed)]),
            machine.block(4, &names),                             // name resolution
            machine.block(10, &machine.words(&[0x544c_534b, 0])), // decryption secrets
            machine.block(9, &machine.words(&[1, 1])),            // systemd journal and its likes
            machine.block(0xbad, &machine.word(32473)),           // custom, may be copied
            machine.block(0x4000_0bad, &machine.word(32473)),     // custom, may not
            machine.packet(0, 5, 1, &[1], &[]),
            machine.block(5, &machine.words(&[0, 0, 0])), // statistics that say nothing
            machine.block(0x8000_0001, &[7; 5]),          // private
            machine.section(),                            // forgets the interfaces
            machine.interface(276, 0, &[]),
            machine.packet(0, 6, 1, &[2], &[]),
        ]
        .concat();
        let mut reader = Reader::new(&file[..]).unwrap();
        let mut seen = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            seen.push((frame.interface, frame.link_type.0, frame.bytes.to_vec()));
        }
        assert_eq!(seen, [(0, 113, vec![1]), (1, 276, vec![2])]);
        let first = Interface { speed: Some(1_000_000_000), ..Interface::new("any", LinkType::LINUX_SLL) };
        assert_eq!(reader.interfaces(), [first, Interface::new("", LinkType::LINUX_SLL2)]);
    }
}

#[test]
fn a_frame_lends_all_its_comments() {
    let options: Vec<Vec<u8>> =
        [&b"one"[..], b"\xff", b"two"].iter().map(|text| BIG.option(1, text)).collect();
    let other = BIG.option(2, &[0; 4]); // flags
    let packet = BIG.packet(0, 5, 1, &[1], &[&[other][..], &options].concat());
    let file = [BIG.section(), BIG.interface(1, 0, &[]), packet].concat();
    let mut reader = Reader::new(&file[..]).unwrap();
    let frame = reader.next().unwrap().unwrap();
    assert_eq!(frame.comments.clone().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(frame.comment(), Some("one"));
}

#[test]
fn damaged_options_do_not_cost_the_packet_but_a_clock_must_be_right() {
    let start = [LITTLE.section(), LITTLE.interface(1, 0, &[])].concat();
    let bad = [LITTLE.option(1, b"first"), vec![1, 0, 200, 0]];
    let kept = one(&[start, LITTLE.packet(0, 5, 1, &[1], &bad)]);
    assert_eq!((&kept.bytes[..], kept.comment.as_deref()), (&[1][..], Some("first")));
    for (options, what) in [
        (vec![9, 0, 200, 0], "an option is longer than its block"),
        (LITTLE.option(9, &[]), "an if_tsresol that is not 1 byte"),
        (LITTLE.option(14, &[0; 4]), "an if_tsoffset that is not 8 bytes"),
    ] {
        assert_eq!(damage(&[LITTLE.section(), LITTLE.interface(1, 0, &[options])]), what);
    }
}

#[test]
fn other_blocks_are_skipped_however_long() {
    let start = [LITTLE.section(), LITTLE.block(0x0BAD, &[7; 9]), LITTLE.interface(1, 0, &[])].concat();
    let long = LITTLE.block(10, &vec![9; MAX_BLOCK_LEN + 700_000]);
    let kept = one(&[start, long, LITTLE.packet(0, 5, 1, &[1], &[]), LITTLE.block(4, &[])]);
    assert_eq!(kept.bytes, [1]);
}

#[test]
fn what_the_capture_lost_is_added_up() {
    let statistics = |machine: Machine, interface: u32, dropped: u8| {
        let count =
            if machine.big { u64::from(dropped).to_be_bytes() } else { u64::from(dropped).to_le_bytes() };
        let options = [machine.option(4, &[0; 8]), machine.option(5, &count), machine.option(7, &count)];
        machine.block(5, &[machine.words(&[interface, 0, 0]), options.concat()].concat())
    };
    let start = [LITTLE.section(), LITTLE.interface(1, 0, &[])].concat();
    let read = |file: &[u8]| {
        let mut reader = Reader::new(file).unwrap();
        while reader.next().unwrap().is_some() {}
        reader.lost_by_capture()
    };
    assert_eq!(read(&start), None);
    let file = [start.clone(), statistics(LITTLE, 0, 1), statistics(LITTLE, 0, 3), statistics(LITTLE, 9, 50)];
    assert_eq!(read(&file.concat()), Some(6));
    let more = [file.concat(), BIG.section(), BIG.interface(1, 0, &[]), statistics(BIG, 0, 2)];
    assert_eq!(read(&more.concat()), Some(10));
}

#[test]
fn damage_is_told_with_its_place() {
    let start = [LITTLE.section(), LITTLE.interface(1, 0, &[]), LITTLE.packet(0, 5, 1, &[1], &[])].concat();
    let told = |block: Vec<u8>| {
        let (kept, error) = read_all(&[&start[..], &block].concat()[..]);
        assert_eq!(kept.len(), 1);
        let Some(CaptureError::Damaged { offset, packet: 2, what }) = error else { panic!("{error:?}") };
        assert_eq!(offset, start.len() as u64);
        what
    };
    let with_len = |len: u32| [LITTLE.words(&[6, len]), vec![0; 64]].concat();
    assert_eq!(told(with_len(8)), "a block cannot be 8 bytes long");
    assert_eq!(told(with_len(30)), "a block cannot be 30 bytes long");
    assert_eq!(told(with_len(0x7fff_fffc)), "it claims 2147483644 bytes, more than any sane block has");
    assert_eq!(told(with_len(32)), "its length is 32 at its start and 0 at its end");
    assert_eq!(
        told(LITTLE.block(0x99, &[]).split_last().unwrap().1.iter().copied().chain([1]).collect()),
        "its length is 12 at its start and 16777228 at its end"
    );
    assert_eq!(told(LITTLE.block(6, &[0; 16])), "the block is too short for its kind");
    assert_eq!(
        told(LITTLE.packet(3, 0, 1, &[1], &[])),
        "it names interface 3, but its section has described 1"
    );
    let short = LITTLE.block(6, &[LITTLE.words(&[0, 0, 0, 9, 9]), vec![0; 8]].concat());
    assert_eq!(told(short), "the packet claims 9 bytes, but its block has 8");
    let huge = LITTLE.block(6, &LITTLE.words(&[0, 0, 0, 262_145, 9]));
    assert_eq!(told(huge), "the packet claims 262145 bytes, more than any packet has");
    let simple = LITTLE.block(3, &[LITTLE.word(9), vec![0; 8]].concat());
    assert_eq!(told(simple), "the packet claims 9 bytes, but its block has 8");
    assert_eq!(told(LITTLE.block(0x0A0D_0D0A, &[0; 16])), "a section header without the byte-order magic");
    assert_eq!(told(LITTLE.block(1, &[0; 4])), "the block is too short for its kind");
}

#[test]
fn interfaces_are_bounded() {
    let endless = [LITTLE.section(), LITTLE.interface(1, 0, &[]).repeat(65_537)];
    assert_eq!(damage(&endless), "more than 65536 interfaces");
}

#[test]
fn a_later_version_is_refused() {
    let mut section = BIG.section();
    section[13] = 2;
    let Some(CaptureError::Unsupported(what)) = read_all(&section[..]).1 else { panic!("no refusal") };
    assert_eq!(what, "pcapng version 2.0");
}

#[test]
fn a_skipped_block_that_never_ends_does_not_fill_memory() {
    let start = [LITTLE.section(), LITTLE.words(&[0x99, 0xffff_fffc])].concat();
    let (kept, error) = read_all((&start[..]).chain(io::repeat(0).take(64 << 20)));
    assert!(kept.is_empty() && matches!(error, Some(CaptureError::Cut { packets: 0, .. })));
}

#[test]
fn interfaces_may_be_announced_between_packets() {
    let mut writer =
        Writer::with_snap_len(Vec::new(), &[Interface::new("a", LinkType::ETHERNET)], 96).unwrap();
    writer.packet(0, Time(1), 1, &[1], None).unwrap();
    let fast = Interface { speed: Some(40_000_000_000), ..Interface::new("b", LinkType::LINUX_SLL2) };
    assert_eq!(writer.interface(&fast).unwrap(), 1);
    writer
        .packet_with_comments(1, Time(1_700_000_000_123_456_789), 9, &[2, 3], ["first", "second, §"])
        .unwrap();
    let file = writer.finish().unwrap();
    let mut reader = Reader::new(&file[..]).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().link_type, LinkType::ETHERNET);
    let second = reader.next().unwrap().unwrap();
    assert_eq!(second.comments.clone().collect::<Vec<_>>(), ["first", "second, §"]);
    assert_eq!(second.time, Time(1_700_000_000_123_456_789));
    assert_eq!(reader.interfaces(), [Interface::new("a", LinkType::ETHERNET), fast]);
    let (_, oracle) = pcap_parser::parse_pcapng(&file).unwrap();
    let blocks = &oracle.sections[0].blocks;
    let [Block::SectionHeader(_), Block::InterfaceDescription(a), Block::EnhancedPacket(_), rest @ ..] =
        &blocks[..]
    else {
        panic!("{blocks:?}")
    };
    let [Block::InterfaceDescription(b), Block::EnhancedPacket(packet)] = rest else { panic!("{rest:?}") };
    assert_eq!((a.linktype.0, a.snaplen, b.linktype.0, b.snaplen), (1, 96, 276, 96));
    assert_eq!((a.if_tsresol, b.if_tsresol), (9, 9));
    let comments: Vec<&[u8]> = packet
        .options
        .iter()
        .filter(|option| option.code.0 == 1)
        .map(pcap_parser::PcapNGOption::value)
        .collect::<Vec<_>>();
    assert!(comments[0].starts_with(b"first") && comments[1].starts_with("second, §".as_bytes()));
}

#[test]
fn what_does_not_fit_is_not_written() {
    let interface = Interface::new("client", LinkType::RAW);
    let mut writer = Writer::new(Vec::new(), &[interface]).unwrap();
    let refused = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::InvalidInput;
    assert!(refused(writer.packet(1, Time(0), 1, &[1], None)));
    assert!(refused(writer.packet(0, Time(0), 1, &vec![0; 262_145], None)));
    assert!(refused(writer.packet(0, Time(0), 1, &[1], Some(&"x".repeat(65_536)))));
    let long = "x".repeat(65_535);
    assert!(refused(writer.packet_with_comments(0, Time(0), 1, &[1], [&long[..]; 20])));
    writer.packet(0, Time(0), 1, &[1], Some(&long)).unwrap();
    assert_eq!(read_whole(&writer.finish().unwrap()[..]).len(), 1);
}

#[test]
fn equal_packets_give_equal_files_to_the_byte() {
    let interface = Interface::new("a", LinkType::RAW);
    let mut writer = Writer::with_snap_len(Vec::new(), &[interface], 128).unwrap();
    writer.packet(0, Time(0x0102_0304_0506_0708), 5, &[0xaa], Some("hi")).unwrap();
    let program = concat!("bothends ", env!("CARGO_PKG_VERSION"));
    let section = [&0x1A2B_3C4D_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let expected = [
        LITTLE.block(
            0x0A0D_0D0A,
            &[section, LITTLE.option(4, program.as_bytes()), LITTLE.option(0, &[])].concat(),
        ),
        LITTLE.interface(101, 128, &[LITTLE.option(2, b"a"), LITTLE.option(9, &[9]), LITTLE.option(0, &[])]),
        LITTLE.packet(
            0,
            0x0102_0304_0506_0708,
            5,
            &[0xaa],
            &[LITTLE.option(1, b"hi"), LITTLE.option(0, &[])],
        ),
    ];
    assert_eq!(writer.finish().unwrap(), expected.concat());
}

/// Both parts of a comment's life: any text, or a passage.
fn comments() -> impl Strategy<Value = Option<String>> {
    prop_oneof![Just(None), any::<String>().prop_map(Some), Just(Some("lab: lost (loss 20%)".into()))]
}

proptest! {
    #[test]
    fn reading_undoes_writing_here_and_in_the_oracle(
        interfaces in prop::collection::vec(("[a-z]{0,9}", any::<u16>()), 1..4), snap_len: u32,
        packets in prop::collection::vec(
            (any::<u8>(), any::<u64>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..100), comments()), 0..20,
        ),
    ) {
        let interfaces: Vec<Interface> = interfaces
            .into_iter()
            .map(|(name, number)| Interface::new(name, LinkType(number)))
            .collect();
        let mut writer = Writer::with_snap_len(Vec::new(), &interfaces, snap_len).unwrap();
        let mut expected = Vec::new();
        for (interface, time, more, bytes, comment) in packets {
            let (interface, time) = (u32::from(interface) % interfaces.len() as u32, Time(time));
            let wire_len = bytes.len() as u32 + u32::from(more);
            writer.packet(interface, time, wire_len, &bytes, comment.as_deref()).unwrap();
            let link_type = interfaces[interface as usize].link_type;
            let passage = comment.as_deref().and_then(|comment| Passage::from_comment(comment, time));
            expected.push(Kept { time, link_type, interface, bytes, wire_len, comment, passage });
        }
        let file = writer.finish().unwrap();
        prop_assert_eq!(&read_whole(&file[..]), &expected);
        let (_, oracle) = pcap_parser::parse_pcapng(&file).unwrap();
        let theirs: Vec<_> = oracle.sections.iter().flat_map(|section| &section.blocks).filter_map(|block| match block {
            Block::EnhancedPacket(packet) => Some(packet),
            _ => None,
        }).collect();
        prop_assert_eq!(theirs.len(), expected.len());
        for (theirs, ours) in theirs.into_iter().zip(&expected) {
            prop_assert_eq!(theirs.packet_data(), &ours.bytes[..]);
            prop_assert_eq!((theirs.if_id, theirs.origlen), (ours.interface, ours.wire_len));
            prop_assert_eq!(u64::from(theirs.ts_high) << 32 | u64::from(theirs.ts_low), ours.time.0);
        }
    }

    #[test]
    fn random_blocks_are_survived(
        big: bool, blocks in prop::collection::vec((0_u32..8, prop::collection::vec(0_u8..12, 0..60)), 0..20),
    ) {
        let machine = Machine { big };
        let blocks: Vec<Vec<u8>> = blocks.iter().map(|(kind, body)| machine.block(*kind, body)).collect();
        read_all(&[machine.section(), machine.interface(1, 0, &[]), blocks.concat()].concat()[..]);
    }
}
