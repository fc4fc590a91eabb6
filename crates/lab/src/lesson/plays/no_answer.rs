//! `no-answer`: the SYN is lost, again and again.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "no-answer",
    chapter: Chapter::Opening,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "again", holds: again, broken_by: Disturbance::PerfectLink },
        Claim { name: "same", holds: same, broken_by: Disturbance::LeaveOut(Client, 0) },
        Claim { name: "waits", holds: waits, broken_by: Disturbance::PerfectLink },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/no-answer.txt"),
};

fn script() -> Script {
    Script {
        mishaps: vec![(Client, u32::MAX, Mishap::Lost)],
        until: 70_000,
        ..Script::of(&[on(At(0), Connect)], &[on(At(0), Listen)])
    }
}

fn again(seen: &Seen) -> Option<bool> {
    let seconds: Vec<u64> = rows(seen)?.iter().map(|row| ms(row) / 1000).collect();
    Some(seconds == [0, 1, 3, 7, 15, 31, 63])
}

fn same(seen: &Seen) -> Option<bool> {
    Some(rows(seen)?.iter().all(|row| bare(row) == SYN && row.seq == 0))
}

fn waits(seen: &Seen) -> Option<bool> {
    let flow = flow(seen)?;
    Some(flow.state_a == State::SynSent && flow.closing == Closing::Unanswered && seen.client.error.is_none())
}
