//! The forwarding loop: the thread that carries every packet of the private network.
//!
//! One thread owns both descriptors and both directions: on two cores that is faster than two, and nothing has to be
//! locked. It reads a packet, asks the [`Link`] what becomes of it, holds it until its time has come and writes it to the
//! other end. What there is to tell leaves through a channel that the loop never waits for; what nobody fetches in time
//! is counted as missed.

mod bundle;
mod clock;
mod engine;
mod gauge;
mod margin;
mod outgoing;
mod port;
mod queue;
pub(crate) mod tally;
mod teller;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, eventfd};
use wire::{Cause, Doing, End, Fault};

use crate::calibration::Current;
use crate::config::{Config, Keep};
use crate::control;
use crate::event::{DirectionReport, LinkFrame};
use crate::link::{Direction, Link};
use crate::link_end::LinkEnd;
pub(crate) use clock::Clock;
use engine::Parts;
use teller::{Budget, Teller, Told};

/// How many messages of the loop are taken before others are heard.
const BATCHES_AT_ONCE: usize = 4;

/// What the loop tells while it runs.
#[derive(Debug)]
pub(crate) enum Report {
    /// A packet entered the link and its fate is final. In order of entering.
    Frame(LinkFrame),
    /// So many packets were carried but not told, because nobody fetched the reports.
    Missed(u64),
    /// Asked for by [`Running::ask_idle`]: nothing was under way and nothing was waiting to enter. Every frame so far
    /// has been told before it.
    Idle,
}

/// The counters of a loop that has ended. Their unplanned drops are those of the writes; what the devices dropped is
/// not known here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopped {
    /// From the client to the server.
    pub(crate) up: DirectionReport,
    /// From the server to the client.
    pub(crate) down: DirectionReport,
}

/// The loop as seen by the main thread.
#[derive(Debug)]
pub(crate) struct Running {
    control: Arc<Control>,
    budget: Arc<Budget>,
    reports: Receiver<Told>,
    /// Readable when reports wait.
    wake: Arc<OwnedFd>,
    thread: JoinHandle<Stopped>,
}

/// A loop whose thread is there and waits for the ends of its link.
#[derive(Debug)]
pub(crate) struct Prepared {
    ends: Sender<[LinkEnd; 2]>,
    running: Running,
}

/// By what delays are shorter.
#[derive(Debug, Default)]
pub(crate) struct Calibrated {
    /// As it is at present.
    pub(crate) costs: Current,
    /// From where the gauge comes, if it is measured here.
    pub(crate) gauge: Option<control::Control>,
}

/// What the main thread asks of the loop.
#[derive(Debug)]
struct Control {
    /// Wakes the loop.
    call: OwnedFd,
    idle_asked: AtomicBool,
    stop: AtomicBool,
}

/// Prepares the loop of a link whose ends come later. Nothing that forks may come after it.
pub(crate) fn prepare(config: &Config, calibrated: Calibrated) -> Result<Prepared, Fault> {
    let link = Link::new(config.seed, config.link.clone());
    prepare_link(Budget::default(), link, config.keep, calibrated)
}

/// The same where only what comes from the first end passes the rules: a host's line to the switch.
pub(crate) fn prepare_uplink(
    from: Direction,
    seed: u64,
    config: &Config,
    calibrated: Calibrated,
) -> Result<Prepared, Fault> {
    let link = Link::new(seed, config.link.one_way(from));
    prepare_link(Budget::default(), link, config.keep, calibrated)
}

