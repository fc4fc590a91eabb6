//! The drawing for a terminal.

use flow::calls::Call;
use flow::{Side, State};
use wire::{Time, visible};

use super::cell;
use super::rows::{Cell, Row, rows};
use crate::columns::cut_middle;
use crate::ladder::{Conversation, Sending, Step, at, is_by_the_other, lane, told_labels};
use crate::line::Line;
use crate::number::since_start;
use crate::palette::Role;
use crate::{Names, Style};

/// The narrowest drawing.
const NARROWEST: usize = 40;
/// From here on calls stand beside the lifelines; below, between them.
const BESIDE: usize = 66;
/// From here on states have columns of their own.
const STATES: usize = 112;
/// The widest: longer arrows are not more readable.
const WIDEST: usize = 168;
/// The longest state, SYN_RECEIVED.
const STATE: usize = 12;

pub(super) fn draw<C: Conversation>(
    conversation: &C,
    calls: &[Call],
    names: &Names,
    style: &Style,
) -> String {
    let rows = rows(conversation, calls, style);
    let first = rows.iter().map(|row| row.time).min().unwrap_or_default();
    let layout = Layout::of(conversation.states().is_some(), &rows, first, style);
    let mut drawing = Drawing {
        calls,
        layout,
        first,
        time: String::new(),
        waiting: [Vec::new(), Vec::new()],
        lines: Vec::new(),
    };
    drawing.heads(names, style);
    if let Some([before, _]) = conversation.states() {
        drawing.states_before(before);
    }
    for row in &rows {
        drawing.row::<C>(conversation, row);
    }
    drawing.waits_still();
    let mut out = String::new();
    drawing.lines.iter().for_each(|line| line.write(&mut out, style));
    out
}

/// Columns from the left, from 0.
struct Layout {
    time: usize,
    /// The calls of A, unless they stand between the lifelines.
    calls: Option<usize>,
    states: bool,
    left: usize,
    lane: usize,
    width: usize,
}

impl Layout {
    fn of<R: Sending>(has_states: bool, rows: &[Row<'_, R>], first: Time, style: &Style) -> Layout {
        let time = rows.iter().map(|row| since_start(row.time.since(first)).len()).max().unwrap_or(0);
        let time = time.max("0.000 ms".len());
        let width = style.width.clamp(NARROWEST, WIDEST);
        if width < BESIDE {
            let left = time + 1;
            return Layout { time, calls: None, states: false, left, lane: width - left - 2, width };
        }
        let states = has_states && width >= STATES;
        let columns_of_states = if states { 2 * (STATE + 1) } else { 0 };
        // A blank or two around each column of calls, and the lifelines.
        let rest = width - (time + 2) - 4 - columns_of_states;
        let calls = rest * 34 / 100;
        let left = time + 2 + calls + 1 + columns_of_states / 2;
        Layout { time, calls: Some(calls), states, left, lane: rest - 2 * calls, width }
    }

    fn right(&self) -> usize {
        self.left + 1 + self.lane
    }

    /// Where the calls of a side begin, and how wide they are.
    fn cells(&self, side: Side) -> (usize, usize) {
        let beside_states = if self.states { STATE + 1 } else { 0 };
        match (self.calls, side) {
            (Some(calls), Side::A) => (self.time + 2, calls),
            (Some(calls), Side::B) => (self.right() + 2 + beside_states, calls),
            (None, _) => (self.left + 2, self.lane.saturating_sub(2)),
        }
    }
}

struct Drawing<'a> {
    calls: &'a [Call],
    layout: Layout,
    first: Time,
    /// What stands in the column of times last.
    time: String,
    /// The calls of each side that wait.
    waiting: [Vec<usize>; 2],
    lines: Vec<Line>,
}

