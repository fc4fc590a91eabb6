//! `lab show`: the links with names, what they are like, and their rules as flags.

use std::ffi::OsStr;

use lab::config::quoted;
use lab::link::profile::Profile;

use crate::out::Out;
use crate::record::Record;

/// Where the sentences begin.
const NAME_COLUMNS: usize = 15;

/// Shows these; a single one without its name, so that its last line can be pasted.
pub(super) fn profiles(profiles: &[&Profile], out: &Out) {
    let alone = profiles.len() == 1;
    for profile in profiles {
        let Ok(link) = profile.schedule() else { continue };
        let flags = link.flags();
        out.record(
            &Record::new("profile")
                .with("name", profile.name)
                .with("sentence", profile.sentence)
                .with("flags", flags.clone()),
        );
        if out.json {
            continue;
        }
        let flags: Vec<String> = flags.iter().map(|word| quoted(OsStr::new(word))).collect();
        let flags = flags.join(" ");
        let indent = if alone { 0 } else { NAME_COLUMNS };
        let mut lines = wrapped(profile.sentence, out.stdout.width.saturating_sub(indent));
        lines.push(flags);
        for (place, line) in lines.iter().enumerate() {
            let name = if place == 0 && !alone { profile.name } else { "" };
            out.print(&format!("{name:indent$}{line}\n"));
        }
    }
}

/// Lines of at most so many columns, of whole words.
fn wrapped(sentence: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in sentence.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("a bad line, a very bad one", 12), ["a bad line,", "a very bad", "one"]);
        assert_eq!(wrapped("transatlantic", 3), ["transatlantic"]);
    }
}
