//! Where a lesson is played: two machines, a link that does exactly what the script says, and virtual time. The same script
//! gives the same packets at the same times, byte for byte.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use flow::moments::Moment;
use flow::{DatagramFlow, Flow, Frame, Limits, Material, Side, Tracker, calls};
use wire::build::TcpPacket;
use wire::socket_row::SocketRow;
use wire::tcp::{TcpFlags, TcpOptions};
use wire::virtio_net::VirtioNetHeader;
use wire::{Fate, Passage, Time};

use super::machine::{Machine, milliseconds};
use super::program::{Call, Settings, Step, Told};
use crate::event::{Backend, LinkFrame, Role};
use crate::link::schedule::Change;
use crate::link::{Departure, Direction, Link, Offered, Schedule};

/// Where the client is.
pub const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 40_712);
/// Where the server is.
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 7777);
/// How many bits of these addresses name their network.
pub(crate) const PREFIX_LEN: u8 = 24;

/// How long a packet is under way.
pub(crate) const DELAY: Duration = Duration::from_millis(10);
/// The most packets of a play; none comes near.
const MOST_PACKETS: u64 = 10_000;

/// What the link does to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// It is lost.
    Lost,
    /// It takes so many milliseconds longer.
    Late(u64),
    /// It arrives with its last byte changed.
    Damaged,
    /// It arrives, and the network keeps a copy of it, which sets out again so many milliseconds later.
    Kept(u64),
}

/// A segment of a conversation that nobody remembers, still under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stray {
    /// When it turns up, in milliseconds.
    pub(crate) at: u64,
    pub(crate) from: Role,
    pub(crate) flags: TcpFlags,
    pub(crate) seq: u32,
}

/// All that is played.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) client: (Settings, Vec<Step>),
    pub(crate) server: (Settings, Vec<Step>),
    /// By sender and number of the packet among the sender's, from 1; `u32::MAX` in place of the number stands for all of a
    /// sender's packets that are not named.
    pub(crate) mishaps: Vec<(Role, u32, Mishap)>,
    /// What the line does before that: rates and queues, as on the lab's own link.
    pub(crate) line: &'static [&'static str],
    /// From then on every packet is lost, in milliseconds.
    pub(crate) cut_at: Option<u64>,
    pub(crate) strays: Vec<Stray>,
    /// When the curtain falls, in milliseconds.
    pub(crate) until: u64,
}

impl Script {
    /// Two plain machines with these programs, on a link that loses nothing, for a minute.
    pub(crate) fn of(client: &[Step], server: &[Step]) -> Script {
        Script {
            client: (Settings::PLAIN, client.to_vec()),
            server: (Settings::PLAIN, server.to_vec()),
            mishaps: Vec::new(),
            line: &[],
            cut_at: None,
            strays: Vec::new(),
            until: 60_000,
        }
    }

    /// In place of what the link was to do to this packet.
    fn mishap(&mut self, from: Role, number: u32, mishap: Mishap) {
        self.mishaps.retain(|(role, which, _)| (*role, *which) != (from, number));
        self.mishaps.push((from, number, mishap));
    }

    fn disturbed(mut self, disturbance: Disturbance) -> Script {
        match disturbance {
            Disturbance::Lose(from, number) => self.mishap(from, number, Mishap::Lost),
            Disturbance::Damage(from, number) => self.mishap(from, number, Mishap::Damaged),
            Disturbance::LeaveOut(role, step) => {
                let (_, program) = if role == Role::Client { &mut self.client } else { &mut self.server };
                if step < program.len() {
                    program.remove(step);
                }
            }
            Disturbance::PerfectLink => {
                (self.mishaps, self.cut_at, self.strays) = (vec![], None, vec![]);
                self.line = &[];
            }
            Disturbance::Line(rules) => self.line = rules,
            Disturbance::Plain(Role::Client) => self.client.0 = Settings::PLAIN,
            Disturbance::Plain(_) => self.server.0 = Settings::PLAIN,
            Disturbance::Change(_) | Disturbance::Rule(_) => {}
        }
        self
    }
}

