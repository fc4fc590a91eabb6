//! One session over a blocking socket: what the thread and the process engine have in common.
//!
//! One thing at a time: what the service wants sent is sent before the next bytes are read, so a client that does not
//! read stops only itself.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use crate::ending::{Ending, Sums};
use crate::event::ClosedBy;
use crate::service::{Action, Appetite, Arrival, Client, Output, Service, Shape};

/// How much is read at once, in bytes.
pub(super) const BUFFER: usize = 16 * 1024;

/// How much output a service is asked for at once, in bytes.
const ROOM: usize = 64 * 1024;

/// How long a client may go on sending after we have closed, before it is reset.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// A session's byte counts, kept where others can read them while it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter<'a> {
    pub(super) in_bytes: &'a AtomicU64,
    pub(super) out_bytes: &'a AtomicU64,
}

/// A callback that is told what arrived.
pub(super) type Hear<'a> = &'a dyn Fn(&[u8]);

/// One session.
pub(super) struct Session<'a> {
    pub(super) socket: BorrowedFd<'a>,
    pub(super) client: Client,
    pub(super) shape: Shape,
    pub(super) meter: Meter<'a>,
    /// Told what arrived, when that is wanted.
    pub(super) hear: Option<Hear<'a>>,
    /// Whether the end of the connection is the server's doing.
    pub(super) is_cut: &'a dyn Fn() -> bool,
}

/// What has been said so far.
#[derive(Debug, Default)]
struct Progress {
    first_to_close: Option<ClosedBy>,
    peer_ended: bool,
    fin_sent: bool,
    closing: bool,
    over_limit: bool,
    /// What the service wanted sent and the kernel did not take.
    unsent: u64,
    discarded: u64,
}

impl Session<'_> {
    /// Runs the session to its end and gives its ending and sums (without the time).
    pub(super) fn run(&self, service: &mut dyn Service, buffer: &mut [u8]) -> (Ending, Sums) {
        let mut progress = Progress::default();
        let result = self.talk(service, buffer, &mut progress);
        service.gone(self.client, &mut Output::new());
        let is_cut = (self.is_cut)();
        let ending = match result {
            _ if is_cut => Ending::STOPPED,
            Ok(()) if progress.over_limit => Ending::LIMIT,
            Ok(()) => Ending::fin(progress.first_to_close.unwrap_or(ClosedBy::Us)),
            Err(error) => Ending::broken(error),
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
    ) -> Result<(), Errno> {
        let mut output = Output::new();
        service.opened(self.client, self.shape, &mut output);
        self.perform(output, progress)?;
        loop {
            let made_output = self.offer_room(service, progress)?;
            if progress.over_limit {
                return Ok(());
            }
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
            // Who has more to say does not wait for the client to speak.
            let flags = if made_output { RecvFlags::DONTWAIT } else { RecvFlags::empty() };
            match self.listen(service, buffer, progress, flags) {
                Err(Errno::AGAIN) if made_output => {}
                result => result?,
            }
        }
    }

    /// Takes the next bytes, or the peer's FIN, and hands them to the service; waits for them unless the flags say not to.
    fn listen(
        &self,
        service: &mut dyn Service,
        buffer: &mut [u8],
        progress: &mut Progress,
        flags: RecvFlags,
    ) -> Result<(), Errno> {
        let count_only = service.appetite() == Appetite::CountOnly && self.hear.is_none();
        // tcp(7): MSG_TRUNC throws away what it counts.
        let flags = if count_only { flags | RecvFlags::TRUNC } else { flags };
        let (_, length) = again(|| recv(self.socket, &mut *buffer, flags))?;
        let mut output = Output::new();
        if length == 0 {
            progress.peer_ended = true;
            progress.first_to_close.get_or_insert(ClosedBy::Peer);
            service.ended(self.client, &mut output);
        } else {
            self.meter.in_bytes.fetch_add(length as u64, Ordering::Relaxed);
            let bytes = &buffer[..length.min(buffer.len())];
            if let Some(hear) = self.hear {
                hear(bytes);
            }
            let arrival = if count_only { Arrival::Count(length as u64) } else { Arrival::Bytes(bytes) };
            service.received(self.client, arrival, &mut output);
        }
        self.perform(output, progress)
    }

    /// Asks the service for output once; whether it had any.
    fn offer_room(&self, service: &mut dyn Service, progress: &mut Progress) -> Result<bool, Errno> {
        if progress.closing || progress.over_limit || progress.fin_sent {
            return Ok(false);
        }
        let mut output = Output::new();
        service.room(self.client, ROOM, &mut output);
        let made_output = !output.is_empty();
        self.perform(output, progress)?;
        Ok(made_output)
    }

    /// Does what the service wants. A session of its own reaches no other client.
    fn perform(&self, output: Output<'_>, progress: &mut Progress) -> Result<(), Errno> {
        for action in output.drain() {
            match action {
                Action::Send(to, bytes) if to == self.client => self.send_all(bytes, progress)?,
                Action::SendOwned(to, bytes) if to == self.client => self.send_all(&bytes, progress)?,
                Action::SendShared(to, bytes) if to == self.client => self.send_all(&bytes, progress)?,
                Action::HalfClose(of) if of == self.client => self.send_fin(progress)?,
                Action::Close(of) if of == self.client => progress.closing = true,
                Action::OverLimit(of) if of == self.client => progress.over_limit = true,
                Action::Send(..) | Action::SendOwned(..) | Action::SendShared(..) => {}
                Action::HalfClose(_) | Action::Close(_) | Action::OverLimit(_) => {}
            }
        }
        Ok(())
    }

    fn send_all(&self, mut bytes: &[u8], progress: &mut Progress) -> Result<(), Errno> {
        if progress.closing || progress.fin_sent {
            return Ok(());
        }
        while !bytes.is_empty() {
            match again(|| send(self.socket, bytes, SendFlags::NOSIGNAL)) {
                Ok(sent) => {
                    self.meter.out_bytes.fetch_add(sent as u64, Ordering::Relaxed);
                    bytes = bytes.get(sent..).unwrap_or_default();
                }
                Err(error) => {
                    progress.unsent = bytes.len() as u64;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn send_fin(&self, progress: &mut Progress) -> Result<(), Errno> {
        if !progress.fin_sent {
            progress.fin_sent = true;
            progress.first_to_close.get_or_insert(ClosedBy::Us);
            shutdown(self.socket, Shutdown::Write)?;
        }
        Ok(())
    }

    /// FIN, and then reading until the peer's: a close with unread bytes would be a reset (RFC 2525 §2.17) and could
    /// destroy what we sent last.
    fn close(&self, buffer: &mut [u8], progress: &mut Progress) -> Result<(), Errno> {
        if progress.peer_ended {
            return Ok(());
        }
        self.send_fin(progress)?;
        let until = Instant::now() + LINGER;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let _ = socket2::SockRef::from(&self.socket).set_read_timeout(Some(left));
            match again(|| recv(self.socket, &mut *buffer, RecvFlags::empty())) {
                Ok((_, 0)) | Err(Errno::AGAIN) => return Ok(()),
                Ok((_, length)) => progress.discarded += length as u64,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Calls again when a signal came in between.
fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
