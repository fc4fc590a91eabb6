//! Captures of our own making, as the views of `trace` show them: several conversations, one of a socket with itself, and an
//! attempt that only an ICMP error tells of.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use wire::Time;
use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::tcp::{TcpFlags, TcpOptions};

use crate::running::{PATIENCE, bothends, lines, of_type, records, run, stdout, wait};

const CLIENT: &str = "10.0.0.1:40712";
const SERVER: &str = "10.0.0.2:7";
const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags::FIN;

fn segment([from, to]: [&str; 2], flags: TcpFlags, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let [source, destination] = [from, to].map(|end| end.parse().unwrap());
    let options = TcpOptions::default();
    TcpPacket { source, destination, seq, ack, flags, window: 1000, options, payload }.to_bytes()
}

/// Opened and reset by the client.
fn short(ends: [&str; 2]) -> [Vec<u8>; 4] {
    let back = [ends[1], ends[0]];
    [
        segment(ends, SYN, 0, 0, b""),
        segment(back, SYN | ACK, 0, 1, b""),
        segment(ends, ACK, 1, 1, b"hi"),
        segment(ends, TcpFlags::RST, 3, 0, b""),
    ]
}

/// What Linux sends when a socket connects to its own address, says 4 bytes and closes.
fn to_itself() -> [Vec<u8>; 7] {
    let ends = [CLIENT; 2];
    [
        segment(ends, SYN, 0, 0, b""),
        segment(ends, SYN | ACK, 0, 1, b""),
        segment(ends, ACK, 1, 1, b""),
        segment(ends, ACK, 1, 1, b"self"),
        segment(ends, ACK, 5, 5, b""),
        segment(ends, FIN | ACK, 5, 5, b""),
        segment(ends, ACK, 6, 6, b""),
    ]
}

/// The client's host tells it that the server's is unreachable.
fn unreachable() -> Vec<u8> {
    let about = segment([CLIENT, SERVER], SYN, 0, 0, b"");
    let mut packet = segment([CLIENT; 2], ACK, 0, 0, b"")[..20].to_vec();
    packet[9] = wire::icmp::PROTOCOL_V4;
    packet.extend([3, 1, 0, 0, 0, 0, 0, 0]);
    packet.extend(about);
    let len = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    packet
}

/// Writes packets, each at its time in µs.
fn write(path: &Path, packets: &[(u64, Vec<u8>)]) {
    let mut writer = wire::pcap::Writer::new(Vec::new(), LinkType::RAW, 0).unwrap();
    for (micros, packet) in packets {
        let len = u32::try_from(packet.len()).unwrap();
        writer.packet(Time(1_700_000_000_000_000_000 + micros * 1_000), len, packet).unwrap();
    }
    fs::write(path, writer.finish().unwrap()).unwrap();
}

/// What `trace` says of these packets.
fn told(packets: &[(u64, Vec<u8>)], arguments: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcap");
    write(&path, packets);
    run(&mut bothends(&[&["trace", "-r", path.to_str().unwrap()], arguments].concat()), b"")
}

