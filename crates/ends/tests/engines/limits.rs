//! More clients than places, and more than descriptors.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ends::event::How;
use ends::serve::{Config, Engine, WhenFull};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::server::{ENGINES, Server, config, say, start, start_with};

pub(crate) const TESTS: [(&str, fn()); 7] = [
    ("when_full_clients_wait_for_a_place", when_full_clients_wait_for_a_place),
    ("when_full_clients_are_refused_at_once", when_full_clients_are_refused_at_once),
    ("workers_refuse_nobody_while_a_place_is_free", workers_refuse_nobody_while_a_place_is_free),
    ("places_are_used_again_by_many_successive_clients", places_are_used_again_by_many_successive_clients),
    (
        "without_descriptors_clients_wait_and_nothing_spins",
        without_descriptors_clients_wait_and_nothing_spins,
    ),
    ("without_descriptors_clients_are_refused_when_that_is_asked", without_descriptors_clients_are_refused),
    ("a_thread_that_cannot_start_costs_one_client", a_thread_that_cannot_start_costs_one_client),
];

fn with_places(engine: Engine, places: usize, when_full: WhenFull) -> Server {
    start(&Config { max_connections: Some(places), when_full, ..config(engine) })
}

/// Clients that have a session each.
fn hold(server: &Server, count: usize) -> Vec<TcpStream> {
    let mut clients: Vec<TcpStream> = (0..count).map(|_| server.connect()).collect();
    for client in &mut clients {
        say(client, b"mine").expect("a place");
    }
    clients
}

fn when_full_clients_wait_for_a_place() {
    for engine in ENGINES {
        let mut server = with_places(engine, 3, WhenFull::Wait);
        let mut held = hold(&server, 3);
        let mut waiting = server.connect();
        waiting.write_all(b"me too").expect("the kernel takes it");
        for client in &mut held {
            say(client, b"still here").expect("an echo");
        }
        waiting.set_nonblocking(true).expect("a socket");
        let error = waiting.read(&mut [0]).expect_err("no place, no echo");
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{engine:?}");
        waiting.set_nonblocking(false).expect("a socket");
        held.pop();
        let mut echo = [0; 6];
        waiting.read_exact(&mut echo).expect("its turn has come");
        assert_eq!(&echo, b"me too");
        assert_eq!(server.next_closed().client, 3);
        drop((held, waiting));
        server.stop();
    }
}

fn when_full_clients_are_refused_at_once() {
    for engine in ENGINES {
        let mut server = with_places(engine, 3, WhenFull::Refuse);
        let mut held = hold(&server, 3);
        for _ in 0..5 {
            let mut refused = server.connect();
            let error = refused.read(&mut [0]).expect_err("a reset, no FIN");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{engine:?}");
            assert_eq!(server.wait_for("turned away"), "turned away Full(3)");
        }
        held.pop();
        assert!(server.next_closed().is(How::Fin));
        say(&mut server.connect(), b"at last").expect("a place is free");
        drop(held);
        server.stop();
    }
}

/// All workers wake for a client, and only one gets it: the others must not hold its place meanwhile.
fn workers_refuse_nobody_while_a_place_is_free() {
    let mut server = with_places(Engine::Event { workers: 4 }, 1, WhenFull::Refuse);
    for client in 1..=3000 {
        let mut stream = server.connect();
        say(&mut stream, b"hello").expect("the only place is free");
        drop(stream);
        assert_eq!(server.next_closed().client, client);
    }
    server.stop();
}

fn places_are_used_again_by_many_successive_clients() {
    for engine in ENGINES {
        for when_full in [WhenFull::Wait, WhenFull::Refuse] {
            let mut server = with_places(engine, 128, when_full);
            let held = hold(&server, 100);
            for client in 0..1000 {
                let mut stream = server.connect();
                say(&mut stream, b"hello").expect("a place");
                drop(stream);
                assert_eq!(server.next_closed().client, client + 101);
            }
            drop(held);
            server.stop();
        }
    }
}

/// A server that has so many descriptors, told here how many it uses by itself.
fn with_descriptors(config: &Config, count: u64) -> Server {
    let limit = Rlimit { current: Some(count), maximum: Some(count) };
    start_with(config, move || setrlimit(Resource::Nofile, limit).expect("lower is allowed"))
}

fn without_descriptors_clients_wait_and_nothing_spins() {
    for engine in [Engine::Event { workers: 1 }, Engine::Event { workers: 2 }, Engine::Thread] {
        let mut server = with_descriptors(&config(engine), 40);
        let mut clients: Vec<TcpStream> = (0..60).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.write_all(b"hello").expect("the kernel takes it");
        }
        server.wait_for("paused");
        let (before, nothing) = (server.ticks(), std::io::pipe().expect("a pipe"));
        // Half a second in which nothing may happen: a server that spins would use all of it.
        let mut quiet = [rustix::event::PollFd::new(&nothing.0, rustix::event::PollFlags::IN)];
        let half_a_second = rustix::event::Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
        rustix::event::poll(&mut quiet, Some(&half_a_second)).expect("poll");
        assert!(server.ticks() - before <= 10, "{engine:?} used {} ticks", server.ticks() - before);
        for mut client in clients {
            let mut echo = [0; 5];
            client.read_exact(&mut echo).expect("each has its turn once others have gone");
            assert_eq!(&echo, b"hello");
        }
        for _ in 0..60 {
            assert!(server.next_closed().is(How::Fin));
        }
        server.stop();
    }
}

fn without_descriptors_clients_are_refused() {
    for engine in [Engine::Event { workers: 1 }, Engine::Thread] {
        let config = Config { when_full: WhenFull::Refuse, ..config(engine) };
        let mut server = with_descriptors(&config, 40);
        let mut held = Vec::new();
        let refused = loop {
            let mut client = server.connect();
            match say(&mut client, b"hello") {
                Ok(()) => held.push(client),
                Err(error) => break error,
            }
            assert!(held.len() < 40, "there are not so many descriptors");
        };
        let kind = refused.kind();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{engine:?}: {refused}");
        server.wait_for("turned away");
        held.pop();
        server.next_closed();
        say(&mut server.connect(), b"hello").expect("a descriptor is free");
        drop(held);
        server.stop();
    }
}

fn a_thread_that_cannot_start_costs_one_client() {
    // An address space in which a few threads' stacks find room.
    let limit = |size| setrlimit(Resource::As, Rlimit { current: Some(size), maximum: Some(size) });
    let config = config(Engine::Thread);
    let mut server = start_with(&config, move || limit(own_size() + (4 << 20)).expect("lower is allowed"));
    let mut held = Vec::new();
    loop {
        let mut client = server.connect();
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        if say(&mut client, b"hello").is_err() {
            break;
        }
        held.push(client);
        assert!(held.len() < 1000, "there is not so much room");
    }
    assert!(server.wait_for("trouble ").contains("a thread for 127.0.0.1:"));
    say(held.first_mut().expect("the first had room"), b"still here").expect("an echo");
    drop(held);
    server.stop();
}

/// The size of this process's address space in bytes.
fn own_size() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("the size");
    size.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
