//! To which of our addresses a datagram was sent, and answering from that one: `IP_PKTINFO` (ip(7)), `IPV6_PKTINFO`
//! (RFC 3542 §6). A socket that is bound to every address would otherwise answer from the one that the route prefers, and
//! a peer that waits for an answer from the address it wrote to would not take it.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::control::{self, Control, ControlMessage, address, socklen};
use crate::{last_errno, sockopt};

/// One of our addresses, to which a datagram came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OurAddress {
    /// The address, an IPv4 one in its own form.
    pub ip: IpAddr,
    /// The number of the interface by which it came.
    pub interface: u32,
}

/// A datagram that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its length; more than the buffer where it did not fit.
    pub length: usize,
    /// Who sent it; an IPv4 sender to a socket for both families in its IPv6 form.
    pub from: Option<SocketAddr>,
    /// Where to; none where the kernel did not say, and for a group that no answer can come from.
    pub to: Option<OurAddress>,
}

/// From now on [`receive`] says to which address a datagram was sent.
///
/// # Errors
/// The kernel's error number, for a socket that is not of the internet.
pub fn enable(socket: BorrowedFd<'_>) -> Result<(), i32> {
    let on = 1i32.to_ne_bytes();
    let four = sockopt::set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, &on);
    let six = sockopt::set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &on);
    // A socket for both families has both; an IPv4 one has no IPv6 options.
    six.or(four)
}

/// Receives a datagram. Never waits.
///
/// # Errors
/// The kernel's error number: `EAGAIN` where nothing has come.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Arrived, Errno> {
    // SAFETY: all-zero bytes are a valid value of these plain structures.
    let mut name: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut control = Control::new();
    let mut parts = [IoSliceMut::new(buffer)];
    // SAFETY: as above; null pointers and zero lengths say that there is nothing.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = socklen(size_of_val(&name));
    message.msg_iov = parts.as_mut_ptr().cast();
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of_val(&control);
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: name, buffer and control buffer are valid for writes of the lengths given and outlive the call; IoSliceMut
    // is laid out as iovec, its documentation says.
    let result = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let length = usize::try_from(result).map_err(|_| Errno::from_raw_os_error(last_errno()))?;
    // SAFETY: recvmsg has filled in the header, and the control buffer is still here.
    Ok(unsafe { of_header(&message, &name, length) })
}

/// What a header says of a datagram of this length, whose sender is in `name`.
///
/// # Safety
/// The header must be one that recvmsg has filled in, and the control buffer that it points to must still be there.
pub(crate) unsafe fn of_header(
    message: &libc::msghdr,
    name: &libc::sockaddr_storage,
    length: usize,
) -> Arrived {
    let from = (message.msg_namelen > 0).then(|| address(name)).flatten();
    // SAFETY: as for this function.
    let to = unsafe { control::find(message, |message| our_address(&message)) };
    Arrived { length, from, to: to.filter(|to| can_send_from(to.ip)) }
}

/// Sends a datagram from this address of ours. Never waits.
///
/// # Errors
/// The kernel's error number; it also refuses an address that is not ours any more.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], to: SocketAddr, from: OurAddress) -> Result<usize, Errno> {
    let to = socket2::SockAddr::from(to);
    let mut control = Control::new();
    // SAFETY: null pointers and zero lengths say that there is nothing.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    message.msg_name = to.as_ptr().cast_mut().cast();
    message.msg_namelen = to.len();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_controllen = put_source(&mut control, from);
    message.msg_control = (&raw mut control).cast();
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel reads name, bytes and control message, each as long as said and there until the call returns.
    let result = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    usize::try_from(result).map_err(|_| Errno::from_raw_os_error(last_errno()))
}

/// What a control message says of our address, if it is about that. Of an IPv4 datagram the socket for both families gets
/// two messages; the IPv6 one would hold a broadcast address, which is no source.
fn our_address(message: &ControlMessage<'_>) -> Option<OurAddress> {
    match (message.level, message.kind) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            let (interface, rest) = message.data.split_first_chunk::<4>()?;
            // For a broadcast or a group this is the address of the interface: the one to answer from.
            let ip = Ipv4Addr::from(*rest.first_chunk::<4>()?);
            Some(OurAddress { ip: ip.into(), interface: u32::from_ne_bytes(*interface) })
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let (ip, interface) = message.data.split_first_chunk::<16>()?;
            let ip = Ipv6Addr::from(*ip);
            let interface = u32::from_ne_bytes(*interface.first_chunk::<4>()?);
            // Said better by the message for IPv4.
            let is_six = ip.to_ipv4_mapped().is_none();
            is_six.then_some(OurAddress { ip: ip.into(), interface })
        }
        _ => None,
    }
}

