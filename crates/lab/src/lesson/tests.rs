use std::time::{Duration, Instant};

use super::*;

/// Those on the real kernel are played by the tests in `tests/lessons`, in a process with one thread.
fn simulated() -> impl Iterator<Item = &'static Lesson> {
    all().iter().copied().filter(|lesson| lesson.is_simulated())
}

#[test]
fn every_claim_holds_and_fails_when_the_play_is_disturbed() {
    let mut wrong = Vec::new();
    for lesson in simulated() {
        let seen = lesson.play().unwrap();
        for claim in lesson.claims {
            if !claim.holds(&seen) {
                wrong.push(format!("{}: {} does not hold:\n{}", lesson.id, claim.name, told(&seen)));
            }
            let disturbed = lesson.play_disturbed(claim.broken_by).unwrap();
            if claim.holds(&disturbed) {
                let how = claim.broken_by;
                wrong.push(format!(
                    "{}: {} holds in spite of {how:?}:\n{}",
                    lesson.id,
                    claim.name,
                    told(&disturbed)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A play in lines, for people who look for what went wrong.
fn told(seen: &Seen) -> String {
    let mut lines = Vec::new();
    for flow in &seen.flows {
        for row in &flow.rows {
            let lost = if row.passage.as_ref().is_some_and(|passage| passage.arrived.is_none()) {
                " lost"
            } else {
                ""
            };
            lines.push(format!(
                "  {:>9.3} {:?} {} {} ({}) ack {:?} win {} {} {}{lost} {:?}",
                row.time.0 as f64 / 1e6,
                row.from,
                row.flags,
                row.seq,
                row.len_bytes,
                row.ack,
                row.window_bytes,
                row.state_a.name(),
                row.state_b.name(),
                row.analysis.names().collect::<Vec<_>>(),
            ));
        }
        lines.push(format!("  -- {:?} {:?}", flow.closed_by, flow.closing));
    }
    let heard =
        |told: &Told| format!("read {}, unread {}, {:?}", told.read.len(), told.unread_bytes, told.error);
    lines.push(format!("  client: {}; server: {}", heard(&seen.client), heard(&seen.server)));
    lines.join("\n")
}

#[test]
fn every_play_is_the_same_to_the_byte_twenty_times() {
    for lesson in simulated() {
        let packets = || {
            let seen = lesson.play().unwrap();
            format!("{:?} {:?}", seen.frames, seen.calls)
        };
        let first = packets();
        assert!((1..20).all(|_| packets() == first), "{}", lesson.id);
    }
}

#[test]
fn every_play_takes_less_than_fifty_milliseconds() {
    for lesson in simulated() {
        // The quickest of a few: the machine may be busy with something else.
        let took = (0..5).map(|_| {
            let start = Instant::now();
            lesson.play().unwrap();
            start.elapsed()
        });
        let quickest = took.min().unwrap();
        assert!(quickest < Duration::from_millis(50), "{}: {quickest:?}", lesson.id);
    }
}

#[test]
fn words_and_logic_belong_together() {
    for lesson in all() {
        let text = lesson.text();
        let named: Vec<&str> = text.claims.iter().map(|(name, _)| name.as_str()).collect();
        let claimed: Vec<&str> = lesson.claims.iter().map(|claim| claim.name).collect();
        assert_eq!(named, claimed, "{}", lesson.id);
        let parts = [&text.title, &text.read];
        assert!(parts.iter().all(|part| !part.is_empty()), "{}: {text:?}", lesson.id);
        assert!(text.table.iter().all(|line| line.chars().count() <= 78), "{}: {text:?}", lesson.id);
        assert!(!text.paragraphs.is_empty() && !text.next.is_empty(), "{}: {text:?}", lesson.id);
        assert!(text.next.iter().all(|command| command.starts_with("bothends ")), "{}: {text:?}", lesson.id);
        for err in &text.errs {
            assert!(
                !err.said.is_empty() && !err.fact.is_empty() && !err.source.is_empty(),
                "{}: {err:?}",
                lesson.id
            );
        }
    }
}

#[test]
fn names_are_given_once_and_chapters_stand_together() {
    let chapters: Vec<Chapter> = all().iter().map(|lesson| lesson.chapter).collect();
    assert!(chapters.is_sorted());
    for lesson in all() {
        assert!(std::ptr::eq(find(lesson.id).unwrap(), *lesson), "{}", lesson.id);
    }
}

#[test]
fn first_sequence_numbers_are_those_that_were_asked_for() {
    let seen = find("handshake").unwrap().play().unwrap();
    let number =
        |frame: &crate::event::LinkFrame| u32::from_be_bytes(frame.bytes[24..28].try_into().unwrap());
    assert_eq!(seen.frames.iter().map(number).collect::<Vec<_>>(), [1_000_000, 2_008_000, 1_000_001]);
}
