//! Deltas: how features change over time, by linear regression over the frames around each.
//!
//! ```text
//! d[t] = Σ_n n · (x[t + n] − x[t − n]) / (2 · Σ_n n²)        n = 1 … reach
//! ```
//!
//! The slope of the straight line that fits the `2 · reach + 1` frames around `t` best (HTK book, equation 5.16; Kaldi's `add-deltas`). Before the
//! first frame and behind the last, that frame is repeated. Second differences are the deltas of the deltas.

/// Deltas of `dim` columns of `rows`, which are `stride` values long: those of the columns from `from` on are written to the columns from `to` on.
///
/// # Panics
///
/// If `reach` is 0, the columns lie outside the rows or overlap, or `rows` is no whole number of rows.
pub fn deltas(rows: &mut [f32], stride: usize, dim: usize, (from, to): (usize, usize), reach: usize) {
    assert!(reach > 0 && stride > 0 && rows.len().is_multiple_of(stride), "whole rows, and frames around each");
    assert!(from + dim <= to && to + dim <= stride, "columns beside each other");
    let frames = rows.len() / stride;
    let norm = 2.0 * (1..=reach).map(|n| (n * n) as f64).sum::<f64>();
    for t in 0..frames {
        for column in 0..dim {
            let at = |t: usize| f64::from(rows[t * stride + from + column]);
            let slope = |n: usize| n as f64 * (at((t + n).min(frames - 1)) - at(t.saturating_sub(n)));
            rows[t * stride + to + column] = ((1..=reach).map(slope).sum::<f64>() / norm) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope_and_flattens_at_the_edges() {
        let mut rows: Vec<f32> = (0..20).flat_map(|t| [3.0 * t as f32, f32::NAN]).collect();
        deltas(&mut rows, 2, 1, (0, 1), 4);
        let slopes: Vec<f32> = rows.chunks(2).map(|row| row[1]).collect();
        assert!(slopes[4..16].iter().all(|slope| *slope == 3.0), "{slopes:?}");
        // frame 0 sees itself four times before: Σ n · n · 3 / (2 Σ n²)
        assert_eq!((slopes[0], slopes[19]), (1.5, 1.5));
    }

    #[test]
    fn one_frame_does_not_change_and_nan_is_not_hidden() {
        let mut one = [5.0, f32::NAN];
        deltas(&mut one, 2, 1, (0, 1), 4);
        assert_eq!(one, [5.0, 0.0]);
        let mut bad = [1.0, 0.0, f32::NAN, 0.0, 1.0, 0.0];
        deltas(&mut bad, 2, 1, (0, 1), 1);
        assert!(bad[1].is_nan() && bad[5].is_nan());
        deltas(&mut [], 2, 1, (0, 1), 1);
    }

    #[test]
    #[should_panic(expected = "beside each other")]
    fn columns_that_overlap_are_refused() {
        deltas(&mut [0.0; 6], 3, 2, (0, 1), 1);
    }
}
