//! ICMP messages, as far as they tell a conversation what became of its packets. Read first: RFC 792, RFC 4443;
//! RFC 1191 §4 (the MTU of the next hop).
//!
//! [`IcmpMessage::new`] checks that the fixed 8 bytes are there; after that no accessor panics. What an error quotes is
//! checked like any packet from a stranger.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::ipv4::Ipv4View;
use crate::ipv6::Ipv6View;
use crate::tcp::TcpFlags;
use crate::undecoded::{Header, Undecoded};
use crate::{tcp, udp};

/// The number of ICMP in IPv4 headers (RFC 792).
pub const PROTOCOL_V4: u8 = 1;

/// The number of ICMPv6 in IPv6 headers (RFC 4443 §1).
pub const PROTOCOL_V6: u8 = 58;

/// Type, code, checksum and the four bytes whose meaning depends on the type (RFC 792).
pub const HEADER_LEN: usize = 8;

/// An ICMP or ICMPv6 message, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpMessage<'a> {
    v6: bool,
    fixed: &'a [u8; HEADER_LEN],
    body: &'a [u8],
}

/// The start of the packet that an error is about: enough to find its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// [`tcp::PROTOCOL`] or [`udp::PROTOCOL`].
    pub protocol: u8,
    /// Who had sent it.
    pub source: SocketAddr,
    /// Who should have got it.
    pub destination: SocketAddr,
    /// Its sequence number, for TCP.
    pub seq: Option<u32>,
    /// Its flags, for TCP where the header is quoted as a whole, without its options.
    pub tcp_flags: Option<TcpFlags>,
}

impl<'a> IcmpMessage<'a> {
    /// The message that `bytes` begin with; `v6` when it came in an IPv6 packet.
    ///
    /// # Errors
    /// [`Undecoded::Cut`] for fewer than [`HEADER_LEN`] bytes.
    pub fn new(v6: bool, bytes: &'a [u8]) -> Result<IcmpMessage<'a>, Undecoded> {
        let (fixed, body) = bytes.split_first_chunk().ok_or(Undecoded::Cut(Header::Icmp))?;
        Ok(IcmpMessage { v6, fixed, body })
    }

    /// The type field.
    pub fn kind(&self) -> u8 {
        self.fixed[0]
    }

    /// The code field.
    pub fn code(&self) -> u8 {
        self.fixed[1]
    }

    /// What it says, in words; none for what is rare.
    pub fn meaning(&self) -> Option<&'static str> {
        let meaning = if self.v6 { meaning_v6 } else { meaning_v4 };
        meaning(self.kind(), self.code())
    }

    /// True when it reports what became of another packet.
    pub fn is_error(&self) -> bool {
        match self.v6 {
            true => (1..128).contains(&self.kind()),             // RFC 4443 §2.1
            false => matches!(self.kind(), 3 | 4 | 5 | 11 | 12), // RFC 1122 §3.2.2
        }
    }

    /// True when it says that the packet which it is about did not get to its destination. A source quench and a redirect
    /// say nothing of that (RFC 792).
    pub fn tells_of_a_loss(&self) -> bool {
        self.is_error() && (self.v6 || !matches!(self.kind(), 4 | 5))
    }

    /// The largest packet that the next hop takes, in bytes, where the error is that one was larger; none when an old
    /// router left the field zero.
    pub fn next_hop_mtu(&self) -> Option<u32> {
        let [_, _, _, _, a, b, c, d] = *self.fixed;
        let mtu = match (self.v6, self.kind(), self.code()) {
            (false, 3, 4) => u32::from_be_bytes([0, 0, c, d]), // RFC 1191 §4
            (true, 2, _) => u32::from_be_bytes([a, b, c, d]),  // RFC 4443 §3.2
            _ => 0,
        };
        (mtu != 0).then_some(mtu)
    }

