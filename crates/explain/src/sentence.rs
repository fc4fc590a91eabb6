//! A fault as one sentence: which operation, which address, why.

use std::borrow::Cow;

use wire::{Cause, Doing, End, Fault, visible};

use crate::errno::{self, EACCES, EINVAL};

/// `connect to [::1]:80: connection refused`: lower case, no full stop, safe to show on a terminal.
pub fn sentence(fault: &Fault) -> String {
    let verb = fault.doing.verb();
    let why = match &fault.cause {
        Cause::Errno(EACCES) if is_a_way(fault) => Cow::Borrowed("a route of this machine forbids it"),
        Cause::Errno(EINVAL) if is_a_way(fault) => Cow::Borrowed("a route of this machine throws it away"),
        Cause::Errno(number) => errno::words(*number).into(),
        Cause::TimedOut => Cow::Borrowed("timed out"),
        Cause::Words(words) => visible(words, false),
    };
    if fault.at.is_empty() {
        let verb = verb.trim_end_matches([':']);
        return format!("{verb}: {why}");
    }
    format!("{verb} {}: {why}", visible(&fault.at, false))
}

/// Whether the way there said no. The kernel's words for that would point elsewhere.
fn is_a_way(fault: &Fault) -> bool {
    fault.end == End::Path && fault.doing == Doing::Connect
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_fault_says_operation_address_and_cause() {
        let refused = Fault::errno(End::Peer, Doing::Connect, "[::1]:80", errno::ECONNREFUSED);
        assert_eq!(sentence(&refused), "connect to [::1]:80: connection refused");
        let late = Fault { cause: Cause::TimedOut, ..refused };
        assert_eq!(sentence(&late), "connect to [::1]:80: timed out");
    }

    #[test]
    fn without_an_address_the_sentence_still_reads() {
        let fault = Fault::errno(End::Us, Doing::Isolate, "", errno::EPERM);
        assert_eq!(sentence(&fault), "make a private network: operation not permitted");
    }

    #[test]
    fn what_strangers_wrote_cannot_move_the_cursor() {
        let fault = Fault {
            end: End::You,
            doing: Doing::Open,
            at: "a\u{1b}[2J".to_owned(),
            cause: Cause::Words("no\nfile\u{202e}".to_owned()),
        };
        assert_eq!(sentence(&fault), "open a\\u{1b}[2J: no\\nfile\\u{202e}");
    }
}
