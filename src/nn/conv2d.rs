//! Two-dimensional convolution over frames and bands.

use std::ops::Range;

use crate::error::Result;
use crate::kernels::epilogue::{Epilogue, Output};
use crate::nn::bias_correction;
use crate::nn::feature_map::{FeatureMap, FeatureMapShape, MapFormat};
use crate::nn::loader::Loader;
use crate::nn::moments::Moments;
use crate::nn::norm::Norm;
use crate::nn::packed_weights::{Layout, PackedWeights};
use crate::nn::precision::Precision;
use crate::nn::quantisation::Int8Tensor;
use crate::nn::tensor::Tensor;

/// PyTorch's `nn.Conv2d` with a square kernel of 1 or 3, half of it as padding, and a stride over
/// the bands only, followed by a batch norm:
///
/// ```text
/// y[t, f, o] = b[o] + Σ_u Σ_v Σ_i W[o, i, v, u] · x[t + u − half, f · stride + v − half, i]
/// ```
///
/// with `x` zero outside the feature map. In the layout of [`FeatureMapShape`] the taps over the
/// bands are contiguous: the columns of a kernel are the taps of a product whose rows overlap, so
/// the input is read in place.
#[derive(Clone, Debug)]
pub struct Conv2d {
    inputs: usize,
    kernel: usize,
    stride: usize,
    /// The taps are those over the frames; each has `kernel · inputs` inputs.
    weights: PackedWeights,
    bias: Vec<f32>,
    moments: Moments,
    int8_tensor: Option<Int8Tensor>,
}

impl Conv2d {
    /// `weight` is `[outputs, inputs, kernel over bands, kernel over frames]`; `norm` is folded
    /// into it. More inputs than the int8 products allow are computed in [`Precision::F32`]
    /// whatever the precision.
    ///
    /// # Panics
    ///
    /// If the shapes do not match, the kernel is neither 1 nor 3, or the stride is 0.
    pub fn new(weight: &Tensor, norm: &Norm, stride: usize, precision: Precision) -> Self {
        let (shape, outputs) = (weight.shape(), norm.channels());
        assert!(shape.len() == 4 && shape[0] == outputs && shape[2] == shape[3], "{shape:?}");
        let (inputs, kernel) = (shape[1], shape[2]);
        assert!((kernel == 1 || kernel == 3) && stride > 0, "kernel {kernel}, stride {stride}");
        let (width, values) = (kernel * inputs, bands_before_inputs(weight));
        let weights = PackedWeights::of_convolution(&values, norm.scale(), [outputs, width, kernel], width, precision);
        let (bias, moments) = (norm.shift().to_vec(), norm.moments().clone());
        Self { inputs, kernel, stride, weights, bias, moments, int8_tensor: None }
    }

    /// Takes `{conv}.weight` of the shape `[outputs, inputs, kernel, kernel]` and the batch norm
    /// `{norm}`, and corrects the bias for inputs of these moments.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Tensor`] names the tensor that is missing, or has a wrong shape or a
    /// non-finite value.
    ///
    /// # Panics
    ///
    /// As [`Self::new`] for kernel and stride.
    pub fn load(
        loader: &mut Loader<'_>,
        [conv, norm]: [&str; 2],
        [outputs, inputs, kernel]: [usize; 3],
        stride: usize,
        eps: f64,
        (precision, moments): (Precision, &Moments),
    ) -> Result<Self> {
        let name = format!("{conv}.weight");
        let weight = loader.take(&name, &[outputs, inputs, kernel, kernel])?;
        let norm = Norm::load(loader, norm, outputs, eps)?;
        let mut layer = Self::new(&weight, &norm, stride, precision);
        let int8 = layer.weights.precision() == Precision::Int8;
        let correction = bias_correction::load(loader, &name, (&weight, moments), int8)?;
        if let Some(correction) = &correction {
            bias_correction::apply(&mut layer.bias, correction, Some(&norm));
        }
        layer.int8_tensor = int8.then_some(Int8Tensor { name, bias_correction: correction });
        Ok(layer)
    }

    /// The tensor of the model file that it computes with in int8, if it does.
    pub fn int8_tensor(&self) -> Option<&Int8Tensor> {
        self.int8_tensor.as_ref()
    }

    /// Mean and variance of each output channel, before any activation.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The shape of the output for an input of this shape.
    pub fn shape_out(&self, input: FeatureMapShape) -> FeatureMapShape {
        FeatureMapShape { frames: input.frames, bands: input.bands.div_ceil(self.stride), channels: self.bias.len() }
    }

