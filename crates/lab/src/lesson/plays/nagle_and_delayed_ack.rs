//! `nagle-and-delayed-ack`: each waits for the other.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "nagle-and-delayed-ack",
    chapter: Chapter::Data,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "write", holds: write, broken_by: Disturbance::LeaveOut(Client, 2) },
        Claim { name: "nagle", holds: nagle, broken_by: Disturbance::Plain(Client) },
        Claim { name: "delayed", holds: delayed, broken_by: Disturbance::Plain(Server) },
        Claim { name: "slow", holds: slow, broken_by: Disturbance::Plain(Client) },
        Claim { name: "nodelay", holds: nodelay, broken_by: Disturbance::LeaveOut(Client, 4) },
    ],
    scenes: &[Scene::Calls],
    words: include_str!("../texts/en/nagle-and-delayed-ack.txt"),
};

fn script() -> Script {
    let client = [
        on(At(5), Connect),
        on(At(50), Say("key: ")),
        on(Next, Say("value\n")),
        on(Next, Read(4096)),
        on(At(200), NoDelay),
        on(Next, Say("key: ")),
        on(Next, Say("value\n")),
        on(Next, Read(4096)),
    ];
    let server = [
        on(At(0), Listen),
        on(Next, Read(4096)),
        on(Next, Read(4096)),
        on(Next, Say("ok\n")),
        on(Next, Read(4096)),
        on(Next, Read(4096)),
        on(Next, Say("ok\n")),
    ];
    let mut script = Script::of(&client, &server);
    script.client.0 = Settings { nagle: true, ..Settings::PLAIN };
    script.server.0 = Settings { delays_acks: Some(40), ..Settings::PLAIN };
    Script { until: 1000, ..script }
}

/// The client's data segments of each request: those that were sent before 200 ms, and the others.
fn requests(seen: &Seen) -> Option<[Vec<&Row>; 2]> {
    let data = rows(seen)?.iter().filter(|row| row.from == Side::A && row.len_bytes > 0);
    let (first, second) = data.partition(|row| ms(row) < 200);
    Some([first, second])
}

fn write(seen: &Seen) -> Option<bool> {
    let writes = [call(seen, Side::A, "write", 0)?, call(seen, Side::A, "write", 1)?];
    let at_once = writes.iter().all(|write| write.ended == Some(write.began) && ms_of(write.began) == 50);
    Some(at_once && writes.map(result) == [Some("5"), Some("6")])
}

fn nagle(seen: &Seen) -> Option<bool> {
    let [first, _] = requests(seen)?;
    let [one, other] = first[..] else { return Some(false) };
    let ack =
        rows(seen)?.iter().find(|row| row.from == Side::B && row.ack == Some(one.seq + one.len_bytes))?;
    Some([ms(one), ms(other)] == [50, 110] && ack.passage.as_ref()?.arrived? == other.time)
}

fn delayed(seen: &Seen) -> Option<bool> {
    let [first, _] = requests(seen)?;
    let one = first.first()?;
    let ack =
        rows(seen)?.iter().find(|row| row.from == Side::B && row.ack == Some(one.seq + one.len_bytes))?;
    Some(ack.time.since(one.passage.as_ref()?.arrived?).as_millis() == 40 && ack.len_bytes == 0)
}

fn slow(seen: &Seen) -> Option<bool> {
    let (write, read) = (call(seen, Side::A, "write", 0)?, call(seen, Side::A, "read", 0)?);
    Some(read.ended?.since(write.began).as_millis() == 80)
}

fn nodelay(seen: &Seen) -> Option<bool> {
    let [_, second] = requests(seen)?;
    let (write, read) = (call(seen, Side::A, "write", 2)?, call(seen, Side::A, "read", 1)?);
    let at_once = second.iter().map(|row| (ms(row), row.len_bytes)).eq([(200, 5), (200, 6)]);
    Some(at_once && read.ended?.since(write.began) == 2 * DELAY)
}
