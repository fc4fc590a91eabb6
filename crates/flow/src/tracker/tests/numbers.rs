//! Numbers that wrap, windows and their scale, bounds on memory.

use wire::Time;
use wire::link_type::LinkType;

use crate::script::{check, feed, parse, run};
use crate::{Belongs, Closing, DatagramPlacement, Flow, Frame, Limits, Rows, Side, Tracker};

fn flow_of(table: &str) -> Flow {
    run(&parse(table), Limits::default()).flows().next().unwrap().clone()
}

#[test]
fn sequence_numbers_wrap_in_the_middle() {
    let flow = check(
        "isn 4294967290 4294967295
         0 A SYN 0                   | SYN_SENT    LISTEN
         1 B SYN,ACK 0 ack 1         | ESTABLISHED SYN_RECEIVED
         2 A ACK 1 ack 1             | ESTABLISHED ESTABLISHED
         3 A PSH,ACK 1 ack 1 len 16  | ESTABLISHED ESTABLISHED
         4 B PSH,ACK 1 ack 17 len 16 | ESTABLISHED ESTABLISHED
         5 A PSH,ACK 1 ack 17 len 16 | ESTABLISHED ESTABLISHED
         6 A FIN,ACK 17 ack 17       | FIN_WAIT_1  CLOSE_WAIT
         7 B FIN,ACK 17 ack 18       | TIME_WAIT   LAST_ACK
         8 A ACK 18 ack 18           | TIME_WAIT   CLOSED",
    );
    assert_eq!((flow.totals_a.bytes, flow.totals_a.resent_bytes, flow.totals_b.bytes), (16, 16, 16));
    assert_eq!(flow.rows[8].ack, Some(18));
    assert_eq!(flow.closing, Closing::Fin);
}

#[test]
fn more_than_4_gib() {
    const STEP: u32 = 1 << 20;
    let mut tracker = Tracker::new(Limits { rows: Rows::Kept(4), ..Limits::default() });
    let script = parse(
        "0 A SYN 0 scale 8
         1 B SYN,ACK 0 ack 1 scale 8
         2 A ACK 1 ack 1
         3 A ACK 1 ack 1
         4 B ACK 1 ack 1
         5 A FIN,ACK 1 ack 1",
    );
    script.lines[..3].iter().for_each(|line| {
        feed(&mut tracker, line, 1);
    });
    // Captured before the device cut it: 1 MiB at a time, told by the length on the wire alone.
    let (mut data, mut ack, mut fin) =
        (script.lines[3].clone(), script.lines[4].clone(), script.lines[5].clone());
    for _ in 0..5000 {
        feed_uncut(&mut tracker, &data, STEP);
        data.seq = data.seq.wrapping_add(STEP);
        ack.ack = data.seq;
        feed(&mut tracker, &ack, 1);
    }
    fin.seq = data.seq;
    feed(&mut tracker, &fin, 1);
    tracker.finish();
    let flow = tracker.flows().next().unwrap();
    assert_eq!(flow.totals_a.bytes, 5000 << 20);
    assert_eq!(flow.totals_a.resent_bytes, 0);
    assert_eq!((flow.rows.len(), flow.rows_left_out), (4, 3 + 10_000 + 1 - 4));
}

/// A packet whose IP header states no length, with its headers alone captured.
fn feed_uncut(tracker: &mut Tracker, line: &crate::script::Line, len: u32) {
    let packet = wire::build::TcpPacket {
        source: crate::script::A.parse().unwrap(),
        destination: crate::script::B.parse().unwrap(),
        seq: line.seq,
        ack: line.ack,
        flags: line.flags,
        window: line.window,
        options: line.options.clone(),
        payload: &[],
    };
    let mut bytes = packet.to_bytes();
    bytes[2..4].copy_from_slice(&[0, 0]);
    let wire_len = bytes.len() as u32 + len;
    let (number, time, link_type) = (1, Time(1), LinkType::RAW);
    tracker.frame(&Frame { number, time, link_type, bytes: &bytes, wire_len, passage: None });
}

#[test]
fn windows_are_scaled_when_both_offered_it() {
    let windows = |table: &str| flow_of(table).rows.iter().map(|row| row.window_bytes).collect::<Vec<_>>();
    let both = "0 A SYN 0 win 100 scale 7
                1 B SYN,ACK 0 ack 1 win 100 scale 3
                2 A ACK 1 ack 1 win 100
                3 B ACK 1 ack 1 win 100";
    assert_eq!(windows(both), [100, 100, 12_800, 800]);
    let only_a = "0 A SYN 0 win 100 scale 7
                  1 B SYN,ACK 0 ack 1 win 100
                  2 A ACK 1 ack 1 win 100
                  3 B ACK 1 ack 1 win 100";
    assert_eq!(windows(only_a), [100; 4]);
    let only_b = "0 A SYN 0 win 100
                  1 B SYN,ACK 0 ack 1 win 100 scale 3
                  2 A ACK 1 ack 1 win 100
                  3 B ACK 1 ack 1 win 100";
    assert_eq!(windows(only_b), [100; 4]);
    let answer_alone = "1 B SYN,ACK 0 ack 1 win 100 scale 3
                        2 A ACK 1 ack 1 win 100
                        3 B ACK 1 ack 1 win 100";
    assert_eq!(windows(answer_alone), [100, 100, 800]);
    let most = "0 A SYN 0 win 65535 scale 200
                1 B SYN,ACK 0 ack 1 win 100 scale 14
                2 A ACK 1 ack 1 win 65535";
    assert_eq!(windows(most)[2], 65_535 << 14);
}

