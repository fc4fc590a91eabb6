//! Plays on the real kernel: starts the actors, on the hosts of a private network or just on this machine, hears what
//! they call and find out, brings them together at moments that have names, and looks at the kernel's tables of sockets
//! there.
//!
//! Nothing outlives a play: on a network everything ends with it (`keeper`), on this machine each actor dies with this
//! process, and each child with its parent.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use flow::calls::Call;
use flow::moments::Moment;
use flow::{Limits, Side, Tracker};
use kernel::process::{self, Forked, Pid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use wire::{Cause, Doing, End, Fault, Time};

use super::actor::{Act, Part, now};
use super::cue::{Awaited, Cue, Heard, Line};
use super::stage::{Disturbance, Seen};
use crate::config::{Config, Keep, Program};
use crate::control::Report;
use crate::event::{LinkFrame, Role};
use crate::forward;
use crate::link::Schedule;
use crate::links::{Coming, Links};
use crate::namespaces::Namespaces;
use crate::network::{self, Network};
use crate::outcome::NotMade;
use crate::sockets::Unfinished;

/// A play on the real kernel.
#[derive(Clone, Copy)]
pub(crate) struct Staging {
    /// Where it is played.
    pub(crate) place: Place,
    /// Who acts; they begin all at once.
    pub(crate) actors: &'static [(Role, Act)],
}

/// Where a play is played.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// This machine, without a network of its own: pipes, processes, bytes.
    Machine,
    /// A host for each actor, on a link with these rules, each written as `lab --at` has them: `delay 20ms`, `up-loss 100%`.
    Network(&'static [&'static str]),
}

/// How long a play may take before it is given up.
const LIMIT: Duration = Duration::from_secs(20);
/// How long the link has to become empty at a moment.
const EMPTY_LIMIT: Duration = Duration::from_millis(500);
/// How long the kernels have to finish what they say to each other when all actors have gone.
const FINISH_LIMIT: Duration = Duration::from_millis(500);
/// How often to look for what nothing tells of.
const LOOK: Duration = Duration::from_millis(2);
/// The most packets that are kept; no play comes near.
const MOST_FRAMES: usize = 50_000;
/// The most calls that are kept.
const MOST_CALLS: usize = 2_000;

/// The moment at which the play ends, whatever the actors would do next.
const CURTAIN: &str = "end";

/// Plays it.
pub(crate) fn play(staging: &Staging, disturbance: Option<Disturbance>) -> Result<Seen, NotMade> {
    let mut director = Director::begin(staging, disturbance)?;
    let directed = director.direct();
    director.end();
    directed?;
    Ok(director.seen())
}

struct Director {
    house: House,
    voices: Vec<Voice>,
    /// Moments that were come to.
    reached: Vec<String>,
    calls: Vec<Call>,
    moments: Vec<Moment>,
    facts: Vec<(String, String)>,
    listeners: Vec<std::net::SocketAddr>,
    frames: Vec<LinkFrame>,
    /// The link has said that it is empty since it was asked.
    is_empty: bool,
    /// When somebody had come to [`CURTAIN`].
    curtain: Option<Time>,
    failed: Option<Fault>,
}

/// Where it is played, while it is.
enum House {
    Machine(Vec<Pid>),
    Network { network: Box<Network>, links: Option<Links> },
}

/// An actor, as it is heard.
struct Voice {
    role: Role,
    line: Line,
    /// Whether it is one of the play's, and no child of them.
    is_named: bool,
    awaits: Option<Awaited>,
    /// The place of its call that has not returned.
    calling: Option<usize>,
    has_left: bool,
    has_ended: bool,
}

impl Voice {
    fn new(role: Role, line: Line, is_named: bool) -> Voice {
        Voice { role, line, is_named, awaits: None, calling: None, has_left: false, has_ended: false }
    }
}

impl Director {
    fn begin(staging: &Staging, disturbance: Option<Disturbance>) -> Result<Director, NotMade> {
        let change = match disturbance {
            Some(Disturbance::Change(change)) => Some(change),
            _ => None,
        };
        let has_network = matches!(staging.place, Place::Network(_));
        let mut voices = Vec::new();
        let mut cast = Vec::new();
        for (role, act) in staging.actors {
            let (director, actor) = Line::pair().map_err(|errno| failed("a socket pair", errno))?;
            voices.push(Voice::new(*role, director, true));
            cast.push(Part { role: *role, act: *act, line: actor, change, has_network });
        }
        let house = match staging.place {
            Place::Machine => on_this_machine(&cast)?,
            Place::Network(rules) => on_a_network(cast, rules, disturbance)?,
        };
        Ok(Director {
            house,
            voices,
            reached: Vec::new(),
            calls: Vec::new(),
            moments: Vec::new(),
            facts: Vec::new(),
            listeners: Vec::new(),
            frames: Vec::new(),
            is_empty: false,
            curtain: None,
            failed: None,
        })
    }

