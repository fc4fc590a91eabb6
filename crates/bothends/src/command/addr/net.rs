//! `addr net`: a network, its parts, what is in it, and the fewest networks for many.

use std::net::{IpAddr, Ipv4Addr};

use clap::Args;
use wire::byte_order::Order;
use wire::endpoint::EndpointError;
use wire::network::{Network, range, summarised};
use wire::notation::{self, Length, Reading, WrittenNetwork};

use super::input::{self, Wrongs};
use super::{endpoints, wrong};
use crate::exit::Exit;
use crate::out::Out;
use crate::record;

/// What `addr net` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Show a network: its bounds, masks and parts; or add networks up.",
    long_about = "Show a network: its bounds, masks and parts; or add networks up.

Examples:
  bothends addr net 192.0.2.64/26                  or 192.0.2.64/255.255.255.192
  bothends addr net 10.0.0.0 255.255.255.0         the same, in two words
  bothends addr net 10.0.0.0/22 --split 24         its parts
  bothends addr net 10.0.0.0/8 --contains 10.9.9.9 exit 0 if it is in it, else 1
  bothends addr net 192.0.2.0/30 --list            every address
  bothends addr net 10.0.0.0/8 --without 10.1.0.0/16
  bothends addr net 10.0.0.1-10.0.0.20             a range, as networks
  bothends addr net --summarise < networks         the fewest for the same

A network may be written with an address that is in it; that is told."
)]
pub(super) struct Flags {
    #[arg(value_name = "NETWORK", help = "Networks, addresses or ranges; - is standard input, one a line.")]
    words: Vec<String>,
    #[arg(
        long,
        value_name = "LENGTH",
        group = "what",
        help = "Print its parts with a prefix of so many bits."
    )]
    split: Option<u8>,
    #[arg(
        long,
        value_name = "X",
        group = "what",
        help = "Say whether an address or a network is in it; exit 1 if not."
    )]
    contains: Option<String>,
    #[arg(long, group = "what", help = "Print every address of it.")]
    list: bool,
    #[arg(
        long,
        value_name = "X",
        group = "what",
        help = "Print what is left of it without another network."
    )]
    without: Option<String>,
    #[arg(
        long,
        alias = "summarize",
        group = "what",
        help = "Print the fewest networks that have the same addresses."
    )]
    summarise: bool,
}

/// What was asked for: one network, or the networks of a range.
enum Found {
    One(WrittenNetwork),
    Range(Vec<Network>),
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let other = flags.contains.as_deref().or(flags.without.as_deref());
    let other = match other.map(|text| read(text).map_err(|error| (text, error))).transpose() {
        Ok(other) => other.and_then(|found| found.networks().first().copied()),
        Err((text, error)) => return super::told(out, text, error),
    };
    let mut wrongs = Wrongs::default();
    let (mut all, mut answer, mut is_first) = (Vec::new(), Exit::Ok, true);
    let words = with_netmask(&flags.words);
    let finished = input::each(&words, out, |text, _| {
        let found = match read(text) {
            Ok(found) => found,
            Err(error) => return wrongs.tell(out, text, error),
        };
        if flags.summarise {
            all.extend(found.networks());
        } else if let Some(prefix) = flags.split {
            for network in found.networks() {
                match network.split(prefix) {
                    Some(parts) => print(out, parts),
                    None => wrongs.tell(out, text, no_parts(&network, prefix)),
                }
            }
        } else if flags.list {
            let every = |network: &Network| network.split(network.width());
            found.networks().iter().filter_map(every).for_each(|parts| addresses(out, parts));
        } else if let (Some(other), true) = (&other, flags.without.is_some()) {
            found.networks().iter().for_each(|network| print(out, network.without(other)));
        } else if let Some(other) = &other {
            if !contains(out, text, &found, other) {
                answer = Exit::No;
            }
        } else {
            show(out, &found, is_first);
        }
        is_first = false;
    });
    if let Err(exit) = finished {
        return exit;
    }
    if flags.summarise {
        print(out, summarised(&all));
    }
    out.finish(if wrongs.exit() == Exit::Ok { answer } else { wrongs.exit() })
}

