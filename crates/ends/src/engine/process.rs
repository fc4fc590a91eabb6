//! A process for each session, forked from a parent with one thread, which accepts, reaps and tells.
//!
//! The children share a row of counters each with the parent: a child writes its counts while it runs and its ending as
//! the last thing it does. So the parent can give the account of a child that was killed as well.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use kernel::descriptors;
use kernel::pages::Pages;
use kernel::process::{self, Ended, Forked, NeverBack, Pid, Signal, exit_now};
use kernel::signal::{self, Signals};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use wire::{Doing, End, Fault};

use self::hearsay::{About, Heard, Hearsay, PACKETS_AT_ONCE, Teller};
use self::report::Reports;
use super::Guest;
use super::blocking::{BUFFER, Ears, Session};
use super::door::{Door, Knock};
use super::watch::Watch;
use crate::ending::Ending;
use crate::event::Event;
use crate::listen::Listener;
use crate::serve::{Server, Stage};
use crate::service::{Client, Line};
use crate::stop::Stop;

mod hearsay;
mod report;

/// How many clients are let in between two looks at everything else.
const ACCEPTS_AT_ONCE: usize = 64;

/// The engine, ready to serve.
pub(crate) struct Prepared<'a> {
    parent: Parent<'a>,
    child_signals: Signals,
    /// Where what the children have to tell comes in.
    heard: OwnedFd,
}

/// The process that accepts.
struct Parent<'a> {
    server: &'a Server<'a>,
    door: Door<'a>,
    /// Those that run.
    running: HashMap<Pid, Client>,
    /// Those that run, and those whose end has not been told.
    children: HashMap<Client, Child>,
    /// Those that have ended and may have left something to be heard first.
    ended: VecDeque<Gone>,
    reports: Reports,
    hearsay: Hearsay,
    /// For the children.
    teller: Teller,
    /// For the children: a child's first reads copy only the pages that they fill.
    buffer: Pages,
    /// Whether the children's lines go to a sink, which may have no room for them.
    shows_lines: bool,
}

/// What the parent knows of a child.
#[derive(Debug)]
struct Child {
    client: Client,
    guest: Guest,
    opened: Instant,
    row: usize,
}

/// A child that has ended.
#[derive(Debug)]
struct Gone {
    client: Client,
    ended: Ended,
    open: Duration,
    /// How much has to be taken from the channel until all that it told is heard.
    heard_at: u64,
}

/// The numbers of the engine's own descriptors in its [`Watch`].
const CHILD_SIGNALS: usize = 0;
const HEARD: usize = 1;

/// How soon it is asked again whether the sink has room.
const ROOM_AGAIN: Duration = Duration::from_millis(5);

/// Takes what the engine needs, before anybody is told that it listens.
pub(crate) fn prepare<'a>(server: &'a Server<'a>) -> Result<Prepared<'a>, Fault> {
    let cannot = |errno| Fault::errno(End::Us, Doing::Start, "a process for each client", errno);
    if !process::is_single_threaded() {
        return Err(cannot(Errno::BUSY.raw_os_error()));
    }
    let shows_lines = server.config.sink.is_some() && (server.config.service)().shows_lines();
    let (heard, teller) = hearsay::channel().map_err(cannot)?;
    let parent = Parent {
        server,
        door: Door::new(server, SocketFlags::CLOEXEC),
        running: HashMap::new(),
        children: HashMap::new(),
        ended: VecDeque::new(),
        reports: Reports::default(),
        hearsay: Hearsay::default(),
        teller,
        buffer: Pages::new(BUFFER).map_err(cannot)?,
        shows_lines,
    };
    let child_signals = Signals::take(&[Signal::CHILD]).map_err(cannot)?;
    Ok(Prepared { parent, child_signals, heard })
}

/// Serves until stopped.
pub(crate) fn run(prepared: Prepared<'_>, listeners: Vec<Listener>, stop: &Stop) -> Result<(), Fault> {
    let Prepared { mut parent, child_signals, heard } = prepared;
    let news = News { child_signals: &child_signals, heard: heard.as_fd() };
    let result = parent.accept_until_stopped(&listeners, stop, &news);
    drop(listeners);
    if result.is_err() {
        parent.server.go_to(Stage::StoppingNow);
    }
    parent.wait_for_children(stop, &news);
    result
}

