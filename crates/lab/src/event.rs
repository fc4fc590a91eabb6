//! What the lab has to tell: values, drawn or recorded by `bothends`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use flow::Frame;
use wire::link_type::LinkType;
use wire::{Passage, Time};

use crate::calibration::Calibration;
use crate::config::Family;

/// One of the hosts, and its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The one that waits.
    Server,
    /// The one that calls.
    Client,
    /// A further one, by its number: `host3`, `host4`, …
    Other(u8),
}

impl Role {
    /// The role of a host by its number, from 1: the client, the server, then the others.
    pub fn numbered(number: u8) -> Role {
        match number {
            0 | 1 => Role::Client,
            2 => Role::Server,
            _ => Role::Other(number),
        }
    }

    /// The roles of so many hosts, in the order of their numbers.
    pub fn all(hosts: usize) -> impl Iterator<Item = Role> + Clone {
        (1..=u8::try_from(hosts).unwrap_or(u8::MAX)).map(Role::numbered)
    }

    /// The host's number, with which its addresses end.
    pub fn number(self) -> u8 {
        match self {
            Role::Client => 1,
            Role::Server => 2,
            Role::Other(number) => number,
        }
    }

    /// Its place among all hosts, from 0.
    pub(crate) fn index(self) -> usize {
        usize::from(self.number().saturating_sub(1))
    }

    /// The host's address: 10.0.0.1, fd00::1, …
    pub fn address(self, family: Family) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::new(10, 0, 0, self.number()).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, self.number().into()).into(),
        }
    }

    /// Whose address this is; none: nobody's.
    pub fn of(address: IpAddr) -> Option<Role> {
        let number = match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[15],
        };
        let role = Role::numbered(number);
        [Family::V4, Family::V6].map(|family| role.address(family)).contains(&address).then_some(role)
    }

    /// Its other name, a letter: the client is `a`.
    pub fn letter(self) -> char {
        char::from(b'a' + self.number() - 1)
    }

    /// The host's name.
    pub fn name(self) -> &'static str {
        match self {
            Role::Client => "client",
            Role::Server => "server",
            Role::Other(number) => OTHERS.get(usize::from(number.saturating_sub(3))).unwrap_or(&"host"),
        }
    }
}

const OTHERS: [&str; 6] = ["host3", "host4", "host5", "host6", "host7", "host8"];

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A TUN device on each host.
    Tun,
    /// A veth pair for each host and packet sockets on their other ends.
    Packet,
    /// No kernel: smoltcp on both sides, virtual time.
    Simulated,
}

/// A packet that entered the link, told once its fate is known, in order of entering.
///
/// A buffer of segments that a rule had to cut (GSO) is told as several: one for each run of segments with the same fate.
#[derive(Clone, Debug)]
pub struct LinkFrame {
    /// Its number, from 1.
    pub number: u64,
    /// When it entered.
    pub time: Time,
    /// Who sent it; in whose name, where the link itself did.
    pub from: Role,
    /// The link made it: an ICMP error about a packet that it could not carry.
    pub by_link: bool,
    /// What its bytes begin with.
    pub link_type: LinkType,
    /// Its first bytes (headers, or all where a capture is written).
    pub bytes: Vec<u8>,
    /// Its length in bytes.
    pub wire_len: u32,
    /// What became of it.
    pub passage: Passage,
}

impl LinkFrame {
    /// The packet as it is to be followed.
    pub fn to_follow(&self) -> Frame<'_> {
        Frame {
            number: self.number,
            time: self.time,
            link_type: self.link_type,
            bytes: &self.bytes,
            wire_len: self.wire_len,
            passage: Some(self.passage.clone()),
        }
    }
}

/// The word for packets that the link itself sent, among those of [`DirectionReport::touched`].
pub const ANSWERED: &str = "answered";

/// Counters of one direction, in packets of the wire: each segment of a buffer that the kernel left uncut is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectionReport {
    /// Packets that entered.
    pub offered: u64,
    /// Packets that came out; what came out twice counts once.
    pub delivered: u64,
    /// What came out once more.
    pub copies: u64,
    /// What happened to those that came out, by the word for it, and the packets that the link itself sent.
    pub touched: Vec<(&'static str, u64)>,
    /// Packets that a rule dropped, by rule.
    pub lost: Vec<(String, u64)>,
    /// Packets that were still under way when the lab ended.
    pub stopped: u64,
    /// Packets that were dropped though no rule asked for it.
    pub unplanned_drops: u64,
    /// Release time minus planned time: median, 99th percentile and maximum.
    pub lateness: [Duration; 3],
    /// How many packets were late by no more than each time, and by more than the one before; the last time is the first
    /// within which all were.
    pub lateness_counts: Vec<(Duration, u64)>,
    /// By how much delays were made shorter, because getting in and out of the link costs that much in itself.
    pub calibration: Calibration,
}

/// What the lab has to tell.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "the largest is told once, at the end")]
pub enum Event {
    /// The network stands.
    Ready {
        /// What carries the packets.
        backend: Backend,
        /// The seed in use.
        seed: u64,
    },
    /// A command waits for clients.
    Listening {
        /// Whose.
        role: Role,
        /// Where it waits for TCP connections; nowhere when it waits for datagrams only.
        addresses: Vec<SocketAddr>,
    },
    /// A command has opened no socket to wait on: the client is started anyway.
    NotListening {
        /// Whose.
        role: Role,
        /// For how long.
        waited: Duration,
    },
    /// A packet entered the link, and this became of it.
    Frame(LinkFrame),
    /// So many packets were carried but are not told, because nobody fetched what there was to tell fast enough.
    Missed(u64),
    /// A program printed something.
    Output {
        /// Which.
        role: Role,
        /// 1 or 2.
        fd: u8,
        /// What.
        bytes: Vec<u8>,
    },
    /// A program ended.
    Ran {
        /// Which.
        role: Role,
        /// What was run, in words.
        command: String,
        /// Its exit status, when it exited.
        exit: Option<i32>,
        /// The signal that ended it, when one did.
        signal: Option<i32>,
    },
    /// The end: the link's counters.
    Link {
        /// From the client to the server.
        up: DirectionReport,
        /// From the server to the client.
        down: DirectionReport,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_known_by_number_name_and_address() {
        let roles: Vec<Role> = Role::all(8).collect();
        assert_eq!(roles[..3], [Role::Client, Role::Server, Role::Other(3)]);
        for role in roles {
            assert_eq!(Role::numbered(role.number()), role);
            for family in [Family::V4, Family::V6] {
                assert_eq!(Role::of(role.address(family)), Some(role));
            }
        }
        assert_eq!(Role::Other(8).name(), "host8");
        assert_eq!(Role::Client.address(Family::V4).to_string(), "10.0.0.1");
        assert_eq!(Role::Other(3).address(Family::V6).to_string(), "fd00::3");
        assert_eq!(Role::of([10, 0, 1, 1].into()), None);
    }
}
