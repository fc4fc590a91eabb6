//! The course of a transfer as a picture for a page: a bar of bytes in flight and one of round trips for each interval, what
//! was lost above them. A silence is cut out and named.

use std::time::Duration;

use flow::transfer::{Interval, Transfer, transfer};
use flow::{Flow, Side};

use super::{MOST, Scale, key, remark};
use crate::columns::{cut, wrap};
use crate::number::{duration, grouped, since_start};
use crate::palette::Role;
use crate::scene::Naming;
use crate::svg::markup::{Markup, document};
use crate::svg::sheet::style;

/// The page and its edges.
const WIDTH: f64 = 880.0;
const EDGE: f64 = 24.0;
/// The bars begin right of their scale.
const LEFT: f64 = 128.0;
/// Heights of both charts, and what stands above and between them.
const FLIGHT: f64 = 150.0;
const TRIP: f64 = 90.0;
const ABOVE: f64 = 30.0;
/// The widest bar with its gap; a silence is as wide as two.
const WIDEST: f64 = 40.0;
/// Characters of a line of prose.
const PROSE: usize = 112;
/// A silence of so many intervals is named.
const SILENCE: u32 = 4;

const CLASS: &str = "bothends-transfer";
const COLOURED: [(&str, &str, &str); 11] = [
    (".page", "fill", "page"),
    (".page", "stroke", "border"),
    (".hairline", "stroke", "hairline"),
    ("text", "fill", "ink"),
    (".dim", "fill", "frame"),
    (".a", "fill", "client"),
    (".b", "fill", "server"),
    (".trip", "fill", "finding"),
    (".finding", "fill", "finding"),
    (".lost", "fill", "lost"),
    (".cross", "stroke", "lost"),
];
const FIXED: &str = "\
.bothends-transfer text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
.bothends-transfer .name{font-size:15px;font-weight:600}
.bothends-transfer .small{font-size:10.5px}
.bothends-transfer .prose{font-size:14px}
.bothends-transfer .cross{fill:none;stroke-width:2px;stroke-linecap:round}
.bothends-transfer .trip{opacity:.75}
";

/// Draws what `sender` sent in each of these conversations, to the same scale; none where no data was seen.
pub fn svg(flows: &[Flow], sender: Side, naming: Naming) -> Option<String> {
    let transfers = flows.iter().map(|flow| (flow, transfer(flow, sender, MOST)));
    let transfers: Vec<(&Flow, Transfer)> = transfers.filter(|(_, one)| !one.intervals.is_empty()).collect();
    let (first, _) = transfers.first()?;
    let names = naming([first.a, first.b]);
    let name = match sender {
        Side::A => names.subject_a(),
        Side::B => names.subject_b(),
    };
    let title = format!("what {} sent: bytes in flight and round trips", wire::visible(name, false));
    let scale = Scale::of(transfers.iter().map(|(_, transfer)| transfer));
    let mut picture = Picture { out: Markup::default(), scale, sender, y: 20.0 };
    for (flow, transfer) in &transfers {
        picture.transfer(flow, transfer);
    }
    let sheet = style(CLASS, FIXED, &COLOURED);
    Some(document(
        CLASS,
        &sheet,
        [&title, &key(&transfers[0].1, "bar")],
        [WIDTH, picture.y],
        &picture.out.into_string(),
    ))
}

struct Picture {
    out: Markup,
    scale: Scale,
    sender: Side,
    y: f64,
}

impl Picture {
    fn transfer(&mut self, flow: &Flow, transfer: &Transfer) {
        let slots = slots(transfer);
        let room = WIDTH - EDGE - LEFT;
        let wide = (room / slots.iter().map(Slot::width).sum::<f64>()).min(WIDEST);
        let end = LEFT + wide * slots.iter().map(Slot::width).sum::<f64>();
        let flight = self.y + ABOVE + FLIGHT;
        let trip = flight + ABOVE + TRIP;
        self.scales(flight, trip, end);
        let mut x = LEFT;
        let (mut last_time, mut last_remark) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let mut before = None;
        for slot in &slots {
            match slot {
                Slot::Silence(length) => {
                    let middle = x + wide * slot.width() / 2.0;
                    self.out.text("small dim", [middle, flight - 70.0], "middle", &duration(*length));
                    self.out.text("small dim", [middle, flight - 56.0], "middle", "of silence");
                    last_time = f64::NEG_INFINITY;
                }
                Slot::Bar(interval) => {
                    self.bars(interval, [x, wide], flight, trip);
                    // What was lost is always told, what was sent again where there is room for the words.
                    let remark = remark(interval, before);
                    let fits = |role: Role| role == Role::Lost || x - last_remark > 48.0;
                    if let Some((role, words)) = remark.filter(|(role, _)| fits(*role)) {
                        last_remark = x;
                        self.remark(role, &words, [x + wide / 2.0, flight], interval);
                    }
                    before = Some(interval.start);
                    if x - last_time > 62.0 {
                        last_time = x;
                        let time = since_start(interval.start.since(flow.first));
                        self.out.text("small dim", [x, trip + 15.0], "start", time.trim_end());
                    }
                }
            }
            x += wide * slot.width();
        }
        self.y = trip + 30.0;
        for line in wrap(&key(transfer, "bar"), PROSE) {
            self.y += 20.0;
            self.out.text("prose", [EDGE, self.y], "start", &cut(&line, PROSE));
        }
        self.y += 26.0;
    }

