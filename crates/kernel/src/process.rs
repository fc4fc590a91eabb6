//! Making processes, ending them and learning how they ended.
//!
//! Forking is safe here because it is refused while a second thread lives: a child of a threaded process may find any
//! lock taken for ever (POSIX fork: only async-signal-safe calls are allowed in it), a child of a single-threaded one
//! is an ordinary process.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
pub use rustix::process::{Pid, Signal};
use rustix::process::{PidfdFlags, WaitOptions, WaitStatus};
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use crate::last_errno;

/// The id of the process that forked this one by [`fork`]; 0 where it is none of those. [`die_with_parent`] compares
/// with it.
static FORKED_BY: AtomicI32 = AtomicI32::new(0);

/// On which side of a fork we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// The process that forked, with its child's id.
    Parent(Pid),
    /// The new process. It never returns to its caller's caller: it ends by [`exit_now`].
    Child,
}

/// How a child ended: exactly one of the two is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The child.
    pub pid: Pid,
    /// Its exit status, when it exited.
    pub exit: Option<i32>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
}

/// Forks this process.
///
/// # Errors
/// `EBUSY` while this process has more than one thread; otherwise the kernel's errno (`EAGAIN`: too many processes).
pub fn fork() -> Result<Forked, i32> {
    if !is_single_threaded() {
        return Err(libc::EBUSY);
    }
    let parent = own_pid().as_raw_nonzero().get();
    // SAFETY: there is no other thread (checked above, and only a running thread can start one), so the child inherits
    // no lock that another thread holds and may go on as an ordinary process.
    match unsafe { libc::fork() } {
        0 => {
            FORKED_BY.store(parent, Ordering::Relaxed);
            Ok(Forked::Child)
        }
        -1 => Err(last_errno()),
        pid => Pid::from_raw(pid).map(Forked::Parent).ok_or(libc::ESRCH),
    }
}

/// The processors on which this process may run; unknown where there are more than can be told.
#[derive(Clone, Debug)]
pub struct Processors(Option<CpuSet>);

impl Processors {
    /// Those of the calling process.
    pub fn allowed() -> Processors {
        Processors(sched_getaffinity(None).ok())
    }

    /// Lets the calling process run on all of them.
    pub fn use_all(&self) {
        if let Some(all) = &self.0 {
            let _ = sched_setaffinity(None, all);
        }
    }

    /// All but that which runs this; none if there are no others.
    fn others(&self) -> Option<CpuSet> {
        let mut others = self.0?;
        others.unset(sched_getcpu());
        (others.count() > 0).then_some(others)
    }
}

/// A forked child that waits at its very beginning until it is let go; it is, too, when this is dropped.
#[derive(Debug)]
#[must_use = "dropped, it lets the child go, whose id nobody knows then"]
pub struct Held {
    child: Pid,
    /// Closed to let it go.
    _hold: OwnedFd,
}

/// Forks a child that waits; in the child, once it has been let go or its parent is gone, this gives nothing.
///
/// # Errors
/// As [`fork`], or the kernel's errno for a pipe.
pub fn fork_held() -> Result<Option<Held>, i32> {
    let (held, hold) = pipe_with(PipeFlags::CLOEXEC).map_err(Errno::raw_os_error)?;
    match fork()? {
        Forked::Parent(child) => Ok(Some(Held { child, _hold: hold })),
        Forked::Child => {
            drop(hold);
            let _ = rustix::io::retry_on_intr(|| rustix::io::read(&held, &mut [0]));
            Ok(None)
        }
    }
}

impl Held {
    /// Ends the child, which has done nothing yet.
    pub fn end(self) {
        let _ = kill(self.child, Signal::KILL);
        let _ = wait(self.child);
    }

    /// Lets the child go where both have something to do now: on another of these processors than this process, and it and
    /// its children stay away from that until they have called [`Processors::use_all`]. By itself the kernel often
    /// leaves them where they were forked or woken, to wait until that process sleeps.
    pub fn let_go_apart(self, processors: &Processors) -> Pid {
        if let Some(others) = processors.others() {
            let _ = sched_setaffinity(Some(self.child), &others);
        }
        self.child
    }
}

/// In a forked child: a panic must not run back into what the parent was doing when it forked. Where this is dropped, the
/// process ends, with EX_SOFTWARE of sysexits.h as for a panic of the program.
#[derive(Debug)]
pub struct NeverBack;

impl Drop for NeverBack {
    fn drop(&mut self) {
        exit_now(70);
    }
}

