//! A situation while it is played: the sockets on both hosts, the link that this process is, and at every quiet moment
//! the comparison of the tracker's two states with what both kernels say.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use flow::{Flow, Frame, Limits, Side, State, Tracker};
use lab::event::Role;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use wire::link_type::LinkType;
use wire::packet::{TcpSegment, Transport, dissect};
use wire::tcp::TcpFlags;
use wire::{Fate, Passage, Time};

use crate::hosts::{BEFORE_IP, Host, other, role_of};

/// The longest that anything is waited for that must come: the kernel's own timers are the slowest part.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a kernel may take to finish what it has begun with a segment that it has counted. Its shortest timer that
/// sends by itself (the delayed acknowledgement, 40 ms) is longer.
const FINISHING: Duration = Duration::from_millis(30);

pub(crate) const BOTH: [Role; 2] = [Role::Client, Role::Server];

/// Which packets a rule is for.
pub(crate) type Kind = fn(TcpFlags, u32) -> bool;

pub(crate) fn any(_: TcpFlags, _: u32) -> bool {
    true
}

pub(crate) fn syn(flags: TcpFlags, _: u32) -> bool {
    flags.has(TcpFlags::SYN)
}

pub(crate) fn fin(flags: TcpFlags, _: u32) -> bool {
    flags.has(TcpFlags::FIN)
}

pub(crate) fn rst(flags: TcpFlags, _: u32) -> bool {
    flags.has(TcpFlags::RST)
}

pub(crate) fn data(_: TcpFlags, len: u32) -> bool {
    len > 0
}

pub(crate) fn pure_ack(flags: TcpFlags, len: u32) -> bool {
    len == 0 && !flags.has_any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST)
}

/// What the link does to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Lose,
    Hold,
}

struct Rule {
    from: Role,
    kind: Kind,
    act: Act,
    /// For how many more packets.
    left: u32,
}

/// A packet that entered the link.
struct Entered {
    from: Role,
    time: Time,
    /// With everything before the IP header.
    bytes: Vec<u8>,
    /// None while the link holds it back.
    passage: Option<Passage>,
}

/// What the comparisons have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Score {
    /// States that were compared.
    pub(crate) compared: u32,
    /// Of these, how many were declared to be beyond what segments can tell.
    pub(crate) unseen: u32,
}

/// A difference that no observer of the link could avoid: the end, what follows from the segments, what its kernel says.
type Unseen = (Role, State, State);

pub(crate) struct World {
    hosts: [Host; 2],
    started: Instant,
    entered: Vec<Entered>,
    rules: Vec<Rule>,
    held: VecDeque<usize>,
    /// Packets read from and written to the link of each host.
    read: [u64; 2],
    written: [u64; 2],
    pub(crate) listening: Vec<SocketAddr>,
    kept: Vec<OwnedFd>,
    unseen: Option<Unseen>,
    score: Score,
    /// What the comparison said that was made since a packet last moved. A moment counts once, however often it is looked
    /// at, and again where a kernel's state changes in it.
    compared_since: Option<Score>,
}

impl World {
    pub(crate) fn new(mut hosts: [Host; 2]) -> World {
        let read = hosts.each_mut().map(Host::packets_out);
        let written = hosts.each_mut().map(Host::segments_in);
        World {
            hosts,
            started: Instant::now(),
            entered: Vec::new(),
            rules: Vec::new(),
            held: VecDeque::new(),
            read,
            written,
            listening: Vec::new(),
            kept: Vec::new(),
            unseen: None,
            score: Score::default(),
            compared_since: None,
        }
    }

    pub(crate) fn host(&self, role: Role) -> &Host {
        &self.hosts[index(role)]
    }

    /// The next `count` packets of this kind from this host are lost.
    pub(crate) fn lose(&mut self, count: u32, from: Role, kind: Kind) {
        self.rules.push(Rule { from, kind, act: Act::Lose, left: count });
    }

    /// Keeps a socket open until after the last comparison.
    pub(crate) fn keep(&mut self, socket: OwnedFd) {
        self.kept.push(socket);
    }

    /// From here on nothing comes through.
    pub(crate) fn cut(&mut self) {
        for role in BOTH {
            self.lose(u32::MAX, role, any);
        }
    }

    /// Everything comes through again.
    pub(crate) fn mend(&mut self) {
        self.rules.clear();
    }

    /// What this host sends from here on stays on the link.
    pub(crate) fn hold(&mut self, from: Role) {
        self.rules.push(Rule { from, kind: any, act: Act::Hold, left: u32::MAX });
    }

    /// What was held back arrives, in order, and nothing more is held.
    pub(crate) fn release(&mut self) {
        self.rules.retain(|rule| rule.act != Act::Hold);
        while let Some(at) = self.held.pop_front() {
            self.deliver(at);
        }
    }

