//! `sockets`: what the kernel knows about the sockets of this machine, as ss and netstat show it, and more.

mod choice;
mod ending;
mod listing;
mod stored;
mod summary;
mod surroundings;
mod watching;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use draw::sockets::{COLUMN_NAMES, Column, Extras};
use kernel::namespace::Network;
use kernel::sockets::Sockets;
use wire::sock_diag::Extensions;
use wire::socket_filter::Filter;
use wire::socket_row::Kind;
use wire::{Doing, End, Fault, quantity};

use self::choice::Choice;
use self::surroundings::System;
use crate::cli::Families;
use crate::exit::Exit;
use crate::out::Out;

/// What `sockets` understands.
#[derive(Clone, Debug, Args)]
#[command(
    // As ss has it: a letter may stand there twice.
    args_override_self = true,
    about = "Show the sockets of this machine: both ends, their states, queues, processes.",
    long_about = "Show the sockets of this machine: both ends, their states, queues, processes.

Examples:
  bothends sockets -tulpn               who listens where
  bothends sockets -tan                 every socket of TCP, numbers as they are
  bothends sockets --pairs              both ends of a conversation in one row
  bothends sockets -tan --explain       what each waits for, whose turn it is
  bothends sockets -tino state established '( dport = :443 )'
  bothends sockets -x src 'unix:*journal*'
  bothends sockets -ta --columns local,peer,rtt_us --sort -rtt_us
  bothends sockets -tn --watch=500ms --diff
  bothends sockets -N 4711 -tan         in the network namespace of process 4711

The letters, the words and the filter are those of ss(8). A filter says which sockets are meant: `state SET` and \
`exclude SET` come first, then conditions (src, dst, sport, dport, dev, fwmark, cgroup, autobound) with and, or, not and \
brackets, from left to right. Of a listener, Recv-Q counts the connections that wait for accept and Send-Q how many may. \
With --json each socket is a record with everything that the kernel knows of it.

Without privilege everything is shown but the processes of others; how many sockets those have is told."
)]
pub struct Flags {
    #[command(flatten)]
    families: Families,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    how: How,
    #[arg(
        value_name = "FILTER",
        help = "Which sockets: state established '( dport = :443 or dst 10.0.0.0/8 )'."
    )]
    filter: Vec<String>,
    #[arg(long, value_name = "COLUMNS", help = "Draw this wide; otherwise as wide as the terminal is.")]
    pub(super) width: Option<NonZeroUsize>,
}

/// Which sockets.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Which sockets")]
struct Which {
    #[arg(short, long, help = "Also those that listen, are not connected, or are over.")]
    all: bool,
    #[arg(short, long, help = "Only those that listen or are not connected.")]
    listening: bool,
    #[arg(short, long, help = "TCP.")]
    tcp: bool,
    #[arg(short, long, help = "UDP.")]
    udp: bool,
    #[arg(short = 'w', long, help = "Raw IP.")]
    raw: bool,
    #[arg(short = 'x', long, help = "Unix sockets.")]
    unix: bool,
    #[arg(short = '0', long, help = "Packet sockets.")]
    packet: bool,
    #[arg(short, long, value_name = "FAMILY", help = "Those of a family: inet, inet6, unix or link.")]
    family: Vec<String>,
    #[arg(
        short = 'A',
        long,
        visible_alias = "socket",
        value_name = "QUERY",
        value_delimiter = ',',
        help = "Those of these tables: all, inet, tcp, udp, raw, unix, unix_stream, unix_dgram, unix_seqpacket, packet, \
                packet_raw, packet_dgram; with ! in front not those."
    )]
    query: Vec<String>,
    #[arg(
        short = 'N',
        long,
        value_name = "NAMESPACE",
        help = "Those of another network namespace: a process's number, or a name of ip-netns(8)."
    )]
    net: Option<String>,
    #[arg(
        short = 'F',
        long = "filter",
        value_name = "FILE",
        help = "Read the filter from this file; - is standard input."
    )]
    filter_file: Option<PathBuf>,
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["net", "processes", "tree", "summary", "kill", "events", "watch", "diff", "diag"],
        help = "Those of TCP that --diag or `ss -D` kept in this file, instead of the kernel's; - is standard input."
    )]
    from: Option<PathBuf>,
}

