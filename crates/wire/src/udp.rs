//! UDP headers. Read first: RFC 768.
//!
//! [`UdpView::new`] checks that the 8 bytes are there; after that no accessor panics. Whether the length field can be
//! true is for the reader of the IP packet to say.

use crate::undecoded::{Header, Undecoded};

/// The number of UDP in IP headers (RFC 768).
pub const PROTOCOL: u8 = 17;

/// The header, in bytes (RFC 768).
pub const HEADER_LEN: usize = 8;

/// A UDP header, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpView<'a> {
    fixed: &'a [u8; HEADER_LEN],
}

impl<'a> UdpView<'a> {
    /// A view of the header at the start of `bytes`.
    ///
    /// # Errors
    /// [`Undecoded::Cut`] for fewer than [`HEADER_LEN`] bytes.
    pub fn new(bytes: &'a [u8]) -> Result<UdpView<'a>, Undecoded> {
        let fixed = bytes.first_chunk().ok_or(Undecoded::Cut(Header::Udp))?;
        Ok(UdpView { fixed })
    }

    /// The port that it comes from; zero when the sender wants no answer.
    pub fn source_port(&self) -> u16 {
        self.u16_at::<0>()
    }

    /// The port that it goes to.
    pub fn destination_port(&self) -> u16 {
        self.u16_at::<2>()
    }

    /// Header and payload, in bytes; zero for more than 65,535 (RFC 2675 §4).
    pub fn len(&self) -> u16 {
        self.u16_at::<4>()
    }

    /// True when the length field says that there is no payload.
    pub fn is_empty(&self) -> bool {
        usize::from(self.len()) == HEADER_LEN
    }

    /// The checksum field; zero when the sender computed none.
    pub fn checksum(&self) -> u16 {
        self.u16_at::<6>()
    }

    fn u16_at<const AT: usize>(&self) -> u16 {
        u16::from_be_bytes([self.fixed[AT], self.fixed[AT + 1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_rfc_768_has_them() {
        let view = UdpView::new(&[0x04, 0xd2, 0x00, 0x35, 0x00, 0x0a, 0xbe, 0xef, 1, 2]).unwrap();
        assert_eq!((view.source_port(), view.destination_port()), (1234, 53));
        assert_eq!((view.len(), view.checksum()), (10, 0xbeef));
        assert!(!view.is_empty());
        assert_eq!((PROTOCOL, HEADER_LEN), (17, 8));
    }

    #[test]
    fn a_cut_header_is_refused() {
        for len in 0..8 {
            assert_eq!(UdpView::new(&[0; 8][..len]), Err(Undecoded::Cut(Header::Udp)));
        }
    }
}
