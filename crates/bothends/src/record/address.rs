//! Records of addresses, networks, numbers, ports, interfaces and what a name resolves to. Integers that may pass 2^53 are
//! texts.

use draw::address::port::Here;
use draw::address::selection::Way;
use draw::address::{beware, name_of};
use kernel::interfaces::{Interface, InterfaceAddress};
use serde_json::{Map, Value, json};
use wire::address_selection::{Destination, Policy, SourceRule, compare};
use wire::byte_order::{Number, Order, Width};
use wire::embedded;
use wire::inet::Verdicts;
use wire::network::Network;
use wire::notation::{Notation, Reading, Written, spelling};
use wire::port::{Range, forgotten_htons};
use wire::sockaddr::{ByteOrder, Family, Sockaddr};
use wire::special_purpose;

use super::Record;

/// Whatever a text was read as.
pub fn reading(text: &str, reading: &Reading, order: Order) -> Record {
    match reading {
        Reading::Address(written) => address(text, written, order),
        Reading::Network(written) => network(Some(&written.address), &written.network),
        Reading::Number(written) => number(text, written.number, order),
        Reading::Hardware(mac) => {
            let record = Record::new("hardware").with("text", text).with("canonical", spelling::mac(*mac));
            let record = record.with("is_group", mac[0] & 1 == 1).with("is_local", mac[0] & 2 == 2);
            record.with("link_local", embedded::link_local(*mac).to_string())
        }
        Reading::Endpoint(endpoint) => {
            Record::new("endpoint").with("text", text).with("address", endpoint.to_string())
        }
    }
}

/// One form of an address.
pub fn form(text: &str, form: &str, value: &str) -> Record {
    Record::new("form").with("text", text).with("form", form).with("value", value)
}

fn address(text: &str, written: &Written, order: Order) -> Record {
    let ip = written.address;
    let width = if ip.is_ipv4() { Width::W32 } else { Width::W128 };
    let number = Number { value: spelling::integer(ip), width };
    let record = Record::new("address").with("text", text).with("canonical", ip.to_string());
    let record = record.with("family", if ip.is_ipv4() { "ipv4" } else { "ipv6" });
    let record = record.with("notation", notation_word(&written.notation));
    let record = record.with_some("zone", written.zone.clone()).with_some("port", written.port);
    let record = record.with("hex", spelling::hex(&spelling::octets(ip), ""));
    let record =
        record.with("integer", number.value.to_string()).with("swapped", number.swapped().value.to_string());
    let record = record.with("reverse_name", spelling::reverse_name(ip));
    let record = record.with("kernel_table", spelling::kernel_table(ip, order));
    let record = match ip {
        std::net::IpAddr::V4(four) => record
            .with("mapped", embedded::mapped(four).to_string())
            .with("nat64", embedded::nat64(four).to_string())
            .with("six_to_four", format!("{}/48", embedded::six_to_four(four))),
        std::net::IpAddr::V6(six) => {
            let carried = embedded::embedded(six);
            let carried = carried.iter().map(|one| {
                let (name, value, _) = name_of(one);
                json!({"name": name, "value": value, "standard": one.document()})
            });
            record.with("full", spelling::expanded(six)).with("embedded", Value::Array(carried.collect()))
        }
    };
    let kind = special_purpose::kind(ip);
    let record = record.with("kind", kind.name).with("standard", kind.document);
    let record = record.with("scope", special_purpose::scope(ip).name());
    let record = record.with_some("globally_reachable", special_purpose::is_globally_reachable(ip));
    let record = record
        .with_some("block", special_purpose::block(ip).map(|one| format!("{}/{}", one.first, one.prefix)));
    let record = record.with("functions", functions(text));
    let warnings = beware(text, written);
    match warnings.is_empty() {
        true => record,
        false => record.with("warnings", warnings),
    }
}

fn functions(text: &str) -> Value {
    let verdicts = Verdicts::of(text);
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("inet_pton_inet", u8::from(verdicts.pton4.is_some()).into());
    put("inet_pton_inet6", u8::from(verdicts.pton6.is_some()).into());
    put("inet_aton", u8::from(verdicts.aton.is_some()).into());
    put("inet_addr", u32::from_be_bytes(Order::native().bytes(verdicts.addr())).into());
    put("inet_addr_is_ambiguous", verdicts.addr_is_ambiguous().into());
    put("getaddrinfo", verdicts.numeric_host.map(|address| address.to_string()).into());
    Value::Object(map)
}

fn notation_word(notation: &Notation) -> &'static str {
    match notation {
        Notation::Dotted => "dotted",
        Notation::Colons => "colons",
        Notation::Old(_) => "old",
        Notation::Hex => "hex",
        Notation::KernelTable(_) => "kernel_table",
        Notation::ReverseName => "reverse_name",
    }
}

/// A network; with the address that it was written with.
pub fn network(written: Option<&std::net::IpAddr>, network: &Network) -> Record {
    let (first, last) = network.hosts();
    let is_four = network.first().is_ipv4();
    let record = Record::new("network").with("network", format!("{}/{}", network.first(), network.prefix()));
    let record =
        record.with_some("address", written.map(ToString::to_string)).with("prefix", network.prefix());
    let record = record.with("addresses", draw::address::network::count(network));
    let record = record.with("first", network.first().to_string()).with("last", network.last().to_string());
    let record = record.with("first_host", first.to_string()).with("last_host", last.to_string());
    let record = record.with("netmask", network.netmask().to_string());
    let record = record.with_some("wildcard", is_four.then(|| network.wildcard().to_string()));
    record.with("kind", special_purpose::kind(network.first()).name)
}

