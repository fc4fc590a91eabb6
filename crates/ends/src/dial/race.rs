//! The addresses of one host against each other: RFC 8305 §5. Who is silent delays the next by a quarter of a second, who
//! fails not at all; the first to answer wins and the others are closed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use wire::{Cause, Doing, End, Fault};

use super::attempt::Attempt;
use super::order::interleaved;
use super::{Call, Connected, Dialled, Waited, timed_out};
use crate::event::Event;

/// The Connection Attempt Delay: RFC 8305 §5 and §8 recommend 250 ms.
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Attempts at several addresses; each with its place in the order of trying.
struct Race<'a> {
    call: &'a Call<'a>,
    waiting: VecDeque<(usize, SocketAddr)>,
    running: Vec<(usize, Attempt)>,
    failed: Vec<(usize, Fault)>,
    /// When the next attempt begins although others are running.
    next_at: Instant,
}

/// Connects to one of these.
///
/// # Errors
/// The fault that says most, when all have failed.
pub(super) fn run(addresses: &[SocketAddr], call: &Call<'_>) -> Result<Dialled, Fault> {
    let usable = of_the_sources_family(addresses, call)?;
    let waiting = interleaved(&usable).into_iter().enumerate().collect();
    let race = Race { call, waiting, running: Vec::new(), failed: Vec::new(), next_at: Instant::now() };
    race.run()
}

/// From an IPv4 address no IPv6 one can be called, and the other way round.
fn of_the_sources_family(addresses: &[SocketAddr], call: &Call<'_>) -> Result<Vec<SocketAddr>, Fault> {
    let fault = |at: String, words: &str| {
        Err(Fault { end: End::You, doing: Doing::Connect, at, cause: Cause::Words(words.into()) })
    };
    let Some(first) = addresses.first() else { return fault("nowhere".into(), "no address was given") };
    let Some(source) = call.options.source else { return Ok(addresses.to_vec()) };
    let usable: Vec<SocketAddr> =
        addresses.iter().copied().filter(|address| address.is_ipv6() == source.is_ipv6()).collect();
    match (usable.is_empty(), source.is_ipv6()) {
        (false, _) => Ok(usable),
        (true, true) => fault(first.to_string(), &format!("it is IPv4, and {source} is IPv6")),
        (true, false) => fault(first.to_string(), &format!("it is IPv6, and {source} is IPv4")),
    }
}

impl Race<'_> {
    fn run(mut self) -> Result<Dialled, Fault> {
        loop {
            while self.is_next_due() {
                self.begin_next();
            }
            if self.running.is_empty() {
                return Err(self.verdict());
            }
            let sockets: Vec<BorrowedFd<'_>> =
                self.running.iter().map(|(_, attempt)| attempt.as_fd()).collect();
            let wake_at = (!self.waiting.is_empty()).then_some(self.next_at);
            match self.call.wait(&sockets, PollFlags::OUT, wake_at) {
                Waited::Asked(asked) => return Ok(Dialled::Interrupted(asked)),
                Waited::TimedOut => return Err(self.timed_out()),
                Waited::Ready(ready) => {
                    if let Some(connected) = self.finish(&ready) {
                        return Ok(Dialled::Open(connected));
                    }
                }
            }
        }
    }

    fn is_next_due(&self) -> bool {
        !self.waiting.is_empty() && (self.running.is_empty() || self.next_at <= Instant::now())
    }

    fn begin_next(&mut self) {
        let Some((place, address)) = self.waiting.pop_front() else { return };
        self.next_at = Instant::now() + ATTEMPT_DELAY;
        match Attempt::begin(address, self.call) {
            Ok(attempt) => self.running.push((place, attempt)),
            Err(fault) => self.has_failed(place, fault),
        }
    }

    /// Sees what has come of those that are ready; the first of them that is open wins.
    fn finish(&mut self, ready: &[usize]) -> Option<Connected> {
        let (mut finished, mut running) = (Vec::new(), Vec::new());
        for (number, attempt) in std::mem::take(&mut self.running).into_iter().enumerate() {
            if ready.contains(&number) { finished.push(attempt) } else { running.push(attempt) }
        }
        self.running = running;
        for (place, attempt) in finished {
            match attempt.finish(self.call) {
                Ok(connected) => return Some(connected),
                Err(fault) => self.has_failed(place, fault),
            }
        }
        None
    }

    /// The next need not wait for its turn any more. The failure is told while others may still succeed.
    fn has_failed(&mut self, place: usize, fault: Fault) {
        self.next_at = Instant::now();
        if !self.running.is_empty() || !self.waiting.is_empty() {
            (self.call.tell)(Event::Trouble(fault.clone()));
        }
        self.failed.push((place, fault));
    }

    /// The fault that says most; of equal ones that of the address tried last. It does not depend on which failed when.
    fn verdict(mut self) -> Fault {
        let last = self.failed.last().map(|(place, _)| *place);
        self.failed.sort_by_key(|(place, fault)| (says(fault), *place));
        let Some((place, fault)) = self.failed.pop() else { return timed_out("nowhere".into()) };
        if last != Some(place)
            && let Some((_, untold)) = self.failed.into_iter().find(|(place, _)| last == Some(*place))
        {
            (self.call.tell)(Event::Trouble(untold));
        }
        fault
    }

    /// At the address that has been silent for longest.
    fn timed_out(&self) -> Fault {
        timed_out(self.running.first().map_or_else(String::new, |(_, attempt)| attempt.address.to_string()))
    }
}

