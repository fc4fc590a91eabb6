//! One captured frame as the tracker takes it, whoever captured it; and where the segment in it belongs.

use wire::link_type::LinkType;
use wire::{Fate, Passage, Time};

use crate::transit::Certainty;
use crate::{AnalysisFlags, Protocol, Side};

/// One captured frame.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it was captured; on the lab's link, when it entered the link.
    pub time: Time,
    /// What its bytes begin with.
    pub link_type: LinkType,
    /// The bytes that were kept; headers only when the capture was cut.
    pub bytes: &'a [u8],
    /// Its length on the wire, in bytes.
    pub wire_len: u32,
    /// What the emulated link did to it; none in an ordinary capture.
    pub passage: Option<Passage>,
}

/// Where a TCP segment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The number of its conversation.
    pub stream: u64,
    /// Who sent it.
    pub from: Side,
    /// The position of its first payload byte in its sender's stream: the first byte behind the SYN is 1.
    pub start: i64,
    /// Payload bytes on the wire that belong to the stream; what an RST carries does not.
    pub len_bytes: u32,
    /// The position up to which it acknowledges the other stream, a FIN not counted; none where it does not, or cannot
    /// be meant.
    pub ack: Option<i64>,
    /// Its conversation is among those that are wanted ([`Tracker::choose`](crate::Tracker::choose)).
    pub chosen: bool,
    /// What Wireshark's analysis says of it.
    pub analysis: AnalysisFlags,
}

/// Where a UDP datagram belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramPlacement {
    /// The number of its conversation, among those of datagrams.
    pub stream: u64,
    /// Who sent it.
    pub from: Side,
    /// Payload bytes on the wire.
    pub len_bytes: u32,
    /// Its conversation is among those that are wanted.
    pub chosen: bool,
}

/// Which conversation a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// A segment of this one of TCP.
    Tcp(Placement),
    /// A datagram of this one of UDP.
    Udp(DatagramPlacement),
    /// An ICMP error about a conversation.
    About {
        /// Of which kind that is.
        protocol: Protocol,
        /// Its number.
        stream: u64,
        /// It is among those that are wanted.
        chosen: bool,
    },
    /// None that is followed.
    Nowhere,
}

impl Belongs {
    /// The segment's placement, if it is one.
    pub fn tcp(self) -> Option<Placement> {
        match self {
            Belongs::Tcp(placement) => Some(placement),
            _ => None,
        }
    }
}

/// Where and when a packet was seen, and what the link did to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting<'a> {
    pub(crate) frame: u64,
    pub(crate) time: Time,
    pub(crate) passage: Option<&'a Passage>,
}

impl<'a> Sighting<'a> {
    pub(crate) fn of(frame: &'a Frame<'_>) -> Sighting<'a> {
        Sighting { frame: frame.number, time: frame.time, passage: frame.passage.as_ref() }
    }

    /// Whether the link damaged it so that the receiver dropped it.
    pub(crate) fn is_corrupted(&self) -> bool {
        self.passage.is_some_and(|passage| passage.fate == Fate::Corrupted)
    }

    /// Whether it was still under way when the lab ended.
    pub(crate) fn is_stopped(&self) -> bool {
        self.passage.is_some_and(|passage| passage.fate == Fate::Stopped)
    }

    pub(crate) fn certainty(&self) -> Certainty {
        match self.passage {
            Some(passage) if !passage.fate.is_received() => Certainty::Lost,
            Some(Passage { arrived: Some(_), .. }) => Certainty::Certain,
            _ => Certainty::Assumed,
        }
    }

    pub(crate) fn arrives(&self) -> Option<Time> {
        self.passage.filter(|passage| passage.fate.is_received()).and_then(|passage| passage.arrived)
    }
}
