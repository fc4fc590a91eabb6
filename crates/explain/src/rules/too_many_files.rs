//! Too many open files: how many of what, and which limit. Read first: getrlimit(2) on RLIMIT_NOFILE; accept(2);
//! proc_sys_fs(5) on file-max.

use wire::Doing;

use crate::errno::{EMFILE, ENFILE};
use crate::evidence::{Descriptors, Evidence};
use crate::problem::{Fact, Rule, Verdict};

pub(super) const RULE: Rule = Rule { id: "too-many-files", title: "too many open files", judge };

fn judge(evidence: &Evidence<'_>) -> Option<Verdict> {
    if evidence.errno_is(&[ENFILE]) {
        return Some(of_the_system(evidence));
    }
    evidence.errno_is(&[EMFILE]).then(|| match &evidence.found.descriptors {
        Some(descriptors) => of_this_process(evidence, descriptors),
        None if evidence.doing() == Doing::Accept => Verdict::new(
            "each connection is a file, and this process has as many open as it may",
            "`ulimit -n` shows the limit; raise it, or set --max-connections below it",
        ),
        None => Verdict::new(
            "this process has as many files open as it may",
            "`ulimit -n` shows the limit; raise it",
        ),
    })
}

fn of_the_system(evidence: &Evidence<'_>) -> Verdict {
    let cause = "the whole system has as many files open as it may";
    let Some(files) = evidence.found.system_files else {
        return Verdict::new(cause, "`sysctl fs.file-nr` shows how many are open, and the limit");
    };
    let text = format!("{} of {} files are open in the whole system (fs.file-nr)", files.open, files.most);
    let evidence = vec![Fact { text: text.clone(), socket: None }];
    let advice = "it is not the limit of this process; root can raise it: `sysctl -w fs.file-max=N`";
    // It may have passed meanwhile.
    match files.open < files.most {
        true => Verdict::seen(format!("{cause}, or had just now: {text}"), advice, evidence),
        false => Verdict::seen(text, advice, evidence),
    }
}

fn of_this_process(evidence: &Evidence<'_>, descriptors: &Descriptors) -> Verdict {
    let limit = descriptors.soft.map_or_else(|| "unlimited".to_owned(), |soft| soft.to_string());
    let cut = match descriptors.is_cut() {
        true => format!(" among the first {}", descriptors.looked_at),
        false => String::new(),
    };
    let sorts = descriptors.by_sort();
    let cause = format!("this process may have {limit} files open and needed one more; open{cut}: {sorts}");
    let hard = descriptors.hard.map_or_else(|| "unlimited".to_owned(), |hard| hard.to_string());
    let fewer = match evidence.doing() {
        Doing::Accept => ", or let fewer clients in: --max-connections",
        _ => "",
    };
    let advice = if descriptors.soft == descriptors.hard {
        format!(
            "the hard limit is {hard} too: root raises it (limits.conf(5), systemd's LimitNOFILE=){fewer}"
        )
    } else {
        format!("`ulimit -n {hard}` before it raises the limit, up to the hard one, which is {hard}{fewer}")
    };
    let facts =
        [format!("soft limit {limit}, hard limit {hard} (RLIMIT_NOFILE)"), format!("open{cut}: {sorts}")];
    let facts = facts.map(|text| Fact { text, socket: None });
    Verdict::seen(cause, advice, facts.into())
}

#[cfg(test)]
mod tests;
