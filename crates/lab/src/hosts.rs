//! The hosts, made by the keeper: a network namespace each, an interface `eth0` in it, and the far side of that
//! interface as a descriptor. Nothing but the programs may put a packet on the link: nobody asks for a neighbour, an
//! address or a router, and no group is joined that no program wants.
//!
//! Two hosts are joined by the link itself. More stand around a switch, which is a bridge of the kernel: each host's
//! interface ends in the middle, where a link of its own carries its packets to its port of the bridge and back.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kernel::namespace::{self, Ids, Namespace, OwnPlace};
use kernel::packet_socket;
use kernel::rtnetlink::{Changes, InterfaceAddress, Mac, Rtnetlink, Setting, VethEnd};
use kernel::tun;
use rustix::io::Errno;
use wire::refusal::Step;

use crate::config::{Choice, Config, Family, MOST_HOSTS, MTU, PREFIX_LEN, PREFIX_LEN_V6};
use crate::event::{Backend, Role};
use crate::ready;
use crate::sockets::Tables;

/// What the hosts' interfaces are called.
pub(crate) const INTERFACE: &str = "eth0";

/// The socket tables of a network namespace, in the order in which they travel.
pub(crate) const TABLES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];
// The keeper's report has a bit for each.
const _: () = assert!(TABLES.len() * MOST_HOSTS <= u32::BITS as usize);

/// Packets that may wait for the link before one is dropped: a TUN device's 500 lose packets at full speed.
const QUEUE_LEN: u32 = 50_000;

/// Behind all others.
const GAUGE: Role = Role::Other(MOST_HOSTS as u8 + 1);

/// Where datagrams go that nobody is to read (RFC 863).
const DISCARD_PORT: u16 = 9;

/// The switch's interface in the middle.
const BRIDGE: &str = "switch";

/// Everybody on the hosts' network.
const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);

/// Groups and everybody: programs that name neither an interface nor an address of their own reach them as well.
const TO_MANY: [(Ipv4Addr, u8); 2] = [(Ipv4Addr::new(224, 0, 0, 0), 4), (Ipv4Addr::BROADCAST, 32)];

/// A refused step, with the kernel's errno.
pub(crate) type Refused = (Step, i32);

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    /// Its network namespace, which stays as long as this does, whoever is in it.
    _network: OwnedFd,
    /// The far side of its interface.
    pub(crate) link: OwnedFd,
    /// Its port of the switch, if there is one.
    pub(crate) port: Option<OwnedFd>,
    /// A conversation with the kernel about the interface that loses packets when the link is too slow.
    pub(crate) interfaces: Rtnetlink,
    /// Its socket tables: each of [`TABLES`] that this kernel has.
    pub(crate) tables: Tables,
}

/// All, in the order of their numbers.
#[derive(Debug)]
pub(crate) struct Hosts {
    pub(crate) backend: Backend,
    pub(crate) hosts: Vec<Host>,
    /// Where they were made.
    place: Place,
}

/// A host that nobody else can see, for `calibration`.
#[derive(Debug)]
pub(crate) struct Gauge {
    /// The far side of its interface.
    pub(crate) link: OwnedFd,
    /// Its own address, and one on the other side.
    pub(crate) ends: [SocketAddr; 2],
    /// Kept for as long as it is there.
    _interfaces: Rtnetlink,
}

/// Where hosts are made, and by whom.
#[derive(Debug)]
struct Place {
    ids: Ids,
    own: OwnPlace,
    /// The network namespace from which the hosts' are made; the far ends of interfaces are in it.
    middle: OwnedFd,
}

/// The hosts while they are made.
#[derive(Debug)]
pub(crate) struct Unfinished<'a> {
    config: &'a Config,
    place: Place,
    /// Whether they are to be joined by TUN devices: settled with the first.
    by_tun: bool,
    hosts: Vec<Bare>,
    /// As many as hosts, or none.
    devices: Vec<Device>,
}

