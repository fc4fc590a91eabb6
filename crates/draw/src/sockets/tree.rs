//! Sockets under the processes that have them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use wire::socket_row::SocketRow;
use wire::visible;

use super::Surroundings;
use super::address::{Side, write};
use crate::Style;
use crate::line::Line;
use crate::palette::Role;

/// Each process by number with its sockets by descriptor; at the end those whose process one may not see, and those that
/// have none.
pub fn tree(rows: &[SocketRow], style: &Style, around: &dyn Surroundings) -> String {
    // By process: its name, and its sockets by descriptor.
    type Sockets<'a> = Vec<(u32, &'a SocketRow)>;
    let mut processes: BTreeMap<u32, (&str, Sockets<'_>)> = BTreeMap::new();
    let mut others = Vec::new();
    for row in rows {
        let owners = around.owners(row.inode);
        if owners.is_empty() {
            others.push(row);
        }
        for owner in owners {
            let (_, sockets) = processes.entry(owner.pid).or_insert_with(|| (&owner.name, Vec::new()));
            sockets.push((owner.fd, row));
        }
    }
    let mut out = String::new();
    for (pid, (name, mut sockets)) in processes {
        sockets.sort_by_key(|(fd, _)| *fd);
        put(&mut out, Role::Heading, &format!("{} ({pid})", visible(name, style.ascii)), style);
        let last = sockets.len().saturating_sub(1);
        for (place, (fd, row)) in sockets.into_iter().enumerate() {
            let branch = if place == last { "└─" } else { "├─" };
            let owners = around.owners(row.inode).iter().map(|owner| owner.pid);
            let several = owners.filter(|owner| *owner != pid).collect::<BTreeSet<_>>().len();
            let shared = if several > 0 { format!("  shared with {several} more") } else { String::new() };
            let text = format!("{branch} fd {fd:<4}{}{shared}", socket(row, style.ascii, around));
            put(&mut out, Role::Plain, &text, style);
        }
    }
    // Without an inode it has no descriptor: nobody has accepted it yet, or nobody has it any more.
    let (unseen, nobodys): (Vec<&SocketRow>, Vec<&SocketRow>) =
        others.into_iter().partition(|row| row.inode != 0);
    let without =
        [("no process that may be seen", unseen), ("no process: not accepted yet, or left behind", nobodys)];
    for (heading, rows) in without.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        put(&mut out, Role::Heading, heading, style);
        let last = rows.len() - 1;
        for (place, row) in rows.into_iter().enumerate() {
            let branch = if place == last { "└─" } else { "├─" };
            put(&mut out, Role::Plain, &format!("{branch} {}", socket(row, style.ascii, around)), style);
        }
    }
    out
}

fn put(out: &mut String, role: Role, text: &str, style: &Style) {
    let mut line = Line::default();
    line.push(role, text);
    line.write(out, style);
}

fn socket(row: &SocketRow, ascii: bool, around: &dyn Surroundings) -> String {
    let mut text = format!("{:<5} {:<10} ", row.kind.netid(), row.state.short());
    write(&mut text, row, Side::Local, ascii, around);
    if row.remote_port() != 0 || row.peer_inode.is_some_and(|peer| peer != 0) {
        text.push_str(" → ");
        write(&mut text, row, Side::Remote, ascii, around);
    }
    if row.is_listener() {
        let _ = write!(text, "  {}/{} to accept", row.to_read_bytes, row.to_send_bytes);
    }
    text
}
