//! Ethernet II headers with their VLAN tags. Read first: RFC 894 (IPv4), RFC 2464 §3 (IPv6), IEEE 802.1Q §9.
//!
//! [`EthernetView::new`] checks every byte that it reads and steps over at most [`MAX_TAGS`] tags.

use crate::undecoded::{Header, Undecoded};

/// Tags that are stepped over: QinQ has two, and some networks stack one more.
pub const MAX_TAGS: usize = 4;

/// The EtherTypes that are read here (IANA, "IEEE 802 Numbers").
pub mod ether_type {
    /// IPv4 (RFC 894).
    pub const IPV4: u16 = 0x0800;
    /// IPv6 (RFC 2464 §3).
    pub const IPV6: u16 = 0x86dd;
    /// A customer VLAN tag (IEEE 802.1Q).
    pub const VLAN: u16 = 0x8100;
    /// A service VLAN tag, the outer one of QinQ (IEEE 802.1ad).
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// QinQ's outer tag before there was a standard.
    pub const OLD_QINQ: u16 = 0x9100;
    /// The second of three tags, on some old switches.
    pub const OLDER_QINQ: u16 = 0x9200;
    /// ARP (RFC 826).
    pub const ARP: u16 = 0x0806;
    /// Reverse ARP (RFC 903).
    pub const RARP: u16 = 0x8035;
    /// An MPLS label (RFC 3032 §5).
    pub const MPLS: u16 = 0x8847;
    /// An MPLS label that the sender assigned (RFC 5332 §4).
    pub const MPLS_UPSTREAM: u16 = 0x8848;
    /// Looking for a PPPoE server (RFC 2516 §4).
    pub const PPPOE_DISCOVERY: u16 = 0x8863;
    /// A PPPoE session (RFC 2516 §4).
    pub const PPPOE_SESSION: u16 = 0x8864;
    /// PPP, in GRE (RFC 2637 §4.1).
    pub const PPP: u16 = 0x880b;
    /// A whole Ethernet frame, in GRE and its likes (RFC 1701).
    pub const BRIDGED: u16 = 0x6558;
    /// A service instance tag and a customer's frame (IEEE 802.1ah).
    pub const PROVIDER_BACKBONE: u16 = 0x88e7;
    /// A tag of six bytes that names a virtual port (IEEE 802.1BR's forerunner).
    pub const VN_TAG: u16 = 0x8926;
    /// A tag of eight bytes in which Cisco's switches name a security group.
    pub const CISCO_METADATA: u16 = 0x8909;
    /// Cisco's FabricPath, whose tag stands before the customer's frame.
    pub const FABRIC_PATH: u16 = 0x8903;
    /// Below this the field is a length (IEEE 802.3 §3.2.6).
    pub const FIRST: u16 = 0x0600;

    /// Whether it is a VLAN tag of some age.
    pub fn is_tag(number: u16) -> bool {
        matches!(number, VLAN | SERVICE_VLAN | OLD_QINQ | OLDER_QINQ)
    }
}

/// An Ethernet frame, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetView<'a> {
    addresses: &'a [u8; 12],
    ether_type: u16,
    vlan: Option<u16>,
    payload: &'a [u8],
}

impl<'a> EthernetView<'a> {
    /// A view of the frame that `bytes` begin with.
    ///
    /// # Errors
    /// [`Undecoded::Cut`] where `bytes` end inside the header or a VLAN tag, [`Undecoded::Malformed`] for more
    /// than four tags.
    pub fn new(bytes: &'a [u8]) -> Result<EthernetView<'a>, Undecoded> {
        let cut = Undecoded::Cut(Header::Ethernet);
        let (addresses, rest) = bytes.split_first_chunk().ok_or(cut)?;
        let (ether_type, payload) = rest.split_first_chunk().ok_or(cut)?;
        let mut view =
            EthernetView { addresses, ether_type: u16::from_be_bytes(*ether_type), vlan: None, payload };
        for _ in 0..MAX_TAGS {
            if !ether_type::is_tag(view.ether_type) {
                return Ok(view);
            }
            let (&[a, b, c, d], payload) = view.payload.split_first_chunk().ok_or(cut)?;
            view.vlan = view.vlan.or(Some(u16::from_be_bytes([a, b]) & 0x0fff));
            view.ether_type = u16::from_be_bytes([c, d]);
            view.payload = payload;
        }
        match ether_type::is_tag(view.ether_type) {
            true => Err(Undecoded::Malformed(Header::Ethernet, "more than 4 VLAN tags")),
            false => Ok(view),
        }
    }

    /// The MAC address that it goes to.
    pub fn destination(&self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = *self.addresses;
        [a, b, c, d, e, f]
    }

    /// The MAC address that it comes from.
    pub fn source(&self) -> [u8; 6] {
        let [.., a, b, c, d, e, f] = *self.addresses;
        [a, b, c, d, e, f]
    }

    /// What the payload is, behind the tags; below [`ether_type::FIRST`] its length.
    pub fn ether_type(&self) -> u16 {
        self.ether_type
    }

    /// The VLAN number of the outermost tag.
    pub fn vlan(&self) -> Option<u16> {
        self.vlan
    }

    /// What follows the header and its tags, with any padding and check sequence.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    fn frame(rest: &[u8]) -> Vec<u8> {
        [&ADDRESSES, rest].concat()
    }

    #[test]
    fn numbers_are_those_of_iana_and_ieee() {
        assert_eq!((ether_type::IPV4, ether_type::IPV6), (0x0800, 0x86dd));
        assert_eq!(
            (ether_type::VLAN, ether_type::SERVICE_VLAN, ether_type::OLD_QINQ),
            (0x8100, 0x88a8, 0x9100)
        );
        assert_eq!(ether_type::FIRST, 1536);
    }

    #[test]
    fn a_plain_frame() {
        let bytes = frame(&[0x08, 0x00, 0x45]);
        let view = EthernetView::new(&bytes).unwrap();
        assert_eq!(view.destination(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(view.source(), [7, 8, 9, 10, 11, 12]);
        assert_eq!((view.ether_type(), view.vlan(), view.payload()), (0x0800, None, &[0x45][..]));
    }

    #[test]
    fn tags_are_stepped_over_and_the_outermost_is_told() {
        let bytes = frame(&[0x88, 0xa8, 0xe0, 0x64, 0x81, 0x00, 0x00, 0x07, 0x86, 0xdd, 0x60]);
        let view = EthernetView::new(&bytes).unwrap();
        assert_eq!((view.ether_type(), view.vlan(), view.payload()), (0x86dd, Some(100), &[0x60][..]));
    }

    #[test]
    fn tags_without_end_and_cut_frames_are_refused() {
        let tagged = |tags: usize| frame(&[[0x81, 0x00, 0x00, 0x01].repeat(tags), vec![0x08, 0x00]].concat());
        assert_eq!(EthernetView::new(&tagged(4)).unwrap().ether_type(), 0x0800);
        assert_eq!(
            EthernetView::new(&tagged(5)),
            Err(Undecoded::Malformed(Header::Ethernet, "more than 4 VLAN tags"))
        );
        let whole = tagged(2);
        for len in 0..whole.len() {
            assert_eq!(EthernetView::new(&whole[..len]), Err(Undecoded::Cut(Header::Ethernet)), "{len}");
        }
    }
}
