//! Where clients come: listening sockets and sockets for datagrams, at addresses, on every interface, at socket files, and
//! those that somebody else opened.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{bind, listen, sockopt};
use socket2::SockRef;
use wire::{Address, Cause, Doing, End, Fault, Transport};

use self::inherited::{Inherited, Nature};
use self::socket_file::SocketFile;
use crate::address::{local, new_socket, to_kernel};
use crate::event::Event;
use crate::options::{Phase, SocketOptions};

pub use crate::datagram_socket::DatagramSocket;

pub(crate) mod inherited;
pub(crate) mod socket_file;
#[cfg(test)]
mod tests;

/// A place to listen, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub at: At,
    /// How.
    pub options: Options,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// At this address, by TCP or UDP; an IPv6 one takes IPv6 clients only. Port 0: the kernel chooses.
    Address(Transport, SocketAddr),
    /// On every interface, for IPv6 and IPv4 by one socket; for IPv4 alone where the machine has no IPv6.
    EveryInterface(Transport, u16),
    /// At a socket file or abstract name, by one of the Unix transports.
    Unix(Transport, Address),
    /// At a socket that this process was started with; what it is, it says itself.
    Inherited(u32),
}

/// How to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `SO_REUSEADDR`: take the address although connections of a former run are in TIME_WAIT. For datagrams it would let
    /// another server take the port as well, and is set only where groups are joined, whose members share one.
    pub reuse_address: bool,
    /// `SO_REUSEPORT`: share the port with other sockets that ask for the same.
    pub reuse_port: bool,
    /// How many clients wait to be accepted before the kernel lets further ones wait outside; the kernel's limit
    /// (`net.core.somaxconn`) stands above it.
    pub backlog: i32,
    /// The permissions of a socket file; none: as the umask leaves them.
    pub mode: Option<u32>,
    /// What else to set on the socket.
    pub socket: SocketOptions,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            reuse_address: true,
            reuse_port: false,
            backlog: 4096,
            mode: None,
            socket: SocketOptions::default(),
        }
    }
}

impl Place {
    /// A place with the usual options.
    pub fn new(at: At) -> Place {
        Place { at, options: Options::default() }
    }

    /// At this address by TCP, with the usual options.
    pub fn tcp(address: SocketAddr) -> Place {
        Place::new(At::Address(Transport::Tcp, address))
    }
}

/// A listening socket. Never waits in `accept`; what it accepts by TCP has `TCP_NODELAY` set, which Linux inherits.
/// Its socket file goes with it.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    /// What carries the connections.
    pub transport: Transport,
    /// With the port that the kernel chose.
    pub address: Address,
    _file: Option<SocketFile>,
}

/// What a place has become.
#[derive(Debug)]
pub enum Opened {
    /// Clients knock here.
    Connections(Listener),
    /// Datagrams come here.
    Datagrams(DatagramSocket),
}

/// Opens a place. Each option that was asked for is told as [`Event::OptionSet`].
///
/// # Errors
/// When it cannot be listened on: the address is another's or not of this machine, the socket file is no socket, the
/// inherited descriptor is something else.
pub fn open(place: &Place, tell: &dyn Fn(Event)) -> Result<Opened, Fault> {
    let options = &place.options;
    match &place.at {
        At::Address(transport, address) => open_at(*transport, *address, true, options, tell),
        At::EveryInterface(transport, port) => {
            let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port));
            open_at(*transport, both, false, options, tell).or_else(|fault| match fault.raw_errno() {
                Some(errno) if is_without_ipv6(errno) => {
                    let four = SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port));
                    open_at(*transport, four, true, options, tell)
                }
                _ => Err(fault),
            })
        }
        At::Unix(transport, address) => open_unix(*transport, address, options, tell),
        At::Inherited(number) => open_inherited(*number, options, tell),
    }
}

/// Whether a place for connections over TCP could be had now: it is bound and given back at once, and never listened on, so
/// that nobody notices. None of other places: a socket of datagrams would take some.
pub fn can_be_had(place: &Place) -> Option<bool> {
    let (address, only_own_family) = match place.at {
        At::Address(Transport::Tcp, address) => (address, true),
        At::EveryInterface(Transport::Tcp, port) => ((Ipv6Addr::UNSPECIFIED, port).into(), false),
        _ => return None,
    };
    let socket = new_socket(Transport::Tcp, &address.into()).ok()?;
    set_before_bind(&socket, Transport::Tcp, address, only_own_family, &place.options).ok()?;
    match bind(&socket, &address) {
        Ok(()) => Some(true),
        Err(Errno::ADDRINUSE) => Some(false),
        Err(_) => None,
    }
}

impl Listener {
    /// Opens a place for connections.
    ///
    /// # Errors
    /// As [`open`]; in words where datagrams come there.
    pub fn open(place: &Place, tell: &dyn Fn(Event)) -> Result<Listener, Fault> {
        match open(place, tell)? {
            Opened::Connections(listener) => Ok(listener),
            Opened::Datagrams(socket) => {
                let cause = Cause::Words("datagrams come there, and no connections".into());
                Err(Fault { end: End::You, doing: Doing::Listen, at: socket.address.to_string(), cause })
            }
        }
    }

