//! The words of a filter, with their places. Signs are words of their own, also where they stand close.

/// A word, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) column: usize,
    /// It holds a character that was taken as it is, and so is no sign.
    pub(super) is_escaped: bool,
}

/// Signs, the longer ones first.
const SIGNS: [&str; 13] = ["&&", "||", "==", "!=", "<=", ">=", "(", ")", "=", "<", ">", "&", "|"];

/// Splits a filter into its words.
pub(super) fn words(text: &str) -> Vec<Word> {
    let characters: Vec<char> = text.chars().collect();
    let mut found: Vec<Word> = Vec::new();
    let mut open = false;
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        if character == ' ' || character == '\t' || character == '\n' {
            open = false;
            at += 1;
            continue;
        }
        let sign = SIGNS
            .iter()
            .find(|sign| sign.chars().enumerate().all(|(n, c)| characters.get(at + n) == Some(&c)));
        if let Some(sign) = sign {
            found.push(Word { text: (*sign).to_owned(), column: at, is_escaped: false });
            open = false;
            at += sign.chars().count();
            continue;
        }
        if character == '!' && !open {
            found.push(Word { text: "!".to_owned(), column: at, is_escaped: false });
            at += 1;
            continue;
        }
        if !open {
            found.push(Word { text: String::new(), column: at, is_escaped: false });
            open = true;
        }
        let Some(word) = found.last_mut() else { break };
        if character == '\\' {
            word.is_escaped = true;
            at += 1;
            word.text.extend(characters.get(at));
        } else {
            word.text.push(character);
        }
        at += 1;
    }
    found
}