fn prepare_link(budget: Budget, link: Link, keep: Keep, calibrated: Calibrated) -> Result<Prepared, Fault> {
    let control = Arc::new(Control { call: event()?, idle_asked: false.into(), stop: false.into() });
    let (budget, wake) = (Arc::new(budget), Arc::new(event()?));
    let (sender, reports) = mpsc::channel();
    let (ends, coming) = mpsc::channel();
    let teller = Teller::new(sender, wake.clone(), budget.clone(), keep);
    let parts = Parts { link, teller, calibrated, control: control.clone() };
    // None come where the hosts could not be made.
    let life = move || coming.recv().map_or_else(|_| Stopped::default(), |ends| engine::run(ends, parts));
    let thread = thread::Builder::new().name("link".to_owned()).spawn(life);
    let thread = thread.map_err(|error| Fault::io(End::Us, Doing::Start, "the link", &error))?;
    Ok(Prepared { ends, running: Running { control, budget, reports, wake, thread } })
}

impl Prepared {
    /// Lets the loop run.
    pub(crate) fn start(self, [client, server]: [LinkEnd; 2]) -> Result<Running, Fault> {
        let Prepared { ends, running } = self;
        if (client.vnet_header, client.l2_len) != (server.vnet_header, server.l2_len) {
            let cause = Cause::Words("its two ends frame their packets differently".to_owned());
            return Err(Fault { end: End::Us, doing: Doing::Start, at: "the link".to_owned(), cause });
        }
        // It only fails when the thread has ended, which is then seen by whoever asks it for something.
        let _ = ends.send([client, server]);
        Ok(running)
    }

    /// Ends its thread: afterwards this process may fork again.
    pub(crate) fn abandon(self) {
        let Prepared { ends, running } = self;
        drop(ends);
        let _ = running.thread.join();
    }
}

fn event() -> Result<OwnedFd, Fault> {
    eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
        .map_err(|errno| Fault::errno(End::Us, Doing::Open, "an eventfd", errno.raw_os_error()))
}

impl Running {
    /// Readable when reports wait.
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Hands over waiting reports, and never waits for more. Some may be left for the next time: whoever tells them may be
    /// slower than they come, and has others to hear.
    pub(crate) fn take(&mut self, emit: &mut dyn FnMut(Report)) {
        // Cleared first: what is told from now on makes it readable again.
        clear(&self.wake);
        for _ in 0..BATCHES_AT_ONCE {
            let Ok(told) = self.reports.try_recv() else { return };
            hand_over(told, &self.budget, emit);
        }
        ring(&self.wake);
    }

    /// Asks for one [`Report::Idle`] as soon as, at one moment, nothing is under way on the link, nothing waits to
    /// enter it, and every frame has been told.
    pub(crate) fn ask_idle(&mut self) {
        self.control.idle_asked.store(true, Ordering::Release);
        ring(&self.control.call);
    }

    /// Ends the loop and emits what still waits. What is under way is delivered if its time comes within a second;
    /// what is not, is told as stopped.
    pub(crate) fn stop(self, emit: &mut dyn FnMut(Report)) -> Stopped {
        self.control.stop.store(true, Ordering::Release);
        ring(&self.control.call);
        // The other end of the channel goes with the thread, so this ends when the loop has.
        while let Ok(told) = self.reports.recv() {
            hand_over(told, &self.budget, emit);
        }
        self.thread.join().unwrap_or_else(|_| Stopped::default())
    }
}

/// Hands over what came at once, one by one.
fn hand_over(told: Told, budget: &Budget, emit: &mut dyn FnMut(Report)) {
    match told {
        Told::Frames(batch) => {
            budget.give_back(&batch);
            batch.frames().for_each(|frame| emit(Report::Frame(frame)));
        }
        Told::Missed(frames) => emit(Report::Missed(frames)),
        Told::Idle => emit(Report::Idle),
    }
}

/// Makes an eventfd readable. It can only be full after 2^64 calls that nobody answered.
fn ring(event: &OwnedFd) {
    let _ = rustix::io::write(event, &1u64.to_ne_bytes());
}

/// Makes an eventfd unreadable until the next ring; it is already when this fails.
fn clear(event: &OwnedFd) {
    let _ = rustix::io::read(event, &mut [0; 8]);
}

#[cfg(test)]
mod tests;
