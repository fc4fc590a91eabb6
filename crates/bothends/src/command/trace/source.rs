//! Where a capture comes from: a file, or standard input, which a person may end with ^C.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use kernel::signal::Signals;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use wire::{Doing, End, Fault};

/// A capture to be read.
pub(super) enum Source {
    /// A file.
    File(File),
    /// Standard input.
    Stdin(Stdin),
}

/// Standard input: ^C ends it, so that what was read is shown; a second one ends the program as usual.
pub(super) struct Stdin {
    interrupt: Option<Signals>,
    ended: bool,
}

impl Source {
    /// Opens it; `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Source, Fault> {
        if path.as_os_str() == "-" {
            let interrupt = Signals::take(&[Signal::INT]).ok();
            return Ok(Source::Stdin(Stdin { interrupt, ended: false }));
        }
        let file = File::open(path);
        file.map(Source::File)
            .map_err(|error| Fault::io(End::You, Doing::Open, path.display().to_string(), &error))
    }

    /// The file, where it is one.
    pub(super) fn file(&self) -> Option<&File> {
        match self {
            Source::File(file) => Some(file),
            Source::Stdin(_) => None,
        }
    }

    pub(super) fn is_stdin(&self) -> bool {
        matches!(self, Source::Stdin(_))
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::File(file) => file.read(buffer),
            Source::Stdin(stdin) => stdin.read(buffer),
        }
    }
}

impl Stdin {
    /// Reads the descriptor itself: a buffer between would hide from poll what is there.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
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
