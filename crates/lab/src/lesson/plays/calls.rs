//! `calls`: the calls of both programs, the segments that they cause, and the waits that segments end.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "calls",
    chapter: Chapter::Sockets,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "quiet", holds: quiet, broken_by: Disturbance::LeaveOut(Server, 0) },
        Claim { name: "connect", holds: connect, broken_by: Disturbance::Lose(Client, 1) },
        Claim { name: "accept", holds: accept, broken_by: Disturbance::Lose(Client, 2) },
        Claim { name: "write", holds: write, broken_by: Disturbance::LeaveOut(Client, 1) },
        Claim { name: "read", holds: read, broken_by: Disturbance::Lose(Client, 3) },
        Claim { name: "end", holds: end, broken_by: Disturbance::LeaveOut(Client, 3) },
        Claim { name: "close", holds: close, broken_by: Disturbance::LeaveOut(Client, 3) },
    ],
    scenes: &[Scene::Calls],
    words: include_str!("../texts/en/calls.txt"),
};

fn script() -> Script {
    let client = [
        on(At(5), Connect),
        later(20, Next, Say("ping\n")),
        on(Next, Read(4096)),
        later(10, Next, ShutDown),
        on(Next, Read(4096)),
        on(Next, Close),
    ];
    let server = [
        on(At(0), Listen),
        on(Next, Read(4096)),
        later(10, Next, Say("pong\n")),
        on(Next, Read(4096)),
        later(5, Next, Close),
    ];
    Script { until: 1000, ..Script::of(&client, &server) }
}

fn quiet(seen: &Seen) -> Option<bool> {
    let first = rows(seen)?.first()?;
    let before = seen.calls.iter().filter(|call| call.side == Side::B && call.began < first.time);
    let names: Vec<&str> = before.filter_map(|call| call.text.split('(').next()).collect();
    let connect = call(seen, Side::A, "connect", 0)?;
    Some(names == ["socket", "bind", "listen", "accept"] && connect.began == first.time)
}

fn connect(seen: &Seen) -> Option<bool> {
    let connect = call(seen, Side::A, "connect", 0)?;
    let by = ended_by(seen, connect)?;
    Some(by.flags == SYN_ACK && connect.ended?.since(connect.began) == 2 * DELAY)
}

fn accept(seen: &Seen) -> Option<bool> {
    let (accept, connect) = (call(seen, Side::B, "accept", 0)?, call(seen, Side::A, "connect", 0)?);
    let by = ended_by(seen, accept)?;
    let is_third = by.flags == ACK && by.len_bytes == 0 && by.time == connect.ended?;
    Some(is_third && result(accept)? == "4" && accept.ended?.since(connect.ended?) == DELAY)
}

fn write(seen: &Seen) -> Option<bool> {
    let (write, read) = (call(seen, Side::A, "write", 0)?, call(seen, Side::B, "read", 0)?);
    Some(write.ended == Some(write.began) && result(write)? == "5" && write.ended? + DELAY == read.ended?)
}

fn read(seen: &Seen) -> Option<bool> {
    let (write, read) = (call(seen, Side::A, "write", 0)?, call(seen, Side::B, "read", 0)?);
    let by = ended_by(seen, read)?;
    Some(by.len_bytes == 5 && by.time == write.began && result(read)? == "5")
}

fn end(seen: &Seen) -> Option<bool> {
    let (shutdown, read) = (call(seen, Side::A, "shutdown", 0)?, call(seen, Side::B, "read", 1)?);
    let by = ended_by(seen, read)?;
    Some(by.flags.has(TcpFlags::FIN) && by.time == shutdown.began && result(read)? == "0")
}

fn close(seen: &Seen) -> Option<bool> {
    let (shutdown, close) = (call(seen, Side::A, "shutdown", 0)?, call(seen, Side::A, "close", 0)?);
    let fins = rows(seen)?.iter().filter(|row| row.from == Side::A && row.flags.has(TcpFlags::FIN));
    let fins: Vec<_> = fins.map(|row| row.time).collect();
    Some(fins == [shutdown.began] && close.began > shutdown.began)
}
