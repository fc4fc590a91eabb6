//! What is done with bytes that may be a capture: the same in the fuzz target, in the example that mutates captures, and
//! in the test that replays the corpus.

use flow::{Counters, Frame, HandedRow, Limits, Rows, Tracker};
use wire::capture::{CaptureError, Reader};

/// How far it went.
#[derive(Debug)]
#[allow(dead_code, reason = "not everybody asks for everything")]
pub(crate) struct Followed {
    /// What the tracker counted.
    pub(crate) counters: Counters,
    /// TCP conversations at the end.
    pub(crate) flows: usize,
    /// Their rows, where rows are kept.
    pub(crate) rows: usize,
    /// All rows of segments, where they are handed out.
    pub(crate) handed_out: u64,
    /// Why the capture was not read to its end.
    pub(crate) damage: Option<CaptureError>,
}

/// Reads the bytes as a capture and follows every conversation to its end, twice: rows are kept, then handed out.
pub(crate) fn follow(bytes: &[u8]) -> Followed {
    let mut tracker = Tracker::new(Limits::default());
    let damage = read(bytes, &mut tracker, |_| {}).err();
    tracker.finish();
    let (flows, rows) =
        tracker.flows().fold((0, 0), |(flows, rows), flow| (flows + 1, rows + flow.rows.len()));
    Followed { counters: tracker.counters(), flows, rows, handed_out: hand_out(bytes), damage }
}

/// Gives the number of segments that were handed out.
fn hand_out(bytes: &[u8]) -> u64 {
    let mut rows = 0;
    let mut take = |tracker: &mut Tracker| {
        while let Some(row) = tracker.next_row() {
            rows += u64::from(matches!(row, HandedRow::Segment(..)));
        }
        while tracker.next_departed().is_some() {}
    };
    let limits = Limits { rows: Rows::HandedOut, departed: true, flows: 8, waiting: 16, ..Limits::default() };
    let mut tracker = Tracker::new(limits);
    let _ = read(bytes, &mut tracker, &mut take);
    tracker.finish();
    take(&mut tracker);
    rows
}

fn read(
    bytes: &[u8],
    tracker: &mut Tracker,
    mut after_each: impl FnMut(&mut Tracker),
) -> Result<(), CaptureError> {
    let mut reader = Reader::new(bytes)?;
    while let Some(captured) = reader.next()? {
        tracker.frame(&Frame {
            number: captured.number,
            time: captured.time,
            link_type: captured.link_type,
            bytes: captured.bytes,
            wire_len: captured.wire_len,
            passage: captured.passage,
        });
        after_each(tracker);
    }
    Ok(())
}
