//! Frames without speech dropped before the network, as Kaldi's recipes do between features and network.
//!
//! ```text
//! features ─ compute-vad, by the log energy in column 0 ─▶ speech[t]
//!          ─ mean of a sliding window taken off ─────────▶ the frames with speech[t], one after the other
//! ```
//!
//! The means are those of all frames; frames are dropped behind them (`apply-cmvn-sliding … | select-voiced-frames`).

use serde::Deserialize;

use crate::dsp::{VadEnergy, VadEnergyOptions};
use crate::error::Result;
use crate::models::recipe::within;

/// The recipe, knob by knob under Kaldi's names (`compute-vad`, `vad.conf`).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergyVadRecipe {
    /// Constant part of the threshold, natural logarithm of energy.
    pub vad_energy_threshold: f32,
    /// Share of the mean log energy in the threshold.
    pub vad_energy_mean_scale: f32,
    /// Frames on either side that have a vote.
    pub vad_frames_context: usize,
    /// Share of votes needed.
    pub vad_proportion_threshold: f32,
}

impl EnergyVadRecipe {
    pub(super) fn check(&self) -> Result<()> {
        within("frontend.vad.vad_energy_threshold", &self.vad_energy_threshold, -1_000.0..=1_000.0)?;
        within("frontend.vad.vad_energy_mean_scale", &self.vad_energy_mean_scale, 0.0..=1_000.0)?;
        within("frontend.vad.vad_frames_context", &self.vad_frames_context, 0..=10_000)?;
        within("frontend.vad.vad_proportion_threshold", &self.vad_proportion_threshold, 1e-6..=0.999_999)
    }

    /// The choice, planned.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Config`] names the knob that the signal processing refuses.
    pub(super) fn plan(&self) -> Result<VadEnergy> {
        VadEnergy::new(VadEnergyOptions {
            vad_energy_threshold: self.vad_energy_threshold,
            vad_energy_mean_scale: self.vad_energy_mean_scale,
            vad_frames_context: self.vad_frames_context,
            vad_proportion_threshold: self.vad_proportion_threshold,
        })
    }
}

/// Moves the frames of `features` `[frames, bands]` that are speech to its front. Returns how many they are.
pub(super) fn keep_speech(features: &mut [f32], bands: usize, speech: &[bool]) -> usize {
    let mut kept = 0;
    for (t, _) in speech.iter().enumerate().filter(|(_, speech)| **speech) {
        features.copy_within(t * bands..(t + 1) * bands, kept * bands);
        kept += 1;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Frontend;
    use crate::models::kaldi_frontend::tests::mfcc;
    use serde_json::json;

    #[test]
    fn speech_moves_to_the_front_in_its_order() {
        let mut features = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5];
        assert_eq!(keep_speech(&mut features, 2, &[false, true, true]), 2);
        assert_eq!(features[..4], [2.0, 2.5, 3.0, 3.5]);
        assert_eq!(keep_speech(&mut features, 2, &[false; 3]), 0);
        assert_eq!(keep_speech(&mut [], 2, &[]), 0);
    }

    #[test]
    fn each_wrong_knob_is_named() {
        let sound = json!({"vad_energy_threshold": 5.5, "vad_energy_mean_scale": 0.5, "vad_frames_context": 2, "vad_proportion_threshold": 0.12});
        let parse = |vad: serde_json::Value| {
            let mut recipe = mfcc();
            recipe["vad"] = vad;
            Frontend::parse(recipe)
        };
        assert!(parse(sound.clone()).unwrap().vad().is_some());
        for (key, value) in [
            ("vad_energy_threshold", json!(1e30)),
            ("vad_energy_mean_scale", json!(-0.5)),
            ("vad_frames_context", json!(-1)),
            ("vad_frames_context", json!(1_u64 << 40)),
            ("vad_proportion_threshold", json!(0.0)),
            ("vad_proportion_threshold", json!(1.0)),
            ("vad_energy_treshold", json!(5.0)),
        ] {
            let mut recipe = sound.clone();
            recipe[key] = value;
            let message = parse(recipe).unwrap_err().to_string();
            assert!(message.contains("frontend.vad") && message.contains(key), "{message}");
        }
    }

    /// HTK's order has the energy last.
    #[test]
    fn column_0_must_be_the_energy() {
        let mut recipe = mfcc();
        recipe["vad"] = json!({"vad_energy_threshold": 5.5, "vad_energy_mean_scale": 0.5, "vad_frames_context": 2, "vad_proportion_threshold": 0.12});
        recipe["htk_compat"] = json!(true);
        let message = Frontend::parse(recipe).unwrap_err().to_string();
        assert!(message.contains("`frontend.vad`") && message.contains("htk_compat"), "{message}");
    }
}
