//! How a server runs its sessions: three engines behind one door.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use rustix::event::Timespec;

use crate::event::Event;
use crate::serve::Server;
use crate::service::Client;

mod blocking;
mod door;
pub(crate) mod event;
pub(crate) mod process;
pub(crate) mod thread;
mod watch;

/// Our address of a session, for [`tell_opened`]; none where nobody wants to know.
fn local_address(server: &Server<'_>, socket: BorrowedFd<'_>, remote: SocketAddr) -> Option<SocketAddr> {
    if !server.config.tells.opened {
        return None;
    }
    let own = rustix::net::getsockname(socket).ok().and_then(|any| SocketAddr::try_from(any).ok());
    // The kernel always gives one for TCP.
    Some(own.map_or(SocketAddr::new(remote.ip(), 0), door::plain))
}

/// Tells that a session has begun, if that is wanted.
fn tell_opened(server: &Server<'_>, client: Client, local: Option<SocketAddr>, remote: SocketAddr) {
    if let Some(local) = local {
        (server.tell)(Event::Opened { client: client.0, local, remote });
    }
}

/// Tells what arrived. To be called only where that is wanted.
fn tell_data(server: &Server<'_>, client: Client, remote: SocketAddr, bytes: &[u8]) {
    (server.tell)(Event::Data { client: client.0, remote, bytes: bytes.to_vec() });
}

/// The time from now until then, for poll.
pub(crate) fn timespec_until(then: Instant) -> Timespec {
    let left = then.saturating_duration_since(Instant::now());
    // Never longer than a day, so that every system's seconds hold it.
    Timespec { tv_sec: left.as_secs().min(86_400).cast_signed(), tv_nsec: left.subsec_nanos().into() }
}
