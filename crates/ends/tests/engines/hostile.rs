//! One hostile client costs only itself: each kind of them, against each kind of service, under each engine.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ends::serve::{Config, Engine};
use ends::service::{Chat, Collect, Discard, Echo, Reply, Service, Source, Upper, refusal};
use wire::frame::Frame;

use crate::lines::counter;
use crate::server::{ENGINES, Server, config, noise, start};

pub(crate) const TESTS: [(&str, fn()); 5] = [
    ("one_hostile_client_costs_only_itself_event", || one_hostile_client_costs_only_itself(ENGINES[0])),
    ("one_hostile_client_costs_only_itself_two_loops", || one_hostile_client_costs_only_itself(ENGINES[1])),
    ("one_hostile_client_costs_only_itself_thread", || one_hostile_client_costs_only_itself(ENGINES[2])),
    ("one_hostile_client_costs_only_itself_process", || one_hostile_client_costs_only_itself(ENGINES[3])),
    ("floods_of_short_lines_cost_bounded_memory", floods_of_short_lines_cost_bounded_memory),
];

type Make = fn() -> Box<dyn Service>;

/// Each service with what a well-behaved client says and hears.
const SERVICES: [(Make, &[u8], &[u8]); 8] = [
    (|| Box::new(Echo), b"hello\n", b"hello\n"),
    (|| Box::new(Upper), b"hello\n", b"HELLO\n"),
    (|| Box::new(Reply::new(b"yes", Frame::None, 100)), b"hello\n", b"yes"),
    (|| Box::new(Reply::new(b"yes", Frame::Line, 100)), b"hello\n", b"yes\n"),
    (|| Box::new(Discard), b"hello\n", b""),
    (|| Box::new(Source::new(None)), b"", b"!\"#$%&'"),
    (|| Box::new(Collect::new(1000)), b"hello\n", b""),
    (|| Box::new(Chat::new(1000)), b"/help\n", b"* you are"),
];

/// What somebody does to a server until told to stop.
type Deed = fn(&Server, &AtomicBool);

const DEEDS: [(&str, Deed); 6] = [
    ("never reads", never_reads),
    ("drips", drips),
    ("resets at random", resets_at_random),
    ("half-opens", half_opens),
    ("sends lines without end", sends_lines_without_end),
    ("comes and goes", comes_and_goes),
];

fn one_hostile_client_costs_only_itself(engine: Engine) {
    for (make, says, hears) in SERVICES {
        let workers = if let Engine::Event { workers } = engine { workers } else { 1 };
        let name = make().name();
        if refusal(name, ends::service::Shape::Stream, engine, workers).is_some() {
            continue;
        }
        let (sink, mut counted) = counter(usize::MAX);
        let config = Config { service: Box::new(make), sink: Some(sink), ..quiet(config(engine)) };
        let server = start(&config);
        drop(config);
        std::thread::scope(|scope| {
            scope.spawn(|| while counted.next().is_some() {});
            // Of this thread: if it fails, the server ends with it, and with that what is shown.
            let server = server;
            for (deed, act) in DEEDS {
                suffer(&server, act, says, hears, &format!("{name}, {engine:?}, who {deed}"));
            }
            server.stop();
        });
    }
}

/// What is told would fill the pipe to the test; and there are so many places that those of threads are no large memory.
fn quiet(config: Config) -> Config {
    Config { tells: ends::serve::Tells::default(), max_connections: Some(100), ..config }
}

/// How often somebody comes who comes again and again: the others stand behind it in the same queue.
const AT_MOST: u64 = 200;

/// How often the others are looked after.
const ROUNDS: usize = 8;

