//! How a transfer goes: bytes in flight, round trips, what arrived and what was lost, interval by interval. Read first:
//! RFC 5681 §2 (FlightSize), RFC 6298 §3 (whose round trips may be taken).
//!
//! Derived from the rows alone, as the sender sees it: an acknowledgement counts when it arrives there.

use std::collections::VecDeque;
use std::time::Duration;

use wire::Time;
use wire::tcp::TcpFlags;

use crate::path::times;
use crate::{Flow, Row, Side};

/// What happened in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// When it begins.
    pub start: Time,
    /// The most bytes that were sent and not acknowledged at any moment of it.
    pub in_flight_bytes: u64,
    /// The last window that the sender knew of.
    pub window_bytes: u64,
    /// The longest round trip that ended in it.
    pub round_trip: Option<Duration>,
    /// Bytes that were acknowledged.
    pub acknowledged_bytes: u64,
    /// Segments that the link dropped, by the time at which they were sent.
    pub lost: u64,
    /// Segments that were sent again.
    pub resent: u64,
    /// Those of them for which nobody had asked: a timer ran out.
    pub resent_by_timer: u64,
}

/// A transfer in intervals of the same length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// How long each interval is.
    pub step: Duration,
    /// The intervals in which anything happened, in order.
    pub intervals: Vec<Interval>,
}

/// What `sender` sent, in at most so many intervals of a length that people like: 1, 2 or 5 of a unit. Intervals in which
/// nothing happened are left out and do not count; none is much shorter than the shortest round trip. Empty where no
/// data was seen.
pub fn transfer(flow: &Flow, sender: Side, most: usize) -> Transfer {
    let mut moments = moments(flow, sender);
    let first = moments.iter().position(|moment| moment.sent_bytes > 0).unwrap_or(moments.len());
    moments.drain(..first);
    // What is in flight is measured by round trips: a shorter interval would tell less.
    let shortest = moments.iter().filter_map(|moment| moment.round_trip).min().unwrap_or_default();
    steps()
        .filter(|step| *step >= shortest.mul_f64(0.75))
        .map(|step| Transfer { step, intervals: intervals(&moments, step) })
        .find(|transfer| transfer.intervals.len() <= most.max(1))
        .unwrap_or_default()
}

fn intervals(moments: &[Moment], step: Duration) -> Vec<Interval> {
    let mut intervals: Vec<Interval> = Vec::new();
    let Some(first) = moments.first().map(|moment| moment.time) else { return intervals };
    for moment in moments {
        let number = moment.time.since(first).as_nanos() / step.as_nanos().max(1);
        let start = first + step.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        if intervals.last().is_none_or(|last| last.start != start) {
            intervals.push(Interval { start, ..Interval::default() });
        }
        if let Some(now) = intervals.last_mut() {
            moment.count_in(now);
        }
    }
    intervals
}

/// 1, 2, 5, 10, … milliseconds, up to half a year: nothing is longer that anybody captures.
fn steps() -> impl Iterator<Item = Duration> {
    let units = (0..10).map(|power| Duration::from_millis(10_u64.pow(power)));
    units.flat_map(|unit| [1, 2, 5].map(|times| unit.saturating_mul(times)))
}

/// What one sending or one arrival changes.
#[derive(Clone, Copy, Debug, Default)]
struct Moment {
    time: Time,
    in_flight_bytes: u64,
    window_bytes: u64,
    sent_bytes: u64,
    acknowledged_bytes: u64,
    round_trip: Option<Duration>,
    lost: bool,
    resent: bool,
    by_timer: bool,
}

impl Moment {
    fn count_in(&self, interval: &mut Interval) {
        interval.in_flight_bytes = interval.in_flight_bytes.max(self.in_flight_bytes);
        interval.window_bytes = self.window_bytes;
        interval.round_trip = interval.round_trip.max(self.round_trip);
        interval.acknowledged_bytes += self.acknowledged_bytes;
        interval.lost += u64::from(self.lost);
        interval.resent += u64::from(self.resent);
        interval.resent_by_timer += u64::from(self.by_timer);
    }
}

/// Sendings of data and arrivals of acknowledgements, as the sender lives through them.
fn moments(flow: &Flow, sender: Side) -> Vec<Moment> {
    let times = times(flow.rows.iter().map(|row| (row.time, row.passage.as_ref())));
    let mut events: Vec<(Time, bool, usize)> = Vec::with_capacity(flow.rows.len());
    for (place, (row, (sent, arrived))) in flow.rows.iter().zip(times).enumerate() {
        let arrives = row.passage.as_ref().is_none_or(|passage| passage.fate.is_received());
        match row.from == sender {
            true => events.push((sent, true, place)),
            false if arrives => events.push((arrived, false, place)),
            false => {}
        }
    }
    // What arrives comes before what is sent because of it.
    events.sort_unstable();
    let mut sender = Sender::default();
    events
        .iter()
        .filter_map(|&(time, sends, place)| sender.lives_through(time, sends, &flow.rows[place]))
        .collect()
}

