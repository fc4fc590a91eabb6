//! The two hosts, made by the keeper: a network namespace each, an interface `eth0` in it, and the far side of that
//! interface as a descriptor. Nothing but the programs may put a packet on the link: no ARP, no IPv6, no routers.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use kernel::namespace::{self, Ids, Namespace};
use kernel::rtnetlink::{Mac, Rtnetlink, Setting, VethEnd};
use kernel::tun::{self, Tun};
use kernel::{mount, packet_socket};
use rustix::io::Errno;
use wire::refusal::Step;

use crate::config::{CLIENT_ADDRESS, Choice, MTU, PREFIX_LEN, SERVER_ADDRESS};
use crate::event::{Backend, Role};
use crate::sockets::Tables;

/// What both hosts' interfaces are called.
pub(crate) const INTERFACE: &str = "eth0";

/// The socket tables of a network namespace, in the order in which they travel.
pub(crate) const TABLES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];

/// Packets that may wait for the link before one is dropped: a TUN device's 500 lose packets at full speed.
const QUEUE_LEN: u32 = 10_000;

/// Places in each host's own table of TCP sockets, so that looking through it takes microseconds.
const TCP_TABLE: &str = "4096";

/// A refused step, with the kernel's errno.
pub(crate) type Refused = (Step, i32);

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    /// Its network namespace.
    pub(crate) network: OwnedFd,
    /// The far side of its interface.
    pub(crate) link: OwnedFd,
    /// A conversation with the kernel about the interface that loses packets when the link is too slow.
    pub(crate) interfaces: Rtnetlink,
    /// Its socket tables: each of [`TABLES`] that this kernel has.
    pub(crate) tables: Tables,
}

/// Both.
#[derive(Debug)]
pub(crate) struct Hosts {
    pub(crate) backend: Backend,
    pub(crate) offload: bool,
    pub(crate) client: Host,
    pub(crate) server: Host,
}

/// Where the interface is whose counters tell of lost packets: on the host itself, or in the middle.
pub(crate) fn counted_interface(backend: Backend, role: Role) -> &'static str {
    match (backend, role) {
        (Backend::Packet, Role::Client) => "client",
        (Backend::Packet, Role::Server) => "server",
        _ => INTERFACE,
    }
}

/// Takes the calling process into namespaces of its own and makes the hosts there. Its children will be in a pid
/// namespace of their own as well.
pub(crate) fn make(choice: Choice, ids: Ids) -> Result<Hosts, Refused> {
    enter_own_world(ids)?;
    let middle = make_network()?;
    // tcp_child_ehash_entries counts for the namespaces made from here, since Linux 6.1; before, they share a table.
    let _ = namespace::set_sysctl("net.ipv4.tcp_child_ehash_entries", TCP_TABLE);
    let client = make_host_network(&middle, ids)?;
    let server = make_host_network(&middle, ids)?;
    let networks = Networks { middle, client, server };
    match tuns(choice, &networks)? {
        Some(tuns) => join_by_tun(networks, tuns),
        None => join_by_packet_sockets(networks),
    }
}

fn enter_own_world(ids: Ids) -> Result<(), Refused> {
    namespace::unshare(Namespace::User).map_err(at(Step::UserNamespace))?;
    namespace::keep_ids(ids).map_err(at(Step::IdMaps))?;
    namespace::unshare(Namespace::Mount).map_err(at(Step::MountNamespace))?;
    mount::make_private().map_err(at(Step::MountNamespace))?;
    // Without names the addresses still work.
    let _ = mount::replace_hosts(&names());
    namespace::unshare(Namespace::Pid).map_err(at(Step::PidNamespace))
}

/// What /etc/hosts says inside.
fn names() -> String {
    format!("127.0.0.1 localhost\n{CLIENT_ADDRESS} client a\n{SERVER_ADDRESS} server b\n")
}

#[derive(Debug)]
struct Networks {
    middle: OwnedFd,
    client: HostNetwork,
    server: HostNetwork,
}

#[derive(Debug)]
struct HostNetwork {
    network: OwnedFd,
    /// IPv6 could not be switched off by its sysctl: the interface has to be told.
    silence_ipv6: bool,
}

fn make_network() -> Result<OwnedFd, Refused> {
    namespace::unshare(Namespace::Network).map_err(at(Step::NetworkNamespace))?;
    namespace::own_network().map_err(at(Step::NetworkNamespace))
}

fn make_host_network(middle: &OwnedFd, ids: Ids) -> Result<HostNetwork, Refused> {
    namespace::enter_network(middle.as_fd()).map_err(at(Step::NetworkNamespace))?;
    let network = make_network()?;
    // The server may have a port below 1024, as it would on a host of its own.
    namespace::set_sysctl("net.ipv4.ip_unprivileged_port_start", "0").map_err(at(Step::Sysctl))?;
    // ping(8) works without privilege; without this it may still have file capabilities.
    let _ = namespace::set_sysctl("net.ipv4.ping_group_range", &format!("{0} {0}", ids.group));
    let silenced = namespace::set_sysctl("net.ipv6.conf.all.disable_ipv6", "1");
    let no_ipv6 = silenced.is_ok() || silenced == Err(Errno::NOENT.raw_os_error());
    Ok(HostNetwork { network, silence_ipv6: !no_ipv6 })
}

