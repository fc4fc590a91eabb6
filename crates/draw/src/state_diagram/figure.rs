//! The diagram as text: a sheet of cells, painted from back to front. What nobody passed is dim and thin; what was passed
//! is double (states) or heavy (arrows), in the colour of who passed it, with its marks.

use flow::diagram::TRANSITIONS;

use super::layout::{
    BOX_COLUMNS, BOX_ROWS, COLUMNS, Cell, PLACES, RESET, RESET_WORDS, ROUTES, ROWS, Route, Way,
};
use super::trail::{Marks, RESET_PLACE, Trail};
use crate::line::Line;
use crate::palette::Role;
use flow::State;

/// The lines of the diagram.
pub(super) fn figure(trail: &Trail) -> Vec<Line> {
    let mut sheet = Sheet { cells: vec![[(Role::Plain, ' '); COLUMNS]; ROWS] };
    let words = TRANSITIONS.map(|arrow| [arrow.event, arrow.action]);
    for (number, (route, words)) in ROUTES.iter().zip(words).enumerate() {
        sheet.route(route, words, &trail.on_route(number));
    }
    sheet.route(&RESET, RESET_WORDS, &trail.on_route(RESET_PLACE));
    for (number, place) in PLACES.iter().enumerate() {
        let marks = trail.at_place(number);
        // The figure has no unknown: only a capture that began late has.
        if place.state != State::Unknown || !marks.is_empty() {
            sheet.state(place.at, place.state.name(), &marks);
        }
    }
    sheet.lines()
}

struct Sheet {
    cells: Vec<[(Role, char); COLUMNS]>,
}

impl Sheet {
    fn put(&mut self, (column, row): Cell, role: Role, character: char) {
        if let Some(cell) = self.cells.get_mut(row).and_then(|row| row.get_mut(column)) {
            *cell = (role, character);
        }
    }

    fn write(&mut self, (column, row): Cell, role: Role, text: &str) {
        for (at, character) in text.chars().enumerate() {
            self.put((column + at, row), role, character);
        }
    }

    fn route(&mut self, route: &Route, words: [&str; 2], marks: &Marks) {
        let role = role(marks);
        let cells = route.cells();
        let last = cells.len().saturating_sub(1);
        for (at, &(cell, enters, leaves)) in cells.iter().enumerate() {
            let character = if at == last { head(enters) } else { stroke(enters, leaves, !marks.is_empty()) };
            self.put(cell, role, character);
        }
        let words_role = if marks.is_empty() { Role::Frame } else { Role::Plain };
        for (cell, text) in route.pieces(words) {
            self.write(cell, words_role, &text);
        }
        if route.is_level_at_marks() && !marks.is_empty() {
            let (column, row) = route.marks;
            let left = column.saturating_sub(marks.columns().saturating_sub(1) / 2 + 1);
            self.write((left, row), Role::Plain, &" ".repeat(marks.columns() + 2));
        }
        self.marks(route.marks, marks);
    }

    /// Marks with their middle in this cell.
    fn marks(&mut self, (column, row): Cell, marks: &Marks) {
        let mut column = column.saturating_sub(marks.columns().saturating_sub(1) / 2);
        for (place, (side, mark)) in marks.each().enumerate() {
            if place > 0 {
                self.put((column, row), Role::Plain, ' ');
                column += 1;
            }
            self.write((column, row), Role::of(side), mark);
            column += mark.chars().count();
        }
    }

    fn state(&mut self, (left, top): Cell, name: &str, marks: &Marks) {
        let role = role(marks);
        let (corners, across, down) = match marks.is_empty() {
            true => (['┌', '┐', '└', '┘'], '─', '│'),
            false => (['╔', '╗', '╚', '╝'], '═', '║'),
        };
        let (right, bottom) = (left + BOX_COLUMNS - 1, top + BOX_ROWS - 1);
        for column in left..=right {
            self.put((column, top), role, across);
            self.put((column, bottom), role, across);
        }
        for row in top + 1..bottom {
            self.write((left, row), role, &" ".repeat(BOX_COLUMNS));
            self.put((left, row), role, down);
            self.put((right, row), role, down);
        }
        for (cell, corner) in
            [(left, top), (right, top), (left, bottom), (right, bottom)].into_iter().zip(corners)
        {
            self.put(cell, role, corner);
        }
        let name_role = if marks.is_empty() { Role::Frame } else { Role::Heading };
        self.write((left + (BOX_COLUMNS - name.len()) / 2, top + 1), name_role, name);
        self.marks((left + (BOX_COLUMNS - 1) / 2, top + 2), marks);
    }

    fn lines(&self) -> Vec<Line> {
        let line = |cells: &[(Role, char); COLUMNS]| {
            let mut line = Line::default();
            cells.iter().for_each(|(role, character)| {
                line.repeat(*role, *character, 1);
            });
            line
        };
        self.cells.iter().map(line).collect()
    }
}

/// The colour of what these ends passed; both together have none of their own.
fn role(marks: &Marks) -> Role {
    match marks.only() {
        Some(side) => Role::of(side),
        None if marks.is_empty() => Role::Frame,
        None => Role::Heading,
    }
}

fn head(enters: Way) -> char {
    match enters {
        Way::Left => '◀',
        Way::Right => '▶',
        Way::Up => '▲',
        Way::Down => '▼',
    }
}

/// A piece of a line that is entered and left so, light or heavy.
fn stroke(enters: Way, leaves: Way, heavy: bool) -> char {
    let [light, bold] = match (enters, leaves) {
        (Way::Left | Way::Right, Way::Left | Way::Right) => ['─', '━'],
        (Way::Up | Way::Down, Way::Up | Way::Down) => ['│', '┃'],
        (Way::Right, Way::Down) | (Way::Up, Way::Left) => ['┐', '┓'],
        (Way::Right, Way::Up) | (Way::Down, Way::Left) => ['┘', '┛'],
        (Way::Left, Way::Down) | (Way::Up, Way::Right) => ['┌', '┏'],
        (Way::Left, Way::Up) | (Way::Down, Way::Right) => ['└', '┗'],
    };
    if heavy { bold } else { light }
}
