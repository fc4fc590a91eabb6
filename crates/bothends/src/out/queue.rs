//! Lines that must not make anybody wait: what a server tells goes into a bounded queue, and from there to the terminal
//! or pipe. When that is slower than the server, lines are dropped and counted.
//!
//! A thread for each stream writes its queue out, except where the server forks: a process that forks has one thread
//! only. There the queue is written by whoever adds to it, as far as the other side takes it without waiting.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use draw::number::size_in_words;
use kernel::descriptors::reopened_for_writing;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use wire::{Cause, Doing, End, Fault};

use crate::record::Record;

/// The most bytes that wait.
const MOST: usize = 1 << 20;
/// What a pipe takes without waiting once poll says that it takes anything: PIPE_BUF, pipe(7).
const AT_ONCE: usize = 4096;
/// How long the end of the program waits for a slow reader.
const PATIENCE: Duration = Duration::from_secs(2);
/// When a full disk is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// Tells lines without ever waiting. Each stream has its own queue: a reader of one who stops does not stop the other.
pub struct Narrator {
    out: Way,
    err: Way,
    ascii: bool,
}

/// The way of lines to one stream.
struct Way {
    shared: Arc<Shared>,
    /// False where the caller itself writes.
    has_thread: bool,
}

struct Shared {
    stream: Stream,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// How much of the first line is written already.
    written: usize,
    missed: u64,
    no_more: bool,
    /// The thread writes something that it has taken out.
    busy: bool,
    gone: bool,
    /// What keeps the stream from being written, unless its reader went away. A full disk may go by.
    fault: Option<Errno>,
    fault_was_told: bool,
    sink: Option<Sink>,
}

impl Narrator {
    /// One whose lines are written by threads of its own.
    pub fn with_thread(ascii: bool) -> Narrator {
        let mut narrator = Narrator::without_thread(ascii);
        narrator.out.start_thread();
        narrator.err.start_thread();
        narrator
    }

    /// One whose lines are written by the caller, as far as that needs no waiting: for a process that forks.
    pub fn without_thread(ascii: bool) -> Narrator {
        Narrator { out: Way::to(Stream::Out), err: Way::to(Stream::Err), ascii }
    }

    /// One whose lines stay in the queue.
    #[cfg(test)]
    pub fn held_back() -> Narrator {
        Narrator {
            out: Way { has_thread: true, ..Way::to(Stream::Out) },
            err: Way { has_thread: true, ..Way::to(Stream::Err) },
            ascii: false,
        }
    }

    /// What is in its queue for standard output.
    #[cfg(test)]
    pub fn held(&self) -> String {
        let queue = self.out.shared.lock();
        let bytes: Vec<u8> = queue.lines.iter().flatten().copied().collect();
        String::from_utf8(bytes).unwrap()
    }

    /// Tells a line on standard error.
    pub fn tell(&self, line: &str) {
        let mut queue = self.err.shared.lock();
        if queue.missed > 0 && queue.has_room(line.len() + 100) {
            queue.tell_what_is_missing(Stream::Err);
        }
        let line = if self.ascii { super::asciified(line) } else { line.to_owned() };
        queue.push(line.into_bytes());
        self.err.written_by_somebody(queue);
    }

    /// Writes a record to standard output; one that follows dropped ones says how many.
    pub fn record(&self, record: Record) {
        let mut queue = self.out.shared.lock();
        let missed = queue.missed;
        let record = if missed > 0 { record.with("missed", missed) } else { record };
        if queue.push(record.line().into_bytes()) && missed > 0 {
            queue.missed = 0;
        }
        self.out.written_by_somebody(queue);
        self.tell_of_fault();
    }

    /// Prints whole lines on standard output, between the records. They are never dropped: whoever prints asks
    /// [`Narrator::waiting`] first.
    pub fn print(&self, lines: Vec<u8>) {
        let mut queue = self.out.shared.lock();
        if queue.gone || lines.is_empty() {
            return;
        }
        queue.add(lines);
        self.out.written_by_somebody(queue);
        self.tell_of_fault();
    }

    /// How many bytes wait for standard output.
    pub fn waiting(&self) -> usize {
        self.tell_of_fault();
        self.out.shared.lock().bytes
    }

    /// Whether nothing can be written to standard output any more.
    pub fn is_out_gone(&self) -> bool {
        self.out.shared.lock().gone
    }

    /// Why standard output cannot be written, unless it is that its reader went away.
    pub fn fault(&self) -> Option<Fault> {
        let errno = self.out.shared.lock().fault?.raw_os_error();
        Some(Fault::errno(End::You, Doing::Write, "standard output", errno))
    }

