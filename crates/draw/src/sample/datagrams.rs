//! Conversations of datagrams for the tests.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use flow::{DatagramFlow, DatagramRow, DatagramTotals, PathError, PathErrors};
use proptest::prelude::*;
use wire::{Fate, Passage, Time};

use super::{A, B, any_passage};
use crate::Names;
use flow::Side;

/// Builds a [`DatagramFlow`].
pub(crate) struct Exchange {
    pub(crate) flow: DatagramFlow,
    delay: Option<Duration>,
}

impl Exchange {
    /// Between `client :40712` and `server :9`; with `delay` on a link that takes so long each way.
    pub(crate) fn new(delay: Option<Duration>) -> Exchange {
        let flow = DatagramFlow {
            stream: 0,
            a: SocketAddr::from(([10, 77, 0, 1], 40_712)),
            b: SocketAddr::from(([10, 77, 0, 2], 9)),
            rows: Vec::new(),
            rows_left_out: 0,
            first: Time::ZERO,
            last: Time::ZERO,
            totals_a: DatagramTotals::default(),
            totals_b: DatagramTotals::default(),
            path_errors: PathErrors::default(),
        };
        Exchange { flow, delay }
    }

    /// A datagram, so many microseconds after the beginning.
    pub(crate) fn send(&mut self, micros: u64, from: Side, len_bytes: u32) -> &mut Exchange {
        let time = Time(micros * 1_000);
        let arrives =
            |delay| Passage { fate: Fate::Delivered, rule: None, arrived: Some(time + delay), segments: 1 };
        let (frame, passage) = (self.next_frame(), self.delay.map(arrives));
        self.flow.rows.push(DatagramRow { frame, time, from, len_bytes, passage });
        self.flow.last = time;
        count(&mut self.flow, from, len_bytes, false);
        self
    }

    /// The link dropped the last datagram.
    pub(crate) fn lost(&mut self) -> &mut Exchange {
        let row = self.flow.rows.last_mut().expect("a datagram was sent");
        row.passage =
            Some(Passage { fate: Fate::Lost, rule: Some("loss 20%".to_owned()), arrived: None, segments: 1 });
        let totals = if row.from == A { &mut self.flow.totals_a } else { &mut self.flow.totals_b };
        totals.lost += 1;
        self
    }

    /// Somebody tells A by ICMP what became of its datagram.
    pub(crate) fn told(&mut self, micros: u64, by: [u8; 4], meaning: &'static str) -> &mut Exchange {
        let (frame, time) = (self.next_frame(), Time(micros * 1_000));
        let error = PathError { frame, time, by: IpAddr::from(by), about: A, meaning, next_hop_mtu: None };
        self.flow.path_errors.first.push(error);
        self.flow.path_errors.count += 1;
        self.flow.last = time;
        self
    }

    fn next_frame(&self) -> u64 {
        self.flow.rows.len() as u64 + self.flow.path_errors.count + 1
    }
}

fn count(flow: &mut DatagramFlow, from: Side, len_bytes: u32, lost: bool) {
    let totals = if from == A { &mut flow.totals_a } else { &mut flow.totals_b };
    totals.datagrams += 1;
    totals.bytes += u64::from(len_bytes);
    totals.largest_bytes = totals.largest_bytes.max(len_bytes);
    totals.lost += u64::from(lost);
}

/// The names that the lab gives.
pub(crate) fn roles(flow: &DatagramFlow) -> Names {
    Names::of_roles([flow.a, flow.b])
}

/// Three questions, of which one is lost; two answers.
pub(crate) fn echo() -> DatagramFlow {
    let mut talk = Exchange::new(Some(Duration::from_micros(12)));
    talk.send(0, A, 16).send(31, B, 16);
    talk.send(1_000_000, A, 512).lost();
    talk.send(2_000_000, A, 512).send(2_000_034, B, 512);
    talk.flow.clone()
}

/// Nothing listens, and the host says so.
pub(crate) fn port_unreachable() -> DatagramFlow {
    Exchange::new(None).send(0, A, 5).told(22, [10, 77, 0, 2], "port unreachable").flow.clone()
}

/// A question asked three times.
pub(crate) fn nobody_answers() -> DatagramFlow {
    Exchange::new(None).send(0, A, 33).send(5_000_000, A, 33).send(10_000_000, A, 33).flow.clone()
}

