//! What `--expect` waits for: a pattern in the bytes of the other end, however they are cut into arrivals.

use regex::bytes::{Regex, RegexBuilder};

/// How much of what was received is kept, so that a match may begin in one arrival and end in a later one.
const KEPT: usize = 64 * 1024;
/// The most memory that a pattern may take once it is made into a machine.
const PATTERN_SIZE: usize = 1 << 20;

/// A pattern, and the end of what was received so far.
#[derive(Debug)]
pub(super) struct Expectation {
    pattern: Regex,
    received: Vec<u8>,
    has_come: bool,
}

impl Expectation {
    pub(super) fn of(pattern: Regex) -> Expectation {
        Expectation { pattern, received: Vec::new(), has_come: false }
    }

    /// Looks at further bytes; whether what was expected has come.
    pub(super) fn has_come_with(&mut self, bytes: &[u8]) -> bool {
        if !self.has_come {
            self.received.extend_from_slice(bytes);
            self.has_come = self.pattern.is_match(&self.received);
            let too_much = self.received.len().saturating_sub(KEPT);
            self.received.drain(..too_much);
        }
        self.has_come
    }
}

/// A pattern as it was typed; what is wrong with it as a sentence.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    let made = RegexBuilder::new(text).size_limit(PATTERN_SIZE).build();
    made.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too large a pattern".to_owned(),
        // Its last line says what; those before it draw the place.
        other => {
            let told = other.to_string();
            let last = told.lines().last().unwrap_or_default();
            last.trim().trim_start_matches("error: ").to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes(text: &str, arrivals: &[&[u8]]) -> bool {
        let mut expectation = Expectation::of(pattern(text).unwrap());
        arrivals.iter().fold(false, |_, bytes| expectation.has_come_with(bytes))
    }

    #[test]
    fn a_match_may_be_cut_anywhere_and_stays_one() {
        assert!(comes("220 .*ready", &[b"22", b"0 mail is re", b"ady\r\n"]));
        assert!(comes("ok", &[b"ok", b"anything"]));
        assert!(!comes("ok", &[b"o", b"-k"]));
        assert!(!comes("ok", &[]));
    }

    #[test]
    fn bytes_need_not_be_text() {
        assert!(comes(r"(?-u)\xff\x00a", &[b"\xff", b"\0a"]));
        assert!(comes("grü[sß]", &["..grüß".as_bytes()]));
    }

    #[test]
    fn memory_stays_bounded() {
        let mut expectation = Expectation::of(pattern("never").unwrap());
        for _ in 0..100 {
            assert!(!expectation.has_come_with(&[b'x'; 10_000]));
            assert!(expectation.received.len() <= KEPT);
        }
        assert!(!expectation.has_come_with(b"nev"));
        assert!(expectation.has_come_with(b"er"));
    }

    #[test]
    fn a_wrong_pattern_is_told_in_a_sentence() {
        assert_eq!(pattern("a(b").unwrap_err(), "unclosed group");
        assert_eq!(pattern(r"(\w{100}){200}").unwrap_err(), "it is too large a pattern");
    }
}
