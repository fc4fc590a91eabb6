//! The commands, one per file: from flags to a call of the crate that does the work, and from what that tells to output.

pub mod addr;
mod address;
pub mod completions;
pub mod connect;
pub mod help;
pub mod lab;
pub mod listen;
pub mod man;
pub mod serve;
pub mod socket;
pub mod sockets;
mod talk;
pub mod trace;

use std::num::NonZeroUsize;

use wire::Fault;
use wire::endpoint::{Endpoint, EndpointError, Scheme};

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::out::Out;

/// Runs the command; if it is a lab, in these namespaces.
pub fn run(cli: Cli, namespaces: Option<::lab::Namespaces>) -> Exit {
    let global = &cli.global;
    let out = |width: Option<NonZeroUsize>| {
        Out::new(global.json, global.verbose, global.quiet, global.color, width.map(NonZeroUsize::get))
    };
    match cli.command {
        Command::Serve(flags) => serve::run(&flags, &out(None)),
        Command::Connect(flags) => connect::run(&flags, &out(None)),
        Command::Listen(flags) => listen::run(&flags, &out(None)),
        Command::Sockets(flags) => sockets::run(&flags, &out(flags.width)),
        Command::Trace(flags) => trace::run(&flags, &out(flags.width)),
        Command::Lab(flags) => lab::run(&flags, namespaces, &out(flags.width)),
        Command::Addr(flags) => addr::run(&flags, &out(None)),
        Command::Help(flags) => help::run(&flags, &out(None)),
        Command::Completions(flags) => completions::run(&flags),
        Command::Man(flags) => man::run(&flags, &out(None)),
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
}
