//! What one client may do, and who may come: each limit through the binary, and that it costs nobody else anything.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::ENGINES;
use crate::running::{PATIENCE, Server, has, left_out, run, stderr, stdout};

fn limited(service: &str, engine: &str, limits: &[&str]) -> Server {
    Server::start(&[&[service, "127.0.0.1:0", "--engine", engine, "-v"], limits].concat())
}

fn client(server: &Server) -> TcpStream {
    let client = TcpStream::connect(server.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn is_echoed(mut client: &TcpStream, text: &[u8]) -> bool {
    let mut got = vec![0; text.len()];
    client.write_all(text).is_ok() && client.read_exact(&mut got).is_ok() && got == text
}

/// Whether the server has ended the conversation, after what else it had to say.
fn is_over(client: &mut TcpStream) -> bool {
    match client.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn who_sends_more_than_it_may_is_let_go() {
    for engine in ENGINES {
        for service in ["echo", "discard", "collect"] {
            let mut server = limited(service, engine, &["--max-bytes", "1K"]);
            let mut greedy = client(&server);
            let modest = client(&server);
            greedy.write_all(&[b'x'; 1024]).unwrap();
            greedy.write_all(b"y").unwrap();
            assert!(is_over(&mut greedy), "{service} under {engine}");
            let line = server.says("for a limit was reached");
            assert!(line.contains("1,024 bytes in") || line.contains("1024 bytes in"), "{engine}: {line}");
            assert!(service != "echo" || is_echoed(&modest, b"hello"), "{engine}");
        }
    }
}

#[test]
fn a_message_may_be_so_long() {
    for engine in ENGINES {
        let mut server = limited("collect", engine, &["--max-message", "10"]);
        let mut client = client(&server);
        client.write_all(b"0123456789\nthis one is longer\n").unwrap();
        assert!(is_over(&mut client), "{engine}");
        server.says("for a limit was reached");
    }
    let mut server = Server::start(&["echo", "udp://127.0.0.1:0", "--max-message", "10", "-v"]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.send_to(b"this one is longer", server.address).unwrap();
    peer.send_to(b"short", server.address).unwrap();
    let mut got = [0; 100];
    let length = peer.recv(&mut got).unwrap();
    assert_eq!(&got[..length], b"short");
    let line = server.says("is dropped");
    assert!(line.contains("18 bytes") && line.contains("the limit is 10"), "{line}");
}

#[test]
fn the_silent_are_let_go_and_those_who_talk_are_not() {
    for engine in ENGINES {
        let mut server = limited("echo", engine, &["--idle", "600ms"]);
        let (mut silent, talking) = (client(&server), client(&server));
        let start = Instant::now();
        let listens = std::thread::spawn(move || is_over(&mut silent));
        while !listens.is_finished() {
            assert!(is_echoed(&talking, b"x"), "{engine}: it talks");
        }
        assert!(listens.join().unwrap(), "{engine}");
        assert!(start.elapsed() >= Duration::from_millis(590), "{engine}: {:?}", start.elapsed());
        let line = server.says("silent for too long");
        assert!(line.contains("client 1,"), "{engine}: {line}");
        assert!(is_echoed(&talking, b"y"), "{engine}: it may go on");
    }
}

#[test]
fn no_session_is_longer_than_it_may_be() {
    for engine in ENGINES {
        let mut server = limited("echo", engine, &["--max-time", "400ms"]);
        let talking = client(&server);
        let start = Instant::now();
        while is_echoed(&talking, b"x") {
            assert!(start.elapsed() < PATIENCE, "{engine}: it talks on and on");
        }
        assert!(start.elapsed() >= Duration::from_millis(390), "{engine}: {:?}", start.elapsed());
        server.says("for a limit was reached");
    }
}

/// 80,000 bits are 10,000 bytes; what a tenth of a second holds may come at once.
#[test]
fn nobody_is_faster_than_it_may_be() {
    for engine in ENGINES {
        let server = limited("source", engine, &["--size", "10000", "--rate", "80k"]);
        let start = Instant::now();
        let mut all = Vec::new();
        client(&server).read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 10_000, "{engine}");
        assert!(start.elapsed() > Duration::from_millis(850), "{engine} gave it in {:?}", start.elapsed());

        let server = limited("echo", engine, &["--rate", "80k"]);
        let (mut fast, start) = (client(&server), Instant::now());
        let mut writing = fast.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            writing.write_all(&[b'x'; 10_000]).unwrap();
            writing.shutdown(Shutdown::Write).unwrap();
        });
        all.clear();
        fast.read_to_end(&mut all).unwrap();
        writer.join().unwrap();
        assert_eq!(all.len(), 10_000, "{engine}");
        assert!(start.elapsed() > Duration::from_millis(850), "{engine} took it in {:?}", start.elapsed());
    }
}

fn from(address: [u8; 4], server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((address, 0)).into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}

#[test]
fn one_source_has_only_so_many_places() {
    for engine in ENGINES {
        let mut server = limited("echo", engine, &["--max-per-source", "2"]);
        let inside: Vec<_> = (0..2).map(|_| client(&server)).collect();
        assert!(inside.iter().all(|client| is_echoed(client, b"x")), "{engine}");
        assert!(is_over(&mut client(&server)), "{engine}");
        let line = server.says("turned away");
        assert!(line.contains("--max-per-source 2"), "{engine}: {line}");
        assert!(is_echoed(&from([127, 0, 0, 2], server.address).unwrap(), b"x"), "{engine}: another source");
        drop(inside);
        crate::running::until("a freed place is another's", || is_echoed(&client(&server), b"x"));
    }
}

#[test]
fn only_those_who_are_allowed_come() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let allowed = folder.path().join("allowed");
        std::fs::write(&allowed, "# the house\n127.0.1.0/24\n").unwrap();
        let lists =
            ["--allow", "127.0.0.2", "--deny", "127.0.1.9", "--allow-file", allowed.to_str().unwrap()];
        let mut server = limited("echo", engine, &lists);
        for (source, may) in
            [([127, 0, 0, 2], true), ([127, 0, 1, 8], true), ([127, 0, 1, 9], false), ([127, 0, 0, 1], false)]
        {
            let came = from(source, server.address).is_ok_and(|client| is_echoed(&client, b"x"));
            assert_eq!(came, may, "{engine}: {source:?}");
        }
        assert!(server.says("turned away").contains("127.0.1.9 is denied"), "{engine}");
        assert!(server.says("turned away").contains("on no list of those allowed"), "{engine}");
    }
}

