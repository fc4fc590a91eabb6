//! Which sockets this process may open: each family with each type, tried. Read first: socket(2), raw(7), packet(7).

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

/// What a kind of socket is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// AF_…, without its first letters.
    pub family: &'static str,
    /// SOCK_…, without its first letters.
    pub kind: &'static str,
    /// The protocol's number; 0 lets the kernel choose.
    pub protocol: u32,
}

/// Opens such a socket and closes it at once.
///
/// # Errors
/// The kernel's error number: `EPERM` without the privilege, `EPROTONOSUPPORT` or `ESOCKTNOSUPPORT` where there is none,
/// `EINVAL` for a word that this program does not know.
pub fn try_open(kind: Kind) -> Result<(), i32> {
    let family = match kind.family {
        "INET" => AddressFamily::INET,
        "INET6" => AddressFamily::INET6,
        "UNIX" => AddressFamily::UNIX,
        "PACKET" => AddressFamily::PACKET,
        "NETLINK" => AddressFamily::NETLINK,
        _ => return Err(libc::EINVAL),
    };
    let of = match kind.kind {
        "STREAM" => SocketType::STREAM,
        "DGRAM" => SocketType::DGRAM,
        "SEQPACKET" => SocketType::SEQPACKET,
        "RAW" => SocketType::RAW,
        _ => return Err(libc::EINVAL),
    };
    let protocol = rustix::net::RawProtocol::new(kind.protocol).map(Protocol::from_raw);
    socket_with(family, of, SocketFlags::CLOEXEC, protocol).map(drop).map_err(Errno::raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_opens_and_what_there_is_not_does_not() {
        let open = |family, kind, protocol| try_open(Kind { family, kind, protocol });
        assert_eq!(open("INET", "STREAM", 0), Ok(()));
        assert_eq!(open("INET", "DGRAM", 17), Ok(()));
        assert_eq!(open("UNIX", "SEQPACKET", 0), Ok(()));
        // TCP has no datagrams.
        assert_eq!(open("INET", "DGRAM", 6), Err(libc::EPROTONOSUPPORT));
        assert_eq!(open("nonsense", "DGRAM", 0), Err(libc::EINVAL));
    }
}
