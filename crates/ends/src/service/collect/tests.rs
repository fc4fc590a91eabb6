use proptest::prelude::*;

use super::*;
use crate::service::Action;

const ONE: Client = Client(1);

/// What is shown, as text with `…` behind what is cut; other actions in brackets.
fn shown(output: Output<'_>) -> Vec<String> {
    let word = |action| match action {
        Action::Show(line) => {
            assert!(line.client.is_some() && line.room.is_none() && line.name.is_none());
            format!("{}{}", String::from_utf8_lossy(&line.bytes), if line.cut { "…" } else { "" })
        }
        other => format!("<{other:?}>"),
    };
    output.drain().map(word).collect()
}

fn says(collect: &mut Collect, client: Client, bytes: &[u8]) -> Vec<String> {
    let mut output = Output::new();
    collect.received(client, Arrival::Bytes(bytes), &mut output);
    shown(output)
}

fn with_client(mut collect: Collect, shape: Shape) -> Collect {
    collect.opened(ONE, shape, &mut Output::new());
    collect
}

#[test]
fn whole_lines_are_shown_however_they_come() {
    let mut collect = with_client(Collect::new(100), Shape::Stream);
    assert_eq!(says(&mut collect, ONE, b"fi"), [""; 0]);
    assert_eq!(says(&mut collect, Client(2), b"other\n"), ["other"]);
    assert_eq!(says(&mut collect, ONE, b"rst\r\n\nthird\nfou"), ["first", "", "third"]);
}

#[test]
fn what_had_no_end_is_shown_once_and_marked() {
    let close = format!("<{:?}>", Action::Close(ONE));
    let mut collect = with_client(Collect::new(100), Shape::Stream);
    says(&mut collect, ONE, b"whole\ncu");
    let (mut at_fin, mut at_end) = (Output::new(), Output::new());
    collect.ended(ONE, &mut at_fin);
    collect.gone(ONE, &mut at_end);
    assert_eq!(shown(at_fin), ["cu…".to_owned(), close]);
    assert!(at_end.is_empty(), "not again");

    says(&mut collect, ONE, b"cu");
    let mut killed = Output::new();
    collect.gone(ONE, &mut killed);
    assert_eq!(shown(killed), ["cu…"]);
}

#[test]
fn a_message_is_a_line() {
    for shape in [Shape::Messages, Shape::Datagrams] {
        let mut collect = with_client(Collect::new(4), shape);
        assert_eq!(says(&mut collect, ONE, b"one\n"), ["one"]);
        assert_eq!(says(&mut collect, ONE, b"a\nb"), ["a\nb"]);
        assert_eq!(says(&mut collect, ONE, b""), [""], "an empty one is one, too");
        assert_eq!(says(&mut collect, ONE, b"abcdefghi"), ["abcd…", "efgh…", "i"]);
        let mut output = Output::new();
        collect.gone(ONE, &mut output);
        assert!(output.is_empty() && collect.messages.is_empty());
    }
}

#[test]
fn beyond_a_limit_that_was_asked_for_the_client_is_let_go() {
    let over = format!("<{:?}>", Action::OverLimit(ONE));
    for (shape, bytes) in [(Shape::Stream, &b"ok\nabcdefgh\nmore\n"[..]), (Shape::Datagrams, b"abcdefgh\n")] {
        let mut collect = with_client(Collect::with_limit(4), shape);
        let told = says(&mut collect, ONE, bytes);
        assert_eq!(told[told.len() - 2..], ["abcd…".to_owned(), over.clone()], "{shape:?}");
        let mut output = Output::new();
        collect.gone(ONE, &mut output);
        assert!(output.is_empty(), "what is behind the limit is not shown");
    }
}

#[test]
fn nothing_is_kept_of_who_is_gone() {
    let mut collect = Collect::new(100);
    for number in 0..1000 {
        let client = Client(number);
        collect.opened(
            client,
            if number % 2 == 0 { Shape::Stream } else { Shape::Datagrams },
            &mut Output::new(),
        );
        says(&mut collect, client, b"unfinished");
    }
    (0..1000).for_each(|number| collect.gone(Client(number), &mut Output::new()));
    assert!(collect.lines.is_empty() && collect.messages.is_empty());
}

proptest! {
    /// Every byte of every line is shown once, in order; no line is longer than is kept.
    #[test]
    fn nothing_is_lost_or_doubled(
        texts in prop::collection::vec("[a-z ]{0,30}", 0..10), rest in "[a-z]{0,30}", step in 1usize..40,
    ) {
        let mut collect = with_client(Collect::new(8), Shape::Stream);
        let bytes: String = texts.iter().map(|text| format!("{text}\n")).collect::<String>() + &rest;
        let mut joined = String::new();
        let mut take = |output: Output<'_>| for action in output.drain() {
            if let Action::Show(line) = action {
                assert!(line.bytes.len() <= 8);
                joined.push_str(std::str::from_utf8(&line.bytes).expect("letters"));
                joined.push_str(if line.cut { "" } else { "\n" });
            }
        };
        for chunk in bytes.as_bytes().chunks(step) {
            let mut output = Output::new();
            collect.received(ONE, Arrival::Bytes(chunk), &mut output);
            take(output);
        }
        let mut output = Output::new();
        collect.ended(ONE, &mut output);
        take(output);
        prop_assert_eq!(joined, bytes);
    }
}
