//! `lab`'s commands as they were run anywhere else: what they find around them, and who ends them.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::running::{PATIENCE, bothends, has, left_out, run, stderr, stdout, wait};

/// What a process has by inheritance: descriptors, signals, priority, processors, limits, and where it is.
const PROBE: &str = r#"
import os, re, resource, signal
fds = [fd for fd in range(100) if os.path.lexists(f"/proc/self/fd/{fd}")]
print("descriptors", fds)
status = open("/proc/self/status").read()
print(*re.findall(r"(?:Sig(?:Blk|Ign)|Umask|Cpus_allowed):\t\S+", status))
print("nice", os.getpriority(os.PRIO_PROCESS, 0), "policy", os.sched_getscheduler(0))
print("limits", [resource.getrlimit(limit) for limit in range(16)])
print("timer slack", open(f"/proc/{os.getpid()}/timerslack_ns").read().strip() if os.geteuid() == 0 else "")
print("folder", os.getcwd(), "environment", hash(tuple(sorted(os.environ.items()))))
"#;

/// Runs a command with an inherited descriptor, a blocked and an ignored signal, a priority, a limit and a umask.
const AROUND: &str = r#"
import os, resource, signal, subprocess, sys
os.dup2(os.open("/dev/null", os.O_RDONLY), 9)
os.setpriority(os.PRIO_PROCESS, 0, 3)
os.umask(0o027)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGHUP})
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn a_command_finds_around_it_what_it_would_find_outside() {
    let test = "lab: what commands find";
    if !has("python3", test) {
        return;
    }
    let around = |command: &[&str]| {
        run(Command::new("python3").args(["-c", AROUND]).args(command).env("PYTHONHASHSEED", "1"), b"")
    };
    let probe = ["python3", "-c", PROBE];
    let outside = stdout(&around(&probe));
    assert!(outside.contains("descriptors [0, 1, 2, 9") && outside.contains("nice 3"), "{outside}");
    let lab = [env!("CARGO_BIN_EXE_bothends"), "lab", "-q", "--client-only", "--"];
    let inside = around(&[&lab[..], &probe].concat());
    if inside.status.code() == Some(77) {
        return left_out(test, "this system refuses a private network");
    }
    assert_eq!(stdout(&inside), outside, "{}", stderr(&inside));
}

/// Whenever it comes, to all processes of the lab's group, as the terminal sends it.
#[test]
fn a_signal_to_the_whole_group_ends_a_lab_that_has_only_begun() {
    for tenths in 0..40_u64 {
        let mut command = bothends(&["lab", "-q", "--client-only", "--", "sleep", "60"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(100 * tenths) {
            std::hint::spin_loop();
        }
        kill_process_group(Pid::from_child(&child), Signal::TERM).unwrap();
        let mut told = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut told).unwrap();
        let status = wait(&mut child);
        if status.code() == Some(77) && !told.contains("EPIPE") {
            return left_out("lab: a signal at its start", "this system refuses a private network");
        }
        let ended = status.code() == Some(143) || status.signal() == Some(15);
        assert!(ended && told.is_empty(), "after {tenths}00 µs: {status:?} {told}");
    }
}

/// An interpreter, a debugger and many another program take ^C as a word to them and go on.
#[test]
fn a_client_that_goes_on_after_the_terminals_interrupt_is_let() {
    let test = "lab: ^C at a terminal";
    if !has("python3", test) {
        return;
    }
    // It says when it has been there for longer than one that is being ended would be left.
    let client = "
import os, signal, sys, time
read, write = os.pipe()
signal.signal(signal.SIGINT, lambda *_: os.write(write, b'!'))
print('ready', flush=True)
for last in (False, True):
    os.read(read, 1)
    print('caught', flush=True)
    if not last:
        time.sleep(3)
        print('still here', flush=True)
sys.exit(7)";
    let typist = "
import os, pty, subprocess, sys
pid, ours = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b''
def until(word):
    global seen
    while word not in seen:
        seen += os.read(ours, 1000)
    seen = seen.split(word, 1)[1]
try:
    until(b'ready')
    os.write(ours, b'\\x03')
    until(b'caught')
    until(b'still here')
    os.write(ours, b'\\x03')
    until(b'caught')
except OSError:
    print('ended too soon', seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    let mut command = Command::new("python3");
    command.args(["-c", typist, env!("CARGO_BIN_EXE_bothends"), "lab", "-q", "--client-only", "--"]);
    let began = Instant::now();
    let output = run(command.args(["python3", "-c", client]), b"");
    if output.status.code() == Some(77) {
        return left_out(test, "this system refuses a private network");
    }
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(7), ""), "{}", stderr(&output));
    assert!(began.elapsed() < PATIENCE);
}

