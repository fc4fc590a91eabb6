//! `lab`: a private network, two programs on it, and the picture of their conversation.

mod again;
pub(crate) mod capture_file;
mod doctor;
mod lessons;
mod rules;
mod scene;
mod show;
mod watch;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use flow::Counters;
use lab::Namespaces;
use lab::config::{Config, ECHO_PORT, Family, Keep, Program};
use lab::event::Role;
use lab::outcome::{Ending, NotMade, Outcome};
use lab::simulate::simulate;
use wire::Fault;
use wire::refusal::Refusal;

use self::lessons::Wanted;
use self::rules::{Asked, RuleFlags};
use self::scene::{Scene, Wrong};
use self::watch::Watch;
use crate::exit::Exit;
use crate::files;
use crate::out::Out;
use crate::picture::{self, Conversation, Svg};

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
  bothends lab --client-only -- curl -s telnet://server:13
  bothends lab --delay 50ms --loss 1% shell
  bothends lab --loss 5% --ladder -- ncat -l 9 -- sh -c 'date | ncat server 9'
  bothends lab wifi --at '2s for 500ms: cut' -- iperf3 -s -1 -- iperf3 -c server
  bothends lab show                     which links have names, and their rules
  bothends lab lessons                  short plays that show how TCP works
  bothends lab lesson handshake         one of them

`lab shell` gives you a shell on a host instead, the client by itself; the server then offers echo 7, discard 9, daytime \
13 and source 19, or runs the command behind --. `lab doctor` says what this system allows, and what to do about the rest.

It needs no root and no network of yours: two hosts, called client (10.0.0.1, fd00::1) and server (10.0.0.2, fd00::2), are made in \
namespaces of their own, and every packet between them goes through this program. Where the system does not allow that, \
the conversation is played on a simulated network, and you are told why.

With commands, the client has your standard input, output and error, and its exit code is the lab's; what the server \
prints goes to standard error behind `server | `, or with -q nowhere. The verdict, and with --ladder the drawing, go there \
too. ^C is the client's: if that goes on after it, so does the lab; ^\\ ends both.

What the link does is one rule a flag, in both directions; with up- in front (--up-loss 5%) from the client to the \
server only, with down- the other way. Among more than two hosts, what the server sends goes down, everything else up.",
    override_usage = "bothends lab [OPTIONS] [LINK] [-- SERVER... -- CLIENT... [-- HOST3...]]\n       \
                      bothends lab [OPTIONS] [LINK] shell [HOST] [-- OTHER...]\n       \
                      bothends lab doctor\n       bothends lab show [LINK]\n       \
                      bothends lab lessons\n       bothends lab lesson [OPTIONS] NAME"
)]
pub struct Flags {
    #[command(flatten)]
    rules: RuleFlags,
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        hide_default_value = true,
        allow_negative_numbers = true,
        help = "Choose what happens to which packets; the same number does the same at every run. It is 1 by itself."
    )]
    seed: u64,
    #[arg(
        long,
        value_name = "FILE",
        value_parser = PathBufValueParser::new().try_map(files::named),
        help = "Write every packet into this capture, with what the link did to it; pcap, without that, where the name \
                ends in .pcap, else pcapng."
    )]
    write: Option<PathBuf>,
    #[arg(
        long,
        help = "Play the conversation on a simulated network: no kernel, virtual time, the same to the byte every time."
    )]
    simulated: bool,
    #[arg(long, help = "Draw the ladder with commands too; without them it is always drawn.")]
    ladder: bool,
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(files::named), help = "Draw the conversation into this file as SVG.")]
    svg: Option<PathBuf>,
    #[arg(long, value_name = "COLUMNS", help = "Draw this wide; otherwise as wide as the terminal is.")]
    pub(super) width: Option<NonZeroUsize>,
    #[arg(
        short = '4',
        long,
        conflicts_with = "ipv6",
        help = "Put IPv4 first where a host's name is looked up, as by itself."
    )]
    ipv4: bool,
    #[arg(
        short = '6',
        long,
        help = "Put IPv6 first where a host's name is looked up; the conversation uses it too."
    )]
    ipv6: bool,
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        hide_default_value = true,
        value_parser = clap::value_parser!(u8).range(2..=8),
        help = "Put so many hosts around a switch, up to 8: client, server, host3 and so on."
    )]
    hosts: u8,
    #[arg(
        long,
        help = "All words are the client's; the server offers echo 7, discard 9, daytime 13 and source 19."
    )]
    client_only: bool,
    #[arg(
        long,
        help = "Wait for a key behind each part of a lesson, or for a line where standard input is no terminal; q ends."
    )]
    step: bool,
    /// For docs/lessons.md.
    #[arg(long, hide = true, help = "Write all lessons as a document.")]
    markdown: bool,
    #[arg(
        last = true,
        value_name = "COMMANDS",
        help = "The server's command, a lone --, and the client's command; with more hosts, more of them."
    )]
    commands: Vec<OsString>,
}

