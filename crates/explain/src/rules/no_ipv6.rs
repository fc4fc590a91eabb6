//! An address family that this kernel does not have. Read first: ipv6(7).

use crate::errno::EAFNOSUPPORT;
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "no-ipv6", title: "address family not supported", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    evidence.errno_is(&[EAFNOSUPPORT]).then(|| {
        Verdict::new("this kernel runs without that address family, most often IPv6", "-4 keeps to IPv4")
    })
}
