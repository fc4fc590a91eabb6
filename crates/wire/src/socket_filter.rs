//! Which sockets are meant: the filter language of ss(8), read and applied.
//!
//! ```text
//! FILTER    := { state SET | exclude SET } [ CHAIN ]
//! CHAIN     := TERM { [ and | or ] TERM }          from left to right, neither binds closer; nothing between means and
//! TERM      := not TERM | ( CHAIN ) | autobound
//!            | src [=|!=] HOST | dst [=|!=] HOST | sport OP PORT | dport OP PORT
//!            | dev [=|!=] INTERFACE | fwmark [=|!=] MARK[/MASK] | cgroup [=|!=] PATH
//! OP        := = | == | eq | != | ne | neq | < | lt | > | gt | <= | le | leq | >= | ge | geq | nothing, which is =
//! HOST      := [FAMILY:][ADDRESS[/PREFIX]][:PORT]  with inet:, inet6:, unix: (a pattern of names) and link:
//! ```
//!
//! Signs may stand close (`dport=:443`); a backslash takes the next character as it is. Names are looked up by the caller
//! ([`Names`]). Input is bounded in depth, and nothing panics.

mod error;
mod grammar;
mod pattern;
#[cfg(test)]
mod tests;
mod words;

use std::net::IpAddr;

use crate::address::Address;
use crate::socket_row::{Kind, SocketRow, States};

pub use error::FilterError;

/// What only the system knows.
pub trait Names {
    /// The port of a service.
    fn port(&self, service: &str) -> Option<u16>;
    /// The addresses of a host.
    fn hosts(&self, name: &str) -> Vec<IpAddr>;
    /// The index of an interface.
    fn interface(&self, name: &str) -> Option<u32>;
    /// The number of a control group.
    fn cgroup(&self, path: &str) -> Option<u64>;
    /// The ports that the kernel gives away by itself, first and last.
    fn ephemeral_ports(&self) -> (u16, u16);
}

/// Which sockets are meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// The states, where any were named.
    pub states: Option<States>,
    /// The family, where an address was given with one (`unix:…`).
    pub family: Option<Family>,
    chain: Option<Chain>,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// Files and names.
    Unix,
    /// Interfaces.
    Packet,
}

