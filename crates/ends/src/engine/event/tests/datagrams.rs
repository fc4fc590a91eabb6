use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use wire::network::{Lists, Network};
use wire::{Address, Cause, Transport};

use super::*;
use crate::event::{ClosedBy, How};
use crate::operator::operator;
use crate::serve::{Guests, Limits};
use crate::service::{Appetite, Arrival, Client, Echo, Output, Shape};

fn client() -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    client.set_read_timeout(Some(SOON)).expect("a socket");
    client
}

fn ask(client: &UdpSocket, server: SocketAddr, words: &[u8]) {
    client.send_to(words, server).expect("it leaves");
    let mut answer = vec![0; 65_536];
    let (length, from) = client.recv_from(&mut answer).expect("an answer");
    assert_eq!((&answer[..length], from), (words, server));
}

/// Whether nothing comes to a client to whom nothing was sent before its last answer.
fn has_nothing(client: &UdpSocket) -> bool {
    client.set_nonblocking(true).expect("a socket");
    let nothing =
        client.recv(&mut [0; 64]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    client.set_nonblocking(false).expect("a socket");
    nothing
}

fn words(fault: &Fault) -> &str {
    match &fault.cause {
        Cause::Words(words) => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_peer_has_a_number_and_gets_its_answers() {
    let (socket, at) = udp("127.0.0.1:0");
    let running = run(config(|| Echo), Vec::new(), vec![socket]);
    let clients: Vec<UdpSocket> = (0..5).map(|_| client()).collect();
    for (number, client) in (1..).zip(&clients) {
        ask(client, at, format!("I am {number}").as_bytes());
        let address = client.local_addr().expect("bound").into();
        assert_eq!(running.next_opened(), (number, address));
    }
    for client in clients.iter().rev() {
        ask(client, at, b"");
        ask(client, at, &[7; 65_507]);
    }
    let (served, events) = running.stop();
    assert_eq!((served.sessions, served.turned_away), (5, 0));
    let closed = events.iter().filter_map(|event| match event {
        Event::Closed { account, .. } => Some(account),
        _ => None,
    });
    let sums: Vec<_> = closed.map(|a| (a.how, a.closed_by, a.in_bytes, a.out_bytes)).collect();
    assert_eq!(sums, [(How::Stopped, ClosedBy::Us, 65_513, 65_513); 5]);
}

#[test]
fn an_ipv4_client_of_a_socket_for_both_families_is_answered() {
    let both = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None).expect("a socket");
    let any: SocketAddr = "[::]:0".parse().expect("an address");
    if both.set_only_v6(false).and_then(|()| both.bind(&any.into())).is_err() {
        return;
    }
    let socket = datagrams_of(both.into(), Transport::Udp);
    let port = socket.address.port().expect("UDP");
    let running = run(config(|| Echo), Vec::new(), vec![socket]);
    let client = client();
    ask(&client, (Ipv4Addr::LOCALHOST, port).into(), b"hello");
    let (_, remote) = running.next_opened();
    assert_eq!(remote, client.local_addr().expect("bound").into(), "shown as IPv4");
    running.stop();
}

#[test]
fn the_answer_comes_from_the_address_that_was_asked() {
    let (socket, at) = udp("0.0.0.0:0");
    let running = run(config(|| Echo), Vec::new(), vec![socket]);
    let client = client();
    for ip in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 1]] {
        ask(&client, (ip, at.port()).into(), b"hello");
    }
    running.stop();
}

#[test]
fn who_says_nothing_is_forgotten_and_begins_anew() {
    let (socket, at) = udp("127.0.0.1:0");
    let limits = Limits { idle: Some(Duration::from_millis(30)), ..Limits::default() };
    let running = run(Config { limits, ..config(|| Echo) }, Vec::new(), vec![socket]);
    let client = client();
    for number in 1..=2 {
        ask(&client, at, b"again");
        let (closed, account) = running.next_closed();
        assert_eq!((closed, account.how, account.in_bytes), (number, How::Idle, 5));
        assert!(account.open >= Duration::from_millis(30));
    }
    running.stop();
}

