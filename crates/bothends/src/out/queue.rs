//! Lines that must not make anybody wait: what a server tells goes into a bounded queue, and from there to the terminal
//! or pipe. When that is slower than the server, lines are dropped and counted.
//!
//! A thread writes the queue out, except where the server forks: a process that forks has one thread only. There the
//! queue is written by whoever adds to it, as far as the other side takes it without waiting.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::record::Record;

/// The most bytes that wait.
const MOST: usize = 1 << 20;
/// What a pipe takes without waiting once poll says that it takes anything: PIPE_BUF, pipe(7).
const AT_ONCE: usize = 4096;
/// How long the end of the program waits for a slow reader.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// Tells lines without ever waiting.
pub struct Narrator {
    shared: Arc<Shared>,
    /// None where the caller itself writes.
    thread: Option<JoinHandle<()>>,
    ascii: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<(Stream, Vec<u8>)>,
    bytes: usize,
    /// How much of the first line is written already.
    written: usize,
    missed: u64,
    no_more: bool,
    /// The thread writes something that it has taken out.
    busy: bool,
    gone: [bool; 2],
    sinks: Option<[Sink; 2]>,
}

impl Narrator {
    /// One whose lines are written by a thread of its own.
    pub fn with_thread(ascii: bool) -> Narrator {
        let mut narrator = Narrator::without_thread(ascii);
        let shared = Arc::clone(&narrator.shared);
        let named = std::thread::Builder::new().name("narrator".to_owned());
        // Without a thread the caller writes: slower, but nothing is lost.
        narrator.thread = named.spawn(move || write_until_the_end(&shared)).ok();
        narrator
    }

    /// One whose lines are written by the caller, as far as that needs no waiting: for a process that forks.
    pub fn without_thread(ascii: bool) -> Narrator {
        let shared = Shared { queue: Mutex::default(), changed: Condvar::new() };
        Narrator { shared: Arc::new(shared), thread: None, ascii }
    }

    /// Tells a line on standard error.
    pub fn tell(&self, line: &str) {
        let mut queue = self.shared.lock();
        if queue.missed > 0 && queue.has_room(line.len() + 100) {
            let missed = std::mem::take(&mut queue.missed);
            let told = format!("({missed} lines are missing here: they were not read fast enough)\n");
            queue.push(Stream::Err, told.into_bytes());
        }
        let line = if self.ascii { super::asciified(line) } else { line.to_owned() };
        queue.push(Stream::Err, line.into_bytes());
        self.written_by_somebody(queue);
    }

    /// Writes a record to standard output; one that follows dropped ones says how many.
    pub fn record(&self, record: Record) {
        let mut queue = self.shared.lock();
        let missed = queue.missed;
        let record = if missed > 0 { record.with("missed", missed) } else { record };
        let line = record.line().into_bytes();
        if queue.push(Stream::Out, line) && missed > 0 {
            queue.missed = 0;
        }
        self.written_by_somebody(queue);
    }

    fn written_by_somebody(&self, mut queue: MutexGuard<'_, Queue>) {
        match self.thread {
            Some(_) => self.shared.changed.notify_all(),
            None => queue.write_without_waiting(Duration::ZERO),
        }
    }

