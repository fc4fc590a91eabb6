//! Loops that never wait for one client. Each worker has one thread, one poll, one buffer to read into, and its sessions.
//!
//! The poll is edge-triggered: it tells once that something has changed. So a socket is read until it is empty, or put
//! on the list of those to go on with when others have waited long enough.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::inbox::Inbox;
use mio::event::Event as Readiness;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, recv};
use wire::{Doing, End, Fault};

use self::clients::{Clients, Who};
use self::correspondence::LONGEST;
use self::datagrams::Datagrams;
use self::session::QUEUE;
use self::sessions::Sessions;
use self::void::Void;
use super::Guest;
use super::door::{Door, Knock};
use super::message::{self, Received};
use super::share::Share;
use crate::ending::Ending;
use crate::event::Event;
use crate::listen::{DatagramSocket, Listener};
use crate::operator::Operator;
use crate::serve::{Server, Sink, Stage};
use crate::service::{Appetite, Arrival, Output, Service};
use crate::shortage::is_short_of_memory;
use crate::stop::{Stop, take_one};

mod clients;
mod correspondence;
mod datagrams;
mod session;
mod sessions;
mod timers;
mod void;

/// The tokens of what is no session: the bell, the request to stop, the operator, and below them the sockets for
/// datagrams and the listeners.
const BELL: Token = Token(usize::MAX);
const STOP: Token = Token(usize::MAX - 1);
const OPERATOR: Token = Token(usize::MAX - 2);
const SOCKETS: usize = usize::MAX - 3;

/// How many things that happened are taken from the kernel at once.
const EVENTS: usize = 1024;
/// How many clients are let in between two looks at everything else.
const ACCEPTS_AT_ONCE: usize = 64;
/// How many reads one client gets between two looks at everything else.
const READS_AT_ONCE: usize = 4;
/// How much is read at once at most: a message or datagram longer than that is cut, in bytes. A page of it that no
/// arrival has ever reached costs no memory.
const BUFFER: usize = 256 * 1024;
/// How much is read at once where one client's bytes are work for all others, in bytes: few, so that many have their turn.
const READ_OF_SHARED: usize = 4096;
/// How soon it is looked again whether the lines of a service are taken.
const PRESSED: Duration = Duration::from_millis(5);

/// One loop and all that it works on.
pub(crate) struct Worker<'a> {
    server: &'a Server<'a>,
    number: usize,
    door: Door<'a>,
    /// None once the server is stopping.
    listeners: Option<Arc<Vec<Listener>>>,
    /// For each listener: somebody may be waiting there whom no event will announce again.
    knocking: Vec<bool>,
    clients: Clients<'a>,
    service: Box<dyn Service>,
    count_only: bool,
    is_shared: bool,
    shows_lines: bool,
    /// For count-only services, as long as there are descriptors for it.
    void: Option<Void>,
    buffer: Box<[u8]>,
    /// For datagrams of the internet; without it they are taken one by one.
    inbox: Option<Inbox>,
    /// Nobody takes the lines of the service: nobody is read until then, when it is looked again.
    pressed: Option<Instant>,
    /// The operator may have typed something that no event will announce again.
    has_typed: bool,
    grace_ends: Option<Instant>,
}

/// Makes the workers, before anybody is told that the server listens. Each socket for datagrams is one worker's: its peers
/// are known there.
pub(crate) fn prepare<'a>(
    server: &'a Server<'a>,
    workers: usize,
    datagrams: Vec<DatagramSocket>,
) -> Result<Vec<Worker<'a>>, Fault> {
    let mut workers: Vec<Worker<'a>> =
        (0..workers).map(|number| Worker::new(server, number)).collect::<Result<_, _>>()?;
    let count = workers.len().max(1);
    for (number, socket) in datagrams.into_iter().enumerate() {
        if let Some(worker) = workers.get_mut(number % count) {
            if worker.inbox.is_none() && socket.transport.is_internet() {
                worker.inbox = Inbox::new(LONGEST).ok();
            }
            worker.clients.datagrams.add(socket);
        }
    }
    Ok(workers)
}

