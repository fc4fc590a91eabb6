//! One end of a conversation as far as it can be followed from outside: its state, what it sent, what it received.
//!
//! An end moves at two happenings only: it *sends* a segment, or a segment *arrives* at it. Where the capture began too
//! late to see the opening its state is `Unknown` until something proves another.

use std::time::Duration;

use wire::Time;

use crate::State;
use crate::machine::{self, Heard, Sends};
use crate::received::Received;
use crate::segment::Placed;
use crate::sent::Sent;
use crate::sequence::{Numbering, Seq};

/// The largest window that a header can announce with the largest scale (RFC 7323 §2.3).
pub(crate) const MAX_WINDOW: i64 = 1 << 30;

/// One end.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    pub(crate) state: State,
    /// Which of its sequence numbers is position 0; none before any is known.
    pub(crate) numbering: Option<Numbering>,
    pub(crate) sent: Sent,
    pub(crate) received: Received,
    /// The highest acknowledgement that arrived here (SND.UNA); none while unknown.
    pub(crate) acked: Option<i64>,
    /// Duplicate acknowledgements that arrived since (RFC 5681 §2).
    dup_acks: u32,
    /// Bytes behind `acked` that the SACK blocks of the last acknowledgement cover.
    sacked_bytes: u32,
    /// The highest edge of the SACK blocks that arrived.
    sacked_to: Option<i64>,
    /// The window field that arrived last.
    heard_window: u16,
    /// When anything arrived last.
    pub(crate) heard_at: Option<Time>,
    /// The highest acknowledgement that this end sent.
    pub(crate) last_ack: Option<i64>,
    /// The window in bytes that this end announced last.
    pub(crate) window: Option<u32>,
    /// It sent a SYN without ACK.
    pub(crate) opened: bool,
    /// It sent a SYN of either kind.
    pub(crate) sent_syn: bool,
    /// It sent a SYN with ACK.
    pub(crate) sent_syn_ack: bool,
    /// Its SYN carried timestamps.
    pub(crate) stamps: bool,
    /// It sent anything at all.
    pub(crate) spoke: bool,
    sent_data: bool,
    heard_data: bool,
    #[cfg(test)]
    pub(crate) trail: Vec<State>,
}

impl End {
    /// Every change of state goes through here.
    pub(crate) fn enter(&mut self, state: State) {
        self.state = state;
        #[cfg(test)]
        self.trail.push(state);
    }

    /// It has sent a SYN of this number, which was not seen itself.
    pub(crate) fn has_asked(&mut self, seq: Seq) {
        self.enter(State::SynSent);
        self.numbering = Some(Numbering::from_first(seq));
        self.sent = Sent::starting_at(1);
        self.acked = Some(0);
        (self.opened, self.sent_syn, self.spoke) = (true, true, true);
    }

    /// All that came before is over, and it listens again: it answers a SYN with a number of its own choice.
    pub(crate) fn listen_again(&mut self) {
        self.enter(State::Closed);
        self.enter(State::Listen);
        *self = End {
            state: self.state,
            numbering: self.numbering,
            spoke: true,
            #[cfg(test)]
            trail: std::mem::take(&mut self.trail),
            ..End::default()
        };
        self.received.confirm(1);
    }

    /// Moves the state as sending this segment does. It acknowledges everything below `ack`; the other end's FIN, if it
    /// sent one, stands at `other_fin`.
    pub(crate) fn send(&mut self, segment: &Placed, ack: Option<i64>, other_fin: Option<i64>) {
        self.enter(self.state_proved_by(segment));
        if let Some(ack) = ack {
            self.confirm(ack, other_fin);
        }
        let sends = self.act_of(segment);
        self.enter(machine::after_sending(self.state, sends));
        if self.state == State::Unknown && segment.fin {
            self.enter(self.state_with_fin_sent());
        }
        self.sent_data |= segment.len > 0 && !segment.rst;
        self.opened |= segment.opens();
        self.sent_syn |= segment.syn;
        self.sent_syn_ack |= segment.answers_syn();
        self.spoke = true;
        if segment.syn {
            self.acked.get_or_insert(0);
        }
    }

