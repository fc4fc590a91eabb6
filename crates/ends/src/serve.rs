//! A server for many: what it is made of, and its one entry.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use wire::network::{Lists, Verdict};
use wire::{Address, Cause, Doing, End, Fault, Transport};

use kernel::process::Signal;

use crate::engine;
use crate::event::{Away, Event};
use crate::listen::{self, DatagramSocket, Listener, Opened, Place};
use crate::operator::Operator;
use crate::places::Places;
use crate::service::{Client, Line, Service};
use crate::stop::{Asked, Stop};

/// A server to be run.
pub struct Config {
    /// Where to listen; all of them or none.
    pub places: Vec<Place>,
    /// Makes the service: once for each worker of the event engine, once for each session of the others; once in all
    /// where it [`Service::is_shared`].
    pub service: Box<dyn Fn() -> Box<dyn Service> + Send + Sync>,
    /// What runs the sessions.
    pub engine: Engine,
    /// How many sessions at once; none: as many as come.
    pub max_connections: Option<usize>,
    /// What happens to clients beyond that.
    pub when_full: WhenFull,
    /// Who may come.
    pub guests: Guests,
    /// What one client may do.
    pub limits: Limits,
    /// How long sessions may go on after the first request to stop.
    pub grace: Duration,
    /// What to tell; the rest costs nothing.
    pub tells: Tells,
    /// For whoever is told but cannot pass it on at once and has no thread to do so later: asked before the process
    /// engine waits, and soon again while it gives true, which means that something is left.
    pub left_to_tell: Option<LeftToTell>,
    /// Takes the lines that a service shows; none: they are dropped.
    pub sink: Option<Arc<dyn Sink>>,
    /// What whoever runs the server types.
    pub operator: Option<Operator>,
}

/// Who may come, beside [`Config::max_connections`].
#[derive(Default)]
pub struct Guests {
    /// How many sessions at once for clients of one source address.
    pub max_per_source: Option<usize>,
    /// The networks that may come and those that may not; read again at SIGHUP.
    pub lists: Option<ReadLists>,
}

/// Reads the lists, at the start and at SIGHUP. A failure at SIGHUP is told, and the old lists stay.
pub type ReadLists = Box<dyn Fn() -> Result<Lists, Fault> + Send + Sync>;

/// What one client may do, before it is let go with how `limit` or `idle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes it may send in all.
    pub max_bytes: Option<u64>,
    /// How long one message (datagram, packet) may be, in bytes; longer datagrams are told and dropped.
    pub max_message: Option<usize>,
    /// How long neither end may say anything.
    pub idle: Option<Duration>,
    /// How long the whole session may take.
    pub total: Option<Duration>,
    /// How many bytes a second are taken from it, and as many given to it; TCP makes it wait.
    pub bytes_per_s: Option<u64>,
}

/// Takes the lines that a service shows. It never loses one: who has no room says so, and the clients wait.
pub trait Sink: Send + Sync {
    /// Takes a line. `remote` is none for those that no client said.
    fn take(&self, remote: Option<&Address>, line: &Line);

    /// All lines that were ready have been handed over: now they are to be written, as one batch.
    fn flush(&self);

    /// Whether more may be taken now. Asked before clients are read, and soon again while it gives false.
    fn has_room(&self) -> bool;
}

/// See [`Config::left_to_tell`].
pub type LeftToTell = Box<dyn Fn() -> bool + Send + Sync>;

/// How a server runs its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Loops with one thread each that never wait for one client.
    Event {
        /// How many loops, all on the same listeners.
        workers: usize,
    },
    /// A thread for each session.
    Thread,
    /// A process for each session. The server must have one thread.
    Process,
}

/// What happens to clients for whom no place is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// They stay in the kernel's queue until one is.
    #[default]
    Wait,
    /// They are accepted and reset at once.
    Refuse,
}

/// Which events of single sessions are wanted. Those of the server are always told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tells {
    /// [`Event::Opened`].
    pub opened: bool,
    /// [`Event::Closed`] and [`Event::ChildEnded`].
    pub closed: bool,
    /// [`Event::Data`].
    pub data: bool,
}

