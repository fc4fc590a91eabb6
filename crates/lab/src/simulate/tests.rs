use flow::{ClosedBy, Closing, Flow, Limits, Side, State, Tracker};
use wire::packet::{Transport, dissect};
use wire::{Cause, Doing, checksum};

use super::*;
use crate::config::{Keep, LINES};
use crate::link::Schedule;

fn config(loss_percent: u32, seed: u64) -> Config {
    Config { link: Schedule::of(&[&format!("loss {loss_percent}%")]).unwrap(), seed, ..Config::default() }
}

fn play(config: &Config) -> (Outcome, Vec<Event>) {
    let mut events = Vec::new();
    let outcome = simulate(config, &mut |event| events.push(event));
    (outcome, events)
}

fn frames(events: &[Event]) -> Vec<&LinkFrame> {
    events
        .iter()
        .filter_map(|event| if let Event::Frame(frame) = event { Some(frame) } else { None })
        .collect()
}

/// The one conversation, as everything that draws it sees it.
fn followed(events: &[Event]) -> Flow {
    let mut tracker = Tracker::new(Limits::default());
    tracker.listening(SocketAddr::from((crate::config::SERVER_ADDRESS, ECHO_PORT)));
    for frame in frames(events) {
        tracker.frame(&frame.to_follow());
    }
    tracker.finish();
    let flows: Vec<&Flow> = tracker.flows().collect();
    assert_eq!(flows.len(), 1);
    flows[0].clone()
}

/// A row in one line: microseconds, sender, flags, first byte, length, acknowledgement, both states.
fn lines(flow: &Flow) -> Vec<String> {
    let line = |row: &flow::Row| {
        let from = if row.from == Side::A { "client" } else { "server" };
        let ack = row.ack.map_or("-".to_owned(), |ack| ack.to_string());
        let (flags, seq, len) = (row.flags, row.seq, row.len_bytes);
        format!("{} {from} {flags} {seq} {len} {ack} {:?} {:?}", row.time.0 / 1000, row.state_a, row.state_b)
    };
    flow.rows.iter().map(line).collect()
}

#[test]
fn the_conversation_on_a_perfect_link() {
    let (outcome, events) = play(&Config::default());
    assert_eq!((outcome.client.exit, outcome.server.exit), (Some(0), Some(0)));
    let flow = followed(&events);
    assert_eq!(
        lines(&flow),
        [
            "0 client SYN 0 0 - SynSent Listen",
            "10 server SYN,ACK 0 0 1 Established SynReceived",
            "20 client ACK 1 0 1 Established Established",
            "30 client PSH,ACK 1 16 1 Established Established",
            "40 server PSH,ACK 1 16 17 Established Established",
            "60 client PSH,ACK 17 16 17 Established Established",
            "80 server PSH,ACK 17 16 33 Established Established",
            "100 client PSH,ACK 33 16 33 Established Established",
            "120 server PSH,ACK 33 16 49 Established Established",
            "140 client FIN,ACK 49 0 49 FinWait1 CloseWait",
            "150 server ACK 49 0 50 FinWait2 CloseWait",
            "160 server FIN,ACK 49 0 50 TimeWait LastAck",
            "170 client ACK 50 0 50 TimeWait Closed",
        ]
    );
    assert!(flow.rows.iter().all(|row| row.window_bytes == 64_240 && row.resent.is_none()));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::A, Closing::Fin));
    assert_eq!((flow.a.port(), flow.b.port()), (CLIENT_PORT, ECHO_PORT));
}

#[test]
fn the_delay_is_in_every_arrival() {
    let delay = Duration::from_millis(20);
    let link = Schedule::of(&["delay 20ms"]).unwrap();
    let (_, events) = play(&Config { link, ..Config::default() });
    for frame in frames(&events) {
        assert_eq!(frame.passage.arrived, Some(frame.time + delay));
    }
    let times: Vec<u64> = followed(&events).rows.iter().take(4).map(|row| row.time.0 / 1000).collect();
    assert_eq!(times, [0, 20_010, 40_020, 40_030]);
}

#[test]
fn every_run_of_a_configuration_tells_the_same() {
    for config in [config(0, 1), config(20, 7)] {
        let first = format!("{:?}", play(&config));
        for _ in 0..20 {
            assert_eq!(format!("{:?}", play(&config)), first);
        }
    }
    assert_ne!(format!("{:?}", play(&config(0, 1))), format!("{:?}", play(&config(0, 2))));
}

