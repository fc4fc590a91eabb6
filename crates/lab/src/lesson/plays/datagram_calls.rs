//! `datagram-calls`: the same question and answer with UDP: sendto and recvfrom.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "datagram-calls",
    chapter: Chapter::Sockets,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "two", holds: two, broken_by: Disturbance::Lose(Client, 1) },
        Claim { name: "sends", holds: sends, broken_by: Disturbance::LeaveOut(Client, 1) },
        Claim { name: "waits", holds: waits, broken_by: Disturbance::Lose(Client, 1) },
        Claim { name: "from", holds: from, broken_by: Disturbance::Lose(Server, 1) },
        Claim { name: "silent", holds: silent, broken_by: Disturbance::LeaveOut(Client, 3) },
    ],
    scenes: &[Scene::Calls],
    words: include_str!("../texts/en/datagram-calls.txt"),
};

fn script() -> Script {
    let client = [
        on(At(5), OpenDatagrams),
        later(10, Next, SendTo("ping\n")),
        on(Next, ReceiveFrom(4096)),
        later(10, Next, Close),
    ];
    let server = [
        on(At(0), OpenDatagrams),
        on(Next, ReceiveFrom(4096)),
        later(10, Next, SendTo("pong\n")),
        on(Next, ReceiveFrom(4096)),
    ];
    Script { until: 1000, ..Script::of(&client, &server) }
}

fn two(seen: &Seen) -> Option<bool> {
    let flow = seen.datagrams.first()?;
    let sizes: Vec<(Side, u32)> = flow.rows.iter().map(|row| (row.from, row.len_bytes)).collect();
    Some(sizes == [(Side::A, 5), (Side::B, 5)] && seen.frames.len() == 2)
}

fn sends(seen: &Seen) -> Option<bool> {
    let (send, row) = (call(seen, Side::A, "sendto", 0)?, seen.datagrams.first()?.rows.first()?);
    Some(send.ended == Some(send.began) && row.time == send.began && result(send)? == "5")
}

fn waits(seen: &Seen) -> Option<bool> {
    let (send, receive) = (call(seen, Side::A, "sendto", 0)?, call(seen, Side::B, "recvfrom", 0)?);
    Some(receive.began < send.began && receive.ended? == send.began + DELAY)
}

fn from(seen: &Seen) -> Option<bool> {
    let results = [call(seen, Side::B, "recvfrom", 0)?, call(seen, Side::A, "recvfrom", 0)?].map(result);
    let [client, server] = [CLIENT, SERVER].map(|end| format!("5 from {end}"));
    Some(results == [Some(client.as_str()), Some(server.as_str())])
}

fn silent(seen: &Seen) -> Option<bool> {
    let close = call(seen, Side::A, "close", 0)?;
    let again = call(seen, Side::B, "recvfrom", 1)?;
    Some(seen.frames.iter().all(|frame| frame.time < close.began) && again.ended.is_none())
}
