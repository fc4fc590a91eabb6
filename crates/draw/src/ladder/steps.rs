//! What is drawn, in which order: every sending, every ICMP error, and where it matters, every arrival by itself, so
//! that the order of events at *both* ends is true from top to bottom; phases; and long runs of alike steps merged into
//! one.
//!
//! A segment takes one step when nothing happened at its receiver between sending and arrival. Otherwise it takes two:
//! it departs, and it arrives further down, after what its receiver did in the meantime.

use std::iter::Peekable;
use std::ops::Range;

use flow::{PathError, Phase, Side, State};
use wire::{Fate, Time};

use super::conversation::{Conversation, Sending};
use crate::Style;

/// One thing to draw.
#[derive(Clone, Debug)]
pub(crate) enum Step<'a, R> {
    /// A phase begins.
    Phase(Phase),
    /// A segment or datagram, or one end of its way.
    Segment(Segment<'a, R>),
    /// Many of them that are not drawn one by one.
    Merged(Merged),
    /// An ICMP error reached one of the ends.
    Told(&'a PathError),
    /// The states at the end, where they differ from those drawn last.
    States([Option<State>; 2]),
    /// Segments whose rows were not kept.
    LeftOut(u64),
}

/// Which part of a segment's way a step shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// Its sending; it is under way when the next step happens.
    Departure,
    /// Its arrival.
    Arrival,
}

/// A segment or datagram, or one end of its way.
#[derive(Clone, Debug)]
pub(crate) struct Segment<'a, R> {
    /// What was sent.
    pub(crate) row: &'a R,
    /// Its place among the rows of the conversation.
    pub(crate) index: usize,
    /// What is shown of it.
    pub(crate) part: Part,
    /// When: the time of sending, for an arrival that of arriving.
    pub(crate) time: Time,
    /// New states of A and B, where they change.
    pub(crate) states: [Option<State>; 2],
    /// True when it acknowledges more than its sender did before.
    pub(crate) ack_is_news: bool,
}

impl<R: Sending> Segment<'_, R> {
    /// The time that is written beside it. Rows keep the order of the capture; where its times run backwards they are
    /// written all the same.
    pub(crate) fn written_time(&self) -> Time {
        if self.part == Part::Arrival { self.time } else { self.time.min(self.row.time()) }
    }
}

/// What one side sent in a merged run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MergedSide {
    /// Segments with payload.
    pub(crate) data: u64,
    /// Their payload, repetitions included.
    pub(crate) bytes: u64,
    /// Segments with nothing but an acknowledgement.
    pub(crate) acks: u64,
    /// The last acknowledgement number.
    pub(crate) ack: Option<u32>,
    /// Lost ones.
    pub(crate) lost: u64,
    /// Repeated ones.
    pub(crate) resent: u64,
}

/// Many segments in one step.
#[derive(Clone, Debug)]
pub(crate) struct Merged {
    /// When the first was sent.
    pub(crate) time: Time,
    /// When the last of them happened.
    pub(crate) until: Time,
    /// What A and B sent.
    pub(crate) sides: [MergedSide; 2],
}

impl<R> Step<'_, R> {
    /// When it happened, where it has a time.
    pub(crate) fn time(&self) -> Option<Time> {
        match self {
            Step::Segment(segment) => Some(segment.time),
            Step::Merged(merged) => Some(merged.time),
            Step::Told(error) => Some(error.time),
            _ => None,
        }
    }
}

/// Everything that is drawn of a conversation.
pub(crate) fn steps<'a, C: Conversation>(conversation: &'a C, style: &Style) -> Vec<Step<'a, C::Row>> {
    steps_beside(conversation, style, &Programs::default())
}

/// What is known of the programs of A and B.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    /// When they did something.
    pub(crate) times: [Vec<Time>; 2],
    /// Rows that a program had heard of at this time, whatever the link's clock says of their arrival.
    pub(crate) heard: Vec<(usize, Time)>,
}

