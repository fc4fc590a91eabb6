//! Where everything stands in the state diagram: one table, in cells of a grid of 80 columns, for text and picture alike.
//!
//! States keep the places that they have in RFC 9293 figure 5, CLOSED twice, so that no two arrows cross.

use flow::State;

/// Columns of the grid.
pub(super) const COLUMNS: usize = 80;
/// Rows of the grid.
pub(super) const ROWS: usize = 46;
/// Columns of a state's box.
pub(super) const BOX_COLUMNS: usize = 16;
/// Rows of a state's box: its edge, its name, its marks, its edge.
pub(super) const BOX_ROWS: usize = 4;

/// A cell: column, row.
pub(super) type Cell = (usize, usize);

/// A box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) state: State,
    /// Its upper left cell.
    pub(super) at: Cell,
}

/// All boxes. The first CLOSED is where a way begins, the second where it ends; [`State::Unknown`], which is not in the
/// figure, is drawn only when somebody was there.
pub(super) const PLACES: [Place; 13] = [
    place(State::Unknown, 3, 0),
    place(State::Closed, 32, 0),
    place(State::Listen, 32, 7),
    place(State::SynReceived, 3, 13),
    place(State::SynSent, 64, 13),
    place(State::Established, 32, 19),
    place(State::FinWait1, 3, 26),
    place(State::CloseWait, 64, 26),
    place(State::FinWait2, 3, 33),
    place(State::Closing, 32, 33),
    place(State::LastAck, 64, 33),
    place(State::TimeWait, 32, 40),
    place(State::Closed, 64, 40),
];

/// The place in [`PLACES`] of the CLOSED where ways end.
pub(super) const LAST_CLOSED: usize = 12;

const fn place(state: State, column: usize, row: usize) -> Place {
    Place { state, at: (column, row) }
}

/// Where an arrow's words stand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Words {
    /// `event / action` in one line that begins here.
    From(Cell),
    /// The same in one line whose last column is this.
    UpTo(Cell),
    /// The event in a line that begins here, the action two rows below, on the other side of the arrow.
    Around(Cell),
}

/// An arrow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) from: State,
    pub(super) to: State,
    /// Its corners, from the cell beside its first box to the cell of its head, beside the other.
    pub(super) corners: &'static [Cell],
    pub(super) words: Words,
    /// The cell on it where the middle of its marks stands.
    pub(super) marks: Cell,
}

/// The arrows of [`flow::diagram::TRANSITIONS`], in the same order.
pub(super) const ROUTES: [Route; 21] = [
    route(State::Closed, State::SynSent, &[(48, 1), (76, 1), (76, 12)], Words::From((50, 0)), (62, 1)),
    route(State::Closed, State::Listen, &[(36, 4), (36, 6)], Words::UpTo((34, 5)), (36, 4)),
    route(State::Listen, State::Closed, &[(43, 6), (43, 4)], Words::From((45, 5)), (43, 6)),
    route(State::SynSent, State::Closed, &[(71, 12), (71, 2), (48, 2)], Words::From((50, 3)), (71, 6)),
    route(State::SynReceived, State::Listen, &[(6, 12), (6, 8), (31, 8)], Words::From((8, 7)), (19, 8)),
    route(State::Listen, State::SynReceived, &[(31, 9), (11, 9), (11, 12)], Words::From((13, 11)), (23, 9)),
    route(State::Listen, State::SynSent, &[(48, 9), (67, 9), (67, 12)], Words::From((50, 8)), (57, 9)),
    route(State::SynSent, State::SynReceived, &[(63, 14), (19, 14)], Words::From((30, 13)), (40, 14)),
    route(
        State::SynReceived,
        State::Established,
        &[(11, 17), (11, 20), (31, 20)],
        Words::From((13, 19)),
        (22, 20),
    ),
    route(
        State::SynSent,
        State::Established,
        &[(71, 17), (71, 20), (48, 20)],
        Words::From((49, 19)),
        (59, 20),
    ),
    route(State::SynReceived, State::FinWait1, &[(6, 17), (6, 25)], Words::From((8, 23)), (6, 21)),
    route(
        State::Established,
        State::FinWait1,
        &[(36, 23), (36, 27), (19, 27)],
        Words::UpTo((34, 26)),
        (27, 27),
    ),
    route(
        State::Established,
        State::CloseWait,
        &[(43, 23), (43, 27), (63, 27)],
        Words::From((45, 26)),
        (53, 27),
    ),
    route(State::FinWait1, State::FinWait2, &[(11, 30), (11, 32)], Words::From((13, 31)), (11, 30)),
    route(State::FinWait1, State::Closing, &[(19, 28), (39, 28), (39, 32)], Words::From((21, 29)), (39, 30)),
    route(State::CloseWait, State::LastAck, &[(71, 30), (71, 32)], Words::UpTo((69, 31)), (71, 30)),
    route(State::FinWait2, State::TimeWait, &[(11, 37), (11, 41), (31, 41)], Words::From((13, 40)), (22, 41)),
    route(State::Closing, State::TimeWait, &[(39, 37), (39, 39)], Words::UpTo((37, 38)), (39, 37)),
    route(State::LastAck, State::Closed, &[(71, 37), (71, 39)], Words::UpTo((69, 38)), (71, 37)),
    route(State::TimeWait, State::Closed, &[(48, 41), (63, 41)], Words::Around((50, 40)), (55, 41)),
    route(
        State::FinWait1,
        State::TimeWait,
        &[(2, 28), (1, 28), (1, 42), (31, 42)],
        Words::From((3, 43)),
        (9, 42),
    ),
];

