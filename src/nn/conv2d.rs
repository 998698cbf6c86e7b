//! Convolution over frames and bands.

use crate::error::Result;
use crate::kernels::finish::Finish;
use crate::kernels::gemm::{Matrix, MatrixMut, Product};
use crate::kernels::int8::{CodeRows, Codes, Int8Weights, MAX_INPUTS, Output};
use crate::kernels::packed::Packed;
use crate::nn::{Norm, Picture, Precision, Scratch, Tensor, Weights};

/// Values of a tile of frames: what is added up in several passes stays in the second-level cache.
const TILE: usize = 1 << 15;

/// PyTorch's `nn.Conv2d` with a square kernel of 1 or 3, half of it as padding, strided over the bands alone, and the batch norm behind it:
///
/// ```text
/// y[t, f, o] = b[o] + Σ_u Σ_v Σ_i W[o, i, v, u] · x[t + u − half, f · stride + v − half, i]
/// ```
///
/// with `x` zero outside the picture. In a [`Picture`] the taps over the bands are neighbours: a kernel's column is one matrix product whose
/// rows overlap, and no window is ever written out.
#[derive(Clone, Debug)]
pub struct Conv2d {
    inputs: usize,
    kernel: usize,
    stride: usize,
    weights: TapWeights,
    bias: Vec<f32>,
}

/// For each tap over the frames `[kernel · inputs, outputs]`.
#[derive(Clone, Debug)]
enum TapWeights {
    F32(Vec<Packed>),
    Int8(Int8Weights),
}

impl Conv2d {
    /// `weight` is `[outputs, inputs, kernel over bands, kernel over frames]`; `norm` is folded into it. More inputs than fit [`MAX_INPUTS`] are
    /// computed in [`Precision::F32`] whatever is asked for.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit each other, the kernel is neither 1 nor 3, or the stride is 0.
    pub fn new(weight: &Tensor, norm: &Norm, stride: usize, precision: Precision) -> Self {
        let (shape, outputs) = (weight.shape(), norm.channels());
        assert!(shape.len() == 4 && shape[0] == outputs && shape[2] == shape[3], "{shape:?}");
        let (inputs, kernel) = (shape[1], shape[2]);
        assert!((kernel == 1 || kernel == 3) && stride > 0, "kernel {kernel}, stride {stride}");
        let width = kernel * inputs;
        let weights = if precision == Precision::Int8 && width <= MAX_INPUTS {
            TapWeights::Int8(int8_taps(weight, norm))
        } else {
            let tap = |u: usize| {
                let mut packed = Vec::with_capacity(width * outputs);
                for (v, i) in (0..kernel).flat_map(|v| (0..inputs).map(move |i| (v, i))) {
                    let at = |o: usize| ((o * inputs + i) * kernel + v) * kernel + u;
                    packed.extend((0..outputs).map(|o| weight.values()[at(o)] * norm.scale()[o]));
                }
                Packed::new(&packed, (width, outputs))
            };
            TapWeights::F32((0..kernel).map(tap).collect())
        };
        Self { inputs, kernel, stride, weights, bias: norm.shift().to_vec() }
    }

    /// Takes `{conv}.weight` of the shape `[outputs, inputs, kernel, kernel]`, and the batch norm `{norm}`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Weights`] names the tensor that is missing, misshapen or not finite.
    ///
    /// # Panics
    ///
    /// As [`Self::new`] for kernel and stride.
    pub fn load(
        weights: &mut Weights<'_>,
        [conv, norm]: [&str; 2],
        [outputs, inputs, kernel]: [usize; 3],
        stride: usize,
        eps: f64,
        precision: Precision,
    ) -> Result<Self> {
        let weight = weights.take(&format!("{conv}.weight"), &[outputs, inputs, kernel, kernel])?;
        Ok(Self::new(&weight, &Norm::load(weights, norm, outputs, eps)?, stride, precision))
    }

    /// The picture that comes out of one.
    pub fn picture_out(&self, input: Picture) -> Picture {
        Picture { frames: input.frames, bands: input.bands.div_ceil(self.stride), channels: self.bias.len() }
    }

    /// A picture of `sizes` → one of [`Self::picture_out`]. In [`Precision::Int8`] nothing in the input may be negative: negative values count as 0.
    ///
    /// # Panics
    ///
    /// If a slice is not as long as its picture, or the picture has other channels than the weights.
    pub fn run(&self, input: &[f32], sizes: Picture, output: &mut [f32], finish: Finish<'_>, scratch: &mut Scratch) {
        let out = self.picture_out(sizes);
        assert!(sizes.channels == self.inputs && input.len() == sizes.len() && output.len() == out.len());
        match &self.weights {
            TapWeights::F32(taps) => self.run_f32(taps, input, sizes, output, finish),
            TapWeights::Int8(weights) => {
                scratch.codes.write_positive(input.chunks_exact(sizes.frame_stride().max(1)), sizes.frame_stride());
                // the margin behind the last frame
                scratch.codes.append_zeros(sizes.channels);
                self.run_int8(weights, &scratch.codes, sizes, output, finish);
            }
        }
        out.clear_margins(output, 0, out.frames);
    }

