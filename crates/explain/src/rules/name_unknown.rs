//! A name that cannot be turned into an address. Read first: getaddrinfo(3), nsswitch.conf(5).

use wire::Doing;

use crate::problem::{Evidence, Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "name-unknown", title: "the name is not known", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    (evidence.doing() == Doing::Resolve).then(|| {
        Verdict::new(
            "neither /etc/hosts nor the name servers know an address of this name",
            "check the spelling; `getent ahosts NAME` asks what this program asked",
        )
    })
}
