//! What a picture shows, before anything has a place: arrows, changes of state, phases and runs, each bound to moments.

use std::collections::HashMap;
use std::time::Duration;

use flow::{PathError, Phase, State};
use wire::{Fate, Time};

use super::axis::{Axis, Kind, Moment};
use super::{Merged, Part, Step};
use crate::ladder::{Conversation, Remark, Segment, Sending, fate, is_received};

/// A label that stands on an arrow keeps so far from the label of a line, upwards and downwards.
const ABOVE_A_LINE: f64 = 18.0;
const BELOW_A_LINE: f64 = 22.0;

/// Everything in a picture.
#[derive(Debug)]
pub(super) struct Plan<'a, R> {
    pub(super) moments: Vec<Moment>,
    pub(super) arrows: Vec<Arrow<'a, R>>,
    /// ICMP errors, each with its moment.
    pub(super) told: Vec<(&'a PathError, usize)>,
    pub(super) changes: Vec<Change>,
    pub(super) phases: Vec<(Phase, usize)>,
    pub(super) runs: Vec<Run>,
    pub(super) remarks: Vec<(usize, Remark)>,
    pub(super) left_out: u64,
}

/// A segment's or datagram's way.
#[derive(Debug)]
pub(super) struct Arrow<'a, R> {
    pub(super) segment: Segment<'a, R>,
    /// The moment of sending.
    pub(super) sent: usize,
    /// The moment of arriving, where it is known.
    pub(super) arrived: Option<usize>,
}

/// An end enters a state.
#[derive(Debug)]
pub(super) struct Change {
    /// 0 for A, 1 for B.
    pub(super) side: usize,
    pub(super) moment: usize,
    pub(super) state: State,
}

/// A merged run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) merged: Merged,
    pub(super) begins: usize,
    pub(super) ends: usize,
}

