//! The fields of a header one below the other: where they stand in the frame, their value, what it means, which clause
//! defines them.

use wire::anatomy::{Field, Layer};

use crate::columns::{cut, width, wrap};
use crate::line::Line;
use crate::palette::Role;

/// Between two columns.
const GAP: usize = 2;
/// The widest column of names, and of clauses. A longer name is told by its label.
const NAME: usize = 23;
const CLAUSE: usize = 18;
/// Values up to this wide are followed by their meanings in one column.
const VALUE: usize = 6;
/// What value and meaning get at least; the clauses are given up for it.
const LEAST: usize = 20;

struct Layout {
    name: usize,
    place: usize,
    value: usize,
    clause: usize,
    /// Value and meaning together.
    room: usize,
}

pub(super) fn lines(layer: &Layer, total: usize) -> Vec<Line> {
    if layer.fields.is_empty() {
        return Vec::new();
    }
    let layout = layout(layer, total);
    let mut lines = vec![head(&layout)];
    for field in &layer.fields {
        lines.extend(row(layer, field, &layout));
    }
    lines
}

fn layout(layer: &Layer, total: usize) -> Layout {
    let widest = |of: &dyn Fn(&Field) -> usize| layer.fields.iter().map(of).max().unwrap_or_default();
    let mut layout = Layout {
        name: widest(&|field| width(&name(field))).clamp(5, NAME.min(total / 3)),
        place: widest(&|field| width(&place(layer, field))).max(5),
        value: widest(&|field| Some(width(&field.value)).filter(|width| *width <= VALUE).unwrap_or_default()),
        clause: widest(&|field| width(clause(layer, field))).min(CLAUSE),
        room: 0,
    };
    let room = |layout: &Layout| {
        let clause = if layout.clause == 0 { 0 } else { layout.clause + GAP };
        total.saturating_sub(layout.name + GAP + layout.place + GAP + clause)
    };
    layout.room = room(&layout);
    if layout.room < LEAST {
        layout.clause = 0;
        layout.room = room(&layout);
    }
    layout
}

fn head(layout: &Layout) -> Line {
    let mut line = Line::default();
    line.push(Role::Frame, "field").pad_to(layout.name + GAP).push(Role::Frame, "bytes");
    let value = layout.name + GAP + layout.place + GAP;
    line.pad_to(value).push(Role::Frame, &cut("value and meaning", layout.room));
    if layout.clause > 0 {
        line.pad_to(value + layout.room + GAP).push(Role::Frame, &cut("clause", layout.clause));
    }
    line
}

fn row(layer: &Layer, field: &Field, layout: &Layout) -> Vec<Line> {
    // A flag that is not set is there, but in the background.
    let is_unset = field.bits == 1 && field.value == "0";
    let role = |role: Role| if is_unset { Role::Frame } else { role };
    let texts = value_and_meaning(field, layout);
    let start = layout.name + GAP + layout.place + GAP;
    let line = |(at, (value, meaning)): (usize, (String, String))| {
        let mut line = Line::default();
        if at == 0 {
            line.push(role(Role::Plain), &cut(&name(field), layout.name));
            line.pad_to(layout.name + GAP).push(Role::Frame, &place(layer, field));
        }
        line.pad_to(start).push(role(Role::of_layer(layer.family)), &value);
        if !meaning.is_empty() {
            let indent =
                if value.is_empty() { layout.value + 1 } else { (layout.value + 1).max(width(&value) + 1) };
            line.pad_to(start + indent).push(role(Role::Plain), &meaning);
        }
        if at == 0 && layout.clause > 0 {
            line.pad_to(start + layout.room + GAP);
            line.push(Role::Frame, &cut(clause(layer, field), layout.clause));
        }
        line
    };
    texts.into_iter().enumerate().map(line).collect()
}

/// Lines of value and meaning: beside each other, the meaning wrapped behind a short value and below a long one.
fn value_and_meaning(field: &Field, layout: &Layout) -> Vec<(String, String)> {
    let value_width = width(&field.value);
    let indent = (layout.value + 1).max(value_width + 1);
    let is_short = value_width <= layout.value && layout.value + 1 + 8 <= layout.room;
    if field.meaning.is_empty() || !is_short && indent + width(&field.meaning) > layout.room {
        let values = wrap(&field.value, layout.room).into_iter().map(|line| (line, String::new()));
        let meaning_room = layout.room.saturating_sub(layout.value + 1);
        let meanings = wrap(&field.meaning, meaning_room).into_iter().map(|line| (String::new(), line));
        return values.chain(meanings).collect();
    }
    let mut values = Some(field.value.clone());
    let meanings = wrap(&field.meaning, layout.room - indent.min(layout.room));
    meanings.into_iter().map(|line| (values.take().unwrap_or_default(), line)).collect()
}

/// What is inside an option is set in behind its first field.
fn name(field: &Field) -> String {
    let opens = matches!(field.name, "Kind" | "Type" | "Option Type" | "Record Type");
    let indent = if field.option.is_empty() || opens { "" } else { "  " };
    let is_long = width(field.name) + indent.len() > NAME;
    format!("{indent}{}", if is_long { field.label } else { field.name })
}

/// `34`, `34–35`, of less than whole bytes `46.0–3`: the bits of the byte, from the left.
fn place(layer: &Layer, field: &Field) -> String {
    let (first, last) = (field.bit, field.bit + field.bits - 1);
    let (from, to) = (layer.start + first / 8, layer.start + last / 8);
    let whole = first % 8 == 0 && last % 8 == 7;
    match (whole, from == to, first == last) {
        (true, true, _) => from.to_string(),
        (true, false, _) => format!("{from}–{to}"),
        (false, _, true) => format!("{from}.{}", first % 8),
        (false, true, false) => format!("{from}.{}–{}", first % 8, last % 8),
        (false, false, false) => format!("{from}.{}–{to}.{}", first % 8, last % 8),
    }
}

/// The clause, unless the heading says it already.
fn clause<'a>(layer: &Layer, field: &'a Field) -> &'a str {
    if field.clause == layer.standard { "" } else { field.clause }
}
