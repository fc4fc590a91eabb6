//! Carrying bytes between an open connection and two descriptors, both ways at once, to the end of the conversation.
//!
//! The end of a conversation: our input's end sends FIN, and reading goes on until the peer's FIN; all that came is
//! written out, and then it is over, whether or not our input has ended (unless the options say that the input goes
//! first). Whatever waits (the peer, the output, the input) stops only its own direction, so two ends that send at once do
//! not wait for each other.
//!
//! Where nothing has to look at the bytes, they are not copied: the kernel moves their pages through a pipe of our own.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use kernel::socket;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use wire::frame::Frame;
use wire::tcp_info::TcpInfo;
use wire::{Address, Doing, End, Fault, Transport};

use self::arrival::Arrivals;
use self::outgoing::Outgoing;
use self::output::Wrote;
use crate::dial::Connected;
use crate::ending::{Ending, Left, Sums, abort_at_close, first_at_their_fin, send_fin, take_error};
use crate::engine::timespec_until;
use crate::event::{Account, ClosedBy, Event, How};
use crate::shortage::{PAUSE, is_short_of_memory};
use crate::stop::{Asked, Stop};

mod arrival;
pub(crate) mod block;
mod conduit;
mod outgoing;
pub(crate) mod output;
pub(crate) mod source;
pub(crate) mod typed;

pub use self::source::{Input, Script};

/// How long to wait between two looks at whether the peer has acknowledged everything, at first and at most.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(50);

/// How long nothing has to come from a pipe, or be taken by the peer, before we leave behind the peer's FIN.
const PIPE_PAUSES: Duration = Duration::from_millis(500);

/// Makes what is written for the bytes of one arrival.
pub type Show<'a> = &'a dyn Fn(&[u8], Option<u64>) -> Vec<u8>;

/// Is handed all received bytes as they come; says when it has seen what it waits for.
pub type Expect<'a> = &'a mut dyn FnMut(&[u8]) -> bool;

/// What to carry and when to stop.
pub struct Options<'a> {
    /// Where the bytes to be sent come from.
    pub input: Input<'a>,
    /// A line of the input that is one of these words ends it, and is not sent.
    pub until: Vec<Vec<u8>>,
    /// LF is sent as CR LF, where it has no CR already.
    pub crlf: bool,
    /// Messages in the stream. [`Frame::Line`]: each text of a script is a line. [`Frame::Len32`]: each line of the input
    /// and each text of a script is sent as a message; each message received is a line for the output.
    pub frame: Frame,
    /// Where the received bytes go. Its flags are never changed: others may share it.
    pub output: Option<BorrowedFd<'a>>,
    /// What is written for received bytes where it is not these themselves: records, or text that is safe on a terminal.
    pub shown: Option<Show<'a>>,
    /// Received bytes are told as [`Event::Data`] of client 1.
    pub tell_data: bool,
    /// Ends the conversation once it says so.
    pub expect: Option<Expect<'a>>,
    /// Ends the conversation once the first arrival is written out.
    pub once: bool,
    /// Throw away what is received, and end once the input has ended and the peer has acknowledged all of it.
    pub send_only: bool,
    /// Send nothing and leave the input alone.
    pub recv_only: bool,
    /// Send no FIN at the input's end.
    pub keep_half_open: bool,
    /// At the peer's FIN it is over although the input has not ended, but for what a pipe says without a pause;
    /// otherwise the input is sent to its end.
    pub may_leave_open_input: bool,
    /// How long the peer may go on after our input's end; none: as long as it likes.
    pub linger: Option<Duration>,
    /// How long nothing may be said either way.
    pub idle: Option<Duration>,
    /// How long all may take.
    pub total: Option<Duration>,
    /// What the kernel knows of the connection is asked for at the end.
    pub want_tcp_info: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            input: Input::None,
            until: Vec::new(),
            crlf: false,
            frame: Frame::None,
            output: None,
            shown: None,
            tell_data: false,
            expect: None,
            once: false,
            send_only: false,
            recv_only: false,
            keep_half_open: false,
            may_leave_open_input: true,
            linger: None,
            idle: None,
            total: None,
            want_tcp_info: false,
        }
    }
}

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Both ends have closed, or the connection broke: the account says how.
    Closed,
    /// Everything was sent and acknowledged, and nothing else was wanted (`send_only`).
    Sent,
    /// What was expected has come.
    Expected,
    /// The first arrival is written out, and no other was wanted (`once`).
    Once,
    /// The time of `linger` ran out.
    LingerEnded,
    /// Nothing was said for the time of `idle`.
    IdleEnded,
    /// The time of `total` ran out.
    TotalEnded,
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
    /// The account. Bytes never sent are also those that were left in the input: of a file all to its end, of a pipe what
    /// waits in it.
    pub account: Account,
    /// The output was left in the middle of something: what comes next there would stand in the middle of it too.
    pub output_was_cut: bool,
    /// From the beginning to the first byte received.
    pub first_byte: Option<Duration>,
    /// How the other half stayed open after one end had sent its FIN; none where only one did.
    pub half_open: Option<HalfOpen>,
    /// The peer closed in order while there was more to send, and we left as we were to.
    pub input_was_cut: bool,
    /// The error by which the connection was found to be broken.
    pub errno: Option<i32>,
    /// What the kernel knew of the connection before it was closed, where that was wanted and is TCP.
    pub tcp_info: Option<TcpInfo>,
}

