//! A lab's links as one: that between two hosts, or those between each host and the switch, whose packets are told once
//! each, in the order in which they left their hosts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use wire::packet::dissect;
use wire::{Fault, Time};

use crate::calibration::Current;
use crate::config::Config;
use crate::control::Control;
use crate::event::{DirectionReport, LinkFrame, Role};
use crate::forward::{self, Calibrated, Clock, Prepared, Report, Running, Stopped};
use crate::link::Direction;
use crate::network::{Begun, Ends, Network};
use crate::outcome::NotMade;

/// How long a packet is held back beyond its delay, for those of other links that left earlier and are told later.
const HELD_BACK: Duration = Duration::from_millis(500);
/// How many may be held back; those that left first make room.
const MOST_HELD_BACK: usize = 65_536;

/// All links, running.
pub(crate) struct Links {
    links: Vec<Running>,
    /// What has to be put in order, where there is a switch.
    order: Option<Order>,
}

/// Puts the packets of several links in order.
struct Order {
    held: BinaryHeap<Reverse<Held>>,
    hold: Duration,
    /// As the links have it.
    clock: Clock,
    told: u64,
    /// Of each link: it has said that it is empty since it was asked.
    idle: Vec<bool>,
    /// Whether anything was told since all were asked.
    moved: bool,
}

struct Held(LinkFrame);

/// A network that is being made, and the threads of its links, ready for it.
pub(crate) struct Coming<'a> {
    network: Begun,
    /// One link between two hosts, or one between each host and the switch.
    links: Vec<Prepared>,
    config: &'a Config,
}

impl<'a> Coming<'a> {
    /// Gets ready. Nothing that forks may come after it.
    pub(crate) fn new(mut network: Begun, config: &'a Config) -> Result<Coming<'a>, Fault> {
        let links = prepare(network.gauge.take(), config)?;
        Ok(Coming { network, links, config })
    }

    /// Waits until the network stands, and starts its links.
    pub(crate) fn wait(self) -> Result<(Network, Links), NotMade> {
        match self.network.wait() {
            Ok((network, ends)) => Ok((network, Links::start(self.links, ends, self.config)?)),
            Err(not_made) => {
                self.links.into_iter().for_each(Prepared::abandon);
                Err(not_made)
            }
        }
    }
}

fn prepare(mut gauge: Option<Control>, config: &Config) -> Result<Vec<Prepared>, Fault> {
    let costs = Current::default();
    // The first loop measures for all.
    let mut calibrated = || Calibrated { costs: costs.clone(), gauge: gauge.take() };
    if config.hosts() == 2 {
        return Ok(vec![forward::prepare(config, calibrated())?]);
    }
    let uplink = |(place, role)| {
        forward::prepare_uplink(Direction::from(role), seed(config.seed, place), config, calibrated())
    };
    (0..).zip(Role::all(config.hosts())).map(uplink).collect()
}

impl Links {
    fn start(prepared: Vec<Prepared>, ends: Vec<Ends>, config: &Config) -> Result<Links, Fault> {
        let links = prepared.into_iter().zip(ends).map(|(link, ends)| link.start(ends));
        let links = links.collect::<Result<Vec<_>, _>>()?;
        let hold = config.link.usual_delay() + HELD_BACK;
        let order = (links.len() > 1).then(|| Order::new(links.len(), hold));
        Ok(Links { links, order })
    }

    /// Each readable when reports wait.
    pub(crate) fn wakes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.links.iter().map(Running::wake)
    }

    /// Hands over what is to be told; never waits.
    pub(crate) fn take(&mut self, emit: &mut dyn FnMut(Report)) {
        let Some(order) = &mut self.order else {
            return self.links.iter_mut().for_each(|link| link.take(emit));
        };
        for (link, role) in self.links.iter_mut().zip(Role::all(usize::from(u8::MAX))) {
            link.take(&mut |report| order.take(role, report, emit));
        }
        order.release(order.clock.now(), emit);
        if !order.idle.iter().all(|idle| *idle) {
            return;
        }
        order.idle.fill(false);
        if std::mem::take(&mut order.moved) {
            // What one link has delivered may be on its way into another.
            self.links.iter_mut().for_each(Running::ask_idle);
        } else {
            order.release_all(emit);
            emit(Report::Idle);
        }
    }

    /// Asks for one [`Report::Idle`] as soon as nothing is under way.
    pub(crate) fn ask_idle(&mut self) {
        if let Some(order) = &mut self.order {
            order.idle.fill(false);
            order.moved = false;
        }
        self.links.iter_mut().for_each(Running::ask_idle);
    }

    /// Ends them, tells what still waits and gives the counters: what came from the server, and what came from all others.
    pub(crate) fn stop(self, emit: &mut dyn FnMut(Report)) -> Stopped {
        let Links { links, order } = self;
        let Some(mut order) = order else {
            return links.into_iter().map(|link| link.stop(emit)).next().unwrap_or_default();
        };
        let mut all = Stopped::default();
        for (link, role) in links.into_iter().zip(Role::all(usize::from(u8::MAX))) {
            let Stopped { up: from_host, down: to_host } =
                link.stop(&mut |report| order.take(role, report, emit));
            let (its, others) = match role {
                Role::Server => (&mut all.down, &mut all.up),
                Role::Client | Role::Other(_) => (&mut all.up, &mut all.down),
            };
            add(its, from_host);
            others.unplanned_drops += to_host.unplanned_drops;
            // No rule touches what goes to the host: these are the link's own answers.
            add_touched(others, to_host.touched);
        }
        order.release_all(emit);
        all
    }
}

