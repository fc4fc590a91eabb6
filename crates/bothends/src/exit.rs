//! What the exit code says. The table is a promise to scripts: `help exit-codes` and the manual page are made from it,
//! and every fault finds its code by an exhaustive match. The numbers are curl's where the meaning is the same.

use explain::errno::{
    EACCES, EADDRINUSE, EADDRNOTAVAIL, ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENOENT, EPERM, EPIPE,
    ETIMEDOUT,
};
use wire::{Cause, Doing, End, Fault};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Done as asked.
    Ok,
    /// A check came out negative.
    No,
    /// The command line, an address or a filter is wrong.
    Usage,
    /// A name was not found.
    Resolve,
    /// Nobody to connect to.
    Connect,
    /// Output could not be written.
    Write,
    /// Input could not be read.
    Read,
    /// A time ran out.
    Timeout,
    /// The TLS handshake failed.
    Tls,
    /// Our own address is unusable.
    Local,
    /// The peer said nothing.
    Empty,
    /// Sending broke.
    Send,
    /// The connection was reset.
    Reset,
    /// A certificate is not trusted.
    Trust,
    /// A bug in this program.
    Bug,
    /// A permission is missing.
    Permission,
    /// The command was found but could not be started.
    NotStarted,
    /// The command was not found.
    NotFound,
    /// Interrupted.
    Interrupted,
    /// Terminated.
    Terminated,
    /// The code of a command that we ran.
    Child(u8),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The exit.
    pub exit: Exit,
    /// Its one-word name.
    pub name: &'static str,
    /// When it happens.
    pub meaning: &'static str,
}

/// Every exit that has a code of its own, in the order of the codes.
pub const TABLE: [Row; 20] = [
    row(Exit::Ok, "ok", "done as asked; the other end closed in order"),
    row(Exit::No, "no", "a check that was asked for came out negative"),
    row(Exit::Usage, "usage", "a flag, an address or a filter is wrong"),
    row(Exit::Resolve, "resolve", "a name was not found"),
    row(Exit::Connect, "connect", "refused, unreachable, or no such socket"),
    row(Exit::Write, "write", "output could not be written (a reader that went away is no error)"),
    row(Exit::Read, "read", "an input file cannot be read, or a capture is damaged"),
    row(Exit::Timeout, "timeout", "a time that was set ran out, or nobody answered the connection attempt"),
    row(Exit::Tls, "tls", "the TLS handshake failed"),
    row(Exit::Local, "local", "our own address or port cannot be used: it is in use, or not of this machine"),
    row(Exit::Empty, "empty", "the other end closed without the byte that was asked for"),
    row(Exit::Send, "send", "input was left that could not be sent"),
    row(Exit::Reset, "reset", "the connection was reset or broke while it was open"),
    row(Exit::Trust, "trust", "the certificate is not trusted"),
    row(Exit::Bug, "bug", "an error inside this program; it says how to report it"),
    row(Exit::Permission, "permission", "a permission is missing; test harnesses read it as skipped"),
    row(Exit::NotStarted, "not-started", "lab: the client's command was found but could not be started"),
    row(Exit::NotFound, "not-found", "lab: the client's command was not found"),
    row(Exit::Interrupted, "interrupted", "interrupted (^C) before it was done"),
    row(Exit::Terminated, "terminated", "terminated (SIGTERM) before it was done"),
];