/// One half of the connection is closed, the other is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfOpen {
    /// When the first half closed, from the beginning.
    pub after: Duration,
    /// How long after that the other half did.
    pub lasted: Duration,
}

/// Carries bytes until the conversation is over, and closes the connection. What goes by is told as [`Event::Trouble`].
///
/// # Errors
/// When the input cannot be read or the output not written, and when what was received breaks the framing. What happens
/// to the connection is no error: it is in the account.
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

struct Pump<'o, 'c> {
    socket: BorrowedFd<'c>,
    transport: Transport,
    remote: &'c Address,
    tell: &'c dyn Fn(Event),
    rules: Rules,
    opened: Instant,
    outgoing: Outgoing<'o>,
    arrivals: Arrivals<'o, 'c>,
    out_bytes: u64,
    fin_sent: bool,
    peer_ended: bool,
    /// It hears nothing either: known of Unix sockets only, and after a reset.
    peer_is_gone: bool,
    closes: Closes,
    broken: Option<Errno>,
    /// The kernel had no memory for the connection: when it is tried again.
    memory_again: Option<Instant>,
    shortage_was_told: bool,
    linger_ends: Option<Instant>,
    last_said: Instant,
    next_look: Duration,
}

/// When to close and when to stop.
#[derive(Clone, Copy)]
struct Rules {
    send_only: bool,
    recv_only: bool,
    keep_half_open: bool,
    may_leave_open_input: bool,
    linger: Option<Duration>,
    idle: Option<Duration>,
    total: Option<Duration>,
    want_tcp_info: bool,
}

/// The FINs of both ends.
#[derive(Clone, Copy, Debug, Default)]
struct Closes {
    /// Who was first, as far as is known.
    first: Option<ClosedBy>,
    ours: Option<Instant>,
    /// When it was read.
    theirs: Option<Instant>,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Ours,
    Theirs,
}

impl Closes {
    fn note(&mut self, whose: Closing, first: ClosedBy) {
        self.first = Some(first);
        let at = if whose == Closing::Ours { &mut self.ours } else { &mut self.theirs };
        at.get_or_insert_with(Instant::now);
    }

    /// When the first of them was, and how long after it the second.
    fn half_open(&self, opened: Instant) -> Option<HalfOpen> {
        let (ours, theirs) = (self.ours?, self.theirs?);
        let (first, second) = (ours.min(theirs), ours.max(theirs));
        Some(HalfOpen { after: first - opened, lasted: second - first })
    }
}

