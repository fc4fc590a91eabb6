//! The Internet checksum. Read first: RFC 1071 (the sum and why byte order does not matter), RFC 9293 §3.1 and
//! RFC 8200 §8.1 (pseudo-headers of IPv4 and IPv6).

use std::net::{IpAddr, Ipv6Addr};

/// Adds `bytes` to a one's complement sum; the first one starts from 0. An odd last byte counts as if a zero followed, so
/// only the last piece may have an odd length.
///
/// The words are added as they lie in memory, and only `fold` turns the result: RFC 1071 §1 (B).
pub fn sum(start: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    // A u64 holds the sum of 2^32 words of 32 bits: 16 GiB, more than any packet.
    let added = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>();
    add(add(start, added), u64::from(u32::from_ne_bytes(last)))
}

/// The sum of the pseudo-header that TCP, UDP and ICMPv6 put before their own bytes; `len` counts those bytes. If the
/// families differ both addresses are taken as IPv6, IPv4 in its mapped form.
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, len: u32) -> u64 {
    let addresses = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => sum(sum(0, &source.octets()), &destination.octets()),
        _ => sum(sum(0, &v6(source).octets()), &v6(destination).octets()),
    };
    // The layouts of IPv4 and IPv6 differ, but zeros do not count: what is left is the length and the protocol.
    sum(sum(addresses, &len.to_be_bytes()), &[0, protocol])
}

/// The sum as 16 bits in host order: what stands in the checksum field while a device still has to complete it.
pub fn fold(sum: u64) -> u16 {
    let [a, b, c, d] = words(sum);
    let [_, _, carry, low] = words(a + b + c + d);
    let [.., carry, low] = words(carry + low);
    u16::from_be(u16::try_from(carry + low).unwrap_or(u16::MAX))
}

/// The checksum: the value of the field in host order. Zero when the sum ran over bytes with a right checksum.
pub fn finish(sum: u64) -> u16 {
    !fold(sum)
}

/// The checksum of these bytes alone, as the IPv4 header (RFC 791 §3.1) and ICMP (RFC 792) have it.
pub fn of(bytes: &[u8]) -> u16 {
    finish(sum(0, bytes))
}

fn add(sum: u64, more: u64) -> u64 {
    let (sum, carry) = sum.overflowing_add(more);
    sum + u64::from(carry)
}

/// The address as IPv6, an IPv4 one in its mapped form.
pub(crate) fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn words(sum: u64) -> [u64; 4] {
    [sum >> 48, sum >> 32 & 0xffff, sum >> 16 & 0xffff, sum & 0xffff]
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::checksum::Sum16BitWords;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071() {
        // RFC 1071 §3: 0001 f203 f4f5 f6f7 sum to ddf2.
        assert_eq!(of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn nothing_and_all_ones() {
        assert_eq!(of(&[]), 0xffff);
        assert_eq!(of(&[0xff, 0xff]), 0);
        assert_eq!(of(&[0xff; 64 * 1024]), 0);
    }

    fn plain(bytes: &[u8]) -> u16 {
        let mut total = 0_u32;
        for pair in bytes.chunks(2) {
            total += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            total = (total & 0xffff) + (total >> 16);
        }
        !u16::try_from(total).unwrap()
    }

    proptest! {
        #[test]
        fn equals_the_plain_sum(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(of(&bytes), plain(&bytes));
        }

        #[test]
        fn even_pieces_sum_like_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..150) {
            let (head, tail) = bytes.split_at((2 * at).min(bytes.len() & !1));
            prop_assert_eq!(finish(sum(sum(0, head), tail)), of(&bytes));
        }

        #[test]
        fn pseudo_header_equals_the_oracle(
            source: [u8; 16], destination: [u8; 16], protocol: u8, len in 0_u32..0x10000,
        ) {
            let ours = finish(pseudo_header(source.into(), destination.into(), protocol, len));
            let theirs = Sum16BitWords::new()
                .add_16bytes(source)
                .add_16bytes(destination)
                .add_4bytes(len.to_be_bytes())
                .add_2bytes([0, protocol])
                .ones_complement()
                .to_be();
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn pseudo_header_v4_equals_the_oracle(source: [u8; 4], destination: [u8; 4], protocol: u8, len: u16) {
            let ours = finish(pseudo_header(source.into(), destination.into(), protocol, len.into()));
            let theirs = Sum16BitWords::new()
                .add_4bytes(source)
                .add_4bytes(destination)
                .add_2bytes([0, protocol])
                .add_2bytes(len.to_be_bytes())
                .ones_complement()
                .to_be();
            prop_assert_eq!(ours, theirs);
        }
    }
}