    /// A socket that listens, and never waits in `accept`.
    #[cfg(test)]
    pub(crate) fn of(socket: OwnedFd, transport: Transport) -> Listener {
        let address = local(&socket);
        Listener { socket, transport, address, _file: None }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl DatagramSocket {
    /// Opens a place for datagrams.
    ///
    /// # Errors
    /// As [`open`]; in words where connections come there.
    pub fn open(place: &Place, tell: &dyn Fn(Event)) -> Result<DatagramSocket, Fault> {
        match open(place, tell)? {
            Opened::Datagrams(socket) => Ok(socket),
            Opened::Connections(listener) => {
                let cause = Cause::Words("connections come there, and no datagrams".into());
                Err(Fault { end: End::You, doing: Doing::Listen, at: listener.address.to_string(), cause })
            }
        }
    }
}

impl Opened {
    /// What carries what comes there, and the address with the port that the kernel chose.
    pub fn waits_at(&self) -> (Transport, Address) {
        match self {
            Opened::Connections(listener) => (listener.transport, listener.address.clone()),
            Opened::Datagrams(socket) => (socket.transport, socket.address.clone()),
        }
    }

    /// Of a bound socket.
    fn of(
        socket: OwnedFd,
        transport: Transport,
        asked: &Address,
        file: Option<SocketFile>,
        backlog: i32,
    ) -> Result<Opened, Fault> {
        if !transport.has_connections() {
            return Ok(Opened::Datagrams(DatagramSocket::with_file(socket, transport, file)));
        }
        let address = local(&socket);
        listen(&socket, backlog).map_err(|errno| failed(Doing::Listen, asked, errno))?;
        Ok(Opened::Connections(Listener { socket, transport, address, _file: file }))
    }
}

fn open_at(
    transport: Transport,
    address: SocketAddr,
    only_own_family: bool,
    options: &Options,
    tell: &dyn Fn(Event),
) -> Result<Opened, Fault> {
    let asked = Address::Internet(address);
    let at = asked.to_string();
    let socket = new_socket(transport, &asked).map_err(|errno| failed(Doing::Socket, &asked, errno))?;
    set_before_bind(&socket, transport, address, only_own_family, options)
        .map_err(|errno| failed(Doing::SetOption, &asked, errno))?;
    options.socket.apply(socket.as_fd(), transport, Phase::BeforeBind, &at, tell)?;
    bind(&socket, &address).map_err(|errno| failed(Doing::Bind, &asked, errno))?;
    options.socket.apply(socket.as_fd(), transport, Phase::AfterBind, &at, tell)?;
    Opened::of(socket, transport, &asked, None, options.backlog)
}

fn set_before_bind(
    socket: &OwnedFd,
    transport: Transport,
    address: SocketAddr,
    only_own_family: bool,
    options: &Options,
) -> Result<(), Errno> {
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(socket, only_own_family)?;
    }
    let has_group = !options.socket.multicast.join.is_empty();
    let reuse_address = options.reuse_address && (transport.has_connections() || has_group);
    sockopt::set_socket_reuseaddr(socket, reuse_address)?;
    sockopt::set_socket_reuseport(socket, options.reuse_port)?;
    match transport {
        Transport::Tcp => sockopt::set_tcp_nodelay(socket, true),
        _ => only_own_groups(socket, address),
    }
}

/// Who has joined no group receives none: without this Linux delivers what any socket of this machine has joined (ip(7),
/// `IP_MULTICAST_ALL`).
fn only_own_groups(socket: &OwnedFd, address: SocketAddr) -> Result<(), Errno> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL);
    let socket = SockRef::from(socket);
    if address.is_ipv6() {
        socket.set_multicast_all_v6(false).map_err(errno)?;
    }
    // For an IPv6 socket of both families as well.
    socket.set_multicast_all_v4(false).map_err(errno)
}

fn open_unix(
    transport: Transport,
    address: &Address,
    options: &Options,
    tell: &dyn Fn(Event),
) -> Result<Opened, Fault> {
    let at = address.to_string();
    let socket = new_socket(transport, address).map_err(|errno| failed(Doing::Socket, address, errno))?;
    options.socket.apply(socket.as_fd(), transport, Phase::BeforeBind, &at, tell)?;
    let file = match (address, options.mode) {
        (Address::Path(path), mode) => Some(SocketFile::bind(socket.as_fd(), transport, path, mode)?),
        (_, Some(_)) => {
            let cause = Cause::Words("an abstract name has no permissions: everybody may use it".into());
            return Err(Fault { end: End::You, doing: Doing::Bind, at, cause });
        }
        (name, None) => {
            let bound = to_kernel(name).and_then(|name| bind(&socket, &name));
            bound.map_err(|errno| failed(Doing::Bind, address, errno))?;
            None
        }
    };
    options.socket.apply(socket.as_fd(), transport, Phase::AfterBind, &at, tell)?;
    Opened::of(socket, transport, address, file, options.backlog)
}

/// As it is: bound, listening and with the options of whoever opened it.
fn open_inherited(number: u32, options: &Options, tell: &dyn Fn(Event)) -> Result<Opened, Fault> {
    let wanted = [Nature::Listening, Nature::Datagrams];
    let Inherited { socket, transport, nature } = Inherited::take(number, Doing::Listen, &wanted)?;
    let address = local(&socket);
    options.socket.apply(socket.as_fd(), transport, Phase::AfterBind, &address.to_string(), tell)?;
    Ok(match nature {
        Nature::Listening => Opened::Connections(Listener { socket, transport, address, _file: None }),
        _ => Opened::Datagrams(DatagramSocket::of(socket, transport)),
    })
}

fn failed(doing: Doing, address: &Address, errno: Errno) -> Fault {
    Fault::errno(End::Us, doing, address.to_string(), errno.raw_os_error())
}

fn is_without_ipv6(errno: i32) -> bool {
    errno == Errno::AFNOSUPPORT.raw_os_error() || errno == Errno::ADDRNOTAVAIL.raw_os_error()
}