/// What poll said, by descriptor.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    input: bool,
    socket_in: bool,
    socket_out: bool,
    socket_gone: bool,
    output: bool,
    output_is_gone: bool,
}

impl<'o, 'c> Pump<'o, 'c> {
    fn new(connected: &'c Connected, options: Options<'o>, tell: &'c dyn Fn(Event)) -> Pump<'o, 'c> {
        let rules = Rules::of(&options);
        let transport = connected.transport;
        let outgoing = Outgoing::of(&options, transport);
        // What is typed or made bit by bit leaves at once; a file goes in whole segments anyway.
        let _ = socket2::SockRef::from(connected).set_tcp_nodelay(!outgoing.is_of_file());
        let opened = Instant::now();
        Pump {
            socket: connected.as_fd(),
            transport,
            remote: &connected.remote,
            tell,
            rules,
            opened,
            outgoing,
            arrivals: Arrivals::of(options, connected, tell),
            out_bytes: 0,
            fin_sent: false,
            peer_ended: false,
            peer_is_gone: false,
            closes: Closes::default(),
            broken: None,
            memory_again: None,
            shortage_was_told: false,
            linger_ends: None,
            last_said: opened,
            next_look: FIRST_LOOK,
        }
    }

    fn carry(&mut self, stop: Option<&Stop>) -> Result<Over, Fault> {
        if self.outgoing.has_ended() && !self.rules.recv_only {
            self.input_has_ended();
        }
        loop {
            self.look_behind_both_fins();
            if let Some(over) = self.is_over() {
                return Ok(over);
            }
            let ready = self.wait(stop)?;
            if let Some(asked) = stop.and_then(Stop::take) {
                return Ok(Over::Interrupted(asked));
            }
            if ready.input && self.outgoing.read()? {
                self.input_has_ended();
            }
            if ready.socket_out || ready.input {
                self.send()?;
            }
            if ready.socket_in {
                self.receive()?;
            }
            if ready.socket_gone {
                self.hang_up();
            }
            if ready.output_is_gone {
                return Ok(Over::OutputClosed);
            }
            if (ready.output || ready.socket_in) && self.arrivals.write(ready.output)? == Wrote::NobodyReads {
                return Ok(Over::OutputClosed);
            }
        }
    }

    fn is_over(&self) -> Option<Over> {
        let all_written = self.arrivals.are_written();
        if let Some(over) = self.arrivals.verdict().filter(|_| all_written) {
            return Some(over);
        }
        let is_owed = self.rules.send_only && self.fin_sent && self.unacknowledged() > 0;
        let may_leave_open = self.rules.may_leave_open_input && !self.is_amid_a_pipe();
        let may_leave = may_leave_open || (self.has_sent_all() && !is_owed);
        let must_leave = self.broken.is_some() || self.peer_is_gone;
        if self.peer_ended && all_written && (may_leave || must_leave) {
            return Some(Over::Closed);
        }
        if self.rules.send_only && self.has_sent_all() && self.unacknowledged() == 0 {
            return Some(Over::Sent);
        }
        let now = Instant::now();
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_past(self.linger_ends) {
            return Some(Over::LingerEnded);
        }
        if is_past(self.total_ends()) {
            return Some(Over::TotalEnded);
        }
        is_past(self.idle_ends()).then_some(Over::IdleEnded)
    }

    /// Whether a pipe is in the middle of saying something that the peer, who has closed, may still hear. Nobody says
    /// when a pipe will say more: so it is left once it pauses, or the peer takes nothing.
    fn is_amid_a_pipe(&self) -> bool {
        if !self.outgoing.is_of_pipe() || self.broken.is_some() || self.peer_is_gone {
            return false;
        }
        let has_just_said = self.out_bytes > 0 && self.last_said.elapsed() < PIPE_PAUSES;
        has_just_said || (self.outgoing.is_empty() && self.outgoing.left_in_input() > 0)
    }

