//! `broadcast`: one datagram for every host of a network.

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "broadcast",
    chapter: Chapter::Sockets,
    play: Play::on_kernel(Staging {
        place: Place::Network(&[]),
        actors: &[(Server, hears), (Client, sends), (THIRD, hears), (FOURTH, hears_elsewhere)],
    }),
    claims: &[
        Claim { name: "refused", holds: refused, broken_by: Disturbance::Change(ALLOWED_BEFORE) },
        Claim { name: "all", holds: all_hear, broken_by: Disturbance::Change(NEVER_ALLOWED) },
        Claim { name: "one", holds: one_packet, broken_by: Disturbance::Change(EACH_ITS_OWN) },
        Claim { name: "elsewhere", holds: elsewhere, broken_by: Disturbance::Change(SAME_PORT) },
        Claim { name: "stream", holds: stream, broken_by: Disturbance::Change(ONE_HOST) },
    ],
    scenes: &[Scene::Facts, Scene::Layers(1)],
    words: include_str!("../texts/en/broadcast.txt"),
};

const ALLOWED_BEFORE: &str = "SO_BROADCAST from the beginning";
const NEVER_ALLOWED: &str = "no SO_BROADCAST";
const EACH_ITS_OWN: &str = "a datagram for each host";
const SAME_PORT: &str = "the fourth host at the same port";
const ONE_HOST: &str = "a stream to one host";

const THIRD: Role = Role::Other(3);
const FOURTH: Role = Role::Other(4);
const PORT: u16 = 7777;
const NEWS: &[u8] = b"hello, everybody";

/// Everybody on the network 10.0.0.0/24.
fn everybody(port: u16) -> SocketAddr {
    ([10, 0, 0, 255], port).into()
}

fn sends(actor: &mut Actor) -> io::Result<()> {
    for host in ["10.0.0.2", "10.0.0.3", "10.0.0.4"] {
        actor.wait_for(host);
    }
    let socket = actor.udp_socket()?;
    if actor.is_changed(ALLOWED_BEFORE) {
        actor.set_option(&socket, "SO_BROADCAST=1")?;
    }
    let without = returned(&actor.send_to(&socket, NEWS, everybody(PORT)));
    actor.fact("without", without);
    if !actor.is_changed(NEVER_ALLOWED) {
        actor.set_option(&socket, "SO_BROADCAST=1")?;
    }
    if actor.is_changed(EACH_ITS_OWN) {
        for host in 2..5 {
            actor.send_to(&socket, NEWS, ([10, 0, 0, host], PORT).into())?;
        }
    } else {
        let with = returned(&actor.send_to(&socket, NEWS, everybody(PORT)));
        actor.fact("with", with);
    }
    let stream = actor.tcp_socket()?;
    let to = if actor.is_changed(ONE_HOST) { at_server(PORT) } else { everybody(PORT) };
    let connected = returned(&actor.connect(&stream, to).map(|()| 0));
    actor.fact("stream", connected);
    actor.reach("sent");
    Ok(())
}

fn hears(actor: &mut Actor) -> io::Result<()> {
    hears_at(actor, PORT)
}

fn hears_elsewhere(actor: &mut Actor) -> io::Result<()> {
    let port = if actor.is_changed(SAME_PORT) { PORT } else { PORT + 1 };
    hears_at(actor, port)
}

fn hears_at(actor: &mut Actor, port: u16) -> io::Result<()> {
    let host = own_address()?;
    let socket = actor.udp_socket()?;
    actor.bind(&socket, everywhere(port))?;
    actor.reach(&host);
    actor.wait_for("sent");
    actor.set_nonblocking(&socket)?;
    let heard = actor.receive_from(&socket, 64);
    actor.fact(&host, heard_words(&heard));
    Ok(())
}

fn refused(seen: &Seen) -> Option<bool> {
    Some(seen.fact("without")? == "-1 EACCES")
}

/// Whether a host heard the client's datagram.
fn heard(seen: &Seen, host: &str) -> Option<bool> {
    Some(seen.fact(host)?.starts_with("16 bytes from 10.0.0.1:"))
}

fn all_hear(seen: &Seen) -> Option<bool> {
    Some(heard(seen, "10.0.0.2")? && heard(seen, "10.0.0.3")? && seen.fact("with")? == "16")
}

/// The datagrams that the client sent, and where to.
fn one_packet(seen: &Seen) -> Option<bool> {
    let to: Vec<&[u8]> = seen
        .frames
        .iter()
        .filter(|frame| frame.from == Client && is_udp(frame))
        .filter_map(|frame| frame.bytes.get(16..20))
        .collect();
    Some(to == [[10, 0, 0, 255]])
}

fn elsewhere(seen: &Seen) -> Option<bool> {
    Some(seen.fact("10.0.0.4")? == "-1 EAGAIN")
}

fn stream(seen: &Seen) -> Option<bool> {
    Some(seen.fact("stream")? == "-1 ENETUNREACH")
}