    /// Until every actor has gone, and the kernels have said what they had to say.
    fn direct(&mut self) -> Result<(), Fault> {
        let limit = Instant::now() + LIMIT;
        while self.voices.iter().any(|voice| !voice.has_ended) {
            let looks = self.voices.iter().any(|voice| voice.awaits.is_some());
            let until = if looks { limit.min(Instant::now() + LOOK) } else { limit };
            self.step(until)?;
            self.let_go_on();
            if self.curtain.is_some() {
                return Ok(());
            }
            if Instant::now() >= limit {
                return Err(self.stuck());
            }
        }
        self.finish()
    }

    /// What is to be told of a play that does not end: who waits for what.
    fn stuck(&self) -> Fault {
        let waits = self.voices.iter().filter(|voice| !voice.has_ended).map(|voice| {
            let call = voice.calling.and_then(|place| self.calls.get(place));
            let what = match (&voice.awaits, call) {
                (Some(awaited), _) => format!("{awaited:?}"),
                (None, Some(call)) => call.text.clone(),
                (None, None) => "nothing that was told".to_owned(),
            };
            format!("the {} waits for {what}", voice.role.name())
        });
        let words = format!("it does not end: {}", waits.collect::<Vec<_>>().join("; "));
        Fault { end: End::Us, doing: Doing::Start, at: "the play".to_owned(), cause: Cause::Words(words) }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        let limit = Instant::now() + FINISH_LIMIT;
        while let House::Network { network, .. } = &self.house
            && network.left().unfinished() == Unfinished::Kernel
            && Instant::now() < limit
        {
            self.step(limit.min(Instant::now() + LOOK))?;
        }
        self.let_become_empty()
    }

