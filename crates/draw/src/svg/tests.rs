//! The picture is well-formed whatever is in it, and says what the text says.

use proptest::prelude::*;
use roxmltree::Document;

use super::*;
use crate::{sample, verdict};

fn picture(flow: &Flow) -> String {
    super::draw(flow, &Names::roles(flow))
}

fn texts(document: &Document<'_>) -> Vec<String> {
    let texts =
        document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    texts
        .map(|node| node.descendants().filter_map(|inner| inner.text().filter(|_| inner.is_text())).collect())
        .collect()
}

fn count_class(document: &Document<'_>, class: &str) -> usize {
    let has = |node: &roxmltree::Node<'_, '_>| {
        node.attribute("class").is_some_and(|classes| classes.split(' ').any(|one| one == class))
    };
    document.descendants().filter(has).count()
}

#[test]
fn one_loss() {
    insta::assert_snapshot!(picture(&sample::one_loss()));
}

#[test]
fn a_picture_tells_readers_of_screens_what_it_shows() {
    let drawn = picture(&sample::one_loss());
    let document = Document::parse(&drawn).expect("well-formed");
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let of =
        |name: &str| root.children().find(|node| node.tag_name().name() == name).and_then(|node| node.text());
    assert_eq!(of("title"), Some("client :40712 and server :7: closed by client, 1 lost, 1 resent"));
    let flow = sample::one_loss();
    assert_eq!(of("desc").map(str::to_owned), Some(verdict::paragraph(&flow, &Names::roles(&flow))));
}

#[test]
fn each_segment_has_its_arrow_and_a_loss_its_cross() {
    let flow = sample::one_loss();
    let drawn = picture(&flow);
    let document = Document::parse(&drawn).expect("well-formed");
    assert_eq!(count_class(&document, "arrow"), flow.rows.len());
    assert_eq!(count_class(&document, "tip"), flow.rows.len() - 1);
    assert_eq!(count_class(&document, "cross"), 2);
    let said = texts(&document);
    for words in ["lost on the link", "after RTO 204 ms", "204 ms pause", "TIME_WAIT", "LISTEN", "OPENING"] {
        assert!(said.iter().any(|text| text == words), "{words} is not in {said:?}");
    }
}

#[test]
fn what_never_arrived_before_the_end_is_no_loss() {
    let mut talk = sample::Talk::new(None);
    talk.send(0, sample::A, "S", [0, 0, 0]).fate(wire::Fate::Stopped, "");
    let drawn = picture(&talk.flow);
    assert!(drawn.contains("still under way at the end") && !drawn.contains("lost on the link"), "{drawn}");
    let document = Document::parse(&drawn).expect("well-formed");
    assert_eq!(count_class(&document, "cross"), 0);
}

#[test]
fn light_and_dark_are_both_there() {
    let drawn = picture(&sample::refused());
    assert!(drawn.contains("@media (prefers-color-scheme:dark)"));
    // Nothing is loaded from elsewhere.
    assert!(!drawn.contains("href") && !drawn.contains("url(") && !drawn.contains("@import"));
}

#[test]
fn a_longer_way_slants_more() {
    let slant = |millis: u64| {
        let mut talk = sample::Talk::new(Some(std::time::Duration::from_micros(100)));
        talk.handshake(200);
        talk.send(1_000, sample::A, "PA", [1, 1, 10]);
        let time = talk.row().time;
        if let Some(passage) = talk.row().passage.as_mut() {
            passage.arrived = Some(time + std::time::Duration::from_millis(millis));
        }
        let flow = talk.flow.clone();
        let steps = ladder::steps(&flow, &Style::default());
        let plan = Plan::of(&flow, &steps);
        let axis = axis(&plan.moments, &plan.flights(), TOP);
        let arrow = plan.arrows.last().expect("an arrow");
        axis.places[arrow.arrived.expect("an arrival")] - axis.places[arrow.sent]
    };
    assert!(slant(1) > slant(0));
}

#[test]
fn labels_make_room_for_crossing_arrows() {
    assert_eq!(free_place("FIN 33", &[], 390.0, |_| 0), 0.5);
    assert_eq!(free_place("FIN 33", &[0.5], 390.0, |_| 0), 0.35);
    assert_eq!(free_place(&"x".repeat(60), &[0.5], 390.0, |_| 0), 0.5);
}

#[test]
fn labels_keep_away_from_what_is_written() {
    let covered = |along: f64| if along == 0.5 { 3 } else { usize::from(along == 0.35) };
    assert_eq!(free_place("FIN 33", &[], 390.0, covered), 0.65);
    assert_eq!(free_place("FIN 33", &[], 390.0, |along| (along * 100.0) as usize), 0.18);
    let [first, last] =
        [points_of("abc", [100.0, 50.0], 0.0).next(), points_of("abc", [100.0, 50.0], 0.0).last()];
    assert_eq!((first, last), (Some([100.0 - LETTER, 41.0]), Some([100.0 + LETTER, 41.0])));
    assert!(is_near([0.0, 0.0], [6.0, 11.0]) && !is_near([0.0, 0.0], [8.0, 0.0]));
}

/// Segments may be under way across the line that stands for many.
#[test]
fn labels_of_many_segments_stand_on_a_patch_of_the_page() {
    let drawn = picture(&sample::transfer(400));
    let document = Document::parse(&drawn).expect("well-formed");
    let labels = texts(&document).iter().filter(|text| text.contains(" more ")).count();
    let patches = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("page") && node.attribute("height") == Some("14"));
    assert!(labels > 0);
    assert_eq!(patches.count(), labels);
}

#[test]
fn a_long_transfer_fits_on_a_page() {
    let drawn = picture(&sample::transfer(2_000));
    let document = Document::parse(&drawn).expect("well-formed");
    let height: f64 =
        document.root_element().attribute("height").and_then(|text| text.parse().ok()).expect("a height");
    assert!(height < 3_000.0, "{height}");
    assert!(drawn.contains("more segments"));
}

proptest! {
    #[test]
    fn every_picture_is_well_formed(flow in sample::arbitrary(), a in any::<String>(), b in ".{0,30}") {
        let drawn = draw(&flow, &Names { a, b });
        let document = Document::parse(&drawn);
        prop_assert!(document.is_ok(), "{:?}\n{drawn}", document.err());
        prop_assert!(!drawn.contains("NaN") && !drawn.contains("inf\""), "{drawn}");
        prop_assert!(!drawn.chars().any(|character| character.is_control() && character != '\n'));
    }

    #[test]
    fn a_name_stays_a_name(name in "[<>&\"'\\]/=a-z]{1,30}") {
        let flow = sample::refused();
        let drawn = draw(&flow, &Names { a: name.clone(), b: "x".to_owned() });
        let document = Document::parse(&drawn).expect("well-formed");
        let said = texts(&document);
        prop_assert!(said.contains(&name), "{name:?} is not in {said:?}");
    }
}
