//! Connection refused: who listens elsewhere instead, or that nobody does. Read first: RFC 9293 §3.10.7.1 (a SYN for a
//! port in CLOSED is answered by a reset); connect(2); unix(7) on socket files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wire::socket_row::Kind;
use wire::{Address, Doing, Transport};

use crate::errno::ECONNREFUSED;
use crate::evidence::{Evidence, Holder, Sockets};
use crate::problem::{Rule, Verdict};
use crate::reach::Reach;
use crate::words::count;

pub(super) const RULE: Rule = Rule { id: "refused", title: "connection refused", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    if evidence.doing() != Doing::Connect || !evidence.errno_is(&[ECONNREFUSED]) {
        return None;
    }
    let seen = match evidence.place() {
        Some((transport, Address::Internet(address))) => at_a_port(evidence, transport, address),
        Some((_, name)) => at_a_name(evidence, &name),
        None => None,
    };
    Some(seen.unwrap_or_else(|| nothing_known(evidence)))
}

/// What such a fault means as a rule, and how to look.
fn nothing_known(evidence: &Evidence<'_>) -> Verdict {
    let cause = "the machine answers, but nothing listens at this address and port";
    let list = listing(evidence.at());
    let advice = match (evidence.address(), evidence.port()) {
        (Some(address), Some(port)) if !address.ip().is_loopback() => format!(
            "nothing listens on port {port} there; a server on 127.0.0.1 can only be reached on its own machine"
        ),
        (_, Some(port)) => format!("nothing listens on port {port} here; `{list}` shows what does"),
        _ => format!("nothing listens there; `{list}` shows what does on this machine"),
    };
    Verdict::new(cause, advice)
}

/// What lists the sockets of the kind that was called.
fn listing(at: &str) -> &'static str {
    if at.starts_with("udp:") {
        "bothends sockets -ulnp"
    } else if at.starts_with("unix") || at.starts_with(['/', '@', '.']) {
        "bothends sockets -xlp"
    } else {
        "bothends sockets -tlnp"
    }
}

fn at_a_port(evidence: &Evidence<'_>, transport: Transport, asked: SocketAddr) -> Option<Verdict> {
    let is_here = evidence.found.is_here.or(asked.ip().is_loopback().then_some(true));
    let sockets = evidence.found.sockets.as_ref().filter(|_| is_here == Some(true))?;
    let found = evidence.found;
    there_now(sockets, asked)
        .or_else(|| elsewhere(sockets, transport, asked))
        .or_else(|| not_listening_yet(sockets))
        .or_else(|| married(sockets, asked))
        .or_else(|| by_the_other_transport(found.other_transport.as_ref()?, transport, asked))
        .or_else(|| at_the_swapped_port(found.swapped_port.as_ref()?, transport, asked))
        .or_else(|| only_connections(sockets, asked.port()))
        .or_else(|| Some(nobody(evidence, transport, asked.port())))
}

/// Somebody takes just this address: but not when we called, or not from where we called.
fn there_now(sockets: &Sockets, asked: SocketAddr) -> Option<Verdict> {
    let takes = |holder: &&Holder| Reach::of_row(&holder.row).is_some_and(|reach| reach.has(asked.ip()));
    let holder = sockets.open.kept.iter().find(takes)?;
    let (whose, does, local) = (sockets.whose(holder), verb(holder), &holder.row.local);
    let (cause, advice) = match holder.row.interface {
        0 => (
            format!("{whose} {does} {local} now"),
            "try again: it came only after the call, or a filter refused for it",
        ),
        _ => (
            format!("{whose} {does} {local}, but by one network device only"),
            "call it by an address of that device",
        ),
    };
    Some(Verdict::seen(cause, advice, sockets.facts()))
}

/// Somebody is at this port of another address.
fn elsewhere(sockets: &Sockets, transport: Transport, asked: SocketAddr) -> Option<Verdict> {
    let holder = nearest(sockets, asked)?;
    let more = match sockets.open.count {
        1 => String::new(),
        more => format!(" (and {} on others)", count(more - 1, "further socket")),
    };
    let cause = format!(
        "nothing listens on {asked}, but {} {} {}{}{more}",
        sockets.whose(holder),
        verb(holder),
        holder.row.local,
        which_family(holder, asked)
    );
    Some(Verdict::seen(cause, reaches(holder, transport, asked)?, sockets.facts()))
}

