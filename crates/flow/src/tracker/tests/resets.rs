//! Resets, in every state; a reset that is not for this window changes nothing.

use crate::script::{check, check_all};
use crate::{ClosedBy, Closing, FindingId, Phase};

const OPEN: &str = "0 A SYN 0           | SYN_SENT    LISTEN
                    1 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
                    2 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED\n";

#[test]
fn in_syn_sent_only_one_that_acknowledges_the_syn() {
    check(
        "0 A SYN 0             | SYN_SENT CLOSED
         1 B RST 77            | SYN_SENT CLOSED
         2 B RST,ACK 0 ack 500 | SYN_SENT CLOSED
         3 B RST,ACK 0 ack 1   | CLOSED   CLOSED",
    );
}

#[test]
fn in_syn_received_a_listener_listens_again() {
    let scan = check(
        "0 A SYN 0           | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         2 A RST 1           | CLOSED      LISTEN",
    );
    assert_eq!((scan.closed_by, scan.closing), (ClosedBy::A, Closing::Reset));
}

#[test]
fn in_syn_received_an_opener_is_closed() {
    check(
        "link 300
         0   A SYN 0 | SYN_SENT     SYN_RECEIVED
         100 B SYN 0 | SYN_RECEIVED SYN_SENT
         450 A RST 1 | CLOSED       CLOSED",
    );
}

#[test]
fn an_opener_refuses_an_old_connection_and_waits_on() {
    // RFC 9293 §3.5.1, figure 9: half-open connection discovery.
    let flow = check(
        "0    A SYN 0               | SYN_SENT    unknown
         1    B ACK 300000 ack 5000 | SYN_SENT    unknown
         2    A RST 5000            | SYN_SENT    CLOSED
         1000 A SYN 0               | SYN_SENT    LISTEN
         isn 1000 77
         1001 B SYN,ACK 0 ack 1     | ESTABLISHED SYN_RECEIVED
         1002 A ACK 1 ack 1         | ESTABLISHED ESTABLISHED",
    );
    assert_eq!((flow.closing, flow.closed_by), (Closing::Open, ClosedBy::Unknown));
}

