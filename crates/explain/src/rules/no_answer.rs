//! No answer at all to a SYN, or no room in the queue of a Unix socket. Read first: tcp(7) on tcp_syn_retries;
//! listen(2) on the backlog; RFC 9293 §3.10.7.1 (a closed port does answer).

use wire::Doing;

use crate::errno::ETIMEDOUT;
use crate::evidence::{Evidence, Holder, Sockets};
use crate::problem::{Rule, Verdict};
use crate::reach::Reach;

pub(super) const RULE: Rule = Rule { id: "no-answer", title: "times out instead of being refused", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    let silent = evidence.timed_out() || evidence.errno_is(&[ETIMEDOUT]);
    if evidence.doing() != Doing::Connect || !silent {
        return None;
    }
    Some(a_full_queue(evidence).unwrap_or_else(|| match evidence.place() {
        Some((transport, _)) if !transport.is_internet() => Verdict::new(
            "whoever listens there does not accept, and its queue of connections is full",
            "`bothends sockets -xlp` shows who that is",
        ),
        _ => Verdict::new(
            "no segment came back: a filter drops them, the machine is down, or the server's queue is full",
            "a live machine without a listener refuses at once, so look for a filter or a wrong address",
        ),
    }))
}

/// A listener of this machine that has no room for one more.
fn a_full_queue(evidence: &Evidence<'_>) -> Option<Verdict> {
    let sockets = evidence.found.sockets.as_ref()?;
    let takes_it = |holder: &&Holder| match evidence.address() {
        Some(asked) => Reach::of_row(&holder.row).is_some_and(|reach| reach.has(asked.ip())),
        None => true,
    };
    let holder = sockets.open.kept.iter().filter(takes_it).find(|holder| is_full(holder))?;
    Some(Verdict::seen(full(sockets, holder), "it has to accept them, or to be ended", sockets.facts()))
}

/// `sk_acceptq_is_full` in Linux's net/sock.h: one more than the backlog may wait.
fn is_full(holder: &Holder) -> bool {
    holder.row.is_listener() && holder.row.to_read_bytes > holder.row.to_send_bytes
}

fn full(sockets: &Sockets, holder: &Holder) -> String {
    let (waiting, backlog) = (holder.row.to_read_bytes, holder.row.to_send_bytes);
    let are = crate::words::are(waiting.into(), "connection");
    format!(
        "{} listens on {} and does not accept: {are} in its queue, which is full with a backlog of {backlog}",
        sockets.whose(holder),
        holder.row.local
    )
}

#[cfg(test)]
mod tests {
    use wire::socket_row::SocketRow;
    use wire::{Cause, End, Fault};

    use super::*;
    use crate::evidence::Found;
    use crate::problem::Problem;
    use crate::rules::samples::{found, listener, problem_of};

    fn late(found: &Found) -> Problem {
        let (end, doing, at) = (End::Path, Doing::Connect, "tcp://127.0.0.1:80".to_owned());
        let fault = Fault { end, doing, at, cause: Cause::TimedOut };
        crate::rules::problem_in(&Evidence { fault: &fault, found }).expect("a rule knows it")
    }

    fn waiting(local: &str, waiting: u32, backlog: u32) -> Found {
        found([SocketRow { to_read_bytes: waiting, to_send_bytes: backlog, ..listener(local) }])
    }

    #[test]
    fn a_full_queue_on_this_machine_is_seen() {
        let problem = late(&waiting("127.0.0.1:80", 2, 1));
        assert_eq!(
            problem.cause,
            "process 812 (python3) listens on 127.0.0.1:80 and does not accept: 2 connections are in its queue, \
             which is full with a backlog of 1"
        );
        assert!(problem.cause_is_seen && problem.advice.starts_with("it has to accept"), "{problem:?}");
        let by_the_kernel =
            problem_of(Doing::Connect, "tcp://127.0.0.1:80", ETIMEDOUT, &waiting("0.0.0.0:80", 1, 0));
        assert!(by_the_kernel.cause_is_seen, "{by_the_kernel:?}");
    }

    #[test]
    fn a_queue_with_room_or_at_another_address_is_not_the_cause() {
        for found in [waiting("127.0.0.1:80", 1, 1), waiting("127.0.0.2:80", 2, 1), Found::default()] {
            let problem = late(&found);
            assert!(!problem.cause_is_seen && problem.advice.contains("look for a filter"), "{problem:?}");
        }
    }
}
