//! From samples to frames of 20 ms: strided convolutions, a segment of the signal at a time.

use super::recipe::{FeatureNorm, WavLmRecipe};
use crate::error::Result;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{self, GroupNormConv, LayerNorm, Precision, StridedConv, Weights, gelu, in_blocks};

/// Frames that come out of one segment. The first convolution gives 64 times as many, and all weights are read once for each segment.
const STRETCH: usize = 32;
/// What the encoder's norms add to each variance, in every configuration.
const EPS: f64 = 1e-5;

/// `[samples]` → `[frames, channels]`. One behind the other, without padding:
///
/// | norm | first convolution | the others |
/// |---|---|---|
/// | `group` | convolution, each channel normalised over time, GELU | convolution, GELU |
/// | `layer` | convolution, each frame normalised over channels, GELU | likewise |
///
/// A segment of samples gives its frames whatever lies around it, but for the norm over time, which is planned over the whole signal first. So
/// what lies between the layers is a segment's, in the cache, and not the signal's (33 MB for a second of audio).
#[derive(Debug)]
pub(super) struct FeatureEncoder {
    layers: Vec<Layer>,
}

#[derive(Debug)]
enum Layer {
    /// No norm.
    Plain(StridedConv),
    /// A norm of each channel over time.
    OverTime(Box<GroupNormConv>),
    /// A norm of each frame over channels.
    OverChannels(StridedConv, LayerNorm),
}

/// Work space of one thread; grows to the longest segment.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    from: Vec<f32>,
    to: Vec<f32>,
    products: nn::Scratch,
}

/// The planned norm over time: a scale and a shift for each channel.
type OverTime = [Vec<f32>; 2];

impl FeatureEncoder {
    /// Takes the tensors `{prefix}.conv_layers.…`.
    pub(super) fn load(weights: &mut Weights<'_>, prefix: &str, recipe: &WavLmRecipe) -> Result<Self> {
        let mut inputs = 1;
        let mut layers = Vec::new();
        let sizes = recipe.conv_kernel.iter().zip(&recipe.conv_stride).zip(&recipe.conv_dim);
        for (i, ((&taps, &stride), &outputs)) in sizes.enumerate() {
            let (conv, norm) =
                (format!("{prefix}.conv_layers.{i}.conv"), format!("{prefix}.conv_layers.{i}.layer_norm"));
            let (shape, biased) = ([outputs, inputs, taps], recipe.conv_bias);
            // one channel of samples has few products, and its noise would be heard by all that follows
            let precision = if i == 0 { Precision::F32 } else { weights.precision() };
            layers.push(match (recipe.feat_extract_norm, i) {
                (FeatureNorm::Group, 0) => {
                    let layer = GroupNormConv::load(weights, [&conv, &norm], shape, (stride, biased), EPS)?;
                    Layer::OverTime(Box::new(layer))
                }
                (FeatureNorm::Group, _) => {
                    Layer::Plain(StridedConv::load(weights, &conv, shape, stride, biased, precision)?)
                }
                (FeatureNorm::Layer, _) => {
                    let layer = StridedConv::load(weights, &conv, shape, stride, biased, precision)?;
                    Layer::OverChannels(layer, LayerNorm::load(weights, &norm, outputs, EPS)?)
                }
            });
            inputs = outputs;
        }
        Ok(Self { layers })
    }

    /// Channels that come out.
    pub(super) fn outputs(&self) -> usize {
        self.layers.last().map_or(1, |layer| layer.conv().outputs())
    }

    /// Frames of so many samples.
    pub(super) fn frames_out(&self, samples: usize) -> usize {
        self.layers.iter().fold(samples, |frames, layer| layer.conv().frames_out(frames))
    }

    /// Samples from one frame to the next.
    pub(super) fn hop(&self) -> usize {
        self.layers.iter().map(|layer| layer.conv().stride()).product()
    }

    /// Samples that one frame sees: the fewest that give a frame.
    pub(super) fn reach(&self) -> usize {
        let seen = |frames: usize, layer: &Layer| (frames - 1) * layer.conv().stride() + layer.conv().taps();
        self.layers.iter().rev().fold(1, seen)
    }

    /// Values of the largest layer of one segment.
    pub(super) fn values(&self) -> usize {
        let samples = (STRETCH - 1) * self.hop() + self.reach();
        let mut frames = samples;
        let each = self.layers.iter().map(|layer| {
            frames = layer.conv().frames_out(frames);
            frames.saturating_mul(layer.conv().outputs())
        });
        each.max().unwrap_or(0)
    }

    /// `samples` → `output`, `[frames_out, outputs]`. Shows each layer's result as `{prefix}.conv_layers.0` and so on; for that the signal is
    /// one segment. There are as many threads as scratches.
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
            let last = self.run_stretch(samples, &norm, scratch, |i, shape, values| {
                if passed.is_ok() {
                    passed = tap.pass(&format!("{prefix}.conv_layers.{i}"), shape, values);
                }
            });
            output.copy_from_slice(last);
            return passed;
        }
        in_blocks(output, (outputs, STRETCH), scratches, |first, rows, scratch| {
            let count = rows.len() / outputs;
            let segment = &samples[first * self.hop()..][..(count - 1) * self.hop() + self.reach()];
            rows.copy_from_slice(self.run_stretch(segment, &norm, scratch, |_, _, _| ()));
        });
        Ok(())
    }

    /// The norm over time, from the whole signal; nothing where there is none.
    fn plan(&self, samples: &[f32]) -> OverTime {
        let mut norm = OverTime::default();
        if let Some(Layer::OverTime(layer)) = self.layers.first() {
            let [scale, shift] = norm.each_mut().map(|values| resize_scratch(values, layer.conv().outputs()));
            layer.plan(samples, samples.len(), scale, shift);
        }
        norm
    }

    /// All layers on one segment; the last one's output.
    fn run_stretch<'s>(
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
    fn conv(&self) -> &StridedConv {
        match self {
            Self::Plain(conv) | Self::OverChannels(conv, _) => conv,
            Self::OverTime(layer) => layer.conv(),
        }
    }
}
