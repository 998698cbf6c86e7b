//! Assignment problem: the one-to-one assignment of rows to columns with the largest sum.
//!
//! The Hungarian algorithm with shortest augmenting paths and potentials (Kuhn 1955; Jonker and
//! Volgenant 1987), cubic in the larger side. Of our own, because the crates that offer it bring
//! graph libraries along and want whole numbers.

/// Assigns each row of `weights` `[rows][columns]` (not negative) to at most one column and each
/// column to at most one row, so that the sum of the weights is the largest. Returns the column of
/// each row; pairs of weight 0 are left unassigned.
pub(super) fn assign(weights: &[Vec<f64>]) -> Vec<Option<usize>> {
    let columns = weights.first().map_or(0, Vec::len);
    if columns < weights.len() {
        let mut of_row = vec![None; weights.len()];
        let transposed: Vec<Vec<f64>> = (0..columns).map(|c| weights.iter().map(|row| row[c]).collect()).collect();
        for (column, row) in assign(&transposed).into_iter().enumerate() {
            if let Some(row) = row {
                of_row[row] = Some(column);
            }
        }
        return of_row;
    }
    let mut search = Search::new(weights.len(), columns);
    for row in 1..=weights.len() {
        search.add_row(row, weights);
    }
    let mut of_row = vec![None; weights.len()];
    for (column, &row) in search.row_of.iter().enumerate().skip(1) {
        if row > 0 && weights[row - 1][column - 1] > 0.0 {
            of_row[row - 1] = Some(column - 1);
        }
    }
    of_row
}

/// The state of the algorithm. Rows and columns are counted from 1; column 0 stands for the row
/// that is being added, row 0 for none.
struct Search {
    row_potential: Vec<f64>,
    column_potential: Vec<f64>,
    /// The row assigned to each column.
    row_of: Vec<usize>,
    /// The column before each column on the shortest path.
    before: Vec<usize>,
}

impl Search {
    fn new(rows: usize, columns: usize) -> Self {
        Self {
            row_potential: vec![0.0; rows + 1],
            column_potential: vec![0.0; columns + 1],
            row_of: vec![0; columns + 1],
            before: vec![0; columns + 1],
        }
    }

    /// Assigns one more row along the shortest augmenting path; costs are negative weights.
    fn add_row(&mut self, row: usize, weights: &[Vec<f64>]) {
        let columns = self.row_of.len();
        let (mut distance, mut visited) = (vec![f64::INFINITY; columns], vec![false; columns]);
        let mut column = 0;
        self.row_of[0] = row;
        while self.row_of[column] != 0 {
            visited[column] = true;
            let from = self.row_of[column];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for to in (1..columns).filter(|&to| !visited[to]) {
                let reduced = -weights[from - 1][to - 1] - self.row_potential[from] - self.column_potential[to];
                if reduced < distance[to] {
                    (distance[to], self.before[to]) = (reduced, column);
                }
                if distance[to] < step {
                    (step, next) = (distance[to], to);
                }
            }
            for to in 0..columns {
                if visited[to] {
                    self.row_potential[self.row_of[to]] += step;
                    self.column_potential[to] -= step;
                } else {
                    distance[to] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            self.row_of[column] = self.row_of[self.before[column]];
            column = self.before[column];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(weights: &[Vec<f64>], assigned: &[Option<usize>]) -> f64 {
        weights.iter().zip(assigned).filter_map(|(row, column)| Some(row[(*column)?])).sum()
    }

    /// The largest sum, by trying all assignments.
    fn best(weights: &[Vec<f64>], used: &mut Vec<bool>) -> f64 {
        let Some((row, rest)) = weights.split_first() else { return 0.0 };
        let mut largest = best(rest, used);
        for column in 0..row.len() {
            if !used[column] {
                used[column] = true;
                largest = largest.max(row[column] + best(rest, used));
                used[column] = false;
            }
        }
        largest
    }

    #[test]
    fn assignments_are_as_good_as_the_best_of_all() {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // a third of the weights is 0, as for speakers who never speak at once
            ((state >> 33) % 30).saturating_sub(10) as f64 / 4.0
        };
        for (rows, columns) in (0..=5).flat_map(|rows| (0..=6).map(move |columns| (rows, columns))) {
            for _ in 0..20 {
                let weights: Vec<Vec<f64>> = (0..rows).map(|_| (0..columns).map(|_| random()).collect()).collect();
                let assigned = assign(&weights);
                let mut taken: Vec<_> = assigned.iter().flatten().collect();
                taken.sort();
                taken.dedup();
                assert_eq!(taken.len(), assigned.iter().flatten().count(), "{weights:?}: {assigned:?}");
                let (found, best) = (sum(&weights, &assigned), best(&weights, &mut vec![false; columns]));
                assert!((found - best).abs() < 1e-9, "{weights:?}: {assigned:?} sums to {found}, not {best}");
            }
        }
    }

    #[test]
    fn pairs_without_weight_stay_unassigned() {
        assert_eq!(assign(&[vec![0.0, 0.0], vec![0.0, 3.0]]), [None, Some(1)]);
        assert_eq!(assign(&[vec![1.0], vec![2.0], vec![0.0]]), [None, Some(0), None]);
        assert_eq!(assign(&[]), []);
        assert_eq!(assign(&[vec![], vec![]]), [None, None]);
    }
}