    /// Tells once that standard output cannot be written, and that it can again.
    fn tell_of_fault(&self) {
        let fault = {
            let mut queue = self.out.shared.lock();
            if queue.fault.is_some() == queue.fault_was_told {
                return;
            }
            queue.fault_was_told = queue.fault.is_some();
            queue.fault
        };
        match fault.and_then(|_| self.fault()) {
            Some(fault) => self.tell(&format!("{}\n", explain::sentence(&fault))),
            None => self.tell("standard output can be written again\n"),
        }
    }

    /// Without threads: writes what was left because nobody took it; true when something is left still, so that the
    /// caller does well to come again.
    pub fn go_on(&self) -> bool {
        let left = [&self.out, &self.err].iter().filter(|way| way.go_on()).count() > 0;
        self.tell_of_fault();
        left
    }

    /// Waits until what was told on standard error stands there, but no longer than this: what follows on standard output
    /// is to stand behind it.
    pub fn settle(&self, limit: Duration) {
        let queue = self.err.shared.lock();
        self.err.wait_until_written(queue, Instant::now() + limit);
    }

    /// That standard output was not read to its end, although it was waited for.
    pub fn left_behind(&self) -> Option<Fault> {
        let bytes = self.out.shared.lock().bytes as u64;
        let cause = Cause::Words(format!("nobody read the last {}", size_in_words(bytes)));
        let at = "standard output".to_owned();
        (bytes > 0).then_some(Fault { end: End::You, doing: Doing::Write, at, cause })
    }

    /// Writes what is left for standard output, for as long as a slow reader may be waited for, and how much is missing at
    /// the end. Nothing may follow it there.
    pub fn finish_output(&self) {
        self.out.finish(Instant::now() + PATIENCE);
        self.tell_of_fault();
    }

    /// The same, and what is left for standard error.
    pub fn finish(&self) {
        self.finish_output();
        self.err.finish(Instant::now() + PATIENCE);
    }
}

impl Way {
    fn to(stream: Stream) -> Way {
        let shared = Shared { stream, queue: Mutex::default(), changed: Condvar::new() };
        Way { shared: Arc::new(shared), has_thread: false }
    }

    fn start_thread(&mut self) {
        let shared = Arc::clone(&self.shared);
        let named = std::thread::Builder::new().name("narrator".to_owned());
        // Without a thread the caller writes: slower, but nothing is lost.
        self.has_thread = named.spawn(move || write_until_the_end(&shared)).is_ok();
    }

    fn written_by_somebody(&self, mut queue: MutexGuard<'_, Queue>) {
        match self.has_thread {
            true => self.shared.changed.notify_all(),
            false => queue.write_until(self.shared.stream, Instant::now()),
        }
    }

    fn go_on(&self) -> bool {
        if self.has_thread {
            return false;
        }
        let mut queue = self.shared.lock();
        if !queue.lines.is_empty() {
            queue.write_until(self.shared.stream, Instant::now());
        }
        !queue.lines.is_empty()
    }

    fn finish(&self, until: Instant) {
        let mut queue = self.shared.lock();
        if std::mem::replace(&mut queue.no_more, true) {
            return;
        }
        if queue.missed > 0 && !queue.gone {
            queue.tell_what_is_missing(self.shared.stream);
        }
        if !self.has_thread {
            return queue.write_until(self.shared.stream, until);
        }
        self.shared.changed.notify_all();
        self.wait_until_written(queue, until);
    }

