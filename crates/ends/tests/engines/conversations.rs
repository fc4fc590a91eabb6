//! Echo, byte for byte, and the ways in which a conversation ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use ends::event::How;
use ends::listen::{At, Place};
use ends::serve::Config;
use wire::Transport;

use crate::server::{ENGINES, config, echo, exchange, noise, say, start};

pub(crate) const TESTS: [(&str, fn()); 6] = [
    ("many_clients_at_once_get_back_what_they_sent", many_clients_at_once_get_back_what_they_sent),
    ("a_half_closed_client_gets_the_rest_and_a_fin", a_half_closed_client_gets_the_rest_and_a_fin),
    ("a_reset_costs_one_client", a_reset_costs_one_client),
    ("a_client_that_does_not_read_costs_bounded_memory", a_client_that_does_not_read_costs_bounded_memory),
    ("several_places_are_served", several_places_are_served),
    ("what_arrives_is_told_when_asked_for", what_arrives_is_told_when_asked_for),
];

fn many_clients_at_once_get_back_what_they_sent() {
    for engine in ENGINES {
        let mut server = echo(engine);
        let sizes: Vec<usize> = (0..200).map(size_of_client).collect();
        let streams: Vec<TcpStream> = sizes.iter().map(|_| server.connect()).collect();
        std::thread::scope(|scope| {
            for (client, (stream, size)) in streams.into_iter().zip(&sizes).enumerate() {
                scope.spawn(move || {
                    let sent = noise(client as u64, *size);
                    assert!(exchange(stream, &sent) == sent, "client {client}, {size} bytes, {engine:?}");
                });
            }
        });
        let mut told: Vec<u64> = Vec::new();
        for _ in &sizes {
            let closed = server.next_closed();
            assert!(closed.is(How::Fin) && closed.closed_by == "Peer", "{closed:?}");
            assert_eq!((closed.in_bytes, closed.unsent_bytes), (closed.out_bytes, 0));
            told.push(closed.in_bytes);
        }
        let mut sent: Vec<u64> = sizes.iter().map(|size| *size as u64).collect();
        told.sort_unstable();
        sent.sort_unstable();
        assert_eq!(told, sent);
        server.stop();
    }
}

/// From nothing to a million bytes, small ones too.
fn size_of_client(client: u64) -> usize {
    let bytes = noise(client + 1000, 8);
    let number = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let most = [1, 100, 10_000, 1_000_000][(client % 4) as usize];
    (number % (most + 1)) as usize
}

fn a_half_closed_client_gets_the_rest_and_a_fin() {
    for engine in ENGINES {
        let mut server = echo(engine);
        let mut client = server.connect();
        let sent = noise(1, 100_000);
        client.write_all(&sent).expect("the server reads");
        client.shutdown(Shutdown::Write).expect("open");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("the rest and a FIN");
        assert!(answer == sent, "{engine:?}");
        let closed = server.next_closed();
        assert!(closed.is(How::Fin) && closed.closed_by == "Peer", "{closed:?}");
        server.stop();
    }
}

fn a_reset_costs_one_client() {
    for engine in ENGINES {
        let mut server = echo(engine);
        let mut other = server.connect();
        say(&mut other, b"before").expect("an echo");
        let mut client = server.connect();
        say(&mut client, b"hello").expect("an echo");
        client.write_all(&[7; 5000]).expect("the server reads");
        client.peek(&mut [0]).expect("its echo begins to come");
        drop(client); // with unread bytes: a reset
        let closed = server.next_closed();
        assert!(closed.is(How::Reset) && closed.closed_by == "Peer", "{engine:?}: {closed:?}");
        assert!((5..=5005).contains(&closed.in_bytes));
        say(&mut other, b"after").expect("the other one is still served");
        drop(other);
        server.stop();
    }
}

fn a_client_that_does_not_read_costs_bounded_memory() {
    for engine in ENGINES {
        let mut server = echo(engine);
        let mut other = server.connect();
        say(&mut other, b"before").expect("an echo");
        let before = server.status("VmRSS");
        let mut client = server.connect();
        let written = write_until_stuck(&mut client, &mut other);
        assert!(server.status("VmRSS") < before + 2048, "kB, after {written} bytes, {engine:?}");
        client.shutdown(Shutdown::Write).expect("open");
        client.set_nonblocking(false).expect("a socket");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("it reads after all");
        assert!(answer == noise(5, CHUNK).repeat(written / CHUNK + 1)[..written], "{engine:?}");
        let closed = server.next_closed();
        assert!(closed.is(How::Fin) && closed.in_bytes == written as u64, "{closed:?}");
        drop(other);
        server.stop();
    }
}

const CHUNK: usize = 65536;

/// Writes and never reads until the server takes no more, which it must do for as long as another client is served.
fn write_until_stuck(client: &mut TcpStream, other: &mut TcpStream) -> usize {
    client.set_nonblocking(true).expect("a socket");
    let chunk = noise(5, CHUNK);
    let (mut written, mut times_stuck) = (0, 0);
    while times_stuck < 50 {
        match client.write(&chunk[written % CHUNK..]) {
            Ok(length) => {
                written += length;
                times_stuck = 0;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                say(other, b"meanwhile").expect("the other one is served");
                times_stuck += 1;
            }
        }
        assert!(written < 64 << 20, "somebody's memory takes it all");
    }
    written
}

fn several_places_are_served() {
    for engine in ENGINES {
        let place = |text: &str| Place::tcp(text.parse().expect("an address"));
        let mut places = vec![place("127.0.0.1:0"), Place::new(At::EveryInterface(Transport::Tcp, 0))];
        let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
        if has_ipv6 {
            places.push(place("[::1]:0"));
        }
        let mut server = start(&Config { places, ..config(engine) });
        let mut addresses = vec![server.address()];
        let second = server.wait_for("listening ");
        let port = second.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
        addresses.push(SocketAddr::new("127.0.0.1".parse().expect("an address"), port));
        if has_ipv6 {
            addresses.push(SocketAddr::new("::1".parse().expect("an address"), port));
            let third = server.wait_for("listening ");
            addresses.push(third["listening ".len()..].parse().expect("an address"));
        }
        for address in addresses {
            let mut client = TcpStream::connect(address).expect("it listens");
            say(&mut client, b"hello").expect("an echo");
            let opened = server.wait_for("opened ");
            let local = client.local_addr().expect("open");
            assert!(opened.ends_with(&format!(" {local}")), "{opened} is shown plain as {local}");
        }
        server.stop();
    }
}

fn what_arrives_is_told_when_asked_for() {
    for engine in ENGINES {
        let mut config = config(engine);
        config.tells.data = true;
        let mut server = start(&config);
        let mut client = server.connect();
        for words in ["first\n", "second\n"] {
            say(&mut client, words.as_bytes()).expect("an echo");
            assert_eq!(server.wait_for("data "), format!("data 1 {}", words.trim()));
        }
        drop(client);
        let mut long = server.connect();
        long.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        say(&mut long, &[b'x'; 9000]).expect("an echo");
        drop(long);
        let mut told = 0;
        loop {
            let line = server.next_line().expect("it lives");
            match line.strip_prefix("data 2 ") {
                Some(bytes) => told += bytes.len(),
                None if line.starts_with("closed 2 ") => break,
                None => {}
            }
        }
        assert_eq!(told, 9000, "all of it before the end, {engine:?}");
        server.stop();
    }
}
