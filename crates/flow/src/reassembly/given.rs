//! The bytes that were handed out last, for comparison with repetitions of them.

use std::collections::VecDeque;

use super::{Conflict, Said, difference};

/// Bytes that are remembered; a repetition of older ones is not compared.
const BYTES: usize = 64 * 1024;
/// Frames that they may come from.
const FRAMES: usize = 1_024;

/// The last bytes; there may have been gaps between them.
#[derive(Debug, Default)]
pub(super) struct Given {
    bytes: VecDeque<u8>,
    /// Where they belong, in their order.
    runs: VecDeque<Run>,
}

/// Bytes from one frame.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: i64,
    len: usize,
    frame: u64,
}

impl Given {
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.runs.capacity() * size_of::<Run>()
    }

    /// Remembers what was just handed out.
    pub(super) fn note(&mut self, said: &Said<'_>) {
        let skipped = said.bytes.len().saturating_sub(BYTES);
        let bytes = &said.bytes[skipped..];
        self.bytes.extend(bytes);
        self.runs.push_back(Run { start: said.start + signed(skipped), len: bytes.len(), frame: said.frame });
        while self.bytes.len() > BYTES || self.runs.len() > FRAMES {
            let Some(oldest) = self.runs.pop_front() else { break };
            self.bytes.drain(..oldest.len.min(self.bytes.len()));
        }
    }

    /// Where a repetition differs from what is remembered of the same positions.
    pub(super) fn differs(&self, again: &Said<'_>) -> Option<Conflict> {
        let again_end = again.start + signed(again.bytes.len());
        let mut before = 0;
        for run in &self.runs {
            let from = again.start.max(run.start);
            if from < again_end.min(run.start + signed(run.len)) {
                let ours = self.bytes.range(before..before + run.len).skip(distance(run.start, from));
                let theirs = again.bytes.iter().skip(distance(again.start, from));
                if let Some((at, len_bytes)) = difference(ours, theirs) {
                    let (first, again) = (run.frame, again.frame);
                    return Some(Conflict { start: from + at, len_bytes, first, again });
                }
            }
            before += run.len;
        }
        None
    }
}

fn distance(from: i64, to: i64) -> usize {
    usize::try_from(to - from).unwrap_or(usize::MAX)
}

fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
