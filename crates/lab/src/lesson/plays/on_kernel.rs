//! What the lessons on the real kernel share.

pub(super) use std::io;
pub(super) use std::net::SocketAddr;
pub(super) use std::os::fd::OwnedFd;
pub(super) use std::time::Duration;

pub(super) use rustix::event::PollFlags;
pub(super) use rustix::net::Shutdown;
pub(super) use wire::socket_row::{SocketRow, SocketState};

pub(super) use super::super::actor::Actor;
pub(super) use super::super::director::{Place, Staging};
pub(super) use super::*;
use crate::config::{CLIENT_ADDRESS, SERVER_ADDRESS};
use crate::event::Role;

pub(super) const EINPROGRESS: i32 = 115;

/// What [`outcome`] says of a call that went well, and of a bind(2) to an address that somebody has.
pub(super) const OK: &str = "ok";
pub(super) const IN_USE: &str = "EADDRINUSE";

/// How a call went, in a word.
pub(super) fn outcome<T>(result: &io::Result<T>) -> String {
    match result {
        Ok(_) => OK.to_owned(),
        Err(error) => wire::errno::name(error.raw_os_error().unwrap_or_default()),
    }
}

/// A port of every address of a host.
pub(super) fn everywhere(port: u16) -> SocketAddr {
    ([0, 0, 0, 0], port).into()
}

/// A port of the server.
pub(super) fn at_server(port: u16) -> SocketAddr {
    (SERVER_ADDRESS, port).into()
}

/// A port of the client.
pub(super) fn at_client(port: u16) -> SocketAddr {
    (CLIENT_ADDRESS, port).into()
}

/// The server's listener at this port, as the kernel had it at this moment.
pub(super) fn listener<'a>(seen: &'a Seen, moment: &str, port: u16) -> Option<&'a SocketRow> {
    seen.sockets(moment, Role::Server)?.into_iter().find(|row| row.is_listener() && row.local_port() == port)
}

/// The connections of a host with the server's port, as the kernel had them at this moment.
pub(super) fn sockets_at<'a>(
    seen: &'a Seen,
    moment: &str,
    of: Role,
    port: u16,
) -> Option<Vec<&'a SocketRow>> {
    let has_port =
        |row: &&SocketRow| !row.is_listener() && [row.local_port(), row.remote_port()].contains(&port);
    Some(seen.sockets(moment, of)?.into_iter().filter(has_port).collect())
}

/// How many sockets of a host were in this state at this moment.
pub(super) fn count(seen: &Seen, moment: &str, of: Role, state: SocketState) -> Option<usize> {
    Some(seen.sockets(moment, of)?.iter().filter(|row| row.state == state).count())
}
