use super::*;
use proptest::prelude::*;

/// What was handed out, put together: the stream with `None` for what is missing, and the rest beside it.
#[derive(Debug, Default)]
struct Heard {
    stream: Vec<Option<u8>>,
    gaps: Vec<Gap>,
    conflicts: Vec<Conflict>,
    late: Vec<(i64, Vec<u8>)>,
}

impl Heard {
    fn hear(&mut self, item: Item<'_>) {
        let next = FIRST + i64::try_from(self.stream.len()).unwrap();
        match item {
            Item::Data(said) => {
                assert_eq!(said.start, next, "data joins on");
                assert!(!said.bytes.is_empty());
                self.stream.extend(said.bytes.iter().map(|byte| Some(*byte)));
            }
            Item::Gap(gap) => {
                assert_eq!(gap.start, next, "a gap joins on");
                assert!(gap.len_bytes > 0);
                self.stream.extend((0..gap.len_bytes).map(|_| None));
                self.gaps.push(gap);
            }
            Item::Conflict(conflict) => self.conflicts.push(conflict),
            Item::Late(said) => self.late.push((said.start, said.bytes.to_vec())),
        }
    }

    fn text(&self) -> String {
        self.stream.iter().map(|byte| byte.map_or('_', char::from)).collect()
    }
}

const MOST: usize = 256 * 1024;

fn piece(start: i64, bytes: &[u8], frame: u64) -> Piece<'_> {
    let len_bytes = u32::try_from(bytes.len()).unwrap();
    Piece { start, bytes, len_bytes, frame, time: Time(frame * 1_000_000) }
}

/// Takes texts at positions; frames count from 1 and are a millisecond apart.
fn heard(pieces: &[(i64, &str)]) -> Heard {
    let mut stream = Reassembly::new(MOST);
    let mut heard = Heard::default();
    for (frame, (start, text)) in (1..).zip(pieces) {
        stream.take(&piece(*start, text.as_bytes(), frame), |item| heard.hear(item));
    }
    stream.finish(|item| heard.hear(item));
    heard
}

#[test]
fn what_comes_early_waits_and_what_comes_again_is_not_said_twice() {
    let heard = heard(&[(1, "hello "), (12, "!"), (1, "hello "), (7, "worl"), (7, "world")]);
    assert_eq!(heard.text(), "hello world!");
    assert!(heard.gaps.is_empty() && heard.conflicts.is_empty(), "{heard:?}");
}

#[test]
fn the_first_copy_counts_and_another_is_told() {
    let given = heard(&[(1, "abcdef"), (3, "cXeY")]);
    assert_eq!(given.text(), "abcdef");
    assert_eq!(given.conflicts, [Conflict { start: 4, len_bytes: 3, first: 1, again: 2 }]);
    let held = heard(&[(5, "efgh"), (4, "dEfgh"), (1, "abc")]);
    assert_eq!(held.text(), "abcdefgh");
    assert_eq!(held.conflicts, [Conflict { start: 5, len_bytes: 1, first: 1, again: 2 }]);
    // Behind a gap as well.
    let mut stream = Reassembly::new(MOST);
    let mut heard = Heard::default();
    stream.take(&piece(1, b"ab", 1), |item| heard.hear(item));
    stream.take(&piece(5, b"ef", 2), |item| heard.hear(item));
    stream.acknowledge(7, true, Time(0), |item| heard.hear(item));
    stream.take(&piece(2, b"X", 3), |item| heard.hear(item));
    assert_eq!(heard.conflicts, [Conflict { start: 2, len_bytes: 1, first: 1, again: 3 }]);
}

#[test]
fn a_keep_alive_with_a_garbage_byte_is_no_conflict() {
    let heard = heard(&[(1, "abc"), (3, "\0"), (0, "\0"), (4, "d")]);
    assert_eq!(heard.text(), "abcd");
    assert!(heard.conflicts.is_empty(), "{heard:?}");
}

#[test]
fn what_was_never_seen_is_a_gap_at_the_end() {
    let heard = heard(&[(1, "ab"), (5, "ef")]);
    assert_eq!(heard.text(), "ab__ef");
    assert_eq!(heard.gaps, [Gap { start: 3, len_bytes: 2, why: Missing::NeverSeen }]);
}

#[test]
fn a_hurried_stream_says_so_and_goes_on() {
    let mut stream = Reassembly::new(MOST);
    let mut heard = Heard::default();
    stream.take(&piece(3, b"cd", 1), |item| heard.hear(item));
    stream.hurry(|item| heard.hear(item));
    stream.take(&piece(5, b"ef", 2), |item| heard.hear(item));
    assert_eq!(heard.text(), "__cdef");
    assert_eq!(heard.gaps, [Gap { start: 1, len_bytes: 2, why: Missing::TooLate }]);
}