/// The TUN devices of client and server; none where they cannot be made and nobody insists.
fn tuns(choice: Choice, networks: &Networks) -> Result<Option<(Tun, Tun)>, Refused> {
    if choice == Choice::Packet {
        return Ok(None);
    }
    match tun_in(&networks.client).and_then(|client| Ok((client, tun_in(&networks.server)?))) {
        Ok(tuns) => Ok(Some(tuns)),
        Err((Step::Tun, _)) if choice == Choice::Automatic => Ok(None),
        Err(refused) => Err(refused),
    }
}

fn tun_in(host: &HostNetwork) -> Result<Tun, Refused> {
    namespace::enter_network(host.network.as_fd()).map_err(at(Step::NetworkNamespace))?;
    tun::create(INTERFACE).map_err(at(Step::Tun))
}

fn join_by_tun(networks: Networks, (client, server): (Tun, Tun)) -> Result<Hosts, Refused> {
    let offload = client.offload && server.offload;
    let counters = configure(&networks.client, CLIENT_ADDRESS, None)?;
    let client = host(networks.client, client.fd, counters)?;
    let counters = configure(&networks.server, SERVER_ADDRESS, None)?;
    let server = host(networks.server, server.fd, counters)?;
    Ok(Hosts { backend: Backend::Tun, offload, client, server })
}

fn join_by_packet_sockets(networks: Networks) -> Result<Hosts, Refused> {
    let client_end = far_end(&networks.middle, Role::Client, &networks.client)?;
    let server_end = far_end(&networks.middle, Role::Server, &networks.server)?;
    configure(&networks.client, CLIENT_ADDRESS, Some((SERVER_ADDRESS, mac(Role::Server))))?;
    configure(&networks.server, SERVER_ADDRESS, Some((CLIENT_ADDRESS, mac(Role::Client))))?;
    let client = host(networks.client, client_end.0, client_end.1)?;
    let server = host(networks.server, server_end.0, server_end.1)?;
    Ok(Hosts { backend: Backend::Packet, offload: true, client, server })
}

/// Makes the veth pair between a host and the middle, and opens a packet socket on the middle's end, which is up before
/// the host's own, so that nothing the host sends is missed.
fn far_end(middle: &OwnedFd, role: Role, host: &HostNetwork) -> Result<(OwnedFd, Rtnetlink), Refused> {
    namespace::enter_network(middle.as_fd()).map_err(at(Step::NetworkNamespace))?;
    let mut interfaces = Rtnetlink::open().map_err(at(Step::Veth))?;
    let name = counted_interface(Backend::Packet, role);
    let here = VethEnd { name, mac: far_mac(role) };
    let there = VethEnd { name: INTERFACE, mac: mac(role) };
    interfaces.make_veth(here, there, host.network.as_fd()).map_err(at(Step::Veth))?;
    let index = interfaces.index(name).map_err(at(Step::Veth))?;
    let setting = Setting { silent_ipv6: host.silence_ipv6, up: true, ..Setting::default() };
    interfaces.set(index, setting).map_err(at(Step::Veth))?;
    let socket = packet_socket::open(index).map_err(at(Step::PacketSocket))?;
    Ok((socket, interfaces))
}

/// Gives a host its address and takes it up. The neighbour is known from the start where there are hardware addresses.
fn configure(
    host: &HostNetwork,
    address: Ipv4Addr,
    neighbour: Option<(Ipv4Addr, Mac)>,
) -> Result<Rtnetlink, Refused> {
    namespace::enter_network(host.network.as_fd()).map_err(at(Step::NetworkNamespace))?;
    let up = Setting { up: true, ..Setting::default() };
    let link =
        Setting { queue_len: Some(QUEUE_LEN), mtu: Some(MTU), silent_ipv6: host.silence_ipv6, up: false };
    let set_up = || {
        let mut interfaces = Rtnetlink::open()?;
        let loopback = interfaces.index("lo")?;
        interfaces.set(loopback, up)?;
        let index = interfaces.index(INTERFACE)?;
        // The queue's length before it is taken up: afterwards the kernel would first have to stop it.
        interfaces.set(index, link)?;
        interfaces.add_address(index, address, PREFIX_LEN)?;
        interfaces.set(index, up)?;
        if let Some((other, mac)) = neighbour {
            interfaces.add_neighbour(index, other, mac)?;
        }
        Ok(interfaces)
    };
    set_up().map_err(at(Step::Address))
}

/// The host as it is told to the others. To be called inside its network: the tables belong to it.
fn host(network: HostNetwork, link: OwnedFd, interfaces: Rtnetlink) -> Result<Host, Refused> {
    namespace::enter_network(network.network.as_fd()).map_err(at(Step::NetworkNamespace))?;
    let tables = TABLES.map(|table| File::open(format!("/proc/self/net/{table}")).ok());
    Ok(Host { network: network.network, link, interfaces, tables })
}

/// Locally administered addresses that end in the host's own (RFC 7042 §2.1).
fn mac(role: Role) -> Mac {
    match role {
        Role::Client => [2, 0, 10, 0, 0, 1],
        Role::Server => [2, 0, 10, 0, 0, 2],
    }
}

fn far_mac(role: Role) -> Mac {
    let mut mac = mac(role);
    mac[1] = 1;
    mac
}

fn at(step: Step) -> impl Fn(i32) -> Refused {
    move |errno| (step, errno)
}
