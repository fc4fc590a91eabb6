//! IEEE 802.11 frames and what capturing systems put before them. Read first: IEEE 802.11 §9.2, §9.3.2;
//! <https://www.radiotap.org>.
//!
//! Only data that is not encrypted can be followed; one frame is one packet, aggregates of several are not opened.

use super::{Layer, Protocol};
use crate::link_type::LinkType;
use crate::undecoded::{Header, Undecoded};

/// The flags in radiotap's field of that name.
const HAS_CHECK_SEQUENCE: u8 = 0x10;
const HAS_PADDING: u8 = 0x20;
const BAD_CHECK_SEQUENCE: u8 = 0x40;

/// The check sequence at the end of a frame, in bytes.
const CHECK_SEQUENCE_LEN: usize = 4;

/// LINKTYPE_IEEE802_11: the frame itself.
pub(super) fn ieee80211(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    data(layer, 0)
}

/// LINKTYPE_IEEE802_11_RADIOTAP: version, padding, length, then words that tell which fields are present. The flags are
/// the second field, behind a time of 8 bytes that is aligned to 8.
pub(super) fn radiotap(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    const TIME: u32 = 1;
    const FLAGS: u32 = 2;
    const MORE: u32 = 1 << 31;
    let (fixed, rest) = layer.bytes.split_first_chunk::<4>().ok_or(Undecoded::Cut(Header::Link))?;
    let [version, _, a, b] = *fixed;
    let len = usize::from(u16::from_le_bytes([a, b]));
    if version != 0 || len < 8 {
        return Err(Undecoded::Malformed(Header::Link, "no radiotap header of version 0"));
    }
    let (words, _) = rest.get(..len - 4).ok_or(Undecoded::Cut(Header::Link))?.as_chunks::<4>();
    let present = |at: usize| words.get(at).map_or(0, |word| u32::from_le_bytes(*word));
    let count = words.iter().take_while(|word| u32::from_le_bytes(**word) & MORE != 0).count() + 1;
    let mut at = 4 + count * 4;
    if present(0) & TIME != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    let flags = match present(0) & FLAGS {
        0 => 0,
        _ => layer.bytes.get(at).copied().filter(|_| at < len).unwrap_or(0),
    };
    if flags & BAD_CHECK_SEQUENCE != 0 {
        return Err(Undecoded::Wireless("received with errors"));
    }
    data(layer.behind(len, Protocol::Llc, Header::Link)?, flags)
}

/// LINKTYPE_IEEE802_11_PRISM: 144 bytes whose second word is their length; AVS headers come under this number too.
pub(super) fn prism(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let [a, b, c, d, e, f, g, h] = *layer.bytes.first_chunk().ok_or(Undecoded::Cut(Header::Link))?;
    if u32::from_be_bytes([a, b, c, d]) & 0xffff_f000 == 0x8021_1000 {
        return avs(layer);
    }
    let len = [u32::from_le_bytes([e, f, g, h]), u32::from_be_bytes([e, f, g, h])];
    match len.contains(&144) {
        true => data(layer.behind(144, Protocol::Llc, Header::Link)?, 0),
        false => Err(Undecoded::Malformed(Header::Link, "a Prism header that is not 144 bytes")),
    }
}

/// LINKTYPE_IEEE802_11_AVS: a magic, then the length, in network order.
pub(super) fn avs(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let [_, _, _, _, a, b, c, d] = *layer.bytes.first_chunk().ok_or(Undecoded::Cut(Header::Link))?;
    let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if len < 8 {
        return Err(Undecoded::Malformed(Header::Link, "an AVS header below 8 bytes"));
    }
    data(layer.behind(len, Protocol::Llc, Header::Link)?, 0)
}

/// LINKTYPE_PPI: version, flags, length, and the link type of what follows, little-endian. A field of type 2 has the
/// flags of radiotap, in other places.
pub(super) fn ppi(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let [_, _, a, b, c, d, e, f] = *layer.bytes.first_chunk().ok_or(Undecoded::Cut(Header::Link))?;
    let len = usize::from(u16::from_le_bytes([a, b]));
    if len < 8 {
        return Err(Undecoded::Malformed(Header::Link, "a PPI header below 8 bytes"));
    }
    match u16::try_from(u32::from_le_bytes([c, d, e, f])).map(LinkType) {
        Ok(link) if link != LinkType::PPI => layer.behind(len, Protocol::Link(link), Header::Link),
        _ => Err(Undecoded::LinkType(LinkType::PPI)),
    }
}

/// A frame from its frame control on: a data frame leads to LLC.
fn data(layer: Layer<'_>, flags: u8) -> Result<Layer<'_>, Undecoded> {
    const DATA: u8 = 2;
    let [control, bits] = match *layer.bytes.first_chunk().ok_or(Undecoded::Cut(Header::Link))? {
        // Version 0 is the only one there is; some access points swap the bytes when they tunnel a frame.
        [control, bits] if control & 3 != 0 && bits & 3 == 0 => [bits, control],
        in_order => in_order,
    };
    let (kind, subtype) = (control >> 2 & 3, control >> 4);
    let has = |bit: u8| bits & bit != 0;
    match (kind, subtype) {
        (DATA, _) => {}
        (0, _) => return Err(Undecoded::Wireless("management")),
        (1, _) => return Err(Undecoded::Wireless("control")),
        _ => return Err(Undecoded::Wireless("extension")),
    }
    if subtype & 4 != 0 {
        return Err(Undecoded::Wireless("no data"));
    }
    if has(0x40) {
        return Err(Undecoded::Wireless("encrypted"));
    }
    let quality_of_service = subtype & 8 != 0;
    let mut len = 24;
    if has(0x01) && has(0x02) {
        len += 6; // a fourth address between two distribution systems
    }
    if quality_of_service {
        if layer.bytes.get(len).ok_or(Undecoded::Cut(Header::Link))? & 0x80 != 0 {
            return Err(Undecoded::Wireless("an aggregate"));
        }
        len += 2;
        if has(0x80) {
            len += 4; // HT control
        }
    }
    if flags & HAS_PADDING != 0 {
        len = len.next_multiple_of(4);
    }
    // Pieces are not put together. All but the last say that more follow (IEEE 802.11 §9.2.4.1.5); the last does not begin
    // with LLC, so that it is refused there.
    if has(0x04) {
        return Err(Undecoded::Wireless("a fragment"));
    }
    let inner = layer.behind(len, Protocol::Llc, Header::Link)?;
    Ok(match (flags & HAS_CHECK_SEQUENCE, inner.wire_len) {
        (0, _) | (_, None) => inner,
        (_, Some(wire_len)) => inner.limited(wire_len.saturating_sub(CHECK_SEQUENCE_LEN)),
    })
}
