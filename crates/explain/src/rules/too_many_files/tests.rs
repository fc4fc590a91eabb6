//! Both limits, from evidence made up.

use wire::Doing;

use crate::errno::{EMFILE, ENFILE};
use crate::evidence::{Descriptors, Found, SystemFiles};
use crate::problem::Problem;
use crate::rules::samples::problem_of;

fn of_this_process(soft: Option<u64>, hard: Option<u64>, looked_at: u32) -> Problem {
    let held = Descriptors { sockets: 58, pipes: 2, files: 3, others: 1, looked_at, soft, hard };
    let found = Found { descriptors: Some(held), ..Found::default() };
    problem_of(Doing::Socket, "tcp://127.0.0.1:80", EMFILE, &found)
}

fn of_the_system(open: u64, most: u64) -> Problem {
    let found = Found { system_files: Some(SystemFiles { open, most }), ..Found::default() };
    problem_of(Doing::Accept, "tcp://127.0.0.1:80", ENFILE, &found)
}

#[test]
fn it_is_told_how_many_of_what_there_are_and_how_to_have_more() {
    let soft = of_this_process(Some(64), Some(4096), 64);
    assert_eq!((soft.id, soft.cause_is_seen), ("too-many-files", true));
    assert_eq!(
        soft.cause,
        "this process may have 64 files open and needed one more; open: 58 sockets, 2 pipes, 3 files and 1 of another kind"
    );
    assert_eq!(soft.advice, "`ulimit -n 4096` before it raises the limit, up to the hard one, which is 4096");
    assert_eq!(soft.evidence[0].text, "soft limit 64, hard limit 4096 (RLIMIT_NOFILE)");
    let hard = of_this_process(Some(64), Some(64), 64);
    assert!(hard.advice.starts_with("the hard limit is 64 too: root raises it"), "{}", hard.advice);
    let unlimited = of_this_process(Some(64), None, 64);
    assert!(unlimited.advice.contains("`ulimit -n unlimited`"), "{}", unlimited.advice);
    let held = Descriptors { soft: Some(9), hard: Some(9), looked_at: 9, ..Descriptors::default() };
    let found = Found { descriptors: Some(held), ..Found::default() };
    let server = problem_of(Doing::Accept, "any place", EMFILE, &found);
    assert!(
        server.cause.ends_with("open: none") && server.advice.ends_with("--max-connections"),
        "{server:?}"
    );
}

#[test]
fn a_count_that_was_cut_short_says_so() {
    let cut = of_this_process(Some(1_000_000), Some(1_000_000), 16_384);
    assert!(cut.cause.contains("open among the first 16384: 58 sockets"), "{}", cut.cause);
}

#[test]
fn the_whole_systems_limit_is_another() {
    let full = of_the_system(9999, 9999);
    assert_eq!(full.cause, "9999 of 9999 files are open in the whole system (fs.file-nr)");
    assert!(full.advice.contains("not the limit of this process") && full.advice.contains("fs.file-max"));
    let passed = of_the_system(9000, 9999);
    assert!(passed.cause.contains("or had just now: 9000 of 9999"), "{}", passed.cause);
}

#[test]
fn without_a_look_it_is_told_how_to_look() {
    for (errno, words) in [(EMFILE, "`ulimit -n`"), (ENFILE, "`sysctl fs.file-nr`")] {
        let problem = problem_of(Doing::Accept, "127.0.0.1:80", errno, &Found::default());
        assert!(!problem.cause_is_seen && problem.hint().starts_with(words), "{}", problem.hint());
    }
}
