//! What a picture shows, before anything has a place: arrows, changes of state, phases and runs, each bound to moments.

use std::collections::HashMap;
use std::time::Duration;

use flow::{Flow, Phase, Side, State};
use wire::Time;

use super::axis::{Axis, Kind, Moment};
use super::{Merged, Part, Step, is_lost};
use crate::ladder::{Remark, Segment, remark};

/// Everything in a picture.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) moments: Vec<Moment>,
    pub(super) arrows: Vec<Arrow<'a>>,
    pub(super) changes: Vec<Change>,
    pub(super) phases: Vec<(Phase, usize)>,
    pub(super) runs: Vec<Run>,
    pub(super) remarks: Vec<(usize, Remark)>,
    pub(super) left_out: u64,
}

/// A segment's way.
#[derive(Debug)]
pub(super) struct Arrow<'a> {
    pub(super) segment: Segment<'a>,
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

impl<'a> Plan<'a> {
    /// The plan of these steps.
    pub(super) fn of(flow: &'a Flow, steps: &[Step<'a>]) -> Plan<'a> {
        let mut plan = Plan::default();
        let mut phase = None;
        // Where segments arrive that departed in an earlier step, by row.
        let mut under_way = HashMap::new();
        for step in steps {
            match step {
                Step::Phase(begins) => phase = Some(*begins),
                Step::Segment(segment) => plan.segment(flow, segment, phase.take(), &mut under_way),
                Step::Merged(merged) => plan.run(merged, phase.take()),
                Step::States(states) => plan.last_states(*states),
                Step::LeftOut(segments) => plan.left_out = *segments,
            }
        }
        plan
    }

    /// How long each segment was under way.
    pub(super) fn flights(&self) -> Vec<Duration> {
        let flights = self.arrows.iter().filter_map(|arrow| {
            let arrived = self.moments[arrow.arrived?].time;
            Some(arrived.since(self.moments[arrow.sent].time))
        });
        flights.collect()
    }

    /// Where arrows of the other direction meet this one, as parts of its way.
    pub(super) fn crossings(&self, arrow: &Arrow<'_>, axis: &Axis) -> Vec<f64> {
        let span = |arrow: &Arrow<'_>| {
            let sent = axis.places[arrow.sent];
            (sent, arrow.arrived.map_or(sent, |moment| axis.places[moment]))
        };
        let (sent, arrived) = span(arrow);
        let meets = |other: &Arrow<'_>| {
            let (other_sent, other_arrived) = span(other);
            // Ours is at sent + t (arrived - sent), theirs at other_arrived - t (other_arrived - other_sent).
            let at = (other_arrived - sent) / ((arrived - sent) + (other_arrived - other_sent));
            (0.0..=1.0).contains(&at).then_some(at)
        };
        let others = self.arrows.iter().filter(|other| other.segment.row.from != arrow.segment.row.from);
        others.filter_map(meets).collect()
    }

    /// The moments whose time is written beside them.
    pub(super) fn timed(&self) -> impl Iterator<Item = usize> {
        let timed = self.moments.iter().enumerate();
        timed.filter(|(_, moment)| !matches!(moment.kind, Kind::Arrival | Kind::RunEnds)).map(|(at, _)| at)
    }

    fn moment(&mut self, time: Time, kind: Kind) -> usize {
        self.moments.push(Moment { time, kind, was_under_way: kind == Kind::Arrival });
        self.moments.len() - 1
    }

    fn beginning(&mut self, time: Time, kind: Kind, phase: Option<Phase>) -> usize {
        let moment = self.moment(time, if phase.is_some() { Kind::PhaseBegins } else { kind });
        self.phases.extend(phase.map(|phase| (phase, moment)));
        moment
    }

    fn segment(
        &mut self,
        flow: &Flow,
        segment: &Segment<'a>,
        phase: Option<Phase>,
        under_way: &mut HashMap<usize, usize>,
    ) {
        let [sender, receiver] = match segment.row.from {
            Side::A => [0, 1],
            Side::B => [1, 0],
        };
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
        let arrived = self.arrival(segment);
        under_way.extend(arrived.map(|moment| (segment.index, moment)));
        let heard = arrived.unwrap_or(sent);
        for (side, moment) in [(sender, sent), (receiver, heard)] {
            self.changes.extend(segment.states[side].map(|state| Change { side, moment, state }));
        }
        if let (Some(remark), false) = (remark(flow, segment), is_lost(segment.row)) {
            self.remarks.push((if receiver == 1 { heard } else { sent }, remark));
        }
        self.arrows.push(Arrow { segment: segment.clone(), sent, arrived });
    }

    fn arrival(&mut self, segment: &Segment<'_>) -> Option<usize> {
        let arrived = segment.row.passage.as_ref()?.arrived?;
        if is_lost(segment.row) || arrived < segment.time {
            return None;
        }
        self.moments.push(Moment {
            time: arrived,
            kind: Kind::Arrival,
            was_under_way: arrived > segment.time,
        });
        Some(self.moments.len() - 1)
    }

    fn run(&mut self, merged: &Merged, phase: Option<Phase>) {
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
