//! Convolution over frames whose channels are neighbours.

use std::ops::Range;

use crate::error::Result;
use crate::kernels::epilogue::{Epilogue, Output};
use crate::kernels::int8::{Int8Rows, Int8Weights, MAX_INPUTS, QuantisedRows};
use crate::kernels::packed::{Packed, Rows};
use crate::nn::tdnn::int8_taps;
use crate::nn::{Moments, Norm, Precision, Scratch, Tensor, Weights, rounding};

/// PyTorch's `nn.Conv1d` on `[frames, channels]`, with an optional batch norm behind it:
///
/// ```text
/// y[t, o] = b[o] + Σ_i Σ_j W[o, i, j] · x[t · stride + (j − half) · dilation, i]        half = (taps − 1) / 2
/// ```
///
/// with `x` zero outside its frames: the padding is `half · dilation`, so that without a stride as many frames come out as go in. Outputs
/// that read the same taps are one product. Rows of input and output may lie in wider matrices: a dense block's layer writes its columns beside those
/// that it read.
#[derive(Clone, Debug)]
pub struct FrameConv {
    inputs: usize,
    taps: usize,
    stride: usize,
    dilation: usize,
    weights: TapWeights,
    bias: Vec<f32>,
}

#[derive(Clone, Debug)]
enum TapWeights {
    F32(Packed),
    Int8(Int8Weights),
}

/// Frames of which an activation is made and multiplied at a time: four of the products' tiles, which stay in the second-level cache.
const TILE: usize = 40;

impl FrameConv {
    /// `weight` is `[outputs, inputs, taps]`; `norm` is folded into it. More inputs than [`MAX_INPUTS`] are computed in [`Precision::F32`] whatever is
    /// asked for.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit each other, the taps are an even number, or stride or dilation is 0.
    pub fn new(weight: &Tensor, norm: Option<&Norm>, [stride, dilation]: [usize; 2], precision: Precision) -> Self {
        let &[outputs, inputs, taps] = weight.shape() else { panic_shape(weight.shape()) };
        assert!(taps % 2 == 1 && stride > 0 && dilation > 0, "{taps} taps, stride {stride}, dilation {dilation}");
        assert!(norm.is_none_or(|norm| norm.channels() == outputs), "a norm of as many channels as outputs");
        let ones = vec![1.0; outputs];
        let factors = norm.map_or(&ones[..], Norm::scale);
        let weights = if precision == Precision::Int8 && inputs <= MAX_INPUTS {
            TapWeights::Int8(int8_taps(weight.values(), factors, [outputs, inputs, taps]))
        } else {
            TapWeights::F32(Packed::of_convolution(weight.values(), factors, [outputs, inputs, taps]))
        };
        let bias = norm.map_or(vec![0.0; outputs], |norm| norm.shift().to_vec());
        Self { inputs, taps, stride, dilation, weights, bias }
    }

