//! The kernel of a simulated machine: smoltcp's TCP and UDP, with the first sequence number that is asked for, and where a
//! lesson wants it 4.4BSD's window updates.

use std::net::SocketAddr;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, IpEndpoint};
use wire::Time;
use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::packet::{Transport, dissect};
use wire::tcp::{TcpFlags, TcpOptions};

use super::program::Settings;
use super::stage::{CLIENT, PREFIX_LEN, SERVER};
use crate::event::Role;
use crate::simulate::device::Queues;

/// smoltcp counts microseconds.
const TICK: Duration = Duration::from_micros(1);

/// The sequence number of the client's SYN.
const CLIENT_FIRST: u32 = 1_000_000;
/// The sequence number of the server's SYN.
const SERVER_FIRST: u32 = 2_008_000;

/// Datagrams and bytes of them that wait to be received or sent.
const DATAGRAMS: (usize, usize) = (16, 16 * 1024);

/// The kernel of a machine that has been switched on.
pub(super) struct Kernel {
    role: Role,
    settings: Settings,
    queues: Queues,
    interface: Interface,
    sockets: SocketSet<'static>,
    tcp: SocketHandle,
    udp: SocketHandle,
    /// The last acknowledgement that carried nothing else.
    last_ack: Option<Vec<u8>>,
}

impl Kernel {
    /// A kernel that knows nothing yet. Its first sequence number is so much below the machine's usual one.
    pub(super) fn boot(role: Role, settings: Settings, below: u32) -> Kernel {
        let Settings { mtu, ethernet, .. } = settings;
        let mut queues = Queues { mtu, ethernet, ..Queues::default() };
        let number = if role == Role::Client { 1 } else { 2 };
        let mut config = Config::new(match ethernet {
            // Locally administered (RFC 9542 §2.1), and ending in the IP address.
            true => HardwareAddress::Ethernet(EthernetAddress([2, 0, 10, 0, 0, number])),
            false => HardwareAddress::Ip,
        });
        let first = if role == Role::Client { CLIENT_FIRST } else { SERVER_FIRST };
        config.random_seed = seed_of(first - below);
        let mut interface = Interface::new(config, &mut queues, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // There is room for two.
            let _ = addresses.push(IpCidr::new(address(role).ip().into(), PREFIX_LEN));
        });
        let mut sockets = SocketSet::new(Vec::new());
        let tcp = sockets.add(stream(settings));
        let udp = sockets.add(datagrams());
        Kernel { role, settings, queues, interface, sockets, tcp, udp, last_ack: None }
    }

    /// Switched off and on again; what was sent is under way all the same.
    pub(super) fn restart(&mut self, below: u32) {
        let sent = std::mem::take(&mut self.queues.sent);
        *self = Kernel::boot(self.role, self.settings, below);
        self.queues.sent = sent;
    }

    /// A packet has arrived and waits to be taken in.
    pub(super) fn arrived(&mut self, packet: Vec<u8>) {
        self.queues.arrived.push_back(packet);
    }

    /// Takes one packet in; false where none waits.
    pub(super) fn take_in(&mut self, now: Time) -> bool {
        self.interface.poll_ingress_single(instant(now), &mut self.queues, &mut self.sockets)
            != PollIngressSingleResult::None
    }

    /// Sends what is to be sent. Each poll lets each socket send one packet.
    pub(super) fn answer(&mut self, now: Time) {
        while self.interface.poll_egress(instant(now), &mut self.queues, &mut self.sockets)
            != PollResult::None
        {}
        self.remember_ack();
    }

    /// How its packets begin.
    pub(super) fn link_type(&self) -> LinkType {
        if self.settings.ethernet { LinkType::ETHERNET } else { LinkType::RAW }
    }

    /// How many packets are to leave.
    pub(super) fn to_leave(&self) -> usize {
        self.queues.sent.len()
    }

    /// The packets that leave.
    pub(super) fn leave(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.queues.sent)
    }

    /// When it has something to do by itself.
    pub(super) fn timer(&mut self, now: Time) -> Option<Time> {
        if self.tcp().state() == State::TimeWait {
            // smoltcp leaves TIME_WAIT after 10 s; here it outlasts the play (RFC 9293 §3.4.2: four minutes).
            return None;
        }
        let due = self.interface.poll_at(instant(now), &self.sockets)?;
        let due = Time::ZERO + Duration::from_micros(u64::try_from(due.total_micros()).unwrap_or(0));
        Some(due.max(now + TICK))
    }

    pub(super) fn tcp(&self) -> &Socket<'static> {
        self.sockets.get::<Socket<'_>>(self.tcp)
    }

    pub(super) fn tcp_mut(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut::<Socket<'_>>(self.tcp)
    }

    /// Waits for a connection. It is refused only where the socket is in use, and no lesson does that.
    pub(super) fn listen(&mut self) {
        let local = address(self.role);
        let _ = self.tcp_mut().listen(local);
    }

    /// Asks the other machine for a connection; refused as [`listen`](Self::listen) is.
    pub(super) fn connect(&mut self) {
        let (local, remote) = (address(self.role), other(self.role));
        let socket = self.sockets.get_mut::<Socket<'_>>(self.tcp);
        let _ = socket.connect(self.interface.context(), remote, local);
    }

    /// Opens the socket of datagrams; refused only where it is open.
    pub(super) fn open_datagrams(&mut self) {
        let local = address(self.role);
        let _ = self.sockets.get_mut::<udp::Socket<'_>>(self.udp).bind(local);
    }

    /// Sends a datagram to the other machine; what does not fit into the buffer is dropped, as a kernel may.
    pub(super) fn send_to(&mut self, bytes: &[u8]) {
        let remote = IpEndpoint::from(other(self.role));
        let _ = self.sockets.get_mut::<udp::Socket<'_>>(self.udp).send_slice(bytes, remote);
    }

    /// The next datagram and who sent it.
    pub(super) fn receive_from(&mut self) -> Option<(Vec<u8>, SocketAddr)> {
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.udp);
        let (bytes, from) = socket.recv().ok()?;
        let IpAddress::Ipv4(ip) = from.endpoint.addr else { return None };
        Some((bytes.to_vec(), SocketAddr::from((ip, from.endpoint.port))))
    }

    /// Closes the socket of datagrams.
    pub(super) fn close_datagrams(&mut self) {
        self.sockets.get_mut::<udp::Socket<'_>>(self.udp).close();
    }

    /// The adapter around smoltcp, which sends no window update in CLOSE_WAIT and asks for a doubling elsewhere: the last
    /// acknowledgement again, with the window as it is now, when the edge moved by at least two segments.
    pub(super) fn update_window(&mut self) {
        if !self.settings.updates_like_bsd || self.tcp().state() != State::CloseWait {
            return;
        }
        let Some(last) = self.last_ack.clone() else { return };
        let Ok(Transport::Tcp(segment)) = dissect(LinkType::RAW, &last).map(|packet| packet.transport) else {
            return;
        };
        let window =
            u16::try_from(self.settings.receive_buffer - self.tcp().recv_queue()).unwrap_or(u16::MAX);
        let segment_len = self.settings.mtu - 40;
        if usize::from(window.saturating_sub(segment.header.window())) < 2 * segment_len {
            return;
        }
        let packet = TcpPacket {
            source: segment.source,
            destination: segment.destination,
            seq: segment.header.seq(),
            ack: segment.header.ack(),
            flags: TcpFlags::ACK,
            window,
            options: TcpOptions::default(),
            payload: b"",
        };
        self.queues.sent.push(packet.to_bytes());
        self.remember_ack();
    }

    fn remember_ack(&mut self) {
        let pure = |packet: &&Vec<u8>| {
            let transport = dissect(LinkType::RAW, packet).map(|packet| packet.transport);
            matches!(transport, Ok(Transport::Tcp(segment)) if segment.header.flags() == TcpFlags::ACK && segment.payload_len == 0)
        };
        if self.settings.updates_like_bsd
            && let Some(last) = self.queues.sent.iter().rev().find(pure)
        {
            self.last_ack = Some(last.clone());
        }
    }
}

