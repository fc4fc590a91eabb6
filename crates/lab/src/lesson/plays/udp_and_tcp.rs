//! `udp-and-tcp`: the same bytes as datagrams and as a stream, and both sent to nobody.

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "udp-and-tcp",
    chapter: Chapter::Sockets,
    play: Play::on_kernel(Staging {
        place: Place::Network(&[]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "at-once", holds: at_once, broken_by: Disturbance::Change(NO_DATAGRAMS) },
        Claim { name: "boundaries", holds: boundaries, broken_by: Disturbance::Change(TOGETHER) },
        Claim { name: "cut", holds: cut, broken_by: Disturbance::Change(ROOM) },
        Claim { name: "headers", holds: headers, broken_by: Disturbance::Change(TIMESTAMPS) },
        Claim { name: "nobody", holds: nobody, broken_by: Disturbance::Change(SOMEBODY) },
        Claim { name: "untold", holds: untold, broken_by: Disturbance::Change(CONNECTS) },
        Claim { name: "refused", holds: refused, broken_by: Disturbance::Change(SOMEBODY) },
    ],
    scenes: &[Scene::Facts, Scene::Ladders, Scene::Layers(2), Scene::Header(2, "ICMP")],
    words: include_str!("../texts/en/udp-and-tcp.txt"),
};

const NO_DATAGRAMS: &str = "no datagrams to the server";
const TOGETHER: &str = "written together";
const ROOM: &str = "room for the whole datagram";
const TIMESTAMPS: &str = "TCP with timestamps";
const SOMEBODY: &str = "somebody is there";
const CONNECTS: &str = "the other one connects as well";

const PORT: u16 = 7777;
/// Where nobody is.
const NOBODY: u16 = 7999;

/// Bytes of an IP header without options (RFC 791 §3.1), of UDP's (RFC 768), and of TCP's without options (RFC 9293 §3.1).
const IP: usize = 20;
const UDP: usize = 8;
const TCP: usize = 20;

fn server(actor: &mut Actor) -> io::Result<()> {
    // Linux sends 12 bytes of options with each segment otherwise.
    let timestamps = if actor.is_changed(TIMESTAMPS) { "1" } else { "0" };
    actor.set_sysctl("net.ipv4.tcp_timestamps", timestamps)?;
    let datagrams = actor.udp_socket()?;
    actor.bind(&datagrams, everywhere(PORT))?;
    let listener = actor.tcp_socket()?;
    actor.bind(&listener, everywhere(PORT))?;
    actor.listen(&listener, 8)?;
    let somebody = if actor.is_changed(SOMEBODY) {
        let datagrams = actor.udp_socket()?;
        actor.bind(&datagrams, everywhere(NOBODY))?;
        let listener = actor.tcp_socket()?;
        actor.bind(&listener, everywhere(NOBODY))?;
        actor.listen(&listener, 8)?;
        Some((datagrams, listener))
    } else {
        None
    };
    actor.reach("listening");
    actor.wait_for("sent");
    let connection = actor.accept(&listener)?;
    let stream = returned(&actor.read(&connection, 16).map(|bytes| bytes.len()));
    actor.fact("stream", stream);
    actor.set_nonblocking(&datagrams)?;
    let [one, two] = [(); 2].map(|()| received(actor, &datagrams, 16));
    actor.fact("datagrams", format!("{one}, then {two}"));
    let room = if actor.is_changed(ROOM) { 16 } else { 3 };
    let [part, rest] = [room, 16].map(|room| received(actor, &datagrams, room));
    actor.fact("cut", format!("{part}, then {rest}"));
    drop(somebody);
    Ok(())
}

fn received(actor: &mut Actor, socket: &OwnedFd, most: usize) -> String {
    returned(&actor.receive_from(socket, most).map(|(bytes, _)| bytes.len()))
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    to_nobody(actor)?;
    let socket = actor.udp_socket()?;
    let datagrams: &[&[u8]] = match () {
        () if actor.is_changed(NO_DATAGRAMS) => &[],
        () if actor.is_changed(TOGETHER) => &[b"abcdefg", b"hijklmn"],
        () => &[b"abc", b"defg", b"hijklmn"],
    };
    for datagram in datagrams {
        actor.send_to(&socket, datagram, at_server(PORT))?;
    }
    let connection = actor.tcp_socket()?;
    actor.connect(&connection, at_server(PORT))?;
    actor.write(&connection, b"abc")?;
    actor.write(&connection, b"defg")?;
    actor.reach("sent");
    Ok(())
}