#[test]
fn what_is_too_long_is_dropped_and_told_once() {
    let (socket, at) = udp("127.0.0.1:0");
    let limits = Limits { max_message: Some(10), ..Limits::default() };
    let running = run(Config { limits, ..config(|| Echo) }, Vec::new(), vec![socket]);
    let client = client();
    for _ in 0..3 {
        client.send_to(&[1; 11], at).expect("it leaves");
    }
    ask(&client, at, &[2; 10]);
    let fault = running.next_trouble();
    assert_eq!(fault.at, client.local_addr().expect("bound").to_string());
    assert!(words(&fault).contains("11 bytes"), "{fault}");
    assert!(has_nothing(&client));
    let (_, events) = running.stop();
    assert!(!events.iter().any(|event| matches!(event, Event::Trouble(_))), "once for a peer");
}

#[test]
fn a_peer_beyond_its_bytes_costs_only_itself() {
    let (socket, at) = udp("127.0.0.1:0");
    let limits = Limits { max_bytes: Some(8), ..Limits::default() };
    let running = run(Config { limits, ..config(|| Echo) }, Vec::new(), vec![socket]);
    let (greedy, modest) = (client(), client());
    ask(&greedy, at, b"12345678");
    greedy.send_to(b"9", at).expect("it leaves");
    ask(&modest, at, b"hello");
    let fault = running.next_trouble();
    assert_eq!(fault.at, greedy.local_addr().expect("bound").to_string());
    assert!(has_nothing(&greedy));
    running.stop();
}

#[test]
fn our_own_sockets_are_not_answered() {
    let (first, first_at) = udp("127.0.0.1:0");
    let (second, second_at) = udp("127.0.0.1:0");
    // What the first one's loop would be: a datagram from it to the second one.
    let forger = UdpSocket::from(first.socket.try_clone().expect("a descriptor"));
    forger.send_to(b"ping", second_at).expect("it leaves");
    let running = run(config(|| Echo), Vec::new(), vec![first, second]);
    let fault = running.next_trouble();
    assert_eq!(fault.at, first_at.to_string());
    assert!(words(&fault).contains("our own socket"), "{fault}");
    // Nothing came back to the first, or it would have made its sender known.
    let client = client();
    ask(&client, first_at, b"still here");
    let (served, _) = running.stop();
    assert_eq!(served.sessions, 2);
}

#[test]
fn services_that_answer_everything_are_not_answered() {
    // Their ports need a privilege that tests may not have.
    let loops = [7, 13, 17, 19, 37].into_iter().find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok());
    let Some(echo) = loops else { return };
    let (socket, at) = udp("127.0.0.1:0");
    let running = run(config(|| Echo), Vec::new(), vec![socket]);
    echo.send_to(b"ping", at).expect("it leaves");
    let fault = running.next_trouble();
    assert_eq!(fault.at, echo.local_addr().expect("bound").to_string());
    assert!(has_nothing(&echo));
    running.stop();
}

#[test]
fn who_may_not_come_is_told_once_and_not_answered() {
    let (socket, at) = udp("127.0.0.1:0");
    let here = || Network::parse("127.0.0.1/32").expect("a network");
    let lists = move || Ok(Lists { allow: Vec::new(), deny: vec![here()] });
    let guests = Guests { lists: Some(Box::new(lists)), ..Guests::default() };
    let running = run(Config { guests, ..config(|| Echo) }, Vec::new(), vec![socket]);
    let client = client();
    for _ in 0..3 {
        client.send_to(b"may I?", at).expect("it leaves");
    }
    running.next(|event| matches!(event, Event::TurnedAway { .. }).then_some(()));
    let (served, events) = running.stop();
    assert_eq!((served.sessions, served.turned_away), (0, 1));
    assert!(!events.iter().any(|event| matches!(event, Event::TurnedAway { .. })));
    assert!(has_nothing(&client));
}

/// Sends what the operator types to everybody.
#[derive(Default)]
struct Crier {
    clients: Vec<Client>,
}