    /// Writes what is left, for as long as a slow reader may be waited for.
    pub fn finish(self) {
        let until = Instant::now() + PATIENCE;
        let mut queue = self.shared.lock();
        queue.no_more = true;
        if self.thread.is_none() {
            return queue.write_without_waiting(PATIENCE);
        }
        self.shared.changed.notify_all();
        while !queue.lines.is_empty() || queue.busy {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread: takes lines and writes them, waiting as long as it takes.
fn write_until_the_end(shared: &Shared) {
    loop {
        let mut queue = shared.lock();
        while queue.lines.is_empty() {
            if queue.no_more {
                return;
            }
            queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let lines = std::mem::take(&mut queue.lines);
        queue.busy = true;
        drop(queue);
        let (mut gone, mut bytes) = ([false; 2], 0);
        for (stream, line) in lines {
            bytes += line.len();
            gone[stream as usize] |= written(stream, &line).is_err();
        }
        let mut queue = shared.lock();
        queue.bytes -= bytes;
        queue.busy = false;
        (0..2).for_each(|stream| queue.gone[stream] |= gone[stream]);
        shared.changed.notify_all();
    }
}

fn written(stream: Stream, line: &[u8]) -> std::io::Result<()> {
    match stream {
        Stream::Out => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(line).and_then(|()| stdout.flush())
        }
        Stream::Err => std::io::stderr().lock().write_all(line),
    }
}

impl Queue {
    fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes <= MOST
    }

    /// Adds a line; false when it is dropped for want of room. What nobody reads is dropped without counting.
    fn push(&mut self, stream: Stream, line: Vec<u8>) -> bool {
        if self.gone[stream as usize] {
            return true;
        }
        if !self.has_room(line.len()) {
            self.missed += 1;
            return false;
        }
        self.bytes += line.len();
        self.lines.push_back((stream, line));
        true
    }

    /// Writes lines until one would have to wait longer than this in all.
    fn write_without_waiting(&mut self, patience: Duration) {
        let mut sinks = self.sinks.take().unwrap_or_else(Sink::both);
        let until = Instant::now() + patience;
        while let Some((stream, line)) = self.lines.front() {
            let sink = &mut sinks[*stream as usize];
            if !sink.takes(until) {
                break;
            }
            match sink.write(&line[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    continue;
                }
                Err(_) => {
                    self.gone[*stream as usize] = true;
                    self.written = line.len();
                }
            }
            if self.written >= line.len() {
                self.bytes -= line.len();
                self.written = 0;
                self.lines.pop_front();
            }
        }
        self.sinks = Some(sinks);
    }
}

/// A stream that can be written without waiting.
struct Sink {
    stream: Stream,
    /// Our own file description of the same terminal or pipe: non-blocking without changing anybody else's.
    own: Option<File>,
}

impl Sink {
    fn both() -> [Sink; 2] {
        let own = |fd: BorrowedFd<'_>| kernel::descriptors::reopened_for_writing(fd).map(File::from);
        [
            Sink { stream: Stream::Out, own: own(std::io::stdout().as_fd()) },
            Sink { stream: Stream::Err, own: own(std::io::stderr().as_fd()) },
        ]
    }

    /// Whether it takes something before `until`.
    fn takes(&self, until: Instant) -> bool {
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let fd = match (&self.own, self.stream) {
            (Some(own), _) => own.as_fd(),
            (None, Stream::Out) => stdout.as_fd(),
            (None, Stream::Err) => stderr.as_fd(),
        };
        let left = until.saturating_duration_since(Instant::now());
        let limit = Timespec::try_from(left).ok();
        let mut polled = [PollFd::new(&fd, PollFlags::OUT)];
        poll(&mut polled, limit.as_ref()).is_ok_and(|ready| ready > 0)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let piece = &bytes[..bytes.len().min(AT_ONCE)];
        match (&mut self.own, self.stream) {
            (Some(own), _) => own.write(piece),
            (None, Stream::Out) => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(piece).and_then(|()| stdout.flush()).map(|()| piece.len())
            }
            (None, Stream::Err) => std::io::stderr().lock().write(piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: usize) -> Vec<u8> {
        vec![b'x'; bytes]
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let mut queue = Queue::default();
        assert!(queue.push(Stream::Err, line(MOST - 10)));
        assert!(queue.push(Stream::Out, line(10)));
        assert!(!queue.push(Stream::Out, line(1)));
        assert!(!queue.push(Stream::Err, line(1)));
        assert_eq!((queue.missed, queue.bytes, queue.lines.len()), (2, MOST, 2));
    }

    #[test]
    fn what_nobody_reads_is_neither_kept_nor_counted() {
        let mut queue = Queue { gone: [true, false], ..Queue::default() };
        assert!(queue.push(Stream::Out, line(2 * MOST)));
        assert_eq!((queue.missed, queue.bytes), (0, 0));
    }

    #[test]
    fn a_full_pipe_is_not_waited_for_and_goes_on_where_it_stopped() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let own = kernel::descriptors::reopened_for_writing(writer.as_fd()).map(File::from);
        let other = Sink { stream: Stream::Out, own: None };
        let mut queue = Queue { sinks: Some([other, Sink { stream: Stream::Err, own }]), ..Queue::default() };
        let sent: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
        assert!(queue.push(Stream::Err, sent.clone()));
        queue.write_without_waiting(Duration::ZERO);
        assert!(queue.written > 0 && queue.bytes == sent.len(), "the pipe took a part: {}", queue.written);

        let mut got = Vec::new();
        while got.len() < sent.len() {
            let mut part = vec![0; 65_536];
            let count = std::io::Read::read(&mut reader, &mut part).unwrap();
            got.extend_from_slice(&part[..count]);
            queue.write_without_waiting(Duration::ZERO);
        }
        assert_eq!((queue.bytes, queue.lines.len()), (0, 0));
        assert!(got == sent);
    }

    #[test]
    fn a_reader_that_went_away_is_forgotten() {
        let (reader, writer) = std::io::pipe().unwrap();
        let own = kernel::descriptors::reopened_for_writing(writer.as_fd()).map(File::from);
        let other = Sink { stream: Stream::Out, own: None };
        let mut queue = Queue { sinks: Some([other, Sink { stream: Stream::Err, own }]), ..Queue::default() };
        drop((reader, writer));
        queue.push(Stream::Err, line(100));
        queue.write_without_waiting(Duration::ZERO);
        assert_eq!((queue.gone, queue.bytes), ([false, true], 0));
    }
}
