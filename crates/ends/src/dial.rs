//! Opening a connection: from a name to addresses, and from addresses, tried in order, to a socket.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use wire::{Address, Cause, Doing, End, Fault, Transport};

use crate::engine::timespec_until;
use crate::event::Event;
use crate::stop::{Asked, Stop};

/// Which addresses of a name are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// All.
    #[default]
    Any,
    /// IPv4 ones.
    V4,
    /// IPv6 ones.
    V6,
}

/// How to open a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How long all tries together may take; none: as long as the kernel tries.
    pub timeout: Option<Duration>,
    /// The address to connect from; none: the kernel chooses.
    pub source: Option<SocketAddr>,
}

/// An open connection. Its socket never waits (`O_NONBLOCK`).
#[derive(Debug)]
pub struct Connected {
    pub(crate) socket: OwnedFd,
    /// What carries it.
    pub transport: Transport,
    /// Our address.
    pub local: Address,
    /// The other end's.
    pub remote: Address,
}

/// What came of dialling.
#[derive(Debug)]
pub enum Dialled {
    /// It is open.
    Open(Connected),
    /// We were asked to stop before it was.
    Interrupted(Asked),
}

impl AsFd for Connected {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Family {
    fn wants(self, address: SocketAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Family::Any => "IP",
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }
}

/// The addresses of a host, in the order of the system's resolver. It waits for as long as the resolver does.
///
/// # Errors
/// When the name is unknown or has no address of this family.
pub fn resolve(host: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>, Fault> {
    let unknown = |words: String| Fault {
        end: End::You,
        doing: Doing::Resolve,
        at: host.into(),
        cause: Cause::Words(words),
    };
    let found = (host, port).to_socket_addrs().map_err(|error| unknown(plain_words(&error)))?;
    let mut addresses = Vec::new();
    for address in found.filter(|address| family.wants(*address)) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(unknown(format!("it has no {} address", family.name())));
    }
    Ok(addresses)
}

/// The resolver's own words, without what the standard library puts before them.
fn plain_words(error: &std::io::Error) -> String {
    let words = error.to_string();
    words.strip_prefix("failed to lookup address information: ").unwrap_or(&words).to_lowercase()
}

/// Tries the addresses in order until one answers. Each that fails before the last is told as [`Event::Trouble`].
///
/// # Errors
/// The last address's fault. `ECONNREFUSED` and what else the kernel answers as [`Cause::Errno`]; [`Cause::TimedOut`]
/// when the time of the options ran out.
pub fn dial(
    addresses: &[SocketAddr],
    options: Options,
    stop: Option<&Stop>,
    tell: &dyn Fn(Event),
) -> Result<Dialled, Fault> {
    let until = options.timeout.map(|timeout| Instant::now() + timeout);
    let mut failed = None;
    for address in addresses {
        if let Some(fault) = failed.take() {
            tell(Event::Trouble(fault));
        }
        match try_one(*address, options.source, until, stop) {
            Ok(dialled) => return Ok(dialled),
            Err(fault) if fault.cause == Cause::TimedOut => return Err(fault),
            Err(fault) => failed = Some(fault),
        }
    }
    Err(failed.unwrap_or_else(|| Fault {
        end: End::You,
        doing: Doing::Connect,
        at: "nowhere".into(),
        cause: Cause::Words("no address was given".into()),
    }))
}

fn try_one(
    address: SocketAddr,
    source: Option<SocketAddr>,
    until: Option<Instant>,
    stop: Option<&Stop>,
) -> Result<Dialled, Fault> {
    let failed = |doing: Doing| move |error: std::io::Error| fault_of(doing, address, &error);
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, None).map_err(failed(Doing::Socket))?;
    if let Some(source) = source {
        let unusable = |error| Fault::io(End::Us, Doing::Bind, source.to_string(), &error);
        socket.bind(&source.into()).map_err(unusable)?;
    }
    match socket.connect(&address.into()) {
        // EINTR: the connection goes on being made, as with EINPROGRESS (connect(2)).
        Err(error) if is_under_way(&error) => match wait_until_open(&socket, until, stop) {
            Waited::Done => {}
            Waited::Asked(asked) => return Ok(Dialled::Interrupted(asked)),
            Waited::TimedOut => {
                let at = address.to_string();
                return Err(Fault { end: End::Path, doing: Doing::Connect, at, cause: Cause::TimedOut });
            }
        },
        result => result.map_err(failed(Doing::Connect))?,
    }
    if let Some(error) = socket.take_error().map_err(failed(Doing::Connect))? {
        return Err(fault_of(Doing::Connect, address, &error));
    }
    let local = socket.local_addr().map_err(failed(Doing::Connect))?.as_socket().unwrap_or(address);
    if local == address {
        // Nobody listens, and the kernel chose the very port that we dial as ours: the socket has met itself by the
        // simultaneous open of RFC 9293 §3.5.
        return Err(fault_of(Doing::Connect, address, &Errno::CONNREFUSED.into()));
    }
    Ok(Dialled::Open(Connected {
        socket: socket.into(),
        transport: Transport::Tcp,
        local: local.into(),
        remote: address.into(),
    }))
}

