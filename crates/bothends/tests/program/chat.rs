//! `serve chat`: names and rooms as people see them; and a thousand in one room, ten of whom never read: the others lose
//! nothing, and the server's memory stays small.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::running::{PATIENCE, Server, left_out};

/// Somebody at a terminal.
struct Person {
    socket: TcpStream,
    hears: BufReader<TcpStream>,
}

impl Person {
    /// Arrives and is greeted.
    fn new(server: &Server) -> Person {
        let socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let hears = BufReader::new(socket.try_clone().unwrap());
        Person { socket, hears }
    }

    fn says(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).unwrap();
    }

    fn hears(&mut self) -> String {
        let mut line = String::new();
        self.hears.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    /// The next lines, which have to be these.
    fn hears_all(&mut self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.hears(), *line);
        }
    }
}

#[test]
fn people_have_names_and_rooms() {
    for engine in ["event", "thread"] {
        let server = Server::start(&["chat", "127.0.0.1:0", "--engine", engine]);
        let mut ada = Person::new(&server);
        ada.hears_all(&["* you are client-1 in lobby; /help says what you can do"]);
        let mut bob = Person::new(&server);
        bob.hears_all(&["* you are client-2 in lobby; /help says what you can do"]);
        ada.hears_all(&["* client-2 has joined"]);
        ada.says("/name ada\r\n");
        ada.hears_all(&["* you are ada"]);
        bob.hears_all(&["* client-1 is now ada"]);
        bob.says("/name ADA\n/name client-9\nhello\n");
        bob.hears_all(&["* somebody else is called ada", "* that name is reserved"]);
        ada.hears_all(&["client-2: hello"]);
        ada.says("/who\n");
        ada.hears_all(&["* in lobby: operator, ada, client-2"]);
        // Who is in another room hears nothing of this one.
        bob.says("/join attic\n");
        bob.hears_all(&["* you are in attic"]);
        ada.hears_all(&["* client-2 has left"]);
        ada.says("nobody hears this\n/join attic\nhere\n//join is a command\n");
        ada.hears_all(&["* you are in attic"]);
        bob.hears_all(&["* ada has joined", "ada: here", "ada: /join is a command"]);
        // What would steer a terminal does not, and what is no command is told.
        bob.says("\x1b[2J\n/dance\n");
        ada.hears_all(&["client-2: \\u{1b}[2J"]);
        bob.hears_all(&["* there is no /dance; /help says what there is"]);
        ada.says("/quit\n");
        bob.hears_all(&["* ada has left"]);
        assert_eq!(ada.hears(), "", "{engine}: the server closes");
        drop((ada, bob));
        server.stop();
    }
}

#[test]
fn the_chat_goes_across_transports() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let server = Server::start(&["chat", "127.0.0.1:0", &format!("unix-dgram:{}", at("chat"))]);
    let mut ada = Person::new(&server);
    ada.hears();
    let bob = UnixDatagram::bind(at("bob")).unwrap();
    bob.set_read_timeout(Some(PATIENCE)).unwrap();
    bob.send_to(b"hello", at("chat")).unwrap();
    ada.hears_all(&["* client-2 has joined", "client-2: hello"]);
    ada.says("good day\n");
    let mut heard = Vec::new();
    while !heard.ends_with(b"client-1: good day\n") {
        let mut datagram = [0; 9000];
        let length = bob.recv(&mut datagram).unwrap();
        heard.extend_from_slice(&datagram[..length]);
    }
    assert!(heard.starts_with(b"* you are client-2 in lobby"), "{}", String::from_utf8_lossy(&heard));
}

const NEVER_READ: usize = 10;
const MESSAGES: usize = 600;
/// How many are said before all who read have heard them.
const AT_ONCE: usize = 40;
/// Filler of a message: with it all of them are more than the kernel and the room keep for one who does not read.
const FILLER: usize = 1000;

