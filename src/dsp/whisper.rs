//! Whisper's log-mel spectrogram (Radford et al. 2022, "Robust speech recognition via large-scale
//! weak supervision", section 2.2).
//!
//! ```text
//! frame t: n_fft samples centred at t · hop, the signal reflected at its ends
//! P[t, k] = | FFT(hann · frame t)[k] |²                    periodic window
//! M[t, b] = Σ_k bank[b, k] · P[t, k]                       Slaney's bank, 0 to 8000 Hz
//! L[t, b] = log10 max(M[t, b], 1e-10)
//! out[t, b] = (max(L[t, b], max L − 8) + 4) / 4
//! ```
//!
//! at 16 kHz with n_fft = 400 and hop = 160. The maximum is over the chunk. There are
//! `floor(n / 160)` frames: the last one of the centred frames is dropped, as in the original. The
//! original pads each chunk to 30 s first; here a chunk is processed as it is.
//!
//! Verified against transformers' `WhisperFeatureExtractor` (`tools/golden/whisper.py`).
//!
//! # Edges
//!
//! - At most half a window of samples (200), which cannot be reflected: no frames.
//! - Digital silence: (−10 + 4) / 4 = −1.5 throughout.
//! - NaN or infinite samples, or samples whose power overflows: all values are NaN.

use serde::{Deserialize, Serialize};

use super::decibels;
use super::feature_extractor::{FeatureExtractor, FeatureOptions};
use super::frame::{Edges, Framing};
use super::invalid_option::{InvalidOption, require, within};
use super::mel::MelBank;
use super::mel_spectrogram::MelSpectrogram;
use super::window::hann_periodic;

/// The only sample rate, Hz.
const RATE_HZ: u32 = 16_000;
/// Length of window and Fourier transform, samples.
const N_FFT: usize = 400;
/// Samples from frame to frame.
const HOP: usize = 160;
/// Lower bound of the band powers.
const AMIN: f32 = 1e-10;
/// Range kept below the loudest band: 8 powers of ten.
const TOP_DB: f32 = 80.0;

/// Options of Whisper's log-mel spectrogram. The defaults are those of all sizes but large-v3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WhisperLogMelOptions {
    /// Sample rate, Hz: 16,000.
    pub sample_rate_hz: u32,
    /// Number of bands: 80, or 128 for large-v3.
    pub n_mels: usize,
}

impl Default for WhisperLogMelOptions {
    fn default() -> Self {
        Self { sample_rate_hz: RATE_HZ, n_mels: 80 }
    }
}

impl FeatureOptions for WhisperLogMelOptions {
    fn check(&self) -> Result<(), InvalidOption> {
        require("sample_rate_hz", self.sample_rate_hz, self.sample_rate_hz == RATE_HZ, "16000")?;
        within("n_mels", self.n_mels, 1..=N_FFT / 2)
    }

    fn summary(&self) -> String {
        format!("Whisper's log-mel, {} bands", self.n_mels)
    }

    fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    fn bands(&self) -> usize {
        self.n_mels
    }

    fn frames(&self, n_samples: usize) -> usize {
        frames(n_samples)
    }

    fn samples_for(&self, frames: usize) -> usize {
        if frames == 0 { 0 } else { (frames * HOP).max(N_FFT / 2 + 1) }
    }

    fn extractor(&self) -> Result<FeatureExtractor, InvalidOption> {
        let mut plan = WhisperLogMel::new(*self)?;
        Ok(FeatureExtractor::new(self.n_mels, move |samples, features| plan.run(samples, features)))
    }
}

fn frames(n_samples: usize) -> usize {
    if n_samples > N_FFT / 2 { n_samples / HOP } else { 0 }
}

/// Whisper's log-mel spectrogram, planned, with its scratch memory.
///
/// ```
/// use persona_engine::dsp::whisper::{WhisperLogMel, WhisperLogMelOptions};
/// let mut logmel = WhisperLogMel::new(WhisperLogMelOptions { sample_rate_hz: 16_000, n_mels: 80 })?;
/// let mut features = Vec::new();
/// logmel.run(&[0.1; 16_000], &mut features);
/// assert_eq!(features.len(), 100 * 80);
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WhisperLogMel {
    mel: MelSpectrogram,
    /// The signal with half a window reflected at its ends.
    reflected: Vec<f32>,
}

impl WhisperLogMel {
    /// Plans the computation.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid option.
    pub fn new(options: WhisperLogMelOptions) -> Result<Self, InvalidOption> {
        options.check()?;
        let framing = Framing::with_edges(hann_periodic(N_FFT), HOP, Edges::Snip);
        let bank = MelBank::slaney(RATE_HZ, N_FFT, options.n_mels, 0.0, 8000.0);
        Ok(Self { mel: MelSpectrogram::new(framing, bank), reflected: Vec::new() })
    }