/// While somebody is hostile, another client is served as if nothing were, and memory stays where it was.
fn suffer(server: &Server, act: Deed, says: &[u8], hears: &[u8], which: &str) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| act(server, &is_over));
        let mut before = None;
        for _ in 0..ROUNDS {
            is_served(server, says, hears, which);
            // From the first round on there is everything that a client costs.
            let now = server.status("VmRSS");
            let before = *before.get_or_insert(now);
            assert!(now < before + 12 * 1024, "{before} kB became {now} kB: {which}");
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

fn is_served(server: &Server, says: &[u8], hears: &[u8], which: &str) {
    let mut client = server.connect();
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    client.write_all(says).expect("open");
    let mut heard = vec![0; hears.len()];
    assert_eq!((client.read_exact(&mut heard).err().map(|e| e.kind()), &*heard), (None, hears), "{which}");
    client.shutdown(Shutdown::Write).expect("open");
    // A chat says more, and a source all that was on its way; then comes the end.
    let end = std::io::copy(&mut client, &mut std::io::sink());
    assert_eq!(end.err().map(|error| error.kind()), None, "{which}");
}

/// Asks for much and takes nothing.
fn never_reads(server: &Server, is_over: &AtomicBool) {
    let mut client = server.connect();
    client.set_nonblocking(true).expect("a socket");
    let lines = [vec![b'x'; 500], b"\n".to_vec()].concat().repeat(100);
    while !is_over.load(Ordering::SeqCst) {
        if client.write(&lines).is_err() {
            std::thread::yield_now();
        }
    }
}

/// Says a byte now and then, and takes one.
fn drips(server: &Server, is_over: &AtomicBool) {
    let mut client = server.connect();
    client.set_read_timeout(Some(Duration::from_millis(5))).expect("a socket");
    while !is_over.load(Ordering::SeqCst) {
        let _ = client.write(b"x");
        let _ = client.read(&mut [0]);
    }
}

fn resets_at_random(server: &Server, is_over: &AtomicBool) {
    for round in (0..AT_MOST).take_while(|_| !is_over.load(Ordering::SeqCst)) {
        let mut client = server.connect();
        let bytes = noise(round, (round * 7919 % 50_000) as usize);
        client.set_nonblocking(true).expect("a socket");
        let _ = client.write(&bytes);
        let _ = client.read(&mut vec![0; bytes.len() / 3]);
        let socket = socket2::SockRef::from(&client);
        socket.set_linger(Some(Duration::ZERO)).expect("a socket");
    }
}

/// Says its FIN and then nothing: it neither reads nor closes.
fn half_opens(server: &Server, is_over: &AtomicBool) {
    let mut held: Vec<TcpStream> = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        if held.len() < 50 {
            let mut client = server.connect();
            let _ = client.write(b"half a line");
            client.shutdown(Shutdown::Write).expect("open");
            held.push(client);
        }
        std::thread::yield_now();
    }
}

/// One line, for as long as it is taken, and what comes back is read.
fn sends_lines_without_end(server: &Server, is_over: &AtomicBool) {
    let mut client = server.connect();
    client.set_nonblocking(true).expect("a socket");
    let (line, mut answer) = (vec![b'l'; 1 << 20], vec![0; 1 << 20]);
    while !is_over.load(Ordering::SeqCst) {
        let wrote = client.write(&line);
        let read = client.read(&mut answer);
        let waits = |result: &std::io::Result<usize>| {
            result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        if waits(&wrote) && waits(&read) {
            std::thread::yield_now();
        }
    }
}

fn comes_and_goes(server: &Server, is_over: &AtomicBool) {
    for _ in (0..AT_MOST).take_while(|_| !is_over.load(Ordering::SeqCst)) {
        drop(server.connect());
    }
}

/// The fewest bytes for the most messages: what counts is what they cost.
fn floods_of_short_lines_cost_bounded_memory() {
    const DEAF: usize = 20;
    for engine in [Engine::Event { workers: 1 }, Engine::Thread] {
        let config = Config { service: Box::new(|| Box::new(Chat::new(1000))), ..quiet(config(engine)) };
        let server = start(&config);
        let deaf: Vec<TcpStream> = (0..DEAF).map(|_| server.connect()).collect();
        let mut speaker = server.connect();
        speaker.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        let mut heard = BufReader::new(speaker.try_clone().expect("a descriptor"));
        while who_is_there(&mut speaker, &mut heard) < DEAF + 2 {}
        let before = server.status("VmRSS");
        for _ in 0..10 {
            speaker.write_all(&b"x\n".repeat(20_000)).expect("it is taken");
        }
        // The answer comes when all before it was said.
        assert_eq!(who_is_there(&mut speaker, &mut heard), DEAF + 2, "{engine:?}");
        // For each the mailbox of a chat (256 KiB) and the engine's queue (64 KiB), and once what is said at once.
        let most = DEAF as u64 * (256 + 64) * 2 + 8 * 1024;
        let more = server.status("VmRSS").saturating_sub(before);
        assert!(more < most, "{more} kB, {engine:?}");
        drop((deaf, speaker, heard));
        server.stop();
    }
}

fn who_is_there(speaker: &mut TcpStream, heard: &mut impl BufRead) -> usize {
    speaker.write_all(b"/who\n").expect("open");
    let mut line = String::new();
    while !line.starts_with("* in lobby: ") {
        line.clear();
        assert!(heard.read_line(&mut line).expect("open") > 0);
    }
    line.split(", ").count()
}
