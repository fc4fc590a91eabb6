//! Every service under every engine, each with a client in Python, and with the programs that people have.

use std::process::Command;

use crate::running::{Server, bothends, has, run, stderr, stdout};

const ENGINES: [&str; 3] = ["event", "thread", "process"];

/// Each service with its words behind the name.
const SERVICES: [(&str, &[&str]); 7] = [
    ("echo", &[]),
    ("upper", &[]),
    ("reply", &["hello, i am server"]),
    ("discard", &[]),
    ("source", &["--size", "100000"]),
    ("daytime", &[]),
    ("time", &[]),
];

/// Where to listen.
const PLACES: [&str; 2] = ["tcp://127.0.0.1:0", "tcp://[::1]:0"];

fn speaks(service: &str, place: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/speak.py");
    let output = run(Command::new("python3").args([script, service, place]), b"");
    format!("{}{}", stdout(&output), stderr(&output))
}

#[test]
fn heavy_every_service_under_every_engine() {
    if !has("python3", "service × engine") {
        return;
    }
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let mut wrong = Vec::new();
    for place in PLACES.iter().filter(|place| has_ipv6 || !place.contains("[::1]")) {
        for engine in ENGINES {
            for (service, words) in SERVICES {
                let mut arguments = vec![service];
                arguments.extend(words);
                arguments.extend([place, "--engine", engine]);
                let server = Server::start(&arguments);
                let heard = speaks(service, &server.place);
                let (status, said) = server.stop();
                if heard != "ok\n" || status.code() != Some(0) {
                    wrong.push(format!(
                        "{service} on {place} under {engine}: {heard}; {status}; it said: {said}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A command line that talks to a server, its input, and what has to come out.
fn peer(command: &str, server: &Server, input: &[u8]) -> Vec<u8> {
    let port = server.address.port().to_string();
    let command = command.replace("PORT", &port);
    run(Command::new("timeout").args(["20", "sh", "-c", &command]), input).stdout
}

#[test]
fn heavy_the_programs_that_people_have_talk_to_every_engine() {
    let cases = [
        ("nc", "nc -N 127.0.0.1 PORT"),
        ("ncat", "ncat 127.0.0.1 PORT"),
        ("socat", "socat -t5 - TCP:127.0.0.1:PORT"),
    ];
    let message = b"grus\xc3\xbc\0\x01 and more\n";
    for (program, command) in cases {
        if !has(program, "real clients against `serve`") {
            continue;
        }
        for engine in ENGINES {
            for (service, answer) in [("echo", message.to_vec()), ("upper", message.to_ascii_uppercase())] {
                let server = Server::start(&[service, "127.0.0.1:0", "--engine", engine]);
                assert_eq!(peer(command, &server, message), answer, "{service} under {engine}: {command}");
                server.stop();
            }
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
