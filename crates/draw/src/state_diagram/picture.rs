//! The diagram as a picture for a page: the same grid as the text, a cell so many pixels wide and high. Self-contained,
//! light or dark as the reader's page is.

use flow::diagram::TRANSITIONS;
use flow::{Flow, Side, State};
use wire::visible;

use super::layout::{
    BOX_COLUMNS, BOX_ROWS, COLUMNS, Cell, PLACES, RESET, RESET_WORDS, ROUTES, ROWS, Route, Way, Words,
};
use super::trail::{Marks, RESET_PLACE, Trail};
use super::{broken, letter, told};
use crate::Names;
use crate::columns::{cut_middle, width, wrap};
use crate::palette::Tint;
use crate::svg::markup::{Markup, document, short};
use crate::svg::sheet::style;
use crate::verdict;

/// A cell of the grid, in pixels.
const CELL: [f64; 2] = [11.0, 17.0];
/// Free space at the page's edges.
const EDGE: f64 = 24.0;
/// The grid begins below this.
const TOP: f64 = 70.0;
/// The page.
const WIDTH: f64 = COLUMNS as f64 * CELL[0] + 2.0 * EDGE;
/// How round an arrow's corners are.
const ROUND: f64 = 9.0;
/// How far the lines of both ends lie apart from the middle of an arrow that both went along.
const APART: f64 = 1.7;
/// A mark: columns of text are this wide, and so much is free at its sides.
const MARK: [f64; 2] = [6.7, 5.0];
/// Characters in a line of words under the diagram.
const LINE: usize = 118;

/// The class that keeps the rules from a page that the picture is put into.
const CLASS: &str = "bothends-states";

const COLOURED: [(&str, &str, &str); 25] = [
    (".page", "fill", "page"),
    (".page", "stroke", "border"),
    (".hairline", "stroke", "hairline"),
    ("text", "fill", "ink"),
    ("text", "stroke", "page"),
    (".dim", "fill", "frame"),
    (".name.a", "fill", "client"),
    (".name.b", "fill", "server"),
    (".arrow", "stroke", "frame"),
    (".tip", "fill", "frame"),
    (".arrow.a", "stroke", "client"),
    (".arrow.b", "stroke", "server"),
    (".tip.a", "fill", "client"),
    (".tip.b", "fill", "server"),
    (".tip.ab", "fill", "ink"),
    (".box", "fill", "page"),
    (".box", "stroke", "frame"),
    (".box.a", "stroke", "client"),
    (".box.b", "stroke", "server"),
    (".box.ab", "stroke", "ink"),
    (".mark", "fill", "page"),
    (".mark.a", "stroke", "client"),
    (".mark.b", "stroke", "server"),
    (".number.a", "fill", "client"),
    (".number.b", "fill", "server"),
];

const FIXED: &str = "\
.bothends-states text{font:12.5px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;\
stroke-width:4px;stroke-linejoin:round;paint-order:stroke}
.bothends-states .name{font-size:15px;font-weight:600}
.bothends-states .state{font:600 13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
stroke:none}
.bothends-states .number{font:600 11px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
stroke:none}
.bothends-states .way{font-size:13px}
.bothends-states .verdict{font-size:14px}
.bothends-states .arrow{fill:none;stroke-width:1.1px;stroke-linejoin:round}
.bothends-states .arrow.a,.bothends-states .arrow.b{stroke-width:2.3px}
.bothends-states .box{stroke-width:1.1px}
.bothends-states .box.a,.bothends-states .box.b,.bothends-states .box.ab{stroke-width:2.2px}
.bothends-states .tinted{fill-opacity:.2}
.bothends-states .unseen{stroke-dasharray:4 4}
.bothends-states .mark{stroke-width:1.3px}
";

/// Draws the diagram with the ways of both ends, the ways in words, and the verdict, as an SVG document.
pub fn draw(flow: &Flow, names: &Names) -> String {
    let trail = Trail::of(flow);
    let mut picture = Picture { out: Markup::default() };
    picture.heads(names);
    picture.routes(&trail);
    for (number, place) in PLACES.iter().enumerate() {
        let marks = trail.at_place(number);
        // The figure has no unknown: only a capture that began late has.
        if place.state != State::Unknown || !marks.is_empty() {
            picture.state(place.state, place.at, &marks);
        }
    }
    let height = picture.below(flow, names, &trail);
    page(flow, names, height, &picture.out.into_string())
}

fn page(flow: &Flow, names: &Names, height: f64, body: &str) -> String {
    let [a, b] = [&names.a, &names.b];
    let title = format!("The states of {a} and {b}: {}", verdict::short(flow));
    let sheet = style(CLASS, FIXED, &COLOURED);
    document(CLASS, &sheet, [&title, &verdict::paragraph(flow, names)], [WIDTH, height], body)
}

struct Picture {
    out: Markup,
}

/// The middle of a cell.
fn middle((column, row): Cell) -> [f64; 2] {
    [EDGE + (column as f64 + 0.5) * CELL[0], TOP + (row as f64 + 0.5) * CELL[1]]
}

