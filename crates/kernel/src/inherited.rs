//! Sockets that this process was started with, named by their numbers: `fd:3`, as systemd (sd_listen_fds(3)), inetd and
//! shells hand them on.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, getpeername, sockopt};
use wire::Transport;

/// The variables by which a supervisor hands over sockets. They are meant for this process only: its children should be
/// started without them.
pub const VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// The first descriptor that is handed over: `SD_LISTEN_FDS_START`.
const FIRST: u32 = 3;

/// More than anybody hands over; a number beyond it is a mistake.
const MOST: u32 = 1024;

/// One descriptor that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// Its number.
    pub fd: u32,
    /// The name that the supervisor gave it (systemd.socket(5), `FileDescriptorName=`).
    pub name: Option<String>,
}

/// What a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// What it carries; none for kinds of sockets that no address here names.
    pub transport: Option<Transport>,
    /// It waits for connections.
    pub is_listening: bool,
    /// It has another end.
    pub is_connected: bool,
}

/// The descriptors that a supervisor handed to this process, if it did: the variables are there, are meant for this
/// process, and the descriptors are open sockets. Nothing is changed.
pub fn listen_fds() -> Vec<Inherited> {
    let own = std::process::id();
    let mut handed = handed_over(own, |name| std::env::var_os(name));
    handed.retain(|socket| inherited(socket.fd).is_ok());
    handed
}