/// A client that only waits is ended by the terminal's interrupt, as outside.
#[test]
fn the_terminals_interrupt_ends_a_client_that_does_not_mind_it() {
    let test = "lab: ^C ends";
    if !has("python3", test) {
        return;
    }
    let typist = "
import os, pty, sys
pid, ours = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b''
try:
    while b'ready' not in seen:
        seen += os.read(ours, 1000)
    os.write(ours, b'\\x03')
    while os.read(ours, 1000):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    let mut command = Command::new("python3");
    command.args(["-c", typist, env!("CARGO_BIN_EXE_bothends"), "lab", "-q", "--client-only", "--"]);
    let output = run(command.args(["sh", "-c", "echo ready; exec sleep 60"]), b"");
    if output.status.code() == Some(77) {
        return left_out(test, "this system refuses a private network");
    }
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
}

#[test]
fn a_server_that_fails_is_told_of_also_where_nothing_else_is() {
    let test = "lab: a failed server";
    let client = "until ! kill -0 $PPID 2>/dev/null || [ -e \"$0\" ]; do :; done";
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let gone = gone.to_str().unwrap();
    let server = "echo never told >&2; trap 'touch \"$0\"' EXIT; exit 3";
    let arguments = ["lab", "-q", "--", "sh", "-c", server, gone, "--", "sh", "-c", client, gone];
    let output = run(&mut bothends(&arguments), b"");
    if output.status.code() == Some(77) {
        return left_out(test, "this system refuses a private network");
    }
    let told = stderr(&output);
    assert!(told.contains("exited with 3") && !told.contains("server | "), "{told}");
}

#[test]
fn a_shell_runs_on_a_host_by_any_of_its_names() {
    for (name, says) in [("b", "server"), ("host3", "host3"), ("c", "host3"), ("client", "client")] {
        let output = run(&mut bothends(&["lab", "-q", "--hosts", "3", "shell", name]), b"hostname\n");
        if output.status.code() == Some(77) {
            return left_out("lab: names for a shell", "this system refuses a private network");
        }
        assert_eq!(stdout(&output).trim(), says, "{name}: {}", stderr(&output));
    }
    let output = run(&mut bothends(&["lab", "shell", "d"]), b"");
    assert!(stderr(&output).contains("there is no host \"d\" among client or a, server or b"), "{output:?}");
}

/// Whoever prints faster than it is told is heard beside all others, and ends with them.
#[test]
fn a_program_that_prints_without_a_pause_leaves_the_lab_its_ears() {
    let test = "lab: a server that prints for ever";
    let server = ["sh", "-c", "yes & exec yes"];
    let lab = |client: &[&str]| {
        let mut command = bothends(&[&["lab", "-q", "--"], &server[..], &["--"], client].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut child = lab(&["echo", "here"]);
    let status = wait(&mut child);
    if status.code() == Some(77) {
        return left_out(test, "this system refuses a private network");
    }
    assert_eq!(status.code(), Some(0));
    let mut child = lab(&["sh", "-c", "echo here; exec sleep 60"]);
    let said = crate::running::lines(child.stdout.take().unwrap());
    assert_eq!(said.recv_timeout(PATIENCE).as_deref(), Ok("here"));
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(wait(&mut child).code(), Some(143));
}

#[test]
fn a_hangup_is_nothing_to_who_was_told_to_ignore_it() {
    let test = "lab: nohup";
    if !has("python3", test) {
        return;
    }
    let ignoring = "import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])";
    let client = "import signal, sys
print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, flush=True)
sys.stdin.read()
sys.exit(5)";
    let mut command = Command::new("python3");
    command.args(["-c", ignoring, env!("CARGO_BIN_EXE_bothends"), "lab", "-q", "--client-only", "--"]);
    command.args(["python3", "-c", client]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let typed = child.stdin.take();
    let said = crate::running::lines(child.stdout.take().unwrap());
    let Ok(first) = said.recv_timeout(PATIENCE) else {
        wait(&mut child);
        return left_out(test, "this system refuses a private network");
    };
    assert_eq!(first, "True");
    rustix::process::kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    drop(typed);
    assert_eq!(wait(&mut child).code(), Some(5));
}

/// A daemon: its first process has ended long before anybody listens.
#[test]
fn a_server_that_puts_itself_in_the_background_is_waited_for() {
    let test = "lab: a server in the background";
    if !has("python3", test) || !has("curl", test) {
        return;
    }
    let server = "python3 -m http.server 80 >/dev/null 2>&1 & exit 0";
    let client = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://server/"];
    let arguments = [&["lab", "-q", "--", "sh", "-c", server, "--"][..], &client].concat();
    let output = run(&mut bothends(&arguments), b"");
    if output.status.code() == Some(77) {
        return left_out(test, "this system refuses a private network");
    }
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "200"), "{}", stderr(&output));
}