/// Ends this process at once: no destructors, no buffers written out, no exit handlers. The end of every forked child,
/// which would otherwise run what its parent registered.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// This process's id.
pub fn own_pid() -> Pid {
    rustix::process::getpid()
}

/// Whether this process has one thread only. Unknown counts as no.
pub fn is_single_threaded() -> bool {
    // unshare(2): CLONE_THREAD has no effect in a process with one thread and is EINVAL in one with more. Where a
    // sandbox forbids the call, /proc answers.
    // SAFETY: the call takes flags only, and with this one it changes nothing.
    match unsafe { libc::unshare(libc::CLONE_THREAD) } {
        0 => true,
        _ if last_errno() == libc::EINVAL => false,
        _ => thread_count() == Some(1),
    }
}

/// The number of threads of this process, from /proc; none where that is not mounted.
pub fn thread_count() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

/// Asks the kernel to kill this process, a child made by [`fork`], when the thread that forked it ends; ends it at
/// once if that has happened already. Cleared by executing a program with file capabilities or set-uid.
///
/// A child that is the first process of a new pid namespace does not see its parent's id and cannot make the second
/// check: use [`die_with`] there.
pub fn die_with_parent() {
    ask_for_death_signal();
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    // 0: the parent is outside our pid namespace.
    if parent != 0 && parent != FORKED_BY.load(Ordering::Relaxed) {
        exit_now(1);
    }
}

/// The same with a handle of the parent, made before the fork by [`own_handle`]: it works across pid namespaces.
pub fn die_with(parent: BorrowedFd<'_>) {
    ask_for_death_signal();
    if has_ended(parent) {
        exit_now(1);
    }
}

/// A handle (pidfd) of this process that its children inherit over fork, not over exec; for [`die_with`].
///
/// # Errors
/// The kernel's errno.
pub fn own_handle() -> Result<OwnedFd, i32> {
    handle(own_pid())
}

/// A handle (pidfd) of another process: readable once that has ended.
///
/// # Errors
/// The kernel's errno; `ESRCH` when there is no such process.
pub fn handle(pid: Pid) -> Result<OwnedFd, i32> {
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(Errno::raw_os_error)
}

/// Takes the end of one child that has ended, without waiting; none when no ended child is left.
/// One SIGCHLD may stand for several children: call until none.
pub fn reap() -> Option<Ended> {
    wait_for(None, WaitOptions::NOHANG).ok().flatten()
}

/// Waits until this child has ended.
///
/// # Errors
/// `ECHILD` when it is not a child of this process or was reaped before.
pub fn wait(pid: Pid) -> Result<Ended, i32> {
    wait_for(Some(pid), WaitOptions::empty())?.ok_or(libc::ECHILD)
}

/// Sends a signal to a process.
///
/// # Errors
/// The kernel's errno; `ESRCH` when there is no such process.
pub fn kill(pid: Pid, signal: Signal) -> Result<(), i32> {
    rustix::process::kill_process(pid, signal).map_err(Errno::raw_os_error)
}

fn wait_for(child: Option<Pid>, options: WaitOptions) -> Result<Option<Ended>, i32> {
    loop {
        // Not waitpid(None): that is wait4(0), which sees no child that has gone to a process group of its own.
        let waited = match child {
            Some(pid) => rustix::process::waitpid(Some(pid), options),
            None => rustix::process::wait(options),
        };
        match waited {
            Ok(ended) => return Ok(ended.map(|(pid, status)| read_status(pid, status))),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.raw_os_error()),
        }
    }
}

fn read_status(pid: Pid, status: WaitStatus) -> Ended {
    Ended { pid, exit: status.exit_status(), signal: status.terminating_signal() }
}

fn ask_for_death_signal() {
    // It fails for an invalid signal only, which this is not.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

fn has_ended(process: BorrowedFd<'_>) -> bool {
    let mut watched = [PollFd::from_borrowed_fd(process, PollFlags::IN)];
    poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fork_is_refused_beside_another_thread() {
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || wait.recv());
        assert_eq!(fork(), Err(libc::EBUSY));
        assert!(thread_count().is_some_and(|threads| threads >= 2));
        assert!(!is_single_threaded());
        drop(done);
        other.join().expect("the other thread ends").expect_err("its channel is closed");
    }

    #[test]
    fn a_living_process_has_not_ended() {
        use std::os::fd::AsFd;
        let handle = own_handle().expect("pidfd");
        assert!(!has_ended(handle.as_fd()));
    }
}
