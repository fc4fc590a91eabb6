//! What may stand around a packet in a capture: tags, tunnels; and what may become of it: pieces, or only its beginning.

use std::io::Write;

use wire::Time;
use wire::build::TcpPacket;
use wire::capture::Interface;
use wire::link_type::LinkType;
use wire::pcapng::Writer;

/// Ethernet's types of IPv4 and IPv6.
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// Bytes kept of a packet that is cut: Ethernet, IPv6, TCP with its options.
const SNAP_LEN: usize = 14 + 40 + 60;

/// What stands around each packet of a conversation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wrapping {
    Plain,
    /// IEEE 802.1Q, and twice.
    Vlan,
    TwoVlans,
    /// RFC 2784.
    Gre,
    /// RFC 2003, RFC 2473.
    IpInIp,
    /// RFC 7348.
    Vxlan,
    /// Packets of IPv4 come in two pieces, the first one first or last.
    Pieces,
    /// Only the beginning was captured.
    Cut,
}

impl Wrapping {
    pub(super) const ALL: [Wrapping; 8] = [
        Wrapping::Plain,
        Wrapping::Vlan,
        Wrapping::TwoVlans,
        Wrapping::Gre,
        Wrapping::IpInIp,
        Wrapping::Vxlan,
        Wrapping::Pieces,
        Wrapping::Cut,
    ];
}

/// A capture of Ethernet.
pub(super) struct Capture<W: Write> {
    writer: Writer<W>,
    packets: u16,
}

impl<W: Write> Capture<W> {
    pub(super) fn new(out: W) -> Capture<W> {
        let interface = Interface::new("", LinkType::ETHERNET);
        Capture { writer: Writer::new(out, &[interface]).unwrap(), packets: 0 }
    }

    pub(super) fn finish(self) {
        self.writer.finish().unwrap();
    }

    /// Writes a packet with what stands around it.
    pub(super) fn packet(&mut self, time: Time, wrapping: Wrapping, packet: &TcpPacket<'_>) {
        self.packets = self.packets.wrapping_add(1);
        let mut ip = packet.to_bytes();
        let is_v4 = packet.source.is_ipv4();
        if is_v4 {
            ip[4..6].copy_from_slice(&self.packets.to_be_bytes());
        }
        let kind = if is_v4 { IPV4 } else { IPV6 };
        match wrapping {
            Wrapping::Pieces if is_v4 && ip.len() >= 40 + 8 => {
                let mut pieces = pieces(&ip);
                if self.packets.is_multiple_of(2) {
                    pieces.reverse();
                }
                pieces.iter().for_each(|piece| self.frame(time, ethernet(&[], IPV4, piece), usize::MAX));
            }
            Wrapping::Plain | Wrapping::Pieces => self.frame(time, ethernet(&[], kind, &ip), usize::MAX),
            Wrapping::Cut => self.frame(time, ethernet(&[], kind, &ip), SNAP_LEN),
            Wrapping::Vlan => {
                self.frame(time, ethernet(&[0x81, 0, 0, 7], kind, &ip), usize::MAX);
            }
            Wrapping::TwoVlans => {
                self.frame(time, ethernet(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8], kind, &ip), usize::MAX);
            }
            Wrapping::Gre => {
                let gre = [&[0, 0], &kind[..], &ip].concat();
                self.frame(time, ethernet(&[], IPV4, &outer(47, &gre)), usize::MAX);
            }
            Wrapping::IpInIp => {
                let protocol = if is_v4 { 4 } else { 41 };
                self.frame(time, ethernet(&[], IPV4, &outer(protocol, &ip)), usize::MAX);
            }
            Wrapping::Vxlan => {
                let inner = ethernet(&[], kind, &ip);
                let len = u16::try_from(8 + 8 + inner.len()).unwrap().to_be_bytes();
                let header = [[0xc0, 0], [0x12, 0xb5], len, [0, 0], [8, 0], [0, 0], [0, 0], [42, 0]].concat();
                self.frame(time, ethernet(&[], IPV4, &outer(17, &[header, inner].concat())), usize::MAX);
            }
        }
    }

    fn frame(&mut self, time: Time, mut bytes: Vec<u8>, kept: usize) {
        let wire_len = u32::try_from(bytes.len()).unwrap();
        bytes.truncate(kept);
        self.writer.packet(0, time, wire_len, &bytes, None).unwrap();
    }
}

fn ethernet(tags: &[u8], kind: [u8; 2], packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], tags, &kind, packet].concat()
}

/// An IPv4 packet that carries another protocol.
fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let header = [0x45, 0, len[0], len[1], 0, 0, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    [&header, payload].concat()
}

/// An IPv4 packet without options, cut behind the header of TCP or in it (RFC 791 §3.2).
fn pieces(packet: &[u8]) -> [Vec<u8>; 2] {
    let (header, payload) = packet.split_at(20);
    let (first, last) = payload.split_at(24);
    let piece = |payload: &[u8], place: [u8; 2]| {
        let mut piece = [header, payload].concat();
        let len = u16::try_from(piece.len()).unwrap();
        piece[2..4].copy_from_slice(&len.to_be_bytes());
        piece[6..8].copy_from_slice(&place);
        piece
    };
    [piece(first, [0x20, 0]), piece(last, [0, 3])]
}
