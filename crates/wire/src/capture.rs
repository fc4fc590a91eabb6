//! Capture files, read as a stream: recognises pcap and pcapng from their first bytes and lends one frame after the other.
//!
//! Takes bytes from strangers: nothing panics, nothing loops without consuming input, and no length is believed before it
//! is held against [`MAX_PACKET_LEN`] or [`MAX_BLOCK_LEN`]. Memory: the largest block plus 256 KiB, and [`MAX_INTERFACES`]
//! names. The source is read in large pieces and never mapped, so a pipe does as well as a file; a frame is handed out as
//! soon as it is there.

use std::io::Read;

use crate::link_type::LinkType;
use crate::packet::{self, Packet, Undecoded};
pub use crate::pcapng::Comments;
use crate::pcapng::{self, ByteOrder};
use crate::{Passage, Time, pcap};

mod error;
mod window;

#[cfg(test)]
pub(crate) mod tests;

pub use error::CaptureError;
pub(crate) use window::Window;

/// The longest packet that is read, in bytes: what tcpdump and Wireshark take as the bound for a sane file.
pub const MAX_PACKET_LEN: usize = 262_144;

/// The longest pcapng block that is read, in bytes: a packet of [`MAX_PACKET_LEN`] and generous options. Longer blocks
/// that carry no packet are skipped.
pub const MAX_BLOCK_LEN: usize = 1 << 20;

/// How many interfaces one file may have.
pub const MAX_INTERFACES: usize = 65_536;

/// The two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The classic one (draft-ietf-opsawg-pcap).
    Pcap,
    /// The one with blocks and comments (draft-ietf-opsawg-pcapng).
    Pcapng,
}

/// Where frames were captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name; empty when the file does not tell.
    pub name: String,
    /// What its frames begin with.
    pub link_type: LinkType,
    /// Its speed in bits per second, if the file tells.
    pub speed: Option<u64>,
}

impl Interface {
    /// One that no more is known of.
    pub fn new(name: impl Into<String>, link_type: LinkType) -> Interface {
        Interface { name: name.into(), link_type, speed: None }
    }
}

/// One frame of a capture, lent until the next is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedFrame<'a> {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it was captured; zero in pcapng's simple packet blocks, which do not tell.
    pub time: Time,
    /// What its bytes begin with.
    pub link_type: LinkType,
    /// Where it was captured: an index into [`Reader::interfaces`].
    pub interface: u32,
    /// The bytes that were kept.
    pub bytes: &'a [u8],
    /// Its length on the wire, in bytes; never less than what was kept.
    pub wire_len: u32,
    /// The comments on it.
    pub comments: Comments<'a>,
    /// What the emulated link did to it, if a comment says so.
    pub passage: Option<Passage>,
}

impl<'a> CapturedFrame<'a> {
    /// The first comment on it.
    pub fn comment(&self) -> Option<&'a str> {
        self.comments.clone().next()
    }

    /// Takes it apart, telling ARP too.
    ///
    /// # Errors
    /// Those of [`packet::dissect_frame`].
    pub fn dissect_frame(&self) -> Result<packet::Frame<'a>, Undecoded> {
        packet::dissect_frame(self.link_type, self.bytes, self.wire_len)
    }

    /// Takes it apart.
    ///
    /// # Errors
    /// Those of [`packet::dissect_captured`].
    pub fn dissect(&self) -> Result<Packet<'a>, Undecoded> {
        packet::dissect_captured(self.link_type, self.bytes, self.wire_len)
    }
}

/// Reads a capture from any source of bytes.
#[derive(Debug)]
pub struct Reader<R> {
    window: Window<R>,
    decoder: Decoder,
    packets: u64,
    ended: bool,
}

#[derive(Debug)]
enum Decoder {
    Pcap(pcap::Decoder),
    Pcapng(pcapng::Decoder),
}

/// A packet that has been found: where its parts lie in the window.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) time: Time,
    pub(crate) link_type: LinkType,
    pub(crate) interface: u32,
    pub(crate) bytes: &'a [u8],
    pub(crate) wire_len: u32,
    pub(crate) comments: Comments<'a>,
    pub(crate) passage: Option<Passage>,
}