#[test]
fn in_established() {
    let flow = check(&format!(
        "{OPEN}
         3 A PSH,ACK 1 ack 1 len 6 | ESTABLISHED ESTABLISHED
         4 B RST,ACK 1 ack 7       | CLOSED      CLOSED"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::B, Closing::Reset));
    assert_eq!(flow.rows[4].phase, Phase::Closing);
    assert_eq!(flow.findings[0].id, FindingId::Reset);
    assert_eq!(flow.findings[0].text, "10.0.0.2:7 reset the connection");
    assert_eq!(flow.findings[0].evidence, [5]);
}

#[test]
fn in_the_closing_states() {
    let fin_wait_1 = check(&format!(
        "{OPEN}
         3 A FIN,PSH,ACK 1 ack 1 len 5 | FIN_WAIT_1 ESTABLISHED
         4 B RST,ACK 1 ack 1           | CLOSED     CLOSED"
    ));
    assert_eq!((fin_wait_1.closed_by, fin_wait_1.closing), (ClosedBy::B, Closing::Reset));
    assert_eq!(fin_wait_1.findings[0].text, "10.0.0.2:7 reset the connection after the other end's FIN");
    let fin_wait_2 = check(&format!(
        "{OPEN}
         3 A FIN,ACK 1 ack 1       | FIN_WAIT_1 CLOSE_WAIT
         4 B ACK 1 ack 2           | FIN_WAIT_2 CLOSE_WAIT
         5 B PSH,ACK 1 ack 2 len 5 | FIN_WAIT_2 CLOSE_WAIT
         6 A RST 2                 | CLOSED     CLOSED"
    ));
    assert_eq!((fin_wait_2.closed_by, fin_wait_2.closing), (ClosedBy::A, Closing::Reset));
    check(&format!(
        "{OPEN}
         3 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT
         4 B RST,ACK 1 ack 2 | CLOSED     CLOSED"
    ));
    // What answers a FIN by a RST was not waiting for it any more.
    let orphan = check(&format!(
        "{OPEN}
         3 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT
         4 B FIN,ACK 1 ack 2 | TIME_WAIT  LAST_ACK
         5 A RST 2           | CLOSED     CLOSED"
    ));
    assert_eq!((orphan.closed_by, orphan.closing), (ClosedBy::A, Closing::Reset));
    check(&format!(
        "{OPEN}
         10 A FIN,ACK 1 ack 1 | FIN_WAIT_1 ESTABLISHED
         11 B FIN,ACK 1 ack 1 | CLOSING    FIN_WAIT_1
         12 B RST 2           | CLOSED     CLOSED"
    ));
}

#[test]
fn in_time_wait() {
    let flow = check(&format!(
        "{OPEN}
         3 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT
         4 B FIN,ACK 1 ack 2 | TIME_WAIT  LAST_ACK
         5 A ACK 2 ack 2     | TIME_WAIT  CLOSED
         6 B RST 2           | CLOSED     CLOSED"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::A, Closing::Fin), "it had closed in order before");
}

#[test]
fn after_everything_is_closed_a_late_segment_is_refused() {
    let flow = check(&format!(
        "{OPEN}
         3 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT
         4 B FIN,ACK 1 ack 2 | TIME_WAIT  LAST_ACK
         5 A ACK 2 ack 2     | TIME_WAIT  CLOSED
         6 A ACK 2 ack 2     | TIME_WAIT  CLOSED
         7 B RST 2           | CLOSED     CLOSED"
    ));
    assert_eq!(flow.closing, Closing::Fin);
}

#[test]
fn outside_the_window_it_is_ignored() {
    check(&format!(
        "{OPEN}
         3 A RST 2000000 | CLOSED ESTABLISHED"
    ));
    check(&format!(
        "{OPEN}
         3 A PSH,ACK 1 ack 1 len 10 | ESTABLISHED ESTABLISHED
         4 B ACK 1 ack 11           | ESTABLISHED ESTABLISHED
         5 A RST 5                  | CLOSED      ESTABLISHED"
    ));
}

#[test]
fn one_that_its_receiver_challenges_was_not_accepted() {
    // RFC 5961 §3.2: in the window, but not exact.
    check(&format!(
        "{OPEN}
         3 A RST 100     | CLOSED ESTABLISHED
         4 B ACK 1 ack 1 | CLOSED ESTABLISHED
         5 A RST 1       | CLOSED CLOSED"
    ));
}

#[test]
fn data_crosses_a_reset() {
    let seen = check(&format!(
        "{OPEN}
         3 A RST,ACK 1 ack 1       | CLOSED ESTABLISHED
         4 B PSH,ACK 1 ack 1 len 5 | CLOSED ESTABLISHED
         5 A RST 1                 | CLOSED CLOSED"
    ));
    assert_eq!((seen.closed_by, seen.closing), (ClosedBy::A, Closing::Reset));
    check(
        "link 300
         0    A SYN 0                 | SYN_SENT    LISTEN
         300  B SYN,ACK 0 ack 1       | ESTABLISHED SYN_RECEIVED
         600  A ACK 1 ack 1           | ESTABLISHED ESTABLISHED
         1000 A RST,ACK 1 ack 1       | CLOSED      CLOSED
         1100 B PSH,ACK 1 ack 1 len 5 | CLOSED      ESTABLISHED
         1400 A RST 1                 | CLOSED      CLOSED",
    );
}

#[test]
fn lost() {
    check(
        "link 1
         0  A SYN 0                 | SYN_SENT    LISTEN
         1  B SYN,ACK 0 ack 1       | ESTABLISHED SYN_RECEIVED
         2  A ACK 1 ack 1           | ESTABLISHED ESTABLISHED
         3  A RST,ACK 1 ack 1 lost  | CLOSED      ESTABLISHED
         50 B PSH,ACK 1 ack 1 len 5 | CLOSED      ESTABLISHED
         51 A RST 1                 | CLOSED      CLOSED",
    );
}

#[test]
fn an_overrun_listener_resets_what_it_had_answered() {
    check(
        "0 A SYN 0           | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         2 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED
         3 B RST 1           | CLOSED      CLOSED",
    );
}

/// RFC 9293 figure 9: A has forgotten the conversation and opens another, which begins with B's answer to the old one.
#[test]
fn a_forgotten_conversation_leaves_nothing_behind_in_the_next() {
    let flows = check_all(
        "link 0
         0  A SYN 0                         | SYN_SENT    LISTEN
         1  B SYN,ACK 0 ack 1               | ESTABLISHED SYN_RECEIVED
         2  A ACK 1 ack 1                   | ESTABLISHED ESTABLISHED
         3  A RST,ACK 1 ack 1 lost          | CLOSED      ESTABLISHED
         10 A SYN 20000                     | SYN_SENT    unknown
         11 B ACK 1 ack 1                   | SYN_SENT    unknown
         12 A RST 1                         | SYN_SENT    CLOSED
         20 A SYN 20000                     | SYN_SENT    LISTEN
         21 B SYN,ACK 30000 ack 20001       | ESTABLISHED SYN_RECEIVED
         22 A ACK 20001 ack 30001           | ESTABLISHED ESTABLISHED
         30 A FIN,ACK 20001 ack 30001 to 31 | FIN_WAIT_1  ESTABLISHED
         31 B FIN,ACK 30001 ack 20001 to 32 | CLOSING     FIN_WAIT_1
         31 B ACK 30002 ack 20002 to 32     | TIME_WAIT   CLOSING
         32 A ACK 20002 ack 30002 to 33     | TIME_WAIT   TIME_WAIT",
    );
    assert_eq!(flows.len(), 2);
}

/// An old SYN wakes the listener; the end in TIME_WAIT answers with its last acknowledgement, which is refused, and the
/// refusal ends TIME_WAIT (RFC 1337 §2). The listener goes on waiting for an answer to its SYN ACK.
#[test]
fn an_old_syn_after_the_end() {
    check(
        "listening
         link 0
         0  A SYN 0           | SYN_SENT    LISTEN
         1  B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         2  A ACK 1 ack 1     | ESTABLISHED ESTABLISHED
         3  A FIN,ACK 1 ack 1 | FIN_WAIT_1  CLOSE_WAIT
         4  B ACK 1 ack 2     | FIN_WAIT_2  CLOSE_WAIT
         5  B FIN,ACK 1 ack 2 | TIME_WAIT   LAST_ACK
         6  A ACK 2 ack 2     | TIME_WAIT   CLOSED
         20 A SYN 0           | TIME_WAIT   LISTEN
         21 B SYN,ACK 30000 ack 1 | TIME_WAIT   SYN_RECEIVED
         22 A ACK 2 ack 2     | TIME_WAIT   SYN_RECEIVED
         23 B RST 2           | CLOSED      SYN_RECEIVED",
    );
}
