//! Densely connected blocks: each layer reads all previous channels and appends its own.

use super::mask::{Mask, Means};
use crate::error::Result;
use crate::models::campplus::CamPlusPlusRecipe;
use crate::models::campplus::recipe::BlockRecipe;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{self, Activation, FrameConv, FrameConvOptions, Int8Tensor, Loader, Norm, Padding};

/// `[frames, inputs]` → `[frames, outputs]`: layers that append their channels, then a transition
/// (norm, ReLU, dense layer) to half of all channels.
#[derive(Debug)]
pub(super) struct Block {
    layers: Vec<(String, Layer)>,
    /// Its prologue is the norm and ReLU.
    transit: (String, FrameConv),
}

/// One layer:
///
/// ```text
/// h = relu(norm2(W · relu(norm1(x))))              all channels so far → bottleneck
/// y = (local convolution of h) · mask(h)            bottleneck → growth
/// ```
#[derive(Debug)]
struct Layer {
    /// Prologue norm1 and ReLU; W with norm2 folded in; ReLU.
    narrow: FrameConv,
    local: FrameConv,
    mask: Mask,
}

/// Scratch memory of a block.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) layer: nn::Scratch,
    hidden: Vec<f32>,
    means: Means,
}

impl Block {
    /// Loads block `number` (from 1), which reads `inputs` channels.
    pub(super) fn load(
        loader: &mut Loader<'_>,
        prefix: &str,
        number: usize,
        recipe: &CamPlusPlusRecipe,
        block: BlockRecipe,
        inputs: usize,
    ) -> Result<Self> {
        let mut layers = Vec::new();
        let mut channels = inputs;
        for l in 1..=block.layers {
            let name = format!("{prefix}.block{number}.tdnnd{l}");
            let layer = Layer::load(loader, &name, recipe, block, channels)?;
            layers.push((name, layer));
            channels += recipe.growth;
        }
        let name = format!("{prefix}.transit{number}");
        let norm = Norm::load(loader, &format!("{name}.nonlinear.batchnorm"), channels, recipe.norm_eps)?;
        let (linear, shape, x) = (format!("{name}.linear"), [channels / 2, channels, 1], norm.moments().relu());
        let dense = FrameConvOptions::default();
        let conv = FrameConv::load_with_bias_correction(loader, &linear, shape, None, dense, &x)?;
        Ok(Self { layers, transit: (name, conv.with_prologue(norm)) })
    }

    /// The tensors of the model file that it computes with in int8.
    pub(super) fn int8_tensors(&self) -> impl Iterator<Item = &Int8Tensor> {
        let layers = self.layers.iter().flat_map(|(_, layer)| [&layer.narrow, &layer.local]);
        layers.chain([&self.transit.1]).flat_map(FrameConv::int8_tensors)
    }

    /// Channels before the transition: the length of a row of the block's frames.
    pub(super) fn width(&self) -> usize {
        self.transit.1.inputs()
    }

    /// Channels after the transition.
    pub(super) fn outputs(&self) -> usize {
        self.transit.1.outputs()
    }

    /// `values` is `[frames, width]`; its first columns are the input and the layers fill the
    /// others. `output` has `frames` rows that start `stride` values apart.
    pub(super) fn run(
        &self,
        values: &mut [f32],
        frames: usize,
        (output, stride): (&mut [f32], usize),
        scratch: &mut Scratch,
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        let width = self.width();
        for (name, layer) in &self.layers {
            layer.run(values, width, frames, scratch);
            let (first, growth) = (layer.narrow.inputs(), layer.local.outputs());
            tap.pass_rows(name, &[frames, growth], values.chunks(width).map(|row| &row[first..first + growth]))?;
        }
        let (name, transit) = &self.transit;
        transit.run_rows((values, width), frames, (output, stride), &mut scratch.layer);
        let channels = self.outputs();
        tap.pass_rows(name, &[frames, channels], output.chunks(stride).take(frames).map(|row| &row[..channels]))
    }
}

impl Layer {
    fn load(
        loader: &mut Loader<'_>,
        name: &str,
        recipe: &CamPlusPlusRecipe,
        block: BlockRecipe,
        inputs: usize,
    ) -> Result<Self> {
        let (eps, inner) = (recipe.norm_eps, recipe.bottleneck);
        let norm = Norm::load(loader, &format!("{name}.nonlinear1.batchnorm"), inputs, eps)?;
        let inner_norm = Norm::load(loader, &format!("{name}.nonlinear2.batchnorm"), inner, eps)?;
        let linear = format!("{name}.linear1");
        let (shape, x) = ([inner, inputs, 1], norm.moments().relu());
        let dense = FrameConvOptions::default();
        let narrow = FrameConv::load_with_bias_correction(loader, &linear, shape, Some(&inner_norm), dense, &x)?
            .with_prologue(norm)
            .with_activation(Activation::Relu);
        let mask = format!("{name}.cam_layer");
        let shape = [recipe.growth, inner, block.kernel];
        let (local, x) = (format!("{mask}.linear_local"), inner_norm.moments().relu());
        let dilated = FrameConvOptions { dilation: block.dilation, padding: Padding::Same, ..dense };
        let local = FrameConv::load_with_bias_correction(loader, &local, shape, None, dilated, &x)?;
        let hidden = inner / recipe.mask_reduction;
        let mask = Mask::load(loader, &mask, [inner, hidden, recipe.growth], recipe.segment_frames)?;
        Ok(Self { narrow, local, mask })
    }

    /// Reads the first columns of `[frames, width]` and writes the following ones.
    fn run(&self, values: &mut [f32], width: usize, frames: usize, scratch: &mut Scratch) {
        let Scratch { layer, hidden, means } = scratch;
        let inner = self.narrow.outputs();
        let hidden = resize_scratch(hidden, frames * inner);
        self.narrow.run_rows((values, width), frames, (hidden, inner), layer);
        let own = &mut values[self.narrow.inputs()..];
        self.local.run_rows((hidden, inner), frames, (own, width), layer);
        self.mask.run(hidden, frames, own, width, means);
    }
}
