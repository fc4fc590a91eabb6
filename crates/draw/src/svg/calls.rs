//! Calls beside segments as a picture: the ladder, and beside each lifeline what that end's program called, a bar for
//! each wait from the call down to the arrival that ended it.

use std::collections::HashMap;

use flow::calls::Call;
use flow::{DatagramFlow, Flow, Side};

use super::axis::{Kind, axis};
use super::markup::Markup;
use super::plan::Plan;
use super::{EDGE, LINES, Page, Picture, TOP, document};
use crate::calls::{Cell, Row, rows};
use crate::columns::{cut, width};
use crate::ladder::{Conversation, Part, Sending, Step};
use crate::number::{Times, duration};
use crate::{Names, Style};

/// States stand at the edges, calls between them and the lifelines.
const PAGE: Page =
    Page { width: 1240.0, lifelines: [478.0, 778.0], label: 40, short_label: 18, with_calls: true };
/// From a lifeline to the bar of a wait, and to the words of a call.
const BESIDE: [f64; 2] = [14.0, 26.0];
/// How wide the bar of a wait is.
const BAR: f64 = 4.0;
/// Characters of a call that fit beside the states, and where there are none.
const CALL: [usize; 2] = [38, 50];

/// Draws the conversation and the calls of its programs as an SVG document.
pub fn draw_calls(flow: &Flow, calls: &[Call], names: &Names) -> String {
    picture(flow, calls, names)
}

/// The same for a conversation of datagrams.
pub fn draw_calls_of_datagrams(flow: &DatagramFlow, calls: &[Call], names: &Names) -> String {
    picture(flow, calls, names)
}

/// The moments of calls, by their places: where each is made and where it returns.
#[derive(Default)]
struct Moments {
    called: Vec<(usize, usize)>,
    returned: HashMap<usize, usize>,
}

fn picture<C: Conversation>(conversation: &C, calls: &[Call], names: &Names) -> String {
    let style = Style { lines: LINES, ..Style::default() };
    let (mut plan, mut moments) = (Plan::empty(), Moments::default());
    let mut under_way = HashMap::new();
    for row in rows(conversation, calls, &style) {
        place(conversation, &row, &mut plan, &mut moments, &mut under_way);
    }
    let axis = axis(&plan.moments, &plan.flights(), TOP);
    let first = plan.moments.iter().map(|moment| moment.time).min().unwrap_or_default();
    let times = Times::new(first, first);
    let mut picture =
        Picture { conversation, page: PAGE, axis, times, written: Vec::new(), out: Markup::default() };
    picture.lifelines(&plan);
    picture.pauses();
    plan.arrows.iter().for_each(|arrow| picture.arrow(arrow, &plan.crossings(arrow, &picture.axis)));
    plan.told.iter().for_each(|&(error, moment)| picture.told(error, moment));
    plan.runs.iter().for_each(|run| picture.run(run));
    picture.states_at_the_edges(&plan);
    picture.calls(calls, &moments);
    picture.times(&plan);
    picture.names(names);
    let [title, verdict] = conversation.verdict(names);
    let height = picture.below(&plan, &verdict);
    let title = format!("{} and {}: {title}", names.a, names.b);
    document([&title, &verdict], PAGE, height, &picture.out.into_string())
}

/// Gives a row its moments: one for what is sent or called, one for what arrives and what that ends.
fn place<'a, C: Conversation>(
    conversation: &C,
    row: &Row<'a, C::Row>,
    plan: &mut Plan<'a, C::Row>,
    moments: &mut Moments,
    under_way: &mut HashMap<usize, usize>,
) {
    let mut arrives = None;
    let moment = match &row.step {
        Some(Step::Segment(segment)) if segment.part == Part::Arrival => {
            let arrived = under_way.get(&segment.index).copied();
            arrived.unwrap_or_else(|| plan.moment(row.time, Kind::Arrival))
        }
        Some(Step::Segment(segment)) => {
            let sent = plan.moment(row.time, Kind::Departure);
            arrives = plan
                .sending(conversation, segment, sent)
                .map(|arrived| (segment.row.from().other(), arrived));
            under_way.extend(arrives.map(|(_, arrived)| (segment.index, arrived)));
            sent
        }
        Some(Step::Told(error)) => {
            let moment = plan.moment(row.time, Kind::Departure);
            plan.told.push((error, moment));
            moment
        }
        Some(Step::Merged(merged)) => {
            plan.run(merged, None);
            plan.moments.len() - 1
        }
        Some(Step::LeftOut(segments)) => {
            plan.left_out = *segments;
            return;
        }
        _ => plan.moment(row.time, Kind::Call),
    };
    for (side, cell) in [Side::A, Side::B].into_iter().zip(row.cells) {
        match cell {
            Some(Cell::Called(call)) => moments.called.push((call, moment)),
            Some(Cell::Returned(call)) => {
                let at =
                    arrives.filter(|(receiver, _)| *receiver == side).map_or(moment, |(_, arrived)| arrived);
                moments.returned.insert(call, at);
            }
            None => {}
        }
    }
}

