//! A name that cannot be turned into an address. Read first: getaddrinfo(3), nsswitch.conf(5).

use wire::{Doing, visible};

use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "name-unknown", title: "the name is not known", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    (evidence.doing() == Doing::Resolve).then(|| {
        // RFC 4007 §11: behind % stands an interface, and no name server knows those.
        if evidence.fault.at.split_once('%').is_some_and(|(address, _)| address.contains(':')) {
            let cause = "behind % stands no interface of this machine";
            return Verdict::new(cause, "`bothends addr mine` lists the interfaces here");
        }
        let name = visible(&evidence.fault.at, false);
        Verdict::new(
            "neither /etc/hosts nor the name servers know an address of this name",
            format!("check the spelling; `getent ahosts {name}` asks what this program asked"),
        )
    })
}
