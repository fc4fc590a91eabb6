use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, bind, connect,
    listen, recv, send, shutdown, socket_with,
};
use wire::Transport;

use super::*;
use crate::event::{ClosedBy, How};
use crate::serve::Limits;
use crate::service::Echo;

/// A server of messages, and a client of it.
fn echo(limits: Limits) -> (Running, OwnedFd) {
    let socket =
        |flags| socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).expect("a socket");
    let listener = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
    // Autobind (unix(7)): an abstract name that nobody else has.
    let family_only = SocketAddrUnix::new_unnamed();
    bind(&listener, &family_only).expect("a name");
    listen(&listener, 8).expect("it is bound");
    let name = rustix::net::getsockname(&listener).expect("bound");
    let running = run(
        Config { limits, ..config(|| Echo) },
        vec![Listener::of(listener, Transport::UnixSeqpacket)],
        Vec::new(),
    );
    let client = socket(SocketFlags::CLOEXEC);
    connect(&client, &name).expect("it listens");
    (running, client)
}

fn say(client: &OwnedFd, message: &[u8]) -> Result<usize, Errno> {
    send(client, message, SendFlags::NOSIGNAL)
}

fn hear(client: &OwnedFd) -> Vec<u8> {
    let mut buffer = vec![0; 300_000];
    let (_, length) = recv(client, &mut buffer[..], RecvFlags::empty()).expect("open");
    buffer.truncate(length);
    buffer
}

#[test]
fn messages_stay_apart_and_an_empty_one_is_not_the_end() {
    let (running, client) = echo(Limits::default());
    let long = vec![3; 150_000];
    for message in [&b"one"[..], b"", b"two", &long] {
        say(&client, message).expect("room");
        assert_eq!(hear(&client), message);
    }
    shutdown(&client, Shutdown::Write).expect("open");
    assert_eq!(hear(&client), b"", "the end");
    let (_, account) = running.next_closed();
    assert_eq!((account.how, account.closed_by), (How::Fin, ClosedBy::Peer));
    assert_eq!((account.in_bytes, account.out_bytes), (150_006, 150_006));
    running.stop();
}

#[test]
fn messages_that_wait_stay_apart() {
    let (running, client) = echo(Limits::default());
    let message = |number: usize| vec![u8::try_from(number % 251).expect("small"); number * 37 % 5000];
    let count = 2000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..count {
                say(&client, &message(number)).expect("in time");
            }
        });
        // By now the server holds many of them, because nobody takes its answers.
        for number in 0..count {
            assert_eq!(hear(&client), message(number), "message {number}");
        }
    });
    drop(client);
    assert_eq!(running.next_closed().1.how, How::Fin);
    running.stop();
}

#[test]
fn a_message_beyond_the_limit_ends_the_session() {
    let (running, client) = echo(Limits { max_message: Some(100), ..Limits::default() });
    say(&client, &[1; 100]).expect("room");
    assert_eq!(hear(&client).len(), 100);
    say(&client, &[1; 101]).expect("room");
    assert_eq!(hear(&client), b"", "closed, and no part of it came back");
    let (_, account) = running.next_closed();
    assert_eq!((account.how, account.in_bytes, account.unread_bytes), (How::Limit, 100, 101));
    running.stop();
}