impl Hosts {
    /// Makes the gauge, whose network the calling thread is in afterwards. It is as the others are, but has no IPv6.
    pub(crate) fn gauge(&self) -> Result<Gauge, Refused> {
        let network = make_network(&self.place.own)?;
        let _ = namespace::set_sysctl("net.ipv6.conf.all.disable_ipv6", "1");
        let host = Bare { role: GAUGE, network, has_ipv6: false, tables: Tables::default() };
        let (link, interfaces) = match self.backend {
            Backend::Packet => {
                let FarSide { link, .. } = far_side(&host, &self.place.middle, None)?;
                (link, configure(Family::V4, &host, &[Role::Client])?)
            }
            Backend::Tun | Backend::Simulated => {
                let tun = tun::create(INTERFACE).map_err(at(Step::Tun))?;
                (tun, configure(Family::V4, &host, &[])?)
            }
        };
        let end = |role: Role, port| SocketAddr::new(role.address(Family::V4), port);
        Ok(Gauge { link, ends: [end(GAUGE, 0), end(Role::Client, DISCARD_PORT)], _interfaces: interfaces })
    }
}

/// The length of what stands before IP in what a link reads: an Ethernet header (two addresses and a type, without VLAN
/// tags: IEEE 802.3), or nothing.
pub(crate) fn link_layer_len(backend: Backend) -> usize {
    match backend {
        Backend::Packet => 14,
        Backend::Tun | Backend::Simulated => 0,
    }
}

/// Where the interface is whose counters tell of lost packets: on the host itself, or in the middle.
pub(crate) fn counted_interface(backend: Backend, role: Role) -> &'static str {
    match backend {
        Backend::Packet => role.name(),
        Backend::Tun | Backend::Simulated => INTERFACE,
    }
}

impl<'a> Unfinished<'a> {
    /// Begins with nothing. Later the calling process goes from one network to the next.
    pub(crate) fn begin(config: &'a Config, ids: Ids, middle: OwnedFd) -> Result<Unfinished<'a>, Refused> {
        let by_tun = tries_tun(config)?;
        let own = OwnPlace::open().map_err(at(Step::NetworkNamespace))?;
        let place = Place { ids, own, middle };
        Ok(Unfinished { config, place, by_tun, hosts: Vec::new(), devices: Vec::new() })
    }

    /// How many are to be made.
    pub(crate) fn number(&self) -> usize {
        self.config.hosts()
    }

    /// Makes a host that is on no network yet, and gives its network namespace.
    pub(crate) fn add(&mut self, role: Role) -> Result<BorrowedFd<'_>, Refused> {
        let bare = make_bare(role, &self.place)?;
        if self.config.family == Family::V6 && !bare.has_ipv6 {
            return Err((Step::Address, Errno::AFNOSUPPORT.raw_os_error()));
        }
        self.hosts.push(bare);
        Ok(self.hosts[self.hosts.len() - 1].network.as_fd())
    }

    /// Gives the host that was added last its TUN device, where that is tried and allowed. Whether it stands now, before the
    /// others.
    pub(crate) fn try_to_finish_last(&mut self) -> Result<bool, Refused> {
        let Some(bare) = self.hosts.last().filter(|_| self.by_tun) else { return Ok(false) };
        match tun::create(INTERFACE) {
            Ok(tun) => {
                let interfaces = configure(self.config.family, bare, &[])?;
                self.devices.push(Device { tun, interfaces });
            }
            Err(_) if self.config.backend == Choice::Automatic && self.hosts.len() == 1 => {
                self.by_tun = false;
            }
            Err(errno) => return Err((Step::Tun, errno)),
        }
        Ok(self.by_tun)
    }

