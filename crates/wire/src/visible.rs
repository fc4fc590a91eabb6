//! Text from strangers, made safe to show.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

mod stream;

pub use stream::VisibleStream;

/// The text with every character escaped that a terminal would obey or not show: controls, line and paragraph
/// separators, direction marks (Unicode Standard Annex 9, §2), anything without a width; with `ascii` also everything
/// beyond 0x7e.
pub fn visible(text: &str, ascii: bool) -> Cow<'_, str> {
    let harmless = |character: char| {
        // The separators count as one column wide, but begin a new line.
        let breaks = character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
        let shown = !breaks && character.width().is_some_and(|width| width > 0);
        shown && (!ascii || character.is_ascii())
    };
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if harmless(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    Cow::Owned(shown)
}

/// Bytes as a text in which every one can be told: what is no UTF-8 stands there as `\\xff`, all else as [`visible`] has it.
pub fn visible_bytes(bytes: &[u8], ascii: bool) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        shown.push_str(&visible(chunk.valid(), ascii));
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        assert_eq!(visible("a\x1b[31mb\r\n", false), "a\\u{1b}[31mb\\r\\n");
        assert_eq!(visible("x\u{202e}y\u{200b}z\u{2028}", false), "x\\u{202e}y\\u{200b}z\\u{2028}");
        assert_eq!(visible("Köln", true), "K\\u{f6}ln");
    }

    #[test]
    fn bytes_that_are_no_text_are_told_apart() {
        assert_eq!(visible_bytes(b"\0a\xff\xfe\xe2\x82\n", false), "\\u{0}a\\xff\\xfe\\xe2\\x82\\n");
        assert_eq!(visible_bytes("K\u{f6}ln".as_bytes(), false), "K\u{f6}ln");
    }

    #[test]
    fn what_is_harmless_is_not_copied() {
        assert!(matches!(visible("Köln 網", false), Cow::Borrowed("Köln 網")));
        assert!(matches!(visible("", true), Cow::Borrowed("")));
    }

    proptest! {
        #[test]
        fn nothing_invisible_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text, false).chars().any(char::is_control));
            prop_assert!(visible(&text, true).bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
        }
    }
}
