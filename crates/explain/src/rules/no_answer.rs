//! No answer at all to a SYN. Read first: tcp(7) on tcp_syn_retries; RFC 9293 §3.10.7.1 (a closed port does answer).

use wire::Doing;

use crate::errno::ETIMEDOUT;
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "no-answer", title: "times out instead of being refused", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    let silent = evidence.timed_out() || evidence.errno_is(&[ETIMEDOUT]);
    (evidence.doing() == Doing::Connect && silent).then(|| {
        Verdict::new(
            "no segment came back: a filter drops them, the machine is down, or the server's queue is full",
            "a live machine without a listener refuses at once, so look for a filter or a wrong address",
        )
    })
}
