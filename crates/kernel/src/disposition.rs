//! What a signal does to this process: signal(7), "Signal dispositions".
//!
//! The programs of this project take signals by reading them ([`crate::signal`]). This is for showing what happens to those
//! that do not: children that nobody waits for, and calls that a handler interrupts.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;

use crate::last_errno;
use crate::signal::{change_mask, set_of};

/// Signals are numbered from 1 to 64 (signal(7)).
const SIGNALS: usize = 65;

/// How often the handler ran, by the signal's number.
static RAN: [AtomicU32; SIGNALS] = [const { AtomicU32::new(0) }; SIGNALS];

/// What is to happen when a signal comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// What it does by default.
    Default,
    /// Nothing, by wish; for SIGCHLD it means also that children leave nothing behind when they end (wait(2)).
    Ignore,
    /// A handler runs that counts ([`ran`]).
    Count {
        /// Whether a call that was interrupted begins again (`SA_RESTART`) or fails with `EINTR`.
        restart: bool,
    },
}

/// Whether nothing happens when it comes, by wish of this process or of whoever executed it, as nohup(1) does.
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: a sigaction is plain numbers and a set of bits, for which zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: with no new action the call only writes the present one, into `action`, alive over the call.
    let done = unsafe { libc::sigaction(signal.as_raw(), std::ptr::null(), &raw mut action) };
    done == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// From now on. What was counted for this signal is forgotten.
///
/// # Errors
/// `EINVAL` for KILL and STOP, which always do what they do.
pub fn set(signal: Signal, disposition: Disposition) -> Result<(), i32> {
    let (handler, flags) = match disposition {
        Disposition::Default => (libc::SIG_DFL, 0),
        Disposition::Ignore => (libc::SIG_IGN, 0),
        Disposition::Count { restart } => (
            count as extern "C" fn(libc::c_int) as libc::sighandler_t,
            if restart { libc::SA_RESTART } else { 0 },
        ),
    };
    if let Some(ran) = place(signal.as_raw()) {
        ran.store(0, Ordering::Relaxed);
    }
    let action =
        libc::sigaction { sa_sigaction: handler, sa_mask: set_of(&[]), sa_flags: flags, sa_restorer: None };
    // SAFETY: a whole sigaction, whose handler is one of the two constants or a function that is async-signal-safe, and no
    // place for the old one.
    match unsafe { libc::sigaction(signal.as_raw(), &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// How often the handler ran for this signal since it was set.
pub fn ran(signal: Signal) -> u32 {
    place(signal.as_raw()).map_or(0, |ran| ran.load(Ordering::Relaxed))
}

/// Signals that wait until this is dropped. However often one comes meanwhile, it is delivered once (signal(7)).
#[derive(Debug)]
pub struct Held {
    before: libc::sigset_t,
}

/// Blocks these signals in this thread.
///
/// # Errors
/// The kernel's errno.
pub fn hold(signals: &[Signal]) -> Result<Held, i32> {
    change_mask(libc::SIG_BLOCK, &set_of(signals)).map(|before| Held { before })
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = change_mask(libc::SIG_SETMASK, &self.before);
    }
}

/// The handler. An atomic addition is all: it takes no lock and touches no errno (signal-safety(7)).
extern "C" fn count(number: libc::c_int) {
    if let Some(ran) = place(number) {
        ran.fetch_add(1, Ordering::Relaxed);
    }
}

fn place(number: libc::c_int) -> Option<&'static AtomicU32> {
    RAN.get(usize::try_from(number).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::send_to_this_thread;

    #[test]
    fn each_signal_is_counted_by_itself_and_those_that_are_held_come_once() {
        let (one, other) = (Signal::USR2, Signal::WINCH);
        for signal in [one, other] {
            set(signal, Disposition::Count { restart: true }).expect("it may be handled");
        }
        send_to_this_thread(one);
        assert_eq!((ran(one), ran(other)), (1, 0));
        let held = hold(&[one]).expect("it may be blocked");
        (0..3).for_each(|_| send_to_this_thread(one));
        assert_eq!(ran(one), 1);
        drop(held);
        assert_eq!(ran(one), 2);
        set(one, Disposition::Ignore).expect("it may be ignored");
        send_to_this_thread(one);
        assert_eq!(ran(one), 0);
        set(other, Disposition::Default).expect("as it was");
    }

    #[test]
    fn what_kills_for_certain_cannot_be_handled() {
        assert_eq!(set(Signal::KILL, Disposition::Ignore), Err(libc::EINVAL));
    }
}
