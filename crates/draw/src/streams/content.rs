//! The bytes of a turn as lines: text, or a hex dump.

use std::fmt::Write as _;

use flow::Side;
use wire::VisibleStream;

use super::{Form, Look, sign};
use crate::line::Line;
use crate::palette::Role;

/// Columns that a hex dump of 16 bytes a line takes; in less there are 8.
const WIDE: usize = 78;

/// The lines of one turn.
#[derive(Debug)]
pub(super) struct Content {
    from: Side,
    look: Look,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Text(VisibleStream),
    /// A line in the making, and the position of its first byte.
    Hex(i64, Vec<u8>),
}

impl Content {
    pub(super) fn new(from: Side, form: Form, look: &Look) -> Content {
        let body = match form {
            Form::Hex => Body::Hex(0, Vec::new()),
            _ => Body::Text(visible_stream(look)),
        };
        Content { from, look: *look, body }
    }

    /// Draws bytes; `start` is the position of the first in its stream.
    pub(super) fn say(&mut self, start: i64, bytes: &[u8], out: &mut String) {
        match &mut self.body {
            Body::Text(stream) => {
                let within = stream.is_within_a_line();
                let shown = stream.show(bytes);
                self.lines(&shown, within, out);
            }
            Body::Hex(..) => self.hex(start, bytes, out),
        }
    }

    /// Ends the line, for something else comes.
    pub(super) fn end(&mut self, out: &mut String) {
        match &mut self.body {
            Body::Text(stream) => {
                let within = stream.is_within_a_line();
                let mut shown = stream.finish();
                if stream.is_within_a_line() {
                    shown.push('\n');
                }
                *stream = visible_stream(&self.look);
                self.lines(&shown, within, out);
            }
            Body::Hex(start, row) => {
                let (start, row) = (*start, std::mem::take(row));
                if !row.is_empty() {
                    self.row(start, &row, out);
                }
            }
        }
    }

    /// Writes text, with the sign before each line.
    fn lines(&self, shown: &str, within: bool, out: &mut String) {
        for (place, line) in shown.split_inclusive('\n').enumerate() {
            if place > 0 || !within {
                self.sign(out);
            }
            out.push_str(line);
        }
    }

    fn hex(&mut self, start: i64, bytes: &[u8], out: &mut String) {
        let columns = self.columns();
        let mut bytes = bytes;
        let mut at = start;
        while let Body::Hex(row_start, row) = &mut self.body
            && !bytes.is_empty()
        {
            let joins = *row_start + signed(row.len()) == at;
            if row.is_empty() {
                *row_start = at;
            } else if !joins || row.len() == columns {
                self.end(out);
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(columns - row.len()));
            row.extend_from_slice(now);
            at += signed(now.len());
            bytes = later;
        }
        if matches!(&self.body, Body::Hex(_, row) if row.len() == columns) {
            self.end(out);
        }
    }

    fn columns(&self) -> usize {
        if self.look.style.width < WIDE { 8 } else { 16 }
    }

    /// `▶ 00000010  68 65 6c 6c 6f 0a                                 hello.`; offsets count from 0.
    fn row(&self, start: i64, row: &[u8], out: &mut String) {
        let columns = self.columns();
        let mut hex = String::with_capacity(columns * 3 + 2);
        for (place, byte) in row.iter().enumerate() {
            hex.push_str(if place > 0 && place.is_multiple_of(8) { "  " } else { " " });
            let _ = write!(hex, "{byte:02x}");
        }
        let text: String = row.iter().map(|byte| printable(*byte)).collect();
        let role = Role::of(self.from);
        let mut line = Line::default();
        line.push(role, sign(self.from)).push(Role::Plain, " ");
        line.push(Role::Frame, &format!("{:08x}", start.saturating_sub(1))).push(Role::Plain, " ");
        let text_at = line.columns() + columns * 3 + columns / 8 + 1;
        line.push(Role::Plain, &hex).pad_to(text_at).push(Role::Plain, &text);
        line.write(out, &self.look.style);
    }

    fn sign(&self, out: &mut String) {
        let mut line = Line::default();
        line.push(Role::of(self.from), sign(self.from)).write(out, &self.look.style);
        // Within the line.
        out.pop();
        out.push(' ');
    }
}

fn visible_stream(look: &Look) -> VisibleStream {
    match look.line_ends {
        true => VisibleStream::with_line_ends(look.style.ascii),
        false => VisibleStream::new(look.style.ascii),
    }
}

fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

fn printable(byte: u8) -> char {
    if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' }
}

/// True for what people would read: UTF-8 with hardly a control character in it, and no NUL at all.
pub(super) fn is_text<'a>(parts: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut all, mut odd) = (0, 0);
    for bytes in parts {
        if bytes.contains(&0) {
            return false;
        }
        all += bytes.len();
        for chunk in bytes.utf8_chunks() {
            odd += chunk.valid().chars().filter(|character| is_odd(*character)).count();
            odd += chunk.invalid().len();
        }
    }
    odd * 50 <= all
}

/// A control character that texts have not. Those that have escape sequences have many.
fn is_odd(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\x0c' | '\x08' | '\x1b')
}