/// What a server did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Clients that had a session.
    pub sessions: u64,
    /// Clients that were turned away.
    pub turned_away: u64,
}

impl Config {
    /// A server of this service with everything else as it is by default.
    pub fn new<S: Service + 'static>(places: Vec<Place>, engine: Engine, make: fn() -> S) -> Config {
        Config {
            places,
            service: Box::new(move || Box::new(make())),
            engine,
            max_connections: engine.max_connections(),
            when_full: WhenFull::default(),
            guests: Guests::default(),
            limits: Limits::default(),
            grace: Duration::from_secs(2),
            tells: Tells::default(),
            left_to_tell: None,
            sink: None,
            operator: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("places", &self.places)
            .field("service", &(self.service)().name())
            .field("engine", &self.engine)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Event { .. } => "event",
            Engine::Thread => "thread",
            Engine::Process => "process",
        }
    }

    /// How many sessions at once, unless something else is asked for.
    pub fn max_connections(self) -> Option<usize> {
        match self {
            Engine::Event { .. } => None,
            Engine::Thread => Some(1024),
            Engine::Process => Some(512),
        }
    }
}

impl Tells {
    /// All of them.
    pub const ALL: Tells = Tells { opened: true, closed: true, data: true };
}

/// Listens, tells [`Event::Listening`] for each place, and serves until it is asked to stop. The failure of one session
/// is told, never returned.
///
/// `tell` is called from every thread of the server, but in no child: it must not wait for long, and where the engine is
/// [`Engine::Process`] it must not have started threads.
///
/// # Errors
/// When a place cannot be listened on, or the engine cannot start.
pub fn serve(config: &Config, stop: &Stop, tell: &(dyn Fn(Event) + Sync)) -> Result<Served, Fault> {
    let places = config.places.iter().map(|place| listen::open(place, tell)).collect::<Result<_, _>>()?;
    serve_on(places, config, stop, tell)
}

/// Serves on sockets that are open.
pub(crate) fn serve_on(
    places: Vec<Opened>,
    config: &Config,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Served, Fault> {
    // They are told in the order in which they were asked for.
    let waiting_at: Vec<(Transport, Address)> = places.iter().map(Opened::waits_at).collect();
    let (listeners, datagrams) = apart(places, config.engine)?;
    let workers = match config.engine {
        Engine::Event { workers } => workers.max(1),
        Engine::Thread | Engine::Process => 1,
    };
    let server = Server {
        config,
        tell,
        places: Places::new(config.max_connections, config.guests.max_per_source, workers)?,
        lists: RwLock::new(config.guests.lists.as_ref().map_or_else(|| Ok(Lists::default()), |read| read())?),
        clients: AtomicU64::new(0),
        turned_away: AtomicU64::new(0),
        stage: AtomicU8::new(Stage::Serving as u8),
        other_workers: AtomicUsize::new(0),
    };
    let service = (config.service)().name();
    let start = || {
        for (transport, address) in waiting_at {
            tell(Event::Listening { transport, address, service, engine: config.engine.name() });
        }
    };
    match config.engine {
        Engine::Event { .. } => {
            let workers = engine::event::prepare(&server, workers, datagrams)?;
            start();
            engine::event::run(workers, listeners, stop)?;
        }
        Engine::Thread => {
            start();
            engine::thread::run(&server, listeners, stop)?;
        }
        Engine::Process => {
            let prepared = engine::process::prepare(&server)?;
            start();
            engine::process::run(prepared, listeners, stop)?;
        }
    }
    Ok(server.served())
}

/// Keeps those places apart where clients knock and those where datagrams come.
fn apart(places: Vec<Opened>, engine: Engine) -> Result<(Vec<Listener>, Vec<DatagramSocket>), Fault> {
    let (mut listeners, mut datagrams) = (Vec::new(), Vec::new());
    for place in places {
        match place {
            Opened::Connections(listener) => listeners.push(listener),
            Opened::Datagrams(socket) if matches!(engine, Engine::Event { .. }) => datagrams.push(socket),
            Opened::Datagrams(socket) => {
                return Err(Fault {
                    end: End::You,
                    doing: Doing::Listen,
                    at: socket.address.in_full(socket.transport),
                    cause: Cause::Words("datagrams are served by the engine event alone".into()),
                });
            }
        }
    }
    Ok((listeners, datagrams))
}

/// What all parts of a running server share.
pub(crate) struct Server<'a> {
    pub(crate) config: &'a Config,
    pub(crate) tell: &'a (dyn Fn(Event) + Sync),
    pub(crate) places: Places,
    lists: RwLock<Lists>,
    clients: AtomicU64,
    turned_away: AtomicU64,
    stage: AtomicU8,
    other_workers: AtomicUsize,
}

