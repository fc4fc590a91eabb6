//! The direction towards the peer: from the input, through what changes it, into the socket.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use wire::frame::Frame;
use wire::{Doing, End, Fault, Transport};

use super::Options;
use super::block::Block;
use super::conduit::Conduit;
use super::source::{Input, Source};
use super::typed::{Goes, Typed, script_text};
use crate::shortage::is_short_of_memory;

/// Where messages are kept apart, the most that one read makes a message of, in bytes: a socket takes no message larger
/// than its send buffer.
const MESSAGE: usize = 64 * 1024;

/// What is to be sent, and what was read and is not sent yet.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    source: Source<'a>,
    is_of_file: bool,
    is_of_pipe: bool,
    typed: Typed,
    crlf: bool,
    frame: Frame,
    most_at_once: usize,
    /// As it was read, where it is sent otherwise.
    read: Block,
    to_peer: Block,
    /// Instead of the block where nothing changes on the way.
    conduit: Option<Conduit>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn of(options: &Options<'a>, transport: Transport) -> Outgoing<'a> {
        let source = if options.recv_only { Source::Ended } else { Source::of(options.input.clone()) };
        let kind = source.kind();
        let typed = Typed::new(options.until.clone(), options.crlf, options.frame);
        let is_movable = matches!(kind, Some(FileType::RegularFile | FileType::Fifo));
        let splices = is_movable && typed.changes_nothing() && !transport.keeps_messages();
        Outgoing {
            source,
            is_of_file: kind == Some(FileType::RegularFile),
            is_of_pipe: matches!(kind, Some(FileType::Fifo | FileType::Socket)),
            typed,
            crlf: options.crlf,
            frame: options.frame,
            most_at_once: if transport.keeps_messages() { MESSAGE } else { usize::MAX },
            read: Block::default(),
            to_peer: Block::default(),
            conduit: if splices { Conduit::new() } else { None },
        }
    }

    pub(super) fn is_of_file(&self) -> bool {
        self.is_of_file
    }

    /// Whether nothing more will be read.
    pub(super) fn has_ended(&self) -> bool {
        self.source.has_ended()
    }

    /// Whether all that was read is sent.
    pub(super) fn is_empty(&self) -> bool {
        self.queued() == 0
    }

    /// How much was read and is not sent.
    pub(super) fn queued(&self) -> u64 {
        (self.to_peer.len() + self.conduit.as_ref().map_or(0, Conduit::held)) as u64
    }

    /// Whether another program says what is sent, and has not ended.
    pub(super) fn is_of_pipe(&self) -> bool {
        self.is_of_pipe && !self.has_ended()
    }

    /// How much can be seen to be there to read.
    pub(super) fn left_in_input(&self) -> u64 {
        self.source.left_bytes()
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'a>> {
        self.source.fd()
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.source.due()
    }

    /// Reads what poll says is there, so that the read does not wait; whether the input has ended by that.
    pub(super) fn read(&mut self) -> Result<bool, Fault> {
        if self.source.due().is_some() {
            if let Some(text) = self.source.text(Instant::now()) {
                self.to_peer.put(script_text(&text, self.crlf, self.frame));
            }
            return Ok(self.source.has_ended());
        }
        let Some(input) = self.source.fd() else { return Ok(false) };
        match self.read_from(input) {
            Ok(0) => self.end(),
            Ok(_) => return Ok(self.change()),
            Err(Errno::INTR | Errno::AGAIN) => return Ok(false),
            // There is no standard input.
            Err(Errno::BADF) => self.end(),
            Err(error) => {
                return Err(Fault::errno(End::You, Doing::Read, "standard input", error.raw_os_error()));
            }
        }
        Ok(true)
    }

    fn read_from(&mut self, input: BorrowedFd<'_>) -> Result<usize, Errno> {
        if let Some(conduit) = &mut self.conduit {
            match conduit.fill(input) {
                // This file system cannot, or there is no memory for the pages: the bytes can still be copied.
                Err(error) if Conduit::is_refusal(error) || is_short_of_memory(error) => self.conduit = None,
                result => return result,
            }
        }
        let block = if self.typed.changes_nothing() { &mut self.to_peer } else { &mut self.read };
        let most = self.most_at_once;
        block.fill(|space| {
            let length = space.len().min(most);
            rustix::io::read(input, &mut space[..length])
        })
    }

    /// Makes what is sent of what was read; whether a word has ended the input.
    fn change(&mut self) -> bool {
        if self.typed.changes_nothing() {
            return false;
        }
        let mut sent = Vec::new();
        let goes = self.typed.take(self.read.bytes(), &mut sent);
        self.read.clear();
        self.to_peer.put(sent);
        if goes == Goes::NoFurther {
            self.source = Source::of(Input::None);
        }
        goes == Goes::NoFurther
    }

    fn end(&mut self) {
        self.source = Source::of(Input::None);
        let mut rest = Vec::new();
        self.typed.finish(&mut rest);
        if !rest.is_empty() {
            self.to_peer.put(rest);
        }
    }

    /// One call that sends as much as is taken without waiting.
    pub(super) fn send(&mut self, socket: BorrowedFd<'_>) -> Result<usize, Errno> {
        if let Some(mut conduit) = self.conduit.take_if(|conduit| !conduit.is_empty()) {
            // A short segment may wait for more of a file: that comes at once, or FIN does.
            match conduit.drain(socket, self.is_of_file && !self.source.has_ended()) {
                Err(error) if Conduit::is_refusal(error) => self.to_peer.put(conduit.rescue()?),
                result => {
                    self.conduit = Some(conduit);
                    return result;
                }
            }
        }
        self.to_peer.take(|bytes| send(socket, bytes, SendFlags::NOSIGNAL))
    }
}
