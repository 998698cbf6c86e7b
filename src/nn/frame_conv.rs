//! Convolution over frames on `[frames, channels]`: time-delay layers, strided convolutions, and
//! with one tap dense layers on frames.

use std::ops::Range;

use crate::error::Result;
use crate::kernels::epilogue::{Epilogue, Output};
use crate::nn::bias_correction;
use crate::nn::loader::Loader;
use crate::nn::moments::Moments;
use crate::nn::norm::Norm;
use crate::nn::packed_weights::{Activations, Layout, PackedWeights};
use crate::nn::precision::Precision;
use crate::nn::quantisation::Int8Tensor;
use crate::nn::scratch::Scratch;
use crate::nn::tensor::Tensor;

/// PyTorch's `nn.Conv1d` on `[frames, channels]`, with an optional batch norm and ReLU before it
/// and an activation after it:
///
/// ```text
/// y[t, o] = activation(b[o] + Σ_j Σ_i W[o, i, j] · x[t · stride + j · dilation − padding, i])        0 ≤ j < taps
/// ```
///
/// with `x` zero outside its frames. All outputs that read the same taps are one matrix product,
/// which reads the frames in place. Rows of input and output may be part of wider matrices: a layer
/// of a dense block writes its columns beside those that it reads.
///
/// In [`Precision::Int8`] activations have one scale per frame or per block of channels
/// ([`ActivationScales`]).
#[derive(Clone, Debug)]
pub struct FrameConv {
    inputs: usize,
    taps: usize,
    geometry: FrameConvOptions,
    weights: PackedWeights,
    bias: Vec<f32>,
    prologue: Option<Norm>,
    activation: Activation,
    int8_tensors: Vec<Int8Tensor>,
}

/// Options of a [`FrameConv`]. The default is PyTorch's, with a scale per frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameConvOptions {
    /// Frames between two outputs.
    pub stride: usize,
    /// Frames between two taps.
    pub dilation: usize,
    /// Zeros before the first and after the last frame.
    pub padding: Padding,
    /// Granularity of the quantisation of activations.
    pub scales: ActivationScales,
}

/// Padding of a convolution over frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// None: output `t` belongs to the frames from `t · stride` on.
    Valid,
    /// `(taps − 1) / 2 · dilation` zeros on both sides, for an odd number of taps: without a stride
    /// as many frames as in the input.
    Same,
}

/// How many scales the quantised activations of a frame have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationScales {
    /// One.
    PerFrame,
    /// One per 128 channels if the channels are a multiple of 128, otherwise one; for layers
    /// without dilation and padding. In trained transformers a few channels are far larger than the
    /// others, which a scale per frame would round to few steps.
    PerBlock,
}

/// Activation after a convolution.
#[derive(Clone, Debug)]
pub enum Activation {
    /// None.
    Linear,
    /// ReLU.
    Relu,
    /// ReLU, then batch norm: the order of Kaldi's x-vector layers (Snyder et al. 2018).
    ReluNorm(Norm),
    /// Leaky ReLU with this negative slope, then batch norm.
    LeakyReluNorm(f32, Norm),
}

impl Default for FrameConvOptions {
    fn default() -> Self {
        Self { stride: 1, dilation: 1, padding: Padding::Valid, scales: ActivationScales::PerFrame }
    }
}

/// Options of a dense layer on frames.
const DENSE: FrameConvOptions =
    FrameConvOptions { stride: 1, dilation: 1, padding: Padding::Valid, scales: ActivationScales::PerBlock };
/// Channels of a block of [`ActivationScales::PerBlock`].
const BLOCK: usize = 128;
/// Frames whose prologue is computed at a time: four tiles of the product, which stay in the L2
/// cache.
const TILE: usize = 40;

