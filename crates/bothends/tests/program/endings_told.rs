//! What is said about an end is what happened: who closed first, by what, how many bytes went which way, and whether
//! anything was left. The other ends are programs of others.

use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::running::{Server, bothends, has, left_out, of_type, records, run, stderr, stdout, until, wait};

/// A server in Python for one client, `c`. Its standard input is a leash: it can wait for its end.
struct Peer {
    child: Child,
    port: String,
    out: BufReader<ChildStdout>,
}

const PEER: &str = "
import select, socket, struct, sys
s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)
c, _ = s.accept(); s.close()
def rest():
    count = 0
    while True:
        piece = c.recv(65536)
        if not piece: return count
        count += len(piece)
";

impl Peer {
    /// None where there is no Python, which is noted.
    fn talking(script: &str, test: &str) -> Option<Peer> {
        let mut child = has("python3", test).then(|| {
            let script = format!("{PEER}{script}");
            let mut command = Command::new("python3");
            command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
        })?;
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let port = next_line(&mut out);
        Some(Peer { child, port, out })
    }

    /// Lets it off the leash, and gives the rest of what it says.
    fn ends_saying(mut self) -> String {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        wait(&mut self.child);
        said.trim_end().to_owned()
    }
}

fn next_line(out: &mut impl BufRead) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// A file of so many bytes.
fn file(length: u64) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.set_len(length).unwrap();
    file.rewind().unwrap();
    file
}

fn closed(output: &std::process::Output) -> Value {
    of_type(&records(output), "closed").pop().unwrap_or_else(|| panic!("{}", stderr(output)))
}

fn number(record: &Value, name: &str) -> u64 {
    record[name].as_u64().unwrap_or_else(|| panic!("{name} in {record}"))
}

/// The time in words that begins a text: `1.02 s`.
fn time(text: &str) -> Duration {
    let mut words = text.split([' ', ')', ':']);
    let number: f64 = words.next().unwrap().parse().unwrap();
    let unit = match words.next().unwrap() {
        "ns" => 1e-9,
        "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        unit => panic!("{unit} in {text}"),
    };
    Duration::from_secs_f64(number * unit)
}

/// It says that it has nothing more to say, and goes on reading: what nc -N, ncat and socat send to the end.
#[test]
fn an_upload_goes_on_to_its_end_behind_the_peer_s_fin() {
    const LENGTH: u64 = 8 << 20;
    let reads_on = "c.sendall(b'413\\n'); c.shutdown(socket.SHUT_WR); print(rest())";
    for flags in [&["-q"][..], &["--send-only"], &["--keep-half-open"], &["-C"]] {
        let Some(peer) = Peer::talking(reads_on, "an upload behind the peer's FIN") else { return };
        let mut command = bothends(&["connect", &peer.port]);
        let status = command.args(flags).stdin(file(LENGTH)).stdout(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(0), "{flags:?}");
        assert_eq!(peer.ends_saying(), LENGTH.to_string(), "{flags:?}");
    }
    let Some(peer) = Peer::talking(reads_on, "an upload behind the peer's FIN") else { return };
    let output = run(&mut bothends(&["connect", &peer.port, "--send-only"]), &vec![b'x'; 8 << 20]);
    assert_eq!(output.status.code(), Some(0), "a pipe: {}", stderr(&output));
    assert_eq!(peer.ends_saying(), LENGTH.to_string(), "a pipe");
}

#[test]
fn a_pipe_that_is_left_at_the_peer_s_fin_with_something_in_it_is_no_success() {
    let never_reads = "
c.recv(1); c.shutdown(socket.SHUT_WR); sys.stdin.read()
try: print(rest())
except ConnectionResetError: print('reset')
";
    let Some(peer) = Peer::talking(never_reads, "a pipe that is left") else { return };
    let output = run(&mut bothends(&["connect", &peer.port, "-v"]), &vec![b'x'; 16 << 20]);
    assert_eq!(output.status.code(), Some(55), "{}", stderr(&output));
    assert!(stderr(&output).contains("of your input were left"), "{}", stderr(&output));
    assert!(stderr(&output).contains("of ours never sent"), "{}", stderr(&output));
    assert_eq!(peer.ends_saying(), "reset", "nor may it pass for one with the peer");
}

