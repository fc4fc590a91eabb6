//! Starting the binary and its peers, and waiting for what can be observed instead of for time to pass.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The longest that a test waits for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The binary under test, with no say of the environment in its looks.
pub fn bothends(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bothends"));
    command.args(arguments).env_remove("COLUMNS").env("LC_ALL", "C.UTF-8");
    command
}

/// Notes that a test cannot run here; `./check` lists these at its end.
pub fn left_out(test: &str, reason: &str) {
    println!("left out: {test}: {reason}");
    if let Ok(path) = std::env::var("BOTHENDS_SKIPS") {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{test}: {reason}").unwrap();
    }
}

/// Whether the system has a program; if not, the test that needs it is noted as left out.
pub fn has(program: &str, test: &str) -> bool {
    let found = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .any(|folder| PathBuf::from(folder).join(program).exists());
    if !found {
        left_out(test, &format!("{program} is not installed"));
    }
    found
}

/// Whether strace can answer here instead of the kernel.
pub fn can_inject(test: &str) -> bool {
    if !has("strace", test) {
        return false;
    }
    let works = run(Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]), b"").status.success();
    if !works {
        left_out(test, "strace may trace nothing here");
    }
    works
}

/// The binary, whose calls of this name fail so where strace(1) says `when`: `1..2`, the first two of each thread.
pub fn failing(call: &str, error: &str, when: &str, arguments: &[&str]) -> Command {
    let inject = format!("inject={call}:error={error}:when={when}");
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
    command
        .arg(env!("CARGO_BIN_EXE_bothends"))
        .args(arguments)
        .env_remove("COLUMNS")
        .env("LC_ALL", "C.UTF-8");
    command
}

/// Whether this test may act as another user.
pub fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        left_out(test, "needs root to start programs as another user");
    }
    root
}

/// A copy of the binary that every user may run, in a folder that everybody may read.
pub struct PublicCopy {
    folder: tempfile::TempDir,
}

impl PublicCopy {
    pub fn new() -> PublicCopy {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_bothends"), folder.path().join("bothends")).unwrap();
        PublicCopy { folder }
    }

    /// Where it is.
    pub fn path(&self) -> String {
        self.folder.path().join("bothends").display().to_string()
    }

    /// The binary, started as the user `nobody` with a plain environment.
    pub fn as_nobody(&self, arguments: &[&str]) -> Command {
        self.as_nobody_with("LC_ALL=C.UTF-8", arguments)
    }

    /// The same with one more variable.
    pub fn as_nobody_with(&self, variable: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "env",
            "-i",
            "PATH=/usr/bin:/bin",
        ]);
        command.args(["LC_ALL=C.UTF-8", variable]).arg(self.folder.path().join("bothends")).args(arguments);
        command.current_dir("/");
        command
    }
}

/// Runs a command to its end, with its input, and fails the test when it takes longer than [`PATIENCE`].
pub fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let status = wait(&mut child);
    let output = Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() };
    writer.join().unwrap();
    output
}

fn collect(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        all
    })
}

/// Waits for a child's end; kills it and fails after [`PATIENCE`].
pub fn wait(child: &mut Child) -> ExitStatus {
    let pidfd = rustix::process::pidfd_open(
        rustix::process::Pid::from_child(child),
        rustix::process::PidfdFlags::empty(),
    )
    .unwrap();
    let mut polled = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    let limit = rustix::event::Timespec { tv_sec: 3 * PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    if rustix::event::poll(&mut polled, Some(&limit)).unwrap() == 0 {
        let _ = child.kill();
        panic!("still running after {:?}", 3 * PATIENCE);
    }
    child.wait().unwrap()
}

/// Asks again and again, without sleeping longer than a moment, until the answer is yes.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// A server that runs until the test drops it.
pub struct Server {
    pub child: Child,
    /// Where it listens, in full: `udp://127.0.0.1:40213`.
    pub place: String,
    /// The same as a socket address; nowhere for a Unix socket.
    pub address: SocketAddr,
    stderr: Receiver<String>,
    said: String,
}

impl Server {
    /// Starts `bothends serve …` and waits for its listening line.
    pub fn start(arguments: &[&str]) -> Server {
        Server::of(bothends(&["serve"]).args(arguments))
    }

    /// The same, started with this socket as its descriptor 3.
    pub fn with_socket(socket: OwnedFd, arguments: &[&str]) -> Server {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 </dev/null", "sh", env!("CARGO_BIN_EXE_bothends"), "serve"]);
        Server::spawned(command.args(arguments).stdin(socket))
    }

    /// The same with a command made elsewhere.
    pub fn of(command: &mut Command) -> Server {
        Server::spawned(command.stdin(Stdio::null()))
    }

    fn spawned(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = lines(child.stderr.take().unwrap());
        let mut said = String::new();
        // Options that were set are told before.
        let place = loop {
            let line =
                stderr.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no listening line in {said:?}"));
            let _ = writeln!(said, "{line}");
            if let Some(rest) = line.strip_prefix("listening on ") {
                break rest.split_once(" (").map_or(rest, |(place, _)| place).to_owned();
            }
        };
        let address = place.split("://").nth(1).and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        Server { child, place, address, stderr, said }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a line on stderr that contains `word`.
    pub fn says(&mut self, word: &str) -> String {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Ok(line) = self.stderr.recv_timeout(PATIENCE) {
                let _ = writeln!(self.said, "{line}");
                if line.contains(word) {
                    return line;
                }
            } else {
                break;
            }
        }
        panic!("the server never said {word:?}; it said:\n{}", self.said);
    }

    /// Stops it in order and gives its exit status and all that it said.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal(rustix::process::Signal::TERM);
        let status = wait(&mut self.child);
        let mut said = std::mem::take(&mut self.said);
        while let Ok(line) = self.stderr.recv_timeout(PATIENCE) {
            let _ = writeln!(said, "{line}");
        }
        (status, said)
    }

    /// The processes that it has started and that are not reaped, each with its state letter.
    pub fn children(&self) -> Vec<(u32, char)> {
        children_of(self.pid())
    }

    /// How many descriptors it holds.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The children of a process and their state letters, from /proc.
pub fn children_of(parent: u32) -> Vec<(u32, char)> {
    processes().into_iter().filter(|process| process.parent == parent).map(|p| (p.pid, p.state)).collect()
}

/// A process as /proc shows it.
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    pub state: char,
}

/// All processes.
pub fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, tail) = stat.rsplit_once(')')?;
            let mut fields = tail.split_whitespace();
            let state = fields.next()?.chars().next()?;
            let parent = fields.next()?.parse().ok()?;
            Some(Process { pid, parent, state })
        })
        .collect()
}

/// The lines of a stream, as they come.
pub fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    receive
}

/// stdout as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// stderr as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The records of `--json` output.
pub fn records(output: &Output) -> Vec<serde_json::Value> {
    stdout(output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The records of one type.
pub fn of_type(records: &[serde_json::Value], word: &str) -> Vec<serde_json::Value> {
    records.iter().filter(|record| record["type"] == word).cloned().collect()
}

/// Bytes that look random and are the same at every run.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}
