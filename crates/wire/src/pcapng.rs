//! The capture format made of blocks. Read first: draft-ietf-opsawg-pcapng §3 (blocks, options, padding), §4 (the blocks).
//!
//! The reader behind [`capture::Reader`](crate::capture::Reader) checks every length before it uses it, and lives on the
//! block lengths: a packet whose options are damaged is still a packet. The [`Writer`] writes little-endian nanoseconds
//! on every machine, and nothing about the machine: equal packets give equal files.

mod clock;
mod decoder;
mod writer;

#[cfg(test)]
mod tests;

pub use crate::capture::Interface;
pub use decoder::Comments;
pub(crate) use decoder::Decoder;
pub use writer::Writer;

/// Block types (draft-ietf-opsawg-pcapng §11.1).
pub(crate) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2; // obsolete (§A.1)
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// How a section header shows its byte order (§4.1).
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Options (§3.5, §4.1, §4.2, §4.6).
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const SHB_USERAPPL: u16 = 4;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_SPEED: u16 = 8;
    pub(super) const IF_TSRESOL: u16 = 9;
    pub(super) const IF_TSOFFSET: u16 = 14;
    pub(super) const ISB_IFDROP: u16 = 5;
    pub(super) const ISB_OSDROP: u16 = 7;
}

/// The order of the bytes in a number, as the machine that wrote it had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// From the magic in a section header.
    pub(crate) fn of_section(magic: &[u8]) -> Option<ByteOrder> {
        let magic = <[u8; 4]>::try_from(magic).ok()?;
        [ByteOrder::Little, ByteOrder::Big].into_iter().find(|order| order.u32(magic) == BYTE_ORDER_MAGIC)
    }

    #[inline]
    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(crate) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            ByteOrder::Little => u64::from_le_bytes(bytes),
            ByteOrder::Big => u64::from_be_bytes(bytes),
        }
    }
}

/// Bytes that fill up to a whole 32-bit word (§3.4).
fn padding(len: usize) -> usize {
    len.wrapping_neg() % 4
}
