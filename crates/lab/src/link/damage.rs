//! Damage on the way, done to the bytes behind the IP header when their checksum is already complete: a packet whose
//! checksum is still left to the device would have it computed over the damage, and nobody would notice.

/// What is done to a packet. Places count in bytes from its IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Damage {
    /// One bit is turned round: the receiver's checksum fails, always (RFC 1071 §1: any single bit changes the sum).
    Flip {
        /// The byte.
        at: u32,
        /// The bit in it, 0 the lowest.
        bit: u8,
    },
    /// Two words of 16 bits change places: the sum is the same, so the receiver's checksum passes.
    Swap {
        /// The first byte of one.
        one: u32,
        /// The first byte of the other.
        other: u32,
    },
}

const TCP: u8 = 6;
const UDP: u8 = 17;

impl Damage {
    /// The damage to a packet with these headers, from the IP header on, and this payload: in the payload where there
    /// is one. None where there is nothing to damage, or nothing that passes unseen.
    pub(super) fn to(headers: &[u8], payload: &[u8], unseen: bool, luck: u64) -> Option<Damage> {
        let start = u32::try_from(headers.len()).ok()?;
        if unseen {
            return swap(start, payload, luck);
        }
        let (first, len) = match payload.len() {
            0 => bare(headers)?,
            len => (start, len as u64),
        };
        let place = luck % (len * 8);
        Some(Damage::Flip {
            at: first.saturating_add(u32::try_from(place / 8).ok()?),
            bit: (place % 8) as u8,
        })
    }

    /// Does it to a packet that begins with its IP header. A place outside it is left alone.
    pub(super) fn apply(self, packet: &mut [u8]) {
        match self {
            Damage::Flip { at, bit } => {
                if let Some(byte) = packet.get_mut(at as usize) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Damage::Swap { one, other } => {
                let (one, other) = (one as usize, other as usize);
                if one.max(other) + 1 < packet.len() {
                    packet.swap(one, other);
                    packet.swap(one + 1, other + 1);
                }
            }
        }
    }

    /// Whether the receiver's checksum passes.
    pub(super) fn is_unseen(self) -> bool {
        matches!(self, Damage::Swap { .. })
    }
}

/// Two words that differ, the first of them by luck.
fn swap(start: u32, payload: &[u8], luck: u64) -> Option<Damage> {
    let (words, _) = payload.as_chunks::<2>();
    let one = usize::try_from(luck % (words.len().max(1) as u64)).ok()?;
    let chosen = words.get(one)?;
    let around = words.iter().enumerate().cycle().skip(one).take(words.len());
    let (other, _) = around.into_iter().find(|(_, word)| *word != chosen)?;
    let at = |word: usize| Some(start.saturating_add(u32::try_from(word * 2).ok()?));
    Some(Damage::Swap { one: at(one)?, other: at(other)? })
}

/// The bytes of a transport header that may be damaged, without those of a UDP checksum: one that became zero would
/// mean that there is none (RFC 768).
fn bare(headers: &[u8]) -> Option<(u32, u64)> {
    let (transport, protocol) = transport(headers)?;
    let most = if protocol == UDP { 4 } else { 16 };
    let len = headers.len().checked_sub(transport)?.min(most) as u64;
    (len > 0).then_some((u32::try_from(transport).ok()?, len))
}

/// Where the transport header begins in an IP packet, and its protocol; extension headers of IPv6 count as transport.
fn transport(ip: &[u8]) -> Option<(usize, u8)> {
    match ip.first()? >> 4 {
        4 => Some((usize::from(ip[0] & 0xf) * 4, *ip.get(9)?)),
        6 => Some((40, *ip.get(6)?)),
        _ => None,
    }
}

/// How long the headers of an IP packet are, those of its transport included.
pub(super) fn headers_len(ip: &[u8]) -> usize {
    let Some((transport, protocol)) = transport(ip) else { return ip.len() };
    let len = match protocol {
        TCP => ip.get(transport + 12).map_or(0, |offset| usize::from(offset >> 4) * 4),
        UDP | 1 | 58 => 8,
        _ => 0,
    };
    (transport + len).min(ip.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::build::TcpPacket;
    use wire::packet::{Transport, dissect};
    use wire::tcp::{TcpFlags, TcpOptions};

    use super::*;

    fn tcp(payload: &[u8]) -> Vec<u8> {
        let (source, destination) = (([10, 0, 0, 1], 40_000).into(), ([10, 0, 0, 2], 7).into());
        let (flags, options) = (TcpFlags::ACK, TcpOptions::default());
        TcpPacket { source, destination, seq: 1, ack: 1, flags, window: 1000, options, payload }.to_bytes()
    }

    fn is_right(packet: &[u8]) -> bool {
        // The flipped bit may stand in the header's own length.
        let Ok(dissected) = dissect(wire::link_type::LinkType::RAW, packet) else { return false };
        let Transport::Tcp(_) = dissected.transport else { return false };
        let sum = wire::checksum::pseudo_header(
            dissected.source,
            dissected.destination,
            6,
            packet.len() as u32 - 20,
        );
        wire::checksum::finish(wire::checksum::sum(sum, &packet[20..])) == 0
    }

    proptest! {
        #[test]
        fn a_flipped_bit_never_passes_the_checksum(payload in prop::collection::vec(any::<u8>(), 0..100), luck: u64) {
            let mut packet = tcp(&payload);
            prop_assert!(is_right(&packet));
            let headers = headers_len(&packet);
            prop_assert_eq!(headers, packet.len() - payload.len());
            let damage = Damage::to(&packet[..headers], &packet[headers..], false, luck).unwrap();
            let ip_header = packet[..20].to_vec();
            damage.apply(&mut packet);
            prop_assert_eq!(&packet[..20], &ip_header[..]);
            prop_assert!(!is_right(&packet));
        }

        #[test]
        fn swapped_words_pass_the_checksum(payload in prop::collection::vec(any::<u8>(), 0..100), luck: u64) {
            let mut packet = tcp(&payload);
            let headers = headers_len(&packet);
            if let Some(damage) = Damage::to(&packet[..headers], &packet[headers..], true, luck) {
                let before = packet.clone();
                damage.apply(&mut packet);
                prop_assert_ne!(&packet, &before);
                prop_assert!(is_right(&packet));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(mut packet in prop::collection::vec(any::<u8>(), 0..80), luck: u64, unseen: bool) {
            let headers = headers_len(&packet);
            if let Some(damage) = Damage::to(&packet[..headers], &packet[headers..], unseen, luck) {
                damage.apply(&mut packet);
                damage.apply(&mut []);
            }
        }
    }

    #[test]
    fn nothing_passes_unseen_where_all_words_are_equal() {
        let packet = tcp(&[7; 64]);
        assert_eq!(Damage::to(&packet[..40], &packet[40..], true, 5), None);
    }
}