#[test]
fn an_answer_gives_up_what_it_acknowledges_and_a_late_piece_is_told() {
    let mut stream = Reassembly::new(MOST);
    let mut heard = Heard::default();
    stream.take(&piece(3, b"cd", 1), |item| heard.hear(item));
    stream.acknowledge(5, true, Time(0), |item| heard.hear(item));
    assert_eq!(heard.text(), "__cd");
    stream.take(&piece(1, b"abcd", 2), |item| heard.hear(item));
    assert_eq!((heard.text().as_str(), heard.late.as_slice()), ("__cd", &[(1, b"ab".to_vec())][..]));
    stream.take(&piece(1, b"ab", 3), |item| heard.hear(item));
    assert_eq!(heard.late.len(), 1, "only once");
    assert!(heard.conflicts.is_empty());
}

#[test]
fn a_bare_acknowledgement_leaves_a_moment_for_what_it_acknowledges() {
    for (later, text) in [(9_999_999, "abcd"), (10_000_000, "__cd")] {
        let mut stream = Reassembly::new(MOST);
        let mut heard = Heard::default();
        stream.take(&piece(3, b"cd", 0), |item| heard.hear(item));
        stream.acknowledge(3, false, Time(0), |item| heard.hear(item));
        assert_eq!(heard.text(), "");
        stream.take(&Piece { time: Time(later), ..piece(1, b"ab", 2) }, |item| heard.hear(item));
        assert_eq!(heard.text(), text);
    }
}

#[test]
fn acknowledgements_one_after_the_other_do_not_put_off_the_end_of_waiting() {
    let mut stream = Reassembly::new(MOST);
    let mut heard = Heard::default();
    for millis in 0..30 {
        let position = 2 + i64::try_from(millis).unwrap();
        stream.acknowledge(position, false, Time(millis * 1_000_000), |item| heard.hear(item));
    }
    assert!(heard.stream.len() >= 10, "{}", heard.stream.len());
    stream.finish(|item| heard.hear(item));
    assert_eq!(heard.stream.len(), 30);
}

#[test]
fn what_the_snap_length_cut_is_told_and_a_whole_copy_fills_it_while_it_waits() {
    let cut = |start, bytes, frame| Piece { len_bytes: 6, ..piece(start, bytes, frame) };
    let mut stream = Reassembly::new(MOST);
    let mut heard = Heard::default();
    stream.take(&cut(1, b"ab", 1), |item| heard.hear(item));
    assert_eq!(heard.gaps, [Gap { start: 3, len_bytes: 4, why: Missing::Cut { kept: 2, of: 6 } }]);
    // Behind a hole: only its middle is known to have been cut, when the hole is filled.
    stream.take(&cut(9, b"ij", 2), |item| heard.hear(item));
    stream.take(&piece(13, b"mn", 3), |item| heard.hear(item));
    stream.take(&piece(7, b"gh", 4), |item| heard.hear(item));
    stream.finish(|item| heard.hear(item));
    assert_eq!(heard.text(), "ab____ghij__mn");
    assert_eq!(heard.gaps[1], Gap { start: 11, len_bytes: 2, why: Missing::Cut { kept: 2, of: 6 } });
}

#[test]
fn a_hole_is_given_up_when_too_much_is_held_behind_it() {
    let mut stream = Reassembly::new(4_096);
    let mut heard = Heard::default();
    let block = [b'x'; 1_000];
    for (frame, start) in (1..).zip((11..6_000).step_by(1_000)) {
        stream.take(&piece(start, &block, frame), |item| heard.hear(item));
        assert!(stream.held_cost <= 4_096);
    }
    assert_eq!(heard.gaps, [Gap { start: 1, len_bytes: 10, why: Missing::TooLate }]);
    assert!(heard.stream.len() >= 4_000);
}

#[test]
fn many_tiny_pieces_behind_a_hole_cost_their_keeping() {
    let mut stream = Reassembly::new(4_096);
    for (frame, start) in (1..).zip((11..100_000).step_by(2)) {
        stream.take(&piece(start, b"x", frame), |_| {});
        assert!(stream.held.len() <= 64);
    }
}

#[test]
fn comparison_reaches_back_64_kib() {
    let mut stream = Reassembly::new(MOST);
    let mut conflicts = 0;
    let mut tell = |item: Item<'_>| conflicts += usize::from(matches!(item, Item::Conflict(_)));
    for frame in 0..100 {
        stream.take(&piece(1 + frame * 1_000, &[b'x'; 1_000], frame.unsigned_abs()), &mut tell);
    }
    stream.take(&piece(40_001, b"yy", 200), &mut tell);
    stream.take(&piece(10_001, b"yy", 201), &mut tell);
    assert_eq!(conflicts, 1);
    assert!(stream.memory_bytes() < 256 * 1024, "{}", stream.memory_bytes());
}

