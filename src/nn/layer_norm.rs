//! Layer norm over the channels of a frame.

use crate::error::Result;
use crate::kernels::reduce::sum;
use crate::nn::loader::Loader;

/// PyTorch's `nn.LayerNorm` over the channels of a frame (Ba et al. 2016):
///
/// ```text
/// y[t, c] = w[c] · (x[t, c] − mean_t) / sqrt(var_t + eps) + b[c]        var_t: divided by the number of channels
/// ```
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl LayerNorm {
    /// # Panics
    ///
    /// If `weight` and `bias` have different lengths.
    pub fn new(weight: Vec<f32>, bias: Vec<f32>, eps: f64) -> Self {
        assert!(weight.len() == bias.len(), "{} weights, {} values of bias", weight.len(), bias.len());
        Self { weight, bias, eps: eps as f32 }
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

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.weight.len()
    }

    /// In place on `[frames, channels]`. A non-finite value makes its row NaN.
    ///
    /// # Panics
    ///
    /// If `rows` is not a whole number of frames.
    pub fn run(&self, rows: &mut [f32]) {
        let channels = self.channels().max(1);
        assert!(rows.len().is_multiple_of(channels), "{} values are not rows of {channels}", rows.len());
        for row in rows.chunks_exact_mut(channels) {
            let mean = sum(row) / channels as f32;
            for x in row.iter_mut() {
                *x -= mean;
            }
            let scale = 1.0 / (sum_of_squares(row) / channels as f32 + self.eps).sqrt();
            for ((x, w), b) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *x = *x * scale * w + b;
            }
        }
    }
}

/// Sum of squares in 16 partial sums, as in [`sum`].
fn sum_of_squares(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0_f32; 16];
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, x)| *sum += x * x);
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_formula_at_odd_sizes() {
        for channels in [1, 2, 7, 16, 33, 768] {
            let at = |i: usize, seed: f32| (i as f32 * 0.731 + seed).sin();
            let weight: Vec<f32> = (0..channels).map(|c| at(c, 0.1)).collect();
            let bias: Vec<f32> = (0..channels).map(|c| at(c, 0.2)).collect();
            let input: Vec<f32> = (0..3 * channels).map(|i| 4.0 + 2.0 * at(i, 0.3)).collect();
            let mut rows = input.clone();
            LayerNorm::new(weight.clone(), bias.clone(), 1e-5).run(&mut rows);
            for (x, y) in input.chunks(channels).zip(rows.chunks(channels)) {
                let n = channels as f64;
                let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
                let variance = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
                for (c, got) in y.iter().enumerate() {
                    let normed = (f64::from(x[c]) - mean) / (variance + 1e-5).sqrt();
                    let want = f64::from(weight[c]) * normed + f64::from(bias[c]);
                    assert!((want - f64::from(*got)).abs() < 1e-5, "{channels} channels: {want} {got}");
                }
            }
        }
    }

    #[test]
    fn non_finite_values_are_propagated() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut rows = [1.0, 2.0, bad, 4.0, 1.0, 2.0, 3.0, 4.0];
            LayerNorm::new(vec![1.0; 4], vec![0.0; 4], 1e-5).run(&mut rows);
            assert!(rows[..4].iter().any(|x| x.is_nan()) && rows[4..].iter().all(|x| x.is_finite()));
        }
    }
}
