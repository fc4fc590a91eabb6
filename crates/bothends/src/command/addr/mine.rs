//! `addr mine`: the addresses of this machine, by interface.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;
use draw::grid::Grid;
use ends::source_address::source_for;
use kernel::interfaces::{self, Interface, InterfaceAddress};
use wire::special_purpose::kind;
use wire::{Doing, End, Fault};

use crate::exit::Exit;
use crate::out::Out;
use crate::record;

/// What `addr mine` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Show the addresses of this machine, and from which it calls the Internet.",
    long_about = "Show the addresses of this machine, and from which it calls the Internet.

Examples:
  bothends addr mine
  bothends addr mine --json | jq -r .addresses[].address

What `ifconfig` and `ip addr` show of addresses. Nothing is sent."
)]
pub(super) struct Flags {}

pub(super) fn run(out: &Out) -> Exit {
    let interfaces = match interfaces::all() {
        Ok(interfaces) => interfaces,
        Err(errno) => return out.fault(&Fault::errno(End::Us, Doing::Socket, "netlink", errno)),
    };
    if out.json {
        interfaces.iter().for_each(|interface| out.record(&record::address::interface(interface)));
        return out.finish(Exit::Ok);
    }
    let mut grid = Grid::new(&["interface", "address", "is"]);
    for interface in &interfaces {
        // Whoever may make interfaces names them, with any bytes but blanks, `/` and `:`.
        let name = wire::visible(&interface.name, out.stdout.ascii).into_owned();
        grid.row([name, mac(interface), state(interface)]);
        for one in &interface.addresses {
            grid.row([String::new(), format!("{}/{}", one.address, one.prefix), what(one)]);
        }
    }
    out.print(&grid.draw(&out.stdout));
    out.print("\n");
    for (family, source) in outward() {
        out.print(&match source {
            Some(source) => format!("{family}: the Internet is called from {source}\n"),
            None => format!("{family}: there is no way to the Internet\n"),
        });
    }
    out.finish(Exit::Ok)
}

/// The source address of what leaves for the Internet: asked with the addresses of a.root-servers.net, which are global ones
/// and stay. Addresses that are nobody's (RFC 5737) will not do: who plays with them has them on an interface.
fn outward() -> [(&'static str, Option<String>); 2] {
    let from = |address: SocketAddr| source_for(address).ok().map(|source| source.to_string());
    let four = SocketAddr::new(Ipv4Addr::new(198, 41, 0, 4).into(), 9);
    let six = SocketAddr::new(Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30).into(), 9);
    [("IPv4", from(four)), ("IPv6", from(six))]
}

fn state(interface: &Interface) -> String {
    let mut words = vec![match (interface.is_up, interface.is_running) {
        (true, true) => "up".to_owned(),
        (true, false) => "up, without a carrier".to_owned(),
        (false, _) => "down".to_owned(),
    }];
    words.extend(interface.mtu.map(|mtu| format!("mtu {mtu}")));
    words.extend(interface.is_point_to_point.then(|| "one other end".to_owned()));
    words.join(", ")
}

/// Loopback's is all zeros, and shown as none.
fn mac(interface: &Interface) -> String {
    let mac = interface.mac.as_ref().filter(|mac| mac.iter().any(|byte| *byte != 0));
    mac.map_or_else(String::new, |mac| wire::notation::spelling::hex(mac, ":"))
}

fn what(one: &InterfaceAddress) -> String {
    let mut words = vec![kind(one.address).name.to_owned()];
    words.extend(one.peer.map(|peer| format!("peer {peer}")));
    words.extend(one.broadcast.map(|broadcast| format!("broadcast {broadcast}")));
    words.extend(one.is_deprecated.then(|| "deprecated".to_owned()));
    words.extend(one.is_tentative.then(|| "tentative".to_owned()));
    words.extend(one.valid_s.map(|seconds| format!("valid {seconds} s")));
    words.join(", ")
}

/// What an unspecified address stands for: the addresses that can be called, of one family or both.
pub(super) fn for_listening(only_four: bool) -> Vec<String> {
    let interfaces = interfaces::all().unwrap_or_default();
    let all = interfaces.iter().flat_map(|interface| &interface.addresses);
    all.filter(|one| one.address.is_ipv4() || !only_four).map(|one| one.address.to_string()).collect()
}
