//! The table of sockets, in ss(8)'s columns and words: rows that scripts can take apart at blanks, with what was asked for
//! beside them.
//!
//! A [`Table`] takes rows batch by batch: the first batch gives the columns their widths, later ones keep to them as well
//! as they can. So any number of rows takes the memory of one batch.

mod address;
mod column;
mod pairs;
#[cfg(test)]
mod tests;
mod tree;
mod words;

use std::fmt::Write as _;

use wire::socket_row::{Owner, SocketRow, SocketState};

use crate::Style;
use crate::columns::width;
use crate::line::Line;
use crate::palette::Role;

pub use address::end;
pub use column::{Column, NAMES as COLUMN_NAMES};
pub use pairs::{Pair, pairs, pairs_explained};
pub use tree::{Under, order, tree};
pub use words::Extras;

/// What the table of sockets does not hold: looked up by the caller, who knows what may be asked.
pub trait Surroundings {
    /// The name of the service at a port; none where numbers are wanted.
    fn service(&self, row: &SocketRow, port: u16) -> Option<String>;
    /// The name of an interface.
    fn interface(&self, index: u32) -> Option<String>;
    /// The name of a user.
    fn user(&self, uid: u32) -> Option<String>;
    /// The path of a control group.
    fn cgroup(&self, number: u64) -> Option<String>;
    /// The processes that have a socket.
    fn owners(&self, inode: u64) -> &[Owner];
    /// The name of the Unix socket at the other end.
    fn peer_name(&self, inode: u64) -> Option<&wire::Address>;
}

/// A table whose columns have their widths once the first rows have come.
#[derive(Clone, Debug)]
pub struct Table {
    style: Style,
    columns: Vec<Column>,
    widths: Vec<usize>,
    extras: Extras,
}

impl Table {
    /// A table of these columns, each row followed by these extras.
    pub fn new(style: &Style, columns: &[Column], extras: Extras) -> Table {
        Table { style: *style, columns: columns.to_vec(), widths: Vec::new(), extras }
    }

    /// A line for each row, with what was asked for behind it or below it.
    pub fn lines(&mut self, rows: &[SocketRow], around: &dyn Surroundings) -> String {
        let cells = self.cells(rows, around);
        self.measure(&cells);
        self.draw(rows, &cells, around)
    }

    /// Heads and rows at once, for a first batch: its cells are made only once.
    pub fn head_and_lines(&mut self, rows: &[SocketRow], around: &dyn Surroundings) -> String {
        let cells = self.cells(rows, around);
        self.measure(&cells);
        self.head_line() + &self.draw(rows, &cells, around)
    }

    fn head_line(&self) -> String {
        let mut line = Line::default();
        let mut start = 0;
        for (column, width) in self.columns.iter().zip(&self.widths) {
            line.pad_to(start);
            match column.is_number() {
                true => line.right_aligned(Role::Frame, column.head(), start + width),
                false => line.push(Role::Frame, column.head()),
            };
            start += width + 1;
        }
        let mut out = String::new();
        line.write(&mut out, &self.style);
        out
    }

    fn draw(&self, rows: &[SocketRow], cells: &Cells, around: &dyn Surroundings) -> String {
        let mut out = String::with_capacity(cells.text.len() * 2 + rows.len() * 16);
        let mut all = cells.iter();
        for row in rows {
            let line_start = out.len();
            let mut missing = 0;
            for (column, wanted) in self.columns.iter().zip(&self.widths) {
                let cell = all.next().unwrap_or_default();
                let blanks = wanted.saturating_sub(width_of(cell));
                let before = if column.is_number() { missing + blanks } else { missing };
                out.extend(std::iter::repeat_n(' ', before));
                self.cell(&mut out, *column, row, cell);
                missing = if column.is_number() { 1 } else { blanks + 1 };
            }
            out.truncate(line_start + out[line_start..].trim_end_matches(' ').len());
            words::write(&mut out, row, &self.extras, self.style.ascii, around);
            out.push('\n');
        }
        out
    }

    fn cell(&self, out: &mut String, column: Column, row: &SocketRow, cell: &str) {
        // Whose turn it is when the other end has said its last word: the program's.
        let worth_a_look = row.state == SocketState::CLOSE_WAIT;
        if self.style.color && column == Column::State && worth_a_look {
            let look = Role::Finding.look().terminal;
            let _ = write!(out, "{look}{cell}{look:#}");
        } else {
            out.push_str(cell);
        }
    }

    fn cells(&self, rows: &[SocketRow], around: &dyn Surroundings) -> Cells {
        let mut cells = Cells {
            text: String::with_capacity(rows.len() * 80),
            ends: Vec::with_capacity(rows.len() * self.columns.len()),
        };
        for row in rows {
            for column in &self.columns {
                let start = cells.text.len();
                column.write(&mut cells.text, row, self.style.ascii, around);
                if cells.text.len() == start && !column.may_be_empty() {
                    cells.text.push('-');
                }
                cells.ends.push(cells.text.len());
            }
        }
        cells
    }

    /// The first time; later batches keep to it.
    fn measure(&mut self, cells: &Cells) {
        if !self.widths.is_empty() {
            return;
        }
        let least = |column: &Column| width(column.head()).max(column.usual());
        self.widths = self.columns.iter().map(least).collect();
        let columns = self.widths.len();
        for (place, cell) in cells.iter().enumerate() {
            let widest = &mut self.widths[place % columns];
            *widest = (*widest).max(width_of(cell));
        }
    }
}

/// The texts of many cells in one.
struct Cells {
    text: String,
    ends: Vec<usize>,
}

impl Cells {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let cell = self.text.get(start..*end).unwrap_or_default();
            start = *end;
            cell
        })
    }
}

/// Most cells are ASCII, and then as wide as they are long.
fn width_of(cell: &str) -> usize {
    if cell.is_ascii() { cell.len() } else { width(cell) }
}
