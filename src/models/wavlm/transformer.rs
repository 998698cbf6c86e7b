//! Transformer encoder with pre-norm or post-norm layers.

use super::recipe::WavLmRecipe;
use crate::error::Result;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::models::transformer_layer::{self, LayerNames, LayerSizes, ROWS, TransformerLayer};
use crate::nn::{Attention, Int8Tensor, LayerNorm, Loader, PositionBias, PositionConv, PositionScratch};

/// `[frames, channels]` → the same shape, layer by layer.
///
/// | | Base: post-norm | Large (`do_stable_layer_norm`): pre-norm |
/// |---|---|---|
/// | first | `x = norm(x + position(x))` | `x = x + position(x)` |
/// | layer | `x = norm1(x + attention(x))`, `x = norm2(x + dense(x))` | `x = x + attention(norm1(x))`, `x = x + dense(norm2(x))` |
/// | last | | `x = norm(x)` |
#[derive(Debug)]
pub(super) struct Transformer {
    norms_before: bool,
    position: PositionConv,
    norm: LayerNorm,
    bias: PositionBias,
    layers: Vec<TransformerLayer>,
}

/// Scratch memory.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    layer: transformer_layer::Scratch,
    bias: Vec<f32>,
    /// `[frames, channels]`: input of the position embedding.
    input: Vec<f32>,
    /// One per thread.
    position: Vec<PositionScratch>,
}

impl Scratch {
    pub(super) fn set_threads(&mut self, threads: usize) {
        self.layer.set_threads(threads);
        self.position.resize_with(threads, PositionScratch::default);
    }
}

impl Transformer {
    /// Takes the tensors `{prefix}.…`.
    pub(super) fn load(loader: &mut Loader<'_>, prefix: &str, recipe: &WavLmRecipe) -> Result<Self> {
        let (channels, heads, eps) = (recipe.hidden_size, recipe.num_attention_heads, recipe.layer_norm_eps);
        let (groups, taps) = (recipe.num_conv_pos_embedding_groups, recipe.num_conv_pos_embeddings);
        let position = PositionConv::load(loader, &format!("{prefix}.pos_conv_embed.conv"), channels, groups, taps)?;
        let norm = LayerNorm::load(loader, &format!("{prefix}.layer_norm"), channels, eps)?;
        let name = format!("{prefix}.layers.0.attention.rel_attn_embed");
        let bias = PositionBias::load(loader, &name, [recipe.num_buckets, heads], recipe.max_bucket_distance)?;
        let layer = |i: usize| load_layer(loader, &format!("{prefix}.layers.{i}"), recipe);
        let layers = (0..recipe.num_hidden_layers).map(layer).collect::<Result<_>>()?;
        Ok(Self { norms_before: recipe.do_stable_layer_norm, position, norm, bias, layers })
    }

    /// The tensors of the model file that it computes with in int8.
    pub(super) fn int8_tensors(&self) -> impl Iterator<Item = &Int8Tensor> {
        self.layers.iter().flat_map(TransformerLayer::int8_tensors)
    }

    /// Number of values of the largest buffer for so many frames.
    pub(super) fn values(&self, frames: usize) -> usize {
        let intermediate = self.layers.iter().map(TransformerLayer::between).max().unwrap_or(0);
        let distances = frames.saturating_mul(2 * self.bias.heads());
        let rows = frames.saturating_mul((3 * self.position.channels()).max(ROWS));
        rows.max(ROWS * intermediate).max(distances)
    }

    /// In place on `[frames, channels]`, up to hidden state `last`. Passes
    /// `{prefix}.hidden_states.0` and so on: 0 is the input of the first layer, the last one the
    /// output of the network.
    pub(super) fn run(
        &self,
        x: &mut [f32],
        frames: usize,
        (prefix, last): (&str, usize),
        scratch: &mut Scratch,
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        let shape = [frames, self.position.channels()];
        let input = resize_scratch(&mut scratch.input, x.len());
        input.copy_from_slice(x);
        self.position.run_adding(input, frames, x, &mut scratch.position);
        if !self.norms_before {
            self.norm.run(x);
        }
        tap.pass(&format!("{prefix}.hidden_states.0"), &shape, x)?;
        self.bias.table(frames, &mut scratch.bias);
        for (i, layer) in self.layers.iter().take(last).enumerate() {
            layer.run(x, frames, &scratch.bias, &mut scratch.layer);
            if self.norms_before && i + 1 == self.layers.len() {
                self.norm.run(x);
            }
            tap.pass(&format!("{prefix}.hidden_states.{}", i + 1), &shape, x)?;
        }
        Ok(())
    }
}

fn load_layer(loader: &mut Loader<'_>, prefix: &str, recipe: &WavLmRecipe) -> Result<TransformerLayer> {
    let name = |part: &str| format!("{prefix}.{part}");
    let names = LayerNames {
        attention_norm: name("layer_norm"),
        dense: ["feed_forward.intermediate_dense", "feed_forward.output_dense"].map(name),
        dense_norm: name("final_layer_norm"),
    };
    let sizes = LayerSizes {
        channels: recipe.hidden_size,
        between: recipe.intermediate_size,
        eps: recipe.layer_norm_eps,
        norms_before: recipe.do_stable_layer_norm,
    };
    let attention = Attention::load(loader, &name("attention"), recipe.hidden_size, recipe.num_attention_heads)?;
    TransformerLayer::load(loader, attention, &names, sizes)
}
