//! Convolution over frames and bands.

use std::ops::Range;

use crate::error::Result;
use crate::kernels::epilogue::{Epilogue, Output};
use crate::kernels::int8::{Int8Rows, Int8Weights, MAX_INPUTS, QuantisedRows};
use crate::kernels::packed::{Packed, Rows};
use crate::nn::{Image, Keep, Moments, Norm, Picture, Precision, Tensor, Weights, rounding};

/// PyTorch's `nn.Conv2d` with a square kernel of 1 or 3, half of it as padding, strided over the bands alone, and the batch norm behind it:
///
/// ```text
/// y[t, f, o] = b[o] + Σ_u Σ_v Σ_i W[o, i, v, u] · x[t + u − half, f · stride + v − half, i]
/// ```
///
/// with `x` zero outside the picture. In a [`Picture`] the taps over the bands are neighbours: a kernel's columns are taps of a product whose
/// rows overlap, and no window is ever written out.
#[derive(Clone, Debug)]
pub struct Conv2d {
    inputs: usize,
    kernel: usize,
    stride: usize,
    weights: TapWeights,
    bias: Vec<f32>,
    moments: Moments,
}

/// For each tap over the frames `[kernel · inputs, outputs]`.
#[derive(Clone, Debug)]
enum TapWeights {
    F32(Packed),
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
            let mut packed = Vec::with_capacity(kernel * width * outputs);
            for (u, v) in (0..kernel).flat_map(|u| (0..kernel).map(move |v| (u, v))) {
                for i in 0..inputs {
                    let at = |o: usize| ((o * inputs + i) * kernel + v) * kernel + u;
                    packed.extend((0..outputs).map(|o| weight.values()[at(o)] * norm.scale()[o]));
                }
            }
            TapWeights::F32(Packed::new(&packed, [kernel, width, outputs]))
        };
        Self { inputs, kernel, stride, weights, bias: norm.shift().to_vec(), moments: norm.moments().clone() }
    }

    /// Takes `{conv}.weight` of the shape `[outputs, inputs, kernel, kernel]`, and the batch norm `{norm}`. Where the inputs' moments are known, the bias takes back
    /// what codes lose.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, misshapen or not finite.
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
        (precision, moments): (Precision, &Moments),
    ) -> Result<Self> {
        let name = format!("{conv}.weight");
        let weight = weights.take(&name, &[outputs, inputs, kernel, kernel])?;
        let norm = Norm::load(weights, norm, outputs, eps)?;
        let mut layer = Self::new(&weight, &norm, stride, precision);
        let in_codes = matches!(layer.weights, TapWeights::Int8(_));
        let lacking = rounding::lacking(weights, &name, (&weight, moments), in_codes)?;
        rounding::make_up(&mut layer.bias, &lacking, Some(&norm));
        Ok(layer)
    }

    /// What its outputs are like, before any activation.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The picture that comes out of one.
    pub fn picture_out(&self, input: Picture) -> Picture {
        Picture { frames: input.frames, bands: input.bands.div_ceil(self.stride), channels: self.bias.len() }
    }

    /// A picture of `sizes` → one of [`Self::picture_out`], of which is kept what is asked for. In [`Precision::Int8`] the input's codes are read, else
    /// its values. What is coded must not be negative: negative values count as 0.
    ///
    /// # Panics
    ///
    /// If the input is not of these sizes, or has other channels than the weights.
    pub fn run(&self, input: &Image, sizes: Picture, output: &mut Image, keep: Keep, epilogue: Epilogue<'_>) {
        let out = self.picture_out(sizes);
        assert!(sizes.channels == self.inputs, "{} channels for {} inputs", sizes.channels, self.inputs);
        match &self.weights {
            TapWeights::F32(weights) if keep == Keep::Values => {
                let values = output.room(out.len());
                self.run_f32(weights, &input.values, sizes, (0..out.frames, values), epilogue);
            }
            TapWeights::F32(weights) => frame_by_frame(out, output, keep, |t, values| {
                let epilogue = epilogue.from_offset(out.frame(t) - out.frame(0));
                self.run_f32(weights, &input.values, sizes, (t..t + 1, values), epilogue);
            }),
            TapWeights::Int8(weights) => {
                assert!(input.codes.scales().len() == sizes.frames, "codes of another picture");
                frame_by_frame(out, output, keep, |t, values| {
                    self.run_int8(weights, &input.codes, sizes, (t, values), epilogue.from_offset(out.frame(t)));
                });
            }
        }
        if keep != Keep::Codes {
            out.clear_margins(&mut output.values, 0, out.frames);
        }
    }

    /// Some frames of the output, of which the first begins behind one margin in `values`. Without a stride, the frames that read the same taps are one
    /// product: the margins between them are rows like any other, and cleared in the end.
    fn run_f32(
        &self,
        weights: &Packed,
        input: &[f32],
        sizes: Picture,
        (frames, values): (Range<usize>, &mut [f32]),
        epilogue: Epilogue<'_>,
    ) {
        let (out, half) = (self.picture_out(sizes), self.kernel / 2);
        let strides = [self.stride * self.inputs, sizes.frame_stride()];
        let mut t = frames.start;
        while t < frames.end {
            let taps = self.taps_inside(t, sizes.frames);
            let all_taps = self.stride == 1 && taps.len() == self.kernel;
            let count = if all_taps { (out.frames - half).min(frames.end) - t } else { 1 };
            let rows = Rows { values: &input[sizes.frame(t + taps.start - half) - half * sizes.channels..], strides };
            let from = out.frame(t - frames.start);
            let (values, epilogue) = (&mut values[from..], epilogue.from_offset(from));
            let end = Output { values, stride: out.channels, bias: &self.bias, epilogue };
            weights.run(rows, taps, count * (out.bands + 1) - 1, end);
            t += count;
        }
    }

    /// The taps of frame `t` that read one of so many frames.
    fn taps_inside(&self, t: usize, frames: usize) -> Range<usize> {
        let half = self.kernel / 2;
        half.saturating_sub(t)..self.kernel.min(frames + half - t)
    }

    /// One frame of the output: `values` begins with the margin before it. A frame's codes begin with the margin before it, too, and have a scale.
    fn run_int8(
        &self,
        weights: &Int8Weights,
        codes: &QuantisedRows,
        sizes: Picture,
        (t, values): (usize, &mut [f32]),
        epilogue: Epilogue<'_>,
    ) {
        let (out, half) = (self.picture_out(sizes), self.kernel / 2);
        let taps = self.taps_inside(t, sizes.frames);
        let first = t + taps.start - half;
        let x = Int8Rows {
            values: &codes.values()[sizes.frame(first) - half * sizes.channels..],
            strides: [self.stride * sizes.channels, sizes.frame_stride()],
            scales: &codes.scales()[first..],
            offsets: codes.offsets(),
            scale_strides: [0, 1],
        };
        let values = &mut values[out.channels..];
        weights.run(&x, taps, out.bands, Output { values, stride: out.channels, bias: &self.bias, epilogue });
    }
}

