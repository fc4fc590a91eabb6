//! Addresses as the kernel has them: what a socket is bound or connected to, and what carries the conversation.
//!
//! An [`crate::endpoint::Endpoint`] is what a person wrote and may need looking up; an [`Address`] is what came of it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::endpoint::Scheme;
use crate::visible;

/// What carries a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP (RFC 9293).
    #[default]
    Tcp,
    /// UDP (RFC 768).
    Udp,
    /// A Unix stream socket: unix(7).
    Unix,
    /// A Unix datagram socket.
    UnixDgram,
    /// A Unix sequenced-packet socket: connections that keep messages apart.
    UnixSeqpacket,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 5] =
        [Transport::Tcp, Transport::Udp, Transport::Unix, Transport::UnixDgram, Transport::UnixSeqpacket];

    /// The word before the colon of an endpoint, and in records.
    pub fn name(self) -> &'static str {
        self.scheme().name()
    }

    /// The scheme that names it.
    pub fn scheme(self) -> Scheme {
        match self {
            Transport::Tcp => Scheme::Tcp,
            Transport::Udp => Scheme::Udp,
            Transport::Unix => Scheme::Unix,
            Transport::UnixDgram => Scheme::UnixDgram,
            Transport::UnixSeqpacket => Scheme::UnixSeqpacket,
        }
    }

    /// Whether there are connections, which begin and end.
    pub fn has_connections(self) -> bool {
        matches!(self, Transport::Tcp | Transport::Unix | Transport::UnixSeqpacket)
    }

    /// Whether what is sent at once arrives at once, in one piece.
    pub fn keeps_messages(self) -> bool {
        matches!(self, Transport::Udp | Transport::UnixDgram | Transport::UnixSeqpacket)
    }

    /// Whether its addresses are hosts and ports.
    pub fn is_internet(self) -> bool {
        matches!(self, Transport::Tcp | Transport::Udp)
    }
}

/// The address of a socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A host's address and a port.
    Internet(SocketAddr),
    /// A socket file.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without its NUL (written `@`): any bytes.
    Abstract(Vec<u8>),
    /// A Unix socket that was never bound, as most clients' are.
    Unnamed,
}

impl Address {
    /// The host's address and port, if it has them.
    pub fn internet(&self) -> Option<SocketAddr> {
        match self {
            Address::Internet(address) => Some(*address),
            _ => None,
        }
    }

    /// The port; none for Unix sockets.
    pub fn port(&self) -> Option<u16> {
        self.internet().map(|address| address.port())
    }

    /// The socket file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The full form: `tcp://127.0.0.1:80`, `unix:/run/x`.
    pub fn in_full(&self, transport: Transport) -> String {
        let name = transport.name();
        match self {
            Address::Internet(_) => format!("{name}://{self}"),
            _ => format!("{name}:{self}"),
        }
    }
}

/// Without a scheme, and safe to show: `127.0.0.1:80`, `[::1]:80`, `/run/x`, `@x`, `unnamed`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Internet(address) => write!(f, "{address}"),
            Address::Path(path) => f.write_str(&visible(&path.to_string_lossy(), false)),
            Address::Abstract(name) => write!(f, "@{}", visible(&String::from_utf8_lossy(name), false)),
            Address::Unnamed => f.write_str("unnamed"),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Internet(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transport_has_its_scheme_and_its_nature() {
        let natures = Transport::ALL.map(|transport| {
            (
                transport.name(),
                transport.has_connections(),
                transport.keeps_messages(),
                transport.is_internet(),
            )
        });
        let expected = [
            ("tcp", true, false, true),
            ("udp", false, true, true),
            ("unix", true, false, false),
            ("unix-dgram", false, true, false),
            ("unix-seqpacket", true, true, false),
        ];
        assert_eq!(natures, expected);
        for transport in Transport::ALL {
            assert_eq!(transport.scheme().transport(), Some(transport));
        }
    }

    #[test]
    fn addresses_are_shown_without_and_with_their_scheme() {
        let cases = [
            (
                Address::from(SocketAddr::from(([127, 0, 0, 1], 80))),
                Transport::Tcp,
                "127.0.0.1:80",
                "tcp://127.0.0.1:80",
            ),
            (Address::Path("/run/x".into()), Transport::Unix, "/run/x", "unix:/run/x"),
            (Address::Abstract(b"x\x07".to_vec()), Transport::UnixDgram, "@x\\u{7}", "unix-dgram:@x\\u{7}"),
            (Address::Unnamed, Transport::UnixSeqpacket, "unnamed", "unix-seqpacket:unnamed"),
        ];
        for (address, transport, short, full) in cases {
            assert_eq!(
                (address.to_string(), address.in_full(transport)),
                (short.to_owned(), full.to_owned())
            );
        }
    }
}
