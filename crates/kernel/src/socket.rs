//! What the kernel knows about a socket of ours and the safe wrappers do not ask: what is left in its queues.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::{ipproto, sockopt};

/// `SIOCOUTQNSD` of linux/sockios.h: bytes in the send queue that were never sent.
const SIOCOUTQNSD: libc::Ioctl = 0x894B;

/// Bytes written that the peer has not acknowledged (`SIOCOUTQ`, tcp(7)); a FIN that is on its way counts as one.
/// Also answered after a reset; 0 for all but TCP: what a Unix socket takes is with the peer at once, and the kernel answers
/// with the memory that it costs.
pub fn unacknowledged(socket: impl AsFd) -> u64 {
    let is_tcp = sockopt::socket_protocol(&socket) == Ok(Some(ipproto::TCP));
    if is_tcp { queue_length(socket.as_fd(), libc::TIOCOUTQ) } else { 0 }
}

/// Of [`unacknowledged`] those that were never sent, not even once.
pub fn never_sent(socket: impl AsFd) -> u64 {
    queue_length(socket.as_fd(), SIOCOUTQNSD)
}

/// Bytes that have arrived and were not read (`SIOCINQ`, tcp(7)); 0 where the kernel has no answer.
pub fn unread(socket: impl AsFd) -> u64 {
    queue_length(socket.as_fd(), libc::FIONREAD)
}

/// `struct tcp_info` (tcp(7), `TCP_INFO`), as much as this kernel has of it; none for other sockets.
/// `wire::tcp_info` reads it.
pub fn tcp_info(socket: impl AsFd) -> Option<Vec<u8>> {
    crate::sockopt::get(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_INFO).ok()
}

/// The state of a TCP connection by the kernel's number (include/net/tcp_states.h: 1 is ESTABLISHED); none for other
/// sockets.
pub fn tcp_state(socket: impl AsFd) -> Option<u8> {
    tcp_info(socket)?.first().copied()
}

/// How many bytes a pipe takes at once without waiting, once poll says that it takes any: `PIPE_BUF`, pipe(7).
pub const PIPE_TAKES: usize = libc::PIPE_BUF;

/// Whether `accept` failed for want of a descriptor, in this process or in the whole system.
pub fn is_out_of_descriptors(error: Errno) -> bool {
    error == Errno::MFILE || error == Errno::NFILE
}

fn queue_length(socket: BorrowedFd<'_>, request: libc::Ioctl) -> u64 {
    let mut length: libc::c_int = 0;
    // SAFETY: these requests write one int, to a place that is valid for it.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut length) };
    if result == 0 { u64::try_from(length).unwrap_or(0) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn queues_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (server, _) = listener.accept().expect("a client is there");
        client.write_all(b"hello").expect("room for five bytes");
        // Loopback delivers before write returns.
        assert_eq!(unread(&server), 5);
        assert_eq!((unacknowledged(&client), never_sent(&client)), (0, 0));
        assert_eq!(unread(&client), 0);
    }

    #[test]
    fn what_a_peer_does_not_take_is_unacknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (server, _) = listener.accept().expect("a client is there");
        client.set_nonblocking(true).expect("a socket");
        let mut written = 0;
        while let Ok(taken) = client.write(&[0; 65536]) {
            written += taken as u64;
        }
        let (waiting, unsent) = (unacknowledged(&client), never_sent(&client));
        assert!(unsent > 0 && unsent <= waiting, "{unsent} of {waiting} of {written}");
        assert!(unread(&server) > 0);
        drop(server); // with unread bytes: a reset
        while client.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {}
        assert_eq!(unacknowledged(&client), waiting, "counted after the reset as well");
    }

    /// What a Unix socket takes is with the peer at once, as what TCP has acknowledged.
    #[test]
    fn on_a_unix_socket_nothing_is_on_its_way() {
        let (mut client, server) = std::os::unix::net::UnixStream::pair().expect("a pair");
        client.write_all(b"hello").expect("room for five bytes");
        assert_eq!((unacknowledged(&client), never_sent(&client), unread(&server)), (0, 0, 5));
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let deaf = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
        udp.send_to(b"hello", deaf.local_addr().expect("bound")).expect("it leaves");
        assert_eq!(unacknowledged(&udp), 0);
    }

    #[test]
    fn the_state_is_that_of_the_protocol() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (server, _) = listener.accept().expect("a client is there");
        assert_eq!((tcp_state(&listener), tcp_state(&client)), (Some(10), Some(1)), "LISTEN, ESTABLISHED");
        drop(server);
        // Loopback delivers the FIN before close returns.
        assert_eq!(tcp_state(&client), Some(8), "CLOSE_WAIT");
        let (one, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        assert_eq!(tcp_state(&one), None);
    }

    #[test]
    fn a_pipe_has_no_tcp_queues() {
        let (_reader, writer) = std::io::pipe().expect("pipe");
        assert_eq!(unacknowledged(&writer), 0);
    }
}
