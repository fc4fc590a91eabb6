//! What is lost, sent again, late, out of order; with the link's word and without.

use std::time::Duration;

use crate::script::{check, parse, run};
use crate::{ClosedBy, Closing, FindingId, Flow, Limits, Phase, Resent};

const OPEN: &str = "0 A SYN 0           | SYN_SENT    LISTEN
                    1 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
                    2 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED\n";

const LINK_OPEN: &str = "link 1
                         0 A SYN 0           | SYN_SENT    LISTEN
                         1 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
                         2 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED\n";

fn flow_of(table: &str) -> Flow {
    run(&parse(table), Limits::default()).flows().next().unwrap().clone()
}

fn resent(of: u64, ms: u64, needless: bool, asked_for: bool) -> Option<Resent> {
    Some(Resent { of: Some(of), after: Duration::from_millis(ms), needless, asked_for })
}

#[test]
fn lost_syn() {
    let flow = check(
        "listening
         link 1
         0    A SYN 0 lost      | SYN_SENT    LISTEN
         1000 A SYN 0           | SYN_SENT    LISTEN
         1001 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         1002 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED",
    );
    assert_eq!(flow.rows[1].resent, resent(1, 1000, false, false));
    assert_eq!(flow.handshake_rtt, Some(Duration::from_millis(2)));
    assert_eq!(flow.totals_a.lost_segments, 1);
    assert_eq!(flow.findings[0].id, FindingId::LostOnLink);
    assert_eq!(flow.findings[0].evidence, [1]);
    assert_eq!(flow.findings[1].text, "10.0.0.1:40712 sent 1 segment again");
}

/// The lab has ended before they got across.
#[test]
fn what_was_under_way_at_the_end_is_no_loss() {
    let flow = check(
        "listening
         link 1
         0    A SYN 0 stopped   | SYN_SENT    LISTEN
         1000 A SYN 0 stopped   | SYN_SENT    LISTEN",
    );
    assert_eq!((flow.totals_a.lost_segments, flow.totals_a.stopped_segments), (0, 2));
    let told: Vec<(FindingId, &str)> =
        flow.findings.iter().map(|finding| (finding.id, finding.text.as_str())).collect();
    assert_eq!(
        told[0],
        (FindingId::Unanswered, "10.0.0.2:7 never answered: no SYN had reached it when the lab ended")
    );
    assert!(told.iter().all(|(id, _)| *id != FindingId::LostOnLink), "{told:?}");
}

#[test]
fn lost_syn_in_an_ordinary_capture() {
    let flow = check(
        "0    A SYN 0           | SYN_SENT    LISTEN
         1000 A SYN 0           | SYN_SENT    LISTEN
         1001 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED",
    );
    assert_eq!(flow.rows[1].resent, resent(1, 1000, false, false));
    assert_eq!(flow.handshake_rtt, None, "nobody can tell which SYN was answered");
}

#[test]
fn lost_syn_ack() {
    let told = check(
        "link 1
         0    A SYN 0                | SYN_SENT    LISTEN
         1    B SYN,ACK 0 ack 1 lost | SYN_SENT    SYN_RECEIVED
         1000 A SYN 0                | SYN_SENT    SYN_RECEIVED
         1001 B SYN,ACK 0 ack 1      | ESTABLISHED SYN_RECEIVED
         1002 A ACK 1 ack 1          | ESTABLISHED ESTABLISHED",
    );
    assert_eq!(told.rows[2].resent, resent(1, 1000, true, false));
    assert_eq!(told.rows[3].resent, resent(2, 1000, false, false));
    assert_eq!(told.handshake_rtt, Some(Duration::from_millis(2)));
    let seen = check(
        "0    A SYN 0           | SYN_SENT    LISTEN
         1    B SYN,ACK 0 ack 1 | SYN_SENT    SYN_RECEIVED
         1000 A SYN 0           | SYN_SENT    SYN_RECEIVED
         1001 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         1002 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED",
    );
    assert_eq!(seen.rows[2].resent, resent(1, 1000, true, false), "the answer shows that it arrived");
}

