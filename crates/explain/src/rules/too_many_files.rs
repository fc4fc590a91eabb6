//! Too many open files. Read first: getrlimit(2) on RLIMIT_NOFILE; accept(2).

use crate::errno::{EMFILE, ENFILE};
use crate::problem::{Evidence, Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "too-many-files", title: "too many open files", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    if evidence.errno_is(&[ENFILE]) {
        return Some(Verdict::new(
            "the whole system has as many files open as it may",
            "`sysctl fs.file-nr` shows how many are open, and the limit",
        ));
    }
    evidence.errno_is(&[EMFILE]).then(|| {
        Verdict::new(
            "each connection is a file, and this process has as many open as it may",
            "`ulimit -n` shows the limit; raise it, or set --max-connections below it",
        )
    })
}
