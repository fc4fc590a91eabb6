//! One session over a blocking socket: what the thread and the process engine have in common.
//!
//! One thing at a time: what the service wants sent is sent before the next bytes are read, so a client that does not
//! read stops only itself.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use wire::Doing;

pub(super) use self::allowance::Allowance;
use super::message::{self, Received};
use super::share::Share;
use super::timespec_until;
use crate::ending::{Ending, Sums, abort_at_close, end_at_close, first_at_their_fin, send_fin};
use crate::event::ClosedBy;
use crate::serve::Limits;
use crate::service::{Action, Appetite, Arrival, Client, Line, Output, Service, Shape};
use crate::shortage::{PAUSE, is_short_of_memory};

mod allowance;

/// The size of a session's buffer in bytes: any message that a Unix socket takes by itself (`net.core.wmem_default`).
/// Only what is used of it costs memory.
pub(super) const BUFFER: usize = 256 * 1024;

/// How much of a stream is read at once, in bytes.
const READ: usize = 16 * 1024;

/// How much output a service is asked for at once, in bytes.
const ROOM: usize = 256 * 1024;

/// How long a client may go on sending after we have closed, before it is reset.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// How often a session that waits for nothing but time looks whether it was cut.
const LOOK: Duration = Duration::from_millis(50);

/// A session's byte counts, kept where others can read them while it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter<'a> {
    pub(super) in_bytes: &'a AtomicU64,
    pub(super) out_bytes: &'a AtomicU64,
    /// What the service wanted sent while the kernel takes no more.
    pub(super) unsent_bytes: &'a AtomicU64,
}

/// Who is told of a session what others want to know.
pub(super) trait Ears {
    /// Whether somebody wants to know what arrives.
    fn want_data(&self) -> bool;

    /// Something arrived; `whole` is its length where that is more than there is of it.
    fn data(&self, bytes: &[u8], whole: Option<u64>);

    /// The service shows a line.
    fn line(&self, line: &Line);

    /// All that there was to tell of one arrival is told.
    fn flush(&self);

    /// Waits until more lines may be shown, but not for long. Whether they may.
    fn wait_for_room(&self) -> bool;

    /// Sending or receiving failed, and the session goes on.
    fn trouble(&self, doing: Doing, errno: Errno);
}

/// One session.
pub(super) struct Session<'a> {
    pub(super) socket: BorrowedFd<'a>,
    pub(super) client: Client,
    pub(super) shape: Shape,
    pub(super) limits: &'a Limits,
    pub(super) meter: Meter<'a>,
    pub(super) ears: &'a dyn Ears,
    /// Whether the end of the connection is the server's doing.
    pub(super) is_cut: &'a dyn Fn() -> bool,
}

/// What has been said so far.
#[derive(Debug)]
struct Progress {
    first_to_close: Option<ClosedBy>,
    peer_ended: bool,
    fin_sent: bool,
    closing: bool,
    /// What the service wants sent and the kernel has not taken.
    unsent: u64,
    discarded: u64,
    allowance: Allowance,
    trouble_was_told: bool,
}

/// Why a session does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// A call failed.
    Call(Errno),
    /// We let the client go.
    LetGo(Ending),
}

/// What one look at the socket gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// So many bytes, of which so many are in the buffer.
    Bytes { length: usize, whole: usize },
    /// The peer's FIN.
    End,
    /// Nothing, and it was not to be waited for.
    Nothing,
}

impl From<Errno> for Broken {
    fn from(errno: Errno) -> Broken {
        Broken::Call(errno)
    }
}

