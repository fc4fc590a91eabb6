//! Sockets at a port: those that keep an address from being had, and those that are there instead of the one that was
//! called.

use std::net::SocketAddr;

use explain::evidence::{Asked, Found, Sockets};
use explain::reach::Reach;
use kernel::sockets::Sockets as Tables;
use wire::Transport;
use wire::socket_row::{Kind, SocketRow, SocketState, States};

use super::named;

/// Every state, with that of sockets that are bound only.
const EVERY_STATE: States = States(States::ALL.0 | 1 << SocketState::BOUND_INACTIVE.0);

/// The sockets that overlap an address that could not be had.
pub(super) fn in_the_way(transport: Transport, asked: SocketAddr, how: &Asked) -> Option<Sockets> {
    let wanted = Reach::of(asked.ip(), Some(how.v6_only));
    at(kind_of(transport), asked.port(), EVERY_STATE, |row| {
        let reach = Reach::of_row(row)?;
        let is_by_another_interface =
            how.interface != 0 && row.interface != 0 && how.interface != row.interface;
        (reach.overlaps(wanted) && !is_by_another_interface).then_some(reach == wanted)
    })
    .map(named)
}

/// The sockets at and around a port that refused.
pub(super) fn around(transport: Transport, asked: SocketAddr) -> Found {
    let is_here = is_here(asked);
    if is_here == Some(false) {
        return Found { is_here, ..Found::default() };
    }
    let (kind, port) = (kind_of(transport), asked.port());
    let other_kind = if kind == Kind::Tcp { Kind::Udp } else { Kind::Tcp };
    let takes_it = |row: &SocketRow| Some(Reach::of_row(row)?.has(asked.ip()));
    let waiting = |kind, port| at(kind, port, States::WAITING, takes_it).map(named);
    let sockets = at(kind, port, EVERY_STATE, takes_it).map(named);
    if sockets.as_ref().is_some_and(|sockets| sockets.open.count > 0) {
        return Found { is_here, sockets, ..Found::default() };
    }
    let is_another_port = port.swap_bytes() != port;
    Found {
        is_here,
        sockets,
        other_transport: waiting(other_kind, port),
        swapped_port: is_another_port.then(|| waiting(kind, port.swap_bytes())).flatten(),
        ..Found::default()
    }
}

/// Those at a port for which `is_nearest` has an answer; the nearest are kept before others.
fn at(
    kind: Kind,
    port: u16,
    states: States,
    is_nearest: impl Fn(&SocketRow) -> Option<bool>,
) -> Option<Sockets> {
    let mut tables = Tables::open(None).ok()?;
    let mut sockets = Sockets::default();
    let each = |row: SocketRow| {
        if let Some(is_nearest) = is_nearest(&row) {
            sockets.see(row, is_nearest);
        }
    };
    tables.at_port(kind, states, port, each).ok()?;
    Some(sockets)
}

/// Whether an address is one of this machine; none where that could not be asked.
fn is_here(asked: SocketAddr) -> Option<bool> {
    let ip = asked.ip().to_canonical();
    if ip.is_loopback() || ip.is_unspecified() {
        return Some(true);
    }
    let interfaces = kernel::interfaces::all().ok()?;
    let mut addresses = interfaces.iter().flat_map(|interface| &interface.addresses);
    Some(addresses.any(|own| own.address == ip))
}

/// The index of an interface.
pub(super) fn interface(name: &str) -> Option<u32> {
    Tables::open(None).ok()?.interface_index(name)
}

/// ip(7): net.ipv4.ip_local_port_range, which IPv6 uses too.
pub(super) fn ephemeral() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn kind_of(transport: Transport) -> Kind {
    match transport {
        Transport::Udp => Kind::Udp,
        _ => Kind::Tcp,
    }
}
