//! What the fate of a packet is keyed to, so that the same seed loses the same packets at every run.
//!
//! Programs that do the same thing twice send the same bytes twice, but not in the same segments and not at the same
//! times. So nothing counts packets of the link, and nothing looks at ports, addresses or sequence numbers as such:
//!
//! | packet | keyed to |
//! |---|---|
//! | SYN, SYN ACK, RST; FIN without payload | its ordinal among those of its conversation, direction and kind |
//! | TCP segment with payload (and FIN, if it rides on it) | the byte of the stream that it carries, see below |
//! | acknowledgement without payload | its ordinal; how many there are, the kernel's timers say: these losses may differ |
//! | UDP datagram, everything else | its ordinal in its conversation and direction |
//!
//! A conversation is its own ordinal among those of its kind: the first, the second that appeared on the link.
//!
//! **The canary byte.** A stream is cut into buckets of the connection's full segment size, and in each bucket the byte
//! at one place, chosen by the dice, is the canary. A segment is lost if the dice say so of the bucket whose canary it
//! carries, and of how many times that canary has passed before. A full-sized segment carries exactly one canary
//! wherever it begins, so the loss rate is exact and any segmentation loses the same canaries. A shorter one may carry
//! none: it is keyed to where it ends, which is where a program's write ended. That too is the same at every run for
//! programs that wait for answers. In a bulk transfer it is not: whether a write's end leaves as a short segment, or
//! together with the next write's beginning, is a matter of time. So one without canary behind many full ones is not lost
//! when it is first sent; they are rare.
//!
//! Rules that take several packets together, an exact share or a burst, need an order as well: that of the ordinals, and
//! of the buckets. What is sent again is in no such order; it is rolled for by itself.

use std::collections::BTreeMap;

use wire::quantity::Probability;
use wire::tcp::TcpFlags;

use super::Direction;
use super::dice::Dice;
use super::rules::Loss;
use super::sight::{Key, Offered, Sight, TcpSight};

/// The rules that ask the dice, by number: each gets an answer of its own for the same packet.
pub(super) mod rule {
    pub(in crate::link) const LOSS: u64 = 1;
    pub(in crate::link) const DUPLICATE: u64 = 2;
    pub(in crate::link) const CORRUPT: u64 = 3;
    pub(in crate::link) const DAMAGE: u64 = 4;
    pub(in crate::link) const REORDER: u64 = 5;
    pub(in crate::link) const TAIL: u64 = 6;
    pub(in crate::link) const JITTER: u64 = 7;
}

/// What decides about one segment: dice of its own, and its place among its like for rules that take several together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) dice: Dice,
    /// The dice of all its like.
    pub(super) series: Dice,
    /// Its place in the series; none for what is sent again.
    pub(super) place: Option<u64>,
    /// The rule of loss leaves it alone.
    pub(super) spared: bool,
}

/// A segment's luck with the rules.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Luck {
    /// The rule of loss takes it.
    pub(super) lost: bool,
    /// Its first turn; it has several only when it carries several canaries. None where no rule needs luck.
    turn: Option<Turn>,
}

impl Luck {
    /// Whether a rule takes it that takes each with this probability.
    pub(super) fn happens(&self, rule: u64, share: Probability) -> bool {
        share != Probability::NEVER && self.turn.is_some_and(|turn| turn.dice.about(&[rule]).happens(share))
    }

    /// A number for this rule, each of the 2^64 as likely.
    pub(super) fn number(&self, rule: u64) -> u64 {
        self.turn.map_or(0, |turn| turn.dice.about(&[rule]).number())
    }
}

/// What a roll is about, by number.
#[derive(Clone, Copy, Debug)]
enum Case {
    /// The n-th datagram or packet of another kind.
    Datagram = 0,
    Syn = 1,
    SynAck = 2,
    Fin = 3,
    Ack = 4,
    Reset = 5,
    /// A canary's bucket.
    Canary = 6,
    /// The end of a segment without canary.
    End = 7,
    /// Where in its bucket the canary is.
    Place = 8,
}

