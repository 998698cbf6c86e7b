//! Delta features: slope of each feature over time, by linear regression over neighbouring frames.
//!
//! ```text
//! d[t] = Σ_n n · (x[t + n] − x[t − n]) / (2 · Σ_n n²)        n = 1 … reach
//! ```
//!
//! The least-squares slope over the `2 · reach + 1` frames around `t` (HTK book, equation 5.16;
//! Kaldi's `add-deltas`). The first and the last frame are repeated beyond the edges. Second-order
//! deltas are the deltas of the deltas.

/// Computes the deltas of `dim` columns, from column `from` on, and writes them to the columns from
/// `to` on. `rows` is `[frames, stride]`.
///
/// # Panics
///
/// If `reach` is 0, the columns are outside the rows or overlap, or the length of `rows` is no
/// multiple of `stride`.
pub fn deltas(rows: &mut [f32], stride: usize, dim: usize, (from, to): (usize, usize), reach: usize) {
    assert!(
        reach > 0 && stride > 0 && rows.len().is_multiple_of(stride),
        "whole rows and a reach of at least one frame"
    );
    assert!(from + dim <= to && to + dim <= stride, "columns that do not overlap");
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
    fn a_ramp_has_its_slope_which_halves_at_the_edges() {
        let mut rows: Vec<f32> = (0..20).flat_map(|t| [3.0 * t as f32, f32::NAN]).collect();
        deltas(&mut rows, 2, 1, (0, 1), 4);
        let slopes: Vec<f32> = rows.chunks(2).map(|row| row[1]).collect();
        assert!(slopes[4..16].iter().all(|slope| *slope == 3.0), "{slopes:?}");
        // frame 0 is repeated four times before itself: Σ n · n · 3 / (2 Σ n²)
        assert_eq!((slopes[0], slopes[19]), (1.5, 1.5));
    }

    #[test]
    fn one_frame_has_slope_zero_and_nan_propagates() {
        let mut one = [5.0, f32::NAN];
        deltas(&mut one, 2, 1, (0, 1), 4);
        assert_eq!(one, [5.0, 0.0]);
        let mut bad = [1.0, 0.0, f32::NAN, 0.0, 1.0, 0.0];
        deltas(&mut bad, 2, 1, (0, 1), 1);
        assert!(bad[1].is_nan() && bad[5].is_nan());
        deltas(&mut [], 2, 1, (0, 1), 1);
    }

    #[test]
    #[should_panic(expected = "do not overlap")]
    fn columns_that_overlap_panic() {
        deltas(&mut [0.0; 6], 3, 2, (0, 1), 1);
    }
}
