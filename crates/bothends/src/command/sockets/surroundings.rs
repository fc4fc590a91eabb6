//! What is known beside the tables of sockets: names of services, interfaces, users, control groups; processes.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use draw::sockets::Surroundings;
use kernel::owners::Owners;
use kernel::sockets::Sockets;
use wire::Address;
use wire::endpoint::{well_known_name, well_known_port};
use wire::socket_filter::Names;
use wire::socket_row::{Kind, Owner, SocketRow};

/// Where control groups are as a rule, cgroups(7).
const CGROUPS: &str = "/sys/fs/cgroup";
/// More of them are not looked through.
const MOST_CGROUPS: usize = 100_000;

/// What is asked of the system, each thing once.
pub(super) struct System {
    sockets: Sockets,
    numeric: bool,
    owners: Owners,
    peer_names: HashMap<u64, Address>,
    services: OnceCell<HashMap<(bool, u16), String>>,
    protocols: OnceCell<HashMap<u16, String>>,
    users: OnceCell<HashMap<u32, String>>,
    cgroups: OnceCell<HashMap<u64, String>>,
    interfaces: RefCell<HashMap<u32, Option<String>>>,
    ephemeral: (u16, u16),
}

impl System {
    pub(super) fn new(sockets: Sockets, numeric: bool) -> System {
        System {
            sockets,
            numeric,
            owners: Owners::default(),
            peer_names: HashMap::new(),
            services: OnceCell::new(),
            protocols: OnceCell::new(),
            users: OnceCell::new(),
            cgroups: OnceCell::new(),
            interfaces: RefCell::default(),
            ephemeral: ephemeral_ports().unwrap_or((32_768, 60_999)),
        }
    }

    /// Looks through all processes; without /proc nobody is known.
    pub(super) fn read_owners(&mut self) {
        self.owners = Owners::read().unwrap_or_default();
    }

    /// [`Sockets::own_sockets`].
    pub(super) fn own_sockets(&self) -> u64 {
        self.sockets.own_sockets()
    }

    /// Processes that this user may not look into.
    pub(super) fn hidden_processes(&self) -> usize {
        self.owners.hidden_processes()
    }

    /// Keeps the names of Unix sockets, for those at their other ends.
    pub(super) fn remember_names<'a>(&mut self, rows: impl Iterator<Item = &'a SocketRow>) {
        let named = rows.filter(|row| row.kind.is_unix() && row.local != Address::Unnamed);
        self.peer_names = named.map(|row| (row.inode, row.local.clone())).collect();
    }
}

impl Surroundings for System {
    fn service(&self, row: &SocketRow, port: u16) -> Option<String> {
        if self.numeric {
            return None;
        }
        if row.kind == Kind::Raw {
            return self.protocols.get_or_init(protocols).get(&port).cloned();
        }
        // The kernel gave it away by itself: it is no service's.
        if (self.ephemeral.0..=self.ephemeral.1).contains(&port) {
            return None;
        }
        self.services.get_or_init(services).get(&(row.kind == Kind::Udp, port)).cloned()
    }

    fn interface(&self, index: u32) -> Option<String> {
        let mut known = self.interfaces.borrow_mut();
        known.entry(index).or_insert_with(|| self.sockets.interface_name(index)).clone()
    }

    fn user(&self, uid: u32) -> Option<String> {
        if self.numeric { None } else { self.users.get_or_init(crate::users::names).get(&uid).cloned() }
    }

    fn cgroup(&self, number: u64) -> Option<String> {
        self.cgroups.get_or_init(cgroups).get(&number).cloned()
    }

    fn owners(&self, inode: u64) -> &[Owner] {
        self.owners.of(inode)
    }

    fn peer_name(&self, inode: u64) -> Option<&Address> {
        self.peer_names.get(&inode)
    }
}

impl Names for System {
    fn port(&self, service: &str) -> Option<u16> {
        let named = self.services.get_or_init(services).iter().find(|(_, name)| *name == service);
        named.map(|((_, port), _)| *port).or_else(|| well_known_port(service))
    }

    fn hosts(&self, name: &str) -> Vec<IpAddr> {
        (name, 0).to_socket_addrs().map(|all| all.map(|address| address.ip()).collect()).unwrap_or_default()
    }

    fn interface(&self, name: &str) -> Option<u32> {
        self.sockets.interface_index(name)
    }

    fn cgroup(&self, path: &str) -> Option<u64> {
        let root = cgroup_root();
        let place = if Path::new(path).starts_with(&root) {
            PathBuf::from(path)
        } else {
            root.join(path.trim_start_matches('/'))
        };
        std::fs::metadata(place).ok().map(|group| group.ino())
    }

    fn ephemeral_ports(&self) -> (u16, u16) {
        self.ephemeral
    }
}

/// ip(7): net.ipv4.ip_local_port_range, which IPv6 uses too.
fn ephemeral_ports() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// /etc/services, services(5); where there is none, the names that every system knows.
fn services() -> HashMap<(bool, u16), String> {
    let Ok(text) = std::fs::read_to_string("/etc/services") else {
        let known = (0..=u16::MAX).filter_map(|port| Some((port, well_known_name(port)?)));
        return known
            .flat_map(|(port, name)| [false, true].map(|udp| ((udp, port), name.to_owned())))
            .collect();
    };
    let mut found = HashMap::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (Some(name), Some((port, protocol))) =
            (words.next(), words.next().and_then(|port| port.split_once('/')))
        else {
            continue;
        };
        let is_udp = protocol == "udp";
        if let (Ok(port), true) = (port.parse(), is_udp || protocol == "tcp") {
            // The first name is the one that counts.
            found.entry((is_udp, port)).or_insert_with(|| name.to_owned());
        }
    }
    found
}

/// /etc/protocols, protocols(5).
fn protocols() -> HashMap<u16, String> {
    named("/etc/protocols", |line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        Some((words.next()?.parse().ok()?, name.to_owned()))
    })
}

fn named<K: std::hash::Hash + Eq>(path: &str, read: fn(&str) -> Option<(K, String)>) -> HashMap<K, String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut found = HashMap::new();
    for (key, name) in text.lines().filter_map(read) {
        found.entry(key).or_insert(name);
    }
    found
}

/// Where version 2 of them is mounted: proc_pid_mountinfo(5).
fn cgroup_root() -> PathBuf {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let of_version_2 = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    PathBuf::from(of_version_2.and_then(|line| line.split(' ').nth(4)).unwrap_or(CGROUPS))
}

/// Control groups by the numbers of their folders.
fn cgroups() -> HashMap<u64, String> {
    let root = cgroup_root();
    let mut found = HashMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let Ok(here) = std::fs::metadata(&folder) else { continue };
        let path = folder.strip_prefix(&root).unwrap_or(&folder).display();
        found.insert(here.ino(), format!("/{path}"));
        if found.len() >= MOST_CGROUPS {
            break;
        }
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
    found
}
