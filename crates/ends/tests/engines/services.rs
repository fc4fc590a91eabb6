//! Other services than echo, which use all that the interface has.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::LazyLock;
use std::time::Duration;

use ends::event::How;
use ends::serve::Config;
use ends::service::{Appetite, Arrival, Client, Output, Service, Shape};

use crate::server::{ENGINES, Server, config, noise, start};

pub(crate) const TESTS: [(&str, fn()); 6] = [
    ("a_server_that_closes_first_loses_nothing", a_server_that_closes_first_loses_nothing),
    ("a_server_that_closes_first_does_not_wait_for_ever", a_server_that_closes_first_does_not_wait_for_ever),
    ("who_goes_on_sending_is_not_listened_to_for_ever", who_goes_on_sending_is_not_listened_to_for_ever),
    ("what_room_makes_needs_no_offer", what_room_makes_needs_no_offer),
    ("a_source_goes_on_to_its_size", a_source_goes_on_to_its_size),
    ("a_counter_gets_numbers_instead_of_bytes", a_counter_gets_numbers_instead_of_bytes),
];

/// Greets and closes.
pub(crate) struct Greeter;

impl Service for Greeter {
    fn name(&self) -> &'static str {
        "greeter"
    }

    fn opened<'a>(&mut self, client: Client, _: Shape, output: &mut Output<'a>) {
        output.to_owned(client, b"good day\n".to_vec());
        output.close(client);
    }

    fn received<'a>(&mut self, _: Client, _: Arrival<'a>, _: &mut Output<'a>) {
        unreachable!("it has closed");
    }

    fn ended<'a>(&mut self, _: Client, _: &mut Output<'a>) {
        unreachable!("it has closed");
    }
}

fn a_server_that_closes_first_loses_nothing() {
    for engine in ENGINES {
        let mut server = start(&Config { service: Box::new(|| Box::new(Greeter)), ..config(engine) });
        let mut client = server.connect();
        // Bytes that nobody reads: a careless close would answer them with a reset.
        client.write_all(b"is anybody there?\n").expect("open");
        let mut greeting = String::new();
        client.read_to_string(&mut greeting).expect("a FIN, no reset");
        assert_eq!(greeting, "good day\n", "{engine:?}");
        client.write_all(b"hello?\n").expect("the server still listens");
        client.shutdown(Shutdown::Write).expect("open");
        let closed = server.next_closed();
        assert!(closed.is(How::Fin) && closed.closed_by == "Us", "{closed:?}");
        assert_eq!((closed.in_bytes, closed.out_bytes, closed.unread_bytes), (0, 9, 25));
        server.stop();
    }
}

fn a_server_that_closes_first_does_not_wait_for_ever() {
    let start = |engine| start(&Config { service: Box::new(|| Box::new(Greeter)), ..config(engine) });
    let mut servers = ENGINES.map(start);
    let mut clients = Vec::new();
    for server in &servers {
        let mut client = server.connect();
        let mut greeting = String::new();
        client.read_to_string(&mut greeting).expect("a FIN");
        clients.push(client); // It never closes.
    }
    for server in &mut servers {
        let closed = server.next_closed();
        assert!(closed.is(How::Fin) && closed.closed_by == "Us", "{closed:?}");
    }
    servers.into_iter().for_each(Server::stop);
}

/// After our FIN: its bytes are thrown away for a time, and then it is reset.
fn who_goes_on_sending_is_not_listened_to_for_ever() {
    let start = |engine| start(&Config { service: Box::new(|| Box::new(Greeter)), ..config(engine) });
    let mut servers = ENGINES.map(start);
    let begin = std::time::Instant::now();
    let senders = servers.each_ref().map(|server| {
        let mut client = server.connect();
        std::thread::spawn(move || while client.write_all(&[1; 65536]).is_ok() {})
    });
    for server in &mut servers {
        let closed = server.next_closed();
        assert!(closed.is(How::Fin) && closed.closed_by == "Us", "{closed:?}");
        assert!(closed.unread_bytes > 0 && closed.in_bytes == 0, "{closed:?}");
    }
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    senders.into_iter().for_each(|sender| sender.join().expect("its connection is reset"));
    servers.into_iter().for_each(Server::stop);
}

/// Says as much as it is asked for.
pub(crate) struct Fountain;

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

