//! `states`: the whole diagram, with the way of both ends lit.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "states",
    chapter: Chapter::Closing,
    play: Play::simulated(close_four_way::script),
    claims: &[
        Claim { name: "client", holds: client, broken_by: Disturbance::LeaveOut(Server, 3) },
        Claim { name: "server", holds: server, broken_by: Disturbance::LeaveOut(Server, 3) },
        Claim { name: "drawn", holds: drawn, broken_by: Disturbance::LeaveOut(Client, 3) },
        Claim { name: "all-but-one", holds: all_but_one, broken_by: Disturbance::LeaveOut(Client, 3) },
    ],
    scenes: &[Scene::Ladders, Scene::States],
    words: include_str!("../texts/en/states.txt"),
};

fn client(seen: &Seen) -> Option<bool> {
    let expected = [
        State::Closed,
        State::SynSent,
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::TimeWait,
    ];
    Some(way(flow(seen)?, Side::A) == expected)
}

fn server(seen: &Seen) -> Option<bool> {
    let expected = [
        State::Listen,
        State::SynReceived,
        State::Established,
        State::CloseWait,
        State::LastAck,
        State::Closed,
    ];
    Some(way(flow(seen)?, Side::B) == expected)
}

fn drawn(seen: &Seen) -> Option<bool> {
    let flow = flow(seen)?;
    let steps: Vec<_> =
        [Side::A, Side::B].into_iter().flat_map(|side| flow::path::path(flow, side)).collect();
    Some(steps.len() == 10 && steps.iter().all(|step| step.transition().is_some()))
}

fn all_but_one(seen: &Seen) -> Option<bool> {
    let flow = flow(seen)?;
    let mut seen_states = [way(flow, Side::A), way(flow, Side::B)].concat();
    seen_states.sort_unstable_by_key(|state| state.name());
    seen_states.dedup();
    Some(seen_states.len() == 10 && !seen_states.contains(&State::Closing))
}
