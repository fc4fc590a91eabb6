//! A thousand people in one room, ten of whom never read: the others lose nothing, and the server's memory stays small.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Socket, Type};

use crate::running::{PATIENCE, Server, left_out};

const CLIENTS: usize = 1000;
const NEVER_READ: usize = 10;
const MESSAGES: usize = 600;
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
    let test = "1,000 chat clients";
    if raise_descriptor_limit() < CLIENTS as u64 + 100 {
        return left_out(test, "the descriptor limit is below 1,100");
    }
    for engine in ["event", "thread"] {
        let server = Server::start(&["chat", "127.0.0.1:0", "--engine", engine]);
        let mut silent: Vec<TcpStream> =
            (0..NEVER_READ).map(|_| with_a_small_buffer(server.address)).collect();
        let mut readers: Vec<Reader> = (NEVER_READ..CLIENTS).map(|_| Reader::new(server.address)).collect();
        let mut speaker = with_a_small_buffer(server.address);
        speaker.write_all(b"/name speaker\n").unwrap();
        let began = memory_kb(server.pid());

        let mut drain = speaker.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let line = format!("message {number} {}\n", "x".repeat(FILLER));
                    speaker.write_all(line.as_bytes()).unwrap();
                }
                // Nothing else is said to it while it speaks, but notices; its end comes when it has been heard.
                speaker.shutdown(std::net::Shutdown::Write).unwrap();
            });
            scope.spawn(move || std::io::copy(&mut drain, &mut std::io::sink()));
            read_all(&mut readers);
        });
        let grown = memory_kb(server.pid()).saturating_sub(began);
        assert!(grown < 64 * 1024, "{engine}: {grown} kB more than before the first message");

        for socket in &mut silent {
            assert!(says_that_it_missed_some(socket), "{engine}: one who did not read is told so");
        }
    }
}

impl Reader {
    fn new(address: SocketAddr) -> Reader {
        let socket = TcpStream::connect(address).unwrap();
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
            if let Some((_, said)) = line.split_once("message ") {
                let wanted = format!("{} ", self.next);
                assert!(said.starts_with(&wanted), "after message {}: {}", self.next, &line[..40]);
                self.next += 1;
            }
        }
    }
}

fn read_all(readers: &mut [Reader]) {
    let began = Instant::now();
    while readers.iter().any(|reader| reader.next < MESSAGES) {
        assert!(
            began.elapsed() < 6 * PATIENCE,
            "only {} came",
            readers.iter().map(|r| r.next).min().unwrap()
        );
        let mut watched: Vec<_> =
            readers.iter().map(|reader| PollFd::new(&reader.socket, PollFlags::IN)).collect();
        let limit = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        poll(&mut watched, Some(&limit)).unwrap();
        let ready: Vec<bool> = watched.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(watched);
        readers.iter_mut().zip(ready).filter(|(_, ready)| *ready).for_each(|(reader, _)| reader.read());
    }
}

/// A connection whose kernel keeps little for it.
fn with_a_small_buffer(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

fn says_that_it_missed_some(socket: &mut TcpStream) -> bool {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = Vec::new();
    let mut bytes = [0; 64 * 1024];
    while !String::from_utf8_lossy(&heard).contains(" missed") {
        match socket.read(&mut bytes) {
            Ok(length @ 1..) => heard.extend_from_slice(&bytes[..length]),
            _ => return false,
        }
    }
    true
}

fn memory_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// This process's, for the server inherits it, and how many it has then.
fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, maximum: limits.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
