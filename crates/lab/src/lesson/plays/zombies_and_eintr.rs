//! `zombies-and-eintr`: what is left of a child that ends, and what its end does to a call in which its parent waits.

use std::net::TcpStream;

use kernel::disposition::{self, Disposition};
use kernel::process::{self, Pid, Signal};
use rustix::net::getsockname;

use super::on_kernel::*;
use super::processes::{came_to, error_name, how, kill, reap, state, wait, waits};

pub(super) const LESSON: Lesson = Lesson {
    id: "zombies-and-eintr",
    chapter: Chapter::Servers,
    play: Play::on_kernel(Staging { place: Place::Machine, actors: &[(Server, server)] }),
    claims: &[
        Claim { name: "zombie", holds: zombie, broken_by: Disturbance::Change(IGNORED) },
        Claim { name: "reaped", holds: reaped, broken_by: Disturbance::Change(IGNORED) },
        Claim { name: "once", holds: once, broken_by: Disturbance::Change(NOT_HELD) },
        Claim { name: "ignored", holds: ignored, broken_by: Disturbance::Change(BY_DEFAULT) },
        Claim { name: "eintr", holds: eintr, broken_by: Disturbance::Change(ALWAYS_RESTARTED) },
        Claim { name: "restarted", holds: restarted, broken_by: Disturbance::Change(NEVER_RESTARTED) },
    ],
    scenes: &[Scene::Facts],
    words: include_str!("../texts/en/zombies-and-eintr.txt"),
};

const IGNORED: &str = "SIGCHLD is ignored from the beginning";
const NOT_HELD: &str = "SIGCHLD is not blocked";
const BY_DEFAULT: &str = "SIGCHLD has its default action where it is to be ignored";
const ALWAYS_RESTARTED: &str = "SA_RESTART is always set";
const NEVER_RESTARTED: &str = "SA_RESTART is never set";

fn server(actor: &mut Actor) -> io::Result<()> {
    leaves_a_zombie(actor)?;
    ends_three_at_once(actor)?;
    leaves_nothing(actor)?;
    let restarts = actor.is_changed(ALWAYS_RESTARTED);
    let first = accepts_while_a_child_ends(actor, restarts)?;
    actor.fact("accept", first);
    let restarts = !actor.is_changed(NEVER_RESTARTED);
    let second = accepts_while_a_child_ends(actor, restarts)?;
    actor.fact("accept with SA_RESTART", second);
    Ok(())
}

fn leaves_a_zombie(actor: &mut Actor) -> io::Result<()> {
    let begins = if actor.is_changed(IGNORED) { Disposition::Ignore } else { Disposition::Default };
    at_a_childs_end(begins)?;
    let child = actor.fork(|_| process::exit_now(3))?;
    ends(actor, child)?;
    let shown = shown(child);
    actor.fact("ended", shown);
    // It fails where there is nothing left to send a signal to.
    let _ = kill(actor, child, Signal::KILL);
    let shown = self::shown(child);
    actor.fact("killed", shown);
    let waited = wait(actor, child);
    actor.fact("waitpid", came_to(&waited.map(|ended| how(&ended))));
    let shown = self::shown(child);
    actor.fact("reaped", shown);
    Ok(())
}

fn ends_three_at_once(actor: &mut Actor) -> io::Result<()> {
    at_a_childs_end(Disposition::Count { restart: true })?;
    let held = match actor.is_changed(NOT_HELD) {
        true => None,
        false => Some(disposition::hold(&[Signal::CHILD]).map_err(io::Error::from_raw_os_error)?),
    };
    let mut children = Vec::new();
    for status in 0..3 {
        let child = actor.fork(|_| process::exit_now(status))?;
        ends(actor, child)?;
        children.push(child);
    }
    drop(held);
    actor.fact("handler", disposition::ran(Signal::CHILD));
    reap(actor)?;
    let left = zombies(&children);
    actor.fact("after one waitpid", left);
    while reap(actor)?.is_some() {}
    let left = zombies(&children);
    actor.fact("after the loop", left);
    Ok(())
}

