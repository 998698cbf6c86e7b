//! Convolution over frames whose channels are neighbours.

use std::ops::Range;

use crate::error::Result;
use crate::kernels::gemm::{Matrix, MatrixMut, Product};
use crate::kernels::packed::Packed;
use crate::nn::tdnn::taps_inputs_outputs;
use crate::nn::{Norm, Tensor, Weights};

/// PyTorch's `nn.Conv1d` on `[frames, channels]`, with an optional batch norm behind it:
///
/// ```text
/// y[t, o] = b[o] + Σ_i Σ_j W[o, i, j] · x[t · stride + (j − half) · dilation, i]        half = (taps − 1) / 2
/// ```
///
/// with `x` zero outside its frames: the padding is `half · dilation`, so that without a stride as many frames come out as go in. Each tap is one
/// matrix product, added to the ones before. Rows of input and output may lie in wider matrices: a dense block's layer writes its columns beside
/// those that it read.
#[derive(Clone, Debug)]
pub struct FrameConv {
    inputs: usize,
    stride: usize,
    dilation: usize,
    /// Each `[inputs, outputs]`.
    taps: Vec<Packed>,
    bias: Vec<f32>,
}

impl FrameConv {
    /// `weight` is `[outputs, inputs, taps]`; `norm` is folded into it.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit each other, the taps are an even number, or stride or dilation is 0.
    pub fn new(weight: &Tensor, norm: Option<&Norm>, stride: usize, dilation: usize) -> Self {
        let &[outputs, inputs, taps] = weight.shape() else { panic_shape(weight.shape()) };
        assert!(taps % 2 == 1 && stride > 0 && dilation > 0, "{taps} taps, stride {stride}, dilation {dilation}");
        assert!(norm.is_none_or(|norm| norm.channels() == outputs), "a norm of as many channels as outputs");
        let mut turned = taps_inputs_outputs(weight.values(), [outputs, inputs, taps]);
        if let Some(norm) = norm {
            for row in turned.chunks_exact_mut(outputs.max(1)) {
                row.iter_mut().zip(norm.scale()).for_each(|(w, scale)| *w *= scale);
            }
        }
        let size = inputs * outputs;
        let tap = |j: usize| Packed::new(&turned[j * size..(j + 1) * size], (inputs, outputs));
        let bias = norm.map_or(vec![0.0; outputs], |norm| norm.shift().to_vec());
        Self { inputs, stride, dilation, taps: (0..taps).map(tap).collect(), bias }
    }

    /// Takes `{prefix}.weight` of the given shape `[outputs, inputs, taps]`.
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
        norm: Option<&Norm>,
        [stride, dilation]: [usize; 2],
    ) -> Result<Self> {
        let weight = weights.take(&format!("{prefix}.weight"), &shape)?;
        Ok(Self::new(&weight, norm, stride, dilation))
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
    pub fn run(&self, input: &[f32], input_stride: usize, frames: usize, output: &mut [f32], output_stride: usize) {
        let (inputs, outputs) = (self.inputs, self.outputs());
        for row in output.chunks_mut(output_stride.max(1)).take(self.frames_out(frames)) {
            row[..outputs].copy_from_slice(&self.bias);
        }
        for (j, tap) in self.taps.iter().enumerate() {
            let at = self.outputs_reading_inside(j, frames);
            if at.is_empty() {
                continue;
            }
            let first = at.start * self.stride + j * self.dilation - self.padding();
            let x = Matrix::new(&input[first * input_stride..], (at.len(), inputs), (self.stride * input_stride, 1));
            let y = MatrixMut::new(&mut output[at.start * output_stride..], (at.len(), outputs), output_stride);
            tap.multiply(x, y, Product::Adds);
        }
    }

    fn padding(&self) -> usize {
        self.taps.len() / 2 * self.dilation
    }

    /// The outputs `t` with `0 ≤ t · stride + tap · dilation − padding < frames`.
    fn outputs_reading_inside(&self, tap: usize, frames: usize) -> Range<usize> {
        let offset = tap * self.dilation;
        let start = self.padding().saturating_sub(offset).div_ceil(self.stride);
        let end = (frames + self.padding()).saturating_sub(offset).div_ceil(self.stride);
        start..end.min(self.frames_out(frames)).max(start)
    }
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

    fn check([outputs, inputs, taps, stride, dilation, frames]: [usize; 6]) {
        let weight = Tensor::new(&[outputs, inputs, taps], noise(outputs * inputs * taps, 0.1));
        let norm = Norm::new(noise(outputs, 0.2), noise(outputs, 0.3));
        let layer = FrameConv::new(&weight, Some(&norm), stride, dilation);
        let x = noise(frames * inputs, 0.4);
        // rows three and two values farther apart than they are long, and NaN between them
        let (from, to) = (inputs + 3, outputs + 2);
        let mut input = vec![f32::NAN; frames * from];
        x.chunks(inputs).zip(input.chunks_mut(from)).for_each(|(x, row)| row[..inputs].copy_from_slice(x));
        let frames_out = layer.frames_out(frames);
        let mut output = vec![f32::NAN; frames_out * to];
        layer.run(&input, from, frames, &mut output, to);
        for (n, got) in output.iter().enumerate() {
            let (t, o) = (n / to, n % to);
            if o >= outputs {
                assert!(got.is_nan(), "written between the rows");
                continue;
            }
            let want = naive(&layer, &weight, &norm, &x, frames, (t, o));
            assert!((want - f64::from(*got)).abs() < 1e-4, "stride {stride}, dilation {dilation}: {want} {got}");
        }
    }

    #[test]
    fn equals_the_formula_at_odd_sizes() {
        for taps in [1, 3, 5] {
            for stride in [1, 2, 3] {
                for dilation in [1, 2, 4] {
                    for frames in [0, 1, 2, 3, 9, 16] {
                        check([5, 7, taps, stride, dilation, frames]);
                        check([33, 1, taps, stride, dilation, frames]);
                    }
                }
            }
        }
    }

    #[test]
    fn without_a_norm_there_is_no_bias() {
        let layer = FrameConv::new(&Tensor::new(&[1, 1, 1], vec![2.0]), None, 1, 1);
        let mut y = [f32::NAN; 2];
        layer.run(&[3.0, -1.0], 1, 2, &mut y, 1);
        assert_eq!(y, [6.0, -2.0]);
    }
}
