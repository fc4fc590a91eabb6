//! TCP headers. Read first: RFC 9293 §3.1 (header), §3.2 (options); RFC 7323 (window scale, timestamps); RFC 2018 (SACK).
//!
//! [`TcpView::new`] checks that the fixed 20 bytes are there and that the data offset covers them; after that no accessor
//! panics. Options may be cut by the capture: those that are whole are read.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use crate::undecoded::{Header, Undecoded};

#[cfg(test)]
mod tests;

/// The number of TCP in IP headers (RFC 9293 §3.1).
pub const PROTOCOL: u8 = 6;

/// The header without options, in bytes (RFC 9293 §3.1).
pub const MIN_HEADER_LEN: usize = 20;

/// All that a data offset of 15 leaves for options, in bytes (RFC 9293 §3.1).
pub const MAX_OPTIONS_LEN: usize = 40;

/// The largest shift that the window scale option may ask for (RFC 7323 §2.3).
pub const MAX_WINDOW_SCALE: u8 = 14;

/// The flags of a segment, bit for bit as in byte 13 of the header (RFC 9293 §3.1; CWR and ECE: RFC 3168 §6.1).
///
/// `Display` joins the names with commas (`SYN,ACK`); no flags give the empty string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// None at all.
    pub const NONE: TcpFlags = TcpFlags(0);
    /// No more data from the sender.
    pub const FIN: TcpFlags = TcpFlags(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: TcpFlags = TcpFlags(0x02);
    /// Reset the connection.
    pub const RST: TcpFlags = TcpFlags(0x04);
    /// Push.
    pub const PSH: TcpFlags = TcpFlags(0x08);
    /// The acknowledgement field is significant.
    pub const ACK: TcpFlags = TcpFlags(0x10);
    /// The urgent pointer is significant.
    pub const URG: TcpFlags = TcpFlags(0x20);
    /// ECN echo.
    pub const ECE: TcpFlags = TcpFlags(0x40);
    /// Congestion window reduced.
    pub const CWR: TcpFlags = TcpFlags(0x80);

    /// Every flag with its name, in the order in which they are told.
    pub const NAMES: [(TcpFlags, &'static str); 8] = [
        (TcpFlags::SYN, "SYN"),
        (TcpFlags::FIN, "FIN"),
        (TcpFlags::RST, "RST"),
        (TcpFlags::PSH, "PSH"),
        (TcpFlags::ACK, "ACK"),
        (TcpFlags::URG, "URG"),
        (TcpFlags::ECE, "ECE"),
        (TcpFlags::CWR, "CWR"),
    ];

    /// True when all flags of `these` are set.
    pub fn has(self, these: TcpFlags) -> bool {
        self.0 & these.0 == these.0
    }

    /// True when at least one flag of `these` is set.
    pub fn has_any(self, these: TcpFlags) -> bool {
        self.0 & these.0 != 0
    }

    /// These flags without those.
    #[must_use]
    pub fn without(self, those: TcpFlags) -> TcpFlags {
        TcpFlags(self.0 & !those.0)
    }

    /// The names of the flags that are set, in the order of [`TcpFlags::NAMES`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        TcpFlags::NAMES.into_iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| name)
    }
}

impl BitOr for TcpFlags {
    type Output = TcpFlags;

    fn bitor(self, other: TcpFlags) -> TcpFlags {
        TcpFlags(self.0 | other.0)
    }
}

