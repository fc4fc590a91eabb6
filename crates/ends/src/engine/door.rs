//! Accepting: one client at a time, with all that can be in the way: lists, no place, no descriptor, errors of others.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use wire::{Address, Doing, End, Fault};

use super::Guest;
use crate::address::from_kernel;
use crate::ending::abort_at_close;
use crate::event::{Away, Event};
use crate::listen::Listener;
use crate::no_client::NoClient;
use crate::serve::{Server, WhenFull};

/// When accepting is tried again although no session of ours has ended: the descriptors may be others' (ENFILE).
const RETRY: Duration = Duration::from_millis(500);

/// What is reported so many times in a row of one who is gone is not of one.
const GONE_AT_MOST: usize = 256;

/// The way in of one worker.
pub(super) struct Door<'a> {
    server: &'a Server<'a>,
    flags: SocketFlags,
    /// A descriptor to give up, so that a client can be turned away when there is no other.
    spare: Option<OwnedFd>,
    barred: Option<Barred>,
    /// Why accepting pauses has been told, and is no news until everybody who waits has been seen to.
    pause_was_told: bool,
    /// How many in a row were gone before they were let in.
    gone: usize,
}

/// Why nobody is let in for a while. A session's end rings the worker's bell.
#[derive(Clone, Copy, Debug)]
struct Barred {
    until: Option<Instant>,
}

/// What came of one try.
#[derive(Debug)]
pub(super) enum Knock {
    /// A client, with its place taken.
    Client(OwnedFd, Guest),
    /// Nobody is waiting.
    Nobody,
    /// This one went away, or was sent away. Others may be waiting.
    Next,
    /// Nobody is let in until a session ends, or until [`Door::retry_at`].
    Barred,
}

impl<'a> Door<'a> {
    /// `flags` are those of the accepted sockets.
    pub(super) fn new(server: &'a Server<'a>, flags: SocketFlags) -> Door<'a> {
        Door { server, flags, spare: open_spare(), barred: None, pause_was_told: false, gone: 0 }
    }

    pub(super) fn is_barred(&self) -> bool {
        self.barred.is_some()
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.barred?.until
    }

    /// To be called after each wait: whether the worker's bell has rung. The time of [`Door::retry_at`] opens as well.
    pub(super) fn unbar_if(&mut self, bell_rang: bool) {
        if bell_rang || self.retry_at().is_some_and(|at| at <= Instant::now()) {
            self.barred = None;
            self.spare = self.spare.take().or_else(open_spare);
        }
    }

    /// Accepts one client.
    pub(super) fn accept(&mut self, listener: &Listener) -> Knock {
        if self.is_barred() {
            return Knock::Barred;
        }
        // Who shall wait must be left in the queue, so the place comes first. Who shall be refused comes first himself:
        // a place held for nobody would cost the client whom another worker accepts meanwhile.
        let waits = self.server.config.when_full == WhenFull::Wait;
        if waits && !self.server.places.take() {
            return self.bar(None);
        }
        let error = match acceptfrom_with(listener, self.flags) {
            Ok((socket, from)) => {
                self.gone = 0;
                let guest = Guest { transport: listener.transport, remote: from_kernel(from) };
                return self.admit(socket, guest, waits);
            }
            Err(error) => error,
        };
        if waits {
            self.server.places.put_back();
        }
        match NoClient::because(error) {
            NoClient::NobodyWaits => self.nobody(),
            NoClient::NoDescriptor => self.out_of_descriptors(listener),
            NoClient::OneIsGone if self.gone < GONE_AT_MOST => {
                self.gone += 1;
                Knock::Next
            }
            NoClient::OneIsGone | NoClient::NoMemory | NoClient::Broken => {
                let at = listener.address.to_string();
                let fault = Fault::errno(End::Us, Doing::Accept, at, error.raw_os_error());
                self.pause(Event::Trouble(fault))
            }
        }
    }

    /// Lets a client in that may come and has a place.
    fn admit(&self, socket: OwnedFd, guest: Guest, has_place: bool) -> Knock {
        let why = match self.server.admit(&guest.remote) {
            Ok(()) if has_place || self.server.places.try_take() => return Knock::Client(socket, guest),
            Ok(()) => {
                self.server.places.leave(&guest.remote);
                self.server.full()
            }
            Err(why) => why,
        };
        if has_place {
            // Another worker may have found no place because of this one.
            self.server.places.give_back();
        }
        self.send_away(socket, guest.remote, why)
    }

    /// All who waited have been seen to: a later want of descriptors is news again.
    fn nobody(&mut self) -> Knock {
        (self.pause_was_told, self.gone) = (false, 0);
        Knock::Nobody
    }

    /// Whoever shall be refused is refused by the spare descriptor.
    fn out_of_descriptors(&mut self, listener: &Listener) -> Knock {
        if self.server.config.when_full == WhenFull::Refuse && self.spare.take().is_some() {
            let knock = self.turn_away(listener);
            self.spare = open_spare();
            return knock;
        }
        self.pause(Event::Paused)
    }

    /// Lets nobody in for a while, and tells why, but not again for each try.
    fn pause(&mut self, why: Event) -> Knock {
        if !std::mem::replace(&mut self.pause_was_told, true) {
            (self.server.tell)(why);
        }
        self.bar(Some(RETRY))
    }

    /// Accepts a client only to reset it, so that it need not wait in vain.
    fn turn_away(&mut self, listener: &Listener) -> Knock {
        match acceptfrom_with(listener, SocketFlags::CLOEXEC) {
            Ok((socket, from)) => self.send_away(socket, from_kernel(from), self.server.full()),
            Err(Errno::AGAIN) => self.nobody(),
            Err(error) if NoClient::because(error) == NoClient::NoDescriptor => self.bar(Some(RETRY)),
            Err(_) => Knock::Next,
        }
    }

    /// Resets a client at once (a Unix socket knows no reset and is closed).
    fn send_away(&self, socket: OwnedFd, remote: Address, why: Away) -> Knock {
        abort_at_close(socket.as_fd());
        drop(socket);
        self.server.turn_away(remote, why);
        Knock::Next
    }

    fn bar(&mut self, how_long: Option<Duration>) -> Knock {
        self.server.places.wake_me();
        self.gone = 0;
        self.barred = Some(Barred { until: how_long.map(|long| Instant::now() + long) });
        Knock::Barred
    }
}

fn open_spare() -> Option<OwnedFd> {
    rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}
