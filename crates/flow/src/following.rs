//! One conversation while it is followed: each segment moves its sender when it is sent and its receiver when it
//! arrives, and leaves a row.

use std::net::SocketAddr;
use std::time::Duration;

use wire::Time;
use wire::tcp::{TcpFlags, TcpOptions};

use crate::State;
use crate::analysis::{Analysis, AnalysisFlags, Completeness};
use crate::conversation::{ClosedBy, Closing, Flow, Phase, Resent, Row, Rows, Side, SideTotals};
use crate::end::{End, MAX_WINDOW};
use crate::findings::{self, Evidence};
use crate::frame::{Placement, Sighting};
use crate::handshake::{Answer, Handshake, Syn};
use crate::opening::Opening;
use crate::outcome::{self, Story};
use crate::path_error::PathErrors;
use crate::segment::{Placed, Segment};
use crate::sent::{Bounds, Novelty, Sent};
use crate::sequence::{Numbering, Seq, wrapped};
use crate::transit::{Certainty, Reply, Taken, Transit, Underway};
use crate::waiting::Waiting;

/// The least retransmission timeout of Linux and of most others; RFC 6298 §2.4 would have a second.
const LEAST_RTO: Duration = Duration::from_millis(200);

/// How much this conversation may remember.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// What becomes of its next row.
    pub(crate) rows: Rows,
    /// Gaps and segments per direction.
    pub(crate) bounds: Bounds,
    /// Segments underway to one end.
    pub(crate) underway: usize,
}

/// A conversation and all that is needed to go on with it.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) flow: Flow,
    /// It is among those that are wanted.
    pub(crate) chosen: bool,
    /// Rows that are to be handed out, where they are not kept.
    pub(crate) waiting: Waiting,
    /// A and B.
    pub(crate) ends: [End; 2],
    /// What is underway to A and to B.
    transit: [Transit; 2],
    analysis: Analysis,
    handshake: Handshake,
    opening: Opening,
    story: Story,
    evidence: Evidence,
}

impl Following {
    /// Begins with the first segment, sent by `source`. `listens` tells that its destination is known to be in LISTEN.
    pub(crate) fn begin(
        stream: u64,
        first: &Segment,
        [source, destination]: [SocketAddr; 2],
        time: Time,
        listens: bool,
    ) -> Following {
        // A SYN with ACK comes from the end that did not open.
        let answers = first.flags.has(TcpFlags::SYN) && !first.opens();
        let [a, b] = if answers { [destination, source] } else { [source, destination] };
        let before = match (first.opens(), listens) {
            (true, true) => [State::Closed, State::Listen],
            (true, false) => [State::Closed, State::Unknown],
            (false, _) => [State::Unknown; 2],
        };
        let seen = first.flags.has(TcpFlags::SYN);
        if a == b {
            let flow = empty_flow(stream, [a, b], time, [before[0]; 2], first.opens());
            return Following::new(flow, Opening::to_itself(seen));
        }
        Following::new(empty_flow(stream, [a, b], time, before, first.opens()), Opening::new(seen))
    }

    /// An attempt to open a conversation, of which only an ICMP error tells: it quotes the SYN, of this number, that the
    /// first of `ends` had sent.
    pub(crate) fn attempted(stream: u64, ends: [SocketAddr; 2], time: Time, seq: Seq) -> Following {
        let flow = empty_flow(stream, ends, time, [State::Closed, State::Unknown], true);
        let mut following = Following::new(flow, Opening::new(true));
        following.ends[0].has_asked(seq);
        following.tell_states();
        following
    }

    /// A conversation of which no segment was captured yet; `source` sent the one that is known of.
    pub(crate) fn unseen(stream: u64, ends: [SocketAddr; 2], time: Time) -> Following {
        Following::new(empty_flow(stream, ends, time, [State::Unknown; 2], false), Opening::new(false))
    }

    fn new(flow: Flow, opening: Opening) -> Following {
        let mut ends = [End::default(), End::default()];
        for (end, state) in ends.iter_mut().zip(flow.before) {
            end.enter(state);
        }
        Following {
            flow,
            chosen: true,
            waiting: Waiting::default(),
            ends,
            transit: Default::default(),
            analysis: Analysis::default(),
            handshake: Handshake::default(),
            opening,
            story: Story::default(),
            evidence: Evidence::default(),
        }
    }

