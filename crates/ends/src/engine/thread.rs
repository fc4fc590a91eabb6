//! A blocking thread for each session; the calling thread accepts.
//!
//! A service of its own is all that a session has to do with. Where clients reach each other, one service is there for all
//! of them: see [`shared`].

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope};
use std::time::{Duration, Instant};

use kernel::pages::Pages;
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags, shutdown};
use wire::{Doing, End, Fault};

use self::shared::Shared;
use super::Guest;
use super::blocking::{BUFFER, Ears, Meter, Session};
use super::door::{Door, Knock};
use super::watch::Watch;
use crate::ending::{Ending, Sums};
use crate::event::Event;
use crate::listen::Listener;
use crate::serve::{Server, Stage};
use crate::service::{Client, Line};
use crate::stop::Stop;

mod shared;

/// A session's stack in bytes: the callback that tells what happened runs on it. Only what is touched costs memory.
const STACK: usize = 128 * 1024;

/// How many clients are let in between two looks at everything else.
const ACCEPTS_AT_ONCE: usize = 64;

/// How soon it is asked again whether more lines may be shown.
const ROOM_AGAIN: Duration = Duration::from_millis(5);

/// The number of the operator's descriptor in the [`Watch`].
const OPERATOR: usize = 0;

/// The sockets of the sessions that run, so that they can be cut when the server must end.
type Sockets = Mutex<HashMap<Client, Arc<OwnedFd>>>;

/// Serves until stopped.
pub(crate) fn run(server: &Server<'_>, listeners: Vec<Listener>, stop: &Stop) -> Result<(), Fault> {
    let sockets = Sockets::default();
    let service = (server.config.service)();
    let shows_lines = service.shows_lines();
    let shared = service.is_shared().then(|| Shared::new(server, service));
    std::thread::scope(|scope| {
        let engine = Engine { server, sockets: &sockets, shared: shared.as_ref(), shows_lines, scope };
        let result = engine.accept_until_stopped(&listeners, stop);
        drop(listeners);
        if result.is_err() {
            server.go_to(Stage::StoppingNow);
        }
        engine.wait_for_sessions(stop);
        result
    })
}

struct Engine<'scope, 'env> {
    server: &'env Server<'env>,
    sockets: &'env Sockets,
    /// The service of all, where there is one.
    shared: Option<&'env Shared<'env>>,
    shows_lines: bool,
    scope: &'scope Scope<'scope, 'env>,
}

impl<'scope> Engine<'scope, '_> {
    fn accept_until_stopped(&self, listeners: &[Listener], stop: &Stop) -> Result<(), Fault> {
        let mut door = Door::new(self.server, SocketFlags::CLOEXEC);
        let operator = self.server.config.operator.as_ref();
        let mut watch = Watch::new(self.server, stop, operator.map(AsFd::as_fd), listeners);
        while self.server.stage() == Stage::Serving {
            let has_room = self.sink_has_room();
            if let Some(operator) = operator {
                watch.watch_own(OPERATOR, operator.as_fd(), has_room);
            }
            let room_again = (!has_room).then(|| Instant::now() + ROOM_AGAIN);
            let until = [door.retry_at(), room_again].into_iter().flatten().min();
            let bell_rang = watch.wait(!door.is_barred() && has_room, until)?;
            door.unbar_if(bell_rang);
            if watch.is_own_readable(OPERATOR) {
                self.listen_to_operator();
            }
            for (number, listener) in listeners.iter().enumerate() {
                if watch.is_knocked_at(number) {
                    self.accept_from(listener, &mut door);
                }
            }
        }
        Ok(())
    }

    /// What is typed, and who comes and goes, is told in lines: where nobody takes them, both wait.
    fn sink_has_room(&self) -> bool {
        !self.shows_lines || self.server.config.sink.as_ref().is_none_or(|sink| sink.has_room())
    }

    fn listen_to_operator(&self) {
        let Some(operator) = &self.server.config.operator else { return };
        while self.sink_has_room()
            && let Some(line) = operator.take()
        {
            if let Some(shared) = self.shared {
                shared.operator(&line);
            }
        }
    }

    fn accept_from(&self, listener: &Listener, door: &mut Door<'_>) {
        for _ in 0..ACCEPTS_AT_ONCE {
            if !self.sink_has_room() {
                return;
            }
            match door.accept(listener) {
                Knock::Client(socket, guest) => self.start(socket, guest),
                Knock::Next => {}
                Knock::Nobody | Knock::Barred => return,
            }
        }
    }

    fn start(&self, socket: OwnedFd, guest: Guest) {
        let client = self.server.next_client();
        let socket = Arc::new(socket);
        lock(self.sockets).insert(client, Arc::clone(&socket));
        let remote = guest.remote.clone();
        let life = Life { server: self.server, sockets: self.sockets, shared: self.shared, client, guest };
        // The socket is closed with the closure that was not run.
        if let Err(error) = self.spawn(move |buffer| life.live(socket, buffer)) {
            lock(self.sockets).remove(&client);
            self.server.give_back(&remote);
            let fault = Fault::io(End::Us, Doing::Start, format!("a thread for {remote}"), &error);
            (self.server.tell)(Event::Trouble(fault));
        }
    }

    /// A thread with a buffer; what it would run is dropped where there is no room for either.
    fn spawn(&self, live: impl FnOnce(Pages) + Send + 'scope) -> std::io::Result<()> {
        let buffer = Pages::new(BUFFER).map_err(std::io::Error::from_raw_os_error)?;
        Builder::new().stack_size(STACK).spawn_scoped(self.scope, move || live(buffer)).map(drop)
    }

    /// Lets the sessions finish for the time of grace, then cuts them.
    fn wait_for_sessions(&self, stop: &Stop) {
        let grace_ends = Instant::now() + self.server.config.grace;
        let operator = self.server.config.operator.as_ref();
        let mut watch = Watch::new(self.server, stop, operator.map(AsFd::as_fd), &[]);
        loop {
            self.server.places.wake_me();
            if self.server.places.taken() == 0 {
                return;
            }
            if Instant::now() >= grace_ends {
                self.server.go_to(Stage::StoppingNow);
            }
            let is_cut = self.server.stage() == Stage::StoppingNow;
            if is_cut {
                self.cut_all();
            }
            // Errors of poll end the waiting for the bell, never the looking at places.
            let _ = watch.wait(false, (!is_cut).then_some(grace_ends));
            if watch.is_own_readable(OPERATOR) {
                self.listen_to_operator();
            }
        }
    }

    /// Wakes every session that waits in a call on its socket.
    fn cut_all(&self) {
        for socket in lock(self.sockets).values() {
            let _ = shutdown(socket, Shutdown::Both);
        }
    }
}

