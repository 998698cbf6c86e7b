//! Strided convolution, group norm over time and GELU: the first layer of WavLM Base.

use crate::error::Result;
use crate::kernels::gelu::scale_shift_gelu;
use crate::nn::frame_conv::{FrameConv, FrameConvOptions};
use crate::nn::loader::Loader;
use crate::nn::precision::Precision;
use crate::nn::scratch::Scratch;
use crate::nn::tensor::Tensor;

/// A strided convolution, PyTorch's `nn.GroupNorm` with one group per channel (Wu and He 2018), and
/// GELU:
///
/// ```text
/// y[t, o] = gelu(w[o] · (c[t, o] − mean_o) / sqrt(var_o + eps) + b[o])        c = conv(x); mean and var over all frames t
/// ```
///
/// The statistics of the norm need the whole signal, and the output of the convolution is large:
/// 512 values for every 5 samples. But each `c[t, o]` is linear in the window `u_t` of samples that
/// it reads, so its statistics follow from those of the windows:
///
/// ```text
/// mean_o = W_o · m + bias_o        var_o = W_oᵀ · C · W_o        m = mean of u_t, C = mean of (u_t − m)(u_t − m)ᵀ
/// ```
///
/// ([`Self::plan`]). Then the output is computed part by part ([`Self::run`]). Windows must be
/// short, because C has the square of their length. The convolution is always in
/// [`Precision::F32`], so that the statistics are those of its products.
#[derive(Clone, Debug)]
pub struct GroupNormConv {
    conv: FrameConv,
    /// `[outputs, inputs · taps]`, in the order of a window: tap by tap.
    rows: Vec<f32>,
    conv_bias: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f64,
}

impl GroupNormConv {
    /// `conv_weight` is `[outputs, inputs, taps]`; the convolution's bias and the norm's weight and
    /// bias are `[outputs]`.
    ///
    /// # Panics
    ///
    /// If the shapes do not match.
    pub fn new(
        conv_weight: &Tensor,
        conv_bias: Vec<f32>,
        stride: usize,
        [weight, bias]: [Vec<f32>; 2],
        eps: f64,
    ) -> Self {
        let conv = FrameConv::new(
            conv_weight,
            &vec![1.0; conv_bias.len()],
            conv_bias.clone(),
            FrameConvOptions { stride, ..FrameConvOptions::default() },
            Precision::F32,
        );
        assert!(weight.len() == conv.outputs() && bias.len() == conv.outputs());
        let (inputs, taps) = (conv.inputs(), conv.taps());
        let mut rows = Vec::with_capacity(conv_weight.values().len());
        for of_output in conv_weight.values().chunks_exact(inputs * taps) {
            rows.extend((0..taps).flat_map(|j| (0..inputs).map(move |i| of_output[i * taps + j])));
        }
        Self { conv, rows, conv_bias, weight, bias, eps }
    }

    /// Takes `{conv}.weight` of the given shape `[outputs, inputs, taps]`, `{conv}.bias` if
    /// `biased`, `{norm}.weight` and `{norm}.bias`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, or has a wrong shape or a
    /// non-finite value.
    pub fn load(
        loader: &mut Loader<'_>,
        [conv, norm]: [&str; 2],
        shape: [usize; 3],
        (stride, biased): (usize, bool),
        eps: f64,
    ) -> Result<Self> {
        let conv_weight = loader.take(&format!("{conv}.weight"), &shape)?;
        let mut vector = |name: String| loader.take(&name, &shape[..1]).map(Tensor::into_values);
        let conv_bias = if biased { vector(format!("{conv}.bias"))? } else { vec![0.0; shape[0]] };
        let affine = [vector(format!("{norm}.weight"))?, vector(format!("{norm}.bias"))?];
        Ok(Self::new(&conv_weight, conv_bias, stride, affine, eps))
    }

    /// The convolution.
    pub fn conv(&self) -> &FrameConv {
        &self.conv
    }

    /// Computes the scale and shift of each channel that the norm applies to the output of the
    /// convolution, for a signal `[frames, inputs]`. Without any output frame there is no mean, and
    /// both are left unchanged.
    ///
    /// # Panics
    ///
    /// If a slice has another length.
    pub fn plan(&self, input: &[f32], frames: usize, scale: &mut [f32], shift: &mut [f32]) {
        let (outputs, width) = (self.conv.outputs(), self.conv.inputs() * self.conv.taps());
        assert!(input.len() == frames * self.conv.inputs() && scale.len() == outputs && shift.len() == outputs);
        let count = self.conv.frames_out(frames);
        if count == 0 {
            return;
        }
        let windows = || input.windows(width).step_by(self.conv.stride() * self.conv.inputs()).take(count);
        let (mean, covariance) = moments(windows, width);
        for (o, row) in self.rows.chunks_exact(width).enumerate() {
            let product = |v: &[f64]| row.iter().zip(v).map(|(w, v)| f64::from(*w) * v).sum::<f64>();
            let per_tap: Vec<f64> = covariance.chunks_exact(width).map(product).collect();
            let (mean, variance) = (product(&mean) + f64::from(self.conv_bias[o]), product(&per_tap).max(0.0));
            let s = f64::from(self.weight[o]) / (variance + self.eps).sqrt();
            (scale[o], shift[o]) = (s as f32, (f64::from(self.bias[o]) - mean * s) as f32);
        }
    }

