//! Conversations made by luck: segments with numbers near those that were expected, any flags, windows and options, and a
//! clock that now and then runs backwards. What they say makes no sense; every rule is met, alone and with others.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wire::Time;
use wire::build::TcpPacket;
use wire::tcp::{TcpFlags, TcpOptions};

use super::wrapping::{Capture, Wrapping};
use crate::agreement::dice::Dice;

/// Conversations at once.
const AT_ONCE: usize = 32;

/// Payload lengths: none and one, which many rules ask for, more often.
const LENGTHS: [usize; 10] = [0, 0, 0, 0, 1, 1, 2, 10, 100, 1000];

/// How far numbers lie beside those that were expected.
const NEAR: [u32; 6] = [1, 2, 10, 100, 1000, 2000];

const WINDOWS: [u16; 8] = [0, 0, 1, 2, 10, 100, 1000, 65_535];

/// Shifts of the window scale, some of them above the largest that is allowed.
const SHIFTS: [u8; 7] = [0, 1, 2, 7, 14, 15, 255];

/// Nanoseconds to the next segment: around the 3 ms and the 20 ms that the rules know, and back.
const STEPS: [i64; 16] = [
    0,
    0,
    1,
    1_000,
    100_000,
    100_000,
    1_000_000,
    1_000_000,
    2_999_999,
    3_000_000,
    3_000_001,
    19_999_999,
    20_000_000,
    200_000_000,
    -1_000_000,
    -25_000_000,
];

/// Flags beside the ordinary ACK.
const FLAGS: [u8; 19] = [
    0x10, 0x10, 0x10, 0x18, 0x11, 0x12, 0x02, 0x02, 0x04, 0x14, 0x00, 0x01, 0x03, 0x06, 0x13, 0x17, 0x3f,
    0x50, 0xc2,
];

/// Writes a capture of so many segments.
pub(super) fn write(out: impl Write, seed: u64, segments: usize) {
    let mut dice = Dice::new(seed);
    let mut capture = Capture::new(out);
    let mut conversations: Vec<Conversation> =
        (0..AT_ONCE).map(|number| Conversation::new(number, &mut dice)).collect();
    let mut time = Time(1_767_225_600_000_000_000);
    let mut whose = 0;
    for _ in 0..segments {
        // Some speak more often than others, and for a while.
        let among = 1 + dice.below(AT_ONCE);
        if dice.below(4) == 0 {
            whose = dice.below(among);
        }
        conversations[whose].next(time, &mut capture, &mut dice);
        time = Time(time.0.wrapping_add_signed(any(&STEPS, &mut dice)));
    }
    capture.finish();
}

/// What one side has said.
#[derive(Clone, Copy, Debug)]
struct Side {
    address: SocketAddr,
    next: u32,
    ack: u32,
    window: u16,
}

struct Conversation {
    sides: [Side; 2],
    wrapping: Wrapping,
    offers_scale: bool,
    opened: bool,
    /// One segment in so many is of any kind.
    wild_one_in: usize,
}

