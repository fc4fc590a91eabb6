//! Text measured, cut and wrapped by the columns that it takes on a terminal (not bytes, not characters).

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that the text takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// At most `most` columns of the text, with `…` for what is missing at its end.
pub fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    match most {
        0 => String::new(),
        _ => format!("{}…", head(text, most - 1)),
    }
}

/// At most `most` columns, with `…` for what is missing in the middle: of an address both host and port stay.
pub fn cut_middle(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    if most < 5 {
        return cut(text, most);
    }
    let tail = tail(text, (most - 1).div_ceil(2));
    format!("{}…{tail}", head(text, most - 1 - width(tail)))
}

/// The text in lines of at most `columns`, broken at blanks, but not between a number and its unit; what is longer than
/// a line is broken where it must be.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for words in unbroken(text) {
        if !line.is_empty() && width(&line) + 1 + width(&words) > columns {
            lines.push(std::mem::take(&mut line));
        }
        let mut rest = words.as_str();
        while width(rest) > columns {
            let piece = head(rest, columns);
            if piece.is_empty() {
                // One character that is wider than the line: U+17D8 takes three columns.
                lines.push("…".to_owned());
                rest = rest.get(rest.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
                continue;
            }
            lines.push(piece.trim_end().to_owned());
            rest = &rest[piece.len()..];
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(rest);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The words of a text; `204 ms` is one.
fn unbroken(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let letters = word.trim_end_matches(|end: char| !end.is_alphanumeric());
        let is_unit = letters.len() <= 5 && letters.starts_with(char::is_alphabetic);
        match words.last_mut() {
            Some(number) if is_unit && number.ends_with(|end: char| end.is_ascii_digit()) => {
                number.push(' ');
                number.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// The longest beginning of at most `most` columns.
fn head(text: &str, most: usize) -> &str {
    let mut columns = 0;
    for (at, character) in text.char_indices() {
        columns += character.width().unwrap_or(0);
        if columns > most {
            return &text[..at];
        }
    }
    text
}

/// The longest end of at most `most` columns.
fn tail(text: &str, most: usize) -> &str {
    let mut columns = 0;
    for (at, character) in text.char_indices().rev() {
        columns += character.width().unwrap_or(0);
        if columns > most {
            return &text[at + character.len_utf8()..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_keeps_host_and_port() {
        assert_eq!(cut_middle("[2001:db8:aa:bb::1]:40712", 15), "[2001:d…1:40712".replace("1:4", "]:4"));
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    #[test]
    fn a_long_word_is_broken_where_it_must_be() {
        assert_eq!(wrap("aa bbbbbbb cc", 4), ["aa", "bbbb", "bbb", "cc"]);
        assert_eq!(wrap("one two  three", 8), ["one two", "three"]);
        assert_eq!(wrap("sent after 204 ms (twice)", 15), ["sent after", "204 ms (twice)"]);
    }

    #[test]
    fn a_character_wider_than_the_line_is_not_waited_for() {
        assert_eq!(wrap("a\u{17d8}b", 2), ["a", "…", "b"]);
        assert_eq!(wrap("\u{17d8}", 3), ["\u{17d8}"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in "\\PC{0,40}", most in 0usize..30) {
            let text = wire::visible(&text, false);
            prop_assert!(width(&cut(&text, most)) <= most);
            prop_assert!(width(&cut_middle(&text, most)) <= most);
            for line in wrap(&text, most) {
                prop_assert!(width(&line) <= most.max(2));
            }
        }
    }
}
