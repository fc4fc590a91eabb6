//! What the hints name where `serve`, `listen` and `connect` fail, in a network namespace of its own.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::running::{PublicCopy, bothends, has, left_out, run, stderr, stdout};

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

#[test]
fn a_full_queue_of_this_machine_is_seen_where_nobody_answers() {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200));
    let queue: Vec<TcpStream> = std::iter::from_fn(|| connect().ok()).take(10).collect();
    assert!((1..10).contains(&queue.len()), "the queue is full");
    let at = address.to_string();
    let output = run(&mut bothends(&["connect", &at, "-w", "200ms"]), b"");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(28), "{said}");
    let whose = format!("process {} (", std::process::id());
    let full = format!("listens on {at} and does not accept: 1 connection is in its queue, which is full");
    assert!(said.contains(&whose) && said.contains(&full), "{said}");
}
