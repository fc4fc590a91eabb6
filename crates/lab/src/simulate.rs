//! The simulated network: the same conversation over the same link, without a kernel and without a clock.
//!
//! Two hosts with smoltcp's TCP stand at the ends of a [`Link`], and time goes from one event to the next. Everything
//! follows from the configuration, so two runs tell the same frames at the same times, byte for byte. What a real
//! machine does in between, handling a packet or running a program, takes a fixed time here.
//!
//! Only the conversation can be simulated; the configuration's commands are not run.

pub(crate) mod device;
mod host;
mod programs;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use ends::service::Echo;
use wire::link_type::LinkType;
use wire::virtio_net::VirtioNetHeader;
use wire::{Fate, Passage, Time};

use crate::config::{Config, ECHO_PORT, Program};
use crate::event::{ANSWERED, Backend, Event, LinkFrame, Role};
use crate::forward::tally::Tally;
use crate::link::dice::Dice;
use crate::link::{Departure, Direction, Link, Offered};
use crate::outcome::Outcome;
use host::{Due, Host};
use programs::{Asking, Serving};

/// The client's port; a kernel would have taken any.
pub const CLIENT_PORT: u16 = 40_712;
/// What a host takes to handle a packet, and a program to answer.
pub const STEP: Duration = Duration::from_micros(10);
/// How long, in simulated time, an end is waited for.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// What the dice are asked about for a host's own luck, such as its first sequence number; no kind of conversation has
/// this number.
const HOST: u64 = u64::MAX;

/// Plays the conversation and tells what happens, in order.
pub fn simulate(config: &Config, emit: &mut dyn FnMut(Event)) -> Outcome {
    emit(Event::Ready { backend: Backend::Simulated, seed: config.seed });
    let mut world = World::new(config);
    while let Some((now, role, due)) = world.next()
        && now <= Time::ZERO + PATIENCE
        && !world.is_over()
    {
        let sent = world.host(role).act(now, due);
        for packet in sent {
            world.enter(now, role, &packet, emit);
        }
    }
    world.end(emit)
}

/// Both hosts and the link between them.
struct World<'a> {
    config: &'a Config,
    client: Host,
    server: Host,
    link: Link,
    /// Packets that entered the link.
    entered: u64,
    tallies: [Tally; 2],
}

impl World<'_> {
    fn new(config: &Config) -> World<'_> {
        let client = SocketAddr::new(Role::Client.address(config.family), CLIENT_PORT);
        let server = SocketAddr::new(Role::Server.address(config.family), ECHO_PORT);
        let luck = |host| Dice::new(config.seed).about(&[HOST, host]).number();
        World {
            config,
            client: Host::new(client.ip(), luck(0), Box::new(Asking::new(client, server))),
            server: Host::new(server.ip(), luck(1), Box::new(Serving::new(server, Box::new(Echo)))),
            link: Link::new(config.seed, config.link.clone()),
            entered: 0,
            tallies: [Tally::new(), Tally::new()],
        }
    }

    /// What happens next, and when; none when nothing ever happens again. Of the same time, the client comes first, and
    /// a kernel before its program.
    fn next(&self) -> Option<(Time, Role, Due)> {
        let of = |role, host: &Host| host.next().map(|(time, due)| (time, role, due));
        let hosts = [of(Role::Client, &self.client), of(Role::Server, &self.server)];
        hosts.into_iter().flatten().min_by_key(|(time, _, due)| (*time, *due))
    }

    fn host(&mut self, role: Role) -> &mut Host {
        match role {
            Role::Client | Role::Other(_) => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// Nothing is left to be said: the client has done, and the server's connection is closed. The client's end keeps
    /// the port in TIME_WAIT, which is silent.
    fn is_over(&self) -> bool {
        self.client.has_ended() && self.client.is_silent() && self.server.is_silent()
    }

    /// A packet enters the link; its fate is known at once.
    fn enter(&mut self, now: Time, from: Role, packet: &[u8], emit: &mut dyn FnMut(Event)) {
        let direction = Direction::from(from);
        let tally = &mut self.tallies[direction.index()];
        tally.offered(1);
        self.entered += 1;
        // Each packet is one segment, so its plan is one run.
        let plan = self.link.offer(now, direction, &Offered::new(VirtioNetHeader::default(), packet, 0));
        let mut passage = Passage { fate: Fate::Lost, rule: None, arrived: None, segments: 1 };
        match plan.runs.first().map(|run| run.departure) {
            Some(Departure::Leaves(leaving)) => {
                passage.fate = leaving.fate;
                passage.rule = leaving.rule.map(|rule| rule.to_string());
                passage.arrived = Some(leaving.at);
                tally.delivered(1, Duration::ZERO);
                if leaving.fate != Fate::Delivered {
                    tally.touched(leaving.fate.word(), 1);
                }
                tally.copied(leaving.copy.map_or(0, |_| 1));
                let pieces = leaving.apply(packet.to_vec());
                for time in [Some(leaving.at), leaving.copy].into_iter().flatten() {
                    for piece in &pieces {
                        self.host(other(from)).receive(time, piece);
                    }
                }
            }
            Some(Departure::Lost(rule)) => {
                passage.rule = Some(rule.to_string());
                tally.lost(rule, 1);
            }
            None => {}
        }
        let bytes = packet[..packet.len().min(self.config.keep.limit())].to_vec();
        let wire_len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        let (number, link_type) = (self.entered, LinkType::RAW);
        emit(Event::Frame(LinkFrame {
            number,
            time: now,
            from,
            by_link: false,
            link_type,
            bytes,
            wire_len,
            passage,
        }));
        if let Some(answer) = plan.answer {
            self.answer(now, from, &answer, emit);
        }
    }

    /// The link itself sends a packet to the sender of another one.
    fn answer(&mut self, now: Time, to: Role, packet: &[u8], emit: &mut dyn FnMut(Event)) {
        let from = other(to);
        self.tallies[Direction::from(from).index()].touched(ANSWERED, 1);
        self.entered += 1;
        self.host(to).receive(now, packet);
        let bytes = packet[..packet.len().min(self.config.keep.limit())].to_vec();
        let wire_len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        let (number, link_type) = (self.entered, LinkType::RAW);
        let passage = Passage { fate: Fate::Delivered, rule: None, arrived: Some(now), segments: 1 };
        emit(Event::Frame(LinkFrame {
            number,
            time: now,
            from,
            by_link: true,
            link_type,
            bytes,
            wire_len,
            passage,
        }));
    }

    fn end(&self, emit: &mut dyn FnMut(Event)) -> Outcome {
        let (client, server) = (self.client.ending(), self.server.ending());
        for (role, ending) in [(Role::Client, &client), (Role::Server, &server)] {
            let command = Program::Conversation.words(role);
            emit(Event::Ran { role, command, exit: ending.exit, signal: None });
        }
        let [up, down] = self.tallies.each_ref().map(Tally::report);
        emit(Event::Link { up, down });
        Outcome { backend: Backend::Simulated, server, client, others: Vec::new(), interrupted: None }
    }
}

fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server | Role::Other(_) => Role::Client,
    }
}
