//! The front-end of networks that take samples: no features, at most normalisation of mean and
//! variance.
//!
//! ```text
//! y = (x − mean) / sqrt(var + normalize_eps)        var: divided by the number of samples
//! ```
//!
//! Hugging Face's `Wav2Vec2FeatureExtractor`. A frame is one sample and has one value.

use serde::Deserialize;

use super::feature_extractor::{FeatureExtractor, FeatureOptions};
use super::invalid_option::{InvalidOption, within};

/// Options of the `raw` front-end.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOptions {
    /// Sample rate, Hz.
    pub sample_rate_hz: u32,
    /// Whether each clip is normalised to mean 0 and variance 1, as Hugging Face's feature
    /// extractor does.
    pub do_normalize: bool,
    /// Added to the variance: 1e-7 in Hugging Face's feature extractor, 1e-5 in WavLM's own
    /// release.
    pub normalize_eps: f64,
}

impl FeatureOptions for RawOptions {
    fn check(&self) -> Result<(), InvalidOption> {
        within("sample_rate_hz", self.sample_rate_hz, 4_000..=384_000)?;
        within("normalize_eps", self.normalize_eps, 1e-12..=1.0)
    }

    fn summary(&self) -> String {
        "samples".to_owned()
    }

    fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    fn bands(&self) -> usize {
        1
    }

    fn frames(&self, n_samples: usize) -> usize {
        n_samples
    }

    fn samples_for(&self, frames: usize) -> usize {
        frames
    }

    fn extractor(&self) -> Result<FeatureExtractor, InvalidOption> {
        self.check()?;
        let options = self.clone();
        Ok(FeatureExtractor::new(1, move |samples, values| options.run(samples, values)))
    }
}

impl RawOptions {
    /// Replaces `values` by the samples, normalised with `do_normalize`.
    fn run(&self, samples: &[f32], values: &mut Vec<f32>) {
        values.clear();
        if !self.do_normalize {
            values.extend_from_slice(samples);
            return;
        }
        let count = samples.len().max(1) as f64;
        let mean = samples.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
        let variance = samples.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count;
        let scale = 1.0 / (variance + self.normalize_eps).sqrt();
        values.extend(samples.iter().map(|x| ((f64::from(*x) - mean) * scale) as f32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(do_normalize: bool) -> RawOptions {
        RawOptions { sample_rate_hz: 16_000, do_normalize, normalize_eps: 1e-7 }
    }

    #[test]
    fn samples_are_normalised_or_copied() {
        let samples: Vec<f32> = (0..1_000).map(|i| 0.25 + 0.1 * (i as f32 * 0.3).sin()).collect();
        let mut values = vec![f32::NAN; 3];
        options(false).run(&samples, &mut values);
        assert_eq!(values, samples);
        options(true).run(&samples, &mut values);
        let mean = values.iter().sum::<f32>() / 1e3;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 1e3;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-3, "{mean} {variance}");
        // a constant has the variance 0: eps keeps it from becoming NaN
        options(true).run(&[0.5; 10], &mut values);
        assert_eq!(values, [0.0; 10]);
        options(true).run(&[], &mut values);
        assert!(values.is_empty());
    }

    #[test]
    fn invalid_options_are_named() {
        for (name, options) in [
            ("sample_rate_hz", RawOptions { sample_rate_hz: 0, ..options(true) }),
            ("normalize_eps", RawOptions { normalize_eps: 0.0, ..options(true) }),
            ("normalize_eps", RawOptions { normalize_eps: f64::NAN, ..options(true) }),
        ] {
            let message = options.extractor().unwrap_err().to_string();
            assert!(message.contains(&format!("`{name}` is ")), "{message}");
        }
    }
}
