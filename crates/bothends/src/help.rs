//! Help and errors of the command line: clap's texts in our form, and the topics that are made from tables.

mod sockets;
mod sockopts;

use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::ErrorKind;
use wire::visible;

use crate::cli::Cli;
use crate::exit::{Exit, TABLE};
use crate::looks::{When, style_of};
use crate::out;
use crate::record;

/// Something that `bothends help` can tell about, beside the commands.
pub struct Topic {
    /// Its name.
    pub name: &'static str,
    /// What there is to tell.
    pub text: fn() -> String,
}

/// All topics.
pub const TOPICS: [Topic; 4] = [
    Topic { name: "exit-codes", text: exit_codes },
    Topic { name: "addresses", text: addresses },
    Topic { name: "sockets", text: sockets::text },
    Topic { name: "sockopts", text: sockopts::text },
];

/// Prints what clap has to say: help and version are results, all else is a usage error in our form.
pub fn told(error: &clap::Error, words: &[OsString]) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let styled = error.render();
            let color = style_of(&std::io::stdout(), When::Auto, None).color;
            let text = if color { styled.ansi().to_string() } else { styled.to_string() };
            out::print_help(&text)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            out::print_usage_error(&error.render().to_string());
            Exit::Usage
        }
        _ => {
            let (sentence, hint) = sentence_and_hint(&error.render().to_string(), words);
            let (shown, hint) = (visible(&sentence, false), visible(&hint, false));
            out::print_usage_error(&format!("bothends: {shown}\n  hint: {hint}\n"));
            if words.iter().any(|word| word == "--json") {
                out::print_help(&record::usage_error("read", "command line", &sentence).line());
            }
            Exit::Usage
        }
    }
}

/// What Rust says of texts that are not the number asked for, and what people can use.
const NUMBERS: [(&str, &str); 4] = [
    ("invalid digit found in string", "it has to be a whole number, without a sign"),
    ("number would be zero for non-zero type", "it has to be 1 or more"),
    ("number too large to fit in target type", "it is too large"),
    ("cannot parse integer from empty string", "it has to be a whole number"),
];

/// What is wrong with a number, in words that people can use.
pub(crate) fn numbers_in_our_words(told: &str) -> String {
    NUMBERS.iter().fold(told.to_owned(), |told, (rusts, ours)| told.replace(rusts, ours))
}

