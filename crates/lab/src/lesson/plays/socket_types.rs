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
        Claim { name: "misfit", holds: misfit, broken_by: Disturbance::Change(THAT_FITS) },
        Claim { name: "raw", holds: raw, broken_by: Disturbance::Change(DATAGRAMS) },
        Claim { name: "lowest", holds: lowest, broken_by: Disturbance::Change(NOT_CLOSED) },
    ],
    scenes: &[Scene::Facts],
    words: include_str!("../texts/en/socket-types.txt"),
};

const ONE_WRITE: &str = "one write";
const LARGE_READ: &str = "room for all";
const STAYS_OPEN: &str = "the writer stays";
const THAT_FITS: &str = "SOCK_DGRAM in place of SOCK_STREAM";
const DATAGRAMS: &str = "SOCK_DGRAM in place of SOCK_RAW";
const NOT_CLOSED: &str = "the socket before it stays open";

const TYPES: [SocketType; 3] = [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET];

type Experiment = fn(&mut Actor, &OwnedFd, OwnedFd) -> io::Result<String>;

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
            results.push(experiment(actor, &reader, writer)?);
            actor.close(reader);
        }
        actor.fact(name, results.join("\t"));
    }
    let kind = if actor.is_changed(THAT_FITS) { SocketType::DGRAM } else { SocketType::STREAM };
    let misfit = actor.socket(AddressFamily::INET, kind, Some(ipproto::UDP));
    actor.fact("misfit", returned(&misfit.as_ref().map(number).map_err(copy)));
    let kind = if actor.is_changed(DATAGRAMS) { SocketType::DGRAM } else { SocketType::RAW };
    let protocol = if actor.is_changed(DATAGRAMS) { ipproto::UDP } else { ipproto::ICMP };
    let raw = actor.socket(AddressFamily::INET, kind, Some(protocol));
    actor.fact("raw", returned(&raw.as_ref().map(number).map_err(copy)));
    drop((misfit, raw));
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

fn two_writes(actor: &mut Actor, reader: &OwnedFd, writer: OwnedFd) -> io::Result<String> {
    actor.write(&writer, b"abc")?;
    if !actor.is_changed(ONE_WRITE) {
        actor.write(&writer, b"defg")?;
    }
    let len = actor.read(reader, 16)?.len();
    actor.close(writer);
    Ok(len.to_string())
}

fn short_read(actor: &mut Actor, reader: &OwnedFd, writer: OwnedFd) -> io::Result<String> {
    actor.write(&writer, b"abcdefg")?;
    actor.set_nonblocking(reader)?;
    let room = if actor.is_changed(LARGE_READ) { 16 } else { 3 };
    let first = actor.read(reader, room)?.len();
    let then = returned(&actor.read(reader, 16).map(|bytes| bytes.len()));
    actor.close(writer);
    Ok(format!("{first}, then {then}"))
}

fn writer_gone(actor: &mut Actor, reader: &OwnedFd, writer: OwnedFd) -> io::Result<String> {
    actor.set_nonblocking(reader)?;
    let kept = if actor.is_changed(STAYS_OPEN) {
        Some(writer)
    } else {
        actor.close(writer);
        None
    };
    let read = returned(&actor.read(reader, 16).map(|bytes| bytes.len()));
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

fn misfit(seen: &Seen) -> Option<bool> {
    Some(seen.fact("misfit")? == "-1 EPROTONOSUPPORT")
}

fn raw(seen: &Seen) -> Option<bool> {
    Some(seen.fact("raw")? == "-1 EPERM")
}

fn lowest(seen: &Seen) -> Option<bool> {
    let (first, second) = seen.fact("lowest")?.split_once("; after close ")?;
    Some(first == second)
}
