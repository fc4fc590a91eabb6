//! Interfaces, addresses, neighbours and routes, over one blocking rtnetlink socket. Read first: rtnetlink(7).
//!
//! The socket belongs to the network namespace in which it was opened and can be used from anywhere.

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, CacheInfo};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, BridgePortState, In6AddrGenMode, InfoBridge, InfoBridgePort, InfoData,
    InfoKind, InfoPortData, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;

/// More pieces than any dump that is real comes in.
const MOST_PIECES: usize = 1_000_000;

/// A hardware address.
pub type Mac = [u8; 6];

/// A conversation with the kernel about the interfaces of one network namespace.
#[derive(Debug)]
pub struct Rtnetlink {
    socket: Socket,
    sequence: u32,
}

/// Changes that are asked for all at once: they travel in one piece, and the kernel is waited for once. It makes them
/// in their order, and those behind one that it refuses all the same.
#[derive(Debug, Default)]
pub struct Changes {
    requests: Vec<(RouteNetlinkMessage, u16)>,
    /// Which of them may be refused for want of something in the kernel, by its place.
    optional: Vec<usize>,
}

/// One end of a veth pair to be made.
#[derive(Clone, Copy, Debug)]
pub struct VethEnd<'a> {
    /// The interface's name.
    pub name: &'a str,
    /// Its hardware address.
    pub mac: Mac,
}

/// An interface as the kernel counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came in.
    pub received: u64,
    /// Packets that went out.
    pub sent: u64,
    /// Packets that came in and were dropped.
    pub receive_dropped: u64,
    /// Packets that were to go out and were dropped.
    pub send_dropped: u64,
}

/// How an existing interface is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting {
    /// Packets that may wait to be taken out, when given (IFLA_TXQLEN; the ioctl for it is refused in user namespaces).
    pub queue_len: Option<u32>,
    /// The largest packet, in bytes, when given.
    pub mtu: Option<u32>,
    /// Whether IPv6 stays silent: no link-local address, so no solicitations.
    pub silent_ipv6: bool,
    /// Whether neighbours are looked for (ARP, neighbour discovery) and groups reported (MLD), when given.
    pub looks_for_neighbours: Option<bool>,
    /// Whether it becomes a port of this bridge, when given.
    pub bridge: Option<u32>,
    /// Whether it is taken up.
    pub up: bool,
}

/// An address for an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address.
    pub ip: IpAddr,
    /// How many bits of it name the network.
    pub prefix_len: u8,
    /// Whether it is what should be used where there is a choice; an IPv6 address that is not is called deprecated (RFC
    /// 4862 §5.5.4), and resolvers then put the other family first (RFC 6724 §6, rule 3).
    pub preferred: bool,
}