/// A datagram, and one more when the answer to the first has had time to come; and a connection.
fn to_nobody(actor: &mut Actor) -> io::Result<()> {
    let connected = actor.udp_socket()?;
    actor.connect(&connected, at_server(NOBODY))?;
    let first = returned(&actor.send(&connected, b"x"));
    actor.reach("sent to nobody");
    let second = returned(&actor.send(&connected, b"x"));
    actor.fact("nobody", format!("{first}, then {second}"));
    let unconnected = actor.udp_socket()?;
    if actor.is_changed(CONNECTS) {
        actor.connect(&unconnected, at_server(NOBODY))?;
    }
    let first = returned(&actor.send_to(&unconnected, b"x", at_server(NOBODY)));
    actor.reach("sent to nobody again");
    let second = returned(&actor.send_to(&unconnected, b"x", at_server(NOBODY)));
    actor.fact("untold", format!("{first}, then {second}"));
    let stream = actor.tcp_socket()?;
    let refused = returned(&actor.connect(&stream, at_server(NOBODY)).map(|()| 0));
    actor.fact("refused", refused);
    Ok(())
}

/// The packets to the server's port of this protocol.
fn packets(seen: &Seen, protocol: u8) -> impl Iterator<Item = &[u8]> {
    let packets = seen.frames.iter().map(|frame| frame.bytes.as_slice());
    packets.filter(move |packet| {
        packet.get(9) == Some(&protocol) && packet.get(IP + 2..IP + 4) == Some(&PORT.to_be_bytes())
    })
}

/// Whether a packet of TCP carries data: whether it goes on behind the header, whose length is counted in words of four
/// bytes.
fn has_data(packet: &[u8]) -> bool {
    let words = packet.get(IP + 12).map_or(0, |byte| byte >> 4);
    packet.len() > IP + usize::from(words) * 4
}

/// The first packet of the datagrams' conversation is the first datagram; TCP's first byte comes behind two others of
/// the client.
fn at_once(seen: &Seen) -> Option<bool> {
    let datagrams = seen.datagrams.iter().find(|flow| flow.b == at_server(PORT))?;
    let stream = seen.flows.iter().find(|flow| flow.b == at_server(PORT))?;
    let [syn, answer, ack, data, ..] = stream.rows.as_slice() else { return Some(false) };
    let opening = [syn, answer, ack].map(bare) == [SYN, SYN_ACK, ACK];
    Some(datagrams.rows.first()?.len_bytes == 3 && opening && data.len_bytes == 3)
}

fn boundaries(seen: &Seen) -> Option<bool> {
    Some(seen.fact("datagrams")? == "3, then 4" && seen.fact("stream")? == "7")
}

fn cut(seen: &Seen) -> Option<bool> {
    Some(seen.fact("cut")? == "3, then -1 EAGAIN")
}

/// What three bytes become on the wire.
fn headers(seen: &Seen) -> Option<bool> {
    let datagram = packets(seen, wire::udp::PROTOCOL).next()?.len();
    let segment = packets(seen, wire::tcp::PROTOCOL).find(|packet| has_data(packet))?.len();
    Some((datagram, segment) == (IP + UDP + 3, IP + TCP + 3))
}

/// The first datagram to nobody was sent without an error, was answered by ICMP, and the next call failed.
fn nobody(seen: &Seen) -> Option<bool> {
    let answer = seen.frames.get(1)?;
    let icmp = answer.bytes.get(IP..IP + 2)?;
    let is_icmp = answer.bytes.get(9) == Some(&1) && answer.from == Server;
    // RFC 792: type 3, destination unreachable; code 3, port.
    Some(is_icmp && icmp == [3, 3] && seen.fact("nobody")? == "1, then -1 ECONNREFUSED")
}

fn untold(seen: &Seen) -> Option<bool> {
    Some(seen.fact("untold")? == "1, then 1")
}

fn refused(seen: &Seen) -> Option<bool> {
    let flow = seen.flows.iter().find(|flow| flow.b == at_server(NOBODY))?;
    let reset = flow.rows.last()?.flags.has(TcpFlags::RST);
    Some(reset && seen.fact("refused")? == "-1 ECONNREFUSED")
}