    fn pipe_pauses(&self) -> Option<Instant> {
        let waits = self.peer_ended && self.rules.may_leave_open_input && self.outgoing.is_of_pipe();
        (waits && self.out_bytes > 0 && self.arrivals.are_written()).then(|| self.last_said + PIPE_PAUSES)
    }

    /// Whoever waits behind both FINs for the last acknowledgement hears of a reset only by asking.
    fn look_behind_both_fins(&mut self) {
        let waits = self.rules.send_only && self.peer_ended && self.fin_sent && self.broken.is_none();
        if waits && self.unacknowledged() > 0 && crate::ending::is_over(self.socket) {
            self.broken = Some(take_error(self.socket).unwrap_or(Errno::CONNRESET));
        }
    }

    fn has_sent_all(&self) -> bool {
        self.outgoing.has_ended() && self.outgoing.is_empty()
    }

    /// Bytes handed to the kernel that have not arrived. Through a Unix socket they arrive at once, in the queue of the
    /// other end; what `SIOCOUTQ` gives there is memory, not bytes (unix(7)).
    fn unacknowledged(&self) -> u64 {
        match self.transport {
            Transport::Tcp => crate::ending::unacknowledged(self.socket, self.fin_sent),
            _ => 0,
        }
    }

    fn total_ends(&self) -> Option<Instant> {
        Some(self.opened + self.rules.total?)
    }

    fn idle_ends(&self) -> Option<Instant> {
        Some(self.last_said + self.rules.idle?)
    }

    /// Waits until something can go on. What cannot is not looked at: a peer that has closed would wake us for ever.
    fn wait(&mut self, stop: Option<&Stop>) -> Result<Ready, Fault> {
        let timeout = self.timeout();
        self.memory_again.take_if(|at| *at <= Instant::now());
        let has_memory = self.memory_again.is_none();
        let can_send = has_memory && !self.outgoing.is_empty() && self.broken.is_none();
        let can_receive = has_memory && !self.peer_ended && self.arrivals.are_written();
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::OUT, can_send);
        wanted.set(PollFlags::IN, can_receive);
        // Between the peer's FIN and ours only a reset or a hang-up can come: those are told without being asked for.
        let can_be_gone = self.peer_ended && !self.peer_is_gone && !self.fin_sent && self.broken.is_none();
        let can_read = self.outgoing.is_empty() && self.broken.is_none();
        let can_write = !self.arrivals.are_written();
        let output_wanted = if can_write { PollFlags::OUT } else { PollFlags::empty() };

