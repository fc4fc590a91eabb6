//! `half-close`: one direction closed, the other in use.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "half-close",
    chapter: Chapter::Closing,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "flows", holds: flows, broken_by: Disturbance::LeaveOut(Client, 3) },
        Claim { name: "read", holds: read, broken_by: Disturbance::LeaveOut(Server, 3) },
        Claim { name: "states", holds: states, broken_by: Disturbance::LeaveOut(Client, 3) },
        Claim { name: "acks", holds: acks, broken_by: Disturbance::LeaveOut(Server, 2) },
        Claim { name: "silent", holds: silent, broken_by: Disturbance::LeaveOut(Client, 3) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/half-close.txt"),
};

fn script() -> Script {
    let client =
        [on(At(0), Connect), on(Established, ReadAll), on(Next, Say("the question\n")), on(Next, ShutDown)];
    let server = [
        on(At(0), Listen),
        on(Established, ReadAll),
        later(50, PeerClosed, Say("the answer, ")),
        later(50, Next, Say("and more of it\n")),
        later(50, Next, Close),
    ];
    Script { until: 1000, ..Script::of(&client, &server) }
}

fn flows(seen: &Seen) -> Option<bool> {
    let fin = rows(seen)?.iter().position(|row| row.from == Side::A && row.flags.has(TcpFlags::FIN))?;
    let after: Vec<u32> = rows(seen)?[fin..]
        .iter()
        .filter(|row| row.from == Side::B && row.len_bytes > 0)
        .map(|row| row.len_bytes)
        .collect();
    Some(after == [12, 15])
}

fn read(seen: &Seen) -> Option<bool> {
    Some(seen.client.read == b"the answer, and more of it\n")
}

fn states(seen: &Seen) -> Option<bool> {
    let answers = rows(seen)?.iter().filter(|row| row.from == Side::B && row.len_bytes > 0);
    let states: Vec<(State, State)> = answers.map(|row| (row.state_a, row.state_b)).collect();
    Some(states == [(State::FinWait2, State::CloseWait); 2])
}

fn acks(seen: &Seen) -> Option<bool> {
    let fin = rows(seen)?.iter().find(|row| row.from == Side::A && row.flags.has(TcpFlags::FIN))?;
    let acks =
        rows(seen)?.iter().filter(|row| row.from == Side::A && row.time > fin.time).filter_map(|row| row.ack);
    Some(acks.collect::<Vec<_>>() == [13, 28, 29])
}

fn silent(seen: &Seen) -> Option<bool> {
    let fin = rows(seen)?.iter().find(|row| row.from == Side::A && row.flags.has(TcpFlags::FIN))?;
    Some(
        rows(seen)?
            .iter()
            .filter(|row| row.from == Side::A && row.time > fin.time)
            .all(|row| row.len_bytes == 0),
    )
}