fn from(micros: u64, packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<(u64, Vec<u8>)> {
    (0..).zip(packets).map(|(number, packet)| (micros + 15 * number, packet)).collect()
}

#[test]
fn of_several_ladders_each_has_its_number_and_the_times_of_the_capture() {
    let packets =
        [from(0, short([CLIENT, SERVER])), from(12_574_732, short(["10.0.0.3:1000", SERVER]))].concat();
    let drawn = stdout(&told(&packets, &["--ladder"]));
    let heads: Vec<&str> = drawn.lines().filter(|line| line.starts_with("conversation")).collect();
    assert_eq!(heads, ["conversation 0", "conversation 1"]);
    assert!(drawn.contains("  0.015 ms  ESTABLISHED │"), "{drawn}");
    assert!(drawn.contains("  12.574732 s     SYN_SENT │"), "{drawn}");
    assert!(drawn.contains("  12.574747 s  ESTABLISHED │"), "{drawn}");
    let only = stdout(&told(&packets, &["--ladder", "--only", "1"]));
    assert!(!only.contains("conversation") && only.contains("12.574732 s"), "{only}");
    let prose = stdout(&told(&packets, &["--story"]));
    assert!(prose.contains("  12.574732 s  client opens"), "{prose}");
    let said = stdout(&told(&packets, &["--streams"]));
    assert!(said.contains("conversation 1:") && said.contains("12.57 s"), "{said}");
}

#[test]
fn a_connection_to_itself_has_one_end() {
    let packets = from(0, to_itself());
    let list = stdout(&told(&packets, &["--list"]));
    assert!(list.contains("4 B") && list.contains("closed, connected to itself"), "{list}");
    let ladder = stdout(&told(&packets, &["--ladder", "--width", "100"]));
    assert!(ladder.contains("10.0.0.1:40712 connected to itself: one socket is both ends"), "{ladder}");
    assert!(ladder.contains("it sent 4 bytes, and received the same"), "{ladder}");
    assert!(ladder.contains("FIN_WAIT_1") && ladder.contains("CLOSING"), "{ladder}");
    let story = stdout(&told(&packets, &["--story"]));
    assert!(story.starts_with("conversation 0: 10.0.0.1:40712, and itself\n"), "{story}");
    let said = stdout(&told(&packets, &["--streams"]));
    assert!(said.contains("self") && !said.contains("missing") && !said.contains("not captured"), "{said}");
    let flow = of_type(&records(&told(&packets, &["--json"])), "flow").remove(0);
    assert_eq!((&flow["bytes_a"], &flow["bytes_b"]), (&4.into(), &0.into()));
    assert_eq!((&flow["unseen_bytes_a"], &flow["unseen_bytes_b"]), (&0.into(), &0.into()));
    assert_eq!((&flow["state_a"], &flow["state_b"]), (&"TIME_WAIT".into(), &"TIME_WAIT".into()));
    assert_eq!(flow["how"], "fin");
    assert_eq!(flow["findings"][0]["id"], "self_connection");
}

#[test]
fn what_only_an_icmp_error_shows_was_never_open() {
    let packets = from(0, [unreachable()]);
    let list = stdout(&told(&packets, &["--list"]));
    assert!(list.contains("never open, host unreachable"), "{list}");
    let ladder = stdout(&told(&packets, &["--ladder"]));
    assert!(!ladder.contains("still open") && ladder.contains("SYN_SENT"), "{ladder}");
    let flow = of_type(&records(&told(&packets, &["--json"])), "flow").remove(0);
    assert_eq!((&flow["how"], &flow["state_a"]), (&"unanswered".into(), &"SYN_SENT".into()));
    assert_eq!(flow["findings"][0]["evidence"], serde_json::json!([1]));
    assert_eq!(flow["completeness"], 0, "no segment was captured");
}

/// A capture that still grows: what is known of it is on the screen before more comes.
#[test]
fn a_live_capture_is_told_while_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.pcap");
    run(&mut bothends(&["lab", "--simulated", "-q", "--write", file.to_str().unwrap()]), b"");
    let whole = fs::read(&file).unwrap();
    let mut child = bothends(&["trace", "-r", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut grows = child.stdin.take().unwrap();
    // But for its last packets.
    grows.write_all(&whole[..whole.len() - 200]).unwrap();
    let told = lines(child.stdout.take().unwrap());
    let first = told.recv_timeout(PATIENCE).expect("a record while the capture is open");
    assert!(first.contains("\"type\":\"segment\"") && first.contains("\"SYN\""), "{first}");
    grows.write_all(&whole[whole.len() - 200..]).unwrap();
    drop(grows);
    assert!(wait(&mut child).success());
    assert!(told.iter().any(|line| line.contains("\"type\":\"flow\"")));
}