impl Rtnetlink {
    /// Opens a socket in the current network namespace.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn open() -> Result<Rtnetlink, i32> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(|error| errno_of(&error))?;
        socket.bind_auto().map_err(|error| errno_of(&error))?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(|error| errno_of(&error))?;
        Ok(Rtnetlink { socket, sequence: 0 })
    }

    /// The index of an interface.
    ///
    /// # Errors
    /// The kernel's errno: `ENODEV` when there is none of that name.
    pub fn index(&self, name: &str) -> Result<u32, i32> {
        // Asked without a message, which would be answered by all that there is to know of it.
        name_to_index(self.socket.as_fd(), name).map_err(Errno::raw_os_error)
    }

    /// The counters of an interface.
    ///
    /// # Errors
    /// The kernel's errno: `ENODEV` when there is none of that name.
    pub fn counters(&mut self, name: &str) -> Result<Counters, i32> {
        let link = self.link(name)?;
        let counted = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Stats64(stats) => Some(Counters {
                received: stats.rx_packets,
                sent: stats.tx_packets,
                receive_dropped: stats.rx_dropped,
                send_dropped: stats.tx_dropped,
            }),
            _ => None,
        });
        counted.ok_or(libc::EPROTO)
    }

    /// Makes a veth pair: one end here, the other in another network namespace, whose descriptor is given.
    ///
    /// # Errors
    /// The kernel's errno: `EPERM` without CAP_NET_ADMIN in both, `EOPNOTSUPP` in a kernel without veth.
    pub fn make_veth(
        &mut self,
        here: VethEnd<'_>,
        there: VethEnd<'_>,
        network: BorrowedFd<'_>,
    ) -> Result<(), i32> {
        let mut peer = LinkMessage::default();
        peer.attributes = named(there);
        // Made in its namespace at once: moving it there later takes an RCU grace period.
        peer.attributes.push(LinkAttribute::NetNsFd(network.as_raw_fd()));
        let mut link = LinkMessage::default();
        link.attributes = named(here);
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        self.change(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Changes one interface.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn set(&mut self, index: u32, setting: Setting) -> Result<(), i32> {
        let mut changes = Changes::default();
        changes.set(index, setting);
        self.make(changes)
    }

    /// Whether this is an address of this host that packets are taken in for.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn has_address(&mut self, address: IpAddr) -> Result<bool, i32> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(address);
        message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
        message.attributes = vec![RouteAttribute::Destination(address.into())];
        match self.ask(RouteNetlinkMessage::GetRoute(message)) {
            Ok(Some(RouteNetlinkMessage::NewRoute(route))) => Ok(route.header.kind == RouteType::Local),
            Ok(_) => Err(libc::EPROTO),
            Err(libc::ENETUNREACH | libc::EHOSTUNREACH) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Whether a bridge lets packets in and out of this port of it.
    ///
    /// # Errors
    /// The kernel's errno: `ENODEV` when there is none of that name.
    pub fn is_forwarding(&mut self, port: &str) -> Result<bool, i32> {
        let link = self.link(port)?;
        let infos = link.attributes.iter().filter_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => Some(infos),
            _ => None,
        });
        let forwards = InfoBridgePort::State(BridgePortState::Forwarding);
        Ok(infos.flatten().any(|info| match info {
            LinkInfo::PortData(InfoPortData::BridgePort(of_port)) => of_port.contains(&forwards),
            _ => false,
        }))
    }

    /// Makes a bridge: what comes in on one of its ports goes out of the others.
    ///
    /// # Errors
    /// The kernel's errno: `EOPNOTSUPP` in a kernel without bridges.
    pub fn make_bridge(&mut self, name: &str) -> Result<(), i32> {
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Bridge),
                // Every group reaches every port.
                LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::MulticastSnooping(false)])),
            ]),
        ];
        self.change(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Makes changes.
    ///
    /// # Errors
    /// The kernel's errno for the first that it refuses.
    pub fn make(&mut self, changes: Changes) -> Result<(), i32> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        let Changes { requests, optional } = changes;
        let count = requests.len();
        for (place, (message, how)) in requests.into_iter().enumerate() {
            // What goes well is acknowledged only for the last, what does not for every one (netlink(7)).
            let acknowledged = if place + 1 == count { NLM_F_ACK } else { 0 };
            self.write(message, NLM_F_REQUEST | how | acknowledged, &mut bytes);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.send(&bytes)?;
        let mut made = Ok(());
        loop {
            for answer in self.answers()? {
                let sequence = answer.header.sequence_number;
                let NetlinkPayload::Error(error) = answer.payload else { continue };
                let place = sequence.wrapping_sub(first);
                if place > self.sequence.wrapping_sub(first) {
                    continue;
                }
                let is_optional = optional.iter().any(|one| u32::try_from(*one) == Ok(place));
                match refusal(&error) {
                    Err(libc::EOPNOTSUPP) if is_optional => {}
                    answered => made = made.and(answered),
                }
                if sequence == self.sequence {
                    return made;
                }
            }
        }
    }

    fn link(&mut self, name: &str) -> Result<LinkMessage, i32> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        match self.ask(RouteNetlinkMessage::GetLink(message))? {
            Some(RouteNetlinkMessage::NewLink(link)) => Ok(link),
            _ => Err(libc::EPROTO),
        }
    }

    fn change(&mut self, message: RouteNetlinkMessage, how: u16) -> Result<(), i32> {
        self.make(Changes { requests: vec![(message, how)], ..Changes::default() })
    }

    /// Sends one question and reads its one answer.
    pub(crate) fn ask(&mut self, message: RouteNetlinkMessage) -> Result<Option<RouteNetlinkMessage>, i32> {
        let mut bytes = Vec::new();
        self.write(message, NLM_F_REQUEST, &mut bytes);
        self.send(&bytes)?;
        loop {
            let answers = self.answers()?;
            let ours = answers.into_iter().find(|answer| answer.header.sequence_number == self.sequence);
            let Some(answer) = ours else { continue };
            return match answer.payload {
                NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
                NetlinkPayload::Error(error) => refusal(&error).map(|()| None),
                _ => Err(libc::EPROTO),
            };
        }
    }

    /// Asks for all that there is of something, and hands it out one by one.
    ///
    /// # Errors
    /// The kernel's errno.
    pub(crate) fn dump(
        &mut self,
        message: RouteNetlinkMessage,
        mut hand: impl FnMut(RouteNetlinkMessage),
    ) -> Result<(), i32> {
        let mut bytes = Vec::new();
        self.write(message, NLM_F_REQUEST | NLM_F_DUMP, &mut bytes);
        self.send(&bytes)?;
        for _ in 0..MOST_PIECES {
            for answer in self.answers()? {
                match answer.payload {
                    _ if answer.header.sequence_number != self.sequence => {}
                    NetlinkPayload::InnerMessage(message) => hand(message),
                    NetlinkPayload::Error(error) => return refusal(&error),
                    NetlinkPayload::Done(_) => return Ok(()),
                    _ => {}
                }
            }
        }
        Err(libc::EPROTO)
    }

    /// Puts a request behind others.
    fn write(&mut self, message: RouteNetlinkMessage, flags: u16, bytes: &mut Vec<u8>) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut request = NetlinkMessage::from(message);
        request.header.flags = flags;
        request.header.sequence_number = self.sequence;
        request.finalize();
        // Messages are aligned to four bytes: netlink(7).
        let start = bytes.len().next_multiple_of(4);
        bytes.resize(start + request.buffer_len(), 0);
        request.serialize(&mut bytes[start..]);
    }

    fn send(&self, bytes: &[u8]) -> Result<(), i32> {
        self.socket.send(bytes, 0).map(drop).map_err(|error| errno_of(&error))
    }

    /// The messages of the next piece that the kernel sends.
    fn answers(&self) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>, i32> {
        let (bytes, _) = self.socket.recv_from_full().map_err(|error| errno_of(&error))?;
        let (mut answers, mut rest) = (Vec::new(), bytes.as_slice());
        while !rest.is_empty() {
            let answer = NetlinkMessage::deserialize(rest).map_err(|_| libc::EPROTO)?;
            // Messages are aligned to four bytes: netlink(7).
            let length = usize::try_from(answer.header.length).unwrap_or(rest.len()).next_multiple_of(4);
            rest = rest.get(length.max(4)..).unwrap_or_default();
            answers.push(answer);
        }
        Ok(answers)
    }
}

