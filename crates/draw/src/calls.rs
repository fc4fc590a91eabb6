//! Calls beside segments: a ladder with what A's program called on the left and B's on the right, each at its time. A call
//! that sends something stands beside its segment; one that waits has a dotted line below it, down to the arrival that ended
//! the wait. [`text`] and [`datagrams`] draw it for a terminal of any width, [`svg`] and [`svg_of_datagrams`] as a picture;
//! all draw the same happenings.

use flow::calls::Call;
use flow::{DatagramFlow, Flow};

use crate::{Names, Style};

mod cell;
mod happenings;
mod rows;
mod terminal;
#[cfg(test)]
mod tests;

pub(crate) use rows::{Cell, Row, rows};

pub use crate::svg::{draw_calls as svg, draw_calls_of_datagrams as svg_of_datagrams};

/// Draws the conversation and the calls of its programs; each line is at most [`Style::width`] columns wide and ends in a
/// newline.
pub fn text(flow: &Flow, calls: &[Call], names: &Names, style: &Style) -> String {
    terminal::draw(flow, calls, names, style)
}

/// The same for a conversation of datagrams.
pub fn datagrams(flow: &DatagramFlow, calls: &[Call], names: &Names, style: &Style) -> String {
    terminal::draw(flow, calls, names, style)
}
