//! `header-bytes`: the TCP header, byte by byte.

use super::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "header-bytes",
    chapter: Chapter::Opening,
    play: Play::simulated(script),
    claims: &[
        Claim { name: "length", holds: length, broken_by: Disturbance::LeaveOut(Client, 0) },
        Claim { name: "flags", holds: flags, broken_by: Disturbance::LeaveOut(Server, 0) },
        Claim { name: "first", holds: first, broken_by: Disturbance::Lose(Server, 1) },
        Claim { name: "sum", holds: sum, broken_by: Disturbance::Damage(Client, 3) },
        Claim { name: "urgent", holds: urgent, broken_by: Disturbance::LeaveOut(Client, 0) },
    ],
    scenes: &[Scene::Bytes(1)],
    words: include_str!("../texts/en/header-bytes.txt"),
};

fn script() -> Script {
    let client = [on(At(0), Connect), on(Established, Say("hello, server!!\n"))];
    Script { until: 300, ..Script::of(&client, &[on(At(0), Listen), on(Established, ReadAll)]) }
}

/// The TCP part of a packet by its place, from 0.
fn tcp(seen: &Seen, place: usize) -> Option<&[u8]> {
    seen.frames.get(place)?.bytes.get(20..).filter(|tcp| tcp.len() >= 20)
}

fn length(seen: &Seen) -> Option<bool> {
    let syn = tcp(seen, 0)?;
    let ack = tcp(seen, 2)?;
    Some(syn.len() == usize::from(syn[12] >> 4) * 4 && syn.len() > 20 && ack.len() == 20 && ack[12] >> 4 == 5)
}

fn flags(seen: &Seen) -> Option<bool> {
    Some((tcp(seen, 0)?[13], tcp(seen, 1)?[13], tcp(seen, 2)?[13]) == (0x02, 0x12, 0x10))
}

fn first(seen: &Seen) -> Option<bool> {
    let bytes = |place: usize| tcp(seen, place).map(|tcp| [&tcp[4..8], &tcp[8..12]].concat());
    let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    let (syn, answer) = (bytes(0)?, bytes(1)?);
    Some(number(&answer[4..]) == number(&syn[..4]).wrapping_add(1) && tcp(seen, 2)?[4..8] == answer[4..])
}

fn sum(seen: &Seen) -> Option<bool> {
    let right = |frame: &crate::event::LinkFrame| {
        let segment = frame.bytes.get(20..)?;
        let len = u32::try_from(segment.len()).ok()?;
        let [from, to] = if frame.from == Client { [CLIENT, SERVER] } else { [SERVER, CLIENT] };
        let pseudo = checksum::pseudo_header(from.ip(), to.ip(), wire::tcp::PROTOCOL, len);
        Some(checksum::fold(checksum::sum(pseudo, segment)) == 0xffff)
    };
    Some(!seen.frames.is_empty() && seen.frames.iter().all(|frame| right(frame) == Some(true)))
}

fn urgent(seen: &Seen) -> Option<bool> {
    let syn = tcp(seen, 0)?;
    Some(syn[13] & TcpFlags::URG.0 == 0 && syn[18..20] == [0, 0])
}
