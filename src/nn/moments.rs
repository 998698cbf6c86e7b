//! Per-channel mean and variance of the inputs of a layer, derived from the preceding batch norm.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Mean and variance of each channel over the training data. The outputs of a batch norm have its
/// bias as mean and the square of its weight as variance there, so no recordings are needed.
///
/// For bias correction ([`crate::nn::bias_correction`]; Nagel et al. 2019, section 4.2 and appendix
/// C).
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl Moments {
    /// Moments with one mean and one variance per channel.
    ///
    /// # Panics
    ///
    /// If the two lengths differ.
    pub fn new(mean: Vec<f64>, variance: Vec<f64>) -> Self {
        assert!(mean.len() == variance.len());
        Self { mean, variance }
    }

    /// Moments after a ReLU, for normally distributed values: with `z = mean / deviation`,
    ///
    /// ```text
    /// E[y] = mean · Φ(z) + deviation · φ(z)        E[y²] = (mean² + variance) · Φ(z) + mean · deviation · φ(z)
    /// ```
    #[must_use]
    pub fn relu(&self) -> Self {
        let one = |(mean, variance): (&f64, &f64)| {
            let deviation = variance.sqrt();
            if deviation < 1e-30 {
                return (mean.max(0.0), 0.0);
            }
            let (below, density) = (normal_below(mean / deviation), normal_density(mean / deviation));
            let first = mean * below + deviation * density;
            let second = (mean * mean + variance) * below + mean * deviation * density;
            (first, (second - first * first).max(0.0))
        };
        let (mean, variance) = self.mean.iter().zip(&self.variance).map(one).unzip();
        Self { mean, variance }
    }

    /// Moments of the sum of two independent values.
    ///
    /// # Panics
    ///
    /// If the numbers of channels differ.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        assert!(self.mean.len() == other.mean.len());
        let sums = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect();
        Self { mean: sums(&self.mean, &other.mean), variance: sums(&self.variance, &other.variance) }
    }

    /// The channels repeated `times` times.
    #[must_use]
    pub fn repeated(&self, times: usize) -> Self {
        Self { mean: self.mean.repeat(times), variance: self.variance.repeat(times) }
    }

    /// The means.
    pub fn mean(&self) -> Vec<f32> {
        self.mean.iter().map(|mean| *mean as f32).collect()
    }
}

/// `φ`, the standard normal density.
fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// `Φ`, the standard normal distribution function, by Abramowitz and Stegun's 7.1.26, with an error
/// of at most 1e-7.
fn normal_below(z: f64) -> f64 {
    let x = z.abs() * FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let polynomial =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let tail = 0.5 * polynomial * (-x * x).exp();
    if z < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of `max(0, x)` by numerical integration over the density.
    fn summed(mean: f64, deviation: f64) -> (f64, f64) {
        let (steps, width) = (40_000, 20.0 / 40_000.0);
        let mut sums = [0.0; 2];
        for n in 0..steps {
            let z = (f64::from(n) + 0.5) * width - 10.0;
            let y = (mean + deviation * z).max(0.0);
            let share = normal_density(z) * width;
            sums = [sums[0] + share * y, sums[1] + share * y * y];
        }
        (sums[0], sums[1] - sums[0] * sums[0])
    }

    #[test]
    fn relu_equals_the_integral_over_the_density() {
        for (mean, deviation) in [(0.0, 1.0), (2.0, 0.5), (-1.0, 0.7), (-3.0, 1.0), (0.3, 2.0)] {
            let moments = Moments::new(vec![mean], vec![deviation * deviation]).relu();
            let (want_mean, want_variance) = summed(mean, deviation);
            assert!((moments.mean[0] - want_mean).abs() < 1e-5, "{mean} {deviation}: {moments:?} {want_mean}");
            assert!((moments.variance[0] - want_variance).abs() < 1e-5, "{mean} {deviation}: {moments:?}");
        }
        let fixed = Moments::new(vec![1.5, -1.5], vec![0.0; 2]).relu();
        assert_eq!(fixed, Moments::new(vec![1.5, 0.0], vec![0.0; 2]));
    }

    #[test]
    fn means_and_variances_of_independent_values_add() {
        let sum = Moments::new(vec![1.0], vec![2.0]).plus(&Moments::new(vec![-3.0], vec![0.5]));
        assert_eq!(sum, Moments::new(vec![-2.0], vec![2.5]));
        assert_eq!(sum.mean(), [-2.0]);
    }
}
