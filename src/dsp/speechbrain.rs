//! SpeechBrain's fbank (`speechbrain.lobes.features.Fbank`): mel band powers in dB, limited to
//! `top_db` below the clip's maximum.
//!
//! ```text
//! frames t of n_fft samples, centred at t · hop, zeros outside           dsp/frame.rs
//! P[t, k] = | FFT(hamming · frame t)[k] |²                               periodic window of win samples, centred in n_fft
//! M[t, b] = Σ_k bank[b, k] · P[t, k]                                     MelBank::speechbrain
//! D[t, b] = 10 · log10(max(amin, M[t, b]))
//! out[t, b] = max(D[t, b], max D − top_db)
//! ```
//!
//! win and hop are `win_length_ms` and `hop_length_ms` in samples, rounded to the nearest integer.
//! The recipes of the speaker models then subtract each band's mean over time:
//! [`super::cmvn::Cmvn`] without variance. Verified against SpeechBrain 1.1.2
//! (`tools/golden/kaldi.py`).
//!
//! # Edges
//!
//! - No samples: one frame, as for digital silence.
//! - Digital silence: −100 dB throughout (`amin`).
//! - NaN or infinite samples, or samples whose power overflows: all values are NaN.

use serde::{Deserialize, Serialize};

use super::decibels;
use super::feature_extractor::{FeatureExtractor, FeatureOptions};
use super::frame::Framing;
use super::invalid_option::{InvalidOption, require, within};
use super::mel::MelBank;
use super::mel_spectrogram::MelSpectrogram;
use super::spectrum::MAX_N_FFT;
use super::window::hamming_periodic;

/// Options of `Fbank` and of its `STFT` and `Filterbank`. The defaults are SpeechBrain's.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechBrainFbankOptions {
    /// Sample rate, Hz, even (`sample_rate`). Default 16,000.
    pub sample_rate_hz: u32,
    /// Length of the Fourier transform, samples, even. Default 400.
    pub n_fft: usize,
    /// Length of the window, ms (`win_length`), at most n_fft samples. Default 25.
    pub win_length_ms: f64,
    /// Time from frame to frame, ms (`hop_length`). Default 10.
    pub hop_length_ms: f64,
    /// Number of bands. Default 40; the x-vector model uses 24, the ECAPA model 80.
    pub n_mels: usize,
    /// Lower edge of the lowest band, Hz (`f_min`). Default 0.
    pub f_min_hz: f64,
    /// The mel point after the highest band's centre, Hz (`f_max`), at most half the sample rate.
    /// Default 8000.
    pub f_max_hz: f64,
    /// Lower bound of the band powers. Default 1e-10.
    pub amin: f64,
    /// Range kept below the loudest band, dB. Default 80.
    pub top_db: f64,
}

impl Default for SpeechBrainFbankOptions {
    fn default() -> Self {
        Self {
            sample_rate_hz: 16_000,
            n_fft: 400,
            win_length_ms: 25.0,
            hop_length_ms: 10.0,
            n_mels: 40,
            f_min_hz: 0.0,
            f_max_hz: 8000.0,
            amin: 1e-10,
            top_db: 80.0,
        }
    }
}

impl SpeechBrainFbankOptions {
    /// Duration in samples, rounded to the nearest integer, halves to the even one (Python's
    /// `round`).
    pub fn samples(&self, ms: f64) -> usize {
        (f64::from(self.sample_rate_hz) / 1000.0 * ms).round_ties_even() as usize
    }

    /// Samples from frame to frame.
    fn hop_length(&self) -> usize {
        self.samples(self.hop_length_ms).max(1)
    }

    /// The window `[n_fft]`, padded with zeros on both sides, as `torch.stft` pads it.
    fn window(&self) -> Vec<f32> {
        let win = self.samples(self.win_length_ms);
        let before = (self.n_fft - win) / 2;
        let mut window = vec![0.0; before];
        window.extend(hamming_periodic(win));
        window.resize(self.n_fft, 0.0);
        window
    }
}

