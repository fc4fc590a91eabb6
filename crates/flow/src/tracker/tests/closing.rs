//! How conversations end in order.

use crate::script::check;
use crate::{ClosedBy, Closing, FindingId, State};

/// The opening, in 3 rows up to 2 ms; both windows are 1000.
const OPEN: &str = "0 A SYN 0           | SYN_SENT    LISTEN
                    1 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
                    2 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED\n";

/// The same with 300 ms each way, up to 600 ms.
const FAR_OPEN: &str = "link 300
                        0   A SYN 0           | SYN_SENT    LISTEN
                        300 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
                        600 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED\n";

#[test]
fn three_segments_close() {
    let flow = check(&format!(
        "{OPEN}
         3 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT
         4 B FIN,ACK 1 ack 2 | TIME_WAIT  LAST_ACK
         5 A ACK 2 ack 2     | TIME_WAIT  CLOSED"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::A, Closing::Fin));
}

#[test]
fn the_server_closes_first() {
    let flow = check(&format!(
        "{OPEN}
         3 B FIN,ACK 1 ack 1 | CLOSE_WAIT FIN_WAIT_1
         4 A ACK 1 ack 2     | CLOSE_WAIT FIN_WAIT_2
         5 A FIN,ACK 1 ack 2 | LAST_ACK   TIME_WAIT
         6 B ACK 2 ack 2     | CLOSED     TIME_WAIT"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::B, Closing::Fin));
    assert_eq!(flow.findings[0].text, "10.0.0.2:7 closed first, so port 7 there stays in TIME_WAIT");
}

#[test]
fn half_closed_with_data_after() {
    let flow = check(&format!(
        "{OPEN}
         3 A FIN,PSH,ACK 1 ack 1 len 4  | FIN_WAIT_1 CLOSE_WAIT
         4 B ACK 1 ack 6                | FIN_WAIT_2 CLOSE_WAIT
         5 B PSH,ACK 1 ack 6 len 4      | FIN_WAIT_2 CLOSE_WAIT
         6 A ACK 6 ack 5                | FIN_WAIT_2 CLOSE_WAIT"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::A, Closing::HalfClosed));
    assert_eq!(flow.findings[0].id, FindingId::HalfClosed);
    assert_eq!(
        flow.findings[0].text,
        "10.0.0.1:40712 closed its direction, 10.0.0.2:7 never closed the other one"
    );
    let closed = check(&format!(
        "{OPEN}
         3 A FIN,ACK 1 ack 1          | FIN_WAIT_1 CLOSE_WAIT
         4 B ACK 1 ack 2              | FIN_WAIT_2 CLOSE_WAIT
         5 B PSH,ACK 1 ack 2 len 4    | FIN_WAIT_2 CLOSE_WAIT
         6 A ACK 2 ack 5              | FIN_WAIT_2 CLOSE_WAIT
         7 B FIN,ACK 5 ack 2          | TIME_WAIT  LAST_ACK
         8 A ACK 2 ack 6              | TIME_WAIT  CLOSED"
    ));
    assert_eq!((closed.closing, closed.totals_b.bytes), (Closing::Fin, 4));
}

#[test]
fn simultaneous_close_on_the_link() {
    let flow = check(&format!(
        "{FAR_OPEN}
         1000 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSING
         1100 B FIN,ACK 1 ack 1 | CLOSING    FIN_WAIT_1
         1300 B ACK 2 ack 2     | TIME_WAIT  CLOSING
         1400 A ACK 2 ack 2     | CLOSING    TIME_WAIT"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::Both, Closing::Fin));
    assert_eq!((flow.state_a, flow.state_b), (State::TimeWait, State::TimeWait));
    assert_eq!(flow.findings[0].text, "both ends closed at once, so both keep their port in TIME_WAIT");
}

#[test]
fn simultaneous_close_seen_at_a() {
    // B's FIN does not acknowledge A's: it had not arrived, whatever the order in the capture says.
    let flow = check(&format!(
        "{OPEN}
         1000 A FIN,ACK 1 ack 1 | FIN_WAIT_1 ESTABLISHED
         1100 B FIN,ACK 1 ack 1 | CLOSING    FIN_WAIT_1
         1101 A ACK 2 ack 2     | CLOSING    TIME_WAIT
         1600 B ACK 2 ack 2     | TIME_WAIT  TIME_WAIT"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::Both, Closing::Fin));
}

#[test]
fn simultaneous_close_seen_at_b() {
    let flow = check(&format!(
        "{OPEN}
         1000 B FIN,ACK 1 ack 1 | ESTABLISHED FIN_WAIT_1
         1100 A FIN,ACK 1 ack 1 | FIN_WAIT_1  CLOSING
         1101 B ACK 2 ack 2     | TIME_WAIT   CLOSING
         1600 A ACK 2 ack 2     | TIME_WAIT   TIME_WAIT"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::Both, Closing::Fin));
}

#[test]
fn the_link_delivers_a_fin_that_its_receiver_had_not_read_when_it_sent_its_own() {
    check(&format!(
        "{FAR_OPEN}
         1000   A FIN,ACK 1 ack 1            | FIN_WAIT_1 ESTABLISHED
         1300.1 B FIN,ACK 1 ack 1            | CLOSING    FIN_WAIT_1
         1300.2 B ACK 2 ack 2                | TIME_WAIT  CLOSING
         1600.15 A ACK 2 ack 2               | CLOSING    TIME_WAIT"
    ));
}

#[test]
fn data_crosses_the_fin() {
    let flow = check(&format!(
        "{FAR_OPEN}
         1000 A FIN,ACK 1 ack 1       | FIN_WAIT_1 CLOSE_WAIT
         1100 B PSH,ACK 1 ack 1 len 5 | FIN_WAIT_1 ESTABLISHED
         1300 B ACK 6 ack 2           | FIN_WAIT_2 CLOSE_WAIT
         1400 A ACK 2 ack 6           | FIN_WAIT_1 LAST_ACK
         1500 B FIN,ACK 6 ack 2       | TIME_WAIT  LAST_ACK
         1800 A ACK 2 ack 7           | TIME_WAIT  CLOSED"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::A, Closing::Fin));
    check(&format!(
        "{OPEN}
         1000 A FIN,ACK 1 ack 1       | FIN_WAIT_1 ESTABLISHED
         1100 B PSH,ACK 1 ack 1 len 5 | FIN_WAIT_1 ESTABLISHED
         1101 A ACK 2 ack 6           | FIN_WAIT_1 CLOSE_WAIT
         1600 B ACK 6 ack 2           | FIN_WAIT_2 CLOSE_WAIT"
    ));
}

#[test]
fn a_fin_that_overtakes_data_waits_for_it() {
    let flow = check(&format!(
        "{OPEN}
         3   A FIN,ACK 11 ack 1         | FIN_WAIT_1 ESTABLISHED
         3.1 B ACK 1 ack 1              | FIN_WAIT_1 ESTABLISHED
         3.2 A PSH,ACK 1 ack 1 len 10   | FIN_WAIT_1 CLOSE_WAIT
         4   B ACK 1 ack 12             | FIN_WAIT_2 CLOSE_WAIT"
    ));
    assert_eq!(flow.totals_a.resent_segments, 0, "late, but never seen before");
    check(
        "link 300
         0     A SYN 0                           | SYN_SENT    LISTEN
         300   B SYN,ACK 0 ack 1                 | ESTABLISHED SYN_RECEIVED
         600   A ACK 1 ack 1                     | ESTABLISHED ESTABLISHED
         601   A PSH,ACK 1 ack 1 len 10 to 1500  | ESTABLISHED CLOSE_WAIT
         602   A FIN,ACK 11 ack 1                | FIN_WAIT_1  ESTABLISHED
         902   B ACK 1 ack 1                     | FIN_WAIT_1  ESTABLISHED
         1500  B ACK 1 ack 12                    | FIN_WAIT_2  CLOSE_WAIT",
    );
}

#[test]
fn never_closed() {
    let flow = check(OPEN);
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::Unknown, Closing::Open));
    assert!(flow.findings.is_empty());
}

#[test]
fn the_last_acknowledgement_is_missing() {
    let flow = check(&format!(
        "{OPEN}
         3 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT
         4 B FIN,ACK 1 ack 2 | TIME_WAIT  LAST_ACK"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::A, Closing::Unfinished));
}
