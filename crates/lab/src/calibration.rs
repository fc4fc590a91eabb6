//! What it costs to get a packet from a program into the link and from the link into a program, where everybody sleeps
//! until it comes: measured once before the programs start, on a host and a link end of the lab itself, so that a
//! configured delay is what programs see and not what comes on top of it. Most of it is the waking of sleepers, some tens of
//! microseconds on a virtual machine.
//!
//! A socket on a host sends a datagram that says when it was sent; the loop's place is taken by [`measure`], which waits for it
//! as the loop does and sends one back that says the same. The host answers that at once, as a server does, so that what an
//! answer takes in itself counts too. Nobody else is on the network yet.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use wire::virtio_net;

use crate::forward::STAYS_AWAKE;

/// How many datagrams go each way.
const ROUNDS: usize = 7;
/// How long each side lets the other fall asleep: as long as it would for the delay that is to be corrected, because who sleeps
/// longer wakes up more slowly, but far longer than a processor waits for more before it rests, and not so long that anybody has
/// to wait for the lab.
const REST: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(5));
/// How long a datagram may take before all is given up.
const LIMIT: Duration = Duration::from_millis(500);
/// More than that is a machine with other things to do, not the cost of waking somebody.
const MOST: Duration = Duration::from_micros(300);

/// Two costs, each the median.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calibration {
    /// From a program's call until the sleeping link has the packet.
    pub entering: Duration,
    /// From the link's call until the sleeping program has it, and half of what an answer takes on top.
    pub leaving: Duration,
}

impl Calibration {
    /// As much of it as a delay can make up for.
    pub(crate) fn within(self, delay: Duration) -> Calibration {
        let leaving = self.leaving.min(delay);
        Calibration { entering: self.entering.min(delay - leaving), leaving }
    }
}

/// Measures on a host that has `address`, whose network the calling thread is in and whose link end is `link`; `other` is
/// an address on the other side. The link will have a delay of about `delay`. None where it could not be done.
pub(crate) fn measure(
    link: BorrowedFd<'_>,
    l2_len: usize,
    [address, other]: [SocketAddr; 2],
    delay: Duration,
) -> Option<Calibration> {
    let rest = delay.clamp(REST.0, REST.1);
    let socket = UdpSocket::bind(address).ok()?;
    socket.connect(other).ok()?;
    socket.set_read_timeout(Some(LIMIT)).ok()?;
    let (in_link, leaving) = thread::scope(|scope| {
        let host = thread::Builder::new().spawn_scoped(scope, || on_host(&socket, rest)).ok()?;
        let in_link = in_link(link, virtio_net::LEN + l2_len, rest);
        Some((in_link, host.join().ok()?))
    })?;
    if in_link.is_err() || leaving.is_err() {
        // A late datagram is not to be taken for a program's, and nobody is to complain that the socket is gone.
        thread::sleep(REST.0);
        while rustix::io::read(link, &mut [0; 256]).is_ok() {}
    }
    let Seen { entering, answered } = in_link.ok()?;
    // A round trip wakes the link once, and two programs; one of them has to answer.
    let leaving = (median(leaving.ok()?) + median(answered)) / 2;
    Some(Calibration { entering: median(entering), leaving })
}

/// What the link measures.
#[derive(Debug, Default)]
struct Seen {
    /// How long each datagram from the host was under way.
    entering: Vec<Duration>,
    /// How long it took until one to the host was answered.
    answered: Vec<Duration>,
}

/// Gives how long each datagram from the link was under way.
fn on_host(socket: &UdpSocket, rest: Duration) -> io::Result<Vec<Duration>> {
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        thread::sleep(rest);
        socket.send(&now().to_ne_bytes())?;
        let mut stamp = [0; 8];
        socket.recv(&mut stamp)?;
        let its = since(stamp);
        socket.send(&stamp)?;
        took.push(its);
    }
    Ok(took)
}