        let mut watched = Vec::with_capacity(4);
        watch(&mut watched, stop.map(AsFd::as_fd), PollFlags::IN);
        let input = watch(&mut watched, self.outgoing.fd().filter(|_| can_read), PollFlags::IN);
        let socket = Some(self.socket).filter(|_| !wanted.is_empty() || can_be_gone);
        let socket = watch(&mut watched, socket, wanted);
        // Also with nothing to write: poll(2) tells by POLLERR that the last reader of a pipe has gone.
        let output = watch(&mut watched, self.arrivals.output_fd(), output_wanted);
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
        let text_is_due = self.outgoing.due().is_some_and(|due| can_read && due <= Instant::now());
        Ok(Ready {
            input: !said(input).is_empty() || text_is_due,
            socket_in: can_receive && said(socket).intersects(PollFlags::IN | trouble),
            socket_out: can_send && said(socket).intersects(PollFlags::OUT | trouble),
            socket_gone: can_be_gone && said(socket).intersects(trouble),
            output: can_write && !said(output).is_empty(),
            output_is_gone: said(output).contains(PollFlags::ERR),
        })
    }

    fn timeout(&mut self) -> Option<Timespec> {
        let due = self.outgoing.due().filter(|_| self.outgoing.is_empty() && self.broken.is_none());
        let ends = [self.linger_ends, self.total_ends(), self.idle_ends(), self.pipe_pauses()];
        let times = ends.into_iter().chain([self.memory_again, due]);
        let mut until = times.flatten().min();
        if self.rules.send_only && self.has_sent_all() {
            // No event tells that the last acknowledgement has come.
            let look = Instant::now() + self.next_look;
            self.next_look = (self.next_look * 2).min(LAST_LOOK);
            until = Some(until.map_or(look, |until| until.min(look)));
        }
        until.map(timespec_until)
    }

    fn input_has_ended(&mut self) {
        self.linger_ends = self.rules.linger.map(|linger| Instant::now() + linger);
        self.send_fin_if_due();
    }

    fn send_fin_if_due(&mut self) {
        if !self.has_sent_all() || self.fin_sent || self.broken.is_some() {
            return;
        }
        if self.rules.keep_half_open {
            // The end of a file may still wait for a full segment.
            let _ = socket2::SockRef::from(&self.socket).set_tcp_nodelay(true);
            return;
        }
        match send_fin(self.socket, self.closes.first) {
            Ok(first) => {
                self.fin_sent = true;
                self.closes.note(Closing::Ours, first);
            }
            Err(error) => self.broken = Some(error),
        }
    }

    fn send(&mut self) -> Result<(), Fault> {
        while !self.outgoing.is_empty() && self.broken.is_none() {
            match self.outgoing.send(self.socket) {
                Ok(sent) => {
                    self.out_bytes += sent as u64;
                    self.last_said = Instant::now();
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                // One message that is larger than any may be: it was not sent, and what follows would miss it.
                Err(Errno::MSGSIZE) => {
                    let at = self.remote.to_string();
                    return Err(Fault::errno(End::Us, Doing::Send, at, Errno::MSGSIZE.raw_os_error()));
                }
                Err(error) if is_short_of_memory(error) => {
                    self.wait_for_memory(Doing::Send, error);
                    return Ok(());
                }
                // What the peer sent before is still to be read.
                Err(error) => self.broken = Some(error),
            }
        }
        self.send_fin_if_due();
        Ok(())
    }

    fn receive(&mut self) -> Result<(), Fault> {
        match self.arrivals.receive(self.socket)? {
            Ok(0) => {
                self.peer_ended = true;
                let first = first_at_their_fin(self.socket, self.closes.first);
                self.closes.note(Closing::Theirs, first);
            }
            Ok(_) => self.last_said = Instant::now(),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) if is_short_of_memory(error) => self.wait_for_memory(Doing::Receive, error),
            Err(error) => {
                self.broken.get_or_insert(error);
                // Where messages are kept apart, Linux tells the error before what came ahead of it, and only once.
                self.peer_ended = !self.transport.keeps_messages() || socket::unread(self.socket) == 0;
            }
        }
        Ok(())
    }

    /// The kernel has no memory for the connection, which is no end of it: it is told once. Our own waiting is nobody's
    /// silence.
    fn wait_for_memory(&mut self, doing: Doing, error: Errno) {
        if !std::mem::replace(&mut self.shortage_was_told, true) {
            let at = self.remote.to_string();
            (self.tell)(Event::Trouble(Fault::errno(End::Us, doing, at, error.raw_os_error())));
        }
        let again = Instant::now() + PAUSE;
        (self.memory_again, self.last_said) = (Some(again), again);
    }

    /// Behind the peer's FIN came a reset, or its end of a Unix socket was closed as a whole.
    fn hang_up(&mut self) {
        self.peer_is_gone = true;
        let is_cut = !self.outgoing.is_empty();
        let error = take_error(self.socket).or_else(|| is_cut.then_some(Errno::PIPE));
        // What was taken before still counts.
        self.broken = error.or(self.broken);
    }

    fn outcome(&mut self, over: Over) -> Outcome {
        let ending = self.close(over);
        let tcp_info = Some(self.socket).filter(|_| self.rules.want_tcp_info).and_then(socket::tcp_info);
        let discarded = self.arrivals.unwritten();
        let sums = Sums {
            in_bytes: self.arrivals.in_bytes().saturating_sub(discarded),
            out_bytes: self.out_bytes,
            queued: self.outgoing.queued() + self.outgoing.left_in_input(),
            discarded,
            fin_sent: self.fin_sent,
            open: self.opened.elapsed(),
        };
        // In order or not: what the peer has not acknowledged by now may never reach it.
        let left = match self.transport {
            Transport::Tcp => Left::of(self.socket, self.fin_sent),
            _ => Left { unread: socket::unread(self.socket), ..Left::default() },
        };
        Outcome {
            over,
            account: ending.leaving_unread(self.socket, left.unread).account_with(&left, &sums),
            output_was_cut: self.arrivals.output_is_cut(),
            first_byte: self.arrivals.first().map(|first| first.duration_since(self.opened)),
            half_open: self.closes.half_open(self.opened),
            input_was_cut: self.broken.is_none() && self.cuts_input(over),
            errno: self.broken.map(Errno::raw_os_error),
            tcp_info: tcp_info.map(|bytes| TcpInfo::decode(&bytes)),
        }
    }

    /// Settles what the close of the socket will be: a reset where a FIN would pass for an end that it is not, else a
    /// FIN, which is sent at once, so that it is known who was first.
    fn close(&mut self, over: Over) -> Ending {
        let ending = self.ending(over);
        if self.broken.is_some() {
            return ending;
        }
        if self.outgoing.queued() > 0 || self.cuts_input(over) {
            abort_at_close(self.socket);
            return if self.closes.first.is_none() { ending.by_reset(self.socket) } else { ending };
        }
        let ending = ending.leaving_unread(self.socket, socket::unread(self.socket));
        if ending.how != How::Fin || self.closes.first.is_some() {
            return ending;
        }
        match send_fin(self.socket, None) {
            Ok(first) => {
                self.fin_sent = true;
                Ending::fin(first)
            }
            Err(_) => ending,
        }
    }

    /// Whether the peer has closed while there was more to send, and we leave.
    fn cuts_input(&self, over: Over) -> bool {
        over == Over::Closed && (self.outgoing.queued() > 0 || self.outgoing.left_in_input() > 0)
    }

    fn ending(&self, over: Over) -> Ending {
        let by_us = |how| Ending { closed_by: ClosedBy::Us, how };
        match (over, self.broken) {
            (Over::Interrupted(_), _) => Ending::STOPPED,
            (_, Some(error)) => Ending::broken(error),
            (Over::Closed, None) => Ending::fin(self.closes.first.unwrap_or(ClosedBy::Peer)),
            (Over::IdleEnded, None) => by_us(How::Idle),
            (Over::TotalEnded, None) => by_us(How::Limit),
            (Over::Sent | Over::Expected | Over::Once | Over::LingerEnded | Over::OutputClosed, None) => {
                Ending::fin(self.closes.first.unwrap_or(ClosedBy::Us))
            }
        }
    }
}

impl Rules {
    fn of(options: &Options<'_>) -> Rules {
        Rules {
            send_only: options.send_only,
            recv_only: options.recv_only,
            keep_half_open: options.keep_half_open,
            may_leave_open_input: options.may_leave_open_input,
            linger: options.linger,
            idle: options.idle,
            total: options.total,
            want_tcp_info: options.want_tcp_info,
        }
    }
}

/// Adds a descriptor, if there is one, to those that poll is asked about; gives its place among them.
pub(crate) fn watch<'f>(
    watched: &mut Vec<PollFd<'f>>,
    fd: Option<BorrowedFd<'f>>,
    events: PollFlags,
) -> Option<usize> {
    watched.push(PollFd::from_borrowed_fd(fd?, events));
    Some(watched.len() - 1)
}

#[cfg(test)]
mod tests;
