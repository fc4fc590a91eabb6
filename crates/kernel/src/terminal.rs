//! Who has the terminal, and single keys from it. Read first: credentials(7), tcsetpgrp(3), termios(3).

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::Signal;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr, tcsetpgrp,
};

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

/// Waits for a key, whichever, and says which byte it sent first; it is not shown. The keys that mean a signal still
/// do, when the terminal is as it was before. None where this is no terminal, or it has gone: nobody was waited for.
pub fn wait_for_key(terminal: BorrowedFd<'_>) -> Option<u8> {
    loop {
        let before = tcgetattr(terminal).ok()?;
        let mut keys = before.clone();
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        keys.special_codes[SpecialCodeIndex::VMIN] = 1;
        keys.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Now, &keys).ok()?;
        let mut key = [0];
        let read = rustix::io::retry_on_intr(|| rustix::io::read(terminal, &mut key));
        // The rest of what one key sends, as an arrow does, is thrown away.
        let _ = tcsetattr(terminal, OptionalActions::Flush, &before);
        match (read, signal_of(&before, key[0])) {
            (Ok(1), None) => return Some(key[0]),
            // As the terminal would have done it: to all of its foreground. Who stops here goes on waiting afterwards.
            (Ok(1), Some(signal)) => {
                let _ = rustix::process::kill_current_process_group(signal);
            }
            _ => return None,
        }
    }
}

/// The signal that this key means.
fn signal_of(terminal: &Termios, key: u8) -> Option<Signal> {
    let means = [
        (SpecialCodeIndex::VINTR, Signal::INT),
        (SpecialCodeIndex::VQUIT, Signal::QUIT),
        (SpecialCodeIndex::VSUSP, Signal::TSTP),
    ];
    // A key that is 0 is switched off.
    let of_key = means.into_iter().find(|(code, _)| key != 0 && terminal.special_codes[*code] == key);
    of_key.map(|(_, signal)| signal).filter(|_| terminal.local_modes.contains(LocalModes::ISIG))
}
