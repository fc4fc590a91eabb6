//! Listening sockets: where, with which options, and what to do when the machine has one IP family only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Socket, Type};
use wire::{Address, Doing, End, Fault, Transport};

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
    /// At this address; an IPv6 one takes IPv6 clients only. Port 0: the kernel chooses.
    Address(SocketAddr),
    /// On every interface, for IPv6 and IPv4 by one socket; for IPv4 alone where the machine has no IPv6.
    EveryInterface(u16),
}

/// How to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `SO_REUSEADDR`: take the address although connections of a former run are in TIME_WAIT.
    pub reuse_address: bool,
    /// `SO_REUSEPORT`: share the port with other sockets that ask for the same.
    pub reuse_port: bool,
    /// How many clients wait to be accepted before the kernel lets further ones wait outside; the kernel's limit
    /// (`net.core.somaxconn`) stands above it.
    pub backlog: i32,
}

impl Default for Options {
    fn default() -> Options {
        Options { reuse_address: true, reuse_port: false, backlog: 4096 }
    }
}

impl Place {
    /// A place with the usual options.
    pub fn new(at: At) -> Place {
        Place { at, options: Options::default() }
    }

    /// At this address by TCP, with the usual options.
    pub fn tcp(address: SocketAddr) -> Place {
        Place::new(At::Address(address))
    }
}

/// A listening socket. Never waits in `accept`; what it accepts has `TCP_NODELAY` set, which Linux inherits.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    pub(crate) transport: Transport,
    /// With the port that the kernel chose.
    pub(crate) address: Address,
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Listener {
    /// Opens a listening socket.
    pub(crate) fn open(place: &Place) -> Result<Listener, Fault> {
        let options = &place.options;
        match place.at {
            At::Address(address) => open(address, true, options),
            At::EveryInterface(port) => {
                let both = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
                open(both, false, options).or_else(|fault| match fault.raw_errno() {
                    Some(errno) if is_without_ipv6(errno) => {
                        open(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port), true, options)
                    }
                    _ => Err(fault),
                })
            }
        }
    }
}

fn open(address: SocketAddr, only_own_family: bool, options: &Options) -> Result<Listener, Fault> {
    let failed =
        |doing: Doing| move |error: std::io::Error| Fault::io(End::Us, doing, address.to_string(), &error);
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, None).map_err(failed(Doing::Socket))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_own_family).map_err(failed(Doing::SetOption))?;
    }
    socket.set_reuse_address(options.reuse_address).map_err(failed(Doing::SetOption))?;
    socket.set_reuse_port(options.reuse_port).map_err(failed(Doing::SetOption))?;
    socket.set_tcp_nodelay(true).map_err(failed(Doing::SetOption))?;
    socket.bind(&address.into()).map_err(failed(Doing::Bind))?;
    socket.listen(options.backlog).map_err(failed(Doing::Listen))?;
    let bound = socket.local_addr().map_err(failed(Doing::Listen))?;
    let address = bound.as_socket().unwrap_or(address).into();
    Ok(Listener { transport: Transport::Tcp, address, socket: socket.into() })
}

fn is_without_ipv6(errno: i32) -> bool {
    use rustix::io::Errno;
    errno == Errno::AFNOSUPPORT.raw_os_error() || errno == Errno::ADDRNOTAVAIL.raw_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn port_zero_becomes_a_real_port_and_a_second_listener_is_refused() {
        let place = Place::tcp("127.0.0.1:0".parse().expect("an address"));
        let first = Listener::open(&place).expect("loopback");
        let address = first.address.internet().expect("TCP");
        assert_ne!(address.port(), 0);
        let fault = Listener::open(&Place::tcp(address)).expect_err("it is taken");
        assert_eq!(fault.raw_errno(), Some(rustix::io::Errno::ADDRINUSE.raw_os_error()));
        assert_eq!(fault.at, first.address.to_string());
    }

    #[test]
    fn a_shared_port_is_shared_by_those_who_ask() {
        let options = Options { reuse_port: true, ..Options::default() };
        let place = Place::tcp("127.0.0.1:0".parse().expect("an address"));
        let place = Place { options: options.clone(), ..place };
        let first = Listener::open(&place).expect("loopback");
        let address = first.address.internet().expect("TCP");
        Listener::open(&Place { options, ..Place::tcp(address) }).expect("both asked");
    }

    #[test]
    fn every_interface_takes_both_families() {
        let listener = Listener::open(&Place::new(At::EveryInterface(0))).expect("a port");
        let address = listener.address.internet().expect("TCP");
        let port = address.port();
        TcpStream::connect(("127.0.0.1", port)).expect("IPv4");
        if address.is_ipv6() && TcpStream::connect(("::1", port)).is_err() {
            assert!(std::net::TcpListener::bind("[::1]:0").is_err(), "this machine has IPv6");
        }
    }

    #[test]
    fn an_ipv6_address_takes_ipv6_only() {
        let place = Place::tcp("[::]:0".parse().expect("an address"));
        if let Ok(listener) = Listener::open(&place) {
            let port = listener.address.port().expect("TCP");
            TcpStream::connect(("127.0.0.1", port)).expect_err("nobody listens on IPv4");
        }
    }
}
