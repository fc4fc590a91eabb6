//! Sockets on the two hosts, none of which ever waits, and the connections that they make.

use std::cell::Cell;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use flow::State;
use lab::event::Role;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, accept_with, bind, connect,
    listen, recv, send, shutdown, socket_with, sockopt,
};

use crate::hosts::{other, socket_address};
use crate::world::World;

/// Where the server listens.
pub(crate) const PORT: u16 = 7;

/// Where the client's connections come from, unless a situation needs more.
pub(crate) const CLIENT_PORT: u16 = 40_000;

/// A connection with the sockets that are still open.
pub(crate) struct Connection {
    pub(crate) listener: Option<OwnedFd>,
    client: Option<OwnedFd>,
    server: Option<OwnedFd>,
    ports: [u16; 2],
}

impl World {
    /// A socket on a host; addresses in TIME_WAIT may be used again.
    pub(crate) fn socket(&self, role: Role) -> OwnedFd {
        self.host(role).enter();
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).expect("a socket");
        sockopt::set_socket_reuseaddr(&fd, true).expect("an option");
        fd
    }

    /// The server listens, with room for `backlog` and one more.
    pub(crate) fn listens(&mut self, backlog: i32) -> OwnedFd {
        let fd = self.socket(Role::Server);
        let address = socket_address(Role::Server, PORT);
        bind(&fd, &address).expect("a free port");
        listen(&fd, backlog).expect("listening");
        self.listening.push(address);
        // It listens to the end, for the tracker has been told that it does.
        self.keep(fd.try_clone().expect("a descriptor"));
        fd
    }

    /// A host begins to connect from one port to another.
    pub(crate) fn connects(&self, role: Role, from: u16, to: u16) -> OwnedFd {
        let fd = self.socket(role);
        bind(&fd, &socket_address(role, from)).expect("a free port");
        begin_connecting(&fd, socket_address(other(role), to));
        fd
    }

    /// The client has begun to connect to a listening server; nothing has been carried yet.
    pub(crate) fn opening(&mut self) -> Connection {
        let listener = self.listens(8);
        let client = self.connects(Role::Client, CLIENT_PORT, PORT);
        Connection {
            listener: Some(listener),
            client: Some(client),
            server: None,
            ports: [CLIENT_PORT, PORT],
        }
    }

    /// A connection that both ends have open.
    pub(crate) fn opened(&mut self) -> Connection {
        let mut connection = self.opening();
        self.settle();
        connection.accept();
        connection.is(self, State::Established, State::Established);
        connection
    }
}

pub(crate) fn begin_connecting(fd: &OwnedFd, to: SocketAddr) {
    match connect(fd, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(errno) => panic!("connecting: {errno}"),
    }
}

/// The next connection that waits to be accepted.
pub(crate) fn accept(listener: &OwnedFd) -> OwnedFd {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    accept_with(listener, flags).expect("a connection waits")
}

impl Connection {
    /// Of two sockets that both connect.
    pub(crate) fn between(client: OwnedFd, server: OwnedFd, ports: [u16; 2]) -> Connection {
        Connection { listener: None, client: Some(client), server: Some(server), ports }
    }

    /// Of a client that connects from `port`, and the next connection that waits at the listener.
    pub(crate) fn accepted(listener: Option<OwnedFd>, client: OwnedFd, port: u16) -> Connection {
        let mut connection = Connection { listener, client: Some(client), server: None, ports: [port, PORT] };
        connection.accept();
        connection
    }

    pub(crate) fn accept(&mut self) {
        self.server = Some(accept(self.listener.as_ref().expect("a listener")));
    }

    pub(crate) fn into_client(self) -> OwnedFd {
        self.client.expect("it is open")
    }

    pub(crate) fn socket(&self, role: Role) -> &OwnedFd {
        match role {
            Role::Client => self.client.as_ref(),
            Role::Server | Role::Other(_) => self.server.as_ref(),
        }
        .expect("it is open")
    }

    pub(crate) fn send(&self, role: Role, len: usize) {
        let sent = send(self.socket(role), &vec![b'x'; len], SendFlags::NOSIGNAL).expect("room");
        assert_eq!(sent, len);
    }

    /// Sends until the other end, which does not read, has no room any more, and more than that; the number of bytes.
    pub(crate) fn fill(&self, world: &mut World, role: Role) -> usize {
        let sent = Cell::new(0);
        world.until("the window is closed", |world| {
            sent.set(sent.get() + self.send_all_it_can(role));
            world.last_window(other(role)) == 0
        });
        sent.get() + self.send_all_it_can(role)
    }

    fn send_all_it_can(&self, role: Role) -> usize {
        let chunk = [b'x'; 16 * 1024];
        let mut sent = 0;
        while let Ok(len) = send(self.socket(role), &chunk, SendFlags::NOSIGNAL) {
            sent += len;
        }
        sent
    }

    /// Reads all that is there; the number of bytes.
    pub(crate) fn read(&self, role: Role) -> usize {
        let mut read = 0;
        let mut chunk = vec![0; 64 * 1024];
        while let Ok((len, _)) = recv(self.socket(role), &mut chunk[..], RecvFlags::empty()) {
            if len == 0 {
                break;
            }
            read += len;
        }
        read
    }

    pub(crate) fn half_close(&self, role: Role) {
        shutdown(self.socket(role), Shutdown::Write).expect("it is open");
    }

    pub(crate) fn close(&mut self, role: Role) {
        let socket = match role {
            Role::Client => self.client.take(),
            Role::Server | Role::Other(_) => self.server.take(),
        };
        drop(socket.expect("it is open"));
    }

    /// Closes by a reset.
    pub(crate) fn abort(&mut self, role: Role) {
        sockopt::set_socket_linger(self.socket(role), Some(Duration::ZERO)).expect("an option");
        self.close(role);
    }

    /// What a kernel says of it now.
    pub(crate) fn state(&self, world: &mut World, role: Role) -> State {
        let [client, server] = [Role::Client, Role::Server].map(|role| self.address(role));
        match role {
            Role::Client => world.kernel(role, client, server),
            Role::Server | Role::Other(_) => world.kernel(role, server, client),
        }
    }

    /// The situation is what it is meant to be, as both kernels say.
    pub(crate) fn is(&self, world: &mut World, client: State, server: State) {
        let is = [Role::Client, Role::Server].map(|role| self.state(world, role));
        assert_eq!(is, [client, server], "the kernels' states of client and server");
    }

    /// Goes on until it is.
    pub(crate) fn becomes(&self, world: &mut World, client: State, server: State) {
        let what = format!("{} and {}", client.name(), server.name());
        world.until(&what, |world| {
            [Role::Client, Role::Server].map(|role| self.state(world, role)) == [client, server]
        });
    }

    fn address(&self, role: Role) -> SocketAddr {
        let [client, server] = self.ports;
        socket_address(role, if role == Role::Client { client } else { server })
    }
}
