//! A Unix socket: struct unix_diag_msg and what follows it. Read first: linux/unix_diag.h, unix(7).

use std::ffi::OsString;
use std::path::PathBuf;

use super::attributes::{attributes, memory};
use super::u32_at;
use crate::address::Address;
use crate::socket_row::{Details, Kind, SocketRow, SocketState};

/// struct unix_diag_msg: family, type, state, a hole, inode, cookie.
const MESSAGE_BYTES: usize = 16;

/// Attributes, by their numbers in linux/unix_diag.h.
mod number {
    pub(super) const NAME: u16 = 0;
    pub(super) const FILE: u16 = 1;
    pub(super) const PEER: u16 = 2;
    pub(super) const QUEUES: u16 = 4;
    pub(super) const MEMORY: u16 = 5;
    pub(super) const SHUTDOWN: u16 = 6;
    pub(super) const USER: u16 = 7;
}

/// The row in such a message; none where it is too short to be one, or of a type that this program does not know.
pub fn unix_row(body: &[u8]) -> Option<SocketRow> {
    let mut row = SocketRow {
        kind: Kind::of_unix(u32::from(*body.get(1)?))?,
        state: SocketState(*body.get(2)?),
        inode: u32_at(body, 4)?.into(),
        cookie: u64::from(u32_at(body, 8)?) | u64::from(u32_at(body, 12)?) << 32,
        ..SocketRow::default()
    };
    for (number, value) in attributes(body.get(MESSAGE_BYTES..)?) {
        match number {
            number::NAME => row.local = name(value),
            number::PEER => row.peer_inode = u32_at(value, 0).map(u64::from),
            number::QUEUES => {
                row.to_read_bytes = u32_at(value, 0).unwrap_or(0);
                row.to_send_bytes = u32_at(value, 4).unwrap_or(0);
            }
            number::SHUTDOWN => row.shutdown = value.first().copied(),
            number::USER => row.uid = u32_at(value, 0),
            number::MEMORY => {
                let details = row.details.get_or_insert_with(Box::<Details>::default);
                details.memory = Some(memory(value));
            }
            number::FILE => {
                let details = row.details.get_or_insert_with(Box::<Details>::default);
                details.file = u32_at(value, 0).zip(u32_at(value, 4));
            }
            _ => {}
        }
    }
    Some(row)
}

/// A path, whose NUL the kernel may count in; or, behind a NUL, an abstract name, which may hold any bytes.
fn name(value: &[u8]) -> Address {
    match value {
        [] => Address::Unnamed,
        [0, name @ ..] => Address::Abstract(name.to_vec()),
        _ => {
            let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
            Address::Path(path(&value[..end]))
        }
    }
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from(String::from_utf8_lossy(bytes).into_owned()))
}
