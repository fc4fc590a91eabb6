//! `--watch`, `--diff` and `--events`: the listing again and again, what changed in it, and sockets as they come and go.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use draw::sockets::{Column, Extras, Table as Drawing};
use kernel::namespace::{Network, in_network, open_network};
use kernel::process::Signal;
use kernel::signal::Signals;
use kernel::sock_diag::{Deaths, Heard};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wire::socket_row::{Kind, SocketRow, States};
use wire::{Doing, End, Fault};

use super::View;
use crate::clock::Clock;
use crate::exit::Exit;
use crate::record;

/// How often it is looked for sockets that were opened: nothing tells of these.
const OPENINGS: Duration = Duration::from_millis(100);
/// How often --diff looks where nobody says.
const SECOND: Duration = Duration::from_secs(1);

/// The listing again and again, whole or what changed.
pub(super) fn again(view: &mut View<'_>) -> Result<Exit, Fault> {
    let signals = signals()?;
    let every = view.flags.how.watch.unwrap_or(SECOND);
    let clock = Clock::start();
    let mut before: Option<Vec<SocketRow>> = None;
    let mut rounds = 0;
    loop {
        let began = Instant::now();
        if view.flags.needs_owners(view.out.json) {
            view.system.read_owners();
        }
        let rows = view.rows()?;
        match before.as_deref().filter(|_| view.flags.how.diff) {
            Some(before) => differences(before, &rows, view, &clock),
            None => {
                redraw(view, rounds);
                match size() {
                    Some((columns, lines)) if !view.out.json && !view.flags.how.diff => {
                        view.out.print(&that_fits(&view.text(&rows), columns, lines));
                    }
                    _ => view.draw(&rows),
                }
            }
        }
        view.out.flush();
        before = Some(rows);
        rounds += 1;
        let enough = view.flags.how.count.is_some_and(|count| rounds >= count.get());
        if enough
            || view.out.is_closed()
            || waited(&signals, None, every.saturating_sub(began.elapsed()))? == Woken::Stop
        {
            return Ok(Exit::Ok);
        }
    }
}

/// A terminal is cleared; in a file a line of the time stands between.
fn redraw(view: &View<'_>, rounds: usize) {
    if view.out.json || view.flags.how.diff {
        return;
    }
    if std::io::stdout().is_terminal() {
        view.out.print("\u{1b}[H\u{1b}[2J");
    } else if rounds > 0 {
        view.out.print("\n");
    }
}

/// Columns and lines of the terminal, where there is one.
fn size() -> Option<(usize, usize)> {
    let stdout = std::io::stdout();
    let size = if stdout.is_terminal() { rustix::termios::tcgetwinsize(stdout).ok() } else { None };
    size.filter(|size| size.ws_row > 0 && size.ws_col > 0)
        .map(|size| (size.ws_col.into(), size.ws_row.into()))
}

/// As many rows as leave the first in sight, and how many more there are; a row has what stands below it, indented.
fn that_fits(text: &str, columns: usize, lines: usize) -> String {
    // One for what is counted, one on which the cursor waits.
    let mut room = lines.saturating_sub(2);
    let taken = |line: &str| seen_width(line).div_ceil(columns).max(1);
    let (mut fits, mut more) = (String::new(), 0);
    let mut rest = text.lines().peekable();
    while let Some(first) = rest.next() {
        let mut row = vec![first];
        while let Some(below) = rest.next_if(|line| line.starts_with('\t')) {
            row.push(below);
        }
        let height: usize = row.iter().map(|line| taken(line)).sum();
        if more > 0 || height > room {
            more += 1;
            continue;
        }
        room -= height;
        row.into_iter().for_each(|line| fits.extend([line, "\n"]));
    }
    if more > 0 {
        fits.push_str(&format!("and {more} more\n"));
    }
    fits
}

