//! `server-killed`: what the kernel does with the connections of a server that is killed, in three ways.

use kernel::process::Signal;
use wire::socket_row::rows;

use super::on_kernel::*;
use super::processes::{SOON_MS, came_to, kill, read_came_to, wait};

pub(super) const LESSON: Lesson = Lesson {
    id: "server-killed",
    chapter: Chapter::Closing,
    play: Play::on_kernel(Staging {
        place: Place::Network(&["delay 5ms"]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "kernel", holds: kernel, broken_by: Disturbance::Change(LIVES) },
        Claim { name: "typed", holds: typed, broken_by: Disturbance::Change(NOT_TYPED) },
        Claim { name: "told", holds: told, broken_by: Disturbance::Change(NOT_TYPED) },
        Claim { name: "acknowledged", holds: acknowledged, broken_by: Disturbance::Change(SECOND_LIVES) },
        Claim { name: "orphan", holds: orphan, broken_by: Disturbance::Change(A_MINUTE) },
        Claim { name: "stays", holds: stays, broken_by: Disturbance::Change(THIRD_CLOSES) },
    ],
    scenes: &[Scene::Sockets, Scene::Ladder(1), Scene::Ladder(2), Scene::Ladder(3)],
    words: include_str!("../texts/en/server-killed.txt"),
};

const LIVES: &str = "the server is not killed";
const NOT_TYPED: &str = "the first client types nothing";
const SECOND_LIVES: &str = "the second client is not killed";
const A_MINUTE: &str = "TCP_LINGER2 is not set";
const THIRD_CLOSES: &str = "the third client closes";

const PORT: u16 = 7777;

fn server(actor: &mut Actor) -> io::Result<()> {
    let listener = listening(actor, everywhere(PORT))?;
    actor.reach("listening");
    let serving = actor.fork(|actor| serve(actor, &listener))?;
    // The child alone is the server.
    actor.close(listener);
    actor.wait_for("connected");
    if !actor.is_changed(LIVES) {
        kill(actor, serving, Signal::KILL)?;
        wait(actor, serving)?;
        // The clients' kernels may take a moment to acknowledge.
        actor.wait_for_sockets(Server, SocketState::FIN_WAIT_2, 3);
    }
    actor.reach("killed");
    actor.wait_for("second killed");
    if !actor.is_changed(LIVES) && !actor.is_changed(A_MINUTE) {
        actor.wait_until(has_no_orphan)?;
    }
    actor.reach("time is up");
    actor.wait_for("end");
    Ok(())
}

/// The server: it will be killed while it has nothing to do.
fn serve(actor: &mut Actor, listener: &OwnedFd) -> io::Result<()> {
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = actor.accept(listener)?;
        if !actor.is_changed(A_MINUTE) {
            actor.set_option(&client, "TCP_LINGER2=1")?;
        }
        clients.push(client);
    }
    actor.reach("connected");
    actor.wait_for("end");
    Ok(())
}

/// Of this host.
fn has_no_orphan() -> io::Result<bool> {
    let table = std::fs::read_to_string("/proc/self/net/tcp")?;
    Ok(!rows(&table).any(|row| row.state == SocketState::FIN_WAIT_2))
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    // A process of its own, made while there is no other connection that it would have a part of.
    let second = actor.fork(|actor| {
        actor.wait_for("first is there");
        let _connection = connected(actor, at_server(PORT))?;
        actor.reach("second is there");
        actor.wait_for("end");
        Ok(())
    })?;
    let first = connected(actor, at_server(PORT))?;
    actor.reach("first is there");
    actor.wait_for("second is there");
    let third = connected(actor, at_server(PORT))?;
    actor.wait_for("killed");
    if !actor.is_changed(NOT_TYPED) {
        actor.write(&first, b"anybody there?\n")?;
    }
    actor.reach("typed");
    if actor.poll(&first, PollFlags::IN, SOON_MS)? {
        let read = actor.read(&first, 99);
        actor.fact("read", read_came_to(&read));
        let write = actor.write(&first, b"hello?\n");
        actor.fact("write", came_to(&write));
    }
    if !actor.is_changed(SECOND_LIVES) {
        kill(actor, second, Signal::KILL)?;
        wait(actor, second)?;
    }
    actor.reach("second killed");
    let third = if actor.is_changed(THIRD_CLOSES) {
        actor.close(third);
        None
    } else {
        Some(third)
    };
    actor.wait_for("time is up");
    actor.reach("end");
    drop(third);
    Ok(())
}

/// Both ends of a connection, as the kernels had them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    /// None where the client has nothing of it any more.
    client: Option<SocketState>,
    /// Likewise of the server.
    server: Option<SocketState>,
    /// Whether a process of the server has it.
    has_process: bool,
}

impl Ends {
    const fn without_a_process(client: Option<SocketState>, server: Option<SocketState>) -> Ends {
        Ends { client, server, has_process: false }
    }

    /// Of this conversation at this moment.
    fn at(seen: &Seen, moment: &str, conversation: usize) -> Option<Ends> {
        let port = seen.flows.get(conversation)?.a.port();
        let clients = sockets_at(seen, moment, Role::Client, port)?;
        let servers = sockets_at(seen, moment, Role::Server, port)?;
        Some(Ends {
            client: clients.first().map(|row| row.state),
            server: servers.first().map(|row| row.state),
            has_process: servers.iter().any(|row| row.inode != 0),
        })
    }
}

fn kernel(seen: &Seen) -> Option<bool> {
    let left = Ends::without_a_process(Some(SocketState::CLOSE_WAIT), Some(SocketState::FIN_WAIT_2));
    let are_left = (0..3).all(|conversation| Ends::at(seen, "killed", conversation) == Some(left));
    let says_fin =
        |flow: &Flow| flow.rows.iter().any(|row| row.from == Side::B && row.flags.has(TcpFlags::FIN));
    Some(are_left && seen.flows.iter().all(says_fin))
}

fn typed(seen: &Seen) -> Option<bool> {
    let [.., line, answer] = seen.flows.first()?.rows.as_slice() else { return Some(false) };
    let is_reset = line.from == Side::A && line.len_bytes == 15 && answer.from == Side::B;
    let are_gone = Ends::at(seen, "typed", 0)? == Ends::without_a_process(None, None);
    Some(is_reset && answer.flags.has(TcpFlags::RST) && are_gone)
}

fn told(seen: &Seen) -> Option<bool> {
    Some((seen.fact("read")?, seen.fact("write")?) == ("0", "EPIPE"))
}

fn acknowledged(seen: &Seen) -> Option<bool> {
    let [.., fin, ack] = seen.flows.get(1)?.rows.as_slice() else { return Some(false) };
    let is_fin = fin.from == Side::A && fin.flags.has(TcpFlags::FIN);
    let left = Ends::without_a_process(None, Some(SocketState::TIME_WAIT));
    Some(is_fin && ack.from == Side::B && bare(ack) == ACK && Ends::at(seen, "second killed", 1)? == left)
}

fn orphan(seen: &Seen) -> Option<bool> {
    let last = seen.flows.get(2)?.rows.last()?;
    let before = Ends::at(seen, "second killed", 2)?.server;
    let after = Ends::at(seen, "time is up", 2)?.server;
    let is_gone = before == Some(SocketState::FIN_WAIT_2) && after.is_none();
    Some(is_gone && last.from == Side::A && bare(last) == ACK)
}

fn stays(seen: &Seen) -> Option<bool> {
    Some(Ends::at(seen, "time is up", 2)?.client == Some(SocketState::CLOSE_WAIT))
}
