//! `stream-not-messages`: three writes, two segments, one read.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "stream-not-messages",
    chapter: Chapter::Sockets,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "two", holds: two, broken_by: Disturbance::Plain(Client) },
        Claim { name: "waits", holds: waits, broken_by: Disturbance::Lose(Server, 2) },
        Claim { name: "one", holds: one, broken_by: Disturbance::LeaveOut(Server, 1) },
        Claim { name: "nodelay", holds: nodelay, broken_by: Disturbance::LeaveOut(Client, 4) },
        Claim { name: "push", holds: push, broken_by: Disturbance::LeaveOut(Server, 2) },
        Claim { name: "same", holds: same, broken_by: Disturbance::LeaveOut(Client, 6) },
    ],
    scenes: &[Scene::Calls],
    words: include_str!("../texts/en/stream-not-messages.txt"),
};

/// From then on the client's TCP delays nothing, in milliseconds.
const NO_DELAY_AT: u64 = 200;

fn script() -> Script {
    let client = [
        on(At(0), Connect),
        on(Established, Say("one\n")),
        on(Next, Say("two\n")),
        on(Next, Say("three\n")),
        on(At(NO_DELAY_AT), NoDelay),
        on(Next, Say("four\n")),
        on(Next, Say("five\n")),
        on(Next, Say("six\n")),
    ];
    let server =
        [on(At(0), Listen), later(50, Received(14), Read(4096)), later(50, Received(28), Read(4096))];
    let mut script = Script::of(&client, &server);
    script.client.0.nagle = true;
    Script { until: 500, ..script }
}

/// When it was sent, and how many bytes, of each segment with data.
fn segments(seen: &Seen) -> Option<Vec<(u64, u32)>> {
    let rows = rows(seen)?.iter().filter(|row| row.len_bytes > 0);
    Some(rows.map(|row| (ms(row), row.len_bytes)).collect())
}

fn two(seen: &Seen) -> Option<bool> {
    let segments = segments(seen)?;
    let sizes: Vec<u32> =
        segments.iter().filter(|(at, _)| *at < NO_DELAY_AT).map(|(_, bytes)| *bytes).collect();
    Some(sizes == [4, 10])
}

/// The second segment leaves at the time at which the acknowledgement of the first arrives.
fn waits(seen: &Seen) -> Option<bool> {
    let acks = |row: &&Row| row.from == Side::B && row.ack == Some(5);
    let acked = rows(seen)?.iter().find(acks)?.passage.as_ref()?.arrived?;
    Some(segments(seen)?.get(1)?.0 == acked.0 / 1_000_000)
}

fn one(seen: &Seen) -> Option<bool> {
    Some(seen.results(Side::B, "read") == [Some("14"), Some("14")])
}

fn nodelay(seen: &Seen) -> Option<bool> {
    let segments = segments(seen)?;
    let late: Vec<_> = segments.into_iter().filter(|(at, _)| *at >= NO_DELAY_AT).collect();
    Some(late == [(NO_DELAY_AT, 5), (NO_DELAY_AT, 5), (NO_DELAY_AT, 4)])
}

/// Pushed five times, and the program read twice.
fn push(seen: &Seen) -> Option<bool> {
    let pushed = rows(seen)?.iter().filter(|row| row.flags.has(TcpFlags::PSH));
    Some(pushed.map(|row| row.len_bytes).eq([4, 10, 5, 5, 4]) && seen.results(Side::B, "read").len() == 2)
}

fn same(seen: &Seen) -> Option<bool> {
    Some(seen.server.read == b"one\ntwo\nthree\nfour\nfive\nsix\n")
}
