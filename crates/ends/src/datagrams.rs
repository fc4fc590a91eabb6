//! A conversation by datagrams between an input, an output and whoever sends one: what `connect` and `listen` do where there
//! is no connection.
//!
//! Everybody who sends is a peer: numbered, shown, and answered. What goes wrong with one of them is told and ends nothing.
//! There is no FIN either: the end is silence, a count, a word, or a time.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use wire::frame::Frame;
use wire::{Address, Cause, Doing, End, Fault};

use self::addressing::{Addressed, Reach, addressed};
use self::arrivals::{Arrivals, Eyes};
use self::complaints::Complaints;
use self::input::{DatagramInput, Said};
use self::outbox::{Message, NoRoom, Outbox};
use self::peers::Peers;
use crate::address::{fitting, plain};
use crate::datagram_socket::{DatagramSocket, Received, shown};
use crate::engine::timespec_until;
use crate::event::{Account, ClosedBy, Event, How};
use crate::pump::output::Wrote;
use crate::pump::{Expect, Input, Over, watch};
use crate::shortage::{PAUSE, is_short_of_memory, is_want_of_room};
use crate::stop::Stop;

mod addressing;
mod arrivals;
mod complaints;
mod input;
mod outbox;
mod peers;
#[cfg(test)]
mod tests;

pub use self::arrivals::Arrival;
pub use self::peers::Admits;

/// How many datagrams are sent or received between two looks at everything else.
const AT_ONCE: usize = 64;

/// How many reports of one socket are told in one go.
const REPORTS_AT_ONCE: usize = 64;

/// When a socket that could not be read is read again.
const RETRY: Duration = Duration::from_millis(500);

/// What UDP's length field can say, without the headers in front: in IPv4, whose own are part of its length, and in IPv6
/// (RFC 768, RFC 791 §3.1, RFC 8200 §3).
const LONGEST_OVER_IPV4: usize = 65_507;
const LONGEST_OVER_IPV6: usize = 65_527;

/// Makes what is written for a datagram.
pub type Show<'a> = &'a dyn Fn(&Arrival<'_>) -> Vec<u8>;

/// What to send and receive, and when to stop.
#[derive(Default)]
pub struct Options<'a> {
    /// Where the datagrams to be sent come from: each line is one, its end included; each text of a script is one. A line
    /// that begins with `@` and an address goes there without these; every other one goes to the server, or where there is
    /// none to whoever spoke last.
    pub input: Input<'a>,
    /// A person types the input: an `@` in front of anything but an address is a mistake then, which is told and goes
    /// nowhere, and `@ TEXT` sends any text. Otherwise such a line is data, and sent as it is.
    pub by_hand: bool,
    /// A line of the input that is one of these words ends it, and is not sent.
    pub until: Vec<Vec<u8>>,
    /// LF is sent as CR LF, where it has no CR already.
    pub crlf: bool,
    /// [`Frame::Line`]: each text of a script is a line. Lengths in front belong into streams, and are not put here.
    pub frame: Frame,
    /// Where received datagrams go. Its flags are never changed: others may share it.
    pub output: Option<BorrowedFd<'a>>,
    /// What is written for a datagram where it is not its bytes.
    pub shown: Option<Show<'a>>,
    /// Datagrams are told as [`Event::Data`]; those that were cut always are.
    pub tell_data: bool,
    /// Who may speak; none: everybody. It is asked once about each peer that is not known.
    pub admits: Option<Admits<'a>>,
    /// Ends the conversation once it says so.
    pub expect: Option<Expect<'a>>,
    /// Ends the conversation once the first datagram is written out.
    pub once: bool,
    /// Leave what comes alone, and end once the input has ended.
    pub send_only: bool,
    /// Send nothing and leave the input alone.
    pub recv_only: bool,
    /// How long to wait for the first datagram; that none has come by then is a fault.
    pub patience: Option<Duration>,
    /// How long nothing may be said once the input has ended; none: that ends nothing.
    pub linger: Option<Duration>,
    /// How long nothing may be said either way.
    pub idle: Option<Duration>,
    /// How long all may take.
    pub total: Option<Duration>,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why it is over.
    pub over: Over,
    /// The account: [`How::Refused`] and [`How::Unreachable`] where the server was, and nobody ever said anything. Its
    /// unsent bytes never left this machine.
    pub account: Account,
    /// Datagrams received.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// How many have sent one.
    pub peers: u64,
    /// The output was left in the middle of something.
    pub output_was_cut: bool,
    /// From the beginning to the first datagram received.
    pub first_byte: Option<Duration>,
}

