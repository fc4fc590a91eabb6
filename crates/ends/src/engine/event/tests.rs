//! The engine with real sockets: a server in a thread of its own, and clients for it.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use wire::{Address, Fault, Transport};

use crate::event::{Account, Event};
use crate::listen::{DatagramSocket, Listener, Opened};
use crate::serve::{Config, Engine, Served, Tells, serve_on};
use crate::service::Service;
use crate::stop::{Stop, StopHandle};

mod datagrams;
mod messages;
mod sessions;

/// How long anything may take that has to happen.
const SOON: Duration = Duration::from_secs(10);

/// A running server.
struct Running {
    stop: StopHandle,
    events: Receiver<Event>,
    server: Option<JoinHandle<Result<Served, Fault>>>,
}

fn config<S: Service + 'static>(make: fn() -> S) -> Config {
    Config { tells: Tells::ALL, ..Config::new(Vec::new(), Engine::Event { workers: 1 }, make) }
}

fn run(config: Config, listeners: Vec<Listener>, datagrams: Vec<DatagramSocket>) -> Running {
    let (stop, handle) = Stop::by_handle().expect("a descriptor");
    let (tell, events) = channel();
    let places = listeners.into_iter().map(Opened::Connections);
    let places = places.chain(datagrams.into_iter().map(Opened::Datagrams)).collect();
    let server = std::thread::spawn(move || {
        serve_on(places, &config, &stop, &|event| {
            let _ = tell.send(event);
        })
    });
    Running { stop: handle, events, server: Some(server) }
}

impl Running {
    /// The next thing told that this makes something of; what comes before is passed over.
    fn next<T>(&self, mut want: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv_timeout(SOON).expect("it is told soon");
            if let Some(wanted) = want(event) {
                return wanted;
            }
        }
    }

    fn next_opened(&self) -> (u64, Address) {
        self.next(|event| match event {
            Event::Opened { client, remote, .. } => Some((client, remote)),
            _ => None,
        })
    }

    fn next_closed(&self) -> (u64, Account) {
        self.next(|event| match event {
            Event::Closed { client, account, .. } => Some((client, account)),
            _ => None,
        })
    }

    fn next_trouble(&self) -> Fault {
        self.next(|event| match event {
            Event::Trouble(fault) => Some(fault),
            _ => None,
        })
    }

    /// Stops it; gives what it did, and what else it told.
    fn stop(mut self) -> (Served, Vec<Event>) {
        self.stop.stop();
        self.stop.stop();
        let server = self.server.take().expect("it runs until now");
        let served = server.join().expect("no panic").expect("no failure");
        (served, self.events.try_iter().collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        self.stop.stop();
    }
}

fn tcp() -> (Listener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("bound");
    (Listener::of(listener.into(), Transport::Tcp), address)
}

fn udp(at: &str) -> (DatagramSocket, std::net::SocketAddr) {
    let socket = UdpSocket::bind(at).expect("loopback");
    let address = socket.local_addr().expect("bound");
    (datagrams_of(socket.into(), Transport::Udp), address)
}

fn datagrams_of(socket: OwnedFd, transport: Transport) -> DatagramSocket {
    DatagramSocket::of(socket, transport)
}

fn connect(to: std::net::SocketAddr) -> TcpStream {
    let client = TcpStream::connect(to).expect("it listens");
    client.set_read_timeout(Some(SOON)).expect("a socket");
    client
}
