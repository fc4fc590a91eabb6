//! What both ends said, in turns: a line that tells who speaks, when and how much, and under it the text, or a hex dump
//! where it is none. What is missing, or was said twice with another content, stands in brackets where it belongs.
//!
//! Every line of content has its speaker's sign in front (`▶` the opener, `◀` the other end), so nothing that is said can be
//! taken for a line of ours. A turn is drawn when it is over, or from its first 64 KiB on as it comes: memory stays bounded
//! however long it gets.

use flow::Side;
use flow::reassembly::{Conflict, FIRST, Gap, Item, Missing, Said};
use wire::{Time, visible};

use self::content::{Content, is_text};
use crate::line::Line;
use crate::number::{count, grouped, since_start};
use crate::palette::Role;
use crate::{Names, Style};

mod content;
#[cfg(test)]
mod tests;

/// Bytes of a turn that are waited for, so that its first line can say how many there are.
const TURN: usize = 64 * 1024;

/// How bytes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Each turn as text if it is one, else as a hex dump.
    #[default]
    Auto,
    /// As text, with what is none spelled out.
    Text,
    /// As a hex dump.
    Hex,
}

/// How a transcript is drawn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Text or hex.
    pub form: Form,
    /// With line ends and tabs spelled out.
    pub line_ends: bool,
    /// The terminal.
    pub style: Style,
}

/// The line above a conversation.
pub fn heading(stream: u64, names: &Names, style: &Style) -> String {
    let mut out = String::new();
    let mut line = Line::default();
    line.push(Role::Heading, &format!("conversation {stream}: {} and {}", shown(&names.a), shown(&names.b)));
    line.write(&mut out, style);
    out
}

/// Draws the turns of one conversation as they come.
#[derive(Debug)]
pub struct Transcript {
    names: Names,
    /// The zero of all times.
    start: Time,
    look: Look,
    turn: Option<Turn>,
}

/// What one end says before the other says something.
#[derive(Debug)]
struct Turn {
    from: Side,
    /// The length of a datagram on the wire.
    datagram: Option<u32>,
    /// When its first bytes were captured; none while all of it is missing.
    time: Option<Time>,
    len_bytes: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not drawn yet.
    Waiting(Vec<Part>),
    /// Being drawn.
    Open(Content),
}

/// What stands in a turn.
#[derive(Debug)]
enum Part {
    /// Bytes, with the position of the first.
    Bytes(i64, Vec<u8>),
    /// A line in brackets.
    Note(String),
}

impl Transcript {
    /// Nothing was said yet. Times are told from `start` on.
    pub fn new(names: Names, start: Time, look: Look) -> Transcript {
        Transcript { names, start, look, turn: None }
    }

    /// The next of what a stream hands out; what can be drawn of it is added to `out`.
    pub fn item(&mut self, from: Side, item: &Item<'_>, out: &mut String) {
        match item {
            Item::Data(said) => self.say(from, said, out),
            Item::Gap(gap) => {
                self.turn_to(from, out);
                self.note(&missing(gap), out);
            }
            Item::Late(said) => {
                self.turn_to(from, out);
                self.note(&late(said), out);
                self.say(from, said, out);
                self.note("so far what came late", out);
            }
            Item::Conflict(conflict) => {
                let text = contradicted(conflict, &shown(self.name(from)));
                self.note(&text, out);
            }
        }
    }

    /// A datagram, which is a turn of its own; `len_bytes` is its length on the wire.
    pub fn datagram(&mut self, from: Side, said: &Said<'_>, len_bytes: u32, out: &mut String) {
        self.finish(out);
        self.turn = Some(Turn::new(from, Some(len_bytes)));
        self.say(from, &Said { start: FIRST, ..*said }, out);
        let kept = u32::try_from(said.bytes.len()).unwrap_or(len_bytes);
        if kept < len_bytes {
            let why = Missing::Cut { kept, of: len_bytes };
            let gap = Gap { start: FIRST + i64::from(kept), len_bytes: u64::from(len_bytes - kept), why };
            self.note(&missing(&gap), out);
        }
        self.finish(out);
    }

    /// A line in brackets in the turn of now.
    pub fn note(&mut self, text: &str, out: &mut String) {
        match self.turn.as_mut().map(|turn| &mut turn.state) {
            Some(State::Waiting(parts)) => parts.push(Part::Note(text.to_owned())),
            Some(State::Open(content)) => {
                content.end(out);
                bracketed(text, &self.look.style, out);
            }
            None => bracketed(text, &self.look.style, out),
        }
    }

    /// Draws what is left.
    pub fn finish(&mut self, out: &mut String) {
        let Some(turn) = self.turn.take() else { return };
        let Turn { from, len_bytes, .. } = turn;
        match turn.state {
            State::Open(mut content) => {
                content.end(out);
                bracketed(&format!("{} in this turn", count(len_bytes, "byte")), &self.look.style, out);
            }
            State::Waiting(ref parts) => {
                self.head(&turn, Some(len_bytes), out);
                let mut content = Content::new(from, self.form(parts), &self.look);
                draw(parts, &mut content, &self.look.style, out);
                content.end(out);
            }
        }
    }

