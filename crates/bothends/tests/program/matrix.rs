//! Every service on every transport under every engine, each with a client in Python; what cannot be is refused before
//! anybody listens. Then the programs that people have, against each service.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::running::{Server, bothends, has, run, stderr, stdout, wait};

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

/// What a command line that talks to a server puts out for its input.
fn peer(command: &str, place: &str, input: &[u8]) -> Vec<u8> {
    run(Command::new("timeout").args(["20", "sh", "-c", &at(command, place)]), input).stdout
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

/// What services answer to [`MESSAGE`].
fn answers() -> [(&'static [&'static str], Vec<u8>); 3] {
    [
        (&["echo"], MESSAGE.to_vec()),
        (&["upper"], MESSAGE.to_ascii_uppercase()),
        (&["reply", "hello, i am server"], b"hello, i am server".to_vec()),
    ]
}

#[test]
fn heavy_the_programs_that_people_have_talk_to_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (stream, packets, datagrams) = (
        format!("unix:{}", at("s")),
        format!("unix-seqpacket:{}", at("p")),
        format!("unix-dgram:{}", at("d")),
    );
    let name = format!("unix:@bothends-programs-{}", std::process::id());
    let own = at("own");
    let datagram_client = format!("socat -t1 - UNIX-SENDTO:PATH,bind={own}");
    let cases: [(&str, &str, &str); 12] = [
        ("nc", "127.0.0.1:0", "nc -N HOST PORT"),
        ("ncat", "127.0.0.1:0", "ncat HOST PORT"),
        ("socat", "127.0.0.1:0", "socat -t5 - TCP:HOST:PORT"),
        ("nc", "udp://127.0.0.1:0", "nc -u -w 1 HOST PORT"),
        ("ncat", "udp://127.0.0.1:0", "(cat; sleep 1) | ncat -u HOST PORT"),
        ("socat", "udp://127.0.0.1:0", "socat -t1 - UDP:HOST:PORT"),
        ("nc", &stream, "nc -N -U PATH"),
        ("ncat", &stream, "ncat -U PATH"),
        ("socat", &stream, "socat -t5 - UNIX-CONNECT:PATH"),
        ("socat", &name, "socat -t5 - ABSTRACT-CONNECT:NAME"),
        ("socat", &packets, "socat -t5 - UNIX-CONNECT:PATH,type=5"),
        ("socat", &datagrams, &datagram_client),
    ];
    for (program, place, command) in cases {
        if !has(program, "real clients against `serve`") {
            continue;
        }
        let has_connections = !place.starts_with("udp") && !place.starts_with("unix-dgram");
        for engine in ENGINES.into_iter().filter(|engine| has_connections || *engine == "event") {
            for (service, answer) in answers() {
                let server = Server::start(&[service, &[place, "--engine", engine]].concat());
                let got = peer(command, &server.place, MESSAGE);
                assert_eq!(got, answer, "{service:?} under {engine}: {command}");
                server.stop();
            }
        }
    }
}

/// curl ends when both its input and the server have, so the test hears the answer and then stops the server.
#[test]
fn curl_talks_to_services_as_telnet_does() {
    if !has("curl", "curl (telnet://) against `serve`") {
        return;
    }
    for engine in ENGINES {
        for (service, answer) in answers() {
            let server =
                Server::start(&[service, &["127.0.0.1:0", "--engine", engine, "--grace", "0"]].concat());
            let mut curl = Command::new("curl")
                .args(["-sN", "--max-time", "20", &format!("telnet://{}", server.address)])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            curl.stdin.as_ref().unwrap().write_all(MESSAGE).unwrap();
            let mut got = vec![0; answer.len()];
            curl.stdout.as_mut().unwrap().read_exact(&mut got).unwrap();
            assert_eq!(got, answer, "{service:?} under {engine}");
            drop(curl.stdin.take());
            server.stop();
            wait(&mut curl);
        }
        let server = Server::start(&["daytime", "127.0.0.1:0", "--engine", engine]);
        let output = run(Command::new("curl").args(["-s", &format!("telnet://{}", server.address)]), b"");
        assert!(output.status.success() && stdout(&output).contains(":"), "{engine}: {output:?}");
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
