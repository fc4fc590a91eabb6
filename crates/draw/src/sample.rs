//! Conversations for the tests: built row by row, with the states that RFC 9293 gives, and arbitrary ones that no TCP
//! would produce.

use std::net::SocketAddr;
use std::time::Duration;

use flow::{
    AnalysisFlags, ClosedBy, Closing, Completeness, Flow, PathErrors, Phase, Resent, Row, Side, SideTotals,
    State,
};
use proptest::prelude::*;

pub(crate) mod datagrams;
use wire::tcp::{TcpFlags, TcpOptions};
use wire::{Fate, Passage, Time};

pub(crate) use Side::{A, B};

/// Builds a [`Flow`].
pub(crate) struct Talk {
    pub(crate) flow: Flow,
    delay: Option<Duration>,
}

impl Talk {
    /// Between `client :40712` and `server :7`; with `delay` on a link that takes so long each way.
    pub(crate) fn new(delay: Option<Duration>) -> Talk {
        let flow = Flow {
            stream: 0,
            a: SocketAddr::from(([10, 77, 0, 1], 40_712)),
            b: SocketAddr::from(([10, 77, 0, 2], 7)),
            before: [State::Closed, State::Listen],
            state_a: State::Closed,
            state_b: State::Listen,
            rows: Vec::new(),
            rows_left_out: 0,
            first: Time::ZERO,
            last: Time::ZERO,
            totals_a: SideTotals::default(),
            totals_b: SideTotals::default(),
            handshake_rtt: None,
            completeness: Completeness::default(),
            path_errors: PathErrors::default(),
            saw_opening: true,
            closed_by: ClosedBy::Unknown,
            closing: Closing::Open,
            findings: Vec::new(),
        };
        Talk { flow, delay }
    }

    /// A segment, so many microseconds after the beginning. `flags` are initials: `SA` is SYN, ACK.
    pub(crate) fn send(&mut self, micros: u64, from: Side, flags: &str, numbers: [u32; 3]) -> &mut Talk {
        let [seq, ack, len_bytes] = numbers;
        let flags = flags_of(flags);
        let time = Time(micros * 1_000);
        let passage = self.delay.map(|delay| Passage {
            fate: Fate::Delivered,
            rule: None,
            arrived: Some(time + delay),
            segments: 1,
        });
        let phase = self.phase(flags);
        self.flow.rows.push(Row {
            frame: self.flow.rows.len() as u64 + 1,
            time,
            from,
            seq,
            ack: flags.has(TcpFlags::ACK).then_some(ack),
            flags,
            len_bytes,
            window_bytes: 64_240,
            options: TcpOptions::default(),
            in_flight_bytes: Some(len_bytes),
            state_a: self.flow.state_a,
            state_b: self.flow.state_b,
            phase,
            resent: None,
            round_trip: None,
            analysis: AnalysisFlags::NONE,
            passage,
        });
        self.flow.last = time;
        let totals = self.totals(from);
        totals.segments += 1;
        totals.bytes += u64::from(len_bytes);
        self
    }

    /// The states after the last segment.
    pub(crate) fn states(&mut self, a: State, b: State) -> &mut Talk {
        (self.flow.state_a, self.flow.state_b) = (a, b);
        let row = self.row();
        (row.state_a, row.state_b) = (a, b);
        self
    }

    /// The link dropped the last segment.
    pub(crate) fn lost(&mut self) -> &mut Talk {
        let row = self.row();
        let from = row.from;
        row.passage =
            Some(Passage { fate: Fate::Lost, rule: Some("loss 20%".to_owned()), arrived: None, segments: 1 });
        self.totals(from).lost_segments += 1;
        self
    }

    /// This happened to the last segment on the link.
    pub(crate) fn fate(&mut self, fate: Fate, rule: &str) -> &mut Talk {
        let row = self.row();
        let arrived = row.passage.as_ref().and_then(|passage| passage.arrived);
        row.passage = Some(Passage { fate, rule: Some(rule.to_owned()), arrived, segments: 1 });
        let from = row.from;
        let totals = self.totals(from);
        totals.lost_segments += u64::from(fate.is_lost());
        totals.corrupted_segments += u64::from(fate == Fate::Corrupted);
        self
    }

    /// The last segment repeats that frame.
    pub(crate) fn resent(&mut self, of: u64, after_micros: u64, asked_for: bool) -> &mut Talk {
        let resent =
            Resent { of: Some(of), after: Duration::from_micros(after_micros), needless: false, asked_for };
        let row = self.row();
        row.resent = Some(resent);
        let (from, bytes) = (row.from, u64::from(row.len_bytes));
        let totals = self.totals(from);
        totals.resent_segments += 1;
        totals.resent_bytes += bytes;
        totals.bytes -= bytes;
        self
    }

