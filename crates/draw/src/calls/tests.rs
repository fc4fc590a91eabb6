//! Calls beside ladders as snapshots, and what must hold for all calls at every width.

use std::time::Duration;

use flow::{Side, State};
use proptest::prelude::*;
use wire::Time;

use super::*;
use crate::columns;
use crate::sample::{A, B, Talk};

const DELAY: Duration = Duration::from_millis(10);

fn call(side: Side, began: u64, ended: Option<u64>, text: &str, result: &str) -> Call {
    let time = |ms: u64| Time(ms * 1_000_000);
    let result = ended.map(|_| result.to_owned());
    Call { side, text: text.to_owned(), result, began: time(began), ended: ended.map(time) }
}

/// A handshake, a question whose first copy is lost, and an answer that nobody waits for.
fn question() -> (Flow, Vec<Call>) {
    let mut talk = Talk::new(Some(DELAY));
    talk.send(5_000, A, "S", [0, 0, 0]).states(State::SynSent, State::SynReceived);
    talk.send(15_000, B, "SA", [0, 1, 0]).states(State::Established, State::SynReceived);
    talk.send(25_000, A, "A", [1, 1, 0]).states(State::Established, State::Established);
    talk.send(30_000, A, "PA", [1, 1, 16]).lost();
    talk.send(230_000, A, "PA", [1, 1, 16]).resent(4, 200_000, false);
    talk.send(240_000, B, "A", [1, 17, 0]);
    talk.send(240_000, B, "PA", [1, 17, 300]);
    talk.send(250_000, A, "A", [17, 301, 0]);
    let calls = vec![
        call(B, 0, Some(0), "socket(AF_INET, SOCK_STREAM)", "3"),
        call(B, 0, Some(0), "listen(3, 4096)", "0"),
        call(B, 0, Some(35), "accept(3)", "4"),
        call(A, 5, Some(25), "connect(3, 10.77.0.2:7)", "0"),
        call(A, 30, Some(30), "write(3, \"how is it there?\")", "16"),
        call(A, 30, Some(30), "recv(3, 4096, MSG_DONTWAIT)", "-1 EAGAIN"),
        call(B, 35, Some(240), "read(4, 4096)", "16"),
        call(B, 240, Some(240), "write(4, 300)", "300"),
        call(B, 240, None, "read(4, 4096)", ""),
    ];
    (talk.flow.clone(), calls)
}

fn draw(width: usize) -> String {
    let (flow, calls) = question();
    text(&flow, &calls, &Names::roles(&flow), &Style { width, ..Style::default() })
}

#[test]
fn a_question_at_80_columns() {
    insta::assert_snapshot!(draw(80));
}

#[test]
fn a_question_at_160_columns() {
    insta::assert_snapshot!(draw(160));
}

#[test]
fn a_question_at_60_columns() {
    insta::assert_snapshot!(draw(60));
}

#[test]
fn in_ascii_and_without_colour_every_wait_has_its_line() {
    let (flow, calls) = question();
    let ascii = text(&flow, &calls, &Names::roles(&flow), &Style { ascii: true, ..Style::default() });
    assert!(ascii.chars().all(|character| character == '\n' || (' '..='~').contains(&character)), "{ascii}");
    assert_eq!(ascii.lines().count(), draw(80).lines().count());
}

#[test]
fn a_call_that_was_made_while_a_segment_is_under_way_stands_between_its_two_ends() {
    let (flow, mut calls) = question();
    calls.push(call(B, 20, Some(20), "getpid()", "7"));
    calls.push(call(B, 27, Some(27), "getppid()", "1"));
    let drawn = text(&flow, &calls, &Names::roles(&flow), &Style::default());
    let line = |words: &str| drawn.lines().position(|line| line.contains(words)).unwrap();
    // The third segment is sent at 25 ms and arrives at 35 ms.
    assert!(line("getpid") < line("ACK 1 ─") && line("ACK 1 ─") < line("getppid"), "{drawn}");
    assert!(line("getppid") < line("└ = 4"), "{drawn}");
}

#[test]
fn a_wait_ends_at_the_arrival_though_the_link_notes_it_a_little_later() {
    let (flow, mut calls) = question();
    let accept = calls.iter_mut().find(|call| call.text == "accept(3)").unwrap();
    accept.ended = Some(Time(34_900_000));
    let drawn = text(&flow, &calls, &Names::roles(&flow), &Style::default());
    let line = drawn.lines().find(|line| line.contains("└ = 4")).unwrap();
    assert!(line.contains("ACK 1"), "{drawn}");
}

fn any_call() -> impl Strategy<Value = Call> {
    let time = || 0u64..400_000_000;
    let words = "[a-z]{0,9}(\\([ -~]{0,40}\\))?";
    (any::<bool>(), words, proptest::option::of("[ -~]{0,30}"), time(), proptest::option::of(time()))
        .prop_map(|(a, text, result, began, lasts)| Call {
            side: if a { A } else { B },
            text,
            result,
            began: Time(began),
            ended: lasts.map(|lasts| Time(began + lasts)),
        })
}

proptest! {
    #[test]
    fn whatever_is_called_is_drawn_within_the_width(
        calls in proptest::collection::vec(any_call(), 0..30),
        width in 40usize..200,
    ) {
        let (flow, _) = question();
        let drawn = text(&flow, &calls, &Names::roles(&flow), &Style { width, ..Style::default() });
        for line in drawn.lines() {
            prop_assert!(columns::width(line) <= width, "{width}: {line}\n{drawn}");
        }
    }
}

#[test]
fn the_picture_has_a_bar_for_each_wait_and_every_result() {
    let (flow, calls) = question();
    let picture = svg(&flow, &calls, &Names::roles(&flow));
    let waits = calls.iter().filter(|call| call.waited()).count();
    assert_eq!((waits, picture.matches("class=\"wait\"").count()), (4, 4));
    for words in
        ["after 35.0 ms", "waits still", "how is it there?&quot;) = 16", "= -1 EAGAIN", "lost on the link"]
    {
        assert!(picture.contains(words), "{words}: {picture}");
    }
}