/// Note 3 of the figure: what leads to CLOSED from wherever an end is.
pub(super) const RESET: Route =
    route(State::Unknown, State::Closed, &[(54, 45), (71, 45), (71, 44)], Words::UpTo((52, 45)), (62, 45));

/// Where it is, what brings it about, and what the end does then.
pub(super) const RESET_WORDS: [&str; 2] = ["any state: snd or rcv RST", "delete TCB"];

const fn route(from: State, to: State, corners: &'static [Cell], words: Words, marks: Cell) -> Route {
    Route { from, to, corners, words, marks }
}

impl Route {
    /// Its words, each piece with the cell where it begins.
    pub(super) fn pieces(&self, [event, action]: [&str; 2]) -> Vec<(Cell, String)> {
        let line = format!("{event} / {action}");
        match self.words {
            Words::From(cell) => vec![(cell, line)],
            Words::UpTo((column, row)) => vec![(((column + 1).saturating_sub(line.len()), row), line)],
            Words::Around((column, row)) => {
                vec![((column, row), event.to_owned()), ((column, row + 2), action.to_owned())]
            }
        }
    }

    /// True where its marks stand on a line from side to side.
    pub(super) fn is_level_at_marks(&self) -> bool {
        let level = |pair: &[Cell]| pair[0].1 == pair[1].1 && pair[0].1 == self.marks.1;
        self.corners.windows(2).any(level)
    }

    /// Every cell of the arrow with the directions from which it is entered and in which it is left.
    pub(super) fn cells(&self) -> Vec<(Cell, Way, Way)> {
        let mut cells: Vec<(Cell, Way, Way)> = Vec::new();
        for pair in self.corners.windows(2) {
            let way = Way::between(pair[0], pair[1]);
            match cells.last_mut() {
                Some((_, _, leaves)) => *leaves = way,
                None => cells.push((pair[0], way, way)),
            }
            let mut cell = pair[0];
            while cell != pair[1] {
                cell = way.from(cell);
                cells.push((cell, way, way));
            }
        }
        cells
    }
}

/// A direction on the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Left,
    Right,
    Up,
    Down,
}

impl Way {
    pub(super) fn between(from: Cell, to: Cell) -> Way {
        match (to.0.cmp(&from.0), to.1.cmp(&from.1)) {
            (std::cmp::Ordering::Less, _) => Way::Left,
            (std::cmp::Ordering::Greater, _) => Way::Right,
            (_, std::cmp::Ordering::Less) => Way::Up,
            _ => Way::Down,
        }
    }

    /// The next cell in this direction.
    pub(super) fn from(self, (column, row): Cell) -> Cell {
        match self {
            Way::Left => (column.saturating_sub(1), row),
            Way::Right => (column + 1, row),
            Way::Up => (column, row.saturating_sub(1)),
            Way::Down => (column, row + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use flow::diagram::TRANSITIONS;

    use super::*;

    fn inside(place: &Place, (column, row): Cell) -> bool {
        let (left, top) = place.at;
        (left..left + BOX_COLUMNS).contains(&column) && (top..top + BOX_ROWS).contains(&row)
    }

    fn routes() -> impl Iterator<Item = (Route, [&'static str; 2])> {
        let drawn = ROUTES.into_iter().zip(TRANSITIONS.map(|arrow| [arrow.event, arrow.action]));
        drawn.chain([(RESET, RESET_WORDS)])
    }

    #[test]
    fn every_arrow_of_the_figure_has_its_route() {
        for (route, arrow) in ROUTES.iter().zip(TRANSITIONS) {
            assert_eq!((route.from, route.to), (arrow.from, arrow.to));
        }
    }

    #[test]
    fn arrows_begin_and_end_beside_their_states() {
        let touches = |cell: Cell, state: State| {
            let beside = [Way::Left, Way::Right, Way::Up, Way::Down].map(|way| way.from(cell));
            PLACES.iter().any(|place| place.state == state && beside.iter().any(|cell| inside(place, *cell)))
        };
        for (route, _) in routes() {
            let (first, last) = (route.corners[0], route.corners[route.corners.len() - 1]);
            assert!(route.from == State::Unknown || touches(first, route.from), "{route:?}");
            assert!(touches(last, route.to), "{route:?}");
        }
    }

    #[test]
    fn nothing_stands_on_anything_else() {
        let mut taken: HashMap<Cell, String> = HashMap::new();
        let mut take = |cell: Cell, by: String| {
            assert!(cell.0 < COLUMNS && cell.1 < ROWS, "{by} at {cell:?} is outside");
            let before = taken.insert(cell, by.clone());
            assert!(before.as_ref().is_none_or(|before| *before == by), "{by} on {before:?} at {cell:?}");
        };
        for (place, number) in PLACES.iter().zip(0..) {
            for column in 0..BOX_COLUMNS {
                for row in 0..BOX_ROWS {
                    take((place.at.0 + column, place.at.1 + row), format!("{:?} {number}", place.state));
                }
            }
        }
        for (route, words) in routes() {
            let name = format!("{:?} to {:?}", route.from, route.to);
            let cells = route.cells();
            assert!(cells.iter().any(|(cell, _, _)| *cell == route.marks), "{name}");
            cells.iter().for_each(|(cell, _, _)| take(*cell, name.clone()));
            // Room for `a1 b1` in the middle of its marks.
            (0..5).for_each(|column| take((route.marks.0 + column - 2, route.marks.1), name.clone()));
            for ((column, row), text) in route.pieces(words) {
                (0..text.len()).for_each(|at| take((column + at, row), format!("words of {name}")));
            }
        }
    }
}
