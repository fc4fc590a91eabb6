//! The program on the gauge: it sends and receives as programs do that now and then have something to say and wait for the
//! answer.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::datagram::{LEN, Message, Under, now};

/// The last hold, in delays of the link. A program on a host waits for two. Other things have run there meanwhile, so its
/// first steps miss the caches; this one, which does nothing else, finds itself in them. A hold of five delays makes it
/// as slow to wake up as such a program is after two.
const DELAYS: u32 = 5;
/// The first hold, and how much longer each is than the one before: something has to be known before the first packets
/// of the programs are on their way.
const FIRST_HOLD: Duration = Duration::from_micros(500);
const LONGER: u32 = 4;
/// Sleepers that sleep longer wake up hardly more slowly.
const LONGEST_HOLD: Duration = Duration::from_millis(50);
/// So many pairs follow each other at once; later ones have the pause before them, so that little is taken of anybody's
/// time.
const AT_FIRST: u32 = 8;
const PAUSE: Duration = Duration::from_millis(100);
/// How long an answer may take beyond its hold before it is given up.
const LIMIT: Duration = Duration::from_millis(500);

/// Exchanges datagrams with the link, from `address` to `other` and back, until `end` is readable: for a link with a
/// delay of about `delay`. The calling thread is in the gauge's network.
///
/// # Errors
/// When the socket fails.
pub(crate) fn run([address, other]: [SocketAddr; 2], delay: Duration, end: BorrowedFd<'_>) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    socket.connect(other)?;
    socket.set_nonblocking(true)?;
    let mut program = Program { socket, end, took: None };
    let longest = (DELAYS * delay).min(LONGEST_HOLD);
    let mut hold = FIRST_HOLD.min(longest);
    let mut pairs = 0;
    loop {
        // The first of a pair is sent by a program that was asleep to a link that is asleep, the second is an answer.
        let under = if hold < longest { Under::OtherConditions } else { Under::UsualConditions };
        let pause = if pairs < AT_FIRST { hold } else { PAUSE };
        if program.sleep(pause)? || program.exchange(hold, under)? || program.exchange(hold, under)? {
            return Ok(());
        }
        hold = (LONGER * hold).min(longest);
        pairs += 1;
    }
}

struct Program<'a> {
    socket: UdpSocket,
    end: BorrowedFd<'a>,
    /// How long the last answer was under way.
    took: Option<(Duration, Under)>,
}

impl Program<'_> {
    /// Sends a datagram and waits for it to come back. True: it is the end.
    fn exchange(&mut self, hold: Duration, under: Under) -> io::Result<bool> {
        let message = Message { sent: now(), hold, took: self.took.take(), under };
        self.socket.send(&message.to_bytes())?;
        let mut answer = [0; LEN];
        let mut watched =
            [PollFd::new(&self.socket, PollFlags::IN), PollFd::from_borrowed_fd(self.end, PollFlags::IN)];
        poll(&mut watched, Timespec::try_from(hold + LIMIT).ok().as_ref())?;
        let is_end = !watched[1].revents().is_empty();
        if let Ok(LEN) = self.socket.recv(&mut answer) {
            self.took = Some((Message::parse(&answer).age(), under));
        }
        Ok(is_end)
    }

    /// True: it is the end.
    fn sleep(&self, time: Duration) -> io::Result<bool> {
        let mut watched = [PollFd::from_borrowed_fd(self.end, PollFlags::IN)];
        Ok(poll(&mut watched, Timespec::try_from(time).ok().as_ref())? > 0)
    }
}