/// The bytes per bucket where the handshake was not seen: what Ethernet leaves to TCP with timestamps.
const USUAL_BUCKET: i64 = 1448;
/// The segment size where a SYN announces none (RFC 9293 §3.7.1).
const DEFAULT_MSS: u16 = 536;
/// What the timestamps option takes of each segment (RFC 7323 appendix A).
const TIMESTAMPS_LEN: u16 = 12;
/// A short segment behind so many full ones in a row is the end of a write within a bulk transfer.
const BULK: u32 = 8;
/// How many repeated canaries are remembered per direction; the lowest make room.
const MOST_REPEATS: usize = 1024;

/// The decisions about one conversation.
#[derive(Debug)]
pub(super) struct Fates {
    up: Side,
    down: Side,
}

/// One direction of a conversation.
#[derive(Debug)]
struct Side {
    dice: Dice,
    /// How many packets of each case there have been; indexed by [`Case`].
    counts: [u64; 6],
    /// How many segments without canary were sent for the first time.
    ends: u64,
    syn: Option<Syn>,
    stream: Option<Stream>,
}

/// What a SYN announced.
#[derive(Clone, Copy, Debug)]
struct Syn {
    seq: u32,
    mss: u16,
    timestamps: bool,
}

/// The bytes of one direction; offsets count from the first byte behind the SYN.
#[derive(Debug)]
struct Stream {
    /// The sequence number of offset 0.
    base: u32,
    /// One behind the last byte that was ever sent.
    next: i64,
    bucket: i64,
    /// The canary's place in each bucket.
    place: i64,
    /// How many full segments in a row were the last that were sent for the first time.
    full: u32,
    /// What has been sent more than once, and how many times more.
    repeats: BTreeMap<Mark, u64>,
}

/// What decides about a segment with payload. Ordered by place in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    /// The byte.
    at: i64,
    canary: bool,
}

impl Fates {
    /// For the `ordinal`-th conversation of its kind.
    pub(super) fn new(dice: Dice, key: &Key, ordinal: u64) -> Fates {
        let side = |direction: Direction| {
            let words = [key.kind.word(), ordinal, direction.index() as u64];
            Side { dice: dice.about(&words), counts: [0; 6], ends: 0, syn: None, stream: None }
        };
        Fates { up: side(Direction::Up), down: side(Direction::Down) }
    }

    /// The sequence number of the SYN that went in this direction.
    pub(super) fn syn(&self, direction: Direction) -> Option<u32> {
        self.side(direction).syn.map(|syn| syn.seq)
    }

    /// The luck of a segment of this packet. Every packet has to be asked about once, in order.
    pub(super) fn luck(
        &mut self,
        loss: Option<&Loss>,
        direction: Direction,
        sight: &Sight,
        packet: &Offered<'_>,
        segment: u32,
    ) -> Luck {
        let mut luck = Luck::default();
        let mut take = |turn: Turn| {
            luck.lost |=
                !turn.spared && loss.is_some_and(|loss| loss.takes(&turn, turn.dice.about(&[rule::LOSS])));
            luck.turn.get_or_insert(turn);
        };
        match &sight.tcp {
            Some(tcp) => self.tcp(direction, tcp, tcp.payload(packet, segment), &mut take),
            None => self.side_mut(direction).count(Case::Datagram, &mut take),
        }
        luck
    }

    fn tcp(
        &mut self,
        direction: Direction,
        tcp: &TcpSight,
        payload: std::ops::Range<u32>,
        take: &mut dyn FnMut(Turn),
    ) {
        let bucket = self.bucket();
        let side = self.side_mut(direction);
        let flags = tcp.flags;
        if flags.has(TcpFlags::SYN) {
            side.saw_syn(tcp);
            return side.count(if flags.has(TcpFlags::ACK) { Case::SynAck } else { Case::Syn }, take);
        }
        if flags.has(TcpFlags::RST) {
            side.count(Case::Reset, take);
        } else if !payload.is_empty() {
            side.payload(tcp.seq.wrapping_add(payload.start), payload.end - payload.start, bucket, take);
        } else if flags.has(TcpFlags::FIN) {
            side.count(Case::Fin, take);
        } else {
            side.count(Case::Ack, take);
        }
    }

