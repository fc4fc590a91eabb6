//! Captures that begin when the conversation is under way: unknown until something proves a state.

use crate::script::check;
use crate::{ClosedBy, Closing, FindingId, Phase, State};

#[test]
fn data_both_ways_proves_established() {
    let flow = check(
        "0 A PSH,ACK 1 ack 1 len 10  | unknown     unknown
         1 B PSH,ACK 1 ack 11 len 20 | ESTABLISHED unknown
         2 A ACK 11 ack 21           | ESTABLISHED ESTABLISHED",
    );
    assert_eq!(flow.before, [State::Unknown; 2]);
    assert!(!flow.saw_opening);
    assert_eq!(flow.rows[0].phase, Phase::Data);
    let numbers: Vec<_> = flow.rows.iter().map(|row| (row.seq, row.ack)).collect();
    assert_eq!(numbers, [(1, Some(1)), (1, Some(11)), (11, Some(21))], "1 is the first byte seen");
    assert_eq!(flow.rows[0].in_flight_bytes, None);
    assert_eq!(flow.rows[2].in_flight_bytes, Some(0));
    assert_eq!(flow.findings[0].id, FindingId::BeganEarlier);
    assert_eq!(flow.findings[0].evidence, [1]);
    assert_eq!(flow.handshake_rtt, None);
}

#[test]
fn data_one_way_proves_nothing() {
    // The receiver may have closed its direction long ago.
    let flow = check(
        "0 A PSH,ACK 1  ack 1 len 10 | unknown unknown
         1 B ACK 1 ack 11            | unknown unknown
         2 A PSH,ACK 11 ack 1 len 10 | unknown unknown
         3 B ACK 1 ack 21            | unknown unknown",
    );
    assert_eq!((flow.closing, flow.closed_by), (Closing::Open, ClosedBy::Unknown));
}

#[test]
fn the_end_proves_more() {
    let flow = check(
        "0 A FIN,ACK 1 ack 1 | unknown   unknown
         1 B FIN,ACK 1 ack 2 | TIME_WAIT LAST_ACK
         2 A ACK 2 ack 2     | TIME_WAIT CLOSED",
    );
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::A, Closing::Fin));
}

#[test]
fn a_fin_after_data_from_the_other_end_is_the_first() {
    check(
        "0 A PSH,ACK 1 ack 1 len 5 | unknown    unknown
         1 B FIN,ACK 1 ack 6       | CLOSE_WAIT FIN_WAIT_1
         2 A ACK 6 ack 2           | CLOSE_WAIT FIN_WAIT_2",
    );
}

#[test]
fn a_capture_that_begins_with_the_answer() {
    let flow = check(
        "0 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         1 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED",
    );
    assert_eq!(flow.b.port(), 7, "the end that answers did not open");
    assert!(!flow.saw_opening);
    assert_eq!(flow.rows[0].phase, Phase::Opening);
}

#[test]
fn a_capture_that_misses_the_answer() {
    check(
        "0 A SYN 0                 | SYN_SENT    unknown
         2 A ACK 1 ack 1           | ESTABLISHED unknown
         3 A PSH,ACK 1 ack 1 len 5 | ESTABLISHED unknown
         4 B PSH,ACK 1 ack 6 len 5 | ESTABLISHED unknown
         5 A ACK 6 ack 6           | ESTABLISHED ESTABLISHED",
    );
}

#[test]
fn a_capture_of_one_direction_was_not_unanswered() {
    let flow = check(
        "0 A SYN 0                 | SYN_SENT    unknown
         2 A ACK 1 ack 1           | ESTABLISHED unknown
         3 A PSH,ACK 1 ack 1 len 5 | ESTABLISHED unknown",
    );
    assert_eq!(flow.closing, Closing::Open);
}

#[test]
fn a_reset_closes_whatever_it_was() {
    let flow = check(
        "0 A PSH,ACK 1 ack 1 len 10 | unknown unknown
         1 B RST,ACK 1 ack 11       | CLOSED  CLOSED",
    );
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::B, Closing::Reset));
}

#[test]
fn a_listener_that_is_known_does_not_explain_a_conversation_under_way() {
    check(
        "listening
         0 A PSH,ACK 1 ack 1 len 10 | unknown unknown
         1 B ACK 1 ack 11           | unknown unknown",
    );
}