#[test]
fn lost_handshake_ack() {
    let told = check(
        "link 1
         0    A SYN 0            | SYN_SENT    LISTEN
         1    B SYN,ACK 0 ack 1  | ESTABLISHED SYN_RECEIVED
         2    A ACK 1 ack 1 lost | ESTABLISHED SYN_RECEIVED
         1001 B SYN,ACK 0 ack 1  | ESTABLISHED SYN_RECEIVED
         1002 A ACK 1 ack 1      | ESTABLISHED ESTABLISHED
         1003 A ACK 1 ack 1      | ESTABLISHED ESTABLISHED",
    );
    let phases: Vec<Phase> = told.rows.iter().map(|row| row.phase).collect();
    assert_eq!(phases[..5], [Phase::Opening; 5]);
    assert_eq!(phases[5], Phase::Data);
    check(
        "0    A SYN 0           | SYN_SENT    LISTEN
         1    B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         2    A ACK 1 ack 1     | ESTABLISHED SYN_RECEIVED
         1001 B SYN,ACK 0 ack 1 | ESTABLISHED SYN_RECEIVED
         1002 A ACK 1 ack 1     | ESTABLISHED ESTABLISHED",
    );
}

#[test]
fn lost_handshake_ack_and_the_data_behind_it() {
    let flow = check(
        "0    A SYN 0                 | SYN_SENT    LISTEN
         1    B SYN,ACK 0 ack 1       | ESTABLISHED SYN_RECEIVED
         2    A ACK 1 ack 1           | ESTABLISHED SYN_RECEIVED
         3    A PSH,ACK 1 ack 1 len 5 | ESTABLISHED SYN_RECEIVED
         1001 B SYN,ACK 0 ack 1       | ESTABLISHED SYN_RECEIVED
         1002 A ACK 6 ack 1           | ESTABLISHED ESTABLISHED
         1003 A PSH,ACK 1 ack 1 len 5 | ESTABLISHED ESTABLISHED
         1004 B ACK 1 ack 6           | ESTABLISHED ESTABLISHED",
    );
    assert_eq!(flow.rows[6].resent, resent(4, 1000, false, false));
    assert_eq!((flow.totals_a.bytes, flow.totals_a.resent_bytes), (5, 5));
}

#[test]
fn lost_handshake_ack_is_made_up_by_data() {
    check(
        "link 1
         0 A SYN 0                 | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 1       | ESTABLISHED SYN_RECEIVED
         2 A ACK 1 ack 1 lost      | ESTABLISHED SYN_RECEIVED
         3 A PSH,ACK 1 ack 1 len 5 | ESTABLISHED ESTABLISHED",
    );
}

#[test]
fn lost_data_repeated_by_a_timer() {
    let told = check(&format!(
        "{LINK_OPEN}
         3   A PSH,ACK 1 ack 1 len 16 lost | ESTABLISHED ESTABLISHED
         207 A PSH,ACK 1 ack 1 len 16      | ESTABLISHED ESTABLISHED
         208 B ACK 1 ack 17                | ESTABLISHED ESTABLISHED"
    ));
    assert_eq!(told.rows[4].resent, resent(4, 204, false, false));
    assert_eq!((told.totals_a.bytes, told.totals_a.resent_bytes, told.totals_a.resent_segments), (16, 16, 1));
    assert_eq!(told.rows[3].in_flight_bytes, Some(16));
    assert_eq!(told.rows[4].in_flight_bytes, Some(16));
    assert_eq!(
        told.totals_a.round_trips.min,
        Some(Duration::from_millis(2)),
        "the handshake; Karn's rule for the rest"
    );
}

#[test]
fn repetition_that_was_asked_for() {
    let by_duplicates = flow_of(&format!(
        "{OPEN}
         10 A PSH,ACK 1  ack 1 len 10
         11 A PSH,ACK 11 ack 1 len 10
         12 A PSH,ACK 21 ack 1 len 10
         13 A PSH,ACK 31 ack 1 len 10
         14 A PSH,ACK 41 ack 1 len 10
         20 B ACK 1 ack 11
         21 B ACK 1 ack 11
         22 B ACK 1 ack 11
         23 B ACK 1 ack 11
         24 A PSH,ACK 11 ack 1 len 10
         30 B ACK 1 ack 51"
    ));
    assert_eq!(by_duplicates.rows[12].resent, resent(5, 13, false, true));
    let too_few = flow_of(&format!(
        "{OPEN}
         10 A PSH,ACK 1  ack 1 len 10
         11 A PSH,ACK 11 ack 1 len 10
         20 B ACK 1 ack 1
         21 B ACK 1 ack 1
         24 A PSH,ACK 1 ack 1 len 10"
    ));
    assert_eq!(too_few.rows[7].resent, resent(4, 14, false, false));
    let by_sack = flow_of(&format!(
        "{OPEN}
         10 A PSH,ACK 1  ack 1 len 10
         11 A PSH,ACK 11 ack 1 len 10
         20 B ACK 1 ack 1 sack 11-21
         24 A PSH,ACK 1 ack 1 len 10"
    ));
    assert_eq!(by_sack.rows[6].resent, resent(4, 14, false, true));
    assert_eq!(by_sack.rows[5].options.sack[0], Some((11, 21)), "relative numbers");
    let too_late = flow_of(&format!(
        "{OPEN}
         10   A PSH,ACK 1  ack 1 len 10
         11   A PSH,ACK 11 ack 1 len 10
         20   B ACK 1 ack 1 sack 11-21
         1010 A PSH,ACK 1 ack 1 len 10"
    ));
    assert_eq!(too_late.rows[6].resent, resent(4, 1000, false, false), "a second after: that was the timer");
}

