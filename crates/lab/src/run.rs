//! One run of the lab, seen from the tool: the server first, then further hosts, then the client; when the client has ended,
//! whatever the kernels still have to say to each other, then the others' end, then the counters. Where the server leads
//! instead of the client, they change places.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use kernel::disposition;
use kernel::signal::{Origin, Signals};
use kernel::terminal::Kept;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use wire::{Doing, End, Fault};

use crate::config::{Config, ECHO_PORT, Program, SERVICE_PORTS};
use crate::control::Report;
use crate::event::{Backend, Event, Role};
use crate::forward;
use crate::links::{Coming, Links};
use crate::namespaces::Namespaces;
use crate::network::{self, Network};
use crate::outcome::{Ending, NotMade, Outcome};
use crate::programs::Outputs;
use crate::sockets::{Kind, Left, Unfinished};

/// How long a command that is to be the server may take until it waits for clients; after that the client is started
/// anyway: not every server waits for TCP or UDP.
const SERVER_LIMIT: Duration = Duration::from_secs(2);
/// How long a program may take to end when it is told to, before it is killed.
const END_LIMIT: Duration = Duration::from_secs(2);
/// How long nothing may change while the server has something to read or to close, until that is given up.
const PROGRAM_LIMIT: Duration = Duration::from_millis(200);
/// How long nothing may change while a kernel waits for an acknowledgement: as long as the fourth retransmission takes
/// (RFC 6298 §5, from Linux's 200 ms on).
const KERNEL_LIMIT: Duration = Duration::from_secs(3);
/// How long all that may take, however much changes: a program that the client has left behind may talk for ever.
const FINISH_LIMIT: Duration = Duration::from_secs(30);
/// The same where somebody has asked the lab to end: nobody who has typed ^C waits for a slow link.
const INTERRUPTED_LIMIT: Duration = Duration::from_millis(500);
/// How often to look, at first and at most, where nothing tells that there is something to see.
const LOOKS: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(20));

/// Makes a private network and takes it away again: whether, and how, this system allows it.
///
/// # Errors
/// As [`run`].
pub fn probe(config: &Config) -> Result<Backend, NotMade> {
    let making = network::begin(Namespaces::begin()?, config, Vec::new(), Vec::new(), None)?;
    making.wait().map(|(network, _)| network.backend)
}

/// Makes a private network, runs all programs on it and tells what happens.
///
/// The calling process has to have one thread, and its standard streams are the leader's unless its output is captured.
/// INT, TERM and HUP end the lab in order; a second one ends it at once. But the terminal's ^C is its foreground's: a
/// command that leads and goes on after it goes on in the lab as well. The calling thread stands back for the link and
/// the programs, by five steps of nice(2), and does so for good.
///
/// # Errors
/// When the system does not allow such a network, or something that has nothing to do with it fails. What the programs
/// run into is part of the outcome.
pub fn run(config: &Config, emit: &mut dyn FnMut(Event)) -> Result<Outcome, NotMade> {
    run_in(Namespaces::begin()?, config, emit)
}

/// The same in namespaces that are being made already.
///
/// # Errors
/// As [`run`].
pub fn run_in(
    namespaces: Namespaces,
    config: &Config,
    emit: &mut dyn FnMut(Event),
) -> Result<Outcome, NotMade> {
    // A hangup is nothing to who was started by nohup(1); taken, it would not be ignored any more.
    let all = [Signal::INT, Signal::TERM, Signal::HUP];
    let heard = if disposition::is_ignored(Signal::HUP) { &all[..2] } else { &all };
    let signals =
        Signals::take(heard).map_err(|errno| Fault::errno(End::Us, Doing::Start, "the lab", errno))?;
    let (outputs, pipes) = pipes(config)?;
    let first = before_leader(config).next();
    let coming = Coming::new(network::begin(namespaces, config, outputs, Vec::new(), first)?, config)?;
    stand_back();
    let (network, links) = coming.wait()?;
    let (buffer, view) = (vec![0; READ_AT_ONCE], View::of(config.hosts()));
    let mut lab = Lab { config, emit, signals, network, links, pipes, buffer, view };
    // The link is stopped and its counters are told also when something failed on the way.
    let played = lab.play();
    let outcome = lab.finish();
    Ok(played.map(|()| outcome)?)
}

