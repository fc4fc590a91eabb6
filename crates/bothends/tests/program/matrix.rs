//! Every service on every transport under every engine, each with a client in Python; what cannot be is refused before
//! anybody listens. Then the programs that people have, against each service.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use crate::running::{PATIENCE, Server, bothends, has, run, stderr, stdout};

const ENGINES: [&str; 3] = ["event", "thread", "process"];

/// Each service with its words behind the name.
const SERVICES: [(&str, &[&str]); 9] = [
    ("echo", &[]),
    ("upper", &[]),
    ("reply", &["hello, i am server"]),
    ("discard", &[]),
    ("source", &["--size", "100000"]),
    ("daytime", &[]),
    ("time", &[]),
    ("collect", &[]),
    ("chat", &[]),
];

/// Where to listen, by transport; `DIR` is a folder of the test.
const PLACES: [(&str, &str); 11] = [
    ("tcp", "tcp://127.0.0.1:0"),
    ("tcp", "tcp://[::1]:0"),
    ("udp", "udp://127.0.0.1:0"),
    ("udp", "udp://[::1]:0"),
    ("unix", "unix:DIR/stream"),
    ("unix", "unix:@bothends-matrix-PID"),
    ("unix-dgram", "unix-dgram:DIR/datagrams"),
    ("unix-seqpacket", "unix-seqpacket:DIR/packets"),
    ("tcp", "fd:3"),
    ("udp", "fd:3"),
    ("unix", "fd:3"),
];

/// design.md's rule: datagrams are the event engine's alone, chat is not the process engine's, and a source of datagrams
/// would flood whomever a forged address names.
fn is_served(service: &str, transport: &str, engine: &str) -> bool {
    let datagrams = matches!(transport, "udp" | "unix-dgram");
    !(datagrams && (engine != "event" || service == "source") || service == "chat" && engine == "process")
}

/// A socket that somebody else opened, for `fd:3`.
fn opened_elsewhere(transport: &str, folder: &Path) -> OwnedFd {
    match transport {
        "tcp" => TcpListener::bind("127.0.0.1:0").unwrap().into(),
        "udp" => UdpSocket::bind("127.0.0.1:0").unwrap().into(),
        _ => {
            let path = folder.join("elsewhere");
            let _ = std::fs::remove_file(&path);
            UnixListener::bind(path).unwrap().into()
        }
    }
}

fn speaks(service: &str, place: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/speak.py");
    let output = run(Command::new("python3").args([script, service, place]), b"");
    format!("{}{}", stdout(&output), stderr(&output))
}

