//! A header as its standard draws it: 32 bits a row under a ruler, each field a box with its name and its value. Fields
//! that go on in the next row have no line between; narrow ones stand upright.

use wire::anatomy::{Field, Layer};

use crate::columns::{cut, width, wrap};
use crate::line::Line;
use crate::number::grouped;
use crate::palette::Role;

/// Bits of a row (RFC 791, Appendix B).
const BITS: usize = 32;
/// The box: two columns for each bit, and the last line.
const BOX: usize = 2 * BITS + 1;
/// In front of the box: the offset of the row in the header.
const OFFSET: usize = 3;
/// Behind the box: a blank and the four bytes.
const HEX: usize = 12;
/// A figure in whole.
pub(super) const WIDTH: usize = OFFSET + BOX + HEX;
/// Rows of one field that are drawn before its middle is left out.
const LONG: usize = 6;

/// The part of a field that stands in one row.
#[derive(Clone, Copy)]
struct Segment {
    field: usize,
    /// From and to, in bits of the row.
    from: usize,
    to: usize,
    /// Name and value stand here.
    labelled: bool,
}

impl Segment {
    /// Columns between its lines.
    fn room(self) -> usize {
        (self.to - self.from) * 2 - 1
    }
}

/// The figure; nothing where it does not fit, or there is nothing to draw.
pub(super) fn lines(layer: &Layer, bytes: &[u8], width: usize, ascii: bool) -> Vec<Line> {
    if width < OFFSET + BOX || layer.fields.is_empty() {
        return Vec::new();
    }
    let figure = Figure { layer, bytes, with_hex: width >= WIDTH, ascii, rows: rows(layer) };
    figure.lines()
}

struct Figure<'a> {
    layer: &'a Layer,
    bytes: &'a [u8],
    with_hex: bool,
    ascii: bool,
    rows: Vec<Vec<Segment>>,
}

impl Figure<'_> {
    fn lines(&self) -> Vec<Line> {
        let mut lines = ruler();
        let mut at = 0;
        while at <= self.rows.len() {
            lines.extend(self.border(at));
            if at < self.rows.len() {
                lines.extend(self.row(at));
            }
            let left_out = self.left_out_behind(at);
            if left_out > 0 {
                lines.push(self.ellipsis(left_out));
            }
            at += 1 + left_out;
        }
        lines
    }

    /// Rows behind this one that are all of the same long field: its last one is drawn again.
    fn left_out_behind(&self, at: usize) -> usize {
        let whole = |at: usize| match self.rows.get(at).map(Vec::as_slice) {
            Some([Segment { field, from: 0, to: BITS, .. }]) => Some(*field),
            _ => None,
        };
        let Some(field) = whole(at) else { return 0 };
        let before = (0..=at).rev().take_while(|at| whole(*at) == Some(field)).count();
        let behind = (at + 1..self.rows.len()).take_while(|at| whole(*at) == Some(field)).count();
        if before == 2 && before + behind > LONG { behind - 1 } else { 0 }
    }

    fn ellipsis(&self, rows: usize) -> Line {
        let mut line = Line::default();
        line.pad_to(OFFSET).push(Role::Frame, "/");
        let text = format!("… {} bytes …", grouped(rows as u64 * 4));
        line.pad_to(OFFSET + (BOX - width(&text)) / 2).push(Role::Frame, &text);
        line.pad_to(OFFSET + BOX - 1).push(Role::Frame, "/");
        line
    }

    /// The lines of a row: names above values.
    fn row(&self, at: usize) -> Vec<Line> {
        let segments = &self.rows[at];
        let names: Vec<Vec<String>> = segments.iter().map(|segment| self.name(*segment)).collect();
        let name_lines = names.iter().map(Vec::len).max().unwrap_or_default();
        let is_labelled = segments.iter().any(|segment| segment.labelled);
        let count = if is_labelled { name_lines + 1 } else { 1 };
        let mut lines = Vec::with_capacity(count);
        for line_at in 0..count {
            let mut line = Line::default();
            if line_at == 0 && at * 4 < 1000 {
                line.right_aligned(Role::Frame, &(at * 4).to_string(), OFFSET - usize::from(at < 25));
            }
            line.pad_to(OFFSET).push(Role::Frame, "│");
            for (segment, name) in segments.iter().zip(&names) {
                let (role, text) = self.cell(*segment, name, name_lines, line_at, is_labelled);
                centred(&mut line, role, &text, OFFSET + segment.from * 2 + 1, segment.room());
                line.push(Role::Frame, "│");
            }
            if line_at == 0 && self.with_hex {
                line.pad_to(OFFSET + BOX + 1).push(Role::of_layer(self.layer.family), &self.hex(at));
            }
            lines.push(line);
        }
        lines
    }

    fn cell(
        &self,
        segment: Segment,
        name: &[String],
        name_lines: usize,
        line_at: usize,
        is_labelled: bool,
    ) -> (Role, String) {
        let field = &self.layer.fields[segment.field];
        if !is_labelled || !segment.labelled {
            return (Role::Plain, String::new());
        }
        // A flag that is not set is there, but in the background.
        let is_unset = field.bits == 1 && field.value == "0";
        let role = |role: Role| if is_unset { Role::Frame } else { role };
        if line_at == name_lines {
            return (role(Role::of_layer(self.layer.family)), value(field, segment.room()));
        }
        // Short names stand in the middle of what the longest needs.
        let above = (name_lines - name.len()) / 2;
        let text = line_at.checked_sub(above).and_then(|at| name.get(at)).cloned().unwrap_or_default();
        (role(Role::Plain), text)
    }

    fn name(&self, segment: Segment) -> Vec<String> {
        let field = &self.layer.fields[segment.field];
        match (segment.labelled, segment.room()) {
            (false, _) => Vec::new(),
            (true, 1) => field.label.chars().take(4).map(String::from).collect(),
            (true, room) => {
                let name = if width(field.name) <= room { field.name } else { field.label };
                wrap(name, room).into_iter().take(3).map(|line| cut(&line, room)).collect()
            }
        }
    }

    fn hex(&self, at: usize) -> String {
        let end = self.bytes.len().min(at * 4 + 4);
        let row = self.bytes.get(at * 4..end).unwrap_or_default();
        row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
    }

    /// The line above row `at`: drawn where the fields above and below differ. None where they nowhere do.
    fn border(&self, at: usize) -> Option<Line> {
        let above = at.checked_sub(1).and_then(|at| self.rows.get(at)).map_or(&[][..], Vec::as_slice);
        let below = self.rows.get(at).map_or(&[][..], Vec::as_slice);
        let differs = |bit: usize| field_at(above, bit) != field_at(below, bit);
        if !(0..BITS).any(differs) {
            return None;
        }
        let mut line = Line::default();
        line.pad_to(OFFSET);
        for bit in 0..=BITS {
            let left = bit > 0 && differs(bit - 1);
            let right = bit < BITS && differs(bit);
            let up = has_line(above, bit);
            let down = has_line(below, bit);
            line.push(Role::Frame, self.corner(up, down, left, right));
            if bit < BITS {
                line.push(Role::Frame, if right { "─" } else { " " });
            }
        }
        Some(line)
    }

    /// Where lines meet. In ASCII each bit has its `+`, as in the RFCs.
    fn corner(&self, up: bool, down: bool, left: bool, right: bool) -> &'static str {
        if self.ascii && (left || right) {
            return "┼";
        }
        match (up, down, left, right) {
            (true, true, true, true) => "┼",
            (true, true, false, true) => "├",
            (true, true, true, false) => "┤",
            (true, true, false, false) => "│",
            (true, false, true, true) => "┴",
            (true, false, false, true) => "└",
            (true, false, true, false) => "┘",
            (false, true, true, true) => "┬",
            (false, true, false, true) => "┌",
            (false, true, true, false) => "┐",
            (false, false, true, true) => "─",
            (false, false, true, false) => "─",
            (false, false, false, true) => "─",
            _ => " ",
        }
    }
}

