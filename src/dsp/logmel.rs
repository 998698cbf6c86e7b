//! Log-mel spectrogram, by librosa's formulas.
//!
//! ```text
//! frames t of n_fft samples, centred at t · hop_length, zeros outside     dsp/frame.rs
//! P[t, k] = | FFT(hann · frame t)[k] |²                                   dsp/mel_spectrogram.rs
//! M[t, b] = Σ_k bank[b, k] · P[t, k]                                      dsp/mel.rs
//! S[t, b] = 10 · log10(max(amin, M[t, b]) / max(amin, max M))             dB below the clip's loudest band
//! out[t, b] = max(S[t, b], −top_db)
//! ```
//!
//! Equal to `librosa.power_to_db(librosa.feature.melspectrogram(y, …), ref=np.max, amin, top_db)`
//! (librosa 0.11), with its defaults for window, padding, power, mel scale and norm. The largest
//! value is always 0.
//!
//! # Edges
//!
//! - No samples: one frame (half a window of zeros on either side of nothing), as for digital
//!   silence.
//! - Digital silence: every band equals `amin`, and so does the reference, so that all values are 0
//!   dB, the same as the loudest band of speech. librosa does the same; check for silence before.
//! - Very quiet clips: bands below `amin` are raised to it. Apart from that, scaling the samples
//!   changes nothing.
//! - NaN or infinite samples, or samples above about 1e16, whose power overflows: all values are
//!   NaN.

use serde::{Deserialize, Serialize};

use super::decibels;
use super::feature_extractor::{FeatureExtractor, FeatureOptions};
use super::frame::Framing;
use super::invalid_option::{InvalidOption, require, within};
use super::mel::MelBank;
use super::mel_spectrogram::MelSpectrogram;
use super::spectrum::MAX_N_FFT;
use super::window::hann_periodic;

/// Options of the log-mel spectrogram, under librosa's names. `Default` is librosa's formulas at 16
/// kHz with 64 ms windows every 16 ms and 128 bands.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogMelOptions {
    /// Sample rate, Hz (librosa's `sr`). Default 16,000.
    pub sample_rate_hz: u32,
    /// Window and FFT length in samples, even (`n_fft`, and `win_length`). Default 1024.
    pub n_fft: usize,
    /// Samples from frame to frame (`hop_length`), at most `n_fft`. Default 256.
    pub hop_length: usize,
    /// Analysis window (`window`).
    pub window: Window,
    /// Padding of the clip (`center` and `pad_mode`).
    pub padding: Padding,
    /// Number of mel bands (`n_mels`), at most `n_fft / 2`. Default 128.
    pub n_mels: usize,
    /// Mel scale (`htk`).
    pub mel_scale: Scale,
    /// Normalisation of the mel filters (`norm`).
    pub mel_norm: Norm,
    /// Lower edge of the lowest band, Hz (`fmin`). Default 0.
    pub f_min_hz: f64,
    /// Upper edge of the highest band, Hz, at most half the sample rate (`fmax`). Default 8000.
    pub f_max_hz: f64,
    /// Exponent of the magnitudes (`power`). Only 2 is supported.
    pub power: f64,
    /// Lower bound of the band powers (`amin`). Default 1e-10.
    pub amin: f64,
    /// Power at 0 dB (`ref`).
    pub reference: Reference,
    /// Range kept below the loudest band, dB (`top_db`). Default 80.
    pub top_db: f64,
}

/// Analysis window of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// `0.5 − 0.5 · cos(2π n / N)`: the symmetric Hann window of N + 1 points without its last.
    #[default]
    HannPeriodic,
}

/// Padding of a clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// `n_fft / 2` zeros on both sides, so that frame `t` is centred at sample `t · hop_length`.
    #[default]
    ZerosCentred,
}

/// Mel scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Linear to 1 kHz, logarithmic above (Slaney's Auditory Toolbox).
    #[default]
    Slaney,
}

/// Normalisation of the mel filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Each triangle has the area 1 over Hz.
    #[default]
    Slaney,
}

