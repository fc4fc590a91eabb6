//! Two hosts in network namespaces of their own, each with a real kernel's TCP, and between them nothing but this
//! process, which reads what one sends and writes it to the other when it likes.

use std::fs::File;
use std::io::{Read, Seek};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use flow::State;
use kernel::namespace::{self, Ids, Namespace};
use kernel::packet_socket;
use kernel::rtnetlink::{Changes, InterfaceAddress, Rtnetlink, Setting, VethEnd};
use lab::config::{CLIENT_ADDRESS, PREFIX_LEN, SERVER_ADDRESS};
use lab::event::Role;
use wire::socket_row::{SocketRow, SocketState, rows};

/// The virtio-net header and the Ethernet header before each packet.
pub(crate) const BEFORE_IP: usize = 10 + 14;

/// An Ethernet type for experiments, which no kernel takes up (IEEE 802).
const EXPERIMENTAL: u16 = 0x88b5;

/// What the kernel says where, when it does not let us.
pub(crate) type Refused = (&'static str, i32);

/// One host.
pub(crate) struct Host {
    network: OwnedFd,
    /// The far side of its interface.
    pub(crate) link: OwnedFd,
    /// /proc/net/{tcp, snmp, dev} of its namespace.
    sockets: File,
    protocols: File,
    interfaces: File,
}

/// Takes this process, which has one thread, into namespaces of its own and makes both hosts there.
pub(crate) fn make() -> Result<[Host; 2], Refused> {
    let ids = Ids::own();
    namespace::unshare(Namespace::User).map_err(at("a user namespace"))?;
    namespace::keep_ids(ids).map_err(at("id maps"))?;
    namespace::unshare(Namespace::Network).map_err(at("a network namespace"))?;
    let middle = namespace::own(Namespace::Network).map_err(at("a network namespace"))?;
    // A table of sockets for each host alone, so that looking through it takes microseconds (since Linux 6.1).
    let _ = namespace::set_sysctl("net.ipv4.tcp_child_ehash_entries", "1024");
    Ok([make_host(&middle, Role::Client)?, make_host(&middle, Role::Server)?])
}

fn make_host(middle: &OwnedFd, role: Role) -> Result<Host, Refused> {
    namespace::enter(Namespace::Network, middle.as_fd()).map_err(at("the middle"))?;
    namespace::unshare(Namespace::Network).map_err(at("a network namespace"))?;
    let network = namespace::own(Namespace::Network).map_err(at("a network namespace"))?;
    // The link is between the two kernels' TCP only.
    let _ = namespace::set_sysctl("net.ipv6.conf.all.disable_ipv6", "1");
    namespace::enter(Namespace::Network, middle.as_fd()).map_err(at("the middle"))?;
    let link = far_end(&network, role).map_err(at("a veth pair"))?;
    namespace::enter(Namespace::Network, network.as_fd()).map_err(at("the host"))?;
    configure(role).map_err(at("an address"))?;
    let open = |name: &str| {
        File::open(format!("/proc/self/net/{name}"))
            .map_err(|error| ("/proc", error.raw_os_error().unwrap_or_default()))
    };
    let mut host =
        Host { link, sockets: open("tcp")?, protocols: open("snmp")?, interfaces: open("dev")?, network };
    host.wait_for_its_link(role);
    Ok(host)
}

fn at(what: &'static str) -> impl Fn(i32) -> Refused {
    move |errno| (what, errno)
}

fn far_end(network: &OwnedFd, role: Role) -> Result<OwnedFd, i32> {
    let mut interfaces = Rtnetlink::open()?;
    let name = if role == Role::Client { "client" } else { "server" };
    let here = VethEnd { name, mac: mac(role, 1) };
    interfaces.make_veth(here, VethEnd { name: "eth0", mac: mac(role, 0) }, network.as_fd())?;
    let index = interfaces.index(name)?;
    interfaces.set(index, Setting { silent_ipv6: true, up: true, ..Setting::default() })?;
    packet_socket::open(index)
}

fn configure(role: Role) -> Result<(), i32> {
    let mut interfaces = Rtnetlink::open()?;
    let index = interfaces.index("eth0")?;
    let mut changes = Changes::default();
    changes.set(index, Setting { silent_ipv6: true, ..Setting::default() });
    let ip = address(role).into();
    changes.add_address(index, InterfaceAddress { ip, prefix_len: PREFIX_LEN, preferred: true });
    changes.set(index, Setting { up: true, ..Setting::default() });
    changes.add_neighbour(index, address(other(role)).into(), mac(other(role), 0));
    interfaces.make(changes)
}

fn mac(role: Role, side: u8) -> [u8; 6] {
    [2, side, 10, 0, 0, if role == Role::Client { 1 } else { 2 }]
}

pub(crate) fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server | Role::Other(_) => Role::Client,
    }
}

