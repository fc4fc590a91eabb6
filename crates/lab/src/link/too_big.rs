//! What a router says to the sender of a packet that is too large for the next link: ICMP "fragmentation needed" (RFC
//! 792 and RFC 1191 §4), ICMPv6 "packet too big" (RFC 4443 §3.2).
//!
//! The link has no address of its own, so it speaks in the name of the packet's destination.

use wire::checksum;

const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;
const ICMP_HEADER_LEN: usize = 8;
/// The most that an ICMP error may take: RFC 1812 §4.3.2.3, and the least MTU of IPv6 (RFC 4443 §2.4 (c)).
const MOST_V4: usize = 576;
const MOST_V6: usize = 1280;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Of a packet that a router makes (RFC 1700's recommendation).
const TTL: u8 = 64;

/// Whether an IP packet may not be cut on its way: IPv4 with DF (RFC 791 §3.1), every one of IPv6 (RFC 8200 §5).
pub(super) fn must_stay_whole(ip: &[u8]) -> bool {
    match ip.first().map(|first| first >> 4) {
        Some(4) => ip.get(6).is_some_and(|flags| flags & 0x40 != 0),
        _ => true,
    }
}

/// The ICMP error about this IP packet, whole from its IP header on; none where no error may be answered (RFC 1122
/// §3.2.2: errors, and fragments but the first).
pub(super) fn answer(ip: &[u8], mtu: u32) -> Option<Vec<u8>> {
    match ip.first()? >> 4 {
        4 if ip.len() >= IPV4_HEADER_LEN => {
            let fragment_offset = u16::from_be_bytes([ip[6] & 0x1f, ip[7]]);
            let header_len = usize::from(ip[0] & 0xf) * 4;
            let is_error = ip[9] == ICMP && !matches!(ip.get(header_len), Some(0 | 8));
            (fragment_offset == 0 && !is_error).then(|| v4(ip, mtu))
        }
        6 if ip.len() >= IPV6_HEADER_LEN => {
            // ICMPv6 errors have the high bit of their type clear (RFC 4443 §2.1).
            let is_error = ip[6] == ICMPV6 && ip.get(IPV6_HEADER_LEN).is_some_and(|kind| *kind < 128);
            (!is_error).then(|| v6(ip, mtu))
        }
        _ => None,
    }
}

fn v4(ip: &[u8], mtu: u32) -> Vec<u8> {
    let quoted = &ip[..ip.len().min(MOST_V4 - IPV4_HEADER_LEN - ICMP_HEADER_LEN)];
    let len = IPV4_HEADER_LEN + ICMP_HEADER_LEN + quoted.len();
    let mut packet = Vec::with_capacity(len);
    packet.extend([0x45, 0]);
    packet.extend(u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    packet.extend([0, 0, 0, 0, TTL, ICMP, 0, 0]);
    packet.extend(&ip[16..20]);
    packet.extend(&ip[12..16]);
    let sum = checksum::of(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend([3, 4, 0, 0, 0, 0]);
    packet.extend(u16::try_from(mtu).unwrap_or(u16::MAX).to_be_bytes());
    packet.extend(quoted);
    let sum = checksum::of(&packet[IPV4_HEADER_LEN..]);
    packet[IPV4_HEADER_LEN + 2..IPV4_HEADER_LEN + 4].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn v6(ip: &[u8], mtu: u32) -> Vec<u8> {
    let quoted = &ip[..ip.len().min(MOST_V6 - IPV6_HEADER_LEN - ICMP_HEADER_LEN)];
    let len = ICMP_HEADER_LEN + quoted.len();
    let mut packet = Vec::with_capacity(IPV6_HEADER_LEN + len);
    packet.extend([0x60, 0, 0, 0]);
    packet.extend(u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    packet.extend([ICMPV6, TTL]);
    packet.extend(&ip[24..40]);
    packet.extend(&ip[8..24]);
    packet.extend([2, 0, 0, 0]);
    packet.extend(mtu.to_be_bytes());
    packet.extend(quoted);
    // RFC 8200 §8.1: the addresses, the length and the protocol count as well.
    let pseudo = checksum::sum(checksum::sum(0, &packet[8..40]), &[0, 0, 0, ICMPV6]);
    let pseudo = checksum::sum(pseudo, &u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    let sum = checksum::finish(checksum::sum(pseudo, &packet[IPV6_HEADER_LEN..]));
    packet[IPV6_HEADER_LEN + 2..IPV6_HEADER_LEN + 4].copy_from_slice(&sum.to_be_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    use proptest::prelude::*;

    use super::*;

    fn udp_v4(len: usize, flags: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 1, flags, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.resize(len, 9);
        packet[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        packet
    }

    #[test]
    fn an_ipv4_sender_is_told_the_mtu() {
        let answer = answer(&udp_v4(1500, 0x40), 1400).unwrap();
        let sliced = SlicedPacket::from_ip(&answer).unwrap();
        let Some(NetSlice::Ipv4(ip)) = &sliced.net else { panic!("IPv4") };
        assert_eq!(ip.header().source(), [10, 0, 0, 2]);
        assert_eq!(ip.header().destination(), [10, 0, 0, 1]);
        assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
        let Some(TransportSlice::Icmpv4(icmp)) = &sliced.transport else { panic!("ICMP") };
        assert_eq!(checksum::of(&answer[20..]), 0);
        let wanted = etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 };
        assert_eq!(icmp.header().icmp_type, etherparse::Icmpv4Type::DestinationUnreachable(wanted));
        assert_eq!(icmp.payload(), &udp_v4(1500, 0x40)[..548]);
        assert_eq!(answer.len(), 576);
    }

    #[test]
    fn an_ipv6_sender_is_told_the_mtu() {
        let mut packet = vec![0x60, 0, 0, 0, 5, 0xb4, 17, 64];
        packet.extend([1; 16]);
        packet.extend([2; 16]);
        packet.resize(1500, 9);
        let answer = answer(&packet, 1280).unwrap();
        let sliced = SlicedPacket::from_ip(&answer).unwrap();
        let Some(NetSlice::Ipv6(ip)) = &sliced.net else { panic!("IPv6") };
        assert_eq!((ip.header().source(), ip.header().destination()), ([2; 16], [1; 16]));
        let Some(TransportSlice::Icmpv6(icmp)) = &sliced.transport else { panic!("ICMPv6") };
        assert!(icmp.is_checksum_valid([2; 16], [1; 16]));
        assert_eq!(icmp.header().icmp_type, etherparse::Icmpv6Type::PacketTooBig { mtu: 1280 });
        assert_eq!(answer.len(), 1280);
    }

    #[test]
    fn errors_and_later_fragments_are_not_answered() {
        let mut error = udp_v4(1500, 0x40);
        (error[9], error[20]) = (ICMP, 3);
        assert_eq!(answer(&error, 1400), None);
        error[20] = 8;
        assert!(answer(&error, 1400).is_some(), "an echo request is");
        assert_eq!(answer(&udp_v4(1500, 0x01), 1400), None);
    }

    #[test]
    fn only_dont_fragment_and_ipv6_stay_whole() {
        assert!(must_stay_whole(&udp_v4(100, 0x40)));
        assert!(!must_stay_whole(&udp_v4(100, 0)));
        assert!(must_stay_whole(&[0x60; 40]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(packet in prop::collection::vec(any::<u8>(), 0..100), mtu: u32) {
            answer(&packet, mtu);
            must_stay_whole(&packet);
        }
    }
}
