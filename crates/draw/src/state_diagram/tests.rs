//! Whole diagrams as snapshots; every arrow of the figure followed in what is drawn; pictures that are well-formed.

use flow::diagram::TRANSITIONS;
use flow::{ClosedBy, Closing, State};
use proptest::prelude::*;
use roxmltree::Document;

use super::layout::{PLACES, RESET, RESET_WORDS, ROUTES};
use super::*;
use crate::sample;
use sample::{A, B};

fn draw(flow: &Flow) -> String {
    text(flow, &Names::roles(flow), &Style::default())
}

/// Both open at once, over a link of 50 ms each way; then nothing more.
fn simultaneous_open() -> Flow {
    let mut talk = sample::Talk::new(Some(std::time::Duration::from_millis(50)));
    talk.flow.before = [State::Closed, State::Closed];
    (talk.flow.state_a, talk.flow.state_b) = (State::Closed, State::Closed);
    talk.send(0, A, "S", [0, 0, 0]).states(State::SynSent, State::SynReceived);
    talk.send(20_000, B, "S", [0, 0, 0]).states(State::SynReceived, State::SynSent);
    talk.send(50_010, B, "SA", [0, 1, 0]).states(State::Established, State::SynReceived);
    talk.send(70_010, A, "SA", [0, 1, 0]).states(State::SynReceived, State::Established);
    (talk.flow.state_a, talk.flow.state_b) = (State::Established, State::Established);
    talk.ended(Closing::Open, ClosedBy::Unknown)
}

/// A capture that began when the conversation was under way.
fn began_earlier() -> Flow {
    let mut talk = sample::Talk::new(None);
    talk.flow.before = [State::Unknown, State::Unknown];
    talk.flow.saw_opening = false;
    (talk.flow.state_a, talk.flow.state_b) = (State::Unknown, State::Unknown);
    talk.send(0, A, "PA", [1, 1, 10]);
    talk.send(500, B, "PA", [1, 11, 20]).states(State::Established, State::Unknown);
    talk.send(900, A, "FA", [11, 21, 0]).states(State::FinWait1, State::CloseWait);
    talk.ended(Closing::HalfClosed, ClosedBy::A)
}

#[test]
fn an_ordinary_conversation() {
    insta::assert_snapshot!(draw(&sample::one_loss()));
}

#[test]
fn both_close_at_once() {
    insta::assert_snapshot!(draw(&sample::crossing()));
}

#[test]
fn both_open_at_once() {
    insta::assert_snapshot!(draw(&simultaneous_open()));
}

#[test]
fn a_reset() {
    insta::assert_snapshot!(draw(&sample::reset()));
}

#[test]
fn refused_and_unanswered_tell_only_what_was_seen() {
    let below = |flow: &Flow| draw(flow).lines().skip(49).map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(
        below(&sample::refused()),
        "a: CLOSED → SYN_SENT (frame 1, sends SYN) → CLOSED (frame 2, receives RST)\n\
         b: CLOSED and no other state was seen\n"
    );
    let unanswered = below(&sample::unanswered());
    assert!(unanswered.starts_with("a: CLOSED → SYN_SENT (frame 1, sends SYN)"), "{unanswered}");
    assert!(unanswered.ends_with("b: unknown and no other state was seen\n"), "{unanswered}");
}

#[test]
fn what_came_before_the_capture_is_unknown() {
    insta::assert_snapshot!(draw(&began_earlier()));
}

/// A port scan of the half-open kind, over and over: LISTEN and back.
#[test]
fn very_many_steps_are_not_all_told() {
    let mut talk = sample::Talk::new(None);
    for round in 0..200 {
        talk.send(round * 100, A, "S", [0, 0, 0]).states(State::SynSent, State::Listen);
        talk.send(round * 100 + 10, B, "SA", [0, 1, 0]).states(State::Established, State::SynReceived);
        talk.send(round * 100 + 20, A, "R", [1, 0, 0]).states(State::Closed, State::Listen);
    }
    let drawn = draw(&talk.ended(Closing::Reset, ClosedBy::A));
    assert!(drawn.contains("→ … 376 steps …"), "{drawn}");
    assert!(drawn.contains("b0,2…"), "{drawn}");
    assert!(drawn.lines().count() < 130);
}

#[test]
fn in_ascii() {
    let flow = sample::one_loss();
    let drawn = text(&flow, &Names::roles(&flow), &Style { ascii: true, ..Style::default() });
    assert!(drawn.is_ascii());
    insta::assert_snapshot!(drawn);
}

#[test]
fn in_colour() {
    let flow = sample::one_loss();
    let drawn = text(&flow, &Names::roles(&flow), &Style { color: true, ..Style::default() });
    insta::assert_snapshot!(drawn.replace('\u{1b}', "\\e"));
}

