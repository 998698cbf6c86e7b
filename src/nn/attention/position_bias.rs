//! Relative position bias of attention.

use crate::error::Result;
use crate::nn::loader::Loader;
use crate::nn::tensor::Tensor;

/// A learned bias per head and bucket of distances (Raffel et al. 2020, section 2.1, with the
/// buckets of WavLM).
///
/// For a key `d` frames after the query, with `half = buckets / 2` and `exact = half / 2`:
///
/// ```text
/// bucket(d) = (d > 0) · half + |d|                                                                          |d| < exact
///           = (d > 0) · half + min(half − 1, exact + ⌊ln(|d| / exact) / ln(max_distance / exact) · (half − exact)⌋)    else
/// ```
#[derive(Clone, Debug)]
pub struct PositionBias {
    max_distance: usize,
    /// `[heads, buckets]`.
    by_bucket: Vec<Vec<f32>>,
}

impl PositionBias {
    /// `embedding` is `[buckets, heads]`.
    ///
    /// # Panics
    ///
    /// If there are fewer than 4 buckets, or `max_distance` is at most a quarter of their number.
    pub fn new(embedding: &Tensor, max_distance: usize) -> Self {
        let (buckets, heads) = (embedding.shape()[0], embedding.shape()[1]);
        assert!(buckets >= 4 && max_distance > buckets / 4, "{buckets} buckets up to {max_distance}");
        let of_head = |h: usize| embedding.values().iter().skip(h).step_by(heads).copied().collect();
        Self { max_distance, by_bucket: (0..heads).map(of_head).collect() }
    }

    /// Takes `{prefix}.weight` `[buckets, heads]`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, or has a wrong shape or a
    /// non-finite value.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn load(loader: &mut Loader<'_>, prefix: &str, shape: [usize; 2], max_distance: usize) -> Result<Self> {
        Ok(Self::new(&loader.take(&format!("{prefix}.weight"), &shape)?, max_distance))
    }

    /// Number of heads.
    pub fn heads(&self) -> usize {
        self.by_bucket.len()
    }

    /// The bias of each head for all distances between two of `frames` frames:
    /// `[heads, 2 · frames − 1]`, from `−(frames − 1)` to `frames − 1`. The row of query `q` over
    /// all keys is the `frames` values from `frames − 1 − q` on.
    pub fn table(&self, frames: usize, table: &mut Vec<f32>) {
        table.clear();
        let far = frames.saturating_sub(1) as isize;
        for of_head in &self.by_bucket {
            table.extend((-far..=far).take(2 * frames).map(|d| of_head[bucket(d, of_head.len(), self.max_distance)]));
        }
    }
}

/// The bucket of a distance. The logarithm is computed in f32 in the order of PyTorch, because
/// rounding decides at the edges of buckets.
fn bucket(distance: isize, buckets: usize, max_distance: usize) -> usize {
    let (half, size) = (buckets / 2, distance.unsigned_abs());
    let (exact, side) = (half / 2, if distance > 0 { half } else { 0 });
    if size < exact {
        return side + size;
    }
    let largest = (max_distance as f64 / exact as f64).ln() as f32;
    let share = (size as f32 / exact as f32).ln() / largest * (half - exact) as f32;
    side + ((exact as f32 + share) as usize).min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_distances_have_a_bucket_each_and_large_ones_share_the_last() {
        let of = |d| bucket(d, 320, 800);
        assert_eq!([0, -1, -79, 1, 79].map(of), [0, 1, 79, 161, 239]);
        assert_eq!([-80, -800, -801, -100_000, 80, 800, 5_000].map(of), [80, 159, 159, 159, 240, 319, 319]);
    }

    /// The formula in f64, at distances whose logarithm is not within rounding of an integer.
    #[test]
    fn equals_the_formula_away_from_the_edges() {
        for (buckets, max_distance) in [(320, 800), (32, 128), (8, 20)] {
            let (half, exact) = (buckets / 2, buckets / 4);
            let mut compared = 0;
            for d in exact..2 * max_distance {
                let span = (max_distance as f64 / exact as f64).ln();
                let share = (d as f64 / exact as f64).ln() / span * (half - exact) as f64;
                if (share - share.round()).abs() > 1e-4 {
                    let want = (exact + share as usize).min(half - 1);
                    assert_eq!(bucket(-(d as isize), buckets, max_distance), want, "{d}");
                    assert_eq!(bucket(d as isize, buckets, max_distance), half + want, "{d}");
                    compared += 1;
                }
            }
            assert!(compared > max_distance, "{compared} distances");
        }
    }

    #[test]
    fn the_row_of_a_query_is_a_part_of_the_table() {
        let embedding: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let bias = PositionBias::new(&Tensor::new(&[8, 2], embedding), 20);
        let mut table = vec![f32::NAN; 99];
        bias.table(5, &mut table);
        assert_eq!((bias.heads(), table.len()), (2, 2 * 9));
        for (head, q, k) in [(0, 0, 0), (1, 4, 0), (0, 0, 4), (1, 2, 3)] {
            let got = table[head * 9 + 4 - q + k];
            assert_eq!(got, (bucket(k as isize - q as isize, 8, 20) * 2 + head) as f32);
        }
        bias.table(0, &mut table);
        assert!(table.is_empty());
    }
}
