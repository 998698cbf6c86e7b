//! Convolution over frames without padding, one matrix product; with one tap, a dense layer for many frames.

use crate::error::Result;
use crate::kernels::finish::{Finish, Output};
use crate::kernels::packed::{Packed, Rows};
use crate::nn::tdnn::taps_inputs_outputs;
use crate::nn::{Tensor, Weights};

/// PyTorch's `nn.Conv1d` without padding on `[frames, channels]`:
///
/// ```text
/// y[t, o] = b[o] + Σ_j Σ_i W[o, i, j] · x[t · stride + j, i]        0 ≤ j < taps
/// ```
///
/// The frames that one output sees are neighbours in memory. So rows of `taps × inputs` values that begin `stride × inputs` apart, and overlap,
/// are the left matrix of a single product, and nothing is copied. With one tap and stride 1 it is `nn.Linear` on rows.
#[derive(Clone, Debug)]
pub struct StridedConv {
    inputs: usize,
    taps: usize,
    stride: usize,
    /// One tap of `taps · inputs`.
    weight: Packed,
    bias: Vec<f32>,
}

impl StridedConv {
    /// `weight` is `[outputs, inputs, taps]`, `bias` `[outputs]`.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit each other, or if there are no inputs or taps or no stride.
    pub fn new(weight: &Tensor, bias: Vec<f32>, stride: usize) -> Self {
        let (shape, outputs) = (weight.shape(), bias.len());
        assert!(shape.len() == 3 && shape[0] == outputs, "{shape:?} with {outputs} values of bias");
        let (inputs, taps) = (shape[1], shape[2]);
        assert!(inputs > 0 && taps > 0 && stride > 0, "{shape:?}, stride {stride}");
        let turned = taps_inputs_outputs(weight.values(), [outputs, inputs, taps]);
        Self { inputs, taps, stride, weight: Packed::new(&turned, [1, taps * inputs, outputs]), bias }
    }

    /// A dense layer: `weight` is `[outputs, inputs]`, `bias` `[outputs]`.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn linear(weight: Tensor, bias: Vec<f32>) -> Self {
        let shape = [weight.shape(), &[1]].concat();
        Self::new(&Tensor::new(&shape, weight.into_values()), bias, 1)
    }

    /// Takes `{prefix}.weight` `[outputs, inputs, taps]` and, if asked, `{prefix}.bias`; otherwise the bias is 0.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Weights`] names the tensor that is missing, misshapen or not finite.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn load(
        weights: &mut Weights<'_>,
        prefix: &str,
        shape: [usize; 3],
        stride: usize,
        biased: bool,
    ) -> Result<Self> {
        let weight = weights.take(&format!("{prefix}.weight"), &shape)?;
        let bias = if biased {
            weights.take(&format!("{prefix}.bias"), &shape[..1])?.into_values()
        } else {
            vec![0.0; shape[0]]
        };
        Ok(Self::new(&weight, bias, stride))
    }

    /// Takes a dense layer's `{prefix}.weight` `[outputs, inputs]` and `{prefix}.bias`.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn load_linear(weights: &mut Weights<'_>, prefix: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = weights.take(&format!("{prefix}.weight"), &[outputs, inputs])?;
        let bias = weights.take(&format!("{prefix}.bias"), &[outputs])?;
        Ok(Self::linear(weight, bias.into_values()))
    }

    /// Channels of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Channels of the output.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Frames that one output sees.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Frames between the first ones that neighbouring outputs see.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Frames that come out of `frames`: `(frames − taps) / stride + 1`, or 0 where the taps do not fit.
    pub fn frames_out(&self, frames: usize) -> usize {
        frames.checked_sub(self.taps).map_or(0, |spare| spare / self.stride + 1)
    }

    /// `[frames, inputs]` → `[frames_out(frames), outputs]`.
    ///
    /// # Panics
    ///
    /// If a slice has another length.
    pub fn run(&self, input: &[f32], frames: usize, output: &mut [f32]) {
        self.product(input, frames, output, Finish::Linear);
    }

    /// As [`Self::run`], added to what `output` holds: a residual connection.
    ///
    /// # Panics
    ///
    /// As [`Self::run`].
    pub fn run_adding(&self, input: &[f32], frames: usize, output: &mut [f32]) {
        self.product(input, frames, output, Finish::Add);
    }

    fn product(&self, input: &[f32], frames: usize, output: &mut [f32], finish: Finish<'_>) {
        let (rows, outputs) = (self.frames_out(frames), self.outputs());
        assert!(input.len() == frames * self.inputs && output.len() == rows * outputs, "{frames} frames");
        let x = Rows { values: input, strides: [self.stride * self.inputs, 0] };
        self.weight.run(x, 0..1, rows, Output { values: output, stride: outputs, bias: &self.bias, finish });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    /// The formula, in f64, for one output.
    fn naive(layer: &StridedConv, weight: &Tensor, x: &[f32], t: usize, o: usize) -> f64 {
        let mut sum = f64::from(layer.bias[o]);
        for (j, i) in (0..layer.taps).flat_map(|j| (0..layer.inputs).map(move |i| (j, i))) {
            let w = weight.values()[(o * layer.inputs + i) * layer.taps + j];
            sum += f64::from(w) * f64::from(x[(t * layer.stride + j) * layer.inputs + i]);
        }
        sum
    }

    #[test]
    fn equals_the_formula_at_odd_sizes() {
        for (inputs, outputs, taps, stride) in
            [(1, 1, 1, 1), (1, 33, 10, 5), (7, 5, 3, 2), (6, 40, 2, 2), (9, 64, 1, 1)]
        {
            for frames in [0, 1, taps, taps + 1, 3 * taps + 2 * stride, 50] {
                let weight = Tensor::new(&[outputs, inputs, taps], noise(outputs * inputs * taps, 0.1));
                let layer = StridedConv::new(&weight, noise(outputs, 0.2), stride);
                let x = noise(frames * inputs, 0.3);
                let mut y = vec![f32::NAN; layer.frames_out(frames) * outputs];
                layer.run(&x, frames, &mut y);
                let mut added = vec![2.0; y.len()];
                layer.run_adding(&x, frames, &mut added);
                for (n, got) in y.iter().enumerate() {
                    let want = naive(&layer, &weight, &x, n / outputs, n % outputs);
                    assert!((want - f64::from(*got)).abs() < 1e-5, "{want} {got}");
                    assert!((want + 2.0 - f64::from(added[n])).abs() < 1e-5, "{want} + 2 {}", added[n]);
                }
            }
        }
    }

    #[test]
    fn frames_are_pytorchs() {
        let layer = StridedConv::new(&Tensor::new(&[1, 1, 10], vec![0.0; 10]), vec![0.0], 5);
        assert_eq!([0, 9, 10, 14, 15, 16_000].map(|n| layer.frames_out(n)), [0, 0, 1, 1, 2, 3_199]);
    }

    #[test]
    fn a_piece_gives_the_rows_of_the_whole() {
        let layer = StridedConv::new(&Tensor::new(&[40, 3, 3], noise(360, 0.1)), noise(40, 0.2), 2);
        let x = noise(3 * 41, 0.3);
        let mut whole = vec![0.0; layer.frames_out(41) * 40];
        layer.run(&x, 41, &mut whole);
        for (first, count) in [(0, 1), (3, 5), (12, 8)] {
            let frames = (count - 1) * 2 + 3;
            let mut piece = vec![0.0; count * 40];
            layer.run(&x[first * 2 * 3..][..frames * 3], frames, &mut piece);
            assert_eq!(piece, whole[first * 40..][..count * 40]);
        }
    }
}
