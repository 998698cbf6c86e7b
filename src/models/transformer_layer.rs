//! A layer of a transformer encoder: self-attention and a feed-forward network, pre-norm or
//! post-norm.
//!
//! | pre-norm | post-norm |
//! |---|---|
//! | `x = x + attention(norm1(x))` | `x = norm1(x + attention(x))` |
//! | `x = x + dense1(gelu(dense0(norm2(x))))` | `x = norm2(x + dense1(gelu(dense0(x))))` |

use crate::error::Result;
use crate::models::tap::resize_scratch;
use crate::nn::{self, Attention, AttentionScratch, FrameConv, Int8Tensor, LayerNorm, Loader, gelu, in_blocks};

/// Frames per block and thread of the dense layers: the activations between them take 4 MB at 4,096
/// channels.
pub(super) const ROWS: usize = 256;

/// `[frames, channels]` → the same shape.
#[derive(Debug)]
pub(super) struct TransformerLayer {
    norms_before: bool,
    attention: Attention,
    attention_norm: LayerNorm,
    dense: [FrameConv; 2],
    dense_norm: LayerNorm,
}

/// Sizes of a layer, and where its norms are.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerSizes {
    pub(super) channels: usize,
    /// Channels between the two dense layers.
    pub(super) between: usize,
    /// Epsilon of the norms.
    pub(super) eps: f64,
    /// Whether the layer is pre-norm.
    pub(super) norms_before: bool,
}

/// Full names of the tensors, without `.weight` and `.bias`.
#[derive(Clone, Debug)]
pub(super) struct LayerNames {
    pub(super) attention_norm: String,
    pub(super) dense: [String; 2],
    pub(super) dense_norm: String,
}

/// Scratch memory.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    attention: AttentionScratch,
    /// `[frames, channels]`: input of a sub-layer whose output is added to the residual stream.
    input: Vec<f32>,
    /// One per thread.
    dense: Vec<DenseScratch>,
}

/// Scratch memory of one thread for the dense layers.
#[derive(Debug, Default)]
struct DenseScratch {
    /// `[ROWS, between]`.
    between: Vec<f32>,
    products: nn::Scratch,
}

impl Scratch {
    /// Sets the number of threads, at least 1. The result does not depend on it.
    pub(super) fn set_threads(&mut self, threads: usize) {
        self.attention.set_threads(threads);
        self.dense.resize_with(threads.max(1), DenseScratch::default);
    }
}

impl TransformerLayer {
    /// Takes the tensors of norms and dense layers by their names; the attention is loaded already.
    pub(super) fn load(
        loader: &mut Loader<'_>,
        attention: Attention,
        names: &LayerNames,
        sizes: LayerSizes,
    ) -> Result<Self> {
        let LayerSizes { channels, between, eps, norms_before } = sizes;
        let precision = loader.precision();
        let [first, second] = &names.dense;
        Ok(Self {
            norms_before,
            attention,
            attention_norm: LayerNorm::load(loader, &names.attention_norm, channels, eps)?,
            dense: [
                FrameConv::load_linear(loader, first, [between, channels], precision)?,
                FrameConv::load_linear(loader, second, [channels, between], precision)?,
            ],
            dense_norm: LayerNorm::load(loader, &names.dense_norm, channels, eps)?,
        })
    }

    /// The tensors of the model file that it computes with in int8.
    pub(super) fn int8_tensors(&self) -> impl Iterator<Item = &Int8Tensor> {
        self.attention.int8_tensors().chain(self.dense.iter().flat_map(FrameConv::int8_tensors))
    }

    /// Channels between the two dense layers.
    pub(super) fn between(&self) -> usize {
        self.dense[0].outputs()
    }

    /// In place on `[frames, channels]`. `bias`: position bias of the attention, empty for none.
    pub(super) fn run(&self, x: &mut [f32], frames: usize, bias: &[f32], scratch: &mut Scratch) {
        if scratch.dense.is_empty() {
            scratch.set_threads(1);
        }
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
        normed(input, x, self.norms_before.then_some(&self.attention_norm), threads);
        self.attention.run_adding(input, frames, bias, x, &mut scratch.attention);
        if self.norms_before {
            normed(input, x, Some(&self.dense_norm), threads);
        } else {
            normed(input, x, Some(&self.attention_norm), threads);
            x.copy_from_slice(input);
        }
        in_blocks(x, (channels, ROWS), &mut scratch.dense, |first, x, scratch| {
            self.run_dense(&input[first * channels..][..x.len()], x, scratch);
            if !self.norms_before {
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
