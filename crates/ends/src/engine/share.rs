//! What of an arrival is taken: of a stream what is within the limits; of messages whole ones, for a message is nothing in
//! parts.

use crate::serve::Limits;
use crate::service::Shape;

/// One arrival, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// How many of the bytes in the buffer there are to hand on.
    pub(super) shown: usize,
    /// How many bytes count as received.
    pub(super) taken: u64,
    /// How many do not. If any, the session is over.
    pub(super) refused: u64,
    /// The length of a message of which only a part is there.
    pub(super) cut_from: Option<u64>,
    is_message: bool,
}

impl Share {
    /// Of `whole` bytes that came, `length` are in the buffer; `received` have been taken before. Who counts only needs no
    /// bytes.
    pub(super) fn of(
        shape: Shape,
        limits: &Limits,
        received: u64,
        length: usize,
        whole: usize,
        count_only: bool,
    ) -> Share {
        let is_message = shape == Shape::Messages;
        let left = limits.max_bytes.map_or(u64::MAX, |most| most.saturating_sub(received));
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let is_cut = is_message && length < whole && !count_only;
        let taken = match is_message {
            true if is_cut || whole > left.min(limits.max_message.unwrap_or(usize::MAX)) => 0,
            true => whole,
            false => whole.min(left),
        };
        Share {
            shown: if is_cut { length } else { length.min(taken) },
            taken: taken as u64,
            refused: (whole - taken) as u64,
            cut_from: is_cut.then_some(whole as u64),
            is_message,
        }
    }

    /// Whether there is something to tell to those who want to see what arrives.
    pub(super) fn is_told(self) -> bool {
        self.taken > 0 || self.refused == 0 || self.cut_from.is_some()
    }

    /// Whether the service is to have it.
    pub(super) fn is_for_the_service(self) -> bool {
        self.refused == 0 || (self.taken > 0 && !self.is_message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Limits =
        Limits { max_bytes: None, max_message: None, idle: None, total: None, bytes_per_s: None };

    #[test]
    fn without_limits_all_is_taken() {
        for shape in [Shape::Stream, Shape::Messages] {
            let share = Share::of(shape, &FREE, u64::MAX, 5, 5, false);
            assert_eq!((share.shown, share.taken, share.refused, share.cut_from), (5, 5, 0, None));
            assert!(share.is_told() && share.is_for_the_service());
        }
    }

    #[test]
    fn of_a_stream_what_is_within_the_limit_counts() {
        let limits = Limits { max_bytes: Some(10), ..FREE };
        let share = Share::of(Shape::Stream, &limits, 6, 6, 6, false);
        assert_eq!((share.shown, share.taken, share.refused), (4, 4, 2));
        assert!(share.is_told() && share.is_for_the_service());
        let counted = Share::of(Shape::Stream, &limits, 6, 0, 6, true);
        assert_eq!((counted.shown, counted.taken, counted.refused), (0, 4, 2));
        let nothing = Share::of(Shape::Stream, &limits, 10, 6, 6, false);
        assert!(nothing.refused == 6 && !nothing.is_told() && !nothing.is_for_the_service());
    }

    #[test]
    fn of_messages_whole_ones_count() {
        let limits = Limits { max_bytes: Some(10), max_message: Some(4), ..FREE };
        for (received, length, taken) in [(0, 4, 4), (4, 5, 0), (8, 3, 0), (8, 2, 2), (10, 0, 0)] {
            let share = Share::of(Shape::Messages, &limits, received, length, length, false);
            assert_eq!(share.taken, taken, "{length} after {received}");
            assert_eq!(share.is_for_the_service(), taken == length as u64, "{length} after {received}");
        }
    }

    #[test]
    fn a_message_that_is_cut_is_told_and_not_taken() {
        let share = Share::of(Shape::Messages, &FREE, 0, 100, 300, false);
        assert_eq!((share.shown, share.taken, share.refused, share.cut_from), (100, 0, 300, Some(300)));
        assert!(share.is_told() && !share.is_for_the_service());
        let counted = Share::of(Shape::Messages, &FREE, 0, 100, 300, true);
        assert_eq!((counted.taken, counted.cut_from), (300, None));
        assert!(counted.is_for_the_service());
    }
}
