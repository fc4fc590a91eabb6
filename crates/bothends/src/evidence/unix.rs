//! Sockets at a file or an abstract name. Read first: unix(7).

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use explain::evidence::{File, Sockets};
use kernel::sock_diag::{Table, file_identity};
use kernel::sockets::Sockets as Tables;
use wire::sock_diag::Extensions;
use wire::socket_row::{Kind, SocketRow, States};
use wire::{Address, Transport};

use super::named;
use crate::users;

/// Whether a symbolic link means itself, as for bind(2), or what it points to, as for connect(2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Themselves,
    Followed,
}

/// The file, where the name is one of a file that is there, and the sockets that belong to it or have the name.
pub(super) fn at(transport: Transport, name: &Address, links: Links) -> (Option<File>, Option<Sockets>) {
    let found = name.path().and_then(|path| look_at(path, links));
    let identity = found.as_ref().map(|found| file_identity(found.dev(), found.ino()));
    let kind = match transport {
        Transport::UnixDgram => Kind::UnixDgram,
        Transport::UnixSeqpacket => Kind::UnixSeqpacket,
        _ => Kind::UnixStream,
    };
    let belongs = |row: &SocketRow| match name {
        // A socket is told by its file: its name is as it was bound, from whichever folder, and the file may be
        // another's now.
        Address::Path(_) => identity.is_some() && file_of(row) == identity,
        // Each type has names of its own.
        _ => row.kind == kind && row.local == *name,
    };
    (found.as_ref().map(file), sockets(belongs).map(named))
}

fn sockets(belongs: impl Fn(&SocketRow) -> bool) -> Option<Sockets> {
    let mut tables = Tables::open(None).ok()?;
    let mut sockets = Sockets::default();
    let extensions = Extensions { files: true, ..Extensions::default() };
    let each = |row: SocketRow| {
        if belongs(&row) {
            sockets.see(row, false);
        }
    };
    tables.rows(Table::Unix, States(u32::MAX), extensions, each).ok()?;
    // The text of /proc/net/unix does not say which file it is.
    (!tables.fell_back()).then_some(sockets)
}

fn look_at(path: &Path, links: Links) -> Option<std::fs::Metadata> {
    match links {
        Links::Themselves => std::fs::symlink_metadata(path).ok(),
        Links::Followed => std::fs::metadata(path).ok(),
    }
}

fn file(found: &std::fs::Metadata) -> File {
    let uid = found.uid();
    let user = users::names().remove(&uid).unwrap_or_else(|| uid.to_string());
    File { is_socket: found.file_type().is_socket(), user: Some(user) }
}

fn file_of(row: &SocketRow) -> Option<(u32, u32)> {
    row.details.as_ref()?.file
}
