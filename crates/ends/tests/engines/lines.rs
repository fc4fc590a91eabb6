//! Lines that a service shows: whole, once, in order, with their client, and never lost while nobody takes them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ends::event::How;
use ends::operator::operator;
use ends::serve::{Config, Engine, Limits, Sink};
use ends::service::{Arrival, Chat, Client, Line, Output, Service};
use kernel::process::{self, Signal};
use kernel::shared_memory::Rows;
use kernel::signal::Signals;
use wire::Address;

use crate::server::{ENGINES, Server, config, noise, start, start_with};

pub(crate) const TESTS: [(&str, fn()); 11] = [
    ("lines_come_whole_once_and_in_order", lines_come_whole_once_and_in_order),
    ("the_line_of_a_dying_client_is_shown_and_marked", the_line_of_a_dying_client_is_shown_and_marked),
    ("clients_wait_while_nobody_takes_their_lines", clients_wait_while_nobody_takes_their_lines),
    ("a_sink_with_little_room_loses_nothing_and_stalls_nobody", a_sink_with_little_room_loses_nothing),
    ("those_who_come_and_go_cost_nothing_while_nobody_takes_lines", those_who_come_and_go_cost_nothing),
    ("nobody_is_let_in_while_nobody_takes_lines", nobody_is_let_in_while_nobody_takes_lines),
    ("the_operator_waits_as_clients_do", the_operator_waits_as_clients_do),
    ("time_runs_while_nobody_takes_lines", time_runs_while_nobody_takes_lines),
    ("a_server_whose_lines_nobody_takes_can_be_stopped", a_server_whose_lines_nobody_takes_can_be_stopped),
    ("a_killed_child_costs_the_lines_of_one_client", a_killed_child_costs_the_lines_of_one_client),
    ("lines_of_a_stopping_server_are_not_lost", lines_of_a_stopping_server_are_not_lost),
];

/// Shows whole lines, and what is left of a line at the end.
#[derive(Default)]
struct Collector {
    begun: HashMap<Client, Vec<u8>>,
}

fn line(client: Client, bytes: Vec<u8>, cut: bool) -> Line {
    Line { client: Some(client), room: None, name: None, bytes, cut }
}

impl Service for Collector {
    fn name(&self) -> &'static str {
        "collector"
    }

    fn shows_lines(&self) -> bool {
        true
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        let Arrival::Bytes(bytes) = arrival else { unreachable!("it asked for bytes") };
        let begun = self.begun.entry(client).or_default();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece.strip_suffix(b"\n").unwrap_or(piece));
            if piece.ends_with(b"\n") {
                output.show(line(client, std::mem::take(begun), false));
            }
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }

    fn gone<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        let rest = self.begun.remove(&client).unwrap_or_default();
        if !rest.is_empty() {
            output.show(line(client, rest, true));
        }
    }
}

/// Takes lines in the server's process and hands them to the test.
struct Counter {
    batch: Mutex<Vec<u8>>,
    pipe: PipeWriter,
    /// Whether there is room; shared with the test.
    shared: Arc<Rows>,
    /// It has room again only once it has been flushed, when it holds more bytes than this.
    most: usize,
}

impl Sink for Counter {
    fn take(&self, remote: Option<&Address>, line: &Line) {
        self.shared.as_slice()[0][2].fetch_add(1, Ordering::SeqCst);
        let mut batch = self.batch.lock().expect("no panic");
        let remote = remote.map(ToString::to_string).unwrap_or_default();
        let client = line.client.map_or(0, |client| client.0);
        let head = format!("{client} {remote} {} {}\n", line.cut, line.bytes.len());
        batch.extend_from_slice(head.as_bytes());
        batch.extend_from_slice(&line.bytes);
    }

    fn flush(&self) {
        // Under the lock: two sessions' batches stay in order.
        let mut batch = self.batch.lock().expect("no panic");
        (&self.pipe).write_all(&batch).expect("the test reads");
        batch.clear();
    }

    fn has_room(&self) -> bool {
        self.shared.as_slice()[0][1].fetch_add(1, Ordering::SeqCst);
        let is_full = self.batch.lock().expect("no panic").len() > self.most;
        self.shared.as_slice()[0][0].load(Ordering::SeqCst) == 0 && !is_full
    }
}

