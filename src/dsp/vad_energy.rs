//! Kaldi's energy-based voice activity detection (`compute-vad`).
//!
//! ```text
//! threshold = vad_energy_threshold + vad_energy_mean_scale · mean of e
//! speech[t] = (number of s in C with e[s] > threshold)  ≥  (number of s in C) · vad_proportion_threshold
//! ```
//!
//! e is the log energy of the frames (column 0 of a Kaldi MFCC with `use_energy`, at Kaldi's sample
//! scale), C the frames of the utterance from t − vad_frames_context to t + vad_frames_context.

use serde::Deserialize;

use super::invalid_option::{InvalidOption, within};
use crate::error::{Error, Result};

/// Kaldi's `VadEnergyOptions`, with Kaldi's defaults. Kaldi's VoxCeleb and SRE16 recipes use 5.5,
/// 0.5, 2 and 0.12.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VadEnergyOptions {
    /// Constant part of the threshold, natural logarithm of energy. Default 5.
    pub vad_energy_threshold: f32,
    /// Factor of the utterance's mean log energy in the threshold, 0 or more. Default 0.5.
    pub vad_energy_mean_scale: f32,
    /// Frames on either side that are included in the decision. Default 0.
    pub vad_frames_context: usize,
    /// Proportion of those frames that must exceed the threshold, above 0 and below 1. Default 0.6.
    pub vad_proportion_threshold: f32,
}

impl Default for VadEnergyOptions {
    fn default() -> Self {
        Self {
            vad_energy_threshold: 5.0,
            vad_energy_mean_scale: 0.5,
            vad_frames_context: 0,
            vad_proportion_threshold: 0.6,
        }
    }
}

impl VadEnergyOptions {
    /// Checks every option.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid one.
    pub fn check(&self) -> Result<(), InvalidOption> {
        within("vad_energy_threshold", self.vad_energy_threshold, -1_000.0..=1_000.0)?;
        within("vad_energy_mean_scale", self.vad_energy_mean_scale, 0.0..=1_000.0)?;
        // Frames are counted in f32, as in Kaldi, which is exact up to 2²⁴.
        within("vad_frames_context", self.vad_frames_context, 0..=MAX_CONTEXT)?;
        within("vad_proportion_threshold", self.vad_proportion_threshold, 1e-6..=0.999_999)
    }
}

/// Largest `vad_frames_context`: 100 s on either side at Kaldi's 10 ms per frame.
const MAX_CONTEXT: usize = 10_000;

/// Voice activity detection with checked options.
#[derive(Clone, Debug)]
pub struct VadEnergy {
    options: VadEnergyOptions,
}

impl VadEnergy {
    /// Checks the options.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid option.
    pub fn new(options: VadEnergyOptions) -> Result<Self, InvalidOption> {
        options.check()?;
        Ok(Self { options })
    }

    /// The options.
    pub fn options(&self) -> &VadEnergyOptions {
        &self.options
    }

    /// Replaces `speech` `[frames]` by the decision for each frame of `features` `[frames, dim]`,
    /// whose column 0 is the log energy. Allocates nothing if the capacity of `speech` suffices.
    /// The cost per frame does not depend on the context.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a log energy is NaN or infinite, because then the mean is
    /// undefined.
    ///
    /// # Panics
    /// If `dim` is 0 or the length is not a multiple of it.
    pub fn run(&self, features: &[f32], dim: usize, speech: &mut Vec<bool>) -> Result<()> {
        assert!(dim > 0 && features.len().is_multiple_of(dim), "whole frames of {dim} columns");
        let frames = features.len() / dim;
        let energy = |t: usize| features[t * dim];
        if let Some(t) = (0..frames).find(|t| !energy(*t).is_finite()) {
            return Err(Error::Unsupported(format!("energy VAD: the log energy of frame {t} is {}", energy(t))));
        }
        let threshold = self.threshold((0..frames).map(energy), frames);
        let context = self.options.vad_frames_context;
        let loud = |t: usize| usize::from(energy(t) > threshold);
        speech.clear();
        let (mut next, mut votes) = (0, 0);
        for t in 0..frames {
            let (start, end) = (t.saturating_sub(context), (t + context + 1).min(frames));
            votes += (next..end).map(loud).sum::<usize>();
            next = end;
            speech.push(votes as f32 >= (end - start) as f32 * self.options.vad_proportion_threshold);
            if t >= context {
                votes -= loud(start);
            }
        }
        Ok(())
    }

    fn threshold(&self, energies: impl Iterator<Item = f32>, frames: usize) -> f32 {
        let mean = energies.map(f64::from).sum::<f64>() / frames.max(1) as f64;
        self.options.vad_energy_threshold + (f64::from(self.options.vad_energy_mean_scale) * mean) as f32
    }
}