/// A change to a play that makes a claim of it fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// That sender's packet of this number, from 1, is lost.
    Lose(Role, u32),
    /// That sender's packet of this number, from 1, arrives with its last byte changed.
    Damage(Role, u32),
    /// That program leaves out its call of this number, from 0.
    LeaveOut(Role, usize),
    /// The link loses, delays and keeps nothing, and nothing strays.
    PerfectLink,
    /// The line has these rules, as they are written for the lab's link.
    Line(&'static [&'static str]),
    /// That machine's TCP has no special settings.
    Plain(Role),
    /// On the real kernel: the actors do this otherwise, which they look for by its name.
    Change(&'static str),
    /// On the real kernel: the link has this rule too, written as `lab --at` has it.
    Rule(&'static str),
}

/// What could be seen of a play.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What carried the packets; none where there were none, on this machine alone.
    pub world: Option<Backend>,
    /// The conversations, in order.
    pub flows: Vec<Flow>,
    /// Every packet that entered the link, whole.
    pub frames: Vec<LinkFrame>,
    /// Conversations of datagrams, in order.
    pub datagrams: Vec<DatagramFlow>,
    /// What both programs called, in the order in which the calls began.
    pub calls: Vec<calls::Call>,
    /// What the client's program knows at the end.
    pub client: Told,
    /// What the server's program knows at the end.
    pub server: Told,
    /// What the kernel's tables of sockets said at the moments that have names.
    pub moments: Vec<Moment>,
    /// What the programs found out, by name, in the order in which they did.
    pub facts: Vec<(String, String)>,
}

impl Seen {
    /// What a program has found out last by this name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().rev().find(|(its, _)| its == name).map(|(_, value)| value.as_str())
    }

    /// The sockets of a host at a moment.
    pub fn sockets(&self, moment: &str, of: Role) -> Option<Vec<&SocketRow>> {
        let moment = self.moments.iter().find(|its| its.name == moment)?;
        Some(moment.sockets.iter().filter(|(host, _)| *host == of.name()).map(|(_, row)| row).collect())
    }

    /// The results of a side's calls that begin with this word, in order; none for one that has not returned.
    pub fn results(&self, side: Side, call: &str) -> Vec<Option<&str>> {
        let its = self.calls.iter().filter(|one| one.side == side && one.text.starts_with(call));
        its.map(|one| one.result.as_deref()).collect()
    }

    /// What its scenes are made of; the frames are [`LinkFrame::to_follow`] of [`Seen::frames`].
    pub fn material<'a>(&'a self, frames: &'a [Frame<'a>]) -> Material<'a> {
        Material {
            flows: &self.flows,
            datagrams: &self.datagrams,
            calls: &self.calls,
            frames,
            ..Material::default()
        }
    }

    /// The number of the packet whose arrival this call waited for.
    pub fn ended_by(&self, call: &calls::Call) -> Option<u64> {
        let tcp = self.flows.iter().filter_map(|flow| Some(flow.rows[call.ended_by(flow)?].frame));
        let udp =
            self.datagrams.iter().filter_map(|flow| Some(flow.rows[call.ended_by_datagram(flow)?].frame));
        tcp.chain(udp).max()
    }
}

/// Plays a script.
pub(crate) fn play(script: Script, disturbance: Option<Disturbance>) -> Seen {
    let script = disturbance.into_iter().fold(script, Script::disturbed);
    let listens = script.server.1.iter().any(|step| matches!(step.call, Call::Listen | Call::ListenOnly));
    let mut stage = Stage::new(script);
    while stage.step() {}
    let mut tracker = Tracker::new(Limits::default());
    if listens {
        tracker.listening(SERVER);
    }
    for frame in &stage.frames {
        tracker.frame(&frame.to_follow());
    }
    tracker.finish();
    let mut calls = [stage.client.calls(), stage.server.calls()].concat();
    calls.sort_by_key(|call| call.began);
    Seen {
        world: Some(Backend::Simulated),
        flows: tracker.flows().cloned().collect(),
        datagrams: tracker.datagram_flows().cloned().collect(),
        calls,
        client: stage.client.told(),
        server: stage.server.told(),
        frames: stage.frames,
        ..Seen::default()
    }
}

struct Stage {
    client: Machine,
    server: Machine,
    script: Script,
    line: Link,
    now: Time,
    /// Packets that set out without a machine: strays and kept copies.
    waiting: BTreeMap<(Time, u64), (Role, Vec<u8>)>,
    waited: u64,
    sent: [u32; 2],
    frames: Vec<LinkFrame>,
}

impl Stage {
    fn new(script: Script) -> Stage {
        let mut stage = Stage {
            client: Machine::new(Role::Client, script.client.0, &script.client.1),
            server: Machine::new(Role::Server, script.server.0, &script.server.1),
            line: Link::new(0, line(script.line)),
            now: Time::ZERO,
            waiting: BTreeMap::new(),
            waited: 0,
            sent: [0, 0],
            frames: Vec::new(),
            script,
        };
        for stray in std::mem::take(&mut stage.script.strays) {
            stage.wait(Time::ZERO + milliseconds(stray.at), stray.from, packet(stray));
        }
        stage
    }

