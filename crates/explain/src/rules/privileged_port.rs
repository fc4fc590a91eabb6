//! Permission denied on port 80. Read first: ip(7) on ip_unprivileged_port_start; capabilities(7).

use wire::Doing;

use crate::errno::{EACCES, EPERM};
use crate::evidence::Evidence;
use crate::problem::{Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "privileged-port", title: "permission denied on a low port", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    let binding = matches!(evidence.doing(), Doing::Bind | Doing::Listen);
    if !binding || !evidence.errno_is(&[EACCES, EPERM]) {
        return None;
    }
    let port = evidence.port().filter(|port| (1..1024).contains(port))?;
    let cause = "ports below net.ipv4.ip_unprivileged_port_start (1024) are kept for CAP_NET_BIND_SERVICE";
    let free = if port == 80 { 8080 } else { u32::from(port) + 8000 };
    let advice = format!(
        "take a port from 1024 on, such as {free}, or allow it: sudo setcap cap_net_bind_service=+ep PROGRAM"
    );
    Some(Verdict::new(cause, advice))
}
