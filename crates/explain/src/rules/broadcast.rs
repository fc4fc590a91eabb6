//! A datagram for a broadcast address that the kernel does not take. Read first: ip(7), `EACCES`; socket(7), `SO_BROADCAST`.

use wire::Doing;

use crate::errno::EACCES;
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "broadcast-multicast", title: "broadcast is not allowed", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    let is_datagram = evidence.at().starts_with("udp:");
    if evidence.doing() != Doing::Send || !is_datagram || !evidence.errno_is(&[EACCES]) {
        return None;
    }
    Some(Verdict::new(
        "the address is a broadcast address, and the socket has no SO_BROADCAST",
        "--broadcast allows it".to_owned(),
    ))
}
