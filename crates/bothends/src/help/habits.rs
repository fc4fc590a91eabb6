//! Flags that people know from other programs and that are something else here: what to write instead.

use std::ffi::OsString;

/// Commands, the flag that they do not have, and what to write instead.
const HABITS: [(&[&str], &[&str], &str); 10] = [
    (
        &["listen"],
        &["-p", "--port"],
        "the port is the address: `bothends listen 7777`, `bothends listen :7777` on every interface",
    ),
    (
        &["serve"],
        &["-p", "--port"],
        "the port is the address: `bothends serve echo 7777`, `bothends serve echo :7777` on every interface",
    ),
    (&["listen"], &["-k", "--keep-open"], "`bothends serve` is for many clients; `listen` takes one"),
    (
        &["connect", "listen", "serve"],
        &["-l", "--listen"],
        "listening is a command: `bothends listen 7777` for one peer, `bothends serve` for many",
    ),
    (
        &["connect"],
        &["-z"],
        "whether somebody listens: `bothends connect HOST PORT --send-only </dev/null`, exit code 0 if so",
    ),
    (
        &["connect", "listen"],
        &["-e", "-c", "--exec", "--sh-exec"],
        "programs are not run at an end; the shell can join them by pipes",
    ),
    (&["connect"], &["-N"], "it is so by itself: the other end is told (FIN) when your input ends"),
    (
        &["connect", "listen", "serve"],
        &["-U", "--unixsock"],
        "a path with a slash first is a Unix socket: /run/x, unix:./x, unix:@name",
    ),
    (
        &["trace"],
        &["-f", "--filter", "-Y", "--display-filter"],
        "--only chooses conversations by address, network, port or number: --only :443",
    ),
    (
        &["trace"],
        &["-i", "--interface", "-D"],
        "it reads captures: tcpdump -U -w - -i lo | bothends trace -r -",
    ),
];

/// The hint for a command line that was not understood, if one of its flags is such a one.
pub(super) fn hint(words: &[OsString]) -> Option<String> {
    let words: Vec<&str> =
        words.iter().skip(1).filter_map(|word| word.to_str()).take_while(|word| *word != "--").collect();
    let command = words.iter().find(|word| !word.starts_with('-'))?;
    let of_command = HABITS.iter().filter(|(commands, ..)| commands.contains(command));
    let is_meant = |flags: &[&str]| words.iter().any(|word| flags.iter().any(|flag| is(word, flag)));
    of_command.into_iter().find(|(_, flags, _)| is_meant(flags)).map(|(_, _, hint)| (*hint).to_owned())
}

/// Whether a word is this flag: alone, with a value glued to it, or among letters, as `-lp` is `-l -p`.
fn is(word: &str, flag: &str) -> bool {
    match (flag.strip_prefix("--"), flag.strip_prefix('-')) {
        (Some(_), _) => word.split('=').next() == Some(flag),
        (None, Some(letter)) => {
            let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
            letters.is_some_and(|letters| {
                let flags = letters.trim_end_matches(|digit: char| digit.is_ascii_digit());
                flags.contains(letter) && flags.chars().all(|letter| letter.is_ascii_alphabetic())
            })
        }
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn hinted(line: &str) -> Option<String> {
        let words: Vec<OsString> =
            ["bothends"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
        assert!(Cli::try_parse_from(&words).is_err(), "{line} is understood");
        hint(&words)
    }

    #[test]
    fn what_other_programs_have_leads_to_what_is_here() {
        for (line, part) in [
            ("listen -p 7777", "`bothends listen 7777`"),
            ("listen -lp 7777", "`bothends listen 7777`"),
            ("listen -p7777", "`bothends listen 7777`"),
            ("-v listen --port=7777", "`bothends listen 7777`"),
            ("serve echo --port 80", "`bothends serve echo 7777`"),
            ("connect -l 7777", "listening is a command"),
            ("listen -lk 7777", "`bothends serve` is for many"),
            ("connect -z localhost 80", "--send-only </dev/null"),
            ("trace -r x --filter tcp", "--only chooses"),
        ] {
            let hint = hinted(line);
            assert!(hint.as_ref().is_some_and(|hint| hint.contains(part)), "{line}: {hint:?}");
        }
        for line in ["listen --nonsense", "serve nonsense -- -p", "lab -p", "listen --portfile x"] {
            assert_eq!(hinted(line), None, "{line}");
        }
    }
}
