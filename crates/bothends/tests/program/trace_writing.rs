//! `trace --write`, and what becomes of conversations that have to make room: captures of our own making.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use wire::Time;
use wire::build::TcpPacket;
use wire::capture::Reader;
use wire::link_type::LinkType;
use wire::tcp::{TcpFlags, TcpOptions};

use crate::running::{bothends, has, of_type, records, run, stderr, stdout};

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

/// libpcap 1.10 reads nothing of a capture with two interfaces of RAW.
#[test]
fn what_lab_writes_tcpdump_tshark_and_capinfos_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, is_pcapng) in [("talk.pcapng", true), ("talk.pcap", false), ("talk", true)] {
        let path = folder.path().join(name);
        let file = path.to_str().unwrap();
        let lab = run(&mut bothends(&["lab", "--simulated", "--json", "--write", file]), b"");
        let segments = of_type(&records(&lab), "segment").len();
        let magic = if is_pcapng { [0x0a, 0x0d, 0x0d, 0x0a] } else { [0x4d, 0x3c, 0xb2, 0xa1] };
        assert_eq!(fs::read(&path).unwrap()[..4], magic, "{name}");
        let read = records(&run(&mut bothends(&["trace", "-r", file, "--json"]), b""));
        assert_eq!(of_type(&read, "segment").len(), segments, "{name}");
        assert_eq!(of_type(&read, "segment")[0]["fate"].is_string(), is_pcapng, "{name}");
        for (program, arguments) in [("tcpdump", ["-nr", file].as_slice()), ("tshark", &["-nr", file])] {
            if has(program, "lab --write") {
                let output = run(Command::new(program).args(arguments), b"");
                assert!(output.status.success(), "{program} {name}: {}", stderr(&output));
                assert_eq!(stdout(&output).lines().count(), segments, "{program} {name}");
            }
        }
        if has("capinfos", "lab --write") {
            let output = run(Command::new("capinfos").args(["-E", "-c", "-M", file]), b"");
            let told = stdout(&output);
            assert!(told.contains("rawip") && told.contains(&format!("{segments}\n")), "{name}: {told}");
        }
    }
}

#[test]
fn where_time_runs_backwards_it_is_told_and_nothing_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("back.pcap");
    let [client, server] = ["10.0.0.1:1001", SERVER];
    let (syn, ack) = (TcpFlags::SYN, TcpFlags::ACK);
    let mut writer = wire::pcap::Writer::new(Vec::new(), LinkType::RAW, 0).unwrap();
    let packets = [
        (900, segment(client, server, 0, syn, b"")),
        (400, segment(server, client, 0, syn | ack, b"")),
        (950, segment(client, server, 1, ack, b"x")),
    ];
    for (ms, packet) in &packets {
        writer.packet(Time(ms * 1_000_000), packet.len() as u32, packet).unwrap();
    }
    fs::write(&path, writer.finish().unwrap()).unwrap();
    let file = path.to_str().unwrap();
    let ladder = run(&mut bothends(&["trace", "-r", file, "--ladder"]), b"");
    let (drawn, told) = (stdout(&ladder), stderr(&ladder));
    assert!(drawn.contains("-500.0 ms") && drawn.contains("answered;"), "{drawn}");
    assert!(told.starts_with("time runs backwards at frame 2, by 500 ms"), "{told}");
    let story = stdout(&run(&mut bothends(&["trace", "-r", file, "--story"]), b""));
    assert!(story.contains("server answers, open after 50.0 ms"), "{story}");
    let told = records(&run(&mut bothends(&["trace", "-r", file, "--json"]), b""));
    let times: Vec<f64> =
        of_type(&told, "segment").iter().map(|segment| segment["t_s"].as_f64().unwrap()).collect();
    assert_eq!(times, [0.0, -0.5, 0.05]);
    let flow = &of_type(&told, "flow")[0];
    assert!(flow["rtt_us"].is_null());
    let finding =
        flow["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == "time_backwards");
    assert_eq!(finding.unwrap()["evidence"], serde_json::json!([2]));
    assert_eq!(of_type(&told, "capture")[0]["backwards"], 1);
}

#[test]
fn a_capture_without_conversations_leaves_the_picture_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let [capture, old, new] = ["none.pcap", "old.svg", "new.svg"].map(|name| folder.path().join(name));
    write_capture(&capture, &[]);
    fs::write(&old, "a picture").unwrap();
    for svg in [&old, &new] {
        let arguments = ["trace", "-r", capture.to_str().unwrap(), "--svg", svg.to_str().unwrap()];
        let output = run(&mut bothends(&arguments), b"");
        assert!(stderr(&output).contains("there is no conversation to draw"), "{}", stderr(&output));
    }
    assert_eq!((fs::read_to_string(&old).unwrap().as_str(), new.exists()), ("a picture", false));
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
