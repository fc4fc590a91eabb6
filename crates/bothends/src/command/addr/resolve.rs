//! `addr resolve`: a name's addresses in getaddrinfo's order, and with `--why` the rule of RFC 6724 behind it.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use draw::address::selection::{self, Way};
use ends::dial::resolve;
use ends::source_address::source_for;
use kernel::interfaces::{self, Interface};
use kernel::route;
use wire::address_selection::{Candidate, Destination, Outward, Policy, Source};

use crate::cli::Families;
use crate::exit::Exit;
use crate::out::Out;
use crate::record;

/// What `addr resolve` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Look a name up: its addresses in the order in which they are tried, and why.",
    long_about = "Look a name up: its addresses in the order in which they are tried, and why.

Examples:
  bothends addr resolve example.org
  bothends addr resolve localhost --why     and the rules behind the order
  bothends addr resolve example.org -4 --json

The order is the system's own (getaddrinfo). --why shows the address that each would be called from, scopes, labels and \
precedences, the rule of RFC 6724 §6 that puts one before the next, and the rules of §5 that put the address it is called from \
before the others of this machine. /etc/gai.conf is heeded. No packet is sent but the resolver's."
)]
pub(super) struct Flags {
    #[arg(value_name = "NAME", help = "The name, or an address.")]
    name: String,
    #[arg(long, help = "Show why they are in this order.")]
    why: bool,
    #[command(flatten)]
    families: Families,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let found = match resolve(&flags.name, 0, flags.families.family()) {
        Ok(found) => found,
        Err(fault) => return out.fault(&fault),
    };
    let interfaces = interfaces::all().unwrap_or_default();
    let destinations: Vec<Destination> =
        found.iter().map(|address| destination(*address, &interfaces)).collect();
    let policy = policy();
    let ways: Vec<Way> = destinations.iter().map(|one| way(one, &interfaces)).collect();
    if out.json {
        for (at, (one, way)) in destinations.iter().zip(&ways).enumerate() {
            let next = destinations.get(at + 1);
            out.record(&record::address::resolved(&flags.name, at, one, way, next, &policy));
        }
    } else if flags.why {
        out.print(&selection::why(&destinations, &policy, &out.stdout));
        if destinations.iter().any(|one| one.source.is_some()) {
            out.print(&format!("\n{}", selection::sources(&ways, &out.stdout)));
        }
    } else {
        destinations.iter().for_each(|one| out.print(&format!("{}\n", one.address)));
    }
    out.finish(Exit::Ok)
}

/// The table in force: the C library's, with what /etc/gai.conf says. musl has RFC 6724's.
fn policy() -> Policy {
    match cfg!(target_env = "gnu") {
        true => Policy::glibc().with_gai_conf(&std::fs::read_to_string("/etc/gai.conf").unwrap_or_default()),
        false => Policy::rfc_6724(),
    }
}

fn destination(address: SocketAddr, interfaces: &[Interface]) -> Destination {
    let source = source_for(address).ok().map(|source| described(source, interfaces));
    Destination { address: address.ip(), source }
}

/// The way there, and our addresses that came into question as its source.
fn way(destination: &Destination, interfaces: &[Interface]) -> Way {
    let route = route::to(destination.address).unwrap_or_default();
    let interface = route.interface.and_then(|index| interfaces.iter().find(|one| one.index == index));
    let outward = Outward {
        destination: destination.address,
        interface: route.interface,
        prefers_temporary: interface.is_some_and(|interface| prefers_temporary(&interface.name)),
        policy: Policy::linux(),
    };
    let all: Vec<Candidate> = interfaces.iter().flat_map(candidates).collect();
    Way {
        source: destination.source.map(|source| source.address),
        interface: interface.map(|interface| interface.name.clone()),
        gateway: route.gateway,
        candidates: outward.candidates(&all).copied().collect(),
        outward,
    }
}

/// Addresses that nobody else has, of interfaces that are up.
fn candidates(interface: &Interface) -> impl Iterator<Item = Candidate> {
    let usable = interface.addresses.iter().filter(|one| interface.is_up && !one.is_tentative);
    usable.map(|one| Candidate {
        address: one.address,
        prefix: one.prefix,
        interface: interface.index,
        is_deprecated: one.is_deprecated,
        is_home: one.is_home,
        is_temporary: one.is_secondary && one.address.is_ipv6(),
    })
}

/// ip-sysctl, `net.ipv6.conf.*.use_tempaddr`: 2 is for temporary addresses before others.
fn prefers_temporary(interface: &str) -> bool {
    let value = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{interface}/use_tempaddr"));
    value.ok().and_then(|text| text.trim().parse::<i32>().ok()).is_some_and(|value| value >= 2)
}

/// A source address with what its interface says of it.
fn described(address: IpAddr, interfaces: &[Interface]) -> Source {
    let all = interfaces.iter().flat_map(|interface| &interface.addresses);
    let most = if address.is_ipv4() { 32 } else { 128 };
    match all.into_iter().find(|one| one.address == address) {
        Some(one) => Source {
            is_deprecated: one.is_deprecated,
            is_home: one.is_home,
            ..Source::new(address, one.prefix)
        },
        None => Source::new(address, most),
    }
}