/// The test's end of a [`Counter`].
pub(crate) struct Counted {
    pipe: BufReader<PipeReader>,
    shared: Arc<Rows>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    client: u64,
    remote: String,
    pub(crate) is_cut: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Counted {
    /// The next line; none when the server has ended.
    pub(crate) fn next(&mut self) -> Option<Shown> {
        let mut head = String::new();
        self.pipe.read_line(&mut head).expect("a pipe");
        let words: Vec<&str> = head.trim_end().split(' ').collect();
        let &[client, remote, cut, length] = words.as_slice() else { return None };
        let mut bytes = vec![0; length.parse().expect("a number")];
        self.pipe.read_exact(&mut bytes).expect("a whole line");
        let client = client.parse().expect("a number");
        Some(Shown { client, remote: remote.to_owned(), is_cut: cut == "true", bytes })
    }

    fn has_room(&self, has_room: bool) {
        self.shared.as_slice()[0][0].store(u64::from(!has_room), Ordering::SeqCst);
    }

    /// How many lines the server has shown.
    fn lines(&self) -> u64 {
        self.shared.as_slice()[0][2].load(Ordering::SeqCst)
    }

    /// How often the server has asked whether there is room.
    fn times_asked(&self) -> u64 {
        self.shared.as_slice()[0][1].load(Ordering::SeqCst)
    }
}

fn collector(engine: Engine) -> (Server, Counted) {
    collector_with(usize::MAX, config(engine))
}

fn collector_with(most: usize, config: Config) -> (Server, Counted) {
    let (sink, counted) = counter(most);
    let service: Box<dyn Fn() -> Box<dyn Service> + Send + Sync> = Box::new(|| Box::<Collector>::default());
    // The test's own copy of the pipe's entry ends with this configuration.
    let server = start(&Config { service, sink: Some(sink), ..config });
    (server, counted)
}

pub(crate) fn counter(most: usize) -> (Arc<dyn Sink>, Counted) {
    let (reader, pipe) = std::io::pipe().expect("a pipe");
    let shared = Arc::new(Rows::new(1).expect("memory"));
    let sink = Counter { batch: Mutex::default(), pipe, shared: Arc::clone(&shared), most };
    (Arc::new(sink), Counted { pipe: BufReader::new(reader), shared })
}

/// A line that tells its place, of any length.
fn numbered(client: usize, number: usize) -> Vec<u8> {
    let length = match number % 50 {
        7 => 300_000,
        19 => 33_000,
        _ => number * 7 % 200,
    };
    let mut line = format!("{client} {number} ").into_bytes();
    line.extend(noise((client * 1000 + number) as u64, length).iter().map(|byte| b'a' + byte % 26));
    line
}

fn lines_come_whole_once_and_in_order() {
    const LINES: usize = 60;
    for engine in ENGINES {
        let (mut server, mut counted) = collector(engine);
        let clients: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
        let addresses: Vec<SocketAddr> =
            clients.iter().map(|client| client.local_addr().expect("open")).collect();
        std::thread::scope(|scope| {
            for (client, mut stream) in clients.into_iter().enumerate() {
                scope.spawn(move || {
                    for number in 0..LINES {
                        let mut line = numbered(client, number);
                        line.push(b'\n');
                        stream.write_all(&line).expect("the server reads");
                    }
                });
            }
            let mut next = [0; 20];
            for _ in 0..20 * LINES {
                let shown = counted.next().expect("it lives");
                let client = addresses.iter().position(|address| address.to_string() == shown.remote);
                let client = client.expect("one of ours");
                assert!(
                    shown.bytes == numbered(client, next[client]),
                    "{client}, {}: {engine:?}",
                    next[client]
                );
                assert!(!shown.is_cut);
                next[client] += 1;
            }
        });
        for _ in 0..20 {
            server.next_closed();
        }
        server.stop();
        assert_eq!(counted.next(), None, "and none twice");
    }
}

fn the_line_of_a_dying_client_is_shown_and_marked() {
    for engine in ENGINES {
        let (mut server, mut counted) = collector(engine);
        for dies in [false, true] {
            let mut client = server.connect();
            client.write_all(b"whole\n").expect("open");
            assert_eq!(
                counted.next().map(|shown| (shown.bytes, shown.is_cut)),
                Some((b"whole".to_vec(), false))
            );
            client.write_all(&[b'x'; 50_000]).expect("open");
            if dies {
                // What it sent has to be read before the reset throws it away: the queue of a reset connection is lost.
                while kernel::socket::unacknowledged(&client) > 0 {
                    std::thread::yield_now();
                }
                wait_until_read(&client);
                let socket = socket2::SockRef::from(&client);
                socket.set_linger(Some(Duration::ZERO)).expect("a socket");
            }
            drop(client);
            let shown = counted.next().expect("it lives");
            assert!(shown.is_cut && shown.bytes == [b'x'; 50_000], "{engine:?}: {}", shown.bytes.len());
            assert_eq!(server.next_closed().in_bytes, 50_006);
        }
        server.stop();
    }
}

/// Waits until the other end's process has read what was sent: its queue in /proc/net/tcp is empty.
fn wait_until_read(client: &TcpStream) {
    let hex = |address: SocketAddr| {
        let SocketAddr::V4(address) = address else { unreachable!("an IPv4 test") };
        format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
    };
    let theirs = hex(client.peer_addr().expect("open"));
    let ours = hex(client.local_addr().expect("open"));
    let is_read = || {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("/proc");
        table.lines().any(|row| {
            let columns: Vec<&str> = row.split_whitespace().collect();
            columns.get(1) == Some(&theirs.as_str())
                && columns.get(2) == Some(&ours.as_str())
                && columns[4].ends_with(":00000000")
        })
    };
    while !is_read() {
        std::thread::yield_now();
    }
}

fn clients_wait_while_nobody_takes_their_lines() {
    for engine in ENGINES {
        let (mut server, mut counted) = collector(engine);
        let mut client = server.connect();
        server.wait_for("opened ");
        counted.has_room(false);
        client.set_write_timeout(Some(Duration::from_millis(100))).expect("a socket");
        let text = [[b'z'; 999].as_slice(), b"\n"].concat();
        let mut written = 0;
        while let Ok(length) = client.write(&text[written % 1000..]) {
            written += length;
            assert!(written < 64 << 20, "somebody's memory takes it all");
        }
        let (asked, ticks) = (counted.times_asked(), server.ticks());
        while counted.times_asked() < asked + 40 {
            std::thread::yield_now();
        }
        assert!(server.ticks() - ticks < 10, "{engine:?} spins");
        counted.has_room(true);
        let rest = std::thread::scope(|scope| {
            let client = &mut client;
            scope.spawn(move || {
                client.set_write_timeout(None).expect("a socket");
                client.write_all(&text[written % 1000..]).expect("it is read again");
            });
            (0..written / 1000 + 1).all(|_| counted.next().is_some_and(|shown| shown.bytes == [b'z'; 999]))
        });
        assert!(rest, "all that was written is shown, {engine:?}");
        drop(client);
        server.next_closed();
        server.stop();
        assert_eq!(counted.next(), None);
    }
}

/// It is full after every line, until what it holds is handed over: whoever forgot that would wait for ever.
fn a_sink_with_little_room_loses_nothing() {
    const LINES: usize = 2000;
    for engine in ENGINES {
        let (mut server, mut counted) = collector_with(10, config(engine));
        std::thread::scope(|scope| {
            for client in 0..4 {
                let mut stream = server.connect();
                scope.spawn(move || {
                    let lines: String = (0..LINES).map(|number| format!("{client} {number}\n")).collect();
                    stream.write_all(lines.as_bytes()).expect("the server reads");
                });
            }
            let mut next = [0; 4];
            for _ in 0..4 * LINES {
                let shown = String::from_utf8(counted.next().expect("it lives").bytes).expect("text");
                let (client, number) = shown.split_once(' ').expect("two numbers");
                let next = &mut next[client.parse::<usize>().expect("a number")];
                assert_eq!(number, next.to_string(), "of {client}, {engine:?}");
                *next += 1;
            }
        });
        (0..4).for_each(|_| _ = server.next_closed());
        server.stop();
        assert_eq!(counted.next(), None);
    }
}

/// A line of a client that then leaves: none may be taken for those that leave, or they would fill the memory one after
/// the other.
fn those_who_come_and_go_cost_nothing() {
    const CLIENTS: usize = 300;
    const LENGTH: usize = 100_000;
    for engine in ENGINES {
        let (mut server, mut counted) = collector(engine);
        drop(server.connect());
        server.next_closed();
        counted.has_room(false);
        let before = server.status("VmRSS");
        let mut said = 0;
        for number in 0..CLIENTS {
            let mut client = server.connect();
            client.set_nonblocking(true).expect("a socket");
            let line = [number.to_string().into_bytes(), vec![b'.'; LENGTH], b"\n".to_vec()].concat();
            // As much of it as the kernel holds; then it leaves.
            said += client.write(&line).expect("the kernel takes it");
        }
        let asked = counted.times_asked();
        while counted.times_asked() < asked + 40 {
            std::thread::yield_now();
        }
        let more = server.status("VmRSS").saturating_sub(before);
        assert!(more < 8 * 1024, "{more} kB for {said} bytes, {engine:?}");
        counted.has_room(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut shown = 0;
                while let Some(line) = counted.next() {
                    shown += line.bytes.len() + usize::from(!line.is_cut);
                }
                assert_eq!(shown, said, "none is lost, {engine:?}");
            });
            (0..CLIENTS).for_each(|_| _ = server.next_closed());
            server.stop();
        });
    }
}