/// Serves until stopped: the first worker in this thread, the others in threads of their own.
pub(crate) fn run(workers: Vec<Worker<'_>>, listeners: Vec<Listener>, stop: &Stop) -> Result<(), Fault> {
    let listeners = Arc::new(listeners);
    let mut workers = workers.into_iter();
    let Some(mut first) = workers.next() else { return Ok(()) };
    first.listeners = Some(Arc::clone(&listeners));
    std::thread::scope(|scope| {
        let server = first.server;
        let mut others = Vec::new();
        for mut worker in workers {
            worker.listeners = Some(Arc::clone(&listeners));
            let name = format!("worker {}", worker.number);
            let counted = server.count_worker();
            let work = move || {
                let _counted = counted;
                worker.run(None)
            };
            match std::thread::Builder::new().name(name).spawn_scoped(scope, work) {
                Ok(other) => others.push(other),
                Err(error) => {
                    let fault = Fault::io(End::Us, Doing::Start, "a worker's thread", &error);
                    (server.tell)(Event::Trouble(fault));
                }
            }
        }
        // From here on the workers alone hold the listeners: the last one to let go closes them.
        drop(listeners);
        let mut result = first.run(Some(stop));
        if result.is_err() {
            server.go_to(Stage::StoppingNow);
        }
        for other in others {
            let died = || Fault {
                end: End::Us,
                doing: Doing::Accept,
                at: "a worker".into(),
                cause: wire::Cause::Words("its thread panicked".into()),
            };
            result = result.and(other.join().unwrap_or_else(|_| Err(died())));
        }
        result
    })
}

impl<'a> Worker<'a> {
    fn new(server: &'a Server<'a>, number: usize) -> Result<Worker<'a>, Fault> {
        let poll = Poll::new().map_err(|error| cannot_poll(&error))?;
        let service = (server.config.service)();
        let count_only = service.appetite() == Appetite::CountOnly && !server.config.tells.data;
        let sessions = Sessions::new(server, poll);
        Ok(Worker {
            server,
            number,
            door: Door::new(server, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK),
            listeners: None,
            knocking: Vec::new(),
            clients: Clients::new(server, sessions, Datagrams::new(server)),
            is_shared: service.is_shared(),
            shows_lines: service.shows_lines(),
            service,
            count_only,
            void: count_only.then(Void::open).flatten(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            inbox: None,
            pressed: None,
            has_typed: false,
            grace_ends: None,
        })
    }

