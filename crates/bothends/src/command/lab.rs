//! `lab`: a private network, two programs on it, and the picture of their conversation.

mod watch;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use flow::{Flow, Tracker};
use lab::config::{Config, ECHO_PORT, Keep, Program, SERVER_ADDRESS};
use lab::outcome::{Ending, NotMade, Outcome};
use lab::simulate::simulate;
use wire::Fault;
use wire::quantity::{self, Probability};
use wire::refusal::Refusal;

use self::watch::Watch;
use crate::exit::Exit;
use crate::files;
use crate::out::Out;
use crate::picture::{self, Svg};

/// What `lab` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Make a private network, run two programs on it, and draw their conversation.",
    long_about = "Make a private network, run two programs on it, and draw their conversation.

Examples:
  bothends lab                          every segment of an echoed conversation
  bothends lab --delay 20ms --loss 10%  the same on a bad line
  bothends lab --write talk.pcapng --svg talk.svg
  bothends lab -- python3 -m http.server 80 -- curl -s http://server/
  bothends lab --loss 5% --ladder -- ncat -l 9 -- sh -c 'date | ncat server 9'

It needs no root and no network of yours: two hosts, called client (10.0.0.1) and server (10.0.0.2), are made in \
namespaces of their own, and every packet between them goes through this program. Where the system does not allow that, \
the conversation is played on a simulated network, and you are told why.

With commands, the client has your standard input, output and error, and its exit code is the lab's; what the server \
prints goes to standard error behind `server | `. The verdict, and with --ladder the drawing, go there too.",
    override_usage = "bothends lab [OPTIONS] [-- SERVER... -- CLIENT...]"
)]
pub struct Flags {
    /// One way.
    #[arg(long, value_name = "D", default_value = "0s", hide_default_value = true, allow_hyphen_values = true, value_parser = quantity::duration_with_unit,
          help = "Keep each packet under way this long, in each direction: 20ms. A round trip takes twice that.")]
    delay: Duration,
    /// Each direction.
    #[arg(long, value_name = "P", default_value = "0%", hide_default_value = true, allow_hyphen_values = true, value_parser = quantity::percentage,
          help = "Lose this share of the packets, in each direction: 5%.")]
    loss: Probability,
    /// What the losses follow from.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        hide_default_value = true,
        allow_negative_numbers = true,
        help = "Choose which packets are lost; the same number loses the same ones at every run. It is 1 by itself."
    )]
    seed: u64,
    /// A capture.
    #[arg(
        long,
        value_name = "FILE",
        value_parser = PathBufValueParser::new().try_map(files::named),
        help = "Write every packet to this pcapng file, with what the link did to it."
    )]
    write: Option<PathBuf>,
    /// No kernel.
    #[arg(
        long,
        help = "Play the conversation on a simulated network: no kernel, virtual time, the same to the byte every time."
    )]
    simulated: bool,
    /// The ladder.
    #[arg(long, help = "Draw the ladder with commands too; without them it is always drawn.")]
    ladder: bool,
    /// A picture.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(files::named), help = "Draw the conversation into this file as SVG.")]
    svg: Option<PathBuf>,
    /// The columns.
    #[arg(long, value_name = "COLUMNS", help = "Draw this wide; otherwise as wide as the terminal is.")]
    pub width: Option<NonZeroUsize>,
    /// The commands.
    #[arg(
        last = true,
        value_name = "COMMANDS",
        help = "The server's command, a lone --, and the client's command."
    )]
    commands: Vec<OsString>,
}

/// The two commands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Commands {
    server: Vec<OsString>,
    client: Vec<OsString>,
}

impl Commands {
    /// The first lone `--` behind the server's words separates; none without words.
    fn split(words: &[OsString]) -> Result<Option<Commands>, &'static str> {
        if words.is_empty() {
            return Ok(None);
        }
        let mut parts = words.splitn(2, |word| word == "--");
        let server = parts.next().unwrap_or_default().to_vec();
        let client = parts.next().unwrap_or_default().to_vec();
        match (server.is_empty(), client.is_empty()) {
            (true, _) => Err("the server's command is missing"),
            (_, true) => Err("the client's command is missing"),
            _ => Ok(Some(Commands { server, client })),
        }
    }
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    let commands = match Commands::split(&flags.commands) {
        Ok(commands) => commands,
        Err(wrong) => {
            let hint = "two commands belong here: bothends lab -- SERVER... -- CLIENT...";
            return out.usage(wrong, Some(hint.to_owned()));
        }
    };
    if flags.simulated && commands.is_some() {
        let hint = "without --simulated they run on a private network of the real kernel";
        return out
            .usage("no commands can run on the simulated network: it has no kernel", Some(hint.to_owned()));
    }
    let config = config(flags, commands.as_ref(), out.json);
    let exit = play(flags, &config, out).unwrap_or_else(|fault| out.fault(&fault));
    out.finish(exit)
}

fn config(flags: &Flags, commands: Option<&Commands>, json: bool) -> Config {
    let program = |words: Option<&Vec<OsString>>| match words {
        Some(words) => Program::Command(words.clone()),
        None => Program::Conversation,
    };
    Config {
        delay: flags.delay,
        loss: flags.loss,
        seed: flags.seed,
        server: program(commands.map(|commands| &commands.server)),
        client: program(commands.map(|commands| &commands.client)),
        keep: if flags.write.is_some() { Keep::Whole } else { Keep::Headers },
        capture_output: json,
        ..Config::default()
    }
}

fn with_commands(config: &Config) -> bool {
    config.client != Program::Conversation
}

