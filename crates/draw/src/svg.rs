//! The ladder as a picture for a page: self-contained, light or dark as the reader's page is, time running down in
//! proportion, segments slanting by as long as they were under way, states as bars along the lifelines.

use flow::{DatagramFlow, Flow, PathError, Side, State};
use wire::{Fate, Time};

use crate::columns::{cut, cut_middle, width, wrap};
use crate::ladder::{
    self, Conversation, Merged, Part, Sending, Step, at, fate, merged_remark, phase_word, told_labels,
    told_remark,
};
use crate::number::{Times, count, duration};
use crate::palette::Tint;
use crate::{Names, Style};

mod axis;
mod calls;
pub(crate) mod markup;
mod plan;
pub(crate) mod sheet;
mod stack;

use axis::{Axis, Kind, Moment, axis};
pub use calls::{draw_calls, draw_calls_of_datagrams};
use markup::{Markup, short};
use plan::{Arrow, Plan, Run};
pub(crate) use stack::stack;

/// Where things stand across the page, in pixels.
#[derive(Clone, Copy, Debug)]
struct Page {
    width: f64,
    lifelines: [f64; 2],
    /// Characters of a label that fit between the lifelines, and on an arrow that ends on its way.
    label: usize,
    short_label: usize,
    /// Calls stand beside the lifelines.
    with_calls: bool,
}

/// States and remarks beside the lifelines.
const PAGE: Page =
    Page { width: 880.0, lifelines: [216.0, 606.0], label: 54, short_label: 26, with_calls: false };
/// Free space at the page's edges.
const EDGE: f64 = 24.0;
/// The moment of the first segment is placed below this.
const TOP: f64 = 62.0;
/// Lines of the plan at most: a picture must fit on a page.
const LINES: usize = 160;
/// From tip to tip of an arrow that arrives twice.
const TWICE: f64 = 8.0;
/// Characters in a line of the verdict.
const VERDICT: usize = 112;

/// Draws the conversation and its verdict as an SVG document. Long runs are merged as in text. Times count from its first
/// frame.
pub fn draw(flow: &Flow, names: &Names) -> String {
    draw_since(flow.first, flow, names)
}

/// The same with times that count from `start`, the first frame of a capture of several conversations.
pub fn draw_since(start: Time, flow: &Flow, names: &Names) -> String {
    picture(flow, names, start)
}

/// The same for a conversation of datagrams.
pub fn draw_datagrams(flow: &DatagramFlow, names: &Names) -> String {
    draw_datagrams_since(flow.first, flow, names)
}

/// The same with times that count from `start`.
pub fn draw_datagrams_since(start: Time, flow: &DatagramFlow, names: &Names) -> String {
    picture(flow, names, start)
}

impl Page {
    /// Between the lifelines.
    fn lane(self) -> f64 {
        self.lifelines[1] - self.lifelines[0]
    }
}

fn picture<C: Conversation>(conversation: &C, names: &Names, start: Time) -> String {
    let style = Style { lines: LINES, ..Style::default() };
    let steps = ladder::steps(conversation, &style);
    let plan = Plan::of(conversation, &steps);
    let axis = axis(&plan.moments, &plan.flights(), TOP);
    let [title, verdict] = conversation.verdict(names);
    let (times, written) = (Times::new(start, conversation.first()), Vec::new());
    let mut picture = Picture { conversation, page: PAGE, axis, times, written, out: Markup::default() };
    picture.phases(&plan);
    picture.lifelines(&plan);
    picture.pauses();
    picture.keep_clear(&plan.runs);
    let runs: Vec<f64> = plan.runs.iter().flat_map(|run| picture.run_lines(run)).map(|(_, y)| y).collect();
    for arrow in &plan.arrows {
        let crossings = plan.crossings(arrow, &picture.axis);
        picture.arrow(arrow, &[crossings, plan.meetings(arrow, &picture.axis, &runs)].concat());
    }
    plan.told.iter().for_each(|&(error, moment)| picture.told(error, moment));
    plan.runs.iter().for_each(|run| picture.run(run));
    picture.states(&plan);
    picture.times(&plan);
    picture.names(names);
    let height = picture.below(&plan, &verdict);
    document(
        [&format!("{} and {}: {title}", names.a, names.b), &verdict],
        PAGE,
        height,
        &picture.out.into_string(),
    )
}

