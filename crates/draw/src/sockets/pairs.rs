//! Both ends of a local conversation in one row, with both processes.

use std::collections::HashMap;
use std::net::SocketAddr;

use wire::socket_row::{Kind, Owner, SocketRow, SocketState};
use wire::{Address, visible};

use super::Surroundings;
use super::address::{Side, write};
use crate::Style;
use crate::columns::width;
use crate::line::Line;
use crate::number::size;
use crate::palette::Role;

/// One conversation, or one end of it where the other is not here; places in the rows that were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The end that called, as far as can be told; or the only one.
    pub a: usize,
    /// The other.
    pub b: Option<usize>,
}

impl Pair {
    /// The pairs among these rows, each row in one of them, in the order of their first rows.
    pub fn among(rows: &[SocketRow]) -> Vec<Pair> {
        let by_ends: HashMap<(Kind, SocketAddr, SocketAddr), usize> =
            rows.iter().enumerate().filter_map(|(place, row)| Some((ends(row)?, place))).collect();
        let by_inode: HashMap<u64, usize> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.kind.is_unix() && row.inode != 0)
            .map(|(place, row)| (row.inode, place))
            .collect();
        let other = |row: &SocketRow| match ends(row) {
            Some((kind, local, remote)) => by_ends.get(&(kind, remote, local)).copied(),
            None => row.peer_inode.and_then(|peer| by_inode.get(&peer)).copied(),
        };
        let mut taken = vec![false; rows.len()];
        let mut pairs = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            if std::mem::replace(&mut taken[place], true) {
                continue;
            }
            // A socket may be connected to itself: then it is one row, and both ends.
            let other = other(row).filter(|other| !std::mem::replace(&mut taken[*other], true));
            pairs.push(match other {
                Some(other) if calls(&rows[other], row, rows) => Pair { a: other, b: Some(place) },
                other => Pair { a: place, b: other },
            });
        }
        pairs
    }
}

/// What names a conversation; IPv4 addresses in IPv6's clothes as what they mean. None for what has no other end.
fn ends(row: &SocketRow) -> Option<(Kind, SocketAddr, SocketAddr)> {
    let plain = |address: &Address| {
        let address = address.internet()?;
        (address.port() != 0).then(|| SocketAddr::new(address.ip().to_canonical(), address.port()))
    };
    if row.kind == Kind::Raw || row.is_listener() {
        return None;
    }
    Some((row.kind, plain(&row.local)?, plain(&row.remote)?))
}

/// Whether the first of two ends is the one that called: the other's port is listened on here, or is the lower one.
fn calls(one: &SocketRow, other: &SocketRow, rows: &[SocketRow]) -> bool {
    if other.kind.is_unix() {
        // Who calls has no name, as a rule.
        return one.local == Address::Unnamed && other.local != Address::Unnamed;
    }
    let is_served = |port: u16| {
        let waits =
            |row: &&SocketRow| row.kind == Kind::Tcp && row.is_listener() || row.state == SocketState::CLOSED;
        rows.iter().filter(waits).any(|row| row.kind == other.kind && row.local_port() == port)
    };
    match (is_served(one.local_port()), is_served(other.local_port())) {
        (false, true) => true,
        (true, false) => false,
        _ => other.local_port() < one.local_port(),
    }
}

const HEADS: [&str; 8] = ["Netid", "State", "Client", "Process", "State", "Server", "Process", "Waiting"];

/// A line for each pair, under a line of heads unless they are not wanted.
pub fn pairs(rows: &[SocketRow], heads: bool, style: &Style, around: &dyn Surroundings) -> String {
    table(rows, heads, style, around, None)
}

/// The same, and under each pair what either end waits for, in the words of `explained` for the row at a place.
pub fn pairs_explained(
    rows: &[SocketRow],
    heads: bool,
    style: &Style,
    around: &dyn Surroundings,
    explained: &dyn Fn(usize) -> String,
) -> String {
    table(rows, heads, style, around, Some(explained))
}

