//! One service for all clients: where they reach each other, as in a chat.
//!
//! The service and the list of those who are there lie behind one lock, which is held for as long as the service thinks and
//! never for a call that waits. What it wants sent goes to the sockets at once, so that whoever reads has it before more is
//! said. What a socket does not take goes into its client's mailbox; the client's own thread empties that, waiting for its
//! socket and for the bell of its mailbox at once. So a client that does not read fills its own mailbox and stops nobody,
//! and everybody gets what is said in the same order.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::{EventfdFlags, PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use wire::{Address, Doing};

use super::ROOM_AGAIN;
use crate::ending::{Ending, Sums, abort_at_close, first_at_their_fin, send_fin};
use crate::engine::blocking::{Allowance, Ears, drain_until_fin};
use crate::engine::message::{self, Received};
use crate::engine::queue::Queue;
use crate::engine::share::Share;
use crate::engine::{Guest, timespec_until};
use crate::event::{ClosedBy, Event, How};
use crate::serve::{Limits, Server, Stage};
use crate::service::{Action, Arrival, Client, Line, Output, Service, Shape};
use crate::shortage::{PAUSE, is_short_of_memory};
use crate::stop::{counter, ring, take_one};

/// The service is asked for output, and the client is read, while no more than half of this waits for it, in bytes.
const QUEUE: usize = 64 * 1024;

/// What a service may put into one mailbox without being asked, in bytes. Whoever lets more wait is let go.
const QUEUE_AT_MOST: usize = 1024 * 1024;

/// How often the service is asked for one client's output before others have their turn.
const OFFERS_AT_ONCE: usize = 16;

/// How much of a stream is read at once, in bytes: few, for one client's bytes are work for all others.
const READ: usize = 4 * 1024;

/// The service of all, and those whom it serves.
pub(super) struct Shared<'s> {
    server: &'s Server<'s>,
    house: Mutex<House>,
}

struct House {
    service: Box<dyn Service>,
    members: HashMap<Client, Arc<Member>>,
}

/// One client, as the others see it.
struct Member {
    remote: Address,
    shape: Shape,
    socket: Arc<OwnedFd>,
    bell: OwnedFd,
    mailbox: Mutex<Mailbox>,
}

/// What a client is still to be sent, and what is to become of it.
#[derive(Debug, Default)]
struct Mailbox {
    queue: Queue,
    /// What the service said and found no place in the queue.
    refused: u64,
    out_bytes: u64,
    /// When something was sent last; kept where silence is limited.
    last_given: Option<Instant>,
    /// The service has more to say than it was asked for.
    asks: bool,
    half_closing: bool,
    closing: bool,
    ending: Option<Ending>,
}

impl<'s> Shared<'s> {
    pub(super) fn new(server: &'s Server<'s>, service: Box<dyn Service>) -> Shared<'s> {
        Shared { server, house: Mutex::new(House { service, members: HashMap::new() }) }
    }

    /// Whoever runs the server said something.
    pub(super) fn operator(&self, line: &[u8]) {
        self.ask(None, |service, output| service.operator(line, output));
    }

    /// A session's whole life, in its thread.
    pub(super) fn live(
        &self,
        socket: &Arc<OwnedFd>,
        client: Client,
        guest: &Guest,
        ears: &dyn Ears,
        buffer: &mut [u8],
    ) -> (Ending, Sums) {
        let bell = match counter(EventfdFlags::empty()) {
            Ok(bell) => bell,
            Err(fault) => {
                (self.server.tell)(Event::Trouble(fault));
                abort_at_close(socket.as_fd());
                return (Ending::LIMIT, Sums::default());
            }
        };
        let (remote, shape) = (guest.remote.clone(), guest.shape());
        let socket = Arc::clone(socket);
        let member = Arc::new(Member { remote, shape, socket, bell, mailbox: Mutex::default() });
        self.lock().members.insert(client, Arc::clone(&member));
        let now = Instant::now();
        let mut session = Session {
            shared: self,
            client,
            member: &member,
            ears,
            allowance: Allowance::new(&self.server.config.limits, now),
            sums: Sums::default(),
            first_to_close: None,
            peer_ended: false,
            trouble_was_told: false,
        };
        let result = session.talk(buffer);
        session.leave(result)
    }

    /// Asks the service, and does what it wants. Afterwards it is asked for output of `client` and of all whom it offers
    /// some, as long as there is room.
    fn ask<'a>(&self, client: Option<Client>, ask: impl FnOnce(&mut dyn Service, &mut Output<'a>)) {
        let mut house = self.lock();
        let House { service, members } = &mut *house;
        let mut work =
            Work { shared: self, members, offered: client.into_iter().collect(), has_shown: false };
        let mut output = Output::new();
        ask(service.as_mut(), &mut output);
        work.perform(output);
        while let Some(client) = work.offered.pop_front() {
            work.offer_room(service.as_mut(), client);
        }
        if work.has_shown
            && let Some(sink) = &self.server.config.sink
        {
            sink.flush();
        }
    }

    fn has_room(&self) -> bool {
        self.server.config.sink.as_ref().is_none_or(|sink| sink.has_room())
    }

    /// A panic of the service would leave it as it was before: the members stay whole.
    fn lock(&self) -> MutexGuard<'_, House> {
        self.house.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Doing what the service wants, while the house is locked.
