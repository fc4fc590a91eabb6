//! `man`: the manual pages, made from the command table and the tables of exit codes and addresses.

use std::io;

use clap::{Args, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::Cli;
use crate::exit::Exit;
use crate::help::{addresses, exit_codes};
use crate::out::{self, Out};

/// What `man` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Print a manual page.",
    long_about = "Print a manual page.

Examples:
  bothends man | man -l -               read it
  bothends man lab > bothends-lab.1     install it"
)]
pub struct Flags {
    /// The command.
    #[arg(
        value_name = "COMMAND",
        help = "The command that the page is about; without one, the whole program."
    )]
    subject: Option<String>,
}

pub(super) fn run(flags: &Flags, out: &Out) -> Exit {
    match page(flags.subject.as_deref()) {
        Some(Ok(page)) => out::print_help(&String::from_utf8_lossy(&page)),
        Some(Err(_)) => Exit::Bug,
        None => out.usage("there is no such command", Some("`bothends help` lists the commands".to_owned())),
    }
}

/// The page in roff; none when there is no such command.
fn page(subject: Option<&str>) -> Option<io::Result<Vec<u8>>> {
    let mut all = Cli::command();
    all.build();
    let command = match subject {
        None => all,
        Some(name) => all.find_subcommand(name)?.clone(),
    };
    Some(render(command))
}

fn render(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    let mut more = Roff::new();
    for (title, text) in [("EXIT STATUS", exit_codes()), ("ADDRESSES", addresses())] {
        more.control("SH", [title]).control("nf", []);
        text.lines().for_each(|line| {
            more.text([roman(line)]);
        });
        more.control("fi", []);
    }
    more.to_writer(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_the_tables() {
        for subject in [None, Some("lab"), Some("serve"), Some("connect"), Some("trace")] {
            let page = String::from_utf8(page(subject).unwrap().unwrap()).unwrap();
            assert!(page.contains(".SH \"EXIT STATUS\"") && page.contains("connection was reset"), "{page}");
        }
        assert!(page(Some("nonsense")).is_none());
    }
}
