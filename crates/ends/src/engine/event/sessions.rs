//! The sessions of one worker: their sockets, their queues, and everything that is done to a socket but reading.
//!
//! An idle session costs its row in the table: a queue has memory only while something is in it.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, send, shutdown};

use crate::ending::{Ending, Sums};
use crate::engine::Guest;
use crate::engine::blocking::LINGER;
use crate::event::ClosedBy;
use crate::service::{Action, Client, Output};

/// A session is not read while its queue holds more than half of this, and no read makes it hold more, in bytes.
pub(super) const QUEUE: usize = 64 * 1024;

/// What a service may put into one queue on top, for clients who do not read while others talk to them, in bytes.
const QUEUE_AT_MOST: usize = 1024 * 1024;

/// One client's session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) socket: OwnedFd,
    pub(super) client: Client,
    pub(super) guest: Guest,
    opened: Instant,
    pub(super) in_bytes: u64,
    out_bytes: u64,
    pub(super) discarded: u64,
    queue: VecDeque<u8>,
    first_to_close: Option<ClosedBy>,
    pub(super) peer_ended: bool,
    /// The service wants it closed once the queue is empty.
    pub(super) closing: bool,
    /// The service wants a FIN once the queue is empty.
    half_closing: bool,
    fin_sent: bool,
    /// It waits for the peer's FIN.
    lingers: bool,
    watches_room: bool,
    /// There may be input that no event will announce again.
    pub(super) has_input: bool,
    /// The kernel says that the peer's end is behind the input: reading stops only there.
    pub(super) end_is_near: bool,
    /// It is in the list of those to go on with.
    pub(super) is_listed: bool,
    /// It is over; removed as soon as nobody works on it.
    ending: Option<Ending>,
}

/// A worker's sessions and the poll that watches them.
#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) poll: Poll,
    table: Vec<Option<Session>>,
    free: Vec<usize>,
    by_client: HashMap<Client, usize>,
    /// The session that the service was asked about last: most actions are on it.
    at_work: Option<(Client, usize)>,
    /// Those that are over.
    over: Vec<usize>,
    /// Those that have closed and wait for the peer's FIN until then, oldest first.
    lingering: VecDeque<(Instant, usize, Client)>,
}

impl Session {
    fn sums(&self) -> Sums {
        Sums {
            in_bytes: self.in_bytes,
            out_bytes: self.out_bytes,
            queued: self.queue.len() as u64,
            discarded: self.discarded,
            fin_sent: self.fin_sent,
            open: self.opened.elapsed(),
        }
    }

    /// How much more may be read for it now.
    pub(super) fn room(&self) -> usize {
        if self.queue.len() > QUEUE / 2 { 0 } else { QUEUE - self.queue.len() }
    }

    /// How much more output the service may be asked for now.
    fn output_room(&self) -> usize {
        if self.closing || self.half_closing || self.ending.is_some() { 0 } else { self.room() }
    }

    pub(super) fn is_over(&self) -> bool {
        self.ending.is_some()
    }

    /// Hands bytes to the kernel; gives how many it took.
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        loop {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    self.out_bytes += sent as u64;
                    return Ok(sent);
                }
                Err(Errno::AGAIN) => return Ok(0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands the queue to the kernel, as much as it takes. An empty queue gives its memory back.
    fn send_queue(&mut self) -> Result<(), Errno> {
        while !self.queue.is_empty() {
            let queue = std::mem::take(&mut self.queue);
            let sent = self.send(queue.as_slices().0);
            self.queue = queue;
            match sent? {
                0 => return Ok(()),
                taken => drop(self.queue.drain(..taken)),
            }
        }
        self.queue = VecDeque::new();
        Ok(())
    }
}

impl Sessions {
    pub(super) fn new(poll: Poll) -> Sessions {
        Sessions {
            poll,
            table: Vec::new(),
            free: Vec::new(),
            by_client: HashMap::new(),
            at_work: None,
            over: Vec::new(),
            lingering: VecDeque::new(),
        }
    }

    /// Begins a session and watches its socket for input.
    pub(super) fn open(&mut self, socket: OwnedFd, client: Client, guest: Guest) -> std::io::Result<usize> {
        let index = self.free.pop().unwrap_or(self.table.len());
        let watched = self.poll.registry().register(
            &mut SourceFd(&socket.as_raw_fd()),
            Token(index),
            Interest::READABLE,
        );
        if let Err(error) = watched {
            if index < self.table.len() {
                self.free.push(index);
            }
            return Err(error);
        }
        let session = Session {
            socket,
            client,
            guest,
            opened: Instant::now(),
            in_bytes: 0,
            out_bytes: 0,
            discarded: 0,
            queue: VecDeque::new(),
            first_to_close: None,
            peer_ended: false,
            closing: false,
            half_closing: false,
            fin_sent: false,
            lingers: false,
            watches_room: false,
            has_input: false,
            end_is_near: false,
            is_listed: false,
            ending: None,
        };
        if index == self.table.len() {
            self.table.push(Some(session));
        } else {
            self.table[index] = Some(session);
        }
        self.by_client.insert(client, index);
        Ok(index)
    }