    /// Computes a feature map of [`Self::shape_out`] from one of `shape`, and stores it in this
    /// format. In [`Precision::Int8`] it reads the quantised input, otherwise the f32 values.
    /// Values that are quantised must not be negative: negative values become 0.
    ///
    /// # Panics
    ///
    /// If the input is not of this shape, or does not have the channels of the weights.
    pub fn run(
        &self,
        input: &FeatureMap,
        shape: FeatureMapShape,
        output: &mut FeatureMap,
        format: MapFormat,
        epilogue: Epilogue<'_>,
    ) {
        let out = self.shape_out(shape);
        assert!(shape.channels == self.inputs, "{} channels for {} inputs", shape.channels, self.inputs);
        match self.weights.precision() {
            Precision::F32 if format == MapFormat::F32 => {
                let values = output.resize(out.len());
                self.run_f32(input, shape, (0..out.frames, values), epilogue);
            }
            Precision::F32 => frame_by_frame(out, output, format, |t, values| {
                self.run_f32(input, shape, (t..t + 1, values), epilogue.from_offset(out.frame(t) - out.frame(0)));
            }),
            Precision::Int8 => {
                assert!(input.quantised.scales().len() == shape.frames, "quantised values of another shape");
                frame_by_frame(out, output, format, |t, values| {
                    self.run_int8(input, shape, (t, values), epilogue.from_offset(out.frame(t)));
                });
            }
        }
        if format != MapFormat::Int8 {
            out.clear_margins(&mut output.values, 0, out.frames);
        }
    }

    /// Some frames of the output; `values` starts with the margin before the first. Without a
    /// stride, all frames that read the same taps are one product, in which the margins between
    /// them are rows; they are cleared afterwards.
    fn run_f32(
        &self,
        input: &FeatureMap,
        shape: FeatureMapShape,
        (frames, values): (Range<usize>, &mut [f32]),
        epilogue: Epilogue<'_>,
    ) {
        let (out, half) = (self.shape_out(shape), self.kernel / 2);
        let mut t = frames.start;
        while t < frames.end {
            let taps = self.taps_inside(t, shape.frames);
            let all_taps = self.stride == 1 && taps.len() == self.kernel;
            let count = if all_taps { (out.frames - half).min(frames.end) - t } else { 1 };
            let from = out.frame(t - frames.start);
            let (values, epilogue) = (&mut values[from..], epilogue.from_offset(from));
            let end = Output { values, stride: out.channels, bias: &self.bias, epilogue };
            let layout = self.layout(shape, t + taps.start - half);
            self.weights.run(input.activations(), layout, taps, count * (out.bands + 1) - 1, end);
            t += count;
        }
    }

    /// The taps of output frame `t` that read inside an input of so many frames.
    fn taps_inside(&self, t: usize, frames: usize) -> Range<usize> {
        let half = self.kernel / 2;
        half.saturating_sub(t)..self.kernel.min(frames + half - t)
    }

    /// The layout of products whose first tap reads frame `first`. A frame has one scale for all
    /// its bands.
    fn layout(&self, shape: FeatureMapShape, first: usize) -> Layout {
        Layout {
            first: shape.frame(first) - self.kernel / 2 * shape.channels,
            strides: [self.stride * shape.channels, shape.frame_stride()],
            first_scale: first,
            scale_strides: [0, 1],
        }
    }

    /// One frame of the output; `values` starts with the margin before it.
    fn run_int8(
        &self,
        input: &FeatureMap,
        shape: FeatureMapShape,
        (t, values): (usize, &mut [f32]),
        epilogue: Epilogue<'_>,
    ) {
        let out = self.shape_out(shape);
        let taps = self.taps_inside(t, shape.frames);
        let layout = self.layout(shape, t + taps.start - self.kernel / 2);
        let values = &mut values[out.channels..];
        let end = Output { values, stride: out.channels, bias: &self.bias, epilogue };
        self.weights.run(input.activations(), layout, taps, out.bands, end);
    }
}

/// Computes a feature map frame by frame and quantises each frame while it is in the L1 cache.
/// `compute` gets the number of a frame and its values, which start with the margin before it. If
/// the f32 values are not stored, all frames use the same memory.
fn frame_by_frame(
    out: FeatureMapShape,
    map: &mut FeatureMap,
    format: MapFormat,
    mut compute: impl FnMut(usize, &mut [f32]),
) {
    let (frame, margin) = (out.frame_stride(), out.channels);
    map.resize(if format == MapFormat::Int8 { frame + margin } else { out.len() });
    if format != MapFormat::F32 {
        map.resize_quantised(out);
    }
    for t in 0..out.frames {
        let from = if format == MapFormat::Int8 { 0 } else { t * frame };
        let values = &mut map.values[from..from + frame];
        values[..margin].fill(0.0);
        compute(t, values);
        if format != MapFormat::F32 {
            map.quantised.quantise_non_negative_row(t, values);
        }
    }
}

