//! Whole ladders as snapshots, and what must hold for every conversation at every width.

use std::time::Duration;

use flow::{AnalysisFlags, Resent};
use proptest::prelude::*;
use wire::{Fate, Time};

use super::*;
use crate::sample;

fn draw(flow: &Flow, width: usize) -> String {
    text(flow, &Names::roles(flow), &Style { width, ..Style::default() })
}

#[test]
fn a_loss_at_60_columns() {
    insta::assert_snapshot!(draw(&sample::one_loss(), 60));
}

#[test]
fn a_loss_at_80_columns() {
    insta::assert_snapshot!(draw(&sample::one_loss(), 80));
}

#[test]
fn a_loss_at_120_columns() {
    insta::assert_snapshot!(draw(&sample::one_loss(), 120));
}

#[test]
fn a_loss_at_160_columns() {
    insta::assert_snapshot!(draw(&sample::one_loss(), 160));
}

#[test]
fn a_loss_in_ascii() {
    let flow = sample::one_loss();
    insta::assert_snapshot!(text(&flow, &Names::roles(&flow), &Style { ascii: true, ..Style::default() }));
}

#[test]
fn a_loss_in_colour() {
    let flow = sample::one_loss();
    let coloured = text(&flow, &Names::roles(&flow), &Style { color: true, ..Style::default() });
    insta::assert_snapshot!(coloured.replace('\u{1b}', "\\e"));
}

#[test]
fn segments_that_cross_have_two_ends() {
    insta::assert_snapshot!(draw(&sample::crossing(), 80));
}

#[test]
fn segments_that_cross_at_40_columns() {
    insta::assert_snapshot!(draw(&sample::crossing(), 40));
}

#[test]
fn a_delay_alone_needs_no_second_line() {
    let mut talk = sample::Talk::new(Some(std::time::Duration::from_millis(50)));
    let flow =
        talk.handshake(50_020).close(150_100, 50_020, [1, 1]).ended(flow::Closing::Fin, flow::ClosedBy::A);
    // The server's ACK and FIN are both sent while the other is under way, but nothing is sent against them.
    let drawn = draw(&flow, 80);
    assert!(!drawn.contains('┄'), "{drawn}");
    assert_eq!(
        drawn.lines().filter(|line| line.contains('▶') || line.contains('◀')).count(),
        flow.rows.len()
    );
}

#[test]
fn refused() {
    insta::assert_snapshot!(draw(&sample::refused(), 80));
}

#[test]
fn unanswered() {
    insta::assert_snapshot!(draw(&sample::unanswered(), 80));
}

#[test]
fn reset() {
    insta::assert_snapshot!(draw(&sample::reset(), 80));
}

#[test]
fn a_long_transfer_is_merged() {
    insta::assert_snapshot!(draw(&sample::transfer(400), 120));
}

#[test]
fn merging_leaves_nothing_uncounted() {
    let flow = sample::transfer(1_000);
    let style = Style::default();
    let mut segments = 0;
    for step in steps(&flow, &style) {
        segments += match step {
            Step::Segment(Segment { part: Part::Whole | Part::Departure, .. }) => 1,
            Step::Merged(merged) => merged.sides.iter().map(|side| side.data + side.acks).sum(),
            _ => 0,
        };
    }
    assert_eq!(segments, flow.rows.len() as u64);
}

#[test]
fn a_conversation_full_of_losses_stays_readable() {
    let mut flow = sample::transfer(2_000);
    for row in flow.rows.iter_mut().skip(10).step_by(7).filter(|row| row.len_bytes > 0) {
        row.passage = Some(wire::Passage { fate: wire::Fate::Lost, rule: None, arrived: None, segments: 1 });
    }
    let drawn = draw(&flow, 100);
    assert!(drawn.lines().count() < 330, "{} lines", drawn.lines().count());
    assert!(drawn.contains(" lost"), "{drawn}");
    // Every state is still there.
    for state in ["SYN_SENT", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT", "LAST_ACK"] {
        assert!(drawn.contains(state), "{state}");
    }
}