    /// The side that has this address.
    pub(crate) fn side_of(&self, source: SocketAddr) -> Side {
        if source == self.flow.a { Side::A } else { Side::B }
    }

    /// True when this segment opens another conversation between the same addresses.
    pub(crate) fn is_succeeded_by(&self, from: Side, segment: &Segment) -> bool {
        self.analysis.is_succeeded_by(from, segment)
    }

    /// Takes the next segment in. `reuses` is true for the first of a conversation that succeeds another.
    pub(crate) fn take(
        &mut self,
        from: Side,
        segment: &Segment,
        seen: Sighting<'_>,
        reuses: bool,
        room: Room,
    ) -> Placement {
        let analysis = self.analysis.take(from, segment, seen.time, reuses);
        for transit in &mut self.transit {
            transit.arrive_until(seen.time);
        }
        self.begin_again(from, segment, room.bounds.gaps);
        let placed = self.place(from, segment);
        let sacked = self.sacked(from, &segment.options);
        self.infer_before(&placed);
        self.hear_before(&placed, &sacked, seen.time, room);
        self.send(&placed, segment, (seen, analysis), room);
        self.flow.last = self.flow.last.max(seen.time);
        self.flow.completeness = self.analysis.completeness();
        self.tell_states();
        self.placement(&placed, analysis)
    }

    /// Where a segment that was taken in belongs.
    fn placement(&self, placed: &Placed, analysis: AnalysisFlags) -> Placement {
        let (start, end) = placed.payload();
        let other = &self.ends[placed.from.other().index()].sent;
        let ack = placed.ack.filter(|&ack| !placed.rst && ack <= other.next);
        Placement {
            stream: self.flow.stream,
            from: placed.from,
            start,
            len_bytes: u32::try_from(end - start).unwrap_or(0),
            // To itself there is no other direction of which it could tell.
            ack: ack
                .filter(|_| !self.flow.is_to_itself())
                .map(|ack| other.fin.map_or(ack, |fin| ack.min(fin))),
            chosen: self.chosen,
            analysis,
        }
    }

    /// Lets everything arrive that is still underway, and judges the whole.
    pub(crate) fn settle(&mut self, gaps: usize) {
        for side in [Side::A, Side::B] {
            self.transit[side.index()].arrive_until(Time(u64::MAX));
            self.hear(side, None, gaps);
        }
        self.tell_states();
        let to_itself = self.flow.is_to_itself();
        let senders: &[Side] = if to_itself { &[Side::A] } else { &[Side::A, Side::B] };
        for &side in senders {
            self.flow.totals_mut(side).unseen_bytes = self.ends[side.index()].sent.unseen_bytes();
        }
        let (closed_by, closing) = outcome::judge(&self.ends, &self.story, to_itself);
        self.flow.closed_by = closed_by;
        self.flow.closing = closing;
        self.flow.handshake_rtt = self.handshake.round_trip;
        self.flow.findings = findings::of(&self.flow, &self.evidence);
    }

    fn tell_states(&mut self) {
        self.flow.state_a = self.ends[0].state;
        self.flow.state_b = self.ends[1].state;
    }

    /// In a connection to itself both sides are one end: what `side` has become, the other is.
    fn mirror(&mut self, side: Side) {
        if self.flow.is_to_itself() {
            self.ends[side.other().index()] = self.ends[side.index()].clone();
        }
    }

    /// Whom this side talks to.
    fn peer_of(&self, side: Side) -> Side {
        if self.flow.is_to_itself() { side } else { side.other() }
    }

