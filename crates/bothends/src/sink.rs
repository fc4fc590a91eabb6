//! Lines that clients said, on their way to whoever runs the server: recorded first, where that was asked for, then
//! shown. None is ever lost: while whoever takes them is slow there is no room, and the clients wait.
//!
//! What is shown is in the file already. A thread writes the file, so that a slow disk does not stop the server's loop;
//! where the server forks, and has one thread only, the batch is written by whoever hands it over.

mod recording;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use draw::number::{count, size_in_words};
use ends::serve::Sink;
use ends::service::Line;
use rustix::process::{Signal, getpid, kill_process};
use wire::{Address, Fault, visible_bytes};

use crate::clock::{Clock, stamped};
use crate::out::{Narrator, Out};
use crate::record::{self, Record};

pub use recording::{Fsync, News, Recording};

/// How many bytes may wait, on all the way, before the clients have to.
const MOST: usize = 1 << 20;

/// What lines look like on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    /// As they are, in a pipe or a file.
    Plain,
    /// As text that cannot steer the terminal.
    Terminal { ascii: bool },
    /// As records.
    Records,
}

/// Takes lines, records them, shows them.
pub struct Lines {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    looks: Looks,
    clock: Arc<Clock>,
    narrator: Arc<Narrator>,
    recording: Option<Mutex<Recording>>,
    has_thread: AtomicBool,
    queue: Mutex<Queue>,
    changed: Condvar,
    was_told_to_end: AtomicBool,
}

/// Lines, as they are to be written.
#[derive(Debug, Default)]
struct Batch {
    shown: Vec<u8>,
    recorded: Vec<u8>,
    lines: u64,
}

#[derive(Debug, Default)]
struct Queue {
    /// Lines of a round that is not over.
    coming: Batch,
    /// For the thread.
    ready: Batch,
    /// What the thread is writing, in bytes.
    busy: usize,
    no_more: bool,
}

impl Lines {
    /// Begins. With `may_start_threads` a recording has a thread of its own.
    pub fn new(
        out: &Out,
        clock: &Arc<Clock>,
        narrator: &Arc<Narrator>,
        recording: Option<Recording>,
        may_start_threads: bool,
    ) -> Lines {
        let looks = match (out.json, std::io::stdout().is_terminal()) {
            (true, _) => Looks::Records,
            (false, true) => Looks::Terminal { ascii: out.stdout.ascii },
            (false, false) => Looks::Plain,
        };
        let shared = Arc::new(Shared {
            looks,
            clock: Arc::clone(clock),
            narrator: Arc::clone(narrator),
            recording: recording.map(Mutex::new),
            has_thread: AtomicBool::new(false),
            queue: Mutex::default(),
            changed: Condvar::new(),
            was_told_to_end: AtomicBool::new(false),
        });
        let thread = (may_start_threads && shared.recording.is_some()).then(|| start(&shared)).flatten();
        Lines { shared, thread: Mutex::new(thread) }
    }

    /// Without a thread: what a time has come for; true when there is a time to come.
    pub fn go_on(&self) -> bool {
        !self.shared.has_thread.load(Ordering::Relaxed) && self.shared.sync_if_due().is_some()
    }

    /// Writes a record of something else behind the lines that were handed over before, if they leave it room.
    pub fn record_behind(&self, record: Record) {
        let shared = &self.shared;
        let mut queue = shared.lock();
        let on_the_way = queue.bytes();
        if on_the_way == 0 || on_the_way + shared.narrator.waiting() >= MOST {
            drop(queue);
            return shared.narrator.record(record);
        }
        queue.ready.shown.extend_from_slice(record.line().as_bytes());
        drop(queue);
        shared.changed.notify_all();
    }

    /// Records and shows what is left; the fault when lines are missing from the file.
    pub fn finish(&self) -> Option<Fault> {
        self.flush();
        self.shared.lock().no_more = true;
        self.shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It does not panic; if it did, that has been told.
            let _ = thread.join();
        }
        self.shared.recording.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).finish()
    }
}

impl Sink for Lines {
    fn take(&self, remote: Option<&Address>, line: &Line) {
        let shared = &self.shared;
        let shown = shared.shown(remote, line);
        let recorded = shared.recording.as_ref().map(|_| record::said(stamped("data"), remote, line).line());
        let mut queue = shared.lock();
        queue.coming.shown.extend_from_slice(&shown);
        queue.coming.recorded.extend_from_slice(recorded.unwrap_or_default().as_bytes());
        queue.coming.lines += 1;
    }

    fn flush(&self) {
        let shared = &self.shared;
        let mut queue = shared.lock();
        if queue.coming.lines == 0 {
            return;
        }
        let batch = std::mem::take(&mut queue.coming);
        if shared.has_thread.load(Ordering::Relaxed) {
            queue.ready.join(&batch);
            drop(queue);
            return shared.changed.notify_all();
        }
        // While the lock is held, so that batches stay in order.
        shared.write(batch);
    }

    fn has_room(&self) -> bool {
        let on_the_way = self.shared.lock().bytes();
        on_the_way + self.shared.narrator.waiting() < MOST
    }
}

