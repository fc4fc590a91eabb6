//! What children hear, passed to the parent through one pipe: only the parent tells.
//!
//! Each message is written by one write of at most `PIPE_BUF` bytes, which pipe(7) promises not to mix with others'. A
//! full pipe makes the child wait, and with it its client. Message: length of all that follows (u16), client (u64),
//! length of the address as text (u8), address, bytes; numbers in this machine's order.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kernel::socket::PIPE_TAKES;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use wire::Address;

use crate::service::Client;

/// The longest address: `[ffff:…:ffff%4294967295]:65535`.
const ADDRESS_AT_MOST: usize = 64;
const HEAD: usize = 2 + 8 + 1;

/// The children's end.
#[derive(Debug)]
pub(super) struct Teller {
    pipe: OwnedFd,
}

/// What has come of a message that has not come whole.
#[derive(Debug, Default)]
pub(super) struct Hearsay {
    rest: Vec<u8>,
}

/// The parent's end of a new pipe, which never waits, and the children's; the error is the kernel's errno.
pub(super) fn channel() -> Result<(OwnedFd, Teller), i32> {
    let (heard, pipe) = pipe_with(PipeFlags::CLOEXEC).map_err(Errno::raw_os_error)?;
    rustix::io::ioctl_fionbio(&heard, true).map_err(Errno::raw_os_error)?;
    Ok((heard, Teller { pipe }))
}

impl Teller {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Tells what arrived, in as many messages as it takes. Ends quietly when the parent is gone: so is the child, soon.
    pub(super) fn tell(&self, client: Client, remote: &Address, bytes: &[u8]) {
        let address = remote.to_string();
        for piece in bytes.chunks(PIPE_TAKES - HEAD - ADDRESS_AT_MOST) {
            if self.send(&message(client, &address, piece)).is_err() {
                return;
            }
        }
    }

    fn send(&self, message: &[u8]) -> Result<(), Errno> {
        loop {
            match rustix::io::write(&self.pipe, message) {
                Err(Errno::INTR) => {}
                result => return result.map(drop),
            }
        }
    }
}

impl Hearsay {
    /// Hands on every message that has come through the pipe. Never waits.
    pub(super) fn hear(&mut self, pipe: BorrowedFd<'_>, mut each: impl FnMut(u64, Address, Vec<u8>)) {
        let mut chunk = [0; 16 * 1024];
        loop {
            match rustix::io::read(pipe, &mut chunk) {
                Ok(0) => return,
                Ok(length) => self.rest.extend_from_slice(&chunk[..length]),
                Err(Errno::INTR) => continue,
                Err(_) => return,
            }
            let mut taken = 0;
            while let Some(whole) = first_message(&self.rest[taken..]) {
                if let Some((client, remote, bytes)) = parse(whole) {
                    each(client, remote, bytes.to_vec());
                }
                taken += 2 + whole.len();
            }
            self.rest.drain(..taken);
        }
    }
}

fn message(client: Client, address: &str, bytes: &[u8]) -> Vec<u8> {
    let address = &address.as_bytes()[..address.len().min(ADDRESS_AT_MOST)];
    let length = (HEAD - 2 + address.len() + bytes.len()) as u16;
    let mut message = Vec::with_capacity(2 + usize::from(length));
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&client.0.to_ne_bytes());
    message.push(address.len() as u8);
    message.extend_from_slice(address);
    message.extend_from_slice(bytes);
    message
}

/// The first message of these bytes, without its length, if it is there whole.
fn first_message(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.get(..usize::from(u16::from_ne_bytes(*length)))
}

fn parse(message: &[u8]) -> Option<(u64, Address, &[u8])> {
    let (client, rest) = message.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let (address, bytes) = rest.split_at_checked(usize::from(*length))?;
    let remote: SocketAddr = std::str::from_utf8(address).ok()?.parse().ok()?;
    Some((u64::from_ne_bytes(*client), remote.into(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard_whole_and_in_order() {
        let (pipe, teller) = channel().expect("a pipe");
        let mut hearsay = Hearsay::default();
        let remote: SocketAddr =
            "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535".parse().expect("address");
        let long: Vec<u8> = (0..20_000u32).map(|number| number as u8).collect();
        let remote = Address::from(remote);
        teller.tell(Client(7), &remote, b"first");
        teller.tell(Client(8), &remote, &long);
        let mut heard: Vec<(u64, Vec<u8>)> = Vec::new();
        hearsay.hear(pipe.as_fd(), |client, from, bytes| {
            assert_eq!(from, remote);
            heard.push((client, bytes));
        });
        assert_eq!(heard[0], (7, b"first".to_vec()));
        assert_eq!(heard[1..].iter().flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<u8>>(), long);
        assert!(heard[1..].iter().all(|(client, _)| *client == 8));
        hearsay.hear(pipe.as_fd(), |_, _, _| unreachable!("all was heard"));
    }

    #[test]
    fn every_message_fits_one_atomic_write() {
        let address = "x".repeat(ADDRESS_AT_MOST);
        let piece = vec![0; PIPE_TAKES - HEAD - ADDRESS_AT_MOST];
        assert_eq!(message(Client(u64::MAX), &address, &piece).len(), PIPE_TAKES);
    }

    #[test]
    fn broken_messages_are_passed_over() {
        assert_eq!(parse(b"short"), None);
        assert_eq!(parse(&[0; 9]), None);
        assert_eq!(first_message(&[200, 0, 1, 2]), None);
    }
}
