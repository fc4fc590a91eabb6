//! The same services by every transport that has connections, under every engine.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ends::event::How;
use ends::listen::{At, Place};
use ends::serve::{Config, Guests, Limits, Tells};
use ends::service::Service;
use rustix::net::sockopt;
use rustix::net::{
    AddressFamily, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, send, shutdown,
    socket_with,
};
use wire::network::{Lists, Network};
use wire::{Address, Transport};

use crate::server::{ENGINES, Server, config, noise, start};
use crate::services::{Counter, Greeter, NOISE, SOURCE, Source};

pub(crate) const TESTS: [(&str, fn()); 8] = [
    ("every_service_by_every_transport", every_service_by_every_transport),
    ("messages_stay_apart", messages_stay_apart),
    ("a_message_may_be_so_long", a_message_may_be_so_long),
    ("a_message_that_is_cut_is_no_message", a_message_that_is_cut_is_no_message),
    ("a_client_on_this_machine_is_always_welcome", a_client_on_this_machine_is_always_welcome),
    ("limits_hold_on_every_transport", limits_hold_on_every_transport),
    ("every_session_is_told_with_its_transport", every_session_is_told_with_its_transport),
    ("a_killed_client_is_noticed_on_every_transport", a_killed_client_is_noticed_on_every_transport),
];

pub(crate) const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Unix, Transport::UnixSeqpacket];

/// Where to listen by a transport.
pub(crate) fn place(transport: Transport, folder: &Path) -> Place {
    match transport {
        Transport::Tcp => Place::tcp("127.0.0.1:0".parse().expect("an address")),
        _ => Place::new(At::Unix(transport, Address::Path(folder.join("socket")))),
    }
}

/// A client by a transport. A file reads and writes a socket as well as another; of messages one at a time.
pub(crate) fn client(server: &Server, transport: Transport) -> File {
    let kind = match transport {
        Transport::Tcp => return OwnedFd::from(server.connect()).into(),
        Transport::Unix => SocketType::STREAM,
        _ => SocketType::SEQPACKET,
    };
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).expect("a socket");
    connect(&socket, &SocketAddrUnix::new(server.at.as_str()).expect("a path")).expect("it listens");
    socket.into()
}

pub(crate) fn half_close(client: &File) {
    shutdown(client, Shutdown::Write).expect("open");
}

pub(crate) fn read_to_end(client: &mut File) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = vec![0; 300_000];
    loop {
        match client.read(&mut piece).expect("open") {
            0 => return all,
            length => all.extend_from_slice(&piece[..length]),
        }
    }
}

fn every_service_by_every_transport() {
    type Make = fn() -> Box<dyn Service>;
    type Converse = fn(&mut File, &str);
    let services: [(Make, Converse); 4] = [
        (|| Box::new(ends::service::Echo), echoes),
        (|| Box::new(Greeter), greets),
        (Source::make, pours),
        (|| Box::<Counter>::default(), counts),
    ];
    for engine in ENGINES {
        for transport in TRANSPORTS {
            for (make, converse) in services {
                let folder = tempfile::tempdir().expect("a folder");
                let places = vec![place(transport, folder.path())];
                let mut server = start(&Config { places, service: Box::new(make), ..config(engine) });
                for _ in 0..3 {
                    let mut client = client(&server, transport);
                    converse(&mut client, &format!("{} by {}, {engine:?}", make().name(), transport.name()));
                    drop(client);
                    let closed = server.next_closed();
                    assert!(
                        closed.is(How::Fin),
                        "{} by {transport:?}, {engine:?}: {closed:?}",
                        make().name()
                    );
                }
                server.stop();
                assert!(!folder.path().join("socket").exists(), "the server removes its socket file");
            }
        }
    }
}

fn echoes(client: &mut File, which: &str) {
    let sent: Vec<Vec<u8>> = (1..50).map(|number| noise(number, number as usize * 97)).collect();
    for message in &sent {
        client.write_all(message).expect("open");
        let mut echo = vec![0; message.len()];
        client.read_exact(&mut echo).expect("an echo");
        assert!(echo == *message, "{which}");
    }
    client.write_all(b"the last").expect("open");
    half_close(client);
    assert_eq!(read_to_end(client), b"the last", "{which}");
}

fn greets(client: &mut File, which: &str) {
    assert_eq!(read_to_end(client), b"good day\n", "{which}");
}

fn pours(client: &mut File, which: &str) {
    // It speaks before it is spoken to.
    let poured = read_to_end(client);
    assert!(poured.len() == SOURCE && poured == *NOISE, "{which}: {} bytes", poured.len());
}

fn counts(client: &mut File, which: &str) {
    let bytes = noise(1, 100_000);
    for _ in 0..30 {
        client.write_all(&bytes).expect("open");
    }
    half_close(client);
    assert_eq!(read_to_end(client), b"3000000", "{which}");
}

fn messages_stay_apart() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().expect("a folder");
        let places = vec![place(Transport::UnixSeqpacket, folder.path())];
        let server = start(&Config { places, ..config(engine) });
        let mut client = client(&server, Transport::UnixSeqpacket);
        let lengths = [1, 0, 5, 0, 0, 60_000, 1, 0];
        for length in lengths {
            // Not by write: one of no bytes is nothing to a file.
            send(&client, &noise(length as u64, length), SendFlags::NOSIGNAL).expect("open");
        }
        let mut buffer = vec![0; 100_000];
        for length in lengths {
            let echo = client.read(&mut buffer).expect("open");
            assert!(buffer[..echo] == noise(length as u64, length), "{echo} for {length}, {engine:?}");
        }
        half_close(&client);
        assert_eq!(client.read(&mut buffer).expect("its end"), 0);
        drop(client);
        server.stop();
    }
}

