//! `congestion-window`: how much the network takes, found out by trying.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "congestion-window",
    chapter: Chapter::Data,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "begins", holds: begins, broken_by: Disturbance::Plain(Client) },
        Claim { name: "doubles", holds: doubles, broken_by: Disturbance::Plain(Client) },
        Claim { name: "limit", holds: limit, broken_by: Disturbance::Plain(Client) },
        Claim { name: "asked", holds: asked, broken_by: Disturbance::PerfectLink },
        Claim { name: "halves", holds: halves, broken_by: Disturbance::PerfectLink },
        Claim { name: "creeps", holds: creeps, broken_by: Disturbance::PerfectLink },
        Claim { name: "timer", holds: timer, broken_by: Disturbance::Line(&[]) },
        Claim { name: "whole", holds: whole, broken_by: Disturbance::LeaveOut(Server, 1) },
    ],
    scenes: &[Scene::Transfer],
    words: include_str!("../texts/en/congestion-window.txt"),
};

/// What the client sends.
const BYTES: usize = 400_000;
/// A full segment.
const SEGMENT: u64 = 1024;

fn script() -> Script {
    let client = [on(At(0), Connect), on(At(100), Send(BYTES))];
    let server = [on(At(0), Listen), on(Next, ReadAll)];
    let mut script = Script::of(&client, &server);
    script.client.0 = Settings {
        mtu: 1064,
        send_buffer: BYTES,
        controls_congestion: true,
        // Full segments only, so that flights are counted easily.
        nagle: true,
        ..Settings::PLAIN
    };
    script.server.0 = Settings { mtu: 1064, ..Settings::PLAIN };
    script.mishaps = vec![(Client, 40, Mishap::Lost)];
    script.line = &["345ms for 30ms: up-cut"];
    Script { until: 5000, ..script }
}

/// The bytes in flight in the interval that begins so many milliseconds after the beginning, when it is 20 ms long.
fn flight(seen: &Seen, at: u64) -> Option<u64> {
    let times = (at * 1_000_000)..((at + 20) * 1_000_000);
    let intervals = transfer(flow(seen)?, Side::A, 1000).intervals;
    intervals.iter().filter(|one| times.contains(&one.start.0)).map(|one| one.in_flight_bytes).max()
}

fn begins(seen: &Seen) -> Option<bool> {
    let first: Vec<&Row> = rows(seen)?.iter().filter(|row| row.len_bytes > 0 && ms(row) == 100).collect();
    let window = rows(seen)?.iter().find(|row| row.from == Side::B)?.window_bytes;
    Some(first.len() == 2 && flight(seen, 100)? == 2 * SEGMENT && window == 64_240)
}

fn doubles(seen: &Seen) -> Option<bool> {
    let flights: Option<Vec<u64>> =
        [100, 120, 140, 160, 180].map(|at| flight(seen, at)).into_iter().collect();
    Some(flights? == [2, 4, 8, 16, 32].map(|segments| segments * SEGMENT))
}

fn limit(seen: &Seen) -> Option<bool> {
    let intervals = transfer(flow(seen)?, Side::A, 1000).intervals;
    let is_below = |one: &flow::transfer::Interval| one.in_flight_bytes + 16 * SEGMENT < one.window_bytes;
    Some(intervals.len() > 20 && intervals.iter().all(is_below))
}

fn asked(seen: &Seen) -> Option<bool> {
    let lost = rows(seen)?
        .iter()
        .find(|row| row.passage.as_ref().is_some_and(|passage| passage.arrived.is_none()))?;
    let again = rows(seen)?.iter().find(|row| row.seq == lost.seq && row.frame > lost.frame)?;
    Some(again.resent.as_ref()?.asked_for && again.time.since(lost.time) == 2 * DELAY)
}

fn halves(seen: &Seen) -> Option<bool> {
    let (noticed, after) = (flight(seen, 200)?, flight(seen, 240)?);
    Some(after <= noticed / 2 && after + 2 * SEGMENT > noticed / 2)
}

fn creeps(seen: &Seen) -> Option<bool> {
    let flights: Option<Vec<u64>> = (240..=360).step_by(20).map(|at| flight(seen, at)).collect();
    Some(flights?.windows(2).all(|pair| pair[1] == pair[0] + SEGMENT))
}

fn timer(seen: &Seen) -> Option<bool> {
    let after = rows(seen)?.iter().filter(|row| row.len_bytes > 0 && ms(row) >= 380);
    let mut sent = std::collections::BTreeMap::new();
    after.for_each(|row| *sent.entry(row.time.0 / 20_000_000 * 20).or_insert(0) += 1);
    let counts: Vec<(u64, u64)> = sent.into_iter().take(4).collect();
    Some(counts == [(1360, 1), (1380, 2), (1400, 4), (1420, 8)])
}

fn whole(seen: &Seen) -> Option<bool> {
    Some(seen.server.read.len() == BYTES)
}
