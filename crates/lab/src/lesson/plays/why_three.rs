//! `why-three`: an old duplicate SYN, and why two segments would not do.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "why-three",
    chapter: Chapter::Opening,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "answered", holds: answered, broken_by: Disturbance::LeaveOut(Server, 0) },
        Claim { name: "reset", holds: reset, broken_by: Disturbance::PerfectLink },
        Claim { name: "returned", holds: returned, broken_by: Disturbance::Lose(Client, 1) },
        Claim { name: "opens", holds: opens, broken_by: Disturbance::LeaveOut(Client, 0) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/why-three.txt"),
};

fn script() -> Script {
    let old = Stray { at: 0, from: Client, flags: SYN, seq: 777_000 };
    Script { strays: vec![old], until: 500, ..Script::of(&[on(At(100), Connect)], &[on(At(0), Listen)]) }
}

fn answered(seen: &Seen) -> Option<bool> {
    let [syn, answer, ..] = rows(seen)? else { return None };
    Some(bare(syn) == SYN && bare(answer) == SYN_ACK && answer.ack == Some(1))
}

fn reset(seen: &Seen) -> Option<bool> {
    let [_, _, reset] = rows(seen)? else { return None };
    Some(reset.from == Side::A && reset.flags.has(TcpFlags::RST))
}

fn returned(seen: &Seen) -> Option<bool> {
    let steps = way(flow(seen)?, Side::B);
    Some(
        steps.starts_with(&[State::Listen, State::SynReceived])
            && !steps.contains(&State::Established)
            && steps.len() == 3,
    )
}

fn opens(seen: &Seen) -> Option<bool> {
    let [_, real] = seen.flows.as_slice() else { return None };
    let segments: Vec<TcpFlags> = real.rows.iter().map(bare).collect();
    Some(segments == [SYN, SYN_ACK, ACK] && real.state_b == State::Established)
}
