//! From header to header: each one says what is behind it.

use std::net::IpAddr;

use super::reading::{Reading, Span, Title, field, hex_bytes, opaque, text};
use super::{
    CutBy, Family, Layer, MAX_LAYERS, arp, framing, icmp, icmpv6, igmp, ipv4, ipv6, link, tcp, tunnel, udp,
};
use crate::ethernet::ether_type;
use crate::link::Protocol;
use crate::link_type::LinkType;

/// What is behind a header.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// An Ethernet frame.
    Ethernet,
    /// What an EtherType says.
    EtherType(u16),
    /// An IP packet whose version only its first byte tells.
    Ip,
    /// The payload of an IP packet: a protocol or extension header by its number.
    Protocol(u8),
    /// IEEE 802.2.
    Llc,
    /// PPP.
    Ppp,
    /// An MPLS label.
    Mpls,
    /// What programs say.
    Payload,
    /// A piece of a packet whose headers are in an earlier piece.
    Fragment,
}

/// What the IP header around says that the inner ones need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    /// The addresses; none outside IP.
    pub(super) addresses: Option<(IpAddr, IpAddr)>,
    /// The packet is a piece of one.
    pub(super) piece: bool,
    /// Inside a packet that an ICMP error quotes.
    pub(super) quoted: bool,
}

/// A frame while it is walked through.
pub(super) struct Walk<'a> {
    pub(super) frame: &'a [u8],
    pub(super) around: Around,
    layers: Vec<Layer>,
}

impl<'a> Walk<'a> {
    pub(super) fn reading(&self, span: Span, title: Title) -> Reading<'a> {
        Reading::new(self.frame, span, title, self.around.quoted)
    }

    /// Behind a layer that was cut there is nothing left to be understood.
    fn goes_on(&self) -> bool {
        self.layers.len() < MAX_LAYERS && self.layers.last().is_none_or(|layer| layer.cut.is_none())
    }

    /// Keeps the layer and gives what is left behind it.
    pub(super) fn keep(&mut self, reading: Reading<'a>) -> Span {
        let (layer, rest) = reading.finish();
        if layer.len > 0 || layer.cut.is_some() || !layer.breaches.is_empty() {
            self.layers.push(layer);
        }
        rest
    }
}

/// All layers of a frame.
pub(super) fn walk(link_type: LinkType, frame: &[u8], wire_len: usize) -> Vec<Layer> {
    let around = Around { addresses: None, piece: false, quoted: false };
    let mut walk = Walk { frame, around, layers: Vec::new() };
    let whole = Span { start: 0, end: frame.len(), wire_end: wire_len, cut_by: CutBy::Capture };
    let (mut next, mut span) = match link_type {
        LinkType::ETHERNET => (Next::Ethernet, whole),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::IPV4 | LinkType::IPV6 => {
            (Next::Ip, whole)
        }
        LinkType::NULL | LinkType::LOOP => link::loopback(&mut walk, whole, link_type == LinkType::LOOP),
        LinkType::LINUX_SLL => link::cooked(&mut walk, whole),
        LinkType::LINUX_SLL2 => link::cooked_v2(&mut walk, whole),
        LinkType::PPP_ETHER => framing::pppoe(&mut walk, whole),
        LinkType::MPLS => (Next::Mpls, whole),
        LinkType::ATM_RFC1483 => (Next::Llc, whole),
        other => {
            let name = other.name().unwrap_or("link header");
            let title = Title { family: Family::Link, name, short: "Link", standard: "" };
            framing::stepped_over(&mut walk, whole, Protocol::Link(other), title)
        }
    };
    while span.start < span.wire_end && walk.goes_on() {
        let (then, rest) = match next {
            Next::Ethernet => link::ethernet(&mut walk, span),
            Next::EtherType(number) => of_ether_type(&mut walk, span, number),
            Next::Ip => ip(&mut walk, span),
            Next::Llc => framing::llc(&mut walk, span),
            Next::Ppp => framing::ppp(&mut walk, span),
            Next::Mpls => framing::mpls(&mut walk, span),
            Next::Protocol(number) => protocol(&mut walk, span, number),
            Next::Payload | Next::Fragment => break,
        };
        (next, span) = (then, rest);
    }
    payload(&mut walk, span, next);
    trailer(&mut walk);
    walk.layers
}

