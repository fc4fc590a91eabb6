//! A process for each session, forked from a parent with one thread, which accepts, reaps and tells.
//!
//! The children share a row of counters each with the parent: a child writes its counts while it runs and its ending as
//! the last thing it does. So the parent can give the account of a child that was killed as well.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use kernel::process::{self, Ended, Forked, Pid, Signal};
use kernel::signal::{self, Signals};
use kernel::{descriptors, process::exit_now};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use wire::{Doing, End, Fault};

use self::hearsay::{Listener as DataListener, Teller as DataTeller};
use self::report::Reports;
use super::blocking::{BUFFER, Session};
use super::door::{Door, Knock};
use super::timespec_until;
use crate::ending::Ending;
use crate::event::Event;
use crate::listen::Listener;
use crate::serve::{Server, Stage};
use crate::service::Client;
use crate::stop::{Stop, take_one};

mod hearsay;
mod report;

/// How many clients are let in between two looks at everything else.
const ACCEPTS_AT_ONCE: usize = 64;

/// The engine, ready to serve.
pub(crate) struct Prepared<'a> {
    server: &'a Server<'a>,
    door: Door<'a>,
    children: HashMap<Pid, Child>,
    reports: Reports,
    child_signals: Signals,
    data: Option<(DataListener, DataTeller)>,
}

/// What the parent knows of a child.
#[derive(Debug)]
struct Child {
    client: Client,
    remote: SocketAddr,
    opened: Instant,
    row: usize,
}

/// Takes what the engine needs, before anybody is told that it listens.
pub(crate) fn prepare<'a>(server: &'a Server<'a>) -> Result<Prepared<'a>, Fault> {
    let cannot = |errno| Fault::errno(End::Us, Doing::Start, "a process for each client", errno);
    if !process::is_single_threaded() {
        return Err(cannot(Errno::BUSY.raw_os_error()));
    }
    Ok(Prepared {
        server,
        door: Door::new(server, SocketFlags::CLOEXEC),
        children: HashMap::new(),
        reports: Reports::default(),
        child_signals: Signals::take(&[Signal::CHILD]).map_err(cannot)?,
        data: if server.config.tells.data { Some(hearsay::channel().map_err(cannot)?) } else { None },
    })
}

/// Serves until stopped.
pub(crate) fn run(mut engine: Prepared<'_>, listeners: Vec<Listener>, stop: &Stop) -> Result<(), Fault> {
    let result = engine.accept_until_stopped(&listeners, stop);
    drop(listeners);
    if result.is_err() {
        engine.server.go_to(Stage::StoppingNow);
    }
    engine.wait_for_children(stop);
    result
}

