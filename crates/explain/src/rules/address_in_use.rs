//! bind: address already in use: a socket of another that has it, connections that still keep it, or a socket file. Read
//! first: socket(7) on SO_REUSEADDR and SO_REUSEPORT; RFC 9293 §3.6.1 on TIME-WAIT; unix(7) on socket files.
//!
//! On Linux `SO_REUSEADDR` helps only where both sockets have it, the one before and the one now, and never against one that
//! listens (`inet_csk_bind_conflict` in net/ipv4/inet_connection_sock.c).

use wire::socket_row::{Kind, SocketState};
use wire::{Address, Doing};

use crate::errno::EADDRINUSE;
use crate::evidence::{Evidence, Holder, Sockets, has_other_end};
use crate::problem::{Rule, Verdict};
use crate::reach::Reach;
use crate::words::{are, seconds_left};

pub(super) const RULE: Rule = Rule { id: "address-in-use", title: "address already in use", judge };

/// What always helps.
const ANOTHER_PORT: &str = "take another port: 0 is any free one";

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    if !evidence.errno_is(&[EADDRINUSE]) || !matches!(evidence.doing(), Doing::Bind | Doing::Listen) {
        return None;
    }
    match evidence.place() {
        Some((_, Address::Internet(_))) | None => {
            let port = evidence.port()?;
            Some(at_a_port(evidence).unwrap_or_else(|| nothing_known(evidence, port)))
        }
        Some((_, name)) => Some(at_a_name(evidence, &name)),
    }
}

/// What such a fault means as a rule, and how to look.
fn nothing_known(evidence: &Evidence<'_>, port: u16) -> Verdict {
    let cause = "another socket has this port: a server that runs, or connections of an earlier one";
    let letter = if is_udp(evidence) { 'u' } else { 't' };
    let look = format!("`bothends sockets -{letter}anp sport = :{port}` shows who has it");
    Verdict::new(cause, format!("{look}; port 0 takes any free one"))
}

fn at_a_port(evidence: &Evidence<'_>) -> Option<Verdict> {
    let sockets = evidence.found.sockets.as_ref()?;
    let taker = sockets.open.first();
    if let Some(holder) = taker.or_else(|| sockets.connected.first().filter(|_| is_udp(evidence))) {
        return Some(open(evidence, sockets, holder));
    }
    if let Some(holder) = sockets.bound.first() {
        let cause = format!(
            "{} has bound {} and does not listen yet",
            sockets.whose(holder),
            where_it_is(evidence, holder)
        );
        return Some(Verdict::seen(cause, format!("end it, or {ANOTHER_PORT}"), sockets.facts()));
    }
    if sockets.connected.count + sockets.over.count > 0 {
        return Some(kept_by_connections(evidence, sockets));
    }
    if let Some(other) = &evidence.found.asked.beside {
        let cause = format!("{other}, which stands beside it here, takes this address too");
        return Some(Verdict::seen(cause, "leave one of the two out", Vec::new()));
    }
    if evidence.found.is_free_now == Some(true) {
        let cause = "whoever had the address has let it go meanwhile: it can be had now";
        return Some(Verdict::seen(cause, "try again", Vec::new()));
    }
    None
}

/// Somebody is there.
fn open(evidence: &Evidence<'_>, sockets: &Sockets, holder: &Holder) -> Verdict {
    let does = if holder.row.kind == Kind::Udp { "has a UDP socket at" } else { "listens on" };
    let with = match holder.row.kind == Kind::Udp && has_other_end(&holder.row) {
        true => format!(", connected to {}", holder.row.remote),
        false => String::new(),
    };
    let others = match sockets.open.count {
        0 | 1 => String::new(),
        more => format!(" (and {} in the way)", are(more - 1, "further socket")),
    };
    let cause = format!("{} {does} {}{with}{others}", sockets.whose(holder), where_it_is(evidence, holder));
    let share = match evidence.found.asked.reuse_port {
        true => why_not_shared(sockets, holder),
        false => "",
    };
    Verdict::seen(cause, format!("{share}end it, or {ANOTHER_PORT}"), sockets.facts())
}

/// Why `SO_REUSEPORT` did not help: socket(7).
fn why_not_shared(sockets: &Sockets, holder: &Holder) -> &'static str {
    match (sockets.own_uid, holder.row.uid) {
        (Some(own), Some(other)) if own == other => {
            "to share the port it would have to have set SO_REUSEPORT too; "
        }
        (Some(_), Some(_)) => "SO_REUSEPORT shares a port between sockets of one user only; ",
        _ => "SO_REUSEPORT shares a port where both ends set it and one user has both; ",
    }
}

/// `127.0.0.1:80`, and what that has to do with the address that was asked for, where they differ.
fn where_it_is(evidence: &Evidence<'_>, holder: &Holder) -> String {
    let local = &holder.row.local;
    let (Some(asked), Some(has)) = (evidence.address(), Reach::of_row(&holder.row)) else {
        return local.to_string();
    };
    let wanted = Reach::of(asked.ip(), Some(evidence.found.asked.v6_only));
    match (has.words(), wanted.words()) {
        _ if has == wanted => local.to_string(),
        // A text of /proc does not say whether IPv4 is left to others.
        (Some(_), _) if has == Reach::Every && holder.row.v6_only.is_none() => {
            format!("{local}, which may be every address of IPv4 too")
        }
        (Some(every), _) => format!("{local}, which is {every}"),
        (None, Some(every)) => format!("{local}, and {asked} is {every}"),
        (None, None) => local.to_string(),
    }
}

