//! Rows that are handed out and not kept: each waits until the states of both ends after it are known.

use std::collections::VecDeque;

use crate::conversation::Row;

/// The rows of one conversation that were not handed out yet, by their numbers in it.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// The number of the first.
    first: u64,
    /// Each with whether its states are known.
    rows: VecDeque<(Row, bool)>,
}

impl Waiting {
    /// Another row; gives its number.
    pub(crate) fn push(&mut self, row: Row) -> u64 {
        self.rows.push_back((row, false));
        self.first + self.rows.len() as u64 - 1
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Row> {
        self.slot(number).map(|(row, _)| row)
    }

    /// What is known of this row will not change any more.
    pub(crate) fn settle(&mut self, number: u64) {
        if let Some((_, settled)) = self.slot(number) {
            *settled = true;
        }
    }

    /// True when the first may go.
    pub(crate) fn is_first_settled(&self) -> bool {
        self.rows.front().is_some_and(|(_, settled)| *settled)
    }

    /// Takes the first away.
    pub(crate) fn pop(&mut self) -> Option<Row> {
        let (row, _) = self.rows.pop_front()?;
        self.first += 1;
        Some(row)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.iter_mut().map(|(row, _)| row)
    }

    fn slot(&mut self, number: u64) -> Option<&mut (Row, bool)> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.rows.get_mut(place)
    }
}