    /// The lines on which the bars stand, and what a full bar means.
    fn scales(&mut self, flight: f64, trip: f64, end: f64) {
        let full = [grouped(self.scale.most_bytes) + " B", duration(self.scale.longest)];
        let charts = [("in flight", flight, FLIGHT), ("round trip", trip, TRIP)];
        for ((name, y, high), full) in charts.into_iter().zip(full) {
            self.out.line("hairline", [LEFT, y], [end, y]);
            self.out.line("hairline", [LEFT, y - high], [end, y - high]);
            self.out.text("name", [EDGE, y - high / 2.0], "start", name);
            self.out.text("small dim", [LEFT - 8.0, y - high + 4.0], "end", &full);
            self.out.text("small dim", [LEFT - 8.0, y + 4.0], "end", "0");
        }
    }

    fn bars(&mut self, interval: &Interval, [x, wide]: [f64; 2], flight: f64, trip: f64) {
        let bar = (wide - 2.0).max(1.0);
        let part = |value: f64, most: f64| if most > 0.0 { value / most } else { 0.0 };
        let high = FLIGHT * part(interval.in_flight_bytes as f64, self.scale.most_bytes as f64);
        let class = if self.sender == Side::A { "a" } else { "b" };
        self.out.rectangle(class, [x + 1.0, flight - high], [bar, high], 1.5);
        if let Some(round_trip) = interval.round_trip {
            let high = TRIP * part(round_trip.as_secs_f64(), self.scale.longest.as_secs_f64());
            self.out.rectangle("trip", [x + 1.0, trip - high], [bar, high], 1.5);
        }
    }

    /// What was lost, or sent again, above its bar.
    fn remark(&mut self, role: Role, words: &str, [x, flight]: [f64; 2], interval: &Interval) {
        let high = FLIGHT * interval.in_flight_bytes as f64 / self.scale.most_bytes.max(1) as f64;
        let y = flight - high - 8.0;
        if role == Role::Lost {
            self.out.line("cross", [x - 4.0, y - 4.0], [x + 4.0, y + 4.0]);
            self.out.line("cross", [x - 4.0, y + 4.0], [x + 4.0, y - 4.0]);
            self.out.text("small lost", [x, y - 8.0], "middle", words);
        } else {
            self.out.text("small finding", [x, y + 3.0], "middle", words);
        }
    }
}

/// What takes room along the axis.
enum Slot<'a> {
    Bar(&'a Interval),
    Silence(Duration),
}

impl Slot<'_> {
    /// In bars.
    fn width(&self) -> f64 {
        match self {
            Slot::Bar(_) => 1.0,
            Slot::Silence(_) => 3.0,
        }
    }
}

fn slots(transfer: &Transfer) -> Vec<Slot<'_>> {
    let mut slots = Vec::with_capacity(transfer.intervals.len());
    let mut before: Option<&Interval> = None;
    for interval in &transfer.intervals {
        let gap = before.map_or(Duration::ZERO, |before| interval.start.since(before.start));
        if gap >= transfer.step * SILENCE {
            slots.push(Slot::Silence(gap.saturating_sub(transfer.step)));
        }
        slots.push(Slot::Bar(interval));
        before = Some(interval);
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_takes_little_room_and_is_named() {
        let interval = |ms: u64| Interval { start: wire::Time(ms * 1_000_000), ..Interval::default() };
        let intervals = [0, 10, 20, 1000].map(interval).to_vec();
        let transfer = Transfer { step: Duration::from_millis(10), intervals };
        let widths: Vec<f64> = slots(&transfer).iter().map(Slot::width).collect();
        assert_eq!(widths, [1.0, 1.0, 1.0, 3.0, 1.0]);
        assert!(matches!(slots(&transfer)[3], Slot::Silence(length) if length == Duration::from_millis(970)));
    }
}
