//! `five-tuple`: what tells connections apart.

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "five-tuple",
    chapter: Chapter::Sockets,
    play: Play::on_kernel(Staging {
        place: Place::Network(&[]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "apart", holds: apart, broken_by: Disturbance::Change(TWO) },
        Claim { name: "two-ports", holds: two_ports, broken_by: Disturbance::Change(OTHER_PORT) },
        Claim { name: "twice", holds: twice, broken_by: Disturbance::Change(OTHER_SERVER) },
        Claim { name: "processes", holds: processes, broken_by: Disturbance::Change(ONE_PROCESS) },
        Claim { name: "listeners", holds: listeners, broken_by: Disturbance::Change(FEWER) },
        Claim { name: "unbound", holds: unbound, broken_by: Disturbance::Change(BOUND) },
    ],
    scenes: &[Scene::Sockets, Scene::Facts],
    words: include_str!("../texts/en/five-tuple.txt"),
};

const TWO: &str = "one client less";
const OTHER_PORT: &str = "another port of the client";
const OTHER_SERVER: &str = "another port of the server";
const ONE_PROCESS: &str = "one process";
const FEWER: &str = "a listener less";
const BOUND: &str = "bound first";

const PORT: u16 = 7777;
/// The ports of the server, whose process has them all.
const PORTS: [u16; 3] = [PORT, PORT + 1, PORT + 2];
/// The client's port that is used for two connections at once.
const SHARED: u16 = 40_000;

fn server(actor: &mut Actor) -> io::Result<()> {
    let mut listeners = Vec::new();
    for port in PORTS.into_iter().take(if actor.is_changed(FEWER) { 2 } else { 3 }) {
        let listener = actor.tcp_socket()?;
        actor.bind(&listener, everywhere(port))?;
        actor.listen(&listener, 8)?;
        listeners.push(listener);
    }
    let unbound = actor.tcp_socket()?;
    if actor.is_changed(BOUND) {
        actor.bind(&unbound, everywhere(7780))?;
    }
    actor.listen(&unbound, 8)?;
    let its = actor.local_name(&unbound)?;
    actor.fact("unbound", its);
    actor.fact("range", ephemeral_range()?);
    actor.reach("listening");
    actor.wait_for("all");
    // Two of the connections go to a process each.
    actor.fact("columns", "process\tlocal\tpeer");
    for which in ["one", "another"] {
        let connection = actor.accept(&listeners[0])?;
        if actor.is_changed(ONE_PROCESS) {
            holds(actor, which, &connection)?;
            continue;
        }
        actor.fork(|child| holds(child, which, &connection))?;
        actor.wait_for(which);
    }
    actor.reach("end");
    Ok(())
}

fn holds(actor: &mut Actor, which: &str, connection: &OwnedFd) -> io::Result<()> {
    let (local, peer) = (actor.local_name(connection)?, actor.peer_name(connection)?);
    actor.fact(which, format!("{}\t{local}\t{peer}", std::process::id()));
    actor.reach(which);
    Ok(())
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    let mut kept = Vec::new();
    for _ in 0..if actor.is_changed(TWO) { 1 } else { 2 } {
        let socket = actor.tcp_socket()?;
        actor.connect(&socket, at_server(PORT))?;
        kept.push(socket);
    }
    let second = if actor.is_changed(OTHER_PORT) { SHARED + 1 } else { SHARED };
    for (port, to) in [(SHARED, PORT), (second, PORT + 1)] {
        let socket = from(actor, port)?;
        actor.connect(&socket, at_server(to))?;
        kept.push(socket);
    }
    let to = if actor.is_changed(OTHER_SERVER) { PORT + 2 } else { PORT };
    let socket = from(actor, SHARED)?;
    let again = actor.connect(&socket, at_server(to)).map(|()| 0);
    actor.fact("twice", returned(&again));
    actor.reach("all");
    actor.wait_for("end");
    Ok(())
}

/// A socket bound to this port, which others of this host have as well.
fn from(actor: &mut Actor, port: u16) -> io::Result<OwnedFd> {
    let socket = actor.tcp_socket()?;
    actor.set_option(&socket, "SO_REUSEADDR=1")?;
    actor.bind(&socket, at_client(port))?;
    Ok(socket)
}

/// The ends of the client's connections.
fn pairs(seen: &Seen) -> Option<Vec<(SocketAddr, SocketAddr)>> {
    let established = |row: &&SocketRow| row.state == SocketState::ESTABLISHED;
    let rows = seen.sockets("all", Client)?.into_iter().filter(established);
    Some(rows.filter_map(|row| Some((row.local.internet()?, row.remote.internet()?))).collect())
}

/// Three at one port of the server, and no two of them from the same port.
fn apart(seen: &Seen) -> Option<bool> {
    let pairs = pairs(seen)?;
    let mut ports: Vec<u16> =
        pairs.iter().filter(|(_, to)| *to == at_server(PORT)).map(|(from, _)| from.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    Some(ports.len() == 3)
}

fn two_ports(seen: &Seen) -> Option<bool> {
    let pairs = pairs(seen)?;
    Some([PORT, PORT + 1].iter().all(|port| pairs.contains(&(at_client(SHARED), at_server(*port)))))
}

fn twice(seen: &Seen) -> Option<bool> {
    Some(seen.fact("twice")? == "-1 EADDRNOTAVAIL")
}

/// Two processes, one port.
fn processes(seen: &Seen) -> Option<bool> {
    let [one, another] = ["one", "another"].map(|which| seen.fact(which)?.split_once('\t'));
    let ((one, its), (another, others)) = (one?, another?);
    let at_port = |ends: &str| ends.starts_with(&format!("{}\t", at_server(PORT)));
    Some(one != another && at_port(its) && at_port(others) && its != others)
}

/// All of them are the server's, which is one process when they are looked at.
fn listeners(seen: &Seen) -> Option<bool> {
    Some(count(seen, "all", Server, SocketState::LISTEN)? == 4)
}

fn unbound(seen: &Seen) -> Option<bool> {
    let its: SocketAddr = seen.fact("unbound")?.parse().ok()?;
    Some(its.ip().is_unspecified() && is_in(its.port(), seen.fact("range")?)?)
}
