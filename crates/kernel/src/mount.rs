//! What the programs in a mount namespace of their own see differently: names of hosts, and processes.

use std::ffi::CStr;
use std::fs;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};

/// Keeps every later mount inside this mount namespace.
///
/// # Errors
/// The kernel's errno.
pub fn make_private() -> Result<(), i32> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(Errno::raw_os_error)
}

/// A directory that every /proc has, for a file system that nobody is to come across: [`mount_proc`] hides it.
const ASIDE: &str = "/proc/driver";

/// Puts another text in the place of /etc/hosts, without a file anywhere that could be left behind: it lives in memory
/// as long as the mount namespace.
///
/// # Errors
/// The kernel's errno: `ENOENT` where there is no /etc/hosts to put it over.
pub fn replace_hosts(text: &str) -> Result<(), i32> {
    // It stays where it is: to take a mount away, the kernel waits until nobody on any processor can be looking at it.
    mount("tmpfs", ASIDE, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"size=64k,mode=755"))
        .map_err(Errno::raw_os_error)?;
    let file = format!("{ASIDE}/hosts");
    fs::write(&file, text).map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))?;
    mount_bind(&file, "/etc/hosts").map_err(Errno::raw_os_error)
}

/// Mounts a /proc that shows this pid namespace.
///
/// # Errors
/// The kernel's errno: `EPERM` where parts of the outer /proc are hidden, as in containers.
pub fn mount_proc() -> Result<(), i32> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None::<&CStr>).map_err(Errno::raw_os_error)
}
