//! An open connection whose other end no longer answers. Read first: tcp(7) on tcp_retries2; RFC 9293 §3.8.3.

use wire::Doing;

use crate::errno::ETIMEDOUT;
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule =
    Rule { id: "dead-peer", title: "connection dead but both sides think it lives", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    let talking = matches!(evidence.doing(), Doing::Send | Doing::Receive);
    (talking && evidence.errno_is(&[ETIMEDOUT])).then(|| {
        Verdict::new(
            "what was sent was never acknowledged: the other end or the way to it went without a word",
            "see whether the other machine is up and whether a filter or NAT between forgot the connection",
        )
    })
}