struct Lab<'a> {
    config: &'a Config,
    emit: &'a mut dyn FnMut(Event),
    signals: Signals,
    // The links are stopped before the network goes.
    links: Links,
    network: Network,
    pipes: Vec<Pipe>,
    /// For what is read from them.
    buffer: Vec<u8>,
    view: View,
}

/// What the tool has seen so far.
#[derive(Debug, Default)]
struct View {
    /// In the order of the hosts.
    processes: Vec<Process>,
    /// The link has said that it is empty since it was asked.
    idle: bool,
    /// Frames told, and when the first one was.
    frames: u64,
    first_frame: Option<Instant>,
    /// The first signal that asked us to end, and whether a second one did.
    interrupted: Option<i32>,
    abandoned: bool,
    /// It was the terminal's ^C, which the leader's command got too: it may go on all the same, as an interpreter does.
    may_go_on: bool,
}

#[derive(Debug, Default)]
struct Process {
    /// Our own server waits for clients.
    listening: bool,
    running: bool,
    ended: bool,
    /// Processes that it has left behind live on, or did when it ended.
    left_some: bool,
    ending: Ending,
}

/// What there is to take in.
#[derive(Debug, Default)]
struct Happened {
    reported: bool,
    signalled: bool,
    carried: bool,
    printed: bool,
}

/// How much of what a program prints is read at once, and how much is taken before others are heard, in bytes.
const READ_AT_ONCE: usize = 64 * 1024;
const MOST_PRINTED: usize = 4 * READ_AT_ONCE;

/// The reading end of what a program prints.
struct Pipe {
    role: Role,
    fd: u8,
    /// None once it has ended.
    read: Option<OwnedFd>,
}

