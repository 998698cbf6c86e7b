//! WavLM, a self-supervised speech model (Chen et al. 2022, "WavLM: large-scale self-supervised
//! pre-training for full stack speech processing", arXiv 2110.13900): Base, Base+ and Large, which
//! differ only in their recipes.
//!
//! | file | in | out |
//! |---|---|---|
//! | `feature_encoder` | `[samples]` at 16 kHz | `[frames, 512]`, a frame for every 320 samples |
//! | here | that | layer norm and dense layer: `[frames, channels]` |
//! | `transformer` | that | `[frames, channels]` after each layer: the hidden states |
//! | here | one of them, by default the last | its mean over time, `[channels]` |
//!
//! Tensors have the names of Hugging Face's transformers, prefixed with `wavlm.`

mod feature_encoder;
mod recipe;
mod transformer;

pub use recipe::{FeatureNorm, WavLmRecipe};

use crate::error::Result;
use crate::models::network::{Network, NetworkRecipe, NetworkScratch, too_short};
use crate::models::recipe::wrong;
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{self, FrameConv, Int8Tensor, LayerNorm, Loader, Precision, mean_over_frames};
use feature_encoder::FeatureEncoder;
use transformer::Transformer;

/// Prefix of the names of the tensors.
const PREFIX: &str = "wavlm";

/// `[samples]` → `[channels]`.
#[derive(Debug)]
pub(crate) struct WavLm {
    encoder: FeatureEncoder,
    norm: LayerNorm,
    projection: FrameConv,
    transformer: Transformer,
    hidden_state: usize,
}

/// Scratch memory.
#[derive(Debug, Default)]
struct Scratch {
    /// One per thread.
    encoder: Vec<feature_encoder::Scratch>,
    /// `[frames, channels of the encoder]`.
    encoded: Vec<f32>,
    /// `[frames, channels]`.
    hidden: Vec<f32>,
    transformer: transformer::Scratch,
}

impl Scratch {
    /// Sets the number of threads, at least 1. The result does not depend on it.
    fn set_threads(&mut self, threads: usize) {
        self.encoder.resize_with(threads, feature_encoder::Scratch::default);
        self.transformer.set_threads(threads);
    }
}

impl WavLm {
    /// Takes the tensors `wavlm.…`.
    fn load(loader: &mut Loader<'_>, recipe: &WavLmRecipe) -> Result<Self> {
        let encoder = FeatureEncoder::load(loader, &format!("{PREFIX}.feature_extractor"), recipe)?;
        let (name, inputs) = (format!("{PREFIX}.feature_projection"), encoder.outputs());
        let norm = LayerNorm::load(loader, &format!("{name}.layer_norm"), inputs, recipe.layer_norm_eps)?;
        let shape = [recipe.hidden_size, inputs];
        let projection = FrameConv::load_linear(loader, &format!("{name}.projection"), shape, Precision::F32)?;
        let transformer = Transformer::load(loader, &format!("{PREFIX}.encoder"), recipe)?;
        Ok(Self { encoder, norm, projection, transformer, hidden_state: recipe.hidden_state })
    }
}

impl Network for WavLm {
    /// The samples that one frame depends on: 400 for the published sizes.
    fn min_frames(&self) -> usize {
        self.encoder.reach()
    }

    fn dim(&self) -> usize {
        self.projection.outputs()
    }

    fn largest_layer(&self, samples: usize) -> usize {
        let frames = self.encoder.frames_out(samples);
        let encoded = frames.saturating_mul(self.encoder.outputs());
        self.encoder.values().max(encoded).max(self.transformer.values(frames))
    }

    fn int8_tensors(&self) -> Vec<&Int8Tensor> {
        self.encoder.int8_tensors().chain(self.transformer.int8_tensors()).collect()
    }

    /// Computes the mean of a hidden state. Passes to the tap:
    /// `wavlm.feature_extractor.conv_layers.0` and so on, `wavlm.feature_projection`,
    /// `wavlm.hidden_states.0` and so on (each `[frames, channels]`), and `wavlm.mean`.
    fn run(
        &self,
        input: &mut Vec<f32>,
        samples: usize,
        scratch: &mut NetworkScratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        if samples < self.min_frames() {
            return Err(too_short(samples, "samples", self.min_frames()));
        }
        let threads = scratch.threads();
        let scratch: &mut Scratch = scratch.of()?;
        scratch.set_threads(threads);
        let Scratch { encoder, encoded, hidden, transformer } = scratch;
        let (frames, channels) = (self.encoder.frames_out(samples), self.dim());
        let encoded = resize_scratch(encoded, frames * self.encoder.outputs());
        self.encoder.run(&input[..samples], &format!("{PREFIX}.feature_extractor"), encoded, encoder, tap)?;
        self.norm.run(encoded);
        let hidden = resize_scratch(hidden, frames * channels);
        self.projection.run(encoded, frames, hidden, &mut nn::Scratch::default());
        tap.pass(&format!("{PREFIX}.feature_projection"), &[frames, channels], hidden)?;
        self.transformer.run(hidden, frames, (PREFIX, self.hidden_state), transformer, tap)?;
        mean_over_frames(hidden, output);
        tap.pass(&format!("{PREFIX}.mean"), &[channels], output)
    }
}

impl NetworkRecipe for WavLmRecipe {
    fn load(&self, loader: &mut Loader<'_>, bands: usize) -> Result<Box<dyn Network>> {
        if bands != 1 {
            let what = format!("reads samples, not features of {bands} bands: its front-end is `raw`");
            return Err(wrong("representation.kind", what));
        }
        Ok(Box::new(WavLm::load(loader, self)?))
    }

    fn normalise(&self) -> bool {
        self.normalise
    }
}