/// Somebody says line after line and never reads, somebody never ends a line, somebody comes and resets again and again.
#[test]
fn the_hostile_cost_only_themselves() {
    for (service, engine) in ENGINES.into_iter().flat_map(|engine| [("echo", engine), ("collect", engine)]) {
        let server = Server::start(&[service, "127.0.0.1:0", "--engine", engine]);
        let address = server.address;
        let is_over = Arc::new(AtomicBool::new(false));
        let hostile: Vec<_> = (0..6)
            .map(|number| {
                let is_over = Arc::clone(&is_over);
                std::thread::spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let Ok(mut client) = TcpStream::connect(address) else { return };
                        match number % 3 {
                            0 => flood(&mut client, b"and on and on\n", &is_over),
                            1 => flood(&mut client, b"no end ", &is_over),
                            _ => abort(client),
                        }
                    }
                })
            })
            .collect();
        let modest = client(&server);
        for _ in 0..200 {
            match service {
                "echo" => assert!(is_echoed(&modest, b"hello"), "{engine}"),
                _ => (&modest).write_all(b"hello\n").unwrap(),
            }
        }
        modest.shutdown(Shutdown::Write).unwrap();
        assert_eq!((&modest).read(&mut [0]).unwrap(), 0, "{service} under {engine}: its end is in order");
        let grown = peak_kb(&server);
        assert!(grown < 40_000, "{service} under {engine}: {grown} kB at its most");
        is_over.store(true, Ordering::Relaxed);
        drop(server);
        for client in hostile {
            let _ = client.join();
        }
    }
}

/// Says this again and again until the server has it gone or it is over, and never reads.
fn flood(client: &mut TcpStream, text: &[u8], is_over: &AtomicBool) {
    client.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let much = text.repeat(1000);
    while !is_over.load(Ordering::Relaxed) {
        match client.write(&much) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

fn abort(mut client: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    let _ = client.write_all(b"half a li");
}

fn peak_kb(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// In a network of its own: echo's neighbours of RFC 862 to 868 have its port as their source, and one forged datagram from
/// the server to itself would otherwise go round for ever.
const LOOPS: &str = r#"
import re, socket, struct, subprocess, sys
def udp(address):
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(address)
    peer.settimeout(20)
    return peer
server = subprocess.Popen([sys.argv[1], "serve", "echo", "udp://127.0.0.1:0", "-vv"], stderr=subprocess.PIPE, text=True)
try:
    port = int(re.search(r":(\d+) ", server.stderr.readline()).group(1))
    for loop in [7, 13, 17, 19, 37]:
        udp(("127.0.0.2", loop)).sendto(b"loop %d" % loop, ("127.0.0.1", port))
    text = b"from itself"
    forged = struct.pack("!HHHH", port, port, 8 + len(text), 0) + text
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    raw.bind(("127.0.0.1", 0))
    raw.sendto(forged, ("127.0.0.1", 0))
    peer = udp(("127.0.0.1", 0))
    peer.sendto(b"hello", ("127.0.0.1", port))
    print(peer.recv(100).decode())
    server.terminate()
    said = server.stderr.read()
    for word in ["loop 7", "loop 13", "loop 17", "loop 19", "loop 37", "from itself"]:
        print(word, said.count('"%s"' % word))
    print("answered", len(re.findall(r"1[1-9] bytes out|[67] bytes out", said)))
    print(said, file=sys.stderr)
finally:
    server.kill()
"#;

#[test]
fn an_echo_by_udp_answers_no_echo() {
    let test = "echo loops over UDP";
    let own_network = ["-rn", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    if !has("python3", test) || !has("unshare", test) || !has("ip", test) {
        return;
    }
    if !Command::new("unshare").args(own_network).arg("true").status().is_ok_and(|status| status.success()) {
        return left_out(test, "a network of one's own is not permitted here");
    }
    let program = ["python3", "-c", LOOPS, env!("CARGO_BIN_EXE_bothends")];
    let output = run(Command::new("unshare").args(own_network).args(program), b"");
    let expected = "hello\nloop 7 1\nloop 13 1\nloop 17 1\nloop 19 1\nloop 37 1\nfrom itself 1\nanswered 0\n";
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
}
