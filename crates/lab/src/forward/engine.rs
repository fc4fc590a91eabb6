//! The loop itself: wait, release, read, tell.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use wire::virtio_net::VirtioNetHeader;
use wire::{Fate, Time};

use super::bundle::Frame;
use super::clock::Clock;
use super::gauge::Gauge;
use super::margin::Margin;
use super::outgoing::{Buffers, Outgoing};
use super::port::{Port, Written};
use super::queue::{Origin, Queue, Waiting};
use super::tally::Tally;
use super::teller::{Entering, Teller};
use super::{Calibrated, Control, Stopped, clear};
use crate::calibration::{Calibration, Costs, Current};
use crate::event::{ANSWERED, Role};
use crate::link::{Departure, Direction, Leaving, Link, Offered};
use crate::link_end::LinkEnd;

/// How many packets are read from one end before the other has its turn.
const READS_AT_ONCE: usize = 64;
/// Memory that packets under way may hold; what comes on top is dropped, unplanned.
const MOST_HELD: usize = 256 << 20;
/// Packets that may wait for room on a descriptor; what comes on top is dropped, unplanned.
const MOST_BLOCKED: usize = 1024;
/// How long the loop stays awake behind a delivery at its time: the answer usually comes then.
const STAYS_AWAKE: Duration = Duration::from_micros(150);
/// Whoever sleeps less does not sleep deeply: it wakes up at once.
const DEEP_SLEEP: Duration = Duration::from_micros(100);
/// How long after the stop packets are still delivered.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the loop is made of beside the ends of its link, to be carried into its thread.
pub(super) struct Parts {
    pub(super) link: Link,
    pub(super) teller: Teller,
    pub(super) calibrated: Calibrated,
    pub(super) control: Arc<Control>,
}

/// Carries packets until the main thread says stop.
pub(super) fn run(ends: [LinkEnd; 2], parts: Parts) -> Stopped {
    Engine::new(ends, parts).run()
}

/// The loop's whole state; it lives in one thread.
struct Engine {
    clock: Clock,
    client: Port,
    server: Port,
    link: Link,
    queue: Queue,
    buffers: Buffers,
    teller: Teller,
    tallies: [Tally; 2],
    /// What getting in and out costs, as it changes, where it is measured, and as the link has it.
    costs: Current,
    gauge: Option<Gauge>,
    calibration: Calibration,
    control: Arc<Control>,
    /// Until when nothing is slept, unless the processor is wanted.
    awake_until: Time,
    /// The main thread has called since the loop last began to wait.
    called: bool,
    /// When the loop was woken by a packet, if it was.
    woken: Option<Time>,
    /// When the last packet is taken to have entered.
    entered: Time,
    /// When the last packet of each direction is taken to have arrived: written, and somebody woken by it.
    arrived: [Time; 2],
    /// The next packet of a direction is the first since its sender was woken by one.
    answers: [bool; 2],
}

/// What happened while the loop rested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Woken {
    /// On each end.
    ends: [Option<PollFlags>; 2],
    /// The gauge is readable.
    gauge: bool,
}

/// What can be read.
#[derive(Clone, Copy, Debug)]
struct Readable {
    ends: [bool; 2],
    gauge: bool,
}

impl Engine {
    fn new([client, server]: [LinkEnd; 2], parts: Parts) -> Engine {
        let Parts { link, teller, calibrated, control } = parts;
        let Calibrated { costs, gauge } = calibrated;
        let gauge = gauge.map(|keeper| Gauge::made_by(keeper, client.l2_len, Costs::told_to(costs.clone())));
        Engine {
            clock: Clock::start(),
            client: Port::new(client),
            server: Port::new(server),
            link,
            queue: Queue::default(),
            buffers: Buffers::default(),
            teller,
            tallies: [Tally::new(), Tally::new()],
            costs,
            gauge,
            calibration: Calibration::default(),
            control,
            awake_until: Time::ZERO,
            called: false,
            woken: None,
            entered: Time::ZERO,
            arrived: [Time::ZERO; 2],
            answers: [false; 2],
        }
    }

