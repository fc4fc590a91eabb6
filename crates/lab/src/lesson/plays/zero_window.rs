//! `zero-window`: the receiver has no room.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "zero-window",
    chapter: Chapter::Data,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "full", holds: full, broken_by: Disturbance::Plain(Server) },
        Claim { name: "probes", holds: probes, broken_by: Disturbance::Plain(Server) },
        Claim { name: "answered", holds: answered, broken_by: Disturbance::Plain(Server) },
        Claim { name: "opens", holds: opens, broken_by: Disturbance::LeaveOut(Server, 1) },
        Claim { name: "whole", holds: whole, broken_by: Disturbance::LeaveOut(Server, 1) },
    ],
    scenes: &[Scene::Ladders, Scene::Buffers],
    words: include_str!("../texts/en/zero-window.txt"),
};

fn script() -> Script {
    let client = [on(At(0), Connect), on(At(100), Send(6000))];
    let server = [on(At(0), Listen), on(At(10_000), ReadAll)];
    let mut script = Script::of(&client, &server);
    script.server.0.receive_buffer = 4096;
    Script { until: 20_000, ..script }
}

/// The probes of the closed window.
fn probing(seen: &Seen) -> Option<Vec<&Row>> {
    Some(rows(seen)?.iter().filter(|row| row.analysis.has(AnalysisFlags::ZERO_WINDOW_PROBE)).collect())
}

fn full(seen: &Seen) -> Option<bool> {
    let zero = rows(seen)?.iter().find(|row| row.from == Side::B && row.window_bytes == 0)?;
    Some(zero.ack == Some(4097))
}

fn probes(seen: &Seen) -> Option<bool> {
    let probes: Vec<u64> = probing(seen)?.iter().map(|row| ms(row) / 100).collect();
    let pauses: Vec<u64> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    Some(pauses.len() >= 2 && pauses.windows(2).all(|pair| pair[1] == 2 * pair[0]))
}

fn answered(seen: &Seen) -> Option<bool> {
    let probes = probing(seen)?;
    let answered = |probe: &&Row| {
        let arrived = probe.passage.as_ref()?.arrived?;
        rows(seen)?.iter().find(|row| row.from == Side::B && row.time == arrived)
    };
    Some(
        !probes.is_empty()
            && probes.iter().all(|probe| {
                answered(probe).is_some_and(|row| row.window_bytes == 0 && row.ack == Some(4097))
            }),
    )
}

fn opens(seen: &Seen) -> Option<bool> {
    let update = rows(seen)?.iter().find(|row| row.from == Side::B && row.time.0 >= 10_000_000_000)?;
    Some(update.window_bytes == 4096 && update.ack == Some(4097) && ms(update) == 10_000)
}

fn whole(seen: &Seen) -> Option<bool> {
    Some(seen.server.read.len() == 6000)
}