    /// A copy of the first packet of this kind from this host comes over the link once more.
    pub(crate) fn repeat_first(&mut self, from: Role, kind: Kind) {
        let first = self.entered.iter().find(|packet| packet.from == from && is(packet, kind));
        self.copy(from, first.expect("such a packet was sent").bytes.clone());
    }

    /// The same of the last one.
    pub(crate) fn repeat_last(&mut self, from: Role, kind: Kind) {
        let last = self.entered.iter().rfind(|packet| packet.from == from && is(packet, kind));
        self.copy(from, last.expect("such a packet was sent").bytes.clone());
    }

    fn copy(&mut self, from: Role, bytes: Vec<u8>) {
        let time = self.now();
        self.entered.push(Entered { from, time, bytes, passage: None });
        self.deliver(self.entered.len() - 1);
    }

    /// How many packets of this kind this host has sent.
    pub(crate) fn count(&self, from: Role, kind: Kind) -> usize {
        self.entered.iter().filter(|packet| packet.from == from && is(packet, kind)).count()
    }

    /// The window that this host announced last, as the header has it.
    pub(crate) fn last_window(&self, from: Role) -> u16 {
        let last = self.entered.iter().rfind(|packet| packet.from == from).expect("it has spoken");
        segment(last).header.window()
    }

    /// From here on this end may be in `kernel` when all that its segments tell is `ours`: nothing of the difference is
    /// on the wire.
    pub(crate) fn cannot_be_seen(&mut self, role: Role, ours: State, kernel: State) {
        self.unseen = Some((role, ours, kernel));
    }

    /// From here on both must agree again.
    pub(crate) fn can_be_seen(&mut self) {
        self.unseen = None;
    }

    /// Carries everything that moves, and compares once nothing does.
    pub(crate) fn settle(&mut self) {
        self.carry();
        self.compare();
    }

