//! Ladders of datagrams as snapshots, and what must hold for every conversation of them at every width.

use proptest::prelude::*;

use super::*;
use crate::ladder::{Step, datagrams as text, layout, steps, svg_of_datagrams};
use crate::sample::datagrams as sample;
use crate::sample::{A, B};
use crate::{Style, columns};

fn draw(flow: &DatagramFlow, width: usize) -> String {
    text(flow, &sample::roles(flow), &Style { width, ..Style::default() })
}

#[test]
fn one_lost_at_80_columns() {
    insta::assert_snapshot!(draw(&sample::echo(), 80));
}

#[test]
fn one_lost_at_160_columns() {
    insta::assert_snapshot!(draw(&sample::echo(), 160));
}

#[test]
fn one_lost_at_40_columns() {
    insta::assert_snapshot!(draw(&sample::echo(), 40));
}

#[test]
fn a_port_where_nothing_listens() {
    insta::assert_snapshot!(draw(&sample::port_unreachable(), 80));
}

#[test]
fn datagrams_that_cross_and_a_router_that_complains() {
    insta::assert_snapshot!(draw(&sample::crossing(), 100));
}

#[test]
fn a_router_that_complains_to_b_in_ascii() {
    let mut flow = sample::crossing();
    flow.path_errors.first[0].about = B;
    insta::assert_snapshot!(text(&flow, &sample::roles(&flow), &Style { ascii: true, ..Style::default() }));
}

#[test]
fn a_long_stream_is_merged() {
    insta::assert_snapshot!(draw(&sample::stream(400), 80));
}

#[test]
fn merging_leaves_nothing_uncounted_and_no_error_out() {
    let mut flow = sample::stream(3_000);
    for row in flow.rows.iter_mut().skip(10).step_by(3) {
        row.passage = Some(wire::Passage { fate: wire::Fate::Lost, rule: None, arrived: None, segments: 1 });
    }
    let middle = flow.rows[1_500].time;
    let told = sample::port_unreachable().path_errors.first.remove(0);
    flow.path_errors.first.push(PathError { time: middle, ..told });
    let steps = steps(&flow, &Style { lines: 60, ..Style::default() });
    let drawn = steps.iter().map(|step| match step {
        Step::Segment(Segment { part: Part::Whole | Part::Departure, .. }) => 1,
        Step::Merged(merged) => merged.sides.iter().map(|side| side.data + side.acks).sum(),
        _ => 0,
    });
    assert_eq!(drawn.sum::<u64>(), 3_000);
    assert!(steps.iter().any(|step| matches!(step, Step::Told(_))));
    assert!(steps.len() < 70, "{}", steps.len());
}

#[test]
fn datagrams_that_were_not_kept_are_told() {
    let mut flow = sample::echo();
    flow.rows_left_out = 12_345;
    assert!(draw(&flow, 120).contains("── 12,345 more datagrams not kept ─"));
}

#[test]
fn what_is_cut_on_the_wire_says_so() {
    let mut talk = sample::Exchange::new(Some(std::time::Duration::from_micros(5)));
    talk.send(0, A, 12_000);
    if let Some(passage) = talk.flow.rows[0].passage.as_mut() {
        passage.segments = 10;
    }
    assert!(draw(&talk.flow, 80).contains("as 10 datagrams"));
}

#[test]
fn the_picture_of_an_error() {
    let flow = sample::crossing();
    let drawn = svg_of_datagrams(&flow, &sample::roles(&flow));
    let document = roxmltree::Document::parse(&drawn).expect("well-formed");
    let has =
        |class: &str| document.descendants().filter(|node| node.attribute("class") == Some(class)).count();
    assert_eq!([has("arrow a"), has("arrow b"), has("arrow told")], [3, 2, 1]);
    assert_eq!(has("state a") + has("state b"), 0);
    assert!(drawn.contains("at most 1,400 bytes"), "{drawn}");
}

proptest! {
    #[test]
    fn every_line_is_whole_and_within_the_width(
        flow in sample::arbitrary(),
        width in 0usize..230,
        names in (any::<String>(), any::<String>()),
    ) {
        let names = Names { a: names.0, b: names.1 };
        let drawn = text(&flow, &names, &Style { width, ..Style::default() });
        for line in drawn.lines() {
            prop_assert!(columns::width(line) <= width.max(layout::NARROWEST), "{line:?}");
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        // Both lifelines run through.
        for line in drawn.lines().skip(1) {
            let lifelines = line.chars().filter(|character| matches!(character, '│' | '┼')).count();
            prop_assert_eq!(lifelines, 2, "{}", line);
        }
    }

    #[test]
    fn ascii_is_ascii(flow in sample::arbitrary(), width in 40usize..180) {
        let style = Style { width, ascii: true, ..Style::default() };
        let drawn = text(&flow, &sample::roles(&flow), &style);
        prop_assert!(drawn.bytes().all(|byte| byte == b'\n' || (0x20..=0x7e).contains(&byte)));
    }

    #[test]
    fn every_picture_is_well_formed(flow in sample::arbitrary(), a in any::<String>(), b in ".{0,30}") {
        let drawn = svg_of_datagrams(&flow, &Names { a, b });
        let document = roxmltree::Document::parse(&drawn);
        prop_assert!(document.is_ok(), "{:?}\n{drawn}", document.err());
        prop_assert!(!drawn.contains("NaN") && !drawn.contains("inf\""), "{drawn}");
    }
}