    /// Joins all, which have been added: the links' far sides.
    pub(crate) fn finish(mut self) -> Result<Hosts, Refused> {
        if !self.by_tun {
            self.hosts.sort_by_key(|host| host.role.number());
            return join_by_packet_sockets(self.config, self.place, self.hosts);
        }
        let mut hosts: Vec<(Bare, Device)> = self.hosts.into_iter().zip(self.devices).collect();
        hosts.sort_by_key(|(host, _)| host.role.number());
        let joined = |(host, Device { tun, interfaces })| {
            finished(host, FarSide { link: tun, port: None, interfaces })
        };
        let hosts = hosts.into_iter().map(joined).collect();
        Ok(Hosts { backend: Backend::Tun, hosts, place: self.place })
    }
}

/// What /etc/hosts says inside. The family that is to come first stands first; a resolver that sorts by RFC 6724 goes
/// by which address is preferred.
pub(crate) fn names(config: &Config) -> String {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
    let order = match config.family {
        Family::V4 => [Family::V4, Family::V6],
        Family::V6 => [Family::V6, Family::V4],
    };
    for family in order {
        for role in Role::all(config.hosts()) {
            let _ = writeln!(text, "{} {} {}", role.address(family), role.name(), role.letter());
        }
    }
    text
}

/// A host that is on no network yet.
#[derive(Debug)]
struct Bare {
    role: Role,
    network: OwnedFd,
    has_ipv6: bool,
    tables: Tables,
}

/// Its TUN device, with its addresses and up, and a conversation with the kernel about it.
#[derive(Debug)]
struct Device {
    tun: OwnedFd,
    interfaces: Rtnetlink,
}

/// Makes a network namespace, which the calling process is in afterwards.
fn make_network(own: &OwnPlace) -> Result<OwnedFd, Refused> {
    namespace::unshare(Namespace::Network).map_err(at(Step::NetworkNamespace))?;
    own.network().map_err(at(Step::NetworkNamespace))
}

/// The calling process is in its network afterwards.
fn make_bare(role: Role, Place { ids, own, middle }: &Place) -> Result<Bare, Refused> {
    namespace::enter(Namespace::Network, middle.as_fd()).map_err(at(Step::NetworkNamespace))?;
    let network = make_network(own)?;
    // The server may have a port below 1024, as it would on a host of its own.
    namespace::set_sysctl("net.ipv4.ip_unprivileged_port_start", "0").map_err(at(Step::Sysctl))?;
    // ping(8) works without privilege; without this it may still have file capabilities.
    let _ = namespace::set_sysctl("net.ipv4.ping_group_range", &format!("{0} {0}", ids.group));
    // The machine may have it switched off by default. A kernel without it has no such file.
    let allowed = namespace::set_sysctl("net.ipv6.conf.all.disable_ipv6", "0");
    let has_ipv6 = allowed != Err(Errno::NOENT.raw_os_error());
    let tables = TABLES.map(|table| own.network_table(table).ok().map(Into::into));
    Ok(Bare { role, network, has_ipv6, tables })
}

/// Whether the hosts are to be joined by TUN devices if they can be made: not where somebody wants it otherwise, or where
/// there is a switch, which needs hardware addresses.
fn tries_tun(config: &Config) -> Result<bool, Refused> {
    match config.backend {
        Choice::Packet => Ok(false),
        Choice::Automatic => Ok(config.hosts() == 2),
        Choice::Tun if config.hosts() > 2 => Err((Step::Tun, Errno::OPNOTSUPP.raw_os_error())),
        Choice::Tun => Ok(true),
    }
}

