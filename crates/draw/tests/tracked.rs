//! The whole way from packets to the drawing: real TCP packets, followed by flow, drawn here.

use std::net::SocketAddr;
use std::time::Duration;

use draw::{Names, Style, ladder, verdict};
use flow::{Flow, Frame, Limits, Tracker};
use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::tcp::{TcpFlags, TcpOptions};
use wire::{Fate, Passage, Time};

/// Packets between a client and a listening server over a link with a delay.
struct Wire {
    tracker: Tracker,
    delay: Duration,
    frames: u64,
}

const CLIENT: &str = "10.77.0.1:40712";
const SERVER: &str = "10.77.0.2:7";
const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const SYN_ACK: TcpFlags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0);
const FIN_ACK: TcpFlags = TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0);
const PSH_ACK: TcpFlags = TcpFlags(TcpFlags::PSH.0 | TcpFlags::ACK.0);

impl Wire {
    fn new(delay: Duration) -> Wire {
        let mut tracker = Tracker::new(Limits::default());
        tracker.listening(SERVER.parse().expect("an address"));
        Wire { tracker, delay, frames: 0 }
    }

    fn client(&mut self, micros: u64, flags: TcpFlags, numbers: [u32; 3]) {
        self.send(micros, [CLIENT, SERVER], flags, numbers, Fate::Delivered);
    }

    fn server(&mut self, micros: u64, flags: TcpFlags, numbers: [u32; 3]) {
        self.send(micros, [SERVER, CLIENT], flags, numbers, Fate::Delivered);
    }

    fn lost(&mut self, micros: u64, flags: TcpFlags, numbers: [u32; 3]) {
        self.send(micros, [CLIENT, SERVER], flags, numbers, Fate::Lost);
    }

    /// Numbers relative to first ones near the end of their range, so that they wrap.
    fn send(&mut self, micros: u64, ends: [&str; 2], flags: TcpFlags, numbers: [u32; 3], fate: Fate) {
        let [source, destination] = ends.map(|end| end.parse::<SocketAddr>().expect("an address"));
        let first = u32::MAX - 10;
        let options = TcpOptions {
            mss: flags.has(SYN).then_some(1460),
            window_scale: flags.has(SYN).then_some(7),
            sack_permitted: flags.has(SYN),
            ..TcpOptions::default()
        };
        let payload = vec![b'x'; numbers[2] as usize];
        let bytes = TcpPacket {
            source,
            destination,
            seq: first.wrapping_add(numbers[0]),
            ack: if flags.has(ACK) { first.wrapping_add(numbers[1]) } else { 0 },
            flags,
            window: if flags.has(SYN) { 64_240 } else { 502 },
            options,
            payload: &payload,
        }
        .to_bytes();
        let time = Time(1_700_000_000_000_000_000 + micros * 1_000);
        let arrived = (fate == Fate::Delivered).then_some(time + self.delay);
        let rule = (fate == Fate::Lost).then(|| "loss 20%".to_owned());
        self.frames += 1;
        self.tracker.frame(&Frame {
            number: self.frames,
            time,
            link_type: LinkType::RAW,
            bytes: &bytes,
            wire_len: u32::try_from(bytes.len()).expect("a short packet"),
            passage: Some(Passage { fate, rule, arrived, segments: 1 }),
        });
    }

    fn finish(mut self) -> Flow {
        self.tracker.finish();
        self.tracker.flows().next().expect("a conversation").clone()
    }
}

fn story(flow: &Flow, width: usize) -> String {
    let (names, style) = (Names::roles(flow), Style { width, ..Style::default() });
    format!("{}\n{}", ladder::text(flow, &names, &style), verdict::wrapped(flow, &names, &style))
}

