//! What a thread that accepts waits for: the request to stop, its bell, the listeners, and what else its engine has.
//!
//! The list is made once: the process engine must not touch memory between two forks without need, for each page that it
//! touches is copied for each child.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use wire::{Doing, End, Fault};

use super::timespec_until;
use crate::listen::Listener;
use crate::serve::Server;
use crate::stop::{Stop, take_one};

/// Descriptors to wait for.
pub(super) struct Watch<'f> {
    server: &'f Server<'f>,
    stop: &'f Stop,
    /// Stop, bell, the engine's own, listeners.
    fds: Vec<PollFd<'f>>,
    first_listener: usize,
}

/// When to try again to pass on what a slow reader did not take.
const TELL_AGAIN: Duration = Duration::from_millis(50);

/// The places of the request to stop and of the bell, and the first of the engine's own.
const STOP: usize = 0;
const BELL: usize = 1;
const OWN: usize = 2;

impl<'f> Watch<'f> {
    /// `own` are the engine's own descriptors.
    pub(super) fn new(
        server: &'f Server<'f>,
        stop: &'f Stop,
        own: impl IntoIterator<Item = BorrowedFd<'f>>,
        listeners: &'f [Listener],
    ) -> Watch<'f> {
        let watch = |fd: BorrowedFd<'f>| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut fds = vec![watch(stop.as_fd()), watch(server.places.bell(0))];
        fds.extend(own.into_iter().map(watch));
        let first_listener = fds.len();
        fds.extend(listeners.iter().map(|listener| watch(listener.as_fd())));
        Watch { server, stop, fds, first_listener }
    }

    /// From now on waits for the engine's own descriptor with this number, or not.
    pub(super) fn watch_own(&mut self, number: usize, own: BorrowedFd<'f>, is_wanted: bool) {
        let what = if is_wanted { PollFlags::IN } else { PollFlags::empty() };
        if let Some(place) = self.fds[..self.first_listener].get_mut(OWN + number) {
            *place = PollFd::from_borrowed_fd(own, what);
        }
    }

    /// Waits until one is readable or the time has come, and takes requests to stop. Whether the bell rang.
    pub(super) fn wait(&mut self, with_listeners: bool, until: Option<Instant>) -> Result<bool, Fault> {
        let until = self.sooner_if_something_is_left_to_tell(until);
        let end = if with_listeners { self.fds.len() } else { self.first_listener };
        self.fds.iter_mut().for_each(PollFd::clear_revents);
        match poll(&mut self.fds[..end], until.map(timespec_until).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                return Err(Fault::errno(End::Us, Doing::Accept, "any place", error.raw_os_error()));
            }
        }
        if self.is_readable(STOP) {
            while let Some(asked) = self.stop.take() {
                self.server.asked(asked);
            }
        }
        Ok(self.is_readable(BELL) && take_one(self.server.places.bell(0)))
    }

    fn sooner_if_something_is_left_to_tell(&self, until: Option<Instant>) -> Option<Instant> {
        let is_left = self.server.config.left_to_tell.as_ref().is_some_and(|is_left| is_left());
        let again = is_left.then(|| Instant::now() + TELL_AGAIN);
        [until, again].into_iter().flatten().min()
    }

    /// Whether the engine's own descriptor with this number is readable.
    pub(super) fn is_own_readable(&self, number: usize) -> bool {
        OWN + number < self.first_listener && self.is_readable(OWN + number)
    }

    /// Whether somebody waits at the listener with this number.
    pub(super) fn is_knocked_at(&self, listener: usize) -> bool {
        self.is_readable(self.first_listener + listener)
    }

    fn is_readable(&self, place: usize) -> bool {
        self.fds.get(place).is_some_and(|fd| !fd.revents().is_empty())
    }
}