    /// The end acknowledges everything below `ack`, the other end's FIN at `fin` perhaps included: it has received it,
    /// whether or not that could be seen.
    fn confirm(&mut self, ack: i64, fin: Option<i64>) {
        self.last_ack = self.last_ack.max(Some(ack));
        if self.state == State::Closed || self.state == State::Listen {
            return;
        }
        let finished = self.received.is_finished();
        self.received.confirm(ack);
        if let Some(fin) = fin.filter(|&fin| fin < ack) {
            self.received.expect_fin(fin);
        }
        if !finished && self.received.is_finished() {
            self.enter(machine::after_fin(self.state));
            self.prove();
        }
    }

    /// Moves the state as the arrival of this segment does; gives a round trip if one ends here. A reset must carry
    /// `exactly` the next number where the capture knows that, or this end went on sending after it (RFC 5961 §3.2);
    /// else one anywhere in the window will do.
    pub(crate) fn receive(
        &mut self,
        segment: &Placed,
        time: Time,
        gaps: usize,
        exactly: bool,
    ) -> Option<Duration> {
        let mut heard = Heard {
            reset: segment.rst && self.accepts_reset(segment, exactly),
            syn: segment.syn,
            ack: segment.ack.is_some(),
            ..Heard::default()
        };
        let mut round_trip = None;
        self.heard_at = self.heard_at.max(Some(time));
        if !segment.rst {
            round_trip = segment.ack.and_then(|ack| self.take_ack(ack, segment, time));
            heard.acks_syn = self.sent_syn && segment.ack.is_some_and(|ack| self.is_of_sent(ack));
            heard.acks_fin = self.sent.fin.is_some_and(|fin| segment.ack.is_some_and(|ack| ack > fin));
            heard.fin = self.take_content(segment, gaps);
            self.heard_data |= segment.len > 0;
        }
        self.enter(machine::after_receiving(self.state, heard, self.opened));
        self.prove();
        round_trip
    }

    /// True when this segment would end the connection here for good.
    pub(crate) fn would_close(&self, segment: &Placed) -> bool {
        match self.state {
            State::Closed | State::Listen => false,
            State::LastAck => {
                segment.rst || self.sent.fin.is_some_and(|fin| segment.ack.is_some_and(|ack| ack > fin))
            }
            _ => segment.rst && self.accepts_reset(segment, false),
        }
    }

    /// True when this end had been asked to send the segment again: by three duplicate acknowledgements (RFC 5681
    /// §3.2), or by SACK blocks behind it (RFC 6675).
    pub(crate) fn was_asked_for(&self, segment: &Placed) -> bool {
        let by_duplicates = self.dup_acks >= 3 && self.acked == Some(segment.start);
        by_duplicates || self.sacked_to.is_some_and(|edge| edge > segment.start)
    }

    /// Payload bytes in flight, which no acknowledgement and no SACK block covers; none while no acknowledgement is known.
    pub(crate) fn in_flight(&self) -> Option<u32> {
        self.acked.map(|acked| self.sent.in_flight(acked).saturating_sub(self.sacked_bytes))
    }

    /// True when the other end's FIN, and all before it, is here.
    pub(crate) fn heard_fin(&self) -> bool {
        self.received.is_finished()
    }

    /// True for the one end of a connection to itself while nothing but its SYN was seen: whoever got that has not answered.
    pub(crate) fn only_asks(&self) -> bool {
        self.state == State::SynReceived && !self.sent_syn_ack
    }

    /// True when its FIN is acknowledged, as this end has heard.
    pub(crate) fn fin_acked(&self) -> bool {
        self.sent.fin.is_some_and(|fin| self.acked.is_some_and(|acked| acked > fin))
    }

    /// What an end must have become before it can send such a segment, whatever the capture missed.
    fn state_proved_by(&self, segment: &Placed) -> State {
        let goes_on = !segment.syn && !segment.rst && segment.ack.is_some();
        match self.state {
            // Nothing but a SYN is sent before the handshake is over; the answer was not seen.
            State::SynSent if goes_on => State::Established,
            State::SynReceived if goes_on && segment.len > 0 => State::Established,
            // A capture that began later: nobody who listens sends such a thing.
            State::Listen if goes_on => State::Unknown,
            other => other,
        }
    }