    fn run(mut self) -> Stopped {
        // Wake-ups as exact as the kernel can: by default it may put them off by 50 µs.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let mut margin = Margin::new(self.clock.now(), processor_time());
        while !self.control.stop.load(Ordering::Acquire) {
            let readable = self.wait(true, &mut margin);
            self.release_due();
            self.read(readable);
            self.answer_idle();
            let now = self.clock.now();
            self.teller.send_due(now);
            margin.watch(now, processor_time);
        }
        self.drain(&mut margin);
        self.end()
    }

    /// Waits until a packet enters, one is due, there is room for a blocked one, or the main thread calls. Says which
    /// ends are readable.
    fn wait(&mut self, reading: bool, margin: &mut Margin) -> Readable {
        self.woken = None;
        self.called = false;
        let mut woken = Woken::default();
        if self.teller.has_to_send() && !self.stays_awake(self.clock.now(), margin) {
            // Who is about to rest tells first; as long as it stays awake, others than the listener are to come.
            woken = self.poll(reading, Some(self.before_telling()));
            if woken == Woken::default() {
                self.teller.send_all();
            }
        }
        // Who was called does not rest: the call is not heard twice.
        if woken == Woken::default() && !self.called {
            woken = self.rest(reading, margin);
        }
        for (port, events) in [&mut self.client, &mut self.server].into_iter().zip(woken.ends) {
            let failed = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
            // An error ends every wait at once: a last read will tell more, and nothing is waited for any more.
            if events.is_some_and(|events| events.intersects(failed) && !events.contains(PollFlags::IN)) {
                port.bury();
            }
        }
        let is_readable =
            |events: Option<PollFlags>| events.is_some_and(|events| events.intersects(PollFlags::IN));
        Readable { ends: woken.ends.map(is_readable), gauge: woken.gauge }
    }

    /// How long to wait for more before telling: as long as that may wait, where the time of waking up means nothing because
    /// nothing is under way and nothing is calibrated. Each time that the listener is woken costs more than many packets.
    fn before_telling(&self) -> Duration {
        let now = self.clock.now();
        let is_timed = [Direction::Up, Direction::Down]
            .into_iter()
            .any(|direction| self.link.calibration(direction) != Calibration::default());
        if is_timed
            || self.gauge.as_ref().is_some_and(Gauge::is_there)
            || !self.queue.is_empty()
            || now < self.awake_until
        {
            return Duration::ZERO;
        }
        self.teller.may_wait(now)
    }

    /// Rests until something happens or is due; awake where it is due soon, or where something will probably happen.
    fn rest(&mut self, reading: bool, margin: &mut Margin) -> Woken {
        let started = self.clock.now();
        let gauge = self.gauge.as_ref().and_then(Gauge::next_due);
        let next_due = self.queue.next_due().into_iter().chain(gauge).min();
        let mut nap = next_due.map(|due| due.since(started).saturating_sub(margin.current()));
        let stays_awake = self.stays_awake(started, margin);
        if stays_awake {
            nap = Some(Duration::ZERO);
        }
        let woken = self.poll(reading, nap);
        if nap == Some(Duration::ZERO) {
            if woken == Woken::default() && stays_awake {
                // Whoever was woken by the delivery may have to run on this very processor.
                std::thread::yield_now();
            }
            return woken;
        }
        let now = self.clock.now();
        match nap {
            // Nobody has called, and nothing has come.
            Some(nap) if woken == Woken::default() && now >= started + nap => {
                margin.overslept(now.since(started + nap));
            }
            _ if woken == Woken::default() => {}
            _ => self.woken = (now.since(started) >= DEEP_SLEEP).then_some(now),
        }
        woken
    }

    /// Whether something will probably happen soon that is to be seen at once.
    fn stays_awake(&self, now: Time, margin: &Margin) -> bool {
        now < self.awake_until && !margin.is_busy()
    }

