//! `time-wait`: the last acknowledgement is lost.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "time-wait",
    chapter: Chapter::Closing,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "lost", holds: lost, broken_by: Disturbance::PerfectLink },
        Claim { name: "again", holds: again, broken_by: Disturbance::PerfectLink },
        Claim { name: "answered", holds: answered, broken_by: Disturbance::Lose(Client, 5) },
        Claim { name: "one", holds: one, broken_by: Disturbance::LeaveOut(Client, 1) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/time-wait.txt"),
};

fn script() -> Script {
    let client = [on(At(0), Connect), on(At(100), Close)];
    let server = [on(At(0), Listen), later(5, PeerClosed, Close)];
    Script { mishaps: vec![(Client, 4, Mishap::Lost)], until: 1500, ..Script::of(&client, &server) }
}

fn lost(seen: &Seen) -> Option<bool> {
    let lost = rows(seen)?
        .iter()
        .find(|row| row.passage.as_ref().is_some_and(|passage| passage.arrived.is_none()))?;
    Some(bare(lost) == ACK && (lost.state_a, lost.state_b) == (State::TimeWait, State::LastAck))
}

fn again(seen: &Seen) -> Option<bool> {
    let fins: Vec<u64> = rows(seen)?
        .iter()
        .filter(|row| row.from == Side::B && row.flags.has(TcpFlags::FIN))
        .map(ms)
        .collect();
    let [first, second] = fins.as_slice() else { return None };
    Some((1000..1100).contains(&(second - first)))
}

fn answered(seen: &Seen) -> Option<bool> {
    let last = rows(seen)?.last()?;
    Some(
        last.from == Side::A
            && bare(last) == ACK
            && ms(last) > 1000
            && (last.state_a, last.state_b) == (State::TimeWait, State::Closed),
    )
}

fn one(seen: &Seen) -> Option<bool> {
    let flow = flow(seen)?;
    let both = [Side::A, Side::B].map(|side| way(flow, side).contains(&State::TimeWait));
    Some(both == [true, false])
}
