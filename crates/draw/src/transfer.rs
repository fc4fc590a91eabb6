//! A transfer, interval by interval: how many bytes were in flight, how long a round trip took, what was lost. Bars make the
//! course visible, numbers stand beside them.

mod picture;

use std::time::Duration;

use flow::transfer::{Interval, Transfer, transfer};
use flow::{Flow, Side};

use crate::columns::{cut, width};
use crate::line::{Line, paragraph};
use crate::number::{count, duration, grouped, since_start};
use crate::palette::Role;
use crate::scene::Naming;
use crate::{Names, Style};
use wire::Time;

pub use picture::svg;

/// Intervals at most.
const MOST: usize = 30;
/// The narrowest drawing.
const NARROWEST: usize = 40;
/// The widest: longer bars say nothing more.
const WIDEST: usize = 132;
/// From here on there are bars for round trips too, and remarks.
const BOTH: usize = 64;
/// Times, byte counts and round trips.
const TIME: usize = 9;
const BYTES: usize = 9;
const TRIP: usize = 7;
/// `8 lost, timeout` has room.
const REMARK: usize = 15;

/// Draws what `sender` sent in each of these conversations, their bars to the same scale. Empty where no data was seen.
pub fn text(flows: &[Flow], sender: Side, naming: Naming, style: &Style) -> String {
    let transfers: Vec<(&Flow, Transfer)> =
        flows.iter().map(|flow| (flow, transfer(flow, sender, MOST))).collect();
    let transfers: Vec<_> = transfers.into_iter().filter(|(_, one)| !one.intervals.is_empty()).collect();
    let scale = Scale::of(transfers.iter().map(|(_, transfer)| transfer));
    let mut lines = Vec::new();
    for (flow, transfer) in &transfers {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        let drawing = Drawing::of(flow, scale, style);
        lines.push(drawing.heads(sender, &naming([flow.a, flow.b])));
        let mut before = None;
        for interval in &transfer.intervals {
            lines.push(drawing.interval(interval, before, sender));
            before = Some(interval.start);
        }
        lines.push(Line::default());
        lines.extend(paragraph(Role::Frame, &key(transfer, "line"), style.width.max(NARROWEST)));
    }
    let mut out = String::new();
    lines.iter().for_each(|line| line.write(&mut out, style));
    out
}

/// What a full bar means.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scale {
    pub(crate) most_bytes: u64,
    pub(crate) longest: Duration,
}

impl Scale {
    pub(crate) fn of<'a>(transfers: impl Iterator<Item = &'a Transfer>) -> Scale {
        let mut scale = Scale::default();
        for interval in transfers.flat_map(|transfer| &transfer.intervals) {
            scale.most_bytes = scale.most_bytes.max(interval.in_flight_bytes);
            scale.longest = scale.longest.max(interval.round_trip.unwrap_or_default());
        }
        scale
    }
}

struct Drawing<'a> {
    flow: &'a Flow,
    /// Columns of both bars; the second is none where there is no room.
    bars: [usize; 2],
    remark: usize,
    scale: Scale,
}

