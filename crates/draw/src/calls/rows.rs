//! What happens, gathered in rows: a call shares the row of the segment that it causes, a return that of the segment whose
//! arrival it waited for.

use std::time::Duration;

use flow::Side;
use flow::calls::Call;
use wire::Time;

use super::happenings::{Happening, Sends, happenings, sends};
use crate::Style;
use crate::ladder::{Conversation, Part, Segment, Sending, Step};

/// A segment leaves so soon after the call that caused it has returned.
const SOON: Duration = Duration::from_micros(200);

/// One row of the drawing.
pub(crate) struct Row<'a, R> {
    pub(crate) time: Time,
    pub(crate) step: Option<Step<'a, R>>,
    pub(crate) cells: [Option<Cell>; 2],
}

/// What a side does in a row.
#[derive(Clone, Copy)]
pub(crate) enum Cell {
    Called(usize),
    Returned(usize),
}

/// Gathers what belongs together.
pub(crate) fn rows<'a, C: Conversation>(
    conversation: &'a C,
    calls: &[Call],
    style: &Style,
) -> Vec<Row<'a, C::Row>> {
    let mut rows: Vec<Row<'a, C::Row>> = Vec::new();
    for happening in happenings(conversation, calls, style) {
        match happening {
            Happening::Called(place) => beside_others(&mut rows, calls, Cell::Called(place)),
            Happening::Returned(place) => {
                let by = conversation.ended_by(&calls[place]);
                let row = by.and_then(|index| free_row_of(&mut rows, index, calls[place].side));
                match row {
                    Some(row) => row.cells[calls[place].side.index()] = Some(Cell::Returned(place)),
                    None => beside_others(&mut rows, calls, Cell::Returned(place)),
                }
            }
            Happening::Step(step) => match row_of_cause(&mut rows, &step, calls) {
                Some(row) => row.step = Some(step),
                None => {
                    let time = step.time().or(rows.last().map(|row| row.time)).unwrap_or_default();
                    rows.push(Row { time, step: Some(step), cells: [None; 2] });
                }
            },
        }
    }
    rows
}

/// In the last row where nothing of this side, and no segment, stands at another time; else in a new one.
fn beside_others<R: Sending>(rows: &mut Vec<Row<'_, R>>, calls: &[Call], cell: Cell) {
    let (Cell::Called(place) | Cell::Returned(place)) = cell;
    let call = &calls[place];
    let time = match cell {
        Cell::Called(_) => call.began,
        Cell::Returned(_) => call.ended.unwrap_or(call.began),
    };
    let side = call.side.index();
    match rows.last_mut() {
        Some(last) if last.step.is_none() && last.time == time && last.cells[side].is_none() => {
            last.cells[side] = Some(cell);
        }
        _ => {
            let mut row = Row { time, step: None, cells: [None; 2] };
            row.cells[side] = Some(cell);
            rows.push(row);
        }
    }
}

/// The row in which this segment arrives, if nothing of that side stands in it or below it.
fn free_row_of<'r, 'a, R: Sending>(
    rows: &'r mut [Row<'a, R>],
    index: usize,
    side: Side,
) -> Option<&'r mut Row<'a, R>> {
    let arrives = |row: &Row<'a, R>| match &row.step {
        Some(Step::Segment(segment)) => segment.index == index && segment.part != Part::Departure,
        _ => false,
    };
    let free = rows.iter_mut().rev().take_while(|row| row.cells[side.index()].is_none());
    free.into_iter().find(|row| arrives(row))
}

/// The row of the call that sends this segment: the first one below the last segment, for one call follows the other.
fn row_of_cause<'r, 'a, R: Sending>(
    rows: &'r mut [Row<'a, R>],
    step: &Step<'a, R>,
    calls: &[Call],
) -> Option<&'r mut Row<'a, R>> {
    let Step::Segment(segment) = step else { return None };
    let below = rows.iter().rposition(|row| row.step.is_some()).map_or(0, |last| last + 1);
    let side = segment.row.from().index();
    rows[below..].iter_mut().find(|row| match row.cells[side] {
        Some(Cell::Called(place)) => causes(&calls[place], segment),
        _ => false,
    })
}

/// True when the call may be what sends this segment.
fn causes<R: Sending>(call: &Call, segment: &Segment<'_, R>) -> bool {
    let until = call.ended.map_or(Time(u64::MAX), |ended| ended + SOON);
    segment.part != Part::Arrival
        && (call.began..=until).contains(&segment.time)
        && match sends(segment) {
            Sends::Nothing => false,
            Sends::Window => READ.contains(&call.function()),
            Sends::More => WRITE.contains(&call.function()),
        }
}

/// Calls that may open the window.
const READ: [&str; 6] = ["read", "readv", "recv", "recvfrom", "recvmsg", "splice"];
/// Calls that may send.
const WRITE: [&str; 13] = [
    "connect", "write", "writev", "send", "sendto", "sendmsg", "sendmmsg", "sendfile", "splice", "shutdown",
    "close", "exit", "kill",
];