impl Changes {
    /// Changes an interface.
    pub fn set(&mut self, index: u32, setting: Setting) {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes.extend(setting.queue_len.map(LinkAttribute::TxQueueLen));
        link.attributes.extend(setting.mtu.map(LinkAttribute::Mtu));
        if setting.silent_ipv6 {
            let none = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
            link.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![none])]));
        }
        link.attributes.extend(setting.bridge.map(LinkAttribute::Controller));
        if setting.up {
            link.header.flags |= LinkFlags::Up;
            link.header.change_mask |= LinkFlags::Up;
        }
        if let Some(looks) = setting.looks_for_neighbours {
            link.header.flags.set(LinkFlags::Noarp, !looks);
            link.header.change_mask |= LinkFlags::Noarp;
        }
        self.requests.push((RouteNetlinkMessage::SetLink(link), 0));
    }

    /// Has packets handed to an interface's driver at once, with no queue before it (tc(8): noqueue). A kernel without
    /// queueing disciplines has none anyway.
    pub fn hand_over_at_once(&mut self, index: u32) {
        let mut message = TcMessage::default();
        message.header.index = index.cast_signed();
        message.header.parent = TcHandle::ROOT;
        message.attributes = vec![TcAttribute::Kind("noqueue".to_owned())];
        self.optional.push(self.requests.len());
        self.requests.push((RouteNetlinkMessage::NewQueueDiscipline(message), NLM_F_CREATE | NLM_F_REPLACE));
    }

    /// Gives an interface an address; the route to its network comes with it. Nobody is asked whether he has it too, and yet
    /// the kernel makes an IPv6 address usable only when it gets round to it: see [`Rtnetlink::has_address`]. `EEXIST`
    /// when it has it already.
    pub fn add_address(&mut self, index: u32, address: InterfaceAddress) {
        let InterfaceAddress { ip, prefix_len, preferred } = address;
        let mut message = AddressMessage::default();
        message.header.family = family(ip);
        message.header.prefix_len = prefix_len;
        message.header.index = index;
        message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
        if ip.is_ipv6() {
            message.header.flags = AddressHeaderFlags::Nodad;
            let mut life = CacheInfo::default();
            (life.ifa_valid, life.ifa_preferred) = (FOR_EVER, if preferred { FOR_EVER } else { 0 });
            message.attributes.push(AddressAttribute::CacheInfo(life));
        }
        self.requests.push((RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL));
    }

    /// Has packets for an address of an interface taken in from now on. For an IPv6 address the kernel adds this route
    /// as well, but later: see [`Rtnetlink::has_address`]. `ENETDOWN` while the interface is down.
    pub fn take_in(&mut self, index: u32, address: IpAddr) {
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(address),
            destination_prefix_length: if address.is_ipv4() { 32 } else { 128 },
            table: LOCAL_TABLE,
            protocol: RouteProtocol::Boot,
            scope: RouteScope::Host,
            kind: RouteType::Local,
            ..RouteHeader::default()
        };
        message.attributes = vec![RouteAttribute::Destination(address.into()), RouteAttribute::Oif(index)];
        self.requests.push((RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE));
    }

    /// Sends everything for a network out of an interface. `EEXIST` when there is such a route, `ENETDOWN` while the
    /// interface is down.
    pub fn add_route(&mut self, index: u32, network: IpAddr, prefix_len: u8) {
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(network),
            destination_prefix_length: prefix_len,
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::Boot,
            scope: RouteScope::Link,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        message.attributes = vec![RouteAttribute::Destination(network.into()), RouteAttribute::Oif(index)];
        self.requests.push((RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL));
    }

    /// Tells an interface a neighbour's hardware address for good, so that it never asks (ARP, neighbour discovery).
    pub fn add_neighbour(&mut self, index: u32, address: IpAddr, mac: Mac) {
        let mut message = NeighbourMessage::default();
        message.header.family = family(address);
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        message.attributes = vec![
            NeighbourAttribute::Destination(match address {
                IpAddr::V4(address) => NeighbourAddress::Inet(address),
                IpAddr::V6(address) => NeighbourAddress::Inet6(address),
            }),
            NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
        ];
        self.requests.push((RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE));
    }
}

