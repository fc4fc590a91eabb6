//! One captured frame as the tracker takes it, whoever captured it; and where the segment in it belongs.

use wire::link_type::LinkType;
use wire::{Passage, Time};

use crate::{AnalysisFlags, Side};

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
    /// Payload bytes on the wire.
    pub len_bytes: u32,
    /// What Wireshark's analysis says of it.
    pub analysis: AnalysisFlags,
}