impl Conversation {
    fn new(number: usize, dice: &mut Dice) -> Conversation {
        let v6 = number % 3 == 2;
        let mut side = |host: u8, port: u16| Side {
            address: SocketAddr::new(
                if v6 {
                    IpAddr::V6(Ipv6Addr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]))
                } else {
                    IpAddr::V4(Ipv4Addr::new(10, 0, 0, host))
                },
                port + u16::try_from(number).unwrap(),
            ),
            // Anywhere, close before the wrap-around, and close behind it.
            next: match dice.below(4) {
                0 => (dice.below(4000) as u32).wrapping_neg(),
                1 => dice.below(3) as u32,
                _ => dice.next() as u32,
            },
            ack: 0,
            window: any(&WINDOWS, dice),
        };
        let sides = [side(1, 40_000), side(2, 50_000)];
        Conversation {
            sides,
            wrapping: Wrapping::ALL[number % Wrapping::ALL.len()],
            offers_scale: dice.below(2) == 0,
            opened: dice.below(3) == 0,
            wild_one_in: any(&[2, 5, 20, 100], dice),
        }
    }

    fn next(&mut self, time: Time, capture: &mut Capture<impl Write>, dice: &mut Dice) {
        let from = if self.opened { dice.below(2) } else { 0 };
        let segment = self.segment(from, dice);
        let (ours, theirs) = (self.sides[from], self.sides[1 - from]);
        let payload = [b'x'; 1000];
        let packet = TcpPacket {
            source: ours.address,
            destination: theirs.address,
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            window: segment.window,
            options: self.options(segment.flags, dice),
            payload: &payload[..segment.len],
        };
        capture.packet(time, self.wrapping, &packet);
        self.opened = true;
        let control = segment.flags.has_any(TcpFlags::SYN | TcpFlags::FIN);
        let end = segment.seq.wrapping_add(segment.len as u32 + u32::from(control));
        let side = &mut self.sides[from];
        if segment.flags.has(TcpFlags::SYN) || end.wrapping_sub(side.next).cast_signed() > 0 {
            side.next = end;
        }
        (side.ack, side.window) = (segment.ack, segment.window);
    }

    fn segment(&self, from: usize, dice: &mut Dice) -> Segment {
        let (ours, theirs) = (self.sides[from], self.sides[1 - from]);
        let mut segment = Segment {
            seq: ours.next,
            ack: theirs.next,
            len: any(&LENGTHS, dice),
            window: ours.window,
            flags: TcpFlags::ACK,
        };
        if !self.opened {
            return Segment { ack: 0, len: 0, flags: TcpFlags::SYN, ..segment };
        }
        match dice.below(20) {
            // The same again: a duplicate ACK, or an answer to a probe.
            0..5 => return Segment { ack: ours.ack, len: 0, ..segment },
            // What the other side waits for.
            5..8 => segment.seq = theirs.ack,
            8 | 9 => segment.seq = ours.next.wrapping_sub(1),
            10 => segment.seq = ours.next.wrapping_sub(segment.len as u32),
            11 => segment.seq = ours.next.wrapping_sub(any(&NEAR, dice)),
            12 => segment.seq = ours.next.wrapping_add(any(&NEAR, dice)),
            13 | 14 if theirs.window == 0 => segment.len = 1,
            _ => {}
        }
        match dice.below(20) {
            0..8 => segment.ack = ours.ack,
            8 => segment.ack = theirs.next.wrapping_add(any(&NEAR, dice)),
            9 => segment.ack = theirs.next.wrapping_sub(any(&NEAR, dice)),
            _ => {}
        }
        if dice.below(3) == 0 {
            segment.window = any(&WINDOWS, dice);
        }
        if dice.below(self.wild_one_in) == 0 {
            segment.go_wild(dice);
        }
        segment
    }

    fn options(&self, flags: TcpFlags, dice: &mut Dice) -> TcpOptions {
        let offers = flags.has(TcpFlags::SYN) && (self.offers_scale || dice.below(8) == 0);
        let sometimes = |dice: &mut Dice| dice.below(10) == 0;
        TcpOptions {
            window_scale: offers.then(|| any(&SHIFTS, dice)),
            timestamps: sometimes(dice).then(|| (dice.next() as u32, dice.next() as u32)),
            sack: [sometimes(dice).then(|| (dice.next() as u32, dice.next() as u32)), None, None, None],
            ..TcpOptions::default()
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    seq: u32,
    ack: u32,
    len: usize,
    window: u16,
    flags: TcpFlags,
}

impl Segment {
    /// Any flags, and now and then numbers from nowhere, zero, or half the circle away.
    fn go_wild(&mut self, dice: &mut Dice) {
        self.flags = TcpFlags(any(&FLAGS, dice));
        for number in [&mut self.seq, &mut self.ack] {
            match dice.below(20) {
                0 => *number = dice.next() as u32,
                1 => *number = dice.below(2) as u32,
                2 => *number = number.wrapping_add((1 << 31) - 1 + dice.below(3) as u32),
                _ => {}
            }
        }
    }
}

fn any<T: Copy>(of: &[T], dice: &mut Dice) -> T {
    of[dice.below(of.len())]
}
