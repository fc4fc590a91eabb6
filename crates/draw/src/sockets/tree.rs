//! Sockets under the processes that have them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use wire::socket_row::{Owner, SocketRow};
use wire::visible;

use super::Surroundings;
use super::address::{Side, write};
use crate::Style;
use crate::line::Line;
use crate::palette::Role;

/// Where a socket stands in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under<'a> {
    /// Under a process, at this descriptor.
    Process(&'a Owner),
    /// Some process has it that may not be looked into.
    Unseen,
    /// Nobody has accepted it yet, or nobody has it any more: without an inode it has no descriptor.
    Nobody,
}

/// The places of these rows in the order of the tree: by process and descriptor, then those without a process that is
/// seen. A socket that several have stands there for each.
pub fn order<'a>(rows: &[SocketRow], around: &'a dyn Surroundings) -> Vec<(Under<'a>, usize)> {
    let mut all: Vec<(Under<'a>, usize)> = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let owners = around.owners(row.inode);
        all.extend(owners.iter().map(|owner| (Under::Process(owner), place)));
        if owners.is_empty() {
            all.push((if row.inode == 0 { Under::Nobody } else { Under::Unseen }, place));
        }
    }
    // A stable order: of the others they stay as they came.
    all.sort_by_key(|(under, _)| match under {
        Under::Process(owner) => (0, owner.pid, owner.fd),
        Under::Unseen => (1, 0, 0),
        Under::Nobody => (2, 0, 0),
    });
    all
}

/// Each process with its sockets; then those of which no process is seen.
pub fn tree(rows: &[SocketRow], style: &Style, around: &dyn Surroundings) -> String {
    let mut out = String::new();
    for of_one in
        order(rows, around).chunk_by(|(one, _), (other, _)| heading(one, style) == heading(other, style))
    {
        let last = of_one.len() - 1;
        for (number, (under, place)) in of_one.iter().enumerate() {
            if number == 0 {
                put(&mut out, Role::Heading, &heading(under, style), style);
            }
            let row = &rows[*place];
            let branch = if number == last { "└─" } else { "├─" };
            let (fd, shared) = match under {
                Under::Process(owner) => (format!("fd {:<4}", owner.fd), shared(owner, row, around)),
                Under::Unseen | Under::Nobody => (String::new(), String::new()),
            };
            let text = format!("{branch} {fd}{}{shared}", socket(row, style.ascii, around));
            put(&mut out, Role::Plain, &text, style);
        }
    }
    out
}

fn heading(under: &Under<'_>, style: &Style) -> String {
    match under {
        Under::Process(owner) => format!("{} ({})", visible(&owner.name, style.ascii), owner.pid),
        Under::Unseen => "no process that may be seen".to_owned(),
        Under::Nobody => "no process: not accepted yet, or left behind".to_owned(),
    }
}

fn shared(owner: &Owner, row: &SocketRow, around: &dyn Surroundings) -> String {
    let owners = around.owners(row.inode).iter().map(|owner| owner.pid);
    let several = owners.filter(|pid| *pid != owner.pid).collect::<BTreeSet<_>>().len();
    if several > 0 { format!("  shared with {several} more") } else { String::new() }
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
