//! A server whose three streams are pipes to the test.

use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::Receiver;

use rustix::process::Signal;

use crate::running::{PATIENCE, bothends, lines, wait};

/// It runs until the test drops it.
pub struct Piped {
    pub child: Child,
    pub address: SocketAddr,
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<ChildStdout>,
    pub stderr: Receiver<String>,
}

impl Piped {
    pub fn start(arguments: &[&str]) -> Piped {
        Piped::of(bothends(&["serve"]).args(arguments))
    }

    pub fn of(command: &mut Command) -> Piped {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = lines(child.stderr.take().unwrap());
        let listening = loop {
            let line = stderr.recv_timeout(PATIENCE).expect("a listening line");
            if let Some(rest) = line.strip_prefix("listening on tcp://") {
                break rest.split(' ').next().unwrap().to_owned();
            }
        };
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Piped { child, address: listening.parse().unwrap(), stdin, stdout, stderr }
    }

    /// The lines of its standard output.
    pub fn shown(&mut self) -> Receiver<String> {
        lines(self.stdout.take().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it in order; its exit code and what it said.
    pub fn stop(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        let code = wait(&mut self.child).code();
        (code, self.stderr.iter().map(|line| line + "\n").collect())
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line of a stream.
pub fn next(lines: &Receiver<String>) -> String {
    lines.recv_timeout(PATIENCE).expect("another line")
}