/// `[outputs, inputs, kernel over bands, kernel over frames]` →
/// `[outputs, kernel over bands, inputs, kernel over frames]`.
fn bands_before_inputs(weight: &Tensor) -> Vec<f32> {
    let (inputs, kernel) = (weight.shape()[1], weight.shape()[2]);
    let mut transposed = Vec::with_capacity(weight.values().len());
    for of_output in weight.values().chunks_exact((inputs * kernel * kernel).max(1)) {
        for (v, i) in (0..kernel).flat_map(|v| (0..inputs).map(move |i| (v, i))) {
            transposed.extend_from_slice(&of_output[(i * kernel + v) * kernel..][..kernel]);
        }
    }
    transposed
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
        shape: FeatureMapShape,
    }

    impl Case {
        fn new([outputs, inputs, kernel, stride, frames, bands]: [usize; 6]) -> Self {
            Self {
                weight: Tensor::new(&[outputs, inputs, kernel, kernel], noise(outputs * inputs * kernel * kernel, 0.1)),
                norm: Norm::new(noise(outputs, 0.2), noise(outputs, 0.3)),
                stride,
                x: noise(frames * bands * inputs, 0.4).iter().map(|x| x.abs()).collect(),
                shape: FeatureMapShape { frames, bands, channels: inputs },
            }
        }

        fn input(&self) -> FeatureMap {
            let mut map = FeatureMap::default();
            let values = map.resize(self.shape.len());
            for (t, row) in self.x.chunks(self.shape.frame_len()).enumerate() {
                values[self.shape.frame(t)..][..row.len()].copy_from_slice(row);
            }
            map.quantise(self.shape);
            map
        }

        /// The formula, in f64.
        fn naive(&self, t: usize, f: usize, o: usize) -> f64 {
            let &[_, inputs, kernel, _] = self.weight.shape() else { unreachable!() };
            let mut sum = 0.0;
            for (u, v, i) in
                (0..kernel * kernel * inputs).map(|n| (n / kernel % kernel, n % kernel, n / kernel / kernel))
            {
                let frame = (t + u).checked_sub(kernel / 2).filter(|t| *t < self.shape.frames);
                let band = (f * self.stride + v).checked_sub(kernel / 2).filter(|f| *f < self.shape.bands);
                if let Some((t, f)) = frame.zip(band) {
                    let w = self.weight.values()[((o * inputs + i) * kernel + v) * kernel + u];
                    sum += f64::from(w) * f64::from(self.x[(t * self.shape.bands + f) * inputs + i]);
                }
            }
            sum * f64::from(self.norm.scale()[o]) + f64::from(self.norm.shift()[o])
        }

        /// Quantised values equal those of the f32 values, whether these are stored or not.
        fn check_quantised(&self, layer: &Conv2d, epilogue: Epilogue<'_>) {
            let [mut values, mut quantised, mut both] = [(); 3].map(|()| FeatureMap::default());
            layer.run(&self.input(), self.shape, &mut values, MapFormat::F32, epilogue);
            layer.run(&self.input(), self.shape, &mut quantised, MapFormat::Int8, epilogue);
            layer.run(&self.input(), self.shape, &mut both, MapFormat::Both, epilogue);
            assert_eq!(both.values, values.values);
            values.quantise(layer.shape_out(self.shape));
            for map in [quantised, both] {
                assert_eq!(
                    (map.quantised.values(), map.quantised.scales()),
                    (values.quantised.values(), values.quantised.scales())
                );
            }
        }

        fn check(&self, precision: Precision) {
            let layer = Conv2d::new(&self.weight, &self.norm, self.stride, precision);
            let out = layer.shape_out(self.shape);
            let other = noise(out.len(), 0.5);
            let others = out.without_margins(&other);
            let mut map = FeatureMap::default();
            // half a quantisation step of weight and activation per product; both are at most 1
            // here
            let products = (layer.kernel * layer.kernel * layer.inputs) as f64;
            let step = if precision == Precision::Int8 { 0.5 / 127.0 + 0.5 / 255.0 } else { 0.0 };
            for epilogue in [Epilogue::Linear, Epilogue::Relu, Epilogue::AddRelu(&other)] {
                map.resize(out.len()).fill(f32::NAN);
                layer.run(&self.input(), self.shape, &mut map, MapFormat::F32, epilogue);
                let y = &map.values;
                self.check_quantised(&layer, epilogue);
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
                    assert!(far < 1e-4 + step * products, "{precision:?} {:?} {epilogue:?}: {want} {got}", self.shape);
                }
                let inside: f64 = out.without_margins(y).iter().map(|y| f64::from(y.abs())).sum();
                assert!((y.iter().map(|y| f64::from(y.abs())).sum::<f64>() - inside).abs() < 1e-6, "the margins are 0");
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
    fn no_frames_give_an_empty_map() {
        let case = Case::new([4, 2, 3, 1, 0, 5]);
        for precision in [Precision::F32, Precision::Int8] {
            let layer = Conv2d::new(&case.weight, &case.norm, 1, precision);
            for format in [MapFormat::F32, MapFormat::Int8, MapFormat::Both] {
                layer.run(&case.input(), case.shape, &mut FeatureMap::default(), format, Epilogue::Relu);
            }
        }
    }
}
