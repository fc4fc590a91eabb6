//! `fast-retransmit`: three duplicate acknowledgements tell of a loss.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "fast-retransmit",
    chapter: Chapter::Data,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "same", holds: same, broken_by: Disturbance::PerfectLink },
        Claim { name: "third", holds: third, broken_by: Disturbance::PerfectLink },
        Claim { name: "soon", holds: soon, broken_by: Disturbance::PerfectLink },
        Claim { name: "once", holds: once, broken_by: Disturbance::Lose(Client, 5) },
        Claim { name: "whole", holds: whole, broken_by: Disturbance::LeaveOut(Client, 1) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/fast-retransmit.txt"),
};

fn script() -> Script {
    let sends = (0..6).map(|number| on(At(100 + number), Send(1460)));
    let client: Vec<Step> = std::iter::once(on(At(0), Connect)).chain(sends).collect();
    let server = [on(At(0), Listen), on(At(200), ReadAll)];
    Script { mishaps: vec![(Client, 4, Mishap::Lost)], until: 5000, ..Script::of(&client, &server) }
}

fn same(seen: &Seen) -> Option<bool> {
    Some(rows(seen)?.iter().filter(|row| row.from == Side::B && row.ack == Some(1461)).count() == 5)
}

fn third(seen: &Seen) -> Option<bool> {
    let third = rows(seen)?.iter().filter(|row| row.from == Side::B && row.ack == Some(1461)).nth(3)?;
    let again = rows(seen)?.iter().find(|row| row.resent.is_some())?;
    Some(
        again.seq == 1461
            && Some(again.time) == third.passage.as_ref()?.arrived
            && again.resent.as_ref()?.asked_for,
    )
}

fn soon(seen: &Seen) -> Option<bool> {
    let again = rows(seen)?.iter().find(|row| row.resent.is_some())?;
    Some(again.resent.as_ref()?.after.as_millis() < 50)
}

fn once(seen: &Seen) -> Option<bool> {
    let again: Vec<&Row> = rows(seen)?.iter().filter(|row| row.resent.is_some()).collect();
    let [again] = again.as_slice() else { return None };
    let answer = rows(seen)?.iter().find(|row| {
        row.from == Side::B && Some(row.time) == again.passage.as_ref().and_then(|passage| passage.arrived)
    })?;
    Some(answer.ack == Some(8761))
}

fn whole(seen: &Seen) -> Option<bool> {
    Some(seen.server.read.len() == 8760)
}