    /// The packet that an error is about, if it was TCP or UDP and enough of it is quoted.
    pub fn quoted(&self) -> Option<Quoted> {
        if !self.is_error() {
            return None;
        }
        let (source, destination, protocol, start) =
            if self.v6 { quoted_v6(self.body)? } else { quoted_v4(self.body)? };
        let [a, b, c, d, e, f, g, h] = *start.first_chunk::<8>()?;
        let seq = match protocol {
            tcp::PROTOCOL => Some(u32::from_be_bytes([e, f, g, h])),
            udp::PROTOCOL => None,
            _ => return None,
        };
        let source = SocketAddr::new(source, u16::from_be_bytes([a, b]));
        let destination = SocketAddr::new(destination, u16::from_be_bytes([c, d]));
        let has_tcp_header = protocol == tcp::PROTOCOL && start.len() >= tcp::MIN_HEADER_LEN;
        // RFC 9293 §3.1: the flags fill the octet behind the data offset.
        let tcp_flags = start.get(13).filter(|_| has_tcp_header).map(|&flags| TcpFlags(flags));
        Some(Quoted { protocol, source, destination, seq, tcp_flags })
    }
}

impl fmt::Display for IcmpMessage<'_> {
    /// One line: what it says, by type and code where there are no words, and the MTU that it tells.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Some(meaning) => f.write_str(meaning)?,
            None => write!(f, "type {}, code {}", self.kind(), self.code())?,
        }
        match self.next_hop_mtu() {
            Some(mtu) => write!(f, ", at most {mtu} bytes"),
            None => Ok(()),
        }
    }
}

fn quoted_v4(bytes: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    let header = Ipv4View::new(bytes).ok()?;
    let whole = header.fragment_offset() == 0;
    whole.then(|| (header.source().into(), header.destination().into(), header.protocol(), header.rest()))
}

fn quoted_v6(bytes: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    let header = Ipv6View::new(bytes).ok()?;
    let upper = header.upper().ok().filter(|upper| upper.fragment.is_none())?;
    Some((header.source().into(), header.destination().into(), upper.protocol, bytes.get(upper.offset..)?))
}

fn meaning_v4(kind: u8, code: u8) -> Option<&'static str> {
    Some(match (kind, code) {
        (0, _) => "echo reply",
        (3, 0) => "network unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 4) => "packet too big, and it may not be cut",
        (3, 5) => "source route failed",
        (3, 6) => "network unknown",
        (3, 7) => "host unknown",
        (3, 9 | 10 | 13) => "administratively prohibited",
        (3, 11) => "network unreachable for this type of service",
        (3, 12) => "host unreachable for this type of service",
        (3, _) => "destination unreachable",
        (4, _) => "source quench",
        (5, _) => "redirect",
        (8, _) => "echo request",
        (9, _) => "router advertisement",
        (10, _) => "router solicitation",
        (11, 0) => "time to live ran out on the way",
        (11, 1) => "not all fragments came in time",
        (12, _) => "bad header",
        (13, _) => "timestamp request",
        (14, _) => "timestamp reply",
        _ => return None,
    })
}

