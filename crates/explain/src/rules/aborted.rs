//! The connection was broken off on this machine. Read first: `tcp_abort` of Linux, which answers SOCK_DESTROY of
//! sock_diag(7).

use wire::Doing;

use crate::errno::ECONNABORTED;
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "aborted", title: "software caused connection abort", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    let talking = matches!(evidence.doing(), Doing::Connect | Doing::Send | Doing::Receive);
    (talking && evidence.errno_is(&[ECONNABORTED])).then(|| {
        Verdict::new(
            "somebody on this machine broke the connection off, as `bothends sockets -K` does; the other end got a reset",
            "the other end did not do it: look on this machine for who breaks connections off, as `bothends sockets -K` does",
        )
    })
}
