//! One client and no other: what `listen` waits for.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use wire::{Address, Doing, End, Fault};

use crate::address::{from_kernel, local};
use crate::dial::{Connected, Times};
use crate::ending::abort_at_close;
use crate::engine::timespec_until;
use crate::event::Event;
use crate::listen::Listener;
use crate::no_client::NoClient;
use crate::stop::{Asked, Stop};

/// When accepting is tried again for want of a descriptor or of memory: others may have given some back (ENFILE).
const RETRY: Duration = Duration::from_millis(500);

/// What came of waiting.
#[derive(Debug)]
pub enum Accepted {
    /// A client. Its socket never waits.
    Open(Connected),
    /// We were asked to stop before one came.
    Interrupted(Asked),
    /// None came in time.
    TimedOut,
}

/// What to wait for next.
enum Next {
    /// A client at the door.
    Client,
    /// A descriptor, or memory.
    Room,
}

/// Waits for one client that may come. Those that may not are reset; telling them is left to `admits`.
///
/// # Errors
/// When accepting fails for a reason that lies in our socket; a client that goes away while it waits is none.
pub fn accept_one(
    listener: &Listener,
    admits: &dyn Fn(&Address) -> bool,
    timeout: Option<Duration>,
    stop: Option<&Stop>,
    tell: &dyn Fn(Event),
) -> Result<Accepted, Fault> {
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut next = Next::Client;
    loop {
        if let Some(asked) = wait(listener, &next, until, stop) {
            return Ok(Accepted::Interrupted(asked));
        }
        match acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((socket, from)) => {
                let remote = from_kernel(from);
                next = Next::Client;
                if admits(&remote) {
                    let (transport, local) = (listener.transport, local(&socket));
                    let times = Times::default();
                    return Ok(Accepted::Open(Connected { socket, transport, local, remote, times }));
                }
                abort_at_close(socket.as_fd());
            }
            Err(errno) => next = after(errno, &next, listener, tell)?,
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Ok(Accepted::TimedOut);
        }
    }
}

/// What to wait for after accepting has failed; why it pauses is told once.
fn after(errno: Errno, before: &Next, listener: &Listener, tell: &dyn Fn(Event)) -> Result<Next, Fault> {
    let fault = || Fault::errno(End::Us, Doing::Accept, listener.address.to_string(), errno.raw_os_error());
    let news = match NoClient::because(errno) {
        NoClient::NobodyWaits | NoClient::OneIsGone => return Ok(Next::Client),
        NoClient::NoDescriptor => Event::Paused,
        NoClient::NoMemory => Event::Trouble(fault()),
        NoClient::Broken => return Err(fault()),
    };
    if let Next::Client = before {
        tell(news);
    }
    Ok(Next::Room)
}

/// Waits for what is next, for the end of the time, or for a request to stop, which is returned.
fn wait(listener: &Listener, next: &Next, until: Option<Instant>, stop: Option<&Stop>) -> Option<Asked> {
    let (flags, wake_at) = match next {
        Next::Client => (PollFlags::IN, None),
        Next::Room => (PollFlags::empty(), Some(Instant::now() + RETRY)),
    };
    let first = [wake_at, until].into_iter().flatten().min();
    let mut watched = vec![PollFd::new(listener, flags)];
    watched.extend(stop.map(|stop| PollFd::new(stop, PollFlags::IN)));
    // An error (EINTR) is a wake-up like any: accepting does not wait.
    let _ = poll(&mut watched, first.map(timespec_until).as_ref());
    stop.and_then(Stop::take)
}

#[cfg(test)]
mod tests;
