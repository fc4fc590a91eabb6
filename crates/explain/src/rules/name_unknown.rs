//! A name that cannot be turned into an address. Read first: getaddrinfo(3), nsswitch.conf(5).

use wire::{Doing, visible};

use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "name-unknown", title: "the name is not known", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    (evidence.doing() == Doing::Resolve).then(|| {
        let name = visible(&evidence.fault.at, false);
        Verdict::new(
            "neither /etc/hosts nor the name servers know an address of this name",
            format!("check the spelling; `getent ahosts {name}` asks what this program asked"),
        )
    })
}
