//! Convolution over frames without padding, one matrix product; with one tap, a dense layer for many frames.

use crate::error::Result;
use crate::kernels::epilogue::{Epilogue, Output};
use crate::kernels::int8::{Int8Rows, Int8Weights, MAX_INPUTS};
use crate::kernels::packed::{Packed, Rows};
use crate::nn::tdnn::{taps_inputs, taps_inputs_outputs};
use crate::nn::{Precision, Scratch, Tensor, Weights};

/// PyTorch's `nn.Conv1d` without padding on `[frames, channels]`:
///
/// ```text
/// y[t, o] = b[o] + Σ_j Σ_i W[o, i, j] · x[t · stride + j, i]        0 ≤ j < taps
/// ```
///
/// The frames that one output sees are neighbours in memory. So rows of `taps × inputs` values that begin `stride × inputs` apart, and overlap,
/// are the left matrix of a single product, and nothing is copied. With one tap and stride 1 it is `nn.Linear` on rows. In [`Precision::Int8`] each
/// block of 128 channels of a frame has its scale: in trained transformers a few channels are far larger than the others, and would leave those few codes.
#[derive(Clone, Debug)]
pub struct StridedConv {
    inputs: usize,
    taps: usize,
    stride: usize,
    weight: TapWeights,
    bias: Vec<f32>,
}

#[derive(Clone, Debug)]
enum TapWeights {
    /// One tap of `taps · inputs`.
    F32(Packed),
    /// A tap for each tap and block of channels.
    Int8(Int8Weights),
}

/// Channels of a block, where all channels are a multiple of it; else all are one block.
const BLOCK: usize = 128;

impl StridedConv {
    /// `weight` is `[outputs, inputs, taps]`, `bias` `[outputs]`. More inputs than [`MAX_INPUTS`] are computed in [`Precision::F32`] whatever is asked
    /// for.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit each other, or if there are no inputs or taps or no stride.
    pub fn new(weight: &Tensor, bias: Vec<f32>, stride: usize, precision: Precision) -> Self {
        let factors = vec![1.0; bias.len()];
        Self::scaled(weight, &factors, bias, stride, precision)
    }

    /// Each output's weights are multiplied by its factor; the bias is not.
    fn scaled(weight: &Tensor, factors: &[f32], bias: Vec<f32>, stride: usize, precision: Precision) -> Self {
        let (shape, outputs) = (weight.shape(), bias.len());
        assert!(shape.len() == 3 && shape[0] == outputs, "{shape:?} with {outputs} values of bias");
        let (inputs, taps) = (shape[1], shape[2]);
        assert!(inputs > 0 && taps > 0 && stride > 0, "{shape:?}, stride {stride}");
        let shape = [outputs, inputs, taps];
        let weight = if precision == Precision::Int8 && inputs <= MAX_INPUTS {
            let block = block_of(inputs);
            let shape_of_blocks = [inputs / block * taps, block, outputs];
            TapWeights::Int8(Int8Weights::new(&taps_inputs(weight.values(), shape), factors, shape_of_blocks))
        } else {
            let mut turned = taps_inputs_outputs(weight.values(), shape);
            for row in turned.chunks_exact_mut(outputs.max(1)) {
                row.iter_mut().zip(factors).for_each(|(w, factor)| *w *= factor);
            }
            TapWeights::F32(Packed::new(&turned, [1, taps * inputs, outputs]))
        };
        Self { inputs, taps, stride, weight, bias }
    }

