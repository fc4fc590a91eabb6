//! The ways of both ends through conversations of every kind.

use proptest::prelude::*;

use super::*;
use crate::script::{check, parse, run};
use crate::{Limits, Rows};

/// `CLOSED | 1 sends SYN: SYN_SENT | …`
fn way(flow: &Flow, side: Side) -> String {
    let mut words = vec![flow.before[side.index()].name().to_owned()];
    for step in path(flow, side) {
        let frame = step.frame.map_or("?".to_owned(), |frame| frame.to_string());
        words.push(format!("{frame} {}: {}", step.cause.words(), step.to.name()));
    }
    words.join(" | ")
}

fn ways(table: &str) -> [String; 2] {
    let flow = check(table);
    [way(&flow, Side::A), way(&flow, Side::B)]
}

#[test]
fn opened_by_a_and_closed_by_a() {
    let [a, b] = ways(
        "0 A SYN 0           | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         2 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED
         3 A FIN,ACK 1 ack 1 | FIN_WAIT_1  CLOSE_WAIT
         4 B ACK 1 ack 2     | FIN_WAIT_2  CLOSE_WAIT
         5 B FIN,ACK 1 ack 2 | TIME_WAIT   LAST_ACK
         6 A ACK 2 ack 2     | TIME_WAIT   CLOSED",
    );
    assert_eq!(
        a,
        "CLOSED | 1 sends SYN: SYN_SENT | 2 receives SYN,ACK: ESTABLISHED | 4 sends FIN: FIN_WAIT_1 \
         | 5 receives ACK of FIN: FIN_WAIT_2 | 6 receives FIN: TIME_WAIT"
    );
    assert_eq!(
        b,
        "LISTEN | 1 receives SYN: SYN_RECEIVED | 3 receives ACK of SYN: ESTABLISHED | 4 receives FIN: CLOSE_WAIT \
         | 6 sends FIN: LAST_ACK | 7 receives ACK of FIN: CLOSED"
    );
}

#[test]
fn acknowledgement_and_fin_in_one_segment_are_note_2() {
    let flow = check(
        "0 A SYN 0           | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         2 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED
         3 A FIN,ACK 1 ack 1 | FIN_WAIT_1  CLOSE_WAIT
         4 B FIN,ACK 1 ack 2 | TIME_WAIT   LAST_ACK",
    );
    let last = *path(&flow, Side::A).last().unwrap();
    assert_eq!((last.cause, last.frame), (Cause::ReceivesFinAndAckOfFin, Some(5)));
    assert_eq!(last.transition(), diagram::transition(State::FinWait1, State::TimeWait));
}

#[test]
fn at_one_instant_the_order_of_the_capture_counts() {
    let [a, b] = ways(
        "0 A SYN 0           | SYN_SENT    LISTEN
         0 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         0 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED",
    );
    assert_eq!(a, "CLOSED | 1 sends SYN: SYN_SENT | 2 receives SYN,ACK: ESTABLISHED");
    assert_eq!(b, "LISTEN | 1 receives SYN: SYN_RECEIVED | 3 receives ACK of SYN: ESTABLISHED");
}

#[test]
fn both_open_at_once() {
    let [a, b] = ways(
        "link 300
         0   A SYN 0           | SYN_SENT     SYN_RECEIVED
         100 B SYN 0           | SYN_RECEIVED SYN_SENT
         300 B SYN,ACK 0 ack 1 | ESTABLISHED  SYN_RECEIVED
         400 A SYN,ACK 0 ack 1 | SYN_RECEIVED ESTABLISHED",
    );
    assert_eq!(
        a,
        "CLOSED | 1 sends SYN: SYN_SENT | 2 receives SYN: SYN_RECEIVED | 3 receives ACK of SYN: ESTABLISHED"
    );
    assert_eq!(
        b,
        "CLOSED | 2 sends SYN: SYN_SENT | 1 receives SYN: SYN_RECEIVED | 4 receives ACK of SYN: ESTABLISHED"
    );
}

#[test]
fn both_close_at_once_on_the_link_and_in_a_capture() {
    let open = |link: &str, at: [u32; 3]| {
        format!(
            "{link}
             {} A SYN 0           | SYN_SENT    LISTEN
             {} B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
             {} A ACK 1 ack 1     | ESTABLISHED ESTABLISHED\n",
            at[0], at[1], at[2]
        )
    };
    let link = ways(&format!(
        "{}
         1000 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSING
         1100 B FIN,ACK 1 ack 1 | CLOSING    FIN_WAIT_1
         1300 B ACK 2 ack 2     | TIME_WAIT  CLOSING
         1400 A ACK 2 ack 2     | CLOSING    TIME_WAIT",
        open("link 300", [0, 300, 600])
    ));
    let end = |way: &String| way.split(" | ").skip(3).collect::<Vec<_>>().join(" | ");
    assert_eq!(
        link.each_ref().map(end),
        [
            "4 sends FIN: FIN_WAIT_1 | 5 receives FIN: CLOSING | 6 receives ACK of FIN: TIME_WAIT",
            "5 sends FIN: FIN_WAIT_1 | 4 receives FIN: CLOSING | 7 receives ACK of FIN: TIME_WAIT"
        ]
    );
    // B's frame 5 does not acknowledge A's FIN, and A's frame 6 carries none: it came before.
    let capture = ways(&format!(
        "{}
         1000 A FIN,ACK 1 ack 1 | FIN_WAIT_1 ESTABLISHED
         1100 B FIN,ACK 1 ack 1 | CLOSING    FIN_WAIT_1
         1101 A ACK 2 ack 2     | CLOSING    TIME_WAIT
         1600 B ACK 2 ack 2     | TIME_WAIT  TIME_WAIT",
        open("", [0, 1, 2])
    ));
    assert_eq!(
        capture.each_ref().map(end),
        [
            "4 sends FIN: FIN_WAIT_1 | 5 receives FIN: CLOSING | 7 receives ACK of FIN: TIME_WAIT",
            "5 sends FIN: FIN_WAIT_1 | 4 receives FIN: CLOSING | 6 receives ACK of FIN: TIME_WAIT"
        ]
    );
}