/// Of several the one of the same family, then the first.
fn nearest(sockets: &Sockets, asked: SocketAddr) -> Option<&Holder> {
    let of_family = |holder: &&Holder| family_of(holder) == Some(asked.is_ipv6());
    sockets.open.kept.iter().find(of_family).or_else(|| sockets.open.first())
}

/// Whether its address is one of IPv6 only.
fn family_of(holder: &Holder) -> Option<bool> {
    match Reach::of_row(&holder.row)? {
        Reach::One(ip) => Some(ip.is_ipv6()),
        Reach::EveryV4 => Some(false),
        Reach::EveryV6 => Some(true),
        Reach::Every => None,
    }
}

fn which_family(holder: &Holder, asked: SocketAddr) -> &'static str {
    match family_of(holder) {
        Some(true) if asked.is_ipv4() => ", which is IPv6 only",
        Some(false) if asked.is_ipv6() => ", which is IPv4 only",
        _ => "",
    }
}

/// The command that calls it; a wildcard is called by this machine's own address.
fn reaches(holder: &Holder, transport: Transport, asked: SocketAddr) -> Option<String> {
    let local = holder.row.local.internet()?;
    let ip = match Reach::of_row(&holder.row)? {
        Reach::One(_) => local.ip(),
        Reach::EveryV4 => Ipv4Addr::LOCALHOST.into(),
        Reach::EveryV6 | Reach::Every => Ipv6Addr::LOCALHOST.into(),
    };
    let only_here = match ip.is_loopback() && !asked.ip().is_loopback() && is_one(holder) {
        true => "; it takes callers of this machine only",
        false => "",
    };
    Some(format!("`bothends connect {}` reaches it{only_here}", written(transport, local, ip)))
}

fn is_one(holder: &Holder) -> bool {
    matches!(Reach::of_row(&holder.row), Some(Reach::One(_)))
}

/// As it is typed: TCP needs no scheme.
fn written(transport: Transport, local: SocketAddr, ip: IpAddr) -> String {
    // A link-local address keeps its interface.
    let address = if ip == local.ip() { local } else { SocketAddr::new(ip, local.port()) };
    match transport {
        Transport::Udp => format!("udp://{address}"),
        _ => address.to_string(),
    }
}

/// A program that has bound the port and not called listen(2).
fn not_listening_yet(sockets: &Sockets) -> Option<Verdict> {
    let holder = sockets.bound.first()?;
    let cause = format!("{} has bound {} but does not listen", sockets.whose(holder), holder.row.local);
    Some(Verdict::seen(cause, "it has to call listen(), or has not come to it yet", sockets.facts()))
}

/// A socket of datagrams that was connected to its first peer: ICMP answers everybody else (udp(7)).
fn married(sockets: &Sockets, asked: SocketAddr) -> Option<Verdict> {
    let is_it = |holder: &&Holder| {
        holder.row.kind == Kind::Udp && Reach::of_row(&holder.row).is_some_and(|reach| reach.has(asked.ip()))
    };
    let holder = sockets.connected.kept.iter().find(is_it)?;
    let cause = format!(
        "{} has a UDP socket at {}, but it is connected to {} and takes datagrams of nobody else",
        sockets.whose(holder),
        holder.row.local,
        holder.row.remote
    );
    Some(Verdict::seen(cause, "a server of datagrams must not call connect()", sockets.facts()))
}