impl FrameConv {
    /// A convolution with `weight` `[outputs, inputs, taps]`, scaled by one factor per output, and
    /// `bias` `[outputs]`, which is not scaled. More inputs than the int8 products allow are
    /// computed in [`Precision::F32`] whatever the precision.
    ///
    /// # Panics
    ///
    /// If the shapes do not match, stride or dilation is 0, the taps are 0, or even with
    /// [`Padding::Same`], or blocks are combined with dilation or padding.
    pub fn new(
        weight: &Tensor,
        factors: &[f32],
        bias: Vec<f32>,
        options: FrameConvOptions,
        precision: Precision,
    ) -> Self {
        let (shape, outputs) = (weight.shape(), bias.len());
        assert!(shape.len() == 3 && shape[0] == outputs, "{shape:?} with {outputs} values of bias");
        let (inputs, taps) = (shape[1], shape[2]);
        let FrameConvOptions { stride, dilation, padding, scales } = options;
        assert!(taps > 0 && stride > 0 && dilation > 0, "{taps} taps, stride {stride}, dilation {dilation}");
        assert!(padding == Padding::Valid || taps % 2 == 1, "{taps} taps have no middle to pad around");
        let block = match scales {
            ActivationScales::PerFrame => inputs,
            ActivationScales::PerBlock => {
                assert!(padding == Padding::Valid && dilation == 1, "blocks of contiguous taps");
                if inputs.is_multiple_of(BLOCK) { BLOCK.min(inputs) } else { inputs }
            }
        };
        let weights =
            PackedWeights::of_convolution(weight.values(), factors, [outputs, inputs, taps], block, precision);
        let (prologue, activation, int8_tensors) = (None, Activation::Linear, Vec::new());
        Self { inputs, taps, geometry: options, weights, bias, prologue, activation, int8_tensors }
    }

    /// A convolution without bias, followed by a batch norm that is folded into it.
    ///
    /// # Panics
    ///
    /// As [`Self::new`], or if the norm does not have one channel per output.
    pub fn with_folded_norm(
        weight: &Tensor,
        norm: Option<&Norm>,
        options: FrameConvOptions,
        precision: Precision,
    ) -> Self {
        let outputs = weight.shape().first().copied().unwrap_or(0);
        match norm {
            Some(norm) => Self::new(weight, norm.scale(), norm.shift().to_vec(), options, precision),
            None => Self::new(weight, &vec![1.0; outputs], vec![0.0; outputs], options, precision),
        }
    }

    /// As [`Self::with_folded_norm`], with bias correction for inputs of these moments.
    ///
    /// # Panics
    ///
    /// As [`Self::with_folded_norm`].
    pub fn with_bias_correction(
        weight: &Tensor,
        norm: Option<&Norm>,
        options: FrameConvOptions,
        precision: Precision,
        inputs: &Moments,
    ) -> Self {
        let mut layer = Self::with_folded_norm(weight, norm, options, precision);
        if layer.precision() == Precision::Int8 {
            bias_correction::apply(&mut layer.bias, &bias_correction::bias_correction(weight, inputs), norm);
        }
        layer
    }

