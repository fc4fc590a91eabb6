//! Signals as something to read: blocked, so that they interrupt no call, and taken from a descriptor in the same poll
//! as everything else. Nothing runs in a handler.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::Signal;

use crate::last_errno;

/// The size of one record of a signalfd: signalfd(2), `struct signalfd_siginfo`, whose first field is the number.
const RECORD: usize = 128;

/// Signals that this process takes by reading. Blocked from its making to its end in the thread that makes it and in
/// those started after; make it before any thread, or another one may be the one that the signal interrupts.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    blocked_before: libc::sigset_t,
}

/// Where a signal came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The kernel: for INT, the terminal's interrupt key, which every process in its foreground gets.
    Kernel,
    /// A process, to this one alone or to its group.
    Process,
}

impl Signals {
    /// Blocks these signals and opens the descriptor to read them from.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn take(signals: &[Signal]) -> Result<Signals, i32> {
        let wanted = set_of(signals);
        // SAFETY: both calls take a valid, initialised set; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &raw const wanted, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(last_errno());
        }
        // SAFETY: the kernel has just given us this descriptor and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Signals { fd, blocked_before: change_mask(libc::SIG_BLOCK, &wanted)? })
    }

    /// The next signal that has arrived; none when there is none. Never waits.
    pub fn next(&self) -> Option<Signal> {
        self.next_with_origin().map(|(signal, _)| signal)
    }

    /// The same with where it came from.
    pub fn next_with_origin(&self) -> Option<(Signal, Origin)> {
        let mut record = [0; RECORD];
        loop {
            match rustix::io::read(&self.fd, &mut record) {
                Ok(RECORD) => break,
                Err(Errno::INTR) => {}
                _ => return None,
            }
        }
        // signalfd(2): ssi_signo, ssi_errno, ssi_code.
        let [number, _, code] =
            [0, 4, 8].map(|at| record[at..].first_chunk().map_or(0, |word| i32::from_ne_bytes(*word)));
        let origin = if code == libc::SI_KERNEL { Origin::Kernel } else { Origin::Process };
        Signal::from_named_raw(number).map(|signal| (signal, origin))
    }
}

/// Readable when a signal has arrived.
impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // One that has arrived and was not read was meant for us: it must not strike when it is unblocked.
        while self.next().is_some() {}
        let _ = change_mask(libc::SIG_SETMASK, &self.blocked_before);
    }
}

/// In a child made by fork: no signal is blocked any more, and the terminal's interrupt and its hangup, which go to all
/// processes of its group, are left to the parent to answer. Every other signal acts as it does by default or as it was
/// inherited.
pub fn reset_in_child() {
    // First: one that is pending is forgotten by this, and would strike if it were unblocked before.
    for signal in [libc::SIGINT, libc::SIGHUP] {
        // SAFETY: SIG_IGN is no handler of ours: nothing will run.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    let _ = change_mask(libc::SIG_SETMASK, &set_of(&[]));
}

/// Which signals the calling thread has blocked.
#[derive(Clone, Copy, Debug)]
pub struct Mask(libc::sigset_t);

impl Mask {
    /// None are.
    pub fn none() -> Mask {
        Mask(set_of(&[]))
    }

    /// Blocks these too, and gives the mask that was before. Those that come wait until it is restored.
    pub fn block(signals: &[Signal]) -> Mask {
        Mask(change_mask(libc::SIG_BLOCK, &set_of(signals)).unwrap_or_else(|_| set_of(&[])))
    }

    /// Has these blocked and no others, in the calling thread.
    pub fn restore(&self) {
        let _ = change_mask(libc::SIG_SETMASK, &self.0);
    }
}

pub(crate) fn set_of(signals: &[Signal]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: a place for a set, which sigemptyset initialises as a whole.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised by the line above.
    let mut set: libc::sigset_t = unsafe { set.assume_init() };
    for signal in signals {
        // SAFETY: an initialised set and the number of a signal that exists.
        unsafe { libc::sigaddset(&raw mut set, signal.as_raw()) };
    }
    set
}

/// Changes the calling thread's mask and gives the one before.
pub(crate) fn change_mask(how: i32, set: &libc::sigset_t) -> Result<libc::sigset_t, i32> {
    let mut before = set_of(&[]);
    // SAFETY: two valid, initialised sets; the kernel reads the first and writes the second.
    match unsafe { libc::pthread_sigmask(how, set, &raw mut before) } {
        0 => Ok(before),
        errno => Err(errno),
    }
}

#[cfg(test)]
pub(crate) fn send_to_this_thread(signal: Signal) {
    // SAFETY: it asks for this thread, which lives.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: a thread that lives and a signal that exists.
    let result = unsafe { libc::pthread_kill(this, signal.as_raw()) };
    assert_eq!(result, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_signal_is_read_and_kills_nobody() {
        let signals = Signals::take(&[Signal::TERM, Signal::USR1]).expect("signalfd");
        assert_eq!(signals.next(), None);
        send_to_this_thread(Signal::TERM);
        assert_eq!(signals.next_with_origin(), Some((Signal::TERM, Origin::Process)));
        assert_eq!(signals.next(), None);
    }

    #[test]
    fn what_was_not_read_is_gone_with_the_taker() {
        let signals = Signals::take(&[Signal::TERM]).expect("signalfd");
        send_to_this_thread(Signal::TERM);
        drop(signals);
        // Still here, and the mask is as before: unblocking again changes nothing.
        let before = change_mask(libc::SIG_BLOCK, &set_of(&[])).expect("mask");
        // SAFETY: an initialised set and the number of a signal that exists.
        assert_eq!(unsafe { libc::sigismember(&raw const before, libc::SIGTERM) }, 0);
    }
}