fn by_the_other_transport(sockets: &Sockets, transport: Transport, asked: SocketAddr) -> Option<Verdict> {
    let takes = |holder: &&Holder| Reach::of_row(&holder.row).is_some_and(|reach| reach.has(asked.ip()));
    let holder = sockets.open.kept.iter().find(takes).or_else(|| sockets.open.first())?;
    let (this, other) = match transport {
        Transport::Udp => ("UDP", Transport::Tcp),
        _ => ("TCP", Transport::Udp),
    };
    let cause = format!(
        "nothing takes {this} on port {}, but {} {} {}",
        asked.port(),
        sockets.whose(holder),
        verb(holder),
        holder.row.local
    );
    let other = match other {
        Transport::Udp => "udp://",
        _ => "tcp://",
    };
    let ip = match takes(&holder) {
        true => asked.ip(),
        false => holder.row.local.internet()?.ip(),
    };
    let address = SocketAddr::new(ip, asked.port());
    Some(Verdict::seen(cause, format!("`bothends connect {other}{address}` reaches it"), sockets.facts()))
}

/// Forgotten htons(): its port is ours with the two bytes swapped.
fn at_the_swapped_port(sockets: &Sockets, transport: Transport, asked: SocketAddr) -> Option<Verdict> {
    let holder = sockets.open.first()?;
    let (port, swapped) = (asked.port(), asked.port().swap_bytes());
    let cause = format!(
        "nothing listens on port {port}, but {} {} {}, and {swapped} is {port} with its bytes swapped",
        sockets.whose(holder),
        verb(holder),
        holder.row.local
    );
    let way = reaches(holder, transport, asked)?;
    Some(Verdict::seen(cause, format!("its program seems to have forgotten htons(); {way}"), sockets.facts()))
}

/// Connections that have the port: a server's that has stopped listening, or one that has just this port as its own.
fn only_connections(sockets: &Sockets, port: u16) -> Option<Verdict> {
    let holder = sockets.connected.first().or_else(|| sockets.over.first())?;
    let number = sockets.connected.count + sockets.over.count;
    let (have, one) = if number == 1 { ("has", "that") } else { ("have", "one") };
    let cause = format!(
        "nothing listens on port {port}; {} still {have} it, {one} with {} in {}, so a server may have been here",
        count(number, "connection"),
        holder.row.remote,
        holder.row.state.name(holder.row.kind)
    );
    Some(Verdict::seen(cause, "start the server again", sockets.facts()))
}

fn nobody(evidence: &Evidence<'_>, transport: Transport, port: u16) -> Verdict {
    let by = match (evidence.found.other_transport.is_some(), transport) {
        (true, _) => "neither by TCP nor by UDP",
        (false, Transport::Udp) => "not by UDP",
        (false, _) => "not by TCP",
    };
    let cause = format!("nobody takes port {port} here, {by}, at any address");
    let list = listing(evidence.at());
    Verdict::seen(cause, format!("start the server, or see what there is: `{list}`"), Vec::new())
}

fn at_a_name(evidence: &Evidence<'_>, name: &Address) -> Option<Verdict> {
    let sockets = evidence.found.sockets.as_ref()?;
    let first = [(&sockets.open, "now"), (&sockets.bound, ""), (&sockets.connected, "")];
    let seen = first.into_iter().find_map(|(group, now)| Some((group.first()?, now)));
    if let Some((holder, now)) = seen {
        let whose = sockets.whose(holder);
        let (cause, advice) = match now {
            "now" => (format!("{whose} {} {name} now", verb(holder)), "try again"),
            _ => (
                format!("{whose} has {name} but does not listen"),
                "it has to call listen(), or start it again",
            ),
        };
        return Some(Verdict::seen(cause, advice, sockets.facts()));
    }
    let list = listing(evidence.at());
    Some(match &evidence.found.file {
        Some(file) if file.is_socket => Verdict::seen(
            "the socket file is there, but no socket here belongs to it: its server is gone",
            format!("start the server again; nobody needs the file: `rm {name}`"),
            Vec::new(),
        ),
        Some(_) => Verdict::seen("the file is no socket", format!("`{list}` shows where one is"), Vec::new()),
        None => Verdict::seen(
            format!("no socket here has the name {name}"),
            format!("start the server, or see what there is: `{list}`"),
            Vec::new(),
        ),
    })
}

fn verb(holder: &Holder) -> &'static str {
    match holder.row.kind {
        Kind::Udp => "has a UDP socket at",
        Kind::UnixDgram => "has a socket at",
        _ => "listens on",
    }
}

#[cfg(test)]
mod tests;