#[test]
fn what_is_selectively_acknowledged_is_not_in_flight() {
    let flow = flow_of(
        "0  A SYN 0
         1  B SYN,ACK 0 ack 1
         2  A ACK 1 ack 1
         3  A ACK 1 ack 1 len 100
         4  A ACK 101 ack 1 len 100
         5  A ACK 201 ack 1 len 100
         6  B ACK 1 ack 1 sack 101-201
         7  A ACK 301 ack 1 len 100
         8  B ACK 1 ack 1 sack 201-401
         9  A ACK 1 ack 1 len 100
         10 B ACK 1 ack 401 sack 1-101
         11 A ACK 401 ack 1 len 100",
    );
    let of_a = flow.rows.iter().filter(|row| row.from == Side::A);
    let in_flight: Vec<_> = of_a.map(|row| row.in_flight_bytes.unwrap()).skip(2).collect();
    // The last one tells of what came twice (D-SACK), below the acknowledgement: that covers nothing more.
    assert_eq!(in_flight, [100, 200, 300, 300, 200, 100]);
}

#[test]
fn in_flight_is_what_is_not_acknowledged() {
    let flow = flow_of(
        "0 A SYN 0
         1 B SYN,ACK 0 ack 1
         2 A ACK 1 ack 1
         3 A PSH,ACK 1   ack 1 len 100
         4 A PSH,ACK 101 ack 1 len 100
         5 B ACK 1 ack 101
         6 A FIN,PSH,ACK 201 ack 1 len 100
         7 B ACK 1 ack 302
         8 A ACK 302 ack 1",
    );
    let in_flight: Vec<_> = flow.rows.iter().map(|row| row.in_flight_bytes.unwrap()).collect();
    assert_eq!(in_flight, [0, 0, 0, 100, 200, 0, 200, 0, 0]);
}

#[test]
fn rows_are_bounded_and_everything_else_still_counts() {
    let table = "0 A SYN 0
                 1 B SYN,ACK 0 ack 1
                 2 A ACK 1 ack 1
                 3 A FIN,ACK 1 ack 1
                 4 B FIN,ACK 1 ack 2
                 5 A ACK 2 ack 2";
    for limits in
        [Limits { rows: Rows::Kept(2), ..Limits::default() }, Limits { rows_in_all: 2, ..Limits::default() }]
    {
        let tracker = run(&parse(table), limits);
        let flow = tracker.flows().next().unwrap();
        assert_eq!((flow.rows.len(), flow.rows_left_out), (2, 4));
        assert_eq!(flow.closing, Closing::Fin);
    }
}

#[test]
fn the_conversation_idle_longest_makes_room() {
    let limits = Limits { flows: 3, rows_in_all: 3, ..Limits::default() };
    let mut tracker = Tracker::new(limits);
    let syn = parse("0 A SYN 0").lines.remove(0);
    let mut seqs = [1, 2, 3].into_iter();
    let open = |tracker: &mut Tracker, seq: u32| {
        feed(tracker, &crate::script::Line { seq, ..syn.clone() }, 1).tcp().unwrap().stream
    };
    // Three conversations with the same ports, each SYN with another number.
    assert_eq!(seqs.by_ref().map(|seq| open(&mut tracker, seq)).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(open(&mut tracker, 3), 2, "the same again");
    assert_eq!(open(&mut tracker, 4), 3);
    assert_eq!(tracker.counters().evicted, 1);
    assert_eq!(tracker.flows().map(|flow| flow.stream).collect::<Vec<_>>(), [1, 2, 3]);
    let rows: Vec<usize> = tracker.flows().map(|flow| flow.rows.len()).collect();
    assert_eq!(rows, [1, 1, 1], "the evicted one's row is free again");
    for seq in 5..1000 {
        open(&mut tracker, seq);
    }
    assert_eq!((tracker.counters().evicted, tracker.flows().count()), (996, 3));
}

#[test]
fn what_is_not_tcp_is_counted() {
    let mut tracker = Tracker::new(Limits::default());
    let mut frame = |link_type: LinkType, bytes: &[u8]| {
        let wire_len = bytes.len() as u32;
        tracker.frame(&Frame { number: 1, time: Time(0), link_type, bytes, wire_len, passage: None })
    };
    let udp = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2, 0, 8, 0, 0];
    let arp = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 6, 0, 1];
    let fragment =
        [0x45, 0, 0, 28, 0, 0, 0x20, 0, 64, 6, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2, 0, 8, 0, 0];
    let placement = DatagramPlacement { stream: 0, from: Side::A, len_bytes: 0, chosen: true };
    assert_eq!(frame(LinkType::RAW, &udp), Belongs::Udp(placement));
    assert_eq!(frame(LinkType::ETHERNET, &arp), Belongs::Nowhere);
    assert_eq!(frame(LinkType::RAW, &fragment), Belongs::Nowhere);
    assert_eq!(frame(LinkType::RAW, &udp[..10]), Belongs::Nowhere);
    assert_eq!(frame(LinkType(147), &udp), Belongs::Nowhere);
    let counters = tracker.counters();
    let found = (counters.frames, counters.tcp, counters.udp, counters.arp, counters.fragments);
    assert_eq!(found, (5, 0, 1, 1, 1));
    assert_eq!((counters.unreadable, counters.unsupported_links, counters.incomplete), (1, 1, 1));
    assert_eq!(tracker.flows().count(), 0);
}
