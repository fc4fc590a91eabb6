//! What becomes of the input before it is sent: a word may end it, line ends may become CR LF, lines may become messages
//! with their length in front.

use wire::frame::Frame;

/// A line longer than this is several messages: what is kept of a line is bounded.
const LONGEST_LINE: usize = 1 << 20;

/// The way from what was read to what is sent. It keeps the beginning of a line only where it has to: to see whether the
/// line is a word that ends the input, or to know a message's length.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    until: Vec<Vec<u8>>,
    crlf: bool,
    has_lengths: bool,
    /// The beginning of a line, not sent yet.
    kept: Vec<u8>,
    /// Some of the line has been sent: it cannot be a word any more.
    is_within_line: bool,
    /// The last byte sent was a CR: the LF that follows has its CR.
    is_behind_cr: bool,
}

/// Whether the input goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    /// It does.
    On,
    /// A line was a word that ends it.
    NoFurther,
}

impl Typed {
    pub(crate) fn new(until: Vec<Vec<u8>>, crlf: bool, frame: Frame) -> Typed {
        Typed { until, crlf, has_lengths: frame == Frame::Len32, ..Typed::default() }
    }

    /// Whether everything is sent as it is read.
    pub(crate) fn changes_nothing(&self) -> bool {
        self.until.is_empty() && !self.crlf && !self.has_lengths
    }

    /// Takes what one read gave; what is to be sent is put behind `sent`.
    pub(crate) fn take(&mut self, mut read: &[u8], sent: &mut Vec<u8>) -> Goes {
        while !read.is_empty() {
            let (line, rest) = read.split_at(end_of_line(read));
            read = rest;
            if self.take_of_line(line, sent) == Goes::NoFurther {
                return Goes::NoFurther;
            }
        }
        Goes::On
    }

    /// The input has ended: what was kept of its last line, which has no end.
    pub(crate) fn finish(&mut self, sent: &mut Vec<u8>) {
        let kept = std::mem::take(&mut self.kept);
        if !kept.is_empty() && !self.is_word(&kept) {
            self.put(&kept, sent);
        }
    }

    /// Takes a line, or a part of one that goes on in the next read.
    fn take_of_line(&mut self, part: &[u8], sent: &mut Vec<u8>) -> Goes {
        let is_whole = part.ends_with(b"\n");
        let mut line = std::mem::take(&mut self.kept);
        line.extend_from_slice(part);
        let may_be_word = !self.is_within_line;
        if is_whole && may_be_word && self.is_word(&line) {
            return Goes::NoFurther;
        }
        let waits = !is_whole && (self.has_lengths || (may_be_word && self.may_become_word(&line)));
        if waits && line.len() < LONGEST_LINE {
            self.kept = line;
            return Goes::On;
        }
        self.put(&line, sent);
        self.is_within_line = !is_whole;
        Goes::On
    }

    fn is_word(&self, line: &[u8]) -> bool {
        let line = without_end(line);
        self.until.iter().any(|word| word == line)
    }

    fn may_become_word(&self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.until.iter().any(|word| word.starts_with(line))
    }

    /// Puts a line or a part of one on its way.
    fn put(&mut self, line: &[u8], sent: &mut Vec<u8>) {
        if self.has_lengths {
            sent.extend(Frame::Len32.wrap(line.strip_suffix(b"\n").unwrap_or(line)));
        } else if self.crlf {
            self.put_with_crlf(line, sent);
        } else {
            sent.extend_from_slice(line);
        }
    }

    fn put_with_crlf(&mut self, bytes: &[u8], sent: &mut Vec<u8>) {
        for &byte in bytes {
            if byte == b'\n' && !self.is_behind_cr {
                sent.push(b'\r');
            }
            sent.push(byte);
            self.is_behind_cr = byte == b'\r';
        }
    }
}

/// A text of a script as it is sent: one message where there are messages. It does not continue what was typed before.
pub(crate) fn script_text(text: &[u8], crlf: bool, frame: Frame) -> Vec<u8> {
    let mut sent = Vec::with_capacity(text.len() + 4);
    match frame {
        Frame::Len32 => sent = Frame::Len32.wrap(text),
        Frame::None | Frame::Line => Typed { crlf, ..Typed::default() }.put(text, &mut sent),
    }
    if frame == Frame::Line && !text.ends_with(b"\n") {
        sent.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
    }
    sent
}

