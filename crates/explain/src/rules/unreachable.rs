//! No way to the other end. Read first: ip-route(8); RFC 792 and RFC 4443 on "destination unreachable".

use wire::{Doing, End};

use crate::errno::{EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH};
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "unreachable", title: "network or host unreachable", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    if !matches!(evidence.doing(), Doing::Connect | Doing::Send | Doing::Receive) {
        return None;
    }
    let target = match evidence.address() {
        Some(address) => address.ip().to_string(),
        None => "ADDRESS".to_owned(),
    };
    if evidence.errno_is(&[ENETUNREACH]) {
        let cause = "this machine has no route to that network";
        return Some(Verdict::new(cause, format!("`ip route get {target}` asks the kernel for its way")));
    }
    if evidence.fault.end == End::Path && evidence.errno_is(&[EACCES, EINVAL]) {
        let kind = if evidence.errno_is(&[EACCES]) { "prohibit" } else { "blackhole" };
        let cause = format!("a route of type {kind} on this machine covers that address");
        return Some(Verdict::seen(cause, format!("`ip route get {target}` shows it"), Vec::new()));
    }
    evidence.errno_is(&[EHOSTUNREACH]).then(|| {
        Verdict::new(
            "nobody answers for that address on its network, or a router says so",
            format!("`ip neighbour` shows whether {target} was found"),
        )
    })
}