#[test]
fn repetition_that_was_not_needed() {
    let told = flow_of(&format!(
        "{LINK_OPEN}
         3   A PSH,ACK 1 ack 1 len 16
         4   B ACK 1 ack 17 lost
         207 A PSH,ACK 1 ack 1 len 16"
    ));
    assert_eq!(told.rows[5].resent, resent(4, 204, true, false));
    assert!(told.findings.iter().any(|finding| finding.id == FindingId::ResentNeedlessly));
    let seen = flow_of(&format!(
        "{OPEN}
         3   A PSH,ACK 1 ack 1 len 16
         4   B ACK 1 ack 17
         207 A PSH,ACK 1 ack 1 len 16"
    ));
    assert_eq!(seen.rows[5].resent, resent(4, 204, true, false));
}

#[test]
fn partly_new() {
    let flow = flow_of(&format!(
        "{OPEN}
         3 A PSH,ACK 1 ack 1 len 10
         4 A PSH,ACK 1 ack 1 len 25"
    ));
    assert_eq!((flow.totals_a.bytes, flow.totals_a.resent_bytes), (25, 10));
    assert_eq!(flow.rows[4].resent, resent(4, 1, false, false));
}

#[test]
fn lost_fin() {
    let told = check(&format!(
        "{LINK_OPEN}
         3   A FIN,ACK 1 ack 1 lost | FIN_WAIT_1 ESTABLISHED
         203 A FIN,ACK 1 ack 1      | FIN_WAIT_1 CLOSE_WAIT
         204 B FIN,ACK 1 ack 2      | TIME_WAIT  LAST_ACK
         205 A ACK 2 ack 2          | TIME_WAIT  CLOSED"
    ));
    assert_eq!(told.closed_by, ClosedBy::A);
    assert_eq!(told.rows[4].resent, resent(4, 200, false, false));
    let seen = check(&format!(
        "{OPEN}
         3   A FIN,ACK 1 ack 1 | FIN_WAIT_1 ESTABLISHED
         203 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT
         204 B FIN,ACK 1 ack 2 | TIME_WAIT  LAST_ACK
         205 A ACK 2 ack 2     | TIME_WAIT  CLOSED"
    ));
    assert_eq!(seen.totals_a.resent_segments, 1);
}

#[test]
fn lost_ack_of_a_fin() {
    let table = |lost: &str, open: &str| {
        format!(
            "{open}
             3   A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT
             4   B ACK 1 ack 2 {lost} | FIN_WAIT_1 CLOSE_WAIT
             203 A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT
             204 B ACK 1 ack 2     | FIN_WAIT_2 CLOSE_WAIT
             205 B FIN,ACK 1 ack 2 | TIME_WAIT  LAST_ACK
             206 A ACK 2 ack 2     | TIME_WAIT  CLOSED"
        )
    };
    check(&table("lost", LINK_OPEN));
    let seen = check(&table("", OPEN));
    assert_eq!(seen.rows[5].resent, resent(4, 200, true, false));
}

#[test]
fn lost_last_ack() {
    let table = |lost: &str, open: &str| {
        format!(
            "{open}
             3   A FIN,ACK 1 ack 1    | FIN_WAIT_1 CLOSE_WAIT
             4   B FIN,ACK 1 ack 2    | TIME_WAIT  LAST_ACK
             5   A ACK 2 ack 2 {lost} | TIME_WAIT  LAST_ACK
             204 B FIN,ACK 1 ack 2    | TIME_WAIT  LAST_ACK
             205 A ACK 2 ack 2        | TIME_WAIT  CLOSED"
        )
    };
    assert_eq!(check(&table("lost", LINK_OPEN)).closing, Closing::Fin);
    assert_eq!(check(&table("", OPEN)).closing, Closing::Fin);
}

