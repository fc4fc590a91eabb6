//! The classic capture format, both byte orders, microseconds and nanoseconds. Read first: draft-ietf-opsawg-pcap §4
//! (file header), §5 (packet record).
//!
//! The reader behind [`capture::Reader`](crate::capture::Reader) checks every length before it uses it; the [`Writer`]
//! writes little-endian nanoseconds on every machine, so equal packets give equal files.

use std::io::{self, Read, Write};

use crate::Time;
use crate::capture::{CaptureError, Found, Interface, MAX_PACKET_LEN, Window};
use crate::link_type::LinkType;
use crate::pcapng::{ByteOrder, Comments};

#[cfg(test)]
mod tests;

/// Timestamps in microseconds (draft-ietf-opsawg-pcap §4).
pub const MAGIC_MICROS: u32 = 0xa1b2_c3d4;

/// Timestamps in nanoseconds (draft-ietf-opsawg-pcap §4).
pub const MAGIC_NANOS: u32 = 0xa1b2_3c4d;

/// Alexey Kuznetsov's variant, whose records say more in 8 bytes that are skipped here.
pub const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// The file header, in bytes.
const FILE_HEADER_LEN: usize = 24;

/// The header of a record, in bytes, and that of the modified format.
const RECORD_HEADER_LEN: usize = 16;
const MODIFIED_RECORD_HEADER_LEN: usize = 24;

/// What the first four bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Magic {
    order: ByteOrder,
    /// Nanoseconds in one unit of the fraction.
    unit_nanos: u64,
    record_header_len: usize,
}

impl Magic {
    /// None when these begin no pcap file.
    pub(crate) fn read(bytes: [u8; 4]) -> Option<Magic> {
        [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| {
            let (unit_nanos, record_header_len) = match order.u32(bytes) {
                MAGIC_MICROS => (1000, RECORD_HEADER_LEN),
                MAGIC_NANOS => (1, RECORD_HEADER_LEN),
                MAGIC_MODIFIED => (1000, MODIFIED_RECORD_HEADER_LEN),
                _ => return None,
            };
            Some(Magic { order, unit_nanos, record_header_len })
        })
    }
}

/// Finds the records of a file whose header has been read.
#[derive(Debug)]
pub(crate) struct Decoder {
    magic: Magic,
    /// Some writers of versions 2.0 to 2.3 had the two lengths of a record the wrong way round.
    lengths_may_be_swapped: bool,
    interface: Interface,
}

impl Decoder {
    pub(crate) fn new<R: Read>(window: &mut Window<R>) -> Result<Decoder, CaptureError> {
        window.fill(FILE_HEADER_LEN)?;
        let Some(header) = window.bytes().first_chunk::<FILE_HEADER_LEN>() else {
            return Err(CaptureError::Cut { offset: 0, packets: 0 });
        };
        let [a, b, c, d, major_a, major_b, minor_a, minor_b, .., e, f, g, h] = *header;
        let mut magic = Magic::read([a, b, c, d]).ok_or_else(|| CaptureError::not_a_capture(header))?;
        let major = magic.order.u16([major_a, major_b]);
        let minor = magic.order.u16([minor_a, minor_b]);
        if major != 2 {
            return Err(CaptureError::Unsupported(format!("pcap version {major}.{minor}")));
        }
        // The upper bits tell of a frame check sequence behind each frame, which the IP length leaves out anyway.
        let mut link_type = LinkType((magic.order.u32([e, f, g, h]) & 0xffff) as u16);
        if let (2, Some(of_aix)) = (minor, aix_link_type(link_type.0)) {
            link_type = of_aix;
            magic.unit_nanos = 1;
        }
        window.take(FILE_HEADER_LEN);
        let interface = Interface::new("", link_type);
        Ok(Decoder { magic, lengths_may_be_swapped: minor < 4, interface })
    }

