//! What the end of a conversation means for the exit code.

use ends::event::{Account, ClosedBy, How};
use ends::pump::Over;
use ends::stop::Asked;
use explain::errno::{ECONNABORTED, ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ETIMEDOUT};
use wire::{Cause, Doing, End, Fault};

use super::Talking;
use crate::evidence;
use crate::exit::Exit;
use crate::out::Out;

/// How a conversation ended.
pub(super) struct Ended<'a> {
    pub(super) over: Over,
    pub(super) account: &'a Account,
    /// The other end closed in order, and more was to be sent.
    pub(super) input_was_cut: bool,
    /// By which error the connection was found to be broken.
    pub(super) errno: Option<i32>,
    /// The other end in full: `tcp://127.0.0.1:80`.
    pub(super) peer: &'a str,
    /// Datagrams end by silence, connections by being closed.
    pub(super) has_connection: bool,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
enum Result {
    Exit(Exit),
    /// A sentence first, and then this exit.
    Told(String, Exit),
    Fault(Fault),
}

/// The exit, and what has to be said about it.
pub(super) fn exit(ended: &Ended<'_>, flags: &Talking, out: &Out) -> Exit {
    if out.is_closed() {
        return Exit::Ok;
    }
    match result(ended, flags) {
        Result::Exit(exit) => exit,
        Result::Told(sentence, exit) => {
            out.tell(&format!("bothends: {sentence}\n"));
            exit
        }
        Result::Fault(fault) => out.fault_amid(&fault, &evidence::of_call(&fault)),
    }
}

fn result(ended: &Ended<'_>, flags: &Talking) -> Result {
    match ended.over {
        Over::Interrupted(asked) => Result::Exit(interrupted(asked)),
        Over::OutputClosed | Over::Expected => Result::Exit(Exit::Ok),
        Over::LingerEnded if ended.has_connection => timed_out(ended),
        Over::IdleEnded | Over::TotalEnded => timed_out(ended),
        Over::LingerEnded | Over::Closed | Over::Sent | Over::Once => match broken(ended) {
            Some(fault) => Result::Fault(fault),
            None if ended.input_was_cut => Result::Fault(cut(ended)),
            // Each datagram that could not be sent has been told. What only waited when enough had come was not wanted.
            None if !ended.has_connection && ended.over != Over::Once && ended.account.unsent_bytes > 0 => {
                Result::Exit(Exit::Send)
            }
            None => in_order(ended, flags),
        },
    }
}

pub(in crate::command) fn interrupted(asked: Asked) -> Exit {
    asked.signal.map_or(Exit::Interrupted, Exit::of_signal)
}

fn timed_out(ended: &Ended<'_>) -> Result {
    let cause = match ended.over {
        Over::IdleEnded => Cause::Words("nothing was said for the time of --idle".to_owned()),
        Over::TotalEnded => Cause::Words("the time of --max-time is over".to_owned()),
        Over::LingerEnded => Cause::Words("it did not close in the time of --linger".to_owned()),
        _ => Cause::TimedOut,
    };
    match cause {
        Cause::Words(words) => Result::Told(format!("{}: {words}", ended.peer), Exit::Timeout),
        cause => {
            Result::Fault(Fault { end: End::Peer, doing: Doing::Receive, at: ended.peer.to_owned(), cause })
        }
    }
}

/// Nothing broke: has come what was asked for?
fn in_order(ended: &Ended<'_>, flags: &Talking) -> Result {
    let is_empty = ended.account.in_bytes + ended.account.unread_bytes == 0;
    let (expects, peer) = (flags.hearing.expect.is_some(), ended.peer);
    if is_empty && (expects || flags.hearing.recv_only) {
        let how = if ended.has_connection { "closed without saying anything" } else { "said nothing" };
        Result::Told(format!("{peer} {how}"), Exit::Empty)
    } else if expects {
        Result::Told(format!("{peer}: what was expected never came"), Exit::No)
    } else {
        Result::Exit(Exit::Ok)
    }
}

/// It ended in order, but not for what was still to be said.
fn cut(ended: &Ended<'_>) -> Fault {
    let left = draw::number::size_in_words(ended.account.never_sent_bytes);
    let words =
        format!("it closed first, and {left} of your input were left; with --send-only all of it is sent");
    Fault { end: End::Peer, doing: Doing::Send, at: ended.peer.to_owned(), cause: Cause::Words(words) }
}

