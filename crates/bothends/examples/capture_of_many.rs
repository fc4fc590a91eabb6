//! Writes a capture of many connections at once, for measuring how fast captures are read. The same words give the same
//! file.
//!
//! ```text
//! cargo run --release -p bothends --example capture_of_many -- many.pcap --packets 3000000
//! ```
//!
//! Classic pcap of Ethernet, IPv4 and TCP with timestamps, the first 128 bytes of each packet, one every 10 µs. Each
//! connection opens by a SYN, sends segments of 1448 bytes one way, of which two are acknowledged by one ACK, and closes
//! by FINs; whose packet comes next is a matter of luck. At one segment in a thousand there is a hole: three segments
//! behind it are answered by duplicate ACKs, the missing one is sent again, and all are acknowledged.

mod dice;

use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use clap::Parser;
use dice::Dice;
use wire::Time;
use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::pcap::Writer;
use wire::tcp::{TcpFlags, TcpOptions};

/// What is kept of each packet, in bytes.
const SNAP_LEN: usize = 128;

/// Payload of a full segment: 1500 bytes of MTU without 20 of IPv4, 20 of TCP, 12 of timestamps.
const SEGMENT: u32 = 1448;

/// Nanoseconds from one packet to the next.
const BETWEEN_NANOS: u64 = 10_000;

/// When the capture begins: 2026-01-01 00:00 UTC.
const START: Time = Time(1_767_225_600_000_000_000);

/// One segment in so many is missing.
const LOSS_ONE_IN: usize = 1000;

/// SYN, SYN ACK and ACK; FIN, ACK, FIN and ACK.
const OPENING: u64 = 3;
const CLOSING: u64 = 4;

#[derive(Debug, Parser)]
struct Flags {
    /// The file to be written; - is standard output.
    path: std::path::PathBuf,
    /// How many packets.
    #[arg(long, default_value_t = 3_000_000)]
    packets: u64,
    /// Of how many connections; each needs at least seven packets.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    connections: u64,
    /// How many connections at once; when one closes the next opens. All of them, if this is left out.
    #[arg(long)]
    at_once: Option<usize>,
    /// What all luck follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    if flags.packets < flags.connections * (OPENING + CLOSING) {
        return Err("too few packets for so many connections".into());
    }
    let file: Box<dyn Write> = match flags.path.as_os_str() == "-" {
        true => Box::new(io::stdout()),
        false => Box::new(File::create(&flags.path)?),
    };
    let file = BufWriter::with_capacity(1 << 20, file);
    let mut capture =
        Capture { writer: Writer::new(file, LinkType::ETHERNET, SNAP_LEN as u32)?, time: START };
    let mut dice = Dice::new(flags.seed);
    let mut numbers = 0..flags.connections;
    let mut connections: Vec<Connection> = Vec::new();
    loop {
        let room = flags.at_once.unwrap_or(usize::MAX).max(1) - connections.len();
        for number in numbers.by_ref().take(room) {
            let extra = u64::from(number < flags.packets % flags.connections);
            connections.push(Connection::new(number, flags.packets / flags.connections + extra, &mut dice));
        }
        if connections.is_empty() {
            break;
        }
        let whose = dice.below(connections.len());
        if let Some(packet) = connections[whose].next(&mut dice) {
            capture.write(&connections[whose], packet)?;
        }
        if connections[whose].left == 0 {
            connections.swap_remove(whose);
        }
    }
    capture.writer.finish()?;
    let (packets, count) = (flags.packets, flags.connections);
    writeln!(io::stderr(), "{packets} packets of {count} connections")?;
    Ok(())
}

/// A packet, seen from the connection.
#[derive(Clone, Copy, Debug)]
struct Packet {
    from_client: bool,
    flags: TcpFlags,
    /// Both relative to the first of their side.
    seq: u32,
    ack: u32,
    len: u32,
    /// The bytes behind a hole that are there.
    sack: Option<(u32, u32)>,
}

#[derive(Debug)]
struct Connection {
    client: SocketAddr,
    server: SocketAddr,
    /// The first numbers of client and server.
    first: [u32; 2],
    /// Packets that it may still send.
    left: u64,
    /// The next byte of the client's, relative.
    next: u32,
    /// What is decided but not sent yet.
    waiting: VecDeque<Packet>,
}

