//! Requests, as bytes to send. Read first: sock_diag(7), netlink(7).

use std::net::{IpAddr, SocketAddr};

use super::inet::{RAW, TCP, UDP};
use super::{AF_INET, AF_INET6, AF_PACKET, AF_UNIX, BY_FAMILY, DESTROY, TCP_OF_BOTH_FAMILIES};
use crate::socket_row::{Kind, SocketRow, States};

/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_DUMP`: netlink(7).
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;

/// `UDIAG_SHOW_NAME`, `_VFS`, `_PEER`, `_RQLEN`, `_MEMINFO`, `_UID`: linux/unix_diag.h.
const UNIX_NAME: u32 = 1 << 0;
const UNIX_FILE: u32 = 1 << 1;
const UNIX_PEER: u32 = 1 << 2;
const UNIX_QUEUES: u32 = 1 << 4;
const UNIX_MEMORY: u32 = 1 << 5;
const UNIX_USER: u32 = 1 << 6;

/// `PACKET_SHOW_INFO`, `_MEMINFO`: linux/packet_diag.h.
const PACKET_INFO: u32 = 1 << 0;
const PACKET_MEMORY: u32 = 1 << 4;

/// `INET_DIAG_REQ_BYTECODE`, `INET_DIAG_BC_S_GE`, `INET_DIAG_BC_S_LE`: linux/inet_diag.h.
const ATTRIBUTE_PROGRAM: u16 = 1;
const SOURCE_AT_LEAST: u8 = 2;
const SOURCE_AT_MOST: u8 = 3;

/// What is wanted beside the row itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Everything that TCP knows: `INET_DIAG_INFO`, the congestion control and what that says of itself.
    pub tcp: bool,
    /// Memory, and with it the datagrams dropped.
    pub memory: bool,
    /// Type of service and class.
    pub service: bool,
    /// Files of Unix sockets.
    pub files: bool,
}

impl Extensions {
    /// Bit N-1 asks for the attribute of number N.
    fn of_inet(self) -> u8 {
        let bit = |number: u16, wanted: bool| u8::from(wanted) << (number - 1);
        let tcp = bit(2, self.tcp) | bit(3, self.tcp) | bit(4, self.tcp);
        tcp | bit(5, self.service) | bit(6, self.service) | bit(7, self.memory)
    }
}

/// Asks for all sockets of one family (`ipv6` or not) that speak TCP, UDP or raw IP and are in one of these states.
pub fn dump_inet(kind: Kind, ipv6: bool, states: States, extensions: Extensions, sequence: u32) -> Vec<u8> {
    // struct inet_diag_req_v2: family, protocol, extensions, a hole, states, struct inet_diag_sockid of nothing.
    let mut body = vec![if ipv6 { AF_INET6 } else { AF_INET }, protocol_of(kind), extensions.of_inet(), 0];
    body.extend(states.0.to_ne_bytes());
    body.extend([0; 48]);
    message(BY_FAMILY, REQUEST | DUMP, sequence, &body)
}

/// Asks for all sockets of TCP, over IPv4 and IPv6 at once. The older form of the request does not name the family, and so
/// the kernel goes through its table once instead of twice.
pub fn dump_inet_both(states: States, extensions: Extensions, sequence: u32) -> Vec<u8> {
    // struct inet_diag_req: family, two lengths of no use, extensions, struct inet_diag_sockid, states, a word of no use.
    let mut body = vec![AF_INET, 0, 0, extensions.of_inet()];
    body.extend([0; 48]);
    body.extend(states.0.to_ne_bytes());
    body.extend([0; 4]);
    message(TCP_OF_BOTH_FAMILIES, REQUEST | DUMP, sequence, &body)
}

/// Asks for the sockets of one family that speak TCP or UDP, are in one of these states and have this port as their own. The
/// kernel looks at all of them, and answers with few.
pub fn dump_inet_at_port(kind: Kind, ipv6: bool, states: States, port: u16, sequence: u32) -> Vec<u8> {
    let mut body = vec![if ipv6 { AF_INET6 } else { AF_INET }, protocol_of(kind), 0, 0];
    body.extend(states.0.to_ne_bytes());
    body.extend([0; 48]);
    // struct nlattr, then a program of two steps (inet_diag_bc_run in net/ipv4/inet_diag.c): each is its code, how far to go
    // on where it holds, and where it does not; its port follows in a step of its own. Going on to the very end accepts,
    // going beyond it refuses.
    let step = |code: u8, otherwise: u16| {
        let [low, high] = otherwise.to_ne_bytes();
        let [port_low, port_high] = port.to_ne_bytes();
        [code, 8, low, high, 0, 0, port_low, port_high]
    };
    let program = [step(SOURCE_AT_LEAST, 20), step(SOURCE_AT_MOST, 12)];
    body.extend(20_u16.to_ne_bytes());
    body.extend(ATTRIBUTE_PROGRAM.to_ne_bytes());
    body.extend(program.as_flattened());
    message(BY_FAMILY, REQUEST | DUMP, sequence, &body)
}

/// Asks for all Unix sockets in one of these states.
pub fn dump_unix(states: States, extensions: Extensions, sequence: u32) -> Vec<u8> {
    let show = |bit: u32, wanted: bool| if wanted { bit } else { 0 };
    let always = UNIX_NAME | UNIX_PEER | UNIX_QUEUES | UNIX_USER;
    let shown = always | show(UNIX_FILE, extensions.files) | show(UNIX_MEMORY, extensions.memory);
    // struct unix_diag_req: family, protocol, a hole, states, inode, what to show, cookie.
    let mut body = vec![AF_UNIX, 0, 0, 0];
    for word in [states.0, 0, shown, 0, 0] {
        body.extend(word.to_ne_bytes());
    }
    message(BY_FAMILY, REQUEST | DUMP, sequence, &body)
}

/// Asks for all packet sockets.
pub fn dump_packet(sequence: u32) -> Vec<u8> {
    // struct packet_diag_req: family, protocol, a hole, inode, what to show, cookie.
    let mut body = vec![AF_PACKET, 0, 0, 0];
    for word in [0, PACKET_INFO | PACKET_MEMORY, 0, 0] {
        body.extend(u32::to_ne_bytes(word));
    }
    message(BY_FAMILY, REQUEST | DUMP, sequence, &body)
}

/// Asks the kernel to end a socket of TCP or UDP, as though its program had aborted it. None for others.
pub fn destroy_inet(row: &SocketRow, sequence: u32) -> Option<Vec<u8>> {
    let (local, remote) = (row.local.internet()?, row.remote.internet()?);
    let family = if local.is_ipv6() { AF_INET6 } else { AF_INET };
    let mut body = vec![family, protocol_of(row.kind), 0, 0];
    body.extend(States::of(row.state).0.to_ne_bytes());
    // struct inet_diag_sockid: ports, addresses, interface, cookie.
    body.extend(local.port().to_be_bytes());
    body.extend(remote.port().to_be_bytes());
    body.extend(sixteen(local));
    body.extend(sixteen(remote));
    body.extend(row.interface.to_ne_bytes());
    // Low word first, whatever the byte order of the machine.
    let [low, high] = [row.cookie & 0xffff_ffff, row.cookie >> 32];
    for word in [low, high] {
        body.extend(u32::try_from(word).unwrap_or(0).to_ne_bytes());
    }
    Some(message(DESTROY, REQUEST | ACK, sequence, &body))
}

/// An address in the room of an IPv6 one.
fn sixteen(address: SocketAddr) -> [u8; 16] {
    match address.ip() {
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&v4.octets());
            bytes
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn protocol_of(kind: Kind) -> u8 {
    match kind {
        Kind::Udp => UDP,
        Kind::Raw => RAW,
        _ => TCP,
    }
}

pub(super) fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(super::HEADER_BYTES + body.len()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(super::HEADER_BYTES + body.len());
    bytes.extend(len.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}
