//! One line of text in the making: pieces with their roles, columns counted, coloured and spelled in ASCII only at the
//! end. So the plain form is always the coloured one without its escapes, and the ASCII form has the same shape.

use std::fmt::Write as _;

use crate::Style;
use crate::columns;
use crate::palette::Role;

/// A sentence in lines of at most so many columns.
pub(crate) fn paragraph(role: Role, sentence: &str, width: usize) -> Vec<Line> {
    let line = |text: String| {
        let mut line = Line::default();
        line.push(role, &text);
        line
    };
    columns::wrap(sentence, width).into_iter().map(line).collect()
}

/// A line of pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pieces: Vec<(Role, String)>,
    columns: usize,
}

impl Line {
    /// Adds text that is already safe to show.
    pub(crate) fn push(&mut self, role: Role, text: &str) -> &mut Line {
        self.columns += columns::width(text);
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some((last, piece)) if *last == role => piece.push_str(text),
            _ => self.pieces.push((role, text.to_owned())),
        }
        self
    }

    /// Adds the same character so many times.
    pub(crate) fn repeat(&mut self, role: Role, character: char, times: usize) -> &mut Line {
        self.push(role, &character.to_string().repeat(times))
    }

    /// Adds blanks up to a column (from 0); nothing when the line is that long already.
    pub(crate) fn pad_to(&mut self, column: usize) -> &mut Line {
        self.repeat(Role::Plain, ' ', column.saturating_sub(self.columns))
    }

    /// Adds text whose last character stands left of `column`.
    pub(crate) fn right_aligned(&mut self, role: Role, text: &str, column: usize) -> &mut Line {
        self.pad_to(column.saturating_sub(columns::width(text))).push(role, text)
    }

    /// Adds all pieces of another line.
    pub(crate) fn append(&mut self, other: &Line) -> &mut Line {
        for (role, text) in &other.pieces {
            self.push(*role, text);
        }
        self
    }

    /// The pieces, each with its role.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (Role, &str)> {
        self.pieces.iter().map(|(role, text)| (*role, text.as_str()))
    }

    /// Columns so far.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Writes the line and a newline, without blanks at its end.
    pub(crate) fn write(&self, out: &mut String, style: &Style) {
        let mut rest = self.pieces.as_slice();
        while let Some(((_, text), before)) = rest.split_last()
            && text.trim_end_matches(' ').is_empty()
        {
            rest = before;
        }
        for (at, (role, text)) in rest.iter().enumerate() {
            let text = if at + 1 == rest.len() { text.trim_end_matches(' ') } else { text };
            let spelled = if style.ascii { ascii(text) } else { text.to_owned() };
            let look = role.look().terminal;
            let blank = spelled.trim_matches(' ').is_empty();
            if style.color && !blank && *role != Role::Plain {
                let _ = write!(out, "{look}{spelled}{look:#}");
            } else {
                out.push_str(&spelled);
            }
        }
        out.push('\n');
    }
}

/// Each of our drawing characters by one of ASCII, so that columns stay where they are.
pub(crate) fn ascii(text: &str) -> String {
    text.chars().map(ascii_character).collect()
}

fn ascii_character(character: char) -> char {
    match character {
        ' '..='~' => character,
        '│' => '|',
        '┆' => ':',
        '─' | '–' => '-',
        '┼' | '┌' | '┐' | '└' | '┘' | '┏' | '┓' | '┗' | '┛' => '+',
        '═' | '━' => '=',
        '║' | '┃' | '╔' | '╗' | '╚' | '╝' => '#',
        '▲' => '^',
        '▼' => 'v',
        '▶' => '>',
        '◀' => '<',
        '╳' | '×' => 'x',
        '┄' | '┈' | '·' | '…' => '.',
        'µ' => 'u',
        '█' | '▉' | '▊' | '▋' | '▌' | '▍' | '▎' | '▏' => '#',
        '§' => 'S',
        '├' | '┤' | '┬' | '┴' => '+',
        '→' => '>',
        '←' => '<',
        '●' => 'o',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_at_the_end_are_dropped_and_colours_wrap_pieces() {
        let mut line = Line::default();
        line.push(Role::Client, "ab").pad_to(4).push(Role::Plain, "c ").pad_to(9);
        assert_eq!(line.columns(), 9);
        let mut out = String::new();
        line.write(&mut out, &Style { color: true, ..Style::default() });
        assert_eq!(out, "\u{1b}[36mab\u{1b}[0m  c\n");
    }

    #[test]
    fn ascii_keeps_every_column() {
        assert_eq!(ascii("│── 1–16 ──▶│ 31 µs ╳"), "|-- 1-16 -->| 31 us x");
    }
}