#[test]
fn a_loss_on_a_fast_link() {
    let mut wire = Wire::new(Duration::from_micros(12));
    wire.client(0, SYN, [0, 0, 0]);
    wire.server(31, SYN_ACK, [0, 1, 0]);
    wire.client(58, ACK, [1, 1, 0]);
    wire.client(102, PSH_ACK, [1, 1, 16]);
    wire.server(139, PSH_ACK, [1, 17, 16]);
    wire.lost(180, PSH_ACK, [17, 17, 16]);
    wire.client(204_400, PSH_ACK, [17, 17, 16]);
    wire.server(204_450, PSH_ACK, [17, 33, 16]);
    wire.client(205_100, FIN_ACK, [33, 33, 0]);
    wire.server(205_300, FIN_ACK, [33, 34, 0]);
    wire.client(205_600, ACK, [34, 34, 0]);
    insta::assert_snapshot!(story(&wire.finish(), 80));
}

#[test]
fn both_close_at_once_over_a_slow_link() {
    let mut wire = Wire::new(Duration::from_millis(50));
    wire.client(0, SYN, [0, 0, 0]);
    wire.server(50_030, SYN_ACK, [0, 1, 0]);
    wire.client(100_060, ACK, [1, 1, 0]);
    wire.client(100_100, PSH_ACK, [1, 1, 100]);
    wire.server(150_140, ACK, [1, 101, 0]);
    wire.client(220_000, FIN_ACK, [101, 1, 0]);
    wire.server(240_000, FIN_ACK, [1, 101, 0]);
    wire.server(270_040, ACK, [2, 102, 0]);
    wire.client(290_040, ACK, [102, 2, 0]);
    insta::assert_snapshot!(story(&wire.finish(), 80));
}

#[test]
fn the_handshakes_last_segment_is_under_way_when_data_follows_it() {
    let mut wire = Wire::new(Duration::from_millis(50));
    wire.client(0, SYN, [0, 0, 0]);
    wire.server(50_030, SYN_ACK, [0, 1, 0]);
    wire.client(100_060, ACK, [1, 1, 0]);
    wire.client(100_100, PSH_ACK, [1, 1, 100]);
    // One line each: at both ends their order is that of the lines.
    let flow = wire.finish();
    let drawn = story(&flow, 80);
    assert_eq!(drawn.lines().filter(|line| line.contains('▶') || line.contains('◀')).count(), 4, "{drawn}");
}

/// An IPv4 packet without options; nothing here looks at checksums.
fn packet(protocol: u8, [source, destination]: [[u8; 4]; 2], payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).expect("a short packet").to_be_bytes();
    let mut bytes = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    bytes.extend(source.into_iter().chain(destination).chain(payload.iter().copied()));
    bytes
}

fn datagram(ends: [[u8; 4]; 2], [from, to]: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).expect("a short datagram");
    let header = [from, to, len, 0].map(u16::to_be_bytes).concat();
    packet(17, ends, &[header.as_slice(), payload].concat())
}

#[test]
fn a_question_that_no_port_takes() {
    let (client, server) = ([10, 77, 0, 1], [10, 77, 0, 2]);
    let question = datagram([client, server], [40_712, 9], b"anyone there?");
    // RFC 792: type 3, code 3, four bytes unused, then the packet that it is about.
    let unreachable = packet(1, [server, client], &[&[3, 3, 0, 0, 0, 0, 0, 0], question.as_slice()].concat());
    let mut tracker = Tracker::new(Limits::default());
    for (number, bytes) in (1u64..).zip([&question, &unreachable]) {
        tracker.frame(&Frame {
            number,
            time: Time(1_700_000_000_000_000_000 + number * 22_000),
            link_type: LinkType::RAW,
            bytes,
            wire_len: u32::try_from(bytes.len()).expect("a short packet"),
            passage: None,
        });
    }
    tracker.finish();
    let flow = tracker.datagram_flows().next().expect("a conversation");
    let (names, style) = (Names::of_roles([flow.a, flow.b]), Style { width: 100, ..Style::default() });
    let ladder = ladder::datagrams(flow, &names, &style);
    insta::assert_snapshot!(format!("{ladder}\n{}", verdict::datagrams::wrapped(flow, &names, &style)));
}
