//! The private network as the tool holds it: the keeper's process, the descriptors it handed out, and what they tell.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use kernel::packet_ring::Ring;
use kernel::process::{self, Forked, Pid};
use kernel::rtnetlink::Rtnetlink;
use kernel::{packet_socket, restrictions};
use rustix::io::Errno;
use wire::refusal::{Refusal, Step};
use wire::socket_row::SocketRow;
use wire::{Doing, End, Fault};

use crate::config::Config;
use crate::control::{Control, Order, Report};
use crate::event::{Backend, Role};
use crate::hosts::{counted_interface, link_layer_len};
use crate::keeper::{self, Inside};
use crate::lesson::Part;
use crate::lines::Lines;
use crate::link_end::LinkEnd;
use crate::namespaces::Namespaces;
use crate::outcome::NotMade;
use crate::programs::Outputs;
use crate::sockets::{Kind, Left, Tables, left, tcp, waiting};

/// Packets that may wait in the rings of all packet sockets together, 16 MB: of each of two hosts 65 ms at 500,000 packets a
/// second.
const ALL_SLOTS: usize = 65_536;

/// A network that stands. Dropping it ends everything inside.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) backend: Backend,
    pub(crate) keeper: Keeper,
    /// What was heard of programs before the network stood.
    early: Vec<Report>,
    /// In the order of their numbers.
    hosts: Vec<HostView>,
}

/// A link's two ends.
pub(crate) type Ends = [LinkEnd; 2];

/// A network that the keeper makes at the moment.
#[derive(Debug)]
pub(crate) struct Begun {
    keeper: Keeper,
    hosts: usize,
    /// Where the gauge comes from, if the link delays.
    pub(crate) gauge: Option<Control>,
}

/// What the tool sees of a host.
#[derive(Debug)]
struct HostView {
    interfaces: Rtnetlink,
    tables: Tables,
    /// The packet socket that the link reads too, for its count of lost packets.
    socket: Option<OwnedFd>,
    /// The same on the host's port of the switch.
    port: Option<OwnedFd>,
}

/// The keeper's process, and the conversation with it and all processes inside.
#[derive(Debug)]
pub(crate) struct Keeper {
    pid: Pid,
    control: Control,
    lines: Lines,
    /// In which it makes the hosts. Their maker ends behind it.
    _namespaces: Namespaces,
}

/// Begins to make a network in these namespaces: forks the keeper. On a host with an actor it acts in place of the
/// configured program. The program of `first` is started by itself: maybe before the other hosts and the link stand,
/// and what it sends then waits for them.
pub(crate) fn begin(
    namespaces: Namespaces,
    config: &Config,
    outputs: Outputs,
    cast: Vec<Part>,
    first: Option<Role>,
) -> Result<Begun, NotMade> {
    let pair = || Control::pair().map_err(|errno| failed("a socket pair", errno));
    let (outside, inside) = pair()?;
    let (gauge, loops) = config.link.delays().then(pair).transpose()?.unzip();
    let inside =
        Inside { config, first, namespaces: &namespaces, control: inside, gauge: loops, outputs, cast };
    let lines = Lines::open(inside.programs()).map_err(|errno| failed("the programs' lines", errno))?;
    let pid = match process::fork() {
        Ok(Forked::Child) => {
            drop((outside, gauge));
            keeper::run(inside, &lines)
        }
        Ok(Forked::Parent(pid)) => pid,
        Err(errno) => return Err(refused(Step::Fork, errno)),
    };
    // It is the child's now; kept here, its pipes and its end of the conversation would never end.
    drop(inside);
    let keeper = Keeper { pid, control: outside, lines, _namespaces: namespaces };
    Ok(Begun { keeper, hosts: config.hosts(), gauge })
}