/// Whether a network has another, or an address.
pub fn contains(network: &str, of: &Network, contains: bool, overlaps: bool) -> Record {
    let record = Record::new("contains").with("network", network).with("of", of.to_string());
    record.with("contains", contains).with("overlaps", overlaps)
}

/// One address of a network, by its text alone.
pub fn listed(address: std::net::IpAddr) -> Record {
    Record::new("address").with("canonical", address.to_string())
}

/// A number in both orders.
pub fn number(text: &str, number: Number, order: Order) -> Record {
    let record = Record::new("number").with("text", text).with("bits", 8 * number.width.bytes());
    let record =
        record.with("value", number.value.to_string()).with("swapped", number.swapped().value.to_string());
    let record = record.with("big_endian", spelling::hex(&number.big_endian(), ""));
    let record = record.with("little_endian", spelling::hex(&number.in_memory(Order::Little), ""));
    record.with("to_network", number.to_network(order).value.to_string())
}

/// This machine's byte order.
pub fn byte_order(order: Order) -> Record {
    let record = Record::new("byte_order").with("order", order.name());
    record.with("memory", spelling::hex(&order.bytes([1, 2, 3, 4]), "")).with("number", 0x0102_0304)
}

/// A port.
pub fn port(port: u16, here: &Here) -> Record {
    let record = Record::new("port").with("port", port).with("range", Range::of(port).names().0);
    let record = record.with_some("tcp", here.tcp.clone()).with_some("udp", here.udp.clone());
    let record = record.with("swapped", port.swap_bytes()).with_some("meant", forgotten_htons(port));
    let record = match &here.ephemeral {
        Some(range) => record
            .with("ephemeral", range.contains(&port) && !here.is_reserved)
            .with("ephemeral_first", *range.start())
            .with("ephemeral_last", *range.end()),
        None => record,
    };
    record.with_some("privileged", here.unprivileged_from.map(|from| u32::from(port) < from))
}

/// A row of the table of structures.
pub fn family(family: &Family) -> Record {
    let record = Record::new("family").with("family", family.name).with("number", family.number);
    let record = record.with("structure", family.structure).with("size_bytes", family.size);
    record.with("address_bytes", family.address_bytes)
}

/// A structure with its fields.
pub fn sockaddr(text: &str, read: &Sockaddr) -> Record {
    let record = Record::new("sockaddr").with("text", text);
    let record = record.with_some("structure", read.family.map(|family| family.structure));
    let record = record.with_some("address", read.address.as_ref().map(ToString::to_string));
    let record = record.with("hex", spelling::hex(&read.bytes, "")).with("len_bytes", read.bytes.len());
    let fields = read.fields.iter().map(|field| {
        let order = match field.order {
            ByteOrder::Host => "host",
            ByteOrder::Network => "network",
            ByteOrder::None => "none",
        };
        json!({"name": field.name, "start_byte": field.start, "len_bytes": field.len, "order": order, "value": field.value})
    });
    record.with("fields", Value::Array(fields.collect()))
}

/// An interface with its addresses.
pub fn interface(interface: &Interface) -> Record {
    let record =
        Record::new("interface").with("name", interface.name.as_str()).with("index", interface.index);
    let record = record.with("up", interface.is_up).with("running", interface.is_running);
    let record = record.with("loopback", interface.is_loopback).with_some("mtu_bytes", interface.mtu);
    let record = record.with_some("mac", interface.mac.as_ref().map(|mac| spelling::hex(mac, ":")));
    let addresses = interface.addresses.iter().map(interface_address);
    record.with("addresses", Value::Array(addresses.collect()))
}

fn interface_address(one: &InterfaceAddress) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("address", one.address.to_string().into());
    put("prefix", one.prefix.into());
    put("kind", special_purpose::kind(one.address).name.into());
    for (name, address) in [("peer", one.peer), ("broadcast", one.broadcast)] {
        if let Some(address) = address {
            put(name, address.to_string().into());
        }
    }
    put("deprecated", one.is_deprecated.into());
    put("tentative", one.is_tentative.into());
    if let Some(seconds) = one.valid_s {
        put("valid_s", seconds.into());
    }
    Value::Object(map)
}

/// One of a name's addresses, and the rule that puts it before the next.
pub fn resolved(
    name: &str,
    at: usize,
    one: &Destination,
    way: &Way,
    next: Option<&Destination>,
    policy: &Policy,
) -> Record {
    let record = Record::new("resolved").with("name", name).with("place", at + 1);
    let record = record.with("address", one.address.to_string());
    let record = record.with_some("source", one.source.map(|source| source.address.to_string()));
    let record =
        record.with("scope", policy.scope(one.address)).with("label", policy.label(one.address).value);
    let record = record.with("precedence", policy.precedence(one.address).value);
    let rule = next.map(|next| compare(one, next, policy));
    let record = record.with_some("rule", rule.map(|(_, rule)| rule.number()));
    let record = record.with_some("agrees", rule.map(|(order, _)| order.is_le()));
    let record = record.with_some("interface", way.interface.as_deref());
    let record = record.with_some("gateway", way.gateway.map(|gateway| gateway.to_string()));
    let before = way.others().map(|(address, order, rule)| {
        json!({
            "address": address.to_string(),
            "rule": rule.map(SourceRule::number),
            "agrees": order.is_le(),
        })
    });
    record.with("source_before", before.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
