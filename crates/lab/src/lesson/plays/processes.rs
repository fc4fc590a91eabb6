//! What the lessons about processes share: what /proc says of one (proc(5)), and the ends of children.

use std::fs;

use kernel::process::{self, Ended, Pid, Signal};

use super::on_kernel::*;

/// What ps(1) calls the state: `S` sleeps, `R` runs, `Z` has ended and nobody has waited for it. None for one that is
/// not there.
pub(super) fn state(pid: Pid) -> Option<char> {
    status_fields(pid)?.chars().next()
}

/// How often it has given up the processor by itself: each time that it began to wait.
pub(super) fn waits(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()
}

/// How many threads it has; none of one that has ended.
pub(super) fn threads(pid: Pid) -> usize {
    entries(pid, "task")
}

/// How many descriptors this process has open, one for looking among them.
pub(super) fn own_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// How many descriptors another process has open.
pub(super) fn descriptors(pid: Pid) -> usize {
    entries(pid, "fd")
}

/// Its children, those that have ended and were not waited for among them, in the order of their numbers.
pub(super) fn children(pid: Pid) -> Vec<Pid> {
    let parent = pid.as_raw_nonzero().to_string();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(Pid::from_raw);
    let mut children: Vec<Pid> = numbers
        .filter(|one| status_fields(*one).is_some_and(|fields| fields.split(' ').nth(1) == Some(&parent)))
        .collect();
    children.sort_by_key(|one| one.as_raw_nonzero());
    children
}

/// What stands in /proc/PID/stat behind the name, which may hold anything: state, parent, …
fn status_fields(pid: Pid) -> Option<String> {
    let line = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    line.rsplit_once(") ").map(|(_, fields)| fields.to_owned())
}

fn entries(pid: Pid, folder: &str) -> usize {
    fs::read_dir(format!("/proc/{}/{folder}", pid.as_raw_nonzero())).map_or(0, Iterator::count)
}

/// waitpid(2): waits for this child.
pub(super) fn wait(actor: &mut Actor, child: Pid) -> io::Result<Ended> {
    actor.call(
        format!("waitpid({}, &status, 0)", child.as_raw_nonzero()),
        || process::wait(child).map_err(io::Error::from_raw_os_error),
        |ended| format!("{}, {}", ended.pid.as_raw_nonzero(), how(ended)),
    )
}

/// waitpid(2) with WNOHANG: one child that has ended; none when none is left.
pub(super) fn reap(actor: &mut Actor) -> io::Result<Option<Ended>> {
    actor.call(
        "waitpid(-1, &status, WNOHANG)",
        || Ok::<_, io::Error>(process::reap()),
        |ended| ended.map_or_else(|| "none".to_owned(), |ended| ended.pid.as_raw_nonzero().to_string()),
    )
}

/// kill(2).
pub(super) fn kill(actor: &mut Actor, pid: Pid, signal: Signal) -> io::Result<()> {
    actor.call(
        format!("kill({}, {})", pid.as_raw_nonzero(), name(signal)),
        || process::kill(pid, signal).map_err(io::Error::from_raw_os_error),
        |()| "0".to_owned(),
    )
}

/// How a child ended, in words.
pub(super) fn how(ended: &Ended) -> String {
    match (ended.exit, ended.signal) {
        (Some(status), _) => format!("exit status {status}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}

fn name(signal: Signal) -> String {
    match signal {
        Signal::KILL => "SIGKILL".to_owned(),
        Signal::TERM => "SIGTERM".to_owned(),
        other => other.as_raw().to_string(),
    }
}

/// What a call came to: what it gave, or the error's name.
pub(super) fn came_to<T: ToString>(done: &io::Result<T>) -> String {
    done.as_ref().map_or_else(error_name, ToString::to_string)
}

/// The same of a read: how many bytes it gave.
pub(super) fn read_came_to(done: &io::Result<Vec<u8>>) -> String {
    done.as_ref().map_or_else(error_name, |bytes| bytes.len().to_string())
}

/// As C has it.
pub(super) fn error_name(error: &io::Error) -> String {
    wire::errno::name(error.raw_os_error().unwrap_or_default())
}

/// What was read, as text in quotes.
pub(super) fn quoted(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

/// Waits until the socket is at its end or in error, which no event needs to be asked for (poll(2)): the answer to what was
/// written has come. False when that does not happen soon.
pub(super) fn hears_the_end(actor: &mut Actor, socket: &OwnedFd) -> io::Result<bool> {
    actor.poll(socket, PollFlags::empty(), SOON_MS)
}

/// How long to wait for what comes at once if it comes at all, in milliseconds: only plays that are disturbed wait so long.
pub(super) const SOON_MS: u32 = 2000;
