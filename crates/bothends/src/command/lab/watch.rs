//! What the lab tells, taken in as it comes: packets go to the tracker and the capture file, output to where it belongs.

use std::net::SocketAddr;
use std::path::Path;

use draw::number::duration;
use flow::{Limits, Tracker};
use lab::config::{Config, Family};
use lab::event::{Backend, Event, LinkFrame, Role};
use wire::link_type::LinkType;
use wire::{Fault, Time};

use super::capture_file::CaptureFile;
use crate::narrate;
use crate::out::Out;
use crate::record::{self, role_word};

/// The longest line of a program that is held back for its end.
const LONGEST_LINE: usize = 16 * 1024;

/// Takes in what the lab tells.
pub(super) struct Watch<'a> {
    out: &'a Out,
    tracker: Tracker,
    start: Option<Time>,
    capture: Option<CaptureFile>,
    /// The unfinished last lines of what the programs print.
    lines: Vec<UnfinishedLine>,
    backend: Option<(Backend, u64)>,
    leader: Role,
    leader_ended: bool,
    /// Packets that were carried and not told.
    missed: u64,
    /// What the link did, in words.
    report: String,
}

/// The beginning of a line that a program printed on its descriptor.
struct UnfinishedLine {
    role: Role,
    fd: u8,
    bytes: Vec<u8>,
}

/// What is known at the end.
pub(super) struct Seen {
    pub(super) tracker: Tracker,
    pub(super) start: Time,
}

impl<'a> Watch<'a> {
    /// Opens the capture file, if one is to be written.
    pub(super) fn new(write: Option<&Path>, config: &Config, out: &'a Out) -> Result<Watch<'a>, Fault> {
        let (hosts, leader) = (config.hosts(), config.leader);
        let capture = write.map(|path| CaptureFile::create(path, LinkType::RAW)).transpose()?;
        let line = |role, fd| UnfinishedLine { role, fd, bytes: Vec::new() };
        let tracker = Tracker::new(Limits::default());
        Ok(Watch {
            out,
            tracker,
            start: None,
            capture,
            lines: Role::all(hosts).flat_map(|role| [line(role, 1), line(role, 2)]).collect(),
            backend: None,
            leader,
            leader_ended: false,
            missed: 0,
            report: String::new(),
        })
    }

    /// It is known that a socket of a host listens there; on all its addresses where none is named.
    pub(super) fn listens(&mut self, role: Role, address: SocketAddr) {
        if !address.ip().is_unspecified() {
            return self.tracker.listening(address);
        }
        for family in [Family::V4, Family::V6] {
            self.tracker.listening((role.address(family), address.port()).into());
        }
    }

    pub(super) fn take(&mut self, event: Event) {
        match event {
            Event::Ready { backend, seed } => {
                self.backend = Some((backend, seed));
                let carried = narrate::backend(backend);
                self.out.narrate(1, &format!("the network stands: {carried}, seed {seed}\n"));
            }
            Event::Listening { role, addresses } => {
                for address in addresses {
                    self.listens(role, address);
                    self.out.narrate(1, &format!("{}: listens on {address}\n", role.name()));
                }
            }
            Event::NotListening { role, waited } => {
                let (who, waited) = (role.name(), duration(waited));
                let line =
                    format!("{who}: listens nowhere after {waited}; the client is started all the same\n");
                self.out.tell(&line);
            }
            Event::Frame(frame) => self.frame(&frame),
            Event::Missed(packets) => self.missed += packets,
            Event::Output { role, fd, bytes } => self.output(role, fd, &bytes),
            Event::Ran { role, command, exit, signal } => {
                self.end_lines(role);
                // A server that fails while the client still runs is what the client will complain about.
                let failed = role != self.leader && !self.leader_ended && has_failed(exit, signal);
                let line = format!("{}: `{command}` {}\n", role_word(role), narrate::ending(exit, signal));
                match failed {
                    true => self.out.tell_failure(&line),
                    false => self.out.narrate(1, &line),
                }
                self.leader_ended |= role == self.leader;
                self.record(&record::ran(role, &command, exit, signal));
            }
            Event::Link { up, down } => {
                let (backend, seed) = self.backend.unwrap_or((Backend::Simulated, 0));
                let wall = self.start.filter(|_| backend != Backend::Simulated);
                let record = record::link(backend, seed, wall, &up, &down);
                self.record(&record.with_some("missed", (self.missed > 0).then_some(self.missed)));
                if let Some(missed) = narrate::missed(self.missed) {
                    self.out.tell(&missed);
                }
                self.report = narrate::link(&up, &down, backend != Backend::Simulated);
                if let Some(drops) = narrate::unplanned(&up, &down) {
                    self.out.tell(&drops);
                }
            }
        }
    }

    fn frame(&mut self, frame: &LinkFrame) {
        self.start.get_or_insert(frame.time);
        if self.out.narrates(2) {
            self.out.narrate(2, &narrate::frame(frame, self.start.unwrap_or_default()));
        }
        if let Some(capture) = &mut self.capture {
            capture.packet(frame);
        }
        self.tracker.frame(&frame.to_follow());
    }

    /// Line by line: the server's go to standard error with its name; with `--json` all become records.
    fn output(&mut self, role: Role, fd: u8, bytes: &[u8]) {
        let Some(at) = self.lines.iter().position(|line| (line.role, line.fd) == (role, fd)) else { return };
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = &mut self.lines[at].bytes;
            line.extend_from_slice(part);
            if part.ends_with(b"\n") || line.len() >= LONGEST_LINE {
                self.end_line(at);
            }
        }
    }

