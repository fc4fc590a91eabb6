//! Being told to stop: politely, by the end of the time of grace, and now.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::Duration;

use ends::event::How;
use ends::listen::{At, Listener, Place};
use ends::serve::{Config, Engine, Limits};
use kernel::process::{self, Signal};
use rustix::io::Errno;
use wire::{Address, Transport};

use crate::server::{Closed, ENGINES, Server, config, echo, say, start};
use crate::services::Fountain;
use crate::transports::{TRANSPORTS, client, place};

pub(crate) const TESTS: [(&str, fn()); 9] = [
    ("sessions_may_finish_after_the_first_request", sessions_may_finish_after_the_first_request),
    ("the_second_request_ends_everything", the_second_request_ends_everything),
    ("the_time_of_grace_ends_everything", the_time_of_grace_ends_everything),
    ("an_idle_server_ends_at_once", an_idle_server_ends_at_once),
    ("an_answer_that_is_broken_off_ends_in_a_reset", an_answer_that_is_broken_off_ends_in_a_reset),
    ("what_a_killed_child_had_to_say_is_unsent", what_a_killed_child_had_to_say_is_unsent),
    ("every_transport_is_stopped_politely_and_then_now", every_transport_is_stopped_politely_and_then_now),
    ("datagrams_stop_with_the_first_request", datagrams_stop_with_the_first_request),
    ("a_signal_in_between_ends_nothing", a_signal_in_between_ends_nothing),
];

fn with_grace(engine: ends::serve::Engine, grace: Duration) -> crate::server::Server {
    start(&Config { grace, ..config(engine) })
}

fn sessions_may_finish_after_the_first_request() {
    for engine in ENGINES {
        let mut server = with_grace(engine, Duration::from_secs(60));
        let mut client = server.connect();
        say(&mut client, b"before").expect("an echo");
        server.signal(Signal::INT);
        assert_eq!(server.wait_for("stopping"), "stopping 1");
        say(&mut client, b"after").expect("still an echo");
        wait_until_refused(&server);
        drop(client);
        let (ended, told) = server.wait();
        assert_eq!(ended.exit, Some(0), "{engine:?}");
        assert!(told.iter().any(|line| line.starts_with("closed 1 Fin Peer 11 11 ")), "{told:?}");
    }
}

/// The listener closes right after the request was told.
fn wait_until_refused(server: &crate::server::Server) {
    while TcpStream::connect(server.address()).is_ok() {}
}

fn the_second_request_ends_everything() {
    for engine in ENGINES {
        let mut server = with_grace(engine, Duration::from_secs(60));
        let mut clients: Vec<TcpStream> = (0..10).map(|_| server.connect()).collect();
        for client in &mut clients {
            say(client, b"hello").expect("an echo");
        }
        // A process counts what it sent right after sending it, and then sleeps until there is more.
        server.wait_until_children_sleep();
        server.signal(Signal::TERM);
        server.wait_for("stopping");
        server.signal(Signal::TERM);
        for _ in &clients {
            let closed = server.next_closed();
            assert!(closed.is(How::Stopped), "{engine:?}: {closed:?}");
            assert_eq!((closed.in_bytes, closed.out_bytes), (5, 5));
            // The last echo's acknowledgement may come late, as a whole.
            assert_eq!(closed.unsent_bytes % 5, 0, "{engine:?}: our FIN is no byte of ours");
        }
        let (ended, _) = server.wait();
        assert_eq!(ended.exit, Some(0));
        for mut client in clients {
            assert_eq!(client.read(&mut [0]).expect("nothing was lost: a FIN"), 0);
        }
    }
}

fn the_time_of_grace_ends_everything() {
    for engine in ENGINES {
        let mut server = with_grace(engine, Duration::from_millis(50));
        let mut client = server.connect();
        say(&mut client, b"hello").expect("an echo");
        server.signal(Signal::TERM);
        assert!(server.next_closed().is(How::Stopped), "{engine:?}");
        let (ended, _) = server.wait();
        assert_eq!(ended.exit, Some(0));
        assert_eq!(client.read(&mut [0]).expect("a FIN"), 0);
    }
}

fn an_idle_server_ends_at_once() {
    for engine in ENGINES {
        let mut server = with_grace(engine, Duration::from_secs(60));
        say(&mut server.connect(), b"hello").expect("an echo");
        server.next_closed();
        server.stop();
    }
}

/// A client of an endless answer that does not read, once the server can say no more.
fn deaf(server: &mut Server) -> TcpStream {
    let client = server.connect();
    server.wait_for("opened");
    while kernel::socket::unread(&client) == 0 {
        std::thread::yield_now();
    }
    server.wait_until_all_sleep();
    client
}

/// A FIN would say that it was all.
fn ends_in_a_reset(mut client: TcpStream, which: &str) {
    let mut answer = Vec::new();
    let error = client.read_to_end(&mut answer).map_err(|error| error.kind());
    assert_eq!(error, Err(ErrorKind::ConnectionReset), "{which}, after {} bytes", answer.len());
    assert!(answer.iter().all(|byte| *byte == b'~'));
}

fn an_answer_that_is_broken_off_ends_in_a_reset() {
    let fountain = |engine| Config { service: Box::new(|| Box::new(Fountain)), ..config(engine) };
    for engine in ENGINES {
        let idle = Some(Duration::from_millis(100));
        let limits = Limits { idle, ..Limits::default() };
        let mut server = start(&Config { limits, ..fountain(engine) });
        let client = server.connect();
        let closed = server.next_closed();
        assert!(closed.is(How::Idle) && closed.unsent_bytes > 0, "{engine:?}: {closed:?}");
        ends_in_a_reset(client, &format!("idle, {engine:?}"));
        server.stop();

        let mut server = start(&Config { grace: Duration::from_secs(60), ..fountain(engine) });
        let client = deaf(&mut server);
        server.signal(Signal::TERM);
        server.wait_for("stopping");
        server.signal(Signal::TERM);
        let closed = server.next_closed();
        assert!(closed.is(How::Stopped) && closed.unsent_bytes > 0, "{engine:?}: {closed:?}");
        ends_in_a_reset(client, &format!("stopped, {engine:?}"));
        assert_eq!(server.wait().0.exit, Some(0));
    }
}

