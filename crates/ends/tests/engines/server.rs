//! A server in a forked child that says on a pipe what it has to tell, and clients for it.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use ends::event::{Event, How};
use ends::listen::Place;
use ends::serve::{Config, Engine, Tells, serve};
use ends::service::Echo;
use ends::stop::Stop;
use kernel::process::{self, Ended, Forked, Pid, Signal};

pub(crate) const ENGINES: [Engine; 4] =
    [Engine::Event { workers: 1 }, Engine::Event { workers: 2 }, Engine::Thread, Engine::Process];

/// A running server. Killed when dropped.
pub(crate) struct Server {
    pub(crate) pid: Pid,
    /// Where it listens first, as it is shown.
    pub(crate) at: String,
    told: BufReader<PipeReader>,
    ended: bool,
}

/// The account of one session, as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) client: u64,
    pub(crate) how: String,
    pub(crate) closed_by: String,
    pub(crate) in_bytes: u64,
    pub(crate) out_bytes: u64,
    pub(crate) unsent_bytes: u64,
    pub(crate) unread_bytes: u64,
    pub(crate) transport: String,
}

/// An echo server on loopback.
pub(crate) fn echo(engine: Engine) -> Server {
    start(&config(engine))
}

pub(crate) fn config(engine: Engine) -> Config {
    let loopback = Place::tcp("127.0.0.1:0".parse().expect("an address"));
    Config {
        tells: Tells { opened: true, closed: true, data: false },
        ..Config::new(vec![loopback], engine, || Echo)
    }
}

pub(crate) fn start(config: &Config) -> Server {
    start_with(config, || ())
}

/// Starts a server in a child that does something else before.
pub(crate) fn start_with(config: &Config, before: impl FnOnce()) -> Server {
    let (told, tell) = std::io::pipe().expect("a pipe");
    let pid = match fork() {
        Forked::Child => {
            process::die_with_parent();
            drop(told);
            before();
            process::exit_now(run(config, &tell));
        }
        Forked::Parent(pid) => pid,
    };
    drop(tell);
    let mut told = BufReader::new(told);
    let mut line = String::new();
    told.read_line(&mut line).expect("the server lives");
    assert!(line.starts_with("listening "), "the server said {line:?}");
    let at = line["listening ".len()..].trim().to_owned();
    Server { pid, at, told, ended: false }
}

/// Threads of the test before this one may still be on their way out.
fn fork() -> Forked {
    loop {
        match process::fork() {
            Ok(forked) => return forked,
            Err(errno) => assert_eq!(errno, rustix::io::Errno::BUSY.raw_os_error()),
        }
    }
}

fn run(config: &Config, tell: &PipeWriter) -> i32 {
    let say = |line: String| {
        let _ = (&mut &*tell).write_all((line + "\n").as_bytes());
    };
    let Ok(stop) = Stop::by_signals_and_hangup() else { return 3 };
    match serve(config, &stop, &|event| say(line_of(event))) {
        Ok(_) => 0,
        Err(fault) => {
            say(format!("fault {fault}"));
            1
        }
    }
}

fn line_of(event: Event) -> String {
    match event {
        Event::Listening { address, .. } => format!("listening {address}"),
        Event::Opened { client, transport, remote, .. } => {
            format!("opened {client} {} {remote}", transport.name())
        }
        Event::Data { client, bytes, .. } => {
            format!("data {client} {}", String::from_utf8_lossy(&bytes).trim())
        }
        Event::Closed { client, transport, account, .. } => format!(
            "closed {client} {:?} {:?} {} {} {} {} {}",
            account.how,
            account.closed_by,
            account.in_bytes,
            account.out_bytes,
            account.unsent_bytes,
            account.unread_bytes,
            transport.name(),
        ),
        Event::TurnedAway { why, .. } => format!("turned away {why:?}"),
        Event::OptionSet { name, is, .. } => format!("option {name} {is}"),
        Event::ListsRead { networks } => format!("lists {networks}"),
        Event::ChildEnded { client, exit, signal, .. } => format!("child {client} {exit:?} {signal:?}"),
        Event::Trouble(fault) => format!("trouble {fault}"),
        Event::Paused => "paused".to_owned(),
        Event::Stopping { sessions } => format!("stopping {sessions}"),
    }
}

