//! `addr port`: a port, its service, its range, and what this kernel does with it.

use clap::Args;
use draw::address::port::Here;
use rustix::thread::CapabilitySet;
use wire::byte_order::Order;
use wire::endpoint::{EndpointError, well_known_name, well_known_port};
use wire::port::{PortError, parse};

use super::input::{self, Wrongs};
use crate::command::address::{service_at, system_service};
use crate::exit::Exit;
use crate::out::Out;
use crate::record;

/// What `addr port` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Show a port: service, range, bytes, and what this kernel does with it.",
    long_about = "Show a port: service, range, bytes, and what this kernel does with it.

Examples:
  bothends addr port 8080
  bothends addr port https
  bothends addr port 36895       8080 with its bytes swapped

Numbers that C would cut or take half of (70000, -1, 99x) are refused, and what it would make of them is told."
)]
pub(super) struct Flags {
    #[arg(
        value_name = "PORT",
        allow_negative_numbers = true,
        help = "Ports, by number or the name of their service; - is standard input."
    )]
    words: Vec<String>,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let mut wrongs = Wrongs::default();
    let ports = kernel::ports::here();
    let is_privileged = rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_BIND_SERVICE));
    let mut is_first = true;
    let finished = input::each(&flags.words, out, |text, _| {
        let port = match number(text) {
            Ok(port) => port,
            Err(error) => return wrongs.tell(out, text, error),
        };
        let well_known = || well_known_name(port).map(str::to_owned);
        let here = Here {
            tcp: service_at(port, "tcp").or_else(well_known),
            udp: service_at(port, "udp"),
            ephemeral: ports.ephemeral.clone(),
            is_reserved: ports.reserved.iter().any(|range| range.contains(&port)),
            unprivileged_from: ports.unprivileged_from,
            is_privileged,
        };
        if out.json {
            out.record(&record::address::port(port, &here));
        } else {
            let gap = if is_first { "" } else { "\n" };
            out.print(&format!(
                "{gap}{}",
                draw::address::port::port(port, &here, Order::native()).draw(&out.stdout)
            ));
        }
        is_first = false;
    });
    match finished {
        Ok(()) => out.finish(wrongs.exit()),
        Err(exit) => exit,
    }
}

/// A number, or the port of a service.
fn number(text: &str) -> Result<u16, EndpointError> {
    let error = match parse(text) {
        Ok(port) => return Ok(port),
        Err(error) => error,
    };
    let name = text.to_ascii_lowercase();
    let known = || {
        well_known_port(&name)
            .or_else(|| system_service(&name, "tcp"))
            .or_else(|| system_service(&name, "udp"))
    };
    match (known(), &error) {
        (Some(port), _) => Ok(port),
        (None, PortError::NotANumber(0) | PortError::Empty) => {
            let hint = Some("names are those of /etc/services".to_owned());
            Err(EndpointError { column: 0, sentence: format!("{error}, and no service has this name"), hint })
        }
        (None, PortError::NotANumber(column)) => {
            Err(EndpointError { column: *column, sentence: error.to_string(), hint: None })
        }
        (None, _) => Err(EndpointError { column: 0, sentence: error.to_string(), hint: None }),
    }
}
