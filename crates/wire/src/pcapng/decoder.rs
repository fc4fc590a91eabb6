//! Finds the packets in a stream of blocks, and keeps what the blocks before them said about their interfaces.

use std::io::Read;

use super::clock::Clock;
use super::{ByteOrder, option, padding};
use crate::capture::{CaptureError, Found, Interface, MAX_BLOCK_LEN, MAX_INTERFACES, MAX_PACKET_LEN, Window};
use crate::link_type::LinkType;
use crate::{Passage, Time};

/// Type and length before the body, the length again behind it (draft-ietf-opsawg-pcapng §3.1).
const BLOCK_HEADER_LEN: usize = 8;
const BLOCK_TRAILER_LEN: usize = 4;

/// The longest interface name that is kept, in bytes.
const MAX_NAME_LEN: usize = 255;

/// What has been read of the file so far.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// That of the current section.
    order: ByteOrder,
    /// Those of all sections.
    interfaces: Vec<Interface>,
    /// Those of the current section, which packets name by their position.
    here: Vec<Described>,
    /// Packets lost at the interfaces of the sections before, if any told.
    lost_before: Option<u64>,
}

/// What the current section says about an interface.
#[derive(Debug)]
struct Described {
    link_type: LinkType,
    snap_len: u32,
    clock: Clock,
    /// Packets lost, by the last statistics.
    lost: Option<u64>,
}

/// The start of a block.
#[derive(Clone, Copy)]
struct Block {
    kind: u32,
    /// All of it, in bytes.
    len: usize,
    /// Where it begins in the file.
    offset: u64,
    /// The number of the packet in it, or of the next one behind it.
    packet: u64,
}

impl Block {
    fn damaged(self, what: impl Into<String>) -> CaptureError {
        CaptureError::Damaged { offset: self.offset, packet: self.packet, what: what.into() }
    }

    fn cut(self) -> CaptureError {
        CaptureError::Cut { offset: self.offset, packets: self.packet - 1 }
    }
}

impl Decoder {
    /// Reads the first section header.
    pub(crate) fn new<R: Read>(window: &mut Window<R>) -> Result<Decoder, CaptureError> {
        let mut decoder =
            Decoder { order: ByteOrder::Little, interfaces: Vec::new(), here: Vec::new(), lost_before: None };
        match decoder.block(window, 1)? {
            Some(block) if block.kind == super::SECTION_HEADER => decoder.section_header(window, block)?,
            _ => return Err(CaptureError::not_a_capture(window.bytes())),
        }
        Ok(decoder)
    }