    pub(super) fn get(&mut self, index: usize) -> Option<&mut Session> {
        self.table.get_mut(index)?.as_mut()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// Does what a service wants, asked about the session at this index.
    pub(super) fn perform(&mut self, output: Output<'_>, client: Client, index: usize) {
        self.at_work = Some((client, index));
        for action in output.drain() {
            match action {
                Action::Send(to, bytes) => self.send(to, bytes),
                Action::SendOwned(to, bytes) => self.send(to, &bytes),
                Action::SendShared(to, bytes) => self.send(to, &bytes),
                Action::OverLimit(of) => self.over_limit(of),
                Action::HalfClose(of) => self.half_close(of),
                Action::Close(of) => self.close(of),
            }
        }
    }

    /// How much output the service may be asked for, for this session, in bytes.
    pub(super) fn output_room(&mut self, index: usize) -> usize {
        self.get(index).map_or(0, |session| session.output_room())
    }

    /// The socket takes bytes again: sends the queue and what was to come after it. Whether the queue is empty.
    pub(super) fn flush(&mut self, index: usize) -> bool {
        let Some(session) = self.get(index) else { return false };
        if session.is_over() {
            return false;
        }
        if let Err(error) = session.send_queue() {
            self.end(index, Ending::broken(error));
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
            session.first_to_close.get_or_insert(ClosedBy::Peer);
            if session.closing && session.queue.is_empty() {
                self.finish(index);
            }
        }
    }

    /// Removes one session that is over; its socket closes when the caller drops it.
    pub(super) fn take_over(&mut self) -> Option<(Session, Ending, Sums)> {
        loop {
            let index = self.over.pop()?;
            let Some(session) = self.table.get_mut(index).and_then(Option::take) else { continue };
            self.free.push(index);
            self.by_client.remove(&session.client);
            let sums = session.sums();
            if let Some(ending) = session.ending {
                return Some((session, ending, sums));
            }
        }
    }

    /// When the first of those that wait for the peer's FIN has waited long enough.
    pub(super) fn linger_ends(&self) -> Option<Instant> {
        self.lingering.front().map(|(at, ..)| *at)
    }

    /// Ends those that have waited long enough for the peer's FIN.
    pub(super) fn end_lingering(&mut self, now: Instant) {
        while let Some((at, index, client)) = self.lingering.front().copied()
            && at <= now
        {
            self.lingering.pop_front();
            if self.get(index).is_some_and(|session| session.client == client) {
                self.end(index, Ending::fin(ClosedBy::Us));
            }
        }
    }

    fn find(&self, client: Client) -> Option<usize> {
        match self.at_work {
            Some((at_work, index)) if at_work == client => Some(index),
            _ => self.by_client.get(&client).copied(),
        }
    }

    /// Sends at once what the socket takes and queues the rest.
    fn send(&mut self, to: Client, bytes: &[u8]) {
        let Some(index) = self.find(to) else { return };
        let Some(session) = self.get(index) else { return };
        if session.is_over() || session.closing || session.half_closing {
            return;
        }
        let mut rest = bytes;
        if session.queue.is_empty() {
            match session.send(bytes) {
                Ok(sent) => rest = bytes.get(sent..).unwrap_or_default(),
                Err(error) => return self.end(index, Ending::broken(error)),
            }
        }
        if rest.is_empty() {
            return;
        }
        if session.queue.len() + rest.len() > QUEUE_AT_MOST {
            return self.end(index, Ending::LIMIT);
        }
        session.queue.extend(rest);
        if !session.watches_room {
            self.watch_room(index);
        }
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

    fn half_close(&mut self, of: Client) {
        let Some(index) = self.find(of) else { return };
        let Some(session) = self.get(index) else { return };
        session.half_closing = true;
        if session.queue.is_empty() {
            self.send_fin(index);
        }
    }

    fn over_limit(&mut self, of: Client) {
        if let Some(index) = self.find(of) {
            self.end(index, Ending::LIMIT);
        }
    }

    fn close(&mut self, of: Client) {
        let Some(index) = self.find(of) else { return };
        let Some(session) = self.get(index) else { return };
        session.closing = true;
        if session.queue.is_empty() {
            self.finish(index);
        }
    }

    fn send_fin(&mut self, index: usize) {
        let Some(session) = self.get(index) else { return };
        if session.fin_sent || session.is_over() {
            return;
        }
        session.fin_sent = true;
        session.first_to_close.get_or_insert(ClosedBy::Us);
        if let Err(error) = shutdown(&session.socket, Shutdown::Write) {
            self.end(index, Ending::broken(error));
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
        self.lingering.push_back((Instant::now() + LINGER, index, client));
    }
}

/// The socket, for the account of its ending.
impl AsFd for Session {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