    /// A dense layer on frames: `weight` is `[outputs, inputs]`, scaled by one factor per output,
    /// `bias` `[outputs]`, which is not scaled.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn linear(weight: Tensor, factors: &[f32], bias: Vec<f32>, precision: Precision) -> Self {
        let shape = [weight.shape(), &[1]].concat();
        Self::new(&Tensor::new(&shape, weight.into_values()), factors, bias, DENSE, precision)
    }

    /// The same layer with an activation after it.
    ///
    /// # Panics
    ///
    /// If a norm does not have one channel per output.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        if let Activation::ReluNorm(norm) | Activation::LeakyReluNorm(_, norm) = &activation {
            assert!(norm.channels() == self.outputs(), "{} channels after {} outputs", norm.channels(), self.outputs());
        }
        Self { activation, ..self }
    }

    /// The same layer with a batch norm and ReLU before it. Their result is never stored as a
    /// whole, only a few frames or quantised values.
    ///
    /// # Panics
    ///
    /// If the norm does not have one channel per input, or the layer has several taps or a stride.
    #[must_use]
    pub fn with_prologue(self, norm: Norm) -> Self {
        assert!(norm.channels() == self.inputs && self.taps == 1 && self.geometry.stride == 1 && self.blocks() == 1);
        Self { prologue: Some(norm), ..self }
    }

    /// The same layer, which states that it computes with these tensors of the model file in int8.
    #[must_use]
    pub(super) fn with_tensors(self, names: impl IntoIterator<Item = String>) -> Self {
        self.with_corrected_tensors(names.into_iter().map(|name| Int8Tensor { name, bias_correction: None }))
    }

    fn with_corrected_tensors(mut self, tensors: impl IntoIterator<Item = Int8Tensor>) -> Self {
        if self.precision() == Precision::Int8 {
            self.int8_tensors.extend(tensors);
        }
        self
    }

    /// Takes `{prefix}.weight` of the given shape `[outputs, inputs, taps]` and, if `biased`,
    /// `{prefix}.bias`; otherwise the bias is 0.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, or has a wrong shape or a
    /// non-finite value.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn load(
        loader: &mut Loader<'_>,
        prefix: &str,
        shape: [usize; 3],
        biased: bool,
        options: FrameConvOptions,
        precision: Precision,
    ) -> Result<Self> {
        let name = format!("{prefix}.weight");
        let weight = loader.take(&name, &shape)?;
        let bias = if biased {
            loader.take(&format!("{prefix}.bias"), &shape[..1])?.into_values()
        } else {
            vec![0.0; shape[0]]
        };
        Ok(Self::new(&weight, &vec![1.0; shape[0]], bias, options, precision).with_tensors([name]))
    }

    /// Takes `{prefix}.weight` `[outputs, inputs]` and `{prefix}.bias` of a dense layer on frames.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn load_linear(
        loader: &mut Loader<'_>,
        prefix: &str,
        [outputs, inputs]: [usize; 2],
        precision: Precision,
    ) -> Result<Self> {
        let name = format!("{prefix}.weight");
        let weight = loader.take(&name, &[outputs, inputs])?;
        let bias = loader.take(&format!("{prefix}.bias"), &[outputs])?.into_values();
        Ok(Self::linear(weight, &vec![1.0; outputs], bias, precision).with_tensors([name]))
    }

    /// Takes `{prefix}.weight` of the given shape `[outputs, inputs, taps]` of a convolution
    /// without bias, folds `norm` into it and corrects the bias for inputs of these moments.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    ///
    /// # Panics
    ///
    /// As [`Self::with_folded_norm`].
    pub fn load_with_bias_correction(
        loader: &mut Loader<'_>,
        prefix: &str,
        shape: [usize; 3],
        norm: Option<&Norm>,
        options: FrameConvOptions,
        inputs: &Moments,
    ) -> Result<Self> {
        let name = format!("{prefix}.weight");
        let weight = loader.take(&name, &shape)?;
        let mut layer = Self::with_folded_norm(&weight, norm, options, loader.precision());
        let int8 = layer.precision() == Precision::Int8;
        let correction = bias_correction::load(loader, &name, (&weight, inputs), int8)?;
        if let Some(correction) = &correction {
            bias_correction::apply(&mut layer.bias, correction, norm);
        }
        Ok(layer.with_corrected_tensors([Int8Tensor { name, bias_correction: correction }]))
    }

    /// The precision in which it computes.
    pub fn precision(&self) -> Precision {
        self.weights.precision()
    }

    /// The tensors of the model file that it computes with in int8.
    pub fn int8_tensors(&self) -> &[Int8Tensor] {
        &self.int8_tensors
    }

    /// Channels of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Channels of the output.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Number of taps.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Frames between two outputs.
    pub fn stride(&self) -> usize {
        self.geometry.stride
    }

    /// Frames from the first to the last tap.
    pub fn reach(&self) -> usize {
        (self.taps - 1).saturating_mul(self.geometry.dilation)
    }

    /// Number of output frames: `(frames + 2 · padding − reach − 1) / stride + 1`, or 0 if the taps
    /// do not fit.
    pub fn frames_out(&self, frames: usize) -> usize {
        let places = (frames + 2 * self.padding()).checked_sub(self.reach().saturating_add(1));
        places.map_or(0, |places| places / self.geometry.stride + 1)
    }

    /// `[frames, inputs]` → `[frames_out(frames), outputs]`.
    ///
    /// # Panics
    ///
    /// If a slice has another length.
    pub fn run(&self, input: &[f32], frames: usize, output: &mut [f32], scratch: &mut Scratch) {
        self.check(input, frames, output);
        self.run_rows((input, self.inputs), frames, (output, self.outputs()), scratch);
    }

    /// As [`Self::run`], added to `output`: a residual connection.
    ///
    /// # Panics
    ///
    /// As [`Self::run`], or if the layer has an activation.
    pub fn run_adding(&self, input: &[f32], frames: usize, output: &mut [f32], scratch: &mut Scratch) {
        self.check(input, frames, output);
        assert!(matches!(self.activation, Activation::Linear), "an activation before a residual connection");
        self.product((input, self.inputs), frames, (output, self.outputs()), Epilogue::Add, scratch);
    }

    /// As [`Self::run`] on rows of wider matrices: `frames` rows of input that start `input_stride`
    /// values apart, and rows of output that start `output_stride` values apart. Values between the
    /// rows are neither read nor written.
    ///
    /// # Panics
    ///
    /// If a slice is too short for its rows, or the rows of `output` overlap.
    pub fn run_rows(
        &self,
        (input, input_stride): (&[f32], usize),
        frames: usize,
        (output, output_stride): (&mut [f32], usize),
        scratch: &mut Scratch,
    ) {
        let epilogue = match &self.activation {
            Activation::Linear => Epilogue::Linear,
            Activation::Relu => Epilogue::Relu,
            Activation::ReluNorm(norm) => Epilogue::ReluNorm([norm.scale(), norm.shift()]),
            Activation::LeakyReluNorm(slope, norm) => Epilogue::LeakyReluNorm(*slope, [norm.scale(), norm.shift()]),
        };
        self.product((input, input_stride), frames, (output, output_stride), epilogue, scratch);
    }

    fn check(&self, input: &[f32], frames: usize, output: &[f32]) {
        let values_out = self.frames_out(frames) * self.outputs();
        assert!(input.len() == frames * self.inputs && output.len() == values_out, "{frames} frames");
    }

    fn product(
        &self,
        (input, stride): (&[f32], usize),
        frames: usize,
        (output, output_stride): (&mut [f32], usize),
        epilogue: Epilogue<'_>,
        Scratch { values, quantised }: &mut Scratch,
    ) {
        match (&self.weights, &self.prologue) {
            (PackedWeights::F32(_), None) => {
                let x = Activations { values: input, quantised };
                self.product_of((x, stride), frames, (output, output_stride), epilogue);
            }
            (PackedWeights::F32(_), Some(norm)) => {
                values.resize(TILE.min(frames) * self.inputs, 0.0);
                for first in (0..frames).step_by(TILE) {
                    let count = TILE.min(frames - first);
                    let active = &mut values[..count * self.inputs];
                    norm.run_relu(&input[first * stride..], stride, count, active);
                    let (x, at) = (Activations { values: active, quantised }, first * output_stride);
                    let output = (&mut output[at..], output_stride);
                    self.product_of((x, self.inputs), count, output, epilogue.from_offset(at));
                }
            }
            (PackedWeights::Int8(weights), prologue) => {
                let (block, blocks) = (weights.inputs(), self.blocks());
                let row = |n: usize| &input[n / blocks * stride + n % blocks * block..][..block];
                let rows = (0..frames * blocks).map(row);
                match prologue {
                    None => quantised.quantise(rows, block),
                    Some(norm) => quantised.quantise_norm_relu(rows, norm.scale(), norm.shift()),
                }
                let x = Activations { values: input, quantised };
                self.product_of((x, self.inputs), frames, (output, output_stride), epilogue);
            }
        }
    }

    /// The products of activations whose frames start `frame_stride` values apart.
    fn product_of(
        &self,
        (x, frame_stride): (Activations<'_>, usize),
        frames: usize,
        (output, output_stride): (&mut [f32], usize),
        epilogue: Epilogue<'_>,
    ) {
        let (FrameConvOptions { stride, dilation, .. }, blocks) = (self.geometry, self.blocks());
        // a block is a tap of its own, and blocks are contiguous
        let (tap_stride, scale_stride) =
            if blocks > 1 { (self.inputs / blocks, 1) } else { (dilation * frame_stride, dilation) };
        for Run { outputs, taps, first } in self.runs(frames) {
            let layout = Layout {
                first: first * frame_stride,
                strides: [stride * frame_stride, tap_stride],
                first_scale: first * blocks,
                scale_strides: [stride * blocks, scale_stride],
            };
            let from = outputs.start * output_stride;
            let (values, epilogue) = (&mut output[from..], epilogue.from_offset(from));
            let out = Output { values, stride: output_stride, bias: &self.bias, epilogue };
            self.weights.run(x, layout, taps.start * blocks..taps.end * blocks, outputs.len(), out);
        }
    }

    /// Number of quantised rows of a frame; 1 in f32.
    fn blocks(&self) -> usize {
        match &self.weights {
            PackedWeights::F32(_) => 1,
            PackedWeights::Int8(weights) => self.inputs.checked_div(weights.inputs()).unwrap_or(1),
        }
    }

    /// All outputs, grouped by the taps that read inside the input.
    fn runs(&self, frames: usize) -> impl Iterator<Item = Run> {
        let mut t = 0;
        std::iter::from_fn(move || {
            let end = self.frames_out(frames);
            if t >= end {
                return None;
            }
            let (from, taps) = (t, self.taps_inside(t, frames));
            t = match self.geometry.padding {
                Padding::Valid => end,
                Padding::Same => {
                    t + 1 + (t + 1..end).take_while(|later| self.taps_inside(*later, frames) == taps).count()
                }
            };
            let first = from * self.geometry.stride + taps.start * self.geometry.dilation - self.padding();
            Some(Run { outputs: from..t, taps, first })
        })
    }

    fn padding(&self) -> usize {
        match self.geometry.padding {
            Padding::Valid => 0,
            Padding::Same => self.taps / 2 * self.geometry.dilation,
        }
    }

    /// The taps of output `t` that read inside the frames: at least the middle one.
    fn taps_inside(&self, t: usize, frames: usize) -> Range<usize> {
        let (place, dilation) = (t * self.geometry.stride, self.geometry.dilation);
        let start = self.padding().saturating_sub(place).div_ceil(dilation);
        let end = (frames + self.padding()).saturating_sub(place).div_ceil(dilation);
        start..end.min(self.taps).max(start)
    }
}

