//! The recipe of networks that hear samples: no features at all.

use serde::Deserialize;
use serde_json::Value;

use crate::error::Result;
use crate::models::recipe::{parse, within};

/// The manifest's `frontend` of kind `raw`. A frame is a sample and has one value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRecipe {
    /// Hz; audio of another rate is resampled to it.
    pub sample_rate_hz: u32,
    /// Whether each segment that the network takes is brought to the mean 0 and the variance 1 first, as Hugging Face's feature extractor does.
    pub do_normalize: bool,
    /// What that adds to the variance: 1e-7 in Hugging Face's feature extractor, 1e-5 in WavLM's own release.
    pub normalize_eps: f64,
    /// The longest segment that the network takes at once, in seconds.
    pub window_s: f64,
}

impl RawRecipe {
    /// Reads the part without its `kind`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("frontend", value)?;
        within("frontend.sample_rate_hz", &recipe.sample_rate_hz, 4_000..=384_000)?;
        within("frontend.normalize_eps", &recipe.normalize_eps, 1e-12..=1.0)?;
        within("frontend.window_s", &recipe.window_s, 0.1..=60.0)?;
        Ok(recipe)
    }

    /// Replaces `values` by what the network hears of `samples`:
    ///
    /// ```text
    /// y = (x − mean) / sqrt(var + normalize_eps)        var: divided by the number of samples
    /// ```
    ///
    /// or the samples themselves without `do_normalize`.
    pub(crate) fn run(&self, samples: &[f32], values: &mut Vec<f32>) {
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
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(in crate::models) fn raw() -> Value {
        json!({"kind": "raw", "sample_rate_hz": 16_000, "do_normalize": true, "normalize_eps": 1e-7, "window_s": 3.0})
    }

    fn parsed(change: (&str, Value)) -> Result<RawRecipe> {
        let mut recipe = raw();
        recipe.as_object_mut().unwrap().remove("kind");
        recipe[change.0] = change.1;
        RawRecipe::parse(recipe)
    }

    #[test]
    fn normalised_or_left_alone() {
        let samples: Vec<f32> = (0..1_000).map(|i| 0.25 + 0.1 * (i as f32 * 0.3).sin()).collect();
        let mut values = vec![f32::NAN; 3];
        parsed(("do_normalize", json!(false))).unwrap().run(&samples, &mut values);
        assert_eq!(values, samples);
        parsed(("do_normalize", json!(true))).unwrap().run(&samples, &mut values);
        let mean = values.iter().sum::<f32>() / 1e3;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 1e3;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-3, "{mean} {variance}");
        // a constant has the variance 0: eps keeps it from becoming NaN
        parsed(("do_normalize", json!(true))).unwrap().run(&[0.5; 10], &mut values);
        assert_eq!(values, [0.0; 10]);
        parsed(("do_normalize", json!(true))).unwrap().run(&[], &mut values);
        assert!(values.is_empty());
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (key, value) in [
            ("sample_rate_hz", json!(0)),
            ("do_normalize", json!("yes")),
            ("normalize_eps", json!(0.0)),
            ("window_s", json!(1e9)),
            ("dither", json!(0.0)),
        ] {
            let message = parsed((key, value)).unwrap_err().to_string();
            assert!(message.contains("`frontend") && message.contains(key), "{message}");
        }
    }
}
