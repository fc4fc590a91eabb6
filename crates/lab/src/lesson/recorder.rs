//! Writes down what the program of a machine calls, as it would be written in C without pointers, and when each call
//! returns.

use std::net::SocketAddr;

use flow::Side;
use flow::calls::Call as Record;
use wire::Time;

use super::program::Call;
use super::stage::{CLIENT, SERVER};
use crate::event::Role;

/// What a call that has not returned waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The answer to the SYN.
    Connect,
    /// An established connection.
    Accept,
    /// Bytes, at most so many.
    Read(usize),
    /// The same, again and again.
    ReadAll,
    /// Room for the rest of so many bytes.
    Write(usize),
    /// A datagram, at most so many bytes of it.
    ReceiveFrom(usize),
}

/// The first descriptor beside those that every program is born with.
const FIRST: usize = 3;
/// What a program that reads all asks for each time.
pub(super) const MUCH: usize = 65_536;

/// The calls of one program.
#[derive(Debug)]
pub(super) struct Recorder {
    side: Side,
    /// The descriptor that the program talks through.
    descriptor: usize,
    calls: Vec<Record>,
    /// The calls that have not returned, in the order in which they began, each with its place.
    waiting: Vec<(Waiting, usize)>,
}

impl Recorder {
    pub(super) fn new(role: Role) -> Recorder {
        let side = if role == Role::Client { Side::A } else { Side::B };
        Recorder { side, descriptor: FIRST, calls: Vec::new(), waiting: Vec::new() }
    }

    /// Notes what is called, and what of it waits.
    pub(super) fn called(&mut self, call: Call, now: Time) {
        let fd = self.descriptor;
        let remote = self.remote();
        match call {
            Call::Listen | Call::ListenOnly => {
                self.returned("socket(AF_INET, SOCK_STREAM)".to_owned(), FIRST, now);
                self.returned(format!("bind({FIRST}, {SERVER})"), 0, now);
                self.returned(format!("listen({FIRST}, 4096)"), 0, now);
                if call == Call::Listen {
                    self.waits(Waiting::Accept, format!("accept({FIRST})"), now);
                }
            }
            Call::Connect => {
                self.returned("socket(AF_INET, SOCK_STREAM)".to_owned(), FIRST, now);
                self.waits(Waiting::Connect, format!("connect({FIRST}, {remote})"), now);
            }
            Call::Say(text) => {
                self.waits(Waiting::Write(text.len()), format!("write({fd}, {text:?})"), now);
            }
            Call::Send(bytes) => self.waits(Waiting::Write(bytes), format!("write({fd}, {bytes})"), now),
            Call::Read(most) => self.waits(Waiting::Read(most), format!("read({fd}, {most})"), now),
            Call::ReadAll => self.waits(Waiting::ReadAll, format!("read({fd}, {MUCH})"), now),
            Call::ShutDown => self.returned(format!("shutdown({fd}, SHUT_WR)"), 0, now),
            Call::Close => self.returned(format!("close({fd})"), 0, now),
            Call::KeepAlive(_) => self.returned(format!("setsockopt({fd}, SO_KEEPALIVE, 1)"), 0, now),
            Call::NoDelay => self.returned(format!("setsockopt({fd}, TCP_NODELAY, 1)"), 0, now),
            Call::GiveUp(after) => {
                self.returned(format!("setsockopt({fd}, TCP_USER_TIMEOUT, {after})"), 0, now);
            }
            Call::OpenDatagrams => {
                self.returned("socket(AF_INET, SOCK_DGRAM)".to_owned(), FIRST, now);
                if self.side == Side::B {
                    self.returned(format!("bind({FIRST}, {SERVER})"), 0, now);
                }
            }
            Call::SendTo(text) => self.returned(format!("sendto({fd}, {text:?}, {remote})"), text.len(), now),
            Call::ReceiveFrom(most) => {
                self.waits(Waiting::ReceiveFrom(most), format!("recvfrom({fd}, {most})"), now);
            }
            Call::Restart(_) => {
                self.waiting.clear();
                self.descriptor = FIRST;
            }
        }
    }

    /// What the program waits for.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        self.waiting.iter().map(|(waiting, _)| *waiting).collect()
    }

    /// True while the program can do nothing else: what reads on and on does not keep it.
    pub(super) fn is_blocked(&self) -> bool {
        self.waiting.iter().any(|(waiting, _)| *waiting != Waiting::ReadAll)
    }

    /// A call that waited returns. A program that reads all calls again, unless this was the end.
    pub(super) fn returns(&mut self, waiting: Waiting, result: String, now: Time) {
        let Some(which) = self.waiting.iter().position(|(waits, _)| *waits == waiting) else { return };
        let (_, place) = self.waiting.remove(which);
        let is_end = result == "0" || result.starts_with('-');
        if waiting == Waiting::Accept {
            self.descriptor = FIRST + 1;
        }
        if let Some(call) = self.calls.get_mut(place) {
            (call.result, call.ended) = (Some(result), Some(now));
        }
        if waiting == Waiting::ReadAll && !is_end {
            self.called(Call::ReadAll, now);
        }
    }

    /// The calls so far.
    pub(super) fn calls(&self) -> &[Record] {
        &self.calls
    }

    fn returned(&mut self, text: String, result: usize, now: Time) {
        let result = Some(result.to_string());
        self.calls.push(Record { side: self.side, text, result, began: now, ended: Some(now) });
    }

    fn waits(&mut self, waiting: Waiting, text: String, now: Time) {
        self.waiting.push((waiting, self.calls.len()));
        self.calls.push(Record { side: self.side, text, result: None, began: now, ended: None });
    }

    fn remote(&self) -> SocketAddr {
        if self.side == Side::A { SERVER } else { CLIENT }
    }
}