/// The same beside what the programs did: what happens at its receiver while a segment is under way stands between its
/// two ends.
pub(crate) fn steps_beside<'a, C: Conversation>(
    conversation: &'a C,
    style: &Style,
    programs: &Programs,
) -> Vec<Step<'a, C::Row>> {
    let segments = segments(conversation, programs);
    let last_states = last_states(conversation, &segments);
    let mut steps = merge_runs(&segments, style.run.max(LEAST_RUN));
    if steps.len() > style.lines {
        steps = merge_middle(steps, style.lines);
    }
    let mut steps = with_phases(steps);
    let left_out = conversation.rows_left_out();
    steps.extend((left_out > 0).then_some(Step::LeftOut(left_out)));
    steps.extend(last_states);
    steps
}

/// What the link did to it, where there was a link.
pub(crate) fn fate(row: &impl Sending) -> Option<Fate> {
    row.passage().map(|passage| passage.fate)
}

/// True when the link dropped it, or damaged it so that the receiver did.
pub(crate) fn is_lost(row: &impl Sending) -> bool {
    fate(row).is_some_and(Fate::is_lost)
}

/// True when the receiver took it in, as far as is known.
pub(crate) fn is_received(row: &impl Sending) -> bool {
    fate(row).is_none_or(Fate::is_received)
}

/// 0 for A, 1 for B.
pub(crate) fn at(side: Side) -> usize {
    match side {
        Side::A => 0,
        Side::B => 1,
    }
}

fn segments<'a, C: Conversation>(conversation: &'a C, programs: &Programs) -> Vec<Step<'a, C::Row>> {
    let rows = conversation.rows();
    let mut times = conversation.times();
    for &(row, heard) in &programs.heard {
        if let Some((sent, arrived)) = times.get_mut(row) {
            *arrived = heard.min(*arrived).max(*sent);
        }
    }
    let split = split(rows, &times, &programs.times);
    let mut states = conversation.states().map(|[before, _]| before);
    let news = acks_that_are_news(rows);
    let mut told = told(conversation);
    let mut steps = Vec::with_capacity(rows.len());
    for (time, part, index) in events(&split, &times) {
        steps.extend(std::iter::from_fn(|| told.next_if(|error| error.time < time)).map(Step::Told));
        let row = &rows[index];
        let states = states.as_mut().map_or([None; 2], |states| changed(states, row, part));
        steps.push(Step::Segment(Segment { row, index, part, time, states, ack_is_news: news[index] }));
    }
    steps.extend(told.map(Step::Told));
    steps
}

/// The errors in the order of time.
fn told<C: Conversation>(conversation: &C) -> Peekable<impl Iterator<Item = &PathError>> {
    let mut errors: Vec<&PathError> = conversation.path_errors().iter().collect();
    errors.sort_by_key(|error| error.time);
    errors.into_iter().peekable()
}

/// Which rows need two steps. Decided in the order of arriving, so that what a decision depends on is decided before.
fn split(rows: &[impl Sending], times: &[(Time, Time)], programs: &[Vec<Time>; 2]) -> Vec<bool> {
    let answered = next_of_other_side(rows, times);
    let mut by_arrival: Vec<usize> = (0..rows.len()).filter(|&index| is_received(&rows[index])).collect();
    by_arrival.sort_by_key(|&index| (times[index].1, index));
    let mut split = vec![false; rows.len()];
    // Of each direction: the last arrival that has a step of its own, and the last row that has not.
    let mut last_split = [None::<Time>; 2];
    let mut last_whole = [None::<usize>; 2];
    for index in by_arrival {
        let (sent, arrived) = times[index];
        let side = at(rows[index].from());
        let under_way = |time: &Time| sent < *time && *time < arrived;
        let busy =
            answered[index].is_some_and(|time| time < arrived) || programs[1 - side].iter().any(under_way);
        let behind = last_split[side].is_some_and(|time| time > sent);
        let overtaken = last_whole[side].is_some_and(|whole| whole > index);
        split[index] = busy || behind || overtaken;
        if split[index] {
            last_split[side] = Some(arrived);
        } else {
            last_whole[side] = last_whole[side].max(Some(index));
        }
    }
    split
}