/// One who reads, and what was read of a line that is not whole yet.
struct Reader {
    socket: TcpStream,
    rest: Vec<u8>,
    /// The number of the message that comes next.
    next: usize,
}

#[test]
fn heavy_a_thousand_chat_and_ten_of_them_never_read() {
    for (engine, clients) in [("event", 1000), ("thread", 300)] {
        if raise_descriptor_limit() < clients as u64 + 100 {
            return left_out("1,000 chat clients", "the descriptor limit is below 1,100");
        }
        // The kernel would keep megabytes for those who do not read.
        let small = ["--sockopt", "SO_SNDBUF=16K"];
        let server = Server::start(&[&["chat", "127.0.0.1:0", "--engine", engine], &small[..]].concat());
        let mut silent: Vec<TcpStream> =
            (0..NEVER_READ).map(|_| TcpStream::connect(server.address).unwrap()).collect();
        let mut readers: Vec<Reader> = (NEVER_READ..clients).map(|_| Reader::new(server.address)).collect();
        let mut speaker = Person::new(&server);
        speaker.says("/name speaker\n");
        while speaker.hears() != "* you are speaker" {}
        let began = memory_kb(server.pid(), "VmRSS:");
        for first in (0..MESSAGES).step_by(AT_ONCE) {
            for number in first..first + AT_ONCE {
                speaker.says(&format!("message {number} {}\n", "x".repeat(FILLER)));
            }
            read_all(&mut readers, first + AT_ONCE);
        }
        let grown = memory_kb(server.pid(), "VmHWM:").saturating_sub(began);
        assert!(grown < 24 * 1024, "{engine}: {grown} kB more than before the first message");
        for socket in &mut silent {
            assert!(says_that_it_missed_some(socket), "{engine}: one who did not read is told so");
        }
    }
}

impl Reader {
    /// Arrives, and is in the room: under threads that need not be before whoever comes next.
    fn new(address: SocketAddr) -> Reader {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.read_exact(&mut [0; 1]).unwrap();
        socket.set_nonblocking(true).unwrap();
        Reader { socket, rest: Vec::new(), next: 0 }
    }

    /// Reads what is there and checks that no message is missing.
    fn read(&mut self) {
        let mut bytes = [0; 64 * 1024];
        match self.socket.read(&mut bytes) {
            Ok(length) => {
                assert!(length > 0, "nobody is sent away");
                self.rest.extend_from_slice(&bytes[..length]);
            }
            Err(error) => return assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8(self.rest.drain(..=end).collect()).unwrap();
            assert!(!line.contains(" missed"), "after message {}: {line}", self.next);
            if let Some((_, said)) = line.split_once("message ") {
                let wanted = format!("{} ", self.next);
                assert!(said.starts_with(&wanted), "after message {}: {}", self.next, &line[..40]);
                self.next += 1;
            }
        }
    }
}

/// Reads until everybody has heard so many messages.
fn read_all(readers: &mut [Reader], messages: usize) {
    let began = Instant::now();
    while readers.iter().any(|reader| reader.next < messages) {
        let least = readers.iter().map(|reader| reader.next).min();
        assert!(began.elapsed() < 3 * PATIENCE, "only {least:?} came to all");
        let mut watched: Vec<_> =
            readers.iter().map(|reader| PollFd::new(&reader.socket, PollFlags::IN)).collect();
        let limit = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        poll(&mut watched, Some(&limit)).unwrap();
        let ready: Vec<bool> = watched.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(watched);
        readers.iter_mut().zip(ready).filter(|(_, ready)| *ready).for_each(|(reader, _)| reader.read());
    }
}

fn says_that_it_missed_some(socket: &mut TcpStream) -> bool {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let lines = BufReader::new(socket).lines().map_while(Result::ok);
    lines
        .take_while(|line| !line.contains(&format!("message {} ", MESSAGES - 1)))
        .any(|line| line.contains(" missed"))
}

/// A line of /proc/PID/status.
fn memory_kb(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// This process's, for the server inherits it, and how many it has then.
fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, maximum: limits.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
