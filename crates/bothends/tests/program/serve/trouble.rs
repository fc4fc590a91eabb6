//! What can befall the calls of a server: told once, survived. The errors are made by strace, which answers instead of the
//! kernel.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};

use crate::running::{self, PATIENCE, Server, noise};

const TEST: &str = "serve: errors of calls";

/// What is said of an error that strace makes.
const SHORT_OF_MEMORY: [(&str, &str); 2] =
    [("ENOBUFS", "no buffer space"), ("ENOMEM", "cannot allocate memory")];

/// A server whose calls of accept fail so, from the first to the last of these.
fn failing(engine: &str, error: &str, when: &str) -> Server {
    serving("accept4", error, when, &["echo", "127.0.0.1:0", "--engine", engine])
}

/// A server whose calls of this name fail so.
fn serving(call: &str, error: &str, when: &str, words: &[&str]) -> Server {
    Server::of(&mut running::failing(call, error, when, &[&["serve"], words].concat()))
}

fn can_inject() -> bool {
    running::can_inject(TEST)
}

fn count_of(words: &str, said: &str) -> usize {
    said.to_lowercase().matches(words).count()
}

/// Sends all of it, then FIN, and gives all that comes until the server's.
fn answer_to(server: &Server, sent: &[u8]) -> Vec<u8> {
    let mut client = TcpStream::connect(server.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sender = client.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Where it fails the answer is short.
            let _ = sender.write_all(sent);
            let _ = sender.shutdown(Shutdown::Write);
        });
        let mut answer = Vec::new();
        // A reset ends it, too.
        let _ = client.read_to_end(&mut answer);
        answer
    })
}

fn is_served(server: &Server) {
    let mut client = TcpStream::connect(server.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"hi").unwrap();
    let mut echo = [0; 2];
    client.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hi");
}

#[test]
fn want_of_anything_is_told_once_and_goes_by() {
    if !can_inject() {
        return;
    }
    let without_descriptors = [("ENFILE", "no descriptor"), ("EMFILE", "no descriptor")];
    for engine in super::ENGINES {
        for (error, words) in SHORT_OF_MEMORY.into_iter().chain(without_descriptors) {
            let server = failing(engine, error, "1..2");
            is_served(&server);
            let (status, said) = server.stop();
            assert_eq!(status.code(), Some(0), "{engine}, {error}: {said}");
            assert_eq!(count_of(words, &said), 1, "{engine}, {error}: {said}");
        }
    }
}

#[test]
fn clients_that_are_gone_and_networks_that_are_down_stop_nothing() {
    if !can_inject() {
        return;
    }
    for engine in super::ENGINES {
        for error in ["ECONNABORTED", "EPROTO", "ENETDOWN", "EHOSTUNREACH", "EPERM", "EINTR"] {
            let server = failing(engine, error, "1..5");
            is_served(&server);
            let (status, said) = server.stop();
            assert_eq!(status.code(), Some(0), "{engine}, {error}: {said}");
            assert_eq!(said.lines().filter(|line| line.contains("accept")).count(), 0, "{engine}: {said}");
        }
    }
}

/// What never goes by is told, and the server can be stopped.
#[test]
fn an_error_that_stays_is_told_once() {
    if !can_inject() {
        return;
    }
    for engine in super::ENGINES {
        let mut server = failing(engine, "ENETDOWN", "1+");
        let _waiting = TcpStream::connect(server.address).unwrap();
        server.says("network is down");
        let (status, said) = server.stop();
        assert_eq!(status.code(), Some(0), "{engine}: {said}");
        assert_eq!(count_of("network is down", &said), 1, "{engine}: {said}");
    }
}

/// For a while, and again and again in the middle of a conversation, which goes on whole.
#[test]
fn want_of_memory_ends_no_conversation_and_is_told_once_in_each() {
    if !can_inject() {
        return;
    }
    for engine in super::ENGINES {
        for (call, doing) in [("sendto", "send to"), ("recvfrom", "receive from")] {
            for ((error, words), when) in SHORT_OF_MEMORY.into_iter().zip(["1..3", "1+3"]) {
                let case = format!("{engine}, {call}, {error}, {when}");
                goes_on(engine, (call, error, when), &format!("{doing} 127.0.0.1:"), words, &case);
            }
        }
    }
}