    /// Finds the positions of a segment, and begins to count where that has not been done.
    fn place(&mut self, from: Side, segment: &Segment) -> Placed {
        let syn = segment.flags.has(TcpFlags::SYN) && !segment.flags.has(TcpFlags::RST);
        self.begin_numbering(from, segment, syn);
        self.mirror(from);
        let start = position(&self.ends[from.index()], segment.seq);
        let other = &mut self.ends[from.other().index()];
        if let (Some(ack), None) = (segment.ack, other.numbering) {
            other.numbering = Some(Numbering::from_first(ack.minus(1)));
            other.sent = Sent::starting_at(1);
        }
        let sacked = self.sacked(from, &segment.options);
        let ack = segment.ack.map(|ack| position(&self.ends[from.other().index()], ack));
        Placed {
            from,
            syn,
            fin: segment.flags.has(TcpFlags::FIN) && !segment.flags.has_any(TcpFlags::SYN | TcpFlags::RST),
            rst: segment.flags.has(TcpFlags::RST),
            start,
            len: segment.len,
            ack,
            sacked_to: sacked.iter().map(|block| block.1).max(),
            sacked_bytes: sacked.bytes_behind(ack),
            duplicate_sack: sacked.tell_a_duplicate(ack),
            stamps: segment.options.timestamps,
            window: segment.window,
        }
    }

    /// A side that answers a SYN with another number than before is at the end of what it had (RFC 9293 §3.10.7.4: nobody
    /// else answers one so), and listens again.
    fn begin_again(&mut self, from: Side, segment: &Segment, gaps: usize) {
        let end = &self.ends[from.index()];
        let answers =
            segment.ack.is_some() && segment.flags.has(TcpFlags::SYN) && !segment.flags.has(TcpFlags::RST);
        let anew = end.numbering.is_some_and(|numbering| !numbering.starts_at(segment.seq));
        if !answers || !anew || !end.spoke {
            return;
        }
        loop {
            let end = &mut self.ends[from.index()];
            if end.state == State::Closed {
                end.enter(State::Listen);
            }
            let Some(taken) = self.transit[from.index()].next_taken(end, None) else { break };
            self.take_in(from, taken, gaps);
        }
        self.ends[from.index()].listen_again();
    }

    /// A side counts from its SYN; where that was not seen, from the number before the first that was.
    fn begin_numbering(&mut self, from: Side, segment: &Segment, syn: bool) {
        let end = &mut self.ends[from.index()];
        let known = end.numbering;
        if syn && known.is_none_or(|numbering| !numbering.starts_at(segment.seq)) {
            end.numbering = Some(Numbering::from_first(segment.seq));
            end.sent = Sent::starting_at(0);
            end.acked = None;
            let other = &mut self.ends[from.other().index()];
            match known {
                // It hears no SYN any more, and goes on to know its own numbers.
                Some(old) if other.state == State::TimeWait => {
                    other.received.recount(old.position(segment.seq, 0).saturating_neg());
                }
                _ => other.received = Default::default(),
            }
        } else if known.is_none() {
            end.numbering = Some(Numbering::from_first(segment.seq.minus(1)));
            end.sent = Sent::starting_at(1);
        }
    }

    /// SACK blocks as positions of the other side.
    fn sacked(&self, from: Side, options: &TcpOptions) -> Blocks {
        let other = &self.ends[from.other().index()];
        let mut blocks = Blocks::default();
        for &(left, right) in options.sack.iter().flatten() {
            blocks.push(position(other, Seq(left)), position(other, Seq(right)));
        }
        blocks
    }

    /// What a segment tells about its sender before it, and before what made it send.
    fn infer_before(&mut self, segment: &Placed) {
        let at = segment.from.index();
        let end = &self.ends[at];
        let other_opened = self.ends[segment.from.other().index()].opened;
        let before = match end.state {
            // It was closed, but only a listener answers a SYN with one of its own.
            State::Closed if segment.answers_syn() && other_opened => {
                return self.ends[at].enter(State::Listen);
            }
            State::Unknown if end.spoke => return,
            State::Unknown if segment.opens() => State::Closed,
            State::Unknown if segment.answers_syn() && other_opened => State::Listen,
            State::Unknown if segment.rst && other_opened => State::Closed,
            _ => return,
        };
        self.ends[at].enter(before);
        self.flow.before[at] = before;
        for row in self.flow.rows.iter_mut().chain(self.waiting.iter_mut()) {
            if row.state(segment.from) == State::Unknown {
                row.set_state(segment.from, before);
            }
        }
    }

