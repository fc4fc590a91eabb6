//! Opening a conversation: from a name to addresses, and from addresses to a socket.
//!
//! Several addresses of one host race as RFC 8305 (Happy Eyeballs v2) has it. Unix sockets have one address and
//! wait in line where the other end's queue is full. Whatever fails and may pass is tried again with growing
//! pauses, if that was asked for.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use wire::{Address, Cause, Doing, End, Fault, Transport};

use crate::address::{from_kernel, local};
use crate::engine::timespec_until;
use crate::event::Event;
use crate::listen::inherited::{Inherited, Nature};
use crate::options::{Phase, SocketOptions};
use crate::stop::{Asked, Stop};

mod attempt;
mod datagrams;
mod order;
mod race;
mod resolve;
#[cfg(test)]
mod tests;
mod unix;

pub use self::datagrams::dial_datagrams;
pub use self::resolve::{Family, resolve};

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One host, by TCP or UDP, at any of its addresses; they are in the order of the resolver (RFC 6724).
    Internet {
        /// What carries it.
        transport: Transport,
        /// Where.
        addresses: Vec<SocketAddr>,
    },
    /// A socket file or abstract name, by one of the Unix transports.
    Unix {
        /// What carries it.
        transport: Transport,
        /// Where.
        address: Address,
    },
    /// A connected socket that this process was started with.
    Inherited(u32),
}

/// How to call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How long each try may take, at all addresses together; none: as long as the kernel tries.
    pub timeout: Option<Duration>,
    /// The address to call from; none: the kernel chooses.
    pub source: Option<IpAddr>,
    /// The port to call from; none: the kernel chooses.
    pub source_port: Option<u16>,
    /// What else to set on the socket.
    pub socket: SocketOptions,
    /// Whether to try again.
    pub retry: Retry,
}

/// Trying again what may pass: nobody listens yet, no way there, no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many times more.
    pub times: u32,
    /// The pause before the second try; each further one is twice as long.
    pub first_pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { times: 0, first_pause: Duration::from_millis(250), longest_pause: Duration::from_secs(30) }
    }
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
    /// How long opening it took.
    pub times: Times,
}

/// How long opening took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// From the first try at the first address until it was open.
    pub connect: Duration,
}

/// What came of dialling.
#[derive(Debug)]
pub enum Dialled {
    /// It is open.
    Open(Connected),
    /// We were asked to stop before it was.
    Interrupted(Asked),
}

/// One call, with all its tries.
struct Call<'a> {
    options: &'a Options,
    began: Instant,
    /// When the time of this try is over.
    until: Option<Instant>,
    stop: Option<&'a Stop>,
    tell: &'a dyn Fn(Event),
}

/// What a wait ended with.
enum Waited {
    /// Some of the sockets are ready, by their places in the list; or the time to wake has come.
    Ready(Vec<usize>),
    Asked(Asked),
    /// The time for this try is over.
    TimedOut,
}

impl AsFd for Connected {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Target {
    /// One address, by TCP.
    pub fn tcp(address: SocketAddr) -> Target {
        Target::Internet { transport: Transport::Tcp, addresses: vec![address] }
    }
}

/// Opens a connection. Each failure but the one that is returned is told as [`Event::Trouble`]; each option that was asked
/// for as [`Event::OptionSet`].
///
/// # Errors
/// Where several addresses failed, the fault that says most: an answer before silence, silence before no way there; of
/// equal ones that of the last address. What the kernel answers is [`Cause::Errno`]; [`Cause::TimedOut`] when the time of
/// the options ran out.
pub fn dial(
    target: &Target,
    options: &Options,
    stop: Option<&Stop>,
    tell: &dyn Fn(Event),
) -> Result<Dialled, Fault> {
    let mut call = Call { options, began: Instant::now(), until: None, stop, tell };
    let mut pauses = options.retry.pauses();
    loop {
        call.until = options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let fault = match call.once(target) {
            Err(fault) => fault,
            dialled => return dialled,
        };
        let pause = if may_pass(&fault) { pauses.next() } else { None };
        let Some(again_at) = pause.and_then(|pause| Instant::now().checked_add(pause)) else {
            return Err(fault);
        };
        tell(Event::Trouble(fault));
        call.until = None;
        match call.wait(&[], PollFlags::OUT, Some(again_at)) {
            Waited::Asked(asked) => return Ok(Dialled::Interrupted(asked)),
            Waited::Ready(_) | Waited::TimedOut => {}
        }
    }
}

impl Retry {
    fn pauses(self) -> impl Iterator<Item = Duration> {
        let doubled = std::iter::successors(Some(self.first_pause), |pause| Some(pause.saturating_mul(2)));
        let times = usize::try_from(self.times).unwrap_or(usize::MAX);
        doubled.map(move |pause| pause.min(self.longest_pause)).take(times)
    }
}

impl Call<'_> {
    fn once(&self, target: &Target) -> Result<Dialled, Fault> {
        match target {
            Target::Internet { transport: Transport::Tcp, addresses } => race::run(addresses, self),
            Target::Unix { transport: transport @ (Transport::Unix | Transport::UnixSeqpacket), address } => {
                unix::connect(*transport, address, self)
            }
            Target::Inherited(number) => self.inherited(*number).map(Dialled::Open),
            Target::Internet { .. } | Target::Unix { .. } => Err(Fault {
                end: End::You,
                doing: Doing::Connect,
                at: target.to_string(),
                cause: Cause::Words("datagrams have no connection".into()),
            }),
        }
    }

