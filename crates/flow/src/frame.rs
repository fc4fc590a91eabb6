//! One captured frame as the tracker takes it, whoever captured it.

use wire::link_type::LinkType;
use wire::{Passage, Time};

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
