//! The time axis of a picture: where on the page each moment stands. Time runs down, in proportion as far as that is
//! readable: what follows closely is spread so that labels have room, a long pause is cut out and named.

use std::time::Duration;

use wire::Time;

/// What happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A segment arrives.
    Arrival,
    /// A segment is sent; its label needs room.
    Departure,
    /// The first segment of a phase is sent; the phase's name needs room above it.
    PhaseBegins,
    /// A call is made, or returns without a segment beside it.
    Call,
    /// A merged run begins.
    RunBegins,
    /// A merged run ends.
    RunEnds,
}

/// A moment to place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// When.
    pub(super) time: Time,
    /// What.
    pub(super) kind: Kind,
    /// True for the arrival of what was sent earlier: it comes before what is sent at the same instant. (Without delay a
    /// segment may arrive at the very instant of its sending, but never above it.)
    pub(super) was_under_way: bool,
}

/// A pause that is cut out of the axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pause {
    /// The middle of the cut.
    pub(super) y: f64,
    /// What was cut out.
    pub(super) length: Duration,
}

/// Moments with their places.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// The place of each moment, in the order in which they were given.
    pub(super) places: Vec<f64>,
    /// The pauses.
    pub(super) pauses: Vec<Pause>,
    /// The place of the last moment.
    pub(super) end: f64,
}

/// The most room between two moments; a longer time is a pause.
const MOST: f64 = 64.0;
/// A pause's room on the page.
const PAUSE: f64 = 58.0;
/// So many times [`MOST`] it must be to be cut out and named; what is between is only drawn shorter than it was.
const WORTH_NAMING: f64 = 10.0;

/// Places the moments, the first at `top`. `flights` are the times under way.
pub(super) fn axis(moments: &[Moment], flights: &[Duration], top: f64) -> Axis {
    let mut order: Vec<usize> = (0..moments.len()).collect();
    order.sort_by_key(|&index| (moments[index].time, !moments[index].was_under_way, index));
    let scale = scale(moments, &order, flights);
    let mut axis = Axis { places: vec![top; moments.len()], pauses: Vec::new(), end: top };
    let mut before: Option<Moment> = None;
    for index in order {
        let moment = moments[index];
        axis.end += match before {
            None => room(None, moment.kind),
            Some(before) => axis.step(before, moment, scale),
        };
        axis.places[index] = axis.end;
        before = Some(moment);
    }
    axis
}

impl Axis {
    /// The distance between two moments that follow each other.
    fn step(&mut self, before: Moment, moment: Moment, scale: f64) -> f64 {
        let least = room(Some(before.kind), moment.kind);
        let passed = moment.time.since(before.time);
        let proportional = passed.as_secs_f64() * scale;
        if proportional > MOST.max(least) * WORTH_NAMING && before.kind != Kind::RunBegins {
            let distance = PAUSE + least - room(None, Kind::Departure);
            self.pauses.push(Pause { y: self.end + PAUSE / 2.0, length: passed });
            return distance.max(PAUSE);
        }
        proportional.clamp(least, MOST.max(least))
    }
}

/// The least distance between two moments.
fn room(before: Option<Kind>, kind: Kind) -> f64 {
    let phase = if kind == Kind::PhaseBegins { 34.0 } else { 0.0 };
    phase
        + match (before, kind) {
            (None, _) => 14.0,
            (Some(Kind::Departure | Kind::PhaseBegins), Kind::Arrival) => 13.0,
            (Some(Kind::Arrival), Kind::Arrival) => 16.0,
            (Some(Kind::Arrival), Kind::Call) => 19.0,
            (Some(Kind::Arrival), _) => 13.0,
            (Some(Kind::Call), Kind::Call | Kind::Arrival) => 19.0,
            (Some(Kind::RunBegins), Kind::RunEnds) => 46.0,
            _ => 26.0,
        }
}

/// Pixels a second, so that the usual distance is comfortable. Where most of the time is spent on the way, the slant of
/// the arrows is what there is to see.
fn scale(moments: &[Moment], order: &[usize], flights: &[Duration]) -> f64 {
    let gaps = order.windows(2).map(|pair| moments[pair[1]].time.since(moments[pair[0]].time));
    let gap = median(gaps.filter(|gap| !gap.is_zero()).collect()).as_secs_f64();
    let flight = median(flights.to_vec()).as_secs_f64();
    let (usual, pixels) = if flight > 4.0 * gap || (flight > 0.0 && flight * 2.0 > gap && flight > 0.001) {
        (flight, 36.0)
    } else {
        (gap.max(flight), 18.0)
    };
    if usual > 0.0 { pixels / usual } else { 0.0 }
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(micros: u64, kind: Kind) -> Moment {
        Moment { time: Time(micros * 1_000), kind, was_under_way: kind == Kind::Arrival }
    }

    #[test]
    fn what_arrives_at_the_instant_of_its_sending_arrives_below_it() {
        let at_once = Moment { was_under_way: false, ..moment(10, Kind::Arrival) };
        let moments = [
            moment(10, Kind::PhaseBegins),
            at_once,
            moment(10, Kind::Departure),
            at_once,
            moment(20, Kind::Departure),
        ];
        let places = axis(&moments, &[], 0.0).places;
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn time_runs_down_and_equal_flights_slant_equally() {
        let moments = [
            moment(0, Kind::PhaseBegins),
            moment(50_000, Kind::Arrival),
            moment(50_100, Kind::Departure),
            moment(100_100, Kind::Arrival),
        ];
        let flights = [Duration::from_millis(50); 2];
        let axis = axis(&moments, &flights, 100.0);
        assert!(axis.places.is_sorted());
        assert_eq!(axis.places[1] - axis.places[0], axis.places[3] - axis.places[2]);
        assert!(axis.pauses.is_empty());
    }

    #[test]
    fn a_long_pause_is_cut_out_and_named() {
        let moments = [0, 30, 60, 90, 204_000].map(|micros| moment(micros, Kind::Departure));
        let axis = axis(&moments, &[], 0.0);
        assert_eq!(axis.pauses.len(), 1);
        assert_eq!(axis.pauses[0].length, Duration::from_micros(203_910));
        assert!(axis.end < 250.0);
    }

    #[test]
    fn what_arrives_comes_before_what_is_sent_at_the_same_instant() {
        let moments = [moment(5, Kind::Departure), moment(5, Kind::Arrival)];
        let axis = axis(&moments, &[], 0.0);
        assert!(axis.places[1] < axis.places[0]);
    }
}