/// Each link has luck of its own.
fn seed(of_lab: u64, place: u64) -> u64 {
    // The golden ratio's fraction spreads neighbours over the whole range.
    of_lab.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Of the lateness, the worst is kept.
fn add(sum: &mut DirectionReport, more: DirectionReport) {
    sum.offered += more.offered;
    sum.delivered += more.delivered;
    sum.copies += more.copies;
    sum.stopped += more.stopped;
    sum.unplanned_drops += more.unplanned_drops;
    add_touched(sum, more.touched);
    for (rule, lost) in more.lost {
        match sum.lost.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, count)) => *count += lost,
            None => sum.lost.push((rule, lost)),
        }
    }
    for (worst, its) in sum.lateness.iter_mut().zip(more.lateness) {
        *worst = its.max(*worst);
    }
    for (place, (limit, count)) in more.lateness_counts.into_iter().enumerate() {
        match sum.lateness_counts.get_mut(place) {
            Some((_, counted)) => *counted += count,
            None => sum.lateness_counts.push((limit, count)),
        }
    }
    sum.calibration = sum.calibration.max(more.calibration);
}

fn add_touched(sum: &mut DirectionReport, more: Vec<(&'static str, u64)>) {
    for (word, packets) in more {
        match sum.touched.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += packets,
            None => sum.touched.push((word, packets)),
        }
    }
}

impl Order {
    fn new(links: usize, hold: Duration) -> Order {
        let idle = vec![false; links];
        Order { held: BinaryHeap::new(), hold, clock: Clock::start(), told: 0, idle, moved: false }
    }

    /// Takes what the link of a host tells. What goes to the host has been told by its sender's, or is an answer of this
    /// link's own.
    fn take(&mut self, of: Role, report: Report, emit: &mut dyn FnMut(Report)) {
        match report {
            Report::Idle => {
                if let Some(idle) = self.idle.get_mut(of.index()) {
                    *idle = true;
                }
            }
            Report::Missed(_) => {
                self.moved = true;
                emit(report);
            }
            Report::Frame(frame) => {
                self.moved = true;
                if frame.by_link {
                    let from = named_sender(&frame).unwrap_or(of);
                    self.held.push(Reverse(Held(LinkFrame { from, ..frame })));
                } else if frame.from == Role::Client {
                    self.held.push(Reverse(Held(LinkFrame { from: of, ..frame })));
                }
            }
        }
    }

    fn release(&mut self, now: Time, emit: &mut dyn FnMut(Report)) {
        while let Some(Reverse(Held(first))) = self.held.peek()
            && (first.time + self.hold <= now || self.held.len() > MOST_HELD_BACK)
        {
            self.tell_first(emit);
        }
    }

    fn release_all(&mut self, emit: &mut dyn FnMut(Report)) {
        while !self.held.is_empty() {
            self.tell_first(emit);
        }
    }

    fn tell_first(&mut self, emit: &mut dyn FnMut(Report)) {
        if let Some(Reverse(Held(frame))) = self.held.pop() {
            self.told += 1;
            emit(Report::Frame(LinkFrame { number: self.told, ..frame }));
        }
    }
}

/// In whose name the link speaks: that of the host which the packet it could not carry was for; none where it was for a
/// group.
fn named_sender(frame: &LinkFrame) -> Option<Role> {
    dissect(frame.link_type, &frame.bytes).ok().and_then(|packet| Role::of(packet.source))
}

/// By the time of leaving; of the same time, what a link answers behind what hosts send, by the host's number, then as its
/// link told them.
impl Ord for Held {
    fn cmp(&self, other: &Held) -> std::cmp::Ordering {
        let key = |Held(frame): &Held| (frame.time, frame.by_link, frame.from.number(), frame.number);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Held) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Held) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Held {}

#[cfg(test)]
mod tests {
    use wire::link_type::LinkType;
    use wire::{Fate, Passage};

    use super::*;

    fn frame(time: u64, from: Role) -> Report {
        let passage = Passage { fate: Fate::Delivered, rule: None, arrived: None, segments: 1 };
        let link_type = LinkType::RAW;
        Report::Frame(LinkFrame {
            number: 1,
            time: Time(time),
            from,
            by_link: false,
            link_type,
            bytes: vec![],
            wire_len: 0,
            passage,
        })
    }

    #[test]
    fn packets_of_several_links_are_told_once_and_in_the_order_of_leaving() {
        let mut order = Order::new(3, Duration::from_nanos(10));
        let mut told = Vec::new();
        let mut emit = |report| {
            if let Report::Frame(frame) = report {
                told.push((frame.number, frame.time.0, frame.from));
            }
        };
        order.take(Role::Server, frame(5, Role::Client), &mut emit);
        order.take(Role::Other(3), frame(3, Role::Client), &mut emit);
        order.take(Role::Client, frame(4, Role::Server), &mut emit);
        order.take(Role::Client, frame(4, Role::Client), &mut emit);
        order.release(Time(14), &mut emit);
        order.take(Role::Client, frame(9, Role::Client), &mut emit);
        order.release_all(&mut emit);
        let expected =
            [(1, 3, Role::Other(3)), (2, 4, Role::Client), (3, 5, Role::Server), (4, 9, Role::Client)];
        assert_eq!(told, expected);
    }
}
