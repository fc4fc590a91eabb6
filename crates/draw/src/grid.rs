//! Rows in columns, under a head. The last column is wrapped, the others are as wide as their widest word; numbers are
//! set to the right by those who make them.

use crate::Style;
use crate::columns::{width as columns, wrap};
use crate::line::Line;
use crate::palette::Role;

const GAP: usize = 2;
/// The last column is never narrower.
const LEAST: usize = 16;

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table with these columns.
    pub fn new(head: &[&str]) -> Grid {
        Grid { head: head.iter().map(|word| (*word).to_owned()).collect(), rows: Vec::new() }
    }

    /// One more row, a word for each column.
    pub fn row<T: Into<String>>(&mut self, words: impl IntoIterator<Item = T>) -> &mut Grid {
        self.rows.push(words.into_iter().map(Into::into).collect());
        self
    }

    /// As text for a terminal. Every string is taken as safe to show.
    pub fn draw(&self, style: &Style) -> String {
        let mut out = String::new();
        self.lines(style.width).iter().for_each(|line| line.write(&mut out, style));
        out
    }

    /// As lines, at most so wide.
    pub(crate) fn lines(&self, width: usize) -> Vec<Line> {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|at| {
                let words = self.rows.iter().filter_map(|row| row.get(at));
                words.chain(self.head.get(at)).map(|word| columns(word)).max().unwrap_or(0)
            })
            .collect();
        let mut drawn = lines(&self.head, &widths, width, |_| Role::Frame);
        for row in &self.rows {
            let role = |at: usize| if at == 0 { Role::Client } else { Role::Plain };
            drawn.extend(lines(row, &widths, width, role));
        }
        drawn
    }
}

fn lines(row: &[String], widths: &[usize], total: usize, role: impl Fn(usize) -> Role) -> Vec<Line> {
    let mut line = Line::default();
    let mut start = 0;
    let last = widths.len().saturating_sub(1);
    for (at, (word, width)) in row.iter().zip(widths).enumerate() {
        if at < last {
            line.pad_to(start).push(role(at), word);
            start += width + GAP;
        }
    }
    let words = row.get(last).map_or("", String::as_str);
    let mut lines = Vec::new();
    for (at, text) in wrap(words, total.saturating_sub(start).max(LEAST)).into_iter().enumerate() {
        if at > 0 {
            lines.push(std::mem::take(&mut line));
        }
        line.pad_to(start).push(role(last), &text);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be_and_the_last_is_wrapped() {
        let mut grid = Grid::new(&["name", "meaning"]);
        grid.row(["lo", "the loopback interface, which every network namespace has"]).row(["eth0", ""]);
        let style = Style { width: 40, ..Style::default() };
        let expected = "\
name  meaning
lo    the loopback interface, which
      every network namespace has
eth0
";
        assert_eq!(grid.draw(&style), expected);
    }
}
