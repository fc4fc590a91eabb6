//! `serve collect` and `serve chat`: what is said is shown, recorded before that, and never lost.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::ENGINES;
use super::piped::{Piped, next};
use crate::running::{PublicCopy, bothends, has, is_root, left_out, lines, noise, run, stderr, until, wait};

fn records_in(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"))).collect()
}

#[test]
fn clients_are_numbered_their_lines_whole_and_their_last_words_kept() {
    for engine in ENGINES {
        let mut server = Piped::start(&["collect", "127.0.0.1:0", "--engine", engine]);
        let shown = server.shown();
        let mut first = TcpStream::connect(server.address).unwrap();
        first.write_all(b"hel").unwrap();
        let from = first.local_addr().unwrap();
        let mut second = TcpStream::connect(server.address).unwrap();
        second.write_all(b"whole\r\nla").unwrap();
        let whole = next(&shown);
        assert!(whole.starts_with("client ") && whole.ends_with(": whole"), "{engine}: {whole}");
        first.write_all(b"lo\n").unwrap();
        assert!(next(&shown).ends_with(&format!(", {from}: hello")), "{engine}");
        second.write_all(b"st").unwrap();
        drop(second);
        let last = next(&shown);
        assert!(last.ends_with(": last (cut)"), "{engine}: {last}");
        drop(first);
        let (code, said) = server.stop();
        assert_eq!(code, Some(0), "{engine}");
        assert!(said.contains(&format!(", {from}: connected")), "who comes is told: {said}");
    }
}