impl<'a, R: Sending> Plan<'a, R> {
    /// The plan of these steps.
    pub(super) fn of<C: Conversation<Row = R>>(conversation: &C, steps: &[Step<'a, R>]) -> Plan<'a, R> {
        let mut plan = Plan::empty();
        let mut phase = None;
        // Where segments arrive that departed in an earlier step, by row.
        let mut under_way = HashMap::new();
        for step in steps {
            match step {
                Step::Phase(begins) => phase = Some(*begins),
                Step::Segment(segment) => plan.segment(conversation, segment, phase.take(), &mut under_way),
                Step::Merged(merged) => plan.run(merged, phase.take()),
                Step::Told(error) => {
                    let moment = plan.beginning(error.time, Kind::Departure, phase.take());
                    plan.told.push((error, moment));
                }
                Step::States(states) => plan.last_states(*states),
                Step::LeftOut(segments) => plan.left_out = *segments,
            }
        }
        plan
    }

    /// A plan of nothing.
    pub(super) fn empty() -> Plan<'a, R> {
        Plan {
            moments: Vec::new(),
            arrows: Vec::new(),
            told: Vec::new(),
            changes: Vec::new(),
            phases: Vec::new(),
            runs: Vec::new(),
            remarks: Vec::new(),
            left_out: 0,
        }
    }

    /// How long each segment was under way.
    pub(super) fn flights(&self) -> Vec<Duration> {
        let flights = self.arrows.iter().filter_map(|arrow| {
            let arrived = self.moments[arrow.arrived?].time;
            Some(arrived.since(self.moments[arrow.sent].time))
        });
        flights.collect()
    }

    /// Where arrows of the other direction and ICMP errors meet this one, as parts of its way.
    pub(super) fn crossings(&self, arrow: &Arrow<'_, R>, axis: &Axis) -> Vec<f64> {
        let span = |arrow: &Arrow<'_, R>| {
            let sent = axis.places[arrow.sent];
            (sent, arrow.arrived.map_or(sent, |moment| axis.places[moment]))
        };
        let (sent, arrived) = span(arrow);
        let meets = |other: &Arrow<'_, R>| {
            let (other_sent, other_arrived) = span(other);
            // Ours is at sent + t (arrived - sent), theirs at other_arrived - t (other_arrived - other_sent).
            let at = (other_arrived - sent) / ((arrived - sent) + (other_arrived - other_sent));
            (0.0..=1.0).contains(&at).then_some(at)
        };
        let others = self.arrows.iter().filter(|other| other.segment.row.from() != arrow.segment.row.from());
        let told = self.told.iter().map(|&(_, moment)| (axis.places[moment] - sent) / (arrived - sent));
        others.filter_map(meets).chain(told.filter(|at| (0.0..=1.0).contains(at))).collect()
    }

    /// Where this arrow passes the labels of lines at these heights, as parts of its way: at the middle of each, and
    /// where it comes too near and is far enough away again.
    pub(super) fn meetings(&self, arrow: &Arrow<'_, R>, axis: &Axis, lines: &[f64]) -> Vec<f64> {
        let sent = axis.places[arrow.sent];
        let arrived = arrow.arrived.map_or(sent, |moment| axis.places[moment]);
        let meets = |line: &f64| {
            let (top, bottom) = (line - ABOVE_A_LINE, line + BELOW_A_LINE);
            if arrived < top || sent > bottom {
                return None;
            }
            let fall = (arrived - sent).max(1.0);
            let [from, to] = [top, bottom].map(|y| ((y - sent) / fall).clamp(0.0, 1.0));
            Some([from, from + (to - from) / 3.0, to - (to - from) / 3.0, to])
        };
        lines.iter().filter_map(meets).flatten().collect()
    }

    /// The moments whose time is written beside them.
    pub(super) fn timed(&self) -> impl Iterator<Item = usize> {
        let timed = self.moments.iter().enumerate();
        timed.filter(|(_, moment)| !matches!(moment.kind, Kind::Arrival | Kind::RunEnds)).map(|(at, _)| at)
    }

    pub(super) fn moment(&mut self, time: Time, kind: Kind) -> usize {
        self.moments.push(Moment { time, kind, was_under_way: kind == Kind::Arrival });
        self.moments.len() - 1
    }

    fn beginning(&mut self, time: Time, kind: Kind, phase: Option<Phase>) -> usize {
        let moment = self.moment(time, if phase.is_some() { Kind::PhaseBegins } else { kind });
        self.phases.extend(phase.map(|phase| (phase, moment)));
        moment
    }

    fn segment<C: Conversation<Row = R>>(
        &mut self,
        conversation: &C,
        segment: &Segment<'a, R>,
        phase: Option<Phase>,
        under_way: &mut HashMap<usize, usize>,
    ) {
        let receiver = segment.row.from().other().index();
        if segment.part == Part::Arrival {
            // Its departure may be in a run that was merged; then it is not drawn, but what it changed is.
            if let Some(state) = segment.states[receiver] {
                let moment = match under_way.get(&segment.index) {
                    Some(&moment) => moment,
                    None => self.moment(segment.time, Kind::Arrival),
                };
                self.changes.push(Change { side: receiver, moment, state });
            }
            return;
        }
        let sent = self.beginning(segment.time, Kind::Departure, phase);
        let arrived = self.sending(conversation, segment, sent);
        under_way.extend(arrived.map(|moment| (segment.index, moment)));
    }

    /// A segment that is sent at a moment; gives that of its arrival.
    pub(super) fn sending<C: Conversation<Row = R>>(
        &mut self,
        conversation: &C,
        segment: &Segment<'a, R>,
        sent: usize,
    ) -> Option<usize> {
        let sender = segment.row.from().index();
        let receiver = 1 - sender;
        let arrived = self.arrival(segment);
        let heard = arrived.unwrap_or(sent);
        for (side, moment) in [(sender, sent), (receiver, heard)] {
            self.changes.extend(segment.states[side].map(|state| Change { side, moment, state }));
        }
        let remark = conversation.remark(segment).or_else(|| conversation.aside(segment));
        if let (Some(remark), false) = (remark, matches!(fate(segment.row), Some(Fate::Lost | Fate::Stopped)))
        {
            self.remarks.push((if receiver == 1 { heard } else { sent }, remark));
        }
        self.arrows.push(Arrow { segment: segment.clone(), sent, arrived });
        arrived
    }

    fn arrival(&mut self, segment: &Segment<'_, R>) -> Option<usize> {
        let arrived = segment.row.passage()?.arrived?;
        if !is_received(segment.row) || arrived < segment.time {
            return None;
        }
        self.moments.push(Moment {
            time: arrived,
            kind: Kind::Arrival,
            was_under_way: arrived > segment.time,
        });
        Some(self.moments.len() - 1)
    }

    pub(super) fn run(&mut self, merged: &Merged, phase: Option<Phase>) {
        let begins = self.beginning(merged.time, Kind::RunBegins, phase);
        let ends = self.moment(merged.until, Kind::RunEnds);
        self.runs.push(Run { merged: merged.clone(), begins, ends });
    }

    fn last_states(&mut self, states: [Option<State>; 2]) {
        // Behind the last moment: placed at the foot.
        let moment = usize::MAX;
        for (side, state) in states.into_iter().enumerate() {
            self.changes.extend(state.map(|state| Change { side, moment, state }));
        }
    }
}
