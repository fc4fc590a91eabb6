//! The sliding window as a picture for a page: a row of cells for each buffer and moment, each kind of cell with a
//! colour of its own, its key above.

use flow::buffers::buffers;
use flow::{Flow, Side};

use super::{receiving, sending, unit, upper};
use crate::Names;
use crate::columns::cut;
use crate::number::{grouped, since_start};
use crate::svg::markup::{Markup, document};
use crate::svg::sheet::style;

/// The page and its edges.
const WIDTH: f64 = 880.0;
const EDGE: f64 = 24.0;
/// Both rows of cells begin here.
const STARTS: [f64; 2] = [116.0, 512.0];
/// How wide a row of cells is, and how high a moment.
const ROW: f64 = 344.0;
const HIGH: f64 = 20.0;
/// The first moment stands below names and key.
const TOP: f64 = 104.0;

const CLASS: &str = "bothends-buffers";
const COLOURED: [(&str, &str, &str); 10] = [
    (".page", "fill", "page"),
    (".page", "stroke", "border"),
    ("text", "fill", "ink"),
    (".dim", "fill", "frame"),
    (".name.a", "fill", "client"),
    (".name.b", "fill", "server"),
    (".done", "fill", "frame"),
    (".held", "fill", "closing"),
    (".room", "fill", "open"),
    (".beyond", "fill", "hairline"),
];
const FIXED: &str = "\
.bothends-buffers text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
.bothends-buffers .name{font-size:15px;font-weight:600}
.bothends-buffers .time{font:11.5px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.bothends-buffers .done{opacity:.55}
";

/// The kinds of cells: their sign in text, class, and what they are for the sender and for the receiver.
const KINDS: [(&str, &str, [&str; 2]); 4] = [
    ("#", "done", ["acknowledged", "read, as its windows tell"]),
    (">", "held", ["sent, not acknowledged", "held for its program"]),
    ("-", "room", ["may be sent now", "free room"]),
    (".", "beyond", ["must wait", "beyond the window"]),
];

/// Draws what `sender` sent as its own buffer and the other end's; none where no data was seen.
pub fn svg(flow: &Flow, sender: Side, names: &Names) -> Option<String> {
    let (moments, len) = buffers(flow, sender);
    if len == 0 {
        return None;
    }
    let unit = unit(len);
    let cells = len.div_ceil(unit);
    let mut picture = Picture { out: Markup::default(), cell: ROW / cells as f64 };
    picture.names(sender, names);
    picture.key();
    let first = flow.rows.first().map_or_else(Default::default, |row| row.time);
    let mut y = TOP;
    let mut last = None;
    for now in &moments {
        let ends: Vec<u64> = (0..cells).map(|cell| upper(cell, unit, len)).collect();
        let signs: [Vec<&str>; 2] = [
            ends.iter().map(|&end| sending(now, end).1).collect(),
            ends.iter().map(|&end| receiving(now, end).1).collect(),
        ];
        if last.as_ref() == Some(&signs) {
            continue;
        }
        let time = since_start(now.time.since(first));
        picture.out.text("time dim", [STARTS[0] - 16.0, y + 13.0], "end", time.trim_end());
        for (signs, start) in signs.iter().zip(STARTS) {
            picture.cells(signs, [start, y]);
        }
        y += HIGH;
        last = Some(signs);
    }
    let words = format!("A cell is {} bytes of the stream; time runs down.", grouped(unit));
    picture.out.text("dim", [EDGE, y + 24.0], "start", &words);
    let sheet = style(CLASS, FIXED, &COLOURED);
    let title = "the buffers of both ends, moment by moment";
    Some(document(CLASS, &sheet, [title, &words], [WIDTH, y + 44.0], &picture.out.into_string()))
}

struct Picture {
    out: Markup,
    /// How wide a cell is.
    cell: f64,
}

impl Picture {
    fn names(&mut self, sender: Side, names: &Names) {
        let [from, to] = match sender {
            Side::A => [names.subject_a(), names.subject_b()],
            Side::B => [names.subject_b(), names.subject_a()],
        };
        let classes = if sender == Side::A { ["name a", "name b"] } else { ["name b", "name a"] };
        let words = [format!("{from} sends"), format!("{to} receives")];
        for ((class, words), start) in classes.into_iter().zip(words).zip(STARTS) {
            self.out.text(class, [start, 36.0], "start", &cut(&wire::visible(&words, false), 36));
        }
    }

    fn key(&mut self) {
        for (side, start) in STARTS.into_iter().enumerate() {
            for (place, (_, class, words)) in KINDS.iter().enumerate() {
                let at = [start + (place % 2) as f64 * 176.0, 56.0 + (place / 2) as f64 * 18.0];
                self.out.rectangle(class, at, [12.0, 12.0], 2.0);
                self.out.text("dim", [at[0] + 18.0, at[1] + 10.5], "start", words[side]);
            }
        }
    }

    /// A rectangle for each run of the same kind, with a gap between the cells where they are wide.
    fn cells(&mut self, signs: &[&str], [start, y]: [f64; 2]) {
        let gap = if self.cell > 6.0 { 1.5 } else { 0.0 };
        for (place, sign) in signs.iter().enumerate() {
            let class = KINDS.iter().find(|(of, ..)| of == sign || (*sign == "o" && *of == ">"));
            let class = class.map_or("beyond", |(_, class, _)| class);
            let x = start + place as f64 * self.cell;
            self.out.rectangle(class, [x, y], [self.cell - gap, HIGH - 4.0], 2.0);
        }
    }
}
