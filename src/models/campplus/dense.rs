//! The dense blocks: each layer reads all channels so far and writes its own beside them.

use super::mask::{Mask, Means};
use crate::error::Result;
use crate::models::campplus::CamPlusPlusRecipe;
use crate::models::campplus::recipe::BlockRecipe;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{self, Epilogue, FrameConv, Norm, Weights};

/// `[frames, inputs]` → `[frames, outputs]`: layers that add their channels, then a transition (norm, ReLU, one frame's linear map) to half of all.
#[derive(Debug)]
pub(super) struct Block {
    layers: Vec<(String, Layer)>,
    transit: (String, NormConv),
}

/// Norm, ReLU, and a linear map of each frame.
#[derive(Debug)]
struct NormConv {
    norm: Norm,
    conv: FrameConv,
}

/// One layer:
///
/// ```text
/// h = relu(norm2(W · relu(norm1(x))))              all channels so far → bottleneck
/// y = (local convolution of h) · mask(h)            bottleneck → growth
/// ```
#[derive(Debug)]
struct Layer {
    /// norm1, and W with norm2 folded in.
    narrow: NormConv,
    local: FrameConv,
    mask: Mask,
}

/// What a block needs beside its frames.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) layer: nn::Scratch,
    hidden: Vec<f32>,
    means: Means,
}

impl Block {
    /// The block of number `number` (from 1) behind `inputs` channels.
    pub(super) fn load(
        weights: &mut Weights<'_>,
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
            let layer = Layer::load(weights, &name, recipe, block, channels)?;
            layers.push((name, layer));
            channels += recipe.growth;
        }
        let name = format!("{prefix}.transit{number}");
        let norm = Norm::load(weights, &format!("{name}.nonlinear.batchnorm"), channels, recipe.norm_eps)?;
        let (linear, shape) = (format!("{name}.linear"), [channels / 2, channels, 1]);
        let conv = FrameConv::load(weights, &linear, shape, None, [1, 1], &norm.moments().relu())?;
        Ok(Self { layers, transit: (name, NormConv { norm, conv }) })
    }

    /// Channels before the transition: the length of a row of the block's frames.
    pub(super) fn width(&self) -> usize {
        self.transit.1.conv.inputs()
    }

    /// Channels behind the transition.
    pub(super) fn outputs(&self) -> usize {
        self.transit.1.conv.outputs()
    }

    /// `values` is `[frames, width]` whose first columns are the input; the layers fill the others. `output` has `frames` rows that begin
    /// `stride` values apart.
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
            let (first, growth) = (layer.narrow.norm.channels(), layer.local.outputs());
            tap.pass_rows(name, &[frames, growth], values.chunks(width).map(|row| &row[first..first + growth]))?;
        }
        let (name, transit) = &self.transit;
        transit.run((values, width), frames, (output, stride), Epilogue::Linear, &mut scratch.layer);
        let channels = self.outputs();
        tap.pass_rows(name, &[frames, channels], output.chunks(stride).take(frames).map(|row| &row[..channels]))
    }
}

impl NormConv {
    fn run(
        &self,
        input: (&[f32], usize),
        frames: usize,
        output: (&mut [f32], usize),
        epilogue: Epilogue<'_>,
        scratch: &mut nn::Scratch,
    ) {
        self.conv.run_behind(&self.norm, input, frames, output, epilogue, scratch);
    }
}

impl Layer {
    fn load(
        weights: &mut Weights<'_>,
        name: &str,
        recipe: &CamPlusPlusRecipe,
        block: BlockRecipe,
        inputs: usize,
    ) -> Result<Self> {
        let (eps, inner) = (recipe.norm_eps, recipe.bottleneck);
        let norm = Norm::load(weights, &format!("{name}.nonlinear1.batchnorm"), inputs, eps)?;
        let inner_norm = Norm::load(weights, &format!("{name}.nonlinear2.batchnorm"), inner, eps)?;
        let linear = format!("{name}.linear1");
        let (shape, x) = ([inner, inputs, 1], norm.moments().relu());
        let conv = FrameConv::load(weights, &linear, shape, Some(&inner_norm), [1, 1], &x)?;
        let mask = format!("{name}.cam_layer");
        let shape = [recipe.growth, inner, block.kernel];
        let (local, x) = (format!("{mask}.linear_local"), inner_norm.moments().relu());
        let local = FrameConv::load(weights, &local, shape, None, [1, block.dilation], &x)?;
        let hidden = inner / recipe.mask_reduction;
        let mask = Mask::load(weights, &mask, [inner, hidden, recipe.growth], recipe.segment_frames)?;
        Ok(Self { narrow: NormConv { norm, conv }, local, mask })
    }

    /// Reads the first columns of `[frames, width]` and writes the next ones.
    fn run(&self, values: &mut [f32], width: usize, frames: usize, scratch: &mut Scratch) {
        let Scratch { layer, hidden, means } = scratch;
        let inner = self.narrow.conv.outputs();
        let hidden = resize_scratch(hidden, frames * inner);
        self.narrow.run((values, width), frames, (hidden, inner), Epilogue::Relu, layer);
        let own = &mut values[self.narrow.norm.channels()..];
        self.local.run((hidden, inner), frames, (own, width), Epilogue::Linear, layer);
        self.mask.run(hidden, frames, own, width, means);
    }
}