    /// The options of the last segment.
    pub(crate) fn options(&mut self, options: TcpOptions) -> &mut Talk {
        self.row().options = options;
        self
    }

    /// The last segment.
    pub(crate) fn row(&mut self) -> &mut Row {
        self.flow.rows.last_mut().expect("a segment was sent")
    }

    /// How the conversation ended.
    pub(crate) fn ended(&mut self, closing: Closing, closed_by: ClosedBy) -> Flow {
        self.flow.closing = closing;
        self.flow.closed_by = closed_by;
        self.flow.clone()
    }

    fn totals(&mut self, side: Side) -> &mut SideTotals {
        match side {
            A => &mut self.flow.totals_a,
            B => &mut self.flow.totals_b,
        }
    }

    fn phase(&self, flags: TcpFlags) -> Phase {
        let before = self.flow.rows.last().map_or(Phase::Opening, |row| row.phase);
        let open = before == Phase::Opening && self.flow.state_b == State::Established;
        if flags.has(TcpFlags::FIN) || flags.has(TcpFlags::RST) {
            Phase::Closing
        } else if open {
            before.max(Phase::Data)
        } else {
            before
        }
    }

    /// The three-way handshake, on a link that takes `step` microseconds each way.
    pub(crate) fn handshake(&mut self, step: u64) -> &mut Talk {
        self.send(0, A, "S", [0, 0, 0]).states(State::SynSent, State::Listen).options(syn_options());
        self.send(step, B, "SA", [0, 1, 0]).states(State::Established, State::SynReceived);
        self.options(syn_options()).row().window_bytes = 65_160;
        self.send(2 * step - 4, A, "A", [1, 1, 0]).states(State::Established, State::Established);
        self.flow.handshake_rtt = Some(Duration::from_micros(step));
        self
    }

    /// The four-way close, the opener first, beginning at `start`.
    pub(crate) fn close(&mut self, start: u64, step: u64, [a, b]: [u32; 2]) -> &mut Talk {
        self.send(start, A, "FA", [a, b, 0]).states(State::FinWait1, State::CloseWait);
        self.send(start + step, B, "A", [b, a + 1, 0]).states(State::FinWait2, State::CloseWait);
        self.send(start + 2 * step, B, "FA", [b, a + 1, 0]).states(State::TimeWait, State::LastAck);
        self.send(start + 3 * step, A, "A", [a + 1, b + 1, 0]).states(State::TimeWait, State::Closed)
    }
}

fn flags_of(initials: &str) -> TcpFlags {
    let bits = initials.chars().map(|initial| match initial {
        'S' => TcpFlags::SYN.0,
        'F' => TcpFlags::FIN.0,
        'R' => TcpFlags::RST.0,
        'P' => TcpFlags::PSH.0,
        'A' => TcpFlags::ACK.0,
        other => panic!("no flag {other}"),
    });
    TcpFlags(bits.fold(0, |all, bit| all | bit))
}

/// What Linux offers on a SYN.
pub(crate) fn syn_options() -> TcpOptions {
    TcpOptions {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        sack: [None; 4],
        timestamps: Some((1_234_567, 0)),
    }
}

/// The conversation of the first command of the README, with one loss.
pub(crate) fn one_loss() -> Flow {
    let mut talk = Talk::new(Some(Duration::from_micros(12)));
    talk.handshake(31);
    talk.send(102, A, "PA", [1, 1, 16]);
    talk.send(139, B, "PA", [1, 17, 16]);
    talk.send(180, A, "PA", [17, 17, 16]).lost();
    talk.send(204_400, A, "PA", [17, 17, 16]).resent(6, 204_220, false);
    talk.send(204_450, B, "PA", [17, 33, 16]);
    talk.close(205_100, 120, [33, 33]);
    talk.ended(Closing::Fin, ClosedBy::A)
}