/// One step in a direction.
fn ahead(way: Way) -> [f64; 2] {
    match way {
        Way::Left => [-1.0, 0.0],
        Way::Right => [1.0, 0.0],
        Way::Up => [0.0, -1.0],
        Way::Down => [0.0, 1.0],
    }
}

fn moved(from: [f64; 2], way: Way, by: f64) -> [f64; 2] {
    let step = ahead(way);
    [from[0] + step[0] * by, from[1] + step[1] * by]
}

impl Picture {
    /// Who is a, who is b, and what the marks mean.
    fn heads(&mut self, names: &Names) {
        let y = 36.0;
        let mut x = EDGE + 2.0;
        for (side, name) in [(Side::A, &names.a), (Side::B, &names.b)] {
            x += self.pill(side, letter(side), [x, y - 5.0]) + 8.0;
            let name = cut_middle(&visible(name, false), 40);
            self.out.text(&format!("name {}", letter(side)), [x, y], "start", &name);
            x += width(&name) as f64 * 8.6 + 26.0;
        }
        let key = "a1: its first step; a0: where it began";
        self.out.text("dim", [WIDTH - EDGE, y], "end", key);
        self.out.line("hairline", [EDGE, y + 16.0], [WIDTH - EDGE, y + 16.0]);
    }

    /// First what nobody went along, so that it lies under the rest.
    fn routes(&mut self, trail: &Trail) {
        let words = TRANSITIONS.map(|arrow| [arrow.event, arrow.action]);
        let drawn =
            ROUTES.iter().zip(words).enumerate().map(|(number, (route, words))| (number, route, words));
        let all: Vec<_> = drawn.chain([(RESET_PLACE, &RESET, RESET_WORDS)]).collect();
        for lit in [false, true] {
            for &(number, route, words) in &all {
                let marks = trail.on_route(number);
                if marks.is_empty() != lit {
                    self.route(route, words, &marks);
                }
            }
        }
    }

    fn route(&mut self, route: &Route, words: [&str; 2], marks: &Marks) {
        let from = if route.from == State::Unknown { "any state" } else { route.from.name() };
        self.out.open("route", &format!("{from} to {}: {} / {}", route.to.name(), words[0], words[1]));
        let corners = corners(route);
        match (marks.is_empty(), marks.only()) {
            (true, _) => self.stroke("arrow", &corners, 0.0),
            (_, Some(side)) => self.stroke(&format!("arrow {}", letter(side)), &corners, 0.0),
            (_, None) => {
                self.stroke("arrow a", &corners, APART);
                self.stroke("arrow b", &corners, -APART);
            }
        }
        self.tip(route, marks);
        let class = if marks.is_empty() { "words dim" } else { "words" };
        for (cell, text) in route.pieces(words) {
            self.words(class, route.words, cell, &text);
        }
        self.marks(middle(route.marks), marks);
        self.out.close();
    }

