//! Addresses, with all that is known of them, as facts. What depends on this machine is handed in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::byte_order::{Number, Order, Width};
use wire::embedded::{self, Embedded, Mac};
use wire::inet::{INET_ADDRSTRLEN, INET6_ADDRSTRLEN, Verdicts};
use wire::notation::{Notation, Written, spelling};
use wire::special_purpose::{self, Block, Scope};

use crate::facts::Facts;

pub mod network;
pub mod number;
pub mod port;
pub mod selection;
pub mod sockaddr;

/// All of an address. `here` are the addresses of this machine that an unspecified address stands for.
pub fn address(text: &str, written: &Written, order: Order, here: &[String]) -> Facts {
    let ip = written.address;
    let kind = special_purpose::kind(ip);
    let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
    let zone = written.zone.as_ref().map_or_else(String::new, |zone| format!("%{zone}"));
    let mut facts = Facts::new(format!("{ip}{zone}"), format!("{family}, {} ({})", kind.name, kind.document));
    warnings(&mut facts, text, written);
    spellings(&mut facts, ip, order);
    if let Some(port) = written.port {
        facts.row("port", port.to_string(), port::in_short(port));
    }
    match ip {
        IpAddr::V4(four) => forms_of_four(&mut facts, four),
        IpAddr::V6(six) => carried(&mut facts, six),
    }
    purpose(&mut facts, ip, here);
    functions(&mut facts, &shown_text(text, written), written.address);
    facts
}

/// The text without brackets and port, as the functions would be given it.
fn shown_text(text: &str, written: &Written) -> String {
    match written.notation {
        Notation::Dotted | Notation::Colons => {
            let zone = written.zone.as_ref().map_or_else(String::new, |zone| format!("%{zone}"));
            let inner = text.trim_start_matches('[').split([']', '%']).next().unwrap_or_default();
            let inner =
                if written.address.is_ipv4() { inner.split(':').next().unwrap_or_default() } else { inner };
            format!("{inner}{zone}")
        }
        Notation::Old(ref form) => {
            form.parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(".")
        }
        Notation::Hex | Notation::KernelTable(_) | Notation::ReverseName => written.address.to_string(),
    }
}

/// What to beware of in the way it is written; whole sentences, for records too.
pub fn beware(text: &str, written: &Written) -> Vec<String> {
    let mut sentences = Vec::new();
    match &written.notation {
        Notation::Old(form) if !form.is_plain() => {
            sentences.push(format!(
                "old form: inet_aton and getaddrinfo read {} as {}; inet_pton and many languages refuse it (RFC 6943 §3.1.1)",
                wire::visible(text, false),
                form.address
            ));
            if let Some(decimal) = form.read_as_decimal() {
                sentences.push(format!(
                    "a number with a 0 in front is octal to some and decimal to others: they would take it for {decimal}"
                ));
            }
        }
        Notation::Colons if text.contains(|c: char| c.is_ascii_uppercase()) => {
            sentences.push("letters are written small: RFC 5952 §4.3".to_owned());
        }
        Notation::KernelTable(order) => sentences.push(format!(
            "read as /proc/net/tcp has it on a {} machine: words of 32 bits as they are in memory",
            order.name()
        )),
        _ => {}
    }
    if let IpAddr::V6(six) = written.address
        && six.is_unicast_link_local()
        && written.zone.is_none()
    {
        sentences.push(
            "a link-local address needs its interface to be used: write fe80::…%eth0 (RFC 4007 §11)"
                .to_owned(),
        );
    }
    sentences
}

fn warnings(facts: &mut Facts, text: &str, written: &Written) {
    for sentence in beware(text, written) {
        facts.finding(sentence);
    }
}

fn spellings(facts: &mut Facts, ip: IpAddr, order: Order) {
    let octets = spelling::octets(ip);
    facts.row("bytes", spelling::hex(&octets, " "), "network order, as on the wire");
    let number =
        Number { value: spelling::integer(ip), width: if ip.is_ipv4() { Width::W32 } else { Width::W128 } };
    facts.row("integer", number.value.to_string(), format!("big-endian, {:#x}", number.value));
    let swapped = number.swapped();
    let remark = match (ip.is_ipv4(), order) {
        (true, Order::Little) => format!("{:#010x}: s_addr, read as a number on this machine", swapped.value),
        _ => format!("little-endian, {:#x}", swapped.value),
    };
    facts.row("swapped", swapped.value.to_string(), remark);
    if let IpAddr::V6(six) = ip {
        facts.row("in full", spelling::expanded(six), "");
        facts.row("mixed", spelling::mixed(six), "RFC 4291 §2.2 (3)");
    } else {
        facts.row("binary", spelling::binary(&octets, "."), "");
    }
    facts.row("reverse name", spelling::reverse_name(ip), "");
    facts.row("/proc/net", spelling::kernel_table(ip, order), "as /proc/net/tcp has it on this machine");
}

