//! The table of flags, walked: help texts, value names, letters; and the help that people see, as snapshots.

use std::collections::HashMap;
use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory, Parser};

use super::Cli;

/// Every command, with its path: `bothends`, `bothends serve`, …
fn commands() -> Vec<(String, Command)> {
    let mut all = Cli::command();
    all.build();
    let mut found = vec![("bothends".to_owned(), all.clone())];
    for command in all.get_subcommands() {
        let path = format!("bothends {}", command.get_name());
        found.push((path.clone(), command.clone()));
        let inner = command.get_subcommands();
        found.extend(inner.map(|inner| (format!("{path} {}", inner.get_name()), inner.clone())));
    }
    found
}

/// Every flag and word of every command.
fn arguments() -> Vec<(String, Arg)> {
    let of = |(path, command): (String, Command)| {
        let arguments: Vec<Arg> = command.get_arguments().cloned().collect();
        arguments.into_iter().map(move |argument| (path.clone(), argument))
    };
    commands().into_iter().flat_map(of).collect()
}

#[test]
fn every_flag_is_explained_by_a_whole_sentence() {
    for (path, argument) in arguments() {
        let place = format!("{path} {}", argument.get_id());
        let help = argument.get_help().unwrap_or_else(|| panic!("{place} has no help")).to_string();
        assert!(help.ends_with('.') && help.starts_with(char::is_uppercase), "{place}: {help}");
        for value in argument.get_possible_values().iter().filter_map(|value| value.get_help()) {
            assert!(value.to_string().ends_with('.'), "{place}: {value}");
        }
    }
    for (path, command) in commands() {
        let about = command.get_about().unwrap_or_else(|| panic!("{path} has no text")).to_string();
        assert!(about.ends_with('.') && !about.contains('\n'), "{path}: {about}");
    }
}

#[test]
fn every_value_has_a_name_in_capitals() {
    for (path, argument) in
        arguments().into_iter().filter(|(_, argument)| argument.get_action().takes_values())
    {
        let names = argument.get_value_names().unwrap_or_default();
        assert!(!names.is_empty(), "{path} {}", argument.get_id());
        for name in names {
            let good = |c: char| c.is_ascii_uppercase() || " .-=".contains(c);
            assert!(name.chars().all(good), "{path} {}: {name}", argument.get_id());
        }
    }
}

/// The letters that mean the same everywhere, and the dialects: trace speaks tcpdump's, serve ncat's, connect and
/// listen nc's, sockets ss's.
#[test]
fn every_letter_means_what_it_means_everywhere() {
    let everywhere = HashMap::from([
        ('4', "ipv4"),
        ('6', "ipv6"),
        ('u', "udp"),
        ('v', "verbose"),
        ('q', "quiet"),
        ('h', "help"),
        ('V', "version"),
    ]);
    let nc = || vec![('w', "timeout"), ('i', "idle"), ('C', "crlf")];
    let ss = || {
        let flags = [
            ('a', "all"),
            ('l', "listening"),
            ('t', "tcp"),
            ('w', "raw"),
            ('x', "unix"),
            ('0', "packet"),
            ('f', "family"),
            ('A', "query"),
            ('N', "net"),
            ('F', "filter_file"),
            ('n', "numeric"),
            ('p', "processes"),
            ('e', "extended"),
            ('m', "memory"),
            ('o', "options"),
            ('i', "info"),
            ('s', "summary"),
            ('K', "kill"),
            ('E', "events"),
            ('H', "no_header"),
            ('O', "oneline"),
            ('D', "diag"),
        ];
        flags.to_vec()
    };
    let dialects = HashMap::from([
        ("bothends trace", vec![('r', "file"), ('w', "write")]),
        ("bothends serve", vec![('i', "idle")]),
        ("bothends connect", [nc(), vec![('s', "source"), ('p', "source_port")]].concat()),
        ("bothends listen", nc()),
        ("bothends sockets", ss()),
    ]);
    for (path, argument) in arguments() {
        let Some(letter) = argument.get_short() else { continue };
        let id = argument.get_id().as_str();
        match everywhere.get(&letter) {
            Some(meaning) => assert_eq!(id, *meaning, "{path} -{letter}"),
            None => {
                let dialect = dialects.get(path.as_str()).cloned().unwrap_or_default();
                assert!(dialect.contains(&(letter, id)), "{path}: -{letter} is not in its dialect");
            }
        }
    }
    for (path, command) in commands() {
        for global in ["verbose", "quiet", "json", "color", "help"] {
            assert!(command.get_arguments().any(|argument| argument.get_id() == global), "{path} {global}");
        }
    }
}