impl Begun {
    /// Waits until the hosts stand and all that programs need is there. With the network come the ends of one link between
    /// client and server, or of one between each host and the switch.
    pub(crate) fn wait(self) -> Result<(Network, Vec<Ends>), NotMade> {
        let (mut early, mut handed, mut is_ready) = (Vec::new(), None, false);
        let handed = loop {
            match self.keeper.next_report().map_err(|errno| failed("the keeper", errno))? {
                (Report::Refused(step, errno), _) => return Err(refused(step, errno)),
                (Report::Ready, _) => is_ready = true,
                (Report::Made { backend, tables }, descriptors) => {
                    handed = Some(Handed { backend, tables, descriptors });
                }
                (of_first, _) => early.push(of_first),
            }
            if let Some(handed) = handed.take_if(|_| is_ready) {
                break handed;
            }
        };
        let (mut network, ends) = handed
            .unpack(self.hosts, self.keeper)
            .ok_or_else(|| failed("the keeper's descriptors", Errno::PROTO.raw_os_error()))?;
        network.early = early;
        Ok((network, ends))
    }
}

/// What the system does not allow; what it would allow to who has less open is no such thing.
pub(crate) fn refused(step: Step, errno: i32) -> NotMade {
    if matches!(Errno::from_raw_os_error(errno), Errno::MFILE | Errno::NFILE) {
        return failed("the lab's hosts", errno);
    }
    NotMade::Refused(Box::new(Refusal { step, errno, clues: restrictions::clues() }))
}

pub(crate) fn failed(what: &str, errno: i32) -> NotMade {
    NotMade::Failed(Fault::errno(End::Us, Doing::Isolate, what, errno))
}

/// What came with the keeper's report.
struct Handed {
    backend: Backend,
    tables: u32,
    descriptors: Vec<OwnedFd>,
}

impl Handed {
    fn unpack(self, hosts: usize, keeper: Keeper) -> Option<(Network, Vec<Ends>)> {
        let mut descriptors = self.descriptors.into_iter();
        let links: Vec<OwnedFd> = descriptors.by_ref().take(hosts).collect();
        let interfaces: Vec<OwnedFd> = descriptors.by_ref().take(hosts).collect();
        let mut tables: Vec<Tables> = (0..hosts).map(|_| Tables::default()).collect();
        for (place, table) in tables.iter_mut().flatten().enumerate() {
            if self.tables & (1 << place) != 0 {
                *table = Some(descriptors.next()?.into());
            }
        }
        let ports: Vec<OwnedFd> = descriptors.collect();
        let has_switch = hosts > 2;
        if links.len() != hosts || interfaces.len() != hosts || (has_switch && ports.len() != hosts) {
            return None;
        }
        let mut rings = rings(&links.iter().chain(&ports).collect::<Vec<_>>(), self.backend);
        let port_rings = rings.split_off(hosts);
        let mut watched = [&links, &ports].map(|sockets| counted(sockets, self.backend).into_iter());
        let views = interfaces.into_iter().zip(tables).map(|(interfaces, tables)| {
            let [socket, port] = watched.each_mut().map(|sockets| sockets.next().flatten());
            HostView { interfaces: interfaces.into(), tables, socket, port }
        });
        let network = Network { backend: self.backend, keeper, early: Vec::new(), hosts: views.collect() };
        let l2_len = link_layer_len(self.backend);
        let end = |(fd, ring)| LinkEnd { fd, ring, vnet_header: true, l2_len };
        let links = links.into_iter().zip(rings);
        let ends = match has_switch {
            true => {
                links.zip(ports.into_iter().zip(port_rings)).map(|pair| [end(pair.0), end(pair.1)]).collect()
            }
            false => {
                let [client, server] = <[_; 2]>::try_from(links.collect::<Vec<_>>()).ok()?;
                vec![[end(client), end(server)]]
            }
        };
        Some((network, ends))
    }
}

/// Handles of packet sockets, for their counters; none of other devices.
fn counted(sockets: &[OwnedFd], backend: Backend) -> Vec<Option<OwnedFd>> {
    let is_counted = backend == Backend::Packet;
    let handles: Vec<Option<OwnedFd>> =
        sockets.iter().map(|socket| is_counted.then(|| socket.try_clone().ok()).flatten()).collect();
    for socket in handles.iter().flatten() {
        packet_socket::grow_buffers(socket.as_fd());
    }
    handles
}

