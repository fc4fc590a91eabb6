//! Addresses as people write them: the whole grammar, in one place, for every command.
//!
//! ```text
//! END      := [scheme://] place [?option[=value][&option…]]  |  -
//! scheme   := tcp (default) | udp | tls | unix | unix-dgram | unix-seqpacket | fd | vsock
//! place    := host:port | v4:port | [v6]:port | [v6%zone]:port | *:port | :port | port | host
//!             unix:/run/x | unix:./x | unix:@abstract | /run/x (a slash first) | fd:3 | vsock:CID:PORT
//! port     := 0–65535 | service name
//! ```
//!
//! A written path (a slash first) is taken as it stands; in the `unix:` form and in values of options, `%3F` is a
//! question mark and so on (RFC 3986 §2.1). What is shown (`Display`) is always the full form, and reads back as the same
//! endpoint. Input is bounded, nothing is looked up, nothing panics.

mod error;
mod grammar;
mod services;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::address::Transport;

pub use error::EndpointError;
pub use grammar::Grammar;
pub use services::{well_known_name, well_known_port};

/// The port of `serve`, `listen` and `connect` when none is given.
pub const DEFAULT_PORT: u16 = 7777;
/// The port of `tls://` when none is given: https, <https://www.iana.org/assignments/service-names-port-numbers>.
pub const TLS_PORT: u16 = 443;
/// The bytes that a Unix socket's path or abstract name may have: `sun_path` holds 108, one of them the NUL (unix(7)).
pub const UNIX_NAME_MAX: usize = 107;

/// What an address is wanted for; some forms make sense only for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// To wait there.
    Listen,
    /// To call there.
    Connect,
}

/// How the ends talk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// TCP (RFC 9293).
    #[default]
    Tcp,
    /// UDP (RFC 768).
    Udp,
    /// TLS over TCP (RFC 8446).
    Tls,
    /// A Unix stream socket.
    Unix,
    /// A Unix datagram socket.
    UnixDgram,
    /// A Unix sequenced-packet socket.
    UnixSeqpacket,
    /// A descriptor that this process was started with.
    Fd,
    /// A socket between a virtual machine and its host.
    Vsock,
    /// Standard input and output.
    Standard,
}

impl Scheme {
    /// Every scheme that can be written.
    pub const WRITTEN: [Scheme; 8] = [
        Scheme::Tcp,
        Scheme::Udp,
        Scheme::Tls,
        Scheme::Unix,
        Scheme::UnixDgram,
        Scheme::UnixSeqpacket,
        Scheme::Fd,
        Scheme::Vsock,
    ];

    /// The word before the colon; `-` for standard input and output.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Tcp => "tcp",
            Scheme::Udp => "udp",
            Scheme::Tls => "tls",
            Scheme::Unix => "unix",
            Scheme::UnixDgram => "unix-dgram",
            Scheme::UnixSeqpacket => "unix-seqpacket",
            Scheme::Fd => "fd",
            Scheme::Vsock => "vsock",
            Scheme::Standard => "-",
        }
    }

    /// What carries a conversation of this scheme; none where that is not settled by it, or not plain.
    pub fn transport(self) -> Option<Transport> {
        match self {
            Scheme::Tcp => Some(Transport::Tcp),
            Scheme::Udp => Some(Transport::Udp),
            Scheme::Unix => Some(Transport::Unix),
            Scheme::UnixDgram => Some(Transport::UnixDgram),
            Scheme::UnixSeqpacket => Some(Transport::UnixSeqpacket),
            Scheme::Tls | Scheme::Fd | Scheme::Vsock | Scheme::Standard => None,
        }
    }

    /// True when its places are hosts and ports.
    pub fn is_internet(self) -> bool {
        matches!(self, Scheme::Tcp | Scheme::Udp | Scheme::Tls)
    }

    /// True when its places are socket files and abstract names.
    pub fn is_unix(self) -> bool {
        matches!(self, Scheme::Unix | Scheme::UnixDgram | Scheme::UnixSeqpacket)
    }
}

/// The machine, or the machine's own address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// This machine only: written `localhost`, or left out before a port.
    Loopback,
    /// Every interface, IPv4 and IPv6: `*`, or left out before a colon.
    Any,
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, with the interface that a link-local one needs (RFC 4007 §11).
    V6(Ipv6Addr, Option<String>),
    /// A name to be looked up.
    Name(String),
}

/// Where an end is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A host and a port.
    Internet {
        /// The host.
        host: Host,
        /// The port; 0 lets the kernel choose one.
        port: u16,
    },
    /// A socket file.
    Path(String),
    /// A name in Linux's abstract namespace, without the `@`.
    Abstract(String),
    /// A descriptor's number.
    Descriptor(u32),
    /// A virtual machine's context id and a port there.
    Virtual {
        /// The context id.
        cid: u32,
        /// The port.
        port: u32,
    },
    /// Standard input and output.
    StandardStreams,
}