fn stream(settings: Settings) -> Socket<'static> {
    let receive = SocketBuffer::new(vec![0; settings.receive_buffer]);
    let mut socket = Socket::new(receive, SocketBuffer::new(vec![0; settings.send_buffer]));
    socket.set_nagle_enabled(settings.nagle);
    socket.set_ack_delay(settings.delays_acks.map(smoltcp::time::Duration::from_millis));
    socket.set_congestion_control(match settings.controls_congestion {
        true => CongestionControl::Reno,
        false => CongestionControl::None,
    });
    socket
}

fn datagrams() -> udp::Socket<'static> {
    let (count, bytes) = DATAGRAMS;
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; count], vec![0; bytes]);
    udp::Socket::new(buffer(), buffer())
}

fn address(role: Role) -> SocketAddr {
    if role == Role::Client { CLIENT } else { SERVER }
}

fn other(role: Role) -> SocketAddr {
    if role == Role::Client { SERVER } else { CLIENT }
}

/// The seed with which smoltcp's generator gives this number second, for an interface takes the first as its IPv4
/// identification: twice the inverse of the step in its `rand.rs`, from a state whose three highest bits are clear. A test
/// holds it against the packets.
fn seed_of(first: u32) -> u64 {
    const FACTOR: u64 = 0xbb2e_fcec_3c39_611d;
    const ADDEND: u64 = 0x7590_ef39;
    // Newton's iteration doubles the number of right bits: 3, 6, 12, 24, 48, 96.
    let inverse =
        (0..5).fold(FACTOR, |near: u64, _| near.wrapping_mul(2_u64.wrapping_sub(FACTOR.wrapping_mul(near))));
    let before = |state: u64| state.wrapping_sub(ADDEND).wrapping_mul(inverse);
    before(before(u64::from(first) << 29))
}

fn instant(time: Time) -> Instant {
    Instant::from_micros(i64::try_from(time.0 / 1000).unwrap_or(i64::MAX))
}
