use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wire::Transport;

use super::*;
use crate::event::{ClosedBy, How};
use crate::operator::operator;
use crate::serve::{Limits, Sink};
use crate::service::{Appetite, Arrival, Chat, Client, Echo, Line, Output, Shape};

fn with_limits(limits: Limits) -> (Running, TcpStream) {
    let (listener, at) = tcp();
    let running = run(Config { limits, ..config(|| Echo) }, vec![listener], Vec::new());
    (running, connect(at))
}

#[test]
fn a_client_gets_its_bytes_and_no_more() {
    let (running, mut client) = with_limits(Limits { max_bytes: Some(1000), ..Limits::default() });
    client.write_all(&[7; 1500]).expect("room");
    let mut echo = Vec::new();
    // The close may overtake the last echo as a reset: what was too much is unread.
    let _ = client.read_to_end(&mut echo);
    assert!(echo.len() <= 1000);
    let (_, account) = running.next_closed();
    assert_eq!((account.how, account.closed_by), (How::Limit, ClosedBy::Us));
    assert_eq!((account.in_bytes, account.unread_bytes), (1000, 500));
    running.stop();
}

#[test]
fn silence_ends_a_session_and_words_keep_it() {
    let idle = Duration::from_millis(60);
    let (running, mut client) = with_limits(Limits { idle: Some(idle), ..Limits::default() });
    let start = Instant::now();
    let mut last = start;
    while start.elapsed() < idle * 4 {
        client.write_all(b"x").expect("open");
        if client.read_exact(&mut [0]).is_err() {
            // This machine stood still for longer than it may; it was the silence all the same.
            assert!(last.elapsed() >= idle);
            break;
        }
        last = Instant::now();
    }
    let (_, account) = running.next_closed();
    assert_eq!((account.how, account.closed_by), (How::Idle, ClosedBy::Us));
    assert!(account.open >= idle, "{:?}", account.open);
    assert_eq!(client.read(&mut [0]).ok(), Some(0));
    running.stop();
}

#[test]
fn a_session_has_its_time_whatever_is_said() {
    let total = Duration::from_millis(80);
    let (running, mut client) = with_limits(Limits { total: Some(total), ..Limits::default() });
    while client.write_all(b"x").is_ok() && client.read_exact(&mut [0]).is_ok() {}
    let (_, account) = running.next_closed();
    assert_eq!((account.how, account.closed_by), (How::Limit, ClosedBy::Us));
    assert!(account.open >= total);
    running.stop();
}

#[test]
fn a_client_is_read_at_its_rate() {
    let (running, mut client) = with_limits(Limits { bytes_per_s: Some(100_000), ..Limits::default() });
    let bytes = vec![5; 40_000];
    let start = Instant::now();
    client.write_all(&bytes).expect("the kernel takes it");
    let mut echo = vec![0; bytes.len()];
    client.read_exact(&mut echo).expect("in time");
    // The bucket holds a tenth of a second's.
    assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
    assert_eq!(echo, bytes);
    running.stop();
}

/// Says as much as it is asked for.
struct Fountain;

impl Service for Fountain {
    fn name(&self) -> &'static str {
        "fountain"
    }

    fn received<'a>(&mut self, _: Client, _: Arrival<'a>, _: &mut Output<'a>) {}

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }

    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        static WATER: [u8; 1 << 18] = [b'~'; 1 << 18];
        output.to(client, &WATER[..bytes.min(WATER.len())]);
    }
}

#[test]
fn output_is_asked_for_at_the_rate() {
    let (listener, at) = tcp();
    let limits = Limits { bytes_per_s: Some(100_000), ..Limits::default() };
    let running = run(Config { limits, ..config(|| Fountain) }, vec![listener], Vec::new());
    let mut client = connect(at);
    let start = Instant::now();
    client.read_exact(&mut [0; 40_000]).expect("in time");
    assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
    drop(client);
    running.stop();
}

#[test]
fn a_fountain_does_not_outrun_a_slow_reader() {
    let (listener, at) = tcp();
    let running = run(config(|| Fountain), vec![listener], Vec::new());
    let mut client = connect(at);
    let mut water = vec![0; 1 << 16];
    for _ in 0..400 {
        client.read_exact(&mut water).expect("more comes");
        assert!(water.iter().all(|drop| *drop == b'~'));
    }
    client.shutdown(Shutdown::Write).expect("open");
    while client.read(&mut water).expect("open") > 0 {}
    let (_, account) = running.next_closed();
    assert_eq!(account.how, How::Fin);
    assert!(account.out_bytes >= 400 << 16);
    running.stop();
}

