//! Cluster bootstrap: 95 % confidence intervals by resampling speakers.
//!
//! Clips of one speaker are correlated, so speakers and not clips are drawn, with replacement, as
//! many as there are. The interval is the 2.5th to the 97.5th percentile of the replicates (Efron
//! and Tibshirani 1993, ch. 13), interpolated linearly like numpy's.

use crate::error::{Error, Result};

/// Confidence level: the share of replicates inside an interval.
pub(super) const CONFIDENCE: f64 = 0.95;
/// Minimum number of units for an interval: resampling two or three speakers says nothing about a
/// fourth.
pub(super) const MIN_UNITS: usize = 5;
/// Maximum number of draws.
pub(super) const MAX_DRAWS: usize = 100_000;

/// Number of draws and seed. The same seed gives the same intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Draws; 0 gives no intervals.
    pub draws: usize,
    /// Seed of the random numbers. Every set of clips starts from it, so an interval does not
    /// depend on which others are computed.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { draws: 1000, seed: 0 }
    }
}

impl Bootstrap {
    pub(super) fn check(self) -> Result<()> {
        if self.draws > MAX_DRAWS {
            let (actual, limit) = (self.draws as u64, MAX_DRAWS as u64);
            return Err(Error::Limit { what: "number of bootstrap draws", actual, limit });
        }
        Ok(())
    }

    /// Intervals of `M` metrics over `units`. `measure` receives how often each unit was drawn. A
    /// draw for which a metric is undefined is omitted from that metric's interval. `None` with
    /// fewer than [`MIN_UNITS`] units, or if fewer than half of the draws are defined.
    pub(super) fn intervals<const M: usize>(
        self,
        units: usize,
        mut measure: impl FnMut(&[u32]) -> [Option<f64>; M],
    ) -> [Option<(f64, f64)>; M] {
        let mut values: [Vec<f64>; M] = std::array::from_fn(|_| Vec::with_capacity(self.draws));
        if units < MIN_UNITS {
            return [None; M];
        }
        let mut random = SplitMix64(self.seed);
        let mut times = vec![0; units];
        for _ in 0..self.draws {
            times.fill(0);
            (0..units).for_each(|_| times[random.below(units)] += 1);
            for (values, value) in values.iter_mut().zip(measure(&times)) {
                values.extend(value);
            }
        }
        values.map(|values| if 2 * values.len() < self.draws { None } else { percentiles(values) })
    }
}

/// The ends of the central [`CONFIDENCE`] of the values.
fn percentiles(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| {
        let place = share * last as f64;
        let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
        below + (above - below) * place.fract()
    };
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Some((at(tail), at(1.0 - tail)))
}

/// SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", constants
/// of figure 17).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform from 0 to `n − 1`: the upper half of the product with `n` (Lemire 2019), with a bias
    /// of n in 2⁶⁴.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_equal_the_published_ones() {
        // the published test values of the generator for the seed 1234567
        let mut random = SplitMix64(1_234_567);
        let values: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(values, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn percentiles_interpolate_between_neighbours() {
        let values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        let (low, high) = percentiles(values).unwrap();
        approx::assert_abs_diff_eq!(low, 2.5, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(high, 97.5, epsilon = 1e-12);
        assert_eq!(percentiles(vec![3.0]), Some((3.0, 3.0)));
        assert_eq!(percentiles(vec![]), None);
    }

    #[test]
    fn the_interval_of_a_mean_follows_its_standard_error() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let mean = |times: &[u32]| {
            let sum: f64 = times.iter().zip(&values).map(|(&t, v)| f64::from(t) * v).sum();
            [Some(sum / values.len() as f64)]
        };
        let bootstrap = Bootstrap { draws: 4000, seed: 7 };
        let [Some((low, high))] = bootstrap.intervals(400, mean) else { panic!() };
        let error = (399.0_f64 / 12.0).sqrt() / 20.0; // of a uniform 0 … 19
        approx::assert_abs_diff_eq!(low, 9.5 - 1.96 * error, epsilon = 0.05);
        approx::assert_abs_diff_eq!(high, 9.5 + 1.96 * error, epsilon = 0.05);
        assert_eq!(bootstrap.intervals(400, mean), bootstrap.intervals(400, mean));
        assert_ne!(bootstrap.intervals(400, mean), Bootstrap { seed: 8, ..bootstrap }.intervals(400, mean));
    }

    #[test]
    fn every_draw_has_as_many_units_as_there_are() {
        Bootstrap { draws: 50, seed: 1 }.intervals(9, |times| {
            assert_eq!(times.iter().sum::<u32>(), 9);
            [None]
        });
    }

    #[test]
    fn too_few_units_or_defined_draws_give_no_interval() {
        let bootstrap = Bootstrap { draws: 100, seed: 1 };
        assert_eq!(bootstrap.intervals(MIN_UNITS - 1, |_| [Some(1.0)]), [None]);
        assert_eq!(bootstrap.intervals(5, |times| [(times[0] > 3).then_some(1.0)]), [None]);
        assert_eq!(Bootstrap { draws: 0, seed: 1 }.intervals(5, |_| [Some(1.0)]), [None]);
        assert!(Bootstrap { draws: MAX_DRAWS + 1, seed: 0 }.check().is_err());
    }
}
