//! A packet socket: struct packet_diag_msg and what follows it. Read first: linux/packet_diag.h, packet(7).

use super::attributes::{attributes, memory};
use super::{u16_at, u32_at};
use crate::socket_row::{Details, Kind, SocketRow};

/// struct packet_diag_msg: family, type, protocol, inode, cookie.
const MESSAGE_BYTES: usize = 16;

/// Attributes, by their numbers in linux/packet_diag.h.
mod number {
    pub(super) const INFO: u16 = 0;
    pub(super) const USER: u16 = 5;
    pub(super) const MEMORY: u16 = 6;
}

/// The row in such a message; none where it is too short to be one, or of a type that this program does not know.
pub fn packet_row(body: &[u8]) -> Option<SocketRow> {
    let mut row = SocketRow {
        kind: Kind::of_packet(u32::from(*body.get(1)?))?,
        ether_type: u16_at(body, 2)?,
        inode: u32_at(body, 4)?.into(),
        cookie: u64::from(u32_at(body, 8)?) | u64::from(u32_at(body, 12)?) << 32,
        ..SocketRow::default()
    };
    for (number, value) in attributes(body.get(MESSAGE_BYTES..)?) {
        match number {
            number::INFO => row.interface = u32_at(value, 0).unwrap_or(0),
            number::USER => row.uid = u32_at(value, 0),
            number::MEMORY => {
                let memory = memory(value);
                row.to_read_bytes = memory.receive_bytes;
                row.drops = memory.drops.map(u64::from);
                let details = row.details.get_or_insert_with(Box::<Details>::default);
                details.memory = Some(memory);
            }
            _ => {}
        }
    }
    Some(row)
}
