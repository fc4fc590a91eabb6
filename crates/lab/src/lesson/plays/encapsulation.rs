//! `encapsulation`: one message inside TCP, IP and Ethernet, and ARP before it.

use wire::arp::{self, ArpView};
use wire::ethernet::{EthernetView, ether_type};
use wire::link_type::LinkType;
use wire::packet::{Transport, dissect};

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "encapsulation",
    chapter: Chapter::Sockets,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "nested", holds: nested, broken_by: Disturbance::LeaveOut(Client, 1) },
        Claim { name: "names", holds: names, broken_by: Disturbance::Plain(Client) },
        Claim { name: "unwrapped", holds: unwrapped, broken_by: Disturbance::Damage(Client, 4) },
        Claim { name: "asked", holds: asked, broken_by: Disturbance::Lose(Client, 1) },
        Claim { name: "once", holds: once, broken_by: Disturbance::Lose(Server, 1) },
        Claim { name: "bare", holds: bare_ack, broken_by: Disturbance::Lose(Client, 4) },
    ],
    scenes: &[Scene::Layers(MESSAGE), Scene::Header(1, "ARP"), Scene::Ladders],
    words: include_str!("../texts/en/encapsulation.txt"),
};

const SAID: &str = "hello, server!!\n";
/// The frame that carries it: behind a question, its answer, and the three of the handshake.
const MESSAGE: u64 = 6;
/// Bytes of the headers: Ethernet (RFC 894), IPv4 (RFC 791 §3.1) and TCP (RFC 9293 §3.1) without options.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const TCP: usize = 20;

fn script() -> Script {
    let client = [on(At(0), Connect), on(Established, Say(SAID))];
    let mut script = Script::of(&client, &[on(At(0), Listen), on(Established, ReadAll)]);
    script.client.0.ethernet = true;
    script.server.0.ethernet = true;
    // Before anything that was lost comes again.
    Script { until: 300, ..script }
}

fn frame(seen: &Seen, number: u64) -> Option<&[u8]> {
    seen.frames.iter().find(|frame| frame.number == number).map(|frame| frame.bytes.as_slice())
}

fn nested(seen: &Seen) -> Option<bool> {
    let frame = frame(seen, MESSAGE)?;
    let headers = ETHERNET + IPV4 + TCP;
    Some(frame.len() == headers + SAID.len() && frame.get(headers..) == Some(SAID.as_bytes()))
}

/// Each header says what is inside it: the type, the protocol, the port.
fn names(seen: &Seen) -> Option<bool> {
    let frame = frame(seen, MESSAGE)?;
    let (inner, rest) = frame.split_at_checked(ETHERNET)?;
    let (packet, segment) = rest.split_at_checked(IPV4)?;
    Some(
        inner.ends_with(&[0x08, 0x00])
            && packet[9] == wire::tcp::PROTOCOL
            && segment.get(2..4) == Some(&SERVER.port().to_be_bytes()),
    )
}

fn unwrapped(seen: &Seen) -> Option<bool> {
    Some(seen.server.read == SAID.as_bytes())
}

/// The place of each ARP packet and what it does.
fn arps(seen: &Seen) -> Vec<(u64, [u8; 6], u16)> {
    let arp = |frame: &crate::event::LinkFrame| {
        let ethernet = EthernetView::new(&frame.bytes).ok()?;
        let arp =
            (ethernet.ether_type() == ether_type::ARP).then(|| ArpView::new(ethernet.payload()).ok())??;
        Some((frame.number, ethernet.destination(), arp.operation()))
    };
    seen.frames.iter().filter_map(arp).collect()
}

fn asked(seen: &Seen) -> Option<bool> {
    const EVERYBODY: [u8; 6] = [0xff; 6];
    const CLIENT_S: [u8; 6] = [2, 0, 10, 0, 0, 1];
    let asked = [(1, EVERYBODY, arp::operation::REQUEST), (2, CLIENT_S, arp::operation::REPLY)];
    Some(arps(seen).starts_with(&asked) && seen.flows.len() == 1)
}

fn once(seen: &Seen) -> Option<bool> {
    Some(arps(seen).len() == 2 && seen.frames.len() > 2)
}

/// The server's acknowledgement of the message: headers and nothing in them.
fn bare_ack(seen: &Seen) -> Option<bool> {
    let last = seen.frames.last().filter(|frame| frame.number > MESSAGE && frame.from == Server)?;
    let packet = dissect(LinkType::ETHERNET, &last.bytes).ok()?;
    let Transport::Tcp(segment) = packet.transport else { return None };
    Some(segment.payload_len == 0 && last.bytes.len() == ETHERNET + IPV4 + TCP)
}