/// Columns that a line takes, its colours aside; a tab in front is eight.
fn seen_width(line: &str) -> usize {
    let plain = line.strip_prefix('\t');
    let indent = if plain.is_some() { 8 } else { 0 };
    let mut pieces = plain.unwrap_or(line).split('\u{1b}');
    let first = pieces.next().map_or(0, draw::columns::width);
    let behind_colours =
        |piece: &str| piece.split_once('m').map_or(0, |(_, text)| draw::columns::width(text));
    indent + first + pieces.map(behind_colours).sum::<usize>()
}

/// What names a socket from one listing to the next: the kernel's number for it, or where there is none, its addresses.
fn identity(row: &SocketRow) -> (Kind, u64, String) {
    let by_addresses = || format!("{} {} {}", row.local, row.remote, row.inode);
    (row.kind, row.cookie, if row.cookie == 0 { by_addresses() } else { String::new() })
}

fn differences(before: &[SocketRow], now: &[SocketRow], view: &View<'_>, clock: &Clock) {
    let old: HashMap<_, &SocketRow> = before.iter().map(|row| (identity(row), row)).collect();
    let new: HashMap<_, &SocketRow> = now.iter().map(|row| (identity(row), row)).collect();
    let gone = before.iter().filter(|row| !new.contains_key(&identity(row)));
    gone.for_each(|row| happened(view, clock, "-", "closed", row, None));
    for row in now {
        match old.get(&identity(row)) {
            None => happened(view, clock, "+", "opened", row, None),
            Some(was) if changed(was, row) => happened(view, clock, "~", "changed", row, Some(was)),
            Some(_) => {}
        }
    }
}

fn changed(was: &SocketRow, is: &SocketRow) -> bool {
    was.state != is.state
        || (was.to_read_bytes, was.to_send_bytes) != (is.to_read_bytes, is.to_send_bytes)
        || was.drops != is.drops
        || was.shutdown != is.shutdown
}

fn happened(
    view: &View<'_>,
    clock: &Clock,
    sign: &str,
    event: &str,
    row: &SocketRow,
    was: Option<&SocketRow>,
) {
    if view.out.json {
        let before = was.map(|was| was.state.name(was.kind));
        let record = record::socket_event(clock.record("socket"), event, row, &view.system);
        view.out.record(
            &record
                .with_some("state_before", before.filter(|_| was.is_some_and(|was| was.state != row.state))),
        );
        return;
    }
    let mut columns =
        vec![Column::Netid, Column::State, Column::RecvQ, Column::SendQ, Column::Local, Column::Peer];
    columns.extend(view.flags.what.processes.then_some(Column::Process));
    let mut drawing =
        Drawing::new(&view.out.stdout, &columns, Extras { one_line: true, ..view.flags.extras() });
    let line = drawing.lines(std::slice::from_ref(row), &view.system);
    let from = was
        .filter(|was| was.state != row.state)
        .map_or(String::new(), |was| format!("  was {}", was.state.short()));
    view.out.print(&format!("{sign} {}{from}\n", line.trim_end()));
}