    /// The next packet; `number` is its number.
    pub(crate) fn next<'w, R: Read>(
        &mut self,
        window: &'w mut Window<R>,
        number: u64,
    ) -> Result<Option<Found<'w>>, CaptureError> {
        let block = loop {
            let Some(block) = self.block(window, number)? else { return Ok(None) };
            match block.kind {
                super::ENHANCED_PACKET | super::SIMPLE_PACKET | super::PACKET => break block,
                super::SECTION_HEADER => self.section_header(window, block)?,
                super::INTERFACE_DESCRIPTION => self.interface_description(window, block)?,
                super::INTERFACE_STATISTICS => self.interface_statistics(window, block)?,
                _ => self.skip(window, block)?,
            }
        };
        let body = self.body(window, block)?;
        let found = match block.kind {
            super::ENHANCED_PACKET => self.enhanced_packet(body),
            super::SIMPLE_PACKET => self.simple_packet(body),
            _ => self.old_packet(body),
        };
        found.map(Some).map_err(|what| block.damaged(what))
    }

    pub(crate) fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    pub(crate) fn lost_by_capture(&self) -> Option<u64> {
        let here = self.here.iter().filter_map(|interface| interface.lost);
        self.lost_before.into_iter().chain(here).reduce(u64::saturating_add)
    }

    /// Reads the start of a block and leaves it in the window; none at the end of the file.
    fn block<R: Read>(&mut self, window: &mut Window<R>, packet: u64) -> Result<Option<Block>, CaptureError> {
        let mut block = Block { kind: 0, len: 0, offset: window.offset(), packet };
        window.fill(BLOCK_HEADER_LEN)?;
        let Some(&[a, b, c, d, e, f, g, h]) = window.bytes().first_chunk() else {
            return if window.bytes().is_empty() { Ok(None) } else { Err(block.cut()) };
        };
        block.kind = self.order.u32([a, b, c, d]);
        if block.kind == super::SECTION_HEADER {
            // It may change the byte order, its own length included.
            window.fill(BLOCK_HEADER_LEN + 4)?;
            let magic = window.bytes().get(8..12).ok_or_else(|| block.cut())?;
            self.order = ByteOrder::of_section(magic)
                .ok_or_else(|| block.damaged("a section header without the byte-order magic"))?;
        }
        let len = self.order.u32([e, f, g, h]);
        if len < 12 || !len.is_multiple_of(4) {
            return Err(block.damaged(format!("a block cannot be {len} bytes long")));
        }
        block.len = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(Some(block))
    }

    /// Takes a block that is read whole, and lends what is between its header and its trailer.
    fn body<'w, R: Read>(&self, window: &'w mut Window<R>, block: Block) -> Result<&'w [u8], CaptureError> {
        if block.len > MAX_BLOCK_LEN {
            return Err(block.damaged(format!("it claims {} bytes, more than any sane block has", block.len)));
        }
        if window.fill(block.len)? < block.len {
            return Err(block.cut());
        }
        let bytes = window.take(block.len);
        let Some((rest, trailer)) = bytes.split_last_chunk::<BLOCK_TRAILER_LEN>() else {
            return Err(block.cut());
        };
        self.check_trailer(*trailer, block)?;
        Ok(rest.get(BLOCK_HEADER_LEN..).unwrap_or_default())
    }

    /// Steps over a block of which nothing is wanted, however long it is.
    fn skip<R: Read>(&self, window: &mut Window<R>, block: Block) -> Result<(), CaptureError> {
        window.skip(block.len - BLOCK_TRAILER_LEN)?;
        window.fill(BLOCK_TRAILER_LEN)?;
        let trailer = window.take(BLOCK_TRAILER_LEN).first_chunk().ok_or_else(|| block.cut())?;
        self.check_trailer(*trailer, block)
    }

    fn check_trailer(&self, trailer: [u8; 4], block: Block) -> Result<(), CaptureError> {
        let again = self.order.u32(trailer);
        match usize::try_from(again) {
            Ok(again) if again == block.len => Ok(()),
            _ => {
                Err(block.damaged(format!("its length is {} at its start and {again} at its end", block.len)))
            }
        }
    }

    fn section_header<R: Read>(&mut self, window: &mut Window<R>, block: Block) -> Result<(), CaptureError> {
        let body = self.body(window, block)?;
        let Some(&[_, _, _, _, a, b, c, d]) = body.first_chunk() else {
            return Err(block.damaged(TOO_SHORT));
        };
        let (major, minor) = (self.order.u16([a, b]), self.order.u16([c, d]));
        if major != 1 {
            return Err(CaptureError::Unsupported(format!("pcapng version {major}.{minor}")));
        }
        self.lost_before = self.lost_by_capture();
        self.here.clear();
        Ok(())
    }

    fn interface_description<R: Read>(
        &mut self,
        window: &mut Window<R>,
        block: Block,
    ) -> Result<(), CaptureError> {
        let body = self.body(window, block)?;
        let Some((&[a, b, _, _, e, f, g, h], options)) = body.split_first_chunk() else {
            return Err(block.damaged(TOO_SHORT));
        };
        let link_type = LinkType(self.order.u16([a, b]));
        let mut interface = Interface::new("", link_type);
        let mut clock = Clock::MICROSECONDS;
        for found in self.options(options) {
            match found.map_err(|what| block.damaged(what))? {
                (option::IF_NAME, name) => interface.name = readable_name(name),
                (option::IF_SPEED, bits) => {
                    interface.speed = bits.try_into().ok().map(|bits| self.order.u64(bits));
                }
                (option::IF_TSRESOL, &[tsresol]) => clock = clock.with_resolution(tsresol),
                (option::IF_TSOFFSET, seconds) => {
                    let seconds = seconds
                        .try_into()
                        .map_err(|_| block.damaged("an if_tsoffset that is not 8 bytes"))?;
                    clock = clock.with_offset(self.order.u64(seconds).cast_signed());
                }
                (option::IF_TSRESOL, _) => return Err(block.damaged("an if_tsresol that is not 1 byte")),
                _ => {}
            }
        }
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(block.damaged(format!("more than {MAX_INTERFACES} interfaces")));
        }
        self.interfaces.push(interface);
        self.here.push(Described { link_type, snap_len: self.order.u32([e, f, g, h]), clock, lost: None });
        Ok(())
    }

    fn interface_statistics<R: Read>(
        &mut self,
        window: &mut Window<R>,
        block: Block,
    ) -> Result<(), CaptureError> {
        let body = self.body(window, block)?;
        let Some((&[a, b, c, d, ..], options)) = body.split_first_chunk::<12>() else {
            return Err(block.damaged(TOO_SHORT));
        };
        let lost = self
            .options(options)
            .map_while(Result::ok)
            .filter(|(code, _)| matches!(*code, option::ISB_IFDROP | option::ISB_OSDROP))
            .filter_map(|(_, count)| Some(self.order.u64(count.try_into().ok()?)))
            .reduce(u64::saturating_add);
        let interface = usize::try_from(self.order.u32([a, b, c, d])).unwrap_or(usize::MAX);
        if let (Some(interface), Some(_)) = (self.here.get_mut(interface), lost) {
            interface.lost = lost;
        }
        Ok(())
    }

    /// Draft §4.3.
    fn enhanced_packet<'w>(&self, body: &'w [u8]) -> Result<Found<'w>, String> {
        let (fixed, rest) = body.split_first_chunk::<20>().ok_or(TOO_SHORT)?;
        let (words, _) = fixed.as_chunks::<4>();
        let [interface, high, low, len, wire_len] = [0, 1, 2, 3, 4].map(|at| self.order.u32(words[at]));
        self.packet(interface, (high, low), len, wire_len, rest)
    }

    /// Draft §A.1: the obsolete packet block, whose interface shares its word with a count of drops.
    fn old_packet<'w>(&self, body: &'w [u8]) -> Result<Found<'w>, String> {
        let (fixed, rest) = body.split_first_chunk::<20>().ok_or(TOO_SHORT)?;
        let (words, _) = fixed.as_chunks::<4>();
        let [high, low, len, wire_len] = [1, 2, 3, 4].map(|at| self.order.u32(words[at]));
        let interface = self.order.u16([fixed[0], fixed[1]]);
        self.packet(u32::from(interface), (high, low), len, wire_len, rest)
    }

    fn packet<'w>(
        &self,
        interface: u32,
        (high, low): (u32, u32),
        len: u32,
        wire_len: u32,
        rest: &'w [u8],
    ) -> Result<Found<'w>, String> {
        let (described, index) = self.interface(interface)?;
        let (bytes, rest) = packet_bytes(len, rest)?;
        let time = described.clock.time(u64::from(high) << 32 | u64::from(low));
        let comments = Comments(self.options(rest.get(padding(bytes.len())..).unwrap_or_default()));
        let passage = comments.passage(time);
        Ok(Found {
            time,
            link_type: described.link_type,
            interface: index,
            bytes,
            wire_len,
            comments,
            passage,
        })
    }

    /// Draft §4.4: always of the section's first interface, without a time; cut to the interface's snapshot length.
    fn simple_packet<'w>(&self, body: &'w [u8]) -> Result<Found<'w>, String> {
        let (wire_len, rest) = body.split_first_chunk::<4>().ok_or(TOO_SHORT)?;
        let wire_len = self.order.u32(*wire_len);
        let (described, interface) = self.interface(0)?;
        let len = if described.snap_len == 0 { wire_len } else { wire_len.min(described.snap_len) };
        let (bytes, _) = packet_bytes(len, rest)?;
        let link_type = described.link_type;
        Ok(Found {
            time: Time::ZERO,
            link_type,
            interface,
            bytes,
            wire_len,
            comments: Comments::NONE,
            passage: None,
        })
    }

    /// An interface of this section, and its position among those of all sections.
    fn interface(&self, number: u32) -> Result<(&Described, u32), String> {
        let position = usize::try_from(number).unwrap_or(usize::MAX);
        let described = self.here.get(position).ok_or_else(|| {
            format!("it names interface {number}, but its section has described {}", self.here.len())
        })?;
        let before = self.interfaces.len() - self.here.len();
        Ok((described, u32::try_from(before + position).unwrap_or(u32::MAX)))
    }

    fn options<'w>(&self, bytes: &'w [u8]) -> Options<'w> {
        Options { order: self.order, bytes }
    }
}

