//! From the way a conversation ended to the words and numbers of its account. What the kernel knows decides: a FIN of
//! theirs that had come before ours left was first, whoever looked when; bytes count as sent once they have left, and
//! as read once somebody took them.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use kernel::socket;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown, sockopt};

use crate::event::{Account, ClosedBy, How};

/// States by the kernel's numbers (include/net/tcp_states.h).
const CLOSED: u8 = 7;
const LAST_ACK: u8 = 9;
const CLOSING: u8 = 11;

/// Who ended it and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) closed_by: ClosedBy,
    pub(crate) how: How,
}

impl Ending {
    pub(crate) const STOPPED: Ending = Ending { closed_by: ClosedBy::Us, how: How::Stopped };
    pub(crate) const IDLE: Ending = Ending { closed_by: ClosedBy::Us, how: How::Idle };
    pub(crate) const LIMIT: Ending = Ending { closed_by: ClosedBy::Us, how: How::Limit };
    pub(crate) const KILLED: Ending = Ending { closed_by: ClosedBy::Kernel, how: How::Killed };

    /// In order, by FIN.
    pub(crate) fn fin(closed_by: ClosedBy) -> Ending {
        Ending { closed_by, how: How::Fin }
    }

    /// An open connection on which a call failed with this.
    pub(crate) fn broken(error: Errno) -> Ending {
        match error {
            // EPIPE, and ENOTCONN of shutdown(2): the reset came before, and another call took its error.
            Errno::CONNRESET | Errno::PIPE | Errno::NOTCONN => Ending::reset(ClosedBy::Peer),
            // RFC 9293 §3.8.3: the retransmissions of R2 went without an answer.
            Errno::TIMEDOUT => Ending { closed_by: ClosedBy::Path, how: How::TimedOut },
            Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::NETDOWN | Errno::HOSTDOWN => {
                Ending { closed_by: ClosedBy::Path, how: How::Unreachable }
            }
            // A message longer than the socket can ever take.
            Errno::MSGSIZE => Ending::LIMIT,
            // ECONNABORTED above all: somebody on this machine destroyed the socket (tcp_abort of Linux).
            _ => Ending::reset(ClosedBy::Kernel),
        }
    }

    fn reset(by: ClosedBy) -> Ending {
        Ending { closed_by: by, how: How::Reset }
    }

    /// What a close makes of an ending in order that leaves so many bytes of theirs unread: a reset (RFC 2525 §2.17), also
    /// behind a FIN of ours, unless the connection is over.
    pub(crate) fn leaving_unread(self, socket: BorrowedFd<'_>, unread_bytes: u64) -> Ending {
        let resets = self.how == How::Fin && unread_bytes > 0 && !is_over(socket);
        if resets { self.by_reset(socket) } else { self }
    }

    /// An ending in order, by a close that is a reset. Only TCP has one.
    pub(crate) fn by_reset(self, socket: BorrowedFd<'_>) -> Ending {
        let is_tcp = socket::tcp_state(socket).is_some();
        if is_tcp && self.how == How::Fin { Ending::reset(ClosedBy::Us) } else { self }
    }

    /// Where we broke off and something was left in our queue, the close is a reset: a FIN would say that it was all.
    pub(crate) fn abort_what_was_cut(self, socket: BorrowedFd<'_>, sums: &Sums) {
        if sums.queued > 0 && matches!(self.how, How::Stopped | How::Limit | How::Idle) {
            abort_at_close(socket);
        }
    }

    /// The account of a conversation over this socket.
    pub(crate) fn account(self, socket: BorrowedFd<'_>, sums: &Sums) -> Account {
        // Behind a FIN the kernel goes on with what is in its queues.
        let left = if self.how == How::Fin { Left::default() } else { Left::of(socket, sums.fin_sent) };
        self.account_with(&left, sums)
    }

    /// The account, with this left in the kernel's queues.
    pub(crate) fn account_with(self, left: &Left, sums: &Sums) -> Account {
        let Ending { closed_by, how } = self;
        Account {
            closed_by,
            how,
            in_bytes: sums.in_bytes,
            out_bytes: sums.out_bytes.saturating_sub(left.never_sent),
            unsent_bytes: sums.queued + left.unacknowledged,
            never_sent_bytes: sums.queued + left.never_sent,
            unread_bytes: sums.discarded + left.unread,
            open: sums.open,
        }
    }
}

