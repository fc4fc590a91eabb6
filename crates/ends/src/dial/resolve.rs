//! From a name to addresses.

use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};

use wire::{Cause, Doing, End, Fault};

/// Which addresses of a name are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// All.
    #[default]
    Any,
    /// IPv4 ones.
    V4,
    /// IPv6 ones.
    V6,
}

impl Family {
    fn wants(self, address: SocketAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Family::Any => "IP",
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }
}

/// The addresses of a host, in the order of the system's resolver. It waits for as long as the resolver does.
///
/// # Errors
/// When the name is unknown or has no address of this family.
pub fn resolve(host: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>, Fault> {
    let unknown = |words: String| Fault {
        end: End::You,
        doing: Doing::Resolve,
        at: host.into(),
        cause: Cause::Words(words),
    };
    if let Some((address, zone)) = host.split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
        && !is_an_interface(zone)
    {
        return Err(unknown(format!("there is no interface {zone}")));
    }
    let found = (host, port).to_socket_addrs().map_err(|error| unknown(plain_words(&error)))?;
    let mut addresses = Vec::new();
    for address in found.filter(|address| family.wants(*address)) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(unknown(format!("it has no {} address", family.name())));
    }
    Ok(addresses)
}

/// A zone is an interface's name, or its number (RFC 4007 §11.2).
fn is_an_interface(zone: &str) -> bool {
    // Where the interfaces cannot be asked for, the resolver says what it knows.
    let Ok(interfaces) = kernel::interfaces::all() else { return true };
    let number = zone.parse::<u32>().ok();
    interfaces.iter().any(|interface| interface.name == zone || Some(interface.index) == number)
}

/// The resolver's own words, without what the standard library puts before them.
fn plain_words(error: &std::io::Error) -> String {
    let words = error.to_string();
    words.strip_prefix("failed to lookup address information: ").unwrap_or(&words).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_by_family() {
        let addresses = resolve("127.0.0.1", 80, Family::Any).expect("an address is its own name");
        assert_eq!(addresses, ["127.0.0.1:80".parse().expect("an address")]);
        let fault = resolve("127.0.0.1", 80, Family::V6).expect_err("it is an IPv4 address");
        assert_eq!(fault.doing, Doing::Resolve);
        let fault = resolve("fe80::1%nowhere", 80, Family::Any).expect_err("a zone is an interface");
        assert_eq!(fault.cause, Cause::Words("there is no interface nowhere".into()));
        let zoned = resolve("fe80::1%lo", 80, Family::Any).expect("by its name");
        assert_eq!(resolve("fe80::1%1", 80, Family::Any).expect("by its number"), zoned);
        resolve("host.invalid", 80, Family::Any).expect_err("RFC 6761 §6.4: never a name");
    }
}
