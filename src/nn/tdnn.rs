//! Time-delay layer: an affine map of a context of frames, ReLU, batch norm.

use std::borrow::Cow;

use crate::error::Result;
use crate::kernels::epilogue::{Epilogue, Output};
use crate::kernels::int8::{Int8Rows, Int8Weights, MAX_INPUTS};
use crate::kernels::packed::{Packed, Rows};
use crate::nn::{Norm, Precision, Scratch, Tensor, Weights};

/// One frame-level layer of an x-vector network (Snyder et al. 2018, table 1; the order of Kaldi's relu-batchnorm layers):
///
/// ```text
/// y[t] = scale · max(0, b + Σ_j W_j · x[t + j · dilation]) + shift        0 ≤ j < taps
/// ```
///
/// With [`Self::with_negative_slope`] it is a leaky ReLU: values below 0 times the slope, instead of 0.
///
/// `[frames, inputs]` → `[frames − (taps − 1) · dilation, outputs]`: no padding, so that frame `t` of the output belongs to
/// the middle of its context. The affine map is PyTorch's `nn.Conv1d(inputs, outputs, taps, dilation)`.
///
/// Nothing is copied: all taps are one product, which reads each context where it lies. In [`Precision::Int8`] each frame has its scale.
#[derive(Clone, Debug)]
pub struct Tdnn {
    inputs: usize,
    taps: usize,
    dilation: usize,
    weight: TapWeights,
    bias: Vec<f32>,
    negative_slope: f32,
    norm: Norm,
}

#[derive(Clone, Debug)]
enum TapWeights {
    F32(Packed),
    Int8(Int8Weights),
}

impl Tdnn {
    /// `weight` is `[outputs, inputs, taps]`, `bias` `[outputs]`. More inputs than [`MAX_INPUTS`] are computed in [`Precision::F32`] whatever is asked
    /// for.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit each other or `dilation` is 0.
    pub fn new(weight: &Tensor, bias: Vec<f32>, norm: Norm, dilation: usize, precision: Precision) -> Self {
        let (shape, outputs) = (weight.shape(), bias.len());
        assert!(shape.len() == 3 && shape[0] == outputs && norm.channels() == outputs && dilation > 0, "{shape:?}");
        let (inputs, taps) = (shape[1], shape[2]);
        let shape = [outputs, inputs, taps];
        let ones = vec![1.0; outputs];
        let weight = if precision == Precision::Int8 && inputs <= MAX_INPUTS {
            TapWeights::Int8(int8_taps(weight.values(), &ones, shape))
        } else {
            TapWeights::F32(Packed::of_convolution(weight.values(), &ones, shape))
        };
        Self { inputs, taps, dilation, weight, bias, negative_slope: 0.0, norm }
    }

    /// The same layer with a leaky ReLU.
    #[must_use]
    pub fn with_negative_slope(self, negative_slope: f32) -> Self {
        Self { negative_slope, ..self }
    }

    /// Takes `{prefix}.conv.weight`, `{prefix}.conv.bias` and the batch norm `{prefix}.norm`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, misshapen or not finite.
    ///
    /// # Panics
    ///
    /// If `dilation` is 0.
    pub fn load(weights: &mut Weights<'_>, prefix: &str, shape: [usize; 3], dilation: usize, eps: f64) -> Result<Self> {
        let name = format!("{prefix}.conv.weight");
        let weight = weights.take(&name, &shape)?;
        let bias = weights.take(&format!("{prefix}.conv.bias"), &shape[..1])?;
        let norm = Norm::load(weights, &format!("{prefix}.norm"), shape[0], eps)?;
        let layer = Self::new(&weight, bias.into_values(), norm, dilation, weights.precision());
        if matches!(layer.weight, TapWeights::Int8(_)) {
            weights.note_codes(name);
        }
        Ok(layer)
    }

    /// Channels of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Channels of the output.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Frames that the output lacks: from the first to the last tap.
    pub fn reach(&self) -> usize {
        self.taps.saturating_sub(1).saturating_mul(self.dilation)
    }

    /// `[frames, inputs]` → `[frames − reach, outputs]`.
    ///
    /// # Panics
    ///
    /// If there are fewer than `reach` frames, or a slice has another length.
    pub fn run(&self, input: &[f32], frames: usize, output: &mut [f32], scratch: &mut Scratch) {
        let (inputs, outputs) = (self.inputs, self.outputs());
        assert!(frames >= self.reach(), "{frames} frames for a context of {}", self.reach() + 1);
        let frames_out = frames - self.reach();
        assert!(input.len() == frames * inputs && output.len() == frames_out * outputs);
        let (taps, strides) = (0..self.taps, [inputs, self.dilation * inputs]);
        let out = Output { values: output, stride: outputs, bias: &self.bias, epilogue: self.epilogue() };
        match &self.weight {
            TapWeights::F32(weight) => weight.run(Rows { values: input, strides }, taps, frames_out, out),
            TapWeights::Int8(weight) => {
                let codes = &mut scratch.codes;
                codes.quantise(input.chunks_exact(inputs.max(1)), inputs);
                let x = Int8Rows {
                    values: codes.values(),
                    strides,
                    scales: codes.scales(),
                    offsets: codes.offsets(),
                    scale_strides: [1, self.dilation],
                };
                weight.run(&x, taps, frames_out, out);
            }
        }
    }