/// Without LF or CR LF.
pub(crate) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Behind the first LF, or behind everything.
fn end_of_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |place| place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent for these reads, and whether a word ended the input.
    fn sent(mut typed: Typed, reads: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut sent = Vec::new();
        for read in reads {
            if typed.take(read, &mut sent) == Goes::NoFurther {
                return (sent, true);
            }
        }
        typed.finish(&mut sent);
        (sent, false)
    }

    fn until(words: &[&str]) -> Typed {
        Typed::new(words.iter().map(|word| word.as_bytes().to_vec()).collect(), false, Frame::None)
    }

    #[test]
    fn a_word_ends_the_input_only_as_a_whole_line() {
        type Case<'a> = (&'a [&'a [u8]], &'a [u8], bool);
        let cases: [Case<'_>; 9] = [
            (&[b"hi\nquit\nmore\n"], b"hi\n", true),
            (&[b"hi\nqu", b"it\n"], b"hi\n", true),
            (&[b"q", b"u", b"i", b"t", b"\r", b"\n"], b"", true),
            (&[b"quit"], b"", false),
            (&[b"quite\n"], b"quite\n", false),
            (&[b"do not ", b"quit\n"], b"do not quit\n", false),
            (&[b" quit\n"], b" quit\n", false),
            (&[b"qu", b"ark\nexit\n"], b"quark\n", true),
            (&[b"qui"], b"qui", false),
        ];
        for (reads, expected, ended) in cases {
            assert_eq!(sent(until(&["quit", "exit"]), reads), (expected.to_vec(), ended), "{reads:?}");
        }
    }

    #[test]
    fn what_cannot_become_a_word_is_not_kept_back() {
        let mut typed = until(&["quit"]);
        let mut sent = Vec::new();
        assert_eq!(typed.take(b"name: ", &mut sent), Goes::On);
        assert_eq!(sent, b"name: ");
        assert_eq!(typed.take(b"x\nqu", &mut sent), Goes::On);
        assert_eq!(sent, b"name: x\n");
    }

    #[test]
    fn only_a_lone_lf_becomes_cr_lf_across_reads_too() {
        let crlf = || Typed::new(Vec::new(), true, Frame::None);
        assert_eq!(sent(crlf(), &[b"a\nb\r\n\n"]).0, b"a\r\nb\r\n\r\n");
        assert_eq!(sent(crlf(), &[b"a\r", b"\nb", b"\n"]).0, b"a\r\nb\r\n");
        assert_eq!(sent(crlf(), &[b"a\rb\r"]).0, b"a\rb\r");
    }

    #[test]
    fn each_line_becomes_a_message_with_its_length() {
        let typed = || Typed::new(vec![b"bye".to_vec()], false, Frame::Len32);
        assert_eq!(
            sent(typed(), &[b"one\n", b"t", b"wo\n\nend"]).0,
            b"\0\0\0\x03one\0\0\0\x03two\0\0\0\0\0\0\0\x03end"
        );
        assert_eq!(sent(typed(), &[b"one\nb", b"ye\n"]), (b"\0\0\0\x03one".to_vec(), true));
        let long = vec![b'x'; LONGEST_LINE + 1];
        let mut typed = typed();
        let mut out = Vec::new();
        typed.take(&long, &mut out);
        assert!(out.len() > LONGEST_LINE && typed.kept.is_empty(), "what is kept is bounded");
    }

    #[test]
    fn a_text_of_a_script_is_one_message() {
        assert_eq!(script_text(b"a\nb", false, Frame::None), b"a\nb");
        assert_eq!(script_text(b"a\nb", true, Frame::Line), b"a\r\nb\r\n");
        assert_eq!(script_text(b"a\n", false, Frame::Line), b"a\n");
        assert_eq!(script_text(b"a\n", false, Frame::Len32), b"\0\0\0\x02a\n");
    }
}
