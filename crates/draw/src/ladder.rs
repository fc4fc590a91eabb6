//! The ladder: two lifelines, time running down, an arrow for each segment, datagram or ICMP error, and the states of
//! both ends where they change. [`text`] and [`datagrams`] draw it for a terminal of any width, [`svg`] and
//! [`svg_of_datagrams`] as a picture; all draw the same steps of a `Conversation`.

use flow::{DatagramFlow, Flow, PathError, Phase, Side, State};

use crate::columns::{cut, cut_middle, width as columns};
use crate::line::Line;
use crate::number::Times;
use crate::palette::Role;
use crate::{Names, Style};
use wire::{Time, visible};

mod conversation;
mod datagrams;
mod label;
pub(crate) mod lane;
mod layout;
mod remark;
mod steps;

pub(crate) use conversation::{Conversation, Sending};
pub(crate) use label::{AGAIN, fitting};
pub(crate) use remark::{
    Remark, STOPPED, asked_by_sack, is_at_once, is_by_the_other, is_rto, merged_remark, told_labels,
    told_remark,
};
pub(crate) use steps::{
    Merged, Part, Programs, Segment, Step, at, fate, is_lost, is_received, steps, steps_beside,
};

pub use crate::svg::{
    draw as svg, draw_datagrams as svg_of_datagrams, draw_datagrams_since as svg_of_datagrams_since,
    draw_since as svg_since,
};
use layout::{Flight, Layout, layout};

/// Draws the conversation; each line is at most [`Style::width`] columns wide and ends in a newline. Times count from its
/// first frame.
pub fn text(flow: &Flow, names: &Names, style: &Style) -> String {
    text_since(flow.first, flow, names, style)
}

/// The same with times that count from `start`, the first frame of a capture of several conversations.
pub fn text_since(start: Time, flow: &Flow, names: &Names, style: &Style) -> String {
    draw(flow, names, style, start)
}

/// The same for a conversation of datagrams, which knows no states.
pub fn datagrams(flow: &DatagramFlow, names: &Names, style: &Style) -> String {
    datagrams_since(flow.first, flow, names, style)
}

/// The same with times that count from `start`.
pub fn datagrams_since(start: Time, flow: &DatagramFlow, names: &Names, style: &Style) -> String {
    draw(flow, names, style, start)
}

fn draw<C: Conversation>(conversation: &C, names: &Names, style: &Style, start: Time) -> String {
    let steps = steps(conversation, style);
    let times = Times::new(start, conversation.first());
    let drawing = Drawing { conversation, style, times, layout: layout(conversation, &steps, times, style) };
    let mut lines = vec![drawing.heads(names)];
    lines.extend(conversation.states().and_then(|[before, _]| drawing.states_alone(before.map(Some))));
    for step in &steps {
        drawing.step(step, &mut lines);
    }
    let mut out = String::new();
    lines.iter().for_each(|line| line.write(&mut out, style));
    out
}

/// The word for a phase.
pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Opening => "opening",
        Phase::Data => "data",
        Phase::Closing => "closing",
    }
}

struct Drawing<'a, C> {
    conversation: &'a C,
    style: &'a Style,
    times: Times,
    layout: Layout,
}

