//! A machine of a lesson: smoltcp's TCP as its kernel, and a program that is a list of calls, each with what it waits for.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};
use wire::Time;
use wire::build::TcpPacket;
use wire::link_type::LinkType;
use wire::packet::{Transport, dissect};
use wire::tcp::{TcpFlags, TcpOptions};

use super::stage::{CLIENT, PREFIX_LEN, SERVER};
use crate::event::Role;
use crate::simulate::device::Queues;

/// smoltcp counts microseconds.
const TICK: Duration = Duration::from_micros(1);

/// The sequence number of the client's SYN.
pub(crate) const CLIENT_FIRST: u32 = 1_000_000;
/// The sequence number of the server's SYN.
pub(crate) const SERVER_FIRST: u32 = 2_008_000;

/// How a machine's TCP is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The socket's receive buffer, in bytes; up to 65,535 of it is the window.
    pub(crate) receive_buffer: usize,
    /// The largest IP packet, in bytes; the MSS that it announces is 40 less.
    pub(crate) mtu: usize,
    /// Its program acts on what arrived before its kernel answers, so that one segment carries both answers.
    pub(crate) answers_together: bool,
    /// 4.4BSD's rule for window updates: one whenever the edge moved by two segments, in any state.
    pub(crate) updates_like_bsd: bool,
}

impl Settings {
    /// Ethernet's packets, a buffer of 44 full segments, and an acknowledgement for each segment at once.
    pub(crate) const PLAIN: Settings =
        Settings { receive_buffer: 64_240, mtu: 1500, answers_together: false, updates_like_bsd: false };
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// This point in time, in milliseconds from the beginning.
    At(u64),
    /// The call before it is done.
    Next,
    /// The connection is established.
    Established,
    /// So many bytes have come from the peer, read or not.
    Received(usize),
    /// The peer's FIN has come.
    PeerClosed,
}

/// What a program asks of its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// listen(2).
    Listen,
    /// connect(2).
    Connect,
    /// send(2) of this text.
    Say(&'static str),
    /// send(2) of so many bytes.
    Send(usize),
    /// recv(2) of at most so many bytes.
    Read(usize),
    /// recv(2) of all that comes, from now on.
    ReadAll,
    /// shutdown(2) of the sending direction.
    ShutDown,
    /// close(2): with unread data the kernel resets (RFC 9293 §3.6.1, RFC 2525 §2.17).
    Close,
    /// SO_KEEPALIVE with this many milliseconds of quiet before each probe.
    KeepAlive(u64),
    /// Give up after this many milliseconds without an answer.
    GiveUp(u64),
    /// The machine starts anew: it remembers no connection, and its next first sequence number is so much below its first one.
    Restart(u32),
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) when: When,
    /// Milliseconds later.
    pub(crate) later: u64,
    pub(crate) call: Call,
}

/// `call` once `when` has come.
pub(crate) const fn on(when: When, call: Call) -> Step {
    Step { when, later: 0, call }
}

/// `call` so many milliseconds after `when` has come.
pub(crate) const fn later(milliseconds: u64, when: When, call: Call) -> Step {
    Step { when, later: milliseconds, call }
}

/// What a program knows at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// All that it read.
    pub read: Vec<u8>,
    /// The errno by which its connection failed, by name.
    pub error: Option<&'static str>,
    /// Bytes that came and that it did not read.
    pub unread_bytes: usize,
}

/// One machine.
pub(crate) struct Machine {
    role: Role,
    settings: Settings,
    queues: Queues,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    program: VecDeque<Step>,
    /// Since when what the first call waits for is there.
    ready: Option<Time>,
    done_at: Time,
    reads_all: bool,
    to_send: Vec<u8>,
    closes: bool,
    told: Told,
    /// What was read from the present connection.
    taken: usize,
    last_state: State,
    last_flags: TcpFlags,
    /// The last acknowledgement that carried nothing else.
    last_ack: Option<Vec<u8>>,
    coming: BTreeMap<(Time, u64), Vec<u8>>,
    received: u64,
    timer: Option<Time>,
}

impl Machine {
    pub(crate) fn new(role: Role, settings: Settings, program: &[Step]) -> Machine {
        let queues = Queues { mtu: settings.mtu, ..Queues::default() };
        let (queues, interface, sockets, socket) = boot(role, settings, queues, 0);
        Machine {
            role,
            settings,
            queues,
            interface,
            sockets,
            socket,
            program: program.iter().copied().collect(),
            ready: None,
            done_at: Time::ZERO,
            reads_all: false,
            to_send: Vec::new(),
            closes: false,
            told: Told::default(),
            taken: 0,
            last_state: State::Closed,
            last_flags: TcpFlags::NONE,
            last_ack: None,
            coming: BTreeMap::new(),
            received: 0,
            timer: None,
        }
    }

    /// A packet will arrive.
    pub(crate) fn receive(&mut self, arrives: Time, packet: Vec<u8>) {
        self.coming.insert((arrives, self.received), packet);
        self.received += 1;
    }

