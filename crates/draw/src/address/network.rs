//! Networks.

use std::net::IpAddr;

use wire::network::Network;
use wire::notation::{Length, WrittenNetwork, spelling};
use wire::special_purpose;

use crate::facts::Facts;

/// A network with its prefix, also where it has but one address.
pub fn in_full(network: &Network) -> String {
    format!("{}/{}", network.first(), network.prefix())
}

/// How many addresses it has, in words.
pub fn count(network: &Network) -> String {
    match network.addresses() {
        Some(count) if count < 1 << 64 => count.to_string(),
        _ => format!("2^{}", network.width() - network.prefix()),
    }
}

/// All of a network.
pub fn network(written: &WrittenNetwork) -> Facts {
    let network = &written.network;
    let kind = special_purpose::kind(network.first());
    let family = if network.first().is_ipv4() { "IPv4" } else { "IPv6" };
    let mut facts =
        Facts::new(in_full(network), format!("{family} network, {} ({})", kind.name, kind.document));
    if written.address != network.first() {
        facts.finding(format!(
            "{} is an address in it, and not the network: bits are set behind the prefix",
            written.address
        ));
    }
    if written.length == Length::Wildcard {
        facts.finding("written with a wildcard mask, as routers' access lists have it");
    }
    let (first, last) = network.hosts();
    facts.row("addresses", count(network), "");
    let hosts = match (network.first(), network.prefix()) {
        (IpAddr::V4(_), 31) => "both are hosts: RFC 3021",
        (IpAddr::V4(_), 32) => "one host",
        (IpAddr::V4(_), _) => "hosts; the first address is the network's, the last its broadcast",
        (IpAddr::V6(_), 127) => "two routers: RFC 6164",
        (IpAddr::V6(_), 128) => "one host",
        (IpAddr::V6(_), _) => "hosts; the first is the routers' anycast address (RFC 4291 §2.6.1)",
    };
    facts.row("first", first.to_string(), hosts);
    facts.row("last", last.to_string(), "");
    if network.first().is_ipv4() && network.prefix() < 31 {
        facts.row("broadcast", network.last().to_string(), "");
    }
    facts.row("netmask", network.netmask().to_string(), hex_of(network.netmask()));
    facts.row("wildcard", network.wildcard().to_string(), "the other way round");
    if network.first().is_ipv4() {
        let bits = spelling::binary(&spelling::octets(network.first()), ".");
        facts.row("binary", marked(&bits, network.prefix()), "a | stands where the prefix ends");
    }
    facts.row("reverse zone", zones(network), "");
    if let (Some(parent), Some(sibling)) = (network.parent(), network.sibling()) {
        facts.row("half of", in_full(&parent), format!("with {}", in_full(&sibling)));
    }
    facts
}

fn hex_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => format!("0x{}", spelling::hex(&spelling::octets(address), "")),
        IpAddr::V6(_) => String::new(),
    }
}

/// The bits with a mark behind the prefix.
fn marked(bits: &str, prefix: u8) -> String {
    let mut marked = String::with_capacity(bits.len() + 1);
    let mut seen = 0;
    for character in bits.chars() {
        if seen == prefix && !marked.contains('|') {
            marked.push('|');
        }
        seen += u8::from(character != '.');
        marked.push(character);
    }
    marked
}

/// The zone of a name server that has the names of its addresses: whole labels only.
fn zones(network: &Network) -> String {
    let name = spelling::reverse_name(network.first());
    let (label_bits, labels) = if network.first().is_ipv4() { (8, 4) } else { (4, 32) };
    let whole = usize::from(network.prefix() / label_bits);
    let parts: Vec<&str> = name.split('.').skip(labels - whole).collect();
    let zone = parts.join(".");
    match network.prefix() % label_bits {
        0 => zone,
        _ => format!("in {zone}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_ends_at_its_mark_and_zones_have_whole_labels() {
        assert_eq!(marked("00001010.00000000", 8), "00001010|.00000000");
        assert_eq!(marked("00001010.00000000", 9), "00001010.0|0000000");
        let zone = |text: &str| zones(&Network::parse(text).expect(text));
        assert_eq!(zone("10.0.0.0/8"), "10.in-addr.arpa");
        assert_eq!(zone("192.0.2.64/26"), "in 2.0.192.in-addr.arpa");
        assert_eq!(zone("2001:db8::/32"), "8.b.d.0.1.0.0.2.ip6.arpa");
        assert_eq!(zone("0.0.0.0/0"), "in-addr.arpa");
    }
}
