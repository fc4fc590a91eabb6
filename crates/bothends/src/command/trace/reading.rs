//! Reads a capture from its first frame to its last, and hands what comes of it to the view, the tracker and the writer.

use draw::Names;
use flow::{Belongs, Choice, Frame, Tracker};
use wire::capture::{CaptureError, CapturedFrame, Reader};
use wire::{Fault, Time};

use super::aside::Aside;
use super::progress::Progress;
use super::source::Source;
use super::view::{Shown, View};
use super::writing::Writing;
use crate::command::lab::capture_file;
use crate::out::Out;
use crate::picture::{self, Naming};
use crate::record::Counts;

/// What is done while reading.
pub(super) struct Reading<'a> {
    /// The conversations that are wanted.
    pub(super) choice: Choice,
    /// The capture that is written.
    pub(super) writing: Option<Writing>,
    pub(super) out: &'a Out,
}

/// How far the capture was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// When the first frame was captured.
    pub(super) first: Option<Time>,
    /// Frames so far.
    pub(super) frames: u64,
}

impl Seen {
    /// The time from which times count.
    pub(super) fn start(&self) -> Time {
        self.first.unwrap_or_default()
    }
}

/// A capture that was read, as far as that went.
pub(super) struct Capture {
    pub(super) choice: Choice,
    pub(super) tracker: Tracker,
    pub(super) counts: Counts,
    pub(super) naming: Naming,
    pub(super) seen: Seen,
    /// Conversations that were shown while it was read, because they had to make room.
    pub(super) shown_before: u64,
    pub(super) from_stdin: bool,
    /// Why not to the end.
    pub(super) damage: Option<CaptureError>,
}

impl Reading<'_> {
    /// Reads the whole.
    ///
    /// # Errors
    /// The capture that is written cannot be. What is wrong with the one that is read stands in it.
    pub(super) fn read(mut self, source: Source<'_>, view: &mut dyn View) -> Result<Capture, Fault> {
        let mut tracker = Tracker::new(view.limits());
        tracker.choose(self.choice.clone());
        let mut capture = Capture {
            choice: self.choice.clone(),
            tracker,
            counts: Counts::default(),
            naming: Names::of_addresses,
            seen: Seen::default(),
            shown_before: 0,
            from_stdin: source.is_stdin(),
            damage: None,
        };
        let mut progress = Progress::begin(&source, self.out);
        match Reader::new(source) {
            Ok(mut reader) => self.follow(&mut reader, &mut capture, view, &mut progress)?,
            Err(error) => capture.damage = Some(error),
        }
        progress.finish();
        capture.tracker.finish();
        capture.hand_out(view, self.out);
        let counters = capture.tracker.counters();
        capture.counts.unsupported = picture::not_followed(counters);
        capture.counts.incomplete_packets = counters.incomplete;
        if let Some(writing) = self.writing {
            writing.finish()?;
        }
        Ok(capture)
    }

    fn follow(
        &mut self,
        reader: &mut Reader<Source<'_>>,
        capture: &mut Capture,
        view: &mut dyn View,
        progress: &mut Progress,
    ) -> Result<(), Fault> {
        loop {
            let frame = match reader.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    capture.damage = Some(error);
                    break;
                }
            };
            let belongs = capture.take(&frame, view, self.out);
            if let Some(writing) = &mut self.writing {
                writing.take(&frame, belongs, &self.choice);
                writing.write_due(reader.interfaces())?;
            }
            capture.hand_out(view, self.out);
            if self.out.is_closed() && self.writing.is_none() {
                break;
            }
            progress.tell(capture.seen.frames);
        }
        capture.note_source(reader);
        Ok(())
    }
}

impl Capture {
    fn take(&mut self, frame: &CapturedFrame<'_>, view: &mut dyn View, out: &Out) -> Belongs {
        self.seen.frames += 1;
        self.seen.first.get_or_insert(frame.time);
        self.counts.backwards.take(frame.number, frame.time);
        let seen = self.seen;
        let followed = Frame {
            number: frame.number,
            time: frame.time,
            link_type: frame.link_type,
            bytes: frame.bytes,
            wire_len: frame.wire_len,
            passage: frame.passage.clone(),
        };
        let mut is_packet = false;
        let belongs = self.tracker.frame_showing(&followed, &mut |packet, belongs| {
            is_packet = true;
            view.packet(&Shown { frame, packet, belongs, seen }, out);
            if let Some(aside) = Aside::of_packet(frame, packet, belongs) {
                view.aside(aside, &seen, out);
            }
        });
        let aside = (belongs == Belongs::Nowhere && !is_packet).then(|| Aside::of_frame(frame));
        if let Some(aside) = aside.flatten() {
            view.aside(aside, &seen, out);
        }
        belongs
    }

    fn hand_out(&mut self, view: &mut dyn View, out: &Out) {
        while let Some(row) = self.tracker.next_row() {
            view.row(&row, &self.seen, out);
        }
        while let Some(gone) = self.tracker.next_departed() {
            self.shown_before += 1;
            view.departed(&gone, &self.seen, out);
        }
    }

    /// What the file says of itself once it has been read.
    fn note_source(&mut self, reader: &Reader<Source<'_>>) {
        self.counts.frames = self.seen.frames;
        self.counts.first = self.seen.first;
        self.counts.lost_by_capture = reader.lost_by_capture();
        let interfaces = reader.interfaces();
        self.counts.name_links(interfaces.iter().map(|interface| interface.link_type));
        if interfaces.iter().map(|interface| interface.name.as_str()).eq([capture_file::INTERFACE]) {
            self.naming = picture::roles;
        }
    }
}