fn what_a_killed_child_had_to_say_is_unsent() {
    let mut server = start(&Config { service: Box::new(|| Box::new(Fountain)), ..config(Engine::Process) });
    let client = deaf(&mut server);
    process::kill(server.children()[0], Signal::KILL).expect("it lives");
    let closed = server.next_closed();
    assert!(closed.is(How::Killed) && closed.unsent_bytes > 0, "{closed:?}");
    ends_in_a_reset(client, "killed");
    server.stop();
}

/// The first request closes the listener, whose file goes; sessions go on until the second.
fn every_transport_is_stopped_politely_and_then_now() {
    for engine in ENGINES {
        for transport in TRANSPORTS {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("socket");
            if transport != Transport::Tcp {
                // What a server leaves that was killed.
                drop(UnixListener::bind(&path).expect("an empty folder"));
            }
            let places = vec![place(transport, folder.path())];
            let mut server = start(&Config { places, grace: Duration::from_secs(60), ..config(engine) });
            let mut clients: Vec<File> = (0..3).map(|_| client(&server, transport)).collect();
            for client in &mut clients {
                echoes(client);
            }
            if transport != Transport::Tcp {
                let place = place(transport, folder.path());
                let fault = Listener::open(&place, &|_| ()).expect_err("somebody lives there");
                assert_eq!(fault.raw_errno(), Some(Errno::ADDRINUSE.raw_os_error()));
                assert!(path.exists(), "{engine:?}, {transport:?}");
            }
            server.signal(Signal::INT);
            assert_eq!(server.wait_for("stopping"), "stopping 3");
            if transport == Transport::Tcp {
                wait_until_refused(&server);
            }
            while path.exists() {
                std::thread::yield_now();
            }
            clients.iter_mut().for_each(echoes);
            drop(clients.pop());
            assert!(next_of_three(&mut server).is(How::Fin), "{engine:?}, {transport:?}");
            server.wait_until_children_sleep();
            server.signal(Signal::INT);
            for _ in &clients {
                let closed = next_of_three(&mut server);
                assert!(closed.is(How::Stopped), "{engine:?}, {transport:?}: {closed:?}");
                // What a client by TCP has not acknowledged yet it has not acknowledged as a whole.
                let most = if transport == Transport::Tcp { 10 } else { 0 };
                assert!(
                    closed.unsent_bytes <= most && closed.out_bytes == 10,
                    "{engine:?}, {transport:?}: {closed:?}"
                );
            }
            assert_eq!(server.wait().0.exit, Some(0));
            for mut client in clients {
                assert_eq!(client.read(&mut [0]).expect("nothing was lost: a FIN"), 0, "{engine:?}");
            }
        }
    }
}

/// Whoever tries whether somebody still listens may be let in for a moment.
fn next_of_three(server: &mut Server) -> Closed {
    loop {
        let closed = server.next_closed();
        if closed.client <= 3 {
            return closed;
        }
    }
}

fn echoes(client: &mut File) {
    client.write_all(b"hello").expect("open");
    let mut echo = [0; 5];
    client.read_exact(&mut echo).expect("an echo");
    assert_eq!(&echo, b"hello");
}

/// They have no sessions to finish.
fn datagrams_stop_with_the_first_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let udp = Place::new(At::Address(Transport::Udp, "127.0.0.1:0".parse().expect("an address")));
    let unix = Place::new(At::Unix(Transport::UnixDgram, Address::Path(path.clone())));
    for workers in [1, 2] {
        let places = vec![udp.clone(), unix.clone()];
        let grace = Duration::from_secs(60);
        let mut server = start(&Config { places, grace, ..config(Engine::Event { workers }) });
        let by_udp = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        by_udp.send_to(b"hello", server.address()).expect("it leaves");
        assert_eq!(by_udp.recv(&mut [0; 9]).expect("an echo"), 5);
        let by_unix = UnixDatagram::bind(folder.path().join("client")).expect("an empty folder");
        by_unix.send_to(b"hello", &path).expect("it is there");
        assert_eq!(by_unix.recv(&mut [0; 9]).expect("an echo"), 5);
        server.signal(Signal::TERM);
        for _ in 0..2 {
            let closed = server.next_closed();
            assert!(closed.is(How::Stopped) && closed.out_bytes == 5, "{closed:?}");
        }
        assert_eq!(server.wait().0.exit, Some(0));
        assert!(!path.exists());
        std::fs::remove_file(folder.path().join("client")).expect("it was made");
    }
}

/// SIGCHLD and SIGWINCH interrupt calls where they are not blocked; SIGPIPE would kill.
fn a_signal_in_between_ends_nothing() {
    for engine in ENGINES {
        let server = echo(engine);
        let mut client = server.connect();
        for signal in [Signal::CHILD, Signal::WINCH, Signal::PIPE, Signal::CHILD] {
            server.signal(signal);
            say(&mut client, b"hello").expect("an echo");
            say(&mut server.connect(), b"hello").expect("a new client is let in");
        }
        server.signal(Signal::STOP);
        server.signal(Signal::CONT);
        say(&mut client, b"hello").expect("an echo");
        drop(client);
        server.stop();
    }
}