/// `ip` is where IP begins in what is read.
fn in_link(link: BorrowedFd<'_>, ip: usize, rest: Duration) -> io::Result<Seen> {
    let mut seen = Seen::default();
    for _ in 0..ROUNDS {
        let mut bytes = [0; 256];
        wait(link, LIMIT)?;
        let len = rustix::io::read(link, &mut bytes)?;
        let malformed = || io::Error::from(io::ErrorKind::InvalidData);
        let datagram = bytes.get_mut(..len).ok_or_else(malformed)?;
        seen.entering.push(since(*datagram.last_chunk().ok_or_else(malformed)?));
        turn_around(datagram, ip).ok_or_else(malformed)?;
        thread::sleep(rest);
        let stamp = now().to_ne_bytes();
        *datagram.last_chunk_mut().ok_or_else(malformed)? = stamp;
        rustix::io::write(link, datagram)?;
        // Awake for a while, as the loop stays.
        while since(stamp) < STAYS_AWAKE && wait(link, Duration::ZERO).is_err() {}
        wait(link, LIMIT)?;
        rustix::io::read(link, &mut bytes)?;
        seen.answered.push(since(stamp));
    }
    Ok(seen)
}

fn wait(link: BorrowedFd<'_>, limit: Duration) -> io::Result<()> {
    let limit = Timespec::try_from(limit).ok();
    match poll(&mut [PollFd::from_borrowed_fd(link, PollFlags::IN)], limit.as_ref())? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// Makes an IPv4 datagram one that goes back: addresses of Ethernet and IP and ports change places, which leaves the IP
/// header's checksum as it was, and it says that it has no other (RFC 768).
fn turn_around(datagram: &mut [u8], ip: usize) -> Option<()> {
    let (before, packet) = datagram.split_at_mut_checked(ip)?;
    let (vnet, ethernet) = before.split_at_mut_checked(virtio_net::LEN)?;
    vnet.fill(0);
    if let Some((destination, source)) = ethernet.get_mut(..12).and_then(|both| both.split_at_mut_checked(6))
    {
        destination.swap_with_slice(source);
    }
    let header = packet.get_mut(..28).filter(|header| header[0] == 0x45 && header[9] == 17)?;
    for (first, second, len) in [(12, 16, 4), (20, 22, 2)] {
        let (first, second) = header[first..second + len].split_at_mut(len);
        first.swap_with_slice(second);
    }
    header[26..28].fill(0);
    Some(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default().min(MOST)
}

/// The monotonic clock, which all processes share, in nanoseconds.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

fn since(stamp: [u8; 8]) -> Duration {
    Duration::from_nanos(now().saturating_sub(u64::from_ne_bytes(stamp)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_turned_around() {
        let mut datagram = vec![1; virtio_net::LEN];
        datagram.extend([2; 6]);
        datagram.extend([3; 6]);
        datagram.extend([8, 0]);
        datagram.extend([0x45, 0, 0, 36, 0, 0, 0x40, 0, 64, 17, 9, 9, 10, 0, 0, 2, 10, 0, 0, 1]);
        datagram.extend([0x9c, 0x40, 0, 9, 0, 16, 7, 7]);
        datagram.extend([5; 8]);
        assert_eq!(turn_around(&mut datagram, virtio_net::LEN + 14), Some(()));
        assert_eq!(datagram[..virtio_net::LEN], [0; virtio_net::LEN]);
        assert_eq!(datagram[10..22], [3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2]);
        assert_eq!(datagram[36..44], [10, 0, 0, 1, 10, 0, 0, 2]);
        assert_eq!(datagram[44..52], [0, 9, 0x9c, 0x40, 0, 16, 0, 0]);
        assert_eq!(datagram[52..], [5; 8]);
    }

    #[test]
    fn what_is_no_datagram_is_left_alone() {
        for len in 0..38 {
            assert_eq!(turn_around(&mut vec![0x45; len], virtio_net::LEN), None, "{len} bytes");
        }
        assert_eq!(turn_around(&mut [0; 100], virtio_net::LEN), None);
    }

    #[test]
    fn a_delay_makes_up_for_no_more_than_itself() {
        let micros = Duration::from_micros;
        let all = Calibration { entering: micros(40), leaving: micros(60) };
        assert_eq!(all.within(micros(1000)), all);
        assert_eq!(all.within(micros(80)), Calibration { entering: micros(20), leaving: micros(60) });
        assert_eq!(all.within(micros(10)), Calibration { entering: micros(0), leaving: micros(10) });
    }

    #[test]
    fn the_median_is_not_that_of_a_busy_machine() {
        let micros = |all: &[u64]| all.iter().copied().map(Duration::from_micros).collect();
        assert_eq!(median(micros(&[50, 9000, 40])), Duration::from_micros(50));
        assert_eq!(median(micros(&[9000])), MOST);
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }
}
