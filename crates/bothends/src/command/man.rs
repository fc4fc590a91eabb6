//! `man`: the manual pages, made from the command table and the tables of exit codes and addresses.

use std::io;

use clap::{Args, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Cli;
use crate::exit::Exit;
use crate::help::{TOPICS, Topic, addresses, exit_codes};
use crate::out::{self, Out};

/// What `man` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Print a manual page.",
    long_about = "Print a manual page.

Examples:
  bothends man | man -l -               read it
  bothends man lab > bothends-lab.1     install it
  bothends man exit-codes | man -l -    a topic of `bothends help`"
)]
pub struct Flags {
    #[arg(
        value_name = "COMMAND",
        help = "The command or topic that the page is about; without one, the whole program."
    )]
    subject: Option<String>,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    match page(flags.subject.as_deref()) {
        Some(Ok(page)) => out::print_help(&String::from_utf8_lossy(&page)),
        Some(Err(_)) => Exit::Bug,
        None => {
            let topics = TOPICS.map(|topic| topic.name).join(", ");
            let hint = format!("there is a page for every command, and for {topics}");
            out.usage(
                &format!("there is no page for {}", flags.subject.as_deref().unwrap_or_default()),
                Some(hint),
            )
        }
    }
}

/// What stands in the middle of a page's head, and at its foot.
const MANUAL: &str = "bothends";
const SOURCE: &str = concat!("bothends ", env!("CARGO_PKG_VERSION"));

/// The page in roff; none when there is neither such a command nor such a topic.
fn page(subject: Option<&str>) -> Option<io::Result<Vec<u8>>> {
    let mut all = Cli::command();
    all.build();
    let Some(name) = subject else { return Some(of_command(all, "bothends")) };
    if let Some(command) = all.find_subcommand(name) {
        return Some(of_command(command.clone(), &format!("bothends-{name}")));
    }
    TOPICS.iter().find(|topic| topic.name == name).map(of_topic)
}

/// As `Man::render` does it, but for the description, whose examples have to stay as they are.
fn of_command(command: clap::Command, title: &str) -> io::Result<Vec<u8>> {
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
    let has_commands = command.has_subcommands();
    let has_more = command.get_after_long_help().or_else(|| command.get_after_help()).is_some();
    let man = Man::new(command).title(title).source(SOURCE).manual(MANUAL);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    // No word is divided and no line stretched: what looks like a command is one.
    Roff::new().control("nh", []).control("ad", ["l"]).to_writer(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    description(&about.unwrap_or_default()).to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    if has_more {
        man.render_extra_section(&mut page)?;
    }
    for (title, text) in [("EXIT STATUS", exit_codes()), ("ADDRESSES", addresses())] {
        as_it_is(Roff::new().control("SH", [title]), &text).to_writer(&mut page)?;
    }
    Ok(page)
}

/// Paragraphs are filled; lines that are indented stay as they are.
fn description(about: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    let mut kept = false;
    for line in about.lines() {
        let keeps = line.starts_with("  ");
        if keeps != kept {
            roff.control(if keeps { "nf" } else { "fi" }, []);
            kept = keeps;
        }
        match line.trim().is_empty() {
            true => roff.control("PP", []),
            false => roff.text([roman(line)]),
        };
    }
    if kept {
        roff.control("fi", []);
    }
    roff
}

/// A topic of the help, in the section for such things.
fn of_topic(topic: &Topic) -> io::Result<Vec<u8>> {
    let mut roff = Roff::new();
    let title = format!("bothends-{}", topic.name);
    roff.control("TH", [title.as_str(), "7", "", SOURCE, MANUAL]);
    roff.control("SH", ["NAME"]).text([
        bold(title.as_str()),
        roman(" - what `bothends help "),
        roman(topic.name),
        roman("` tells"),
    ]);
    let mut page = Vec::new();
    as_it_is(roff.control("SH", ["DESCRIPTION"]), &(topic.text)()).to_writer(&mut page)?;
    Ok(page)
}

/// Adds lines that are not filled.
fn as_it_is<'a>(roff: &'a mut Roff, text: &str) -> &'a mut Roff {
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", [])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_the_tables() {
        for subject in [None, Some("lab"), Some("serve"), Some("connect"), Some("trace")] {
            let page = String::from_utf8(page(subject).unwrap().unwrap()).unwrap();
            assert!(page.contains(".SH \"EXIT STATUS\"") && page.contains("connection was reset"), "{page}");
            let foot = page.lines().find(|line| line.starts_with(".TH")).unwrap();
            assert!(foot.contains(SOURCE), "{foot}");
        }
        for topic in TOPICS {
            let page = String::from_utf8(page(Some(topic.name)).unwrap().unwrap()).unwrap();
            let head = page.lines().find(|line| line.starts_with(".TH")).unwrap();
            assert!(head.contains(topic.name) && head.contains(SOURCE), "{head}");
            assert!(page.contains(".nf"), "{page}");
        }
        assert!(page(Some("nonsense")).is_none());
    }

    #[test]
    fn examples_stay_as_they_are_and_prose_is_filled() {
        let page = String::from_utf8(
            description("Prose.\n\nExamples:\n  a  b\n  c\n\nMore.").to_roff().into_bytes(),
        )
        .unwrap();
        let lines: Vec<&str> = page.lines().collect();
        let [from, to] = [".nf", ".fi"].map(|mark| lines.iter().position(|line| *line == mark).unwrap());
        assert_eq!(&lines[from + 1..to], ["  a  b", "  c"], "{page}");
    }
}
