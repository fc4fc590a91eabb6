//! `trace -r`: captures that tcpdump wrote, and what tshark says of them.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use crate::running::{bothends, has, is_root, left_out, lines, of_type, records, run, stderr, stdout, wait};

/// Captures a short conversation on loopback with tcpdump, if that may be done here.
fn captured(test: &str, name: &str) -> Option<(tempfile::TempDir, String)> {
    if !is_root(test) || !has("tshark", test) || !has("dumpcap", test) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(0), Some(0)).unwrap();
    let file = folder.path().join(name).to_str().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let format = if name.ends_with("pcapng") { "-n" } else { "-P" };
    let mut capture = Command::new("dumpcap")
        .args(["-q", format, "-i", "lo", "-w", &file, "-f", &format!("tcp port {port}")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = lines(capture.stderr.take().unwrap());
    let started = said.iter().any(|line| line.starts_with("File:"));
    if !started {
        left_out(test, "dumpcap may not capture here");
        wait(&mut capture);
        return None;
    }
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
    });
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&vec![b'x'; 200_000]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    server.join().unwrap();
    crate::running::until("the last packet is in the file", || {
        let output =
            Command::new("tshark").args(["-n", "-r", &file, "-Y", "tcp.flags.fin == 1"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().count() >= 2
    });
    rustix::process::kill_process(rustix::process::Pid::from_child(&capture), rustix::process::Signal::INT)
        .unwrap();
    wait(&mut capture);
    Some((folder, file))
}

#[test]
fn numbers_lengths_and_flags_are_those_of_tshark() {
    for name in ["talk.pcap", "talk.pcapng"] {
        let Some((_folder, file)) = captured("trace: beside tshark", name) else { return };
        let fields = [
            "frame.number",
            "tcp.seq",
            "tcp.ack",
            "tcp.len",
            "tcp.window_size",
            "tcp.flags.syn",
            "tcp.flags.fin",
        ];
        let mut command = Command::new("tshark");
        command.args(["-n", "-r", &file, "-Y", "tcp", "-T", "fields"]);
        for field in fields {
            command.args(["-e", field]);
        }
        let theirs: Vec<Vec<u64>> = stdout(&run(&mut command, b""))
            .lines()
            .map(|line| line.split('\t').map(|value| value.parse().unwrap_or(0)).collect())
            .collect();
        let output = run(&mut bothends(&["trace", "-r", &file, "--json"]), b"");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let ours: Vec<Vec<u64>> = of_type(&records(&output), "segment")
            .iter()
            .map(|segment| {
                let flags = segment["flags_tcp"].as_str().unwrap();
                let number = |field: &str| segment[field].as_u64().unwrap_or(0);
                let mut row = vec![
                    number("frame"),
                    number("seq"),
                    number("ack"),
                    number("len_bytes"),
                    number("window_bytes"),
                ];
                row.extend([u64::from(flags.contains("SYN")), u64::from(flags.contains("FIN"))]);
                row
            })
            .collect();
        assert!(theirs.len() > 8);
        assert_eq!(ours, theirs);
    }
}

#[test]
fn a_list_by_default_and_a_ladder_when_asked() {
    let Some((_folder, file)) = captured("trace: list and ladder", "talk.pcap") else { return };
    let list = stdout(&run(&mut bothends(&["trace", "-r", &file]), b""));
    assert!(list.contains("127.0.0.1:") && list.contains("closed"), "{list}");
    let ladder = stdout(&run(&mut bothends(&["trace", "-r", &file, "--ladder"]), b""));
    assert!(ladder.contains("SYN_SENT") && ladder.contains("TIME_WAIT"), "{ladder}");
    let piped = run(&mut bothends(&["trace", "-r", "-", "--ladder"]), &fs::read(&file).unwrap());
    assert_eq!(stdout(&piped), ladder, "standard input is read the same");
}

/// The simulated network is the same everywhere, to the nanosecond.
const LOSSY: [&str; 6] = ["lab", "--simulated", "--loss", "20%", "--seed", "3"];

/// What `lab` wrote of a conversation with losses, read by `trace` with these flags.
fn of_a_lab(folder: &tempfile::TempDir, arguments: &[&str]) -> String {
    let file = folder.path().join("lab.pcapng").to_str().unwrap().to_owned();
    if !fs::exists(&file).unwrap() {
        let output = run(&mut bothends(&[&LOSSY[..], &["--write", &file]].concat()), b"");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let output = run(&mut bothends(&[&["trace", "-r", &file], arguments].concat()), b"");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn the_state_diagram_tells_what_the_records_tell() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = of_a_lab(&folder, &["--state-diagram"]);
    assert_eq!(
        drawn.lines().next(),
        Some("a  client :40712    b  server :7    a1: its first step; a0: where it began")
    );
    assert!(drawn.contains("╔══════════════╗") && drawn.contains("Timeout=2MSL"), "{drawn}");
    let told = records(&run(&mut bothends(&[&LOSSY[..], &["--json"]].concat()), b""));
    let flow = of_type(&told, "flow")[0].clone();
    for (side, first) in [("a", "CLOSED"), ("b", "LISTEN")] {
        let path = flow[format!("path_{side}")].as_array().unwrap();
        assert_eq!(path[0]["from"], first);
        assert_eq!(path.last().unwrap()["to"], flow[format!("state_{side}")]);
        let told: String = path
            .iter()
            .map(|step| format!(" → {} (frame {},", step["to"].as_str().unwrap(), step["frame"]))
            .collect();
        let line: String = drawn
            .lines()
            .skip_while(|line| !line.starts_with(&format!("{side}: ")))
            .take_while(|line| line.starts_with(&format!("{side}: ")) || line.starts_with("   →"))
            .collect();
        let mut at = 0;
        for step in told.split(" → ").skip(1) {
            let found = line[at..].find(step).unwrap_or_else(|| panic!("{step} in {line}"));
            at += found;
        }
    }
    let picture = folder.path().join("states.svg");
    of_a_lab(&folder, &["--state-diagram", "--svg", picture.to_str().unwrap()]);
    assert!(
        fs::read_to_string(picture)
            .unwrap()
            .contains("<title>CLOSED to SYN_SENT: active OPEN / snd SYN</title>")
    );
}

#[test]
fn the_story_is_told_from_the_opening_to_the_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let told = of_a_lab(&folder, &["--story"]);
    let places = [
        "client opens (SYN)",
        "client sends ",
        "server sends ",
        " of silence",
        "closes (FIN)",
        "closed first",
    ];
    let mut at = 0;
    for words in places {
        let found = told[at..].find(words).unwrap_or_else(|| panic!("{words} in:\n{told}"));
        at += found;
    }
    assert_eq!(of_a_lab(&folder, &["--story=all"]), told, "it is short");
    let bad = run(&mut bothends(&["trace", "-r", "x", "--story", "--ladder"]), b"");
    assert_eq!(bad.status.code(), Some(2), "one view at a time");
}

/// A capture of Ethernet frames.
fn ethernet(frames: &[&[u8]]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.pcap");
    let mut writer = wire::pcap::Writer::new(Vec::new(), wire::link_type::LinkType::ETHERNET, 0).unwrap();
    for (frame, second) in frames.iter().zip(0..) {
        writer.packet(wire::Time(second * 1_000_000_000), frame.len() as u32, frame).unwrap();
    }
    fs::write(&file, writer.finish().unwrap()).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

#[test]
fn what_is_said_beside_the_conversations_stands_under_the_list() {
    let arp = b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x08\x06\0\x01\x08\0\x06\x04\0\x01\
                \x02\0\0\0\0\x01\x0a\0\0\x01\0\0\0\0\0\0\x0a\0\0\x02";
    let igmp =
        b"\x01\0\x5e\0\0\x05\x02\0\0\0\0\x01\x08\0\x45\0\0\x1c\0\0\0\0\x01\x02\0\0\x0a\0\0\x01\xe0\0\0\x05\
                 \x16\0\0\0\xe0\0\0\x05";
    let (_folder, file) = ethernet(&[arp, igmp]);
    let list = run(&mut bothends(&["trace", "-r", &file]), b"");
    let shown = stdout(&list);
    let arp = "        0 µs  arp   who has 10.0.0.2? tell 10.0.0.1 at 02:00:00:00:00:01\n                    (frame 1)\n";
    assert!(shown.contains(arp), "{shown}");
    assert!(shown.contains("1 s  igmp  10.0.0.1 listens to 224.0.0.5 (frame 2)"), "{shown}");
    let output = run(&mut bothends(&["trace", "-r", &file, "--json"]), b"");
    let asides = of_type(&records(&output), "aside");
    let protocols: Vec<&str> = asides.iter().map(|aside| aside["protocol"].as_str().unwrap()).collect();
    assert_eq!(protocols, ["arp", "igmp"]);
    assert_eq!((&asides[1]["frame"], &asides[1]["t_s"]), (&2.into(), &1.0.into()));
}

#[test]
fn the_capture_that_is_read_is_never_written_over() {
    let (folder, file) = ethernet(&[b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x88\xb5nothing that is known here"]);
    let before = fs::read(&file).unwrap();
    let link = folder.path().join("link.pcap").to_str().unwrap().to_owned();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for arguments in
        [["-r", &file, "--write", &file], ["-r", &file, "--svg", &link], ["-r", "-", "-w", &link]]
    {
        let mut command = bothends(&["trace"]);
        command.args(arguments).stdin(fs::File::open(&file).unwrap());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("would overwrite the capture that is read"), "{}", stderr(&output));
        assert_eq!(fs::read(&file).unwrap(), before, "{arguments:?}");
    }
}
