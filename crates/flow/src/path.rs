//! The way of one end through the states of RFC 9293 figure 5: every step, with the frame and the cause that show it.
//!
//! Derived from the rows alone, so it knows what they know: where the capture began too late the way begins in
//! `unknown`, and what several segments did at once is told apart only where they leave no doubt.

use wire::tcp::TcpFlags;
use wire::{Passage, Time};

use crate::conversation::{Flow, Row, Side};
use crate::diagram;
use crate::state::State;

/// Why an end changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It must have listened, for it answered.
    Listens,
    /// It sent a SYN.
    SendsSyn,
    /// It received a SYN, and answers with SYN and ACK.
    ReceivesSyn,
    /// It received the answer to its SYN.
    ReceivesSynAck,
    /// Its SYN was acknowledged.
    ReceivesAckOfSyn,
    /// It sent a FIN.
    SendsFin,
    /// It received the other end's FIN.
    ReceivesFin,
    /// Its FIN was acknowledged.
    ReceivesAckOfFin,
    /// Both in one segment (RFC 9293 figure 5, note 2).
    ReceivesFinAndAckOfFin,
    /// It sent a RST.
    SendsReset,
    /// It received a RST.
    ReceivesReset,
    /// What was seen allows this state only; how it came there was not seen.
    Proved,
    /// More than one step, or steps in segments that were not kept.
    Unseen,
}

impl Cause {
    /// In words, behind "it": `sends SYN`.
    pub fn words(self) -> &'static str {
        match self {
            Cause::Listens => "listens",
            Cause::SendsSyn => "sends SYN",
            Cause::ReceivesSyn => "receives SYN",
            Cause::ReceivesSynAck => "receives SYN,ACK",
            Cause::ReceivesAckOfSyn => "receives ACK of SYN",
            Cause::SendsFin => "sends FIN",
            Cause::ReceivesFin => "receives FIN",
            Cause::ReceivesAckOfFin => "receives ACK of FIN",
            Cause::ReceivesFinAndAckOfFin => "receives FIN and ACK of FIN",
            Cause::SendsReset => "sends RST",
            Cause::ReceivesReset => "receives RST",
            Cause::Proved => "what was seen proves it",
            Cause::Unseen => "steps not seen",
        }
    }

    /// True for what a reset does.
    pub fn is_reset(self) -> bool {
        matches!(self, Cause::SendsReset | Cause::ReceivesReset)
    }
}

/// One change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// The frame that shows it: that which was sent or received; none where it was not kept.
    pub frame: Option<u64>,
    /// When it was sent or arrived, as far as that is known.
    pub time: Option<Time>,
    /// Why.
    pub cause: Cause,
}

impl Step {
    /// The place of its arrow in [`diagram::TRANSITIONS`]; none for resets and for steps that are not in the figure.
    pub fn transition(&self) -> Option<usize> {
        let drawn = diagram::transition(self.from, self.to)?;
        let returns = self.to == State::Listen;
        let untold = matches!(self.cause, Cause::Proved | Cause::Unseen);
        (!untold && (returns || !self.cause.is_reset())).then_some(drawn)
    }
}

/// The steps of one end, in the order in which it made them; it began in [`Flow::before`].
pub fn path(flow: &Flow, side: Side) -> Vec<Step> {
    let times = times(flow.rows.iter().map(|row| (row.time, row.passage.as_ref())));
    let mut walk = Walk { flow, side, state: flow.before[side.index()], steps: Vec::new() };
    if flow.is_to_itself() {
        walk.of_one_end(&times);
    } else {
        for (time, index) in happenings(flow, &times, side) {
            walk.to(flow.rows[index].state(side), Some((index, time)));
        }
    }
    walk.to(flow.state(side), None);
    walk.steps
}

