//! The ten bytes in front of each packet of a TUN device (IFF_VNET_HDR) or packet socket (PACKET_VNET_HDR): what the
//! sender left for the device to do. Read first: Virtual I/O Device 1.2, §5.1.6 (struct virtio_net_hdr, without
//! num_buffers).
//!
//! [`VirtioNetHeader::parse`] takes any bytes and checks their number only; whoever uses an offset checks it against
//! the packet, as [`VirtioNetHeader::fill_checksum`] does.

use crate::checksum;

/// How many bytes the header has.
pub const LEN: usize = 10;

/// Bit 0 of `flags`: the checksum is left to the device.
const NEEDS_CSUM: u8 = 1;
/// Bit 7 of `gso_type`: TCP with ECN, so only the first segment keeps CWR.
const GSO_ECN: u8 = 0x80;

/// What kind of cutting is left to the device (VIRTIO_NET_HDR_GSO_…).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GsoType {
    /// None: the packet goes out as it is.
    #[default]
    None,
    /// TCP over IPv4 (1).
    TcpV4,
    /// UDP datagrams to be cut by IP fragmentation (3); old.
    UdpFragments,
    /// TCP over IPv6 (4).
    TcpV6,
    /// A train of UDP datagrams of equal size, the last may be shorter (5).
    Udp,
    /// A number that the specification does not know.
    Unknown(u8),
}

impl GsoType {
    /// From the field's low seven bits.
    fn from_bits(bits: u8) -> GsoType {
        match bits {
            0 => GsoType::None,
            1 => GsoType::TcpV4,
            3 => GsoType::UdpFragments,
            4 => GsoType::TcpV6,
            5 => GsoType::Udp,
            other => GsoType::Unknown(other),
        }
    }

    fn bits(self) -> u8 {
        match self {
            GsoType::None => 0,
            GsoType::TcpV4 => 1,
            GsoType::UdpFragments => 3,
            GsoType::TcpV6 => 4,
            GsoType::Udp => 5,
            GsoType::Unknown(other) => other,
        }
    }
}

/// The header as a value. Offsets and lengths count bytes from the packet's first byte behind this header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VirtioNetHeader {
    /// Bit 0: the checksum is partial (see [`VirtioNetHeader::needs_checksum`]); the other bits are passed on.
    pub flags: u8,
    /// What cutting is left to the device.
    pub gso_type: GsoType,
    /// TCP with ECN: of the cut segments only the first keeps CWR.
    pub ecn: bool,
    /// How long the headers are. A hint: kernels do not always set it right.
    pub hdr_len: u16,
    /// Payload bytes of each segment but the last.
    pub gso_size: u16,
    /// Where the checksum begins to count: at the TCP or UDP header.
    pub csum_start: u16,
    /// Where the checksum stands, counted from `csum_start`.
    pub csum_offset: u16,
}

impl VirtioNetHeader {
    /// From the first ten bytes, in the machine's byte order; none when there are fewer.
    pub fn parse(bytes: &[u8]) -> Option<VirtioNetHeader> {
        let &[flags, gso, h0, h1, g0, g1, s0, s1, o0, o1] = bytes.first_chunk::<LEN>()?;
        Some(VirtioNetHeader {
            flags,
            gso_type: GsoType::from_bits(gso & !GSO_ECN),
            ecn: gso & GSO_ECN != 0,
            hdr_len: u16::from_ne_bytes([h0, h1]),
            gso_size: u16::from_ne_bytes([g0, g1]),
            csum_start: u16::from_ne_bytes([s0, s1]),
            csum_offset: u16::from_ne_bytes([o0, o1]),
        })
    }

    /// The ten bytes, in the machine's byte order.
    pub fn to_bytes(&self) -> [u8; LEN] {
        let [h0, h1] = self.hdr_len.to_ne_bytes();
        let [g0, g1] = self.gso_size.to_ne_bytes();
        let [s0, s1] = self.csum_start.to_ne_bytes();
        let [o0, o1] = self.csum_offset.to_ne_bytes();
        let gso = self.gso_type.bits() | if self.ecn { GSO_ECN } else { 0 };
        [self.flags, gso, h0, h1, g0, g1, s0, s1, o0, o1]
    }

    /// True when the checksum in the packet covers the pseudo-header only and the device has to complete it.
    pub fn needs_checksum(&self) -> bool {
        self.flags & NEEDS_CSUM != 0
    }

    /// Does the device's work: completes a partial checksum over the whole packet. Nothing happens when none is asked
    /// for, or when the offsets point outside the packet.
    pub fn fill_checksum(&self, packet: &mut [u8]) {
        let start = usize::from(self.csum_start);
        let field = start + usize::from(self.csum_offset);
        if !self.needs_checksum() || start > packet.len() || field + 2 > packet.len() {
            return;
        }
        let sum = checksum::finish(checksum::sum(0, &packet[start..]));
        // Zero means "no checksum" in UDP, so a computed zero is sent as all ones (RFC 768); to TCP both are the same.
        let sum = if sum == 0 { 0xffff } else { sum };
        packet[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_fields_stand_where_the_specification_puts_them() {
        let header = VirtioNetHeader {
            flags: 1,
            gso_type: GsoType::TcpV6,
            ecn: true,
            hdr_len: 0x0102,
            gso_size: 0x0304,
            csum_start: 0x0506,
            csum_offset: 0x0708,
        };
        let [a, b] = 0x0102u16.to_ne_bytes();
        let [c, d] = 0x0304u16.to_ne_bytes();
        let [e, f] = 0x0506u16.to_ne_bytes();
        let [g, h] = 0x0708u16.to_ne_bytes();
        assert_eq!(header.to_bytes(), [1, 0x84, a, b, c, d, e, f, g, h]);
    }

    #[test]
    fn a_udp_checksum_of_zero_is_sent_as_ones() {
        let header = VirtioNetHeader { flags: 1, csum_offset: 6, ..VirtioNetHeader::default() };
        let mut packet = [0xff, 0xff, 0, 0, 0, 0, 0, 0];
        header.fill_checksum(&mut packet);
        assert_eq!(packet[6..], [0xff, 0xff]);
    }

    #[test]
    fn a_checksum_outside_the_packet_is_left_alone() {
        let header =
            VirtioNetHeader { flags: 1, csum_start: 4, csum_offset: 3, ..VirtioNetHeader::default() };
        let mut packet = [7u8; 8];
        header.fill_checksum(&mut packet);
        assert_eq!(packet, [7u8; 8]);
    }

    proptest! {
        #[test]
        fn bytes_become_the_header_and_the_header_the_same_bytes(bytes in any::<[u8; LEN]>()) {
            let header = VirtioNetHeader::parse(&bytes).unwrap();
            prop_assert_eq!(header.to_bytes(), bytes);
        }

        #[test]
        fn no_offset_makes_it_panic(bytes in any::<[u8; LEN]>(), mut packet in prop::collection::vec(any::<u8>(), 0..80)) {
            VirtioNetHeader::parse(&bytes).unwrap().fill_checksum(&mut packet);
        }
    }

    #[test]
    fn too_few_bytes_are_no_header() {
        assert_eq!(VirtioNetHeader::parse(&[0; LEN - 1]), None);
    }
}
