//! The rules, one problem per file. The first that recognises the evidence is the answer, so the narrow ones stand
//! before the wide ones.

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

use crate::problem::{Evidence, Problem, Rule};

/// Every rule, in the order in which they are asked.
pub const ALL: [Rule; 14] = [
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
    broken_pipe::RULE,
    dead_peer::RULE,
    too_many_files::RULE,
];

/// The problem behind a fault, if a rule knows it.
pub fn problem(fault: &Fault) -> Option<Problem> {
    let evidence = Evidence { fault };
    ALL.iter().find_map(|rule| {
        let verdict = (rule.judge)(&evidence)?;
        Some(Problem { id: rule.id, title: rule.title, cause: verdict.cause, advice: verdict.advice })
    })
}

#[cfg(test)]
mod tests;
