//! Connection reset by peer. Read first: RFC 9293 §3.5.2 and §3.6.1; RFC 2525 §2.17 (close with unread data).

use wire::Doing;

use crate::errno::ECONNRESET;
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "reset", title: "connection reset by peer", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    let talking = matches!(evidence.doing(), Doing::Connect | Doing::Send | Doing::Receive | Doing::Accept);
    (talking && evidence.errno_is(&[ECONNRESET])).then(|| {
        Verdict::new(
            "the other end closed with bytes of ours unread, or had closed before we wrote, or was killed; or it turned \
             us away, stopped while we waited in its queue, or was made to reset (SO_LINGER 0, `bothends sockets -K`)",
            "why cannot be seen from here: it may not have read to the end before it closed, may have turned us away \
             or stopped while we waited in its queue, or may have been made to reset; what it had sent may be lost",
        )
    })
}