/// Moves the frames of `features` `[frames, dim]` that are speech to the front, in order, and
/// returns their number (Kaldi's `select-voiced-frames`).
pub fn select_voiced_frames(features: &mut [f32], dim: usize, speech: &[bool]) -> usize {
    let mut selected = 0;
    for (t, _) in speech.iter().enumerate().filter(|(_, speech)| **speech) {
        features.copy_within(t * dim..(t + 1) * dim, selected * dim);
        selected += 1;
    }
    selected
}

#[cfg(test)]
mod tests {
    use super::super::reference::{golden_in, noise};
    use super::*;

    fn options(context: usize, proportion: f32) -> VadEnergyOptions {
        VadEnergyOptions { vad_frames_context: context, vad_proportion_threshold: proportion, ..Default::default() }
    }

    fn run(options: VadEnergyOptions, features: &[f32], dim: usize) -> Vec<bool> {
        let mut speech = vec![true; 2];
        VadEnergy::new(options).unwrap().run(features, dim, &mut speech).unwrap();
        speech
    }

    /// The formula above, with the frames counted anew for each decision.
    fn naive(options: &VadEnergyOptions, energies: &[f32]) -> Vec<bool> {
        let mean = energies.iter().map(|e| f64::from(*e)).sum::<f64>() / energies.len() as f64;
        let threshold = f64::from(options.vad_energy_threshold) + f64::from(options.vad_energy_mean_scale) * mean;
        let context = options.vad_frames_context as isize;
        let speech = |t: isize| {
            let voters = (t - context..=t + context).filter(|s| (0..energies.len() as isize).contains(s));
            let (votes, all) = voters.fold((0, 0), |(votes, all), s| {
                (votes + i32::from(f64::from(energies[s as usize]) > threshold), all + 1)
            });
            votes as f32 >= all as f32 * options.vad_proportion_threshold
        };
        (0..energies.len() as isize).map(speech).collect()
    }

    #[test]
    fn equals_the_formula() {
        for (context, proportion) in [(0, 0.6), (1, 0.5), (2, 0.12), (2, 0.6), (40, 0.5)] {
            for frames in [0, 1, 2, 5, 200] {
                let features: Vec<f32> = noise(frames * 3, 31).iter().map(|x| 10.0 + 6.0 * x).collect();
                let energies: Vec<f32> = features.iter().step_by(3).copied().collect();
                let options = options(context, proportion);
                let want = naive(&options, &energies);
                assert_eq!(run(options, &features, 3), want, "context {context}, {frames} frames");
                assert!(frames < 200 || (want.contains(&true) && want.contains(&false)));
            }
        }
    }

    #[test]
    fn equals_the_golden_values() {
        let energies = golden_in("kaldi", "vad.log_energy");
        for (name, options) in [
            ("vad.default", VadEnergyOptions::default()),
            ("vad.sre16", VadEnergyOptions { vad_energy_threshold: 5.5, ..options(2, 0.12) }),
            ("vad.strict", options(2, 0.6)),
        ] {
            let want: Vec<bool> = golden_in("kaldi", name).into_iter().map(|v| v == 1.0).collect();
            assert_eq!(run(options, &energies, 1), want, "{name}");
            assert!(want.contains(&true) && want.contains(&false), "{name} has frames of both kinds");
        }
    }

    /// Three of five frames are 0.6 of them: just enough, though neither 0.6 nor the product is
    /// exact in binary.
    #[test]
    fn an_exact_proportion_is_enough() {
        let energies = [20.0, 20.0, 20.0, 0.0, 0.0];
        assert!(run(options(4, 0.6), &energies, 1)[2]);
        assert!(!run(options(4, 0.61), &energies, 1)[2]);
    }

    #[test]
    fn voiced_frames_move_to_the_front_in_order() {
        let mut features = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5];
        assert_eq!(select_voiced_frames(&mut features, 2, &[false, true, true]), 2);
        assert_eq!(features[..4], [2.0, 2.5, 3.0, 3.5]);
        assert_eq!(select_voiced_frames(&mut features, 2, &[false; 3]), 0);
        assert_eq!(select_voiced_frames(&mut [], 2, &[]), 0);
    }

    #[test]
    fn energies_that_are_not_finite_and_invalid_options_are_named() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = VadEnergy::new(options(0, 0.6)).unwrap().run(&[9.0, 1.0, bad, 1.0], 2, &mut Vec::new());
            let message = error.unwrap_err().to_string();
            assert!(message.contains("frame 1"), "{message}");
        }
        for (field, options) in [
            ("vad_energy_threshold", VadEnergyOptions { vad_energy_threshold: f32::NAN, ..Default::default() }),
            ("vad_energy_mean_scale", VadEnergyOptions { vad_energy_mean_scale: -0.1, ..Default::default() }),
            ("vad_frames_context", options(MAX_CONTEXT + 1, 0.6)),
            ("vad_proportion_threshold", options(0, 0.0)),
            ("vad_proportion_threshold", options(0, 1.0)),
            ("vad_proportion_threshold", options(0, f32::NAN)),
        ] {
            let message = VadEnergy::new(options).unwrap_err().to_string();
            assert!(message.contains(&format!("`{field}` is ")), "{field}: {message}");
        }
    }
}