/// For each row the time at which the other side sent something next.
fn next_of_other_side(rows: &[impl Sending], times: &[(Time, Time)]) -> Vec<Option<Time>> {
    let mut next = [None; 2];
    let mut found = vec![None; rows.len()];
    for index in (0..rows.len()).rev() {
        let side = at(rows[index].from());
        found[index] = next[1 - side];
        next[side] = Some(times[index].0);
    }
    found
}

/// All steps in the order of time; what arrives comes before what is sent at the same instant.
fn events(split: &[bool], times: &[(Time, Time)]) -> Vec<(Time, Part, usize)> {
    let mut events = Vec::with_capacity(times.len());
    for (index, &(sent, arrived)) in times.iter().enumerate() {
        if split[index] {
            events.push((sent, Part::Departure, index));
            events.push((arrived, Part::Arrival, index));
        } else {
            events.push((sent, Part::Whole, index));
        }
    }
    events.sort_by_key(|&(time, part, index)| (time, part != Part::Arrival, index));
    events
}

/// The states that this step changes: the sender's by sending, the receiver's by arriving.
fn changed(states: &mut [State; 2], row: &impl Sending, part: Part) -> [Option<State>; 2] {
    let Some(after) = row.states() else { return [None; 2] };
    let (sender, receiver) = match row.from() {
        Side::A => (0, 1),
        Side::B => (1, 0),
    };
    let mut changed = [None; 2];
    let mut set = |end: usize| {
        if states[end] != after[end] {
            states[end] = after[end];
            changed[end] = Some(after[end]);
        }
    };
    if part != Part::Arrival {
        set(sender);
    }
    if part != Part::Departure && is_received(row) {
        set(receiver);
    }
    changed
}

fn acks_that_are_news(rows: &[impl Sending]) -> Vec<bool> {
    // Both ends count from 1 after the handshake; an acknowledgement of the SYN alone is news only in the handshake.
    let mut known = [None::<u32>; 2];
    let news = rows.iter().map(|row| {
        let known = &mut known[at(row.from())];
        let is_news = match (row.ack(), *known) {
            (Some(ack), Some(before)) => ack.wrapping_sub(before).cast_signed() > 0,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if is_news {
            *known = row.ack();
        }
        is_news
    });
    news.collect()
}

fn with_phases<R: Sending>(steps: Vec<Step<'_, R>>) -> Vec<Step<'_, R>> {
    let mut with = Vec::with_capacity(steps.len() + 3);
    let mut current = None;
    for step in steps {
        if let Step::Segment(Segment { row, part: Part::Whole | Part::Departure, .. }) = &step
            && let Some(phase) = row.phase().filter(|&phase| current < Some(phase))
        {
            current = Some(phase);
            with.push(Step::Phase(phase));
        }
        with.push(step);
    }
    with
}

fn last_states<'a, C: Conversation>(
    conversation: &C,
    segments: &[Step<'_, C::Row>],
) -> Option<Step<'a, C::Row>> {
    let [mut states, last] = conversation.states()?;
    for step in segments {
        if let Step::Segment(segment) = step {
            for (state, change) in states.iter_mut().zip(segment.states) {
                *state = change.unwrap_or(*state);
            }
        }
    }
    let differ = [0, 1].map(|end| (states[end] != last[end]).then_some(last[end]));
    (differ != [None; 2]).then_some(Step::States(differ))
}

/// Drawn before and after the merged middle of a run.
const KEPT: (usize, usize) = (3, 2);
/// A shorter run would not become shorter by merging.
const LEAST_RUN: usize = KEPT.0 + KEPT.1 + 3;

/// Merges the middle of each run of ordinary steps that is longer than `longest`.
fn merge_runs<'a, R: Sending>(steps: &[Step<'a, R>], longest: usize) -> Vec<Step<'a, R>> {
    let mut merged = Vec::with_capacity(steps.len().min(4_096));
    let mut start = 0;
    while start < steps.len() {
        let end = end_of_run(steps, start);
        if end - start > longest {
            let middle = start + KEPT.0..end - KEPT.1;
            merged.extend_from_slice(&steps[start..middle.start]);
            merged.extend(merge(steps, middle.clone()));
            merged.extend_from_slice(&steps[middle.end..end]);
        } else {
            merged.extend_from_slice(&steps[start..end]);
        }
        start = end;
    }
    merged
}