/// Sends and receives until it is over. `server` is whom the input goes to; without one it waits until somebody has spoken.
/// A new peer is told as [`Event::Opened`], what goes wrong with one as [`Event::Trouble`].
///
/// # Errors
/// When the input cannot be read or the output not written, and when nobody has spoken in the time of `patience`.
pub fn converse(
    socket: DatagramSocket,
    server: Option<Address>,
    options: Options<'_>,
    stop: Option<&Stop>,
    tell: &dyn Fn(Event),
) -> Result<Outcome, Fault> {
    let mut conversation = Conversation::new(socket, server, options, tell);
    let over = conversation.carry(stop);
    // What came back at once, as it does over loopback.
    conversation.hear_reports();
    conversation.complaints.finish();
    Ok(conversation.outcome(over?))
}

struct Conversation<'o, 'c> {
    socket: DatagramSocket,
    server: Option<Address>,
    reach: Reach,
    by_hand: bool,
    rules: Rules,
    peers: Peers<'o>,
    input: DatagramInput<'o>,
    outbox: Outbox,
    arrivals: Arrivals<'o, 'c>,
    complaints: Complaints<'c>,
    tell: &'c dyn Fn(Event),
    began: Instant,
    last_said: Instant,
    sent: u64,
    out_bytes: u64,
    unsent_bytes: u64,
    /// What became of what was sent to the server.
    server_error: Option<How>,
    /// The socket could not be read: when to try again.
    failed_until: Option<Instant>,
    unnamed_told: bool,
    /// Somebody has spoken who cannot be answered.
    unnamed_spoke: bool,
}

#[derive(Clone, Copy)]
struct Rules {
    send_only: bool,
    recv_only: bool,
    patience: Option<Duration>,
    linger: Option<Duration>,
    idle: Option<Duration>,
    total: Option<Duration>,
}

/// What poll said.
#[derive(Clone, Copy, Debug)]
struct Ready {
    /// When it was asked.
    asked: Instant,
    input: bool,
    arrived: bool,
    room: bool,
    trouble: bool,
    output: bool,
    output_is_gone: bool,
}

impl<'o, 'c> Conversation<'o, 'c> {
    fn new(
        socket: DatagramSocket,
        server: Option<Address>,
        options: Options<'o>,
        tell: &'c dyn Fn(Event),
    ) -> Conversation<'o, 'c> {
        let server = server.map(|server| fitting(server, &socket.address));
        let source = if options.recv_only { Input::None } else { options.input };
        let longest = input::longest(socket.transport);
        let input = DatagramInput::new(source, options.until, options.crlf, options.frame, longest);
        let eyes = Eyes {
            output: options.output.filter(|_| !options.send_only),
            shown: options.shown,
            expect: options.expect,
            once: options.once,
            tell_data: options.tell_data,
        };
        let now = Instant::now();
        Conversation {
            peers: Peers::new(server.as_ref(), options.admits),
            server,
            reach: Reach::of(socket.transport, &socket.address),
            socket,
            by_hand: options.by_hand,
            rules: Rules {
                send_only: options.send_only,
                recv_only: options.recv_only,
                patience: options.patience,
                linger: options.linger,
                idle: options.idle,
                total: options.total,
            },
            input,
            outbox: Outbox::default(),
            arrivals: Arrivals::of(eyes, tell),
            complaints: Complaints::new(tell),
            tell,
            began: now,
            last_said: now,
            sent: 0,
            out_bytes: 0,
            unsent_bytes: 0,
            server_error: None,
            failed_until: None,
            unnamed_spoke: false,
            unnamed_told: false,
        }
    }