/// Two conversations; in each it is told once that this failed, and why.
fn goes_on(engine: &str, (call, error, when): (&str, &str, &str), doing: &str, why: &str, case: &str) {
    let sent = noise(5, 200_000);
    let server = serving(call, error, when, &["echo", "127.0.0.1:0", "--engine", engine]);
    for _ in 0..2 {
        let echo = answer_to(&server, &sent);
        assert!(echo == sent, "{case}: {} bytes of {}", echo.len(), sent.len());
    }
    let (status, said) = server.stop();
    assert_eq!(status.code(), Some(0), "{case}: {said}");
    let told = said.lines().filter(|line| line.starts_with(doing) && line.contains(why)).count();
    // One thread has all sessions of the event engine, and strace counts the calls of each thread.
    let expected = if engine == "event" && when == "1..3" { 1 } else { 2 };
    assert_eq!((told, count_of(why, &said)), (expected, expected), "{case}: {said}");
}

/// What the service says by itself, in more than the kernel takes at once.
#[test]
fn want_of_memory_leaves_nothing_of_a_source_out() {
    if !can_inject() {
        return;
    }
    let words = ["source", "--size", "1M", "127.0.0.1:0", "--engine"];
    let whole = answer_to(&Server::start(&[&words[..], &["event"]].concat()), b"");
    assert_eq!(whole.len(), 1 << 20);
    for engine in super::ENGINES {
        let server = serving("sendto", "ENOBUFS", "1+2", &[&words[..], &[engine]].concat());
        let came = answer_to(&server, b"");
        assert!(came == whole, "{engine}: {} bytes", came.len());
        let (status, said) = server.stop();
        assert_eq!((status.code(), count_of("no buffer space", &said)), (Some(0), 1), "{engine}: {said}");
    }
}

/// Where bytes are thrown away, the event engine moves their pages.
#[test]
fn want_of_memory_for_pages_is_told_once_and_every_byte_is_counted() {
    if !can_inject() {
        return;
    }
    let server = serving("splice", "ENOMEM", "1+3", &["discard", "127.0.0.1:0", "-v"]);
    assert_eq!(answer_to(&server, &noise(6, 3_000_000)), b"");
    let (status, said) = server.stop();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(count_of("cannot allocate memory", &said), 1, "{said}");
    // An arrival that was lost or counted twice would show: it is of 64 KiB or more.
    assert!(said.contains("2.86 MiB in"), "{said}");
}

/// A datagram waits in its socket; an answer without room is dropped, and that is told.
#[test]
fn want_of_memory_keeps_no_datagram_from_being_read() {
    if !can_inject() {
        return;
    }
    for (error, words) in SHORT_OF_MEMORY {
        let server = serving("recvmmsg", error, "1..3", &["echo", "udp://127.0.0.1:0"]);
        assert!(is_answered(&udp_client(&server), b"hello"), "{error}");
        let (status, said) = server.stop();
        assert_eq!((status.code(), count_of(words, &said)), (Some(0), 1), "{error}: {said}");

        let mut server = serving("sendto", error, "1", &["echo", "udp://127.0.0.1:0"]);
        let client = udp_client(&server);
        client.send(b"lost").unwrap();
        server.says("no room for an answer; it is dropped");
        assert!(is_answered(&client, b"answered"), "{error}");
        let (status, said) = server.stop();
        assert_eq!((status.code(), count_of(words, &said)), (Some(0), 0), "{error}: {said}");
    }
}

fn udp_client(server: &Server) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(server.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn is_answered(client: &UdpSocket, words: &[u8]) -> bool {
    client.send(words).unwrap();
    let mut answer = [0; 64];
    let length = client.recv(&mut answer).unwrap();
    &answer[..length] == words
}