/// What was counted while it was open.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// Received and taken.
    pub(crate) in_bytes: u64,
    /// Handed to the kernel.
    pub(crate) out_bytes: u64,
    /// Still in our own queue.
    pub(crate) queued: u64,
    /// Received after we had closed, and thrown away.
    pub(crate) discarded: u64,
    /// Whether our FIN was handed to the kernel.
    pub(crate) fin_sent: bool,
    /// How long.
    pub(crate) open: Duration,
}

/// What is left in the kernel's queues of a connection, in bytes, without a FIN.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Left {
    /// Handed to the kernel, and not acknowledged by the peer.
    pub(crate) unacknowledged: u64,
    /// Of these those that have not left, not even once.
    pub(crate) never_sent: u64,
    /// Received by the kernel, and not taken.
    pub(crate) unread: u64,
}

impl Left {
    /// As it is now. What is on its way may leave between two questions, so they are asked in this order: no more was
    /// never sent than is unacknowledged.
    pub(crate) fn of(socket: BorrowedFd<'_>, fin_sent: bool) -> Left {
        let unacknowledged = unacknowledged(socket, fin_sent);
        // The FIN is the last to leave: as long as anything has not, it has not.
        let never_sent = socket::never_sent(socket).saturating_sub(u64::from(fin_sent));
        Left { unacknowledged, never_sent: never_sent.min(unacknowledged), unread: socket::unread(socket) }
    }
}

/// Sends our FIN behind all that is queued. Gives who has closed first by then, which may be known already.
///
/// # Errors
/// When there is no connection any more, by the error that ended it; then no FIN was sent.
pub(crate) fn send_fin(socket: BorrowedFd<'_>, first: Option<ClosedBy>) -> Result<ClosedBy, Errno> {
    let first = first.or_else(|| has_peer_closed(socket).then_some(ClosedBy::Peer));
    if let Err(error) = shutdown(socket, Shutdown::Write) {
        return Err(take_error(socket).unwrap_or(error));
    }
    // RFC 9293 §3.6: CLOSE in CLOSE-WAIT leads to LAST-ACK, in ESTABLISHED to FIN-WAIT-1, and from there their FIN to
    // CLOSING.
    Ok(first.unwrap_or_else(|| match socket::tcp_state(socket) {
        Some(LAST_ACK) => ClosedBy::Peer,
        Some(CLOSING) => ClosedBy::Both,
        // Also where the state is CLOSED: theirs was not there a moment before, and it has answered ours meanwhile.
        _ => ClosedBy::Us,
    }))
}

/// Their FIN has been read: who has closed first, where somebody had by then.
pub(crate) fn first_at_their_fin(socket: BorrowedFd<'_>, first: Option<ClosedBy>) -> ClosedBy {
    match first {
        // Ours still waits behind what the peer has no room for.
        Some(ClosedBy::Us) if socket::never_sent(socket) > 0 => ClosedBy::Peer,
        // Theirs does not acknowledge ours: they crossed.
        Some(ClosedBy::Us) if socket::tcp_state(socket) == Some(CLOSING) => ClosedBy::Both,
        first => first.unwrap_or(ClosedBy::Peer),
    }
}

/// Whether a TCP connection is over for the kernel.
pub(crate) fn is_over(socket: BorrowedFd<'_>) -> bool {
    socket::tcp_state(socket) == Some(CLOSED)
}

/// Whether the peer's FIN has come, read or not. Also so after a reset, of which there is an error to [take](take_error); an
/// error alone, which poll tells as well, closes nothing.
pub(crate) fn has_peer_closed(socket: BorrowedFd<'_>) -> bool {
    let mut watched = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&now)).is_ok() && watched[0].revents().contains(PollFlags::RDHUP)
}

/// Takes the error that waits on the socket: no call will fail by it any more (socket(7), `SO_ERROR`).
pub(crate) fn take_error(socket: BorrowedFd<'_>) -> Option<Errno> {
    sockopt::socket_error(socket).and_then(|pending| pending).err()
}

/// Bytes handed to the kernel that the peer has not acknowledged, without our FIN.
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>, fin_sent: bool) -> u64 {
    // The FIN is the last thing sent, so as long as anything is unacknowledged it is.
    socket::unacknowledged(socket).saturating_sub(u64::from(fin_sent))
}

/// Makes the close that follows a reset, which the other end cannot take for a complete answer.
pub(crate) fn abort_at_close(socket: BorrowedFd<'_>) {
    let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
}

/// Makes the close that follows one in order again.
pub(crate) fn end_at_close(socket: BorrowedFd<'_>) {
    let _ = socket2::SockRef::from(&socket).set_linger(None);
}

#[cfg(test)]
mod tests;
