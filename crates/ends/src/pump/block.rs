//! One block of bytes on its way: filled by one read, emptied by as many writes as it takes.

use rustix::io::Errno;

/// The size of a block, in bytes.
const SIZE: usize = 256 * 1024;

/// Bytes on their way. It has memory from the first filling on.
#[derive(Debug, Default)]
pub(crate) struct Block {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl Block {
    /// Fills the block, which must be empty, by one call that gives how many bytes it put there.
    pub(crate) fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        if self.memory.len() < SIZE {
            self.memory.resize(SIZE, 0);
        }
        let length = read(&mut self.memory)?;
        (self.start, self.end) = (0, length.min(self.memory.len()));
        Ok(length)
    }

    /// Holds these bytes instead of what it held.
    pub(crate) fn put(&mut self, bytes: Vec<u8>) {
        (self.start, self.end) = (0, bytes.len());
        self.memory = bytes;
    }

    /// Whether some of what it held has gone, and it is not new.
    pub(crate) fn is_begun(&self) -> bool {
        self.start > 0
    }

    /// Hands the bytes to one call that gives how many it took.
    pub(crate) fn take(&mut self, write: impl FnOnce(&[u8]) -> Result<usize, Errno>) -> Result<usize, Errno> {
        let length = write(self.bytes())?;
        self.start = self.end.min(self.start + length);
        Ok(length)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn clear(&mut self) {
        self.start = self.end;
    }
}