/// Both close at once over a link that takes 50 ms each way, and data is sent back to back.
pub(crate) fn crossing() -> Flow {
    let mut talk = Talk::new(Some(Duration::from_millis(50)));
    talk.handshake(50_020);
    talk.send(100_100, A, "PA", [1, 1, 1448]);
    talk.send(100_140, A, "PA", [1449, 1, 552]).row().in_flight_bytes = Some(2_000);
    talk.send(150_090, B, "A", [1, 1449, 0]);
    talk.send(150_180, B, "A", [1, 2001, 0]);
    talk.send(200_250, A, "FA", [2001, 1, 0]).states(State::FinWait1, State::Closing);
    talk.send(220_000, B, "FA", [1, 2001, 0]).states(State::Closing, State::FinWait1);
    talk.send(250_290, B, "A", [2, 2002, 0]).states(State::TimeWait, State::Closing);
    talk.send(270_040, A, "A", [2002, 2, 0]).states(State::Closing, State::TimeWait);
    let mut flow = talk.ended(Closing::Fin, ClosedBy::Both);
    (flow.state_a, flow.state_b) = (State::TimeWait, State::TimeWait);
    flow
}

/// Nothing listens.
pub(crate) fn refused() -> Flow {
    let mut talk = Talk::new(None);
    talk.flow.before = [State::Closed, State::Closed];
    (talk.flow.state_a, talk.flow.state_b) = (State::Closed, State::Closed);
    talk.send(0, A, "S", [0, 0, 0]).states(State::SynSent, State::Closed).options(syn_options());
    talk.send(24, B, "RA", [0, 1, 0]).states(State::Closed, State::Closed).row().window_bytes = 0;
    talk.flow.handshake_rtt = Some(Duration::from_micros(24));
    talk.ended(Closing::Refused, ClosedBy::B)
}

/// Nobody answers.
pub(crate) fn unanswered() -> Flow {
    let mut talk = Talk::new(None);
    talk.flow.before = [State::Closed, State::Unknown];
    (talk.flow.state_a, talk.flow.state_b) = (State::Closed, State::Unknown);
    talk.send(0, A, "S", [0, 0, 0]).states(State::SynSent, State::Unknown).options(syn_options());
    let (mut last, mut of) = (0, 1);
    for micros in [1_024_000, 3_040_000, 7_072_000] {
        talk.send(micros, A, "S", [0, 0, 0]).options(syn_options()).resent(of, micros - last, false);
        (last, of) = (micros, of + 1);
    }
    talk.ended(Closing::Unanswered, ClosedBy::Unknown)
}

/// The server resets after five seconds.
pub(crate) fn reset() -> Flow {
    let mut talk = Talk::new(None);
    talk.handshake(31);
    talk.send(102, A, "PA", [1, 1, 1000]);
    talk.send(139, B, "A", [1, 1001, 0]);
    talk.send(5_000_200, B, "RA", [1, 1001, 0]).states(State::Closed, State::Closed).row().window_bytes = 0;
    talk.ended(Closing::Reset, ClosedBy::B)
}

/// A transfer in full segments with an acknowledgement for every second one, and one loss that SACK repairs.
pub(crate) fn transfer(segments: u32) -> Flow {
    let mut talk = Talk::new(Some(Duration::from_micros(12)));
    talk.handshake(31);
    let lost_at = segments / 2;
    let mut micros = 100;
    for number in 0..segments {
        let seq = 1 + number * 1448;
        talk.send(micros, A, "A", [seq, 1, 1448]).row().in_flight_bytes = Some(1448 * (1 + number % 7));
        if number == lost_at {
            talk.lost();
        }
        micros += 14;
        if number % 2 == 1 {
            let ack = if number >= lost_at { 1 + lost_at * 1448 } else { seq + 1448 };
            talk.send(micros, B, "A", [1, ack, 0]).row().in_flight_bytes = Some(0);
            if number >= lost_at {
                let from = 1 + (lost_at + 1) * 1448;
                let sack = [Some((from, seq + 1448)), None, None, None];
                talk.options(TcpOptions { sack, ..TcpOptions::default() });
            }
            micros += 14;
        }
        if number == lost_at + 6 {
            let of = talk.flow.rows.iter().find(|row| row.seq == 1 + lost_at * 1448 && row.len_bytes > 0);
            let (of, sent) = of.map(|row| (row.frame, row.time)).expect("the lost one");
            let after = micros - sent.0 / 1_000;
            talk.send(micros, A, "A", [1 + lost_at * 1448, 1, 1448]).resent(of, after, true);
            micros += 14;
        }
    }
    let end = 1 + segments * 1448;
    talk.send(micros + 20, B, "A", [1, end, 0]);
    talk.close(micros + 100, 120, [end, 1]);
    talk.ended(Closing::Fin, ClosedBy::A)
}

