//! Connection refused. Read first: RFC 9293 §3.10.7.1: a SYN for a port in CLOSED is answered by a reset.

use wire::Doing;

use crate::errno::ECONNREFUSED;
use crate::problem::{Evidence, Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "refused", title: "connection refused", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    if evidence.doing() != Doing::Connect || !evidence.errno_is(&[ECONNREFUSED]) {
        return None;
    }
    let cause = "the machine answers, but nothing listens at this address and port";
    let list = listing(evidence.at());
    let advice = match (evidence.address(), evidence.port()) {
        (Some(address), Some(port)) if !address.ip().is_loopback() => format!(
            "nothing listens on port {port} there; a server on 127.0.0.1 can only be reached on its own machine"
        ),
        (_, Some(port)) => format!("nothing listens on port {port} here; `{list}` shows what does"),
        _ => format!("nothing listens there; `{list}` shows what does on this machine"),
    };
    Some(Verdict::new(cause, advice))
}

/// What lists the sockets of the kind that was called.
fn listing(at: &str) -> &'static str {
    if at.starts_with("udp:") {
        "ss -uln"
    } else if at.starts_with("unix") || at.starts_with(['/', '@', '.']) {
        "ss -xl"
    } else {
        "ss -tln"
    }
}
