//! Attributes behind a message: length, type, value, each at a multiple of four. Read first: rtnetlink(7).

use super::{u16_at, u32_at};
use crate::socket_row::Memory;

/// The bits of an attribute's type that are none of its number: `NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`.
const FLAGS: u16 = 0xc000;

/// The attributes in these bytes, with their values. One whose length is wrong ends them.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(rest, 0)?);
        let value = rest.get(4..len)?;
        let number = u16_at(rest, 2)? & !FLAGS;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((number, value))
    })
}

/// `SK_MEMINFO_*`: as many numbers as this kernel has, in their order.
pub(super) fn memory(value: &[u8]) -> Memory {
    let number = |place: usize| u32_at(value, place * 4);
    let or_none = |place| number(place).unwrap_or(0);
    Memory {
        receive_bytes: or_none(0),
        receive_room_bytes: or_none(1),
        send_bytes: or_none(2),
        send_room_bytes: or_none(3),
        forward_bytes: or_none(4),
        queued_bytes: or_none(5),
        option_bytes: or_none(6),
        backlog_bytes: or_none(7),
        drops: number(8),
    }
}

/// Text up to its NUL.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}
