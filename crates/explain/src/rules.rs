//! The rules, one problem per file. The first that recognises the evidence is the answer, so the narrow ones stand
//! before the wide ones.

mod aborted;
mod address_in_use;
mod address_not_here;
mod broadcast;
mod broken_pipe;
mod dead_peer;
mod name_unknown;
mod no_answer;
mod no_ipv6;
mod no_source_port;
mod privileged_port;
mod refused;
mod reset;
mod too_many_files;
mod unreachable;

use wire::Fault;

use crate::evidence::{Evidence, Found};
use crate::problem::{Problem, Rule};

/// Every rule, in the order in which they are asked.
pub const ALL: [Rule; 15] = [
    address_in_use::RULE,
    privileged_port::RULE,
    address_not_here::RULE,
    no_source_port::RULE,
    name_unknown::RULE,
    broadcast::RULE,
    refused::RULE,
    no_answer::RULE,
    unreachable::RULE,
    no_ipv6::RULE,
    reset::RULE,
    aborted::RULE,
    broken_pipe::RULE,
    dead_peer::RULE,
    too_many_files::RULE,
];

/// The problem behind a fault, if a rule knows it, from the fault alone.
pub fn problem(fault: &Fault) -> Option<Problem> {
    problem_in(&Evidence { fault, found: &Found::default() })
}

/// The problem behind a fault, if a rule knows it, with what was found beside it.
pub fn problem_in(evidence: &Evidence<'_>) -> Option<Problem> {
    ALL.iter().find_map(|rule| {
        let verdict = (rule.judge)(evidence)?;
        Some(Problem {
            id: rule.id,
            title: rule.title,
            evidence: verdict.evidence,
            cause: verdict.cause,
            cause_is_seen: verdict.cause_is_seen,
            advice: verdict.advice,
        })
    })
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
