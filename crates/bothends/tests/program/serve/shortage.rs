//! A server that is short of descriptors, and one to whose records nobody listens: narrated, and survived.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use super::ENGINES;
use super::piped::Piped;
use crate::running::{PATIENCE, Server, bothends, until};

fn is_echoed(mut client: &TcpStream) -> bool {
    let mut got = [0; 2];
    client.write_all(b"hi").is_ok() && client.read_exact(&mut got).is_ok() && got == *b"hi"
}

fn client(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// From now on the server gets no descriptor with this number or a higher one.
fn descriptors_end_at(server: &Server, number: u64) {
    let limit = Rlimit { current: Some(number), maximum: Some(4096) };
    prlimit(Some(Pid::from_child(&server.child)), Resource::Nofile, limit).unwrap();
}

fn first_free_descriptor(server: &Server) -> u64 {
    let has = |number: &u64| std::fs::exists(format!("/proc/{}/fd/{number}", server.pid())).unwrap();
    (0..).find(|number| !has(number)).unwrap()
}

#[test]
fn out_of_descriptors_new_clients_wait_and_the_others_go_on() {
    for engine in ENGINES {
        let mut server = Server::start(&["echo", "127.0.0.1:0", "--engine", engine]);
        let idle = first_free_descriptor(&server);
        let inside: Vec<TcpStream> = (0..5).map(|_| client(server.address)).collect();
        assert!(inside.iter().all(is_echoed), "{engine}");
        if engine == "process" {
            until("the parent has closed its copies", || first_free_descriptor(&server) == idle);
        }
        descriptors_end_at(&server, first_free_descriptor(&server));
        let waiting = client(server.address);
        (&waiting).write_all(b"hi").unwrap();
        let line = server.says("no descriptor is free");
        assert!(line.contains("new clients wait"), "{engine}: {line}");
        assert!(inside.iter().all(is_echoed), "{engine}: they go on");
        descriptors_end_at(&server, 1000);
        let mut got = [0; 2];
        (&waiting).read_exact(&mut got).unwrap_or_else(|error| panic!("{engine}: it still waits: {error}"));
        assert!(is_echoed(&waiting), "{engine}");
    }
}

/// More come than there are descriptors for: whoever goes makes place for the next one, until all have been.
#[test]
fn with_few_descriptors_everybody_is_served_in_the_end() {
    for engine in ENGINES {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 24 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_bothends")]);
        let server = Server::of(command.args(["serve", "echo", "127.0.0.1:0", "--engine", engine]));
        let mut all: Vec<TcpStream> = (0..100).map(|_| client(server.address)).collect();
        while let Some(first) = all.first() {
            assert!(is_echoed(first), "{engine}: {} are left", all.len());
            drop(all.remove(0));
        }
        let (status, said) = server.stop();
        assert_eq!(status.code(), Some(0), "{engine}: {said}");
        // Those of a session process are its own.
        assert_eq!(said.contains("no descriptor is free"), engine != "process", "{engine}: {said}");
    }
}

#[test]
fn heavy_a_reader_of_records_who_stops_freezes_nobody() {
    const SESSIONS: usize = 2500;
    for engine in ENGINES {
        let mut server = Piped::start(&["echo", "127.0.0.1:0", "--engine", engine, "--json", "-vv"]);
        for _ in 0..SESSIONS {
            let client = client(server.address);
            assert!(is_echoed(&client), "{engine}");
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!((&client).read(&mut [0]).unwrap(), 0, "{engine}");
        }
        let stdout = server.stdout.take().unwrap();
        let counter = std::thread::spawn(move || {
            let (mut closed, mut missed) = (0, 0);
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let record: Value = serde_json::from_str(&line).unwrap();
                closed += usize::from(record["type"] == "closed");
                missed += record["missed"].as_u64().unwrap_or_default();
            }
            (closed, missed)
        });
        let (code, said) = server.stop();
        let (closed, missed) = counter.join().unwrap();
        assert_eq!(code, Some(0), "{engine}: {said}");
        assert!(
            closed < SESSIONS && missed > 0,
            "{engine}: {closed} ends were recorded, {missed} are missing"
        );
    }
}

/// Standard error is full as well: neither stream stops the other, or the server.
#[test]
fn a_reader_of_the_narration_who_stops_freezes_nobody() {
    for engine in ENGINES {
        let mut command =
            bothends(&["serve", "echo", "127.0.0.1:0", "--engine", engine, "-vv", "--port-file"]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("port");
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut server = command.spawn().unwrap();
        until("it listens", || file.exists());
        let port: u16 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        for _ in 0..1000 {
            assert!(is_echoed(&client(SocketAddr::from(([127, 0, 0, 1], port)))), "{engine}");
        }
        server.kill().unwrap();
        server.wait().unwrap();
    }
}