    fn epilogue(&self) -> Epilogue<'_> {
        let norm = [self.norm.scale(), self.norm.shift()];
        if self.negative_slope == 0.0 {
            Epilogue::ReluNorm(norm)
        } else {
            Epilogue::LeakyReluNorm(self.negative_slope, norm)
        }
    }
}

/// The codes of a convolution's weights `[outputs, inputs, taps]`; each output's are multiplied by its factor.
pub(super) fn int8_taps(weight: &[f32], factors: &[f32], [outputs, inputs, taps]: [usize; 3]) -> Int8Weights {
    Int8Weights::new(&taps_inputs(weight, [outputs, inputs, taps]), factors, [taps, inputs, outputs])
}

/// `[outputs, inputs, taps]` → `[outputs, taps, inputs]`.
pub(super) fn taps_inputs(weight: &[f32], [_, inputs, taps]: [usize; 3]) -> Cow<'_, [f32]> {
    if taps == 1 {
        return weight.into();
    }
    let mut turned = vec![0.0; weight.len()];
    let size = (inputs * taps).max(1);
    for (from, to) in weight.chunks_exact(size).zip(turned.chunks_exact_mut(size)) {
        for (i, of_input) in from.chunks_exact(taps).enumerate() {
            of_input.iter().enumerate().for_each(|(j, w)| to[j * inputs + i] = *w);
        }
    }
    turned.into()
}

/// `[outputs, inputs, taps]` → `[taps, inputs, outputs]`. Sixteen outputs at a time, so that whole cache lines are written.
pub(super) fn taps_inputs_outputs(weight: &[f32], [outputs, inputs, taps]: [usize; 3]) -> Vec<f32> {
    let row = inputs * taps;
    let mut turned = vec![0.0; weight.len()];
    for first in (0..outputs).step_by(16) {
        let last = outputs.min(first + 16);
        for i in 0..inputs {
            for j in 0..taps {
                let to = &mut turned[(j * inputs + i) * outputs..][first..last];
                for (value, o) in to.iter_mut().zip(first..) {
                    *value = weight[o * row + i * taps + j];
                }
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    /// The formula, in f64, for one frame and one output.
    fn naive(layer: &Tdnn, weight: &Tensor, x: &[f32], t: usize, o: usize) -> f64 {
        let mut sum = f64::from(layer.bias[o]);
        for i in 0..layer.inputs {
            for j in 0..layer.taps {
                let w = weight.values()[(o * layer.inputs + i) * layer.taps + j];
                sum += f64::from(w) * f64::from(x[(t + j * layer.dilation) * layer.inputs + i]);
            }
        }
        f64::from(layer.norm.scale()[o]) * sum.max(f64::from(layer.negative_slope) * sum)
            + f64::from(layer.norm.shift()[o])
    }

    #[test]
    fn equals_the_formula_at_odd_sizes() {
        for (inputs, outputs, taps, dilation, frames) in
            [(1, 1, 1, 1, 1), (7, 5, 5, 1, 9), (6, 9, 3, 2, 12), (5, 3, 3, 3, 7), (4, 33, 1, 1, 17), (2, 3, 2, 5, 5)]
        {
            let weight = Tensor::new(&[outputs, inputs, taps], noise(outputs * inputs * taps, 0.1));
            let norm = Norm::new(noise(outputs, 0.2), noise(outputs, 0.3));
            let slope = if taps == 3 { 0.01 } else { 0.0 };
            let x = noise(frames * inputs, 0.5);
            // half a step of the weights' and of the activations' codes, in each product; both are at most 1 here
            let steps = (inputs * taps) as f64 * (0.5 / 127.0 + 1.0 / 255.0);
            for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Int8, steps)] {
                let layer = Tdnn::new(&weight, noise(outputs, 0.4), norm.clone(), dilation, precision);
                let layer = layer.with_negative_slope(slope);
                let mut y = vec![f32::NAN; (frames - layer.reach()) * outputs];
                layer.run(&x, frames, &mut y, &mut Scratch::default());
                for (k, got) in y.iter().enumerate() {
                    let want = naive(&layer, &weight, &x, k / outputs, k % outputs);
                    assert!((want - f64::from(*got)).abs() < tolerance, "{precision:?}: {want} {got}");
                }
            }
        }
    }

    #[test]
    fn later_frames_do_not_change_earlier_ones() {
        let weight = Tensor::new(&[8, 6, 3], noise(144, 0.1));
        let x = noise(40 * 6, 0.5);
        for precision in [Precision::F32, Precision::Int8] {
            let norm = Norm::new(noise(8, 0.3), noise(8, 0.4));
            let layer = Tdnn::new(&weight, noise(8, 0.2), norm, 2, precision);
            let run = |frames: usize| {
                let mut y = vec![0.0; (frames - 4) * 8];
                layer.run(&x[..frames * 6], frames, &mut y, &mut Scratch::default());
                y
            };
            assert_eq!(run(11), run(40)[..7 * 8]);
        }
    }

    #[test]
    #[should_panic(expected = "context of 5")]
    fn fewer_frames_than_the_context_reaches_are_refused() {
        let (weight, norm) = (Tensor::new(&[1, 1, 5], noise(5, 0.1)), Norm::new(vec![1.0], vec![0.0]));
        let layer = Tdnn::new(&weight, vec![0.0], norm, 1, Precision::F32);
        layer.run(&[0.0; 3], 3, &mut [], &mut Scratch::default());
    }
}
