//! What one end has received: how far without a gap, what came early behind a gap, and where the other end's FIN stands.

use crate::ranges::Ranges;
use crate::segment::Placed;

/// All that one end has received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// The next position expected: RCV.NXT; none before the first segment.
    pub(crate) next: Option<i64>,
    early: Ranges,
    fin: Option<i64>,
}

impl Received {
    /// A segment has arrived. Of more than `gaps` gaps the highest is forgotten; the end's own acknowledgements tell
    /// then when it is filled.
    pub(crate) fn take(&mut self, segment: &Placed, gaps: usize) {
        if segment.fin {
            self.fin.get_or_insert(segment.end() - 1);
        }
        let (start, end) = (segment.start, segment.proved_by());
        let next = *self.next.get_or_insert(start);
        if start > next {
            self.early.insert(start, end);
            if self.early.len() > gaps {
                self.early.drop_highest();
            }
        } else {
            self.reach(end);
        }
    }

    /// The end itself acknowledges everything below `position`.
    pub(crate) fn confirm(&mut self, position: i64) {
        self.next.get_or_insert(position);
        self.reach(position);
    }

    /// The other end's FIN, seen or proved to stand at `position`.
    pub(crate) fn expect_fin(&mut self, position: i64) {
        self.fin.get_or_insert(position);
    }

    /// The other end counts anew, from another number, but this end does not listen to it any more: what it has received
    /// now stands `by` further on.
    pub(crate) fn recount(&mut self, by: i64) {
        self.early = Ranges::default();
        self.next = self.next.map(|next| next + by);
        self.fin = self.fin.map(|fin| fin + by);
    }

    /// True once everything up to the other end's FIN, and the FIN, has arrived.
    pub(crate) fn is_finished(&self) -> bool {
        matches!((self.next, self.fin), (Some(next), Some(fin)) if next > fin)
    }

    /// True when nothing of this segment would be new.
    pub(crate) fn has(&self, segment: &Placed) -> bool {
        self.next.is_some_and(|next| segment.proved_by() <= next)
    }

    fn reach(&mut self, position: i64) {
        let mut next = self.next.map_or(position, |next| next.max(position));
        while let Some(end) = self.early.take_reached_by(next) {
            next = next.max(end);
        }
        self.next = Some(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    fn piece(start: i64, len: u32, fin: bool) -> Placed {
        Placed {
            from: Side::A,
            syn: false,
            fin,
            rst: false,
            start,
            len,
            ack: Some(1),
            sacked_to: None,
            sacked_bytes: 0,
            duplicate_sack: false,
            stamps: None,
            window: 1000,
        }
    }

    #[test]
    fn a_fin_waits_for_the_hole_before_it() {
        let mut received = Received::default();
        received.take(&piece(1, 10, false), 8);
        received.take(&piece(21, 10, true), 8);
        assert_eq!(received.next, Some(11));
        assert!(!received.is_finished());
        received.take(&piece(11, 10, false), 8);
        assert_eq!(received.next, Some(32));
        assert!(received.is_finished());
    }

    #[test]
    fn gaps_are_bounded_and_the_acknowledgement_makes_up_for_it() {
        let mut received = Received::default();
        received.take(&piece(1, 1, false), 4);
        for at in 0..1000 {
            received.take(&piece(10 + 10 * at, 5, false), 4);
        }
        assert_eq!(received.early.len(), 4);
        received.confirm(9000);
        assert_eq!(received.next, Some(9000));
        assert!(received.early.is_empty());
    }
}