fn leaves_nothing(actor: &mut Actor) -> io::Result<()> {
    at_a_childs_end(if actor.is_changed(BY_DEFAULT) { Disposition::Default } else { Disposition::Ignore })?;
    let child = actor.fork(|_| process::exit_now(0))?;
    ends(actor, child)?;
    let shown = shown(child);
    actor.fact("ignored", shown);
    let waited = wait(actor, child);
    actor.fact("waitpid, ignored", came_to(&waited.map(|ended| how(&ended))));
    Ok(())
}

/// A server that waits for a client when a child of it ends; then the client comes. What the first accept came to, and
/// whether the handler ran meanwhile.
fn accepts_while_a_child_ends(actor: &mut Actor, restart: bool) -> io::Result<String> {
    at_a_childs_end(Disposition::Count { restart })?;
    let listener = listening(actor, ([127, 0, 0, 1], 0).into())?;
    let address = SocketAddr::try_from(getsockname(&listener)?)?;
    let parent = process::own_pid();
    let (word, told) = rustix::pipe::pipe()?;
    // Nothing is left to tell: from here on the parent sleeps in accept alone.
    actor.reach("before accept");
    let ends = actor.fork(|_| {
        rustix::io::read(&word, &mut [0])?;
        Ok(())
    })?;
    let comes = actor.fork(|actor| {
        actor.wait_until(|| Ok(state(parent) == Some('S')))?;
        let before = waits(parent);
        rustix::io::write(&told, b"!")?;
        // It has been woken by its child's end and waits again.
        actor.wait_until(|| Ok(waits(parent) > before && state(parent) == Some('S')))?;
        drop(TcpStream::connect(address)?);
        Ok(())
    })?;
    let first = actor.accept(&listener);
    let ran = disposition::ran(Signal::CHILD) > 0;
    let given = first.as_ref().map_or_else(error_name, |_| "a client".to_owned());
    if first.is_err() {
        let again = actor.accept(&listener);
        actor.fact("accept again", if again.is_ok() { "a client" } else { "an error" });
    }
    at_a_childs_end(Disposition::Default)?;
    wait(actor, ends)?;
    wait(actor, comes)?;
    Ok(format!("{given}, {}", if ran { "after the handler had run" } else { "and the handler did not run" }))
}

fn at_a_childs_end(does: Disposition) -> io::Result<()> {
    disposition::set(Signal::CHILD, does).map_err(io::Error::from_raw_os_error)
}

/// Waits until the child has ended, without waiting for it as a parent does.
fn ends(actor: &mut Actor, child: Pid) -> io::Result<()> {
    actor.wait_until(|| Ok(state(child).is_none_or(|state| state == 'Z')))
}

fn shown(pid: Pid) -> String {
    state(pid).map_or_else(|| "nothing".to_owned(), |state| format!("state {state}"))
}

fn zombies(children: &[Pid]) -> usize {
    children.iter().filter(|child| state(**child) == Some('Z')).count()
}

fn zombie(seen: &Seen) -> Option<bool> {
    Some((seen.fact("ended")?, seen.fact("killed")?) == ("state Z", "state Z"))
}

fn reaped(seen: &Seen) -> Option<bool> {
    Some((seen.fact("waitpid")?, seen.fact("reaped")?) == ("exit status 3", "nothing"))
}

fn once(seen: &Seen) -> Option<bool> {
    let told = (seen.fact("handler")?, seen.fact("after one waitpid")?, seen.fact("after the loop")?);
    Some(told == ("1", "2", "0"))
}

fn ignored(seen: &Seen) -> Option<bool> {
    Some((seen.fact("ignored")?, seen.fact("waitpid, ignored")?) == ("nothing", "ECHILD"))
}

fn eintr(seen: &Seen) -> Option<bool> {
    let (first, again) = (seen.fact("accept")?, seen.fact("accept again")?);
    Some((first, again) == ("EINTR, after the handler had run", "a client"))
}

fn restarted(seen: &Seen) -> Option<bool> {
    Some(seen.fact("accept with SA_RESTART")? == "a client, after the handler had run")
}
