//! What holds for every conversation.

use proptest::prelude::*;
use wire::Time;
use wire::tcp::{TcpFlags, TcpOptions};

use super::model::{Act, Play, World, play};
use crate::machine::tests::is_edge;
use crate::script::{B, Line, delivered, feed};
use crate::{Closing, Departed, Flow, HandedRow, Limits, Row, Rows, Side, State, Tracker};

fn tracked(lines: &[Line], listens: bool, limits: Limits) -> Tracker {
    let mut tracker = Tracker::new(limits);
    if listens {
        tracker.listening(B.parse().unwrap());
    }
    for (line, number) in lines.iter().zip(1..) {
        feed(&mut tracker, line, number);
    }
    tracker.finish();
    tracker
}

fn rows(tracker: &Tracker) -> Vec<[State; 2]> {
    let mut rows: Vec<_> = tracker.flows().flat_map(|flow| &flow.rows).collect();
    rows.sort_by_key(|row| row.frame);
    rows.iter().map(|row| [row.state_a, row.state_b]).collect()
}

fn only(tracker: &Tracker) -> &Flow {
    assert_eq!(tracker.flows().count(), 1);
    tracker.flows().next().unwrap()
}

fn steps_are_edges(tracker: &Tracker) -> Result<(), TestCaseError> {
    for end in tracker.tcp.iter().flat_map(|following| &following.ends) {
        for pair in end.trail.windows(2) {
            prop_assert!(is_edge(pair[0], pair[1]), "{:?} -> {:?} in {:?}", pair[0], pair[1], end.trail);
        }
    }
    Ok(())
}

/// The rows as they are handed out while the segments come, and the conversations that had to make room.
fn handed_out(lines: &[Line], limits: Limits) -> (Vec<(u64, Row)>, Vec<u64>) {
    let mut tracker = Tracker::new(Limits { rows: Rows::HandedOut, departed: true, ..limits });
    let (mut rows, mut departed) = (Vec::new(), Vec::new());
    let mut take = |tracker: &mut Tracker| {
        let segments = std::iter::from_fn(|| tracker.next_row()).map(|handed| match handed {
            HandedRow::Segment(stream, row) => (stream, row),
            HandedRow::Datagram(..) => panic!("there are none"),
        });
        rows.extend(segments);
        let gone = std::iter::from_fn(|| tracker.next_departed());
        departed.extend(gone.map(|gone| match gone {
            Departed::Tcp(flow) => flow.stream,
            Departed::Udp(flow) => flow.stream,
        }));
    };
    for (line, number) in lines.iter().zip(1..) {
        feed(&mut tracker, line, number);
        take(&mut tracker);
    }
    tracker.finish();
    take(&mut tracker);
    (rows, departed)
}

/// The segments, for people.
fn listing(lines: &[Line]) -> String {
    let line = |line: &Line| {
        let arrived = line.passage.as_ref().and_then(|passage| passage.arrived).map(|at| at.0 / 1_000_000);
        let (ms, seq, ack) = (line.time.0 / 1_000_000, line.seq, line.ack);
        format!("\n{ms} {:?} {} {seq} ack {ack} len {} to {arrived:?}", line.from, line.flags, line.len)
    };
    lines.iter().map(line).collect()
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::A), Just(Side::B)]
}

