//! Whisper's encoder (Radford et al. 2022, "Robust speech recognition via large-scale weak
//! supervision"), of any size, with its first layers or all of them.
//!
//! ```text
//! [frames, mels] ─ conv1 (3 taps), GELU ─ conv2 (3 taps, stride 2), GELU ─ + positions ─▶ state 0  [ceil(frames / 2), width]
//! state k − 1 ─ pre-norm transformer layer k ─▶ state k
//! chosen states ─ mean over time each ─▶ one after the other, or their mean
//! ```
//!
//! A chunk is processed as it is, without padding to 30 s: positions count from its first frame.
//! The positions are sinusoids and are computed (Vaswani et al. 2017, in Whisper's arrangement):
//!
//! ```text
//! position[t, i] = sin(t · f_i), position[t, width / 2 + i] = cos(t · f_i),  f_i = 10000^(−i / (width / 2 − 1))
//! ```
//!
//! Tensors have the names of Hugging Face's transformers, prefixed with `whisper.` instead of
//! `model.encoder.`

mod recipe;

pub use recipe::{Pool, WhisperRecipe};

use crate::error::Result;
use crate::models::network::{Network, NetworkRecipe, NetworkScratch, too_short};
use crate::models::recipe::wrong;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::models::transformer_layer::{self, LayerNames, LayerSizes, ROWS, TransformerLayer};
use crate::nn::{
    self, Attention, FrameConv, FrameConvOptions, Int8Tensor, LayerNorm, Loader, Padding, Precision, gelu,
    mean_over_frames,
};

/// Prefix of the names of the tensors.
const PREFIX: &str = "whisper";
/// Epsilon of the layer norms.
const EPS: f64 = 1e-5;

/// The positions of one frame to the next: `[frames, width]` of sinusoids, as Whisper adds them to
/// the output of its convolutions.
pub fn positions(frames: usize, width: usize) -> Vec<f32> {
    let half = width / 2;
    let step = (1e4_f64).ln() / (half - 1) as f64;
    let angle = |t: usize, i: usize| t as f64 * (-step * i as f64).exp();
    let row = |t: usize| (0..half).map(move |i| angle(t, i).sin()).chain((0..half).map(move |i| angle(t, i).cos()));
    (0..frames).flat_map(row).map(|x| x as f32).collect()
}

/// `[frames, mels]` → `[dim]`.
#[derive(Debug)]
pub(crate) struct Whisper {
    recipe: WhisperRecipe,
    conv: [FrameConv; 2],
    layers: Vec<TransformerLayer>,
    norm: Option<LayerNorm>,
}

/// Scratch memory.
#[derive(Debug, Default)]
struct Scratch {
    /// `[frames, width]`: output of the first convolution.
    first: Vec<f32>,
    /// `[frames / 2, width]`: the residual stream.
    hidden: Vec<f32>,
    /// `[frames / 2, width]`: positions.
    positions: Vec<f32>,
    /// `[states, width]`.
    means: Vec<f32>,
    layer: transformer_layer::Scratch,
    products: nn::Scratch,
}

impl Whisper {
    /// Takes the tensors `whisper.…`. The first convolution stays in f32: its products are few, and
    /// its rounding errors would affect all further layers.
    fn load(loader: &mut Loader<'_>, recipe: &WhisperRecipe) -> Result<Self> {
        let (width, mels) = (recipe.width, recipe.mels);
        let conv = |loader: &mut Loader<'_>, name: &str, inputs: usize, stride: usize, precision: Precision| {
            let options = FrameConvOptions { stride, padding: Padding::Same, ..FrameConvOptions::default() };
            FrameConv::load(loader, &format!("{PREFIX}.{name}"), [width, inputs, 3], true, options, precision)
        };
        let first = conv(loader, "conv1", mels, 1, Precision::F32)?;
        let precision = loader.precision();
        let second = conv(loader, "conv2", width, 2, precision)?;
        let layers = (0..recipe.layers).map(|i| load_layer(loader, i, recipe)).collect::<Result<_>>()?;
        let norm = recipe.final_norm.then(|| LayerNorm::load(loader, &format!("{PREFIX}.layer_norm"), width, EPS));
        Ok(Self { recipe: recipe.clone(), conv: [first, second], layers, norm: norm.transpose()? })
    }

    /// Runs the convolutions and adds the positions: `[frames, mels]` → `[frames / 2, width]` in
    /// `hidden`. Returns the number of frames.
    fn run_stem(
        &self,
        input: &[f32],
        frames: usize,
        scratch: &mut Scratch,
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<usize> {
        let (width, [conv1, conv2]) = (self.recipe.width, &self.conv);
        let Scratch { first, hidden, positions: table, products, .. } = scratch;
        let first = resize_scratch(first, frames * width);
        conv1.run(&input[..frames * self.recipe.mels], frames, first, products);
        gelu(first);
        tap.pass(&format!("{PREFIX}.conv1"), &[frames, width], first)?;
        let count = conv2.frames_out(frames);
        let hidden = resize_scratch(hidden, count * width);
        conv2.run(first, frames, hidden, products);
        gelu(hidden);
        tap.pass(&format!("{PREFIX}.conv2"), &[count, width], hidden)?;
        if table.len() < hidden.len() {
            *table = positions(count, width);
        }
        hidden.iter_mut().zip(&*table).for_each(|(x, p)| *x += p);
        Ok(count)
    }
}

