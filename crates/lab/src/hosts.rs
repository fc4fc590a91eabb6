//! The hosts, made by the keeper: a network namespace each, an interface `eth0` in it, and the far side of that
//! interface as a descriptor. Nothing but the programs may put a packet on the link: nobody asks for a neighbour, an
//! address or a router, and no group is joined that no program wants.
//!
//! Two hosts are joined by the link itself. More stand around a switch, which is a bridge of the kernel: each host's
//! interface ends in the middle, where a link of its own carries its packets to its port of the bridge and back.

use std::fmt::Write as _;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use kernel::namespace::{self, Ids, Namespace};
use kernel::rtnetlink::{InterfaceAddress, Mac, Rtnetlink, Setting, VethEnd};
use kernel::tun::{self, Tun};
use kernel::{mount, packet_socket, process};
use rustix::io::Errno;
use wire::refusal::Step;

use crate::calibration::{self, Calibration};
use crate::config::{Choice, Config, Family, MTU, PREFIX_LEN, PREFIX_LEN_V6};
use crate::event::{Backend, Role};
use crate::ready;
use crate::sockets::Tables;

/// What the hosts' interfaces are called.
pub(crate) const INTERFACE: &str = "eth0";

/// The socket tables of a network namespace, in the order in which they travel.
pub(crate) const TABLES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];

/// Packets that may wait for the link before one is dropped: a TUN device's 500 lose packets at full speed.
const QUEUE_LEN: u32 = 50_000;

/// Places in each host's own table of TCP sockets, so that looking through it takes microseconds.
const TCP_TABLE: &str = "4096";

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
    /// Its network namespace.
    pub(crate) network: OwnedFd,
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
    pub(crate) offload: bool,
    /// What getting a packet in and out of the link costs; all zeros where the link has no delay, or it could not be measured.
    pub(crate) calibration: Calibration,
    pub(crate) hosts: Vec<Host>,
}