    fn end_line(&mut self, at: usize) {
        let UnfinishedLine { role, fd, bytes } = &mut self.lines[at];
        let (role, fd, bytes) = (*role, *fd, std::mem::take(bytes));
        if bytes.is_empty() {
            return;
        }
        match self.out.json {
            true => self.record(&record::output(role, fd, &bytes)),
            false => self.out.tell(&narrate::printed(role, &bytes)),
        }
    }

    /// What a program printed stands before its end, also where no line end is behind it.
    fn end_lines(&mut self, of: Role) {
        for at in 0..self.lines.len() {
            if self.lines[at].role == of {
                self.end_line(at);
            }
        }
    }

    fn record(&self, record: &crate::record::Record) {
        self.out.record(record);
        self.out.flush();
    }

    /// What the link did, as it is told at the end.
    pub(super) fn report(&mut self) -> String {
        std::mem::take(&mut self.report)
    }

    /// Writes out what is left. A capture that could not be written spoils nothing of what was seen.
    pub(super) fn finish(mut self) -> (Seen, Result<(), Fault>) {
        // Whoever the programs left behind may have gone on printing.
        for at in 0..self.lines.len() {
            self.end_line(at);
        }
        let written = self.capture.take().map_or(Ok(()), CaptureFile::finish);
        (Seen { tracker: self.tracker, start: self.start.unwrap_or_default() }, written)
    }
}

/// Whether a program went wrong by itself; SIGINT, SIGKILL and SIGTERM come from outside.
fn has_failed(exit: Option<i32>, signal: Option<i32>) -> bool {
    exit.is_some_and(|exit| exit != 0) || signal.is_some_and(|signal| ![2, 9, 15].contains(&signal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::looks::When;

    #[test]
    fn a_full_disk_spoils_the_capture_and_nothing_else() {
        let out = Out::new(false, 0, true, When::Never, None);
        let mut watch = Watch::new(Some(Path::new("/dev/full")), &Config::default(), &out).unwrap();
        for number in 1..=1000 {
            let passage = wire::Passage { fate: wire::Fate::Lost, rule: None, arrived: None, segments: 1 };
            watch.take(Event::Frame(LinkFrame {
                number,
                time: Time(number),
                from: Role::Client,
                by_link: false,
                link_type: LinkType::RAW,
                bytes: vec![0; 64],
                wire_len: 64,
                passage,
            }));
        }
        let (seen, written) = watch.finish();
        assert_eq!(seen.tracker.counters().frames, 1000);
        assert_eq!(written.unwrap_err().at, "/dev/full");
    }
}
