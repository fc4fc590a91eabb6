//! What the lab has to tell: values, drawn or recorded by `bothends`.

use std::net::SocketAddr;
use std::time::Duration;

use flow::Frame;
use wire::link_type::LinkType;
use wire::{Passage, Time};

/// One of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The one that waits.
    Server,
    /// The one that calls.
    Client,
}

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
    /// Who sent it.
    pub from: Role,
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

/// Counters of one direction, in packets of the wire: each segment of a buffer that the kernel left uncut is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectionReport {
    /// Packets that entered.
    pub offered: u64,
    /// Packets that came out.
    pub delivered: u64,
    /// Packets that a rule dropped, by rule.
    pub lost: Vec<(String, u64)>,
    /// Packets that were dropped though no rule asked for it.
    pub unplanned_drops: u64,
    /// Release time minus planned time: median, 99th percentile and maximum.
    pub lateness: [Duration; 3],
}

/// What the lab has to tell.
#[derive(Clone, Debug)]
pub enum Event {
    /// The network stands.
    Ready {
        /// What carries the packets.
        backend: Backend,
        /// The seed in use.
        seed: u64,
    },
    /// The server's command waits for clients: the client is started.
    Listening {
        /// Where it waits for TCP connections; nowhere when it waits for datagrams only.
        addresses: Vec<SocketAddr>,
    },
    /// The server's command has opened no socket to wait on: the client is started anyway.
    NotListening {
        /// For how long.
        waited: Duration,
    },
    /// A packet entered the link, and this became of it.
    Frame(LinkFrame),
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