/// Where the parent hears of its children.
struct News<'f> {
    child_signals: &'f Signals,
    heard: BorrowedFd<'f>,
}

impl<'f> News<'f> {
    fn fds(&self) -> impl Iterator<Item = BorrowedFd<'f>> {
        [self.child_signals.as_fd(), self.heard].into_iter()
    }
}

impl Parent<'_> {
    fn accept_until_stopped(
        &mut self,
        listeners: &[Listener],
        stop: &Stop,
        news: &News<'_>,
    ) -> Result<(), Fault> {
        let mut watch = Watch::new(self.server, stop, news.fds(), listeners);
        while self.server.stage() == Stage::Serving {
            let bell_rang = self.wait(&mut watch, news, self.door.retry_at())?;
            self.hear_of_children(&watch, news);
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
            if !self.listens() {
                return;
            }
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
                self.running.insert(pid, client);
                self.children.insert(client, Child { client, guest, opened, row });
            }
            Err(errno) => {
                self.server.give_back(&guest.remote);
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
        let _never_back = NeverBack;
        process::die_with_parent();
        let teller = &self.teller;
        descriptors::keep_only(&[socket, teller.as_fd()]);
        signal::reset_in_child();
        let total = self.server.config.limits.total;
        let ends_at = total.and_then(|total| Instant::now().checked_add(total));
        let ends = ends_at.and_then(|at| Some((at, socket.try_clone_to_owned().ok()?)));
        teller.speak_of(About { client: client.0, ends });
        let ears = ChildEars { teller, wants_data: self.server.config.tells.data };
        let report = self.reports.row(row);
        let session = Session {
            socket,
            client,
            shape: guest.shape(),
            limits: &self.server.config.limits,
            meter: report.meter(),
            ears: &ears,
            is_cut: &|| false,
        };
        let (ending, mut sums) = session.run((self.server.config.service)().as_mut(), &mut self.buffer);
        sums.open = opened.elapsed();
        report.write(&ending.account(socket, &sums));
        ending.abort_what_was_cut(socket, &sums);
        exit_now(0)
    }

    /// Takes every child that has ended, and tells what the children heard, and the ends of those of whom all is told.
    fn hear_of_children(&mut self, watch: &Watch<'_>, news: &News<'_>) {
        if watch.is_own_readable(CHILD_SIGNALS) {
            while news.child_signals.next().is_some() {}
            self.reap(news);
        }
        if watch.is_own_readable(HEARD) || !self.ended.is_empty() {
            self.tell_what_was_heard(news);
        }
        self.tell_ends();
    }

    fn reap(&mut self, news: &News<'_>) {
        while let Some(ended) = process::reap() {
            let Some(client) = self.running.remove(&ended.pid) else { continue };
            let open = self.children.get(&client).map(|child| child.opened.elapsed()).unwrap_or_default();
            let heard_at = self.hearsay.taken_with_all_of(news.heard);
            self.ended.push_back(Gone { client, ended, open, heard_at });
        }
    }

    /// Of those of whom there is nothing left to hear.
    fn tell_ends(&mut self) {
        let taken = self.hearsay.taken();
        while let Some(gone) = self.ended.pop_front_if(|gone| gone.heard_at <= taken) {
            let Some(child) = self.children.remove(&gone.client) else { continue };
            if let Some(rest) = self.hearsay.forget(gone.client) {
                tell_of(self.server, &child, rest);
                self.flush_sink();
            }
            self.tell_end(&gone, &child);
            self.reports.give_back(child.row);
            self.server.give_back(&child.guest.remote);
        }
    }

    fn tell_end(&self, gone: &Gone, child: &Child) {
        if !self.server.config.tells.closed {
            return;
        }
        let Ended { pid, exit, signal } = gone.ended;
        let (pid, client) = (pid.as_raw_nonzero().get().unsigned_abs(), child.client.0);
        (self.server.tell)(Event::ChildEnded { pid, client, exit, signal });
        let cut = if self.server.stage() == Stage::StoppingNow { Ending::STOPPED } else { Ending::KILLED };
        let account = self.reports.row(child.row).read(cut, gone.open);
        let Guest { transport, remote } = child.guest.clone();
        (self.server.tell)(Event::Closed { client, transport, remote, account });
    }

    /// Takes no more than was there at the start, whatever the others go on to say. Where the sink is full, its batch is
    /// handed over; if that does not help, the children have to wait.
    fn tell_what_was_heard(&mut self, news: &News<'_>) {
        let (server, children) = (self.server, &self.children);
        for _ in 0..PACKETS_AT_ONCE {
            if !self.listens() {
                self.flush_sink();
                if !self.listens() {
                    return;
                }
            }
            let heard_something = self.hearsay.hear(news.heard, |client, heard| {
                if let Some(child) = children.get(&client) {
                    tell_of(server, child, heard);
                }
            });
            if !heard_something {
                break;
            }
        }
        self.flush_sink();
    }

    fn flush_sink(&self) {
        if let Some(sink) = self.server.config.sink.as_ref().filter(|_| self.shows_lines) {
            sink.flush();
        }
    }

    /// Whether what the children tell is taken: where the sink has no room they wait, and with them the clients. When
    /// everything ends there is no more to come than is there.
    fn listens(&self) -> bool {
        let has_room = || self.server.config.sink.as_ref().is_none_or(|sink| sink.has_room());
        !self.shows_lines || self.server.stage() == Stage::StoppingNow || has_room()
    }

    /// Waits. Clients wait to be let in, too, while nobody listens to what they would say.
    fn wait<'f>(
        &self,
        watch: &mut Watch<'f>,
        news: &News<'f>,
        until: Option<Instant>,
    ) -> Result<bool, Fault> {
        let listens = self.listens();
        if self.shows_lines {
            watch.watch_own(HEARD, news.heard, listens);
        }
        let room_again = (!listens).then(|| Instant::now() + ROOM_AGAIN);
        let until = [until, room_again].into_iter().flatten().min();
        watch.wait(listens && !self.door.is_barred(), until)
    }

    /// Lets the children finish for the time of grace, then ends them.
    fn wait_for_children(&mut self, stop: &Stop, news: &News<'_>) {
        let grace_ends = Instant::now() + self.server.config.grace;
        let mut watch = Watch::new(self.server, stop, news.fds(), &[]);
        let mut were_ended = false;
        while !self.children.is_empty() {
            if Instant::now() >= grace_ends {
                self.server.go_to(Stage::StoppingNow);
            }
            if self.server.stage() == Stage::StoppingNow && !were_ended {
                were_ended = true;
                for pid in self.running.keys() {
                    // It fails only for one that has ended and will be reaped.
                    let _ = process::kill(*pid, Signal::KILL);
                }
            }
            // Errors of poll end the waiting, never the reaping.
            let _ = self.wait(&mut watch, news, (!were_ended).then_some(grace_ends));
            self.hear_of_children(&watch, news);
        }
    }
}

