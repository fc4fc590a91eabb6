//! The operator's keyboard: what is typed where the server runs reaches the service. Its end ends nothing.

use std::io::{BufRead, IsTerminal, Read};
use std::time::Duration;

use ends::operator::Keyboard;
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

/// The longest line that is taken in one piece, in bytes.
const LONGEST: u64 = 8 * 1024;
/// How often a program in the background looks whether it is in the foreground again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Starts a thread that hands on lines of standard input until they end. Without a thread there is no operator.
pub(super) fn start(keyboard: Keyboard) {
    let named = std::thread::Builder::new().name("keyboard".to_owned());
    drop(named.spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let is_terminal = stdin.is_terminal();
        let may_read = || !is_terminal || waits_for_the_foreground();
        while may_read() {
            match next_line(&mut stdin) {
                Some(line) => keyboard.line(line),
                None => break,
            }
        }
    }));
}

/// A line without its end; none at the end of the input.
fn next_line(input: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let count = input.by_ref().take(LONGEST).read_until(b'\n', &mut line).ok()?;
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    (count > 0).then_some(line)
}

/// Reading the terminal from the background would stop the whole server (SIGTTIN, termios(3)).
fn waits_for_the_foreground() -> bool {
    let is_behind = || tcgetpgrp(std::io::stdin()).is_ok_and(|foreground| foreground != getpgrp());
    while is_behind() {
        std::thread::sleep(LOOK_AGAIN);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_whole_and_very_long_ones_in_pieces() {
        let long = vec![b'x'; 10_000];
        let input = [b"one\r\n\ntwo\n", &long[..], b"\nlast"].concat();
        let mut input = &input[..];
        let mut next = || next_line(&mut input);
        assert_eq!(next().as_deref(), Some(&b"one"[..]));
        assert_eq!(next().as_deref(), Some(&b""[..]));
        assert_eq!(next().as_deref(), Some(&b"two"[..]));
        assert_eq!((next().map(|line| line.len()), next().map(|line| line.len())), (Some(8192), Some(1808)));
        assert_eq!((next().as_deref(), next()), (Some(&b"last"[..]), None));
    }
}
