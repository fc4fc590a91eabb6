//! Which states and arrows a conversation has passed, and in which order: the marks of both ends.

use flow::path::{self, Step};
use flow::{Flow, Side, State};

use super::layout::{LAST_CLOSED, PLACES, ROUTES};

/// Numbers of one end's steps at one place, in order.
type Numbers = Vec<usize>;

/// The marks of both ends, and their steps.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    /// A's and B's steps.
    pub(super) steps: [Vec<Step>; 2],
    /// By place in [`PLACES`]: the steps that led there; 0 where an end began.
    places: Vec<[Numbers; 2]>,
    /// By place in [`ROUTES`], and behind them the reset: the steps that went along it.
    routes: Vec<[Numbers; 2]>,
}

/// Where resets stand behind the routes.
pub(super) const RESET_PLACE: usize = ROUTES.len();

/// Columns of one end's mark at most.
const MARK: usize = 6;

impl Trail {
    pub(super) fn of(flow: &Flow) -> Trail {
        let steps = [Side::A, Side::B].map(|side| path::path(flow, side));
        let mut places = vec![<[Numbers; 2]>::default(); PLACES.len()];
        let mut routes = vec![<[Numbers; 2]>::default(); ROUTES.len() + 1];
        for (end, steps) in steps.iter().enumerate() {
            places[place_of(flow.before[end], false)][end].push(0);
            for (step, number) in steps.iter().zip(1..) {
                places[place_of(step.to, true)][end].push(number);
                let route = step.transition().or(step.cause.is_reset().then_some(RESET_PLACE));
                if let Some(marks) = route.and_then(|route| routes.get_mut(route)) {
                    marks[end].push(number);
                }
            }
        }
        Trail { steps, places, routes }
    }

    /// The marks at a place: A's and B's.
    pub(super) fn at_place(&self, place: usize) -> Marks {
        Marks::of(self.places.get(place))
    }

    /// The marks on an arrow.
    pub(super) fn on_route(&self, route: usize) -> Marks {
        Marks::of(self.routes.get(route))
    }
}

fn place_of(state: State, ends: bool) -> usize {
    match state {
        State::Closed if ends => LAST_CLOSED,
        state => PLACES.iter().position(|place| place.state == state).unwrap_or(0),
    }
}

/// `a2` and `b1,4`; none for an end that was never there.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub(super) of: [Option<String>; 2],
}

impl Marks {
    fn of(numbers: Option<&[Numbers; 2]>) -> Marks {
        let Some([a, b]) = numbers else { return Marks::default() };
        Marks { of: [mark('a', a), mark('b', b)] }
    }

    /// Nobody was there.
    pub(super) fn is_empty(&self) -> bool {
        self.of == [None, None]
    }

    /// The end that was there alone.
    pub(super) fn only(&self) -> Option<Side> {
        match &self.of {
            [Some(_), None] => Some(Side::A),
            [None, Some(_)] => Some(Side::B),
            _ => None,
        }
    }

    /// The marks that there are, each with its end.
    pub(super) fn each(&self) -> impl Iterator<Item = (Side, &str)> {
        let sides = [Side::A, Side::B].into_iter().zip(&self.of);
        sides.filter_map(|(side, mark)| Some((side, mark.as_deref()?)))
    }

    /// Columns of all, with a blank between.
    pub(super) fn columns(&self) -> usize {
        let all: usize = self.each().map(|(_, mark)| mark.chars().count() + 1).sum();
        all.saturating_sub(1)
    }
}

fn mark(letter: char, numbers: &Numbers) -> Option<String> {
    let (first, more) = numbers.split_first()?;
    let mut mark = format!("{letter}{first}");
    for number in more {
        let longer = format!("{mark},{number}");
        if longer.len() >= MARK {
            mark.push('…');
            break;
        }
        mark = longer;
    }
    Some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stays_short() {
        assert_eq!(mark('a', &vec![]), None);
        assert_eq!(mark('a', &vec![2]).as_deref(), Some("a2"));
        assert_eq!(mark('b', &vec![2, 4]).as_deref(), Some("b2,4"));
        assert_eq!(mark('b', &vec![2, 4, 6, 8]).as_deref(), Some("b2,4…"));
    }
}
