//! The front-end of a manifest, planned: samples in, the features that the network was trained with out.

use crate::dsp::{Fbank, KaldiMfcc, LogMel, LogMelOptions, SpeechBrainFbank};
use crate::error::Result;
use crate::models::frontend::{Frontend, LogMelRecipe};
use crate::models::raw_frontend::RawRecipe;

/// Window, FFT and filter bank of one recipe with their work space. Each thread has its own.
#[derive(Clone, Debug)]
pub struct FeatureExtractor {
    plan: Plan,
}

#[derive(Clone, Debug)]
enum Plan {
    LogMel(LogMel),
    KaldiFbank(Fbank),
    KaldiMfcc(KaldiMfcc),
    SpeechBrainFbank(SpeechBrainFbank),
    Raw(RawRecipe),
}

impl FeatureExtractor {
    /// Replaces `features` by those of `samples` (mono, at the recipe's rate): `[frames, bands]`, before normalisation. Returns the frames.
    /// Nothing is allocated once `features` has grown to the longest segment.
    pub fn run(&mut self, samples: &[f32], features: &mut Vec<f32>) -> usize {
        match &mut self.plan {
            Plan::LogMel(logmel) => {
                logmel.run(samples, features);
                logmel.frames(samples.len())
            }
            Plan::KaldiFbank(fbank) => {
                fbank.run(samples, features);
                fbank.frames(samples.len())
            }
            Plan::KaldiMfcc(mfcc) => {
                mfcc.run(samples, features);
                mfcc.frames(samples.len())
            }
            Plan::SpeechBrainFbank(fbank) => {
                fbank.run(samples, features);
                fbank.frames(samples.len())
            }
            Plan::Raw(recipe) => {
                recipe.run(samples, features);
                samples.len()
            }
        }
    }
}

impl Frontend {
    /// Plans the recipe.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Config`] names the knob that the signal processing refuses.
    pub fn extractor(&self) -> Result<FeatureExtractor> {
        let plan = match self {
            Self::LogMel(recipe) => Plan::LogMel(LogMel::new(recipe.options())?),
            Self::KaldiFbank(recipe) => Plan::KaldiFbank(Fbank::new(recipe.options())?),
            Self::KaldiMfcc(recipe) => Plan::KaldiMfcc(KaldiMfcc::new(recipe.options())?),
            Self::SpeechBrainFbank(recipe) => Plan::SpeechBrainFbank(SpeechBrainFbank::new(recipe.options())?),
            Self::Raw(recipe) => Plan::Raw(recipe.clone()),
        };
        Ok(FeatureExtractor { plan })
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
    use crate::models::kaldi_frontend::tests::{fbank, mfcc};
    use crate::models::raw_frontend::tests::raw;

    fn speechbrain() -> serde_json::Value {
        serde_json::json!({"kind": "speechbrain-fbank", "sample_rate_hz": 16000, "n_fft": 400, "win_length_ms": 25.0,
            "hop_length_ms": 10.0, "n_mels": 24, "f_min_hz": 0.0, "f_max_hz": 8000.0, "amin": 1e-10, "top_db": 80.0,
            "window_s": 60.0, "mean_over_time": true})
    }

    #[test]
    fn the_fewest_samples_for_some_frames_give_just_those() {
        let mut mirrored = fbank();
        mirrored["frame_opts"]["snip_edges"] = serde_json::json!(false);
        for recipe in [logmel(), fbank(), mfcc(), mirrored, speechbrain(), raw()] {
            let frontend = Frontend::parse(recipe).unwrap();
            let (mut extractor, mut features) = (frontend.extractor().unwrap(), Vec::new());
            for frames in [1, 2, 15, 188] {
                let samples = frontend.samples_for(frames);
                assert_eq!(extractor.run(&vec![0.1; samples], &mut features), frames);
                assert_eq!((features.len(), frontend.frames(samples)), (frames * frontend.bands(), frames));
                if samples > 0 {
                    assert_eq!(extractor.run(&vec![0.1; samples - 1], &mut features), frames - 1);
                }
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