fn table(
    rows: &[SocketRow],
    heads: bool,
    style: &Style,
    around: &dyn Surroundings,
    explained: Option<&dyn Fn(usize) -> String>,
) -> String {
    let pairs = Pair::among(rows);
    let lines: Vec<[String; 8]> = pairs.iter().map(|pair| cells(*pair, rows, style.ascii, around)).collect();
    let mut widths = HEADS.map(width);
    for line in &lines {
        for (widest, cell) in widths.iter_mut().zip(line) {
            *widest = (*widest).max(width(cell));
        }
    }
    let put = |out: &mut String, role: Role, cells: [&str; 8]| {
        let mut line = Line::default();
        let mut start = 0;
        for (cell, width) in cells.into_iter().zip(widths) {
            line.pad_to(start).push(role, cell);
            start += width + 2;
        }
        line.write(out, style);
    };
    let mut out = String::new();
    if heads {
        put(&mut out, Role::Frame, HEADS);
    }
    for (line, pair) in lines.iter().zip(&pairs) {
        put(&mut out, Role::Plain, line.each_ref().map(String::as_str));
        if let Some(explained) = explained {
            out.push_str(&turns(*pair, style.ascii, explained));
        }
    }
    out
}

/// What each end of a pair waits for; an end whose other one is not here needs no name.
fn turns(pair: Pair, ascii: bool, explained: &dyn Fn(usize) -> String) -> String {
    let line = |name: &str, place: usize| format!("\t{name}{}\n", visible(&explained(place), ascii));
    match pair.b {
        Some(b) => line("client: ", pair.a) + &line("server: ", b),
        None => line("", pair.a),
    }
}

fn cells(pair: Pair, rows: &[SocketRow], ascii: bool, around: &dyn Surroundings) -> [String; 8] {
    let (a, b) = (&rows[pair.a], pair.b.map(|b| &rows[b]));
    let address = |row: &SocketRow, side| {
        let mut out = String::new();
        write(&mut out, row, side, ascii, around);
        out
    };
    let netid = a.kind.netid().to_owned();
    match b {
        Some(b) => [
            netid,
            a.state.short().to_owned(),
            address(a, Side::Local),
            processes(a, ascii, around),
            b.state.short().to_owned(),
            address(b, Side::Local),
            processes(b, ascii, around),
            waiting(a, b),
        ],
        // Who waits for anybody is the server's side of what is to come.
        None if a.is_listener() || a.remote_port() == 0 => [
            netid,
            "-".to_owned(),
            "-".to_owned(),
            "-".to_owned(),
            a.state.short().to_owned(),
            address(a, Side::Local),
            processes(a, ascii, around),
            queue(a),
        ],
        None => [
            netid,
            a.state.short().to_owned(),
            address(a, Side::Local),
            processes(a, ascii, around),
            "-".to_owned(),
            address(a, Side::Remote),
            "-".to_owned(),
            queue(a),
        ],
    }
}

/// `nc[17]`, `nc[17,18]`, `-` where nobody is known.
pub(super) fn processes(row: &SocketRow, ascii: bool, around: &dyn Surroundings) -> String {
    let owners = around.owners(row.inode);
    let mut shown: Vec<(&str, Vec<u32>)> = Vec::new();
    for Owner { pid, name, .. } in owners {
        match shown.last_mut() {
            Some((last, pids)) if *last == name => {
                if pids.last() != Some(pid) {
                    pids.push(*pid);
                }
            }
            _ => shown.push((name, vec![*pid])),
        }
    }
    let each = shown.iter().map(|(name, pids)| {
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        format!("{}[{}]", visible(name, ascii), pids.join(","))
    });
    let all = each.collect::<Vec<_>>().join(" ");
    if all.is_empty() { "-".to_owned() } else { all }
}

/// Where bytes wait: at their sender, or at their reader.
fn waiting(a: &SocketRow, b: &SocketRow) -> String {
    let each = [
        (a.unacknowledged_bytes(), "to server"),
        (b.unread_bytes(), "unread by server"),
        (b.unacknowledged_bytes(), "to client"),
        (a.unread_bytes(), "unread by client"),
    ];
    let said = each.iter().filter(|(bytes, _)| *bytes > 0);
    said.map(|(bytes, what)| format!("{} {what}", size((*bytes).into()))).collect::<Vec<_>>().join(", ")
}

fn queue(row: &SocketRow) -> String {
    if row.is_listener() {
        return format!("{} of {} to accept", row.to_read_bytes, row.to_send_bytes);
    }
    let each = [(row.unacknowledged_bytes(), "to send"), (row.unread_bytes(), "unread")];
    let said = each.iter().filter(|(bytes, _)| *bytes > 0);
    said.map(|(bytes, what)| format!("{} {what}", size((*bytes).into()))).collect::<Vec<_>>().join(", ")
}
