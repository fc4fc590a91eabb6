//! Each rule by a conversation that meets it, and by its nearest neighbour that does not.

use crate::script;
use crate::{Completeness, Flow, Limits};

const OPENING: &str = "
    0    A SYN 0 win 1000 scale 2 mss 100
    10   B SYN,ACK 0 ack 1 win 1000 scale 3 mss 100
    20   A ACK 1 ack 1 win 1000
";

fn followed(table: &str) -> Vec<Flow> {
    let table = format!("{OPENING}{table}");
    script::run(&script::parse(&table), Limits::default()).flows().cloned().collect()
}

/// What is said of each segment behind the opening.
fn said(table: &str) -> Vec<String> {
    let flows = followed(table);
    let mut rows: Vec<_> = flows.iter().flat_map(|flow| &flow.rows).collect();
    rows.sort_by_key(|row| row.frame);
    rows.iter().skip(3).map(|row| row.analysis.to_string()).collect()
}

#[test]
fn a_repetition_is_named_after_what_made_it_come() {
    let lost = "
        30  A ACK 1 ack 1 len 100 win 1000
        31  A ACK 201 ack 1 len 100 win 1000
        32  A ACK 301 ack 1 len 100 win 1000
        41  B ACK 1 ack 101 win 1000
        42  B ACK 1 ack 101 win 1000
        43  B ACK 1 ack 101 win 1000
    ";
    let before = ["", "lost_segment", "", "", "duplicate_ack", "duplicate_ack"];
    let then = |line: &str| said(&format!("{lost}\n{line}"));
    let with = |last: &str| before.iter().copied().chain([last]).map(str::to_owned).collect::<Vec<_>>();
    // The round trip of the handshake is 20 ms: what comes within that of the highest number was overtaken, unless two
    // duplicate ACKs have just asked for it.
    assert_eq!(then("44 A ACK 101 ack 1 len 100 win 1000"), with("retransmission,fast_retransmission"));
    assert_eq!(then("44 A ACK 101 ack 1 len 90 win 1000"), with("retransmission,fast_retransmission"));
    assert_eq!(then("51 A ACK 102 ack 1 len 99 win 1000"), with("out_of_order"));
    assert_eq!(then("52 A ACK 102 ack 1 len 99 win 1000"), with("retransmission"));
    assert_eq!(then("63 A ACK 101 ack 1 len 100 win 1000"), with("retransmission"));
    // What was acknowledged comes again.
    let spurious = "retransmission,spurious_retransmission";
    assert_eq!(then("44 A ACK 1 ack 1 len 100 win 1000"), with(spurious));
    assert_eq!(then("44 A ACK 1 ack 1 len 101 win 1000"), with("out_of_order"));
}

#[test]
fn the_end_of_what_was_sent_last_is_a_retransmission_however_soon() {
    let table = "
        30  A ACK 1 ack 1 len 100 win 1000
        31  A ACK 1 ack 1 len 100 win 1000
    ";
    assert_eq!(said(table), ["", "retransmission"]);
}

#[test]
fn acknowledgements_of_the_unseen_are_told_once() {
    let table = "
        30  B ACK 1 ack 501 win 1000
        31  B ACK 1 ack 501 win 1000
        32  B ACK 1 ack 601 win 1000
    ";
    assert_eq!(said(table), ["ack_lost_segment", "duplicate_ack", ""]);
}

#[test]
fn windows_fill_close_and_open() {
    let table = "
        30  B ACK 1 ack 1 win 25
        31  A ACK 1 ack 1 len 200 win 1000
        32  B ACK 1 ack 201 win 0
        40  A ACK 201 ack 1 len 1 win 1000
        41  B ACK 1 ack 201 win 0
        50  A ACK 201 ack 1 len 1 win 1000
        51  B ACK 1 ack 201 win 100
        52  A ACK 201 ack 1 len 100 win 1000
    ";
    let said = said(table);
    assert_eq!(
        said,
        [
            "window_update",
            "window_full",
            "zero_window",
            "zero_window_probe",
            "zero_window,zero_window_probe_ack",
            "zero_window_probe",
            "window_update",
            ""
        ]
    );
}

#[test]
fn a_window_is_full_at_its_last_byte_only() {
    for (len, expected) in [(199, ""), (200, "window_full"), (201, "")] {
        let table = format!("30 B ACK 1 ack 1 win 25\n31 A ACK 1 ack 1 len {len} win 1000");
        assert_eq!(said(&table)[1], expected, "{len}");
    }
}

