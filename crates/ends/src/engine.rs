//! How a server runs its sessions: three engines behind one door.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use rustix::event::Timespec;
use wire::{Address, Transport};

use crate::address;
use crate::event::Event;
use crate::serve::Server;
use crate::service::{Client, Shape};

mod blocking;
mod door;
pub(crate) mod event;
mod message;
pub(crate) mod process;
mod queue;
pub(crate) mod rate;
mod share;
pub(crate) mod thread;
mod watch;

/// A client at the door, with its socket's nature.
#[derive(Clone, Debug)]
struct Guest {
    transport: Transport,
    remote: Address,
}

impl Guest {
    fn shape(&self) -> Shape {
        if self.transport.keeps_messages() { Shape::Messages } else { Shape::Stream }
    }
}

/// Our address of a session, for [`tell_opened`]; none where nobody wants to know.
fn local_address(server: &Server<'_>, socket: BorrowedFd<'_>) -> Option<Address> {
    server.config.tells.opened.then(|| address::local(socket))
}

/// Tells that a session has begun, if that is wanted.
fn tell_opened(server: &Server<'_>, client: Client, local: Option<Address>, guest: &Guest) {
    if let Some(local) = local {
        let (transport, remote) = (guest.transport, guest.remote.clone());
        (server.tell)(Event::Opened { client: client.0, transport, local, remote });
    }
}

/// The time from now until then, for poll.
pub(crate) fn timespec_until(then: Instant) -> Timespec {
    let left = then.saturating_duration_since(Instant::now());
    // Never longer than a day, so that every system's seconds hold it.
    Timespec { tv_sec: left.as_secs().min(86_400).cast_signed(), tv_nsec: left.subsec_nanos().into() }
}