/// What the sender knows.
#[derive(Default)]
struct Sender {
    sent: u64,
    acknowledged: u64,
    window: u64,
    /// Sendings whose round trips may be taken: the end of each and its time.
    timed: VecDeque<(u64, Time)>,
}

impl Sender {
    fn lives_through(&mut self, time: Time, sends: bool, row: &Row) -> Option<Moment> {
        match sends {
            true if row.len_bytes > 0 && !row.flags.has(TcpFlags::SYN) => Some(self.sends(time, row)),
            true => None,
            false => self.hears(time, row),
        }
    }

    fn sends(&mut self, time: Time, row: &Row) -> Moment {
        let start = u64::from(row.seq);
        let end = start + u64::from(row.len_bytes);
        match row.resent.is_some() {
            // What was sent twice tells no round trip (Karn's rule).
            true => self.timed.retain(|(timed, _)| *timed <= start),
            false => self.timed.push_back((end, time)),
        }
        self.sent = self.sent.max(end);
        let resent = row.resent.as_ref();
        Moment {
            sent_bytes: row.len_bytes.into(),
            lost: row.passage.as_ref().is_some_and(|passage| passage.fate.is_lost()),
            resent: resent.is_some(),
            by_timer: resent.is_some_and(|resent| !resent.asked_for),
            ..self.now(time)
        }
    }

    fn hears(&mut self, time: Time, row: &Row) -> Option<Moment> {
        let ack = u64::from(row.ack?);
        if !row.flags.has(TcpFlags::RST) {
            self.window = row.window_bytes.into();
        }
        let mut round_trip = None;
        while let Some(&(_, sent)) = self.timed.front().filter(|(end, _)| *end <= ack) {
            round_trip = Some(time.since(sent));
            self.timed.pop_front();
        }
        let before = self.acknowledged;
        self.acknowledged = before.max(ack);
        let acknowledged_bytes = if before == 0 { 0 } else { self.acknowledged - before };
        Some(Moment { acknowledged_bytes, round_trip, ..self.now(time) })
    }

    fn now(&self, time: Time) -> Moment {
        Moment {
            time,
            in_flight_bytes: self.sent.saturating_sub(self.acknowledged),
            window_bytes: self.window,
            ..Moment::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::check;

    #[test]
    fn flight_round_trips_and_losses_are_those_of_their_intervals() {
        let flow = check(
            "listening
             link 10
             0   A SYN 0                       | SYN_SENT    LISTEN
             10  B SYN,ACK 0 ack 1 win 900     | ESTABLISHED SYN_RECEIVED
             20  A ACK 1 ack 1                 | ESTABLISHED ESTABLISHED
             30  A ACK 1 ack 1 len 200         | ESTABLISHED ESTABLISHED
             31  A ACK 201 ack 1 len 300 lost  | ESTABLISHED ESTABLISHED
             40  B ACK 1 ack 201 win 700       | ESTABLISHED ESTABLISHED
             300 A ACK 201 ack 1 len 300       | ESTABLISHED ESTABLISHED
             310 B ACK 1 ack 501 win 700       | ESTABLISHED ESTABLISHED",
        );
        let Transfer { step, intervals } = transfer(&flow, Side::A, 30);
        assert_eq!(step, Duration::from_millis(20));
        let told: Vec<_> = intervals
            .iter()
            .map(|one| {
                let ms = |time: Duration| time.as_millis() as u64;
                let counts = [one.acknowledged_bytes, one.lost, one.resent_by_timer];
                (
                    ms(one.start.since(Time::ZERO)),
                    one.in_flight_bytes,
                    one.window_bytes,
                    one.round_trip.map(ms),
                    counts,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (30, 500, 900, None, [0, 1, 0]),
                (50, 300, 700, Some(20), [200, 0, 0]),
                (290, 300, 700, None, [0, 0, 1]),
                (310, 0, 700, None, [300, 0, 0]),
            ]
        );
    }

    #[test]
    fn intervals_are_as_long_as_people_like_and_as_they_must_be() {
        let moments: Vec<Moment> =
            (0..100).map(|ms| Moment { time: Time(ms * 1_000_000), ..Moment::default() }).collect();
        let lens: Vec<usize> = steps().take(6).map(|step| intervals(&moments, step).len()).collect();
        assert_eq!(lens, [100, 50, 20, 10, 5, 2]);
        assert!(steps().last() > Some(Duration::from_secs(3600 * 24 * 50)));
    }

    #[test]
    fn without_data_there_is_no_transfer() {
        assert_eq!(transfer(&check("0 A SYN 0 | SYN_SENT unknown"), Side::A, 10).intervals, []);
    }
}
