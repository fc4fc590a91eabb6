//! What has come: past those who look at it, to the output.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use wire::{Address, Fault};

use super::Show;
use crate::event::Event;
use crate::pump::block::Block;
use crate::pump::output::{Output, Wrote};
use crate::pump::{Expect, Over};

/// More than a UDP datagram can have, and than a Unix one has by itself (`net.core.wmem_max`), in bytes.
const LONGEST: usize = 256 * 1024;

/// So much is gathered before it is written, in bytes, as long as datagrams are there.
const GATHERED: usize = 64 * 1024;

/// A datagram as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// Its sender's number: 1, 2, … in order of arrival.
    pub client: u64,
    /// It is the first one of its sender.
    pub is_first: bool,
    /// Its sender.
    pub from: &'a Address,
    /// Our end: where there are several addresses, the one to which it was sent.
    pub local: &'a Address,
    /// What was kept of it.
    pub bytes: &'a [u8],
    /// The length that it had, where that is more.
    pub whole_bytes: Option<u64>,
}

/// Who looks at what comes, and where it goes.
pub(super) struct Eyes<'o> {
    pub(super) output: Option<BorrowedFd<'o>>,
    pub(super) shown: Option<Show<'o>>,
    pub(super) expect: Option<Expect<'o>>,
    pub(super) once: bool,
    pub(super) tell_data: bool,
}

/// What was received, and what of it is not written out yet.
pub(super) struct Arrivals<'o, 't> {
    output: Option<Output<'o>>,
    shown: Option<Show<'o>>,
    expect: Option<Expect<'o>>,
    once: bool,
    tell_data: bool,
    tell: &'t dyn Fn(Event),
    verdict: Option<Over>,
    buffer: Vec<u8>,
    /// What is to be written for the datagrams that have come one after the other.
    gathered: Vec<u8>,
    /// Of each of them: where it ends in what is written, and how long it was.
    marks: Vec<(usize, u64)>,
    to_output: Block,
    received: u64,
    in_bytes: u64,
    first: Option<Instant>,
}

impl<'o, 't> Arrivals<'o, 't> {
    pub(super) fn of(eyes: Eyes<'o>, tell: &'t dyn Fn(Event)) -> Arrivals<'o, 't> {
        let Eyes { output, shown, expect, once, tell_data } = eyes;
        Arrivals {
            output: output.map(Output::new),
            shown,
            expect,
            once,
            tell_data,
            tell,
            verdict: None,
            buffer: Vec::new(),
            gathered: Vec::new(),
            marks: Vec::new(),
            to_output: Block::default(),
            received: 0,
            in_bytes: 0,
            first: None,
        }
    }

