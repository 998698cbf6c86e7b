//! Speech activity detection on one chunk, from level, spectral shape and pitch.
//!
//! ```text
//! samples ─ frames of 64 ms every 16 ms, Hann ─▶ power spectrum
//!   ├─ level[t]    dBFS                                    ─▶ noise floor, standard deviation (levels)
//!   ├─ bands[t,b]  dB, 16 bands on the mel scale           ─▶ spectral flux[t], standard deviation (bands)
//!   └─ normalised autocorrelation, 60 to 500 Hz            ─▶ strength[t], pitch[t] (periodicity)
//! nucleus[t]  a voiced frame in which pitch and spectrum both change, as in the middle of a syllable
//! speech      enough nuclei in a chunk whose level and spectrum vary too (evidence)
//! ```
//!
//! Speech differs from other pitched sounds in that everything changes at once: vocal folds never
//! hold a frequency (tones, chords, drones and hum do), the mouth changes the spectrum during
//! glides (sweeps and sirens do not), and syllables rise and fall (sustained notes do not). Noise
//! has no pitch. Nor has whispered speech, which is not detected.
//!
//! The decision depends on the chunk alone, so chunks can be processed in any order and on any
//! thread. Thresholds and their derivation: [`ActivityOptions`]. `tools/check/activity.py`
//! measures the figures by kind of sound.

mod bands;
mod evidence;
mod levels;
mod options;
mod periodicity;

pub use evidence::{Evidence, snr_db};
pub use options::ActivityOptions;

use std::ops::Range;

use super::frame::{Edges, Grid};
use super::invalid_option::{InvalidOption, within};
use super::spectrum_batch::PowerSpectrumBatch;
use super::window::hann_periodic;
use crate::kernels::lanes::fft::RealFft;
use crate::kernels::lanes::frames::multiply;
use crate::kernels::lanes::peaks::sums_and_peaks;
use crate::kernels::lanes::{LANES, Lanes};

use bands::Bands;
use evidence::Tracks;
use periodicity::Periodicity;

/// Frame length, four periods of the lowest pitch, and hop, a quarter of it, ms.
const FRAME_MS: usize = 64;
const HOP_MS: usize = 16;
/// Lower limit of the level's spectrum, Hz: excludes offset, rumble and the fundamental of mains
/// hum.
const LOWEST_HZ: f64 = 60.0;

/// Speech activity detector, planned, with its scratch memory. Allocates nothing after the longest
/// chunk.
#[derive(Debug, Clone)]
pub struct Activity {
    options: ActivityOptions,
    window: Vec<f32>,
    grid: Grid,
    hop_length: usize,
    spectra: PowerSpectrumBatch,
    bands: Bands,
    periodicity: Periodicity,
    first_bin: usize,
    scratch: Vec<f32>,
    frames: Vec<Lanes>,
    powers: Vec<Lanes>,
    tracks: Tracks,
}

impl Activity {
    /// Plans a detector for a sample rate.
    ///
    /// # Errors
    /// [`InvalidOption`] for a sample rate outside of 4 to 384 kHz, or the first invalid option.
    pub fn new(sample_rate_hz: u32, options: ActivityOptions) -> Result<Self, InvalidOption> {
        within("sample_rate_hz", sample_rate_hz, 4_000..=384_000)?;
        options.check()?;
        let rate = sample_rate_hz as usize;
        let length = frame_length(rate);
        let hop_length = rate * HOP_MS / 1000;
        let bin_hz = f64::from(sample_rate_hz) / length as f64;
        let spectra = PowerSpectrumBatch::new(length);
        let periodicity = Periodicity::new(length, sample_rate_hz)
            .ok_or_else(|| InvalidOption::new("sample_rate_hz", sample_rate_hz, "a rate with frames of 64 ms"))?;
        Ok(Self {
            window: hann_periodic(length),
            grid: Grid::new(length, hop_length, Edges::Snip),
            hop_length,
            bands: Bands::new(length, sample_rate_hz),
            periodicity,
            first_bin: (LOWEST_HZ / bin_hz).ceil() as usize,
            scratch: Vec::new(),
            frames: vec![Lanes::default(); length],
            powers: vec![Lanes::default(); spectra.bins()],
            tracks: Tracks::default(),
            spectra,
            options,
        })
    }

    /// The options.
    pub fn options(&self) -> &ActivityOptions {
        &self.options
    }

    /// Samples from one frame to the next.
    pub fn hop_length(&self) -> usize {
        self.hop_length
    }

    /// Analyses one chunk `[n]`. A chunk shorter than a frame has no evidence of speech. NaN
    /// samples are not speech.
    pub fn run(&mut self, samples: &[f32]) -> Evidence {
        self.tracks.clear();
        let count = self.grid.count(samples.len());
        for first in (0..count).step_by(LANES) {
            let frames = first..count.min(first + LANES);
            self.grid.gather(samples, frames.clone(), &mut self.scratch, &mut self.frames);
            multiply(&mut self.frames, &self.window);
            self.spectra.run(&mut self.frames, &mut self.powers);
            self.track(frames.len());
        }
        self.tracks.evidence(&self.options)
    }

    /// Whether each frame of the last chunk is speech. Frame t begins at sample `t · hop_length`
    /// and is 64 ms long.
    pub fn speech(&self) -> &[bool] {
        self.tracks.speech()
    }

    /// Number of speech samples in a part of the last chunk: one hop for each speech frame whose
    /// centre is in the part.
    pub fn speech_within(&self, part: Range<usize>) -> usize {
        let half = self.grid.length() / 2;
        let first = part.start.saturating_sub(half).div_ceil(self.hop_length);
        let end = part.end.saturating_sub(half).div_ceil(self.hop_length).min(self.speech().len());
        let frames = self.speech().get(first..end).map_or(0, |frames| frames.iter().filter(|speech| **speech).count());
        (frames * self.hop_length).min(part.len())
    }

    /// Records the values of the first `count` current spectra.
    fn track(&mut self, count: usize) {
        let above_limit = &self.powers[self.first_bin.min(self.powers.len())..];
        let [totals, peaks] = sums_and_peaks(above_limit);
        let periods = self.periodicity.run(&self.powers);
        let n = self.window.len() as f64;
        for (lane, period) in periods.into_iter().enumerate().take(count) {
            let (total, peak) = (totals.0[lane], peaks.0[lane]);
            // A Hann window preserves 3/8 of the power; one side of the spectrum has half of n
            // times that (Parseval).
            let level = 10.0 * (f64::from(total) * 16.0 / (3.0 * n * n) + f64::MIN_POSITIVE).log10();
            self.tracks.levels.push(level as f32);
            self.tracks.peak_shares.push(if total > 0.0 { peak / total } else { 1.0 });
            self.tracks.periods.push(period);
        }
        self.bands.append(&self.powers, count, &mut self.tracks.bands);
    }
}

/// The longest frame of at most [`FRAME_MS`] with a fast FFT of it and of its half: a multiple of 4
/// without large prime factors.
fn frame_length(rate_hz: usize) -> usize {
    let longest = rate_hz * FRAME_MS / 1000 / 4;
    4 * (1..=longest).rev().find(|quarter| RealFft::plans(2 * quarter)).unwrap_or(longest)
}

#[cfg(test)]
mod tests;
