//! The commands, one per file: from flags to a call of the crate that does the work, and from what that tells to output.

pub mod completions;
pub mod connect;
pub mod help;
pub mod lab;
pub mod man;
pub mod serve;
pub mod trace;

use std::num::NonZeroUsize;

use wire::Fault;
use wire::endpoint::{Endpoint, EndpointError, Grammar, Host, Place, Scheme, Use};

use crate::cli::{Cli, Command, Families};
use crate::exit::Exit;
use crate::out::Out;

/// Runs the command.
pub fn run(cli: Cli) -> Exit {
    let global = &cli.global;
    let out = |width: Option<NonZeroUsize>| {
        Out::new(global.json, global.verbose, global.quiet, global.color, width.map(NonZeroUsize::get))
    };
    match cli.command {
        Command::Serve(flags) => serve::run(&flags, &out(None)),
        Command::Connect(flags) => connect::run(&flags, &out(None)),
        Command::Trace(flags) => trace::run(&flags, &out(flags.width)),
        Command::Lab(flags) => lab::run(&flags, &out(flags.width)),
        Command::Help(flags) => help::run(&flags, &out(None)),
        Command::Completions(flags) => completions::run(&flags),
        Command::Man(flags) => man::run(&flags, &out(None)),
    }
}

/// The grammar as commands use it: /etc/services knows more names than the built-in table.
fn grammar(purpose: Use) -> Grammar<'static> {
    Grammar { services: &system_service, ..Grammar::new(purpose) }
}

/// A TCP service of /etc/services, by name or alias: services(5).
fn system_service(name: &str) -> Option<u16> {
    let services = std::fs::read_to_string("/etc/services").ok()?;
    service_in(&services, name)
}

fn service_in(services: &str, name: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let official = words.next()?;
        let (port, protocol) = words.next()?.split_once('/')?;
        let named = official == name || words.any(|alias| alias == name);
        (named && protocol == "tcp").then(|| port.parse().ok()).flatten()
    })
}

/// Why an endpoint cannot be used here, as a sentence; none when it can.
fn unsupported(endpoint: &Endpoint, command: &str) -> Option<String> {
    match endpoint.scheme {
        Scheme::Tcp => None,
        Scheme::Standard => Some(format!("{command} needs an address; - is standard input and output")),
        scheme if scheme.is_internet() => {
            Some(format!("{command} speaks tcp; {}:// is not supported yet", scheme.name()))
        }
        scheme => Some(format!("{command} speaks tcp; {}: is not supported yet", scheme.name())),
    }
}

/// The host and port of a TCP endpoint.
fn host_and_port(endpoint: &Endpoint) -> Option<(&Host, u16)> {
    match &endpoint.place {
        Place::Internet { host, port } => Some((host, *port)),
        _ => None,
    }
}

/// Whether a written address is of another family than the flag asks for, as a sentence.
fn wrong_family(endpoint: &Endpoint, families: Families) -> Option<String> {
    let address = endpoint.literal_ip()?;
    match (families.ipv4, families.ipv6) {
        (true, _) if address.is_ipv6() => Some(format!("{endpoint} is IPv6, and -4 asks for IPv4")),
        (_, true) if address.is_ipv4() => Some(format!("{endpoint} is IPv4, and -6 asks for IPv6")),
        _ => None,
    }
}

/// An address as it was typed, with what is wrong with it.
struct BadAddress {
    text: String,
    error: EndpointError,
}

/// Why a command cannot begin.
enum Wrong {
    /// An address.
    Address(BadAddress),
    /// What was asked for does not go together; a sentence.
    Use(String),
    /// Something that had to be asked of the system.
    Fault(Fault),
}

impl Wrong {
    fn told(&self, out: &Out) -> Exit {
        match self {
            Wrong::Address(BadAddress { text, error }) => out.bad_address(text, error),
            Wrong::Use(sentence) => out.usage(sentence, None),
            Wrong::Fault(fault) => out.fault(fault),
        }
    }
}

/// The fault with its address in the full form: `tcp://127.0.0.1:80`.
fn in_full(fault: Fault) -> Fault {
    match fault.at.parse() {
        Ok(address) => Fault { at: Endpoint::at(Scheme::Tcp, address).to_string(), ..fault },
        Err(_) => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_show_the_full_address() {
        let fault = |at: &str| Fault::errno(wire::End::Peer, wire::Doing::Connect, at, 111);
        assert_eq!(in_full(fault("[::1]:80")).at, "tcp://[::1]:80");
        assert_eq!(in_full(fault("example.org")).at, "example.org");
    }

    #[test]
    fn services_are_found_by_name_and_alias() {
        let services = "# comment\nhttp\t80/tcp\twww\t# WorldWideWeb\nntp 123/udp\ngizmo 4242/tcp\n";
        assert_eq!(service_in(services, "gizmo"), Some(4242));
        assert_eq!(service_in(services, "www"), Some(80));
        assert_eq!(service_in(services, "ntp"), None);
        assert_eq!(service_in(services, "WorldWideWeb"), None);
        assert_eq!(service_in("broken 1x/tcp\nhalf\n", "broken"), None);
    }
}
