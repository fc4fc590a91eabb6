//! `keep-alive`: is the other end still there?

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "keep-alive",
    chapter: Chapter::Data,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "before", holds: before, broken_by: Disturbance::LeaveOut(Client, 0) },
        Claim { name: "answered", holds: answered, broken_by: Disturbance::LeaveOut(Client, 0) },
        Claim { name: "gives-up", holds: gives_up, broken_by: Disturbance::PerfectLink },
        Claim { name: "unaware", holds: unaware, broken_by: Disturbance::PerfectLink },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/keep-alive.txt"),
};

fn script() -> Script {
    let client = [on(At(0), KeepAlive(1000)), on(Next, GiveUp(3000)), on(Next, Connect)];
    let server = [on(At(0), Listen)];
    Script { cut_at: Some(2500), until: 10_000, ..Script::of(&client, &server) }
}

/// The probes.
fn probes(seen: &Seen) -> Option<Vec<&Row>> {
    Some(rows(seen)?.iter().filter(|row| row.analysis.has(AnalysisFlags::KEEP_ALIVE)).collect())
}

fn before(seen: &Seen) -> Option<bool> {
    let probes = probes(seen)?;
    Some(!probes.is_empty() && probes.iter().all(|row| row.seq == 0 && row.len_bytes <= 1))
}

fn answered(seen: &Seen) -> Option<bool> {
    let answers: Vec<&Row> =
        rows(seen)?.iter().filter(|row| row.analysis.has(AnalysisFlags::KEEP_ALIVE_ACK)).collect();
    Some(answers.len() == 2 && answers.iter().all(|row| row.ack == Some(1) && row.len_bytes == 0))
}

fn gives_up(seen: &Seen) -> Option<bool> {
    Some(seen.client.error == Some("ETIMEDOUT"))
}

fn unaware(seen: &Seen) -> Option<bool> {
    let flow = flow(seen)?;
    Some((flow.state_a, flow.state_b) == (State::Closed, State::Established))
}
