//! A packet socket's ring, on the loopback interface of a network of the test's own.

use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};

use kernel::namespace::{self, Namespace};
use kernel::packet_ring::{Next, Ring};
use kernel::packet_socket;
use kernel::rtnetlink::{Rtnetlink, Setting};
use rustix::event::{PollFd, PollFlags, poll};

use crate::left_out::left_out;
use crate::refusals::enter_outer_world;
use crate::users::in_child;

const SLOTS: u32 = 32_768;
/// What stands before a datagram's payload: the headers of virtio-net, Ethernet, IPv4 and UDP.
const HEADERS: usize = 10 + 14 + 20 + 8;
/// The longest payload that a slot holds, and one more.
const FITS: usize = 256 - 76 - (HEADERS - 10);

/// Both ends of a conversation, and who reads it.
struct Loopback {
    sender: UdpSocket,
    _receiver: UdpSocket,
    socket: OwnedFd,
    ring: Ring,
}

pub(crate) fn keeps_the_order_of_all_sizes() {
    with_loopback(|mut loopback| {
        let sizes = [1, 60_000, 64, FITS, FITS + 1, 2, 1400, 1400, 3];
        for (number, size) in (0..).zip(sizes) {
            loopback.send(number, size);
        }
        for (number, size) in (0..).zip(sizes) {
            assert_eq!(loopback.take(), Some((number, size)));
        }
        assert_eq!(loopback.ring.take(&mut [0; 100]), Next::Nothing);
    });
}

/// Small ones up to the number of slots, of which an ordinary user's socket would hold a few hundred; the rest is counted.
pub(crate) fn holds_many_small_packets() {
    with_loopback(|mut loopback| {
        (0..SLOTS + 100).for_each(|number| loopback.send(number, 4));
        assert_eq!(packet_socket::dropped(loopback.socket.as_fd()), Ok(100));
        for number in 0..SLOTS {
            assert_eq!(loopback.take(), Some((number, 4)));
        }
        loopback.send(7, 4);
        assert_eq!(loopback.take(), Some((7, 4)), "it goes on");
    });
}

/// Large ones wait in the socket, as far as its buffer goes.
pub(crate) fn tells_what_is_lost() {
    with_loopback(|mut loopback| {
        let sent = 500;
        (0..sent).for_each(|number| loopback.send(number, 60_000));
        let taken: Vec<u32> = (0..sent).filter_map(|_| loopback.take()).map(|(number, _)| number).collect();
        assert!(taken.is_sorted() && !taken.is_empty() && taken.len() < 500, "{} taken", taken.len());
        assert_eq!(loopback.ring.take(&mut [0; 100]), Next::Nothing);
    });
}

fn with_loopback(test: impl FnOnce(Loopback)) {
    let status = in_child(|| {
        if enter_outer_world().and_then(|()| namespace::unshare(Namespace::Network)).is_err() {
            return left_out("a packet socket's ring", "this system refuses user namespaces");
        }
        test(Loopback::new());
    });
    assert_eq!(status, Some(0));
}

impl Loopback {
    fn new() -> Loopback {
        let mut interfaces = Rtnetlink::open().expect("netlink");
        let index = interfaces.index("lo").expect("each network has one");
        interfaces.set(index, Setting { up: true, ..Setting::default() }).expect("it is ours");
        let socket = packet_socket::open(index).expect("with privilege in the network");
        let ring = Ring::new(socket.as_fd(), SLOTS as usize).expect("memory");
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("port 0");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("port 0");
        sender.connect(receiver.local_addr().expect("bound")).expect("it is there");
        Loopback { sender, _receiver: receiver, socket, ring }
    }

    /// A number, then zeroes; what is too short for that is the number's first bytes.
    fn send(&self, number: u32, size: usize) {
        let mut bytes = vec![0; size.max(4)];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        self.sender.send(&bytes[..size]).expect("sent");
    }

    /// The next packet's number and size; none if it was lost.
    fn take(&mut self) -> Option<(u32, usize)> {
        let mut buffer = vec![0; 70_000];
        loop {
            let len = match self.ring.take(&mut buffer) {
                Next::Nothing => {
                    poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], None).expect("it wakes up");
                    continue;
                }
                Next::Packet(len) => len,
                Next::InSocket => rustix::io::read(&self.socket, &mut buffer).expect("it is there"),
                Next::Lost => return None,
            };
            let payload = &buffer[HEADERS..len];
            let mut number = [0; 4];
            let known = payload.len().min(4);
            number[..known].copy_from_slice(&payload[..known]);
            return Some((u32::from_le_bytes(number), payload.len()));
        }
    }
}
