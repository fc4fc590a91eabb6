//! The lessons on the real kernel: each of their claims holds when they play, as root and as an ordinary user, and
//! fails when the play is disturbed as it says. Nothing is left behind by any of these plays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../private_network/left_out.rs"]
mod left_out;
#[allow(dead_code)]
#[path = "../../../kernel/tests/one_thread/mod.rs"]
mod one_thread;
#[allow(dead_code)]
#[path = "../private_network/users.rs"]
mod users;

use lab::NotMade;
use lab::lesson::{self, Disturbance, Lesson, Seen};

fn main() {
    let lessons = lesson::all().iter().filter(|lesson| !lesson.is_simulated());
    let names: Vec<&str> = lessons.map(|lesson| lesson.id).collect();
    one_thread::run_each(&names, |name| {
        let lesson = lesson::find(name).expect("it is one of them");
        claims_hold(lesson);
        claims_fail_when_disturbed(lesson);
        users::as_nobody(|| claims_hold(lesson));
    });
}

fn claims_hold(lesson: &Lesson) {
    let Some(seen) = played(lesson, None) else { return };
    for claim in lesson.claims {
        assert!(claim.holds(&seen), "{}: {} does not hold:\n{}", lesson.id, claim.name, told(&seen));
    }
    // What the text has words for is there.
    let text = lesson.text();
    for (name, _) in &text.facts {
        assert!(seen.fact(name).is_some(), "{}: no fact {name}", lesson.id);
    }
    for (name, _) in &text.moments {
        assert!(seen.moments.iter().any(|moment| moment.name == *name), "{}: no moment {name}", lesson.id);
    }
}

fn claims_fail_when_disturbed(lesson: &Lesson) {
    for claim in lesson.claims {
        let Some(seen) = played(lesson, Some(claim.broken_by)) else { return };
        let how = claim.broken_by;
        assert!(
            !claim.holds(&seen),
            "{}: {} holds in spite of {how:?}:\n{}",
            lesson.id,
            claim.name,
            told(&seen)
        );
    }
}

/// Plays it; none where the system allows no private network.
fn played(lesson: &Lesson, disturbance: Option<Disturbance>) -> Option<Seen> {
    let played = match disturbance {
        Some(disturbance) => lesson.play_disturbed(disturbance),
        None => lesson.play(),
    };
    assert_eq!(children(), "", "{}: a process is left behind", lesson.id);
    match played {
        Ok(seen) => Some(seen),
        Err(NotMade::Refused(refusal)) if lesson.needs_network() => {
            left_out::left_out(lesson.id, &refusal.to_string());
            None
        }
        Err(other) => panic!("{} {disturbance:?}: {other}", lesson.id),
    }
}

/// The processes of this one, by number.
fn children() -> String {
    let own = std::process::id();
    std::fs::read_to_string(format!("/proc/self/task/{own}/children")).unwrap_or_default()
}

/// A play in lines, for people who look for what went wrong.
fn told(seen: &Seen) -> String {
    let mut lines = Vec::new();
    for call in &seen.calls {
        let at = call.began.0 as f64 / 1e6;
        lines.push(format!("  {at:>9.3} {:?} {} = {:?}", call.side, call.text, call.result));
    }
    for moment in &seen.moments {
        lines.push(format!("  {:>9.3} {}", moment.time.0 as f64 / 1e6, moment.name));
        let rows = moment.sockets.iter().map(|(host, row)| {
            let state = row.state.short();
            format!("            {host} {state} {} {} {}", row.to_read_bytes, row.local, row.remote)
        });
        lines.extend(rows);
    }
    for flow in &seen.flows {
        let rows = flow.rows.iter().map(|row| {
            let at = row.time.0 as f64 / 1e6;
            format!(
                "  {at:>9.3} {:?} {} {} ({}) ack {:?}",
                row.from, row.flags, row.seq, row.len_bytes, row.ack
            )
        });
        lines.extend(rows);
        lines.push(format!("  -- {:?} {:?}", flow.closed_by, flow.closing));
    }
    lines.extend(seen.facts.iter().map(|(name, value)| format!("  {name}: {value}")));
    lines.join("\n")
}