    /// When something happens here next.
    pub(crate) fn next(&self, now: Time) -> Option<Time> {
        let arrival = self.coming.first_key_value().map(|((arrives, _), _)| *arrives);
        let program = self.program.front().and_then(|step| match (step.when, self.ready) {
            (_, Some(ready)) => Some(ready + milliseconds(step.later)),
            (When::At(at), None) => Some(Time::ZERO + milliseconds(at)),
            (When::Next, None) => Some(self.done_at),
            _ => None,
        });
        [arrival, program, self.timer].into_iter().flatten().min().map(|time| time.max(now))
    }

    /// Handles what is due; gives the packets that are sent, in order.
    pub(crate) fn act(&mut self, now: Time) -> Vec<Vec<u8>> {
        while let Some(entry) = self.coming.first_entry()
            && entry.key().0 <= now
        {
            let packet = entry.remove();
            self.note(&packet);
            self.queues.arrived.push_back(packet);
            if !self.settings.answers_together {
                self.take_in(now);
                self.answer(now);
            }
        }
        self.take_in(now);
        if !self.settings.answers_together {
            self.answer(now);
        }
        self.run_program(now);
        self.set_timer(now);
        std::mem::take(&mut self.queues.sent)
    }

    pub(crate) fn told(&self) -> Told {
        let unread_bytes = self.socket().recv_queue();
        Told { unread_bytes, ..self.told.clone() }
    }

    /// What the last segment that arrived says; a connection that ends without a RST was given up.
    fn note(&mut self, packet: &[u8]) {
        if let Ok(Transport::Tcp(segment)) = dissect(LinkType::RAW, packet).map(|packet| packet.transport) {
            self.last_flags = segment.header.flags();
        }
    }

    fn take_in(&mut self, now: Time) {
        while self.interface.poll_ingress_single(instant(now), &mut self.queues, &mut self.sockets)
            != PollIngressSingleResult::None
        {
            self.look_at_state();
        }
    }

    /// Lets the kernel send. Each poll lets each socket send one packet.
    fn answer(&mut self, now: Time) {
        while self.interface.poll_egress(instant(now), &mut self.queues, &mut self.sockets)
            != PollResult::None
        {}
        self.look_at_state();
        self.remember_ack();
    }

    fn look_at_state(&mut self) {
        let state = self.socket().state();
        let before = std::mem::replace(&mut self.last_state, state);
        if state == State::Closed && before != state {
            let reset = self.last_flags.has(TcpFlags::RST);
            self.told.error = match before {
                State::SynSent if reset => Some("ECONNREFUSED"),
                State::SynSent => Some("ETIMEDOUT"),
                State::LastAck | State::TimeWait | State::Listen => self.told.error,
                _ if self.closes && !reset => self.told.error,
                _ if reset => Some("ECONNRESET"),
                _ => Some("ETIMEDOUT"),
            };
        }
    }

    /// Does every call whose time has come. A kernel that answers together with its program waits for these calls.
    fn run_program(&mut self, now: Time) {
        loop {
            self.read_on();
            self.send_on();
            if !self.settings.answers_together {
                self.answer(now);
            }
            let Some(call) = self.due(now) else { break };
            self.call(call, now);
        }
        self.answer(now);
    }

    /// The next call, if its time has come.
    fn due(&mut self, now: Time) -> Option<Call> {
        let step = self.program.front().copied()?;
        if self.ready.is_none() && self.has_come(step.when, now) {
            self.ready = Some(now);
        }
        if self.ready? + milliseconds(step.later) > now {
            return None;
        }
        self.program.pop_front();
        self.ready = None;
        self.done_at = now;
        Some(step.call)
    }

    fn has_come(&self, when: When, now: Time) -> bool {
        let socket = self.socket();
        match when {
            When::At(at) => Time::ZERO + milliseconds(at) <= now,
            When::Next => true,
            When::Established => {
                !matches!(socket.state(), State::Closed | State::Listen | State::SynSent | State::SynReceived)
            }
            When::Received(bytes) => self.taken + socket.recv_queue() >= bytes,
            When::PeerClosed => {
                matches!(socket.state(), State::CloseWait | State::LastAck | State::Closing | State::TimeWait)
            }
        }
    }