fn address(role: Role) -> Ipv4Addr {
    match role {
        Role::Client => CLIENT_ADDRESS,
        Role::Server | Role::Other(_) => SERVER_ADDRESS,
    }
}

pub(crate) fn socket_address(role: Role, port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(address(role), port))
}

/// Whose address this is.
pub(crate) fn role_of(ip: IpAddr) -> Role {
    if ip == IpAddr::V4(CLIENT_ADDRESS) { Role::Client } else { Role::Server }
}

impl Host {
    /// From here on this process makes its sockets on this host.
    pub(crate) fn enter(&self) {
        namespace::enter(Namespace::Network, self.network.as_fd()).expect("it was entered before");
    }

    /// What its kernel says of the connection between two addresses. None is CLOSED, or LISTEN where somebody listens.
    pub(crate) fn state(&mut self, local: SocketAddr, remote: SocketAddr) -> State {
        let table: Vec<SocketRow> = rows(&text(&mut self.sockets)).collect();
        let connection =
            table.iter().find(|row| (&row.local, &row.remote) == (&local.into(), &remote.into()));
        let listener =
            table.iter().find(|row| row.state == SocketState::LISTEN && row.local_port() == local.port());
        match connection.or(listener) {
            Some(row) => state_of(row.state),
            None => State::Closed,
        }
    }

    /// How many segments have come into its TCP: all that were written to its link, once its kernel has got to them.
    pub(crate) fn segments_in(&mut self) -> u64 {
        let text = text(&mut self.protocols);
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (titles, values) = (lines.next().expect("titles"), lines.next().expect("values"));
        let place = titles.split(' ').position(|title| title == "InSegs").expect("a counter of segments");
        values.split(' ').nth(place).and_then(|value| value.parse().ok()).expect("a number")
    }

    /// How many packets have left it: all that were read from its link, once they are through.
    pub(crate) fn packets_out(&mut self) -> u64 {
        // Eight counters of receiving come first; then bytes, then packets.
        self.counter(9)
    }

    fn counter(&mut self, place: usize) -> u64 {
        let text = text(&mut self.interfaces);
        let counters = text.lines().find_map(|line| line.trim_start().strip_prefix("eth0:"));
        let counter = counters.and_then(|counters| counters.split_ascii_whitespace().nth(place));
        counter.and_then(|counter| counter.parse().ok()).expect("a number")
    }

    /// The far side of a veth pair drops what is written to it until the kernel has noticed, in a thread of its own, that
    /// the near side is up: until a frame that means nothing has come through.
    fn wait_for_its_link(&mut self, role: Role) {
        let ether_type = EXPERIMENTAL.to_be_bytes();
        let frame = [&[0; 10], &mac(role, 0)[..], &mac(other(role), 0), &ether_type, &[0; 46]].concat();
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.counter(1) == 0 {
            assert!(Instant::now() < deadline, "the link of {role:?} never came up");
            rustix::io::write(&self.link, &frame).expect("a link takes a frame");
        }
    }
}

/// A file of /proc from its start: the kernel makes it anew then.
fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().expect("a file of /proc");
    file.read_to_string(&mut text).expect("a file of /proc");
    text
}

fn state_of(state: SocketState) -> State {
    match state {
        SocketState::ESTABLISHED => State::Established,
        SocketState::SYN_SENT => State::SynSent,
        SocketState::SYN_RECEIVED => State::SynReceived,
        SocketState::FIN_WAIT_1 => State::FinWait1,
        SocketState::FIN_WAIT_2 => State::FinWait2,
        SocketState::TIME_WAIT => State::TimeWait,
        SocketState::CLOSED => State::Closed,
        SocketState::CLOSE_WAIT => State::CloseWait,
        SocketState::LAST_ACK => State::LastAck,
        SocketState::LISTEN => State::Listen,
        SocketState::CLOSING => State::Closing,
        SocketState(other) => panic!("no state of TCP: {other}"),
    }
}