prop_compose! {
    /// Any segment whatever, with numbers close enough to each other to mean something now and then.
    fn line()(
        from in side(),
        [seq, ack] in [prop_oneof![0u32..40, 0u32..40, any::<u32>()], prop_oneof![0u32..40, 0u32..40, any::<u32>()]],
        flags in prop_oneof![
            any::<u8>().prop_map(TcpFlags),
            prop::sample::select(vec![
                TcpFlags::SYN, TcpFlags::SYN | TcpFlags::ACK, TcpFlags::ACK, TcpFlags::FIN | TcpFlags::ACK,
                TcpFlags::RST, TcpFlags::RST | TcpFlags::ACK, TcpFlags::PSH | TcpFlags::ACK,
            ]),
        ],
        window in prop_oneof![Just(0u16), any::<u16>()],
        len in prop_oneof![Just(0usize), 0usize..20, Just(1400)],
        sack in prop::option::of((0u32..60, 0u32..60)),
        window_scale in prop::option::of(0u8..20),
        mss in prop::option::of(0u16..3000),
        time in 0u64..100,
        fate in 0u8..4,
        late in 0u64..100,
    ) -> Line {
        let passage = match fate {
            0 => Some(wire::Passage { fate: wire::Fate::Lost, arrived: None, rule: None, segments: 2 }),
            1 => Some(delivered(Time(time + late))),
            _ => None,
        };
        let options = TcpOptions { mss, window_scale, sack: [sack, None, None, None], ..TcpOptions::default() };
        Line { time: Time(time), from, seq, ack, flags, window, options, len, passage, expected: String::new() }
    }
}

prop_compose! {
    fn act()(at in 0u64..6000, side in side(), act in prop_oneof![
        4 => (1u32..350).prop_map(Act::Send),
        2 => Just(Act::Close),
        1 => Just(Act::Abort),
    ]) -> (u64, Side, Act) {
        (at, side, act)
    }
}

prop_compose! {
    fn world(losses: bool, most_delay: u64)(
        listens in prop::bool::weighted(0.9),
        isn in any::<[u32; 2]>(),
        delay in [0..=most_delay, 0..=most_delay],
        lost in prop::collection::vec(prop::bool::weighted(0.25), 0..30),
        both_open in prop::bool::weighted(0.2),
        open_b in 0u64..400,
        acts in prop::collection::vec(act(), 0..12),
        closes_on_fin in any::<[bool; 2]>(),
    ) -> World {
        let mut acts = acts;
        let mut delay = delay;
        acts.push((0, Side::A, Act::Open));
        let both_open = both_open && most_delay > 0;
        let listens = listens && !both_open;
        if both_open {
            // Before the other SYN arrives: else it would be refused, and the next one open another conversation.
            delay[0] = delay[0].max(1);
            acts.push((open_b.min(delay[0]), Side::B, Act::Open));
        }
        World { listens, isn, delay, losses: if losses { lost } else { Vec::new() }, acts, closes_on_fin }
    }
}