    /// What happened; nothing when the time was over, or only the main thread called.
    fn poll(&mut self, reading: bool, timeout: Option<Duration>) -> Woken {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let ends = [self.client.interest(reading), self.server.interest(reading)];
        let present = ends.each_ref().map(Option::is_some);
        let call = PollFd::new(&self.control.call, PollFlags::IN);
        let gauge = self.gauge.as_ref().and_then(Gauge::interest);
        let has_gauge = gauge.is_some();
        let mut fds: Vec<PollFd<'_>> = ends.into_iter().flatten().chain([call]).chain(gauge).collect();
        if !matches!(poll(&mut fds, timeout.as_ref()), Ok(1..)) {
            return Woken::default();
        }
        let mut fds = fds.iter().map(PollFd::revents);
        let woken = present.map(|present| if present { fds.next() } else { None });
        if fds.next().is_some_and(|events| !events.is_empty()) {
            clear(&self.control.call);
            self.called = true;
        }
        let gauge = has_gauge && fds.next().is_some_and(|events| !events.is_empty());
        Woken { ends: woken.map(|events| events.filter(|events| !events.is_empty())), gauge }
    }

    fn read(&mut self, readable: Readable) {
        for direction in [Direction::Up, Direction::Down] {
            if readable.ends[direction.index()] {
                self.read_from(direction);
            }
        }
        if let (true, Some(gauge)) = (readable.gauge, &mut self.gauge) {
            gauge.take(self.woken.is_some(), || self.clock.now());
        }
    }

    fn read_from(&mut self, direction: Direction) {
        for _ in 0..READS_AT_ONCE {
            let mut buffer = self.buffers.take();
            let read = Rc::get_mut(&mut buffer).and_then(|bytes| self.source(direction).read(bytes));
            match read {
                Some(len) => self.enter(direction, buffer, len),
                None => {
                    self.buffers.give_back(buffer);
                    break;
                }
            }
            // Reading on does not make those late that are due meanwhile.
            self.release_due();
        }
        let lost = self.source(direction).take_lost();
        self.tallies[direction.index()].unplanned(lost);
        self.flush_all();
    }

    /// A packet enters the link.
    fn enter(&mut self, direction: Direction, buffer: Rc<Vec<u8>>, len: usize) {
        let now = self.clock.now();
        self.calibrate();
        let source = self.source(direction);
        let frame = source.frame();
        let Frame { packet_at, network } = frame;
        let Some(vnet) = source.vnet(&buffer[..len]) else {
            self.tallies[direction.index()].unplanned(1);
            return self.buffers.give_back(buffer);
        };
        let packet = &buffer[packet_at..len];
        let offered = Offered::new(vnet, packet, network);
        self.tallies[direction.index()].offered(offered.segments());
        let entered = self.entered(now, direction);
        let plan = self.link.offer(entered, direction, &offered);
        let whole = Entering {
            time: now,
            from: sender(direction),
            by_link: false,
            vnet,
            headers: packet,
            network,
            payload: &[],
            segments: offered.segments(),
            fate: Fate::Delivered,
            rule: None,
        };
        match (plan.runs.as_slice(), offered.uncut()) {
            ([only], _) => {
                self.depart(direction, whole, frame, only.departure, Outgoing::whole(buffer.clone(), len));
            }
            (runs, Some(uncut)) => {
                for planned in runs {
                    let run = uncut.run(planned.segments.clone());
                    let (headers, payload) = (run.headers.clone(), &packet[run.payload.clone()]);
                    let segments = planned.segments.end - planned.segments.start;
                    let part =
                        Entering { vnet: run.vnet, headers: headers.as_slice(), payload, segments, ..whole };
                    let outgoing = Outgoing::run(buffer.clone(), run, packet_at);
                    self.depart(direction, part, frame, planned.departure, outgoing);
                }
            }
            // Only what can be cut has several runs.
            (_, None) => {}
        }
        if let Some(answer) = &plan.answer {
            self.answer(direction, &whole, frame, answer);
        }
        self.buffers.give_back(buffer);
    }

    /// Tells the link what getting in and out costs now.
    fn calibrate(&mut self) {
        let costs = self.costs.get();
        if costs != self.calibration {
            self.calibration = costs;
            self.link.calibrate(costs);
        }
    }