fn document(titles: [&str; 2], page: Page, height: f64, body: &str) -> String {
    markup::document(sheet::CLASS, &sheet::sheet(page.with_calls), titles, [page.width, height], body)
}

struct Picture<'a, C> {
    conversation: &'a C,
    page: Page,
    axis: Axis,
    /// How times are written.
    times: Times,
    /// Where letters stand that labels of arrows keep away from.
    written: Vec<[f64; 2]>,
    out: Markup,
}

impl<C: Conversation> Picture<'_, C> {
    fn y(&self, moment: usize) -> f64 {
        self.axis.places.get(moment).copied().unwrap_or(self.axis.end)
    }

    /// Where the lifelines end.
    fn foot(&self) -> f64 {
        self.axis.end + 30.0
    }

    /// A bar for each state; where there is no connection only a thin line.
    fn lifelines(&mut self, plan: &Plan<'_, C::Row>) {
        for (side, x) in self.page.lifelines.into_iter().enumerate() {
            // Where there are no states, the lines are as thin as those of ends without a connection.
            let mut state = self.conversation.states().map_or(State::Closed, |[before, _]| before[side]);
            let mut from = TOP - 16.0;
            let changes = plan.changes.iter().filter(|change| change.side == side);
            let mut pieces = Vec::new();
            for change in changes {
                let to = self.y(change.moment);
                pieces.push((Tint::of(state), from, to));
                (state, from) = (change.state, to);
            }
            pieces.push((Tint::of(state), from, self.foot()));
            for (tint, from, to) in pieces {
                let thick = if tint == Tint::Idle { 3.0 } else { 9.0 };
                let round = if tint == Tint::Idle { 1.5 } else { 3.0 };
                self.out.rectangle(tint.css(), [x - thick / 2.0, from], [thick, (to - from).max(0.0)], round);
            }
        }
    }

    fn names(&mut self, names: &Names) {
        let class = ["name a", "name b"];
        for (side, name) in [&names.a, &names.b].into_iter().enumerate() {
            let name = cut_middle(&wire::visible(name, false), 40);
            self.out.text(class[side], [self.page.lifelines[side], TOP - 28.0], "middle", &name);
        }
    }

    fn phases(&mut self, plan: &Plan<'_, C::Row>) {
        for &(phase, moment) in &plan.phases {
            let y = self.y(moment) - 26.0;
            let word = phase_word(phase).to_uppercase();
            let behind = EDGE + word.len() as f64 * 9.0 + 8.0;
            self.out.line("hairline", [behind, y], [self.page.width - EDGE, y]);
            self.out.text("phase dim", [EDGE, y + 4.0], "start", &word);
        }
    }

    /// The cut through both lifelines and what was cut out.
    fn pauses(&mut self) {
        for pause in self.axis.pauses.clone() {
            for x in self.page.lifelines {
                self.out.rectangle("page", [x - 7.0, pause.y - 4.0], [14.0, 8.0], 0.0);
                for y in [pause.y - 4.0, pause.y + 4.0] {
                    let wave = format!("M{} {}q3.5 -4 7 0t7 0", short(x - 7.0), short(y));
                    self.out.path("pause", &wave);
                }
            }
            let middle = f64::midpoint(self.page.lifelines[0], self.page.lifelines[1]);
            let words = format!("{} pause", duration(pause.length));
            self.out.text("remark dim", [middle, pause.y + 4.0], "middle", &words);
        }
    }

    fn arrow(&mut self, arrow: &Arrow<'_, C::Row>, crossings: &[f64]) {
        let segment = &arrow.segment;
        let from = at(segment.row.from());
        let class = ["a", "b"][from];
        // Arrows end at the bars' edges, not in their middle.
        let direction = if from == 0 { 1.0 } else { -1.0 };
        let start = [self.page.lifelines[from] + direction * 6.0, self.y(arrow.sent)];
        let mut end =
            [self.page.lifelines[1 - from] - direction * 6.0, arrow.arrived.map_or(start[1], |m| self.y(m))];
        let lost = matches!(fate(segment.row), Some(Fate::Lost | Fate::Stopped));
        if lost {
            end = [start[0] + (end[0] - start[0]) * 0.6, start[1] + 8.0];
        }
        let slope = (end[1] - start[1]) / (end[0] - start[0]);
        self.out.line(&format!("arrow {class}"), start, end);
        match fate(segment.row) {
            Some(Fate::Lost) => {
                self.cross(end);
                let anchor = if direction > 0.0 { "start" } else { "end" };
                let place = [end[0] + direction * 12.0, end[1] + 4.0];
                let middle = width(LOST) as f64 * LETTER / 2.0;
                self.written.extend(points_of(LOST, [place[0] + direction * middle, place[1] + 5.0], 0.0));
                self.out.text("remark lost", place, anchor, LOST);
            }
            Some(Fate::Stopped) => {
                let anchor = if direction > 0.0 { "start" } else { "end" };
                let place = [end[0] + direction * 12.0, end[1] + 4.0];
                self.out.text("remark dim", place, anchor, ladder::STOPPED);
            }
            Some(Fate::Corrupted) => self.cross(end),
            Some(Fate::Duplicated) => {
                self.tip(class, end, direction, slope);
                let before = direction * TWICE;
                self.tip(class, [end[0] - before, end[1] - before * slope], direction, slope);
            }
            _ => self.tip(class, end, direction, slope),
        }
        let label = ladder::fitting(
            &C::labels(segment, true),
            if lost { self.page.short_label } else { self.page.label },
        );
        let on_it = |along: f64| [0, 1].map(|axis| start[axis] + (end[axis] - start[axis]) * along);
        let covered = |along: f64| {
            let points = points_of(&label, on_it(along), slope);
            points.filter(|point| self.written.iter().any(|other| is_near(*point, *other))).count()
        };
        let place = on_it(free_place(&label, crossings, (end[0] - start[0]).abs(), covered));
        self.written.extend(points_of(&label, place, slope));
        self.out.slanted([place[0], place[1] - 5.0], slope.atan().to_degrees(), &label);
    }

    /// An ICMP error: an arrow from the other end, or from somebody between the two.
    fn told(&mut self, error: &PathError, moment: usize) {
        let to = at(error.about);
        let y = self.y(moment);
        let direction = if to == 1 { 1.0 } else { -1.0 };
        let end = self.page.lifelines[to] - direction * 6.0;
        let by_the_other = ladder::is_by_the_other(error, self.conversation.ends());
        let start = match by_the_other {
            true => self.page.lifelines[1 - to] + direction * 6.0,
            false => self.page.lifelines[to] - direction * self.page.lane() * 0.62,
        };
        self.out.line("arrow told", [start, y], [end, y]);
        if !by_the_other {
            self.out.rectangle("tip told", [start - 4.0, y - 4.0], [8.0, 8.0], 4.0);
        }
        self.tip("told", [end, y], direction, 0.0);
        let most = if by_the_other { self.page.label } else { self.page.short_label };
        let label = ladder::fitting(&told_labels(error), most);
        self.out.text("finding", [f64::midpoint(start, end), y - 5.0], "middle", &label);
        if let Some(remark) = told_remark(error, by_the_other) {
            self.out.text(
                "remark finding",
                [self.page.lifelines[1] + 14.0, y + 4.0],
                "start",
                &remark.cut(36),
            );
        }
    }

    fn tip(&mut self, class: &str, [x, y]: [f64; 2], direction: f64, slope: f64) {
        let length = 9.0 * direction;
        let (back, half) = (x - length, 4.2);
        let middle = y - length * slope;
        let points = [[back, middle - half], [back, middle + half]]
            .map(|[x, y]| format!("L{} {}", short(x), short(y)));
        self.out
            .path(&format!("tip {class}"), &format!("M{} {}{}{}Z", short(x), short(y), points[0], points[1]));
    }

    fn cross(&mut self, [x, y]: [f64; 2]) {
        self.out.line("cross", [x - 5.0, y - 5.0], [x + 5.0, y + 5.0]);
        self.out.line("cross", [x - 5.0, y + 5.0], [x + 5.0, y - 5.0]);
    }

    /// The lines of a merged run: one for each side that sent something, and where it stands.
    fn run_lines(&self, run: &Run) -> Vec<(Side, f64)> {
        let (top, bottom) = (self.y(run.begins), self.y(run.ends));
        let sent = [Side::A, Side::B].into_iter().filter(|&side| {
            let side = run.merged.sides[at(side)];
            side.data + side.acks > 0
        });
        let sent: Vec<Side> = sent.collect();
        let share = (bottom - top) / sent.len() as f64;
        sent.iter().enumerate().map(|(place, &side)| (side, top + share * (place as f64 + 0.5))).collect()
    }

    /// Notes where the labels of merged runs will stand.
    fn keep_clear(&mut self, runs: &[Run]) {
        let middle = f64::midpoint(self.page.lifelines[0], self.page.lifelines[1]);
        for run in runs {
            for (side, y) in self.run_lines(run) {
                let label = ladder::fitting(&C::merged_labels(&run.merged.sides[at(side)]), self.page.label);
                self.written.extend(points_of(&label, [middle, y], 0.0));
            }
        }
    }

    /// A merged run: a dotted arrow for each side that sent something. Its label stands on a patch of the page, for segments
    /// may be under way across it.
    fn run(&mut self, run: &Run) {
        for (side, y) in self.run_lines(run) {
            let from = at(side);
            let direction = if from == 0 { 1.0 } else { -1.0 };
            let class = ["a", "b"][from];
            let end = self.page.lifelines[1 - from] - direction * 6.0;
            self.out.line(
                &format!("arrow run {class}"),
                [self.page.lifelines[from] + direction * 6.0, y],
                [end, y],
            );
            self.tip(class, [end, y], direction, 0.0);
            let label = ladder::fitting(&C::merged_labels(&run.merged.sides[from]), self.page.label);
            let middle = f64::midpoint(self.page.lifelines[0], self.page.lifelines[1]);
            let patch = width(&label) as f64 * LETTER + 8.0;
            self.out.rectangle("page", [middle - patch / 2.0, y - 16.0], [patch, 14.0], 3.0);
            self.out.text("dim", [middle, y - 5.0], "middle", &label);
        }
        if let Some(remark) = merged_remark(&run.merged) {
            let middle = f64::midpoint(self.y(run.begins), self.y(run.ends));
            let place = [self.page.lifelines[1] + 14.0, middle];
            self.out.text("remark finding", place, "start", &remark.cut(34));
        }
    }

    /// State names where they change, and remarks; on B's side they share a line.
    fn states(&mut self, plan: &Plan<'_, C::Row>) {
        if let Some([before, _]) = self.conversation.states() {
            self.state(0, before[0].name(), TOP - 4.0);
            self.state(1, before[1].name(), TOP - 4.0);
        }
        for change in &plan.changes {
            let y = self.y(change.moment).min(self.foot() - 4.0);
            self.state(change.side, change.state.name(), y + 4.0);
        }
        for (moment, remark) in &plan.remarks {
            let state = plan.changes.iter().find(|change| change.side == 1 && change.moment == *moment);
            let taken = state.map_or(0.0, |change| width(change.state.name()) as f64 * 7.1 + 10.0);
            let most = if taken > 0.0 { 22 } else { 36 };
            let place = [self.page.lifelines[1] + 14.0 + taken, self.y(*moment) + 4.0];
            let class = format!(
                "remark {}",
                if remark.role == crate::palette::Role::Frame { "dim" } else { "finding" }
            );
            self.out.text(&class, place, "start", &remark.cut(most));
        }
    }

    fn state(&mut self, side: usize, name: &str, y: f64) {
        match side {
            0 => self.out.text("state a", [self.page.lifelines[0] - 14.0, y], "end", name),
            _ => self.out.text("state b", [self.page.lifelines[1] + 14.0, y], "start", name),
        }
    }

    /// The time of each sending, where the last one is not too near.
    fn times(&mut self, plan: &Plan<'_, C::Row>) {
        let mut last = f64::NEG_INFINITY;
        let mut called = None;
        for moment in plan.timed() {
            let Moment { time, kind, .. } = plan.moments[moment];
            let y = self.y(moment);
            // Calls at the same instant have their time once.
            let is_told = kind == Kind::Call && called == Some(time);
            called = (kind == Kind::Call).then_some(time);
            if y - last < 12.0 || is_told {
                continue;
            }
            last = y;
            let time = self.times.text(time);
            self.out.text("time dim", [EDGE + 76.0, y + 4.0], "end", &time.replace(' ', "\u{a0}"));
        }
    }

    /// What is not drawn, and the verdict; gives the height of the page.
    fn below(&mut self, plan: &Plan<'_, C::Row>, verdict: &str) -> f64 {
        let mut y = self.foot() + 8.0;
        if plan.left_out > 0 {
            y += 14.0;
            let middle = f64::midpoint(self.page.lifelines[0], self.page.lifelines[1]);
            let words = format!("{} not kept", count(plan.left_out, &format!("more {}", C::ONE)));
            self.out.text("remark dim", [middle, y], "middle", &words);
            y += 8.0;
        }
        self.out.line("hairline", [EDGE, y + 8.0], [self.page.width - EDGE, y + 8.0]);
        y += 12.0;
        for line in wrap(verdict, VERDICT) {
            y += 20.0;
            self.out.text("verdict", [EDGE, y], "start", &cut(&line, VERDICT));
        }
        y + 22.0
    }
}

