//! Further calls of actors, shown as in C: datagrams, names of sockets, pipes and pairs, flags. What is called and what came
//! back is told to the director, as by [`Actor::call`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType, ipproto, sockopt,
};

use super::{Actor, number};

impl Actor {
    /// socket(2): a UDP socket of IPv4.
    pub(crate) fn udp_socket(&mut self) -> io::Result<OwnedFd> {
        self.call(
            "socket(AF_INET, SOCK_DGRAM, 0)",
            || rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None),
            number,
        )
    }

    /// sendto(2).
    pub(crate) fn send_to(&mut self, socket: &OwnedFd, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.call(
            format!("sendto({}, {}, {to})", number(socket), shown(bytes)),
            || rustix::net::sendto(socket, bytes, SendFlags::empty(), &to),
            ToString::to_string,
        )
    }

    /// send(2), or write(2), which is the same without flags.
    pub(crate) fn send(&mut self, socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
        self.call(
            format!("send({}, {})", number(socket), shown(bytes)),
            || rustix::net::send(socket, bytes, SendFlags::empty()),
            ToString::to_string,
        )
    }

    /// recvfrom(2) of at most so many bytes, and who sent them.
    pub(crate) fn receive_from(
        &mut self,
        socket: &OwnedFd,
        most: usize,
    ) -> io::Result<(Vec<u8>, Option<SocketAddr>)> {
        let mut bytes = vec![0; most];
        let (len, from) = self.call(
            format!("recvfrom({}, {most})", number(socket)),
            || {
                let (len, _, from) = rustix::net::recvfrom(socket, &mut bytes[..], RecvFlags::empty())?;
                Ok::<_, io::Error>((len, from.and_then(ip)))
            },
            |(len, from)| match from {
                Some(from) => format!("{len} from {from}"),
                None => len.to_string(),
            },
        )?;
        bytes.truncate(len);
        Ok((bytes, from))
    }

    /// recv(2) with MSG_DONTWAIT: this one call does not wait.
    pub(crate) fn receive_at_once(&mut self, socket: &OwnedFd, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let len = self.call(
            format!("recv({}, {most}, MSG_DONTWAIT)", number(socket)),
            || rustix::net::recv(socket, &mut bytes[..], RecvFlags::DONTWAIT).map(|(len, _)| len),
            ToString::to_string,
        )?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// getsockname(2): where it is.
    pub(crate) fn local_name(&mut self, socket: &OwnedFd) -> io::Result<SocketAddr> {
        self.name("getsockname", socket, || rustix::net::getsockname(socket))
    }

    /// getpeername(2): with whom it is connected.
    pub(crate) fn peer_name(&mut self, socket: &OwnedFd) -> io::Result<SocketAddr> {
        self.name("getpeername", socket, || {
            rustix::net::getpeername(socket)?.ok_or(rustix::io::Errno::NOTCONN)
        })
    }

    fn name(
        &mut self,
        call: &str,
        socket: &OwnedFd,
        ask: impl FnOnce() -> rustix::io::Result<SocketAddrAny>,
    ) -> io::Result<SocketAddr> {
        self.call(
            format!("{call}({})", number(socket)),
            || ip(ask()?).ok_or(io::Error::from(rustix::io::Errno::AFNOSUPPORT)),
            ToString::to_string,
        )
    }

    /// fcntl(2): calls wait again.
    pub(crate) fn set_blocking(&mut self, file: &OwnedFd) -> io::Result<()> {
        self.call(
            format!("fcntl({}, F_SETFL, 0)", number(file)),
            || rustix::io::ioctl_fionbio(file, false),
            |()| "0".to_owned(),
        )
    }

    /// pipe(2): the end to read from and the end to write to.
    pub(crate) fn pipe(&mut self) -> io::Result<(OwnedFd, OwnedFd)> {
        self.call("pipe()", rustix::pipe::pipe, |(reader, writer)| {
            format!("{}, {}", number(reader), number(writer))
        })
    }

    /// socketpair(2) of AF_UNIX: two sockets that are connected with each other.
    pub(crate) fn socket_pair(&mut self, kind: SocketType) -> io::Result<(OwnedFd, OwnedFd)> {
        self.call(
            format!("socketpair(AF_UNIX, {})", type_name(kind)),
            || rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::empty(), None),
            |(one, other)| format!("{}, {}", number(one), number(other)),
        )
    }

    /// dup(2): a second descriptor of the same open file description.
    pub(crate) fn duplicate(&mut self, file: &OwnedFd) -> io::Result<OwnedFd> {
        self.call(format!("dup({})", number(file)), || rustix::io::dup(file), number)
    }

    /// IP_ADD_MEMBERSHIP: datagrams to this group are for this socket's host, too.
    pub(crate) fn join(&mut self, socket: &OwnedFd, group: Ipv4Addr, on: Ipv4Addr) -> io::Result<()> {
        self.call(
            format!("setsockopt({}, IP_ADD_MEMBERSHIP, {group} on {on})", number(socket)),
            || sockopt::set_ip_add_membership(socket, &group, &on),
            |()| "0".to_owned(),
        )
    }

    /// socket(2) of any kind; the protocol 0 is the usual one.
    pub(crate) fn socket(
        &mut self,
        family: AddressFamily,
        kind: SocketType,
        protocol: Option<rustix::net::Protocol>,
    ) -> io::Result<OwnedFd> {
        let family_name = match family {
            AddressFamily::UNIX => "AF_UNIX",
            AddressFamily::INET => "AF_INET",
            AddressFamily::INET6 => "AF_INET6",
            _ => "AF_?",
        };
        let protocol_name = match protocol {
            None => "0",
            Some(ipproto::TCP) => "IPPROTO_TCP",
            Some(ipproto::UDP) => "IPPROTO_UDP",
            Some(ipproto::ICMP) => "IPPROTO_ICMP",
            Some(_) => "IPPROTO_?",
        };
        self.call(
            format!("socket({family_name}, {}, {protocol_name})", type_name(kind)),
            || rustix::net::socket(family, kind, protocol),
            number,
        )
    }
}

/// A result as C has it: the number, or -1 and the errno's name.
pub(crate) fn returned<T: ToString>(result: &io::Result<T>) -> String {
    match result {
        Ok(value) => value.to_string(),
        Err(error) => format!("-1 {}", wire::errno::name(error.raw_os_error().unwrap_or_default())),
    }
}

fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= 16 => format!("{text:?}"),
        _ => format!("{} bytes", bytes.len()),
    }
}

fn type_name(kind: SocketType) -> &'static str {
    match kind {
        SocketType::STREAM => "SOCK_STREAM",
        SocketType::DGRAM => "SOCK_DGRAM",
        SocketType::SEQPACKET => "SOCK_SEQPACKET",
        SocketType::RAW => "SOCK_RAW",
        _ => "SOCK_?",
    }
}

fn ip(address: SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(address).ok()
}
