//! `fork-and-descriptors`: what two processes share after fork, and a server that forgets that they do.

use rustix::fs::{MemfdFlags, Mode, OFlags};

use super::on_kernel::*;
use super::processes::{own_descriptors, quoted, read_came_to, wait};

pub(super) const LESSON: Lesson = Lesson {
    id: "fork-and-descriptors",
    chapter: Chapter::Servers,
    play: Play::on_kernel(Staging {
        place: Place::Network(&["delay 5ms"]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "shared", holds: shared, broken_by: Disturbance::Change(OPENED_AFTER) },
        Claim { name: "own", holds: own, broken_by: Disturbance::Change(OPENED_BEFORE) },
        Claim { name: "flags", holds: flags, broken_by: Disturbance::Change(NOT_SET) },
        Claim { name: "no-fin", holds: no_fin, broken_by: Disturbance::Change(CLOSES) },
        Claim { name: "pile", holds: pile, broken_by: Disturbance::Change(CLOSES) },
        Claim { name: "last", holds: last, broken_by: Disturbance::Change(CLOSES) },
    ],
    scenes: &[Scene::Facts, Scene::Sockets, Scene::Ladder(1)],
    words: include_str!("../texts/en/fork-and-descriptors.txt"),
};

const OPENED_AFTER: &str = "the file is opened after the first fork too";
const OPENED_BEFORE: &str = "the file is opened before the second fork too";
const NOT_SET: &str = "the child sets no flag";
const CLOSES: &str = "the parent closes its copy";

const PORT: u16 = 7777;
const CLIENTS: usize = 3;
/// How long a client waits in vain, in milliseconds.
const A_WHILE_MS: u32 = 200;

fn server(actor: &mut Actor) -> io::Result<()> {
    shares_a_file(actor)?;
    shares_a_flag(actor)?;
    forgets_to_close(actor)
}

/// "hello", in a file that is in memory alone, opened anew by its place in /proc.
fn shares_a_file(actor: &mut Actor) -> io::Result<()> {
    let file = actor.call(
        "memfd_create(\"hello\")",
        || rustix::fs::memfd_create("hello", MemfdFlags::CLOEXEC),
        number,
    )?;
    actor.write(&file, b"hello")?;
    actor.fact("columns", "child\tparent");
    let both = reads(actor, &file, !actor.is_changed(OPENED_AFTER))?;
    actor.fact("opened before", both);
    let both = reads(actor, &file, actor.is_changed(OPENED_BEFORE))?;
    actor.fact("opened after", both);
    Ok(())
}

/// What the child reads, one byte, and then the parent, two: from what was opened before the fork, or what each opens
/// after it.
fn reads(actor: &mut Actor, file: &OwnedFd, before: bool) -> io::Result<String> {
    let opened = if before { Some(open(actor, file)?) } else { None };
    let (heard, told) = rustix::pipe::pipe()?;
    let child = actor.fork(|actor| {
        let own = if opened.is_none() { Some(open(actor, file)?) } else { None };
        let one =
            opened.as_ref().or(own.as_ref()).map_or_else(|| Ok(Vec::new()), |file| actor.read(file, 1))?;
        rustix::io::write(&told, &one)?;
        Ok(())
    })?;
    wait(actor, child)?;
    drop(told);
    let mut byte = [0];
    let len = rustix::io::read(&heard, &mut byte)?;
    let opened = match opened {
        Some(opened) => opened,
        None => open(actor, file)?,
    };
    let two = actor.read(&opened, 2)?;
    actor.close(opened);
    Ok([quoted(&byte[..len]), quoted(&two)].join("\t"))
}

fn open(actor: &mut Actor, file: &OwnedFd) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", number(file));
    actor.call(
        format!("open(\"{path}\", O_RDONLY)"),
        || rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()),
        number,
    )
}

fn shares_a_flag(actor: &mut Actor) -> io::Result<()> {
    let (from, _to) = rustix::pipe::pipe()?;
    let child = actor.fork(|actor| match actor.is_changed(NOT_SET) {
        true => Ok(()),
        false => actor.set_nonblocking(&from),
    })?;
    wait(actor, child)?;
    let read = match actor.poll(&from, PollFlags::IN, 0)?
        || rustix::fs::fcntl_getfl(&from)?.contains(OFlags::NONBLOCK)
    {
        true => read_came_to(&actor.read(&from, 1)),
        // It would wait for ever.
        false => "would wait".to_owned(),
    };
    actor.fact("parent's read", read);
    Ok(())
}