/// The fault of a conversation that did not end in order.
fn broken(ended: &Ended<'_>) -> Option<Fault> {
    let (end, errno) = match ended.account.how {
        How::Fin | How::Stopped | How::Limit | How::Idle => return None,
        // By our closing with something unread, which nobody wanted.
        How::Reset if ended.account.closed_by == ClosedBy::Us => return None,
        How::Reset if ended.account.closed_by == ClosedBy::Kernel => {
            (End::Us, ended.errno.unwrap_or(ECONNABORTED))
        }
        // Of datagrams only: nobody was there to take any.
        How::Refused => return Some(Fault::errno(End::Peer, Doing::Connect, ended.peer, ECONNREFUSED)),
        How::Unreachable if !ended.has_connection => {
            return Some(Fault::errno(End::Path, Doing::Connect, ended.peer, EHOSTUNREACH));
        }
        How::Reset | How::Killed => (End::Peer, ECONNRESET),
        How::TimedOut => (End::Path, ETIMEDOUT),
        How::Unreachable => (End::Path, EHOSTUNREACH),
    };
    // What never left this machine was not even tried: that is told apart from what may have arrived.
    match ended.account.never_sent_bytes {
        0 => Some(Fault::errno(end, Doing::Receive, ended.peer, errno)),
        unsent => {
            let unsent = draw::number::size_in_words(unsent);
            let cause =
                Cause::Words(format!("{}, and {unsent} were never sent", explain::errno::words(errno)));
            Some(Fault { end, doing: Doing::Send, at: ended.peer.to_owned(), cause })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::command::talk::expectation;

    fn code(over: Over, how: How, in_bytes: u64, never_sent_bytes: u64, flags: &Talking) -> u8 {
        let account = Account {
            closed_by: ClosedBy::Peer,
            how,
            in_bytes,
            out_bytes: 4,
            unsent_bytes: 4,
            never_sent_bytes,
            unread_bytes: 0,
            open: Duration::ZERO,
        };
        let peer = "tcp://[::1]:80";
        let input_was_cut = how == How::Fin && never_sent_bytes > 0;
        let ended = Ended { over, account: &account, input_was_cut, errno: None, peer, has_connection: true };
        match result(&ended, flags) {
            Result::Exit(exit) | Result::Told(_, exit) => exit.code(),
            Result::Fault(fault) => Exit::of(&fault).code(),
        }
    }

    #[test]
    fn a_conversation_that_broke_is_never_success() {
        let closed = |how, unsent| code(Over::Closed, how, 0, unsent, &Talking::default());
        assert_eq!(closed(How::Fin, 0), 0);
        assert_eq!(closed(How::Fin, 4), 55, "the input was cut");
        assert_eq!(closed(How::Reset, 0), 56);
        assert_eq!(closed(How::Reset, 4), 55);
        assert_eq!(closed(How::TimedOut, 0), 56);
        assert_eq!(closed(How::Unreachable, 0), 56);
    }

    #[test]
    fn datagrams_that_could_not_be_sent_are_no_success() {
        let account = Account {
            closed_by: ClosedBy::Us,
            how: How::Idle,
            in_bytes: 0,
            out_bytes: 4,
            unsent_bytes: 0,
            never_sent_bytes: 0,
            unread_bytes: 0,
            open: Duration::ZERO,
        };
        let code_of = |over, unsent_bytes, how| {
            let account = Account { unsent_bytes, how, ..account.clone() };
            let peer = "udp://[::1]:80";
            let ended = Ended {
                over,
                account: &account,
                input_was_cut: false,
                errno: None,
                peer,
                has_connection: false,
            };
            match result(&ended, &Talking::default()) {
                Result::Exit(exit) | Result::Told(_, exit) => exit.code(),
                Result::Fault(fault) => Exit::of(&fault).code(),
            }
        };
        let code = |unsent_bytes, how| code_of(Over::LingerEnded, unsent_bytes, how);
        assert_eq!((code(0, How::Idle), code(1, How::Idle), code(1, How::Refused)), (0, 55, 7));
        assert_eq!((code(0, How::Unreachable), code_of(Over::Once, 1, How::Fin)), (7, 0));
    }

    #[test]
    fn what_was_expected_decides_where_nothing_broke() {
        let mut flags = Talking::default();
        flags.hearing.expect = Some(expectation::pattern("ok").unwrap());
        assert_eq!(code(Over::Expected, How::Fin, 2, 0, &flags), 0);
        assert_eq!(code(Over::Closed, How::Fin, 2, 0, &flags), 1);
        assert_eq!(code(Over::Closed, How::Fin, 0, 0, &flags), 52);
        assert_eq!(code(Over::Closed, How::Reset, 2, 0, &flags), 56);
        assert_eq!(code(Over::TotalEnded, How::Limit, 2, 0, &flags), 28);
        assert_eq!(code(Over::OutputClosed, How::Fin, 2, 0, &flags), 0);
    }

    #[test]
    fn times_that_were_set_have_one_code() {
        for over in [Over::LingerEnded, Over::IdleEnded, Over::TotalEnded] {
            assert_eq!(code(over, How::Idle, 5, 0, &Talking::default()), 28, "{over:?}");
        }
        assert_eq!(
            code(Over::Interrupted(Asked { signal: Some(2) }), How::Stopped, 5, 0, &Talking::default()),
            130
        );
    }
}
