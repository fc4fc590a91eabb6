//! The kernel's tables of sockets, over one blocking netlink socket. Read first: sock_diag(7), netlink(7).
//!
//! The socket belongs to the network namespace in which it was opened and can be used from anywhere.

use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use wire::sock_diag::{
    self, Content, Extensions, destroy_inet, dump_inet, dump_inet_at_port, dump_inet_both, dump_packet,
    dump_unix, messages,
};
use wire::socket_row::{Kind, SocketRow, States};

/// The kernel fills up to 32 KiB at a time where the reader has room for that (netlink_dump in net/netlink/af_netlink.c).
const ROOM: usize = 64 * 1024;
/// Events may come quicker than they are read; where the system allows, so much of them waits.
const EVENTS_ROOM_BYTES: usize = 8 << 20;
/// How often a table that changed while it was read is read again.
const ATTEMPTS: u32 = 3;

/// What is to be listed: one request to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// TCP, UDP or raw IP of one family.
    Internet {
        /// What they speak.
        kind: Kind,
        /// Over which IP.
        ipv6: bool,
    },
    /// TCP over both.
    Tcp,
    /// Unix sockets of all types.
    Unix,
    /// Packet sockets of both types.
    Packet,
}

/// What unix_diag calls the file of a socket: the lower half of its inode, and its device as struct inode has it, the major
/// number above twenty bits of the minor one. Both are given as stat(2) has them.
pub fn file_identity(device: u64, inode: u64) -> (u32, u32) {
    ((inode & 0xffff_ffff) as u32, rustix::fs::major(device) << 20 | rustix::fs::minor(device))
}

/// Whether the rows are all that there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// They are.
    Whole,
    /// The table changed again and again while it was read: a few may be missing, or be there twice.
    Changed,
}

/// A conversation with the kernel about the sockets of one network namespace.
#[derive(Debug)]
pub struct SockDiag {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl SockDiag {
    /// Opens a socket in the current network namespace.
    ///
    /// # Errors
    /// The kernel's errno: `EPROTONOSUPPORT` where it has no sock_diag.
    pub fn open() -> Result<SockDiag, i32> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG).map_err(|error| errno_of(&error))?;
        socket.bind_auto().map_err(|error| errno_of(&error))?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(|error| errno_of(&error))?;
        Ok(SockDiag { socket, sequence: 0, buffer: Vec::new() })
    }

    /// Hands over the rows of a table, one after the other as they come; those of Unix and packet sockets whatever their
    /// type.
    ///
    /// # Errors
    /// The kernel's errno: `ENOENT` or `EINVAL` where it has no such table.
    pub fn rows(
        &mut self,
        table: Table,
        states: States,
        extensions: Extensions,
        mut each: impl FnMut(SocketRow),
    ) -> Result<Reading, i32> {
        self.answers(table, states, extensions, |_, row| each(row))
    }

    /// The same, each row with the bytes of the message that it was read from, behind the message's header.
    ///
    /// # Errors
    /// As [`SockDiag::rows`].
    pub fn answers(
        &mut self,
        table: Table,
        states: States,
        extensions: Extensions,
        mut each: impl FnMut(&[u8], SocketRow),
    ) -> Result<Reading, i32> {
        let sequence = self.next();
        let (request, protocol) = match table {
            Table::Internet { kind, ipv6 } => {
                (dump_inet(kind, ipv6, states, extensions, sequence), protocol_of(kind))
            }
            Table::Tcp => (dump_inet_both(states, extensions, sequence), protocol_of(Kind::Tcp)),
            Table::Unix => (dump_unix(states, extensions, sequence), 0),
            Table::Packet => (dump_packet(sequence), 0),
        };
        self.dump(&request, sequence, protocol, &mut each)
    }

    /// Hands over the rows of TCP or UDP, over one IP, that have this port as their own: the kernel picks them out.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn at_port(
        &mut self,
        kind: Kind,
        ipv6: bool,
        states: States,
        port: u16,
        mut each: impl FnMut(SocketRow),
    ) -> Result<Reading, i32> {
        let sequence = self.next();
        let request = dump_inet_at_port(kind, ipv6, states, port, sequence);
        self.dump(&request, sequence, protocol_of(kind), &mut |_, row| each(row))
    }

    fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Sends a request for many rows, and hands them over as they come.
    fn dump(
        &mut self,
        request: &[u8],
        sequence: u32,
        protocol: u8,
        each: &mut dyn FnMut(&[u8], SocketRow),
    ) -> Result<Reading, i32> {
        self.send(request)?;
        let mut reading = Reading::Whole;
        loop {
            let len = self.receive()?;
            for message in messages(&self.buffer[..len]).filter(|message| message.sequence == sequence) {
                if message.is_interrupted {
                    reading = Reading::Changed;
                }
                match message.content {
                    Content::Socket(body) => {
                        if let Some(row) = sock_diag::row(body, protocol) {
                            each(body, row);
                        }
                    }
                    Content::Done(0) => return Ok(reading),
                    Content::Done(errno) | Content::Error(errno) => return Err(errno),
                    Content::Other(_) => {}
                }
            }
        }
    }

    /// All rows of a table, read again where it changed while it was read.
    ///
    /// # Errors
    /// As [`SockDiag::rows`].
    pub fn all(
        &mut self,
        table: Table,
        states: States,
        extensions: Extensions,
    ) -> Result<(Vec<SocketRow>, Reading), i32> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut rows = Vec::new();
            let reading = self.rows(table, states, extensions, |row| rows.push(row))?;
            if reading == Reading::Whole || attempts == ATTEMPTS {
                return Ok((rows, reading));
            }
        }
    }

    /// Ends a socket of TCP or UDP as though its program had aborted it: the other end gets a RST, the program
    /// ECONNABORTED.
    ///
    /// # Errors
    /// The kernel's errno: `EPERM` without CAP_NET_ADMIN, `EOPNOTSUPP` where it was built without
    /// CONFIG_INET_DIAG_DESTROY or for other sockets, `ENOENT` where it is gone already.
    pub fn destroy(&mut self, row: &SocketRow) -> Result<(), i32> {
        let sequence = self.next();
        let request = destroy_inet(row, sequence).ok_or(libc::EOPNOTSUPP)?;
        self.send(&request)?;
        loop {
            let len = self.receive()?;
            for message in messages(&self.buffer[..len]).filter(|message| message.sequence == sequence) {
                match message.content {
                    Content::Error(0) | Content::Done(0) => return Ok(()),
                    Content::Error(errno) | Content::Done(errno) => return Err(errno),
                    _ => {}
                }
            }
        }
    }

    fn send(&self, request: &[u8]) -> Result<(), i32> {
        loop {
            match self.socket.send(request, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(errno_of(&error)),
            }
        }
    }

    fn receive(&mut self) -> Result<usize, i32> {
        self.buffer.resize(ROOM, 0);
        receive(self.socket.as_fd(), &mut self.buffer)
    }
}

