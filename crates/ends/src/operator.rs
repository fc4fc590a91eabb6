//! Whoever runs a server, at its keyboard: lines typed there reach the service between the clients' bytes.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::EventfdFlags;
use wire::Fault;

use crate::stop::{counter, ring, take_one};

/// How many lines wait at most; whoever types more waits for the server.
const MOST: usize = 64;

/// The server's end. Its descriptor is readable when there is a line to take.
#[derive(Debug)]
pub struct Operator {
    shared: Arc<Shared>,
}

/// The keyboard's end.
#[derive(Clone, Debug)]
pub struct Keyboard {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lines: Mutex<VecDeque<Vec<u8>>>,
    taken: std::sync::Condvar,
    bell: OwnedFd,
}

/// Both ends.
///
/// # Errors
/// When the kernel has no descriptor left.
pub fn operator() -> Result<(Operator, Keyboard), Fault> {
    let bell = counter(EventfdFlags::SEMAPHORE)?;
    let shared = Arc::new(Shared { lines: Mutex::default(), taken: std::sync::Condvar::new(), bell });
    Ok((Operator { shared: Arc::clone(&shared) }, Keyboard { shared }))
}

impl Operator {
    /// Takes one line, without its end, if there is one. Never waits.
    pub(crate) fn take(&self) -> Option<Vec<u8>> {
        take_one(self.as_fd());
        let line = self.shared.lock().pop_front();
        self.shared.taken.notify_one();
        line
    }
}

impl AsFd for Operator {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.bell.as_fd()
    }
}

impl Keyboard {
    /// Hands on a line, without its end; waits while too many wait.
    pub fn line(&self, line: Vec<u8>) {
        let mut lines = self.shared.lock();
        while lines.len() >= MOST {
            lines = self.shared.taken.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
        lines.push_back(line);
        ring(self.shared.bell.as_fd());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_in_order_and_once() {
        let (operator, keyboard) = operator().expect("a descriptor");
        assert_eq!(operator.take(), None);
        keyboard.line(b"one".to_vec());
        keyboard.line(b"two".to_vec());
        assert_eq!(operator.take().as_deref(), Some(&b"one"[..]));
        assert_eq!(operator.take().as_deref(), Some(&b"two"[..]));
        assert_eq!(operator.take(), None);
        assert!(!take_one(operator.as_fd()), "the bell is silent when nothing is left");
    }
}