/// Consecutive outputs that read the same taps, and the frame that the first tap of the first
/// output reads.
struct Run {
    outputs: Range<usize>,
    taps: Range<usize>,
    first: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::precision::tests::{BOTH, activations_read, weights_read};

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    fn options(stride: usize, dilation: usize, padding: Padding) -> FrameConvOptions {
        FrameConvOptions { stride, dilation, padding, ..FrameConvOptions::default() }
    }

    /// The sum of the formula, in f64, for one output, from the weights and activations that the
    /// product reads.
    fn naive(layer: &FrameConv, weight: &[f64], x: &[f64], (t, o): (usize, usize)) -> f64 {
        let (inputs, taps) = (layer.inputs, layer.taps);
        let mut sum = f64::from(layer.bias[o]);
        for (i, j) in (0..inputs).flat_map(|i| (0..taps).map(move |j| (i, j))) {
            let place = (t * layer.geometry.stride + j * layer.geometry.dilation).checked_sub(layer.padding());
            if let Some(place) = place.filter(|place| *place < x.len() / inputs) {
                sum += weight[(o * inputs + i) * taps + j] * x[place * inputs + i];
            }
        }
        sum
    }

    fn check(sizes: [usize; 4], options: FrameConvOptions, precision: Precision) {
        let [outputs, inputs, taps, frames] = sizes;
        let weight = Tensor::new(&[outputs, inputs, taps], noise(outputs * inputs * taps, 0.1));
        let norm = Norm::new(noise(outputs, 0.2), noise(outputs, 0.3));
        let ones = vec![1.0; outputs];
        let layer = FrameConv::new(&weight, &ones, noise(outputs, 0.6), options, precision);
        assert_eq!(layer.precision(), precision);
        let x = noise(frames * inputs, 0.4);
        // rows three and two values farther apart than they are long, and NaN between them
        let (from, to) = (inputs + 3, outputs + 2);
        let mut input = vec![f32::NAN; frames * from];
        x.chunks(inputs).zip(input.chunks_mut(from)).for_each(|(x, row)| row[..inputs].copy_from_slice(x));
        let weight = weights_read(precision, weight.values(), inputs * taps);
        let block =
            if options.scales == ActivationScales::PerBlock && inputs.is_multiple_of(BLOCK) { BLOCK } else { inputs };
        let x = activations_read(precision, &x, block);
        for activation in [
            Activation::Linear,
            Activation::Relu,
            Activation::ReluNorm(norm.clone()),
            Activation::LeakyReluNorm(0.01, norm.clone()),
        ] {
            let layer = layer.clone().with_activation(activation.clone());
            let mut output = vec![f32::NAN; layer.frames_out(frames) * to];
            layer.run_rows((&input, from), frames, (&mut output, to), &mut Scratch::default());
            for (n, got) in output.iter().enumerate() {
                let (t, o) = (n / to, n % to);
                if o >= outputs {
                    assert!(got.is_nan(), "written between the rows");
                    continue;
                }
                let sum = naive(&layer, &weight, &x, (t, o));
                let normed = |y: f64| f64::from(norm.scale()[o]) * y + f64::from(norm.shift()[o]);
                let want = match activation {
                    Activation::Linear => sum,
                    Activation::Relu => sum.max(0.0),
                    Activation::ReluNorm(_) => normed(sum.max(0.0)),
                    Activation::LeakyReluNorm(..) => normed(sum.max(0.01_f32 as f64 * sum)),
                };
                let far = (want - f64::from(*got)).abs();
                assert!(far < 1e-4, "{precision:?} {sizes:?} {options:?}: {want} {got}");
            }
        }
    }

