//! The values that a followed conversation is made of: rows, sides, findings. They are what every picture is drawn from.

use std::net::SocketAddr;
use std::time::Duration;

use wire::tcp::{TcpFlags, TcpOptions};
use wire::{Passage, Time};

use crate::State;
use crate::analysis::{AnalysisFlags, Completeness};
use crate::path_error::PathErrors;

/// One of the two ends: `A` sent the first SYN, else the first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The opener.
    A,
    /// The other end.
    B,
}

impl Side {
    /// The one facing it.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }

    /// Its place where both stand in a list: 0 for A, 1 for B.
    pub fn index(self) -> usize {
        match self {
            Side::A => 0,
            Side::B => 1,
        }
    }
}

/// The part of the conversation that a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The handshake, up to and including the segment that completes it.
    Opening,
    /// From then on.
    Data,
    /// From the first FIN or RST on.
    Closing,
}

/// A segment whose bytes (or SYN, or FIN) had been sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resent {
    /// The frame that carried the first of these bytes last time, when it is still remembered.
    pub of: Option<u64>,
    /// How long after that; zero when it is not remembered.
    pub after: Duration,
    /// True when that frame is known to have arrived: the repetition was not needed.
    pub needless: bool,
    /// True when three duplicate ACKs or SACK blocks asked for it; false when only a timer can have.
    pub asked_for: bool,
}

/// One segment of a conversation, with the states after it. Numbers are relative: the first SYN of each side is 0.
#[derive(Clone, Debug)]
pub struct Row {
    /// The frame's number in the capture, from 1.
    pub frame: u64,
    /// When it was sent (captured).
    pub time: Time,
    /// Who sent it.
    pub from: Side,
    /// The first sequence number, relative to the sender's first.
    pub seq: u32,
    /// The acknowledgement number, relative to the other side's first; none without the ACK flag.
    pub ack: Option<u32>,
    /// The flags.
    pub flags: TcpFlags,
    /// Payload bytes.
    pub len_bytes: u32,
    /// The announced window in bytes, scaled where the scale is known.
    pub window_bytes: u32,
    /// The options (MSS, window scale, SACK, timestamps); SACK blocks relative to the other side's first number.
    pub options: TcpOptions,
    /// The sender's bytes that were sent and neither acknowledged nor covered by the last SACK blocks, after this segment;
    /// none where unknown.
    pub in_flight_bytes: Option<u32>,
    /// The round trip that its acknowledgement ends, as seen where the capture was made; none where it acknowledges nothing
    /// new, or what it acknowledges was sent more than once and no timestamp tells which was meant (Karn's rule, RFC 6298
    /// §3; RFC 7323 §4).
    pub round_trip: Option<Duration>,
    /// The state of A after this row: as sender having sent it, as receiver having received it. A receiver that never
    /// got it, or that had not taken it in when it sent the next time, keeps the state that it had.
    pub state_a: State,
    /// The state of B after this row.
    pub state_b: State,
    /// The part of the conversation.
    pub phase: Phase,
    /// Set when it repeats what had been sent before. A segment that only comes late, below the highest number but
    /// never seen before, does not: a capture cannot tell whether it is the first copy. Neither do probes of a silent
    /// peer or a closed window.
    pub resent: Option<Resent>,
    /// What Wireshark's analysis says of it.
    pub analysis: AnalysisFlags,
    /// What the emulated link did; none in an ordinary capture.
    pub passage: Option<Passage>,
}

impl Row {
    /// The state of one side after this row.
    pub fn state(&self, side: Side) -> State {
        match side {
            Side::A => self.state_a,
            Side::B => self.state_b,
        }
    }

    pub(crate) fn set_state(&mut self, side: Side, state: State) {
        match side {
            Side::A => self.state_a = state,
            Side::B => self.state_b = state,
        }
    }
}

/// The round trips that were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTrips {
    /// How many.
    pub samples: u64,
    /// The shortest; none without samples.
    pub min: Option<Duration>,
    /// The longest.
    pub max: Duration,
    sum: Duration,
}

