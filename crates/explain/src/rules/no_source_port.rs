//! connect: cannot assign requested address. Read first: ip(7) on ip_local_port_range; connect(2).

use wire::Doing;

use crate::errno::EADDRNOTAVAIL;
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule =
    Rule { id: "no-source-port", title: "cannot assign requested address on connect", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    (evidence.doing() == Doing::Connect && evidence.errno_is(&[EADDRNOTAVAIL])).then(|| {
        Verdict::new(
            "no local address fits this destination, or all source ports towards it are in use",
            "`bothends sockets -tan` shows how many connections go there already; `bothends addr mine` which addresses are here",
        )
    })
}
