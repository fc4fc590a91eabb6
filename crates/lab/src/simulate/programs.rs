//! The two programs of the conversation, as they see a socket of smoltcp: the client, and a server that runs a
//! [`Service`], the same that `serve` runs on real sockets.

use std::net::SocketAddr;

use ends::service::{Action, Appetite, Arrival, Client, Output, Service, Shape};
use rustix::io::Errno;
use smoltcp::iface::Context;
use smoltcp::socket::tcp::{RecvError, Socket, State};
use wire::{Cause, Doing, End, Fault};

use crate::config::LINES;
use crate::outcome::Ending;

/// The bytes that may wait for room in a client's socket before the server stops reading from it.
const QUEUE_LIMIT: usize = 64 << 10;

/// A program with one socket.
pub(super) trait Program {
    /// Does all that can be done now; called whenever something about the socket may have changed.
    fn run(&mut self, socket: &mut Socket<'_>, context: &mut Context);

    /// How it ended, once it has.
    fn ending(&self) -> Option<Ending>;

    /// What is said of it when it has not ended in time.
    fn abandoned(&self) -> Ending;
}

/// The client: says each line once the one before has come back, half-closes, and reads to the end.
#[derive(Debug)]
pub(super) struct Asking {
    local: SocketAddr,
    server: SocketAddr,
    called: bool,
    established: bool,
    script: Vec<u8>,
    /// How many lines have been begun, and where in the script the last of them ends.
    lines: usize,
    line_end: usize,
    /// Bytes of the script that were sent, and that have come back.
    said: usize,
    heard: usize,
    ending: Option<Ending>,
}

impl Asking {
    pub(super) fn new(local: SocketAddr, server: SocketAddr) -> Asking {
        let (script, ending) = (LINES.concat().into_bytes(), None);
        let (called, established) = (false, false);
        Asking {
            local,
            server,
            called,
            established,
            script,
            lines: 0,
            line_end: 0,
            said: 0,
            heard: 0,
            ending,
        }
    }

    fn call(&mut self, socket: &mut Socket<'_>, context: &mut Context) {
        self.called = true;
        if socket.connect(context, self.server, self.local).is_err() {
            self.fail(Cause::Words("no connection can be made from here".to_owned()));
        }
    }

    fn converse(&mut self, socket: &mut Socket<'_>) {
        loop {
            match socket.recv(|bytes| (bytes.len(), bytes.to_vec())) {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) if self.is_echo(&bytes) => self.heard += bytes.len(),
                Ok(_) => {
                    self.fail(Cause::Words("what came back is not what was sent".to_owned()));
                    return socket.abort();
                }
                Err(RecvError::Finished) => return self.finish(),
                Err(RecvError::InvalidState) => break,
            }
        }
        if self.heard == self.line_end {
            match LINES.get(self.lines) {
                Some(line) => self.line_end += line.len(),
                // All has come back: the half-close. Closing again changes nothing.
                None => return socket.close(),
            }
            self.lines += 1;
        }
        self.said += socket.send_slice(&self.script[self.said..self.line_end]).unwrap_or(0);
    }

    fn is_echo(&self, bytes: &[u8]) -> bool {
        self.script[self.heard..self.said].starts_with(bytes)
    }

    /// The server has said its last.
    fn finish(&mut self) {
        if self.heard == self.script.len() {
            self.ending = Some(Ending { exit: Some(0), ..Ending::default() });
        } else {
            self.fail(Cause::Words("it ended before it had sent everything back".to_owned()));
        }
    }

    fn fail(&mut self, cause: Cause) {
        self.ending.get_or_insert(failed(self.established, self.server, cause));
    }
}

impl Program for Asking {
    fn run(&mut self, socket: &mut Socket<'_>, context: &mut Context) {
        match socket.state() {
            _ if self.ending.is_some() => {}
            _ if !self.called => self.call(socket, context),
            State::SynSent | State::SynReceived => {}
            State::Closed => {
                let errno = if self.established { Errno::CONNRESET } else { Errno::CONNREFUSED };
                self.fail(Cause::Errno(errno.raw_os_error()));
            }
            _ => {
                self.established = true;
                self.converse(socket);
            }
        }
    }

