//! A stranger's bytes on their way to somebody's terminal, as they arrive: text stays text, but nothing in it can move the
//! cursor, change colours or answer for the person at the keyboard.

use super::visible;

/// Text on its way to a terminal; a character that is cut between two arrivals waits for its rest.
#[derive(Debug, Default)]
pub struct VisibleStream {
    rest: Vec<u8>,
    ascii: bool,
    line_ends: bool,
    is_within_a_line: bool,
}

impl VisibleStream {
    /// Nothing has arrived yet. With `ascii` everything beyond 0x7e is escaped.
    pub fn new(ascii: bool) -> VisibleStream {
        VisibleStream { ascii, ..VisibleStream::default() }
    }

    /// The same, with line ends and tabs spelled out too; lines still end where they do.
    pub fn with_line_ends(ascii: bool) -> VisibleStream {
        VisibleStream { ascii, line_ends: true, ..VisibleStream::default() }
    }

    /// What is to be printed for these bytes.
    pub fn show(&mut self, bytes: &[u8]) -> String {
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
        if !self.line_ends
            && let Some(before) = shown.strip_suffix("\\r")
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
    pub fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.rest);
        let shown: String = rest
            .iter()
            .map(|byte| if *byte == b'\r' { "\\r".to_owned() } else { format!("\\x{byte:02x}") })
            .collect();
        self.note_line_end(&shown);
        shown
    }

    /// Whether what was shown last did not end its line: what comes next would stand right behind it.
    pub fn is_within_a_line(&self) -> bool {
        self.is_within_a_line
    }

    fn note_line_end(&mut self, shown: &str) {
        if !shown.is_empty() {
            self.is_within_a_line = !shown.ends_with('\n');
        }
    }

    /// Line ends and tabs as they are, CR LF as a line end, all else that is not a letter or sign made visible.
    fn text(&self, text: &str, shown: &mut String) {
        if self.line_ends {
            for line in text.split_inclusive('\n') {
                shown.push_str(&visible(line, self.ascii));
                shown.push_str(if line.ends_with('\n') { "\n" } else { "" });
            }
            return;
        }
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
        let mut stream = VisibleStream::new(false);
        let mut all: String = parts.iter().map(|part| stream.show(part)).collect();
        all.push_str(&stream.finish());
        all
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(shown(&["grüß\tdich\n".as_bytes()]), "grüß\tdich\n");
        assert_eq!(shown(&[b"HTTP/1.1 200 OK\r\n\r\n"]), "HTTP/1.1 200 OK\n\n");
        assert_eq!(shown(&[b"line\r", b"\nnext\r", b"\n"]), "line\nnext\n");
    }

    #[test]
    fn line_ends_are_spelled_out_on_request() {
        let mut stream = VisibleStream::with_line_ends(false);
        let shown: String = [&b"a\tb\r"[..], b"\nc\n", b"\r"].iter().map(|part| stream.show(part)).collect();
        assert_eq!(shown + &stream.finish(), "a\\tb\\r\\n\nc\\n\n\\r");
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
        let mut stream = VisibleStream::new(false);
        assert!(!stream.is_within_a_line());
        for (bytes, is_within) in [(&b"a"[..], true), (b"", true), (b"b\r\n", false), (b"\xe2", false)] {
            stream.show(bytes);
            assert_eq!(stream.is_within_a_line(), is_within, "{bytes:?}");
        }
        stream.finish();
        assert!(stream.is_within_a_line());
    }

    #[test]
    fn memory_stays_bounded() {
        let mut stream = VisibleStream::new(false);
        for _ in 0..10_000 {
            stream.show(b"\xf0\x9f");
            assert!(stream.rest.len() < 4, "{:?}", stream.rest);
        }
    }
}