#[test]
fn segments_that_were_not_kept_are_told() {
    let mut flow = sample::one_loss();
    flow.rows_left_out = 12_345;
    assert!(draw(&flow, 120).contains("── 12,345 more segments not kept ─"));
    assert!(draw(&flow, 72).contains("── 12,345 more not kept "));
}

#[test]
fn uncut_buffers_say_for_how_many_segments_they_stand() {
    let mut talk = sample::Talk::new(Some(std::time::Duration::from_micros(5)));
    talk.handshake(31).send(100, sample::A, "PA", [1, 1, 5_792]);
    if let Some(passage) = talk.row().passage.as_mut() {
        passage.segments = 4;
    }
    assert!(draw(&talk.flow, 80).contains("as 4 segments"));
}

#[test]
fn every_fate_has_its_sign_and_its_words() {
    let mut talk = sample::Talk::new(Some(std::time::Duration::from_micros(5)));
    talk.handshake(31);
    for (place, (fate, rule)) in [
        (Fate::Duplicated, "duplicate 1%"),
        (Fate::Corrupted, "corrupt 1%"),
        (Fate::Altered, "corrupt unseen:1%"),
        (Fate::Reordered, "reorder 5%"),
        (Fate::Queued, "rate 1Mbit/s"),
        (Fate::Lost, "queue 10p"),
        (Fate::Stopped, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let seq = place as u32 * 100 + 1;
        let micros = 100 + 100 * place as u64;
        talk.send(micros, sample::A, "PA", [seq, 1, 100]).fate(fate, rule);
        talk.send(micros + 50, sample::B, "PA", [seq, 1, 100]).fate(fate, rule);
    }
    insta::assert_snapshot!(draw(&talk.flow, 100));
}

#[test]
fn what_came_twice_is_not_called_missing() {
    let mut talk = sample::Talk::new(None);
    talk.handshake(31);
    let said = |talk: &mut sample::Talk, blocks: [Option<(u32, u32)>; 4]| {
        talk.send(100, sample::B, "A", [1, 50, 0]).row().options.sack = blocks;
        draw(&talk.flow, 100).lines().last().unwrap_or_default().to_owned()
    };
    // RFC 2883 §4: a first block below the acknowledgement, or within the second block.
    let below = said(&mut talk, [Some((49, 50)), None, None, None]);
    assert!(below.contains("ACK 50, d-sack 49 ") && below.ends_with("49 came twice"), "{below}");
    let within = said(&mut talk, [Some((80, 90)), Some((70, 100)), None, None]);
    assert!(
        within.contains("ACK 50, d-sack 80–89, sack 70–99 ") && within.ends_with("50–69 missing"),
        "{within}"
    );
    let plain = said(&mut talk, [Some((70, 100)), Some((51, 60)), None, None]);
    assert!(plain.contains("ACK 50, sack 70–99 51–59 ") && plain.ends_with("50 missing"), "{plain}");
}

fn told(frame: u64, micros: u64, by: &str, about: Side) -> PathError {
    let (by, time) = (by.parse().expect("an address"), Time(micros * 1_000));
    PathError { frame, time, by, about, meaning: "host unreachable", next_hop_mtu: None }
}

#[test]
fn errors_of_the_path_stand_at_their_times() {
    let mut flow = sample::one_loss();
    let first = vec![told(7, 150, "192.0.2.9", Side::A), told(99, 9_000_000, "10.77.0.1", Side::B)];
    flow.path_errors = flow::PathErrors { first, count: 2 };
    insta::assert_snapshot!(draw(&flow, 80));
    insta::assert_snapshot!(draw(&flow, 48));
}

/// A conversation in which Wireshark's analysis finds much.
fn analysed() -> Flow {
    let mut talk = sample::Talk::new(None);
    talk.handshake(31);
    let flags = [
        (sample::A, [1, 1, 1_000], 1_000, AnalysisFlags::WINDOW_FULL),
        (sample::B, [1, 1_001, 0], 0, AnalysisFlags::ZERO_WINDOW),
        (sample::A, [1_001, 1, 1], 1_000, AnalysisFlags::ZERO_WINDOW_PROBE),
        (sample::B, [1, 1_001, 0], 0, AnalysisFlags::ZERO_WINDOW | AnalysisFlags::ZERO_WINDOW_PROBE_ACK),
        (sample::B, [1, 1_001, 0], 500, AnalysisFlags::WINDOW_UPDATE),
        (sample::B, [1, 1_001, 0], 500, AnalysisFlags::DUPLICATE_ACK),
        (sample::B, [1, 1_001, 0], 500, AnalysisFlags::DUPLICATE_ACK),
        (sample::A, [1_001, 1, 10], 500, AnalysisFlags::OUT_OF_ORDER),
        (sample::A, [1_010, 1, 0], 500, AnalysisFlags::KEEP_ALIVE),
        (sample::B, [1, 1_011, 0], 500, AnalysisFlags::KEEP_ALIVE_ACK),
        (sample::A, [9_011, 1, 10], 500, AnalysisFlags::LOST_SEGMENT),
    ];
    for (place, (from, numbers, window_bytes, analysis)) in flags.into_iter().enumerate() {
        let row = talk.send(100 + 10 * place as u64, from, "A", numbers).row();
        (row.window_bytes, row.analysis) = (window_bytes, analysis);
    }
    talk.flow
}

#[test]
fn what_the_analysis_says_stands_where_there_is_room() {
    insta::assert_snapshot!(draw(&analysed(), 80));
    let narrow = draw(&analysed(), 60);
    assert!(!narrow.contains("duplicate ACK") && narrow.contains("its receive buffer is full"), "{narrow}");
}

/// Linux probes a closed window with no byte, at the number before, which Wireshark calls a keep-alive.
#[test]
fn a_keep_alive_into_a_closed_window_is_a_probe() {
    let probed = |window_bytes| {
        let mut talk = sample::Talk::new(None);
        talk.handshake(31).send(100, sample::A, "PA", [1, 1, 10]);
        talk.send(150, sample::B, "A", [1, 11, 0]).row().window_bytes = window_bytes;
        talk.send(200_150, sample::A, "A", [10, 1, 0]).row().analysis = AnalysisFlags::KEEP_ALIVE;
        draw(&talk.flow, 80)
    };
    assert!(probed(0).contains("window probe"), "{}", probed(0));
    assert!(probed(500).contains("keep-alive"), "{}", probed(500));
}

/// Wireshark flags both; only the one that had been acknowledged asks for nothing but a sign of life.
#[test]
fn a_keep_alive_is_told_from_a_lost_byte() {
    let repeated = |is_acknowledged: bool| {
        let mut talk = sample::Talk::new(Some(Duration::from_micros(10)));
        talk.handshake(31).send(100, sample::A, "PA", [1, 1, 1]);
        if is_acknowledged {
            talk.send(150, sample::B, "A", [1, 2, 0]);
        }
        let resent = Resent {
            of: Some(4),
            after: Duration::from_secs(1),
            needless: is_acknowledged,
            asked_for: false,
        };
        let again = talk.send(1_000_100, sample::A, "A", [1, 1, 1]).row();
        (again.analysis, again.resent) = (AnalysisFlags::KEEP_ALIVE, Some(resent));
        draw(&talk.flow, 80)
    };
    let (probe, lost) = (repeated(true), repeated(false));
    assert!(probe.contains("│ keep-alive") && !probe.contains("needless"), "{probe}");
    assert!(lost.contains("│ after RTO 1 s"), "{lost}");
}

#[test]
fn what_fills_a_gap_for_the_first_time_is_no_retransmission() {
    let filled = |delay| {
        let mut talk = sample::Talk::new(delay);
        talk.handshake(31).send(100, sample::A, "PA", [33, 1, 15]);
        talk.send(100_000, sample::A, "PA", [1, 1, 32]).row().analysis = AnalysisFlags::RETRANSMISSION;
        draw(&talk.flow, 80)
    };
    let (lab, capture) = (filled(Some(Duration::from_micros(10))), filled(None));
    assert!(lab.contains("│ fills the gap"), "the link has seen all: {lab}");
    assert!(capture.contains("│ a retransmission"), "who knows what was before: {capture}");
}

#[test]
fn what_comes_again_at_once_no_timer_has_sent() {
    let copied = |micros, delay| {
        let mut talk = sample::Talk::new(delay);
        talk.handshake(31).send(100, sample::A, "PA", [1, 1, 10]);
        let after = Duration::from_micros(micros);
        talk.send(100 + micros, sample::A, "PA", [1, 1, 10]).row().resent =
            Some(Resent { of: Some(4), after, needless: true, asked_for: false });
        talk.flow.totals_a.resent_segments = 1;
        let said = crate::verdict::paragraph(&talk.flow, &Names::roles(&talk.flow));
        (draw(&talk.flow, 80), said)
    };
    let (drawn, said) = copied(2, None);
    assert!(drawn.contains("│ comes twice"), "{drawn}");
    assert!(said.contains("sent again at once, sooner than any timer: perhaps captured twice;"), "{said}");
    let (drawn, said) = copied(2_000, None);
    assert!(
        drawn.contains("needless") && said.contains("by a timer 2.00 ms later, needlessly"),
        "{drawn}{said}"
    );
    let (drawn, _) = copied(2, Some(Duration::from_micros(1)));
    assert!(drawn.contains("needless"), "the link saw it twice: {drawn}");
}

#[test]
fn long_names_keep_their_ports() {
    let flow = sample::one_loss();
    let long = "[2001:db8:1234:5678:9abc:def0:1234:5678]";
    let names = Names { a: format!("{long}:40712"), b: format!("{long}:65000") };
    for width in [40, 60, 80, 120] {
        let drawn = text(&flow, &names, &Style { width, ..Style::default() });
        let heads = drawn.lines().next().unwrap_or_default();
        assert!(heads.contains("40712") && heads.contains("65000"), "{heads}");
    }
}

#[test]
fn the_ends_states_are_drawn_when_the_last_segment_did_not_bring_them() {
    let mut flow = sample::one_loss();
    flow.state_a = State::Closed;
    let drawn = draw(&flow, 80);
    let last = drawn.lines().last().unwrap_or_default();
    assert!(last.contains("CLOSED │"), "{drawn}");
}

/// The columns of the two lifelines in a line.
fn lifelines(line: &str) -> Vec<usize> {
    let mut columns = Vec::new();
    let mut at = 0;
    for character in line.chars() {
        if matches!(character, '│' | '┼') {
            columns.push(at);
        }
        at += crate::columns::width(&character.to_string());
    }
    columns
}

fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = behind.split_once('m').map_or("", |(_, behind)| behind);
    }
    plain + rest
}

