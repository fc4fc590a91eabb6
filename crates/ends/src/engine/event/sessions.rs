//! The sessions of one worker: their table, their times, and everything that is done to a socket but reading.
//!
//! An idle session costs its row in the table: a queue has memory only while something is in it.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use rustix::io::Errno;
use wire::{Doing, End, Fault};

use super::session::Session;
use super::timers::{Due, Timer, Timers};
use crate::ending::{Ending, Sums, first_at_their_fin, send_fin};
use crate::engine::Guest;
use crate::engine::blocking::LINGER;
use crate::engine::message;
use crate::engine::rate::Rate;
use crate::event::{ClosedBy, Event};
use crate::serve::{Limits, Server};
use crate::service::Client;
use crate::shortage::{PAUSE, is_short_of_memory};

/// What a service may put into one queue on top, for clients who do not read while others talk to them, in bytes.
const QUEUE_AT_MOST: usize = 1024 * 1024;

/// A worker's sessions and the poll that watches them.
pub(super) struct Sessions<'a> {
    server: &'a Server<'a>,
    pub(super) poll: Poll,
    table: Vec<Option<Session>>,
    free: Vec<usize>,
    by_client: HashMap<Client, usize>,
    /// Those that are over.
    over: Vec<usize>,
    /// Those to go on with before waiting.
    listed: Vec<usize>,
    timers: Timers,
    limits: Limits,
    pub(super) rate: Option<Rate>,
    /// The time of this round, where anybody asks for it.
    now: Instant,
}

