//! IPv6 headers and the extension headers behind them. Read first: RFC 8200 §3, §4; RFC 6946 (atomic fragments);
//! RFC 4302 §2.2 (authentication header).
//!
//! [`Ipv6View::new`] checks the version and that the fixed 40 bytes are there; after that no accessor panics.
//! [`Ipv6View::upper`] walks at most [`MAX_EXTENSION_HEADERS`] headers and never beyond the bytes.

use std::net::Ipv6Addr;

use crate::undecoded::{Header, Undecoded};

/// The fixed header, in bytes (RFC 8200 §3).
pub const HEADER_LEN: usize = 40;

/// Extension headers that are walked before giving up. RFC 8200 §4.1 has a packet carry each of seven kinds once, one of
/// them twice.
pub const MAX_EXTENSION_HEADERS: usize = 16;

/// Extension headers by number (IANA, "IPv6 Extension Header Types").
mod next {
    pub(super) const HOP_BY_HOP: u8 = 0; // RFC 8200 §4.3
    pub(super) const ROUTING: u8 = 43; // RFC 8200 §4.4
    pub(super) const FRAGMENT: u8 = 44; // RFC 8200 §4.5
    pub(super) const AUTHENTICATION: u8 = 51; // RFC 4302
    pub(super) const DESTINATION: u8 = 60; // RFC 8200 §4.6
    pub(super) const MOBILITY: u8 = 135; // RFC 6275 §6.1
    pub(super) const HOST_IDENTITY: u8 = 139; // RFC 7401 §5.1
    pub(super) const SHIM6: u8 = 140; // RFC 5533 §5.1
}

/// What stands behind the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Its protocol number.
    pub protocol: u8,
    /// Where it begins, in bytes from the start of the packet.
    pub offset: usize,
    /// Set when the packet is a piece of one: what is at `offset` need not be the start of a header.
    pub fragment: Option<Piece>,
}

/// What a fragment header says (RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What all pieces of the packet share.
    pub identification: u32,
    /// Where this one belongs, in bytes.
    pub offset: u32,
    /// False for the last.
    pub more: bool,
}

/// An IPv6 header, borrowed, and what was captured behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6View<'a> {
    fixed: &'a [u8; HEADER_LEN],
    rest: &'a [u8],
}

