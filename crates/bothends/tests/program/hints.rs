//! What the hints name where `serve`, `listen` and `connect` fail, in a network namespace of its own.

use std::process::Command;

use super::running::{PublicCopy, has, left_out, run, stderr, stdout};

/// Runs a part of hints.py, which says `ok` when every hint was what the kernel has.
fn in_a_namespace(part: &str, binary: &str, unshare: &str) {
    let test = format!("hints: {part}");
    if !["python3", "unshare", "ip", "ss"].iter().all(|program| has(program, &test)) {
        return;
    }
    if !Command::new("unshare").args([unshare, "true"]).status().is_ok_and(|status| status.success()) {
        return left_out(&test, "needs a network namespace of its own");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/hints.py");
    let inside = "ip link set lo up && exec python3 \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args([unshare, "sh", "-c", inside, script, binary, part]);
    let output = run(&mut command, b"");
    assert!(stdout(&output).ends_with("ok\n"), "{part}: {}{}", stdout(&output), stderr(&output));
}

fn part(name: &str) {
    in_a_namespace(name, env!("CARGO_BIN_EXE_bothends"), "-rn");
}

#[test]
fn whoever_listens_is_named() {
    part("listeners");
}

#[test]
fn a_problem_is_a_record_with_its_evidence() {
    part("records");
}

#[test]
fn time_wait_is_told_to_the_second_and_whether_re_use_helps() {
    part("time_wait");
}

#[test]
fn connections_that_have_the_port_are_named() {
    part("connections");
}

#[test]
fn of_datagrams_whoever_has_the_port_is_named() {
    part("datagrams");
}

#[test]
fn who_listens_elsewhere_is_named_where_we_are_refused() {
    part("elsewhere");
}

#[test]
fn socket_files_and_names_are_somebodys_or_left() {
    part("names");
}

#[test]
fn files_that_are_open_are_counted() {
    part("limits");
}

#[test]
fn what_another_user_has_is_told_as_far_as_it_is_seen() {
    let test = "hints as nobody";
    if !rustix::process::geteuid().is_root() || !has("setpriv", test) {
        return left_out(test, "needs root to become somebody else");
    }
    let copy = PublicCopy::new();
    in_a_namespace("another_user", &copy.path(), "-n");
}
