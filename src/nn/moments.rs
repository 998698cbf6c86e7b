//! What a layer's inputs are like on the whole, as far as the norms before it tell.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Mean and variance of each channel over all frames of the recordings that a network was trained on. A batch norm's outputs have its bias as their mean and
/// its weight's square as their variance there; nothing else is needed, and no recording.
///
/// Used by [`crate::nn::rounding`] (Nagel, van Baalen, Blankevoort, Welling 2019, "Data-free quantization through weight equalization and bias correction",
/// arXiv 1906.04721, section 4.2 and appendix C).
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl Moments {
    /// # Panics
    ///
    /// If the two lengths differ.
    pub fn new(mean: Vec<f64>, variance: Vec<f64>) -> Self {
        assert!(mean.len() == variance.len());
        Self { mean, variance }
    }

    /// Behind a ReLU, if the values are normally distributed: with `z = mean / deviation`,
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

    /// Of sums of two independent values.
    ///
    /// # Panics
    ///
    /// If the two have not as many channels.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        assert!(self.mean.len() == other.mean.len());
        let sums = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect();
        Self { mean: sums(&self.mean, &other.mean), variance: sums(&self.variance, &other.variance) }
    }

    /// Of as many channels `times` over, one after the other.
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

/// `Φ`, by Abramowitz and Stegun's 7.1.26: at most 1e-7 off.
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

    /// Mean and variance of `max(0, x)` by summing over the density.
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
    fn relu_is_what_the_density_says() {
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
    fn sums_of_independent_values_add_both() {
        let sum = Moments::new(vec![1.0], vec![2.0]).plus(&Moments::new(vec![-3.0], vec![0.5]));
        assert_eq!(sum, Moments::new(vec![-2.0], vec![2.5]));
        assert_eq!(sum.mean(), [-2.0]);
    }
}
