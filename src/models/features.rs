//! The front-end of a manifest, planned: samples in, the features that the network was trained with out.

use crate::dsp::{LogMel, LogMelOptions};
use crate::error::Result;
use crate::models::frontend::{Frontend, LogMelRecipe};

/// Window, FFT and filter bank of one recipe with their work space. Each thread has its own.
#[derive(Clone, Debug)]
pub struct FeatureExtractor {
    logmel: LogMel,
}

impl FeatureExtractor {
    /// Replaces `features` by those of `samples` (mono, at the recipe's rate): `[frames, bands]` in dB. Returns the frames.
    /// Nothing is allocated once `features` has grown to the longest stretch.
    pub fn run(&mut self, samples: &[f32], features: &mut Vec<f32>) -> usize {
        self.logmel.run(samples, features);
        self.logmel.frames(samples.len())
    }
}

impl Frontend {
    /// Plans the recipe.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Config`] names the knob that the signal processing refuses.
    pub fn extractor(&self) -> Result<FeatureExtractor> {
        match self {
            Self::LogMel(recipe) => Ok(FeatureExtractor { logmel: LogMel::new(recipe.options())? }),
        }
    }

    /// The rate that samples must have, Hz.
    pub fn sample_rate_hz(&self) -> u32 {
        match self {
            Self::LogMel(recipe) => recipe.sample_rate_hz,
        }
    }

    /// Samples of the longest stretch that the network takes at once.
    pub fn window_samples(&self) -> usize {
        match self {
            Self::LogMel(recipe) => recipe.window_samples(),
        }
    }

    /// The fewest samples that give so many frames.
    pub fn samples_for(&self, frames: usize) -> usize {
        match self {
            Self::LogMel(recipe) => frames.saturating_sub(1) * recipe.hop_length,
        }
    }
}

impl LogMelRecipe {
    fn options(&self) -> LogMelOptions {
        LogMelOptions {
            sample_rate_hz: self.sample_rate_hz,
            n_fft: self.n_fft,
            hop_length: self.hop_length,
            n_mels: self.n_mels,
            f_min_hz: self.f_min_hz,
            f_max_hz: self.f_max_hz,
            amin: self.amin,
            top_db: self.top_db,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::frontend::tests::logmel;

    #[test]
    fn the_fewest_samples_for_some_frames_give_just_those() {
        let frontend = Frontend::parse(logmel()).unwrap();
        let (mut extractor, mut features) = (frontend.extractor().unwrap(), Vec::new());
        for frames in [1, 2, 15, 188] {
            let samples = frontend.samples_for(frames);
            assert_eq!(extractor.run(&vec![0.1; samples], &mut features), frames);
            assert_eq!(features.len(), frames * frontend.bands());
            if samples > 0 {
                assert_eq!(extractor.run(&vec![0.1; samples - 1], &mut features), frames - 1);
            }
        }
    }

    #[test]
    fn a_recipe_that_the_dsp_refuses_is_refused_by_name() {
        let mut recipe = logmel();
        recipe["n_fft"] = serde_json::json!(1023);
        let message = Frontend::parse(recipe).unwrap().extractor().unwrap_err().to_string();
        assert!(message.contains("n_fft") && message.contains("1023"), "{message}");
    }
}
