//! What it means that accept(2) gave nobody.

use kernel::socket::is_out_of_descriptors;
use rustix::io::Errno;

use crate::shortage::is_short_of_memory;

/// Why there is no client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoClient {
    /// Nobody waits.
    NobodyWaits,
    /// The one who waited is gone, or was never wholly there; others may be waiting.
    OneIsGone,
    /// This process, or the system, has no descriptor for it. Linux says so before it looks whether anybody waits.
    NoDescriptor,
    /// The kernel has no memory for it, which goes by.
    NoMemory,
    /// It is our socket, which does not go by.
    Broken,
}

impl NoClient {
    pub(crate) fn because(error: Errno) -> NoClient {
        match error {
            Errno::AGAIN => NoClient::NobodyWaits,
            error if is_out_of_descriptors(error) => NoClient::NoDescriptor,
            error if is_short_of_memory(error) => NoClient::NoMemory,
            // accept(2): Linux reports here what befell a connection while it waited; EPERM is a firewall's.
            Errno::INTR
            | Errno::CONNABORTED
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::OPNOTSUPP
            | Errno::PERM
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NONET
            | Errno::TIMEDOUT => NoClient::OneIsGone,
            _ => NoClient::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_manual_has_its_meaning() {
        let table = [
            (Errno::AGAIN, NoClient::NobodyWaits),
            (Errno::WOULDBLOCK, NoClient::NobodyWaits),
            (Errno::INTR, NoClient::OneIsGone),
            (Errno::CONNABORTED, NoClient::OneIsGone),
            (Errno::PERM, NoClient::OneIsGone),
            (Errno::PROTO, NoClient::OneIsGone),
            (Errno::NETDOWN, NoClient::OneIsGone),
            (Errno::NETUNREACH, NoClient::OneIsGone),
            (Errno::HOSTUNREACH, NoClient::OneIsGone),
            (Errno::MFILE, NoClient::NoDescriptor),
            (Errno::NFILE, NoClient::NoDescriptor),
            (Errno::NOBUFS, NoClient::NoMemory),
            (Errno::NOMEM, NoClient::NoMemory),
            (Errno::BADF, NoClient::Broken),
            (Errno::INVAL, NoClient::Broken),
            (Errno::NOTSOCK, NoClient::Broken),
        ];
        for (error, meaning) in table {
            assert_eq!(NoClient::because(error), meaning, "{error}");
        }
    }
}
