//! A process for each session, forked from a parent with one thread, which accepts, reaps and tells.
//!
//! The children share a row of counters each with the parent: a child writes its counts while it runs and its ending as
//! the last thing it does. So the parent can give the account of a child that was killed as well.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use kernel::descriptors;
use kernel::process::{self, Ended, Forked, Pid, Signal, exit_now};
use kernel::signal::{self, Signals};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use wire::{Doing, End, Fault};

use self::hearsay::{Hearsay, Teller};
use self::report::Reports;
use super::Guest;
use super::blocking::{BUFFER, Session};
use super::door::{Door, Knock};
use super::watch::Watch;
use crate::ending::Ending;
use crate::event::Event;
use crate::listen::Listener;
use crate::serve::{Server, Stage};
use crate::service::Client;
use crate::stop::Stop;

mod hearsay;
mod report;

/// How many clients are let in between two looks at everything else.
const ACCEPTS_AT_ONCE: usize = 64;

/// The engine, ready to serve.
pub(crate) struct Prepared<'a> {
    parent: Parent<'a>,
    child_signals: Signals,
    /// Where what the children hear comes in, when that is wanted.
    heard: Option<OwnedFd>,
}

/// The process that accepts.
struct Parent<'a> {
    server: &'a Server<'a>,
    door: Door<'a>,
    children: HashMap<Pid, Child>,
    reports: Reports,
    hearsay: Hearsay,
    /// For the children; without a way to tell when nobody wants to know.
    teller: Option<Teller>,
    /// For the children: a child's first reads copy only the pages that they fill.
    buffer: Box<[u8]>,
}

/// What the parent knows of a child.
#[derive(Debug)]
struct Child {
    client: Client,
    guest: Guest,
    opened: Instant,
    row: usize,
}

/// The numbers of the engine's own descriptors in its [`Watch`].
const CHILD_SIGNALS: usize = 0;
const HEARD: usize = 1;

/// Takes what the engine needs, before anybody is told that it listens.
pub(crate) fn prepare<'a>(server: &'a Server<'a>) -> Result<Prepared<'a>, Fault> {
    let cannot = |errno| Fault::errno(End::Us, Doing::Start, "a process for each client", errno);
    if !process::is_single_threaded() {
        return Err(cannot(Errno::BUSY.raw_os_error()));
    }
    let channel = if server.config.tells.data { Some(hearsay::channel().map_err(cannot)?) } else { None };
    let (heard, teller) = channel.unzip();
    let parent = Parent {
        server,
        door: Door::new(server, SocketFlags::CLOEXEC),
        children: HashMap::new(),
        reports: Reports::default(),
        hearsay: Hearsay::default(),
        teller,
        buffer: vec![0; BUFFER].into_boxed_slice(),
    };
    let child_signals = Signals::take(&[Signal::CHILD]).map_err(cannot)?;
    Ok(Prepared { parent, child_signals, heard })
}

/// Serves until stopped.
pub(crate) fn run(prepared: Prepared<'_>, listeners: Vec<Listener>, stop: &Stop) -> Result<(), Fault> {
    let Prepared { mut parent, child_signals, heard } = prepared;
    let ears = Ears { child_signals: &child_signals, heard: heard.as_ref().map(AsFd::as_fd) };
    let result = parent.accept_until_stopped(&listeners, stop, &ears);
    drop(listeners);
    if result.is_err() {
        parent.server.go_to(Stage::StoppingNow);
    }
    parent.wait_for_children(stop, &ears);
    result
}

/// Where the parent hears of its children.
struct Ears<'f> {
    child_signals: &'f Signals,
    heard: Option<BorrowedFd<'f>>,
}

impl<'f> Ears<'f> {
    fn fds(&self) -> impl Iterator<Item = BorrowedFd<'f>> {
        [Some(self.child_signals.as_fd()), self.heard].into_iter().flatten()
    }
}