    /// A part of the signal, `[frames, inputs]` → `[frames_out, outputs]`, with the scale and shift
    /// of [`Self::plan`].
    ///
    /// # Panics
    ///
    /// If a slice has another length.
    pub fn run(&self, input: &[f32], frames: usize, scale: &[f32], shift: &[f32], output: &mut [f32]) {
        self.conv.run(input, frames, output, &mut Scratch::default());
        scale_shift_gelu(output, scale, shift);
    }
}

/// Mean and covariance of windows of `width` values, in two passes so that a large mean does not
/// reduce the precision.
fn moments<'a, W: Iterator<Item = &'a [f32]>>(windows: impl Fn() -> W, width: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut mean, mut covariance) = (vec![0.0; width], vec![0.0; width * width]);
    let mut count = 0.0_f64;
    for window in windows() {
        mean.iter_mut().zip(window).for_each(|(m, x)| *m += f64::from(*x));
        count += 1.0;
    }
    for m in &mut mean {
        *m /= count;
    }
    let mut centred = vec![0.0; width];
    for window in windows() {
        centred.iter_mut().zip(window.iter().zip(&mean)).for_each(|(c, (x, m))| *c = f64::from(*x) - m);
        for (row, a) in covariance.chunks_exact_mut(width).zip(&centred) {
            row.iter_mut().zip(&centred).for_each(|(sum, b)| *sum += a * b);
        }
    }
    for sum in &mut covariance {
        *sum /= count;
    }
    (mean, covariance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin() + (i as f32 * 2.13).cos()).collect()
    }

    /// Mean and variance of each channel of `[frames, channels]`, in f64.
    fn statistics(rows: &[f32], channels: usize, c: usize) -> (f64, f64) {
        let column: Vec<f64> = rows.iter().skip(c).step_by(channels).map(|x| f64::from(*x)).collect();
        let n = column.len() as f64;
        let mean = column.iter().sum::<f64>() / n;
        (mean, column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n)
    }

    #[test]
    fn equals_the_norm_of_the_whole_output() {
        for (inputs, outputs, taps, stride, frames) in [(1, 17, 10, 5, 203), (2, 5, 3, 2, 40), (1, 3, 4, 4, 4)] {
            let weight = Tensor::new(&[outputs, inputs, taps], noise(outputs * inputs * taps, 0.1));
            let affine = [noise(outputs, 0.2), noise(outputs, 0.3)];
            let layer = GroupNormConv::new(&weight, noise(outputs, 0.4), stride, affine.clone(), 1e-5);
            let x: Vec<f32> = noise(frames * inputs, 0.5).iter().map(|x| x + 3.0).collect();
            let count = layer.conv().frames_out(frames);
            let mut plain = vec![0.0; count * outputs];
            layer.conv().run(&x, frames, &mut plain, &mut Scratch::default());
            let (mut scale, mut shift) = (vec![f32::NAN; outputs], vec![f32::NAN; outputs]);
            layer.plan(&x, frames, &mut scale, &mut shift);
            for c in 0..outputs {
                let (mean, variance) = statistics(&plain, outputs, c);
                let s = f64::from(affine[0][c]) / (variance + 1e-5).sqrt();
                let t = f64::from(affine[1][c]) - mean * s;
                let close = |want: f64, got: f32| (want - f64::from(got)).abs() < 1e-4 * (1.0 + want.abs());
                // with one frame the variance is a rounding error, compared with eps
                assert!(count == 1 || (close(s, scale[c]) && close(t, shift[c])), "{s} {} {t} {}", scale[c], shift[c]);
            }
            let mut output = vec![f32::NAN; count * outputs];
            layer.run(&x, frames, &scale, &shift, &mut output);
            scale_shift_gelu(&mut plain, &scale, &shift);
            assert_eq!(output, plain);
        }
    }

    #[test]
    fn a_signal_shorter_than_a_window_leaves_scale_and_shift_unchanged() {
        let layer =
            GroupNormConv::new(&Tensor::new(&[1, 1, 3], vec![1.0; 3]), vec![0.0], 1, [vec![1.0], vec![0.0]], 1e-5);
        let (mut scale, mut shift) = ([7.0], [7.0]);
        layer.plan(&[1.0, 2.0], 2, &mut scale, &mut shift);
        assert_eq!((scale, shift), ([7.0], [7.0]));
    }
}