/// clap's error as one sentence, and the most useful hint.
fn sentence_and_hint(told: &str, words: &[OsString]) -> (String, String) {
    let first = told.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let sentence = numbers_in_our_words(&first.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    let line = |start: &str| told.lines().find_map(|line| line.trim_start().strip_prefix(start));
    let hint = match (line("tip: "), line("Usage: ")) {
        (Some(tip), _) => tip.to_owned(),
        (None, Some(usage)) => format!("usage: {usage}"),
        (None, None) => help_hint(words),
    };
    (sentence, hint)
}

/// Points to the help of the command that was meant.
fn help_hint(words: &[OsString]) -> String {
    let commands = Cli::command();
    let meant =
        words.iter().filter_map(|word| word.to_str()).find(|word| commands.find_subcommand(word).is_some());
    match meant {
        Some(command) => format!("`bothends help {command}` tells all about it"),
        None => "`bothends --help` shows what can be asked".to_owned(),
    }
}

/// The long help of a command, or of all.
pub fn of_command(name: Option<&str>, color: bool) -> Option<String> {
    let mut all =
        Cli::command().color(if color { clap::ColorChoice::Always } else { clap::ColorChoice::Never });
    all.build();
    let command = match name {
        None => &mut all,
        Some(name) => all.find_subcommand_mut(name)?,
    };
    let help = command.render_long_help();
    Some(if color { help.ansi().to_string() } else { help.to_string() })
}

/// The table of exit codes.
pub fn exit_codes() -> String {
    let mut text =
        "The exit code says how it ended. The numbers are curl's where the meaning is the same.\n\n"
            .to_owned();
    for row in TABLE {
        text.push_str(&format!("  {:>3}  {:<12} {}\n", row.exit.code(), row.name, row.meaning));
    }
    text.push_str("\n`lab` with commands ends with the client's own code; a command that a signal ended gives 128 + the signal.\n");
    text
}

/// How addresses are written.
pub fn addresses() -> String {
    const FORMS: [(&str, &str); 18] = [
        ("8080", "this machine only, port 8080"),
        (":8080  *:8080", "serve, listen: every interface, IPv4 and IPv6"),
        ("127.0.0.1:8080", "an IPv4 address and a port"),
        ("[::1]:8080", "an IPv6 address and a port; the brackets are needed"),
        ("[fe80::1%eth0]:22", "a link-local address, with its interface"),
        ("example.org:http", "a name, and a port by the name of its service"),
        ("example.org", "a name; the port is 7777"),
        ("127.0.0.1:0", "serve, listen: any free port; the one that was chosen is told"),
        ("tcp://host:80", "the full form, as it is shown everywhere"),
        ("udp://host:53", "datagrams; with -u all addresses without a scheme are UDP's"),
        ("/run/x  unix:./x", "a Unix socket's file: a slash comes first, or unix:"),
        ("unix:@x", "a name in Linux's abstract namespace, without a file"),
        ("unix-dgram:/run/x", "a Unix socket for datagrams"),
        ("unix-seqpacket:/run/x", "a Unix socket for connections that keep messages apart"),
        ("fd:3", "a socket that this program was started with"),
        ("tcp://host:80?timeout=2s", "with an option: the same as the long flag, for this address"),
        ("udp://:53?ttl=2&no-loop", "with several; %26 is &, %3F is ?, %25 is %"),
        ("HOST PORT", "connect: in two words, as nc and telnet have it"),
    ];
    let mut text =
        "Where to listen, or whom to call. Without an address it is 127.0.0.1:7777.\n\n".to_owned();
    for (form, meaning) in FORMS {
        text.push_str(&format!("  {form:<26} {meaning}\n"));
    }
    text.push_str("\nA port is a number from 0 to 65535 or the name of a service.\n");
    text.push_str("The schemes tls and vsock are understood but not spoken yet.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(words: &[&str]) -> (String, String) {
        use clap::Parser;
        let all: Vec<OsString> = ["bothends"].iter().chain(words).map(OsString::from).collect();
        sentence_and_hint(&Cli::try_parse_from(&all).unwrap_err().render().to_string(), &all)
    }

    #[test]
    fn mistakes_are_one_sentence_and_one_hint() {
        let (sentence, hint) = refused(&["lab", "--width", "0"]);
        assert_eq!(sentence, "invalid value '0' for '--width <COLUMNS>': it has to be 1 or more");
        assert_eq!(hint, "`bothends help lab` tells all about it");
        let (sentence, hint) = refused(&["serve", "echo", "--egnine", "thread"]);
        assert_eq!(sentence, "unexpected argument '--egnine' found");
        assert_eq!(hint, "a similar argument exists: '--engine'");
        for (words, why) in [
            (["lab", "--seed", "x"], "it has to be a whole number, without a sign"),
            (["lab", "--seed", "-1"], "it has to be a whole number, without a sign"),
            (["lab", "--seed", "18446744073709551616"], "it is too large"),
            (["lab", "--seed", ""], "it has to be a whole number"),
        ] {
            let (sentence, hint) = refused(&words);
            assert!(sentence.ends_with(&format!(": {why}")), "{sentence}");
            assert_eq!(hint, "`bothends help lab` tells all about it");
        }
        for words in [["lab", "--write", "-"], ["lab", "--svg", "-"]] {
            assert!(refused(&words).0.contains("it has to be the name of a file"), "{words:?}");
        }
        let (sentence, _) = refused(&["trace"]);
        assert_eq!(sentence, "the following required arguments were not provided: --read <FILE>");
    }

    #[test]
    fn topics_show_whole_tables() {
        for row in TABLE {
            assert!(exit_codes().contains(row.meaning));
        }
        for scheme in wire::endpoint::Scheme::WRITTEN {
            assert!(addresses().contains(scheme.name()), "{scheme:?}");
        }
        assert!(addresses().lines().all(|line| line.len() <= 100) && exit_codes().is_ascii());
    }
}