impl FeatureOptions for SpeechBrainFbankOptions {
    fn check(&self) -> Result<(), InvalidOption> {
        let nyquist = f64::from(self.sample_rate_hz) / 2.0;
        within("sample_rate_hz", self.sample_rate_hz, 4_000..=384_000)?;
        require("sample_rate_hz", self.sample_rate_hz, self.sample_rate_hz.is_multiple_of(2), "an even number")?;
        within("n_fft", self.n_fft, 2..=MAX_N_FFT)?;
        require("n_fft", self.n_fft, self.n_fft.is_multiple_of(2), "an even number")?;
        within("win_length_ms", self.win_length_ms, 0.1..=1_000.0)?;
        let win = self.samples(self.win_length_ms);
        require("win_length_ms", self.win_length_ms, (2..=self.n_fft).contains(&win), "2 to n_fft samples")?;
        within("hop_length_ms", self.hop_length_ms, 1.0..=1_000.0)?;
        let hop = self.samples(self.hop_length_ms);
        require("hop_length_ms", self.hop_length_ms, (1..=MAX_N_FFT).contains(&hop), "1 to 65536 samples")?;
        within("n_mels", self.n_mels, 1..=1_024.min(self.n_fft / 2))?;
        within("f_max_hz", self.f_max_hz, 1.0..=nyquist)?;
        require("f_min_hz", self.f_min_hz, (0.0..self.f_max_hz).contains(&self.f_min_hz), "0 or more, below f_max_hz")?;
        within("amin", self.amin, 1e-30..=1.0)?;
        within("top_db", self.top_db, 1.0..=1_000.0)
    }

    fn summary(&self) -> String {
        format!("SpeechBrain fbank, {} bands", self.n_mels)
    }

    fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    fn bands(&self) -> usize {
        self.n_mels
    }

    fn frames(&self, n_samples: usize) -> usize {
        1 + n_samples / self.hop_length()
    }

    fn samples_for(&self, frames: usize) -> usize {
        frames.saturating_sub(1) * self.hop_length()
    }

    fn extractor(&self) -> Result<FeatureExtractor, InvalidOption> {
        let mut plan = SpeechBrainFbank::new(self.clone())?;
        Ok(FeatureExtractor::new(plan.dim(), move |samples, features| plan.run(samples, features)))
    }
}

/// SpeechBrain's fbank, planned, with its scratch memory.
///
/// ```
/// # use persona_engine::dsp::speechbrain::{SpeechBrainFbank, SpeechBrainFbankOptions};
/// let mut fbank = SpeechBrainFbank::new(SpeechBrainFbankOptions { n_mels: 24, ..Default::default() })?;
/// let mut features = Vec::new();
/// fbank.run(&[0.1, -0.1, 0.2], &mut features);
/// assert_eq!(features.len(), fbank.frames(3) * fbank.dim());
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SpeechBrainFbank {
    options: SpeechBrainFbankOptions,
    mel: MelSpectrogram,
}

impl SpeechBrainFbank {
    /// Plans the computation.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid option.
    pub fn new(options: SpeechBrainFbankOptions) -> Result<Self, InvalidOption> {
        options.check()?;
        let SpeechBrainFbankOptions { sample_rate_hz, n_fft, n_mels, f_min_hz, f_max_hz, .. } = options;
        let framing = Framing::new(options.window(), options.hop_length());
        let bank = MelBank::speechbrain(sample_rate_hz, n_fft, n_mels, f_min_hz, f_max_hz);
        Ok(Self { mel: MelSpectrogram::new(framing, bank), options })
    }

    /// The options.
    pub fn options(&self) -> &SpeechBrainFbankOptions {
        &self.options
    }

    /// Number of frames of `n_samples`: 1 + floor(n_samples / hop).
    pub fn frames(&self, n_samples: usize) -> usize {
        self.mel.count(n_samples)
    }

    /// Number of columns: n_mels.
    pub fn dim(&self) -> usize {
        self.mel.bands()
    }

