//! `--json`: every segment and datagram as soon as it is settled, every conversation when it is over, and at last the
//! capture itself.

use flow::{Departed, HandedRow, Limits, Rows};
use wire::Fault;

use super::aside::Aside;
use super::reading::{Capture, Seen};
use super::view::{self, Chosen, View};
use crate::exit::Exit;
use crate::out::Out;
use crate::picture::{self, Svg};
use crate::record;

/// A capture as records.
pub(super) struct Records {
    /// With the segments, and not the conversations alone.
    segments: bool,
    svg: Svg,
}

impl Records {
    pub(super) fn new(segments: bool, svg: Svg) -> Records {
        Records { segments, svg }
    }
}

impl View for Records {
    fn limits(&self) -> Limits {
        let rows = match (self.svg.is_wanted(), self.segments) {
            (true, _) => Limits::default().rows,
            (false, true) => Rows::HandedOut,
            (false, false) => Rows::LeftOut,
        };
        Limits { rows, departed: true, ..Limits::default() }
    }

    fn row(&mut self, row: &HandedRow, seen: &Seen, out: &Out) {
        match row {
            HandedRow::Segment(stream, row) => {
                out.print(&record::segment(*stream, row, seen.start(), None).line());
            }
            HandedRow::Datagram(stream, row) => {
                out.record(&record::datagram(*stream, row, seen.start(), None));
            }
        }
    }

    fn aside(&mut self, aside: Aside, seen: &Seen, out: &Out) {
        if self.segments {
            out.record(&record::aside(aside.frame, aside.time, aside.protocol, &aside.words, seen.start()));
        }
    }

    fn departed(&mut self, gone: &Departed, seen: &Seen, out: &Out) {
        match gone {
            Departed::Tcp(flow) => out.record(&record::flow(flow, seen.start(), None)),
            Departed::Udp(flow) => out.record(&record::datagram_flow(flow, seen.start(), None)),
        }
    }

    fn finish(&mut self, capture: &Capture, out: &Out) -> Result<Exit, Fault> {
        let chosen = Chosen::of(capture);
        // Where a picture is drawn too the rows were kept.
        let start = capture.seen.start();
        picture::records(&chosen.tcp, &chosen.udp, start, None, self.segments, out);
        out.record(&record::capture(&capture.counts));
        let drawn = view::draw(std::mem::take(&mut self.svg), &chosen, capture, out)?;
        Ok(chosen.or_tell(capture, drawn.unwrap_or(Exit::Ok), out))
    }
}
