//! A blocking thread for each session; the calling thread accepts.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope};
use std::time::Instant;

use rustix::net::{Shutdown, SocketFlags, shutdown};
use wire::{Doing, End, Fault};

use super::Guest;
use super::blocking::{BUFFER, Meter, Session};
use super::door::{Door, Knock};
use super::watch::Watch;
use crate::event::Event;
use crate::listen::Listener;
use crate::serve::{Server, Stage};
use crate::service::Client;
use crate::stop::Stop;

/// A session's stack in bytes: the callback that tells what happened runs on it. Only what is touched costs memory.
const STACK: usize = 128 * 1024;

/// How many clients are let in between two looks at everything else.
const ACCEPTS_AT_ONCE: usize = 64;

/// The sockets of the sessions that run, so that they can be cut when the server must end.
type Sockets = Mutex<HashMap<Client, Arc<OwnedFd>>>;

/// Serves until stopped.
pub(crate) fn run(server: &Server<'_>, listeners: Vec<Listener>, stop: &Stop) -> Result<(), Fault> {
    let sockets = Sockets::default();
    std::thread::scope(|scope| {
        let engine = Engine { server, sockets: &sockets, scope };
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
    scope: &'scope Scope<'scope, 'env>,
}

impl Engine<'_, '_> {
    fn accept_until_stopped(&self, listeners: &[Listener], stop: &Stop) -> Result<(), Fault> {
        let mut door = Door::new(self.server, SocketFlags::CLOEXEC);
        let mut watch = Watch::new(self.server, stop, [], listeners);
        while self.server.stage() == Stage::Serving {
            let bell_rang = watch.wait(!door.is_barred(), door.retry_at())?;
            door.unbar_if(bell_rang);
            for (number, listener) in listeners.iter().enumerate() {
                if watch.is_knocked_at(number) {
                    self.accept_from(listener, &mut door);
                }
            }
        }
        Ok(())
    }

    fn accept_from(&self, listener: &Listener, door: &mut Door<'_>) {
        for _ in 0..ACCEPTS_AT_ONCE {
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
        let (server, sockets) = (self.server, self.sockets);
        let remote = guest.remote.clone();
        let live = move || live(server, sockets, client, socket, guest);
        if let Err(error) = Builder::new().stack_size(STACK).spawn_scoped(self.scope, live) {
            // The thread's half of the socket is gone with the closure; this one's end closes it.
            lock(self.sockets).remove(&client);
            self.server.places.give_back();
            let fault = Fault::io(End::Us, Doing::Start, format!("a thread for {remote}"), &error);
            (self.server.tell)(Event::Trouble(fault));
        }
    }

    /// Lets the sessions finish for the time of grace, then cuts them.
    fn wait_for_sessions(&self, stop: &Stop) {
        let grace_ends = Instant::now() + self.server.config.grace;
        let mut watch = Watch::new(self.server, stop, [], &[]);
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
fn live(server: &Server<'_>, sockets: &Sockets, client: Client, socket: Arc<OwnedFd>, guest: Guest) {
    let opened = Instant::now();
    let local = super::local_address(server, socket.as_fd());
    super::tell_opened(server, client, local, &guest);
    let tell_data = |bytes: &[u8]| super::tell_data(server, client, &guest.remote, bytes);
    let (in_bytes, out_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let session = Session {
        socket: socket.as_fd(),
        client,
        shape: guest.shape(),
        meter: Meter { in_bytes: &in_bytes, out_bytes: &out_bytes },
        hear: server.config.tells.data.then_some(&tell_data),
        is_cut: &|| server.stage() == Stage::StoppingNow,
    };
    let (ending, mut sums) = session.run((server.config.service)().as_mut(), &mut vec![0; BUFFER]);
    sums.open = opened.elapsed();
    let account = server.config.tells.closed.then(|| ending.account(socket.as_fd(), &sums));
    ending.abort_what_was_cut(socket.as_fd(), &sums);
    lock(sockets).remove(&client);
    drop(socket);
    server.places.give_back();
    if let Some(account) = account {
        let Guest { transport, remote } = guest;
        (server.tell)(Event::Closed { client: client.0, transport, remote, account });
    }
}

/// No thread panics while it holds the lock; if one did, the map would still be whole.
fn lock(sockets: &Sockets) -> MutexGuard<'_, HashMap<Client, Arc<OwnedFd>>> {
    sockets.lock().unwrap_or_else(PoisonError::into_inner)
}
