//! Help and errors of the command line: clap's texts in our form, and the topics that are made from tables.

mod habits;
mod records;
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
pub const TOPICS: [Topic; 5] = [
    Topic { name: "exit-codes", text: exit_codes },
    Topic { name: "addresses", text: addresses },
    Topic { name: "records", text: records::text },
    Topic { name: "sockets", text: sockets::text },
    Topic { name: "sockopts", text: sockopts::text },
];

/// Prints what clap has to say: help and version are results, all else is a usage error in our form.
pub fn told(error: &clap::Error, words: &[OsString]) -> Exit {
    let is_json = words.iter().any(|word| word == "--json");
    match error.kind() {
        ErrorKind::DisplayVersion if is_json => out::print_help(&record::version().line()),
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
            if is_json {
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
    let told = NUMBERS.iter().fold(told.to_owned(), |told, (rusts, ours)| told.replace(rusts, ours));
    range_in_our_words(&told).unwrap_or(told)
}

/// `80000 is not in 0..=65535`, which is how Rust writes a range.
fn range_in_our_words(told: &str) -> Option<String> {
    let (front, range) = told.split_once(" is not in ")?;
    let (first, last) = range.split_once("..=")?;
    let before = front.rfind(": ").map_or("", |at| &front[..at + 2]);
    Some(format!("{before}it has to be from {first} to {last}"))
}

/// clap's error as one sentence, and the most useful hint.
fn sentence_and_hint(told: &str, words: &[OsString]) -> (String, String) {
    let first = told.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let sentence = numbers_in_our_words(&first.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    let line = |start: &str| told.lines().find_map(|line| line.trim_start().strip_prefix(start));
    if let Some(hint) = trace_hint(&sentence, words) {
        return (sentence, hint);
    }
    let tip = line("tip: ").filter(|tip| !tip.starts_with("to pass "));
    let hint = match (habits::hint(words).or(tip.map(str::to_owned)), line("Usage: ")) {
        (Some(tip), _) => tip,
        (None, Some(usage)) => format!("usage: {usage}"),
        (None, None) => help_hint(words),
    };
    (sentence, hint)
}

/// For who gives `trace` a capture as other tools have it.
fn trace_hint(sentence: &str, words: &[OsString]) -> Option<String> {
    let is_trace = words.iter().skip(1).find(|word| !word.to_string_lossy().starts_with('-'));
    is_trace.filter(|word| *word == "trace")?;
    match sentence.strip_prefix("the following required arguments were not provided: ") {
        Some(missing) if missing.contains("--read") => {
            return Some("bothends trace -r FILE reads a capture, -r - standard input".to_owned());
        }
        Some(missing) => return Some(format!("what is there goes with {missing}")),
        None => {}
    }
    let word = sentence.strip_prefix("unexpected argument '")?.strip_suffix("' found")?;
    match word {
        word if word == "-" || !word.starts_with('-') => {
            Some(format!("to read it: bothends trace -r {word}"))
        }
        _ => None,
    }
}

/// The one of these that is most like the word, if any is like it.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The measure by which clap finds similar flags.
    let like = |one: &str| strsim::jaro(word, one);
    known.filter(|one| like(one) > 0.8).max_by(|one, other| like(one).total_cmp(&like(other)))
}

/// Points to the help of the command that was meant.
fn help_hint(words: &[OsString]) -> String {
    let commands = Cli::command();
    let meant =
        words.iter().filter_map(|word| word.to_str()).find(|word| commands.find_subcommand(word).is_some());
    match meant {
        // What help tells under its name is the topic.
        Some(command) if TOPICS.iter().any(|topic| topic.name == command) => {
            format!("`bothends {command} --help` tells all about it")
        }
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
            (["connect", "--source-port", "80000"], "it has to be from 0 to 65535"),
            (["lab", "--seed", "x"], "it has to be a whole number, without a sign"),
            (["lab", "--seed", "-1"], "it has to be a whole number, without a sign"),
            (["lab", "--seed", "18446744073709551616"], "it is too large"),
            (["lab", "--seed", ""], "it has to be a whole number"),
        ] {
            let (sentence, hint) = refused(&words);
            assert!(sentence.ends_with(&format!(": {why}")), "{sentence}");
            assert_eq!(hint, format!("`bothends help {}` tells all about it", words[0]));
        }
        for rules in [["--rtt", "--delay"], ["--up-delay", "--up-rtt"]] {
            let (sentence, _) = refused(&["lab", rules[0], "50ms", rules[1], "10ms"]);
            assert!(sentence.contains("cannot be used with"), "{sentence}");
        }
        let words = ["bothends", "lab", "--rtt", "50ms", "--up-delay", "10ms"];
        assert!(Cli::command().try_get_matches_from(words).is_ok());
        // What help tells under this command's name is the topic.
        assert_eq!(
            refused(&["sockets", "--color", "nope"]).1,
            "`bothends sockets --help` tells all about it"
        );
        for words in [["lab", "--write", "-"], ["lab", "--svg", "-"]] {
            assert!(refused(&words).0.contains("it has to be the name of a file"), "{words:?}");
        }
        let (sentence, _) = refused(&["trace"]);
        assert_eq!(sentence, "the following required arguments were not provided: --read <FILE>");
    }

    #[test]
    fn who_gives_trace_a_file_learns_how() {
        for (words, hint) in [
            (&["trace"][..], "bothends trace -r FILE"),
            (&["trace", "talk.pcap"], "bothends trace -r talk.pcap"),
            (&["--json", "trace", "talk.pcap", "--ladder"], "bothends trace -r talk.pcap"),
            (&["trace", "-"], "bothends trace -r -"),
            (&["trace", "-i", "lo"], "tcpdump -U -w - -i lo | bothends trace -r -"),
            (&["trace", "-r", "x", "--filter", "tcp"], "--only :443"),
            (&["trace", "-r", "x", "--leddar"], "'--ladder'"),
        ] {
            let (_, told) = refused(words);
            assert!(told.contains(hint), "{words:?}: {told}");
        }
    }

    #[test]
    fn what_is_nearly_right_is_found() {
        let known = ["handshake", "close-and-shutdown", "time-wait"];
        assert_eq!(nearest("handshak", known.into_iter()), Some("handshake"));
        assert_eq!(nearest("timewait", known.into_iter()), Some("time-wait"));
        assert_eq!(nearest("zzz", known.into_iter()), None);
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
