//! The flags of the link's rules, made from the table of `lab::link::grammar`: each rule as a flag for both directions,
//! and behind `--up-` and `--down-` for one.
//!
//! What they say is read only when the command runs, so that what is wrong can be shown with a caret.

use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use lab::link::grammar::{self, Misread, WORDS, Word};
use lab::link::profile::{PROFILES, Profile};
use lab::link::schedule::Change;
use lab::link::{Direction, Schedule};

/// What the command line says of the link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleFlags {
    /// The words in front of the commands: a profile, and perhaps `shell` and a host; or `show` and perhaps a profile;
    /// or `doctor`, or what [`Wanted`](super::lessons::Wanted) reads.
    words: Vec<String>,
    rules: Vec<Written>,
    changes: Vec<String>,
}

/// A rule as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    direction: Option<Direction>,
    name: &'static str,
    flag: &'static str,
    value: String,
}

/// What is wrong: which flag or word, what it said, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The flag, or what the word was to be.
    pub(super) what: String,
    /// What it said.
    pub(super) text: String,
    /// What is wrong with it.
    pub(super) misread: Misread,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A lab with this link.
    Link(Box<Schedule>),
    /// To be shown profiles.
    Show(Vec<&'static Profile>),
    /// To be told what this system allows.
    Doctor,
}

/// The word that shows profiles instead of playing.
const SHOW: &str = "show";
/// The word that gives a shell, and that which examines the system.
const SHELL: &str = "shell";
const DOCTOR: &str = "doctor";

/// What the flags of a rule are for, in the order of [`Word::flags`].
const DIRECTIONS: [Option<Direction>; 3] = [None, Some(Direction::Up), Some(Direction::Down)];

impl RuleFlags {
    /// The words in front of the commands.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// The flags that say something of the link, as they were written.
    pub(super) fn flags(&self) -> impl Iterator<Item = String> {
        let changes = self.changes.iter().map(|_| "--at".to_owned());
        self.rules.iter().map(|written| format!("--{}", written.flag)).chain(changes)
    }

    /// Whether a shell is asked for, and on which host if that is said.
    pub(super) fn shell(&self) -> Option<Option<&str>> {
        let place = self.words.iter().position(|word| word == SHELL)?;
        Some(self.words.get(place + 1).map(String::as_str))
    }

    /// Reads what was written: the profile first, then the rules for both directions, then those for one.
    pub(super) fn read(&self) -> Result<Asked, Wrong> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let words = match words.iter().position(|word| *word == SHELL) {
            Some(place) if place + 2 < words.len() => {
                let sentence = format!("nothing may stand behind {}", words[place + 1]);
                return Err(wrong_word(
                    words[place + 2],
                    sentence,
                    "a link with a name stands in front of shell",
                ));
            }
            Some(place) => &words[..place],
            None => &words[..],
        };
        let mut schedule = match *words {
            [DOCTOR] => return Ok(Asked::Doctor),
            [] => Schedule::default(),
            [SHOW] => return Ok(Asked::Show(PROFILES.iter().collect())),
            [SHOW, name] => return Ok(Asked::Show(vec![named(name)?])),
            [name] => {
                let wrong = |misread| Wrong { what: "link".to_owned(), text: name.to_owned(), misread };
                named(name)?.schedule().map_err(wrong)?
            }
            [first, second, ..] => {
                let sentence = format!("nothing may stand behind {first}");
                return Err(wrong_word(second, sentence, "commands stand behind --"));
            }
        };
        for written in &self.rules {
            let rule = grammar::rule(written.name, &written.value).map_err(|misread| Wrong {
                what: format!("--{}", written.flag),
                text: written.value.clone(),
                misread,
            })?;
            schedule.set(written.direction, rule);
        }
        for text in &self.changes {
            let change = Change::read(text).map_err(|misread| Wrong {
                what: "--at".to_owned(),
                text: text.clone(),
                misread,
            })?;
            schedule.add(change);
        }
        Ok(Asked::Link(Box::new(schedule)))
    }
}

fn named(name: &str) -> Result<&'static Profile, Wrong> {
    let names: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
    let hint = format!("there are {}; `bothends lab show` tells what they do", names.join(", "));
    Profile::named(name).ok_or_else(|| wrong_word(name, "there is no link of this name", &hint))
}

fn wrong_word(text: &str, sentence: impl Into<String>, hint: &str) -> Wrong {
    let misread = Misread { at: 0, sentence: sentence.into(), hint: Some(hint.to_owned()) };
    Wrong { what: "link".to_owned(), text: text.to_owned(), misread }
}

