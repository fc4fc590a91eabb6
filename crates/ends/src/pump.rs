//! Carrying bytes between an open connection and two descriptors, both ways at once, to the end of the conversation.
//!
//! The end of a conversation: our input's end sends FIN, and reading goes on until the peer's FIN; all that came is
//! written out, and then it is over, whether or not our input has ended. Whatever waits (the peer, the output, the input)
//! stops only its own direction, so two ends that send at once do not wait for each other.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use kernel::socket;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use wire::{Address, Doing, End, Fault};

use self::block::Block;
use self::output::{Output, Wrote};
use crate::dial::Connected;
use crate::ending::{Ending, Sums, abort_at_close, unacknowledged};
use crate::engine::timespec_until;
use crate::event::{Account, ClosedBy, Event};
use crate::stop::{Asked, Stop};

mod block;
mod output;

/// How long to wait between two looks at whether the peer has acknowledged everything, at first and at most.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(50);

/// Makes what is written for the bytes of one arrival.
pub type Show<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// What to carry and when to stop.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Where the bytes to be sent come from. Its flags are never changed: others may share it.
    pub input: Option<BorrowedFd<'a>>,
    /// Where the received bytes go. Its flags are never changed either.
    pub output: Option<BorrowedFd<'a>>,
    /// What is written for received bytes where it is not these themselves: records, or text that is safe on a terminal.
    pub shown: Option<Show<'a>>,
    /// Received bytes are told as [`Event::Data`] of client 1.
    pub tell_data: bool,
    /// Throw away what is received, and end once the input has ended and the peer has acknowledged all of it.
    pub send_only: bool,
    /// Send nothing and leave the input alone.
    pub recv_only: bool,
    /// Send no FIN at the input's end.
    pub keep_half_open: bool,
    /// How long the peer may go on after our input's end; none: as long as it likes.
    pub linger: Option<Duration>,
}

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Both ends have closed, or the connection broke: the account says how.
    Closed,
    /// Everything was sent and acknowledged, and nothing else was wanted (`send_only`).
    Sent,
    /// The time of `linger` ran out.
    LingerEnded,
    /// Nobody reads our output any more.
    OutputClosed,
    /// We were asked to stop.
    Interrupted(Asked),
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why it is over.
    pub over: Over,
    /// The account. Its unsent bytes are all that were read from the input and not acknowledged.
    pub account: Account,
    /// Of the unsent bytes those that never left this machine: they are still in our buffer or the kernel's.
    pub never_sent_bytes: u64,
    /// The output was left in the middle of something: what comes next there would stand in the middle of it too.
    pub output_was_cut: bool,
}

/// Carries bytes until the conversation is over, and closes the connection.
///
/// # Errors
/// When the input cannot be read or the output not written. What happens to the connection is no error: it is in the
/// account.
pub fn run(
    connected: Connected,
    options: Options<'_>,
    stop: Option<&Stop>,
    tell: &dyn Fn(Event),
) -> Result<Outcome, Fault> {
    let mut pump = Pump::new(&connected, options, tell);
    let result = pump.carry(stop);
    let outcome = match result {
        Ok(over) => Ok(pump.outcome(over)),
        Err(fault) => {
            // What was not read or written is missing: the peer must not take the rest for everything.
            abort_at_close(connected.as_fd());
            Err(fault)
        }
    };
    drop(connected);
    outcome
}

struct Pump<'a> {
    socket: BorrowedFd<'a>,
    remote: &'a Address,
    options: Options<'a>,
    tell: &'a dyn Fn(Event),
    opened: Instant,
    /// None once it has ended.
    input: Option<BorrowedFd<'a>>,
    output: Option<Output<'a>>,
    /// Read from the input, to be sent.
    to_peer: Block,
    /// Received, to be written out, or what is shown for it.
    to_output: Block,
    /// What was received where something else is shown for it, kept until that is written.
    received: Block,
    in_bytes: u64,
    out_bytes: u64,
    fin_sent: bool,
    peer_ended: bool,
    first_to_close: Option<ClosedBy>,
    broken: Option<Errno>,
    linger_ends: Option<Instant>,
    next_look: Duration,
}

/// What poll said, by descriptor.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    input: bool,
    socket_in: bool,
    socket_out: bool,
    output: bool,
    output_is_gone: bool,
}