    fn run_f32(&self, taps: &[Packed], input: &[f32], sizes: Picture, output: &mut [f32], finish: Finish<'_>) {
        let out = self.picture_out(sizes);
        let step = (TILE / out.frame_stride().max(1)).max(1);
        for from in (0..out.frames).step_by(step) {
            let to = out.frames.min(from + step);
            for row in output[out.frame(from)..out.frame(to)].chunks_exact_mut(self.bias.len().max(1)) {
                row.copy_from_slice(&self.bias);
            }
            for (u, tap) in taps.iter().enumerate() {
                self.add_tap((u, tap), (from, to), input, sizes, output);
            }
            let tile = &mut output[out.frame(from)..out.frame(to)];
            finish.from(out.frame(from)).apply(tile, out.channels, out.channels);
        }
    }

    /// Adds what tap `u` over the frames makes of the input to the frames `from..to` of the output.
    fn add_tap(
        &self,
        (u, tap): (usize, &Packed),
        (from, to): (usize, usize),
        x: &[f32],
        sizes: Picture,
        y: &mut [f32],
    ) {
        let half = self.kernel / 2;
        let from = from.max(half.saturating_sub(u));
        let to = to.min((sizes.frames + half).saturating_sub(u));
        if from >= to {
            return;
        }
        let out = self.picture_out(sizes);
        let first = |t: usize| sizes.frame(t + u - half) - half * sizes.channels;
        let width = self.kernel * self.inputs;
        let mut product = |t: usize, rows: usize| {
            let a = Matrix::new(&x[first(t)..], (rows, width), (self.stride * self.inputs, 1));
            let c = MatrixMut::new(&mut y[out.frame(t)..], (rows, out.channels), out.channels);
            tap.multiply(a, c, Product::Adds);
        };
        if self.stride == 1 {
            // the margins between the frames are rows like any other, and cleared in the end
            product(from, (to - from) * (out.bands + 1) - 1);
        } else {
            (from..to).for_each(|t| product(t, out.bands));
        }
    }

    /// Frame by frame, as each frame of codes has its scale. A frame's codes begin with the margin before it.
    fn run_int8(&self, weights: &Int8Weights, codes: &Codes, sizes: Picture, output: &mut [f32], finish: Finish<'_>) {
        let (out, half) = (self.picture_out(sizes), self.kernel / 2);
        for t in 0..out.frames {
            let taps = half.saturating_sub(t)..self.kernel.min(sizes.frames + half - t);
            let first = t + taps.start - half;
            let x = CodeRows {
                codes: &codes.codes()[sizes.frame(first) - half * sizes.channels..],
                code_strides: [self.stride * sizes.channels, sizes.frame_stride()],
                scales: &codes.scales()[first..],
                lows: codes.lows(),
                scale_strides: [0, 1],
            };
            let from = out.frame(t);
            let (values, finish) = (&mut output[from..], finish.from(from));
            weights.run(&x, taps, out.bands, Output { values, stride: out.channels, bias: &self.bias, finish });
        }
    }
}