/// One option behind the question mark.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UrlOption {
    /// Its name: a long flag's, without the dashes.
    pub name: String,
    /// Its value, if it has one.
    pub value: Option<String>,
}

/// An address that one can listen on or connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// How.
    pub scheme: Scheme,
    /// Where.
    pub place: Place,
    /// The options, in the order in which they were written.
    pub options: Vec<UrlOption>,
}

impl Endpoint {
    /// Reads an address whose scheme is TCP unless it says otherwise, with the well-known service names.
    ///
    /// # Errors
    /// Those of [`Grammar::parse`].
    pub fn parse(text: &str, purpose: Use) -> Result<Endpoint, EndpointError> {
        Grammar::new(purpose).parse(text)
    }

    /// Where `serve`, `listen` and `connect` are when no address is given: 127.0.0.1:7777.
    pub fn default_address() -> Endpoint {
        Endpoint::at(Scheme::Tcp, SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)))
    }

    /// The endpoint of a socket address that the kernel gave.
    pub fn at(scheme: Scheme, address: SocketAddr) -> Endpoint {
        let host = match address {
            SocketAddr::V4(v4) => Host::V4(*v4.ip()),
            SocketAddr::V6(v6) if v6.scope_id() == 0 => Host::V6(*v6.ip(), None),
            SocketAddr::V6(v6) => Host::V6(*v6.ip(), Some(v6.scope_id().to_string())),
        };
        Endpoint { scheme, place: Place::Internet { host, port: address.port() }, options: Vec::new() }
    }

    /// The address itself, when it is written out and needs no looking up.
    pub fn literal_ip(&self) -> Option<IpAddr> {
        match &self.place {
            Place::Internet { host: Host::V4(v4), .. } => Some(IpAddr::V4(*v4)),
            Place::Internet { host: Host::V6(v6, _), .. } => Some(IpAddr::V6(*v6)),
            _ => None,
        }
    }

    /// Refuses the first option that is not one of `known`; `written` is the text that this endpoint was read from.
    ///
    /// # Errors
    /// That option's place in `written`, with the names that are known as the hint.
    pub fn only_options(&self, written: &str, known: &[&str]) -> Result<(), EndpointError> {
        match self.options.iter().find(|option| !known.contains(&option.name.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(EndpointError::unknown_option(written, &unknown.name, known)),
        }
    }
}

/// The full form: `tcp://127.0.0.1:80`, `unix:/run/x?mode=600`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.name();
        match &self.place {
            Place::Internet { host, port } => write!(f, "{scheme}://{host}:{port}")?,
            // Two slashes in front keep a path that itself begins with two as it is.
            Place::Path(path) if path.starts_with("//") => write!(f, "{scheme}://{}", Escaped(path))?,
            Place::Path(path) => match path.strip_prefix('@') {
                Some(rest) => write!(f, "{scheme}:%40{}", Escaped(rest))?,
                None => write!(f, "{scheme}:{}", Escaped(path))?,
            },
            Place::Abstract(name) => write!(f, "{scheme}:@{}", Escaped(name))?,
            Place::Descriptor(number) => write!(f, "{scheme}:{number}")?,
            Place::Virtual { cid, port } => write!(f, "{scheme}:{cid}:{port}")?,
            Place::StandardStreams => f.write_str("-")?,
        }
        for (position, option) in self.options.iter().enumerate() {
            f.write_str(if position == 0 { "?" } else { "&" })?;
            f.write_str(&option.name)?;
            if let Some(value) = &option.value {
                write!(f, "={}", Escaped(value))?;
            }
        }
        Ok(())
    }
}

/// As it stands before the colon and the port: `127.0.0.1`, `[::1]`, `*`, `example.org`.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Loopback => f.write_str("localhost"),
            Host::Any => f.write_str("*"),
            Host::V4(v4) => write!(f, "{v4}"),
            Host::V6(v6, None) => write!(f, "[{v6}]"),
            Host::V6(v6, Some(zone)) => write!(f, "[{v6}%{zone}]"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// Text with the characters that mean something in the grammar, or are not to be seen, as `%XX` (RFC 3986 §2.1).
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '%' | '?' | '&' | '=' | '#' => write!(f, "%{:02X}", u32::from(character))?,
                _ if character.is_control() || character.is_whitespace() => {
                    let mut bytes = [0; 4];
                    for byte in character.encode_utf8(&mut bytes).bytes() {
                        write!(f, "%{byte:02X}")?;
                    }
                }
                _ => write!(f, "{character}")?,
            }
        }
        Ok(())
    }
}
