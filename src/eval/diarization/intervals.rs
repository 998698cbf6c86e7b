//! Sets of time: sorted, disjoint intervals in seconds.

/// A set of time as intervals `[start, end)`, sorted, disjoint, none empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Intervals(Vec<(f64, f64)>);

impl Intervals {
    /// The union of intervals in any order; empty and negative ones add nothing.
    pub fn union(intervals: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut sorted: Vec<_> = intervals.into_iter().filter(|(start, end)| end > start).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut disjoint: Vec<(f64, f64)> = Vec::with_capacity(sorted.len());
        for (start, end) in sorted {
            match disjoint.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => disjoint.push((start, end)),
            }
        }
        Self(disjoint)
    }

    /// The intervals in their order.
    pub fn iter(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.0.iter().copied()
    }

    /// Whether no time is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.iter().map(|(start, end)| end - start).sum()
    }

    /// First start and last end; `None` of an empty set.
    pub fn extent(&self) -> Option<(f64, f64)> {
        Some((self.0.first()?.0, self.0.last()?.1))
    }

    /// The time that is in this set and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::with_capacity(self.0.len() + other.0.len());
        let mut first = 0;
        for (mut start, end) in self.iter() {
            while other.0.get(first).is_some_and(|cut| cut.1 <= start) {
                first += 1;
            }
            for &(from, to) in other.0[first..].iter().take_while(|cut| cut.0 < end) {
                if from > start {
                    left.push((start, from));
                }
                start = start.max(to);
            }
            if start < end {
                left.push((start, end));
            }
        }
        Self(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unions_are_sorted_and_disjoint() {
        let set = Intervals::union([(5.0, 6.0), (1.0, 2.0), (2.0, 3.0), (5.5, 5.6), (4.0, 4.0), (9.0, 8.0)]);
        assert_eq!(set.0, [(1.0, 3.0), (5.0, 6.0)]);
        assert_eq!((set.seconds(), set.extent()), (3.0, Some((1.0, 6.0))));
        assert_eq!((Intervals::default().seconds(), Intervals::default().extent()), (0.0, None));
    }

    /// Against membership on a grid of points.
    #[test]
    fn differences_contain_the_points_of_one_set_alone() {
        let sets = [
            vec![],
            vec![(0.0, 10.0)],
            vec![(1.0, 2.0), (3.0, 5.0), (7.0, 9.0)],
            vec![(0.5, 1.5), (2.0, 3.0), (4.0, 4.5), (4.75, 8.0)],
            vec![(2.0, 2.5), (5.0, 7.0)],
        ];
        let inside = |set: &Intervals, t: f64| set.iter().any(|(start, end)| start <= t && t < end);
        for a in &sets {
            for b in &sets {
                let [a, b] = [a, b].map(|set| Intervals::union(set.iter().copied()));
                let difference = a.without(&b);
                for step in 0..100 {
                    let t = 0.05 + 0.1 * f64::from(step);
                    assert_eq!(inside(&difference, t), inside(&a, t) && !inside(&b, t), "{a:?} - {b:?} at {t}");
                }
                assert_eq!(difference, Intervals::union(difference.iter()));
            }
        }
    }
}