#[test]
fn a_lossy_conversation_ends_whole() {
    let mut lost = 0;
    for seed in 0..200 {
        let (outcome, events) = play(&config(20, seed));
        // The client checks every byte that comes back, so this says that they are whole.
        assert_eq!((seed, outcome.client.exit), (seed, Some(0)));
        let flow = followed(&events);
        assert_eq!((flow.state_a, flow.state_b), (State::TimeWait, State::Closed), "seed {seed}");
        let bytes = LINES.concat().len() as u64;
        assert_eq!((flow.totals_a.bytes, flow.totals_b.bytes), (bytes, bytes));
        assert_eq!(flow.closing, Closing::Fin);
        lost += frames(&events).iter().filter(|frame| frame.passage.fate == Fate::Lost).count();
    }
    assert!(lost > 200, "{lost} lost");
}

#[test]
fn on_a_terrible_link_it_ends_in_time_with_an_honest_outcome() {
    let mut broken = 0;
    for seed in 0..60 {
        let (outcome, events) = play(&config(90, seed));
        let last = frames(&events).last().map_or(Time::ZERO, |frame| frame.time);
        assert!(last <= Time::ZERO + PATIENCE);
        match (outcome.client.exit, &outcome.client.fault) {
            (Some(0), None) => {}
            (Some(28), Some(fault)) => {
                assert_eq!((fault.doing, &fault.cause), (Doing::Connect, &Cause::TimedOut));
            }
            (Some(56), Some(fault)) => {
                assert_eq!((fault.doing, &fault.cause), (Doing::Receive, &Cause::TimedOut));
            }
            other => panic!("seed {seed}: {other:?}"),
        }
        broken += usize::from(outcome.client.exit != Some(0));
    }
    assert!(broken > 30);
}

#[test]
fn a_cut_link_leaves_the_syn_unanswered() {
    let (outcome, events) = play(&config(100, 1));
    assert_eq!(outcome.client.exit, Some(28));
    let flow = followed(&events);
    assert_eq!(flow.closing, Closing::Unanswered);
    // One second, doubled up to a minute (RFC 6298 §5.5): tried until patience is at its end.
    let seconds: Vec<u64> = flow.rows.iter().map(|row| row.time.0 / 1_000_000_000).collect();
    assert_eq!(seconds, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
}

#[test]
fn the_stream_of_events_is_framed_and_counted() {
    let (_, events) = play(&config(30, 3));
    assert!(matches!(events[0], Event::Ready { backend: Backend::Simulated, seed: 3 }));
    let [.., Event::Ran { role: first, .. }, Event::Ran { role: second, .. }, Event::Link { up, down }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((first, second), (&Role::Client, &Role::Server));
    let frames = frames(&events);
    assert!(frames.iter().zip(1..).all(|(frame, number)| frame.number == number));
    assert!(frames.windows(2).all(|pair| pair[0].time <= pair[1].time));
    for (role, report) in [(Role::Client, up), (Role::Server, down)] {
        let count = |fate| frames.iter().filter(|f| f.from == role && f.passage.fate == fate).count() as u64;
        assert_eq!(
            (report.delivered, report.offered),
            (count(Fate::Delivered), count(Fate::Delivered) + count(Fate::Lost))
        );
        assert_eq!(report.lost.iter().map(|(_, lost)| lost).sum::<u64>(), count(Fate::Lost));
    }
}

#[test]
fn packets_are_whole_and_their_checksums_right() {
    let (_, events) = play(&Config { keep: Keep::Whole, ..Config::default() });
    for frame in frames(&events) {
        let packet = dissect(frame.link_type, &frame.bytes).unwrap();
        assert_eq!((frame.bytes.len(), packet.len), (frame.wire_len as usize, frame.wire_len));
        assert!(matches!(packet.transport, Transport::Tcp(_)));
        assert_eq!(checksum::fold(checksum::sum(0, &frame.bytes[..20])), 0xffff);
        let segment = &frame.bytes[20..];
        let pseudo = checksum::pseudo_header(packet.source, packet.destination, 6, segment.len() as u32);
        assert_eq!(checksum::fold(checksum::sum(pseudo, segment)), 0xffff);
    }
}
