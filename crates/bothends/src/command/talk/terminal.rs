//! What a stranger sends to somebody's terminal: text stays text, but nothing in it can move the cursor, change colours
//! or answer for the person at the keyboard. In a pipe or file every byte stays what it is.

use wire::visible;

/// Text on its way to a terminal; a character that is cut between two arrivals waits for its rest.
#[derive(Debug, Default)]
pub(super) struct Terminal {
    rest: Vec<u8>,
    ascii: bool,
    is_within_a_line: bool,
}

impl Terminal {
    pub(super) fn new(ascii: bool) -> Terminal {
        Terminal { rest: Vec::new(), ascii, is_within_a_line: false }
    }

    /// What is to be printed for these bytes.
    pub(super) fn show(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let arrived = std::mem::take(&mut self.rest);
        let mut shown = String::with_capacity(arrived.len());
        let mut chunks = arrived.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.text(chunk.valid(), &mut shown);
            let is_last = chunks.peek().is_none();
            match is_last && may_go_on(chunk.invalid()) {
                true => self.rest.extend_from_slice(chunk.invalid()),
                false => chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}"))),
            }
        }
        // A line may end in CR LF, and the LF may still come.
        if let Some(before) = shown.strip_suffix("\\r")
            && self.rest.is_empty()
            && arrived.ends_with(b"\r")
        {
            shown.truncate(before.len());
            self.rest.push(b'\r');
        }
        self.note_line_end(&shown);
        shown
    }

    /// What never got its rest.
    pub(super) fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.rest);
        let shown: String = rest
            .iter()
            .map(|byte| if *byte == b'\r' { "\\r".to_owned() } else { format!("\\x{byte:02x}") })
            .collect();
        self.note_line_end(&shown);
        shown
    }

    /// Whether what was shown last did not end its line: what comes next would stand right behind it.
    pub(super) fn is_within_a_line(&self) -> bool {
        self.is_within_a_line
    }

    fn note_line_end(&mut self, shown: &str) {
        if !shown.is_empty() {
            self.is_within_a_line = !shown.ends_with('\n');
        }
    }

    /// Line ends and tabs as they are, CR LF as a line end, all else that is not a letter or sign made visible.
    fn text(&self, text: &str, shown: &mut String) {
        for (place, line) in text.replace("\r\n", "\n").split('\n').enumerate() {
            if place > 0 {
                shown.push('\n');
            }
            for (place, part) in line.split('\t').enumerate() {
                if place > 0 {
                    shown.push('\t');
                }
                shown.push_str(&visible(part, self.ascii));
            }
        }
    }
}

/// Whether these bytes can be the beginning of a character: RFC 3629 §4.
fn may_go_on(bytes: &[u8]) -> bool {
    let needed = match bytes.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => return false,
    };
    bytes.len() < needed && bytes[1..].iter().all(|byte| byte & 0xc0 == 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parts: &[&[u8]]) -> String {
        let mut terminal = Terminal::new(false);
        let mut all: String = parts.iter().map(|part| terminal.show(part)).collect();
        all.push_str(&terminal.finish());
        all
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(shown(&["grüß\tdich\n".as_bytes()]), "grüß\tdich\n");
        assert_eq!(shown(&[b"HTTP/1.1 200 OK\r\n\r\n"]), "HTTP/1.1 200 OK\n\n");
        assert_eq!(shown(&[b"line\r", b"\nnext\r", b"\n"]), "line\nnext\n");
    }

    #[test]
    fn a_character_in_two_arrivals_is_one() {
        let euro = "€uro".as_bytes();
        assert_eq!(shown(&[&euro[..1], &euro[1..2], &euro[2..]]), "€uro");
        assert_eq!(shown(&[&euro[..2]]), "\\xe2\\x82");
        assert_eq!(shown(&[&euro[..2], b"x"]), "\\xe2\\x82x");
    }

    #[test]
    fn nothing_can_steer_the_terminal() {
        let hostile = b"\x1b]0;owned\x07\x1b[2J\x08\x00\r\x9b2J\xff";
        let shown = shown(&[hostile]);
        assert!(!shown.contains(|c: char| c.is_control()), "{shown:?}");
        assert_eq!(shown, "\\u{1b}]0;owned\\u{7}\\u{1b}[2J\\u{8}\\u{0}\\r\\x9b2J\\xff");
    }

    #[test]
    fn an_open_line_is_known() {
        let mut terminal = Terminal::new(false);
        assert!(!terminal.is_within_a_line());
        for (bytes, is_within) in [(&b"a"[..], true), (b"", true), (b"b\r\n", false), (b"\xe2", false)] {
            terminal.show(bytes);
            assert_eq!(terminal.is_within_a_line(), is_within, "{bytes:?}");
        }
        terminal.finish();
        assert!(terminal.is_within_a_line());
    }

    #[test]
    fn memory_stays_bounded() {
        let mut terminal = Terminal::new(false);
        for _ in 0..10_000 {
            terminal.show(b"\xf0\x9f");
            assert!(terminal.rest.len() < 4, "{:?}", terminal.rest);
        }
    }
}
