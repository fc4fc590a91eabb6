//! Namespaces of one's own, without privilege. Read first: namespaces(7), user_namespaces(7), pid_namespaces(7).
//!
//! Order matters: the user namespace comes first and its id maps next; only then is the process allowed the others.
//! A single-threaded process does this before it starts any thread.

use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, LinkNameSpaceType, UnshareFlags,
    move_into_link_name_space, set_capabilities, set_capabilities_secure_bits, unshare_unsafe,
};

/// What a process can have of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// User and group ids, and what one may do.
    User,
    /// Mounts.
    Mount,
    /// Process ids: of the children made afterwards, the first of which is the namespace's init.
    Pid,
    /// Interfaces, addresses, ports.
    Network,
    /// The host's name.
    HostName,
}

/// Moves this process into a new namespace.
///
/// # Errors
/// The kernel's errno: `EPERM` or `ENOSPC` where the system does not allow it, `EINVAL` for a user namespace beside
/// other threads or in a kernel without it.
pub fn unshare(namespace: Namespace) -> Result<(), i32> {
    let flags = match namespace {
        Namespace::User => UnshareFlags::NEWUSER,
        Namespace::Mount => UnshareFlags::NEWNS,
        Namespace::Pid => UnshareFlags::NEWPID,
        Namespace::Network => UnshareFlags::NEWNET,
        Namespace::HostName => UnshareFlags::NEWUTS,
    };
    // SAFETY: none of these flags unshares the table of descriptors, which is what could pull an owned one away.
    unsafe { unshare_unsafe(flags) }.map_err(Errno::raw_os_error)
}

/// Who the calling process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Its effective user id.
    pub user: u32,
    /// Its effective group id.
    pub group: u32,
}

impl Ids {
    /// The ids of this process. To be asked before the user namespace is made: in it, they are not mapped yet.
    pub fn own() -> Ids {
        Ids { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() }
    }
}

/// Lets this process keep its ids inside its new user namespace; everybody else there is nobody.
///
/// # Errors
/// The kernel's errno.
pub fn keep_ids(ids: Ids) -> Result<(), i32> {
    // /proc/self belongs to root while a program is not dumpable, as one whose file cannot be read is.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(Errno::raw_os_error)?;
    // user_namespaces(7): without privilege outside, gid_map may be written only once setgroups is denied.
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("{0} {0} 1", ids.user))?;
    write("/proc/self/gid_map", &format!("{0} {0} 1", ids.group))
}

/// A descriptor of the namespace that the calling thread is in, which keeps it alive.
///
/// # Errors
/// The kernel's errno.
pub fn own(namespace: Namespace) -> Result<OwnedFd, i32> {
    let name = match namespace {
        Namespace::User => "user",
        Namespace::Mount => "mnt",
        Namespace::Pid => "pid",
        Namespace::Network => "net",
        Namespace::HostName => "uts",
    };
    open(format!("/proc/thread-self/ns/{name}"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(Errno::raw_os_error)
}

/// Takes the calling thread into another namespace; in one of process ids not itself, but the children that it makes
/// afterwards.
///
/// # Errors
/// The kernel's errno: `EPERM` without CAP_SYS_ADMIN over it, which in a user namespace its maker has; `EINVAL` for a user
/// namespace beside other threads.
pub fn enter(namespace: Namespace, other: BorrowedFd<'_>) -> Result<(), i32> {
    let kind = match namespace {
        Namespace::User => LinkNameSpaceType::User,
        Namespace::Mount => LinkNameSpaceType::Mount,
        Namespace::Pid => LinkNameSpaceType::ProcessID,
        Namespace::Network => LinkNameSpaceType::Network,
        Namespace::HostName => LinkNameSpaceType::HostNameAndNISDomainName,
    };
    move_into_link_name_space(other, Some(kind)).map_err(Errno::raw_os_error)
}

/// What /proc says of the calling thread, wherever that goes, and whatever is mounted over /proc afterwards.
#[derive(Debug)]
pub struct OwnPlace(OwnedFd);

impl OwnPlace {
    /// # Errors
    /// The kernel's errno.
    pub fn open() -> Result<OwnPlace, i32> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open("/proc/thread-self", flags, Mode::empty()).map(OwnPlace).map_err(Errno::raw_os_error)
    }

    /// A descriptor of the network namespace that the thread is in now, which keeps it alive.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn network(&self) -> Result<OwnedFd, i32> {
        self.file("ns/net")
    }

    /// One of that network's tables, by its name in /proc/net.
    ///
    /// # Errors
    /// The kernel's errno: `ENOENT` where this kernel has no such table.
    pub fn network_table(&self, name: &str) -> Result<OwnedFd, i32> {
        self.file(&format!("net/{name}"))
    }

    fn file(&self, path: &str) -> Result<OwnedFd, i32> {
        openat(&self.0, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(Errno::raw_os_error)
    }
}

/// Gives this host another name, in the namespace that this process is in.
///
/// # Errors
/// The kernel's errno: `EPERM` without CAP_SYS_ADMIN over it.
pub fn set_host_name(name: &str) -> Result<(), i32> {
    rustix::system::sethostname(name.as_bytes()).map_err(Errno::raw_os_error)
}

/// Sets a sysctl by its name with dots, as sysctl(8) has it; those of the network are the current namespace's.
///
/// # Errors
/// The kernel's errno: `ENOENT` where this kernel has no such sysctl, `EROFS` where /proc/sys is mounted read-only.
pub fn set_sysctl(name: &str, value: &str) -> Result<(), i32> {
    write(&format!("/proc/sys/{}", name.replace('.', "/")), value)
}

/// Gives up every capability, for this process and what it executes, also where it is root: only what a program's own
/// file grants comes back.
///
/// # Errors
/// The kernel's errno.
pub fn drop_capabilities() -> Result<(), i32> {
    // capabilities(7): else an exec by user id 0 gets them all again.
    let root_is_nobody_special = CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED;
    set_capabilities_secure_bits(root_is_nobody_special).map_err(Errno::raw_os_error)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(Errno::raw_os_error)
}

fn write(path: &str, text: &str) -> Result<(), i32> {
    // One write: the id maps take nothing in pieces.
    fs::write(path, text).map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
}

/// Which network namespace is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// The one that a process is in.
    OfProcess(u32),
    /// One with a name, as ip-netns(8) gives them.
    Named(String),
}

/// Opens a network namespace.
///
/// # Errors
/// The kernel's errno: `ENOENT` where there is none, `EACCES` or `EPERM` for the processes of others.
pub fn open_network(network: &Network) -> Result<OwnedFd, i32> {
    let path = match network {
        Network::OfProcess(pid) => format!("/proc/{pid}/ns/net"),
        Network::Named(name) if name.contains('/') || name.is_empty() => return Err(libc::ENOENT),
        Network::Named(name) => format!("/run/netns/{name}"),
    };
    open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(Errno::raw_os_error)
}

/// Runs something in another network namespace, in a thread of its own: sockets that it opens stay there.
///
/// # Errors
/// The kernel's errno: `EPERM` without CAP_SYS_ADMIN over that namespace and one's own.
pub fn in_network<T: Send>(
    network: BorrowedFd<'_>,
    work: impl FnOnce() -> Result<T, i32> + Send,
) -> Result<T, i32> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter(Namespace::Network, network)?;
            work()
        });
        thread.join().unwrap_or(Err(libc::EIO))
    })
}
