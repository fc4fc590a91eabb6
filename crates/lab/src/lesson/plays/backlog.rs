//! `backlog`: what happens when more clients come than wait to be accepted, in all three ways in which it can happen.

use wire::tcp_info::TcpInfo;

use super::on_kernel::*;

pub(super) const LESSON: Lesson = Lesson {
    id: "backlog",
    chapter: Chapter::Opening,
    play: Play::on_kernel(Staging {
        // Long enough that both of two SYNs are there before the first of the two last ACKs.
        place: Place::Network(&["delay 50ms"]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "one-more", holds: one_more, broken_by: Disturbance::Change(LARGER) },
        Claim { name: "capped", holds: capped, broken_by: Disturbance::Change(MODEST) },
        Claim { name: "silence", holds: silence, broken_by: Disturbance::Change(LARGER) },
        Claim { name: "again", holds: again, broken_by: Disturbance::Change(NO_ACCEPT) },
        Claim { name: "believes", holds: believes, broken_by: Disturbance::Change(ABORT_AT_ONCE) },
        Claim { name: "reset", holds: reset, broken_by: Disturbance::Change(NO_ABORT) },
    ],
    scenes: &[Scene::Facts, Scene::Sockets, Scene::Ladder(4), Scene::Ladder(8), Scene::Ladder(12)],
    words: include_str!("../texts/en/backlog.txt"),
};

const LARGER: &str = "a backlog of 5";
const MODEST: &str = "a modest backlog where a boundless one is asked for";
const NO_ACCEPT: &str = "nobody accepts";
const ABORT_AT_ONCE: &str = "tcp_abort_on_overflow from the beginning";
const NO_ABORT: &str = "tcp_abort_on_overflow stays 0";

/// The first port; the other two follow.
const PORT: u16 = 7777;
/// So many may wait to be accepted, and one more. With less than 2, Linux would answer the second of two SYNs that come
/// at once with a cookie and remember nothing of it.
const BACKLOG: i32 = 2;
/// How long a client waits: the SYN is sent again after a second (RFC 6298 §2.1).
const PATIENCE_MS: u32 = 1600;

fn server(actor: &mut Actor) -> io::Result<()> {
    let backlog = if actor.is_changed(LARGER) { 5 } else { BACKLOG };
    if actor.is_changed(ABORT_AT_ONCE) {
        abort_on_overflow(actor)?;
    }
    ask_for_too_many(actor)?;
    let mut listeners = Vec::new();
    for port in PORT..PORT + 3 {
        let listener = actor.tcp_socket()?;
        actor.bind(&listener, everywhere(port))?;
        actor.listen(&listener, backlog)?;
        listeners.push(listener);
    }
    actor.reach("listening");
    actor.wait_for("fourth");
    let accepted = match actor.is_changed(NO_ACCEPT) {
        true => None,
        false => Some(actor.accept(&listeners[0])?),
    };
    actor.reach("accepted");
    actor.wait_for("two at once");
    if !actor.is_changed(NO_ABORT) {
        abort_on_overflow(actor)?;
    }
    actor.reach("set to abort");
    actor.wait_for("end");
    drop(accepted);
    Ok(())
}

/// What the kernel makes of a backlog that is larger than net.core.somaxconn.
fn ask_for_too_many(actor: &mut Actor) -> io::Result<()> {
    let asked = if actor.is_changed(MODEST) { 100 } else { i32::MAX };
    let listener = actor.tcp_socket()?;
    actor.listen(&listener, asked)?;
    // Of a listener TCP_INFO says here how many may wait (tcp_get_info in net/ipv4/tcp.c).
    let info = kernel::socket::tcp_info(&listener).map(|bytes| TcpInfo::decode(&bytes));
    let kept = info.and_then(|info| info.sacked_segments).ok_or(io::ErrorKind::Unsupported)?;
    actor.fact("asked", asked);
    actor.fact("kept", kept);
    Ok(())
}

fn abort_on_overflow(actor: &mut Actor) -> io::Result<()> {
    actor.set_sysctl("net.ipv4.tcp_abort_on_overflow", "1")
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    let _three = connect(actor, PORT, 3)?;
    actor.reach("three");
    let fourth = begin(actor, PORT)?;
    actor.reach("fourth");
    actor.wait_for("accepted");
    let _two = connect(actor, PORT + 1, 2)?;
    let _two_more = two_at_once(actor, PORT + 1)?;
    actor.reach("two at once");
    actor.wait_for("set to abort");
    let _others = connect(actor, PORT + 2, 2)?;
    let [_in_time, last] = two_at_once(actor, PORT + 2)?;
    // By now whatever came for it is there; where nothing did, the call does not wait.
    actor.reach("two at once again");
    let last = actor.read(&last, 1);
    actor.fact("last", outcome(&last));
    let comes = actor.poll(&fourth, PollFlags::OUT, PATIENCE_MS)?;
    actor.fact("fourth", if comes { "connected" } else { "still waits" });
    actor.reach("end");
    Ok(())
}

fn connect(actor: &mut Actor, port: u16, count: usize) -> io::Result<Vec<OwnedFd>> {
    let connect = |_| {
        let socket = actor.tcp_socket()?;
        actor.connect(&socket, at_server(port))?;
        Ok(socket)
    };
    (0..count).map(connect).collect()
}

/// Begins to connect and waits for nothing.
fn begin(actor: &mut Actor, port: u16) -> io::Result<OwnedFd> {
    let socket = actor.tcp_socket()?;
    actor.set_nonblocking(&socket)?;
    match actor.connect(&socket, at_server(port)) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}

/// Two whose SYNs are both there before the server's kernel hears of any that it is connected.
fn two_at_once(actor: &mut Actor, port: u16) -> io::Result<[OwnedFd; 2]> {
    let sockets = [begin(actor, port)?, begin(actor, port)?];
    for socket in &sockets {
        actor.poll(socket, PollFlags::OUT, PATIENCE_MS)?;
    }
    Ok(sockets)
}

fn one_more(seen: &Seen) -> Option<bool> {
    let waiting = listener(seen, "fourth", PORT)?.to_read_bytes;
    Some(waiting == 3 && count(seen, "fourth", Server, SocketState::ESTABLISHED)? == 3)
}

fn capped(seen: &Seen) -> Option<bool> {
    let number = |name| seen.fact(name)?.parse::<u32>().ok();
    Some(number("kept")? < number("asked")?)
}

fn silence(seen: &Seen) -> Option<bool> {
    let is_open = count(seen, "fourth", Client, SocketState::SYN_SENT)? == 1;
    let server_knows = count(seen, "fourth", Server, SocketState::SYN_RECEIVED)? > 0;
    Some(is_open && !server_knows)
}

fn again(seen: &Seen) -> Option<bool> {
    let fourth = seen.flows.get(3)?;
    let [syn, again, answer, ..] = fourth.rows.as_slice() else { return Some(false) };
    let (waited, flags) = (ms(again) - ms(syn), [syn, again, answer].map(bare));
    let after_a_second = (900..1500).contains(&waited);
    Some(flags == [SYN, SYN, SYN_ACK] && after_a_second && seen.fact("fourth")? == "connected")
}

fn believes(seen: &Seen) -> Option<bool> {
    let ours = sockets_at(seen, "two at once", Client, PORT + 1)?;
    let theirs = sockets_at(seen, "two at once", Server, PORT + 1)?;
    let count = |rows: &[&SocketRow], state| rows.iter().filter(|row| row.state == state).count();
    let half_open = count(&theirs, SocketState::SYN_RECEIVED);
    Some(
        (count(&ours, SocketState::ESTABLISHED), count(&theirs, SocketState::ESTABLISHED), half_open)
            == (4, 3, 1),
    )
}

fn reset(seen: &Seen) -> Option<bool> {
    let last = seen.flows.last()?.rows.last()?;
    Some(last.flags.has(TcpFlags::RST) && last.from == Side::B && seen.fact("last")? == "ECONNRESET")
}
