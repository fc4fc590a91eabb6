//! `trace --write`, and what becomes of conversations that have to make room: captures of our own making.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use wire::Time;
use wire::build::TcpPacket;
use wire::capture::Reader;
use wire::link_type::LinkType;
use wire::tcp::{TcpFlags, TcpOptions};

use crate::running::{bothends, of_type, records, run, stderr, stdout};

const SERVER: &str = "10.0.0.2:80";

fn segment(from: &str, to: &str, seq: u32, flags: TcpFlags, payload: &[u8]) -> Vec<u8> {
    let [source, destination]: [SocketAddr; 2] = [from, to].map(|end| end.parse().unwrap());
    let (window, options) = (1000, TcpOptions::default());
    TcpPacket { source, destination, seq, ack: 1, flags, window, options, payload }.to_bytes()
}

/// The packet in two pieces.
fn in_pieces(packet: &[u8]) -> [Vec<u8>; 2] {
    let (header, payload) = packet.split_at(20);
    let piece = |offset: usize, more: u8, payload: &[u8]| {
        let mut piece = [header, payload].concat();
        let len = u16::try_from(piece.len()).unwrap();
        piece[2..4].copy_from_slice(&len.to_be_bytes());
        piece[6..8].copy_from_slice(&[more, u8::try_from(offset / 8).unwrap()]);
        piece
    };
    [piece(0, 0x20, &payload[..24]), piece(24, 0, &payload[24..])]
}

fn write_capture(path: &Path, packets: &[Vec<u8>]) {
    let mut writer = wire::pcap::Writer::new(Vec::new(), LinkType::RAW, 0).unwrap();
    for (packet, ms) in packets.iter().zip(0_u64..) {
        writer.packet(Time(ms * 1_000_000), packet.len() as u32, packet).unwrap();
    }
    fs::write(path, writer.finish().unwrap()).unwrap();
}

/// The packets of a capture, each with its comments.
fn read_capture(path: &Path) -> Vec<(Vec<u8>, Vec<String>)> {
    let mut reader = Reader::new(fs::File::open(path).unwrap()).unwrap();
    let mut packets = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        packets.push((frame.bytes.to_vec(), frame.comments.clone().map(str::to_owned).collect()));
    }
    packets
}

/// Two conversations in turn; the second has a repetition, and a segment in pieces.
fn two_conversations() -> Vec<Vec<u8>> {
    let ack = TcpFlags::ACK;
    let [one, other] = ["10.0.0.1:1001", "10.0.0.3:1002"];
    let long = segment(other, SERVER, 4, ack, &[b'x'; 60]);
    let [first, last] = in_pieces(&long);
    vec![
        segment(one, SERVER, 1, ack, b"abc"),
        segment(other, SERVER, 1, ack, b"def"),
        segment(other, SERVER, 1, ack, b"def"),
        first,
        segment(one, SERVER, 4, ack, b"ghi"),
        last,
    ]
}

#[test]
fn chosen_conversations_are_written_with_their_flags_and_with_all_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let (all, some) = (folder.path().join("all.pcap"), folder.path().join("some.pcapng"));
    let packets = two_conversations();
    write_capture(&all, &packets);
    let write = |only: &str, to: &Path| {
        let mut command = bothends(&["trace", "-q", "-r"]);
        command.arg(&all).args(["--only", only, "--write"]).arg(to);
        let output = run(&mut command, b"");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        read_capture(to)
    };
    for only in ["1", "10.0.0.3", ":1002"] {
        let written = write(only, &some);
        let bytes: Vec<&Vec<u8>> = written.iter().map(|(bytes, _)| bytes).collect();
        let expected = [1, 2, 3, 5].map(|place: usize| &packets[place]);
        assert_eq!(bytes, expected, "{only}");
        let comments: Vec<Option<&str>> =
            written.iter().map(|(_, comments)| comments.first().map(String::as_str)).collect();
        assert_eq!(comments, [None, Some("analysis: retransmission"), None, None], "{only}");
    }
    let other = write("0", &folder.path().join("other.pcap"));
    assert_eq!(other.iter().map(|(bytes, _)| bytes).collect::<Vec<_>>(), [&packets[0], &packets[4]]);
    assert!(other.iter().all(|(_, comments)| comments.is_empty()), "pcap has none");
}

#[test]
fn everything_is_written_where_nothing_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let (all, copy) = (folder.path().join("all.pcap"), folder.path().join("copy.pcapng"));
    let packets = [two_conversations(), vec![b"no packet at all".to_vec()]].concat();
    write_capture(&all, &packets);
    let mut command = bothends(&["trace", "-q", "-r"]);
    command.arg(&all).arg("-w").arg(&copy);
    assert_eq!(run(&mut command, b"").status.code(), Some(0));
    let copied: Vec<Vec<u8>> = read_capture(&copy).into_iter().map(|(bytes, _)| bytes).collect();
    assert_eq!(copied, packets);
}

/// One more conversation than any view follows at once, in order of their ports and addresses.
fn too_many() -> Vec<Vec<u8>> {
    let host =
        |number: u32| format!("10.1.{}.{}:{}", number / 250 % 250, number % 250, 1000 + number / 62_500);
    (0..40_001).map(|number| segment(&host(number), SERVER, 1, TcpFlags::ACK, b"hello")).collect()
}

#[test]
fn a_conversation_that_has_to_make_room_is_shown_then_by_every_view() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("many.pcap");
    write_capture(&file, &too_many());
    let trace = |arguments: &[&str]| {
        let mut command = bothends(&["trace", "--only", "0", "-r"]);
        command.arg(&file).args(arguments);
        let output = run(&mut command, b"");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("had to make room"), "{arguments:?}: {}", stderr(&output));
        output
    };
    for view in ["--list", "--ladder", "--story", "--state-diagram", "--streams"] {
        assert!(stdout(&trace(&[view])).contains("10.1.0.0:1000"), "{view}");
    }
    for arguments in [&["--json"][..], &["--json", "--streams"]] {
        let flows = of_type(&records(&trace(arguments)), "flow");
        assert_eq!(flows.iter().map(|flow| flow["stream"].as_u64()).collect::<Vec<_>>(), [Some(0)]);
    }
    let mut command = bothends(&["trace", "--ladder", "--only", "40001", "-r"]);
    let output = run(command.arg(&file), b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("they are numbered from 0 to 40000"), "{}", stderr(&output));
}
