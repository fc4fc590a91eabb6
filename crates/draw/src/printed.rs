//! Lines of text as a picture for a page: each piece in its place and colour. For what is drawn of characters, boxes too.

use crate::columns::width;
use crate::line::Line;
use crate::palette::Role;
use crate::svg::markup::{Markup, document};
use crate::svg::sheet::style;

/// Columns of the text that is pictured: enough for a header's figure, and table and sums below it.
pub(crate) const COLUMNS: usize = 92;
/// A character, in pixels: as high as boxes need to close.
const CELL: [f64; 2] = [7.5, 14.5];
const EDGE: f64 = 24.0;

const CLASS: &str = "bothends-bytes";
const COLOURED: [(&str, &str, &str); 14] = [
    (".page", "fill", "page"),
    (".page", "stroke", "border"),
    ("text", "fill", "ink"),
    (".heading", "fill", "heading"),
    (".frame", "fill", "frame"),
    (".client", "fill", "client"),
    (".server", "fill", "server"),
    (".lost", "fill", "lost"),
    (".finding", "fill", "finding"),
    (".link-layer", "fill", "link-layer"),
    (".network-layer", "fill", "network-layer"),
    (".transport-layer", "fill", "transport-layer"),
    (".control-layer", "fill", "control-layer"),
    (".tunnel-layer", "fill", "tunnel-layer"),
];
const FIXED: &str = "\
.bothends-bytes text{font:12.45px 'DejaVu Sans Mono',ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.bothends-bytes .heading{font-weight:600}
";

/// The lines, at most [`COLUMNS`] wide, as an SVG document; none where there are none.
pub(crate) fn svg(lines: &[Line], titles: [&str; 2]) -> Option<String> {
    if lines.is_empty() {
        return None;
    }
    let mut out = Markup::default();
    let mut y = EDGE + CELL[1];
    for line in lines {
        draw(&mut out, line, y);
        y += CELL[1];
    }
    let size = [COLUMNS as f64 * CELL[0] + 2.0 * EDGE, y + EDGE - CELL[1]];
    Some(document(CLASS, &style(CLASS, FIXED, &COLOURED), titles, size, &out.into_string()))
}

/// Each piece begins where its column says, whatever the letters' widths are.
fn draw(out: &mut Markup, line: &Line, y: f64) {
    let mut column = 0;
    for (role, text) in line.pieces() {
        let shown = text.trim_start_matches(' ');
        let start = column + width(text) - width(shown);
        column += width(text);
        let shown = shown.trim_end_matches(' ');
        if !shown.is_empty() {
            let class = if role == Role::Plain { "plain" } else { role.look().css };
            out.text(class, [EDGE + start as f64 * CELL[0], y], "start", &shown.replace(' ', "\u{a0}"));
        }
    }
}