    #[test]
    fn equals_the_formula_at_odd_sizes() {
        for precision in BOTH {
            for (stride, dilation, frames) in [1, 2, 3]
                .into_iter()
                .flat_map(|s| [1, 2, 4].into_iter().flat_map(move |d| [0, 1, 2, 3, 9, 16].map(|n| (s, d, n))))
            {
                for taps in [1, 3, 5] {
                    check([5, 7, taps, frames], options(stride, dilation, Padding::Same), precision);
                    check([33, 1, taps, frames], options(stride, dilation, Padding::Same), precision);
                    check([5, 7, taps, frames], options(stride, dilation, Padding::Valid), precision);
                }
            }
            for (inputs, outputs, taps, stride) in
                [(1, 1, 1, 1), (1, 33, 10, 5), (7, 5, 3, 2), (6, 40, 2, 2), (9, 64, 1, 1), (2 * BLOCK, 3, 2, 1)]
            {
                for frames in [0, 1, taps, taps + 1, 3 * taps + 2 * stride, 50] {
                    let blocks = FrameConvOptions { stride, ..DENSE };
                    // blocks are read from contiguous frames and from frames with gaps
                    check([outputs, inputs, taps, frames], blocks, precision);
                }
            }
        }
    }

    #[test]
    fn a_residual_connection_adds_to_the_output() {
        for precision in BOTH {
            let layer =
                FrameConv::linear(Tensor::new(&[40, 9], noise(360, 0.1)), &[1.0; 40], noise(40, 0.2), precision);
            let (x, mut y, mut added) = (noise(11 * 9, 0.3), vec![f32::NAN; 11 * 40], vec![2.0; 11 * 40]);
            layer.run(&x, 11, &mut y, &mut Scratch::default());
            layer.run_adding(&x, 11, &mut added, &mut Scratch::default());
            assert!(y.iter().zip(&added).all(|(y, added)| (y + 2.0 - added).abs() < 1e-5), "{precision:?}");
        }
    }

