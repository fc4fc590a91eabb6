//! The way out to an address: by which interface, through whom, from which address. Read first: rtnetlink(7), ip-route(8).
//!
//! Anybody may ask, and nothing is sent.

use std::net::IpAddr;

use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteVia};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::rtnetlink::Rtnetlink;

/// The way out to an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The interface, by its index.
    pub interface: Option<u32>,
    /// The router that it goes through; none where the destination is on the link, or ourselves.
    pub gateway: Option<IpAddr>,
    /// The address that the kernel would call it from.
    pub source: Option<IpAddr>,
}

/// The way to a destination.
///
/// # Errors
/// The kernel's errno: `ENETUNREACH`, `EHOSTUNREACH` where there is none.
pub fn to(destination: IpAddr) -> Result<Route, i32> {
    let mut message = RouteMessage::default();
    let (family, bits, address) = match destination {
        IpAddr::V4(four) => (AddressFamily::Inet, 32, RouteAddress::Inet(four)),
        IpAddr::V6(six) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(six)),
    };
    message.header.address_family = family;
    message.header.destination_prefix_length = bits;
    message.attributes.push(RouteAttribute::Destination(address));
    let mut route = Route::default();
    let answer = Rtnetlink::open()?.ask(RouteNetlinkMessage::GetRoute(message))?;
    if let Some(RouteNetlinkMessage::NewRoute(message)) = answer {
        message.attributes.iter().for_each(|attribute| take(&mut route, attribute));
    }
    Ok(route)
}

fn take(route: &mut Route, attribute: &RouteAttribute) {
    match attribute {
        RouteAttribute::Oif(index) => route.interface = Some(*index),
        RouteAttribute::Gateway(address) => route.gateway = ip(address),
        RouteAttribute::PrefSource(address) => route.source = ip(address),
        // A router of the other family: RFC 5549.
        RouteAttribute::Via(RouteVia::Inet(four)) => route.gateway = Some((*four).into()),
        RouteAttribute::Via(RouteVia::Inet6(six)) => route.gateway = Some((*six).into()),
        _ => {}
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(four) => Some((*four).into()),
        RouteAddress::Inet6(six) => Some((*six).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_ourselves_it_is_loopback() {
        let here = to(IpAddr::from([127, 0, 0, 1])).expect("a way");
        assert_eq!((here.interface, here.gateway), (Some(1), None));
        assert_eq!(here.source, Some(IpAddr::from([127, 0, 0, 1])));
    }
}