/// Its FIN is there, and we have not looked, when our input ends: its was first all the same.
#[test]
fn a_fin_that_came_before_ours_left_was_first_although_it_was_not_read() {
    let script = "sys.stdin.read(); c.shutdown(socket.SHUT_WR); print('closed', flush=True); rest()";
    let Some(mut peer) = Peer::talking(script, "a FIN that is not read yet") else { return };
    let mut child = bothends(&["connect", &peer.port, "-v", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    assert!(next_line(&mut out).contains("opened"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::STOP).unwrap();
    until("it stands still", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        stat.rsplit(") ").next().unwrap().starts_with('T')
    });
    drop(child.stdin.take());
    drop(peer.child.stdin.take());
    assert_eq!(next_line(&mut peer.out), "closed");
    rustix::process::kill_process(pid, Signal::CONT).unwrap();
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    let closed: Value = next_line(&mut out).parse().unwrap();
    assert_eq!(wait(&mut child).code(), Some(0), "{told}");
    assert_eq!((closed["closed_by"].as_str(), closed["how"].as_str()), (Some("peer"), Some("fin")));
    assert!(told.contains(": it closed first, with FIN"), "{told}");
    peer.ends_saying();
}

/// Bytes that have arrived at who has called this port, and were not read.
fn waits_to_be_read(port: u16) -> u64 {
    let listing = run(&mut bothends(&["sockets", "--json", "-t", "dport", "=", &port.to_string()]), b"");
    let sockets = records(&listing);
    of_type(&sockets, "socket").iter().map(|socket| number(socket, "recv_q_bytes")).sum()
}

/// Behind something unread there is no end in order, only a reset (RFC 2525 §2.17): the server's account says the same.
#[test]
fn closing_with_something_unread_is_told_as_the_reset_that_it_is() {
    let mut server = Server::start(&["source", "127.0.0.1:0", "-v"]);
    let address = server.address.to_string();
    let mut child = bothends(&["connect", &address, "-v"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let held_open = child.stdin.take();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    // The pipe is full then: nothing more is taken from the socket, and at last nothing more comes.
    until("what waits to be read stays", || {
        let waits = waits_to_be_read(server.address.port());
        waits > 0 && waits == waits_to_be_read(server.address.port())
    });
    drop(out);
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0), "{told}");
    drop(held_open);
    let there = server.says("client 1, ") + &server.says("client 1, ");
    assert!(told.contains(": we reset the connection") && told.contains("of theirs unread"), "{told}");
    assert!(there.contains("it reset the connection"), "{there}");
    server.stop();
}

#[test]
fn the_bytes_of_the_account_are_those_of_the_kernel() {
    const LENGTH: u64 = 20 << 20;
    let Some(peer) = Peer::talking("sys.stdin.read()", "bytes as the kernel counts them") else { return };
    let mut command = bothends(&["connect", &peer.port, "--json", "-v", "--info", "--max-time", "500ms"]);
    let output = command.stdin(file(LENGTH)).output().unwrap();
    assert_eq!(output.status.code(), Some(28), "{}", stderr(&output));
    let closed = closed(&output);
    let [out, unsent, never] =
        ["out_bytes", "unsent_bytes", "never_sent_bytes"].map(|name| number(&closed, name));
    assert_eq!(out + never, LENGTH, "each byte of the file is in one of them: {closed}");
    // The first byte that the kernel counts as acknowledged is the SYN.
    let acknowledged = number(&closed["tcp"], "bytes_acked") - 1;
    assert_eq!(out - (unsent - never), acknowledged, "{closed}");
    let again = closed["tcp"]["bytes_retrans"].as_u64().unwrap_or(0);
    assert_eq!(number(&closed["tcp"], "bytes_sent") - again, out, "{closed}");
    assert!(stderr(&output).contains("of ours never sent"), "{}", stderr(&output));
    peer.ends_saying();
}

/// What came in is what was taken and what was not, and nothing counts twice: here half of it fits into the output.
#[test]
fn what_nobody_read_has_not_come_in_as_well() {
    const SAID: u64 = 300_000;
    let script = format!("c.sendall(bytes({SAID})); print('said', flush=True); sys.stdin.read()");
    let Some(mut peer) = Peer::talking(&script, "bytes that nobody reads") else { return };
    let (_reader, output) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&output, 4096).unwrap();
    let mut child = bothends(&["connect", &peer.port, "-v", "--max-time", "1s", "--info"])
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let held_open = child.stdin.take();
    assert_eq!(next_line(&mut peer.out), "said");
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(wait(&mut child).code(), Some(28), "{told}");
    // 300,000 bytes, counted by its segments' side: what was taken and what was not.
    assert!(told.contains("info: received 293 KiB in"), "{told}");
    drop(held_open);
    peer.ends_saying();
}

/// The FIN that could not be sent any more takes nothing off.
#[test]
fn what_a_reset_leaves_unacknowledged_is_counted_to_the_last_byte() {
    if !has("python3", "what a reset leaves unacknowledged") {
        return;
    }
    for length in [1000, 7, 1] {
        let mut child = bothends(&["listen", "127.0.0.1:0", "-v", "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let line = next_line(&mut BufReader::new(child.stderr.as_mut().unwrap()));
        let port = line.rsplit(':').next().unwrap();
        let script = format!("import socket; socket.create_connection(('127.0.0.1', {port})).close()");
        assert!(Command::new("python3").args(["-c", &script]).status().unwrap().success());
        // Nobody is there any more.
        child.stdin.take().unwrap().write_all(&vec![b'x'; length]).unwrap();
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        assert_eq!(wait(&mut child).code(), Some(56), "{out}");
        let closed: Value = out.lines().rfind(|line| line.contains("\"closed\"")).unwrap().parse().unwrap();
        assert_eq!(closed["how"].as_str(), Some("reset"), "{closed}");
        assert_eq!(
            (number(&closed, "out_bytes"), number(&closed, "unsent_bytes")),
            (length as u64, length as u64),
            "{closed}"
        );
    }
}

/// What `sockets -K` does to our own socket is not the peer's doing.
#[test]
fn an_abort_on_this_machine_is_not_the_peer_s_reset() {
    let test = "an abort on this machine";
    if !Command::new("unshare").args(["-rn", "true"]).status().is_ok_and(|status| status.success()) {
        return left_out(test, "needs a network namespace of its own");
    }
    let script = r#"
        ip link set lo up; cd "$2"; mkfifo input; exec 3<>input
        "$1" serve discard 7777 -q & server=$!
        until "$1" sockets -Htln sport = 7777 | grep -q .; do :; done
        "$1" connect 7777 -v --json <input >records 2>told & client=$!
        mine="state established dport = 7777"
        until grep -q opened records; do :; done
        "$1" sockets -K $mine >killed 2>&1
        if ! grep -q . killed || grep -q 'not supported' killed; then kill $client; fi
        wait $client; echo "exit $?"; kill $server; cat records told killed
    "#;
    let folder = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_bothends");
    let mut command = Command::new("unshare");
    command.args(["-rn", "bash", "-c", script, "bash", binary]).arg(folder.path());
    let told = stdout(&run(&mut command, b""));
    if told.contains("not supported") {
        return left_out(test, "this kernel destroys no sockets");
    }
    assert!(told.starts_with("exit 56\n"), "{told}");
    assert!(told.contains(r#""closed_by":"kernel","how":"reset""#), "{told}");
    assert!(told.contains("ECONNABORTED") && !told.contains("ECONNRESET"), "{told}");
    assert!(told.contains("this machine broke the connection off"), "{told}");
    assert!(!told.contains("it reset the connection"), "{told}");
}

/// Nobody who was turned away is told to read to the end.
#[test]
fn a_reset_is_not_explained_by_what_was_not_seen() {
    let server = Server::start(&["echo", "127.0.0.1:0", "--deny", "127.0.0.1"]);
    let output = run(&mut bothends(&["connect", &server.address.to_string()]), b"");
    assert_eq!(output.status.code(), Some(56), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(!told.contains("should read to the end") && told.contains("may have turned us away"), "{told}");
    server.stop();
}

/// When the first half closed and how long the other stayed open are two times.
#[test]
fn the_time_of_the_first_close_is_not_that_of_the_end() {
    if !has("nc", "when the first half closed") {
        return;
    }
    let mut child = bothends(&["listen", "127.0.0.1:0", "-v"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let line = next_line(&mut told);
    let port = line.rsplit(':').next().unwrap().to_owned();
    let client =
        std::thread::spawn(move || run(Command::new("nc").args(["-N", "127.0.0.1", &port]), b"hi\n"));
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 3]).unwrap();
    // Ours stays open for a while: that is the case.
    std::thread::park_timeout(Duration::from_millis(400));
    input.write_all(b"yo\n").unwrap();
    drop(input);
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    wait(&mut child);
    assert_eq!(stdout(&client.join().unwrap()), "yo\n");
    let (_, end) = rest.split_once("it closed first, with FIN, after ").unwrap_or_else(|| panic!("{rest}"));
    let (_, half) = end.split_once("(the other half stayed open for ").unwrap_or_else(|| panic!("{rest}"));
    assert!(time(half) >= Duration::from_millis(300) && time(end) < time(half), "{rest}");
}

/// A peer that cannot be answered matters to whoever has something to say.
#[test]
fn a_nameless_peer_is_no_trouble_for_one_with_nothing_to_say() {
    if !has("socat", "a nameless peer") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d").display().to_string();
    let heard = |input: Stdio| {
        let mut child = bothends(&["listen", &format!("unix-dgram:{path}"), "--once"])
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut all = next_line(&mut told);
        run(Command::new("socat").args(["-u", "-", &format!("unix-sendto:{path}")]), b"hi\n");
        told.read_to_string(&mut all).unwrap();
        assert_eq!(wait(&mut child).code(), Some(0), "{all}");
        all
    };
    assert!(!heard(Stdio::null()).contains("nothing can be sent"));
    let mut said = tempfile::tempfile().unwrap();
    said.write_all(b"to whom?\n").unwrap();
    said.rewind().unwrap();
    assert!(heard(said.into()).contains("it has no address, so nothing can be sent to it"));
}
