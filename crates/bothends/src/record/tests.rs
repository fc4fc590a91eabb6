//! Every record once, so that a changed field name is seen in the snapshot.

use std::net::SocketAddr;
use std::time::Duration;

use draw::bytes::Packet;
use ends::event::{Account, ClosedBy, Event, How};
use flow::{
    Closing, DatagramFlow, DatagramRow, DatagramTotals, Finding, FindingId, Flow, PathError, PathErrors,
    Phase, Row, Side, SideTotals, State,
};
use lab::Calibration;
use lab::event::{Backend, DirectionReport, Role};
use wire::anatomy::dissect;
use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::tcp::{TcpFlags, TcpOptions};
use wire::{Doing, Fate, Passage, Time};

use super::conversation::data;
use super::*;
use crate::clock::Clock;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn row() -> Row {
    Row {
        frame: 5,
        time: Time(1_000_102_000),
        from: Side::A,
        seq: 1,
        ack: Some(1),
        flags: TcpFlags(TcpFlags::ACK.0 | TcpFlags::PSH.0),
        len_bytes: 16,
        window_bytes: 64_256,
        options: TcpOptions::default(),
        in_flight_bytes: Some(16),
        state_a: State::Established,
        state_b: State::Established,
        phase: Phase::Data,
        resent: None,
        round_trip: None,
        analysis: flow::AnalysisFlags::WINDOW_FULL,
        passage: Some(Passage {
            fate: Fate::Delivered,
            rule: Some("delay 1ms".to_owned()),
            arrived: Some(Time(1_001_102_000)),
            segments: 2,
        }),
    }
}

fn conversation() -> Flow {
    let totals = SideTotals {
        segments: 1,
        bytes: 16,
        mss: Some(1460),
        window_scale: Some(7),
        round_trips: flow::RoundTrips::one(Duration::from_micros(31)),
        ..SideTotals::default()
    };
    Flow {
        stream: 0,
        a: address("10.0.0.1:40712"),
        b: address("10.0.0.2:7"),
        before: [State::Closed, State::Listen],
        state_a: State::TimeWait,
        state_b: State::Closed,
        rows: vec![row()],
        rows_left_out: 0,
        first: Time(1_000_000_000),
        last: Time(1_000_605_600),
        totals_a: totals.clone(),
        totals_b: totals,
        handshake_rtt: Some(Duration::from_nanos(31_250)),
        completeness: flow::Completeness(9),
        path_errors: flow::PathErrors::default(),
        saw_opening: true,
        closed_by: flow::ClosedBy::A,
        closing: Closing::Fin,
        findings: vec![Finding {
            id: FindingId::TimeWait,
            text: "client closed first".to_owned(),
            evidence: vec![5],
        }],
    }
}

fn datagrams() -> DatagramFlow {
    let row = DatagramRow {
        frame: 6,
        time: Time(1_000_200_000),
        from: Side::B,
        len_bytes: 512,
        passage: Some(Passage {
            fate: Fate::Lost,
            rule: Some("loss 20%".to_owned()),
            arrived: None,
            segments: 1,
        }),
    };
    DatagramFlow {
        stream: 1,
        a: address("10.0.0.1:40712"),
        b: address("[::1]:53"),
        rows: vec![DatagramRow { passage: None, ..row.clone() }, row],
        rows_left_out: 3,
        first: Time(1_000_100_000),
        last: Time(1_002_100_000),
        totals_a: DatagramTotals { datagrams: 3, bytes: 96, largest_bytes: 40, lost: 0, corrupted: 0 },
        totals_b: DatagramTotals { datagrams: 2, bytes: 600, largest_bytes: 512, lost: 1, corrupted: 0 },
        path_errors: PathErrors {
            first: vec![PathError {
                frame: 9,
                time: Time(1_002_100_000),
                by: "10.0.0.9".parse().unwrap(),
                about: Side::A,
                meaning: "packet too big",
                next_hop_mtu: Some(1_400),
            }],
            count: 2,
        },
    }
}

/// The record as a JSON parser reads it.
fn read(record: &Record) -> Value {
    serde_json::from_str(&record.line()).unwrap()
}