    /// Lets the sender of `segment` receive what it has dealt with before sending it.
    fn hear_before(&mut self, segment: &Placed, sacked: &Blocks, time: Time, room: Room) {
        let end = &self.ends[segment.from.index()];
        let repeats_control = match (segment.syn, segment.fin) {
            (true, _) if end.sent_syn => Some(1),
            (_, true) if end.sent.fin == Some(segment.end() - 1) => Some(segment.end()),
            _ => None,
        };
        // Not to add the ACK of a simultaneous open to a SYN.
        let by_timer = !segment.syn || end.sent_syn_ack;
        let reply = Reply { segment, time, sacked: sacked.as_slice(), repeats_control, by_timer };
        self.hear(segment.from, Some(&reply), room.bounds.gaps);
        // What has not got through by now has left no mark on this end: its rows keep the state.
        let state = self.ends[segment.from.index()].state;
        let (kept, waiting) = (&mut self.flow.rows, &mut self.waiting);
        self.transit[segment.from.index()].take_unheard_rows(|number| {
            if let Some(row) = row_mut(kept, waiting, number) {
                row.set_state(segment.from, state);
            }
            waiting.settle(number);
        });
    }

    fn hear(&mut self, side: Side, reply: Option<&Reply<'_>>, gaps: usize) {
        let at = side.index();
        loop {
            // It may have been closed before, but only a listener answers a SYN with one of its own.
            if self.ends[at].state == State::Closed && reply.is_some_and(|reply| reply.segment.answers_syn())
            {
                self.ends[at].enter(State::Listen);
            }
            let Some(taken) = self.transit[at].next_taken(&self.ends[at], reply) else { break };
            self.take_in(side, taken, gaps);
        }
    }

    fn take_in(&mut self, side: Side, taken: Taken, gaps: usize) {
        let mut round_trip = None;
        let number = match taken {
            Taken::Missed(underway) => underway.row,
            Taken::Received(underway) => {
                let end = &mut self.ends[side.index()];
                let exactly = underway.late || underway.certainty == Certainty::Certain;
                round_trip = end.receive(&underway.segment, underway.time, gaps, exactly);
                underway.row
            }
        };
        if let Some(round_trip) = round_trip {
            let sender = if self.flow.is_to_itself() { Side::A } else { side };
            self.flow.totals_mut(sender).round_trips.add(round_trip);
        }
        let Some(number) = number else { return };
        let state = self.ends[side.index()].state;
        if let Some(row) = row_mut(&mut self.flow.rows, &mut self.waiting, number) {
            row.set_state(side, state);
            row.round_trip = round_trip;
        }
        self.waiting.settle(number);
    }

