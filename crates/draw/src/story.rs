//! A conversation told in prose, a line for each turn: who said how much when, what was lost and sent again, where
//! nobody spoke, who closed; at its end the verdict.
//!
//! `turns` listens to the rows and notes what is worth a line; here the lines are chosen and written.

use flow::{Flow, Side};
use wire::{Time, visible};

use crate::columns::wrap;
use crate::line::Line;
use crate::number::{Times, count, size};
use crate::palette::Role;
use crate::{Names, Style, verdict};

mod closing;
mod opening;
mod turns;

use turns::{Entry, Kind};

/// Lines that a story has at most when not everything is asked for.
pub const LINES: usize = 40;
/// Where the words begin at least; the times stand before.
const WORDS: usize = 12;
/// Before the times, and between them and the words.
const GAP: usize = 2;
/// The narrowest and the widest text.
const COLUMNS: (usize, usize) = (40, 100);

/// Tells the conversation in lines of [`Style::width`] columns at most. Of more than `most` turns the first and the last
/// are told, and how many lie between. Times count from `start`, the first frame of the capture.
pub fn text(start: Time, flow: &Flow, names: &Names, style: &Style, most: usize) -> String {
    let times = Times::new(start, flow.first);
    let subjects = [names.subject_a(), names.subject_b()].map(|name| visible(name, style.ascii).into_owned());
    let entries = shortened(turns::entries(flow, &subjects), most.max(2), &subjects);
    let longest = entries.iter().filter_map(|entry| entry.time).map(|time| times.text(time).len()).max();
    let column = longest.map_or(WORDS, |longest| WORDS.max(GAP + longest + GAP));
    let mut out = String::new();
    for entry in &entries {
        lines(entry, (times, column), &subjects, style).iter().for_each(|line| line.write(&mut out, style));
    }
    if !entries.is_empty() {
        out.push('\n');
    }
    out + &verdict::wrapped(flow, names, style)
}

/// The first two thirds and the last third of so many entries, and between them one for the rest.
fn shortened(mut entries: Vec<Entry>, most: usize, names: &[String; 2]) -> Vec<Entry> {
    if entries.len() <= most {
        return entries;
    }
    let first = (most * 2).div_ceil(3);
    let last = most - first;
    let between: Vec<Entry> = entries.drain(first..entries.len() - last).collect();
    entries.insert(first, left_out(&between, names));
    entries
}

/// `1,234 turns more: client 19.8 KiB, server 20.1 KiB; among them 3 pauses`.
fn left_out(between: &[Entry], [a, b]: &[String; 2]) -> Entry {
    let of = |kind: Kind| between.iter().filter(|entry| entry.kind == kind).count() as u64;
    let sum = |side: usize| between.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.bytes[side]));
    let mut words =
        format!("{} more: {a} {}, {b} {}", count(of(Kind::Turn), "turn"), size(sum(0)), size(sum(1)));
    let kinds = [(Kind::Silence, "pause"), (Kind::Repetition, "repetition"), (Kind::Event, "other event")];
    let others = kinds.map(|(kind, name)| (of(kind), name)).into_iter().filter(|(number, _)| *number > 0);
    let others: Vec<String> = others.map(|(number, name)| count(number, name)).collect();
    if !others.is_empty() {
        words.push_str(&format!("; between them {}", others.join(", ")));
    }
    Entry::untimed(Kind::Silence, words)
}

/// The time, or `…`, and the words beside it in their column.
fn lines(entry: &Entry, (times, column): (Times, usize), names: &[String; 2], style: &Style) -> Vec<Line> {
    let width = style.width.clamp(COLUMNS.0, COLUMNS.1);
    let role = match entry.kind {
        Kind::Silence => Role::Frame,
        Kind::Repetition | Kind::Trouble => Role::Finding,
        Kind::Turn | Kind::Event => Role::Plain,
    };
    let mut lines = Vec::new();
    for words in wrap(&entry.words, width - column) {
        let mut line = Line::default();
        if lines.is_empty() {
            let time = entry.time.map(|time| times.text(time));
            line.right_aligned(Role::Frame, &time.unwrap_or_else(|| "…   ".to_owned()), column - GAP);
        }
        line.pad_to(column);
        let named = [Side::A, Side::B].into_iter().find_map(|side| {
            let name = names[side.index()].as_str();
            let rest = words.strip_prefix(name).filter(|_| lines.is_empty() && !name.is_empty())?;
            Some((side, name, rest))
        });
        match named {
            Some((side, name, rest)) => line.push(Role::of(side), name).push(role, rest),
            None => line.push(role, &words),
        };
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests;
