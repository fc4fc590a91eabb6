//! What the emulated link did to one packet, and the form of it that stands in a capture's packet comment.
//!
//! `lab` writes it, `trace` reads it back, so a capture of the lab tells the same story as the lab did.

use crate::Time;

/// The fate of a packet on the link, one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It arrived as it was sent.
    Delivered,
    /// The link dropped it on purpose.
    Lost,
}

impl Fate {
    /// The word used in records, comments and drawings.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Delivered => "delivered",
            Fate::Lost => "lost",
        }
    }
}

/// The way of one packet over the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// What became of it.
    pub fate: Fate,
    /// The rule that decided, in the words of the command line (`loss 20%`); none when nothing interfered.
    pub rule: Option<String>,
    /// When it reached the other end.
    pub arrived: Option<Time>,
    /// How many segments of the wire this packet stands for: more than 1 when the kernel left the cutting to the
    /// device (GSO).
    pub segments: u32,
}
