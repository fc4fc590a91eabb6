//! `broken-pipe`: the three ways in which a program is told that the other end has gone, each with its cause.

use kernel::disposition::{self, Disposition};
use kernel::process::Signal;

use super::on_kernel::*;
use super::processes::{SOON_MS, came_to, hears_the_end, how, read_came_to, wait};

pub(super) const LESSON: Lesson = Lesson {
    id: "broken-pipe",
    chapter: Chapter::Closing,
    play: Play::on_kernel(Staging {
        place: Place::Network(&["delay 5ms"]),
        actors: &[(Server, server), (Client, client)],
    }),
    claims: &[
        Claim { name: "zero", holds: zero, broken_by: Disturbance::Change(UNREAD) },
        Claim { name: "first", holds: first, broken_by: Disturbance::Change(HALF) },
        Claim { name: "second", holds: second, broken_by: Disturbance::Change(HALF) },
        Claim { name: "killed", holds: killed, broken_by: Disturbance::Change(IGNORED) },
        Claim { name: "reset", holds: reset, broken_by: Disturbance::Change(ALL_READ) },
        Claim { name: "own", holds: own, broken_by: Disturbance::Change(NOT_SHUT) },
    ],
    scenes: &[Scene::Facts, Scene::Ladder(1), Scene::Ladder(3)],
    words: include_str!("../texts/en/broken-pipe.txt"),
};

const UNREAD: &str = "the first client has written before the server closes";
const HALF: &str = "the server shuts down its sending direction and does not close";
const IGNORED: &str = "SIGPIPE is ignored";
const ALL_READ: &str = "the server reads before it closes";
const NOT_SHUT: &str = "the last client does not shut down";

const PORT: u16 = 7777;

fn server(actor: &mut Actor) -> io::Result<()> {
    let listener = listening(actor, everywhere(PORT))?;
    actor.reach("listening");
    let first = actor.accept(&listener)?;
    if actor.is_changed(UNREAD) {
        actor.poll(&first, PollFlags::IN, SOON_MS)?;
    }
    let kept = if actor.is_changed(HALF) {
        actor.shutdown(&first, Shutdown::Write)?;
        Some(first)
    } else {
        actor.close(first);
        None
    };
    actor.reach("first closed");
    let second = actor.accept(&listener)?;
    actor.close(second);
    actor.reach("second closed");
    let third = actor.accept(&listener)?;
    actor.poll(&third, PollFlags::IN, SOON_MS)?;
    if actor.is_changed(ALL_READ) {
        actor.read(&third, 99)?;
    }
    actor.close(third);
    actor.reach("third closed");
    let _last = actor.accept(&listener)?;
    actor.wait_for("end");
    drop(kept);
    Ok(())
}

fn client(actor: &mut Actor) -> io::Result<()> {
    actor.wait_for("listening");
    reads_and_writes_on(actor)?;
    is_killed(actor)?;
    is_reset(actor)?;
    shuts_down_itself(actor)?;
    actor.reach("end");
    Ok(())
}

/// To the end of what the other one said, and then as if it were still there.
fn reads_and_writes_on(actor: &mut Actor) -> io::Result<()> {
    let socket = connected(actor, at_server(PORT))?;
    if actor.is_changed(UNREAD) {
        actor.write(&socket, b"unread")?;
    }
    actor.wait_for("first closed");
    let read = actor.read(&socket, 99);
    actor.fact("read", read_came_to(&read));
    let write = actor.write(&socket, b"one");
    actor.fact("first write", came_to(&write));
    hears_the_end(actor, &socket)?;
    let write = actor.write(&socket, b"two");
    actor.fact("second write", came_to(&write));
    let read = actor.read(&socket, 99);
    actor.fact("read again", read_came_to(&read));
    Ok(())
}

/// The same in a process that has made no arrangements for SIGPIPE.
fn is_killed(actor: &mut Actor) -> io::Result<()> {
    let child = actor.fork(|actor| {
        let disposition = if actor.is_changed(IGNORED) { Disposition::Ignore } else { Disposition::Default };
        disposition::set(Signal::PIPE, disposition).map_err(io::Error::from_raw_os_error)?;
        let socket = connected(actor, at_server(PORT))?;
        actor.wait_for("second closed");
        actor.write(&socket, b"one")?;
        hears_the_end(actor, &socket)?;
        let _ = actor.write(&socket, b"two");
        Ok(())
    })?;
    let ended = wait(actor, child)?;
    actor.fact("child", how(&ended));
    Ok(())
}

fn is_reset(actor: &mut Actor) -> io::Result<()> {
    let socket = connected(actor, at_server(PORT))?;
    actor.write(&socket, b"a question")?;
    actor.wait_for("third closed");
    let read = actor.read(&socket, 99);
    actor.fact("reset read", read_came_to(&read));
    let write = actor.write(&socket, b"more");
    actor.fact("reset write", came_to(&write));
    Ok(())
}

fn shuts_down_itself(actor: &mut Actor) -> io::Result<()> {
    let socket = connected(actor, at_server(PORT))?;
    if !actor.is_changed(NOT_SHUT) {
        actor.shutdown(&socket, Shutdown::Write)?;
    }
    let write = actor.write(&socket, b"too late");
    actor.fact("own write", came_to(&write));
    Ok(())
}

fn is_fin_of(row: &Row, side: Side) -> bool {
    row.from == side && row.flags.has(TcpFlags::FIN)
}

fn zero(seen: &Seen) -> Option<bool> {
    let fin = rows(seen)?.iter().position(|row| is_fin_of(row, Side::B))?;
    let is_silent = rows(seen)?[..fin].iter().all(|row| row.len_bytes == 0);
    Some(is_silent && seen.fact("read")? == "0")
}

fn first(seen: &Seen) -> Option<bool> {
    let write = rows(seen)?.iter().position(|row| row.from == Side::A && row.len_bytes == 3)?;
    let answer = rows(seen)?.get(write + 1)?;
    Some(seen.fact("first write")? == "3" && answer.from == Side::B && answer.flags.has(TcpFlags::RST))
}

fn second(seen: &Seen) -> Option<bool> {
    let sent = rows(seen)?.iter().filter(|row| row.from == Side::A && row.len_bytes > 0).count();
    Some((seen.fact("second write")?, seen.fact("read again")?, sent) == ("EPIPE", "0", 1))
}

fn killed(seen: &Seen) -> Option<bool> {
    Some(seen.fact("child")? == "signal 13")
}

fn reset(seen: &Seen) -> Option<bool> {
    let rows = &seen.flows.get(2)?.rows;
    let has_reset = rows.iter().any(|row| row.from == Side::B && row.flags.has(TcpFlags::RST));
    let has_fin = rows.iter().any(|row| row.flags.has(TcpFlags::FIN));
    let told = (seen.fact("reset read")?, seen.fact("reset write")?);
    Some(has_reset && !has_fin && told == ("ECONNRESET", "EPIPE"))
}

fn own(seen: &Seen) -> Option<bool> {
    let says_nothing = seen.flows.get(3)?.rows.iter().all(|row| row.len_bytes == 0);
    Some(says_nothing && seen.fact("own write")? == "EPIPE")
}