    /// Replaces `out` by the features of `samples` `[n]` (full scale ±1): `[frames, n_mels]`.
    /// Allocates nothing once the buffers have grown to the longest chunk.
    pub fn run(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let frames = frames(samples.len());
        if frames == 0 {
            return out.clear();
        }
        self.reflect(samples);
        self.mel.run(&self.reflected[..(frames - 1) * HOP + N_FFT], out);
        decibels::absolute(out, AMIN, TOP_DB);
        // 10 · L in dB: (L + 4) / 4
        for x in out.iter_mut() {
            *x = *x / 40.0 + 1.0;
        }
    }

    /// The signal with `x[−i] = x[i]` and `x[n − 1 + i] = x[n − 1 − i]` for half a window.
    fn reflect(&mut self, samples: &[f32]) {
        let half = N_FFT / 2;
        self.reflected.clear();
        self.reflected.extend(samples[1..=half].iter().rev());
        self.reflected.extend_from_slice(samples);
        self.reflected.extend(samples[samples.len() - 1 - half..samples.len() - 1].iter().rev());
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{assert_close, dft_power, golden_in, mel_matrix, noise};
    use super::*;

    fn plan(n_mels: usize) -> WhisperLogMel {
        WhisperLogMel::new(WhisperLogMelOptions { sample_rate_hz: 16_000, n_mels }).unwrap()
    }

    /// The definition in f64: DFT as a sum, dense filter bank.
    fn naive(samples: &[f32], n_mels: usize) -> Vec<f32> {
        let bank = mel_matrix(16_000, 400, n_mels, 0.0, 8000.0);
        let last = samples.len() as isize - 1;
        let at = |i: isize| {
            let inside = if i < 0 {
                -i
            } else if i > last {
                2 * last - i
            } else {
                i
            };
            f64::from(samples[inside as usize])
        };
        let mut logs = Vec::new();
        for t in 0..(samples.len() / 160) as isize {
            let frame: Vec<f64> = (0..400)
                .map(|i| {
                    let hann = 0.5 - 0.5 * (2.0 * std::f64::consts::PI * f64::from(i) / 400.0).cos();
                    hann * at(160 * t + i as isize - 200)
                })
                .collect();
            let power = dft_power(&frame);
            let band = |row: &Vec<f64>| row.iter().zip(&power).map(|(w, p)| w * p).sum::<f64>().max(1e-10).log10();
            logs.extend(bank.iter().map(band));
        }
        let loudest = logs.iter().copied().fold(-10.0, f64::max);
        logs.iter().map(|l| ((l.max(loudest - 8.0) + 4.0) / 4.0) as f32).collect()
    }

    #[test]
    fn equals_the_definition() {
        for (n, n_mels) in [(201, 80), (320, 80), (479, 12), (2_000, 80), (3_333, 128)] {
            let samples: Vec<f32> = noise(n, 5).iter().enumerate().map(|(i, x)| x * (i as f32 / 900.0).sin()).collect();
            let mut got = vec![f32::NAN; 7];
            plan(n_mels).run(&samples, &mut got);
            assert_close(&got, &naive(&samples, n_mels), 2e-6, "log-mel");
        }
    }

    /// Golden: transformers' WhisperFeatureExtractor (tools/golden/whisper.py).
    #[test]
    fn equals_transformers() {
        let mut got = Vec::new();
        plan(80).run(&golden_in("whisper", "samples"), &mut got);
        assert_close(&got, &golden_in("whisper", "logmel"), 2e-5, "log-mel");
    }

    #[test]
    fn short_signals_have_no_frames_and_bad_samples_make_everything_nan() {
        let mut out = vec![1.0; 3];
        for n in [0, 1, 200] {
            plan(80).run(&vec![0.5; n], &mut out);
            assert!(out.is_empty(), "{n}");
        }
        plan(80).run(&[0.0; 800], &mut out);
        assert!(out.len() == 400 && out.iter().all(|x| (*x + 1.5).abs() < 1e-6));
        let mut samples = noise(2_000, 1);
        samples[900] = f32::NAN;
        plan(80).run(&samples, &mut out);
        assert!(out.iter().all(|x| x.is_nan()));
    }

    #[test]
    fn invalid_options_are_named() {
        for (name, options) in [
            ("sample_rate_hz", WhisperLogMelOptions { sample_rate_hz: 8_000, n_mels: 80 }),
            ("n_mels", WhisperLogMelOptions { sample_rate_hz: 16_000, n_mels: 0 }),
        ] {
            let message = options.extractor().unwrap_err().to_string();
            assert!(message.contains(&format!("`{name}` is ")), "{message}");
        }
    }
}
