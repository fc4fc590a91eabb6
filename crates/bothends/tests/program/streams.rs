//! `trace --streams`: what both ends of a capture said, beside what they really said and what tshark makes of it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use wire::Time;
use wire::build::TcpPacket;
use wire::capture::Interface;
use wire::link_type::LinkType;
use wire::pcapng::Writer;
use wire::tcp::{TcpFlags, TcpOptions};

use crate::running::{bothends, has, left_out, of_type, records, run, stderr, stdout};

fn traced(file: &Path, arguments: &[&str]) -> Output {
    let mut all = vec!["trace", "-r", file.to_str().unwrap(), "--streams"];
    all.extend(arguments);
    let output = run(&mut bothends(&all), b"");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    output
}

fn lab(file: &Path, arguments: &[&str]) -> Output {
    let mut all = vec!["lab", "--write", file.to_str().unwrap()];
    all.extend(arguments);
    run(&mut bothends(&all), b"")
}

#[test]
fn the_lab_s_conversation_is_told_turn_by_turn() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.pcapng");
    lab(&file, &["--simulated"]);
    let text = stdout(&traced(&file, &[]));
    insta::assert_snapshot!(text);
    assert_eq!(stdout(&traced(&file, &["--only", "0"])), text, "as it comes, and in turn");

    let told = records(&traced(&file, &["--json"]));
    let data = of_type(&told, "data");
    let said: Vec<(&str, &str, u64)> = data
        .iter()
        .map(|data| {
            let word = |field: &str| data[field].as_str().unwrap();
            (word("from"), word("text"), data["offset_bytes"].as_u64().unwrap())
        })
        .collect();
    let [hello, how, bye] = ["hello, server!!", "how is the line", "goodbye for now"];
    assert_eq!(
        said,
        [("a", hello, 0), ("b", hello, 0), ("a", how, 16), ("b", how, 16), ("a", bye, 32), ("b", bye, 32)]
    );
    assert_eq!((of_type(&told, "segment").len(), of_type(&told, "flow").len()), (0, 1));

    let raw = traced(&file, &["--only", "0", "--raw", "b"]);
    assert_eq!(stdout(&raw), "hello, server!!\nhow is the line\ngoodbye for now\n");
    assert_eq!(stderr(&raw), "");
    let hex = stdout(&traced(&file, &["--hex"]));
    assert!(
        hex.contains("▶ 00000010  68 6f 77 20 69 73 20 74  68 65 20 6c 69 6e 65 0a  how is the line."),
        "{hex}"
    );
    assert!(stdout(&traced(&file, &["--line-ends"])).contains("▶ how is the line\\n\n"));
}

/// What tshark makes of a conversation: the bytes of the end whose packet came first, and of the other.
fn followed(file: &Path, stream: usize) -> [Vec<u8>; 2] {
    let follow = format!("follow,tcp,raw,{stream}");
    let mut tshark = Command::new("tshark");
    let told = stdout(&run(tshark.args(["-n", "-q", "-z", &follow, "-r"]).arg(file), b""));
    let mut said = [Vec::new(), Vec::new()];
    for line in told.lines() {
        let hex = line.trim_start_matches('\t');
        if !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let side = usize::from(line.starts_with('\t'));
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            said[side].extend((0..hex.len()).step_by(2).map(byte));
        }
    }
    said
}