struct Work<'w, 's> {
    shared: &'w Shared<'s>,
    members: &'w HashMap<Client, Arc<Member>>,
    /// For whom there may be output.
    offered: VecDeque<Client>,
    has_shown: bool,
}

impl Work<'_, '_> {
    fn perform(&mut self, output: Output<'_>) {
        for action in output.drain() {
            match action {
                Action::Send(to, bytes) => self.send(to, bytes),
                Action::SendOwned(to, bytes) => self.send(to, &bytes),
                Action::SendShared(to, bytes) => self.send(to, &bytes),
                Action::Offer(client) => self.offered.push_back(client),
                Action::Show(line) => self.show(&line),
                Action::HalfClose(of) => self.change(of, |mailbox| mailbox.half_closing = true),
                Action::Close(of) => self.change(of, |mailbox| mailbox.closing = true),
                Action::OverLimit(of) => self.change(of, |mailbox| mailbox.end(Ending::LIMIT)),
            }
        }
    }

    /// Asks for output while there is room for it. When there is again, the client's own thread asks.
    fn offer_room(&mut self, service: &mut dyn Service, client: Client) {
        let Some(member) = self.members.get(&client) else { return };
        for _ in 0..OFFERS_AT_ONCE {
            let Some(room) = member.lock().room() else { return };
            let mut output = Output::new();
            service.room(client, room, &mut output);
            if output.is_empty() {
                return;
            }
            self.perform(output);
        }
        member.lock().asks = true;
        ring(member.bell.as_fd());
    }

    fn send(&self, to: Client, bytes: &[u8]) {
        let Some(member) = self.members.get(&to) else { return };
        let limits = &self.shared.server.config.limits;
        let mut mailbox = member.lock();
        let is_nothing = bytes.is_empty() && member.shape != Shape::Messages;
        if mailbox.ending.is_some() {
            mailbox.refused += bytes.len() as u64;
        }
        if is_nothing || !mailbox.takes_output() {
            return;
        }
        // Who has something left looks after it, and who has a rate keeps it.
        let is_idle = mailbox.queue.is_empty();
        let sent = if is_idle && limits.bytes_per_s.is_none() { member.send(bytes) } else { Ok(None) };
        match sent {
            // Without memory its own thread tries again.
            Ok(None) => mailbox.keep(bytes, member.shape),
            Err(error) if is_short_of_memory(error) => mailbox.keep(bytes, member.shape),
            Ok(Some(sent)) => {
                mailbox.gave(sent, limits);
                if sent == bytes.len() {
                    return;
                }
                mailbox.keep(&bytes[sent..], member.shape);
            }
            Err(error) => {
                mailbox.refused += bytes.len() as u64;
                mailbox.end(Ending::broken(error));
            }
        }
        if is_idle || mailbox.ending.is_some() {
            ring(member.bell.as_fd());
        }
    }

    fn change(&self, of: Client, change: impl FnOnce(&mut Mailbox)) {
        if let Some(member) = self.members.get(&of) {
            change(&mut member.lock());
            ring(member.bell.as_fd());
        }
    }

    fn show(&mut self, line: &Line) {
        let Some(sink) = &self.shared.server.config.sink else { return };
        let said_by = line.client.and_then(|client| self.members.get(&client));
        sink.take(said_by.map(|member| &member.remote), line);
        self.has_shown = true;
    }
}

