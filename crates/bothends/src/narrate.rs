//! What happens, in words: the lines that `-v` asks for, and the account at the end of a conversation.

pub mod talk;

use std::time::Duration;

use draw::number::{count, duration, grouped, since_start, size_in_words};
use ends::event::{Account, Away, ClosedBy, Event, How};
use explain::evidence::Descriptors;
use lab::Calibration;
use lab::event::{ANSWERED, Backend, DirectionReport, LinkFrame, Role};
use wire::{Fate, Time, Transport, visible_bytes};

use crate::evidence;
use crate::record::role_word;

/// The most of a message that is shown, in bytes; the rest is counted.
const SHOWN: usize = 256;

/// The line for an event of a server, if this much is to be told (the number of `-v`).
pub fn line(event: &Event, verbosity: u8) -> Option<String> {
    let (needed, line) = match event {
        Event::Listening { transport, address, service, engine } => {
            let address = address.in_full(*transport);
            (0, format!("listening on {address} ({service}, engine {engine})"))
        }
        Event::Opened { client, remote, .. } => (1, format!("client {client}, {remote}: connected")),
        Event::Data { client, remote, bytes, whole_bytes } => {
            let cut = whole_bytes.map(|whole| format!(", cut off a message of {}", size_in_words(whole)));
            (2, format!("client {client}, {remote}: {}{}", says(bytes), cut.unwrap_or_default()))
        }
        Event::Closed { client, transport, remote, account } => {
            (1, format!("client {client}, {remote}: {}", self::account(account, *transport)))
        }
        Event::TurnedAway { remote, why } => (1, format!("{remote} was turned away: {}", reason(why))),
        Event::OptionSet { at, name, asked, is } => {
            (0, format!("{at}: {name} was set to {asked} and is {is}"))
        }
        Event::ListsRead { networks } => {
            (0, format!("the lists were read again: {}", count(*networks as u64, "network")))
        }
        Event::ChildEnded { pid, client, exit, signal } => {
            let how = ending(*exit, *signal);
            (u8::from(signal.is_none()) * 2, format!("client {client}: process {pid} {how}"))
        }
        Event::Trouble(fault) => (0, trouble(fault)),
        Event::Paused => (0, paused(evidence::descriptors().as_ref())),
        Event::Stopping { sessions: 0 } => (1, "stopping: nobody is connected".to_owned()),
        Event::Stopping { sessions } => {
            let them = if *sessions == 1 { "1 client may" } else { &format!("{sessions} clients may") };
            (0, format!("stopping: {them} finish; another signal ends it now"))
        }
    };
    (verbosity >= needed).then(|| line + "\n")
}

/// Why a client was turned away.
fn reason(why: &Away) -> String {
    match why {
        Away::Full(1) => "the only place is taken (--max-connections 1)".to_owned(),
        Away::Full(limit) => format!("all places are taken (--max-connections {limit})"),
        Away::FullForSource(limit) => {
            format!("its address has all places that one may have (--max-per-source {limit})")
        }
        Away::Denied(Some(network)) => format!("{network} is denied"),
        Away::Denied(None) => "it is on no list of those allowed".to_owned(),
    }
}

/// No descriptor is free; of those that are open it is told what they are, where that could be seen.
fn paused(descriptors: Option<&Descriptors>) -> String {
    let what = match descriptors {
        Some(open) if open.is_cut() => {
            format!(
                "of the first {} there are {}; `ulimit -Hn` shows the limit",
                open.looked_at,
                open.by_sort()
            )
        }
        Some(open) => {
            let limit = open.soft.map_or_else(|| "any number".to_owned(), |soft| soft.to_string());
            format!("there are {}, and this process may have {limit}: `ulimit -Hn`", open.by_sort())
        }
        None => "`ulimit -Hn` shows the limit".to_owned(),
    };
    format!("no descriptor is free: new clients wait until one is ({what})")
}