const fn row(exit: Exit, name: &'static str, meaning: &'static str) -> Row {
    Row { exit, name, meaning }
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Resolve => 6,
            Exit::Connect => 7,
            Exit::Write => 23,
            Exit::Read => 26,
            Exit::Timeout => 28,
            Exit::Tls => 35,
            Exit::Local => 45,
            Exit::Empty => 52,
            Exit::Send => 55,
            Exit::Reset => 56,
            Exit::Trust => 60,
            Exit::Bug => 70,
            Exit::Permission => 77,
            Exit::NotStarted => 126,
            Exit::NotFound => 127,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
            Exit::Child(code) => code,
        }
    }

    /// The exit of a command that a signal ended: 128 and the signal's number, as shells have it.
    pub fn of_signal(signal: i32) -> Exit {
        Exit::Child(u8::try_from(128 + signal).unwrap_or(u8::MAX))
    }

    /// The exit for a fault that ends the run.
    pub fn of(fault: &Fault) -> Exit {
        match fault.doing {
            Doing::Resolve => Exit::Resolve,
            Doing::Socket | Doing::SetOption | Doing::Bind | Doing::Listen | Doing::Accept => own_side(fault),
            Doing::Connect => connecting(fault),
            Doing::Send | Doing::Receive => talking(fault),
            Doing::Read => Exit::Read,
            Doing::Write => Exit::Write,
            Doing::Open if fault.end == End::You => Exit::Read,
            Doing::Open => permission_or(fault, Exit::Local),
            Doing::Start if fault.raw_errno() == Some(ENOENT) => Exit::NotFound,
            Doing::Start => Exit::NotStarted,
            Doing::Isolate => Exit::Permission,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> std::process::ExitCode {
        std::process::ExitCode::from(exit.code())
    }
}

fn permission_or(fault: &Fault, otherwise: Exit) -> Exit {
    match fault.raw_errno() {
        Some(EACCES | EPERM) => Exit::Permission,
        _ => otherwise,
    }
}

fn own_side(fault: &Fault) -> Exit {
    match fault.cause {
        // Nobody came.
        Cause::TimedOut => Exit::Timeout,
        Cause::Errno(_) | Cause::Words(_) => permission_or(fault, Exit::Local),
    }
}

fn connecting(fault: &Fault) -> Exit {
    match &fault.cause {
        Cause::TimedOut | Cause::Errno(ETIMEDOUT) => Exit::Timeout,
        // A route that says no is no permission that could be given.
        Cause::Errno(EACCES | EPERM) if fault.end != End::Path => Exit::Permission,
        Cause::Errno(EADDRINUSE | EADDRNOTAVAIL) => Exit::Local,
        // A reset in answer to a SYN is ECONNREFUSED: this one, or what broke it off here, came when it was open
        // already, before we looked.
        Cause::Errno(ECONNRESET | ECONNABORTED) => Exit::Reset,
        Cause::Errno(_) | Cause::Words(_) => Exit::Connect,
    }
}

fn talking(fault: &Fault) -> Exit {
    match &fault.cause {
        Cause::TimedOut => Exit::Timeout,
        Cause::Errno(ECONNRESET | ECONNABORTED | EPIPE | ETIMEDOUT | EHOSTUNREACH) => Exit::Reset,
        Cause::Errno(_) | Cause::Words(_) if fault.doing == Doing::Send => Exit::Send,
        Cause::Errno(_) | Cause::Words(_) => Exit::Reset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_in_order() {
        let codes: Vec<u8> = TABLE.iter().map(|row| row.exit.code()).collect();
        // The promise, literally.
        assert_eq!(codes, [0, 1, 2, 6, 7, 23, 26, 28, 35, 45, 52, 55, 56, 60, 70, 77, 126, 127, 130, 143]);
        for row in TABLE {
            assert!(row.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", row.name);
            assert!(!row.meaning.ends_with('.') && !row.meaning.is_empty(), "{}", row.meaning);
        }
    }

    #[test]
    fn faults_find_their_code() {
        let errno = |end, doing, errno| Exit::of(&Fault::errno(end, doing, "x", errno)).code();
        let words = |doing, cause| Exit::of(&Fault { end: End::Us, doing, at: "x".to_owned(), cause }).code();
        assert_eq!(errno(End::Peer, Doing::Connect, 111), 7);
        assert_eq!(errno(End::Path, Doing::Connect, 101), 7);
        assert_eq!(errno(End::Path, Doing::Connect, 13), 7, "a prohibit route");
        assert_eq!(errno(End::Us, Doing::Connect, 13), 77);
        assert_eq!(errno(End::Path, Doing::Connect, 110), 28);
        assert_eq!(words(Doing::Connect, Cause::TimedOut), 28);
        assert_eq!(words(Doing::Accept, Cause::TimedOut), 28);
        assert_eq!(errno(End::Us, Doing::Bind, 98), 45);
        assert_eq!(errno(End::Us, Doing::Bind, 99), 45);
        assert_eq!(errno(End::Us, Doing::Bind, 13), 77);
        assert_eq!(errno(End::Peer, Doing::Receive, 104), 56);
        assert_eq!(errno(End::Path, Doing::Receive, 110), 56);
        assert_eq!(errno(End::Us, Doing::Send, 105), 55);
        assert_eq!(errno(End::You, Doing::Open, 2), 26);
        assert_eq!(errno(End::You, Doing::Write, 28), 23);
        assert_eq!(errno(End::You, Doing::Start, 2), 127);
        assert_eq!(errno(End::You, Doing::Start, 13), 126);
        assert_eq!(errno(End::Us, Doing::Isolate, 1), 77);
        assert_eq!(words(Doing::Resolve, Cause::Words("unknown".to_owned())), 6);
    }

    #[test]
    fn a_signal_is_128_and_its_number() {
        assert_eq!(Exit::of_signal(9).code(), 137);
        assert_eq!(Exit::of_signal(15).code(), Exit::Terminated.code());
        assert_eq!(Exit::of_signal(2).code(), Exit::Interrupted.code());
    }
}
