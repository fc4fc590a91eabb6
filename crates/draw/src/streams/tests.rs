//! Transcripts as pictures, and what must hold of whatever is said.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn names() -> Names {
    Names { a: "client :40712".to_owned(), b: "server :80".to_owned() }
}

fn said(start: i64, bytes: &[u8], frame: u64) -> Said<'_> {
    Said { start, bytes, frame, time: Time(frame * 102_000) }
}

fn drawn(look: Look, items: &[(Side, Item<'_>)]) -> String {
    let mut transcript = Transcript::new(names(), Time::ZERO, look);
    let mut out = heading(3, &names(), &look.style);
    items.iter().for_each(|(from, item)| transcript.item(*from, item, &mut out));
    transcript.finish(&mut out);
    out
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: server\r\n\r\n";

/// A request, an answer with a part of each kind of trouble, and binary data back.
fn talk<'a>() -> Vec<(Side, Item<'a>)> {
    let gap = |start, len_bytes, why| Item::Gap(Gap { start, len_bytes, why });
    vec![
        (Side::A, Item::Data(said(1, &REQUEST[..20], 4))),
        (Side::A, Item::Data(said(21, &REQUEST[20..], 5))),
        (Side::B, Item::Data(said(1, "HTTP/1.1 200 OK\r\n\r\ngrüße\t\x1b[31m".as_bytes(), 7))),
        (Side::A, Item::Conflict(Conflict { start: 5, len_bytes: 3, first: 4, again: 8 })),
        (Side::B, gap(33, 1_448, Missing::NeverSeen)),
        (Side::B, Item::Data(said(1_481, b"and so on\n", 9))),
        (Side::B, gap(1_491, 1_394, Missing::Cut { kept: 54, of: 1_448 })),
        (Side::B, gap(2_885, 10, Missing::TooLate)),
        (Side::B, Item::Late(said(2_885, b"came later", 12))),
        (Side::B, Item::Data(said(2_895, b"the end", 13))),
        (Side::A, Item::Data(said(33, b"\x16\x03\x01\x00\xff binary and a few more", 14))),
    ]
}

#[test]
fn a_request_and_its_answer() {
    insta::assert_snapshot!(drawn(Look::default(), &talk()));
}

#[test]
fn the_same_in_hex_and_ascii_on_60_columns() {
    let style = Style { width: 60, ascii: true, ..Style::default() };
    insta::assert_snapshot!(drawn(Look { form: Form::Hex, style, ..Look::default() }, &talk()[..3]));
}

#[test]
fn the_same_as_text_with_line_ends_in_colour() {
    let style = Style { color: true, ..Style::default() };
    let out = drawn(Look { form: Form::Text, line_ends: true, style }, &talk());
    insta::assert_snapshot!(out.replace('\u{1b}', "\\e"));
}

#[test]
fn datagrams_are_turns_of_their_own() {
    let mut transcript = Transcript::new(names(), Time::ZERO, Look::default());
    let mut out = String::new();
    transcript.datagram(Side::A, &said(0, b"one\n", 1), 4, &mut out);
    transcript.datagram(Side::A, &said(0, b"tw", 2), 4, &mut out);
    transcript.datagram(Side::B, &said(0, b"", 3), 0, &mut out);
    insta::assert_snapshot!(out);
}

#[test]
fn a_long_turn_is_drawn_as_it_comes() {
    let mut transcript = Transcript::new(names(), Time::ZERO, Look::default());
    let block = "x".repeat(999) + "\n";
    let mut all = String::new();
    for at in 0..200 {
        let mut out = String::new();
        let start = 1 + at * 1_000;
        transcript.item(Side::A, &Item::Data(said(start, block.as_bytes(), 1)), &mut out);
        assert_eq!(out.is_empty(), at < 65, "{at}");
        all.push_str(&out);
    }
    transcript.finish(&mut all);
    let lines: Vec<&str> = all.lines().collect();
    assert!(lines[0].starts_with("── ▶ client :40712, 0.102 ms, more than 65,536 bytes ─"), "{}", lines[0]);
    assert_eq!(lines.len(), 202);
    assert_eq!(lines[201], "[200,000 bytes in this turn]");
}

#[test]
fn text_is_told_from_what_is_none() {
    let text = |bytes: &[u8]| is_text([bytes].into_iter());
    assert!(text(b"") && text(b"GET / HTTP/1.1\r\n\r\n") && text("grüß\tdich\n".as_bytes()));
    assert!(text(b"\x1b[1mbold\x1b[0m\n"));
    assert!(!text(b"a\0b") && !text(b"\x16\x03\x01\x02") && !text(&[0xff; 9]));
    let cut = [&b"a".repeat(100)[..], &"ü".as_bytes()[..1]].concat();
    assert!(text(&cut), "a character that is cut makes no binary of a text");
}

fn item() -> impl Strategy<Value = (bool, u8, i64, Vec<u8>)> {
    (any::<bool>(), 0..6u8, 1..1_000i64, prop::collection::vec(any::<u8>(), 0..100))
}

proptest! {
    #[test]
    fn nothing_said_can_steer_a_terminal_or_pass_for_our_word(
        items in prop::collection::vec(item(), 0..30),
        hex in any::<bool>(),
        line_ends in any::<bool>(),
        ascii in any::<bool>(),
        width in 1..200usize,
    ) {
        let style = Style { width, ascii, ..Style::default() };
        let look = Look { form: if hex { Form::Hex } else { Form::Text }, line_ends, style };
        let mut transcript = Transcript::new(names(), Time::ZERO, look);
        let mut out = String::new();
        for (from, kind, start, bytes) in &items {
            let from = if *from { Side::A } else { Side::B };
            let said = Said { start: *start, bytes, frame: 1, time: Time::ZERO + Duration::from_secs(1) };
            match kind {
                0 => transcript.item(from, &Item::Gap(Gap { start: *start, len_bytes: 3, why: Missing::NeverSeen }), &mut out),
                1 => transcript.item(from, &Item::Late(said), &mut out),
                2 => transcript.datagram(from, &said, 100, &mut out),
                _ => transcript.item(from, &Item::Data(said), &mut out),
            }
        }
        transcript.finish(&mut out);
        prop_assert!(out.is_empty() || out.ends_with('\n'));
        prop_assert!(!out.chars().any(|character| character.is_control() && character != '\n' && character != '\t'));
        prop_assert!(!ascii || out.bytes().all(|byte| byte == b'\n' || byte == b'\t' || (0x20..0x7f).contains(&byte)));
        let begins = |line: &str| ["▶ ", "◀ ", "> ", "< ", "── ", "-- ", "["].iter().any(|sign| line.starts_with(sign));
        for line in out.lines() {
            prop_assert!(begins(line), "{line:?}");
        }
    }
}