/// What happened at one end, in the order drawn: the true times of its sendings and of the arrivals at it.
fn at_one_end(flow: &Flow, steps: &[Step<'_, flow::Row>], end: Side) -> Vec<Time> {
    let times = flow::path::times(flow.rows.iter().map(|row| (row.time, row.passage.as_ref())));
    let happened = steps.iter().filter_map(|step| {
        let Step::Segment(segment) = step else { return None };
        let (sent, arrived) = times[segment.index];
        match (segment.part, segment.row.from == end) {
            (Part::Arrival, true) => None,
            (Part::Arrival, false) => Some(arrived),
            (_, true) => Some(sent),
            (Part::Whole, false) if is_received(segment.row) => Some(arrived),
            _ => None,
        }
    });
    happened.collect()
}

#[test]
fn a_late_conversation_counts_from_the_first_frame_of_the_capture() {
    let late = later(sample::one_loss(), 12_574_732_000);
    let drawn = text_since(Time::ZERO, &late, &Names::roles(&late), &Style::default());
    assert!(drawn.contains("  12.574732 s     SYN_SENT │── SYN 0"), "{drawn}");
    assert!(drawn.contains("  12.574763 s  ESTABLISHED │◀─ SYN ACK 0"), "{drawn}");
    let soon = later(sample::one_loss(), 2_000_000);
    let drawn = text_since(Time::ZERO, &soon, &Names::roles(&soon), &Style::default());
    assert!(drawn.contains("  2.000 ms     SYN_SENT │── SYN 0"), "{drawn}");
    assert_eq!(draw(&late, 80), draw(&sample::one_loss(), 80), "alone it counts from its own first frame");
}

/// The same so many nanoseconds later.
fn later(mut flow: Flow, by: u64) -> Flow {
    let shift = |time: &mut Time| time.0 = time.0.saturating_add(by);
    for row in &mut flow.rows {
        shift(&mut row.time);
        row.passage.iter_mut().filter_map(|passage| passage.arrived.as_mut()).for_each(shift);
    }
    flow.path_errors.first.iter_mut().for_each(|error| shift(&mut error.time));
    shift(&mut flow.first);
    shift(&mut flow.last);
    flow
}

proptest! {
    #[test]
    fn every_line_is_whole_and_within_the_width(
        flow in sample::arbitrary(),
        by in prop_oneof![Just(0), 0u64..u64::MAX],
        width in 0usize..230,
        names in (any::<String>(), any::<String>()),
    ) {
        let names = Names { a: names.0, b: names.1 };
        let flow = later(flow, by);
        let drawn = text_since(Time::ZERO, &flow, &names, &Style { width, ..Style::default() });
        let mut columns = None;
        for line in drawn.lines() {
            prop_assert!(columns_of(line) <= width.max(layout::NARROWEST), "{line:?}");
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            prop_assert!(!line.ends_with(' '), "{line:?}");
        }
        // Both lifelines run through from the first state to the end.
        for line in drawn.lines().skip(1) {
            let found = lifelines(line);
            prop_assert_eq!(found.len(), 2, "{}", line);
            prop_assert_eq!(columns.get_or_insert_with(|| found.clone()), &found, "{}", line);
        }
    }

    #[test]
    fn colours_only_colour(flow in sample::arbitrary(), width in 40usize..180) {
        let names = Names::roles(&flow);
        let plain = text(&flow, &names, &Style { width, ..Style::default() });
        let coloured = text(&flow, &names, &Style { width, color: true, ..Style::default() });
        prop_assert_eq!(without_colours(&coloured), plain);
    }

    #[test]
    fn ascii_is_ascii_and_has_the_same_shape(flow in sample::arbitrary(), width in 40usize..180) {
        let names = Names::roles(&flow);
        let plain = text(&flow, &names, &Style { width, ..Style::default() });
        let ascii = text(&flow, &names, &Style { width, ascii: true, ..Style::default() });
        prop_assert!(ascii.bytes().all(|byte| byte == b'\n' || (0x20..=0x7e).contains(&byte)));
        let shape = |text: &str| text.lines().map(columns_of).collect::<Vec<_>>();
        prop_assert_eq!(shape(&ascii), shape(&plain));
    }

    #[test]
    fn the_order_of_events_is_true_at_both_ends(flow in sample::arbitrary()) {
        let all = Style { run: usize::MAX, lines: usize::MAX, ..Style::default() };
        let steps = steps(&flow, &all);
        for end in [Side::A, Side::B] {
            let happened = at_one_end(&flow, &steps, end);
            prop_assert!(happened.is_sorted(), "{end:?}: {happened:?}");
        }
    }

    #[test]
    fn merging_keeps_every_change_of_state(flow in sample::arbitrary(), lines in 1usize..30) {
        let changes = |style: &Style| {
            let steps = steps(&flow, style);
            let changed = steps.iter().filter_map(|step| match step {
                Step::Segment(segment) if segment.states != [None; 2] => Some((segment.index, segment.part)),
                _ => None,
            });
            changed.collect::<Vec<_>>()
        };
        let all = Style { run: usize::MAX, lines: usize::MAX, ..Style::default() };
        prop_assert_eq!(changes(&Style { lines, ..Style::default() }), changes(&all));
    }
}

fn columns_of(line: &str) -> usize {
    crate::columns::width(line)
}