fn forms_of_four(facts: &mut Facts, four: Ipv4Addr) {
    facts.heading("in IPv6");
    facts.row("mapped", embedded::mapped(four).to_string(), "on a socket for both families");
    let is_public = special_purpose::is_globally_reachable(four.into()) == Some(true);
    let nat64 = embedded::nat64(four);
    let remark = if is_public { "" } else { "; not for this one, RFC 6052 §3.1" };
    facts.row("NAT64", spelling::mixed(nat64), format!("{nat64}{remark}"));
    let remark =
        if is_public { "out of favour, RFC 7526" } else { "for public addresses only, RFC 3056 §2" };
    facts.row("6to4", format!("{}/48", embedded::six_to_four(four)), remark);
    facts.row("ISATAP", embedded::isatap(four, is_public).to_string(), "");
}

/// What an embedded form is called, its value, and a remark.
pub fn name_of(embedded: &Embedded) -> (&'static str, String, String) {
    let (name, value, remark) = match embedded {
        Embedded::Mapped(four) => {
            ("IPv4-mapped", four.to_string(), "an IPv4 peer on a socket for both families")
        }
        Embedded::Compatible(four) => ("IPv4-compatible", four.to_string(), "out of use"),
        Embedded::SixToFour(four) => ("6to4 router", four.to_string(), ""),
        Embedded::Nat64(four) => ("NAT64", four.to_string(), "an IPv4 host behind a translator"),
        Embedded::LocalNat64(four) => ("NAT64, local", four.to_string(), "if its prefix is a /96"),
        Embedded::Isatap(four) => ("ISATAP", four.to_string(), ""),
        Embedded::Eui64(mac) => ("EUI-64", spelling::mac(*mac), "the interface's hardware address"),
        Embedded::SolicitedNode([a, b, c]) => (
            "solicited node",
            format!("…{a:02x}:{b:02x}{c:02x}"),
            "asks for the neighbours with these last bits",
        ),
        Embedded::GroupPrefix(network, prefix) => ("group of", format!("{network}/{prefix}"), ""),
        Embedded::RendezvousPoint(point) => ("rendezvous point", point.to_string(), ""),
        Embedded::UniqueLocal { global_id, .. } => ("global ID", format!("{global_id:010x}"), "drawn by lot"),
        Embedded::Teredo(teredo) => ("Teredo client", format!("{}:{}", teredo.client, teredo.port), ""),
    };
    let remark = match (embedded, remark) {
        (Embedded::Teredo(teredo), _) => format!("server {}, flags {:#06x}", teredo.server, teredo.flags),
        (Embedded::UniqueLocal { subnet, .. }, _) => format!("drawn by lot; subnet {subnet:#06x}"),
        (_, remark) => remark.to_owned(),
    };
    (name, value, remark)
}

fn carried(facts: &mut Facts, six: Ipv6Addr) {
    let found = embedded::embedded(six);
    if !found.is_empty() || !six.is_multicast() && !six.is_unspecified() && !six.is_loopback() {
        facts.heading("in it, and made from it");
    }
    for one in &found {
        let (name, value, remark) = name_of(one);
        let remark = if remark.is_empty() {
            one.document().to_owned()
        } else {
            format!("{remark} ({})", one.document())
        };
        facts.row(name, value, remark);
    }
    if !six.is_multicast() && !six.is_unspecified() && !six.is_loopback() && six.to_ipv4_mapped().is_none() {
        let remark = "the group that is asked for its hardware address";
        facts.row("solicited node", embedded::solicited_node(six).to_string(), remark);
    }
}

fn purpose(facts: &mut Facts, ip: IpAddr, here: &[String]) {
    facts.heading("what it is for");
    let scope = special_purpose::scope(ip);
    let scope_remark = match scope {
        Scope::Global if special_purpose::is_globally_reachable(ip) == Some(false) => {
            "as RFC 6724 counts; yet it does not cross the Internet"
        }
        _ => "RFC 4007, RFC 6724 §3",
    };
    facts.row("scope", scope.name(), scope_remark);
    match special_purpose::block(ip) {
        Some(block) => {
            facts.row(
                "block",
                format!("{}/{}", block.first, block.prefix),
                format!("{} ({})", block.name, block.document),
            );
            facts.row("registry", may(block), "");
        }
        None => {
            let reach = match special_purpose::is_globally_reachable(ip) {
                Some(true) => "may cross the Internet",
                Some(false) => "does not cross the Internet",
                None => "depends on what it carries",
            };
            facts.row("registry", "no special purpose", reach);
        }
    }
    if let Some(name) = special_purpose::group_name(ip) {
        facts.row("group", name, "");
    }
    if let Some(mac) = embedded::group_mac(ip) {
        facts.row("Ethernet group", spelling::mac(mac), "");
    }
    if let IpAddr::V4(four) = ip {
        facts.row("class", class(four), "of history: RFC 791 §3.2, until RFC 1519");
    }
    if ip.is_unspecified() {
        let name = if ip.is_ipv4() { "INADDR_ANY" } else { "in6addr_any" };
        let these = if here.is_empty() { "none".to_owned() } else { here.join(", ") };
        facts.row(name, "to listen on", format!("every address here: {these}"));
    }
}