/// Reference of the dB values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The largest power of the clip.
    #[default]
    Max,
}

impl Default for LogMelOptions {
    fn default() -> Self {
        Self {
            sample_rate_hz: 16_000,
            n_fft: 1024,
            hop_length: 256,
            window: Window::default(),
            padding: Padding::default(),
            n_mels: 128,
            mel_scale: Scale::default(),
            mel_norm: Norm::default(),
            f_min_hz: 0.0,
            f_max_hz: 8000.0,
            power: 2.0,
            amin: 1e-10,
            reference: Reference::default(),
            top_db: 80.0,
        }
    }
}

impl FeatureOptions for LogMelOptions {
    fn check(&self) -> Result<(), InvalidOption> {
        let nyquist = f64::from(self.sample_rate_hz) / 2.0;
        within("sample_rate_hz", self.sample_rate_hz, 4_000..=384_000)?;
        within("n_fft", self.n_fft, 2..=MAX_N_FFT)?;
        require("n_fft", self.n_fft, self.n_fft.is_multiple_of(2), "an even number")?;
        within("hop_length", self.hop_length, 1..=self.n_fft)?;
        within("n_mels", self.n_mels, 1..=1_024.min(self.n_fft / 2))?;
        within("f_max_hz", self.f_max_hz, 1.0..=nyquist)?;
        require("f_min_hz", self.f_min_hz, (0.0..self.f_max_hz).contains(&self.f_min_hz), "0 or more, below f_max_hz")?;
        require("power", self.power, self.power == 2.0, "2")?;
        within("amin", self.amin, 1e-30..=1.0)?;
        within("top_db", self.top_db, 1.0..=1_000.0)
    }

    fn summary(&self) -> String {
        format!("log-mel, {} bands", self.n_mels)
    }

    fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    fn bands(&self) -> usize {
        self.n_mels
    }

    fn frames(&self, n_samples: usize) -> usize {
        1 + n_samples / self.hop_length
    }

    fn samples_for(&self, frames: usize) -> usize {
        frames.saturating_sub(1) * self.hop_length
    }

    fn extractor(&self) -> Result<FeatureExtractor, InvalidOption> {
        let mut plan = LogMel::new(self.clone())?;
        Ok(FeatureExtractor::new(plan.bands(), move |samples, features| plan.run(samples, features)))
    }
}

/// Log-mel spectrogram, planned: window, FFT and filter bank, and their scratch memory.
///
/// ```
/// # use persona_engine::dsp::{LogMel, LogMelOptions};
/// let mut logmel = LogMel::new(LogMelOptions::default())?;
/// let mut features = Vec::new();
/// logmel.run(&[0.1, -0.1, 0.2], &mut features);
/// assert_eq!(features.len(), logmel.frames(3) * logmel.bands());
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogMel {
    options: LogMelOptions,
    mel: MelSpectrogram,
}

impl LogMel {
    /// Plans the computation.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid option.
    pub fn new(options: LogMelOptions) -> Result<Self, InvalidOption> {
        options.check()?;
        let LogMelOptions { sample_rate_hz, n_fft, hop_length, n_mels, f_min_hz, f_max_hz, .. } = options;
        let bank = MelBank::slaney(sample_rate_hz, n_fft, n_mels, f_min_hz, f_max_hz);
        Ok(Self { mel: MelSpectrogram::new(Framing::new(hann_periodic(n_fft), hop_length), bank), options })
    }

    /// The options.
    pub fn options(&self) -> &LogMelOptions {
        &self.options
    }

    /// Number of frames of `n_samples`: 1 + floor(n_samples / hop_length).
    pub fn frames(&self, n_samples: usize) -> usize {
        self.mel.count(n_samples)
    }

    /// Number of bands: n_mels.
    pub fn bands(&self) -> usize {
        self.mel.bands()
    }