impl BitOrAssign for TcpFlags {
    fn bitor_assign(&mut self, other: TcpFlags) {
        self.0 |= other.0;
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.names().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

/// A TCP header, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpView<'a> {
    fixed: &'a [u8; MIN_HEADER_LEN],
    /// The captured part of the options.
    options: &'a [u8],
}

impl<'a> TcpView<'a> {
    /// A view of the header at the start of `bytes`; what follows the header is left alone.
    ///
    /// # Errors
    /// [`Undecoded::Cut`] for fewer than [`MIN_HEADER_LEN`] bytes, [`Undecoded::Malformed`] where the header says that
    /// it is shorter than that. Options may be cut.
    pub fn new(bytes: &'a [u8]) -> Result<TcpView<'a>, Undecoded> {
        let (fixed, rest) = bytes.split_first_chunk().ok_or(Undecoded::Cut(Header::Tcp))?;
        let options_len = data_offset(fixed)
            .checked_sub(MIN_HEADER_LEN)
            .ok_or(Undecoded::Malformed(Header::Tcp, "data offset below 5"))?;
        Ok(TcpView { fixed, options: &rest[..options_len.min(rest.len())] })
    }

    /// The port that it comes from.
    pub fn source_port(&self) -> u16 {
        self.u16_at::<0>()
    }

    /// The port that it goes to.
    pub fn destination_port(&self) -> u16 {
        self.u16_at::<2>()
    }

    /// The sequence number of the first payload byte, or of the SYN.
    pub fn seq(&self) -> u32 {
        self.u32_at::<4>()
    }

    /// The acknowledgement field as it is, whether or not the ACK flag is set.
    pub fn ack(&self) -> u32 {
        self.u32_at::<8>()
    }

    /// The length that the header says it has, options included, in bytes: 20 to 60.
    pub fn header_len(&self) -> usize {
        data_offset(self.fixed)
    }

    /// The flags.
    pub fn flags(&self) -> TcpFlags {
        TcpFlags(self.fixed[13])
    }

    /// The window field, not scaled.
    pub fn window(&self) -> u16 {
        self.u16_at::<14>()
    }

    /// The checksum field.
    pub fn checksum(&self) -> u16 {
        self.u16_at::<16>()
    }

    /// The urgent pointer.
    pub fn urgent(&self) -> u16 {
        self.u16_at::<18>()
    }

    /// The options that are understood.
    pub fn options(&self) -> TcpOptions {
        TcpOptions::parse(self.options)
    }

    fn u16_at<const AT: usize>(&self) -> u16 {
        u16::from_be_bytes([self.fixed[AT], self.fixed[AT + 1]])
    }

    fn u32_at<const AT: usize>(&self) -> u32 {
        u32::from_be_bytes([self.fixed[AT], self.fixed[AT + 1], self.fixed[AT + 2], self.fixed[AT + 3]])
    }
}

/// The header's length in bytes, from the four bits that count its 32-bit words.
fn data_offset(fixed: &[u8; MIN_HEADER_LEN]) -> usize {
    usize::from(fixed[12] >> 4) * 4
}

/// The options that are understood; unknown ones are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size that the sender accepts (RFC 9293 §3.7.1).
    pub mss: Option<u16>,
    /// Window scale (RFC 7323 §2). Read as at most 14, as §2.3 bids a receiver do.
    pub window_scale: Option<u8>,
    /// SACK permitted (RFC 2018 §2).
    pub sack_permitted: bool,
    /// SACK blocks, left and right edges (RFC 2018 §3), at most 4.
    pub sack: [Option<(u32, u32)>; 4],
    /// Timestamp value and echo reply (RFC 7323 §3).
    pub timestamps: Option<(u32, u32)>,
}

/// Option kinds (IANA, "TCP Option Kind Numbers").
mod kind {
    pub(super) const END: u8 = 0; // RFC 9293 §3.2
    pub(super) const NO_OPERATION: u8 = 1; // RFC 9293 §3.2
    pub(super) const MSS: u8 = 2; // RFC 9293 §3.2
    pub(super) const WINDOW_SCALE: u8 = 3; // RFC 7323 §2.2
    pub(super) const SACK_PERMITTED: u8 = 4; // RFC 2018 §2
    pub(super) const SACK: u8 = 5; // RFC 2018 §3
    pub(super) const TIMESTAMPS: u8 = 8; // RFC 7323 §3.2
}

impl TcpOptions {
    /// Reads the option bytes of a header. Stops at the first one that does not fit, keeping those before it; an option
    /// of a known kind with a wrong length is skipped.
    pub fn parse(mut bytes: &[u8]) -> TcpOptions {
        let mut options = TcpOptions::default();
        while let [kind, rest @ ..] = bytes {
            if *kind == kind::NO_OPERATION {
                bytes = rest;
                continue;
            }
            let Some((kind, body, rest)) = split_option(bytes) else { break };
            options.take(kind, body);
            bytes = rest;
        }
        options
    }

    /// Appends them in the order that Linux uses, padded to whole 32-bit words; SACK blocks that would exceed
    /// [`MAX_OPTIONS_LEN`] are left out.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        if let Some(mss) = self.mss {
            out.extend([kind::MSS, 4]);
            out.extend(mss.to_be_bytes());
        }
        if self.sack_permitted {
            out.extend([kind::SACK_PERMITTED, 2]);
        }
        if let Some((value, echo)) = self.timestamps {
            out.extend([kind::TIMESTAMPS, 10]);
            out.extend(value.to_be_bytes());
            out.extend(echo.to_be_bytes());
        }
        if let Some(shift) = self.window_scale {
            out.extend([kind::WINDOW_SCALE, 3, shift]);
        }
        self.write_sack(out, MAX_OPTIONS_LEN - (out.len() - start));
        while !(out.len() - start).is_multiple_of(4) {
            out.push(kind::NO_OPERATION);
        }
    }

    fn write_sack(&self, out: &mut Vec<u8>, room: usize) {
        let fitting = room.saturating_sub(2) / 8;
        let blocks = self.sack.iter().flatten().take(fitting);
        let Ok(count @ 1..) = u8::try_from(blocks.clone().count()) else { return };
        out.extend([kind::SACK, 2 + 8 * count]);
        for (left, right) in blocks {
            out.extend(left.to_be_bytes());
            out.extend(right.to_be_bytes());
        }
    }

    fn take(&mut self, kind: u8, body: &[u8]) {
        match (kind, body) {
            (kind::MSS, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (kind::WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift.min(MAX_WINDOW_SCALE)),
            (kind::SACK_PERMITTED, []) => self.sack_permitted = true,
            (kind::SACK, body) => {
                let (blocks, []) = body.as_chunks::<8>() else { return };
                for (slot, block) in self.sack.iter_mut().zip(blocks) {
                    *slot = Some(two_words(*block));
                }
            }
            (kind::TIMESTAMPS, body) => {
                let Ok(body) = <[u8; 8]>::try_from(body) else { return };
                self.timestamps = Some(two_words(body));
            }
            _ => {}
        }
    }
}

/// Kind, body and what follows of an option with a length; none at the end, or if its length cannot be right.
fn split_option(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, len], rest) = bytes.split_first_chunk()?;
    if kind == kind::END {
        return None;
    }
    let (body, rest) = rest.split_at_checked(usize::from(len).checked_sub(2)?)?;
    Some((kind, body, rest))
}

fn two_words(bytes: [u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = bytes;
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}
