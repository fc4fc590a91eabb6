//! Numbers, in both byte orders, and what they may be.

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::byte_order::{Number, Order, Width};
use wire::notation::spelling::hex;

use crate::facts::Facts;

use super::port::in_short;

/// A number as it is written in programs.
pub fn number(text: &str, number: Number, order: Order) -> Facts {
    let bits = 8 * number.width.bytes();
    let mut facts = Facts::new(
        wire::visible(text, false),
        format!("a number of {bits} bits; this machine is {}", order.name()),
    );
    let swapped = number.swapped();
    facts.row("decimal", number.value.to_string(), "");
    facts.row("hexadecimal", padded(number), "");
    facts.row("octal", format!("0{:o}", number.value), "");
    if bits <= 32 {
        facts.row("binary", wire::notation::spelling::binary(&number.big_endian(), " "), "");
    }
    facts.row("big-endian", hex(&number.big_endian(), " "), "network order");
    facts.row("little-endian", hex(&number.in_memory(Order::Little), " "), "");
    facts.row("swapped", swapped.value.to_string(), padded(swapped));
    if let Some((there, back)) = number.width.functions() {
        let network = number.to_network(order);
        let remark = match order {
            Order::Little => format!("and {back} is the same: both swap here"),
            Order::Big => format!("and {back} is the same: network order is this machine's"),
        };
        facts.row(format!("{there}({})", short(number)), padded(network), remark);
    }
    meanings(&mut facts, number);
    facts
}

fn short(number: Number) -> String {
    if number.width <= Width::W32 { padded(number) } else { "…".to_owned() }
}

fn padded(number: Number) -> String {
    format!("{:#0width$x}", number.value, width = 2 + 2 * number.width.bytes())
}

fn meanings(facts: &mut Facts, number: Number) {
    let swapped = number.swapped();
    facts.heading("as");
    if let Ok(port) = u16::try_from(number.value) {
        facts.row("port", port.to_string(), in_short(port));
        if number.width == Width::W16 {
            let other = port.swap_bytes();
            facts.row("swapped port", other.to_string(), in_short(other));
        }
    }
    if let (Ok(four), true) = (u32::try_from(number.value), number.width <= Width::W32) {
        facts.row("IPv4", Ipv4Addr::from(four).to_string(), "inet_aton takes this number for it");
        if number.width == Width::W32 {
            let other = Ipv4Addr::from(four.swap_bytes());
            facts.row("swapped IPv4", other.to_string(), format!("{:#010x}", swapped.value));
        }
    } else {
        facts.row("IPv6", Ipv6Addr::from(number.value).to_string(), "");
    }
}

/// What this machine's byte order is, how that is seen, and what its functions make of a port and an address.
pub fn order(order: Order) -> Facts {
    let mut facts = Facts::new(order.name(), "the byte order of this machine, found from its memory");
    let (value, bytes) = (0x0102_0304_u32, 0x0102_0304_u32.to_ne_bytes());
    facts.row(
        "0x0102",
        hex(&0x0102_u16.to_ne_bytes(), " "),
        "a number of 16 bits, as its bytes lie in memory",
    );
    facts.row(format!("{value:#010x}"), hex(&bytes, " "), "a number of 32 bits");
    facts.row("network order", "01 02 03 04", "big-endian, on the wire and in sin_port, sin_addr");
    facts.heading("what its functions return");
    let port = |value: u128| Number { value, width: Width::W16 };
    let four = Number { value: 0x7f00_0001, width: Width::W32 };
    let pairs = [
        ("htons(8080)", port(8080), "a port, before it goes into sin_port"),
        ("ntohs(36895)", port(36895), "a port, out of sin_port"),
        ("htonl(0x7f000001)", four, "INADDR_LOOPBACK, before it goes into sin_addr"),
        ("ntohl(0x0100007f)", four.swapped(), "an address, out of sin_addr"),
    ];
    for (call, number, remark) in pairs {
        let answer = number.to_network(order);
        let value = if number.width == Width::W16 { answer.value.to_string() } else { padded(answer) };
        facts.row(call, value, remark);
    }
    let same = match order {
        Order::Little => {
            "Both ways swap, so forgetting one is a wrong number and calling it twice is none. Single bytes and text have no order."
        }
        Order::Big => "Here they do nothing, so a forgotten one shows only on other machines.",
    };
    facts.text("").text(same);
    facts
}