    /// Replaces `out` by the features of `samples` `[n]` (full scale ±1): `[frames, n_mels]` in dB.
    /// Allocates nothing if the capacity of `out` suffices.
    pub fn run(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.mel.run(samples, out);
        decibels::absolute(out, self.options.amin as f32, self.options.top_db as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::super::cmvn::Cmvn;
    use super::super::reference::{self, golden_in, noise};
    use super::*;

    fn options(n_mels: usize) -> SpeechBrainFbankOptions {
        SpeechBrainFbankOptions { n_mels, ..Default::default() }
    }

    fn run(options: &SpeechBrainFbankOptions, samples: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; 3];
        SpeechBrainFbank::new(options.clone()).unwrap().run(samples, &mut out);
        out
    }

    /// Largest difference from the formulas above in f64, dB.
    fn error(options: &SpeechBrainFbankOptions, samples: &[f32]) -> f64 {
        reference::largest_difference(&run(options, samples), &reference::speechbrain(samples, options))
    }

    #[test]
    fn equals_the_reference() {
        for n in [0, 1, 159, 160, 401, 5000] {
            assert!(error(&options(40), &noise(n, 40)) < 1e-3, "n = {n}");
        }
        let narrow = SpeechBrainFbankOptions {
            sample_rate_hz: 8000,
            n_fft: 256,
            hop_length_ms: 12.5,
            f_min_hz: 60.0,
            f_max_hz: 3700.0,
            top_db: 30.0,
            ..options(23)
        };
        assert!(error(&narrow, &noise(4000, 41)) < 1e-3);
        let odd_window = SpeechBrainFbankOptions { n_fft: 512, win_length_ms: 20.6, ..options(30) };
        assert!(error(&odd_window, &noise(4000, 42)) < 1e-3);
    }

    /// dB. 1e-3 in the natural logarithm of a power.
    const TOLERANCE: f64 = 4.3e-3;

    #[test]
    fn equals_the_reference_on_recorded_speech() {
        for (name, samples) in reference::crema_d_wavs() {
            for n_mels in [24, 80] {
                let error = error(&options(n_mels), &samples);
                println!("{name}, {n_mels} bands: {error:.6} dB from the f64 reference");
                assert!(error <= TOLERANCE, "{name}: {error} dB");
            }
        }
    }

    #[test]
    fn equals_speechbrain() {
        let samples = golden_in("kaldi", "samples");
        for n_mels in [24, 80] {
            let mut got = run(&options(n_mels), &samples);
            let golden = |kind: &str| -> Vec<f64> {
                golden_in("kaldi", &format!("speechbrain{n_mels}.{kind}")).into_iter().map(f64::from).collect()
            };
            let error = reference::largest_difference(&got, &golden("fbank"));
            assert!(error < 1e-3, "{n_mels} bands: {error} dB");
            Cmvn::new(n_mels, false).run(&mut got);
            let error = reference::largest_difference(&got, &golden("normalised"));
            assert!(error < 1e-3, "{n_mels} bands, mean subtracted: {error} dB");
        }
    }

    #[test]
    fn equals_speechbrain_on_recorded_speech() {
        for (name, samples) in reference::crema_d_wavs() {
            for n_mels in [24, 80] {
                let Some(want) = reference::toolkit_features(&name, &format!("speechbrain{n_mels}.fbank")) else {
                    return;
                };
                let error = reference::largest_difference(&run(&options(n_mels), &samples), &want);
                println!("{name}, {n_mels} bands: {error:.1e} dB from SpeechBrain");
                assert!(error <= TOLERANCE, "{name}: {error} dB");
            }
        }
    }

    #[test]
    fn silence_and_bad_samples() {
        assert!(run(&options(24), &[0.0; 2000]).iter().all(|db| (db + 100.0).abs() < 1e-5));
        for bad in [f32::NAN, f32::INFINITY, 1e30] {
            let mut samples = noise(2000, 43);
            samples[700] = bad;
            assert!(run(&options(24), &samples).iter().all(|db| db.is_nan()), "{bad}");
        }
    }

    #[test]
    fn a_reused_plan_equals_a_new_one() {
        let mut plan = SpeechBrainFbank::new(options(24)).unwrap();
        let mut out = Vec::new();
        for n in [9000, 0, 700, 3000] {
            plan.mel.fill_with_nan();
            out.fill(f32::NAN);
            plan.run(&noise(n, 44), &mut out);
            assert_eq!(out, run(&options(24), &noise(n, 44)));
            assert_eq!(out.len(), plan.frames(n) * plan.dim());
        }
    }

    #[test]
    fn invalid_options_are_named() {
        let default = SpeechBrainFbankOptions::default;
        for (field, options) in [
            ("sample_rate_hz", SpeechBrainFbankOptions { sample_rate_hz: 0, ..default() }),
            ("sample_rate_hz", SpeechBrainFbankOptions { sample_rate_hz: 16_001, ..default() }),
            ("n_fft", SpeechBrainFbankOptions { n_fft: 401, ..default() }),
            ("n_fft", SpeechBrainFbankOptions { n_fft: 1 << 40, ..default() }),
            ("win_length_ms", SpeechBrainFbankOptions { win_length_ms: 25.1, ..default() }),
            ("win_length_ms", SpeechBrainFbankOptions { win_length_ms: f64::NAN, ..default() }),
            ("hop_length_ms", SpeechBrainFbankOptions { hop_length_ms: 0.01, ..default() }),
            ("hop_length_ms", SpeechBrainFbankOptions { hop_length_ms: f64::INFINITY, ..default() }),
            ("n_mels", SpeechBrainFbankOptions { n_mels: 0, ..default() }),
            ("f_min_hz", SpeechBrainFbankOptions { f_min_hz: 8000.0, ..default() }),
            ("f_max_hz", SpeechBrainFbankOptions { f_max_hz: 8001.0, ..default() }),
            ("amin", SpeechBrainFbankOptions { amin: 0.0, ..default() }),
            ("top_db", SpeechBrainFbankOptions { top_db: -1.0, ..default() }),
        ] {
            let message = SpeechBrainFbank::new(options).unwrap_err().to_string();
            assert!(message.contains(&format!("`{field}` is ")), "{field}: {message}");
        }
    }
}
