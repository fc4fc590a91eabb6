//! `refused`: nobody listens on that port.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "refused",
    chapter: Chapter::Opening,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "reset", holds: reset, broken_by: Disturbance::Lose(Client, 1) },
        Claim { name: "number", holds: number, broken_by: Disturbance::Lose(Client, 1) },
        Claim { name: "told", holds: told, broken_by: Disturbance::Lose(Server, 1) },
        Claim { name: "closed", holds: closed, broken_by: Disturbance::Lose(Server, 1) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/refused.txt"),
};

fn script() -> Script {
    Script { until: 500, ..Script::of(&[on(At(0), Connect)], &[]) }
}

fn reset(seen: &Seen) -> Option<bool> {
    let [syn, reset] = rows(seen)? else { return None };
    Some(bare(syn) == SYN && bare(reset) == TcpFlags::RST | ACK && reset.from == Side::B)
}

fn number(seen: &Seen) -> Option<bool> {
    let [syn, reset] = seen.frames.as_slice() else { return None };
    let word = |bytes: &[u8], at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (sent, seq, ack) = (word(&syn.bytes, 24)?, word(&reset.bytes, 24)?, word(&reset.bytes, 28)?);
    Some(seq == 0 && ack == sent.wrapping_add(1))
}

fn told(seen: &Seen) -> Option<bool> {
    Some(seen.client.error == Some("ECONNREFUSED"))
}

fn closed(seen: &Seen) -> Option<bool> {
    let flow = flow(seen)?;
    let way = way(flow, Side::A) == [State::Closed, State::SynSent, State::Closed];
    Some(way && flow.closing == Closing::Refused)
}