/// Their coming and going would be told in lines that nobody takes.
fn nobody_is_let_in_while_nobody_takes_lines() {
    for engine in ENGINES {
        let (mut server, counted) = collector(engine);
        let mut first = server.connect();
        server.wait_for("opened 1 ");
        counted.has_room(false);
        let _waiting = server.connect();
        let asked = counted.times_asked();
        while counted.times_asked() < asked + 40 {
            std::thread::yield_now();
        }
        first.write_all(b"x").expect("the kernel takes it");
        server.signal(Signal::TERM);
        let next = server.wait_for("");
        assert_eq!(next, "stopping 1", "{engine:?}");
        drop(first);
        server.signal(Signal::TERM);
        assert_eq!(server.wait().0.exit, Some(0));
    }
}

/// What is typed in a chat is shown as well: a program that types without end must not fill the memory.
fn the_operator_waits_as_clients_do() {
    const LINES: u64 = 20_000;
    for engine in [Engine::Event { workers: 1 }, Engine::Thread] {
        let (operator, keyboard) = operator().expect("descriptors");
        let (sink, mut counted) = counter(usize::MAX);
        counted.has_room(false);
        let service: Box<dyn Fn() -> Box<dyn Service> + Send + Sync> = Box::new(|| Box::new(Chat::new(100)));
        let config = Config { service, sink: Some(sink), operator: Some(operator), ..config(engine) };
        let server = start_with(&config, move || {
            // Before the thread begins, for good: or it would be the one that signals end the process by.
            std::mem::forget(Signals::take(&[Signal::TERM]).expect("a descriptor"));
            std::thread::spawn(move || (0..LINES).for_each(|_| keyboard.line(b"hello".to_vec())));
        });
        drop(config);
        while counted.times_asked() < 40 {
            std::thread::yield_now();
        }
        assert_eq!(counted.lines(), 0, "{engine:?}");
        counted.has_room(true);
        (0..LINES).for_each(|_| _ = counted.next().expect("all of them"));
        server.stop();
    }
}