#[test]
fn heavy_every_service_on_every_transport_under_every_engine() {
    if !has("python3", "service × transport × engine") {
        return;
    }
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (transport, place) in PLACES.iter().filter(|(_, place)| has_ipv6 || !place.contains("[::1]")) {
        let is_inherited = *place == "fd:3";
        let place = place.replace("DIR", folder.path().to_str().unwrap());
        let place = place.replace("PID", &std::process::id().to_string());
        for engine in ENGINES {
            for (service, words) in SERVICES {
                let case = format!("{service} on {place} ({transport}) under {engine}");
                let mut arguments = vec![service];
                arguments.extend(words);
                arguments.extend([place.as_str(), "--engine", engine]);
                if is_served(service, transport, engine) {
                    let server = match is_inherited {
                        true => Server::with_socket(opened_elsewhere(transport, folder.path()), &arguments),
                        false => Server::start(&arguments),
                    };
                    let heard = speaks(service, &server.place);
                    let (status, said) = server.stop();
                    if heard != "ok\n" || status.code() != Some(0) {
                        wrong.push(format!("{case}: {heard}; {status}; it said: {said}"));
                    }
                } else {
                    let output = match is_inherited {
                        true => refused_with_socket(opened_elsewhere(transport, folder.path()), &arguments),
                        false => run(bothends(&["serve"]).args(&arguments), b""),
                    };
                    let told = stderr(&output);
                    if output.status.code() != Some(2) || told.contains("listening") || told.len() < 30 {
                        wrong.push(format!("{case}: should be refused: {}, {told}", output.status));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn refused_with_socket(socket: OwnedFd, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new("sh");
    command.args(["-c", "exec timeout 20 \"$@\" 3<&0 </dev/null", "sh", env!("CARGO_BIN_EXE_bothends")]);
    command.arg("serve").args(arguments).stdin(socket).output().unwrap()
}

/// What a program puts out that talks to a server: whatever came to the end of both, or where that is not the end of the
/// program, until what came is right.
fn peer(command: &str, place: &str, is_right: IsRight) -> Vec<u8> {
    let words = at(command, place);
    let mut words = words.split(' ');
    let mut program = Command::new(words.next().unwrap());
    program.args(words);
    let ends_with_its_input =
        !["-u", "UDP:", "UNIX-SENDTO:", "telnet:"].iter().any(|it| command.contains(it));
    if ends_with_its_input {
        return run(&mut program, MESSAGE).stdout;
    }
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.as_ref().unwrap().write_all(MESSAGE).unwrap();
    let (sender, said) = channel();
    let mut stdout = child.stdout.take().unwrap();
    std::thread::spawn(move || {
        let mut piece = [0; 10_000];
        while let Ok(length @ 1..) = stdout.read(&mut piece) {
            let _ = sender.send(piece[..length].to_vec());
        }
    });
    let mut all = Vec::new();
    while !is_right(&all)
        && let Ok(piece) = said.recv_timeout(PATIENCE)
    {
        all.extend(piece);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    all
}

/// The command line with the place of the server.
fn at(command: &str, place: &str) -> String {
    let (_, address) = place.split_once(':').unwrap();
    let address = address.trim_start_matches("//");
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let name = address.trim_start_matches('@');
    command.replace("HOST", host).replace("PORT", port).replace("PATH", address).replace("NAME", name)
}

const MESSAGE: &[u8] = b"grus\xc3\xbc\0\x01 and more\n";

/// Whether this is what a service says to a client that says [`MESSAGE`].
type IsRight = fn(&[u8]) -> bool;

/// Each service with its words behind the name.
const ANSWERS: [(&[&str], IsRight); 9] = [
    (&["echo"], |got| got == MESSAGE),
    (&["upper"], |got| got == MESSAGE.to_ascii_uppercase()),
    (&["reply", "hello, i am server"], |got| got == b"hello, i am server"),
    (&["discard"], <[u8]>::is_empty),
    (&["source", "--size", "5000"], |got| got.len() == 5000 && got.starts_with(b"!\"#$%&'()")),
    (&["daytime"], |got| got.ends_with(b"\r\n") && got.contains(&b':')),
    (&["time"], |got| got.len() == 4),
    (&["collect"], <[u8]>::is_empty),
    (&["chat"], |got| got.starts_with(b"* you are client-1 in lobby")),
];

#[test]
fn heavy_the_programs_that_people_have_talk_to_every_service_on_every_transport() {
    // Where the client's own socket needs a name, it has one beside the server's.
    let cases: [(&str, &str); 13] = [
        ("tcp://127.0.0.1:0", "nc -N HOST PORT"),
        ("tcp://127.0.0.1:0", "ncat HOST PORT"),
        ("tcp://127.0.0.1:0", "socat -t5 - TCP:HOST:PORT"),
        ("tcp://127.0.0.1:0", "curl -sN telnet://HOST:PORT"),
        ("udp://127.0.0.1:0", "nc -u HOST PORT"),
        ("udp://127.0.0.1:0", "ncat -u HOST PORT"),
        ("udp://127.0.0.1:0", "socat - UDP:HOST:PORT"),
        ("unix:DIR/s", "nc -N -U PATH"),
        ("unix:DIR/s", "ncat -U PATH"),
        ("unix:DIR/s", "socat -t5 - UNIX-CONNECT:PATH"),
        ("unix:@bothends-programs-PID", "socat -t5 - ABSTRACT-CONNECT:NAME"),
        ("unix-seqpacket:DIR/p", "socat -t5 - UNIX-CONNECT:PATH,type=5"),
        ("unix-dgram:DIR/d", "socat - UNIX-SENDTO:PATH,bind=PATH.own"),
    ];
    std::thread::scope(|scope| {
        for (place, command) in cases {
            if has(command.split(' ').next().unwrap(), "real clients against `serve`") {
                scope.spawn(move || a_program_talks_to_every_service(place, command));
            }
        }
    });
}

fn a_program_talks_to_every_service(place: &str, command: &str) {
    let (transport, _) = place.split_once(':').unwrap();
    for engine in ENGINES {
        for (service, is_right) in ANSWERS.into_iter().filter(|it| is_served(it.0[0], transport, engine)) {
            let folder = tempfile::tempdir().unwrap();
            let place = place.replace("DIR", folder.path().to_str().unwrap());
            let place = place.replace("PID", &std::process::id().to_string());
            let server = Server::start(&[service, &[&*place, "--engine", engine]].concat());
            let got = peer(command, &server.place, is_right);
            let text = String::from_utf8_lossy(&got);
            assert!(is_right(&got), "{service:?} under {engine}, {command}: {text:?}");
        }
    }
}

/// A thousand times more is answered than was asked: each engine makes it as the client takes it.
#[test]
fn every_message_is_answered_however_many_come_at_once() {
    let text = "x".repeat(999);
    let asked = vec![b'\n'; 50_000];
    for engine in ENGINES {
        let server = Server::start(&["reply", &text, "127.0.0.1:0", "--frame", "line", "--engine", engine]);
        let output = run(&mut bothends(&["connect", &server.address.to_string()]), &asked);
        assert_eq!(output.stdout.len(), 50_000 * 1000, "{engine}: {}", stderr(&output));
        let peak = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
        let kb: u64 = peak.trim_end_matches("kB").trim().parse().unwrap();
        assert!(kb < 40_000, "{engine}: {kb} kB at its most");
    }
}