/// An address and a netmask in two words, as ifconfig and route take them, are one network.
fn with_netmask(words: &[String]) -> Vec<String> {
    match words {
        [address, mask] if address.parse::<Ipv4Addr>().is_ok() && is_netmask(mask) => {
            vec![format!("{address}/{mask}")]
        }
        _ => words.to_vec(),
    }
}

/// Ones, and behind them zeros; from 128.0.0.0 on, for addresses below are no masks.
fn is_netmask(text: &str) -> bool {
    let bits = text.parse::<Ipv4Addr>().map(u32::from);
    bits.is_ok_and(|bits| bits != 0 && bits.leading_ones() + bits.trailing_zeros() == 32)
}

impl Found {
    fn networks(&self) -> Vec<Network> {
        match self {
            Found::One(written) => vec![written.network],
            Found::Range(networks) => networks.clone(),
        }
    }
}

fn read(text: &str) -> Result<Found, EndpointError> {
    if let Some((first, last)) = text.split_once('-').filter(|_| !text.contains("://"))
        && let (Ok(first), Ok(last)) = (first.trim().parse::<IpAddr>(), last.trim().parse::<IpAddr>())
    {
        return match range(first, last) {
            Some(networks) => Ok(Found::Range(networks)),
            None => Err(wrong("a range goes from a lower address to a higher one of the same family")),
        };
    }
    match notation::read(text, Order::native(), &endpoints())? {
        Reading::Network(written) => Ok(Found::One(written)),
        Reading::Address(written) if written.port.is_none() => {
            let prefix = if written.address.is_ipv4() { 32 } else { 128 };
            match Network::around(written.address, prefix) {
                Some(network) => Ok(Found::One(WrittenNetwork {
                    address: network.first(),
                    network,
                    length: Length::Prefix,
                })),
                None => Err(wrong("it is no network")),
            }
        }
        _ => Err(wrong("a network has to stand here, such as 10.0.0.0/8, or a range, 10.0.0.1-10.0.0.9")),
    }
}

fn no_parts(network: &Network, prefix: u8) -> EndpointError {
    let (least, most) = (network.prefix(), network.width());
    wrong(&format!("it has parts with a prefix from {least} to {most} bits, and not of {prefix}"))
}

/// Networks, one a line, as they come.
fn print(out: &Out, networks: impl IntoIterator<Item = Network>) {
    for network in networks {
        match out.json {
            true => out.record(&record::address::network(None, &network)),
            false => out.print(&format!("{}\n", draw::address::network::in_full(&network))),
        }
        if out.is_closed() {
            return;
        }
    }
}

fn addresses(out: &Out, networks: impl IntoIterator<Item = Network>) {
    for network in networks {
        match out.json {
            true => out.record(&record::address::listed(network.first())),
            false => out.print(&format!("{}\n", network.first())),
        }
        if out.is_closed() {
            return;
        }
    }
}

fn contains(out: &Out, text: &str, found: &Found, other: &Network) -> bool {
    let is_in = found.networks().iter().any(|network| network.covers(other));
    let overlaps = found.networks().iter().any(|network| network.overlaps(other));
    let shown = wire::visible(text, false);
    out.record(&record::address::contains(text, other, is_in, overlaps));
    if !out.json {
        let words = match (is_in, overlaps) {
            (true, _) => "is in",
            (false, true) => "is partly in",
            (false, false) => "is not in",
        };
        out.print(&format!("{other} {words} {shown}\n"));
    }
    is_in
}

fn show(out: &Out, found: &Found, is_first: bool) {
    match found {
        Found::Range(networks) => print(out, networks.iter().copied()),
        Found::One(written) if out.json => {
            out.record(&record::address::network(Some(&written.address), &written.network));
        }
        Found::One(written) => {
            let gap = if is_first { "" } else { "\n" };
            out.print(&format!("{gap}{}", draw::address::network::network(written).draw(&out.stdout)));
        }
    }
}
