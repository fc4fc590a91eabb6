//! Writing to a connection that is gone. Read first: send(2) on EPIPE; signal(7) on SIGPIPE.

use wire::Doing;

use crate::errno::EPIPE;
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "broken-pipe", title: "broken pipe", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    (evidence.doing() == Doing::Send && evidence.errno_is(&[EPIPE])).then(|| {
        Verdict::new(
            "the other end had closed; the first write drew its reset, this one found the connection gone",
            "look at why the other program closed while there was still something to say to it",
        )
    })
}