    /// When a packet that is seen now entered: what woke the loop did so before, and what it reads next is ever less likely
    /// to have waited; an answer that the loop was awake for has taken its time all the same. Never before the last one, and
    /// not before that has arrived which it may answer: a kernel answers what a program would not have seen yet.
    fn entered(&mut self, now: Time, direction: Direction) -> Time {
        let costs = self.link.costs(now, direction);
        let answers = std::mem::take(&mut self.answers[direction.index()]);
        let unseen = match self.woken {
            Some(woken) => costs.entering.saturating_sub(now.since(woken)),
            None if answers => costs.answering,
            None => Duration::ZERO,
        };
        let entered = Time(now.0.saturating_sub(u64::try_from(unseen.as_nanos()).unwrap_or_default()));
        self.entered = entered.max(self.entered).max(self.arrived[direction.back().index()]);
        self.entered
    }

    /// The link itself sends a packet to the sender of another one.
    fn answer(&mut self, direction: Direction, to: &Entering<'_>, frame: Frame, answer: &[u8]) {
        let back = direction.back();
        let bytes = frame.answer(to.headers, answer);
        let packet = &bytes[frame.packet_at..];
        let from = sender(back);
        let vnet = VirtioNetHeader::default();
        let answer =
            Entering { from, by_link: true, vnet, headers: packet, payload: &[], segments: 1, ..*to };
        let ticket = self.teller.enter(&answer);
        let packet = Outgoing::of_bytes(bytes);
        let origin = Origin::Link;
        self.send(Waiting { due: to.time, direction: back, packet, segments: 1, ticket, origin });
    }

    /// Sends a packet on its way, or not.
    fn depart(
        &mut self,
        direction: Direction,
        mut entering: Entering<'_>,
        frame: Frame,
        departure: Departure,
        packet: Outgoing,
    ) {
        let segments = entering.segments;
        let tally = &mut self.tallies[direction.index()];
        match departure {
            Departure::Lost(rule) => {
                tally.lost(rule, segments);
                let ticket = self.teller.enter(&entering);
                self.teller.lost(ticket, || rule.to_string());
                packet.recycle(&mut self.buffers);
            }
            Departure::Leaves(leaving) => {
                if leaving.fate != Fate::Delivered {
                    tally.touched(leaving.fate.word(), segments);
                }
                (entering.fate, entering.rule) = (leaving.fate, leaving.rule);
                let ticket = self.teller.enter(&entering);
                let (due, origin) = (leaving.at, Origin::Host);
                if leaving.copy.is_none() && !leaving.changes_bytes() {
                    return self
                        .start(entering.time, Waiting { due, direction, packet, segments, ticket, origin });
                }
                let pieces = if leaving.changes_bytes() {
                    let pieces = frame.apply(&leaving, packet.bytes(), &entering.vnet);
                    packet.recycle(&mut self.buffers);
                    pieces.into_iter().map(Outgoing::of_bytes).collect()
                } else {
                    vec![packet]
                };
                let copy = leaving.copy.map(|due| (due, Origin::Copy, None, pieces.clone()));
                let first = (due, origin, ticket, pieces);
                for (due, mut origin, mut ticket, pieces) in [Some(first), copy].into_iter().flatten() {
                    for packet in pieces {
                        let ticket = ticket.take();
                        let waiting = Waiting { due, direction, packet, segments, ticket, origin };
                        self.start(entering.time, waiting);
                        origin = Origin::Piece;
                    }
                }
            }
        }
    }

    /// Sends a packet at once if its time has come, else holds it.
    fn start(&mut self, now: Time, waiting: Waiting) {
        if waiting.due <= now && self.queue.is_clear(waiting.direction) {
            self.send(waiting);
        } else {
            self.hold(waiting);
        }
    }

    fn hold(&mut self, mut waiting: Waiting) {
        waiting.packet.compact(&mut self.buffers);
        if self.queue.held() + waiting.packet.held() > MOST_HELD {
            self.drop_unplanned(waiting, "too much is under way");
        } else {
            self.queue.push(waiting);
        }
    }