impl Session<'_> {
    /// Runs the session to its end and gives its ending and sums (without the time).
    pub(super) fn run(&self, service: &mut dyn Service, buffer: &mut [u8]) -> (Ending, Sums) {
        let mut progress = Progress {
            first_to_close: None,
            peer_ended: false,
            fin_sent: false,
            closing: false,
            unsent: 0,
            discarded: 0,
            allowance: Allowance::new(self.limits, Instant::now()),
            trouble_was_told: false,
        };
        let result = self.talk(service, buffer, &mut progress);
        self.say_farewell(service);
        let is_cut = (self.is_cut)();
        let ending = match result {
            _ if is_cut => Ending::STOPPED,
            Ok(()) => Ending::fin(progress.first_to_close.unwrap_or(ClosedBy::Us)),
            Err(Broken::Call(error)) => Ending::broken(error),
            Err(Broken::LetGo(ending)) => ending,
        };
        let sums = Sums {
            in_bytes: self.meter.in_bytes.load(Ordering::Relaxed),
            out_bytes: self.meter.out_bytes.load(Ordering::Relaxed),
            queued: progress.unsent,
            discarded: progress.discarded,
            // Whoever cut it did so by a shutdown, which sends a FIN too.
            fin_sent: progress.fin_sent || is_cut,
            ..Sums::default()
        };
        (ending, sums)
    }

    fn talk(
        &self,
        service: &mut dyn Service,
        buffer: &mut [u8],
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        if self.shape == Shape::Messages {
            message::prepare(self.socket)?;
        }
        let mut output = Output::new();
        service.opened(self.client, self.shape, &mut output);
        self.perform(output, progress)?;
        loop {
            if progress.allowance.deadline().is_some() {
                // Also of those who never make us wait.
                self.may_go_on(Instant::now(), progress)?;
            }
            let made_output = self.offer_room(service, progress)?;
            if progress.closing {
                return self.close(buffer, progress);
            }
            if progress.peer_ended {
                if made_output {
                    continue;
                }
                // Nothing more comes in, and the service has nothing more to say.
                return Ok(());
            }
            // Who has more to say does not wait for an answer.
            self.listen(service, buffer, progress, !made_output)?;
        }
    }

    /// Hands the next bytes, or the peer's FIN, to the service.
    fn listen(
        &self,
        service: &mut dyn Service,
        buffer: &mut [u8],
        progress: &mut Progress,
        may_wait: bool,
    ) -> Result<(), Broken> {
        if service.shows_lines() {
            self.wait_for_room(progress)?;
        }
        let count_only = service.appetite() == Appetite::CountOnly && !self.ears.want_data();
        let came = self.receive(buffer, count_only, progress, may_wait)?;
        let mut output = Output::new();
        match came {
            Came::Nothing => return Ok(()),
            Came::End => {
                progress.peer_ended = true;
                progress.first_to_close = Some(first_at_their_fin(self.socket, progress.first_to_close));
                service.ended(self.client, &mut output);
            }
            Came::Bytes { length, whole } => {
                let share = self.take(&buffer[..length], whole, count_only, progress);
                if share.is_for_the_service() {
                    let bytes = &buffer[..share.shown];
                    let arrival =
                        if count_only { Arrival::Count(share.taken) } else { Arrival::Bytes(bytes) };
                    service.received(self.client, arrival, &mut output);
                }
                if share.refused > 0 {
                    self.perform(output, progress)?;
                    return Err(Broken::LetGo(Ending::LIMIT));
                }
            }
        }
        self.perform(output, progress)
    }

    /// Counts and tells what came.
    fn take(&self, bytes: &[u8], whole: usize, count_only: bool, progress: &mut Progress) -> Share {
        progress.allowance.took(whole);
        let received = self.meter.in_bytes.load(Ordering::Relaxed);
        let share = Share::of(self.shape, self.limits, received, bytes.len(), whole, count_only);
        progress.discarded += share.refused;
        self.meter.in_bytes.fetch_add(share.taken, Ordering::Relaxed);
        if self.ears.want_data() && share.is_told() {
            self.ears.data(&bytes[..share.shown], share.cut_from);
        }
        share
    }

    fn receive(
        &self,
        buffer: &mut [u8],
        count_only: bool,
        progress: &mut Progress,
        may_wait: bool,
    ) -> Result<Came, Broken> {
        loop {
            let at_most = match progress.allowance.may_take() {
                Ok(at_most) => at_most,
                Err(_) if !may_wait => return Ok(Came::Nothing),
                Err(then) => {
                    self.pause_until(then, progress)?;
                    continue;
                }
            };
            let is_ready = match (may_wait, progress.allowance.deadline()) {
                (true, None) => true,
                (true, Some(_)) => self.wait_for(PollFlags::IN, progress)?,
                (false, _) => self.is_ready(PollFlags::IN, Some(Instant::now()))?,
            };
            if !is_ready {
                return Ok(Came::Nothing);
            }
            match self.receive_once(buffer, count_only, at_most) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) if is_short_of_memory(error) => {
                    self.wait_for_memory(Doing::Receive, error, progress)?;
                }
                result => return Ok(result?),
            }
        }
    }

    fn receive_once(&self, buffer: &mut [u8], count_only: bool, at_most: usize) -> Result<Came, Errno> {
        if self.shape == Shape::Messages {
            return Ok(match message::receive(self.socket, buffer)? {
                Received::Message { length, whole } => Came::Bytes { length, whole },
                Received::End => Came::End,
            });
        }
        // tcp(7): MSG_TRUNC throws away what it counts.
        let (flags, most) = if count_only { (RecvFlags::TRUNC, BUFFER) } else { (RecvFlags::empty(), READ) };
        let most = most.min(at_most).min(buffer.len());
        let (_, length) = recv(self.socket, &mut buffer[..most], flags)?;
        Ok(match length {
            0 => Came::End,
            _ => Came::Bytes { length: length.min(most), whole: length },
        })
    }

    /// Asks the service for output once; whether it had any.
    fn offer_room(&self, service: &mut dyn Service, progress: &mut Progress) -> Result<bool, Broken> {
        if progress.closing || progress.fin_sent {
            return Ok(false);
        }
        let mut output = Output::new();
        service.room(self.client, ROOM, &mut output);
        let made_output = !output.is_empty();
        self.perform(output, progress)?;
        Ok(made_output)
    }

    /// Does what the service wants. A session of its own reaches no other client.
    fn perform(&self, output: Output<'_>, progress: &mut Progress) -> Result<(), Broken> {
        let mut result = Ok(());
        progress.unsent = output.bytes_to(self.client);
        for action in output.drain() {
            // What is to be shown is shown, whatever becomes of the client.
            if let Action::Show(line) = &action {
                self.ears.line(line);
            } else if result.is_ok() {
                result = self.perform_one(action, progress);
            }
        }
        self.ears.flush();
        if result.is_ok() {
            // Nothing is left but what was said after the end.
            progress.unsent = 0;
        }
        result
    }

    fn perform_one(&self, action: Action<'_>, progress: &mut Progress) -> Result<(), Broken> {
        match action {
            Action::Send(to, bytes) if to == self.client => self.send_all(bytes, progress)?,
            Action::SendOwned(to, bytes) if to == self.client => self.send_all(&bytes, progress)?,
            Action::SendShared(to, bytes) if to == self.client => self.send_all(&bytes, progress)?,
            Action::HalfClose(of) if of == self.client => self.send_fin(progress)?,
            Action::Close(of) if of == self.client => progress.closing = true,
            Action::OverLimit(of) if of == self.client => return Err(Broken::LetGo(Ending::LIMIT)),
            // It is asked for output before every wait anyway.
            Action::Offer(_) => {}
            _ => {}
        }
        Ok(())
    }

    /// The service hears of the end, and may still have something to show.
    fn say_farewell(&self, service: &mut dyn Service) {
        let mut output = Output::new();
        service.gone(self.client, &mut output);
        for action in output.drain() {
            if let Action::Show(line) = action {
                self.ears.line(&line);
            }
        }
        self.ears.flush();
    }

    fn send_all(&self, mut bytes: &[u8], progress: &mut Progress) -> Result<(), Broken> {
        if progress.closing || progress.fin_sent {
            return Ok(());
        }
        let is_message = self.shape == Shape::Messages;
        // An empty message is one, too.
        let mut is_left = is_message || !bytes.is_empty();
        while is_left {
            let sent = self.send_once(bytes, is_message, progress)?;
            self.meter.out_bytes.fetch_add(sent as u64, Ordering::Relaxed);
            progress.unsent -= sent as u64;
            progress.allowance.gave(sent);
            bytes = bytes.get(sent..).unwrap_or_default();
            is_left = !bytes.is_empty();
        }
        Ok(())
    }

    /// Sends a whole message, or as much of a stream as the kernel takes and the rate allows.
    fn send_once(&self, bytes: &[u8], is_message: bool, progress: &mut Progress) -> Result<usize, Broken> {
        loop {
            let at_most = match progress.allowance.may_give() {
                Ok(_) if is_message => bytes.len(),
                Ok(at_most) => at_most.min(bytes.len()),
                Err(then) => {
                    self.pause_until(then, progress)?;
                    continue;
                }
            };
            match send(self.socket, &bytes[..at_most], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait_to_send(progress)?,
                Err(error) if is_short_of_memory(error) => {
                    self.wait_for_memory(Doing::Send, error, progress)?;
                }
                result => return Ok(result?),
            }
        }
    }

    /// Waits until the kernel takes more. Who is killed meanwhile breaks off what it had to say: then its end is a
    /// reset, and what it had to say is known.
    fn wait_to_send(&self, progress: &Progress) -> Result<(), Broken> {
        self.meter.unsent_bytes.store(progress.unsent, Ordering::Relaxed);
        abort_at_close(self.socket);
        self.wait_for(PollFlags::OUT, progress)?;
        end_at_close(self.socket);
        self.meter.unsent_bytes.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn send_fin(&self, progress: &mut Progress) -> Result<(), Broken> {
        if !progress.fin_sent {
            progress.first_to_close = Some(send_fin(self.socket, progress.first_to_close)?);
            progress.fin_sent = true;
        }
        Ok(())
    }

    fn close(&self, buffer: &mut [u8], progress: &mut Progress) -> Result<(), Broken> {
        if progress.peer_ended {
            return Ok(());
        }
        self.send_fin(progress)?;
        Ok(drain_until_fin(self.socket, buffer, &mut progress.discarded)?)
    }

    /// Waits until the socket is ready, or lets the client go whose time has run out.
    fn wait_for(&self, what: PollFlags, progress: &Progress) -> Result<bool, Broken> {
        while !self.is_ready(what, progress.allowance.deadline())? {
            if let Some(ending) = progress.allowance.expired(Instant::now()) {
                return Err(Broken::LetGo(ending));
            }
        }
        Ok(true)
    }

    fn is_ready(&self, what: PollFlags, until: Option<Instant>) -> Result<bool, Errno> {
        let mut watched = [PollFd::from_borrowed_fd(self.socket, what)];
        match poll(&mut watched, until.map(timespec_until).as_ref()) {
            Err(Errno::INTR) => Ok(false),
            result => Ok(result? > 0),
        }
    }

    /// Lets time pass, but no longer than the session may last or the server wants it to.
    fn pause_until(&self, then: Instant, progress: &mut Progress) -> Result<(), Broken> {
        loop {
            let now = Instant::now();
            if now >= then {
                progress.allowance.waited();
                return Ok(());
            }
            self.may_go_on(now, progress)?;
            std::thread::sleep((then - now).min(LOOK));
        }
    }

    /// While nobody takes the lines of the service, its client is not read.
    fn wait_for_room(&self, progress: &mut Progress) -> Result<(), Broken> {
        let mut has_waited = false;
        while !self.ears.wait_for_room() {
            has_waited = true;
            self.may_go_on(Instant::now(), progress)?;
        }
        if has_waited {
            progress.allowance.waited();
            self.may_go_on(Instant::now(), progress)?;
        }
        Ok(())
    }

    /// Lets the client go that may not be waited for any longer; our own waiting is nobody's silence.
    fn may_go_on(&self, now: Instant, progress: &Progress) -> Result<(), Broken> {
        if (self.is_cut)() {
            return Err(Broken::LetGo(Ending::STOPPED));
        }
        match progress.allowance.expired(now) {
            Some(ending) if ending != Ending::IDLE => Err(Broken::LetGo(ending)),
            _ => Ok(()),
        }
    }

    /// The kernel's want of memory is no end of the conversation.
    fn wait_for_memory(&self, doing: Doing, error: Errno, progress: &mut Progress) -> Result<(), Broken> {
        if !std::mem::replace(&mut progress.trouble_was_told, true) {
            self.ears.trouble(doing, error);
        }
        self.pause_until(Instant::now() + PAUSE, progress)
    }
}

/// After our FIN: reads until the peer's, for a time. A close with unread bytes would be a reset (RFC 2525 §2.17) and could
/// destroy what we sent last.
pub(super) fn drain_until_fin(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    discarded: &mut u64,
) -> Result<(), Errno> {
    let until = Instant::now() + LINGER;
    loop {
        let mut watched = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
        match poll(&mut watched, Some(&timespec_until(until))) {
            Err(Errno::INTR) => continue,
            Ok(0) => return Ok(()),
            result => result?,
        };
        match recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return Ok(()),
            Ok((_, length)) => *discarded += length as u64,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) if is_short_of_memory(error) => std::thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
        if Instant::now() >= until {
            return Ok(());
        }
    }
}