fn join_by_packet_sockets(config: &Config, place: Place, hosts: Vec<Bare>) -> Result<Hosts, Refused> {
    let (has_switch, middle) = (hosts.len() > 2, &place.middle);
    namespace::enter(Namespace::Network, middle.as_fd()).map_err(at(Step::NetworkNamespace))?;
    // The far ends of the hosts' interfaces have nothing to say. Where it may not be set, they have no addresses either.
    let _ = namespace::set_sysctl("net.ipv6.conf.all.disable_ipv6", "1");
    let bridge = has_switch.then(make_bridge).transpose()?;
    let mut far_sides =
        hosts.iter().map(|host| far_side(host, middle, bridge)).collect::<Result<Vec<_>, Refused>>()?;
    let roles: Vec<Role> = hosts.iter().map(|host| host.role).collect();
    for host in &hosts {
        let others: Vec<Role> = roles.iter().copied().filter(|role| *role != host.role).collect();
        configure(config.family, host, &others)?;
    }
    for (host, far) in hosts.iter().zip(&mut far_sides).filter(|_| has_switch) {
        ready::to_forward(&mut far.interfaces, &port_of(host.role)).map_err(at(Step::Bridge))?;
    }
    let hosts = hosts.into_iter().zip(far_sides).map(|(host, far)| finished(host, far)).collect();
    Ok(Hosts { backend: Backend::Packet, hosts, place })
}

fn make_bridge() -> Result<u32, Refused> {
    let make = || {
        let mut interfaces = Rtnetlink::open()?;
        interfaces.make_bridge(BRIDGE)?;
        let index = interfaces.index(BRIDGE)?;
        interfaces.set(index, Setting { up: true, ..Setting::default() })?;
        Ok(index)
    };
    make().map_err(at(Step::Bridge))
}

/// What there is of a host in the middle.
#[derive(Debug)]
struct FarSide {
    link: OwnedFd,
    port: Option<OwnedFd>,
    interfaces: Rtnetlink,
}

/// The switch's end of a host's line.
fn port_of(role: Role) -> String {
    format!("port-{}", role.name())
}

/// Makes the veth pair between a host and the middle, and opens a packet socket on the middle's end, which is up before
/// the host's own, so that nothing the host sends is missed. With a bridge, another pair within the middle is a port of it
/// and a second packet socket's interface.
fn far_side(host: &Bare, middle: &OwnedFd, bridge: Option<u32>) -> Result<FarSide, Refused> {
    namespace::enter(Namespace::Network, middle.as_fd()).map_err(at(Step::NetworkNamespace))?;
    let mut interfaces = Rtnetlink::open().map_err(at(Step::Veth))?;
    let name = counted_interface(Backend::Packet, host.role);
    let here = VethEnd { name, mac: mac(host.role, Side::Far) };
    let there = VethEnd { name: INTERFACE, mac: mac(host.role, Side::Host) };
    interfaces.make_veth(here, there, host.network.as_fd()).map_err(at(Step::Veth))?;
    let up = Setting { silent_ipv6: host.has_ipv6, up: true, ..Setting::default() };
    let link = socket_on(&mut interfaces, name, up)?;
    let Some(bridge) = bridge else { return Ok(FarSide { link, port: None, interfaces }) };
    let (near, far) = (format!("to-{name}"), port_of(host.role));
    let here = VethEnd { name: &near, mac: mac(host.role, Side::Near) };
    let there = VethEnd { name: &far, mac: mac(host.role, Side::Port) };
    interfaces.make_veth(here, there, middle.as_fd()).map_err(at(Step::Veth))?;
    let port = socket_on(&mut interfaces, &near, up)?;
    let in_bridge = interfaces
        .index(&far)
        .and_then(|index| interfaces.set(index, Setting { bridge: Some(bridge), ..up }));
    in_bridge.map_err(at(Step::Bridge))?;
    Ok(FarSide { link, port: Some(port), interfaces })
}

fn socket_on(interfaces: &mut Rtnetlink, name: &str, setting: Setting) -> Result<OwnedFd, Refused> {
    let index = interfaces.index(name).map_err(at(Step::Veth))?;
    interfaces.set(index, setting).map_err(at(Step::Veth))?;
    packet_socket::open(index).map_err(at(Step::PacketSocket))
}