/// Beside the cross of what never arrives.
const LOST: &str = "lost on the link";

/// The width of a letter in a label.
const LETTER: f64 = 6.8;

/// How far along an arrow the middle of its label stands: in the middle, unless another arrow crosses there.
/// `covered` says how much of it would then stand on what is written already.
fn free_place(label: &str, crossings: &[f64], lane: f64, covered: impl Fn(f64) -> usize) -> f64 {
    // Half of the label and a little space, as a part of the lane.
    let half = (width(label) as f64 * LETTER / 2.0 + 8.0) / lane;
    let distance = |place: f64| crossings.iter().map(|at| (at - place).abs()).fold(1.0, f64::min);
    let places = [0.5, 0.35, 0.65, 0.25, 0.75, 0.18, 0.82];
    let inside = places.into_iter().filter(|place| *place >= half && *place <= 1.0 - half);
    let places: Vec<f64> = inside.collect();
    let free = places.iter().copied().find(|&place| distance(place) > half && covered(place) == 0);
    let best = || {
        let far = |one: &f64, other: &f64| distance(*other).total_cmp(&distance(*one));
        let by = |one: &f64, other: &f64| covered(*one).cmp(&covered(*other)).then(far(one, other));
        places.iter().copied().min_by(by)
    };
    free.or_else(best).unwrap_or(0.5)
}

/// Points in the middle of a label's letters, for a label whose middle stands above this place, on a line of this slope.
fn points_of(label: &str, middle: [f64; 2], slope: f64) -> impl Iterator<Item = [f64; 2]> {
    let letters = width(label);
    let step = LETTER / slope.hypot(1.0);
    let first = -(letters as f64 - 1.0) / 2.0;
    (0..letters).map(move |letter| {
        let along = (first + letter as f64) * step;
        [middle[0] + along, middle[1] - 9.0 + along * slope]
    })
}

/// Whether letters there would stand on each other.
fn is_near(one: [f64; 2], other: [f64; 2]) -> bool {
    (one[0] - other[0]).abs() < 7.0 && (one[1] - other[1]).abs() < 12.0
}

#[cfg(test)]
mod tests;
