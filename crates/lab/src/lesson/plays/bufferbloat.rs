//! `bufferbloat`: a queue that is never full makes everybody wait.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "bufferbloat",
    chapter: Chapter::Data,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "empty", holds: empty, broken_by: Disturbance::Line(&[]) },
        Claim { name: "long", holds: long, broken_by: Disturbance::Line(&["up-rate 4Mbit", "up-queue 8p"]) },
        Claim {
            name: "queue",
            holds: queue,
            broken_by: Disturbance::Line(&["up-rate 8Mbit", "up-queue 1000p"]),
        },
        Claim {
            name: "short",
            holds: short,
            broken_by: Disturbance::Line(&["up-rate 4Mbit", "up-queue 1000p"]),
        },
        Claim {
            name: "drops",
            holds: drops,
            broken_by: Disturbance::Line(&["up-rate 4Mbit", "up-queue 1000p"]),
        },
        Claim { name: "busy", holds: busy, broken_by: Disturbance::Line(&["up-rate 4Mbit", "up-queue 3p"]) },
    ],
    scenes: &[Scene::Transfer],
    words: include_str!("../texts/en/bufferbloat.txt"),
};

/// What the client sends, twice.
const BYTES: usize = 250_000;
/// In slow start the client doubles, whatever the queue: the 187th packet of all is lost, when about half of what fits is in
/// flight, so that the second transfer is in its long run as early as the first.
const LOST: u32 = 187;

fn script() -> Script {
    let client = [
        on(At(0), Connect),
        on(Next, Send(BYTES)),
        on(At(2000), Restart(64)),
        on(At(2010), Connect),
        on(Next, Send(BYTES)),
    ];
    let server = [
        on(At(0), Listen),
        on(Next, ReadAll),
        on(At(2000), Restart(64)),
        on(Next, Listen),
        on(Next, ReadAll),
    ];
    let mut script = Script::of(&client, &server);
    script.client.0 =
        Settings { send_buffer: BYTES, controls_congestion: true, nagle: true, ..Settings::PLAIN };
    script.mishaps = vec![(Client, LOST, Mishap::Lost)];
    script.line = &["up-rate 4Mbit", "up-queue 1000p", "2s: up-queue 8p"];
    Script { until: 10_000, ..script }
}

/// Round trips of a transfer, in milliseconds, by the time from its first SYN on.
fn round_trips(seen: &Seen, which: usize) -> Option<Vec<(u64, u128)>> {
    let flow = seen.flows.get(which)?;
    let intervals = transfer(flow, Side::A, 10_000).intervals;
    let trips = intervals.iter().filter_map(|one| {
        Some((one.start.since(flow.first).as_millis() as u64, one.round_trip?.as_millis()))
    });
    Some(trips.collect())
}

fn longest(seen: &Seen, which: usize) -> Option<u128> {
    round_trips(seen, which)?.iter().map(|(_, trip)| *trip).max()
}

fn empty(seen: &Seen) -> Option<bool> {
    let syn = seen.flows.first()?.handshake_rtt?;
    let first = round_trips(seen, 0)?.first()?.1;
    Some(syn < std::time::Duration::from_millis(21) && first == 23)
}

fn long(seen: &Seen) -> Option<bool> {
    Some(longest(seen, 0)? >= 6 * 20)
}

fn queue(seen: &Seen) -> Option<bool> {
    // Segments with their headers, at 500 bytes a millisecond; the link's own 20 ms take place meanwhile.
    let most = transfer(seen.flows.first()?, Side::A, 10_000)
        .intervals
        .iter()
        .map(|one| one.in_flight_bytes)
        .max()?;
    let on_the_line = most / 1460 * 1500 / 500;
    Some(u128::from(on_the_line) == longest(seen, 0)?)
}

fn short(seen: &Seen) -> Option<bool> {
    Some(longest(seen, 1)? <= 45)
}

fn drops(seen: &Seen) -> Option<bool> {
    let by_queue = |flow: &Flow| {
        let rules = flow.rows.iter().filter_map(|row| row.passage.as_ref()?.rule.as_deref());
        rules.filter(|rule| rule.starts_with("queue")).count()
    };
    Some([by_queue(seen.flows.first()?), by_queue(seen.flows.get(1)?)] == [0, 1])
}

fn busy(seen: &Seen) -> Option<bool> {
    let lasts = |which: usize| Some(round_trips(seen, which)?.last()?.0);
    let whole = seen.server.read.len() == BYTES;
    Some(whole && lasts(0)?.abs_diff(lasts(1)?) <= 30 && lasts(1)? < 1000)
}
