//! Mel band energies of Kaldi's frames.
//!
//! ```text
//! P[k] = |FFT(y)[k]|²,  or |FFT(y)[k]| without use_power        y: kaldi/frames.rs
//! B[b] = Σ_k bank[b, k] · P[k]                                  bank: MelBank::kaldi
//! ```

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::dsp::invalid_option::{InvalidOption, require, within};
use crate::dsp::mel::MelBank;
use crate::dsp::spectrum_batch::PowerSpectrumBatch;
use crate::kernels::lanes::Lanes;

use super::frames::{Energy, FrameOptions, Frames};

/// Kaldi's `MelBanksOptions`, with Kaldi's defaults (for both fbank and MFCC).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MelOptions {
    /// Number of triangular bands, at least 3. Default 23.
    pub num_bins: usize,
    /// Lower edge of the lowest band, Hz. Default 20.
    pub low_freq: f32,
    /// Upper edge of the highest band, Hz; a value of 0 or less is added to half of `samp_freq`.
    /// Default 0.
    pub high_freq: f32,
}

impl Default for MelOptions {
    fn default() -> Self {
        Self { num_bins: 23, low_freq: 20.0, high_freq: 0.0 }
    }
}

impl MelOptions {
    /// The upper edge in Hz, with a value of 0 or less added to half of `samp_freq`.
    fn high_hz(&self, samp_freq: u32) -> f64 {
        let high = f64::from(self.high_freq);
        if high > 0.0 { high } else { f64::from(samp_freq) / 2.0 + high }
    }

    /// Checks the options for valid `frame` options. A filter bank in which a band meets no bin is
    /// refused, as in Kaldi.
    pub(super) fn check(&self, frame: &FrameOptions) -> Result<(), InvalidOption> {
        let (low, high) = (f64::from(self.low_freq), self.high_hz(frame.samp_freq));
        let nyquist = f64::from(frame.samp_freq) / 2.0;
        within("num_bins", self.num_bins, 3..=1_024.min(frame.n_fft() / 2))?;
        let valid = (0.0..nyquist).contains(&low);
        require("low_freq", self.low_freq, valid, "0 or more, below half of samp_freq")?;
        let expected = "above low_freq, at most half of samp_freq (0 or less: added to it)";
        require("high_freq", self.high_freq, low < high && high <= nyquist, expected)?;
        match self.bank(frame).empty_band() {
            None => Ok(()),
            Some(band) => {
                let expected = format!("fewer: band {band} lies between two bins of the spectrum");
                require("num_bins", self.num_bins, false, &expected)
            }
        }
    }

    /// Kaldi's filter bank.
    fn bank(&self, frame: &FrameOptions) -> MelBank {
        let (low, high) = (f64::from(self.low_freq), self.high_hz(frame.samp_freq));
        MelBank::kaldi(f64::from(frame.samp_freq), frame.n_fft(), self.num_bins, low, high)
    }
}

/// Mel band energies, planned, with their scratch memory.
#[derive(Clone, Debug)]
pub(super) struct Bands {
    frames: Frames,
    spectra: PowerSpectrumBatch,
    bank: MelBank,
    use_power: bool,
    lanes: Vec<Lanes>,
    powers: Vec<Lanes>,
}

impl Bands {
    /// Plans for options that were checked.
    pub(super) fn new(frame: &FrameOptions, mel: &MelOptions, use_power: bool, energy: Energy) -> Self {
        let spectra = PowerSpectrumBatch::new(frame.n_fft());
        Self {
            frames: Frames::new(frame, energy),
            bank: mel.bank(frame),
            use_power,
            lanes: vec![Lanes::default(); frame.n_fft()],
            powers: vec![Lanes::default(); spectra.bins()],
            spectra,
        }
    }

    /// Number of frames of `n_samples`.
    pub(super) fn frames(&self, n_samples: usize) -> usize {
        self.frames.count(n_samples)
    }

    /// Number of bands: num_bins.
    pub(super) fn bands(&self) -> usize {
        self.bank.bands()
    }

    /// Writes the band energies of at most 16 frames, one per lane, to `bands` `[num_bins]`, and
    /// returns the frames' log energies.
    pub(super) fn write(&mut self, samples: &[f32], frames: Range<usize>, bands: &mut [Lanes]) -> Lanes {
        let log_energies = self.frames.write(samples, frames, &mut self.lanes);
        self.spectra.run(&mut self.lanes, &mut self.powers);
        if !self.use_power {
            for p in Lanes::flat(&mut self.powers) {
                *p = p.sqrt();
            }
        }
        self.bank.run(&self.powers, bands);
        log_energies
    }

    /// Fills the scratch memory with NaN, which must not reach the next result.
    #[cfg(test)]
    pub(super) fn fill_with_nan(&mut self) {
        self.lanes.fill(Lanes::of(f32::NAN));
        self.powers.fill(Lanes::of(f32::NAN));
    }
}