impl Flags {
    /// A flag that has nothing to say where no lab is made, and the word that asks for something else.
    fn stray(&self) -> Option<(String, &str)> {
        let word = self.rules.words().first().filter(|word| NO_LAB.contains(&word.as_str()))?;
        let is_lesson = word == "lesson";
        let given = [
            (self.seed != 1, "--seed"),
            (self.simulated, "--simulated"),
            (self.ladder, "--ladder"),
            (self.ipv4, "-4"),
            (self.ipv6, "-6"),
            (self.hosts != 2, "--hosts"),
            (self.client_only, "--client-only"),
            (self.write.is_some() && !is_lesson, "--write"),
            (self.svg.is_some() && !is_lesson, "--svg"),
            (self.step && !is_lesson, "--step"),
            (!self.commands.is_empty() && !word.starts_with("lesson"), "--"),
        ];
        let given = given.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag.to_owned());
        self.rules.flags().chain(given).next().map(|flag| (flag, word.as_str()))
    }
}

/// The words that ask for something else than a lab.
const NO_LAB: [&str; 4] = ["lesson", "lessons", "show", "doctor"];

/// Begins to make a lab's namespaces where these words look as if they were going to be needed, for that takes longer than
/// reading them. If they are not, nothing was done that anybody notices.
pub fn begin(words: &[OsString]) -> Option<Namespaces> {
    if will_be_made(words) { Namespaces::begin().ok() } else { None }
}

/// Whether a lab on the kernel will probably be made, by a look at the words.
fn will_be_made(words: &[OsString]) -> bool {
    let Some((lab, more)) = words.get(1..).and_then(|words| words.split_first()) else { return false };
    let mut flags = more.iter().take_while(|word| *word != "--");
    let none = NO_LAB.iter().chain(&["-h", "--help", "--simulated"]);
    lab == "lab" && !flags.any(|word| none.clone().any(|none| word == none))
}

pub(super) fn run(flags: &Flags, namespaces: Option<Namespaces>, out: &Out) -> Exit {
    if let Some((flag, word)) = flags.stray() {
        let hint = format!("leave out {flag}, or {word}");
        return out.usage(&format!("{flag} is for a lab, and `lab {word}` makes none"), Some(hint));
    }
    if let Some(wanted) = Wanted::of(flags.rules.words()) {
        return lessons::run(&wanted, flags, out);
    }
    if flags.step {
        return out.usage("--step is for a lesson", Some("bothends lab lesson --step NAME".to_owned()));
    }
    let link = match flags.rules.read() {
        Ok(Asked::Link(link)) => *link,
        Ok(Asked::Show(profiles)) => {
            show::profiles(&profiles, out);
            return out.finish(Exit::Ok);
        }
        Ok(Asked::Doctor) => return doctor::run(out),
        Err(wrong) => return out.misread(&wrong.what, &wrong.text, &wrong.misread),
    };
    let scene = match Scene::of(flags, out.json) {
        Ok(scene) => scene,
        Err(Wrong { sentence, hint }) => return out.usage(&sentence, Some(hint.to_owned())),
    };
    let config = Config { link, ..config(flags, scene, out.json) };
    let exit = play(flags, &config, namespaces, out).unwrap_or_else(|fault| out.fault(&fault));
    out.finish(exit)
}

fn config(flags: &Flags, scene: Scene, json: bool) -> Config {
    let Scene { leader, server, client, others } = scene;
    Config {
        seed: flags.seed,
        server,
        client,
        others,
        leader,
        family: if flags.ipv6 { Family::V6 } else { Family::V4 },
        keep: if flags.write.is_some() { Keep::Whole } else { Keep::Headers },
        capture_output: json,
        ..Config::default()
    }
}

fn with_commands(config: &Config) -> bool {
    config.client != Program::Conversation
}