    /// A line through these points with round corners, or beside it, so far to the left.
    fn stroke(&mut self, class: &str, corners: &[[f64; 2]], left: f64) {
        let points = beside(corners, left);
        let mut path = String::new();
        for (at, &point) in points.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| points.get(at));
            match (before, points.get(at + 1)) {
                (None, _) => path.push_str(&format!("M{}", pair(point))),
                (Some(_), None) => path.push_str(&format!("L{}", pair(point))),
                (Some(&before), Some(&after)) => {
                    let (enter, leave) = (toward(point, before, ROUND), toward(point, after, ROUND));
                    path.push_str(&format!("L{}Q{} {}", pair(enter), pair(point), pair(leave)));
                }
            }
        }
        self.out.path(class, &path);
    }

    fn tip(&mut self, route: &Route, marks: &Marks) {
        let [.., before, last] = route.corners else { return };
        let way = Way::between(*before, *last);
        let lit = !marks.is_empty();
        let (long, half) = if lit { (11.0, 5.4) } else { (9.0, 4.0) };
        let point = moved(middle(*last), way, reach(way) - 1.0);
        let back = moved(point, way, -long);
        let [across, along] = ahead(way);
        let wings = [half, -half].map(|by| [back[0] + along * by, back[1] + across * by]);
        let path = format!("M{}L{}L{}Z", pair(point), pair(wings[0]), pair(wings[1]));
        self.out.path(&format!("tip{}", ends(marks)), &path);
    }

    /// Words begin or end where the grid says, whatever the letters' widths are.
    fn words(&mut self, class: &str, words: Words, cell: Cell, text: &str) {
        let (anchor, column) = match words {
            Words::From(_) | Words::Around(_) => ("start", cell.0),
            Words::UpTo(_) => ("end", cell.0 + text.len() - 1),
        };
        let [x, y] = middle((column, cell.1));
        self.out.text(class, [x, y + 4.5], anchor, text);
    }

    fn state(&mut self, state: State, at: Cell, marks: &Marks) {
        let corner = middle(at);
        let size = [(BOX_COLUMNS - 1) as f64 * CELL[0], (BOX_ROWS - 1) as f64 * CELL[1]];
        let unseen = if state == State::Unknown { " unseen" } else { "" };
        self.out.open("place", state.name());
        self.out.rectangle(&format!("box{}{unseen}", ends(marks)), corner, size, 8.0);
        if !marks.is_empty() {
            self.out.rectangle(&format!("tinted {}", Tint::of(state).css()), corner, size, 8.0);
        }
        let x = corner[0] + size[0] / 2.0;
        let (class, y) = if marks.is_empty() {
            ("state dim", corner[1] + size[1] / 2.0 + 4.5)
        } else {
            ("state", corner[1] + 21.0)
        };
        self.out.text(class, [x, y], "middle", state.name());
        self.marks([x, corner[1] + 37.0], marks);
        self.out.close();
    }

    /// Marks side by side, their middle here.
    fn marks(&mut self, [x, y]: [f64; 2], marks: &Marks) {
        let gap = 6.0;
        let all: f64 = marks.each().map(|(_, mark)| pill_width(mark) + gap).sum();
        let mut x = x - (all - gap) / 2.0;
        for (side, mark) in marks.each() {
            x += self.pill(side, mark, [x, y]) + gap;
        }
    }

    /// A mark in its frame, beginning at `x`, its middle at `y`; gives its width.
    fn pill(&mut self, side: Side, mark: &str, [x, y]: [f64; 2]) -> f64 {
        let wide = pill_width(mark);
        let class = letter(side);
        self.out.rectangle(&format!("mark {class}"), [x, y - 7.5], [wide, 15.0], 7.5);
        self.out.text(&format!("number {class}"), [x + wide / 2.0, y + 3.9], "middle", mark);
        wide
    }

    /// The ways in words and the verdict; gives the height of the page.
    fn below(&mut self, flow: &Flow, names: &Names, trail: &Trail) -> f64 {
        let mut y = TOP + ROWS as f64 * CELL[1] + 18.0;
        self.out.line("hairline", [EDGE, y], [WIDTH - EDGE, y]);
        y += 26.0;
        for side in [Side::A, Side::B] {
            let end = side.index();
            self.pill(side, letter(side), [EDGE, y - 4.5]);
            for line in broken(flow.before[end].name().to_owned(), told(&trail.steps[end]), LINE) {
                self.out.text("way", [EDGE + 28.0, y], "start", &line);
                y += 19.0;
            }
            y += 6.0;
        }
        self.out.line("hairline", [EDGE, y - 8.0], [WIDTH - EDGE, y - 8.0]);
        y += 16.0;
        for line in wrap(&verdict::paragraph(flow, names), LINE) {
            self.out.text("verdict", [EDGE, y], "start", &line);
            y += 20.0;
        }
        y + 6.0
    }
}

/// The middles of a route's corners, from the edge of its first box to where its tip begins.
fn corners(route: &Route) -> Vec<[f64; 2]> {
    let mut points: Vec<[f64; 2]> = route.corners.iter().map(|cell| middle(*cell)).collect();
    if let ([first, second, ..], Some(point)) = (route.corners, points.first_mut()) {
        let way = Way::between(*first, *second);
        *point = moved(*point, way, -reach(way));
    }
    if let ([.., before, last], Some(point)) = (route.corners, points.last_mut()) {
        let way = Way::between(*before, *last);
        *point = moved(*point, way, reach(way) - 9.0);
    }
    points
}

/// A line so far to the left of one whose pieces are level or upright.
fn beside(points: &[[f64; 2]], left: f64) -> Vec<[f64; 2]> {
    let normals = points.windows(2).map(|pair| {
        let (x, y) = (pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]);
        let length = x.hypot(y).max(1.0);
        [y / length, -x / length]
    });
    let normals: Vec<[f64; 2]> = normals.collect();
    let moved = points.iter().enumerate().map(|(at, [x, y])| {
        let around = [at.checked_sub(1).and_then(|before| normals.get(before)), normals.get(at)];
        let [dx, dy] =
            around.into_iter().flatten().fold([0.0, 0.0], |sum, one| [sum[0] + one[0], sum[1] + one[1]]);
        [x + dx * left, y + dy * left]
    });
    moved.collect()
}

/// From the middle of a cell to the middle of the next: a box's edge runs through the middles of its outer cells.
fn reach(way: Way) -> f64 {
    match way {
        Way::Left | Way::Right => CELL[0],
        Way::Up | Way::Down => CELL[1],
    }
}

/// A point this far from one towards another, at most half of the way.
fn toward(from: [f64; 2], to: [f64; 2], by: f64) -> [f64; 2] {
    let (x, y) = (to[0] - from[0], to[1] - from[1]);
    let length = x.hypot(y).max(1.0);
    let part = (by / length).min(0.5);
    [from[0] + x * part, from[1] + y * part]
}

fn pair([x, y]: [f64; 2]) -> String {
    format!("{} {}", short(x), short(y))
}

fn pill_width(mark: &str) -> f64 {
    width(mark) as f64 * MARK[0] + 2.0 * MARK[1]
}

/// The class for whose way it is part of.
fn ends(marks: &Marks) -> &'static str {
    match marks.only() {
        Some(Side::A) => " a",
        Some(Side::B) => " b",
        None if marks.is_empty() => "",
        None => " ab",
    }
}
