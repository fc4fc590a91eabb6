//! The columns that a table of sockets can have.

use std::fmt::Write as _;

use wire::socket_row::{Owner, SocketRow};
use wire::tcp_info::FIELDS;
use wire::visible;

use super::Surroundings;
use super::address::{self, Side, interface_name};
use super::words;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// What it speaks.
    Netid,
    /// Its state.
    State,
    /// What waits to be read; of a listener, connections that wait for accept.
    RecvQ,
    /// What waits to be sent; of a listener, the most that may wait for accept.
    SendQ,
    /// Its own address.
    Local,
    /// The other end's.
    Peer,
    /// The processes that have it.
    Process,
    /// The user that made it.
    User,
    /// The inode.
    Inode,
    /// The interface that it is bound to.
    Interface,
    /// What it waits for.
    Timer,
    /// Of a listener: used/limit of its queue.
    Queue,
    /// Datagrams dropped.
    Drops,
    /// The kernel's number for it.
    Cookie,
    /// The control group.
    Cgroup,
    /// `SO_MARK`.
    Mark,
    /// The congestion control.
    Congestion,
    /// A field of TCP_INFO, by its place in [`FIELDS`].
    Tcp(usize),
}

/// The names of all columns but those of TCP_INFO, which are called as [`FIELDS`] has them.
pub const NAMES: [(&str, Column); 17] = [
    ("netid", Column::Netid),
    ("state", Column::State),
    ("recv-q", Column::RecvQ),
    ("send-q", Column::SendQ),
    ("local", Column::Local),
    ("peer", Column::Peer),
    ("process", Column::Process),
    ("user", Column::User),
    ("inode", Column::Inode),
    ("interface", Column::Interface),
    ("timer", Column::Timer),
    ("queue", Column::Queue),
    ("drops", Column::Drops),
    ("cookie", Column::Cookie),
    ("cgroup", Column::Cgroup),
    ("mark", Column::Mark),
    ("congestion", Column::Congestion),
];