impl Server {
    /// Where it listens by TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.at.parse().expect("an address")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        stream
    }

    /// The next thing told that begins like this; what comes before is passed over.
    pub(crate) fn wait_for(&mut self, beginning: &str) -> String {
        loop {
            let line = self.next_line();
            assert!(line.is_some(), "the server ended without saying {beginning:?}");
            let line = line.unwrap_or_default();
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    pub(crate) fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.told.read_line(&mut line).expect("a pipe");
        (length > 0).then(|| line.trim_end().to_owned())
    }

    pub(crate) fn next_closed(&mut self) -> Closed {
        let line = self.wait_for("closed ");
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| words[place].parse().expect("a number");
        Closed {
            client: number(1),
            how: words[2].to_owned(),
            closed_by: words[3].to_owned(),
            in_bytes: number(4),
            out_bytes: number(5),
            unsent_bytes: number(6),
            unread_bytes: number(7),
            transport: words[8].to_owned(),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        process::kill(self.pid, signal).expect("it lives");
    }

    /// Waits for the end of the server, and gives what else it said.
    pub(crate) fn wait(mut self) -> (Ended, Vec<String>) {
        self.ended = true;
        let ended = process::wait(self.pid).expect("a child of ours");
        (ended, std::iter::from_fn(|| self.next_line()).collect())
    }

    /// Stops the server, which must end well.
    pub(crate) fn stop(self) {
        self.signal(Signal::TERM);
        let (ended, _) = self.wait();
        assert_eq!((ended.exit, ended.signal), (Some(0), None));
    }

    /// A field of /proc/PID/status, in its unit.
    pub(crate) fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
        line.trim_start_matches(':')
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok())
            .expect("a number")
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).expect("it lives").count()
    }

    /// The processor time that it has used, in ticks of 10 ms.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(self.proc("stat")).expect("it lives");
        let after_name = stat.rsplit_once(") ").expect("a name in brackets").1;
        let fields: Vec<&str> = after_name.split(' ').collect();
        // proc_pid_stat(5): utime and stime are fields 14 and 15, the first here is 3.
        fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
    }

    /// The process ids of its children.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let path = self.proc(&format!("task/{}/children", self.pid.as_raw_nonzero()));
        let children = std::fs::read_to_string(path).expect("it lives");
        children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }

    /// Waits until every child has done what there was to do. (State S of proc_pid_stat(5).)
    pub(crate) fn wait_until_children_sleep(&self) {
        let sleeps = |child: &Pid| {
            let stat =
                std::fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero())).expect("it lives");
            stat.rsplit_once(") ").expect("a name in brackets").1.starts_with('S')
        };
        while !self.children().iter().all(sleeps) {
            std::thread::yield_now();
        }
    }

    /// Waits until no thread of it or of its children has anything to do.
    pub(crate) fn wait_until_all_sleep(&self) {
        let sleeps = |pid: &Pid| {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).expect("it lives");
            let stat = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat"));
            // One that has ended meanwhile has nothing to do either.
            tasks
                .filter_map(Result::ok)
                .filter_map(|task| stat(task).ok())
                .all(|stat| stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('S')))
        };
        while !std::iter::once(self.pid).chain(self.children()).all(|pid| sleeps(&pid)) {
            std::thread::yield_now();
        }
    }

    fn proc(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid.as_raw_nonzero())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended {
            let _ = process::kill(self.pid, Signal::KILL);
            let _ = process::wait(self.pid);
        }
    }
}

impl Closed {
    pub(crate) fn is(&self, how: How) -> bool {
        self.how == format!("{how:?}")
    }
}

/// Says something and takes the echo.
pub(crate) fn say(stream: &mut TcpStream, words: &[u8]) -> std::io::Result<()> {
    stream.write_all(words)?;
    let mut echo = vec![0; words.len()];
    stream.read_exact(&mut echo)?;
    assert_eq!(echo, words);
    Ok(())
}

/// Sends everything, half-closes and reads to the end, at the same time.
pub(crate) fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let mut writer = stream.try_clone().expect("a descriptor");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            writer.write_all(bytes).expect("the server reads");
            writer.shutdown(Shutdown::Write).expect("open");
        });
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the server answers");
        answer
    })
}

/// Bytes that differ from place to place and from seed to seed (xorshift).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