#[test]
fn in_a_narrow_terminal_only_the_ways() {
    let flow = sample::one_loss();
    let drawn = text(&flow, &Names::roles(&flow), &Style { width: 60, ..Style::default() });
    insta::assert_snapshot!(drawn);
}

#[test]
fn every_arrow_of_the_figure_is_drawn_from_state_to_state_with_its_words() {
    let drawn = draw(&sample::unanswered());
    // Behind the heads and a blank line.
    let sheet: Vec<Vec<char>> = drawn.lines().skip(2).map(|line| line.chars().collect()).collect();
    let at = |(column, row): (usize, usize)| {
        sheet.get(row).and_then(|row| row.get(column)).copied().unwrap_or(' ')
    };
    for place in PLACES {
        let (left, top) = place.at;
        let row: String = (left..left + 16).map(|column| at((column, top + 1))).collect();
        assert!(row.contains(place.state.name()), "{:?} in {row}", place.state);
    }
    let words = TRANSITIONS.map(|arrow| [arrow.event, arrow.action]);
    let all = ROUTES.iter().zip(words).chain([(&RESET, RESET_WORDS)]);
    for (route, words) in all {
        let cells = route.cells();
        let (head, stroke) = cells.split_last().expect("a head");
        assert!("▶◀▲▼".contains(at(head.0)), "{route:?} ends in {:?}", at(head.0));
        for (cell, _, _) in stroke {
            // `a1` stands on the only arrow that was passed.
            assert!("─│┌┐└┘━┃┏┓┗┛a1 ".contains(at(*cell)), "{route:?}: {:?} at {cell:?}", at(*cell));
        }
        for ((column, row), text) in route.pieces(words) {
            let there: String = (0..text.len()).map(|offset| at((column + offset, row))).collect();
            assert_eq!(there, text);
        }
    }
}

#[test]
fn a_picture() {
    insta::assert_snapshot!(svg(&sample::one_loss(), &Names::roles(&sample::one_loss())));
}

#[test]
fn the_picture_has_every_state_and_arrow_and_the_marks_of_the_text() {
    let flow = sample::crossing();
    let drawn = svg(&flow, &Names::roles(&flow));
    let document = Document::parse(&drawn).expect("well-formed");
    let classed = |class: &str| {
        let has = |node: &roxmltree::Node<'_, '_>| {
            node.attribute("class").is_some_and(|classes| classes.split(' ').any(|one| one == class))
        };
        document.descendants().filter(has).collect::<Vec<_>>()
    };
    assert_eq!(classed("route").len(), TRANSITIONS.len() + 1);
    // All but unknown, for nobody was there.
    assert_eq!(classed("place").len(), PLACES.len() - 1);
    let titles: Vec<&str> =
        classed("route").iter().filter_map(|group| group.first_element_child()?.text()).collect();
    for arrow in TRANSITIONS {
        let title =
            format!("{} to {}: {} / {}", arrow.from.name(), arrow.to.name(), arrow.event, arrow.action);
        assert!(titles.contains(&title.as_str()), "{title}");
    }
    let mut marks: Vec<&str> = classed("number").iter().filter_map(roxmltree::Node::text).collect();
    marks.sort_unstable();
    let twice = ["a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3", "b4", "b5"];
    let mut expected: Vec<&str> = twice.iter().chain(&twice).copied().collect();
    // Where they began, and the letters beside the names and the ways.
    expected.extend(["a0", "b0", "a", "a", "b", "b"]);
    expected.sort_unstable();
    assert_eq!(marks, expected);
    // Nothing is loaded from elsewhere.
    assert!(!drawn.contains("href") && !drawn.contains("url(") && !drawn.contains("@import"));
    assert!(drawn.contains("@media (prefers-color-scheme:dark)"));
}

proptest! {
    #[test]
    fn no_line_is_too_wide(flow in sample::arbitrary(), width in 0usize..130, a in ".{0,60}", ascii: bool) {
        let names = Names { a, b: "x".to_owned() };
        let drawn = text(&flow, &names, &Style { width, ascii, ..Style::default() });
        for line in drawn.lines() {
            prop_assert!(crate::columns::width(line) <= width.max(NARROWEST), "{line:?}");
        }
        prop_assert!(!drawn.chars().any(|character| character.is_control() && character != '\n'));
    }

    #[test]
    fn every_picture_is_well_formed(flow in sample::arbitrary(), a in any::<String>(), b in ".{0,30}") {
        let drawn = svg(&flow, &Names { a, b });
        let document = Document::parse(&drawn);
        prop_assert!(document.is_ok(), "{:?}\n{drawn}", document.err());
        prop_assert!(!drawn.contains("NaN") && !drawn.contains("inf\""), "{drawn}");
    }
}
