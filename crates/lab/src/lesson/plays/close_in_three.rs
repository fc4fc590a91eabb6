//! `close-in-three`: the second and the third segment in one.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "close-in-three",
    chapter: Chapter::Closing,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "three", holds: three, broken_by: Disturbance::Plain(Server) },
        Claim { name: "both", holds: both, broken_by: Disturbance::Plain(Server) },
        Claim { name: "skipped", holds: skipped, broken_by: Disturbance::Plain(Server) },
        Claim { name: "server", holds: server, broken_by: Disturbance::Lose(Client, 5) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/close-in-three.txt"),
};

fn script() -> Script {
    let mut script = line_each_way(on(PeerClosed, Close));
    script.server.0.answers_together = true;
    script
}

fn three(seen: &Seen) -> Option<bool> {
    let rows = rows(seen)?;
    let first = rows.iter().position(|row| row.flags.has(TcpFlags::FIN))?;
    let closing: Vec<(Side, TcpFlags)> = rows[first..].iter().map(|row| (row.from, bare(row))).collect();
    Some(closing == [(Side::A, FIN_ACK), (Side::B, FIN_ACK), (Side::A, ACK)])
}

fn both(seen: &Seen) -> Option<bool> {
    let rows = rows(seen)?;
    let first = rows.iter().position(|row| row.flags.has(TcpFlags::FIN))?;
    let (fin, answer) = (&rows[first], rows.get(first + 1)?);
    Some(answer.flags.has(TcpFlags::FIN) && answer.ack == Some(fin.seq + 1))
}

fn skipped(seen: &Seen) -> Option<bool> {
    let steps = way(flow(seen)?, Side::A);
    Some(steps.ends_with(&[State::FinWait1, State::TimeWait]))
}

fn server(seen: &Seen) -> Option<bool> {
    Some(
        way(flow(seen)?, Side::B).ends_with(&[State::CloseWait, State::LastAck, State::Closed])
            || flow(seen)?.state_b == State::Closed,
    )
}