impl RoundTrips {
    pub(crate) fn add(&mut self, round_trip: Duration) {
        self.samples += 1;
        self.min = Some(self.min.map_or(round_trip, |min| min.min(round_trip)));
        self.max = self.max.max(round_trip);
        self.sum = self.sum.saturating_add(round_trip);
    }

    /// Their mean; none without samples.
    pub fn mean(&self) -> Option<Duration> {
        let samples = u128::from(self.samples);
        let mean = self.sum.as_nanos().checked_div(samples)?;
        Some(Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX)))
    }

    /// One of them alone.
    pub fn one(round_trip: Duration) -> RoundTrips {
        let mut round_trips = RoundTrips::default();
        round_trips.add(round_trip);
        round_trips
    }
}

/// What one side did in the whole conversation.
#[derive(Clone, Debug, Default)]
pub struct SideTotals {
    /// Segments sent.
    pub segments: u64,
    /// Payload bytes seen, counted once each however often they were sent.
    pub bytes: u64,
    /// Payload bytes that it must have sent and no frame has: what came behind them is here, or they were acknowledged.
    pub unseen_bytes: u64,
    /// Segments that repeated earlier bytes, SYN or FIN.
    pub resent_segments: u64,
    /// Payload bytes that were sent again.
    pub resent_bytes: u64,
    /// Segments of this side that the emulated link kept from being received: it dropped them, or corrupted them.
    pub lost_segments: u64,
    /// Of these, those that it corrupted, so that the receiver dropped them.
    pub corrupted_segments: u64,
    /// Segments of this side that were still under way when the lab ended.
    pub stopped_segments: u64,
    /// The MSS that this side announced it accepts.
    pub mss: Option<u16>,
    /// The window scale that this side announced.
    pub window_scale: Option<u8>,
    /// The round trips seen from this side: from its segment to the acknowledgement of it.
    pub round_trips: RoundTrips,
    /// Reports of this side that something came twice (D-SACK, RFC 2883).
    pub duplicate_sacks: u64,
    /// The most payload bytes of this side that were in flight at once, where that could be told.
    pub in_flight_max: u32,
    /// How often each flag of the analysis was given to its segments, in the order of [`AnalysisFlags::NAMES`].
    pub analysis: [u32; AnalysisFlags::COUNT],
    /// When this side's first FIN was sent.
    pub fin: Option<Time>,
    /// When this side's first RST was sent.
    pub rst: Option<Time>,
}

/// Who ended the conversation first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosedBy {
    /// The opener.
    A,
    /// The other end.
    B,
    /// Both, before either had heard of the other's FIN.
    Both,
    /// Not ended, or not seen.
    Unknown,
}

/// How the conversation stands at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// FINs both ways, both acknowledged.
    Fin,
    /// A reset by the side in `closed_by`.
    Reset,
    /// The SYN was answered by a reset: nothing listens there.
    Refused,
    /// The SYN was never answered; an ICMP error may tell why.
    Unanswered,
    /// One side has closed, the other has not.
    HalfClosed,
    /// FINs both ways, but the last acknowledgement was not seen.
    Unfinished,
    /// Still open at the end of the capture.
    Open,
}

/// The kinds of finding; the ids are fixed, records and tests use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FindingId {
    /// Segments the link dropped.
    LostOnLink,
    /// Segments sent again.
    Resent,
    /// Segments sent again although they had arrived.
    ResentNeedlessly,
    /// A reset.
    Reset,
    /// A SYN answered by a reset.
    Refused,
    /// A SYN that nobody answered.
    Unanswered,
    /// One side closed, the other went on or never closed.
    HalfClosed,
    /// The capture began when the conversation was already open.
    BeganEarlier,
    /// The side that closed first and so keeps the port.
    TimeWait,
    /// The path said that a packet did not get through.
    PathError,
    /// Frames are earlier than those in front of them.
    TimeBackwards,
    /// A connection of a socket to itself.
    ToItself,
}

/// One fact about a conversation, with the frames that show it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its kind.
    pub id: FindingId,
    /// The fact in plain words, lower case, without a full stop.
    pub text: String,
    /// Frame numbers (the first few; at most 16).
    pub evidence: Vec<u64>,
}

