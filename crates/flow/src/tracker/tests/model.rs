//! Two small but whole TCP ends (RFC 9293 §3.10) on a link that delays and drops, which say in which states they really
//! are: the truth that the tracker's rows are held against.

use std::collections::{BTreeMap, VecDeque};

use wire::tcp::{TcpFlags, TcpOptions};
use wire::{Fate, Passage, Time};

use crate::script::{Line, delivered};
use crate::sequence::Seq;
use crate::{Side, State};

/// What a program does with its end, and when (in ms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Open,
    Send(u32),
    Close,
    Abort,
}

/// A world to be played.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// False: nothing listens at B.
    pub(super) listens: bool,
    /// First sequence numbers.
    pub(super) isn: [u32; 2],
    /// One way, each way, in ms.
    pub(super) delay: [u64; 2],
    /// Which of the packets are dropped, in the order of sending; beyond the end none.
    pub(super) losses: Vec<bool>,
    pub(super) acts: Vec<(u64, Side, Act)>,
    /// An end closes as soon as the other one's FIN is here.
    pub(super) closes_on_fin: [bool; 2],
}

/// What was sent, and the true states of A and B that belong to each segment.
pub(super) struct Play {
    pub(super) lines: Vec<Line>,
    pub(super) states: Vec<[State; 2]>,
    /// The states at the end.
    pub(super) last: [State; 2],
}

#[derive(Clone, Debug)]
struct Piece {
    seq: u32,
    len: u32,
    flags: TcpFlags,
}

impl Piece {
    fn end(&self) -> u32 {
        let control = self.flags.has_any(TcpFlags::SYN | TcpFlags::FIN);
        self.seq.wrapping_add(self.len + u32::from(control))
    }
}

#[derive(Clone, Debug)]
struct Tcp {
    state: State,
    opened: bool,
    next: u32,
    expected: u32,
    unacked: VecDeque<Piece>,
    /// Pieces that came early, by how far ahead.
    early: Vec<Piece>,
    backlog: u32,
    closing: bool,
    tries: u32,
    /// Counts the timers set; only the last one counts.
    timer: u64,
    /// Likewise for its turns to say something.
    turn: u64,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Act(Side, Act),
    Arrives(usize),
    Timer(Side, u64),
    /// The end says the next thing that it has to say.
    Go(Side, u64),
}

struct Stage<'a> {
    world: &'a World,
    now: u64,
    events: BTreeMap<u64, Event>,
    ends: [Tcp; 2],
    play: Play,
}

const TRIES: u32 = 5;
const SPEECH: u32 = 100;
const MS: u64 = 1_000_000;
/// Between two things that an end says at once.
const GAP: u64 = 17_000;

/// Plays it until nothing happens any more.
pub(super) fn play(world: &World) -> Play {
    let end = |side: Side| Tcp {
        state: if side == Side::B && world.listens { State::Listen } else { State::Closed },
        opened: false,
        next: world.isn[side.index()],
        expected: 0,
        unacked: VecDeque::new(),
        early: Vec::new(),
        backlog: 0,
        closing: false,
        tries: 0,
        timer: 0,
        turn: 0,
    };
    let play = Play { lines: Vec::new(), states: Vec::new(), last: [State::Unknown; 2] };
    let ends = [end(Side::A), end(Side::B)];
    let mut stage = Stage { world, now: 0, events: BTreeMap::new(), ends, play };
    for &(at, side, act) in &world.acts {
        stage.schedule(at * MS, Event::Act(side, act));
    }
    while let Some((now, event)) = stage.events.pop_first() {
        stage.now = now;
        stage.happen(event);
    }
    stage.play.last = [stage.ends[0].state, stage.ends[1].state];
    stage.play
}