/// Makes an inherited socket this process's own: nobody else in it uses the number, and no program that it starts gets it.
/// The standard streams stay open beside it.
///
/// # Errors
/// `EBADF` where nothing was inherited under this number: what this process opened itself, and what it has taken once, is
/// close-on-exec, which nothing that came through `exec` can be. `ENOTSOCK` where it is something else than a socket.
pub fn take(number: u32) -> Result<OwnedFd, i32> {
    let (fd, socket) = inherited(number).map_err(Errno::raw_os_error)?;
    if fd <= 2 {
        return fcntl_dupfd_cloexec(socket, 3).map_err(Errno::raw_os_error);
    }
    fcntl_setfd(socket, FdFlags::CLOEXEC).map_err(Errno::raw_os_error)?;
    // SAFETY: the descriptor is open. It was inherited, so no value of this process owns it; and it is taken once, for from
    // now on it is close-on-exec and found no more.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What the inherited socket of this number is.
///
/// # Errors
/// As [`take`].
pub fn describe_number(number: u32) -> Result<Description, i32> {
    inherited(number).and_then(|(_, socket)| describe(socket)).map_err(Errno::raw_os_error)
}

/// What a socket is.
///
/// # Errors
/// `ENOTSOCK` for everything else.
pub fn describe(socket: impl AsFd) -> Result<Description, Errno> {
    let socket = socket.as_fd();
    let internet = matches!(sockopt::socket_domain(socket)?, AddressFamily::INET | AddressFamily::INET6);
    let unix = sockopt::socket_domain(socket)? == AddressFamily::UNIX;
    let transport = match sockopt::socket_type(socket)? {
        SocketType::STREAM if internet => Some(Transport::Tcp),
        SocketType::DGRAM if internet => Some(Transport::Udp),
        SocketType::STREAM if unix => Some(Transport::Unix),
        SocketType::DGRAM if unix => Some(Transport::UnixDgram),
        SocketType::SEQPACKET if unix => Some(Transport::UnixSeqpacket),
        _ => None,
    };
    let is_listening = sockopt::socket_acceptconn(socket)?;
    Ok(Description { transport, is_listening, is_connected: getpeername(socket).is_ok() })
}

/// A socket that came through `exec`.
fn inherited(number: u32) -> Result<(RawFd, BorrowedFd<'static>), Errno> {
    let fd = RawFd::try_from(number).map_err(|_| Errno::BADF)?;
    // SAFETY: only asked whether it is open; the calls below take any number but -1, which this cannot be.
    let socket = unsafe { BorrowedFd::borrow_raw(fd) };
    if fcntl_getfd(socket)?.contains(FdFlags::CLOEXEC) {
        return Err(Errno::BADF);
    }
    sockopt::socket_type(socket)?;
    Ok((fd, socket))
}

/// What the variables say, for the process with this id.
fn handed_over(own: u32, variable: impl Fn(&str) -> Option<OsString>) -> Vec<Inherited> {
    let [pid, count, names] = VARIABLES.map(variable);
    let whole = |text: Option<OsString>| text?.to_str()?.parse::<u32>().ok();
    if whole(pid) != Some(own) {
        return Vec::new();
    }
    let count = whole(count).unwrap_or(0).min(MOST);
    // sd_listen_fds_with_names(3): separated by colons, none of which a name has. A missing one is "unknown" there.
    let names = names.unwrap_or_default();
    let mut names = names.as_bytes().split(|byte| *byte == b':');
    let named = |fd| Inherited {
        fd,
        name: names
            .next()
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned()),
    };
    (FIRST..FIRST + count).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::{AsRawFd, IntoRawFd};
    use std::os::unix::net::{UnixDatagram, UnixStream};

    /// The number of a socket as a program finds it that was started with it.
    fn handed_on(socket: impl Into<OwnedFd>) -> u32 {
        let socket: OwnedFd = socket.into();
        fcntl_setfd(&socket, FdFlags::empty()).expect("it is open");
        u32::try_from(socket.into_raw_fd()).expect("a number")
    }

    fn from(own: u32, variables: &[(&str, &str)]) -> Vec<Inherited> {
        handed_over(own, |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn a_supervisor_hands_over_descriptors_to_the_process_that_it_names() {
        let named = |fd, name: Option<&str>| Inherited { fd, name: name.map(str::to_owned) };
        let mine = [("LISTEN_PID", "7"), ("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", "web::x")];
        assert_eq!(from(7, &mine), [named(3, Some("web")), named(4, None), named(5, Some("x"))]);
        assert_eq!(from(8, &mine), [], "meant for another");
        assert_eq!(from(7, &mine[1..]), [], "for nobody");
        assert_eq!(from(7, &[("LISTEN_PID", "7")]), []);
        assert_eq!(from(7, &[("LISTEN_PID", "7"), ("LISTEN_FDS", "1")]), [named(3, None)]);
        for nonsense in ["", "-1", "x", "4294967296"] {
            assert_eq!(from(7, &[("LISTEN_PID", "7"), ("LISTEN_FDS", nonsense)]), []);
        }
        assert_eq!(from(7, &[("LISTEN_PID", "7"), ("LISTEN_FDS", "4294967295")]).len(), 1024);
    }

    #[test]
    fn a_socket_is_taken_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound");
        let number = handed_on(listener);
        let taken = TcpListener::from(take(number).expect("it was handed on"));
        assert_eq!(taken.local_addr().expect("bound"), address);
        assert_eq!(take(number).err(), Some(Errno::BADF.raw_os_error()), "it has an owner now");
        TcpStream::connect(address).expect("it listens still");
    }

    #[test]
    fn what_this_process_opened_is_not_inherited() {
        let own = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let number = u32::try_from(own.as_raw_fd()).expect("a number");
        assert_eq!(take(number).err(), Some(Errno::BADF.raw_os_error()));
        assert_eq!(take(u32::MAX).err(), Some(Errno::BADF.raw_os_error()));
        assert_eq!(take(1_000_000).err(), Some(Errno::BADF.raw_os_error()));
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let number = handed_on(reader);
        assert_eq!(take(number).err(), Some(Errno::NOTSOCK.raw_os_error()));
        assert_eq!(describe_number(number).err(), Some(Errno::NOTSOCK.raw_os_error()));
    }

    #[test]
    fn sockets_say_what_they_are() {
        let of = |socket: OwnedFd| {
            let it = describe(socket).expect("a socket");
            (it.transport, it.is_listening, it.is_connected)
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        // In this order: the client of a closed listener is reset, and has no other end any more.
        assert_eq!(of(client.into()), (Some(Transport::Tcp), false, true));
        assert_eq!(of(listener.into()), (Some(Transport::Tcp), true, false));
        let udp = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        assert_eq!(of(udp.into()), (Some(Transport::Udp), false, false));
        let (stream, _) = UnixStream::pair().expect("a pair");
        assert_eq!(of(stream.into()), (Some(Transport::Unix), false, true));
        let datagrams = UnixDatagram::unbound().expect("a socket");
        assert_eq!(of(datagrams.into()), (Some(Transport::UnixDgram), false, false));
    }
}
