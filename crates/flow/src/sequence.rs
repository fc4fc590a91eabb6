//! Sequence numbers: as they stand in headers, modulo 2^32 (RFC 9293 §3.4), and unwound to positions that never wrap.
//!
//! Everything behind the first reading of a header counts in positions: 0 is the SYN, 1 the first byte, and a transfer
//! of more than 4 GiB simply goes on. So only this file has to think about wrapping.

/// A sequence number as it stands in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seq(pub(crate) u32);

impl Seq {
    /// The number `count` further on.
    #[must_use]
    pub(crate) fn plus(self, count: u32) -> Seq {
        Seq(self.0.wrapping_add(count))
    }

    /// The number `count` before.
    #[must_use]
    pub(crate) fn minus(self, count: u32) -> Seq {
        Seq(self.0.wrapping_sub(count))
    }

    /// How far this is behind `other`, negative when it comes before: the shorter way round the circle of 2^32.
    pub(crate) fn distance_from(self, other: Seq) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

/// How the numbers of one direction are counted: which one is position 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbering {
    first: Seq,
}

impl Numbering {
    /// `first` becomes position 0.
    pub(crate) fn from_first(first: Seq) -> Numbering {
        Numbering { first }
    }

    /// The position of `seq`; of all that have this number, the one closest to `near`.
    pub(crate) fn position(self, seq: Seq, near: i64) -> i64 {
        near + i64::from(seq.distance_from(self.first.plus(wrapped(near))))
    }

    /// True when `seq` is position 0.
    pub(crate) fn starts_at(self, seq: Seq) -> bool {
        self.first == seq
    }
}

/// A position as records and drawings show it: relative, and wrapping like the numbers in headers do.
pub(crate) fn wrapped(position: i64) -> u32 {
    (position & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn distance_goes_round_the_circle() {
        assert_eq!(Seq(2).distance_from(Seq(u32::MAX)), 3);
        assert_eq!(Seq(u32::MAX).distance_from(Seq(2)), -3);
        assert_eq!(Seq(0x8000_0000).distance_from(Seq(0)), i32::MIN);
    }

    #[test]
    fn positions_pass_4_gib() {
        let numbering = Numbering::from_first(Seq(0xffff_fff0));
        assert_eq!(numbering.position(Seq(0xffff_fff0), 0), 0);
        assert_eq!(numbering.position(Seq(0x10), 1), 0x20);
        assert_eq!(numbering.position(Seq(0x10), 5 << 32), (5 << 32) + 0x20);
        assert_eq!(wrapped((5 << 32) + 0x20), 0x20);
    }

    proptest! {
        #[test]
        fn steps_and_distances_agree(start: u32, count in 0u32..0x8000_0000) {
            let there = Seq(start).plus(count);
            prop_assert_eq!(there.distance_from(Seq(start)), count as i32);
            prop_assert_eq!(there.minus(count), Seq(start));
            prop_assert_eq!(i64::from(Seq(start).distance_from(there)), -i64::from(count));
        }

        #[test]
        fn a_position_is_found_again_from_anywhere_near(
            first: u32,
            position in -0x1_0000_0000i64..0x100_0000_0000,
            off in -0x7fff_ffffi64..0x8000_0000,
        ) {
            let numbering = Numbering::from_first(Seq(first));
            let seq = Seq(first).plus(wrapped(position));
            prop_assert_eq!(numbering.position(seq, position + off), position);
        }
    }
}
