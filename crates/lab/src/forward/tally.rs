//! The counters of one direction.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::calibration::Calibration;
use crate::event::DirectionReport;
use crate::link::Rule;

/// Counts packets of the wire: each segment of a buffer that stands for several.
#[derive(Debug)]
pub(crate) struct Tally {
    offered: u64,
    delivered: u64,
    copies: u64,
    touched: Vec<(&'static str, u64)>,
    lost: Vec<(Rule, u64)>,
    stopped: u64,
    unplanned: u64,
    /// Of releases, in nanoseconds. None where no such histogram could be made.
    lateness: Option<Histogram<u64>>,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        // 1 ns to one minute, in steps of 1 %: small enough to stay in a processor's cache.
        let lateness = Histogram::new_with_bounds(1, 60_000_000_000, 2).ok();
        let (touched, lost) = (Vec::new(), Vec::new());
        Tally { offered: 0, delivered: 0, copies: 0, touched, lost, stopped: 0, unplanned: 0, lateness }
    }

    pub(crate) fn offered(&mut self, segments: u32) {
        self.offered += u64::from(segments);
    }

    /// Delivered, so much later than planned.
    pub(crate) fn delivered(&mut self, segments: u32, late: Duration) {
        self.delivered += u64::from(segments);
        if let Some(lateness) = &mut self.lateness {
            lateness.saturating_record(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Delivered once more.
    pub(crate) fn copied(&mut self, segments: u32) {
        self.copies += u64::from(segments);
    }

    /// Something happened to packets, by the word for it.
    pub(crate) fn touched(&mut self, word: &'static str, segments: u32) {
        match self.touched.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += u64::from(segments),
            None => self.touched.push((word, u64::from(segments))),
        }
    }

    /// Dropped by a rule.
    pub(crate) fn lost(&mut self, rule: Rule, segments: u32) {
        match self.lost.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, count)) => *count += u64::from(segments),
            None => self.lost.push((rule, u64::from(segments))),
        }
    }

    /// Still under way when the lab ended.
    pub(crate) fn stopped(&mut self, segments: u32) {
        self.stopped += u64::from(segments);
    }

    /// Dropped though no rule asked for it.
    pub(crate) fn unplanned(&mut self, segments: u32) {
        self.unplanned += u64::from(segments);
    }

    pub(crate) fn report(&self) -> DirectionReport {
        let lost: Vec<(String, u64)> =
            self.lost.iter().map(|(rule, count)| (rule.to_string(), *count)).collect();
        let lateness = self.lateness.as_ref().map_or([Duration::ZERO; 3], |late| {
            [late.value_at_quantile(0.5), late.value_at_quantile(0.99), late.max()].map(Duration::from_nanos)
        });
        let lateness_counts = self.lateness.as_ref().map(counts).unwrap_or_default();
        DirectionReport {
            offered: self.offered,
            delivered: self.delivered,
            copies: self.copies,
            touched: self.touched.clone(),
            lost,
            stopped: self.stopped,
            unplanned_drops: self.unplanned,
            lateness,
            lateness_counts,
            calibration: Calibration::default(),
        }
    }
}

/// How many releases were late by no more than a microsecond, ten, a hundred and so on, until all are counted.
fn counts(lateness: &Histogram<u64>) -> Vec<(Duration, u64)> {
    let mut counts = Vec::new();
    let (mut limit, mut counted) = (1_000, 0);
    let longest = lateness.max();
    while counted < lateness.len() {
        // The last takes all, however the histogram rounds.
        let within = if limit >= longest { lateness.len() } else { lateness.count_between(0, limit) };
        counts.push((Duration::from_nanos(limit), within - counted));
        (limit, counted) = (limit.saturating_mul(10), within);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_is_counted_once_by_how_late_it_was() {
        let mut tally = Tally::new();
        for micros in [0, 1, 2, 9, 50, 5000] {
            tally.delivered(3, Duration::from_micros(micros));
        }
        let counts = tally.report().lateness_counts;
        let expected = [(1, 2), (10, 2), (100, 1), (1000, 0), (10_000, 1)];
        assert_eq!(counts, expected.map(|(micros, count)| (Duration::from_micros(micros), count)));
        assert_eq!(Tally::new().report().lateness_counts, []);
    }
}
