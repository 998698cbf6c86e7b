//! Kaldi's mel band energies of one frame.
//!
//! ```text
//! P[k] = |FFT(y)[k]|²,  or |FFT(y)[k]| without use_power        y: kaldi/frames.rs
//! B[b] = Σ_k bank[b, k] · P[k]                                  bank: MelBank::kaldi
//! ```

use std::ops::Range;

use crate::dsp::mel::MelBank;
use crate::dsp::options;
use crate::dsp::spectra::PowerSpectra;
use crate::error::{Error, Result};
use crate::kernels::lanes::Lanes;

use super::frames::{Energy, FrameOptions, Frames};

/// Kaldi's `MelBanksOptions`; the defaults are Kaldi's (for both fbank and MFCC).
#[derive(Clone, Debug, PartialEq)]
pub struct MelOptions {
    /// Number of triangular bands, at least 3. Default 23.
    pub num_bins: usize,
    /// Lower end of the lowest band, Hz. Default 20.
    pub low_freq: f32,
    /// Upper end of the highest band, Hz; if 0 or less, this is added to half of `samp_freq`. Default 0.
    pub high_freq: f32,
}

impl Default for MelOptions {
    fn default() -> Self {
        Self { num_bins: 23, low_freq: 20.0, high_freq: 0.0 }
    }
}

impl MelOptions {
    /// The upper end in Hz, offset resolved.
    fn high_hz(&self, samp_freq: f32) -> f64 {
        let high = f64::from(self.high_freq);
        if high > 0.0 { high } else { f64::from(samp_freq) / 2.0 + high }
    }

    fn check(&self, recipe: &str, frame: &FrameOptions) -> Result<()> {
        let (low, high) = (f64::from(self.low_freq), self.high_hz(frame.samp_freq));
        let nyquist = f64::from(frame.samp_freq) / 2.0;
        let knobs = [
            ("num_bins", self.num_bins as f64, "3 to half of the padded frame length", {
                (3..=frame.n_fft() / 2).contains(&self.num_bins)
            }),
            ("low_freq", low, "0 or more, below half of samp_freq", (0.0..nyquist).contains(&low)),
            (
                "high_freq",
                f64::from(self.high_freq),
                "above low_freq, at most half of samp_freq (0 or less: added to it)",
                { low < high && high <= nyquist },
            ),
        ];
        options::check(recipe, &knobs)
    }

    /// Kaldi's bank; one in which a band meets no bin is refused, as in Kaldi.
    fn bank(&self, recipe: &str, frame: &FrameOptions) -> Result<MelBank> {
        let (low, high) = (f64::from(self.low_freq), self.high_hz(frame.samp_freq));
        let bank = MelBank::kaldi(f64::from(frame.samp_freq), frame.n_fft(), self.num_bins, low, high);
        match bank.empty_band() {
            None => Ok(bank),
            Some(band) => Err(Error::Config(format!(
                "{recipe} option `num_bins` is {}, expected fewer: band {band} lies between two bins of the spectrum",
                self.num_bins
            ))),
        }
    }
}

/// The plan of one recipe's bands, and its work space.
#[derive(Clone, Debug)]
pub(super) struct Bands {
    frames: Frames,
    spectra: PowerSpectra,
    bank: MelBank,
    use_power: bool,
    lanes: Vec<Lanes>,
    powers: Vec<Lanes>,
}

impl Bands {
    /// Checks and plans; `recipe` is the front-end's name in errors.
    pub(super) fn new(
        recipe: &str,
        frame: &FrameOptions,
        mel: &MelOptions,
        use_power: bool,
        energy: Energy,
    ) -> Result<Self> {
        options::check(recipe, &frame.knobs())?;
        mel.check(recipe, frame)?;
        let spectra = PowerSpectra::new(frame.n_fft());
        Ok(Self {
            frames: Frames::new(frame, energy),
            bank: mel.bank(recipe, frame)?,
            use_power,
            lanes: vec![Lanes::default(); frame.n_fft()],
            powers: vec![Lanes::default(); spectra.bins()],
            spectra,
        })
    }

    pub(super) fn frames(&self, n_samples: usize) -> usize {
        self.frames.count(n_samples)
    }

    /// num_bins.
    pub(super) fn bands(&self) -> usize {
        self.bank.bands()
    }

    /// Band energies of `frames`, at most 16, side by side to `bands` `[num_bins]`; returns the frames' log energies.
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

    /// Fills the work space with NaN: nothing of an earlier frame may reach the next.
    #[cfg(test)]
    pub(super) fn soil(&mut self) {
        self.lanes.fill(Lanes::of(f32::NAN));
        self.powers.fill(Lanes::of(f32::NAN));
    }
}
