//! From the way a conversation ended to the words and numbers of its account.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use kernel::socket;
use rustix::io::Errno;

use crate::event::{Account, ClosedBy, How};

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
            Errno::CONNRESET | Errno::PIPE | Errno::NOTCONN | Errno::CONNABORTED => {
                Ending { closed_by: ClosedBy::Peer, how: How::Reset }
            }
            // RFC 9293 §3.8.3: the retransmissions of R2 went without an answer.
            Errno::TIMEDOUT => Ending { closed_by: ClosedBy::Path, how: How::TimedOut },
            Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::NETDOWN | Errno::HOSTDOWN => {
                Ending { closed_by: ClosedBy::Path, how: How::Unreachable }
            }
            // A message longer than the socket can ever take.
            Errno::MSGSIZE => Ending::LIMIT,
            _ => Ending { closed_by: ClosedBy::Kernel, how: How::Reset },
        }
    }

    /// Where we broke off and something was left in our queue, the close is a reset: a FIN would say that it was all.
    pub(crate) fn abort_what_was_cut(self, socket: BorrowedFd<'_>, sums: &Sums) {
        if sums.queued > 0 && matches!(self.how, How::Stopped | How::Limit | How::Idle) {
            abort_at_close(socket);
        }
    }

    /// The account of a conversation over this socket.
    pub(crate) fn account(self, socket: BorrowedFd<'_>, sums: &Sums) -> Account {
        let (mut unsent_bytes, mut unread_bytes) = (sums.queued, sums.discarded);
        if self.how != How::Fin {
            unsent_bytes += unacknowledged(socket, sums.fin_sent);
            unread_bytes += socket::unread(socket);
        }
        let &Sums { in_bytes, out_bytes, open, .. } = sums;
        let Ending { closed_by, how } = self;
        Account { closed_by, how, in_bytes, out_bytes, unsent_bytes, unread_bytes, open }
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
    /// Whether we sent our FIN.
    pub(crate) fin_sent: bool,
    /// How long.
    pub(crate) open: Duration,
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
