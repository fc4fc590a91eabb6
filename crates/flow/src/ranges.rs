//! Ranges of positions, sorted, apart from each other, and few: a bounded memory of what is missing or came early.

/// Half-open ranges, ascending; neighbours never touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    list: Vec<(i64, i64)>,
}

impl Ranges {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// True when there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds `start..end`, joining what it touches.
    pub(crate) fn insert(&mut self, start: i64, end: i64) {
        if start >= end {
            return;
        }
        let from = self.list.partition_point(|range| range.1 < start);
        let to = self.list.partition_point(|range| range.0 <= end);
        let joined = match self.list.get(from..to) {
            Some([first, ..]) => (start.min(first.0), end.max(self.list[to - 1].1)),
            _ => (start, end),
        };
        self.list.splice(from..to, [joined]);
    }

    /// Takes `start..end` out.
    pub(crate) fn remove(&mut self, start: i64, end: i64) {
        let from = self.list.partition_point(|range| range.1 <= start);
        let to = self.list.partition_point(|range| range.0 < end);
        if start >= end || from >= to {
            return;
        }
        let left = (self.list[from].0, start);
        let right = (end, self.list[to - 1].1);
        let rests = [left, right].into_iter().filter(|rest| rest.0 < rest.1);
        self.list.splice(from..to, rests);
    }

    /// How much of `start..end` is in here.
    pub(crate) fn overlap(&self, start: i64, end: i64) -> i64 {
        let from = self.list.partition_point(|range| range.1 <= start);
        self.list[from..]
            .iter()
            .take_while(|range| range.0 < end)
            .map(|range| range.1.min(end) - range.0.max(start))
            .sum()
    }

    /// The first of what is in here between `start` and `end`.
    pub(crate) fn first_within(&self, start: i64, end: i64) -> Option<(i64, i64)> {
        let range = self.list.get(self.list.partition_point(|range| range.1 <= start))?;
        let within = (range.0.max(start), range.1.min(end));
        (within.0 < within.1).then_some(within)
    }

    /// Takes out the lowest range if it begins at or before `position`, and gives its end.
    pub(crate) fn take_reached_by(&mut self, position: i64) -> Option<i64> {
        let &(start, end) = self.list.first()?;
        (start <= position).then(|| {
            self.list.remove(0);
            end
        })
    }

    /// Forgets the lowest range, and tells how much it held.
    pub(crate) fn drop_lowest(&mut self) -> i64 {
        if self.list.is_empty() {
            return 0;
        }
        let (start, end) = self.list.remove(0);
        end - start
    }

    /// Forgets the highest range.
    pub(crate) fn drop_highest(&mut self) {
        self.list.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn members(ranges: &Ranges) -> BTreeSet<i64> {
        ranges.list.iter().flat_map(|&(start, end)| start..end).collect()
    }

    #[test]
    fn touching_ranges_join_and_removal_splits() {
        let mut ranges = Ranges::default();
        ranges.insert(10, 20);
        ranges.insert(30, 40);
        ranges.insert(20, 30);
        assert_eq!(ranges.list, [(10, 40)]);
        ranges.remove(15, 18);
        assert_eq!(ranges.list, [(10, 15), (18, 40)]);
        assert_eq!(ranges.take_reached_by(9), None);
        assert_eq!(ranges.take_reached_by(10), Some(15));
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), 0i64..60, 0i64..12), 0..40), at in 0i64..60) {
            let mut ranges = Ranges::default();
            let mut set = BTreeSet::new();
            for (adds, start, len) in steps {
                if adds {
                    ranges.insert(start, start + len);
                    set.extend(start..start + len);
                } else {
                    ranges.remove(start, start + len);
                    set.retain(|member| !(start..start + len).contains(member));
                }
            }
            prop_assert_eq!(members(&ranges), set.clone());
            prop_assert!(ranges.list.windows(2).all(|pair| pair[0].1 < pair[1].0));
            prop_assert_eq!(ranges.overlap(at, at + 9) as usize, set.range(at..at + 9).count());
        }
    }
}