/// Terms, one after the other.
#[derive(Clone, Debug, PartialEq)]
struct Chain {
    first: Box<Term>,
    rest: Vec<(Link, Term)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    And,
    Or,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Not(Box<Term>),
    Chain(Chain),
    Autobound((u16, u16)),
    Host(Side, Host),
    Port(Side, Comparison, Option<u32>),
    Interface(u32),
    Mark { mark: u32, mask: u32 },
    Cgroup(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Local,
    Remote,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    Greater,
    AtMost,
    AtLeast,
}

#[derive(Clone, Debug, PartialEq)]
enum Host {
    /// A pattern of names; an empty one is every Unix socket's that has none.
    Unix(String),
    /// Any of these networks, or any address where there are none; and the port.
    Internet { networks: Vec<Network>, port: Option<u32> },
    /// What is taken off an interface, and which interface.
    Packet { ether_type: Option<u16>, interface: Option<u32> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Filter {
    /// Reads a filter from the words of a command line.
    ///
    /// # Errors
    /// What is wrong with which place of the words, joined by single blanks.
    pub fn parse<S: AsRef<str>>(words: &[S], names: &dyn Names) -> Result<Filter, FilterError> {
        grammar::parse(words, None, names)
    }

    /// The same where one family was already asked for, by a flag: addresses without a family are of that one.
    ///
    /// # Errors
    /// As [`Filter::parse`].
    pub fn parse_in<S: AsRef<str>>(
        words: &[S],
        family: Option<Family>,
        names: &dyn Names,
    ) -> Result<Filter, FilterError> {
        grammar::parse(words, family, names)
    }

    /// Whether the socket is meant, its state aside.
    pub fn matches(&self, row: &SocketRow) -> bool {
        self.chain.as_ref().is_none_or(|chain| chain.holds(row))
    }
}

impl Family {
    /// Whether sockets of this kind and address are of it.
    pub fn has(self, row: &SocketRow) -> bool {
        match self {
            Family::Inet => row.kind.is_internet() && !row.is_ipv6(),
            Family::Inet6 => row.is_ipv6(),
            Family::Unix => row.kind.is_unix(),
            Family::Packet => row.kind.is_packet(),
        }
    }
}

impl Chain {
    fn holds(&self, row: &SocketRow) -> bool {
        self.rest.iter().fold(self.first.holds(row), |before, (link, term)| match link {
            Link::And => before && term.holds(row),
            Link::Or => before || term.holds(row),
        })
    }
}

impl Term {
    fn holds(&self, row: &SocketRow) -> bool {
        match self {
            Term::Not(term) => !term.holds(row),
            Term::Chain(chain) => chain.holds(row),
            Term::Autobound(range) => is_autobound(row, *range),
            Term::Host(side, host) => host.is(row, *side),
            Term::Port(side, comparison, port) => {
                comparison.holds(port_of(row, *side), port.map_or(-1, i64::from))
            }
            Term::Interface(index) => row.interface == *index,
            // The kernel keeps marks from ordinary users; ss(8) takes 0 then.
            Term::Mark { mark, mask } => row.mark.unwrap_or(0) & mask == *mark,
            Term::Cgroup(number) => row.cgroup.unwrap_or(0) == *number,
        }
    }
}

impl Comparison {
    /// `*` stands for -1, which is below every port and equal to all.
    fn holds(self, port: i64, with: i64) -> bool {
        match self {
            Comparison::Equal => with == -1 || port == with,
            Comparison::NotEqual => with != -1 && port != with,
            Comparison::Less => port < with,
            Comparison::Greater => port > with,
            Comparison::AtMost => port <= with,
            Comparison::AtLeast => port >= with,
        }
    }
}

/// What stands for the port: of Unix sockets the inode of either end, of packet sockets the interface.
fn port_of(row: &SocketRow, side: Side) -> i64 {
    let number = match (row.kind, side) {
        (kind, Side::Local) if kind.is_unix() => row.inode,
        (kind, Side::Remote) if kind.is_unix() => row.peer_inode.unwrap_or(0),
        (kind, Side::Local) if kind.is_packet() => u64::from(row.interface),
        (_, Side::Local) => row.local_port().into(),
        (_, Side::Remote) => row.remote_port().into(),
    };
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether the kernel chose the name: a port of its range; of Unix sockets none, or five hexadecimal digits (unix(7)).
fn is_autobound(row: &SocketRow, (first, last): (u16, u16)) -> bool {
    match &row.local {
        Address::Internet(_) => (first..=last).contains(&row.local_port()),
        Address::Unnamed if row.kind.is_packet() => row.interface == 0 && row.ether_type == 0,
        Address::Unnamed => true,
        Address::Abstract(name) => {
            name.len() == 5 && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        }
        Address::Path(_) => false,
    }
}

impl Host {
    fn is(&self, row: &SocketRow, side: Side) -> bool {
        let address = match side {
            Side::Local => &row.local,
            Side::Remote => &row.remote,
        };
        match self {
            Host::Unix(pattern) => row.kind.is_unix() && pattern::matches(pattern, &unix_name(address)),
            Host::Packet { ether_type, interface } => {
                row.kind.is_packet()
                    && side == Side::Local
                    && ether_type.is_none_or(|ether_type| row.ether_type == ether_type)
                    && interface.is_none_or(|interface| row.interface == interface)
            }
            Host::Internet { networks, port } => {
                port.is_none_or(|port| port_of(row, side) == i64::from(port))
                    && (networks.is_empty() || networks.iter().any(|network| network.has(address)))
            }
        }
    }
}

impl Network {
    fn has(&self, address: &Address) -> bool {
        let Some(address) = address.internet() else { return false };
        match (address.ip(), self.address) {
            (IpAddr::V4(ip), IpAddr::V4(network)) => {
                same_beginning(&ip.octets(), &network.octets(), self.prefix)
            }
            (IpAddr::V6(ip), IpAddr::V6(network)) => {
                same_beginning(&ip.octets(), &network.octets(), self.prefix)
            }
            // An IPv4 address in IPv6's clothes (RFC 4291 §2.5.5.2).
            (IpAddr::V6(ip), IpAddr::V4(network)) => ip
                .to_ipv4_mapped()
                .is_some_and(|ip| same_beginning(&ip.octets(), &network.octets(), self.prefix)),
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }
}

fn same_beginning(one: &[u8], other: &[u8], bits: u8) -> bool {
    let (bytes, rest) = (usize::from(bits / 8), bits % 8);
    let part = |of: &[u8]| of.get(bytes).map_or(0, |byte| u16::from(*byte) >> (8 - rest));
    one.get(..bytes) == other.get(..bytes) && part(one) == part(other)
}

/// The name as patterns see it: abstract ones behind an `@`, each NUL of theirs as another.
fn unix_name(address: &Address) -> String {
    match address {
        Address::Path(path) => path.to_string_lossy().into_owned(),
        Address::Abstract(name) => format!("@{}", String::from_utf8_lossy(name).replace('\0', "@")),
        _ => String::new(),
    }
}

/// The kinds of sockets that a family has.
pub fn kinds_of(family: Family) -> &'static [Kind] {
    match family {
        Family::Inet | Family::Inet6 => &[Kind::Tcp, Kind::Udp, Kind::Raw],
        Family::Unix => &[Kind::UnixStream, Kind::UnixDgram, Kind::UnixSeqpacket],
        Family::Packet => &[Kind::PacketRaw, Kind::PacketDgram],
    }
}
