//! `address-in-use`: its two causes, and what SO_REUSEADDR does about one of them.

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "address-in-use",
    chapter: Chapter::Closing,
    play: Play::on_kernel(Staging {
        place: Place::Network(&[]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "second", holds: second, broken_by: Disturbance::Change(OTHER_PORT) },
        Claim { name: "second-with", holds: second_with, broken_by: Disturbance::Change(FIRST_GONE) },
        Claim { name: "time-wait", holds: time_wait, broken_by: Disturbance::Change(CLIENT_FIRST) },
        Claim { name: "without", holds: without, broken_by: Disturbance::Change(CLIENT_FIRST) },
        Claim { name: "too-late", holds: too_late, broken_by: Disturbance::Change(IN_BOTH) },
        Claim { name: "before", holds: before, broken_by: Disturbance::Change(CLIENT_FIRST) },
        Claim { name: "both", holds: both, broken_by: Disturbance::Change(IN_NEITHER) },
    ],
    scenes: &[Scene::Facts, Scene::Sockets, Scene::Ladder(1)],
    words: include_str!("../texts/en/address-in-use.txt"),
};

const OTHER_PORT: &str = "the second server takes another port";
const FIRST_GONE: &str = "the first server is gone when the second comes";
const CLIENT_FIRST: &str = "the clients close first";
const IN_BOTH: &str = "the first run sets the option too";
const IN_NEITHER: &str = "no run sets the option";

/// Where the run without the option is, the one with it, and a pair of servers beside each other.
const WITHOUT: u16 = 7777;
const WITH: u16 = 7778;
const SECOND: u16 = 7779;

fn server(actor: &mut Actor) -> io::Result<()> {
    let with_option = !actor.is_changed(IN_NEITHER);
    let first = [listen(actor, WITHOUT, actor.is_changed(IN_BOTH))?, listen(actor, WITH, with_option)?];
    two_servers(actor)?;
    actor.reach("listening");
    serve_and_leave(actor, first)?;
    actor.wait_for("all closed");
    let (said, _) = bind(actor, WITHOUT, false)?;
    actor.fact("without", said);
    let (said, _) = bind(actor, WITHOUT, true)?;
    actor.fact("too late", said);
    let again = actor.tcp_socket()?;
    let bound = actor.bind(&again, everywhere(WITH));
    actor.fact("before", outcome(&bound));
    if with_option {
        actor.set_option(&again, "SO_REUSEADDR=1")?;
    }
    let bound = actor.bind(&again, everywhere(WITH));
    actor.fact("both", outcome(&bound));
    if bound.is_ok() {
        actor.listen(&again, 1)?;
    }
    actor.reach("again");
    actor.wait_for("end");
    Ok(())
}

/// While one listens, another one comes: without the option, and with it in both.
fn two_servers(actor: &mut Actor) -> io::Result<()> {
    let port = if actor.is_changed(OTHER_PORT) { SECOND + 1 } else { WITHOUT };
    let (said, _) = bind(actor, port, false)?;
    actor.fact("second", said);
    let mut first = Some(listen(actor, SECOND, true)?);
    if actor.is_changed(FIRST_GONE) {
        first = None;
    }
    let (said, _) = bind(actor, SECOND, true)?;
    actor.fact("second with", said);
    drop(first);
    Ok(())
}

/// Each serves one client and closes, and the programs end.
fn serve_and_leave(actor: &mut Actor, listeners: [OwnedFd; 2]) -> io::Result<()> {
    let sessions = listeners.iter().map(|listener| actor.accept(listener)).collect::<io::Result<Vec<_>>>()?;
    if actor.is_changed(CLIENT_FIRST) {
        actor.wait_for("clients closed");
    }
    sessions.into_iter().chain(listeners).for_each(|socket| actor.close(socket));
    actor.reach("servers closed");
    Ok(())
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    let mut sockets = Vec::new();
    for port in [WITHOUT, WITH] {
        let socket = actor.tcp_socket()?;
        actor.connect(&socket, at_server(port))?;
        sockets.push(socket);
    }
    if !actor.is_changed(CLIENT_FIRST) {
        actor.wait_for("servers closed");
    }
    sockets.into_iter().for_each(|socket| actor.close(socket));
    actor.reach("clients closed");
    actor.wait_for("servers closed");
    actor.reach("all closed");
    actor.wait_for("again");
    let socket = actor.tcp_socket()?;
    // Refused where the claim is to fail.
    let served = actor.connect(&socket, at_server(WITH));
    actor.fact("served", outcome(&served));
    actor.reach("end");
    Ok(())
}

fn listen(actor: &mut Actor, port: u16, with_option: bool) -> io::Result<OwnedFd> {
    let (_, socket) = bind(actor, port, with_option)?;
    let socket = socket.ok_or(io::ErrorKind::AddrInUse)?;
    actor.listen(&socket, 1)?;
    Ok(socket)
}

/// What bind(2) says, and the socket if it went well.
fn bind(actor: &mut Actor, port: u16, with_option: bool) -> io::Result<(String, Option<OwnedFd>)> {
    let socket = actor.tcp_socket()?;
    if with_option {
        actor.set_option(&socket, "SO_REUSEADDR=1")?;
    }
    let bound = actor.bind(&socket, everywhere(port));
    Ok((outcome(&bound), bound.is_ok().then_some(socket)))
}

fn second(seen: &Seen) -> Option<bool> {
    Some(seen.fact("second")? == IN_USE)
}

fn second_with(seen: &Seen) -> Option<bool> {
    Some(seen.fact("second with")? == IN_USE)
}

/// Nobody listens, no process has the port, and still it is there.
fn time_wait(seen: &Seen) -> Option<bool> {
    let theirs = seen.sockets("all closed", Server)?;
    let waits =
        |port| theirs.iter().any(|row| row.local_port() == port && row.state == SocketState::TIME_WAIT);
    Some(waits(WITHOUT) && waits(WITH) && !theirs.iter().any(|row| row.is_listener()))
}

fn without(seen: &Seen) -> Option<bool> {
    Some(seen.fact("without")? == IN_USE)
}

fn too_late(seen: &Seen) -> Option<bool> {
    Some(seen.fact("too late")? == IN_USE)
}

fn before(seen: &Seen) -> Option<bool> {
    Some(seen.fact("before")? == IN_USE)
}

fn both(seen: &Seen) -> Option<bool> {
    let waits = count(seen, "again", Server, SocketState::TIME_WAIT)? == 2;
    Some(waits && seen.fact("both")? == OK && seen.fact("served")? == OK)
}
