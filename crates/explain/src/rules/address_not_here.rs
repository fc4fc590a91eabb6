//! Binding an address that is not this machine's. Read first: bind(2), ip(7) on ip_nonlocal_bind.

use wire::Doing;

use crate::errno::EADDRNOTAVAIL;
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule =
    Rule { id: "address-not-here", title: "the address is not one of this machine", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    let binding = matches!(evidence.doing(), Doing::Bind | Doing::Listen);
    (binding && evidence.errno_is(&[EADDRNOTAVAIL])).then(|| {
        // Port 0 is what a call from a named address has: it takes no `:0`.
        let port = evidence.port().filter(|port| *port != 0);
        let every = port.map_or_else(String::new, |port| format!("; `:{port}` means all of them"));
        Verdict::new(
            "no interface of this machine has this address",
            format!("`bothends addr mine` lists the addresses here{every}"),
        )
    })
}
