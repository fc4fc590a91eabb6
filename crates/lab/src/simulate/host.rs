//! A simulated host: a device, smoltcp's TCP as its kernel, and one program.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};
use wire::Time;

use super::STEP;
use super::device::Queues;
use super::programs::Program;
use crate::config::PREFIX_LEN;
use crate::outcome::Ending;

/// Bytes that a socket takes in and holds for sending: Linux's first window on Ethernet, 44 full segments.
const BUFFER_LEN: usize = 64_240;

/// How long an acknowledgement may wait for data to ride on (RFC 9293 §3.8.6.3: less than 500 ms).
const ACK_DELAY: Duration = Duration::from_millis(10);
/// smoltcp counts microseconds.
const TICK: Duration = Duration::from_micros(1);

/// What a host is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The kernel handles packets that have arrived, or one of its timers has run out.
    Kernel,
    /// The program looks at its socket.
    Program,
}

/// One host.
pub(super) struct Host {
    queues: Queues,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    program: Box<dyn Program>,
    /// Packets on their way here, by the time of their arrival; of the same time, in order.
    coming: BTreeMap<(Time, u64), Vec<u8>>,
    received: u64,
    timer: Option<Time>,
    program_due: Option<Time>,
}

impl Host {
    /// A host whose program runs for the first time at once.
    pub(super) fn new(address: IpAddr, seed: u64, program: Box<dyn Program>) -> Host {
        let mut queues = Queues::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut queues, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // There is room for two.
            let _ = addresses.push(IpCidr::new(address.into(), PREFIX_LEN));
        });
        let buffer = || SocketBuffer::new(vec![0; BUFFER_LEN]);
        let mut socket = Socket::new(buffer(), buffer());
        // TCP_NODELAY, as both programs of the real lab set it.
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(Some(ACK_DELAY.into()));
        // The window of the other end is all that holds it back: a link that loses by a seed says what is lost.
        socket.set_congestion_control(CongestionControl::None);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(socket);
        let coming = BTreeMap::new();
        let program_due = Some(Time::ZERO);
        Host { queues, interface, sockets, socket, program, coming, received: 0, timer: None, program_due }
    }

    /// A packet will arrive.
    pub(super) fn receive(&mut self, arrives: Time, packet: &[u8]) {
        self.coming.insert((arrives, self.received), packet.to_vec());
        self.received += 1;
    }

    /// What the host does next, and when.
    pub(super) fn next(&self) -> Option<(Time, Due)> {
        let arrival = self.coming.first_key_value().map(|((arrives, _), _)| *arrives + STEP);
        let kernel = arrival.into_iter().chain(self.timer).min().map(|time| (time, Due::Kernel));
        let program = self.program_due.map(|time| (time, Due::Program));
        kernel.into_iter().chain(program).min()
    }

    /// Does what is due; gives what is sent.
    pub(super) fn act(&mut self, now: Time, due: Due) -> Vec<Vec<u8>> {
        match due {
            Due::Kernel => self.kernel(now),
            Due::Program => self.run_program(now),
        }
        std::mem::take(&mut self.queues.sent)
    }

    fn kernel(&mut self, now: Time) {
        while let Some(entry) = self.coming.first_entry()
            && entry.key().0 + STEP <= now
        {
            self.queues.arrived.push_back(entry.remove());
        }
        if self.poll(now) == PollResult::SocketStateChanged {
            self.program_due.get_or_insert(now + STEP);
        }
    }

    fn run_program(&mut self, now: Time) {
        self.program_due = None;
        self.program.run(self.sockets.get_mut::<Socket<'_>>(self.socket), self.interface.context());
        self.poll(now);
    }

    fn poll(&mut self, now: Time) -> PollResult {
        let time = instant(now);
        let result = self.interface.poll(time, &mut self.queues, &mut self.sockets);
        self.timer = self.interface.poll_at(time, &self.sockets).map(|due| {
            // Whatever was due at once has just been done; what the stack still wants comes no earlier than its
            // clock's next tick, or time would stand still.
            let due = Time::ZERO + Duration::from_micros(u64::try_from(due.total_micros()).unwrap_or(0));
            due.max(now + TICK)
        });
        if self.state() == State::TimeWait {
            // smoltcp leaves TIME_WAIT after 10 s, and a repeated FIN would then be answered by a reset. RFC 9293
            // §3.4.2 has four minutes; here it outlasts the play. Only an acknowledgement may still be due.
            self.timer = self.timer.filter(|due| *due <= now + ACK_DELAY);
        }
        result
    }

    /// The program has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.program.ending().is_some()
    }

    /// How the program ended; how it stands when it was not given the time to.
    pub(super) fn ending(&self) -> Ending {
        self.program.ending().unwrap_or_else(|| self.program.abandoned())
    }

    /// Nothing is coming, and the connection has nothing more to say.
    pub(super) fn is_silent(&self) -> bool {
        self.coming.is_empty() && matches!(self.state(), State::Closed | State::Listen | State::TimeWait)
    }

    fn state(&self) -> State {
        self.sockets.get::<Socket<'_>>(self.socket).state()
    }
}

fn instant(time: Time) -> Instant {
    Instant::from_micros(i64::try_from(time.0 / 1000).unwrap_or(i64::MAX))
}