/// Takes everything and keeps nothing.
struct Drain;

impl Service for Drain {
    fn name(&self) -> &'static str {
        "drain"
    }

    fn appetite(&self) -> Appetite {
        Appetite::CountOnly
    }

    fn received<'a>(&mut self, _: Client, _: Arrival<'a>, _: &mut Output<'a>) {}

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }
}

/// Sends a lot in pieces of all sizes; gives how much.
fn pour(mut into: impl Write) -> u64 {
    let bytes = vec![1; 1 << 20];
    let sizes = [1, 100, 65_535, 65_536, 65_537, 1 << 20];
    (0..60).map(|round| sizes[round % sizes.len()]).fold(0, |sum, size| {
        into.write_all(&bytes[..size]).expect("it is taken");
        sum + size as u64
    })
}

#[test]
fn everything_that_is_thrown_away_is_counted() {
    let (listener, at) = tcp();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("drain");
    let unix = UnixListener::bind(&path).expect("a socket file");
    unix.set_nonblocking(true).expect("a socket");
    let tells = Tells { data: false, ..Tells::ALL };
    let listeners = vec![listener, Listener::of(unix.into(), Transport::Unix)];
    let running = run(Config { tells, ..config(|| Drain) }, listeners, Vec::new());
    for sum in [pour(connect(at)), pour(UnixStream::connect(&path).expect("it listens"))] {
        let (_, account) = running.next_closed();
        assert_eq!((account.how, account.in_bytes), (How::Fin, sum));
    }
    running.stop();
}

/// Shows every arrival, and the end of every client.
struct Teller;

fn line(client: Client, bytes: &[u8]) -> Line {
    Line { client: Some(client), room: None, name: None, bytes: bytes.to_vec(), cut: false }
}

impl Service for Teller {
    fn name(&self) -> &'static str {
        "teller"
    }

    fn shows_lines(&self) -> bool {
        true
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        if let Arrival::Bytes(bytes) = arrival {
            output.show(line(client, bytes));
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }

    fn gone<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.show(line(client, b"gone"));
    }
}

/// Takes lines while it has room.
#[derive(Default)]
struct Shelf {
    has_room: AtomicBool,
    asked: AtomicUsize,
    waiting: Mutex<Vec<(Option<Address>, Vec<u8>)>>,
    written: Mutex<Vec<(Option<Address>, Vec<u8>)>>,
}

impl Sink for Shelf {
    fn take(&self, remote: Option<&Address>, line: &Line) {
        self.waiting.lock().expect("no panic").push((remote.cloned(), line.bytes.clone()));
    }

    fn flush(&self) {
        let mut waiting = self.waiting.lock().expect("no panic");
        self.written.lock().expect("no panic").append(&mut waiting);
    }

    fn has_room(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.has_room.load(Ordering::SeqCst)
    }
}

#[test]
fn clients_wait_while_nobody_takes_their_lines() {
    let (listener, at) = tcp();
    let shelf = Arc::new(Shelf { has_room: true.into(), ..Shelf::default() });
    let sink: Arc<dyn Sink> = shelf.clone();
    let tells = Tells { data: false, ..Tells::ALL };
    let running = run(Config { sink: Some(sink), tells, ..config(|| Teller) }, vec![listener], Vec::new());
    let mut client = connect(at);
    running.next_opened();
    shelf.has_room.store(false, Ordering::SeqCst);
    let asked = shelf.asked.load(Ordering::SeqCst);
    client.write_all(b"hello").expect("the kernel takes it");
    let start = Instant::now();
    while shelf.asked.load(Ordering::SeqCst) < asked + 10 {
        std::thread::yield_now();
    }
    assert!(start.elapsed() >= Duration::from_millis(15), "it asks now and then, and does not spin");
    assert!(shelf.waiting.lock().expect("no panic").is_empty());
    shelf.has_room.store(true, Ordering::SeqCst);
    let from = client.local_addr().expect("bound").into();
    drop(client);
    running.next_closed();
    running.stop();
    let lines = shelf.written.lock().expect("no panic").clone();
    assert_eq!(lines, [(Some(Address::clone(&from)), b"hello".to_vec()), (Some(from), b"gone".to_vec())]);
}

