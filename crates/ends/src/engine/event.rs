//! Loops that never wait for one client. Each worker has one thread, one poll, one buffer to read into, and its sessions.
//!
//! The poll is edge-triggered: it tells once that something has changed. So a socket is read until it is empty, or put
//! on the list of those to go on with when others have waited long enough.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use mio::event::Event as Readiness;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, recv};
use wire::{Doing, End, Fault};

use self::sessions::{QUEUE, Sessions};
use super::Guest;
use super::door::{Door, Knock};
use crate::ending::Ending;
use crate::event::Event;
use crate::listen::Listener;
use crate::serve::{Server, Stage};
use crate::service::{Appetite, Arrival, Output, Service};
use crate::stop::{Stop, take_one};

mod sessions;

/// The tokens of what is no session: the bell, the request to stop, and below them the listeners.
const BELL: Token = Token(usize::MAX);
const STOP: Token = Token(usize::MAX - 1);
const LISTENERS: usize = usize::MAX - 2;

/// How many things that happened are taken from the kernel at once.
const EVENTS: usize = 1024;
/// How many clients are let in between two looks at everything else.
const ACCEPTS_AT_ONCE: usize = 64;
/// How many reads one client gets between two looks at everything else.
const READS_AT_ONCE: usize = 4;

/// One loop and all that it works on.
pub(crate) struct Worker<'a> {
    server: &'a Server<'a>,
    number: usize,
    door: Door<'a>,
    /// None once the server is stopping.
    listeners: Option<Arc<Vec<Listener>>>,
    /// For each listener: somebody may be waiting there whom no event will announce again.
    knocking: Vec<bool>,
    sessions: Sessions,
    service: Box<dyn Service>,
    count_only: bool,
    buffer: Box<[u8]>,
    /// Sessions to go on with before waiting.
    listed: Vec<usize>,
    grace_ends: Option<Instant>,
}