impl<'a> Sessions<'a> {
    pub(super) fn new(server: &'a Server<'a>, poll: Poll) -> Sessions<'a> {
        let limits = server.config.limits;
        Sessions {
            server,
            poll,
            table: Vec::new(),
            free: Vec::new(),
            by_client: HashMap::new(),
            over: Vec::new(),
            listed: Vec::new(),
            timers: Timers::new(),
            limits,
            rate: limits.bytes_per_s.and_then(Rate::new),
            now: Instant::now(),
        }
    }

    /// A round begins: what happens in it happens now.
    pub(super) fn begin_round(&mut self) {
        if self.limits.idle.is_some() || self.rate.is_some() {
            self.now = Instant::now();
        }
    }

    /// Begins a session and watches its socket for input.
    pub(super) fn open(&mut self, socket: OwnedFd, client: Client, guest: &Guest) -> std::io::Result<usize> {
        let session = Session::new(socket, client, guest.clone());
        if session.keeps_messages() {
            message::prepare(&session.socket)?;
        }
        let opened = session.opened;
        let index = self.free.last().copied().unwrap_or(self.table.len());
        let mut source = SourceFd(&session.socket.as_raw_fd());
        self.poll.registry().register(&mut source, Token(index), Interest::READABLE)?;
        if self.free.pop().is_some() {
            self.table[index] = Some(session);
        } else {
            self.table.push(Some(session));
        }
        self.by_client.insert(client, index);
        let Limits { idle, total, .. } = self.limits;
        for (after, due) in [(idle, Due::Idle), (total, Due::Total)] {
            if let Some(at) = after.and_then(|after| opened.checked_add(after)) {
                self.timers.set(Timer { at, index, client, due });
            }
        }
        Ok(index)
    }

    pub(super) fn get(&mut self, index: usize) -> Option<&mut Session> {
        self.table.get_mut(index)?.as_mut()
    }

    pub(super) fn of_client(&self, client: Client) -> Option<usize> {
        self.by_client.get(&client).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// Puts a session on the list of those to go on with.
    pub(super) fn list(&mut self, index: usize) {
        if let Some(session) = self.get(index).filter(|session| !session.is_listed) {
            session.is_listed = true;
            self.listed.push(index);
        }
    }

    pub(super) fn has_listed(&self) -> bool {
        !self.listed.is_empty()
    }

    /// Those that were listed until now; whoever is listed from now on is for the next round.
    pub(super) fn take_listed(&mut self) -> Vec<usize> {
        let listed = std::mem::take(&mut self.listed);
        for index in &listed {
            if let Some(session) = self.get(*index) {
                session.is_listed = false;
            }
        }
        listed
    }

    /// So much was read, or was found to be there and thrown away.
    pub(super) fn count_taken(&mut self, index: usize, length: usize) {
        let (now, rate) = (self.now, self.rate);
        if let Some(session) = self.get(index) {
            session.last_said = now;
            if let Some(rate) = rate {
                rate.take(&mut session.taken, length, now);
            }
        }
    }

    /// How much may be read for it now, of so much that there is room for. At 0 it is waited for by the clock.
    pub(super) fn allowed_to_take(&mut self, index: usize, room: usize) -> usize {
        let Some(rate) = self.rate else { return room };
        let now = self.now;
        let Some(session) = self.get(index).filter(|session| !session.closing) else { return room };
        let allowed = rate.available(session.taken, now);
        if allowed == 0 {
            let at = rate.next(session.taken);
            self.pause(index, at);
        }
        allowed.min(room)
    }

    /// How much output the service may be asked for, for this session, in bytes.
    pub(super) fn output_room(&mut self, index: usize) -> usize {
        let (now, rate) = (self.now, self.rate);
        let Some(session) = self.get(index) else { return 0 };
        let room = session.output_room();
        let Some(rate) = rate.filter(|_| room > 0) else { return room };
        let allowed = rate.available(session.given, now);
        if allowed == 0 {
            let at = rate.next(session.given);
            self.pause(index, at);
        }
        allowed.min(room)
    }

    fn pause(&mut self, index: usize, at: Instant) {
        if let Some(session) = self.get(index).filter(|session| !session.is_paused) {
            session.is_paused = true;
            let client = session.client;
            self.timers.set(Timer { at, index, client, due: Due::Resume });
        }
    }

    /// The kernel has no memory for this session, which is no end of it: it is told once, and tried again by the clock.
    pub(super) fn wait_for_memory(&mut self, index: usize, doing: Doing, error: Errno) {
        let server = self.server;
        let Some(session) = self.get(index).filter(|session| !session.is_over()) else { return };
        if !std::mem::replace(&mut session.trouble_was_told, true) {
            let at = session.guest.remote.to_string();
            (server.tell)(Event::Trouble(Fault::errno(End::Us, doing, at, error.raw_os_error())));
        }
        if !std::mem::replace(&mut session.lacks_memory, true) {
            let client = session.client;
            self.timers.set(Timer { at: Instant::now() + PAUSE, index, client, due: Due::Memory });
        }
    }

    /// It is tried again. Our own waiting was nobody's silence.
    fn try_with_memory(&mut self, index: usize, now: Instant) {
        let Some(session) = self.get(index) else { return };
        session.lacks_memory = false;
        session.last_said = now;
        self.flush(index);
        self.list(index);
    }

    /// Sends at once what the socket takes and queues the rest.
    pub(super) fn send(&mut self, index: usize, bytes: &[u8]) {
        let (now, rate) = (self.now, self.rate);
        let Some(session) = self.get(index) else { return };
        let keeps_messages = session.keeps_messages();
        if session.is_over() {
            session.refused += bytes.len() as u64;
            return;
        }
        if !session.takes_output() || (bytes.is_empty() && !keeps_messages) {
            return;
        }
        if let Some(rate) = rate {
            rate.take(&mut session.given, bytes.len(), now);
        }
        let mut rest = bytes;
        if session.queue.is_empty() && !session.lacks_memory {
            match session.send(bytes) {
                Ok(Some(sent)) => {
                    session.last_said = now;
                    if sent == bytes.len() {
                        return;
                    }
                    rest = bytes.get(sent..).unwrap_or_default();
                }
                Ok(None) => {}
                Err(error) if is_short_of_memory(error) => self.wait_for_memory(index, Doing::Send, error),
                Err(error) => {
                    session.refused += bytes.len() as u64;
                    return self.end(index, Ending::broken(error));
                }
            }
        }
        let Some(session) = self.get(index) else { return };
        if session.queue.weight() + rest.len() > QUEUE_AT_MOST {
            session.refused += rest.len() as u64;
            return self.end(index, Ending::LIMIT);
        }
        match keeps_messages {
            true => session.queue.push_message(rest),
            false => session.queue.push_bytes(rest),
        }
        if !session.watches_room {
            self.watch_room(index);
        }
    }

    /// The socket takes bytes again: sends the queue and what was to come after it. Whether the queue is empty.
    pub(super) fn flush(&mut self, index: usize) -> bool {
        let now = self.now;
        let can_send = |session: &&mut Session| !session.is_over() && !session.lacks_memory;
        let Some(session) = self.get(index).filter(can_send) else { return false };
        let sent_before = session.out_bytes;
        let result = session.send_queue();
        if session.out_bytes > sent_before {
            session.last_said = now;
        }
        if let Err(error) = result {
            match is_short_of_memory(error) {
                true => self.wait_for_memory(index, Doing::Send, error),
                false => self.end(index, Ending::broken(error)),
            }
            return false;
        }
        if !session.queue.is_empty() {
            return false;
        }
        if session.half_closing {
            self.send_fin(index);
        }
        if self.get(index).is_some_and(|session| session.closing) {
            self.finish(index);
        }
        true
    }

    /// From now on the poll also tells when the socket takes bytes again. Asking anew tells it at once if it does.
    fn watch_room(&mut self, index: usize) {
        let Some(session) = self.table.get_mut(index).and_then(Option::as_mut) else { return };
        session.watches_room = true;
        let both = Interest::READABLE | Interest::WRITABLE;
        let fd = session.socket.as_raw_fd();
        if let Err(error) = self.poll.registry().reregister(&mut SourceFd(&fd), Token(index), both) {
            let errno = error.raw_os_error().map_or(Errno::NOMEM, Errno::from_raw_os_error);
            self.end(index, Ending::broken(errno));
        }
    }

    /// FIN behind what is queued.
    pub(super) fn half_close(&mut self, index: usize) {
        let Some(session) = self.get(index) else { return };
        session.half_closing = true;
        if session.queue.is_empty() {
            self.send_fin(index);
        }
    }

    /// The end behind what is queued.
    pub(super) fn close(&mut self, index: usize) {
        let Some(session) = self.get(index).filter(|session| !session.is_over()) else { return };
        session.closing = true;
        if session.queue.is_empty() {
            self.finish(index);
        }
    }

    /// The session is over. The first ending counts.
    pub(super) fn end(&mut self, index: usize, ending: Ending) {
        if let Some(session) = self.get(index)
            && session.ending.is_none()
        {
            session.ending = Some(ending);
            self.over.push(index);
        }
    }

    /// Everything is over.
    pub(super) fn end_all(&mut self, ending: Ending) {
        for index in 0..self.table.len() {
            self.end(index, ending);
        }
    }

    /// The peer has sent its FIN.
    pub(super) fn peer_ended(&mut self, index: usize) {
        if let Some(session) = self.get(index) {
            session.peer_ended = true;
            session.first_to_close = Some(first_at_their_fin(session.as_fd(), session.first_to_close));
            if session.closing && session.queue.is_empty() {
                self.finish(index);
            }
        }
    }

    /// One of those that are over and still in the table.
    pub(super) fn next_over(&mut self) -> Option<(usize, Client)> {
        loop {
            let index = self.over.pop()?;
            if let Some(session) = self.get(index) {
                return Some((index, session.client));
            }
        }
    }

    /// Removes a session that is over; its socket closes when the caller drops it.
    pub(super) fn remove(&mut self, index: usize) -> Option<(Session, Ending, Sums)> {
        let session = self.table.get_mut(index).and_then(Option::take)?;
        self.free.push(index);
        self.by_client.remove(&session.client);
        let Sessions { timers, table, .. } = self;
        timers.tidy(|index, client| {
            table.get(index).and_then(Option::as_ref).is_some_and(|session| session.client == client)
        });
        let (sums, ending) = (session.sums(), session.ending?);
        Some((session, ending, sums))
    }

    /// When the first timer is due.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due.
    pub(super) fn keep_time(&mut self, now: Instant) {
        while let Some(timer) = self.timers.take(now) {
            let Timer { index, client, due, .. } = timer;
            let Some(session) = self.get(index).filter(|session| session.client == client) else { continue };
            match due {
                Due::Linger => {
                    let closed_by = session.first_to_close.unwrap_or(ClosedBy::Us);
                    self.end(index, Ending::fin(closed_by));
                }
                Due::Total => self.end(index, Ending::LIMIT),
                Due::Resume => {
                    session.is_paused = false;
                    self.list(index);
                }
                Due::Memory => self.try_with_memory(index, now),
                Due::Idle => {
                    let quiet_since = session.last_said;
                    self.look_at_idle(timer, quiet_since, now);
                }
            }
        }
    }

    fn look_at_idle(&mut self, timer: Timer, quiet_since: Instant, now: Instant) {
        let Some(at) = self.limits.idle.and_then(|idle| quiet_since.checked_add(idle)) else { return };
        match at <= now {
            true => self.end(timer.index, Ending::IDLE),
            false => self.timers.set(Timer { at, ..timer }),
        }
    }

    fn send_fin(&mut self, index: usize) {
        let Some(session) = self.get(index) else { return };
        if session.fin_sent || session.is_over() {
            return;
        }
        match send_fin(session.as_fd(), session.first_to_close) {
            Ok(first) => {
                session.fin_sent = true;
                session.first_to_close = Some(first);
            }
            Err(error) => self.end(index, Ending::broken(error)),
        }
    }

    /// All is sent and the service wants it closed. If the peer has not ended, its FIN is waited for: a close with
    /// unread bytes would be a reset (RFC 2525 §2.17) and could destroy what we sent last.
    fn finish(&mut self, index: usize) {
        let Some(session) = self.get(index) else { return };
        if session.peer_ended {
            let closed_by = session.first_to_close.unwrap_or(ClosedBy::Peer);
            return self.end(index, Ending::fin(closed_by));
        }
        if std::mem::replace(&mut session.lingers, true) {
            return;
        }
        let client = session.client;
        self.send_fin(index);
        self.timers.set(Timer { at: Instant::now() + LINGER, index, client, due: Due::Linger });
    }
}
