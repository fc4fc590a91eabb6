//! Writes one section: its header, then interfaces and packets as they come.

use std::io::{self, Write};

use super::{BYTE_ORDER_MAGIC, Interface, option, padding};
use crate::Time;
use crate::capture::{MAX_BLOCK_LEN, MAX_INTERFACES};
use crate::pcap::{packet_len, unfit};

/// The program that wrote the file, as the section header tells it (shb_userappl).
const PROGRAM: &str = concat!("bothends ", env!("CARGO_PKG_VERSION"));

/// Nanoseconds: ten to the power of minus this (if_tsresol).
const NANOSECONDS: u8 = 9;

/// Writes a capture. Each packet leaves in one write.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    interfaces: u32,
    /// Bytes kept of each packet; zero means all.
    snap_len: u32,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the section header and the interfaces, whose packets are kept whole.
    ///
    /// # Errors
    /// Those of [`Writer::interface`].
    pub fn new(out: W, interfaces: &[Interface]) -> io::Result<Writer<W>> {
        Writer::with_snap_len(out, interfaces, 0)
    }

    /// The same where at most `snap_len` bytes of each packet are kept; zero means all.
    ///
    /// # Errors
    /// Those of [`Writer::interface`].
    pub fn with_snap_len(out: W, interfaces: &[Interface], snap_len: u32) -> io::Result<Writer<W>> {
        let mut writer = Writer { out, interfaces: 0, snap_len, block: Vec::new() };
        writer.section_header()?;
        for interface in interfaces {
            writer.interface(interface)?;
        }
        Ok(writer)
    }

    /// Announces one more interface, and gives its number: packets may come between interfaces. Refuses more than any
    /// reader would accept ([`MAX_INTERFACES`]).
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for one too many and for a name of more than 65,535 bytes; those of `out`.
    pub fn interface(&mut self, interface: &Interface) -> io::Result<u32> {
        let number = self.interfaces;
        if usize::try_from(number).is_ok_and(|number| number >= MAX_INTERFACES) {
            return Err(unfit("the capture has too many interfaces"));
        }
        self.interface_description(interface)?;
        self.interfaces += 1;
        Ok(number)
    }

    /// Writes one packet: where and when it was captured, how long it was, what was kept of it, and what there is to say
    /// about it. Refuses an interface that was not announced, a packet that no reader would accept
    /// ([`MAX_PACKET_LEN`](crate::capture::MAX_PACKET_LEN)), and a comment of more than 65,535 bytes.
    ///
    /// # Errors
    /// Those of [`Writer::packet_with_comments`].
    pub fn packet(
        &mut self,
        interface: u32,
        time: Time,
        wire_len: u32,
        bytes: &[u8],
        comment: Option<&str>,
    ) -> io::Result<()> {
        self.packet_with_comments(interface, time, wire_len, bytes, comment)
    }

    /// The same with any number of comments.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for what is refused, of which nothing is written: as with [`Writer::packet`],
    /// and comments that make a block longer than [`MAX_BLOCK_LEN`]. Those of `out`.
    pub fn packet_with_comments<'c>(
        &mut self,
        interface: u32,
        time: Time,
        wire_len: u32,
        bytes: &[u8],
        comments: impl IntoIterator<Item = &'c str>,
    ) -> io::Result<()> {
        if interface >= self.interfaces {
            return Err(unfit("the capture has no such interface"));
        }
        let len = packet_len(bytes)?;
        self.begin(super::ENHANCED_PACKET);
        let (high, low) = ((time.0 >> 32) as u32, (time.0 & 0xffff_ffff) as u32);
        for word in [interface, high, low, len, wire_len.max(len)] {
            self.block.extend(word.to_le_bytes());
        }
        self.padded(bytes);
        let without_options = self.block.len();
        for comment in comments {
            self.option(option::COMMENT, comment.as_bytes())?;
        }
        if self.block.len() > without_options {
            self.option(option::END, &[])?;
        }
        if self.block.len() + 4 > MAX_BLOCK_LEN {
            return Err(unfit("there are too many comments on one packet"));
        }
        self.end()
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn section_header(&mut self) -> io::Result<()> {
        self.begin(super::SECTION_HEADER);
        self.block.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        self.block.extend([1, 0, 0, 0]);
        self.block.extend((-1_i64).to_le_bytes()); // the length of the section is not known beforehand
        self.option(option::SHB_USERAPPL, PROGRAM.as_bytes())?;
        self.option(option::END, &[])?;
        self.end()
    }

    fn interface_description(&mut self, interface: &Interface) -> io::Result<()> {
        self.begin(super::INTERFACE_DESCRIPTION);
        self.block.extend(interface.link_type.0.to_le_bytes());
        self.block.extend([0; 2]);
        self.block.extend(self.snap_len.to_le_bytes());
        if !interface.name.is_empty() {
            self.option(option::IF_NAME, interface.name.as_bytes())?;
        }
        if let Some(speed) = interface.speed {
            self.option(option::IF_SPEED, &speed.to_le_bytes())?;
        }
        self.option(option::IF_TSRESOL, &[NANOSECONDS])?;
        self.option(option::END, &[])?;
        self.end()
    }

    /// Starts a block; its length is filled in by `end`.
    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.block.extend(kind.to_le_bytes());
        self.block.extend([0; 4]);
    }

    fn option(&mut self, code: u16, value: &[u8]) -> io::Result<()> {
        let len =
            u16::try_from(value.len()).map_err(|_| unfit("a comment or name of more than 65,535 bytes"))?;
        self.block.extend(code.to_le_bytes());
        self.block.extend(len.to_le_bytes());
        self.padded(value);
        Ok(())
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.block.extend(bytes);
        self.block.extend(&[0; 3][..padding(bytes.len())]);
    }

    fn end(&mut self) -> io::Result<()> {
        let len = u32::try_from(self.block.len() + 4).map_err(|_| unfit("the block is too long"))?;
        self.block.extend(len.to_le_bytes());
        self.block[4..8].copy_from_slice(&len.to_le_bytes());
        self.out.write_all(&self.block)
    }
}
