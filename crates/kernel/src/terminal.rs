//! Who has the terminal. Read first: credentials(7), tcsetpgrp(3), termios(3).

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::Signal;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr, tcsetpgrp};

use crate::signal::Signals;

/// Makes the calling process's group the one that the terminal reads from and sends signals to.
///
/// # Errors
/// The kernel's errno: `ENOTTY` where it is not the terminal of this session.
pub fn take(terminal: BorrowedFd<'_>) -> Result<(), i32> {
    // Taking it from the background would stop this process, unless it does not hear that (POSIX tcsetpgrp).
    let _unheard = Signals::take(&[Signal::TTOU])?;
    tcsetpgrp(terminal, rustix::process::getpgrp()).map_err(Errno::raw_os_error)
}

/// How a terminal stands, to be restored when a program that had it has gone.
#[derive(Debug)]
pub struct Kept(Termios);

impl Kept {
    /// How it stands now; none where it is no terminal.
    pub fn of(terminal: BorrowedFd<'_>) -> Option<Kept> {
        tcgetattr(terminal).ok().map(Kept)
    }

    /// Takes the terminal back and has it as it was.
    pub fn restore(&self, terminal: BorrowedFd<'_>) {
        if take(terminal).is_ok() {
            // Input that nobody has read yet is for whoever comes next.
            let _ = tcsetattr(terminal, OptionalActions::Now, &self.0);
        }
    }
}