/// A stream of so many bytes, each telling its position.
fn original(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// Pieces `(from, length, kept)` of a stream of `len` bytes, in any order, many of them overlapping.
fn pieces(len: usize) -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    prop::collection::vec((0..len, 1..60usize, 0..90usize), 0..60)
}

fn taken(stream: &[u8], pieces: &[(usize, usize, usize)], most: usize) -> Heard {
    let mut reassembly = Reassembly::new(most);
    let mut heard = Heard::default();
    for (frame, (from, len, kept)) in (1..).zip(pieces) {
        let whole = &stream[*from..(from + len).min(stream.len())];
        let kept = &whole[..(*kept).min(whole.len())];
        let start = FIRST + i64::try_from(*from).unwrap();
        let all = Piece { bytes: kept, ..piece(start, whole, frame) };
        reassembly.take(&all, |item| heard.hear(item));
        assert!(reassembly.held_cost <= most);
        let cost: usize = reassembly.held.values().map(Held::cost).sum();
        assert_eq!(cost, reassembly.held_cost, "the cost is counted right");
    }
    reassembly.finish(|item| heard.hear(item));
    assert_eq!(reassembly.held_cost, 0);
    heard
}

proptest! {
    #[test]
    fn every_order_with_every_repetition_gives_the_original(
        len in 1..500usize,
        seed in any::<prop::sample::Index>(),
        order in Just((0..40usize).collect::<Vec<_>>()).prop_shuffle(),
        again in pieces(500),
    ) {
        let stream = original(len);
        let step = 1 + seed.index(60);
        let once = order.iter().map(|at| at * step).chain((0..len).step_by(step));
        let once = once.filter(|from| *from < len).map(|from| (from, step, usize::MAX));
        let again = again.into_iter().filter(|(from, ..)| *from < len);
        let all: Vec<_> = again.map(|(from, len, _)| (from, len, usize::MAX)).chain(once).collect();
        let heard = taken(&stream, &all, MOST);
        prop_assert_eq!(heard.stream, stream.into_iter().map(Some).collect::<Vec<_>>());
        prop_assert!(heard.gaps.is_empty() && heard.conflicts.is_empty() && heard.late.is_empty());
    }

    #[test]
    fn what_is_handed_out_is_what_was_said_and_the_rest_are_gaps(pieces in pieces(500), most in 64..2_000usize) {
        let stream = original(500);
        let heard = taken(&stream, &pieces, most);
        for (at, byte) in heard.stream.iter().enumerate() {
            prop_assert!(byte.is_none_or(|byte| byte == stream[at]));
        }
        for (start, bytes) in &heard.late {
            let at = usize::try_from(start - FIRST).unwrap();
            prop_assert_eq!(bytes.as_slice(), &stream[at..at + bytes.len()]);
            prop_assert!(heard.stream[at..at + bytes.len()].iter().all(Option::is_none));
        }
        prop_assert!(heard.conflicts.is_empty());
        // With room enough, nothing that was captured whole is missing.
        let whole: Vec<_> = pieces.iter().map(|(from, len, _)| (*from, *len, usize::MAX)).collect();
        let heard = taken(&stream, &whole, MOST);
        for (from, len, _) in whole {
            prop_assert!(heard.stream[from..(from + len).min(500)].iter().all(Option::is_some));
        }
    }

    #[test]
    fn nothing_that_a_capture_can_say_breaks_it(
        steps in prop::collection::vec((any::<i64>(), any::<u8>(), any::<u32>(), any::<bool>(), any::<u64>()), 0..40),
    ) {
        let mut stream = Reassembly::new(300);
        let block = [b'z'; 255];
        let mut next = FIRST;
        let mut tell = |item: Item<'_>| match item {
            Item::Data(said) => { assert_eq!(said.start, next); next += len_of(said.bytes); }
            Item::Gap(gap) => { assert_eq!(gap.start, next); next += i64::try_from(gap.len_bytes).unwrap(); }
            _ => {}
        };
        for (start, kept, len_bytes, acks, time) in steps {
            let time = Time(time);
            // Half of them near the beginning.
            let start = if kept.is_multiple_of(2) { start % 1_000 } else { start };
            match acks {
                true => stream.acknowledge(start, kept % 3 == 0, time, &mut tell),
                false => {
                    let bytes = &block[..usize::from(kept)];
                    stream.take(&Piece { start, bytes, len_bytes, frame: 1, time }, &mut tell);
                }
            }
        }
        stream.finish(&mut tell);
    }
}
