//! Speech or not: the evidence of one window, from level, spectral shape and pitch.
//!
//! ```text
//! samples ─ frames of 64 ms every 16 ms, Hann ─▶ power spectrum
//!   ├─ level[t]    dBFS                                    ─▶ noise floor, swing (levels)
//!   ├─ bands[t,b]  dB, 16 bands on the mel scale           ─▶ flux[t], timbre (bands)
//!   └─ normalised autocorrelation, 60 to 500 Hz            ─▶ strength[t], pitch[t] (periodicity)
//! nucleus[t]  a voiced frame whose pitch and timbre both move, as in the middle of a syllable
//! speech      enough nuclei, in a window whose level and timbre move too (evidence)
//! ```
//!
//! What tells speech from other sounds with a pitch is that everything in it moves at once: vocal folds never hold a frequency
//! (tones, chords, drones and hum do), the mouth changes the spectrum while they glide (sweeps and sirens keep theirs), and syllables
//! rise and fall (held notes do not). Noise has no pitch. Whispered speech has none either, and is not found.
//!
//! A window is judged by itself alone, so windows can be judged in any order and on any thread. Thresholds and how they were found:
//! [`ActivityOptions`]. Figures by kind of sound come from `tools/check/activity.py`.

mod bands;
mod evidence;
mod levels;
mod options;
mod periodicity;

pub use evidence::{Evidence, snr_db};
pub use options::ActivityOptions;

use std::ops::Range;

use super::frame::{Edges, Grid};
use super::spectra::PowerSpectra;
use super::window::hann_periodic;
use crate::error::{Error, Result};
use crate::kernels::lanes::fft::RealFft;
use crate::kernels::lanes::frames::multiply;
use crate::kernels::lanes::peaks::sums_and_peaks;
use crate::kernels::lanes::{LANES, Lanes};

use bands::Bands;
use evidence::Tracks;
use periodicity::Periodicity;

/// Frame length and hop, milliseconds: four periods of the lowest pitch; a quarter of that from frame to frame.
const FRAME_MS: usize = 64;
const HOP_MS: usize = 16;
/// Below this nothing counts, Hz: hum's fundamental, rumble and offset.
const LOWEST_HZ: f64 = 60.0;

/// A detector: planned once, then run on any number of windows without allocating (once the longest has been seen).
#[derive(Debug, Clone)]
pub struct Activity {
    options: ActivityOptions,
    window: Vec<f32>,
    grid: Grid,
    hop_length: usize,
    spectra: PowerSpectra,
    bands: Bands,
    periodicity: Periodicity,
    first_bin: usize,
    room: Vec<f32>,
    frames: Vec<Lanes>,
    powers: Vec<Lanes>,
    tracks: Tracks,
}

impl Activity {
    /// Plans a detector for samples at `sample_rate_hz`.
    ///
    /// # Errors
    /// [`Error::Config`] for a rate under 4 kHz, or an option that makes no sense.
    pub fn new(sample_rate_hz: u32, options: ActivityOptions) -> Result<Self> {
        options.check(sample_rate_hz)?;
        let rate = sample_rate_hz as usize;
        let length = frame_length(rate);
        let hop_length = rate * HOP_MS / 1000;
        let bin_hz = f64::from(sample_rate_hz) / length as f64;
        let spectra = PowerSpectra::new(length);
        let periodicity = Periodicity::new(length, sample_rate_hz)
            .ok_or_else(|| Error::Config(format!("speech activity: no frames of 64 ms at {sample_rate_hz} Hz")))?;
        Ok(Self {
            window: hann_periodic(length),
            grid: Grid::new(length, hop_length, Edges::Snip),
            hop_length,
            bands: Bands::new(length, sample_rate_hz),
            periodicity,
            first_bin: (LOWEST_HZ / bin_hz).ceil() as usize,
            room: Vec::new(),
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

    /// Judges one window. A window shorter than a frame holds no evidence. NaN samples are no speech.
    pub fn run(&mut self, samples: &[f32]) -> Evidence {
        self.tracks.clear();
        let count = self.grid.count(samples.len());
        for first in (0..count).step_by(LANES) {
            let frames = first..count.min(first + LANES);
            self.grid.gather(samples, frames.clone(), &mut self.room, &mut self.frames);
            multiply(&mut self.frames, &self.window);
            self.spectra.run(&mut self.frames, &mut self.powers);
            self.track(frames.len());
        }
        self.tracks.evidence(&self.options)
    }

    /// Whether each frame of the last window is speech. Frame t covers samples from `t · hop_length` on, for 64 ms.
    pub fn speech(&self) -> &[bool] {
        self.tracks.speech()
    }

    /// Samples' worth of speech in a part of the last window: the frames whose centres lie there, a hop each.
    pub fn speech_within(&self, part: Range<usize>) -> usize {
        let half = self.grid.length() / 2;
        let first = part.start.saturating_sub(half).div_ceil(self.hop_length);
        let end = part.end.saturating_sub(half).div_ceil(self.hop_length).min(self.speech().len());
        let frames = self.speech().get(first..end).map_or(0, |frames| frames.iter().filter(|speech| **speech).count());
        (frames * self.hop_length).min(part.len())
    }

    /// Takes the first `count` of the current spectra down.
    fn track(&mut self, count: usize) {
        let audible = &self.powers[self.first_bin.min(self.powers.len())..];
        let [totals, peaks] = sums_and_peaks(audible);
        let periods = self.periodicity.run(&self.powers);
        let n = self.window.len() as f64;
        for (lane, period) in periods.into_iter().enumerate().take(count) {
            let (total, peak) = (totals.0[lane], peaks.0[lane]);
            // A Hann window keeps 3/8 of the power; one side of the spectrum holds half of n times that (Parseval).
            let level = 10.0 * (f64::from(total) * 16.0 / (3.0 * n * n) + f64::MIN_POSITIVE).log10();
            self.tracks.levels.push(level as f32);
            self.tracks.peak_shares.push(if total > 0.0 { peak / total } else { 1.0 });
            self.tracks.periods.push(period);
        }
        self.bands.append(&self.powers, count, &mut self.tracks.bands);
    }
}

/// The longest frame of at most [`FRAME_MS`] that can be transformed quickly, and half of it too: a multiple of 4 without large prime factors.
fn frame_length(rate_hz: usize) -> usize {
    let longest = rate_hz * FRAME_MS / 1000 / 4;
    4 * (1..=longest).rev().find(|quarter| RealFft::plans(2 * quarter)).unwrap_or(longest)
}

#[cfg(test)]
mod tests;