impl Hosts {
    /// What getting packets in and out costs on a host where nothing runs yet and whose network the calling thread is in afterwards.
    fn calibrate(&self, role: Role, delay: Duration) -> Option<Calibration> {
        let host = self.hosts.get(role.index())?;
        let other = if role == Role::Client { Role::Server } else { Role::Client };
        namespace::enter_network(host.network.as_fd()).ok()?;
        let at = |role: Role, port| SocketAddr::new(role.address(Family::V4), port);
        let ends = [at(role, 0), at(other, DISCARD_PORT)];
        calibration::measure(host.link.as_fd(), link_layer_len(self.backend), ends, delay)
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

/// Takes the calling process into namespaces of its own and makes the hosts there. Its children will be in a pid
/// namespace of their own as well.
pub(crate) fn make(config: &Config, ids: Ids) -> Result<Hosts, Refused> {
    enter_own_world(config, ids)?;
    let middle = make_network()?;
    // tcp_child_ehash_entries counts for the namespaces made from here, since Linux 6.1; before, they share a table.
    let _ = namespace::set_sysctl("net.ipv4.tcp_child_ehash_entries", TCP_TABLE);
    // The far ends of the hosts' interfaces have nothing to say. Where it may not be set, they have no addresses either.
    let _ = namespace::set_sysctl("net.ipv6.conf.all.disable_ipv6", "1");
    let hosts = at_once(Role::all(config.hosts()), |role| make_bare(role, &middle, ids))?;
    if config.family == Family::V6 && hosts.iter().any(|host| !host.has_ipv6) {
        return Err((Step::Address, Errno::AFNOSUPPORT.raw_os_error()));
    }
    let mut hosts = match tuns(config, &hosts)? {
        Some(tuns) => join_by_tun(config, hosts, tuns)?,
        None => join_by_packet_sockets(config, &middle, hosts)?,
    };
    if config.link.delays() {
        hosts.calibration = hosts.calibrate(Role::Server, config.link.usual_delay()).unwrap_or_default();
    }
    // The threads that have helped are gone, and from here on none may be started, only processes.
    if !process::joined_are_gone() {
        return Err((Step::Fork, Errno::BUSY.raw_os_error()));
    }
    namespace::unshare(Namespace::Pid).map_err(at(Step::PidNamespace))?;
    Ok(hosts)
}

fn enter_own_world(config: &Config, ids: Ids) -> Result<(), Refused> {
    namespace::unshare(Namespace::User).map_err(at(Step::UserNamespace))?;
    namespace::keep_ids(ids).map_err(at(Step::IdMaps))?;
    namespace::unshare(Namespace::Mount).map_err(at(Step::MountNamespace))?;
    mount::make_private().map_err(at(Step::MountNamespace))?;
    // Without names the addresses still work.
    let _ = mount::replace_hosts(&names(config));
    Ok(())
}

/// What /etc/hosts says inside. The family that is to come first stands first; who sorts by RFC 6724 goes by the addresses'
/// being preferred or not.
fn names(config: &Config) -> String {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
    let order = match config.family {
        Family::V4 => [Family::V4, Family::V6],
        Family::V6 => [Family::V6, Family::V4],
    };
    for family in order {
        for role in Role::all(config.hosts()) {
            let letter = char::from(b'a' + role.number() - 1);
            let _ = writeln!(text, "{} {} {letter}", role.address(family), role.name());
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
}

/// Makes one for each of the hosts, on as many threads: each is in the network namespace that it enters, and most of the
/// time the kernel is at work. In their order; the first that is refused is told.
fn at_once<T: Send, R: Send>(
    hosts: impl Iterator<Item = T>,
    make: impl Fn(T) -> Result<R, Refused> + Sync,
) -> Result<Vec<R>, Refused> {
    let make = &make;
    let no_thread = |error: &std::io::Error| (Step::Fork, error.raw_os_error().unwrap_or_default());
    thread::scope(|scope| {
        let mut hosts = hosts;
        let first = hosts.next();
        let others: Vec<_> =
            hosts.map(|host| thread::Builder::new().spawn_scoped(scope, move || make(host))).collect();
        let first = first.map(make).into_iter();
        let others = others.into_iter().map(|other| {
            let other = other.map_err(|error| no_thread(&error))?;
            other.join().unwrap_or(Err((Step::Fork, Errno::CANCELED.raw_os_error())))
        });
        first.chain(others).collect()
    })
}

fn make_network() -> Result<OwnedFd, Refused> {
    namespace::unshare(Namespace::Network).map_err(at(Step::NetworkNamespace))?;
    namespace::own_network().map_err(at(Step::NetworkNamespace))
}

fn make_bare(role: Role, middle: &OwnedFd, ids: Ids) -> Result<Bare, Refused> {
    namespace::enter_network(middle.as_fd()).map_err(at(Step::NetworkNamespace))?;
    let network = make_network()?;
    // The server may have a port below 1024, as it would on a host of its own.
    namespace::set_sysctl("net.ipv4.ip_unprivileged_port_start", "0").map_err(at(Step::Sysctl))?;
    // ping(8) works without privilege; without this it may still have file capabilities.
    let _ = namespace::set_sysctl("net.ipv4.ping_group_range", &format!("{0} {0}", ids.group));
    // The machine may have it switched off by default. A kernel without it has no such file.
    let allowed = namespace::set_sysctl("net.ipv6.conf.all.disable_ipv6", "0");
    Ok(Bare { role, network, has_ipv6: allowed != Err(Errno::NOENT.raw_os_error()) })
}

/// The hosts' TUN devices; none where they cannot be made and nobody insists, or where there is a switch: that needs
/// hardware addresses.
fn tuns(config: &Config, hosts: &[Bare]) -> Result<Option<Vec<Tun>>, Refused> {
    if config.backend == Choice::Packet || (config.hosts() > 2 && config.backend == Choice::Automatic) {
        return Ok(None);
    }
    if config.hosts() > 2 {
        return Err((Step::Tun, Errno::OPNOTSUPP.raw_os_error()));
    }
    match at_once(hosts.iter(), tun_in) {
        Ok(tuns) => Ok(Some(tuns)),
        Err((Step::Tun, _)) if config.backend == Choice::Automatic => Ok(None),
        Err(refused) => Err(refused),
    }
}

fn tun_in(host: &Bare) -> Result<Tun, Refused> {
    namespace::enter_network(host.network.as_fd()).map_err(at(Step::NetworkNamespace))?;
    tun::create(INTERFACE).map_err(at(Step::Tun))
}

fn join_by_tun(config: &Config, hosts: Vec<Bare>, tuns: Vec<Tun>) -> Result<Hosts, Refused> {
    let offload = tuns.iter().all(|tun| tun.offload);
    let join = |(host, tun): (Bare, Tun)| {
        let interfaces = configure(config, &host, &[])?;
        finished(host, FarSide { link: tun.fd, port: None, interfaces })
    };
    let hosts = at_once(hosts.into_iter().zip(tuns), join)?;
    Ok(Hosts { backend: Backend::Tun, offload, calibration: Calibration::default(), hosts })
}

fn join_by_packet_sockets(config: &Config, middle: &OwnedFd, hosts: Vec<Bare>) -> Result<Hosts, Refused> {
    let has_switch = hosts.len() > 2;
    namespace::enter_network(middle.as_fd()).map_err(at(Step::NetworkNamespace))?;
    let bridge = has_switch.then(make_bridge).transpose()?;
    let mut far_sides =
        hosts.iter().map(|host| far_side(host, middle, bridge)).collect::<Result<Vec<_>, Refused>>()?;
    let roles: Vec<Role> = hosts.iter().map(|host| host.role).collect();
    for host in &hosts {
        let others: Vec<Role> = roles.iter().copied().filter(|role| *role != host.role).collect();
        configure(config, host, &others)?;
    }
    for (host, far) in hosts.iter().zip(&mut far_sides).filter(|_| has_switch) {
        ready::to_forward(&mut far.interfaces, &port_of(host.role)).map_err(at(Step::Bridge))?;
    }
    let hosts =
        hosts.into_iter().zip(far_sides).map(|(host, far)| finished(host, far)).collect::<Result<_, _>>()?;
    Ok(Hosts { backend: Backend::Packet, offload: true, calibration: Calibration::default(), hosts })
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
    namespace::enter_network(middle.as_fd()).map_err(at(Step::NetworkNamespace))?;
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
fn configure(config: &Config, host: &Bare, neighbours: &[Role]) -> Result<Rtnetlink, Refused> {
    namespace::enter_network(host.network.as_fd()).map_err(at(Step::NetworkNamespace))?;
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
        let loopback = interfaces.index("lo")?;
        interfaces.set(loopback, up)?;
        let index = interfaces.index(INTERFACE)?;
        // The queue's length before it is taken up: afterwards the kernel would first have to stop it.
        interfaces.set(index, link)?;
        for family in families {
            interfaces.add_address(index, address(host.role, *family, config.family))?;
        }
        interfaces.set(index, up)?;
        for (network, prefix_len) in TO_MANY {
            interfaces.add_route(index, IpAddr::V4(network), prefix_len)?;
        }
        for neighbour in neighbours {
            for family in families {
                interfaces.add_neighbour(index, neighbour.address(*family), mac(*neighbour, Side::Host))?;
            }
        }
        if !neighbours.is_empty() {
            for everybody in [BROADCAST, Ipv4Addr::BROADCAST] {
                interfaces.add_neighbour(index, everybody.into(), [0xff; 6])?;
            }
        }
        for family in families {
            ready::to_receive(&mut interfaces, host.role.address(*family))?;
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

/// The host as it is told to the others. To be called inside no particular network: its tables belong to its own, which is
/// entered.
fn finished(host: Bare, far: FarSide) -> Result<Host, Refused> {
    namespace::enter_network(host.network.as_fd()).map_err(at(Step::NetworkNamespace))?;
    let tables = TABLES.map(|table| File::open(format!("/proc/thread-self/net/{table}")).ok());
    let FarSide { link, port, interfaces } = far;
    Ok(Host { network: host.network, link, port, interfaces, tables })
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
