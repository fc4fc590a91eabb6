//! Plays: what must be said of each segment stands behind it. Each is played with every wrapping, over IPv4 and IPv6, with
//! numbers that wrap around at another place each time.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;

use wire::Time;
use wire::build::TcpPacket;
use wire::tcp::{TcpFlags, TcpOptions};

use super::wrapping::{Capture, Wrapping};

/// Time in ms, side, flags, sequence number and acknowledgement relative to the first ones, payload bytes, window,
/// scale of a SYN; behind the bar the flags of the analysis.
const PLAYS: [&str; 5] = [
    // A window that is filled, closed, probed by data and opened.
    "  0 A S   0    0    0 1000 2 |
       5 B SA  0    1    0 1000 2 |
      10 A A   1    1    0 1000 - |
      11 B A   1    1    0   25 - | window_update
      12 A A   1    1   99 1000 - |
      13 A A 100    1    1 1000 - | window_full
      20 B A   1  101    0    0 - | zero_window
     220 A A 101    1    1 1000 - | zero_window_probe
     221 B A   1  101    0    0 - | zero_window,zero_window_probe_ack
     620 A A 101    1    1 1000 - | zero_window_probe
     621 B A   1  101    0   25 - | window_update
     622 A A 101    1  100 1000 - | window_full
     630 B A   1  201    0   25 - |",
    // Signs of life, with a byte and without, and their answers.
    "  0 A S   0    0    0 1000 2 |
       5 B SA  0    1    0 1000 2 |
      10 A A   1    1  100 1000 - |
      20 B A   1  101    0 1000 - |
    1000 A A 100    1    0 1000 - | keep_alive
    1010 B A   1  101    0 1000 - | keep_alive_ack
    2000 A A 100    1    1 1000 - | keep_alive
    2010 B A   1  101    0 1000 - | keep_alive_ack
    3000 B A   0  101    0 1000 - | keep_alive
    3010 A A 101    1    0 1000 - | keep_alive_ack
    3020 B A   1  101    0 1000 - | duplicate_ack",
    // A loss, asked for by duplicate ACKs; one that a timer repairs; one that was none; segments that change places.
    "  0 A S   0    0    0 1000 2 |
       5 B SA  0    1    0 1000 2 |
      10 A A   1    1  100 1000 - |
      12 A A 201    1  100 1000 - | lost_segment
      13 A A 301    1  100 1000 - |
      20 B A   1  101    0 1000 - |
      21 B A   1  101    0 1000 - | duplicate_ack
      22 B A   1  101    0 1000 - | duplicate_ack
      23 A A 101    1  100 1000 - | retransmission,fast_retransmission
      30 B A   1  401    0 1000 - |
      31 A A 101    1  100 1000 - | retransmission,spurious_retransmission
      32 A A 501    1  100 1000 - | lost_segment
      33 A A 401    1  100 1000 - | out_of_order
     240 A A 501    1  100 1000 - | retransmission
     250 B A   1  601    0 1000 - |
     260 A FA 601   1    0 1000 - |
     470 A FA 601   1    0 1000 - | retransmission",
    // What the capture missed.
    "  0 A S   0    0    0 1000 2 |
       5 B SA  0    1    0 1000 2 |
      10 A A   1    1    0 1000 - |
      20 B A   1  301    0 1000 - | ack_lost_segment
      21 B A   1  301    0 1000 - | duplicate_ack
      30 A A 301    1  100 1000 - | lost_segment
      40 B R   1    0    0    0 - |",
    // The same ports again.
    "  0 A S   0    0    0 1000 2 |
       5 B SA  0    1    0 1000 2 |
      10 A R   1    0    0    0 - |
      90 A S 700    0    0 1000 2 | reused_ports
      95 B RA  0  701    0    0 - |
     990 A S 999    0    0 1000 2 | reused_ports
     991 A S 999    0    0 1000 2 | retransmission
     995 B SA 70 1000    0 1000 2 |
     996 B SA 71 1000    0 1000 2 | reused_ports",
];

/// What must be said of a segment.
pub(super) struct Expected {
    pub(super) flags: BTreeSet<String>,
    pub(super) line: &'static str,
}

/// Writes all plays; gives what is expected of their segments, in order.
pub(super) fn write(out: impl Write) -> Vec<Expected> {
    let mut capture = Capture::new(out);
    let mut expected = Vec::new();
    let mut number = 0;
    for wrapping in Wrapping::ALL {
        for v6 in [false, true] {
            for play in PLAYS {
                let conversation = Conversation::new(number, v6, wrapping);
                play.lines().for_each(|line| expected.push(conversation.line(line, &mut capture)));
                number += 1;
            }
        }
    }
    capture.finish();
    expected
}

struct Conversation {
    number: u32,
    wrapping: Wrapping,
    addresses: [SocketAddr; 2],
    /// The first numbers, shortly before the wrap-around.
    first: [u32; 2],
}

impl Conversation {
    fn new(number: u32, v6: bool, wrapping: Wrapping) -> Conversation {
        let address = |host: u32, port: u32| match v6 {
            true => format!("[fd00::{host}]:{port}").parse().unwrap(),
            false => format!("10.0.0.{host}:{port}").parse().unwrap(),
        };
        let addresses = [address(1, 40_000 + number), address(2, 50_000 + number)];
        // Never so that a number that is expected is 0, which means "unknown" in this analysis.
        let first = [(5 + 10 * number).wrapping_neg(), (2 + number % 5).wrapping_neg()];
        Conversation { number, wrapping, addresses, first }
    }

    fn line(&self, line: &'static str, capture: &mut Capture<impl Write>) -> Expected {
        let (segment, expected) = line.split_once('|').unwrap();
        let words: Vec<&str> = segment.split_whitespace().collect();
        let [time, side, flags, seq, ack, len, window, scale] = words.as_slice() else { panic!("{line}") };
        let value = |word: &str| -> u32 { word.parse().unwrap() };
        let from = usize::from(*side == "B");
        let flags = flags.chars().map(|letter| match letter {
            'S' => TcpFlags::SYN,
            'A' => TcpFlags::ACK,
            'F' => TcpFlags::FIN,
            'R' => TcpFlags::RST,
            _ => panic!("{line}"),
        });
        let flags = flags.fold(TcpFlags::NONE, |all, one| all | one);
        let acknowledged = self.first[1 - from].wrapping_add(value(ack));
        let packet = TcpPacket {
            source: self.addresses[from],
            destination: self.addresses[1 - from],
            seq: self.first[from].wrapping_add(value(seq)),
            ack: if flags.has(TcpFlags::ACK) { acknowledged } else { 0 },
            flags,
            window: window.parse().unwrap(),
            options: TcpOptions { window_scale: scale.parse().ok(), ..TcpOptions::default() },
            payload: &vec![b'x'; len.parse().unwrap()],
        };
        let millis = u64::from(self.number) * 10_000 + u64::from(value(time));
        capture.packet(Time(1_767_225_600_000_000_000 + millis * 1_000_000), self.wrapping, &packet);
        let flags = expected.trim().split(',').filter(|flag| !flag.is_empty()).map(str::to_owned).collect();
        Expected { flags, line }
    }
}
