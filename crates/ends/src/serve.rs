//! A server for many: what it is made of, and its one entry.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use wire::{Address, Fault};

use crate::engine;
use crate::event::Event;
use crate::listen::{Listener, Place};
use crate::places::Places;
use crate::service::{Client, Service};
use crate::stop::{Asked, Stop};

/// A server to be run.
pub struct Config {
    /// Where to listen; all of them or none.
    pub places: Vec<Place>,
    /// Makes the service: once for each worker of the event engine, once for each session of the others.
    pub service: Box<dyn Fn() -> Box<dyn Service> + Send + Sync>,
    /// What runs the sessions.
    pub engine: Engine,
    /// How many sessions at once; none: as many as come.
    pub max_connections: Option<usize>,
    /// What happens to clients beyond that.
    pub when_full: WhenFull,
    /// How long sessions may go on after the first request to stop.
    pub grace: Duration,
    /// What to tell; the rest costs nothing.
    pub tells: Tells,
    /// For whoever is told but cannot pass it on at once and has no thread to do so later: asked before the process
    /// engine waits, and soon again while it gives true, which means that something is left.
    pub left_to_tell: Option<LeftToTell>,
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
            grace: Duration::from_secs(2),
            tells: Tells::default(),
            left_to_tell: None,
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
    let listeners: Vec<Listener> = config.places.iter().map(Listener::open).collect::<Result<_, _>>()?;
    let workers = match config.engine {
        Engine::Event { workers } => workers.max(1),
        Engine::Thread | Engine::Process => 1,
    };
    let server = Server {
        config,
        tell,
        places: Places::new(config.max_connections, workers)?,
        clients: AtomicU64::new(0),
        turned_away: AtomicU64::new(0),
        stage: AtomicU8::new(Stage::Serving as u8),
        other_workers: AtomicUsize::new(0),
    };
    let service = (config.service)().name();
    let start = || {
        for listener in &listeners {
            let (transport, address) = (listener.transport, listener.address.clone());
            tell(Event::Listening { transport, address, service, engine: config.engine.name() });
        }
    };
    match config.engine {
        Engine::Event { .. } => {
            let workers = engine::event::prepare(&server, workers)?;
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

/// What all parts of a running server share.
pub(crate) struct Server<'a> {
    pub(crate) config: &'a Config,
    pub(crate) tell: &'a (dyn Fn(Event) + Sync),
    pub(crate) places: Places,
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

    pub(crate) fn turn_away(&self, remote: Address) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        // Without a limit of ours it is that of the descriptors that has been reached.
        let limit = self.places.limit().unwrap_or_else(|| self.places.taken());
        (self.tell)(Event::TurnedAway { remote, limit });
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::SeqCst) {
            0 => Stage::Serving,
            1 => Stage::Stopping,
            _ => Stage::StoppingNow,
        }
    }

    /// Goes one stage on, tells it and wakes every worker.
    pub(crate) fn asked_to_stop(&self, _asked: Asked) {
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