    fn send(
        &mut self,
        placed: &Placed,
        segment: &Segment,
        (seen, analysis): (Sighting<'_>, AnalysisFlags),
        room: Room,
    ) {
        let from = placed.from;
        let other = from.other();
        let before = Before {
            state: self.ends[from.index()].state,
            fin: self.ends[from.index()].sent.fin.is_some(),
            over: outcome::is_over(&self.ends),
        };
        let window = self.announce(placed, segment);
        let other_fin = self.ends[other.index()].sent.fin;
        let ack = self.credit(placed, room.bounds.gaps);
        self.mirror(other);
        // The SYN ACK of a simultaneous open has the number of this end's SYN, yet it answers the other's (RFC 9293 §3.5).
        let answers = placed.answers_syn() && !self.ends[from.index()].sent_syn_ack;
        self.ends[from.index()].send(placed, ack, other_fin);
        self.time_handshake(placed, segment, seen);
        self.tell_story(placed, before, seen);
        let (novelty, probe) = self.note(placed, seen, room.bounds);
        let resent = (novelty.repeats && !answers).then(|| self.resent(placed, &novelty, seen.time));
        self.count(placed, &novelty, resent.as_ref(), seen);
        let in_flight = self.ends[from.index()].in_flight().unwrap_or(0);
        let most = &mut self.flow.totals_mut(from).in_flight_max;
        *most = in_flight.max(*most);
        for place in analysis.places() {
            self.flow.totals_mut(from).analysis[place] += 1;
        }
        let phase = self.opening.phase_of(placed, &self.ends, &self.story, &mut self.flow.rows);
        let row = self.enter_row(room.rows, |following| {
            following.row(placed, segment, (seen, analysis), window, phase, resent)
        });
        if novelty.repeats && !probe {
            self.transit[other.index()].supersede(placed);
        }
        let certainty = seen.certainty();
        let time = seen.arrives().filter(|_| certainty == Certainty::Certain).unwrap_or(seen.time);
        let underway = Underway { segment: *placed, time, certainty, row, late: false };
        if self.flow.is_to_itself() {
            // It never leaves its host, and is there before the next is sent.
            self.mirror(from);
            self.take_in(other, Taken::of(underway), room.bounds.gaps);
            return self.mirror(other);
        }
        if let Some(early) = self.transit[other.index()].depart(underway, room.underway) {
            self.take_in(other, Taken::of(early), room.bounds.gaps);
        }
    }

    /// Notes MSS, scale and window of a segment; gives the window in bytes.
    fn announce(&mut self, placed: &Placed, segment: &Segment) -> u32 {
        let totals = self.flow.totals_mut(placed.from);
        if placed.syn {
            totals.mss = segment.options.mss;
            totals.window_scale = segment.options.window_scale;
            self.ends[placed.from.index()].stamps = segment.options.timestamps.is_some();
        }
        let window = u32::from(segment.window) << self.window_scale(placed);
        if !placed.rst {
            self.ends[placed.from.index()].window = Some(window);
        }
        window
    }

    /// RFC 7323 §2.2: both must have offered it, and the window of a SYN is never scaled. An end answers with the option
    /// only when it was offered, so its own is enough where the first SYN was not seen.
    fn window_scale(&self, placed: &Placed) -> u8 {
        let ours = self.flow.totals(placed.from).window_scale;
        let theirs = self.flow.totals(self.peer_of(placed.from)).window_scale;
        let other = &self.ends[placed.from.other().index()];
        match (ours, theirs) {
            _ if placed.syn => 0,
            (Some(shift), Some(_)) => shift,
            (Some(shift), None) if placed.from == Side::B && !other.sent_syn => shift,
            _ => 0,
        }
    }

    /// What the other end is told to have sent it has sent, seen or not. Gives what is acknowledged, unless that cannot
    /// be meant for this conversation.
    fn credit(&mut self, placed: &Placed, gaps: usize) -> Option<i64> {
        let other = &mut self.ends[placed.from.other().index()];
        let opening = matches!(other.state, State::Closed | State::Listen | State::SynSent);
        let plausible = |ack: &i64| !placed.rst && !opening && ack - other.sent.next <= MAX_WINDOW;
        if let Some(ack) = placed.ack.filter(plausible) {
            other.sent.skip_to(ack, gaps);
        }
        placed.ack.filter(|&ack| ack <= other.sent.next)
    }

    fn time_handshake(&mut self, placed: &Placed, segment: &Segment, seen: Sighting<'_>) {
        let lost = seen.certainty() == Certainty::Lost;
        let (time, arrives) = (seen.time, seen.arrives());
        let stamps = segment.options.timestamps;
        if placed.opens() && placed.from == Side::A {
            self.handshake.asks(Syn { time, timestamp: stamps.map(|stamps| stamps.0), arrives }, lost);
        } else if placed.from == Side::B && (placed.answers_syn() || placed.rst) {
            self.handshake.answers(Answer { time, echo: stamps.map(|stamps| stamps.1), arrives, lost });
        }
    }

    fn tell_story(&mut self, placed: &Placed, before: Before, seen: Sighting<'_>) {
        let end = &self.ends[placed.from.index()];
        let other = &self.ends[placed.from.other().index()];
        if placed.fin && !before.fin {
            self.story.fin(placed.from, other.sent.fin.is_some(), end.heard_fin());
            self.evidence.fin(placed.from, seen.frame);
            self.flow.totals_mut(placed.from).fin = Some(seen.time);
        } else if placed.rst {
            let asked = !end.sent_syn && other.state == State::SynSent;
            if asked || (self.flow.is_to_itself() && other.only_asks()) {
                self.story.refuse(placed.from);
            } else {
                self.story.reset(placed.from, before.state, end.state, before.over);
            }
            self.evidence.reset(seen.frame);
            self.flow.totals_mut(placed.from).rst.get_or_insert(seen.time);
        } else if placed.syn {
            self.story.syn();
            self.evidence.syn(seen.frame);
        }
        self.evidence.any(seen.frame, seen.time);
    }

    /// Enters the segment into what its sender has sent; true if it only probes.
    fn note(&mut self, placed: &Placed, seen: Sighting<'_>, bounds: Bounds) -> (Novelty, bool) {
        let other = &self.ends[placed.from.other().index()];
        let (acked, closed) = (other.last_ack, other.window == Some(0));
        let sent = &mut self.ends[placed.from.index()].sent;
        if placed.rst {
            return (Novelty::default(), false);
        }
        if sent.is_probe(placed, acked, closed) {
            return (Novelty::default(), true);
        }
        let probes = closed && placed.len == 1 && placed.start == sent.next && !placed.syn && !placed.fin;
        let arrived = seen.certainty() == Certainty::Certain;
        let novelty = sent.note(placed, (seen.frame, seen.time), arrived, bounds);
        if probes {
            sent.probed_with(placed);
        }
        (novelty, probes)
    }

    fn resent(&self, placed: &Placed, novelty: &Novelty, time: Time) -> Resent {
        let acked = self.ends[placed.from.other().index()].last_ack;
        let arrived = novelty.of.is_some_and(|sending| sending.arrived);
        Resent {
            of: novelty.of.map(|sending| sending.frame),
            after: novelty.of.map(|sending| time.since(sending.time)).unwrap_or_default(),
            needless: arrived || acked >= Some(placed.end()),
            asked_for: self.ends[placed.from.index()].was_asked_for(placed)
                && !self.only_a_timer(placed.from, time),
        }
    }

    /// True when nothing has arrived for so long that no acknowledgement made this end send: its timer ran out, whatever it
    /// had been asked for.
    fn only_a_timer(&self, from: Side, time: Time) -> bool {
        let round_trip = self.flow.handshake_rtt.unwrap_or_default();
        let heard_at = self.ends[from.index()].heard_at;
        heard_at.is_some_and(|heard_at| time.since(heard_at) >= LEAST_RTO + round_trip)
    }

    fn count(&mut self, placed: &Placed, novelty: &Novelty, resent: Option<&Resent>, seen: Sighting<'_>) {
        let segments = self.segments_of(placed, seen);
        let totals = self.flow.totals_mut(placed.from);
        totals.segments += segments;
        totals.bytes += novelty.fresh_bytes;
        totals.resent_bytes += novelty.repeated_bytes;
        totals.duplicate_sacks += u64::from(placed.duplicate_sack);
        if seen.is_stopped() {
            totals.stopped_segments += segments;
        } else if seen.certainty() == Certainty::Lost {
            totals.lost_segments += segments;
            totals.corrupted_segments += if seen.is_corrupted() { segments } else { 0 };
            self.evidence.lost(seen.frame);
        }
        if let Some(resent) = resent {
            totals.resent_segments += segments;
            self.evidence.resent(seen.frame, resent.needless);
        }
    }

    /// How many segments of the wire this one stands for: as many as the link says, or as the other end's MSS asks for
    /// where the capture was made before the device cut it.
    fn segments_of(&self, placed: &Placed, seen: Sighting<'_>) -> u64 {
        let told = seen.passage.map_or(1, |passage| u64::from(passage.segments.max(1)));
        let Some(mss) = self.flow.totals(self.peer_of(placed.from)).mss else { return told };
        // RFC 7323 appendix A: MSS counts no options; the timestamps of each segment take 12 bytes of it.
        let stamps = if self.ends.iter().all(|end| end.stamps) { 12 } else { 0 };
        told.max(u64::from(placed.len).div_ceil(u64::from(mss).saturating_sub(stamps).max(1)))
    }

    /// Keeps the row of a segment just sent, or has it wait to be handed out; gives its number.
    fn enter_row(&mut self, rows: Rows, make: impl FnOnce(&Following) -> Row) -> Option<u64> {
        match rows {
            Rows::Kept(_) => {
                let row = make(self);
                self.flow.rows.push(row);
                Some(self.flow.rows.len() as u64 - 1)
            }
            Rows::HandedOut => {
                let row = make(self);
                Some(self.waiting.push(row))
            }
            Rows::LeftOut => {
                self.flow.rows_left_out += 1;
                None
            }
        }
    }

    fn row(
        &self,
        placed: &Placed,
        segment: &Segment,
        (seen, analysis): (Sighting<'_>, AnalysisFlags),
        window_bytes: u32,
        phase: Phase,
        resent: Option<Resent>,
    ) -> Row {
        let mut options = segment.options.clone();
        let sacked = self.sacked(placed.from, &options);
        for (slot, block) in options.sack.iter_mut().flatten().zip(sacked.as_slice()) {
            *slot = (wrapped(block.0), wrapped(block.1));
        }
        Row {
            frame: seen.frame,
            time: seen.time,
            from: placed.from,
            seq: wrapped(placed.start),
            ack: placed.ack.map(wrapped),
            flags: segment.flags,
            len_bytes: segment.len,
            window_bytes,
            options,
            in_flight_bytes: self.ends[placed.from.index()].in_flight(),
            round_trip: None,
            state_a: self.ends[0].state,
            state_b: self.ends[1].state,
            phase,
            resent,
            analysis,
            passage: seen.passage.cloned(),
        }
    }
}

/// A row by its number, wherever it is.
fn row_mut<'a>(kept: &'a mut [Row], waiting: &'a mut Waiting, number: u64) -> Option<&'a mut Row> {
    let place = usize::try_from(number).ok()?;
    if kept.is_empty() { waiting.get_mut(number) } else { kept.get_mut(place) }
}

/// How things stood before a segment was sent.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// The state of its sender.
    state: State,
    /// Its sender had sent a FIN.
    fin: bool,
    /// Both had closed, and acknowledged each other's FIN.
    over: bool,
}

/// A few SACK blocks, in positions.
#[derive(Clone, Copy, Debug, Default)]
struct Blocks {
    blocks: [(i64, i64); 4],
    len: usize,
}

impl Blocks {
    fn push(&mut self, left: i64, right: i64) {
        if let Some(slot) = self.blocks.get_mut(self.len) {
            *slot = (left, right);
            self.len += 1;
        }
    }

