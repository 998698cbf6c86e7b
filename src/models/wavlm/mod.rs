//! WavLM (Chen et al. 2022, "WavLM: large-scale self-supervised pre-training for full stack speech processing", arXiv 2110.13900): Base, Base+ and
//! Large, which differ in their recipes alone.
//!
//! | file | in | out |
//! |---|---|---|
//! | `feature_encoder` | `[samples]` at 16 kHz | `[frames, 512]`, a frame for every 320 samples |
//! | here | that | layer norm and a dense layer: `[frames, channels]` |
//! | `transformer` | that | `[frames, channels]` behind each layer: the hidden states |
//! | here | one of them, the last unless asked | its mean over time, `[channels]` |
//!
//! Tensors have the names that Hugging Face's transformers gives them, behind `wavlm.`

mod feature_encoder;
mod recipe;
mod transformer;

pub use recipe::{FeatureNorm, WavLmRecipe};

use crate::error::{Error, Result};
use crate::models::tap::{LayerTap, resize_scratch};
use crate::nn::{self, LayerNorm, Precision, StridedConv, Weights};
use feature_encoder::FeatureEncoder;
use transformer::Transformer;

/// Where the tensors' names begin.
const PREFIX: &str = "wavlm";

/// `[samples]` → `[channels]`.
#[derive(Debug)]
pub struct WavLm {
    encoder: FeatureEncoder,
    norm: LayerNorm,
    projection: StridedConv,
    transformer: Transformer,
    hidden_state: usize,
}

/// What [`WavLm::run`] needs beside its input; grows to the longest clip that it saw.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Normalised samples.
    pub(crate) samples: Vec<f32>,
    /// One for each thread.
    encoder: Vec<feature_encoder::Scratch>,
    /// `[frames, channels of the encoder]`.
    encoded: Vec<f32>,
    /// `[frames, channels]`.
    hidden: Vec<f32>,
    transformer: transformer::Scratch,
}

impl Scratch {
    /// How many threads share the work: one, unless told. No bit of the result depends on it.
    pub(crate) fn set_threads(&mut self, threads: usize) {
        self.encoder.resize_with(threads.max(1), feature_encoder::Scratch::default);
        self.transformer.set_threads(threads.max(1));
    }
}

impl WavLm {
    /// Takes the tensors `wavlm.…`.
    pub(crate) fn load(weights: &mut Weights<'_>, recipe: &WavLmRecipe) -> Result<Self> {
        let encoder = FeatureEncoder::load(weights, &format!("{PREFIX}.feature_extractor"), recipe)?;
        let (name, inputs) = (format!("{PREFIX}.feature_projection"), encoder.outputs());
        let norm = LayerNorm::load(weights, &format!("{name}.layer_norm"), inputs, recipe.layer_norm_eps)?;
        let shape = [recipe.hidden_size, inputs];
        let projection = StridedConv::load_linear(weights, &format!("{name}.projection"), shape, Precision::F32)?;
        let transformer = Transformer::load(weights, &format!("{PREFIX}.encoder"), recipe)?;
        Ok(Self { encoder, norm, projection, transformer, hidden_state: recipe.hidden_state })
    }

    /// The fewest samples that give a frame: 400 for the published sizes.
    pub fn min_samples(&self) -> usize {
        self.encoder.reach()
    }

    /// Length of the representation.
    pub fn dim(&self) -> usize {
        self.projection.outputs()
    }

    /// Values of the largest layer for so many samples.
    pub(crate) fn values(&self, samples: usize) -> usize {
        let frames = self.encoder.frames_out(samples);
        let encoded = frames.saturating_mul(self.encoder.outputs());
        self.encoder.values().max(encoded).max(self.transformer.values(frames))
    }

    /// From the normalised samples in `scratch.samples` to the mean of a hidden state. Shows `wavlm.feature_extractor.conv_layers.0` and so on,
    /// `wavlm.feature_projection`, `wavlm.hidden_states.0` and so on (each `[frames, channels]`), and `wavlm.mean`.
    pub(crate) fn run(
        &self,
        samples: usize,
        scratch: &mut Scratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        if samples < self.min_samples() {
            return Err(Error::Config(format!("{samples} samples: the network needs at least {}", self.min_samples())));
        }
        if scratch.encoder.is_empty() {
            scratch.set_threads(1);
        }
        let Scratch { samples: signal, encoder, encoded, hidden, transformer } = scratch;
        let (frames, channels) = (self.encoder.frames_out(samples), self.dim());
        let encoded = resize_scratch(encoded, frames * self.encoder.outputs());
        self.encoder.run(&signal[..samples], &format!("{PREFIX}.feature_extractor"), encoded, encoder, tap)?;
        self.norm.run(encoded);
        let hidden = resize_scratch(hidden, frames * channels);
        self.projection.run(encoded, frames, hidden, &mut nn::Scratch::default());
        tap.pass(&format!("{PREFIX}.feature_projection"), &[frames, channels], hidden)?;
        self.transformer.run(hidden, frames, (PREFIX, self.hidden_state), transformer, tap)?;
        mean_over_frames(hidden, output);
        tap.pass(&format!("{PREFIX}.mean"), &[channels], output)
    }
}

/// The mean of each channel of `[frames, channels]`, added up in f64.
fn mean_over_frames(rows: &[f32], mean: &mut [f32]) {
    let channels = mean.len().max(1);
    let frames = rows.len() / channels;
    let mut sums = vec![0.0_f64; channels];
    for row in rows.chunks_exact(channels) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    mean.iter_mut().zip(&sums).for_each(|(mean, sum)| *mean = (sum / frames as f64) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_frames() {
        let mut mean = [f32::NAN; 2];
        mean_over_frames(&[1.0, 10.0, 2.0, 20.0, 6.0, 60.0], &mut mean);
        assert_eq!(mean, [3.0, 30.0]);
    }
}