impl Service for Crier {
    fn name(&self) -> &'static str {
        "crier"
    }

    fn opened<'a>(&mut self, client: Client, _: Shape, _: &mut Output<'a>) {
        self.clients.push(client);
    }

    fn received<'a>(&mut self, _: Client, _: Arrival<'a>, _: &mut Output<'a>) {}

    fn ended<'a>(&mut self, _: Client, _: &mut Output<'a>) {}

    fn operator<'a>(&mut self, line: &[u8], output: &mut Output<'a>) {
        for client in &self.clients {
            output.to_owned(*client, line.to_vec());
        }
    }
}

#[test]
fn an_icmp_report_is_told_with_the_peer_that_it_is_about() {
    let (socket, at) = udp("127.0.0.1:0");
    let (operator, keyboard) = operator().expect("a descriptor");
    let config = Config { operator: Some(operator), ..config(Crier::default) };
    let running = run(config, Vec::new(), vec![socket]);
    let (gone, there) = (client(), client());
    for client in [&gone, &there] {
        client.send_to(b"hello", at).expect("it leaves");
        running.next_opened();
    }
    let gone_from = gone.local_addr().expect("bound").to_string();
    drop(gone);
    for line in [&b"one"[..], b"two"] {
        keyboard.line(line.to_vec());
        // The error of the one who is gone does not cost the other its datagram.
        let mut heard = [0; 8];
        let length = there.recv(&mut heard).expect("it is there");
        assert_eq!(&heard[..length], line);
        let fault = running.next_trouble();
        assert_eq!(fault.raw_errno(), Some(rustix::io::Errno::CONNREFUSED.raw_os_error()));
        assert_eq!(fault.at, gone_from);
    }
    running.stop();
}

/// Counts what comes.
struct Counter;

impl Service for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn appetite(&self) -> Appetite {
        Appetite::CountOnly
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        match arrival {
            Arrival::Count(length) => output.to_owned(client, length.to_string().into_bytes()),
            Arrival::Bytes(_) => output.to(client, b"bytes"),
        }
    }

    fn ended<'a>(&mut self, _: Client, _: &mut Output<'a>) {}
}

#[test]
fn a_counter_is_told_the_length_of_every_datagram() {
    let (socket, at) = udp("127.0.0.1:0");
    let tells = Tells { data: false, ..Tells::ALL };
    let running = run(Config { tells, ..config(|| Counter) }, Vec::new(), vec![socket]);
    let client = client();
    for length in [0, 1, 65_507] {
        client.send_to(&vec![0; length], at).expect("it leaves");
        let mut answer = [0; 8];
        let got = client.recv(&mut answer).expect("an answer");
        assert_eq!(&answer[..got], length.to_string().as_bytes());
    }
    running.stop();
}

#[test]
fn one_service_serves_connections_and_datagrams() {
    use std::io::Read;
    let (socket, udp_at) = udp("127.0.0.1:0");
    let (listener, tcp_at) = tcp();
    let (operator, keyboard) = operator().expect("a descriptor");
    let config = Config { operator: Some(operator), ..config(Crier::default) };
    let running = run(config, vec![listener], vec![socket]);
    let by_udp = client();
    by_udp.send_to(b"hello", udp_at).expect("it leaves");
    running.next_opened();
    let mut by_tcp = connect(tcp_at);
    running.next_opened();
    keyboard.line(b"news".to_vec());
    let mut heard = [0; 4];
    by_tcp.read_exact(&mut heard).expect("the news");
    assert_eq!(&heard, b"news");
    assert_eq!(by_udp.recv(&mut heard).expect("the news"), 4);
    running.stop();
}

#[test]
fn unix_datagrams_are_answered_where_there_is_an_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server");
    let server = UnixDatagram::bind(&path).expect("a socket file");
    let server = datagrams_of(server.into(), Transport::UnixDgram);
    let running = run(config(|| Echo), Vec::new(), vec![server]);

    let unnamed = UnixDatagram::unbound().expect("a socket");
    for _ in 0..3 {
        unnamed.send_to(b"who am I?", &path).expect("it is taken");
    }
    assert_eq!(running.next_opened(), (1, Address::Unnamed));
    assert!(words(&running.next_trouble()).contains("no address"));

    let own = folder.path().join("client");
    let named = UnixDatagram::bind(&own).expect("a socket file");
    named.set_read_timeout(Some(SOON)).expect("a socket");
    let long = vec![9; 100_000];
    for message in [&b"hello"[..], b"", &long] {
        named.send_to(message, &path).expect("it is taken");
        let mut answer = vec![0; 200_000];
        let length = named.recv(&mut answer).expect("an answer");
        assert_eq!(&answer[..length], message);
    }
    assert_eq!(running.next_opened(), (2, Address::Path(own)));
    let (_, events) = running.stop();
    assert!(!events.iter().any(|event| matches!(event, Event::Trouble(_))), "once is enough");
}