#[test]
fn resets_are_no_closes() {
    let flow = check(
        "0 A SYN 0             | SYN_SENT CLOSED
         1 B RST,ACK 0 ack 1   | CLOSED   CLOSED",
    );
    assert_eq!(way(&flow, Side::A), "CLOSED | 1 sends SYN: SYN_SENT | 2 receives RST: CLOSED");
    assert_eq!(way(&flow, Side::B), "CLOSED");
    assert_eq!(path(&flow, Side::A)[1].transition(), None, "CLOSE / delete TCB is another arrow");
    let scan = check(
        "0 A SYN 0           | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         2 A RST 1           | CLOSED      LISTEN",
    );
    let back = *path(&scan, Side::B).last().unwrap();
    assert_eq!(back.transition(), diagram::transition(State::SynReceived, State::Listen));
    assert_eq!(path(&scan, Side::A).last().map(|step| step.cause), Some(Cause::SendsReset));
}

#[test]
fn what_was_not_seen_is_not_guessed() {
    let [a, b] = ways(
        "0 A PSH,ACK 1 ack 1 len 10  | unknown     unknown
         1 B PSH,ACK 1 ack 11 len 20 | ESTABLISHED unknown
         2 A ACK 11 ack 21           | ESTABLISHED ESTABLISHED",
    );
    assert_eq!(a, "unknown | 2 what was seen proves it: ESTABLISHED");
    assert_eq!(b, "unknown | 3 what was seen proves it: ESTABLISHED");
}

#[test]
fn a_lost_segment_moves_its_sender_only() {
    let [a, b] = ways(
        "link 300
         0   A SYN 0           | SYN_SENT    LISTEN
         300 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         600 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED
         1000 A FIN,ACK 1 ack 1 lost | FIN_WAIT_1 ESTABLISHED
         1900 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT",
    );
    assert!(a.ends_with("4 sends FIN: FIN_WAIT_1"), "{a}");
    assert!(b.ends_with("5 receives FIN: CLOSE_WAIT"), "{b}");
}

#[test]
fn a_reset_that_was_still_on_its_way_is_named() {
    let script = parse(
        "0 A SYN 0 |
         1 B SYN,ACK 0 ack 1 |
         2 A ACK 1 ack 1 |
         3 B FIN,ACK 1 ack 1 |
         4 A ACK 1 ack 2 |
         5 B RST 2 |
         6 A PSH,ACK 1 ack 2 len 5 |",
    );
    let tracker = run(&script, Limits::default());
    let flow = tracker.flows().next().unwrap();
    let last = *path(flow, Side::A).last().unwrap();
    assert_eq!((last.from, last.to), (State::CloseWait, State::Closed));
    assert_eq!((last.cause, last.frame), (Cause::ReceivesReset, Some(6)));
}

#[test]
fn rows_that_were_not_kept_leave_a_gap() {
    let script = parse(
        "0 A SYN 0 |
         1 B SYN,ACK 0 ack 1 |
         2 A ACK 1 ack 1 |
         3 A FIN,ACK 1 ack 1 |
         4 B ACK 1 ack 2 |
         5 B FIN,ACK 1 ack 2 |
         6 A ACK 2 ack 2 |",
    );
    let tracker = run(&script, Limits { rows: Rows::Kept(3), ..Limits::default() });
    let flow = tracker.flows().next().unwrap();
    let last = *path(flow, Side::A).last().unwrap();
    assert_eq!((last.to, last.cause, last.frame), (State::TimeWait, Cause::Unseen, None));
}

proptest! {
    #[test]
    fn steps_join_and_end_where_the_flow_does(
        sends in prop::collection::vec((any::<bool>(), 0usize..8, 0u32..4, 0u32..4, prop::option::of(1u32..400)), 1..40)
    ) {
        let flags = ["SYN", "SYN,ACK", "ACK", "PSH,ACK", "FIN,ACK", "RST", "RST,ACK", "FIN"];
        let lines = sends.iter().enumerate().map(|(at, (a, which, seq, ack, delay))| {
            let side = if *a { "A" } else { "B" };
            let to = delay.map_or(String::new(), |delay| format!(" to {}", at as u32 * 50 + delay));
            let len = if flags[*which] == "PSH,ACK" { " len 1" } else { "" };
            format!("{} {side} {} {seq} ack {ack}{len}{to} |", at * 50, flags[*which])
        });
        let script = parse(&lines.collect::<Vec<_>>().join("\n"));
        let tracker = run(&script, Limits::default());
        for flow in tracker.flows() {
            for side in [Side::A, Side::B] {
                let mut state = flow.before[side.index()];
                for step in path(flow, side) {
                    prop_assert_eq!(step.from, state);
                    prop_assert_ne!(step.from, step.to);
                    state = step.to;
                }
                prop_assert_eq!(state, flow.state(side));
            }
        }
    }
}