impl Drawing<'_> {
    fn heads(&mut self, names: &Names, style: &Style) {
        let [a, b] = [&names.a, &names.b].map(|name| visible(name, style.ascii));
        let mut line = Line::default();
        line.right_aligned(Role::Frame, "time   ", self.layout.time);
        let (start, _) = self.layout.cells(Side::A);
        match self.layout.calls {
            Some(_) => {
                let (right, columns) = self.layout.cells(Side::B);
                line.pad_to(start).push(Role::Client, &cut_middle(&a, self.layout.left - start - 1));
                line.pad_to(right).push(Role::Server, &cut_middle(&b, columns));
            }
            None => {
                let half = (self.layout.width - self.layout.left) / 2 - 1;
                line.pad_to(self.layout.left).push(Role::Client, &cut_middle(&a, half));
                line.right_aligned(Role::Server, &cut_middle(&b, half), self.layout.width);
            }
        }
        self.lines.push(line);
    }

    fn states_before(&mut self, before: [State; 2]) {
        if self.layout.states {
            let line = self.line("", before.map(Some), &Line::default(), [None, None]);
            self.lines.push(line);
        }
    }

    fn row<C: Conversation>(&mut self, conversation: &C, row: &Row<'_, C::Row>) {
        let cells = [Side::A, Side::B].map(|side| self.cell(side, row.cells[side.index()]));
        let time = self.new_time(row.time);
        let (lanes, states) = self.lanes::<C>(conversation, row.step.as_ref());
        if self.layout.calls.is_none() {
            return self.between(&time, &lanes, row.cells, cells);
        }
        let high = cells.iter().map(Vec::len).max().unwrap_or(0).max(lanes.len()).max(1);
        let nothing = Line::default();
        for place in 0..high {
            let beside = [Side::A, Side::B].map(|side| {
                let waits = self.bar(side, row.cells[side.index()], place);
                cells[side.index()].get(place).cloned().or(waits)
            });
            let states = if place == 0 { states } else { [None; 2] };
            let time = if place == 0 { time.as_str() } else { "" };
            let line = self.line(time, states, lanes.get(place).unwrap_or(&nothing), beside);
            self.lines.push(line);
        }
        self.note(row.cells);
    }

    /// The time, unless it stands above already.
    fn new_time(&mut self, time: Time) -> String {
        let time = since_start(time.since(self.first));
        if self.time == time {
            return String::new();
        }
        self.time.clone_from(&time);
        time
    }

    /// Remembers which calls wait from now on, and which no longer.
    fn note(&mut self, cells: [Option<Cell>; 2]) {
        for (side, cell) in cells.into_iter().enumerate() {
            match cell {
                Some(Cell::Called(place)) if self.calls[place].waited() => self.waiting[side].push(place),
                Some(Cell::Returned(place)) => self.waiting[side].retain(|waits| *waits != place),
                _ => {}
            }
        }
    }

    /// The lines of a side in a row.
    fn cell(&self, side: Side, cell: Option<Cell>) -> Vec<Line> {
        let (_, columns) = self.layout.cells(side);
        match cell {
            None => Vec::new(),
            Some(Cell::Called(place)) => cell::called(&self.calls[place], columns),
            Some(Cell::Returned(place)) => {
                let named = self.waiting[side.index()].len() > 1 || self.layout.calls.is_none();
                cell::returned(&self.calls[place], named, columns)
            }
        }
    }

    /// The dotted lines of the calls that wait, where nothing else stands. Below a call that waits its own begins at once.
    fn bar(&self, side: Side, cell: Option<Cell>, place: usize) -> Option<Line> {
        let returned = |waits: &usize| matches!(cell, Some(Cell::Returned(place)) if place == *waits);
        let waiting = self.waiting[side.index()].iter().filter(|waits| !returned(waits)).count();
        let begins = matches!(cell, Some(Cell::Called(call)) if place > 0 && self.calls[call].waited());
        let bars = waiting + usize::from(begins);
        let mut line = Line::default();
        line.push(Role::Finding, &cell::WAITS.repeat(bars));
        (bars > 0).then_some(line)
    }

    /// What the lane shows: an arrow, or several for what was merged; and the states that it changes.
    fn lanes<C: Conversation>(
        &self,
        conversation: &C,
        step: Option<&Step<'_, C::Row>>,
    ) -> (Vec<Line>, [Option<State>; 2]) {
        let lane = self.layout.lane;
        match step {
            Some(Step::Segment(segment)) => {
                let arrow = lane::arrow(segment, &C::labels(segment, true), lane);
                (vec![arrow], segment.states)
            }
            Some(Step::Merged(merged)) => {
                let sides = [Side::A, Side::B].into_iter().filter_map(|side| {
                    let sent = &merged.sides[at(side)];
                    let labels = C::merged_labels(sent);
                    (sent.data + sent.acks > 0).then(|| lane::merged(side, &labels, lane))
                });
                (sides.collect(), [None; 2])
            }
            Some(Step::Told(error)) => {
                let by_the_other = is_by_the_other(error, conversation.ends());
                (vec![lane::told(error.about, by_the_other, &told_labels(error), lane)], [None; 2])
            }
            Some(Step::LeftOut(segments)) => {
                let mut line = Line::default();
                let words = format!("{} more not kept", crate::number::grouped(*segments));
                line.push(Role::Frame, &cut_middle(&words, lane));
                (vec![line], [None; 2])
            }
            _ => (Vec::new(), [None; 2]),
        }
    }

    /// One line of the drawing.
    fn line(&self, time: &str, states: [Option<State>; 2], lane: &Line, beside: [Option<Line>; 2]) -> Line {
        let layout = &self.layout;
        let [a, b] = beside;
        let mut line = Line::default();
        line.right_aligned(Role::Frame, time, layout.time);
        if layout.calls.is_some()
            && let Some(a) = a
        {
            line.pad_to(layout.cells(Side::A).0).append(&a);
        }
        if let (Some(state), true) = (states[0], layout.states) {
            line.right_aligned(Role::Client, state.name(), layout.left - 1);
        }
        line.pad_to(layout.left).push(Role::Frame, "│").append(lane);
        line.pad_to(layout.right()).push(Role::Frame, "│");
        if let (Some(state), true) = (states[1], layout.states) {
            line.push(Role::Plain, " ").push(Role::Server, state.name());
        }
        if layout.calls.is_some()
            && let Some(b) = b
        {
            line.pad_to(layout.cells(Side::B).0).append(&b);
        }
        line
    }

    /// In a narrow drawing: the calls between the lifelines, A's at the left, B's at the right; then the arrow that they
    /// cause, or below the arrow what it ended.
    fn between(&mut self, time: &str, lanes: &[Line], which: [Option<Cell>; 2], cells: [Vec<Line>; 2]) {
        let mut time = time;
        let is_end = |side: usize| matches!(which[side], Some(Cell::Returned(_)));
        let arrows = lanes.to_vec();
        let mut below = Vec::new();
        let mut above = Vec::new();
        for (side, lines) in cells.into_iter().enumerate() {
            let to = if is_end(side) { &mut below } else { &mut above };
            to.extend(lines.into_iter().map(|line| self.inside(side, &line)));
        }
        for lane in above.into_iter().chain(arrows).chain(below) {
            let line = self.line(std::mem::take(&mut time), [None; 2], &lane, [None, None]);
            self.lines.push(line);
        }
        self.note(which);
    }

    fn inside(&self, side: usize, words: &Line) -> Line {
        let mut line = Line::default();
        let start = if side == 0 { 1 } else { self.layout.lane.saturating_sub(words.columns() + 1) };
        line.pad_to(start).append(words);
        line
    }

    /// What has not returned when everything ends.
    fn waits_still(&mut self) {
        if self.waiting.iter().all(Vec::is_empty) {
            return;
        }
        let still = [Side::A, Side::B].map(|side| {
            let place = *self.waiting[side.index()].last()?;
            let named = self.layout.calls.is_none();
            Some(cell::still(&self.calls[place], named, self.layout.cells(side).1))
        });
        let lane = Line::default();
        match self.layout.calls {
            Some(_) => {
                let line = self.line("", [None; 2], &lane, still);
                self.lines.push(line);
            }
            None => {
                for (side, line) in
                    still.into_iter().enumerate().filter_map(|(side, line)| Some((side, line?)))
                {
                    let inside = self.inside(side, &line);
                    let line = self.line("", [None; 2], &inside, [None, None]);
                    self.lines.push(line);
                }
            }
        }
    }
}
