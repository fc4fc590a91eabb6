//! The sliding window: both buffers of one direction as rows of cells, one line for each moment at which anything changed.
//! Each kind of cell has a character of its own; colour only repeats it.

mod picture;

use flow::buffers::{Buffers, buffers};
use flow::{Flow, Side};

use crate::columns::cut;
use crate::line::{Line, paragraph};
use crate::number::{grouped, since_start};
use crate::palette::Role;
use crate::{Names, Style};

pub use picture::svg;

/// Cells of the whole stream, at most.
const CELLS: u64 = 32;
/// The narrowest drawing: time and two rows of cells.
const NARROWEST: usize = 40;
/// The column of the first row of cells.
const FIRST: usize = 11;
const GAP: usize = 2;

/// Draws what `sender` sent as its own buffer and the other end's. Empty where no data was seen. Takes 80 columns; the
/// explanation under it is broken to [`Style::width`].
pub fn text(flow: &Flow, sender: Side, names: &Names, style: &Style) -> String {
    let (moments, len) = buffers(flow, sender);
    if len == 0 {
        return String::new();
    }
    let unit = unit(len);
    let cells = len.div_ceil(unit);
    let second = FIRST + usize::try_from(cells).unwrap_or(0).max(20) + GAP;
    let first = flow.rows.first().map_or_else(Default::default, |row| row.time);
    let mut lines = vec![heads(sender, names, second)];
    let mut last = None;
    for now in &moments {
        let mut line = Line::default();
        line.right_aligned(Role::Frame, since_start(now.time.since(first)).trim_end(), FIRST - GAP);
        line.pad_to(FIRST);
        let ends = || (0..cells).map(|cell| upper(cell, unit, len));
        let kinds: Vec<(Role, &str)> =
            ends().map(|end| sending(now, end)).chain(ends().map(|end| receiving(now, end))).collect();
        // A change smaller than a cell, or beyond the last one, is not seen here.
        if last.as_ref() == Some(&kinds) {
            continue;
        }
        let (sent, received) = kinds.split_at(kinds.len() / 2);
        for (role, cell) in sent {
            line.push(*role, cell);
        }
        line.pad_to(second);
        for (role, cell) in received {
            line.push(*role, cell);
        }
        lines.push(line);
        last = Some(kinds);
    }
    lines.push(Line::default());
    let key = format!(
        "One character is {} bytes of the stream. Sender: # acknowledged, > sent and not acknowledged, - may be sent now, \
         . must wait. Receiver: # read by its program (as its windows tell), \
         o held for it, - free room, . beyond the window.",
        grouped(unit)
    );
    lines.extend(paragraph(Role::Frame, &key, style.width.max(NARROWEST)));
    let mut out = String::new();
    lines.iter().for_each(|line| line.write(&mut out, style));
    out
}

fn heads(sender: Side, names: &Names, second: usize) -> Line {
    let [from, to] = match sender {
        Side::A => [names.subject_a(), names.subject_b()],
        Side::B => [names.subject_b(), names.subject_a()],
    };
    let mut line = Line::default();
    line.right_aligned(Role::Frame, "time", FIRST - GAP).pad_to(FIRST);
    let room = second - FIRST - GAP;
    line.push(Role::of(sender), &cut(&wire::visible(&format!("{from} sends"), false), room)).pad_to(second);
    line.push(Role::of(sender.other()), &cut(&wire::visible(&format!("{to} receives"), false), room));
    line
}

/// Bytes of a cell: a power of two, such that there are at most [`CELLS`].
fn unit(len: u64) -> u64 {
    len.div_ceil(CELLS).next_power_of_two()
}

/// The place behind the last byte of a cell.
fn upper(cell: u64, unit: u64, len: u64) -> u64 {
    ((cell + 1) * unit).min(len)
}

/// The cell that ends there, as the sender sees it.
fn sending(now: &Buffers, end: u64) -> (Role, &'static str) {
    match end {
        end if end <= now.acknowledged => (Role::Frame, "#"),
        end if end <= now.sent => (Role::Finding, ">"),
        end if end <= now.allowed => (Role::Plain, "-"),
        _ => (Role::Frame, "."),
    }
}

/// The same as the receiver sees it.
fn receiving(now: &Buffers, end: u64) -> (Role, &'static str) {
    match end {
        end if end <= now.read => (Role::Frame, "#"),
        end if end <= now.received => (Role::Finding, "o"),
        end if end <= now.room => (Role::Plain, "-"),
        _ => (Role::Frame, "."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_takes_at_most_thirty_two_cells() {
        for (len, expected) in [(1, 1), (32, 1), (33, 2), (6000, 256), (8192, 256), (8193, 512)] {
            assert_eq!(unit(len), expected, "{len}");
            assert!(len.div_ceil(unit(len)) <= CELLS);
        }
    }

    #[test]
    fn each_kind_of_cell_has_its_character() {
        let now = Buffers {
            acknowledged: 1,
            sent: 2,
            allowed: 3,
            read: 1,
            received: 2,
            room: 3,
            ..Buffers::default()
        };
        let sent: String = (1..5).map(|end| sending(&now, end).1).collect();
        let received: String = (1..5).map(|end| receiving(&now, end).1).collect();
        assert_eq!((sent.as_str(), received.as_str()), ("#>-.", "#o-."));
    }

    #[test]
    fn the_picture_has_a_cell_for_every_cell_of_the_text() {
        let mut talk = crate::sample::Talk::new(Some(std::time::Duration::from_millis(10)));
        talk.send(0, Side::A, "S", [0, 0, 0]).send(10_000, Side::B, "SA", [0, 1, 0]);
        talk.send(20_000, Side::A, "A", [1, 1, 4]).send(30_000, Side::B, "A", [1, 5, 0]);
        let names = Names::roles(&talk.flow);
        let drawn = text(&talk.flow, Side::A, &names, &Style::default());
        let picture = svg(&talk.flow, Side::A, &names).unwrap();
        let moments = drawn.lines().take_while(|line| !line.is_empty()).count() - 1;
        // Four bytes are four cells at each end; four more in each key.
        assert_eq!(picture.matches("<rect class").count() - 1, moments * 8 + 8);
        assert_eq!(svg(&crate::sample::Talk::new(None).flow, Side::A, &names), None);
    }
}
