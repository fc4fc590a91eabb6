//! Where a capture comes from: a file, or standard input, which a person may end with ^C. Either may be packed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use kernel::signal::Signals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use wire::{Doing, End, Fault};

use super::compression::Unpacked;
use crate::out::Out;

/// A capture to be read, unpacked if it is packed.
pub(super) struct Source<'o> {
    is_stdin: bool,
    file: Option<File>,
    bytes: Unpacked<Origin<'o>>,
}

/// Where its bytes are.
enum Origin<'o> {
    /// A file.
    File(File),
    /// Standard input.
    Stdin(Stdin<'o>),
}

/// Standard input: ^C ends it, so that what was read is shown; a second one ends the program as usual.
struct Stdin<'o> {
    out: &'o Out,
    interrupt: Option<Signals>,
    ended: bool,
}

impl<'o> Source<'o> {
    /// Opens it; `-` is standard input.
    pub(super) fn open(path: &Path, out: &'o Out) -> Result<Source<'o>, Fault> {
        if path.as_os_str() == "-" {
            let interrupt = Signals::take(&[Signal::INT]).ok();
            return Ok(Source::of(Origin::Stdin(Stdin { out, interrupt, ended: false })));
        }
        let file = File::open(path);
        file.map(|file| Source::of(Origin::File(file)))
            .map_err(|error| Fault::io(End::You, Doing::Open, path.display().to_string(), &error))
    }

    /// The file, where it is one: its place is how far it has been read, packed or not.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// True when this path leads to the very file that is read: to write there would destroy it.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let ours = match &self.file {
            Some(file) => file.metadata().map(|ours| (ours.dev(), ours.ino())).ok(),
            None => rustix::fs::fstat(io::stdin()).map(|ours| (ours.st_dev, ours.st_ino)).ok(),
        };
        let theirs = fs::metadata(path).ok().filter(fs::Metadata::is_file);
        ours.is_some() && ours == theirs.map(|theirs| (theirs.dev(), theirs.ino()))
    }

    fn of(origin: Origin<'o>) -> Source<'o> {
        let file = match &origin {
            Origin::File(file) => file.try_clone().ok(),
            Origin::Stdin(_) => None,
        };
        Source { is_stdin: matches!(origin, Origin::Stdin(_)), file, bytes: Unpacked::new(origin) }
    }

    pub(super) fn is_stdin(&self) -> bool {
        self.is_stdin
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl Read for Origin<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Origin::File(file) => file.read(buffer),
            Origin::Stdin(stdin) => stdin.read(buffer),
        }
    }
}

impl Stdin<'_> {
    /// Reads the descriptor itself: a buffer between would hide from poll what is there.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.show_before_waiting();
        if self.interrupt.as_ref().is_some_and(interrupted_first) {
            self.interrupt = None;
            self.ended = true;
        }
        if self.ended {
            return Ok(0);
        }
        loop {
            match rustix::io::read(io::stdin().as_fd(), &mut *buffer) {
                Err(Errno::INTR) => {}
                read => return read.map_err(io::Error::from),
            }
        }
    }
}

impl Stdin<'_> {
    /// What is known of a capture that still grows is seen before more of it is waited for.
    fn show_before_waiting(&self) {
        let stdin = io::stdin();
        let mut watched = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
        if poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0) {
            self.out.flush();
        }
    }
}

/// Waits until there is something to read; true when a signal came before.
fn interrupted_first(signals: &Signals) -> bool {
    let stdin = io::stdin();
    loop {
        let mut watched = [
            PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
        ];
        match poll(&mut watched, None) {
            Err(Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => return !watched[1].revents().is_empty() && signals.next().is_some(),
        }
    }
}