fn of_ether_type(walk: &mut Walk<'_>, span: Span, number: u16) -> (Next, Span) {
    match number {
        ether_type::IPV4 => ipv4::read(walk, span),
        ether_type::IPV6 => ipv6::read(walk, span),
        ether_type::ARP | ether_type::RARP => arp::read(walk, span),
        number if ether_type::is_tag(number) => link::tag(walk, span, number),
        ether_type::BRIDGED => link::ethernet(walk, span),
        ether_type::PPPOE_DISCOVERY | ether_type::PPPOE_SESSION => framing::pppoe(walk, span),
        ether_type::MPLS | ether_type::MPLS_UPSTREAM => framing::mpls(walk, span),
        ether_type::PPP => framing::ppp(walk, span),
        other => {
            let title = Title { family: Family::Link, name: "tag", short: "Tag", standard: "" };
            framing::stepped_over(walk, span, Protocol::EtherType(other), title)
        }
    }
}

fn ip(walk: &mut Walk<'_>, span: Span) -> (Next, Span) {
    match walk.frame.get(span.start).map(|byte| byte >> 4) {
        Some(6) => ipv6::read(walk, span),
        _ => ipv4::read(walk, span),
    }
}

fn protocol(walk: &mut Walk<'_>, span: Span, number: u8) -> (Next, Span) {
    let v6 = matches!(walk.around.addresses, Some((IpAddr::V6(_), _)));
    match number {
        1 if !v6 => icmp::read(walk, span),
        2 if !v6 => igmp::read(walk, span),
        4 => ipv4::read(walk, span),
        6 => tcp::read(walk, span),
        17 => udp::read(walk, span),
        41 => ipv6::read(walk, span),
        47 => tunnel::gre(walk, span),
        137 => framing::mpls(walk, span),
        58 if v6 => icmpv6::read(walk, span),
        0 | 43 | 44 | 51 | 60 | 135 | 139 | 140 if v6 => ipv6::extension(walk, span, number),
        51 => ipv6::extension(walk, span, number),
        _ => (Next::Payload, span),
    }
}

const PAYLOAD: Title = Title { family: Family::Data, name: "Payload", short: "Payload", standard: "" };
const FRAGMENT: Title =
    Title { family: Family::Data, name: "Fragment", short: "Fragment", standard: "RFC 791" };
const TRAILER: Title = Title { family: Family::Data, name: "Trailer", short: "Trailer", standard: "" };

/// What is left when no header follows.
fn payload(walk: &mut Walk<'_>, span: Span, next: Next) {
    if span.wire_len() == 0 || walk.layers.last().is_some_and(|layer| layer.cut.is_some()) {
        return;
    }
    let title = if matches!(next, Next::Fragment) { FRAGMENT } else { PAYLOAD };
    let mut reading = walk.reading(span, title);
    reading.take_bytes(field("Data", span.wire_len() * 8, ""), opaque);
    walk.keep(reading);
}

/// Bytes behind the end that the headers state: padding of short Ethernet frames (IEEE 802.3 §3.2.8), check sequences.
fn trailer(walk: &mut Walk<'_>) {
    let start = walk.layers.last().map_or(0, |layer| layer.start + layer.len);
    let len = walk.frame.len().saturating_sub(start);
    if len == 0 {
        return;
    }
    walk.around.quoted = false;
    let span = Span { start, end: walk.frame.len(), wire_end: walk.frame.len(), cut_by: CutBy::Capture };
    let mut reading = walk.reading(span, TRAILER);
    reading.take_bytes(field("Bytes behind the packet", len * 8, ""), |bytes| {
        text(hex_bytes(bytes), "padding of a short frame, or its check sequence")
    });
    walk.keep(reading);
}
