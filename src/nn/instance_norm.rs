//! Instance norm over time, with a leaky ReLU.

use crate::error::Result;
use crate::kernels::reduce::{add_row, add_squares};
use crate::nn::loader::Loader;

/// PyTorch's `nn.InstanceNorm1d` with affine parameters (Ulyanov et al. 2016) on
/// `[frames, channels]`, then an optional leaky ReLU:
///
/// ```text
/// y[t, c] = leaky(w[c] · (x[t, c] − mean_c) / sqrt(var_c + eps) + b[c])        mean, var over all frames; var: divided by their number
/// ```
///
/// Mean and variance are computed in two passes in f64.
#[derive(Clone, Debug)]
pub struct InstanceNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f64,
    /// 1 without activation.
    slope: f32,
}

impl InstanceNorm {
    /// # Panics
    ///
    /// If `weight` and `bias` have different lengths.
    pub fn new(weight: Vec<f32>, bias: Vec<f32>, eps: f64) -> Self {
        assert!(weight.len() == bias.len(), "{} weights, {} values of bias", weight.len(), bias.len());
        Self { weight, bias, eps, slope: 1.0 }
    }

    /// Takes `{prefix}.weight` and `{prefix}.bias`, each `[channels]`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, or has a wrong shape or a
    /// non-finite value.
    pub fn load(loader: &mut Loader<'_>, prefix: &str, channels: usize, eps: f64) -> Result<Self> {
        let mut take = |part: &str| loader.take(&format!("{prefix}.{part}"), &[channels]);
        let (weight, bias) = (take("weight")?, take("bias")?);
        Ok(Self::new(weight.into_values(), bias.into_values(), eps))
    }

    /// The same norm with a leaky ReLU after it: values below 0 times `slope`.
    #[must_use]
    pub fn with_leaky_relu(self, slope: f32) -> Self {
        Self { slope, ..self }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.weight.len()
    }

    /// In place on `[frames, channels]`. A non-finite value makes its channel NaN.
    ///
    /// # Panics
    ///
    /// If `rows` is not a whole number of frames.
    pub fn run(&self, rows: &mut [f32]) {
        let channels = self.channels().max(1);
        assert!(rows.len().is_multiple_of(channels), "{} values are not rows of {channels}", rows.len());
        let frames = (rows.len() / channels) as f64;
        let (mut means, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
        rows.chunks_exact(channels).for_each(|row| add_row(&mut means, row));
        for mean in &mut means {
            *mean /= frames;
        }
        rows.chunks_exact(channels).for_each(|row| add_squares(&mut squares, row, &means));
        let scale: Vec<f32> = squares
            .iter()
            .zip(&self.weight)
            .map(|(sum, w)| (f64::from(*w) / (sum / frames + self.eps).sqrt()) as f32)
            .collect();
        let shift: Vec<f32> = means
            .iter()
            .zip(&scale)
            .zip(&self.bias)
            .map(|((mean, scale), b)| (f64::from(*b) - mean * f64::from(*scale)) as f32)
            .collect();
        for row in rows.chunks_exact_mut(channels) {
            for ((x, s), t) in row.iter_mut().zip(&scale).zip(&shift) {
                let y = s * *x + t;
                *x = if y < 0.0 { self.slope * y } else { y };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_formula() {
        for (channels, frames) in [(1, 1), (1, 40), (5, 7), (17, 33)] {
            let at = |i: usize, seed: f32| (i as f32 * 0.731 + seed).sin();
            let (weight, bias): (Vec<f32>, Vec<f32>) = (0..channels).map(|c| (at(c, 0.1), at(c, 0.2))).unzip();
            let input: Vec<f32> = (0..channels * frames).map(|i| 4.0 + 2.0 * at(i, 0.3)).collect();
            let mut rows = input.clone();
            InstanceNorm::new(weight.clone(), bias.clone(), 1e-5).with_leaky_relu(0.01).run(&mut rows);
            for c in 0..channels {
                let column: Vec<f64> = input.iter().skip(c).step_by(channels).map(|x| f64::from(*x)).collect();
                let n = column.len() as f64;
                let mean = column.iter().sum::<f64>() / n;
                let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
                for (t, x) in column.iter().enumerate() {
                    let y = f64::from(weight[c]) * (x - mean) / (variance + 1e-5).sqrt() + f64::from(bias[c]);
                    let want = if y < 0.0 { 0.01 * y } else { y };
                    let got = f64::from(rows[t * channels + c]);
                    assert!((want - got).abs() < 2e-6, "{channels} channels: {want} {got}");
                }
            }
        }
        InstanceNorm::new(vec![1.0], vec![0.0], 1e-5).run(&mut []);
    }

    #[test]
    fn non_finite_values_make_their_channel_nan() {
        let mut rows = [1.0, 2.0, f32::INFINITY, 4.0];
        InstanceNorm::new(vec![1.0; 2], vec![0.0; 2], 1e-5).run(&mut rows);
        assert!(rows[0].is_nan() && rows[2].is_nan() && rows[1].is_finite() && rows[3].is_finite());
    }
}
