//! What is worth a line, in the order of sending. A turn is all data of one side until the other side sends data;
//! pauses, full buffers, repetitions after a silence, closing and resets stand between the turns.

use std::time::Duration;

use flow::{Flow, Resent, Row, Side};
use wire::Time;
use wire::tcp::TcpFlags;

use super::{closing, opening};
use crate::ladder::{is_at_once, is_lost, is_rto};
use crate::number::{count, duration, size_in_words};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody sends data.
    Turn,
    /// Nobody sends anything.
    Silence,
    /// Something is sent again after a silence.
    Repetition,
    /// A full buffer, a reset.
    Trouble,
    /// Opening and closing, and whatever else.
    Event,
}

/// One entry of the story.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// When it begins; none for what is told of a time between.
    pub(super) time: Option<Time>,
    pub(super) kind: Kind,
    /// Bytes that A and B sent in it, repetitions not counted.
    pub(super) bytes: [u64; 2],
    pub(super) words: String,
}

impl Entry {
    pub(super) fn at(time: Time, kind: Kind, words: String) -> Entry {
        Entry { time: Some(time), kind, bytes: [0, 0], words }
    }

    pub(super) fn untimed(kind: Kind, words: String) -> Entry {
        Entry { time: None, kind, bytes: [0, 0], words }
    }
}

/// The whole story, without the verdict.
pub(super) fn entries(flow: &Flow, names: &[String; 2]) -> Vec<Entry> {
    let mut teller = Teller {
        flow,
        names,
        pause: shortest_pause(flow),
        entries: opening::entries(flow, names).into_iter().collect(),
        turn: None,
        ended: None,
        last: None,
        highest: [None; 2],
        full: [None; 2],
        closing: closing::Closes::default(),
    };
    for (index, row) in flow.rows.iter().enumerate() {
        teller.row(index, row);
    }
    teller.end_turn();
    if flow.rows_left_out > 0 {
        let words = format!("{} not kept", count(flow.rows_left_out, "more segment"));
        teller.entries.push(Entry::untimed(Kind::Silence, words));
    }
    teller.entries
}

/// From here on a pause has a line of its own, and ends a turn: no acknowledgement is delayed longer (RFC 9293 §3.8.6.3
/// would have 500 ms).
const LONG: Duration = Duration::from_millis(200);

/// Ten round trips are a pause that a repetition may follow; but nothing below 10 ms, which a busy machine takes, and
/// everything that is long.
fn shortest_pause(flow: &Flow) -> Duration {
    let round_trips = [flow.handshake_rtt, flow.totals_a.round_trips.min, flow.totals_b.round_trips.min];
    let round_trip = round_trips.into_iter().flatten().min().unwrap_or(Duration::MAX);
    round_trip.saturating_mul(10).clamp(Duration::from_millis(10), LONG)
}

/// Data of one side in a row.
#[derive(Clone, Debug)]
struct Turn {
    side: Side,
    start: Time,
    last: Time,
    bytes: u64,
    segments: u64,
    lost: u64,
    resent: u64,
    asked_for: u64,
    /// Sent again sooner than any timer does.
    at_once: u64,
    /// Since the turn before, where that is worth telling.
    after: Option<Duration>,
    /// The same side had the turn before.
    goes_on: bool,
}

struct Teller<'a> {
    flow: &'a Flow,
    names: &'a [String; 2],
    pause: Duration,
    entries: Vec<Entry>,
    turn: Option<Turn>,
    /// Whose the last turn was, and when its last data was sent.
    ended: Option<(Side, Time)>,
    /// When the last row was sent.
    last: Option<Time>,
    /// Behind the highest byte that each side sent.
    highest: [Option<u32>; 2],
    /// Since when each side's buffer is full.
    full: [Option<Time>; 2],
    closing: closing::Closes,
}

