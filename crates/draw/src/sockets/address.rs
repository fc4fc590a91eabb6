//! An end of a socket as ss(8) writes it: `127.0.0.1:80`, `[::1]:80`, `*:80`, `0.0.0.0:*`, `/run/x 4711`, `ip:eth0`.

use std::fmt::Write as _;
use std::net::IpAddr;

use wire::socket_row::SocketRow;
use wire::{Address, visible};

use super::Surroundings;

/// Which end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Local,
    Remote,
}

/// Both ends of a socket in words, its own first.
pub fn end(row: &SocketRow, ascii: bool, around: &dyn Surroundings) -> [String; 2] {
    [Side::Local, Side::Remote].map(|side| {
        let mut out = String::new();
        write(&mut out, row, side, ascii, around);
        out
    })
}

pub(super) fn write(out: &mut String, row: &SocketRow, side: Side, ascii: bool, around: &dyn Surroundings) {
    let address = match side {
        Side::Local => &row.local,
        Side::Remote => &row.remote,
    };
    match address {
        Address::Internet(address) => {
            let any_v6 =
                matches!(address.ip(), IpAddr::V6(ip) if ip.is_unspecified()) && row.v6_only != Some(true);
            let _ = match address.ip() {
                _ if any_v6 => out.write_str("*"),
                IpAddr::V4(ip) => write!(out, "{ip}"),
                IpAddr::V6(ip) => write!(out, "[{ip}]"),
            };
            if side == Side::Local {
                interface(out, row, around);
            }
            port(out, row, address.port(), around);
        }
        _ if row.kind.is_packet() => packet(out, row, side, around),
        _ => unix(out, row, side, ascii, around),
    }
}

fn interface(out: &mut String, row: &SocketRow, around: &dyn Surroundings) {
    if row.interface != 0 {
        let _ = write!(out, "%{}", interface_name(row.interface, around));
    }
}

/// Strangers choose these too: only blanks, `/` and `:` are forbidden in them (dev_valid_name in net/core/dev.c).
pub(super) fn interface_name(index: u32, around: &dyn Surroundings) -> String {
    let name = around.interface(index);
    name.map_or_else(|| format!("if{index}"), |name| visible(&name, true).into_owned())
}

fn port(out: &mut String, row: &SocketRow, port: u16, around: &dyn Surroundings) {
    let _ = match port {
        0 => out.write_str(":*"),
        _ => match around.service(row, port) {
            Some(name) => write!(out, ":{}", visible(&name, true)),
            None => write!(out, ":{port}"),
        },
    };
}

fn packet(out: &mut String, row: &SocketRow, side: Side, around: &dyn Surroundings) {
    if side == Side::Remote {
        out.push('*');
        return;
    }
    let _ = match row.ether_type {
        0 => out.write_str("[0]"),
        // ETH_P_ALL: packet(7).
        3 => out.write_str("*"),
        0x0800 => out.write_str("ip"),
        0x0806 => out.write_str("arp"),
        0x86dd => out.write_str("ipv6"),
        other => write!(out, "[{other}]"),
    };
    out.push(':');
    match row.interface {
        0 => out.push('*'),
        index => out.push_str(&interface_name(index, around)),
    }
}

/// A name, or `*` for none, and the inode behind a blank.
fn unix(out: &mut String, row: &SocketRow, side: Side, ascii: bool, around: &dyn Surroundings) {
    let (name, inode) = match side {
        Side::Local => (Some(&row.local), row.inode),
        Side::Remote => (row.peer_inode.and_then(|peer| around.peer_name(peer)), row.peer_inode.unwrap_or(0)),
    };
    let _ = match name {
        Some(Address::Path(path)) => write!(out, "{}", visible(&path.to_string_lossy(), ascii)),
        Some(Address::Abstract(name)) => write!(out, "@{}", abstract_name(name, ascii)),
        _ => out.write_str("*"),
    };
    let _ = write!(out, " {inode}");
}

/// Each NUL inside as an `@`, as everybody shows them.
fn abstract_name(name: &[u8], ascii: bool) -> String {
    visible(&String::from_utf8_lossy(name).replace('\0', "@"), ascii).into_owned()
}