    /// Goes on, comparing at every quiet moment, until what is waited for is there.
    pub(crate) fn until(&mut self, what: &str, is_there: impl Fn(&mut World) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.settle();
            if is_there(self) {
                return;
            }
            assert!(Instant::now() < deadline, "never came: {what}\n{}", self.told());
            self.wait(Duration::from_millis(20));
        }
    }

    /// The end: everything is still, and the states are compared a last time.
    pub(crate) fn finish(mut self) -> Score {
        let deadline = Instant::now() + PATIENCE;
        assert!(self.held.is_empty(), "the situation leaves nothing on the link");
        loop {
            self.settle();
            if self.compared_since.is_some() {
                return self.score;
            }
            assert!(Instant::now() < deadline, "never still\n{}", self.told());
        }
    }

    /// What the kernel of this host says of a connection.
    pub(crate) fn kernel(&mut self, role: Role, local: SocketAddr, remote: SocketAddr) -> State {
        self.hosts[index(role)].state(local, remote)
    }

    fn now(&self) -> Time {
        Time(u64::try_from(self.started.elapsed().as_nanos()).expect("centuries"))
    }

    /// Reads, decides and writes until all that was sent has been read, and all that was written has been taken.
    fn carry(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut moved = false;
            for role in BOTH {
                while let Some(bytes) = read(&self.hosts[index(role)]) {
                    self.read[index(role)] += 1;
                    self.enter(role, bytes);
                    moved = true;
                }
            }
            if !moved && self.is_quiet() {
                return;
            }
            assert!(Instant::now() < deadline, "never quiet\n{}", self.told());
            if !moved {
                self.wait(Duration::from_millis(1));
            }
        }
    }

    fn is_quiet(&mut self) -> bool {
        let taken = self.hosts.each_mut().map(Host::segments_in);
        let sent = self.hosts.each_mut().map(Host::packets_out);
        taken == self.written && sent == self.read
    }

    fn wait(&self, longest: Duration) {
        let [client, server] = &self.hosts;
        let mut watched =
            [PollFd::new(&client.link, PollFlags::IN), PollFd::new(&server.link, PollFlags::IN)];
        let longest = Timespec::try_from(longest).expect("short");
        let _ = poll(&mut watched, Some(&longest));
    }

    fn enter(&mut self, from: Role, bytes: Vec<u8>) {
        let time = self.now();
        let packet = Entered { from, time, bytes, passage: None };
        let rule =
            self.rules.iter_mut().find(|rule| rule.left > 0 && rule.from == from && is(&packet, rule.kind));
        let act = rule.map(|rule| {
            rule.left -= 1;
            rule.act
        });
        self.entered.push(packet);
        let at = self.entered.len() - 1;
        match act {
            None => self.deliver(at),
            Some(Act::Hold) => self.held.push_back(at),
            Some(Act::Lose) => {
                let passage = Passage { fate: Fate::Lost, rule: None, arrived: None, segments: 1 };
                self.entered[at].passage = Some(passage);
                self.compared_since = None;
            }
        }
    }

    fn deliver(&mut self, at: usize) {
        self.compared_since = None;
        let arrived = Some(self.now());
        let packet = &mut self.entered[at];
        packet.passage = Some(Passage { fate: Fate::Delivered, rule: None, arrived, segments: 1 });
        let receiver = index(other(packet.from));
        rustix::io::write(&self.hosts[receiver].link, &packet.bytes).expect("a link takes a packet");
        self.written[receiver] += 1;
    }

    /// Compares every connection's two states, unless a segment is in flight.
    fn compare(&mut self) {
        if !self.held.is_empty() {
            return;
        }
        let since = Instant::now();
        loop {
            let (compared, difference) = self.differences();
            if !self.is_quiet() {
                // Something was sent meanwhile.
                return;
            }
            match difference {
                None => {
                    if self.compared_since != Some(compared) {
                        self.score.compared += compared.compared;
                        self.score.unseen += compared.unseen;
                    }
                    self.compared_since = Some(compared);
                    return;
                }
                Some(difference) if since.elapsed() > FINISHING => panic!("{difference}\n{}", self.told()),
                Some(_) => self.wait(Duration::from_millis(1)),
            }
        }
    }

    /// What was compared, and the first difference that may not be.
    fn differences(&mut self) -> (Score, Option<String>) {
        let mut score = Score::default();
        for flow in self.flows() {
            for side in [Side::A, Side::B] {
                let (local, remote) = (flow.address(side), flow.address(side.other()));
                let role = role_of(local.ip());
                let ours = flow.state(side);
                let kernels = self.kernel(role, local, remote);
                // A socket that is gone leaves its listener behind.
                let same = ours == kernels || (ours, kernels) == (State::Closed, State::Listen);
                let unseen = self.unseen == Some((role, ours, kernels));
                score.compared += 1;
                score.unseen += u32::from(unseen);
                if !same && !unseen {
                    let (ours, kernels) = (ours.name(), kernels.name());
                    let what =
                        format!("{role:?} {local}, to {remote}: ours is {ours}, its kernel's {kernels}");
                    return (score, Some(what));
                }
            }
        }
        (score, None)
    }

    /// The newest conversation of every pair of addresses, as the tracker has them when the capture ends here.
    fn flows(&self) -> Vec<Flow> {
        let mut tracker = Tracker::new(Limits::default());
        for address in &self.listening {
            tracker.listening(*address);
        }
        for (packet, number) in self.entered.iter().zip(1..) {
            let bytes = &packet.bytes[BEFORE_IP..];
            tracker.frame(&Frame {
                number,
                time: packet.time,
                link_type: LinkType::RAW,
                bytes,
                wire_len: u32::try_from(bytes.len()).expect("a packet"),
                passage: packet.passage.clone(),
            });
        }
        tracker.finish();
        let all: Vec<&Flow> = tracker.flows().collect();
        let newer = |flow: &Flow, place: usize| {
            all[place + 1..]
                .iter()
                .any(|other| (other.a, other.b) == (flow.a, flow.b) || (other.a, other.b) == (flow.b, flow.a))
        };
        all.iter()
            .enumerate()
            .filter(|(place, flow)| !newer(flow, *place))
            .map(|(_, flow)| (*flow).clone())
            .collect()
    }

    /// All that went over the link, for a failure.
    fn told(&self) -> String {
        let mut told = String::new();
        for packet in &self.entered {
            let tcp = segment(packet);
            let flags: Vec<&str> = tcp.header.flags().names().collect();
            let fate = match &packet.passage {
                None => "held",
                Some(passage) => passage.fate.word(),
            };
            let _ = writeln!(
                told,
                "{:>9} µs  {:?} {} > {}  {}  seq {} ack {}  {} B  win {}  {fate}",
                packet.time.0 / 1000,
                packet.from,
                tcp.source.port(),
                tcp.destination.port(),
                flags.join(" "),
                tcp.header.seq(),
                tcp.header.ack(),
                tcp.payload_len,
                tcp.header.window(),
            );
        }
        told
    }
}

fn index(role: Role) -> usize {
    match role {
        Role::Client => 0,
        Role::Server | Role::Other(_) => 1,
    }
}

fn is(packet: &Entered, kind: Kind) -> bool {
    let segment = segment(packet);
    kind(segment.header.flags(), segment.payload_len)
}

fn segment(packet: &Entered) -> TcpSegment<'_> {
    let whole = dissect(LinkType::RAW, &packet.bytes[BEFORE_IP..]).expect("an IP packet");
    match whole.transport {
        Transport::Tcp(segment) => segment,
        _ => panic!("nothing but TCP is on the link"),
    }
}

fn read(host: &Host) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 128 * 1024];
    match rustix::io::read(&host.link, &mut bytes) {
        Ok(len) => {
            bytes.truncate(len);
            Some(bytes)
        }
        Err(Errno::AGAIN | Errno::INTR) => None,
        Err(errno) => panic!("reading the link: {errno}"),
    }
}