/// What is shown of each.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is shown of each")]
struct What {
    #[arg(short, long, help = "Numbers for ports, users and rates, no names.")]
    numeric: bool,
    #[arg(short, long, help = "The processes that have it.")]
    processes: bool,
    #[arg(short, long, help = "User, inode, cookie, control group, and which directions have ended.")]
    extended: bool,
    #[arg(short, long, help = "Its memory, and what was dropped.")]
    memory: bool,
    #[arg(short, long, help = "Its timer.")]
    options: bool,
    #[arg(short, long, action = ArgAction::Count, help = "What TCP knows of it; -ii every field of TCP_INFO by its name, which ends in its unit.")]
    info: u8,
    #[arg(long, help = "Type of service and class.")]
    tos: bool,
    #[arg(long, help = "The control group.")]
    cgroup: bool,
    #[arg(long, help = "Socket options that are on.")]
    inet_sockopt: bool,
    #[arg(long, help = "In words: what it waits for, and whose turn it is.")]
    explain: bool,
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        value_parser = column,
        help = "These columns instead: netid, state, recv-q, send-q, local, peer, process, user, inode, interface, timer, \
                queue (used/limit of a listener), drops, cookie, cgroup, mark, congestion, and each field of TCP_INFO."
    )]
    columns: Vec<Column>,
}

/// How it is shown.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "How it is shown")]
struct How {
    #[arg(short = 'H', long, help = "Without the line of heads.")]
    no_header: bool,
    #[arg(short = 'O', long, help = "Everything of a socket in one line.")]
    oneline: bool,
    #[arg(long, value_name = "NAME", value_parser = sorting, allow_hyphen_values = true, help = "Sorted by a column; with - in front the greatest first.")]
    sort: Option<Sorting>,
    #[arg(
        long,
        group = "shape",
        help = "Both ends of a conversation on this machine in one row, with both processes."
    )]
    pairs: bool,
    #[arg(long, group = "shape", help = "Under the processes that have them.")]
    tree: bool,
    #[arg(short, long, group = "shape", help = "How many there are of each kind and state.")]
    summary: bool,
    #[arg(
        short = 'K',
        long,
        group = "shape",
        help = "End the sockets that the filter means, as though their programs had aborted them, and show which."
    )]
    kill: bool,
    #[arg(
        short = 'E',
        long,
        group = "shape",
        help = "Each socket of TCP and UDP as it is opened and closed, until ^C."
    )]
    events: bool,
    #[arg(
        short = 'D',
        long,
        value_name = "FILE",
        group = "shape",
        help = "Show nothing, but keep what the kernel says of sockets of TCP in this file, for --from; - is standard output."
    )]
    diag: Option<PathBuf>,
    #[arg(long, value_name = "D", num_args = 0..=1, require_equals = true, default_missing_value = "1s", value_parser = pause, help = "Again and again, each second or so often.")]
    watch: Option<Duration>,
    #[arg(
        long,
        conflicts_with = "shape",
        help = "Once all, then only what has changed, each second or as --watch says."
    )]
    diff: bool,
    #[arg(long, value_name = "N", help = "With --watch, --diff or --events: end after so many.")]
    count: Option<NonZeroUsize>,
}

/// Sorted by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sorting {
    by: Column,
    greatest_first: bool,
}

fn column(name: &str) -> Result<Column, String> {
    Column::named(name).ok_or_else(|| {
        let known: Vec<&str> = COLUMN_NAMES.iter().map(|(name, _)| *name).collect();
        format!(
            "there is no such column; there are {}, and the fields of TCP_INFO as rtt_us",
            known.join(", ")
        )
    })
}

/// How often is often enough: a listing of many sockets takes milliseconds.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

fn pause(text: &str) -> Result<Duration, String> {
    match quantity::duration(text) {
        Ok(pause) if pause < LEAST_PAUSE => Err("it has to be 10ms or more".to_owned()),
        Ok(pause) => Ok(pause),
        Err(error) => Err(error.to_string()),
    }
}

fn sorting(name: &str) -> Result<Sorting, String> {
    let (greatest_first, name) = name.strip_prefix('-').map_or((false, name), |rest| (true, rest));
    Ok(Sorting { by: column(name)?, greatest_first })
}

impl Flags {
    /// The columns that are drawn: ss(8)'s, or those that were asked for.
    fn columns(&self, choice: &Choice) -> Vec<Column> {
        if !self.what.columns.is_empty() {
            return self.what.columns.clone();
        }
        let mut columns = Vec::new();
        // A column in which every row is the same says nothing.
        columns.extend((choice.kinds.len() > 1).then_some(Column::Netid));
        columns.extend((!choice.states.is_one()).then_some(Column::State));
        columns.extend([Column::RecvQ, Column::SendQ, Column::Local, Column::Peer]);
        columns.extend(self.what.processes.then_some(Column::Process));
        columns
    }

    fn extras(&self) -> Extras {
        Extras {
            timer: self.what.options || self.what.extended,
            extended: self.what.extended,
            memory: self.what.memory,
            tcp: self.what.info == 1,
            every_field: self.what.info > 1,
            service: self.what.tos,
            cgroup: self.what.cgroup,
            options: self.what.inet_sockopt,
            one_line: self.how.oneline,
            numeric: self.what.numeric,
        }
    }

