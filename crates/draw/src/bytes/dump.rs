//! The bytes in hexadecimal and as text. Each layer begins a new line with its name, so that it is found without colours.

use wire::anatomy::{Family, Layer};

use super::{Packet, cut_in_words};
use crate::columns::cut;
use crate::line::Line;
use crate::number::count;
use crate::palette::Role;

/// Columns of the names.
const NAME: usize = 8;
/// Lines of payload that are drawn when not all is asked for.
const PAYLOAD_LINES: usize = 16;

/// Where things stand in a line.
struct Layout {
    /// Hexadecimal digits of an offset.
    digits: usize,
    /// Bytes in a line: 16, or 8 or 4 where it is narrow.
    bytes: usize,
    /// Blanks around the hexadecimal: fewer where offsets are long.
    gap: usize,
}

pub(super) fn lines(packet: &Packet<'_>, whole: bool, width: usize) -> Vec<Line> {
    let digits = if packet.bytes.len() > 0x1_0000 { 5 } else { 4 };
    let layout = Layout {
        digits,
        bytes: match width {
            80.. => 16,
            48.. => 8,
            _ => 4,
        },
        gap: if digits > 4 { 1 } else { 2 },
    };
    let layers = packet.anatomy.layers.iter();
    layers.flat_map(|layer| of_layer(layer, packet.bytes, whole, &layout, width)).collect()
}

fn of_layer(layer: &Layer, frame: &[u8], whole: bool, layout: &Layout, width: usize) -> Vec<Line> {
    let is_data = layer.family == Family::Data;
    let most = if whole || !is_data { usize::MAX } else { PAYLOAD_LINES.saturating_mul(layout.bytes) };
    let bytes = layer.bytes(frame);
    let shown = bytes.get(..most).unwrap_or(bytes);
    let rows = shown.chunks(layout.bytes).enumerate();
    let mut lines: Vec<Line> = rows.map(|(at, row)| line(layer, at, row, layout)).collect();
    let left = bytes.len() - shown.len();
    if left > 0 {
        lines.push(note(&format!("… {} more (-v shows all)", count(left as u64, "byte")), layout, width));
    }
    if let Some(cut) = layer.cut.as_ref().filter(|_| is_data) {
        lines.push(note(&cut_in_words(layer, cut), layout, width));
    }
    if let (Family::Data, "Trailer", [field]) = (layer.family, layer.name, layer.fields.as_slice()) {
        lines.push(note(&field.meaning, layout, width));
    }
    lines
}

fn line(layer: &Layer, at: usize, row: &[u8], layout: &Layout) -> Line {
    let role = Role::of_layer(layer.family);
    let mut line = Line::default();
    line.push(role, if at == 0 { layer.short } else { "" }).pad_to(NAME + 1);
    let offset = layer.start + at * layout.bytes;
    line.push(Role::Frame, &format!("{offset:0digits$x}", digits = layout.digits));
    let start = line.columns() + 1;
    for (at, byte) in row.iter().enumerate() {
        line.pad_to(column(start, at, layout)).push(role, &format!("{byte:02x}"));
    }
    line.pad_to(column(start, layout.bytes - 1, layout) + 2 + layout.gap);
    for byte in row {
        match byte {
            0x20..=0x7e => line.push(role, &char::from(*byte).to_string()),
            _ => line.push(Role::Frame, "·"),
        };
    }
    line
}

/// Where a byte of a line stands; every eighth is set apart.
fn column(start: usize, at: usize, layout: &Layout) -> usize {
    start + at * 3 + at / 8 * (layout.gap - 1)
}

fn note(text: &str, layout: &Layout, width: usize) -> Line {
    let mut line = Line::default();
    let indent = NAME + 1 + layout.digits + 1;
    line.pad_to(indent).push(Role::Finding, &cut(text, width.saturating_sub(indent)));
    line
}