/// Many datagrams one way, two of them lost.
pub(crate) fn stream(datagrams: u64) -> DatagramFlow {
    let mut talk = Exchange::new(Some(Duration::from_micros(12)));
    for number in 0..datagrams {
        talk.send(number * 20_000, A, 1_200);
        if number == 7 || number == datagrams / 2 {
            talk.lost();
        }
    }
    talk.flow.clone()
}

/// Questions and answers that cross on a slow link, and a router that says that one was too large.
pub(crate) fn crossing() -> DatagramFlow {
    let mut talk = Exchange::new(Some(Duration::from_millis(50)));
    talk.send(0, A, 100).send(20_000, A, 1_400);
    talk.send(50_100, B, 200);
    talk.send(60_000, A, 60_000);
    talk.told(61_000, [192, 0, 2, 9], "packet too big, and it may not be cut");
    talk.flow.path_errors.first[0].next_hop_mtu = Some(1_400);
    talk.send(70_090, B, 0);
    talk.flow.clone()
}

/// Of every kind one.
pub(crate) fn all() -> Vec<DatagramFlow> {
    let mut group = Exchange::new(None);
    group.flow.b = SocketAddr::from(([239, 1, 2, 3], 5_353));
    group.send(0, A, 40);
    let all = [echo(), port_unreachable(), nobody_answers(), stream(400), crossing(), group.flow.clone()];
    let numbered = all.into_iter().zip(0..).map(|(flow, stream)| DatagramFlow { stream, ..flow });
    numbered.collect()
}

/// Any conversation of datagrams at all.
pub(crate) fn arbitrary() -> impl Strategy<Value = DatagramFlow> {
    let left_out = prop_oneof![Just(0u64), any::<u64>()];
    let more = (any_path_errors(), left_out, any::<u64>(), any::<[u8; 16]>());
    (prop::collection::vec(any_row(), 0..40), more).prop_map(|(rows, (told, left_out, stream, b))| {
        let mut flow = Exchange::new(None).flow;
        (flow.path_errors, flow.rows_left_out, flow.stream) = (told, left_out, stream);
        flow.b = SocketAddr::new(IpAddr::from(b), 65_535);
        flow.first = rows.iter().map(|row| row.time).min().unwrap_or_default();
        flow.last = rows.iter().map(|row| row.time).max().unwrap_or_default();
        for row in &rows {
            let lost = row.passage.as_ref().is_some_and(|passage| passage.fate == Fate::Lost);
            count(&mut flow, row.from, row.len_bytes, lost);
        }
        flow.rows = rows;
        flow
    })
}

fn any_row() -> impl Strategy<Value = DatagramRow> {
    let time = prop_oneof![0u64..1_000_000, 0u64..10_000_000_000_000, any::<u64>()];
    let len_bytes = prop_oneof![Just(0u32), Just(1), any::<u32>()];
    let what = (any::<u64>(), time, any::<bool>(), len_bytes, prop::option::of(any_passage()));
    what.prop_map(|(frame, time, of_a, len_bytes, passage)| DatagramRow {
        frame,
        time: Time(time),
        from: if of_a { A } else { B },
        len_bytes,
        passage,
    })
}

/// Any errors from anybody.
pub(crate) fn any_path_errors() -> impl Strategy<Value = PathErrors> {
    let meaning = prop::sample::select(vec![
        "port unreachable",
        "packet too big, and it may not be cut",
        "time to live ran out on the way",
    ]);
    let by = prop_oneof![
        Just(IpAddr::from([10, 77, 0, 1])),
        Just(IpAddr::from([10, 77, 0, 2])),
        any::<[u8; 16]>().prop_map(IpAddr::from)
    ];
    let time = prop_oneof![0u64..1_000_000, any::<u64>()];
    let error = (any::<u64>(), time, by, any::<bool>(), meaning, any::<Option<u32>>());
    let error = error.prop_map(|(frame, time, by, about_a, meaning, next_hop_mtu)| PathError {
        frame,
        time: Time(time),
        by,
        about: if about_a { A } else { B },
        meaning,
        next_hop_mtu,
    });
    let some = (prop::collection::vec(error, 0..4), prop_oneof![Just(0u64), any::<u64>()]);
    some.prop_map(|(first, more)| PathErrors { count: more.saturating_add(first.len() as u64), first })
}
