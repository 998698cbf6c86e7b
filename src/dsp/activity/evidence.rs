//! Speech decision of a chunk from the tracked values of its frames.

use super::bands::N_BANDS;
use super::levels::{Levels, deviation};
use super::options::ActivityOptions;
use super::periodicity::Period;

/// Range of band levels below the chunk's loudest, dB: below that is the recorder's noise.
const BAND_DEPTH_DB: f32 = 50.0;
/// Frames on either side of a nucleus that can belong to its syllable: 0.24 s, the length of a long
/// consonant.
const REACH: usize = 15;
/// Minimum level of a syllable's frames above the noise floor, dB.
const ABOVE_FLOOR_DB: f32 = 3.0;

/// Evidence of speech in a chunk, and the decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The decision: whether all thresholds of [`ActivityOptions`] are exceeded.
    pub is_speech: bool,
    /// Number of voiced frames in which pitch and spectrum change.
    pub nuclei: usize,
    /// Number of voiced frames that continue the pitch of the previous frame, changing or not.
    pub continued: usize,
    /// Standard deviation of the level over time, dB.
    pub swing_db: f32,
    /// Standard deviation over time of the bands relative to their common level, mean over the
    /// bands, dB.
    pub timbre_db: f32,
    /// Noise floor as mean square: the 10th percentile of the frames' levels.
    pub noise_power: f64,
    /// Mean square over the speech frames, noise included; 0 without any.
    pub speech_power: f64,
    /// Number of speech frames. 0 unless `is_speech`.
    pub speech_frames: usize,
    /// Number of all frames.
    pub frames: usize,
}

impl Evidence {
    /// Estimated signal-to-noise ratio in dB, −20 to 80; `None` without speech.
    ///
    /// ```text
    /// 10 log10( (speech − noise) / noise )
    /// ```
    pub fn snr_db(&self) -> Option<f64> {
        snr_db(self.speech_power, self.noise_power)
    }
}

/// As [`Evidence::snr_db`], from powers that were averaged over chunks.
pub fn snr_db(speech_power: f64, noise_power: f64) -> Option<f64> {
    let ratio = (speech_power - noise_power).max(0.0) / noise_power.max(f64::MIN_POSITIVE);
    (speech_power > 0.0).then(|| (10.0 * ratio.log10()).clamp(-20.0, 80.0))
}

/// Values tracked per frame.
#[derive(Debug, Clone, Default)]
pub(super) struct Tracks {
    pub(super) levels: Vec<f32>,
    pub(super) peak_shares: Vec<f32>,
    pub(super) periods: Vec<Period>,
    /// `[frames, N_BANDS]`, dB.
    pub(super) bands: Vec<f32>,
    sorted: Vec<f32>,
    speech: Vec<bool>,
}

impl Tracks {
    pub(super) fn clear(&mut self) {
        self.levels.clear();
        self.peak_shares.clear();
        self.periods.clear();
        self.bands.clear();
        self.speech.clear();
    }

    pub(super) fn speech(&self) -> &[bool] {
        &self.speech
    }

    /// Computes the evidence from the tracked values.
    pub(super) fn evidence(&mut self, options: &ActivityOptions) -> Evidence {
        let frames = self.levels.len();
        let levels = Levels::of(&self.levels, &mut self.sorted);
        self.bound_bands();
        self.speech.resize(frames, false);
        let (mut nuclei, mut continued) = (0, 0);
        for t in 1..frames {
            if self.continues(t, &levels, options) {
                continued += 1;
                if self.changes(t, options) {
                    nuclei += 1;
                    self.speech[t] = true;
                }
            }
        }
        let timbre_db = self.timbre();
        let is_speech = nuclei >= options.min_nuclei
            && nuclei as f32 >= options.min_nuclei_share * continued as f32
            && levels.swing >= options.min_swing_db
            && timbre_db >= options.min_timbre_db;
        self.spread(is_speech, levels.floor + ABOVE_FLOOR_DB);
        let (speech_frames, speech_power) = self.speech_power();
        Evidence {
            is_speech,
            nuclei,
            continued,
            swing_db: levels.swing,
            timbre_db,
            noise_power: power(levels.floor),
            speech_power,
            speech_frames,
            frames,
        }
    }

    fn bound_bands(&mut self) {
        let loudest = self.bands.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.bands.iter_mut().for_each(|level| *level = level.max(loudest - BAND_DEPTH_DB));
    }

    fn voiced(&self, t: usize, levels: &Levels, options: &ActivityOptions) -> bool {
        self.periods[t].strength > options.min_strength
            && self.levels[t] > options.min_level_dbfs.max(levels.top - options.max_below_top_db)
            && self.peak_shares[t] < options.max_peak_share
    }

    /// Whether frame t and the previous one are voiced, without a jump of the pitch.
    fn continues(&self, t: usize, levels: &Levels, options: &ActivityOptions) -> bool {
        self.glide(t) < options.max_glide && self.voiced(t, levels, options) && self.voiced(t - 1, levels, options)
    }

    /// Whether pitch and spectrum change.
    fn changes(&self, t: usize, options: &ActivityOptions) -> bool {
        self.glide(t) > options.min_glide && self.flux(t) > options.min_flux_db
    }

    /// Change of the pitch, semitones.
    fn glide(&self, t: usize) -> f32 {
        (self.periods[t].semitones - self.periods[t - 1].semitones).abs()
    }

    /// Spectral flux: mean absolute change of the bands, dB.
    fn flux(&self, t: usize) -> f32 {
        let (before, now) = self.bands[(t - 1) * N_BANDS..].split_at(N_BANDS);
        before.iter().zip(now).map(|(a, b)| (a - b).abs()).sum::<f32>() / N_BANDS as f32
    }

    /// Standard deviation of each band relative to the frame's mean over the bands; mean of all
    /// bands, dB.
    fn timbre(&self) -> f32 {
        let mean = |frame: &[f32]| frame.iter().map(|&b| f64::from(b)).sum::<f64>() / N_BANDS as f64;
        let band = |b: usize| self.bands.chunks_exact(N_BANDS).map(move |frame| f64::from(frame[b]) - mean(frame));
        ((0..N_BANDS).map(|b| deviation(band(b))).sum::<f64>() / N_BANDS as f64) as f32
    }

    /// Extends nuclei to syllables: frames within [`REACH`] of a nucleus and above `floor`.
    fn spread(&mut self, is_speech: bool, floor: f32) {
        let frames = self.speech.len();
        let mut last = None;
        self.sorted.clear(); // reused for the distance to the next nucleus
        self.sorted.resize(frames, f32::INFINITY);
        for t in (0..frames).rev() {
            last = if self.speech[t] { Some(t) } else { last };
            self.sorted[t] = last.map_or(f32::INFINITY, |nucleus| (nucleus - t) as f32);
        }
        last = None;
        for t in 0..frames {
            last = if self.speech[t] { Some(t) } else { last };
            let near = self.sorted[t] <= REACH as f32 || last.is_some_and(|nucleus| t - nucleus <= REACH);
            self.speech[t] = is_speech && near && self.levels[t] > floor;
        }
    }

    /// Number of speech frames and their mean power.
    fn speech_power(&self) -> (usize, f64) {
        let of_speech = self.speech.iter().zip(&self.levels).filter(|(speech, _)| **speech);
        let (frames, sum) = of_speech.fold((0, 0.0), |(n, sum), (_, &level)| (n + 1, sum + power(level)));
        (frames, if frames == 0 { 0.0 } else { sum / frames as f64 })
    }
}

fn power(dbfs: f32) -> f64 {
    10_f64.powf(f64::from(dbfs) / 10.0)
}
