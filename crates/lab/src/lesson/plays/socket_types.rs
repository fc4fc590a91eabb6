//! `socket-types`: what SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET and SOCK_RAW promise.

use rustix::net::{AddressFamily, SocketType, ipproto};

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "socket-types",
    chapter: Chapter::Sockets,
    play: Play::on_kernel(Staging { place: Place::Machine, actors: &[(Client, program)] }),
    claims: &[
        Claim { name: "whole", holds: whole, broken_by: Disturbance::Change(ONE_WRITE) },
        Claim { name: "cut", holds: cut, broken_by: Disturbance::Change(LARGE_READ) },
        Claim { name: "ended", holds: ended, broken_by: Disturbance::Change(STAYS_OPEN) },
        Claim { name: "missing", holds: missing, broken_by: Disturbance::Change(UNIX) },
        Claim { name: "raw", holds: raw, broken_by: Disturbance::Change(DATAGRAMS) },
        Claim { name: "lowest", holds: lowest, broken_by: Disturbance::Change(NOT_CLOSED) },
    ],
    scenes: &[Scene::Facts],
    words: include_str!("../texts/en/socket-types.txt"),
};

const ONE_WRITE: &str = "one write";
const LARGE_READ: &str = "room for all";
const STAYS_OPEN: &str = "the writer stays";
const UNIX: &str = "AF_UNIX in place of AF_INET";
const DATAGRAMS: &str = "SOCK_DGRAM in place of SOCK_RAW";
const NOT_CLOSED: &str = "the socket before it stays open";

const TYPES: [SocketType; 3] = [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET];

type Experiment = fn(&mut Actor, OwnedFd, OwnedFd) -> io::Result<String>;

fn program(actor: &mut Actor) -> io::Result<()> {
    // Whoever plays this, the program is an ordinary one.
    actor.give_up_privileges()?;
    let experiments: [(&str, Experiment); 3] =
        [("whole", two_writes), ("cut", short_read), ("ended", writer_gone)];
    actor.fact("columns", "STREAM\tDGRAM\tSEQPACKET");
    for (name, experiment) in experiments {
        let mut results = Vec::new();
        for kind in TYPES {
            let (reader, writer) = actor.socket_pair(kind)?;
            results.push(experiment(actor, reader, writer)?);
        }
        actor.fact(name, results.join("\t"));
    }
    let family = if actor.is_changed(UNIX) { AddressFamily::UNIX } else { AddressFamily::INET };
    let missing = actor.socket(family, SocketType::SEQPACKET, None);
    actor.fact("missing", returned(&missing.as_ref().map(number).map_err(copy)));
    let kind = if actor.is_changed(DATAGRAMS) { SocketType::DGRAM } else { SocketType::RAW };
    let protocol = if actor.is_changed(DATAGRAMS) { ipproto::UDP } else { ipproto::ICMP };
    let raw = actor.socket(AddressFamily::INET, kind, Some(protocol));
    actor.fact("raw", returned(&raw.as_ref().map(number).map_err(copy)));
    drop((missing, raw));
    let first = actor.tcp_socket()?;
    let its = number(&first);
    let kept = if actor.is_changed(NOT_CLOSED) {
        Some(first)
    } else {
        actor.close(first);
        None
    };
    let second = actor.tcp_socket()?;
    actor.fact("lowest", format!("{its}; after close {}", number(&second)));
    drop(kept);
    Ok(())
}

fn copy(error: &io::Error) -> io::Error {
    io::Error::from_raw_os_error(error.raw_os_error().unwrap_or_default())
}

fn two_writes(actor: &mut Actor, reader: OwnedFd, writer: OwnedFd) -> io::Result<String> {
    actor.write(&writer, b"abc")?;
    if !actor.is_changed(ONE_WRITE) {
        actor.write(&writer, b"defg")?;
    }
    Ok(actor.read(&reader, 16)?.len().to_string())
}

fn short_read(actor: &mut Actor, reader: OwnedFd, writer: OwnedFd) -> io::Result<String> {
    actor.write(&writer, b"abcdefg")?;
    actor.set_nonblocking(&reader)?;
    let room = if actor.is_changed(LARGE_READ) { 16 } else { 3 };
    let first = actor.read(&reader, room)?.len();
    Ok(format!("{first}, then {}", returned(&actor.read(&reader, 16).map(|bytes| bytes.len()))))
}

fn writer_gone(actor: &mut Actor, reader: OwnedFd, writer: OwnedFd) -> io::Result<String> {
    actor.set_nonblocking(&reader)?;
    let kept = if actor.is_changed(STAYS_OPEN) {
        Some(writer)
    } else {
        actor.close(writer);
        None
    };
    let read = returned(&actor.read(&reader, 16).map(|bytes| bytes.len()));
    drop(kept);
    Ok(read)
}

fn whole(seen: &Seen) -> Option<bool> {
    Some(seen.fact("whole")? == "7\t3\t3")
}

fn cut(seen: &Seen) -> Option<bool> {
    Some(seen.fact("cut")? == "3, then 4\t3, then -1 EAGAIN\t3, then -1 EAGAIN")
}

fn ended(seen: &Seen) -> Option<bool> {
    Some(seen.fact("ended")? == "0\t-1 EAGAIN\t0")
}

fn missing(seen: &Seen) -> Option<bool> {
    Some(seen.fact("missing")? == "-1 ESOCKTNOSUPPORT")
}

fn raw(seen: &Seen) -> Option<bool> {
    Some(seen.fact("raw")? == "-1 EPERM")
}

fn lowest(seen: &Seen) -> Option<bool> {
    let (first, second) = seen.fact("lowest")?.split_once("; after close ")?;
    Some(first == second)
}
