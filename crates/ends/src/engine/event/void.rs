//! Throwing bytes away without touching them: socket → pipe → /dev/null by splice(2), which moves pages, not bytes.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// How much the pipe holds, in bytes: what an unprivileged process may ask for (`fs.pipe-max-size`). The default of
/// 64 KiB costs a third of the rate.
const PIPE: usize = 1024 * 1024;

/// A pipe that ends in nothing.
#[derive(Debug)]
pub(super) struct Void {
    entry: OwnedFd,
    exit: OwnedFd,
    nothing: OwnedFd,
}

impl Void {
    /// None where the descriptors for it are wanting.
    pub(super) fn open() -> Option<Void> {
        let nothing = rustix::fs::open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let (exit, entry) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // Where the user's pipes have used up their pages, the pipe stays as it is, and works.
        let _ = fcntl_setpipe_size(&entry, PIPE);
        Some(Void { entry, exit, nothing })
    }

    /// Takes up to so many bytes from a socket that never waits; gives how many came, 0 at its end.
    ///
    /// # Errors
    /// Those of the socket; `EINVAL` for a kind of socket that cannot be spliced.
    pub(super) fn swallow(&mut self, socket: impl AsFd, at_most: usize) -> Result<usize, Errno> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let length = splice(socket, None, &self.entry, None, at_most.min(PIPE), flags)?;
        let mut left = length;
        while left > 0 {
            match splice(&self.exit, None, &self.nothing, None, left, flags) {
                Ok(gone) if gone > 0 => left -= gone.min(left),
                Err(Errno::INTR) => {}
                // The null device takes everything. If not, a new pipe is empty as well.
                _ => {
                    if let Some(new) = Void::open() {
                        *self = new;
                    }
                    break;
                }
            }
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    #[test]
    fn everything_is_swallowed_and_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (server, _) = listener.accept().expect("a client is there");
        server.set_nonblocking(true).expect("a socket");
        let mut void = Void::open().expect("descriptors");
        assert_eq!(void.swallow(&server, PIPE), Err(Errno::AGAIN));
        // More than the pipe holds: it has to be emptied each time.
        let sender = std::thread::spawn(move || client.write_all(&vec![7; 5 * PIPE]));
        let mut sum = 0;
        loop {
            match void.swallow(&server, PIPE) {
                Ok(0) => break,
                Ok(length) => sum += length,
                Err(Errno::AGAIN) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
        sender.join().expect("no panic").expect("all was taken");
        assert_eq!(sum, 5 * PIPE);
    }

    #[test]
    fn no_more_is_taken_than_is_asked_for() {
        let (mut client, server) = UnixStream::pair().expect("a pair");
        server.set_nonblocking(true).expect("a socket");
        client.write_all(b"hello").expect("room");
        let mut void = Void::open().expect("descriptors");
        assert_eq!(void.swallow(&server, 2), Ok(2));
        assert_eq!(void.swallow(&server, 100), Ok(3));
        drop(client);
        assert_eq!(void.swallow(&server, 100), Ok(0));
    }
}