impl Stage<'_> {
    fn schedule(&mut self, at: u64, event: Event) {
        self.events.insert(self.free(at), event);
    }

    /// A moment at which nothing else happens: no capture can tell the order within one.
    fn free(&self, mut at: u64) -> u64 {
        while self.events.contains_key(&at) {
            at += 1;
        }
        at
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act(side, act) => self.act(side, act),
            Event::Timer(side, timer) if timer == self.ends[side.index()].timer => self.expire(side),
            Event::Timer(..) => {}
            Event::Go(side, turn) if turn == self.ends[side.index()].turn => self.go_on(side),
            Event::Go(..) => {}
            Event::Arrives(index) => {
                let line = self.play.lines[index].clone();
                let side = line.from.other();
                let answer = self.receive(side, &line);
                self.play.states[index][side.index()] = self.ends[side.index()].state;
                self.reply(side, answer);
            }
        }
    }

    fn act(&mut self, side: Side, act: Act) {
        let end = &mut self.ends[side.index()];
        match (act, end.state) {
            (Act::Open, State::Closed) => {
                end.opened = true;
                end.state = State::SynSent;
                self.say(side, 0, TcpFlags::SYN);
            }
            (Act::Send(len), _) if !end.closing => {
                end.backlog += len;
                self.go_on(side);
            }
            (Act::Close, State::SynSent | State::SynReceived | State::Established | State::CloseWait) => {
                end.closing = true;
                self.go_on(side);
            }
            (Act::Abort, state) if !matches!(state, State::Closed | State::Listen | State::SynSent) => {
                end.state = State::Closed;
                end.unacked.clear();
                end.timer += 1;
                let (seq, ack) = (end.next, end.expected);
                self.emit(side, seq, ack, TcpFlags::RST | TcpFlags::ACK, 0);
            }
            _ => {}
        }
    }

    /// Says one thing at a time, so that no two segments arrive at once.
    fn go_on(&mut self, side: Side) {
        let end = &mut self.ends[side.index()];
        if !matches!(end.state, State::Established | State::CloseWait) {
            return;
        }
        let len = end.backlog.min(SPEECH);
        end.backlog -= len;
        if len > 0 {
            self.say(side, len, TcpFlags::PSH | TcpFlags::ACK);
            self.go_on_later(side);
        } else if end.closing {
            self.close(side);
        }
    }

    fn go_on_later(&mut self, side: Side) {
        let end = &mut self.ends[side.index()];
        end.turn += 1;
        let turn = end.turn;
        self.schedule(self.now + GAP, Event::Go(side, turn));
    }

    fn close(&mut self, side: Side) {
        let end = &mut self.ends[side.index()];
        end.closing = true;
        end.state = match end.state {
            State::CloseWait => State::LastAck,
            _ => State::FinWait1,
        };
        self.say(side, 0, TcpFlags::FIN | TcpFlags::ACK);
    }

    /// Sends something that must be acknowledged.
    fn say(&mut self, side: Side, len: u32, flags: TcpFlags) {
        let end = &mut self.ends[side.index()];
        let piece = Piece { seq: end.next, len, flags };
        end.next = piece.end();
        if end.unacked.is_empty() {
            end.tries = 0;
        }
        end.unacked.push_back(piece.clone());
        let ack = end.expected;
        self.emit(side, piece.seq, ack, flags, len);
        self.set_timer(side);
    }

    fn set_timer(&mut self, side: Side) {
        let end = &mut self.ends[side.index()];
        end.timer += 1;
        let (timer, wait) = (end.timer, 1000 << end.tries);
        if !end.unacked.is_empty() {
            self.schedule(self.now + wait * MS, Event::Timer(side, timer));
        }
    }

    fn expire(&mut self, side: Side) {
        let end = &mut self.ends[side.index()];
        let Some(piece) = end.unacked.front().cloned() else { return };
        end.tries += 1;
        if end.tries > TRIES {
            return;
        }
        // A repeated SYN of an end that has meanwhile received one acknowledges it.
        let flags = match (end.state, piece.flags == TcpFlags::SYN) {
            (State::SynReceived, true) => TcpFlags::SYN | TcpFlags::ACK,
            _ => piece.flags,
        };
        let ack = end.expected;
        self.emit(side, piece.seq, ack, flags, piece.len);
        self.set_timer(side);
    }

    fn emit(&mut self, side: Side, seq: u32, ack: u32, flags: TcpFlags, len: u32) {
        let index = self.play.lines.len();
        let lost = self.world.losses.get(index).copied().unwrap_or(false);
        let arrives = self.free(self.now + self.world.delay[side.index()] * MS);
        let lost_passage = Passage { fate: Fate::Lost, arrived: None, rule: None, segments: 1 };
        self.play.lines.push(Line {
            time: Time(self.now),
            from: side,
            seq,
            ack: if flags.has(TcpFlags::ACK) { ack } else { 0 },
            flags,
            window: 60_000,
            options: TcpOptions::default(),
            len: len as usize,
            passage: Some(if lost { lost_passage } else { delivered(Time(arrives)) }),
            expected: String::new(),
        });
        self.play.states.push([self.ends[0].state, self.ends[1].state]);
        if !lost {
            self.schedule(arrives, Event::Arrives(index));
        }
    }

    /// What follows from an arrival, once its state is noted.
    fn reply(&mut self, side: Side, answer: Answer) {
        let end = &self.ends[side.index()];
        let (next, expected) = (end.next, end.expected);
        match answer {
            Answer::Nothing => {}
            Answer::Ack => self.emit(side, next, expected, TcpFlags::ACK, 0),
            Answer::Reset(seq, None) => self.emit(side, seq, 0, TcpFlags::RST, 0),
            Answer::Reset(seq, Some(ack)) => self.emit(side, seq, ack, TcpFlags::RST | TcpFlags::ACK, 0),
            Answer::SynAck => {
                self.ends[side.index()].state = State::SynReceived;
                self.answer_syn(side);
            }
            Answer::Finish => {
                self.ends[side.index()].closing = true;
                self.go_on(side);
            }
        }
        self.go_on_later(side);
    }

    /// The SYN, with the ACK of the other one; the first time, or again.
    fn answer_syn(&mut self, side: Side) {
        let end = &mut self.ends[side.index()];
        let flags = TcpFlags::SYN | TcpFlags::ACK;
        match end.unacked.front().filter(|piece| piece.flags.has(TcpFlags::SYN)).cloned() {
            Some(piece) => {
                let ack = end.expected;
                self.emit(side, piece.seq, ack, flags, 0);
            }
            None => {
                // A listener that was reset begins with the same number again.
                end.next = self.world.isn[side.index()];
                self.say(side, 0, flags);
            }
        }
    }

    fn receive(&mut self, side: Side, line: &Line) -> Answer {
        let closes = self.world.closes_on_fin[side.index()];
        let end = &mut self.ends[side.index()];
        match end.state {
            State::Closed => refuse(line),
            State::Listen => end.receive_listening(line),
            State::SynSent => {
                let answer = end.receive_opening(line);
                self.set_timer(side);
                answer
            }
            _ => {
                let answer = end.receive_open(line, closes);
                self.set_timer(side);
                answer
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Nothing,
    Ack,
    SynAck,
    Finish,
    Reset(u32, Option<u32>),
}

/// RFC 9293 §3.10.7.1.
fn refuse(line: &Line) -> Answer {
    let syn = u32::from(line.flags.has(TcpFlags::SYN)) + u32::from(line.flags.has(TcpFlags::FIN));
    match line.flags {
        flags if flags.has(TcpFlags::RST) => Answer::Nothing,
        flags if flags.has(TcpFlags::ACK) => Answer::Reset(line.ack, None),
        _ => Answer::Reset(0, Some(line.seq.wrapping_add(line.len as u32 + syn))),
    }
}

impl Tcp {
    /// RFC 9293 §3.10.7.2.
    fn receive_listening(&mut self, line: &Line) -> Answer {
        match line.flags {
            flags if flags.has(TcpFlags::RST) => Answer::Nothing,
            flags if flags.has(TcpFlags::ACK) => Answer::Reset(line.ack, None),
            flags if flags.has(TcpFlags::SYN) => {
                self.expected = line.seq.wrapping_add(1);
                Answer::SynAck
            }
            _ => Answer::Nothing,
        }
    }

    /// RFC 9293 §3.10.7.3.
    fn receive_opening(&mut self, line: &Line) -> Answer {
        let has = |flag| line.flags.has(flag);
        if has(TcpFlags::ACK) && line.ack != self.next {
            return if has(TcpFlags::RST) { Answer::Nothing } else { Answer::Reset(line.ack, None) };
        }
        if has(TcpFlags::RST) {
            if has(TcpFlags::ACK) {
                self.shut(State::Closed);
            }
            return Answer::Nothing;
        }
        if !has(TcpFlags::SYN) {
            return Answer::Nothing;
        }
        self.expected = line.seq.wrapping_add(1);
        if has(TcpFlags::ACK) {
            self.unacked.clear();
            self.state = State::Established;
            return Answer::Ack;
        }
        self.state = State::SynReceived;
        Answer::SynAck
    }

    /// RFC 9293 §3.10.7.4, in its order.
    fn receive_open(&mut self, line: &Line, closes: bool) -> Answer {
        let has = |flag| line.flags.has(flag);
        let ahead = Seq(line.seq).distance_from(Seq(self.expected));
        if has(TcpFlags::RST) {
            // As Linux does: a sender may not count its FIN.
            let before_fin = matches!(self.state, State::CloseWait | State::LastAck | State::Closing);
            if ahead == 0 || ahead == -1 && before_fin {
                let passive = self.state == State::SynReceived && !self.opened;
                self.shut(if passive { State::Listen } else { State::Closed });
            }
            return Answer::Nothing;
        }
        if has(TcpFlags::SYN) && !(self.state == State::SynReceived && has(TcpFlags::ACK)) {
            let again = self.state == State::SynReceived && !self.opened;
            return if again { Answer::SynAck } else { Answer::Ack };
        }
        if !has(TcpFlags::ACK) {
            return Answer::Nothing;
        }
        self.acknowledged(line.ack);
        if self.state == State::Closed {
            return Answer::Nothing;
        }
        let piece = Piece { seq: line.seq, len: line.len as u32, flags: line.flags };
        if piece.end() == piece.seq || has(TcpFlags::SYN) {
            return Answer::Nothing;
        }
        if ahead > 0 {
            self.early.push(piece);
            return Answer::Ack;
        }
        self.take(&piece);
        while let Some(at) = self.early.iter().position(|piece| piece.seq == self.expected) {
            let piece = self.early.swap_remove(at);
            self.take(&piece);
        }
        let finish = self.state == State::CloseWait && closes && !self.closing;
        if finish { Answer::Finish } else { Answer::Ack }
    }

    fn acknowledged(&mut self, ack: u32) {
        if Seq(ack).distance_from(Seq(self.next)) > 0 {
            return;
        }
        let before = self.unacked.len();
        self.unacked.retain(|piece| Seq(piece.end()).distance_from(Seq(ack)) > 0);
        if self.unacked.len() < before {
            self.tries = 0;
        }
        let syn_acked = !self.unacked.iter().any(|piece| piece.flags.has(TcpFlags::SYN));
        let fin_acked = self.unacked.is_empty();
        self.state = match self.state {
            State::SynReceived if syn_acked => State::Established,
            State::FinWait1 if fin_acked => State::FinWait2,
            State::Closing if fin_acked => State::TimeWait,
            State::LastAck if fin_acked => State::Closed,
            other => other,
        };
    }

    fn take(&mut self, piece: &Piece) {
        if Seq(piece.end()).distance_from(Seq(self.expected)) <= 0 {
            return;
        }
        self.expected = piece.end();
        if piece.flags.has(TcpFlags::FIN) {
            self.state = match self.state {
                State::Established => State::CloseWait,
                State::FinWait1 => State::Closing,
                State::FinWait2 => State::TimeWait,
                other => other,
            };
        }
    }

    fn shut(&mut self, state: State) {
        self.state = state;
        self.unacked.clear();
        self.early.clear();
        self.backlog = 0;
        self.closing = false;
        self.timer += 1;
    }
}
