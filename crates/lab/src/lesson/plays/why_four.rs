//! `why-four`: the kernel acknowledges, the program closes.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "why-four",
    chapter: Chapter::Closing,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "kernel", holds: kernel, broken_by: Disturbance::Lose(Client, 4) },
        Claim { name: "read", holds: read, broken_by: Disturbance::LeaveOut(Client, 2) },
        Claim { name: "more", holds: more, broken_by: Disturbance::LeaveOut(Server, 3) },
        Claim { name: "program", holds: program, broken_by: Disturbance::LeaveOut(Server, 4) },
        Claim { name: "once", holds: once, broken_by: Disturbance::Lose(Server, 3) },
    ],
    scenes: &[Scene::Calls],
    words: include_str!("../texts/en/why-four.txt"),
};

fn script() -> Script {
    let client = [
        on(At(5), Connect),
        on(Next, Say("the last order\n")),
        later(30, Next, ShutDown),
        on(Next, Read(4096)),
        on(Next, Read(4096)),
        on(Next, Close),
    ];
    let server = [
        on(At(0), Listen),
        on(Next, Read(4096)),
        on(Next, Read(4096)),
        later(2000, Next, Say("done\n")),
        later(5, Next, Close),
    ];
    Script { until: 10_000, ..Script::of(&client, &server) }
}

/// The first segment with a FIN of this side.
fn fin(seen: &Seen, side: Side) -> Option<&Row> {
    rows(seen)?.iter().find(|row| row.from == side && row.flags.has(TcpFlags::FIN))
}

fn kernel(seen: &Seen) -> Option<bool> {
    let fin = fin(seen, Side::A)?;
    let arrived = fin.passage.as_ref()?.arrived?;
    let answer = rows(seen)?.iter().find(|row| row.from == Side::B && row.time >= arrived)?;
    Some(answer.time == arrived && answer.flags == ACK && answer.ack == Some(fin.seq + 1))
}

fn read(seen: &Seen) -> Option<bool> {
    let (shutdown, read) = (call(seen, Side::A, "shutdown", 0)?, call(seen, Side::B, "read", 1)?);
    Some(result(read)? == "0" && read.ended? == shutdown.began + DELAY)
}

fn more(seen: &Seen) -> Option<bool> {
    let after = rows(seen)?.iter().filter(|row| row.from == Side::B && row.len_bytes > 0);
    let data: Vec<&Row> = after.collect();
    let [data] = data.as_slice() else { return Some(false) };
    Some(
        data.time > fin(seen, Side::A)?.time
            && data.state_b == State::CloseWait
            && seen.client.read == b"done\n",
    )
}

fn program(seen: &Seen) -> Option<bool> {
    let (fin, close) = (fin(seen, Side::B)?, call(seen, Side::B, "close", 0)?);
    let read = call(seen, Side::B, "read", 1)?;
    Some(fin.time == close.began && close.began.since(read.ended?).as_millis() == 2005)
}

fn once(seen: &Seen) -> Option<bool> {
    let fins = rows(seen)?.iter().filter(|row| row.from == Side::A && row.flags.has(TcpFlags::FIN)).count();
    Some(fins == 1)
}