fn time_runs_while_nobody_takes_lines() {
    for engine in ENGINES {
        let limits = Limits { total: Some(Duration::from_millis(300)), ..Limits::default() };
        let (mut server, mut counted) = collector_with(usize::MAX, Config { limits, ..config(engine) });
        let mut client = server.connect();
        server.wait_for("opened ");
        counted.has_room(false);
        let shared = Arc::clone(&counted.shared);
        std::thread::scope(|scope| {
            scope.spawn(|| while counted.next().is_some() {});
            // More than its process may hand on without being heard.
            client.set_nonblocking(true).expect("a socket");
            while client.write(&[b'\n'; 10_000]).is_ok() {}
            client.set_nonblocking(false).expect("a socket");
            client.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
            let end = client.read(&mut [0]).map_err(|error| error.kind());
            assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}, {engine:?}");
            shared.as_slice()[0][0].store(0, Ordering::SeqCst);
            let closed = server.next_closed();
            assert!(closed.is(How::Limit) && closed.closed_by == "Us", "{engine:?}: {closed:?}");
            server.stop();
        });
    }
}

fn a_server_whose_lines_nobody_takes_can_be_stopped() {
    for engine in ENGINES {
        for grace in [Duration::from_millis(50), Duration::from_secs(60)] {
            let (mut server, mut counted) = collector_with(usize::MAX, Config { grace, ..config(engine) });
            let mut clients: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
            (0..20).for_each(|_| _ = server.wait_for("opened "));
            counted.has_room(false);
            std::thread::scope(|scope| {
                scope.spawn(|| while counted.next().is_some() {});
                for client in &mut clients {
                    client.set_nonblocking(true).expect("a socket");
                    while client.write(&[b'\n'; 10_000]).is_ok() {}
                }
                server.signal(Signal::TERM);
                assert_eq!(server.wait_for("stopping"), "stopping 20", "{engine:?}");
                if grace > Duration::from_secs(1) {
                    server.signal(Signal::TERM);
                }
                assert_eq!(server.wait().0.exit, Some(0), "{engine:?}");
            });
        }
    }
}

