//! The piece of a source that is in memory: filled from behind in large reads, consumed from the front.

use std::io::{self, Read};

/// What one read asks for, in bytes; also the size of the buffer until a longer record needs more.
const CHUNK: usize = 256 * 1024;

/// A window onto a source.
#[derive(Debug)]
pub(crate) struct Window<R> {
    source: R,
    /// Allocated and zeroed once; `start..end` is filled.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The offset of `start` in the source.
    offset: u64,
    at_end: bool,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(source: R) -> Window<R> {
        Window { source, buffer: vec![0; CHUNK], start: 0, end: 0, offset: 0, at_end: false }
    }

    /// Makes `wanted` bytes available if the source has them; tells how many there are. Never waits for more than asked.
    ///
    /// The caller has bounded `wanted`: the buffer grows to it.
    #[inline]
    pub(crate) fn fill(&mut self, wanted: usize) -> io::Result<usize> {
        if self.end - self.start < wanted {
            self.read_up_to(wanted)?;
        }
        Ok(self.end - self.start)
    }

    /// Drops `count` bytes from the front, reading those that are not in the window, or all if the source has fewer.
    pub(crate) fn skip(&mut self, count: usize) -> io::Result<()> {
        let mut left = count;
        loop {
            left -= self.take(left).len();
            if left == 0 || self.fill(1)? == 0 {
                return Ok(());
            }
        }
    }

    fn read_up_to(&mut self, wanted: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.end < wanted && !self.at_end {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<R> Window<R> {
    /// All that is available.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Drops `count` bytes from the front (all, if there are fewer) and lends them; they stay in place until the next
    /// `fill`.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start = from.saturating_add(count).min(self.end);
        self.offset += (self.start - from) as u64;
        &self.buffer[from..self.start]
    }

    /// Where the front is in the source.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }
}