/// The routing table of a host's own addresses: RT_TABLE_LOCAL of linux/rtnetlink.h.
const LOCAL_TABLE: u8 = 255;

/// As a time to live of an address: INFINITY_LIFE_TIME of linux/if_addr.h.
const FOR_EVER: u32 = u32::MAX;

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn named(end: VethEnd<'_>) -> Vec<LinkAttribute> {
    vec![LinkAttribute::IfName(end.name.to_owned()), LinkAttribute::Address(end.mac.to_vec())]
}

/// What an answer says that may be an error: netlink(7), NLMSG_ERROR, which is an acknowledgement without one.
fn refusal(error: &ErrorMessage) -> Result<(), i32> {
    error.code.map_or(Ok(()), |code| Err(code.get().saturating_abs()))
}

fn errno_of(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

impl AsFd for Rtnetlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// From a descriptor that another process opened and handed over, and must not use any more: netlink-sys looks how long an
/// answer is and then reads it, and panics where somebody else has taken it meanwhile.
impl From<OwnedFd> for Rtnetlink {
    fn from(fd: OwnedFd) -> Rtnetlink {
        // SAFETY: the descriptor is owned, and the socket becomes its only owner.
        let socket = unsafe { Socket::from_raw_fd(fd.into_raw_fd()) };
        // Above whatever the opener used, so that its answers, were any left, are not taken for ours.
        Rtnetlink { socket, sequence: 1 << 31 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_known_by_name_and_errors_by_number() {
        let mut interfaces = Rtnetlink::open().expect("a netlink socket");
        // The loopback interface is the first in every network namespace.
        assert_eq!(interfaces.index("lo"), Ok(1));
        assert!(interfaces.counters("lo").is_ok());
        assert_eq!(interfaces.index("no-such-device"), Err(libc::ENODEV));
        // An answer is told apart from the one before.
        assert_eq!(interfaces.index("lo"), Ok(1));
    }

    #[test]
    fn own_addresses_are_told_from_those_of_others() {
        let mut interfaces = Rtnetlink::open().expect("a netlink socket");
        assert_eq!(interfaces.has_address([127, 0, 0, 1].into()), Ok(true));
        // RFC 5737: nobody's.
        assert_eq!(interfaces.has_address([192, 0, 2, 1].into()), Ok(false));
    }

    /// Nothing of it changes anything: there is no interface with such a number.
    #[test]
    fn the_first_refusal_is_told_and_leaves_no_answer_behind() {
        let mut interfaces = Rtnetlink::open().expect("a netlink socket");
        let nobody = 0x7fff_fff0;
        let mut changes = Changes::default();
        changes.set(nobody, Setting::default());
        changes.add_route(nobody, [192, 0, 2, 0].into(), 24);
        changes.set(nobody, Setting { mtu: Some(1500), ..Setting::default() });
        let refused = interfaces.make(changes);
        assert!(matches!(refused, Err(libc::ENODEV | libc::EPERM)), "{refused:?}");
        assert_eq!(interfaces.has_address([127, 0, 0, 1].into()), Ok(true));
        assert_eq!(interfaces.make(Changes::default()), Ok(()), "nothing to be asked");
    }

    #[test]
    fn a_handed_over_socket_goes_on() {
        let first = Rtnetlink::open().expect("a netlink socket");
        let copy = first.as_fd().try_clone_to_owned().expect("a descriptor");
        drop(first);
        assert_eq!(Rtnetlink::from(copy).index("lo"), Ok(1));
    }
}