#[test]
fn long_help_begins_with_examples() {
    for (path, command) in commands() {
        let name = command.get_name();
        if ["help"].contains(&name) {
            continue;
        }
        let long = command.get_long_about().unwrap_or_else(|| panic!("{path}: no long help")).to_string();
        let about = command.get_about().unwrap_or_default().to_string();
        assert!(long.starts_with(&format!("{about}\n\nExamples:\n  bothends")), "{path}: {long}");
        let examples = long.lines().skip(3).take_while(|line| !line.is_empty());
        examples.for_each(|line| assert!(line.len() <= 80, "{path}: {line}"));
        let words = long.lines().filter_map(|line| line.strip_prefix("  bothends "));
        for example in words {
            let first = example.split_whitespace().next().unwrap_or_default();
            assert!(Cli::command().find_subcommand(first).is_some(), "{path}: {example}");
        }
    }
}

#[test]
fn help_is_what_it_was() {
    for (path, mut command) in commands() {
        // The same on terminals of every width.
        command = command.term_width(100);
        let help = command.render_long_help().to_string();
        insta::assert_snapshot!(path.replace(' ', "-"), help);
    }
}

#[test]
fn the_table_itself_is_sound() {
    Cli::command().debug_assert();
}

/// All commands are in the table of those that can be read alone, under their names.
#[test]
fn every_command_can_be_read_alone() {
    let all: Vec<String> = Cli::command().get_subcommands().map(|one| one.get_name().to_owned()).collect();
    assert_eq!(super::COMMANDS.map(|(name, _)| name).as_slice(), all);
}

/// Command lines are read the same with one command's flags as with all: the examples, and what is before a command.
#[test]
fn what_is_read_by_one_commands_flags_is_what_all_would_give() {
    let examples = commands().into_iter().filter_map(|(_, command)| command.get_long_about().cloned());
    let mut lines: Vec<String> = examples
        .flat_map(|long| long.to_string().lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| Some(line.strip_prefix("  ")?.split("   ").next()?.to_owned()))
        .filter(|line| line.starts_with("bothends ") && !line.contains(['|', '\'', '"', '<', '>', '&', ';']))
        .collect();
    let before =
        ["--json lab", "-vv serve echo", "--color never addr lab", "-q lab --seed 7 -- lab -- serve"];
    lines.extend(before.map(|line| format!("bothends {line}")));
    let least = ["help lab", "help", "completions bash", "man", "listen", "sockets", "trace -r file"];
    lines.extend(least.map(|line| format!("bothends {line}")));
    assert!(lines.len() > 40, "{lines:?}");
    let mut alone = 0;
    for line in lines {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let all = Cli::try_parse_from(&words).map(|cli| format!("{cli:?}"));
        if let Some(one) = super::read_by_one(&words) {
            assert_eq!(Some(format!("{one:?}")), all.ok(), "{line}");
            alone += 1;
        } else {
            assert!(all.is_err(), "{line}");
        }
    }
    assert!(alone > 40, "{alone}");
}

#[test]
fn what_is_wrong_is_told_by_all_flags() {
    for line in
        ["", "nothing", "--color lab", "lba", "serve lab", "-V", "lab --help", "--json", "lab --no-such"]
    {
        let words: Vec<OsString> =
            format!("bothends {line}").split_whitespace().map(OsString::from).collect();
        let told =
            |read: Result<Cli, clap::Error>| read.map(|cli| format!("{cli:?}")).map_err(|it| it.to_string());
        assert_eq!(told(super::read(&words)), told(Cli::try_parse_from(&words)), "{line}");
    }
}