/// How far a server is with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Serving,
    /// No new clients; those there may finish.
    Stopping,
    /// Everything ends.
    StoppingNow,
}

impl Server<'_> {
    /// The number of the client that has just come.
    pub(crate) fn next_client(&self) -> Client {
        Client(self.clients.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn turn_away(&self, remote: Address, why: Away) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        (self.tell)(Event::TurnedAway { remote, why });
    }

    /// All places are taken. Without a limit of ours it is that of the descriptors that has been reached.
    pub(crate) fn full(&self) -> Away {
        Away::Full(self.places.limit().unwrap_or_else(|| self.places.taken()))
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::SeqCst) {
            0 => Stage::Serving,
            1 => Stage::Stopping,
            _ => Stage::StoppingNow,
        }
    }

    /// Whether a client may come: by the lists, and by how many of its source have come. Who may is counted in. Clients of
    /// Unix sockets are on this machine and always may.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn admit(&self, remote: &Address) -> Result<(), Away> {
        if let Some(client) = remote.internet() {
            let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
            if let Verdict::Denied(network) = lists.verdict(client.ip()) {
                return Err(Away::Denied(network.map(|network| network.to_string())));
            }
        }
        self.places.enter(remote).map_err(Away::FullForSource)
    }

    /// A session is over, and its socket closed.
    pub(crate) fn give_back(&self, remote: &Address) {
        self.places.leave(remote);
        self.places.give_back();
    }

    /// Does what was asked for: HUP has the lists read again, everything else goes one stage on with stopping.
    pub(crate) fn asked(&self, asked: Asked) {
        if asked.signal == Some(Signal::HUP.as_raw()) { self.read_lists() } else { self.stop() }
    }

    /// A list that cannot be read leaves the one that was read before.
    fn read_lists(&self) {
        let Some(read) = &self.config.guests.lists else { return };
        let event = match read() {
            Ok(lists) => {
                let networks = lists.allow.len() + lists.deny.len();
                *self.lists.write().unwrap_or_else(PoisonError::into_inner) = lists;
                Event::ListsRead { networks }
            }
            Err(fault) => Event::Trouble(fault),
        };
        (self.tell)(event);
    }

    /// Goes one stage on, tells it and wakes every worker.
    fn stop(&self) {
        let stage = match self.stage() {
            Stage::Serving => Stage::Stopping,
            Stage::Stopping | Stage::StoppingNow => Stage::StoppingNow,
        };
        if stage == Stage::Stopping {
            (self.tell)(Event::Stopping { sessions: self.places.taken() });
        }
        self.go_to(stage);
    }

    pub(crate) fn go_to(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::SeqCst);
        self.places.ring_all();
    }

    /// Counts a worker beside the first, for as long as the value lives. Its end rings the bells.
    pub(crate) fn count_worker(&self) -> Counted<'_> {
        self.other_workers.fetch_add(1, Ordering::SeqCst);
        Counted { server: self }
    }

    pub(crate) fn has_other_workers(&self) -> bool {
        self.other_workers.load(Ordering::SeqCst) > 0
    }

    fn served(&self) -> Served {
        Served {
            sessions: self.clients.load(Ordering::Relaxed),
            turned_away: self.turned_away.load(Ordering::Relaxed),
        }
    }
}

/// A worker that is counted.
pub(crate) struct Counted<'a> {
    server: &'a Server<'a>,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.server.other_workers.fetch_sub(1, Ordering::SeqCst);
        self.server.places.ring_all();
    }
}
