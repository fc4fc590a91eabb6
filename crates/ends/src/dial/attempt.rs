//! One attempt to connect to one address by TCP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{bind, connect, sockopt};
use wire::{Address, Doing, End, Fault, Transport};

use super::{Call, Connected, Options, fault_of};
use crate::address::new_socket;
use crate::options::Phase;

/// A connection being made. Its socket is writable when it is made or has failed.
#[derive(Debug)]
pub(super) struct Attempt {
    socket: OwnedFd,
    pub(super) address: SocketAddr,
}

impl AsFd for Attempt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Attempt {
    /// Begins one.
    pub(super) fn begin(address: SocketAddr, call: &Call<'_>) -> Result<Attempt, Fault> {
        let to = Address::Internet(address);
        let socket = bound(Transport::Tcp, address, call.options, |socket, phase| {
            call.options.socket.apply(socket, Transport::Tcp, phase, &to.to_string(), call.tell)
        })?;
        match connect(&socket, &address) {
            // EINTR: the connection goes on being made, as with EINPROGRESS (connect(2)).
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(Attempt { socket, address }),
            Err(errno) => Err(fault_of(&to, errno)),
        }
    }

    /// What has come of it.
    pub(super) fn finish(self, call: &Call<'_>) -> Result<Connected, Fault> {
        let to = Address::Internet(self.address);
        let made = sockopt::socket_error(&self.socket).and_then(|result| result);
        made.map_err(|errno| fault_of(&to, errno))?;
        let connected = call.connected(self.socket, Transport::Tcp, to);
        if connected.local == connected.remote {
            // Nobody listens, and the kernel chose the very port that we dial as ours: the socket has met itself by the
            // simultaneous open of RFC 9293 §3.5.
            return Err(fault_of(&connected.remote, Errno::CONNREFUSED));
        }
        Ok(connected)
    }
}

/// A socket to call this address from, bound where the options say so.
pub(super) fn bound(
    transport: Transport,
    to: SocketAddr,
    options: &Options,
    apply: impl Fn(BorrowedFd<'_>, Phase) -> Result<(), Fault>,
) -> Result<OwnedFd, Fault> {
    let at = Address::Internet(to);
    let failed = |errno: Errno| Fault::errno(End::Us, Doing::Socket, at.to_string(), errno.raw_os_error());
    let socket = new_socket(transport, &at).map_err(failed)?;
    apply(socket.as_fd(), Phase::BeforeBind)?;
    if let Some(source) = source(to, options) {
        let unusable =
            |errno: Errno| Fault::errno(End::Us, Doing::Bind, source.to_string(), errno.raw_os_error());
        if source.port() != 0 && transport.has_connections() {
            // An earlier connection from this port may be in TIME_WAIT, to another address or the same.
            sockopt::set_socket_reuseaddr(&socket, true).map_err(unusable)?;
        }
        bind(&socket, &source).map_err(unusable)?;
    }
    apply(socket.as_fd(), Phase::AfterBind)?;
    Ok(socket)
}

/// Where to call this address from; none: the kernel chooses. A link-local source is on the link of the address called.
pub(super) fn source(to: SocketAddr, options: &Options) -> Option<SocketAddr> {
    if options.source.is_none() && options.source_port.is_none() {
        return None;
    }
    let port = options.source_port.unwrap_or(0);
    let any: IpAddr = if to.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    Some(match (options.source.unwrap_or(any), to) {
        (IpAddr::V6(source), SocketAddr::V6(to)) => SocketAddrV6::new(source, port, 0, to.scope_id()).into(),
        (source, _) => SocketAddr::new(source, port),
    })
}