#[test]
fn over_a_bad_line_every_byte_is_what_was_said_and_what_tshark_finds() {
    let test = "trace --streams beside tshark";
    if !["tshark", "python3", "curl"].iter().all(|program| has(program, test)) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let blob: Vec<u8> = (0..300_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(folder.path().join("blob"), &blob).unwrap();
    let file = folder.path().join("talk.pcapng");
    let served = ["python3", "-m", "http.server", "80", "--directory", folder.path().to_str().unwrap()];
    // The server needs a moment to listen.
    let fetch = "curl -sf --retry 100 --retry-connrefused --retry-delay 0 http://server/blob";
    let link = ["--loss", "5%", "--delay", "5ms", "--"];
    let arguments = [&link[..], &served, &["--", "sh", "-c", fetch]].concat();
    let output = lab(&file, &arguments);
    if output.status.code() == Some(77) {
        return left_out(test, "this system refuses a private network");
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(output.stdout, blob);

    let listed = run(&mut bothends(&["trace", "-r", file.to_str().unwrap(), "--list", "--json"]), b"");
    let flows = records(&listed);
    let flows = of_type(&flows, "flow");
    let resent: u64 = flows.iter().map(|flow| flow["resent_segments_b"].as_u64().unwrap()).sum();
    assert!(resent > 0, "the line was bad");
    for (stream, flow) in flows.iter().enumerate() {
        let number = stream.to_string();
        let ours = ["a", "b"].map(|end| {
            let raw = traced(&file, &["--only", &number, "--raw", end]);
            (raw.stdout.clone(), stderr(&raw))
        });
        let theirs = followed(&file, stream);
        assert_eq!([&ours[0].0, &ours[1].0], [&theirs[0], &theirs[1]], "conversation {stream}");
        if flow["how"] == "fin" {
            assert!(ours[0].0.starts_with(b"GET /blob HTTP/1.1\r\n") && ours[1].0.ends_with(&blob));
            assert_eq!((ours[0].1.as_str(), ours[1].1.as_str()), ("", ""));
        }
    }
    assert!(flows.iter().any(|flow| flow["how"] == "fin"));
}

const CLIENT: &str = "10.0.0.1:40712";
const SERVER: &str = "10.0.0.2:80";

/// A packet: from the client or not, flags, seq, ack, payload. Numbers count from 0.
type Packet<'a> = (bool, TcpFlags, u32, u32, &'a [u8]);

/// Writes packets of one conversation, a millisecond apart.
fn written(file: &Path, snap_len: u32, packets: &[Packet<'_>]) {
    let packets: Vec<(u16, Packet<'_>)> = packets.iter().map(|packet| (0, *packet)).collect();
    several_written(file, snap_len, &packets);
}

/// The same with the number of the client, whose port that is counted from.
fn several_written(file: &Path, snap_len: u32, packets: &[(u16, Packet<'_>)]) {
    let interface = Interface::new("", LinkType::RAW);
    let mut writer = Writer::with_snap_len(fs::File::create(file).unwrap(), &[interface], snap_len).unwrap();
    for (millis, (client, (up, flags, seq, ack, payload))) in (1..).zip(packets) {
        let [mut client_end, server] = [CLIENT, SERVER].map(|end| end.parse::<SocketAddr>().unwrap());
        client_end.set_port(client_end.port() + client);
        let [source, destination] = if *up { [client_end, server] } else { [server, client_end] };
        let bytes = TcpPacket {
            source,
            destination,
            seq: seq.wrapping_add(u32::MAX - 10),
            ack: ack.wrapping_add(u32::MAX - 10),
            flags: *flags,
            window: 60_000,
            options: TcpOptions::default(),
            payload,
        }
        .to_bytes();
        let kept = if snap_len == 0 { bytes.len() } else { bytes.len().min(snap_len as usize) };
        let wire_len = bytes.len() as u32;
        writer.packet(0, Time(millis * 1_000_000), wire_len, &bytes[..kept], None).unwrap();
    }
    writer.finish().unwrap();
}

const ACK: TcpFlags = TcpFlags::ACK;
const SYN_ACK: TcpFlags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0);
const FIN_ACK: TcpFlags = TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0);

#[test]
fn what_the_capture_lacks_or_contradicts_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("holes.pcapng");
    let packets: [Packet<'_>; 10] = [
        (true, TcpFlags::SYN, 0, 0, b""),
        (false, SYN_ACK, 0, 1, b""),
        (true, ACK, 1, 1, b"one, "),
        // "two, " was not captured; the answer shows that it had come.
        (true, ACK, 11, 1, b"three\n"),
        (false, ACK, 1, 17, b"\x1b[2Jowned\n"),
        (true, ACK, 6, 11, b"two, "),
        (true, ACK, 1, 11, b"0ne, "),
        (true, FIN_ACK, 17, 11, b""),
        (false, FIN_ACK, 11, 18, b""),
        (true, ACK, 18, 12, b""),
    ];
    written(&file, 0, &packets);
    insta::assert_snapshot!(stdout(&traced(&file, &[])));
    let raw = traced(&file, &["--only", "0", "--raw", "a"]);
    assert_eq!(stdout(&raw), "one, three\n");
    let said = stderr(&raw);
    for word in ["5 bytes are missing, in 1 gap", "5 bytes came too late", "1 repetition had another content"]
    {
        assert!(said.contains(word), "{word} in {said}");
    }
    let raw = traced(&file, &["--only", "0", "--raw", "b"]);
    assert_eq!(raw.stdout, b"\x1b[2Jowned\n", "in a pipe every byte is what it was");
    let told = records(&traced(&file, &["--json"]));
    assert_eq!(of_type(&told, "gap")[0]["why"], "never_seen");
    assert_eq!(of_type(&told, "conflict")[0]["first_frame"], 3);

    // The same with short frames: 20 bytes of IP, 20 of TCP, 4 of what was said.
    written(&file, 44, &packets);
    let text = stdout(&traced(&file, &[]));
    assert!(text.contains("▶ one,\n[… cut by the capture: 4 of 5 bytes kept]\n"), "{text}");
}

#[test]
fn conversations_come_one_after_the_other_whoever_spoke_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.pcapng");
    let syn: Packet<'_> = (true, TcpFlags::SYN, 0, 0, b"");
    several_written(
        &file,
        0,
        &[
            (0, syn),
            (1, syn),
            (1, (true, ACK, 1, 1, b"from the second\n")),
            (0, (true, ACK, 8, 1, b"first\n")),
            (0, (true, ACK, 1, 1, b"of the ")),
        ],
    );
    let text = stdout(&traced(&file, &[]));
    let (first, second) = text.split_once("conversation 1: ").unwrap();
    assert!(first.contains("▶ of the first\n") && second.contains("▶ from the second\n"), "{text}");
    assert!(!text.contains('['), "nothing is missing: {text}");
}

#[test]
fn flags_that_do_not_go_together_and_conversations_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("silent.pcapng");
    written(
        &file,
        0,
        &[(true, TcpFlags::SYN, 0, 0, b""), (false, SYN_ACK, 0, 1, b""), (true, ACK, 1, 1, b"")],
    );
    let silent = traced(&file, &["--only", "0"]);
    assert_eq!(stdout(&silent), "");
    assert_eq!(stderr(&silent), "nothing was said in conversation 0\n");
    let file = file.to_str().unwrap();
    for wrong in [
        &["--streams", "--ladder"][..],
        &["--hex"],
        &["--streams", "--hex", "--text"],
        &["--streams", "--raw", "a"],
        &["--streams", "--only", "0", "--raw", "c"],
        &["--streams", "--only", "0", "--raw", "a", "--json"],
        &["--streams", "--only", "7"],
    ] {
        let output = run(&mut bothends(&[&["trace", "-r", file][..], wrong].concat()), b"");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", stderr(&output));
    }
}
