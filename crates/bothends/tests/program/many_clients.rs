//! Thousands of clients: nothing piles up, no slot is lost, nobody waits long for the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::running::{PATIENCE, Server, left_out, until};

/// One client: connects, is echoed, half-closes; how long the server's FIN then took.
fn visit(server: &Server) -> Duration {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let start = Instant::now();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "FIN, and nothing else");
    start.elapsed()
}

fn with_places(engine: &str, places: &str, policy: &str) -> Server {
    let limits = ["--max-connections", places, "--when-full", policy];
    Server::start(&[&["echo", "127.0.0.1:0", "--engine", engine], &limits[..]].concat())
}

#[test]
fn heavy_10000_successive_clients_leave_no_descriptor_and_no_zombie_in_the_process_engine() {
    let server = Server::start(&["echo", "127.0.0.1:0", "--engine", "process"]);
    for _ in 0..20 {
        visit(&server);
    }
    until("the first children are reaped", || server.children().is_empty());
    let before = server.descriptors();
    let mut late = Vec::new();
    for number in 0..10_000 {
        let waited = visit(&server);
        if waited > Duration::from_millis(100) {
            late.push((number, waited));
        }
        if number % 1_000 == 0 {
            let zombies = server.children().iter().filter(|(_, state)| *state == 'Z').count();
            assert!(zombies <= 4, "{zombies} zombies after {number} clients");
            assert!(
                server.descriptors() <= before + 4,
                "descriptors: {before}, now {}",
                server.descriptors()
            );
        }
    }
    until("all children are reaped", || server.children().is_empty());
    assert_eq!(server.descriptors(), before);
    assert!(late.is_empty(), "these waited longer than 100 ms for the server's FIN: {late:?}");
}

#[test]
fn heavy_128_slots_serve_10000_successive_clients_under_wait_and_refuse() {
    for engine in ["event", "thread", "process"] {
        for policy in ["wait", "refuse"] {
            let server = with_places(engine, "128", policy);
            for _ in 0..10_000 {
                visit(&server);
            }
        }
    }
}

#[test]
fn a_full_server_refuses_by_reset_or_lets_wait() {
    for engine in ["event", "thread", "process"] {
        for policy in ["wait", "refuse"] {
            let server = with_places(engine, "2", policy);
            let mut inside: Vec<_> = (0..2).map(|_| TcpStream::connect(server.address).unwrap()).collect();
            for stream in &mut inside {
                stream.write_all(b"x").unwrap();
                stream.read_exact(&mut [0; 1]).unwrap();
            }
            let mut third = TcpStream::connect(server.address).unwrap();
            if policy == "refuse" {
                third.set_read_timeout(Some(PATIENCE)).unwrap();
                let error = third.read(&mut [0; 1]).expect_err("a reset");
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{engine}");
                drop(inside.pop());
                until("a freed place takes the next one", || {
                    let mut stream = TcpStream::connect(server.address).unwrap();
                    stream.write_all(b"y").is_ok() && stream.read_exact(&mut [0; 1]).is_ok()
                });
            } else {
                third.write_all(b"waits").unwrap();
                third.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                assert!(third.read(&mut [0; 5]).is_err(), "{engine}: not served while both places are taken");
                drop(inside.pop());
                third.set_read_timeout(Some(PATIENCE)).unwrap();
                third.read_exact(&mut [0; 5]).unwrap();
            }
        }
    }
}

#[test]
fn heavy_10000_idle_connections_cost_the_event_engine_little() {
    let test = "10,000 idle connections";
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if limits.maximum.is_some_and(|maximum| maximum < 10_200) {
        return left_out(test, "the descriptor limit is below 10,200");
    }
    let raised = rustix::process::Rlimit { current: limits.maximum, maximum: limits.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();

    let server = Server::start(&["echo", "127.0.0.1:0", "--engine", "event"]);
    visit(&server);
    let before = proportional_kb(server.pid());
    let mut idle: Vec<_> = (0..10_000).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    for stream in &mut idle {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
    }
    // Signed: the shares of the binary's own pages shrink when others map it too.
    let grown = proportional_kb(server.pid()).cast_signed() - before.cast_signed();
    let each = grown as f64 / 10_000.0;
    assert!(each <= 1.0, "{each} kB PSS per idle connection");
    visit(&server);
}

/// The proportional set size of a process in kB.
fn proportional_kb(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