#[test]
fn a_scale_that_was_offered_stays() {
    let table = "
        30  B SYN,ACK 0 ack 1 win 1000 mss 100
        31  B ACK 1 ack 1 win 25
        32  A ACK 1 ack 1 len 200 win 1000
    ";
    assert_eq!(said(table)[1..], ["window_update", "window_full"]);
}

#[test]
fn a_round_trip_of_nothing_is_unknown_and_one_back_in_time_is_endless() {
    let late = |first_ack: u64| {
        let table = format!(
            "100 A SYN 0 win 1000 mss 100
             {first_ack} A ACK 1 ack 1 win 1000
             200 A ACK 1 ack 1 len 100 win 1000
             204 A ACK 1 ack 1 len 50 win 1000"
        );
        let flows =
            script::run(&script::parse(&table), Limits::default()).flows().cloned().collect::<Vec<_>>();
        flows[0].rows[3].analysis.to_string()
    };
    assert_eq!(late(110), "out_of_order");
    assert_eq!(late(103), "retransmission");
    assert_eq!(late(100), "out_of_order", "the next ACK tells it: 100 ms");
    assert_eq!(late(99), "out_of_order");
}

#[test]
fn signs_of_life_are_no_repetitions() {
    let table = "
        30    A ACK 1 ack 1 len 100 win 1000
        40    B ACK 1 ack 101 win 1000
        1000  A ACK 100 ack 1 win 1000
        1010  B ACK 1 ack 101 win 1000
        2000  A ACK 100 ack 1 len 1 win 1000
        2010  B ACK 1 ack 101 win 1000
        2020  B ACK 1 ack 101 win 1000
    ";
    let alive = ["keep_alive", "keep_alive_ack"];
    assert_eq!(said(table)[2..], [&alive[..], &alive[..], &["keep_alive_ack"]].concat());
}

#[test]
fn ports_are_used_again_by_a_syn_with_another_number() {
    let again = "5000 A SYN 0 win 1000 scale 2 mss 100\n";
    assert_eq!(said(again), ["retransmission"], "the same SYN");
    let flows = followed("5000 A SYN 77 win 1000 scale 2 mss 100\n5010 B SYN,ACK 900 ack 78 win 1000");
    let streams: Vec<u64> = flows.iter().map(|flow| flow.stream).collect();
    assert_eq!(streams, [0, 1]);
    let said: Vec<String> = flows[1].rows.iter().map(|row| row.analysis.to_string()).collect();
    assert_eq!(said, ["reused_ports", ""]);
}

#[test]
fn completeness_is_the_sum_of_what_was_seen() {
    let seen = |table: &str| followed(table)[0].completeness;
    assert_eq!(seen(""), Completeness(7));
    assert_eq!(seen("30 A PSH,ACK 1 ack 1 len 4 win 1000"), Completeness(15));
    let closed = "30 A PSH,ACK 1 ack 1 len 4 win 1000\n40 A FIN,ACK 5 ack 1 win 1000";
    assert_eq!(seen(closed), Completeness(31));
    assert_eq!(seen("30 A RST 1 win 0"), Completeness(39));
    let alone = |table: &str| {
        let followed = script::run(&script::parse(table), Limits::default());
        followed.flows().map(|flow| flow.completeness.0).collect::<Vec<_>>()
    };
    assert_eq!(alone("0 A SYN 0 len 5 win 1000"), [9], "data beside the SYN (RFC 7413)");
    assert_eq!(alone("0 A SYN 0 win 1000\n1 A SYN 0 len 5 win 1000"), [1], "sent again, it opens nothing");
    assert_eq!(alone("0 A SYN 0 win 1000\n1 A SYN 900000 len 5 win 1000"), [1, 1], "ports used before");
}

#[test]
fn flags_are_counted_for_each_side() {
    let flows = followed("30 A ACK 1 ack 1 len 100 win 1000\n31 A ACK 1 ack 1 len 100 win 1000");
    let counted = flows[0].totals_a.analysis;
    assert_eq!((counted[0], counted.iter().sum::<u32>()), (1, 1));
    assert_eq!(flows[0].totals_b.analysis.iter().sum::<u32>(), 0);
}
