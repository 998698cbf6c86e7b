//! Log-mel spectrogram, by librosa's formulas.
//!
//! ```text
//! frames t of n_fft samples, centred at t · hop_length, zeros outside     dsp/frame.rs
//! P[t, k] = | FFT(hann · frame t)[k] |²                                   dsp/mel_frames.rs
//! M[t, b] = Σ_k bank[b, k] · P[t, k]                                      dsp/mel.rs
//! S[t, b] = 10 · log10(max(amin, M[t, b]) / max(amin, max M))             dB below the clip's loudest band
//! out[t, b] = max(S[t, b], −top_db)
//! ```
//!
//! That is `librosa.power_to_db(librosa.feature.melspectrogram(y, …), ref=np.max, amin, top_db)` (librosa 0.11), with its defaults
//! for window, padding, power, mel scale and norm. The largest value is always 0.
//!
//! # Edges
//!
//! - No samples: one frame (half a window of zeros on either side of nothing), as for digital silence.
//! - Digital silence: every band is at `amin`, so is the reference, and all values are 0 dB, the same as the loudest band of
//!   speech. That is librosa's answer, not a useful one: check for silence before.
//! - Very quiet clips: bands under `amin` count as `amin`. Apart from that, scaling the samples changes nothing.
//! - NaN or infinite samples, or samples above about 1e16, whose power overflows: all values are NaN.

use super::frame::Framing;
use super::mel::MelBank;
use super::mel_frames::MelFrames;
use super::spectrum::MAX_N_FFT;
use super::window::hann_periodic;
use super::{decibels, options};
use crate::error::Result;

/// The recipe. `Default` is the training recipe's: librosa's formulas at 16 kHz with 64 ms windows every 16 ms and 128 bands.
#[derive(Clone, Debug, PartialEq)]
pub struct LogMelOptions {
    /// Rate of the samples that come in, Hz (librosa's `sr`). Default 16,000.
    pub sample_rate_hz: u32,
    /// Window and FFT length in samples, even (`n_fft`, and `win_length`). Default 1024.
    pub n_fft: usize,
    /// Samples from frame to frame (`hop_length`). Default 256.
    pub hop_length: usize,
    /// Mel bands (`n_mels`). Default 128.
    pub n_mels: usize,
    /// Lower end of the lowest band, Hz (`fmin`). Default 0.
    pub f_min_hz: f64,
    /// Upper end of the highest band, Hz, at most half the rate (`fmax`). Default 8000.
    pub f_max_hz: f64,
    /// Band powers below this count as this (`amin`). Default 1e-10.
    pub amin: f64,
    /// Range kept below the loudest band, dB (`top_db`). Default 80.
    pub top_db: f64,
}

impl Default for LogMelOptions {
    fn default() -> Self {
        Self {
            sample_rate_hz: 16_000,
            n_fft: 1024,
            hop_length: 256,
            n_mels: 128,
            f_min_hz: 0.0,
            f_max_hz: 8000.0,
            amin: 1e-10,
            top_db: 80.0,
        }
    }
}

impl LogMelOptions {
    /// Checks every field; the error names the first that makes no sense, and its value.
    fn check(&self) -> Result<()> {
        let nyquist = f64::from(self.sample_rate_hz) / 2.0;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let knobs = [
            ("sample_rate_hz", f64::from(self.sample_rate_hz), "at least 1", self.sample_rate_hz > 0),
            ("n_fft", self.n_fft as f64, "an even number from 2 to 65536", {
                self.n_fft.is_multiple_of(2) && (2..=MAX_N_FFT).contains(&self.n_fft)
            }),
            ("hop_length", self.hop_length as f64, "1 to n_fft", (1..=self.n_fft).contains(&self.hop_length)),
            ("n_mels", self.n_mels as f64, "1 to n_fft / 2", (1..=self.n_fft / 2).contains(&self.n_mels)),
            ("f_min_hz", self.f_min_hz, "0 or more, below f_max_hz", (0.0..self.f_max_hz).contains(&self.f_min_hz)),
            ("f_max_hz", self.f_max_hz, "at most half of sample_rate_hz", self.f_max_hz <= nyquist),
            // Subnormal in f32 would be rounded away; above 1 hardly any speech would be left.
            ("amin", self.amin, "above 0 (1e-37 to 1)", (1e-37..=1.0).contains(&self.amin)),
            ("top_db", self.top_db, "above 0", positive(self.top_db)),
        ];
        options::check("log-mel", &knobs)
    }
}