    /// RFC 2883 §4: the first block lies below the acknowledgement, or within the second.
    fn tell_a_duplicate(&self, ack: Option<i64>) -> bool {
        let Some(&(left, right)) = self.as_slice().first() else { return false };
        let within = |outer: &(i64, i64)| outer.0 <= left && right <= outer.1;
        ack.is_some_and(|ack| right <= ack) || self.as_slice().get(1).is_some_and(within)
    }

    /// How many bytes they cover behind the acknowledgement; what came twice counts once.
    fn bytes_behind(&self, ack: Option<i64>) -> u32 {
        let Some(ack) = ack else { return 0 };
        let again = usize::from(self.tell_a_duplicate(Some(ack)));
        let blocks = self.as_slice().iter().skip(again);
        let bytes: i64 = blocks.map(|&(left, right)| (right - left.max(ack)).max(0)).sum();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    fn as_slice(&self) -> &[(i64, i64)] {
        &self.blocks[..self.len]
    }

    fn iter(&self) -> impl Iterator<Item = &(i64, i64)> {
        self.as_slice().iter()
    }
}

fn position(end: &End, seq: Seq) -> i64 {
    end.numbering.map_or(0, |numbering| numbering.position(seq, end.sent.next))
}

fn empty_flow(
    stream: u64,
    [a, b]: [SocketAddr; 2],
    time: Time,
    before: [State; 2],
    saw_opening: bool,
) -> Flow {
    Flow {
        stream,
        a,
        b,
        before,
        state_a: before[0],
        state_b: before[1],
        rows: Vec::new(),
        rows_left_out: 0,
        first: time,
        last: time,
        totals_a: SideTotals::default(),
        totals_b: SideTotals::default(),
        handshake_rtt: None,
        completeness: Completeness::default(),
        path_errors: PathErrors::default(),
        saw_opening,
        closed_by: ClosedBy::Unknown,
        closing: Closing::Open,
        findings: Vec::new(),
    }
}
