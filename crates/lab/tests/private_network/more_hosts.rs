//! More than two hosts: a switch between them, names everywhere, groups and broadcasts that reach all.

use std::collections::BTreeSet;
use std::time::Duration;

use lab::Config;
use lab::config::{Family, Program};
use lab::event::{Backend, Event, Role};
use lab::link::Schedule;
use wire::Fate;
use wire::packet::{Transport, dissect};

use crate::commands::has_python;
use crate::seen::{self, command};

const RECEIVE: &str = "import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 999))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('224.1.2.3') + bytes(4))
t = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
t.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, 'ff02::77') + bytes(4))
t.bind(('::', 998))
said = sorted(s.recv(100).decode() for _ in range(3)) + [t.recv(100).decode()]
s.sendto(' '.join(said).encode(), ('client', 997))";

const SEND: &str = "import socket
mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mine.bind(('', 997))
mine.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for to in '224.1.2.3', '10.0.0.255', '255.255.255.255': mine.sendto(('to ' + to).encode(), (to, 999))
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'to ff02::77', ('ff02::77', 998))
mine.settimeout(10)
for _ in range(3):
    said, who = mine.recvfrom(1000)
    print(who[0], said.decode())";

fn four(server: &[&str], client: &[&str], others: &[&str]) -> Config {
    Config {
        server: command(server),
        client: command(client),
        others: vec![command(others), command(others)],
        capture_output: true,
        ..Config::default()
    }
}

pub(crate) fn are_all_reached_by_groups_and_broadcasts() {
    if !has_python("four hosts") {
        return;
    }
    let receive = ["python3", "-c", RECEIVE];
    let config = four(&receive, &["python3", "-c", SEND], &receive);
    let Some(seen) = seen::run(&config) else { return };
    assert_eq!(seen.outcome.backend, Backend::Packet);
    let output = seen.output(Role::Client, 1);
    let said: BTreeSet<&str> = output.lines().collect();
    let all = "to 10.0.0.255 to 224.1.2.3 to 255.255.255.255 to ff02::77";
    let expected = [2, 3, 4].map(|number| format!("10.0.0.{number} {all}"));
    assert_eq!(said, expected.iter().map(String::as_str).collect(), "{}", seen.output(Role::Client, 2));
    assert_eq!(seen.outcome.client.exit, Some(0));
    assert_eq!(seen.unplanned_drops(), 0);
    each_packet_is_told_once(&seen);
}

/// By the link of its sender, in the order of leaving; whatever else there was came from groups that the programs joined.
fn each_packet_is_told_once(seen: &seen::Seen) {
    let mut datagrams = Vec::new();
    for (frame, number) in seen.frames().zip(1..) {
        assert_eq!(frame.number, number);
        let packet = dissect(frame.link_type, &frame.bytes).expect("an IP packet");
        match packet.transport {
            Transport::Udp(udp) => {
                assert_eq!(Role::of(packet.source), Some(frame.from));
                datagrams.push(udp.destination.port());
            }
            Transport::Icmp(_) | Transport::Igmp(_) => assert!(packet.destination.is_multicast()),
            _ => panic!("only datagrams and reports: {frame:?}"),
        }
    }
    datagrams.sort_unstable();
    assert_eq!(datagrams, [997, 997, 997, 998, 999, 999, 999]);
    assert!(seen.frames().zip(seen.frames().skip(1)).all(|(first, next)| first.time <= next.time));
}

/// Once each way, although there are two links on it.
pub(crate) fn pass_the_rules_once() {
    let delay = Duration::from_millis(20);
    let ask = [
        "sh",
        "-c",
        "getent ahostsv4 host3 | head -n1; for host in server host3; do ping -nc1 $host | grep -o 'time=.*'; done",
    ];
    let idle = vec![Program::Idle, Program::Idle];
    let link = Schedule::of(&["delay 20ms"]).expect("a rule");
    let config = Config { others: idle, link, server: Program::Services, ..four(&["-"], &ask, &["-"]) };
    let Some(seen) = seen::run(&config) else { return };
    let output = seen.output(Role::Client, 1);
    let mut lines = output.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("10.0.0.3 ")), "{output}");
    let round_trips: Vec<f64> =
        lines.filter_map(|line| line.strip_prefix("time=")?.strip_suffix(" ms")?.parse().ok()).collect();
    assert_eq!(round_trips.len(), 2, "{output}");
    let cost = seen.counters().0.calibration.of_a_delay();
    for frame in seen.frames() {
        let arrived = frame.passage.arrived.expect("delivered");
        assert!(arrived.since(frame.time) + cost >= delay);
    }
    // Its four packets leave one another's delay behind; a second passage would make it 80 ms. What waking up costs is known
    // only as far as it is the same every time.
    assert!(round_trips.iter().all(|ms| *ms >= 39.0), "{output}");
    assert!(round_trips.iter().any(|ms| *ms < 80.0), "{output}");
}

/// The link's own answer is in what is told, in the name of the host that the packet was for.
pub(crate) fn are_told_what_is_too_large() {
    for (ping, family) in [("-4", Family::V4), ("-6", Family::V6)] {
        let ask = ["ping", ping, "-n", "-c", "1", "-W", "5", "-M", "do", "-s", "1420", "host3"];
        let config = Config {
            server: Program::Services,
            client: command(&ask),
            others: vec![Program::Idle],
            link: Schedule::of(&["mtu 1400"]).expect("a rule"),
            capture_output: true,
            ..Config::default()
        };
        let Some(seen) = seen::run(&config) else { return };
        assert!(seen.output(Role::Client, 1).contains("1400"), "{}", seen.output(Role::Client, 1));
        let told: Vec<_> =
            seen.frames().map(|frame| (frame.from, frame.by_link, frame.passage.fate)).collect();
        let expected = [(Role::Client, false, Fate::Lost), (Role::Other(3), true, Fate::Delivered)];
        assert_eq!(told, expected, "{ping}");
        let packet = seen.frames().last().map(|frame| dissect(frame.link_type, &frame.bytes));
        let packet = packet.expect("two").expect("an IP packet");
        let ends = [packet.source, packet.destination];
        assert_eq!(ends, [Role::Other(3), Role::Client].map(|role| role.address(family)));
        assert!(matches!(packet.transport, Transport::Icmp(_)));
    }
}

/// The conversation, with others who have nothing to say.
pub(crate) fn leave_a_conversation_alone() {
    for family in [Family::V4, Family::V6] {
        let config = Config { others: vec![Program::Idle], family, ..Config::default() };
        let Some(seen) = seen::run(&config) else { return };
        assert_eq!(seen.outcome.client.exit, Some(0), "{:?}", seen.outcome);
        let segments = seen.segments();
        assert!(segments.len() >= 10, "{segments:?}");
        let ran = seen.events.iter().filter(|event| matches!(event, Event::Ran { .. })).count();
        assert_eq!(ran, 2, "an idle host runs nothing");
    }
}
