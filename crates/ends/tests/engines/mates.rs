//! Clients that reach each other: everybody hears the same in the same order, and who does not read stops nobody.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use ends::event::How;
use ends::operator::operator;
use ends::serve::{Config, Engine, Limits};
use ends::service::{Arrival, Chat, Client, Output, Service, Shape};
use kernel::process::Signal;
use kernel::signal::Signals;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::server::{Server, config, start};

pub(crate) const TESTS: [(&str, fn()); 11] = [
    ("a_chat_loses_nothing_for_those_who_read", a_chat_loses_nothing_for_those_who_read),
    ("many_chat_and_some_never_read", many_chat_and_some_never_read),
    ("silence_in_a_party_is_ended_and_listening_is_none", silence_in_a_party_is_ended_and_listening_is_none),
    ("everybody_hears_the_same_in_the_same_order", everybody_hears_the_same_in_the_same_order),
    ("who_never_reads_stops_nobody", who_never_reads_stops_nobody),
    ("what_did_not_fit_is_told_to_the_byte", what_did_not_fit_is_told_to_the_byte),
    ("who_finds_no_descriptor_is_let_go_and_nothing_is_unsent", who_finds_no_descriptor_is_let_go),
    ("what_is_offered_waits_in_the_service", what_is_offered_waits_in_the_service),
    ("the_operator_is_heard", the_operator_is_heard),
    ("who_has_gone_is_missed_and_sent_nothing", who_has_gone_is_missed_and_sent_nothing),
    ("a_party_is_ended_with_its_server", a_party_is_ended_with_its_server),
];

/// Where one service serves all: processes have no memory in common.
const ENGINES: [Engine; 2] = [Engine::Event { workers: 1 }, Engine::Thread];

/// Passes on to everybody what anybody says.
#[derive(Default)]
struct Party {
    there: BTreeSet<Client>,
}

impl Party {
    fn tell(&self, bytes: &[u8], output: &mut Output<'_>) {
        let shared: Arc<[u8]> = bytes.into();
        self.there.iter().for_each(|client| output.to_shared(*client, Arc::clone(&shared)));
    }
}

impl Service for Party {
    fn name(&self) -> &'static str {
        "party"
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn opened<'a>(&mut self, client: Client, _: Shape, output: &mut Output<'a>) {
        self.there.insert(client);
        output.to(client, b"welcome\n");
    }

    fn received<'a>(&mut self, _: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        if let Arrival::Bytes(bytes) = arrival {
            self.tell(bytes, output);
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }

    fn gone<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        self.there.remove(&client);
        self.tell(format!("{} left\n", client.0).as_bytes(), output);
    }

    fn operator<'a>(&mut self, line: &[u8], output: &mut Output<'a>) {
        self.tell(&[b"operator: ", line, b"\n"].concat(), output);
    }
}

fn party(engine: Engine) -> Config {
    Config { service: Box::new(|| Box::<Party>::default()), ..config(engine) }
}

/// A client that has been welcomed.
fn join(server: &Server) -> BufReader<TcpStream> {
    let stream = server.connect();
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let mut client = BufReader::new(stream);
    assert_eq!(next(&mut client), "welcome");
    client
}

fn next(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).expect("more comes");
    line.trim_end().to_owned()
}

fn everybody_hears_the_same_in_the_same_order() {
    const CLIENTS: usize = 20;
    const LINES: usize = 50;
    for engine in ENGINES {
        let server = start(&party(engine));
        let clients: Vec<BufReader<TcpStream>> = (0..CLIENTS).map(|_| join(&server)).collect();
        let heard: Vec<Vec<String>> = std::thread::scope(|scope| {
            let talk = |(number, mut client): (usize, BufReader<TcpStream>)| {
                scope.spawn(move || {
                    let mut heard = Vec::new();
                    for line in 0..LINES {
                        // In one segment, so that it is one arrival.
                        let words = format!("{number} {line}\n");
                        client.get_mut().write_all(words.as_bytes()).expect("open");
                        heard.push(next(&mut client));
                    }
                    while heard.len() < CLIENTS * LINES {
                        heard.push(next(&mut client));
                    }
                    (client, heard)
                })
            };
            let talks: Vec<_> = clients.into_iter().enumerate().map(talk).collect();
            // They leave when all have heard everything: a farewell would come in between.
            let talks: Vec<_> = talks.into_iter().map(|talk| talk.join().expect("no panic")).collect();
            talks.into_iter().map(|(_, heard)| heard).collect()
        });
        let first = heard.first().expect("twenty");
        assert!(heard.iter().all(|one| one == first), "{engine:?}");
        let said: BTreeSet<&String> = first.iter().collect();
        assert_eq!(said.len(), CLIENTS * LINES, "all, and none twice");
        server.stop();
    }
}