/// A child's ears: what they hear goes to the parent.
struct ChildEars<'c> {
    teller: &'c Teller,
    wants_data: bool,
}

impl Ears for ChildEars<'_> {
    fn want_data(&self) -> bool {
        self.wants_data
    }

    fn data(&self, bytes: &[u8], whole: Option<u64>) {
        self.teller.data(bytes, whole);
        // Before the service answers it.
        self.teller.flush();
    }

    /// Services whose lines have rooms and names have one value for all clients, which processes cannot have.
    fn line(&self, line: &Line) {
        self.teller.line(&line.bytes, line.cut);
    }

    fn flush(&self) {
        self.teller.flush();
    }

    /// The parent lets the channel fill up when there is none.
    fn wait_for_room(&self) -> bool {
        self.teller.wait_for_room()
    }

    fn trouble(&self, doing: Doing, errno: Errno) {
        self.teller.trouble(doing, errno.raw_os_error());
        self.teller.flush();
    }
}

/// Passes on what a child told.
fn tell_of(server: &Server<'_>, child: &Child, heard: Heard) {
    let (client, remote) = (child.client, child.guest.remote.clone());
    match heard {
        Heard::Data(bytes, whole_bytes) => {
            (server.tell)(Event::Data { client: client.0, remote, bytes, whole_bytes });
        }
        Heard::Line(bytes, cut) => {
            if let Some(sink) = &server.config.sink {
                let line = Line { client: Some(client), room: None, name: None, bytes, cut };
                sink.take(Some(&remote), &line);
            }
        }
        Heard::Trouble(doing, errno) => {
            (server.tell)(Event::Trouble(Fault::errno(End::Us, doing, remote.to_string(), errno)));
        }
    }
}
