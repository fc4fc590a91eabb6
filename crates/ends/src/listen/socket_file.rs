//! The file that a Unix socket is bound to: a stale one is replaced, ours goes when we do.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use kernel::process::own_pid;
use kernel::sock_diag::{Table, file_identity};
use kernel::sockets::Sockets;
use rustix::fs::{CWD, FileType, Mode, chmod, fchmod, lstat, unlink};
use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, bind, connect};
use rustix::process::Pid;
use wire::sock_diag::Extensions;
use wire::socket_row::{Kind, SocketRow, States};
use wire::{Address, Cause, Doing, End, Fault, Transport};

use crate::address::new_socket;

/// A socket file that this process made. Dropped there, it is removed, unless somebody else has put another in its place;
/// dropped in a forked child, it stays.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    made_by: Pid,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    /// Binds a socket to a path. A socket file to which nobody listens any more is replaced.
    ///
    /// # Errors
    /// `EADDRINUSE` where somebody listens; in words where the file is no socket; else what the kernel says.
    pub(super) fn bind(
        socket: BorrowedFd<'_>,
        transport: Transport,
        path: &Path,
        mode: Option<u32>,
    ) -> Result<SocketFile, Fault> {
        let failed = |errno: Errno| fault(path, Cause::Errno(errno.raw_os_error()));
        let address = SocketAddrUnix::new(path).map_err(failed)?;
        let mode = mode.map(Mode::from_raw_mode);
        if let Some(mode) = mode {
            // The file is made with the socket's own permissions, less the umask: nobody gets in before the chmod below.
            fchmod(socket, mode).map_err(failed)?;
        }
        match bind(socket, &address) {
            Err(Errno::ADDRINUSE) => {
                remove_stale(path, transport, &address)?;
                bind(socket, &address).map_err(failed)?;
            }
            result => result.map_err(failed)?,
        }
        let identity = identity(path).map_err(failed)?;
        let file = SocketFile { path: path.to_owned(), made_by: own_pid(), identity };
        if let Some(mode) = mode {
            chmod(path, mode).map_err(failed)?;
        }
        Ok(file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if own_pid() == self.made_by && identity(&self.path) == Ok(self.identity) {
            // Nobody is left who could be told that it stays.
            let _ = unlink(&self.path);
        }
    }
}

/// Removes a socket file whose socket is gone.
fn remove_stale(path: &Path, transport: Transport, address: &SocketAddrUnix) -> Result<(), Fault> {
    let failed = |errno: Errno| fault(path, Cause::Errno(errno.raw_os_error()));
    let found = match lstat(path) {
        Err(Errno::NOENT) => return Ok(()),
        found => found.map_err(failed)?,
    };
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(fault(path, Cause::Words("there is a file already that is no socket".into())));
    }
    if somebody_has(found.st_dev, found.st_ino) {
        return Err(failed(Errno::ADDRINUSE));
    }
    // The kernel's table does not hold the sockets of other network namespaces, which can have this file too. To ask by
    // calling is the last resort: a server that is there sees a client come and go.
    let probe = new_socket(transport, &Address::Unnamed).map_err(failed)?;
    match connect(&probe, address) {
        // connect(2): nobody listens on it. All other answers come from a socket that lives, of another type too.
        Err(Errno::CONNREFUSED) => unlink(path).map_err(failed),
        Err(Errno::NOENT) => Ok(()),
        _ => Err(failed(Errno::ADDRINUSE)),
    }
}

/// Whether a socket of this network namespace takes what comes to the file of this device and inode. Connections that a
/// listener took have its file too, and may outlive it.
fn somebody_has(device: u64, inode: u64) -> bool {
    let identity = Some(file_identity(device, inode));
    let mut has = false;
    let see = |row: SocketRow| {
        let takes = row.is_listener() || row.kind == Kind::UnixDgram;
        has |= takes && row.details.as_ref().is_some_and(|details| details.file == identity);
    };
    let extensions = Extensions { files: true, ..Extensions::default() };
    let tables = Sockets::open(None).map(|mut tables| {
        let read = tables.rows(Table::Unix, States(u32::MAX), extensions, see);
        // The text of /proc/net/unix does not say which file it is.
        read.is_ok() && !tables.fell_back()
    });
    tables == Ok(true) && has
}

fn identity(path: &Path) -> Result<(u64, u64), Errno> {
    let stat = rustix::fs::statat(CWD, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn fault(path: &Path, cause: Cause) -> Fault {
    let at = Address::Path(path.to_owned()).to_string();
    Fault { end: End::Us, doing: Doing::Bind, at, cause }
}