fn who_never_reads_stops_nobody() {
    const ROUNDS: usize = 400;
    for engine in ENGINES {
        let mut server = start(&party(engine));
        let deaf = join(&server);
        let mut speaker = join(&server);
        let mut listener = join(&server);
        let memory = server.status("VmRSS");
        let words = [vec![b'w'; 65_535], b"\n".to_vec()].concat();
        // 26 MB, of which the deaf one takes what its sockets hold.
        for _ in 0..ROUNDS {
            speaker.get_mut().write_all(&words).expect("the server reads");
            hear(&mut speaker, words.len() - 1);
            hear(&mut listener, words.len() - 1);
        }
        let closed = server.next_closed();
        assert!(closed.client == 1 && closed.is(How::Limit), "{engine:?}: {closed:?}");
        assert!(closed.unsent_bytes >= 900_000, "its mailbox was full: {closed:?}");
        assert!(server.status("VmRSS") < memory + 8 * 1024, "kB");
        drop((deaf, listener.get_mut(), speaker.get_mut()));
        server.stop();
    }
}

/// More than may wait is said in one piece, of which the kernel takes some: the rest is unsent, all of it.
fn what_did_not_fit_is_told_to_the_byte() {
    const SAID: usize = 30 << 20;
    for engine in ENGINES {
        let mut server = start(&Config { service: Box::new(|| Box::new(Deluge)), ..config(engine) });
        let mut client = join(&server);
        client.get_mut().write_all(b"now").expect("open");
        let closed = server.next_closed();
        assert!(closed.is(How::Limit) && closed.closed_by == "Us", "{engine:?}: {closed:?}");
        let never_taken = 8 + SAID as u64 - closed.out_bytes;
        assert!(closed.unsent_bytes >= never_taken, "{engine:?}: {closed:?}");
        assert!(closed.unsent_bytes <= never_taken + closed.out_bytes, "{engine:?}: {closed:?}");
        server.stop();
    }
}

/// A thread of a shared service needs a second descriptor for each client.
fn who_finds_no_descriptor_is_let_go() {
    // One of them is odd, and leaves somebody with the last descriptor.
    let let_go: usize = [30, 31].into_iter().map(those_let_go_with).sum();
    assert!(let_go > 0);
}

fn those_let_go_with(descriptors: u64) -> usize {
    let limit = Rlimit { current: Some(descriptors), maximum: Some(descriptors) };
    let config = party(Engine::Thread);
    let mut server = crate::server::start_with(&config, move || {
        setrlimit(Resource::Nofile, limit).expect("lower is allowed");
    });
    let mut held = Vec::new();
    loop {
        let mut stream = server.connect();
        stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a socket");
        match stream.read(&mut [0; 8]) {
            Ok(8) => held.push(stream),
            _ => break,
        }
    }
    let mut told = Vec::new();
    drop(held);
    server.signal(Signal::TERM);
    while let Some(line) = server.next_line() {
        told.push(line);
    }
    let let_go: Vec<&String> = told.iter().filter(|line| line.contains(" Limit Us ")).collect();
    assert!(let_go.iter().all(|line| line.ends_with(" Limit Us 0 0 0 0 tcp")), "{told:?}");
    let_go.len()
}

/// Answers anything with more than fits anywhere.
struct Deluge;

impl Service for Deluge {
    fn name(&self) -> &'static str {
        "deluge"
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn opened<'a>(&mut self, client: Client, _: Shape, output: &mut Output<'a>) {
        output.to(client, b"welcome\n");
    }

    fn received<'a>(&mut self, client: Client, _: Arrival<'a>, output: &mut Output<'a>) {
        output.to_shared(client, vec![b'~'; 30 << 20].into());
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }
}

/// Hears so many of the speaker's letters; in between there may be the news that somebody left.
fn hear(client: &mut BufReader<TcpStream>, mut left: usize) {
    while left > 0 {
        let mut line = Vec::new();
        client.read_until(b'\n', &mut line).expect("more comes");
        assert!(!line.is_empty(), "{left} are missing");
        left -= line.iter().filter(|byte| **byte == b'w').count();
    }
}