impl AsFd for SockDiag {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Which sockets are told of as they die: bits of the groups of linux/sock_diag.h, one for each.
const GROUPS: [(Kind, bool, u32); 4] =
    [(Kind::Tcp, false, 1), (Kind::Udp, false, 2), (Kind::Tcp, true, 3), (Kind::Udp, true, 4)];

/// Sockets of TCP and UDP as they end, each with what was known of it last. No privilege is needed.
#[derive(Debug)]
pub struct Deaths {
    socket: Socket,
    buffer: Vec<u8>,
}

/// What one read of [`Deaths`] gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Those that ended were handed over.
    All,
    /// More ended than the kernel could keep: some were lost before these.
    Lost,
}

impl Deaths {
    /// Begins to listen in the current network namespace for the ends of sockets of these kinds, of IPv4 and IPv6.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn open(kinds: &[Kind]) -> Result<Deaths, i32> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG).map_err(|error| errno_of(&error))?;
        socket.bind_auto().map_err(|error| errno_of(&error))?;
        for (_, _, group) in GROUPS.iter().filter(|(kind, _, _)| kinds.contains(kind)) {
            socket.add_membership(*group).map_err(|error| errno_of(&error))?;
        }
        enlarge(socket.as_fd());
        Ok(Deaths { socket, buffer: vec![0; ROOM] })
    }

    /// Waits for the next ones and hands them over.
    ///
    /// # Errors
    /// The kernel's errno; `EINTR` when a signal came meanwhile.
    pub fn wait(&mut self, mut each: impl FnMut(SocketRow)) -> Result<Heard, i32> {
        let received =
            rustix::net::recv(self.socket.as_fd(), &mut self.buffer[..], rustix::net::RecvFlags::empty());
        let len = match received {
            Ok((len, _)) => len,
            Err(rustix::io::Errno::NOBUFS) => return Ok(Heard::Lost),
            Err(error) => return Err(error.raw_os_error()),
        };
        for message in messages(&self.buffer[..len]) {
            if let Content::Socket(body) = message.content
                && let Some(row) = sock_diag::row(body, 0)
            {
                each(row);
            }
        }
        Ok(Heard::All)
    }
}