/// Keeps what it hears, and says it when it is asked for output; it offers nothing.
#[derive(Default)]
struct Waiter {
    kept: HashMap<Client, Vec<u8>>,
}

impl Service for Waiter {
    fn name(&self) -> &'static str {
        "waiter"
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, _: &mut Output<'a>) {
        let Arrival::Bytes(bytes) = arrival else { unreachable!("it asked for bytes") };
        self.kept.entry(client).or_default().extend_from_slice(bytes);
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }

    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        if let Some(kept) = self.kept.get_mut(&client).filter(|kept| !kept.is_empty()) {
            let rest = kept.split_off(kept.len().min(bytes));
            output.to_owned(client, std::mem::replace(kept, rest));
        }
    }
}

/// There is room after each arrival, so it is asked for output after each.
fn what_room_makes_needs_no_offer() {
    for engine in ENGINES {
        let server = start(&Config { service: Box::new(|| Box::<Waiter>::default()), ..config(engine) });
        let mut client = server.connect();
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        for words in [&b"one"[..], b"two", &noise(1, 60_000)] {
            crate::server::say(&mut client, words).expect("an echo");
        }
        drop(client);
        server.stop();
    }
}

pub(crate) const SOURCE: usize = 5_000_000;

pub(crate) static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| noise(9, SOURCE));

/// Sends noise up to its size whenever there is room, then closes.
#[derive(Default)]
pub(crate) struct Source {
    sent: HashMap<Client, usize>,
}

impl Service for Source {
    fn name(&self) -> &'static str {
        "source"
    }

    fn opened<'a>(&mut self, client: Client, _: Shape, _: &mut Output<'a>) {
        self.sent.insert(client, 0);
    }

    fn received<'a>(&mut self, _: Client, _: Arrival<'a>, _: &mut Output<'a>) {}

    fn ended<'a>(&mut self, _: Client, _: &mut Output<'a>) {}

    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        let Some(sent) = self.sent.get_mut(&client) else { return };
        // As one message it has to fit into a socket.
        let length = bytes.min(SOURCE - *sent).min(100_000);
        if length > 0 {
            output.to_owned(client, NOISE[*sent..*sent + length].to_vec());
            *sent += length;
        } else if *sent == SOURCE {
            self.sent.remove(&client);
            output.close(client);
        }
    }
}

impl Source {
    pub(crate) fn make() -> Box<dyn Service> {
        Box::<Source>::default()
    }
}

fn a_source_goes_on_to_its_size() {
    for engine in ENGINES {
        let mut server = start(&Config { service: Box::new(Source::make), ..config(engine) });
        let mut client = server.connect();
        // It goes on after the client's FIN.
        client.shutdown(Shutdown::Write).expect("open");
        let mut received = Vec::new();
        client.read_to_end(&mut received).expect("everything and a FIN");
        assert!(received == *NOISE, "{engine:?}: {} bytes", received.len());
        let closed = server.next_closed();
        assert!(closed.is(How::Fin) && closed.out_bytes == SOURCE as u64, "{closed:?}");
        server.stop();
    }
}

/// Answers the client's FIN with the number of its bytes.
#[derive(Default)]
pub(crate) struct Counter {
    counts: HashMap<Client, u64>,
}

impl Service for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn appetite(&self) -> Appetite {
        Appetite::CountOnly
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, _: &mut Output<'a>) {
        let Arrival::Count(count) = arrival else { unreachable!("it asked for numbers") };
        *self.counts.entry(client).or_default() += count;
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        let count = self.counts.remove(&client).unwrap_or_default();
        output.to_owned(client, count.to_string().into_bytes());
        output.close(client);
    }
}

fn a_counter_gets_numbers_instead_of_bytes() {
    for engine in ENGINES {
        let mut server = start(&Config { service: Box::new(|| Box::<Counter>::default()), ..config(engine) });
        let mut client = server.connect();
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        client.write_all(&vec![1; 3_000_000]).expect("the server counts");
        client.shutdown(Shutdown::Write).expect("open");
        let mut count = String::new();
        client.read_to_string(&mut count).expect("the count");
        assert_eq!(count, "3000000", "{engine:?}");
        assert_eq!(server.next_closed().in_bytes, 3_000_000);
        server.stop();
    }
}
