//! What holds for both formats, and what hostile files get.

use super::*;
use crate::build::TcpPacket;
use crate::packet::Transport;
use crate::tcp::{TcpFlags, TcpOptions};
use proptest::prelude::*;
use std::io;

/// A frame that outlives its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) time: Time,
    pub(crate) link_type: LinkType,
    pub(crate) interface: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) wire_len: u32,
    pub(crate) comment: Option<String>,
    pub(crate) passage: Option<Passage>,
}

/// Everything that can be read, and how it ended.
pub(crate) fn read_all(source: impl Read) -> (Vec<Kept>, Option<CaptureError>) {
    let mut kept = Vec::new();
    let mut reader = match Reader::new(source) {
        Ok(reader) => reader,
        Err(error) => return (kept, Some(error)),
    };
    loop {
        match reader.next() {
            Ok(Some(frame)) => {
                kept.push(Kept {
                    time: frame.time,
                    link_type: frame.link_type,
                    interface: frame.interface,
                    bytes: frame.bytes.to_vec(),
                    wire_len: frame.wire_len,
                    comment: frame.comment().map(str::to_owned),
                    passage: frame.passage.clone(),
                });
                assert_eq!(frame.number, kept.len() as u64);
                let _ = frame.dissect();
            }
            Ok(None) => return (kept, None),
            Err(error) => {
                assert!(matches!(reader.next(), Ok(None)), "nothing follows an error");
                return (kept, Some(error));
            }
        }
    }
}

pub(crate) fn read_whole(source: impl Read) -> Vec<Kept> {
    let (kept, error) = read_all(source);
    assert!(error.is_none(), "{error:?}");
    kept
}

/// Hands out a few bytes at a time, with interruptions, as a slow pipe does.
struct Dribble<'a> {
    bytes: &'a [u8],
    piece: usize,
    interrupted: bool,
}

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = self.piece.min(buffer.len());
        self.bytes.read(&mut buffer[..count])
    }
}

fn segment(payload: &[u8]) -> Vec<u8> {
    TcpPacket {
        source: "10.0.0.1:40712".parse().unwrap(),
        destination: "10.0.0.2:7".parse().unwrap(),
        seq: 1,
        ack: 1,
        flags: TcpFlags::ACK,
        window: 1,
        options: TcpOptions::default(),
        payload,
    }
    .to_bytes()
}

fn pcap_sample() -> Vec<u8> {
    let mut writer = pcap::Writer::new(Vec::new(), LinkType::RAW, 65_535).unwrap();
    for payload in [&b"one"[..], b"two", b"three"] {
        let bytes = segment(payload);
        writer.packet(Time(1_000_000_007), bytes.len() as u32, &bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn pcapng_sample() -> Vec<u8> {
    let interfaces = ["client", "server"].map(|name| Interface::new(name, LinkType::RAW));
    let mut writer = pcapng::Writer::new(Vec::new(), &interfaces).unwrap();
    let comments = [None, Some("lab: lost (loss 20%)"), Some("lab: delivered after 0.000031000 s")];
    for (payload, comment) in [&b"one"[..], b"two", b"three"].into_iter().zip(comments) {
        let bytes = segment(payload);
        writer.packet(1, Time(1_000_000_007), bytes.len() as u32, &bytes, comment).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn either_format_is_recognised_and_its_frames_dissect() {
    for (bytes, format) in [(pcap_sample(), Format::Pcap), (pcapng_sample(), Format::Pcapng)] {
        let mut reader = Reader::new(&bytes[..]).unwrap();
        assert_eq!(reader.format(), format);
        let mut payloads = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            let Transport::Tcp(segment) = frame.dissect().unwrap().transport else { panic!("{frame:?}") };
            payloads.push(segment.payload.to_vec());
        }
        assert_eq!(payloads, [&b"one"[..], b"two", b"three"]);
        assert_eq!(reader.packets(), 3);
    }
}

#[test]
fn a_slow_pipe_gives_the_same_frames() {
    for bytes in [pcap_sample(), pcapng_sample()] {
        let whole = read_whole(&bytes[..]);
        for piece in 1..9 {
            assert_eq!(read_whole(Dribble { bytes: &bytes, piece, interrupted: false }), whole);
        }
    }
}

#[test]
fn a_frame_is_handed_out_before_the_next_is_there() {
    /// Gives its bytes and then would wait for ever.
    struct Open<'a>(&'a [u8]);
    impl Read for Open<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer) {
                Ok(0) => panic!("read beyond what was asked for"),
                other => other,
            }
        }
    }
    for bytes in [pcap_sample(), pcapng_sample()] {
        let mut reader = Reader::new(Open(&bytes)).unwrap();
        for number in 1..=3 {
            assert_eq!(reader.next().unwrap().unwrap().number, number);
        }
    }
}