    fn inherited(&self, number: u32) -> Result<Connected, Fault> {
        let Inherited { socket, transport, .. } =
            Inherited::take(number, Doing::Connect, &[Nature::Connection])?;
        let remote = from_kernel(rustix::net::getpeername(&socket).ok().flatten());
        let at = format!("fd:{number}");
        self.options.socket.apply(socket.as_fd(), transport, Phase::AfterBind, &at, self.tell)?;
        Ok(self.connected(socket, transport, remote))
    }

    fn connected(&self, socket: OwnedFd, transport: Transport, remote: Address) -> Connected {
        let local = local(&socket);
        Connected { socket, transport, local, remote, times: Times { connect: self.began.elapsed() } }
    }

    /// Waits for any of the sockets, for the time to wake, for the end of the time, for a request to stop.
    fn wait(&self, sockets: &[BorrowedFd<'_>], flags: PollFlags, wake_at: Option<Instant>) -> Waited {
        let first = [wake_at, self.until].into_iter().flatten().min();
        loop {
            let mut watched: Vec<PollFd<'_>> =
                sockets.iter().map(|socket| PollFd::from_borrowed_fd(*socket, flags)).collect();
            watched.extend(self.stop.map(|stop| PollFd::new(stop, PollFlags::IN)));
            let polled = poll(&mut watched, first.map(timespec_until).as_ref());
            if let Some(asked) = self.stop.and_then(Stop::take) {
                return Waited::Asked(asked);
            }
            let is_ready = |place: &usize| polled.is_ok() && !watched[*place].revents().is_empty();
            let ready: Vec<usize> = (0..sockets.len()).filter(is_ready).collect();
            if !ready.is_empty() {
                return Waited::Ready(ready);
            }
            let now = Instant::now();
            if self.until.is_some_and(|until| until <= now) {
                return Waited::TimedOut;
            }
            if wake_at.is_some_and(|wake_at| wake_at <= now) {
                return Waited::Ready(ready);
            }
        }
    }
}

/// As an address is shown: without the scheme.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Internet { addresses, .. } => match addresses.first() {
                Some(address) => write!(f, "{address}"),
                None => f.write_str("nowhere"),
            },
            Target::Unix { address, .. } => write!(f, "{address}"),
            Target::Inherited(number) => write!(f, "fd:{number}"),
        }
    }
}

/// Whether a later try may succeed: somebody may come to listen, a way there may come up.
fn may_pass(fault: &Fault) -> bool {
    let passing = [
        Errno::CONNREFUSED,
        Errno::CONNRESET,
        Errno::TIMEDOUT,
        Errno::HOSTUNREACH,
        Errno::NETUNREACH,
        Errno::HOSTDOWN,
        Errno::NETDOWN,
        // A socket file that is not there yet.
        Errno::NOENT,
    ];
    let is_passing = |errno| passing.iter().any(|passing| passing.raw_os_error() == errno);
    let passes = fault.cause == Cause::TimedOut || fault.raw_errno().is_some_and(is_passing);
    fault.doing == Doing::Connect && passes
}

/// Whose side a failed connect is on.
fn fault_of(address: &Address, errno: Errno) -> Fault {
    let end = match errno {
        Errno::CONNREFUSED | Errno::CONNRESET => End::Peer,
        Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN => End::Path,
        Errno::ACCESS | Errno::INVAL if is_the_routes(address, errno) => End::Path,
        _ => End::Us,
    };
    Fault::errno(end, Doing::Connect, address.to_string(), errno.raw_os_error())
}

/// Whether a route says no with this error: `prohibit` with EACCES, `blackhole` with EINVAL (ip-route(8)). Others give the
/// same for other reasons, so the kernel is asked for the way.
fn is_the_routes(address: &Address, errno: Errno) -> bool {
    let way = address.internet().map(|address| kernel::route::to(address.ip()));
    way.is_some_and(|way| way == Err(errno.raw_os_error()))
}

fn timed_out(at: String) -> Fault {
    Fault { end: End::Path, doing: Doing::Connect, at, cause: Cause::TimedOut }
}