impl Queue {
    fn bytes(&self) -> usize {
        self.coming.bytes() + self.ready.bytes() + self.busy
    }
}

impl Batch {
    fn bytes(&self) -> usize {
        self.shown.len() + self.recorded.len()
    }

    fn join(&mut self, next: &Batch) {
        self.shown.extend_from_slice(&next.shown);
        self.recorded.extend_from_slice(&next.recorded);
        self.lines += next.lines;
    }
}

fn start(shared: &Arc<Shared>) -> Option<JoinHandle<()>> {
    let own = Arc::clone(shared);
    // Known before the first line comes.
    shared.has_thread.store(true, Ordering::Relaxed);
    let named = std::thread::Builder::new().name("recorder".to_owned());
    match named.spawn(move || own.write_until_the_end()) {
        Ok(thread) => Some(thread),
        Err(_) => {
            shared.has_thread.store(false, Ordering::Relaxed);
            None
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_until_the_end(&self) {
        loop {
            let sync_at = self.sync_if_due();
            let mut queue = self.lock();
            if queue.ready.bytes() == 0 {
                if queue.no_more {
                    return;
                }
                drop(match sync_at {
                    Some(at) => {
                        let left = at.saturating_duration_since(Instant::now());
                        self.changed
                            .wait_timeout(queue, left)
                            .map_or_else(|e| e.into_inner().0, |(queue, _)| queue)
                    }
                    None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                });
                continue;
            }
            let batch = std::mem::take(&mut queue.ready);
            queue.busy = batch.bytes();
            drop(queue);
            self.write(batch);
            self.lock().busy = 0;
        }
    }

    /// Into the file, and only then to standard output.
    fn write(&self, batch: Batch) {
        if let Some(recording) = self.recording.as_ref().filter(|_| batch.lines > 0) {
            let news = {
                let mut recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
                recording.append(&batch.recorded, batch.lines)
            };
            news.iter().for_each(|news| self.narrator.tell(&told(news)));
        }
        self.narrator.print(batch.shown);
        if self.recording.is_none() && self.narrator.is_out_gone() {
            self.end();
        }
    }

    /// The reader of standard output went away, and nothing else is made of the lines: as with any conversation, that is
    /// the end, in order.
    fn end(&self) {
        if !self.was_told_to_end.swap(true, Ordering::Relaxed) {
            // If it does not reach us, we go on, and lines go nowhere.
            let _ = kill_process(getpid(), Signal::TERM);
        }
    }

    /// Syncs when it is time to; gives the time that is still to come.
    fn sync_if_due(&self) -> Option<Instant> {
        let mut recording = self.recording.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recording.sync_at()?;
        if at > Instant::now() {
            return Some(at);
        }
        let news = recording.sync();
        drop(recording);
        news.iter().for_each(|news| self.narrator.tell(&told(news)));
        None
    }

    fn shown(&self, remote: Option<&Address>, line: &Line) -> Vec<u8> {
        match self.looks {
            Looks::Records => record::said(self.clock.record("data"), remote, line).line().into_bytes(),
            Looks::Plain => labelled(remote, line, <[u8]>::to_vec),
            Looks::Terminal { ascii } => {
                labelled(remote, line, |bytes| visible_bytes(bytes, ascii).into_bytes())
            }
        }
    }
}

/// A line with who said it in front: `client 3, 127.0.0.1:40712: text`; where there are rooms `[lobby] ada: text`.
fn labelled(remote: Option<&Address>, line: &Line, shown: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut text = match (&line.room, &line.name, line.client) {
        (Some(room), Some(name), _) => {
            [b"[", &shown(room.as_bytes())[..], b"] ", &shown(name.as_bytes()), b": "].concat()
        }
        (Some(room), None, _) => [b"[", &shown(room.as_bytes())[..], b"] "].concat(),
        (None, Some(name), _) => [&shown(name.as_bytes())[..], b": "].concat(),
        (None, None, Some(client)) => match remote {
            Some(remote) => format!("client {}, {remote}: ", client.0).into_bytes(),
            None => format!("client {}: ", client.0).into_bytes(),
        },
        (None, None, None) => Vec::new(),
    };
    text.extend_from_slice(&shown(&line.bytes));
    if line.cut {
        text.extend_from_slice(b" (cut)");
    }
    text.push(b'\n');
    text
}

/// What happened to the file, in words.
pub fn told(news: &News) -> String {
    match news {
        News::CutOff(bytes) => {
            let cut = size_in_words(*bytes);
            format!("an earlier run ended within a line, which was never shown: {cut} were cut off\n")
        }
        News::Ended => "the last line of the file had no end: it got one\n".to_owned(),
        News::Failing(fault) => {
            format!("{}; lines are shown but not recorded until it can be\n", explain::sentence(fault))
        }
        News::Again(missing) => format!("recording goes on; {} missing\n", are(*missing)),
    }
}

fn are(lines: u64) -> String {
    let are = if lines == 1 { "is" } else { "are" };
    format!("{} {are}", count(lines, "line"))
}

#[cfg(test)]
mod tests;
