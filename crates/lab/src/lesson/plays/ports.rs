//! `ports`: which one a socket gets, and which it may have.

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "ports",
    chapter: Chapter::Sockets,
    play: Play::on_kernel(Staging {
        place: Place::Network(&[]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "chosen", holds: chosen, broken_by: Disturbance::Change(ONE_OF_OURS) },
        Claim { name: "client", holds: of_client, broken_by: Disturbance::Change(CLIENT_BINDS) },
        Claim { name: "taken", holds: taken, broken_by: Disturbance::Change(CLOSED) },
        Claim { name: "elsewhere", holds: elsewhere, broken_by: Disturbance::Change(EVERYWHERE) },
        Claim { name: "apart", holds: apart, broken_by: Disturbance::Change(SAME_PROTOCOL) },
        Claim { name: "privileged", holds: privileged, broken_by: Disturbance::Change(ALLOWED) },
    ],
    scenes: &[Scene::Facts],
    words: include_str!("../texts/en/ports.txt"),
};

const ONE_OF_OURS: &str = "a port of ours";
const CLIENT_BINDS: &str = "the client binds as well";
const CLOSED: &str = "the first is closed";
const EVERYWHERE: &str = "the second at all addresses";
const SAME_PROTOCOL: &str = "TCP both times";
const ALLOWED: &str = "net.ipv4.ip_unprivileged_port_start is 0";

const PORT: u16 = 7777;
/// Below the kernel's range, and no privilege is needed.
const OURS: u16 = 20_000;

fn server(actor: &mut Actor) -> io::Result<()> {
    actor.fact("range", ephemeral_range()?);
    let free = actor.tcp_socket()?;
    let port = if actor.is_changed(ONE_OF_OURS) { OURS } else { 0 };
    actor.bind(&free, everywhere(port))?;
    let its = actor.local_name(&free)?;
    actor.fact("chosen", its);

    let first = actor.tcp_socket()?;
    actor.bind(&first, at_server(PORT))?;
    actor.listen(&first, 8)?;
    actor.reach("listening");
    actor.wait_for("connected");
    if actor.is_changed(CLOSED) {
        actor.close(first);
        second_binds(actor)?;
    } else {
        second_binds(actor)?;
        drop(first);
    }

    // 1024 is where it begins on machines that are not set otherwise; the hosts of a lab are.
    let start = if actor.is_changed(ALLOWED) { "0" } else { "1024" };
    actor.set_sysctl("net.ipv4.ip_unprivileged_port_start", start)?;
    actor.give_up_privileges()?;
    let results = [1023, 1024].map(|port| try_bind(actor, SocketKind::Stream, everywhere(port)));
    let [low, high] = results;
    actor.fact("privileged", format!("1023: {}; 1024: {}", low?, high?));
    Ok(())
}

#[derive(Clone, Copy)]
enum SocketKind {
    Stream,
    Datagram,
}

/// The same port once more: at the same address, at another, and for UDP.
fn second_binds(actor: &mut Actor) -> io::Result<()> {
    let again = try_bind(actor, SocketKind::Stream, at_server(PORT))?;
    actor.fact("taken", again);
    let elsewhere =
        if actor.is_changed(EVERYWHERE) { everywhere(PORT) } else { ([127, 0, 0, 1], PORT).into() };
    let elsewhere = try_bind(actor, SocketKind::Stream, elsewhere)?;
    actor.fact("elsewhere", elsewhere);
    let kind = if actor.is_changed(SAME_PROTOCOL) { SocketKind::Stream } else { SocketKind::Datagram };
    let apart = try_bind(actor, kind, at_server(PORT))?;
    actor.fact("apart", apart);
    Ok(())
}

fn try_bind(actor: &mut Actor, kind: SocketKind, address: SocketAddr) -> io::Result<String> {
    let socket = match kind {
        SocketKind::Stream => actor.tcp_socket()?,
        SocketKind::Datagram => actor.udp_socket()?,
    };
    Ok(returned(&actor.bind(&socket, address).map(|()| 0)))
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    let socket = actor.tcp_socket()?;
    if actor.is_changed(CLIENT_BINDS) {
        actor.bind(&socket, at_client(OURS))?;
    }
    actor.connect(&socket, at_server(PORT))?;
    let its = actor.local_name(&socket)?;
    actor.fact("client", its);
    actor.reach("connected");
    Ok(())
}

fn chosen(seen: &Seen) -> Option<bool> {
    let its: SocketAddr = seen.fact("chosen")?.parse().ok()?;
    is_in(its.port(), seen.fact("range")?)
}

fn of_client(seen: &Seen) -> Option<bool> {
    let its: SocketAddr = seen.fact("client")?.parse().ok()?;
    is_in(its.port(), seen.fact("range")?)
}

fn taken(seen: &Seen) -> Option<bool> {
    Some(seen.fact("taken")? == "-1 EADDRINUSE")
}

fn elsewhere(seen: &Seen) -> Option<bool> {
    Some(seen.fact("elsewhere")? == "0")
}

fn apart(seen: &Seen) -> Option<bool> {
    Some(seen.fact("apart")? == "0")
}

fn privileged(seen: &Seen) -> Option<bool> {
    Some(seen.fact("privileged")? == "1023: -1 EACCES; 1024: 0")
}
