//! `handshake`: three segments open a connection.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "handshake",
    chapter: Chapter::Opening,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "three", holds: three, broken_by: Disturbance::LeaveOut(Client, 0) },
        Claim { name: "numbers", holds: numbers, broken_by: Disturbance::Lose(Server, 1) },
        Claim { name: "options", holds: options, broken_by: Disturbance::LeaveOut(Server, 0) },
        Claim { name: "opener", holds: opener, broken_by: Disturbance::Lose(Server, 1) },
        Claim { name: "listener", holds: listener, broken_by: Disturbance::Lose(Client, 2) },
        Claim { name: "unaccepted", holds: unaccepted, broken_by: Disturbance::LeaveOut(Server, 0) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/handshake.txt"),
};

fn script() -> Script {
    Script { until: 500, ..Script::of(&[on(At(0), Connect)], &[on(At(0), ListenOnly)]) }
}

fn three(seen: &Seen) -> Option<bool> {
    Some(rows(seen)?.iter().map(bare).collect::<Vec<_>>() == [SYN, SYN_ACK, ACK])
}

fn numbers(seen: &Seen) -> Option<bool> {
    let [_, answer, last] = rows(seen)? else { return None };
    Some(answer.ack == Some(1) && (last.seq, last.ack) == (1, Some(1)))
}

fn options(seen: &Seen) -> Option<bool> {
    let [syn, answer, last, ..] = rows(seen)? else { return None };
    let announced = [syn, answer, last].map(|row| row.options.mss);
    Some(announced == [Some(1460), Some(1460), None])
}

fn opener(seen: &Seen) -> Option<bool> {
    let syn_ack = rows(seen)?.iter().find(|row| row.flags.has(SYN_ACK))?;
    let way = way(flow(seen)?, Side::A) == [State::Closed, State::SynSent, State::Established];
    Some(way && syn_ack.state_a == State::Established && ms(syn_ack) == 10)
}

fn listener(seen: &Seen) -> Option<bool> {
    Some(way(flow(seen)?, Side::B) == [State::Listen, State::SynReceived, State::Established])
}

/// The server's program called listen last; its kernel did the rest.
fn unaccepted(seen: &Seen) -> Option<bool> {
    let calls = seen.calls.iter().filter(|call| call.side == Side::B).map(flow::calls::Call::function);
    Some(calls.eq(["socket", "bind", "listen"]) && flow(seen)?.state_b == State::Established)
}