/// Sending and arrival of segments or datagrams, from when each was captured and what the link did to it. Their order
/// is the order of sending, whatever a capture's clock did; what the link did not deliver, and what nobody knows the
/// arrival of, arrives when it is sent.
pub fn times<'a>(sent: impl Iterator<Item = (Time, Option<&'a Passage>)>) -> Vec<(Time, Time)> {
    let mut latest = Time::ZERO;
    let times = sent.map(|(time, passage)| {
        latest = latest.max(time);
        let delivered = passage.filter(|passage| passage.fate.is_received());
        let arrived = delivered.and_then(|passage| passage.arrived).unwrap_or(latest);
        (latest, arrived.max(latest))
    });
    times.collect()
}

/// When which rows happened at this end: those that it sent and those that reached it. At one instant what is known to
/// arrive then comes first; whatever else has the same time stands in the order of the capture.
fn happenings(flow: &Flow, times: &[(Time, Time)], side: Side) -> Vec<(Time, usize)> {
    let mut happenings = Vec::with_capacity(times.len());
    for (index, (row, &(sent, arrived))) in flow.rows.iter().zip(times).enumerate() {
        let known = row.passage.as_ref().is_some_and(|passage| passage.arrived.is_some());
        if row.from == side {
            happenings.push((sent, true, index));
        } else if !is_lost(row) {
            happenings.push((arrived, !known, index));
        }
    }
    happenings.sort_unstable();
    happenings.into_iter().map(|(time, _, index)| (time, index)).collect()
}

fn is_lost(row: &Row) -> bool {
    row.passage.as_ref().is_some_and(|passage| !passage.fate.is_received())
}

struct Walk<'a> {
    flow: &'a Flow,
    side: Side,
    state: State,
    steps: Vec<Step>,
}

/// A row by its place, and when it happened here; none at the end of the capture.
type Happening = Option<(usize, Time)>;