    fn wait_until_written(&self, mut queue: MutexGuard<'_, Queue>, until: Instant) {
        while self.has_thread && (!queue.lines.is_empty() || queue.busy) {
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

    /// Writes a line, waiting as long as it takes: for a slow reader, and for a place on a full disk.
    fn written(&self, line: &[u8]) -> std::io::Result<()> {
        let mut left = line;
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(count) => {
                    left = left.get(count..).unwrap_or_default();
                    self.lock().fault = None;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => drop(self.stream.is_ready(None)),
                Err(errno) if is_full(errno) => {
                    self.lock().fault = Some(errno);
                    std::thread::sleep(AGAIN);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// A disk may have room again.
fn is_full(errno: Errno) -> bool {
    matches!(errno, Errno::NOSPC | Errno::DQUOT)
}

impl Stream {
    /// Past the standard library's buffer, which nothing of ours is in: how much was taken is known even when it fails. And
    /// past its lock: whoever holds that while nobody reads would keep the program from ending.
    fn write(self, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            Stream::Out => rustix::io::write(std::io::stdout(), bytes),
            Stream::Err => rustix::io::write(std::io::stderr(), bytes),
        }
    }

    fn is_ready(self, limit: Option<&Timespec>) -> bool {
        let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
        let fd = match self {
            Stream::Out => stdout.as_fd(),
            Stream::Err => stderr.as_fd(),
        };
        poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], limit).is_ok_and(|ready| ready > 0)
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
        let (mut failed, mut bytes) = (None, 0);
        for line in lines {
            bytes += line.len();
            if failed.is_none() {
                failed = shared.written(&line).err();
            }
        }
        let mut queue = shared.lock();
        queue.bytes -= bytes;
        queue.busy = false;
        if let Some(error) = failed {
            queue.give_up(&error);
        }
        shared.changed.notify_all();
    }
}

impl Queue {
    fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes <= MOST
    }

    /// Adds a line; false when it is dropped for want of room. What nobody reads is dropped without counting.
    fn push(&mut self, line: Vec<u8>) -> bool {
        if self.gone {
            return true;
        }
        if !self.has_room(line.len()) {
            self.missed += 1;
            return false;
        }
        self.add(line);
        true
    }

    fn add(&mut self, line: Vec<u8>) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    /// Says at this place how many lines are missing, even when there is no room: it is one line.
    fn tell_what_is_missing(&mut self, stream: Stream) {
        let line = match (std::mem::take(&mut self.missed), stream) {
            (missed, Stream::Out) => Record::new("missed").with("missed", missed).line(),
            (1, Stream::Err) => "(1 line is missing here: it was not read fast enough)\n".to_owned(),
            (missed, Stream::Err) => {
                format!("({missed} lines are missing here: they were not read fast enough)\n")
            }
        };
        self.add(line.into_bytes());
    }

    /// Writes lines until one would have to wait beyond this time.
    fn write_until(&mut self, stream: Stream, until: Instant) {
        let mut sink = self.sink.take().unwrap_or_else(|| Sink::of(stream));
        let mut failed = None;
        while let Some(line) = self.lines.front() {
            if !sink.takes(until) {
                break;
            }
            match sink.write(&line[self.written..]) {
                Ok(count) => {
                    self.written += count;
                    self.fault = None;
                }
                Err(error) if Errno::from_io_error(&error).is_some_and(is_full) => {
                    self.fault = Errno::from_io_error(&error);
                    break;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    continue;
                }
                Err(error) => {
                    self.written = line.len();
                    failed = Some(error);
                }
            }
            if self.written >= line.len() {
                self.bytes -= line.len();
                self.written = 0;
                self.lines.pop_front();
            }
            if let Some(error) = failed.take() {
                self.give_up(&error);
            }
        }
        self.sink = Some(sink);
    }

    /// Nothing can be written any more: what waits is let go.
    fn give_up(&mut self, error: &std::io::Error) {
        self.gone = true;
        self.bytes -= self.lines.drain(..).map(|line| line.len()).sum::<usize>();
        self.written = 0;
        if error.kind() != ErrorKind::BrokenPipe {
            self.fault = Errno::from_io_error(error);
        }
    }
}

/// A stream that can be written without waiting.
struct Sink {
    stream: Stream,
    /// Our own file description of the same terminal or pipe: non-blocking without changing anybody else's.
    own: Option<File>,
}

impl Sink {
    fn of(stream: Stream) -> Sink {
        let own = match stream {
            Stream::Out => reopened_for_writing(std::io::stdout().as_fd()),
            Stream::Err => reopened_for_writing(std::io::stderr().as_fd()),
        };
        Sink { stream, own: own.map(File::from) }
    }

    /// Whether it takes something before `until`.
    fn takes(&self, until: Instant) -> bool {
        let limit = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
        match &self.own {
            Some(own) => {
                poll(&mut [PollFd::new(own, PollFlags::OUT)], limit.as_ref()).is_ok_and(|ready| ready > 0)
            }
            None => self.stream.is_ready(limit.as_ref()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let piece = &bytes[..bytes.len().min(AT_ONCE)];
        match &mut self.own {
            Some(own) => own.write(piece),
            None => self.stream.write(piece).map_err(std::io::Error::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: usize) -> Vec<u8> {
        vec![b'x'; bytes]
    }

    /// A queue to a pipe, with the end to read from.
    fn to_a_pipe() -> (Queue, std::io::PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        let own = reopened_for_writing(writer.as_fd()).map(File::from);
        assert!(own.is_some());
        (Queue { sink: Some(Sink { stream: Stream::Err, own }), ..Queue::default() }, reader)
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let mut queue = Queue::default();
        assert!(queue.push(line(MOST - 10)));
        assert!(queue.push(line(10)));
        assert!(!queue.push(line(1)));
        assert!(!queue.push(line(1)));
        assert_eq!((queue.missed, queue.bytes, queue.lines.len()), (2, MOST, 2));
    }

    #[test]
    fn what_nobody_reads_is_neither_kept_nor_counted() {
        let mut queue = Queue { gone: true, ..Queue::default() };
        assert!(queue.push(line(2 * MOST)));
        assert_eq!((queue.missed, queue.bytes), (0, 0));
    }

    #[test]
    fn what_is_missing_at_the_end_is_told_there() {
        for (stream, told) in [
            (Stream::Err, "(2 lines are missing here: they were not read fast enough)\n"),
            (Stream::Out, "{\"v\":1,\"type\":\"missed\",\"missed\":2}\n"),
        ] {
            let (queue, mut reader) = to_a_pipe();
            let way = Way::to(stream);
            *way.shared.lock() = Queue { missed: 2, ..queue };
            way.finish(Instant::now());
            drop(way);
            let mut got = String::new();
            std::io::Read::read_to_string(&mut reader, &mut got).unwrap();
            assert_eq!(got, told);
        }
    }

    #[test]
    fn a_full_pipe_is_not_waited_for_and_goes_on_where_it_stopped() {
        let (mut queue, mut reader) = to_a_pipe();
        let sent: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
        assert!(queue.push(sent.clone()));
        queue.write_until(Stream::Err, Instant::now());
        assert!(queue.written > 0 && queue.bytes == sent.len(), "the pipe took a part: {}", queue.written);

        let mut got = Vec::new();
        while got.len() < sent.len() {
            let mut part = vec![0; 65_536];
            let count = std::io::Read::read(&mut reader, &mut part).unwrap();
            got.extend_from_slice(&part[..count]);
            queue.write_until(Stream::Err, Instant::now());
        }
        assert_eq!((queue.bytes, queue.lines.len()), (0, 0));
        assert!(got == sent);
    }

    #[test]
    fn printed_lines_are_never_dropped_and_records_follow_them() {
        let narrator = Narrator { out: Way::to(Stream::Out), err: Way::to(Stream::Err), ascii: false };
        let (queue, mut reader) = to_a_pipe();
        *narrator.out.shared.lock() = queue;
        let lines = MOST + 100_000;
        narrator.print(line(lines));
        assert!(narrator.waiting() > MOST && !narrator.is_out_gone());
        narrator.record(Record::new("opened"));
        let mut got = Vec::new();
        while narrator.go_on() || narrator.waiting() > 0 {
            let mut part = vec![0; 65_536];
            let count = std::io::Read::read(&mut reader, &mut part).unwrap();
            got.extend_from_slice(&part[..count]);
        }
        drop(narrator);
        std::io::Read::read_to_end(&mut reader, &mut got).unwrap();
        assert!(got.starts_with(&line(lines)), "{} bytes", got.len());
        assert_eq!(&got[lines..], b"" as &[u8], "the record was dropped for want of room");
    }

    #[test]
    fn a_full_disk_is_told_and_waited_for() {
        let narrator = Narrator { out: Way::to(Stream::Out), err: Way::to(Stream::Err), ascii: false };
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        narrator.out.shared.lock().sink = Some(Sink { stream: Stream::Out, own: Some(full) });
        narrator.print(line(10));
        assert_eq!((narrator.is_out_gone(), narrator.waiting()), (false, 10), "it may have room again");
        let told = narrator.fault().map(|fault| explain::sentence(&fault));
        assert_eq!(told.as_deref(), Some("write standard output: no space left on device"));
        let (other, mut reader) = to_a_pipe();
        narrator.out.shared.lock().sink = other.sink;
        assert!(!narrator.go_on());
        assert_eq!((narrator.fault(), narrator.waiting()), (None, 0));
        drop(narrator);
        let mut got = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut got).unwrap();
        assert_eq!(got, line(10));
    }

    #[test]
    fn a_reader_that_went_away_is_forgotten() {
        let (mut queue, reader) = to_a_pipe();
        drop(reader);
        queue.push(line(100));
        queue.write_until(Stream::Err, Instant::now());
        assert_eq!((queue.gone, queue.bytes), (true, 0));
    }
}
