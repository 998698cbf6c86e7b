//! Feature encoder: strided convolutions from samples to frames of 20 ms, one block of the signal
//! at a time.

use super::recipe::{FeatureNorm, WavLmRecipe};
use crate::error::Result;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{
    self, ActivationScales, FrameConv, FrameConvOptions, GroupNormConv, Int8Tensor, LayerNorm, Loader, Precision, gelu,
    in_blocks,
};

/// Output frames per block. The first convolution has 64 times as many, and all weights are read
/// once per block.
const BLOCK: usize = 32;
/// Epsilon of the norms, in every configuration.
const EPS: f64 = 1e-5;

/// `[samples]` → `[frames, channels]` by successive convolutions without padding:
///
/// | norm | first convolution | the others |
/// |---|---|---|
/// | `group` | convolution, each channel normalised over time, GELU | convolution, GELU |
/// | `layer` | convolution, each frame normalised over channels, GELU | likewise |
///
/// The frames of a block depend only on its samples, except for the norm over time, whose
/// statistics are computed over the whole signal first. So the activations between layers are those
/// of a block and stay in the cache, instead of 33 MB for a second of audio.
#[derive(Debug)]
pub(super) struct FeatureEncoder {
    layers: Vec<Layer>,
}

#[derive(Debug)]
enum Layer {
    /// Without norm.
    Plain(FrameConv),
    /// With a norm of each channel over time.
    OverTime(Box<GroupNormConv>),
    /// With a norm of each frame over channels.
    OverChannels(FrameConv, LayerNorm),
}

/// Scratch memory of one thread.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    from: Vec<f32>,
    to: Vec<f32>,
    products: nn::Scratch,
}

/// The norm over time: scale and shift per channel.
type OverTime = [Vec<f32>; 2];

impl FeatureEncoder {
    /// Takes the tensors `{prefix}.conv_layers.…`.
    pub(super) fn load(loader: &mut Loader<'_>, prefix: &str, recipe: &WavLmRecipe) -> Result<Self> {
        let mut inputs = 1;
        let mut layers = Vec::new();
        let sizes = recipe.conv_kernel.iter().zip(&recipe.conv_stride).zip(&recipe.conv_dim);
        for (i, ((&taps, &stride), &outputs)) in sizes.enumerate() {
            let (conv, norm) =
                (format!("{prefix}.conv_layers.{i}.conv"), format!("{prefix}.conv_layers.{i}.layer_norm"));
            let (shape, biased) = ([outputs, inputs, taps], recipe.conv_bias);
            // one channel of samples has few products, and its rounding errors would affect all
            // further layers
            let options =
                FrameConvOptions { stride, scales: ActivationScales::PerBlock, ..FrameConvOptions::default() };
            let precision = if i == 0 { Precision::F32 } else { loader.precision() };
            layers.push(match (recipe.feat_extract_norm, i) {
                (FeatureNorm::Group, 0) => {
                    let layer = GroupNormConv::load(loader, [&conv, &norm], shape, (stride, biased), EPS)?;
                    Layer::OverTime(Box::new(layer))
                }
                (FeatureNorm::Group, _) => {
                    Layer::Plain(FrameConv::load(loader, &conv, shape, biased, options, precision)?)
                }
                (FeatureNorm::Layer, _) => {
                    let layer = FrameConv::load(loader, &conv, shape, biased, options, precision)?;
                    Layer::OverChannels(layer, LayerNorm::load(loader, &norm, outputs, EPS)?)
                }
            });
            inputs = outputs;
        }
        Ok(Self { layers })
    }

    /// The tensors of the model file that it computes with in int8.
    pub(super) fn int8_tensors(&self) -> impl Iterator<Item = &Int8Tensor> {
        self.layers.iter().flat_map(|layer| layer.conv().int8_tensors())
    }

    /// Output channels.
    pub(super) fn outputs(&self) -> usize {
        self.layers.last().map_or(1, |layer| layer.conv().outputs())
    }

    /// Number of frames for so many samples.
    pub(super) fn frames_out(&self, samples: usize) -> usize {
        self.layers.iter().fold(samples, |frames, layer| layer.conv().frames_out(frames))
    }