    /// Serves until the server stops and the last session is over. The worker that takes the requests to stop ends last.
    fn run(&mut self, stop: Option<&Stop>) -> Result<(), Fault> {
        self.watch(stop).map_err(|error| cannot_poll(&error))?;
        let mut events = Events::with_capacity(EVENTS);
        let must_stay = || stop.is_some() && self.server.has_other_workers();
        while self.listeners.is_some() || !self.clients.sessions.is_empty() || must_stay() {
            let timeout = self.next_look().map(|at| at.saturating_duration_since(Instant::now()));
            match self.clients.sessions.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(cannot_poll(&error));
                }
                _ => {}
            }
            self.clients.sessions.begin_round();
            for readiness in &events {
                self.react(readiness, stop);
            }
            self.keep_time();
            self.listen_to_operator();
            self.go_on_with_listed();
            self.correspond();
            self.let_in();
            self.clients.end_round();
        }
        Ok(())
    }

    fn watch(&mut self, stop: Option<&Stop>) -> std::io::Result<()> {
        let registry = self.clients.sessions.poll.registry();
        let bell = self.server.places.bell(self.number).as_raw_fd();
        registry.register(&mut SourceFd(&bell), BELL, Interest::READABLE)?;
        if let Some(stop) = stop {
            registry.register(&mut SourceFd(&stop.as_fd().as_raw_fd()), STOP, Interest::READABLE)?;
        }
        if let Some(operator) = self.server.config.operator.as_ref().filter(|_| self.number == 0) {
            let fd = operator.as_fd().as_raw_fd();
            registry.register(&mut SourceFd(&fd), OPERATOR, Interest::READABLE)?;
        }
        self.clients.datagrams.watch(registry, SOCKETS)?;
        let first = SOCKETS - self.clients.datagrams.count();
        for (place, listener) in self.listeners.iter().flat_map(|all| all.iter()).enumerate() {
            let token = Token(first - place);
            registry.register(&mut SourceFd(&listener.as_fd().as_raw_fd()), token, Interest::READABLE)?;
            self.knocking.push(false);
        }
        Ok(())
    }

    /// When to stop waiting at the latest: now, if there is something to go on with.
    fn next_look(&self) -> Option<Instant> {
        let can_let_in = !self.door.is_barred() && self.knocking.contains(&true);
        let can_go_on = self.clients.sessions.has_listed() || self.clients.datagrams.can_go_on();
        if (can_let_in || can_go_on || self.has_typed) && self.pressed.is_none() {
            return Some(Instant::now());
        }
        self.times().into_iter().flatten().min()
    }

    fn times(&self) -> [Option<Instant>; 5] {
        [
            self.door.retry_at(),
            self.grace_ends,
            self.pressed,
            self.clients.sessions.next_timer(),
            self.clients.datagrams.next_look(),
        ]
    }

    fn react(&mut self, readiness: &Readiness, stop: Option<&Stop>) {
        match readiness.token() {
            BELL => self.bell_rang(),
            STOP => {
                while let Some(asked) = stop.and_then(Stop::take) {
                    self.server.asked(asked);
                }
            }
            OPERATOR => self.has_typed = true,
            Token(index) => {
                let (socket, datagrams) = (SOCKETS - index, self.clients.datagrams.count());
                if socket < datagrams {
                    return self.clients.datagrams.changed(socket, readiness.is_error());
                }
                match self.knocking.get_mut(socket - datagrams) {
                    Some(knocking) => *knocking = true,
                    None => self.session_changed(index, readiness),
                }
            }
        }
    }

    /// A place or a descriptor is free, or the server goes on to its next stage.
    fn bell_rang(&mut self) {
        take_one(self.server.places.bell(self.number));
        self.door.unbar_if(true);
        let stage = self.server.stage();
        if stage >= Stage::Stopping
            && let Some(listeners) = self.listeners.take()
        {
            self.knocking.clear();
            let registry = self.clients.sessions.poll.registry();
            for listener in listeners.iter() {
                // It fails only for one that is not watched.
                let _ = registry.deregister(&mut SourceFd(&listener.as_fd().as_raw_fd()));
            }
            self.end_correspondence();
            self.grace_ends = Some(Instant::now() + self.server.config.grace);
        }
        if stage == Stage::StoppingNow {
            self.stop_now();
        }
    }

    fn stop_now(&mut self) {
        self.grace_ends = None;
        self.clients.sessions.end_all(Ending::STOPPED);
        self.bury();
    }

    /// Lines for the service, as long as there are any: the keyboard's end of the queue is short.
    fn listen_to_operator(&mut self) {
        while self.has_typed && !self.is_pressed() {
            let Some(line) = self.server.config.operator.as_ref().and_then(Operator::take) else {
                self.has_typed = false;
                return;
            };
            let mut output = Output::new();
            self.service.operator(&line, &mut output);
            self.clients.perform_all(output);
            self.bury();
        }
    }

    /// What is due by the clock.
    fn keep_time(&mut self) {
        if self.times() == [None; 5] {
            return;
        }
        let now = Instant::now();
        self.pressed.take_if(|at| *at <= now);
        self.door.unbar_if(false);
        if self.grace_ends.is_some_and(|at| at <= now) {
            self.stop_now();
        }
        self.clients.sessions.keep_time(now);
        self.bury();
    }

    fn let_in(&mut self) {
        let Some(listeners) = self.listeners.clone() else { return };
        for (place, listener) in listeners.iter().enumerate() {
            if self.knocking[place] && !self.door.is_barred() {
                self.knocking[place] = self.accept_from(listener);
            }
        }
    }

    /// Lets clients in, but while nobody takes the lines in which coming and going is told. Whether more may be waiting.
    fn accept_from(&mut self, listener: &Listener) -> bool {
        for _ in 0..ACCEPTS_AT_ONCE {
            if self.is_pressed() {
                return true;
            }
            match self.door.accept(listener) {
                Knock::Client(socket, guest) => self.begin(socket, &guest),
                Knock::Next => {}
                Knock::Nobody => return false,
                Knock::Barred => return true,
            }
        }
        true
    }

    fn begin(&mut self, socket: OwnedFd, guest: &Guest) {
        let client = self.server.next_client();
        let local = super::local_address(self.server, socket.as_fd());
        let index = match self.clients.sessions.open(socket, client, guest) {
            Ok(index) => index,
            Err(error) => {
                self.server.give_back(&guest.remote);
                let fault =
                    Fault::io(End::Us, Doing::Start, format!("a session for {}", guest.remote), &error);
                return (self.server.tell)(Event::Trouble(fault));
            }
        };
        super::tell_opened(self.server, client, local, guest);
        let mut output = Output::new();
        self.service.opened(client, guest.shape(), &mut output);
        self.clients.perform(output, client, Who::Session(index));
        self.offer_room(index);
        self.bury();
    }

    fn session_changed(&mut self, index: usize, readiness: &Readiness) {
        let Some(session) = self.clients.sessions.get(index) else { return };
        let is_broken = readiness.is_error();
        session.end_is_near |= readiness.is_read_closed() || is_broken;
        session.has_input |= readiness.is_readable() || session.end_is_near;
        if readiness.is_writable() || is_broken {
            self.room_again(index);
        }
        self.read(index);
        self.bury();
    }

    /// Goes on with the sessions that were left with something to do, once each.
    fn go_on_with_listed(&mut self) {
        if !self.clients.sessions.has_listed() || self.is_pressed() {
            return;
        }
        for index in self.clients.sessions.take_listed() {
            self.offer_room(index);
            self.read(index);
            self.bury();
        }
    }

    /// Whether the clients have to wait because nobody takes the lines of the service.
    fn is_pressed(&mut self) -> bool {
        let takes_more = || self.server.config.sink.as_deref().is_none_or(Sink::has_room);
        self.pressed = match self.shows_lines && !takes_more() {
            true => Some(Instant::now() + PRESSED),
            false => None,
        };
        self.pressed.is_some()
    }

    /// Reads what there is, but not for so long that others wait, and hands it to the service.
    fn read(&mut self, index: usize) {
        for _ in 0..if self.is_shared { 1 } else { READS_AT_ONCE } {
            let Some(session) = self.clients.sessions.get(index) else { return };
            // Room for less than a good read is waited for: the queue's last bytes will bring us back.
            let room = if session.closing && !session.lacks_memory { QUEUE } else { session.room() };
            if !session.has_input || session.peer_ended || session.is_over() || room == 0 {
                return;
            }
            if self.is_pressed() {
                break;
            }
            let room = if self.is_shared { room.min(READ_OF_SHARED) } else { room };
            let room = self.clients.sessions.allowed_to_take(index, room);
            if room == 0 {
                return;
            }
            match self.take(index, room) {
                Ok(Taken::End) => return self.peer_ended(index),
                Ok(Taken::Arrival { length, whole }) => {
                    self.arrived(index, length, whole);
                    self.serve_offered();
                }
                Err(Errno::AGAIN) => {
                    if let Some(session) = self.clients.sessions.get(index) {
                        session.has_input = false;
                    }
                    return;
                }
                Err(Errno::INTR) => {}
                Err(error) if is_short_of_memory(error) => {
                    return self.clients.sessions.wait_for_memory(index, Doing::Receive, error);
                }
                Err(error) => return self.clients.sessions.end(index, Ending::broken(error)),
            }
        }
        self.clients.sessions.list(index);
    }

    /// Takes from a socket what one call gives, and notes whether there may be more.
    fn take(&mut self, index: usize, room: usize) -> Result<Taken, Errno> {
        let Some(session) = self.clients.sessions.get(index) else { return Ok(Taken::End) };
        if session.keeps_messages() {
            return Ok(match message::receive(&session.socket, &mut self.buffer)? {
                Received::Message { length, whole } => Taken::Arrival { length, whole },
                Received::End => Taken::End,
            });
        }
        if session.is_bulk
            && let Some(void) = &mut self.void
        {
            // Only the rate limits what passes by without a copy.
            let at_most = if room < QUEUE { room } else { usize::MAX };
            match void.swallow(&session.socket, at_most) {
                Ok(0) => return Ok(Taken::End),
                Ok(length) => return Ok(Taken::Arrival { length: 0, whole: length }),
                Err(Errno::INVAL) => session.is_bulk = false,
                Err(error) => return Err(error),
            }
        }
        // tcp(7): MSG_TRUNC throws away what it counts. Other sockets copy it.
        let flags = if self.count_only { RecvFlags::TRUNC } else { RecvFlags::empty() };
        let room = room.min(self.buffer.len());
        let (_, length) = recv(&session.socket, &mut self.buffer[..room], flags)?;
        // Less than there was room for: the socket is empty, and the next bytes are a new event.
        session.has_input = length == room || session.end_is_near;
        session.is_bulk |= length == room;
        if length == 0 { Ok(Taken::End) } else { Ok(Taken::Arrival { length, whole: length }) }
    }

    /// `length` bytes are in the buffer, of `whole` that have come.
    fn arrived(&mut self, index: usize, length: usize, whole: usize) {
        self.clients.sessions.count_taken(index, whole);
        let Some(session) = self.clients.sessions.get(index) else { return };
        if session.closing {
            session.discarded += whole as u64;
            return;
        }
        let (shape, limits) = (session.guest.shape(), &self.server.config.limits);
        let share = Share::of(shape, limits, session.in_bytes, length, whole, self.count_only);
        session.in_bytes += share.taken;
        session.discarded += share.refused;
        let client = session.client;
        let bytes = &self.buffer[..share.shown];
        if self.server.config.tells.data && share.is_told() {
            let (client, remote, whole_bytes) = (client.0, session.guest.remote.clone(), share.cut_from);
            (self.server.tell)(Event::Data { client, remote, bytes: bytes.to_vec(), whole_bytes });
        }
        if share.is_for_the_service() {
            let arrival = if self.count_only { Arrival::Count(share.taken) } else { Arrival::Bytes(bytes) };
            let mut output = Output::new();
            self.service.received(client, arrival, &mut output);
            self.clients.perform(output, client, Who::Session(index));
            self.offer_room(index);
        }
        if share.refused > 0 {
            self.clients.sessions.end(index, Ending::LIMIT);
        }
    }

    fn peer_ended(&mut self, index: usize) {
        self.clients.sessions.peer_ended(index);
        let Some(session) = self.clients.sessions.get(index) else { return };
        if session.is_over() || session.closing {
            return;
        }
        let client = session.client;
        let mut output = Output::new();
        self.service.ended(client, &mut output);
        self.clients.perform(output, client, Who::Session(index));
        self.offer_room(index);
    }

    /// The socket takes bytes again: the queue first, then what the service has, then what waits to be read.
    fn room_again(&mut self, index: usize) {
        if self.clients.sessions.flush(index) {
            self.offer_room(index);
        }
        if self.clients.sessions.get(index).is_some_and(|session| session.has_input && session.room() > 0) {
            self.clients.sessions.list(index);
        }
    }

    /// Asks the service for output while there is room for it, but not for so long that others wait.
    fn offer_room(&mut self, index: usize) {
        for _ in 0..READS_AT_ONCE {
            let room = self.clients.sessions.output_room(index);
            let Some(session) = self.clients.sessions.get(index).filter(|_| room > 0) else { return };
            let client = session.client;
            let mut output = Output::new();
            self.service.room(client, room, &mut output);
            if output.is_empty() {
                return;
            }
            self.clients.perform(output, client, Who::Session(index));
        }
        self.clients.sessions.list(index);
    }

    /// Asks for the output of all for whom there is some, before more is read: whoever reads gets what others say before
    /// they say more.
    fn serve_offered(&mut self) {
        while let Some(index) = self.clients.next_offered() {
            self.offer_room(index);
        }
    }

    /// Sees off those who are over, and tells the others what that makes the service say.
    fn bury(&mut self) {
        loop {
            self.serve_offered();
            if !self.bury_those_over() {
                return;
            }
        }
    }

    /// Tells the end of every session that is over and frees its place. Whether there was any.
    fn bury_those_over(&mut self) -> bool {
        let mut was_any = false;
        while let Some((index, client)) = self.clients.sessions.next_over() {
            was_any = true;
            let mut output = Output::new();
            self.service.gone(client, &mut output);
            self.clients.perform(output, client, Who::Session(index));
            self.clients.forget(client);
            let Some((session, ending, sums)) = self.clients.sessions.remove(index) else { continue };
            let tells = self.server.config.tells.closed;
            let account = tells.then(|| ending.account(session.as_fd(), &sums));
            ending.abort_what_was_cut(session.as_fd(), &sums);
            let Guest { transport, remote } = session.guest.clone();
            drop(session);
            self.server.give_back(&remote);
            if let Some(account) = account {
                (self.server.tell)(Event::Closed { client: client.0, transport, remote, account });
            }
        }
        was_any
    }
}

/// What came of one read.
#[derive(Clone, Copy, Debug)]
enum Taken {
    End,
    Arrival { length: usize, whole: usize },
}

fn cannot_poll(error: &std::io::Error) -> Fault {
    Fault::io(End::Us, Doing::Accept, "any place", error)
}

#[cfg(test)]
mod tests;