    /// As [`Self::new`], for inputs of these moments: the bias takes back what codes lose.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn with_inputs(
        weight: &Tensor,
        norm: Option<&Norm>,
        strides: [usize; 2],
        precision: Precision,
        inputs: &Moments,
    ) -> Self {
        let mut layer = Self::new(weight, norm, strides, precision);
        if layer.in_codes() {
            rounding::make_up(&mut layer.bias, &rounding::lost(weight, inputs), norm);
        }
        layer
    }

    /// Takes `{prefix}.weight` of the given shape `[outputs, inputs, taps]`, for inputs of these moments.
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
        norm: Option<&Norm>,
        strides: [usize; 2],
        inputs: &Moments,
    ) -> Result<Self> {
        let name = format!("{prefix}.weight");
        let weight = weights.take(&name, &shape)?;
        let mut layer = Self::new(&weight, norm, strides, weights.precision());
        let lacking = rounding::lacking(weights, &name, (&weight, inputs), layer.in_codes())?;
        rounding::make_up(&mut layer.bias, &lacking, norm);
        Ok(layer)
    }

    fn in_codes(&self) -> bool {
        matches!(self.weights, TapWeights::Int8(_))
    }

    /// Channels of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Channels of the output.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Frames that come out of `frames`: `ceil(frames / stride)`.
    pub fn frames_out(&self, frames: usize) -> usize {
        frames.div_ceil(self.stride)
    }

    /// `frames` rows of `input`, `input_stride` apart, → [`Self::frames_out`] rows of `output`, `output_stride` apart. What lies between the
    /// rows is neither read nor written.
    ///
    /// # Panics
    ///
    /// If a slice is too short for its rows, or `output`'s rows overlap.
    pub fn run(
        &self,
        (input, input_stride): (&[f32], usize),
        frames: usize,
        (output, output_stride): (&mut [f32], usize),
        epilogue: Epilogue<'_>,
        scratch: &mut Scratch,
    ) {
        match &self.weights {
            TapWeights::F32(weights) => {
                self.run_f32(weights, (input, input_stride), frames, (output, output_stride), epilogue);
            }
            TapWeights::Int8(weights) => {
                scratch.codes.quantise(rows(input, input_stride, frames, self.inputs), self.inputs);
                self.run_int8(weights, &scratch.codes, frames, (output, output_stride), epilogue);
            }
        }
    }

    /// As [`Self::run`] on what `norm` and a ReLU make of `input`. Nothing of it is written out but a few frames, or codes.
    ///
    /// # Panics
    ///
    /// As [`Self::run`], or if the norm has other channels than the input, or the layer is no linear map of single frames.
    pub fn run_behind(
        &self,
        norm: &Norm,
        (input, input_stride): (&[f32], usize),
        frames: usize,
        (output, output_stride): (&mut [f32], usize),
        epilogue: Epilogue<'_>,
        scratch: &mut Scratch,
    ) {
        let channels = self.inputs;
        assert!(norm.channels() == channels && self.taps == 1 && self.stride == 1, "a linear map behind its norm");
        match &self.weights {
            TapWeights::F32(weights) => {
                scratch.values.resize(TILE.min(frames) * channels, 0.0);
                for first in (0..frames).step_by(TILE) {
                    let count = TILE.min(frames - first);
                    let active = &mut scratch.values[..count * channels];
                    norm.run_relu(&input[first * input_stride..], input_stride, count, active);
                    let out = (&mut output[first * output_stride..], output_stride);
                    self.run_f32(weights, (active, channels), count, out, epilogue.from_offset(first * output_stride));
                }
            }
            TapWeights::Int8(weights) => {
                let rows = rows(input, input_stride, frames, channels);
                scratch.codes.quantise_norm_relu(rows, norm.scale(), norm.shift());
                self.run_int8(weights, &scratch.codes, frames, (output, output_stride), epilogue);
            }
        }
    }

    fn run_f32(
        &self,
        weights: &Packed,
        (input, input_stride): (&[f32], usize),
        frames: usize,
        (output, output_stride): (&mut [f32], usize),
        epilogue: Epilogue<'_>,
    ) {
        let strides = [self.stride * input_stride, self.dilation * input_stride];
        for Run { outputs, taps, first } in self.runs(frames) {
            let from = outputs.start * output_stride;
            let (values, epilogue) = (&mut output[from..], epilogue.from_offset(from));
            let out = Output { values, stride: output_stride, bias: &self.bias, epilogue };
            weights.run(Rows { values: &input[first * input_stride..], strides }, taps, outputs.len(), out);
        }
    }

    fn run_int8(
        &self,
        weights: &Int8Weights,
        codes: &QuantisedRows,
        frames: usize,
        (output, output_stride): (&mut [f32], usize),
        epilogue: Epilogue<'_>,
    ) {
        for Run { outputs, taps, first } in self.runs(frames) {
            let x = Int8Rows {
                values: &codes.values()[first * self.inputs..],
                strides: [self.stride * self.inputs, self.dilation * self.inputs],
                scales: &codes.scales()[first..],
                offsets: codes.offsets().get(first..).unwrap_or_default(),
                scale_strides: [self.stride, self.dilation],
            };
            let from = outputs.start * output_stride;
            let (values, epilogue) = (&mut output[from..], epilogue.from_offset(from));
            let out = Output { values, stride: output_stride, bias: &self.bias, epilogue };
            weights.run(&x, taps, outputs.len(), out);
        }
    }

    /// All outputs, those that read the same taps together.
    fn runs(&self, frames: usize) -> impl Iterator<Item = Run> {
        let mut t = 0;
        std::iter::from_fn(move || {
            let end = self.frames_out(frames);
            if t == end {
                return None;
            }
            let (from, taps) = (t, self.taps_inside(t, frames));
            t += 1 + (t + 1..end).take_while(|later| self.taps_inside(*later, frames) == taps).count();
            let first = from * self.stride + taps.start * self.dilation - self.padding();
            Some(Run { outputs: from..t, taps, first })
        })
    }

    fn padding(&self) -> usize {
        self.taps / 2 * self.dilation
    }

    /// The taps of output `t` that read inside the frames: never none, as the one in the middle does.
    fn taps_inside(&self, t: usize, frames: usize) -> Range<usize> {
        let place = t * self.stride;
        let start = self.padding().saturating_sub(place).div_ceil(self.dilation);
        let end = (frames + self.padding()).saturating_sub(place).div_ceil(self.dilation);
        start..end.min(self.taps).max(start)
    }
}

