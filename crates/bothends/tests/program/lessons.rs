//! `lab lessons` and `lab lesson`, as an ordinary user plays them.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;

use crate::running::{
    PublicCopy, bothends, has, left_out, lines, of_type, records, run, stderr, stdout, wait,
};

/// The names of all lessons, in order.
fn names() -> Vec<String> {
    let listed = records(&run(&mut bothends(&["lab", "lessons", "--json"]), b""));
    of_type(&listed, "lesson").iter().map(|lesson| lesson["id"].as_str().unwrap().to_owned()).collect()
}

/// Those that play on the real kernel.
fn on_the_kernel() -> Vec<String> {
    let listed = records(&run(&mut bothends(&["lab", "lessons", "--json"]), b""));
    let lessons = of_type(&listed, "lesson");
    let kernel = lessons.iter().filter(|lesson| lesson["world"] == "kernel");
    kernel.map(|lesson| lesson["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_list_fits_a_page() {
    let listed = stdout(&run(&mut bothends(&["lab", "lessons"]), b""));
    assert!(listed.contains("\n  zombies-and-eintr     "), "{listed}");
    assert!(listed.lines().all(|line| line.chars().count() <= 80), "{listed}");
}

/// Runs the binary as nobody, where we may; an ordinary user runs it as what they are.
fn as_a_user(copy: &PublicCopy, arguments: &[&str]) -> Output {
    let mut command: Command =
        if geteuid().is_root() { copy.as_nobody(arguments) } else { bothends(arguments) };
    run(&mut command, b"")
}

#[test]
fn every_lesson_plays_and_all_its_claims_hold() {
    let copy = PublicCopy::new();
    let names = names();
    assert!(names.len() >= 28, "{names:?}");
    for name in names {
        let output = as_a_user(&copy, &["lab", "lesson", &name]);
        if is_refused(&output) {
            left_out(&format!("lesson {name}"), "this system refuses a private network");
            continue;
        }
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{name}: {text}{}", stderr(&output));
        assert!(text.contains("✓ holds: ") && !text.contains('✗'), "{name}: {text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80 || line.starts_with("  bothends "), "{name}: {line}");
        }
        let records = records(&as_a_user(&copy, &["lab", "lesson", &name, "--json"]));
        let lessons = of_type(&records, "lesson");
        let [lesson] = lessons.as_slice() else { panic!("{name}: one lesson: {records:?}") };
        assert_eq!(lesson["id"].as_str(), Some(name.as_str()));
        let claims = lesson["claims"].as_array().unwrap();
        assert!(claims.iter().all(|claim| claim["holds"] == Value::Bool(true)), "{name}: {claims:?}");
    }
}

fn is_refused(output: &Output) -> bool {
    output.status.code() == Some(77) && stderr(output).contains("private network")
}

/// What nobody may, root may too; there the lab has other devices.
#[test]
fn lessons_on_the_kernel_play_as_root() {
    if !geteuid().is_root() {
        return left_out("lessons as root", "not run by root");
    }
    for name in on_the_kernel() {
        let output = run(&mut bothends(&["lab", "lesson", &name]), b"");
        if is_refused(&output) {
            left_out(&format!("lesson {name}"), "this system refuses a private network");
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{name}: {}{}", stdout(&output), stderr(&output));
    }
}

/// A system that allows no private network, imitated by one that allows no user namespace inside another.
#[test]
fn without_a_private_network_lessons_say_why_or_do_without() {
    let within = |lesson: &str| {
        let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" lab lesson \"$1\"";
        let program = env!("CARGO_BIN_EXE_bothends");
        let words = ["--user", "--map-root-user", "sh", "-c", script, program, lesson];
        run(Command::new("unshare").args(words).env("LC_ALL", "C.UTF-8"), b"")
    };
    let output = within("handshake");
    if output.status.code() != Some(0) {
        return left_out("lessons without a private network", &stderr(&output));
    }
    let output = within("backlog");
    assert!(is_refused(&output), "{:?} {}", output.status.code(), stderr(&output));
    assert!(stderr(&output).contains("max_user_namespaces"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "", "nothing is told of a play that never was");
    let output = within("window-18");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("The real kernel's version is left out"), "{}", stdout(&output));
}

/// The tool is killed in the middle of a play: everything that belongs to it goes with it.
#[test]
fn nothing_survives_a_killed_lesson() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("play.svg").to_str().unwrap().to_owned();
    for name in on_the_kernel() {
        let mut tool = bothends(&["lab", "lesson", &name, "--svg", &mark])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The tool, and whom it has started; where it may start nobody, it ends.
        while tool.try_wait().unwrap().is_none() && running_with(&mark) < 2 {
            std::thread::yield_now();
        }
        tool.kill().unwrap();
        tool.wait().unwrap();
        let limit = Instant::now() + Duration::from_secs(10);
        while running_with(&mark) > 0 {
            assert!(Instant::now() < limit, "{name}: somebody is left");
            std::thread::yield_now();
        }
    }
}

/// How many processes have this word on their command line, which their children inherit.
fn running_with(word: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(word)).count()
}

#[test]
fn a_play_on_the_kernel_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("play.pcapng").to_str().unwrap().to_owned();
    let output = run(&mut bothends(&["lab", "lesson", "address-in-use", "--json", "--write", &capture]), b"");
    if is_refused(&output) {
        return left_out("lesson address-in-use", "this system refuses a private network");
    }
    let read = records(&run(&mut bothends(&["trace", "-r", &capture, "--json"]), b""));
    let segments = |records: &[Value]| of_type(records, "segment").len();
    let played = records(&output);
    assert!(segments(&played) > 10);
    assert_eq!(segments(&read), segments(&played));
    let lessons = of_type(&played, "lesson");
    assert_eq!(lessons[0]["facts"]["too late"], "EADDRINUSE", "{:?}", lessons[0]);
}