impl Connection {
    fn new(number: u64, packets: u64, dice: &mut Dice) -> Connection {
        let [.., network, high, low] = number.to_be_bytes();
        let network = if network == 0 { 1 } else { 100_u8.wrapping_add(network) };
        let client =
            SocketAddrV4::new(Ipv4Addr::new(10, network, high, low), 32_768 + dice.below(28_000) as u16);
        let server = SocketAddrV4::new(Ipv4Addr::new(10, 2, 0, 1 + (number % 16) as u8), 80);
        let mut connection = Connection {
            client: client.into(),
            server: server.into(),
            first: [dice.next() as u32, dice.next() as u32],
            left: packets,
            next: 1,
            waiting: VecDeque::new(),
        };
        connection.says(true, TcpFlags::SYN, 0, 0);
        connection.says(false, TcpFlags::SYN | TcpFlags::ACK, 0, 1);
        connection.says(true, TcpFlags::ACK, 1, 1);
        connection
    }

    fn next(&mut self, dice: &mut Dice) -> Option<Packet> {
        if self.waiting.is_empty() {
            self.go_on(dice);
        }
        let packet = self.waiting.pop_front();
        self.left = self.left.saturating_sub(1);
        packet
    }

    /// Decides what comes next: a round with or without a hole; with few packets left what fits, and the end.
    fn go_on(&mut self, dice: &mut Dice) {
        match self.left.saturating_sub(CLOSING) {
            8.. if dice.below(LOSS_ONE_IN / 2) == 0 => self.round_with_a_hole(),
            3.. => {
                self.segment();
                self.segment();
                self.says(false, TcpFlags::ACK, 1, self.next);
            }
            few => {
                (0..few).for_each(|_| self.segment());
                self.close();
            }
        }
    }

    fn segment(&mut self) {
        self.sends(self.next);
        self.next = self.next.wrapping_add(SEGMENT);
    }

    fn round_with_a_hole(&mut self) {
        let hole = self.next;
        self.next = self.next.wrapping_add(SEGMENT);
        for _ in 0..3 {
            self.segment();
            let sack = Some((hole.wrapping_add(SEGMENT), self.next));
            let duplicate =
                Packet { from_client: false, flags: TcpFlags::ACK, seq: 1, ack: hole, len: 0, sack };
            self.waiting.push_back(duplicate);
        }
        self.sends(hole);
        self.says(false, TcpFlags::ACK, 1, self.next);
    }

    fn close(&mut self) {
        let end = self.next;
        self.says(true, TcpFlags::FIN | TcpFlags::ACK, end, 1);
        self.says(false, TcpFlags::ACK, 1, end.wrapping_add(1));
        self.says(false, TcpFlags::FIN | TcpFlags::ACK, 1, end.wrapping_add(1));
        self.says(true, TcpFlags::ACK, end.wrapping_add(1), 2);
    }

    fn sends(&mut self, seq: u32) {
        let data = Packet { from_client: true, flags: TcpFlags::ACK, seq, ack: 1, len: SEGMENT, sack: None };
        self.waiting.push_back(data);
    }

    fn says(&mut self, from_client: bool, flags: TcpFlags, seq: u32, ack: u32) {
        self.waiting.push_back(Packet { from_client, flags, seq, ack, len: 0, sack: None });
    }
}

#[derive(Debug)]
struct Capture<W> {
    writer: Writer<W>,
    time: Time,
}

impl<W: Write> Capture<W> {
    fn write(&mut self, connection: &Connection, packet: Packet) -> io::Result<()> {
        let [client, server] = connection.first;
        let (source, destination, ours, theirs) = match packet.from_client {
            true => (connection.client, connection.server, client, server),
            false => (connection.server, connection.client, server, client),
        };
        let payload = [b'x'; SEGMENT as usize];
        let built = TcpPacket {
            source,
            destination,
            seq: ours.wrapping_add(packet.seq),
            ack: if packet.flags.has(TcpFlags::ACK) { theirs.wrapping_add(packet.ack) } else { 0 },
            flags: packet.flags,
            window: 65_535,
            options: options(&packet, self.time, theirs),
            payload: &payload[..packet.len as usize],
        };
        // The addresses of two interfaces, locally administered; IPv4.
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        frame.extend(built.to_bytes());
        let wire_len = frame.len() as u32;
        frame.truncate(SNAP_LEN);
        self.writer.packet(self.time, wire_len, &frame)?;
        self.time.0 += BETWEEN_NANOS;
        Ok(())
    }
}

fn options(packet: &Packet, time: Time, theirs: u32) -> TcpOptions {
    let millis = (time.0 / 1_000_000) as u32;
    let stamps = Some((millis, millis.wrapping_sub(1)));
    let block = packet.sack.map(|(left, right)| (theirs.wrapping_add(left), theirs.wrapping_add(right)));
    let plain = TcpOptions { timestamps: stamps, sack: [block, None, None, None], ..TcpOptions::default() };
    match packet.flags.has(TcpFlags::SYN) {
        true => TcpOptions { mss: Some(1460), window_scale: Some(7), sack_permitted: true, ..plain },
        false => plain,
    }
}
