//! Other services than echo, which use all that the interface has.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::LazyLock;
use std::time::Duration;

use ends::event::How;
use ends::serve::Config;
use ends::service::{Appetite, Arrival, Client, Output, Service, Shape};

use crate::server::{ENGINES, Server, config, noise, start};

pub(crate) const TESTS: [(&str, fn()); 4] = [
    ("a_server_that_closes_first_loses_nothing", a_server_that_closes_first_loses_nothing),
    ("a_server_that_closes_first_does_not_wait_for_ever", a_server_that_closes_first_does_not_wait_for_ever),
    ("a_source_goes_on_to_its_size", a_source_goes_on_to_its_size),
    ("a_counter_gets_numbers_instead_of_bytes", a_counter_gets_numbers_instead_of_bytes),
];

/// Greets and closes.
struct Greeter;

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

const SOURCE: usize = 5_000_000;

static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| noise(9, SOURCE));

/// Sends noise up to its size whenever there is room, then closes.
#[derive(Default)]
struct Source {
    sent: usize,
}

impl Service for Source {
    fn name(&self) -> &'static str {
        "source"
    }

    fn received<'a>(&mut self, _: Client, _: Arrival<'a>, _: &mut Output<'a>) {}

    fn ended<'a>(&mut self, _: Client, _: &mut Output<'a>) {}

    fn room<'a>(&mut self, client: Client, bytes: usize, output: &mut Output<'a>) {
        let length = bytes.min(SOURCE - self.sent);
        if length > 0 {
            output.to_owned(client, NOISE[self.sent..self.sent + length].to_vec());
            self.sent += length;
        } else if self.sent == SOURCE {
            self.sent += 1;
            output.close(client);
        }
    }
}

impl Source {
    fn make() -> Box<dyn Service> {
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
struct Counter {
    count: u64,
}

impl Service for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn appetite(&self) -> Appetite {
        Appetite::CountOnly
    }

    fn received<'a>(&mut self, _: Client, arrival: Arrival<'a>, _: &mut Output<'a>) {
        let Arrival::Count(count) = arrival else { unreachable!("it asked for numbers") };
        self.count += count;
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.to_owned(client, self.count.to_string().into_bytes());
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
