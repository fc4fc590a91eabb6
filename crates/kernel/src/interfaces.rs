//! The interfaces of this network namespace and their addresses, by two rtnetlink dumps. Read first: rtnetlink(7),
//! netlink(7).
//!
//! Anybody may ask. An interface that comes or goes between the two dumps has no addresses, or its addresses are left out.

use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};

use crate::rtnetlink::Rtnetlink;

/// What a lifetime is that never ends: linux/if_addr.h, INFINITY_LIFE_TIME.
const FOREVER: u32 = u32::MAX;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its index, which is an IPv6 address' scope id.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware address, where it has one that is no address of IP.
    pub mac: Option<Vec<u8>>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// Whether it was taken up.
    pub is_up: bool,
    /// Whether it can send: up, and the wire is there.
    pub is_running: bool,
    /// Whether it is the loopback interface.
    pub is_loopback: bool,
    /// Whether it has but one other end.
    pub is_point_to_point: bool,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<InterfaceAddress>,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix.
    pub prefix: u8,
    /// The other end's, of a wire with two ends.
    pub peer: Option<IpAddr>,
    /// What all of its network hear: IPv4 only.
    pub broadcast: Option<IpAddr>,
    /// Valid, but not for new connections: RFC 4862 §5.5.4.
    pub is_deprecated: bool,
    /// Not yet usable, for it may be somebody else's: RFC 4862 §5.4.
    pub is_tentative: bool,
    /// Made for privacy, for a while: RFC 8981. The flag is IPv4's for a second address of a network.
    pub is_secondary: bool,
    /// Set by hand, or made from a router's prefix.
    pub is_permanent: bool,
    /// A mobile host's home address.
    pub is_home: bool,
    /// How long it is valid, in seconds; none: for good.
    pub valid_s: Option<u32>,
}

/// All of them, by their index.
///
/// # Errors
/// The kernel's errno.
pub fn all() -> Result<Vec<Interface>, i32> {
    let mut interfaces = Vec::new();
    let mut asked = Rtnetlink::open()?;
    asked.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()), |message| {
        if let RouteNetlinkMessage::NewLink(link) = message {
            interfaces.push(interface(&link));
        }
    })?;
    asked.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()), |message| {
        if let RouteNetlinkMessage::NewAddress(message) = message
            && let Some(found) = interfaces.iter_mut().find(|found| found.index == message.header.index)
        {
            found.addresses.extend(address(&message));
        }
    })?;
    interfaces.sort_by_key(|found| found.index);
    Ok(interfaces)
}

fn interface(link: &LinkMessage) -> Interface {
    let flags = link.header.flags;
    let mut found = Interface {
        index: link.header.index,
        name: String::new(),
        mac: None,
        mtu: None,
        is_up: flags.contains(LinkFlags::Up),
        is_running: flags.contains(LinkFlags::Running),
        is_loopback: flags.contains(LinkFlags::Loopback),
        is_point_to_point: flags.contains(LinkFlags::Pointopoint),
        addresses: Vec::new(),
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => found.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => found.mtu = Some(*mtu),
            LinkAttribute::Address(mac) if mac.len() == 6 => found.mac = Some(mac.clone()),
            _ => {}
        }
    }
    found
}

/// On a wire with two ends IFA_ADDRESS is the other one and IFA_LOCAL ours; IPv6 may have only the former.
fn address(message: &AddressMessage) -> Option<InterfaceAddress> {
    let (mut local, mut other, mut broadcast, mut valid_s) = (None, None, None, None);
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => other = Some(*address),
            AddressAttribute::Broadcast(address) => broadcast = Some(IpAddr::V4(*address)),
            AddressAttribute::Flags(all) => flags = *all,
            AddressAttribute::CacheInfo(info) => {
                valid_s = Some(info.ifa_valid).filter(|valid| *valid != FOREVER);
            }
            _ => {}
        }
    }
    let address = local.or(other)?;
    Some(InterfaceAddress {
        address,
        prefix: message.header.prefix_len,
        peer: other.filter(|other| *other != address),
        broadcast,
        is_deprecated: flags.contains(AddressFlags::Deprecated),
        is_tentative: flags.contains(AddressFlags::Tentative),
        is_secondary: flags.contains(AddressFlags::Secondary),
        is_permanent: flags.contains(AddressFlags::Permanent),
        is_home: flags.contains(AddressFlags::Homeaddress),
        valid_s,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_the_first() {
        let interfaces = all().expect("anybody may ask");
        let first = interfaces.first().expect("every namespace has one");
        assert_eq!((first.index, first.name.as_str(), first.is_loopback), (1, "lo", true));
        assert!(first.mtu.is_some_and(|mtu| mtu > 1280));
        if first.is_up {
            let address = first.addresses.iter().find(|one| one.address == IpAddr::from([127, 0, 0, 1]));
            let address = address.expect("up, so it has its address");
            assert_eq!((address.prefix, address.peer, address.valid_s), (8, None, None));
            assert!(address.is_permanent && !address.is_deprecated && !address.is_tentative);
        }
    }
}