/// A ring for each packet socket; none for other devices, and where the kernel gives none. To exchange a socket's queue for
/// it the kernel waits until nobody can be looking at the queue any more, some ten milliseconds: for all at the same time.
fn rings<'a>(sockets: &[&'a OwnedFd], backend: Backend) -> Vec<Option<Ring>> {
    if backend != Backend::Packet {
        return sockets.iter().map(|_| None).collect();
    }
    let slots = ALL_SLOTS / sockets.len().max(1);
    thread::scope(|scope| {
        let ring = |socket: &'a OwnedFd| {
            thread::Builder::new().spawn_scoped(scope, move || Ring::new(socket.as_fd(), slots).ok())
        };
        let made: Vec<_> = sockets.iter().copied().map(ring).collect();
        made.into_iter().map(|made| made.ok()?.join().ok()?).collect()
    })
}

impl Keeper {
    /// Waits for the next report.
    pub(crate) fn next_report(&self) -> Result<(Report, Vec<OwnedFd>), i32> {
        self.control.next_report()?.ok_or(Errno::PIPE.raw_os_error())
    }

    /// Lets a host's program start.
    pub(crate) fn start(&self, role: Role) -> Result<(), i32> {
        self.lines.start(role)
    }

    /// Sends a signal to a host's program.
    pub(crate) fn signal(&self, role: Role, signal: i32) -> Result<(), i32> {
        self.control.order(Order { role, signal })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Init reads the end of it and ends, and with it everything inside; the keeper waits for that, and we for it.
        self.control.hang_up();
        let _ = process::wait(self.pid);
    }
}

/// Packets of one host that were dropped though no rule asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drops {
    /// On their way from the host into the link.
    pub(crate) from_host: u64,
    /// On their way from the link into the host.
    pub(crate) to_host: u64,
}

impl Network {
    /// What the devices of a host have dropped. What cannot be asked counts as none.
    pub(crate) fn drops(&mut self, role: Role) -> Drops {
        let interface = counted_interface(self.backend, role);
        let Some(host) = self.hosts.get_mut(role.index()) else { return Drops::default() };
        let counters = host.interfaces.counters(interface).unwrap_or_default();
        let unread = |socket: &Option<OwnedFd>| -> u64 {
            socket.as_ref().and_then(|socket| packet_socket::dropped(socket.as_fd()).ok()).unwrap_or(0).into()
        };
        match self.backend {
            // In the middle, what is sent goes to the host.
            Backend::Packet => {
                Drops { from_host: unread(&host.socket), to_host: counters.send_dropped + unread(&host.port) }
            }
            _ => Drops { from_host: counters.send_dropped, to_host: counters.receive_dropped },
        }
    }

    /// What was heard of programs before the network stood, once: to be taken before anything else is heard.
    pub(crate) fn early(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.early)
    }

    /// Where programs on a host wait for clients.
    pub(crate) fn waits(&self, role: Role) -> Vec<(Kind, SocketAddr)> {
        self.hosts.get(role.index()).map(|host| waiting(&host.tables)).unwrap_or_default()
    }

    /// The TCP sockets of a host, as the kernel has them.
    pub(crate) fn tcp_sockets(&self, role: Role) -> Vec<SocketRow> {
        self.hosts.get(role.index()).map(|host| tcp(&host.tables)).unwrap_or_default()
    }

    /// What is left to be done on the hosts.
    pub(crate) fn left(&self) -> Left {
        self.hosts.iter().map(|host| left(&host.tables)).fold(Left::default(), Left::and)
    }
}

/// The kernel waits before it takes a packet socket down, as when it got its ring: again for all at the same time, and while
/// everything inside ends.
impl Drop for Network {
    fn drop(&mut self) {
        self.keeper.control.hang_up();
        let sockets = self.hosts.iter_mut().flat_map(|host| [host.socket.take(), host.port.take()]);
        let sockets: Vec<OwnedFd> = sockets.flatten().collect();
        let close = |socket| thread::Builder::new().spawn(move || drop(socket));
        // Where there is no thread for it, it is closed here.
        let closing: Vec<_> = sockets.into_iter().flat_map(close).collect();
        for thread in closing {
            let _ = thread.join();
        }
    }
}

/// Readable when a report waits, or when everything inside has ended.
impl AsFd for Keeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}
