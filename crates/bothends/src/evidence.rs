//! What is there, where `serve`, `listen` or `connect` fails: gathered for the rules of `explain` from the kernel's
//! tables of sockets and from /proc. What cannot be had is left out and costs no more than that; each look is bounded,
//! and only what the fault is about is asked for.

mod files;
mod port;
mod unix;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ends::listen::{At, Options, Place};
use explain::errno::{EADDRINUSE, ECONNREFUSED, EMFILE, ENFILE, ETIMEDOUT};
use explain::evidence::{Asked, Found, Sight, Sockets, place};
use explain::reach::Reach;
use kernel::owners::Owners;
use wire::{Address, Cause, Doing, Fault, Transport};

use crate::users;

pub use files::descriptors;

/// So long at most the processes are looked through for who has a socket.
const PATIENCE: Duration = Duration::from_millis(300);

/// What is there where a place could not be had; the other places are those of the same command.
pub fn of_places(fault: &Fault, places: &[Place]) -> Found {
    let is_it = |place: &&Place| in_full(&place.at).contains(&fault.at);
    match places.iter().find(is_it) {
        Some(failed) => {
            let beside = places.iter().filter(|place| !is_it(place));
            let beside = beside.filter(|place| overlap(&place.at, &failed.at));
            let beside = beside.flat_map(|place| in_full(&place.at)).next();
            of(fault, Asked { beside, ..asked(failed) }, Some(failed))
        }
        None => of(fault, Asked::default(), None),
    }
}

/// What is there where a call failed.
pub fn of_call(fault: &Fault) -> Found {
    let own = match place(&fault.at).filter(|_| fault.doing == Doing::Bind) {
        Some((Transport::Tcp, Address::Internet(own))) if own.is_ipv6() && own.ip().is_unspecified() => {
            Some(Place::new(At::EveryInterface(Transport::Tcp, own.port())))
        }
        Some((Transport::Tcp, Address::Internet(own))) => Some(Place::tcp(own)),
        _ => None,
    };
    let asked = own.as_ref().map(asked).unwrap_or_default();
    of(fault, asked, own.as_ref())
}

fn of(fault: &Fault, asked: Asked, place: Option<&Place>) -> Found {
    match (fault.raw_errno(), fault.doing) {
        (Some(EADDRINUSE), Doing::Bind | Doing::Listen) => in_use(fault, asked, place),
        (Some(ECONNREFUSED), Doing::Connect) => refused(fault),
        (Some(ETIMEDOUT), Doing::Connect) => silent(fault),
        (None, Doing::Connect) if fault.cause == Cause::TimedOut => silent(fault),
        (Some(EMFILE), _) => Found { descriptors: descriptors(), ..Found::default() },
        (Some(ENFILE), _) => Found { system_files: files::of_the_system(), ..Found::default() },
        _ => Found::default(),
    }
}

fn in_use(fault: &Fault, asked: Asked, place: Option<&Place>) -> Found {
    match self::place(&fault.at) {
        Some((transport, Address::Internet(address))) => {
            let sockets = port::in_the_way(transport, address, &asked);
            let found = Found { asked, ephemeral_ports: port::ephemeral(), sockets, ..Found::default() };
            let may_be_free = found.sockets.as_ref().is_some_and(|sockets| sockets.open.count == 0);
            match place.filter(|_| may_be_free) {
                Some(place) => tried_again(found, place),
                None => found,
            }
        }
        Some((transport, name)) => {
            let (file, sockets) = unix::at(transport, &name, unix::Links::Themselves);
            Found { asked, file, sockets, ..Found::default() }
        }
        None => Found { asked, ..Found::default() },
    }
}

/// Whether it can be had now, as it was asked for and with `SO_REUSEADDR`.
fn tried_again(found: Found, place: &Place) -> Found {
    let is_free_now = ends::listen::can_be_had(place);
    let with_reuse =
        Place { at: place.at.clone(), options: Options { reuse_address: true, ..place.options.clone() } };
    let is_free_with_reuse = match place.options.reuse_address {
        true => is_free_now,
        false => ends::listen::can_be_had(&with_reuse),
    };
    Found { is_free_now, is_free_with_reuse, ..found }
}

fn refused(fault: &Fault) -> Found {
    match place(&fault.at) {
        Some((transport, Address::Internet(address))) => port::around(transport, address),
        Some((transport, name)) => {
            let (file, sockets) = unix::at(transport, &name, unix::Links::Followed);
            Found { file, sockets, ..Found::default() }
        }
        None => Found::default(),
    }
}

/// Of a server on this machine its queue can be seen.
fn silent(fault: &Fault) -> Found {
    let Found { is_here, sockets, file, .. } = refused(fault);
    Found { is_here, sockets, file, ..Found::default() }
}

/// Fills in who has the sockets that are kept.
fn named(mut sockets: Sockets) -> Sockets {
    sockets.own_uid = Some(rustix::process::geteuid().as_raw());
    let inodes = sockets.inodes();
    let owners = match inodes.is_empty() {
        true => None,
        false => Owners::of_these(&inodes, PATIENCE).ok(),
    };
    sockets.sight = match &owners {
        Some(owners) if owners.is_cut_short() => Sight::Cut,
        Some(owners) if owners.hidden_processes() > 0 => Sight::Partial,
        Some(_) => Sight::Whole,
        None => Sight::Cut,
    };
    let users = users::names();
    sockets.name(
        |inode| owners.as_ref().map(|owners| owners.of(inode).to_vec()).unwrap_or_default(),
        |uid| users.get(&uid).cloned(),
    );
    sockets
}

fn asked(place: &Place) -> Asked {
    let options = &place.options;
    let has_connections =
        !matches!(place.at, At::Address(Transport::Udp, _) | At::EveryInterface(Transport::Udp, _));
    let joins = !options.socket.multicast.join.is_empty();
    Asked {
        // As `ends::listen` sets it.
        reuse_address: options.reuse_address && (has_connections || joins),
        reuse_port: options.reuse_port,
        v6_only: matches!(place.at, At::Address(..)),
        interface: options.socket.device.as_deref().and_then(port::interface).unwrap_or(0),
        beside: None,
    }
}

/// What carries what comes at a place, and the addresses that it may have: where there is no IPv6, every interface is
/// IPv4's. None of what this process was started with.
pub fn addresses_of(at: &At) -> Vec<(Transport, Address)> {
    match at {
        At::Address(transport, address) => vec![(*transport, (*address).into())],
        At::EveryInterface(transport, port) => {
            let every: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
            every.map(|ip| (*transport, SocketAddr::new(ip, *port).into())).into()
        }
        At::Unix(transport, address) => vec![(*transport, address.clone())],
        At::Inherited(_) => Vec::new(),
    }
}

fn in_full(at: &At) -> Vec<String> {
    addresses_of(at).into_iter().map(|(transport, address)| address.in_full(transport)).collect()
}

/// Whether two places of one command cannot both be had.
fn overlap(one: &At, other: &At) -> bool {
    let reach = |at: &At| match at {
        At::Address(transport, address) => {
            Some((*transport, address.port(), Reach::of(address.ip(), Some(true))))
        }
        At::EveryInterface(transport, port) => Some((*transport, *port, Reach::Every)),
        At::Unix(..) | At::Inherited(_) => None,
    };
    match (reach(one), reach(other)) {
        (Some((transport, port, reach)), Some((other_transport, other_port, other_reach))) => {
            transport == other_transport && port == other_port && port != 0 && reach.overlaps(other_reach)
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests;
