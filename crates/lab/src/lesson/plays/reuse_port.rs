//! `reuse-port`: four processes listen on one port, and how the kernel spreads connections over them.

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, socket_error};
use rustix::net::{AddressFamily, SocketType};

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "reuse-port",
    chapter: Chapter::Closing,
    play: Play::on_kernel(Staging {
        place: Place::Network(&[]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "four", holds: four, broken_by: Disturbance::Change(NO_OPTION) },
        Claim { name: "fifth", holds: fifth, broken_by: Disturbance::Change(FIFTH_TOO) },
        Claim { name: "spread", holds: spread, broken_by: Disturbance::Change(ONE_PORT) },
        Claim { name: "same", holds: same, broken_by: Disturbance::Change(MANY_PORTS) },
        Claim { name: "lost", holds: lost, broken_by: Disturbance::Change(ALL_STAY) },
    ],
    scenes: &[Scene::Facts],
    words: include_str!("../texts/en/reuse-port.txt"),
};

const NO_OPTION: &str = "the second process does not set the option";
const FIFTH_TOO: &str = "the fifth sets the option";
const ONE_PORT: &str = "all clients have one port";
const MANY_PORTS: &str = "each client has a port of its own";
const ALL_STAY: &str = "no process ends";

const PORT: u16 = 7777;
/// The processes.
const PROCESSES: usize = 4;
/// So many clients come, from ports that their kernel chooses.
const CLIENTS: usize = 400;
/// So many come one after the other from one port.
const AGAIN: u16 = 20;
/// That port; those that follow belong to the same clients where they are to have their own.
const CLIENT_PORT: u16 = 5000;
/// So many come before one of the processes ends, and are not accepted yet.
const WAITING: usize = 100;

fn server(actor: &mut Actor) -> io::Result<()> {
    for number in 1..=PROCESSES {
        actor.fork(move |child| process(child, number))?;
        actor.wait_for(&format!("{number} is ready"));
    }
    let fifth = actor.tcp_socket()?;
    if actor.is_changed(FIFTH_TOO) {
        actor.set_option(&fifth, "SO_REUSEPORT=1")?;
    }
    let bound = actor.bind(&fifth, everywhere(PORT));
    actor.fact("fifth", outcome(&bound));
    drop(fifth);
    actor.reach("listening");
    for act in ["spread", "same"] {
        actor.wait_for(act);
        for number in 1..=PROCESSES {
            actor.wait_for(&format!("{act}: {number} has counted"));
        }
        actor.reach(&format!("{act}: counted"));
    }
    actor.wait_for("end");
    Ok(())
}

/// One of the four.
fn process(actor: &mut Actor, number: usize) -> io::Result<()> {
    let listener = actor.tcp_socket()?;
    if number != 2 || !actor.is_changed(NO_OPTION) {
        actor.set_option(&listener, "SO_REUSEPORT=1")?;
    }
    let bound = actor.bind(&listener, everywhere(PORT));
    actor.fact(&format!("bind {number}"), outcome(&bound));
    if bound.is_ok() {
        actor.listen(&listener, 512)?;
        actor.set_nonblocking(&listener)?;
    }
    actor.reach(&format!("{number} is ready"));
    for act in ["spread", "same"] {
        actor.wait_for(act);
        let count = accept_all(&listener);
        actor.fact(&format!("{act} {number}"), count);
        actor.reach(&format!("{act}: {number} has counted"));
    }
    actor.wait_for("more");
    // The first one ends with all that waits for it; the others stay.
    if number > 1 || actor.is_changed(ALL_STAY) {
        actor.wait_for("end");
    } else {
        actor.close(listener);
        actor.reach("one has ended");
    }
    Ok(())
}

/// Takes all that wait; they are closed at once.
fn accept_all(listener: &OwnedFd) -> usize {
    let mut count = 0;
    while rustix::net::accept(listener).is_ok() {
        count += 1;
    }
    count
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    let one_port = actor.is_changed(ONE_PORT);
    for _ in 0..CLIENTS {
        connect(one_port.then_some(CLIENT_PORT))?;
    }
    actor.reach("spread");
    actor.wait_for("spread: counted");
    let many_ports = actor.is_changed(MANY_PORTS);
    for port in CLIENT_PORT..CLIENT_PORT + AGAIN {
        connect(Some(if many_ports { port } else { CLIENT_PORT }))?;
    }
    actor.reach("same");
    actor.wait_for("same: counted");
    let waiting = (0..WAITING).map(|_| connect(None)).collect::<io::Result<Vec<_>>>()?;
    actor.reach("more");
    if !actor.is_changed(ALL_STAY) {
        actor.wait_for("one has ended");
    }
    let is_reset = |socket: &&OwnedFd| matches!(socket_error(socket), Ok(Err(Errno::CONNRESET)));
    actor.fact("lost", waiting.iter().filter(is_reset).count());
    actor.reach("end");
    Ok(())
}

/// Connects, from a port if one is named. When it is closed the connection is reset, so that the port is free again.
fn connect(from: Option<u16>) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    set_socket_linger(&socket, Some(Duration::ZERO))?;
    if let Some(port) = from {
        rustix::net::bind(&socket, &at_client(port))?;
    }
    rustix::net::connect(&socket, &at_server(PORT))?;
    Ok(socket)
}

/// What each process has counted in this act.
fn counts(seen: &Seen, act: &str) -> Option<Vec<usize>> {
    (1..=PROCESSES).map(|number| seen.fact(&format!("{act} {number}"))?.parse().ok()).collect()
}

fn four(seen: &Seen) -> Option<bool> {
    let bound =
        (1..=PROCESSES).map(|number| seen.fact(&format!("bind {number}"))).all(|bound| bound == Some(OK));
    let listeners = seen.sockets("listening", Server)?.iter().filter(|row| row.is_listener()).count();
    Some(bound && listeners == PROCESSES)
}

fn fifth(seen: &Seen) -> Option<bool> {
    Some(seen.fact("fifth")? == IN_USE)
}

/// How many each gets is chance; that one of four gets none of 400 is none.
fn spread(seen: &Seen) -> Option<bool> {
    let counts = counts(seen, "spread")?;
    Some(counts.iter().sum::<usize>() == CLIENTS && counts.iter().all(|count| *count > 0))
}

fn same(seen: &Seen) -> Option<bool> {
    let mut counts = counts(seen, "same")?;
    counts.sort_unstable();
    Some(counts == [0, 0, 0, usize::from(AGAIN)])
}

/// Those are lost that waited in the queue of one listener.
fn lost(seen: &Seen) -> Option<bool> {
    let lost: u32 = seen.fact("lost")?.parse().ok()?;
    let listeners = seen.sockets("more", Server)?.into_iter().filter(|row| row.is_listener());
    let queues: Vec<u32> = listeners.map(|row| row.to_read_bytes).collect();
    Some(lost > 0 && queues.contains(&lost) && usize::try_from(queues.iter().sum::<u32>()) == Ok(WAITING))
}