    fn ending(&self) -> Option<Ending> {
        self.ending.clone()
    }

    fn abandoned(&self) -> Ending {
        failed(self.established, self.server, Cause::TimedOut)
    }
}

/// The exit statuses are those of `connect`: 28 and 7 where no connection came about, 56 where one broke.
fn failed(established: bool, server: SocketAddr, cause: Cause) -> Ending {
    let (doing, exit) = match (established, &cause) {
        (true, _) => (Doing::Receive, 56),
        (false, Cause::TimedOut) => (Doing::Connect, 28),
        (false, _) => (Doing::Connect, 7),
    };
    let fault = Fault { end: End::Peer, doing, at: server.to_string(), cause };
    Ending { exit: Some(exit), signal: None, fault: Some(fault) }
}

/// The server: runs a service for the one client that there is.
pub(super) struct Serving {
    local: SocketAddr,
    service: Box<dyn Service>,
    listening: bool,
    opened: bool,
    /// The client has sent its FIN, and the service knows.
    ended: bool,
    /// The service wants to say no more than what is queued.
    closing: bool,
    queue: Vec<u8>,
}

/// The one client.
const CLIENT: Client = Client(1);

impl Serving {
    pub(super) fn new(local: SocketAddr, service: Box<dyn Service>) -> Serving {
        let queue = Vec::new();
        Serving { local, service, listening: false, opened: false, ended: false, closing: false, queue }
    }

    fn serve(&mut self, socket: &mut Socket<'_>) {
        if !self.opened {
            self.opened = true;
            self.ask(|service, output| service.opened(CLIENT, Shape::Stream, output));
        }
        while self.queue.len() < QUEUE_LIMIT && !self.ended {
            match socket.recv(|bytes| (bytes.len(), bytes.to_vec())) {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => {
                    self.ask(|service, output| service.received(CLIENT, arrival(service, &bytes), output));
                }
                Err(RecvError::Finished) => {
                    self.ended = true;
                    self.ask(|service, output| service.ended(CLIENT, output));
                }
                Err(RecvError::InvalidState) => break,
            }
        }
        let sent = socket.send_slice(&self.queue).unwrap_or(0);
        self.queue.drain(..sent);
        if self.closing && self.queue.is_empty() {
            socket.close();
        }
    }

    /// Tells the service something and takes in what it wants done.
    fn ask<'a>(&mut self, tell: impl FnOnce(&mut dyn Service, &mut Output<'a>)) {
        let mut output = Output::new();
        tell(self.service.as_mut(), &mut output);
        for action in output.drain() {
            match action {
                Action::Send(_, bytes) => self.queue.extend_from_slice(bytes),
                Action::SendOwned(_, bytes) => self.queue.extend(bytes),
                Action::SendShared(_, bytes) => self.queue.extend_from_slice(&bytes),
                Action::HalfClose(_) | Action::Close(_) | Action::OverLimit(_) => self.closing = true,
                // Echo alone is played here; it says nothing of its own.
                Action::Offer(_) | Action::Show(_) => {}
            }
        }
    }
}

fn arrival<'a>(service: &dyn Service, bytes: &'a [u8]) -> Arrival<'a> {
    match service.appetite() {
        Appetite::Bytes => Arrival::Bytes(bytes),
        Appetite::CountOnly => Arrival::Count(bytes.len() as u64),
    }
}

impl Program for Serving {
    fn run(&mut self, socket: &mut Socket<'_>, _context: &mut Context) {
        match socket.state() {
            _ if !self.listening => {
                self.listening = true;
                // Refused only for port 0 and for a socket in use.
                let _ = socket.listen(self.local);
            }
            State::Listen | State::SynReceived => {}
            State::Closed | State::TimeWait => {
                if std::mem::take(&mut self.opened) {
                    self.ask(|service, output| service.gone(CLIENT, output));
                }
            }
            _ => self.serve(socket),
        }
    }

    fn ending(&self) -> Option<Ending> {
        None
    }

    /// A server serves until it is told to stop; then it does so in order.
    fn abandoned(&self) -> Ending {
        Ending { exit: Some(0), ..Ending::default() }
    }
}