impl Walk<'_> {
    /// The way of the one end of a connection to itself: it sends each segment as A, and receives it as B.
    fn of_one_end(&mut self, times: &[(Time, Time)]) {
        for (index, (row, &(sent, arrived))) in self.flow.rows.iter().zip(times).enumerate() {
            self.side = Side::A;
            self.to(row.state_a, Some((index, sent)));
            self.side = Side::B;
            if !is_lost(row) {
                self.to(row.state_b, Some((index, arrived)));
            }
        }
    }

    /// Goes to a state, by way of what lies between where there is only one way.
    fn to(&mut self, state: State, at: Happening) {
        if state == self.state {
            return;
        }
        let row = at.and_then(|(index, _)| self.flow.rows.get(index));
        let between = match (self.state, state) {
            (from, to) if from == State::Unknown || to == State::Unknown => None,
            _ if self.is_behind_the_rows(at) => None,
            (State::Closed, State::SynReceived) => Some(State::Listen),
            (State::SynReceived, State::CloseWait) => Some(State::Established),
            // Its FIN says that it has taken in the answer, or the other end's FIN.
            (State::SynSent, State::FinWait1) => Some(State::Established),
            (State::Established, State::LastAck) => Some(State::CloseWait),
            // The FIN came first, and was taken in no later than the acknowledgement.
            (State::FinWait1, State::TimeWait) if !row.is_some_and(|row| self.brings_fin(row)) => {
                Some(State::Closing)
            }
            _ => None,
        };
        if let Some(between) = between {
            self.step(between, at);
        }
        self.step(state, at);
    }

    /// True at the end of a conversation whose last rows were not kept.
    fn is_behind_the_rows(&self, at: Happening) -> bool {
        at.is_none() && self.flow.rows_left_out > 0
    }

    /// What was still on its way here at the end of the capture ended it.
    fn was_reset_at_the_end(&self, to: State, at: Happening) -> bool {
        let last = self.flow.rows.iter().rfind(|row| row.from != self.side && !is_lost(row));
        let reset = last.is_some_and(|row| row.flags.has(TcpFlags::RST));
        at.is_none() && reset && matches!(to, State::Closed | State::Listen)
    }

    fn brings_fin(&self, row: &Row) -> bool {
        row.from != self.side && row.flags.has(TcpFlags::FIN)
    }

    fn step(&mut self, to: State, at: Happening) {
        let from = std::mem::replace(&mut self.state, to);
        let cause = self.cause(from, to, at);
        let (frame, time) = self.shown_by(cause, at);
        self.steps.push(Step { from, to, frame, time, cause });
    }

    fn cause(&self, from: State, to: State, at: Happening) -> Cause {
        let row = at.and_then(|(index, _)| self.flow.rows.get(index));
        if let Some(row) = row.filter(|row| row.flags.has(TcpFlags::RST)) {
            return if row.from == self.side { Cause::SendsReset } else { Cause::ReceivesReset };
        }
        if self.is_behind_the_rows(at) {
            return Cause::Unseen;
        }
        if self.was_reset_at_the_end(to, at) {
            return Cause::ReceivesReset;
        }
        match (from, to) {
            (State::Unknown, _) | (_, State::Unknown) => Cause::Proved,
            (State::Closed, State::Listen) => Cause::Listens,
            (State::Closed | State::Listen, State::SynSent) => Cause::SendsSyn,
            (State::Listen | State::SynSent, State::SynReceived) => Cause::ReceivesSyn,
            (State::SynSent, State::Established) => Cause::ReceivesSynAck,
            (State::SynReceived, State::Established) => Cause::ReceivesAckOfSyn,
            (State::SynReceived | State::Established, State::FinWait1) => Cause::SendsFin,
            (State::CloseWait, State::LastAck) => Cause::SendsFin,
            (State::FinWait1, State::TimeWait) => Cause::ReceivesFinAndAckOfFin,
            (State::Established, State::CloseWait) => Cause::ReceivesFin,
            (State::FinWait1, State::Closing) | (State::FinWait2, State::TimeWait) => Cause::ReceivesFin,
            (State::FinWait1, State::FinWait2) | (State::Closing, State::TimeWait) => Cause::ReceivesAckOfFin,
            (State::LastAck, State::Closed) => Cause::ReceivesAckOfFin,
            _ => Cause::Unseen,
        }
    }

    /// The frame that shows a step: where an end's own segment tells that it has received something, the one that
    /// brought it; at the end of the capture the last one of the other end that can have done it.
    fn shown_by(&self, cause: Cause, at: Happening) -> (Option<u64>, Option<Time>) {
        let rows = &self.flow.rows;
        let here = at.and_then(|(index, time)| Some((rows.get(index)?, time)));
        let wanted: fn(&Row) -> bool = match cause {
            Cause::ReceivesSyn => |row| row.flags.has(TcpFlags::SYN),
            Cause::ReceivesSynAck => |row| row.flags.has(TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0)),
            Cause::ReceivesFin => |row| row.flags.has(TcpFlags::FIN),
            Cause::ReceivesAckOfSyn | Cause::ReceivesAckOfFin => |row| row.flags.has(TcpFlags::ACK),
            Cause::ReceivesReset => |row| row.flags.has(TcpFlags::RST),
            Cause::Proved | Cause::Unseen if here.is_none() => return (None, None),
            _ => |_| false,
        };
        let brings = |row: &Row| row.from != self.side && !is_lost(row) && wanted(row);
        if let Some((row, time)) = here.filter(|(row, _)| brings(row)) {
            return (Some(row.frame), Some(time));
        }
        let until = at.map_or(rows.len(), |(index, _)| index + 1);
        let brought = rows.get(..until).unwrap_or_default().iter().rfind(|row| brings(row));
        let frame = brought.or(here.map(|(row, _)| row)).map(|row| row.frame);
        (frame, here.map(|(_, time)| time).or(brought.map(|row| row.time)))
    }
}

#[cfg(test)]
mod tests;
