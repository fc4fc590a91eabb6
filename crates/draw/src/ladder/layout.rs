//! Which column holds what, at every width: times, A's states, the lane between the lifelines, B's states, and where
//! there is room windows, bytes in flight and remarks.

use flow::{Flow, State};

use super::conversation::{Conversation, Sending};
use super::steps::Step;
use crate::Style;
use crate::columns::width;
use crate::number::{Times, grouped};

/// The narrowest drawing.
pub(crate) const NARROWEST: usize = 40;
/// The widest; arrows do not become more readable by length.
const WIDEST: usize = 200;
/// From here on the states have columns of their own; below they stand inside the lane, under the arrow.
const STATES_BESIDE: usize = 70;
/// From here on windows and bytes in flight are shown.
const NUMBERS: usize = 110;
/// From here on remarks have a column of their own.
const REMARKS: usize = 150;
/// The widest drawing of conversations without states: all labels and remarks have room.
const STATELESS: usize = 120;
/// The longest state, SYN_RECEIVED.
const STATE: usize = 12;
/// A window or a number of bytes: the largest is 1,073,725,440, rarely reached.
const NUMBER: usize = 9;

/// Columns from the left, from 0.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Columns in all.
    pub(crate) width: usize,
    /// Behind the last character of the time.
    pub(crate) time: usize,
    /// A's lifeline.
    pub(crate) left: usize,
    /// Columns between the lifelines.
    pub(crate) lane: usize,
    /// Columns for B's state, and for the remark where it has no column of its own; none when the states stand inside
    /// the lane.
    pub(crate) beside: Option<usize>,
    /// Where windows are shown: behind their last digit.
    pub(crate) window: Option<usize>,
    /// Where bytes in flight are shown.
    pub(crate) flight: Option<Flight>,
    /// Where remarks have a column of their own.
    pub(crate) remark: Option<usize>,
}

/// The bytes in flight: a number and a bar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    /// Behind the last digit.
    pub(crate) number: usize,
    /// The first column of the bar.
    pub(crate) bar: usize,
    /// The bar's columns.
    pub(crate) columns: usize,
    /// The bytes that fill it.
    pub(crate) full: u32,
}

impl Layout {
    /// B's lifeline.
    pub(crate) fn right(&self) -> usize {
        self.left + 1 + self.lane
    }
}

/// The layout of this conversation at this width.
pub(crate) fn layout<C: Conversation>(
    conversation: &C,
    steps: &[Step<'_, C::Row>],
    written: Times,
    style: &Style,
) -> Layout {
    let total = style.width.clamp(NARROWEST, WIDEST);
    let indent = if total < STATES_BESIDE { 0 } else { 2 };
    let time = indent + time_columns(steps, written);
    if total < STATES_BESIDE {
        return narrow(total, time);
    }
    if conversation.states().is_none() {
        return without_states(total, time);
    }
    let left = time + 1 + STATE + 1;
    let rest = total - left - 3;
    let full = conversation.most_in_flight();
    match total {
        NUMBERS.. => wide(total, time, left, full),
        _ => {
            let beside = (rest * 36 / 100).clamp(17, 30);
            Layout { lane: rest - beside, beside: Some(beside), ..empty(total, time, left) }
        }
    }
}

/// Times and one lane; the states stand inside it.
fn narrow(total: usize, time: usize) -> Layout {
    let left = time + 1;
    Layout { lane: total - left - 2, ..empty(total, time, left) }
}

/// Times, one lane and remarks, no wider than is of use. Half of A's name has room left of its lifeline.
fn without_states(total: usize, time: usize) -> Layout {
    let total = total.min(STATELESS);
    let left = time + 9;
    let rest = total - left - 3;
    let beside = (rest * 42 / 100).clamp(17, 40);
    Layout { lane: rest - beside, beside: Some(beside), ..empty(total, time, left) }
}

/// Windows and bytes in flight at the right edge, or between states and remarks.
fn wide(total: usize, time: usize, left: usize, full: Option<u32>) -> Layout {
    let remarks = if total >= REMARKS { 22 + (total - REMARKS) / 4 } else { 0 };
    let beside = if remarks > 0 { STATE } else { 18 };
    let bar = if total >= 120 { 8 + total.saturating_sub(120) / 10 } else { 6 };
    let flight = if full.is_some() { 1 + NUMBER + 1 + bar } else { 0 };
    let used = left + 2 + 1 + beside + 1 + NUMBER + flight + if remarks > 0 { 2 + remarks } else { 0 };
    let lane = total.saturating_sub(used);
    let window = left + 1 + lane + 2 + beside + 1 + NUMBER;
    let number = window + 1 + NUMBER;
    let flight_columns = full.map(|full| Flight { number, bar: number + 1, columns: bar, full });
    Layout {
        lane,
        beside: Some(beside),
        window: Some(window),
        flight: flight_columns,
        remark: (remarks > 0).then_some(window + flight + 2),
        ..empty(total, time, left)
    }
}

fn empty(width: usize, time: usize, left: usize) -> Layout {
    Layout { width, time, left, lane: 0, beside: None, window: None, flight: None, remark: None }
}

/// As many columns as the longest time takes.
fn time_columns<R: Sending>(steps: &[Step<'_, R>], written: Times) -> usize {
    let times = steps.iter().filter_map(|step| match step {
        Step::Segment(segment) => Some(segment.written_time()),
        other => other.time(),
    });
    times.map(|time| written.text(time).len()).max().unwrap_or(0).max("0.000 ms".len())
}

/// The bytes that fill a bar; none when no row tells its bytes in flight. A few bytes are not drawn as much: a full bar
/// means at least as much as an initial window, ten segments (RFC 6928 §2).
pub(super) fn most_in_flight(flow: &Flow) -> Option<u32> {
    let most = flow.rows.iter().filter_map(|row| row.in_flight_bytes).max().filter(|&most| most > 0)?;
    let mss = flow.totals_a.mss.into_iter().chain(flow.totals_b.mss).min().unwrap_or(1460);
    Some(most.max(10 * u32::from(mss)))
}

/// A window or a number of bytes in its column.
pub(crate) fn number(bytes: u32) -> String {
    let exact = grouped(bytes.into());
    if width(&exact) <= NUMBER { exact } else { crate::number::size(bytes.into()) }
}

/// The states' names are never wider than their column.
pub(crate) fn state(state: State) -> &'static str {
    debug_assert!(width(state.name()) <= STATE);
    state.name()
}