/// Opens the files, runs the lab, shows what happened.
fn play(flags: &Flags, config: &Config, out: &Out) -> Result<Exit, Fault> {
    let svg = Svg::create(flags.svg.as_ref())?;
    let mut watch = Watch::new(flags.write.as_deref(), out)?;
    if !with_commands(config) {
        watch.listens(SocketAddr::from((SERVER_ADDRESS, ECHO_PORT)));
    }
    let made = match flags.simulated {
        true => Ok(simulate(config, &mut |event| watch.take(event))),
        false => lab::run(config, &mut |event| watch.take(event)),
    };
    let outcome = match made {
        Ok(outcome) => outcome,
        Err(NotMade::Failed(fault)) => return Err(fault),
        Err(NotMade::Refused(refusal)) if with_commands(config) => return Ok(out.refusal(&refusal)),
        Err(NotMade::Refused(refusal)) => {
            instead(&refusal, out);
            simulate(config, &mut |event| watch.take(event))
        }
    };
    let world = outcome.backend;
    let (mut seen, written) = watch.finish();
    seen.tracker.finish();
    let flows: Vec<&Flow> = seen.tracker.flows().collect();
    let cut_short = failure(&outcome).is_some() || outcome.interrupted.is_some();
    if !cut_short || !flows.is_empty() {
        show(flags, config, &seen.tracker, out);
    }
    picture::records(&flows, seen.start, Some(world), true, out);
    written.and(draw(svg, &flows, out))?;
    Ok(exit(&outcome, out))
}

/// Without commands the picture is the result; with them the client's output is.
fn show(flags: &Flags, config: &Config, tracker: &Tracker, out: &Out) {
    let flows: &[&Flow] = &tracker.flows().collect::<Vec<_>>();
    if !with_commands(config) {
        if !out.json {
            out.print(&picture::stories(flows, picture::roles, &out.stdout));
        }
        return;
    }
    if flows.is_empty() {
        let others: Vec<String> = picture::not_tcp(tracker.counters())
            .iter()
            .map(|(kind, packets)| format!("{packets} {kind}"))
            .collect();
        let but = if others.is_empty() { String::new() } else { format!(", but {}", others.join(", ")) };
        out.tell(&format!("no TCP conversation went over the link{but}\n"));
    } else if flags.ladder {
        out.tell(&picture::stories(flows, picture::roles, &out.stderr));
    } else {
        out.tell(&picture::verdicts(flows, picture::roles, &out.stderr));
    }
}

/// A picture shows one conversation; when it is not the only one, or there is none, that is told.
fn draw(svg: Svg, flows: &[&Flow], out: &Out) -> Result<(), Fault> {
    match flows {
        [] if svg.is_wanted() => out.tell("there is no conversation to draw, so the picture is empty\n"),
        [_, _, ..] if svg.is_wanted() => {
            out.tell(&format!("the picture shows the first of {} conversations\n", flows.len()));
        }
        _ => {}
    }
    flows.first().map_or(Ok(()), |flow| svg.finish(flow, picture::roles))
}

/// One sentence: why this is the simulated network, and how to allow the real one.
fn instead(refusal: &Refusal, out: &Out) {
    let why = explain::refusal::sentence(refusal);
    out.tell(&format!("bothends: simulated, for the system allows no private network: {why}\n"));
    out.narrate(1, &explain::refusal::screen(refusal));
}

/// Why a program could not be started, or what our own ran into.
fn failure(outcome: &Outcome) -> Option<&Fault> {
    [&outcome.server, &outcome.client].into_iter().find_map(|ending| ending.fault.as_ref())
}

/// The exit: of the client's command, or what our own conversation ran into.
fn exit(outcome: &Outcome, out: &Out) -> Exit {
    if let Some(fault) = failure(outcome) {
        return out.fault(fault);
    }
    match (outcome.interrupted, &outcome.client) {
        (Some(signal), _) => Exit::of_signal(signal),
        (None, Ending { signal: Some(signal), .. }) => Exit::of_signal(*signal),
        (None, Ending { exit: Some(0) | None, .. }) => Exit::Ok,
        (None, Ending { exit: Some(code), .. }) => Exit::Child(u8::try_from(*code).unwrap_or(u8::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(words: &str) -> Result<Option<(String, String)>, &'static str> {
        let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        let joined = |words: Vec<OsString>| words.join(" ".as_ref()).into_string().unwrap();
        let commands = Commands::split(&words)?;
        Ok(commands.map(|commands| (joined(commands.server), joined(commands.client))))
    }

    #[test]
    fn the_first_lone_double_dash_separates() {
        assert_eq!(split(""), Ok(None));
        assert_eq!(split("nc -l 7 -- nc server 7"), Ok(Some(("nc -l 7".into(), "nc server 7".into()))));
        assert_eq!(split("a --x -- b -- c"), Ok(Some(("a --x".into(), "b -- c".into()))));
        assert_eq!(split("a"), Err("the client's command is missing"));
        assert_eq!(split("a --"), Err("the client's command is missing"));
        assert_eq!(split("-- b"), Err("the server's command is missing"));
    }

    #[test]
    fn clap_leaves_the_separating_dashes_to_us() {
        use clap::Parser;
        let words = ["bothends", "lab", "--delay", "1ms", "--", "a", "--loss", "--", "b", "-v"];
        let cli = crate::cli::Cli::try_parse_from(words).unwrap();
        let crate::cli::Command::Lab(flags) = cli.command else { panic!("lab") };
        assert_eq!(flags.commands, ["a", "--loss", "--", "b", "-v"]);
        assert_eq!((flags.delay, flags.loss), (Duration::from_millis(1), Probability::NEVER));
    }
}