    /// The next record; `number` is that of its packet.
    pub(crate) fn next<'w, R: Read>(
        &self,
        window: &'w mut Window<R>,
        number: u64,
    ) -> Result<Option<Found<'w>>, CaptureError> {
        let header_len = self.magic.record_header_len;
        let offset = window.offset();
        let cut = CaptureError::Cut { offset, packets: number - 1 };
        if window.fill(header_len)? < header_len {
            return if window.bytes().is_empty() { Ok(None) } else { Err(cut) };
        }
        let Some(header) = window.bytes().first_chunk::<RECORD_HEADER_LEN>() else { return Err(cut) };
        let (words, _) = header.as_chunks::<4>();
        let [seconds, fraction, mut len, mut wire_len] =
            [0, 1, 2, 3].map(|at| self.magic.order.u32(words[at]));
        if self.lengths_may_be_swapped && len > wire_len {
            std::mem::swap(&mut len, &mut wire_len);
        }
        let len = match usize::try_from(len) {
            Ok(len) if len <= MAX_PACKET_LEN => len,
            _ => {
                let what = format!("it claims {len} bytes, more than any packet has");
                return Err(CaptureError::Damaged { offset, packet: number, what });
            }
        };
        if window.fill(header_len + len)? < header_len + len {
            return Err(cut);
        }
        let nanos = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.magic.unit_nanos;
        Ok(Some(Found {
            time: Time(nanos),
            link_type: self.interface.link_type,
            interface: 0,
            bytes: window.take(header_len + len).get(header_len..).unwrap_or_default(),
            wire_len,
            comments: Comments::NONE,
            passage: None,
        }))
    }

    pub(crate) fn interfaces(&self) -> &[Interface] {
        std::slice::from_ref(&self.interface)
    }
}

/// AIX writes version 2.2 with nanoseconds and with the interface types of SNMP (RFC 1573, ifType) for link types.
fn aix_link_type(interface_type: u16) -> Option<LinkType> {
    match interface_type {
        6 => Some(LinkType::ETHERNET),
        9 => Some(LinkType::TOKEN_RING),
        15 => Some(LinkType::FDDI),
        24 => Some(LinkType::NULL),
        _ => None,
    }
}

/// Writes a capture, one link type and no comments.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    record: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the file header. `snap_len` is the most that is kept of each packet, in bytes.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, link_type: LinkType, snap_len: u32) -> io::Result<Writer<W>> {
        let mut header = Vec::with_capacity(FILE_HEADER_LEN);
        header.extend(MAGIC_NANOS.to_le_bytes());
        header.extend([2, 0, 4, 0]);
        header.extend([0; 8]);
        header.extend(snap_len.to_le_bytes());
        header.extend(u32::from(link_type.0).to_le_bytes());
        out.write_all(&header)?;
        Ok(Writer { out, record: Vec::new() })
    }

    /// Writes one packet: what was kept of it, and how long it was. Packets of more than [`MAX_PACKET_LEN`] bytes, or
    /// captured after the year 2106, do not fit the format.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for what does not fit, of which nothing is written; those of `out`.
    pub fn packet(&mut self, time: Time, wire_len: u32, bytes: &[u8]) -> io::Result<()> {
        let seconds = u32::try_from(time.0 / 1_000_000_000)
            .map_err(|_| unfit("a time after the year 2106 does not fit into a pcap file"))?;
        let nanos = (time.0 % 1_000_000_000) as u32;
        let len = packet_len(bytes)?;
        self.record.clear();
        for word in [seconds, nanos, len, wire_len.max(len)] {
            self.record.extend(word.to_le_bytes());
        }
        self.record.extend(bytes);
        self.out.write_all(&self.record)
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The length of a packet that every reader accepts.
pub(crate) fn packet_len(bytes: &[u8]) -> io::Result<u32> {
    match u32::try_from(bytes.len()) {
        Ok(len) if bytes.len() <= MAX_PACKET_LEN => Ok(len),
        _ => Err(unfit("the packet is longer than readers of captures accept")),
    }
}

pub(crate) fn unfit(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
