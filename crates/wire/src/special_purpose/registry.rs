//! The IANA registries of special-purpose addresses, row by row:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One row of a registry: RFC 6890 §2.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The first address.
    pub first: IpAddr,
    /// Bits that are the same in all of it.
    pub prefix: u8,
    /// What it is for.
    pub name: &'static str,
    /// The document that defines it.
    pub document: &'static str,
    /// Whether it may be a packet's source; none where the block is out of use.
    pub source: Option<bool>,
    /// Whether it may be a destination.
    pub destination: Option<bool>,
    /// Whether a router may forward such packets.
    pub forwardable: Option<bool>,
    /// Whether they may leave the administrative domain; none where that depends on what is embedded.
    pub globally_reachable: Option<bool>,
    /// Whether IP itself sets it apart, so that every implementation has to know it.
    pub reserved_by_protocol: Option<bool>,
}

impl Block {
    /// Whether an address is in it.
    pub fn has(&self, address: IpAddr) -> bool {
        let (first, other, bits) = match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(other)) => {
                (u128::from(u32::from(first)), u128::from(u32::from(other)), 32)
            }
            (IpAddr::V6(first), IpAddr::V6(other)) => (u128::from(first), u128::from(other), 128),
            _ => return false,
        };
        (first ^ other).checked_shr(bits - u32::from(self.prefix)).unwrap_or(0) == 0
    }
}

const T: Option<bool> = Some(true);
const F: Option<bool> = Some(false);
const N: Option<bool> = None;

/// Columns as in the registry: source, destination, forwardable, globally reachable, reserved by the protocol.
type Columns = [Option<bool>; 5];

const fn four(
    octets: [u8; 4],
    prefix: u8,
    name: &'static str,
    document: &'static str,
    columns: Columns,
) -> Block {
    let [a, b, c, d] = octets;
    row(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix, name, document, columns)
}

const fn six(bits: u128, prefix: u8, name: &'static str, document: &'static str, columns: Columns) -> Block {
    row(IpAddr::V6(Ipv6Addr::from_bits(bits)), prefix, name, document, columns)
}

const fn row(
    first: IpAddr,
    prefix: u8,
    name: &'static str,
    document: &'static str,
    columns: Columns,
) -> Block {
    let [source, destination, forwardable, globally_reachable, reserved_by_protocol] = columns;
    Block {
        first,
        prefix,
        name,
        document,
        source,
        destination,
        forwardable,
        globally_reachable,
        reserved_by_protocol,
    }
}

