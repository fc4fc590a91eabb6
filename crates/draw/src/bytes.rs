//! One packet: its bytes with the layers marked, then each header as the figure that its standard draws, its fields with
//! their values and clauses, and its checksum with all that is summed. To be read from the top at 80 columns; where there
//! is room for both, figure and table stand side by side.

mod dump;
mod figure;
mod sums;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use wire::anatomy::{Anatomy, Cut, Family, Layer};

use crate::columns::cut;
use crate::line::{Line, paragraph};
use crate::number::{count, grouped, since_start};
use crate::palette::Role;
use crate::{Style, printed};

/// The narrowest drawing.
const NARROWEST: usize = 40;
/// From here on the table stands beside the figure: what both need, and a gap.
const SIDE_BY_SIDE: usize = 150;
const GAP: usize = 2;

/// The packet that is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its number in the capture.
    pub number: u64,
    /// When it was captured, from the first one on.
    pub time: Duration,
    /// Its bytes, as far as they were captured.
    pub bytes: &'a [u8],
    /// What they are.
    pub anatomy: &'a Anatomy,
}

/// Everything about the packet. Long payloads are shown in `whole`, or as their beginning.
pub fn text(packet: &Packet<'_>, whole: bool, style: &Style) -> String {
    let mut out = String::new();
    let lines = lines(packet, whole, style.width.max(NARROWEST), style.ascii);
    lines.iter().for_each(|line| line.write(&mut out, style));
    out
}

fn lines(packet: &Packet<'_>, whole: bool, width: usize, ascii: bool) -> Vec<Line> {
    let mut lines = headline(packet, width);
    lines.push(Line::default());
    lines.extend(dump::lines(packet, whole, width));
    for layer in packet.anatomy.layers.iter().filter(|layer| layer.family != Family::Data) {
        lines.push(Line::default());
        lines.extend(section(layer, packet.bytes, width, ascii));
    }
    lines
}

/// The same as an SVG document; a long payload as its beginning.
pub fn svg(packet: &Packet<'_>) -> Option<String> {
    let title = format!("frame {}, byte by byte", packet.number);
    let when = format!("seen at {}", since_start(packet.time).trim_end());
    printed::svg(&lines(packet, false, printed::COLUMNS, false), [&title, &when])
}

/// Its bytes alone, the layers marked.
pub(crate) fn dump(packet: &Packet<'_>, width: usize) -> Vec<Line> {
    dump::lines(packet, false, width.max(NARROWEST))
}

/// The first header of this name alone, for those who know the others; nothing where the packet has none.
pub(crate) fn header(packet: &Packet<'_>, name: &str, width: usize, ascii: bool) -> Vec<Line> {
    let layer = packet.anatomy.layers.iter().find(|layer| layer.name == name);
    layer.map_or_else(Vec::new, |layer| section(layer, packet.bytes, width.max(NARROWEST), ascii))
}

fn headline(packet: &Packet<'_>, width: usize) -> Vec<Line> {
    let anatomy = packet.anatomy;
    let kept = match anatomy.captured {
        kept if kept == anatomy.wire_len => "all captured".to_owned(),
        kept => format!("{} captured", grouped(kept as u64)),
    };
    let sentence = format!(
        "frame {}: {} on the wire, {kept}; {}, at {}",
        packet.number,
        count(anatomy.wire_len as u64, "byte"),
        anatomy.link_type,
        since_start(packet.time).trim_end(),
    );
    paragraph(Role::Heading, &sentence, width)
}

/// A header: figure, table, what is wrong with it, checksum.
fn section(layer: &Layer, frame: &[u8], width: usize, ascii: bool) -> Vec<Line> {
    let mut lines = vec![heading(layer, width)];
    let figure = figure::lines(layer, layer.bytes(frame), width, ascii);
    if width >= SIDE_BY_SIDE {
        let table = table::lines(layer, width - figure::WIDTH - GAP);
        lines.extend(beside(&figure, &table));
    } else {
        let gap = !figure.is_empty();
        lines.extend(figure);
        lines.extend(gap.then(Line::default));
        lines.extend(table::lines(layer, width));
    }
    lines.extend(troubles(layer, width));
    if let Some(checksum) = &layer.checksum {
        lines.push(Line::default());
        lines.extend(sums::lines(layer, checksum, width, ascii));
    }
    lines
}

/// `── TCP ── bytes 34–73 ── RFC 9293 ─────`
fn heading(layer: &Layer, width: usize) -> Line {
    let mut line = Line::default();
    let quoted = if layer.quoted { ", quoted" } else { "" };
    line.push(Role::Frame, "── ").push(Role::of_layer(layer.family), layer.name);
    let place = match layer.len {
        0 => format!("{quoted} ── nothing of it is here"),
        1 => format!("{quoted} ── byte {}", layer.start),
        len => format!("{quoted} ── bytes {}–{}", layer.start, layer.start + len - 1),
    };
    line.push(Role::Frame, &cut(&place, width.saturating_sub(line.columns())));
    if !layer.standard.is_empty() {
        let standard = format!(" ── {}", layer.standard);
        line.push(Role::Frame, &cut(&standard, width.saturating_sub(line.columns())));
    }
    let left = width.saturating_sub(line.columns());
    if left > 1 {
        line.push(Role::Frame, " ").repeat(Role::Frame, '─', left - 1);
    }
    line
}

/// Two columns of lines.
fn beside(left: &[Line], right: &[Line]) -> Vec<Line> {
    let rows = left.len().max(right.len());
    let row = |at: usize| {
        let mut line = left.get(at).cloned().unwrap_or_default();
        if let Some(right) = right.get(at) {
            line.pad_to(figure::WIDTH + GAP).append(right);
        }
        line
    };
    (0..rows).map(row).collect()
}

/// Where it was cut, and which rules it breaks.
fn troubles(layer: &Layer, width: usize) -> Vec<Line> {
    let breaches = layer.breaches.iter().map(|breach| format!("! {} ({})", breach.what, breach.clause));
    let cut = layer.cut.iter().map(|cut| format!("! {}", cut_in_words(layer, cut)));
    breaches.chain(cut).flat_map(|sentence| paragraph(Role::Finding, &sentence, width)).collect()
}

/// `the capture ends here, before Window: 26 bytes are missing`
fn cut_in_words(layer: &Layer, cut: &Cut) -> String {
    let is_inside = layer.fields.last().is_some_and(|last| last.name == cut.at);
    let at = match (layer.family, is_inside) {
        (Family::Data, _) => String::new(),
        (_, true) => format!(", inside {}", cut.at),
        (_, false) => format!(", before {}", cut.at),
    };
    let missing = match cut.missing {
        0 => String::new(),
        1 => ": 1 byte is missing".to_owned(),
        more => format!(": {} bytes are missing", grouped(more as u64)),
    };
    format!("{} ends here{at}{missing}", cut.by.words())
}
