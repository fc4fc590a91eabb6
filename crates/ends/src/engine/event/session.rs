//! One client's session over a connection: its socket, its queue, its counts.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::engine::queue::Queue;

use crate::ending::{Ending, Sums};
use crate::engine::Guest;
use crate::engine::rate::Bucket;
use crate::event::ClosedBy;
use crate::service::{Client, Shape};

/// A session is not read while its queue weighs more than half of this, and no read makes it weigh more, in bytes.
pub(super) const QUEUE: usize = 64 * 1024;

/// How much output a service is asked for where nothing waits, in bytes. What the socket does not take of it is copied, so
/// few and large pieces are best: the last one of many is cut.
const OFFER: usize = 256 * 1024;

/// One client's session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) socket: OwnedFd,
    pub(super) client: Client,
    pub(super) guest: Guest,
    pub(super) opened: Instant,
    /// When either end last said anything; kept only where somebody asks for it.
    pub(super) last_said: Instant,
    pub(super) in_bytes: u64,
    pub(super) out_bytes: u64,
    pub(super) discarded: u64,
    /// What the service said and found no place in the queue.
    pub(super) refused: u64,
    pub(super) queue: Queue,
    pub(super) taken: Bucket,
    pub(super) given: Bucket,
    pub(super) first_to_close: Option<ClosedBy>,
    pub(super) peer_ended: bool,
    /// The service wants it closed once the queue is empty.
    pub(super) closing: bool,
    /// The service wants a FIN once the queue is empty.
    pub(super) half_closing: bool,
    pub(super) fin_sent: bool,
    /// It waits for the peer's FIN.
    pub(super) lingers: bool,
    pub(super) watches_room: bool,
    /// There may be input that no event will announce again.
    pub(super) has_input: bool,
    /// The kernel says that the peer's end is behind the input: reading stops only there.
    pub(super) end_is_near: bool,
    /// Its input comes in large pieces: splicing is worth its calls.
    pub(super) is_bulk: bool,
    /// It is in the list of those to go on with.
    pub(super) is_listed: bool,
    /// Its rate makes it wait.
    pub(super) is_paused: bool,
    /// The kernel had no memory for it: nothing is moved until it is tried again.
    pub(super) lacks_memory: bool,
    /// That something failed that goes by is told once.
    pub(super) trouble_was_told: bool,
    /// It is over; removed as soon as nobody works on it.
    pub(super) ending: Option<Ending>,
}

impl Session {
    pub(super) fn new(socket: OwnedFd, client: Client, guest: Guest) -> Session {
        let now = Instant::now();
        Session {
            socket,
            client,
            guest,
            opened: now,
            last_said: now,
            in_bytes: 0,
            out_bytes: 0,
            discarded: 0,
            refused: 0,
            queue: Queue::default(),
            taken: Bucket::new(now),
            given: Bucket::new(now),
            first_to_close: None,
            peer_ended: false,
            closing: false,
            half_closing: false,
            fin_sent: false,
            lingers: false,
            watches_room: false,
            has_input: false,
            end_is_near: false,
            is_bulk: false,
            is_listed: false,
            is_paused: false,
            lacks_memory: false,
            trouble_was_told: false,
            ending: None,
        }
    }

    pub(super) fn sums(&self) -> Sums {
        Sums {
            in_bytes: self.in_bytes,
            out_bytes: self.out_bytes,
            queued: self.queue.len() as u64 + self.refused,
            discarded: self.discarded,
            fin_sent: self.fin_sent,
            open: self.opened.elapsed(),
        }
    }

    pub(super) fn keeps_messages(&self) -> bool {
        self.guest.shape() == Shape::Messages
    }

    /// How much more may be read for it now.
    pub(super) fn room(&self) -> usize {
        let weight = self.queue.weight();
        if weight > QUEUE / 2 || self.lacks_memory { 0 } else { QUEUE - weight }
    }

    /// How much more output the service may be asked for now.
    pub(super) fn output_room(&self) -> usize {
        match self.takes_output() && !self.lacks_memory {
            true if self.queue.is_empty() => OFFER,
            true => self.room(),
            false => 0,
        }
    }

    /// Whether the service may still say something.
    pub(super) fn takes_output(&self) -> bool {
        !(self.closing || self.half_closing || self.is_over())
    }

    pub(super) fn is_over(&self) -> bool {
        self.ending.is_some()
    }

    /// Hands bytes, or one message, to the kernel; gives how many it took, or none where it has no room.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<Option<usize>, Errno> {
        loop {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    self.out_bytes += sent as u64;
                    return Ok(Some(sent));
                }
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands the queue to the kernel, as much as it takes.
    pub(super) fn send_queue(&mut self) -> Result<(), Errno> {
        while !self.queue.is_empty() {
            let mut queue = std::mem::take(&mut self.queue);
            let sent = self.send(queue.front());
            if let Ok(Some(length)) = sent {
                queue.taken(length);
            }
            self.queue = queue;
            if sent?.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The socket, for the account of its ending.
impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_costs_less_than_half_a_kilobyte() {
        let row = size_of::<Option<Session>>();
        assert!(row <= 320, "{row} bytes");
    }
}
