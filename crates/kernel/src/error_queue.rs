//! What the network has reported about datagrams that a socket sent: its error queue (ip(7), `IP_RECVERR`; ipv6(7),
//! `IPV6_RECVERR`). Without it an unconnected socket never hears of an ICMP message.

use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use wire::Address;

use crate::control::{self, Control, ControlMessage, address, socklen};
use crate::sockopt;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The error number that the kernel makes of it.
    pub errno: i32,
    /// Where the datagram was sent that it is about.
    pub about: Option<Address>,
    /// It is an ICMP message; otherwise this machine's kernel itself could not send.
    pub from_icmp: bool,
    /// Who sent the ICMP message.
    pub offender: Option<IpAddr>,
}

/// From now on reports are queued; the next call on the socket fails with the newest one's error all the same.
///
/// # Errors
/// The kernel's error number, for a socket that is not of the internet.
pub fn enable(socket: BorrowedFd<'_>) -> Result<(), i32> {
    let on = 1i32.to_ne_bytes();
    let four = sockopt::set(socket, libc::IPPROTO_IP, libc::IP_RECVERR, &on);
    let six = sockopt::set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &on);
    // A socket for both families has both; an IPv4 one has no IPv6 options.
    six.or(four)
}

/// Takes the oldest report. Never waits.
pub fn next(socket: BorrowedFd<'_>) -> Option<Queued> {
    // SAFETY: all-zero bytes are a valid value of these plain structures.
    let mut name: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut control = Control::new();
    // SAFETY: as above; null pointers and zero lengths say that there is nothing.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = socklen(size_of_val(&name));
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the name and the control buffer are valid for writes of the lengths given and outlive the call.
    let result = unsafe {
        libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
    };
    if result < 0 {
        return None;
    }
    let about = (message.msg_namelen > 0).then(|| address(&name)).flatten();
    // SAFETY: recvmsg has filled in the header, and the control buffer is still here.
    let (report, offender) = unsafe { control::find(&message, |message| report(&message)) }?;
    let from_icmp = matches!(report.ee_origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
    let errno = i32::try_from(report.ee_errno).unwrap_or(libc::EIO);
    Some(Queued { errno, about: about.map(Address::Internet), from_icmp, offender })
}

/// The report in a control message, if it is one, and the address behind it (`SO_EE_OFFENDER`).
fn report(message: &ControlMessage<'_>) -> Option<(libc::sock_extended_err, Option<IpAddr>)> {
    let is_report = matches!(
        (message.level, message.kind),
        (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    );
    let (head, behind) = message.data.split_at_checked(size_of::<libc::sock_extended_err>())?;
    if !is_report {
        return None;
    }
    // SAFETY: the bytes are as many as the structure has, which is plain; they need not be aligned.
    let report = unsafe { head.as_ptr().cast::<libc::sock_extended_err>().read_unaligned() };
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let length = behind.len().min(size_of::<libc::sockaddr_storage>());
    // SAFETY: so many bytes are behind the structure, and the storage has room for them.
    unsafe { std::ptr::copy_nonoverlapping(behind.as_ptr(), storage.as_mut_ptr().cast::<u8>(), length) };
    // SAFETY: all of it is initialized: zeroed, and then partly written.
    let storage = unsafe { storage.assume_init() };
    Some((report, address(&storage).map(|address| address.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsFd;

    /// Sends to a port where nobody is, and waits for the report.
    fn refused(from: &str, to: &str) -> (SocketAddr, Queued) {
        let socket = UdpSocket::bind(from).expect("loopback");
        enable(socket.as_fd()).expect("a socket of the internet");
        assert_eq!(next(socket.as_fd()), None);
        let nobody = UdpSocket::bind(to).expect("loopback").local_addr().expect("bound");
        let target = match (socket.local_addr().expect("bound"), nobody) {
            (SocketAddr::V6(_), SocketAddr::V4(four)) => {
                SocketAddr::from((four.ip().to_ipv6_mapped(), four.port()))
            }
            _ => nobody,
        };
        socket.send_to(b"x", target).expect("it leaves");
        // Over loopback the answer is there before the call returns.
        let queued = next(socket.as_fd()).expect("a report");
        assert_eq!(next(socket.as_fd()), None);
        (target, queued)
    }

    #[test]
    fn a_refused_datagram_is_reported_with_its_destination() {
        let (target, queued) = refused("127.0.0.1:0", "127.0.0.1:0");
        let offender = Some(target.ip());
        let about = Some(Address::Internet(target));
        assert_eq!(queued, Queued { errno: libc::ECONNREFUSED, about, from_icmp: true, offender });
    }

    #[test]
    fn ipv6_and_ipv4_over_one_socket_are_reported() {
        if UdpSocket::bind("[::1]:0").is_err() {
            return;
        }
        for to in ["[::1]:0", "127.0.0.1:0"] {
            let (target, queued) = refused("[::]:0", to);
            assert_eq!((queued.errno, queued.from_icmp), (libc::ECONNREFUSED, true));
            let about = queued.about.and_then(|about| about.internet()).expect("an address");
            assert_eq!(about.port(), target.port());
            assert_eq!(about.ip().to_canonical(), target.ip().to_canonical());
        }
    }

    #[test]
    fn a_unix_socket_has_none() {
        let socket = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
        assert!(enable(socket.as_fd()).is_err());
        assert_eq!(next(socket.as_fd()), None);
    }
}
