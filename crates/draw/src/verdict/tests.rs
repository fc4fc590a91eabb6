//! Verdicts of conversations that ended in every way.

use proptest::prelude::*;
use wire::{Fate, Passage};

use super::*;
use crate::ladder::is_rto;
use crate::sample;

fn say(flow: &Flow) -> String {
    format!("{}\n{}", short(flow), paragraph(flow, &Names::roles(flow)))
}

fn as_ended(closing: Closing, closed_by: ClosedBy, states: [State; 2]) -> Flow {
    let mut flow = sample::one_loss();
    flow.rows.retain(|row| row.resent.is_none() && !is_lost(row));
    (flow.totals_a.lost_segments, flow.totals_a.resent_segments) = (0, 0);
    (flow.closing, flow.closed_by) = (closing, closed_by);
    [flow.state_a, flow.state_b] = states;
    flow
}

#[test]
fn one_loss_found_by_the_timer() {
    insta::assert_snapshot!(say(&sample::one_loss()), @r##"
    closed by client, 1 lost, 1 resent
    client opened, server answered in 31 µs; 32 bytes each way; 1 segment lost on the link and sent again after 204 ms (nothing else was in flight to report it sooner); client closed first, so its port 40712 stays in TIME_WAIT (60 s on Linux).
    "##);
}

#[test]
fn a_loss_that_sack_reported() {
    insta::assert_snapshot!(say(&sample::transfer(60)), @r##"
    closed by client, 1 lost, 1 resent
    client opened, server answered in 31 µs; client sent 84.8 KiB, server nothing; 1 segment lost on the link and sent again as soon as SACK asked for it, 140 µs later; client closed first, so its port 40712 stays in TIME_WAIT (60 s on Linux).
    "##);
}

#[test]
fn both_closed_at_once() {
    insta::assert_snapshot!(say(&sample::crossing()), @r##"
    closed by both at once
    client opened, server answered in 50.0 ms; client sent 2,000 bytes, server nothing; both closed at once, so both ports, 40712 and 7, stay in TIME_WAIT (60 s on Linux).
    "##);
}

#[test]
fn what_the_capture_lacks_was_sent_all_the_same() {
    let mut flow = sample::one_loss();
    flow.totals_a.unseen_bytes = 16;
    let said = paragraph(&flow, &Names::roles(&flow));
    assert!(
        said.contains("client sent 48 bytes (16 bytes of that not captured), server 32 bytes;"),
        "{said}"
    );
    (flow.totals_b.bytes, flow.totals_b.unseen_bytes) = (0, 2_902);
    let said = paragraph(&flow, &Names::roles(&flow));
    assert!(said.contains(", server 2,902 bytes (none of that captured);"), "{said}");
}

#[test]
fn who_answers_a_syn_did_not_open() {
    let mut flow = sample::one_loss();
    flow.saw_opening = false;
    assert!(paragraph(&flow, &Names::roles(&flow)).contains("who opened it is unknown"));
    flow.rows.remove(0);
    let said = paragraph(&flow, &Names::roles(&flow));
    assert!(
        said.starts_with("client opened, and the answer of server is the first that was captured;"),
        "{said}"
    );
}

#[test]
fn refused() {
    insta::assert_snapshot!(say(&sample::refused()), @r##"
    refused
    client asked for a connection and server answered in 24 µs with a reset: nothing listens on port 7 there.
    "##);
}

#[test]
fn unanswered() {
    insta::assert_snapshot!(say(&sample::unanswered()), @r##"
    no answer to 4 SYNs
    client sent 4 SYNs in 7.07 s and nobody answered, not even with a reset, as a host without a listener would.
    "##);
}

#[test]
fn unanswered_and_a_router_says_why() {
    let mut flow = sample::unanswered();
    let by = "192.0.2.9".parse().expect("an address");
    let error = |about| flow::PathError {
        frame: 9,
        time: wire::Time(1_000),
        by,
        about,
        meaning: "host unreachable",
        next_hop_mtu: None,
    };
    flow.path_errors = flow::PathErrors { first: vec![error(Side::A)], count: 3 };
    insta::assert_snapshot!(say(&flow), @r##"
    no answer to 4 SYNs, host unreachable
    client sent 4 SYNs in 7.07 s and nobody answered; 192.0.2.9 told client by ICMP: host unreachable (3 messages in all).
    "##);
}

#[test]
fn an_attempt_that_only_an_icmp_error_quotes() {
    let mut flow = sample::unanswered();
    (flow.rows, flow.totals_a) = (Vec::new(), flow::SideTotals::default());
    let error = flow::PathError {
        frame: 1,
        time: wire::Time(1_000),
        by: flow.a.ip(),
        about: Side::A,
        meaning: "host unreachable",
        next_hop_mtu: None,
    };
    flow.path_errors = flow::PathErrors { first: vec![error], count: 1 };
    insta::assert_snapshot!(say(&flow), @r##"
    never open, host unreachable
    client asked for a connection and got none: only the ICMP error that quotes its SYN was captured; 10.77.0.1 told client by ICMP: host unreachable.
    "##);
}

#[test]
fn a_connection_to_itself() {
    let mut flow = sample::one_loss();
    flow.rows.retain(|row| {
        row.resent.is_none() && row.passage.as_ref().is_none_or(|passage| passage.fate.is_received())
    });
    (flow.b, flow.totals_b) = (flow.a, flow::SideTotals::default());
    (flow.totals_a.resent_segments, flow.totals_a.lost_segments) = (0, 0);
    (flow.state_a, flow.state_b) = (State::TimeWait, State::TimeWait);
    insta::assert_snapshot!(say(&flow), @r##"
    closed, connected to itself
    client connected to itself: one socket is both ends; it sent 32 bytes, and received the same; it closed, so its port 40712 stays in TIME_WAIT (60 s on Linux).
    "##);
    flow.totals_a.unseen_bytes = 4;
    (flow.saw_opening, flow.closing) = (false, Closing::Open);
    insta::assert_snapshot!(say(&flow), @r##"
    open, connected to itself, began earlier
    client is connected to itself, one socket at both ends, and was before this capture began; from then on it sent 36 bytes (4 bytes of that not captured), and received the same; at the end it was still open.
    "##);
}

#[test]
fn unanswered_because_every_syn_was_lost() {
    let mut flow = sample::unanswered();
    for row in &mut flow.rows {
        row.passage = Some(wire::Passage { fate: wire::Fate::Lost, rule: None, arrived: None, segments: 1 });
    }
    flow.totals_a.lost_segments = flow.totals_a.segments;
    insta::assert_snapshot!(say(&flow), @r##"
    no answer to 4 SYNs, 4 lost
    client sent 4 SYNs in 7.07 s and nobody answered: none of them got across the link.
    "##);
}

#[test]
fn reset() {
    insta::assert_snapshot!(say(&sample::reset()), @r##"
    reset by server after 5 s
    client opened, server answered in 31 µs; client sent 1,000 bytes, server nothing; server reset the connection after 5 s, which ended it at both ends at once, without TIME_WAIT.
    "##);
}

#[test]
fn half_closed() {
    let flow = as_ended(Closing::HalfClosed, ClosedBy::B, [State::CloseWait, State::FinWait2]);
    insta::assert_snapshot!(say(&flow), @r##"
    half-closed by server
    client opened, server answered in 31 µs; 32 bytes each way; server closed its half, client had not closed at the end (server waits in FIN_WAIT_2, client is in CLOSE_WAIT).
    "##);
}

#[test]
fn half_closed_with_an_unknown_state_claims_no_state() {
    let flow = as_ended(Closing::HalfClosed, ClosedBy::A, [State::FinWait2, State::Unknown]);
    insta::assert_snapshot!(say(&flow), @r##"
    half-closed by client
    client opened, server answered in 31 µs; 32 bytes each way; client closed its half, server had not closed at the end.
    "##);
}

#[test]
fn unfinished() {
    let flow = as_ended(Closing::Unfinished, ClosedBy::A, [State::TimeWait, State::LastAck]);
    insta::assert_snapshot!(say(&flow), @r##"
    closed by client, last ACK not seen
    client opened, server answered in 31 µs; 32 bytes each way; both closed, client first, but the last acknowledgement was not seen, so server is still in LAST_ACK.
    "##);
}

#[test]
fn the_last_acknowledgement_was_lost() {
    let mut flow = as_ended(Closing::Unfinished, ClosedBy::A, [State::TimeWait, State::LastAck]);
    let lost = Passage { fate: Fate::Lost, rule: None, arrived: None, segments: 1 };
    flow.rows.last_mut().expect("the last ACK").passage = Some(lost);
    insta::assert_snapshot!(say(&flow), @r##"
    closed by client, last ACK lost
    client opened, server answered in 31 µs; 32 bytes each way; both closed, client first, but the last acknowledgement was lost on the link, so server is still in LAST_ACK.
    "##);
}

#[test]
fn still_open() {
    let flow = as_ended(Closing::Open, ClosedBy::Unknown, [State::Established; 2]);
    insta::assert_snapshot!(say(&flow), @r##"
    open
    client opened, server answered in 31 µs; 32 bytes each way; at the end it was still open.
    "##);
}

#[test]
fn began_earlier() {
    let mut flow = as_ended(Closing::Fin, ClosedBy::B, [State::Closed, State::TimeWait]);
    flow.saw_opening = false;
    flow.handshake_rtt = None;
    flow.totals_b.bytes = 1_300_000;
    let names = Names::addresses(&flow);
    insta::assert_snapshot!(format!("{}\n{}", short(&flow), paragraph(&flow, &names)), @r##"
    closed by :7, began earlier
    the conversation began before this capture, so who opened it is unknown; from then on 10.77.0.1:40712 sent 32 bytes, 10.77.0.2:7 1.24 MiB; 10.77.0.2:7 closed first, so its port 7 stays in TIME_WAIT (60 s on Linux).
    "##);
}

#[test]
fn a_lost_acknowledgement_needs_no_repetition() {
    let mut flow = as_ended(Closing::Fin, ClosedBy::A, [State::TimeWait, State::Closed]);
    let ack = flow.rows.iter_mut().rfind(|row| row.len_bytes == 0 && row.flags == TcpFlags::ACK);
    ack.expect("an acknowledgement").passage =
        Some(wire::Passage { fate: wire::Fate::Lost, rule: None, arrived: None, segments: 1 });
    flow.totals_a.lost_segments = 1;
    insta::assert_snapshot!(say(&flow), @r##"
    closed by client, 1 lost
    client opened, server answered in 31 µs; 32 bytes each way; 1 segment from client lost on the link, an acknowledgement, which needs no repetition; client closed first, so its port 40712 stays in TIME_WAIT (60 s on Linux).
    "##);
}

#[test]
fn many_losses_on_both_sides() {
    let mut flow = as_ended(Closing::Fin, ClosedBy::A, [State::TimeWait, State::Closed]);
    (flow.totals_a.lost_segments, flow.totals_b.lost_segments) = (31, 7);
    (flow.totals_a.resent_segments, flow.totals_b.resent_segments) = (35, 7);
    insta::assert_snapshot!(say(&flow), @r##"
    closed by client, 38 lost, 42 resent
    client opened, server answered in 31 µs; 32 bytes each way; 38 segments lost on the link (31 from client, 7 from server), 42 sent again (35 from client, 7 from server); client closed first, so its port 40712 stays in TIME_WAIT (60 s on Linux).
    "##);
}

#[test]
fn what_the_link_corrupted_is_not_called_lost() {
    let mut flow = as_ended(Closing::Fin, ClosedBy::A, [State::TimeWait, State::Closed]);
    (flow.totals_a.lost_segments, flow.totals_b.lost_segments) = (3, 1);
    (flow.totals_a.corrupted_segments, flow.totals_b.corrupted_segments) = (3, 1);
    (flow.totals_a.resent_segments, flow.totals_b.resent_segments) = (3, 1);
    let said = |flow: &Flow| (short(flow), paragraph(flow, &Names::roles(flow)));
    let (in_short, in_full) = said(&flow);
    assert!(in_short.ends_with(", 4 corrupted, 4 resent"), "{in_short}");
    let words = "; 4 segments corrupted on the link (3 from client, 1 from server), 4 sent again";
    assert!(in_full.contains(words), "{in_full}");
    flow.totals_a.corrupted_segments = 1;
    let (in_short, in_full) = said(&flow);
    assert!(in_short.ends_with(", 2 lost, 2 corrupted, 4 resent"), "{in_short}");
    let words =
        "; 4 segments lost on the link (3 from client, 1 from server), 2 of them corrupted, 4 sent again";
    assert!(in_full.contains(words), "{in_full}");
}

#[test]
fn time_wait_is_claimed_only_where_it_was_seen() {
    let flow = as_ended(Closing::Fin, ClosedBy::A, [State::Unknown, State::Closed]);
    assert!(!paragraph(&flow, &Names::roles(&flow)).contains("TIME_WAIT"));
}

#[test]
fn a_wait_that_a_probe_timer_explains_is_not_called_a_retransmission_timeout() {
    let mut flow = sample::one_loss();
    flow.handshake_rtt = Some(Duration::from_millis(100));
    assert!(!is_rto(&flow, Duration::from_millis(250)));
    assert!(is_rto(&flow, Duration::from_millis(300)));
}

proptest! {
    #[test]
    fn every_verdict_is_one_safe_sentence(flow in sample::arbitrary(), a in ".{0,20}", b in ".{0,20}") {
        let names = Names { a, b };
        let paragraph = paragraph(&flow, &names);
        prop_assert!(paragraph.ends_with('.'));
        prop_assert!(!paragraph.chars().any(char::is_control), "{paragraph:?}");
        prop_assert!(!short(&flow).is_empty());
        let wrapped = wrapped(&flow, &names, &Style { width: 60, ascii: true, ..Style::default() });
        for line in wrapped.lines() {
            prop_assert!(line.len() <= 60);
            prop_assert!(line.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "{line:?}");
        }
    }
}

/// The timer was set for what had been sent before: a wait of microseconds is not the time it took.
#[test]
fn one_repetition_by_a_probe_timer() {
    let mut flow = sample::one_loss();
    flow.rows.retain(|row| !is_lost(row));
    flow.totals_a.lost_segments = 0;
    let again = flow.rows.iter_mut().find_map(|row| row.resent.as_mut()).expect("a repetition");
    (again.of, again.after, again.needless) = (Some(1), Duration::from_micros(5), true);
    insta::assert_snapshot!(say(&flow), @r##"
    closed by client, 1 resent
    client opened, server answered in 31 µs; 32 bytes each way; 1 segment from client sent again by a timer 5 µs later, needlessly; client closed first, so its port 40712 stays in TIME_WAIT (60 s on Linux).
    "##);
}
