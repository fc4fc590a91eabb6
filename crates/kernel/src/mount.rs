//! What the programs in a mount namespace of their own see differently: names of hosts, and processes.

use std::ffi::CStr;
use std::fs;
use std::os::fd::AsRawFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};

/// Keeps every later mount inside this mount namespace.
///
/// # Errors
/// The kernel's errno.
pub fn make_private() -> Result<(), i32> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(Errno::raw_os_error)
}

/// Puts another text in the place of /etc/hosts, without a file anywhere that could be left behind: it lives in memory
/// as long as the mount namespace.
///
/// # Errors
/// The kernel's errno: `ENOENT` where there is no /etc/hosts to put it over.
pub fn replace_hosts(text: &str) -> Result<(), i32> {
    let place =
        open("/etc/hosts", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(Errno::raw_os_error)?;
    // A file system in memory, over /etc only until its one file has been bound to its place beneath.
    mount("tmpfs", "/etc", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"size=64k,mode=755"))
        .map_err(Errno::raw_os_error)?;
    let bound = fs::write("/etc/hosts", text)
        .map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
        .and_then(|()| {
            mount_bind("/etc/hosts", format!("/proc/self/fd/{}", place.as_raw_fd()))
                .map_err(Errno::raw_os_error)
        });
    unmount("/etc", UnmountFlags::DETACH).map_err(Errno::raw_os_error)?;
    bound
}

/// Mounts a /proc that shows this pid namespace.
///
/// # Errors
/// The kernel's errno: `EPERM` where parts of the outer /proc are hidden, as in containers.
pub fn mount_proc() -> Result<(), i32> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None::<&CStr>).map_err(Errno::raw_os_error)
}