/// How much a fault says about the host: it answered, it was silent, there is no way to it, this machine did not even try.
fn says(fault: &Fault) -> u8 {
    let Some(errno) = fault.raw_errno() else { return 0 };
    match Errno::from_raw_os_error(errno) {
        Errno::CONNREFUSED | Errno::CONNRESET => 4,
        Errno::TIMEDOUT => 3,
        Errno::HOSTUNREACH | Errno::HOSTDOWN => 2,
        Errno::ACCESS | Errno::PERM | Errno::INVAL => 2,
        Errno::NETUNREACH | Errno::NETDOWN => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(errno: Errno, at: &str) -> Fault {
        Fault::errno(End::Us, Doing::Connect, at, errno.raw_os_error())
    }

    fn verdict(failed: &[(usize, Errno)]) -> (String, usize) {
        let told = std::cell::RefCell::new(0);
        let tell = |_| *told.borrow_mut() += 1;
        let options = super::super::Options::default();
        let now = Instant::now();
        let call = Call { options: &options, began: now, until: None, stop: None, tell: &tell };
        let failed =
            failed.iter().map(|(place, errno)| (*place, fault(*errno, &place.to_string()))).collect();
        let (waiting, running) = (VecDeque::new(), Vec::new());
        let at = Race { call: &call, waiting, running, failed, next_at: now }.verdict().at;
        (at, told.into_inner())
    }

    #[test]
    fn the_delay_is_the_recommended_one() {
        assert_eq!(ATTEMPT_DELAY, Duration::from_millis(250), "RFC 8305 §5");
    }

    #[test]
    fn an_answer_says_more_than_silence_or_no_way() {
        let (refused, silent, no_way, none) =
            (Errno::CONNREFUSED, Errno::TIMEDOUT, Errno::NETUNREACH, Errno::AFNOSUPPORT);
        assert_eq!(verdict(&[(0, refused), (1, no_way)]), ("0".into(), 1), "the untold one is told");
        assert_eq!(
            verdict(&[(1, no_way), (0, refused)]),
            ("0".into(), 0),
            "the order in time does not matter"
        );
        assert_eq!(verdict(&[(0, silent), (1, none)]).0, "0");
        assert_eq!(verdict(&[(0, silent), (1, refused)]).0, "1");
    }

    #[test]
    fn of_equal_faults_the_last_address_counts() {
        let refused = Errno::CONNREFUSED;
        assert_eq!(verdict(&[(0, refused), (1, refused)]), ("1".into(), 0));
        assert_eq!(verdict(&[(1, refused), (0, refused)]), ("1".into(), 1));
    }
}