    /// The payload of a full-sized segment as the two SYNs have agreed on it.
    fn bucket(&self) -> i64 {
        let (Some(up), Some(down)) = (self.up.syn, self.down.syn) else { return USUAL_BUCKET };
        let options = if up.timestamps && down.timestamps { TIMESTAMPS_LEN } else { 0 };
        i64::from(up.mss.min(down.mss).saturating_sub(options).max(1))
    }

    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    fn side_mut(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

impl Side {
    fn saw_syn(&mut self, tcp: &TcpSight) {
        let mss = tcp.options.mss.unwrap_or(DEFAULT_MSS);
        self.syn = Some(Syn { seq: tcp.seq, mss, timestamps: tcp.options.timestamps.is_some() });
    }

    /// The next packet of its case.
    fn count(&mut self, case: Case, take: &mut dyn FnMut(Turn)) {
        let count = &mut self.counts[case as usize];
        let series = self.dice.about(&[case as u64]);
        take(Turn { dice: series.about(&[*count]), series, place: Some(*count), spared: false });
        *count += 1;
    }

    fn payload(&mut self, seq: u32, len: u32, bucket: i64, take: &mut dyn FnMut(Turn)) {
        let (dice, syn) = (self.dice, self.syn);
        let stream = self
            .stream
            .get_or_insert_with(|| Stream::new(syn.map_or(seq, |syn| syn.seq.wrapping_add(1)), bucket, dice));
        let start = stream.offset(seq);
        let end = start + i64::from(len);
        let first = stream.canary_from(start);
        if first >= end {
            let times = stream.times(Mark { at: end - 1, canary: false });
            let series = dice.about(&[Case::End as u64]);
            let spared = times == 0 && stream.full >= BULK;
            let place = (times == 0 && !spared).then_some(self.ends);
            self.ends += u64::from(place.is_some());
            take(Turn { dice: series.about(&[end.cast_unsigned(), times]), series, place, spared });
        }
        for canary in (first..end).step_by(usize::try_from(stream.bucket).unwrap_or(usize::MAX)) {
            let times = stream.times(Mark { at: canary, canary: true });
            let bucket = canary.div_euclid(stream.bucket).cast_unsigned();
            let series = dice.about(&[Case::Canary as u64]);
            let place = (times == 0).then_some(bucket);
            take(Turn { dice: series.about(&[bucket, times]), series, place, spared: false });
        }
        if end > stream.next {
            stream.full = if i64::from(len) == stream.bucket { stream.full.saturating_add(1) } else { 0 };
            stream.next = end;
        }
    }
}

impl Stream {
    fn new(base: u32, bucket: i64, dice: Dice) -> Stream {
        let place = dice.about(&[Case::Place as u64]).number() % bucket.unsigned_abs();
        Stream { base, next: 0, bucket, place: place.cast_signed(), full: 0, repeats: BTreeMap::new() }
    }

    /// Sequence numbers wrap; the one meant is within 2 GiB of the last byte sent (RFC 9293 §3.4).
    fn offset(&self, seq: u32) -> i64 {
        // The low 32 bits of `next` are wanted.
        let expected = self.base.wrapping_add(self.next as u32);
        self.next + i64::from(seq.wrapping_sub(expected).cast_signed())
    }

    /// The first canary at or behind this byte.
    fn canary_from(&self, start: i64) -> i64 {
        start + (self.place - start).rem_euclid(self.bucket)
    }

    /// How many times this has been sent before.
    fn times(&mut self, mark: Mark) -> u64 {
        if mark.at >= self.next {
            return 0;
        }
        if self.repeats.len() >= MOST_REPEATS && !self.repeats.contains_key(&mark) {
            self.repeats.pop_first();
        }
        let times = self.repeats.entry(mark).or_default();
        *times += 1;
        *times
    }
}
