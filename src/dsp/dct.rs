//! Discrete cosine transform, type II, orthonormal.
//!
//! ```text
//! X[k] = s[k] · Σ_n x[n] · cos(π k (n + ½) / N)        s[0] = √(1 / N),  s[k] = √(2 / N)
//! ```
//!
//! The convention of `scipy.fft.dct(type=2, norm="ortho")`, and so of librosa's MFCC: N
//! coefficients preserve the energy.

use std::f64::consts::PI;

use crate::kernels::dot::dot;
use crate::kernels::lanes::banded_matrix::BandedMatrix;

/// The first `n_out` rows of the DCT matrix for N = `n_in` inputs.
#[derive(Clone, Debug)]
pub struct Dct {
    n_in: usize,
    /// `[n_out, n_in]`.
    rows: Vec<f32>,
}

impl Dct {
    /// Plans the first `n_out` coefficients of `n_in` inputs.
    ///
    /// # Panics
    /// If `n_in` is 0.
    pub fn new(n_in: usize, n_out: usize) -> Self {
        assert!(n_in > 0, "at least one input");
        let n = n_in as f64;
        let weight = |k: usize, i: usize| {
            let scale = if k == 0 { (1.0 / n).sqrt() } else { (2.0 / n).sqrt() };
            (scale * (PI * k as f64 * (i as f64 + 0.5) / n).cos()) as f32
        };
        Self { n_in, rows: (0..n_out * n_in).map(|at| weight(at / n_in, at % n_in)).collect() }
    }

    /// The matrix for 16 inputs at once, with each row multiplied by its scale.
    pub(crate) fn scaled(&self, scales: &[f32]) -> BandedMatrix {
        let rows = self.rows.chunks_exact(self.n_in).zip(scales);
        let rows: Vec<Vec<f32>> = rows.map(|(row, scale)| row.iter().map(|w| w * scale).collect()).collect();
        BandedMatrix::new(self.n_in, rows.iter().map(|row| (0, &row[..])))
    }

    /// Writes the coefficients of `x` `[n_in]` to `out` `[n_out]`.
    ///
    /// # Panics
    /// If a length differs from the planned one.
    pub fn run(&self, x: &[f32], out: &mut [f32]) {
        assert_eq!(out.len() * self.n_in, self.rows.len(), "as many coefficients as planned");
        for (coefficient, row) in out.iter_mut().zip(self.rows.chunks_exact(self.n_in)) {
            *coefficient = dot(row, x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, noise};
    use super::*;

    #[test]
    fn equals_the_formula() {
        for (n_in, n_out) in [(1, 1), (2, 2), (7, 3), (128, 40), (129, 129)] {
            let x = noise(n_in, 4);
            let want = reference::dct(&x.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(), n_out);
            let mut got = vec![f32::NAN; n_out];
            Dct::new(n_in, n_out).run(&x, &mut got);
            for (g, w) in got.iter().zip(&want) {
                approx::assert_abs_diff_eq!(f64::from(*g), *w, epsilon = 3e-6);
            }
        }
    }

    #[test]
    fn preserves_the_energy() {
        let x = noise(128, 5);
        let mut all = vec![0.0; 128];
        Dct::new(128, 128).run(&x, &mut all);
        let energy = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>();
        approx::assert_relative_eq!(energy(&x), energy(&all), max_relative = 1e-5);
    }

    #[test]
    fn a_constant_appears_only_in_the_first_coefficient() {
        let mut out = [f32::NAN; 4];
        Dct::new(64, 4).run(&[0.5; 64], &mut out);
        approx::assert_abs_diff_eq!(out[0], 4.0, epsilon = 1e-5);
        assert!(out[1..].iter().all(|c| c.abs() < 1e-5));
    }
}