fn meaning_v6(kind: u8, code: u8) -> Option<&'static str> {
    Some(match (kind, code) {
        (1, 0) => "no route to the destination",
        (1, 1) => "administratively prohibited",
        (1, 3) => "address unreachable",
        (1, 2) => "beyond the scope of the source address",
        (1, 4) => "port unreachable",
        (1, 5) => "source address refused by policy",
        (1, 6) => "route to the destination refused",
        (1, _) => "destination unreachable",
        (2, _) => "packet too big",
        (3, 0) => "hop limit ran out on the way",
        (3, 1) => "not all fragments came in time",
        (4, 1) => "unknown next header",
        (4, 2) => "unknown IPv6 option",
        (4, _) => "bad header",
        (137, _) => "redirect",
        (128, _) => "echo request",
        (129, _) => "echo reply",
        (130, _) => "multicast listener query",
        (131 | 143, _) => "multicast listener report",
        (132, _) => "multicast listener done",
        (133, _) => "router solicitation",
        (134, _) => "router advertisement",
        (135, _) => "neighbour solicitation",
        (136, _) => "neighbour advertisement",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::TcpPacket;
    use crate::tcp::TcpOptions;

    fn segment(source: &str, destination: &str) -> Vec<u8> {
        let packet = TcpPacket {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            seq: 0x0102_0304,
            ack: 0,
            flags: TcpFlags::SYN,
            window: 1,
            options: TcpOptions::default(),
            payload: b"",
        };
        packet.to_bytes()
    }

    #[test]
    fn an_unreachable_port_quotes_the_segment() {
        let quote = segment("10.0.0.1:40000", "10.0.0.2:7");
        let bytes = [&[3, 3, 0, 0, 0, 0, 0, 0][..], &quote[..28]].concat();
        let message = IcmpMessage::new(false, &bytes).unwrap();
        assert_eq!(message.meaning(), Some("port unreachable"));
        let quoted = message.quoted().unwrap();
        assert_eq!(quoted.source, "10.0.0.1:40000".parse().unwrap());
        assert_eq!(quoted.destination, "10.0.0.2:7".parse().unwrap());
        assert_eq!((quoted.protocol, quoted.seq, quoted.tcp_flags), (6, Some(0x0102_0304), None));
        let whole = [&bytes[..8], &quote].concat();
        let quoted = IcmpMessage::new(false, &whole).unwrap().quoted().unwrap();
        assert_eq!(quoted.tcp_flags, Some(TcpFlags::SYN));
        for len in 8..bytes.len() {
            assert_eq!(IcmpMessage::new(false, &bytes[..len]).unwrap().quoted(), None);
        }
    }

    #[test]
    fn packet_too_big_tells_the_mtu() {
        let quote = segment("[fe80::1]:1", "[fe80::2]:2");
        let bytes = [&[2, 0, 0, 0, 0, 0, 0x05, 0x00][..], &quote].concat();
        let message = IcmpMessage::new(true, &bytes).unwrap();
        assert_eq!((message.meaning(), message.next_hop_mtu()), (Some("packet too big"), Some(1280)));
        assert_eq!(message.quoted().unwrap().source, "[fe80::1]:1".parse().unwrap());
        let old = IcmpMessage::new(false, &[3, 4, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(old.next_hop_mtu(), None);
        let new = IcmpMessage::new(false, &[3, 4, 0, 0, 0, 0, 0x05, 0xdc]).unwrap();
        assert_eq!(new.next_hop_mtu(), Some(1500));
    }

    #[test]
    fn a_later_piece_of_a_packet_has_no_ports_to_quote() {
        let mut quote = segment("10.0.0.1:40000", "10.0.0.2:7");
        quote[7] = 185;
        let bytes = [&[3, 3, 0, 0, 0, 0, 0, 0][..], &quote].concat();
        assert_eq!(IcmpMessage::new(false, &bytes).unwrap().quoted(), None);
    }

    #[test]
    fn an_echo_quotes_nothing_whatever_it_carries() {
        let quote = segment("10.0.0.1:40000", "10.0.0.2:7");
        let bytes = [&[8, 0, 0, 0, 0, 0, 0, 0][..], &quote].concat();
        let message = IcmpMessage::new(false, &bytes).unwrap();
        assert_eq!(
            (message.is_error(), message.quoted(), message.meaning()),
            (false, None, Some("echo request"))
        );
    }

    #[test]
    fn a_message_is_told_in_one_line() {
        let told = |v6, bytes: [u8; 8]| IcmpMessage::new(v6, &bytes).unwrap().to_string();
        assert_eq!(told(false, [3, 3, 0, 0, 0, 0, 0, 0]), "port unreachable");
        assert_eq!(told(false, [11, 0, 0, 0, 0, 0, 0, 0]), "time to live ran out on the way");
        assert_eq!(told(true, [2, 0, 0, 0, 0, 0, 5, 0]), "packet too big, at most 1280 bytes");
        assert_eq!(told(true, [1, 4, 0, 0, 0, 0, 0, 0]), "port unreachable");
        assert_eq!(told(false, [42, 1, 0, 0, 0, 0, 0, 0]), "type 42, code 1");
    }

    #[test]
    fn numbers_are_those_of_the_rfcs() {
        assert_eq!((PROTOCOL_V4, PROTOCOL_V6, HEADER_LEN), (1, 58, 8));
        assert_eq!(IcmpMessage::new(true, &[0; 7]), Err(Undecoded::Cut(Header::Icmp)));
    }
}