/// A followed TCP conversation.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its number, from 0, in order of appearance.
    pub stream: u64,
    /// The opener's address.
    pub a: SocketAddr,
    /// The other end's address.
    pub b: SocketAddr,
    /// The states before the first row, as far as they can be known at the end.
    pub before: [State; 2],
    /// The states at the end.
    pub state_a: State,
    /// The state of B at the end.
    pub state_b: State,
    /// The rows that were kept, in order of sending.
    pub rows: Vec<Row>,
    /// Rows that were not kept, because of [`Limits::rows`].
    pub rows_left_out: u64,
    /// When the first frame was sent.
    pub first: Time,
    /// When the last one was.
    pub last: Time,
    /// What A sent.
    pub totals_a: SideTotals,
    /// What B sent.
    pub totals_b: SideTotals,
    /// The round trip of the handshake: from the SYN to the segment that answers it, as seen where the capture was made.
    pub handshake_rtt: Option<Duration>,
    /// What the path said about it: ICMP errors.
    pub path_errors: PathErrors,
    /// Which parts of it were captured.
    pub completeness: Completeness,
    /// True when the first SYN was seen, be it only in the ICMP error that it brought about.
    pub saw_opening: bool,
    /// Who closed first.
    pub closed_by: ClosedBy,
    /// How.
    pub closing: Closing,
    /// What is worth telling, most important first.
    pub findings: Vec<Finding>,
}

impl Flow {
    /// True for a connection of a socket to itself: both addresses are the same, and there is one end, which receives
    /// what it sends (RFC 9293 §3.5: a simultaneous open, with itself). All of it counts as A's, each byte once. In a row
    /// the state of A is that after sending, the state of B that after receiving the same segment; at the end they are
    /// the same.
    pub fn is_to_itself(&self) -> bool {
        self.a == self.b
    }

    /// The address of one side.
    pub fn address(&self, side: Side) -> SocketAddr {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }

    /// The state of one side at the end.
    pub fn state(&self, side: Side) -> State {
        match side {
            Side::A => self.state_a,
            Side::B => self.state_b,
        }
    }

    /// What one side sent.
    pub fn totals(&self, side: Side) -> &SideTotals {
        match side {
            Side::A => &self.totals_a,
            Side::B => &self.totals_b,
        }
    }

    pub(crate) fn totals_mut(&mut self, side: Side) -> &mut SideTotals {
        match side {
            Side::A => &mut self.totals_a,
            Side::B => &mut self.totals_b,
        }
    }
}

/// What becomes of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// As many as this are kept of each conversation, for pictures.
    Kept(usize),
    /// None is kept: [`Tracker::next_row`](crate::Tracker::next_row) gives each as soon as it is settled. Who asks for this
    /// must take them.
    HandedOut,
    /// There are none.
    LeftOut,
}

/// Bounds on what a tracker remembers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Conversations followed at once, of TCP and of UDP; the longest idle one makes room.
    pub flows: usize,
    /// What becomes of the rows.
    pub rows: Rows,
    /// Conversations that make room are given by [`Tracker::next_departed`](crate::Tracker::next_departed). Who asks for
    /// this must take them.
    pub departed: bool,
    /// Rows that wait for their receiver to speak before they are handed out, of all conversations together; where there
    /// are more the first goes as it is.
    pub waiting: usize,
    /// Rows kept of all conversations together.
    pub rows_in_all: usize,
    /// Gaps remembered per direction (segments that came out of order).
    pub gaps: usize,
    /// Segments remembered per direction, to tell what a repetition repeats.
    pub segments: usize,
    /// Segments underway to one end at once; more arrive early.
    pub underway: usize,
}

impl Default for Limits {
    /// Less than 256 MiB in all, whatever is captured: a conversation takes 4 to 5 kB while it is followed, and a row 240
    /// bytes.
    fn default() -> Limits {
        Limits {
            flows: 40_000,
            rows: Rows::Kept(2_000),
            departed: false,
            waiting: 4_096,
            rows_in_all: 150_000,
            gaps: 64,
            segments: 256,
            underway: 4_096,
        }
    }
}