impl Member {
    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands bytes, or one message, to the kernel; gives how many it took, or none where it has no room.
    fn send(&self, bytes: &[u8]) -> Result<Option<usize>, Errno> {
        loop {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => return Ok(Some(sent)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Mailbox {
    fn takes_output(&self) -> bool {
        !(self.closing || self.half_closing || self.ending.is_some())
    }

    /// How much output the service may be asked for; none where it may not be asked.
    fn room(&self) -> Option<usize> {
        let weight = self.queue.weight();
        (self.takes_output() && weight <= QUEUE / 2).then(|| QUEUE - weight)
    }

    fn keep(&mut self, bytes: &[u8], shape: Shape) {
        match shape {
            _ if self.queue.weight() + bytes.len() > QUEUE_AT_MOST => {
                self.refused += bytes.len() as u64;
                self.end(Ending::LIMIT);
            }
            Shape::Messages => self.queue.push_message(bytes),
            Shape::Stream | Shape::Datagrams => self.queue.push_bytes(bytes),
        }
    }

    fn gave(&mut self, length: usize, limits: &Limits) {
        self.out_bytes += length as u64;
        if limits.idle.is_some() {
            self.last_given = Some(Instant::now());
        }
    }

    /// The first ending counts.
    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }
}

/// A session in its thread.
struct Session<'l, 's> {
    shared: &'l Shared<'s>,
    client: Client,
    member: &'l Member,
    ears: &'l dyn Ears,
    allowance: Allowance,
    sums: Sums,
    first_to_close: Option<ClosedBy>,
    peer_ended: bool,
    trouble_was_told: bool,
}

/// How far the mailbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Post {
    /// Everything is sent.
    Sent,
    /// The socket takes no more now.
    Waits,
    /// The rate allows no more before then.
    Until(Instant),
    /// There may be more at once.
    Again,
}

/// What is to be waited for.
struct Wishes {
    post: Post,
    reads_at: Option<Instant>,
}

impl Session<'_, '_> {
    fn talk(&mut self, buffer: &mut [u8]) -> Result<Ending, Errno> {
        if self.member.shape == Shape::Messages {
            message::prepare(&self.member.socket)?;
        }
        let (client, shape) = (self.client, self.member.shape);
        self.shared.ask(Some(client), |service, output| service.opened(client, shape, output));
        loop {
            let post = self.look_into_mailbox()?;
            if let Some(ending) = self.is_over(post) {
                return Ok(ending);
            }
            let reads_at = self.may_read();
            if self.wait(&Wishes { post, reads_at })? && reads_at.is_some_and(|at| at <= Instant::now()) {
                self.read(buffer)?;
            }
        }
    }

    /// Whether and how the session is over.
    fn is_over(&mut self, post: Post) -> Option<Ending> {
        if self.shared.server.stage() == Stage::StoppingNow {
            return Some(Ending::STOPPED);
        }
        let mailbox = self.member.lock();
        let Mailbox { closing, ending, last_given, .. } = *mailbox;
        drop(mailbox);
        if let Some(given) = last_given {
            self.allowance.said_at(given);
        }
        if let Some(ending) = ending.or_else(|| self.allowance.expired(Instant::now())) {
            return Some(ending);
        }
        // Nothing more comes in, and nothing more is to be said.
        (post == Post::Sent && (closing || self.peer_ended))
            .then(|| Ending::fin(self.first_to_close.unwrap_or(ClosedBy::Us)))
    }

    /// Sends what waits, and asks for more where that was taken.
    fn look_into_mailbox(&mut self) -> Result<Post, Errno> {
        let mut mailbox = self.member.lock();
        let sent_before = mailbox.out_bytes;
        let post = self.send_mail(&mut mailbox)?;
        let asks = std::mem::take(&mut mailbox.asks) || mailbox.out_bytes > sent_before;
        if post == Post::Sent && (mailbox.half_closing || mailbox.closing) && !self.sums.fin_sent {
            self.first_to_close = Some(send_fin(self.member.socket.as_fd(), self.first_to_close)?);
            self.sums.fin_sent = true;
        }
        // In this order everywhere: the house, then a mailbox.
        drop(mailbox);
        if asks {
            self.shared.ask(Some(self.client), |_, _| ());
            return Ok(Post::Again);
        }
        Ok(post)
    }

    fn send_mail(&mut self, mailbox: &mut Mailbox) -> Result<Post, Errno> {
        while !mailbox.queue.is_empty() {
            let at_most = match self.allowance.may_give() {
                Ok(at_most) => at_most,
                Err(then) => return Ok(Post::Until(then)),
            };
            let front = mailbox.queue.front();
            let is_message = self.member.shape == Shape::Messages;
            let length = if is_message { front.len() } else { front.len().min(at_most) };
            match self.member.send(&front[..length]) {
                Ok(Some(sent)) => {
                    mailbox.queue.taken(sent);
                    mailbox.gave(sent, &self.shared.server.config.limits);
                    self.allowance.gave(sent);
                }
                Ok(None) => return Ok(Post::Waits),
                Err(error) if is_short_of_memory(error) => {
                    self.tell_of_trouble(Doing::Send, error);
                    return Ok(Post::Until(Instant::now() + PAUSE));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Post::Sent)
    }

    /// From when on the client may be read; none: not before its mailbox is emptier.
    fn may_read(&self) -> Option<Instant> {
        let mailbox = self.member.lock();
        let is_full = !mailbox.closing && mailbox.queue.weight() > QUEUE / 2;
        if self.peer_ended || is_full {
            return None;
        }
        drop(mailbox);
        if !self.shared.has_room() {
            return Some(Instant::now() + ROOM_AGAIN);
        }
        self.allowance.may_take().err().or_else(|| Some(Instant::now()))
    }

    /// Waits for the socket, the bell or the time. Whether there is something to read.
    fn wait(&self, wishes: &Wishes) -> Result<bool, Errno> {
        let now = Instant::now();
        let mut what = PollFlags::empty();
        what.set(PollFlags::IN, wishes.reads_at.is_some_and(|at| at <= now));
        what.set(PollFlags::OUT, wishes.post == Post::Waits);
        let post_at = if let Post::Until(then) = wishes.post { Some(then) } else { None };
        let reads_at = wishes.reads_at.filter(|at| *at > now);
        let again = (wishes.post == Post::Again).then_some(now);
        let until = [again, post_at, reads_at, self.allowance.deadline()].into_iter().flatten().min();
        let mut watched = [
            PollFd::from_borrowed_fd(self.member.socket.as_fd(), what),
            PollFd::from_borrowed_fd(self.member.bell.as_fd(), PollFlags::IN),
        ];
        match poll(&mut watched, until.map(timespec_until).as_ref()) {
            Err(Errno::INTR) => return Ok(false),
            result => result?,
        };
        let happened = watched[0].revents();
        if !watched[1].revents().is_empty() {
            take_one(self.member.bell.as_fd());
        } else if !happened.is_empty() && !happened.intersects(what) && !what.contains(PollFlags::IN) {
            // An end that is told again and again, and that nobody may look at before its time.
            std::thread::sleep(ROOM_AGAIN);
        }
        Ok(!happened.is_empty() && what.contains(PollFlags::IN))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        let at_most = self.allowance.may_take().unwrap_or(0).min(READ);
        let is_message = self.member.shape == Shape::Messages;
        let received =
            match is_message {
                true => message::receive(&self.member.socket, buffer),
                false => recv(&self.member.socket, &mut buffer[..at_most], RecvFlags::DONTWAIT).map(
                    |(_, whole)| match whole {
                        0 => Received::End,
                        _ => Received::Message { length: whole, whole },
                    },
                ),
            };
        match received {
            Ok(Received::End) => self.peer_ended(),
            Ok(Received::Message { length, whole }) => self.arrived(&buffer[..length], whole),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) if is_short_of_memory(error) => {
                self.tell_of_trouble(Doing::Receive, error);
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The kernel's want of memory is no end of the conversation.
    fn tell_of_trouble(&mut self, doing: Doing, error: Errno) {
        if !std::mem::replace(&mut self.trouble_was_told, true) {
            self.ears.trouble(doing, error);
        }
    }

    fn arrived(&mut self, bytes: &[u8], whole: usize) {
        if self.member.lock().closing {
            self.sums.discarded += whole as u64;
            return;
        }
        self.allowance.took(whole);
        let limits = &self.shared.server.config.limits;
        let share = Share::of(self.member.shape, limits, self.sums.in_bytes, bytes.len(), whole, false);
        self.sums.discarded += share.refused;
        self.sums.in_bytes += share.taken;
        let bytes = &bytes[..share.shown];
        if self.ears.want_data() && share.is_told() {
            self.ears.data(bytes, share.cut_from);
        }
        if share.is_for_the_service() {
            let client = self.client;
            let arrival = Arrival::Bytes(bytes);
            self.shared.ask(Some(client), |service, output| service.received(client, arrival, output));
        }
        if share.refused > 0 {
            self.member.lock().end(Ending::LIMIT);
        }
    }

    fn peer_ended(&mut self) {
        self.peer_ended = true;
        self.first_to_close = Some(first_at_their_fin(self.member.socket.as_fd(), self.first_to_close));
        if !self.member.lock().closing {
            let client = self.client;
            self.shared.ask(Some(client), |service, output| service.ended(client, output));
        }
    }

    /// The client is gone for the others; what was sent to it last is waited for.
    fn leave(&mut self, result: Result<Ending, Errno>) -> (Ending, Sums) {
        let client = self.client;
        self.shared.lock().members.remove(&client);
        self.shared.ask(None, |service, output| service.gone(client, output));
        let mut ending = result.unwrap_or_else(Ending::broken);
        if ending.how == How::Fin && !self.peer_ended {
            let drained =
                drain_until_fin(self.member.socket.as_fd(), &mut [0; READ], &mut self.sums.discarded);
            ending = drained.map_or_else(Ending::broken, |()| ending);
        }
        if self.shared.server.stage() == Stage::StoppingNow {
            ending = Ending::STOPPED;
            // Whoever cut it did so by a shutdown, which sends a FIN too.
            self.sums.fin_sent = true;
        }
        let mailbox = self.member.lock();
        self.sums.queued = mailbox.queue.len() as u64 + mailbox.refused;
        self.sums.out_bytes = mailbox.out_bytes;
        (ending, self.sums)
    }
}