fn trouble(fault: &wire::Fault) -> String {
    let advice = explain::problem(fault).map(|problem| format!(" ({})", problem.advice));
    format!("{}{}", explain::sentence(fault), advice.unwrap_or_default())
}

/// `exited with 1`, `was ended by SIGKILL`.
pub fn ending(exit: Option<i32>, signal: Option<i32>) -> String {
    match (exit, signal) {
        (_, Some(9)) => "was killed (SIGKILL)".to_owned(),
        (_, Some(signal)) => format!("was ended by {}", signal_name(signal)),
        (Some(exit), None) => format!("exited with {exit}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The signals that end programs, by name: signal(7).
fn signal_name(signal: i32) -> String {
    const NAMES: [(i32, &str); 13] = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (4, "SIGILL"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (10, "SIGUSR1"),
        (11, "SIGSEGV"),
        (12, "SIGUSR2"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
    ];
    let named = NAMES.iter().find(|(number, _)| *number == signal);
    named.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned())
}

/// How many of these are shown: no character is cut.
fn shown_bytes(bytes: &[u8]) -> usize {
    if bytes.len() <= SHOWN {
        return bytes.len();
    }
    let is_cut = |at: &usize| bytes[*at] & 0xc0 == 0x80;
    let whole = (SHOWN - 3..=SHOWN).rev().find(|at| !is_cut(at));
    whole.unwrap_or(SHOWN)
}

/// Bytes as a message in quotation marks, shortened, with everything invisible made visible.
fn message(bytes: &[u8]) -> String {
    let begun = &bytes[..shown_bytes(bytes)];
    let shown = visible_bytes(begun, false);
    let more = match bytes.len() - begun.len() {
        0 => String::new(),
        length => format!(" and {} more", size_in_words(length as u64)),
    };
    format!("\"{shown}\"{more} ({})", size_in_words(bytes.len() as u64))
}

/// The account of a conversation in one clause; its subject, the other end, stands before: `it closed first, with FIN,
/// after 31 ms: 12 bytes in, 12 bytes out`.
pub fn account(account: &Account, transport: Transport) -> String {
    format!("{} after {}: {}", end(account, transport), duration(account.open), amounts(account))
}

/// How it ended: who closed first, and by what. Only TCP has a FIN.
fn end(account: &Account, transport: Transport) -> &'static str {
    let has_fin = transport == Transport::Tcp;
    match (account.how, account.closed_by) {
        (How::Fin, ClosedBy::Peer) if !has_fin => "it closed first,",
        (How::Fin, ClosedBy::Us) if !has_fin => "we closed first,",
        (How::Fin, ClosedBy::Both) if !has_fin => "both closed at about the same time,",
        (How::Fin, ClosedBy::Peer) => "it closed first, with FIN,",
        (How::Fin, ClosedBy::Us) => "we closed first, with FIN,",
        (How::Fin, ClosedBy::Both) => "both closed at about the same time, with FIN,",
        (How::Fin, ClosedBy::Path | ClosedBy::Kernel) => "closed with FIN",
        (How::Reset, ClosedBy::Us) => "we reset the connection, closing before all was read or sent,",
        (How::Reset, ClosedBy::Kernel) => "this machine broke the connection off",
        (How::Reset, _) => "it reset the connection",
        (How::TimedOut, _) => "it stopped answering and was given up",
        (How::Refused, _) => "it refused",
        (How::Unreachable, _) => "it became unreachable",
        (How::Killed, _) => "cut off, for the process of its session was killed,",
        (How::Idle, _) => "it was silent for too long and we closed",
        (How::Limit, _) => "we closed, for a limit was reached,",
        (How::Stopped, _) => "we closed, being asked to stop,",
    }
}

/// What the other end says: `says "hello\n" (6 bytes)`.
pub fn says(bytes: &[u8]) -> String {
    format!("says {}", message(bytes))
}

/// `12 bytes in, 12 bytes out; 4 bytes of ours never sent`.
fn amounts(account: &Account) -> String {
    let mut told =
        format!("{} in, {} out", size_in_words(account.in_bytes), size_in_words(account.out_bytes));
    let sent = account.unsent_bytes.saturating_sub(account.never_sent_bytes);
    let rest = [
        (sent, "of ours sent and not acknowledged"),
        (account.never_sent_bytes, "of ours never sent"),
        (account.unread_bytes, "of theirs unread"),
    ];
    for (bytes, what) in rest.into_iter().filter(|(bytes, _)| *bytes > 0) {
        told.push_str(&format!("; {} {what}", size_in_words(bytes)));
    }
    told
}

/// What carries a lab's packets.
pub fn backend(backend: Backend) -> &'static str {
    match backend {
        Backend::Tun => "TUN devices carry the packets",
        Backend::Packet => "veth devices and packet sockets carry the packets",
        Backend::Simulated => "simulated, in virtual time",
    }
}

/// A packet of the link, in a line.
pub fn frame(frame: &LinkFrame, start: Time) -> String {
    let at = since_start(frame.time.since(start));
    let from = role_word(frame.from);
    let word = frame.passage.fate.word();
    let fate = match (&frame.passage.rule, frame.passage.arrived) {
        (Some(rule), Some(arrived)) if frame.passage.fate != Fate::Delivered => {
            format!("{word} by {rule}, arrives after {}", duration(arrived.since(frame.time)))
        }
        (Some(rule), None) => format!("{} by {rule}", frame.passage.fate.word()),
        (_, Some(arrived)) => format!("arrives after {}", duration(arrived.since(frame.time))),
        (None, None) => frame.passage.fate.word().to_owned(),
    };
    format!("{at:>9} packet {} from the {from}, {} B, {fate}\n", frame.number, frame.wire_len)
}

/// The link's counters, and how late packets left it where that was measured.
pub fn link(up: &DirectionReport, down: &DirectionReport, measured: bool) -> String {
    let direction = |from: &str, to: &str, report: &DirectionReport| {
        let lost: Vec<String> =
            report.lost.iter().map(|(rule, lost)| format!("{} lost by {rule}", grouped(*lost))).collect();
        let mut lost = if lost.is_empty() { String::new() } else { format!(", {}", lost.join(", ")) };
        if report.stopped > 0 {
            lost.push_str(&format!(", {} still under way at the end", grouped(report.stopped)));
        }
        let sent = count(report.offered, "packet");
        match report.offered {
            0 => format!("{from} to {to}: {sent}{}\n", touched(report)),
            _ => {
                let touched = touched(report);
                let delivered = grouped(report.delivered);
                format!("{from} to {to}: {sent}, {delivered} delivered{lost}{touched}\n")
            }
        }
    };
    let mut told = direction("client", "server", up) + &direction("server", "client", down);
    if measured && up.delivered + down.delivered > 0 {
        // Of two distributions no common one can be told: each quantile is the later one.
        let [p50, p99, max] = [0, 1, 2].map(|at| duration(up.lateness[at].max(down.lateness[at])));
        told += &format!("packets left the link late by {p50} in the median, {p99} at 99 %, {max} at most\n");
        told += &late(up, down);
    }
    told + &calibrated(&up.calibration)
}

/// The histogram of lateness: of both directions together, how many were late by no more than a microsecond, ten, a hundred
/// and so on.
fn late(up: &DirectionReport, down: &DirectionReport) -> String {
    let all: u64 = [up, down].iter().flat_map(|way| &way.lateness_counts).map(|(_, count)| count).sum();
    let steps = up.lateness_counts.len().max(down.lateness_counts.len());
    let (mut within, mut parts) = (0, Vec::new());
    for step in 0..steps {
        let its = [up, down].into_iter().filter_map(|way| way.lateness_counts.get(step));
        let Some(limit) = its.clone().map(|(limit, _)| *limit).next() else { break };
        within += its.map(|(_, count)| count).sum::<u64>();
        // Rounded down: all is said only of all.
        let tenths = within.saturating_mul(1000).checked_div(all).unwrap_or(1000);
        parts.push(format!("{}.{} % within {}", tenths / 10, tenths % 10, duration(limit)));
    }
    if parts.is_empty() { String::new() } else { format!("  {}\n", parts.join(", ")) }
}

/// By how much delays were made shorter, where they were.
fn calibrated(costs: &Calibration) -> String {
    if costs.of_a_delay() == Duration::ZERO {
        return String::new();
    }
    let Calibration { entering, answering, leaving } = *costs;
    let (entering, leaving) = (duration(entering.max(answering)), duration(leaving));
    format!(
        "delays are shorter by what waking up costs here: up to {entering} on the way in, {leaving} on the way out\n"
    )
}

/// What happened to those that were delivered, and what the link made itself.
fn touched(report: &DirectionReport) -> String {
    let words = report.touched.iter().map(|(word, packets)| match *word {
        ANSWERED => format!(", {} from the link itself", grouped(*packets)),
        word => format!(", {} {word}", grouped(*packets)),
    });
    words.collect()
}

/// Packets that vanished though no rule asked for it: that must never go unsaid.
pub fn unplanned(up: &DirectionReport, down: &DirectionReport) -> Option<String> {
    let drops = up.unplanned_drops + down.unplanned_drops;
    let were = if drops == 1 { "was" } else { "were" };
    (drops > 0)
        .then(|| format!("{} {were} dropped on the way though no rule says so\n", count(drops, "packet")))
}

/// Packets that were carried, but came faster than they could be looked at.
pub fn missed(packets: u64) -> Option<String> {
    let were = if packets == 1 { "was" } else { "were" };
    let sentence = "carried but came too fast to be kept: neither the picture nor a capture has them";
    (packets > 0).then(|| format!("{} {were} {sentence}\n", count(packets, "packet")))
}

/// A line that a program printed, with its role in front.
pub fn printed(role: Role, line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    format!("{} | {}\n", role_word(role), text.trim_end_matches(['\n', '\r']))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn remote() -> wire::Address {
        std::net::SocketAddr::from(([127, 0, 0, 1], 40712)).into()
    }

    fn account(closed_by: ClosedBy, how: How) -> Account {
        Account {
            closed_by,
            how,
            in_bytes: 12,
            out_bytes: 1,
            unsent_bytes: 0,
            never_sent_bytes: 0,
            unread_bytes: 0,
            open: Duration::from_millis(31),
        }
    }

    #[test]
    fn bytes_of_a_message_are_told_apart_and_no_character_is_cut() {
        assert_eq!(says(b"\0\x01\xff\xfe"), "says \"\\u{0}\\u{1}\\xff\\xfe\" (4 bytes)");
        let long = format!("{}\u{20ac}x", "a".repeat(SHOWN - 1));
        let told = says(long.as_bytes());
        assert!(told.ends_with("aaa\" and 4 bytes more (259 bytes)"), "{told}");
        assert!(says(&[0x80; 300]).ends_with("\\x80\" and 44 bytes more (300 bytes)"));
    }

    #[test]
    fn the_account_says_who_how_when_and_how_much() {
        assert_eq!(
            super::account(&account(ClosedBy::Peer, How::Fin), Transport::Tcp),
            "it closed first, with FIN, after 31.0 ms: 12 bytes in, 1 byte out"
        );
        let cut = Account {
            unsent_bytes: 4,
            never_sent_bytes: 1,
            unread_bytes: 1,
            ..account(ClosedBy::Peer, How::Reset)
        };
        assert_eq!(
            super::account(&cut, Transport::Tcp),
            "it reset the connection after 31.0 ms: 12 bytes in, 1 byte out; \
             3 bytes of ours sent and not acknowledged; 1 byte of ours never sent; 1 byte of theirs unread"
        );
        let unix = super::account(&account(ClosedBy::Us, How::Fin), Transport::Unix);
        assert!(unix.starts_with("we closed first, after"), "{unix}");
    }

    #[test]
    fn a_server_tells_what_was_asked_for() {
        let transport = wire::Transport::Tcp;
        let opened = Event::Opened { client: 1, transport, local: remote(), remote: remote() };
        assert_eq!(line(&opened, 0), None);
        assert_eq!(line(&opened, 1).as_deref(), Some("client 1, 127.0.0.1:40712: connected\n"));
        let listening = Event::Listening { transport, address: remote(), service: "echo", engine: "event" };
        assert_eq!(
            line(&listening, 0).as_deref(),
            Some("listening on tcp://127.0.0.1:40712 (echo, engine event)\n")
        );
        let killed = Event::ChildEnded { pid: 7, client: 2, exit: None, signal: Some(9) };
        assert_eq!(line(&killed, 0).as_deref(), Some("client 2: process 7 was killed (SIGKILL)\n"));
        let exited = Event::ChildEnded { pid: 7, client: 2, exit: Some(0), signal: None };
        assert_eq!((line(&exited, 1), line(&exited, 2).is_some()), (None, true));
    }

    #[test]
    fn what_befalls_a_server_is_told_when_it_matters() {
        let remote = remote();
        let away = |why| Event::TurnedAway { remote: remote.clone(), why };
        let told = |event: &Event| (line(event, 0).is_some(), line(event, 1).unwrap_or_default());
        let denied = away(Away::Denied(Some("127.0.0.0/8".to_owned())));
        assert_eq!(
            told(&denied),
            (false, "127.0.0.1:40712 was turned away: 127.0.0.0/8 is denied\n".to_owned())
        );
        let full = away(Away::FullForSource(3));
        assert!(told(&full).1.ends_with("all places that one may have (--max-per-source 3)\n"));
        let set = |is: &str| Event::OptionSet {
            at: "tcp://[::1]:7".to_owned(),
            name: "SO_RCVBUF",
            asked: "4096".to_owned(),
            is: is.to_owned(),
        };
        assert_eq!(
            told(&set("8192")),
            (true, "tcp://[::1]:7: SO_RCVBUF was set to 4096 and is 8192\n".to_owned())
        );
        let read = Event::ListsRead { networks: 2 };
        assert_eq!(told(&read), (true, "the lists were read again: 2 networks\n".to_owned()));
    }

    #[test]
    fn a_message_that_did_not_fit_is_said_to_be_cut() {
        let data =
            |whole_bytes| Event::Data { client: 1, remote: remote(), bytes: b"ab".to_vec(), whole_bytes };
        let told = |whole| line(&data(whole), 2).unwrap();
        assert_eq!(told(None), "client 1, 127.0.0.1:40712: says \"ab\" (2 bytes)\n");
        assert!(told(Some(9)).ends_with("(2 bytes), cut off a message of 9 bytes\n"));
    }

    /// The names are rustix's, so that a wrong number cannot hide.
    #[test]
    fn signals_have_their_names() {
        use rustix::process::Signal;
        for signal in [Signal::HUP, Signal::SEGV, Signal::PIPE, Signal::TERM] {
            let name = format!("{signal:?}");
            let name = name.trim_matches('"').trim_start_matches("Signal::");
            assert_eq!(signal_name(signal.as_raw()), format!("SIG{name}"));
        }
        assert_eq!(signal_name(64), "signal 64");
    }

    #[test]
    fn messages_cannot_move_the_cursor_and_are_shortened() {
        assert_eq!(message(b"hello\n"), "\"hello\\n\" (6 bytes)");
        let long = message(&vec![b'x'; 300]);
        assert!(long.ends_with("xxx\" and 44 bytes more (300 bytes)"), "{long}");
        assert!(!message(b"\x1b[2J\xff").contains('\u{1b}'));
    }
}
