//! The direction from the peer: out of the socket, past those who look at the bytes, to the output.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use kernel::socket::unread;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use wire::frame::{Frame, Splitter, TooLong};
use wire::{Address, Cause, Doing, End, Fault, Transport};

use super::block::Block;
use super::conduit::Conduit;
use super::output::{Output, Wrote};
use super::{Expect, Options, Over, Show};
use crate::dial::Connected;
use crate::ending::{has_peer_closed, take_error};
use crate::event::Event;
use crate::shortage::is_short_of_memory;

/// The longest message that is taken where each has its length in front, in bytes: an announced one is kept until it is
/// there.
const LONGEST_MESSAGE: usize = 16 << 20;

/// What is received, and what of it is not written out yet.
pub(super) struct Arrivals<'o, 'c> {
    transport: Transport,
    remote: &'c Address,
    output: Option<Output<'o>>,
    shown: Option<Show<'o>>,
    expect: Option<Expect<'o>>,
    told: Option<&'c dyn Fn(Event)>,
    splitter: Option<Splitter>,
    once: bool,
    verdict: Option<Over>,
    /// As it was received, where something else is written for it.
    received: Block,
    to_output: Block,
    /// Instead of the blocks where nobody looks.
    conduit: Option<Conduit>,
    /// The bytes of a message that the peer began and did not end.
    cut: usize,
    in_bytes: u64,
    first: Option<Instant>,
}

impl<'o, 'c> Arrivals<'o, 'c> {
    pub(super) fn of(
        options: Options<'o>,
        connected: &'c Connected,
        tell: &'c dyn Fn(Event),
    ) -> Arrivals<'o, 'c> {
        let transport = connected.transport;
        let output = options.output.filter(|_| !options.send_only).map(Output::new);
        let has_lengths = options.frame == Frame::Len32;
        let is_looked_at = options.shown.is_some()
            || options.expect.is_some()
            || options.tell_data
            || options.once
            || has_lengths
            || transport.keeps_messages();
        let splices = !is_looked_at && output.as_ref().is_some_and(Output::may_be_spliced_to);
        Arrivals {
            transport,
            remote: &connected.remote,
            output,
            shown: options.shown,
            expect: options.expect,
            told: options.tell_data.then_some(tell),
            splitter: has_lengths.then(|| Splitter::new(Frame::Len32, LONGEST_MESSAGE)),
            once: options.once,
            verdict: None,
            received: Block::default(),
            to_output: Block::default(),
            conduit: if splices { Conduit::new() } else { None },
            cut: 0,
            in_bytes: 0,
            first: None,
        }
    }

    pub(super) fn in_bytes(&self) -> u64 {
        self.in_bytes
    }

    /// When the first byte came.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// What the bytes say: that it is over.
    pub(super) fn verdict(&self) -> Option<Over> {
        self.verdict
    }

    pub(super) fn output_fd(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(Output::as_fd)
    }

    /// Whether all that came is written out.
    pub(super) fn are_written(&self) -> bool {
        self.to_output.is_empty() && self.in_conduit() == 0
    }

    /// How many received bytes did not get out; an arrival that is written as something else counts as a whole.
    pub(super) fn unwritten(&self) -> u64 {
        let block = if self.passes_as_it_is() { &self.to_output } else { &self.received };
        let in_block = if self.to_output.is_empty() { 0 } else { block.len() };
        (in_block + self.in_conduit() + self.cut) as u64
    }

    /// Whether the output was left in the middle of something.
    pub(super) fn output_is_cut(&self) -> bool {
        (!self.to_output.is_empty() && self.to_output.is_begun()) || self.in_conduit() > 0
    }

    fn in_conduit(&self) -> usize {
        self.conduit.as_ref().map_or(0, Conduit::held)
    }

    fn passes_as_it_is(&self) -> bool {
        self.shown.is_none() && self.splitter.is_none()
    }