/// Every row of both, in the order of the addresses.
pub const REGISTRY: [Block; 51] = [
    four([0, 0, 0, 0], 8, "this network", "RFC 791 §3.2", [T, F, F, F, T]),
    four([0, 0, 0, 0], 32, "this host on this network", "RFC 1122 §3.2.1.3", [T, F, F, F, T]),
    four([10, 0, 0, 0], 8, "private-use", "RFC 1918", [T, T, T, F, F]),
    four([100, 64, 0, 0], 10, "shared address space", "RFC 6598", [T, T, T, F, F]),
    four([127, 0, 0, 0], 8, "loopback", "RFC 1122 §3.2.1.3", [F, F, F, F, T]),
    four([169, 254, 0, 0], 16, "link-local", "RFC 3927", [T, T, F, F, T]),
    four([172, 16, 0, 0], 12, "private-use", "RFC 1918", [T, T, T, F, F]),
    four([192, 0, 0, 0], 24, "IETF protocol assignments", "RFC 6890 §2.1", [F, F, F, F, F]),
    four([192, 0, 0, 0], 29, "IPv4 service continuity (DS-Lite)", "RFC 7335", [T, T, T, F, F]),
    four([192, 0, 0, 8], 32, "IPv4 dummy address", "RFC 7600", [T, F, F, F, F]),
    four([192, 0, 0, 9], 32, "Port Control Protocol anycast", "RFC 7723", [T, T, T, T, F]),
    four([192, 0, 0, 10], 32, "TURN anycast", "RFC 8155", [T, T, T, T, F]),
    four([192, 0, 0, 170], 32, "NAT64/DNS64 discovery", "RFC 8880", [F, F, F, F, T]),
    four([192, 0, 0, 171], 32, "NAT64/DNS64 discovery", "RFC 8880", [F, F, F, F, T]),
    four([192, 0, 2, 0], 24, "documentation (TEST-NET-1)", "RFC 5737", [F, F, F, F, F]),
    four([192, 31, 196, 0], 24, "AS112-v4", "RFC 7535", [T, T, T, T, F]),
    four([192, 52, 193, 0], 24, "AMT", "RFC 7450", [T, T, T, T, F]),
    four([192, 88, 99, 0], 24, "6to4 relay anycast, out of use", "RFC 7526", [N, N, N, N, N]),
    four([192, 88, 99, 2], 32, "6a44 relay anycast", "RFC 6751", [T, T, T, F, F]),
    four([192, 168, 0, 0], 16, "private-use", "RFC 1918", [T, T, T, F, F]),
    four([192, 175, 48, 0], 24, "direct delegation AS112 service", "RFC 7534", [T, T, T, T, F]),
    four([198, 18, 0, 0], 15, "benchmarking", "RFC 2544", [T, T, T, F, F]),
    four([198, 51, 100, 0], 24, "documentation (TEST-NET-2)", "RFC 5737", [F, F, F, F, F]),
    four([203, 0, 113, 0], 24, "documentation (TEST-NET-3)", "RFC 5737", [F, F, F, F, F]),
    four([240, 0, 0, 0], 4, "reserved", "RFC 1112 §4", [F, F, F, F, T]),
    four([255, 255, 255, 255], 32, "limited broadcast", "RFC 919 §7", [F, T, F, F, T]),
    six(0, 128, "unspecified", "RFC 4291 §2.5.2", [T, F, F, F, T]),
    six(1, 128, "loopback", "RFC 4291 §2.5.3", [F, F, F, F, T]),
    six(0xffff_0000_0000, 96, "IPv4-mapped", "RFC 4291 §2.5.5.2", [F, F, F, F, T]),
    six(0x0064_ff9b << 96, 96, "IPv4-IPv6 translation", "RFC 6052", [T, T, T, T, F]),
    six(0x0064_ff9b_0001 << 80, 48, "IPv4-IPv6 translation, local use", "RFC 8215", [T, T, T, F, F]),
    six(0x0100 << 112, 64, "discard-only", "RFC 6666", [T, T, T, F, F]),
    six(0x0100_0000_0000_0001 << 64, 64, "IPv6 dummy prefix", "RFC 9780", [T, F, F, F, F]),
    six(0x2001 << 112, 23, "IETF protocol assignments", "RFC 2928", [F, F, F, F, F]),
    six(0x2001 << 112, 32, "Teredo", "RFC 4380", [T, T, T, N, F]),
    six((0x2001_0001 << 96) | 1, 128, "Port Control Protocol anycast", "RFC 7723", [T, T, T, T, F]),
    six((0x2001_0001 << 96) | 2, 128, "TURN anycast", "RFC 8155", [T, T, T, T, F]),
    six((0x2001_0001 << 96) | 3, 128, "DNS-SD service registration anycast", "RFC 9665", [T, T, T, T, F]),
    six(0x2001_0002 << 96, 48, "benchmarking", "RFC 5180", [T, T, T, F, F]),
    six(0x2001_0003 << 96, 32, "AMT", "RFC 7450", [T, T, T, T, F]),
    six(0x2001_0004_0112 << 80, 48, "AS112-v6", "RFC 7535", [T, T, T, T, F]),
    six(0x2001_0010 << 96, 28, "ORCHID, out of use", "RFC 4843", [N, N, N, N, N]),
    six(0x2001_0020 << 96, 28, "ORCHIDv2", "RFC 7343", [T, T, T, T, F]),
    six(0x2001_0030 << 96, 28, "drone remote ID", "RFC 9374", [T, T, T, T, F]),
    six(0x2001_0db8 << 96, 32, "documentation", "RFC 3849", [F, F, F, F, F]),
    six(0x2002 << 112, 16, "6to4", "RFC 3056", [T, T, T, N, F]),
    six(0x2620_004f_8000 << 80, 48, "direct delegation AS112 service", "RFC 7534", [T, T, T, T, F]),
    six(0x3fff << 112, 20, "documentation", "RFC 9637", [F, F, F, F, F]),
    six(0x5f00 << 112, 16, "segment routing (SRv6) SIDs", "RFC 9602", [T, T, T, F, F]),
    six(0xfc00 << 112, 7, "unique-local", "RFC 4193", [T, T, T, F, F]),
    six(0xfe80 << 112, 10, "link-local unicast", "RFC 4291 §2.5.6", [T, T, F, F, T]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stand_in_order_and_have_no_bits_behind_their_prefix() {
        assert!(REGISTRY.is_sorted_by_key(|block| (block.first.is_ipv6(), block.first)));
        for block in REGISTRY {
            let (bits, width) = match block.first {
                IpAddr::V4(four) => (u128::from(u32::from(four)), 32),
                IpAddr::V6(six) => (u128::from(six), 128),
            };
            let behind = width - u32::from(block.prefix);
            assert_eq!(
                bits.checked_shr(behind).unwrap_or(0).checked_shl(behind).unwrap_or(0),
                bits,
                "{block:?}"
            );
        }
    }

    /// RFC 6890 table 1 and table 4, and RFC 6890 table 20.
    #[test]
    fn rows_say_what_the_documents_say() {
        let row = |text: &str| {
            let address: IpAddr = text.parse().expect("an address");
            let block = super::super::block(address).expect("a block");
            let word = |column: Option<bool>| column.map_or('n', |yes| if yes { 'T' } else { 'F' });
            [
                block.source,
                block.destination,
                block.forwardable,
                block.globally_reachable,
                block.reserved_by_protocol,
            ]
            .map(word)
            .iter()
            .collect::<String>()
        };
        assert_eq!(row("0.0.0.0"), "TFFFT");
        assert_eq!(row("127.0.0.1"), "FFFFT");
        assert_eq!(row("169.254.0.1"), "TTFFT");
        assert_eq!(row("255.255.255.255"), "FTFFT");
        assert_eq!(row("::1"), "FFFFT");
        assert_eq!(row("fe80::1"), "TTFFT");
        assert_eq!(row("2001::1"), "TTTnF");
    }
}