    /// Replaces `out` by the features of `samples` `[n]`: `[frames, n_mels]` in dB, −top_db to 0.
    /// Allocates nothing if the capacity of `out` suffices.
    pub fn run(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.mel.run(samples, out);
        decibels::below_loudest(out, self.options.amin as f32, self.options.top_db as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, largest_difference, noise};
    use super::*;

    fn run(samples: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        LogMel::new(LogMelOptions::default()).unwrap().run(samples, &mut out);
        out
    }

    const LENGTHS: [usize; 9] = [0, 1, 255, 256, 511, 513, 1024, 5000, 48_000];

    // Reference: the same formulas in f64, with the DFT as a matrix. f32 rounding of the FFT is
    // about 1e-7 of a frame's amplitude, that is at most 0.01 dB in a band 80 dB below.

    #[test]
    fn equals_the_reference_at_all_lengths() {
        for n in LENGTHS {
            let samples = noise(n, 5);
            let error = largest_difference(&run(&samples), &reference::logmel(&samples, &LogMelOptions::default()));
            assert!(error < 0.001, "n = {n}: {error} dB");
        }
    }

    #[test]
    fn equals_the_reference_for_other_options() {
        let samples = noise(3000, 6);
        for (sample_rate_hz, n_fft, hop_length, n_mels, f_min_hz, f_max_hz, top_db) in [
            (8_000, 200, 80, 23, 20.0, 3800.0, 60.0),
            (16_000, 512, 512, 40, 0.0, 8000.0, 80.0),
            (44_100, 2, 1, 1, 0.0, 22_050.0, 9.0),
        ] {
            let options = LogMelOptions {
                sample_rate_hz,
                n_fft,
                hop_length,
                n_mels,
                f_min_hz,
                f_max_hz,
                top_db,
                ..Default::default()
            };
            let mut out = vec![f32::NAN; 3];
            LogMel::new(options.clone()).unwrap().run(&samples, &mut out);
            let error = largest_difference(&out, &reference::logmel(&samples, &options));
            assert!(error < 0.01, "{options:?}: {error} dB");
        }
    }

    #[test]
    fn equals_the_reference_on_recorded_speech() {
        for (name, samples) in reference::crema_d_wavs() {
            let error = largest_difference(&run(&samples), &reference::logmel(&samples, &LogMelOptions::default()));
            println!("{name}: {error:.6} dB from the f64 reference");
            assert!(error <= 0.01, "{name}: {error} dB");
        }
    }

    /// The stored features quantise 80 dB to 255 steps: each value may differ by one step (0.314
    /// dB).
    #[test]
    fn equals_the_stored_training_features() {
        for (name, samples) in reference::crema_d_wavs() {
            let Some(stored) = reference::stored_features(&name) else {
                return println!("skipped: no stored features");
            };
            let want: Vec<f64> = stored.iter().map(|v| f64::from(*v) / 255.0 * 80.0 - 80.0).collect();
            let error = largest_difference(&run(&samples), &want);
            println!("{name}: {error:.3} dB from the stored features");
            assert!(error <= 0.32, "{name}: {error} dB");
        }
    }

    /// Golden: numpy (tools/golden/frontend.py).
    #[test]
    fn equals_numpy() {
        let out = run(&reference::golden("samples"));
        let want: Vec<f64> = reference::golden("logmel").into_iter().map(f64::from).collect();
        let error = largest_difference(&out, &want);
        assert!(error < 0.002, "{error} dB");
    }

    // Properties.

    #[test]
    fn silence_is_0_db_throughout() {
        for n in LENGTHS {
            assert_eq!(run(&vec![0.0; n]), vec![0.0; (1 + n / 256) * 128]);
        }
    }

    #[test]
    fn a_1_khz_tone_lands_in_its_band() {
        let tone: Vec<f32> = (0..16_000).map(|i| (2.0 * std::f32::consts::PI * (i % 16) as f32 / 16.0).sin()).collect();
        let edges = super::super::mel_scale::MelScale::Slaney.points_hz(128, 0.0, 8000.0);
        for row in run(&tone)[5 * 128..50 * 128].chunks_exact(128) {
            let band = (0..128).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            assert!(edges[band] < 1000.0 && 1000.0 < edges[band + 2], "{} to {} Hz", edges[band], edges[band + 2]);
            assert!(row[band] > -0.1);
        }
    }

    #[test]
    fn scaling_changes_nothing() {
        let samples = noise(8000, 8);
        let want: Vec<f64> = run(&samples).into_iter().map(f64::from).collect();
        for scale in [0.125, 0.7, 30.0] {
            let scaled: Vec<f32> = samples.iter().map(|x| x * scale).collect();
            // Rounding of the scaled samples and of log10 at another magnitude.
            assert!(largest_difference(&run(&scaled), &want) < 1e-3);
        }
    }

    #[test]
    fn zeros_at_the_end_change_nothing() {
        let mut samples = noise(7000, 9);
        let want = run(&samples);
        samples.resize(48_000, 0.0);
        assert_eq!(run(&samples)[..want.len()], want);
    }

    #[test]
    fn a_reused_plan_equals_a_new_one() {
        let mut plan = LogMel::new(LogMelOptions::default()).unwrap();
        let mut out = Vec::new();
        plan.run(&[f32::NAN; 3000], &mut out);
        for n in LENGTHS {
            out.fill(f32::NAN);
            plan.mel.fill_with_nan();
            plan.run(&noise(n, 10), &mut out);
            assert_eq!(out, run(&noise(n, 10)));
        }
    }

    #[test]
    fn shape_and_range() {
        let plan = LogMel::new(LogMelOptions::default()).unwrap();
        for n in LENGTHS {
            let out = run(&noise(n, 11));
            assert_eq!(out.len(), plan.frames(n) * plan.bands());
            assert_eq!(out.iter().copied().fold(f32::MIN, f32::max), 0.0);
            assert!(out.iter().all(|v| (-80.0..=0.0).contains(v)));
        }
    }

    // Bad input.

    #[test]
    fn bad_samples_never_give_numbers() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
            for place in [0, 2500, 4999] {
                let mut samples = noise(5000, 12);
                samples[place] = bad;
                assert!(run(&samples).iter().all(|v| v.is_nan()), "{bad} at {place}");
            }
        }
    }

    #[test]
    fn invalid_options_are_named() {
        let default = LogMelOptions::default;
        let cases = [
            ("sample_rate_hz", LogMelOptions { sample_rate_hz: 0, ..default() }),
            ("n_fft", LogMelOptions { n_fft: 0, ..default() }),
            ("n_fft", LogMelOptions { n_fft: 1023, ..default() }),
            ("n_fft", LogMelOptions { n_fft: 1 << 40, ..default() }),
            ("hop_length", LogMelOptions { hop_length: 0, ..default() }),
            ("hop_length", LogMelOptions { hop_length: 1025, ..default() }),
            ("n_mels", LogMelOptions { n_mels: 0, ..default() }),
            ("n_mels", LogMelOptions { n_mels: 513, ..default() }),
            ("f_min_hz", LogMelOptions { f_min_hz: -1.0, ..default() }),
            ("f_min_hz", LogMelOptions { f_min_hz: 8000.0, ..default() }),
            ("f_min_hz", LogMelOptions { f_min_hz: f64::NAN, ..default() }),
            ("f_max_hz", LogMelOptions { f_max_hz: 8000.1, ..default() }),
            ("f_max_hz", LogMelOptions { f_max_hz: f64::INFINITY, ..default() }),
            ("f_max_hz", LogMelOptions { f_max_hz: f64::NAN, ..default() }),
            ("power", LogMelOptions { power: 1.0, ..default() }),
            ("amin", LogMelOptions { amin: 0.0, ..default() }),
            ("amin", LogMelOptions { amin: f64::NAN, ..default() }),
            ("top_db", LogMelOptions { top_db: 0.0, ..default() }),
            ("top_db", LogMelOptions { top_db: f64::INFINITY, ..default() }),
        ];
        for (field, options) in cases {
            let message = LogMel::new(options).unwrap_err().to_string();
            assert!(message.contains(&format!("`{field}` is ")), "{field}: {message}");
        }
    }
}