impl Teller<'_> {
    fn row(&mut self, index: usize, row: &Row) {
        let silence = self.last.map(|last| row.time.since(last)).filter(|gap| *gap >= self.pause);
        self.last = self.last.max(Some(row.time));
        // The opening has been told.
        let opens = opening::tells(self.flow, row);
        if let Some(silence) = silence.filter(|_| !opens) {
            self.silence(index, row, silence);
        }
        self.buffer(row);
        if silence.is_some() && self.is_probe(row) {
            self.probe(row);
        } else if row.len_bytes > 0 && !row.flags.has(TcpFlags::RST) {
            self.data(row, silence);
        }
        self.note_highest(row);
        if !opens && row.flags.has_any(TcpFlags::RST | TcpFlags::FIN) {
            self.end_turn();
            self.closing.take(self.flow, self.names, index, row, &mut self.entries);
        }
    }

    /// Nobody sent anything for so long, until this row.
    fn silence(&mut self, index: usize, row: &Row, silence: Duration) {
        let again = row.resent.as_ref().filter(|resent| !resent.asked_for);
        let words = format!("{} of silence", duration(silence));
        match again {
            Some(resent) => {
                self.end_turn();
                let why = self.repetition(index, row, resent);
                self.entries.push(Entry::untimed(Kind::Repetition, format!("{words}: {why}")));
            }
            None if silence >= LONG => {
                self.end_turn();
                self.entries.push(Entry::untimed(Kind::Silence, words));
            }
            // A short one belongs to its turn.
            None => {}
        }
    }

    /// `client's 16 bytes (frame 7) were lost; sent again after a timer of 204 ms`.
    fn repetition(&self, index: usize, row: &Row, resent: &Resent) -> String {
        let name = &self.names[row.from.index()];
        let (what, many) = match row {
            row if row.flags.has(TcpFlags::SYN) => ("SYN".to_owned(), false),
            row if row.len_bytes > 0 => (size_in_words(row.len_bytes.into()), row.len_bytes > 1),
            _ => ("FIN".to_owned(), false),
        };
        let frame = resent.of.map(|frame| format!(" (frame {frame})")).unwrap_or_default();
        let verb = if many { "were" } else { "was" };
        let before = self.flow.rows.get(..index).unwrap_or_default();
        let original = before.iter().rfind(|earlier| Some(earlier.frame) == resent.of);
        let fate = match original {
            Some(original) if is_lost(original) => format!("{verb} lost on the link"),
            _ if resent.needless => "had arrived".to_owned(),
            _ => format!("{verb} not acknowledged"),
        };
        let needlessly = if resent.needless { " needlessly" } else { "" };
        let timer = match resent.after {
            after if after.is_zero() => "by a timer".to_owned(),
            after if is_rto(self.flow, after) => format!("after a timer of {}", duration(after)),
            after => format!("by a timer {} later", duration(after)),
        };
        format!("{name}'s {what}{frame} {fate}; sent again{needlessly} {timer}")
    }

    /// A window of zero, and its end.
    fn buffer(&mut self, row: &Row) {
        if row.flags.has_any(TcpFlags::SYN | TcpFlags::RST) {
            return;
        }
        let (side, other) = (row.from.index(), row.from.other().index());
        let (name, peer) = (&self.names[side], &self.names[other]);
        let words = match (row.window_bytes, self.full[side]) {
            (0, None) => {
                self.full[side] = Some(row.time);
                format!("{name}'s receive buffer is full (frame {}): {peer} has to wait", row.frame)
            }
            (1.., Some(since)) => {
                self.full[side] = None;
                format!("{name} has room again after {}", duration(row.time.since(since)))
            }
            _ => return,
        };
        self.end_turn();
        self.entries.push(Entry::at(row.time, Kind::Trouble, words));
    }

    fn data(&mut self, row: &Row, silence: Option<Duration>) {
        let side = row.from;
        // It has been told with the silence before it.
        let told = silence.is_some() && row.resent.as_ref().is_some_and(|resent| !resent.asked_for);
        let fresh = self.fresh_bytes(row);
        if told && fresh == 0 {
            self.ended = Some((side, row.time));
            return;
        }
        if self.turn.as_ref().is_some_and(|turn| turn.side != side) {
            self.end_turn();
        }
        let after = self.ended.filter(|ended| ended.0 != side);
        let after = after.filter(|ended| !told && silence < Some(LONG) && ended.1 <= row.time);
        let after = after.map(|ended| row.time.since(ended.1));
        let goes_on = self.ended.is_some_and(|ended| ended.0 == side);
        let turn = self.turn.get_or_insert(Turn {
            side,
            start: row.time,
            last: row.time,
            bytes: 0,
            segments: 0,
            lost: 0,
            resent: 0,
            asked_for: 0,
            at_once: 0,
            after,
            goes_on,
        });
        turn.count(row, fresh);
    }

    fn probe(&mut self, row: &Row) {
        let [name, peer] = [row.from, row.from.other()].map(|side| &self.names[side.index()]);
        // Into a closed window it asks for room (RFC 9293 §3.8.6.1), else for a sign of life (§3.8.4).
        let asked = match self.full[row.from.other().index()] {
            Some(_) => "has room now",
            None => "is still there",
        };
        let words = format!("{name} asks whether {peer} {asked} (frame {})", row.frame);
        self.end_turn();
        self.entries.push(Entry::at(row.time, Kind::Event, words));
    }

    /// A byte, or none, just below what was sent: a question to the other end.
    fn is_probe(&self, row: &Row) -> bool {
        let highest = self.highest[row.from.index()];
        let below = highest.is_some_and(|highest| row.seq == highest.wrapping_sub(1));
        let marked = row.flags.has_any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST);
        row.len_bytes <= 1 && below && row.resent.is_none() && !marked
    }

    /// Bytes of this row that had not been sent before. What comes late is new, though it is not the highest.
    fn fresh_bytes(&self, row: &Row) -> u64 {
        let len = row.len_bytes;
        let Some(highest) = self.highest[row.from.index()] else { return len.into() };
        let above = behind(row).wrapping_sub(highest).cast_signed().max(0).cast_unsigned();
        if row.resent.is_some() { above.min(len).into() } else { len.into() }
    }

    fn note_highest(&mut self, row: &Row) {
        if row.flags.has(TcpFlags::RST) {
            return;
        }
        let highest = &mut self.highest[row.from.index()];
        let end = behind(row);
        if highest.is_none_or(|highest| end.wrapping_sub(highest).cast_signed() > 0) {
            *highest = Some(end);
        }
    }

    fn end_turn(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        self.ended = Some((turn.side, turn.last));
        let mut entry = Entry::at(turn.start, Kind::Turn, turn.words(&self.names[turn.side.index()]));
        entry.bytes[turn.side.index()] = turn.bytes;
        self.entries.push(entry);
    }
}