impl Pipe {
    /// Hands out what can be read, up to so many bytes.
    fn take(&mut self, most: usize, buffer: &mut [u8], emit: &mut dyn FnMut(Event)) {
        let mut left = most;
        while let Some(read) = self.read.as_ref().filter(|_| left > 0) {
            let room = left.min(buffer.len());
            match rustix::io::read(read, &mut buffer[..room]) {
                Ok(0) => self.read = None,
                Ok(len) => {
                    left -= len;
                    emit(Event::Output { role: self.role, fd: self.fd, bytes: buffer[..len].to_vec() });
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.read = None,
            }
        }
    }

    /// The same with what has been written by now.
    fn take_what_is_there(&mut self, buffer: &mut [u8], emit: &mut dyn FnMut(Event)) {
        let there = self.read.as_ref().and_then(|read| rustix::io::ioctl_fionread(read).ok());
        self.take(usize::try_from(there.unwrap_or(0)).unwrap_or(usize::MAX), buffer, emit);
    }
}

/// All that run something beside the leader; the server first.
fn others(config: &Config) -> Vec<Role> {
    let mut roles: Vec<Role> = Role::all(config.hosts())
        .filter(|role| *role != config.leader && *config.program(*role) != Program::Idle)
        .collect();
    roles.sort_by_key(|role| *role != Role::Server);
    roles
}

/// Those of them that are to wait for clients before the leader starts.
fn before_leader(config: &Config) -> impl Iterator<Item = Role> {
    others(config).into_iter().filter(|_| config.leader == Role::Client)
}

fn pipes(config: &Config) -> Result<(Outputs, Vec<Pipe>), Fault> {
    let mut pipes = Vec::new();
    let mut pair = |role| -> Result<[OwnedFd; 2], Fault> {
        Ok([pipe(role, 1, &mut pipes)?, pipe(role, 2, &mut pipes)?])
    };
    let is_captured = |role| role != config.leader || config.capture_output;
    let outputs = Role::all(config.hosts())
        .map(|role| is_captured(role).then(|| pair(role)).transpose())
        .collect::<Result<Outputs, Fault>>()?;
    Ok((outputs, pipes))
}

fn pipe(role: Role, fd: u8, pipes: &mut Vec<Pipe>) -> Result<OwnedFd, Fault> {
    let failed = |error: io::Error| Fault::io(End::Us, Doing::Start, "the lab", &error);
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    // Only the reading end: the program's should be as any other.
    rustix::io::ioctl_fionbio(&read, true).map_err(|error| failed(error.into()))?;
    pipes.push(Pipe { role, fd, read: Some(read) });
    Ok(write)
}

/// The keeper, the link and the programs come first: what is told of them may come later.
fn stand_back() {
    let _ = rustix::process::nice(5);
    // Looking whether a server waits should not come later than it is meant to, by 50 µs as is usual.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

impl Lab<'_> {
    fn play(&mut self) -> Result<(), Fault> {
        let leader = self.config.leader;
        let others = others(self.config);
        (self.emit)(Event::Ready { backend: self.network.backend, seed: self.config.seed });
        self.take_early()?;
        for (place, role) in before_leader(self.config).enumerate() {
            // The first needs no order.
            if place > 0 {
                self.start(role)?;
            }
            self.wait_until_it_waits(role)?;
        }
        let terminal = self.terminal();
        let led = self.run_leader(if leader == Role::Client { &[] } else { &others });
        if let Some(kept) = terminal {
            kept.restore(rustix::stdio::stdin());
        }
        led?;
        let stuck = self.let_finish(Unfinished::Program, KERNEL_LIMIT)?;
        self.end_others(&others)?;
        // Kernels that nothing has got through to once are not given as long again.
        self.let_finish(Unfinished::Kernel, if stuck { PROGRAM_LIMIT } else { KERNEL_LIMIT })?;
        Ok(())
    }

    /// The terminal as it is to be when a shell has gone.
    fn terminal(&self) -> Option<Kept> {
        match self.config.program(self.config.leader) {
            Program::Shell(_) => Kept::of(rustix::stdio::stdin()),
            _ => None,
        }
    }

    /// Takes what was heard before the network stood, most of it of the first program, which starts without an order.
    fn take_early(&mut self) -> Result<(), Fault> {
        if let Some(first) = before_leader(self.config).next() {
            self.view.process(first).running = true;
        }
        self.network.early().into_iter().try_for_each(|report| self.take(report))
    }

    /// Lets a program start; not one that has been told to be gone already.
    fn start(&mut self, role: Role) -> Result<(), Fault> {
        if self.view.of_role(role).ended {
            return Ok(());
        }
        self.view.process(role).running = true;
        self.network.keeper.start(role).map_err(lost)
    }

    /// Waits until a program waits for clients, or until that is given up.
    fn wait_until_it_waits(&mut self, role: Role) -> Result<(), Fault> {
        let limit = Instant::now() + SERVER_LIMIT;
        let mut look = Looks::new();
        while self.may_yet_wait(role) && self.view.interrupted.is_none() {
            match self.config.program(role) {
                Program::Conversation | Program::Services => self.step(None)?,
                Program::Command(_) | Program::Shell(_) | Program::Idle => {
                    if let Some(event) = self.waits(role, Instant::now() >= limit) {
                        (self.emit)(event);
                        return Ok(());
                    }
                    self.step(Some(look.next_until(limit)))?;
                }
            }
        }
        if self.view.of_role(role).listening && *self.config.program(role) == Program::Services {
            let every = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            (self.emit)(Event::Listening { role, addresses: SERVICE_PORTS.map(every).to_vec() });
        }
        Ok(())
    }

    /// Whether a program, or what it has put in the background, may still come to wait for clients.
    fn may_yet_wait(&self, role: Role) -> bool {
        let process = self.view.of_role(role);
        !process.listening && (!process.ended || (process.left_some && process.ending.exit == Some(0)))
    }

    /// Whether a command waits for clients, or is not waited for any more.
    fn waits(&self, role: Role, given_up: bool) -> Option<Event> {
        let waiting = self.network.waits(role);
        if waiting.is_empty() {
            return given_up.then_some(Event::NotListening { role, waited: SERVER_LIMIT });
        }
        let tcp = waiting.into_iter().filter(|(kind, _)| *kind == Kind::Tcp);
        Some(Event::Listening { role, addresses: tcp.map(|(_, address)| address).collect() })
    }

    /// Runs the leader until it ends, and those with it that start behind it; not at all where somebody could not be
    /// started, or there is no wish any more.
    fn run_leader(&mut self, behind: &[Role]) -> Result<(), Fault> {
        if self.view.processes.iter().any(|process| process.ending.fault.is_some())
            || self.view.interrupted.is_some()
        {
            return Ok(());
        }
        let leader = self.config.leader;
        self.start(leader)?;
        for role in behind {
            self.start(*role)?;
        }
        let mut limit = None;
        while !self.view.of_role(leader).ended && !self.view.abandoned {
            self.step(limit)?;
            match limit {
                None if self.view.interrupted.is_some() => limit = Some(Instant::now() + END_LIMIT),
                Some(at) if Instant::now() >= at && self.view.may_go_on => {
                    self.view.interrupted = None;
                    limit = None;
                }
                Some(at) if Instant::now() >= at => {
                    self.signal(leader, Signal::KILL.as_raw())?;
                    limit = Some(at + END_LIMIT);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits until nothing is under way and nobody has anything left to do: everybody, or (from `Kernel` on) the two
    /// kernels only. Where a link lets nothing pass, kernels send the same again and again: what counts is only what
    /// changes for their sockets. True where a kernel was given up: nothing has changed for `patience`, and the delays.
    fn let_finish(&mut self, from: Unfinished, patience: Duration) -> Result<bool, Fault> {
        let delays = 4 * self.config.link.usual_delay();
        let began = Instant::now();
        let in_order = began + FINISH_LIMIT + 2 * delays;
        let interrupted = began + INTERRUPTED_LIMIT;
        let mut looks = Looks::new();
        let mut left = Left::default();
        let mut changed = Instant::now();
        let mut hopeless = changed;
        while !self.view.abandoned {
            self.wait_for_empty_link([in_order.min(Instant::now() + PROGRAM_LIMIT + delays), interrupted])?;
            let limit = if self.view.interrupted.is_some() { interrupted } else { in_order };
            let now_left = self.network.left();
            let may_stay = match now_left.unfinished() {
                Unfinished::Kernel => patience + delays,
                Unfinished::Program if from == Unfinished::Program && self.any_runs(&others(self.config)) => {
                    PROGRAM_LIMIT
                }
                Unfinished::Program | Unfinished::Nothing => return Ok(false),
            };
            if now_left != left {
                (left, changed) = (now_left, Instant::now());
            }
            hopeless = hopeless.max(self.hopeless_from(changed));
            let give_up = limit.min(hopeless + may_stay);
            if Instant::now() >= give_up {
                return Ok(left.unfinished() == Unfinished::Kernel);
            }
            let frames = self.view.frames;
            self.step(Some(looks.next_until(give_up)))?;
            if self.view.frames != frames {
                looks = Looks::new();
            }
        }
        Ok(false)
    }

    /// From when on it says something that nothing has changed since `changed`: while the link is cut but will not stay so,
    /// nothing can. Each time that something is sent again comes twice as late, so for as long again nothing may be sent.
    fn hopeless_from(&self, changed: Instant) -> Instant {
        let Some(began) = self.view.first_frame else { return changed };
        match self.config.link.opens_again(began.elapsed()) {
            Some(opens) => {
                let opens = began + opens;
                opens + opens.saturating_duration_since(changed)
            }
            None => changed,
        }
    }

    /// Waits until every packet has arrived, and every answer to it; not for ever, for what still runs inside may have
    /// much to say, and not as long where somebody has asked the lab to end.
    fn wait_for_empty_link(&mut self, [in_order, interrupted]: [Instant; 2]) -> Result<(), Fault> {
        self.view.idle = false;
        self.links.ask_idle();
        while !self.view.idle && !self.view.abandoned {
            let limit = if self.view.interrupted.is_some() { in_order.min(interrupted) } else { in_order };
            if Instant::now() >= limit {
                break;
            }
            self.step(Some(limit))?;
        }
        Ok(())
    }

    fn end_others(&mut self, others: &[Role]) -> Result<(), Fault> {
        for signal in [Signal::TERM, Signal::KILL] {
            for role in others.iter().filter(|role| self.view.of_role(**role).running) {
                if !self.view.abandoned {
                    self.signal(*role, signal.as_raw())?;
                }
            }
            let limit = Instant::now() + END_LIMIT;
            while self.any_runs(others) && !self.view.abandoned && Instant::now() < limit {
                self.step(Some(limit))?;
            }
        }
        Ok(())
    }

    fn any_runs(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.view.of_role(*role).running)
    }

    fn finish(mut self) -> Outcome {
        let emit = &mut *self.emit;
        let mut stopped = self.links.stop(&mut |report| tell_link(report, &mut self.view, emit));
        for role in Role::all(self.config.hosts()) {
            let drops = self.network.drops(role);
            let (from_host, to_host) = match role {
                Role::Server => (&mut stopped.down, &mut stopped.up),
                Role::Client | Role::Other(_) => (&mut stopped.up, &mut stopped.down),
            };
            from_host.unplanned_drops += drops.from_host;
            to_host.unplanned_drops += drops.to_host;
        }
        (self.emit)(Event::Link { up: stopped.up, down: stopped.down });
        // Who has ended by himself after the terminal's ^C has an exit status of his own.
        let answered = self.view.may_go_on && self.view.of_role(self.config.leader).ending.exit.is_some();
        let mut endings = self.view.processes.into_iter().map(|process| process.ending);
        let (client, server) = (endings.next().unwrap_or_default(), endings.next().unwrap_or_default());
        Outcome {
            backend: self.network.backend,
            server,
            client,
            others: endings.collect(),
            interrupted: self.view.interrupted.filter(|_| !answered),
        }
    }

    fn signal(&self, role: Role, signal: i32) -> Result<(), Fault> {
        self.network.keeper.signal(role, signal).map_err(lost)
    }

    /// Waits for the next thing to happen, at most until `until`, and takes in all that has.
    fn step(&mut self, until: Option<Instant>) -> Result<(), Fault> {
        let happened = self.wait(until)?;
        // First: what there is to tell may take long to be told.
        if happened.signalled {
            self.take_signals()?;
        }
        if happened.carried {
            self.take_frames();
        }
        if happened.printed {
            self.take_output();
        }
        if happened.reported {
            self.take_report()?;
        }
        Ok(())
    }

    fn wait(&self, until: Option<Instant>) -> Result<Happened, Fault> {
        let mut watched = vec![
            PollFd::from_borrowed_fd(self.network.keeper.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        watched.extend(self.links.wakes().map(|wake| PollFd::from_borrowed_fd(wake, PollFlags::IN)));
        let links_end = watched.len();
        let pipes = self.pipes.iter().filter_map(|pipe| pipe.read.as_ref());
        watched.extend(pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        match poll(&mut watched, timeout.and_then(|timeout| Timespec::try_from(timeout).ok()).as_ref()) {
            Ok(_) => {
                let happened = |place: usize| !watched[place].revents().is_empty();
                Ok(Happened {
                    reported: happened(0),
                    signalled: happened(1),
                    carried: (2..links_end).any(happened),
                    printed: (links_end..watched.len()).any(happened),
                })
            }
            Err(Errno::INTR) => Ok(Happened::default()),
            Err(error) => Err(lost(error.raw_os_error())),
        }
    }

    fn take_frames(&mut self) {
        let emit = &mut *self.emit;
        let view = &mut self.view;
        self.links.take(&mut |report| tell_link(report, view, emit));
    }

    fn take_signals(&mut self) -> Result<(), Fault> {
        while let Some((signal, origin)) = self.signals.next_with_origin() {
            let leader = self.config.leader;
            let leads = self.view.of_role(leader).running && self.config.program(leader).is_command();
            let may_go_on = leads && signal == Signal::INT && origin == Origin::Kernel;
            if self.view.interrupted.is_some() {
                self.view.abandoned |= !may_go_on;
                continue;
            }
            self.view.interrupted = Some(signal.as_raw());
            self.view.may_go_on = may_go_on;
            // What the terminal sent, the leader got too.
            if self.view.of_role(leader).running && origin == Origin::Process {
                self.signal(leader, signal.as_raw())?;
            }
        }
        Ok(())
    }

    /// Takes what the programs have printed, but not all of one that prints without a pause: there are others to be heard.
    fn take_output(&mut self) {
        for pipe in &mut self.pipes {
            pipe.take(MOST_PRINTED, &mut self.buffer, self.emit);
        }
    }

    fn take_report(&mut self) -> Result<(), Fault> {
        let (report, _) = self.network.keeper.next_report().map_err(lost)?;
        self.take(report)
    }

    fn take(&mut self, report: Report) -> Result<(), Fault> {
        match report {
            Report::Listening(role) => self.view.process(role).listening = true,
            Report::NotStarted(role, errno) => self.could_not_start(role, errno),
            Report::Trouble(role, end, doing, errno) => {
                let at = SocketAddr::new(Role::Server.address(self.config.family), ECHO_PORT).to_string();
                self.view.process(role).ending.fault = Some(Fault::errno(end, doing, at, errno));
            }
            Report::LeftSome(role) => self.view.process(role).left_some = true,
            Report::Exited(role, status) => self.ended(role, Some(status), None),
            Report::Killed(role, signal) => self.ended(role, None, Some(signal)),
            Report::Refused(..) | Report::Ready | Report::Namespace | Report::Made { .. } | Report::Gauge => {
                return Err(lost(Errno::PROTO.raw_os_error()));
            }
        }
        Ok(())
    }

    fn could_not_start(&mut self, role: Role, errno: i32) {
        let name = match self.config.program(role) {
            Program::Command(words) | Program::Shell(words) => {
                words.first().map(|word| word.to_string_lossy().into_owned())
            }
            Program::Conversation | Program::Services | Program::Idle => None,
        };
        let at = name.unwrap_or_else(|| "the conversation".to_owned());
        self.view.process(role).ending.fault = Some(Fault::errno(End::You, Doing::Start, at, errno));
    }

    fn ended(&mut self, role: Role, exit: Option<i32>, signal: Option<i32>) {
        // What it printed stands before its end; what children of it print will be heard later.
        for pipe in self.pipes.iter_mut().filter(|pipe| pipe.role == role) {
            pipe.take_what_is_there(&mut self.buffer, self.emit);
        }
        let process = self.view.process(role);
        process.running = false;
        process.ended = true;
        process.ending.exit = exit;
        process.ending.signal = signal;
        let command = self.config.program(role).words(role);
        (self.emit)(Event::Ran { role, command, exit, signal });
    }
}

fn tell_link(report: forward::Report, view: &mut View, emit: &mut dyn FnMut(Event)) {
    match report {
        forward::Report::Frame(frame) => {
            view.frames += 1;
            view.first_frame.get_or_insert_with(Instant::now);
            emit(Event::Frame(frame));
        }
        forward::Report::Missed(frames) => {
            view.frames += frames;
            view.first_frame.get_or_insert_with(Instant::now);
            emit(Event::Missed(frames));
        }
        forward::Report::Idle => view.idle = true,
    }
}

/// The processes inside are gone, or speak nonsense: nothing but somebody's KILL does that.
fn lost(errno: i32) -> Fault {
    Fault::errno(End::Us, Doing::Isolate, "the processes inside have ended", errno)
}

impl View {
    fn of(hosts: usize) -> View {
        View { processes: (0..hosts).map(|_| Process::default()).collect(), ..View::default() }
    }

    fn of_role(&self, role: Role) -> &Process {
        &self.processes[role.index()]
    }

    fn process(&mut self, role: Role) -> &mut Process {
        &mut self.processes[role.index()]
    }
}

/// When to look again: soon at first, then less and less often.
struct Looks {
    pause: Duration,
}

impl Looks {
    fn new() -> Looks {
        Looks { pause: LOOKS.0 }
    }

    fn next_until(&mut self, limit: Instant) -> Instant {
        let next = Instant::now() + self.pause;
        // Nothing is seen later than by a part of the time that it took.
        self.pause = (self.pause * 9 / 8).min(LOOKS.1);
        next.min(limit)
    }
}
