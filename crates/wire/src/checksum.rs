//! The Internet checksum. Read first: RFC 1071 (the sum and why byte order does not matter), RFC 9293 §3.1 and
//! RFC 8200 §8.1 (pseudo-headers of IPv4 and IPv6).

use std::net::{IpAddr, Ipv6Addr};

/// A one's complement sum in the making; `finish` gives the checksum field.
///
/// The words are added as they lie in memory and only the result is turned to network order: RFC 1071 §1 (B).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    sum: u64,
}

impl Checksum {
    /// The sum of nothing.
    pub fn new() -> Checksum {
        Checksum::default()
    }

    /// The sum of the pseudo-header that TCP, UDP and ICMPv6 put before their own bytes; `len` counts those bytes. If
    /// the families differ both addresses are taken as IPv6, IPv4 in its mapped form.
    pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, len: u32) -> Checksum {
        let start = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Checksum::new().bytes(&source.octets()).bytes(&destination.octets())
            }
            _ => Checksum::new().bytes(&v6(source).octets()).bytes(&v6(destination).octets()),
        };
        // The two layouts differ, but zeros do not count: what is left is the length and the protocol.
        start.bytes(&len.to_be_bytes()).word(u16::from(protocol))
    }

    /// Adds bytes. An odd last byte counts as if a zero followed: only the last piece may have an odd length.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Checksum {
        let (words, rest) = bytes.as_chunks::<4>();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        // A u64 holds the sum of 2^32 words of 32 bits: 16 GiB, more than any packet.
        let sum = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>();
        self.plus(sum).plus(u64::from(u32::from_ne_bytes(last)))
    }

    /// Adds one 16-bit word.
    #[must_use]
    pub fn word(self, word: u16) -> Checksum {
        self.plus(u64::from(word.to_be()))
    }

    /// The checksum: the value of the field, in host order. Zero when the sum ran over bytes with a right checksum.
    pub fn finish(self) -> u16 {
        let [a, b, c, d] = words(self.sum);
        let [_, _, carry, low] = words(a + b + c + d);
        let [.., carry, low] = words(carry + low);
        let folded = u16::try_from(carry + low).unwrap_or(u16::MAX);
        !u16::from_be(folded)
    }

    fn plus(self, more: u64) -> Checksum {
        let (sum, carry) = self.sum.overflowing_add(more);
        Checksum { sum: sum + u64::from(carry) }
    }
}

/// The checksum of these bytes alone, as the IPv4 header (RFC 791 §3.1) and ICMP (RFC 792) have it.
pub fn checksum(bytes: &[u8]) -> u16 {
    Checksum::new().bytes(bytes).finish()
}

fn v6(address: IpAddr) -> Ipv6Addr {
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
    use etherparse::checksum::{Sum16BitWords, u64_16bit_word};
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071() {
        // RFC 1071 §3: 0001 f203 f4f5 f6f7 sum to ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn nothing_and_all_ones() {
        assert_eq!(checksum(&[]), 0xffff);
        assert_eq!(checksum(&[0xff, 0xff]), 0);
        assert_eq!(checksum(&[0xff; 64 * 1024]), 0);
    }

    fn plain(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap()
    }

    proptest! {
        #[test]
        fn equals_the_plain_sum(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(checksum(&bytes), plain(&bytes));
        }

        #[test]
        fn even_pieces_sum_like_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..150) {
            let (head, tail) = bytes.split_at((2 * at).min(bytes.len() & !1));
            prop_assert_eq!(Checksum::new().bytes(head).bytes(tail).finish(), checksum(&bytes));
        }

        #[test]
        fn pseudo_header_equals_the_oracle(
            source: [u8; 16], destination: [u8; 16], protocol: u8, len in 0_u32..0x10000,
        ) {
            let ours = Checksum::pseudo_header(source.into(), destination.into(), protocol, len).finish();
            let sum = u64_16bit_word::add_16bytes(u64_16bit_word::add_16bytes(0, source), destination);
            let sum = u64_16bit_word::add_8bytes(sum, {
                let mut rest = [0; 8];
                rest[..4].copy_from_slice(&len.to_be_bytes());
                rest[7] = protocol;
                rest
            });
            prop_assert_eq!(ours, u64_16bit_word::ones_complement(sum).to_be());
        }

        #[test]
        fn pseudo_header_v4_equals_the_oracle(source: [u8; 4], destination: [u8; 4], protocol: u8, len: u16) {
            let ours = Checksum::pseudo_header(source.into(), destination.into(), protocol, len.into()).finish();
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