/// A session's whole life, in its thread.
struct Life<'env> {
    server: &'env Server<'env>,
    sockets: &'env Sockets,
    shared: Option<&'env Shared<'env>>,
    client: Client,
    guest: Guest,
}

impl Life<'_> {
    fn live(self, socket: Arc<OwnedFd>, mut buffer: Pages) {
        let opened = Instant::now();
        let local = super::local_address(self.server, socket.as_fd());
        super::tell_opened(self.server, self.client, local, &self.guest);
        let (ending, mut sums) = match self.shared {
            Some(shared) => shared.live(&socket, self.client, &self.guest, &self, &mut buffer),
            None => self.talk(&socket, &mut buffer),
        };
        sums.open = opened.elapsed();
        let account = self.server.config.tells.closed.then(|| ending.account(socket.as_fd(), &sums));
        ending.abort_what_was_cut(socket.as_fd(), &sums);
        lock(self.sockets).remove(&self.client);
        drop(socket);
        self.server.give_back(&self.guest.remote);
        if let Some(account) = account {
            let Guest { transport, remote } = self.guest;
            (self.server.tell)(Event::Closed { client: self.client.0, transport, remote, account });
        }
    }

    /// A session with a service of its own.
    fn talk(&self, socket: &OwnedFd, buffer: &mut [u8]) -> (Ending, Sums) {
        let [in_bytes, out_bytes, unsent_bytes] = [const { AtomicU64::new(0) }; 3];
        let session = Session {
            socket: socket.as_fd(),
            client: self.client,
            shape: self.guest.shape(),
            limits: &self.server.config.limits,
            meter: Meter { in_bytes: &in_bytes, out_bytes: &out_bytes, unsent_bytes: &unsent_bytes },
            ears: self,
            is_cut: &|| self.is_cut(),
        };
        session.run((self.server.config.service)().as_mut(), buffer)
    }

    fn is_cut(&self) -> bool {
        self.server.stage() == Stage::StoppingNow
    }
}

impl Ears for Life<'_> {
    fn want_data(&self) -> bool {
        self.server.config.tells.data
    }

    fn data(&self, bytes: &[u8], whole_bytes: Option<u64>) {
        let (client, remote, bytes) = (self.client.0, self.guest.remote.clone(), bytes.to_vec());
        (self.server.tell)(Event::Data { client, remote, bytes, whole_bytes });
    }

    fn line(&self, line: &Line) {
        if let Some(sink) = &self.server.config.sink {
            sink.take(Some(&self.guest.remote), line);
        }
    }

    fn flush(&self) {
        if let Some(sink) = &self.server.config.sink {
            sink.flush();
        }
    }

    fn wait_for_room(&self) -> bool {
        let has_room = || self.server.config.sink.as_ref().is_none_or(|sink| sink.has_room());
        has_room() || {
            std::thread::sleep(ROOM_AGAIN);
            has_room()
        }
    }

    fn trouble(&self, doing: Doing, errno: Errno) {
        let at = self.guest.remote.to_string();
        (self.server.tell)(Event::Trouble(Fault::errno(End::Us, doing, at, errno.raw_os_error())));
    }
}

/// No thread panics while it holds the lock; if one did, the map would still be whole.
fn lock(sockets: &Sockets) -> MutexGuard<'_, HashMap<Client, Arc<OwnedFd>>> {
    sockets.lock().unwrap_or_else(PoisonError::into_inner)
}