impl Prepared<'_> {
    fn accept_until_stopped(&mut self, listeners: &[Listener], stop: &Stop) -> Result<(), Fault> {
        while self.server.stage() == Stage::Serving {
            let watched = if self.door.is_barred() { &[] } else { listeners };
            self.wait(stop, watched, self.door.retry_at())?;
            self.reap();
            if take_one(self.server.places.bell(0))
                || self.door.retry_at().is_some_and(|at| at <= Instant::now())
            {
                self.door.unbar();
            }
            if !self.door.is_barred() {
                listeners.iter().for_each(|listener| self.accept_from(listener));
            }
        }
        Ok(())
    }

    /// Waits for a client, a child, a bell or a request to stop, which it takes.
    fn wait(&self, stop: &Stop, listeners: &[Listener], until: Option<Instant>) -> Result<(), Fault> {
        let bell = self.server.places.bell(0);
        let mut watched = vec![
            PollFd::new(stop, PollFlags::IN),
            PollFd::new(&self.child_signals, PollFlags::IN),
            PollFd::from_borrowed_fd(bell, PollFlags::IN),
        ];
        watched
            .extend(self.data.iter().map(|(data, _)| PollFd::from_borrowed_fd(data.as_fd(), PollFlags::IN)));
        watched.extend(listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)));
        match poll(&mut watched, until.map(timespec_until).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                return Err(Fault::errno(End::Us, Doing::Accept, "any place", error.raw_os_error()));
            }
        }
        while let Some(asked) = stop.take() {
            self.server.asked_to_stop(asked);
        }
        Ok(())
    }

    fn accept_from(&mut self, listener: &Listener) {
        for _ in 0..ACCEPTS_AT_ONCE {
            match self.door.accept(listener) {
                Knock::Client(socket, remote) => self.start(socket, remote),
                Knock::Next => {}
                Knock::Nobody | Knock::Barred => return,
            }
        }
    }

    /// Forks a child for a client.
    fn start(&mut self, socket: OwnedFd, remote: SocketAddr) {
        let client = self.server.next_client();
        let opened = Instant::now();
        let local = super::local_address(self.server, socket.as_fd(), remote);
        let forked = self.reports.take_row().and_then(|row| match process::fork() {
            Ok(Forked::Child) => self.live(socket.as_fd(), client, remote, row, opened),
            Ok(Forked::Parent(pid)) => Ok((pid, row)),
            Err(errno) => {
                self.reports.give_back(row);
                Err(errno)
            }
        });
        // Before anything is told, which may take its time: from here on the connection is the child's alone, and its
        // end is the connection's.
        drop(socket);
        match forked {
            Ok((pid, row)) => {
                self.children.insert(pid, Child { client, remote, opened, row });
                super::tell_opened(self.server, client, local, remote);
            }
            Err(errno) => {
                self.server.places.give_back();
                let fault = Fault::errno(End::Us, Doing::Start, format!("a process for {remote}"), errno);
                (self.server.tell)(Event::Trouble(fault));
            }
        }
    }

    /// A session's whole life, in its own process. Nothing of the parent's is told, written or dropped here.
    fn live(
        &self,
        socket: BorrowedFd<'_>,
        client: Client,
        remote: SocketAddr,
        row: usize,
        opened: Instant,
    ) -> ! {
        process::die_with_parent();
        let data = self.data.as_ref().map(|(_, teller)| teller);
        let kept = [Some(socket), data.map(DataTeller::as_fd)];
        descriptors::keep_only(&kept.into_iter().flatten().collect::<Vec<_>>());
        signal::reset_in_child();
        let hear = |bytes: &[u8]| {
            if let Some(teller) = data {
                teller.tell(client, remote, bytes);
            }
        };
        let report = self.reports.row(row);
        let session = Session {
            socket,
            client,
            meter: report.meter(),
            hear: data.is_some().then_some(&hear),
            is_cut: &|| false,
        };
        let (ending, mut sums) = session.run((self.server.config.service)().as_mut(), &mut vec![0; BUFFER]);
        sums.open = opened.elapsed();
        report.write(&ending.account(socket, &sums));
        exit_now(0)
    }

    /// Takes every child that has ended and tells its end. What it said before comes first.
    fn reap(&mut self) {
        while self.child_signals.next().is_some() {}
        self.hear();
        while let Some(ended) = process::reap() {
            self.hear();
            if let Some(child) = self.children.remove(&ended.pid) {
                self.tell_end(ended, &child);
                self.reports.give_back(child.row);
                self.server.places.give_back();
            }
        }
    }

    fn tell_end(&self, ended: Ended, child: &Child) {
        if !self.server.config.tells.closed {
            return;
        }
        let pid = ended.pid.as_raw_nonzero().get().unsigned_abs();
        let client = child.client.0;
        (self.server.tell)(Event::ChildEnded { pid, client, exit: ended.exit, signal: ended.signal });
        let cut = if self.server.stage() == Stage::StoppingNow { Ending::STOPPED } else { Ending::KILLED };
        let account = self.reports.row(child.row).read(cut, child.opened.elapsed());
        (self.server.tell)(Event::Closed { client, remote: child.remote, account });
    }

    /// Tells what the children heard.
    fn hear(&mut self) {
        if let Some((listener, _)) = &mut self.data {
            let tell = self.server.tell;
            listener.hear(|client, remote, bytes| tell(Event::Data { client, remote, bytes }));
        }
    }

    /// Lets the children finish for the time of grace, then ends them.
    fn wait_for_children(&mut self, stop: &Stop) {
        let grace_ends = Instant::now() + self.server.config.grace;
        let mut were_ended = false;
        loop {
            self.reap();
            if self.children.is_empty() {
                return;
            }
            if Instant::now() >= grace_ends {
                self.server.go_to(Stage::StoppingNow);
            }
            if self.server.stage() == Stage::StoppingNow && !were_ended {
                were_ended = true;
                for pid in self.children.keys() {
                    // It fails only for one that has ended and will be reaped.
                    let _ = process::kill(*pid, Signal::KILL);
                }
            }
            // Errors of poll end the waiting, never the reaping.
            let _ = self.wait(stop, &[], (!were_ended).then_some(grace_ends));
            take_one(self.server.places.bell(0));
        }
    }
}