/// Keeps for each client a number of how much it is to hear, and gives it when asked.
#[derive(Default)]
struct Larder {
    kept: std::collections::BTreeMap<Client, u64>,
}

impl Service for Larder {
    fn name(&self) -> &'static str {
        "larder"
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn opened<'a>(&mut self, client: Client, _: Shape, output: &mut Output<'a>) {
        self.kept.insert(client, 0);
        output.to(client, b"welcome\n");
    }

    /// Each byte is a mebibyte for everybody.
    fn received<'a>(&mut self, _: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        let Arrival::Bytes(bytes) = arrival else { unreachable!("it asked for bytes") };
        for (client, kept) in &mut self.kept {
            *kept += (bytes.len() as u64) << 20;
            output.offer(*client);
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }

    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        static FOOD: [u8; 1 << 16] = [b'f'; 1 << 16];
        let Some(kept) = self.kept.get_mut(&client) else { return };
        let length = bytes.min(FOOD.len()).min(usize::try_from(*kept).unwrap_or(usize::MAX));
        if length > 0 {
            *kept -= length as u64;
            output.to(client, &FOOD[..length]);
        }
    }

    fn gone<'a>(&mut self, client: Client, _: &mut Output<'a>) {
        self.kept.remove(&client);
    }
}

/// Nobody is let go for not reading: what waits, waits where it costs nothing.
fn what_is_offered_waits_in_the_service() {
    for engine in ENGINES {
        let config = Config { service: Box::new(|| Box::<Larder>::default()), ..config(engine) };
        let mut server = start(&config);
        let (mut slow, mut quick) = (join(&server), join(&server));
        let memory = server.status("VmRSS");
        quick.get_mut().write_all(&[1; 20]).expect("open");
        let mut food = vec![0; 20 << 20];
        quick.read_exact(&mut food).expect("all of it, while the other one does not read");
        assert!(food.iter().all(|byte| *byte == b'f'));
        assert!(server.status("VmRSS") < memory + 4 * 1024, "kB, {engine:?}");
        slow.read_exact(&mut food).expect("all of it, late");
        drop((slow, quick));
        for _ in 0..2 {
            let closed = server.next_closed();
            assert!(closed.is(How::Fin) && closed.out_bytes == (20 << 20) + 8, "{closed:?}");
        }
        server.stop();
    }
}

fn the_operator_is_heard() {
    for engine in ENGINES {
        let (operator, keyboard) = operator().expect("descriptors");
        let (typed, mut types) = std::io::pipe().expect("a pipe");
        let config = Config { operator: Some(operator), ..party(engine) };
        // The keyboard is read in the server's process, by a thread of its own.
        let server = crate::server::start_with(&config, move || {
            // Before the thread begins, for good: or it would be the one that signals end the process by.
            std::mem::forget(Signals::take(&[Signal::TERM]).expect("a descriptor"));
            std::thread::spawn(move || {
                BufReader::new(typed)
                    .lines()
                    .map_while(Result::ok)
                    .for_each(|line| keyboard.line(line.into()));
            });
        });
        let mut clients = [join(&server), join(&server)];
        // More lines than wait at once.
        for number in 0..300 {
            writeln!(types, "attention {number}").expect("a pipe");
        }
        for client in &mut clients {
            for number in 0..300 {
                assert_eq!(next(client), format!("operator: attention {number}"), "{engine:?}");
            }
        }
        drop(types);
        drop(clients);
        server.stop();
    }
}

fn who_has_gone_is_missed_and_sent_nothing() {
    for engine in ENGINES {
        let mut server = start(&party(engine));
        let mut stays = join(&server);
        for client in 2..=50 {
            let mut leaves = join(&server);
            leaves.get_mut().write_all(b"bye\n").expect("open");
            assert_eq!(next(&mut stays), "bye");
            leaves.get_mut().shutdown(Shutdown::Write).expect("open");
            assert_eq!(
                (next(&mut leaves), next(&mut leaves)),
                ("bye".to_owned(), String::new()),
                "and a FIN"
            );
            assert_eq!(next(&mut stays), format!("{client} left"), "{engine:?}");
            let closed = server.next_closed();
            assert!(closed.is(How::Fin) && closed.closed_by == "Peer", "{closed:?}");
        }
        assert!(server.descriptors() < 20, "{} descriptors", server.descriptors());
        drop(stays);
        server.stop();
    }
}

