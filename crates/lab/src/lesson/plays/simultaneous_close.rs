//! `simultaneous-close`: both ends close before they hear of it.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "simultaneous-close",
    chapter: Chapter::Closing,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "cross", holds: cross, broken_by: Disturbance::LeaveOut(Server, 1) },
        Claim { name: "closing", holds: closing, broken_by: Disturbance::LeaveOut(Client, 1) },
        Claim { name: "both", holds: both, broken_by: Disturbance::LeaveOut(Server, 1) },
    ],
    scenes: &[Scene::Ladders, Scene::States],
    words: include_str!("../texts/en/simultaneous-close.txt"),
};

fn script() -> Script {
    let client = [on(At(0), Connect), on(At(100), Close)];
    let server = [on(At(0), Listen), on(At(100), Close)];
    Script { until: 1000, ..Script::of(&client, &server) }
}

fn cross(seen: &Seen) -> Option<bool> {
    let fins: Vec<&Row> = rows(seen)?.iter().filter(|row| row.flags.has(TcpFlags::FIN)).collect();
    let [one, other] = fins.as_slice() else { return None };
    let crossed = one.passage.as_ref()?.arrived? > other.time && other.passage.as_ref()?.arrived? > one.time;
    Some(one.from != other.from && crossed)
}

fn closing(seen: &Seen) -> Option<bool> {
    let flow = flow(seen)?;
    let end = [State::FinWait1, State::Closing, State::TimeWait];
    Some([Side::A, Side::B].into_iter().all(|side| way(flow, side).ends_with(&end)))
}

fn both(seen: &Seen) -> Option<bool> {
    let flow = flow(seen)?;
    Some(
        flow.closed_by == ClosedBy::Both
            && (flow.state_a, flow.state_b) == (State::TimeWait, State::TimeWait),
    )
}
