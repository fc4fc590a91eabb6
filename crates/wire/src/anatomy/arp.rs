//! ARP. Read first: RFC 826, "Packet format"; RFC 5227 §1.1 (probes and announcements).

use std::net::Ipv4Addr;

use super::Family::Control;
use super::link::mac_address;
use super::name;
use super::reading::{Shown, Span, Title, field, hex, opaque, plain, text, told};
use super::walk::{Next, Walk};

const ARP: Title = Title { family: Control, name: "ARP", short: "ARP", standard: "RFC 826" };
const S: &str = "RFC 826";

pub(super) fn read(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    let mut reading = walk.reading(span, ARP);
    let hardware = reading
        .take(field("Hardware Type", 16, S).label("ar$hrd"), |number| told(number, name::hardware(number)));
    let protocol = reading.take(field("Protocol Type", 16, S).label("ar$pro"), |number| {
        hex(number, 4, name::ether_type(number))
    });
    let lengths = [
        reading.take(field("Hardware Address Length", 8, S).label("ar$hln"), plain),
        reading.take(field("Protocol Address Length", 8, S).label("ar$pln"), plain),
    ];
    reading.take(field("Opcode", 16, S).label("ar$op"), |number| told(number, opcode(number)));
    let [hardware_len, protocol_len] =
        lengths.map(|len| len.and_then(|len| usize::try_from(len).ok()).unwrap_or_default());
    if hardware == Some(1) && hardware_len != 6 {
        reading.breach(format!("an Ethernet address of {hardware_len} bytes"), S);
    }
    if protocol == Some(0x0800) && protocol_len != 4 {
        reading.breach(format!("an IPv4 address of {protocol_len} bytes"), S);
    }
    let who = [
        ("Sender Hardware Address", "ar$sha", hardware_len),
        ("Sender Protocol Address", "ar$spa", protocol_len),
        ("Target Hardware Address", "ar$tha", hardware_len),
        ("Target Protocol Address", "ar$tpa", protocol_len),
    ];
    for (name, label, len) in who {
        reading.take_bytes(field(name, len * 8, S).label(label), address);
    }
    // Nothing belongs to it that is behind it.
    (Next::Payload, walk.keep(reading).at_most(0))
}

fn address(octets: &[u8]) -> Shown {
    match *octets {
        [a, b, c, d] => {
            let address = Ipv4Addr::new(a, b, c, d);
            text(address.to_string(), name::address(address.into()))
        }
        [_, _, _, _, _, _] => mac_address(octets),
        _ => opaque(octets),
    }
}

/// "Address Resolution Protocol (ARP) Parameters: Operation Codes".
fn opcode(number: u64) -> &'static str {
    match number {
        1 => "request",
        2 => "reply",
        3 => "RARP request",
        4 => "RARP reply",
        8 => "InARP request",
        9 => "InARP reply",
        _ => "",
    }
}
