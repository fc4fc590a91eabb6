//! `completions`: a script that completes commands, flags and words in a shell.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use lab::lesson;
use lab::link::profile::PROFILES;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::help::TOPICS;
use crate::out;

/// What `completions` understands.
#[derive(Clone, Debug, Args)]
#[command(
    about = "Print a script that completes commands, flags and words in your shell.",
    long_about = "Print a script that completes commands, flags and words in your shell.

Examples:
  bothends completions bash > ~/.bash_completion
  bothends completions zsh > ~/.zfunc/_bothends
  bothends completions fish > ~/.config/fish/completions/bothends.fish"
)]
pub struct Flags {
    #[arg(value_name = "SHELL", help = "Your shell.")]
    shell: Shell,
}

pub(super) fn run(flags: &Flags) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut with_words(), "bothends", &mut script);
    out::print_help(&String::from_utf8_lossy(&script))
}

/// The command line, with the words that its arguments may be where they come from tables of ours. Only scripts need them:
/// the commands themselves read more than that, and say better what is wrong.
fn with_words() -> Command {
    let all = Cli::command();
    let commands: Vec<String> = all.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let subjects = commands.into_iter().chain(TOPICS.iter().map(|topic| topic.name.to_owned()));
    let subjects: Vec<String> = subjects.collect();
    let is_one_of =
        |words: &[String]| PossibleValuesParser::new(words.iter().cloned().map(PossibleValue::new));
    let all = ["help", "man"].iter().fold(all, |all, name| {
        let subject = is_one_of(&subjects);
        all.mut_subcommand(*name, |command| command.mut_arg("subject", |word| word.value_parser(subject)))
    });
    let words = is_one_of(&lab_words());
    // A positional that is changed loses its place.
    let all = all.mut_subcommand("lab", |command| {
        let command = command.mut_arg("link", |word| word.index(1).value_parser(words));
        command.mut_arg("commands", |words| words.index(2))
    });
    let options: Vec<String> =
        wire::sockopt::TABLE.iter().map(|option| format!("{}=", option.name)).collect();
    ["serve", "connect", "listen"].iter().fold(all, |all, name| {
        let option = is_one_of(&options);
        all.mut_subcommand(*name, |command| command.mut_arg("sockopt", |flag| flag.value_parser(option)))
    })
}

/// What may stand behind `lab`: the words that ask for something else than a link, links and lessons.
fn lab_words() -> Vec<String> {
    let words = ["shell", "show", "doctor", "lessons", "lesson"].into_iter();
    let named =
        PROFILES.iter().map(|profile| profile.name).chain(lesson::all().iter().map(|lesson| lesson.id));
    words.chain(named).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_tables_are_completed() {
        // clap's scripts for fish know the values of flags only.
        let (words, values) = (["exit-codes", "wifi", "handshake", "doctor"], ["SO_RCVBUF=", "TCP_NODELAY="]);
        for (shell, words) in [(Shell::Bash, &words[..]), (Shell::Zsh, &words), (Shell::Fish, &[])] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut with_words(), "bothends", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in words.iter().chain(&values) {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
