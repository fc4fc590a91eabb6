//! Which processes have which sockets, from the links in /proc/PID/fd. Read first: proc_pid_fd(5).
//!
//! Processes come and go while this is read; one that vanishes is left out, and what this user may not see is counted.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{Dir, Mode, OFlags, RawMode, openat, readlinkat_raw};
use rustix::io::Errno;
use wire::socket_row::Owner;

/// Who has which sockets, as far as this user may see.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    by_inode: HashMap<u64, Vec<Owner>>,
    hidden_processes: usize,
    is_cut_short: bool,
}

/// Whose owners are looked for, and how long.
#[derive(Clone, Copy, Default)]
struct Search<'a> {
    inodes: Option<&'a HashSet<u64>>,
    until: Option<Instant>,
}

impl Owners {
    /// Looks through all processes.
    ///
    /// # Errors
    /// The kernel's errno: without /proc nothing is known.
    pub fn read() -> Result<Owners, i32> {
        Owners::search(Search::default())
    }

    /// Looks through all processes for these sockets only, and no longer than this.
    ///
    /// # Errors
    /// The kernel's errno: without /proc nothing is known.
    pub fn of_these(inodes: &HashSet<u64>, patience: Duration) -> Result<Owners, i32> {
        Owners::search(Search { inodes: Some(inodes), until: Instant::now().checked_add(patience) })
    }

    fn search(search: Search<'_>) -> Result<Owners, i32> {
        let proc = directory(rustix::fs::CWD, c"/proc").map_err(Errno::raw_os_error)?;
        let mut owners = Owners::default();
        let entries = Dir::read_from(&proc).map_err(Errno::raw_os_error)?;
        for entry in entries.flatten() {
            if let Some(pid) = number(entry.file_name()) {
                owners.process(&proc, entry.file_name(), pid, search);
            }
            if owners.is_cut_short {
                break;
            }
        }
        for all in owners.by_inode.values_mut() {
            all.sort_unstable_by_key(|owner| (owner.pid, owner.fd));
        }
        Ok(owners)
    }

    /// The owners of the socket with this inode, by process and descriptor.
    pub fn of(&self, inode: u64) -> &[Owner] {
        self.by_inode.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// How many processes this user may not look into.
    pub fn hidden_processes(&self) -> usize {
        self.hidden_processes
    }

    /// Whether the time was over before all processes were looked through.
    pub fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    fn process(&mut self, proc: &OwnedFd, name: &CStr, pid: u32, search: Search<'_>) {
        let Ok(process) = directory(proc, name) else { return };
        let descriptors = match directory(&process, c"fd") {
            Ok(descriptors) => descriptors,
            Err(error) => {
                self.hidden_processes += usize::from(matches!(error, Errno::ACCESS | Errno::PERM));
                return;
            }
        };
        let Ok(entries) = Dir::read_from(&descriptors) else { return };
        let mut called: Option<String> = None;
        for entry in entries.flatten() {
            let Some(fd) = number(entry.file_name()) else { continue };
            if search.until.is_some_and(|until| Instant::now() >= until) {
                self.is_cut_short = true;
                return;
            }
            let Some(inode) = socket_behind(&descriptors, entry.file_name()) else { continue };
            if search.inodes.is_some_and(|inodes| !inodes.contains(&inode)) {
                continue;
            }
            let called = called.get_or_insert_with(|| name_of(&process));
            self.by_inode.entry(inode).or_default().push(Owner { pid, fd, name: called.clone() });
        }
    }
}

/// The inode in `socket:[4711]`.
fn socket_behind(descriptors: &OwnedFd, name: &CStr) -> Option<u64> {
    // Longer links are no sockets'.
    let mut room = [std::mem::MaybeUninit::<u8>::uninit(); 40];
    let (link, _) = readlinkat_raw(descriptors, name, &mut room).ok()?;
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// /proc/PID/comm, without its line end.
fn name_of(process: &OwnedFd) -> String {
    let mut room = [0; 64];
    let read = openat(process, c"comm", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::io::read(&file, &mut room));
    let name = &room[..read.unwrap_or(0)];
    String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(name)).into_owned()
}

fn directory(at: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::from_raw_mode(0 as RawMode))
}

fn number(name: &CStr) -> Option<u32> {
    let text = name.to_str().ok()?;
    if text.as_bytes().iter().all(u8::is_ascii_digit) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_socket_is_found_with_every_descriptor_of_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let copy = listener.try_clone().unwrap();
        let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
        let owners = Owners::read().expect("/proc");
        let found: Vec<(u32, i32)> =
            owners.of(inode).iter().map(|owner| (owner.pid, owner.fd.cast_signed())).collect();
        let mut expected = [listener.as_raw_fd(), copy.as_raw_fd()].map(|fd| (std::process::id(), fd));
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert!(!owners.of(inode)[0].name.is_empty());
        assert_eq!(owners.of(0), []);
    }

    #[test]
    fn only_what_is_looked_for_is_found_and_only_while_there_is_time() {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [one, other] = listeners.each_ref().map(|listener| rustix::fs::fstat(listener).unwrap().st_ino);
        let wanted = HashSet::from([one]);
        let owners = Owners::of_these(&wanted, Duration::from_secs(60)).expect("/proc");
        assert_eq!((owners.of(one).len(), owners.of(other).len(), owners.is_cut_short()), (1, 0, false));
        let none = Owners::of_these(&wanted, Duration::ZERO).expect("/proc");
        assert_eq!((none.of(one).len(), none.is_cut_short()), (0, true));
    }
}
