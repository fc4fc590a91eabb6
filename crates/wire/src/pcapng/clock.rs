//! What one interface's timestamps mean: their unit and what has to be added (draft-ietf-opsawg-pcapng §4.2, if_tsresol
//! and if_tsoffset).

use crate::Time;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// How timestamps are turned into nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    unit: Unit,
    offset_seconds: i64,
}

/// One tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// So many nanoseconds.
    Nanos(u64),
    /// A nanosecond has so many ticks.
    PerNano(u128),
    /// A second has two to the power of this many ticks.
    Binary(u32),
}

impl Clock {
    /// Microseconds since the epoch: what an interface has that says nothing.
    pub(super) const MICROSECONDS: Clock = Clock { unit: Unit::Nanos(1000), offset_seconds: 0 };

    /// With the resolution that an if_tsresol byte tells: a negative power of 2 if its top bit is set, else of 10.
    pub(super) fn with_resolution(self, tsresol: u8) -> Clock {
        let exponent = u32::from(tsresol & 0x7f);
        let unit = match (tsresol & 0x80 != 0, exponent) {
            (true, _) => Unit::Binary(exponent),
            (false, 0..=9) => Unit::Nanos(10_u64.pow(9 - exponent)),
            // From 10^-48 on a nanosecond has more ticks than 128 bits can say: no timestamp ever reaches one.
            (false, _) => Unit::PerNano(10_u128.checked_pow(exponent - 9).unwrap_or(u128::MAX)),
        };
        Clock { unit, ..self }
    }

    /// With so many seconds to add to every timestamp.
    pub(super) fn with_offset(self, offset_seconds: i64) -> Clock {
        Clock { offset_seconds, ..self }
    }

    /// The time that a timestamp means; what lies before 1970 or after 2554 is taken as the nearest that can be said.
    #[inline]
    pub(super) fn time(self, ticks: u64) -> Time {
        let nanos = match self.unit {
            Unit::Nanos(nanos) => ticks.saturating_mul(nanos),
            Unit::PerNano(ticks_per_nano) => saturated(u128::from(ticks) / ticks_per_nano),
            // At most 94 bits before the shift, so nothing is lost.
            Unit::Binary(exponent) => {
                saturated((u128::from(ticks) * u128::from(NANOS_PER_SECOND)) >> exponent)
            }
        };
        let offset = self.offset_seconds.unsigned_abs().saturating_mul(NANOS_PER_SECOND);
        Time(if self.offset_seconds < 0 {
            nanos.saturating_sub(offset)
        } else {
            nanos.saturating_add(offset)
        })
    }
}

fn saturated(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(tsresol: u8, ticks: u64) -> u64 {
        Clock::MICROSECONDS.with_resolution(tsresol).time(ticks).0
    }

    #[test]
    fn powers_of_ten() {
        assert_eq!(Clock::MICROSECONDS.time(7), Time(7000));
        assert_eq!(nanos(0, 7), 7_000_000_000);
        assert_eq!(nanos(3, 7), 7_000_000);
        assert_eq!(nanos(6, 7), 7000);
        assert_eq!(nanos(9, 7), 7);
        assert_eq!(nanos(12, 7999), 7);
        assert_eq!((nanos(28, u64::MAX), nanos(29, u64::MAX), nanos(127, u64::MAX)), (1, 0, 0));
    }

    #[test]
    fn powers_of_two() {
        assert_eq!(nanos(0x80, 7), 7_000_000_000);
        assert_eq!(nanos(0x8a, 512), 500_000_000);
        assert_eq!(nanos(0xa0, 1 << 31), 500_000_000);
        assert_eq!(nanos(0xff, u64::MAX), 0);
    }

    #[test]
    fn offsets_are_added_and_nothing_wraps() {
        let seconds =
            |offset| Clock::MICROSECONDS.with_resolution(0).with_offset(offset).time(10).0 / 1_000_000_000;
        assert_eq!((seconds(5), seconds(-5), seconds(-11)), (15, 5, 0));
        assert_eq!(Clock::MICROSECONDS.with_offset(i64::MAX).time(u64::MAX), Time(u64::MAX));
        assert_eq!(Clock::MICROSECONDS.with_offset(i64::MIN).time(0), Time(0));
        assert_eq!(nanos(0, u64::MAX), u64::MAX);
    }
}