#[test]
fn a_fin_repeated_at_once_only_crossed_its_ack() {
    // BSD sends its FIN again with the acknowledgement of the other one.
    let flow = check(&format!(
        "{OPEN}
         3.0 B FIN,ACK 1 ack 1 | ESTABLISHED FIN_WAIT_1
         3.4 A FIN,ACK 1 ack 1 | FIN_WAIT_1  CLOSING
         3.5 B ACK 2 ack 2     | CLOSING     CLOSING
         3.9 A FIN,ACK 1 ack 2 | CLOSING     TIME_WAIT
         4.9 A ACK 2 ack 2     | TIME_WAIT   TIME_WAIT"
    ));
    assert_eq!((flow.closed_by, flow.closing), (ClosedBy::Both, Closing::Fin));
}

#[test]
fn the_acks_of_a_fin_never_came() {
    let flow = check(&format!(
        "{OPEN}
         3    A FIN,ACK 1 ack 1 | FIN_WAIT_1 CLOSE_WAIT
         4    B FIN,ACK 1 ack 2 | TIME_WAIT  LAST_ACK
         5    A ACK 2 ack 2     | TIME_WAIT  LAST_ACK
         305  B FIN,ACK 1 ack 2 | TIME_WAIT  LAST_ACK
         905  B FIN,ACK 1 ack 2 | TIME_WAIT  LAST_ACK"
    ));
    assert_eq!(flow.closing, Closing::Unfinished);
}

#[test]
fn last_ack_lost_for_good() {
    let flow = check(&format!(
        "{LINK_OPEN}
         3 A FIN,ACK 1 ack 1  | FIN_WAIT_1 CLOSE_WAIT
         4 B FIN,ACK 1 ack 2  | TIME_WAIT  LAST_ACK
         5 A ACK 2 ack 2 lost | TIME_WAIT  LAST_ACK"
    ));
    assert_eq!(flow.closing, Closing::Unfinished);
}

#[test]
fn out_of_order_is_not_sent_again() {
    let flow = flow_of(&format!(
        "{OPEN}
         3 A PSH,ACK 11 ack 1 len 10
         4 A PSH,ACK 1  ack 1 len 10
         5 A PSH,ACK 1  ack 1 len 10"
    ));
    assert_eq!(flow.rows[4].resent, None);
    assert_eq!(flow.rows[5].resent, resent(5, 1, false, false));
    assert_eq!((flow.totals_a.bytes, flow.totals_a.resent_bytes), (20, 10));
}

#[test]
fn what_was_acknowledged_but_never_seen_is_not_sent_again_when_it_comes() {
    let flow = flow_of(&format!(
        "{OPEN}
         3 B ACK 1 ack 101
         4 A PSH,ACK 1 ack 1 len 100"
    ));
    assert_eq!(flow.rows[4].resent, None);
    assert_eq!(flow.totals_a.bytes, 100);
}

#[test]
fn probes_are_not_data() {
    let keep_alive = flow_of(&format!(
        "{OPEN}
         3    A PSH,ACK 1 ack 1 len 10
         4    B ACK 1 ack 11
         5000 A ACK 10 ack 1
         5001 B ACK 1 ack 11
         9000 A ACK 10 ack 1 len 1
         9001 B ACK 1 ack 11"
    ));
    assert!(keep_alive.rows.iter().all(|row| row.resent.is_none()));
    assert_eq!((keep_alive.totals_a.bytes, keep_alive.totals_a.resent_segments), (10, 0));
    let window_probe = flow_of(&format!(
        "{OPEN}
         3   A PSH,ACK 1 ack 1 len 10
         4   B ACK 1 ack 11 win 0
         204 A ACK 11 ack 1 len 1
         205 B ACK 1 ack 11 win 0
         608 A ACK 11 ack 1 len 1
         609 B ACK 1 ack 11 win 0
         700 B ACK 1 ack 11
         701 A PSH,ACK 11 ack 1 len 10"
    ));
    assert!(window_probe.rows.iter().all(|row| row.resent.is_none()));
    assert_eq!((window_probe.totals_a.bytes, window_probe.totals_a.resent_bytes), (20, 0));
}