fn a_party_is_ended_with_its_server() {
    for engine in ENGINES {
        let mut server = start(&Config { grace: Duration::from_secs(60), ..party(engine) });
        let mut clients = [join(&server), join(&server)];
        server.signal(Signal::TERM);
        server.wait_for("stopping");
        clients[0].get_mut().write_all(b"one more\n").expect("open");
        assert_eq!(next(&mut clients[1]), "one more");
        server.signal(Signal::TERM);
        for _ in &clients {
            assert!(server.next_closed().is(How::Stopped), "{engine:?}");
        }
        assert_eq!(server.wait().0.exit, Some(0));
    }
}

fn chat(engine: Engine) -> Config {
    Config { service: Box::new(|| Box::new(Chat::new(4096))), ..config(engine) }
}

/// A client of a chat that is in the room.
fn enter(server: &mut Server, number: usize) -> BufReader<TcpStream> {
    let stream = server.connect();
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    assert!(server.wait_for("opened ").starts_with(&format!("opened {number} ")));
    let mut client = BufReader::new(stream);
    // Before that it may be that its thread has not begun.
    client.get_mut().write_all(b"/who\n").expect("open");
    while !next(&mut client).starts_with("* in lobby: ") {}
    client
}

/// Hears all lines of this client, in order, whatever is said in between.
fn hear_all(client: &mut BufReader<TcpStream>, of: usize, lines: impl Iterator<Item = String>) {
    let name = format!("client-{of}: ");
    for expected in lines {
        let heard = loop {
            let heard = next(client);
            assert!(!heard.is_empty() && !heard.contains("missed"), "{heard:?} instead of {expected}");
            if let Some(words) = heard.strip_prefix(&name) {
                break words.to_owned();
            }
        };
        assert!(heard == expected, "{heard:.20} instead of {expected:.20} of {of}");
    }
}

/// Far more than waits for anybody is said at once.
fn a_chat_loses_nothing_for_those_who_read() {
    const LINES: usize = 20_000;
    for engine in ENGINES {
        let mut server = start(&chat(engine));
        let mut readers: Vec<_> = (1..=3).map(|number| enter(&mut server, number)).collect();
        let _deaf = enter(&mut server, 4);
        let mut speaker = enter(&mut server, 5);
        let lines = || (0..LINES).map(|number| format!("{number} {}", "x".repeat(40)));
        let said: String = lines().map(|line| line + "\n").collect();
        std::thread::scope(|scope| {
            for reader in &mut readers {
                scope.spawn(|| hear_all(reader, 5, lines()));
            }
            scope.spawn(|| speaker.get_mut().write_all(said.as_bytes()).expect("it is taken"));
        });
        server.stop();
    }
}

fn many_chat_and_some_never_read() {
    const CLIENTS: usize = 300;
    const DEAF: usize = 10;
    const LINES: usize = 5;
    for engine in ENGINES {
        let mut server = start(&chat(engine));
        let mut clients: Vec<_> = (1..=CLIENTS).map(|number| enter(&mut server, number)).collect();
        let memory = server.status("VmRSS");
        for speaker in [DEAF + 1, CLIENTS / 2, CLIENTS] {
            let lines = || (0..LINES).map(|number| format!("{number} {}", "x".repeat(4000)));
            for line in lines() {
                let voice = clients[speaker - 1].get_mut();
                voice.write_all(format!("{line}\n").as_bytes()).expect("it is taken");
            }
            for (place, client) in clients.iter_mut().enumerate().skip(DEAF) {
                if place + 1 != speaker {
                    hear_all(client, speaker, lines());
                }
            }
        }
        assert!(server.status("VmRSS") < memory + 8 * 1024, "kB, {engine:?}");
        drop(clients);
        server.stop();
    }
}

/// Who only listens is spoken to: that is no silence.
fn silence_in_a_party_is_ended_and_listening_is_none() {
    for engine in ENGINES {
        let limits = Limits { idle: Some(Duration::from_millis(400)), ..Limits::default() };
        let mut server = start(&Config { limits, ..party(engine) });
        let (mut listener, mut speaker) = (join(&server), join(&server));
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            speaker.get_mut().write_all(b"still\n").expect("open");
            assert_eq!((next(&mut speaker), next(&mut listener)), ("still".to_owned(), "still".to_owned()));
        }
        let (first, second) = (server.next_closed(), server.next_closed());
        assert!(first.is(How::Idle) && second.is(How::Idle), "{engine:?}: {first:?} {second:?}");
        assert_eq!(first.in_bytes.min(second.in_bytes), 0, "one only listened");
        server.stop();
    }
}