#[test]
fn a_cut_at_every_offset_keeps_all_that_is_whole() {
    for bytes in [pcap_sample(), pcapng_sample()] {
        let whole = read_whole(&bytes[..]);
        let mut clean_ends = 0;
        for len in 0..bytes.len() {
            let (kept, error) = read_all(&bytes[..len]);
            assert_eq!(kept, whole[..kept.len()]);
            match error {
                None => clean_ends += 1,
                Some(CaptureError::Empty) => assert_eq!(len, 0),
                Some(CaptureError::NotACapture { .. }) => assert!(len < 4),
                Some(CaptureError::Cut { offset, packets }) => {
                    assert!(offset < len as u64 && packets == kept.len() as u64, "{len} {offset}");
                }
                other => panic!("{len}: {other:?}"),
            }
        }
        // Between two records, and not in any other place.
        assert!((3..=5).contains(&clean_ends), "{clean_ends}");
    }
}

#[test]
fn every_flipped_bit_is_survived() {
    for bytes in [pcap_sample(), pcapng_sample()] {
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (kept, _) = read_all(&flipped[..]);
            assert!(kept.len() <= 4);
        }
    }
}

/// Counts what is read of an endless source.
struct Counted<R>(R, u64);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1 += count as u64;
        Ok(count)
    }
}

#[test]
fn a_gigabyte_of_zeros_is_refused_at_once() {
    let mut zeros = Counted(io::repeat(0).take(1 << 30), 0);
    let (kept, error) = read_all(&mut zeros);
    assert!(kept.is_empty() && matches!(error, Some(CaptureError::NotACapture { .. })));
    assert!(zeros.1 <= 1 << 20);
    let header = &pcapng_sample()[..];
    let mut zeros = Counted(header.chain(io::repeat(0).take(1 << 30)), 0);
    let (kept, error) = read_all(&mut zeros);
    assert_eq!(kept.len(), 3);
    let Some(CaptureError::Damaged { offset, packet: 4, .. }) = error else { panic!("{error:?}") };
    assert_eq!(offset, header.len() as u64);
    assert!(zeros.1 <= 1 << 20);
}

#[test]
fn nothing_and_other_things_are_told_apart() {
    let error = |bytes: &[u8]| read_all(bytes).1.unwrap();
    assert!(matches!(error(b""), CaptureError::Empty));
    assert!(matches!(error(b"\xa1\xb2"), CaptureError::NotACapture { first } if first == b"\xa1\xb2"));
    assert!(
        matches!(error(b"GET / HTTP/1.1\r\n\r\n"), CaptureError::NotACapture { first } if first.len() == 16)
    );
    let text = b"\n\r\r\n is how this text begins";
    assert!(matches!(error(text), CaptureError::NotACapture { .. }));
}

#[test]
fn a_source_that_fails_is_told() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
    assert!(matches!(read_all(Broken).1, Some(CaptureError::Io(_))));
    let bytes = pcap_sample();
    let (kept, error) = read_all((&bytes[..bytes.len() - 1]).chain(Broken));
    assert!(kept.len() == 2 && matches!(error, Some(CaptureError::Io(_))));
}

#[test]
fn the_window_moves_over_many_chunks() {
    let mut writer = pcap::Writer::new(Vec::new(), LinkType::RAW, 0).unwrap();
    let lens: Vec<usize> = (0..400).map(|i| (i * 7919) % 4000).chain([MAX_PACKET_LEN, 0, 1]).collect();
    for (i, len) in lens.iter().enumerate() {
        writer.packet(Time(i as u64), 1 << 20, &vec![i as u8; *len]).unwrap();
    }
    let bytes = writer.finish().unwrap();
    assert!(bytes.len() > 3 * 256 * 1024);
    let kept = read_whole(&bytes[..]);
    assert_eq!(kept.len(), lens.len());
    for (i, frame) in kept.iter().enumerate() {
        assert!(frame.bytes.len() == lens[i] && frame.bytes.iter().all(|byte| *byte == i as u8), "{i}");
    }
}

proptest! {
    #[test]
    fn random_bytes_are_survived(
        start in prop::sample::select(vec![0_usize, 4, 12, 24, 64]), pcapng: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let sample = if pcapng { pcapng_sample() } else { pcap_sample() };
        let (kept, _) = read_all(&[&sample[..start], &bytes].concat()[..]);
        prop_assert!(kept.len() <= bytes.len() / 12 + 1);
    }

    #[test]
    fn damaged_files_are_survived(
        pcapng: bool, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut sample = if pcapng { pcapng_sample() } else { pcap_sample() };
        for (at, byte) in damage {
            let at = at.index(sample.len());
            sample[at] = byte;
        }
        read_all(&sample[..]);
    }
}