#[test]
fn a_file_that_may_not_be_made_is_not_told_as_missing() {
    let test = "serve collect: a file that may not be made";
    if !is_root(test) || !has("setpriv", test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("said");
    let copy = PublicCopy::new();
    let arguments = ["serve", "collect", "127.0.0.1:0", "--record", path.to_str().unwrap()];
    let output = run(&mut copy.as_nobody(&arguments), b"");
    assert_eq!(output.status.code(), Some(23));
    let expected = format!("bothends: write {}: permission denied\n", path.display());
    assert_eq!(stderr(&output), expected);
}

/// Each datagram is a line, whatever is in it; whose it is, is told in front of every one.
#[test]
fn datagrams_are_lines_of_their_peers() {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("port");
    let mut command = bothends(&["serve", "collect", "udp://127.0.0.1:0", "-q", "--port-file"]);
    command.arg(&port).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let shown = lines(server.stdout.take().unwrap());
    until("it listens", || port.exists());
    let port: u16 = fs::read_to_string(&port).unwrap().trim().parse().unwrap();
    let peers = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    for round in ["first", "second"] {
        for (number, peer) in (1..).zip(&peers) {
            peer.send_to(format!("{round}\n").as_bytes(), ("127.0.0.1", port)).unwrap();
            let from = peer.local_addr().unwrap();
            assert_eq!(next(&shown), format!("client {number}, {from}: {round}"));
        }
    }
    peers[0].send_to(b"no end, and it is whole", ("127.0.0.1", port)).unwrap();
    assert!(next(&shown).ends_with(": no end, and it is whole"));
    server.kill().unwrap();
    let told = server.wait_with_output().unwrap().stderr;
    assert!(told.is_empty(), "with -q: {}", String::from_utf8_lossy(&told));
}

#[test]
fn records_of_lines_come_between_those_of_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("said");
    let recorded = ["--record", file.to_str().unwrap()];
    for (engine, record) in
        ENGINES.into_iter().flat_map(|engine| [(engine, &[][..]), (engine, &recorded[..])])
    {
        let common = ["collect", "127.0.0.1:0", "--json", "-vv", "--engine", engine];
        let mut server = Piped::start(&[&common, record].concat());
        let shown = server.shown();
        let mut client = TcpStream::connect(server.address).unwrap();
        client.write_all(b"one\ntw\xff").unwrap();
        drop(client);
        let mut records: Vec<Value> = Vec::new();
        while !records.last().is_some_and(|record| record["type"] == "closed") {
            records.push(serde_json::from_str(&next(&shown)).unwrap());
        }
        records.retain(|record| record["type"] != "child_ended");
        let types: Vec<&str> = records.iter().map(|record| record["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["listening", "opened", "data", "data", "closed"], "{engine} {record:?}");
        assert_eq!((records[2]["text"].as_str(), records[2].get("cut")), (Some("one"), None));
        assert_eq!((records[3]["base64"].as_str(), records[3]["cut"].as_bool()), (Some("dHf/"), Some(true)));
    }
}

/// A hundred who say numbered lines until nobody listens any more.
fn speak(address: SocketAddr, round: usize) -> Vec<JoinHandle<()>> {
    let speaker = move |writer: usize| {
        // The kill may come before it is there.
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        for number in 0.. {
            if stream.write_all(format!("{round} {writer} {number}\n").as_bytes()).is_err() {
                return;
            }
        }
    };
    (0..100).map(|writer| std::thread::spawn(move || speaker(writer))).collect()
}

/// Every line that was shown is in the file, and nothing is in it twice, whenever the kill comes and whatever is synced
/// when.
#[test]
fn heavy_a_killed_server_has_recorded_all_that_it_showed() {
    for (seed, engine) in ENGINES.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("said");
        let path = file.to_str().unwrap();
        let moments: Vec<usize> =
            noise(seed as u64, 3).into_iter().map(|byte| 10 + usize::from(byte) * 20).collect();
        let mut seen = Vec::new();
        for (round, fsync) in ["batch", "never", "20ms"].into_iter().enumerate() {
            // What the kill left unfinished is nobody's loss: the next run mends it and goes on behind it.
            let record = ["--record", path, "--fsync", fsync];
            let mut server =
                Piped::start(&[&["collect", "127.0.0.1:0", "--engine", engine], &record[..]].concat());
            let shown = server.shown();
            let writers = speak(server.address, round);
            seen.extend((0..moments[round]).map(|_| next(&shown)));
            server.child.kill().unwrap();
            wait(&mut server.child);
            seen.extend(shown.iter());
            // The last line of a killed program may have been cut on its way to us.
            seen.pop();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
        }
        let mut server = Piped::start(&["collect", "127.0.0.1:0", "--engine", engine, "--record", path]);
        let shown = server.shown();
        TcpStream::connect(server.address).unwrap().write_all(b"after\n").unwrap();
        seen.push(next(&shown));
        assert_eq!(server.stop().0, Some(0), "{engine}");
        let mut recorded: HashMap<String, usize> = HashMap::new();
        for record in records_in(&file) {
            *recorded.entry(record["text"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert!(recorded.values().all(|count| *count == 1), "{engine}: none twice");
        for line in seen {
            let said = line.rsplit(": ").next().unwrap();
            assert!(recorded.contains_key(said), "{engine}: {line:?} was shown and is not in the file");
        }
    }
}

#[test]
fn an_unfinished_record_of_an_earlier_run_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("said");
    fs::write(&file, "{\"v\":1,\"type\":\"data\",\"text\":\"a\"}\n{\"v\":1,\"type\":\"da").unwrap();
    let mut server = Piped::start(&["collect", "127.0.0.1:0", "--record", file.to_str().unwrap()]);
    let shown = server.shown();
    TcpStream::connect(server.address).unwrap().write_all(b"b\n").unwrap();
    assert!(next(&shown).ends_with(": b"));
    let texts: Vec<String> =
        records_in(&file).iter().map(|record| record["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, ["a", "b"]);
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let test = "collect on a full disk";
    for engine in ENGINES {
        let script = "mount -t tmpfs -o size=64k none /mnt && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_bothends")]);
        command.args(["serve", "collect", "127.0.0.1:0", "--record", "/mnt/said", "--engine", engine]);
        let possible = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
        if !possible.is_ok_and(|output| output.status.success()) {
            return left_out(test, "a file system of one's own is not permitted here");
        }
        let mut server = Piped::of(&mut command);
        let inside = Path::new("/proc").join(server.child.id().to_string()).join("root/mnt");
        let shown = server.shown();
        let mut client = TcpStream::connect(server.address).unwrap();
        let mut say = |text: &str| {
            client.write_all(format!("{text}\n").as_bytes()).unwrap();
            assert!(next(&shown).ends_with(&format!(": {text}")), "{engine}: it is shown");
        };
        say("before");
        let filler = inside.join("filler");
        let _ = fs::write(&filler, vec![0; 1 << 20]);
        // The rest of the file's own page, and then the disk is full for it too.
        let long = "x".repeat(3000);
        (0..3).for_each(|_| say(&long));
        until("it is told", || server.stderr.try_iter().any(|line| line.contains("no space left on device")));
        let whole = records_in(&inside.join("said"));
        assert_eq!(whole[0]["text"], "before", "{engine}: nothing half-written is left");
        fs::remove_file(&filler).unwrap();
        say("after");
        until("it is told", || server.stderr.try_iter().any(|line| line.contains("recording goes on")));
        let records = records_in(&inside.join("said"));
        let [.., missed, after] = &records[..] else { panic!("{engine}: {records:?}") };
        assert_eq!(
            (missed["type"].as_str(), after["text"].as_str()),
            (Some("missed"), Some("after")),
            "{engine}"
        );
        assert!(missed["missed"].as_u64() >= Some(1));
        drop(client);
        assert_eq!(server.stop().0, Some(23), "{engine}: the file is not whole");
    }
}

/// Nothing is dropped while nobody reads: the clients wait, all of them, and none of their lines comes out of order.
#[test]
fn heavy_a_reader_who_stops_makes_the_clients_wait() {
    const WRITERS: usize = 50;
    const LINES: usize = 800;
    for (engine, record) in ENGINES.into_iter().flat_map(|engine| [(engine, false), (engine, true)]) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("said");
        let mut arguments = vec!["collect", "127.0.0.1:0?sockopt=SO_RCVBUF%3D16K", "--engine", engine];
        arguments.extend(record.then_some(["--record", file.to_str().unwrap()]).into_iter().flatten());
        let mut server = Piped::start(&arguments);
        let address = server.address;
        let line = |writer: usize, number: usize| format!("{writer} {number} {}\n", "x".repeat(500));
        let said = Arc::new(AtomicUsize::new(0));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let said = Arc::clone(&said);
                std::thread::spawn(move || {
                    let mut stream = with_a_small_buffer(address);
                    for number in 0..LINES {
                        stream.write_all(line(writer, number).as_bytes()).unwrap();
                        said.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        // 20 MB do not fit into the buffers between, so it comes to a stop.
        let mut before = 0;
        until("the writers wait", || {
            std::thread::park_timeout(Duration::from_millis(300));
            let last = std::mem::replace(&mut before, said.load(Ordering::Relaxed));
            last == before && last > WRITERS
        });
        assert!(writers.iter().any(|writer| !writer.is_finished()), "{engine}: they wait");
        let mut next = [0; WRITERS];
        for got in BufReader::new(server.stdout.take().unwrap()).lines().take(WRITERS * LINES) {
            let got = got.unwrap();
            let said = got.split_once(": ").unwrap().1;
            let writer: usize = said.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, line(writer, next[writer]).trim_end(), "{engine}");
            next[writer] += 1;
        }
        assert_eq!(next, [LINES; WRITERS], "{engine}, recorded: {record}");
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        if record {
            assert_eq!(records_in(&file).len(), WRITERS * LINES, "{engine}");
        }
    }
}

/// It is waited for a little, and what it did not take is told.
#[test]
fn a_reader_who_stopped_does_not_keep_the_server_from_stopping() {
    for (engine, json) in ENGINES.into_iter().flat_map(|engine| [(engine, false), (engine, true)]) {
        let mut arguments = vec!["collect", "127.0.0.1:0", "--engine", engine, "--grace", "0"];
        arguments.extend(json.then_some("--json"));
        let server = Piped::start(&arguments);
        let mut client = with_a_small_buffer(server.address);
        client.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        while client.write_all(&[&[b'x'; 999][..], b"\n"].concat()).is_ok() {}
        let (code, said) = server.stop();
        assert_eq!(code, Some(23), "{engine}: {said}");
        assert!(said.contains("write standard output: nobody read the last "), "{engine}: {said}");
    }
}

/// A connection whose kernel keeps little of what is said.
fn with_a_small_buffer(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_send_buffer_size(16 * 1024).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

#[test]
fn when_nobody_reads_lines_any_more_the_server_ends_in_order() {
    for engine in ENGINES {
        let mut server = Piped::start(&["collect", "127.0.0.1:0", "--engine", engine, "--grace", "0"]);
        drop(server.stdout.take());
        let mut client = TcpStream::connect(server.address).unwrap();
        // The first line finds out; where it is told to nobody, the next one ends it.
        let mut status = None;
        until("it ends", || {
            let _ = client.write_all(b"anybody?\n");
            status = server.child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0), "{engine}");
    }
}

#[test]
fn the_operator_talks_and_the_end_of_the_keyboard_ends_nothing() {
    for engine in ["event", "thread"] {
        let mut server = Piped::start(&["chat", "127.0.0.1:0", "--engine", engine]);
        let shown = server.shown();
        let client = TcpStream::connect(server.address).unwrap();
        let mut heard = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
        (&client).write_all(b"/name ada\nhello\n").unwrap();
        until("her line is shown", || next(&shown).ends_with("] ada: hello"));
        let mut keyboard = server.stdin.take().unwrap();
        keyboard.write_all(b"good day\n").unwrap();
        assert!(heard.any(|line| line.contains("good day")), "{engine}: the operator is heard");
        drop(keyboard);
        (&client).write_all(b"still here\n").unwrap();
        until("she is still heard", || next(&shown).ends_with("] ada: still here"));
        drop((client, heard));
        assert_eq!(server.stop().0, Some(0), "{engine}");
    }
}
