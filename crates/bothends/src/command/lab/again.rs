//! The command that repeats a run: what was typed, with the seed, as a shell takes it.

use std::ffi::{OsStr, OsString};

use lab::config::quoted;

/// The words of the command line, the program's own first.
pub(super) fn command(words: impl Iterator<Item = OsString>, seed: u64) -> String {
    let mut words: Vec<OsString> = words.skip(1).collect();
    let own = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let says_seed = |word: &OsString| word == "--seed" || word.to_string_lossy().starts_with("--seed=");
    if !words[..own].iter().any(says_seed) {
        words.splice(own..own, ["--seed".into(), seed.to_string().into()]);
    }
    let words = words.iter().map(|word| quoted(word));
    std::iter::once(quoted(OsStr::new("bothends"))).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(words: &str) -> String {
        command(words.split('_').map(OsString::from), 7)
    }

    #[test]
    fn the_seed_stands_in_front_of_the_commands() {
        assert_eq!(
            again("x/bothends_lab_--at_2s: cut_--_sh_-c_echo 'a'_--_curl_--seed"),
            r"bothends lab --at '2s: cut' --seed 7 -- sh -c 'echo '\''a'\''' -- curl --seed"
        );
    }

    #[test]
    fn a_seed_that_was_typed_stays() {
        assert_eq!(again("bothends_lab_--seed_3_wifi"), "bothends lab --seed 3 wifi");
        assert_eq!(again("bothends_lab_--seed=3"), "bothends lab --seed=3");
    }
}