    fn carry(&mut self, stop: Option<&Stop>) -> Result<Over, Fault> {
        loop {
            let ready = self.wait(stop)?;
            if let Some(asked) = stop.and_then(Stop::take) {
                return Ok(Over::Interrupted(asked));
            }
            if ready.trouble {
                self.hear_reports();
                // An error that stays at the socket would wake us for ever.
                let _ = rustix::net::sockopt::socket_error(&self.socket);
            }
            // Silence counts from the input's end.
            if ready.input && self.input.read(Instant::now())? {
                self.last_said = Instant::now();
            }
            // Before receiving: who has not been shown yet cannot be meant by what was typed.
            self.send(ready.room);
            if ready.arrived {
                self.receive();
                // What was waiting for somebody to speak goes out also if no more than that was wanted.
                self.send(false);
            }
            if ready.output_is_gone || self.arrivals.write(ready.output)? == Wrote::NobodyReads {
                return Ok(Over::OutputClosed);
            }
            if let Some(over) = self.is_over(&ready)? {
                return Ok(over);
            }
        }
    }

    fn is_over(&self, ready: &Ready) -> Result<Option<Over>, Fault> {
        if let Some(over) = self.arrivals.verdict().filter(|_| self.arrivals.are_written()) {
            return Ok(Some(over));
        }
        if self.rules.send_only && self.has_said_all() {
            return Ok(Some(Over::Sent));
        }
        // A time is over when it was before the last look, so that what had come by then has been seen.
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= ready.asked);
        if is_past(self.total_ends()) {
            return Ok(Some(Over::TotalEnded));
        }
        if ready.arrived || !self.arrivals.are_written() {
            return Ok(None);
        }
        if is_past(self.patience_ends()) {
            let at = self.socket.address.in_full(self.socket.transport);
            return Err(Fault { end: End::Path, doing: Doing::Accept, at, cause: Cause::TimedOut });
        }
        if is_past(self.linger_ends()) {
            return Ok(Some(Over::LingerEnded));
        }
        Ok(is_past(self.idle_ends()).then_some(Over::IdleEnded))
    }

    fn has_said_all(&self) -> bool {
        self.input.has_ended() && self.outbox.is_empty()
    }

    fn total_ends(&self) -> Option<Instant> {
        self.began.checked_add(self.rules.total?)
    }

    fn idle_ends(&self) -> Option<Instant> {
        self.last_said.checked_add(self.rules.idle?)
    }

    /// Where nothing is said from the beginning, its end is none.
    fn linger_ends(&self) -> Option<Instant> {
        let linger = self.rules.linger.filter(|_| !self.rules.recv_only && self.has_said_all())?;
        self.last_said.checked_add(linger)
    }

    fn patience_ends(&self) -> Option<Instant> {
        let patience = self.rules.patience.filter(|_| self.arrivals.first().is_none())?;
        self.began.checked_add(patience)
    }

    /// Waits until something can go on.
    fn wait(&self, stop: Option<&Stop>) -> Result<Ready, Fault> {
        let asked = Instant::now();
        let wants_input = self.outbox.is_empty();
        let due = self.input.due().filter(|_| wants_input);
        let timeout = self.next_look(asked, due).map(timespec_until);
        let has_failed = self.failed_until.is_some_and(|until| until > asked);
        let can_receive = !self.rules.send_only && !has_failed && self.arrivals.have_room();
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, can_receive);
        wanted.set(PollFlags::OUT, self.outbox.wants_room());
        let can_write = !self.arrivals.are_written();
        let output_wanted = if can_write { PollFlags::OUT } else { PollFlags::empty() };

        let mut watched: Vec<PollFd<'_>> = Vec::with_capacity(4);
        watch(&mut watched, stop.map(AsFd::as_fd), PollFlags::IN);
        let input = watch(&mut watched, self.input.fd().filter(|_| wants_input), PollFlags::IN);
        // Also with nothing wanted: that the network has reported something is told by POLLERR.
        let socket = watch(&mut watched, Some(self.socket.as_fd()), wanted);
        // As is that the last reader of a pipe has gone.
        let output = watch(&mut watched, self.arrivals.output_fd(), output_wanted);
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                let at = self.socket.address.in_full(self.socket.transport);
                return Err(Fault::errno(End::Us, Doing::Receive, at, error.raw_os_error()));
            }
        }
        let said = |place: Option<usize>| place.map_or(PollFlags::empty(), |place| watched[place].revents());
        let trouble = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        Ok(Ready {
            asked,
            input: !said(input).is_empty() || due.is_some_and(|due| due <= Instant::now()),
            arrived: can_receive && said(socket).intersects(PollFlags::IN | trouble),
            room: said(socket).contains(PollFlags::OUT),
            trouble: said(socket).intersects(trouble),
            output: can_write && !said(output).is_empty(),
            output_is_gone: said(output).contains(PollFlags::ERR),
        })
    }

    /// When to look again although nothing happens.
    fn next_look(&self, now: Instant, due: Option<Instant>) -> Option<Instant> {
        let ends = [self.total_ends(), self.idle_ends(), self.linger_ends(), self.patience_ends()];
        let send = match self.outbox.message() {
            Some(message) if self.recipient(message).is_some() => Some(self.outbox.retry_at().unwrap_or(now)),
            // It waits for somebody to speak.
            Some(_) => None,
            None if self.input.holds_something() => Some(now),
            None => due,
        };
        let retry = self.failed_until.filter(|until| *until > now);
        ends.into_iter().flatten().chain(send).chain(retry).min()
    }

    /// Sends what was said, as much as the kernel takes. `has_room`: poll said that it takes more.
    fn send(&mut self, has_room: bool) {
        for _ in 0..AT_ONCE {
            let now = Instant::now();
            if self.outbox.is_empty() {
                let Some(said) = self.input.next() else { return };
                self.put(said, now);
                self.tell_of_the_unnamed();
            }
            let may_try = self.outbox.is_empty() || self.outbox.may_try(now, has_room);
            if !may_try || !self.try_to_send(now) {
                return;
            }
        }
    }

    /// Puts into the outbox what can be sent, and tells of what cannot.
    fn put(&mut self, said: Said, now: Instant) {
        let bytes = match said {
            Said::TooLong(length) => {
                let is_script = self.input.is_script();
                let (at, what) =
                    if is_script { ("what is to be sent", "text") } else { ("standard input", "line") };
                let longest = input::longest(self.socket.transport);
                let words = format!(
                    "a {what} of {length} bytes is longer than the {longest} of a datagram; it was not sent"
                );
                return self.cannot_be_sent(Doing::Read, at, words, length, now);
            }
            Said::Datagram(bytes) => bytes,
        };
        if self.input.is_script() {
            return self.outbox.put(Message { to: None, bytes });
        }
        match addressed(&bytes, self.reach, self.by_hand) {
            Addressed::ToUsual(text) => self.outbox.put(Message { to: None, bytes: text.to_vec() }),
            Addressed::To(to, text) => {
                let to = Some(fitting(to, &self.socket.address));
                self.outbox.put(Message { to, bytes: text.to_vec() });
            }
            Addressed::Wrong(word, why) => {
                self.cannot_be_sent(Doing::Send, &word, why.to_owned(), bytes.len(), now);
            }
        }
    }

    /// The fault of whoever wrote it.
    fn cannot_be_sent(&mut self, doing: Doing, at: &str, words: String, length: usize, now: Instant) {
        self.unsent_bytes += length as u64;
        let fault = Fault { end: End::You, doing, at: at.to_owned(), cause: Cause::Words(words) };
        self.complaints.complain(fault, now);
    }

    /// Whom a message goes to; none as long as nobody has spoken.
    fn recipient<'m>(&'m self, message: &'m Message) -> Option<&'m Address> {
        message.to.as_ref().or(self.server.as_ref()).or(self.peers.last())
    }

    /// Tries to send what is in the outbox; whether it is empty now.
    fn try_to_send(&mut self, now: Instant) -> bool {
        let Some(message) = self.outbox.message() else { return true };
        let Some(to) = self.recipient(message).cloned() else { return false };
        match self.send_to(&to) {
            Ok(length) => {
                self.outbox.take();
                self.sent += 1;
                self.out_bytes += length as u64;
                self.last_said = now;
                true
            }
            Err(error) if is_want_of_room(error) => self.wait_for_room(&to, error, now),
            Err(error) => {
                self.cannot_send(&to, error, now);
                true
            }
        }
    }

    fn send_to(&mut self, to: &Address) -> Result<usize, Errno> {
        let from = self.peers.asked(to);
        for _ in 0..REPORTS_AT_ONCE {
            let Some(Message { bytes, .. }) = self.outbox.message() else { break };
            match self.socket.send(bytes, to, from) {
                Err(Errno::INTR) => {}
                // It is about a datagram that was sent before; this one was not tried.
                Err(error) if !is_want_of_room(error) && self.hear_reports() > 0 => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Whether it was given up.
    fn wait_for_room(&mut self, to: &Address, error: Errno, now: Instant) -> bool {
        let poll_tells = error == Errno::AGAIN && self.socket.transport.is_internet();
        match self.outbox.found_no_room(now, poll_tells) {
            NoRoom::Begins if is_short_of_memory(error) => {
                let at = shown(to).in_full(self.socket.transport);
                let fault = Fault::errno(End::Us, Doing::Send, at, error.raw_os_error());
                self.complaints.complain(fault, now);
                false
            }
            NoRoom::Begins | NoRoom::Waits => false,
            NoRoom::GiveUp => {
                let length = self.give_up();
                let at = shown(to).in_full(self.socket.transport);
                let words = format!("for too long there was no room for {length} bytes; they are dropped");
                let fault = Fault { end: End::Us, doing: Doing::Send, at, cause: Cause::Words(words) };
                self.complaints.complain(fault, now);
                true
            }
        }
    }

    /// What is in the outbox will not be sent; gives its length.
    fn give_up(&mut self) -> usize {
        let length = self.outbox.take().map_or(0, |message| message.bytes.len());
        self.unsent_bytes += length as u64;
        length
    }

    fn cannot_send(&mut self, to: &Address, error: Errno, now: Instant) {
        let length = self.give_up();
        match too_long(error, length, to) {
            Some(words) => {
                let at = shown(to).in_full(self.socket.transport);
                let fault = Fault { end: End::You, doing: Doing::Send, at, cause: Cause::Words(words) };
                self.complaints.complain(fault, now);
            }
            None => self.failed(to, End::Us, error.raw_os_error(), now),
        }
    }

    /// Tells what became of a datagram, and remembers it where it was for the server.
    fn failed(&mut self, to: &Address, end: End, errno: i32, now: Instant) {
        let to = shown(to);
        if self.server.as_ref().is_none_or(|server| shown(server) == to) {
            self.server_error = match Errno::from_raw_os_error(errno) {
                Errno::CONNREFUSED | Errno::NOENT => Some(How::Refused),
                Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::NETDOWN | Errno::NODEV => {
                    Some(How::Unreachable)
                }
                _ => self.server_error,
            };
        }
        let at = to.in_full(self.socket.transport);
        self.complaints.complain(Fault::errno(end, Doing::Send, at, errno), now);
    }

    /// Tells what the network has reported about what was sent; how many reports there were of that.
    fn hear_reports(&mut self) -> usize {
        let mut count = 0;
        for _ in 0..REPORTS_AT_ONCE {
            let Some(report) = self.socket.next_report() else { break };
            // What this machine itself could not send, the call has said that tried.
            if report.from_icmp {
                count += 1;
                let about = report.about.unwrap_or_else(|| self.socket.address.clone());
                self.failed(&about, End::Peer, report.errno, Instant::now());
            }
        }
        count
    }

    /// Takes what has come, as much as is written out in one go.
    fn receive(&mut self) {
        for _ in 0..AT_ONCE {
            if !self.arrivals.have_room() {
                return;
            }
            match self.socket.receive(self.arrivals.buffer()) {
                Ok(received) => self.take(&received),
                Err(Errno::AGAIN) => return self.failed_until = None,
                Err(Errno::INTR) => {}
                // It is about something that was sent; the socket is fine.
                Err(_) if self.hear_reports() > 0 => {}
                Err(error) => return self.cannot_receive(error),
            }
        }
    }

    /// One datagram; as many of its bytes as there was room for are in the buffer.
    fn take(&mut self, received: &Received) {
        let now = Instant::now();
        let is_answerable = self.socket.can_answer(&received.from);
        let Some(speaker) = self.peers.heard(received, is_answerable, now) else { return };
        (self.last_said, self.failed_until) = (now, None);
        let (from, local) = (shown(&received.from), self.socket.our_end(received.to));
        if speaker.is_new {
            let (client, transport) = (speaker.number, self.socket.transport);
            let (local, remote) = (local.clone(), from.clone());
            (self.tell)(Event::Opened { client, transport, local, remote });
        }
        self.unnamed_spoke |= !is_answerable;
        self.tell_of_the_unnamed();
        self.arrivals.take(speaker.number, speaker.is_new, &from, &local, received.length);
    }

    /// What is to be said waits for somebody who can be answered, and the last to speak cannot.
    fn tell_of_the_unnamed(&mut self) {
        let waits = self.outbox.message().is_some_and(|message| self.recipient(message).is_none());
        if waits && self.unnamed_spoke && !std::mem::replace(&mut self.unnamed_told, true) {
            let cause = Cause::Words("it has no address, so nothing can be sent to it".to_owned());
            let at = "an unnamed peer".to_owned();
            (self.tell)(Event::Trouble(Fault { end: End::Peer, doing: Doing::Send, at, cause }));
        }
    }

    /// Its interface may be gone, and come back.
    fn cannot_receive(&mut self, error: Errno) {
        let now = Instant::now();
        let goes_by = is_short_of_memory(error);
        let goes_on = self.failed_until.replace(now + if goes_by { PAUSE } else { RETRY }).is_some();
        if goes_by && goes_on {
            return;
        }
        let at = self.socket.address.in_full(self.socket.transport);
        self.complaints.complain(Fault::errno(End::Us, Doing::Receive, at, error.raw_os_error()), now);
    }

    fn outcome(&self, over: Over) -> Outcome {
        let received = self.arrivals.received();
        let silent = self.server_error.filter(|_| received == 0);
        let (closed_by, how) = match (over, silent) {
            (Over::Interrupted(_), _) => (ClosedBy::Us, How::Stopped),
            (_, Some(How::Unreachable)) => (ClosedBy::Path, How::Unreachable),
            (_, Some(how)) => (ClosedBy::Peer, how),
            (Over::LingerEnded | Over::IdleEnded, None) => (ClosedBy::Us, How::Idle),
            (Over::TotalEnded, None) => (ClosedBy::Us, How::Limit),
            (_, None) => (ClosedBy::Us, How::Fin),
        };
        let waiting = self.outbox.message().map_or(0, |message| message.bytes.len());
        let unsent_bytes = self.unsent_bytes + (waiting + self.input.held()) as u64;
        let account = Account {
            closed_by,
            how,
            in_bytes: self.arrivals.in_bytes().saturating_sub(self.arrivals.unwritten()),
            out_bytes: self.out_bytes,
            unsent_bytes,
            never_sent_bytes: unsent_bytes,
            unread_bytes: self.arrivals.unwritten(),
            open: self.began.elapsed(),
        };
        Outcome {
            over,
            account,
            received,
            sent: self.sent,
            peers: self.peers.count(),
            output_was_cut: self.arrivals.output_is_cut(),
            first_byte: self.arrivals.first().map(|first| first.duration_since(self.began)),
        }
    }
}

/// That a datagram is longer than any can be, in words; none where something else is wrong.
fn too_long(error: Errno, length: usize, to: &Address) -> Option<String> {
    let longest = match to {
        Address::Internet(to) if plain(*to).is_ipv4() => Some(LONGEST_OVER_IPV4),
        Address::Internet(_) => Some(LONGEST_OVER_IPV6),
        _ => None,
    };
    if error != Errno::MSGSIZE || longest.is_some_and(|longest| length <= longest) {
        return None;
    }
    Some(match longest {
        Some(longest) => format!("{length} bytes do not fit into a datagram, which holds at most {longest}"),
        None => format!("{length} bytes are more than the socket sends at once (SO_SNDBUF)"),
    })
}
