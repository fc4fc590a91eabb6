//! Sockets that somebody else opened: each says what it is, and is used only as that.

use std::os::fd::OwnedFd;

use kernel::inherited::{Description, describe_number, take};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::sockopt::set_tcp_nodelay;
use wire::{Cause, Doing, End, Fault, Transport};

/// An inherited socket, now our own, which never waits.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) socket: OwnedFd,
    pub(crate) transport: Transport,
    pub(crate) nature: Nature,
}

/// What can be done with a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It waits for connections.
    Listening,
    /// It is a connection.
    Connection,
    /// It is for datagrams from and to everybody.
    Datagrams,
    /// It is for datagrams from and to one peer.
    DatagramsWithPeer,
    /// It is for connections and has none.
    Idle,
}

impl Inherited {
    /// Takes the socket of this number if it is as `wanted`.
    ///
    /// # Errors
    /// In words where it is something else; then it stays as it is.
    pub(crate) fn take(number: u32, doing: Doing, wanted: &[Nature]) -> Result<Inherited, Fault> {
        let fault = |cause| Fault { end: End::You, doing, at: format!("fd:{number}"), cause };
        let failed = |errno: i32| fault(cause_of(errno));
        let words = |words: &str| fault(Cause::Words(words.into()));
        let is = describe_number(number).map_err(failed)?;
        let Some(transport) = is.transport else {
            return Err(words("it is a socket of a kind that has no address here"));
        };
        let nature = nature(is, transport);
        if !wanted.contains(&nature) {
            return Err(words(instead_of(nature)));
        }
        let socket = take(number).map_err(failed)?;
        ioctl_fionbio(&socket, true).map_err(|errno| failed(errno.raw_os_error()))?;
        if transport == Transport::Tcp {
            set_tcp_nodelay(&socket, true).map_err(|errno| failed(errno.raw_os_error()))?;
        }
        Ok(Inherited { socket, transport, nature })
    }
}

fn nature(is: Description, transport: Transport) -> Nature {
    match (transport.has_connections(), is.is_listening, is.is_connected) {
        (true, true, _) => Nature::Listening,
        (true, false, true) => Nature::Connection,
        (true, false, false) => Nature::Idle,
        (false, _, false) => Nature::Datagrams,
        (false, _, true) => Nature::DatagramsWithPeer,
    }
}

/// What is wrong with a socket of this nature where another is wanted.
fn instead_of(nature: Nature) -> &'static str {
    match nature {
        Nature::Listening => "it is a listening socket: it waits for others and calls nobody",
        Nature::Connection => "it is a connection already: nobody else can come by it",
        Nature::Datagrams => "it is a socket for datagrams that has no peer",
        Nature::DatagramsWithPeer => "it is a socket for datagrams of one peer",
        Nature::Idle => "it neither listens nor is connected",
    }
}

fn cause_of(errno: i32) -> Cause {
    match Errno::from_raw_os_error(errno) {
        Errno::BADF => Cause::Words("no descriptor of this number was handed to this program".into()),
        Errno::NOTSOCK => Cause::Words("it is no socket".into()),
        _ => Cause::Errno(errno),
    }
}
