//! `pipe-and-socket`: what reading and writing give on a pipe, and beside it on a socket.

use rustix::net::{Shutdown, SocketType};

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "pipe-and-socket",
    chapter: Chapter::Sockets,
    play: Play::on_kernel(Staging { place: Place::Machine, actors: &[(Client, program)] }),
    claims: &[
        Claim { name: "data", holds: data, broken_by: Disturbance::Change(MESSAGES) },
        Claim { name: "none", holds: none, broken_by: Disturbance::Change(FIRST) },
        Claim { name: "ended", holds: ended, broken_by: Disturbance::Change(WRITER_STAYS) },
        Claim { name: "broken", holds: broken, broken_by: Disturbance::Change(READER_STAYS) },
        Claim { name: "full", holds: full, broken_by: Disturbance::Change(READS_ON) },
        Claim { name: "back", holds: back, broken_by: Disturbance::Change(ONE_WAY) },
    ],
    scenes: &[Scene::Facts],
    words: include_str!("../texts/en/pipe-and-socket.txt"),
};

const MESSAGES: &str = "a socket of messages";
const FIRST: &str = "something is written first";
const WRITER_STAYS: &str = "a copy of the writer's descriptor stays open";
const READER_STAYS: &str = "a copy of the reader's descriptor stays open";
const READS_ON: &str = "somebody reads";
const ONE_WAY: &str = "the socket is shut down one way";

/// What is written at a time until nothing more fits; a pipe takes so many bytes whole or not at all (PIPE_BUF).
const PIECE: usize = 4096;
/// More pieces than any buffer here takes.
const MOST_PIECES: usize = 4096;

/// Two descriptors: what is written to one is read from the other.
struct Channel {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Channel {
    /// Closes both ends, and says how it went before.
    fn close(self, actor: &mut Actor, went: String) -> String {
        actor.close(self.reader);
        actor.close(self.writer);
        went
    }
}

type Experiment = fn(&mut Actor, Channel) -> io::Result<String>;

fn program(actor: &mut Actor) -> io::Result<()> {
    let experiments: [(&str, Experiment); 6] = [
        ("data", two_writes),
        ("none", nothing_there),
        ("ended", writer_gone),
        ("broken", reader_gone),
        ("full", until_full),
        ("back", backwards),
    ];
    actor.fact("columns", "pipe\tsocket");
    for (name, experiment) in experiments {
        let (reader, writer) = actor.pipe()?;
        let capacity = rustix::pipe::fcntl_getpipe_size(&writer)?;
        let of_pipe = experiment(actor, Channel { reader, writer })?;
        let kind = if actor.is_changed(MESSAGES) { SocketType::SEQPACKET } else { SocketType::STREAM };
        let (reader, writer) = actor.socket_pair(kind)?;
        let of_socket = experiment(actor, Channel { reader, writer })?;
        actor.fact("capacity", capacity);
        actor.fact(name, [of_pipe, of_socket].join("\t"));
    }
    Ok(())
}

fn two_writes(actor: &mut Actor, channel: Channel) -> io::Result<String> {
    actor.write(&channel.writer, b"abc")?;
    actor.write(&channel.writer, b"defg")?;
    let got = read(actor, &channel);
    Ok(channel.close(actor, got))
}

fn nothing_there(actor: &mut Actor, channel: Channel) -> io::Result<String> {
    if actor.is_changed(FIRST) {
        actor.write(&channel.writer, b"x")?;
    }
    actor.set_nonblocking(&channel.reader)?;
    let got = read(actor, &channel);
    Ok(channel.close(actor, got))
}

fn writer_gone(actor: &mut Actor, channel: Channel) -> io::Result<String> {
    let Channel { reader, writer } = channel;
    let copy = actor.duplicate(&writer)?;
    actor.write(&writer, b"rest")?;
    actor.close(writer);
    let copy = if actor.is_changed(WRITER_STAYS) {
        Some(copy)
    } else {
        actor.close(copy);
        None
    };
    actor.set_nonblocking(&reader)?;
    let [first, second] = [(); 2].map(|()| returned(&actor.read(&reader, 16).map(|bytes| bytes.len())));
    drop(copy);
    Ok(format!("{first}, then {second}"))
}

fn reader_gone(actor: &mut Actor, channel: Channel) -> io::Result<String> {
    let Channel { reader, writer } = channel;
    let copy = actor.is_changed(READER_STAYS).then(|| actor.duplicate(&reader)).transpose()?;
    actor.close(reader);
    let written = returned(&actor.write(&writer, b"abc"));
    drop(copy);
    Ok(written)
}

fn until_full(actor: &mut Actor, channel: Channel) -> io::Result<String> {
    actor.set_nonblocking(&channel.writer)?;
    actor.set_nonblocking(&channel.reader)?;
    let mut bytes = 0;
    for _ in 0..MOST_PIECES {
        match rustix::io::write(&channel.writer, &[b'x'; PIECE]) {
            Ok(len) => bytes += len,
            Err(_) => break,
        }
    }
    if actor.is_changed(READS_ON) {
        while rustix::io::read(&channel.reader, &mut [0; PIECE]).is_ok_and(|len| len > 0) {}
    }
    let then = returned(&actor.write(&channel.writer, &[b'x'; PIECE]));
    Ok(channel.close(actor, format!("{bytes}, then {then}")))
}

fn backwards(actor: &mut Actor, channel: Channel) -> io::Result<String> {
    if actor.is_changed(ONE_WAY) {
        // Of a pipe it fails, as it should.
        let _ = actor.shutdown(&channel.reader, Shutdown::Write);
    }
    let written = returned(&actor.write(&channel.reader, b"abc"));
    Ok(channel.close(actor, written))
}

fn read(actor: &mut Actor, channel: &Channel) -> String {
    returned(&actor.read(&channel.reader, 16).map(|bytes| bytes.len()))
}

fn data(seen: &Seen) -> Option<bool> {
    Some(seen.fact("data")? == "7\t7")
}

fn none(seen: &Seen) -> Option<bool> {
    Some(seen.fact("none")? == "-1 EAGAIN\t-1 EAGAIN")
}

fn ended(seen: &Seen) -> Option<bool> {
    Some(seen.fact("ended")? == "4, then 0\t4, then 0")
}

fn broken(seen: &Seen) -> Option<bool> {
    Some(seen.fact("broken")? == "-1 EPIPE\t-1 EPIPE")
}

fn full(seen: &Seen) -> Option<bool> {
    let (pipe, socket) = seen.fact("full")?.split_once('\t')?;
    let [pipe, socket] = [pipe, socket].map(|its| its.strip_suffix(", then -1 EAGAIN"));
    let bytes = socket.and_then(|bytes| bytes.parse::<usize>().ok());
    Some(pipe == seen.fact("capacity") && bytes.is_some_and(|bytes| bytes > 0))
}

fn back(seen: &Seen) -> Option<bool> {
    Some(seen.fact("back")? == "-1 EBADF\t3")
}