fn a_message_may_be_so_long() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().expect("a folder");
        let places = vec![place(Transport::UnixSeqpacket, folder.path())];
        let limits = Limits { max_message: Some(1000), ..Limits::default() };
        let mut server = start(&Config { places, limits, ..config(engine) });
        let mut client = client(&server, Transport::UnixSeqpacket);
        let mut echo = [0; 2000];
        client.write_all(&[1; 1000]).expect("open");
        assert_eq!(client.read(&mut echo).expect("an echo"), 1000);
        client.write_all(&[1; 1001]).expect("open");
        assert!(matches!(client.read(&mut echo), Ok(0) | Err(_)), "nothing of it comes back");
        let closed = server.next_closed();
        assert!(closed.is(How::Limit) && closed.closed_by == "Us", "{engine:?}: {closed:?}");
        assert_eq!(closed.out_bytes, 1000);
        server.stop();
    }
}

/// Longer than the engines' buffers; what is left of it must not pass as a whole.
fn a_message_that_is_cut_is_no_message() {
    const LONG: usize = 300_000;
    for engine in ENGINES {
        for tells_data in [false, true] {
            let folder = tempfile::tempdir().expect("a folder");
            let places = vec![place(Transport::UnixSeqpacket, folder.path())];
            let tells = Tells { data: tells_data, ..Tells::ALL };
            let mut server = start(&Config { places, tells, ..config(engine) });
            let mut client = client(&server, Transport::UnixSeqpacket);
            sockopt::set_socket_send_buffer_size(&client, 2 * LONG).expect("a socket");
            client.write_all(b"short").expect("open");
            assert_eq!(client.read(&mut [0; 10]).expect("an echo"), 5);
            assert_eq!(client.write(&vec![7; LONG]).expect("the buffer was made to hold it"), LONG);
            let closed = server.next_closed();
            assert!(
                matches!(client.read(&mut vec![0; 2 * LONG]), Ok(0) | Err(_)),
                "nothing of it comes back"
            );
            assert!(closed.is(How::Limit) && closed.closed_by == "Us", "{engine:?}: {closed:?}");
            assert_eq!((closed.in_bytes, closed.out_bytes, closed.unread_bytes), (5, 5, LONG as u64));
            server.stop();
        }
    }
}

fn a_client_on_this_machine_is_always_welcome() {
    let nobody = || -> Result<Lists, wire::Fault> {
        let all = ["0.0.0.0/0", "::/0"].map(|all| Network::parse(all).expect("a network"));
        Ok(Lists { allow: Vec::new(), deny: all.to_vec() })
    };
    for engine in ENGINES {
        let folder = tempfile::tempdir().expect("a folder");
        let places = vec![place(Transport::Unix, folder.path())];
        let guests = Guests { lists: Some(Box::new(nobody)), max_per_source: Some(1) };
        let server = start(&Config { places, guests, ..config(engine) });
        let mut clients: Vec<File> = (0..5).map(|_| client(&server, Transport::Unix)).collect();
        for client in &mut clients {
            client.write_all(b"hello").expect("open");
            client.read_exact(&mut [0; 5]).expect("an echo");
        }
        drop(clients);
        server.stop();
    }
}

fn limits_hold_on_every_transport() {
    for engine in ENGINES {
        for transport in TRANSPORTS {
            let folder = tempfile::tempdir().expect("a folder");
            let places = vec![place(transport, folder.path())];
            let limits = Limits { max_bytes: Some(10), ..Limits::default() };
            let mut server = start(&Config { places, limits, ..config(engine) });
            let mut greedy = client(&server, transport);
            greedy.write_all(b"0123456").expect("open");
            greedy.read_exact(&mut [0; 7]).expect("an echo");
            greedy.write_all(b"0123456").expect("open");
            let closed = server.next_closed();
            assert!(closed.is(How::Limit), "{transport:?}, {engine:?}: {closed:?}");
            // Of a message nothing is taken, of a stream what is within the limit.
            let messages = transport.keeps_messages();
            assert!(closed.in_bytes <= 10 && (messages || closed.in_bytes == 10), "{engine:?}: {closed:?}");
            server.stop();
        }
    }
}

fn every_session_is_told_with_its_transport() {
    for engine in ENGINES {
        for transport in TRANSPORTS {
            let folder = tempfile::tempdir().expect("a folder");
            let places = vec![place(transport, folder.path())];
            let mut server = start(&Config { places, ..config(engine) });
            let client = client(&server, transport);
            let remote = match transport {
                Transport::Tcp => "127.0.0.1:",
                _ => "unnamed",
            };
            let opened = server.wait_for("opened ");
            let expected = format!("opened 1 {} {remote}", transport.name());
            assert!(opened.starts_with(&expected), "{opened}, {engine:?}");
            drop(client);
            assert_eq!(server.next_closed().transport, transport.name());
            server.stop();
        }
    }
}

/// It dies with something unread: TCP and Unix sockets both tell the other end.
fn a_killed_client_is_noticed_on_every_transport() {
    for engine in ENGINES {
        for transport in TRANSPORTS {
            let folder = tempfile::tempdir().expect("a folder");
            let places = vec![place(transport, folder.path())];
            let mut server = start(&Config { places, ..config(engine) });
            let client = client(&server, transport);
            send(&client, b"hello", SendFlags::NOSIGNAL).expect("open");
            let mut arrived =
                [rustix::event::PollFd::from_borrowed_fd(client.as_fd(), rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut arrived, None).expect("poll");
            drop(client);
            let closed = server.next_closed();
            assert!(
                closed.is(How::Reset) && closed.closed_by == "Peer",
                "{transport:?}, {engine:?}: {closed:?}"
            );
            server.stop();
        }
    }
}