/// How a command ends and what it says; one that waits for others is ended once it has said something.
fn tried(command: &mut Command, words: &[&str]) -> (ExitStatus, String) {
    if !matches!(words, ["serve" | "listen", ..]) {
        let output = run(command, b"");
        return (output.status, stderr(&output));
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = lines(child.stderr.take().unwrap()).recv().unwrap_or_default();
    let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    (wait(&mut child), said)
}

#[test]
fn what_a_lesson_tells_to_try_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    for name in names() {
        let text = stdout(&run(&mut bothends(&["lab", "lesson", &name, "--width", "100"]), b""));
        let (_, commands) = text.split_once("To try:\n").unwrap();
        for command in commands.lines() {
            let words: Vec<&str> = command.split_whitespace().skip(1).collect();
            let (status, said) = tried(bothends(&words).current_dir(folder.path()), &words);
            assert_ne!(status.code(), Some(2), "{name}: {command}: {said}");
        }
    }
}

#[test]
fn a_lesson_is_written_and_read_back_as_the_same_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (capture, picture) = (path("play.pcapng"), path("play.svg"));
    let arguments = ["lab", "lesson", "window-18", "--json", "--write", &capture, "--svg", &picture];
    let played = records(&run(&mut bothends(&arguments), b""));
    let read = records(&run(&mut bothends(&["trace", "-r", &capture, "--json"]), b""));
    let rows = |records: &[Value]| -> Vec<String> {
        let fields = ["t_s", "from", "seq", "ack", "flags_tcp", "len_bytes", "window_bytes"];
        let row = |segment: &Value| fields.map(|field| segment[field].to_string()).join(" ");
        of_type(records, "segment").iter().map(row).collect()
    };
    assert_eq!(rows(&played).len(), 18);
    assert_eq!(rows(&read), rows(&played));
    assert!(fs::read_to_string(picture).unwrap().starts_with("<svg"));
}

#[test]
fn a_full_disk_spoils_the_capture_and_nothing_else() {
    let whole = stdout(&run(&mut bothends(&["lab", "lesson", "refused"]), b""));
    let output = run(&mut bothends(&["lab", "lesson", "refused", "--write", "/dev/full"]), b"");
    assert_eq!((output.status.code(), stdout(&output)), (Some(23), whole));
}

#[test]
fn on_a_pipe_stepping_waits_for_lines_and_leaves_nothing_out() {
    let whole = stdout(&run(&mut bothends(&["lab", "lesson", "handshake"]), b""));
    assert_eq!(stdout(&run(&mut bothends(&["lab", "lesson", "handshake", "--step"]), b"\n\n\n\n")), whole);
    assert_eq!(stdout(&run(&mut bothends(&["lab", "lesson", "handshake", "--step"]), b"")), whole);
    let left = run(&mut bothends(&["lab", "lesson", "handshake", "--step"]), b"\nq\n");
    assert!(left.status.success() && whole.starts_with(&stdout(&left)) && stdout(&left).len() < whole.len());
}