    /// Writes what is due, and what was blocked.
    fn release_due(&mut self) {
        let mut is_due = false;
        while !self.queue.is_empty() {
            let now = self.clock.now();
            let Some(waiting) = self.queue.pop_due(now) else { break };
            is_due = true;
            // One that has no company takes the shortest way.
            let company = self.queue.next_due().is_some_and(|due| due <= now);
            match company || !self.destination(waiting.direction).bundle.is_empty() {
                true => self.send(waiting),
                false => self.send_alone(waiting),
            }
        }
        let gauge = self.gauge.as_mut().is_some_and(|gauge| gauge.release(|| self.clock.now()));
        if is_due || gauge {
            self.flush_all();
            self.awake_until = self.clock.now() + STAYS_AWAKE;
        }
        for direction in [Direction::Up, Direction::Down] {
            while let Some(waiting) = self.destination(direction).blocked.pop_front() {
                if let Some(still) = self.write(waiting) {
                    self.destination(direction).blocked.push_front(still);
                    break;
                }
            }
        }
    }

    /// Writes a packet, behind those for which there was no room, or bundles it with those that come next, until
    /// [`Engine::flush`].
    fn send(&mut self, waiting: Waiting) {
        let direction = waiting.direction;
        let alone = match self.destination(direction).gather(waiting) {
            None => None,
            Some(waiting) => {
                self.flush(direction);
                self.destination(direction).begin(waiting)
            }
        };
        if let Some(waiting) = alone {
            self.send_alone(waiting);
        } else if self.destination(direction).bundle.is_closed() {
            self.flush(direction);
        }
    }

    fn flush_all(&mut self) {
        self.flush(Direction::Up);
        self.flush(Direction::Down);
    }

    /// Writes what has been bundled.
    fn flush(&mut self, direction: Direction) {
        let released = self.clock.now();
        let port = self.destination(direction);
        if port.bundle.is_empty() {
            return;
        }
        // What is refused together goes one by one.
        let is_written = port.bundle.len() > 1 && matches!(port.write_bundle(), Written::Yes);
        let packets = port.bundle.drain();
        for waiting in packets {
            match is_written {
                true => self.delivered(waiting, released),
                false => self.send_alone(waiting),
            }
        }
    }

    fn send_alone(&mut self, waiting: Waiting) {
        let direction = waiting.direction;
        let blocked = &self.destination(direction).blocked;
        let (queued, is_full) = (!blocked.is_empty(), blocked.len() >= MOST_BLOCKED);
        if is_full {
            return self.drop_unplanned(waiting, "no room at the other end");
        }
        let blocked = if queued { Some(waiting) } else { self.write(waiting) };
        if let Some(mut waiting) = blocked {
            waiting.packet.compact(&mut self.buffers);
            self.destination(direction).blocked.push_back(waiting);
        }
    }

    /// Writes a packet; gives it back if there is no room for it.
    fn write(&mut self, waiting: Waiting) -> Option<Waiting> {
        let released = self.clock.now();
        match self.destination(waiting.direction).write(&waiting.packet) {
            Written::Yes => self.delivered(waiting, released),
            Written::Blocked => return Some(waiting),
            Written::Failed(errno) => self.drop_unplanned(waiting, &std::io::Error::from(errno).to_string()),
        }
        None
    }

    /// It was written, which began then. That is when it is told to have arrived: the end of the call is known only
    /// after the receiver may have answered, by another link where there is a switch, and no answer may leave before
    /// what it answers came.
    fn delivered(&mut self, waiting: Waiting, released: Time) {
        let late = released.since(waiting.due);
        let leaving = self.link.costs(released, waiting.direction).leaving;
        self.arrived[waiting.direction.index()] = released + leaving;
        self.answers[waiting.direction.back().index()] = true;
        let tally = &mut self.tallies[waiting.direction.index()];
        match waiting.origin {
            Origin::Host => tally.delivered(waiting.segments, late),
            Origin::Copy => tally.copied(waiting.segments),
            Origin::Piece => {}
            Origin::Link => tally.touched(ANSWERED, waiting.segments),
        }
        self.teller.delivered(waiting.ticket, released);
        waiting.packet.recycle(&mut self.buffers);
    }

