//! `addr sockaddr`: a socket address byte by byte, from an endpoint or from bytes; without one the table of structures.

use std::net::SocketAddr;

use clap::Args;
use draw::Style;
use wire::Address;
use wire::byte_order::Order;
use wire::endpoint::{Endpoint, EndpointError, Host, Place};
use wire::notation::{self, Reading};
use wire::sockaddr::{FAMILIES, Sockaddr};

use super::input::Wrongs;
use super::{endpoints, wrong};
use crate::exit::Exit;
use crate::out::Out;
use crate::record;

/// What `addr sockaddr` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Show a socket address byte by byte, or the table of their structures.",
    long_about = "Show a socket address byte by byte, or the table of their structures.

Examples:
  bothends addr sockaddr                    families, numbers, sizes, padding
  bothends addr sockaddr 127.0.0.1:8080     sockaddr_in
  bothends addr sockaddr '[fe80::1%2]:80'   sockaddr_in6
  bothends addr sockaddr unix:@name         sockaddr_un
  bothends addr sockaddr '02 00 1f 90 7f 00 00 01 00 00 00 00 00 00 00 00'

Bytes are read as this machine has them in memory; names are not looked up."
)]
pub(super) struct Flags {
    #[arg(value_name = "END", help = "An address and a port, a Unix socket, or bytes in hexadecimal.")]
    words: Vec<String>,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    if flags.words.is_empty() {
        if out.json {
            FAMILIES.iter().for_each(|family| out.record(&record::address::family(family)));
        } else {
            out.print(&draw::address::sockaddr::table(&out.stdout));
        }
        return out.finish(Exit::Ok);
    }
    let mut wrongs = Wrongs::default();
    for (at, text) in flags.words.iter().enumerate() {
        match read(text) {
            Ok(read) if out.json => out.record(&record::address::sockaddr(text, &read)),
            Ok(read) => {
                let gap = if at == 0 { "" } else { "\n" };
                out.print(&format!("{gap}{}", draw::address::sockaddr::sockaddr(&read, &out.stdout)));
            }
            Err(error) => wrongs.tell(out, text, error),
        }
    }
    out.finish(wrongs.exit())
}

/// An endpoint's structure, drawn.
pub(super) fn drawn(endpoint: &Endpoint, style: &Style) -> Result<String, EndpointError> {
    let read = of(endpoint)?;
    Ok(format!("{endpoint}\n{}", draw::address::sockaddr::sockaddr(&read, style)))
}

fn read(text: &str) -> Result<Sockaddr, EndpointError> {
    let order = Order::native();
    let bytes = notation::bytes(text).filter(|bytes| bytes.len() > 4 && bytes.len() != 6);
    if let Some(bytes) = bytes.filter(|_| text.parse::<std::net::IpAddr>().is_err()) {
        return Sockaddr::parse(&bytes, order).map_err(|error| wrong(&error.to_string()));
    }
    match notation::read(text, order, &endpoints())? {
        Reading::Address(written) => {
            let zone = written.zone.as_deref().map(scope_of).transpose()?.unwrap_or(0);
            of_internet(written.address, written.port.unwrap_or(0), zone)
        }
        Reading::Endpoint(endpoint) => of(&endpoint),
        _ => Err(wrong("an address with a port has to stand here, a Unix socket, or bytes")),
    }
}

fn of(endpoint: &Endpoint) -> Result<Sockaddr, EndpointError> {
    let order = Order::native();
    let unix = |address| Sockaddr::of(&address, order).map_err(|error| wrong(&error.to_string()));
    match &endpoint.place {
        Place::Internet { host: Host::V4(four), port } => of_internet((*four).into(), *port, 0),
        Place::Internet { host: Host::V6(six, zone), port } => {
            let zone = zone.as_deref().map(scope_of).transpose()?.unwrap_or(0);
            of_internet((*six).into(), *port, zone)
        }
        Place::Internet { host: Host::Any, port } => {
            of_internet(std::net::Ipv6Addr::UNSPECIFIED.into(), *port, 0)
        }
        Place::Internet { host: Host::Loopback, port } => {
            of_internet(std::net::Ipv4Addr::LOCALHOST.into(), *port, 0)
        }
        Place::Internet { host: Host::Name(name), .. } => Err(EndpointError {
            column: 0,
            sentence: "a name has no socket address before it is looked up".to_owned(),
            hint: Some(format!("`bothends addr resolve {}` looks it up", wire::visible(name, false))),
        }),
        Place::Path(path) => unix(Address::Path(path.into())),
        Place::Abstract(name) => unix(Address::Abstract(name.clone().into_bytes())),
        Place::Descriptor(_) | Place::Virtual { .. } | Place::StandardStreams => {
            Err(wrong("only addresses of TCP, UDP and Unix sockets have a structure here"))
        }
    }
}

fn of_internet(address: std::net::IpAddr, port: u16, scope: u32) -> Result<Sockaddr, EndpointError> {
    let address = match address {
        std::net::IpAddr::V4(four) => SocketAddr::new(four.into(), port),
        std::net::IpAddr::V6(six) => std::net::SocketAddrV6::new(six, port, 0, scope).into(),
    };
    Sockaddr::of(&address.into(), Order::native()).map_err(|error| wrong(&error.to_string()))
}

/// The index of an interface: a number, or the index of one with this name here.
fn scope_of(zone: &str) -> Result<u32, EndpointError> {
    if let Ok(index) = zone.parse() {
        return Ok(index);
    }
    let interfaces = kernel::interfaces::all().unwrap_or_default();
    let found = interfaces.iter().find(|interface| interface.name == zone);
    found.map(|interface| interface.index).ok_or_else(|| EndpointError {
        column: 0,
        sentence: format!("there is no interface {} here", wire::visible(zone, false)),
        hint: Some("`bothends addr mine` lists them; or give its index".to_owned()),
    })
}