    /// Takes one arrival, the place for which is free. 0: the peer's end. The outer error is about what it says.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> Result<Result<usize, Errno>, Fault> {
        let received = match self.move_in(socket) {
            Some(moved) => moved,
            None => match self.take_in(socket) {
                Ok((length, whole)) => {
                    self.look(whole.filter(|whole| *whole > length as u64))?;
                    Ok(length)
                }
                Err(error) => Err(error),
            },
        };
        match received {
            Ok(length @ 1..) => {
                self.in_bytes += length as u64;
                self.first.get_or_insert_with(Instant::now);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) if is_short_of_memory(error) => {}
            Ok(_) | Err(_) => self.cut = self.splitter.as_mut().map_or(0, |splitter| splitter.finish().len()),
        }
        Ok(received)
    }

    /// Without a copy, where nobody looks; none: it has to be received.
    fn move_in(&mut self, socket: BorrowedFd<'_>) -> Option<Result<usize, Errno>> {
        match self.conduit.as_mut()?.fill(socket) {
            // The end; but also urgent data in front (tcp_splice_read of Linux): receiving tells which.
            Ok(0) => None,
            Err(error) if Conduit::is_refusal(error) => {
                self.conduit = None;
                None
            }
            moved => Some(moved),
        }
    }

    /// By a buffer. Gives how much came, and where messages are kept apart, how long the message was.
    fn take_in(&mut self, socket: BorrowedFd<'_>) -> Result<(usize, Option<u64>), Errno> {
        let keeps_messages = self.transport.keeps_messages();
        // MSG_TRUNC gives the real length of a message; of a stream it would throw bytes away (tcp(7)).
        let flags = if keeps_messages { RecvFlags::TRUNC } else { RecvFlags::empty() };
        let block = if self.passes_as_it_is() { &mut self.to_output } else { &mut self.received };
        let mut whole = 0;
        loop {
            let length = block.fill(|space| {
                let (length, message) = recv(socket, &mut *space, flags)?;
                whole = message as u64;
                Ok(length.min(space.len()))
            })?;
            if length > 0 || !keeps_messages || has_ended(socket)? {
                return Ok((length, keeps_messages.then_some(whole)));
            }
            // A message without bytes says nothing and ends nothing.
        }
    }

    /// What has just been received is shown to those who look, and made into what is to be written.
    fn look(&mut self, whole_bytes: Option<u64>) -> Result<(), Fault> {
        let raw = if self.passes_as_it_is() { &self.to_output } else { &self.received };
        if raw.is_empty() {
            return Ok(());
        }
        let unwrapped = match &mut self.splitter {
            Some(splitter) => Some(lines_of(splitter, raw.bytes(), self.remote)?),
            None => None,
        };
        let bytes = unwrapped.as_deref().unwrap_or(raw.bytes());
        if bytes.is_empty() {
            // No message is whole yet.
            return Ok(());
        }
        if let Some(tell) = self.told {
            let (remote, bytes) = (self.remote.clone(), bytes.to_vec());
            tell(Event::Data { client: 1, remote, bytes, whole_bytes });
        }
        if self.once {
            self.verdict = Some(Over::Once);
        }
        if self.expect.as_mut().is_some_and(|expect| expect(bytes)) {
            self.verdict = Some(Over::Expected);
        }
        match (self.shown, unwrapped) {
            _ if self.output.is_none() => self.to_output.clear(),
            (Some(shown), Some(lines)) => self.to_output.put(shown(&lines, whole_bytes)),
            (Some(shown), None) => self.to_output.put(shown(self.received.bytes(), whole_bytes)),
            (None, Some(lines)) => self.to_output.put(lines),
            (None, None) => {}
        }
        Ok(())
    }

    /// Writes as much as is taken without waiting. `is_ready`: poll said that something is.
    pub(super) fn write(&mut self, is_ready: bool) -> Result<Wrote, Fault> {
        let Some(output) = &self.output else { return Ok(Wrote::Some) };
        if let Some(mut conduit) = self.conduit.take_if(|conduit| !conduit.is_empty()) {
            match output.move_from(&mut conduit)? {
                Wrote::NotByConduit => {
                    let rescued = conduit.rescue().map_err(|error| {
                        Fault::errno(End::Us, Doing::Read, "a pipe of ours", error.raw_os_error())
                    })?;
                    self.to_output.put(rescued);
                }
                wrote => {
                    self.conduit = Some(conduit);
                    return Ok(wrote);
                }
            }
        }
        output.write(&mut self.to_output, is_ready)
    }
}

/// Behind an arrival of no bytes: whether that was the end (unix(7) has no other sign). It was not where an error
/// waits, which came behind an empty message: then this fails with it.
fn has_ended(socket: BorrowedFd<'_>) -> Result<bool, Errno> {
    // In this order: the peer's last message comes before its close.
    if !has_peer_closed(socket) || unread(socket) > 0 {
        return Ok(false);
    }
    take_error(socket).map_or(Ok(true), Err)
}

/// The messages that end in these bytes, each as a line.
fn lines_of(splitter: &mut Splitter, bytes: &[u8], remote: &Address) -> Result<Vec<u8>, Fault> {
    let mut lines = Vec::new();
    let result = splitter.push(bytes, &mut |piece| {
        lines.extend_from_slice(piece.bytes);
        lines.push(b'\n');
    });
    result.map_err(|TooLong(length)| Fault {
        end: End::Peer,
        doing: Doing::Receive,
        at: remote.to_string(),
        cause: Cause::Words(format!(
            "a message of {length} bytes is announced, and at most {LONGEST_MESSAGE} are taken"
        )),
    })?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("a pair")
    }

    #[test]
    fn behind_an_empty_message_comes_more_or_the_end() {
        let (ours, theirs) = pair();
        assert_eq!(has_ended(ours.as_fd()), Ok(false), "open");
        send(&theirs, b"last words", SendFlags::empty()).expect("room");
        drop(theirs);
        assert_eq!(has_ended(ours.as_fd()), Ok(false), "there is more");
        recv(&ours, &mut [0; 16], RecvFlags::empty()).expect("a message");
        assert_eq!(has_ended(ours.as_fd()), Ok(true));
    }

    /// A peer that closes with something of ours unread leaves ECONNRESET behind (unix(7)).
    #[test]
    fn an_error_that_waits_is_no_end() {
        let (ours, theirs) = pair();
        send(&theirs, b"", SendFlags::empty()).expect("room");
        send(&ours, b"for nobody", SendFlags::empty()).expect("room");
        assert_eq!(recv(&ours, &mut [0; 16], RecvFlags::empty()), Ok((0, 0)), "the empty message");
        drop(theirs);
        assert_eq!(has_ended(ours.as_fd()), Err(Errno::CONNRESET));
        assert_eq!(has_ended(ours.as_fd()), Ok(true), "it was taken");
    }
}