impl Parent<'_> {
    fn accept_until_stopped(
        &mut self,
        listeners: &[Listener],
        stop: &Stop,
        ears: &Ears<'_>,
    ) -> Result<(), Fault> {
        let mut watch = Watch::new(self.server, stop, ears.fds(), listeners);
        while self.server.stage() == Stage::Serving {
            let bell_rang = watch.wait(!self.door.is_barred(), self.door.retry_at())?;
            self.hear_of_children(&watch, ears);
            self.door.unbar_if(bell_rang);
            for (number, listener) in listeners.iter().enumerate() {
                if watch.is_knocked_at(number) {
                    self.accept_from(listener);
                }
            }
        }
        Ok(())
    }

    fn accept_from(&mut self, listener: &Listener) {
        for _ in 0..ACCEPTS_AT_ONCE {
            match self.door.accept(listener) {
                Knock::Client(socket, guest) => self.start(socket, guest),
                Knock::Next => {}
                Knock::Nobody | Knock::Barred => return,
            }
        }
    }

    /// Forks a child for a client.
    fn start(&mut self, socket: OwnedFd, guest: Guest) {
        let client = self.server.next_client();
        let opened = Instant::now();
        let local = super::local_address(self.server, socket.as_fd());
        let forked = self.reports.take_row().and_then(|row| match process::fork() {
            Ok(Forked::Child) => self.live(socket.as_fd(), client, &guest, row, opened),
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
                super::tell_opened(self.server, client, local, &guest);
                self.children.insert(pid, Child { client, guest, opened, row });
            }
            Err(errno) => {
                self.server.places.give_back();
                let fault =
                    Fault::errno(End::Us, Doing::Start, format!("a process for {}", guest.remote), errno);
                (self.server.tell)(Event::Trouble(fault));
            }
        }
    }

    /// A session's whole life, in its own process. Nothing of the parent's is told, written or dropped here.
    fn live(
        &mut self,
        socket: BorrowedFd<'_>,
        client: Client,
        guest: &Guest,
        row: usize,
        opened: Instant,
    ) -> ! {
        process::die_with_parent();
        let teller = self.teller.as_ref();
        match teller {
            Some(teller) => descriptors::keep_only(&[socket, teller.as_fd()]),
            None => descriptors::keep_only(&[socket]),
        }
        signal::reset_in_child();
        let hear = |bytes: &[u8]| {
            if let Some(teller) = teller {
                teller.tell(client, &guest.remote, bytes);
            }
        };
        let report = self.reports.row(row);
        let session = Session {
            socket,
            client,
            shape: guest.shape(),
            meter: report.meter(),
            hear: teller.is_some().then_some(&hear),
            is_cut: &|| false,
        };
        let (ending, mut sums) = session.run((self.server.config.service)().as_mut(), &mut self.buffer);
        sums.open = opened.elapsed();
        report.write(&ending.account(socket, &sums));
        exit_now(0)
    }

    /// Tells what the children heard, takes every child that has ended and tells its end: what it heard comes first.
    fn hear_of_children(&mut self, watch: &Watch<'_>, ears: &Ears<'_>) {
        if watch.is_own_readable(HEARD) {
            self.tell_what_was_heard(ears);
        }
        if !watch.is_own_readable(CHILD_SIGNALS) {
            return;
        }
        while ears.child_signals.next().is_some() {}
        while let Some(ended) = process::reap() {
            self.tell_what_was_heard(ears);
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
        let Guest { transport, remote } = child.guest.clone();
        (self.server.tell)(Event::Closed { client, transport, remote, account });
    }

    fn tell_what_was_heard(&mut self, ears: &Ears<'_>) {
        if let Some(heard) = ears.heard {
            let tell = self.server.tell;
            self.hearsay.hear(heard, |client, remote, bytes| {
                tell(Event::Data { client, remote, bytes, whole_bytes: None });
            });
        }
    }

    /// Lets the children finish for the time of grace, then ends them.
    fn wait_for_children(&mut self, stop: &Stop, ears: &Ears<'_>) {
        let grace_ends = Instant::now() + self.server.config.grace;
        let mut watch = Watch::new(self.server, stop, ears.fds(), &[]);
        let mut were_ended = false;
        while !self.children.is_empty() {
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
            let _ = watch.wait(false, (!were_ended).then_some(grace_ends));
            self.hear_of_children(&watch, ears);
        }
    }
}
