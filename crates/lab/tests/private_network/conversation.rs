//! Our own conversation: what goes over the link, and that all of it does.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::Config;
use lab::config::{Choice, Family, LINES};
use lab::event::{Backend, Event, Role};
use lab::link::Schedule;
use wire::Fate;
use wire::link_type::LinkType;
use wire::packet::dissect;
use wire::tcp::TcpFlags;

use crate::left_out::left_out;
use crate::seen::{self, BACKENDS, Seen, Segment};

pub(crate) fn is_carried_whole() {
    for (backend, family) in BACKENDS.into_iter().flat_map(|one| [(one, Family::V4), (one, Family::V6)]) {
        let Some(seen) = seen::run(&Config { backend, family, ..Config::default() }) else { continue };
        assert_eq!(seen.outcome.client.exit, Some(0), "{:?}", seen.outcome);
        assert_eq!(seen.outcome.client.fault, None);
        assert_eq!(seen.outcome.server.fault, None);
        assert_eq!(seen.outcome.interrupted, None);
        let expected = if backend == Choice::Tun { Backend::Tun } else { Backend::Packet };
        assert!(matches!(seen.events[0], Event::Ready { backend, seed: 1 } if backend == expected));
        assert_eq!(seen.outcome.backend, expected);
        assert_eq!(seen.unplanned_drops(), 0);
        assert!(seen.frames().all(|frame| frame.passage.fate == Fate::Delivered));
        is_between_the_hosts(&seen, family);
        is_a_whole_conversation(&seen.segments());
    }
}

/// Nothing but their conversation: no ARP, no neighbour discovery, no routers.
fn is_between_the_hosts(seen: &Seen, family: Family) {
    for frame in seen.frames() {
        assert_eq!(frame.link_type, LinkType::RAW);
        let packet = dissect(frame.link_type, &frame.bytes).expect("an IP packet");
        let (source, destination) = match frame.from {
            Role::Server => (Role::Server, Role::Client),
            other => (other, Role::Server),
        };
        let [source, destination] = [source, destination].map(|role| role.address(family));
        assert_eq!(packet.source, source);
        assert_eq!(packet.destination, destination);
    }
    assert!(seen.frames().zip(1..).all(|(frame, number)| frame.number == number));
}

/// RFC 9293 figures 6 and 12: the handshake first, the acknowledgement of the second FIN last.
fn is_a_whole_conversation(segments: &[Segment]) {
    let [first, second, third, .., last] = segments else { panic!("too few segments: {segments:#?}") };
    assert_eq!((first.from, first.flags), (Role::Client, TcpFlags::SYN));
    assert_eq!(second.from, Role::Server);
    assert_eq!(second.flags, TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0));
    assert_eq!(third.from, Role::Client);
    for from in [Role::Client, Role::Server] {
        let its = || segments.iter().filter(|segment| segment.from == from);
        let payload: u32 = its().map(|segment| segment.payload_len).sum();
        let lines: usize = LINES.iter().map(|line| line.len()).sum();
        assert_eq!(usize::try_from(payload).expect("few"), lines, "{from:?}");
        assert_eq!(its().filter(|segment| segment.flags.has(TcpFlags::FIN)).count(), 1, "{from:?}");
    }
    let fin = segments.iter().rfind(|segment| segment.flags.has(TcpFlags::FIN)).expect("two FINs");
    assert_eq!(fin.from, Role::Server, "the client half-closes first");
    assert_eq!((last.from, last.flags, last.payload_len), (Role::Client, TcpFlags::ACK, 0));
    assert_eq!(last.ack, fin.seq.wrapping_add(fin.payload_len).wrapping_add(1));
}

pub(crate) fn is_waited_for_when_delayed() {
    let delay = Duration::from_millis(15);
    for backend in BACKENDS {
        let link = Schedule::of(&["delay 15ms"]).expect("a rule");
        let Some(seen) = seen::run(&Config { backend, link, ..Config::default() }) else { continue };
        assert_eq!(seen.outcome.client.exit, Some(0));
        is_a_whole_conversation(&seen.segments());
        let (up, down) = seen.counters();
        for frame in seen.frames() {
            let way = if frame.from == Role::Client { up } else { down };
            let cost = way.calibration.of_a_delay();
            assert!(cost > Duration::ZERO, "{backend:?}: getting in and out of the link costs something");
            assert!(cost < delay / 2, "{backend:?}: {:?}", way.calibration);
            let arrived = frame.passage.arrived.expect("nothing is lost");
            // The rest of the delay is what waking up takes.
            assert!(arrived.since(frame.time) + cost >= delay, "{frame:?}");
        }
    }
}

