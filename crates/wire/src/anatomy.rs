//! One frame, field by field: every header with the names, places and values that its standard gives them. Read first:
//! RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1, RFC 768, RFC 792, RFC 4443.
//!
//! Beside [`packet`](crate::packet), which reads what a conversation needs of millions of frames, this reads all there is
//! in one of them, for people. [`dissect`] never panics. Layers tile the captured bytes and fields tile their layer, bit
//! by bit; a field that the capture cut is shown as far as it goes. What breaks a rule is kept with the rule that it
//! breaks. At most [`MAX_LAYERS`] layers are told apart, what is behind them is payload; memory grows with the captured
//! bytes only.

mod arp;
mod checked;
mod framing;
mod icmp;
mod icmpv6;
mod igmp;
mod ipv4;
mod ipv6;
mod link;
mod mptcp;
mod name;
mod reading;
mod tcp;
mod tcp_option;
#[cfg(test)]
mod tests;
mod tunnel;
mod udp;
mod walk;

use std::net::IpAddr;

use crate::link_type::LinkType;

/// Headers that are told apart in one frame. A frame of 64 KiB could hold thousands of stacked tags.
pub const MAX_LAYERS: usize = 48;

/// A frame taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// What the frame begins with.
    pub link_type: LinkType,
    /// Bytes that the capture kept.
    pub captured: usize,
    /// Bytes that were on the wire; never less.
    pub wire_len: usize,
    /// From the outermost to the payload, in the order of their bytes, without gaps.
    pub layers: Vec<Layer>,
}

/// What kind of work a layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Between two devices: Ethernet and its tags, cooked headers.
    Link,
    /// Between two hosts: IP and its extension headers.
    Network,
    /// Between two programs: TCP, UDP.
    Transport,
    /// Messages about the network itself: ICMP, IGMP, ARP.
    Control,
    /// Around another packet: GRE, VXLAN.
    Tunnel,
    /// What programs say, and bytes that no header here explains.
    Data,
}

/// A header, or what is behind the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What kind of work it does.
    pub family: Family,
    /// Its name: "IPv4", "Hop-by-Hop Options".
    pub name: &'static str,
    /// The same in at most 8 columns.
    pub short: &'static str,
    /// Where it is defined: "RFC 9293"; empty for payload.
    pub standard: &'static str,
    /// True inside a packet that an ICMP error quotes.
    pub quoted: bool,
    /// Its first byte in the frame.
    pub start: usize,
    /// Its captured length, in bytes.
    pub len: usize,
    /// Its fields in the order of their bits, without gaps.
    pub fields: Vec<Field>,
    /// Why it ends early, if it does.
    pub cut: Option<Cut>,
    /// The rules that it breaks.
    pub breaches: Vec<Breach>,
    /// Its checksum, held against its bytes.
    pub checksum: Option<Checksum>,
}

/// A field of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name that the standard gives it.
    pub name: &'static str,
    /// The same for a narrow box, as the standard's figure has it.
    pub label: &'static str,
    /// The option that it is part of; empty outside options.
    pub option: &'static str,
    /// Its first bit, from the start of the layer; bit 0 is the most significant one of the first byte.
    pub bit: usize,
    /// Its length in bits, as far as it was captured.
    pub bits: usize,
    /// Its value as text: `5`, `0x1c46`, `192.0.2.1`. Safe to show.
    pub value: String,
    /// What the value means: `20 bytes`, `http`; empty where the value says all. Safe to show.
    pub meaning: String,
    /// Where it is defined: `RFC 9293 §3.1`.
    pub clause: &'static str,
}

/// Why a layer ends before all of it was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Who kept less.
    pub by: CutBy,
    /// The field in which, or before which, it ends.
    pub at: &'static str,
    /// Bytes that are missing up to where the packet says that it ends; zero when it does not say.
    pub missing: usize,
}

/// Who kept less than there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CutBy {
    /// The capture: its snapshot length was shorter.
    Capture,
    /// The ICMP error that quotes the packet.
    Quote,
}

/// A rule that a header breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// What is wrong, as a lower-case fragment.
    pub what: String,
    /// The clause that says so.
    pub clause: &'static str,
}

/// A checksum, held against the bytes that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// What stands in the field.
    pub stated: u16,
    /// What was found.
    pub verdict: Verdict,
    /// What is summed before the bytes themselves, where the protocol has that.
    pub pseudo: Option<PseudoHeader>,
    /// The bytes that are summed, without the pseudo-header, as they were on the wire.
    pub covered: usize,
    /// The one's complement sum of those bytes, the checksum field taken as zero; none when not all were kept.
    pub data_sum: Option<u16>,
    /// Where the rule stands.
    pub clause: &'static str,
}

/// What a checksum turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// As it must be.
    Right,
    /// Not what it must be, which is this.
    Wrong(u16),
    /// The sum of the pseudo-header alone: the sender's kernel left the rest to the device. The device has to make this
    /// of it.
    LeftToDevice(u16),
    /// UDP's zero over IPv4: the sender computed none (RFC 768).
    Unused,
    /// UDP's zero over IPv6, which only some tunnels may use (RFC 8200 §8.1, RFC 6935 §5).
    Missing,
    /// Not all bytes that it covers are here.
    Cut {
        /// Who kept less.
        by: CutBy,
        /// Bytes that are here.
        kept: usize,
    },
    /// It covers a packet of which this is one fragment.
    Fragment,
}

/// What TCP, UDP and ICMPv6 sum before their own bytes (RFC 9293 §3.1, RFC 8200 §8.1). It is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PseudoHeader {
    /// Who sent the packet.
    pub source: IpAddr,
    /// Who gets it in the end.
    pub destination: IpAddr,
    /// The protocol number of what is summed.
    pub protocol: u8,
    /// The length of what is summed, in bytes.
    pub len: u32,
    /// Its one's complement sum.
    pub sum: u16,
}

/// Takes a captured frame apart that was `wire_len` bytes long.
pub fn dissect(link_type: LinkType, bytes: &[u8], wire_len: u32) -> Anatomy {
    let wire_len = usize::try_from(wire_len).unwrap_or(usize::MAX).max(bytes.len());
    let layers = walk::walk(link_type, bytes, wire_len);
    Anatomy { link_type, captured: bytes.len(), wire_len, layers }
}

impl Layer {
    /// Its bytes in the frame that it was read from.
    pub fn bytes<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.start..self.start + self.len).unwrap_or_default()
    }
}

impl Field {
    /// Its bits as a number, of `layer`'s bytes; none if they are more than 64, or not there.
    pub fn number(&self, layer: &[u8]) -> Option<u64> {
        reading::number(layer, self.bit, self.bits)
    }
}

impl PseudoHeader {
    /// Its bytes, in the layout of its family: 12 for IPv4 (RFC 9293 §3.1), 40 for IPv6 (RFC 8200 §8.1).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40);
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
                bytes.extend([0, self.protocol]);
                bytes.extend(u16::try_from(self.len).unwrap_or(u16::MAX).to_be_bytes());
            }
            (source, destination) => {
                bytes.extend(crate::checksum::v6(source).octets());
                bytes.extend(crate::checksum::v6(destination).octets());
                bytes.extend(self.len.to_be_bytes());
                bytes.extend([0, 0, 0, self.protocol]);
            }
        }
        bytes
    }

    /// The same as a layer, so that it can be shown like one.
    pub fn layer(&self) -> Layer {
        checked::pseudo_layer(self)
    }
}

impl CutBy {
    /// As the subject of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            CutBy::Capture => "the capture",
            CutBy::Quote => "the quote",
        }
    }
}
