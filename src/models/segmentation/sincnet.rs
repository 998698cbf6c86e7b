//! SincNet: samples to frames, by sinc filters and convolutions with max pooling and instance norm.

use super::recipe::{KernelRecipe, SegmentationRecipe};
use crate::error::{Error, Result};
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{
    self, FrameConv, FrameConvOptions, InstanceNorm, Loader, Precision, SincOptions, Tensor, max_pool_frames,
    sinc_filters,
};

/// Epsilon of the norms.
const EPS: f64 = 1e-5;
/// Slope of the leaky ReLU for negative values.
pub(super) const SLOPE: f32 = 0.01;
/// Pooled frames of the first convolution that are computed at a time, so that the frames before
/// the pooling stay in the cache.
const BLOCK: usize = 64;

/// `[samples]` → `[frames, channels]`:
///
/// ```text
/// norm over time ─ |sinc filters| ─ max pool ─ norm, leaky ReLU ─ { convolution ─ max pool ─ norm, leaky ReLU } …
/// ```
#[derive(Debug)]
pub(super) struct SincNet {
    wave_norm: InstanceNorm,
    /// A dense layer on windows of `taps` samples.
    sinc: FrameConv,
    stride: usize,
    pool: usize,
    /// The convolutions after the filters.
    convs: Vec<FrameConv>,
    /// After each pooling.
    norms: Vec<InstanceNorm>,
}

/// Scratch memory.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    wave: Vec<f32>,
    /// Frames before a pooling.
    wide: Vec<f32>,
    from: Vec<f32>,
    to: Vec<f32>,
    products: nn::Scratch,
}

impl SincNet {
    /// Takes the tensors `{prefix}.…`.
    pub(super) fn load(loader: &mut Loader<'_>, prefix: &str, recipe: &SegmentationRecipe) -> Result<Self> {
        let precision = loader.precision();
        let sinc = load_sinc(loader, prefix, recipe)?;
        let mut inputs = recipe.sinc.filters;
        let (mut convs, mut norms) = (Vec::new(), Vec::new());
        let norm = |loader: &mut Loader<'_>, n: usize, channels: usize| {
            InstanceNorm::load(loader, &format!("{prefix}.norm1d.{n}"), channels, EPS).map(|n| n.with_leaky_relu(SLOPE))
        };
        norms.push(norm(loader, 0, inputs)?);
        for (n, KernelRecipe { channels, kernel }) in (1..).zip(&recipe.conv) {
            let (name, shape) = (format!("{prefix}.conv1d.{n}"), [*channels, inputs, *kernel]);
            convs.push(FrameConv::load(loader, &name, shape, true, FrameConvOptions::default(), precision)?);
            norms.push(norm(loader, n, *channels)?);
            inputs = *channels;
        }
        let wave_norm = InstanceNorm::load(loader, &format!("{prefix}.wav_norm1d"), 1, EPS)?;
        Ok(Self { wave_norm, sinc, stride: recipe.sinc.stride, pool: recipe.pool, convs, norms })
    }

    /// Output channels.
    pub(super) fn outputs(&self) -> usize {
        self.norms.last().map_or(0, InstanceNorm::channels)
    }

    /// Number of frames for so many samples.
    pub(super) fn frames_out(&self, samples: usize) -> usize {
        let filtered = samples.checked_sub(self.sinc.inputs()).map_or(0, |spare| spare / self.stride + 1);
        self.convs.iter().fold(filtered / self.pool, |frames, conv| conv.frames_out(frames) / self.pool)
    }

    /// The frames of `samples`, `[frames, channels]`. Passes to the tap, under the names of the
    /// tensors: `{prefix}.wav_norm1d` `[samples]`, then after each leaky ReLU `{prefix}.norm1d.0`
    /// `[frames, channels]` and so on.
    pub(super) fn run<'s>(
        &self,
        samples: &[f32],
        prefix: &str,
        scratch: &'s mut Scratch,
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<&'s [f32]> {
        let Scratch { wave, wide, from, to, products } = scratch;
        let wave = resize_scratch(wave, samples.len());
        wave.copy_from_slice(samples);
        self.wave_norm.run(wave);
        tap.pass(&format!("{prefix}.wav_norm1d"), &[wave.len()], wave)?;
        let channels = self.sinc.outputs();
        let mut frames = self.filter(wave, wide, from, products);
        let active = &mut from[..frames * channels];
        self.norms[0].run(active);
        tap.pass(&format!("{prefix}.norm1d.0"), &[frames, channels], active)?;
        for (n, (conv, norm)) in (1..).zip(self.convs.iter().zip(&self.norms[1..])) {
            let (before, channels) = (conv.frames_out(frames), conv.outputs());
            let wide = resize_scratch(wide, before * channels);
            conv.run(&from[..frames * conv.inputs()], frames, wide, products);
            frames = before / self.pool;
            let pooled = resize_scratch(to, frames * channels);
            max_pool_frames(wide, channels, self.pool, pooled);
            norm.run(pooled);
            tap.pass(&format!("{prefix}.norm1d.{n}"), &[frames, channels], pooled)?;
            std::mem::swap(from, to);
        }
        Ok(&from[..frames * self.outputs()])
    }

    /// Magnitudes of the filters' outputs, pooled, at the start of `pooled`. Returns the number of
    /// frames.
    fn filter(&self, wave: &[f32], wide: &mut Vec<f32>, pooled: &mut Vec<f32>, products: &mut nn::Scratch) -> usize {
        let (taps, channels, pool) = (self.sinc.inputs(), self.sinc.outputs(), self.pool);
        let frames = wave.len().checked_sub(taps).map_or(0, |spare| spare / self.stride + 1) / pool;
        let pooled = resize_scratch(pooled, frames * channels);
        for (n, pooled) in pooled.chunks_mut(BLOCK * channels).enumerate() {
            let count = pooled.len() / channels * pool;
            let wide = resize_scratch(wide, count * channels);
            let windows = &wave[n * BLOCK * pool * self.stride..];
            self.sinc.run_rows((windows, self.stride), count, (wide, channels), products);
            for x in wide.iter_mut() {
                *x = x.abs();
            }
            max_pool_frames(wide, channels, pool, pooled);
        }
        frames
    }
}

/// The filters as a dense layer. It computes in f32: its inputs are samples, and its rounding errors
/// would affect all further layers.
fn load_sinc(loader: &mut Loader<'_>, prefix: &str, recipe: &SegmentationRecipe) -> Result<FrameConv> {
    let (sinc, bands) = (recipe.sinc, recipe.sinc.filters / 2);
    let name = |part: &str| format!("{prefix}.conv1d.0.filterbank.{part}");
    let (low, band) = (loader.take(&name("low_hz_"), &[bands, 1])?, loader.take(&name("band_hz_"), &[bands, 1])?);
    let options = SincOptions {
        taps: sinc.taps,
        sample_rate_hz: f64::from(recipe.sample_rate_hz),
        min_low_hz: sinc.min_low_hz,
        min_band_hz: sinc.min_band_hz,
    };
    let filters = sinc_filters(low.values(), band.values(), options);
    if let Some(at) = filters.iter().position(|w| !w.is_finite()) {
        let band = at / sinc.taps % bands;
        return Err(Error::Tensor {
            name: name("low_hz_"),
            expected: "cutoff frequencies below half the sample rate".into(),
            actual: format!("{} Hz at index {band}", low.values()[band]),
        });
    }
    let outputs = sinc.filters;
    let weight = Tensor::new(&[outputs, sinc.taps], filters);
    Ok(FrameConv::linear(weight, &vec![1.0; outputs], vec![0.0; outputs], Precision::F32))
}
