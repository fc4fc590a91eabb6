//! A socket of TCP, UDP or raw IP: struct inet_diag_msg and what follows it. Read first: linux/inet_diag.h.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::attributes::{attributes, memory, text};
use super::{AF_INET, AF_INET6, u16_at, u32_at, u64_at};
use crate::socket_row::{Details, Kind, Model, SocketRow, SocketState, Timer, TimerKind};
use crate::tcp_info::TcpInfo;

/// struct inet_diag_msg: four numbers of one byte, struct inet_diag_sockid, five numbers of four.
const MESSAGE_BYTES: usize = 72;

/// IP protocol numbers (RFC 790), and `IPPROTO_RAW` for raw sockets of all of them.
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const RAW: u8 = 255;

/// Attributes, by their numbers in linux/inet_diag.h.
mod number {
    pub(super) const INFO: u16 = 2;
    pub(super) const VEGAS: u16 = 3;
    pub(super) const CONGESTION: u16 = 4;
    pub(super) const TOS: u16 = 5;
    pub(super) const TRAFFIC_CLASS: u16 = 6;
    pub(super) const MEMORY: u16 = 7;
    pub(super) const SHUTDOWN: u16 = 8;
    pub(super) const DCTCP: u16 = 9;
    pub(super) const PROTOCOL: u16 = 10;
    pub(super) const V6_ONLY: u16 = 11;
    pub(super) const MARK: u16 = 15;
    pub(super) const BBR: u16 = 16;
    pub(super) const CLASS: u16 = 17;
    pub(super) const UPPER: u16 = 19;
    pub(super) const CGROUP: u16 = 21;
    pub(super) const OPTIONS: u16 = 22;
}

/// The row in such a message; none where it is too short to be one, or of another family.
pub fn inet_row(body: &[u8], protocol: u8) -> Option<SocketRow> {
    if body.len() < MESSAGE_BYTES {
        return None;
    }
    let interface = u32_at(body, 40)?;
    let end = |port: usize, host: usize| {
        let port = u16::from_be_bytes(*body.get(port..)?.first_chunk()?);
        let ip = match body[0] {
            AF_INET => IpAddr::V4(Ipv4Addr::from(*body.get(host..)?.first_chunk::<4>()?)),
            AF_INET6 => IpAddr::V6(Ipv6Addr::from(*body.get(host..)?.first_chunk::<16>()?)),
            _ => return None,
        };
        Some(match ip {
            // RFC 4007 §6: such an address means nothing without its interface.
            IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, interface).into(),
            _ => SocketAddr::new(ip, port),
        })
    };
    let mut row = SocketRow {
        kind: kind_of(protocol),
        state: SocketState(body[1]),
        local: end(4, 8)?.into(),
        remote: end(6, 24)?.into(),
        interface,
        cookie: u64::from(u32_at(body, 44)?) | u64::from(u32_at(body, 48)?) << 32,
        to_read_bytes: u32_at(body, 56)?,
        to_send_bytes: u32_at(body, 60)?,
        uid: u32_at(body, 64),
        inode: u32_at(body, 68)?.into(),
        timer: TimerKind::of(body[2]).map(|kind| Timer {
            kind,
            expires_ms: u32_at(body, 52).unwrap_or(0),
            retransmits: body[3],
        }),
        ..SocketRow::default()
    };
    for (number, value) in attributes(&body[MESSAGE_BYTES..]) {
        take(&mut row, number, value);
    }
    Some(row)
}

fn kind_of(protocol: u8) -> Kind {
    match protocol {
        UDP => Kind::Udp,
        RAW => Kind::Raw,
        _ => Kind::Tcp,
    }
}

fn take(row: &mut SocketRow, number: u16, value: &[u8]) {
    let byte = value.first().copied();
    match number {
        number::SHUTDOWN => row.shutdown = byte,
        number::V6_ONLY => row.v6_only = byte.map(|byte| byte != 0),
        number::MARK => row.mark = u32_at(value, 0),
        number::CGROUP => row.cgroup = u64_at(value, 0),
        // Also of sockets that are just dying, whose protocol was not asked for.
        number::PROTOCOL => row.kind = byte.map_or(row.kind, kind_of),
        number::OPTIONS => row.options = value.first_chunk().copied(),
        _ => detail(row, number, value),
    }
}

/// What was asked for, and so is worth its memory.
fn detail(row: &mut SocketRow, number: u16, value: &[u8]) {
    let details = row.details.get_or_insert_with(Box::<Details>::default);
    match number {
        number::INFO => details.tcp = Some(TcpInfo::decode(value)),
        number::CONGESTION => details.congestion = Some(text(value)),
        number::TOS => details.tos = value.first().copied(),
        number::TRAFFIC_CLASS => details.traffic_class = value.first().copied(),
        number::CLASS => details.class_id = u32_at(value, 0),
        number::MEMORY => {
            let memory = memory(value);
            row.drops = memory.drops.map(u64::from);
            details.memory = Some(memory);
        }
        number::VEGAS => details.model = vegas(value),
        number::DCTCP => details.model = dctcp(value),
        number::BBR => details.model = bbr(value),
        // Its first attribute is the name.
        number::UPPER => {
            details.upper = attributes(value).find(|(number, _)| *number == 1).map(|(_, name)| text(name));
        }
        _ => {}
    }
}

fn vegas(value: &[u8]) -> Option<Model> {
    Some(Model::Vegas {
        enabled: u32_at(value, 0)? != 0,
        rtt_count: u32_at(value, 4)?,
        rtt_us: u32_at(value, 8)?,
        min_rtt_us: u32_at(value, 12)?,
    })
}

fn dctcp(value: &[u8]) -> Option<Model> {
    Some(Model::Dctcp {
        enabled: u16_at(value, 0)? != 0,
        ce_state: u16_at(value, 2)?,
        alpha: u32_at(value, 4)?,
        ab_ecn: u32_at(value, 8)?,
        ab_tot: u32_at(value, 12)?,
    })
}

fn bbr(value: &[u8]) -> Option<Model> {
    Some(Model::Bbr {
        bandwidth_bytes_per_s: u64::from(u32_at(value, 0)?) | u64::from(u32_at(value, 4)?) << 32,
        min_rtt_us: u32_at(value, 8)?,
        pacing_gain: u32_at(value, 12)?,
        cwnd_gain: u32_at(value, 16)?,
    })
}