    fn say(&mut self, from: Side, said: &Said<'_>, out: &mut String) {
        self.turn_to(from, out);
        let Some(turn) = &mut self.turn else { return };
        turn.time.get_or_insert(said.time);
        turn.len_bytes += said.bytes.len() as u64;
        match &mut turn.state {
            State::Open(content) => content.say(said.start, said.bytes, out),
            State::Waiting(parts) => {
                wait(parts, said);
                if turn.len_bytes > TURN as u64 {
                    self.open(out);
                }
            }
        }
    }

    fn turn_to(&mut self, from: Side, out: &mut String) {
        if self.turn.as_ref().is_none_or(|turn| turn.from != from) {
            self.finish(out);
            self.turn = Some(Turn::new(from, None));
        }
    }

    /// Begins to draw a turn that is too long to wait for its end.
    fn open(&mut self, out: &mut String) {
        let Some(mut turn) = self.turn.take() else { return };
        self.head(&turn, None, out);
        if let State::Waiting(parts) = &turn.state {
            let mut content = Content::new(turn.from, self.form(parts), &self.look);
            draw(parts, &mut content, &self.look.style, out);
            turn.state = State::Open(content);
        }
        self.turn = Some(turn);
    }

    /// `── ▶ client :40712, 0.102 ms, 16 bytes ──────`; a turn that goes on has no number yet.
    fn head(&self, turn: &Turn, len_bytes: Option<u64>, out: &mut String) {
        let role = Role::of(turn.from);
        let mut text = shown(self.name(turn.from));
        if let Some(time) = turn.time {
            text.push_str(&format!(", {}", since_start(time.since(self.start)).trim_end()));
        }
        text.push_str(&match (turn.datagram, len_bytes) {
            (Some(len), _) => format!(", a datagram of {}", count(len.into(), "byte")),
            (None, Some(len)) => format!(", {}", count(len, "byte")),
            (None, None) => format!(", more than {}", count(TURN as u64, "byte")),
        });
        let mut line = Line::default();
        line.push(role, "── ").push(role, sign(turn.from)).push(role, " ").push(role, &text).push(role, " ");
        let rest = self.look.style.width.saturating_sub(line.columns()).max(2);
        line.repeat(role, '─', rest).write(out, &self.look.style);
    }

    fn form(&self, parts: &[Part]) -> Form {
        let bytes = parts.iter().filter_map(|part| match part {
            Part::Bytes(_, bytes) => Some(bytes.as_slice()),
            Part::Note(_) => None,
        });
        match self.look.form {
            Form::Auto if is_text(bytes) => Form::Text,
            Form::Auto => Form::Hex,
            chosen => chosen,
        }
    }

    fn name(&self, side: Side) -> &str {
        match side {
            Side::A => &self.names.a,
            Side::B => &self.names.b,
        }
    }
}

impl Turn {
    fn new(from: Side, datagram: Option<u32>) -> Turn {
        Turn { from, datagram, time: None, len_bytes: 0, state: State::Waiting(Vec::new()) }
    }
}

/// Adds bytes to those that wait, to the last ones where they join on.
fn wait(parts: &mut Vec<Part>, said: &Said<'_>) {
    if let Some(Part::Bytes(start, bytes)) = parts.last_mut()
        && *start + i64::try_from(bytes.len()).unwrap_or(i64::MAX) == said.start
    {
        return bytes.extend_from_slice(said.bytes);
    }
    parts.push(Part::Bytes(said.start, said.bytes.to_vec()));
}

fn draw(parts: &[Part], content: &mut Content, style: &Style, out: &mut String) {
    for part in parts {
        match part {
            Part::Bytes(start, bytes) => content.say(*start, bytes, out),
            Part::Note(text) => {
                content.end(out);
                bracketed(text, style, out);
            }
        }
    }
}

fn bracketed(text: &str, style: &Style, out: &mut String) {
    let mut line = Line::default();
    line.push(Role::Finding, &format!("[{text}]")).write(out, style);
}

fn sign(side: Side) -> &'static str {
    match side {
        Side::A => "▶",
        Side::B => "◀",
    }
}

fn shown(name: &str) -> String {
    visible(name, false).into_owned()
}

fn missing(gap: &Gap) -> String {
    let len = count(gap.len_bytes, "byte");
    match gap.why {
        Missing::NeverSeen => format!("{len} never seen in this capture"),
        Missing::Cut { kept, of } => {
            format!("… cut by the capture: {} of {} kept", grouped(kept.into()), count(of.into(), "byte"))
        }
        Missing::TooLate => format!("{len} not seen before there was too much behind them"),
    }
}

fn late(said: &Said<'_>) -> String {
    let where_to = positions(said.start, said.bytes.len() as u64);
    format!("late, in frame {}: {where_to}, missing above", said.frame)
}

fn contradicted(conflict: &Conflict, name: &str) -> String {
    let Conflict { first, again, .. } = conflict;
    let of = positions(conflict.start, conflict.len_bytes);
    format!(
        "{name} sends {of} of frame {first} again in frame {again}, with another content; the first is shown"
    )
}

/// `byte 4`, `bytes 4–6`, counted from 1.
fn positions(start: i64, len_bytes: u64) -> String {
    let first = u64::try_from(start).unwrap_or(0);
    match len_bytes {
        0 | 1 => format!("byte {}", grouped(first)),
        more => format!("bytes {}–{}", grouped(first), grouped(first.saturating_add(more - 1))),
    }
}