/// Makes each frame of a picture (`make` is given its number and values, which begin with the margin before it) and codes it while it is in the
/// first-level cache. Where values are not kept, each frame is made in the place of the one before.
fn frame_by_frame(out: Picture, image: &mut Image, keep: Keep, mut make: impl FnMut(usize, &mut [f32])) {
    let (frame, margin) = (out.frame_stride(), out.channels);
    image.room(if keep == Keep::Codes { frame + margin } else { out.len() });
    if keep != Keep::Values {
        image.begin_codes(out);
    }
    for t in 0..out.frames {
        let from = if keep == Keep::Codes { 0 } else { t * frame };
        let values = &mut image.values[from..from + frame];
        values[..margin].fill(0.0);
        make(t, values);
        if keep != Keep::Values {
            image.codes.quantise_non_negative_row(t, values);
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

        fn input(&self) -> Image {
            let mut image = Image::default();
            let values = image.room(self.sizes.len());
            for (t, row) in self.x.chunks(self.sizes.frame_len()).enumerate() {
                values[self.sizes.frame(t)..][..row.len()].copy_from_slice(row);
            }
            image.encode(self.sizes);
            image
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

        /// Codes are those of the values, whether these are kept or not.
        fn check_codes(&self, layer: &Conv2d, epilogue: Epilogue<'_>) {
            let [mut values, mut codes, mut both] = [(); 3].map(|()| Image::default());
            layer.run(&self.input(), self.sizes, &mut values, Keep::Values, epilogue);
            layer.run(&self.input(), self.sizes, &mut codes, Keep::Codes, epilogue);
            layer.run(&self.input(), self.sizes, &mut both, Keep::Both, epilogue);
            assert_eq!(both.values, values.values);
            values.encode(layer.picture_out(self.sizes));
            for image in [codes, both] {
                assert_eq!(
                    (image.codes.values(), image.codes.scales()),
                    (values.codes.values(), values.codes.scales())
                );
            }
        }

        fn check(&self, precision: Precision) {
            let layer = Conv2d::new(&self.weight, &self.norm, self.stride, precision);
            let out = layer.picture_out(self.sizes);
            let other = noise(out.len(), 0.5);
            let others = out.without_margins(&other);
            let mut image = Image::default();
            // half a step of the weights' and of the activations' codes, in each product; both are at most 1 here
            let products = (layer.kernel * layer.kernel * layer.inputs) as f64;
            let step = if precision == Precision::Int8 { 0.5 / 127.0 + 0.5 / 255.0 } else { 0.0 };
            for epilogue in [Epilogue::Linear, Epilogue::Relu, Epilogue::AddRelu(&other)] {
                image.room(out.len()).fill(f32::NAN);
                layer.run(&self.input(), self.sizes, &mut image, Keep::Values, epilogue);
                let y = &image.values;
                self.check_codes(&layer, epilogue);
                for (n, got) in out.without_margins(y).iter().enumerate() {
                    let (t, f, o) = (n / out.channels / out.bands, n / out.channels % out.bands, n % out.channels);
                    let sum = self.naive(t, f, o);
                    let want = match epilogue {
                        Epilogue::Linear => sum,
                        Epilogue::Relu => sum.max(0.0),
                        Epilogue::AddRelu(_) => (sum + f64::from(others[n])).max(0.0),
                        _ => unreachable!(),
                    };
                    let far = (want - f64::from(*got)).abs();
                    assert!(far < 1e-4 + step * products, "{precision:?} {:?} {epilogue:?}: {want} {got}", self.sizes);
                }
                let inside: f64 = out.without_margins(y).iter().map(|y| f64::from(y.abs())).sum();
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
    fn no_frames_are_no_work() {
        let case = Case::new([4, 2, 3, 1, 0, 5]);
        for precision in [Precision::F32, Precision::Int8] {
            let layer = Conv2d::new(&case.weight, &case.norm, 1, precision);
            for keep in [Keep::Values, Keep::Codes, Keep::Both] {
                layer.run(&case.input(), case.sizes, &mut Image::default(), keep, Epilogue::Relu);
            }
        }
    }
}
