//! Ports.

use std::ops::RangeInclusive;

use wire::byte_order::Order;
use wire::endpoint::well_known_name;
use wire::notation::spelling::hex;
use wire::port::{Range, forgotten_htons};

use crate::facts::Facts;

/// What is known of a port here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// The name of its service by TCP.
    pub tcp: Option<String>,
    /// By UDP.
    pub udp: Option<String>,
    /// The ports that this kernel gives out.
    pub ephemeral: Option<RangeInclusive<u16>>,
    /// Whether it is in that range but not given out.
    pub is_reserved: bool,
    /// The first port that anybody may bind.
    pub unprivileged_from: Option<u32>,
    /// Whether this process may bind ports below that.
    pub is_privileged: bool,
}

/// The range and the service, in one line.
pub fn in_short(port: u16) -> String {
    let range = Range::of(port).names().0;
    match (well_known_name(port), forgotten_htons(port)) {
        (Some(name), _) => format!("{name}, a {range} port"),
        (None, Some(meant)) => format!("a {range} port; {meant} with its bytes swapped"),
        (None, None) => format!("a {range} port"),
    }
}

/// All of a port.
pub fn port(port: u16, here: &Here, order: Order) -> Facts {
    let range = Range::of(port);
    let (name, older) = range.names();
    let (first, last) = range.bounds();
    let mut facts =
        Facts::new(port.to_string(), format!("a {name} port ({older}), {first} to {last} (RFC 6335 §6)"));
    if let Some(meant) = forgotten_htons(port) {
        facts.finding(format!(
            "{port} is {meant} with its bytes swapped: was htons forgotten, or called twice?"
        ));
    }
    if port == 0 {
        facts.finding(
            "port 0 is none: bind takes it for \"any that is free\", and nobody can be called there",
        );
    }
    let service = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".to_owned());
    facts.row("TCP", service(&here.tcp), "");
    facts.row("UDP", service(&here.udp), "a port of its own: both may be used at once");
    facts.row("hexadecimal", format!("{port:#06x}"), "");
    facts.row("bytes", hex(&port.to_be_bytes(), " "), "network order, as on the wire and in sin_port");
    let stored = u16::from_be_bytes(order.bytes(port.to_be_bytes()));
    facts.row(
        format!("htons({port})"),
        stored.to_string(),
        format!("{stored:#06x}, sin_port read as a number on this machine"),
    );
    facts.heading("here");
    match &here.ephemeral {
        Some(ephemeral) => {
            let (inside, remark) = match (ephemeral.contains(&port), here.is_reserved) {
                (true, true) => ("yes, but kept back", "in the range, and in ip_local_reserved_ports"),
                (true, false) => ("yes", "a client may be given it, so a server should not count on it"),
                (false, _) => ("no", "no client is given it by chance"),
            };
            let bounds = format!("{} to {}", ephemeral.start(), ephemeral.end());
            facts.row("ephemeral", inside, format!("{remark}; this kernel gives out {bounds}"));
        }
        None => {
            facts.row("ephemeral", "unknown", "the kernel's range cannot be read");
        }
    }
    if let Some(from) = here.unprivileged_from {
        let (value, remark) = match (u32::from(port) < from, here.is_privileged) {
            (true, true) => ("privileged", "to bind it takes CAP_NET_BIND_SERVICE, and you have it"),
            (true, false) => ("privileged", "to bind it takes CAP_NET_BIND_SERVICE, and you do not have it"),
            (false, _) => ("for everybody", "no privilege is needed to bind it"),
        };
        facts.row("to bind it", value, format!("{remark}; ports from {from} on are free"));
    }
    facts
}
