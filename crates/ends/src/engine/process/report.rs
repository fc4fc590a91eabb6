//! What a child leaves for its parent in shared memory: counts while it runs, its ending at the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kernel::shared_memory::{Row, Rows};

use crate::ending::Ending;
use crate::engine::blocking::Meter;
use crate::event::{Account, ClosedBy, How};

/// How many rows are mapped at once.
const BLOCK: usize = 512;

/// The words of an ending by their numbers in shared memory.
const HOWS: [How; 9] = [
    How::Fin,
    How::Reset,
    How::TimedOut,
    How::Refused,
    How::Unreachable,
    How::Killed,
    How::Idle,
    How::Limit,
    How::Stopped,
];
/// Who ended it and how are one number: above these bits who, in them how.
const HOW_BITS: u32 = 8;
const CLOSERS: [ClosedBy; 5] =
    [ClosedBy::Us, ClosedBy::Peer, ClosedBy::Both, ClosedBy::Path, ClosedBy::Kernel];

/// The rows of all children, those that run and those to come.
#[derive(Debug, Default)]
pub(super) struct Reports {
    blocks: Vec<Rows>,
    free: Vec<usize>,
}

/// The row of one child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report<'a> {
    row: &'a Row,
}

impl Reports {
    /// A row that no child uses, all zero; mapped before the fork, so that both have it.
    pub(super) fn take_row(&mut self) -> Result<usize, i32> {
        if self.free.is_empty() {
            let first = self.blocks.len() * BLOCK;
            self.blocks.push(Rows::new(BLOCK)?);
            self.free.extend((first..first + BLOCK).rev());
        }
        // There is one now.
        let row = self.free.pop().unwrap_or_default();
        self.row(row).row.iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
        Ok(row)
    }

    /// To be called once the child has been reaped and read.
    pub(super) fn give_back(&mut self, row: usize) {
        self.free.push(row);
    }

    /// One row of those taken.
    pub(super) fn row(&self, row: usize) -> Report<'_> {
        Report { row: &self.blocks[row / BLOCK].as_slice()[row % BLOCK] }
    }
}

impl<'a> Report<'a> {
    /// The counters that the child keeps up to date.
    pub(super) fn meter(self) -> Meter<'a> {
        let [in_bytes, out_bytes, unsent_bytes, ..] = self.row;
        Meter { in_bytes, out_bytes, unsent_bytes }
    }

    /// The child's last word. Its end orders these writes before the parent's reads.
    pub(super) fn write(self, account: &Account) {
        let [_, out, unsent, never_sent, unread, open, ending, done] = self.row;
        let store = |place: &AtomicU64, value: u64| place.store(value, Ordering::Relaxed);
        store(out, account.out_bytes);
        store(unsent, account.unsent_bytes);
        store(never_sent, account.never_sent_bytes);
        store(unread, account.unread_bytes);
        store(open, u64::try_from(account.open.as_nanos()).unwrap_or(u64::MAX));
        let words = (place_of(&CLOSERS, &account.closed_by), place_of(&HOWS, &account.how));
        store(ending, words.0 << HOW_BITS | words.1);
        done.store(1, Ordering::Release);
    }

    /// The account of a child that has ended; `cut` and `open` are of one that ended without a last word.
    pub(super) fn read(self, cut: Ending, open: Duration) -> Account {
        let load = |place: &AtomicU64| place.load(Ordering::Relaxed);
        let [in_bytes, out_bytes, unsent, never_sent, unread, nanos, ending, done] = self.row;
        let mut account = Account {
            closed_by: cut.closed_by,
            how: cut.how,
            in_bytes: load(in_bytes),
            out_bytes: load(out_bytes),
            unsent_bytes: load(unsent),
            // Without a last word: what it waited to hand to the kernel.
            never_sent_bytes: load(unsent),
            unread_bytes: 0,
            open,
        };
        if done.load(Ordering::Acquire) == 1 {
            let (closed_by, how) = (load(ending) >> HOW_BITS, load(ending) & ((1 << HOW_BITS) - 1));
            account.closed_by = word_at(&CLOSERS, closed_by).unwrap_or(cut.closed_by);
            account.how = word_at(&HOWS, how).unwrap_or(cut.how);
            account.never_sent_bytes = load(never_sent);
            account.unread_bytes = load(unread);
            account.open = Duration::from_nanos(load(nanos));
        }
        account
    }
}

fn place_of<T: PartialEq>(words: &[T], word: &T) -> u64 {
    // Every word is in its table, as the tests know; a place behind it would be nobody's.
    words.iter().position(|one| one == word).unwrap_or(words.len()) as u64
}

fn word_at<T: Copy>(words: &[T], place: u64) -> Option<T> {
    words.get(usize::try_from(place).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_comes_back_as_it_was_written() {
        let mut reports = Reports::default();
        let row = reports.take_row().expect("memory");
        for how in HOWS {
            for closed_by in CLOSERS {
                let account = Account {
                    closed_by,
                    how,
                    in_bytes: 1,
                    out_bytes: 2,
                    unsent_bytes: 4,
                    never_sent_bytes: 3,
                    unread_bytes: 4,
                    open: Duration::from_nanos(5),
                };
                let report = reports.row(row);
                report.meter().in_bytes.store(1, Ordering::Relaxed);
                report.meter().out_bytes.store(2, Ordering::Relaxed);
                report.write(&account);
                assert_eq!(report.read(Ending::KILLED, Duration::ZERO), account);
            }
        }
    }

    #[test]
    fn a_child_without_a_last_word_was_killed_with_its_counts() {
        let mut reports = Reports::default();
        let row = reports.take_row().expect("memory");
        reports.row(row).meter().out_bytes.store(9, Ordering::Relaxed);
        let account = reports.row(row).read(Ending::KILLED, Duration::from_secs(1));
        assert_eq!((account.how, account.out_bytes, account.open.as_secs()), (How::Killed, 9, 1));
    }

    #[test]
    fn rows_are_used_again_and_begin_at_zero() {
        let mut reports = Reports::default();
        let rows: Vec<usize> = (0..BLOCK + 1).map(|_| reports.take_row().expect("memory")).collect();
        assert_eq!(reports.blocks.len(), 2);
        reports.row(rows[7]).meter().in_bytes.store(3, Ordering::Relaxed);
        for row in rows {
            reports.give_back(row);
        }
        for _ in 0..2 * BLOCK {
            let row = reports.take_row().expect("memory");
            assert_eq!(reports.row(row).meter().in_bytes.load(Ordering::Relaxed), 0);
        }
        assert_eq!(reports.blocks.len(), 2);
    }
}