    /// How many datagrams came.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn in_bytes(&self) -> u64 {
        self.in_bytes
    }

    /// When the first datagram came.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// What has come says that it is over.
    pub(super) fn verdict(&self) -> Option<Over> {
        self.verdict
    }

    pub(super) fn output_fd(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(Output::as_fd)
    }

    /// Whether all that came is written out.
    pub(super) fn are_written(&self) -> bool {
        self.to_output.is_empty() && self.gathered.is_empty()
    }

    /// Whether another datagram may be received.
    pub(super) fn have_room(&self) -> bool {
        self.verdict.is_none() && self.to_output.is_empty() && self.gathered.len() < GATHERED
    }

    /// How many bytes were received and did not get out. A datagram that was not written to its end counts as a whole.
    pub(super) fn unwritten(&self) -> u64 {
        let all = self.marks.last().map_or(0, |(end, _)| *end);
        let written = all - self.to_output.len() - self.gathered.len();
        self.marks.iter().filter(|(end, _)| *end > written).map(|(_, length)| length).sum()
    }

    /// Whether the output was left in the middle of something.
    pub(super) fn output_is_cut(&self) -> bool {
        !self.to_output.is_empty() && self.to_output.is_begun()
    }

    /// Where the next datagram goes.
    pub(super) fn buffer(&mut self) -> &mut [u8] {
        self.buffer.resize(LONGEST, 0);
        &mut self.buffer
    }

    /// A datagram of this length, which may be more than the buffer holds, is in the buffer.
    pub(super) fn take(
        &mut self,
        client: u64,
        is_first: bool,
        from: &Address,
        local: &Address,
        length: usize,
    ) {
        let bytes = &self.buffer[..length.min(self.buffer.len())];
        let whole_bytes = (length > bytes.len()).then_some(length as u64);
        self.received += 1;
        self.in_bytes += bytes.len() as u64;
        self.first.get_or_insert_with(Instant::now);
        if self.tell_data || whole_bytes.is_some() {
            (self.tell)(Event::Data { client, remote: from.clone(), bytes: bytes.to_vec(), whole_bytes });
        }
        if self.once {
            self.verdict = Some(Over::Once);
        }
        if self.expect.as_mut().is_some_and(|expect| expect(bytes)) {
            self.verdict = Some(Over::Expected);
        }
        if self.output.is_none() {
            return;
        }
        if self.gathered.is_empty() {
            self.marks.clear();
        }
        match self.shown {
            Some(shown) => {
                let arrival = Arrival { client, is_first, from, local, bytes, whole_bytes };
                self.gathered.extend_from_slice(&shown(&arrival));
            }
            None => self.gathered.extend_from_slice(bytes),
        }
        self.marks.push((self.gathered.len(), bytes.len() as u64));
    }

    /// Writes as much as is taken without waiting. `is_ready`: poll said that something is.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn write(&mut self, is_ready: bool) -> Result<Wrote, Fault> {
        let Some(output) = &self.output else { return Ok(Wrote::Some) };
        if self.to_output.is_empty() && !self.gathered.is_empty() {
            self.to_output.put(std::mem::take(&mut self.gathered));
        }
        output.write(&mut self.to_output, is_ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, PipeWriter, Read};
    use std::os::fd::AsFd;

    fn eyes(output: &PipeWriter) -> Eyes<'_> {
        Eyes { output: Some(output.as_fd()), shown: None, expect: None, once: false, tell_data: false }
    }

    fn take(arrivals: &mut Arrivals<'_, '_>, bytes: &[u8]) {
        arrivals.buffer()[..bytes.len()].copy_from_slice(bytes);
        arrivals.take(1, true, &Address::Unnamed, &Address::Unnamed, bytes.len());
    }

    fn pipe() -> (PipeReader, PipeWriter) {
        std::io::pipe().expect("a pipe")
    }

    #[test]
    fn what_comes_together_is_written_together() {
        let (mut reader, writer) = pipe();
        let mut arrivals = Arrivals::of(eyes(&writer), &|_| ());
        take(&mut arrivals, b"one");
        take(&mut arrivals, b"");
        take(&mut arrivals, b"two\n");
        assert!(!arrivals.are_written() && arrivals.have_room());
        assert_eq!(arrivals.write(false).expect("a pipe"), Wrote::Some);
        assert!(arrivals.are_written() && !arrivals.output_is_cut());
        assert_eq!((arrivals.received(), arrivals.in_bytes(), arrivals.unwritten()), (3, 7, 0));
        let mut written = [0; 7];
        reader.read_exact(&mut written).expect("a pipe");
        assert_eq!(&written, b"onetwo\n");
    }

    #[test]
    fn what_did_not_get_out_is_counted_by_datagrams() {
        let (_reader, writer) = pipe();
        rustix::pipe::fcntl_setpipe_size(&writer, 4096).expect("a pipe");
        let mut arrivals = Arrivals::of(eyes(&writer), &|_| ());
        for _ in 0..3 {
            take(&mut arrivals, &[b'x'; 3000]);
        }
        arrivals.write(false).expect("a pipe");
        assert!(arrivals.output_is_cut() && !arrivals.have_room());
        assert_eq!(arrivals.unwritten(), 6000, "the second one got out in part");
    }

    #[test]
    fn one_that_was_cut_is_told_in_any_case() {
        let (_reader, writer) = pipe();
        let told = std::cell::RefCell::new(Vec::new());
        let tell = |event: Event| {
            if let Event::Data { bytes, whole_bytes, .. } = event {
                told.borrow_mut().push((bytes.len(), whole_bytes));
            }
        };
        let mut arrivals = Arrivals::of(eyes(&writer), &tell);
        take(&mut arrivals, b"whole");
        arrivals.take(1, false, &Address::Unnamed, &Address::Unnamed, LONGEST + 1);
        assert_eq!(*told.borrow(), [(LONGEST, Some(LONGEST as u64 + 1))]);
        assert_eq!(arrivals.in_bytes(), 5 + LONGEST as u64);
    }

    #[test]
    fn the_first_or_the_expected_one_ends_it() {
        let (_reader, writer) = pipe();
        let mut arrivals = Arrivals::of(Eyes { once: true, ..eyes(&writer) }, &|_| ());
        take(&mut arrivals, b"");
        assert_eq!((arrivals.verdict(), arrivals.have_room()), (Some(Over::Once), false));
        let mut is_it = |bytes: &[u8]| bytes == b"it";
        let mut arrivals = Arrivals::of(Eyes { expect: Some(&mut is_it), ..eyes(&writer) }, &|_| ());
        take(&mut arrivals, b"not it");
        assert_eq!(arrivals.verdict(), None);
        take(&mut arrivals, b"it");
        assert_eq!(arrivals.verdict(), Some(Over::Expected));
    }
}