fn a_killed_child_costs_the_lines_of_one_client() {
    const LINES: usize = 3000;
    let (mut server, mut counted) = collector(Engine::Process);
    let first = server.connect();
    let victim = first.local_addr().expect("open").to_string();
    server.wait_for("opened ");
    let child = server.children()[0];
    let clients: Vec<TcpStream> = std::iter::once(first).chain((0..4).map(|_| server.connect())).collect();
    let addresses: Vec<String> =
        clients.iter().map(|client| client.local_addr().expect("open").to_string()).collect();
    let mut next: HashMap<String, usize> = HashMap::new();
    std::thread::scope(|scope| {
        for (client, mut stream) in clients.into_iter().enumerate() {
            scope.spawn(move || {
                // The victim goes on until it fails.
                let lines = if client == 0 { usize::MAX } else { LINES };
                for number in 0..lines {
                    if stream.write_all(format!("{client} {number}\n").as_bytes()).is_err() {
                        assert_eq!(client, 0);
                        return;
                    }
                }
            });
        }
        while next.len() < 5 || next.iter().any(|(client, count)| *client != victim && *count < LINES) {
            let shown = counted.next().expect("it lives");
            let client = addresses.iter().position(|address| *address == shown.remote).expect("one of ours");
            let count = next.entry(shown.remote).or_default();
            let expected = format!("{client} {count}");
            assert!(
                shown.bytes == expected.as_bytes() && !shown.is_cut,
                "{expected}: none is lost in between, or twice"
            );
            *count += 1;
            if client == 0 && *count == 5 {
                process::kill(child, Signal::KILL).expect("it lives");
            }
        }
    });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Some(shown) = counted.next() {
                assert_eq!(shown.remote, victim, "the others have said everything");
            }
        });
        assert_eq!(server.wait_for("child 1 "), "child 1 None Some(9)");
        server.stop();
    });
}

fn lines_of_a_stopping_server_are_not_lost() {
    for engine in ENGINES {
        let (server, mut counted) = collector(engine);
        let mut client = server.connect();
        client.write_all(b"first\nsecond, not whole").expect("open");
        assert_eq!(counted.next().map(|shown| shown.bytes), Some(b"first".to_vec()));
        client.write_all(b", and third\n").expect("open");
        assert_eq!(counted.next().map(|shown| shown.bytes), Some(b"second, not whole, and third".to_vec()));
        server.signal(Signal::TERM);
        client.write_all(b"during the grace\n").expect("open");
        assert_eq!(counted.next().map(|shown| shown.bytes), Some(b"during the grace".to_vec()), "{engine:?}");
        drop(client);
        let (ended, _) = server.wait();
        assert_eq!(ended.exit, Some(0));
        assert_eq!(counted.next(), None);
    }
}
