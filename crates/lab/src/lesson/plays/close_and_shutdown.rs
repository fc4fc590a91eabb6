//! `close-and-shutdown`: a connection that two processes have. close takes away one of its holders, shutdown a
//! direction from all.

use super::on_kernel::*;
use super::processes::{SOON_MS, came_to, quoted, read_came_to, wait};

pub(super) const LESSON: Lesson = Lesson {
    id: "close-and-shutdown",
    chapter: Chapter::Closing,
    play: Play::on_kernel(Staging {
        place: Place::Network(&["delay 5ms"]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "copy", holds: copy, broken_by: Disturbance::Change(SHUTS_FIRST) },
        Claim { name: "last", holds: last, broken_by: Disturbance::Change(SHUTS_FIRST) },
        Claim { name: "shutdown", holds: shutdown, broken_by: Disturbance::Change(CLOSES_SECOND) },
        Claim { name: "everybody", holds: everybody, broken_by: Disturbance::Change(CLOSES_SECOND) },
        Claim { name: "open", holds: open, broken_by: Disturbance::Change(BOTH) },
        Claim { name: "reading", holds: reading, broken_by: Disturbance::Change(NOT_SHUT) },
    ],
    scenes: &[Scene::Sockets, Scene::Ladders],
    words: include_str!("../texts/en/close-and-shutdown.txt"),
};

const SHUTS_FIRST: &str = "the parent shuts down where it closes";
const CLOSES_SECOND: &str = "the parent closes where it shuts down";
const BOTH: &str = "the parent shuts down both directions";
const NOT_SHUT: &str = "the client does not shut down";

const PORT: u16 = 7777;

fn server(actor: &mut Actor) -> io::Result<()> {
    let listener = listening(actor, everywhere(PORT))?;
    actor.reach("listening");
    closes(actor, &listener)?;
    shuts_down(actor, &listener)?;
    says_two_things(actor, &listener)
}

/// The parent closes, the child goes on.
fn closes(actor: &mut Actor, listener: &OwnedFd) -> io::Result<()> {
    let connection = actor.accept(listener)?;
    let child = actor.fork(|actor| {
        actor.wait_for("parent closed");
        let write = actor.write(&connection, b"still here");
        actor.fact("child's write", came_to(&write));
        actor.reach("child wrote");
        actor.wait_for("heard");
        Ok(())
    })?;
    if actor.is_changed(SHUTS_FIRST) {
        actor.shutdown(&connection, Shutdown::Write)?;
    }
    actor.close(connection);
    actor.reach("parent closed");
    wait(actor, child)?;
    // The client's kernel may take a moment to acknowledge.
    actor.wait_for_sockets(Server, SocketState::FIN_WAIT_2, 1);
    actor.reach("child ended");
    Ok(())
}

/// The parent shuts down, for the child as well.
fn shuts_down(actor: &mut Actor, listener: &OwnedFd) -> io::Result<()> {
    let connection = actor.accept(listener)?;
    let child = actor.fork(|actor| {
        actor.wait_for("asked");
        let write = actor.write(&connection, b"and here");
        actor.fact("child's second write", came_to(&write));
        let read = actor.read(&connection, 99)?;
        actor.fact("child reads", quoted(&read));
        let flags = flags_of(actor, &connection);
        actor.fact("child's descriptor", flags);
        actor.reach("child has read");
        Ok(())
    })?;
    let connection = match (actor.is_changed(CLOSES_SECOND), actor.is_changed(BOTH)) {
        (true, _) => {
            actor.close(connection);
            None
        }
        (_, both) => {
            actor.shutdown(&connection, if both { Shutdown::Both } else { Shutdown::Write })?;
            Some(connection)
        }
    };
    actor.reach("shut down");
    wait(actor, child)?;
    if let Some(connection) = connection {
        let flags = flags_of(actor, &connection);
        actor.fact("parent's descriptor", flags);
        actor.close(connection);
    }
    actor.reach("all closed");
    Ok(())
}

/// Whether a descriptor is one: its flags can be asked for.
fn flags_of(actor: &mut Actor, file: &OwnedFd) -> String {
    let flags = actor.call(
        format!("fcntl({}, F_GETFD)", number(file)),
        || rustix::io::fcntl_getfd(file),
        |flags| flags.bits().to_string(),
    );
    flags.map_or_else(|_| "not open".to_owned(), |_| "open".to_owned())
}

fn says_two_things(actor: &mut Actor, listener: &OwnedFd) -> io::Result<()> {
    let connection = actor.accept(listener)?;
    actor.write(&connection, b"before")?;
    actor.reach("before");
    actor.wait_for("SHUT_RD");
    actor.write(&connection, b"later")?;
    actor.reach("later");
    actor.wait_for("end");
    Ok(())
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    let first = connected(actor, at_server(PORT))?;
    actor.wait_for("child wrote");
    let heard = actor.read(&first, 99)?;
    actor.fact("client reads", quoted(&heard));
    actor.reach("heard");
    actor.wait_for("child ended");
    actor.close(first);
    let second = connected(actor, at_server(PORT))?;
    actor.wait_for("shut down");
    if actor.poll(&second, PollFlags::IN, SOON_MS)? {
        let read = actor.read(&second, 99);
        actor.fact("client's end", read_came_to(&read));
    }
    actor.write(&second, b"a question")?;
    actor.reach("asked");
    actor.wait_for("all closed");
    actor.close(second);
    reads_after_shutdown(actor)?;
    actor.reach("end");
    Ok(())
}

fn reads_after_shutdown(actor: &mut Actor) -> io::Result<()> {
    let third = connected(actor, at_server(PORT))?;
    actor.wait_for("before");
    if !actor.is_changed(NOT_SHUT) {
        actor.shutdown(&third, Shutdown::Read)?;
    }
    actor.reach("SHUT_RD");
    actor.wait_for("later");
    for fact in ["third reads", "third reads on", "third's end"] {
        let read = match actor.poll(&third, PollFlags::IN, SOON_MS)? {
            true => quoted(&actor.read(&third, 6)?),
            false => "waits".to_owned(),
        };
        actor.fact(fact, read);
    }
    Ok(())
}

/// When the server's FIN set out in this conversation.
fn fin(seen: &Seen, conversation: usize) -> Option<Time> {
    let rows = &seen.flows.get(conversation)?.rows;
    rows.iter().find(|row| row.from == Side::B && row.flags.has(TcpFlags::FIN)).map(|row| row.time)
}

fn copy(seen: &Seen) -> Option<bool> {
    let goes_on = fin(seen, 0)? > time_of(seen, "heard")?;
    Some(goes_on && seen.fact("client reads")? == "\"still here\"")
}

fn last(seen: &Seen) -> Option<bool> {
    let fin = fin(seen, 0)?;
    Some(time_of(seen, "heard")? < fin && fin < time_of(seen, "child ended")?)
}

fn shutdown(seen: &Seen) -> Option<bool> {
    let is_at_once = fin(seen, 1)? < time_of(seen, "shut down")?;
    Some(is_at_once && seen.fact("client's end")? == "0")
}

fn everybody(seen: &Seen) -> Option<bool> {
    Some(seen.fact("child's second write")? == "EPIPE")
}

fn open(seen: &Seen) -> Option<bool> {
    let port = seen.flows.get(1)?.a.port();
    let has_holder = sockets_at(seen, "child has read", Role::Server, port)?
        .iter()
        .any(|row| row.state == SocketState::FIN_WAIT_2 && row.inode != 0);
    let descriptors = (seen.fact("child's descriptor")?, seen.fact("parent's descriptor")?);
    Some(has_holder && descriptors == ("open", "open") && seen.fact("child reads")? == "\"a question\"")
}

fn reading(seen: &Seen) -> Option<bool> {
    let read = ["third reads", "third reads on", "third's end"].map(|fact| seen.fact(fact));
    let later = time_of(seen, "later")?;
    let tells_nothing = seen
        .flows
        .get(2)?
        .rows
        .iter()
        .filter(|row| row.from == Side::A && row.time < later)
        .all(|row| row.len_bytes == 0 && matches!(bare(row), SYN | ACK));
    Some(tells_nothing && read == [Some("\"before\""), Some("\"later\""), Some("\"\"")])
}
