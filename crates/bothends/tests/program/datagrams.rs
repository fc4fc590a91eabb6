//! Datagrams: every peer is heard, labelled and answered; what is cut or refused is told.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use crate::listen::Listening;
use crate::running::{PATIENCE, bothends, has, left_out, of_type, records, run, stderr, stdout, until, wait};

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn received(socket: &UdpSocket) -> String {
    let mut bytes = [0; 100];
    let (length, _) = socket.recv_from(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn two_peers_are_labelled_and_both_are_answered() {
    let mut listening = Listening::start(&["udp://127.0.0.1:0", "--label"]);
    let (one, two) = (socket(), socket());
    let said = |who: &UdpSocket, text: &str| format!("{}: {text}", who.local_addr().unwrap());
    for (who, text) in [(&one, "first\n"), (&two, "second\n"), (&one, "third\n")] {
        who.send_to(text.as_bytes(), listening.address()).unwrap();
        let expected = said(who, text);
        assert_eq!(listening.shows(expected.len()), expected);
        // To whoever spoke last.
        listening.types(b"heard\n");
        assert_eq!(received(who), "heard\n");
    }
    // To one by name, though another spoke last.
    listening.types(format!("@{} you\n", two.local_addr().unwrap()).as_bytes());
    assert_eq!(received(&two), "you\n");
    listening.signal(rustix::process::Signal::TERM);
    assert_eq!(listening.ends().code, Some(143));
}

#[test]
fn in_a_pipe_datagrams_are_their_bytes() {
    let mut listening = Listening::start(&["udp://127.0.0.1:0"]);
    socket().send_to(b"a", listening.address()).unwrap();
    assert_eq!(listening.shows(1), "a");
    socket().send_to(b"b\n", listening.address()).unwrap();
    assert_eq!(listening.shows(2), "b\n");
}

#[test]
fn one_shot_receiver_and_sender() {
    let listening = Listening::start(&["--once", "--label", "-u", "0"]);
    assert!(listening.place.starts_with("udp://127.0.0.1:"), "{}", listening.place);
    let output =
        run(&mut bothends(&["connect", &listening.place, "--send", "one shot", "--linger", "0"]), b"");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let ended = listening.ends();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.starts_with("127.0.0.1:") && ended.stdout.ends_with(": one shot\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn sending_to_nobody_is_told_with_the_peer() {
    let nobody = socket().local_addr().unwrap();
    let output = run(&mut bothends(&["connect", &format!("udp://{nobody}")]), b"anyone?\n");
    let told = stderr(&output);
    assert!(told.contains(&nobody.to_string()) && told.contains("refused"), "{told}");
    // The one who hears us is not punished for the one who does not: a listener goes on.
    let mut listening = Listening::start(&["udp://127.0.0.1:0", "--label"]);
    let gone = socket();
    gone.send_to(b"bye\n", listening.address()).unwrap();
    let gone_at = gone.local_addr().unwrap();
    listening.shows(format!("{gone_at}: bye\n").len());
    drop(gone);
    listening.types(b"still there?\n");
    assert!(listening.says("refused").contains(&gone_at.to_string()));
    let next = socket();
    next.send_to(b"hello\n", listening.address()).unwrap();
    let expected = format!("{}: hello\n", next.local_addr().unwrap());
    assert_eq!(listening.shows(expected.len()), expected);
}

#[test]
fn a_line_is_a_datagram_and_the_end_is_a_second_of_quiet() {
    let peer = socket();
    let address = format!("udp://{}", peer.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let mut bytes = [0; 100];
        for _ in 0..2 {
            let (length, from) = peer.recv_from(&mut bytes).unwrap();
            heard.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            peer.send_to(b"ok\n", from).unwrap();
        }
        heard
    });
    let output = run(&mut bothends(&["connect", &address, "--json"]), b"one\ntwo\n");
    assert_eq!(server.join().unwrap(), ["one\n", "two\n"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let records = records(&output);
    let data = of_type(&records, "data");
    assert_eq!(data.len(), 2, "{records:?}");
    assert!(data.iter().all(|data| data["text"] == "ok" && data["remote"].is_string()));
    let closed = &of_type(&records, "closed")[0];
    assert_eq!((closed["in_bytes"].as_u64(), closed["out_bytes"].as_u64()), (Some(6), Some(8)));
}

/// A program of somebody else, with its keyboard and what it shows.
struct Theirs(std::process::Child);

impl Theirs {
    fn start(words: &[&str], port: &str) -> Theirs {
        let words: Vec<String> = words.iter().map(|word| word.replace("PORT", port)).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Theirs(command.spawn().unwrap())
    }

    fn types(&mut self, text: &str) {
        self.0.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn shows(&mut self, text: &str, what: &str) {
        let mut shown = vec![0; text.len()];
        self.0.stdout.as_mut().unwrap().read_exact(&mut shown).unwrap();
        assert_eq!(String::from_utf8_lossy(&shown), text, "{what}");
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn programs_of_others_are_peers_like_any() {
    let python = "import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(sys.stdin.readline().encode(), ('127.0.0.1', PORT))
sys.stdout.buffer.write(s.recvfrom(99)[0])
sys.stdout.flush()
sys.stdin.read()";
    let clients: [&[&str]; 4] = [
        &["nc", "-u", "127.0.0.1", "PORT"],
        &["ncat", "-u", "127.0.0.1", "PORT"],
        &["socat", "-", "UDP:127.0.0.1:PORT"],
        &["python3", "-c", python],
    ];
    let clients: Vec<&[&str]> =
        clients.into_iter().filter(|words| has(words[0], "datagrams: peers")).collect();
    let mut listening = Listening::start(&["udp://127.0.0.1:0"]);
    let port = listening.address().port().to_string();
    // All at once: none of them keeps the others away.
    let mut peers: Vec<Theirs> = clients.iter().map(|words| Theirs::start(words, &port)).collect();
    for (words, peer) in clients.iter().zip(&mut peers) {
        let (hello, answer) = (format!("I am {}\n", words[0]), format!("hello {}\n", words[0]));
        peer.types(&hello);
        assert_eq!(listening.shows(hello.len()), hello);
        listening.types(answer.as_bytes());
        peer.shows(&answer, words[0]);
    }
}

/// A port for UDP that nobody has, for programs that cannot tell which one the kernel chose.
fn free_port() -> String {
    socket().local_addr().unwrap().port().to_string()
}

/// Whether somebody has this port, as the kernel's table says.
fn is_bound(port: &str) -> bool {
    let wanted = format!(":{:04X} ", port.parse::<u16>().unwrap());
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    table
        .lines()
        .skip(1)
        .any(|row| row.split_whitespace().nth(1).is_some_and(|at| wanted.trim_end() == &at[8..]))
}

#[test]
fn servers_of_others_are_talked_with() {
    let python = "import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', PORT))
text, peer = s.recvfrom(99)
sys.stdout.buffer.write(text)
sys.stdout.flush()
s.sendto(sys.stdin.readline().encode(), peer)
sys.stdin.read()";
    let servers: [&[&str]; 4] = [
        &["nc", "-u", "-l", "127.0.0.1", "PORT"],
        &["ncat", "-u", "-l", "127.0.0.1", "PORT"],
        &["socat", "-", "UDP-LISTEN:PORT,bind=127.0.0.1"],
        &["python3", "-c", python],
    ];
    for words in servers.into_iter().filter(|words| has(words[0], "datagrams: servers of others")) {
        let port = free_port();
        let mut server = Theirs::start(words, &port);
        until(words[0], || is_bound(&port));
        let mut command = bothends(&["connect", "-u", "127.0.0.1", &port, "--expect", "hello"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = command.spawn().unwrap();
        client.stdin.as_mut().unwrap().write_all(b"I am bothends\n").unwrap();
        server.shows("I am bothends\n", words[0]);
        server.types("hello bothends\n");
        let code = wait(&mut client).code();
        let output = client.wait_with_output().unwrap();
        assert_eq!((code, stdout(&output).as_str()), (Some(0), "hello bothends\n"), "{}", stderr(&output));
    }
}

#[test]
fn records_tell_each_peer_before_what_it_says() {
    let listening = Listening::start(&["udp://:0", "--json", "--idle", "200ms"]);
    let port = listening.place.rsplit(':').next().unwrap().to_owned();
    let (one, two) = (socket(), socket());
    for (who, text) in [(&one, "a"), (&two, "b\n"), (&one, "c")] {
        who.send_to(text.as_bytes(), format!("127.0.0.1:{port}")).unwrap();
    }
    let ended = listening.ends();
    let told: Vec<(String, u64, String)> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|record| record["type"] == "opened" || record["type"] == "data")
        .map(|record| {
            let text = record["text"].as_str().or(record["local"].as_str()).unwrap_or_default();
            (record["type"].as_str().unwrap().to_owned(), record["client"].as_u64().unwrap(), text.to_owned())
        })
        .collect();
    // Our end is the address that was asked, though we listen on every one.
    let local = format!("127.0.0.1:{port}");
    let expected = [
        ("opened", 1, local.as_str()),
        ("data", 1, "a"),
        ("opened", 2, &local),
        ("data", 2, "b"),
        ("data", 1, "c"),
    ];
    let expected = expected.map(|(kind, client, text)| (kind.to_owned(), client, text.to_owned()));
    assert_eq!(told, expected, "{}", ended.stderr);
    assert_eq!(ended.code, Some(28));
}

#[test]
fn who_is_denied_is_not_heard_and_nobody_in_time_is_told() {
    let listening = Listening::start(&["udp://127.0.0.1:0", "--deny", "127.0.0.0/8", "-w", "300ms", "-v"]);
    socket().send_to(b"hello\n", listening.address()).unwrap();
    assert!(listening.says("turned away").contains("127.0.0.0/8 is denied"));
    let ended = listening.ends();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(28), ""), "{}", ended.stderr);
}

#[test]
fn a_mistake_at_the_keyboard_goes_nowhere_and_in_a_file_it_is_data() {
    if !has("python3", "datagrams: a keyboard") {
        return;
    }
    let keyboard = "import os, pty, subprocess, sys
ours, theirs = pty.openpty()
program = subprocess.Popen(sys.argv[1:], stdin=theirs)
for line in sys.stdin:
    os.write(ours, line.encode())
sys.exit(program.wait())";
    let server = socket();
    let address = format!("udp://{}", server.local_addr().unwrap());
    let arguments = ["connect", &address, "--until", "quit", "--linger", "0"];
    let typed = b"@nobody hi\n@ @home\nquit\n";
    let mut command = Command::new("python3");
    command.args(["-c", keyboard, env!("CARGO_BIN_EXE_bothends")]).args(arguments);
    let output = run(&mut command, typed);
    assert_eq!(received(&server), "@home\n");
    let told = stderr(&output);
    assert!(told.contains("send to nobody: it has to be an IP address with its port"), "{told}");
    assert_eq!(output.status.code(), Some(55));
    let output = run(&mut bothends(&arguments), typed);
    assert_eq!((received(&server), received(&server)), ("@nobody hi\n".into(), "@ @home\n".into()));
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn messages_with_their_length_in_front_are_for_streams() {
    for arguments in [["connect", "udp://127.0.0.1:9"], ["listen", "udp://127.0.0.1:0"]] {
        let output = run(bothends(&arguments).args(["--frame", "len32"]), b"");
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
        assert!(stderr(&output).contains("frame=len32 is for streams"), "{}", stderr(&output));
    }
}

/// Runs a script in network namespaces of its own; none where that is not allowed.
fn in_networks_of_its_own(script: &str, test: &str) -> Option<String> {
    let makes_networks = "mount -t tmpfs tmpfs /run && ip link add wire type bridge && ip netns add a";
    let can = Command::new("unshare").args(["-rnm", "sh", "-c", makes_networks]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        left_out(test, "needs network namespaces of its own, joined by a bridge");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{}/tests/program/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("unshare");
    command.args(["-rnm", "timeout", "-k", "5", "30", "bash", &script, env!("CARGO_BIN_EXE_bothends")]);
    let output = run(command.current_dir(folder.path()), b"");
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    Some(stdout(&output))
}

#[test]
fn a_broadcast_needs_leave_and_reaches_all() {
    let Some(got) = in_networks_of_its_own("broadcast.sh", "broadcast: two hosts on one wire") else {
        return;
    };
    let expected = "\
55 send to udp://10.9.0.255:5000: permission denied (--broadcast allows it)
10.9.0.1:5000: I am 1
10.9.0.2:5000: I am 2
1 hello, all
2 hello, all
";
    assert_eq!(got, expected);
}

#[test]
fn an_interface_that_goes_and_comes_back_is_told_and_survived() {
    let Some(got) = in_networks_of_its_own("lost_interface.sh", "datagrams: a removed interface") else {
        return;
    };
    let mut lines = got.lines();
    assert_eq!((lines.next(), lines.next()), (Some("sender 143"), Some("listener 143")), "{got}");
    let told = "send to udp://10.9.0.2:5000: network is unreachable";
    assert!(lines.next().is_some_and(|line| line.starts_with(told)), "{got}");
}

#[test]
fn a_server_that_loses_an_interface_goes_on_with_the_others() {
    let Some(got) = in_networks_of_its_own("lost_server_interface.sh", "serve: a removed interface") else {
        return;
    };
    let mut lines = got.lines();
    assert_eq!(lines.next(), Some("server 0"), "{got}");
    let told: Vec<&str> = lines.collect();
    let is_told = |line: &str| {
        line.starts_with("send to ") && line.contains("10.9.0.2:") && line.contains("network is unreachable")
    };
    assert!(
        told.len() == 2 && told.iter().all(|line| is_told(line)),
        "once each time, with the peer that it is about: {got}"
    );
}

#[test]
fn a_queue_without_room_is_told_and_waited_for() {
    let test = "datagrams: a queue without room";
    let adds_queue = "ip link set lo up && tc qdisc add dev lo root bfifo limit 1";
    let can = Command::new("unshare").args(["-rn", "sh", "-c", adds_queue]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        return left_out(test, "needs a network namespace of its own and tc");
    }
    let Some(got) = in_networks_of_its_own("no_room.sh", test) else { return };
    assert_eq!(got, "send to udp://127.0.0.1:5000: no buffer space available\nhello");
}

#[test]
fn unix_datagrams_go_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("unix-dgram:{}", folder.path().join("d").display());
    let mut listening = Listening::start(&[&place]);
    let client = std::thread::spawn(move || {
        run(&mut bothends(&["connect", &place, "--expect", "heard", "--max-time", "20s"]), b"hello\n")
    });
    assert_eq!(listening.shows(6), "hello\n");
    listening.types(b"heard\n");
    let output = client.join().unwrap();
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "heard\n"), "{}", stderr(&output));
}

#[test]
fn three_hosts_in_a_multicast_group_and_one_outside() {
    let test = "multicast: three hosts in the group, one outside";
    let Some(got) = in_networks_of_its_own("multicast.sh", test) else { return };
    assert_eq!(got, "1 hello, group\n2 hello, group\n3 hello, group\n4 hello, you\n");
}
