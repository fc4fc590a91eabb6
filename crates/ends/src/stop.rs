//! How a server or a conversation is told to stop: by INT and TERM, or by a handle that another thread holds. A server
//! takes HUP the same way, as a request to read its lists again.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use kernel::process::Signal;
use kernel::signal::Signals;
use rustix::event::{EventfdFlags, eventfd};
use wire::{Doing, End, Fault};

/// What asks to stop. Its descriptor is readable when there is something to take.
#[derive(Debug)]
pub struct Stop {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Signals(Signals),
    Handle(Arc<OwnedFd>),
}

/// Asks a [`Stop`] made by [`Stop::by_handle`].
#[derive(Clone, Debug)]
pub struct StopHandle {
    counter: Arc<OwnedFd>,
}

/// One request: to stop, unless it is HUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The signal that asked; none when a handle did.
    pub signal: Option<i32>,
}

impl Stop {
    /// INT and TERM ask. They are blocked from now on, in this thread and those that it starts, until this is dropped:
    /// make it before any other thread. A name lookup cannot be interrupted while they are blocked: look up first.
    ///
    /// # Errors
    /// When the kernel has no descriptor left.
    pub fn by_signals() -> Result<Stop, Fault> {
        Stop::by(&[Signal::INT, Signal::TERM])
    }

    /// The same, and HUP asks too: to read again what can be read again while running. [`Asked::signal`] tells.
    ///
    /// # Errors
    /// When the kernel has no descriptor left.
    pub fn by_signals_and_hangup() -> Result<Stop, Fault> {
        Stop::by(&[Signal::INT, Signal::TERM, Signal::HUP])
    }

    fn by(signals: &[Signal]) -> Result<Stop, Fault> {
        let signals = Signals::take(signals)
            .map_err(|errno| Fault::errno(End::Us, Doing::Open, "the signal descriptor", errno))?;
        Ok(Stop { source: Source::Signals(signals) })
    }

    /// A handle asks.
    ///
    /// # Errors
    /// When the kernel has no descriptor left.
    pub fn by_handle() -> Result<(Stop, StopHandle), Fault> {
        let counter = Arc::new(counter(EventfdFlags::SEMAPHORE)?);
        let handle = StopHandle { counter: Arc::clone(&counter) };
        Ok((Stop { source: Source::Handle(counter) }, handle))
    }

    /// Takes one request, if there is one. Never waits.
    pub fn take(&self) -> Option<Asked> {
        match &self.source {
            Source::Signals(signals) => signals.next().map(|signal| Asked { signal: Some(signal.as_raw()) }),
            Source::Handle(counter) => take_one(counter.as_fd()).then_some(Asked { signal: None }),
        }
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Signals(signals) => signals.as_fd(),
            Source::Handle(counter) => counter.as_fd(),
        }
    }
}

impl StopHandle {
    /// Asks once: the first time politely, the second time now.
    pub fn stop(&self) {
        ring(self.counter.as_fd());
    }
}

/// A counter that can be polled, added to from any thread, and read without waiting.
pub(crate) fn counter(kind: EventfdFlags) -> Result<OwnedFd, Fault> {
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK | kind)
        .map_err(|errno| Fault::errno(End::Us, Doing::Open, "a counter", errno.raw_os_error()))
}

/// Adds one to a counter. It fails only when the counter is full, and then its reader will wake anyway.
pub(crate) fn ring(counter: BorrowedFd<'_>) {
    let _ = rustix::io::write(counter, &1u64.to_ne_bytes());
}

/// Takes from a counter what one read takes; whether there was anything.
pub(crate) fn take_one(counter: BorrowedFd<'_>) -> bool {
    rustix::io::read(counter, &mut [0; 8]).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_taken_once() {
        let (stop, handle) = Stop::by_handle().expect("a descriptor");
        assert_eq!(stop.take(), None);
        handle.stop();
        handle.stop();
        assert_eq!(stop.take(), Some(Asked { signal: None }));
        assert_eq!(stop.take(), Some(Asked { signal: None }));
        assert_eq!(stop.take(), None);
    }
}