impl Args for RuleFlags {
    fn augment_args(command: Command) -> Command {
        let heading = "The link";
        let words = Arg::new("link").value_name("LINK").num_args(0..=3).help(
            "A link with a name, such as wifi or 3g; `show` tells which there are, `show NAME` its rules.",
        );
        let at = Arg::new("at")
            .long("at")
            .value_name("CHANGE")
            .action(ArgAction::Append)
            .allow_hyphen_values(true)
            .help_heading(heading)
            .help("Change rules at a time, counted from the first packet: '2s for 500ms: cut', '1s: up-loss 20%, rate 1Mbit/s'. May be given several times.");
        let of_word = |word: &'static Word| {
            word.flags
                .into_iter()
                .zip(DIRECTIONS)
                .map(move |(flag, direction)| argument(word, flag, direction))
        };
        let rules = WORDS.iter().flat_map(of_word).map(|argument| argument.help_heading(heading));
        command.arg(words).args(rules).arg(at)
    }

    fn augment_args_for_update(command: Command) -> Command {
        RuleFlags::augment_args(command)
    }
}

fn argument(word: &'static Word, flag: &'static str, direction: Option<Direction>) -> Arg {
    let help = match direction {
        None => word.help.to_owned(),
        Some(Direction::Up) => format!("Set --{} from the client to the server only.", word.name),
        Some(Direction::Down) => format!("Set --{} from the server to the client only.", word.name),
    };
    let mut argument = Arg::new(flag).long(flag).help(help).hide(direction.is_some());
    // Both say how long a packet is under way: one would drop the other.
    if word.name == "rtt" {
        argument = argument.conflicts_with(flag.replace("rtt", "delay"));
    }
    match word.value {
        Some(value) => argument.value_name(value).allow_hyphen_values(true),
        None => argument.action(ArgAction::SetTrue),
    }
}

impl FromArgMatches for RuleFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<RuleFlags, Error> {
        let strings = |name: &str| -> Vec<String> {
            matches.get_many::<String>(name).map(|all| all.cloned().collect()).unwrap_or_default()
        };
        let mut rules = Vec::new();
        for (place, direction) in DIRECTIONS.into_iter().enumerate() {
            for Word { name, flags, value, .. } in &WORDS {
                let flag = flags[place];
                let values = match value {
                    Some(_) => strings(flag),
                    None if matches.get_flag(flag) => vec![String::new()],
                    None => Vec::new(),
                };
                rules.extend(values.into_iter().map(|value| Written { direction, name, flag, value }));
            }
        }
        Ok(RuleFlags { words: strings("link"), rules, changes: strings("at") })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = RuleFlags::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command as Chosen};

    fn read(words: &[&str]) -> Result<Vec<String>, Wrong> {
        let all = ["bothends", "lab"].iter().chain(words);
        let Chosen::Lab(flags) = Cli::try_parse_from(all).unwrap().command else { panic!("lab") };
        match flags.rules.read()? {
            Asked::Link(schedule) => Ok(schedule.flags()),
            Asked::Doctor => Ok(vec![DOCTOR.to_owned()]),
            Asked::Show(profiles) => Ok(profiles.iter().map(|profile| profile.name.to_owned()).collect()),
        }
    }

    #[test]
    fn what_is_said_of_one_direction_counts_more_than_what_is_said_of_both() {
        let flags = read(&["--up-loss", "1%", "--loss", "5%", "--delay", "2ms", "--down-cut"]);
        assert_eq!(flags.unwrap().join(" "), "--delay 2ms --up-loss 1% --down-loss 5% --down-cut");
    }

    #[test]
    fn flags_change_a_profile() {
        let flags = read(&["transatlantic", "--jitter", "0s", "--at", "1s: cut", "--", "a", "--", "b"]);
        assert_eq!(flags.unwrap().join(" "), "--delay 40ms --loss 0.01% --at 1s: cut");
    }

    #[test]
    fn profiles_are_shown() {
        assert_eq!(read(&["show"]).unwrap().len(), PROFILES.len());
        assert_eq!(read(&["show", "3g"]).unwrap(), ["3g"]);
    }

    #[test]
    fn a_shell_stands_behind_the_link() {
        let shell = |words: &[&str]| {
            let rules = RuleFlags {
                words: words.iter().map(|word| (*word).to_owned()).collect(),
                ..RuleFlags::default()
            };
            rules.shell().map(|host| host.unwrap_or_default().to_owned())
        };
        assert_eq!(shell(&["3g", "shell", "server"]).as_deref(), Some("server"));
        assert_eq!((shell(&["shell"]).as_deref(), shell(&["3g"])), (Some(""), None));
        assert_eq!(read(&["shell", "server"]).unwrap(), [""; 0]);
        assert_eq!(read(&["3g", "shell"]).unwrap(), read(&["3g"]).unwrap());
        assert_eq!(read(&["shell", "server", "3g"]).unwrap_err().text, "3g");
        assert_eq!(read(&["doctor"]).unwrap(), ["doctor"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_flag_and_place() {
        let wrong = |words: &[&str]| {
            let wrong = read(words).unwrap_err();
            (wrong.what, wrong.text, wrong.misread.at)
        };
        assert_eq!(wrong(&["--up-loss", "5"]), ("--up-loss".into(), "5".into(), 0));
        assert_eq!(wrong(&["--at", "1s: cat"]), ("--at".into(), "1s: cat".into(), 4));
        assert_eq!(wrong(&["4g"]), ("link".into(), "4g".into(), 0));
        assert_eq!(wrong(&["wifi", "3g"]).1, "3g");
    }
}
