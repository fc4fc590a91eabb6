//! Addresses in every notation: the other way of [`super::read`]. The canonical text is `Display`'s, which is RFC 5952 §4
//! and §5.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use crate::byte_order::Order;

/// The bytes, in network order.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    }
}

/// The bytes as pairs of hexadecimal digits with a separator between them.
pub fn hex(bytes: &[u8], separator: &str) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(separator)
}

/// The bits of each byte, with a separator between the bytes.
pub fn binary(bytes: &[u8], separator: &str) -> String {
    let groups: Vec<String> = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    groups.join(separator)
}

/// The address as one number, as ntohl would give it.
pub fn integer(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u32::from(four).into(),
        IpAddr::V6(six) => six.into(),
    }
}

/// All eight groups with all four digits: RFC 4291 §2.2 (1), nothing left out.
pub fn expanded(address: Ipv6Addr) -> String {
    let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:04x}")).collect();
    groups.join(":")
}

/// With the last 32 bits as an IPv4 address: RFC 4291 §2.2 (3), for any address.
pub fn mixed(address: Ipv6Addr) -> String {
    let mut high = address.octets();
    let low = [high[12], high[13], high[14], high[15]].map(|byte| byte.to_string()).join(".");
    // One bit that is never zero keeps :: from swallowing the last two groups.
    high[12..].copy_from_slice(&[0x11; 4]);
    let text = hexadecimal(Ipv6Addr::from(high));
    match text.strip_suffix("1111:1111") {
        Some(front) => format!("{front}{low}"),
        None => text,
    }
}

/// RFC 5952 §4 without §5: never with an IPv4 address at its end.
pub fn hexadecimal(address: Ipv6Addr) -> String {
    let groups = address.segments();
    let (mut best, mut run) = (0..0, 0..0);
    for (at, group) in groups.iter().enumerate() {
        run = if *group == 0 { run.start..at + 1 } else { at + 1..at + 1 };
        // The longest, the first of equals (§4.2.3), and never one alone (§4.2.2).
        if run.len() > best.len().max(1) {
            best = run.clone();
        }
    }
    let joined =
        |groups: &[u16]| groups.iter().map(|group| format!("{group:x}")).collect::<Vec<_>>().join(":");
    match best.is_empty() {
        true => joined(&groups),
        false => format!("{}::{}", joined(&groups[..best.start]), joined(&groups[best.end..])),
    }
}

/// The name under which a name server has its names: RFC 1035 §3.5, RFC 3596 §2.5.
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(six) => {
            let mut name = String::with_capacity(72);
            for byte in six.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", byte & 0xf, byte >> 4);
            }
            name.push_str("ip6.arpa");
            name
        }
    }
}

/// As /proc/net/tcp and its sisters have it on a machine of this order, without the port.
pub fn kernel_table(address: IpAddr, order: Order) -> String {
    let octets = octets(address);
    let words = octets.chunks(4).filter_map(|word| <[u8; 4]>::try_from(word).ok());
    words.map(|word| format!("{:08X}", u32::from_be_bytes(order.bytes(word)))).collect()
}

/// A hardware address as Linux writes it.
pub fn mac(mac: crate::embedded::Mac) -> String {
    hex(&mac, ":")
}