fn ruler() -> Vec<Line> {
    let mut tens = Line::default();
    let mut ones = Line::default();
    for bit in 0..BITS {
        let column = OFFSET + bit * 2 + 1;
        if bit % 10 == 0 {
            tens.pad_to(column).push(Role::Frame, &(bit / 10).to_string());
        }
        ones.pad_to(column).push(Role::Frame, &(bit % 10).to_string());
    }
    vec![tens, ones]
}

/// The fields cut into rows, each labelled where it is widest, or in the middle of the rows that it fills.
fn rows(layer: &Layer) -> Vec<Vec<Segment>> {
    let mut rows: Vec<Vec<Segment>> = Vec::new();
    for (index, field) in layer.fields.iter().enumerate() {
        let label_row = label_row(field);
        let (mut bit, end) = (field.bit, field.bit + field.bits);
        while bit < end {
            let row = bit / BITS;
            let until = end.min((row + 1) * BITS);
            rows.resize_with(rows.len().max(row + 1), Vec::new);
            let from = bit % BITS;
            let labelled = row == label_row;
            rows[row].push(Segment { field: index, from, to: from + until - bit, labelled });
            bit = until;
        }
    }
    rows
}

fn label_row(field: &Field) -> usize {
    let (first, end) = (field.bit / BITS, field.bit + field.bits);
    let last = (end - 1) / BITS;
    let head = (end.min((first + 1) * BITS)) - field.bit;
    match last - first {
        0 => first,
        1 if end - last * BITS > head => last,
        1 => first,
        // The rows that it fills, or the first ones of many.
        _ => {
            let full = if head == BITS { first } else { first + 1 };
            let full_rows = end / BITS - full;
            full + if full_rows > LONG { 0 } else { full_rows.saturating_sub(1) / 2 }
        }
    }
}

fn field_at(row: &[Segment], bit: usize) -> Option<usize> {
    row.iter().find(|segment| (segment.from..segment.to).contains(&bit)).map(|segment| segment.field)
}

fn has_line(row: &[Segment], bit: usize) -> bool {
    row.iter().any(|segment| segment.from == bit || segment.to == bit)
}

/// The value, and what it means where there is room.
fn value(field: &Field, room: usize) -> String {
    if !field.meaning.is_empty() && field.bits > 1 {
        let both = format!("{} {}", field.value, field.meaning);
        if width(&both) <= room {
            return both;
        }
    }
    cut(&field.value, room)
}

fn centred(line: &mut Line, role: Role, text: &str, from: usize, room: usize) {
    let text = cut(text, room);
    line.pad_to(from + (room - width(&text)) / 2).push(role, &text).pad_to(from + room);
}
