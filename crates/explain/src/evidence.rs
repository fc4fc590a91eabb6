//! What is known when a problem is looked for: the fault, and what was found beside it. Whoever gathers it does so at the
//! edge; what could not be had is none, and a rule says less then, never something else.

mod descriptors;
mod sockets;

use std::net::SocketAddr;

use wire::{Address, Cause, Doing, Fault, Transport};

pub use descriptors::{Descriptors, SystemFiles};
pub(crate) use sockets::has_other_end;
pub use sockets::{Group, Holder, Sight, Sockets};

/// What is known when a problem is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What went wrong.
    pub fault: &'a Fault,
    /// What was found beside it.
    pub found: &'a Found,
}

/// What was found beside a fault. None: nobody looked, or it could not be seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// How the socket was asked for that could not be had.
    pub asked: Asked,
    /// Sockets of the same transport at the port, name or file that the fault is about. Of an address in use only those
    /// that overlap it ([`crate::reach`]).
    pub sockets: Option<Sockets>,
    /// Sockets of UDP at the port where TCP was asked for, and the other way round.
    pub other_transport: Option<Sockets>,
    /// Sockets of the same transport at the port with its two bytes swapped.
    pub swapped_port: Option<Sockets>,
    /// The file that a Unix socket was to have, or to be found at.
    pub file: Option<File>,
    /// Whether the address called is one of this machine.
    pub is_here: Option<bool>,
    /// Whether the address can be had now, asked for in the same way.
    pub is_free_now: Option<bool>,
    /// Whether it can be had now with `SO_REUSEADDR`.
    pub is_free_with_reuse: Option<bool>,
    /// The ports that the kernel gives to outgoing connections, first and last (ip(7), `ip_local_port_range`).
    pub ephemeral_ports: Option<(u16, u16)>,
    /// The descriptors of this process.
    pub descriptors: Option<Descriptors>,
    /// The open files of the whole system.
    pub system_files: Option<SystemFiles>,
}

/// How a socket was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// With `SO_REUSEADDR`.
    pub reuse_address: bool,
    /// With `SO_REUSEPORT`.
    pub reuse_port: bool,
    /// An IPv6 address without the IPv4 ones (`IPV6_V6ONLY`).
    pub v6_only: bool,
    /// By this interface only, by its index; 0: any.
    pub interface: u32,
    /// Another address of the same command that overlaps this one.
    pub beside: Option<String>,
}

/// A file where a Unix socket was to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Whether it is a socket's.
    pub is_socket: bool,
    /// Whose it is, by name or number.
    pub user: Option<String>,
}

impl Evidence<'_> {
    /// The operation that failed.
    pub fn doing(&self) -> Doing {
        self.fault.doing
    }

    /// True when the kernel answered with one of these error numbers.
    pub fn errno_is(&self, numbers: &[i32]) -> bool {
        self.fault.raw_errno().is_some_and(|errno| numbers.contains(&errno))
    }

    /// True when a time that was asked for ran out.
    pub fn timed_out(&self) -> bool {
        self.fault.cause == Cause::TimedOut
    }

    /// What the fault is about, as it is shown.
    pub fn at(&self) -> &str {
        &self.fault.at
    }

    /// The socket address that the fault is about, when it is written as one (with or without `tcp://`).
    pub fn address(&self) -> Option<SocketAddr> {
        self.place()?.1.internet()
    }

    /// The port that the fault is about, also behind a name.
    pub fn port(&self) -> Option<u16> {
        self.fault.at.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
    }

    /// The socket's place that the fault is about.
    pub fn place(&self) -> Option<(Transport, Address)> {
        place(&self.fault.at)
    }
}

/// The transport and the address in what a fault names: `udp://[::1]:80`, `unix:/run/x`, or without a scheme. None where it
/// names no socket's place, or one whose name holds what cannot be shown.
pub fn place(at: &str) -> Option<(Transport, Address)> {
    for transport in Transport::ALL {
        let Some(rest) = at.strip_prefix(transport.name()) else { continue };
        if let Some(place) = rest.strip_prefix("://").filter(|_| transport.is_internet()) {
            return Some((transport, Address::Internet(place.parse().ok()?)));
        }
        if let Some(name) = rest.strip_prefix(':').filter(|_| !transport.is_internet()) {
            return Some((transport, name_or_path(name)?));
        }
    }
    match at.parse::<SocketAddr>() {
        Ok(address) => Some((Transport::Tcp, address.into())),
        Err(_) => at.starts_with(['/', '@', '.']).then(|| Some((Transport::Unix, name_or_path(at)?)))?,
    }
}

fn name_or_path(text: &str) -> Option<Address> {
    // What could not be shown as it is was made visible, and cannot be read back.
    if text.is_empty() || text.contains(['\\', '\u{fffd}']) {
        return None;
    }
    Some(match text.strip_prefix('@') {
        Some(name) => Address::Abstract(name.as_bytes().to_vec()),
        None => Address::Path(text.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_s_place_is_read_back_as_it_was_shown() {
        let six: Address = "[::1]:80".parse::<SocketAddr>().unwrap().into();
        for transport in Transport::ALL {
            let address = match transport.is_internet() {
                true => six.clone(),
                false => Address::Path("/run/x".into()),
            };
            assert_eq!(place(&address.in_full(transport)), Some((transport, address)), "{transport:?}");
        }
        assert_eq!(place("127.0.0.1:80").map(|(transport, _)| transport), Some(Transport::Tcp));
        assert_eq!(place("./x"), Some((Transport::Unix, Address::Path("./x".into()))));
        assert_eq!(place("unix:@a b"), Some((Transport::Unix, Address::Abstract(b"a b".to_vec()))));
    }

    #[test]
    fn what_is_no_place_or_cannot_be_read_back_is_none() {
        for at in ["example.org:80", "fd:3", "standard output", "unix:", "unix:/run/\\u{1b}", "tcp://x", ""] {
            assert_eq!(place(at), None, "{at}");
        }
    }
}