/// Passes on what one client says to the one who came before it, when that one is asked.
#[derive(Default)]
struct Relay {
    first: Option<Client>,
    kept: Vec<u8>,
}

impl Service for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn opened<'a>(&mut self, client: Client, _: Shape, _: &mut Output<'a>) {
        self.first.get_or_insert(client);
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        match (self.first, arrival) {
            (_, Arrival::Bytes(b"out!")) => output.over_limit(client),
            (Some(first), Arrival::Bytes(bytes)) if first != client => {
                self.kept.extend(bytes);
                output.offer(first);
            }
            _ => {}
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }

    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        if self.first == Some(client) && !self.kept.is_empty() {
            let rest = self.kept.split_off(self.kept.len().min(bytes));
            output.to_owned(client, std::mem::replace(&mut self.kept, rest));
        }
    }

    fn gone<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        if let Some(first) = self.first.filter(|first| *first != client) {
            output.to(first, b"bye");
        }
    }

    fn operator<'a>(&mut self, line: &[u8], output: &mut Output<'a>) {
        if let Some(first) = self.first {
            output.to_owned(first, line.to_vec());
        }
    }
}

#[test]
fn others_are_reached_by_offers_farewells_and_the_operator() {
    let (listener, at) = tcp();
    let (operator, keyboard) = operator().expect("a descriptor");
    let config = Config { operator: Some(operator), ..config(Relay::default) };
    let running = run(config, vec![listener], Vec::new());
    let mut first = connect(at);
    running.next_opened();
    let mut second = connect(at);
    let long: Vec<u8> = (0u8..=250).cycle().take(3_000_000).collect();
    let mut heard = vec![0; long.len()];
    std::thread::scope(|scope| {
        scope.spawn(|| second.write_all(&long).expect("it is taken"));
        first.read_exact(&mut heard).expect("all of it");
    });
    assert!(heard == long);
    second.write_all(b"out!").expect("room");
    let mut farewell = [0; 3];
    first.read_exact(&mut farewell).expect("it is told");
    assert_eq!(&farewell, b"bye");
    let (client, account) = running.next_closed();
    assert_eq!((client, account.how), (2, How::Limit));
    keyboard.line(b"now".to_vec());
    first.read_exact(&mut farewell).expect("the operator speaks");
    assert_eq!(&farewell, b"now");
    running.stop();
}

/// More is said in one round than waits for anybody: whoever reads gets all of it.
#[test]
fn a_chat_loses_nothing_for_those_who_read() {
    const LINES: usize = 20_000;
    let (listener, at) = tcp();
    let shelf = Arc::new(Shelf { has_room: true.into(), ..Shelf::default() });
    let sink: Arc<dyn Sink> = shelf.clone();
    let config = Config { sink: Some(sink), ..config(|| Chat::new(4096)) };
    let running = run(config, vec![listener], Vec::new());
    let mut reader = connect(at);
    running.next_opened();
    let mut speaker = connect(at);
    running.next_opened();
    shelf.has_room.store(false, Ordering::SeqCst);
    let line = |number: usize| format!("{number} {}\n", "x".repeat(40));
    let said: String = (0..LINES).map(line).collect();
    // Nobody is read until the kernel holds as much as it will.
    speaker.set_nonblocking(true).expect("a socket");
    let held = std::iter::from_fn(|| speaker.write(&said.as_bytes()[..1000]).ok());
    let before: usize = held.take(LINES).sum();
    speaker.set_nonblocking(false).expect("a socket");
    shelf.has_room.store(true, Ordering::SeqCst);
    assert!(before > 300_000, "the kernel held only {before}");
    std::thread::scope(|scope| {
        scope.spawn(|| speaker.write_all(format!("\n{said}").as_bytes()).expect("it is taken"));
        let mut heard = BufReader::new(&mut reader).lines().map_while(Result::ok);
        let mut next = 0;
        while next < LINES {
            let text = heard.next().expect("more");
            assert!(!text.contains("missed"), "after line {next}: {text}");
            next += usize::from(text == format!("client-2: {}", line(next).trim_end()));
        }
    });
    running.stop();
}
