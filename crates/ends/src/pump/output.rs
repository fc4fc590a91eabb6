//! Writing received bytes to a descriptor that others share, without ever waiting in the write itself: a signal must end
//! us also while nobody reads.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kernel::descriptors::reopened_for_writing;
use kernel::socket::PIPE_TAKES;
use rustix::fs::{FileType, major, minor};
use rustix::io::Errno;
use rustix::net::SendFlags;
use wire::{Doing, End, Fault};

use super::block::Block;
use super::conduit::Conduit;
use crate::shortage::is_short_of_memory;

/// The device numbers of `/dev/null` (Linux's devices.txt).
const NULL: (u32, u32) = (1, 3);

/// What came of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// All of it, or as much as was taken for now.
    Some,
    /// Nobody reads what is written there, and nobody will.
    NobodyReads,
    /// The kernel does not move pages there, or not now: it has to be written from a buffer.
    NotByConduit,
}

/// The output, by the way in which it is written without waiting.
#[derive(Debug)]
pub(crate) enum Output<'a> {
    /// A terminal or pipe, opened again for us alone.
    Own(OwnedFd),
    /// A socket: each call says that it does not want to wait.
    Socket(BorrowedFd<'a>),
    /// A file or device that takes everything at once.
    File(BorrowedFd<'a>),
    /// A terminal or pipe that may not be opened again: in pieces that it takes once poll says so.
    InPieces(BorrowedFd<'a>),
}

impl<'a> Output<'a> {
    pub(crate) fn new(fd: BorrowedFd<'a>) -> Output<'a> {
        if let Some(own) = reopened_for_writing(fd) {
            return Output::Own(own);
        }
        match rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Socket) => Output::Socket(fd),
            Ok(FileType::Fifo) => Output::InPieces(fd),
            Ok(FileType::CharacterDevice) if rustix::termios::isatty(fd) => Output::InPieces(fd),
            _ => Output::File(fd),
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Output::Own(own) => own.as_fd(),
            Output::Socket(fd) | Output::File(fd) | Output::InPieces(fd) => *fd,
        }
    }

    /// Whether the kernel may move pages there from a pipe: into files, pipes and `/dev/null`.
    pub(super) fn may_be_spliced_to(&self) -> bool {
        let Ok(stat) = rustix::fs::fstat(self.as_fd()) else { return false };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Fifo => true,
            FileType::CharacterDevice => (major(stat.st_rdev), minor(stat.st_rdev)) == NULL,
            _ => false,
        }
    }

    /// Moves as much as is taken without waiting.
    pub(super) fn move_from(&self, conduit: &mut Conduit) -> Result<Wrote, Fault> {
        while !conduit.is_empty() {
            match conduit.drain(self.as_fd(), false) {
                Ok(0) => return Ok(Wrote::NotByConduit),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) if Conduit::is_refusal(error) || is_short_of_memory(error) => {
                    return Ok(Wrote::NotByConduit);
                }
                Err(Errno::AGAIN) => return Ok(Wrote::Some),
                Err(Errno::PIPE) => return Ok(Wrote::NobodyReads),
                Err(error) => return Err(unwritable(error)),
            }
        }
        Ok(Wrote::Some)
    }

    /// Writes as much as is taken without waiting. `is_ready`: poll said that something is.
    pub(crate) fn write(&self, block: &mut Block, is_ready: bool) -> Result<Wrote, Fault> {
        let mut is_ready = is_ready;
        while !block.is_empty() {
            let result = block.take(|bytes| match self {
                Output::Socket(fd) => rustix::net::send(fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT),
                Output::InPieces(_) if !is_ready => Err(Errno::AGAIN),
                Output::InPieces(fd) => rustix::io::write(fd, &bytes[..bytes.len().min(PIPE_TAKES)]),
                Output::Own(own) => rustix::io::write(own, bytes),
                Output::File(fd) => rustix::io::write(fd, bytes),
            });
            is_ready = false;
            match result {
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Wrote::Some),
                Err(Errno::PIPE | Errno::CONNRESET) => return Ok(Wrote::NobodyReads),
                Err(error) => return Err(unwritable(error)),
            }
        }
        Ok(Wrote::Some)
    }
}

fn unwritable(error: Errno) -> Fault {
    Fault::errno(End::You, Doing::Write, "standard output", error.raw_os_error())
}