#[test]
fn a_name_that_is_nearly_right_is_found() {
    let output = run(&mut bothends(&["lab", "lesson", "handshak"]), b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("a similar one exists: handshake"), "{}", stderr(&output));
}

#[test]
fn at_a_terminal_stepping_waits_for_any_key_and_leaves_the_terminal_as_it_was() {
    if !has("python3", "lessons: a key at a terminal") {
        return;
    }
    // Presses a key, and no Enter, whenever the terminal gives out single keys.
    let presses = "import os, pty, subprocess, sys, termios
ours, theirs = pty.openpty()
before = termios.tcgetattr(theirs)
program = subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=subprocess.PIPE)
pressed = 0
while program.poll() is None:
    if not termios.tcgetattr(theirs)[3] & termios.ICANON:
        os.write(ours, b'x')
        pressed += 1
os.write(1, program.stdout.read())
sys.exit(program.returncode or pressed == 0 or termios.tcgetattr(theirs) != before)";
    let mut command = Command::new("python3");
    command.args(["-c", presses, env!("CARGO_BIN_EXE_bothends"), "lab", "lesson", "handshake"]);
    let output = run(command.arg("--step"), b"");
    let whole = stdout(&run(&mut bothends(&["lab", "lesson", "handshake"]), b""));
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), whole), "{}", stderr(&output));
}

#[test]
fn calls_are_records_and_every_scene_is_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.svg");
    let drawn = |name: &str| {
        let arguments = ["lab", "lesson", name, "--json", "--svg", picture.to_str().unwrap()];
        let records = records(&run(&mut bothends(&arguments), b""));
        (records, fs::read_to_string(&picture).unwrap())
    };
    let (records, _) = drawn("calls");
    let calls = of_type(&records, "call");
    let accept = calls.iter().find(|call| call["text"] == "accept(3)").unwrap();
    assert_eq!((&accept["from"], &accept["result"]), (&Value::from("b"), &Value::from("4")));
    assert_eq!((&accept["waited"], &accept["ended_by"]), (&Value::from(true), &Value::from(3)));
    for (name, classes) in [
        ("datagram-calls", &["bothends-ladder"][..]),
        ("sliding-window", &["bothends-ladder", "bothends-buffers"]),
        ("states", &["bothends-states"]),
        ("bufferbloat", &["bothends-transfer"]),
        ("header-bytes", &["bothends-bytes"]),
    ] {
        let (_, picture) = drawn(name);
        for class in classes {
            assert!(picture.contains(&format!("class=\"{class}\"")), "{name}: {picture}");
        }
    }
}

#[test]
fn the_sockets_at_each_moment_are_records() {
    let output = run(&mut bothends(&["lab", "lesson", "backlog", "--json"]), b"");
    if is_refused(&output) {
        return left_out("moments as records", "this system refuses a private network");
    }
    let records = records(&output);
    let moments = of_type(&records, "moment");
    let three = moments.iter().find(|moment| moment["name"] == "three").unwrap();
    assert!(three["t_s"].as_f64().unwrap() > 0.0, "{three}");
    let sockets = three["sockets"].as_array().unwrap();
    let listener = sockets.iter().find(|its| its["local"] == "0.0.0.0:7777").unwrap();
    assert_eq!((&listener["host"], &listener["state"]), (&"server".into(), &"LISTEN".into()));
    assert_eq!(listener["accept_queue"], 3);
    let ours = sockets.iter().filter(|its| its["host"] == "client" && its["remote"] == "10.0.0.2:7777");
    assert!(ours.clone().all(|its| its["state"] == "ESTABLISHED") && ours.count() == 3, "{three}");
}

#[test]
fn a_wrong_name_is_told_with_where_the_names_are() {
    for arguments in
        [&["lab", "lesson"][..], &["lab", "lesson", "nonsense"], &["lab", "lessons", "handshake"]]
    {
        let output = run(&mut bothends(arguments), b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("bothends lab lesson"), "{}", stderr(&output));
    }
}

/// `bothends lab lessons --markdown > docs/lessons.md` makes it anew.
#[test]
fn the_document_of_lessons_is_not_stale() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lessons.md");
    let made = stdout(&run(&mut bothends(&["lab", "lessons", "--markdown"]), b""));
    assert!(
        fs::read_to_string(document).unwrap() == made,
        "make it anew: bothends lab lessons --markdown > docs/lessons.md"
    );
}
