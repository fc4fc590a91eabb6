//! `old-duplicate`: a segment of the last conversation lands in the next.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "old-duplicate",
    chapter: Chapter::Closing,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "same", holds: same, broken_by: Disturbance::LeaveOut(Client, 3) },
        Claim { name: "stray", holds: stray, broken_by: Disturbance::PerfectLink },
        Claim { name: "taken", holds: taken, broken_by: Disturbance::LeaveOut(Client, 3) },
        Claim { name: "swallowed", holds: swallowed, broken_by: Disturbance::PerfectLink },
    ],
    scenes: &[Scene::Ladders],
    words: include_str!("../texts/en/old-duplicate.txt"),
};

/// What the client says in the first conversation.
const OLD: &str = "pay 100 to Ann\n";
/// What it says in the second, first.
const FIRST: &str = "this month, from my account to:\n";
/// And then.
const SECOND: &str = "pay 900 to Bob\n";

/// Both machines lose power at 200 ms; the client's new numbers begin 32 below the old ones.
fn script() -> Script {
    let client = [
        on(At(0), Connect),
        on(Established, Say(OLD)),
        on(At(60), Close),
        on(At(200), Restart(32)),
        on(At(250), Connect),
        on(At(400), Say(FIRST)),
        on(At(401), Say(SECOND)),
    ];
    let server = [
        on(At(0), Listen),
        on(Established, ReadAll),
        on(PeerClosed, Close),
        on(At(200), Restart(0)),
        on(Next, Listen),
        on(Established, ReadAll),
    ];
    Script { mishaps: vec![(Client, 3, Mishap::Kept(300))], until: 1000, ..Script::of(&client, &server) }
}

/// The second conversation.
fn second(seen: &Seen) -> Option<&Flow> {
    let [first, second] = seen.flows.as_slice() else { return None };
    ((first.a, first.b) == (second.a, second.b)).then_some(second)
}

fn same(seen: &Seen) -> Option<bool> {
    Some(second(seen)?.state_b == State::Established)
}

/// It sets out at 320 ms, and the client's program says its first word at 400.
fn stray(seen: &Seen) -> Option<bool> {
    let data = second(seen)?.rows.iter().find(|row| row.from == Side::A && row.len_bytes > 0)?;
    Some(ms(data) == 320 && (data.seq, data.len_bytes) == (33, 15))
}

fn taken(seen: &Seen) -> Option<bool> {
    second(seen)?;
    Some(seen.server.read == [FIRST, OLD].concat().as_bytes())
}

/// The server acknowledges the bytes 33 to 47 before the client's own have come.
fn swallowed(seen: &Seen) -> Option<bool> {
    let rows = &second(seen)?.rows;
    let own = rows.iter().find(|row| row.from == Side::A && row.seq == 33 && ms(row) == 401)?;
    let early = rows.iter().find(|row| row.from == Side::B && row.ack == Some(48))?;
    Some(early.time < own.passage.as_ref()?.arrived? && !seen.server.read.ends_with(SECOND.as_bytes()))
}
