//! Packets that carry packets: what stands inside, and where it begins. Read first: RFC 2003 and RFC 4213 §3.5 (IP in IP),
//! RFC 2784 and RFC 2890 (GRE), RFC 2637 §4 (PPTP's GRE), RFC 7348 §5 (VXLAN), RFC 8926 §3 (Geneve), 3GPP TS 29.281 §5
//! (GTP-U), RFC 4380 §5.1.1 (Teredo), RFC 2661 §3.1 (L2TP).
//!
//! Nothing here follows what it finds: it steps over one header, and reads no byte that is not there. Which UDP datagrams
//! are tunnels can only be told from well-known ports; their insides have to prove it by being packets.

use crate::ethernet::ether_type;
use crate::link::{Layer, Protocol};
use crate::link_type::LinkType;
use crate::undecoded::{Header, Undecoded};

#[cfg(test)]
mod tests;

/// Protocols that carry packets (IANA, "Protocol Numbers").
pub mod protocol {
    /// IPv4 (RFC 2003).
    pub const IPV4: u8 = 4;
    /// IPv6 (RFC 4213 §3.5).
    pub const IPV6: u8 = 41;
    /// GRE (RFC 2784).
    pub const GRE: u8 = 47;
    /// Ethernet in IP (RFC 3378).
    pub const ETHER_IP: u8 = 97;
    /// MPLS (RFC 4023 §3).
    pub const MPLS: u8 = 137;
}