/// Nobody listens, but connections have the address.
fn kept_by_connections(evidence: &Evidence<'_>, sockets: &Sockets) -> Verdict {
    let mut parts = Vec::new();
    if let Some(holder) = sockets.connected.first() {
        let row = &holder.row;
        let (with, state) = (&row.remote, row.state.name(row.kind));
        let whose = sockets.whose(holder);
        parts.push(match sockets.connected.count {
            1 => format!("a connection has the address: with {with} ({state}), that of {whose}"),
            more => {
                format!("{more} connections have the address, among them one with {with} ({state}), that of {whose}")
            }
        });
    }
    parts.extend(sockets.over.first().map(|holder| waits(sockets.over.count, holder)));
    let cause = parts.join(", and ");
    // What no process has can only be waited for.
    let only_waits = sockets.connected.kept.iter().all(|holder| holder.row.inode == 0);
    let way_out = match evidence.found.ephemeral_ports {
        Some((first, last)) if evidence.port().is_some_and(|port| (first..=last).contains(&port)) => {
            format!("take a port outside of {first}-{last}, which outgoing connections get")
        }
        _ => ANOTHER_PORT.to_owned(),
    };
    let wait = if only_waits { "wait" } else { "end it" };
    let advice = match about_reuse(evidence) {
        Reuse::Helps(words) => words.to_owned(),
        Reuse::Other(words) => format!("{words}; {wait}, or {way_out}"),
    };
    Verdict::seen(cause, advice, sockets.facts())
}

/// `a connection that is over keeps the address: with 127.0.0.1:40712, in TIME_WAIT for 47 s more`.
fn waits(number: u64, holder: &Holder) -> String {
    let with = &holder.row.remote;
    // It is 60 s at most: TCP_TIMEWAIT_LEN of Linux's net/tcp.h.
    let left = holder.row.timer.map_or_else(
        || "for up to 60 s".to_owned(),
        |timer| format!("for {} more", seconds_left(timer.expires_ms)),
    );
    match number {
        1 => format!("a connection that is over keeps the address: with {with}, in TIME_WAIT {left}"),
        more => format!(
            "{more} connections that are over keep the address in TIME_WAIT: the last, with {with}, {left}"
        ),
    }
}

/// Whether `SO_REUSEADDR` would help.
enum Reuse {
    Helps(&'static str),
    Other(&'static str),
}

fn about_reuse(evidence: &Evidence<'_>) -> Reuse {
    let found = evidence.found;
    match (found.asked.reuse_address, found.is_free_now, found.is_free_with_reuse) {
        (_, Some(true), _) => Reuse::Helps("it can be had now: try again"),
        (true, Some(false), _) => {
            Reuse::Other("it was opened without SO_REUSEADDR, and ours alone does not help")
        }
        (false, _, Some(true)) => Reuse::Helps("without --no-reuse-addr (SO_REUSEADDR) it can be had now"),
        (false, _, Some(false)) => {
            Reuse::Other("SO_REUSEADDR would not help, for it was opened without, and both need it")
        }
        _ => Reuse::Other("SO_REUSEADDR helps only where it was opened with that too"),
    }
}

/// A Unix socket's file, or a name.
fn at_a_name(evidence: &Evidence<'_>, name: &Address) -> Verdict {
    let found = evidence.found;
    let another = "take another name";
    if let Some(sockets) = &found.sockets {
        let does = [
            (&sockets.open, "is there at"),
            (&sockets.bound, "has bound"),
            (&sockets.connected, "still has connections of"),
        ];
        let first = does.into_iter().find_map(|(group, does)| Some((group.first()?, does)));
        if let Some((holder, does)) = first {
            let does = match holder.row.state {
                SocketState::LISTEN => "listens on",
                _ => does,
            };
            let cause = format!("{} {does} {name}", sockets.whose(holder));
            return Verdict::seen(cause, format!("end it, or {another}"), sockets.facts());
        }
    }
    match (&found.file, &found.sockets) {
        (Some(file), Some(_)) if file.is_socket => {
            let whose = file.user.as_deref().map_or_else(String::new, |user| format!(" of user {user}"));
            let cause = format!(
                "there is a socket file{} already, and no socket that can be seen from here belongs to it",
                wire::visible(&whose, false)
            );
            Verdict::seen(cause, format!("remove it if its server is gone: `rm {name}`"), Vec::new())
        }
        _ => Verdict::new(
            "another socket has this name",
            format!("`bothends sockets -xap` shows who has it; or {another}"),
        ),
    }
}

fn is_udp(evidence: &Evidence<'_>) -> bool {
    evidence.at().starts_with("udp:")
}

#[cfg(test)]
mod tests;
