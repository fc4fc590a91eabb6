//! bind: address already in use. Read first: socket(7) on SO_REUSEADDR; RFC 9293 §3.6.1 on TIME-WAIT.

use wire::Doing;

use crate::errno::EADDRINUSE;
use crate::problem::{Evidence, Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "address-in-use", title: "address already in use", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    if !evidence.errno_is(&[EADDRINUSE]) || !matches!(evidence.doing(), Doing::Bind | Doing::Listen) {
        return None;
    }
    let cause = "another socket has this port: a server that runs, or connections of an earlier one";
    let port = evidence.port()?;
    Some(Verdict::new(
        cause,
        format!("`ss -tanp sport = :{port}` shows who has it; port 0 takes any free one"),
    ))
}