fn class(four: Ipv4Addr) -> &'static str {
    match four.octets()[0] {
        0..=127 => "A, a network of /8",
        128..=191 => "B, a network of /16",
        192..=223 => "C, a network of /24",
        224..=239 => "D, multicast",
        240.. => "E, reserved",
    }
}

/// The columns of the registry, in words.
fn may(block: &Block) -> String {
    let word = |column: Option<bool>| column.map_or("unsaid", |yes| if yes { "yes" } else { "no" });
    format!(
        "source {}, destination {}, forwarded {}, beyond the site {}",
        word(block.source),
        word(block.destination),
        word(block.forwardable),
        word(block.globally_reachable)
    )
}

fn functions(facts: &mut Facts, text: &str, ip: IpAddr) {
    let verdicts = Verdicts::of(text);
    let shown = wire::visible(text, false);
    facts.heading(format!("what C says of \"{shown}\""));
    let (four, six) = (verdicts.pton4.is_some(), verdicts.pton6.is_some());
    let why = |other: bool, family: &str| match other {
        true => format!("it is {family}"),
        false if text.contains('%') => "it has no place for a zone".to_owned(),
        false => "not in this form".to_owned(),
    };
    let remark = if four { "1 is yes, 0 no, -1 an unknown family".to_owned() } else { why(six, "IPv6") };
    facts.row("inet_pton AF_INET", u8::from(four).to_string(), remark);
    let remark = if six { "1 is yes, 0 no, -1 an unknown family".to_owned() } else { why(four, "IPv4") };
    facts.row("inet_pton AF_INET6", u8::from(six).to_string(), remark);
    facts.row("inet_pton AF_UNIX", "-1", "EAFNOSUPPORT: it knows two families");
    facts.row(
        "inet_aton",
        u8::from(verdicts.aton.is_some()).to_string(),
        match verdicts.aton {
            Some(_) if four => "the same address".to_owned(),
            Some(address) => format!("{address}"),
            None => "no IPv4 address to it".to_owned(),
        },
    );
    let answer = u32::from_be_bytes(Order::native().bytes(verdicts.addr()));
    facts.row(
        "inet_addr",
        format!("{answer:#010x}"),
        match verdicts.aton {
            Some(_) if verdicts.addr_is_ambiguous() => {
                "which is INADDR_NONE, its error: it cannot say yes to this address".to_owned()
            }
            Some(_) => "the bytes above, as a number of this machine".to_owned(),
            None => "INADDR_NONE, its error".to_owned(),
        },
    );
    facts.row(
        "getaddrinfo",
        if verdicts.numeric_host.is_some() { "yes" } else { "no" },
        "with AI_NUMERICHOST, so without looking up",
    );
    let (needs, holds, name) = match ip {
        IpAddr::V4(_) => (ip.to_string().len() + 1, INET_ADDRSTRLEN, "INET_ADDRSTRLEN"),
        IpAddr::V6(_) => (ip.to_string().len() + 1, INET6_ADDRSTRLEN, "INET6_ADDRSTRLEN"),
    };
    facts.row(
        "inet_ntop",
        format!("{needs} bytes"),
        format!("with the NUL; a buffer of {holds} ({name}) holds any"),
    );
}

/// A hardware address.
pub fn hardware(mac: Mac) -> Facts {
    let kind = match (mac[0] & 1, mac[0] & 2) {
        (1, _) => "a group's",
        (_, 2) => "given out locally",
        _ => "given out by its maker",
    };
    let mut facts = Facts::new(spelling::mac(mac), format!("hardware address (EUI-48), {kind}"));
    facts.row("bytes", spelling::hex(&mac, " "), "as on the wire");
    let [a, b, c, d, e, f] = mac;
    facts.row("EUI-64", spelling::hex(&[a, b, c, 0xff, 0xfe, d, e, f], ":"), "RFC 4291 appendix A");
    let link_local = embedded::link_local(mac);
    let identifier: Vec<String> =
        link_local.segments()[4..].iter().map(|group| format!("{group:04x}")).collect();
    facts.row(
        "identifier",
        identifier.join(":"),
        "of an interface: the second bit of the first byte is turned over",
    );
    facts.row(
        "link-local",
        link_local.to_string(),
        "what IPv6 makes of it, where it is not made by lot (RFC 7217)",
    );
    facts.row("solicited node", embedded::solicited_node(link_local).to_string(), "");
    facts
}