const TOO_SHORT: &str = "the block is too short for its kind";

/// The bytes of a packet, and what follows them.
fn packet_bytes(len: u32, rest: &[u8]) -> Result<(&[u8], &[u8]), String> {
    match usize::try_from(len) {
        Ok(len) if len <= MAX_PACKET_LEN => rest
            .split_at_checked(len)
            .ok_or_else(|| format!("the packet claims {len} bytes, but its block has {}", rest.len())),
        _ => Err(format!("the packet claims {len} bytes, more than any packet has")),
    }
}

fn readable_name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_NAME_LEN)]).into_owned()
}

/// The comments on a packet, one after the other, as far as they are UTF-8. Damaged options end them: they are not worth
/// losing the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comments<'w>(Options<'w>);

impl Comments<'_> {
    pub(crate) const NONE: Comments<'static> = Comments(Options { order: ByteOrder::Little, bytes: &[] });

    /// The first that tells a passage.
    fn passage(&self, sent: Time) -> Option<Passage> {
        if self.0.bytes.is_empty() {
            return None;
        }
        self.clone().find_map(|text| Passage::from_comment(text, sent))
    }
}

impl<'w> Iterator for Comments<'w> {
    type Item = &'w str;

    fn next(&mut self) -> Option<&'w str> {
        loop {
            if let (option::COMMENT, text) = self.0.next()?.ok()?
                && let Ok(text) = str::from_utf8(text)
            {
                return Some(text);
            }
        }
    }
}

/// The options behind a block's fixed part (draft §3.5); the first that does not fit ends them with what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Options<'w> {
    order: ByteOrder,
    bytes: &'w [u8],
}

impl<'w> Iterator for Options<'w> {
    type Item = Result<(u16, &'w [u8]), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, d], rest) = self.bytes.split_first_chunk()?;
        self.bytes = &[];
        let code = self.order.u16([a, b]);
        if code == option::END {
            return None;
        }
        let len = usize::from(self.order.u16([c, d]));
        let Some((value, rest)) = rest.split_at_checked(len) else {
            return Some(Err("an option is longer than its block"));
        };
        self.bytes = rest.get(padding(len)..).unwrap_or_default();
        Some(Ok((code, value)))
    }
}