fn is_under_way(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INPROGRESS | Errno::INTR))
}

enum Waited {
    Done,
    Asked(Asked),
    TimedOut,
}

fn wait_until_open(socket: &Socket, until: Option<Instant>, stop: Option<&Stop>) -> Waited {
    loop {
        let mut watched = vec![PollFd::new(socket, PollFlags::OUT)];
        watched.extend(stop.map(|stop| PollFd::new(stop, PollFlags::IN)));
        let ready = poll(&mut watched, until.map(timespec_until).as_ref());
        if let Some(asked) = stop.and_then(Stop::take) {
            return Waited::Asked(asked);
        }
        if ready.is_ok() && !watched[0].revents().is_empty() {
            return Waited::Done;
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Waited::TimedOut;
        }
    }
}

/// Whose side a failed connect is on.
fn fault_of(doing: Doing, address: SocketAddr, error: &std::io::Error) -> Fault {
    let end = match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED | Errno::CONNRESET) => End::Peer,
        Some(Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN) => End::Path,
        _ => End::Us,
    };
    Fault::io(end, doing, address.to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::net::TcpListener;

    fn loopback() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    fn closed_port() -> SocketAddr {
        TcpListener::bind(loopback()).and_then(|listener| listener.local_addr()).expect("loopback")
    }

    #[test]
    fn the_second_address_is_tried_when_the_first_refuses() {
        let listener = TcpListener::bind(loopback()).expect("loopback");
        let address = listener.local_addr().expect("bound");
        let told = RefCell::new(Vec::new());
        let tell = |event| told.borrow_mut().push(event);
        let dialled =
            dial(&[closed_port(), address], Options::default(), None, &tell).expect("the second answers");
        let Dialled::Open(connected) = dialled else { panic!("nobody asked to stop") };
        assert_eq!(connected.remote, address.into());
        assert!(matches!(told.borrow().as_slice(), [Event::Trouble(fault)] if fault.end == End::Peer));
    }

    #[test]
    fn a_closed_port_refuses() {
        let address = closed_port();
        let fault = dial(&[address], Options::default(), None, &|_| ()).expect_err("nobody listens");
        assert_eq!(
            (fault.end, fault.doing, fault.at.as_str()),
            (End::Peer, Doing::Connect, &*address.to_string())
        );
        assert_eq!(fault.raw_errno(), Some(Errno::CONNREFUSED.raw_os_error()));
    }

    #[test]
    fn a_full_queue_of_a_listener_times_out() {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.bind(&loopback().into()).and_then(|()| listener.listen(0)).expect("loopback");
        let address = listener.local_addr().expect("bound").as_socket().expect("IPv4");
        let options = Options { timeout: Some(Duration::from_millis(50)), source: None };
        // A backlog of 0 holds one connection; one more may stand before the queue.
        let mut held = Vec::new();
        let fault = loop {
            match dial(&[address], options, None, &|_| ()) {
                Ok(dialled) => held.push(dialled),
                Err(fault) => break fault,
            }
            assert!(held.len() < 10, "the queue is never full");
        };
        assert_eq!((fault.end, fault.cause), (End::Path, Cause::TimedOut));
    }

    #[test]
    fn a_request_to_stop_interrupts_dialling() {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.bind(&loopback().into()).and_then(|()| listener.listen(0)).expect("loopback");
        let address = listener.local_addr().expect("bound").as_socket().expect("IPv4");
        let (stop, handle) = Stop::by_handle().expect("a descriptor");
        let mut held = Vec::new();
        handle.stop();
        for _ in 0..10 {
            match dial(&[address], Options::default(), Some(&stop), &|_| ()).expect("it listens") {
                Dialled::Interrupted(asked) => return assert_eq!(asked, Asked { signal: None }),
                open => held.push(open),
            }
        }
        panic!("the queue is never full");
    }

    #[test]
    fn names_are_resolved_by_family() {
        let addresses = resolve("127.0.0.1", 80, Family::Any).expect("an address is its own name");
        assert_eq!(addresses, ["127.0.0.1:80".parse().expect("an address")]);
        let fault = resolve("127.0.0.1", 80, Family::V6).expect_err("it is an IPv4 address");
        assert_eq!(fault.doing, Doing::Resolve);
        resolve("host.invalid", 80, Family::Any).expect_err("RFC 6761 §6.4: never a name");
    }
}