fn can_send_from(ip: IpAddr) -> bool {
    !ip.is_multicast() && !ip.is_unspecified()
}

/// Writes the control message that asks for this source; gives the length of all. The interface is left to the route,
/// but for addresses that mean nothing without one (RFC 4007 §6).
fn put_source(control: &mut Control, from: OurAddress) -> usize {
    match from.ip {
        IpAddr::V4(ip) => {
            // struct in_pktinfo: the interface, the source, and a field that only says something on receipt.
            let mut info = [0; 12];
            info[4..8].copy_from_slice(&ip.octets());
            control::put(control, libc::IPPROTO_IP, libc::IP_PKTINFO, &info)
        }
        IpAddr::V6(ip) => {
            let interface = if ip.is_unicast_link_local() { from.interface } else { 0 };
            // struct in6_pktinfo: the source and the interface.
            let mut info = [0; 20];
            info[..16].copy_from_slice(&ip.octets());
            info[16..].copy_from_slice(&interface.to_ne_bytes());
            control::put(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Duration;

    fn listening(at: &str) -> (UdpSocket, u16) {
        let socket = UdpSocket::bind(at).expect("loopback");
        enable(socket.as_fd()).expect("a socket of the internet");
        let port = socket.local_addr().expect("bound").port();
        (socket, port)
    }

    /// Sends to `at` and gives what arrived, and from where the answer came.
    fn asked(socket: &UdpSocket, client: &UdpSocket, at: SocketAddr) -> (Arrived, SocketAddr) {
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        client.send_to(b"hello", at).expect("loopback");
        // Over loopback it has arrived before the call returns.
        let mut buffer = [0; 3];
        let arrived = receive(socket.as_fd(), &mut buffer).expect("a datagram");
        assert_eq!((&buffer, arrived.length), (b"hel", 5));
        let (to, from) = (arrived.from.expect("a sender"), arrived.to.expect("told"));
        assert_eq!(send(socket.as_fd(), b"yes", to, from), Ok(3));
        let (_, answered_from) = client.recv_from(&mut [0; 9]).expect("an answer");
        (arrived, answered_from)
    }

    #[test]
    fn the_answer_comes_from_the_address_that_was_asked() {
        let (socket, port) = listening("0.0.0.0:0");
        assert_eq!(receive(socket.as_fd(), &mut [0; 9]), Err(Errno::AGAIN));
        for ip in ["127.0.0.1", "127.0.0.2", "127.9.9.9"] {
            let at = SocketAddr::new(ip.parse().expect("an address"), port);
            let client = UdpSocket::bind("127.0.0.1:0").expect("loopback");
            let (arrived, answered_from) = asked(&socket, &client, at);
            assert_eq!((arrived.to.map(|to| to.ip), answered_from), (Some(at.ip()), at));
            assert_eq!(arrived.from, client.local_addr().ok());
        }
    }

    #[test]
    fn a_socket_for_both_families_answers_both() {
        if UdpSocket::bind("[::1]:0").is_err() {
            return;
        }
        let (socket, port) = listening("[::]:0");
        for (client, ip) in [("127.0.0.1:0", "127.0.0.2"), ("[::1]:0", "::1")] {
            let at = SocketAddr::new(ip.parse().expect("an address"), port);
            let client = UdpSocket::bind(client).expect("loopback");
            let (arrived, answered_from) = asked(&socket, &client, at);
            assert_eq!((arrived.to.map(|to| to.ip), answered_from), (Some(at.ip()), at));
        }
    }

    #[test]
    fn an_address_that_is_not_ours_is_refused() {
        let (socket, port) = listening("0.0.0.0:0");
        // RFC 5737: for documentation, so nobody's.
        let nobody = OurAddress { ip: "192.0.2.1".parse().expect("an address"), interface: 0 };
        let sent = send(socket.as_fd(), b"x", SocketAddr::from(([127, 0, 0, 1], port)), nobody);
        assert!(sent.is_err(), "{sent:?}");
        assert_eq!(receive(socket.as_fd(), &mut [0; 9]), Err(Errno::AGAIN));
    }

    #[test]
    fn a_unix_socket_has_none() {
        let socket = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
        assert!(enable(socket.as_fd()).is_err());
    }
}
