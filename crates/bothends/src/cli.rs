//! The command line as one table. Tests walk it: every flag has a help text that ends in a full stop, every value a
//! name, and every letter means what it means everywhere.
//!
//! Each command speaks the dialect of the tool that it replaces; the letters below mean the same in all of them.

use std::ffi::OsString;

use clap::{ArgAction, Args, FromArgMatches, Parser, Subcommand};
use ends::dial::Family;

use crate::command::{addr, completions, connect, help, lab, listen, man, serve, sockets, trace};
use crate::looks::When;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "bothends",
    version,
    about = "Be either end of a TCP, UDP or Unix-socket conversation, and see everything that happens in between.",
    long_about = "Be either end of a TCP, UDP or Unix-socket conversation, and see everything that happens in between.

Examples:
  bothends lab                     two programs on a private network, drawn
  bothends serve echo              an echo server on 127.0.0.1:7777
  bothends connect localhost 7777  talk to it
  bothends listen :8080            wait for one peer and talk with it
  bothends sockets -tulpn          who listens where
  bothends trace -r talk.pcapng    who said what in a capture, and how it ended
  bothends addr 192.168.1.4        an address in every form",
    after_help = "`bothends help COMMAND` tells all about a command; `bothends help exit-codes`, \
                  `help addresses`, `help records`, `help sockets` and `help sockopts` what they are.",
    disable_help_subcommand = true,
    disable_help_flag = true,
    disable_version_flag = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[arg(short = 'V', long, action = ArgAction::Version, help = "Print the version.")]
    version: Option<bool>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that mean the same for every command, before or behind it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet",
          help = "Tell what happens, on standard error; -vv tells the bytes too.")]
    pub(crate) verbose: u8,
    #[arg(short, long, global = true, help = "Tell errors only.")]
    pub(crate) quiet: bool,
    #[arg(
        long,
        global = true,
        help = "Write records to standard output, one JSON object a line; `bothends help records` tells their fields."
    )]
    pub(crate) json: bool,
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        env = "BOTHENDS_COLOR",
        hide_env_values = true,
        hide_possible_values = true,
        help = "When to colour: auto, always or never; NO_COLOR and CLICOLOR_FORCE are heard."
    )]
    pub(crate) color: When,
    #[arg(short, long, global = true, action = ArgAction::Help,
          help = "Print help: -h the essentials, --help all there is.")]
    help: Option<bool>,
}

/// Which IP families may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct Families {
    #[arg(short = '4', long, conflicts_with = "ipv6", help = "Use IPv4 only.")]
    pub(crate) ipv4: bool,
    #[arg(short = '6', long, help = "Use IPv6 only.")]
    pub(crate) ipv6: bool,
}

impl Families {
    /// Which addresses of a name are wanted.
    pub fn family(self) -> Family {
        match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }
}

/// The commands. Each says in its own file what it is: a doc comment here would take the place of that text.
#[allow(missing_docs)]
#[derive(Debug, Subcommand)]
pub enum Command {
    Serve(serve::Flags),
    Connect(connect::Flags),
    Listen(listen::Flags),
    Sockets(sockets::Flags),
    Trace(trace::Flags),
    Lab(lab::Flags),
    Addr(addr::Flags),
    Help(help::Flags),
    Completions(completions::Flags),
    Man(man::Flags),
}

/// Puts the declaration of a command's flags into it.
type Declare = fn(clap::Command) -> clap::Command;

/// Each command's name and the declaration of its flags.
const COMMANDS: [(&str, Declare); 10] = [
    ("serve", serve::Flags::augment_args),
    ("connect", connect::Flags::augment_args),
    ("listen", listen::Flags::augment_args),
    ("sockets", sockets::Flags::augment_args),
    ("trace", trace::Flags::augment_args),
    ("lab", lab::Flags::augment_args),
    ("addr", addr::Flags::augment_args),
    ("help", help::Flags::augment_args),
    ("completions", completions::Flags::augment_args),
    ("man", man::Flags::augment_args),
];

/// Reads a command line. Its first word is the program's name.
///
/// # Errors
/// What is wrong with it, or the help that it asks for.
pub fn read(words: &[OsString]) -> Result<Cli, clap::Error> {
    read_by_one(words).map_or_else(|| Cli::try_parse_from(words), Ok)
}

/// Reads it with the flags of the one command that it names: to declare those of all takes longer than most of what a short
/// run does. None where it cannot be understood so; what is wrong with it, or help, only the whole table can tell.
fn read_by_one(words: &[OsString]) -> Option<Cli> {
    let named = |word: &OsString| COMMANDS.iter().find(|(name, _)| word == name);
    let (name, declare) = words.iter().skip(1).find_map(named)?;
    let all = Global::augment_args(clap::Command::new("bothends"));
    let all = all.disable_help_flag(true).disable_help_subcommand(true);
    let matches = all.subcommand(declare(clap::Command::new(*name))).try_get_matches_from(words).ok()?;
    let global = Global::from_arg_matches(&matches).ok()?;
    let command = Command::from_arg_matches(&matches).ok()?;
    Some(Cli { global, version: None, command })
}

#[cfg(test)]
mod tests;