    fn call(&mut self, call: Call, now: Time) {
        let before = self.queues.sent.len();
        let (local, remote) = if self.role == Role::Client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        match call {
            // Both are refused only for a socket that is in use, and no lesson does that.
            Call::Listen => {
                let _ = self.socket_mut().listen(local);
            }
            Call::Connect => {
                let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
                let _ = socket.connect(self.interface.context(), remote, local);
            }
            Call::Say(text) => self.to_send.extend(text.as_bytes()),
            Call::Send(bytes) => self.to_send.extend((0..bytes).map(letter)),
            Call::Read(most) => self.read(most),
            Call::ReadAll => self.reads_all = true,
            Call::ShutDown => self.closes = true,
            Call::Close if self.socket().recv_queue() > 0 => self.socket_mut().abort(),
            Call::Close => self.closes = true,
            Call::KeepAlive(quiet) => self.socket_mut().set_keep_alive(Some(milliseconds(quiet).into())),
            Call::GiveUp(after) => self.socket_mut().set_timeout(Some(milliseconds(after).into())),
            Call::Restart(below) => self.restart(below),
        }
        self.look_at_state();
        self.read_on();
        self.send_on();
        self.answer(now);
        if matches!(call, Call::Read(_)) && self.queues.sent.len() == before {
            self.update_window();
        }
    }

    fn restart(&mut self, below: u32) {
        let queues = std::mem::take(&mut self.queues);
        let sent = Queues { mtu: self.settings.mtu, sent: queues.sent, ..Queues::default() };
        (self.queues, self.interface, self.sockets, self.socket) =
            boot(self.role, self.settings, sent, below);
        (self.reads_all, self.closes, self.taken) = (false, false, 0);
        self.to_send.clear();
        self.told.read.clear();
        (self.last_state, self.last_ack) = (State::Closed, None);
    }

    fn read_on(&mut self) {
        if self.reads_all {
            self.read(usize::MAX);
        }
    }

    fn read(&mut self, most: usize) {
        let mut left = most;
        let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
        // The ring gives its two halves one after the other.
        while left > 0
            && let Ok(bytes) =
                socket.recv(|bytes| (bytes.len().min(left), bytes[..bytes.len().min(left)].to_vec()))
            && !bytes.is_empty()
        {
            left -= bytes.len();
            self.taken += bytes.len();
            self.told.read.extend(bytes);
        }
    }

    fn send_on(&mut self) {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
        if socket.may_send() {
            let sent = socket.send_slice(&self.to_send).unwrap_or(0);
            self.to_send.drain(..sent);
            if self.closes && self.to_send.is_empty() {
                socket.close();
            }
        }
    }

    /// The adapter around smoltcp, which sends no window update in CLOSE_WAIT and asks for a doubling elsewhere: the last
    /// acknowledgement again, with the window as it is now, when the edge moved by at least two segments.
    fn update_window(&mut self) {
        if !self.settings.updates_like_bsd || self.socket().state() != State::CloseWait {
            return;
        }
        let Some(last) = self.last_ack.clone() else { return };
        let Ok(Transport::Tcp(segment)) = dissect(LinkType::RAW, &last).map(|packet| packet.transport) else {
            return;
        };
        let window =
            u16::try_from(self.settings.receive_buffer - self.socket().recv_queue()).unwrap_or(u16::MAX);
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

    fn set_timer(&mut self, now: Time) {
        let due = self.interface.poll_at(instant(now), &self.sockets);
        self.timer = due.map(|due| {
            let due = Time::ZERO + Duration::from_micros(u64::try_from(due.total_micros()).unwrap_or(0));
            due.max(now + TICK)
        });
        if self.socket().state() == State::TimeWait {
            // smoltcp leaves TIME_WAIT after 10 s; here it outlasts the play (RFC 9293 §3.4.2: four minutes).
            self.timer = None;
        }
    }

    fn socket(&self) -> &Socket<'static> {
        self.sockets.get::<Socket<'_>>(self.socket)
    }

    fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut::<Socket<'_>>(self.socket)
    }
}

/// A machine that has just been switched on.
fn boot(
    role: Role,
    settings: Settings,
    mut queues: Queues,
    below: u32,
) -> (Queues, Interface, SocketSet<'static>, SocketHandle) {
    let mut config = Config::new(HardwareAddress::Ip);
    let first = if role == Role::Client { CLIENT_FIRST } else { SERVER_FIRST };
    config.random_seed = seed_of(first - below);
    let mut interface = Interface::new(config, &mut queues, Instant::ZERO);
    let address: SocketAddr = if role == Role::Client { CLIENT } else { SERVER };
    interface.update_ip_addrs(|addresses| {
        // There is room for two.
        let _ = addresses.push(IpCidr::new(address.ip().into(), PREFIX_LEN));
    });
    let receive = SocketBuffer::new(vec![0; settings.receive_buffer]);
    let mut socket = Socket::new(receive, SocketBuffer::new(vec![0; 64 * 1024]));
    socket.set_nagle_enabled(false);
    socket.set_ack_delay(None);
    let mut sockets = SocketSet::new(Vec::new());
    let handle = sockets.add(socket);
    (queues, interface, sockets, handle)
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

/// The bytes that are sent where their content does not matter.
fn letter(place: usize) -> u8 {
    b"abcdefghijklmnopqrstuvwxyz"[place % 26]
}

pub(crate) fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn instant(time: Time) -> Instant {
    Instant::from_micros(i64::try_from(time.0 / 1000).unwrap_or(i64::MAX))
}