/// What the link decided about each SYN, FIN and payload when it was first sent. (Retransmissions and pure
/// acknowledgements come when the kernel's timers say.)
fn fates(seen: &Seen) -> BTreeMap<(bool, u32, bool, bool), Fate> {
    let mut first = BTreeMap::new();
    let mut fates = BTreeMap::new();
    for frame in seen.frames() {
        let segment = seen::segment(frame);
        let (syn, fin) = (segment.flags.has(TcpFlags::SYN), segment.flags.has(TcpFlags::FIN));
        let from_client = segment.from == Role::Client;
        let start: &mut u32 = first.entry(from_client).or_insert(segment.seq);
        if syn || fin || segment.payload_len > 0 {
            let key = (from_client, segment.seq.wrapping_sub(*start), syn, fin);
            fates.entry(key).or_insert(frame.passage.fate);
        }
    }
    fates
}

pub(crate) fn loses_the_same_with_the_same_seed() {
    let link = Schedule::of(&["loss 20%"]).expect("a rule");
    let mut runs = 0;
    let mut lost = 0;
    for backend in BACKENDS {
        for seed in [7, 8] {
            let config = Config { backend, link: link.clone(), seed, ..Config::default() };
            let (Some(one), Some(other)) = (seen::run(&config), seen::run(&config)) else { continue };
            assert_eq!(one.outcome.client.exit, Some(0), "TCP makes up for it");
            assert_eq!(fates(&one), fates(&other), "seed {seed}");
            runs += 1;
            lost += fates(&one).values().filter(|fate| **fate == Fate::Lost).count();
        }
    }
    assert!(lost > 0 || runs == 0, "20 % of nothing");
}

/// Both back-ends hand checksums on that are not computed yet; damage has to be seen all the same.
pub(crate) fn is_carried_whole_through_damage_and_copies() {
    let link = Schedule::of(&["corrupt 25%", "duplicate 25%", "reorder 25%:2ms"]).expect("rules");
    for backend in BACKENDS {
        let mut touched = BTreeMap::new();
        for seed in [1, 2, 3] {
            let config = Config { backend, link: link.clone(), seed, ..Config::default() };
            let Some(seen) = seen::run(&config) else { continue };
            assert_eq!(seen.outcome.client.exit, Some(0), "what came back is what was said");
            let Some(Event::Link { up, down }) = seen.events.last() else { panic!("counters come last") };
            for (word, packets) in up.touched.iter().chain(&down.touched) {
                *touched.entry(*word).or_insert(0) += packets;
            }
            for report in [up, down] {
                let lost: u64 = report.lost.iter().map(|(_, packets)| packets).sum();
                assert_eq!(report.offered, report.delivered + lost + report.unplanned_drops, "{report:?}");
            }
        }
        let words = ["corrupted", "duplicated", "reordered"];
        assert!(touched.is_empty() || words.iter().all(|word| touched.contains_key(word)), "{touched:?}");
    }
}

pub(crate) fn senders_of_what_is_too_large_are_told() {
    if !std::path::Path::new("/usr/bin/ping").exists() {
        return left_out("the MTU on both back-ends", "ping is not installed");
    }
    for backend in BACKENDS {
        let config = Config {
            backend,
            link: Schedule::of(&["mtu 1200"]).expect("a rule"),
            client: seen::command(&["ping", "-n", "-c", "1", "-W", "5", "-M", "do", "-s", "1400", "server"]),
            server: seen::command(&["sleep", "60"]),
            capture_output: true,
            ..Config::default()
        };
        let Some(seen) = seen::run(&config) else { continue };
        let said = seen.output(Role::Client, 1);
        assert!(said.contains("1200"), "{backend:?}: {said}");
    }
}
