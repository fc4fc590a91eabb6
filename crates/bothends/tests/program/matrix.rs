//! Every service on every transport under every engine, each with a client in Python; what cannot be is refused before
//! anybody listens. Then the programs that people have, against each service.

use std::process::Command;

use crate::running::{Server, bothends, has, run, stderr, stdout};

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
const PLACES: [(&str, &str); 7] = [
    ("tcp", "tcp://127.0.0.1:0"),
    ("tcp", "tcp://[::1]:0"),
    ("udp", "udp://127.0.0.1:0"),
    ("unix", "unix:DIR/stream"),
    ("unix", "unix:@bothends-matrix-PID"),
    ("unix-dgram", "unix-dgram:DIR/datagrams"),
    ("unix-seqpacket", "unix-seqpacket:DIR/packets"),
];

/// design.md's rule: datagrams are the event engine's alone, chat is not the process engine's, and a source of datagrams
/// would flood whomever a forged address names.
fn is_served(service: &str, transport: &str, engine: &str) -> bool {
    let datagrams = matches!(transport, "udp" | "unix-dgram");
    !(datagrams && (engine != "event" || service == "source") || service == "chat" && engine == "process")
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
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (transport, place) in PLACES.iter().filter(|(_, place)| has_ipv6 || !place.contains("[::1]")) {
        let place = place.replace("DIR", folder.path().to_str().unwrap());
        let place = place.replace("PID", &std::process::id().to_string());
        for engine in ENGINES {
            for (service, words) in SERVICES {
                let case = format!("{service} on {place} under {engine}");
                let mut arguments = vec![service];
                arguments.extend(words);
                arguments.extend([place.as_str(), "--engine", engine]);
                if is_served(service, transport, engine) {
                    let server = Server::start(&arguments);
                    let heard = speaks(service, &server.place);
                    let (status, said) = server.stop();
                    if heard != "ok\n" || status.code() != Some(0) {
                        wrong.push(format!("{case}: {heard}; {status}; it said: {said}"));
                    }
                } else {
                    let output = run(bothends(&["serve"]).args(&arguments), b"");
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

/// A command line that talks to a server, its input, and what has to come out.
fn peer(command: &str, place: &str, input: &[u8]) -> Vec<u8> {
    let (_, address) = place.split_once(':').unwrap();
    let address = address.trim_start_matches("//");
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let command = command.replace("HOST", host).replace("PORT", port).replace("PATH", address);
    run(Command::new("timeout").args(["20", "sh", "-c", &command]), input).stdout
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
    let own = at("own");
    let datagram_client = format!("socat -t1 - UNIX-SENDTO:PATH,bind={own}");
    let cases: [(&str, &str, &str); 11] = [
        ("nc", "127.0.0.1:0", "nc -N HOST PORT"),
        ("ncat", "127.0.0.1:0", "ncat HOST PORT"),
        ("socat", "127.0.0.1:0", "socat -t5 - TCP:HOST:PORT"),
        ("curl", "127.0.0.1:0", "curl -s telnet://HOST:PORT"),
        ("nc", "udp://127.0.0.1:0", "nc -u -w 1 HOST PORT"),
        ("socat", "udp://127.0.0.1:0", "socat -t1 - UDP:HOST:PORT"),
        ("nc", &stream, "nc -N -U PATH"),
        ("ncat", &stream, "ncat -U PATH"),
        ("socat", &stream, "socat -t5 - UNIX-CONNECT:PATH"),
        ("socat", &packets, "socat -t5 - UNIX-CONNECT:PATH,type=5"),
        ("socat", &datagrams, &datagram_client),
    ];
    for (program, place, command) in cases {
        if !has(program, "real clients against `serve`") {
            continue;
        }
        let message = b"grus\xc3\xbc\0\x01 and more\n";
        for (service, answer) in [("echo", message.to_vec()), ("upper", message.to_ascii_uppercase())] {
            let server = Server::start(&[service, place]);
            assert_eq!(peer(command, &server.place, message), answer, "{service}: {command}");
            server.stop();
        }
    }
}