/// The codes of `[outputs, inputs, kernel over bands, kernel over frames]`, tap by tap over the frames, the norm folded in.
fn int8_taps(weight: &Tensor, norm: &Norm) -> Int8Weights {
    let (outputs, inputs, kernel) = (weight.shape()[0], weight.shape()[1], weight.shape()[2]);
    let mut turned = Vec::with_capacity(weight.values().len());
    for of_output in weight.values().chunks_exact((inputs * kernel * kernel).max(1)) {
        for (u, v) in (0..kernel).flat_map(|u| (0..kernel).map(move |v| (u, v))) {
            turned.extend((0..inputs).map(|i| of_output[(i * kernel + v) * kernel + u]));
        }
    }
    Int8Weights::new(&turned, norm.scale(), [kernel, kernel * inputs, outputs])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    struct Case {
        weight: Tensor,
        norm: Norm,
        stride: usize,
        /// `[frames, bands, inputs]`.
        x: Vec<f32>,
        sizes: Picture,
    }

    impl Case {
        fn new([outputs, inputs, kernel, stride, frames, bands]: [usize; 6]) -> Self {
            Self {
                weight: Tensor::new(&[outputs, inputs, kernel, kernel], noise(outputs * inputs * kernel * kernel, 0.1)),
                norm: Norm::new(noise(outputs, 0.2), noise(outputs, 0.3)),
                stride,
                x: noise(frames * bands * inputs, 0.4).iter().map(|x| x.abs()).collect(),
                sizes: Picture { frames, bands, channels: inputs },
            }
        }

        fn input(&self) -> Vec<f32> {
            let mut values = vec![0.0; self.sizes.len()];
            for (t, row) in self.x.chunks(self.sizes.frame_len()).enumerate() {
                values[self.sizes.frame(t)..][..row.len()].copy_from_slice(row);
            }
            values
        }

        /// The formula, in f64.
        fn naive(&self, t: usize, f: usize, o: usize) -> f64 {
            let &[_, inputs, kernel, _] = self.weight.shape() else { unreachable!() };
            let mut sum = 0.0;
            for (u, v, i) in
                (0..kernel * kernel * inputs).map(|n| (n / kernel % kernel, n % kernel, n / kernel / kernel))
            {
                let frame = (t + u).checked_sub(kernel / 2).filter(|t| *t < self.sizes.frames);
                let band = (f * self.stride + v).checked_sub(kernel / 2).filter(|f| *f < self.sizes.bands);
                if let Some((t, f)) = frame.zip(band) {
                    let w = self.weight.values()[((o * inputs + i) * kernel + v) * kernel + u];
                    sum += f64::from(w) * f64::from(self.x[(t * self.sizes.bands + f) * inputs + i]);
                }
            }
            sum * f64::from(self.norm.scale()[o]) + f64::from(self.norm.shift()[o])
        }

        fn check(&self, precision: Precision) {
            let layer = Conv2d::new(&self.weight, &self.norm, self.stride, precision);
            let out = layer.picture_out(self.sizes);
            let other = noise(out.len(), 0.5);
            let others = out.without_margins(&other);
            let mut y = vec![f32::NAN; out.len()];
            // half a step of the weights' and of the activations' codes, in each product; both are at most 1 here
            let products = (layer.kernel * layer.kernel * layer.inputs) as f64;
            let step = if precision == Precision::Int8 { 0.5 / 127.0 + 0.5 / 255.0 } else { 0.0 };
            for finish in [Finish::Linear, Finish::Relu, Finish::AddRelu(&other)] {
                layer.run(&self.input(), self.sizes, &mut y, finish, &mut Scratch::default());
                for (n, got) in out.without_margins(&y).iter().enumerate() {
                    let (t, f, o) = (n / out.channels / out.bands, n / out.channels % out.bands, n % out.channels);
                    let sum = self.naive(t, f, o);
                    let want = match finish {
                        Finish::Linear => sum,
                        Finish::Relu => sum.max(0.0),
                        Finish::AddRelu(_) => (sum + f64::from(others[n])).max(0.0),
                        Finish::ReluNorm(_) | Finish::LeakyReluNorm(..) => unreachable!(),
                    };
                    let far = (want - f64::from(*got)).abs();
                    assert!(far < 1e-4 + step * products, "{precision:?} {:?} {finish:?}: {want} {got}", self.sizes);
                }
                let inside: f64 = out.without_margins(&y).iter().map(|y| f64::from(y.abs())).sum();
                assert!((y.iter().map(|y| f64::from(y.abs())).sum::<f64>() - inside).abs() < 1e-6, "margins are 0");
            }
        }
    }

    #[test]
    fn equals_the_formula_at_odd_sizes() {
        for kernel in [1, 3] {
            for stride in [1, 2, 3] {
                for (outputs, inputs) in [(1, 1), (5, 3), (32, 1), (17, 32)] {
                    for (frames, bands) in [(1, 1), (2, 5), (7, 1), (9, 10)] {
                        let case = Case::new([outputs, inputs, kernel, stride, frames, bands]);
                        case.check(Precision::F32);
                        case.check(Precision::Int8);
                    }
                }
            }
        }
    }

    #[test]
    fn tiles_join_without_a_seam() {
        let case = Case::new([32, 3, 3, 1, 300, 40]);
        const { assert!(300 * 41 * 32 > 8 * TILE) };
        case.check(Precision::F32);
        Case::new([32, 3, 3, 2, 300, 40]).check(Precision::F32);
    }

    #[test]
    fn no_frames_are_no_work() {
        let case = Case::new([4, 2, 3, 1, 0, 5]);
        for precision in [Precision::F32, Precision::Int8] {
            let layer = Conv2d::new(&case.weight, &case.norm, 1, precision);
            layer.run(&[0.0; 2], case.sizes, &mut [0.0; 4], Finish::Relu, &mut Scratch::default());
        }
    }
}