/// The truth of a row, with what the tracker cannot know as it shows it.
fn expected(played: &Play, found: &[[State; 2]], from: usize) -> Vec<[State; 2]> {
    let known = |truth: State, found: State| if found == State::Unknown { found } else { truth };
    let rows = played.states[from..].iter().zip(found);
    rows.map(|(truth, found)| [truth[0], known(truth[1], found[1])]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_segments_in_any_order(lines in prop::collection::vec(line(), 0..60), gaps in 1usize..4, room in 0usize..9) {
        let rows = Rows::Kept(40);
        let limits = Limits { flows: 3, rows, departed: false, waiting: 4, rows_in_all: 50, gaps, segments: room, underway: room };
        let tracker = tracked(&lines, true, limits);
        steps_are_edges(&tracker)?;
        prop_assert!(tracker.flows().count() <= 3);
        prop_assert!(tracker.flows().all(|flow| flow.rows.len() <= 40));
        prop_assert!(tracker.flows().map(|flow| flow.rows.len()).sum::<usize>() <= 50);
        let shown: u64 = tracker.flows().map(|flow| flow.rows.len() as u64 + flow.rows_left_out).sum();
        prop_assert!(shown == lines.len() as u64 || tracker.counters().evicted > 0);
        prop_assert!(tracker.flows().all(|flow| flow.findings.iter().all(|finding| finding.evidence.len() <= 16)));
    }

    #[test]
    fn every_row_is_handed_out_once_in_the_order_of_frames(
        lines in prop::collection::vec(line(), 0..60), waiting in 0usize..9,
    ) {
        let (rows, departed) = handed_out(&lines, Limits { flows: 2, waiting, ..Limits::default() });
        let frames: Vec<u64> = rows.iter().map(|(_, row)| row.frame).collect();
        prop_assert_eq!(frames, (1..=lines.len() as u64).collect::<Vec<_>>());
        let streams = rows.iter().map(|(stream, _)| stream + 1).max().unwrap_or(0);
        prop_assert_eq!(departed.len() as u64, streams.saturating_sub(2));
    }

    #[test]
    fn rows_handed_out_tell_what_kept_ones_tell(world in world(true, 700)) {
        let played = play(&world);
        let kept = tracked(&played.lines, false, Limits::default());
        let (handed, _) = handed_out(&played.lines, Limits { waiting: 1000, ..Limits::default() });
        let kept: Vec<String> = only(&kept).rows.iter().map(|row| format!("{row:?}")).collect();
        // Phases are for pictures: there the end of an opening is corrected later on.
        let without_phase = |row: &str| row.replace("phase: Opening", "phase: Data");
        let handed: Vec<String> = handed.iter().map(|(_, row)| format!("{row:?}")).collect();
        for (kept, handed) in kept.iter().zip(&handed) {
            prop_assert_eq!(without_phase(kept), without_phase(handed));
        }
        prop_assert_eq!(kept.len(), handed.len());
    }

    #[test]
    fn with_the_link_s_word_every_row_tells_the_truth(world in world(true, 700)) {
        let played = play(&world);
        let tracker = tracked(&played.lines, world.listens, Limits::default());
        let found = rows(&tracker);
        prop_assert_eq!(&expected(&played, &found, 0), &found, "{}", listing(&played.lines));
        steps_are_edges(&tracker)?;
        let flow = only(&tracker);
        prop_assert_eq!(flow.state_a, played.last[0]);
        let unknown = flow.state_b == State::Unknown;
        prop_assert!(flow.state_b == played.last[1] || unknown && !flow.rows.iter().any(|row| row.from == Side::B));
    }

    #[test]
    fn an_ordinary_capture_of_a_near_and_lossless_link_tells_the_same(world in world(false, 0)) {
        let played = play(&world);
        let told = tracked(&played.lines, world.listens, Limits::default());
        let plain: Vec<Line> = played.lines.iter().cloned().map(|line| Line { passage: None, ..line }).collect();
        let seen = tracked(&plain, world.listens, Limits::default());
        prop_assert_eq!(rows(&told), rows(&seen), "{}", listing(&played.lines));
        let (told, seen) = (only(&told), only(&seen));
        prop_assert_eq!((told.closed_by, told.closing), (seen.closed_by, seen.closing));
        prop_assert_eq!([told.state_a, told.state_b], [seen.state_a, seen.state_b]);
        prop_assert_eq!(told.totals_a.bytes, seen.totals_a.bytes);
        prop_assert_eq!(told.totals_b.resent_bytes, seen.totals_b.resent_bytes);
    }

    #[test]
    fn an_ordinary_capture_of_any_link_is_never_absurd(world in world(true, 700)) {
        let played = play(&world);
        let plain: Vec<Line> = played.lines.iter().cloned().map(|line| Line { passage: None, ..line }).collect();
        let tracker = tracked(&plain, world.listens, Limits::default());
        steps_are_edges(&tracker)?;
        // What was lost, and when things arrived, it does not know; what was sent, and who closed, it does.
        let told = tracked(&played.lines, world.listens, Limits::default());
        let (told, seen) = (only(&told), only(&tracker));
        if told.closing != Closing::Reset && seen.closing != Closing::Reset {
            prop_assert_eq!(told.closed_by, seen.closed_by, "{}", listing(&played.lines));
        }
        for side in [Side::A, Side::B] {
            prop_assert_eq!(told.totals(side).bytes, seen.totals(side).bytes);
            prop_assert_eq!(told.totals(side).resent_bytes, seen.totals(side).resent_bytes);
            prop_assert_eq!(told.totals(side).resent_segments, seen.totals(side).resent_segments);
        }
    }

    #[test]
    fn a_capture_that_begins_later_never_guesses(world in world(true, 300), skip in 1usize..12) {
        let played = play(&world);
        let tracker = tracked(&played.lines[skip.min(played.lines.len() - 1)..], false, Limits::default());
        steps_are_edges(&tracker)?;
    }
}