    /// A dense layer: `weight` is `[outputs, inputs]`, `bias` and `factors` `[outputs]`, the weights that are meant are `factors[o]` times these.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn linear(weight: Tensor, factors: &[f32], bias: Vec<f32>, precision: Precision) -> Self {
        let shape = [weight.shape(), &[1]].concat();
        Self::scaled(&Tensor::new(&shape, weight.into_values()), factors, bias, 1, precision)
    }

    /// Takes `{prefix}.weight` `[outputs, inputs, taps]` and, if asked, `{prefix}.bias`; otherwise the bias is 0.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, misshapen or not finite.
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
        precision: Precision,
    ) -> Result<Self> {
        let name = format!("{prefix}.weight");
        let weight = weights.take(&name, &shape)?;
        let bias = if biased {
            weights.take(&format!("{prefix}.bias"), &shape[..1])?.into_values()
        } else {
            vec![0.0; shape[0]]
        };
        let layer = Self::new(&weight, bias, stride, precision);
        if layer.precision() == Precision::Int8 {
            weights.note_codes(name);
        }
        Ok(layer)
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
    pub fn load_linear(
        weights: &mut Weights<'_>,
        prefix: &str,
        [outputs, inputs]: [usize; 2],
        precision: Precision,
    ) -> Result<Self> {
        let name = format!("{prefix}.weight");
        let weight = weights.take(&name, &[outputs, inputs])?;
        let bias = weights.take(&format!("{prefix}.bias"), &[outputs])?;
        let layer = Self::linear(weight, &vec![1.0; outputs], bias.into_values(), precision);
        if layer.precision() == Precision::Int8 {
            weights.note_codes(name);
        }
        Ok(layer)
    }

    /// With which numbers it computes.
    pub fn precision(&self) -> Precision {
        match self.weight {
            TapWeights::F32(_) => Precision::F32,
            TapWeights::Int8(_) => Precision::Int8,
        }
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
    pub fn run(&self, input: &[f32], frames: usize, output: &mut [f32], scratch: &mut Scratch) {
        self.product(input, frames, output, Epilogue::Linear, scratch);
    }

    /// As [`Self::run`], added to what `output` holds: a residual connection.
    ///
    /// # Panics
    ///
    /// As [`Self::run`].
    pub fn run_adding(&self, input: &[f32], frames: usize, output: &mut [f32], scratch: &mut Scratch) {
        self.product(input, frames, output, Epilogue::Add, scratch);
    }

    fn product(
        &self,
        input: &[f32],
        frames: usize,
        output: &mut [f32],
        epilogue: Epilogue<'_>,
        Scratch { codes, .. }: &mut Scratch,
    ) {
        let (rows, outputs, inputs) = (self.frames_out(frames), self.outputs(), self.inputs);
        assert!(input.len() == frames * inputs && output.len() == rows * outputs, "{frames} frames");
        let out = Output { values: output, stride: outputs, bias: &self.bias, epilogue };
        match &self.weight {
            TapWeights::F32(weight) => {
                weight.run(Rows { values: input, strides: [self.stride * inputs, 0] }, 0..1, rows, out);
            }
            TapWeights::Int8(weight) => {
                let block = weight.inputs();
                codes.quantise(input.chunks_exact(block), block);
                let x = Int8Rows {
                    values: codes.values(),
                    strides: [self.stride * inputs, block],
                    scales: codes.scales(),
                    offsets: codes.offsets(),
                    scale_strides: [self.stride * (inputs / block), 1],
                };
                weight.run(&x, 0..weight.taps(), rows, out);
            }
        }
    }
}

fn block_of(channels: usize) -> usize {
    if channels.is_multiple_of(BLOCK) { BLOCK } else { channels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::precision::tests::{BOTH, activations_read, weights_read};

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    /// The formula, in f64, for one output.
    fn naive(layer: &StridedConv, weight: &[f64], x: &[f64], t: usize, o: usize) -> f64 {
        let mut sum = f64::from(layer.bias[o]);
        for (j, i) in (0..layer.taps).flat_map(|j| (0..layer.inputs).map(move |i| (j, i))) {
            sum += weight[(o * layer.inputs + i) * layer.taps + j] * x[(t * layer.stride + j) * layer.inputs + i];
        }
        sum
    }

    #[test]
    fn equals_the_formula_at_odd_sizes_and_by_codes_that_of_the_codes() {
        for (inputs, outputs, taps, stride) in
            [(1, 1, 1, 1), (1, 33, 10, 5), (7, 5, 3, 2), (6, 40, 2, 2), (9, 64, 1, 1), (2 * BLOCK, 3, 2, 1)]
        {
            for (frames, precision) in
                [0, 1, taps, taps + 1, 3 * taps + 2 * stride, 50].iter().flat_map(|n| BOTH.map(|p| (*n, p)))
            {
                let weight = Tensor::new(&[outputs, inputs, taps], noise(outputs * inputs * taps, 0.1));
                let layer = StridedConv::new(&weight, noise(outputs, 0.2), stride, precision);
                assert_eq!(layer.precision(), precision);
                let x = noise(frames * inputs, 0.3);
                let mut scratch = Scratch::default();
                let mut y = vec![f32::NAN; layer.frames_out(frames) * outputs];
                layer.run(&x, frames, &mut y, &mut scratch);
                let mut added = vec![2.0; y.len()];
                layer.run_adding(&x, frames, &mut added, &mut scratch);
                let weight = weights_read(precision, weight.values(), inputs * taps);
                let x = activations_read(precision, &x, block_of(inputs));
                for (n, got) in y.iter().enumerate() {
                    let want = naive(&layer, &weight, &x, n / outputs, n % outputs);
                    assert!((want - f64::from(*got)).abs() < 1e-5, "{precision:?}: {want} {got}");
                    assert!((want + 2.0 - f64::from(added[n])).abs() < 1e-5, "{want} + 2 {}", added[n]);
                }
            }
        }
    }

    #[test]
    fn factors_multiply_weights_and_not_the_bias() {
        let (weight, bias, factors) = (noise(21, 0.1), noise(3, 0.2), [0.5, -2.0, 0.0]);
        let x = noise(7, 0.3);
        for precision in BOTH {
            let of = |factors: &[f32], bias: Vec<f32>| {
                let layer = StridedConv::linear(Tensor::new(&[3, 7], weight.clone()), factors, bias, precision);
                let mut y = [f32::NAN; 3];
                layer.run(&x, 1, &mut y, &mut Scratch::default());
                y
            };
            let plain = of(&[1.0; 3], vec![0.0; 3]);
            for (o, got) in of(&factors, bias.clone()).iter().enumerate() {
                let want = factors[o] * plain[o] + bias[o];
                assert!((want - got).abs() < 1e-6, "{precision:?}: {want} {got}");
            }
        }
    }

    /// More inputs than a sum of products of codes can hold.
    #[test]
    fn what_codes_cannot_hold_is_computed_in_floats() {
        let weight = Tensor::new(&[1, MAX_INPUTS + 1, 1], vec![0.0; MAX_INPUTS + 1]);
        assert_eq!(StridedConv::new(&weight, vec![0.0], 1, Precision::Int8).precision(), Precision::F32);
    }

    #[test]
    fn frames_are_pytorchs() {
        let layer = StridedConv::new(&Tensor::new(&[1, 1, 10], vec![0.0; 10]), vec![0.0], 5, Precision::F32);
        assert_eq!([0, 9, 10, 14, 15, 16_000].map(|n| layer.frames_out(n)), [0, 0, 1, 1, 2, 3_199]);
    }

    #[test]
    fn a_piece_gives_the_rows_of_the_whole() {
        for precision in BOTH {
            let weight = Tensor::new(&[40, 3, 3], noise(360, 0.1));
            let layer = StridedConv::new(&weight, noise(40, 0.2), 2, precision);
            let x = noise(3 * 41, 0.3);
            let mut whole = vec![0.0; layer.frames_out(41) * 40];
            layer.run(&x, 41, &mut whole, &mut Scratch::default());
            for (first, count) in [(0, 1), (3, 5), (12, 8)] {
                let frames = (count - 1) * 2 + 3;
                let mut piece = vec![0.0; count * 40];
                layer.run(&x[first * 2 * 3..][..frames * 3], frames, &mut piece, &mut Scratch::default());
                assert_eq!(piece, whole[first * 40..][..count * 40], "{precision:?}");
            }
        }
    }
}