impl<C: Conversation> Picture<'_, C> {
    fn states_at_the_edges(&mut self, plan: &Plan<'_, C::Row>) {
        let Some([before, _]) = self.conversation.states() else { return };
        self.state_at_the_edge(0, before[0].name(), TOP - 4.0);
        self.state_at_the_edge(1, before[1].name(), TOP - 4.0);
        for change in &plan.changes {
            let y = self.y(change.moment).min(self.foot() - 4.0);
            self.state_at_the_edge(change.side, change.state.name(), y + 4.0);
        }
    }

    fn state_at_the_edge(&mut self, side: usize, name: &str, y: f64) {
        match side {
            0 => self.out.text("state a", [EDGE + 92.0, y], "start", name),
            _ => self.out.text("state b", [self.page.width - EDGE, y], "end", name),
        }
    }

    fn calls(&mut self, calls: &[Call], moments: &Moments) {
        for &(place, moment) in &moments.called {
            let Some(call) = calls.get(place) else { continue };
            let y = self.y(moment);
            let result = call.result.as_deref().filter(|_| !call.waited());
            self.call(call, y, &result.map_or_else(String::new, |result| format!(" = {result}")));
            if call.waited() {
                self.wait(call, y, moments.returned.get(&place).map(|&moment| self.y(moment)));
            }
        }
    }

    /// A call and its result; where both do not fit, the call is cut.
    fn call(&mut self, call: &Call, y: f64, result: &str) {
        let result = cut(&wire::visible(result, false), self.fits());
        let words = cut(&wire::visible(&call.text, false), self.fits() - width(&result));
        let (place, anchor) = self.beside(call.side, BESIDE[1]);
        let class = if call.side == Side::A { "call a" } else { "call b" };
        self.out.text(class, [place, y + 4.0], anchor, &format!("{words}{result}"));
    }

    /// The bar of a wait, and what the call returned where it ends.
    fn wait(&mut self, call: &Call, from: f64, to: Option<f64>) {
        let (middle, _) = self.beside(call.side, BESIDE[0]);
        let end = to.unwrap_or_else(|| self.foot());
        self.out.rectangle("wait", [middle - BAR / 2.0, from], [BAR, (end - from).max(BAR)], BAR / 2.0);
        let result = match (to, &call.result) {
            (Some(_), Some(result)) => wire::visible(&format!("= {result}"), false).into_owned(),
            _ => "waits still".to_owned(),
        };
        let lasted = call.ended.map(|ended| format!("{result}  after {}", duration(ended.since(call.began))));
        let words = lasted.filter(|words| width(words) <= self.fits()).unwrap_or(result);
        let (place, anchor) = self.beside(call.side, BESIDE[1]);
        self.out.text("call", [place, end + 4.0], anchor, &cut(&words, self.fits()));
    }

    /// How many characters of a call fit.
    fn fits(&self) -> usize {
        CALL[usize::from(self.conversation.states().is_none())]
    }

    /// So far outside of that end's lifeline, and how words are set there.
    fn beside(&self, side: Side, away: f64) -> (f64, &'static str) {
        let lifeline = self.page.lifelines[side.index()];
        match side {
            Side::A => (lifeline - away, "end"),
            Side::B => (lifeline + away, "start"),
        }
    }
}