    fn act_of(&self, segment: &Placed) -> Sends {
        if segment.rst {
            return if self.refuses_stray(segment) { Sends::RefusesStray } else { Sends::Reset };
        }
        match (segment.syn, segment.fin) {
            (true, _) if segment.ack.is_none() => Sends::Syn,
            (true, _) => Sends::SynAck,
            (_, true) => Sends::Fin,
            _ => Sends::Other,
        }
    }

    /// A RST without ACK takes its number from the segment that it refuses. If that is not this end's own next number,
    /// an end still opening refuses something old and goes on waiting (RFC 9293 §3.5.2, groups 1 and 2).
    fn refuses_stray(&self, segment: &Placed) -> bool {
        match self.state {
            State::Listen => self.received.next.is_none(),
            State::SynSent | State::SynReceived => segment.ack.is_none() && segment.start != self.sent.next,
            _ => false,
        }
    }

    /// For an end in `Unknown` that just sent its FIN. It was the second to do so if the other FIN is here; the first if
    /// the other end was seen sending data, for then its FIN cannot have come before the capture.
    fn state_with_fin_sent(&self) -> State {
        match (self.received.is_finished(), self.heard_data) {
            (true, _) => State::LastAck,
            (false, true) => State::FinWait1,
            (false, false) => State::Unknown,
        }
    }

    /// Leaves `Unknown` as soon as what was seen allows one state only.
    fn prove(&mut self) {
        if self.state != State::Unknown {
            return;
        }
        let data_acked = self.sent_data && self.acked > Some(self.sent.low());
        let proved = match (self.received.is_finished(), self.sent.fin.is_some()) {
            (true, true) if self.fin_acked() => State::TimeWait,
            (true, true) => State::Closing,
            (true, false) if self.sent_data => State::CloseWait,
            (false, false) if data_acked && self.heard_data => State::Established,
            _ => State::Unknown,
        };
        self.enter(proved);
    }

    /// RFC 9293 §3.10.7.3 (SYN_SENT) and §3.10.7.4 (in the window). Behind a FIN one number before the window passes too,
    /// as Linux lets it: the sender may not count its FIN. Where no number is known any passes.
    fn accepts_reset(&self, segment: &Placed, exactly: bool) -> bool {
        if self.state == State::SynSent {
            return segment.ack.is_some_and(|ack| self.is_of_sent(ack));
        }
        let Some(next) = self.received.next else { return true };
        let before_fin = matches!(self.state, State::CloseWait | State::LastAck | State::Closing);
        let lowest = next - i64::from(before_fin);
        let window = if exactly { 1 } else { self.window.map_or(0, i64::from).max(0xffff) };
        (lowest..next + window).contains(&segment.start)
    }

    /// True for an acknowledgement of something that this end really sent, its SYN at least.
    fn is_of_sent(&self, ack: i64) -> bool {
        (1..=self.sent.next).contains(&ack)
    }

    fn take_ack(&mut self, ack: i64, segment: &Placed, time: Time) -> Option<Duration> {
        let window = std::mem::replace(&mut self.heard_window, segment.window);
        if ack > self.sent.next || self.state == State::Closed {
            return None;
        }
        self.sacked_to = self.sacked_to.max(segment.sacked_to).filter(|&edge| edge > ack);
        if self.acked.is_none_or(|acked| ack >= acked) {
            self.sacked_bytes = segment.sacked_bytes;
        }
        if self.acked.is_some_and(|acked| ack <= acked) {
            let outstanding = self.sent.next > ack;
            let repeats = self.acked == Some(ack) && segment.is_pure_ack() && window == segment.window;
            self.dup_acks = self.dup_acks.saturating_add(u32::from(repeats && outstanding));
            return None;
        }
        self.dup_acks = 0;
        self.acked = Some(ack);
        self.sent.acknowledge(ack, time, segment.stamps.map(|(_, echo)| echo))
    }

    /// Takes the content in; true when it completes the stream up to the other end's FIN.
    fn take_content(&mut self, segment: &Placed, gaps: usize) -> bool {
        let deaf = match self.state {
            State::Closed => true,
            State::Listen | State::SynSent => !segment.syn,
            _ => false,
        };
        if deaf {
            return false;
        }
        let finished = self.received.is_finished();
        self.received.take(segment, gaps);
        !finished && self.received.is_finished()
    }
}