/// A server that forks for each client, and keeps its own descriptor of the connection.
fn forgets_to_close(actor: &mut Actor) -> io::Result<()> {
    let listener = listening(actor, everywhere(PORT))?;
    let before = own_descriptors();
    actor.reach("listening");
    let mut kept = Vec::new();
    for _ in 0..CLIENTS {
        let connection = actor.accept(&listener)?;
        let child = actor.fork(|actor| actor.write(&connection, b"bye").map(drop))?;
        if actor.is_changed(CLOSES) {
            actor.close(connection);
        } else {
            kept.push(connection);
        }
        wait(actor, child)?;
    }
    actor.reach("children ended");
    actor.wait_for("clients closed");
    actor.fact("too many", own_descriptors().saturating_sub(before));
    for connection in kept {
        actor.close(connection);
    }
    actor.reach("parent closed");
    Ok(())
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    let connections =
        (0..CLIENTS).map(|_| connected(actor, at_server(PORT))).collect::<io::Result<Vec<_>>>()?;
    actor.wait_for("children ended");
    let mut heard = Vec::new();
    for connection in &connections {
        heard.push(quoted(&actor.read(connection, 99)?));
    }
    actor.fact("heard", heard.join(" "));
    // One stands for all: the others would wait as long.
    let then = match connections.first().map(|one| actor.poll(one, PollFlags::IN, A_WHILE_MS)).transpose()? {
        Some(true) => "the end",
        _ => "nothing",
    };
    actor.fact("then", then);
    for connection in connections {
        actor.close(connection);
    }
    if !actor.is_changed(CLOSES) {
        // The server's kernel may take a moment to acknowledge.
        actor.wait_for_sockets(Client, SocketState::FIN_WAIT_2, CLIENTS);
    }
    actor.reach("clients closed");
    actor.wait_for("parent closed");
    Ok(())
}

fn shared(seen: &Seen) -> Option<bool> {
    Some(seen.fact("opened before")? == "\"h\"\t\"el\"")
}

fn own(seen: &Seen) -> Option<bool> {
    Some(seen.fact("opened after")? == "\"h\"\t\"he\"")
}

fn flags(seen: &Seen) -> Option<bool> {
    Some(seen.fact("parent's read")? == "EAGAIN")
}

/// When the server's FINs set out.
fn fins(seen: &Seen) -> Vec<Time> {
    // Each once: a kernel that is not answered in time sends its FIN again.
    let is_fin = |row: &&Row| row.from == Side::B && row.flags.has(TcpFlags::FIN);
    seen.flows.iter().filter_map(|flow| flow.rows.iter().find(is_fin)).map(|row| row.time).collect()
}

fn no_fin(seen: &Seen) -> Option<bool> {
    let ended = time_of(seen, "children ended")?;
    let [ours, theirs] = [Role::Client, Role::Server]
        .map(|role| count(seen, "children ended", role, SocketState::ESTABLISHED));
    let heard = (seen.fact("heard")?, seen.fact("then")?);
    let has_none = fins(seen).iter().all(|fin| *fin > ended);
    Some(has_none && (ours?, theirs?) == (CLIENTS, CLIENTS) && heard == (r#""bye" "bye" "bye""#, "nothing"))
}

fn pile(seen: &Seen) -> Option<bool> {
    let waiting = count(seen, "clients closed", Role::Server, SocketState::CLOSE_WAIT)?;
    Some(waiting == CLIENTS && seen.fact("too many")? == "3")
}

fn last(seen: &Seen) -> Option<bool> {
    let (begins, ends) = (time_of(seen, "clients closed")?, time_of(seen, "parent closed")?);
    let fins = fins(seen);
    let are_gone = sockets_at(seen, "parent closed", Role::Server, PORT)?.is_empty();
    Some(are_gone && fins.len() == CLIENTS && fins.iter().all(|fin| (begins..ends).contains(fin)))
}
