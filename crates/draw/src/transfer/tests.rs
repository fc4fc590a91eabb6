//! A transfer with a loss and a silence as a snapshot, and what must hold at every width.

use proptest::prelude::*;

use super::*;
use crate::columns;
use crate::sample::{A, B, Talk};

/// One segment, then two, of which the second is lost and sent again by a timer.
fn transfer_with_a_loss() -> Flow {
    let mut talk = Talk::new(Some(Duration::from_millis(10)));
    talk.send(0, A, "S", [0, 0, 0]).send(10_000, B, "SA", [0, 1, 0]).send(20_000, A, "A", [1, 1, 0]);
    talk.send(20_000, A, "A", [1, 1, 1000]).send(30_000, B, "A", [1, 1001, 0]);
    talk.send(40_000, A, "A", [1001, 1, 1000]).send(40_000, A, "A", [2001, 1, 1000]).lost();
    talk.send(50_000, B, "A", [1, 2001, 0]);
    talk.send(300_000, A, "A", [2001, 1, 1000]).resent(7, 260_000, false);
    talk.send(310_000, B, "A", [1, 3001, 0]);
    talk.flow.clone()
}

fn draw(width: usize) -> String {
    let style = Style { width, ..Style::default() };
    text(&[transfer_with_a_loss()], Side::A, Names::of_roles, &style)
}

#[test]
fn a_loss_at_80_columns() {
    insta::assert_snapshot!(draw(80));
}

#[test]
fn a_loss_at_50_columns() {
    insta::assert_snapshot!(draw(50));
}

#[test]
fn the_picture_has_a_bar_for_each_flight_and_each_round_trip() {
    let picture = svg(&[transfer_with_a_loss()], Side::A, Names::of_roles).unwrap();
    let drawn = transfer(&transfer_with_a_loss(), Side::A, MOST);
    assert_eq!(picture.matches("class=\"a\"").count(), drawn.intervals.len());
    assert_eq!(picture.matches("class=\"trip\"").count(), 2);
    for words in ["1 lost", "timeout", "of silence"] {
        assert!(picture.contains(words), "{words}: {picture}");
    }
    assert_eq!(svg(&[], Side::A, Names::of_roles), None);
}

proptest! {
    #[test]
    fn lines_are_as_wide_as_they_may_be(width in 40usize..200) {
        for line in draw(width).lines() {
            prop_assert!(columns::width(line) <= width, "{width}: {line}");
        }
    }
}