impl<'a> Ipv6View<'a> {
    /// A view of the packet that `bytes` begin with.
    ///
    /// # Errors
    /// [`Undecoded::Cut`] for fewer than [`HEADER_LEN`] bytes, [`Undecoded::IpVersion`] for another version.
    pub fn new(bytes: &'a [u8]) -> Result<Ipv6View<'a>, Undecoded> {
        let (fixed, rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(Undecoded::Cut(Header::Ipv6))?;
        match fixed[0] >> 4 {
            6 => Ok(Ipv6View { fixed, rest }),
            version => Err(Undecoded::IpVersion(version)),
        }
    }

    /// Differentiated services and ECN, one byte (RFC 8200 §7).
    pub fn traffic_class(&self) -> u8 {
        self.fixed[0] << 4 | self.fixed[1] >> 4
    }

    /// The flow label, 20 bits (RFC 8200 §6).
    pub fn flow_label(&self) -> u32 {
        u32::from_be_bytes([0, self.fixed[1] & 0x0f, self.fixed[2], self.fixed[3]])
    }

    /// All that follows the fixed header, in bytes. Zero for a jumbogram (RFC 2675 §3), as Linux's GSO packets over
    /// 64 KiB look in captures.
    pub fn payload_len(&self) -> u16 {
        u16::from_be_bytes([self.fixed[4], self.fixed[5]])
    }

    /// What follows the fixed header: an extension header or the payload.
    pub fn next_header(&self) -> u8 {
        self.fixed[6]
    }

    /// Hops that it may still take.
    pub fn hop_limit(&self) -> u8 {
        self.fixed[7]
    }

    /// Who sent it.
    pub fn source(&self) -> Ipv6Addr {
        address(self.fixed, 8)
    }

    /// Who shall get it.
    pub fn destination(&self) -> Ipv6Addr {
        address(self.fixed, 24)
    }

    /// Walks the extension headers up to the first thing that is none, or to the fragment header of a fragment.
    ///
    /// # Errors
    /// [`Undecoded::Cut`] where the bytes end inside an extension header, [`Undecoded::Malformed`] for more
    /// than [`MAX_EXTENSION_HEADERS`] of them.
    pub fn upper(&self) -> Result<Upper, Undecoded> {
        let upper = upper(self.next_header(), self.rest)?;
        Ok(Upper { offset: HEADER_LEN + upper.offset, ..upper })
    }
}

/// The same for what stands behind a fixed header or in a payload that was put together; offsets count from there.
pub(crate) fn upper(protocol: u8, mut rest: &[u8]) -> Result<Upper, Undecoded> {
    let mut upper = Upper { protocol, offset: 0, fragment: None };
    for _ in 0..=MAX_EXTENSION_HEADERS {
        let Some(unit) = length_unit(upper.protocol) else { return Ok(upper) };
        let (start, _) = rest.split_first_chunk::<8>().ok_or(Undecoded::Cut(Header::Ipv6Extension))?;
        let len = extension_len(unit, start);
        upper.fragment = if upper.protocol == next::FRAGMENT { piece(start) } else { None };
        upper.protocol = start[0];
        upper.offset += len;
        if upper.fragment.is_some() {
            return Ok(upper);
        }
        rest = rest.get(len..).ok_or(Undecoded::Cut(Header::Ipv6Extension))?;
    }
    Err(Undecoded::Malformed(Header::Ipv6Extension, "more than 16 of them"))
}

/// How an extension header tells its length.
#[derive(Clone, Copy)]
enum LengthUnit {
    /// Always 8 bytes.
    Fixed,
    /// In 8-byte units, not counting the first (RFC 8200 §4.3).
    Eights,
    /// In 4-byte units, minus 2 (RFC 4302 §2.2).
    Fours,
}

/// None when this is no extension header that can be stepped over: the payload, or ESP, whose inside is secret.
fn length_unit(protocol: u8) -> Option<LengthUnit> {
    match protocol {
        next::FRAGMENT => Some(LengthUnit::Fixed),
        next::AUTHENTICATION => Some(LengthUnit::Fours),
        next::HOP_BY_HOP
        | next::ROUTING
        | next::DESTINATION
        | next::MOBILITY
        | next::HOST_IDENTITY
        | next::SHIM6 => Some(LengthUnit::Eights),
        _ => None,
    }
}

fn extension_len(unit: LengthUnit, start: &[u8; 8]) -> usize {
    match unit {
        LengthUnit::Fixed => 8,
        LengthUnit::Eights => (usize::from(start[1]) + 1) * 8,
        LengthUnit::Fours => (usize::from(start[1]) + 2) * 4,
    }
}

/// None for an atomic fragment: offset zero and no more to come, which is a whole packet (RFC 6946 §3).
fn piece(header: &[u8; 8]) -> Option<Piece> {
    let [_, _, a, b, c, d, e, f] = *header;
    let word = u16::from_be_bytes([a, b]);
    let piece = Piece {
        identification: u32::from_be_bytes([c, d, e, f]),
        offset: u32::from(word & 0xfff8),
        more: word & 1 == 1,
    };
    (piece.more || piece.offset > 0).then_some(piece)
}

fn address(fixed: &[u8; HEADER_LEN], at: usize) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&fixed[at..at + 16]);
    Ipv6Addr::from(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x6a, 0xb1, 0x23, 0x45, 0, 0, next, 64];
        bytes[5] = u8::try_from(rest.len() & 0xff).unwrap();
        bytes.extend("fe80::1".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend("2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend(rest);
        bytes
    }

    fn upper(next: u8, rest: &[u8]) -> Result<Upper, Undecoded> {
        Ipv6View::new(&packet(next, rest)).unwrap().upper()
    }

    #[test]
    fn fields_stand_where_rfc_8200_has_them() {
        let bytes = packet(6, &[1, 2, 3]);
        let view = Ipv6View::new(&bytes).unwrap();
        assert_eq!((view.traffic_class(), view.flow_label()), (0xab, 0x12345));
        assert_eq!((view.payload_len(), view.next_header(), view.hop_limit()), (3, 6, 64));
        assert_eq!(view.source(), "fe80::1".parse::<Ipv6Addr>().unwrap());
        assert_eq!(view.destination(), "2001:db8::2".parse::<Ipv6Addr>().unwrap());
        assert_eq!(view.upper(), Ok(Upper { protocol: 6, offset: 40, fragment: None }));
    }

    #[test]
    fn extension_headers_are_those_of_iana() {
        let walked: Vec<u8> = (0..=255).filter(|number| length_unit(*number).is_some()).collect();
        assert_eq!(walked, [0, 43, 44, 51, 60, 135, 139, 140]);
    }

    #[test]
    fn extension_headers_are_walked() {
        let hop_by_hop = [60, 0, 1, 4, 0, 0, 0, 0];
        let destination = [[51, 1].as_slice(), &[0; 14]].concat();
        let authentication = [[44, 4].as_slice(), &[0; 22]].concat();
        let atomic = [6, 0, 0, 0, 1, 2, 3, 4];
        let chain = [&hop_by_hop[..], &destination, &authentication, &atomic, &[9; 20]].concat();
        assert_eq!(upper(0, &chain), Ok(Upper { protocol: 6, offset: 40 + 8 + 16 + 24 + 8, fragment: None }));
    }

    #[test]
    fn pieces_are_told_apart_from_atomic_fragments() {
        let piece = |offset: u8| upper(44, &[17, 0, 0, offset, 1, 2, 3, 4, 5]);
        assert_eq!(piece(0), Ok(Upper { protocol: 17, offset: 48, fragment: None }));
        let of = |offset, more| Some(Piece { identification: 0x0102_0304, offset, more });
        assert_eq!(piece(1), Ok(Upper { protocol: 17, offset: 48, fragment: of(0, true) }));
        assert_eq!(piece(8), Ok(Upper { protocol: 17, offset: 48, fragment: of(8, false) }));
    }

    #[test]
    fn the_walk_is_bounded() {
        let loops = [60, 0, 0, 0, 0, 0, 0, 0].repeat(40);
        assert_eq!(
            upper(60, &loops),
            Err(Undecoded::Malformed(Header::Ipv6Extension, "more than 16 of them"))
        );
        let mut sixteen = [60, 0, 0, 0, 0, 0, 0, 0].repeat(16);
        sixteen[120] = 6;
        assert_eq!(upper(60, &sixteen), Ok(Upper { protocol: 6, offset: 40 + 128, fragment: None }));
    }

    #[test]
    fn what_is_cut_is_refused() {
        let bytes = packet(6, &[]);
        for len in 0..40 {
            assert_eq!(Ipv6View::new(&bytes[..len]), Err(Undecoded::Cut(Header::Ipv6)));
        }
        assert_eq!(upper(0, &[6, 0, 0, 0, 0, 0, 0]), Err(Undecoded::Cut(Header::Ipv6Extension)));
        assert_eq!(upper(0, &[6, 1, 0, 0, 0, 0, 0, 0]), Err(Undecoded::Cut(Header::Ipv6Extension)));
        let mut four = bytes;
        four[0] = 0x45;
        assert_eq!(Ipv6View::new(&four), Err(Undecoded::IpVersion(4)));
    }
}
