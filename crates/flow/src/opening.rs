//! Which part of the conversation a segment belongs to: opening, data, closing.

use crate::conversation::{Phase, Row};
use crate::end::End;
use crate::outcome::Story;
use crate::segment::Placed;
use crate::{Side, State};

/// How far the opening has come.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// True from the segment on that completes the handshake, and from the start where the opening was not seen.
    over: bool,
    /// Each side has acknowledged the other's SYN.
    acked_syn: [bool; 2],
    /// How many rows had been kept when it was over.
    rows: usize,
}

impl Opening {
    /// `seen` tells that the first segment carries a SYN.
    pub(crate) fn new(seen: bool) -> Opening {
        Opening { over: !seen, acked_syn: [false; 2], rows: 0 }
    }

    /// That of a connection to itself: the one end, A, acknowledges its own SYN.
    pub(crate) fn to_itself(seen: bool) -> Opening {
        Opening { acked_syn: [false, true], ..Opening::new(seen) }
    }

    /// The phase of a segment just sent. When it turns out that the end of the opening never arrived, because the
    /// SYN ACK is sent again, the `rows` since then belong to the opening too.
    pub(crate) fn phase_of(
        &mut self,
        segment: &Placed,
        ends: &[End; 2],
        story: &Story,
        rows: &mut [Row],
    ) -> Phase {
        let end = &ends[segment.from.index()];
        if self.over && segment.answers_syn() && end.state == State::SynReceived {
            self.reopen(segment.from.other(), rows);
        }
        if story.is_closing() {
            return Phase::Closing;
        }
        if self.over {
            return Phase::Data;
        }
        let other = &ends[segment.from.other().index()];
        if other.sent_syn && segment.ack.is_some_and(|ack| ack >= 1) {
            self.acked_syn[segment.from.index()] = true;
        }
        if self.acked_syn == [true; 2] {
            self.over = true;
            self.rows = rows.len() + 1;
        }
        Phase::Opening
    }

    fn reopen(&mut self, unheard: Side, rows: &mut [Row]) {
        self.over = false;
        self.acked_syn[unheard.index()] = false;
        let since = rows.get_mut(self.rows..).unwrap_or_default();
        for row in since.iter_mut().filter(|row| row.phase == Phase::Data) {
            row.phase = Phase::Opening;
        }
    }
}