impl<'a> Pump<'a> {
    fn new(connected: &'a Connected, options: Options<'a>, tell: &'a dyn Fn(Event)) -> Pump<'a> {
        let input = options.input.filter(|_| !options.recv_only);
        // What is typed or made bit by bit leaves at once; a file goes in whole segments anyway.
        let comes_in_pieces = input.is_some_and(|input| !is_regular_file(input));
        let _ = socket2::SockRef::from(connected).set_tcp_nodelay(comes_in_pieces);
        Pump {
            socket: connected.as_fd(),
            remote: &connected.remote,
            options,
            tell,
            opened: Instant::now(),
            input,
            output: options.output.filter(|_| !options.send_only).map(Output::new),
            to_peer: Block::default(),
            to_output: Block::default(),
            received: Block::default(),
            in_bytes: 0,
            out_bytes: 0,
            fin_sent: false,
            peer_ended: false,
            first_to_close: None,
            broken: None,
            linger_ends: None,
            next_look: FIRST_LOOK,
        }
    }

    fn carry(&mut self, stop: Option<&Stop>) -> Result<Over, Fault> {
        if self.options.input.is_none() && !self.options.recv_only {
            self.input_ended();
        }
        loop {
            if let Some(over) = self.is_over() {
                return Ok(over);
            }
            let ready = self.wait(stop)?;
            if let Some(asked) = stop.and_then(Stop::take) {
                return Ok(Over::Interrupted(asked));
            }
            if ready.input {
                self.read_input()?;
            }
            if ready.socket_out || ready.input {
                self.send();
            }
            if ready.socket_in {
                self.receive();
            }
            if ready.output_is_gone {
                return Ok(Over::OutputClosed);
            }
            if (ready.output || ready.socket_in) && self.write_output(ready.output)? == Wrote::NobodyReads {
                return Ok(Over::OutputClosed);
            }
        }
    }

    fn is_over(&self) -> Option<Over> {
        if self.peer_ended && self.to_output.is_empty() {
            return Some(Over::Closed);
        }
        if self.options.send_only && self.has_sent_all() && unacknowledged(self.socket, self.fin_sent) == 0 {
            return Some(Over::Sent);
        }
        if self.linger_ends.is_some_and(|at| at <= Instant::now()) {
            return Some(Over::LingerEnded);
        }
        None
    }

    fn has_sent_all(&self) -> bool {
        self.input.is_none() && self.to_peer.is_empty()
    }

    /// Waits until something can go on. What cannot is not looked at: a peer that has closed would wake us for ever.
    fn wait(&mut self, stop: Option<&Stop>) -> Result<Ready, Fault> {
        let timeout = self.timeout();
        let can_send = !self.to_peer.is_empty() && self.broken.is_none();
        let can_receive = !self.peer_ended && self.to_output.is_empty();
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::OUT, can_send);
        wanted.set(PollFlags::IN, can_receive);
        let input = self.input.filter(|_| self.to_peer.is_empty() && self.broken.is_none());
        let can_write = !self.to_output.is_empty();
        let output_wanted = if can_write { PollFlags::OUT } else { PollFlags::empty() };

        let mut watched = Vec::with_capacity(4);
        watch(&mut watched, stop.map(AsFd::as_fd), PollFlags::IN);
        let input = watch(&mut watched, input, PollFlags::IN);
        let socket = watch(&mut watched, Some(self.socket).filter(|_| !wanted.is_empty()), wanted);
        // Also with nothing to write: poll(2) tells by POLLERR that the last reader of a pipe has gone.
        let output = watch(&mut watched, self.output.as_ref().map(Output::as_fd), output_wanted);
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                let at = self.remote.to_string();
                return Err(Fault::errno(End::Us, Doing::Receive, at, error.raw_os_error()));
            }
        }
        let said = |place: Option<usize>| place.map_or(PollFlags::empty(), |place| watched[place].revents());
        // An error or hang-up is found out by trying.
        let trouble = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        Ok(Ready {
            input: !said(input).is_empty(),
            socket_in: can_receive && said(socket).intersects(PollFlags::IN | trouble),
            socket_out: can_send && said(socket).intersects(PollFlags::OUT | trouble),
            output: can_write && !said(output).is_empty(),
            output_is_gone: said(output).contains(PollFlags::ERR),
        })
    }

    fn timeout(&mut self) -> Option<Timespec> {
        let mut until = self.linger_ends;
        if self.options.send_only && self.has_sent_all() {
            // No event tells that the last acknowledgement has come.
            let look = Instant::now() + self.next_look;
            self.next_look = (self.next_look * 2).min(LAST_LOOK);
            until = Some(until.map_or(look, |until| until.min(look)));
        }
        until.map(timespec_until)
    }

    /// Reads input that poll says is there, so that the read does not wait.
    fn read_input(&mut self) -> Result<(), Fault> {
        let Some(input) = self.input else { return Ok(()) };
        match self.to_peer.fill(|space| rustix::io::read(input, space)) {
            Ok(0) => self.input_ended(),
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            // There is no standard input.
            Err(Errno::BADF) => self.input_ended(),
            Err(error) => {
                return Err(Fault::errno(End::You, Doing::Read, "standard input", error.raw_os_error()));
            }
        }
        Ok(())
    }

    fn input_ended(&mut self) {
        self.input = None;
        self.linger_ends = self.options.linger.map(|linger| Instant::now() + linger);
        self.send_fin_if_due();
    }

    fn send_fin_if_due(&mut self) {
        if !self.has_sent_all() || self.fin_sent || self.options.keep_half_open || self.broken.is_some() {
            return;
        }
        self.fin_sent = true;
        self.first_to_close.get_or_insert(ClosedBy::Us);
        if let Err(error) = shutdown(self.socket, Shutdown::Write) {
            self.broken = Some(error);
        }
    }

    fn send(&mut self) {
        while !self.to_peer.is_empty() && self.broken.is_none() {
            match self.to_peer.take(|bytes| send(self.socket, bytes, SendFlags::NOSIGNAL)) {
                Ok(sent) => self.out_bytes += sent as u64,
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                // What the peer sent before is still to be read.
                Err(error) => self.broken = Some(error),
            }
        }
        self.send_fin_if_due();
    }

    fn receive(&mut self) {
        let block = if self.options.shown.is_some() { &mut self.received } else { &mut self.to_output };
        let received =
            block.fill(|space| recv(self.socket, space, RecvFlags::empty()).map(|(length, _)| length));
        match received {
            Ok(0) => {
                self.peer_ended = true;
                self.first_to_close.get_or_insert(ClosedBy::Peer);
            }
            Ok(length) => {
                self.in_bytes += length as u64;
                self.show_and_tell();
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => {
                self.broken.get_or_insert(error);
                self.peer_ended = true;
            }
        }
    }

    /// What has just been received is told, and made into what is to be written.
    fn show_and_tell(&mut self) {
        let block = if self.options.shown.is_some() { &self.received } else { &self.to_output };
        if self.options.tell_data {
            let bytes = block.bytes().to_vec();
            (self.tell)(Event::Data { client: 1, remote: self.remote.clone(), bytes, whole_bytes: None });
        }
        if self.output.is_none() {
            self.to_output.clear();
        } else if let Some(shown) = self.options.shown {
            self.to_output.put(shown(block.bytes()));
        }
    }

    fn write_output(&mut self, is_ready: bool) -> Result<Wrote, Fault> {
        let Some(output) = &self.output else { return Ok(Wrote::Some) };
        output.write(&mut self.to_output, is_ready)
    }

    fn outcome(&self, over: Over) -> Outcome {
        let ending = match (over, self.broken) {
            (Over::Interrupted(_), _) => Ending::STOPPED,
            (_, Some(error)) => Ending::broken(error),
            (Over::Closed, None) => Ending::fin(self.first_to_close.unwrap_or(ClosedBy::Peer)),
            (Over::Sent | Over::LingerEnded | Over::OutputClosed, None) => {
                Ending::fin(self.first_to_close.unwrap_or(ClosedBy::Us))
            }
        };
        let sums = Sums {
            in_bytes: self.in_bytes,
            out_bytes: self.out_bytes,
            queued: self.to_peer.len() as u64,
            discarded: self.unwritten(),
            fin_sent: self.fin_sent,
            open: self.opened.elapsed(),
        };
        let mut account = ending.account(self.socket, &sums);
        // In order or not: what the peer has not acknowledged by now may never reach it.
        account.unsent_bytes = sums.queued + unacknowledged(self.socket, self.fin_sent);
        account.unread_bytes = sums.discarded + socket::unread(self.socket);
        ending.abort_what_was_cut(self.socket, &sums);
        let in_kernel = socket::never_sent(self.socket).saturating_sub(u64::from(self.fin_sent));
        let never_sent_bytes = sums.queued + in_kernel;
        let output_was_cut = !self.to_output.is_empty() && self.to_output.is_begun();
        Outcome { over, account, never_sent_bytes, output_was_cut }
    }

    /// How many received bytes did not get out; an arrival that is shown as something else counts as a whole.
    fn unwritten(&self) -> u64 {
        let block = if self.options.shown.is_some() { &self.received } else { &self.to_output };
        if self.to_output.is_empty() { 0 } else { block.len() as u64 }
    }
}

/// Adds a descriptor, if there is one, to those that poll is asked about; gives its place among them.
fn watch<'f>(watched: &mut Vec<PollFd<'f>>, fd: Option<BorrowedFd<'f>>, events: PollFlags) -> Option<usize> {
    watched.push(PollFd::from_borrowed_fd(fd?, events));
    Some(watched.len() - 1)
}

fn is_regular_file(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

#[cfg(test)]
mod tests;