    /// Goes to the next thing that happens; false when there is none before the curtain falls. At the same time, what strays
    /// comes first, then the client.
    fn step(&mut self) -> bool {
        let stray = self.waiting.first_key_value().map(|((time, _), _)| *time);
        let next = [stray, self.client.next(self.now), self.server.next(self.now)];
        let Some(time) = next.into_iter().flatten().min() else { return false };
        if time > Time::ZERO + milliseconds(self.script.until) || self.frames.len() as u64 >= MOST_PACKETS {
            return false;
        }
        self.now = time;
        if stray == Some(time) {
            if let Some((_, (from, packet))) = self.waiting.pop_first() {
                self.enter(from, packet, None);
            }
        } else if next[1] == Some(time) {
            let sent = self.client.act(time);
            self.send(Role::Client, sent);
        } else {
            let sent = self.server.act(time);
            self.send(Role::Server, sent);
        }
        true
    }

    fn send(&mut self, from: Role, packets: Vec<Vec<u8>>) {
        for packet in packets {
            let number = &mut self.sent[usize::from(from != Role::Client)];
            *number += 1;
            let number = *number;
            let named = |wanted| {
                self.script.mishaps.iter().find(|(role, which, _)| *role == from && *which == wanted)
            };
            let mishap = named(number).or_else(|| named(u32::MAX)).map(|(_, _, mishap)| *mishap);
            self.enter(from, packet, mishap);
        }
    }

    fn wait(&mut self, until: Time, from: Role, packet: Vec<u8>) {
        self.waiting.insert((until, self.waited), (from, packet));
        self.waited += 1;
    }

    /// A packet enters the link.
    fn enter(&mut self, from: Role, mut packet: Vec<u8>, mishap: Option<Mishap>) {
        if mishap == Some(Mishap::Damaged)
            && let Some(last) = packet.last_mut()
        {
            *last ^= 1;
        }
        let passage = self.passage(from, &packet, mishap);
        let arrives = passage.arrived;
        self.frames.push(LinkFrame {
            number: self.frames.len() as u64 + 1,
            time: self.now,
            from,
            by_link: false,
            link_type: if from == Role::Client { &self.client } else { &self.server }.link_type(),
            wire_len: u32::try_from(packet.len()).unwrap_or(u32::MAX),
            bytes: packet.clone(),
            passage,
        });
        if let Some(Mishap::Kept(kept)) = mishap {
            self.wait(self.now + milliseconds(kept), from, packet.clone());
        }
        if let Some(arrives) = arrives {
            let to = if from == Role::Client { &mut self.server } else { &mut self.client };
            to.receive(arrives, packet);
        }
    }

    /// What becomes of a packet: what the script says, else what the line does.
    fn passage(&mut self, from: Role, packet: &[u8], mishap: Option<Mishap>) -> Passage {
        let lost = |rule: String| Passage { fate: Fate::Lost, rule: Some(rule), arrived: None, segments: 1 };
        if self.script.cut_at.is_some_and(|at| self.now >= Time::ZERO + milliseconds(at)) {
            return lost("cut".to_owned());
        }
        if mishap == Some(Mishap::Lost) {
            return lost("on purpose".to_owned());
        }
        let late = if let Some(Mishap::Late(late)) = mishap { milliseconds(late) } else { Duration::ZERO };
        let offered = Offered::new(VirtioNetHeader::default(), packet, 0);
        let plan = self.line.offer(self.now, Direction::from(from), &offered);
        match plan.runs.first().map(|run| run.departure) {
            Some(Departure::Lost(rule)) => lost(rule.to_string()),
            Some(Departure::Leaves(leaving)) => Passage {
                fate: leaving.fate,
                rule: leaving.rule.map(|rule| rule.to_string()),
                arrived: Some(leaving.at + DELAY + late),
                segments: 1,
            },
            None => Passage {
                fate: Fate::Delivered,
                rule: None,
                arrived: Some(self.now + DELAY + late),
                segments: 1,
            },
        }
    }
}

/// Rules, and changes of them at set times. What cannot be read is no rule; the claims of its lesson would not hold.
fn line(rules: &[&str]) -> Schedule {
    let (changes, rules): (Vec<&str>, Vec<&str>) = rules.iter().partition(|rule| rule.contains(": "));
    let mut schedule = Schedule::of(&rules).unwrap_or_default();
    changes.iter().filter_map(|change| Change::read(change).ok()).for_each(|change| schedule.add(change));
    schedule
}

fn packet(stray: Stray) -> Vec<u8> {
    let (source, destination) = if stray.from == Role::Client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let options = TcpOptions { mss: stray.flags.has(TcpFlags::SYN).then_some(1460), ..TcpOptions::default() };
    let Stray { seq, flags, .. } = stray;
    TcpPacket { source, destination, seq, ack: 0, flags, window: 64_240, options, payload: b"" }.to_bytes()
}