/// The names of the fields, in order, for the types whose values differ from run to run.
fn names(record: &Record) -> String {
    record.0.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

#[test]
fn live_records_have_these_fields() {
    let clock = Clock::start();
    let (remote, transport) = (wire::Address::from(address("127.0.0.1:40712")), wire::Transport::Tcp);
    let account = Account {
        closed_by: ClosedBy::Peer,
        how: How::TimedOut,
        in_bytes: 1,
        out_bytes: 2,
        unsent_bytes: 3,
        never_sent_bytes: 2,
        unread_bytes: 4,
        open: Duration::from_millis(5),
    };
    let events = [
        Event::Listening { transport, address: remote.clone(), service: "echo", engine: "event" },
        Event::Opened { client: 1, transport, local: remote.clone(), remote: remote.clone() },
        Event::Data { client: 1, remote: remote.clone(), bytes: b"a\n".to_vec(), whole_bytes: None },
        Event::Data { client: 1, remote: remote.clone(), bytes: b"a\xff".to_vec(), whole_bytes: None },
        Event::Closed { client: 1, transport, remote: remote.clone(), account },
    ];
    let told: Vec<String> = events.iter().map(|event| names(&of_event(&clock, event, false))).collect();
    assert_eq!(
        told,
        [
            "v type t_s wall address service engine pid",
            "v type t_s client transport local remote",
            "v type t_s client remote text len_bytes",
            "v type t_s client remote base64 len_bytes cut",
            "v type t_s client closed_by how in_bytes out_bytes unsent_bytes never_sent_bytes unread_bytes open_s transport remote",
        ]
    );
}

#[test]
fn words_and_bytes_are_told_apart() {
    let clock = Clock::start();
    let data = |bytes: &[u8]| read(&data(&clock, 1, &address("[::1]:9").into(), bytes));
    let text = data("grüß dich\n".as_bytes());
    assert_eq!((text["text"].as_str(), text["len_bytes"].as_u64()), (Some("grüß dich"), Some(12)));
    assert_eq!((text["remote"].as_str(), text.get("cut")), (Some("[::1]:9"), None));
    let bytes = data(b"\xff\x00");
    assert_eq!((bytes["base64"].as_str(), bytes["cut"].as_bool()), (Some("/wA="), Some(true)));
}

#[test]
fn captured_records_are_what_they_were() {
    let (flow_, start) = (conversation(), Time(1_000_000_000));
    let up = DirectionReport {
        stopped: 1,
        offered: 3,
        delivered: 2,
        lost: vec![("loss 20%".to_owned(), 1)],
        copies: 1,
        touched: vec![("duplicated", 1)],
        unplanned_drops: 0,
        lateness: [1, 2, 3].map(Duration::from_micros),
        lateness_counts: vec![(Duration::from_micros(1), 1), (Duration::from_micros(10), 1)],
        calibration: Calibration {
            entering: Duration::from_micros(40),
            answering: Duration::from_micros(30),
            leaving: Duration::from_micros(60),
        },
    };
    let counts = Counts {
        backwards: flow::Backwards::default(),
        frames: 3,
        lost_by_capture: Some(1),
        link_types: vec!["raw IP".to_owned()],
        first: Some(start),
        unsupported: vec![("udp", 2)],
        incomplete_packets: 1,
    };
    let refused = Fault::errno(End::Peer, Doing::Connect, "tcp://[::1]:80", 111);
    let all = [
        capture(&counts),
        segment(flow_.stream, &row(), start, Some(Backend::Tun)),
        flow(&flow_, start, Some(Backend::Simulated)),
        link(Backend::Packet, 7, Some(start), &up, &DirectionReport::default()),
        output(Role::Server, 1, b"hello\n"),
        ran(Role::Client, "nc server 9", Some(0), None),
        error(&refused, Exit::Connect),
        usage_error("read the address", "::1:80", "an IPv6 address needs brackets before a port"),
    ];
    insta::assert_snapshot!(all.map(|record| record.line()).concat());
}

/// A cut packet, a broken one and one whose checksum is left to the device, so that every field of the record is there.
#[test]
fn the_record_of_a_packet_is_what_it_was() {
    let built = TcpPacket {
        source: address("192.0.2.1:40712"),
        destination: address("198.51.100.2:80"),
        seq: 1,
        ack: 2,
        flags: TcpFlags::ACK,
        window: 502,
        options: TcpOptions::default(),
        payload: b"hello",
    };
    let whole = built.to_bytes();
    let mut broken = whole.clone();
    broken[32] = 0x40;
    let wire_len = u32::try_from(whole.len()).unwrap();
    let line = |bytes: &[u8]| {
        let anatomy = dissect(LinkType::RAW, bytes, wire_len);
        packet(&Packet { number: 5, time: Duration::from_micros(102), bytes, anatomy: &anatomy }).line()
    };
    insta::assert_snapshot!([line(&whole), line(&whole[..38]), line(&broken)].concat());
}

#[test]
fn what_a_stream_hands_out_is_data_gaps_and_conflicts() {
    use flow::Side;
    use flow::reassembly::{Conflict, Gap, Item, Missing, Said};
    let said = |bytes| Said { start: 17, bytes, frame: 5, time: Time(1_500_000_000) };
    let items = [
        Item::Data(said(b"grown\r\n")),
        Item::Late(said(b"\xff")),
        Item::Gap(Gap { start: 18, len_bytes: 1_394, why: Missing::Cut { kept: 54, of: 1_448 } }),
        Item::Conflict(Conflict { start: 17, len_bytes: 3, first: 4, again: 9 }),
    ];
    let lines = items.map(|item| stream_item(3, Side::B, &item, Time(1_000_000_000)).line());
    assert_eq!(
        lines,
        [
            "{\"v\":1,\"type\":\"data\",\"stream\":3,\"from\":\"b\",\"frame\":5,\"t_s\":0.5,\"offset_bytes\":16,\
             \"text\":\"grown\\r\",\"len_bytes\":7}\n",
            "{\"v\":1,\"type\":\"data\",\"stream\":3,\"from\":\"b\",\"frame\":5,\"t_s\":0.5,\"offset_bytes\":16,\
             \"base64\":\"/w==\",\"len_bytes\":1,\"late\":true}\n",
            "{\"v\":1,\"type\":\"gap\",\"stream\":3,\"from\":\"b\",\"offset_bytes\":17,\"len_bytes\":1394,\
             \"why\":\"cut_by_capture\"}\n",
            "{\"v\":1,\"type\":\"conflict\",\"stream\":3,\"from\":\"b\",\"offset_bytes\":16,\"len_bytes\":3,\
             \"frame\":9,\"first_frame\":4}\n",
        ]
    );
}

#[test]
fn records_of_datagrams_are_what_they_were() {
    let (conversation, start) = (datagrams(), Time(1_000_000_000));
    let rows = conversation.rows.iter().map(|row| datagram(conversation.stream, row, start, None).line());
    let whole = datagram_flow(&conversation, start, Some(Backend::Tun)).line();
    insta::assert_snapshot!(rows.collect::<String>() + &whole);
}

#[test]
fn an_unfinished_line_of_a_command_is_told_apart() {
    let fields = |bytes: &[u8]| {
        let record = read(&output(Role::Client, 2, bytes));
        (record["text"].clone(), record["base64"].clone(), record["cut"].clone())
    };
    assert_eq!(fields(b"tail\n"), ("tail".into(), Value::Null, Value::Null));
    assert_eq!(fields(b"tail"), ("tail".into(), Value::Null, true.into()));
    assert_eq!(fields(b"\xff\n"), (Value::Null, "/wo=".into(), Value::Null));
}

#[test]
fn simulated_records_have_no_wall_clock() {
    let report = DirectionReport::default();
    let line = link(Backend::Simulated, 1, None, &report, &report).line();
    assert!(!line.contains("wall") && line.contains("\"world\":\"simulated\""), "{line}");
}

#[test]
fn flags_are_named_in_the_fixed_order() {
    let mut all = row();
    all.flags = TcpFlags(0xff);
    let record = segment(conversation().stream, &all, Time::ZERO, None);
    assert_eq!(read(&record)["flags_tcp"], "SYN,FIN,RST,PSH,ACK,URG,ECE,CWR");
    all.flags = TcpFlags(0x12);
    assert_eq!(read(&segment(conversation().stream, &all, Time::ZERO, None))["flags_tcp"], "SYN,ACK");
}
