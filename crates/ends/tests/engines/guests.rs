//! Who may come: lists of networks, read again at SIGHUP, and places for each source.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use ends::serve::{Config, Engine, Guests, WhenFull};
use kernel::process::Signal;
use socket2::{Domain, Socket, Type};
use wire::network::Lists;
use wire::{Cause, Doing, End, Fault};

use crate::server::{ENGINES, Server, config, say, start};

pub(crate) const TESTS: [(&str, fn()); 4] = [
    ("the_lists_say_who_may_come", the_lists_say_who_may_come),
    ("lists_are_read_again_and_nobody_is_dropped", lists_are_read_again_and_nobody_is_dropped),
    ("each_source_has_its_places", each_source_has_its_places),
    ("a_client_denied_takes_no_place", a_client_denied_takes_no_place),
];

/// Lists in files: those allowed and those denied.
fn lists_in(folder: &Path) -> Guests {
    let read_one = |path: PathBuf| {
        let cannot = |words: String| Fault {
            end: End::You,
            doing: Doing::Read,
            at: path.display().to_string(),
            cause: Cause::Words(words),
        };
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        Lists::read(&text).map_err(|error| cannot(error.to_string()))
    };
    let (allow, deny) = (folder.join("allow"), folder.join("deny"));
    let read = move || Ok(Lists { allow: read_one(allow.clone())?, deny: read_one(deny.clone())? });
    Guests { max_per_source: None, lists: Some(Box::new(read)) }
}

fn with_lists(engine: Engine, folder: &Path) -> Server {
    start(&Config { guests: lists_in(folder), ..config(engine) })
}

/// A client of this address.
fn connect_from(server: &Server, source: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let source: SocketAddr = format!("{source}:0").parse().expect("an address");
    socket.bind(&source.into()).expect("all of 127.0.0.0/8 is this machine");
    socket.connect(&server.address().into()).expect("it listens");
    socket.set_tcp_nodelay(true).expect("a socket");
    socket.into()
}

/// It is reset at once.
fn is_turned_away(mut client: TcpStream) {
    let error = client.read(&mut [0]).expect_err("a reset, no FIN");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

fn the_lists_say_who_may_come() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("allow"), "127.0.0.0/30\n").expect("a file");
    std::fs::write(folder.path().join("deny"), "# but not:\n127.0.0.2\n").expect("a file");
    for engine in ENGINES {
        let mut server = with_lists(engine, folder.path());
        is_turned_away(connect_from(&server, "127.0.0.2"));
        assert_eq!(server.wait_for("turned away"), r#"turned away Denied(Some("127.0.0.2"))"#, "{engine:?}");
        is_turned_away(connect_from(&server, "127.0.0.9"));
        assert_eq!(server.wait_for("turned away"), "turned away Denied(None)");
        say(&mut connect_from(&server, "127.0.0.3"), b"hello").expect("it may come");
        assert!(
            server.wait_for("opened ").starts_with("opened 1 tcp 127.0.0.3:"),
            "who is denied is no client"
        );
        server.stop();
    }
}

fn lists_are_read_again_and_nobody_is_dropped() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().expect("a folder");
        let deny = folder.path().join("deny");
        let mut server = with_lists(engine, folder.path());
        let mut early = server.connect();
        say(&mut early, b"early").expect("nobody is denied");
        std::fs::write(&deny, "127.0.0.0/8\n::1\n").expect("a file");
        server.signal(Signal::HUP);
        assert_eq!(server.wait_for("lists "), "lists 2", "{engine:?}");
        is_turned_away(server.connect());
        assert_eq!(server.wait_for("turned away"), r#"turned away Denied(Some("127.0.0.0/8"))"#);
        say(&mut early, b"still here").expect("a session goes on");
        std::fs::write(&deny, "127.0.0.0/8\nnonsense\n").expect("a file");
        server.signal(Signal::HUP);
        let trouble = server.wait_for("trouble ");
        assert!(trouble.contains("line 2"), "{trouble}");
        is_turned_away(server.connect());
        std::fs::remove_file(&deny).expect("it was there");
        server.signal(Signal::HUP);
        assert_eq!(server.wait_for("lists "), "lists 0");
        say(&mut server.connect(), b"at last").expect("nobody is denied");
        say(&mut early, b"and still").expect("a session goes on");
        drop(early);
        server.stop();
    }
}

fn each_source_has_its_places() {
    for engine in ENGINES {
        let guests = Guests { max_per_source: Some(2), lists: None };
        let mut server = start(&Config { guests, ..config(engine) });
        let mut held: Vec<TcpStream> = (0..2).map(|_| connect_from(&server, "127.0.0.2")).collect();
        for client in &mut held {
            say(client, b"mine").expect("a place");
        }
        for _ in 0..3 {
            is_turned_away(connect_from(&server, "127.0.0.2"));
            assert_eq!(server.wait_for("turned away"), "turned away FullForSource(2)", "{engine:?}");
        }
        say(&mut connect_from(&server, "127.0.0.3"), b"another").expect("it has places of its own");
        assert_eq!(server.next_closed().client, 3);
        held.pop();
        assert_eq!(server.next_closed().client, 2);
        say(&mut connect_from(&server, "127.0.0.2"), b"again").expect("one is free again");
        drop(held);
        server.stop();
    }
}

/// With the only place: whoever is sent away must not keep it, whichever way places are given.
fn a_client_denied_takes_no_place() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("deny"), "127.0.0.2\n").expect("a file");
    for engine in ENGINES {
        for when_full in [WhenFull::Wait, WhenFull::Refuse] {
            let guests = Guests { max_per_source: Some(1), ..lists_in(folder.path()) };
            let config = Config { guests, max_connections: Some(1), when_full, ..config(engine) };
            let mut server = start(&config);
            for client in 1..=20 {
                is_turned_away(connect_from(&server, "127.0.0.2"));
                let mut stream = server.connect();
                say(&mut stream, b"hello").expect("the only place is free");
                drop(stream);
                assert_eq!(server.next_closed().client, client);
            }
            server.stop();
        }
    }
}
