//! What all front-ends have in common: options that describe the features, and the extractor
//! planned from them.

use std::fmt;

use super::invalid_option::InvalidOption;
use super::speech_level::SpeechLevel;

/// Options of a front-end, which computes features `[frames, bands]` from samples `[n]`.
pub trait FeatureOptions {
    /// Checks every option.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid one.
    fn check(&self) -> Result<(), InvalidOption>;

    /// Name of the front-end and number of its columns, such as `log-mel, 128 bands`.
    fn summary(&self) -> String;

    /// Sample rate that the front-end expects, Hz.
    fn sample_rate_hz(&self) -> u32;

    /// Number of values per frame.
    fn bands(&self) -> usize;

    /// Number of frames computed from `n_samples`.
    fn frames(&self, n_samples: usize) -> usize;

    /// Smallest number of samples that gives `frames` frames.
    fn samples_for(&self, frames: usize) -> usize;

    /// Plans the computation.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid option.
    fn extractor(&self) -> Result<FeatureExtractor, InvalidOption>;
}

/// Replaces the second argument by the features `[frames, bands]` of the first.
type Compute = dyn FnMut(&[f32], &mut Vec<f32>) + Send + Sync;

/// A planned front-end with its scratch memory: window, FFT and filter bank. Each thread has its
/// own.
pub struct FeatureExtractor {
    bands: usize,
    run: Box<Compute>,
}

impl FeatureExtractor {
    /// Wraps the `run` of a plan.
    pub(super) fn new(bands: usize, run: impl FnMut(&[f32], &mut Vec<f32>) + Send + Sync + 'static) -> Self {
        Self { bands, run: Box::new(run) }
    }

    /// The same extractor behind a gain that brings the speech of each chunk to a level.
    #[must_use]
    pub fn behind(self, mut level: SpeechLevel) -> Self {
        let Self { bands, mut run } = self;
        let mut levelled = Vec::new();
        Self::new(bands, move |samples, features| {
            level.run(samples, &mut levelled);
            run(&levelled, features);
        })
    }

    /// Replaces `features` by those of `samples` (mono, at the front-end's rate): `[frames,
    /// bands]`, before normalisation. Returns the number of frames. Allocates nothing once
    /// `features` has grown to the longest clip.
    pub fn run(&mut self, samples: &[f32], features: &mut Vec<f32>) -> usize {
        (self.run)(samples, features);
        features.len() / self.bands
    }
}

impl fmt::Debug for FeatureExtractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeatureExtractor").field("bands", &self.bands).finish_non_exhaustive()
    }
}
