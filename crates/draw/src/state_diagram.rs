//! The state diagram of TCP (RFC 9293 §3.3.2, figure 5), whole, with the way of both ends of a conversation lit in it:
//! which states each went through, in which order, along which arrows. Under it the same in words, step by step.
//!
//! `a2` marks the second step of the opener, `b0` where the other end began. [`text`] draws it for a terminal, [`svg`] as
//! a picture; both from the table in `layout` and the marks in `trail`.

use flow::path::Step;
use flow::{Flow, Side};
use wire::visible;

use crate::columns::{cut, cut_middle, width};
use crate::line::Line;
use crate::palette::Role;
use crate::{Names, Style};

mod figure;
mod layout;
mod picture;
mod trail;

use trail::Trail;

pub use picture::draw as svg;

/// Steps of one end that are told in words at most; of more the middle is left out.
const TOLD: usize = 24;
/// The narrowest text.
const NARROWEST: usize = 40;

/// Draws the diagram and tells the way of each end under it. The diagram takes 80 columns; where [`Style::width`] is
/// less, only the ways are told, in lines of that width.
pub fn text(flow: &Flow, names: &Names, style: &Style) -> String {
    let trail = Trail::of(flow);
    let mut lines = vec![heads(names, style), Line::default()];
    if style.width < layout::COLUMNS {
        lines[1].push(Role::Frame, "(the diagram itself takes 80 columns)");
    } else {
        lines.extend(figure::figure(&trail));
    }
    lines.push(Line::default());
    for side in [Side::A, Side::B] {
        lines.extend(way(flow, &trail, side, style));
    }
    let mut out = String::new();
    lines.iter().for_each(|line| line.write(&mut out, style));
    out
}

/// The letter that stands for an end in its marks.
fn letter(side: Side) -> &'static str {
    match side {
        Side::A => "a",
        Side::B => "b",
    }
}

/// Who is a, who is b, and what the marks mean.
fn heads(names: &Names, style: &Style) -> Line {
    let total = style.width.max(NARROWEST);
    let key = "a1: its first step; a0: where it began";
    let most = if total < layout::COLUMNS { (total - 10) / 2 } else { 24 };
    let [a, b] = [&names.a, &names.b].map(|name| cut_middle(&visible(name, style.ascii), most));
    let mut line = Line::default();
    line.push(Role::Client, "a").push(Role::Plain, "  ").push(Role::Client, &a).push(Role::Plain, "    ");
    line.push(Role::Server, "b").push(Role::Plain, "  ").push(Role::Server, &b);
    if line.columns() + 4 + key.len() <= total {
        line.push(Role::Plain, "    ").push(Role::Frame, key);
    }
    line
}

/// `a: CLOSED → SYN_SENT (frame 1, sends SYN) → …`, broken between steps only.
fn way(flow: &Flow, trail: &Trail, side: Side, style: &Style) -> Vec<Line> {
    let room = style.width.clamp(NARROWEST, 100) - 3;
    let end = side.index();
    let told = told(&trail.steps[end]).iter().map(|step| cut(step, room)).collect();
    let lines = broken(flow.before[end].name().to_owned(), told, room);
    let mut heads = [format!("{}: ", letter(side))].into_iter();
    let line = |words: &String| {
        let mut line = Line::default();
        line.push(Role::of(side), &heads.next().unwrap_or_default()).pad_to(3).push(Role::Plain, words);
        line
    };
    lines.iter().map(line).collect()
}

/// A line and what follows it, in lines of so many columns, each piece whole.
fn broken(first: String, pieces: Vec<String>, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first;
    for piece in pieces {
        if width(&line) + 1 + width(&piece) > columns {
            lines.push(std::mem::replace(&mut line, piece));
        } else {
            line.push(' ');
            line.push_str(&piece);
        }
    }
    lines.push(line);
    lines
}

/// Each step in words; the middle of very many is counted only.
fn told(steps: &[Step]) -> Vec<String> {
    if steps.is_empty() {
        return vec!["and no other state was seen".to_owned()];
    }
    if steps.len() <= TOLD {
        return steps.iter().map(step_in_words).collect();
    }
    let (first, rest) = steps.split_at(TOLD / 2);
    let (between, last) = rest.split_at(rest.len() - TOLD / 2);
    let mut told: Vec<String> = first.iter().map(step_in_words).collect();
    told.push(format!("→ … {} …", crate::number::count(between.len() as u64, "step")));
    told.extend(last.iter().map(step_in_words));
    told
}

/// `→ SYN_SENT (frame 1, sends SYN)`.
fn step_in_words(step: &Step) -> String {
    let (state, why) = (step.to.name(), step.cause.words());
    match step.frame {
        Some(frame) => format!("→ {state} (frame {frame}, {why})"),
        None => format!("→ {state} ({why})"),
    }
}

#[cfg(test)]
mod tests;