    /// Waits for the next thing to happen, at most until then, and takes in all that has.
    fn step(&mut self, until: Instant) -> Result<(), Fault> {
        let happened = self.wait(until)?;
        self.take_frames();
        for (place, happened) in happened.voices.into_iter().enumerate() {
            if happened {
                self.hear(place)?;
            }
        }
        if happened.reported {
            self.take_report()?;
        }
        match self.failed.take() {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    fn wait(&self, until: Instant) -> Result<Happened, Fault> {
        let mut watched: Vec<PollFd<'_>> = Vec::new();
        let lines = self.voices.iter().filter(|voice| !voice.has_ended);
        watched.extend(lines.map(|voice| PollFd::from_borrowed_fd(voice.line.as_fd(), PollFlags::IN)));
        let lines_end = watched.len();
        if let House::Network { network, links } = &self.house {
            watched.push(PollFd::from_borrowed_fd(network.keeper.as_fd(), PollFlags::IN));
            let wakes = links.iter().flat_map(Links::wakes);
            watched.extend(wakes.map(|wake| PollFd::from_borrowed_fd(wake, PollFlags::IN)));
        }
        let timeout = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(fault("the actors", errno.raw_os_error())),
        }
        let happened: Vec<bool> = watched.iter().map(|one| !one.revents().is_empty()).collect();
        let (lines, others) = happened.split_at(lines_end);
        let mut lines = lines.iter();
        let voices =
            self.voices.iter().map(|voice| !voice.has_ended && lines.next().copied().unwrap_or(false));
        Ok(Happened { voices: voices.collect(), reported: others.first().copied().unwrap_or(false) })
    }

    /// Takes in all that an actor has said.
    fn hear(&mut self, place: usize) -> Result<(), Fault> {
        while let Some(voice) = self.voices.get(place).filter(|voice| !voice.has_ended) {
            match voice.line.hear().map_err(|errno| fault("an actor", errno))? {
                Heard::Cue(cue, along) => self.take(place, cue, along)?,
                Heard::Nothing => return Ok(()),
                Heard::End => self.ended(place),
            }
        }
        Ok(())
    }

    fn take(&mut self, place: usize, cue: Cue, along: Option<Line>) -> Result<(), Fault> {
        let Some(voice) = self.voices.get_mut(place) else { return Ok(()) };
        match cue {
            Cue::Calls { text, at } => {
                if self.calls.len() < MOST_CALLS {
                    voice.calling = Some(self.calls.len());
                    self.calls.push(Call {
                        side: side(voice.role),
                        text,
                        result: None,
                        began: at,
                        ended: None,
                    });
                }
            }
            Cue::Returned { result, at } => {
                if let Some(call) = voice.calling.take().and_then(|call| self.calls.get_mut(call)) {
                    call.result = Some(result);
                    call.ended = Some(at);
                }
            }
            Cue::Listens(address) => self.listeners.push(address),
            Cue::Fact(name, value) => self.facts.push((name, value)),
            Cue::Awaits(awaited) => voice.awaits = Some(awaited),
            Cue::Joins => {
                let role = voice.role;
                self.voices.extend(along.map(|line| Voice::new(role, line, false)));
            }
            Cue::Reached(name) => {
                self.let_become_empty()?;
                self.look(name);
                if let Some(voice) = self.voices.get(place) {
                    voice.line.go();
                }
            }
            Cue::Fails { doing, errno } => {
                let at = format!("the {}: {doing}", voice.role.name());
                self.failed = Some(fault(&at, errno));
            }
            Cue::Leaves => voice.has_left = true,
        }
        Ok(())
    }

    /// An actor is gone. One of the play's own that has not said so was ended by something that is none of the play.
    fn ended(&mut self, place: usize) {
        let Some(voice) = self.voices.get_mut(place) else { return };
        voice.has_ended = true;
        if voice.is_named && !voice.has_left && self.failed.is_none() {
            let at = format!("the {} ended early", voice.role.name());
            self.failed = Some(fault(&at, Errno::PIPE.raw_os_error()));
        }
    }

    /// Lets those go on that have what they wait for.
    fn let_go_on(&mut self) {
        for place in 0..self.voices.len() {
            let Some(awaited) = self.voices.get(place).and_then(|voice| voice.awaits.clone()) else {
                continue;
            };
            if self.has_come(&awaited)
                && let Some(voice) = self.voices.get_mut(place)
            {
                voice.awaits = None;
                voice.line.go();
            }
        }
    }

    fn has_come(&self, awaited: &Awaited) -> bool {
        match awaited {
            Awaited::Moment(moment) => self.reached.contains(moment),
            Awaited::Calls { role, call, count } => {
                let side = side(*role);
                let its = self.calls.iter().filter(|its| its.side == side && its.text.starts_with(call));
                its.count() >= *count
            }
            Awaited::Packets { role, count } => {
                self.frames.iter().filter(|frame| frame.from == *role).count() >= *count
            }
            Awaited::Sockets { role, state, count } => match &self.house {
                House::Machine(_) => false,
                House::Network { network, .. } => {
                    network.tcp_sockets(*role).iter().filter(|row| row.state == *state).count() >= *count
                }
            },
        }
    }

    /// Waits until every packet has arrived, and every answer to it; not for ever.
    fn let_become_empty(&mut self) -> Result<(), Fault> {
        let House::Network { links: Some(links), .. } = &mut self.house else { return Ok(()) };
        self.is_empty = false;
        links.ask_idle();
        let limit = Instant::now() + EMPTY_LIMIT;
        while !self.is_empty && Instant::now() < limit {
            let House::Network { links: Some(links), .. } = &self.house else { return Ok(()) };
            let mut watched: Vec<PollFd<'_>> =
                links.wakes().map(|wake| PollFd::from_borrowed_fd(wake, PollFlags::IN)).collect();
            let timeout = Timespec::try_from(limit.saturating_duration_since(Instant::now())).ok();
            match poll(&mut watched, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(fault("the link", errno.raw_os_error())),
            }
            self.take_frames();
        }
        Ok(())
    }

    /// Looks at the sockets of all hosts.
    fn look(&mut self, name: String) {
        let mut sockets = Vec::new();
        if let House::Network { network, .. } = &self.house {
            let mut hosts: Vec<Role> =
                self.voices.iter().filter(|voice| voice.is_named).map(|voice| voice.role).collect();
            hosts.sort_unstable_by_key(|role| role.number());
            for role in hosts {
                sockets.extend(network.tcp_sockets(role).into_iter().map(|row| (role.name(), row)));
            }
        }
        let time = now();
        if name == CURTAIN {
            self.curtain = Some(time);
        }
        self.reached.push(name.clone());
        self.moments.push(Moment { name, time, sockets });
    }

    fn take_frames(&mut self) {
        let Director { house, frames, is_empty, .. } = self;
        if let House::Network { links: Some(links), .. } = house {
            links.take(&mut |report| take_frame(report, frames, is_empty));
        }
    }

    /// What init has to tell: that an actor's process is there, or is not any more.
    fn take_report(&mut self) -> Result<(), Fault> {
        let House::Network { network, .. } = &self.house else { return Ok(()) };
        let (report, _) = network.keeper.next_report().map_err(|errno| fault("the lab", errno))?;
        match report {
            Report::NotStarted(role, errno) => Err(fault(&format!("the {}", role.name()), errno)),
            Report::Exited(role, _) | Report::Killed(role, _) => {
                // All that it said was said before.
                let is_it = |voice: &Voice| voice.is_named && voice.role == role && !voice.has_ended;
                if let Some(place) = self.voices.iter().position(is_it) {
                    self.hear(place)?;
                    self.ended(place);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Ends what is still there.
    fn end(&mut self) {
        let Director { house, frames, is_empty, .. } = self;
        match house {
            House::Machine(actors) => {
                for actor in actors.drain(..) {
                    // It fails when it has ended by itself, as it should; it is waited for in both cases.
                    let _ = process::kill(actor, Signal::KILL);
                    let _ = process::wait(actor);
                }
            }
            // The network ends when it is dropped, after its links.
            House::Network { links, .. } => {
                if let Some(links) = links.take() {
                    links.stop(&mut |report| take_frame(report, frames, is_empty));
                }
            }
        }
    }

    /// What could be seen, with times from the play's beginning.
    fn seen(mut self) -> Seen {
        if let Some(curtain) = self.curtain {
            self.frames.retain(|frame| frame.time <= curtain);
        }
        let began = self.frames.iter().map(|frame| frame.time);
        let start = began.chain(self.calls.iter().map(|call| call.began)).min().unwrap_or_default();
        let since = |time: Time| Time::ZERO + time.since(start);
        for frame in &mut self.frames {
            frame.time = since(frame.time);
            frame.passage.arrived = frame.passage.arrived.map(since);
        }
        for call in &mut self.calls {
            (call.began, call.ended) = (since(call.began), call.ended.map(since));
        }
        self.moments.iter_mut().for_each(|moment| moment.time = since(moment.time));
        self.calls.sort_by_key(|call| call.began);
        let mut tracker = Tracker::new(Limits::default());
        self.listeners.iter().for_each(|address| tracker.listening(*address));
        for frame in &self.frames {
            tracker.frame(&frame.to_follow());
        }
        tracker.finish();
        Seen {
            world: match &self.house {
                House::Machine(_) => None,
                House::Network { network, .. } => Some(network.backend),
            },
            flows: tracker.flows().cloned().collect(),
            datagrams: tracker.datagram_flows().cloned().collect(),
            frames: self.frames,
            calls: self.calls,
            moments: self.moments,
            facts: self.facts,
            ..Seen::default()
        }
    }
}

/// The client's, or all others'.
fn side(role: Role) -> Side {
    if role == Role::Client { Side::A } else { Side::B }
}

/// What there is to take in.
struct Happened {
    /// By their places.
    voices: Vec<bool>,
    reported: bool,
}

fn take_frame(report: forward::Report, frames: &mut Vec<LinkFrame>, is_empty: &mut bool) {
    match report {
        forward::Report::Frame(frame) if frames.len() < MOST_FRAMES => frames.push(frame),
        forward::Report::Frame(_) => {}
        forward::Report::Idle => *is_empty = true,
        forward::Report::Missed(_) => {}
    }
}

/// Forks each actor from this process.
fn on_this_machine(cast: &[Part]) -> Result<House, NotMade> {
    let mut actors = Vec::new();
    for part in cast {
        match process::fork() {
            Ok(Forked::Child) => {
                process::die_with_parent();
                part.act()
            }
            Ok(Forked::Parent(pid)) => actors.push(pid),
            Err(errno) => {
                for actor in actors {
                    let _ = process::kill(actor, Signal::KILL);
                    let _ = process::wait(actor);
                }
                return Err(failed("a process", errno));
            }
        }
    }
    Ok(House::Machine(actors))
}

/// Makes a network with a host for each actor.
fn on_a_network(cast: Vec<Part>, rules: &[&str], disturbance: Option<Disturbance>) -> Result<House, NotMade> {
    let mut rules = rules.to_vec();
    if let Some(Disturbance::Rule(rule)) = disturbance {
        rules.push(rule);
    }
    let link = Schedule::of(&rules).map_err(|misread| {
        let cause = Cause::Words(format!("{misread:?}"));
        Fault { end: End::Us, doing: Doing::Start, at: "the link".to_owned(), cause }
    })?;
    let roles: Vec<Role> = cast.iter().map(|part| part.role).collect();
    let config = Config {
        link,
        server: Program::Idle,
        client: Program::Idle,
        others: vec![Program::Idle; roles.len().saturating_sub(2)],
        keep: Keep::Whole,
        ..Config::default()
    };
    let begun = network::begin(Namespaces::begin()?, &config, Vec::new(), cast, None)?;
    let (mut network, links) = Coming::new(begun, &config)?.wait()?;
    for report in network.early() {
        if let Report::NotStarted(role, errno) = report {
            return Err(failed(&format!("the {}", role.name()), errno));
        }
    }
    for role in roles {
        network.keeper.start(role).map_err(|errno| fault("the lab", errno))?;
    }
    Ok(House::Network { network: Box::new(network), links: Some(links) })
}

fn failed(what: &str, errno: i32) -> NotMade {
    NotMade::Failed(fault(what, errno))
}

fn fault(what: &str, errno: i32) -> Fault {
    Fault::errno(End::Us, Doing::Start, what, errno)
}
