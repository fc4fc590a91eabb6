//! What the path says about a conversation: ICMP errors, tied to the segment or datagram that each is about.

use std::net::IpAddr;

use wire::Time;

use crate::Side;

/// Errors that are kept of one conversation; the first ones.
const KEPT: usize = 16;

/// An ICMP error about a packet of this conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// The frame that carried it.
    pub frame: u64,
    /// When it was captured.
    pub time: Time,
    /// Who sent it: a router on the path, or the other host.
    pub by: IpAddr,
    /// Whose packet it is about.
    pub about: Side,
    /// What it says, in words.
    pub meaning: &'static str,
    /// The largest packet that the next hop takes, in bytes, where that is the trouble.
    pub next_hop_mtu: Option<u32>,
}

/// The errors about one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathErrors {
    /// The first ones, at most 16.
    pub first: Vec<PathError>,
    /// How many there were.
    pub count: u64,
}

impl PathErrors {
    pub(crate) fn push(&mut self, error: PathError) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(error);
        }
    }
}