/// Gives a host its addresses and takes it up. Where there are hardware addresses, those of its neighbours are known from
/// the start.
fn configure(preferred: Family, host: &Bare, neighbours: &[Role]) -> Result<Rtnetlink, Refused> {
    namespace::enter(Namespace::Network, host.network.as_fd()).map_err(at(Step::NetworkNamespace))?;
    let families: &[Family] = if host.has_ipv6 { &[Family::V4, Family::V6] } else { &[Family::V4] };
    let up = Setting { up: true, ..Setting::default() };
    let link = Setting {
        queue_len: Some(QUEUE_LEN),
        mtu: Some(MTU),
        silent_ipv6: host.has_ipv6,
        // All are known. And then it does not join the groups in which others would look for it, which it would report to
        // routers (RFC 3810 §6).
        looks_for_neighbours: (!neighbours.is_empty()).then_some(false),
        ..Setting::default()
    };
    let set_up = || {
        let mut interfaces = Rtnetlink::open()?;
        let (loopback, index) = (interfaces.index("lo")?, interfaces.index(INTERFACE)?);
        let mut changes = Changes::default();
        changes.set(loopback, up);
        // The queue's length before it is taken up: afterwards the kernel would first have to stop it.
        changes.set(index, link);
        // By default there is a queue before a TUN device's own: what it is made of takes the kernel long, and it never
        // fills.
        changes.hand_over_at_once(index);
        for family in families {
            changes.add_address(index, address(host.role, *family, preferred));
        }
        changes.set(index, up);
        if host.has_ipv6 {
            changes.take_in(index, host.role.address(Family::V6));
        }
        for (network, prefix_len) in TO_MANY {
            changes.add_route(index, IpAddr::V4(network), prefix_len);
        }
        for neighbour in neighbours {
            for family in families {
                changes.add_neighbour(index, neighbour.address(*family), mac(*neighbour, Side::Host));
            }
        }
        if !neighbours.is_empty() {
            for everybody in [BROADCAST, Ipv4Addr::BROADCAST] {
                changes.add_neighbour(index, everybody.into(), [0xff; 6]);
            }
        }
        interfaces.make(changes)?;
        if host.has_ipv6 {
            ready::to_receive(&mut interfaces, host.role.address(Family::V6))?;
        }
        Ok(interfaces)
    };
    set_up().map_err(at(Step::Address))
}

fn address(role: Role, family: Family, preferred: Family) -> InterfaceAddress {
    let prefix_len = match family {
        Family::V4 => PREFIX_LEN,
        Family::V6 => PREFIX_LEN_V6,
    };
    InterfaceAddress { ip: role.address(family), prefix_len, preferred: family == preferred }
}

/// The host as it is told to the others.
fn finished(host: Bare, far: FarSide) -> Host {
    let (Bare { network, tables, .. }, FarSide { link, port, interfaces }) = (host, far);
    Host { _network: network, link, port, interfaces, tables }
}

/// Where an interface is on the way from a host to the switch.
#[derive(Clone, Copy, Debug)]
enum Side {
    Host,
    Far,
    Near,
    Port,
}

/// Locally administered addresses that end in the host's own (RFC 7042 §2.1).
fn mac(role: Role, side: Side) -> Mac {
    let side = match side {
        Side::Host => 0,
        Side::Far => 1,
        Side::Near => 2,
        Side::Port => 3,
    };
    [2, side, 10, 0, 0, role.number()]
}

fn at(step: Step) -> impl Fn(i32) -> Refused {
    move |errno| (step, errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_the_family_that_comes_first() {
        let mut config = Config { family: Family::V6, ..Config::default() };
        config.others.push(crate::config::Program::Idle);
        let expected = "127.0.0.1 localhost\n::1 localhost\nfd00::1 client a\nfd00::2 server b\nfd00::3 host3 c\n\
                        10.0.0.1 client a\n10.0.0.2 server b\n10.0.0.3 host3 c\n";
        assert_eq!(names(&config), expected);
    }
}
