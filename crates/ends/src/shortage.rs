//! The kernel's want of memory, which goes by: it ends no conversation. Whoever meets it tells it once, waits and tries
//! again; nothing that was to be sent is lost, and nothing was received.

use std::time::Duration;

use rustix::io::Errno;

/// How long the kernel gets to find memory again.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// Whether a call failed only because the kernel had no memory for it (send(2), recv(2), accept(2)).
pub(crate) fn is_short_of_memory(error: Errno) -> bool {
    matches!(error, Errno::NOBUFS | Errno::NOMEM)
}

/// Whether a datagram was not sent for want of room that there may be later. `ENOBUFS` may also say that the device's
/// queue is full, which sockets hear of that receive errors (ip(7), `IP_RECVERR`).
pub(crate) fn is_want_of_room(error: Errno) -> bool {
    error == Errno::AGAIN || is_short_of_memory(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_manuals_call_want_of_memory_is_one_and_nothing_else_is() {
        // errno.h of Linux.
        for (errno, goes_by) in [(105, true), (12, true), (11, false), (4, false), (32, false), (104, false)]
        {
            assert_eq!(is_short_of_memory(Errno::from_raw_os_error(errno)), goes_by, "{errno}");
        }
    }
}
