//! `sliding-window`: the receiver says how much it has room for.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "sliding-window",
    chapter: Chapter::Data,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "full", holds: full, broken_by: Disturbance::Plain(Server) },
        Claim { name: "never", holds: never, broken_by: Disturbance::Plain(Server) },
        Claim { name: "free", holds: free, broken_by: Disturbance::LeaveOut(Server, 1) },
        Claim { name: "slides", holds: slides, broken_by: Disturbance::LeaveOut(Server, 4) },
        Claim { name: "whole", holds: whole, broken_by: Disturbance::LeaveOut(Server, 8) },
    ],
    scenes: &[Scene::Ladders, Scene::Buffers],
    words: include_str!("../texts/en/sliding-window.txt"),
};

fn script() -> Script {
    let client = [on(At(0), Connect), on(At(100), Send(8192))];
    let reads = (0..8).map(|read| on(At(200 + 50 * read), Read(1024)));
    let server: Vec<Step> = std::iter::once(on(At(0), Listen)).chain(reads).collect();
    let mut script = Script::of(&client, &server);
    script.server.0 = Settings { receive_buffer: 4096, mtu: 1064, ..Settings::PLAIN };
    Script { until: 5000, ..script }
}

fn full(seen: &Seen) -> Option<bool> {
    let first: Vec<&Row> =
        rows(seen)?.iter().filter(|row| row.from == Side::A && row.len_bytes > 0 && ms(row) == 100).collect();
    Some(first.len() == 4 && first.last()?.in_flight_bytes == Some(4096))
}

fn never(seen: &Seen) -> Option<bool> {
    let edge = |row: &Row| row.ack.map(|ack| ack + row.window_bytes);
    let mut limit = None;
    let mut reached = false;
    for row in rows(seen)? {
        if row.from == Side::B {
            limit = limit.max(edge(row));
        } else if row.len_bytes > 0 {
            reached |= Some(row.seq + row.len_bytes) == limit;
            if Some(row.seq + row.len_bytes) > limit {
                return Some(false);
            }
        }
    }
    Some(reached)
}

fn free(seen: &Seen) -> Option<bool> {
    let windows: Vec<u32> = rows(seen)?
        .iter()
        .filter(|row| row.from == Side::B && !row.flags.has(SYN) && ms(row) < 200)
        .map(|row| row.window_bytes)
        .collect();
    let at_200 = rows(seen)?.iter().find(|row| row.from == Side::B && ms(row) == 200)?;
    Some(windows == [3072, 2048, 1024, 0] && at_200.window_bytes == 1024)
}

fn slides(seen: &Seen) -> Option<bool> {
    let edges: Vec<u32> = rows(seen)?
        .iter()
        .filter(|row| row.from == Side::B && ms(row) >= 200)
        .filter_map(|row| row.ack.map(|ack| ack + row.window_bytes))
        .collect();
    Some(edges.is_sorted() && edges.last() == Some(&(1 + 4096 + 8 * 1024)))
}

fn whole(seen: &Seen) -> Option<bool> {
    Some(seen.server.read.len() == 8192)
}