    #[test]
    fn factors_scale_the_weights_and_not_the_bias() {
        let (weight, bias, factors) = (noise(21, 0.1), noise(3, 0.2), [0.5, -2.0, 0.0]);
        let x = noise(7, 0.3);
        for precision in BOTH {
            let of = |factors: &[f32], bias: Vec<f32>| {
                let layer = FrameConv::linear(Tensor::new(&[3, 7], weight.clone()), factors, bias, precision);
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

    #[test]
    fn a_prologue_equals_norm_and_relu_computed_before() {
        let (frames, inputs, outputs) = (2 * TILE + 3, 9, 5);
        let (x, norm) = (noise(frames * (inputs + 1), 0.1), Norm::new(noise(inputs, 0.2), noise(inputs, 0.3)));
        let mut active = vec![0.0; frames * inputs];
        norm.run_relu(&x, inputs + 1, frames, &mut active);
        let weight = Tensor::new(&[outputs, inputs, 1], noise(outputs * inputs, 0.4));
        for precision in BOTH {
            let layer = FrameConv::with_folded_norm(&weight, None, FrameConvOptions::default(), precision)
                .with_activation(Activation::Relu);
            let (mut want, mut got) = (vec![f32::NAN; frames * outputs], vec![f32::NAN; frames * outputs]);
            let mut scratch = Scratch::default();
            layer.run(&active, frames, &mut want, &mut scratch);
            let layer = layer.with_prologue(norm.clone());
            layer.run_rows((&x, inputs + 1), frames, (&mut got, outputs), &mut scratch);
            assert_eq!(got, want, "{precision:?}");
        }
    }

    #[test]
    fn bias_correction_removes_most_of_the_mean_error() {
        let (outputs, inputs, frames) = (20, 64, 50);
        let (weight, norm) = (
            Tensor::new(&[outputs, inputs, 3], noise(outputs * inputs * 3, 0.1)),
            Norm::new(noise(outputs, 0.2), noise(outputs, 0.3)),
        );
        let x: Vec<f32> = noise(frames * inputs, 0.4).iter().map(|x| 1.0 + x).collect();
        let mean = |i: usize| x.chunks(inputs).map(|row| f64::from(row[i])).sum::<f64>() / frames as f64;
        let moments = Moments::new((0..inputs).map(mean).collect(), vec![0.0; inputs]);
        let same = options(1, 1, Padding::Same);
        let mean_out = |layer: &FrameConv| {
            let mut y = vec![f32::NAN; frames * outputs];
            layer.run(&x, frames, &mut y, &mut Scratch::default());
            (0..outputs)
                .map(|o| y.chunks(outputs).map(|row| f64::from(row[o])).sum::<f64>() / frames as f64)
                .collect::<Vec<_>>()
        };
        let want = mean_out(&FrameConv::with_folded_norm(&weight, Some(&norm), same, Precision::F32));
        let error = |layer: &FrameConv| {
            mean_out(layer).iter().zip(&want).map(|(got, want)| (got - want).powi(2)).sum::<f64>().sqrt()
        };
        let plain = error(&FrameConv::with_folded_norm(&weight, Some(&norm), same, Precision::Int8));
        let corrected = error(&FrameConv::with_bias_correction(&weight, Some(&norm), same, Precision::Int8, &moments));
        assert!(corrected < 0.3 * plain, "{corrected} of {plain}");
    }

    #[test]
    fn a_used_scratch_does_not_change_the_result() {
        let weight = Tensor::new(&[3, 4, 3], noise(36, 0.1));
        let layer = FrameConv::with_folded_norm(&weight, None, options(1, 2, Padding::Same), Precision::Int8);
        let run = |scratch: &mut Scratch, x: &[f32]| {
            let mut y = vec![f32::NAN; x.len() / 4 * 3];
            layer.run(x, x.len() / 4, &mut y, scratch);
            y
        };
        let mut used = Scratch::default();
        assert!(run(&mut used, &[f32::NAN; 80]).iter().all(|y| y.is_nan()));
        assert_eq!(run(&mut used, &noise(28, 0.2)), run(&mut Scratch::default(), &noise(28, 0.2)));
    }

    #[test]
    fn without_a_norm_the_bias_is_zero() {
        let weight = Tensor::new(&[1, 1, 1], vec![2.0]);
        let layer = FrameConv::with_folded_norm(&weight, None, FrameConvOptions::default(), Precision::F32);
        let mut y = [f32::NAN; 2];
        layer.run(&[3.0, -1.0], 2, &mut y, &mut Scratch::default());
        assert_eq!(y, [6.0, -2.0]);
    }

    #[test]
    fn the_number_of_frames_is_pytorchs() {
        let of = |taps: usize, options: FrameConvOptions| {
            FrameConv::with_folded_norm(&Tensor::new(&[1, 1, taps], vec![0.0; taps]), None, options, Precision::F32)
        };
        let strided = of(10, options(5, 1, Padding::Valid));
        assert_eq!([0, 9, 10, 14, 15, 16_000].map(|n| strided.frames_out(n)), [0, 0, 1, 1, 2, 3_199]);
        let padded = of(5, options(2, 3, Padding::Same));
        assert_eq!([0, 1, 2, 3, 16].map(|n| padded.frames_out(n)), [0, 1, 1, 2, 8]);
        let dilated = of(3, options(1, 2, Padding::Valid));
        assert_eq!([3, 4, 5, 11].map(|n| dilated.frames_out(n)), [0, 0, 1, 7]);
    }

    #[test]
    fn later_frames_do_not_change_earlier_outputs() {
        let weight = Tensor::new(&[8, 6, 3], noise(144, 0.1));
        let x = noise(40 * 6, 0.5);
        for precision in BOTH {
            let norm = Norm::new(noise(8, 0.3), noise(8, 0.4));
            let layer = FrameConv::new(&weight, &[1.0; 8], noise(8, 0.2), options(1, 2, Padding::Valid), precision)
                .with_activation(Activation::ReluNorm(norm));
            let run = |frames: usize| {
                let mut y = vec![0.0; (frames - 4) * 8];
                layer.run(&x[..frames * 6], frames, &mut y, &mut Scratch::default());
                y
            };
            assert_eq!(run(11), run(40)[..7 * 8]);
        }
    }

    #[test]
    fn a_part_of_the_input_gives_the_rows_of_the_whole() {
        for precision in BOTH {
            let weight = Tensor::new(&[40, 3, 3], noise(360, 0.1));
            let dense = FrameConvOptions { stride: 2, ..DENSE };
            let layer = FrameConv::new(&weight, &[1.0; 40], noise(40, 0.2), dense, precision);
            let x = noise(3 * 41, 0.3);
            let mut whole = vec![0.0; layer.frames_out(41) * 40];
            layer.run(&x, 41, &mut whole, &mut Scratch::default());
            for (first, count) in [(0, 1), (3, 5), (12, 8)] {
                let frames = (count - 1) * 2 + 3;
                let mut part = vec![0.0; count * 40];
                layer.run(&x[first * 2 * 3..][..frames * 3], frames, &mut part, &mut Scratch::default());
                assert_eq!(part, whole[first * 40..][..count * 40], "{precision:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "no middle")]
    fn an_even_number_of_taps_cannot_be_padded() {
        let weight = Tensor::new(&[1, 1, 2], vec![0.0; 2]);
        FrameConv::with_folded_norm(&weight, None, options(1, 1, Padding::Same), Precision::F32);
    }
}
