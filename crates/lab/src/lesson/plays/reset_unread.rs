//! `reset-unread`: close with unread data.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "reset-unread",
    chapter: Chapter::Closing,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "reset", holds: reset, broken_by: Disturbance::LeaveOut(Client, 1) },
        Claim { name: "no-fin", holds: no_fin, broken_by: Disturbance::LeaveOut(Server, 1) },
        Claim { name: "acknowledged", holds: acknowledged, broken_by: Disturbance::Lose(Client, 3) },
        Claim { name: "told", holds: told, broken_by: Disturbance::Lose(Server, 3) },
        Claim { name: "no-wait", holds: no_wait, broken_by: Disturbance::LeaveOut(Client, 1) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/reset-unread.txt"),
};

fn script() -> Script {
    let client = [on(At(0), Connect), on(Established, Say("anybody there?\n"))];
    let server = [on(At(0), Listen), later(20, Received(15), Close)];
    Script { until: 1000, ..Script::of(&client, &server) }
}

fn reset(seen: &Seen) -> Option<bool> {
    let last = rows(seen)?.last()?;
    Some(last.from == Side::B && last.flags.has(TcpFlags::RST))
}

fn no_fin(seen: &Seen) -> Option<bool> {
    let rows = rows(seen)?;
    Some(rows.iter().all(|row| !row.flags.has(TcpFlags::FIN)) && flow(seen)?.closing == Closing::Reset)
}

fn acknowledged(seen: &Seen) -> Option<bool> {
    let reset = rows(seen)?.iter().find(|row| row.flags.has(TcpFlags::RST))?;
    let before = rows(seen)?.iter().find(|row| row.from == Side::B && row.ack == Some(16))?;
    Some(before.time < reset.time && seen.server.read.is_empty() && ms(before) == 30)
}

fn told(seen: &Seen) -> Option<bool> {
    Some(seen.client.error == Some("ECONNRESET"))
}

fn no_wait(seen: &Seen) -> Option<bool> {
    let flow = flow(seen)?;
    Some((flow.state_a, flow.state_b) == (State::Closed, State::Closed))
}