/// Opens the files, runs the lab, shows what happened.
fn play(flags: &Flags, config: &Config, namespaces: Option<Namespaces>, out: &Out) -> Result<Exit, Fault> {
    let svg = Svg::create(flags.svg.as_ref())?;
    let mut watch = Watch::new(flags.write.as_deref(), config, out)?;
    if !with_commands(config) {
        let server = SocketAddr::new(Role::Server.address(config.family), ECHO_PORT);
        watch.listens(Role::Server, server);
    }
    let made = match flags.simulated {
        true => Ok(simulate(config, &mut |event| watch.take(event))),
        false => namespaces
            .map_or_else(Namespaces::begin, Ok)
            .and_then(|namespaces| lab::run_in(namespaces, config, &mut |event| watch.take(event))),
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
    let report = watch.report();
    let (mut seen, written) = watch.finish();
    seen.tracker.finish();
    let (tcp, udp) =
        (seen.tracker.flows().collect::<Vec<_>>(), seen.tracker.datagram_flows().collect::<Vec<_>>());
    let conversations = Conversation::merged(&tcp, &udp);
    let cut_short = failure(&outcome).is_some() || outcome.interrupted.is_some();
    if !cut_short || !conversations.is_empty() {
        show(flags, config, &conversations, seen.tracker.counters(), out);
    }
    picture::records(&tcp, &udp, seen.start, Some(world), true, out);
    let wanted = if with_commands(config) && !config.link.is_perfect() { 0 } else { 1 };
    out.narrate(wanted, &format!("{report}again: {}\n", again::command(std::env::args_os(), config.seed)));
    written.and(draw(svg, &conversations, out))?;
    Ok(exit(&outcome, config.leader, out))
}

/// Without commands the picture is the result; with them the client's output is.
fn show(flags: &Flags, config: &Config, conversations: &[Conversation<'_>], counters: Counters, out: &Out) {
    if !with_commands(config) {
        if !out.json {
            out.print(&picture::ladders(conversations, picture::roles, &out.stdout));
        }
    } else if conversations.is_empty() {
        let others = picture::not_followed(counters);
        let others: Vec<String> = others.iter().map(|(kind, packets)| format!("{packets} {kind}")).collect();
        let but = if others.is_empty() { String::new() } else { format!(", but {}", others.join(", ")) };
        out.tell(&format!("no conversation of TCP or UDP went over the link{but}\n"));
    } else if flags.ladder {
        out.tell(&picture::ladders(conversations, picture::roles, &out.stderr));
    } else {
        out.tell(&picture::verdicts(conversations, picture::roles, &out.stderr));
    }
}

/// A picture shows one conversation; when it is not the only one, or there is none, that is told.
fn draw(svg: Svg, conversations: &[Conversation<'_>], out: &Out) -> Result<(), Fault> {
    let Some(first) = conversations.first() else {
        svg.nothing_to_draw(out);
        return Ok(());
    };
    if svg.is_wanted() && conversations.len() > 1 {
        out.tell(&format!("the picture shows the first of {} conversations\n", conversations.len()));
    }
    svg.finish_with(&first.svg(picture::roles))
}

/// One sentence: why this is the simulated network, and how to allow the real one.
fn instead(refusal: &Refusal, out: &Out) {
    let why = explain::refusal::sentence(refusal);
    out.tell(&format!("bothends: simulated, for the system allows no private network: {why}\n"));
    out.narrate(1, &explain::refusal::screen(refusal));
}

/// Why a program could not be started, or what our own ran into.
fn failure(outcome: &Outcome) -> Option<&Fault> {
    outcome.endings().find_map(|ending| ending.fault.as_ref())
}

/// The exit: of the leader's command, or what our own conversation ran into.
fn exit(outcome: &Outcome, leader: Role, out: &Out) -> Exit {
    if let Some(fault) = failure(outcome) {
        return out.fault(fault);
    }
    match (outcome.interrupted, outcome.ending(leader)) {
        (Some(signal), _) => Exit::of_signal(signal),
        (None, Ending { signal: Some(signal), .. }) => Exit::of_signal(*signal),
        (None, Ending { exit: Some(0) | None, .. }) => Exit::Ok,
        (None, Ending { exit: Some(code), .. }) => Exit::Child(u8::try_from(*code).unwrap_or(u8::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_leaves_the_separating_dashes_to_us() {
        use clap::Parser;
        let words = ["bothends", "lab", "--delay", "1ms", "--", "a", "--loss", "--", "b", "-v"];
        let cli = crate::cli::Cli::try_parse_from(words).unwrap();
        let crate::cli::Command::Lab(flags) = cli.command else { panic!("lab") };
        assert_eq!(flags.commands, ["a", "--loss", "--", "b", "-v"]);
        let Ok(Asked::Link(link)) = flags.rules.read() else { panic!("a link") };
        assert_eq!(link.flags(), ["--delay", "1ms"]);
    }

    /// In the examples of the help, and where a word is not what it looks like.
    #[test]
    fn a_lab_is_begun_where_one_will_be_made() {
        use clap::{CommandFactory, Parser};
        let all = crate::cli::Cli::command();
        let help = all.find_subcommand("lab").unwrap().get_long_about().unwrap().to_string();
        let examples = help.lines().filter_map(|line| line.strip_prefix("  bothends lab"));
        let examples = examples.map(|line| line.split("   ").next().unwrap_or_default().replace('\'', ""));
        let more = [
            "--simulated",
            "show wifi",
            "doctor",
            "lesson handshake",
            "-- doctor -- show",
            "wifi -- a -- b -h",
        ];
        let mut seen = [0, 0];
        for line in examples.chain(more.map(str::to_owned)) {
            let words: Vec<OsString> =
                ["bothends", "lab"].into_iter().chain(line.split_whitespace()).map(OsString::from).collect();
            let Ok(cli) = crate::cli::Cli::try_parse_from(&words) else { continue };
            let crate::cli::Command::Lab(flags) = cli.command else { panic!("lab") };
            let is_link =
                Wanted::of(flags.rules.words()).is_none() && matches!(flags.rules.read(), Ok(Asked::Link(_)));
            assert_eq!(will_be_made(&words), is_link && !flags.simulated, "{line}");
            seen[usize::from(will_be_made(&words))] += 1;
        }
        assert!(seen[0] >= 6 && seen[1] >= 8, "{seen:?}");
        assert!(!will_be_made(&["bothends", "lab", "--help"].map(OsString::from)));
    }
}