/// Makes the workers, before anybody is told that the server listens.
pub(crate) fn prepare<'a>(server: &'a Server<'a>, workers: usize) -> Result<Vec<Worker<'a>>, Fault> {
    (0..workers).map(|number| Worker::new(server, number)).collect()
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
        Ok(Worker {
            server,
            number,
            door: Door::new(server, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK),
            listeners: None,
            knocking: Vec::new(),
            sessions: Sessions::new(poll),
            service,
            count_only,
            buffer: vec![0; QUEUE].into_boxed_slice(),
            listed: Vec::new(),
            grace_ends: None,
        })
    }

    /// Serves until the server stops and the last session is over. The worker that takes the requests to stop ends last.
    fn run(&mut self, stop: Option<&Stop>) -> Result<(), Fault> {
        self.watch(stop).map_err(|error| cannot_poll(&error))?;
        let mut events = Events::with_capacity(EVENTS);
        let must_stay = || stop.is_some() && self.server.has_other_workers();
        while self.listeners.is_some() || !self.sessions.is_empty() || must_stay() {
            let timeout = self.next_look().map(|at| at.saturating_duration_since(Instant::now()));
            match self.sessions.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(cannot_poll(&error));
                }
                _ => {}
            }
            for readiness in &events {
                self.react(readiness, stop);
            }
            self.keep_time();
            self.go_on_with_listed();
            self.let_in();
        }
        Ok(())
    }

    fn watch(&mut self, stop: Option<&Stop>) -> std::io::Result<()> {
        let registry = self.sessions.poll.registry();
        let bell = self.server.places.bell(self.number).as_raw_fd();
        registry.register(&mut SourceFd(&bell), BELL, Interest::READABLE)?;
        if let Some(stop) = stop {
            registry.register(&mut SourceFd(&stop.as_fd().as_raw_fd()), STOP, Interest::READABLE)?;
        }
        for (place, listener) in self.listeners.iter().flat_map(|all| all.iter()).enumerate() {
            let token = Token(LISTENERS - place);
            registry.register(&mut SourceFd(&listener.as_fd().as_raw_fd()), token, Interest::READABLE)?;
            self.knocking.push(false);
        }
        Ok(())
    }

    /// When to stop waiting at the latest: now, if there is something to go on with.
    fn next_look(&self) -> Option<Instant> {
        let can_go_on = !self.listed.is_empty() || (!self.door.is_barred() && self.knocking.contains(&true));
        if can_go_on {
            return Some(Instant::now());
        }
        [self.door.retry_at(), self.grace_ends, self.sessions.linger_ends()].into_iter().flatten().min()
    }

    fn react(&mut self, readiness: &Readiness, stop: Option<&Stop>) {
        match readiness.token() {
            BELL => self.bell_rang(),
            STOP => {
                while let Some(asked) = stop.and_then(Stop::take) {
                    self.server.asked_to_stop(asked);
                }
            }
            Token(index) => match self.knocking.get_mut(LISTENERS - index) {
                Some(knocking) => *knocking = true,
                None => self.session_changed(index, readiness),
            },
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
            for listener in listeners.iter() {
                // It fails only for one that is not watched.
                let _ =
                    self.sessions.poll.registry().deregister(&mut SourceFd(&listener.as_fd().as_raw_fd()));
            }
            self.grace_ends = Some(Instant::now() + self.server.config.grace);
        }
        if stage == Stage::StoppingNow {
            self.stop_now();
        }
    }

    fn stop_now(&mut self) {
        self.grace_ends = None;
        self.sessions.end_all(Ending::STOPPED);
        self.bury();
    }

    /// What is due by the clock.
    fn keep_time(&mut self) {
        let times = [self.door.retry_at(), self.grace_ends, self.sessions.linger_ends()];
        if times == [None; 3] {
            return;
        }
        let now = Instant::now();
        self.door.unbar_if(false);
        if self.grace_ends.is_some_and(|at| at <= now) {
            self.stop_now();
        }
        self.sessions.end_lingering(now);
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

    /// Lets clients in. Whether more may be waiting.
    fn accept_from(&mut self, listener: &Listener) -> bool {
        for _ in 0..ACCEPTS_AT_ONCE {
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
        let index = match self.sessions.open(socket, client, guest.clone()) {
            Ok(index) => index,
            Err(error) => {
                self.server.places.give_back();
                let fault =
                    Fault::io(End::Us, Doing::Start, format!("a session for {}", guest.remote), &error);
                return (self.server.tell)(Event::Trouble(fault));
            }
        };
        super::tell_opened(self.server, client, local, guest);
        let mut output = Output::new();
        self.service.opened(client, guest.shape(), &mut output);
        self.sessions.perform(output, client, index);
        self.offer_room(index);
        self.bury();
    }

    fn session_changed(&mut self, index: usize, readiness: &Readiness) {
        let Some(session) = self.sessions.get(index) else { return };
        let is_broken = readiness.is_error();
        session.end_is_near |= readiness.is_read_closed() || is_broken;
        session.has_input |= readiness.is_readable() || session.end_is_near;
        if readiness.is_writable() || is_broken {
            self.room_again(index);
        }
        self.read(index);
        self.offer_room(index);
        self.bury();
    }

    /// Goes on with the sessions that were left with something to do, once each.
    fn go_on_with_listed(&mut self) {
        for index in std::mem::take(&mut self.listed) {
            if let Some(session) = self.sessions.get(index) {
                session.is_listed = false;
                self.read(index);
                self.offer_room(index);
                self.bury();
            }
        }
    }

    /// Reads what there is, but not for so long that others wait, and hands it to the service.
    fn read(&mut self, index: usize) {
        for _ in 0..READS_AT_ONCE {
            let Some(session) = self.sessions.get(index) else { return };
            // Room for less than a good read is waited for: the queue's last bytes will bring us back.
            let room = if session.closing { QUEUE } else { session.room() };
            if !session.has_input || session.peer_ended || session.is_over() || room == 0 {
                return;
            }
            let room = room.min(self.buffer.len());
            let flags = if self.count_only { RecvFlags::TRUNC } else { RecvFlags::empty() };
            match recv(&session.socket, &mut self.buffer[..room], flags) {
                Ok((_, 0)) => return self.peer_ended(index),
                Ok((_, length)) => {
                    // Less than there was room for: the socket is empty, and the next bytes are a new event.
                    session.has_input = length == room || session.end_is_near;
                    self.arrived(index, length);
                }
                Err(Errno::AGAIN) => return session.has_input = false,
                Err(Errno::INTR) => {}
                Err(error) => return self.sessions.end(index, Ending::broken(error)),
            }
        }
        self.list(index);
    }

    fn arrived(&mut self, index: usize, length: usize) {
        let Some(session) = self.sessions.get(index) else { return };
        if session.closing {
            session.discarded += length as u64;
            return;
        }
        session.in_bytes += length as u64;
        let client = session.client;
        let bytes = &self.buffer[..length.min(self.buffer.len())];
        if self.server.config.tells.data {
            super::tell_data(self.server, client, &session.guest.remote, bytes);
        }
        let arrival = if self.count_only { Arrival::Count(length as u64) } else { Arrival::Bytes(bytes) };
        let mut output = Output::new();
        self.service.received(client, arrival, &mut output);
        self.sessions.perform(output, client, index);
    }

    fn peer_ended(&mut self, index: usize) {
        self.sessions.peer_ended(index);
        let Some(session) = self.sessions.get(index) else { return };
        if session.is_over() || session.closing {
            return;
        }
        let client = session.client;
        let mut output = Output::new();
        self.service.ended(client, &mut output);
        self.sessions.perform(output, client, index);
        self.offer_room(index);
    }

    /// The socket takes bytes again: the queue first, then what the service has, then what waits to be read.
    fn room_again(&mut self, index: usize) {
        if self.sessions.flush(index) {
            self.offer_room(index);
        }
        if self.sessions.get(index).is_some_and(|session| session.has_input && session.room() > 0) {
            self.list(index);
        }
    }

    /// Asks the service for output while there is room for it, but not for so long that others wait.
    fn offer_room(&mut self, index: usize) {
        for _ in 0..READS_AT_ONCE {
            let room = self.sessions.output_room(index);
            let Some(session) = self.sessions.get(index).filter(|_| room > 0) else { return };
            let client = session.client;
            let mut output = Output::new();
            self.service.room(client, room, &mut output);
            if output.is_empty() {
                return;
            }
            self.sessions.perform(output, client, index);
        }
        self.list(index);
    }

    /// Puts a session on the list of those to go on with.
    fn list(&mut self, index: usize) {
        if let Some(session) = self.sessions.get(index).filter(|session| !session.is_listed) {
            session.is_listed = true;
            self.listed.push(index);
        }
    }

    /// Tells the end of every session that is over and frees its place.
    fn bury(&mut self) {
        while let Some((session, ending, sums)) = self.sessions.take_over() {
            let mut output = Output::new();
            self.service.gone(session.client, &mut output);
            let tells = self.server.config.tells.closed;
            let account = tells.then(|| ending.account(session.as_fd(), &sums));
            ending.abort_what_was_cut(session.as_fd(), &sums);
            let (client, Guest { transport, remote }) = (session.client.0, session.guest.clone());
            drop(session);
            self.server.places.give_back();
            if let Some(account) = account {
                (self.server.tell)(Event::Closed { client, transport, remote, account });
            }
        }
    }
}

fn cannot_poll(error: &std::io::Error) -> Fault {
    Fault::io(End::Us, Doing::Accept, "any place", error)
}
