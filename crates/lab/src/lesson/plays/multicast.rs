//! `multicast`: one datagram for those who want it.

use wire::igmp::{IgmpMessage, Kind};

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "multicast",
    chapter: Chapter::Sockets,
    play: Play::on_kernel(Staging {
        place: Place::Network(&[]),
        actors: &[(Server, second), (Client, sends), (THIRD, third), (FOURTH, fourth), (FIFTH, fifth)],
    }),
    claims: &[
        Claim { name: "members", holds: members, broken_by: Disturbance::Change(ONE_DOES_NOT) },
        Claim { name: "outside", holds: not_outside, broken_by: Disturbance::Change(JOINS_TOO) },
        Claim { name: "one", holds: one_packet, broken_by: Disturbance::Change(EACH_ITS_OWN) },
        Claim { name: "reported", holds: reported, broken_by: Disturbance::Change(ONE_DOES_NOT) },
        Claim { name: "near", holds: near, broken_by: Disturbance::Change(FAR) },
    ],
    scenes: &[Scene::Facts, Scene::Layers(1), Scene::Header(1, "IGMP")],
    words: include_str!("../texts/en/multicast.txt"),
};

const ONE_DOES_NOT: &str = "a member does not join";
const JOINS_TOO: &str = "the one outside joins";
const EACH_ITS_OWN: &str = "a datagram for each host";
const FAR: &str = "IP_MULTICAST_TTL is 8";

const THIRD: Role = Role::Other(3);
const FOURTH: Role = Role::Other(4);
const FIFTH: Role = Role::Other(5);
const PORT: u16 = 7777;
const NEWS: &[u8] = b"hello, members!!";
/// Of the block for use within a site (RFC 2365 §6.1).
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 1, 2);
/// Where reports of version 3 go (RFC 3376 §4.2.14).
const ROUTERS: [u8; 4] = [224, 0, 0, 22];

fn sends(actor: &mut Actor) -> io::Result<()> {
    for host in ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"] {
        actor.wait_for(host);
    }
    let socket = actor.udp_socket()?;
    if actor.is_changed(FAR) {
        actor.set_option(&socket, "IP_MULTICAST_TTL=8")?;
    }
    if actor.is_changed(EACH_ITS_OWN) {
        for host in 2..5 {
            actor.send_to(&socket, NEWS, ([10, 0, 0, host], PORT).into())?;
        }
    } else {
        let sent = returned(&actor.send_to(&socket, NEWS, (GROUP, PORT).into()));
        actor.fact("sent", sent);
    }
    actor.reach("sent");
    Ok(())
}

fn second(actor: &mut Actor) -> io::Result<()> {
    listens(actor, Server, true)
}

fn third(actor: &mut Actor) -> io::Result<()> {
    listens(actor, THIRD, true)
}

fn fourth(actor: &mut Actor) -> io::Result<()> {
    let joins = !actor.is_changed(ONE_DOES_NOT);
    listens(actor, FOURTH, joins)
}

fn fifth(actor: &mut Actor) -> io::Result<()> {
    let joins = actor.is_changed(JOINS_TOO);
    listens(actor, FIFTH, joins)
}

fn listens(actor: &mut Actor, role: Role, joins: bool) -> io::Result<()> {
    let host = own_address()?;
    let socket = actor.udp_socket()?;
    actor.bind(&socket, everywhere(PORT))?;
    if joins {
        let on = host.parse().map_err(io::Error::other)?;
        actor.join(&socket, GROUP, on)?;
        // The report follows a moment later, at random, so that not all send theirs at once (RFC 3376 §5.1).
        actor.wait_for_packets(role, 1);
    }
    actor.reach(&host);
    actor.wait_for("sent");
    actor.set_nonblocking(&socket)?;
    let heard = actor.receive_from(&socket, 64);
    actor.fact(&host, heard_words(&heard));
    Ok(())
}

fn members(seen: &Seen) -> Option<bool> {
    let heard = |host: &str| Some(seen.fact(host)?.starts_with("16 bytes from 10.0.0.1:"));
    Some(heard("10.0.0.2")? && heard("10.0.0.3")? && heard("10.0.0.4")?)
}

fn not_outside(seen: &Seen) -> Option<bool> {
    Some(seen.fact("10.0.0.5")? == "-1 EAGAIN")
}

/// The datagrams that the client sent: destination and time to live.
fn datagrams(seen: &Seen) -> Vec<(&[u8], u8)> {
    let its = seen.frames.iter().filter(|frame| frame.from == Client && is_udp(frame));
    its.filter_map(|frame| Some((frame.bytes.get(16..20)?, *frame.bytes.get(8)?))).collect()
}

fn one_packet(seen: &Seen) -> Option<bool> {
    let to: Vec<&[u8]> = datagrams(seen).into_iter().map(|(to, _)| to).collect();
    Some(to == [GROUP.octets()])
}

fn near(seen: &Seen) -> Option<bool> {
    Some(datagrams(seen).first()?.1 == 1)
}

/// The hosts that have told the routers that they are in the group: those that joined it, and they only.
fn reported(seen: &Seen) -> Option<bool> {
    let mut hosts: Vec<u8> = seen
        .frames
        .iter()
        .filter(|frame| frame.bytes.get(9) == Some(&wire::igmp::PROTOCOL))
        .filter(|frame| frame.bytes.get(16..20) == Some(&ROUTERS) && names_group(&frame.bytes))
        .map(|frame| frame.from.number())
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    Some(hosts == [2, 3, 4])
}

fn names_group(packet: &[u8]) -> bool {
    let header = usize::from(packet.first().copied().unwrap_or_default() & 0x0f) * 4;
    let message = packet.get(header..).and_then(|message| IgmpMessage::new(message).ok());
    message.is_some_and(|message| match message.kind() {
        Kind::Report3(records) => records.into_iter().any(|record| record.group == GROUP),
        _ => false,
    })
}