fn load_layer(loader: &mut Loader<'_>, index: usize, recipe: &WhisperRecipe) -> Result<TransformerLayer> {
    let name = |part: &str| format!("{PREFIX}.layers.{index}.{part}");
    let names = LayerNames {
        attention_norm: name("self_attn_layer_norm"),
        dense: ["fc1", "fc2"].map(name),
        dense_norm: name("final_layer_norm"),
    };
    let sizes = LayerSizes { channels: recipe.width, between: recipe.feed_forward, eps: EPS, norms_before: true };
    let attention = Attention::load_plain(loader, &name("self_attn"), recipe.width, recipe.heads)?;
    TransformerLayer::load(loader, attention, &names, sizes)
}

impl Network for Whisper {
    fn min_frames(&self) -> usize {
        1
    }

    fn dim(&self) -> usize {
        self.recipe.dim()
    }

    fn largest_layer(&self, frames: usize) -> usize {
        let rows = self.conv[1].frames_out(frames).saturating_mul((3 * self.recipe.width).max(ROWS));
        frames.saturating_mul(self.recipe.width).max(rows).max(ROWS * self.recipe.feed_forward)
    }

    fn int8_tensors(&self) -> Vec<&Int8Tensor> {
        let convolutions = self.conv.iter().flat_map(FrameConv::int8_tensors);
        convolutions.chain(self.layers.iter().flat_map(TransformerLayer::int8_tensors)).collect()
    }

    /// Computes the pooled states. Passes to the tap: `whisper.conv1`, `whisper.conv2`,
    /// `whisper.states.0` and so on (each `[frames, width]`) up to the last pooled one,
    /// `whisper.mean.K` of each pooled state K, and `whisper.pooled`.
    fn run(
        &self,
        input: &mut Vec<f32>,
        frames: usize,
        scratch: &mut NetworkScratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        if frames < self.min_frames() {
            return Err(too_short(frames, "frames", self.min_frames()));
        }
        let threads = scratch.threads();
        let scratch: &mut Scratch = scratch.of()?;
        scratch.layer.set_threads(threads);
        let count = self.run_stem(input, frames, scratch, tap)?;
        let WhisperRecipe { width, states, pool, .. } = &self.recipe;
        let Scratch { hidden, means, layer: scratch, .. } = scratch;
        let hidden = &mut hidden[..count * width];
        let means = resize_scratch(means, states.len() * width);
        let mut pooled = means.chunks_exact_mut(*width);
        let last = states.last().copied().unwrap_or(0);
        for state in 0..=last {
            if let Some(layer) = state.checked_sub(1).and_then(|index| self.layers.get(index)) {
                layer.run(hidden, count, &[], scratch);
            }
            if let Some(norm) = self.norm.as_ref().filter(|_| state == self.recipe.layers) {
                norm.run(hidden);
            }
            tap.pass(&format!("{PREFIX}.states.{state}"), &[count, *width], hidden)?;
            if states.contains(&state)
                && let Some(mean) = pooled.next()
            {
                mean_over_frames(hidden, mean);
                tap.pass(&format!("{PREFIX}.mean.{state}"), &[*width], mean)?;
            }
        }
        match pool {
            Pool::Concat => output.copy_from_slice(means),
            Pool::Mean => mean_over_frames(means, output),
        }
        tap.pass(&format!("{PREFIX}.pooled"), &[output.len()], output)
    }
}

impl NetworkRecipe for WhisperRecipe {
    fn load(&self, loader: &mut Loader<'_>, bands: usize) -> Result<Box<dyn Network>> {
        if bands != self.mels {
            let what = format!("{} bands, but the front-end has {bands}", self.mels);
            return Err(wrong("representation.mels", what));
        }
        Ok(Box::new(Whisper::load(loader, self)?))
    }

    fn normalise(&self) -> bool {
        self.normalise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_sinusoids() {
        let table = positions(3, 8);
        assert_eq!(table[..8], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        for (i, rate) in [1.0, 1e4_f64.powf(-1.0 / 3.0), 1e4_f64.powf(-2.0 / 3.0), 1e-4].into_iter().enumerate() {
            approx::assert_abs_diff_eq!(f64::from(table[16 + i]), (2.0 * rate).sin(), epsilon = 1e-6);
            approx::assert_abs_diff_eq!(f64::from(table[20 + i]), (2.0 * rate).cos(), epsilon = 1e-6);
        }
    }
}