    /// What the kernel has to be asked for.
    fn extensions(&self, json: bool) -> Extensions {
        let by_column = |needs: fn(Column) -> bool| {
            self.what.columns.iter().copied().chain(self.how.sort.map(|sort| sort.by)).any(needs)
        };
        Extensions {
            tcp: json || self.what.info > 0 || by_column(Column::needs_tcp_info),
            memory: json
                || self.what.memory
                || self.what.explain
                || self.how.summary
                || by_column(|column| column == Column::Drops),
            service: json || self.what.tos,
            files: json || self.what.extended,
        }
    }

    /// Whether all processes have to be looked through.
    fn needs_owners(&self, json: bool) -> bool {
        // Inodes that were written down may be others' by now, or another machine's.
        if self.which.from.is_some() {
            return false;
        }
        let by_column = self.what.columns.iter().chain(self.how.sort.as_ref().map(|sort| &sort.by));
        json || self.what.processes
            || self.how.pairs
            || self.how.tree
            || by_column.copied().any(Column::needs_owners)
    }

    fn network(&self) -> Option<Network> {
        let net = self.which.net.as_ref()?;
        Some(net.parse().map_or_else(|_| Network::Named(net.clone()), Network::OfProcess))
    }

    /// The filter's words, from the command line and from a file.
    fn words(&self) -> Result<Vec<String>, Fault> {
        let mut words = self.filter.clone();
        if let Some(path) = &self.which.filter_file {
            let text = if path.as_os_str() == "-" {
                std::io::read_to_string(std::io::stdin())
            } else {
                std::fs::read_to_string(path)
            };
            let text =
                text.map_err(|error| Fault::io(End::You, Doing::Read, path.display().to_string(), &error))?;
            words.extend(text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned));
        }
        Ok(words)
    }
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let exit = show(flags, out).unwrap_or_else(|fault| told(&fault, flags, out));
    out.finish(exit)
}

/// What was chosen, where it is found, and what is known beside it.
struct View<'a> {
    flags: &'a Flags,
    choice: Choice,
    filter: Filter,
    sockets: Sockets,
    system: System,
    /// What was wrong with the file that the sockets lie in.
    damage: Option<Fault>,
    out: &'a Out,
}

fn show(flags: &Flags, out: &Out) -> Result<Exit, Fault> {
    let network = flags.network();
    let open = || {
        Sockets::open(network.as_ref())
            .map_err(|errno| Fault::errno(End::Us, Doing::Open, place(flags), errno))
    };
    let system = System::new(open()?, flags.what.numeric);
    let choice = match Choice::of(flags) {
        Ok(choice) => choice,
        Err(sentence) => return Ok(out.usage(&sentence, None)),
    };
    let words = flags.words()?;
    let filter = match Filter::parse_in(&words, choice.preferred, &system) {
        Ok(filter) => filter,
        Err(mut error) => {
            // Its value is glued to it, for a filter may stand behind.
            let is_pause = |word: &&String| error.column == 0 && pause(word).is_ok();
            if let Some(word) = words.first().filter(is_pause).filter(|_| flags.how.watch.is_some()) {
                error.hint = Some(format!("write --watch={word}"));
            }
            return Ok(out.bad_filter(&error));
        }
    };
    if flags.how.kill && !flags.has_filter(&filter) {
        let hint = "say which: `bothends sockets -K dst 192.0.2.7 dport = :443`".to_owned();
        return Ok(out.usage("--kill without a filter would end every connection", Some(hint)));
    }
    let mut choice = choice.narrowed(&filter);
    if flags.which.from.is_some() || flags.how.diag.is_some() {
        choice.kinds.retain(|kind| *kind == Kind::Tcp);
        if choice.kinds.is_empty() {
            return Ok(out.usage("--diag and --from are about sockets of TCP only", None));
        }
    }
    let mut view = View { flags, choice, filter, sockets: open()?, system, damage: None, out };
    if let Some(path) = &flags.how.diag {
        return stored::keep(&mut view, path);
    }
    match () {
        () if flags.how.summary => summary::show(&mut view),
        () if flags.how.kill => ending::show(&mut view),
        () if flags.how.events => watching::events(&mut view, network.as_ref()),
        () if flags.how.watch.is_some() || flags.how.diff => watching::again(&mut view),
        () => listing::show(&mut view),
    }
}

impl Flags {
    fn has_filter(&self, filter: &Filter) -> bool {
        *filter != Filter::default() || self.which.filter_file.is_some()
    }
}

/// Whose sockets these are, in words.
fn place(flags: &Flags) -> String {
    match (&flags.which.net, flags.network()) {
        (Some(net), Some(Network::OfProcess(_))) => format!("the network namespace of process {net}"),
        (Some(net), _) => format!("the network namespace {net}"),
        _ => "the tables of sockets".to_owned(),
    }
}

fn told(fault: &Fault, _: &Flags, out: &Out) -> Exit {
    match fault.raw_errno() {
        Some(1 | 13) => {
            out.fault(fault);
            Exit::Permission
        }
        _ => out.fault(fault),
    }
}
