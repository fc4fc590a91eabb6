//! Cutting an IPv4 packet that is too large for the next link, as a router does where the sender allows it (RFC 791
//! §3.2, "An Example Fragmentation Procedure"). Its checksums must be complete before.

use wire::checksum;

const HEADER_LEN: usize = 20;
/// More fragments follow.
const MORE: u16 = 0x2000;
/// Fragments begin at multiples of so many bytes.
const UNIT: usize = 8;

/// The fragments, each a packet of `mtu` bytes at most; the packet as it is where it fits, or cannot be cut.
pub(super) fn cut(packet: Vec<u8>, mtu: u32) -> Vec<Vec<u8>> {
    let header_len = packet.first().map_or(0, |first| usize::from(first & 0xf) * 4);
    let is_v4 = packet.first().is_some_and(|first| first >> 4 == 4);
    let mtu = mtu as usize;
    if !is_v4 || header_len < HEADER_LEN || packet.len() <= mtu || mtu < header_len + UNIT {
        return vec![packet];
    }
    let (first, data) = packet.split_at(header_len);
    let later = header_of_later(first);
    let old = u16::from_be_bytes([first[6], first[7]]);
    let mut fragments = Vec::new();
    let mut begins = 0;
    while begins < data.len() {
        let header = if begins == 0 { first } else { &later };
        let most = (mtu - header.len()) / UNIT * UNIT;
        let ends = data.len().min(begins + most);
        let offset = (old & 0x1fff).saturating_add(u16::try_from(begins / UNIT).unwrap_or(u16::MAX));
        let more = if ends < data.len() { MORE } else { old & MORE };
        fragments.push(fragment(header, &data[begins..ends], offset & 0x1fff | more));
        begins = ends;
    }
    fragments
}

fn fragment(header: &[u8], data: &[u8], flags_and_offset: u16) -> Vec<u8> {
    let mut packet = [header, data].concat();
    let len = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    packet[6..8].copy_from_slice(&flags_and_offset.to_be_bytes());
    packet[10..12].fill(0);
    let sum = checksum::of(&packet[..header.len()]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The header of the fragments behind the first: of the options, those with the copied flag (RFC 791 §3.1).
fn header_of_later(header: &[u8]) -> Vec<u8> {
    let mut later = header[..HEADER_LEN].to_vec();
    let mut options = &header[HEADER_LEN..];
    while let [kind, rest @ ..] = options {
        let len = match kind {
            0 => break,
            1 => 1,
            _ => rest.first().map_or(0, |len| usize::from(*len)),
        };
        let Some(option) = options.get(..len).filter(|option| !option.is_empty()) else { break };
        if kind & 0x80 != 0 {
            later.extend(option);
        }
        options = &options[len..];
    }
    later.resize(later.len().next_multiple_of(4), 0);
    later[0] = 0x40 | u8::try_from(later.len() / 4).unwrap_or(5);
    later
}

#[cfg(test)]
mod tests {
    use etherparse::defrag::IpDefragPool;
    use etherparse::{Ipv4HeaderSlice, SlicedPacket};
    use proptest::prelude::*;

    use super::*;

    fn packet(options: &[u8], len: usize) -> Vec<u8> {
        let header_len = HEADER_LEN + options.len();
        let mut packet = vec![0x40 | (header_len / 4) as u8, 0, 0, 0, 7, 7, 0, 0, 64, 253, 0, 0];
        packet.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend(options);
        packet.extend((0..len).map(|i| i as u8));
        let total = packet.len() as u16;
        packet[2..4].copy_from_slice(&total.to_be_bytes());
        packet
    }

    proptest! {
        /// Another implementation puts the fragments together again.
        #[test]
        fn fragments_make_the_packet_again(len in 1usize..4000, mtu in 68u32..1500) {
            let whole = packet(&[], len);
            let mut pool: IpDefragPool<(), ()> = IpDefragPool::new();
            let mut again = None;
            let fragments = cut(whole.clone(), mtu);
            let count = fragments.len();
            for fragment in fragments {
                prop_assert!(fragment.len() <= mtu as usize);
                let header = Ipv4HeaderSlice::from_slice(&fragment).unwrap();
                if count > 1 {
                    prop_assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
                }
                let sliced = SlicedPacket::from_ip(&fragment).unwrap();
                again = pool.process_sliced_packet(&sliced, (), ()).unwrap().or(again);
            }
            match again {
                Some(again) => prop_assert_eq!(again.payload, &whole[20..]),
                None => prop_assert_eq!(count, 1),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(packet in prop::collection::vec(any::<u8>(), 0..200), mtu in 0u32..200) {
            cut(packet, mtu);
        }
    }

    #[test]
    fn only_options_with_the_copied_flag_are_in_later_fragments() {
        // Record route (7) stays in the first; router alert (148) is copied (RFC 2113).
        let whole = packet(&[7, 4, 4, 0, 148, 4, 0, 0], 400);
        let fragments = cut(whole, 100);
        assert_eq!(fragments[0][0], 0x47);
        assert_eq!(fragments[1][..1], [0x46]);
        assert_eq!(fragments[1][20..24], [148, 4, 0, 0]);
        assert!(fragments.len() > 3);
    }
}
