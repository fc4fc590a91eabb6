//! What went wrong: at which end, doing what, with which address, and why.
//!
//! `kernel`, `ends` and `lab` return faults; `explain` turns one into a sentence and a hint; `bothends` picks the exit code.

use std::fmt;

/// Whose side of the conversation the fault is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// This program, or this machine's kernel on its behalf.
    Us,
    /// The other end, or its kernel.
    Peer,
    /// The network between the ends.
    Path,
    /// The person at the keyboard: a wrong word, file or permission.
    You,
}

/// The operation that failed, as a verb phrase that an address may follow: "connect to", "listen on".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Turning a name into addresses.
    Resolve,
    /// Making a socket.
    Socket,
    /// Setting a socket option.
    SetOption,
    /// Taking a local address.
    Bind,
    /// Waiting for connections.
    Listen,
    /// Taking a connection from the queue.
    Accept,
    /// Opening a connection.
    Connect,
    /// Sending to the other end.
    Send,
    /// Receiving from the other end.
    Receive,
    /// Reading a file or standard input.
    Read,
    /// Writing a file or standard output.
    Write,
    /// Opening a file or device.
    Open,
    /// Starting a process or thread.
    Start,
    /// Making a private network.
    Isolate,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The kernel's error number.
    Errno(i32),
    /// A time that was asked for ran out.
    TimedOut,
    /// Anything else, as a lower-case fragment.
    Words(String),
}

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose side it is on.
    pub end: End,
    /// The operation.
    pub doing: Doing,
    /// The address, file or device, as it is shown to people.
    pub at: String,
    /// Why.
    pub cause: Cause,
}

impl Fault {
    /// A fault from the kernel's error number.
    pub fn errno(end: End, doing: Doing, at: impl Into<String>, errno: i32) -> Fault {
        Fault { end, doing, at: at.into(), cause: Cause::Errno(errno) }
    }

    /// A fault from an I/O error of the standard library.
    pub fn io(end: End, doing: Doing, at: impl Into<String>, error: &std::io::Error) -> Fault {
        let cause = match error.raw_os_error() {
            Some(errno) => Cause::Errno(errno),
            None => Cause::Words(error.to_string()),
        };
        Fault { end, doing, at: at.into(), cause }
    }

    /// The error number, if the kernel gave one.
    pub fn raw_errno(&self) -> Option<i32> {
        match self.cause {
            Cause::Errno(errno) => Some(errno),
            _ => None,
        }
    }
}

impl Doing {
    /// The verb phrase: "connect to", "listen on".
    pub fn verb(self) -> &'static str {
        match self {
            Doing::Resolve => "look up",
            Doing::Socket => "make a socket for",
            Doing::SetOption => "set an option on",
            Doing::Bind => "bind",
            Doing::Listen => "listen on",
            Doing::Accept => "accept on",
            Doing::Connect => "connect to",
            Doing::Send => "send to",
            Doing::Receive => "receive from",
            Doing::Read => "read",
            Doing::Write => "write",
            Doing::Open => "open",
            Doing::Start => "start",
            Doing::Isolate => "make a private network:",
        }
    }
}

/// For logs and tests; people see the sentence that `explain` makes.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.doing.verb(), self.at)?;
        match &self.cause {
            Cause::Errno(errno) => write!(f, "{}", std::io::Error::from_raw_os_error(*errno)),
            Cause::TimedOut => f.write_str("timed out"),
            Cause::Words(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for Fault {}