/// Behind the last step of the run that begins at `start`; a step that is not ordinary is alone.
fn end_of_run<R: Sending>(steps: &[Step<'_, R>], start: usize) -> usize {
    let phase = |step: &Step<'_, R>| match step {
        Step::Segment(segment) if is_ordinary(segment) => Some(segment.row.phase()),
        _ => None,
    };
    let Some(first) = phase(&steps[start]) else { return start + 1 };
    let length = steps[start..].iter().take_while(|step| phase(step) == Some(first)).count();
    start + length
}

/// Data and acknowledgements without any event.
fn is_ordinary<R: Sending>(segment: &Segment<'_, R>) -> bool {
    segment.states == [None; 2] && segment.row.is_ordinary() && is_received(segment.row)
}

/// Merges what changes no state, except at the beginning and the end, until about `lines` are left.
fn merge_middle<R: Sending>(steps: Vec<Step<'_, R>>, lines: usize) -> Vec<Step<'_, R>> {
    let edge = (lines / 2).max(1);
    if steps.len() <= 2 * edge {
        return steps;
    }
    let middle = edge..steps.len() - edge;
    let mut merged = steps[..middle.start].to_vec();
    let mut start = middle.start;
    for at in middle.clone() {
        let matters = match &steps[at] {
            Step::Segment(segment) => segment.states != [None; 2],
            Step::Told(_) => true,
            _ => false,
        };
        if matters {
            merged.extend(merge(&steps, start..at));
            merged.push(steps[at].clone());
            start = at + 1;
        }
    }
    merged.extend(merge(&steps, start..middle.end));
    merged.extend_from_slice(&steps[middle.end..]);
    merged
}

/// One step for all of a range; a range that holds no sending vanishes.
fn merge<'a, R: Sending>(steps: &[Step<'a, R>], range: Range<usize>) -> Option<Step<'a, R>> {
    let time = steps.get(range.start)?.time()?;
    let mut merged = Merged { time, until: time, sides: [MergedSide::default(); 2] };
    for step in steps.get(range)? {
        match step {
            Step::Segment(segment) => merged.count(segment),
            Step::Merged(earlier) => merged.absorb(earlier),
            _ => {}
        }
    }
    let sent = merged.sides.iter().any(|side| side.data + side.acks > 0);
    sent.then_some(Step::Merged(merged))
}

impl Merged {
    fn count<R: Sending>(&mut self, segment: &Segment<'_, R>) {
        self.until = self.until.max(segment.time);
        if segment.part == Part::Arrival {
            return;
        }
        let row = segment.row;
        let side = &mut self.sides[at(row.from())];
        let on_the_wire = row.passage().map_or(1, |passage| u64::from(passage.segments.max(1)));
        if row.is_data() {
            side.data += on_the_wire;
            side.bytes += u64::from(row.len_bytes());
        } else {
            side.acks += on_the_wire;
        }
        side.ack = row.ack().or(side.ack);
        side.lost += u64::from(is_lost(row));
        side.resent += u64::from(row.is_resent());
    }

    fn absorb(&mut self, earlier: &Merged) {
        self.until = self.until.max(earlier.until);
        for (side, more) in self.sides.iter_mut().zip(earlier.sides) {
            side.data += more.data;
            side.bytes += more.bytes;
            side.acks += more.acks;
            side.ack = more.ack.or(side.ack);
            side.lost += more.lost;
            side.resent += more.resent;
        }
    }
}