#[test]
fn a_single_byte_can_be_sent_again() {
    let flow = flow_of(&format!(
        "{OPEN}
         3   A PSH,ACK 1 ack 1 len 1
         203 A PSH,ACK 1 ack 1 len 1"
    ));
    assert_eq!(flow.rows[4].resent, resent(4, 200, false, false));
}

#[test]
fn uncut_packets_count_as_segments() {
    let told = flow_of(&format!(
        "{LINK_OPEN}
         3 A PSH,ACK 1    ack 1 len 3000 segments 3
         4 A PSH,ACK 3001 ack 1 len 2000 lost segments 2"
    ));
    assert_eq!((told.totals_a.segments, told.totals_a.lost_segments), (2 + 5, 2));
    let by_mss = flow_of(
        "0 A SYN 0 mss 1460 stamp 1,0
         1 B SYN,ACK 0 ack 1 mss 1000 stamp 1,1
         2 A ACK 1 ack 1
         3 A PSH,ACK 1 ack 1 len 988
         4 A PSH,ACK 989 ack 1 len 989",
    );
    assert_eq!(by_mss.totals_a.segments, 2 + 1 + 2);
    assert_eq!((by_mss.totals_a.mss, by_mss.totals_b.mss), (Some(1460), Some(1000)));
}

#[test]
fn round_trips() {
    let told = flow_of(
        "link 100
         0    A SYN 0
         100  B SYN,ACK 0 ack 1
         200  A ACK 1 ack 1
         1000 A PSH,ACK 1 ack 1 len 10
         1100 B PSH,ACK 1 ack 11 len 10
         1250 A ACK 11 ack 11",
    );
    assert_eq!(told.handshake_rtt, Some(Duration::from_millis(200)));
    assert_eq!(told.totals_a.round_trips.min, Some(Duration::from_millis(200)));
    assert_eq!(told.totals_b.round_trips.min, Some(Duration::from_millis(200)));
    let seen_at_a = flow_of(
        "0    A SYN 0
         200  B SYN,ACK 0 ack 1
         200  A ACK 1 ack 1
         1000 A PSH,ACK 1 ack 1 len 10
         1190 B PSH,ACK 1 ack 11 len 10
         1191 A ACK 11 ack 11",
    );
    assert_eq!(seen_at_a.totals_a.round_trips.min, Some(Duration::from_millis(190)));
    assert_eq!(
        seen_at_a.totals_b.round_trips.min,
        Some(Duration::ZERO),
        "from the wire to the program beside it"
    );
}

#[test]
fn a_segment_that_is_late_is_not_lost() {
    let flow = check(&format!(
        "{LINK_OPEN}
         3   A FIN,ACK 1 ack 1 to 500 | FIN_WAIT_1 CLOSE_WAIT
         203 A FIN,ACK 1 ack 1 to 600 | FIN_WAIT_1 CLOSE_WAIT
         500 B ACK 1 ack 2            | FIN_WAIT_2 CLOSE_WAIT"
    ));
    assert_eq!(flow.rows[4].resent, resent(4, 200, true, false));
}

#[test]
fn what_no_frame_has_was_sent_if_more_follows_or_it_is_acknowledged() {
    let told = |rest: &str| {
        let flow = flow_of(&format!("{OPEN}{rest}"));
        (flow.totals_a.bytes, flow.totals_a.unseen_bytes, flow.totals_b.unseen_bytes)
    };
    assert_eq!(told("3 A ACK 11 ack 1 len 5"), (5, 10, 0), "more follows");
    assert_eq!(told("3 A ACK 11 ack 1 len 5\n4 A ACK 1 ack 1 len 10"), (15, 0, 0), "it came after all");
    assert_eq!(told("3 B ACK 1 ack 11"), (0, 10, 0), "acknowledged");
    assert_eq!(told("3 A FIN,ACK 11 ack 1"), (0, 10, 0), "the FIN itself is none");
    assert_eq!(told("3 A ACK 1 ack 1 len 5\n4 B ACK 1 ack 7"), (5, 0, 0), "a FIN that was not seen");
    let midstream = flow_of("0 A ACK 100 ack 1\n1 B ACK 1 ack 101");
    assert_eq!(midstream.totals_a.unseen_bytes, 0, "a keep-alive, and nothing known before");
    let gaps: String = (0..100).map(|n| format!("{} A ACK {} ack 1 len 5\n", 3 + n, 6 + 10 * n)).collect();
    assert_eq!(told(&gaps), (500, 500, 0), "more gaps than are remembered");
}
