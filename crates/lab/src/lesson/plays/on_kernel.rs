//! What the lessons on the real kernel share.

pub(super) use std::io;
pub(super) use std::net::{IpAddr, Ipv4Addr, SocketAddr};
pub(super) use std::os::fd::OwnedFd;
pub(super) use std::time::Duration;

pub(super) use flow::calls::Call;
pub(super) use rustix::event::PollFlags;
pub(super) use rustix::net::Shutdown;
pub(super) use wire::socket_row::{SocketRow, SocketState};

pub(super) use super::super::actor::{Actor, number, returned};
pub(super) use super::super::director::{Place, Staging};
pub(super) use super::*;
use crate::config::{CLIENT_ADDRESS, SERVER_ADDRESS};
pub(super) use crate::event::{LinkFrame, Role};
pub(super) use wire::Time;

/// Where Linux says which ports it chooses from: the first and the last one.
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";

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

/// A socket that listens there.
pub(super) fn listening(actor: &mut Actor, at: SocketAddr) -> io::Result<OwnedFd> {
    let listener = actor.tcp_socket()?;
    actor.bind(&listener, at)?;
    actor.listen(&listener, 8)?;
    Ok(listener)
}

/// A socket that is connected to there.
pub(super) fn connected(actor: &mut Actor, to: SocketAddr) -> io::Result<OwnedFd> {
    let socket = actor.tcp_socket()?;
    actor.connect(&socket, to)?;
    Ok(socket)
}

/// When somebody had come to this moment.
pub(super) fn time_of(seen: &Seen, moment: &str) -> Option<Time> {
    seen.moments.iter().find(|its| its.name == moment).map(|its| its.time)
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

/// The calls of a side that begin with these words.
pub(super) fn calls<'a>(seen: &'a Seen, side: Side, call: &str) -> Vec<&'a Call> {
    seen.calls.iter().filter(|its| its.side == side && its.text.starts_with(call)).collect()
}

/// The ports that this kernel chooses from: `32768 to 60999`.
pub(super) fn ephemeral_range() -> io::Result<String> {
    Ok(std::fs::read_to_string(EPHEMERAL)?.split_whitespace().collect::<Vec<_>>().join(" to "))
}

/// Whether a port is in such a range.
pub(super) fn is_in(port: u16, range: &str) -> Option<bool> {
    let (first, last) = range.split_once(" to ")?;
    Some((first.parse().ok()?..=last.parse().ok()?).contains(&port))
}

/// The address of the host that this actor is on, on the network.
pub(super) fn own_address() -> io::Result<String> {
    let interfaces = kernel::interfaces::all().map_err(io::Error::from_raw_os_error)?;
    let addresses = interfaces.iter().filter(|its| !its.is_loopback).flat_map(|its| &its.addresses);
    let its = addresses.map(|its| its.address).find(IpAddr::is_ipv4);
    its.map(|ip| ip.to_string()).ok_or(io::ErrorKind::AddrNotAvailable.into())
}

/// What came, and from whom; or that nothing did: `-1 EAGAIN`.
pub(super) fn heard_words(heard: &io::Result<(Vec<u8>, Option<SocketAddr>)>) -> String {
    match heard {
        Ok((bytes, Some(from))) => format!("{} bytes from {from}", bytes.len()),
        Ok((bytes, None)) => format!("{} bytes", bytes.len()),
        Err(error) => format!("-1 {}", wire::errno::name(error.raw_os_error().unwrap_or_default())),
    }
}

/// Whether a packet of IPv4 carries UDP.
pub(super) fn is_udp(frame: &LinkFrame) -> bool {
    frame.bytes.get(9) == Some(&wire::udp::PROTOCOL)
}
