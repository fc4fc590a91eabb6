//! Frames that stand in a capture behind others and have an earlier time: it comes from several clocks, from one that
//! was set, or was put together out of order. How long anything took can then not be told from it.

use std::time::Duration;

use wire::Time;

use crate::conversation::{Finding, FindingId};
use crate::findings::{EVIDENCE, count};

/// Where time runs backwards from one frame to the next.
#[derive(Clone, Debug, Default)]
pub struct Backwards {
    last: Option<Time>,
    frames: Vec<u64>,
    count: u64,
    most: Duration,
}

impl Backwards {
    /// Takes the next frame.
    pub fn take(&mut self, frame: u64, time: Time) {
        if let Some(last) = self.last.replace(time).filter(|last| time < *last) {
            self.count += 1;
            self.most = self.most.max(last.since(time));
            if self.frames.len() < EVIDENCE {
                self.frames.push(frame);
            }
        }
    }

    /// How many frames are earlier than the one in front of them.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first of them; at most 16.
    pub fn frames(&self) -> &[u64] {
        &self.frames
    }

    /// By how much at most.
    pub fn most(&self) -> Duration {
        self.most
    }

    pub(crate) fn finding(&self) -> Option<Finding> {
        let frames = count(self.count, "frame");
        let text = format!(
            "time runs backwards at {frames}, by up to {:?}: how long things took is uncertain",
            self.most
        );
        let evidence = self.frames.clone();
        (self.count > 0).then_some(Finding { id: FindingId::TimeBackwards, text, evidence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_steps_back_are_told() {
        let mut backwards = Backwards::default();
        for (frame, time) in [(1, 50), (2, 40), (3, 45), (4, 60), (5, 60), (6, 30)] {
            backwards.take(frame, Time(time));
        }
        assert_eq!(backwards.frames(), [2, 6]);
        assert_eq!((backwards.count(), backwards.most()), (2, Duration::from_nanos(30)));
        assert!(Backwards::default().finding().is_none());
    }
}
