//! From an input to datagrams: each line is one, its end included, and each text of a script is one.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use rustix::io::Errno;
use wire::frame::Frame;
use wire::{Doing, End, Fault, Transport};

use crate::pump::Input;
use crate::pump::source::Source;
use crate::pump::typed::{Goes, Typed, script_text};

/// How much is read at once, in bytes.
const READ: usize = 16 * 1024;

/// The longest datagram that is sent or kept whole, in bytes. UDP's has 16 bits for its length and its header of 8 (RFC
/// 768); through a Unix socket goes what the send buffer takes, 208 KiB if nobody changed it.
pub(super) fn longest(transport: Transport) -> usize {
    if transport.is_internet() { 65_535 - 8 } else { 256 * 1024 }
}

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// These bytes.
    Datagram(Vec<u8>),
    /// Nothing, for a line was this long.
    TooLong(usize),
}

/// The input, and what of it was read and is not taken yet.
pub(super) struct DatagramInput<'a> {
    source: Source<'a>,
    typed: Typed,
    crlf: bool,
    /// How texts of a script become messages.
    frame: Frame,
    is_script: bool,
    longest: usize,
    /// The beginning of a line, and how long it is: what is beyond the longest is not kept.
    line: Vec<u8>,
    line_length: usize,
    said: VecDeque<Said>,
}

impl<'a> DatagramInput<'a> {
    pub(super) fn new(
        input: Input<'a>,
        until: Vec<Vec<u8>>,
        crlf: bool,
        frame: Frame,
        longest: usize,
    ) -> DatagramInput<'a> {
        let is_script = matches!(input, Input::Script(_));
        DatagramInput {
            source: Source::of(input),
            typed: Typed::new(until, crlf, Frame::None),
            crlf,
            frame,
            is_script,
            longest,
            line: Vec::new(),
            line_length: 0,
            said: VecDeque::new(),
        }
    }

    pub(super) fn is_script(&self) -> bool {
        self.is_script
    }

    /// Whether all has been said and taken.
    pub(super) fn has_ended(&self) -> bool {
        self.source.has_ended() && self.said.is_empty()
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'a>> {
        self.source.fd()
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.source.due()
    }

    /// Whether there is a datagram to be taken.
    pub(super) fn holds_something(&self) -> bool {
        !self.said.is_empty()
    }

    /// How many bytes were read and not taken.
    pub(super) fn held(&self) -> usize {
        let said = |said: &Said| match said {
            Said::Datagram(bytes) => bytes.len(),
            Said::TooLong(length) => *length,
        };
        self.said.iter().map(said).sum::<usize>() + self.line_length
    }

    /// The next datagram.
    pub(super) fn next(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    /// Reads what poll says is there, or takes the text that is due; whether the input has ended by that.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub(super) fn read(&mut self, now: Instant) -> Result<bool, Fault> {
        if let Some(text) = self.source.text(now) {
            let text = script_text(&text, self.crlf, self.frame);
            let is_too_long = text.len() > self.longest;
            self.said.push_back(if is_too_long { Said::TooLong(text.len()) } else { Said::Datagram(text) });
        }
        let Some(fd) = self.source.fd() else { return Ok(self.source.has_ended()) };
        let mut read = [0; READ];
        match rustix::io::read(fd, &mut read) {
            // EBADF: there is no standard input.
            Ok(0) | Err(Errno::BADF) => self.end(),
            Ok(length) => {
                let mut sent = Vec::with_capacity(length);
                let goes = self.typed.take(&read[..length], &mut sent);
                self.split(&sent);
                if goes == Goes::NoFurther {
                    self.end();
                }
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => {
                return Err(Fault::errno(End::You, Doing::Read, "standard input", error.raw_os_error()));
            }
        }
        Ok(self.source.has_ended())
    }

    fn end(&mut self) {
        self.source = Source::Ended;
        let mut rest = Vec::new();
        self.typed.finish(&mut rest);
        self.split(&rest);
        if self.line_length > 0 {
            self.line_ends();
        }
    }

    fn split(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line_length += part.len();
            let room = self.longest.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.line_ends();
            }
        }
    }

    fn line_ends(&mut self) {
        let (line, length) = (std::mem::take(&mut self.line), std::mem::take(&mut self.line_length));
        self.said.push_back(if length > self.longest { Said::TooLong(length) } else { Said::Datagram(line) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pump::Script;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::time::Duration;

    fn said(written: &[u8], until: &[&str], crlf: bool, longest: usize) -> Vec<Said> {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let until = until.iter().map(|word| word.as_bytes().to_vec()).collect();
        let mut input = DatagramInput::new(Input::Fd(reader.as_fd()), until, crlf, Frame::None, longest);
        writer.write_all(written).expect("a pipe");
        drop(writer);
        let mut all = Vec::new();
        while !input.has_ended() {
            input.read(Instant::now()).expect("a pipe");
            all.extend(std::iter::from_fn(|| input.next()));
        }
        assert_eq!(input.held(), 0);
        all
    }

    fn datagrams<const N: usize>(texts: [&str; N]) -> Vec<Said> {
        texts.iter().map(|text| Said::Datagram(text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn each_line_is_one_and_the_last_needs_no_end() {
        assert_eq!(said(b"one\n\ntwo", &[], false, 100), datagrams(["one\n", "\n", "two"]));
        assert_eq!(said(b"one\ntwo\n", &[], true, 100), datagrams(["one\r\n", "two\r\n"]));
        assert_eq!(said(b"one\nquit\nmore\n", &["quit"], false, 100), datagrams(["one\n"]));
        assert_eq!(said(b"", &[], false, 100), []);
    }

    #[test]
    fn a_line_that_no_datagram_can_carry_is_skipped_whole() {
        let mut expected = datagrams(["1234\n"]);
        expected.extend([Said::TooLong(6)]);
        expected.extend(datagrams(["ok\n"]));
        expected.push(Said::TooLong(7));
        assert_eq!(said(b"1234\n12345\nok\n1234567", &[], false, 5), expected);
        let long = vec![b'x'; 60_000];
        assert_eq!(said(&long, &[], false, 50_000), [Said::TooLong(60_000)]);
    }

    #[test]
    fn a_script_says_each_text_when_it_is_due() {
        let script = Script { texts: vec![b"a\nb".to_vec(), b"c".to_vec()], every: None };
        let mut input = DatagramInput::new(Input::Script(script), Vec::new(), false, Frame::None, 2);
        let now = Instant::now();
        assert_eq!((input.read(now), input.next()), (Ok(false), Some(Said::TooLong(3))));
        assert_eq!((input.read(now), input.next()), (Ok(true), Some(Said::Datagram(b"c".to_vec()))));
        let script = Script { texts: vec![b"a".to_vec()], every: Some(Duration::from_secs(60)) };
        let mut input = DatagramInput::new(Input::Script(script), Vec::new(), false, Frame::Line, 9);
        let now = Instant::now();
        assert_eq!((input.read(now), input.next()), (Ok(false), Some(Said::Datagram(b"a\n".to_vec()))));
        assert_eq!((input.read(now), input.next()), (Ok(false), None));
    }
}