impl<C: Conversation> Drawing<'_, C> {
    fn step(&self, step: &Step<'_, C::Row>, lines: &mut Vec<Line>) {
        match step {
            Step::Phase(phase) => lines.push(self.rule(phase_word(*phase))),
            Step::Segment(segment) => self.segment(segment, lines),
            Step::Merged(merged) => self.merged(merged, lines),
            Step::Told(error) => self.told(error, lines),
            Step::States(states) => {
                lines.push(self.rule("end"));
                lines.extend(self.states_alone(*states));
            }
            Step::LeftOut(segments) => lines.push(self.rule(&self.left_out(*segments))),
        }
    }

    fn left_out(&self, segments: u64) -> String {
        let long = format!("{} not kept", crate::number::count(segments, &format!("more {}", C::ONE)));
        match columns(&long) + "──  ".chars().count() <= self.layout.lane {
            true => long,
            false => format!("{} more not kept", crate::number::grouped(segments)),
        }
    }

    /// The names above the lifelines and the heads of the columns.
    fn heads(&self, names: &Names) -> Line {
        let Layout { left, lane, width: total, .. } = self.layout;
        let right = self.layout.right();
        let [a, b] = [&names.a, &names.b].map(|name| visible(name, self.style.ascii));
        let middle = left + 1 + lane / 2;
        let end = self.layout.window.map_or(total, |window| window - "window".len() - 1);
        let (a, b) = (cut_middle(&a, middle - 1), cut_middle(&b, end - middle - 1));
        let start_a = left.saturating_sub(columns(&a) / 2).min(middle - 1 - columns(&a));
        let start_b = right.saturating_sub(columns(&b) / 2).clamp(middle + 1, end - columns(&b));
        let mut line = Line::default();
        if start_a > self.layout.time + 1 {
            line.right_aligned(Role::Frame, "time   ", self.layout.time);
        }
        line.pad_to(start_a).push(Role::Client, &a);
        line.pad_to(start_b).push(Role::Server, &b);
        self.column_heads(&mut line);
        line
    }

    fn column_heads(&self, line: &mut Line) {
        if let Some(window) = self.layout.window {
            line.right_aligned(Role::Frame, "window", window);
        }
        if let Some(flight) = self.layout.flight {
            line.right_aligned(Role::Frame, "in flight", flight.number);
        }
    }

    /// `── opening ──────┼──────────┼──────`.
    fn rule(&self, word: &str) -> Line {
        let Layout { left, lane, width, .. } = self.layout;
        let mut line = Line::default();
        let words = format!("── {word} ");
        // The words may not hide the lifeline: where they do not fit left of it, they stand between the two.
        if columns(&words) > left {
            line.repeat(Role::Frame, '─', left).push(Role::Frame, "┼").push(Role::Frame, &cut(&words, lane));
        } else {
            line.push(Role::Frame, &words)
                .repeat(Role::Frame, '─', left - columns(&words))
                .push(Role::Frame, "┼");
        }
        let right = left + 1 + lane;
        line.repeat(Role::Frame, '─', right.saturating_sub(line.columns())).push(Role::Frame, "┼");
        line.repeat(Role::Frame, '─', width.saturating_sub(line.columns()));
        line
    }

    fn segment(&self, segment: &Segment<'_, C::Row>, lines: &mut Vec<Line>) {
        let labels = C::labels(segment, self.layout.window.is_none());
        let arrow = lane::arrow(segment, &labels, self.layout.lane);
        let remark = self.conversation.remark(segment);
        let time = self.time(segment.written_time());
        let mut line = self.lifelines(&time, segment.states[0], &arrow);
        if self.layout.beside.is_none() {
            lines.push(line);
            self.under_the_arrow(segment.states, remark.as_ref(), lines);
            return;
        }
        let remark = remark.or_else(|| self.conversation.aside(segment));
        self.beside(&mut line, segment.states[1], remark.as_ref());
        if segment.part != Part::Arrival {
            self.numbers(&mut line, segment);
        }
        self.remark_column(&mut line, remark.as_ref());
        lines.push(line);
    }

    /// An ICMP error, as an arrow to the end that it reached.
    fn told(&self, error: &PathError, lines: &mut Vec<Line>) {
        let by_the_other = is_by_the_other(error, self.conversation.ends());
        let arrow = lane::told(error.about, by_the_other, &told_labels(error), self.layout.lane);
        let remark = told_remark(error, by_the_other);
        let mut line = self.lifelines(&self.time(error.time), None, &arrow);
        if self.layout.beside.is_none() {
            lines.push(line);
            self.under_the_arrow([None; 2], remark.as_ref(), lines);
            return;
        }
        self.beside(&mut line, None, remark.as_ref());
        self.remark_column(&mut line, remark.as_ref());
        lines.push(line);
    }

    fn time(&self, time: Time) -> String {
        self.times.text(time)
    }

    /// Time, A's state, and the lane between the lifelines.
    fn lifelines(&self, time: &str, state_a: Option<State>, lane: &Line) -> Line {
        let mut line = Line::default();
        line.right_aligned(Role::Frame, time, self.layout.time);
        if let (Some(state), Some(_)) = (state_a, self.layout.beside) {
            line.right_aligned(Role::Client, layout::state(state), self.layout.left - 1);
        }
        line.pad_to(self.layout.left).push(Role::Frame, "│");
        line.append(lane).pad_to(self.layout.right()).push(Role::Frame, "│");
        line
    }

    /// B's state, then as much of the remark as fits, unless it has a column of its own.
    fn beside(&self, line: &mut Line, state_b: Option<State>, remark: Option<&Remark>) {
        let Some(beside) = self.layout.beside else { return };
        let end = line.columns() + 1 + beside;
        let mut gap = 1;
        if let Some(state) = state_b {
            line.push(Role::Plain, " ").push(Role::Server, layout::state(state));
            gap = 2;
        }
        if self.layout.remark.is_some() {
            return;
        }
        let room = end.saturating_sub(line.columns() + gap);
        if let Some(remark) = remark {
            let form =
                if gap == 1 { Some(remark.cut(room)) } else { remark.fitting(room).map(str::to_owned) };
            if let Some(form) = form {
                line.repeat(Role::Plain, ' ', gap).push(remark.role, &form);
            }
        }
    }

    /// The window and the bytes in flight of the sender.
    fn numbers(&self, line: &mut Line, segment: &Segment<'_, C::Row>) {
        let Some((window_bytes, in_flight_bytes)) = segment.row.numbers() else { return };
        if let Some(window) = self.layout.window {
            let role = if window_bytes == 0 { Role::Finding } else { Role::Frame };
            line.right_aligned(role, &layout::number(window_bytes), window);
        }
        if let (Some(flight), Some(bytes @ 1..)) = (self.layout.flight, in_flight_bytes) {
            line.right_aligned(Role::Plain, &layout::number(bytes), flight.number);
            line.pad_to(flight.bar).push(Role::of(segment.row.from()), &bar(bytes, flight));
        }
    }

    fn remark_column(&self, line: &mut Line, remark: Option<&Remark>) {
        if let (Some(column), Some(remark)) = (self.layout.remark, remark) {
            let room = self.layout.width.saturating_sub(column);
            line.pad_to(column).push(remark.role, &remark.cut(room));
        }
    }

    /// In a narrow drawing: the new states inside the lane, and the remark between or under them.
    fn under_the_arrow(&self, states: [Option<State>; 2], remark: Option<&Remark>, lines: &mut Vec<Line>) {
        if states == [None; 2] && remark.is_none() {
            return;
        }
        let [a, b] = states.map(|state| state.map_or("", layout::state));
        let room = self.layout.lane.saturating_sub(columns(a) + columns(b) + 6);
        let between = remark.and_then(|remark| Some((remark.role, remark.fitting(room)?)));
        if states != [None; 2] || between.is_some() {
            lines.push(self.inside([a, b], between));
        }
        if let (Some(remark), None) = (remark, between) {
            let form = remark.cut(self.layout.lane.saturating_sub(2));
            lines.push(self.inside(["", ""], Some((remark.role, &form))));
        }
    }

    /// A line of words between the lifelines: at both edges and in the middle.
    fn inside(&self, [a, b]: [&str; 2], middle: Option<(Role, &str)>) -> Line {
        let lane = self.layout.lane;
        let mut line = Line::default();
        if !a.is_empty() {
            line.push(Role::Plain, " ").push(Role::Client, a);
        }
        if let Some((role, words)) = middle {
            let centred = lane.saturating_sub(columns(words)) / 2;
            let latest = lane.saturating_sub(columns(b) + 3 + columns(words));
            line.pad_to(centred.min(latest).max(line.columns() + 2)).push(role, words);
        }
        if !b.is_empty() {
            line.right_aligned(Role::Server, b, lane.saturating_sub(1));
        }
        self.lifelines("", None, &line)
    }

    /// A line with nothing but states.
    fn states_alone(&self, states: [Option<State>; 2]) -> Option<Line> {
        if states == [None; 2] {
            return None;
        }
        if self.layout.beside.is_none() {
            return Some(self.inside(states.map(|state| state.map_or("", layout::state)), None));
        }
        let mut line = self.lifelines("", states[0], &Line::default());
        self.beside(&mut line, states[1], None);
        Some(line)
    }

    /// One line for each side that sent something.
    fn merged(&self, merged: &Merged, lines: &mut Vec<Line>) {
        let remark = merged_remark(merged);
        let mut time = self.time(merged.time);
        let mut first = true;
        for side in [Side::A, Side::B] {
            let sent = &merged.sides[at(side)];
            if sent.data + sent.acks == 0 {
                continue;
            }
            let arrow = lane::merged(side, &C::merged_labels(sent), self.layout.lane);
            let mut line = self.lifelines(&std::mem::take(&mut time), None, &arrow);
            let remark = remark.as_ref().filter(|_| std::mem::take(&mut first));
            if self.layout.beside.is_none() {
                lines.push(line);
                self.under_the_arrow([None; 2], remark, lines);
                continue;
            }
            self.beside(&mut line, None, remark);
            self.remark_column(&mut line, remark);
            lines.push(line);
        }
    }
}

/// A bar in eighths of a column; anything above zero is visible.
fn bar(bytes: u32, flight: Flight) -> String {
    let eighths = u64::from(bytes) * flight.columns as u64 * 8 / u64::from(flight.full.max(1));
    let eighths = (eighths as usize).clamp(1, flight.columns * 8);
    let mut bar = "█".repeat(eighths / 8);
    bar.extend(['▏', '▎', '▍', '▌', '▋', '▊', '▉'].get((eighths % 8).wrapping_sub(1)));
    bar
}

#[cfg(test)]
mod tests;
