//! Whole stories as snapshots, and what must hold for every conversation at every width.

use flow::{ClosedBy, Closing, State};
use proptest::prelude::*;

use super::*;
use crate::sample;
use sample::{A, B, Talk};

fn tell(flow: &Flow) -> String {
    text(flow.first, flow, &Names::roles(flow), &Style::default(), LINES)
}

#[test]
fn a_loss() {
    insta::assert_snapshot!(tell(&sample::one_loss()));
}

#[test]
fn a_long_transfer_is_one_turn() {
    insta::assert_snapshot!(tell(&sample::transfer(2_000)));
}

#[test]
fn both_close_at_once() {
    insta::assert_snapshot!(tell(&sample::crossing()));
}

#[test]
fn reset_refused_and_unanswered() {
    let all = [sample::reset(), sample::refused(), sample::unanswered()].map(|flow| tell(&flow));
    insta::assert_snapshot!(all.join("---\n"));
}

/// The client closes its half, and the server answers later; its buffer was full meanwhile.
#[test]
fn a_half_close_a_pause_and_a_full_buffer() {
    let mut talk = Talk::new(None);
    talk.handshake(31);
    talk.send(100, A, "PA", [1, 1, 9_000]);
    talk.send(150, B, "A", [1, 9_001, 0]).row().window_bytes = 0;
    talk.send(900, B, "A", [1, 9_001, 0]);
    talk.send(950, A, "PA", [9_001, 1, 2_000]);
    talk.send(990, A, "FA", [11_001, 1, 0]).states(State::FinWait1, State::CloseWait);
    talk.send(1_020, B, "A", [1, 11_002, 0]).states(State::FinWait2, State::CloseWait);
    talk.send(3_000_000, B, "PA", [1, 11_002, 500]);
    talk.send(3_000_040, A, "A", [11_002, 501, 0]);
    talk.send(3_045_000, B, "PA", [501, 11_002, 10]);
    talk.send(3_045_040, A, "A", [11_002, 511, 0]);
    talk.send(3_045_300, B, "FA", [511, 11_002, 0]).states(State::TimeWait, State::LastAck);
    talk.send(3_045_340, A, "A", [11_002, 512, 0]).states(State::TimeWait, State::Closed);
    insta::assert_snapshot!(tell(&talk.ended(Closing::Fin, ClosedBy::A)));
}

#[test]
fn a_question_whether_the_other_end_is_still_there() {
    let mut talk = Talk::new(None);
    talk.handshake(31).send(100, A, "PA", [1, 1, 10]);
    talk.send(75_000_000, A, "A", [10, 1, 0]);
    talk.send(75_000_040, B, "A", [1, 11, 0]);
    let told = tell(&talk.ended(Closing::Open, ClosedBy::Unknown));
    let words =
        "      …     75 s of silence\n  75.00 s   client asks whether server is still there (frame 5)\n";
    assert!(told.contains(words), "{told}");
}

#[test]
fn a_question_into_a_closed_window_asks_for_room() {
    let mut talk = Talk::new(None);
    talk.handshake(31).send(100, A, "PA", [1, 1, 10]);
    talk.send(150, B, "A", [1, 11, 0]).row().window_bytes = 0;
    talk.send(200_150, A, "A", [10, 1, 0]);
    let told = tell(&talk.ended(Closing::Open, ClosedBy::Unknown));
    assert!(told.contains("client asks whether server has room now (frame 6)"), "{told}");
}

#[test]
fn both_open_at_once() {
    let mut talk = Talk::new(Some(std::time::Duration::from_millis(50)));
    talk.send(0, A, "S", [0, 0, 0]).states(State::SynSent, State::SynReceived);
    talk.send(20_000, B, "S", [0, 0, 0]).states(State::SynReceived, State::SynSent);
    talk.send(50_010, B, "SA", [0, 1, 0]).states(State::Established, State::SynReceived);
    talk.send(70_010, A, "SA", [0, 1, 0]).states(State::SynReceived, State::Established);
    let told = tell(&talk.ended(Closing::Open, ClosedBy::Unknown));
    assert!(
        told.starts_with("  0.000 ms  client and server open at the same time (SYN and SYN cross)\n"),
        "{told}"
    );
}

#[test]
fn a_capture_that_began_late() {
    let mut talk = Talk::new(None);
    talk.flow.saw_opening = false;
    talk.flow.before = [State::Unknown; 2];
    talk.send(0, B, "PA", [1, 1, 10]).states(State::Unknown, State::Unknown);
    talk.send(80, A, "PA", [1, 11, 20]);
    let flow = talk.ended(Closing::Open, ClosedBy::Unknown);
    let told = text(flow.first, &flow, &Names::addresses(&flow), &Style::default(), LINES);
    insta::assert_snapshot!(told);
}

/// So many questions and answers, 1 ms apart.
fn ping_pong(rounds: u32) -> Flow {
    let mut talk = Talk::new(None);
    talk.handshake(31);
    for round in 0..rounds {
        let (micros, seq) = (1_000 + u64::from(round) * 1_000, 1 + round * 16);
        talk.send(micros, A, "PA", [seq, seq, 16]);
        talk.send(micros + 35, B, "PA", [seq, seq + 16, 16]);
    }
    let end = 1 + rounds * 16;
    talk.close(2_000 + u64::from(rounds) * 1_000, 40, [end, end]);
    talk.ended(Closing::Fin, ClosedBy::A)
}

#[test]
fn of_very_many_turns_the_first_and_the_last() {
    let flow = ping_pong(1_000);
    let told = text(flow.first, &flow, &Names::roles(&flow), &Style::default(), 9);
    insta::assert_snapshot!(told);
    let all = text(flow.first, &flow, &Names::roles(&flow), &Style::default(), usize::MAX);
    assert_eq!(all.lines().filter(|line| line.contains(" sends 16 bytes")).count(), 2_000);
}

#[test]
fn in_colour_names_have_the_colour_of_their_side() {
    let flow = sample::one_loss();
    let style = Style { color: true, ..Style::default() };
    let told = text(flow.first, &flow, &Names::roles(&flow), &style, LINES);
    assert!(told.contains("\u{1b}[36mclient\u{1b}[0m sends 16 bytes"), "{told}");
    assert!(told.contains("\u{1b}[35mserver\u{1b}[0m sends 16 bytes"), "{told}");
}

proptest! {
    #[test]
    fn no_line_is_too_wide(
        flow in sample::arbitrary(), width in 0usize..130, a in ".{0,40}", ascii: bool, most in 0usize..30,
    ) {
        let names = Names { a, b: "x".to_owned() };
        let told = text(flow.first, &flow, &names, &Style { width, ascii, ..Style::default() }, most);
        for line in told.lines() {
            prop_assert!(crate::columns::width(line) <= width.max(COLUMNS.0), "{line:?}");
        }
        prop_assert!(!told.chars().any(|character| character.is_control() && character != '\n'));
    }
}