    fn drop_unplanned(&mut self, waiting: Waiting, why: &str) {
        // What the link made itself is missed by nobody's count.
        if waiting.origin == Origin::Host {
            self.tallies[waiting.direction.index()].unplanned(waiting.segments);
        }
        self.teller.lost(waiting.ticket, || format!("unplanned: {why}"));
        waiting.packet.recycle(&mut self.buffers);
    }

    fn answer_idle(&mut self) {
        if !self.control.idle_asked.load(Ordering::Acquire) || !self.is_empty() || !self.teller.is_done() {
            return;
        }
        let waits_to_enter = self.poll(true, Some(Duration::ZERO));
        if waits_to_enter.ends == [None, None] {
            self.control.idle_asked.store(false, Ordering::Release);
            self.teller.idle();
        }
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.client.blocked.is_empty() && self.server.blocked.is_empty()
    }

    /// Takes in what is waiting to enter, and delivers what is under way as far as patience goes.
    fn drain(&mut self, margin: &mut Margin) {
        self.read(Readable { ends: [true; 2], gauge: false });
        let deadline = self.clock.now() + PATIENCE;
        while !self.is_empty()
            && self.queue.next_due().is_none_or(|due| due <= deadline)
            && self.clock.now() < deadline
        {
            let readable = self.wait(false, margin);
            self.release_due();
            // Of the gauge only: what is not taken from it would end every wait at once.
            self.read(readable);
        }
    }

    fn end(mut self) -> Stopped {
        let blocked = [&mut self.client, &mut self.server].map(|port| std::mem::take(&mut port.blocked));
        let under_way = std::iter::from_fn(|| self.queue.pop());
        for waiting in blocked.into_iter().flatten().chain(under_way) {
            if waiting.origin == Origin::Host {
                self.tallies[waiting.direction.index()].stopped(waiting.segments);
            }
            self.teller.stopped(waiting.ticket);
        }
        self.teller.finish();
        let [mut up, mut down] = self.tallies.map(|tally| tally.report());
        for (direction, report) in [(Direction::Up, &mut up), (Direction::Down, &mut down)] {
            report.calibration = self.link.calibration(direction);
        }
        Stopped { up, down }
    }

    /// Where packets of this direction come from.
    fn source(&mut self, direction: Direction) -> &mut Port {
        match direction {
            Direction::Up => &mut self.client,
            Direction::Down => &mut self.server,
        }
    }

    /// Where packets of this direction go.
    fn destination(&mut self, direction: Direction) -> &mut Port {
        match direction {
            Direction::Up => &mut self.server,
            Direction::Down => &mut self.client,
        }
    }
}

impl Frame {
    /// What is written of a packet whose bytes change: its checksum is completed first, and nothing is left to the
    /// device.
    fn apply(self, leaving: &Leaving, mut bytes: Vec<u8>, vnet: &VirtioNetHeader) -> Vec<Vec<u8>> {
        let ip_at = self.packet_at + self.network;
        if let Some((header, packet)) = bytes.split_at_mut_checked(self.packet_at) {
            vnet.fill_checksum(packet);
            header.fill(0);
        }
        let ip = bytes.split_off(ip_at.min(bytes.len()));
        leaving.apply(ip).into_iter().map(|ip| [bytes.as_slice(), &ip].concat()).collect()
    }

    /// An IP packet for the sender of this packet: Ethernet's addresses change places (IEEE 802.3: destination, source).
    fn answer(self, packet: &[u8], answer: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; self.packet_at];
        let mut link = packet[..self.network].to_vec();
        if link.len() >= 12 {
            let (destination, rest) = link.split_at_mut(6);
            destination.swap_with_slice(&mut rest[..6]);
        }
        bytes.extend(link);
        bytes.extend(answer);
        bytes
    }
}

fn sender(direction: Direction) -> Role {
    match direction {
        Direction::Up => Role::Client,
        Direction::Down => Role::Server,
    }
}

/// How long this thread has used a processor.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(used.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(used.tv_nsec).unwrap_or(0))
}