/// The plan: window, FFT and filter bank of one recipe, and their work space.
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
    mel: MelFrames,
}

impl LogMel {
    /// Plans the recipe.
    ///
    /// # Errors
    /// [`crate::Error::Config`], naming the field and its value, if an option makes no sense.
    pub fn new(options: LogMelOptions) -> Result<Self> {
        options.check()?;
        let LogMelOptions { sample_rate_hz, n_fft, hop_length, n_mels, f_min_hz, f_max_hz, .. } = options;
        let bank = MelBank::slaney(sample_rate_hz, n_fft, n_mels, f_min_hz, f_max_hz);
        Ok(Self { mel: MelFrames::new(Framing::new(hann_periodic(n_fft), hop_length), bank), options })
    }

    /// The recipe.
    pub fn options(&self) -> &LogMelOptions {
        &self.options
    }

    /// Frames of `n_samples`: 1 + floor(n_samples / hop_length).
    pub fn frames(&self, n_samples: usize) -> usize {
        self.mel.count(n_samples)
    }

    /// n_mels.
    pub fn bands(&self) -> usize {
        self.mel.bands()
    }

    /// `samples` `[n]` to `out` `[frames, n_mels]` in dB, −top_db to 0. What `out` held before is replaced; nothing is
    /// allocated if its capacity suffices.
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

    // Reference: the same formulas in f64, with the DFT as a matrix. f32 rounding of the FFT is about 1e-7 of a frame's
    // amplitude, that is at most 0.01 dB in a band 80 dB below.

    #[test]
    fn equals_the_reference_at_all_lengths() {
        for n in LENGTHS {
            let samples = noise(n, 5);
            let error = largest_difference(&run(&samples), &reference::logmel(&samples, &LogMelOptions::default()));
            assert!(error < 0.001, "n = {n}: {error} dB");
        }
    }

    #[test]
    fn equals_the_reference_for_other_recipes() {
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
    fn equals_the_reference_on_real_speech() {
        for (name, samples) in reference::crema_d_wavs() {
            let error = largest_difference(&run(&samples), &reference::logmel(&samples, &LogMelOptions::default()));
            println!("{name}: {error:.6} dB from the f64 reference");
            assert!(error <= 0.01, "{name}: {error} dB");
        }
    }

    /// The stored features hold 80 dB in 255 steps: each value may be one step (0.314 dB) away.
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
    fn a_used_plan_and_dirty_buffers_equal_new_ones() {
        let mut plan = LogMel::new(LogMelOptions::default()).unwrap();
        let mut out = Vec::new();
        plan.run(&[f32::NAN; 3000], &mut out);
        for n in LENGTHS {
            out.fill(f32::NAN);
            plan.mel.soil();
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

    // Hostile.

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
    fn senseless_options_are_named() {
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
            ("amin", LogMelOptions { amin: 0.0, ..default() }),
            ("amin", LogMelOptions { amin: f64::NAN, ..default() }),
            ("top_db", LogMelOptions { top_db: 0.0, ..default() }),
            ("top_db", LogMelOptions { top_db: f64::INFINITY, ..default() }),
        ];
        for (field, options) in cases {
            let message = LogMel::new(options).unwrap_err().to_string();
            assert!(message.contains(&format!("`{field}` is ")), "{field}: {message}");
        }
        // With an upper end that is no number, the lower end cannot lie below it.
        let message = LogMel::new(LogMelOptions { f_max_hz: f64::NAN, ..default() }).unwrap_err().to_string();
        assert!(message.contains("f_max_hz"), "{message}");
    }
}
