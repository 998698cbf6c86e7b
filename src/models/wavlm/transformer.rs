//! Transformer encoder with pre-norm or post-norm layers.

use super::recipe::WavLmRecipe;
use crate::error::Result;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{
    self, Attention, AttentionScratch, FrameConv, Int8Tensor, LayerNorm, Loader, PositionBias, PositionConv,
    PositionScratch, gelu, in_blocks,
};

/// Frames per block and thread of the dense layers: the activations between them take 4 MB at 4,096
/// channels.
const ROWS: usize = 256;

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
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    attention: Attention,
    attention_norm: LayerNorm,
    dense: [FrameConv; 2],
    dense_norm: LayerNorm,
}

/// Scratch memory.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    attention: AttentionScratch,
    bias: Vec<f32>,
    /// `[frames, channels]`: input of a sub-layer whose output is added to the residual stream.
    input: Vec<f32>,
    /// One per thread.
    dense: Vec<DenseScratch>,
    /// One per thread.
    position: Vec<PositionScratch>,
}

/// Scratch memory of one thread for the dense layers.
#[derive(Debug, Default)]
struct DenseScratch {
    /// `[ROWS, intermediate]`.
    between: Vec<f32>,
    products: nn::Scratch,
}

impl Scratch {
    pub(super) fn set_threads(&mut self, threads: usize) {
        self.attention.set_threads(threads);
        self.dense.resize_with(threads, DenseScratch::default);
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
        let layer = |i: usize| Layer::load(loader, &format!("{prefix}.layers.{i}"), recipe);
        let layers = (0..recipe.num_hidden_layers).map(layer).collect::<Result<_>>()?;
        Ok(Self { norms_before: recipe.do_stable_layer_norm, position, norm, bias, layers })
    }

    /// The tensors of the model file that it computes with in int8.
    pub(super) fn int8_tensors(&self) -> impl Iterator<Item = &Int8Tensor> {
        self.layers.iter().flat_map(|layer| {
            layer.attention.int8_tensors().chain(layer.dense.iter().flat_map(FrameConv::int8_tensors))
        })
    }

    /// Number of values of the largest buffer for so many frames.
    pub(super) fn values(&self, frames: usize) -> usize {
        let intermediate = self.layers.iter().map(|layer| layer.dense[0].outputs()).max().unwrap_or(0);
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
            layer.run(x, frames, self.norms_before, scratch);
            if self.norms_before && i + 1 == self.layers.len() {
                self.norm.run(x);
            }
            tap.pass(&format!("{prefix}.hidden_states.{}", i + 1), &shape, x)?;
        }
        Ok(())
    }
}

impl Layer {
    fn load(loader: &mut Loader<'_>, prefix: &str, recipe: &WavLmRecipe) -> Result<Self> {
        let (channels, between, eps) = (recipe.hidden_size, recipe.intermediate_size, recipe.layer_norm_eps);
        let (name, precision) = (|part: &str| format!("{prefix}.{part}"), loader.precision());
        let [first, second] = ["feed_forward.intermediate_dense", "feed_forward.output_dense"].map(name);
        Ok(Self {
            attention: Attention::load(loader, &name("attention"), channels, recipe.num_attention_heads)?,
            attention_norm: LayerNorm::load(loader, &name("layer_norm"), channels, eps)?,
            dense: [
                FrameConv::load_linear(loader, &first, [between, channels], precision)?,
                FrameConv::load_linear(loader, &second, [channels, between], precision)?,
            ],
            dense_norm: LayerNorm::load(loader, &name("final_layer_norm"), channels, eps)?,
        })
    }

    fn run(&self, x: &mut [f32], frames: usize, norms_before: bool, scratch: &mut Scratch) {
        let (channels, threads) = (self.dense_norm.channels(), &mut vec![(); scratch.dense.len()][..]);
        let input = resize_scratch(&mut scratch.input, x.len());
        let normed = |rows: &mut [f32], from: &[f32], norm: Option<&LayerNorm>, threads: &mut [()]| {
            in_blocks(rows, (channels, ROWS), threads, |first, rows, ()| {
                rows.copy_from_slice(&from[first * channels..][..rows.len()]);
                if let Some(norm) = norm {
                    norm.run(rows);
                }
            });
        };
        normed(input, x, norms_before.then_some(&self.attention_norm), threads);
        self.attention.run_adding(input, frames, &scratch.bias, x, &mut scratch.attention);
        if norms_before {
            normed(input, x, Some(&self.dense_norm), threads);
        } else {
            normed(input, x, Some(&self.attention_norm), threads);
            x.copy_from_slice(input);
        }
        in_blocks(x, (channels, ROWS), &mut scratch.dense, |first, x, scratch| {
            self.run_dense(&input[first * channels..][..x.len()], x, scratch);
            if !norms_before {
                self.dense_norm.run(x);
            }
        });
    }

    /// Feed-forward network on some frames: `x += dense1(gelu(dense0(input)))`.
    fn run_dense(&self, input: &[f32], x: &mut [f32], DenseScratch { between, products }: &mut DenseScratch) {
        let [first, second] = &self.dense;
        let rows = input.len() / first.inputs();
        let between = resize_scratch(between, rows * first.outputs());
        first.run(input, rows, between, products);
        gelu(between);
        second.run_adding(between, rows, x, products);
    }
}