impl<'a> Drawing<'a> {
    fn of(flow: &'a Flow, scale: Scale, style: &Style) -> Drawing<'a> {
        let width = style.width.clamp(NARROWEST, WIDEST);
        let numbers = TIME + 2 + BYTES + 1;
        if width < BOTH {
            let bar = width.saturating_sub(numbers + 2 + TRIP).max(4);
            return Drawing { flow, bars: [bar, 0], remark: 0, scale };
        }
        let rest = width - numbers - 2 - TRIP - 1 - 2 - REMARK;
        Drawing { flow, bars: [rest.div_ceil(2), rest / 2], remark: REMARK, scale }
    }

    /// Where the column of round trips ends.
    fn trip(&self) -> usize {
        TIME + 2 + BYTES + 1 + self.bars[0] + 2 + TRIP
    }

    fn heads(&self, sender: Side, names: &Names) -> Line {
        let mut line = Line::default();
        line.right_aligned(Role::Frame, "time   ", TIME);
        let name = match sender {
            Side::A => names.subject_a(),
            Side::B => names.subject_b(),
        };
        let name = wire::visible(name, false);
        let room = BYTES + 1 + self.bars[0];
        let long = format!("in flight from {name}");
        line.pad_to(TIME + 2);
        line.push(Role::of(sender), &if width(&long) <= room { long } else { cut("in flight", room) });
        match self.bars[1] {
            0 => line.right_aligned(Role::Plain, "trip", self.trip()),
            _ => line.pad_to(self.trip() - TRIP).push(Role::Plain, "round trip"),
        };
        line
    }

    fn interval(&self, interval: &Interval, before: Option<Time>, sender: Side) -> Line {
        let mut line = Line::default();
        line.right_aligned(Role::Frame, &since_start(interval.start.since(self.flow.first)), TIME);
        let bytes = interval.in_flight_bytes;
        line.right_aligned(Role::Plain, &grouped(bytes), TIME + 2 + BYTES).push(Role::Plain, " ");
        line.push(Role::of(sender), &bar(bytes, self.scale.most_bytes, self.bars[0]));
        if let Some(trip) = interval.round_trip {
            line.right_aligned(Role::Plain, &duration(trip), self.trip()).push(Role::Plain, " ");
            let (nanos, longest) = (trip.as_nanos() as u64, self.scale.longest.as_nanos() as u64);
            line.push(Role::Finding, &bar(nanos, longest, self.bars[1]));
        }
        if self.remark > 0
            && let Some((role, words)) = remark(interval, before)
        {
            line.pad_to(self.trip() + 1 + self.bars[1] + 2).push(role, &cut(&words, self.remark));
        }
        line
    }
}

/// What `one` of the drawing means, and how it went in all.
pub(crate) fn key(transfer: &Transfer, one: &str) -> String {
    let acknowledged: u64 = transfer.intervals.iter().map(|one| one.acknowledged_bytes).sum();
    let window = transfer.intervals.iter().map(|one| one.window_bytes).max().unwrap_or(0);
    let last = transfer.intervals.iter().rfind(|one| one.acknowledged_bytes > 0);
    let lasts = last.zip(transfer.intervals.first());
    let lasts = lasts.map_or(Duration::ZERO, |(last, first)| last.start.since(first.start) + transfer.step);
    let rate = acknowledged as f64 * 8e-6 / lasts.as_secs_f64();
    format!(
        "Each {one} sums up {} in which anything happened: the most bytes in flight at any moment, and the longest round trip that \
         ended. The receiver's window was {} bytes at most. {} acknowledged in {}: {rate:.2} Mbit/s.",
        step(transfer.step),
        grouped(window),
        count(acknowledged, "byte"),
        duration(lasts),
    )
}

/// `20 ms`, `5 s`.
fn step(step: Duration) -> String {
    match step.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        ms => format!("{} s", ms / 1000),
    }
}

/// The least retransmission timeout: Linux's.
const LEAST_RTO: Duration = Duration::from_millis(200);

/// What must not be overlooked. What is sent again after a silence, a timer has sent.
fn remark(interval: &Interval, before: Option<Time>) -> Option<(Role, String)> {
    let silent = before.is_some_and(|before| interval.start.since(before) >= LEAST_RTO);
    let again = match (interval.resent, interval.resent_by_timer) {
        (0, _) => None,
        (_, 1..) if silent => Some("timeout".to_owned()),
        (resent, _) => Some(format!("{resent} again")),
    };
    match (interval.lost, again) {
        (0, None) => None,
        (0, Some(again)) => Some((Role::Finding, again)),
        (lost, None) => Some((Role::Lost, format!("{lost} lost"))),
        (lost, Some(again)) => Some((Role::Lost, format!("{lost} lost, {again}"))),
    }
}

/// A bar in whole columns and one eighth; anything above zero is visible.
fn bar(value: u64, most: u64, columns: usize) -> String {
    if columns == 0 || value == 0 {
        return String::new();
    }
    let eighths = u128::from(value) * columns as u128 * 8 / u128::from(most.max(1));
    let eighths = usize::try_from(eighths).unwrap_or(usize::MAX).clamp(1, columns * 8);
    let mut bar = "█".repeat(eighths / 8);
    bar.extend(['▏', '▎', '▍', '▌', '▋', '▊', '▉'].get((eighths % 8).wrapping_sub(1)));
    bar
}

#[cfg(test)]
mod tests;
