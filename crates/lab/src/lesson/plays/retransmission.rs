//! `retransmission`: a lost segment, and the timer that sends it again.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "retransmission",
    chapter: Chapter::Data,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "timer", holds: timer, broken_by: Disturbance::PerfectLink },
        Claim { name: "doubled", holds: doubled, broken_by: Disturbance::PerfectLink },
        Claim { name: "same", holds: same, broken_by: Disturbance::PerfectLink },
        Claim { name: "whole", holds: whole, broken_by: Disturbance::LeaveOut(Client, 2) },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/retransmission.txt"),
};

fn script() -> Script {
    let client = [on(At(0), Connect), on(At(100), Send(500)), on(At(200), Send(500))];
    let server = [on(At(0), Listen), on(Established, ReadAll)];
    Script {
        mishaps: vec![(Client, 4, Mishap::Lost), (Client, 5, Mishap::Lost)],
        until: 10_000,
        ..Script::of(&client, &server)
    }
}

/// What was sent again.
fn again(seen: &Seen) -> Option<Vec<&Row>> {
    Some(rows(seen)?.iter().filter(|row| row.resent.is_some()).collect())
}

fn timer(seen: &Seen) -> Option<bool> {
    let again = again(seen)?;
    let first = again.first()?.resent.as_ref()?;
    Some((1000..1200).contains(&first.after.as_millis()) && !first.asked_for)
}

fn doubled(seen: &Seen) -> Option<bool> {
    let again = again(seen)?;
    let [first, second] = again.as_slice() else { return None };
    Some(
        second.resent.as_ref()?.after.as_millis() / 100
            == 2 * (first.resent.as_ref()?.after.as_millis() / 100),
    )
}

fn same(seen: &Seen) -> Option<bool> {
    let again = again(seen)?;
    Some(again.len() == 2 && again.iter().all(|row| (row.seq, row.len_bytes) == (501, 500)))
}

fn whole(seen: &Seen) -> Option<bool> {
    Some(seen.server.read.len() == 1000)
}
