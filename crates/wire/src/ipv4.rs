//! IPv4 headers. Read first: RFC 791 §3.1; RFC 6864 (what the identification is good for).
//!
//! [`Ipv4View::new`] checks the version, that the fixed 20 bytes are there and that the header length covers them; after
//! that no accessor panics. Lengths are told as they stand in the header: the caller knows how much was captured.

use std::net::Ipv4Addr;

use crate::checksum;
use crate::undecoded::{Header, Undecoded};

/// The header without options, in bytes (RFC 791 §3.1).
pub const MIN_HEADER_LEN: usize = 20;

/// An IPv4 header, borrowed, and what was captured behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4View<'a> {
    fixed: &'a [u8; MIN_HEADER_LEN],
    bytes: &'a [u8],
}

impl<'a> Ipv4View<'a> {
    /// A view of the packet that `bytes` begin with.
    ///
    /// # Errors
    /// [`Undecoded::Cut`] for fewer than [`MIN_HEADER_LEN`] bytes, [`Undecoded::IpVersion`] for another version,
    /// [`Undecoded::Malformed`] where the header says that it is shorter than that. Options may be cut.
    pub fn new(bytes: &'a [u8]) -> Result<Ipv4View<'a>, Undecoded> {
        let fixed = bytes.first_chunk::<MIN_HEADER_LEN>().ok_or(Undecoded::Cut(Header::Ipv4))?;
        let view = Ipv4View { fixed, bytes };
        if fixed[0] >> 4 != 4 {
            return Err(Undecoded::IpVersion(fixed[0] >> 4));
        }
        if view.header_len() < MIN_HEADER_LEN {
            return Err(Undecoded::Malformed(Header::Ipv4, "header length below 5"));
        }
        Ok(view)
    }

    /// The length that the header says it has, options included, in bytes: 20 to 60.
    pub fn header_len(&self) -> usize {
        usize::from(self.fixed[0] & 0x0f) * 4
    }

    /// Differentiated services and ECN, one byte (RFC 2474 §3, RFC 3168 §5).
    pub fn traffic_class(&self) -> u8 {
        self.fixed[1]
    }

    /// Header and payload, in bytes. Zero when the packet was captured before the device cut it (GSO over 64 KiB, TSO).
    pub fn total_len(&self) -> u16 {
        self.u16_at::<2>()
    }

    /// The identification that all fragments of a packet share.
    pub fn identification(&self) -> u16 {
        self.u16_at::<4>()
    }

    /// True when routers may not cut the packet.
    pub fn dont_fragment(&self) -> bool {
        self.u16_at::<6>() & 0x4000 != 0
    }

    /// True for every fragment but the last.
    pub fn more_fragments(&self) -> bool {
        self.u16_at::<6>() & 0x2000 != 0
    }

    /// Where this fragment belongs, in bytes.
    pub fn fragment_offset(&self) -> u32 {
        u32::from(self.u16_at::<6>() & 0x1fff) * 8
    }

    /// True for a piece of a packet.
    pub fn is_fragment(&self) -> bool {
        self.u16_at::<6>() & 0x3fff != 0
    }

    /// Hops that it may still take.
    pub fn ttl(&self) -> u8 {
        self.fixed[8]
    }

    /// What the payload is (IANA, "Protocol Numbers").
    pub fn protocol(&self) -> u8 {
        self.fixed[9]
    }

    /// The checksum field.
    pub fn checksum(&self) -> u16 {
        self.u16_at::<10>()
    }

    /// Whether the header's checksum is right; none when the header's options were not captured.
    pub fn checksum_is_right(&self) -> Option<bool> {
        self.bytes.get(..self.header_len()).map(|header| checksum::of(header) == 0)
    }

    /// Who sent it.
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.u32_at::<12>())
    }

    /// Who shall get it.
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.u32_at::<16>())
    }

    /// All that was captured behind the header; padding that follows the packet is still in it.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.header_len()..).unwrap_or_default()
    }

    fn u16_at<const AT: usize>(&self) -> u16 {
        u16::from_be_bytes([self.fixed[AT], self.fixed[AT + 1]])
    }

    fn u32_at<const AT: usize>(&self) -> u32 {
        u32::from_be_bytes([self.fixed[AT], self.fixed[AT + 1], self.fixed[AT + 2], self.fixed[AT + 3]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A well-known example: UDP from 192.168.0.1 to 192.168.0.199, total length 115, checksum b861.
    const HEADER: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x01, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x60, 0xc0, 0xa8, 0x00, 0x01, 0xc0,
        0xa8, 0x00, 0xc7,
    ];

    #[test]
    fn fields_stand_where_rfc_791_has_them() {
        let view = Ipv4View::new(&HEADER).unwrap();
        assert_eq!((view.header_len(), view.total_len(), view.identification()), (20, 115, 1));
        assert_eq!((view.ttl(), view.protocol(), view.traffic_class()), (64, 17, 0));
        assert_eq!(view.source(), Ipv4Addr::new(192, 168, 0, 1));
        assert_eq!(view.destination(), Ipv4Addr::new(192, 168, 0, 199));
        assert!(view.dont_fragment() && !view.more_fragments() && !view.is_fragment());
        assert_eq!(view.checksum_is_right(), Some(true));
        assert!(view.rest().is_empty());
    }

    #[test]
    fn fragments_are_told_by_offset_or_by_more_to_come() {
        let with = |flags: u8, low: u8| {
            let mut header = HEADER;
            (header[6], header[7]) = (flags, low);
            let view = Ipv4View::new(&header).unwrap();
            (view.is_fragment(), view.more_fragments(), view.fragment_offset())
        };
        assert_eq!(with(0x20, 0), (true, true, 0));
        assert_eq!(with(0x00, 185), (true, false, 1480));
        assert_eq!(with(0x3f, 0xff), (true, true, 65528));
        assert_eq!(with(0xc0, 0), (false, false, 0));
    }

    #[test]
    fn a_bad_header_is_refused() {
        for len in 0..20 {
            assert_eq!(Ipv4View::new(&HEADER[..len]), Err(Undecoded::Cut(Header::Ipv4)));
        }
        let mut bad = HEADER;
        bad[0] = 0x65;
        assert_eq!(Ipv4View::new(&bad), Err(Undecoded::IpVersion(6)));
        bad[0] = 0x44;
        assert_eq!(Ipv4View::new(&bad), Err(Undecoded::Malformed(Header::Ipv4, "header length below 5")));
        bad[0] = 0x46;
        assert_eq!(Ipv4View::new(&bad).unwrap().checksum_is_right(), None);
        bad[0] = 0x45;
        bad[8] ^= 1;
        assert_eq!(Ipv4View::new(&bad).unwrap().checksum_is_right(), Some(false));
    }
}