/// What an IP packet of this protocol carries, if that is a packet again.
pub(crate) fn in_ip(number: u8, payload: Layer<'_>) -> Option<Result<Layer<'_>, Undecoded>> {
    let as_it_is = |protocol| Ok(Layer { protocol, ..payload });
    Some(match number {
        protocol::IPV4 => as_it_is(Protocol::Ipv4),
        protocol::IPV6 => as_it_is(Protocol::Ipv6),
        protocol::MPLS => as_it_is(Protocol::Mpls),
        protocol::GRE => gre(payload),
        protocol::ETHER_IP => payload.behind(2, Protocol::Ethernet, Header::Ethernet),
        _ => return None,
    })
}

/// GRE's flags (RFC 2784 §2.1, RFC 2890 §2; RFC 2637 §4.1 for the acknowledgement; RFC 1701 for routing).
mod flag {
    pub(super) const CHECKSUM: u16 = 0x8000;
    pub(super) const ROUTING: u16 = 0x4000;
    pub(super) const KEY: u16 = 0x2000;
    pub(super) const SEQUENCE: u16 = 0x1000;
    pub(super) const ACKNOWLEDGEMENT: u16 = 0x0080;
    pub(super) const VERSION: u16 = 0x0007;
}

fn gre(layer: Layer<'_>) -> Result<Layer<'_>, Undecoded> {
    let [a, b, c, d] = *layer.bytes.first_chunk().ok_or(Undecoded::Cut(Header::Gre))?;
    let (flags, number) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let words = |these: &[u16]| these.iter().filter(|flag| flags & **flag != 0).count();
    match flags & flag::VERSION {
        _ if flags & flag::ROUTING != 0 => Err(Undecoded::EtherType(number)),
        0 => {
            let len = 4 + 4 * words(&[flag::CHECKSUM, flag::KEY, flag::SEQUENCE]);
            let inner = layer.behind(len, Protocol::EtherType(number), Header::Gre)?;
            in_gre(inner, number, flags & flag::SEQUENCE != 0)
        }
        // Without a sequence number it carries only an acknowledgement (RFC 2637 §4.1).
        1 if number == ether_type::PPP
            && flags & (flag::KEY | flag::SEQUENCE) == flag::KEY | flag::SEQUENCE =>
        {
            let len = 4 + 4 * words(&[flag::KEY, flag::SEQUENCE, flag::ACKNOWLEDGEMENT]);
            let payload_len = usize::from(layer.u16_at(4).ok_or(Undecoded::Cut(Header::Gre))?);
            Ok(layer.behind(len, Protocol::Ppp, Header::Gre)?.limited(payload_len))
        }
        _ => Err(Undecoded::EtherType(number)),
    }
}

/// Protocols that GRE numbers as no one else does.
fn in_gre(inner: Layer<'_>, number: u16, sequenced: bool) -> Result<Layer<'_>, Undecoded> {
    const ERSPAN: u16 = 0x88be; // draft-foschiano-erspan
    const ERSPAN_3: u16 = 0x22eb;
    const WEB_CACHE: u16 = 0x883e; // draft-wilson-wrec-wccp
    const ARUBA_WIRELESS: u16 = 0x8200;
    match (number, sequenced) {
        (ERSPAN, false) => Ok(Layer { protocol: Protocol::Ethernet, ..inner }), // type I has no header
        (ERSPAN, true) => inner.behind(8, Protocol::Ethernet, Header::Gre),
        (ERSPAN_3, _) => {
            let has_more = inner.bytes.get(11).ok_or(Undecoded::Cut(Header::Gre))? & 1 == 1;
            inner.behind(if has_more { 20 } else { 12 }, Protocol::Ethernet, Header::Gre)
        }
        (ARUBA_WIRELESS, _) => Ok(Layer { protocol: Protocol::Link(LinkType::IEEE802_11), ..inner }),
        (WEB_CACHE, _) => match inner.bytes.first().ok_or(Undecoded::Cut(Header::Gre))? >> 4 {
            4 => Ok(Layer { protocol: Protocol::Ipv4, ..inner }),
            _ => inner.behind(4, Protocol::Ipv4, Header::Gre),
        },
        _ => Ok(inner),
    }
}

/// What a UDP datagram between these ports carries, if that may be a packet.
pub(crate) fn in_udp(ports: [u16; 2], payload: Layer<'_>) -> Option<Layer<'_>> {
    ports.into_iter().find_map(|port| match port {
        4789 | 8472 => vxlan(payload), // the second is Linux's, from before the RFC
        4790 => vxlan_gpe(payload),
        6081 => geneve(payload),
        2152 => gtp_u(payload),
        6635 => Some(Layer { protocol: Protocol::Mpls, ..payload }), // RFC 7510 §3
        3544 => teredo(payload),
        4754 => gre(payload).ok(), // RFC 8086 §8
        5072 => ayiya(payload),
        5247 => capwap(payload),
        1701 => l2tp(payload),
        _ => None,
    })
}

/// RFC 7348 §5: flags, whose one for a valid network number must be set; then that number.
fn vxlan(layer: Layer<'_>) -> Option<Layer<'_>> {
    let valid = layer.bytes.first()? & 0x08 != 0;
    valid.then(|| behind(layer, 8, Protocol::Ethernet))?
}

/// draft-ietf-nvo3-vxlan-gpe §3: the same with the protocol in the fourth byte.
fn vxlan_gpe(layer: Layer<'_>) -> Option<Layer<'_>> {
    let protocol = match *layer.bytes.first_chunk()? {
        [flags, _, _, 1] if flags & 0x04 != 0 => Protocol::Ipv4,
        [flags, _, _, 2] if flags & 0x04 != 0 => Protocol::Ipv6,
        [_, _, _, 3] => Protocol::Ethernet,
        _ => return None,
    };
    behind(layer, 8, protocol)
}

/// RFC 8926 §3.4: version and length of the options in words, flags, an EtherType, the network number.
fn geneve(layer: Layer<'_>) -> Option<Layer<'_>> {
    let [start, _, a, b] = *layer.bytes.first_chunk()?;
    let is_version_0 = start >> 6 == 0;
    let len = 8 + usize::from(start & 0x3f) * 4;
    is_version_0.then(|| behind(layer, len, Protocol::EtherType(u16::from_be_bytes([a, b]))))?
}

/// TS 29.281 §5.1, §5.2: flags, type 255 for a packet, length, tunnel; four more bytes if any of the last three flags is
/// set, the last of which begins a chain of extensions.
fn gtp_u(layer: Layer<'_>) -> Option<Layer<'_>> {
    const VERSION_AND_PROTOCOL: u8 = 0b1111_0000;
    const VERSION_1_GTP: u8 = 0b0011_0000;
    const EXTENSIONS: u8 = 0b0000_0100;
    const PACKET: u8 = 255;
    let [flags, kind, a, b] = *layer.bytes.first_chunk()?;
    if flags & VERSION_AND_PROTOCOL != VERSION_1_GTP || kind != PACKET {
        return None;
    }
    let stated = 8 + usize::from(u16::from_be_bytes([a, b]));
    let layer = layer.limited(stated);
    if flags & 0b111 == 0 {
        return behind(layer, 8, Protocol::Ip);
    }
    let mut next = if flags & EXTENSIONS != 0 { *layer.bytes.get(11)? } else { 0 };
    let mut inner = behind(layer, 12, Protocol::Ip)?;
    while next != 0 {
        let len = usize::from(*inner.bytes.first()?) * 4;
        next = *inner.bytes.get(len.checked_sub(1)?)?;
        inner = behind(inner, len, Protocol::Ip)?;
    }
    Some(inner)
}

/// RFC 4380 §5.1.1: maybe an authentication (00 01), maybe an origin (00 00), then an IPv6 packet.
fn teredo(mut layer: Layer<'_>) -> Option<Layer<'_>> {
    if let Some([0, 1, client_len, value_len]) = layer.bytes.first_chunk() {
        layer = behind(layer, 13 + usize::from(*client_len) + usize::from(*value_len), Protocol::Ipv6)?;
    }
    if layer.bytes.starts_with(&[0, 0]) {
        layer = behind(layer, 8, Protocol::Ipv6)?;
    }
    Some(Layer { protocol: Protocol::Ipv6, ..layer })
}

/// draft-massar-v6ops-ayiya §4: lengths of identity (a power of two) and signature (in words), then the protocol.
fn ayiya(layer: Layer<'_>) -> Option<Layer<'_>> {
    let [lengths, signature, _, next] = *layer.bytes.first_chunk()?;
    let protocol = match next {
        protocol::IPV4 => Protocol::Ipv4,
        protocol::IPV6 => Protocol::Ipv6,
        _ => return None,
    };
    behind(layer, 8 + (1 << (lengths >> 4)) + usize::from(signature >> 4) * 4, protocol)
}

/// RFC 2661 §3.1: flags and version 2; length, tunnel, session, numbers and an offset as the flags say. Control messages
/// carry no packet.
fn l2tp(layer: Layer<'_>) -> Option<Layer<'_>> {
    const CONTROL: u16 = 0x8000;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;
    let flags = layer.u16_at(0)?;
    if flags & CONTROL != 0 || flags & 0x000f != 2 {
        return None;
    }
    let mut len = 6;
    if flags & LENGTH != 0 {
        len += 2;
    }
    if flags & SEQUENCE != 0 {
        len += 4;
    }
    if flags & OFFSET != 0 {
        len += 2 + usize::from(layer.u16_at(len)?);
    }
    behind(layer, len, Protocol::Ppp)
}

/// RFC 5415 §4.3: version 0 and no encryption; the header's length in words, where bit 9 of the second half says whether a
/// wireless frame follows, which is all that is read here; pieces are not put together.
fn capwap(layer: Layer<'_>) -> Option<Layer<'_>> {
    let [preamble, a, b, flags] = *layer.bytes.first_chunk()?;
    let wireless_binding = (b & 0x3e) >> 1 == 1;
    let (native, is_piece) = (b & 0x01 != 0, flags & 0x80 != 0);
    if preamble != 0 || is_piece || (native && !wireless_binding) {
        return None;
    }
    let protocol = if native { Protocol::Link(LinkType::IEEE802_11) } else { Protocol::Ethernet };
    behind(layer, usize::from(a >> 3) * 4, protocol)
}

fn behind(layer: Layer<'_>, len: usize, protocol: Protocol) -> Option<Layer<'_>> {
    layer.behind(len, protocol, Header::Link).ok()
}