/// Behind the last byte of a row.
fn behind(row: &Row) -> u32 {
    row.seq.wrapping_add(row.len_bytes).wrapping_add(u32::from(row.flags.has(TcpFlags::SYN)))
}

impl Turn {
    /// Takes a segment in that brings so many bytes which had not been sent before.
    fn count(&mut self, row: &Row, fresh: u64) {
        let segments = row.passage.as_ref().map_or(1, |passage| u64::from(passage.segments.max(1)));
        self.last = self.last.max(row.time);
        self.bytes = self.bytes.saturating_add(fresh);
        match &row.resent {
            Some(resent) => {
                self.resent += segments;
                self.asked_for += if resent.asked_for { segments } else { 0 };
                self.at_once += if is_at_once(row) { segments } else { 0 };
            }
            None => self.segments += segments,
        }
        self.lost += if is_lost(row) { segments } else { 0 };
    }

    /// `client sends 441 KiB in 312 segments within 12.3 ms, 37 µs later; 3 segments sent again`.
    fn words(&self, name: &str) -> String {
        let another = if self.goes_on { "another " } else { "" };
        let mut words = match (self.bytes, self.resent) {
            (0, 1..) => format!("{name} sends {} again{}", count(self.resent, "segment"), self.reason()),
            (bytes, _) => format!("{name} sends {another}{}", size_in_words(bytes)),
        };
        let span = self.last.since(self.start);
        if self.segments > 1 {
            words.push_str(&format!(" in {}", count(self.segments, "segment")));
        }
        if self.segments + self.resent > 1 && !span.is_zero() {
            words.push_str(&format!(" within {}", duration(span)));
        }
        if let Some(after) = self.after {
            words.push_str(&format!(", {} later", duration(after)));
        }
        match self.lost {
            0 => {}
            lost if lost == self.segments + self.resent => words.push_str(", lost on the link"),
            lost => words.push_str(&format!("; {} lost on the link", count(lost, "segment"))),
        }
        if self.resent > 0 && self.bytes > 0 {
            words.push_str(&format!("; {} sent again{}", count(self.resent, "segment"), self.reason()));
        }
        words
    }

    /// Why segments were sent again.
    fn reason(&self) -> &'static str {
        match self.asked_for {
            _ if self.at_once == self.resent => " at once",
            _ if self.at_once > 0 => "",
            0 => " by a timer",
            asked if asked == self.resent => " because acknowledgements asked for it",
            _ => ", partly because acknowledgements asked for it, partly by a timer",
        }
    }
}