impl Column {
    /// The column of this name.
    pub fn named(name: &str) -> Option<Column> {
        let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, column)| *column);
        known.or_else(|| FIELDS.iter().position(|(field, ..)| *field == name).map(Column::Tcp))
    }

    /// What stands above it.
    pub fn head(self) -> &'static str {
        match self {
            Column::Netid => "Netid",
            Column::State => "State",
            Column::RecvQ => "Recv-Q",
            Column::SendQ => "Send-Q",
            Column::Local => "Local Address:Port",
            Column::Peer => "Peer Address:Port",
            Column::Process => "Process",
            Column::User => "User",
            Column::Inode => "Inode",
            Column::Interface => "Interface",
            Column::Timer => "Timer",
            Column::Queue => "Queue",
            Column::Drops => "Drops",
            Column::Cookie => "Cookie",
            Column::Cgroup => "Cgroup",
            Column::Mark => "Mark",
            Column::Congestion => "Congestion",
            Column::Tcp(place) => FIELDS.get(place).map_or("", |(name, ..)| name),
        }
    }

    /// Whether it needs everything that TCP knows.
    pub fn needs_tcp_info(self) -> bool {
        matches!(self, Column::Tcp(_) | Column::Congestion)
    }

    /// Whether it needs the processes.
    pub fn needs_owners(self) -> bool {
        self == Column::Process
    }

    /// Whether its cells stand to the right.
    pub(super) fn is_number(self) -> bool {
        matches!(
            self,
            Column::RecvQ | Column::SendQ | Column::Inode | Column::Queue | Column::Drops | Column::Tcp(_)
        )
    }

    /// Columns that hold what may come in a later batch.
    pub(super) fn usual(self) -> usize {
        if self == Column::State { "CLOSE-WAIT".len() } else { 0 }
    }

    /// The last one may stay empty: ss(8) leaves it so.
    pub(super) fn may_be_empty(self) -> bool {
        self == Column::Process
    }

    /// What a row can be sorted by: a number, or a text.
    pub fn key(self, row: &SocketRow, around: &dyn Surroundings) -> (u64, String) {
        let number = |number: Option<u64>| (number.unwrap_or(0), String::new());
        match self {
            Column::RecvQ => number(Some(row.to_read_bytes.into())),
            Column::SendQ => number(Some(row.to_send_bytes.into())),
            Column::Inode => number(Some(row.inode)),
            Column::Queue => number(row.is_listener().then_some(row.to_read_bytes.into())),
            Column::Drops => number(row.drops),
            Column::Cookie => number(Some(row.cookie)),
            Column::Mark => number(row.mark.map(u64::from)),
            Column::User => number(row.uid.map(u64::from)),
            Column::Interface => number(Some(row.interface.into())),
            Column::State => number(Some(row.state.0.into())),
            Column::Timer => number(row.timer.map(|timer| timer.expires_ms.into())),
            Column::Tcp(_) => number(self.tcp_value(row)),
            Column::Local => (u64::from(row.local_port()), format!("{}", row.local)),
            Column::Peer => (u64::from(row.remote_port()), format!("{}", row.remote)),
            Column::Process => match around.owners(row.inode) {
                [Owner { pid, name, .. }, ..] => (u64::from(*pid), name.clone()),
                [] => (u64::MAX, String::new()),
            },
            _ => {
                let mut text = String::new();
                self.write(&mut text, row, false, around);
                (0, text)
            }
        }
    }

    fn tcp_value(self, row: &SocketRow) -> Option<u64> {
        let Column::Tcp(place) = self else { return None };
        let (name, ..) = FIELDS.get(place)?;
        row.tcp()?.fields().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    pub(super) fn write(self, out: &mut String, row: &SocketRow, ascii: bool, around: &dyn Surroundings) {
        let details = row.details.as_deref();
        let number = |out: &mut String, value: Option<u64>| {
            if let Some(value) = value {
                let _ = write!(out, "{value}");
            }
        };
        match self {
            Column::Netid => out.push_str(row.kind.netid()),
            Column::State => out.push_str(row.state.short()),
            Column::RecvQ => number(out, Some(row.to_read_bytes.into())),
            Column::SendQ => number(out, Some(row.to_send_bytes.into())),
            Column::Local => address::write(out, row, Side::Local, ascii, around),
            Column::Peer => address::write(out, row, Side::Remote, ascii, around),
            Column::Process => owners(out, around.owners(row.inode), ascii),
            Column::User => user(out, row, ascii, around),
            Column::Inode => number(out, (row.inode != 0).then_some(row.inode)),
            Column::Interface if row.interface != 0 => out.push_str(&interface_name(row.interface, around)),
            Column::Interface => {}
            Column::Timer => words::timer(out, row),
            Column::Queue if row.is_listener() => {
                let _ = write!(out, "{}/{}", row.to_read_bytes, row.to_send_bytes);
            }
            Column::Queue => {}
            Column::Drops => number(out, row.drops),
            Column::Cookie => {
                let _ = write!(out, "{:x}", row.cookie);
            }
            Column::Cgroup => out
                .push_str(&row.cgroup.map(|cgroup| words::cgroup(cgroup, ascii, around)).unwrap_or_default()),
            Column::Mark => out.push_str(&row.mark.map(|mark| format!("{mark:#x}")).unwrap_or_default()),
            Column::Congestion => {
                let name = details.and_then(|details| details.congestion.as_deref()).unwrap_or_default();
                out.push_str(&visible(name, ascii));
            }
            Column::Tcp(_) => number(out, self.tcp_value(row)),
        }
    }
}

fn user(out: &mut String, row: &SocketRow, ascii: bool, around: &dyn Surroundings) {
    let Some(uid) = row.uid else { return };
    match around.user(uid) {
        Some(name) => out.push_str(&visible(&name, ascii)),
        None => {
            let _ = write!(out, "{uid}");
        }
    }
}

/// `users:(("nc",pid=17,fd=3),("nc",pid=18,fd=3))`; a quotation mark in a name is escaped, so that it ends no name.
pub(super) fn owners(out: &mut String, owners: &[Owner], ascii: bool) {
    for (place, owner) in owners.iter().enumerate() {
        let before = if place == 0 { "users:(" } else { "," };
        let name = visible(&owner.name, ascii).replace('"', "\\\"");
        let _ = write!(out, "{before}(\"{name}\",pid={},fd={})", owner.pid, owner.fd);
    }
    if !owners.is_empty() {
        out.push(')');
    }
}
