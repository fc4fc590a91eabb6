//! ARP and RARP packets: who asks where a neighbour is, and who answers. Read first: RFC 826; RFC 903 (reverse), RFC 5227
//! §1.1 (probes and announcements).
//!
//! [`ArpView::new`] checks that all that the two address lengths promise is there; after that no accessor panics.
//! `Display` gives one line.

use std::fmt;
use std::net::Ipv4Addr;

use crate::undecoded::{Header, Undecoded};

/// The part of fixed length, in bytes (RFC 826, "Packet format").
pub const FIXED_LEN: usize = 8;

/// The operation codes (RFC 826, RFC 903 §2).
pub mod operation {
    /// Who has this protocol address?
    pub const REQUEST: u16 = 1;
    /// I have it, at this hardware address.
    pub const REPLY: u16 = 2;
    /// Which protocol address has this hardware address?
    pub const REVERSE_REQUEST: u16 = 3;
    /// This one.
    pub const REVERSE_REPLY: u16 = 4;
}

/// An ARP packet, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpView<'a> {
    operation: u16,
    sender: Place<'a>,
    target: Place<'a>,
}

/// Where someone is: a hardware address and the protocol address that belongs to it. `Display` joins them with `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The hardware address: six bytes for Ethernet.
    pub hardware: &'a [u8],
    /// The protocol address: four bytes for IPv4.
    pub protocol: &'a [u8],
}

impl<'a> ArpView<'a> {
    /// A view of the packet that `bytes` begin with.
    ///
    /// # Errors
    /// [`Undecoded::Cut`] where `bytes` end before the last address does, [`Undecoded::Malformed`] where addresses have
    /// no length.
    pub fn new(bytes: &'a [u8]) -> Result<ArpView<'a>, Undecoded> {
        let cut = Undecoded::Cut(Header::Arp);
        let (fixed, rest) = bytes.split_first_chunk::<FIXED_LEN>().ok_or(cut)?;
        let [_, _, _, _, hardware_len, protocol_len, a, b] = *fixed;
        if hardware_len == 0 || protocol_len == 0 {
            return Err(Undecoded::Malformed(Header::Arp, "addresses without length"));
        }
        let place = |bytes: &'a [u8]| {
            let (hardware, rest) = bytes.split_at_checked(hardware_len.into())?;
            let (protocol, rest) = rest.split_at_checked(protocol_len.into())?;
            Some((Place { hardware, protocol }, rest))
        };
        let (sender, rest) = place(rest).ok_or(cut)?;
        let (target, _) = place(rest).ok_or(cut)?;
        Ok(ArpView { operation: u16::from_be_bytes([a, b]), sender, target })
    }

    /// What it is for: a number of [`operation`].
    pub fn operation(&self) -> u16 {
        self.operation
    }

    /// Who sent it.
    pub fn sender(&self) -> Place<'a> {
        self.sender
    }

    /// Whom it is about. The hardware address of a request says nothing.
    pub fn target(&self) -> Place<'a> {
        self.target
    }

    /// True when the sender tells of itself, without being asked (RFC 5227 §3).
    pub fn is_announcement(&self) -> bool {
        matches!(self.operation, operation::REQUEST | operation::REPLY)
            && self.sender.protocol == self.target.protocol
    }

    /// True when the sender asks whether an address is still free (RFC 5227 §2.1.1).
    pub fn is_probe(&self) -> bool {
        self.operation == operation::REQUEST && self.sender.protocol.iter().all(|byte| *byte == 0)
    }
}

impl Place<'_> {
    /// The protocol address, if it is IPv4's.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        <[u8; 4]>::try_from(self.protocol).ok().map(Ipv4Addr::from)
    }
}

impl fmt::Display for ArpView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sender, target) = (&self.sender, &self.target);
        match self.operation {
            operation::REQUEST if self.is_probe() => {
                write!(f, "is {} free? asks {}", Shown(target), Hex(sender.hardware))
            }
            operation::REQUEST | operation::REPLY if self.is_announcement() => {
                write!(f, "{sender}, it announces")
            }
            operation::REQUEST => write!(f, "who has {}? tell {sender}", Shown(target)),
            operation::REPLY => write!(f, "{sender}"),
            operation::REVERSE_REQUEST => {
                write!(f, "which address has {}? asks {}", Hex(target.hardware), Hex(sender.hardware))
            }
            operation::REVERSE_REPLY => write!(f, "{target}"),
            other => write!(f, "operation {other} from {sender} about {target}"),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", Shown(self), Hex(self.hardware))
    }
}

/// The protocol address alone.
struct Shown<'a>(&'a Place<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.ipv4() {
            Some(address) => address.fmt(f),
            None => Hex(self.0.protocol).fmt(f),
        }
    }
}

/// Bytes in hexadecimal with colons, as hardware addresses are written.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            let colon = if position == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALICE: [u8; 10] = [0xaa, 0xbb, 0xcc, 0, 0, 1, 10, 0, 0, 1];
    const BOB: [u8; 10] = [0xaa, 0xbb, 0xcc, 0, 0, 2, 10, 0, 0, 2];

    fn packet(operation: u8, sender: [u8; 10], target: [u8; 10]) -> Vec<u8> {
        [&[0, 1, 8, 0, 6, 4, 0, operation][..], &sender, &target].concat()
    }

    fn told(operation: u8, sender: [u8; 10], target: [u8; 10]) -> String {
        ArpView::new(&packet(operation, sender, target)).unwrap().to_string()
    }

    #[test]
    fn each_kind_is_told_in_one_line() {
        let unknown = [0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
        let nobody = [0xaa, 0xbb, 0xcc, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(told(1, ALICE, unknown), "who has 10.0.0.2? tell 10.0.0.1 at aa:bb:cc:00:00:01");
        assert_eq!(told(2, BOB, ALICE), "10.0.0.2 at aa:bb:cc:00:00:02");
        assert_eq!(told(1, nobody, unknown), "is 10.0.0.2 free? asks aa:bb:cc:00:00:01");
        assert_eq!(told(1, ALICE, ALICE), "10.0.0.1 at aa:bb:cc:00:00:01, it announces");
        assert_eq!(told(3, nobody, ALICE), "which address has aa:bb:cc:00:00:01? asks aa:bb:cc:00:00:01");
        assert_eq!(told(4, BOB, ALICE), "10.0.0.1 at aa:bb:cc:00:00:01");
        assert!(told(25, ALICE, BOB).starts_with("operation 25 from 10.0.0.1 at"));
    }

    #[test]
    fn a_packet_that_is_cut_or_has_no_addresses_is_refused() {
        let whole = packet(1, ALICE, BOB);
        assert_eq!(ArpView::new(&whole).unwrap().target().ipv4(), Some(Ipv4Addr::new(10, 0, 0, 2)));
        for len in 0..whole.len() {
            assert_eq!(ArpView::new(&whole[..len]), Err(Undecoded::Cut(Header::Arp)));
        }
        let none = ArpView::new(&[0, 1, 8, 0, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(matches!(none, Err(Undecoded::Malformed(Header::Arp, _))));
    }

    proptest! {
        #[test]
        fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(view) = ArpView::new(&bytes) {
                prop_assert!(!view.to_string().contains('\n'));
            }
        }
    }
}
