//! How conversations begin.

use std::time::Duration;

use crate::script::{check, check_all};
use crate::{ClosedBy, Closing, FindingId, Phase, State};

#[test]
fn three_way_handshake_data_and_close() {
    let flow = check(
        "0    A SYN 0                  | SYN_SENT    LISTEN
         1    B SYN,ACK 0 ack 1        | ESTABLISHED SYN_RECEIVED
         2    A ACK 1 ack 1            | ESTABLISHED ESTABLISHED
         3    A PSH,ACK 1 ack 1 len 16 | ESTABLISHED ESTABLISHED
         4    B PSH,ACK 1 ack 17 len 9 | ESTABLISHED ESTABLISHED
         5    A ACK 17 ack 10          | ESTABLISHED ESTABLISHED
         6    A FIN,ACK 17 ack 10      | FIN_WAIT_1  CLOSE_WAIT
         7    B ACK 10 ack 18          | FIN_WAIT_2  CLOSE_WAIT
         8    B FIN,ACK 10 ack 18      | TIME_WAIT   LAST_ACK
         9    A ACK 18 ack 11          | TIME_WAIT   CLOSED",
    );
    assert_eq!(flow.before, [State::Closed, State::Listen]);
    assert_eq!((flow.state_a, flow.state_b), (State::TimeWait, State::Closed));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::A, Closing::Fin));
    assert_eq!((flow.totals_a.bytes, flow.totals_b.bytes), (16, 9));
    assert_eq!((flow.totals_a.segments, flow.totals_b.segments), (6, 4));
    assert_eq!((flow.totals_a.resent_segments, flow.totals_b.resent_segments), (0, 0));
    assert_eq!(flow.handshake_rtt, Some(Duration::from_millis(1)));
    assert!(flow.saw_opening);
    let phases: Vec<Phase> = flow.rows.iter().map(|row| row.phase).collect();
    assert_eq!(phases[..3], [Phase::Opening; 3]);
    assert_eq!(phases[3..6], [Phase::Data; 3]);
    assert_eq!(phases[6..], [Phase::Closing; 4]);
    assert_eq!(flow.findings.len(), 1);
    assert_eq!(flow.findings[0].id, FindingId::TimeWait);
    assert_eq!(flow.findings[0].evidence, [7, 9]);
    assert_eq!(flow.findings[0].text, "10.0.0.1:40712 closed first, so port 40712 there stays in TIME_WAIT");
}

#[test]
fn a_listener_that_is_known_needs_no_answer() {
    let flow = check(
        "listening
         0    A SYN 0 | SYN_SENT LISTEN
         1000 A SYN 0 | SYN_SENT LISTEN",
    );
    assert_eq!(flow.before, [State::Closed, State::Listen]);
    assert_eq!(flow.closing, Closing::Unanswered);
}

#[test]
fn unanswered() {
    let flow = check(
        "0    A SYN 0 | SYN_SENT unknown
         1000 A SYN 0 | SYN_SENT unknown
         3000 A SYN 0 | SYN_SENT unknown",
    );
    assert_eq!(flow.before, [State::Closed, State::Unknown]);
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::Unknown, Closing::Unanswered));
    assert_eq!(flow.totals_a.resent_segments, 2);
    assert_eq!(flow.rows[2].resent.as_ref().unwrap().of, Some(2));
    assert_eq!(flow.rows[2].resent.as_ref().unwrap().after, Duration::from_secs(2));
    assert_eq!(flow.findings[0].id, FindingId::Unanswered);
    assert_eq!(flow.findings[0].text, "10.0.0.2:7 never answered 3 SYNs");
    assert_eq!(flow.findings[0].evidence, [1, 2, 3]);
    assert_eq!(flow.handshake_rtt, None);
}

#[test]
fn refused() {
    let flow = check(
        "0 A SYN 0           | SYN_SENT CLOSED
         1 B RST,ACK 0 ack 1 | CLOSED   CLOSED",
    );
    assert_eq!(flow.before, [State::Closed, State::Closed]);
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::B, Closing::Refused));
    assert_eq!(flow.findings[0].id, FindingId::Refused);
    assert_eq!(flow.findings[0].evidence, [1, 2]);
    assert_eq!(flow.rows[1].phase, Phase::Closing);
    assert_eq!(flow.rows[1].ack, Some(1));
    assert_eq!(flow.handshake_rtt, Some(Duration::from_millis(1)));
}

#[test]
fn refused_first_and_answered_when_the_same_syn_comes_again() {
    let flow = check(
        "0    A SYN 0           | SYN_SENT    CLOSED
         1    B RST,ACK 0 ack 7 | SYN_SENT    CLOSED
         1000 A SYN 0           | SYN_SENT    LISTEN
         1001 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         1002 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED",
    );
    assert_eq!(flow.closing, Closing::Open);
}