impl<R: Read> Reader<R> {
    /// Reads the file's header.
    ///
    /// # Errors
    /// [`CaptureError::Empty`], [`CaptureError::NotACapture`] by the first bytes, [`CaptureError::Unsupported`] for a
    /// version that is not read, [`CaptureError::Cut`] or [`CaptureError::Damaged`] inside the header,
    /// [`CaptureError::Io`] from the source.
    pub fn new(source: R) -> Result<Reader<R>, CaptureError> {
        let mut window = Window::new(source);
        let decoder = match recognise(&mut window)? {
            Format::Pcap => Decoder::Pcap(pcap::Decoder::new(&mut window)?),
            Format::Pcapng => Decoder::Pcapng(pcapng::Decoder::new(&mut window)?),
        };
        Ok(Reader { window, decoder, packets: 0, ended: false })
    }

    /// The next frame; none at the end, and none after an error has been told.
    ///
    /// # Errors
    /// [`CaptureError::Cut`] where the file ends inside a record, [`CaptureError::Damaged`] where a record contradicts
    /// itself or is longer than any that is read, [`CaptureError::Unsupported`] for a further section of another
    /// version, [`CaptureError::Io`] from the source.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> Result<Option<CapturedFrame<'_>>, CaptureError> {
        if self.ended {
            return Ok(None);
        }
        let number = self.packets + 1;
        let found = match &mut self.decoder {
            Decoder::Pcap(pcap) => pcap.next(&mut self.window, number),
            Decoder::Pcapng(pcapng) => pcapng.next(&mut self.window, number),
        };
        self.ended = !matches!(found, Ok(Some(_)));
        let Some(found) = found? else { return Ok(None) };
        self.packets = number;
        Ok(Some(CapturedFrame {
            number,
            time: found.time,
            link_type: found.link_type,
            interface: found.interface,
            bytes: found.bytes,
            wire_len: found.wire_len.max(u32::try_from(found.bytes.len()).unwrap_or(u32::MAX)),
            comments: found.comments,
            passage: found.passage,
        }))
    }
}

impl<R> Reader<R> {
    /// The format of the file.
    pub fn format(&self) -> Format {
        match self.decoder {
            Decoder::Pcap(_) => Format::Pcap,
            Decoder::Pcapng(_) => Format::Pcapng,
        }
    }

    /// The interfaces that have been told of so far: exactly one for pcap; for pcapng those of all sections.
    pub fn interfaces(&self) -> &[Interface] {
        match &self.decoder {
            Decoder::Pcap(pcap) => pcap.interfaces(),
            Decoder::Pcapng(pcapng) => pcapng.interfaces(),
        }
    }

    /// Packets that the capturing machine had to drop, as far as the file tells; final at the end of the file.
    pub fn lost_by_capture(&self) -> Option<u64> {
        match &self.decoder {
            Decoder::Pcap(_) => None,
            Decoder::Pcapng(pcapng) => pcapng.lost_by_capture(),
        }
    }

    /// Frames handed out so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }
}

/// Looks at the first bytes, without taking them.
fn recognise<R: Read>(window: &mut Window<R>) -> Result<Format, CaptureError> {
    window.fill(4)?;
    let start = window.bytes();
    let Some(magic) = start.first_chunk::<4>() else {
        return Err(if start.is_empty() { CaptureError::Empty } else { CaptureError::not_a_capture(start) });
    };
    if *magic == pcapng::SECTION_HEADER.to_le_bytes() {
        // The number reads the same in both byte orders and could be text: the magic in the block decides.
        window.fill(12)?;
        return match window.bytes().get(8..12).map(ByteOrder::of_section) {
            Some(None) => Err(CaptureError::not_a_capture(window.bytes())),
            _ => Ok(Format::Pcapng),
        };
    }
    match pcap::Magic::read(*magic) {
        Some(_) => Ok(Format::Pcap),
        None => {
            window.fill(16)?;
            Err(CaptureError::not_a_capture(window.bytes()))
        }
    }
}
