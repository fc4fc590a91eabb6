//! `reordering`: a segment is overtaken by others.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "reordering",
    chapter: Chapter::Data,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "late", holds: late, broken_by: Disturbance::PerfectLink },
        Claim { name: "duplicates", holds: duplicates, broken_by: Disturbance::PerfectLink },
        Claim { name: "nothing", holds: nothing, broken_by: Disturbance::Lose(Client, 3) },
        Claim { name: "order", holds: order, broken_by: Disturbance::LeaveOut(Client, 2) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/reordering.txt"),
};

fn script() -> Script {
    let client = [on(At(0), Connect), on(At(100), Send(500)), on(At(101), Send(500)), on(At(102), Send(500))];
    let server = [on(At(0), Listen), on(Established, ReadAll)];
    Script { mishaps: vec![(Client, 3, Mishap::Late(5))], until: 3000, ..Script::of(&client, &server) }
}

/// The segments with data.
fn data(seen: &Seen) -> Option<Vec<&Row>> {
    Some(rows(seen)?.iter().filter(|row| row.len_bytes > 0).collect())
}

fn late(seen: &Seen) -> Option<bool> {
    let arrivals: Option<Vec<_>> = data(seen)?.iter().map(|row| row.passage.as_ref()?.arrived).collect();
    let [first, second, third] = arrivals?.try_into().ok()?;
    Some(second < third && third < first)
}

fn duplicates(seen: &Seen) -> Option<bool> {
    let acks: Vec<Option<u32>> = rows(seen)?
        .iter()
        .filter(|row| row.from == Side::B && row.len_bytes == 0)
        .skip(1)
        .map(|row| row.ack)
        .collect();
    Some(acks == [Some(1), Some(1), Some(1501)])
}

fn nothing(seen: &Seen) -> Option<bool> {
    Some(data(seen)?.len() == 3 && rows(seen)?.iter().all(|row| row.resent.is_none()))
}

fn order(seen: &Seen) -> Option<bool> {
    let sent: Vec<u8> =
        (0..3).flat_map(|_| b"abcdefghijklmnopqrstuvwxyz".iter().copied().cycle().take(500)).collect();
    Some(seen.server.read == sent)
}
