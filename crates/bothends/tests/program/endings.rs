//! How conversations end with the programs that people have, beside ours: who sends a FIN, who gets a late reply, and
//! what the kernel keeps of a server that was killed.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use crate::running::{has, left_out, run, stderr, stdout};

/// How long the server waits for a FIN, and then before it answers: longer than socat waits by itself (0.5 s).
const PATIENCE_FOR_FIN: Duration = Duration::from_millis(1200);
const LATE: Duration = Duration::from_millis(800);

/// What a client did whose input ended first.
#[derive(Debug, PartialEq)]
struct Ending {
    sends_fin: bool,
    gets_the_late_reply: bool,
}

fn ending_of(command: &str) -> Ending {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE_FOR_FIN)).unwrap();
        let mut said = Vec::new();
        let sends_fin = socket.read_to_end(&mut said).is_ok();
        assert_eq!(said, b"hi\n");
        // The reply is late: that is the case.
        std::thread::park_timeout(LATE);
        // To one who has gone it cannot be said.
        let _ = socket.write_all(b"late\n");
        sends_fin
    });
    let command =
        command.replace("BOTHENDS", env!("CARGO_BIN_EXE_bothends")).replace("PORT", &port.to_string());
    let output = run(Command::new("timeout").args(["20", "sh", "-c", &command]), b"hi\n");
    let gets_the_late_reply = stdout(&output) == "late\n";
    Ending { sends_fin: server.join().unwrap(), gets_the_late_reply }
}

/// Only these two send a FIN and wait for what is said after it without being asked to.
#[test]
fn heavy_what_each_program_does_when_its_input_ends_first() {
    let cases = [
        ("bothends", "BOTHENDS connect 127.0.0.1 PORT", true, true),
        ("nc", "nc 127.0.0.1 PORT", false, true),
        ("nc", "nc -N 127.0.0.1 PORT", true, true),
        ("ncat", "ncat 127.0.0.1 PORT", true, true),
        ("ncat", "ncat --send-only 127.0.0.1 PORT", true, false),
        ("bothends", "BOTHENDS connect --send-only 127.0.0.1 PORT", true, false),
        ("socat", "socat - TCP:127.0.0.1:PORT", true, false),
        ("socat", "socat -t5 - TCP:127.0.0.1:PORT", true, true),
        ("bothends", "BOTHENDS connect --keep-half-open 127.0.0.1 PORT", false, true),
    ];
    for (program, command, sends_fin, gets_the_late_reply) in cases {
        if program == "bothends" || has(program, "how other programs end a conversation") {
            assert_eq!(ending_of(command), Ending { sends_fin, gets_the_late_reply }, "{command}");
        }
    }
}

/// The server closes first while the client's input stays open, as at a terminal: who leaves?
#[test]
fn heavy_what_each_program_does_when_the_server_closes_first() {
    let cases = [
        ("bothends", "BOTHENDS connect 127.0.0.1 PORT", true),
        ("nc", "nc 127.0.0.1 PORT", false),
        ("socat", "socat - TCP:127.0.0.1:PORT", true),
    ];
    for (program, command, leaves) in cases {
        if program != "bothends" && !has(program, "who leaves when the server closes") {
            continue;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let server = std::thread::spawn(move || drop(listener.accept().unwrap()));
        let command =
            command.replace("BOTHENDS", env!("CARGO_BIN_EXE_bothends")).replace("PORT", &port.to_string());
        // The shell holds the input open; who stays is ended after two seconds.
        let script = format!("mkfifo pipe; exec 4<>pipe; timeout 2 {command} <pipe; echo $?");
        let folder = tempfile::tempdir().unwrap();
        let output = run(Command::new("bash").args(["-c", &script]).current_dir(folder.path()), b"");
        let was_stopped = stdout(&output).trim_end().ends_with("124");
        assert_eq!(!was_stopped, leaves, "{command}: {}", stdout(&output));
        server.join().unwrap();
    }
}

#[test]
fn a_server_is_killed_and_the_kernel_goes_on_for_it() {
    let test = "a server that was killed, in three variants";
    if !(has("python3", test) && has("nc", test)) {
        return;
    }
    if !Command::new("unshare").args(["-rn", "true"]).status().is_ok_and(|status| status.success()) {
        return left_out(test, "needs a network namespace of its own");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/killed.py");
    for variant in ["typed", "killed", "nobody"] {
        let inside = "ip link set lo up && exec python3 \"$0\" \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-rn", "sh", "-c", inside, script, env!("CARGO_BIN_EXE_bothends"), variant]);
        let output = run(&mut command, b"");
        let told = stdout(&output);
        assert!(told.ends_with("ok\n"), "{variant}: {told}{}", stderr(&output));
    }
}
