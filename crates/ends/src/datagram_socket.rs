//! A socket for datagrams: who sent each, to which of our addresses, and answers that go out from there.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kernel::error_queue::{self, Queued};
use kernel::inbox::Inbox;
use kernel::packet_info::{self, Arrived, OurAddress};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrAny, getpeername, recvfrom, send, sendto};
use wire::{Address, Transport};

use crate::address::{from_kernel, local, plain, to_kernel};
use crate::listen::socket_file::SocketFile;

/// A bound socket for datagrams. Never waits. Its socket file goes with it.
#[derive(Debug)]
pub struct DatagramSocket {
    pub(crate) socket: OwnedFd,
    /// What carries the datagrams.
    pub transport: Transport,
    /// With the port that the kernel chose.
    pub address: Address,
    /// It is bound to every address, so what is received says to which one it was sent.
    is_at_every_address: bool,
    /// Somebody connected it before it was handed to us.
    has_peer: bool,
    _file: Option<SocketFile>,
}

/// A datagram that has come; its bytes are in the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// How long it was, which may be more than the buffer holds.
    pub(crate) length: usize,
    /// The sender as the kernel gives it: an IPv4 sender to a socket for both families stays in its IPv6 form, which is
    /// the one to answer to.
    pub(crate) from: Address,
    /// The address of ours to answer from, where there are several.
    pub(crate) to: Option<OurAddress>,
}

impl From<Arrived> for Received {
    fn from(Arrived { length, from, to }: Arrived) -> Received {
        Received { length, from: from.map_or(Address::Unnamed, Address::Internet), to }
    }
}

impl DatagramSocket {
    /// Of a socket that is bound and never waits.
    pub(crate) fn of(socket: OwnedFd, transport: Transport) -> DatagramSocket {
        DatagramSocket::with_file(socket, transport, None)
    }

    pub(crate) fn with_file(
        socket: OwnedFd,
        transport: Transport,
        file: Option<SocketFile>,
    ) -> DatagramSocket {
        let address = local(&socket);
        if transport.is_internet() {
            // Without it nobody would tell which of the peers an ICMP message is about. The socket serves without, too.
            let _ = error_queue::enable(socket.as_fd());
        }
        let is_wild = address.internet().is_some_and(|address| address.ip().is_unspecified());
        let is_at_every_address = is_wild && packet_info::enable(socket.as_fd()).is_ok();
        let has_peer = getpeername(&socket).is_ok();
        DatagramSocket { socket, transport, address, is_at_every_address, has_peer, _file: file }
    }

    /// Receives one datagram. Never waits.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<Received, Errno> {
        if self.is_at_every_address {
            return Ok(packet_info::receive(self.socket.as_fd(), buffer)?.into());
        }
        let flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
        let (_, length, from) = recvfrom(&self.socket, buffer, flags)?;
        Ok(Received { length, from: sender(from), to: None })
    }

    /// Receives as many datagrams as have come and fit, and keeps so much of each; gives how many. Never waits.
    pub(crate) fn receive_many(&self, inbox: &mut Inbox, room: usize) -> Result<usize, Errno> {
        inbox.receive(self.socket.as_fd(), room)
    }

    /// Sends one datagram, from this address of ours where one is given. Never waits.
    pub(crate) fn send(&self, bytes: &[u8], to: &Address, from: Option<OurAddress>) -> Result<usize, Errno> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match (to, from) {
            (Address::Internet(to), Some(from)) => packet_info::send(self.socket.as_fd(), bytes, *to, from),
            (Address::Internet(to), None) => sendto(&self.socket, bytes, flags, to),
            // One of a pair needs no name.
            (Address::Unnamed, _) if self.has_peer => send(&self.socket, bytes, flags),
            (unix, _) => sendto(&self.socket, bytes, flags, &to_kernel(unix)?),
        }
    }

    /// Whether an answer can go to this address.
    pub(crate) fn can_answer(&self, address: &Address) -> bool {
        *address != Address::Unnamed || self.has_peer
    }

    /// The next of what the network has reported about datagrams that were sent.
    pub(crate) fn next_report(&self) -> Option<Queued> {
        if self.transport.is_internet() { error_queue::next(self.socket.as_fd()) } else { None }
    }

    /// Our end towards somebody who sent to this address: where there are several, that one.
    pub(crate) fn our_end(&self, to: Option<OurAddress>) -> Address {
        match (&self.address, to) {
            (Address::Internet(bound), Some(to)) => SocketAddr::new(to.ip, bound.port()).into(),
            (bound, _) => bound.clone(),
        }
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The address as people know it.
pub(crate) fn shown(address: &Address) -> Address {
    match address {
        Address::Internet(address) => Address::Internet(plain(*address)),
        other => other.clone(),
    }
}

fn sender(from: Option<SocketAddrAny>) -> Address {
    match from {
        Some(from) if matches!(from.address_family(), AddressFamily::INET | AddressFamily::INET6) => {
            SocketAddr::try_from(from).map_or(Address::Unnamed, Address::Internet)
        }
        from => from_kernel(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_ipv4_sender_is_answered_in_its_form_and_shown_in_the_plain_one() {
        let mapped = at("[::ffff:192.0.2.1]:9");
        let address = sender(Some(mapped.into()));
        assert_eq!(address, Address::Internet(mapped));
        assert_eq!(shown(&address).to_string(), "192.0.2.1:9");
        assert_eq!(sender(None), Address::Unnamed);
    }

    #[test]
    fn a_socket_at_every_address_answers_from_the_one_that_was_asked() {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("loopback");
        let socket = DatagramSocket::of(socket.into(), Transport::Udp);
        let asked = SocketAddr::from(([127, 0, 0, 2], socket.address.port().expect("UDP")));
        let client = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        // Takes answers from there only.
        client.connect(asked).expect("loopback");
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        client.send(b"hello").expect("loopback");
        let received = socket.receive(&mut [0; 9]).expect("it has come");
        assert_eq!(socket.our_end(received.to), asked.into());
        socket.send(b"yes", &received.from, received.to).expect("loopback");
        assert_eq!(client.recv(&mut [0; 9]).expect("an answer"), 3);
        let specific = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let specific = DatagramSocket::of(specific.into(), Transport::Udp);
        client.send_to(b"x", specific.address.internet().expect("UDP")).expect("loopback");
        assert_eq!(specific.receive(&mut [0; 9]).expect("it has come").to, None, "there is only one");
    }

    #[test]
    fn one_of_a_pair_is_answered_though_it_has_no_name() {
        let (ours, theirs) = UnixDatagram::pair().expect("a pair");
        let ours = DatagramSocket::of(ours.into(), Transport::UnixDgram);
        theirs.send(b"hello").expect("room");
        let received = ours.receive(&mut [0; 9]).expect("it has come");
        assert!(ours.can_answer(&received.from), "{received:?}");
        ours.send(b"yes", &received.from, None).expect("room");
        assert_eq!(theirs.recv(&mut [0; 9]).expect("an answer"), 3);
    }
}
