//! `handshake-with-data`: what the numbers count, and what an acknowledgement says.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "handshake-with-data",
    chapter: Chapter::Opening,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "rides", holds: rides, broken_by: Disturbance::Plain(Client) },
        Claim { name: "next", holds: next, broken_by: Disturbance::Lose(Client, 2) },
        Claim { name: "gap", holds: gap, broken_by: Disturbance::PerfectLink },
        Claim { name: "jumps", holds: jumps, broken_by: Disturbance::PerfectLink },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/handshake-with-data.txt"),
};

fn script() -> Script {
    let client = [
        on(At(0), Connect),
        on(Established, Say("hello, server!!\n")),
        on(At(100), Send(100)),
        on(At(101), Send(100)),
        on(At(102), Send(100)),
    ];
    let mut script = Script::of(&client, &[on(At(0), Listen), on(Established, ReadAll)]);
    script.client.0.answers_together = true;
    Script { mishaps: vec![(Client, 4, Mishap::Lost)], until: 3000, ..script }
}

fn rides(seen: &Seen) -> Option<bool> {
    let [_, _, third, ..] = rows(seen)? else { return None };
    Some(third.flags.has(ACK) && (third.seq, third.len_bytes, third.ack) == (1, 16, Some(1)))
}

fn next(seen: &Seen) -> Option<bool> {
    let answer = rows(seen)?.iter().find(|row| row.from == Side::B && !row.flags.has(SYN))?;
    Some(answer.ack == Some(17) && ms(answer) == 30)
}

fn gap(seen: &Seen) -> Option<bool> {
    let behind = rows(seen)?.iter().find(|row| row.seq == 217 && row.len_bytes == 100)?;
    let arrived = behind.passage.as_ref()?.arrived?;
    let answer = rows(seen)?.iter().find(|row| row.from == Side::B && row.time >= arrived)?;
    Some(answer.ack == Some(117))
}

fn jumps(seen: &Seen) -> Option<bool> {
    let again = rows(seen)?.iter().find(|row| row.resent.is_some())?;
    let answer = rows(seen)?.iter().find(|row| row.from == Side::B && row.time > again.time)?;
    Some((again.seq, answer.ack) == (117, Some(317)))
}