    /// Samples between two frames.
    pub(super) fn hop(&self) -> usize {
        self.layers.iter().map(|layer| layer.conv().stride()).product()
    }

    /// Samples that one frame depends on: the minimum for one frame.
    pub(super) fn reach(&self) -> usize {
        let samples = |frames: usize, layer: &Layer| (frames - 1) * layer.conv().stride() + layer.conv().taps();
        self.layers.iter().rev().fold(1, samples)
    }

    /// Number of values of the largest layer of one block.
    pub(super) fn values(&self) -> usize {
        let samples = (BLOCK - 1) * self.hop() + self.reach();
        let mut frames = samples;
        let each = self.layers.iter().map(|layer| {
            frames = layer.conv().frames_out(frames);
            frames.saturating_mul(layer.conv().outputs())
        });
        each.max().unwrap_or(0)
    }

    /// Computes `output` `[frames_out, outputs]` with one thread per scratch. Passes the output of
    /// each layer as `{prefix}.conv_layers.0` and so on; if the tap has an observer, the whole
    /// signal is one block.
    pub(super) fn run(
        &self,
        samples: &[f32],
        prefix: &str,
        output: &mut [f32],
        scratches: &mut [Scratch],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        let (norm, outputs) = (self.plan(samples), self.outputs());
        if let (true, [scratch, ..]) = (tap.is_watched(), &mut *scratches) {
            let mut passed = Ok(());
            let last = self.run_block(samples, &norm, scratch, |i, shape, values| {
                if passed.is_ok() {
                    passed = tap.pass(&format!("{prefix}.conv_layers.{i}"), shape, values);
                }
            });
            output.copy_from_slice(last);
            return passed;
        }
        in_blocks(output, (outputs, BLOCK), scratches, |first, rows, scratch| {
            let count = rows.len() / outputs;
            let block = &samples[first * self.hop()..][..(count - 1) * self.hop() + self.reach()];
            rows.copy_from_slice(self.run_block(block, &norm, scratch, |_, _, _| ()));
        });
        Ok(())
    }

    /// The norm over time, from the whole signal; empty if there is none.
    fn plan(&self, samples: &[f32]) -> OverTime {
        let mut norm = OverTime::default();
        if let Some(Layer::OverTime(layer)) = self.layers.first() {
            let [scale, shift] = norm.each_mut().map(|values| resize_scratch(values, layer.conv().outputs()));
            layer.plan(samples, samples.len(), scale, shift);
        }
        norm
    }

    /// Runs all layers on one block and returns the output of the last one.
    fn run_block<'s>(
        &self,
        samples: &[f32],
        [scale, shift]: &OverTime,
        scratch: &'s mut Scratch,
        mut show: impl FnMut(usize, &[usize], &[f32]),
    ) -> &'s [f32] {
        let Scratch { from, to, products } = scratch;
        let (mut from, mut to) = (from, to);
        resize_scratch(from, samples.len()).copy_from_slice(samples);
        let mut frames = samples.len();
        for (i, layer) in self.layers.iter().enumerate() {
            let conv = layer.conv();
            let (input, count) = (&from[..frames * conv.inputs()], conv.frames_out(frames));
            let output = resize_scratch(to, count * conv.outputs());
            match layer {
                Layer::Plain(conv) => {
                    conv.run(input, frames, output, products);
                    gelu(output);
                }
                Layer::OverTime(layer) => {
                    let channels = conv.outputs();
                    layer.run(input, frames, &scale[..channels], &shift[..channels], output);
                }
                Layer::OverChannels(conv, norm) => {
                    conv.run(input, frames, output, products);
                    norm.run(output);
                    gelu(output);
                }
            }
            show(i, &[count, conv.outputs()], output);
            frames = count;
            (from, to) = (to, from);
        }
        &from[..frames * self.outputs()]
    }
}

impl Layer {
    fn conv(&self) -> &FrameConv {
        match self {
            Self::Plain(conv) | Self::OverChannels(conv, _) => conv,
            Self::OverTime(layer) => layer.conv(),
        }
    }
}