/// A socket that has been busy for long is watched again when it is empty.
#[test]
fn after_a_flood_a_single_datagram_is_noticed() {
    let (socket, at) = udp("127.0.0.1:0");
    let running = run(Config { tells: Tells::default(), ..config(|| Echo) }, Vec::new(), vec![socket]);
    let (flood, single) = (client(), client());
    for round in 0..30 {
        // As many at a time as a socket holds for certain.
        for number in 0..2000 {
            flood.send_to(b"x", at).expect("it leaves");
            if number >= 100 {
                flood.recv(&mut [0; 8]).expect("an answer");
            }
        }
        // Behind the last of the flood, and then when there is none.
        ask(&single, at, format!("{round}").as_bytes());
        (0..100).for_each(|_| _ = flood.recv(&mut [0; 8]).expect("an answer"));
        ask(&single, at, b"and again");
    }
    running.stop();
}

/// Longer than the engine's buffer: what is left of it must not pass as a whole.
#[test]
fn a_datagram_that_is_cut_is_told_and_dropped() {
    const LONG: usize = 300_000;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server");
    let server = UnixDatagram::bind(&path).expect("a socket file");
    let running = run(config(|| Echo), Vec::new(), vec![datagrams_of(server.into(), Transport::UnixDgram)]);
    let client = UnixDatagram::bind(folder.path().join("client")).expect("a socket file");
    client.set_read_timeout(Some(SOON)).expect("a socket");
    rustix::net::sockopt::set_socket_send_buffer_size(&client, 2 * LONG).expect("a socket");
    assert_eq!(client.send_to(&vec![7; LONG], &path).expect("the buffer was made to hold it"), LONG);
    client.send_to(b"short", &path).expect("it is taken");
    assert_eq!(client.recv(&mut vec![0; 2 * LONG]).expect("an answer"), 5);
    assert!(words(&running.next_trouble()).contains("300000 bytes"));
    let (_, events) = running.stop();
    let closed = events.iter().find_map(|event| match event {
        Event::Closed { account, .. } => Some((account.in_bytes, account.out_bytes)),
        _ => None,
    });
    assert_eq!(closed, Some((5, 5)));
}

#[test]
fn answers_that_find_no_room_are_counted_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server");
    let server = UnixDatagram::bind(&path).expect("a socket file");
    let server = datagrams_of(server.into(), Transport::UnixDgram);
    let running = run(config(|| Echo), Vec::new(), vec![server]);
    let deaf = UnixDatagram::bind(folder.path().join("deaf")).expect("a socket file");
    // unix(7): the queue of a datagram socket is short (net.unix.max_dgram_qlen), and this one is never read.
    let limit = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").expect("Linux");
    let limit: usize = limit.trim().parse().expect("a number");
    for _ in 0..limit + 3 {
        deaf.send_to(b"x", &path).expect("it is taken");
    }
    let fault = running.next_trouble();
    assert!(words(&fault).contains("no room"), "{fault}");
    assert_eq!(fault.at, path.display().to_string());
    let own = folder.path().join("client");
    let hearing = UnixDatagram::bind(&own).expect("a socket file");
    hearing.set_read_timeout(Some(SOON)).expect("a socket");
    hearing.send_to(b"and I?", &path).expect("it is taken");
    assert_eq!(hearing.recv(&mut [0; 8]).expect("nobody else is hurt"), 6);
    let (_, events) = running.stop();
    let unsent: u64 = events
        .iter()
        .filter_map(|event| match event {
            Event::Closed { account, .. } => Some(account.unsent_bytes),
            _ => None,
        })
        .sum();
    assert!((1..=4).contains(&unsent), "{unsent} of {limit} + 3");
}
