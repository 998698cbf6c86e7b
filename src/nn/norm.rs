//! Batch norm in evaluation mode, folded into a scale and a shift per channel at load.

use crate::error::{Error, Result};
use crate::kernels::elementwise::scale_shift_relu;
use crate::nn::loader::Loader;
use crate::nn::moments::Moments;
use crate::nn::tensor::Tensor;

/// PyTorch's `nn.BatchNorm1d` in evaluation mode:
///
/// ```text
/// y = weight · (x − running_mean) / sqrt(running_var + eps) + bias = scale · x + shift
/// ```
#[derive(Clone, Debug)]
pub struct Norm {
    scale: Vec<f32>,
    shift: Vec<f32>,
    moments: Moments,
}

impl Norm {
    /// A norm with this scale and shift, whose inputs have mean 0 and variance 1.
    ///
    /// # Panics
    ///
    /// If the two lengths differ.
    pub fn new(scale: Vec<f32>, shift: Vec<f32>) -> Self {
        assert!(scale.len() == shift.len());
        let moments = moments(&shift, &scale);
        Self { scale, shift, moments }
    }

    /// Takes `{prefix}.weight`, `.bias`, `.running_mean` and `.running_var`, and folds them in f64.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] names the tensor that is missing, or has a wrong shape or a non-finite
    /// value, or a variance that is negative or so small that the scale overflows.
    pub fn load(loader: &mut Loader<'_>, prefix: &str, channels: usize, eps: f64) -> Result<Self> {
        let mut take = |part: &str| loader.take(&format!("{prefix}.{part}"), &[channels]);
        let (weight, bias) = (take("weight")?, take("bias")?);
        let (mean, variance) = (take("running_mean")?, take("running_var")?);
        Self::fold(prefix, [&weight, &bias, &mean, &variance], eps)
    }

    /// As [`Self::load`] for a norm without weight and bias (PyTorch's `affine=False`):
    /// `{prefix}.running_mean` and `.running_var` alone.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn load_plain(loader: &mut Loader<'_>, prefix: &str, channels: usize, eps: f64) -> Result<Self> {
        let mut take = |part: &str| loader.take(&format!("{prefix}.{part}"), &[channels]);
        let (mean, variance) = (take("running_mean")?, take("running_var")?);
        let ones = Tensor::new(&[channels], vec![1.0; channels]);
        let zeros = Tensor::new(&[channels], vec![0.0; channels]);
        Self::fold(prefix, [&ones, &zeros, &mean, &variance], eps)
    }

    fn fold(prefix: &str, parts: [&Tensor; 4], eps: f64) -> Result<Self> {
        let channels = parts[0].values().len();
        let (mut scale, mut shift) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
        for c in 0..channels {
            let [w, b, m, v] = parts.map(|t| f64::from(t.values()[c]));
            let s = w / (v + eps).sqrt();
            let t = b - m * s;
            if v < 0.0 || !(s as f32).is_finite() || !(t as f32).is_finite() {
                return Err(Error::Tensor {
                    name: format!("{prefix}.running_var"),
                    expected: "variances of at least 0 that do not make the scale overflow".into(),
                    actual: format!("{v} in channel {c}"),
                });
            }
            scale.push(s as f32);
            shift.push(t as f32);
        }
        Ok(Self { scale, shift, moments: moments(parts[1].values(), parts[0].values()) })
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.scale.len()
    }

    /// Factor of each channel.
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// Added to each channel after the multiplication.
    pub fn shift(&self) -> &[f32] {
        &self.shift
    }

    /// Mean and variance of the outputs on the training data.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The norm and a ReLU on `frames` rows of `input` that start `stride` values apart, to
    /// `output` `[frames, channels]`.
    ///
    /// # Panics
    ///
    /// If a slice is too short, or `output` too long.
    pub fn run_relu(&self, input: &[f32], stride: usize, frames: usize, output: &mut [f32]) {
        let channels = self.channels();
        assert!(stride >= channels && output.len() == frames * channels);
        for (row, y) in input.chunks(stride.max(1)).zip(output.chunks_exact_mut(channels.max(1))) {
            scale_shift_relu(&row[..channels], &self.scale, &self.shift, y);
        }
    }

    /// In place on `[frames, channels]`.
    ///
    /// # Panics
    ///
    /// If `rows` is not a whole number of frames.
    pub fn run(&self, rows: &mut [f32]) {
        let channels = self.channels().max(1);
        assert!(rows.len().is_multiple_of(channels));
        for row in rows.chunks_exact_mut(channels) {
            for ((x, s), t) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
                *x = s * *x + t;
            }
        }
    }
}

/// Moments for these means and standard deviations (or their negatives).
fn moments(means: &[f32], deviations: &[f32]) -> Moments {
    let squared = |deviation: &f32| f64::from(*deviation) * f64::from(*deviation);
    Moments::new(means.iter().copied().map(f64::from).collect(), deviations.iter().map(squared).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::weights::test_files::{file, loader};

    fn load(variance: [f32; 2], eps: f64) -> Result<Norm> {
        let parts: [(&str, &[usize], &[f32]); 4] = [
            ("n.weight", &[2], &[2.0, -1.0]),
            ("n.bias", &[2], &[0.5, 0.25]),
            ("n.running_mean", &[2], &[3.0, 1.0]),
            ("n.running_var", &[2], &variance),
        ];
        let bytes = file(&parts);
        Norm::load(&mut loader(&bytes), "n", 2, eps)
    }

    #[test]
    fn the_folded_norm_equals_the_formula() {
        let norm = load([4.0, 0.0], 0.25).unwrap();
        let mut x = [5.0, 2.0, 3.0, 1.0];
        norm.run(&mut x);
        let first = |x: f64| 2.0 * (x - 3.0) / 4.25_f64.sqrt() + 0.5;
        let second = |x: f64| -(x - 1.0) / 0.5 + 0.25;
        for (got, want) in x.iter().zip([first(5.0), second(2.0), first(3.0), second(1.0)]) {
            assert!((f64::from(*got) - want).abs() < 1e-6);
        }
        assert_eq!(*norm.moments(), Moments::new(vec![0.5, 0.25], vec![4.0, 1.0]));
    }

    #[test]
    fn a_norm_without_weight_and_bias_uses_1_and_0() {
        let bytes = file(&[("n.running_mean", &[2], &[3.0, -1.0]), ("n.running_var", &[2], &[3.75, 0.75])]);
        let norm = Norm::load_plain(&mut loader(&bytes), "n", 2, 0.25).unwrap();
        let mut x = [5.0, 2.0];
        norm.run(&mut x);
        assert_eq!(x, [1.0, 3.0]);
    }

    #[test]
    fn norm_and_relu_read_rows_of_a_wider_matrix() {
        let norm = Norm::new(vec![2.0, 1.0], vec![-1.0, 0.0]);
        let mut y = [f32::NAN; 4];
        norm.run_relu(&[3.0, -1.0, f32::NAN, 0.0, 7.0], 3, 2, &mut y);
        assert_eq!(y, [5.0, 0.0, 0.0, 7.0]);
    }

    #[test]
    fn an_invalid_variance_is_named() {
        for (variance, eps) in [([1.0, -1e-9], 1e-5), ([0.0, 1.0], 0.0)] {
            let message = load(variance, eps).unwrap_err().to_string();
            assert!(message.contains("`n.running_var`"), "{message}");
        }
    }
}