impl AsFd for Deaths {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// As much room as this user may have.
fn enlarge(socket: BorrowedFd<'_>) {
    use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
    if set_socket_recv_buffer_size_force(socket, EVENTS_ROOM_BYTES).is_err() {
        // Up to net.core.rmem_max then; if not even that, events may be lost sooner, and that is told.
        let _ = set_socket_recv_buffer_size(socket, EVENTS_ROOM_BYTES);
    }
}

fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, i32> {
    loop {
        match rustix::net::recv(socket, &mut *buffer, rustix::net::RecvFlags::empty()) {
            // Netlink never ends: nothing would come for ever.
            Ok((0, _)) => return Err(libc::EPROTO),
            Ok((len, _)) => return Ok(len),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.raw_os_error()),
        }
    }
}

fn protocol_of(kind: Kind) -> u8 {
    match kind {
        Kind::Udp => 17,
        Kind::Raw => 255,
        _ => 6,
    }
}

fn errno_of(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;

    use wire::Address;
    use wire::socket_row::SocketState;

    use super::*;

    fn all(table: Table) -> Vec<SocketRow> {
        let extensions = Extensions { tcp: true, memory: true, ..Extensions::default() };
        SockDiag::open().expect("a socket").all(table, States::ALL, extensions).expect("rows").0
    }

    #[test]
    fn a_connection_is_found_with_all_that_the_kernel_knows() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        for table in [Table::Tcp, Table::Internet { kind: Kind::Tcp, ipv6: false }] {
            let rows = all(table);
            let listening =
                rows.iter().find(|row| row.local == Address::Internet(address) && row.is_listener());
            assert_eq!(listening.expect("the listener").to_read_bytes, 1, "one connection waits for accept");
            let local = Address::Internet(client.local_addr().unwrap());
            // Another test may have had this port, for another peer.
            let is_ours = |row: &&SocketRow| row.local == local && row.remote == address.into();
            let row = rows.iter().find(is_ours).expect("the client");
            assert_eq!(row.state, SocketState::ESTABLISHED);
            assert_eq!(row.tcp().expect("TCP_INFO").state, Some(1));
            assert!(row.memory().expect("memory").receive_room_bytes > 0);
        }
    }

    /// The kernel picks: neither a port beside it, nor one that only the other end has.
    #[test]
    fn one_port_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let at = |kind, ipv6, port| {
            let mut rows = Vec::new();
            let mut diag = SockDiag::open().expect("a socket");
            diag.at_port(kind, ipv6, States::ALL, port, |row| rows.push(row)).expect("rows");
            assert!(rows.iter().all(|row| row.local_port() == port && row.kind == kind), "{rows:?}");
            rows
        };
        let rows = at(Kind::Tcp, false, address.port());
        assert!(rows.iter().any(|row| row.is_listener() && row.local == address.into()), "{rows:?}");
        let connected = rows.iter().filter(|row| row.state == SocketState::ESTABLISHED).count();
        assert!(connected >= 1, "the server's end, not yet accepted: {rows:?}");
        let client = client.local_addr().unwrap();
        assert!(at(Kind::Tcp, false, client.port()).iter().any(|row| row.remote == address.into()));
        let port = udp.local_addr().unwrap().port();
        assert!(at(Kind::Udp, true, port).iter().any(|row| row.local == udp.local_addr().unwrap().into()));
        assert!(at(Kind::Udp, false, port).iter().all(|row| !row.is_ipv6()));
    }

    #[test]
    fn one_request_gives_tcp_over_both_families() {
        let six = TcpListener::bind("[::1]:0").unwrap();
        let rows = all(Table::Tcp);
        assert!(rows.iter().any(|row| row.local == Address::Internet(six.local_addr().unwrap())));
        assert!(all(Table::Internet { kind: Kind::Tcp, ipv6: false }).iter().all(|row| !row.is_ipv6()));
    }

    #[test]
    fn datagram_and_unix_sockets_are_found() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let rows = all(Table::Internet { kind: Kind::Udp, ipv6: false });
        let local = Address::Internet(udp.local_addr().unwrap());
        let row = rows.iter().find(|row| row.local == local).expect("the socket");
        assert_eq!((row.kind, row.state, row.drops), (Kind::Udp, SocketState::CLOSED, Some(0)));
        let (one, other) = UnixStream::pair().unwrap();
        let inode = |of: &UnixStream| rustix::fs::fstat(of).unwrap().st_ino;
        let rows = all(Table::Unix);
        let row = rows.iter().find(|row| row.inode == inode(&one)).expect("one end");
        assert_eq!((row.kind, row.peer_inode), (Kind::UnixStream, Some(inode(&other))));
    }

    #[test]
    fn the_end_of_a_socket_is_told_without_privilege() {
        let mut deaths = Deaths::open(&[Kind::Tcp]).expect("a socket");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        // The kernel tells of it before close returns, or a little later: waiting is bounded by the test's own limit.
        let mut found = false;
        while !found {
            deaths.wait(|row| found |= row.local == Address::Internet(address)).expect("an event");
        }
    }
}