#[test]
fn simultaneous_open() {
    let table = "0   A SYN 0           | SYN_SENT     SYN_RECEIVED
                 100 B SYN 0           | SYN_RECEIVED SYN_SENT
                 300 B SYN,ACK 0 ack 1 | ESTABLISHED  SYN_RECEIVED
                 400 A SYN,ACK 0 ack 1 | SYN_RECEIVED ESTABLISHED
                 600 A ACK 1 ack 1     | ESTABLISHED  ESTABLISHED
                 700 B ACK 1 ack 1     | ESTABLISHED  ESTABLISHED";
    let flow = check(&format!("link 300\n{table}"));
    assert_eq!(flow.before, [State::Closed, State::Closed]);
    assert_eq!(flow.rows[2].phase, Phase::Opening);
    assert_eq!(flow.rows[3].phase, Phase::Opening);
    assert_eq!(flow.rows[4].phase, Phase::Data);
    assert_eq!(flow.totals_a.resent_segments, 0, "its SYN ACK answers the other SYN, and repeats nothing");
}

#[test]
fn simultaneous_open_in_an_ordinary_capture() {
    // B's SYN ACK answers A's SYN: A's SYN ACK had not arrived yet.
    let flow = check(
        "0   A SYN 0           | SYN_SENT     CLOSED
         100 B SYN 0           | SYN_RECEIVED SYN_SENT
         101 A SYN,ACK 0 ack 1 | SYN_RECEIVED SYN_RECEIVED
         300 B SYN,ACK 0 ack 1 | ESTABLISHED  SYN_RECEIVED",
    );
    assert_eq!(flow.before, [State::Closed, State::Closed]);
    assert_eq!((flow.state_a, flow.state_b), (State::Established, State::Established));
}

#[test]
fn data_in_the_syn_may_be_taken_or_ignored() {
    let taken = check(
        "0 A SYN 0 len 10                | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 11            | ESTABLISHED SYN_RECEIVED
         2 A ACK 11 ack 1                | ESTABLISHED ESTABLISHED
         3 B FIN,PSH,ACK 1 ack 11 len 5  | CLOSE_WAIT  FIN_WAIT_1
         4 A FIN,ACK 11 ack 7            | LAST_ACK    TIME_WAIT
         5 B ACK 7 ack 12                | CLOSED      TIME_WAIT",
    );
    assert_eq!((taken.totals_a.bytes, taken.totals_a.resent_bytes), (10, 0));
    assert_eq!((taken.closed_by, taken.closing), (ClosedBy::B, Closing::Fin));
    let ignored = check(
        "0 A SYN 0 len 10            | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 1         | ESTABLISHED SYN_RECEIVED
         2 A PSH,ACK 1 ack 1 len 10  | ESTABLISHED ESTABLISHED
         3 B ACK 1 ack 11            | ESTABLISHED ESTABLISHED",
    );
    assert_eq!((ignored.totals_a.bytes, ignored.totals_a.resent_bytes), (10, 10));
}

#[test]
fn a_server_that_speaks_first_has_heard_the_acknowledgement() {
    check(
        "0 A SYN 0                 | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 1       | ESTABLISHED SYN_RECEIVED
         2 B PSH,ACK 1 ack 1 len 5 | ESTABLISHED ESTABLISHED",
    );
}

#[test]
fn a_used_port_pair_opens_another_conversation() {
    let flows = check_all(
        "0 A SYN 0            | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 1  | ESTABLISHED SYN_RECEIVED
         2 A ACK 1 ack 1      | ESTABLISHED ESTABLISHED
         3 A FIN,ACK 1 ack 1  | FIN_WAIT_1  CLOSE_WAIT
         4 B FIN,ACK 1 ack 2  | TIME_WAIT   LAST_ACK
         5 A ACK 2 ack 2      | TIME_WAIT   CLOSED
         isn 700000 800000
         6 A SYN 0            | SYN_SENT    LISTEN
         7 B SYN,ACK 0 ack 1  | ESTABLISHED SYN_RECEIVED
         8 A ACK 1 ack 1      | ESTABLISHED ESTABLISHED",
    );
    assert_eq!(flows.len(), 2);
    assert_eq!([flows[0].stream, flows[1].stream], [0, 1]);
    assert_eq!([flows[0].closing, flows[1].closing], [Closing::Fin, Closing::Open]);
    assert_eq!(flows[1].before, [State::Closed, State::Listen]);
    assert_eq!(flows[1].rows[0].seq, 0);
}

#[test]
fn a_syn_that_only_comes_again_stays_in_its_conversation() {
    let flow = check(
        "0    A SYN 0           | SYN_SENT    LISTEN
         1000 A SYN 0           | SYN_SENT    LISTEN
         1001 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED",
    );
    assert_eq!(flow.totals_a.resent_segments, 1);
}

#[test]
fn a_new_number_without_an_answer_is_a_new_attempt() {
    let flows = check_all(
        "0    A SYN 0   | SYN_SENT unknown
         1000 A SYN 500 | SYN_SENT unknown",
    );
    assert_eq!(flows.len(), 2);
}