/// Sockets of TCP and UDP as they are opened and closed.
pub(super) fn events(view: &mut View<'_>, network: Option<&Network>) -> Result<Exit, Fault> {
    let signals = signals()?;
    let fault = |errno| Fault::errno(End::Us, Doing::Open, "the kernel's messages about sockets", errno);
    view.choice.kinds.retain(|kind| matches!(kind, Kind::Tcp | Kind::Udp));
    let kinds = view.choice.kinds.clone();
    if kinds.is_empty() {
        return Ok(view.out.usage("--events tells of TCP and UDP only", None));
    }
    // What is dying has the state CLOSED, whatever it was before.
    view.choice.states = States::ALL;
    let mut deaths = match network {
        None => Deaths::open(&kinds),
        Some(network) => open_network(network).and_then(|fd| in_network(fd.as_fd(), || Deaths::open(&kinds))),
    }
    .map_err(fault)?;
    let clock = Clock::start();
    if view.flags.needs_owners(view.out.json) {
        view.system.read_owners();
    }
    let mut known: HashMap<_, SocketRow> =
        view.rows()?.into_iter().map(|row| (identity(&row), row)).collect();
    view.out.tell("telling what is opened and closed, until ^C\n");
    let mut told = 0;
    let most = view.flags.how.count.map_or(usize::MAX, std::num::NonZeroUsize::get);
    while told < most && !view.out.is_closed() {
        match waited(&signals, Some(deaths.as_fd()), OPENINGS)? {
            Woken::Stop => break,
            Woken::Time => told += openings(view, &mut known, &clock)?,
            Woken::Event => {
                let mut closed = Vec::new();
                let heard = deaths.wait(|row| closed.push(row)).map_err(fault)?;
                if heard == Heard::Lost {
                    view.out.tell("more sockets were closed than could be told\n");
                }
                // One that lived for a moment only was never seen to be opened.
                for mut row in
                    closed.into_iter().filter(|row| view.choice.has(row) && view.filter.matches(row))
                {
                    let was = known.remove(&identity(&row));
                    // Nobody has it any more: who had it is known by its inode.
                    row.inode = was.as_ref().map_or(row.inode, |was| was.inode);
                    happened(view, &clock, "-", "closed", &row, was.as_ref());
                    told += 1;
                }
            }
        }
        view.out.flush();
    }
    Ok(Exit::Ok)
}

/// Tells of those that were not there before.
fn openings(
    view: &mut View<'_>,
    known: &mut HashMap<(Kind, u64, String), SocketRow>,
    clock: &Clock,
) -> Result<usize, Fault> {
    let rows = view.rows()?;
    let fresh: Vec<SocketRow> = rows.into_iter().filter(|row| !known.contains_key(&identity(row))).collect();
    if !fresh.is_empty() && view.flags.needs_owners(view.out.json) {
        view.system.read_owners();
    }
    for row in &fresh {
        happened(view, clock, "+", "opened", row, None);
    }
    let told = fresh.len();
    known.extend(fresh.into_iter().map(|row| (identity(&row), row)));
    Ok(told)
}

/// Why waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    Stop,
    Event,
    Time,
}

fn waited(signals: &Signals, events: Option<BorrowedFd<'_>>, limit: Duration) -> Result<Woken, Fault> {
    let mut waiting = vec![PollFd::new(signals, PollFlags::IN)];
    if let Some(events) = &events {
        waiting.push(PollFd::new(events, PollFlags::IN));
    }
    let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    match poll(&mut waiting, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => {
            return Err(Fault::errno(End::Us, Doing::Read, "the next change", error.raw_os_error()));
        }
    }
    let is_ready = |place: usize| waiting.get(place).is_some_and(|fd| !fd.revents().is_empty());
    Ok(match (is_ready(0), is_ready(1)) {
        (true, _) => Woken::Stop,
        (false, true) => Woken::Event,
        (false, false) => Woken::Time,
    })
}

fn signals() -> Result<Signals, Fault> {
    Signals::take(&[Signal::INT, Signal::TERM])
        .map_err(|errno| Fault::errno(End::Us, Doing::Open, "the signal descriptor", errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_below_the_heads_is_counted() {
        let text = "heads\none\n\tbelow one\ntwo\n\tbelow two\nthree\n";
        assert_eq!(that_fits(text, 80, 8), text);
        assert_eq!(that_fits(text, 80, 7), "heads\none\n\tbelow one\ntwo\n\tbelow two\nand 1 more\n");
        assert_eq!(that_fits(text, 80, 6), "heads\none\n\tbelow one\nand 2 more\n");
        // A line that is wider than the terminal takes two: eight columns and nine characters.
        assert_eq!(that_fits(text, 17, 5), "heads\none\n\tbelow one\nand 2 more\n");
        assert_eq!(that_fits(text, 16, 5), "heads\nand 3 more\n");
        assert_eq!(that_fits(text, 80, 0), "and 4 more\n");
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(seen_width("\u{1b}[33mCLOSE-WAIT\u{1b}[0m 7"), 12);
        assert_eq!(seen_width("\tmore"), 12);
    }
}
