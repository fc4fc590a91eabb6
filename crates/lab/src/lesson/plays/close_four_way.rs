//! `close-four-way`: each end closes its own direction.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "close-four-way",
    chapter: Chapter::Closing,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "four", holds: four, broken_by: Disturbance::LeaveOut(Server, 3) },
        Claim { name: "number", holds: number, broken_by: Disturbance::LeaveOut(Client, 3) },
        Claim { name: "first", holds: first, broken_by: Disturbance::LeaveOut(Client, 3) },
        Claim { name: "second", holds: second, broken_by: Disturbance::Lose(Client, 6) },
        Claim { name: "who", holds: who, broken_by: Disturbance::LeaveOut(Client, 3) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/close-four-way.txt"),
};

/// Each end says a line; the client closes first, the server 5 ms after it has heard of that.
pub(super) fn script() -> Script {
    line_each_way(later(5, PeerClosed, Close))
}

/// From the first FIN on.
fn closing(seen: &Seen) -> Option<&[Row]> {
    let rows = rows(seen)?;
    rows.iter().position(|row| row.flags.has(TcpFlags::FIN)).map(|first| &rows[first..])
}

fn four(seen: &Seen) -> Option<bool> {
    let closing: Vec<(Side, TcpFlags)> = closing(seen)?.iter().map(|row| (row.from, bare(row))).collect();
    Some(closing == [(Side::A, FIN_ACK), (Side::B, ACK), (Side::B, FIN_ACK), (Side::A, ACK)])
}

fn number(seen: &Seen) -> Option<bool> {
    let [fin, ack, other, last] = closing(seen)? else { return None };
    Some(ack.ack == Some(fin.seq + 1) && last.ack == Some(other.seq + 1) && fin.len_bytes == 0)
}

fn first(seen: &Seen) -> Option<bool> {
    let steps = way(flow(seen)?, Side::A);
    Some(steps.ends_with(&[State::FinWait1, State::FinWait2, State::TimeWait]))
}

fn second(seen: &Seen) -> Option<bool> {
    let steps = way(flow(seen)?, Side::B);
    Some(steps.ends_with(&[State::CloseWait, State::LastAck, State::Closed]))
}

fn who(seen: &Seen) -> Option<bool> {
    let flow = flow(seen)?;
    Some(flow.closed_by == ClosedBy::A && flow.closing == Closing::Fin)
}
