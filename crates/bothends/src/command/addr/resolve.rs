//! `addr resolve`: a name's addresses in getaddrinfo's order, and with `--why` the rule of RFC 6724 behind it.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use ends::dial::resolve;
use ends::source_address::source_for;
use kernel::interfaces::{self, Interface};
use wire::address_selection::{Destination, Policy, Source};

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
precedences, and the rule of RFC 6724 §6 that puts one before the next. /etc/gai.conf is heeded. No packet is sent but the \
resolver's."
)]
pub(super) struct Flags {
    /// The name.
    #[arg(value_name = "NAME", help = "The name, or an address.")]
    name: String,
    /// Reasons.
    #[arg(long, help = "Show why they are in this order.")]
    why: bool,
    /// Families.
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
    if out.json {
        for (at, one) in destinations.iter().enumerate() {
            out.record(&record::address::resolved(&flags.name, at, one, destinations.get(at + 1), &policy));
        }
    } else if flags.why {
        out.print(&draw::address::selection::why(&destinations, &policy, &out.stdout));
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