/// Outputs that read the same taps, and the frame that the first tap of the first of them reads.
struct Run {
    outputs: Range<usize>,
    taps: Range<usize>,
    first: usize,
}

/// The first `length` values of `frames` rows.
fn rows(values: &[f32], stride: usize, frames: usize, length: usize) -> impl ExactSizeIterator<Item = &[f32]> {
    values.chunks(stride.max(1)).take(frames).map(move |row| &row[..length])
}

#[expect(clippy::panic, reason = "a shape that no loader lets through: a mistake in the program")]
fn panic_shape(shape: &[usize]) -> ! {
    panic!("{shape:?} is no weight of a convolution over frames")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    /// The formula, in f64, for one output, with the norm behind it.
    fn naive(layer: &FrameConv, weight: &Tensor, norm: &Norm, x: &[f32], frames: usize, (t, o): (usize, usize)) -> f64 {
        let &[_, inputs, taps] = weight.shape() else { unreachable!() };
        let mut sum = 0.0;
        for (i, j) in (0..inputs).flat_map(|i| (0..taps).map(move |j| (i, j))) {
            let place = (t * layer.stride + j * layer.dilation).checked_sub(taps / 2 * layer.dilation);
            if let Some(place) = place.filter(|place| *place < frames) {
                sum += f64::from(weight.values()[(o * inputs + i) * taps + j]) * f64::from(x[place * inputs + i]);
            }
        }
        sum * f64::from(norm.scale()[o]) + f64::from(norm.shift()[o])
    }

    /// Half a step of the weights' and of the activations' codes, in each product; both are at most 1 here.
    fn tolerance(precision: Precision, products: usize) -> f64 {
        match precision {
            Precision::F32 => 1e-4,
            Precision::Int8 => 1e-4 + products as f64 * (0.5 / 127.0 + 1.0 / 255.0),
        }
    }

    fn check(sizes: [usize; 6], precision: Precision) {
        let [outputs, inputs, taps, stride, dilation, frames] = sizes;
        let weight = Tensor::new(&[outputs, inputs, taps], noise(outputs * inputs * taps, 0.1));
        let norm = Norm::new(noise(outputs, 0.2), noise(outputs, 0.3));
        let layer = FrameConv::new(&weight, Some(&norm), [stride, dilation], precision);
        let x = noise(frames * inputs, 0.4);
        // rows three and two values farther apart than they are long, and NaN between them
        let (from, to) = (inputs + 3, outputs + 2);
        let mut input = vec![f32::NAN; frames * from];
        x.chunks(inputs).zip(input.chunks_mut(from)).for_each(|(x, row)| row[..inputs].copy_from_slice(x));
        let frames_out = layer.frames_out(frames);
        let mut output = vec![f32::NAN; frames_out * to];
        let mut scratch = Scratch::default();
        layer.run((&input, from), frames, (&mut output, to), Epilogue::Relu, &mut scratch);
        for (n, got) in output.iter().enumerate() {
            let (t, o) = (n / to, n % to);
            if o >= outputs {
                assert!(got.is_nan(), "written between the rows");
                continue;
            }
            let want = naive(&layer, &weight, &norm, &x, frames, (t, o)).max(0.0);
            let far = (want - f64::from(*got)).abs();
            assert!(far < tolerance(precision, inputs * taps), "stride {stride}, dilation {dilation}: {want} {got}");
        }
    }

    #[test]
    fn equals_the_formula_at_odd_sizes() {
        for taps in [1, 3, 5] {
            for stride in [1, 2, 3] {
                for dilation in [1, 2, 4] {
                    for frames in [0, 1, 2, 3, 9, 16] {
                        for precision in [Precision::F32, Precision::Int8] {
                            check([5, 7, taps, stride, dilation, frames], precision);
                            check([33, 1, taps, stride, dilation, frames], precision);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn behind_a_norm_is_as_behind_its_values() {
        let (frames, inputs, outputs) = (2 * TILE + 3, 9, 5);
        let (x, norm) = (noise(frames * (inputs + 1), 0.1), Norm::new(noise(inputs, 0.2), noise(inputs, 0.3)));
        let mut active = vec![0.0; frames * inputs];
        norm.run_relu(&x, inputs + 1, frames, &mut active);
        let weight = Tensor::new(&[outputs, inputs, 1], noise(outputs * inputs, 0.4));
        for precision in [Precision::F32, Precision::Int8] {
            let layer = FrameConv::new(&weight, None, [1, 1], precision);
            let (mut want, mut got) = (vec![f32::NAN; frames * outputs], vec![f32::NAN; frames * outputs]);
            let mut scratch = Scratch::default();
            layer.run((&active, inputs), frames, (&mut want, outputs), Epilogue::Relu, &mut scratch);
            layer.run_behind(&norm, (&x, inputs + 1), frames, (&mut got, outputs), Epilogue::Relu, &mut scratch);
            assert_eq!(got, want, "{precision:?}");
        }
    }

    #[test]
    fn what_codes_lose_in_the_mean_is_made_up_for() {
        let (outputs, inputs, frames) = (20, 64, 50);
        let (weight, norm) = (
            Tensor::new(&[outputs, inputs, 3], noise(outputs * inputs * 3, 0.1)),
            Norm::new(noise(outputs, 0.2), noise(outputs, 0.3)),
        );
        let x: Vec<f32> = noise(frames * inputs, 0.4).iter().map(|x| 1.0 + x).collect();
        let mean = |i: usize| x.chunks(inputs).map(|row| f64::from(row[i])).sum::<f64>() / frames as f64;
        let moments = Moments::new((0..inputs).map(mean).collect(), vec![0.0; inputs]);
        let mean_out = |layer: &FrameConv| {
            let mut y = vec![f32::NAN; frames * outputs];
            layer.run((&x, inputs), frames, (&mut y, outputs), Epilogue::Linear, &mut Scratch::default());
            (0..outputs)
                .map(|o| y.chunks(outputs).map(|row| f64::from(row[o])).sum::<f64>() / frames as f64)
                .collect::<Vec<_>>()
        };
        let want = mean_out(&FrameConv::new(&weight, Some(&norm), [1, 1], Precision::F32));
        let off = |layer: &FrameConv| {
            mean_out(layer).iter().zip(&want).map(|(got, want)| (got - want).powi(2)).sum::<f64>().sqrt()
        };
        let plain = off(&FrameConv::new(&weight, Some(&norm), [1, 1], Precision::Int8));
        let made_up = off(&FrameConv::with_inputs(&weight, Some(&norm), [1, 1], Precision::Int8, &moments));
        assert!(made_up < 0.3 * plain, "{made_up} of {plain}");
    }

    #[test]
    fn what_a_scratch_held_changes_nothing() {
        let layer = FrameConv::new(&Tensor::new(&[3, 4, 3], noise(36, 0.1)), None, [1, 2], Precision::Int8);
        let run = |scratch: &mut Scratch, x: &[f32]| {
            let mut y = vec![f32::NAN; x.len() / 4 * 3];
            layer.run((x, 4), x.len() / 4, (&mut y, 3), Epilogue::Linear, scratch);
            y
        };
        let mut used = Scratch::default();
        assert!(run(&mut used, &[f32::NAN; 80]).iter().all(|y| y.is_nan()));
        assert_eq!(run(&mut used, &noise(28, 0.2)), run(&mut Scratch::default(), &noise(28, 0.2)));
    }

    #[test]
    fn without_a_norm_there_is_no_bias() {
        let layer = FrameConv::new(&Tensor::new(&[1, 1, 1], vec![2.0]), None, [1, 1], Precision::F32);
        let mut y = [f32::NAN; 2];
        layer.run((&[3.0, -1.0], 1), 2, (&mut y, 1), Epilogue::Linear, &mut Scratch::default());
        assert_eq!(y, [6.0, -2.0]);
    }
}
