//! The fifteen flags, by their names.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// Some of the fifteen flags. `Display` joins their names with commas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AnalysisFlags(u16);

impl AnalysisFlags {
    /// None.
    pub const NONE: AnalysisFlags = AnalysisFlags(0);
    /// Repeats numbers that were sent before.
    pub const RETRANSMISSION: AnalysisFlags = AnalysisFlags(1);
    /// A retransmission that two duplicate ACKs had just asked for.
    pub const FAST_RETRANSMISSION: AnalysisFlags = AnalysisFlags(1 << 1);
    /// A retransmission of what was acknowledged already.
    pub const SPURIOUS_RETRANSMISSION: AnalysisFlags = AnalysisFlags(1 << 2);
    /// Comes late, but so soon that it was overtaken rather than sent again.
    pub const OUT_OF_ORDER: AnalysisFlags = AnalysisFlags(1 << 3);
    /// Acknowledges the same again, with the same window.
    pub const DUPLICATE_ACK: AnalysisFlags = AnalysisFlags(1 << 4);
    /// Something before it was not captured.
    pub const LOST_SEGMENT: AnalysisFlags = AnalysisFlags(1 << 5);
    /// Acknowledges what was not captured.
    pub const ACK_LOST_SEGMENT: AnalysisFlags = AnalysisFlags(1 << 6);
    /// Announces a window of zero.
    pub const ZERO_WINDOW: AnalysisFlags = AnalysisFlags(1 << 7);
    /// One byte into a window of zero.
    pub const ZERO_WINDOW_PROBE: AnalysisFlags = AnalysisFlags(1 << 8);
    /// The answer to such a byte: still zero.
    pub const ZERO_WINDOW_PROBE_ACK: AnalysisFlags = AnalysisFlags(1 << 9);
    /// Changes the window and nothing else.
    pub const WINDOW_UPDATE: AnalysisFlags = AnalysisFlags(1 << 10);
    /// Fills the other side's window to its last byte.
    pub const WINDOW_FULL: AnalysisFlags = AnalysisFlags(1 << 11);
    /// Asks for a sign of life.
    pub const KEEP_ALIVE: AnalysisFlags = AnalysisFlags(1 << 12);
    /// The sign of life.
    pub const KEEP_ALIVE_ACK: AnalysisFlags = AnalysisFlags(1 << 13);
    /// Opens another conversation between the same ports.
    pub const REUSED_PORTS: AnalysisFlags = AnalysisFlags(1 << 14);

    /// How many flags there are.
    pub const COUNT: usize = 15;

    /// Every flag with its name, that of Wireshark's field behind `tcp.analysis.`.
    pub const NAMES: [(AnalysisFlags, &'static str); AnalysisFlags::COUNT] = [
        (AnalysisFlags::RETRANSMISSION, "retransmission"),
        (AnalysisFlags::FAST_RETRANSMISSION, "fast_retransmission"),
        (AnalysisFlags::SPURIOUS_RETRANSMISSION, "spurious_retransmission"),
        (AnalysisFlags::OUT_OF_ORDER, "out_of_order"),
        (AnalysisFlags::DUPLICATE_ACK, "duplicate_ack"),
        (AnalysisFlags::LOST_SEGMENT, "lost_segment"),
        (AnalysisFlags::ACK_LOST_SEGMENT, "ack_lost_segment"),
        (AnalysisFlags::ZERO_WINDOW, "zero_window"),
        (AnalysisFlags::ZERO_WINDOW_PROBE, "zero_window_probe"),
        (AnalysisFlags::ZERO_WINDOW_PROBE_ACK, "zero_window_probe_ack"),
        (AnalysisFlags::WINDOW_UPDATE, "window_update"),
        (AnalysisFlags::WINDOW_FULL, "window_full"),
        (AnalysisFlags::KEEP_ALIVE, "keep_alive"),
        (AnalysisFlags::KEEP_ALIVE_ACK, "keep_alive_ack"),
        (AnalysisFlags::REUSED_PORTS, "reused_ports"),
    ];

    /// True when all of `these` are set.
    pub fn has(self, these: AnalysisFlags) -> bool {
        self.0 & these.0 == these.0
    }

    /// True when none is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of the flags that are set, in the order of [`AnalysisFlags::NAMES`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        AnalysisFlags::NAMES.into_iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| name)
    }

    /// The places in [`AnalysisFlags::NAMES`] of the flags that are set.
    pub(crate) fn places(self) -> impl Iterator<Item = usize> {
        (0..AnalysisFlags::COUNT).filter(move |place| self.0 & (1 << place) != 0)
    }
}

impl BitOr for AnalysisFlags {
    type Output = AnalysisFlags;

    fn bitor(self, other: AnalysisFlags) -> AnalysisFlags {
        AnalysisFlags(self.0 | other.0)
    }
}

impl BitOrAssign for AnalysisFlags {
    fn bitor_assign(&mut self, other: AnalysisFlags) {
        self.0 |= other.0;
    }
}

impl fmt::Display for AnalysisFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.names().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}
