//! A pipe of our own through which the kernel moves pages between a socket and a file or pipe without copying them:
//! splice(2).
//!
//! What is in it has been read and not yet written, so it counts like what is in a buffer. The kernel may refuse any of
//! it (a file opened with `O_APPEND`, a file system that cannot): then the bytes go through a buffer as they always may.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// How much it holds: as much as anybody may ask for by default (`fs.pipe-max-size`). A pipe of the usual 64 KiB costs a
/// third of the speed.
const CAPACITY: usize = 1 << 20;

/// The pipe, and how many bytes are in it.
#[derive(Debug)]
pub(super) struct Conduit {
    entrance: OwnedFd,
    exit: OwnedFd,
    held: usize,
}

impl Conduit {
    /// None when the kernel has no pipe for us.
    pub(super) fn new() -> Option<Conduit> {
        let (exit, entrance) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // Refused where the user has many pipes (`fs.pipe-user-pages-soft`): then it is a smaller one.
        let _ = fcntl_setpipe_size(&entrance, CAPACITY);
        Some(Conduit { entrance, exit, held: 0 })
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes what there is, up to what fits. Only a regular file may make it wait. 0: the end.
    pub(super) fn fill(&mut self, from: BorrowedFd<'_>) -> Result<usize, Errno> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let taken = splice(from, None, &self.entrance, None, CAPACITY, flags)?;
        self.held += taken;
        Ok(taken)
    }

    /// Gives as much of what it holds as is taken without waiting. `goes_on`: a socket may wait for more before it sends
    /// a short segment.
    pub(super) fn drain(&mut self, to: BorrowedFd<'_>, goes_on: bool) -> Result<usize, Errno> {
        let mut flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        flags.set(SpliceFlags::MORE, goes_on);
        let given = splice(&self.exit, None, to, None, self.held, flags)?;
        self.held -= given.min(self.held);
        Ok(given)
    }

    /// Whether an error says only that the kernel does not move pages here: they have to be copied.
    pub(super) fn is_refusal(error: Errno) -> bool {
        matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
    }

    /// What it still holds, where the kernel will not move it on.
    pub(super) fn rescue(mut self) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; self.held];
        let mut length = 0;
        while length < bytes.len() {
            match rustix::io::read(self.exit.as_fd(), &mut bytes[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        self.held = 0;
        bytes.truncate(length);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};

    #[test]
    fn bytes_pass_and_are_counted() {
        let mut from = tempfile::tempfile().expect("a file");
        from.write_all(b"some bytes").and_then(|()| from.rewind()).expect("a file");
        let (mut out, to) = std::io::pipe().expect("a pipe");
        let mut conduit = Conduit::new().expect("a pipe");
        assert_eq!(conduit.fill(from.as_fd()), Ok(10));
        assert_eq!((conduit.held(), conduit.drain(to.as_fd(), false), conduit.held()), (10, Ok(10), 0));
        assert_eq!(conduit.fill(from.as_fd()), Ok(0));
        drop(to);
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).expect("a pipe");
        assert_eq!(bytes, b"some bytes");
    }

    #[test]
    fn a_file_that_only_grows_takes_nothing_from_a_pipe_and_the_bytes_are_rescued() {
        let (from, mut typed) = std::io::pipe().expect("a pipe");
        typed.write_all(b"kept").expect("room");
        let folder = tempfile::tempdir().expect("a folder");
        let growing = std::fs::File::options().append(true).create(true).open(folder.path().join("log"));
        let growing = growing.expect("a file");
        let mut conduit = Conduit::new().expect("a pipe");
        assert_eq!(conduit.fill(from.as_fd()), Ok(4));
        assert_eq!(conduit.drain(growing.as_fd(), false), Err(Errno::INVAL));
        assert_eq!(conduit.rescue().as_deref(), Ok(&b"kept"[..]));
    }

    #[test]
    fn nothing_waits_for_an_empty_or_a_full_pipe() {
        let (from, typed) = std::io::pipe().expect("a pipe");
        let mut conduit = Conduit::new().expect("a pipe");
        assert_eq!(conduit.fill(from.as_fd()), Err(Errno::AGAIN));
        let mut full = rustix::pipe::fcntl_getpipe_size(&typed).expect("a pipe");
        (&typed).write_all(&vec![b'x'; full]).expect("room");
        while conduit.fill(from.as_fd()).is_ok() {}
        (&typed).write_all(&vec![b'x'; full]).expect("room");
        full = conduit.held();
        assert_eq!(conduit.drain(typed.as_fd(), false), Err(Errno::AGAIN));
        assert_eq!(conduit.held(), full);
    }
}
