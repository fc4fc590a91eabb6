//! Verdicts of conversations of datagrams.

use proptest::prelude::*;

use super::*;
use crate::sample::datagrams as sample;
use crate::sample::{A, B};

fn say(flow: &DatagramFlow) -> String {
    format!("{}\n{}", short(flow), paragraph(flow, &sample::roles(flow)))
}

#[test]
fn of_every_kind_one() {
    let said: Vec<String> = sample::all().iter().map(say).collect();
    insta::assert_snapshot!(said.join("\n\n"));
}

#[test]
fn as_many_each_way() {
    let flow = sample::Exchange::new(None).send(0, A, 5).send(31, B, 5).flow.clone();
    assert_eq!(
        say(&flow),
        "1 datagram each way\nclient and server sent 1 datagram (5 bytes) each in 31 µs; the first answer came after 31 µs."
    );
}

#[test]
fn a_broadcast_waits_for_nobody() {
    let mut talk = sample::Exchange::new(None);
    talk.flow.b = "255.255.255.255:67".parse().expect("an address");
    talk.send(0, A, 300).send(4_000_000, A, 300);
    assert_eq!(short(&talk.flow), "to everybody: 2 datagrams");
    assert!(!is_worth_a_look(&talk.flow));
}

#[test]
fn an_error_about_what_was_not_captured() {
    let flow = sample::Exchange::new(None).told(0, [192, 0, 2, 9], "host unreachable").flow.clone();
    assert_eq!(
        say(&flow),
        "host unreachable, told by 192.0.2.9\nwhat client sent to server was not captured; 192.0.2.9 told client by ICMP: host unreachable."
    );
}

#[test]
fn all_lost_on_the_link() {
    let flow = sample::Exchange::new(None).send(0, A, 5).lost().send(9, A, 6).lost().flow.clone();
    assert_eq!(
        say(&flow),
        "nobody answered 2 datagrams, 2 lost\nclient sent 2 datagrams (11 bytes) in 9 µs and nobody answered: none of them got across the link."
    );
}

#[test]
fn an_error_after_an_answer_does_not_hide_the_answer() {
    let mut talk = sample::Exchange::new(None);
    talk.send(0, A, 5).send(31, B, 5).send(60, A, 5).told(90, [10, 77, 0, 2], "port unreachable");
    assert_eq!(short(&talk.flow), "2 datagrams there, 1 back, port unreachable");
}

proptest! {
    #[test]
    fn it_is_one_safe_line_and_never_too_wide(flow in sample::arbitrary(), name in any::<String>(), width in 0usize..120) {
        let names = Names { a: name, b: "server :9".to_owned() };
        let said = paragraph(&flow, &names);
        prop_assert!(!said.chars().any(char::is_control), "{said:?}");
        for line in wrapped(&flow, &names, &Style { width, ..Style::default() }).lines() {
            prop_assert!(crate::columns::width(line) <= width.clamp(40, 100), "{line:?}");
        }
        prop_assert!(!short(&flow).is_empty());
    }
}
