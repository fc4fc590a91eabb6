//! `simultaneous-open`: both ends call connect at once.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "simultaneous-open",
    chapter: Chapter::Opening,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "cross", holds: cross, broken_by: Disturbance::LeaveOut(Server, 0) },
        Claim { name: "both", holds: both, broken_by: Disturbance::Lose(Client, 1) },
        Claim { name: "one", holds: one, broken_by: Disturbance::LeaveOut(Client, 0) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/simultaneous-open.txt"),
};

fn script() -> Script {
    Script { until: 500, ..Script::of(&[on(At(0), Connect)], &[on(At(0), Connect)]) }
}

fn cross(seen: &Seen) -> Option<bool> {
    let [one, other, ..] = rows(seen)? else { return None };
    let crossed = one.passage.as_ref()?.arrived? > other.time && other.passage.as_ref()?.arrived? > one.time;
    Some(bare(one) == SYN && bare(other) == SYN && one.from != other.from && crossed)
}

fn both(seen: &Seen) -> Option<bool> {
    let expected = [State::Closed, State::SynSent, State::SynReceived, State::Established];
    let flow = flow(seen)?;
    Some([Side::A, Side::B].into_iter().all(|side| way(flow, side) == expected))
}

fn one(seen: &Seen) -> Option<bool> {
    let answers: Vec<Side> =
        rows(seen)?.iter().filter(|row| bare(row) == SYN_ACK).map(|row| row.from).collect();
    Some(seen.flows.len() == 1 && matches!(answers[..], [Side::A, Side::B] | [Side::B, Side::A]))
}