/// Any conversation at all: what is drawn must hold even where no TCP would behave so.
pub(crate) fn arbitrary() -> impl Strategy<Value = Flow> {
    let ends = (any_state(), any_state(), any_state(), any_state());
    let ways = (any_closing(), any_closed_by(), any::<bool>(), prop_oneof![Just(0u64), any::<u64>()]);
    let told = datagrams::any_path_errors();
    (prop::collection::vec(any_row(), 0..40), ends, ways, told).prop_map(|(rows, ends, ways, told)| {
        let mut flow = Talk::new(None).flow;
        flow.path_errors = told;
        flow.before = [ends.0, ends.1];
        (flow.state_a, flow.state_b) = (ends.2, ends.3);
        (flow.closing, flow.closed_by, flow.saw_opening, flow.rows_left_out) = ways;
        flow.first = rows.iter().map(|row| row.time).min().unwrap_or_default();
        flow.last = rows.iter().map(|row| row.time).max().unwrap_or_default();
        for row in &rows {
            let totals = if row.from == A { &mut flow.totals_a } else { &mut flow.totals_b };
            totals.segments += 1;
            totals.bytes += u64::from(row.len_bytes);
            totals.resent_segments += u64::from(row.resent.is_some());
        }
        flow.rows = rows;
        flow
    })
}

fn any_row() -> impl Strategy<Value = Row> {
    let numbers = (any::<u32>(), any::<Option<u32>>(), any::<u8>(), prop_oneof![Just(0u32), any::<u32>()]);
    let time = prop_oneof![0u64..1_000_000, 0u64..10_000_000_000_000, any::<u64>()];
    let around = (time, any::<bool>(), any::<u32>(), any::<Option<u32>>());
    let sack = prop::array::uniform4(any::<Option<(u32, u32)>>());
    let options = (any::<Option<u16>>(), any::<Option<u8>>(), any::<bool>(), sack);
    let phase = prop_oneof![Just(Phase::Opening), Just(Phase::Data), Just(Phase::Closing)];
    let resent = prop::option::of((any::<Option<u64>>(), any::<u64>(), any::<bool>(), any::<bool>()));
    let more = (phase, any_state(), any_state(), resent, prop::option::of(any_passage()), any_analysis());
    (numbers, around, options, more).prop_map(|(numbers, around, options, more)| Row {
        frame: 1,
        time: Time(around.0),
        from: if around.1 { A } else { B },
        seq: numbers.0,
        ack: numbers.1,
        flags: TcpFlags(numbers.2),
        len_bytes: numbers.3,
        window_bytes: around.2,
        options: TcpOptions {
            mss: options.0,
            window_scale: options.1,
            sack_permitted: options.2,
            sack: options.3,
            timestamps: None,
        },
        in_flight_bytes: around.3,
        state_a: more.1,
        state_b: more.2,
        phase: more.0,
        resent: more.3.map(|(of, after, needless, asked_for)| Resent {
            of,
            after: Duration::from_nanos(after),
            needless,
            asked_for,
        }),
        round_trip: None,
        analysis: more.5,
        passage: more.4,
    })
}

fn any_passage() -> impl Strategy<Value = Passage> {
    let arrived = prop::option::of(prop_oneof![0u64..2_000_000, any::<u64>()].prop_map(Time));
    let fate = prop::sample::select(Fate::ALL.to_vec());
    (fate, any::<Option<String>>(), arrived, any::<u32>())
        .prop_map(|(fate, rule, arrived, segments)| Passage { fate, rule, arrived, segments })
}

fn any_analysis() -> impl Strategy<Value = AnalysisFlags> {
    let flag = prop::sample::select(AnalysisFlags::NAMES.map(|(flag, _)| flag).to_vec());
    let some = prop::collection::vec(flag, 0..4);
    some.prop_map(|flags| flags.into_iter().fold(AnalysisFlags::NONE, |all, flag| all | flag))
}

fn any_state() -> impl Strategy<Value = State> {
    prop::sample::select(vec![
        State::Unknown,
        State::Closed,
        State::Listen,
        State::SynSent,
        State::SynReceived,
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::Closing,
        State::LastAck,
        State::TimeWait,
    ])
}

fn any_closing() -> impl Strategy<Value = Closing> {
    prop::sample::select(vec![
        Closing::Fin,
        Closing::Reset,
        Closing::Refused,
        Closing::Unanswered,
        Closing::HalfClosed,
        Closing::Unfinished,
        Closing::Open,
    ])
}

fn any_closed_by() -> impl Strategy<Value = ClosedBy> {
    prop::sample::select(vec![ClosedBy::A, ClosedBy::B, ClosedBy::Both, ClosedBy::Unknown])
}
