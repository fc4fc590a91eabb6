//! Conversations as tables, for tests: one segment a line, and behind a bar the states of A and B that its row must show.
//!
//! ```text
//! listening                          B is known to be in LISTEN
//! link 300                           segments take 300 ms, unless they say otherwise; the tracker is told
//! isn 5 4294967290                   the first sequence numbers of A and B (else 1000 and 9000)
//!   0    A SYN 0                     | SYN_SENT    LISTEN
//!   1    B SYN,ACK 0 ack 1           | ESTABLISHED SYN_RECEIVED
//!   2    A PSH,ACK 1 ack 1 len 16    | ESTABLISHED ESTABLISHED
//!   3.5  A FIN,ACK 17 ack 1 lost     | FIN_WAIT_1  ESTABLISHED
//! ```
//!
//! Time in ms, side, flags, sequence number; then in any order `ack N`, `len N`, `win N`, `mss N`, `scale N`,
//! `sack FROM-TO`, `stamp VALUE,ECHO`, `to MS` (arrives then), `lost`, `segments N`.

use std::net::SocketAddr;

use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::tcp::{TcpFlags, TcpOptions};
use wire::{Fate, Passage, Time};

use crate::{Belongs, Flow, Frame, Limits, Row, Side, State, Tracker};

/// Where A is.
pub(crate) const A: &str = "10.0.0.1:40712";
/// Where B is.
pub(crate) const B: &str = "10.0.0.2:7";

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) time: Time,
    pub(crate) from: Side,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: TcpFlags,
    pub(crate) window: u16,
    pub(crate) options: TcpOptions,
    pub(crate) len: usize,
    pub(crate) passage: Option<Passage>,
    pub(crate) expected: String,
}

/// A parsed table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) lines: Vec<Line>,
    listening: bool,
}

/// The one conversation of a table whose rows must show the states of the table.
pub(crate) fn check(table: &str) -> Flow {
    let flows = check_all(table);
    assert_eq!(flows.len(), 1, "one conversation");
    flows.into_iter().next().unwrap()
}

/// The conversations of a table whose rows must show the states of the table.
pub(crate) fn check_all(table: &str) -> Vec<Flow> {
    let script = parse(table);
    let tracker = run(&script, Limits::default());
    let flows: Vec<Flow> = tracker.flows().cloned().collect();
    let mut rows: Vec<&Row> = flows.iter().flat_map(|flow| &flow.rows).collect();
    rows.sort_by_key(|row| row.frame);
    assert_eq!(rows.len(), script.lines.len());
    let said = |row: &Row| format!("{} {}", name(row.state_a), name(row.state_b));
    let found: Vec<String> = rows.iter().map(|row| said(row)).collect();
    let expected: Vec<String> = script.lines.iter().map(|line| line.expected.clone()).collect();
    assert_eq!(found, expected);
    flows
}

/// A tracker that has taken the table in, finished.
pub(crate) fn run(script: &Script, limits: Limits) -> Tracker {
    let mut tracker = Tracker::new(limits);
    if script.listening {
        tracker.listening(B.parse().unwrap());
    }
    for (line, number) in script.lines.iter().zip(1..) {
        feed(&mut tracker, line, number);
    }
    tracker.finish();
    tracker
}

/// Hands one line to the tracker.
pub(crate) fn feed(tracker: &mut Tracker, line: &Line, number: u64) -> Belongs {
    let [a, b]: [SocketAddr; 2] = [A.parse().unwrap(), B.parse().unwrap()];
    let (source, destination) = if line.from == Side::A { (a, b) } else { (b, a) };
    let payload = vec![0; line.len];
    let packet = TcpPacket {
        source,
        destination,
        seq: line.seq,
        ack: line.ack,
        flags: line.flags,
        window: line.window,
        options: line.options.clone(),
        payload: &payload,
    };
    let bytes = packet.to_bytes();
    tracker.frame(&Frame {
        number,
        time: line.time,
        link_type: LinkType::RAW,
        bytes: &bytes,
        wire_len: bytes.len() as u32,
        passage: line.passage.clone(),
    })
}

/// Reads a table.
pub(crate) fn parse(table: &str) -> Script {
    let mut script = Script::default();
    let mut link = None;
    let mut isn = [1000, 9000];
    for line in table.lines() {
        let words: Vec<&str> = line.split('|').next().unwrap().split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["listening"] => script.listening = true,
            ["link", delay] => link = Some(delay.parse::<f64>().unwrap()),
            ["isn", a, b] => isn = [a.parse().unwrap(), b.parse().unwrap()],
            _ => script.lines.push(parse_line(line, &words, link, isn)),
        }
    }
    script
}

fn parse_line(line: &str, words: &[&str], link: Option<f64>, isn: [u32; 2]) -> Line {
    let [time, side, flags, seq, rest @ ..] = words else { panic!("{line}") };
    let from = if *side == "A" { Side::A } else { Side::B };
    let sent: f64 = time.parse().unwrap();
    let first = |side: Side| isn[side.index()];
    let expected = line.split_once('|').map_or("", |halves| halves.1);
    let mut parsed = Line {
        time: ms(sent),
        from,
        seq: first(from).wrapping_add(seq.parse().unwrap()),
        ack: 0,
        flags: parse_flags(flags),
        window: 1000,
        options: TcpOptions::default(),
        len: 0,
        passage: link.map(|delay| delivered(ms(sent + delay))),
        expected: expected.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let other = first(from.other());
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        let mut next = || *words.next().unwrap();
        match *word {
            "ack" => parsed.ack = other.wrapping_add(next().parse().unwrap()),
            "len" => parsed.len = next().parse().unwrap(),
            "win" => parsed.window = next().parse().unwrap(),
            "mss" => parsed.options.mss = Some(next().parse().unwrap()),
            "scale" => parsed.options.window_scale = Some(next().parse().unwrap()),
            "stamp" => parsed.options.timestamps = Some(two(next(), ',', 0)),
            "sack" => {
                let free = parsed.options.sack.iter().position(Option::is_none).unwrap();
                parsed.options.sack[free] = Some(two(next(), '-', other));
            }
            "to" => parsed.passage = Some(delivered(ms(next().parse().unwrap()))),
            "lost" => parsed.passage = Some(lost()),
            "stopped" => parsed.passage = Some(Passage { fate: Fate::Stopped, ..lost() }),
            "segments" => {
                let segments = next().parse().unwrap();
                parsed.passage.iter_mut().for_each(|passage| passage.segments = segments);
            }
            other => panic!("{other} in {line}"),
        }
    }
    parsed
}

/// A passage that arrives then.
pub(crate) fn delivered(arrives: Time) -> Passage {
    Passage { fate: Fate::Delivered, rule: None, arrived: Some(arrives), segments: 1 }
}

fn lost() -> Passage {
    Passage { fate: Fate::Lost, arrived: None, ..delivered(Time::ZERO) }
}

fn ms(ms: f64) -> Time {
    Time((ms * 1e6).round() as u64)
}

fn two(text: &str, between: char, base: u32) -> (u32, u32) {
    let (left, right) = text.split_once(between).unwrap();
    (base.wrapping_add(left.parse().unwrap()), base.wrapping_add(right.parse().unwrap()))
}

fn parse_flags(text: &str) -> TcpFlags {
    text.split(',').fold(TcpFlags::NONE, |flags, name| {
        let (flag, _) = TcpFlags::NAMES.into_iter().find(|(_, known)| *known == name).unwrap();
        flags | flag
    })
}

fn name(state: State) -> &'static str {
    state.name()
}
